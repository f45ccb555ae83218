//! What the interpreter refuses, as findings with a place: the innermost that lies in a file, and how the evaluation came there.
//!
//! Analysis finds all that is wrong with the names of a program, and each is said; an evaluation ends at its first error.

use std::collections::{BTreeMap, BTreeSet};

use jrsonnet_evaluator::error::ErrorKind;
use jrsonnet_evaluator::{Error, SourceVirtual, Span as Place};
use jrsonnet_ir::SourceFile as Imported;

use crate::diag::{Diagnostic, Diagnostics};
use crate::span::{FileId, Span};

/// Steps of how we got there that are said: deep recursion has thousands.
const STEPS: usize = 5;

/// Where files and programs from outside lie.
#[derive(Clone, Default)]
pub(super) struct Places {
    files: BTreeMap<String, FileId>,
    code: BTreeMap<String, Span>,
    programs: BTreeSet<String>,
}

impl Places {
    pub(super) fn add_file(&mut self, path: &str, id: FileId) {
        self.files.insert(path.to_owned(), id);
    }

    pub(super) fn add_code(&mut self, name: &str, span: Span) {
        self.code.insert(name.to_owned(), span);
    }

    pub(super) fn file(&self, path: &str) -> Option<FileId> {
        self.files.get(path).copied()
    }

    /// Whether a program is met for the first time.
    pub(super) fn first_time(&mut self, path: &str) -> bool {
        self.programs.insert(path.to_owned())
    }

    /// A place of the interpreter, where it lies in a file that the user has.
    pub(super) fn span(&self, place: &Place) -> Option<Span> {
        let source = place.0.source_path();
        if let Some(file) = source.downcast_ref::<Imported>() {
            let id = self.file(&file.path().to_string_lossy())?;
            return Some(Span::new(id, place.1 as usize, place.2 as usize));
        }
        let code = source.downcast_ref::<SourceVirtual>()?;
        self.code.get(code.0.as_str()).copied()
    }
}

/// The findings of an error; `file` is the place where it has none.
pub(super) fn diagnostics(error: &Error, places: &Places, file: Span) -> Diagnostics {
    let steps: Vec<(Span, &str)> = error
        .trace()
        .0
        .iter()
        .filter_map(|step| Some((places.span(step.location.as_ref()?)?, step.desc.as_str())))
        .collect();
    if let ErrorKind::StaticAnalysisError(found) = error.error() {
        let one = |found: &jrsonnet_evaluator::analyze::Diagnostic| {
            let span = found.span.as_ref().and_then(|place| places.span(place));
            worded("jsonnet/analysis", span.unwrap_or(file), &found.message)
        };
        let errors = found.iter().filter(|one| one.level == jrsonnet_evaluator::analyze::DiagLevel::Error);
        return Diagnostics(errors.map(one).collect());
    }
    let (code, place, message) = match error.error() {
        ErrorKind::ImportSyntaxError { error, .. } => {
            ("jsonnet/syntax", places.span(&error.location), error.message.clone())
        }
        ErrorKind::RuntimeError(message) => ("jsonnet/evaluation", None, message.to_string()),
        ErrorKind::StackOverflow => (
            "jsonnet/evaluation",
            None,
            "too many calls wait for each other: the recursion has no end, or is too deep".to_owned(),
        ),
        other => ("jsonnet/evaluation", None, other.to_string()),
    };
    let mut steps = steps.into_iter();
    let span = place.or_else(|| steps.next().map(|(span, _)| span)).unwrap_or(file);
    let mut found = worded(code, span, &message);
    let mut before = span;
    for (span, text) in steps.take(STEPS) {
        if span != before && !text.is_empty() {
            found = found.trace(span, text);
        }
        before = span;
    }
    found.into()
}

/// The first line is the message, what comes below is what to do about it.
fn worded(code: &'static str, span: Span, text: &str) -> Diagnostic {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut found = Diagnostic::error(code, span, lines.next().unwrap_or("an error without words"));
    for line in lines {
        found = found.hint(line);
    }
    found
}
