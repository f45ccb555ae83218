//! What fleet.yaml says of dangers (`lint` there), for the commands that show changes; and dangers as data.

use std::collections::BTreeMap;

use fleetc::bundle::cluster_name;
use fleetc::cluster::Cluster;
use fleetc::danger::{Danger, Dangers};
use fleetc::diag::{Diagnostic, Severity};
use fleetc::lint;
use fleetc::plan::ClusterPlan;
use fleetc::read::{Fleet, Level, LintSettings};
use serde_json::{Value, json};

/// What rules count as in a fleet.
#[derive(Default)]
pub(crate) struct Says {
    settings: LintSettings,
    /// By the names that bundles have; none where every cluster is the same to the settings.
    clusters: BTreeMap<String, Cluster>,
}

impl Says {
    /// What a fleet says.
    pub(crate) fn of(fleet: &Fleet) -> Says {
        let scoped = !fleet.lint.scopes.is_empty();
        let clusters = fleet.clusters.iter().filter(|_| scoped);
        let clusters = clusters.map(|cluster| (cluster_name(cluster, fleet), cluster.clone())).collect();
        Says { settings: fleet.lint.clone(), clusters }
    }

    /// What a rule counts as for an application on a cluster.
    pub(crate) fn level(&self, rule: &str, default: Level, application: &str, cluster: &str) -> Level {
        self.settings.level(rule, default, application, self.clusters.get(cluster))
    }

    /// Lets it be heard in plans.
    pub(crate) fn judge<'p>(&self, plans: impl Iterator<Item = &'p mut ClusterPlan>) {
        for plan in plans {
            for slice in &mut plan.slices {
                let application = &slice.key.application.name;
                let level = |rule: &str, default| self.level(rule, default, application, &plan.cluster);
                for action in slice.actions.iter_mut().filter(|action| action.dangers != Dangers::default()) {
                    action.dangers = action.dangers.judged(level);
                }
            }
        }
    }
}

/// Patterns of fleet.yaml that name no rule. `fleetc lint` refuses them; a change can be shown all the same.
pub(crate) fn unknown(fleet: &Fleet) -> impl Iterator<Item = Diagnostic> {
    let found = lint::unknown_rules(fleet).into_iter();
    found.map(|found| Diagnostic { severity: Severity::Warning, ..found })
}

/// Dangers as data.
pub(crate) fn data(list: &[Danger]) -> Vec<Value> {
    let one = |danger: &Danger| {
        json!({
            "rule": danger.rule.as_str(), "level": danger.level.word(), "path": danger.path, "message": danger.message,
            "reason": danger.reason,
        })
    };
    list.iter().map(one).collect()
}
