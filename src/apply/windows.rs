//! Whether the sync windows of a slice let it be applied now. They were chosen when the bundle was made; the clock is the port's.

use super::site::Site;
use crate::plan::DesiredSlice;
use crate::project::windows::{Ask, Verdict, Window, judge};

/// The semantics of windows: what overruns is known from Argo CD 3.5 on.
const ENGINE: (u32, u32) = (3, 5);

/// What sync windows say of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Say {
    /// It may be applied.
    Yes,
    /// It may not, and why.
    No(String),
    /// It may not, but windows are ignored in this run, which is recorded.
    Ignored(String),
}

/// Whether sync windows let a slice be applied now.
pub(super) fn ask(site: &Site<'_>, desired: &DesiredSlice) -> Say {
    if desired.windows.is_empty() {
        return Say::Yes;
    }
    let refused = |why: String| if site.options.ignore_windows { Say::Ignored(why) } else { Say::No(why) };
    let windows: Result<Vec<Window>, _> = desired.windows.iter().map(|node| Window::read(node, ENGINE)).collect();
    let Ok(windows) = windows else { return refused("a sync window of its project cannot be read".to_owned()) };
    let now = i64::try_from(site.port.now()).ok().and_then(|now| jiff::Timestamp::from_millisecond(now).ok());
    let Some(now) = now else { return refused("the time now is not known".to_owned()) };
    let asked = Ask { manual: site.options.manual, started: None };
    let Verdict::Blocked { manual, until, .. } = judge(&windows, asked, now) else { return Say::Yes };
    let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
    let by_hand = if manual { ", except by hand" } else { "" };
    refused(format!("a sync window of its project blocks it{until}{by_hand}"))
}
