//! Taking over the fields of other deployers: what would move from whose manager to ours, what of it leaves with the next apply, and who
//! would still work on the objects.
//!
//! Moved is exactly what the chosen deployers' managers own, never what `before-first-apply` holds: that is also what webhooks and
//! controllers wrote (argo-cd #28721). Values stay as they are; only `managedFields` change, each object by one patch that is refused where
//! the object has changed meanwhile, so that a run that was cut off is simply run again. Objects that a live, automated Application or an
//! unsuspended Flux works on are refused. No object, annotation or label is deleted here.

pub mod report;

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::action::Seen;
use super::deployer::{self, BEFORE_FIRST_APPLY, Deployer};
use super::desired::{Desired, SliceState};
use super::ground::Ground;
use super::input::ClusterInput;
use super::live;
use super::predict;
use super::talk::{Talk, Trouble};
use super::verify::{is_empty, plain, read_all, reference};
use crate::api::{Request, encode};
use crate::application::AppKey;
use crate::bundle::ObjectRef;
use crate::inventory::FIELD_MANAGER;
use crate::k8s::defaults;
use crate::k8s::difference::LAST_APPLIED;
use crate::k8s::fields::{Element, FieldSet, Manager, applied::applied, edit, managers, path_text};
use crate::k8s::object::annotation;
use crate::k8s::schema;
use crate::machine::{Port, all};
use crate::span::FileId;
use crate::yaml::{Map, Node, json};

/// What is done with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Fields move.
    Move,
    /// The chosen deployers own nothing of it.
    Nothing,
    /// It is not there: the next apply makes it.
    Missing,
    /// It is left alone, and why.
    Refused(String),
}

/// Fields that move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// From which manager.
    pub manager: SmolStr,
    /// Whether it used server-side apply.
    pub applied: bool,
    /// How many fields.
    pub fields: usize,
}

/// One object.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// Which.
    pub object: ObjectRef,
    /// Its path on the server.
    pub path: String,
    /// The version in which it is declared: `apps/v1`.
    pub api_version: SmolStr,
    /// As it was seen.
    pub seen: Seen,
    /// What is done.
    pub step: Step,
    /// From whom.
    pub moves: Vec<Moved>,
    /// The fields that move, sorted.
    pub fields: Vec<String>,
    /// Those of them that are not declared and that nobody else holds: they go with the next apply.
    pub going: Vec<String>,
    /// Those that are not declared and stay, since others hold them, too: `.data.x (before-first-apply)`.
    pub staying: Vec<String>,
}

/// One application on one cluster.
#[derive(Clone, Debug)]
pub struct SliceAdoption {
    /// The application.
    pub application: AppKey,
    /// Its project.
    pub project: String,
    /// Why it was not looked at; empty where it was.
    pub left_out: String,
    /// Its objects, by name.
    pub objects: Vec<Adoption>,
}

/// One cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterAdoption {
    /// Its name in the fleet.
    pub cluster: String,
    /// UID of its kube-system namespace.
    pub identity: String,
    /// Why nothing is known of it.
    pub failed: Option<String>,
    /// Its applications, sorted.
    pub slices: Vec<SliceAdoption>,
    /// What stays, and who would still work on the objects: one sentence each.
    pub notes: Vec<String>,
}

impl ClusterAdoption {
    /// All objects of a step.
    pub fn objects(&self) -> impl Iterator<Item = &Adoption> {
        self.slices.iter().flat_map(|slice| &slice.objects)
    }
}

/// What moving makes of the managers of an object.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// From whom.
    pub moves: Vec<Moved>,
    /// What moves.
    pub fields: FieldSet,
    /// `metadata.managedFields` afterwards.
    managed: Node,
}

/// Between whom fields move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// From these deployers to us.
    From(BTreeSet<Deployer>),
    /// From us to this deployer: the way back.
    BackTo(Deployer),
}

impl Route {
    fn is_chosen(&self, manager: &Manager) -> bool {
        match self {
            Route::From(from) => Deployer::of(manager).is_some_and(|deployer| from.contains(&deployer)),
            Route::BackTo(_) => deployer::is_ours(manager),
        }
    }

    /// The manager that gets the fields.
    fn target(&self) -> &'static str {
        match self {
            Route::From(_) => FIELD_MANAGER,
            Route::BackTo(deployer) => deployer.applier(),
        }
    }
}

