//! A tree with some files as they would be after an edit: a fleet can be compiled with a change before anything is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tree::{RawEntry, RawKind, ReadFault, Store};
use crate::path::TreePath;

/// Files by their path in the tree, with what they are to hold.
pub type Edits = BTreeMap<TreePath, Arc<[u8]>>;

/// A store with edits over it.
pub(super) struct Edited {
    inner: Box<dyn Store>,
    edits: Edits,
}

impl Edited {
    pub(super) fn new(inner: Box<dyn Store>, edits: Edits) -> Self {
        Edited { inner, edits }
    }

    /// What an edit makes of a name in a directory: a file, or a folder on the way to one.
    fn made(&self, path: &TreePath) -> Option<RawKind> {
        if self.edits.contains_key(path) {
            return Some(RawKind::File);
        }
        self.edits.keys().any(|edited| edited.is_within(path)).then_some(RawKind::Directory)
    }
}

impl Store for Edited {
    fn names(&self, directory: &TreePath, object: Option<gix::ObjectId>) -> Result<Vec<RawEntry>, String> {
        let mut names = match self.inner.names(directory, object) {
            Err(why) if self.made(directory).is_none() => return Err(why),
            Err(_) => Vec::new(),
            Ok(names) => names,
        };
        for name in self.edits.keys().filter_map(|path| path.below(directory)?.split('/').next()) {
            if names.iter().any(|known| known.name == name) {
                continue;
            }
            if let Some(kind) = directory.join(name).ok().and_then(|path| self.made(&path)) {
                names.push(RawEntry { name: name.to_owned(), kind, object: None });
            }
        }
        Ok(names)
    }

    fn link(&self, path: &TreePath, entry: &RawEntry) -> Result<String, String> {
        self.inner.link(path, entry)
    }

    fn entry(&self, path: &TreePath) -> Option<RawEntry> {
        let made = || {
            let kind = self.made(path)?;
            Some(RawEntry { name: path.name().to_owned(), kind, object: None })
        };
        self.inner.entry(path).or_else(made)
    }

    fn bytes(&self, path: &TreePath, entry: &RawEntry, limit: u64) -> Result<Vec<u8>, ReadFault> {
        match self.edits.get(path) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => self.inner.bytes(path, entry, limit),
        }
    }
}
