//! The git object store as a tree: a commit read without a checkout.
//!
//! Nothing is written and nothing fetched; an object that is not here (a partial clone) is an error that says so. Bytes are those
//! of the blob: conversions that a checkout would make (line ends, filters) are not made, and a pointer of Git LFS stands for the content that was
//! fetched for it; without that it is refused, since it is not what the file says. Submodules are other repositories and not read here. Objects of the store are checked when they are read.

use gix::objs::tree::EntryKind as GitKind;

use super::tree::{RawEntry, RawKind, ReadFault, Store};
use crate::digest::Digest;
use crate::path::TreePath;

/// The objects of a repository, to be read from any thread.
#[derive(Clone)]
pub(super) struct Objects {
    repository: gix::ThreadSafeRepository,
    /// Whether what is read is checked: nobody else looks after the repositories of the store.
    checked: bool,
    /// Where the content of large files is, where it was fetched.
    large: Option<super::fetch::Store>,
}

/// How a pointer of Git LFS begins, and how large it is at most (git-lfs `docs/spec.md`).
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
pub(super) const MAX_POINTER: u64 = 1024;

/// A pointer of Git LFS.
pub(super) struct Pointer {
    /// The SHA-256 of the content.
    pub(super) digest: Digest,
    /// Its size.
    pub(super) size: u64,
}

impl Pointer {
    /// Reads one; `None` of other files, an error of a pointer that does not say what it stands for.
    pub(super) fn read(bytes: &[u8]) -> Option<Result<Self, &'static str>> {
        if bytes.len() as u64 > MAX_POINTER || !bytes.starts_with(POINTER) {
            return None;
        }
        let text = String::from_utf8_lossy(bytes);
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let digest = value("oid").and_then(Digest::parse);
        let size = value("size").and_then(|size| size.trim().parse().ok());
        let pointer = digest.zip(size).map(|(digest, size)| Pointer { digest, size });
        Some(pointer.ok_or("it is a pointer of Git LFS that names no content by SHA-256"))
    }
}

impl Objects {
    pub(super) fn new(repository: gix::ThreadSafeRepository) -> Self {
        Objects { repository, checked: false, large: None }
    }

    /// Objects of the store.
    pub(super) fn checked(repository: gix::ThreadSafeRepository) -> Self {
        Objects { repository, checked: true, large: None }
    }

    /// The same, with the content of large files.
    pub(super) fn with_large(self, store: super::fetch::Store) -> Self {
        Objects { large: Some(store), ..self }
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
        if let Some(pointer) = Pointer::read(&blob.data) {
            return self.large(pointer, limit);
        }
        Ok(blob.take_data())
    }
}

impl Objects {
    /// The content that a pointer stands for.
    fn large(&self, pointer: Result<Pointer, &'static str>, limit: u64) -> Result<Vec<u8>, ReadFault> {
        let failed = |reason: String| Err(ReadFault::Failed(reason));
        let Some(store) = &self.large else {
            return failed(
                "it is a pointer of Git LFS, whose content is not in the repository; `repositories: [{url: URL, lfs: true}]` in fleet.yaml fetches it"
                    .to_owned(),
            );
        };
        match pointer {
            Err(why) => failed(why.to_owned()),
            Ok(Pointer { size, .. }) if size > limit => Err(ReadFault::TooLarge(size)),
            Ok(Pointer { digest, .. }) => match store.get(&digest) {
                Ok(Some(bytes)) => Ok(bytes),
                Ok(None) => failed("its content (Git LFS) is no longer in the store; run this again".to_owned()),
                Err(error) => failed(format!("its content (Git LFS) cannot be read: {error}")),
            },
        }
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
