//! What fleet.yaml says about judging rendered objects: `lint`, what rules count as, and `policies`, rules of the fleet's own.
//!
//! Which rules there are, and what an expression means, is known to those who apply them, not here.

use crate::cluster::Cluster;
use crate::k8s::glob::Glob;
use crate::k8s::selector::Selector;
pub use crate::rule::Level;
use crate::rule::means_rule;
use crate::span::{Span, Spanned};

/// Rules by pattern, with what they count as.
pub type Levels = Vec<(Spanned<String>, Level)>;

/// `lint:` of fleet.yaml.
#[derive(Clone, Debug, Default)]
pub struct LintSettings {
    /// For the whole fleet.
    pub rules: Levels,
    /// For some of it; the last that fits counts.
    pub scopes: Vec<LintScope>,
    /// Labels that objects have to have (`danger/missing-label`).
    pub labels: Vec<WantedLabel>,
}

/// An entry of `lint.labels`.
#[derive(Clone, Debug)]
pub struct WantedLabel {
    /// The label.
    pub name: String,
    /// Of which kinds, `Kind` or `Kind.group`; none for all.
    pub kinds: Vec<Glob>,
    /// Values that it may have; none for any.
    pub values: Vec<String>,
}

/// An entry of `lint.scopes`.
#[derive(Clone, Debug)]
pub struct LintScope {
    /// Names of applications; none for all.
    pub applications: Vec<Glob>,
    /// Which clusters.
    pub clusters: ClusterChoice,
    /// What rules count as there.
    pub rules: Levels,
}

/// Clusters by name and labels.
#[derive(Clone, Debug, Default)]
pub struct ClusterChoice {
    /// Names; none for all.
    pub names: Vec<Glob>,
    /// Labels.
    pub selector: Selector,
}

impl ClusterChoice {
    /// Whether a cluster is meant.
    pub fn has(&self, cluster: &Cluster) -> bool {
        (self.names.is_empty() || self.names.iter().any(|glob| glob.matches(&cluster.name)))
            && self.selector.matches(|key| cluster.labels.get(key).map(|value| value.as_str().into()))
    }
}

/// An entry of `policies:` of fleet.yaml.
#[derive(Clone, Debug)]
pub struct PolicyRule {
    /// Its name.
    pub name: Spanned<String>,
    /// Kinds with their groups; none for all.
    pub kinds: Vec<Glob>,
    /// Which clusters.
    pub clusters: ClusterChoice,
    /// Names of applications; none for all.
    pub applications: Vec<Glob>,
    /// Namespaces; none for all.
    pub namespaces: Vec<Glob>,
    /// Names and expressions that must hold for it to be about an object.
    pub conditions: Vec<(String, Spanned<String>)>,
    /// Names and expressions.
    pub variables: Vec<(String, Spanned<String>)>,
    /// What must hold.
    pub validations: Vec<PolicyValidation>,
}

/// What must hold for an object.
#[derive(Clone, Debug)]
pub struct PolicyValidation {
    /// In CEL.
    pub expression: Spanned<String>,
    /// What is said otherwise.
    pub message: Option<String>,
    /// The same, in CEL.
    pub message_expression: Option<Spanned<String>>,
    /// What a violation counts as.
    pub level: Level,
}

/// What a list says about a rule: what names it exactly counts most, then its family, then `*`; of equals the last.
fn said(levels: &Levels, id: &str) -> Option<Level> {
    let fitting = levels.iter().filter(|(pattern, _)| means_rule(pattern, id));
    fitting.max_by_key(|(pattern, _)| (!pattern.ends_with('*'), pattern.len())).map(|(_, level)| *level)
}

impl LintSettings {
    /// What a rule counts as for an application on a cluster; without a cluster, for the fleet as a whole.
    pub fn level(&self, id: &str, default: Level, application: &str, cluster: Option<&Cluster>) -> Level {
        let mut level = said(&self.rules, id).unwrap_or(default);
        let Some(cluster) = cluster else { return level };
        for scope in &self.scopes {
            let named = |glob: &Glob| glob.matches(application);
            if (scope.applications.is_empty() || scope.applications.iter().any(named)) && scope.clusters.has(cluster) {
                level = said(&scope.rules, id).unwrap_or(level);
            }
        }
        level
    }

    /// Whether a rule is off somewhere.
    pub fn is_ever_off(&self, id: &str) -> bool {
        let off = |levels: &Levels| said(levels, id) == Some(Level::Off);
        off(&self.rules) || self.scopes.iter().any(|scope| off(&scope.rules))
    }

    /// All patterns that name rules.
    pub fn patterns(&self) -> impl Iterator<Item = (&str, Span)> {
        let all = self.rules.iter().chain(self.scopes.iter().flat_map(|scope| &scope.rules));
        all.map(|(pattern, _)| (pattern.value.as_str(), pattern.span))
    }
}
