//! Sync windows: when an application may be synced, by the windows that apply to it.
//!
//! Rules of Argo CD `SyncWindows.Matches` and `CanSync` (v3.5; overrun from 3.5 on). An active deny window blocks; else an active allow
//! window permits; else, if there are allow windows at all, they block; no windows permit. By hand it goes through where every window that
//! blocks has `manualSync`. A window is active from just after its start until its duration is over. Two oddities are kept: a schedule that
//! never comes counts as active, and the offset of `timeZone` is that of now, also for times on the other side of a clock change.
//! There is no clock here: `now` is an argument.

use jiff::{SignedDuration, Timestamp};

use super::cron::{Schedule, time_zone};
use super::rules::Pattern;
use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::span::Span;
use crate::template::parse_duration;
use crate::yaml::Node;

/// What a window does while it is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Syncs go only then.
    Allow,
    /// No syncs then.
    Deny,
}

/// A sync window.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// What it does.
    pub kind: Kind,
    schedule: Schedule,
    duration: SignedDuration,
    zone: jiff::tz::TimeZone,
    applications: Vec<Pattern>,
    clusters: Vec<Pattern>,
    namespaces: Vec<Pattern>,
    and: bool,
    manual: bool,
    overrun: bool,
    /// As written.
    pub node: Node,
}

/// What windows are chosen by.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Name of the Application, without its namespace.
    pub application: &'a str,
    /// `destination.name` as written.
    pub cluster: &'a str,
    /// `destination.server` as written.
    pub server: &'a str,
    /// `destination.namespace`.
    pub namespace: &'a str,
}

/// Who asks, and since when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask {
    /// A person started it.
    pub manual: bool,
    /// When the operation started, if it is under way.
    pub started: Option<Timestamp>,
}

/// Whether a sync may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Permitted,
    /// It may not.
    Blocked {
        /// The windows that block, by their places in the list: active deny windows, else all allow windows.
        by: Vec<usize>,
        /// Whether a person could start it.
        manual: bool,
        /// When it may go, as far as that can be told.
        until: Option<Timestamp>,
    },
}

impl Window {
    /// Reads a window.
    ///
    /// # Errors
    /// What Argo CD refuses: another kind, a schedule or duration that it cannot parse; and a malformed glob, which would match nothing there.
    pub fn read(node: &Node, engine: (u32, u32)) -> Checked<Self> {
        let mut found = Diagnostics::new();
        let place = |key: &str| node.get(key).map_or(node.span(), Node::span).or(node.span());
        let text = |key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default();
        let flag = |key: &str| node.get(key).and_then(Node::as_bool).unwrap_or(false);
        let wrong = |key, message: String| Diagnostic::error("project/window", place(key), message);
        let kind = match text("kind") {
            "allow" => Some(Kind::Allow),
            "deny" => Some(Kind::Deny),
            other => {
                found.push(wrong("kind", format!("a sync window is `allow` or `deny`, not `{other}`")));
                None
            }
        };
        let schedule = Schedule::parse(text("schedule")).map_err(|why| {
            found.push(wrong("schedule", format!("the schedule `{}` cannot be read: {why}", text("schedule"))));
        });
        let duration = parse_duration(text("duration")).map_err(|_| {
            let message = format!("the duration `{}` cannot be read", text("duration"));
            found.push(wrong("duration", message).hint("it is written such as `1h30m`"));
        });
        let patterns = |key: &str, found: &mut Diagnostics| {
            let items = node.get(key).and_then(Node::as_seq).unwrap_or_default();
            items.iter().filter_map(|item| found.take(Pattern::read(item, ""))).collect::<Vec<_>>()
        };
        let [applications, clusters, namespaces] =
            ["applications", "clusters", "namespaces"].map(|key| patterns(key, &mut found));
        let (Some(kind), Ok(schedule), Ok(duration), false) = (kind, schedule, duration, found.has_errors()) else {
            return Err(found);
        };
        Ok(Window {
            kind,
            schedule,
            duration: SignedDuration::from_nanos(duration),
            // An unknown zone is UTC there, with a line in the log.
            zone: time_zone(text("timeZone")).unwrap_or(jiff::tz::TimeZone::UTC),
            applications,
            clusters,
            namespaces,
            and: flag("andOperator"),
            manual: flag("manualSync"),
            overrun: flag("syncOverrun") && engine >= (3, 5),
            node: node.clone(),
        })
    }

    /// What can be said of a window that is none the less used.
    pub(super) fn doubts(&self) -> Option<Diagnostic> {
        let node = &self.node;
        let zone = node.get("timeZone").filter(|zone| time_zone(zone.as_str().unwrap_or_default()).is_none());
        if let Some(zone) = zone {
            let message = format!("`{}` is no time zone, so that UTC counts", zone.as_str().unwrap_or_default());
            return Some(Diagnostic::warning("project/window", zone.span(), message));
        }
        let never = self.applications.is_empty() && self.clusters.is_empty() && self.namespaces.is_empty();
        let message = "the sync window names no applications, clusters or namespaces, so that it applies to nothing";
        never.then(|| Diagnostic::warning("project/window", node.span(), message))
    }

