//! The git object store as a tree: a commit read without a checkout.
//!
//! Nothing is written and nothing fetched; an object that is not here (a partial clone) is an error that says so. Bytes are those
//! of the blob: conversions that a checkout would make (line ends, filters) are not made, and a pointer of Git LFS is refused, since it is not
//! what the file says. Submodules are other repositories and not read here. Objects of the store are checked when they are read.

use gix::objs::tree::EntryKind as GitKind;

use super::tree::{RawEntry, RawKind, ReadFault, Store};
use crate::path::TreePath;

/// The objects of a repository, to be read from any thread.
#[derive(Clone)]
pub(super) struct Objects {
    repository: gix::ThreadSafeRepository,
    /// Whether what is read is checked: nobody else looks after the repositories of the store.
    checked: bool,
}

/// How a pointer of Git LFS begins, and how large it is at most (git-lfs `docs/spec.md`).
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
const MAX_POINTER: usize = 1024;

impl Objects {
    pub(super) fn new(repository: gix::ThreadSafeRepository) -> Self {
        Objects { repository, checked: false }
    }

    /// Objects of the store.
    pub(super) fn checked(repository: gix::ThreadSafeRepository) -> Self {
        Objects { repository, checked: true }
    }

    fn check(&self, id: gix::ObjectId, kind: gix::objs::Kind, bytes: &[u8]) -> Result<(), String> {
        if !self.checked || gix::objs::compute_hash(id.kind(), kind, bytes).is_ok_and(|found| found == id) {
            return Ok(());
        }
        let folder = self.repository.to_thread_local().path().display().to_string();
        Err(format!("the stored object {id} is damaged; remove `{folder}`, and it is fetched again"))
    }

    /// The entries of a tree object.
    pub(super) fn names(&self, tree: gix::ObjectId) -> Result<Vec<RawEntry>, String> {
        let repository = self.repository.to_thread_local();
        let tree = repository.find_tree(tree).map_err(|error| missing(&error))?;
        self.check(tree.id, gix::objs::Kind::Tree, &tree.data)?;
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
        self.check(blob.id, gix::objs::Kind::Blob, &blob.data).map_err(ReadFault::Failed)?;
        if blob.data.len() <= MAX_POINTER && blob.data.starts_with(POINTER) {
            let reason = "it is a pointer of Git LFS, whose content is not in the repository and is not fetched";
            return Err(ReadFault::Failed(reason.to_owned()));
        }
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
