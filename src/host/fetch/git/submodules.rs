//! Submodules: which repositories `.gitmodules` names, and a tree that shows them as directories.
//!
//! As `git submodule update --init --recursive` after a checkout, which is what Argo CD does: each commit is the one that the tree names,
//! from the URL that `.gitmodules` names for its path; relative URLs begin at the URL of the repository above. One that no URL is known for is
//! an error there as here. Settings of a user's git (`insteadOf`, `submodule.<name>.url`) do not count.

use std::collections::BTreeMap;

use super::super::super::objects::{CommitTree, Objects};
use super::super::super::tree::{RawEntry, RawKind, ReadFault, Store};
use super::super::Fault;
use crate::path::TreePath;

/// How deep submodules may lie in submodules.
pub(super) const MAX_DEPTH: usize = 10;
/// How many a repository may have.
pub(super) const MAX_LINKS: usize = 500;

/// A submodule of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) path: TreePath,
    pub(super) commit: gix::ObjectId,
    pub(super) url: String,
}

/// The submodules of a commit's tree, `walked` being the paths at which a walk has found commits; an error where there is no URL for one.
pub(super) fn links(repository: &gix::Repository, root: gix::ObjectId, walked: &[String]) -> Result<Vec<Link>, Fault> {
    let tree = repository.find_tree(root).map_err(|error| Fault::lasting(error.to_string()))?;
    let known = match tree.find_entry(".gitmodules").filter(|entry| entry.mode().is_blob()) {
        Some(file) => {
            let blob = repository.find_blob(file.object_id()).map_err(|error| Fault::lasting(error.to_string()))?;
            urls(&blob.data)?
        }
        None => BTreeMap::new(),
    };
    if let Some(path) = walked.iter().find(|path| !known.contains_key(*path)) {
        return Err(Fault::lasting(format!("`{path}` is a submodule for which `.gitmodules` has no URL"))
            .hint("Argo CD fails there, too; remove it with `git rm --cached`, or add it to `.gitmodules`"));
    }
    let mut found = Vec::new();
    for (path, url) in known {
        let Ok(path) = TreePath::new(&path) else {
            return Err(Fault::lasting(format!(
                "`.gitmodules` names the path `{path}`, which leads out of the repository"
            )));
        };
        let entry = tree.lookup_entry_by_path(path.as_str()).ok().flatten();
        // A path that is a plain folder by now is no submodule any more.
        let Some(entry) = entry.filter(|entry| entry.mode().is_commit()) else { continue };
        if let Some(url) = url {
            found.push(Link { path, commit: entry.object_id(), url });
        }
    }
    if found.len() > MAX_LINKS {
        return Err(Fault::lasting(format!("it has {} submodules, more than {MAX_LINKS}", found.len())));
    }
    Ok(found)
}

/// The URLs that `.gitmodules` names, by path; those with `update = none` have none.
fn urls(text: &[u8]) -> Result<BTreeMap<String, Option<String>>, Fault> {
    let wrong = |error: String| Fault::lasting(format!("`.gitmodules` cannot be read: {error}"));
    let file = gix::config::File::from_bytes_no_includes(text, gix::config::file::Metadata::api(), Default::default());
    let file = file.map_err(|error| wrong(error.to_string()))?;
    let mut found = BTreeMap::new();
    for section in file.sections_by_name("submodule").into_iter().flatten() {
        let value = |name: &str| section.body().value(name).map(|value| value.to_string());
        if let Some(path) = value("path") {
            let skipped = value("update").as_deref() == Some("none");
            let path = path.trim_end_matches('/').to_owned();
            found.insert(path, value("url").filter(|url| !url.is_empty() && !skipped));
        }
    }
    Ok(found)
}

/// A tree with the trees of its submodules in it.
pub(super) struct Mounted {
    root: CommitTree,
    mounts: Mounts,
}

/// The submodules, nested ones too: where they begin, and their tree.
pub(super) type Mounts = BTreeMap<TreePath, (Objects, gix::ObjectId)>;

impl Mounted {
    pub(super) fn new(root: CommitTree, mounts: Mounts) -> Self {
        Mounted { root, mounts }
    }

    /// The submodule that a path lies in.
    fn mount(&self, path: &TreePath) -> Option<&(Objects, gix::ObjectId)> {
        let mut at = Some(path.clone());
        while let Some(path) = at {
            if let Some(found) = self.mounts.get(&path) {
                return Some(found);
            }
            at = path.parent();
        }
        None
    }
}

impl Store for Mounted {
    fn names(&self, directory: &TreePath, object: Option<gix::ObjectId>) -> Result<Vec<RawEntry>, String> {
        let mut names = match self.mount(directory) {
            Some((objects, root)) => {
                let begins = self.mounts.contains_key(directory);
                let tree = if begins { Some(*root) } else { object };
                objects.names(tree.ok_or_else(|| "the directory has no object".to_owned())?)?
            }
            None => self.root.names(directory, object)?,
        };
        for entry in names.iter_mut().filter(|entry| entry.kind == RawKind::Other) {
            if let Some((_, tree)) = directory.join(&entry.name).ok().and_then(|path| self.mounts.get(&path)) {
                (entry.kind, entry.object) = (RawKind::Directory, Some(*tree));
            }
        }
        Ok(names)
    }

    fn link(&self, path: &TreePath, entry: &RawEntry) -> Result<String, String> {
        match (self.mount(path), entry.object) {
            (Some((objects, _)), Some(object)) => objects.link(object),
            _ => self.root.link(path, entry),
        }
    }

    fn bytes(&self, path: &TreePath, entry: &RawEntry, limit: u64) -> Result<Vec<u8>, ReadFault> {
        match (self.mount(path), entry.object) {
            (Some((objects, _)), Some(object)) => objects.bytes(object, limit),
            _ => self.root.bytes(path, entry, limit),
        }
    }
}
