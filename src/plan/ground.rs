//! What all slices of a cluster stand on: which cluster it is, what it serves, and which parents of the fleet lie there.
//!
//! From the parents follows who owns what, and which applications are gone. A parent that cannot be understood is said and stops its slice;
//! it never counts as an empty inventory.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::desired::{DesiredSlice, SliceState};
use super::input::{ClusterInput, Options};
use super::kinds::Kinds;
use super::live;
use super::order::defined_kind;
use super::record::Record;
use super::talk::{Talk, Trouble, node, refused};
use super::tracker::Trackers;
use crate::api::{Request, encode};
use crate::application::AppKey;
use crate::bundle::{ALL_API_VERSIONS, FactsRecord, ObjectRef};
use crate::cluster::Facts;
use crate::inventory::{Item, Parent, ParentName, SLICE_LABEL, SliceKey};
use crate::k8s::conflict;
use crate::k8s::object::Gvk;
use crate::yaml::Node;

/// What is known of a cluster before its objects are looked at.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// `metadata.name` of fleet.yaml.
    pub fleet: String,
    /// Name of the cluster.
    pub cluster: String,
    /// UID of its kube-system namespace.
    pub identity: String,
    /// Its version: `1.34.1`.
    pub version: String,
    /// What it serves, as far as the plan is about it.
    pub kinds: Kinds,
    /// The parents of the fleet, by application.
    pub parents: BTreeMap<AppKey, Parent>,
    /// Parents that cannot be understood, and why.
    pub broken: BTreeMap<ParentName, String>,
    /// Which application declares which object.
    pub wanted: BTreeMap<ObjectRef, AppKey>,
    /// Which application's inventory lists which object.
    pub owners: BTreeMap<ObjectRef, AppKey>,
    /// Which application a parent's id stands for.
    pub ids: BTreeMap<String, AppKey>,
    /// Namespaces that the slices bring.
    pub brings: BTreeSet<SmolStr>,
    /// Group and kind of the definitions that the slices bring.
    pub defines: BTreeSet<(String, String)>,
    /// Every application that the fleet has on the cluster.
    pub known: BTreeSet<AppKey>,
    /// Applications of which it is not known now what they declare: held, refused, or left out by a filter.
    pub silent: BTreeSet<AppKey>,
    /// What renders of this cluster were told.
    pub facts: Facts,
    /// `data` of argocd-cm, by instance.
    pub settings: BTreeMap<String, Node>,
    /// Rules of the fleet for fields that others own.
    pub conflicts: Vec<conflict::Rule>,
    /// Live Applications that go to the cluster.
    pub trackers: Trackers,
    /// Choices.
    pub options: Options,
}

