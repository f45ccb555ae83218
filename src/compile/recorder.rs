//! A world that notes what is read through it: what went into a compile, exactly. The folder that bundles are written to is not in it:
//! a generator that looks at `*` must find the same before and after a build.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::diag::Checked;
use crate::digest::Digest;
use crate::lock::Pin;
use crate::path::{FilePath, TreeId, TreePath};
use crate::render::kept::Kept;
use crate::source::SourceRequest;
use crate::span::SourceFile;
use crate::world::{Entry, Lookup, Program, World};

/// Passes everything on, and keeps the files of one tree that were read.
pub(super) struct Recorder<'a> {
    world: &'a dyn World,
    tree: TreeId,
    /// The output folder, where it lies in the tree.
    hidden: Option<TreePath>,
    kept: &'a Kept,
    read: Mutex<BTreeMap<TreePath, Arc<SourceFile>>>,
    /// Sources that are no working tree: what fleet.lock pins.
    pins: Mutex<BTreeMap<SourceRequest, Pin>>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(world: &'a dyn World, tree: TreeId, hidden: Option<TreePath>, kept: &'a Kept) -> Self {
        Recorder { world, tree, hidden, kept, read: Mutex::default(), pins: Mutex::default() }
    }

    /// The files that were read with the digests of their content, and the sources that are no working tree.
    pub(super) fn finish(self) -> (BTreeMap<TreePath, Digest>, BTreeMap<SourceRequest, Pin>) {
        let read = self.read.into_inner().unwrap_or_else(PoisonError::into_inner);
        let pins = self.pins.into_inner().unwrap_or_else(PoisonError::into_inner);
        (read.into_iter().map(|(path, file)| (path, Digest::of(&file.bytes))).collect(), pins)
    }
}

impl World for Recorder<'_> {
    fn tree(&self, source: &SourceRequest) -> Lookup {
        let found = self.world.tree(source);
        if let Lookup::Here(tree) = &found {
            self.kept.tree(source, tree.id);
        }
        if let Lookup::Here(tree) = &found
            && !tree.working
        {
            let pin = Pin { resolved: tree.commit.clone(), digest: tree.digest };
            self.pins.lock().unwrap_or_else(PoisonError::into_inner).insert(source.clone(), pin);
        }
        found
    }

    fn run(&self, program: &Program) -> Checked<Vec<u8>> {
        self.world.run(program)
    }

    fn list(&self, directory: &FilePath) -> Checked<Arc<[Entry]>> {
        let found = self.world.list(directory)?;
        match &self.hidden {
            Some(hidden) if directory.tree == self.tree && hidden.parent().as_ref() == Some(&directory.path) => {
                Ok(found.iter().filter(|entry| entry.name != hidden.name()).cloned().collect())
            }
            _ => Ok(found),
        }
    }

    fn read(&self, file: &FilePath) -> Checked<Arc<SourceFile>> {
        let found = self.world.read(file)?;
        if file.tree == self.tree {
            self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(file.path.clone(), Arc::clone(&found));
        }
        Ok(found)
    }
}
