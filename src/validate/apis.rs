//! Whether a version of Kubernetes serves an API version of a kind, and for how long: the tables of kinds, and
//! `schema/kubernetes/lifecycle.txt` with what is deprecated or gone (1.8 on).
//!
//! Of custom kinds nothing is known here; who asks knows the CRDs and facts.

use std::sync::LazyLock;

use super::table::{self, Minor};
use crate::diag::did_you_mean;
use crate::k8s::object::Gvk;

/// What a version of Kubernetes says to a kind in an API version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serving {
    /// It is served.
    Served,
    /// It is known, but no server has it unless somebody turns it on.
    OffByDefault,
    /// It is served, and will not be for long: deprecated since, gone from, what to write instead.
    Deprecated(Minor, Option<Minor>, String),
    /// It was served and is gone since a version; what to write instead.
    Removed(Minor, String),
    /// There is no such kind in a group that is Kubernetes' own; what may help.
    Unknown(Option<String>),
    /// No group of Kubernetes itself.
    Custom,
}

struct Row {
    api: &'static str,
    kind: &'static str,
    deprecated: Option<Minor>,
    removed: Option<Minor>,
    /// API version, and perhaps another kind.
    instead: Option<&'static str>,
}

static LIFECYCLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let lines = include_str!("../../schema/kubernetes/lifecycle.txt").lines().filter(|line| !line.starts_with('#'));
    let minor = |text: &str| text.parse().ok().map(Minor);
    let row = |line: &'static str| {
        let mut words = line.splitn(5, ' ');
        Some(Row {
            api: words.next()?,
            kind: words.next()?,
            deprecated: minor(words.next()?),
            removed: minor(words.next()?),
            instead: words.next().filter(|text| *text != "-"),
        })
    };
    lines.filter_map(row).collect()
});

/// Kinds in a beta version that servers have without being asked: those from before 1.24, when that changed.
const ON_BY_DEFAULT: [&str; 1] = ["flowcontrol.apiserver.k8s.io/v1beta3"];

/// Groups of Kubernetes that are in no table of kinds, since nobody keeps objects of them in files, or since they are gone.
const OTHER_GROUPS: [&str; 2] = ["extensions", "events.k8s.io"];

/// Asks about a kind.
pub fn serving(gvk: &Gvk, minor: Minor) -> Serving {
    let api = gvk.api_version();
    let row = LIFECYCLE.iter().find(|row| row.api == api && row.kind == gvk.kind);
    // The tables end where they end; what is gone since is known all the same.
    if let Some(row) = row
        && let Some(removed) = row.removed.filter(|removed| *removed <= minor)
    {
        return Serving::Removed(removed, instead(row, gvk, minor));
    }
    if table::root(gvk, minor).is_some() {
        if let Some(row) = row
            && let Some(deprecated) = row.deprecated.filter(|deprecated| *deprecated <= minor)
        {
            return Serving::Deprecated(deprecated, row.removed, instead(row, gvk, minor));
        }
        let preview = gvk.version.contains("alpha") || gvk.version.contains("beta");
        return if preview && !ON_BY_DEFAULT.contains(&&*api) { Serving::OffByDefault } else { Serving::Served };
    }
    let known = table::is_built_in_group(&gvk.group, minor) || OTHER_GROUPS.contains(&&*gvk.group);
    if !known && row.is_none() {
        return Serving::Custom;
    }
    if OTHER_GROUPS.contains(&&*gvk.group) && row.is_none() {
        return Serving::Custom;
    }
    let others = table::versions_of(&gvk.group, &gvk.kind, minor);
    let hint = if let Some(when) = table::when(gvk) {
        Some(format!("Kubernetes has it {when}; the cluster is taken to run {minor}"))
    } else if let Some(other) = others.first() {
        Some(format!("{} is in `{other}`", gvk.kind))
    } else {
        did_you_mean(&gvk.kind, table::kinds_of(&gvk.group, minor))
    };
    Serving::Unknown(hint)
}

fn instead(row: &Row, gvk: &Gvk, minor: Minor) -> String {
    match row.instead.map(|text| text.split_once(' ').unwrap_or((text, row.kind))) {
        Some((api, kind)) if kind == gvk.kind || kind.ends_with("List") => format!("write `apiVersion: {api}`"),
        Some((api, kind)) => format!("write `apiVersion: {api}` and `kind: {kind}`"),
        None => match table::versions_of(&gvk.group, &gvk.kind, minor).into_iter().find(|api| *api != row.api) {
            Some(api) => format!("write `apiVersion: {api}`"),
            None => "nothing has taken its place".to_owned(),
        },
    }
}
