//! One desired object against the cluster: is there anything to do, and what would the server make of it?
//!
//! An object whose configuration and whose fields of ours are what the inventory recorded needs no question. For all others the server says by
//! a dry run what it would do; nothing is guessed. Whose object it is, is decided here, too: what another ApplySet, another application that
//! still declares it, or a controller owns is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smol_str::SmolStr;

use super::action::{Action, Same, Verb};
use super::desired::{Desired, DesiredSlice};
use super::difference;
use super::ground::Ground;
use super::live;
use super::members::{self, Members};
use super::predict;
use super::stored;
use super::talk::{Talk, Trouble, about, is_untyped, message, node};
use crate::api::{Content, Method, Request, Resource, Response};
use crate::application::AppKey;
use crate::bundle::ObjectRef;
use crate::danger::{self, Dangers, Fate, Scene};
use crate::digest::Digest;
use crate::inventory::{FIELD_MANAGER, Item};
use crate::k8s::conflict::{self, Conflict, Decision};
use crate::k8s::fields::{applied::applied, edit, managers, path_text};
use crate::k8s::ignore::{Ignore, noise};
use crate::k8s::object::Gvk;
use crate::yaml::{Node, json};

/// What became of an object.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing is to be done.
    Same(Same),
    /// Something is.
    Do(Box<Action>),
}

/// What probing the objects of a slice needs.
pub(super) struct Probe<'a> {
    pub(super) talk: &'a Talk,
    pub(super) ground: &'a Ground,
    pub(super) slice: &'a DesiredSlice,
    /// What the inventory lists.
    pub(super) items: &'a BTreeMap<ObjectRef, &'a Item>,
    pub(super) members: &'a Members,
    /// Namespaces that this plan brings and that are not there yet.
    pub(super) missing: &'a BTreeSet<SmolStr>,
    pub(super) conflicts: &'a conflict::Policy,
    /// Differences that do not count.
    pub(super) ignore: &'a Ignore,
}

/// Kinds that are made anew only where `Force=true` says so: data, addresses or everything below them would be lost.
const NEVER_ANEW: [(&str, &str); 8] = [
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apps", "StatefulSet"),
    ("", "Node"),
    ("snapshot.storage.k8s.io", "VolumeSnapshot"),
    ("snapshot.storage.k8s.io", "VolumeSnapshotContent"),
];

/// What the server says where a field cannot be changed (apimachinery validation and the strategies of the built-in kinds).
const IMMUTABLE: [&str; 7] = [
    "field is immutable",
    "may not be changed",
    "may not change once set",
    "cannot change",
    "is immutable after creation",
    "updates to statefulset spec for fields other than",
    "updates to parameters are forbidden",
];

/// The name under which an object is tried in a place that is not its own. No server keeps it.
const STAND_IN: &str = "fleetc-dry-run";

