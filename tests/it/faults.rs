//! Fault injection: an apply of sixty objects with hooks, waves, prunes, a replacement, a removal and a move meets each fault at each of
//! its calls. A second run, with a new machine and an empty work directory, must end where a run without faults ends: everything as
//! desired, no foreign object touched, nothing owned forgotten. And then there is nothing left to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use fleetc::api::{Content, Method, Request};
use fleetc::apply::{ClusterOutcome, Options, SliceResult};
use fleetc::inventory::{FIELD_MANAGER, PART_OF_LABEL, Parent, SLICE_LABEL};
use fleetc::k8s::object::ObjectId;
use fleetc::machine::Machine;
use fleetc::memory_cluster::{Fault, Faults, MemoryCluster, Recording, Run, drive, record, replay};
use fleetc::plan::{self, ClusterInput, ClusterPlan};
use fleetc::yaml::{Map, Node, json};
use rayon::prelude::*;

use crate::apply::{self, slice};

/// A fleet's wishes for one cluster: before the run that meets faults, and of that run.
pub(crate) struct Scenario {
    pub(crate) before: ClusterInput,
    pub(crate) desired: ClusterInput,
    /// The namespace that its objects are in; also names the fleet and the custom kind.
    pub(crate) tag: String,
}

const PRUNE: &str = "syncPolicy: {automated: {prune: true}}\n  finalizers: [resources-finalizer.argocd.argoproj.io]";

/// Objects of an application under construction, as one file.
struct Objects<'a> {
    tag: &'a str,
    text: String,
    count: usize,
}

impl<'a> Objects<'a> {
    fn new(tag: &'a str) -> Self {
        Objects { tag, text: String::new(), count: 0 }
    }

    fn add(&mut self, api_version: &str, kind: &str, name: &str, annotations: &str, rest: &str) {
        let namespace = self.tag;
        self.count += 1;
        let _ = writeln!(
            self.text,
            "---\n{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: {name}, namespace: {namespace}, \
             annotations: {{{annotations}}}}}, {rest}}}"
        );
    }

    fn cluster_wide(&mut self, api_version: &str, kind: &str, name: &str, rest: &str) {
        self.count += 1;
        let _ =
            writeln!(self.text, "---\n{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: {name}}}{rest}}}");
    }

    fn config(&mut self, name: &str, value: &str) {
        self.add("v1", "ConfigMap", name, "", &format!("data: {{value: '{value}'}}"));
    }

    fn workload(&mut self, kind: &str, name: &str, annotations: &str, image: &str) {
        let api_version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
        let more = if kind == "Job" { "" } else { "selector: {matchLabels: {app: x}}, " };
        let restart = if kind == "Job" { "restartPolicy: Never, " } else { "" };
        self.add(
            api_version,
            kind,
            name,
            annotations,
            &format!(
                "spec: {{{more}template: {{metadata: {{labels: {{app: x}}}}, spec: {{{restart}containers: \
                 [{{name: c, image: '{image}'}}]}}}}}}"
            ),
        );
    }
}

impl Scenario {
    /// The scenario in a namespace of this name.
    pub(crate) fn new(tag: &str) -> Self {
        let before = Self::input(tag, false);
        let desired = Self::input(tag, true);
        Scenario { before, desired, tag: tag.to_owned() }
    }

