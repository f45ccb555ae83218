//! The order in which the actions of a slice are carried out, as Argo CD orders the tasks of a sync (argocd.md 3.1, v3.5
//! gitops-engine/pkg/sync/sync_tasks.go): phase, wave, deletions before the rest, kind, then group, namespace and name, which Argo CD leaves open.
//!
//! Then what others need is pulled in front: a Namespace before the first task in it, a CustomResourceDefinition before the first task of
//! its kind, each with that task's phase and wave. Waves of deletions are mirrored, and `PruneLast` comes after the last wave.
//! Only ordered here: what is waited for between phases and waves is `apply`'s.

use std::cmp::Reverse;

use crate::bundle::ObjectRef;
use crate::k8s::order::{Phase, kind_rank};
use crate::yaml::Node;

/// When an action is carried out: all of a phase and wave before those of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The phase.
    pub phase: Phase,
    /// The wave within the phase.
    pub wave: i64,
    /// The place within the slice, from 0: no two actions share one.
    pub position: usize,
}

/// What is to be put in order.
#[derive(Clone, Debug)]
pub struct Task {
    /// The object.
    pub object: ObjectRef,
    /// The phase.
    pub phase: Phase,
    /// The wave that the object says.
    pub wave: i64,
    /// Whether it is deleted.
    pub prune: bool,
    /// Whether it is deleted after the last wave.
    pub last: bool,
    /// Of a CustomResourceDefinition: group and kind that it defines.
    pub defines: Option<(String, String)>,
    /// A namespace that is only made sure of comes before everything.
    pub first: bool,
}

impl Task {
    /// An object that is applied.
    pub fn new(object: ObjectRef, phase: Phase, wave: i64) -> Self {
        Task { object, phase, wave, prune: false, last: false, defines: None, first: false }
    }
}

/// Group and kind that a CustomResourceDefinition defines; `None` for other objects.
pub fn defined_kind(object: &Node) -> Option<(String, String)> {
    let kind = object.get("kind").and_then(Node::as_str)?;
    let api = object.get("apiVersion").and_then(Node::as_str)?;
    if kind != "CustomResourceDefinition" || !api.starts_with("apiextensions.k8s.io/") {
        return None;
    }
    let text = |path: &[&str]| object.at(path).and_then(Node::as_str).map(str::to_owned);
    Some((text(&["spec", "group"])?, text(&["spec", "names", "kind"])?))
}

/// The place of each task, by its index.
pub fn arrange(tasks: &[Task]) -> Vec<Place> {
    let mut order: Vec<(usize, Phase, i64)> = Vec::with_capacity(tasks.len());
    let mirrored = mirrored_waves(tasks);
    let in_sync = tasks.iter().filter(|task| !task.prune && task.phase == Phase::Sync);
    let after = in_sync.map(|task| task.wave).chain(mirrored.iter().map(|pair| pair.1)).max().unwrap_or(0) + 1;
    let start = tasks.iter().filter(|task| task.phase == Phase::PreSync).map(|task| task.wave).min().unwrap_or(0);
    for (at, task) in tasks.iter().enumerate() {
        let wave = match task {
            task if task.first => start.min(0),
            task if task.prune && task.last => after,
            task if task.prune => mirrored.iter().find(|pair| pair.0 == task.wave).map_or(task.wave, |pair| pair.1),
            task => task.wave,
        };
        order.push((at, if task.first { Phase::PreSync } else { task.phase }, wave));
    }
    let key = |(at, phase, wave): &(usize, Phase, i64)| {
        let task = tasks.get(*at);
        (
            *phase,
            *wave,
            task.map(|task| (Reverse(task.first), Reverse(task.prune), kind_rank(&task.object.kind), &task.object)),
        )
    };
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    pull(&mut order, tasks, |task, other| {
        task.object.kind == "Namespace" && task.object.group.is_empty() && other.object.namespace == task.object.name
    });
    pull(&mut order, tasks, |task, other| {
        let defined = task.defines.as_ref();
        defined.is_some_and(|(group, kind)| other.object.group == group.as_str() && other.object.kind == kind.as_str())
    });
    let mut places = vec![Place { phase: Phase::Sync, wave: 0, position: 0 }; tasks.len()];
    for (position, (at, phase, wave)) in order.into_iter().enumerate() {
        if let Some(place) = places.get_mut(at) {
            *place = Place { phase, wave, position };
        }
    }
    places
}

/// Waves of deletions, each with the one that it becomes: the last of them first.
fn mirrored_waves(tasks: &[Task]) -> Vec<(i64, i64)> {
    let mut waves: Vec<i64> = tasks.iter().filter(|task| task.prune && !task.last).map(|task| task.wave).collect();
    waves.sort_unstable();
    waves.dedup();
    waves.iter().copied().zip(waves.iter().rev().copied()).collect()
}