impl Probe<'_> {
    /// What names an object on this cluster: a cluster-scoped kind has no namespace, whatever is written.
    pub(super) fn reference(&self, desired: &Desired) -> ObjectRef {
        let mut reference = desired.reference();
        if self.ground.kinds.exact(&desired.gvk).is_some_and(|resource| !resource.namespaced) {
            reference.namespace = SmolStr::default();
        }
        reference
    }

    fn action(&self, at: usize, desired: &Desired, verb: Verb) -> Box<Action> {
        let mut action = Action::new(self.reference(desired), desired.gvk.clone(), verb);
        action.desired = Some(at);
        if matches!(action.verb, Verb::Create | Verb::Unknown) {
            action.dangers = self.dangers(&desired.gvk, Fate::Created(&desired.body));
        }
        Box::new(action)
    }

    /// What is dangerous about what happens to an object of the slice.
    fn dangers(&self, gvk: &Gvk, fate: Fate<'_>) -> Dangers {
        danger::of(&Scene { gvk, fate, before: self.slice, after: self.slice })
    }

    fn refuse(&self, at: usize, desired: &Desired, why: impl Into<String>) -> Found {
        Found::Do(self.refusal(at, desired, why))
    }

    fn refusal(&self, at: usize, desired: &Desired, why: impl Into<String>) -> Box<Action> {
        let mut action = self.action(at, desired, Verb::Refuse);
        action.why = why.into();
        action
    }

    /// Looks at one object that is no hook.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub(super) async fn plain(&self, at: usize, desired: &Desired) -> Result<Found, Trouble> {
        let resource = match self.resource(at, desired) {
            Ok(resource) => resource,
            Err(found) => return Ok(*found),
        };
        if let Some(manager) = &self.ground.options.compare_as {
            return self.as_other(at, desired, resource, manager).await;
        }
        let reference = self.reference(desired);
        let item = self.items.get(&reference).copied();
        let listed = self.members.get(&reference);
        if let (Some(item), Some(listed)) = (item, listed)
            && is_as_recorded(item, desired, listed)
        {
            return Ok(Found::Same(Same { desired: at, uid: item.uid.clone() }));
        }
        let live = match listed {
            Some(live) => Some(live.clone()),
            None if item.is_some() || desired.options.replace || self.ground.options.read_only => {
                members::read(self.talk, resource, &reference).await?
            }
            None => None,
        };
        if let Some(live) = &live
            && live::is_going(live)
        {
            let mut action = self.action(at, desired, Verb::Create);
            action.live = Some(live::seen(live));
            action.why = "it is being deleted, and is made anew when it is gone".to_owned();
            return Ok(Found::Do(action));
        }
        if let Some(why) = live.as_ref().and_then(|live| stored::lost(&desired.gvk, &desired.body, live)) {
            return Ok(self.refuse(at, desired, why));
        }
        match live {
            live if self.ground.options.read_only => Ok(self.foreseen(at, desired, item, live.as_ref())),
            Some(live) if desired.options.with_live(&live).replace => {
                self.overwritten(at, desired, resource, item, &live).await
            }
            live => self.dry_run(at, desired, resource, item, live).await,
        }
    }

    /// The resource of an object, or what is to be said where there is none.
    fn resource(&self, at: usize, desired: &Desired) -> Result<&Resource, Box<Found>> {
        if let Some(problem) = &desired.problem {
            return Err(Box::new(self.refuse(at, desired, problem.as_str())));
        }
        let gvk = &desired.gvk;
        let Some(resource) = self.ground.kinds.exact(gvk) else {
            let brought = self.ground.defines.contains(&(gvk.group.to_string(), gvk.kind.to_string()));
            if brought || desired.options.skip_dry_run {
                let mut action = self.action(at, desired, Verb::Unknown);
                action.why = match brought {
                    true => format!("the definition of its kind {gvk} comes with this plan"),
                    false => {
                        format!("its kind {gvk} is not served yet, and SkipDryRunOnMissingResource says to wait for it")
                    }
                };
                return Err(Box::new(Found::Do(action)));
            }
            let other = self.ground.kinds.any(gvk).map(|other| format!(", but `{}`", other.gvk.api_version()));
            let other = other.unwrap_or_default();
            let why = format!("the cluster does not serve {} `{}`{other}", gvk.kind, gvk.api_version());
            return Err(Box::new(self.refuse(at, desired, why)));
        };
        if resource.namespaced && desired.namespace.is_empty() {
            let why = "it names no namespace, and neither does the destination of its application";
            return Err(Box::new(self.refuse(at, desired, why)));
        }
        Ok(resource)
    }

    /// The request that would apply an object.
    fn apply(&self, path: String, body: Arc<str>, force: bool) -> Request {
        let request = Request::new(Method::Patch, path).with("fieldManager", FIELD_MANAGER).with("dryRun", "All");
        let request = if force { request.with("force", "true") } else { request };
        request.body(Content::Apply, body).acting_as(&self.slice.impersonate)
    }

    async fn dry_run(
        &self,
        at: usize,
        desired: &Desired,
        resource: &Resource,
        item: Option<&Item>,
        mut live: Option<Node>,
    ) -> Result<Found, Trouble> {
        if self.missing.contains(&desired.namespace) && resource.namespaced {
            return self.simulated(at, desired, resource, Verb::Create).await;
        }
        let path = resource.object(&desired.namespace, &desired.name);
        let (mut body, mut force, mut yields) = (desired.json.clone(), false, Vec::new());
        for _ in 0..4 {
            let response = self.talk.ask(self.apply(path.clone(), body.clone(), force)).await?;
            match response.status {
                201 => return Ok(self.created(at, desired, item)),
                200 => {
                    let result = node(&response, &path)?;
                    let live = match live {
                        Some(live) => live,
                        None => match members::read(self.talk, resource, &self.reference(desired)).await? {
                            Some(live) => live,
                            None => return Err(Trouble(format!("{path}: it came and went while it was looked at"))),
                        },
                    };
                    let found = self.compare(at, desired, item, &live, &result);
                    return Ok(found.with(Settled { body, force, yields }, desired));
                }
                409 if !force => {
                    let Some(conflicts) = node(&response, &path).ok().and_then(|status| conflict::read(&status)) else {
                        return Ok(self.refuse(at, desired, about(&desired.gvk, &response)));
                    };
                    if live.is_none() {
                        live = members::read(self.talk, resource, &self.reference(desired)).await?;
                    }
                    let Some(live) = &live else { continue };
                    // Whose it is says more than that the label of membership cannot be set.
                    if let Err(why) = self.whose(desired, item, live) {
                        return Ok(self.refuse(at, desired, why));
                    }
                    match self.settle(&desired.gvk, &body, &conflicts, live) {
                        Ok(settled) => {
                            body = settled.body;
                            force = settled.force;
                            yields.extend(settled.yields);
                        }
                        Err(why) => return Ok(self.refuse(at, desired, why)),
                    }
                }
                _ => return self.refused(at, desired, resource, live, &response).await,
            }
        }
        Ok(self.refuse(at, desired, "other managers hold its fields, and each time others"))
    }

    /// The answer about an object that is not there yet.
    fn created(&self, at: usize, desired: &Desired, item: Option<&Item>) -> Found {
        let mut action = self.action(at, desired, Verb::Create);
        if item.is_some() {
            action.why = "it is in the inventory, but no longer on the cluster".to_owned();
        }
        Found::Do(action)
    }

    /// What would become of an object, where nothing may be asked but reads.
    fn foreseen(&self, at: usize, desired: &Desired, item: Option<&Item>, live: Option<&Node>) -> Found {
        let Some(live) = live else { return self.created(at, desired, item) };
        let mut settled = Settled { body: desired.json.clone(), force: false, yields: Vec::new() };
        let mut body = desired.body.clone();
        for _ in 0..4 {
            let found = predict::predicted(&body, live, FIELD_MANAGER);
            if settled.force || found.conflicts.is_empty() {
                return self.compare(at, desired, item, live, &found.result).with(settled, desired);
            }
            if let Err(why) = self.whose(desired, item, live) {
                return self.refuse(at, desired, why);
            }
            match self.settle(&desired.gvk, &settled.body, &found.conflicts, live) {
                Ok(mut more) => {
                    more.yields.splice(0..0, settled.yields);
                    settled = more;
                }
                Err(why) => return self.refuse(at, desired, why),
            }
            body = json::parse(crate::span::FileId::NONE, settled.body.as_bytes()).unwrap_or(body);
        }
        self.refuse(at, desired, "other managers hold its fields, and each time others")
    }

    /// What would change if another manager applied the object (`--compare-as`): whose it is does not count, nor does what is ours.
    async fn as_other(
        &self,
        at: usize,
        desired: &Desired,
        resource: &Resource,
        manager: &str,
    ) -> Result<Found, Trouble> {
        let Some(live) = members::read(self.talk, resource, &self.reference(desired)).await? else {
            return Ok(self.created(at, desired, None));
        };
        let body = live::without_membership(&desired.body);
        let result = if self.ground.options.read_only {
            predict::predicted(&body, &live, manager).result
        } else {
            let path = resource.object(&desired.namespace, &desired.name);
            let text = json::to_json(&body).map_err(|_| Trouble(format!("{path}: it has no JSON")))?;
            let request = Request::new(Method::Patch, path.clone()).with("fieldManager", manager).with("dryRun", "All");
            let request = request.with("force", "true").body(Content::Apply, text).acting_as(&self.slice.impersonate);
            let response = self.talk.ask(request).await?;
            if !response.is_success() {
                return self.refused(at, desired, resource, Some(live), &response).await;
            }
            predict::without_left(&node(&response, &path)?, &body, &live, manager)
        };
        let changes = self.counted(desired, &live, &result);
        let seen = live::seen(&live);
        if changes.is_empty() {
            return Ok(Found::Same(Same { desired: at, uid: seen.uid }));
        }
        let mut action = self.action(at, desired, Verb::Change);
        action.live = Some(seen);
        action.changes = changes;
        action.dangers = self.dangers(&desired.gvk, Fate::Changed(&live, &result));
        Ok(Found::Do(action))
    }

    /// The differences that count: neither what the application or argocd-cm says to ignore, nor another way to write the same.
    fn counted(&self, desired: &Desired, live: &Node, result: &Node) -> Vec<super::difference::ChangedField> {
        let managers = managers(live).unwrap_or_default();
        let prepared = |object: &Node| {
            let mut object = object.clone();
            self.ignore.remove(&mut object, &managers);
            noise::quiet(&mut object, self.ignore.aggregated_roles);
            object
        };
        difference::between(&desired.gvk, &prepared(live), &prepared(result))
    }

    /// What is done about fields of others: left out of what is sent, or taken.
    fn settle(&self, gvk: &Gvk, body: &Arc<str>, conflicts: &[Conflict], live: &Node) -> Result<Settled, String> {
        let mut object =
            json::parse(crate::span::FileId::NONE, body.as_bytes()).map_err(|_| "it is no JSON".to_owned())?;
        let paths = applied(&object, None).paths();
        let mut reduced = object.clone();
        self.ignore.remove(&mut reduced, &managers(live).unwrap_or_default());
        let (mut yields, mut fails, mut force) = (Vec::new(), Vec::new(), false);
        for conflict in conflicts {
            let path = paths.iter().find(|path| path_text(path) == conflict.field);
            // Whatever the rules say: nobody takes what he says to ignore.
            let decision = match path {
                Some(path) if edit::get(&reduced, path).is_none() => {
                    Decision::Yield("named by ignoreDifferences".to_owned())
                }
                _ => self.conflicts.decide(gvk, conflict),
            };
            match decision {
                Decision::Take => force = true,
                Decision::Fail(why) => fails.push(format!("{}: {why}", conflict.field)),
                Decision::Yield(why) => {
                    // Several managers may hold one field.
                    if let Some(path) = path
                        && (edit::remove(&mut object, path) || edit::get(&object, path).is_none())
                    {
                        yields.push(format!("{} is {why}", conflict.field));
                    } else {
                        fails.push(format!("{}: {why}, but the field cannot be left out by itself", conflict.field));
                    }
                }
            }
        }
        if !fails.is_empty() {
            fails.sort();
            fails.dedup();
            return Err(fails.join("; "));
        }
        let body = json::to_json(&object).map_err(|_| "it has no JSON".to_owned())?.into();
        Ok(Settled { body, force, yields })
    }

    /// The live object against what it would be.
    fn compare(&self, at: usize, desired: &Desired, item: Option<&Item>, live: &Node, result: &Node) -> Found {
        let seen = live::seen(live);
        let ours = live::part_of(live) == self.slice.parent.id();
        let verb = match self.whose(desired, item, live) {
            Ok(verb) => verb,
            Err(why) => {
                let mut action = self.refusal(at, desired, why);
                action.live = Some(seen);
                return Found::Do(action);
            }
        };
        let mut action = self.action(at, desired, verb.unwrap_or(Verb::Change));
        // That it becomes a member is what the other verbs say.
        let changes = match action.verb {
            Verb::Change => self.counted(desired, live, result),
            _ => self.counted(desired, &live::without_membership(live), &live::without_membership(result)),
        };
        if !changes.is_empty() {
            action.dangers = self.dangers(&desired.gvk, Fate::Changed(live, result));
        }
        if action.verb == Verb::Adopt
            && let Some(app) = live::tracked_by(live).filter(|app| self.ground.trackers.is_gone(app))
        {
            let message = format!(
                "an Argo CD tracks it as part of `{app}`, which was not found here: `--management-context` names where it runs"
            );
            action.dangers.add("danger/adopted-from", message);
        }
        if action.verb == Verb::Change && ours && changes.is_empty() {
            let owned = live::owned_digest(live);
            let ignored = || !difference::between(&desired.gvk, live, result).is_empty();
            if owned.is_some() && (owned == live::owned_digest(result) || ignored()) {
                let recorded = item.is_some_and(|item| {
                    item.uid == seen.uid && item.applied == Some(desired.digest) && item.owned == owned
                });
                if recorded {
                    return Found::Same(Same { desired: at, uid: seen.uid });
                }
                action.verb = Verb::Note;
            } else {
                action.why = "its values stay, but who owns the fields changes".to_owned();
            }
        }
        action.live = Some(seen);
        action.changes = changes;
        Found::Do(action)
    }

    /// Whose a live object is: `None` where it is ours already, else how it becomes ours.
    fn whose(&self, desired: &Desired, item: Option<&Item>, live: &Node) -> Result<Option<Verb>, String> {
        let reference = self.reference(desired);
        if let Some(why) = self.ground.trackers.refusal(&reference, live) {
            return Err(why);
        }
        let part_of = live::part_of(live);
        if part_of == self.slice.parent.id() {
            return Ok(None);
        }
        let owner = match part_of {
            "" => self.ground.owners.get(&reference),
            id => match self.ground.ids.get(id) {
                Some(owner) => Some(owner),
                None => return Err(format!("it is part of another ApplySet, `{id}`")),
            },
        };
        if let Some(owner) = owner.filter(|owner| **owner != self.slice.key.application) {
            return self.from(owner, &reference).map(Some);
        }
        if item.is_some() {
            // Somebody took the label off.
            return Ok(None);
        }
        if let Some(controller) = live::controller(live) {
            return Err(format!("it exists and belongs to {controller}, which would change it back"));
        }
        let tracked = live::tracked_by(live);
        if desired.options.fail_on_shared
            && tracked.as_ref().is_some_and(|app| *app != self.slice.key.application.name.as_str())
        {
            let app = tracked.unwrap_or_default();
            return Err(format!("it exists and Argo CD tracks it as part of `{app}` (FailOnSharedResource)"));
        }
        Ok(Some(Verb::Adopt))
    }

    /// Taking an object over from another application of the fleet.
    fn from(&self, owner: &AppKey, reference: &ObjectRef) -> Result<Verb, String> {
        match self.ground.wanted.get(reference) {
            Some(wanting) if wanting == owner => Err(format!("application `{owner}` declares it, too")),
            _ if self.ground.silent.contains(owner) => {
                Err(format!("application `{owner}` has it, and whether it still declares it is not known now"))
            }
            _ => Ok(Verb::TakeOver { from: owner.clone() }),
        }
    }

    /// An object with `Replace=true` that exists.
    async fn overwritten(
        &self,
        at: usize,
        desired: &Desired,
        resource: &Resource,
        item: Option<&Item>,
        live: &Node,
    ) -> Result<Found, Trouble> {
        let seen = live::seen(live);
        let path = resource.object(&desired.namespace, &desired.name);
        let mut body = desired.body.clone();
        if let Some(metadata) = body.get_mut("metadata").and_then(Node::map_mut) {
            metadata.insert("resourceVersion", Node::str(seen.resource_version.clone()));
        }
        let text = json::to_json(&body).map_err(|_| Trouble(format!("{path}: it has no JSON")))?;
        let request = Request::new(Method::Put, path.clone()).with("fieldManager", FIELD_MANAGER).with("dryRun", "All");
        let request = request.body(Content::Json, text).acting_as(&self.slice.impersonate);
        let response = self.talk.ask(request).await?;
        if !response.is_success() {
            return self.refused(at, desired, resource, Some(live.clone()), &response).await;
        }
        let result = node(&response, &path)?;
        Ok(match self.compare(at, desired, item, live, &result) {
            Found::Do(mut action) if action.verb == Verb::Change => {
                action.verb = Verb::Overwrite;
                Found::Do(action)
            }
            found => found,
        })
    }

    /// What a refusal of the server means.
    async fn refused(
        &self,
        at: usize,
        desired: &Desired,
        resource: &Resource,
        live: Option<Node>,
        response: &Response,
    ) -> Result<Found, Trouble> {
        let text = message(response);
        let kind = node(response, "").ok().map(|status| status.str_at(&["details", "kind"]).to_owned());
        match response.status {
            404 if kind.as_deref() == Some("namespaces") => {
                let namespace = &desired.namespace;
                if self.ground.brings.contains(namespace) {
                    return self.simulated(at, desired, resource, Verb::Create).await;
                }
                let why = format!("its namespace `{namespace}` does not exist, and nothing in the plan brings it");
                Ok(self.refuse(at, desired, why))
            }
            403 if text.contains("error looking up service account") => {
                let mut action = self.action(at, desired, Verb::Unknown);
                action.why = "the ServiceAccount that it names is not there yet".to_owned();
                Ok(Found::Do(action))
            }
            422 => {
                let fields = immutable_fields(response);
                if fields.is_empty() {
                    return Ok(self.refuse(at, desired, about(&desired.gvk, response)));
                }
                let live = match live {
                    Some(live) => Some(live),
                    None => members::read(self.talk, resource, &self.reference(desired)).await?,
                };
                let Some(live) = live else { return Ok(self.refuse(at, desired, about(&desired.gvk, response))) };
                Ok(self.anew(at, desired, &live, &fields))
            }
            500.. if !text.contains("webhook") && !is_untyped(response) => {
                Err(Trouble(format!("{}: {}", self.reference(desired), about(&desired.gvk, response))))
            }
            401 => Err(Trouble(format!("the credentials are not accepted: {text}"))),
            429 => Err(Trouble(format!("the server is too busy: {text}"))),
            _ => Ok(self.refuse(at, desired, about(&desired.gvk, response))),
        }
    }

    /// An object of which something differs that cannot be changed.
    fn anew(&self, at: usize, desired: &Desired, live: &Node, fields: &[String]) -> Found {
        let listed = fields.join(", ");
        let whose = self.whose(desired, None, live);
        let options = desired.options.with_live(live);
        let why = match whose {
            Err(why) => why,
            Ok(Some(_)) => format!("{listed} cannot be changed, and the object is not ours to be deleted"),
            Ok(None) if NEVER_ANEW.iter().any(|(group, kind)| desired.gvk.is(group, kind)) && !options.force => {
                format!(
                    "{listed} cannot be changed, and a {} is made anew only with the sync option Force=true",
                    desired.gvk.kind
                )
            }
            Ok(None) => {
                let mut action = self.action(at, desired, Verb::Recreate);
                action.live = Some(live::seen(live));
                action.changes = difference::beyond(&desired.gvk, live, &desired.body);
                action.dangers = self.dangers(&desired.gvk, Fate::Remade(live, &desired.body));
                let message = format!("it is deleted and made anew, since {listed} cannot be changed");
                action.dangers.add("danger/made-anew", message);
                return Found::Do(action);
            }
        };
        self.refuse(at, desired, why)
    }

    /// Tries an object whose namespace does not exist in another one, under another name.
    async fn simulated(&self, at: usize, desired: &Desired, resource: &Resource, verb: Verb) -> Result<Found, Trouble> {
        let name = format!(
            "{STAND_IN}-{}",
            Digest::of(desired.reference().to_string().as_bytes()).hex().get(..12).unwrap_or_default()
        );
        let namespace = if resource.namespaced && (self.missing.contains(&desired.namespace) || desired.is_plain()) {
            "default".to_owned()
        } else {
            desired.namespace.to_string()
        };
        let mut body = desired.body.clone();
        if let Some(metadata) = body.get_mut("metadata").and_then(Node::map_mut) {
            metadata.insert("name", Node::str(name.as_str()));
            metadata.remove("generateName");
            if resource.namespaced {
                metadata.insert("namespace", Node::str(namespace.as_str()));
            }
        }
        let text = json::to_json(&body).map_err(|_| Trouble(format!("{}: it has no JSON", desired.reference())))?;
        let response = self.talk.ask(self.apply(resource.object(&namespace, &name), text.into(), false)).await?;
        let text = message(&response);
        let passes = response.is_success()
            // What is not there in the stand-in's place may be in its own.
            || (response.status == 403 && text.contains("error looking up service account"))
            || (response.status == 404 && self.ground.brings.contains(&desired.namespace));
        if passes {
            return Ok(Found::Do(self.action(at, desired, verb)));
        }
        match response.status {
            500.. if !text.contains("webhook") && !is_untyped(&response) => {
                Err(Trouble(format!("{}: {}", desired.reference(), about(&desired.gvk, &response))))
            }
            401 | 429 => Err(Trouble(format!("{}: {text}", desired.reference()))),
            _ => Ok(self.refuse(at, desired, about(&desired.gvk, &response))),
        }
    }

    /// Looks at a hook: it is made anew each time it runs, so only whether the server would take it counts.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub(super) async fn hook(&self, at: usize, desired: &Desired) -> Result<Found, Trouble> {
        match self.resource(at, desired) {
            Ok(_) if self.ground.options.read_only => Ok(Found::Do(self.action(at, desired, Verb::Hook))),
            Ok(resource) => self.simulated(at, desired, resource, Verb::Hook).await,
            Err(found) => Ok(match *found {
                Found::Do(mut action) if action.verb == Verb::Unknown => {
                    action.verb = Verb::Hook;
                    Found::Do(action)
                }
                found => found,
            }),
        }
    }
}

