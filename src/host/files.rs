//! A folder on disk as a tree.
//!
//! Directories are listed one by one when asked for, without a `stat` per name; `.git` is never shown. Files larger than
//! [`FILE_LIMIT`] are refused before they are read, pipes and devices are never opened. Which names of a git checkout count is
//! decided by its index and ignore files; a plain folder shows all.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::fetch::{Remote, Report, Sources, settle};
use super::seen::{Question, Seen, absent, digest_of_names, letter};
use super::tracked::Tracked;
use super::tree::{Files, RawEntry, RawKind, ReadFault, Store};
use crate::diag::Checked;
use crate::path::{FilePath, TreeId, TreePath};
use crate::source::{SourceKind, SourceRequest, normalize_git_url};
use crate::span::{SourceFile, SourceMap};
use crate::world::{Entry, EntryKind, Lookup, Tree, World};

/// The largest file that is read, in bytes.
pub const FILE_LIMIT: u64 = 64 << 20;

/// A folder on disk.
pub(super) struct Disk {
    root: PathBuf,
    tracked: Option<Tracked>,
    seen: Seen,
}

impl Disk {
    pub(super) fn new(root: PathBuf, tracked: Option<Tracked>, seen: Seen) -> Self {
        Disk { root, tracked, seen }
    }

    fn path(&self, path: &TreePath) -> PathBuf {
        if path.is_root() { self.root.clone() } else { self.root.join(path.as_str()) }
    }
}

fn raw_kind(kind: std::fs::FileType) -> RawKind {
    if kind.is_file() {
        RawKind::File
    } else if kind.is_dir() {
        RawKind::Directory
    } else if kind.is_symlink() {
        RawKind::Link
    } else {
        RawKind::Other
    }
}

impl Store for Disk {
    fn names(&self, directory: &TreePath, object: Option<gix::ObjectId>) -> Result<Vec<RawEntry>, String> {
        if let (Some(tracked), Some(object)) = (&self.tracked, object) {
            return tracked.objects().names(object);
        }
        let mut names = Vec::new();
        let mut seen = Vec::new();
        let path = self.path(directory);
        let listed = match std::fs::read_dir(&path) {
            Ok(listed) => Some(listed),
            // A sparse checkout left the whole directory out.
            Err(error) if self.tracked.is_some() && error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                self.seen.beyond();
                return Err(error.to_string());
            }
        };
        let is_there = listed.is_some();
        for entry in listed.into_iter().flatten() {
            let entry = entry.map_err(|error| error.to_string())?;
            let kind = entry.file_type().map_err(|error| error.to_string())?;
            if self.seen.is_noting() {
                seen.push((entry.file_name().into_encoded_bytes(), letter(kind)));
            }
            if entry.file_name() == ".git" {
                continue;
            }
            let raw = match entry.file_name().into_string() {
                Ok(name) => RawEntry { name, kind: raw_kind(kind), object: None },
                // A name that is not UTF-8 is shown, but cannot be opened by it.
                Err(name) => RawEntry { name: name.to_string_lossy().into_owned(), kind: RawKind::Other, object: None },
            };
            names.push(raw);
        }
        if self.seen.is_noting() {
            seen.sort();
            self.seen.add(Question::Names, &path, if is_there { digest_of_names(&seen) } else { absent() });
        }
        match &self.tracked {
            Some(tracked) => tracked.filter(directory, names),
            None => Ok(names),
        }
    }

    fn entry(&self, path: &TreePath) -> Option<RawEntry> {
        // Of a checkout the names that count are known from listing only.
        if self.tracked.is_some() || path.name() == ".git" {
            return None;
        }
        let place = self.path(path);
        self.seen.ask(Question::Kind, &place);
        let kind = std::fs::symlink_metadata(place).ok()?.file_type();
        Some(RawEntry { name: path.name().to_owned(), kind: raw_kind(kind), object: None })
    }

    fn link(&self, path: &TreePath, entry: &RawEntry) -> Result<String, String> {
        if let (Some(tracked), Some(object)) = (&self.tracked, entry.object) {
            return tracked.objects().link(object);
        }
        let place = self.path(path);
        self.seen.ask(Question::Link, &place);
        let target = std::fs::read_link(place).map_err(|error| error.to_string())?;
        target.into_os_string().into_string().map_err(|_| "the link's target is not UTF-8".to_owned())
    }

    fn bytes(&self, path: &TreePath, entry: &RawEntry, limit: u64) -> Result<Vec<u8>, ReadFault> {
        if let (Some(tracked), Some(object)) = (&self.tracked, entry.object) {
            return tracked.objects().bytes(object, limit);
        }
        // What cannot be read is not noted as anything: whoever goes on without it is not remembered.
        let failed = |error: std::io::Error| {
            self.seen.beyond();
            ReadFault::Failed(error.to_string())
        };
        let place = self.path(path);
        let file = File::open(&place).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size > limit {
            self.seen.beyond();
            return Err(ReadFault::TooLarge(size));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
        let read = file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
        if read as u64 > limit {
            return Err(ReadFault::TooLarge(read as u64));
        }
        self.seen.content(&place, &bytes);
        Ok(bytes)
    }
}

