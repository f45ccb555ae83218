//! The plan of one slice, from what is desired, what its parent lists and what is live.
//!
//! Plain objects are looked at first, since hooks run only when something changes. One object that cannot be applied blocks its slice as a
//! whole: nothing is half applied, and nothing is pruned beside an error.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::action::{Action, Same, SlicePlan, Status, Verb};
use super::desired::{Desired, DesiredNamespace, DesiredSlice, SliceState};
use super::ground::{Ground, item_reference};
use super::input::HookRuns;
use super::live;
use super::members::Members;
use super::order::{Task, arrange, defined_kind};
use super::probe::{Found, Probe};
use super::prune::{self, Leaving, Left};
use super::record::Record;
use super::talk::{Talk, Trouble};
use crate::api::{Request, encode};
use crate::bundle::ObjectRef;
use crate::digest::Digest;
use crate::inventory::{Item, Parent};
use crate::k8s::conflict;
use crate::k8s::ignore::Ignore;
use crate::k8s::object::Gvk;
use crate::k8s::order::{Phase, Role};
use crate::machine::all;
use crate::yaml::{Map, Node, json};

/// Plans one slice anew: its parent, its members and its dry runs are asked for now; the rest is as the ground says.
pub async fn slice(talk: &Talk, ground: &Ground, desired: &DesiredSlice) -> SlicePlan {
    let parent = match ground.reload_parent(talk, &desired.key, &desired.parent).await {
        Ok(parent) => parent,
        Err(trouble) => return failed(desired, trouble),
    };
    let parents: Vec<&Parent> = parent.iter().collect();
    match Members::load(talk, ground, &parents).await {
        Ok(members) => planned(talk, ground, desired, parent.as_ref(), &members).await,
        Err(trouble) => failed(desired, trouble),
    }
}

/// Plans the removal of an application that is no longer declared, from its parent as it lies there now.
pub async fn removal(talk: &Talk, ground: &Ground, parent: &Parent) -> SlicePlan {
    let mut plan = removed(parent);
    let now = match ground.reload_parent(talk, &parent.key, &parent.name).await {
        Ok(Some(now)) => now,
        Ok(None) => return plan,
        Err(Trouble(why)) => {
            plan.status = Status::Failed(why);
            return plan;
        }
    };
    match Members::load(talk, ground, &[&now]).await {
        Ok(members) => leaving(talk, ground, &now, &members).await,
        Err(Trouble(why)) => {
            plan.status = Status::Failed(why);
            plan
        }
    }
}

fn failed(desired: &DesiredSlice, trouble: Trouble) -> SlicePlan {
    SlicePlan { status: Status::Failed(trouble.0), ..blank(desired, None, false) }
}

/// A plan without actions.
fn blank(desired: &DesiredSlice, parent: Option<&Parent>, release: bool) -> SlicePlan {
    let mut record = desired.record.clone();
    if let Some(parent) = parent {
        let before = Record::read(&parent.record);
        record.installed = before.installed;
        record.history = before.history;
        record.rest = before.rest;
        if record.hold.is_none() && !release {
            record.hold = before.hold;
        }
    }
    SlicePlan {
        key: desired.key.clone(),
        project: desired.project.clone(),
        status: Status::Ready,
        removal: false,
        withheld: None,
        bundle: Some(desired.digest),
        parent_name: desired.parent.clone(),
        parent: parent.cloned(),
        record,
        actions: Vec::new(),
        same: Vec::new(),
        digest: digest(&[]),
        notes: Vec::new(),
    }
}

fn removed(parent: &Parent) -> SlicePlan {
    let record = Record::read(&parent.record);
    SlicePlan {
        key: parent.key.clone(),
        project: record.project.clone(),
        status: Status::Ready,
        removal: true,
        withheld: None,
        bundle: record.bundle,
        parent_name: parent.name.clone(),
        parent: Some(parent.clone()),
        record,
        actions: Vec::new(),
        same: Vec::new(),
        digest: digest(&[]),
        notes: Vec::new(),
    }
}

