//! Findings that hold for many applications, said once: the finding, one of them, and how many more.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::diag::{Diagnostic, Diagnostics};

/// Findings with what they hold for.
#[derive(Default)]
pub(super) struct Tally {
    found: IndexMap<Diagnostic, BTreeSet<String>>,
}

impl Tally {
    /// Adds a finding about something, e.g. ``application `web` ``.
    pub(super) fn add(&mut self, finding: Diagnostic, about: String) {
        self.found.entry(finding).or_default().insert(about);
    }

    /// Adds all of another.
    pub(super) fn extend(&mut self, other: Tally) {
        for (finding, about) in other.found {
            self.found.entry(finding).or_default().extend(about);
        }
    }

    /// Says each finding once, in the order in which they came.
    pub(super) fn report(self, out: &mut Diagnostics) {
        for (mut finding, about) in self.found {
            if let Some(first) = about.first() {
                let more = if about.len() > 1 { format!(" and {} more", about.len() - 1) } else { String::new() };
                finding.message = format!("{} ({first}{more})", finding.message);
            }
            out.push(finding);
        }
    }
}
