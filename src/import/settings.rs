//! What of argocd-cm counts for renders and comparisons. All other keys (logins, accounts, links) stay where they are; they are named, never
//! their values.

use super::{Files, declaration, yaml};
use crate::yaml::{Map, Node};

/// Keys that are written; `*` at the end: all that begin so. argo-cd util/settings/settings.go.
const KEYS: [&str; 15] = [
    "application.instanceLabelKey",
    "application.resourceTrackingMethod",
    "application.sync.impersonation.*",
    "applicationsetcontroller.enable.new.git.file.globbing",
    "cluster.inClusterEnabled",
    "globalProjects",
    "helm.enable",
    "helm.valuesFileSchemes",
    "installationID",
    "jsonnet.enable",
    "kustomize.*",
    "resource.compareoptions",
    "resource.customizations*",
    "resource.exclusions",
    "resource.inclusions",
];

fn is_written(key: &str) -> bool {
    KEYS.iter().any(|known| known.strip_suffix('*').map_or(*known == key, |start| key.starts_with(start)))
}

pub(super) fn write(map: &Node, namespace: &str, files: &mut Files) {
    let mut settings = declaration(map, &[]);
    let (mut data, mut left) = (Map::new(), Vec::new());
    for (key, value) in map.get("data").and_then(Node::as_map).into_iter().flat_map(Map::iter) {
        match key.text() {
            Some(name) if is_written(name) => data.insert(name, value.clone()),
            Some(name) => left.push(name.to_owned()),
            None => {}
        }
    }
    left.sort();
    if let Some(object) = settings.map_mut() {
        object.insert("apiVersion", Node::str("v1"));
        object.insert("kind", Node::str("ConfigMap"));
        if !data.is_empty() {
            object.insert("data", Node::map(data));
        }
    }
    if let Some(metadata) = settings.get_mut("metadata").and_then(Node::map_mut) {
        metadata.insert("namespace", Node::str(namespace));
        metadata.remove("finalizers");
    }
    let head = "# The settings that count for renders and comparisons.\n";
    files.put("settings", "argocd-cm", format!("{head}{}", yaml(&settings)));
    if !left.is_empty() {
        files
            .imported
            .notes
            .push(format!("settings: not written, since no render depends on them: {}", left.join(", ")));
    }
}
