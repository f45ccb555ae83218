//! Which names of a git working tree count: the tracked ones, and the untracked ones that the tree's own `.gitignore` files do not name.
//!
//! The user's global ignore file and `.git/info/exclude` do not count: they are of one machine, the result is not. The index is read once;
//! ignore patterns are looked at for untracked names only. Files that a sparse checkout left out are tracked, so they are here
//! too, read from the object store: a generator that lists directories must not see fewer of them than Argo CD would.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use gix::bstr::{BStr, ByteSlice as _};
use gix::glob::pattern::Case;
use gix::index::entry::{Flags, Mode, Stage};
use rustc_hash::FxHashMap;

use super::objects::Objects;
use super::seen::{Question, Seen};
use super::tree::{RawEntry, RawKind};
use crate::path::TreePath;

/// The index of a checkout with its ignore rules, seen from a folder of the working tree.
pub(super) struct Tracked {
    index: gix::index::File,
    objects: Objects,
    workdir: PathBuf,
    /// Where the tree of the world begins: the root of the working tree, or a folder in it.
    base: TreePath,
    /// Whether a sparse checkout left files out.
    sparse: bool,
    seen: Seen,
    rules: RwLock<FxHashMap<TreePath, Arc<Rules>>>,
}

/// The ignore rules that hold in a directory.
struct Rules {
    /// The rules of the directory above.
    above: Option<Arc<Rules>>,
    /// The directory in which `patterns` are written.
    directory: TreePath,
    patterns: Vec<gix::glob::Pattern>,
    /// Whether the directory itself is ignored, and with it all that is untracked in it.
    ignored: bool,
}

impl Rules {
    /// Whether an untracked name is ignored: the last pattern of the deepest file that matches decides.
    fn ignores(&self, path: &TreePath, directory: bool) -> bool {
        let mut rules = Some(self);
        while let Some(here) = rules {
            if here.ignored {
                return true;
            }
            if let Some(below) = path.below(&here.directory) {
                let basename = below.rfind('/').map(|at| at + 1);
                let found = here.patterns.iter().rev().find(|pattern| {
                    let mode = gix::glob::wildmatch::Mode::NO_MATCH_SLASH_LITERAL;
                    pattern.matches_repo_relative_path(below.into(), basename, Some(directory), Case::Sensitive, mode)
                });
                if let Some(pattern) = found {
                    return !pattern.is_negative();
                }
            }
            rules = here.above.as_deref();
        }
        false
    }
}

/// A tracked name directly in a directory.
struct TrackedName {
    name: String,
    mode: Mode,
    object: gix::ObjectId,
    /// Whether a sparse checkout left it (or something below it) out.
    left_out: bool,
}

impl Tracked {
    pub(super) fn new(index: gix::index::File, objects: Objects, workdir: PathBuf, base: TreePath, seen: Seen) -> Self {
        let sparse =
            index.is_sparse() || index.entries().iter().any(|entry| entry.flags.contains(Flags::SKIP_WORKTREE));
        Tracked { index, objects, workdir, base, sparse, seen, rules: RwLock::default() }
    }

    /// Whether a folder of the working tree is itself ignored and holds nothing tracked: then it is no part of the checkout.
    pub(super) fn is_foreign(&self, folder: &TreePath) -> bool {
        let Some(parent) = folder.parent() else { return false };
        let prefix = format!("{}/", folder.as_str());
        self.index.prefixed_entries_range(prefix.as_str().into()).is_none() && self.rules(&parent).ignores(folder, true)
    }

    /// Takes the names that are on disk and returns those that count.
    pub(super) fn filter(&self, directory: &TreePath, names: Vec<RawEntry>) -> Result<Vec<RawEntry>, String> {
        let directory = self.base.join(directory.as_str()).map_err(|error| error.to_string())?;
        let tracked = self.names(&directory);
        let mut rules = None;
        let mut kept = Vec::with_capacity(names.len());
        let mut on_disk = rustc_hash::FxHashSet::default();
        let by_name: FxHashMap<&str, &TrackedName> = tracked.iter().map(|name| (name.name.as_str(), name)).collect();
        for mut entry in names {
            on_disk.insert(entry.name.clone());
            match by_name.get(entry.name.as_str()) {
                Some(known) if known.mode == Mode::COMMIT && entry.kind == RawKind::Directory => {
                    // A submodule: its files are here when it was checked out, otherwise the folder is empty.
                    let path = self.on_disk(&directory).join(&entry.name);
                    self.seen.ask(Question::Names, &path);
                    let empty = std::fs::read_dir(path).map_or(true, |mut inside| inside.next().is_none());
                    if empty {
                        entry.kind = RawKind::Other;
                    }
                }
                Some(_) => {}
                None => {
                    let path = directory.join(&entry.name).map_err(|error| error.to_string())?;
                    let rules = rules.get_or_insert_with(|| self.rules(&directory));
                    if rules.ignores(&path, entry.kind == RawKind::Directory) {
                        continue;
                    }
                }
            }
            kept.push(entry);
        }
        if self.sparse {
            for tracked in tracked.iter().filter(|tracked| tracked.left_out && !on_disk.contains(&tracked.name)) {
                let whole = tracked.mode != Mode::DIR || !tracked.object.is_null();
                kept.push(RawEntry {
                    name: tracked.name.clone(),
                    kind: match tracked.mode {
                        Mode::DIR => RawKind::Directory,
                        Mode::SYMLINK => RawKind::Link,
                        Mode::COMMIT => RawKind::Other,
                        _ => RawKind::File,
                    },
                    object: whole.then_some(tracked.object),
                });
            }
        }
        Ok(kept)
    }