/// A world of one plain folder, for `fleetc kustomize`, tests and trying things. It answers the URLs it was told, at HEAD.
pub struct FileWorld {
    files: Files,
    sources: Arc<SourceMap>,
    urls: Vec<String>,
    /// What was fetched; without, nothing is.
    remote: Option<Remote>,
    /// Trees of fetched sources, from id 1 on.
    fetched: RwLock<Vec<Arc<Files>>>,
}

impl FileWorld {
    /// The folder's tree.
    pub const TREE: TreeId = TreeId(0);

    /// A world of this folder, everything in it included. The folder may be the root of the disk.
    ///
    /// # Errors
    /// The folder does not exist or is none.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        let root = folder.canonicalize()?;
        if !root.metadata()?.is_dir() {
            return Err(std::io::ErrorKind::NotADirectory.into());
        }
        let sources = Arc::new(SourceMap::default());
        let whole_disk = root.parent().is_none();
        let (disk, map) = (Box::new(Disk::new(root, None, Seen::default())), Arc::clone(&sources));
        let files = if whole_disk {
            Files::of_disk(disk, map, FILE_LIMIT)
        } else {
            Files::new(disk, map, String::new(), FILE_LIMIT)
        };
        Ok(FileWorld { files, sources, urls: Vec::new(), remote: None, fetched: RwLock::default() })
    }

    /// Lets the folder answer a git URL too.
    #[must_use]
    pub fn answering(mut self, url: &str) -> Self {
        self.urls.push(normalize_git_url(url));
        self
    }

    /// The same with sources from elsewhere.
    #[must_use]
    pub fn fetching(self, sources: Arc<Sources>) -> Self {
        FileWorld { remote: Some(Remote::new(sources)), ..self }
    }

    /// Works, fetches what is wanted and is not here, and works again, until nothing more can be fetched; and whether it came to that.
    pub fn settle<T>(&self, report: Report<'_>, work: impl FnMut() -> (T, BTreeSet<SourceRequest>)) -> (T, bool) {
        settle(work, |wanted| self.remote.as_ref().map_or(0, |remote| remote.fetch(wanted.iter(), report)))
    }

    /// The files read so far.
    pub fn sources(&self) -> &Arc<SourceMap> {
        &self.sources
    }

    fn add(&self, store: Box<dyn Store>, label: String) -> TreeId {
        let mut fetched = self.fetched.write().unwrap_or_else(PoisonError::into_inner);
        fetched.push(Arc::new(Files::new(store, Arc::clone(&self.sources), label, FILE_LIMIT)));
        TreeId(u32::try_from(fetched.len()).unwrap_or(u32::MAX))
    }

    fn fetched(&self, tree: TreeId) -> Option<Arc<Files>> {
        let at = usize::try_from(tree.0).ok()?.checked_sub(1)?;
        self.fetched.read().unwrap_or_else(PoisonError::into_inner).get(at).cloned()
    }
}

impl World for FileWorld {
    fn tree(&self, source: &SourceRequest) -> Lookup {
        let known = source.kind == SourceKind::Git && self.urls.contains(&normalize_git_url(&source.url));
        if known && matches!(source.revision.as_str(), "" | "HEAD") {
            return Lookup::Here(Tree { id: Self::TREE, commit: String::new(), working: true, digest: None });
        }
        if let Some(remote) = self.remote.as_ref().filter(|_| !known) {
            return match remote.tree(source, |store, label| self.add(store, label)) {
                Ok(tree) => Lookup::Here(tree),
                Err(missing) => Lookup::Absent { reason: missing.reason, hint: missing.hint },
            };
        }
        let reason =
            if known { "a plain folder has no revision but HEAD" } else { "no repository is mapped to this URL" };
        Lookup::Absent { reason: reason.to_owned(), hint: None }
    }

    fn list(&self, directory: &FilePath) -> Checked<Arc<[Entry]>> {
        match self.fetched(directory.tree) {
            Some(files) => files.list(&directory.path),
            None => self.files.list(&directory.path),
        }
    }

    fn stat(&self, path: &FilePath) -> Option<EntryKind> {
        match self.fetched(path.tree) {
            Some(files) => files.stat(&path.path),
            None => self.files.stat(&path.path),
        }
    }

    fn read(&self, file: &FilePath) -> Checked<Arc<SourceFile>> {
        match self.fetched(file.tree) {
            Some(files) => files.read(&file.path),
            None => self.files.read(&file.path),
        }
    }
}
