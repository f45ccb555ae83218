//! JSON pointers (RFC 6901) as paths to remove, with the negative places that Argo CD's JSON patch library allows.
//!
//! A pointer that names nothing removes nothing. The empty pointer, which names the whole object, removes nothing either.

use crate::yaml::Node;

/// Removes what a pointer names.
pub(super) fn remove(object: &mut Node, pointer: &str) {
    let Some(rest) = pointer.strip_prefix('/') else { return };
    let steps: Vec<String> = rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    let Some((last, before)) = steps.split_last() else { return };
    // Looked up first, so that a shared object is not copied for nothing.
    let found = steps.iter().try_fold(&*object, |node, step| match node.as_seq() {
        Some(items) => items.get(place(items.len(), step)?),
        None => node.get(step),
    });
    if found.is_none() {
        return;
    }
    let mut node = object;
    for step in before {
        let at = node.as_seq().map(|items| place(items.len(), step));
        let next = match at {
            Some(at) => node.seq_mut().zip(at).and_then(|(items, at)| items.get_mut(at)),
            None => node.get_mut(step),
        };
        let Some(next) = next else { return };
        node = next;
    }
    if let Some(items) = node.seq_mut() {
        if let Some(at) = place(items.len(), last) {
            items.remove(at);
        }
    } else if let Some(map) = node.map_mut() {
        map.remove(last);
    }
}

/// A place in a list, counted from the end where negative.
pub(super) fn place(len: usize, step: &str) -> Option<usize> {
    let at: i64 = step.parse().ok()?;
    let len = i64::try_from(len).ok()?;
    let at = if at < 0 { at.checked_add(len)? } else { at };
    (0..len).contains(&at).then(|| usize::try_from(at).ok())?
}
