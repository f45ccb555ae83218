//! Budgets: how much may be deleted on a cluster and in a run, and how many applications may leave.
//!
//! What exceeds a budget is withheld as a whole, not up to the limit: which of the deletions were meant, nobody knows. The decision itself stays
//! in the plan and in its digest, so that it can be carried out unchanged when somebody allows it. What an application that leaves has is
//! bounded by the budget of removals, not by those of deletions.

use std::collections::{BTreeMap, BTreeSet};

use super::action::{ClusterPlan, SlicePlan, Status, Verb};
use crate::application::AppKey;

/// Budgets of a run; `None` for the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `--max-deletes`.
    pub deletes: Option<usize>,
    /// `--max-removals`.
    pub removals: Option<usize>,
}

/// Deletions of a run where nothing else is said.
pub const RUN_DELETES: usize = 200;

/// Deletions on a cluster where nothing else is said: the larger of 10 and 20 % of what the fleet owns there, at most 100.
pub fn cluster_deletes(owned: usize) -> usize {
    (owned / 5).clamp(10, 100)
}

/// Withholds what exceeds the budget of a cluster, and every deletion there after a failure of the connection.
pub(super) fn cluster(plan: &mut ClusterPlan, most: Option<usize>) {
    if plan.slices.iter().any(|slice| matches!(slice.status, Status::Failed(_))) {
        let why = "nothing is deleted on a cluster that failed to answer";
        if withhold(plan, why, |_| true) {
            plan.refusals.push(format!("deletions are withheld: {why}"));
        }
        return;
    }
    let most = most.unwrap_or_else(|| cluster_deletes(plan.owned));
    let asked: usize = plan.slices.iter().filter(|slice| is_counted(slice)).map(SlicePlan::counted_deletions).sum();
    if asked > most {
        let why = format!("{asked} deletions on this cluster are more than the {most} that are allowed");
        withhold(plan, &why, is_counted);
        plan.refusals.push(format!("{why}: `--max-deletes {asked}` allows them"));
    }
}

/// Withholds what exceeds the budgets of a run, and says where two names of the fleet lead to one cluster.
pub fn run(plans: &mut [ClusterPlan], limits: Limits) {
    note_names(plans);
    let counted = |plan: &ClusterPlan| -> usize {
        plan.slices.iter().filter(|slice| is_counted(slice)).map(SlicePlan::counted_deletions).sum()
    };
    let (asked, most) = (plans.iter().map(counted).sum::<usize>(), limits.deletes.unwrap_or(RUN_DELETES));
    if asked > most {
        let why = format!("{asked} deletions in one run are more than the {most} that are allowed");
        for plan in plans.iter_mut().filter(|plan| counted(plan) > 0) {
            withhold(plan, &why, is_counted);
            plan.refusals.push(format!("{why}: `--max-deletes {asked}` allows them"));
        }
    }
    let leaves = |slice: &SlicePlan| slice.removal && slice.status == Status::Ready;
    let all: usize = plans.iter().map(|plan| plan.slices.len() + plan.others).sum();
    let leaving: Vec<&SlicePlan> = plans.iter().flat_map(|plan| &plan.slices).filter(|slice| leaves(slice)).collect();
    let applications: BTreeSet<&AppKey> = leaving.iter().map(|slice| &slice.key.application).collect();
    let asked = applications.len();
    let allowed = match limits.removals {
        Some(most) => asked <= most,
        None => asked <= 1 || leaving.len() * 100 <= all,
    };
    if allowed {
        return;
    }
    let most = limits.removals.unwrap_or(1);
    let why = format!("{asked} applications leave in one run, more than the {most} that may");
    for plan in plans.iter_mut() {
        let mut any = false;
        for slice in plan.slices.iter_mut().filter(|slice| leaves(slice)) {
            slice.withheld = Some(why.clone());
            any = true;
        }
        if any {
            plan.refusals.push(format!("{why}: `--max-removals {asked}` allows them"));
        }
    }
}

/// Allowed, since several Argo CD instances may call one cluster by different names, and rarely meant.
fn note_names(plans: &mut [ClusterPlan]) {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for plan in plans.iter().filter(|plan| !plan.identity.is_empty()) {
        names.entry(plan.identity.clone()).or_default().push(plan.cluster.clone());
    }
    for plan in plans {
        let others = names.get(&plan.identity).into_iter().flatten().filter(|name| **name != plan.cluster);
        let notes = others.map(|other| format!("it is the same cluster as `{other}`"));
        plan.notes.extend(notes);
    }
}

fn is_counted(slice: &SlicePlan) -> bool {
    !slice.removal && slice.status == Status::Ready
}

/// Withholds the deletions of some slices; whether there were any.
fn withhold(plan: &mut ClusterPlan, why: &str, which: impl Fn(&SlicePlan) -> bool) -> bool {
    let mut any = false;
    for slice in plan.slices.iter_mut().filter(|slice| which(slice)) {
        for action in slice.actions.iter_mut().filter(|action| matches!(action.verb, Verb::Delete(_))) {
            action.withheld = Some(why.to_owned());
            any = true;
        }
    }
    any
}
