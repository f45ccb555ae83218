//! Findings that somebody decided to live with, and said why: in an annotation of the object,
//!
//! ```yaml
//! metadata:
//!   annotations:
//!     fleetc.dev/ignore: "schema/unknown-field: the operator reads it"
//! ```
//!
//! (several on a line each), or in a comment at the end of the line of the finding or directly above it: `# fleetc.dev/ignore: RULE: REASON`.
//! RULE is the id of a rule, the name of a policy, or `family/*`. What is suppressed is counted; a suppression without a reason, of a rule
//! that there is not, or of nothing, is a finding itself.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::Level::Warn;
use super::rules::{self, Rule};
use crate::diag::did_you_mean;
pub use crate::rule::IGNORE;
use crate::rule::Suppression;
use crate::span::{FileId, SourceFile, SourceMap, Span};
use crate::yaml::Node;

/// The rules about suppressions.
pub(super) static RULES: [Rule; 1] = [Rule {
    id: "lint/suppression",
    level: Warn,
    summary: "a suppression without a reason, of an unknown rule, or of nothing",
    why: "Nobody knows any more whether it is right, and the next finding of that kind is hidden by it.",
    fix: "write `RULE: REASON`, or remove it",
}];

/// Whether it is about a rule, or names the policy that found something.
pub(super) fn means(of: &Suppression, rule: &Rule, policy: Option<&str>) -> bool {
    of.means(rule.id) || policy == Some(of.what.as_str())
}

/// What is wrong with a suppression, whatever it suppresses.
pub(super) fn problem(of: &Suppression, policies: &BTreeSet<&str>) -> Option<(String, Option<String>)> {
    if of.what.is_empty() {
        return Some(("a suppression names no rule".to_owned(), None));
    }
    if !policies.contains(of.what.as_str()) && !rules::rules().any(|rule| of.means(rule.id)) {
        let known = rules::rules().map(|rule| rule.id).chain(policies.iter().copied());
        return Some((format!("there is no rule `{}` to suppress", of.what), did_you_mean(&of.what, known)));
    }
    if of.reason.is_empty() {
        let hint = format!("write why: `{}: REASON`", of.what);
        return Some((format!("the suppression of `{}` gives no reason", of.what), Some(hint)));
    }
    None
}

/// The suppressions in an object's annotation, and where it is written.
pub(super) fn of_object(object: &Node) -> (Vec<Suppression>, Span) {
    let annotation = object.at(&["metadata", "annotations"]).and_then(|all| all.get(IGNORE));
    (Suppression::of_object(object), annotation.map_or(Span::NONE, Node::span))
}

/// The comments of all files that were read.
#[derive(Default)]
pub(super) struct Comments {
    files: FxHashMap<FileId, Lines>,
}

/// A file that has such comments.
struct Lines {
    name: String,
    /// Where each line begins.
    starts: Vec<usize>,
    /// By line.
    comments: BTreeMap<usize, Comment>,
}

struct Comment {
    /// Whether nothing else is on its line.
    alone: bool,
    suppression: Suppression,
    span: Span,
    used: bool,
}

impl Comments {
    pub(super) fn of(sources: &SourceMap) -> Comments {
        let found = sources.files().into_iter().filter_map(|file| Some((file.id, Lines::of(&file)?)));
        Comments { files: found.collect() }
    }

    /// The suppression of a finding at a place, which counts as used then: on its line, or on lines above that hold nothing else.
    pub(super) fn suppresses(&mut self, span: Span, rule: &Rule, policy: Option<&str>) -> Option<Suppression> {
        let file = self.files.get_mut(&span.file)?;
        let line = file.starts.partition_point(|start| *start <= span.start as usize).checked_sub(1)?;
        let above = (0..line).rev().take_while(|at| file.comments.get(at).is_some_and(|comment| comment.alone));
        let means = |at: &usize| file.comments.get(at).is_some_and(|comment| means(&comment.suppression, rule, policy));
        let place = std::iter::once(line).chain(above).find(means)?;
        let comment = file.comments.get_mut(&place)?;
        comment.used = true;
        Some(comment.suppression.clone())
    }

    /// All of them, each with whether it was used; by name of file and line.
    pub(super) fn all(&self) -> Vec<(&Suppression, Span, bool)> {
        let mut files: Vec<&Lines> = self.files.values().collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let comments = files.into_iter().flat_map(|file| file.comments.values());
        comments.map(|comment| (&comment.suppression, comment.span, comment.used)).collect()
    }
}

impl Lines {
    fn of(file: &SourceFile) -> Option<Lines> {
        let text = std::str::from_utf8(&file.bytes).ok().filter(|text| text.contains(IGNORE))?;
        let mut lines = Lines { name: file.display.clone(), starts: Vec::new(), comments: BTreeMap::new() };
        let mut start = 0;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            lines.starts.push(start);
            if let Some((before, rest)) = line.split_once(IGNORE)
                && before.trim_end().ends_with('#')
            {
                let suppression = Suppression::parse(rest.trim_start_matches(':').trim());
                let span = Span::new(file.id, start + before.len(), start + line.trim_end().len());
                let alone = before.trim().trim_matches('#').is_empty();
                lines.comments.insert(number, Comment { alone, suppression, span, used: false });
            }
            start += line.len();
        }
        (!lines.comments.is_empty()).then_some(lines)
    }
}
