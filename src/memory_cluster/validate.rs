//! What a server refuses in an object: immutable fields, by a table, and a few rules that real sets of objects meet.

use super::fields::{same, to_json};
use super::kinds::Kind;
use super::node::{str_at, take, text};
use super::status::Fault;
use crate::yaml::{Map, Node};

/// GROUP, KIND, path of a field that never changes, what is said: `field is immutable` as an invalid value.
const IMMUTABLE: [(&str, &str, &str); 6] = [
    ("apps", "Deployment", "spec.selector"),
    ("apps", "DaemonSet", "spec.selector"),
    ("apps", "ReplicaSet", "spec.selector"),
    ("batch", "Job", "spec.selector"),
    ("batch", "Job", "spec.template"),
    ("batch", "Job", "spec.completionMode"),
];

/// Fields of a StatefulSet's spec that may change.
const STATEFUL: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

const WHEN_IMMUTABLE: &str = "field is immutable when `immutable` is set";

fn differs(live: &Node, new: &Node, path: &[&str]) -> bool {
    match (live.at(path), new.at(path)) {
        (Some(a), Some(b)) => !same(a, b),
        (None, None) => false,
        _ => true,
    }
}

/// What a change may not do.
pub(super) fn change(kind: &Kind, live: &Node, new: &Node) -> Vec<Fault> {
    let mut faults = create(kind, new);
    if kind.custom.is_some() {
        return faults;
    }
    for (_, _, path) in IMMUTABLE.iter().filter(|(group, name, _)| *group == kind.group && *name == kind.kind) {
        let parts: Vec<&str> = path.split('.').collect();
        if differs(live, new, &parts) {
            let value = new.at(&parts).cloned().unwrap_or_else(Node::null);
            faults.push(Fault::invalid(*path, &value, "field is immutable"));
        }
    }
    match kind.kind.as_str() {
        "ConfigMap" | "Secret" if live.get("immutable").and_then(Node::as_bool) == Some(true) => {
            if new.get("immutable").and_then(Node::as_bool) != Some(true) {
                faults.push(Fault::forbidden("immutable", WHEN_IMMUTABLE));
            }
            for field in ["data", "binaryData"] {
                if differs(live, new, &[field]) {
                    faults.push(Fault::forbidden(field, WHEN_IMMUTABLE));
                }
            }
        }
        "Service" => {
            let (was, is) = (str_at(live, &["spec", "clusterIP"]), str_at(new, &["spec", "clusterIP"]));
            if !was.is_empty() && was != is && str_at(new, &["spec", "type"]) != "ExternalName" {
                let value = Node::seq(vec![text(is)]);
                faults.push(Fault::invalid("spec.clusterIPs[0]", &value, "may not change once set"));
            }
        }
        "RoleBinding" | "ClusterRoleBinding" if differs(live, new, &["roleRef"]) => {
            let value = new.get("roleRef").cloned().unwrap_or_else(Node::null);
            faults.push(Fault::invalid("roleRef", &value, "cannot change roleRef"));
        }
        "StatefulSet" => {
            let rest = |node: &Node| {
                let mut spec = node.get("spec").cloned().unwrap_or_else(Node::null);
                for field in STATEFUL {
                    take(&mut spec, &[field]);
                }
                to_json(&spec)
            };
            if rest(live) != rest(new) {
                let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                           'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                           'minReadySeconds' are forbidden";
                faults.push(Fault::forbidden("spec", why));
            }
        }
        "StorageClass" => {
            for (field, why) in [
                ("parameters", "updates to parameters are forbidden."),
                ("provisioner", "updates to provisioner are forbidden."),
                ("reclaimPolicy", "updates to reclaimPolicy are forbidden."),
                ("volumeBindingMode", "updates to volumeBindingMode are forbidden."),
            ] {
                if differs(live, new, &[field]) {
                    faults.push(Fault::forbidden(field, why));
                }
            }
        }
        _ => {}
    }
    if kind.kind == "Secret" && kind.group.is_empty() && differs(live, new, &["type"]) {
        let value = new.get("type").cloned().unwrap_or_else(Node::null);
        faults.push(Fault::invalid("type", &value, "field is immutable"));
    }
    faults
}

/// What an object may not be.
pub(super) fn create(kind: &Kind, new: &Node) -> Vec<Fault> {
    let mut faults = Vec::new();
    let name = str_at(new, &["metadata", "name"]);
    let is_rbac = kind.group == "rbac.authorization.k8s.io";
    if !is_rbac && !is_subdomain(name) {
        let (field, value) = ("metadata.name", text(name));
        let why = if kind.kind == "Namespace" && kind.group.is_empty() {
            LABEL_RULE
        } else if kind.kind == "Service" && kind.group.is_empty() {
            SERVICE_RULE
        } else {
            SUBDOMAIN_RULE
        };
        faults.push(Fault::invalid(field, &value, why));
    }
    if kind.custom.is_some() {
        return faults;
    }
    if kind.group == "apps" && ["Deployment", "DaemonSet", "StatefulSet", "ReplicaSet"].contains(&kind.kind.as_str()) {
        let labels = new.at(&["spec", "template", "metadata", "labels"]);
        let wanted = new.at(&["spec", "selector", "matchLabels"]).and_then(Node::as_map);
        let fits = wanted.into_iter().flat_map(Map::iter).all(|(key, value)| {
            labels.and_then(|labels| labels.get(key.text().unwrap_or_default())).and_then(Node::text) == value.text()
        });
        if new.at(&["spec", "selector"]).is_none() {
            faults.push(Fault::required("spec.selector", ""));
        }
        if !fits {
            let value = labels.cloned().unwrap_or_else(Node::null);
            faults.push(Fault::invalid(
                "spec.template.metadata.labels",
                &value,
                "`selector` does not match template `labels`",
            ));
        }
    }
    faults
}

const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
                              start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
                              '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
                          with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                          '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE_RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
                            character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
                            validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

fn is_subdomain(name: &str) -> bool {
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = label.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