impl Ground {
    /// Asks the cluster.
    ///
    /// # Errors
    /// It does not answer, does not accept us, or does not show the parents.
    pub async fn load(talk: &Talk, input: &ClusterInput) -> Result<Ground, Trouble> {
        let system = talk.read(Request::get("/api/v1/namespaces/kube-system")).await?;
        let identity = system.as_ref().map(|node| live::seen(node).uid.to_string()).unwrap_or_default();
        if identity.is_empty() {
            return Err(Trouble(
                "it has no kube-system namespace that we may read: nothing tells which cluster it is".into(),
            ));
        }
        let version = talk.read(Request::get("/version")).await?.unwrap_or_else(Node::null);
        let version = version.str_at(&["gitVersion"]).trim_start_matches('v').to_owned();
        let mut ground = Ground {
            fleet: input.fleet.clone(),
            cluster: input.cluster.clone(),
            identity,
            version,
            known: input.known.clone(),
            options: input.options.clone(),
            facts: input.facts.clone(),
            settings: input.settings.clone(),
            conflicts: input.conflicts.clone(),
            wanted: input.elsewhere.clone(),
            ..Ground::default()
        };
        let told: BTreeSet<&AppKey> =
            input.slices.iter().map(|slice| &slice.key.application).chain(input.elsewhere.values()).collect();
        ground.silent = input.known.iter().filter(|app| !told.contains(app)).cloned().collect();
        for slice in &input.slices {
            ground.add_slice(slice);
        }
        ground.load_parents(talk, input).await?;
        ground.trackers = Trackers::load(talk, (&input.cluster, &input.server), &input.management).await?;
        ground.leave_to_others(input);
        if !input.options.release {
            // What is held at an earlier revision still has what the fleet may have given to another application since.
            let held = |parent: &&Parent| Record::read(&parent.record).hold.is_some();
            let held = ground.parents.values().filter(held).map(|parent| parent.key.application.clone());
            ground.silent.extend(held.collect::<Vec<_>>());
        }
        if input.slices.iter().any(|slice| slice.record.hold.is_some()) {
            // A rollback knows what the fleet said then, not what it says now: it takes nothing from applications that stay where they are.
            let planned: BTreeSet<&AppKey> = input.slices.iter().map(|slice| &slice.key.application).collect();
            ground
                .silent
                .extend(ground.parents.keys().filter(|app| !planned.contains(app)).cloned().collect::<Vec<_>>());
        }
        let items = ground.parents.values().flat_map(|parent| parent.items.iter().map(|item| item.gvk.clone()));
        let mut gvks: BTreeSet<Gvk> = items.collect();
        let fresh = input.slices.iter().filter(|slice| slice.state == SliceState::Fresh);
        gvks.extend(fresh.flat_map(|slice| slice.objects.iter().map(|object| object.gvk.clone())));
        let asked = input.slices.iter().flat_map(|slice| slice.facts.api_versions.keys());
        gvks.extend(
            asked.chain(&input.facts.api_versions).filter(|api| *api != ALL_API_VERSIONS).map(|api| gvk_of(api)),
        );
        gvks.insert(Gvk::new("v1", "Namespace"));
        ground.kinds = Kinds::load(talk, gvks.iter()).await?;
        Ok(ground)
    }

    /// Takes in what a slice says.
    fn add_slice(&mut self, slice: &DesiredSlice) {
        let app = &slice.key.application;
        self.known.insert(app.clone());
        if slice.state != SliceState::Fresh {
            self.silent.insert(app.clone());
        }
        self.ids.insert(slice.parent.id(), app.clone());
        for object in &slice.objects {
            let reference = object.reference();
            if reference.kind == "Namespace" && reference.group.is_empty() {
                self.brings.insert(reference.name.clone());
            }
            self.defines.extend(defined_kind(&object.body));
            if object.is_plain() {
                self.wanted.insert(reference, app.clone());
            }
        }
        if slice.state == SliceState::Fresh {
            self.brings.extend(slice.namespaces.iter().map(|namespace| namespace.name.clone()));
        }
    }

    async fn load_parents(&mut self, talk: &Talk, input: &ClusterInput) -> Result<(), Trouble> {
        let selector = format!("{SLICE_LABEL}={}", self.fleet);
        // Across namespaces first: a project may have settled its parents elsewhere before it left the fleet.
        let everywhere = list(talk, "/api/v1/configmaps", &selector).await?;
        let found = match everywhere {
            Listed::Items(items) => items,
            Listed::Forbidden(_) => {
                let mut items = Vec::new();
                let mut namespaces: BTreeSet<&str> = input.parent_namespaces.iter().map(String::as_str).collect();
                namespaces.extend(input.slices.iter().map(|slice| slice.parent.namespace.as_str()));
                for namespace in namespaces {
                    let path = format!("/api/v1/namespaces/{}/configmaps", encode(namespace));
                    match list(talk, &path, &selector).await? {
                        Listed::Items(more) => items.extend(more),
                        Listed::Forbidden(why) => return Err(why),
                    }
                }
                items
            }
        };
        for object in found {
            let name = ParentName {
                namespace: object.str_at(&["metadata", "namespace"]).to_owned(),
                name: object.str_at(&["metadata", "name"]).to_owned(),
            };
            self.add_parent(name, Parent::read(&object));
        }
        Ok(())
    }

