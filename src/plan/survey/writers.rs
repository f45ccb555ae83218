//! Who holds a field of a live object, by the path that a difference has.
//!
//! managedFields say who wrote a field last, and when he last wrote any of his; who removed one they do not say. Nothing is guessed: where
//! nobody holds a field, only the last write of somebody else is told, as that.

use crate::inventory::FIELD_MANAGER;
use crate::k8s::difference::push_key;
use crate::k8s::fields::{Element, Manager, Path};

/// Somebody who wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Writer {
    /// Name of the field manager.
    pub manager: String,
    /// The subresource that he wrote through; empty for the object itself.
    pub subresource: String,
    /// When he last wrote this object, RFC 3339; may be empty.
    pub time: String,
}

/// `kubectl (scale), 2026-01-01T00:00:00Z`.
impl std::fmt::Display for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.manager)?;
        if !self.subresource.is_empty() {
            write!(f, " ({})", self.subresource)?;
        }
        if !self.time.is_empty() {
            write!(f, ", {}", self.time)?;
        }
        Ok(())
    }
}

impl Writer {
    pub(super) fn of(manager: &Manager) -> Self {
        Writer {
            manager: manager.name.to_string(),
            subresource: manager.subresource.to_string(),
            time: manager.time.to_string(),
        }
    }
}

/// Whether a manager is ourselves.
pub(super) fn is_us(manager: &Manager) -> bool {
    manager.name == FIELD_MANAGER && manager.subresource.is_empty()
}

/// Who else holds a field, something in it, or what it lies in.
pub(super) fn holders(managers: &[Manager], path: &str) -> Vec<Writer> {
    let holds = |manager: &&Manager| {
        manager.fields.leaves().iter().any(|leaf| {
            let leaf = shown(leaf);
            is_within(&leaf, path) || is_within(path, &leaf)
        })
    };
    let mut found: Vec<Writer> =
        managers.iter().filter(|manager| !is_us(manager)).filter(holds).map(Writer::of).collect();
    found.sort();
    found
}

/// The last other one who wrote the object, its status aside.
pub(super) fn last(managers: &[Manager]) -> Option<Writer> {
    let others = managers.iter().filter(|manager| !is_us(manager) && manager.subresource != "status");
    others.map(Writer::of).max_by(|a, b| (&a.time, &a.manager).cmp(&(&b.time, &b.manager)))
}

/// When we last wrote the object ourselves.
pub(super) fn ours(managers: &[Manager]) -> String {
    managers.iter().filter(|manager| is_us(manager)).map(|manager| manager.time.to_string()).max().unwrap_or_default()
}

/// A path as differences write it: lists whose items have no names are shown whole, and so the path ends before such an item.
pub(super) fn shown(path: &Path) -> String {
    let mut text = String::new();
    for element in path {
        match element {
            Element::Field(name) => push_key(&mut text, name),
            Element::Key(keys) => {
                let plain = |value: &str| value.trim_matches('"').to_owned();
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
                text.push_str(&format!("[{}]", keys.join(",")));
            }
            Element::Value(_) | Element::Index(_) => break,
        }
    }
    text
}

/// Whether a path is another one or lies below it.
fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::fields::managers;
    use crate::span::FileId;
    use crate::yaml::json;

    #[test]
    fn who_holds_a_field_is_found_by_the_path_of_a_difference() {
        let entry = |manager: &str, time: &str, sub: &str, fields: &str| {
            format!(
                r#"{{"manager":"{manager}","operation":"Update","apiVersion":"apps/v1","time":"{time}","subresource":"{sub}","fieldsV1":{fields}}}"#
            )
        };
        let image = r#"{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:image":{}}}}}}}"#;
        let labels = r#"{"f:metadata":{"f:labels":{"f:a.b/c":{}}}}"#;
        let all = [
            entry("fleetc", "9", "", labels),
            entry("kubectl-edit", "2", "", image),
            entry("kubectl", "3", "scale", r#"{"f:spec":{"f:replicas":{}}}"#),
            entry("kube-controller-manager", "8", "status", r#"{"f:status":{}}"#),
            entry("ann", "1", "", labels),
        ];
        let text = format!(r#"{{"metadata":{{"managedFields":[{}]}}}}"#, all.join(","));
        let all = managers(&json::parse(FileId::NONE, text.as_bytes()).expect("JSON")).expect("managers");
        let names = |path: &str| -> Vec<String> { holders(&all, path).iter().map(ToString::to_string).collect() };
        assert_eq!(names(".spec.template.spec.containers[name=web].image"), ["kubectl-edit, 2"]);
        assert_eq!(names(".spec.template.spec.containers[name=web]"), ["kubectl-edit, 2"]);
        assert_eq!(names(".spec.replicas"), ["kubectl (scale), 3"]);
        assert_eq!(names(r#".metadata.labels["a.b/c"]"#), ["ann, 1"]);
        assert!(names(".spec.replica").is_empty() && names(".spec.paused").is_empty());
        assert_eq!(last(&all).map(|writer| writer.manager), Some("kubectl".to_owned()));
        assert_eq!(ours(&all), "9");
    }
}
