//! What is to lie in the output folder against what lies there: the one comparison that `check` reports and that the host carries out.
//!
//! A file that we wrote and nobody touched is *stale* or *extra*; one that somebody touched is *edited*: written anew where it is still
//! wanted, else left where it is, since what was put into it is nobody's to throw away. A file that nobody of us wrote is *foreign*: in
//! the way of ours it is an error before anything is written, elsewhere it does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::index::{Index, State};
use super::layout::INDEX;
use super::previous::{OldBundle, OldFile, Previous};
use super::{Bundle, Journal};
use crate::application::AppKey;
use crate::diag::{Cause, Diagnostic, Diagnostics, Warned};
use crate::digest::Digest;
use crate::lock::{self, BundlesLock, Drift, FleetLock};
use crate::span::{FileId, Span};

/// Name of the lock beside the bundles.
pub const BUNDLES_LOCK: &str = "bundles.lock";

/// Everything that is to be written.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The files below the output folder, in the order of writing.
    pub files: Vec<OutputFile>,
    /// The text of fleet.lock, which lies at the root of the fleet.
    pub fleet_lock: Arc<str>,
}

/// A file of the output folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// Path below the output folder, with `/`.
    pub path: String,
    /// When it is written.
    pub stage: Stage,
    /// Digest of its content.
    pub digest: Digest,
    /// Its content; `None` for a file of a held application, which is not touched.
    pub text: Option<Arc<str>>,
}

/// Order of writing: no file is named by another before it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// A file of an application.
    Manifest,
    /// A bundle.yaml.
    Index,
    /// bundles.lock.
    Lock,
}

/// Everything that is to be written, in order.
pub fn output(bundles: &[Bundle], fleet_lock: &FleetLock, bundles_lock: &BundlesLock) -> Output {
    let mut files = Vec::new();
    for bundle in bundles {
        files.extend(bundle.files.iter().map(|file| OutputFile {
            path: format!("{}/{}", bundle.directory, file.path),
            stage: Stage::Manifest,
            digest: file.digest,
            text: file.text.clone(),
        }));
        files.push(OutputFile {
            path: format!("{}/{INDEX}", bundle.directory),
            stage: Stage::Index,
            digest: bundle.digest(),
            text: Some(Arc::clone(bundle.text())),
        });
    }
    let text = bundles_lock.to_text();
    files.push(OutputFile {
        path: BUNDLES_LOCK.to_owned(),
        stage: Stage::Lock,
        digest: Digest::of(text.as_bytes()),
        text: Some(text.into()),
    });
    files.sort_by(|a, b| (a.stage, &a.path).cmp(&(b.stage, &b.path)));
    Output { files, fleet_lock: fleet_lock.to_text().into() }
}

/// The differences between a build and what lies there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files, sorted by path; bundles.lock is not among them.
    pub files: Vec<FileChange>,
    /// Applications, sorted by cluster and key; those that are held are always among them.
    pub applications: Vec<ApplicationChange>,
    /// fleet.lock.
    pub fleet_lock: LockStatus,
    /// bundles.lock.
    pub bundles_lock: LockStatus,
    /// How bundles.lock changes, where there is an old one to compare with.
    pub drift: Drift,
    /// No bundles are there, but their lock is: it alone was compared.
    pub lock_only: bool,
    /// What the writer notes down before it begins.
    pub journal: Journal,
}

/// A file that is not as it is to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileChange {
    /// Path below the output folder.
    pub path: String,
    /// What about it.
    pub what: What,
}

/// What is the matter with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It is wanted and not there.
    Missing,
    /// It is as the last build wrote it, which is not what is wanted now.
    Stale,
    /// It is wanted, and somebody changed it after it was written.
    Edited,
    /// The last build wrote it, and it is not wanted any more.
    Extra,
    /// The same, but somebody changed it: it stays.
    ExtraEdited,
    /// Something that is not ours lies where it is to be.
    Foreign,
}

