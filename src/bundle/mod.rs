//! Fifth phase: per cluster, the files that are to lie in its folder, and the index of them (bundle.yaml).
//!
//! Call sequence of the composition, after the last round of renders:
//!
//! 1. the host reads [`Previous`] from the output folder;
//! 2. a [`Part`] for every resolved unit: the renders of its sources, or why there are none;
//! 3. [`held_files`] names files whose text the next step looks at; the host puts them into [`Previous::texts`]. Usually none;
//! 4. [`bundle`]: [`Bundled`] with a [`Bundle`] a cluster. With [`Bundled::refused`], or after an error in read or expand or about a
//!    destination, nothing may be written;
//! 5. the locks (see [`lock`](crate::lock)), then [`output`]: every file that is to lie there, in the order of writing;
//! 6. [`changes()`]: what differs from what lies there. `check` reports it, the host writes it.
//!
//! Three rules hold throughout. An application that fails is *held*: its last good files stay listed, and so do those of the applications
//! that it declared, since nobody knows them now; nothing that is only unknown ever reads as a removal. Equal renders in equal
//! surroundings are finished once and share one text. And the order of the parts, of fields in the input and of threads decides nothing.
//!
//! No file is read or written here, and nothing is rendered. What Argo CD does live (apply order beyond the canonical one, health,
//! namespaces that it creates) is recorded for `plan`, not done.

mod changes;
mod claims;
mod contents;
mod finish;
mod hold;
mod index;
mod layout;
mod permission;
mod previous;
mod record;
mod scope;
mod secret;
mod shown;
mod site;
mod tally;
mod tracking;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use crate::application::AppKey;
use crate::diag::{Diagnostics, Warned};
use crate::digest::{Digest, Key};
use crate::read::Fleet;
use crate::render::Rendered;
use crate::resolve::ResolvedUnit;

pub use changes::{
    ApplicationChange, BUNDLES_LOCK, Changes, FileChange, LockStatus, Output, OutputFile, Stage, What, WhatHappened,
    changes, output,
};
pub use contents::Contents;
pub use hold::held_files;
pub use index::{
    ALL_API_VERSIONS, Entry, FactsRecord, Index, Known, NamespaceRecord, ObjectRef, ScopeRecord, SourceRecord, State,
    WORKING_TREE,
};
pub use layout::{APPS, INDEX, encode as encode_name};
pub use previous::{Journal, OldBundle, OldFile, OldIndex, Previous};
pub use secret::{has_placeholders, is_clear as is_clear_secret, without_values as without_secret_values};
pub use shown::Shown;
pub use site::name_of as cluster_name;
pub use tracking::mark_keys;

use claims::{Claim, Claimant};
use finish::{Finish, RenderSet, Task};
use scope::Declared;
use site::{Content, Site};
use tally::Tally;

/// A unit with what its sources rendered.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The unit.
    pub unit: &'a ResolvedUnit,
    /// The renders of its sources that render something, in their order (equal jobs should share one `Arc`); or why the application
    /// is held, one line such as ``render: `apps/web` has no kustomization``. What went wrong is reported by the caller.
    pub renders: Result<Vec<Arc<Rendered>>, String>,
    /// Whether the Applications, ApplicationSets and AppProjects among its objects fed back into the fleet.
    pub feeds_back: bool,
}

/// What bundling starts from.
#[derive(Debug)]
pub struct Input<'a> {
    /// The fleet, feedback included.
    pub fleet: &'a Fleet,
    /// Every unit once; in any order.
    pub parts: &'a [Part<'a>],
    /// What the last build left.
    pub previous: &'a Previous,
    /// With `--keep-going`: ApplicationSets that failed, as instance, namespace, name. What they last made is held.
    pub failed_sets: &'a [(String, String, String)],
    /// The key of digests of Secret data.
    pub key: Option<&'a Key>,
}

/// How independent pieces of work are run: calls the closure once for each number below the first argument, in any order, and returns
/// when all are done. Results do not depend on it.
pub type Spread<'a> = &'a (dyn Fn(usize, &(dyn Fn(usize) + Sync)) + Sync);

/// One after the other, on the caller's thread.
pub fn in_order(count: usize, work: &(dyn Fn(usize) + Sync)) {
    (0..count).for_each(work);
}

/// The bundle of a cluster.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Name of the cluster.
    pub cluster: String,
    /// Its folder below the output folder: the name, percent-encoded.
    pub directory: String,
    /// What its bundle.yaml says.
    pub index: Index,
    /// The manifests, sorted by path.
    pub files: Vec<BundleFile>,
    /// The text of bundle.yaml and its digest, once somebody asked for them.
    written: OnceLock<(Arc<str>, Digest)>,
}

