//! How the slices of a cluster stand: is live what was last applied, is what was applied what the fleet says now, and is it healthy.
//!
//! Drift is live against what the inventory on the cluster says was applied: whoever changes one of our fields takes it from us, so a field
//! set that is not the recorded one tells of a change, whatever Git says meanwhile. In which fields, a dry run of the fleet's object says
//! where that is the one that was applied; else only what others hold since then is known, and said so. What others hold by right (rules of
//! the fleet, known controllers, `ignoreDifferences`) is no drift. Nothing is changed here, and nothing is decided about it.

mod object;
mod writers;

use std::collections::{BTreeMap, BTreeSet};

use crate::application::AppKey;
use crate::bundle::ObjectRef;
use crate::inventory::Parent;
use crate::k8s::conflict;
use crate::k8s::health::{Scripts, Status};
use crate::k8s::ignore::Ignore;
use crate::machine::{Port, all};
use crate::yaml::Node;

use super::cluster::is_meant;
use super::desired::{Desired, DesiredSlice, SliceState};
use super::ground::{Ground, item_reference};
use super::input::{ClusterInput, Prune};
use super::live;
use super::members::Members;
use super::record::Record;
use super::talk::{Talk, Trouble};

pub use writers::Writer;

/// Slices that are looked at next to each other; their requests share one limit.
const SLICES: usize = 16;

/// What is looked for beside drift.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Health scripts of argocd-cm.
    pub scripts: Scripts,
    /// Also what others hold of objects beside what we applied.
    pub beside: bool,
}

/// How a cluster stands.
#[derive(Clone, Debug, Default)]
pub struct ClusterState {
    /// Its name in the fleet.
    pub cluster: String,
    /// UID of its kube-system namespace.
    pub identity: String,
    /// Its version: `1.34.1`.
    pub version: String,
    /// Why nothing is known of it.
    pub failed: Option<String>,
    /// Its slices, sorted by application.
    pub slices: Vec<Standing>,
    /// Worth knowing, one sentence each.
    pub notes: Vec<String>,
}

/// How an application on a cluster stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The application.
    pub application: AppKey,
    /// Its project.
    pub project: String,
    /// What its parent says; `None` before the first apply.
    pub record: Option<Record>,
    /// What the fleet says against what was applied.
    pub git: Git,
    /// Objects in its inventory.
    pub objects: usize,
    /// In what live is not what was applied.
    pub drifts: Vec<Drift>,
    /// What others hold by right, or beside what we applied.
    pub beside: Vec<(ObjectRef, String)>,
    /// The worst of its objects; `None` where nobody can tell of any.
    pub health: Option<Status>,
    /// The objects that are not healthy, and why.
    pub ailing: Vec<(ObjectRef, Status, String)>,
    /// Whether its sync policy says that what somebody changed is put back.
    pub self_heal: bool,
    /// Why it could not be looked at.
    pub failed: Option<String>,
}

/// What the fleet says of a slice, against what was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Git {
    /// What was applied.
    Applied,
    /// Something else in so many objects; none where only hooks differ.
    Pending(usize),
    /// It was never applied.
    Never,
    /// Nothing: the application is no longer declared there.
    Gone,
    /// That is not known: its render failed, or it may not be applied.
    Unknown(String),
}

/// In what an object is not what was applied.
#[derive(Clone, Debug)]
pub struct Drift {
    /// The object.
    pub object: ObjectRef,
    /// In one word.
    pub what: What,
    /// Which fields, sorted by path.
    pub fields: Vec<DriftedField>,
    /// What else there is to say.
    pub why: String,
    /// The last other one who wrote it.
    pub last: Option<Writer>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It is gone.
    Missing,
    /// It is another one of the same name.
    Replaced,
    /// It is being deleted.
    Going,
    /// Fields that were applied are others.
    Changed,
    /// It carries the label of our ApplySet, and we did not make it.
    Extra,
}

impl What {
    /// One word, as in reports.
    pub fn name(self) -> &'static str {
        match self {
            What::Missing => "missing",
            What::Replaced => "replaced",
            What::Going => "being deleted",
            What::Changed => "changed",
            What::Extra => "extra",
        }
    }
}