    fn input(tag: &str, later: bool) -> ClusterInput {
        let image = if later { "web:2" } else { "web:1" };
        let value = |at: usize| if later && at.is_multiple_of(2) { "new" } else { "old" };

        let mut base = Objects::new(tag);
        base.cluster_wide("v1", "Namespace", tag, "");
        base.add("v1", "ServiceAccount", "web", "", "automountServiceAccountToken: false");
        base.add("rbac.authorization.k8s.io/v1", "Role", "web", "", "rules: []");
        base.add(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "web",
            "",
            "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}, subjects: [{kind: ServiceAccount, name: web}]",
        );
        if later {
            base.cluster_wide(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                &format!("widgets.{tag}.example.com"),
                &format!(
                    ", spec: {{group: {tag}.example.com, scope: Namespaced, names: {{plural: widgets, singular: widget, kind: Widget, \
                     listKind: WidgetList}}, versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: \
                     object, x-kubernetes-preserve-unknown-fields: true}}}}}}]}}"
                ),
            );
        }

        let mut web = Objects::new(tag);
        for at in 0..14 {
            // Four are new, four go.
            if if later { at < 10 } else { (4..14).contains(&at) } {
                web.config(&format!("c{at:02}"), value(at));
            }
        }
        if later {
            (14..18).for_each(|at| web.config(&format!("c{at:02}"), "first"));
        } else {
            web.config("moves", "old");
        }
        for at in 0..3 {
            let secret = format!("stringData: {{password: '{}-{at}'}}", value(at));
            web.add("v1", "Secret", &format!("s{at}"), "", &secret);
            let port = if later { 8080 } else { 80 };
            let spec = format!("spec: {{selector: {{app: x}}, ports: [{{port: {port}}}]}}");
            web.add("v1", "Service", &format!("web{at}"), "", &spec);
        }
        for at in 0..5 {
            let wave = format!("argocd.argoproj.io/sync-wave: '{}'", at / 2);
            web.workload("Deployment", &format!("web{at}"), &wave, if at == 4 { "web:1" } else { image });
        }
        web.workload("StatefulSet", "store", "argocd.argoproj.io/sync-wave: '1'", image);
        // What cannot be changed in place is made anew.
        web.workload("Job", "once", "argocd.argoproj.io/sync-options: 'Replace=true,Force=true'", image);
        web.workload("Job", "before", "argocd.argoproj.io/hook: PreSync", image);
        web.workload(
            "Job",
            "after",
            "argocd.argoproj.io/hook: PostSync, argocd.argoproj.io/hook-delete-policy: HookSucceeded",
            image,
        );
        if later {
            for at in 0..3 {
                web.add(&format!("{tag}.example.com/v1"), "Widget", &format!("w{at}"), "", "spec: {size: 1}");
            }
        }

        let mut batch = Objects::new(tag);
        (0..20).for_each(|at| batch.config(&format!("b{at}"), value(at)));
        for at in 0..3 {
            let spec = format!("spec: {{podSelector: {{matchLabels: {{app: '{}'}}}}}}", value(at));
            batch.add("networking.k8s.io/v1", "NetworkPolicy", &format!("n{at}"), "", &spec);
        }
        if later {
            batch.config("moves", "old");
            batch.workload("Deployment", "worker", "", "worker:1");
        } else {
            batch.workload("Deployment", "goes", "", "goes:1");
        }

        let mut apps = vec![("base", base), ("batch", batch), ("web", web)];
        if !later {
            let mut leaves = Objects::new(tag);
            (0..3).for_each(|at| leaves.config(&format!("leaves{at}"), "old"));
            apps.push(("leaves", leaves));
        }
        let mut input = ClusterInput {
            fleet: tag.to_owned(),
            cluster: "eu".to_owned(),
            parent_namespaces: vec!["fleetc-system".to_owned()],
            ..ClusterInput::default()
        };
        for (name, objects) in &apps {
            let slice = slice(tag, name, PRUNE, &objects.text);
            input.known.insert(slice.key.application.clone());
            input.slices.push(slice);
        }
        input
    }

    pub(crate) fn objects(&self) -> usize {
        self.desired.slices.iter().map(|slice| slice.objects.len()).sum()
    }