impl Bundle {
    /// A bundle of files that are sorted by path.
    pub fn new(cluster: String, directory: String, index: Index, files: Vec<BundleFile>) -> Bundle {
        Bundle { cluster, directory, index, files, written: OnceLock::new() }
    }

    /// The text of bundle.yaml. It is written when it is first asked for: who only compares bundles needs none.
    pub fn text(&self) -> &Arc<str> {
        &self.written().0
    }

    /// Digest of that text.
    pub fn digest(&self) -> Digest {
        self.written().1
    }

    /// What bundles.lock says of it: the same, unless files hold clear data of Secrets.
    pub fn locked(&self) -> Digest {
        match self.index.applications.iter().all(|entry| entry.shown.is_empty()) {
            true => self.digest(),
            false => self.index.locked_digest(self.text()),
        }
    }

    fn written(&self) -> &(Arc<str>, Digest) {
        self.written.get_or_init(|| {
            let text = self.index.to_text();
            let digest = Digest::of(text.as_bytes());
            (text.into(), digest)
        })
    }
}

/// A manifest of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleFile {
    /// Path below the folder of the cluster.
    pub path: String,
    /// Digest of the content.
    pub digest: Digest,
    /// What stands for it where it travels, if it holds clear data of Secrets.
    pub shown: Option<Shown>,
    /// The content, shared by all files of equal content; `None` for a file of a held application, which stays as it lies there.
    pub text: Option<Arc<str>>,
    /// The application it belongs to.
    pub application: AppKey,
}

/// The bundles of a fleet.
#[derive(Clone, Debug, Default)]
pub struct Bundled {
    /// Sorted by the name of the cluster.
    pub bundles: Vec<Bundle>,
    /// Nothing may be written: an error leaves open what belongs where (two clusters of one name, a broken `output.path` or
    /// `resource.exclusions`).
    pub refused: bool,
    /// Applications that are held or absent now because of errors found here, not before.
    pub failed: BTreeSet<AppKey>,
}

/// Makes the bundles of all clusters.
pub fn bundle(input: &Input<'_>, spread: Spread<'_>) -> Warned<Bundled> {
    let mut diagnostics = Diagnostics::new();
    let fleet = input.fleet;
    let layout = diagnostics.take(layout::Layout::new(fleet));
    let filters = diagnostics.take(site::filters(fleet));
    let mut sites = site::sites(input, &mut diagnostics);
    let (Some(layout), Some(filters), false) = (layout, filters, diagnostics.has_errors()) else {
        return Warned { value: Bundled { refused: true, ..Bundled::default() }, diagnostics };
    };
    hold::carry(&mut sites, input);

    let sets = RenderSets::of(input.parts, spread);
    // CRDs of held applications stay on their clusters, too.
    let held_scopes: Vec<Declared> = sites.iter().map(|site| site.held_declared(input)).collect();
    let mut fleet_scopes = sets.all_declared();
    held_scopes.iter().for_each(|declared| fleet_scopes.extend(declared));
    let mut tasks = Tasks::default();
    for (site, held) in sites.iter_mut().zip(held_scopes) {
        site.plan(input, &sets, (held, &fleet_scopes), &filters, &mut tasks);
    }
    let mut finished = Finishes { list: Vec::new(), key: input.key.cloned() };
    finished.run(&tasks, &sets, spread);

    // What is wrong with the objects themselves, then what is wrong between applications; the second needs the first.
    let mut tally = Tally::default();
    site::report_unknown_scopes(&sites, &sets, &mut tally);
    for site in &mut sites {
        site.drop_failures(input, &finished, &mut tally);
        judge(site, input, &finished, &mut tasks, &mut tally);
    }
    finished.run(&tasks, &sets, spread);

    let placements = collect(sites.len(), spread, |at| sites.get(at).map(|site| site.place(&layout, input, &finished)));
    let mut failed = BTreeSet::new();
    for (site, mut placement) in sites.iter_mut().zip(placements) {
        site.settle(&mut placement, input, &mut failed);
        tally.extend(placement.tally);
    }
    for part in input.parts.iter().filter(|part| part.renders.is_err()) {
        failed.remove(&part.unit.unit.application.key);
    }
    hold::carry_failed(&mut sites, &failed, input);
    hold::report(&sites, &mut tally);

    let bundles = collect(sites.len(), spread, |at| sites.get(at).map(|site| site.bundle(input, &finished)));
    tally.report(&mut diagnostics);
    Warned { value: Bundled { bundles, refused: false, failed }, diagnostics }
}

