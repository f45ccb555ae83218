//! `environments` of fleet.yaml: the stages that changes go through, each a choice of clusters and applications.
//!
//! Without the field, the values of a label of the clusters are the environments: the first of a short list of names that a cluster has.

use std::collections::BTreeMap;

use super::judged::ClusterChoice;
use crate::cluster::Cluster;
use crate::k8s::glob::Glob;
use crate::k8s::selector::Selector;
use crate::span::{Span, Spanned};

/// An entry of `environments`, or what a label says.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Its name.
    pub name: Spanned<String>,
    /// Which clusters.
    pub clusters: ClusterChoice,
    /// Which applications, by name; all where empty.
    pub applications: Vec<Glob>,
    /// From which environments a promotion may come; any where empty.
    pub from: Vec<Spanned<String>>,
    /// How long the other environment must have had what comes, in milliseconds.
    pub soak: u64,
    /// Where it is written; nowhere for one of a label.
    pub span: Span,
}

impl Environment {
    /// Whether an application on a cluster is in it.
    pub fn has(&self, application: &str, cluster: &Cluster) -> bool {
        self.clusters.has(cluster)
            && (self.applications.is_empty() || self.applications.iter().any(|glob| glob.matches(application)))
    }
}

/// Labels whose values are environments where fleet.yaml names none, best first.
const LABELS: [&str; 4] = ["environment", "env", "stage", "tier"];

/// The environments of a fleet: those of fleet.yaml, else the values of a label.
pub fn environments(declared: &[Environment], clusters: &[Cluster]) -> Vec<Environment> {
    if !declared.is_empty() {
        return declared.to_vec();
    }
    let has = |label: &&&str| clusters.iter().any(|cluster| cluster.labels.contains_key(**label));
    let Some(label) = LABELS.iter().find(has) else { return Vec::new() };
    let mut found: BTreeMap<&str, Environment> = BTreeMap::new();
    for value in clusters.iter().filter_map(|cluster| cluster.labels.get(*label)) {
        let Ok(selector) = Selector::parse(&format!("{label}={value}")) else { continue };
        found.entry(value).or_insert_with(|| Environment {
            name: Spanned::detached(value.clone()),
            clusters: ClusterChoice { names: Vec::new(), selector },
            applications: Vec::new(),
            from: Vec::new(),
            soak: 0,
            span: Span::NONE,
        });
    }
    found.into_values().collect()
}
