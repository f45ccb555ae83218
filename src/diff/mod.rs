//! What differs between two states of a fleet: two folders of bundles, two builds, or one of each.
//!
//! In: for each side the bundles by cluster ([`Side`]). Out: a [`Comparison`], in which a change that is the same on many clusters stands
//! once with the list of its places. Applications that come or leave, objects that move between applications of a cluster, and objects
//! that only got another hash in their name are recognised. What a side could not render is said, never compared: it would read as a removal.
//!
//! Nothing is asked of a cluster and nothing is read from disk. Values of Secrets are masked before anybody sees them.

mod application;
mod fold;
mod objects;
pub mod report;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use rustc_hash::FxHashMap;

use crate::application::AppKey;
use crate::bundle::{Contents, Entry, ObjectRef, Spread, State};
use crate::danger::Dangers;
use crate::digest::Digest;
use crate::k8s::difference::ChangedField;
use crate::k8s::object::Gvk;
use crate::rule::Level;

use objects::Found;

/// The bundles of one side by the name of their cluster.
pub type Side = BTreeMap<String, Contents>;

/// What happens to an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// It is new.
    Come,
    /// It is no longer there.
    Go,
    /// Fields of it differ.
    Change,
    /// It has another name, of which only the hash of its content differs, and perhaps other fields.
    Rename {
        /// The name that it had.
        from: String,
    },
    /// It belongs to another application of its cluster, and perhaps other fields differ.
    Move {
        /// The application that it belonged to.
        from: AppKey,
    },
}

impl What {
    /// One word, as in files and reports.
    pub fn name(&self) -> &'static str {
        match self {
            What::Come => "add",
            What::Go => "remove",
            What::Change => "change",
            What::Rename { .. } => "rename",
            What::Move { .. } => "move",
        }
    }
}

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Name of the cluster.
    pub cluster: Arc<str>,
    /// The application, as it is afterwards; before, where it leaves.
    pub application: Arc<AppKey>,
}

/// A change of an object, the same at all of its places.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happens.
    pub what: What,
    /// The kind.
    pub gvk: Gvk,
    /// The objects, sorted, each once; several where the same fields of several objects change in the same way.
    pub objects: Vec<ObjectRef>,
    /// What differs, sorted by path.
    pub fields: Vec<ChangedField>,
    /// How many sets of values there are where only the paths are the same everywhere; then `fields` is the first of them.
    pub variants: usize,
    /// Whether the whole application comes or leaves with it.
    pub whole: bool,
    /// Why nobody need see it: versions in labels, checksums, fields that the application ignores. `None` for all others.
    pub noise: Option<String>,
    /// What is dangerous about it.
    pub dangers: Dangers,
    /// Where, sorted.
    pub places: Vec<Place>,
}

/// What happens to an application on clusters.
#[derive(Clone, Debug)]
pub struct ApplicationChange {
    /// Whether it comes, leaves, or is set otherwise.
    pub what: What,
    /// Settings that differ: project, destination namespace, sources, sync policy.
    pub fields: Vec<ChangedField>,
    /// Number of its objects at each place, where it comes or leaves.
    pub objects: usize,
    /// Where, sorted.
    pub places: Vec<Place>,
}

/// Which side could not render something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failed {
    /// The first one.
    Before,
    /// The second one.
    After,
    /// Neither could.
    Both,
}

impl Failed {
    /// One word, as in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Failed::Before => "before",
            Failed::After => "after",
            Failed::Both => "both",
        }
    }

    /// Behind a verb: `before`, `on both sides`.
    pub fn place(self) -> &'static str {
        match self {
            Failed::Both => "on both sides",
            one => one.name(),
        }
    }
}

/// An application that could not be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// On which side.
    pub side: Failed,
    /// Why; on the second side where it was neither.
    pub why: String,
    /// Where, sorted.
    pub places: Vec<Place>,
}

/// What differs.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Clusters that only the second side has.
    pub clusters_added: Vec<String>,
    /// Clusters that only the first side has.
    pub clusters_removed: Vec<String>,
    /// Applications that come, leave, or are set otherwise.
    pub applications: Vec<ApplicationChange>,
    /// Changes of objects: dangerous ones first, then by how many places they have.
    pub changes: Vec<Change>,
    /// What could not be compared.
    pub failures: Vec<Failure>,
    /// How many applications on clusters both sides have together.
    pub compared: usize,
}

impl Comparison {
    /// Whether both sides are the same, as far as both could be rendered.
    pub fn is_empty(&self) -> bool {
        self.applications.is_empty()
            && self.changes.is_empty()
            && self.clusters_added.is_empty()
            && self.clusters_removed.is_empty()
    }
}

/// An application on a cluster, on one side or on both.
struct Pair<'a> {
    place: Place,
    before: Option<(&'a Contents, &'a Entry)>,
    after: Option<(&'a Contents, &'a Entry)>,
    /// Which piece of work compares its objects.
    task: Option<usize>,
}

/// The files that differ between the sides of an application, by digest: equal tasks have equal results.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Task {
    before: Vec<Digest>,
    after: Vec<Digest>,
    /// What the application says is to be ignored, as text.
    ignored: String,
}

/// What a rule counts as at a place, by its id and what it counts as by itself.
pub type Levels<'a> = dyn Fn(&str, Level, &Place) -> Level + 'a;

/// Compares two sides.
pub fn compare(before: &Side, after: &Side, spread: Spread<'_>) -> Comparison {
    compare_judged(before, after, spread, &|_, level, _| level)
}

