//! In which waves a plan goes: rules of fleet.yaml and steps of ApplicationSets, put together with what the plans of the clusters say.
//!
//! What has nothing to do with a rollout here is a slice that is withheld: it is not carried out, and nobody waits for it.

use std::collections::BTreeSet;

use super::action::{ClusterPlan, SlicePlan, Status, Verb};
use super::input::{ClusterInput, Filter};
use crate::application::AppKey;
use crate::rollout::{Fact, Place, Rollout, Rule, Standing, Step, assign};

/// What is known of the whole fleet, not of a cluster.
pub struct Fleetwide<'a> {
    /// `rollout` of fleet.yaml.
    pub rules: &'a [Rule],
    /// The wave of a cluster by the rule of an index.
    pub wave_of: &'a dyn Fn(usize, &str) -> usize,
    /// The ApplicationSets that there are: one whose applications leave for good is not among them.
    pub sets: &'a BTreeSet<String>,
}

impl std::fmt::Debug for Fleetwide<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleetwide").field("rules", &self.rules.len()).field("sets", &self.sets).finish_non_exhaustive()
    }
}

/// The waves of a run.
pub fn waves(fleet: &Fleetwide<'_>, planned: &[(&ClusterInput, &ClusterPlan)]) -> Rollout {
    let filters: Vec<Filter> = fleet
        .rules
        .iter()
        .map(|rule| Filter { applications: rule.applications.clone(), projects: rule.projects.clone() })
        .collect();
    let mut facts = Vec::new();
    for (input, plan) in planned {
        let made = |application: &AppKey, project: &str, standing, step: Option<(String, Step)>, leaves| {
            let rule = filters.iter().position(|filter| filter.lets(application, project));
            // Applications that no set made may be one thing under a name for each cluster: nobody can tell, so they wait for each other.
            let kin = step.as_ref().map_or_else(String::new, |(set, _)| set.clone());
            let set = input.slices.iter().find(|slice| slice.key.application == *application).map(|slice| &slice.set);
            Fact {
                place: Place { cluster: plan.cluster.clone(), application: application.clone() },
                standing,
                kin: set.filter(|set| !set.is_empty()).cloned().unwrap_or(kin),
                wave: rule.map(|rule| (rule, (fleet.wave_of)(rule, &plan.cluster))),
                step,
                leaves,
            }
        };
        if let Some(why) = &plan.failed {
            for slice in &input.slices {
                let step = slice.step.clone().map(|step| (slice.set.clone(), step));
                let standing = Standing::Lost(why.clone());
                facts.push(made(&slice.key.application, &slice.project, standing, step, false));
            }
            continue;
        }
        for slice in plan.slices.iter().filter(|slice| slice.withheld.is_none()) {
            let desired = input.slices.iter().find(|desired| desired.key == slice.key);
            let step = match desired {
                Some(desired) => desired.step.clone().map(|step| (desired.set.clone(), step)),
                None => slice.record.leaving.clone().filter(|(set, _)| slice.removal && !fleet.sets.contains(set)),
            };
            facts.push(made(&slice.key.application, &slice.project, standing(slice), step, slice.removal));
        }
    }
    assign(fleet.rules, &facts)
}

fn standing(slice: &SlicePlan) -> Standing {
    match &slice.status {
        Status::Ready if slice.has_work() => Standing::Work,
        Status::Ready => Standing::Same,
        Status::Held(why) | Status::Refused(why) | Status::Failed(why) => {
            Standing::Lost(format!("{}: {why}", slice.key.application))
        }
        Status::Blocked => {
            let refused = slice.actions.iter().find(|action| action.verb == Verb::Refuse);
            let why = refused.map_or_else(String::new, |action| format!(": {}: {}", action.object, action.why));
            Standing::Lost(format!("{} cannot be applied{why}", slice.key.application))
        }
    }
}
