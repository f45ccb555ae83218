//! Bounds that contradict what they bound: disruption budgets, quotas, limit ranges, autoscalers, as far as the same application has both.

use crate::k8s::ignore::quantity::Quantity;
use crate::yaml::Node;

use super::State;
use super::look::{
    Pod, Said, are_together, called, has_custom_kinds, is_of, list, name, namespace, number, pods_beside, selector,
    text,
};

const BUDGET: [(&str, &str); 1] = [("policy", "PodDisruptionBudget")];
const QUOTA: [(&str, &str); 1] = [("", "ResourceQuota")];
const RANGE: [(&str, &str); 1] = [("", "LimitRange")];
const SCALERS: [(&str, &str); 2] = [("autoscaling", "HorizontalPodAutoscaler"), ("keda.sh", "ScaledObject")];

/// Kinds with a number of pods, and where it is.
const COUNTED: [(&str, &str, &[&str]); 6] = [
    ("apps", "Deployment", &["spec", "replicas"]),
    ("apps", "StatefulSet", &["spec", "replicas"]),
    ("apps", "ReplicaSet", &["spec", "replicas"]),
    ("argoproj.io", "Rollout", &["spec", "replicas"]),
    ("", "ReplicationController", &["spec", "replicas"]),
    ("batch", "Job", &["spec", "parallelism"]),
];

/// How many pods an object makes; `None` where its kind does not say.
fn count(object: &Node) -> Option<i64> {
    let row = COUNTED.iter().find(|(group, kind, _)| is_of(object, &[(group, kind)]))?;
    Some(number(object, row.2).unwrap_or(1))
}

/// Whether two objects are in the same namespace, as written.
fn is_in_the_same(one: &Node, other: &Node) -> bool {
    namespace(one) == namespace(other)
}

/// The workload that an autoscaler scales.
fn target<'n>(scaler: &Node, others: &[&'n Node]) -> Option<&'n Node> {
    let reference = scaler.at(&["spec", "scaleTargetRef"])?;
    let kind = reference.get("kind").and_then(Node::text).unwrap_or("Deployment");
    let is_it = |other: &&&Node| {
        text(other, &["kind"]) == kind && name(other) == text(reference, &["name"]) && are_together(scaler, other)
    };
    others.iter().find(is_it).copied()
}

// ------------------------------------------------------------------------------------------------------------------------- budgets

/// A number of pods, or a share of them rounded up, as a budget says it.
fn pods_of(node: &Node, all: i64) -> Option<i64> {
    let text = node.text()?;
    match text.strip_suffix('%') {
        Some(share) => Some((share.parse::<i64>().ok()?.checked_mul(all)? + 99) / 100),
        None => text.parse().ok(),
    }
}

/// A budget that lets no pod go, ever.
pub(super) fn budget_blocks(state: &State<'_>) -> Vec<Said> {
    const SAY: &str = "no pod may ever be evicted: nodes cannot be drained";
    let object = state.object;
    if let Some(node) = object.at(&["spec", "maxUnavailable"]) {
        let none = matches!(node.text(), Some("0" | "0%"));
        return if none { vec![Said::at("spec.maxUnavailable", Some(node), SAY)] } else { Vec::new() };
    }
    let Some(node) = object.at(&["spec", "minAvailable"]) else { return Vec::new() };
    if node.text() == Some("100%") {
        return vec![Said::at("spec.minAvailable", Some(node), SAY)];
    }
    let Some(selector) = selector(object.at(&["spec", "selector"])) else { return Vec::new() };
    let others = state.others.all();
    let meant = pods_beside(object, &others).into_iter().filter(|pod| pod.is_selected(&selector));
    let meant: Vec<&Node> = meant.map(|pod| pod.object).collect();
    // With an autoscaler there are at least as many as it says.
    let least = |object: &Node| {
        let scaler = others.iter().find(|other| {
            is_of(other, &SCALERS) && target(other, &others).is_some_and(|target| std::ptr::eq(target, object))
        });
        match scaler {
            Some(scaler) => {
                let keys: [&[&str]; 2] = [&["spec", "minReplicas"], &["spec", "minReplicaCount"]];
                keys.iter().find_map(|key| number(scaler, key)).or(Some(1))
            }
            None => count(object),
        }
    };
    let Some(all) = meant.iter().map(|object| least(object)).sum::<Option<i64>>().filter(|all| *all > 0) else {
        return Vec::new();
    };
    match pods_of(node, all) {
        Some(wanted) if wanted >= all => {
            let message = format!("{SAY} ({} of {all} must be there)", node.text().unwrap_or_default());
            vec![Said::at("spec.minAvailable", Some(node), message)]
        }
        _ => Vec::new(),
    }
}

