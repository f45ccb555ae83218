//! What differs between an object as it is written and as the API server gives it back, and means nothing.
//!
//! Both sides of a comparison go through [`quiet`]; then equal means equal. Sources: Argo CD v3.5 gitops-engine/pkg/diff (Secrets,
//! aggregated roles, timestamps) and the API server's own bookkeeping. Defaults that the API server fills in are not noise here: a
//! dry-run shows them. `status` goes by the options of argocd-cm, see [`super::Ignore`].

use base64::Engine as _;

use super::quantity::Quantity;
use crate::k8s::object::Gvk;
use crate::yaml::{Map, Node, Tag};

/// Fields of `metadata` that the API server keeps for itself.
const BOOKKEEPING: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// Maps whose values are quantities: group, kind (empty: any), path; `*` is every item of a list.
const QUANTITIES: [(&str, &str, &[&str]); 8] = [
    ("", "ResourceQuota", &["spec", "hard"]),
    ("", "PersistentVolume", &["spec", "capacity"]),
    ("", "PersistentVolumeClaim", &["spec", "resources", "requests"]),
    ("", "PersistentVolumeClaim", &["spec", "resources", "limits"]),
    ("apps", "StatefulSet", &["spec", "volumeClaimTemplates", "*", "spec", "resources", "requests"]),
    ("", "LimitRange", &["spec", "limits", "*", "default"]),
    ("", "LimitRange", &["spec", "limits", "*", "defaultRequest"]),
    ("", "LimitRange", &["spec", "limits", "*", "max"]),
];

/// Where kinds have a pod: group, kind, path.
const PODS: [(&str, &str, &[&str]); 9] = [
    ("", "Pod", &["spec"]),
    ("", "ReplicationController", &["spec", "template", "spec"]),
    ("apps", "Deployment", &["spec", "template", "spec"]),
    ("apps", "StatefulSet", &["spec", "template", "spec"]),
    ("apps", "DaemonSet", &["spec", "template", "spec"]),
    ("apps", "ReplicaSet", &["spec", "template", "spec"]),
    ("batch", "Job", &["spec", "template", "spec"]),
    ("batch", "CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
    ("argoproj.io", "Rollout", &["spec", "template", "spec"]),
];

/// Maps of quantities below a pod.
const IN_PODS: [&[&str]; 7] = [
    &["containers", "*", "resources", "limits"],
    &["containers", "*", "resources", "requests"],
    &["initContainers", "*", "resources", "limits"],
    &["initContainers", "*", "resources", "requests"],
    &["resources", "limits"],
    &["resources", "requests"],
    &["overhead"],
];

/// Drops nulls and bookkeeping, and gives Secrets, aggregated roles and quantities one form.
pub fn quiet(object: &mut Node, aggregated_roles: bool) {
    drop_nulls(object);
    if let Some(metadata) = object.get_mut("metadata").and_then(Node::map_mut) {
        metadata.retain(|key, value| {
            let empty = value.as_map().is_some_and(Map::is_empty);
            let named = |list: &[&str]| key.text().is_some_and(|key| list.contains(&key));
            !(named(&BOOKKEEPING) || (empty && named(&["annotations", "labels"])))
        });
    }
    let gvk = Gvk::of(object);
    if gvk.is("", "Secret") {
        encode_string_data(object);
    }
    if aggregated_roles && gvk.is("rbac.authorization.k8s.io", "ClusterRole") && object.get("aggregationRule").is_some()
    {
        object.map_mut().and_then(|map| map.remove("rules"));
    }
    for (_, _, path) in QUANTITIES.iter().filter(|row| gvk.is(row.0, row.1)) {
        at_each(object, path, &mut quantities);
    }
    for (_, _, pod) in PODS.iter().filter(|row| gvk.is(row.0, row.1)) {
        at_each(object, pod, &mut |pod| IN_PODS.iter().for_each(|path| at_each(pod, path, &mut quantities)));
    }
}

/// Whether a value holds a null anywhere.
fn has_null(node: &Node) -> bool {
    match (node.as_map(), node.as_seq()) {
        (Some(map), _) => map.iter().any(|(_, value)| value.is_null() || has_null(value)),
        (_, Some(items)) => items.iter().any(has_null),
        _ => false,
    }
}

/// A null field is one that is not there (kustomize and Helm print such). Items of lists stay.
fn drop_nulls(node: &mut Node) {
    if !has_null(node) {
        return;
    }
    if let Some(map) = node.map_mut() {
        map.retain(|_, value| !value.is_null());
        map.iter_mut().for_each(|(_, value)| drop_nulls(value));
    } else if let Some(items) = node.seq_mut() {
        items.iter_mut().for_each(drop_nulls);
    }
}

/// `stringData` goes over `data`, in base64; what is base64 in another form (line breaks) is written as the API server does.
fn encode_string_data(secret: &mut Node) {
    let engine = base64::engine::general_purpose::STANDARD;
    let Some(map) = secret.map_mut() else { return };
    let plain = map.remove("stringData");
    if let Some(data) = map.get_mut("data").and_then(Node::map_mut) {
        for (_, value) in data.iter_mut() {
            let compact: String = value.text().unwrap_or_default().split_whitespace().collect();
            if let Ok(bytes) = engine.decode(&compact) {
                *value = Node::str(engine.encode(bytes));
            }
        }
    }
    let Some(plain) = plain.as_ref().and_then(Node::as_map).filter(|plain| !plain.is_empty()) else { return };
    let mut data = map.remove("data").filter(|data| data.as_map().is_some()).unwrap_or_else(|| Node::map(Map::new()));
    if let Some(data) = data.map_mut() {
        for (key, value) in plain.iter() {
            let text = value.text().unwrap_or_default();
            data.insert(key.text().unwrap_or_default(), Node::str(engine.encode(text)));
        }
    }
    map.insert("data", data);
}

/// Calls with what lies at a path, for every item where it says `*`.
fn at_each(node: &mut Node, path: &[&str], then: &mut dyn FnMut(&mut Node)) {
    match path.split_first() {
        None => then(node),
        Some((&"*", rest)) => node.seq_mut().into_iter().flatten().for_each(|item| at_each(item, rest, then)),
        Some((name, rest)) => {
            if let Some(next) = node.get_mut(name) {
                at_each(next, rest, then);
            }
        }
    }
}

fn quantities(node: &mut Node) {
    for (_, value) in node.map_mut().into_iter().flat_map(Map::iter_mut) {
        let scalar = matches!(value.tag(), Some(Tag::Str | Tag::Int | Tag::Float));
        if let Some(quantity) = value.text().filter(|_| scalar).and_then(Quantity::parse) {
            *value = Node::str(quantity.text());
        }
    }
}