/// What would move of a live object; `None` where the chosen deployers own nothing. The version is the one that it is declared in: what
/// was recorded for another one moves as far as its paths are there in this one.
///
/// # Errors
/// Its managedFields cannot be read.
pub fn transfer(live: &Node, api_version: &str, route: &Route) -> Result<Option<Transfer>, String> {
    let all = managers(live)?;
    let entries = live.at(&["metadata", "managedFields"]).and_then(Node::as_seq).unwrap_or_default();
    let is_chosen = |manager: &Manager| route.is_chosen(manager);
    let is_target = |manager: &Manager| {
        let is_it = manager.name == route.target() && manager.subresource.is_empty() && manager.applied;
        is_it && manager.api_version == api_version
    };
    let (mut moves, mut fields, mut time) = (Vec::new(), FieldSet::default(), SmolStr::default());
    for manager in all.iter().filter(|manager| is_chosen(manager)) {
        let moved = match manager.api_version == api_version {
            true => manager.fields.clone(),
            false => manager.fields.paths().into_iter().filter(|path| edit::get(live, path).is_some()).collect(),
        };
        let number = moved.leaves().len();
        moves.push(Moved { manager: manager.name.clone(), applied: manager.applied, fields: number });
        fields = fields.union(&moved);
        time = time.max(manager.time.clone());
    }
    if moves.is_empty() {
        return Ok(None);
    }
    let ours = all.iter().filter(|manager| is_target(manager));
    let (mut whole, mut latest) = (fields.clone(), time);
    for manager in ours {
        whole = whole.union(&manager.fields);
        latest = latest.max(manager.time.clone());
    }
    let kept = entries.iter().zip(&all).filter(|(_, manager)| !is_chosen(manager) && !is_target(manager));
    let mut managed: Vec<Node> = kept.map(|(entry, _)| entry.clone()).collect();
    let text = whole.text();
    let set = json::parse(FileId::NONE, text.as_bytes()).map_err(|_| "its fields have no JSON".to_owned())?;
    let mut entry = Map::new();
    entry.insert("apiVersion", Node::str(api_version));
    entry.insert("fieldsType", Node::str("FieldsV1"));
    entry.insert("fieldsV1", set);
    entry.insert("manager", Node::str(route.target()));
    entry.insert("operation", Node::str("Apply"));
    if !latest.is_empty() {
        entry.insert("time", Node::str(latest));
    }
    managed.push(Node::map(entry));
    Ok(Some(Transfer { moves, fields, managed: Node::seq(managed) }))
}

impl Transfer {
    /// The JSON patch. It names the version that was read: an object that changed meanwhile answers with a conflict.
    ///
    /// # Errors
    /// A value that has no JSON.
    pub fn patch(&self, seen: &Seen) -> Result<String, String> {
        let operation = |path: &str, value: Node| {
            let mut map = Map::new();
            map.insert("op", Node::str("replace"));
            map.insert("path", Node::str(path));
            map.insert("value", value);
            Node::map(map)
        };
        let patch = Node::seq(vec![
            operation("/metadata/managedFields", self.managed.clone()),
            operation("/metadata/resourceVersion", Node::str(seen.resource_version.clone())),
        ]);
        json::to_json(&patch).map_err(|_| "its managedFields have no JSON".to_owned())
    }
}

/// Says what would move on a cluster.
pub async fn adopt(port: Port, input: ClusterInput, route: Route) -> ClusterAdoption {
    let talk = Talk::new(port, input.options.in_flight);
    let mut plan = ClusterAdoption { cluster: input.cluster.clone(), ..ClusterAdoption::default() };
    if let Err(Trouble(why)) = fill(&talk, &input, &route, &mut plan).await {
        plan.slices.clear();
        plan.failed = Some(why);
    }
    plan
}

