//! One tree of files behind a [`World`](crate::world::World): listings and bytes cached, symbolic links resolved.
//!
//! A [`Store`] knows only raw names, link texts and bytes; everything about links is here, so that a folder on disk and a commit in the
//! object store behave alike. A path is walked from the root name by name, never handed to the operating system as it is: a link
//! that is absolute or climbs over the root is found on the way and refused, even where its target would lie inside again
//! (Argo CD `util/app/path`, `CheckOutOfBoundsSymlinks`). Every directory is listed once, every file read once; so one run sees one state.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rustc_hash::FxHashMap;

use crate::diag::{Checked, Diagnostic, Diagnostics, did_you_mean};
use crate::path::TreePath;
use crate::span::{SourceFile, SourceMap, Span};
use crate::world::{Entry, EntryKind};

/// What a store says a name is, links not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RawKind {
    File,
    Directory,
    Link,
    Other,
}

/// A name in a directory of a store.
#[derive(Clone, Debug)]
pub(super) struct RawEntry {
    pub(super) name: String,
    pub(super) kind: RawKind,
    /// The git object that holds it, where the store reads it from there.
    pub(super) object: Option<gix::ObjectId>,
}

/// Why bytes could not be had.
#[derive(Debug)]
pub(super) enum ReadFault {
    /// Larger than the limit; its size in bytes.
    TooLarge(u64),
    /// The reason for people.
    Failed(String),
}

/// Where names and bytes come from. Paths have no links in them: [`Files`] has resolved them.
pub(super) trait Store: Send + Sync {
    /// The names in a directory, in any order.
    fn names(&self, directory: &TreePath, object: Option<gix::ObjectId>) -> Result<Vec<RawEntry>, String>;
    /// The text of a symbolic link.
    fn link(&self, path: &TreePath, entry: &RawEntry) -> Result<String, String>;
    /// A single name, where the store can tell without listing its directory; `None` also where there is no such name.
    fn entry(&self, _path: &TreePath) -> Option<RawEntry> {
        None
    }
    /// The bytes of a file, at most `limit`.
    fn bytes(&self, path: &TreePath, entry: &RawEntry, limit: u64) -> Result<Vec<u8>, ReadFault>;
}

/// Links followed in one path before it counts as a loop (Linux `MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// A directory, listed when somebody asks for more than single names: on the way to a deep folder there may be huge ones.
struct Directory {
    path: TreePath,
    object: Option<gix::ObjectId>,
    /// Names sorted by bytes, or why they cannot be listed.
    raw: OnceLock<Result<Vec<RawEntry>, String>>,
    entries: OnceLock<Arc<[Entry]>>,
}

impl Directory {
    fn raw(&self, store: &dyn Store) -> &Result<Vec<RawEntry>, String> {
        self.raw.get_or_init(|| {
            let mut raw = store.names(&self.path, self.object)?;
            raw.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(raw)
        })
    }

    /// A name of the directory, if it is there.
    fn find(&self, name: &str, store: &dyn Store) -> Result<Option<RawEntry>, String> {
        if self.raw.get().is_none()
            && let Ok(path) = self.path.join(name)
            && let Some(entry) = store.entry(&path)
        {
            return Ok(Some(entry));
        }
        let raw = self.raw(store).as_ref().map_err(Clone::clone)?;
        let at = raw.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok();
        Ok(at.and_then(|at| raw.get(at)).cloned())
    }
}

/// Why a path leads nowhere.
#[derive(Clone, Debug)]
enum Fault {
    Missing { hint: Option<String> },
    NotDirectory(TreePath),
    NotFile(&'static str),
    Broken(TreePath),
    Escapes(TreePath),
    Failed(String),
}

/// Where a path leads after following links.
enum Real {
    Directory(Arc<Directory>),
    File(TreePath, RawEntry),
    Other,
}

/// A tree with its caches.
pub(super) struct Files {
    store: Box<dyn Store>,
    sources: Arc<SourceMap>,
    /// What goes before the path in names for people; empty for the fleet's own tree.
    label: String,
    limit: u64,
    /// Whether the root is that of the disk, so that absolute links stay inside.
    whole_disk: bool,
    directories: RwLock<FxHashMap<TreePath, Arc<Directory>>>,
    files: RwLock<FxHashMap<TreePath, Arc<SourceFile>>>,
}

impl Files {
    pub(super) fn new(store: Box<dyn Store>, sources: Arc<SourceMap>, label: String, limit: u64) -> Self {
        Files {
            store,
            sources,
            label,
            limit,
            whole_disk: false,
            directories: RwLock::default(),
            files: RwLock::default(),
        }
    }