/// Plans the removal of an application whose members are known.
pub(super) async fn leaving(talk: &Talk, ground: &Ground, parent: &Parent, members: &Members) -> SlicePlan {
    let mut plan = removed(parent);
    if let Some(hold) = plan.record.hold.as_ref().filter(|_| !ground.options.release) {
        plan.status = Status::Held(hold.words(&ground.cluster, &parent.key.application.to_string()));
        return plan;
    }
    let policy = plan.record.policy.clone();
    let leaving = Leaving {
        talk,
        ground,
        parent,
        slice: None,
        members,
        policy: &policy,
        staying: BTreeSet::new(),
        staying_uids: BTreeSet::new(),
    };
    match leaving.judge().await {
        Ok(left) => settle(&mut plan, Vec::new(), left),
        Err(Trouble(why)) => plan.status = Status::Failed(why),
    }
    if !plan.record.impersonate.is_empty() && plan.status == Status::Ready {
        plan.notes.push(format!("its deletions act as {}", plan.record.impersonate));
    }
    plan
}

/// Plans a slice whose parent and members are known.
pub(super) async fn planned(
    talk: &Talk,
    ground: &Ground,
    desired: &DesiredSlice,
    parent: Option<&Parent>,
    members: &Members,
) -> SlicePlan {
    let mut plan = blank(desired, parent, ground.options.release);
    match &desired.state {
        SliceState::Fresh => {}
        SliceState::Held(why) | SliceState::Absent(why) => {
            plan.status = Status::Held(why.clone());
            return plan;
        }
        SliceState::Refused(why) => {
            plan.status = Status::Refused(why.clone());
            return plan;
        }
    }
    if let Some(why) = ground.broken.get(&desired.parent) {
        let name = &desired.parent;
        plan.status = Status::Failed(format!(
            "its parent, ConfigMap {}/{}, cannot be understood: {why}",
            name.namespace, name.name
        ));
        return plan;
    }
    if let (None, Some(hold)) = (&desired.record.hold, &plan.record.hold) {
        plan.status = Status::Held(hold.words(&ground.cluster, &desired.key.application.to_string()));
        return plan;
    }
    let differs = ground.differences(&desired.facts);
    if !differs.is_empty() {
        let hint =
            format!("`fleetc cluster facts {}` writes what it has for fleet.yaml, then build again", ground.cluster);
        plan.status = Status::Refused(format!("{}; {hint}", differs.join("; ")));
        return plan;
    }
    let outcome = Slice { talk, ground, desired, parent, members }.plan(&mut plan).await;
    if let Err(Trouble(why)) = outcome {
        plan.actions.clear();
        plan.same.clear();
        plan.status = Status::Failed(why);
    }
    plan
}

struct Slice<'a> {
    talk: &'a Talk,
    ground: &'a Ground,
    desired: &'a DesiredSlice,
    parent: Option<&'a Parent>,
    members: &'a Members,
}