async fn fill(talk: &Talk, input: &ClusterInput, route: &Route, plan: &mut ClusterAdoption) -> Result<(), Trouble> {
    let ground = Ground::load(talk, input).await?;
    plan.identity.clone_from(&ground.identity);
    let found = read_all(talk, &ground.kinds, plain(input)).await?;
    let flux = flux(talk, found.values().flat_map(flux_owners).collect()).await?;
    let mut notes = Notes::default();
    for slice in &input.slices {
        let left_out = match &slice.state {
            SliceState::Fresh => String::new(),
            SliceState::Held(why) | SliceState::Absent(why) | SliceState::Refused(why) => why.clone(),
        };
        let mut objects = Vec::new();
        for desired in slice.objects.iter().filter(|object| object.is_plain() && left_out.is_empty()) {
            let one = One { ground: &ground, flux: &flux, route, found: &found, desired };
            let adoption = one.judge(&slice.key.application, &slice.parent.id());
            if let Some(live) = found.get(&adoption.object) {
                notes.add(&ground, &adoption, live, route, &flux);
            }
            objects.push(adoption);
        }
        objects.sort_by(|a, b| a.object.cmp(&b.object));
        let (application, project) = (slice.key.application.clone(), slice.project.clone());
        plan.slices.push(SliceAdoption { application, project, left_out, objects });
    }
    plan.slices.sort_by(|a, b| a.application.cmp(&b.application));
    plan.notes = notes.settle();
    if !ground.trackers.unknown.is_empty() {
        plan.notes.push(format!(
            "whether an Argo CD works on these objects by itself is not known: {}",
            ground.trackers.unknown
        ));
    }
    talk.say(format!("{}: planned", input.cluster));
    Ok(())
}

struct One<'a> {
    ground: &'a Ground,
    flux: &'a BTreeMap<FluxOwner, FluxState>,
    route: &'a Route,
    found: &'a BTreeMap<ObjectRef, Node>,
    desired: &'a Desired,
}

impl One<'_> {
    fn judge(&self, application: &AppKey, set: &str) -> Adoption {
        let desired = self.desired;
        let mut adoption = Adoption {
            object: desired.reference(),
            path: String::new(),
            api_version: desired.gvk.api_version(),
            seen: Seen::default(),
            step: Step::Missing,
            moves: Vec::new(),
            fields: Vec::new(),
            going: Vec::new(),
            staying: Vec::new(),
        };
        if let Some(problem) = &desired.problem {
            adoption.step = Step::Refused(problem.clone());
            return adoption;
        }
        let Some(resource) = self.ground.kinds.exact(&desired.gvk) else { return adoption };
        adoption.object = reference(desired, resource);
        adoption.path = resource.object(&adoption.object.namespace, &adoption.object.name);
        let Some(live) = self.found.get(&adoption.object) else { return adoption };
        adoption.seen = live::seen(live);
        let transfer = match transfer(live, &adoption.api_version, self.route) {
            Ok(Some(transfer)) => transfer,
            Ok(None) => {
                adoption.step = Step::Nothing;
                return adoption;
            }
            Err(why) => {
                adoption.step = Step::Refused(why);
                return adoption;
            }
        };
        adoption.fields = transfer.fields.leaves().iter().map(|path| path_text(path)).collect();
        if let Route::From(_) = self.route {
            self.sort(&mut adoption, live, &transfer);
        }
        adoption.moves = transfer.moves;
        adoption.step = match self.refusal(&adoption.object, live, application, set) {
            Some(why) => Step::Refused(why),
            None => Step::Move,
        };
        adoption
    }

    /// Which of the fields stay declared, which go, and which stay although they are not.
    fn sort(&self, adoption: &mut Adoption, live: &Node, transfer: &Transfer) {
        let mut full = live::without_membership(&self.desired.body);
        if self.desired.gvk.is("", "Secret") {
            crate::k8s::ignore::noise::quiet(&mut full, false);
        }
        let body = applied(&full, None);
        if schema::root(&self.desired.gvk.api_version(), &self.desired.gvk.kind).is_some() {
            defaults::fill(&self.desired.gvk.kind, &mut full);
        }
        let wanted = body.union(&applied(&full, None));
        let all = managers(live).unwrap_or_default();
        let others: Vec<&Manager> =
            all.iter().filter(|manager| !deployer::is_ours(manager) && !self.route.is_chosen(manager)).collect();
        let undeclared = transfer.fields.difference(&wanted);
        let gone = predict::left(&transfer.fields, &wanted, &others);
        let there = |path: &[Element]| edit::get(live, path).is_some_and(|value| !is_empty(value));
        // What is declared whole (a list of a custom kind) may be recorded item by item.
        let goes = |path: &&Vec<Element>| there(path) && !wanted.owns(path);
        adoption.going = gone.leaves().iter().filter(goes).map(|path| path_text(path)).collect();
        let stays = undeclared
            .leaves()
            .into_iter()
            .filter(|path| there(path) && !gone.owns(path) && !wanted.touches(path) && !wanted.owns(path));
        adoption.staying = stays
            .filter_map(|path| {
                let holders: BTreeSet<&str> = others
                    .iter()
                    .filter(|other| other.fields.owns(&path) || other.fields.touches(&path))
                    .map(|other| other.name.as_str())
                    .collect();
                let holders: Vec<&str> = holders.into_iter().collect();
                (!holders.is_empty()).then(|| format!("{} ({})", path_text(&path), holders.join(", ")))
            })
            .collect();
    }

    fn refusal(&self, reference: &ObjectRef, live: &Node, application: &AppKey, set: &str) -> Option<String> {
        if live::is_going(live) {
            return Some("it is being deleted".to_owned());
        }
        if let Route::BackTo(_) = self.route {
            return None;
        }
        if let Some(why) = self.ground.trackers.refusal(reference, live) {
            return Some(why);
        }
        if let Some((owner, FluxState::Works)) =
            flux_owners(live).find_map(|owner| Some((owner.clone(), *self.flux.get(&owner)?)))
        {
            return Some(owner.refusal());
        }
        let part_of = live::part_of(live);
        if !part_of.is_empty() && part_of != set && !self.ground.ids.contains_key(part_of) {
            return Some(format!("it is part of another ApplySet, `{part_of}`"));
        }
        if let Some(owner) = self.ground.owners.get(reference).filter(|owner| *owner != application) {
            return Some(format!("application `{owner}` of this fleet has it"));
        }
        live::controller(live).map(|controller| format!("it belongs to {controller}, which would change it back"))
    }
}

