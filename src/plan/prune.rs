//! What becomes of what an inventory lists and its application no longer declares: deleted, kept, released, handed over or forgotten.
//!
//! An object is deleted only if its UID is the recorded one, our field manager is in its managedFields and no controller owns it:
//! controllers copy labels to what they make, so a label alone deletes nothing. An item without UID is one whose creation was never
//! confirmed; it may be deleted if it carries our label and was made by a server-side apply of ours, since the inventory named it before it was.
//! Budgets are `guard`'s.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::action::{Action, Verb};
use super::desired::DesiredSlice;
use super::ground::{Ground, Listed, item_reference, list};
use super::input::{LeavingObjects, Prune};
use super::kinds;
use super::live;
use super::members::Members;
use super::options::{Approval, ObjectOptions, Policy};
use super::order::{Task, defined_kind};
use super::talk::{Talk, Trouble};
use crate::api::Resource;
use crate::application::AppKey;
use crate::bundle::ObjectRef;
use crate::danger::{self, Fate, Others, Scene};
use crate::inventory::{Item, Parent};
use crate::k8s::object::Gvk;
use crate::k8s::order::{Phase, sync_wave};
use crate::machine::all;
use crate::yaml::Node;

/// What judging a slice's leftovers needs.
pub(super) struct Leaving<'a> {
    pub(super) talk: &'a Talk,
    pub(super) ground: &'a Ground,
    pub(super) parent: &'a Parent,
    /// `None` for a removed application.
    pub(super) slice: Option<&'a DesiredSlice>,
    pub(super) members: &'a Members,
    /// The policy that holds: the application's, or for a removed one what its parent recorded.
    pub(super) policy: &'a Policy,
    /// What stays, with the UIDs that it has.
    pub(super) staying: BTreeSet<ObjectRef>,
    pub(super) staying_uids: BTreeSet<SmolStr>,
}

/// Kinds that are deleted only where that is allowed: what they hold goes with them.
const PROTECTED: [(&str, &str, &str); 4] = [
    ("", "Namespace", "everything in it would go with it"),
    ("", "PersistentVolume", "its data may go with it"),
    ("", "PersistentVolumeClaim", "its data may go with it"),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "every object of its kind would go with it"),
];

