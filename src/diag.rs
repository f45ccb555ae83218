//! What went wrong, where, and what to do: one type for everything that a user can cause.
//!
//! Front phases return a value *and* diagnostics ([`Warned`]); leaf functions return [`Checked`]. Typed error enums exist only
//! where code branches on them. Rendering for people or as JSON is the business of `cli`. A message starts in lower case, has no full
//! stop, and never holds the value of a Secret.

use crate::span::{SourceMap, Span};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The result is not to be trusted, or there is none.
    Error,
    /// The result stands, somebody should look.
    Warning,
    /// Worth saying once.
    Note,
}

/// What kind of failure an error is; decides the exit code (design.md, "Exit codes").
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Cause {
    /// Wrong usage of the command: exit code 2.
    Usage,
    /// An error in the fleet: exit code 3.
    Fleet,
    /// A source could not be had: exit code 4.
    Source,
    /// A cluster cannot be reached, refused or failed: exit code 5.
    Cluster,
    /// The answer is no (stale, refused): exit code 1.
    Answer,
}

/// A finding about the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of failure, for the exit code.
    pub cause: Cause,
    /// Stable name of the rule, e.g. `read/unknown-field`.
    pub code: &'static str,
    /// What is wrong, one sentence.
    pub message: String,
    /// Where, if it has a place.
    pub span: Span,
    /// Further places with what is there (the other definition, the selector…).
    pub labels: Vec<(Span, String)>,
    /// How we got there, innermost first (chain of bases, generators…).
    pub trace: Vec<(Span, String)>,
    /// What to do.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// An error in the fleet.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            cause: Cause::Fleet,
            code,
            message: message.into(),
            span,
            labels: Vec::new(),
            trace: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// A note.
    pub fn note(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Note, ..Self::error(code, span, message) }
    }

    /// Sets what kind of failure this is.
    #[must_use]
    pub fn cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a further place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push((span, text.into()));
        self
    }

    /// Adds an outer step of how we got there.
    #[must_use]
    pub fn trace(mut self, span: Span, text: impl Into<String>) -> Self {
        self.trace.push((span, text.into()));
        self
    }

    /// Sets the place where it has none yet.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = self.span.or(span);
        self
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The findings of a step, in the order they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of another step.
    pub fn extend(&mut self, other: impl IntoIterator<Item = Diagnostic>) {
        self.0.extend(other);
    }

    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(Diagnostic::is_error)
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The findings.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// The value of a check, or `None` with its findings kept here.
    pub fn take<T>(&mut self, checked: Checked<T>) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(found) => {
                self.extend(found);
                None
            }
        }
    }

    /// Sorts by file name and place (ids of files depend on the order of reading, names do not) and drops repetitions.
    pub fn settle(&mut self, sources: &SourceMap) {
        self.0.sort_by_cached_key(|d| {
            let place = sources.get(d.span.file).map(|file| file.display.clone());
            // What has no place is about the run as a whole and comes last.
            (place.is_none(), place, d.span.start, d.severity, d.code, d.message.clone(), d.span.end)
        });
        self.0.dedup();
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Diagnostics(vec![one])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// What leaf functions return.
pub type Checked<T> = Result<T, Diagnostics>;

/// What front phases return: a value that is as good as it gets, and what is to be said about it.
#[derive(Clone, Debug)]
pub struct Warned<T> {
    /// The value.
    pub value: T,
    /// What is to be said about it.
    pub diagnostics: Diagnostics,
}

/// The candidates that `name` may have meant, best first: at most three, by edit distance.
///
/// For "did you mean" hints; returns nothing when nothing is near.
pub fn near_matches<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    let mut scored: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= limit
                || (name.len() >= 4 && (candidate.contains(name) || name.contains(candidate)) && candidate.len() >= 4)
        })
        .collect();
    scored.sort();
    scored.dedup();
    scored.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

/// A hint such as ``did you mean `a` or `b`?``; `None` when nothing is near.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near: Vec<String> = near_matches(name, candidates).into_iter().map(|c| format!("`{c}`")).collect();
    match near.len() {
        0 => None,
        _ => Some(format!("did you mean {}?", near.join(" or "))),
    }
}

/// Edits (insert, delete, replace, swap of neighbours) between two names, without regard to case.
fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().take(128).collect();
    let b: Vec<char> = b.to_lowercase().chars().take(128).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (above[j + 1] + 1).min(row[j] + 1).min(above[j] + usize::from(x != y));
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::near_matches;

    #[test]
    fn near_names() {
        let fields = ["generators", "template", "goTemplate", "syncPolicy"];
        assert_eq!(near_matches("generator", fields), ["generators"]);
        assert_eq!(near_matches("gotemplate", fields)[0], "goTemplate");
        assert_eq!(near_matches("xyz", fields), Vec::<&str>::new());
    }
}