/// The object by which Flux deploys something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FluxOwner {
    /// Row of [`FLUX`].
    row: usize,
    namespace: String,
    name: String,
}

/// What it does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FluxState {
    Works,
    Suspended,
    Gone,
    Unknown,
}

/// What begins its labels on objects, where it lies on the server, its kind, the word of the command that suspends it.
/// Flux v2: kustomize-controller (ssa owner labels), helm-controller (post-render labels).
const FLUX: [(&str, &str, &str, &str); 2] = [
    ("kustomize.toolkit.fluxcd.io", "/apis/kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomizations"),
    ("helm.toolkit.fluxcd.io", "/apis/helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases"),
];

impl FluxOwner {
    fn kind(&self) -> &'static str {
        FLUX.get(self.row).map_or("", |row| row.2)
    }

    fn refusal(&self) -> String {
        let FluxOwner { namespace, name, .. } = self;
        let kind = self.kind();
        format!(
            "Flux's {kind} {namespace}/{name} works on it and would take the fields back: `flux suspend {} {name} -n {namespace}` first; \
             docs/taking-over.md has the steps",
            kind.to_ascii_lowercase()
        )
    }
}

fn flux_owners(live: &Node) -> impl Iterator<Item = FluxOwner> {
    FLUX.iter().enumerate().filter_map(|(row, (prefix, ..))| {
        let label = |key: &str| {
            let labels = live.at(&["metadata", "labels"])?;
            labels.get(&format!("{prefix}/{key}")).and_then(Node::text).map(str::to_owned)
        };
        Some(FluxOwner { row, namespace: label("namespace")?, name: label("name")? })
    })
}

/// How the owners of some objects stand.
async fn flux(talk: &Talk, owners: BTreeSet<FluxOwner>) -> Result<BTreeMap<FluxOwner, FluxState>, Trouble> {
    let ask = |owner: &FluxOwner| {
        let (api, plural) = FLUX.get(owner.row).map_or(("", ""), |row| (row.1, row.3));
        let path = format!("{api}/namespaces/{}/{plural}/{}", encode(&owner.namespace), encode(&owner.name));
        async move { talk.ask(Request::get(path)).await }
    };
    let answers = all(talk.limit(), owners.iter().map(ask)).await;
    let mut states = BTreeMap::new();
    for (owner, answer) in owners.into_iter().zip(answers) {
        let answer = answer?;
        let suspended = || {
            let object = answer.node().ok()?;
            object.at(&["spec", "suspend"]).and_then(Node::as_bool)
        };
        let state = match answer.status {
            404 => FluxState::Gone,
            200..300 if suspended() == Some(true) => FluxState::Suspended,
            200..300 => FluxState::Works,
            _ => FluxState::Unknown,
        };
        states.insert(owner, state);
    }
    Ok(states)
}

