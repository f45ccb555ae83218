//! All slices of one cluster: is it the cluster that was planned, do the plans still hold, who goes first, and what goes from one to another.
//!
//! A slice is planned anew before it is touched; what differs in its decisions from what was approved leaves it alone, and the others go on.
//! Slices that bring definitions and namespaces which others of the plan wait for go first, and of an app-of-apps the lower waves.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::client::{Client, Problem};
use super::lease::{Lease, stamp};
use super::ledger::{self, Ledger};
use super::outcome::{ClusterOutcome, SliceOutcome, SliceResult};
use super::site::{Options, Site};
use super::slice::Work;
use super::windows;
use crate::api::Millis;
use crate::application::AppKey;
use crate::bundle::ObjectRef;
use crate::inventory::Parent;
use crate::k8s::conflict;
use crate::k8s::order::Phase;
use crate::machine::{Port, all};
use crate::plan::{
    Action, ClusterInput, ClusterPlan, DesiredSlice, Ground, SlicePlan, Status, Talk, Trouble, Verb, defined_kind,
};
use crate::yaml::Node;

/// What an approved plan rests on.
#[derive(Clone, Debug)]
pub enum Basis {
    /// A file, or somebody has thought about it meanwhile: every slice is planned anew before it is touched.
    Saved,
    /// It was made by this run just now: as long as the parent of a slice is what it was then, its plan holds.
    Fresh {
        /// What its slices stand on.
        ground: Arc<Ground>,
        /// When planning began.
        since: Millis,
    },
}

/// How long a plan is fresh.
const FRESH: Millis = 60_000;

/// Carries out the approved plan of a cluster.
pub async fn apply(
    port: Port,
    input: ClusterInput,
    approved: ClusterPlan,
    basis: Basis,
    options: Options,
) -> ClusterOutcome {
    let mut outcome = ClusterOutcome { cluster: approved.cluster.clone(), ..ClusterOutcome::default() };
    let conflicts = conflict::Policy { rules: input.conflicts.clone(), take_ownership: input.options.take_ownership };
    let site = Site::new(&port, &options, conflicts);
    let talk = Talk::new(port.clone(), input.options.in_flight);
    let work: Vec<&SlicePlan> = approved.slices.iter().filter(|slice| slice.has_work()).collect();
    let mut ground = None;
    if let Some(why) = &approved.failed {
        outcome.failed.clone_from(why);
    } else if !work.is_empty() {
        match stand(&port, &talk, &input, &approved.identity, &basis).await {
            Ok(found) => ground = Some(found),
            Err(problem) => outcome.failed = problem.to_string(),
        }
    }
    let mut slices: BTreeMap<AppKey, SliceOutcome> =
        approved.slices.iter().map(|plan| (plan.key.application.clone(), untouched(plan))).collect();
    if let Some(ground) = &ground {
        let desired: BTreeMap<&AppKey, &DesiredSlice> =
            input.slices.iter().map(|slice| (&slice.key.application, slice)).collect();
        let common = Common { site: &site, talk: &talk, ground, basis: &basis };
        for stage in stages(&work, &desired) {
            let pieces: Vec<_> = stage
                .iter()
                .map(|plan| one(&common, plan, desired.get(&plan.key.application).copied(), false))
                .collect();
            for done in all(options.slices_at_once, pieces).await {
                slices.insert(done.application.clone(), done);
            }
        }
        // What goes from one slice to another is let go when the other has it, whoever came first.
        let goes = |plan: &&&SlicePlan| carried_out(plan).any(|action| matches!(action.verb, Verb::HandOver { .. }));
        let well = |plan: &&&SlicePlan| {
            slices.get(&plan.key.application).is_some_and(|done| done.result == SliceResult::Applied)
        };
        let giving: Vec<&SlicePlan> = work.iter().filter(goes).filter(well).copied().collect();
        let pieces: Vec<_> =
            giving.iter().map(|plan| one(&common, plan, desired.get(&plan.key.application).copied(), true)).collect();
        for mut done in all(options.slices_at_once, pieces).await {
            if let Some(before) = slices.get(&done.application) {
                done.counts = before.counts;
                done.notes = [before.notes.clone(), done.notes].concat();
            }
            slices.insert(done.application.clone(), done);
        }
    }
    outcome.slices = slices.into_values().collect();
    outcome
}

