//! `rollout` of fleet.yaml: which applications go over which clusters in which order.
//!
//! Here rules are compared with the clusters that there are: a name that no cluster has is an error, and so is a cluster in two waves of
//! one rule; a wave that nobody is in is a warning. The clusters that no wave names are the last one.

use std::borrow::Cow;

use super::Amount;
use crate::api::Millis;
use crate::cluster::Cluster;
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::k8s::glob::Glob;
use crate::k8s::selector::Selector;
use crate::span::{Span, Spanned};

/// An entry of `rollout`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// For people; unique.
    pub name: String,
    /// Which applications, by name; all where empty.
    pub applications: Vec<Glob>,
    /// Which projects; all where empty.
    pub projects: Vec<Glob>,
    /// How many clusters may fail in all waves together.
    pub failures: Option<Amount>,
    /// How long the work on a cluster may take.
    pub timeout: Option<Millis>,
    /// The waves; the last is the rest.
    pub waves: Vec<WaveRule>,
    /// Where it is written.
    pub span: Span,
}

/// An entry of its `waves`.
#[derive(Clone, Debug)]
pub struct WaveRule {
    /// For people; empty where it has none.
    pub name: String,
    /// Globs of names of clusters.
    pub clusters: Vec<Spanned<Glob>>,
    /// Labels of clusters: those that match are in the wave, too.
    pub selector: Option<Selector>,
    /// Whether it is of those who are in no other.
    pub rest: bool,
    /// How many clusters at once.
    pub at_once: Option<Amount>,
    /// How many may fail.
    pub failures: Option<Amount>,
    /// How long they must have been well before the next wave.
    pub soak: Millis,
    /// Whether the next wave waits for somebody to agree.
    pub pause: bool,
    /// Whether health is waited for.
    pub health: bool,
    /// Where it is written.
    pub span: Span,
}

impl Rule {
    /// The wave of a cluster.
    pub fn wave_of(&self, name: &str, cluster: &Cluster) -> usize {
        let named = self.waves.iter().position(|wave| wave.names(name, cluster));
        named.unwrap_or(self.waves.len().saturating_sub(1))
    }

    /// Whether it is about all applications, so that no later rule is about any.
    fn is_about_all(&self) -> bool {
        let all = |globs: &[Glob]| globs.is_empty() || globs.iter().any(|glob| matches!(glob.pattern(), "*" | "**"));
        all(&self.applications) && all(&self.projects)
    }
}

impl WaveRule {
    fn names(&self, name: &str, cluster: &Cluster) -> bool {
        self.clusters.iter().any(|glob| is_called(glob, name, cluster))
            || self.selector.as_ref().is_some_and(|selector| has(selector, cluster))
    }
}

fn is_called(glob: &Glob, name: &str, cluster: &Cluster) -> bool {
    glob.matches(name) || glob.matches(&cluster.name)
}

fn has(selector: &Selector, cluster: &Cluster) -> bool {
    selector.matches(|key| cluster.labels.get(key).map(|value| Cow::Borrowed(value.as_str())))
}

/// What is wrong with rules, now that the clusters are known.
pub fn check(rules: &[Rule], clusters: &[Cluster]) -> Diagnostics {
    let mut found = Diagnostics::new();
    let full = |cluster: &Cluster| match cluster.instance.as_str() {
        "" => cluster.name.clone(),
        instance => format!("{instance}/{}", cluster.name),
    };
    let mut all: Option<&Rule> = None;
    for rule in rules {
        if let Some(earlier) = all {
            let message = format!("the rollout `{}` is about no application", rule.name);
            let error = Diagnostic::warning("rollout/shadowed", rule.span, message);
            found.push(error.label(earlier.span, "this one, above it, is about all"));
        }
        all = all.or(Some(rule).filter(|rule| rule.is_about_all()));
        for wave in &rule.waves {
            for glob in &wave.clusters {
                if clusters.iter().any(|cluster| is_called(glob, &full(cluster), cluster)) {
                    continue;
                }
                let message = format!("no cluster of the fleet is called `{}`", glob.pattern());
                let mut error = Diagnostic::error("rollout/cluster", glob.span, message);
                error.hints.extend(did_you_mean(glob.pattern(), clusters.iter().map(|cluster| cluster.name.as_str())));
                found.push(error);
            }
            let by_label = |selector: &Selector| clusters.iter().any(|cluster| has(selector, cluster));
            if wave.clusters.is_empty() && wave.selector.as_ref().is_some_and(|selector| !by_label(selector)) {
                let message = "no cluster has the labels of this wave, so nothing happens in it";
                found.push(Diagnostic::warning("rollout/empty", wave.span, message));
            }
        }
        overlaps(rule, clusters, &full, &mut found);
    }
    found
}

/// Clusters in two waves, all of one pair of waves together.
fn overlaps(rule: &Rule, clusters: &[Cluster], full: &dyn Fn(&Cluster) -> String, found: &mut Diagnostics) {
    let mut pairs: Vec<((usize, usize), Vec<String>)> = Vec::new();
    for cluster in clusters {
        let name = full(cluster);
        let places: Vec<usize> =
            rule.waves.iter().enumerate().filter(|(_, wave)| wave.names(&name, cluster)).map(|(at, _)| at).collect();
        if let [first, second, ..] = *places {
            match pairs.iter_mut().find(|pair| pair.0 == (first, second)) {
                Some(pair) => pair.1.push(name),
                None => pairs.push(((first, second), vec![name])),
            }
        }
    }
    for ((first, second), names) in pairs {
        let (Some(one), Some(other)) = (rule.waves.get(first), rule.waves.get(second)) else { continue };
        let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
        let more = if names.len() > 3 { format!(" and {} more", names.len() - 3) } else { String::new() };
        let (word, verb) = if names.len() == 1 { ("cluster", "is") } else { ("clusters", "are") };
        let message =
            format!("the {word} {}{more} {verb} in two waves, {} and {}", shown.join(", "), first + 1, second + 1);
        let error = Diagnostic::error("rollout/overlap", other.span, message).label(one.span, "the other wave");
        found.push(error.hint("a wave without `clusters` and `selector`, at the end, has those that no other one has"));
    }
}