/// The results of work that is spread, in order.
fn collect<T: Send + Sync>(count: usize, spread: Spread<'_>, work: impl Fn(usize) -> Option<T> + Sync) -> Vec<T> {
    let cells: Vec<OnceLock<T>> = (0..count).map(|_| OnceLock::new()).collect();
    spread(count, &|at| {
        if let (Some(value), Some(cell)) = (work(at), cells.get(at)) {
            let _ = cell.set(value);
        }
    });
    cells.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// Judges the claims of one cluster; applications that yield objects are finished anew without them.
fn judge(site: &mut Site<'_>, input: &Input<'_>, finished: &Finishes, tasks: &mut Tasks, tally: &mut Tally) {
    let held = site.held_objects(input);
    let mut claimants = Vec::new();
    let mut slots = Vec::new();
    for (at, slot) in site.slots.iter().enumerate() {
        let Some(objects) = held.get(&at) else { continue };
        let objects = objects.claims();
        claimants.push(Claimant { key: &slot.key, objects });
        slots.push(at);
    }
    for (at, slot) in site.slots.iter().enumerate() {
        let Content::Fresh { task, .. } = &slot.content else { continue };
        let objects = finished.get(*task).map(|finish| Claim::of(&finish.objects)).unwrap_or_default();
        claimants.push(Claimant { key: &slot.key, objects });
        slots.push(at);
    }
    let verdict = claims::judge(&claimants, input.fleet);
    drop(claimants);
    for (template, pair) in verdict.said {
        tally.add(template, format!("`{}` and `{}` on cluster `{}`", pair[0], pair[1], site.name));
    }
    let slot_of = |claimant: usize| slots.get(claimant).copied();
    for (claimant, mut yields) in verdict.yields {
        let Some(slot) = slot_of(claimant).and_then(|at| site.slots.get_mut(at)) else { continue };
        let Content::Fresh { task, .. } = &mut slot.content else { continue };
        yields.sort();
        if let Some(before) = tasks.list.get(*task).cloned() {
            *task = tasks.add(Task { yields: yields.iter().map(|(object, _)| object.clone()).collect(), ..before });
        }
        slot.yields = yields;
    }
    for (claimant, why) in verdict.failed {
        let Some(slot) = slot_of(claimant).and_then(|at| site.slots.get_mut(at)) else { continue };
        // Who is held already is so for another reason.
        if matches!(slot.content, Content::Fresh { .. }) {
            slot.fail(why, &site.directory, input.previous);
        }
    }
}

/// The renders of applications, each combination once.
struct RenderSets {
    list: Vec<RenderSet>,
    /// What the CRDs of each declare.
    declared: Vec<Declared>,
    of_part: Vec<Option<usize>>,
}

impl RenderSets {
    fn of(parts: &[Part<'_>], spread: Spread<'_>) -> Self {
        // By address: the parts hold the `Arc`s, and equal addresses are equal renders. Unequal ones of equal content cost time only.
        let mut seen: FxHashMap<Vec<usize>, usize> = FxHashMap::default();
        let mut renders: Vec<&Vec<Arc<Rendered>>> = Vec::new();
        let mut of_part = Vec::with_capacity(parts.len());
        for part in parts {
            of_part.push(part.renders.as_ref().ok().map(|list| {
                let addresses = list.iter().map(|render| Arc::as_ptr(render) as usize).collect();
                *seen.entry(addresses).or_insert_with(|| {
                    renders.push(list);
                    renders.len() - 1
                })
            }));
        }
        let made = collect(renders.len(), spread, |at| {
            let set = RenderSet::new((*renders.get(at)?).clone());
            let mut declared = Declared::default();
            set.resources().for_each(|resource| declared.add(&resource.body));
            Some((set, declared))
        });
        let (list, declared) = made.into_iter().unzip();
        RenderSets { list, declared, of_part }
    }

    fn all_declared(&self) -> Declared {
        let mut all = Declared::default();
        self.declared.iter().for_each(|declared| all.extend(declared));
        all
    }
}

/// What is to be finished, each once.
#[derive(Default)]
struct Tasks {
    list: Vec<Task>,
    places: FxHashMap<Task, usize>,
}

impl Tasks {
    fn add(&mut self, task: Task) -> usize {
        if let Some(at) = self.places.get(&task) {
            return *at;
        }
        self.list.push(task.clone());
        self.places.insert(task, self.list.len() - 1);
        self.list.len() - 1
    }
}

/// What is finished, by task.
struct Finishes {
    list: Vec<Finish>,
    key: Option<Key>,
}

impl Finishes {
    /// Finishes the tasks that were added since the last call.
    fn run(&mut self, tasks: &Tasks, sets: &RenderSets, spread: Spread<'_>) {
        let new = tasks.list.get(self.list.len()..).unwrap_or_default();
        let done = collect(new.len(), spread, |at| {
            let task = new.get(at)?;
            Some(sets.list.get(task.set).map(|set| finish::finish(task, set, self.key.as_ref())).unwrap_or_default())
        });
        self.list.extend(done);
    }

    fn get(&self, task: usize) -> Option<&Finish> {
        self.list.get(task)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests read their cases")]
mod tests;
