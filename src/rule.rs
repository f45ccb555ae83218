//! What all judges of objects have in common: rules with what they count as, and suppressions with their reason.
//!
//! Which rules there are, and where they are applied, is known to those who do (`lint`, `danger`), not here.

use crate::yaml::Node;

/// What a finding counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Nothing: the rule is not applied.
    Off,
    /// Somebody should look.
    Warn,
    /// The fleet is not to be applied so.
    Error,
}

impl Level {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }

    /// Reads it.
    pub fn parse(word: &str) -> Option<Level> {
        [Level::Off, Level::Warn, Level::Error].into_iter().find(|level| level.word() == word)
    }
}

/// A rule.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// `family/name`: in findings, in fleet.yaml, in suppressions.
    pub id: &'static str,
    /// What it counts as where fleet.yaml says nothing.
    pub level: Level,
    /// What it finds, in half a sentence.
    pub summary: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// Whether a pattern means a rule: its id, its family as `family/*`, or `*`.
pub fn means_rule(pattern: &str, id: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => id.starts_with(start) && (start.is_empty() || start.ends_with('/')),
        None => pattern == id,
    }
}

/// The annotation in which an object says which findings are to be lived with, and the mark of comments that do.
pub const IGNORE: &str = "fleetc.dev/ignore";

/// One suppression.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Suppression {
    /// A rule or a family.
    pub what: String,
    /// Why; may be empty, which is a finding.
    pub reason: String,
}

impl Suppression {
    /// Reads `RULE: REASON`.
    pub fn parse(text: &str) -> Suppression {
        // Names of policies have no colon.
        let (what, reason) = text.split_once(':').unwrap_or((text, ""));
        Suppression { what: what.trim().to_owned(), reason: reason.trim().to_owned() }
    }

    /// Whether it is about a rule.
    pub fn means(&self, id: &str) -> bool {
        means_rule(&self.what, id)
    }

    /// Those in the annotation of an object.
    pub fn of_object(object: &Node) -> Vec<Suppression> {
        let annotation = object.at(&["metadata", "annotations"]).and_then(|all| all.get(IGNORE)?.as_str());
        let lines = annotation.unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(Suppression::parse).collect()
    }
}