/// What the slices stand on, on the cluster that was planned: a cluster is the UID of its kube-system namespace.
async fn stand(
    port: &Port,
    talk: &Talk,
    input: &ClusterInput,
    planned: &str,
    basis: &Basis,
) -> Result<Arc<Ground>, Problem> {
    let client = Client::new(port.clone(), "");
    let live = client.read("/api/v1/namespaces/kube-system").await?;
    let uid = live.as_ref().map_or("", |live| live.str_at(&["metadata", "uid"]));
    if uid != planned || uid.is_empty() {
        return Err(Problem::Stopped(format!(
            "this is another cluster than the one that was planned: its kube-system has the UID `{uid}`, the plan was made for `{planned}`"
        )));
    }
    match basis {
        Basis::Fresh { ground, .. } => Ok(Arc::clone(ground)),
        Basis::Saved => Ground::load(talk, input).await.map(Arc::new).map_err(|Trouble(why)| Problem::Unreachable(why)),
    }
}

/// What all slices are given.
struct Common<'a> {
    site: &'a Site<'a>,
    talk: &'a Talk,
    ground: &'a Ground,
    basis: &'a Basis,
}

/// A slice that nothing is done with, and why.
fn untouched(plan: &SlicePlan) -> SliceOutcome {
    let (result, why) = match (&plan.status, &plan.withheld) {
        (Status::Held(why), _) => (SliceResult::Held, why.clone()),
        (Status::Blocked, _) => (SliceResult::Skipped, "something in it cannot be done".to_owned()),
        (Status::Refused(why), _) => (SliceResult::Skipped, why.clone()),
        (Status::Failed(why), _) => (SliceResult::Failed, why.clone()),
        (Status::Ready, Some(why)) => (SliceResult::Skipped, why.clone()),
        (Status::Ready, None) if plan.has_work() => {
            (SliceResult::Skipped, "its cluster could not be worked on".to_owned())
        }
        (Status::Ready, None) => (SliceResult::Unchanged, String::new()),
    };
    let mut outcome = SliceOutcome::new(&plan.key.application, result, why);
    if plan.status == Status::Blocked {
        let refused = plan.actions.iter().filter(|action| action.verb == Verb::Refuse);
        outcome.errors = refused.map(|action| (Some(action.object.clone()), action.why.clone())).collect();
    }
    if result == SliceResult::Failed {
        outcome.errors.push((None, std::mem::take(&mut outcome.why)));
    }
    withheld(plan, &mut outcome);
    outcome
}

/// Counts what a plan decided but does not carry out.
fn withheld(plan: &SlicePlan, outcome: &mut SliceOutcome) {
    for action in &plan.actions {
        if let Some(why) = &action.withheld {
            outcome.withheld += 1;
            outcome.notes.push((Some(action.object.clone()), format!("not carried out: {why}")));
        }
    }
}

fn carried_out(plan: &SlicePlan) -> impl Iterator<Item = &Action> {
    plan.actions.iter().filter(|action| action.withheld.is_none())
}

/// The slices in the order in which they go: lower waves of an app-of-apps first, and of a wave those that bring what others wait for.
fn stages<'a>(work: &[&'a SlicePlan], desired: &BTreeMap<&AppKey, &DesiredSlice>) -> Vec<Vec<&'a SlicePlan>> {
    let mut stages: BTreeMap<(i64, usize), Vec<&SlicePlan>> = BTreeMap::new();
    let levels = levels(work, desired);
    for (plan, level) in work.iter().zip(levels) {
        let wave = desired.get(&plan.key.application).map_or(0, |desired| desired.wave);
        stages.entry((wave, level)).or_default().push(plan);
    }
    stages.into_values().collect()
}