    /// What others have on the cluster: nobody may touch it.
    pub(crate) fn foreign(&self) -> Vec<(String, String)> {
        let tag = &self.tag;
        let web = self.desired.slices.iter().find(|slice| slice.key.application.name == "web");
        let part_of = web.map(|slice| slice.parent.id()).unwrap_or_default();
        let config = |name: &str, labels: &str| {
            let path = format!("/api/v1/namespaces/{tag}/configmaps");
            let body = format!(
                r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","labels":{{{labels}}}}},"data":{{"a":"b"}}}}"#
            );
            (path, body)
        };
        vec![
            config("foreign", ""),
            // Somebody copied one of our objects, label and all.
            config("copied", &format!(r#""{PART_OF_LABEL}":"{part_of}""#)),
            config("other", r#""applyset.kubernetes.io/part-of":"applyset-other-v1""#),
        ]
    }
}

pub(crate) type Outcome = (ClusterPlan, ClusterOutcome);

/// A machine that plans a cluster and applies that. No other run has the same `holder`.
pub(crate) fn plan_and_apply(input: &ClusterInput, holder: &str) -> Machine<Outcome> {
    apply::plan_and_apply(input.clone(), Options { holder: holder.to_owned(), ..apply::options() })
}

/// What failed, was skipped or is to be noted, in words.
pub(crate) fn words(result: Option<&Outcome>) -> String {
    let Some((approved, outcome)) = result else { return "no result\n".to_owned() };
    let mut out = format!("{}{}", approved.failed.as_deref().unwrap_or_default(), outcome.failed);
    for why in &approved.refusals {
        let _ = writeln!(out, "refused: {why}");
    }
    for slice in &outcome.slices {
        let _ = writeln!(out, "{} {}: {} {}", slice.application, slice.result, slice.counts, slice.why);
        for (object, why) in slice.errors.iter().chain(&slice.notes) {
            let object = object.as_ref().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(out, "  {object}: {why}");
        }
    }
    out
}

fn is_well(result: Option<&Outcome>) -> bool {
    result.is_some_and(|(_, outcome)| {
        let fine = [SliceResult::Applied, SliceResult::Unchanged];
        outcome.failed.is_empty()
            && !outcome.slices.is_empty()
            && outcome.slices.iter().all(|slice| fine.contains(&slice.result) && slice.withheld == 0)
    })
}

/// An object without what two runs that end in the same state need not have in common.
fn plain(object: &Node) -> Node {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Node::map_mut) {
        for key in ["uid", "resourceVersion", "creationTimestamp", "generation", "ownerReferences"] {
            metadata.remove(key);
        }
        if let Some(managers) = metadata.get_mut("managedFields").and_then(Node::seq_mut) {
            // An object that was made twice is updated by fewer managers than one that was changed.
            managers.retain(|entry| entry.get("operation").and_then(Node::as_str) == Some("Apply"));
            managers.iter_mut().filter_map(Node::map_mut).for_each(|entry| drop(entry.remove("time")));
        }
    }
    if let Some(map) = object.map_mut() {
        map.remove("status");
    }
    object
}

/// Addresses, and the labels and the selector of a Job, follow from its UID and from how many were made before.
static MADE_UP: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new(r#"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|10\.0\.\d+\.\d+"#).unwrap()
});

/// In what two objects differ; `None` for nothing that matters.
fn unlike(is: &Node, should: &Node) -> Option<String> {
    let (is, should) = (plain(is), plain(should));
    if is == should {
        return None;
    }
    let text = |node: &Node| MADE_UP.replace_all(&json::to_json(node).unwrap(), "?").into_owned();
    let (is, should) = (text(&is), text(&should));
    (is != should).then(|| format!("is\n  {is}\nand should be\n  {should}"))
}

/// What is on a cluster, as far as it matters: objects by what names them.
pub(crate) struct State {
    objects: BTreeMap<String, Node>,
}

impl State {
    pub(crate) fn of<'o>(objects: impl Iterator<Item = &'o Node>) -> Self {
        let named = objects.map(|object| (ObjectId::of(object).to_string(), object.clone()));
        State { objects: named.collect() }
    }

    fn parents(&self, fleet: &str) -> Vec<Parent> {
        let is_parent = |object: &&Node| {
            object.at(&["metadata", "labels", SLICE_LABEL]).and_then(Node::as_str) == Some(fleet)
                && object.get("kind").and_then(Node::as_str) == Some("ConfigMap")
        };
        self.objects.values().filter(is_parent).map(|object| Parent::read(object).unwrap()).collect()
    }

