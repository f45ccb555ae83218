//! Which fields differ between two states of an object. Items of lists are told apart by their names where all have one.

use super::field::{FieldPath, Part, names};
use crate::yaml::{Node, View};

/// A field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which one.
    pub path: FieldPath,
    /// Its value before; `None` where there was none.
    pub before: Option<Node>,
    /// Its value after; `None` where it is gone.
    pub after: Option<Node>,
}

/// The fields that differ, in the order of the later state, then what is gone. The order of keys and of named items does not count.
pub fn changes(before: &Node, after: &Node) -> Vec<Change> {
    let mut found = Vec::new();
    compare(&FieldPath::default(), before, after, &mut found);
    found
}

fn compare(path: &FieldPath, before: &Node, after: &Node, found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    match (before.view(), after.view()) {
        (View::Map(old), View::Map(new)) => {
            for (key, value) in new.iter() {
                let name = key.text().unwrap_or_default();
                one(path.below(Part::Key(name.to_owned())), old.get(name), Some(value), found);
            }
            for (key, value) in old.iter() {
                let name = key.text().unwrap_or_default();
                if !new.contains(name) {
                    one(path.below(Part::Key(name.to_owned())), Some(value), None, found);
                }
            }
        }
        (View::Seq(old), View::Seq(new)) => match (names(old), names(new)) {
            (Some(old_names), Some(new_names)) => {
                let item = |name: &str| path.below(Part::Item("name".to_owned(), name.to_owned()));
                for (name, value) in new_names.iter().zip(new) {
                    let there = old_names.iter().position(|old| old == name).and_then(|at| old.get(at));
                    one(item(name), there, Some(value), found);
                }
                for (name, value) in old_names.iter().zip(old) {
                    if !new_names.contains(name) {
                        one(item(name), Some(value), None, found);
                    }
                }
            }
            _ if old.len() == new.len() => {
                for (at, (old, new)) in old.iter().zip(new).enumerate() {
                    compare(&path.below(Part::Index(at)), old, new, found);
                }
            }
            _ => found.push(Change { path: path.clone(), before: Some(before.clone()), after: Some(after.clone()) }),
        },
        _ => found.push(Change { path: path.clone(), before: Some(before.clone()), after: Some(after.clone()) }),
    }
}

fn one(path: FieldPath, before: Option<&Node>, after: Option<&Node>, found: &mut Vec<Change>) {
    match (before, after) {
        (Some(before), Some(after)) => compare(&path, before, after, found),
        (before, after) => found.push(Change { path, before: before.cloned(), after: after.cloned() }),
    }
}
