//! A plan for people: equal changes on many clusters once, noise folded, dangers said.
//!
//! An action that looks the same on several slices is shown once, under the list of those slices; actions with the same list stand together.
//! What is not shown in full is counted. Texts come from manifests and live objects: control characters never reach a terminal as such.

mod drift;
mod fold;
mod human;
mod lines;
mod markdown;

use std::collections::BTreeMap;

use super::action::{Action, ClusterPlan, SlicePlan, Status, Verb};
use crate::report::plural;
use crate::rollout::Rollout;
use crate::yaml::json;

pub use crate::report::Detail;
pub use drift::drift;
pub(crate) use fold::common;
pub use human::human;
pub(crate) use lines::{tone, verb};
pub use markdown::markdown;

/// In which waves a plan goes, as text; empty where everything goes at once.
pub fn waves(rollout: &Rollout) -> String {
    rollout.describe().iter().map(|line| format!("{}\n", crate::report::clean(line))).collect()
}

/// Where a slice is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Where<'p> {
    pub(super) cluster: &'p ClusterPlan,
    pub(super) slice: &'p SlicePlan,
}

/// Actions that are the same on the same slices.
#[derive(Debug)]
pub(super) struct Group<'p> {
    /// The slices, sorted by application and cluster.
    pub(super) places: Vec<Where<'p>>,
    /// The actions in their order on the first of them.
    pub(super) actions: Vec<&'p Action>,
}

/// How many of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Clusters that were planned.
    pub clusters: usize,
    /// Clusters that were not.
    pub failed_clusters: usize,
    /// Slices.
    pub slices: usize,
    /// Slices with something to do.
    pub changing: usize,
    /// By status, where it is not ready.
    pub statuses: BTreeMap<&'static str, usize>,
    /// Actions that would be carried out, by verb.
    pub verbs: BTreeMap<&'static str, usize>,
    /// Actions and removals that are withheld.
    pub withheld: usize,
    /// Actions with marks of danger.
    pub dangers: usize,
    /// Marks that somebody decided to live with.
    pub suppressed: usize,
}

/// Counts what plans hold.
pub fn counts(plans: &[ClusterPlan]) -> Counts {
    let mut counts = Counts::default();
    for plan in plans {
        if plan.failed.is_some() {
            counts.failed_clusters += 1;
            continue;
        }
        counts.clusters += usize::from(!plan.identity.is_empty());
        for slice in &plan.slices {
            counts.slices += 1;
            counts.changing += usize::from(slice.has_changes());
            counts.withheld += usize::from(slice.withheld.is_some());
            if slice.status != Status::Ready {
                *counts.statuses.entry(word(&slice.status)).or_default() += 1;
            }
            for action in &slice.actions {
                let goes_on = slice.status == Status::Ready && slice.withheld.is_none();
                counts.withheld += usize::from(action.withheld.is_some());
                counts.dangers += usize::from(!action.dangers.is_empty());
                counts.suppressed += action.dangers.suppressed.len();
                if goes_on && action.is_effective() {
                    *counts.verbs.entry(action.verb.name()).or_default() += 1;
                }
            }
        }
    }
    counts
}

/// One word for how a slice stands.
pub(super) fn word(status: &Status) -> &'static str {
    match status {
        Status::Ready => "ready",
        Status::Blocked => "blocked",
        Status::Held(_) => "held",
        Status::Refused(_) => "refused",
        Status::Failed(_) => "failed",
    }
}

/// Why a slice stands as it does; empty where its actions say it.
pub(super) fn reason(status: &Status) -> &str {
    match status {
        Status::Ready | Status::Blocked => "",
        Status::Held(why) | Status::Refused(why) | Status::Failed(why) => why,
    }
}

/// Whether an action is worth a line: what only the inventory learns is not.
fn is_shown(action: &Action) -> bool {
    !matches!(action.verb, Verb::Note | Verb::Forget)
}

