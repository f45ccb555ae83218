//! Publishing: what a commit of bundles on a branch holds, decided without git.
//!
//! A branch (or a folder in it) is made what a build says, and nothing else on it is touched: the [`Manifest`] that lies there names the
//! files that are ours, each with the content that we gave it. What is ours and not wanted any more goes; what somebody edited after us
//! stays and is ours no more; what never was ours is not written over. A branch with files and without a manifest belongs to somebody else
//! until it is adopted. Files that say where the rest came from ([`Role::Beside`]) make no commit by themselves, so that a commit of the
//! fleet that changes no object changes nothing here.
//!
//! Ids of contents are given in: here nobody knows how git names them. Nothing is read, written or sent.

mod branch;
mod encrypt;
mod layout;
mod manifest;
mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::bundle::{Bundle, State};
use crate::diag::{Cause, Checked, Diagnostic, Diagnostics};
use crate::span::Span;

pub use branch::{Branches, Target, branch_problem};
pub use encrypt::{encrypted, relocked};
pub use layout::{Context, LAYOUTS, Layout, NOTES, Origin, hydrated_message, note, note_path, shared, wanted};
pub use manifest::{MANIFEST, Manifest, Owned};
pub use message::{Said, message, pull_request};

/// Whose a file is, for people: an application on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Owner {
    /// Name of the cluster; empty for what belongs to all.
    pub cluster: String,
    /// The application; empty for what belongs to the whole cluster.
    pub application: String,
}

/// Whether a change of a file is worth a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is.
    Content,
    /// It is written along with others.
    Beside,
    /// It is written along with the file of this path only, and where it is not there.
    With(String),
}

/// A file that is to lie on a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its content; `None` for one that stays as it lies there, since its application is held.
    pub text: Option<Arc<str>>,
    /// Whose it is.
    pub owner: Owner,
    /// Whether its change is worth a commit.
    pub role: Role,
}

/// What is to lie on a branch, below the folder that is ours there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `metadata.name` of the fleet; empty for none.
    pub fleet: String,
    /// The name of the layout.
    pub layout: String,
    /// The files, by path below the folder.
    pub files: BTreeMap<String, File>,
    /// Nothing is removed: it is not known whether something is really gone.
    pub keep: bool,
}

/// What lies on a branch, below the folder that is ours there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// Regular files to the ids of their contents; links and submodules to `None`.
    pub files: BTreeMap<String, Option<String>>,
    /// The manifest.
    pub manifest: Option<Manifest>,
}

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It was not there.
    Added,
    /// It has another content.
    Changed,
    /// It goes.
    Removed,
}

/// What a commit holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// Files to write, the manifest among them.
    pub put: BTreeMap<String, Arc<str>>,
    /// Files to remove.
    pub remove: BTreeSet<String>,
    /// What changes, for people: those of [`Role::Content`] and those that go.
    pub changes: BTreeMap<String, (What, Owner)>,
    /// What somebody should know.
    pub warnings: Diagnostics,
}

