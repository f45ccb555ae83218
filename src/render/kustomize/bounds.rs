//! How much a kustomization may make of its text: copying a value into itself, or a base twice, doubles it each time, and forty lines
//! would fill any memory. The original has no such limits and dies. It refuses nothing that a cluster would take.

use crate::yaml::{Node, View};

/// Collections inside each other, as many as [`crate::yaml::Limits`] lets a file have.
pub(super) const DEPTH: usize = 500;
/// Kustomizations that wait for each other: each takes some of the stack.
pub(super) const BASES: usize = 100;
/// Objects of one kustomization.
pub(super) const OBJECTS: usize = 50_000;
/// Nodes and bytes that one value may have where it is copied. A Kubernetes object has at most 1.5 MiB.
const COPIED: usize = 16 << 20;

/// Keeps account of the values that a patch or a replacement copies.
pub(super) struct Copies {
    left: usize,
}

impl Copies {
    /// Nothing copied yet.
    pub(super) fn new() -> Self {
        Copies { left: COPIED }
    }

    /// Takes note of a value that comes to lie so deep inside an object.
    ///
    /// # Errors
    /// That is more than an object can hold: a text for people.
    pub(super) fn take(&mut self, value: &Node, depth: usize) -> Result<(), String> {
        if weigh(value, depth, &mut self.left) {
            return Ok(());
        }
        if self.left == 0 {
            return Err(format!("the copied values have more than {COPIED} nodes and bytes, which is the limit"));
        }
        Err(format!("values are nested more than {DEPTH} levels deep, which is the limit"))
    }
}

/// Takes a value's nodes and bytes off what is left; whether that and the depth suffice.
fn weigh(node: &Node, depth: usize, left: &mut usize) -> bool {
    if depth > DEPTH {
        return false;
    }
    let own = 1 + node.text().map_or(0, str::len);
    let Some(rest) = left.checked_sub(own).filter(|rest| *rest > 0) else {
        *left = 0;
        return false;
    };
    *left = rest;
    match node.view() {
        View::Scalar(..) => true,
        View::Seq(items) => items.iter().all(|item| weigh(item, depth + 1, left)),
        View::Map(map) => map.iter().all(|(_, value)| weigh(value, depth + 1, left)),
    }
}