/// A field that is not what was applied. Values of Secrets are masked.
#[derive(Clone, Debug)]
pub struct DriftedField {
    /// `.spec.template.spec.containers[name=web].image`.
    pub path: String,
    /// What was applied; `None` where it was not there, or is not known.
    pub applied: Option<Node>,
    /// What is live; `None` where it is not there.
    pub live: Option<Node>,
    /// Whether it is known what was applied: the fleet may say something else by now.
    pub known: bool,
    /// Who holds it.
    pub by: Vec<Writer>,
}

impl Standing {
    /// Whether live is what was applied.
    pub fn has_drifted(&self) -> bool {
        !self.drifts.is_empty()
    }

    /// Argo CD's word with what it is about.
    pub fn sync(&self) -> &'static str {
        match &self.git {
            _ if self.failed.is_some() => "Unknown",
            _ if self.has_drifted() => "Drifted",
            Git::Applied => "Synced",
            Git::Pending(_) => "OutOfSync",
            Git::Never => "NotApplied",
            Git::Gone => "Leaving",
            Git::Unknown(_) => "Unknown",
        }
    }

    /// Whether there is nothing to look at.
    pub fn is_fine(&self) -> bool {
        let held = self.record.as_ref().is_some_and(|record| record.hold.is_some());
        self.sync() == "Synced" && !held && matches!(self.health, None | Some(Status::Healthy | Status::Suspended))
    }
}

/// Looks at a cluster.
pub async fn survey(port: Port, mut input: ClusterInput, look: Look) -> ClusterState {
    // What a person holds is drift, and only that shows it in full.
    input.options.take_ownership = true;
    input.options.compare_as = None;
    let talk = Talk::new(port, input.options.in_flight);
    let mut state = ClusterState { cluster: input.cluster.clone(), ..ClusterState::default() };
    if let Err(Trouble(why)) = fill(&talk, &input, &look, &mut state).await {
        state.failed = Some(why);
        state.slices.clear();
    }
    state
}

async fn fill(talk: &Talk, input: &ClusterInput, look: &Look, state: &mut ClusterState) -> Result<(), Trouble> {
    let ground = Ground::load(talk, input).await?;
    state.identity.clone_from(&ground.identity);
    state.version.clone_from(&ground.version);
    let mut wanted: BTreeMap<&AppKey, (Option<&DesiredSlice>, Option<&Parent>)> = BTreeMap::new();
    for slice in &input.slices {
        let app = &slice.key.application;
        wanted.insert(app, (Some(slice), ground.parents.get(app)));
    }
    for (app, parent) in &ground.parents {
        if !ground.known.contains(app) && is_meant(&input.removals, parent) {
            wanted.entry(app).or_insert((None, Some(parent)));
        }
    }
    let parents: Vec<&Parent> = wanted.values().filter_map(|(_, parent)| *parent).collect();
    let members = Members::load(talk, &ground, &parents).await?;
    for (name, why) in &ground.broken {
        let known = input.slices.iter().any(|slice| slice.parent == *name);
        if !known {
            let place = format!("ConfigMap {}/{}", name.namespace, name.name);
            state.notes.push(format!("{place} looks like a parent of this fleet, but {why}"));
        }
    }
    let survey = Survey { talk, ground: &ground, members: &members, look };
    let pieces = wanted.into_iter().map(|(app, (desired, parent))| survey.slice(app, desired, parent));
    state.slices = all(SLICES, pieces).await;
    Ok(())
}

/// What looking at slices needs.
struct Survey<'a> {
    talk: &'a Talk,
    ground: &'a Ground,
    members: &'a Members,
    look: &'a Look,
}