    /// Parents that say to be of another cluster of the fleet, which then is this one, too: what they list is that one's business.
    fn leave_to_others(&mut self, input: &ClusterInput) {
        for (app, parent) in &self.parents {
            let cluster = Record::read(&parent.record).cluster;
            if cluster == self.cluster || !input.clusters.contains(&cluster) {
                continue;
            }
            if input.slices.iter().any(|slice| slice.key.application == *app) {
                let why = format!(
                    "it says to be of cluster `{cluster}`, which is this one, too: one cluster has two names in the fleet"
                );
                self.broken.insert(parent.name.clone(), why);
            } else {
                self.known.insert(app.clone());
                self.silent.insert(app.clone());
            }
        }
    }

    fn add_parent(&mut self, name: ParentName, parent: Result<Parent, String>) {
        let parent = match parent {
            Ok(parent) if parent.key.fleet == self.fleet => parent,
            Ok(parent) => {
                let why = format!("its label says fleet `{}`, its data `{}`", self.fleet, parent.key.fleet);
                self.broken.insert(name, why);
                return;
            }
            Err(why) => {
                self.broken.insert(name, why);
                return;
            }
        };
        let app = parent.key.application.clone();
        if ParentName::of(&parent.key, &name.namespace) != name {
            self.broken.insert(name, format!("its name is not that of the parent of application `{app}`"));
            return;
        }
        if let Some(other) = self.parents.get(&app) {
            let why = format!(
                "application `{app}` has another parent in namespace `{}`: which of the two holds is not known",
                other.name.namespace
            );
            self.broken.insert(name, why);
            return;
        }
        self.ids.insert(name.id(), app.clone());
        for item in &parent.items {
            self.owners.insert(item_reference(item), app.clone());
        }
        self.parents.insert(app, parent);
    }

    /// Reads the parent of a slice anew.
    ///
    /// # Errors
    /// There is no answer, or what lies there is no parent of it.
    pub(super) async fn reload_parent(
        &self,
        talk: &Talk,
        key: &SliceKey,
        name: &ParentName,
    ) -> Result<Option<Parent>, Trouble> {
        let path = format!("/api/v1/namespaces/{}/configmaps/{}", encode(&name.namespace), encode(&name.name));
        let Some(object) = talk.read(Request::get(path)).await? else { return Ok(None) };
        match Parent::read(&object) {
            Ok(parent) if parent.key == *key => Ok(Some(parent)),
            Ok(_) => {
                Err(Trouble(format!("ConfigMap {}/{} is the parent of another application", name.namespace, name.name)))
            }
            Err(why) => Err(Trouble(format!("ConfigMap {}/{} is no parent of ours: {why}", name.namespace, name.name))),
        }
    }
}

/// What names the object of an item.
pub fn item_reference(item: &Item) -> ObjectRef {
    ObjectRef {
        group: item.gvk.group.clone(),
        kind: item.gvk.kind.clone(),
        namespace: item.namespace.clone(),
        name: item.name.clone(),
    }
}

/// What listing gave.
pub(super) enum Listed {
    /// All of them.
    Items(Vec<Node>),
    /// We may not list there.
    Forbidden(Trouble),
}

impl Talk {
    /// All objects of a collection that a selector matches.
    ///
    /// # Errors
    /// There is no answer, or we may not list them.
    pub async fn items(&self, path: &str, selector: &str) -> Result<Vec<Node>, Trouble> {
        match list(self, path, selector).await? {
            Listed::Items(items) => Ok(items),
            Listed::Forbidden(why) => Err(why),
        }
    }
}

/// How many objects are asked for at a time: an answer of 500 takes tens of milliseconds and a few MiB.
const PAGE: &str = "500";

