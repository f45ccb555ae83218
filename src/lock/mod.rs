//! What went in and what came out, as text: `fleet.lock` (the pins) and `bundles/bundles.lock` (digests of inputs and outputs).
//!
//! Call sequence of the composition:
//!
//! 1. before resolving: [`FleetLock::parse`] of `fleet.lock`. [`State::Conflicted`] is a lock with merge conflict markers: `build`
//!    goes on as if there were none and writes it anew, `check` says stale. A newer major format is an error in both.
//! 2. after resolving: a [`FleetLock`] of the engines and of every [`Pin`] that was used (revisions other than the working tree);
//!    [`FleetLock::to_text`] is the file. The working tree is never pinned: a lock that names the commit it lies in is always stale.
//! 3. after bundling: [`BundlesLock::new`] with the digest of that text, [`inputs_digest`] over the files read from the working tree, and
//!    the digest of every bundle.yaml. Both texts go to [`bundle::output`](crate::bundle::output) as files like any other.
//! 4. [`drift`] compares two bundles.locks; `check` uses it where the bundles themselves are not committed.
//!
//! Both files are YAML of one line a pin or cluster, sorted, so that merges rarely conflict; same content, same bytes. A field that a
//! newer minor format added is ignored. Nothing here reads or writes files, and no bundle is opened: locks know digests only.

mod bundles_lock;
mod fleet_lock;
mod text;

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::path::TreePath;

pub use bundles_lock::{BundlesLock, Drift, drift};
pub use fleet_lock::{Answers, FleetLock, Pin};
pub use text::{Version, conflict_sides, has_conflict_markers, one_line};

/// Engine names to versions, e.g. `argocd` to `3.5`.
pub type EngineVersions = BTreeMap<String, String>;

/// What a lock file that was looked for turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State<T> {
    /// There is none.
    Absent,
    /// It holds conflict markers of a merge.
    Conflicted,
    /// It is there.
    Here(T),
}

impl<T> State<T> {
    /// The lock, where it is there.
    pub fn here(&self) -> Option<&T> {
        match self {
            State::Here(lock) => Some(lock),
            _ => None,
        }
    }
}

/// The digest over the fleet's own files that went in: path and content of each, in the order of their paths.
///
/// Callers give every file that was read from the working tree, except `fleet.lock`, which has a digest of its own. The order
/// of the argument and repetitions do not count.
pub fn inputs_digest<'a>(files: impl IntoIterator<Item = (&'a TreePath, Digest)>) -> Digest {
    let sorted: BTreeMap<&TreePath, Digest> = files.into_iter().collect();
    let lines: Vec<String> = sorted.iter().map(|(path, digest)| format!("{} {digest}", path.as_str())).collect();
    Digest::of_parts(lines.iter().map(String::as_bytes))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests read their files")]
mod tests;
