//! A bare repository in the store: commits with all their files, each brought by one pack, usually without history.
//!
//! There are no references, so nothing that a killed process could leave locked or half moved. A commit counts when its mark is there, and
//! the mark is made last: when the pack and its index lie on the disk and all trees and files of the commit have been found in it. What a
//! killed process left behind beside that is removed by the next one that holds the guard. Others may read at any time.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gix::ObjectId;
use gix::objs::tree::EntryKind;
use gix::prelude::FindExt as _;

use super::super::super::git::causes;
use super::super::Fault;
use super::super::store::write_whole;

/// The largest object that is unpacked.
const MAX_OBJECT: usize = 1 << 30;
/// Marks that are told to a server as being here already.
const MAX_HAVE: usize = 32;

const DAMAGED: &str = "the pack is damaged";

/// Whether a pack was not what it should be.
pub(super) fn is_damaged(fault: &Fault) -> bool {
    fault.reason.starts_with(DAMAGED)
}

/// The repository.
pub(super) struct Repository {
    folder: PathBuf,
}

fn wrong(error: &gix::Error) -> Fault {
    Fault::lasting(causes(error))
}

impl Repository {
    pub(super) fn new(folder: PathBuf) -> Self {
        Repository { folder }
    }

    /// Whether a commit is here with all its files.
    pub(super) fn has(&self, commit: ObjectId) -> bool {
        self.mark(commit).is_file()
    }

    fn mark(&self, commit: ObjectId) -> PathBuf {
        self.folder.join("commits").join(commit.to_string())
    }

    /// The note on the large files of a commit; `None` where they were not fetched.
    pub(super) fn large(&self, commit: ObjectId) -> Option<String> {
        fs::read_to_string(self.folder.join("large").join(commit.to_string())).ok()
    }

    /// Notes the large files of a commit, which are in the store.
    pub(super) fn note_large(&self, commit: ObjectId, note: &str) -> io::Result<()> {
        write_whole(&self.folder.join("large").join(commit.to_string()), note.as_bytes(), true)
    }

    fn packs(&self) -> PathBuf {
        self.folder.join("objects").join("pack")
    }

    /// Makes the repository where it is not there, and removes what a killed process left. Only under the guard.
    pub(super) fn prepare(&self) -> io::Result<()> {
        for folder in ["objects/pack", "objects/info", "refs/heads", "refs/tags", "commits"] {
            fs::create_dir_all(self.folder.join(folder))?;
        }
        for (name, text) in
            [("config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"), ("HEAD", "ref: refs/heads/none\n")]
        {
            let path = self.folder.join(name);
            if fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
                fs::write(path, text)?;
            }
        }
        let mut indexed = BTreeSet::new();
        let mut others = Vec::new();
        for entry in fs::read_dir(self.packs())? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("idx") => drop(indexed.insert(path.with_extension(""))),
                _ => others.push(path),
            }
        }
        for path in others {
            let whole = path.extension().is_some_and(|extension| extension == "pack");
            if !whole || !indexed.contains(&path.with_extension("")) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Opens it for reading.
    pub(super) fn open(&self) -> Result<gix::ThreadSafeRepository, Fault> {
        let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
        options.open(&self.folder).map_err(|error| wrong(&error))
    }

    /// Commits that are here, the newest first, to be told to a server.
    pub(super) fn have(&self) -> Vec<ObjectId> {
        let entries = fs::read_dir(self.folder.join("commits")).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .filter_map(|entry| {
                let id = ObjectId::from_hex(entry.file_name().to_str()?.as_bytes()).ok()?;
                Some((entry.metadata().ok()?.modified().ok()?, id))
            })
            .collect();
        found.sort_by(|a, b| b.cmp(a));
        found.into_iter().take(MAX_HAVE).map(|(_, id)| id).collect()
    }

    /// Takes a pack into the repository, as a whole or not at all.
    pub(super) fn take(&self, pack: &mut dyn io::BufRead) -> Result<(), Fault> {
        unpack(&self.open()?.to_thread_local(), &self.packs(), pack)
    }

    /// Marks a commit, if it is here with all its files; `false` where something is missing.
    pub(super) fn settle(&self, commit: ObjectId) -> Result<bool, Fault> {
        let repository = self.open()?.to_thread_local();
        let Some(found) = repository.try_find_object(commit).map_err(|error| wrong(&error))? else { return Ok(false) };
        let Ok(found) = found.try_into_commit() else {
            return Err(Fault::lasting(format!("{commit} is no commit")));
        };
        let root = found.tree_id().map_err(|error| wrong(&error))?.detach();
        if walk(&repository, root)?.missing.is_some() {
            return Ok(false);
        }
        let mark = self.mark(commit);
        if let Some(folder) = mark.parent() {
            File::create(&mark)?.sync_all()?;
            sync_folder(folder)?;
        }
        Ok(true)
    }
}

