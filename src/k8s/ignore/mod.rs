//! What does not count as a difference: `ignoreDifferences` of Applications and of argocd-cm, and the noise of the API server.
//!
//! Entries name kinds by globs, objects exactly, and what to leave out by JSON pointers, jq paths or field managers (Argo CD v3.5
//! util/argo/normalizers, util/argo/managedfields). System-wide they stand in argocd-cm as
//! `resource.customizations.ignoreDifferences.<group>_<kind>` (`all`: every kind) or in the old map `resource.customizations`;
//! `resource.compareoptions` decides about `/status`. All is compiled once ([`Ignore::read`]); [`Ignore::remove`] takes it out of an object.
//! [`noise`] is what no entry has to name.
//!
//! As in Argo CD, a pointer that names nothing and a jq path that fails leave the object as it is. An entry that cannot be compiled is
//! reported and left out.

use super::fields::{Manager, edit};
use super::glob::Glob;
use super::health::scripts::split_key;
use super::object::ObjectId;
use crate::diag::{Diagnostic, Diagnostics, Warned};
use crate::yaml::{Dialect, Limits, Node, parse_strict};

mod jq;
pub mod noise;
mod pointer;
pub mod quantity;

pub use jq::JqPath;

/// The ignored differences of one application.
#[derive(Debug, Default)]
pub struct Ignore {
    entries: Vec<Entry>,
    /// `ignoreAggregatedRoles` of `resource.compareoptions`.
    pub aggregated_roles: bool,
}

#[derive(Debug)]
struct Entry {
    group: Glob,
    kind: Glob,
    /// Empty: any.
    namespace: String,
    name: String,
    pointers: Vec<String>,
    jq: Vec<JqPath>,
    managers: Vec<String>,
}

impl Entry {
    fn matches(&self, id: &ObjectId) -> bool {
        self.group.matches(&id.gvk.group)
            && self.kind.matches(&id.gvk.kind)
            && (self.name.is_empty() || self.name == id.name)
            && (self.namespace.is_empty() || self.namespace == id.namespace)
    }
}

const CODE: &str = "k8s/ignore-differences";
const OLD_KEY: &str = "resource.customizations";
const OPTIONS_KEY: &str = "resource.compareoptions";

impl Ignore {
    /// From an Application's `spec.ignoreDifferences` and the `data` of argocd-cm.
    pub fn read(application: Option<&Node>, data: Option<&Node>) -> Warned<Self> {
        let mut found = Diagnostics::new();
        let mut ignore = Ignore::default();
        for item in application.and_then(Node::as_seq).unwrap_or_default() {
            let text = |key: &str| item.get(key).and_then(Node::text).unwrap_or_default();
            ignore.add((text("group"), text("kind")), item, &mut found);
        }
        ignore.system(data, &mut found);
        Warned { value: ignore, diagnostics: found }
    }

    fn system(&mut self, data: Option<&Node>, found: &mut Diagnostics) {
        let mut status = "all".to_owned();
        let entries = || data.and_then(Node::as_map).into_iter().flat_map(|map| map.iter());
        // The old form first; of one kind in both, the new one counts.
        let is_new = |key: &str| entries().any(|(k, _)| k.text().and_then(differences_key).as_deref() == Some(key));
        for (key, value) in entries() {
            let text = key.text().unwrap_or_default();
            if text == OLD_KEY {
                for (of, fields) in yaml(value, found).iter().filter_map(Node::as_map).flat_map(|map| map.iter()) {
                    let of = of.text().unwrap_or_default();
                    if let Some(written) = fields.get("ignoreDifferences").filter(|_| !is_new(of)) {
                        // There it is a text with YAML in it.
                        let parsed = if written.is_scalar() { yaml(written, found) } else { vec![written.clone()] };
                        parsed.iter().for_each(|differences| self.add(group_kind(of), differences, found));
                    }
                }
            } else if text == OPTIONS_KEY {
                for options in yaml(value, found) {
                    let field = options.get("ignoreResourceStatusField").and_then(Node::text);
                    status = field.unwrap_or("all").to_owned();
                    let roles = options.get("ignoreAggregatedRoles").and_then(Node::as_bool);
                    self.aggregated_roles = roles == Some(true);
                }
            } else if let Some(of) = differences_key(text) {
                yaml(value, found).iter().for_each(|differences| self.add(group_kind(&of), differences, found));
            }
        }
        // What is none of the words counts as `all`, as there.
        let kinds = match status.as_str() {
            "none" | "off" | "false" => return,
            "crd" => ("apiextensions.k8s.io", "CustomResourceDefinition"),
            _ => ("*", "*"),
        };
        if let (Some(group), Some(kind)) = (Glob::new(kinds.0, ""), Glob::new(kinds.1, "")) {
            let pointers = vec!["/status".to_owned()];
            let (name, namespace) = (String::new(), String::new());
            self.entries.push(Entry { group, kind, namespace, name, pointers, jq: Vec::new(), managers: Vec::new() });
        }
    }