impl Slice<'_> {
    async fn plan(&self, plan: &mut SlicePlan) -> Result<(), Trouble> {
        let (missing, mut ensured) = self.namespaces().await?;
        if self.ground.options.compare_as.is_some() {
            ensured.clear();
        }
        let settings = self.ground.settings.get(&self.desired.key.application.instance);
        let ignore = Ignore::read(self.desired.ignore_differences.as_ref(), settings);
        plan.notes.extend(ignore.diagnostics.iter().map(|finding| finding.message.clone()));
        let conflicts = conflict::Policy {
            rules: self.ground.conflicts.clone(),
            take_ownership: self.ground.options.take_ownership,
        };
        let items: BTreeMap<ObjectRef, &Item> =
            self.parent.iter().flat_map(|parent| &parent.items).map(|item| (item_reference(item), item)).collect();
        let probe = Probe {
            talk: self.talk,
            ground: self.ground,
            slice: self.desired,
            items: &items,
            members: self.members,
            missing: &missing,
            conflicts: &conflicts,
            ignore: &ignore.value,
        };
        let plain = self.desired.objects.iter().enumerate().filter(|(_, object)| object.is_plain());
        let found = all(self.talk.limit(), plain.map(|(at, object)| probe.plain(at, object))).await;
        let mut actions: Vec<(Action, Task)> = ensured;
        for found in found {
            match found? {
                Found::Same(same) => plan.same.push(same),
                Found::Do(action) => actions.push(self.ordered(*action, Phase::Sync)),
            }
        }
        if self.ground.options.compare_as.is_some() {
            settle(plan, actions, Vec::new());
            return Ok(());
        }
        let left = self.leftovers(&probe, &plan.same, &actions).await?;
        if let Some(why) = prune::empty_set(self.desired, &self.desired.policy, self.ground.options.allow_empty, &left)
        {
            plan.status = Status::Refused(why);
            return Ok(());
        }
        // What an apply that was cut short had begun is not on record yet. What only puts back what somebody changed is no change of the
        // application.
        let before = self.parent.and_then(|parent| Record::read(&parent.record).content);
        if before != self.desired.record.content || self.ground.options.hooks == HookRuns::EverySync {
            actions.extend(self.hooks(&probe, plan.record.installed).await?);
        }
        settle(plan, actions, left);
        Ok(())
    }

    /// Namespaces that come with this plan and are not there yet, and the actions on those that are to be made sure of.
    async fn namespaces(&self) -> Result<(BTreeSet<SmolStr>, Vec<(Action, Task)>), Trouble> {
        let ensured: Vec<&DesiredNamespace> =
            self.desired.namespaces.iter().filter(|namespace| !self.declares(&namespace.name)).collect();
        let mut names: BTreeSet<&SmolStr> = ensured.iter().map(|namespace| &namespace.name).collect();
        let used = self.desired.objects.iter().map(|object| &object.namespace);
        names.extend(used.filter(|name| self.ground.brings.contains(*name)));
        let ask = |name: &&SmolStr| self.talk.read(Request::get(format!("/api/v1/namespaces/{}", encode(name))));
        let found = all(self.talk.limit(), names.iter().map(ask)).await;
        let (mut missing, mut actions) = (BTreeSet::new(), Vec::new());
        for (name, live) in names.into_iter().zip(found) {
            let live = live?;
            if live.is_none() {
                missing.insert(name.clone());
            }
            if let Some(namespace) = ensured.iter().find(|namespace| namespace.name == *name)
                && let Some(action) = ensure(namespace, live.as_ref())
            {
                let task = Task { first: true, ..Task::new(action.object.clone(), Phase::PreSync, 0) };
                actions.push((action, task));
            }
        }
        Ok((missing, actions))
    }

    /// Whether the application itself declares a Namespace.
    fn declares(&self, name: &SmolStr) -> bool {
        self.desired.objects.iter().any(|object| object.gvk.is("", "Namespace") && object.name == *name)
    }

    fn ordered(&self, action: Action, phase: Phase) -> (Action, Task) {
        let desired = action.desired.and_then(|at| self.desired.objects.get(at));
        let mut task = Task::new(action.object.clone(), phase, desired.map_or(0, |object| object.wave));
        task.defines = desired.and_then(|object| defined_kind(&object.body));
        (action, task)
    }

    async fn leftovers(
        &self,
        probe: &Probe<'_>,
        same: &[Same],
        actions: &[(Action, Task)],
    ) -> Result<Vec<Left>, Trouble> {
        let Some(parent) = self.parent else { return Ok(Vec::new()) };
        let plain = self.desired.objects.iter().filter(|object| object.is_plain());
        let staying: BTreeSet<ObjectRef> = plain.map(|object| probe.reference(object)).collect();
        let live = actions.iter().filter_map(|(action, _)| action.live.as_ref());
        let staying_uids = live.map(|seen| seen.uid.clone()).chain(same.iter().map(|same| same.uid.clone()));
        let leaving = Leaving {
            talk: self.talk,
            ground: self.ground,
            parent,
            slice: Some(self.desired),
            members: self.members,
            policy: &self.desired.policy,
            staying,
            staying_uids: staying_uids.filter(|uid| !uid.is_empty()).collect(),
        };
        leaving.judge().await
    }

    async fn hooks(&self, probe: &Probe<'_>, installed: bool) -> Result<Vec<(Action, Task)>, Trouble> {
        let every = self.ground.options.hooks == HookRuns::EverySync;
        let runs = |object: &&Desired| {
            matches!(object.role, Role::Hook(_))
                && object.sync_phases().next().is_some()
                && (every || !installed || !object.install_only)
        };
        let hooks: Vec<usize> = (0..self.desired.objects.len())
            .filter(|at| self.desired.objects.get(*at).is_some_and(|object| runs(&object)))
            .collect();
        let probes = hooks.iter().filter_map(|at| Some((at, self.desired.objects.get(*at)?)));
        let found = all(self.talk.limit(), probes.map(|(at, object)| probe.hook(*at, object))).await;
        let mut actions = Vec::new();
        for (at, found) in hooks.iter().zip(found) {
            let (Found::Do(action), Some(object)) = (found?, self.desired.objects.get(*at)) else { continue };
            for phase in object.sync_phases() {
                actions.push(self.ordered((*action).clone(), phase));
            }
        }
        Ok(actions)
    }
}