/// The groups of some plans, by their first application, the larger ones first.
pub(super) fn groups(plans: &[ClusterPlan]) -> Vec<Group<'_>> {
    let mut slices: Vec<Where<'_>> =
        plans.iter().flat_map(|cluster| cluster.slices.iter().map(move |slice| Where { cluster, slice })).collect();
    slices.sort_by(|a, b| (&a.slice.key, &a.cluster.cluster).cmp(&(&b.slice.key, &b.cluster.cluster)));
    // By what an action looks like: the slices that have it, and the first of them.
    let mut looks: BTreeMap<String, (Vec<usize>, &Action)> = BTreeMap::new();
    for (at, place) in slices.iter().enumerate() {
        for action in place.slice.actions.iter().filter(|action| is_shown(action)) {
            let look = look(place.slice, action);
            let (places, _) = looks.entry(look).or_insert_with(|| (Vec::new(), action));
            if places.last() != Some(&at) {
                places.push(at);
            }
        }
    }
    let mut sets: BTreeMap<Vec<usize>, Vec<&Action>> = BTreeMap::new();
    for (places, action) in looks.into_values() {
        sets.entry(places).or_default().push(action);
    }
    let mut found: Vec<(Vec<usize>, Group<'_>)> = sets
        .into_iter()
        .map(|(places, mut actions)| {
            actions.sort_by(|a, b| (a.place, &a.object).cmp(&(b.place, &b.object)));
            let group = Group { places: places.iter().filter_map(|at| slices.get(*at).copied()).collect(), actions };
            (places, group)
        })
        .collect();
    found.sort_by(|(a, left), (b, right)| {
        let name = |group: &Group<'_>| group.places.first().map(|place| place.slice.key.clone());
        (name(left), std::cmp::Reverse(a.len()), a).cmp(&(name(right), std::cmp::Reverse(b.len()), b))
    });
    found.into_iter().map(|(_, group)| group).collect()
}

/// What an action looks like in a report; two that look the same are shown once.
fn look(slice: &SlicePlan, action: &Action) -> String {
    let mut look = format!(
        "{} {} {} {:?} ",
        lines::verb(&action.verb),
        action.gvk.api_version(),
        action.object,
        action.place.phase
    );
    look.push_str(&format!("{} {} {:?} {} ", word(&slice.status), slice.removal, slice.withheld, action.place.wave));
    let text =
        |node: &Option<crate::yaml::Node>| node.as_ref().and_then(|node| json::to_json(node).ok()).unwrap_or_default();
    for change in &action.changes {
        look.push_str(&format!("{} {} {}\n", change.path, text(&change.before), text(&change.after)));
    }
    look.push_str(&format!(
        "{:?} {:?} {} {:?} {}",
        action.yields, action.dangers, action.why, action.withheld, action.force
    ));
    look
}

/// The sentence that sums up.
pub fn summary(counts: &Counts) -> String {
    let mut parts = vec![format!("{} on {}", plural(counts.slices, "application"), plural(counts.clusters, "cluster"))];
    let mut states = vec![format!("{} with changes", counts.changing)];
    states.extend(counts.statuses.iter().map(|(status, number)| format!("{number} {status}")));
    parts.push(states.join(", "));
    let verbs: Vec<String> = counts.verbs.iter().map(|(verb, number)| format!("{number} to {verb}")).collect();
    if !verbs.is_empty() {
        parts.push(verbs.join(", "));
    }
    if counts.withheld > 0 {
        parts.push(format!("{} withheld", counts.withheld));
    }
    if counts.dangers > 0 {
        parts.push(format!("{} marked as dangerous", plural(counts.dangers, "action")));
    }
    if counts.suppressed > 0 {
        parts.push(format!("{} suppressed", plural(counts.suppressed, "danger")));
    }
    if counts.failed_clusters > 0 {
        parts.push(format!("{} could not be planned", plural(counts.failed_clusters, "cluster")));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests;