/// Namespaces that nothing deletes.
const SYSTEM: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Kinds that every namespace has, or that say nothing about whether it is used.
const ALWAYS_THERE: [(&str, &str); 6] = [
    ("", "Event"),
    ("events.k8s.io", "Event"),
    ("coordination.k8s.io", "Lease"),
    ("", "Endpoints"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("metrics.k8s.io", "PodMetrics"),
];

/// A leftover with what orders it.
pub(super) struct Left {
    pub(super) action: Action,
    pub(super) task: Task,
}

impl Leaving<'_> {
    /// What becomes of every item that does not stay.
    ///
    /// # Errors
    /// The cluster did not answer about one of them.
    pub(super) async fn judge(&self) -> Result<Vec<Left>, Trouble> {
        let leaving = self.parent.items.iter().filter(|item| !self.staying.contains(&item_reference(item)));
        let judged = all(self.talk.limit(), leaving.map(|item| self.item(item))).await;
        judged.into_iter().collect()
    }

    async fn item(&self, item: &Item) -> Result<Left, Trouble> {
        let reference = item_reference(item);
        let live = self.members.find(self.talk, self.ground, &item.gvk, &reference).await?;
        // In the version that the cluster has it in now.
        let served = self.ground.kinds.any(&item.gvk).map(|resource| resource.gvk.clone());
        let mut action = Action::new(reference.clone(), served.unwrap_or_else(|| item.gvk.clone()), Verb::Forget);
        let mut task = Task { prune: true, ..Task::new(reference.clone(), Phase::Sync, 0) };
        let Some(live) = live else {
            action.why = match self.ground.kinds.any(&item.gvk) {
                Some(_) => "it is no longer there".to_owned(),
                None => "its kind is no longer served, so it is gone".to_owned(),
            };
            return Ok(Left { action, task });
        };
        action.live = Some(live::seen(&live));
        task.wave = sync_wave(&live);
        task.defines = defined_kind(&live);
        let (verb, why) = self.decide(item, &reference, &live).await?;
        task.last = ObjectOptions::of(&self.policy.sync_options, &live).prune_last;
        if matches!(verb, Verb::Delete(_)) {
            if self.is_unused_hashed(&reference) {
                // Whoever used it goes on until the new one is in use.
                action.counts = false;
                task.last = true;
            }
            if live::is_going(&live) {
                action.counts = false;
            }
            let others: &dyn Others = self.slice.map_or(danger::NOBODY, |slice| slice);
            let fate = Fate::Deleted(&live);
            action.dangers = danger::of(&Scene { gvk: &item.gvk, fate, before: others, after: others });
        }
        action.verb = verb;
        action.why = why;
        Ok(Left { action, task })
    }

    async fn decide(&self, item: &Item, reference: &ObjectRef, live: &Node) -> Result<(Verb, String), Trouble> {
        let seen = live::seen(live);
        let say = |verb, why: &str| Ok((verb, why.to_owned()));
        if self.staying_uids.contains(&seen.uid) {
            return say(Verb::Forget, "it is declared in another group of its kind");
        }
        if !item.uid.is_empty() && item.uid != seen.uid {
            return say(Verb::Forget, "it is gone, and another object has its name");
        }
        if let Some(to) = self.taker(reference) {
            return Ok((Verb::HandOver { to: to.clone() }, format!("application `{to}` declares it now")));
        }
        let part_of = live::part_of(live);
        if !part_of.is_empty() && part_of != self.parent.name.id() {
            return say(Verb::Forget, "it is part of another ApplySet by now");
        }
        if let Some(why) = self.ground.trackers.refusal(reference, live) {
            return Ok((if self.slice.is_none() { Verb::Release } else { Verb::Keep }, why));
        }
        if let Some(controller) = live::controller(live) {
            return Ok((Verb::Release, format!("it belongs to {controller}")));
        }
        if !live::is_managed_by_us(live) {
            return say(Verb::Release, "our field manager owns nothing of it any more");
        }
        if item.uid.is_empty() && (part_of.is_empty() || !is_applied_by_us(live)) {
            return say(Verb::Release, "that we made it was never confirmed");
        }
        if let Some(why) = self.is_released(reference) {
            return Ok((Verb::Release, why));
        }
        let options = ObjectOptions::of(&self.policy.sync_options, live);
        if let Some(found) = self.by_policy(reference, options) {
            return Ok(found);
        }
        if let Some(why) = self.protected(item, reference, live).await? {
            // What a removed application leaves behind has no inventory to stay in.
            return Ok((if self.slice.is_none() { Verb::Release } else { Verb::Keep }, why));
        }
        Ok((Verb::Delete(self.policy.propagation), String::new()))
    }

    /// The other application that declares an object now.
    fn taker(&self, reference: &ObjectRef) -> Option<&AppKey> {
        let own = &self.parent.key.application;
        let wanted = self.ground.wanted.get(reference).filter(|app| *app != own);
        wanted.or_else(|| self.slice?.yields.iter().find(|(object, _)| object == reference).map(|(_, app)| app))
    }

    fn is_released(&self, reference: &ObjectRef) -> Option<String> {
        match self.slice {
            Some(slice) => slice.released.contains(reference).then(|| {
                "it is rendered still, but no longer applied (excluded, or it declares a part of the fleet)".to_owned()
            }),
            None => match self.ground.options.leaving {
                LeavingObjects::Release => Some("its cluster leaves the fleet and keeps what it has".to_owned()),
                LeavingObjects::Drain => None,
                LeavingObjects::Policy => (!self.policy.cascade && self.ground.options.prune != Prune::Never)
                    .then(|| "its application is gone and had no resources finalizer, so what it had stays".to_owned()),
            },
        }
    }

    fn by_policy(&self, reference: &ObjectRef, options: ObjectOptions) -> Option<(Verb, String)> {
        let keep = |why: &str| Some((Verb::Keep, why.to_owned()));
        if self.slice.is_none() && self.ground.options.prune == Prune::Never {
            return keep("--prune never");
        }
        if self.slice.is_none() {
            let release = |why: &str| Some((Verb::Release, why.to_owned()));
            return match options.delete {
                Approval::No => release("it says that it stays when its application goes"),
                Approval::Confirm => release("it says Delete=confirm, and nobody can confirm it here"),
                Approval::Yes if reference.kind == "CustomResourceDefinition" => {
                    release("definitions stay when their application goes, as in Argo CD")
                }
                Approval::Yes => None,
            };
        }
        match (options.prune, self.ground.options.prune) {
            (Approval::No, _) => keep("it says Prune=false"),
            (Approval::Confirm, Prune::Always) => None,
            (Approval::Confirm, _) => keep("it says Prune=confirm: `--prune always` confirms"),
            (_, Prune::Never) => keep("--prune never"),
            (_, Prune::Policy) if !self.policy.prune => keep("prune off"),
            _ => None,
        }
    }

    /// Why an object may not be deleted by its kind; `None` where it may.
    async fn protected(&self, item: &Item, reference: &ObjectRef, live: &Node) -> Result<Option<String>, Trouble> {
        let Some((.., why)) = PROTECTED.iter().find(|(group, kind, _)| item.gvk.is(group, kind)) else {
            return Ok(None);
        };
        let is_namespace = item.gvk.is("", "Namespace");
        if is_namespace
            && (SYSTEM.contains(&reference.name.as_str()) || reference.name == self.parent.name.namespace.as_str())
        {
            return Ok(Some("it is a namespace of the system".to_owned()));
        }
        if !self.ground.options.allow_delete.contains(&item.gvk.to_string()) {
            if let Some((group, kind)) = defined_kind(live)
                && self.instances(&group, &kind, live).await?.is_none()
            {
                return Ok(None);
            }
            return Ok(Some(format!("{why}: `--allow-delete {}` allows it", item.gvk)));
        }
        if is_namespace {
            return Ok(self
                .in_use(&reference.name)
                .await?
                .map(|what| format!("{what} is in it, which is not this application's")));
        }
        if let Some((group, kind)) = defined_kind(live) {
            return Ok(self
                .instances(&group, &kind, live)
                .await?
                .map(|what| format!("{what} is of its kind, and not this application's")));
        }
        Ok(None)
    }

    /// An object of a kind that is not this slice's.
    async fn instances(&self, group: &str, kind: &str, definition: &Node) -> Result<Option<String>, Trouble> {
        let versions = definition.at(&["spec", "versions"]).and_then(Node::as_seq).unwrap_or_default();
        let served = versions.iter().find(|version| version.get("served").and_then(Node::as_bool) == Some(true));
        let Some(version) = served.map(|version| version.str_at(&["name"])) else { return Ok(None) };
        let resource = Resource {
            gvk: Gvk { group: group.into(), version: version.into(), kind: kind.into() },
            plural: definition.str_at(&["spec", "names", "plural"]).into(),
            namespaced: definition.str_at(&["spec", "scope"]) == "Namespaced",
            verbs: Vec::new(),
        };
        self.stranger(&resource, "").await
    }

    /// An object in a namespace that is not this slice's.
    async fn in_use(&self, namespace: &str) -> Result<Option<String>, Trouble> {
        let everything = kinds::everything(self.talk).await?;
        let asked = everything.iter().filter(|resource| {
            let always = ALWAYS_THERE.iter().any(|(group, kind)| resource.gvk.is(group, kind));
            resource.namespaced && resource.can("list") && !always
        });
        let found = all(self.talk.limit(), asked.map(|resource| self.stranger(resource, namespace))).await;
        for found in found {
            if let Some(what) = found? {
                return Ok(Some(what));
            }
        }
        Ok(None)
    }

    /// The first object of a kind that is neither this slice's nor something's child nor what every namespace has.
    async fn stranger(&self, resource: &Resource, namespace: &str) -> Result<Option<String>, Trouble> {
        let objects = match list(self.talk, &resource.collection(namespace), "").await? {
            Listed::Items(objects) => objects,
            Listed::Forbidden(_) => return Ok(Some(format!("some {} that we may not list", resource.gvk))),
        };
        let leaving = self.parent.items.iter().map(item_reference).filter(|item| !self.staying.contains(item));
        let own: BTreeSet<ObjectRef> = leaving.collect();
        let stranger = objects.iter().find(|object| {
            let reference = live::reference(&resource.gvk, object);
            let given = matches!(
                (reference.kind.as_str(), reference.name.as_str()),
                ("ServiceAccount", "default")
                    | ("ConfigMap", "kube-root-ca.crt" | "openshift-service-ca.crt" | "istio-ca-root-cert")
            );
            !given && live::controller(object).is_none() && !own.contains(&reference)
        });
        Ok(stranger.map(|object| live::reference(&resource.gvk, object).to_string()))
    }

    /// Whether it is a ConfigMap or Secret with the hash of its content in its name (kustomize's generators) that nothing refers to any more.
    fn is_unused_hashed(&self, reference: &ObjectRef) -> bool {
        let (Some(slice), "") = (self.slice, reference.group.as_str()) else { return false };
        if !matches!(reference.kind.as_str(), "ConfigMap" | "Secret") || !has_hash(&reference.name) {
            return false;
        }
        let quoted = format!("\"{}\"", reference.name);
        !slice.objects.iter().any(|object| object.json.contains(&quoted))
    }
}

/// Whether a name ends as kustomize's generators make it: ten of the letters that its hashes are spelled with (api/hasher).
fn has_hash(name: &str) -> bool {
    const LETTERS: &str = "bcdfghkmt2456789";
    let Some((stem, hash)) = name.rsplit_once('-') else { return false };
    !stem.is_empty() && hash.len() == 10 && hash.chars().all(|c| LETTERS.contains(c))
}

fn is_applied_by_us(live: &Node) -> bool {
    live::entries_of(live, crate::inventory::FIELD_MANAGER).any(|entry| entry.str_at(&["operation"]) == "Apply")
}

/// Why a slice may not be emptied: it declares nothing any more, and does not say that this is meant.
pub(super) fn empty_set(slice: &DesiredSlice, policy: &Policy, allowed: bool, left: &[Left]) -> Option<String> {
    let declares = slice.objects.iter().any(super::desired::Desired::is_plain);
    let deletions = left.iter().filter(|left| matches!(left.action.verb, Verb::Delete(_))).count();
    if declares || deletions == 0 || policy.allow_empty || allowed {
        return None;
    }
    Some(format!(
        "it declares nothing any more, and {deletions} of its objects would be deleted: `allowEmpty: true` in its automated sync policy allows it"
    ))
}