/// Compares; `None` where there is nothing to commit. `id` names contents as the ids of the tip do.
///
/// # Errors
/// The branch, or a file on it that is in the way, is somebody else's. What is held changed since it was looked at (`held`: the ids that
/// it had then).
pub fn compare(
    wanted: &Wanted,
    tip: &Tip,
    id: &dyn Fn(&str) -> String,
    held: &BTreeMap<String, String>,
    adopt: bool,
) -> Checked<Option<Commit>> {
    let none = BTreeMap::new();
    let ours = match &tip.manifest {
        Some(manifest) if manifest.fleet == wanted.fleet || adopt => &manifest.files,
        Some(manifest) => return Err(other_fleet(&manifest.fleet, &wanted.fleet).into()),
        None if tip.files.is_empty() || adopt => &none,
        None => return Err(not_ours(tip).into()),
    };
    let mut commit = Commit::default();
    let mut owned = BTreeMap::new();
    let mut errors = Diagnostics::new();
    let changes = |path: &String| {
        let text = wanted.files.get(path).and_then(|file| file.text.as_ref());
        text.is_some_and(|text| !matches!(tip.files.get(path), Some(Some(old)) if *old == id(text)))
    };
    for (path, file) in &wanted.files {
        let lies = tip.files.get(path);
        if let Role::With(other) = &file.role
            && let Some((known, Some(lies))) = ours.get(path).zip(lies)
            && !changes(other)
        {
            owned.insert(path.clone(), Owned { id: lies.clone(), owner: known.owner.clone() });
            continue;
        }
        let Some(text) = &file.text else {
            let id = lies.and_then(Option::as_ref);
            if held.get(path) != id {
                errors.push(moved(path));
            } else if let Some(id) = id {
                owned.insert(path.clone(), Owned { id: id.clone(), owner: file.owner.clone() });
            }
            continue;
        };
        let new = id(text);
        let same = matches!(lies, Some(Some(old)) if *old == new);
        let known = ours.get(path);
        if !same && !adopt && (lies.is_some() && known.is_none() || blocked(path, tip, ours)) {
            errors.push(in_the_way(path));
            continue;
        }
        owned.insert(path.clone(), Owned { id: new, owner: file.owner.clone() });
        if same {
            continue;
        }
        let edited = known.zip(lies).is_some_and(|(known, lies)| lies.as_ref() != Some(&known.id));
        if edited && file.role == Role::Content {
            let message = format!("`{path}` was changed on the branch after it was published; it is written anew");
            commit.warnings.push(Diagnostic::warning("publish/edited", Span::NONE, message));
        }
        if file.role == Role::Content {
            let what = if lies.is_some() { What::Changed } else { What::Added };
            commit.changes.insert(path.clone(), (what, file.owner.clone()));
        }
        commit.put.insert(path.clone(), Arc::clone(text));
    }
    for (path, known) in ours.iter().filter(|(path, _)| !wanted.files.contains_key(*path)) {
        match tip.files.get(path) {
            None => {}
            Some(_) if wanted.keep => drop(owned.insert(path.clone(), known.clone())),
            Some(Some(id)) if *id == known.id => {
                commit.remove.insert(path.clone());
                commit.changes.insert(path.clone(), (What::Removed, known.owner.clone()));
            }
            Some(_) => {
                let message =
                    format!("`{path}` is not needed any more, but was changed after it was published; it stays");
                let warning = Diagnostic::warning("publish/left", Span::NONE, message);
                commit.warnings.push(warning.hint("delete it yourself if nothing in it is needed"));
            }
        }
    }
    if errors.has_errors() {
        return Err(errors);
    }
    if commit.changes.is_empty() {
        return Ok(None);
    }
    let manifest = Manifest { fleet: wanted.fleet.clone(), layout: wanted.layout.clone(), files: owned };
    commit.put.insert(MANIFEST.to_owned(), manifest.to_text().into());
    Ok(Some(commit))
}

/// Whether something that is not ours lies where a folder is to be, or a folder with such where the file is to be.
fn blocked(path: &str, tip: &Tip, ours: &BTreeMap<String, Owned>) -> bool {
    let mut above = path;
    while let Some((parent, _)) = above.rsplit_once('/') {
        if tip.files.contains_key(parent) && !ours.contains_key(parent) {
            return true;
        }
        above = parent;
    }
    let below = format!("{path}/");
    let inside = tip.files.range(below.clone()..).take_while(|(other, _)| other.starts_with(&below));
    inside.into_iter().any(|(other, _)| !ours.contains_key(other))
}

fn other_fleet(theirs: &str, ours: &str) -> Diagnostic {
    let named = |name: &str| if name.is_empty() { "a fleet without a name".to_owned() } else { format!("`{name}`") };
    let message = format!("the files on the branch are those of {}, and this is {}", named(theirs), named(ours));
    Diagnostic::error("publish/other-fleet", Span::NONE, message)
        .cause(Cause::Answer)
        .hint("publish to another branch, or to a folder of its own (`--path`); `--adopt-branch` takes its files over")
}

fn not_ours(tip: &Tip) -> Diagnostic {
    let names: Vec<String> = tip.files.keys().take(3).map(|path| format!("`{path}`")).collect();
    let message = format!("the branch has files that fleetc did not publish ({}, …)", names.join(", "));
    Diagnostic::error("publish/foreign-branch", Span::NONE, message).cause(Cause::Answer).hint(
        "publish to a branch of its own, or to a folder (`--path`); `--adopt-branch` publishes beside what is there",
    )
}

fn in_the_way(path: &str) -> Diagnostic {
    let message = format!("`{path}` lies on the branch where a file is to be published, and fleetc did not write it");
    Diagnostic::error("publish/foreign-file", Span::NONE, message)
        .cause(Cause::Answer)
        .hint("remove it there, or let it be taken over with `--adopt-branch`")
}

fn moved(path: &str) -> Diagnostic {
    let message = format!("`{path}`, which a failed application is to keep, changed on the branch meanwhile");
    Diagnostic::error("publish/moved", Span::NONE, message).cause(Cause::Answer).hint("run this again")
}

/// How many applications of some bundles are held or absent.
pub fn held<'b>(bundles: impl IntoIterator<Item = &'b Bundle>) -> usize {
    bundles.into_iter().flat_map(|bundle| &bundle.index.applications).filter(|entry| entry.state != State::Ok).count()
}

#[cfg(test)]
mod tests;
