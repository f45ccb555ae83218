//! Equal changes once: by what happens to which fields, then by the paths alone where the values differ from cluster to cluster.
//!
//! A change of fields is the same whatever the object is called: an image that forty Deployments share is one change. Objects that come or
//! go are the same by kind and name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::objects::{self, Around, Found};
use super::{Change, Levels, Pair, Place, What, application};
use crate::bundle::ObjectRef;
use crate::danger::{self, Dangers};
use crate::k8s::ignore::Ignore;
use crate::report::pattern;
use crate::yaml::json;

/// From how many sets of values on a change of the same paths is shown with the first of them.
const VARIANTS: usize = 4;

/// A change of one object at one place.
struct Seen {
    found: Arc<Found>,
    place: Place,
    whole: bool,
    /// As they count there.
    dangers: Dangers,
}

impl Seen {
    fn new(found: Arc<Found>, place: Place, whole: bool, levels: &Levels<'_>) -> Seen {
        let dangers = found.dangers.judged(|rule, level| levels(rule, level, &place));
        Seen { found, place, whole, dangers }
    }
}

/// All changes of objects, folded.
pub(super) fn changes(pairs: &[Pair<'_>], results: &[Vec<Arc<Found>>], levels: &Levels<'_>) -> Vec<Change> {
    let seen = moved(seen(pairs, results, levels), levels);
    let mut looks: FxHashMap<(usize, bool), String> = FxHashMap::default();
    let mut groups: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for one in seen {
        // Equal tasks share their results, so an address is looked at once.
        let look = looks
            .entry((Arc::as_ptr(&one.found) as usize, one.whole))
            .or_insert_with(|| look(&one.found, &one.place, one.whole));
        let look = if one.dangers == Dangers::default() { look.clone() } else { format!("{look}{:?}", one.dangers) };
        groups.entry(look).or_default().push(one);
    }
    let mut found: Vec<Change> = groups.into_values().filter_map(change).collect();
    found = variants(found);
    found.sort_by(|a, b| {
        let key = |c: &Change| (Reverse(c.dangers.worst()), c.noise.is_some(), c.whole, Reverse(c.places.len()));
        key(a).cmp(&key(b)).then_with(|| (&a.places, &a.objects, &a.what).cmp(&(&b.places, &b.objects, &b.what)))
    });
    found
}

fn seen(pairs: &[Pair<'_>], results: &[Vec<Arc<Found>>], levels: &Levels<'_>) -> Vec<Seen> {
    let mut seen = Vec::new();
    for pair in pairs {
        let whole = pair.before.is_none() || pair.after.is_none();
        for found in pair.task.and_then(|task| results.get(task)).into_iter().flatten() {
            seen.push(Seen::new(Arc::clone(found), pair.place.clone(), whole, levels));
        }
    }
    seen
}

/// Lets objects that one application of a cluster loses and another gets be one move.
fn moved(seen: Vec<Seen>, levels: &Levels<'_>) -> Vec<Seen> {
    let mut gone: FxHashMap<(&str, &ObjectRef), usize> = FxHashMap::default();
    for (at, one) in seen.iter().enumerate().filter(|(_, one)| one.found.what == What::Go) {
        gone.insert((&one.place.cluster, &one.found.object), at);
    }
    let alone = Around { before: danger::NOBODY, after: danger::NOBODY };
    let mut left: FxHashSet<usize> = FxHashSet::default();
    let mut moves: FxHashMap<usize, Found> = FxHashMap::default();
    for (at, one) in seen.iter().enumerate().filter(|(_, one)| one.found.what == What::Come) {
        let Some(from) = gone.get(&(&*one.place.cluster, &one.found.object)) else { continue };
        let Some(other) = seen.get(*from) else { continue };
        let (Some(old), Some(new)) = (&other.found.body, &one.found.body) else { continue };
        let what = What::Move { from: (*other.place.application).clone() };
        let object = one.found.object.clone();
        if let Some(found) = objects::changed(what, object, (old, new), &Ignore::default(), alone) {
            left.insert(*from);
            moves.insert(at, found);
        }
    }
    drop(gone);
    let mut kept = Vec::with_capacity(seen.len());
    for (at, one) in seen.into_iter().enumerate() {
        match moves.remove(&at) {
            Some(found) => kept.push(Seen::new(Arc::new(found), one.place, false, levels)),
            None if left.contains(&at) => {}
            None => kept.push(one),
        }
    }
    kept
}

/// What two changes have in common that are shown once.
fn look(found: &Found, place: &Place, whole: bool) -> String {
    let kind = format!("{} {}", found.gvk.api_version(), found.gvk.kind);
    let name = match &found.what {
        What::Change => String::new(),
        // Every move is one of its own place.
        What::Move { from } => format!("{} {}", pattern(&from.to_string(), &place.cluster), found.object.name),
        _ => format!("{:?} {}", found.what, found.object.name),
    };
    // Objects of one name that come need not be equal; with other content they are told apart, except for where they are.
    let body = found.body.as_ref().map(|body| {
        let mut body = body.clone();
        if let Some(metadata) = body.get_mut("metadata").and_then(crate::yaml::Node::map_mut) {
            metadata.remove("namespace");
        }
        json::to_json(&body).unwrap_or_default()
    });
    let body = if whole { None } else { body };
    let fields = application::look(&found.fields);
    format!("{kind}\0{name}\0{whole}\0{}\0{fields}", body.unwrap_or_default())
}

fn change(group: Vec<Seen>) -> Option<Change> {
    let first = group.first()?;
    let objects: BTreeSet<&ObjectRef> = group.iter().map(|one| &one.found.object).collect();
    let places: BTreeSet<&Place> = group.iter().map(|one| &one.place).collect();
    // Where one application ignores the fields and another does not, somebody has to see them.
    let noise = group.iter().map(|one| one.found.noise.clone()).collect::<Option<Vec<String>>>();
    Some(Change {
        what: first.found.what.clone(),
        gvk: first.found.gvk.clone(),
        objects: objects.into_iter().cloned().collect(),
        fields: first.found.fields.clone(),
        variants: 1,
        whole: first.whole,
        noise: noise.and_then(|all| all.into_iter().next()),
        dangers: first.dangers.clone(),
        places: places.into_iter().cloned().collect(),
    })
}

/// Changes of the same paths of the same kind with other values everywhere, as one.
fn variants(changes: Vec<Change>) -> Vec<Change> {
    let mut groups: BTreeMap<(String, bool, bool), Vec<Change>> = BTreeMap::new();
    for change in changes {
        let names: BTreeSet<&str> = change.objects.iter().map(|object| object.name.as_str()).collect();
        let paths: Vec<&str> = change.fields.iter().map(|field| field.path.as_str()).collect();
        // A field that comes is not a field that changes.
        let shape: String =
            change.fields.iter().map(|f| format!("{}{}", f.before.is_some(), f.after.is_some())).collect();
        let what = change.what.name();
        let key = match change.what {
            What::Come | What::Go => format!("{what} {} {names:?} {:?}", change.gvk.kind, change.dangers),
            _ => format!("{what} {} {names:?} {paths:?} {shape} {:?}", change.gvk.kind, change.dangers),
        };
        let key = (key, change.whole, change.noise.is_some());
        groups.entry(key).or_default().push(change);
    }
    let mut found = Vec::new();
    for (_, mut group) in groups {
        if group.len() < VARIANTS {
            found.append(&mut group);
            continue;
        }
        let variants = group.len();
        let mut all = group.into_iter();
        let Some(mut first) = all.next() else { continue };
        for other in all {
            first.objects.extend(other.objects);
            first.places.extend(other.places);
        }
        first.objects.sort();
        first.objects.dedup();
        first.places.sort();
        first.places.dedup();
        first.variants = variants;
        found.push(first);
    }
    found
}
