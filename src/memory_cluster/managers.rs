//! Who set which field: `metadata.managedFields`, and server-side apply upon it.
//!
//! Rules: structured-merge-diff v6 (`merge/update.go`), apimachinery `util/managedfields`. Conversion between versions of a kind is not done:
//! an entry of another version is taken as if it were of this one.

use smol_str::SmolStr;

use super::fields::{self, Set};
use super::node::{list, object, str_at, text};
use super::shape::Type;
use crate::yaml::{Map, Node};

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) manager: SmolStr,
    /// Whether it applied its fields; else it updated them.
    pub(super) applied: bool,
    pub(super) api_version: SmolStr,
    pub(super) subresource: SmolStr,
    pub(super) time: SmolStr,
    pub(super) set: Set,
}

/// All entries of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Managers(pub(super) Vec<Entry>);

/// Who writes.
#[derive(Clone, Debug)]
pub(super) struct Writer<'a> {
    pub(super) manager: &'a str,
    pub(super) api_version: &'a str,
    pub(super) subresource: &'a str,
    pub(super) time: &'a str,
}

/// Fields of another manager that an apply would change.
#[derive(Debug)]
pub(super) struct Conflict {
    /// As a server prints the manager.
    pub(super) manager: String,
    /// `.spec.replicas`
    pub(super) path: String,
}

impl Entry {
    fn new(writer: &Writer<'_>, applied: bool) -> Self {
        Entry {
            manager: writer.manager.into(),
            applied,
            api_version: writer.api_version.into(),
            subresource: writer.subresource.into(),
            time: SmolStr::default(),
            set: Set::default(),
        }
    }

    fn is(&self, writer: &Writer<'_>, applied: bool) -> bool {
        self.manager == writer.manager
            && self.applied == applied
            && self.subresource == writer.subresource
            && (applied || self.api_version == writer.api_version)
    }

    fn printed(&self) -> String {
        let mut out = format!("\"{}\"", self.manager);
        if !self.subresource.is_empty() {
            out.push_str(&format!(" with subresource \"{}\"", self.subresource));
        }
        if !self.applied {
            out.push_str(&format!(" using {}", self.api_version));
        }
        out
    }
}

impl Managers {
    pub(super) fn of(object: &Node) -> Self {
        let entries = object.at(&["metadata", "managedFields"]).and_then(Node::as_seq).unwrap_or_default();
        let entry = |node: &Node| Entry {
            manager: str_at(node, &["manager"]).into(),
            applied: str_at(node, &["operation"]) == "Apply",
            api_version: str_at(node, &["apiVersion"]).into(),
            subresource: str_at(node, &["subresource"]).into(),
            time: str_at(node, &["time"]).into(),
            set: node.get("fieldsV1").map(Set::of_node).unwrap_or_default(),
        };
        Managers(entries.iter().map(entry).collect())
    }

    /// Writes them into an object, in the order of a server.
    pub(super) fn write(mut self, into: &mut Node) {
        self.0.retain(|entry| !entry.set.is_empty());
        self.0.sort_by(|a, b| {
            let key = |e: &Entry| {
                (!e.applied, e.time.clone(), e.manager.clone(), e.api_version.clone(), e.subresource.clone())
            };
            key(a).cmp(&key(b))
        });
        let entry = |entry: &Entry| {
            let mut row = vec![
                ("manager", text(entry.manager.clone())),
                ("operation", text(if entry.applied { "Apply" } else { "Update" })),
                ("apiVersion", text(entry.api_version.clone())),
                ("fieldsType", text("FieldsV1")),
                ("fieldsV1", entry.set.to_node()),
            ];
            if !entry.time.is_empty() {
                row.push(("time", text(entry.time.clone())));
            }
            if !entry.subresource.is_empty() {
                row.push(("subresource", text(entry.subresource.clone())));
            }
            object(row)
        };
        let entries: Vec<Node> = self.0.iter().map(entry).collect();
        if entries.is_empty() {
            super::node::take(into, &["metadata", "managedFields"]);
        } else {
            super::node::set(into, &["metadata", "managedFields"], list(entries));
        }
    }

