//! What an apply did: per slice, in numbers and in words. Words of Secrets are never among them.

use crate::application::AppKey;
use crate::bundle::ObjectRef;

/// What became of the slices of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterOutcome {
    /// The cluster's name.
    pub cluster: String,
    /// Why nothing was done on it; empty where something could be.
    pub failed: String,
    /// Its slices, sorted by application.
    pub slices: Vec<SliceOutcome>,
}

/// What became of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceOutcome {
    /// The application.
    pub application: AppKey,
    /// In one word.
    pub result: SliceResult,
    /// Why it was skipped or held; empty otherwise.
    pub why: String,
    /// What failed: an object, where it is about one, and why.
    pub errors: Vec<(Option<ObjectRef>, String)>,
    /// What else there is to say, in the same form.
    pub notes: Vec<(Option<ObjectRef>, String)>,
    /// How many actions were decided but not carried out: budgets and guards.
    pub withheld: usize,
    /// What was done.
    pub counts: Counts,
}

impl SliceOutcome {
    /// One of which nothing was done, or not yet.
    pub fn new(application: &AppKey, result: SliceResult, why: String) -> SliceOutcome {
        SliceOutcome {
            application: application.clone(),
            result,
            why,
            errors: Vec::new(),
            notes: Vec::new(),
            withheld: 0,
            counts: Counts::default(),
        }
    }
}

/// What became of a slice, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SliceResult {
    /// It is as planned.
    Applied,
    /// There was nothing to do, and nothing was written.
    Unchanged,
    /// It was left alone: what was approved does not hold any more, a sync window, somebody else at work.
    Skipped,
    /// Its render failed, or a rollback holds it: nothing happens to it.
    Held,
    /// Something failed. What was done stands in the inventory.
    Failed,
}

/// Results with their names.
pub const RESULTS: [(SliceResult, &str); 5] = [
    (SliceResult::Applied, "applied"),
    (SliceResult::Unchanged, "unchanged"),
    (SliceResult::Skipped, "skipped"),
    (SliceResult::Held, "held"),
    (SliceResult::Failed, "failed"),
];

impl std::fmt::Display for SliceResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(RESULTS.iter().find(|row| row.0 == *self).map_or("", |row| row.1))
    }
}

/// What was done, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects that were made.
    pub created: usize,
    /// Objects that were changed, adopted ones among them.
    pub changed: usize,
    /// Objects that were deleted and made anew.
    pub replaced: usize,
    /// Objects that were deleted.
    pub deleted: usize,
    /// Objects that were let go and stay on the cluster.
    pub released: usize,
    /// Hooks that ran to their end.
    pub hooks: usize,
}

impl Counts {
    /// Adds others.
    pub fn add(&mut self, other: &Counts) {
        for (to, from) in [
            (&mut self.created, other.created),
            (&mut self.changed, other.changed),
            (&mut self.replaced, other.replaced),
            (&mut self.deleted, other.deleted),
            (&mut self.released, other.released),
            (&mut self.hooks, other.hooks),
        ] {
            *to += from;
        }
    }
}

/// `3 created, 1 deleted`; `nothing` for none.
impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [
            (self.created, "created"),
            (self.changed, "changed"),
            (self.replaced, "replaced"),
            (self.deleted, "deleted"),
            (self.released, "released"),
            (self.hooks, "hooks run"),
        ];
        let parts: Vec<String> =
            all.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}
