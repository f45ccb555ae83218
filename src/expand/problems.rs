//! The errors of one ApplicationSet: each told once, with the first row that has it and how many more there are.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::row::Row;
use crate::diag::{Diagnostic, Severity};
use crate::span::Span;

/// Marker of a failure that is already among the problems.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported;

/// What went wrong in a set.
#[derive(Default)]
pub(super) struct Problems {
    /// In the order they were found, each with the number of rows that have it.
    found: RefCell<Vec<(Diagnostic, usize)>>,
    /// Their places in `found`.
    known: RefCell<FxHashMap<(Severity, Span, String), usize>>,
}

impl Problems {
    /// Adds a problem without a row.
    pub(super) fn push(&self, found: Diagnostic) -> Reported {
        self.push_in(found, None)
    }

    /// Adds a problem that a row has. Of rows with the same problem the first is shown.
    pub(super) fn push_in(&self, found: Diagnostic, row: Option<&Row>) -> Reported {
        let key = (found.severity, found.span, found.message.clone());
        let mut all = self.found.borrow_mut();
        if let Some((_, count)) = self.known.borrow().get(&key).and_then(|at| all.get_mut(*at)) {
            *count += 1;
            return Reported;
        }
        self.known.borrow_mut().insert(key, all.len());
        let steps = row.into_iter().flat_map(|row| row.steps.iter().rev());
        let found = steps.fold(found, |found, step| {
            let colon = if step.element.is_empty() { "" } else { ": " };
            let what = format!("in the row of {}{colon}{}", step.kind, step.element);
            found.trace(step.element_span.or(step.span), what)
        });
        all.push((found, 1));
        Reported
    }

    /// Whether there is an error.
    pub(super) fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|(found, _)| found.is_error())
    }

    /// All problems, each with the set behind its rows.
    pub(super) fn finish(self, set: &str, span: Span) -> impl Iterator<Item = Diagnostic> {
        let set: Rc<str> = Rc::from(set);
        self.found.into_inner().into_iter().map(move |(found, count)| {
            let found = match count {
                1 => found,
                2 => found.trace(Span::NONE, "and in one more row"),
                count => found.trace(Span::NONE, format!("and in {} more rows", count - 1)),
            };
            found.trace(span, format!("in the ApplicationSet {set}"))
        })
    }
}