/// A budget whose pods are not those of the application.
pub(super) fn budget_matches_nothing(state: &State<'_>) -> Vec<Said> {
    let Some(selector) = selector(state.object.at(&["spec", "selector"])) else { return Vec::new() };
    let others = state.others.all();
    let pods = pods_beside(state.object, &others);
    if pods.is_empty() || pods.iter().any(|pod| pod.is_selected(&selector)) || has_custom_kinds(&others) {
        return Vec::new();
    }
    let message = "no pod of the application has its labels: it protects nothing";
    vec![Said::at("spec.selector", state.object.at(&["spec", "selector"]), message)]
}

/// Two budgets for one pod: an eviction of it is refused.
pub(super) fn budgets_overlap(state: &State<'_>) -> Vec<Said> {
    let Some(own) = selector(state.object.at(&["spec", "selector"])) else { return Vec::new() };
    let others = state.others.all();
    let pods: Vec<Pod<'_>> =
        pods_beside(state.object, &others).into_iter().filter(|pod| pod.is_selected(&own)).collect();
    let before = others
        .iter()
        .filter(|other| is_of(other, &BUDGET) && are_together(other, state.object) && name(other) < name(state.object));
    let mut said = Vec::new();
    for other in before {
        let Some(theirs) = selector(other.at(&["spec", "selector"])) else { continue };
        if let Some(pod) = pods.iter().find(|pod| pod.is_selected(&theirs)) {
            let message = format!(
                "the pods of {} have the budget `{}`, too: an eviction of a pod with two of them is refused",
                called(pod.object),
                name(other)
            );
            said.push(Said::at("spec.selector", state.object.at(&["spec", "selector"]), message));
        }
    }
    said
}

// -------------------------------------------------------------------------------------------------------------------------- quotas

/// What a container asks for or may have at most.
fn amount(container: &Node, what: &str, resource: &str) -> Option<Quantity> {
    Quantity::parse(container.at(&["resources", what])?.get(resource)?.text()?)
}

/// What all containers of a pod together ask for: those that run first count only where they want more.
fn of_pod(pod: &Pod<'_>, what: &str, resource: &str) -> i128 {
    let nano = |container: &Node| {
        // What has only a limit asks for as much.
        let limit = || amount(container, "limits", resource);
        amount(container, what, resource).or_else(limit).map_or(0, Quantity::nano)
    };
    let sum: i128 = list(pod.spec, &["containers"]).iter().map(nano).fold(0, i128::saturating_add);
    let first = list(pod.spec, &["initContainers"]).iter().map(nano).max().unwrap_or_default();
    sum.max(first)
}

/// Keys of a quota that are about resources of pods: key, what, resource.
const KEYS: [(&str, &str, &str); 8] = [
    ("requests.cpu", "requests", "cpu"),
    ("requests.memory", "requests", "memory"),
    ("requests.ephemeral-storage", "requests", "ephemeral-storage"),
    ("cpu", "requests", "cpu"),
    ("memory", "requests", "memory"),
    ("limits.cpu", "limits", "cpu"),
    ("limits.memory", "limits", "memory"),
    ("limits.ephemeral-storage", "limits", "ephemeral-storage"),
];