    /// Where it was written.
    pub fn span(&self) -> Span {
        self.node.span()
    }

    /// Whether it applies to an application.
    pub fn applies(&self, to: &Subject<'_>) -> bool {
        let named = |patterns: &[Pattern], values: &[&str]| {
            patterns.iter().any(|pattern| values.iter().any(|value| pattern.matches(value)))
        };
        let mut clusters = vec![to.cluster, to.server];
        clusters.retain(|value| !value.is_empty());
        let lists = [
            (&self.applications, named(&self.applications, &[to.application])),
            (&self.clusters, named(&self.clusters, &clusters)),
            (&self.namespaces, named(&self.namespaces, &[to.namespace])),
        ];
        let mut set = lists.iter().filter(|(list, _)| !list.is_empty()).peekable();
        if self.and {
            set.peek().is_some() && set.all(|(_, matched)| *matched)
        } else {
            set.any(|(_, matched)| *matched)
        }
    }

    /// Whether it is active at `at`, with the offset of its zone at `now`.
    fn is_active(&self, at: Timestamp, now: Timestamp) -> bool {
        self.first_start(at, now).is_none_or(|start| self.shifted(at, now).is_none_or(|at| start < at))
    }

    /// The clock that its schedule is compared with.
    fn shifted(&self, at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let offset = self.zone.to_offset(now).seconds();
        at.checked_add(SignedDuration::from_secs(i64::from(offset))).ok()
    }

    /// The first start that lasts until after `at`, on the clock of its schedule.
    fn first_start(&self, at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let from = self.shifted(at, now)?.checked_sub(self.duration).ok()?;
        self.schedule.next(floor(from)?)
    }

    /// When it may change after `at`: its end if it is active, else its start.
    fn change(&self, at: Timestamp) -> Option<Timestamp> {
        let offset = SignedDuration::from_secs(i64::from(self.zone.to_offset(at).seconds()));
        let first = self.first_start(at, at)?;
        let end = first.checked_add(self.duration).ok()?.checked_sub(offset).ok()?;
        let next =
            if self.is_active(at, at) { end } else { first.checked_sub(offset).ok()?.checked_add(NANOSECOND).ok()? };
        let next = if next > at { next } else { at.checked_add(SignedDuration::from_secs(1)).ok()? };
        // A clock change moves all that follows.
        let moved = self.zone.following(at).next().map(|change| change.timestamp());
        Some(moved.map_or(next, |moved| moved.min(next)))
    }
}

const NANOSECOND: SignedDuration = SignedDuration::from_nanos(1);

/// The whole second that a time lies in.
fn floor(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(at.as_nanosecond().div_euclid(1_000_000_000).try_into().ok()?).ok()
}

/// Whether a sync may go now, by the windows that apply to the application.
pub fn judge(windows: &[Window], ask: Ask, now: Timestamp) -> Verdict {
    let Err((by, manual)) = at(windows, ask, now, now) else { return Verdict::Permitted };
    Verdict::Blocked { by, manual, until: until(windows, now) }
}

/// Whether a sync may go at `time`; else which windows block, and whether a person could start it.
fn at(windows: &[Window], ask: Ask, time: Timestamp, now: Timestamp) -> Result<(), (Vec<usize>, bool)> {
    let of = |kind: Kind, active: bool| -> Vec<usize> {
        let wanted = |window: &Window| window.kind == kind && window.is_active(time, now) == active;
        windows.iter().enumerate().filter(|(_, window)| wanted(window)).map(|(at, _)| at).collect()
    };
    let denies = of(Kind::Deny, true);
    let by = if !denies.is_empty() {
        denies
    } else if !of(Kind::Allow, true).is_empty() {
        return Ok(());
    } else {
        of(Kind::Allow, false)
    };
    let all = |test: fn(&Window) -> bool| by.iter().filter_map(|at| windows.get(*at)).all(test);
    let manual = all(|window| window.manual);
    if by.is_empty() || (ask.manual && manual) {
        return Ok(());
    }
    if let Some(started) = ask.started
        && all(|window| window.overrun)
        && at(windows, Ask { started: None, ..ask }, started, now).is_ok()
    {
        return Ok(());
    }
    Err((by, manual))
}

/// How many changes of windows are followed to find the end of a block.
const MAX_CHANGES: usize = 1000;

fn until(windows: &[Window], now: Timestamp) -> Option<Timestamp> {
    let mut time = now;
    for _ in 0..MAX_CHANGES {
        time = windows.iter().filter_map(|window| window.change(time)).min()?;
        // Between two windows that meet lies a moment that is in neither.
        let after = time.checked_add(NANOSECOND).ok()?;
        if at(windows, Ask::default(), after, after).is_ok() {
            return floor(time);
        }
    }
    None
}
