//! How the rules read a live object: Go's zero values where a field is missing, conditions as four texts.
//!
//! A field of the wrong shape reads as missing. (Argo CD decodes into Go's types, so there it is an error; an API server never stores one.)

use crate::yaml::{Node, Number};

/// An entry of `status.conditions`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    pub(super) observed_generation: Option<i64>,
}

/// An integer, where there is one.
pub(super) fn int(node: &Node, path: &[&str]) -> Option<i64> {
    match node.at(path)?.number()? {
        Number::Int(value) => Some(value),
        _ => None,
    }
}

/// An integer; 0 where there is none.
pub(super) fn count(node: &Node, path: &[&str]) -> i64 {
    int(node, path).unwrap_or(0)
}

/// The items of a list; none where there is none.
pub(super) fn items<'a>(node: &'a Node, path: &[&str]) -> &'a [Node] {
    node.at(path).and_then(Node::as_seq).unwrap_or_default()
}

/// Conditions out of a list.
pub(super) fn conditions_of(list: &[Node]) -> impl Iterator<Item = Condition<'_>> {
    list.iter().filter(|item| item.as_map().is_some()).map(|item| Condition {
        kind: item.str_at(&["type"]),
        status: item.str_at(&["status"]),
        reason: item.str_at(&["reason"]),
        message: item.str_at(&["message"]),
        observed_generation: int(item, &["observedGeneration"]),
    })
}

/// The entries of `status.conditions`.
pub(super) fn conditions(object: &Node) -> impl Iterator<Item = Condition<'_>> {
    conditions_of(items(object, &["status", "conditions"]))
}
