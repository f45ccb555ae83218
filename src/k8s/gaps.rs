//! What of an object nobody knows before a server has made it: fields that the server sets, entries that others may add.
//!
//! Says where something is not known and why, never what it may be.

use std::collections::BTreeMap;

/// Why something is not known.
pub type Why = &'static str;

/// What is not known at a place and below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Nothing is known here: neither whether there is a value, nor which.
    pub whole: Option<Why>,
    /// A map here may have other entries than the known ones.
    pub others: Option<Why>,
    /// So may every map below; and a value that is empty may be none.
    pub deep: Option<Why>,
    below: BTreeMap<String, Gaps>,
}

impl Gaps {
    /// Whether all is known.
    pub fn is_empty(&self) -> bool {
        *self == Gaps::default()
    }

    /// What is not known at a step further: a field, or the number of an item.
    pub fn below(&self, step: &str) -> Option<&Gaps> {
        self.below.get(step)
    }

    /// The fields that nothing is known of.
    pub fn unknown(&self) -> impl Iterator<Item = (&str, Why)> {
        self.below.iter().filter_map(|(name, gaps)| Some((name.as_str(), gaps.whole?)))
    }

    /// The place at a path.
    pub fn at<S: AsRef<str>>(&mut self, path: impl IntoIterator<Item = S>) -> &mut Gaps {
        path.into_iter().fold(self, |gaps, step| gaps.below.entry(step.as_ref().to_owned()).or_default())
    }
}
