//! Sets of fields, as `managedFields` hold them: what an object sets, what differs between two objects, and the FieldsV1 form of both.
//!
//! Rules: structured-merge-diff v6 (`typed/tofieldset.go`, `typed/compare.go`, `typed/merge.go`, `typed/remove.go`). Which lists merge is said
//! by [`Type`]. Nothing here knows managers.

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};

use super::shape::{List, Type};
use crate::span::FileId;
use crate::yaml::{Map, Node, View, json};

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A field of a map.
    Field(SmolStr),
    /// An item of a list by its keys, as JSON.
    Key(SmolStr),
    /// An item of a list by its value, as JSON.
    Value(SmolStr),
}

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    here: bool,
    below: BTreeMap<Step, Set>,
}

/// What differs between two objects.
#[derive(Clone, Debug, Default)]
pub(super) struct Difference {
    /// Only in the second.
    pub(super) added: Set,
    /// In both, with different values.
    pub(super) modified: Set,
    /// Only in the first.
    pub(super) removed: Set,
}

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        !self.here && self.below.values().all(Set::is_empty)
    }

    fn insert(&mut self, path: &[Step]) {
        let mut at = self;
        for step in path {
            at = at.below.entry(step.clone()).or_default();
        }
        at.here = true;
    }

    pub(super) fn union(&mut self, other: &Set) {
        self.here |= other.here;
        for (step, set) in &other.below {
            self.below.entry(step.clone()).or_default().union(set);
        }
    }

    pub(super) fn intersection(&self, other: &Set) -> Set {
        let mut out = Set { here: self.here && other.here, below: BTreeMap::new() };
        for (step, set) in &self.below {
            if let Some(there) = other.below.get(step) {
                let both = set.intersection(there);
                if !both.is_empty() {
                    out.below.insert(step.clone(), both);
                }
            }
        }
        out
    }

    pub(super) fn difference(&self, other: &Set) -> Set {
        let mut out = Set { here: self.here && !other.here, below: BTreeMap::new() };
        for (step, set) in &self.below {
            let rest = match other.below.get(step) {
                Some(there) => set.difference(there),
                None => set.clone(),
            };
            if !rest.is_empty() {
                out.below.insert(step.clone(), rest);
            }
        }
        out
    }

    /// The same with every named field on the way to a member.
    fn with_named(&self) -> Set {
        let mut out = self.clone();
        out.name_fields(true);
        out
    }

    fn name_fields(&mut self, root: bool) {
        for (step, set) in &mut self.below {
            if matches!(step, Step::Field(_)) && !set.is_empty() {
                set.here = true;
            }
            set.name_fields(false);
        }
        if root {
            self.here = false;
        }
    }

    /// Without a field below another, or with the whole of it where the path has one step.
    pub(super) fn without(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        let step = Step::Field((*first).into());
        if rest.is_empty() {
            self.below.remove(&step);
        } else if let Some(below) = self.below.get_mut(&step) {
            below.without(rest);
        }
    }

    /// Without what the server itself keeps (apiserver, managedfields/internal/stripmeta.go).
    pub(super) fn strip_meta(&mut self) {
        for name in ["apiVersion", "kind"] {
            self.without(&[name]);
        }
        const OWN: [&str; 8] = [
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
        ];
        for name in OWN {
            self.without(&["metadata", name]);
        }
        if let Some(metadata) = self.below.get_mut(&Step::Field("metadata".into())) {
            metadata.here = false;
            if metadata.is_empty() {
                self.without(&["metadata"]);
            }
        }
    }

    /// Members as text: `.spec.replicas`, `.spec.containers[name="web"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect("", &mut found);
        found
    }

    fn step_text(path: &str, step: &Step) -> String {
        match step {
            Step::Field(name) => format!("{path}.{name}"),
            Step::Value(value) => format!("{path}[={value}]"),
            Step::Key(keys) => {
                let node = json::parse(FileId::NONE, keys.as_bytes()).unwrap_or_else(|_| Node::null());
                let parts: Vec<String> = node
                    .as_map()
                    .into_iter()
                    .flat_map(Map::iter)
                    .map(|(key, value)| format!("{}={}", key.text().unwrap_or_default(), to_json(value)))
                    .collect();
                format!("{path}[{}]", parts.join(","))
            }
        }
    }

    fn collect(&self, path: &str, found: &mut Vec<String>) {
        // Members of a level come before what lies below any of them.
        for (step, _) in self.below.iter().filter(|(_, set)| set.here) {
            found.push(Self::step_text(path, step));
        }
        for (step, set) in &self.below {
            set.collect(&Self::step_text(path, step), found);
        }
    }

    /// The FieldsV1 form.
    pub(super) fn to_node(&self) -> Node {
        let mut map = Map::new();
        if self.here {
            map.insert(".", Node::map(Map::new()));
        }
        for (step, set) in &self.below {
            if set.is_empty() {
                continue;
            }
            let key = match step {
                Step::Field(name) => format_smolstr!("f:{name}"),
                Step::Key(keys) => format_smolstr!("k:{keys}"),
                Step::Value(value) => format_smolstr!("v:{value}"),
            };
            let leaf = set.here && set.below.values().all(Set::is_empty);
            map.insert(key, if leaf { Node::map(Map::new()) } else { set.to_node() });
        }
        Node::map(map)
    }

    /// Reads the FieldsV1 form; what is not understood is left out.
    pub(super) fn of_node(node: &Node) -> Set {
        let mut set = Set::default();
        for (key, value) in node.as_map().into_iter().flat_map(Map::iter) {
            let step = match key.text().unwrap_or_default().split_once(':') {
                Some(("f", name)) => Step::Field(name.into()),
                Some(("k", keys)) => Step::Key(keys.into()),
                Some(("v", value)) => Step::Value(value.into()),
                _ => {
                    set.here |= key.text() == Some(".");
                    continue;
                }
            };
            let mut below = Set::of_node(value);
            if value.as_map().is_some_and(Map::is_empty) {
                below.here = true;
            }
            set.below.insert(step, below);
        }
        set
    }
}