/// In which order the slices of a plan go that have something to do, for whoever carries out some of them by themselves: lower ones bring
/// what higher ones need.
pub fn ranks(approved: &ClusterPlan, input: &ClusterInput) -> BTreeMap<AppKey, (i64, usize)> {
    let work: Vec<&SlicePlan> = approved.slices.iter().filter(|slice| slice.has_work()).collect();
    let desired: BTreeMap<&AppKey, &DesiredSlice> =
        input.slices.iter().map(|slice| (&slice.key.application, slice)).collect();
    let levels = levels(&work, &desired);
    let rank = |(plan, level): (&&SlicePlan, usize)| {
        let application = &plan.key.application;
        (application.clone(), (desired.get(application).map_or(0, |desired| desired.wave), level))
    };
    work.iter().zip(levels).map(rank).collect()
}

/// Something that objects of several slices need: a namespace by its name, a kind by its group and its own name.
type Need = (String, String);

/// How many slices must have gone before each, one after another. Slices that wait for each other in a circle go together: the next apply ends
/// what they could not.
fn levels(work: &[&SlicePlan], desired: &BTreeMap<&AppKey, &DesiredSlice>) -> Vec<usize> {
    let (mut needs, mut brings): (Vec<BTreeSet<Need>>, BTreeMap<Need, Vec<usize>>) = (Vec::new(), BTreeMap::new());
    for (at, plan) in work.iter().enumerate() {
        let (mut need, mut bring) = (BTreeSet::new(), BTreeSet::new());
        let objects = desired.get(&plan.key.application).map_or(&[][..], |desired| &desired.objects);
        for action in carried_out(plan).filter(|action| action.verb.applies()) {
            let kind: Need = (action.gvk.group.to_string(), action.gvk.kind.to_string());
            if action.gvk.is("", "Namespace") {
                bring.insert((String::new(), action.object.name.to_string()));
            }
            bring.extend(action.desired.and_then(|at| objects.get(at)).and_then(|object| defined_kind(&object.body)));
            need.insert(kind);
            need.insert((String::new(), action.object.namespace.to_string()));
        }
        needs.push(need.difference(&bring).cloned().collect());
        for what in bring {
            brings.entry(what).or_default().push(at);
        }
    }
    let mut levels = vec![0; work.len()];
    for _ in 0..work.len().min(LEVELS) {
        let before = levels.clone();
        for (at, need) in needs.iter().enumerate() {
            let providers = need.iter().filter_map(|what| brings.get(what)).flatten();
            let after = providers.filter_map(|other| before.get(*other)).max().map_or(0, |level| level + 1);
            if let Some(level) = levels.get_mut(at) {
                *level = after;
            }
        }
        if levels == before {
            return levels;
        }
    }
    levels
}

/// Namespaces for definitions for objects, and one to spare.
const LEVELS: usize = 4;