/// Moves what others need in front of the first of them.
fn pull(order: &mut Vec<(usize, Phase, i64)>, tasks: &[Task], needed: impl Fn(&Task, &Task) -> bool) {
    let is_applied = |at: &usize| tasks.get(*at).filter(|task| !task.prune);
    let movers: Vec<usize> = order
        .iter()
        .map(|entry| entry.0)
        .filter(|at| is_applied(at).is_some_and(|task| task.defines.is_some() || task.object.kind == "Namespace"))
        .collect();
    for mover in movers {
        let Some(task) = tasks.get(mover) else { continue };
        let Some(from) = order.iter().position(|entry| entry.0 == mover) else { continue };
        let first = order.iter().position(|entry| is_applied(&entry.0).is_some_and(|other| needed(task, other)));
        if let Some(to) = first.filter(|to| *to < from)
            && let Some((_, phase, wave)) = order.get(to).copied()
        {
            order.remove(from);
            order.insert(to, (mover, phase, wave));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(text: &str, phase: Phase, wave: i64) -> Task {
        Task::new(ObjectRef::parse(text).expect("a reference"), phase, wave)
    }

    fn prune(text: &str, wave: i64) -> Task {
        Task { prune: true, ..task(text, Phase::Sync, wave) }
    }

    fn names(tasks: &[Task]) -> Vec<String> {
        let mut order: Vec<(Place, String)> =
            arrange(tasks).into_iter().zip(tasks.iter().map(|task| task.object.to_string())).collect();
        order.sort();
        order.into_iter().map(|(place, name)| format!("{:?} {} {name}", place.phase, place.wave)).collect()
    }

    #[test]
    fn phases_waves_kinds_names() {
        let tasks = [
            task("Deployment.apps shop/web", Phase::Sync, 0),
            task("ConfigMap shop/b", Phase::Sync, 0),
            task("ConfigMap shop/a", Phase::Sync, 0),
            task("ConfigMap other/a", Phase::Sync, 0),
            task("Job.batch shop/migrate", Phase::PreSync, 0),
            task("Job.batch shop/notify", Phase::PostSync, -1),
            task("Service shop/web", Phase::Sync, -1),
        ];
        assert_eq!(
            names(&tasks),
            [
                "PreSync 0 Job.batch shop/migrate",
                "Sync -1 Service shop/web",
                "Sync 0 ConfigMap other/a",
                "Sync 0 ConfigMap shop/a",
                "Sync 0 ConfigMap shop/b",
                "Sync 0 Deployment.apps shop/web",
                "PostSync -1 Job.batch shop/notify",
            ]
        );
    }

    #[test]
    fn namespaces_and_definitions_are_pulled_in_front_of_what_needs_them() {
        let mut crd = task("CustomResourceDefinition.apiextensions.k8s.io widgets.example.com", Phase::Sync, 3);
        crd.defines = Some(("example.com".into(), "Widget".into()));
        let tasks = [
            task("Namespace shop", Phase::Sync, 5),
            task("Job.batch shop/migrate", Phase::PreSync, -2),
            task("Widget.example.com shop/one", Phase::Sync, 1),
            crd,
            task("ConfigMap shop/a", Phase::Sync, 1),
        ];
        assert_eq!(
            names(&tasks),
            [
                "PreSync -2 Namespace shop",
                "PreSync -2 Job.batch shop/migrate",
                "Sync 1 ConfigMap shop/a",
                "Sync 1 CustomResourceDefinition.apiextensions.k8s.io widgets.example.com",
                "Sync 1 Widget.example.com shop/one",
            ]
        );
    }

    #[test]
    fn deletions_run_backwards_and_before_the_rest_of_their_wave() {
        let mut last = prune("ConfigMap shop/late", 0);
        last.last = true;
        let tasks = [
            prune("ConfigMap shop/first", -1),
            prune("ConfigMap shop/middle", 0),
            prune("ConfigMap shop/end", 4),
            task("ConfigMap shop/new", Phase::Sync, 4),
            last,
            Task { first: true, ..task("Namespace shop", Phase::Sync, 0) },
        ];
        assert_eq!(
            names(&tasks),
            [
                "PreSync 0 Namespace shop",
                "Sync -1 ConfigMap shop/end",
                "Sync 0 ConfigMap shop/middle",
                "Sync 4 ConfigMap shop/first",
                "Sync 4 ConfigMap shop/new",
                "Sync 5 ConfigMap shop/late",
            ]
        );
    }
}