/// JSON without spaces; empty for what has none, which no request has.
pub(super) fn to_json(node: &Node) -> SmolStr {
    json::to_json(node).map(SmolStr::from).unwrap_or_default()
}

/// What names an item of a list that merges.
fn item_step(of: &List, item: &Node) -> Step {
    match of {
        List::Keys(keys) => {
            let mut map = Map::new();
            for (name, default) in keys {
                if let Some(value) = item.get(name).filter(|value| !value.is_null()) {
                    map.insert(name.clone(), value.clone());
                } else if let Some(default) = default {
                    map.insert(name.clone(), Node::str(default.clone()));
                }
            }
            Step::Key(to_json(&Node::map(map)))
        }
        List::Set | List::Atomic => Step::Value(to_json(item)),
    }
}

/// The fields that an object sets.
pub(super) fn set_of(node: &Node, of: Type<'_>) -> Set {
    let mut set = Set::default();
    fill(node, of, &mut Vec::new(), &mut set);
    set
}

fn fill(node: &Node, of: Type<'_>, path: &mut Vec<Step>, set: &mut Set) {
    match node.view() {
        View::Map(_) if of.is_atomic_map() => set.insert(path),
        View::Map(map) => {
            for (key, value) in map.iter() {
                let name = key.text().unwrap_or_default();
                path.push(Step::Field(name.into()));
                fill(value, of.field(name), path, set);
                let bare = value.is_null() || value.as_map().is_some_and(Map::is_empty);
                if bare || !of.knows(name) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        View::Seq(items) => match of.list() {
            List::Atomic => set.insert(path),
            list => {
                for item in items {
                    path.push(item_step(&list, item));
                    fill(item, of.items(), path, set);
                    set.insert(path);
                    path.pop();
                }
            }
        },
        View::Scalar(..) => set.insert(path),
    }
}

/// What differs between two objects.
pub(super) fn compare(old: &Node, new: &Node, of: Type<'_>) -> Difference {
    let mut difference = Difference::default();
    walk(Some(old), Some(new), of, &mut Vec::new(), &mut difference);
    difference
}

fn walk(old: Option<&Node>, new: Option<&Node>, of: Type<'_>, path: &mut Vec<Step>, out: &mut Difference) {
    let old = old.filter(|node| !node.is_null());
    let new = new.filter(|node| !node.is_null());
    let leaf = |path: &[Step], out: &mut Difference| match (old, new) {
        (None, Some(_)) => out.added.insert(path),
        (Some(_), None) => out.removed.insert(path),
        (Some(old), Some(new)) if !same(old, new) => out.modified.insert(path),
        _ => {}
    };
    if let (Some(old), Some(new)) = (old, new)
        && old.shared_id().is_some()
        && old.shared_id() == new.shared_id()
    {
        return;
    }
    // A list's items have the list's type.
    let always = of.is_always_there() && matches!(path.last(), Some(Step::Field(_)));
    let map = |node: Option<&Node>| node.is_none_or(|node| node.as_map().is_some());
    let seq = |node: Option<&Node>| node.is_none_or(|node| node.as_seq().is_some());
    let empty = |node: Option<&Node>| node.and_then(Node::as_map).is_none_or(Map::is_empty);
    if old.is_none() && new.is_none() {
        return;
    }
    if map(old) && map(new) {
        if always && empty(old) && empty(new) {
            return;
        }
        if of.is_atomic_map() || (empty(old) && empty(new)) {
            return leaf(path, out);
        }
        let names = |node: Option<&Node>| -> Vec<SmolStr> {
            node.and_then(Node::as_map).into_iter().flat_map(Map::keys).map(SmolStr::from).collect()
        };
        let mut all = names(old);
        for name in names(new) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        for name in all {
            let (a, b) = (old.and_then(|node| node.get(&name)), new.and_then(|node| node.get(&name)));
            path.push(Step::Field(name.clone()));
            walk(a, b, of.field(&name), path, out);
            path.pop();
        }
    } else if seq(old) && seq(new) {
        let list = of.list();
        if list == List::Atomic {
            return leaf(path, out);
        }
        let items = |node: Option<&Node>| -> Vec<(Step, Node)> {
            let items = node.and_then(Node::as_seq).unwrap_or_default();
            items.iter().map(|item| (item_step(&list, item), item.clone())).collect()
        };
        let (a, b) = (items(old), items(new));
        let find = |items: &[(Step, Node)], step: &Step| items.iter().find(|(s, _)| s == step).map(|(_, n)| n.clone());
        for (step, item) in &a {
            path.push(step.clone());
            walk(Some(item), find(&b, step).as_ref(), of.items(), path, out);
            path.pop();
        }
        for (step, item) in b.iter().filter(|(step, _)| find(&a, step).is_none()) {
            path.push(step.clone());
            walk(None, Some(item), of.items(), path, out);
            path.pop();
        }
    } else {
        return leaf(path, out);
    }
    match (old, new) {
        _ if always => {}
        (None, Some(_)) => out.added.insert(path),
        (Some(_), None) => out.removed.insert(path),
        _ => {}
    }
}

/// Equal as JSON values, whatever the order of keys.
pub(super) fn same(a: &Node, b: &Node) -> bool {
    a == b || to_json(a) == to_json(b)
}

/// The second laid over the first.
pub(super) fn merge(live: &Node, config: &Node, of: Type<'_>) -> Node {
    match (live.view(), config.view()) {
        (View::Map(_), View::Map(_)) if of.is_atomic_map() => config.clone(),
        (View::Map(below), View::Map(above)) => {
            let mut out = below.clone();
            for (key, value) in above.iter() {
                let name = key.text().unwrap_or_default();
                let merged = match below.get(name) {
                    Some(there) => merge(there, value, of.field(name)),
                    None => value.clone(),
                };
                out.insert(name, merged);
            }
            Node::map(out)
        }
        (View::Seq(below), View::Seq(above)) => match of.list() {
            List::Atomic => config.clone(),
            list => merge_list(below, above, &list, of.items()),
        },
        _ => config.clone(),
    }
}

fn merge_list(below: &[Node], above: &[Node], list: &List, of: Type<'_>) -> Node {
    let left: Vec<Step> = below.iter().map(|item| item_step(list, item)).collect();
    let right: Vec<Step> = above.iter().map(|item| item_step(list, item)).collect();
    let mut out = Vec::with_capacity(below.len() + above.len());
    let (mut l, mut r) = (0, 0);
    let mut taken: Vec<&Step> = Vec::new();
    // Items that only the live list has keep their place among what they stood with; the rest follows the configuration.
    loop {
        match (left.get(l), right.get(r)) {
            (None, None) => break,
            (Some(a), _) if taken.contains(&a) => l += 1,
            (Some(a), _) if !right.contains(a) => {
                out.extend(below.get(l).cloned());
                l += 1;
            }
            (_, Some(b)) => {
                if let Some(item) = above.get(r) {
                    let there = left.iter().position(|step| step == b).and_then(|at| below.get(at));
                    out.push(there.map_or_else(|| item.clone(), |there| merge(there, item, of)));
                }
                taken.push(b);
                r += 1;
            }
            (Some(_), None) => l += 1,
        }
    }
    Node::seq(out)
}

/// An object without the members of a set. `None` where nothing is left of a collection.
pub(super) fn remove(node: &Node, of: Type<'_>, set: &Set) -> Option<Node> {
    match node.view() {
        View::Map(_) if of.is_atomic_map() => Some(node.clone()),
        View::Map(map) => {
            let mut out = Map::with_capacity(map.len());
            for (key, value) in map.iter() {
                let name = key.text().unwrap_or_default();
                match set.below.get(&Step::Field(name.into())) {
                    None => out.push(key.clone(), value.clone()),
                    Some(at) if at.here => {}
                    Some(below) => {
                        if let Some(rest) = remove(value, of.field(name), below) {
                            out.push(key.clone(), rest);
                        }
                    }
                }
            }
            (!out.is_empty()).then(|| Node::map(out))
        }
        View::Seq(items) => {
            let list = of.list();
            if list == List::Atomic {
                return Some(node.clone());
            }
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                match set.below.get(&item_step(&list, item)) {
                    None => out.push(item.clone()),
                    Some(at) if at.here => {}
                    Some(below) => out.extend(remove(item, of.items(), below)),
                }
            }
            (!out.is_empty()).then(|| Node::seq(out))
        }
        View::Scalar(..) => Some(node.clone()),
    }
}

/// Takes out of `merged` what a manager applied before (`last`) and nobody holds any more (`held`, its own new set included).
pub(super) fn prune(merged: &Node, of: Type<'_>, last: &Set, held: &Set) -> Node {
    let empty = || Node::map(Map::new());
    let last = last.with_named();
    let pruned = remove(merged, of, &last).unwrap_or_else(empty);
    let all = set_of(merged, of).with_named();
    let mut keep = set_of(&pruned, of).with_named();
    keep.union(&held.with_named());
    let pruned = remove(merged, of, &all.difference(&keep)).unwrap_or_else(empty);
    let gone = all.difference(&set_of(&pruned, of).with_named()).intersection(&last);
    remove(merged, of, &gone).unwrap_or_else(empty)
}