/// One slice: locked, planned anew, carried out. With `hand_over` only what another slice has taken over by now is let go.
async fn one(
    common: &Common<'_>,
    approved: &SlicePlan,
    desired: Option<&DesiredSlice>,
    hand_over: bool,
) -> SliceOutcome {
    let site = common.site;
    // What is not meant now is not removed, and what has come back is not, either.
    if approved.removal != desired.is_none() {
        let why = if approved.removal { "it is declared again" } else { "it is not declared any more" };
        return SliceOutcome::new(&approved.key.application, SliceResult::Skipped, format!("{why}; plan it again"));
    }
    let mut ignored = None;
    match desired.filter(|_| !hand_over).map_or(windows::Say::Yes, |desired| windows::ask(site, desired)) {
        windows::Say::Yes => {}
        windows::Say::No(why) => return SliceOutcome::new(&approved.key.application, SliceResult::Skipped, why),
        windows::Say::Ignored(why) => ignored = Some(why),
    }
    let client = Client::new(site.port.clone(), "");
    let name = &approved.parent_name;
    if let Err(problem) = ledger::ensure_namespace(&client, &name.namespace).await {
        return failed(site, approved, problem);
    }
    let lease = match Lease::take(&client, name, &site.options.holder).await {
        Ok(lease) => lease,
        Err(Problem::Stopped(why)) => return SliceOutcome::new(&approved.key.application, SliceResult::Skipped, why),
        Err(problem) => return failed(site, approved, problem),
    };
    let outcome = lease.hold(locked(common, approved, desired, hand_over, ignored, &lease)).await;
    lease.release().await;
    outcome
}

fn failed(site: &Site<'_>, approved: &SlicePlan, problem: Problem) -> SliceOutcome {
    if matches!(problem, Problem::Unreachable(_)) {
        site.break_off();
    }
    let mut outcome = SliceOutcome::new(&approved.key.application, SliceResult::Failed, String::new());
    outcome.errors.push((None, problem.to_string()));
    outcome
}

/// Plans a slice anew, under its lease; what was approved and does not hold any more is left alone.
async fn confirm<'a>(
    common: &Common<'_>,
    approved: &'a SlicePlan,
    desired: Option<&DesiredSlice>,
    hand_over: bool,
) -> Result<Cow<'a, SlicePlan>, SliceOutcome> {
    let site = common.site;
    let fresh = matches!(common.basis, Basis::Fresh { since, .. } if site.port.now().saturating_sub(*since) < FRESH);
    if fresh || hand_over {
        let client = Client::new(site.port.clone(), "");
        let parent = ledger::read(&client, &approved.parent_name).await;
        let parent = parent.map_err(|problem| failed(site, approved, problem))?;
        let version = |parent: &Option<Parent>| parent.as_ref().map(|parent| parent.resource_version.clone());
        if hand_over {
            return Ok(Cow::Owned(SlicePlan { parent, ..approved.clone() }));
        }
        if version(&parent) == version(&approved.parent) {
            return Ok(Cow::Borrowed(approved));
        }
    }
    let planned = match (desired, &approved.parent) {
        (Some(desired), _) => crate::plan::slice(common.talk, common.ground, desired).await,
        (None, Some(parent)) => crate::plan::removal(common.talk, common.ground, parent).await,
        (None, None) => {
            return Err(SliceOutcome::new(
                &approved.key.application,
                SliceResult::Skipped,
                "nothing is known of it".to_owned(),
            ));
        }
    };
    if let Status::Failed(why) = &planned.status {
        return Err(failed(site, approved, Problem::Unreachable(why.clone())));
    }
    let mut planned = planned;
    // What was withheld stays so: budgets are those of the whole run.
    for action in &mut planned.actions {
        let was = approved.actions.iter().find(|was| was.object == action.object && was.verb == action.verb);
        action.withheld = was.and_then(|was| was.withheld.clone());
    }
    // Carried out before: by a run that was stopped later on, or by somebody else.
    if !planned.has_work() && approved.bundle == planned.bundle && planned.status == Status::Ready {
        return Err(SliceOutcome::new(&approved.key.application, SliceResult::Unchanged, String::new()));
    }
    match differs(approved, &planned) {
        None => Ok(Cow::Owned(planned)),
        Some(why) => {
            let why = format!("what would be done has changed since it was planned: {why}; plan it again");
            Err(SliceOutcome::new(&approved.key.application, SliceResult::Skipped, why))
        }
    }
}