/// Compares two sides, where somebody has a say in what dangers count as.
pub fn compare_judged(before: &Side, after: &Side, spread: Spread<'_>, levels: &Levels<'_>) -> Comparison {
    let mut comparison = Comparison {
        clusters_added: after.keys().filter(|name| !before.contains_key(*name)).cloned().collect(),
        clusters_removed: before.keys().filter(|name| !after.contains_key(*name)).cloned().collect(),
        ..Comparison::default()
    };
    let mut pairs = pairs(before, after);
    comparison.compared = pairs.len();
    comparison.failures = failures(&pairs);
    let tasks = tasks(&mut pairs);
    let results = objects::run(&tasks, spread);
    comparison.applications = application::changes(&pairs, &results);
    let results: Vec<Vec<Arc<Found>>> =
        results.into_iter().map(|found| found.into_iter().map(Arc::new).collect()).collect();
    comparison.changes = fold::changes(&pairs, &results, levels);
    comparison
}

/// The applications of both sides, sorted by cluster and key.
fn pairs<'a>(before: &'a Side, after: &'a Side) -> Vec<Pair<'a>> {
    /// Sorted already, unless somebody else wrote the bundle.
    fn entries<'a>(side: &'a Side, cluster: &str) -> Peekable<IntoIter<(&'a Contents, &'a Entry)>> {
        let contents = side.get(cluster).into_iter();
        let entries = contents.flat_map(|contents| contents.index.applications.iter().map(move |e| (contents, e)));
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
        entries.dedup_by(|(_, a), (_, b)| a.key == b.key);
        entries.into_iter().peekable()
    }
    // A fleet has far fewer names than places.
    let mut keys: FxHashMap<&AppKey, Arc<AppKey>> = FxHashMap::default();
    let clusters: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut pairs = Vec::new();
    for name in clusters {
        let cluster: Arc<str> = Arc::from(name.as_str());
        let (mut old, mut new) = (entries(before, name), entries(after, name));
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((_, old)), Some((_, new))) => old.key.cmp(&new.key),
            };
            let before = if order.is_le() { old.next() } else { None };
            let after = if order.is_ge() { new.next() } else { None };
            let Some((_, entry)) = after.or(before) else { break };
            let application = keys.entry(&entry.key).or_insert_with(|| Arc::new(entry.key.clone()));
            let place = Place { cluster: Arc::clone(&cluster), application: Arc::clone(application) };
            pairs.push(Pair { place, before, after, task: None });
        }
    }
    pairs
}

/// What is held or absent on a side, equal reasons once; each application once.
fn failures(pairs: &[Pair<'_>]) -> Vec<Failure> {
    let mut found: BTreeMap<(Failed, &str), Vec<Place>> = BTreeMap::new();
    for pair in pairs {
        let failed = |side: Option<(&Contents, &Entry)>| side.is_some_and(|(_, entry)| entry.state != State::Ok);
        let (side, of) = match (failed(pair.before), failed(pair.after)) {
            (false, false) => continue,
            (true, false) => (Failed::Before, pair.before),
            (false, true) => (Failed::After, pair.after),
            (true, true) => (Failed::Both, pair.after),
        };
        let why = of.map_or("", |(_, entry)| entry.why.as_str());
        found.entry((side, why)).or_default().push(pair.place.clone());
    }
    let found = found.into_iter();
    found.map(|((side, why), places)| Failure { side, why: why.to_owned(), places }).collect()
}

/// The texts that a task compares.
struct Work {
    before: Vec<Arc<str>>,
    after: Vec<Arc<str>>,
    ignored: Option<crate::yaml::Node>,
}

/// Gives each pair whose files differ its task; each task once.
fn tasks(pairs: &mut [Pair<'_>]) -> Vec<Work> {
    let mut known: FxHashMap<Task, usize> = FxHashMap::default();
    let mut list = Vec::new();
    for pair in pairs {
        let failed = [pair.before, pair.after].into_iter().flatten().any(|(_, entry)| entry.state != State::Ok);
        if failed {
            continue;
        }
        let files = |side: Option<(&Contents, &Entry)>, other: Option<(&Contents, &Entry)>| -> Vec<(String, Digest)> {
            let Some((_, entry)) = side else { return Vec::new() };
            let differs =
                |path: &String, digest: &Digest| other.is_none_or(|(_, other)| other.files.get(path) != Some(digest));
            let files = entry.files.iter().filter(|(path, digest)| differs(path, digest));
            files.map(|(path, digest)| (path.clone(), *digest)).collect()
        };
        let (old, new) = (files(pair.before, pair.after), files(pair.after, pair.before));
        if old.is_empty() && new.is_empty() {
            continue;
        }
        let ignored = pair.after.and_then(|(_, entry)| entry.ignore_differences.clone());
        let shown = ignored.as_ref().and_then(|node| crate::yaml::json::to_json(node).ok()).unwrap_or_default();
        let digests = |files: &[(String, Digest)]| files.iter().map(|(_, digest)| *digest).collect();
        let task = Task { before: digests(&old), after: digests(&new), ignored: shown };
        let at = *known.entry(task).or_insert_with(|| {
            let texts = |side: Option<(&Contents, &Entry)>, files: &[(String, Digest)]| {
                let contents = side.map(|(contents, _)| contents);
                let text = |path: &String| contents.and_then(|contents| contents.texts.get(path)).cloned();
                files.iter().filter_map(|(path, _)| text(path)).collect()
            };
            list.push(Work { before: texts(pair.before, &old), after: texts(pair.after, &new), ignored });
            list.len() - 1
        });
        pair.task = Some(at);
    }
    list
}

#[cfg(test)]
mod tests;
