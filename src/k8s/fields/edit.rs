//! What a path names in an object: to get it, and to remove it.
//!
//! A path finds items of list maps by their keys and items of sets by their value, whatever the list's schema. Live objects have all keys; in
//! others a key may be left out where the path carries its default (`DEFAULTS`). A path that names nothing is nothing to get or remove.

use super::{Element, FieldSet, scalar_text};
use crate::yaml::Node;

/// The keys of built-in list maps that the API server fills in, with their values.
const DEFAULTS: [(&str, &str); 1] = [("protocol", "\"TCP\"")];

/// The value at a path.
pub fn get<'n>(object: &'n Node, path: &[Element]) -> Option<&'n Node> {
    path.iter().try_fold(object, |node, element| match element {
        Element::Field(name) => node.get(name),
        _ => node.as_seq().and_then(|items| items.get(index_of(items, element)?)),
    })
}

/// The place of the item that an element names.
fn index_of(items: &[Node], element: &Element) -> Option<usize> {
    match element {
        Element::Field(_) => None,
        Element::Index(at) => usize::try_from(*at).ok().filter(|at| *at < items.len()),
        Element::Value(value) => items.iter().position(|item| scalar_text(item).as_ref() == Some(value)),
        Element::Key(keys) => {
            let fits = |item: &Node, defaults: bool| {
                keys.iter().all(|(name, value)| match item.get(name) {
                    Some(found) => scalar_text(found).as_ref() == Some(value),
                    None => defaults && DEFAULTS.contains(&(name.as_str(), value.as_str())),
                })
            };
            // An item with all keys as they are goes before one where a key stands for its default.
            let exact = items.iter().position(|item| fits(item, false));
            exact.or_else(|| items.iter().position(|item| fits(item, true)))
        }
    }
}

/// Removes what a path names. Whether anything was there.
pub fn remove(object: &mut Node, path: &[Element]) -> bool {
    let Some((last, before)) = path.split_last() else { return false };
    if get(object, path).is_none() {
        return false;
    }
    let mut node = object;
    for element in before {
        let next = match element {
            Element::Field(name) => node.get_mut(name),
            _ => node.seq_mut().and_then(|items| {
                let at = index_of(items, element)?;
                items.get_mut(at)
            }),
        };
        let Some(next) = next else { return false };
        node = next;
    }
    match last {
        Element::Field(name) => node.map_mut().and_then(|map| map.remove(name)).is_some(),
        _ => node.seq_mut().is_some_and(|items| match index_of(items, last) {
            Some(at) => {
                items.remove(at);
                true
            }
            None => false,
        }),
    }
}

/// Removes all leaves of a set, and the maps and lists that this empties.
pub fn remove_all(node: &mut Node, set: &FieldSet) {
    remove_from(node, set, false);
}

/// Removes every path of a set with all that is below it, whether or not that is in the set, and the maps and lists that this empties: what
/// Argo CD does with the fields of a trusted manager (structured-merge-diff v6 typed/remove.go).
pub fn remove_members(node: &mut Node, set: &FieldSet) {
    remove_from(node, set, true);
}

fn remove_from(node: &mut Node, set: &FieldSet, members: bool) {
    // From the back, so that places in a list stay what they are.
    for (element, entry) in set.below.iter().rev() {
        let place = node.as_seq().and_then(|items| index_of(items, element));
        let child = match element {
            Element::Field(name) => node.get_mut(name),
            _ => node.seq_mut().and_then(|items| items.get_mut(place?)),
        };
        let Some(child) = child else { continue };
        let gone = entry.below.is_empty() || (members && entry.member) || {
            let before = is_hollow(child);
            remove_from(child, &entry.below, members);
            !before && is_hollow(child)
        };
        if !gone {
            continue;
        }
        match element {
            Element::Field(name) => {
                node.map_mut().and_then(|map| map.remove(name));
            }
            // By place, since an item whose keys are gone is found by them no more.
            _ => {
                if let Some((items, at)) = node.seq_mut().zip(place) {
                    items.remove(at);
                }
            }
        }
    }
}

/// Whether a node is an empty map or list.
fn is_hollow(node: &Node) -> bool {
    node.as_map().is_some_and(crate::yaml::Map::is_empty) || node.as_seq().is_some_and(<[Node]>::is_empty)
}
