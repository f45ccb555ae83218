//! `buildMetadata`: annotations that say where an object came from and which transformers touched it, and the label that says who built it
//! (api/resource/origin.go). Only kept up when a kustomization asks for any of them.

use smol_str::SmolStr;

use super::object::{Object, meta_map, set_meta_map};
use crate::yaml::{Node, emit};

pub(super) const ORIGIN: &str = "config.kubernetes.io/origin";
pub(super) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// Annotations of the original's that never reach its output.
const INTERNAL: [&str; 20] = [
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "internal.config.kubernetes.io/helm-generated",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    "internal.config.kubernetes.io/refVarNames",
];

/// Where something is configured: for an object a path, for a generator or transformer its file and itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BuildOrigin {
    pub path: String,
    pub repo: String,
    pub reference: String,
    pub configured_in: String,
    /// apiVersion, kind, name and namespace of the configuration.
    pub configured_by: Option<[SmolStr; 4]>,
}

impl BuildOrigin {
    /// The origin of something below this one, at a path as a kustomization writes it.
    pub(super) fn below(&self, path: &str) -> Self {
        BuildOrigin { path: joined(&self.path, path), ..self.clone() }
    }

    /// The origin of what a file at this origin configures.
    pub(super) fn configured(&self, by: [&str; 4], file: &str) -> Self {
        BuildOrigin {
            path: String::new(),
            configured_in: if file.is_empty() { self.path.clone() } else { joined(&self.path, file) },
            configured_by: Some(by.map(SmolStr::from)),
            ..self.clone()
        }
    }

    /// The text of the annotation: YAML in the order of the original's fields, each line but the first indented.
    fn text(&self, indent: &str) -> String {
        let mut lines = Vec::new();
        let mut put = |indent: &str, key: &str, value: &str| {
            if !value.is_empty() {
                lines.push(format!("{indent}{key}: {}", emit::to_yaml(&Node::str(value)).trim_end()));
            }
        };
        put("", "path", &self.path);
        put("", "repo", &self.repo);
        put("", "ref", &self.reference);
        put("", "configuredIn", &self.configured_in);
        if let Some(by) = &self.configured_by {
            lines.push("configuredBy:".to_owned());
            for (key, value) in ["apiVersion", "kind", "name", "namespace"].into_iter().zip(by) {
                if !value.is_empty() {
                    lines.push(format!("  {key}: {}", emit::to_yaml(&Node::str(value.clone())).trim_end()));
                }
            }
        }
        if lines.is_empty() {
            return "{}\n".to_owned();
        }
        lines.join(&format!("\n{indent}")) + "\n"
    }
}

/// Go's `filepath.Join` of a relative path: `.` and `..` resolved where they can be.
fn joined(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() && !(base.is_empty() && path.is_empty()) { ".".to_owned() } else { parts.join("/") }
}

fn annotation(body: &Node, key: &str) -> Option<SmolStr> {
    body.at(&["metadata", "annotations"])?.get(key)?.smol()
}

fn set_annotation(body: &mut Node, key: &str, value: Option<String>) {
    let mut entries = meta_map(body, "annotations");
    entries.retain(|(there, _)| there != key);
    if let Some(value) = value {
        entries.push((key.into(), value.into()));
        entries.sort();
    }
    set_meta_map(body, "annotations", entries);
}

/// The origin annotation of an object, as text.
pub(super) fn origin_of(body: &Node) -> Option<String> {
    annotation(body, ORIGIN).map(|text| text.to_string())
}

/// Sets or removes the origin annotation.
pub(super) fn set_origin(body: &mut Node, origin: Option<&str>) {
    set_annotation(body, ORIGIN, origin.map(str::to_owned));
}

/// Gives objects without an origin this one.
pub(super) fn add_origin(objects: &mut [Object], origin: &BuildOrigin) {
    let text = origin.text("");
    for object in objects {
        if origin_of(&object.body).is_none() {
            set_origin(&mut object.body, Some(&text));
            object.unshare_annotations();
        }
    }
}

/// Notes a transformer: objects without an origin were made by it.
pub(super) fn add_transformation(objects: &mut [Object], origin: &BuildOrigin) {
    let item = format!("- {}", origin.text("  "));
    for object in objects {
        object.unshare_annotations();
        if origin_of(&object.body).is_none() {
            set_origin(&mut object.body, Some(&origin.text("")));
        } else {
            let before = annotation(&object.body, TRANSFORMATIONS).unwrap_or_default();
            set_annotation(&mut object.body, TRANSFORMATIONS, Some(format!("{before}{item}")));
        }
    }
}

/// The last step: internal annotations go, all annotations become strings, and the two kept here go unless asked for.
pub(super) fn finish(body: &mut Node, keep_origin: bool, keep_transformations: bool) {
    let there = body.at(&["metadata", "annotations"]);
    if there.is_none() && body.get("metadata").is_some() {
        return;
    }
    let mut entries = meta_map(body, "annotations");
    if entries.is_empty() && keep_origin && keep_transformations {
        return;
    }
    entries.retain(|(key, _)| {
        !INTERNAL.contains(&key.as_str())
            && (keep_origin || key != ORIGIN)
            && (keep_transformations || key != TRANSFORMATIONS)
    });
    set_meta_map(body, "annotations", entries);
}