/// An application of a cluster that changes, or is held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApplicationChange {
    /// Name of the cluster.
    pub cluster: String,
    /// The application.
    pub key: AppKey,
    /// What about it.
    pub what: WhatHappened,
}

/// What is the matter with an application.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhatHappened {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// Its files or what is recorded of it.
    Changed,
    /// Its last good files stay; why.
    Held(String),
    /// It never had good files; why.
    Absent(String),
}

/// How a lock that lies there compares with the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LockStatus {
    /// It is the same.
    #[default]
    Current,
    /// There is none.
    Missing,
    /// It is another.
    Stale,
    /// It holds conflict markers of a merge; `build` writes it anew.
    Conflicted,
}

impl Changes {
    /// Whether what lies there is what a build would write.
    pub fn is_current(&self) -> bool {
        (self.lock_only || self.files.is_empty())
            && self.fleet_lock == LockStatus::Current
            && self.bundles_lock == LockStatus::Current
    }
}

/// Compares. The diagnostics are what forbids writing (errors) and what somebody should know (warnings).
pub fn changes(bundles: &[Bundle], output: &Output, previous: &Previous) -> Warned<Changes> {
    let mut diagnostics = Diagnostics::new();
    let mut changes = Changes {
        lock_only: previous.has_no_bundles() && previous.bundles_lock.is_some(),
        fleet_lock: lock_status(previous.fleet_lock.as_deref(), &output.fleet_lock),
        ..Changes::default()
    };
    compare_bundles_lock(output, previous, &mut changes, &mut diagnostics);

    let listed = Listed::new(bundles, previous);
    let wanted: BTreeSet<&str> = output.files.iter().map(|file| file.path.as_str()).collect();
    for file in output.files.iter().filter(|file| file.stage != Stage::Lock) {
        if let Some(what) = difference(file, previous, &listed) {
            if what == What::Foreign {
                diagnostics.push(foreign(&file.path));
            }
            changes.files.push(FileChange { path: file.path.clone(), what });
        }
    }
    for (path, written) in listed.ours.iter().filter(|(path, _)| !wanted.contains(path.as_str())) {
        let what = match previous.files.get(path) {
            None => continue,
            Some(OldFile::File(found)) if written.contains(found) => What::Extra,
            Some(_) => What::ExtraEdited,
        };
        changes.files.push(FileChange { path: path.clone(), what });
    }
    for directory in previous.bundles.keys() {
        let path = format!("{directory}/{INDEX}");
        if !wanted.contains(path.as_str()) && !listed.foreign_indexes.contains(directory.as_str()) {
            changes.files.push(FileChange { path, what: What::Extra });
        }
    }
    changes.files.sort();
    for change in changes.files.iter().filter(|change| change.what == What::ExtraEdited) {
        let message =
            format!("`{}` is not needed any more, but was changed after it was written; it stays", change.path);
        diagnostics.push(
            Diagnostic::warning("bundle/left", Span::NONE, message)
                .hint("delete it yourself if nothing in it is needed"),
        );
    }
    for (directory, problem) in &listed.problems {
        let message = format!("`{directory}/{INDEX}` cannot be read: {problem}");
        diagnostics.push(
            Diagnostic::warning("bundle/old-index", Span::NONE, message)
                .hint("it is written anew; files that only it listed stay"),
        );
    }
    changes.journal = journal(&changes.files, output, &listed);
    if !changes.lock_only {
        compare_applications(bundles, previous, &mut changes.applications);
    } else {
        bundles.iter().for_each(|bundle| held(&bundle.index, &mut changes.applications));
    }
    changes.applications.sort();
    Warned { value: changes, diagnostics }
}

fn foreign(path: &str) -> Diagnostic {
    Diagnostic::error(
        "bundle/foreign-file",
        Span::NONE,
        format!("`{path}` lies where a bundle is to be written, and fleetc did not write it"),
    )
    .cause(Cause::Answer)
    .hint("move it away, or choose another output folder with `-o`")
}