    /// The tree of a whole disk: names for people are absolute paths, and so may links be.
    pub(super) fn of_disk(store: Box<dyn Store>, sources: Arc<SourceMap>, limit: u64) -> Self {
        Files { whole_disk: true, ..Files::new(store, sources, "/".to_owned(), limit) }
    }

    /// The names in a directory, sorted by bytes, links classified.
    pub(super) fn list(&self, path: &TreePath) -> Checked<Arc<[Entry]>> {
        let directory = self.directory(path).map_err(|fault| self.explain(path, &fault))?;
        let raw = match directory.raw(&*self.store) {
            Ok(raw) => raw,
            Err(reason) => return Err(self.explain(path, &Fault::Failed(reason.clone()))),
        };
        let entries = directory.entries.get_or_init(|| {
            let entry = |entry: &RawEntry| Entry { name: entry.name.clone(), kind: self.kind(&directory, entry) };
            raw.iter().map(entry).collect()
        });
        Ok(Arc::clone(entries))
    }

    /// What a path is, without listing its directory where the store can tell.
    pub(super) fn stat(&self, path: &TreePath) -> Option<EntryKind> {
        let Some(parent) = path.parent() else { return Some(EntryKind::Directory) };
        let directory = self.directory(&parent).ok()?;
        let entry = directory.find(path.name(), &*self.store).ok()??;
        Some(self.kind(&directory, &entry))
    }

    fn kind(&self, directory: &Directory, entry: &RawEntry) -> EntryKind {
        match entry.kind {
            RawKind::File => EntryKind::File,
            RawKind::Directory => EntryKind::Directory,
            RawKind::Other => EntryKind::Other,
            RawKind::Link => match directory.path.join(&entry.name).map(|link| self.walk(&link)) {
                Ok(Ok(Real::File(target, _))) => EntryKind::FileLink(target),
                Ok(Ok(Real::Directory(target))) => EntryKind::DirectoryLink(target.path.clone()),
                Ok(Err(Fault::Escapes(_))) => EntryKind::EscapingLink,
                Ok(Ok(Real::Other)) => EntryKind::Other,
                Ok(Err(_)) | Err(_) => EntryKind::BrokenLink,
            },
        }
    }

    /// The bytes of a file; one [`FileId`](crate::span::FileId) for each path asked for.
    pub(super) fn read(&self, path: &TreePath) -> Checked<Arc<SourceFile>> {
        if let Some(file) = self.files.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(Arc::clone(file));
        }
        let (target, entry) = self.file(path).map_err(|fault| self.explain(path, &fault))?;
        let bytes = self.store.bytes(&target, &entry, self.limit).map_err(|fault| self.explain_read(path, fault))?;
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        let file = files
            .entry(path.clone())
            .or_insert_with(|| self.sources.add(path.clone(), format!("{}{path}", self.label), Arc::from(bytes)));
        Ok(Arc::clone(file))
    }

    fn file(&self, path: &TreePath) -> Result<(TreePath, RawEntry), Fault> {
        let Some(parent) = path.parent() else { return Err(Fault::NotFile("a directory")) };
        // Most files lie in a directory that is known already and are no links.
        let directory = self.directory(&parent)?;
        if let Ok(Some(entry)) = directory.find(path.name(), &*self.store)
            && entry.kind == RawKind::File
            && let Ok(real) = directory.path.join(path.name())
        {
            return Ok((real, entry));
        }
        match self.walk(path)? {
            Real::File(real, entry) => Ok((real, entry)),
            Real::Directory(_) => Err(Fault::NotFile("a directory")),
            Real::Other => Err(Fault::NotFile("neither a file nor a directory (a submodule, device or pipe)")),
        }
    }

