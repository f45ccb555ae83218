//! Fetched sources as trees of a world: each opened once, equal ones as one tree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::super::tree;
use super::sources::{Missing, Report, Sources, content_key, label};
use crate::path::TreeId;
use crate::source::SourceRequest;
use crate::world::Tree;

/// How many times sources may lead to other sources.
const MAX_ROUNDS: usize = 32;

/// Works, fetches what is wanted, and works again, until nothing is fetched any more; and whether it came to that.
pub(in crate::host) fn settle<T>(
    mut work: impl FnMut() -> (T, BTreeSet<SourceRequest>),
    fetch: impl Fn(&BTreeSet<SourceRequest>) -> usize,
) -> (T, bool) {
    for _ in 1..MAX_ROUNDS {
        let (result, wants) = work();
        if wants.is_empty() || fetch(&wants) == 0 {
            return (result, true);
        }
    }
    let (result, wants) = work();
    (result, wants.is_empty())
}

/// The fetched sources of a world.
pub(in crate::host) struct Remote {
    pub(in crate::host) sources: Arc<Sources>,
    trees: Mutex<BTreeMap<String, TreeId>>,
}

impl Remote {
    pub(in crate::host) fn new(sources: Arc<Sources>) -> Self {
        Remote { sources, trees: Mutex::default() }
    }

    /// Fetches those of the sources that may be fetched; how many these were.
    pub(in crate::host) fn fetch<'r>(
        &self,
        wanted: impl Iterator<Item = &'r SourceRequest>,
        report: Report<'_>,
    ) -> usize {
        let wanted: Vec<SourceRequest> = wanted.filter(|request| self.sources.may_fetch(request)).cloned().collect();
        self.sources.fetch(&wanted, report);
        wanted.len()
    }

    /// The tree of a source; a new one is given to `add`, with what goes before its paths in names for people.
    pub(in crate::host) fn tree(
        &self,
        request: &SourceRequest,
        add: impl FnOnce(Box<dyn tree::Store>, String) -> TreeId,
    ) -> Result<Tree, Missing> {
        let (pin, files) = self.sources.open(request)?;
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        let id = *trees.entry(content_key(request, &pin)).or_insert_with(|| add(files, label(request, &pin)));
        Ok(Tree { id, commit: pin.resolved, working: false, digest: pin.digest })
    }
}
