//! Who owns which field: `metadata.managedFields` as sets of paths, and the set that an applied object makes its applier own.
//!
//! The text form is FieldsV1 (sigs.k8s.io/structured-merge-diff v6, fieldpath): `f:` a field, `k:` an item of a list map by its keys,
//! `v:` an item of a set, `i:` an index, `.` that the path itself is in the set. [`applied`] computes what the API server records for a
//! server-side apply; [`shape`] knows how lists and maps of built-in kinds merge there, and reads a CRD for others. [`edit`] gets and removes
//! what a path names in an object.
//!
//! Nothing is merged here and no conflict is found: both are the API server's. Text that is no FieldsV1 is an error, never an empty set.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use smol_str::SmolStr;

use crate::digest::Digest;
use crate::yaml::{Node, View, json};

pub mod applied;
pub mod edit;
pub mod merge;
pub mod shape;

/// One step of a path. Order as in FieldsV1: fields, keys, values, indexes. Scalars are kept as their JSON text, keys as a JSON object
/// with sorted names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Element {
    /// A field of a map.
    Field(SmolStr),
    /// An item of a list map: the names and values of its keys, sorted by name.
    Key(Vec<(SmolStr, SmolStr)>),
    /// An item of a set.
    Value(SmolStr),
    /// An item of a list by place; the API server does not write it today.
    Index(i64),
}

impl Element {
    /// A field of a map.
    pub fn field(name: &str) -> Self {
        Element::Field(name.into())
    }

    /// Reads `f:name` and the like.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Element::field(rest)),
            "i" => rest.parse().ok().map(Element::Index),
            "v" => Some(Element::Value(scalar_text(&parsed(rest)?)?)),
            "k" => {
                let node = parsed(rest)?;
                let mut keys = Vec::new();
                for (name, value) in node.as_map()?.iter() {
                    keys.push((name.smol()?, scalar_text(value)?));
                }
                keys.sort();
                Some(Element::Key(keys))
            }
            _ => None,
        }
    }

    /// As FieldsV1 writes it.
    pub fn text(&self) -> String {
        match self {
            Element::Field(name) => format!("f:{name}"),
            Element::Index(at) => format!("i:{at}"),
            Element::Value(value) => format!("v:{value}"),
            Element::Key(keys) => {
                let mut out = String::from("k:{");
                for (at, (name, value)) in keys.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    json::quote(name, &mut out);
                    let _ = write!(out, ":{value}");
                }
                out.push('}');
                out
            }
        }
    }
}

/// As the API server's conflict messages write it: `.name`, `[name="web"]`, `[="value"]`, `[0]`.
impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Element::Field(name) => write!(f, ".{name}"),
            Element::Index(at) => write!(f, "[{at}]"),
            Element::Value(value) => write!(f, "[={value}]"),
            Element::Key(keys) => {
                let parts: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", parts.join(","))
            }
        }
    }
}

/// A path from the root of an object.
pub type Path = Vec<Element>;

/// A path as conflict messages write it.
pub fn path_text(path: &[Element]) -> String {
    path.iter().map(Element::to_string).collect()
}

fn parsed(text: &str) -> Option<Node> {
    json::parse(crate::span::FileId::NONE, text.as_bytes()).ok()
}

/// The JSON text of a value in a path; numbers that are equal get equal texts.
fn scalar_text(node: &Node) -> Option<SmolStr> {
    json::to_json(node).ok().map(Into::into)
}

/// A set of paths, as a tree. Equal sets are equal trees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSet {
    below: BTreeMap<Element, Entry>,
}

/// An entry is a member, has something below it, or both; never neither.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Entry {
    member: bool,
    below: FieldSet,
}

impl FieldSet {
    /// Reads a `fieldsV1` value.
    ///
    /// # Errors
    /// What is no FieldsV1, by its path.
    pub fn parse(node: &Node) -> Result<Self, String> {
        let Some(map) = node.as_map() else { return Err(format!("expected a mapping, found {}", node.what())) };
        let mut set = FieldSet::default();
        for (key, value) in map.iter().filter(|(key, _)| key.text() != Some(".")) {
            let text = key.text().unwrap_or_default();
            let Some(element) = Element::parse(text) else { return Err(format!("`{text}` is no step of a path")) };
            let below = Self::parse(value).map_err(|error| format!("{text}: {error}"))?;
            // `{}` and `.` both say that the path itself is in the set.
            let member = value.as_map().is_some_and(|map| map.is_empty() || map.contains("."));
            set.below.insert(element, Entry { member, below });
        }
        Ok(set)
    }

    /// Whether there is no path in it.
    pub fn is_empty(&self) -> bool {
        self.below.is_empty()
    }

