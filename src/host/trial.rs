//! A tree with files that nobody has written yet: what they would do can be seen before they are. Everything else is that of the tree below.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tree::{RawEntry, RawKind, ReadFault, Store};
use crate::path::TreePath;

/// The store of such a tree.
pub(super) struct Trial {
    below: Box<dyn Store>,
    files: BTreeMap<TreePath, Arc<[u8]>>,
}

impl Trial {
    /// Files by their name in a folder of the tree. A name that is no path of the tree is left out.
    pub(super) fn new(below: Box<dyn Store>, folder: &TreePath, files: &[(String, Arc<[u8]>)]) -> Self {
        let placed = files.iter().filter_map(|(name, bytes)| Some((folder.join(name).ok()?, Arc::clone(bytes))));
        Trial { below, files: placed.collect() }
    }

    fn shown(path: &TreePath) -> RawEntry {
        RawEntry { name: path.name().to_owned(), kind: RawKind::File, object: None }
    }
}

impl Store for Trial {
    fn names(&self, directory: &TreePath, object: Option<gix::ObjectId>) -> Result<Vec<RawEntry>, String> {
        let mut names = self.below.names(directory, object)?;
        for path in self.files.keys().filter(|path| path.parent().as_ref() == Some(directory)) {
            names.retain(|entry| entry.name != path.name());
            names.push(Self::shown(path));
        }
        Ok(names)
    }

    fn link(&self, path: &TreePath, entry: &RawEntry) -> Result<String, String> {
        self.below.link(path, entry)
    }

    fn entry(&self, path: &TreePath) -> Option<RawEntry> {
        if self.files.contains_key(path) { Some(Self::shown(path)) } else { self.below.entry(path) }
    }

    fn bytes(&self, path: &TreePath, entry: &RawEntry, limit: u64) -> Result<Vec<u8>, ReadFault> {
        match self.files.get(path) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => self.below.bytes(path, entry, limit),
        }
    }
}