    fn directory(&self, path: &TreePath) -> Result<Arc<Directory>, Fault> {
        if let Some(known) = self.directories.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(Arc::clone(known));
        }
        let directory = match self.walk(path)? {
            Real::Directory(directory) => directory,
            Real::File(..) | Real::Other => return Err(Fault::NotDirectory(path.clone())),
        };
        if directory.path != *path {
            let mut known = self.directories.write().unwrap_or_else(PoisonError::into_inner);
            known.insert(path.clone(), Arc::clone(&directory));
        }
        Ok(directory)
    }

    /// A directory whose path has no links in it.
    fn load(&self, path: &TreePath, object: Option<gix::ObjectId>) -> Arc<Directory> {
        if let Some(known) = self.directories.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Arc::clone(known);
        }
        let fresh = Arc::new(Directory { path: path.clone(), object, raw: OnceLock::new(), entries: OnceLock::new() });
        let mut known = self.directories.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(path.clone()).or_insert(fresh))
    }

    /// The last directory on the way to a path that was walked through before, with no link up to it: from there on a walk goes as it
    /// would from the root, what it says about links included.
    fn nearest(&self, path: &TreePath) -> Arc<Directory> {
        {
            let known = self.directories.read().unwrap_or_else(PoisonError::into_inner);
            let mut above = path.parent();
            while let Some(path) = above {
                if let Some(directory) = known.get(&path).filter(|directory| directory.path == path) {
                    return Arc::clone(directory);
                }
                above = path.parent();
            }
        }
        self.load(&TreePath::root(), None)
    }

    /// Follows a path from the root, name by name.
    fn walk(&self, path: &TreePath) -> Result<Real, Fault> {
        let mut at = self.nearest(path);
        let below = path.below(&at.path).unwrap_or_default();
        let mut ahead: Vec<String> = below.split('/').rev().map(str::to_owned).collect();
        let mut links = 0;
        let mut link_at: Option<TreePath> = None;
        while let Some(name) = ahead.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    let above = at
                        .path
                        .parent()
                        .ok_or_else(|| Fault::Escapes(link_at.clone().unwrap_or_else(|| path.clone())))?;
                    at = self.load(&above, None);
                    continue;
                }
                _ => {}
            }
            let here = at.path.join(&name).map_err(|error| Fault::Failed(error.to_string()))?;
            let Some(entry) = at.find(&name, &*self.store).map_err(Fault::Failed)? else {
                let near = at.raw(&*self.store).iter().flatten().map(|entry| entry.name.as_str());
                return Err(match link_at {
                    Some(link) => Fault::Broken(link),
                    None => Fault::Missing { hint: did_you_mean(&name, near) },
                });
            };
            match entry.kind {
                RawKind::Directory => at = self.load(&here, entry.object),
                RawKind::File if ahead.is_empty() => return Ok(Real::File(here, entry)),
                RawKind::Other if ahead.is_empty() => return Ok(Real::Other),
                RawKind::File | RawKind::Other => return Err(Fault::NotDirectory(here)),
                RawKind::Link => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Fault::Broken(here));
                    }
                    let target = self.store.link(&here, &entry).map_err(Fault::Failed)?;
                    if target.starts_with('/') && self.whole_disk {
                        at = self.load(&TreePath::root(), None);
                    } else if target.starts_with('/') || has_drive(&target) {
                        return Err(Fault::Escapes(here));
                    }
                    ahead.extend(target.split('/').rev().map(str::to_owned));
                    link_at = Some(here);
                }
            }
        }
        Ok(Real::Directory(at))
    }

    fn explain(&self, path: &TreePath, fault: &Fault) -> Diagnostics {
        let name = format!("{}{path}", self.label);
        let other = |at: &TreePath| if at == path { String::new() } else { format!(" (through `{at}`)") };
        let error = |code, text: String| Diagnostic::error(code, Span::NONE, format!("`{name}` {text}"));
        let found = match fault {
            Fault::Missing { hint } => {
                let found = error("world/missing", "does not exist".to_owned());
                hint.iter().fold(found, |found, hint| found.hint(hint.clone()))
            }
            Fault::NotDirectory(at) if at == path => error("world/not-a-directory", "is not a directory".to_owned()),
            Fault::NotDirectory(at) => error("world/missing", format!("does not exist: `{at}` is not a directory")),
            Fault::NotFile(what) => error("world/not-a-file", format!("is {what}")),
            Fault::Broken(at) => {
                error("world/broken-link", format!("is a symbolic link whose target does not exist{}", other(at)))
            }
            Fault::Escapes(at) => {
                error("world/escaping-link", format!("is a symbolic link out of the repository{}", other(at)))
                    .hint("Argo CD rejects a repository with such a link; make it relative and keep it inside")
            }
            Fault::Failed(reason) => error("world/unreadable", format!("cannot be read: {reason}")),
        };
        Diagnostics::from(found)
    }

    fn explain_read(&self, path: &TreePath, fault: ReadFault) -> Diagnostics {
        match fault {
            ReadFault::Failed(reason) => self.explain(path, &Fault::Failed(reason)),
            ReadFault::TooLarge(size) => Diagnostics::from(
                Diagnostic::error(
                    "world/too-large",
                    Span::NONE,
                    format!("`{}{path}` is too large: {size} bytes, at most {} are read", self.label, self.limit),
                )
                .hint("no manifest or value file is that large; exclude it or move it out of the source"),
            ),
        }
    }
}

/// `C:\…` in a link that was made on Windows.
fn has_drive(target: &str) -> bool {
    matches!(target.as_bytes(), [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic())
}