    /// Adds a path. The empty path is in no set.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else { return };
        let entry = self.below.entry(first.clone()).or_default();
        if rest.is_empty() { entry.member = true } else { entry.below.insert(rest) }
    }

    fn entry(&self, path: &[Element]) -> Option<&Entry> {
        let (last, before) = path.split_last()?;
        let set = before.iter().try_fold(self, |set, element| set.below.get(element).map(|entry| &entry.below))?;
        set.below.get(last)
    }

    /// Whether exactly this path is in the set.
    pub fn contains(&self, path: &[Element]) -> bool {
        self.entry(path).is_some_and(|entry| entry.member)
    }

    /// Whether a path or anything below it is in the set.
    pub fn touches(&self, path: &[Element]) -> bool {
        path.is_empty() && !self.is_empty() || self.entry(path).is_some()
    }

    /// Whether who owns this set decides what is at a path: it is in the set, or lies in something that is owned whole (an atomic list or map:
    /// a member with nothing below it).
    pub fn owns(&self, path: &[Element]) -> bool {
        let mut set = self;
        for (at, element) in path.iter().enumerate() {
            let Some(entry) = set.below.get(element) else { return false };
            if entry.member && (at + 1 == path.len() || entry.below.is_empty()) {
                return true;
            }
            set = &entry.below;
        }
        false
    }

    /// Paths in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut result = self.clone();
        for (element, entry) in &other.below {
            let mine = result.below.entry(element.clone()).or_default();
            mine.member |= entry.member;
            mine.below = mine.below.union(&entry.below);
        }
        result
    }

    /// Paths in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(|element, mine| {
            let Some(theirs) = other.below.get(element) else { return Entry::default() };
            Entry { member: mine.member && theirs.member, below: mine.below.intersection(&theirs.below) }
        })
    }

    /// Paths in this one and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(|element, mine| match other.below.get(element) {
            Some(theirs) => {
                Entry { member: mine.member && !theirs.member, below: mine.below.difference(&theirs.below) }
            }
            None => mine.clone(),
        })
    }

    /// Paths in this one that are neither in the other nor below one of its paths.
    #[must_use]
    pub fn outside(&self, other: &Self) -> Self {
        self.combine(|element, mine| match other.below.get(element) {
            Some(theirs) if theirs.member => Entry::default(),
            Some(theirs) => Entry { member: mine.member, below: mine.below.outside(&theirs.below) },
            None => mine.clone(),
        })
    }

    fn combine(&self, of: impl Fn(&Element, &Entry) -> Entry) -> Self {
        let entries = self.below.iter().map(|(element, mine)| (element.clone(), of(element, mine)));
        FieldSet { below: entries.filter(|(_, entry)| entry.member || !entry.below.is_empty()).collect() }
    }

    /// All paths in order, those above others included.
    pub fn paths(&self) -> Vec<Path> {
        self.listed(false)
    }

    /// The paths below which the set has no other.
    pub fn leaves(&self) -> Vec<Path> {
        self.listed(true)
    }

    fn listed(&self, leaves_only: bool) -> Vec<Path> {
        let mut found = Vec::new();
        self.visit(&mut Vec::new(), &mut |path, leaf| {
            if leaf || !leaves_only {
                found.push(path.to_vec());
            }
        });
        found
    }

    fn visit(&self, path: &mut Path, seen: &mut impl FnMut(&[Element], bool)) {
        for (element, entry) in &self.below {
            path.push(element.clone());
            if entry.member {
                seen(path, entry.below.is_empty());
            }
            entry.below.visit(path, seen);
            path.pop();
        }
    }

    /// FieldsV1 as compact JSON, in the order of [`Element`].
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.write(false, &mut out);
        out
    }

    fn write(&self, member: bool, out: &mut String) {
        out.push('{');
        let mut first = true;
        if member && !self.is_empty() {
            out.push_str("\".\":{}");
            first = false;
        }
        for (element, entry) in &self.below {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            json::quote(&element.text(), out);
            out.push(':');
            entry.below.write(entry.member, out);
        }
        out.push('}');
    }

    /// The digest of [`FieldSet::text`].
    pub fn digest(&self) -> Digest {
        Digest::of(self.text().as_bytes())
    }
}

impl FromIterator<Path> for FieldSet {
    fn from_iter<I: IntoIterator<Item = Path>>(paths: I) -> Self {
        let mut set = FieldSet::default();
        for path in paths {
            set.insert(&path);
        }
        set
    }
}

/// An entry of `metadata.managedFields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// Its name.
    pub name: SmolStr,
    /// Whether by server-side apply (`Apply`), else by any other write (`Update`).
    pub applied: bool,
    /// The version that the paths are of.
    pub api_version: SmolStr,
    /// `status`, `scale`…; empty for the object itself.
    pub subresource: SmolStr,
    /// When it last wrote.
    pub time: SmolStr,
    /// What it owns.
    pub fields: FieldSet,
}

/// The managers of a live object, in its order.
///
/// # Errors
/// An entry that is no FieldsV1.
pub fn managers(object: &Node) -> Result<Vec<Manager>, String> {
    let entries = object.at(&["metadata", "managedFields"]).and_then(Node::as_seq).unwrap_or_default();
    let read = |entry: &Node| {
        let text = |key: &str| entry.get(key).and_then(Node::smol).unwrap_or_default();
        let fields = match entry.get("fieldsV1") {
            Some(fields) => FieldSet::parse(fields),
            None => Ok(FieldSet::default()),
        };
        Ok(Manager {
            name: text("manager"),
            applied: text("operation") == "Apply",
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: text("time"),
            fields: fields.map_err(|error| format!("managedFields of {}: {error}", text("manager")))?,
        })
    };
    entries.iter().map(read).collect()
}

/// The managers that decide what is at a path.
pub fn owners<'m>(managers: &'m [Manager], path: &[Element]) -> Vec<&'m Manager> {
    managers.iter().filter(|manager| manager.fields.owns(path)).collect()
}

/// The keys of a list's item as a path element: present ones, else their defaults; `None` where there is none of them or the item is no map.
pub(crate) fn key_of(item: &Node, keys: &[(SmolStr, Option<SmolStr>)]) -> Option<Element> {
    let map = item.as_map()?;
    let mut found = Vec::new();
    for (name, default) in keys {
        match map.get(name) {
            Some(value) => found.push((name.clone(), scalar_text(value)?)),
            None => found.extend(default.clone().map(|default| (name.clone(), default))),
        }
    }
    found.sort();
    (!found.is_empty()).then_some(Element::Key(found))
}

/// An item of a set as a path element; `None` for what no set can hold.
pub(crate) fn value_of(item: &Node) -> Option<Element> {
    match item.view() {
        View::Scalar(..) if !item.is_null() => scalar_text(item).map(Element::Value),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
