//! The git object store as a tree: a commit read without a checkout.
//!
//! Nothing is written and nothing fetched; an object that is not here (a partial clone) is an error that says so. Bytes are those
//! of the blob: conversions that a checkout would make (line ends, filters, LFS) are not made. Submodules cannot be read.

use gix::objs::tree::EntryKind as GitKind;

use super::tree::{RawEntry, RawKind, ReadFault, Store};
use crate::path::TreePath;

/// The objects of a repository, to be read from any thread.
#[derive(Clone)]
pub(super) struct Objects {
    repository: gix::ThreadSafeRepository,
}

impl Objects {
    pub(super) fn new(repository: gix::ThreadSafeRepository) -> Self {
        Objects { repository }
    }

    /// The entries of a tree object.
    pub(super) fn names(&self, tree: gix::ObjectId) -> Result<Vec<RawEntry>, String> {
        let repository = self.repository.to_thread_local();
        let tree = repository.find_tree(tree).map_err(|error| missing(&error))?;
        let mut names = Vec::new();
        for entry in tree.iter() {
            let entry = entry.map_err(|error| error.to_string())?;
            let name = entry.filename();
            // git itself never writes such a name, and refuses to check it out.
            if name.is_empty() || name == "." || name == ".." || name.contains(&b'/') || name.contains(&0) {
                return Err(format!("a tree of the repository has the forbidden name `{name}`"));
            }
            if name == ".git" {
                continue;
            }
            let kind = match entry.mode().kind() {
                GitKind::Tree => RawKind::Directory,
                GitKind::Blob | GitKind::BlobExecutable => RawKind::File,
                GitKind::Link => RawKind::Link,
                GitKind::Commit => RawKind::Other,
            };
            // A name that is not UTF-8 is shown, but cannot be opened by it.
            let utf8 = std::str::from_utf8(name).is_ok();
            let kind = if utf8 { kind } else { RawKind::Other };
            names.push(RawEntry { name: name.to_string(), kind, object: Some(entry.object_id()) });
        }
        Ok(names)
    }

    /// The text of a link.
    pub(super) fn link(&self, blob: gix::ObjectId) -> Result<String, String> {
        let bytes = self.bytes(blob, 1 << 16).map_err(|fault| match fault {
            ReadFault::TooLarge(size) => format!("a link of {size} bytes"),
            ReadFault::Failed(reason) => reason,
        })?;
        String::from_utf8(bytes).map_err(|_| "the link's target is not UTF-8".to_owned())
    }

    /// The bytes of a blob.
    pub(super) fn bytes(&self, blob: gix::ObjectId, limit: u64) -> Result<Vec<u8>, ReadFault> {
        let repository = self.repository.to_thread_local();
        let header = repository.find_header(blob).map_err(|error| ReadFault::Failed(missing(&error)))?;
        if header.size() > limit {
            return Err(ReadFault::TooLarge(header.size()));
        }
        let mut blob = repository.find_blob(blob).map_err(|error| ReadFault::Failed(missing(&error)))?;
        Ok(blob.take_data())
    }
}

fn missing(error: &gix::Error) -> String {
    format!("the local object store does not give the object, as in a partial clone ({error})")
}

/// The tree of a commit.
pub(super) struct CommitTree {
    objects: Objects,
    root: gix::ObjectId,
}

impl CommitTree {
    /// The tree with this id.
    pub(super) fn new(objects: Objects, root: gix::ObjectId) -> Self {
        CommitTree { objects, root }
    }
}

impl Store for CommitTree {
    fn names(&self, directory: &TreePath, object: Option<gix::ObjectId>) -> Result<Vec<RawEntry>, String> {
        match object {
            Some(object) => self.objects.names(object),
            None if directory.is_root() => self.objects.names(self.root),
            None => Err("the directory has no object".to_owned()),
        }
    }

    fn link(&self, _: &TreePath, entry: &RawEntry) -> Result<String, String> {
        entry.object.ok_or_else(|| "the link has no object".to_owned()).and_then(|object| self.objects.link(object))
    }

    fn bytes(&self, _: &TreePath, entry: &RawEntry, limit: u64) -> Result<Vec<u8>, ReadFault> {
        let object = entry.object.ok_or_else(|| ReadFault::Failed("the file has no object".to_owned()))?;
        self.objects.bytes(object, limit)
    }
}