    /// Names, links and bytes of what is not on disk.
    pub(super) fn objects(&self) -> &Objects {
        &self.objects
    }

    fn on_disk(&self, directory: &TreePath) -> PathBuf {
        if directory.is_root() { self.workdir.clone() } else { self.workdir.join(directory.as_str()) }
    }

    /// The tracked names directly in a directory of the working tree; subtrees are skipped, not walked.
    fn names(&self, directory: &TreePath) -> Vec<TrackedName> {
        let prefix = if directory.is_root() { String::new() } else { format!("{}/", directory.as_str()) };
        let entries = self.index.entries();
        let path = |entry: &gix::index::Entry| -> &BStr { entry.path(&self.index) };
        let mut at = entries.partition_point(|entry| path(entry) < BStr::new(&prefix));
        let mut names: Vec<TrackedName> = Vec::new();
        while let Some(entry) = entries.get(at) {
            let Some(below) = path(entry).strip_prefix(prefix.as_bytes()) else { break };
            let slash = below.find_byte(b'/');
            let name = below.get(..slash.unwrap_or(below.len())).unwrap_or(below);
            // After the entries of `name/…` come those that sort behind the slash.
            let next = match slash {
                None => at + 1,
                Some(_) => {
                    let behind = [prefix.as_bytes(), name, b"0"].concat();
                    at + entries.get(at..).unwrap_or_default().partition_point(|entry| path(entry) < BStr::new(&behind))
                }
            };
            let inside = entries.get(at..next).unwrap_or_default();
            // A directory that a sparse index keeps as one entry ends in a slash.
            let collapsed = entry.mode == Mode::DIR && slash.is_some_and(|slash| slash + 1 == below.len());
            let (mode, object) = match slash {
                None => (entry.mode, entry.id),
                Some(_) if collapsed => (Mode::DIR, entry.id),
                Some(_) => (Mode::DIR, gix::ObjectId::null(entry.id.kind())),
            };
            let left_out = self.sparse
                && inside.iter().any(|entry| entry.flags.contains(Flags::SKIP_WORKTREE) || entry.mode == Mode::DIR);
            // In a merge conflict a path has several stages.
            let name = name.to_str_lossy().into_owned();
            if names.last().is_none_or(|last| last.name != name) || entry.stage() == Stage::Unconflicted {
                names.push(TrackedName { name, mode, object, left_out });
            }
            at = next;
        }
        names
    }

    /// The rules that hold for the names in a directory of the working tree.
    fn rules(&self, directory: &TreePath) -> Arc<Rules> {
        if let Some(known) = self.rules.read().unwrap_or_else(PoisonError::into_inner).get(directory) {
            return Arc::clone(known);
        }
        let mut missing = vec![directory.clone()];
        while let Some(parent) = missing.last().and_then(TreePath::parent) {
            missing.push(parent);
        }
        let mut above: Option<Arc<Rules>> = None;
        for directory in missing.into_iter().rev() {
            let known = self.rules.read().unwrap_or_else(PoisonError::into_inner).get(&directory).cloned();
            let rules = known.unwrap_or_else(|| {
                let ignored = above.as_ref().is_some_and(|above| above.ignores(&directory, true));
                let patterns = if ignored { Vec::new() } else { self.patterns(&directory) };
                Arc::new(Rules { above: above.take(), directory: directory.clone(), patterns, ignored })
            });
            self.rules.write().unwrap_or_else(PoisonError::into_inner).insert(directory, Arc::clone(&rules));
            above = Some(rules);
        }
        above.unwrap_or_else(|| {
            Arc::new(Rules { above: None, directory: TreePath::root(), patterns: Vec::new(), ignored: false })
        })
    }

    fn patterns(&self, directory: &TreePath) -> Vec<gix::glob::Pattern> {
        let file = self.on_disk(directory).join(".gitignore");
        self.seen.ask(Question::Kind, &file);
        // git does not follow a link here either.
        if !std::fs::symlink_metadata(&file).is_ok_and(|found| found.is_file()) {
            return Vec::new();
        }
        let bytes = std::fs::read(&file).unwrap_or_default();
        self.seen.content(&file, &bytes);
        gix::ignore::parse(&bytes, false).map(|(pattern, _, _)| pattern).collect()
    }
}