    /// What a plain write does: its manager gets what it added or changed, all others lose that.
    pub(super) fn update(&mut self, old: &Node, new: &Node, of: Type<'_>, reset: &[&str], writer: &Writer<'_>) {
        let mut difference = fields::compare(&bare(old), &bare(new), of);
        for set in [&mut difference.added, &mut difference.modified, &mut difference.removed] {
            set.strip_meta();
            reset.iter().for_each(|field| set.without(&[field]));
        }
        let mut taken = difference.added;
        taken.union(&difference.modified);
        for entry in &mut self.0 {
            entry.set = entry.set.difference(&difference.removed);
            if !entry.is(writer, false) {
                entry.set = entry.set.difference(&taken);
            }
        }
        if !taken.is_empty() {
            let at = self.0.iter().position(|entry| entry.is(writer, false)).unwrap_or_else(|| {
                self.0.push(Entry::new(writer, false));
                self.0.len() - 1
            });
            if let Some(entry) = self.0.get_mut(at) {
                entry.set.union(&taken);
                entry.time = writer.time.into();
            }
        }
        self.0.retain(|entry| !entry.set.is_empty());
    }

    /// Lays a configuration over an object.
    ///
    /// # Errors
    /// The fields that others hold with other values, unless `force`.
    pub(super) fn apply(
        &mut self,
        live: &Node,
        config: &Node,
        of: Type<'_>,
        writer: &Writer<'_>,
        force: bool,
    ) -> Result<Node, Vec<Conflict>> {
        let (live, config) = (bare(live), bare(config));
        let merged = fields::merge(&live, &config, of);
        let mut set = fields::set_of(&config, of);
        set.strip_meta();
        let at = self.0.iter().position(|entry| entry.is(writer, true)).unwrap_or_else(|| {
            self.0.push(Entry::new(writer, true));
            self.0.len() - 1
        });
        let last = self.0.get(at).map(|entry| entry.set.clone()).unwrap_or_default();
        let mut held = set.clone();
        for (_, entry) in self.0.iter().enumerate().filter(|(place, _)| *place != at) {
            held.union(&entry.set);
        }
        let mut merged = if last.is_empty() { merged } else { fields::prune(&merged, of, &last, &held) };
        for field in ["apiVersion", "kind"] {
            if let Some(value) = live.get(field).or_else(|| config.get(field)) {
                super::node::set(&mut merged, &[field], value.clone());
            }
        }
        let mut difference = fields::compare(&live, &merged, of);
        for set in [&mut difference.added, &mut difference.modified, &mut difference.removed] {
            set.strip_meta();
        }
        let changed = {
            let mut changed = difference.added.clone();
            changed.union(&difference.modified);
            changed
        };
        let mut conflicts = Vec::new();
        for (_, entry) in self.0.iter().enumerate().filter(|(place, _)| *place != at) {
            let manager = entry.printed();
            let paths = entry.set.intersection(&changed).paths();
            conflicts.extend(paths.into_iter().map(|path| Conflict { manager: manager.clone(), path }));
        }
        if !force && !conflicts.is_empty() {
            return Err(conflicts);
        }
        for (place, entry) in self.0.iter_mut().enumerate() {
            if place != at {
                entry.set = entry.set.difference(&changed);
                entry.set = entry.set.difference(&difference.removed);
            }
        }
        let is_same = changed.is_empty() && difference.removed.is_empty();
        if let Some(entry) = self.0.get_mut(at) {
            entry.set = set;
            entry.api_version = writer.api_version.into();
            if !is_same {
                entry.time = writer.time.into();
            }
        }
        self.0.retain(|entry| !entry.set.is_empty());
        Ok(merged)
    }
}

/// An object without what no manager holds.
fn bare(object: &Node) -> Node {
    let mut out = object.clone();
    super::node::take(&mut out, &["metadata", "managedFields"]);
    if out.as_map().is_none() { Node::map(Map::new()) } else { out }
}
