//! A world that notes what is read through it: what went into a compile, exactly.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::diag::Checked;
use crate::digest::Digest;
use crate::path::{FilePath, TreeId, TreePath};
use crate::source::SourceRequest;
use crate::span::SourceFile;
use crate::world::{Entry, Lookup, World};

/// Passes everything on, and keeps the files of one tree that were read.
pub(super) struct Recorder<'a> {
    world: &'a dyn World,
    tree: TreeId,
    read: Mutex<BTreeMap<TreePath, Arc<SourceFile>>>,
    /// Sources at a commit: what the pins of fleet.lock say.
    commits: Mutex<BTreeMap<SourceRequest, String>>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(world: &'a dyn World, tree: TreeId) -> Self {
        Recorder { world, tree, read: Mutex::default(), commits: Mutex::default() }
    }

    /// The files that were read with the digests of their content, and the sources that are commits.
    pub(super) fn finish(self) -> (BTreeMap<TreePath, Digest>, BTreeMap<SourceRequest, String>) {
        let read = self.read.into_inner().unwrap_or_else(PoisonError::into_inner);
        let commits = self.commits.into_inner().unwrap_or_else(PoisonError::into_inner);
        (read.into_iter().map(|(path, file)| (path, Digest::of(&file.bytes))).collect(), commits)
    }
}

impl World for Recorder<'_> {
    fn tree(&self, source: &SourceRequest) -> Lookup {
        let found = self.world.tree(source);
        if let Lookup::Here(tree) = &found
            && !tree.working
        {
            let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
            commits.insert(source.clone(), tree.commit.clone());
        }
        found
    }

    fn list(&self, directory: &FilePath) -> Checked<Arc<[Entry]>> {
        self.world.list(directory)
    }

    fn read(&self, file: &FilePath) -> Checked<Arc<SourceFile>> {
        let found = self.world.read(file)?;
        if file.tree == self.tree {
            self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(file.path.clone(), Arc::clone(&found));
        }
        Ok(found)
    }
}