    /// Whether it is as after a run without faults, and all that is ours is in an inventory.
    pub(crate) fn differs(&self, golden: &State, fleet: &str) -> String {
        let mut wrong = String::new();
        let skipped = |id: &str| id.starts_with("Lease.") || id.starts_with("Pod ") || id.starts_with("ReplicaSet.");
        let names: BTreeSet<&String> = self.objects.keys().chain(golden.objects.keys()).collect();
        let parents = self.parents(fleet);
        let parent_names: BTreeSet<String> =
            parents.iter().map(|parent| format!("ConfigMap {}/{}", parent.name.namespace, parent.name.name)).collect();
        for name in names {
            match (self.objects.get(name), golden.objects.get(name)) {
                _ if skipped(name) => {}
                (Some(_), None) => drop(writeln!(wrong, "{name} should not be there")),
                (None, Some(_)) => drop(writeln!(wrong, "{name} is missing")),
                (Some(is), Some(should)) if !parent_names.contains(name) => {
                    if let Some(why) = unlike(is, should) {
                        let _ = writeln!(wrong, "{name} {why}");
                    }
                }
                _ => {}
            }
        }
        let mut listed = BTreeSet::new();
        for parent in &parents {
            for item in &parent.items {
                let id = ObjectId { gvk: item.gvk.clone(), namespace: item.namespace.clone(), name: item.name.clone() };
                let live = self.objects.get(&id.to_string());
                let uid = live.and_then(|live| live.at(&["metadata", "uid"])?.as_str()).unwrap_or("nothing");
                if uid != item.uid {
                    let _ = writeln!(
                        wrong,
                        "{}: {id} is listed with the UID `{}`, live is `{uid}`",
                        parent.name.name, item.uid
                    );
                }
                if !listed.insert(id.to_string()) {
                    let _ = writeln!(wrong, "{id} is in two inventories");
                }
            }
        }
        let expected: BTreeSet<String> = golden.parents(fleet).into_iter().map(|parent| parent.name.name).collect();
        let found: BTreeSet<String> = parents.iter().map(|parent| parent.name.name.clone()).collect();
        if expected != found {
            let _ = writeln!(wrong, "parents are {found:?} and should be {expected:?}");
        }
        for (name, object) in &self.objects {
            let managers = object.at(&["metadata", "managedFields"]).and_then(Node::as_seq).unwrap_or_default();
            let ours = managers.iter().any(|entry| {
                let is = |key: &str, value: &str| entry.get(key).and_then(Node::as_str) == Some(value);
                is("manager", FIELD_MANAGER) && is("operation", "Apply")
            });
            let hook = object.at(&["metadata", "annotations", "argocd.argoproj.io/hook"]).is_some();
            let of_fleet = object.at(&["metadata", "labels", PART_OF_LABEL]).is_some();
            if ours && of_fleet && !hook && !listed.contains(name) && !parent_names.contains(name) {
                let _ = writeln!(wrong, "{name} is ours and in no inventory");
            }
        }
        wrong
    }

    /// What changed of the foreign objects.
    fn touched(&self, before: &State, foreign: &[String]) -> String {
        let mut wrong = String::new();
        for name in foreign {
            let version = |state: &State| {
                let object = state.objects.get(name)?.get("metadata")?.as_map()?;
                let text = |key: &str| Map::get(object, key).and_then(Node::as_str).map(str::to_owned);
                Some((text("uid")?, text("resourceVersion")?))
            };
            if version(self) != version(before) {
                let _ = writeln!(wrong, "the foreign {name} was touched");
            }
        }
        wrong
    }
}

/// Whether a call ran a hook.
fn ran(run: &Run<Outcome>, name: &str) -> bool {
    run.calls.iter().any(|call| {
        let made = call.request.path.ends_with(&format!("/jobs/{name}")) || call.request.path.ends_with("/jobs");
        let body = call.request.body.as_ref().map(|(_, text)| &**text).unwrap_or_default();
        // Of a call whose answer was lost the server did what it asked.
        made && [Method::Patch, Method::Post].contains(&call.request.method)
            && !call.request.is_harmless()
            && body.contains(&format!("\"name\":\"{name}\""))
            && !matches!(&call.answer, Some(Ok(response)) if !response.is_success())
    })
}

struct Prepared {
    scenario: Scenario,
    recording: Recording,
    start: State,
    foreign: Vec<String>,
    golden: State,
    calls: usize,
}