/// The files that are ours.
struct Listed<'a> {
    /// With the digests that we wrote.
    ours: BTreeMap<String, Vec<Digest>>,
    /// Folders whose bundle.yaml is none of ours.
    foreign_indexes: BTreeSet<&'a str>,
    problems: Vec<(&'a str, String)>,
}

impl<'a> Listed<'a> {
    fn new(bundles: &[Bundle], previous: &'a Previous) -> Self {
        let new: BTreeMap<&str, &Bundle> = bundles.iter().map(|bundle| (bundle.directory.as_str(), bundle)).collect();
        let mut listed =
            Listed { ours: previous.journal.ours.clone(), foreign_indexes: BTreeSet::new(), problems: Vec::new() };
        for (directory, old) in &previous.bundles {
            let mut add = |path: &str, digest: Digest| {
                listed.ours.entry(format!("{directory}/{path}")).or_default().push(digest);
            };
            match new.get(directory.as_str()).filter(|bundle| *bundle.text() == old.text) {
                Some(same) => same.files.iter().for_each(|file| add(&file.path, file.digest)),
                None => {
                    for (path, digests) in old.index().files() {
                        digests.into_iter().for_each(|digest| add(path, digest));
                    }
                    listed.judge(directory, old);
                }
            }
        }
        listed
    }

    fn judge(&mut self, directory: &'a str, old: &OldBundle) {
        let index = old.index();
        if index.sides.is_empty() && !old.text.contains("generated by fleetc") {
            self.foreign_indexes.insert(directory);
        } else if let Some(problem) = &index.problem {
            self.problems.push((directory, problem.clone()));
        }
    }
}

/// What is the matter with a wanted file.
fn difference(file: &OutputFile, previous: &Previous, listed: &Listed<'_>) -> Option<What> {
    if is_blocked(&file.path, previous) {
        return Some(What::Foreign);
    }
    let Some(found) = previous.files.get(&file.path) else { return Some(What::Missing) };
    if *found == OldFile::File(file.digest) {
        return None;
    }
    if file.stage == Stage::Index {
        let directory = file.path.split('/').next().unwrap_or_default();
        let ours = previous.bundles.contains_key(directory) && !listed.foreign_indexes.contains(directory);
        return Some(if ours { What::Stale } else { What::Foreign });
    }
    Some(match (listed.ours.get(&file.path), found) {
        (Some(written), OldFile::File(digest)) if file.text.is_some() && written.contains(digest) => What::Stale,
        (Some(_), _) => What::Edited,
        (None, _) => What::Foreign,
    })
}

/// Whether a file or link lies where a folder is to be, or a folder where a file is to be.
fn is_blocked(path: &str, previous: &Previous) -> bool {
    let mut above = path;
    while let Some((parent, _)) = above.rsplit_once('/') {
        if previous.files.contains_key(parent) {
            return true;
        }
        above = parent;
    }
    let below = format!("{path}/");
    previous.files.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
}

fn journal(files: &[FileChange], output: &Output, listed: &Listed<'_>) -> Journal {
    let new: BTreeMap<&str, Digest> = output.files.iter().map(|file| (file.path.as_str(), file.digest)).collect();
    let mut journal = Journal::default();
    for change in files {
        // What an earlier run wrote there stays known until this one is through.
        let mut digests = listed.ours.get(&change.path).cloned().unwrap_or_default();
        match change.what {
            What::Missing | What::Stale | What::Edited => digests.extend(new.get(change.path.as_str())),
            What::Extra => {}
            What::ExtraEdited | What::Foreign => continue,
        }
        digests.sort();
        digests.dedup();
        let is_index = change.path.ends_with(&format!("/{INDEX}"));
        if !is_index {
            journal.ours.insert(change.path.clone(), digests);
        }
    }
    journal
}