impl Found {
    /// With what was decided about fields of others.
    fn with(self, settled: Settled, desired: &Desired) -> Found {
        match self {
            Found::Do(mut action) => {
                action.force = settled.force;
                action.body = (settled.body != desired.json).then_some(settled.body);
                action.yields = settled.yields;
                Found::Do(action)
            }
            same => same,
        }
    }
}

/// How conflicts were settled.
struct Settled {
    body: Arc<str>,
    force: bool,
    yields: Vec<String>,
}

/// Whether an object is as the inventory recorded it and as it should be, so that nobody need be asked.
fn is_as_recorded(item: &Item, desired: &Desired, live: &Node) -> bool {
    item.applied == Some(desired.digest)
        && item.owned.is_some()
        && item.uid == live::seen(live).uid
        && !live::is_going(live)
        && item.owned == live::owned_digest(live)
        && (!desired.gvk.is("", "Secret") || live::same_secret_values(&desired.body, live))
}

/// The fields that a refusal says cannot be changed.
fn immutable_fields(response: &Response) -> Vec<String> {
    let all = response.causes();
    let is_immutable = |text: &str| IMMUTABLE.iter().any(|words| text.contains(words));
    if all.iter().any(|cause| !is_immutable(&cause.message)) {
        // Something else is wrong, too: made anew it would be refused as well.
        return Vec::new();
    }
    let mut fields: Vec<String> = all.into_iter().map(|cause| format!("`{}`", cause.field)).collect();
    fields.dedup();
    fields
}