fn prepare() -> Prepared {
    let scenario = Scenario::new("shop");
    let mut cluster = MemoryCluster::default();
    let run = drive(plan_and_apply(&scenario.before, "first"), &mut cluster, &Faults::none());
    assert!(is_well(run.result.as_ref()), "{}\n{}", words(run.result.as_ref()), run.trace());
    let mut foreign = Vec::new();
    for (path, body) in scenario.foreign() {
        let made =
            cluster.answer(&Request::new(Method::Post, path).with("fieldManager", "person").body(Content::Json, body));
        assert!(made.is_success(), "{}", made.text);
        foreign.push(ObjectId::of(&made.node().unwrap()).to_string());
    }
    cluster.settle_for(60_000);
    let start = State::of(cluster.all());
    let mut after = cluster.clone();
    let (run, recording) = record(plan_and_apply(&scenario.desired, "first"), &mut after);
    assert!(is_well(run.result.as_ref()), "{}\n{}", words(run.result.as_ref()), run.trace());
    after.settle_for(60_000);
    let golden = State::of(after.all());
    assert_eq!(golden.differs(&golden, &scenario.tag), "");
    assert!(ran(&run, "before") && ran(&run, "after"), "{}", run.trace());
    let again = drive(plan_and_apply(&scenario.desired, "again"), &mut after, &Faults::none());
    assert_eq!(again.writes(), 0, "{}", again.trace());
    Prepared { scenario, recording, start, foreign, golden, calls: run.calls.len() }
}

impl Prepared {
    /// A fault at a call, then a run without: what is wrong afterwards.
    fn check(&self, call: usize, fault: Fault) -> Result<(), String> {
        let desired = &self.scenario.desired;
        let (hit, mut cluster) = replay(plan_and_apply(desired, "first"), &self.recording, call, fault);
        // Where the first run has ended well, a second one is what shows below that there is nothing left to do.
        let second = (!is_well(hit.result.as_ref()))
            .then(|| drive(plan_and_apply(desired, "second"), &mut cluster, &Faults::none()));
        cluster.settle_for(60_000);
        let mut wrong = String::new();
        if let Some(second) = second.as_ref().filter(|second| !is_well(second.result.as_ref())) {
            let _ = writeln!(wrong, "the second run is not well:\n{}", words(second.result.as_ref()));
        }
        let state = State::of(cluster.all());
        wrong.push_str(&state.differs(&self.golden, &self.scenario.tag));
        wrong.push_str(&state.touched(&self.start, &self.foreign));
        for hook in ["before", "after"] {
            if !ran(&hit, hook) && !second.as_ref().is_some_and(|second| ran(second, hook)) {
                let _ = writeln!(wrong, "the hook {hook} never ran");
            }
        }
        // Planning alone shows whether there is anything left to do.
        let input = desired.clone();
        let look = Machine::new(move |port| async move { plan::cluster(port, input).await.0 });
        let look = drive(look, &mut cluster, &Faults::none());
        let left = look.result.map(|plan| plan.slices.iter().filter(|slice| slice.has_work()).count());
        if left != Some(0) {
            let _ = writeln!(wrong, "a third run has something to do: {left:?}");
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let (first, second) = (words(hit.result.as_ref()), words(second.and_then(|second| second.result).as_ref()));
        Err(format!("{fault:?} at call {call} ({}):\n{wrong}first run:\n{first}second run:\n{second}", at(&hit, call)))
    }
}

fn at(run: &Run<Outcome>, call: usize) -> String {
    run.calls.get(call).map(|call| format!("{} {}", call.request.method.name(), call.request.path)).unwrap_or_default()
}

#[test]
fn every_call_meets_every_fault() {
    let begin = std::time::Instant::now();
    let prepared = prepare();
    assert!((60..80).contains(&prepared.scenario.objects()), "{} objects", prepared.scenario.objects());
    let points: Vec<(usize, Fault)> =
        (0..prepared.calls).flat_map(|call| Fault::ALL.into_iter().map(move |fault| (call, fault))).collect();
    let wrong: Vec<String> =
        points.par_iter().filter_map(|(call, fault)| prepared.check(*call, *fault).err()).collect();
    println!(
        "{} points ({} calls, {} faults) in {:.1} s",
        points.len(),
        prepared.calls,
        Fault::ALL.len(),
        begin.elapsed().as_secs_f64()
    );
    assert!(
        wrong.is_empty(),
        "{} of {} points fail, such as\n{}",
        wrong.len(),
        points.len(),
        wrong[..wrong.len().min(5)].join("\n\n")
    );
}