fn lock_status(old: Option<&str>, new: &str) -> LockStatus {
    match old {
        None => LockStatus::Missing,
        Some(old) if old == new => LockStatus::Current,
        Some(old) if lock::has_conflict_markers(old) => LockStatus::Conflicted,
        Some(_) => LockStatus::Stale,
    }
}

fn compare_bundles_lock(output: &Output, previous: &Previous, changes: &mut Changes, diagnostics: &mut Diagnostics) {
    let new = output.files.iter().find(|file| file.stage == Stage::Lock).and_then(|file| file.text.as_deref());
    let (new, old) = (new.unwrap_or_default(), previous.bundles_lock.as_deref());
    changes.bundles_lock = lock_status(old, new);
    let Some(old) = old.filter(|_| changes.bundles_lock == LockStatus::Stale) else { return };
    match (BundlesLock::parse(FileId::NONE, old), BundlesLock::parse(FileId::NONE, new)) {
        (Ok(lock::State::Here(old)), Ok(lock::State::Here(new))) => changes.drift = lock::drift(&old, &new),
        (Err(found), _) => {
            // A newer format is somebody else's; anything else is ours to write anew.
            let newer = |finding: &Diagnostic| finding.code == "lock/newer-format";
            diagnostics.extend(found.into_iter().map(|finding| match newer(&finding) {
                true => finding,
                false => Diagnostic { severity: crate::diag::Severity::Warning, hints: Vec::new(), ..finding },
            }));
        }
        _ => {}
    }
}

fn compare_applications(bundles: &[Bundle], previous: &Previous, out: &mut Vec<ApplicationChange>) {
    let change =
        |cluster: &str, key: &AppKey, what| ApplicationChange { cluster: cluster.to_owned(), key: key.clone(), what };
    let directories: BTreeSet<&str> = bundles.iter().map(|bundle| bundle.directory.as_str()).collect();
    for bundle in bundles {
        let (index, cluster) = (&bundle.index, bundle.cluster.as_str());
        held(index, out);
        let Some(old) = previous.bundles.get(&bundle.directory) else {
            let good = index.applications.iter().filter(|entry| entry.state == State::Ok);
            out.extend(good.map(|entry| change(cluster, &entry.key, WhatHappened::Added)));
            continue;
        };
        if old.text == *bundle.text() {
            continue;
        }
        let new_keys: BTreeSet<&AppKey> = index.applications.iter().map(|entry| &entry.key).collect();
        for entry in index.applications.iter().filter(|entry| entry.state == State::Ok) {
            match old.index().entry(&entry.key) {
                None => out.push(change(cluster, &entry.key, WhatHappened::Added)),
                Some(before) if before.state == State::Absent => {
                    out.push(change(cluster, &entry.key, WhatHappened::Added));
                }
                Some(before) if !before.is_same(entry) => out.push(change(cluster, &entry.key, WhatHappened::Changed)),
                Some(_) => {}
            }
        }
        let gone: BTreeSet<&AppKey> = old.index().entries().map(|entry| &entry.key).collect();
        out.extend(gone.difference(&new_keys).map(|key| change(cluster, key, WhatHappened::Removed)));
    }
    for (_, old) in previous.bundles.iter().filter(|(directory, _)| !directories.contains(directory.as_str())) {
        for side in old.index().sides.iter().take(1) {
            let all = side.applications.iter();
            out.extend(all.map(|entry| change(&side.cluster, &entry.key, WhatHappened::Removed)));
        }
    }
}

/// The applications of a bundle that are held or absent.
fn held(index: &Index, out: &mut Vec<ApplicationChange>) {
    for entry in &index.applications {
        let what = match entry.state {
            State::Ok => continue,
            State::Held => WhatHappened::Held(entry.why.clone()),
            State::Absent => WhatHappened::Absent(entry.why.clone()),
        };
        out.push(ApplicationChange { cluster: index.cluster.clone(), key: entry.key.clone(), what });
    }
}
