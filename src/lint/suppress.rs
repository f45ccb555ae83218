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
use crate::k8s::object::annotation;
use crate::read::means_rule;
use crate::span::{FileId, SourceFile, SourceMap, Span};
use crate::yaml::Node;

/// The annotation, and the mark in comments.
pub const IGNORE: &str = "fleetc.dev/ignore";

/// The rules about suppressions.
pub(super) static RULES: [Rule; 1] = [Rule {
    id: "lint/suppression",
    level: Warn,
    summary: "a suppression without a reason, of an unknown rule, or of nothing",
    why: "Nobody knows any more whether it is right, and the next finding of that kind is hidden by it.",
    fix: "write `RULE: REASON`, or remove it",
}];

/// One suppression.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Suppression {
    /// A rule, a family or a policy.
    pub(super) what: String,
    /// Why; may be empty, which is a finding.
    pub(super) reason: String,
}

impl Suppression {
    fn parse(text: &str) -> Suppression {
        // Names of policies have no colon and a blank behind it.
        let (what, reason) = text.split_once(':').unwrap_or((text, ""));
        Suppression { what: what.trim().to_owned(), reason: reason.trim().to_owned() }
    }

    pub(super) fn means(&self, rule: &Rule, policy: Option<&str>) -> bool {
        means_rule(&self.what, rule.id) || policy == Some(self.what.as_str())
    }

    /// What is wrong with it, whatever it suppresses.
    pub(super) fn problem(&self, policies: &BTreeSet<&str>) -> Option<(String, Option<String>)> {
        if self.what.is_empty() {
            return Some(("a suppression names no rule".to_owned(), None));
        }
        if !policies.contains(self.what.as_str()) && !rules::rules().any(|rule| means_rule(&self.what, rule.id)) {
            let known = rules::rules().map(|rule| rule.id).chain(policies.iter().copied());
            return Some((format!("there is no rule `{}` to suppress", self.what), did_you_mean(&self.what, known)));
        }
        if self.reason.is_empty() {
            let hint = format!("write why: `{}: REASON`", self.what);
            return Some((format!("the suppression of `{}` gives no reason", self.what), Some(hint)));
        }
        None
    }
}

/// The suppressions in an object's annotation, and where it is written.
pub(super) fn of_object(object: &Node) -> (Vec<Suppression>, Span) {
    let Some(text) = annotation(object, IGNORE) else { return (Vec::new(), Span::NONE) };
    let span = object.at(&["metadata", "annotations"]).and_then(|all| all.get(IGNORE)).map_or(Span::NONE, Node::span);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    (lines.map(Suppression::parse).collect(), span)
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
        let means = |at: &usize| file.comments.get(at).is_some_and(|comment| comment.suppression.means(rule, policy));
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
