//! The plan of one cluster: what its slices share is asked for once, then they are planned next to each other.
//!
//! A cluster that does not answer is failed as a whole; a slice that cannot be looked at fails alone, and then nothing is deleted on its
//! cluster. An application that the fleet no longer has there, and whose parent is, is planned as a removal.

use std::sync::Arc;

use super::action::{ClusterPlan, SlicePlan};
use super::desired::SliceState;
use super::ground::Ground;
use super::guard;
use super::input::{ClusterInput, Removals};
use super::members::Members;
use super::record::Record;
use super::slice;
use super::talk::{Talk, Trouble};
use crate::inventory::Parent;
use crate::machine::{Port, all};

/// Slices that are planned next to each other; their requests share one limit.
const SLICES: usize = 16;

/// Plans a cluster. The ground is what its slices stand on, for planning one of them anew; there is none where the cluster failed.
pub async fn cluster(port: Port, input: ClusterInput) -> (ClusterPlan, Option<Arc<Ground>>) {
    let talk = Talk::new(port, input.options.in_flight);
    let mut plan = ClusterPlan { cluster: input.cluster.clone(), ..ClusterPlan::default() };
    match fill(&talk, &input, &mut plan).await {
        Ok(ground) => (plan, Some(Arc::new(ground))),
        Err(Trouble(why)) => {
            plan.failed = Some(why);
            plan.slices.clear();
            (plan, None)
        }
    }
}

async fn fill(talk: &Talk, input: &ClusterInput, plan: &mut ClusterPlan) -> Result<Ground, Trouble> {
    let ground = Ground::load(talk, input).await?;
    plan.identity.clone_from(&ground.identity);
    plan.version.clone_from(&ground.version);
    let mut removals: Vec<&Parent> = Vec::new();
    for (app, parent) in &ground.parents {
        plan.owned += parent.items.len();
        let planned = input.slices.iter().any(|slice| slice.key.application == *app);
        if !ground.known.contains(app) && is_meant(&input.removals, parent) {
            removals.push(parent);
        } else if !planned {
            plan.others += 1;
        }
    }
    for (name, why) in &ground.broken {
        plan.notes
            .push(format!("ConfigMap {}/{} looks like a parent of this fleet, but {why}", name.namespace, name.name));
    }
    if !ground.trackers.unknown.is_empty() {
        let why = &ground.trackers.unknown;
        plan.notes.push(format!("whether an Argo CD works on its objects by itself is not known: {why}"));
    }
    let fresh = input.slices.iter().filter(|slice| slice.state == SliceState::Fresh);
    let mut parents: Vec<&Parent> = fresh.filter_map(|slice| ground.parents.get(&slice.key.application)).collect();
    parents.extend(&removals);
    let members = Members::load(talk, &ground, &parents).await?;
    let slices = input.slices.iter().map(|desired| {
        let parent = ground.parents.get(&desired.key.application);
        slice::planned(talk, &ground, desired, parent, &members)
    });
    let mut planned: Vec<SlicePlan> = all(SLICES, slices).await;
    planned.extend(all(SLICES, removals.iter().map(|parent| slice::leaving(talk, &ground, parent, &members))).await);
    planned.sort_by(|a, b| a.key.cmp(&b.key));
    plan.slices = planned;
    guard::cluster(plan, input.options.cluster_deletes);
    talk.say(format!("{}: planned", input.cluster));
    Ok(ground)
}

pub(super) fn is_meant(removals: &Removals, parent: &Parent) -> bool {
    match removals {
        Removals::All => true,
        Removals::None => false,
        Removals::Only(filter) => filter.lets(&parent.key.application, &Record::read(&parent.record).project),
    }
}