async fn locked(
    common: &Common<'_>,
    approved: &SlicePlan,
    desired: Option<&DesiredSlice>,
    hand_over: bool,
    ignored: Option<String>,
    lease: &Lease,
) -> SliceOutcome {
    let site = common.site;
    let planned = match confirm(common, approved, desired, hand_over).await {
        Ok(planned) => planned,
        Err(outcome) => return outcome,
    };
    let fresh: &SlicePlan = &planned;
    let user = desired.map_or(&fresh.record.impersonate, |desired| &desired.impersonate);
    let parent = fresh.parent.clone().unwrap_or_else(|| Parent {
        name: fresh.parent_name.clone(),
        key: fresh.key.clone(),
        uid: Default::default(),
        resource_version: Default::default(),
        record: fresh.record.to_node(),
        items: Vec::new(),
    });
    let own = Client::new(site.port.clone(), "");
    let watch = lease.watch();
    let mut outcome = SliceOutcome::new(&approved.key.application, SliceResult::Applied, String::new());
    let mut record = fresh.record.clone();
    if let Some(why) = ignored {
        site.say(&approved.key.application, &format!("{why}; ignored (--ignore-windows)"));
        record
            .rest
            .insert("ignoredWindow", Node::str(format!("{} at {}", site.options.holder, stamp(site.port.now()))));
        outcome.notes.push((None, format!("{why}; ignored (--ignore-windows)")));
    }
    let mut work = Work {
        site,
        desired,
        plan: fresh,
        client: Client::new(site.port.clone(), user),
        ledger: Ledger::new(&own, &watch, parent),
        watch,
        record,
        outcome,
    };
    if hand_over {
        work.hand_over().await;
    } else {
        work.run().await;
        withheld(fresh, &mut work.outcome);
    }
    work.outcome
}

/// In what a plan decides something else than the one that was approved; `None` where it is the same. What was not known before its
/// definition or namespace came may be a creation by now.
fn differs(approved: &SlicePlan, fresh: &SlicePlan) -> Option<String> {
    if approved.bundle != fresh.bundle {
        return Some("the application itself is another one".to_owned());
    }
    if approved.digest == fresh.digest {
        return None;
    }
    match &fresh.status {
        Status::Ready => {}
        Status::Blocked => {
            let refused = fresh.actions.iter().find(|action| action.verb == Verb::Refuse)?;
            return Some(format!("{}: {}", refused.object, refused.why));
        }
        Status::Held(why) | Status::Refused(why) | Status::Failed(why) => return Some(why.clone()),
    }
    let by_object = |plan: &'_ SlicePlan| -> BTreeMap<(ObjectRef, Phase), usize> {
        let deciding = |action: &&Action| !matches!(action.verb, Verb::Note | Verb::Forget | Verb::Keep);
        let key = |action: &Action| (action.object.clone(), action.place.phase);
        let all = plan.actions.iter().enumerate().filter(|(_, action)| deciding(action));
        all.map(|(at, action)| (key(action), at)).collect()
    };
    let (before, after) = (by_object(approved), by_object(fresh));
    let keys: BTreeSet<&(ObjectRef, Phase)> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let was = before.get(key).and_then(|at| approved.actions.get(*at));
        let is = after.get(key).and_then(|at| fresh.actions.get(*at));
        let same = match (was, is) {
            (Some(was), Some(is)) if was.verb == Verb::Unknown => {
                matches!(is.verb, Verb::Unknown | Verb::Create | Verb::Note)
            }
            // It has been done: by a run that was cut short, or by somebody else. What is left was approved.
            (Some(was), None) => !matches!(was.verb, Verb::Refuse),
            (Some(was), Some(is)) => {
                was.verb == is.verb && was.yields == is.yields && was.force == is.force && was.changes == is.changes
            }
            _ => false,
        };
        if !same {
            let word = |action: Option<&Action>| action.map_or("nothing", |action| action.verb.name());
            return Some(format!("{} was to {}, and is to {} now", key.0, word(was), word(is)));
        }
    }
    None
}