/// Takes a pack into a repository that is not of the store.
pub(super) fn take_into(repository: &gix::Repository, mut pack: &[u8]) -> Result<(), Fault> {
    let packs = repository.common_dir().join("objects").join("pack");
    fs::create_dir_all(&packs)?;
    unpack(repository, &packs, &mut pack)
}

fn unpack(repository: &gix::Repository, packs: &Path, pack: &mut dyn io::BufRead) -> Result<(), Fault> {
    let options = gix_pack::bundle::write::Options { alloc_limit_bytes: Some(MAX_OBJECT), ..Default::default() };
    let interrupted = AtomicBool::new(false);
    let outcome = gix_pack::Bundle::write_to_directory(
        pack,
        Some(packs),
        &mut gix::progress::Discard,
        &interrupted,
        Some(repository.objects.clone()),
        gix::hash::Kind::Sha1,
        options,
    );
    let outcome = outcome.map_err(|error| Fault::passing(format!("{DAMAGED}: {}", causes(&error))))?;
    for path in [&outcome.data_path, &outcome.index_path].into_iter().flatten() {
        File::open(path)?.sync_all()?;
    }
    if let Some(keep) = outcome.keep_path {
        fs::remove_file(keep)?;
    }
    sync_folder(packs)?;
    Ok(())
}

/// What goes through a whole tree finds.
#[derive(Default)]
pub(super) struct Walk {
    /// An object that is not here.
    pub(super) missing: Option<ObjectId>,
    /// Commits of other repositories that the tree names; of equal directories only the first.
    pub(super) links: Vec<String>,
    /// The files, equal ones once.
    pub(super) files: Vec<ObjectId>,
}

/// Goes through a tree, each directory once however often it appears: trees of trees grow without bound.
pub(super) fn walk(repository: &gix::Repository, root: ObjectId) -> Result<Walk, Fault> {
    let mut found = Walk::default();
    let mut seen: BTreeSet<ObjectId> = BTreeSet::new();
    let mut todo = vec![(String::new(), root)];
    let mut buffer = Vec::new();
    while let Some((path, tree)) = todo.pop() {
        let Ok(entries) = repository.objects.find_tree_iter(&tree, &mut buffer) else {
            found.missing = Some(tree);
            return Ok(found);
        };
        for entry in entries {
            let entry = entry.map_err(|error| Fault::lasting(format!("a directory in it is damaged: {error}")))?;
            let id = entry.oid.to_owned();
            let inside = || format!("{path}{}{}", if path.is_empty() { "" } else { "/" }, entry.filename);
            match entry.mode.kind() {
                EntryKind::Commit => found.links.push(inside()),
                EntryKind::Tree => {
                    if seen.insert(id) {
                        todo.push((inside(), id));
                    }
                }
                EntryKind::Blob | EntryKind::BlobExecutable | EntryKind::Link => {
                    if seen.insert(id) {
                        if !repository.has_object(id) {
                            found.missing = Some(id);
                            return Ok(found);
                        }
                        found.files.push(id);
                    }
                }
            }
        }
    }
    Ok(found)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
