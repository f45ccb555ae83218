//! What the core may ask of its surroundings: which tree answers a source, what is in a directory, what is in a file.
//!
//! One consistent snapshot per compile. Symlinks, ignore rules, git and case are the business of `host`; the core sees trees of
//! directories and files. Nothing here waits: a source that is not here is [`Lookup::Absent`] and becomes a want.

mod reads;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diag::{Checked, Diagnostic};
use crate::digest::Digest;
use crate::path::{FilePath, TreeId, TreePath};
use crate::source::SourceRequest;
use crate::span::{SourceFile, Span};

pub use reads::{Access, Begin, Noted, Reading, Reads};

/// The answer to "where is this source".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It is here.
    Here(Tree),
    /// It is not; the reason for people, e.g. "the object store has no revision `v1.2` (this is a shallow clone)".
    Absent {
        /// Why, one sentence.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
}

/// A tree that the world can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Its id in this compile.
    pub id: TreeId,
    /// The commit it was resolved to; for the working tree the commit of HEAD if there is one, else empty.
    pub commit: String,
    /// Whether it is read from a folder on disk, uncommitted changes included; the fleet's own is tree 0.
    pub working: bool,
    /// Digest of the content, where the source has one of its own (charts, artifacts, files).
    pub digest: Option<Digest>,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The last part of its path.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What a name in a directory stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to a file inside the tree.
    FileLink(TreePath),
    /// A symbolic link to a directory inside the tree.
    DirectoryLink(TreePath),
    /// A symbolic link whose target does not exist.
    BrokenLink,
    /// A symbolic link that leaves the tree (absolute or through `..`).
    EscapingLink,
    /// A submodule, device or anything else that cannot be read.
    Other,
}

impl EntryKind {
    /// A file, or a link to one.
    pub fn is_file(&self) -> bool {
        matches!(self, EntryKind::File | EntryKind::FileLink(_))
    }

    /// A directory, or a link to one.
    pub fn is_directory(&self) -> bool {
        matches!(self, EntryKind::Directory | EntryKind::DirectoryLink(_))
    }
}

/// A program that makes manifests of files: what it is started with.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// Names of variables that it gets from fleetc's own environment.
    pub passed: Vec<String>,
    /// How long it may take.
    pub seconds: u32,
    /// The files it sees, by path.
    pub files: Vec<(TreePath, Arc<SourceFile>)>,
    /// The folder it is started in, among them.
    pub directory: TreePath,
}

/// The read side of the compiler's surroundings. Calls are cheap to repeat: the world caches, the core does not.
pub trait World: Sync {
    /// The tree that answers a source, or why it is not here. Same answer during one compile.
    fn tree(&self, source: &SourceRequest) -> Lookup;

    /// The names in a directory, sorted by bytes. Links to directories inside the tree are followed when they are part of `directory`.
    ///
    /// # Errors
    /// The directory does not exist, or is a link out of the tree.
    fn list(&self, directory: &FilePath) -> Checked<Arc<[Entry]>>;

    /// The bytes of a file. Links inside the tree are followed.
    ///
    /// # Errors
    /// The file does not exist, is larger than the limit, or is a link out of the tree.
    fn read(&self, file: &FilePath) -> Checked<Arc<SourceFile>>;

    /// What a program prints that fleet.yaml allows; its result is taken for what follows from its files and variables.
    ///
    /// # Errors
    /// It fails, or this world starts no programs.
    fn run(&self, program: &Program) -> Checked<Vec<u8>> {
        let name = program.command.first().map(String::as_str).unwrap_or_default();
        Err(Diagnostic::error("world/program", Span::NONE, format!("no program is started here, so not `{name}`"))
            .into())
    }

    /// What a path is; `None` when there is nothing. The root is always a directory. A world that can tell without listing the
    /// directory does so; that is the only reason to write this method.
    fn stat(&self, path: &FilePath) -> Option<EntryKind> {
        let Some(parent) = path.path.parent() else { return Some(EntryKind::Directory) };
        let entries = self.list(&FilePath::new(path.tree, parent)).ok()?;
        let at = entries.binary_search_by(|entry| entry.name.as_str().cmp(path.path.name())).ok()?;
        entries.get(at).map(|entry| entry.kind.clone())
    }

    /// Where is noted what was asked; `None` where nobody wants to know.
    fn reads(&self) -> Option<&Reads> {
        None
    }
}
