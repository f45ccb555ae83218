//! Fields that the original shares by accident: a label or annotation that one transformer adds in several places of an object is one
//! node there, so that a later write to one of the places is seen in all (kustomize v5.8.2, api/filters/filtersutil `SetEntry`; kyaml
//! `FieldSetter` writes through the pointer). An overlay that sets `metadata.labels.team` so changes the selector that its base made.
//!
//! Kept are the paths per entry; after each step that may write single fields, what one place got is given to the others. A JSON patch, and
//! what writes all annotations anew, ends the sharing.

use smol_str::SmolStr;

use super::fieldspec::Segment;
use super::object::Object;
use crate::yaml::{Node, View};

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(SmolStr),
    Index(usize),
}

/// The places of one entry, and the value that all have.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    places: Vec<Vec<Step>>,
    value: Node,
}

/// Where `after` has an entry that `before` has not, at the end of a path of a field spec.
pub(super) fn note_added(shared: &mut Shared, before: Option<&Node>, after: &Node, path: &[Segment], key: &str) {
    let mut here = Vec::new();
    walk(shared, before, after, path, key, &mut here);
}

fn walk(shared: &mut Shared, before: Option<&Node>, after: &Node, path: &[Segment], key: &str, here: &mut Vec<Step>) {
    if let Some(items) = after.as_seq() {
        for (at, item) in items.iter().enumerate() {
            here.push(Step::Index(at));
            walk(shared, before.and_then(Node::as_seq).and_then(|items| items.get(at)), item, path, key, here);
            here.pop();
        }
        return;
    }
    let Some((segment, rest)) = path.split_first() else {
        let there = |node: &Node| node.get(key).is_some();
        if there(after) && !before.is_some_and(there) {
            let mut place = here.clone();
            place.push(Step::Key(key.into()));
            shared.places.push(place);
        }
        return;
    };
    if let Some(next) = after.get(&segment.name) {
        here.push(Step::Key(segment.name.clone()));
        walk(shared, before.and_then(|before| before.get(&segment.name)), next, rest, key, here);
        here.pop();
    }
}

impl Shared {
    /// An entry of this value, in no place yet.
    pub(super) fn new(value: Node) -> Self {
        Shared { places: Vec::new(), value }
    }

    /// Keeps it when it is in several places.
    pub(super) fn keep(mut self, all: &mut Vec<Shared>) {
        if self.places.len() > 1 {
            self.places.sort_by(|a, b| compare(a, b));
            all.push(self);
        }
    }
}

/// The order in which merging walks: keys by bytes.
fn compare(a: &[Step], b: &[Step]) -> std::cmp::Ordering {
    let text = |path: &[Step]| -> Vec<String> {
        path.iter()
            .map(|step| match step {
                Step::Key(key) => key.to_string(),
                Step::Index(at) => format!("{at:08}"),
            })
            .collect()
    };
    text(a).cmp(&text(b))
}

fn read<'n>(body: &'n Node, place: &[Step]) -> Option<&'n Node> {
    place.iter().try_fold(body, |node, step| match step {
        Step::Key(key) => node.get(key),
        Step::Index(at) => node.as_seq()?.get(*at),
    })
}

fn write(body: &mut Node, place: &[Step], value: Node) {
    let slot = place.iter().try_fold(body, |node, step| match step {
        Step::Key(key) => node.get_mut(key),
        Step::Index(at) => node.seq_mut()?.get_mut(*at),
    });
    if let Some(slot) = slot {
        *slot = value;
    }
}

/// What a place reads as: equal nodes are equal here even if their styles differ.
fn same(a: &Node, b: &Node) -> bool {
    matches!((a.view(), b.view()), (View::Scalar(..), View::Scalar(..))) && a == b
}

impl Object {
    /// Gives what one place of a shared entry got to the others.
    pub(super) fn settle_shared(&mut self) {
        if self.shared.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.shared);
        for shared in &mut all {
            shared.places.retain(|place| read(&self.body, place).is_some());
            let changed = shared.places.iter().rev().filter_map(|place| read(&self.body, place));
            let Some(new) = changed.into_iter().find(|node| !same(node, &shared.value)).cloned() else { continue };
            for place in &shared.places {
                if read(&self.body, place) != Some(&new) {
                    write(&mut self.body, place, new.clone());
                }
            }
            shared.value = new;
        }
        all.retain(|shared| shared.places.len() > 1);
        self.shared = all;
    }

    /// The sharing of the object's own annotations ends: they were written anew.
    pub(super) fn unshare_annotations(&mut self) {
        let own = [Step::Key("metadata".into()), Step::Key("annotations".into())];
        for shared in &mut self.shared {
            shared.places.retain(|place| !place.starts_with(&own));
        }
        self.shared.retain(|shared| shared.places.len() > 1);
    }
}