/// What is done about a namespace that is to be there: nothing where it is, and has the labels and annotations that are managed.
fn ensure(namespace: &DesiredNamespace, live: Option<&Node>) -> Option<Action> {
    let gvk = Gvk::new("v1", "Namespace");
    let reference = ObjectRef { kind: "Namespace".into(), name: namespace.name.clone(), ..ObjectRef::default() };
    let mut action = Action::new(reference, gvk.clone(), Verb::Ensure);
    action.body = json::to_json(&namespace.body).ok().map(Into::into);
    action.why = "CreateNamespace=true".to_owned();
    let Some(live) = live else { return Some(action) };
    let mut after = live.clone();
    for field in ["labels", "annotations"] {
        let wanted = namespace.body.at(&["metadata", field]).and_then(Node::as_map);
        let Some(metadata) = after.get_mut("metadata").and_then(Node::map_mut) else { continue };
        for (key, value) in wanted.into_iter().flat_map(Map::iter) {
            let key = key.text().unwrap_or_default();
            match metadata.get_mut(field).and_then(Node::map_mut) {
                Some(map) => map.insert(key, value.clone()),
                None => {
                    let mut map = Map::new();
                    map.insert(key, value.clone());
                    metadata.insert(field, Node::map(map));
                }
            }
        }
    }
    action.changes = super::difference::between(&gvk, live, &after);
    action.live = Some(live::seen(live));
    (!action.changes.is_empty()).then_some(action)
}

/// Puts the actions in order and says how the slice stands.
fn settle(plan: &mut SlicePlan, actions: Vec<(Action, Task)>, left: Vec<Left>) {
    let mut all = actions;
    all.extend(left.into_iter().map(|left| (left.action, left.task)));
    let (actions, tasks): (Vec<Action>, Vec<Task>) = all.into_iter().unzip();
    let places = arrange(&tasks);
    plan.actions = actions;
    for (action, place) in plan.actions.iter_mut().zip(places) {
        action.place = place;
    }
    plan.actions.sort_by_key(|action| action.place);
    if plan.actions.iter().any(|action| action.verb == Verb::Refuse) {
        plan.status = Status::Blocked;
    }
    plan.digest = digest(&plan.actions);
}

/// Digest of what was decided. Resource versions and status are not in it, nor what only the parent learns.
fn digest(actions: &[Action]) -> Digest {
    let mut parts: Vec<String> = Vec::new();
    for action in actions.iter().filter(|action| !matches!(action.verb, Verb::Note | Verb::Forget)) {
        let more = match &action.verb {
            Verb::TakeOver { from } => from.to_string(),
            Verb::HandOver { to } => to.to_string(),
            Verb::Delete(propagation) => propagation.name().to_owned(),
            _ => String::new(),
        };
        let uid = action.live.as_ref().map(|seen| seen.uid.as_str()).unwrap_or_default();
        parts.push(format!("{} {more} {} {}", action.verb.name(), action.gvk.api_version(), action.object));
        parts.push(format!("{:?} {} {uid} {}", action.place.phase, action.place.wave, action.force));
        let text = |node: &Option<Node>| node.as_ref().and_then(|node| json::to_json(node).ok()).unwrap_or_default();
        for change in &action.changes {
            parts.push(format!("{} {} {}", change.path, text(&change.before), text(&change.after)));
        }
        parts.extend(action.yields.iter().cloned());
    }
    Digest::of_parts(parts.iter().map(String::as_bytes))
}