fn is_for_all_pods(quota: &Node) -> bool {
    list(quota, &["spec", "scopes"]).is_empty() && quota.at(&["spec", "scopeSelector"]).is_none()
}

/// A quota that is smaller than what the application asks for in its namespace.
pub(super) fn quota_exceeded(state: &State<'_>) -> Vec<Said> {
    let quota = state.object;
    if !is_for_all_pods(quota) {
        return Vec::new();
    }
    let others = state.others.all();
    let workloads = others.iter().filter(|other| is_in_the_same(quota, other));
    let pods: Vec<(Pod<'_>, i64)> = workloads
        .filter_map(|other| {
            let number = count(other).or_else(|| is_of(other, &[("", "Pod")]).then_some(1))?;
            Some((Pod::of(other)?, number))
        })
        .collect();
    let mut said = Vec::new();
    let mut say = |key: &str, node: &Node, wanted: i128, hard: Quantity| {
        if wanted > hard.nano() {
            let shown = Quantity::of_nano(wanted).text();
            let message = format!(
                "its application wants {shown} of `{key}` here, and it allows {}",
                node.text().unwrap_or_default()
            );
            said.push(Said::at(format!("spec.hard[{key}]"), Some(node), message));
        }
    };
    for (key, node) in quota.at(&["spec", "hard"]).and_then(Node::as_map).into_iter().flat_map(|map| map.iter()) {
        let (Some(key), Some(hard)) = (key.text(), node.text().and_then(Quantity::parse)) else { continue };
        if key == "pods" || key == "count/pods" {
            let all: i64 = pods.iter().map(|(_, number)| number).fold(0, |sum, number| sum.saturating_add(*number));
            say(key, node, i128::from(all).saturating_mul(1_000_000_000), hard);
        }
        if let Some((_, what, resource)) = KEYS.iter().find(|row| row.0 == key) {
            let of = |(pod, number): &(Pod<'_>, i64)| of_pod(pod, what, resource).saturating_mul(i128::from(*number));
            say(key, node, pods.iter().map(of).fold(0, i128::saturating_add), hard);
        }
    }
    said
}

/// Pods that a quota of their namespace refuses, since they do not say what they want of it.
pub(super) fn quota_without_requests(state: &State<'_>) -> Vec<Said> {
    let Some(pod) = Pod::of(state.object) else { return Vec::new() };
    let others = state.others.all();
    let here = |other: &&&Node| is_in_the_same(state.object, other);
    // A limit range may fill in what is not said.
    if others.iter().filter(here).any(|other| is_of(other, &RANGE)) {
        return Vec::new();
    }
    let mut said = Vec::new();
    for quota in others.iter().filter(here).filter(|other| is_of(other, &QUOTA) && is_for_all_pods(other)) {
        for (key, what, resource) in &KEYS {
            if quota.at(&["spec", "hard"]).and_then(|hard| hard.get(key)).is_none() {
                continue;
            }
            let says = |container: &Node| {
                amount(container, what, resource).or_else(|| amount(container, "limits", resource)).is_some()
            };
            if let Some((path, container)) = pod.containers().into_iter().find(|(_, container)| !says(container)) {
                let message = format!(
                    "the quota `{}` wants `{key}` of every container, and `{}` does not say it: its pods are refused",
                    name(quota),
                    text(container, &["name"])
                );
                said.push(Said::at(path, Some(container), message));
            }
        }
    }
    said
}

/// Containers outside the limit range of their namespace.
pub(super) fn out_of_range(state: &State<'_>) -> Vec<Said> {
    let Some(pod) = Pod::of(state.object) else { return Vec::new() };
    let others = state.others.all();
    let ranges = others.iter().filter(|other| is_of(other, &RANGE) && is_in_the_same(state.object, other));
    let mut said = Vec::new();
    for range in ranges {
        let limits = list(range, &["spec", "limits"]).iter().filter(|one| text(one, &["type"]) == "Container");
        for limit in limits {
            for (bound, what, word) in
                [("max", "limits", "at most"), ("max", "requests", "at most"), ("min", "requests", "at least")]
            {
                let Some(bounds) = limit.get(bound).and_then(Node::as_map) else { continue };
                for (resource, node) in bounds.iter() {
                    let (Some(resource), Some(allowed)) = (resource.text(), node.text().and_then(Quantity::parse))
                    else {
                        continue;
                    };
                    for (path, container) in pod.containers() {
                        let Some(wanted) = amount(container, what, resource) else { continue };
                        let shown = text(container, &["resources", what, resource]);
                        let refused = if bound == "max" { wanted > allowed } else { wanted < allowed };
                        if refused {
                            let message = format!(
                                "`{}` has {shown} of {resource} in its {what}, and the limit range `{}` allows {word} {}: its pods are refused",
                                text(container, &["name"]),
                                name(range),
                                node.text().unwrap_or_default()
                            );
                            said.push(Said::at(
                                format!("{path}.resources.{what}"),
                                container.get("resources"),
                                message,
                            ));
                        }
                    }
                }
            }
        }
    }
    said
}

// --------------------------------------------------------------------------------------------------------------------- autoscalers

/// An autoscaler that is to have at least more than at most.
pub(super) fn scaler_range(state: &State<'_>) -> Vec<Said> {
    let of = |keys: [&str; 2]| keys.into_iter().find_map(|key| number(state.object, &["spec", key]));
    let (least, most) = (of(["minReplicas", "minReplicaCount"]), of(["maxReplicas", "maxReplicaCount"]));
    match (least, most) {
        (Some(least), Some(most)) if least > most => {
            let message = format!("it is to have at least {least} pods and at most {most}: a server refuses it");
            vec![Said::at("spec", state.object.get("spec"), message)]
        }
        _ => Vec::new(),
    }
}

/// A number of pods beside an autoscaler.
pub(super) fn scaler_and_number(state: &State<'_>) -> Vec<Said> {
    let others = state.others.all();
    let Some(target) = target(state.object, &others) else { return Vec::new() };
    let Some(number) = target.at(&["spec", "replicas"]).filter(|node| !node.is_null()) else { return Vec::new() };
    let message = format!(
        "{} says `replicas: {}` beside it: every apply sets back what it scaled, or is in conflict with it",
        called(target),
        number.text().unwrap_or_default()
    );
    vec![Said::at("spec.scaleTargetRef", state.object.at(&["spec", "scaleTargetRef"]), message)]
}

/// An autoscaler that measures a share of what nobody asks for.
pub(super) fn scaler_without_requests(state: &State<'_>) -> Vec<Said> {
    let others = state.others.all();
    let Some(pod) = target(state.object, &others).and_then(Pod::of) else { return Vec::new() };
    if others.iter().any(|other| is_of(other, &RANGE)) {
        return Vec::new();
    }
    let metrics = list(state.object, &["spec", "metrics"]).iter().enumerate();
    let shares = metrics.filter(|(_, metric)| text(metric, &["resource", "target", "type"]) == "Utilization");
    let mut said = Vec::new();
    for (at, metric) in shares {
        let resource = text(metric, &["resource", "name"]);
        let asks = |container: &Node| {
            amount(container, "requests", resource).or_else(|| amount(container, "limits", resource)).is_some()
        };
        if let Some(container) = list(pod.spec, &["containers"]).iter().find(|container| !asks(container)) {
            let message = format!(
                "it measures a share of the {resource} that pods ask for, and container `{}` of {} asks for none: it never scales",
                text(container, &["name"]),
                called(pod.object)
            );
            said.push(Said::at(format!("spec.metrics[{at}]"), Some(metric), message));
        }
    }
    said
}
