//! What the last build left in the output folder, as a value: read by the host, judged here.
//!
//! A file is ours when a bundle.yaml lists it, or when an interrupted run said that it was going to write it ([`Journal`]). A bundle.yaml
//! with conflict markers of a merge counts twice, once for each side, so that what either side wrote stays known. Texts of bundle.yaml
//! are parsed only when somebody asks: a build that changes nothing parses none.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::index::{Entry, Index};
use crate::application::AppKey;
use crate::digest::Digest;
use crate::lock;

/// The output folder before this build. Paths are relative to it, with `/`.
#[derive(Debug, Default)]
pub struct Previous {
    /// By the folder of their cluster.
    pub bundles: BTreeMap<String, OldBundle>,
    /// What lies in the folders of clusters (folders that hold a bundle.yaml or `apps/`), whoever wrote it; directories are not listed.
    pub files: BTreeMap<String, OldFile>,
    /// What an interrupted run was about to do.
    pub journal: Journal,
    /// The text of bundles.lock, if there is one.
    pub bundles_lock: Option<Arc<str>>,
    /// The text of fleet.lock, if there is one.
    pub fleet_lock: Option<Arc<str>>,
    /// Texts of the files that [`held_files`](super::held_files) asks for.
    pub texts: BTreeMap<String, Arc<str>>,
}

/// Something that lies in the output folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldFile {
    /// A regular file with this content.
    File(Digest),
    /// A symbolic link, a device, a file too large to be a manifest or that cannot be read: never ours, never followed.
    Other,
}

/// A bundle.yaml as it lies there.
#[derive(Debug)]
pub struct OldBundle {
    /// Its text.
    pub text: Arc<str>,
    parsed: OnceLock<OldIndex>,
}

/// What a bundle.yaml says.
#[derive(Debug, Default)]
pub struct OldIndex {
    /// One, or both sides of a merge conflict; none where it cannot be read.
    pub sides: Vec<Index>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

impl OldBundle {
    /// A bundle.yaml by its text.
    pub fn new(text: Arc<str>) -> Self {
        OldBundle { text, parsed: OnceLock::new() }
    }

    /// What it says; parsed when first asked for.
    pub fn index(&self) -> &OldIndex {
        self.parsed.get_or_init(|| {
            let conflicted = lock::has_conflict_markers(&self.text);
            let sides =
                if conflicted { lock::conflict_sides(&self.text).to_vec() } else { vec![self.text.to_string()] };
            let mut old = OldIndex::default();
            for side in sides {
                match Index::parse(&side) {
                    Ok(index) => old.sides.push(index),
                    Err(problem) => old.problem = Some(problem),
                }
            }
            if conflicted && old.problem.is_none() {
                old.problem = Some("it holds conflict markers of a merge".to_owned());
            }
            old
        })
    }
}

impl OldIndex {
    /// What it says of an application.
    pub fn entry(&self, key: &AppKey) -> Option<&Entry> {
        self.entries().find(|entry| entry.key == *key)
    }

    /// All applications that it names; those of both sides after a merge conflict.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.sides.iter().flat_map(|side| &side.applications)
    }

    /// The files that it lists with the digests that were written, by path below the cluster's folder.
    pub fn files(&self) -> BTreeMap<&str, Vec<Digest>> {
        let mut files: BTreeMap<&str, Vec<Digest>> = BTreeMap::new();
        for (path, digest) in self.entries().flat_map(|entry| &entry.files) {
            files.entry(path).or_default().push(*digest);
        }
        files
    }
}

impl Previous {
    /// What lies at a path below the folder of a cluster.
    pub fn file(&self, directory: &str, path: &str) -> Option<OldFile> {
        self.files.get(&format!("{directory}/{path}")).copied()
    }

    /// Whether nothing of an earlier build is there but, at most, the locks.
    pub fn has_no_bundles(&self) -> bool {
        self.bundles.is_empty()
    }
}

/// What a run says before it touches the first file, so that one which is interrupted leaves nothing of its own unknown: files that
/// are or were ours, with the digests that we wrote or were about to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// By path below the output folder.
    pub ours: BTreeMap<String, Vec<Digest>>,
}

impl Journal {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.ours.is_empty()
    }

    /// One line a file and digest.
    pub fn to_text(&self) -> String {
        let mut out = String::from("# an interrupted run of fleetc left this; the next one reads and removes it\n");
        for (path, digests) in &self.ours {
            for digest in digests {
                out.push_str(&format!("{digest} {path}\n"));
            }
        }
        out
    }

    /// Reads what it can; a line that was cut off is left out.
    pub fn parse(text: &str) -> Self {
        let mut journal = Journal::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            if let Some((digest, path)) = line.split_once(' ')
                && let Some(digest) = Digest::parse(digest)
            {
                journal.ours.entry(path.to_owned()).or_default().push(digest);
            }
        }
        journal
    }
}
