//! Fields that a server lets nobody change: its answer to a change is a refusal, and the object would have to be made anew.
//!
//! Source: the update validations of Kubernetes 1.34 (`pkg/apis/*/validation`). What a server fills in by itself (addresses, the default
//! class) and nothing writes is no change; which of those a cluster has is not known here.

use crate::k8s::ignore::noise;
use crate::span::FileId;
use crate::yaml::{Node, json};

use super::Scene;
use super::look::{Said, flag, quoted};

fn at<'n>(object: &'n Node, path: &str) -> Option<&'n Node> {
    path.split('.').try_fold(object, |node, step| node.get(step)).filter(|node| !node.is_null())
}

/// The fields of a table that differ.
pub(super) fn changed(fields: &[(&str, &str)], before: &Node, after: &Node) -> Vec<Said> {
    let differs = |old: &Node, new: &Node, (path, default): &(&str, &str)| {
        let default = json::parse(FileId::NONE, default.as_bytes()).ok();
        match (at(old, path), at(new, path)) {
            (Some(old), Some(new)) => old != new,
            (Some(one), None) | (None, Some(one)) => default.is_some_and(|default| *one != default),
            (None, None) => false,
        }
    };
    let mut found: Vec<&(&str, &str)> = fields.iter().filter(|field| differs(before, after, field)).collect();
    if !found.is_empty() {
        // Another way to write the same is no change.
        let quiet = |object: &Node| {
            let mut object = object.clone();
            noise::quiet(&mut object, false);
            object
        };
        let (old, new) = (quiet(before), quiet(after));
        found.retain(|field| differs(&old, &new, field));
    }
    refused(found.into_iter().map(|(path, _)| *path).collect(), after)
}

fn refused(paths: Vec<&str>, after: &Node) -> Vec<Said> {
    let Some(first) = paths.first() else { return Vec::new() };
    let message =
        format!("a server lets nobody change {}: it would have to be deleted and made anew", quoted(paths.clone()));
    vec![Said::at(*first, at(after, first), message)]
}

/// ConfigMaps and Secrets that say of themselves that they never change.
pub(super) fn immutable_data(scene: &Scene<'_>) -> Vec<Said> {
    let super::Fate::Changed(before, after) = scene.fate else { return Vec::new() };
    if !flag(before, &["immutable"]) {
        return Vec::new();
    }
    let mut paths: Vec<&str> =
        ["data", "binaryData", "stringData"].into_iter().filter(|key| before.get(key) != after.get(key)).collect();
    if !flag(after, &["immutable"]) {
        paths.push("immutable");
    }
    refused(paths, after)
}