impl Survey<'_> {
    async fn slice(&self, app: &AppKey, desired: Option<&DesiredSlice>, parent: Option<&Parent>) -> Standing {
        let record = parent.map(|parent| Record::read(&parent.record));
        let project = desired.map(|desired| desired.project.clone());
        let mut standing = Standing {
            application: app.clone(),
            project: project.or(record.as_ref().map(|record| record.project.clone())).unwrap_or_default(),
            record,
            git: Git::Never,
            objects: parent.map_or(0, |parent| parent.items.len()),
            drifts: Vec::new(),
            beside: Vec::new(),
            health: None,
            ailing: Vec::new(),
            self_heal: desired.is_some_and(|desired| desired.self_heal),
            failed: None,
        };
        if let Some(why) = desired.and_then(|desired| self.ground.broken.get(&desired.parent)) {
            standing.failed = Some(format!("its parent cannot be understood: {why}"));
            return standing;
        }
        if let Some(parent) = parent
            && let Err(Trouble(why)) = self.objects(desired, parent, &mut standing).await
        {
            standing.failed = Some(why);
        }
        standing.git = self.git(desired, parent);
        standing
    }

    async fn objects(
        &self,
        desired: Option<&DesiredSlice>,
        parent: &Parent,
        standing: &mut Standing,
    ) -> Result<(), Trouble> {
        let settings = self.ground.settings.get(&parent.key.application.instance);
        let ignored = desired.and_then(|desired| desired.ignore_differences.as_ref());
        let ignore = Ignore::read(ignored, settings);
        let conflicts = conflict::Policy { rules: self.ground.conflicts.clone(), take_ownership: true };
        let items = parent.items.iter().map(|item| (item_reference(item), item)).collect();
        let slice = object::Slice {
            survey: self,
            parent,
            desired,
            wanted: self.wanted(desired),
            items: &items,
            ignore: &ignore.value,
            conflicts: &conflicts,
        };
        let found = all(self.talk.limit(), parent.items.iter().map(|item| slice.item(item))).await;
        for found in found {
            let found = found?;
            standing.drifts.extend(found.drift);
            standing.beside.extend(found.beside);
            let Some((object, status, message)) = found.health else { continue };
            standing.health = standing.health.max(Some(status));
            if !matches!(status, Status::Healthy | Status::Suspended) {
                standing.ailing.push((object, status, message));
            }
        }
        for (object, live) in self.members.of(&parent.name.id()).filter(|(object, _)| !items.contains_key(*object)) {
            match live::controller(live) {
                Some(owner) => {
                    standing.beside.push((object.clone(), format!("it is {owner}'s, which gave it our label")));
                }
                None => standing.drifts.push(slice.extra(object, live)),
            }
        }
        standing.drifts.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(())
    }

    /// The objects that the fleet declares, by their names on the cluster.
    fn wanted<'d>(&self, desired: Option<&'d DesiredSlice>) -> BTreeMap<ObjectRef, (usize, &'d Desired)> {
        let objects = desired.into_iter().flat_map(|desired| desired.objects.iter().enumerate());
        let plain = objects.filter(|(_, object)| object.is_plain());
        plain
            .map(|(at, object)| {
                let mut reference = object.reference();
                if self.ground.kinds.exact(&object.gvk).is_some_and(|resource| !resource.namespaced) {
                    reference.namespace = Default::default();
                }
                (reference, (at, object))
            })
            .collect()
    }

    /// What the fleet says, against what was applied.
    fn git(&self, desired: Option<&DesiredSlice>, parent: Option<&Parent>) -> Git {
        let (desired, parent) = match (desired, parent) {
            (None, _) => return Git::Gone,
            (Some(desired), parent) => match &desired.state {
                SliceState::Fresh => match parent {
                    Some(parent) => (desired, parent),
                    None => return Git::Never,
                },
                SliceState::Held(why) | SliceState::Absent(why) | SliceState::Refused(why) => {
                    return Git::Unknown(why.clone());
                }
            },
        };
        let wanted = self.wanted(Some(desired));
        let mut listed: BTreeSet<&ObjectRef> = BTreeSet::new();
        let prunes = match self.ground.options.prune {
            Prune::Policy => desired.policy.prune,
            Prune::Always => true,
            Prune::Never => false,
        };
        let mut pending = 0;
        for item in &parent.items {
            let Some((reference, (_, desired))) = wanted.get_key_value(&item_reference(item)) else {
                pending += usize::from(prunes);
                continue;
            };
            listed.insert(reference);
            let live = self.members.get(reference);
            let values = live.and_then(|live| object::differs(desired, live));
            pending += usize::from(item.applied != Some(desired.digest) || values == Some(object::Values::Pending));
        }
        pending += wanted.keys().filter(|reference| !listed.contains(reference)).count();
        let same = Record::read(&parent.record).content == desired.record.content;
        if pending == 0 && same { Git::Applied } else { Git::Pending(pending) }
    }
}