/// All objects of a collection that a selector matches, page by page.
pub(super) async fn list(talk: &Talk, path: &str, selector: &str) -> Result<Listed, Trouble> {
    let (mut items, mut next) = (Vec::new(), String::new());
    let mut restarts = 0;
    loop {
        let mut request = Request::get(path).with("limit", PAGE);
        if !selector.is_empty() {
            request = request.with("labelSelector", selector);
        }
        if !next.is_empty() {
            request = request.with("continue", next.as_str());
        }
        let response = talk.ask(request).await?;
        match response.status {
            200 => {}
            403 => return Ok(Listed::Forbidden(refused(&response, path))),
            // The kind is gone: so are its objects.
            404 => return Ok(Listed::Items(Vec::new())),
            // The list grew too old between two pages.
            410 if restarts < 3 => {
                restarts += 1;
                items.clear();
                next.clear();
                continue;
            }
            _ => return Err(refused(&response, path)),
        }
        let mut page = node(&response, path)?;
        next = page.str_at(&["metadata", "continue"]).to_owned();
        match page.get_mut("items") {
            Some(list) if list.is_null() => {}
            Some(list) => match list.seq_mut() {
                Some(list) => items.append(list),
                None => return Err(Trouble(format!("{path}: what was answered is no list"))),
            },
            None => return Err(Trouble(format!("{path}: what was answered is no list"))),
        }
        if next.is_empty() {
            return Ok(Listed::Items(items));
        }
    }
}

/// An API version as charts ask for it.
fn gvk_of(api: &str) -> Gvk {
    let parts: Vec<&str> = api.split('/').collect();
    match parts.as_slice() {
        [group, version, kind] => Gvk::new(&format!("{group}/{version}"), kind),
        // `v1/Pod`, or `group/version`: kinds begin with a capital.
        [version, kind] if kind.starts_with(|c: char| c.is_ascii_uppercase()) => Gvk::new(version, kind),
        _ => Gvk::new(api, ""),
    }
}

impl Ground {
    /// What renders were told about the cluster and it does not confirm: with the right answers they might be others. A newer patch release
    /// changes no render.
    pub(super) fn differences(&self, read: &FactsRecord) -> Vec<String> {
        let mut found = Vec::new();
        let minor = |version: &str| -> Vec<String> {
            version.trim_start_matches('v').split('.').take(2).map(str::to_owned).collect()
        };
        if let Some(told) = &read.kube_version
            && !self.version.is_empty()
            && minor(told) != minor(&self.version)
        {
            found.push(format!("its render was told Kubernetes {told}, the cluster has {}", self.version));
        }
        let served =
            |gvk: &Gvk| if gvk.kind.is_empty() { self.kinds.serves(gvk) } else { self.kinds.exact(gvk).is_some() };
        let brought = |gvk: &Gvk| {
            self.defines
                .iter()
                .any(|(group, kind)| gvk.is(group, kind) || (gvk.kind.is_empty() && gvk.group == group.as_str()))
        };
        let whole = read.api_versions.contains_key(ALL_API_VERSIONS);
        let listed = self.facts.api_versions.iter().filter(|_| whole).map(|api| (api, &true));
        let asked = read.api_versions.iter().filter(|(api, _)| *api != ALL_API_VERSIONS);
        for (api, told) in asked.chain(listed).collect::<BTreeMap<_, _>>() {
            let gvk = gvk_of(api);
            match (*told, served(&gvk)) {
                (true, false) if !brought(&gvk) => {
                    found.push(format!("its render was told that `{api}` is served, which the cluster does not do"));
                }
                (false, true) => {
                    found.push(format!("its render was told that `{api}` is not served, and the cluster serves it"));
                }
                _ => {}
            }
        }
        if !found.is_empty() && !read.assumed.is_empty() {
            found.push("nobody had said what the cluster has".to_owned());
        }
        found
    }
}
