//! What a server fills in (the table is [`crate::k8s::defaults`]), what it keeps in another form, and what is kept from the live object where
//! a write leaves it out.

use super::kinds::Kind;
use super::node::{default, take};
use crate::yaml::{Map, Node};

/// What is written in one form and kept in another.
pub(super) fn normalize(kind: &Kind, node: &mut Node) {
    if kind.custom.is_none() && kind.kind == "Secret" {
        crate::k8s::defaults::encode_secret(node);
    }
    for key in ["labels", "annotations"] {
        if node.at(&["metadata", key]).and_then(Node::as_map).is_some_and(Map::is_empty) {
            take(node, &["metadata", key]);
        }
    }
    if kind.custom.is_none() && node.get("data").and_then(Node::as_map).is_some_and(Map::is_empty) {
        take(node, &["data"]);
    }
}

/// What stays as it is where a write leaves it out.
pub(super) fn keep(kind: &Kind, live: &Node, new: &mut Node) {
    if kind.custom.is_some() {
        return;
    }
    let paths: &[&[&str]] = match kind.kind.as_str() {
        "Service" => {
            &[&["spec", "clusterIP"], &["spec", "clusterIPs"], &["spec", "ipFamilies"], &["spec", "ipFamilyPolicy"]]
        }
        "Namespace" => &[&["spec", "finalizers"]],
        "Job" => &[&["spec", "selector"]],
        "PersistentVolumeClaim" => &[&["spec", "volumeName"], &["spec", "storageClassName"]],
        _ => &[],
    };
    for path in paths {
        if let Some(value) = live.at(path) {
            default(new, path, value.clone());
        }
    }
    if kind.kind == "Job" {
        for (key, value) in
            live.at(&["spec", "template", "metadata", "labels"]).and_then(Node::as_map).into_iter().flat_map(Map::iter)
        {
            let key = key.text().unwrap_or_default();
            if key.ends_with("controller-uid") || key.ends_with("job-name") {
                default(new, &["spec", "template", "metadata", "labels", key], value.clone());
            }
        }
    }
}

/// Fills in what is static.
pub(super) fn fill(kind: &Kind, node: &mut Node) {
    if kind.custom.is_none() {
        crate::k8s::defaults::fill(&kind.kind, node);
    }
}