/// What is said beside: each sentence once, with the number of objects that it is about.
#[derive(Default)]
struct Notes {
    counted: BTreeMap<String, usize>,
}

impl Notes {
    fn count(&mut self, sentence: String) {
        *self.counted.entry(sentence).or_default() += 1;
    }

    fn add(
        &mut self,
        ground: &Ground,
        adoption: &Adoption,
        live: &Node,
        route: &Route,
        flux: &BTreeMap<FluxOwner, FluxState>,
    ) {
        let text = |key: &str| annotation(live, key).unwrap_or_default();
        for application in ground.trackers.of(&adoption.object, live).filter(|application| application.fight.is_none())
        {
            let title = application.title();
            let cascade = match application.cascades {
                true => format!(
                    "has a resources finalizer: deleting it would delete them; `kubectl -n {} patch application {} --type=merge -p \
                     '{{\"metadata\":{{\"finalizers\":null}}}}'` takes it off, then delete it with `--cascade=false`",
                    application.namespace, application.name
                ),
                false => "has no resources finalizer: deleting it leaves them".to_owned(),
            };
            self.count(format!("Argo CD's Application {title} still tracks # and {cascade}"));
        }
        let id = text("argocd.argoproj.io/tracking-id");
        if !id.is_empty() && ground.trackers.is_gone(id) {
            let app = id.split(':').next().unwrap_or_default();
            self.count(format!("# carry the tracking id of an Application `{app}`, which is not on this cluster"));
        }
        if !id.is_empty() {
            let goes = adoption.going.iter().any(|path| path.ends_with("argocd.argoproj.io/tracking-id"));
            self.count(match goes {
                true => "the tracking id of # goes with the next apply".to_owned(),
                false => "the tracking id of # stays".to_owned(),
            });
        }
        let release = text("meta.helm.sh/release-name");
        if !release.is_empty() {
            let namespace = text("meta.helm.sh/release-namespace");
            self.count(format!(
                "Helm's release {namespace}/{release} stays with its Secrets (`kubectl -n {namespace} get secret -l owner=helm,name={release}`): \
                 `helm upgrade`, `rollback` and `uninstall` would still work on #"
            ));
        }
        for owner in flux_owners(live) {
            let (kind, FluxOwner { namespace, name, .. }) = (owner.kind(), &owner);
            let state = match flux.get(&owner) {
                Some(FluxState::Suspended) => {
                    "is suspended; deleting it prunes what it has unless its `prune` is false"
                }
                Some(FluxState::Gone) => "is gone; its labels stay until the next apply",
                Some(FluxState::Unknown) => "could not be read, and may still work on them",
                _ => continue,
            };
            self.count(format!("Flux's {kind} {namespace}/{name} of # {state}"));
        }
        if adoption.going.iter().any(|path| path.ends_with(LAST_APPLIED)) {
            self.count("kubectl's last-applied annotation of # goes with the next apply".to_owned());
        }
        let Route::From(from) = route else { return };
        let all = managers(live).unwrap_or_default();
        let other: BTreeSet<Deployer> = all.iter().filter_map(Deployer::of).filter(|of| !from.contains(of)).collect();
        for deployer in other {
            let (title, name) = (deployer.title(), deployer.name());
            self.count(format!("{title} holds fields of #, too: `--from {name}` moves those"));
        }
        let first = all.iter().any(|manager| manager.name == BEFORE_FIRST_APPLY);
        if first && matches!(adoption.step, Step::Move) {
            self.count(format!(
                "`{BEFORE_FIRST_APPLY}` holds fields of #, which are never moved: what it holds stays when it leaves Git"
            ));
        }
    }

    fn settle(self) -> Vec<String> {
        let objects = |number: usize| if number == 1 { "1 object".to_owned() } else { format!("{number} objects") };
        self.counted.into_iter().map(|(text, number)| text.replacen('#', &objects(number), 1)).collect()
    }
}

#[cfg(test)]
mod tests;
