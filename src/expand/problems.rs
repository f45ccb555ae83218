//! The errors of one ApplicationSet: each told once, with the first row that has it and how many more there are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::row::Row;
use crate::diag::{Diagnostic, Severity};
use crate::span::Span;

/// Marker of a failure that is already among the problems.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported;

/// What went wrong in a set.
#[derive(Default)]
pub(super) struct Problems {
    found: RefCell<Vec<(Diagnostic, usize)>>,
    known: RefCell<BTreeMap<(Severity, u32, u32, String), usize>>,
}

impl Problems {
    /// Adds a problem without a row.
    pub(super) fn push(&self, found: Diagnostic) -> Reported {
        self.add(found.message.clone(), || found);
        Reported
    }

    /// Adds a problem that a row has.
    pub(super) fn push_in(&self, mut found: Diagnostic, row: Option<&Row>) -> Reported {
        let key = found.message.clone();
        self.add_at(key, &found.clone(), || {
            for step in row.into_iter().flat_map(|row| row.steps.iter().rev()) {
                let what = if step.element.is_empty() {
                    step.kind.to_owned()
                } else {
                    format!("{}: {}", step.kind, step.element)
                };
                found = std::mem::replace(&mut found, Diagnostic::note("", Span::NONE, ""))
                    .trace(step.element_span.or(step.span), format!("in the row of {what}"));
            }
            found
        });
        Reported
    }

    fn add(&self, key: String, make: impl FnOnce() -> Diagnostic) {
        let found = make();
        self.add_at(key, &found.clone(), || found);
    }

    fn add_at(&self, key: String, like: &Diagnostic, make: impl FnOnce() -> Diagnostic) {
        let key = (like.severity, like.span.start, like.span.end, key);
        let mut found = self.found.borrow_mut();
        let at = *self.known.borrow_mut().entry(key).or_insert_with(|| {
            found.push((make(), 0));
            found.len() - 1
        });
        if let Some((_, count)) = found.get_mut(at) {
            *count += 1;
        }
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
                0 | 1 => found,
                2 => found.trace(Span::NONE, "and in one more row"),
                count => found.trace(Span::NONE, format!("and in {} more rows", count - 1)),
            };
            found.trace(span, format!("in the ApplicationSet {set}"))
        })
    }
}