    fn add(&mut self, (group, kind): (&str, &str), item: &Node, found: &mut Diagnostics) {
        let text = |key: &str| item.get(key).and_then(Node::text).unwrap_or_default().to_owned();
        let list = |key: &str| item.get(key).and_then(Node::as_seq).unwrap_or_default();
        let (Some(group), Some(kind)) = (Glob::new(group, ""), Glob::new(kind, "")) else {
            let message = format!("`{group}/{kind}` is no glob");
            return found.push(Diagnostic::warning(CODE, item.span(), message));
        };
        let mut jq = Vec::new();
        for expression in list("jqPathExpressions") {
            match JqPath::new(expression.text().unwrap_or_default()) {
                Ok(path) => jq.push(path),
                Err(problem) => found.push(
                    Diagnostic::warning(CODE, expression.span(), problem)
                        .hint("the other paths of the entry still count; write a path such as `.spec.list[].field`"),
                ),
            }
        }
        let texts = |key: &str| list(key).iter().filter_map(Node::text).map(str::to_owned).collect();
        self.entries.push(Entry {
            group,
            kind,
            namespace: text("namespace"),
            name: text("name"),
            pointers: texts("jsonPointers"),
            jq,
            managers: texts("managedFieldsManagers"),
        });
    }

    /// Whether any entry is about an object.
    pub fn concerns(&self, id: &ObjectId) -> bool {
        self.entries.iter().any(|entry| entry.matches(id))
    }

    /// Takes out of an object what is ignored in it. `managers` are those of the *live* object, for both sides of a comparison: what the
    /// named ones own is taken out of either.
    pub fn remove(&self, object: &mut Node, managers: &[Manager]) {
        let id = ObjectId::of(object);
        for entry in self.entries.iter().filter(|entry| entry.matches(&id)) {
            for pointer in &entry.pointers {
                pointer::remove(object, pointer);
            }
            for path in &entry.jq {
                path.remove(object);
            }
            for manager in managers.iter().filter(|manager| entry.managers.iter().any(|name| *name == manager.name)) {
                edit::remove_members(object, &manager.fields);
            }
        }
    }
}

/// The kind that a key `resource.customizations.ignoreDifferences.…` names.
fn differences_key(key: &str) -> Option<String> {
    split_key(key).filter(|(what, _)| *what == "ignoreDifferences").and_then(|(_, of)| of)
}

/// `<group>/<kind>` or `<kind>`.
fn group_kind(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or(("", key))
}

/// The documents of a text inside a ConfigMap.
fn yaml(value: &Node, found: &mut Diagnostics) -> Vec<Node> {
    let text = value.text().unwrap_or_default();
    parse_strict(value.span().file, text.as_bytes(), Dialect::V2, &Limits::default()).unwrap_or_else(|_| {
        let hint = "Argo CD would refuse the whole ConfigMap; here the entry is left out";
        found.push(Diagnostic::warning(CODE, value.span(), "the entry of argocd-cm is no YAML").hint(hint));
        Vec::new()
    })
}

#[cfg(test)]
mod tests;
