//! The objects of an application on both sides: which are the same one, and in which fields they differ.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use smol_str::SmolStr;

use super::{What, Work};
use crate::bundle::{ObjectRef, Spread};
use crate::danger::{self, Dangers, Fate, Others, Scene};
use crate::k8s::difference::{self, ChangedField};
use crate::k8s::ignore::Ignore;
use crate::k8s::noise;
use crate::k8s::object::{Gvk, ObjectId};
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node};

/// What happens to one object.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) what: What,
    pub(super) gvk: Gvk,
    pub(super) object: ObjectRef,
    pub(super) fields: Vec<ChangedField>,
    pub(super) noise: Option<String>,
    pub(super) dangers: Dangers,
    /// The object, where it comes or goes: another application may have it on the other side.
    pub(super) body: Option<Node>,
}

/// The objects of an application on both sides, for dangers that several objects are part of: those of the files that differ.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) before: &'a dyn Others,
    pub(super) after: &'a dyn Others,
}

impl Around<'_> {
    fn dangers(&self, gvk: &Gvk, fate: Fate<'_>) -> Dangers {
        danger::of(&Scene { gvk, fate, before: self.before, after: self.after })
    }
}

/// What the tasks come to, in their order.
pub(super) fn run(tasks: &[Work], spread: Spread<'_>) -> Vec<Vec<Found>> {
    let cells: Vec<OnceLock<Vec<Found>>> = tasks.iter().map(|_| OnceLock::new()).collect();
    spread(tasks.len(), &|at| {
        if let (Some(work), Some(cell)) = (tasks.get(at), cells.get(at)) {
            let _ = cell.set(compare(work));
        }
    });
    cells.into_iter().map(|cell| cell.into_inner().unwrap_or_default()).collect()
}

fn compare(work: &Work) -> Vec<Found> {
    let (mut before, mut after) = (objects(&work.before), objects(&work.after));
    let all: (Vec<Node>, Vec<Node>) = (before.values().cloned().collect(), after.values().cloned().collect());
    let around = Around { before: &all.0, after: &all.1 };
    before.retain(|name, body| match after.get(name) {
        Some(same) if same == body => {
            after.remove(name);
            false
        }
        _ => true,
    });
    let ignore = Ignore::read(work.ignored.as_ref(), None).value;
    let mut found = Vec::new();
    let mut gone = Vec::new();
    for (name, old) in before {
        match after.remove(&name) {
            Some(new) => found.extend(changed(What::Change, name, (&old, &new), &ignore, around)),
            None => gone.push((name, old)),
        }
    }
    for (name, old) in gone {
        // Of several that it could have become the first is as good as any.
        let renamed = after.keys().find(|new| is_renamed(&name, new)).cloned();
        match renamed.and_then(|new| Some((after.remove(&new)?, new))) {
            Some((new, object)) => {
                let what = What::Rename { from: name.name.to_string() };
                found.extend(changed(what, object, (&old, &new), &ignore, around));
            }
            None => found.push(whole(What::Go, name, old, around)),
        }
    }
    found.extend(after.into_iter().map(|(name, new)| whole(What::Come, name, new, around)));
    found
}

/// The objects of some files, by what names them. What cannot be read was no output of ours and is left out.
fn objects(texts: &[std::sync::Arc<str>]) -> BTreeMap<ObjectRef, Node> {
    let mut found = BTreeMap::new();
    for text in texts {
        let documents = yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
        for body in documents.into_iter().flatten().filter(|document| !document.is_null()) {
            found.insert(ObjectRef::of(&body), body);
        }
    }
    found
}

/// An object that comes or goes.
fn whole(what: What, object: ObjectRef, body: Node, around: Around<'_>) -> Found {
    let gvk = Gvk::of(&body);
    let fate = if what == What::Go { Fate::Deleted(&body) } else { Fate::Created(&body) };
    let dangers = around.dangers(&gvk, fate);
    Found { what, gvk, object, fields: Vec::new(), noise: None, dangers, body: Some(body) }
}

/// An object that differs; `None` where nothing that is shown does.
pub(super) fn changed(
    what: What,
    object: ObjectRef,
    (old, new): (&Node, &Node),
    ignore: &Ignore,
    around: Around<'_>,
) -> Option<Found> {
    let gvk = Gvk::of(new);
    let fields = difference::between(&gvk, old, new);
    if fields.is_empty() && what == What::Change {
        return None;
    }
    let dangers = around.dangers(&gvk, Fate::Changed(old, new));
    let noise = if dangers.is_empty() { why_noise(&gvk, &fields, old, new, ignore) } else { None };
    Some(Found { what, gvk, object, fields, noise, dangers, body: None })
}

fn why_noise(gvk: &Gvk, fields: &[ChangedField], old: &Node, new: &Node, ignore: &Ignore) -> Option<String> {
    if let Some(keys) = noise::only(fields.iter().map(|field| field.path.as_str())) {
        return Some(keys);
    }
    if !ignore.concerns(&ObjectId::of(new)) {
        return None;
    }
    let (mut old, mut new) = (old.clone(), new.clone());
    ignore.remove(&mut old, &[]);
    ignore.remove(&mut new, &[]);
    let rest = difference::between(gvk, &old, &new);
    rest.is_empty().then(|| "fields that the application ignores".to_owned())
}

/// Whether one object could be the other with other content: kustomize ends the names of generated ones with ten letters and digits.
fn is_renamed(old: &ObjectRef, new: &ObjectRef) -> bool {
    let same = old.group == new.group && old.kind == new.kind && old.namespace == new.namespace;
    same && matches!((stem(&old.name), stem(&new.name)), (Some(a), Some(b)) if a == b)
}

/// Letters of the hashes that kustomize puts behind names: hexadecimal digits with those replaced that could make words
/// (`api/hasher/hasher.go`, `encode`).
const HASH: &[u8] = b"2456789bcdfghkmt";

/// The name without the hash.
fn stem(name: &SmolStr) -> Option<&str> {
    let (stem, hash) = name.rsplit_once('-')?;
    (!stem.is_empty() && hash.len() == 10 && hash.bytes().all(|b| HASH.contains(&b))).then_some(stem)
}
