//! Plans against simulated clusters: what is created, changed, kept, handed over, refused, and what is asked for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use fleetc::api::{Content, Method, Request};
use fleetc::application::AppKey;
use fleetc::bundle::Index;
use fleetc::digest::Digest;
use fleetc::inventory::{Item, Parent};
use fleetc::machine::Machine;
use fleetc::memory_cluster::{Call, Fault, Faults, MemoryCluster, drive};
use fleetc::plan::{
    self, ClusterInput, ClusterPlan, Context, DesiredSlice, Options, Prune, Removals, SlicePlan, Status, Verb,
    owned_digest,
};
use fleetc::yaml::{Node, json};

/// An application of a fleet: what bundle.yaml says beside its files, and the manifests.
pub(crate) struct App<'a>(pub(crate) &'a str, pub(crate) &'a str, pub(crate) &'a str);

/// The slices of some applications.
pub(crate) fn slices(apps: &[App<'_>]) -> Vec<DesiredSlice> {
    let mut index = String::from(
        "apiVersion: fleetc.dev/v1alpha1\nkind: Bundle\ncluster: {name: eu, server: 'https://eu'}\napplications:\n",
    );
    let mut files = BTreeMap::new();
    for App(name, more, manifests) in apps {
        let path = format!("apps/{name}.yaml");
        let text: Arc<str> = (*manifests).into();
        let _ = writeln!(index, "- name: {name}\n  namespace: argocd\n  state: ok\n  project: default");
        for line in more.lines() {
            let _ = writeln!(index, "  {line}");
        }
        let _ = writeln!(index, "  files: {{{path}: '{}'}}", Digest::of(text.as_bytes()));
        files.insert(path, text);
    }
    let index = Index::parse(&index).expect("an index");
    let context = Context { fleet: "platform", cluster: "eu", parent_namespace: "fleetc-system" };
    index.applications.iter().map(|entry| DesiredSlice::new(context, entry, &|path| files.get(path).cloned())).collect()
}

pub(crate) fn input(slices: Vec<DesiredSlice>) -> ClusterInput {
    let known = slices.iter().map(|slice| slice.key.application.clone()).collect();
    ClusterInput {
        fleet: "platform".into(),
        cluster: "eu".into(),
        parent_namespaces: vec!["fleetc-system".into()],
        slices,
        known,
        ..ClusterInput::default()
    }
}

/// Plans, and says how many requests that took.
pub(crate) fn planned(cluster: &mut MemoryCluster, input: ClusterInput) -> (ClusterPlan, usize) {
    let (plan, calls) = with_faults(cluster, input, &Faults::none());
    (plan.expect("a plan"), calls)
}

fn with_faults(cluster: &mut MemoryCluster, input: ClusterInput, faults: &Faults) -> (Option<ClusterPlan>, usize) {
    let (plan, calls) = run(cluster, input, faults);
    (plan, calls.len())
}

/// Plans, and shows what was asked.
pub(crate) fn traced(cluster: &mut MemoryCluster, input: ClusterInput, faults: &Faults) -> (ClusterPlan, Vec<Call>) {
    let (plan, calls) = run(cluster, input, faults);
    (plan.expect("a plan"), calls)
}

fn run(cluster: &mut MemoryCluster, input: ClusterInput, faults: &Faults) -> (Option<ClusterPlan>, Vec<Call>) {
    let before = dump(cluster);
    let machine = Machine::new(|port| plan::cluster(port, input));
    let run = drive(machine, cluster, faults);
    assert_eq!(dump(cluster), before, "planning changed the cluster");
    (run.result.map(|(plan, _)| plan), run.calls)
}

fn dump(cluster: &MemoryCluster) -> Vec<String> {
    cluster.all().map(|object| json::to_json(object).expect("JSON")).collect()
}

pub(crate) fn lines(slice: &SlicePlan) -> Vec<String> {
    let line = |action: &plan::Action| {
        let mut line = format!("{} {}", action.verb.name(), action.object);
        if !action.why.is_empty() {
            let _ = write!(line, " ({})", action.why);
        }
        for change in &action.changes {
            let _ = write!(line, " {}", change.path);
        }
        line
    };
    slice.actions.iter().map(line).collect()
}

fn status(response: &fleetc::api::Response) -> Node {
    assert!(response.is_success(), "{} {}", response.status, response.text);
    response.node().expect("JSON")
}

/// Carries a plan out as far as these tests need it: what is applied, deleted and released, and the parents.
fn carry_out(cluster: &mut MemoryCluster, slices: &[DesiredSlice], plan: &ClusterPlan) {
    cluster.act(
        "setup",
        Method::Post,
        "/api/v1/namespaces",
        r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"fleetc-system"}}"#,
    );
    for planned in &plan.slices {
        assert_eq!(planned.status, Status::Ready, "{:?}", lines(planned));
        let mut items: BTreeMap<String, Item> = planned
            .items()
            .iter()
            .map(|item| (format!("{} {} {}", item.gvk, item.namespace, item.name), item.clone()))
            .collect();
        let desired = slices.iter().find(|slice| slice.key == planned.key);
        for action in &planned.actions {
            let plural = format!("{}s", action.object.kind.to_lowercase());
            let root = if action.gvk.group.is_empty() { "/api" } else { "/apis" };
            let namespace = match action.object.namespace.as_str() {
                "" => String::new(),
                name => format!("/namespaces/{name}"),
            };
            let path = format!("{root}/{}{namespace}/{plural}/{}", action.gvk.api_version(), action.object.name);
            let key = format!("{} {} {}", action.gvk, action.object.namespace, action.object.name);
            match &action.verb {
                verb if verb.applies() => {
                    let object = action.desired.and_then(|at| desired?.objects.get(at));
                    let body =
                        action.body.clone().or_else(|| object.map(|object| object.json.clone())).expect("a body");
                    let request = Request::new(Method::Patch, path)
                        .with("fieldManager", "fleetc")
                        .with("force", action.force.to_string())
                        .body(Content::Apply, body);
                    let live = status(&cluster.answer(&request));
                    // A definition is served when it is established.
                    if action.object.kind == "CustomResourceDefinition" {
                        cluster.settle();
                    }
                    let Some(object) = object.filter(|object| object.is_plain()) else { continue };
                    let uid = live.at(&["metadata", "uid"]).and_then(Node::smol).expect("a UID");
                    items.insert(
                        key,
                        Item {
                            gvk: action.gvk.clone(),
                            namespace: action.object.namespace.clone(),
                            name: action.object.name.clone(),
                            uid,
                            applied: Some(object.digest),
                            owned: owned_digest(&live),
                        },
                    );
                }
                Verb::Delete(_) => {
                    status(&cluster.answer(&Request::new(Method::Delete, path)));
                    items.remove(&key);
                }
                Verb::Forget | Verb::HandOver { .. } | Verb::Release => drop(items.remove(&key)),
                _ => {}
            }
        }
        let parent = Parent {
            name: planned.parent_name.clone(),
            key: planned.key.clone(),
            uid: "".into(),
            resource_version: "".into(),
            record: planned.record.to_node(),
            items: items.into_values().collect(),
        };
        let body = json::to_json(&parent.manifest().expect("a manifest")).expect("JSON");
        let path = format!("/api/v1/namespaces/fleetc-system/configmaps/{}", parent.name.name);
        let request = Request::new(Method::Patch, path)
            .with("fieldManager", "fleetc")
            .with("force", "true")
            .body(Content::Apply, body);
        status(&cluster.answer(&request));
    }
    cluster.settle();
}

/// Plans and carries out.
pub(crate) fn install(cluster: &mut MemoryCluster, apps: &[App<'_>]) {
    let slices = slices(apps);
    let (plan, _) = planned(cluster, input(slices.clone()));
    carry_out(cluster, &slices, &plan);
}

pub(crate) fn config(name: &str, data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\ndata: {{key: {data}}}\n---\n"
    )
}

pub(crate) const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: default}\nspec:\n  replicas: 2\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: 'web:1'}]}\n---\n";

pub(crate) const PRUNES: &str = "syncPolicy: {automated: {prune: true}}";

/// One application with these manifests against a cluster.
pub(crate) fn one(cluster: &mut MemoryCluster, more: &str, manifests: &str) -> (SlicePlan, usize) {
    let (mut plan, calls) = planned(cluster, input(slices(&[App("shop", more, manifests)])));
    assert_eq!(plan.failed, None);
    (plan.slices.remove(0), calls)
}

#[test]
fn an_install_then_nothing_then_a_change() {
    let mut cluster = MemoryCluster::default();
    let manifests = format!("{}{}{DEPLOYMENT}", config("a", "x"), config("b", "x"));
    let (plan, _) = one(&mut cluster, "", &manifests);
    assert_eq!(
        lines(&plan),
        ["create ConfigMap default/a", "create ConfigMap default/b", "create Deployment.apps default/web"]
    );
    assert!(plan.has_changes() && plan.parent.is_none());

    install(&mut cluster, &[App("shop", "", &manifests)]);
    let (plan, calls) = one(&mut cluster, "", &manifests);
    assert_eq!((lines(&plan), plan.same.len()), (Vec::new(), 3));
    assert!(!plan.has_changes() && !plan.has_work());
    // Who it is, its version, the parents, Applications, two groups of kinds, two lists: not one question per object.
    assert_eq!(calls, 8);

    let changed = manifests.replace("web:1", "web:2").replace("replicas: 2", "replicas: 3");
    let (plan, _) = one(&mut cluster, "", &changed);
    assert_eq!(
        lines(&plan),
        ["change Deployment.apps default/web .spec.replicas .spec.template.spec.containers[name=web].image"]
    );
    assert!(plan.has_changes());
}

#[test]
fn what_others_changed_of_ours_is_seen_and_status_is_not() {
    let mut cluster = MemoryCluster::default();
    install(&mut cluster, &[App("shop", "", DEPLOYMENT)]);
    let path = "/apis/apps/v1/namespaces/default/deployments/web";
    cluster.act("kubectl-edit", Method::Patch, path, r#"{"metadata":{"annotations":{"note":"theirs"}}}"#);
    assert_eq!(lines(&one(&mut cluster, "", DEPLOYMENT).0), Vec::<String>::new());
    cluster.act("kubectl-edit", Method::Patch, path, r#"{"spec":{"replicas":7}}"#);
    let (plan, _) = one(&mut cluster, "", DEPLOYMENT);
    assert_eq!(plan.status, Status::Blocked);
    assert_eq!(
        lines(&plan),
        ["refuse Deployment.apps default/web (.spec.replicas: somebody changed it with kubectl-edit)"]
    );

    let options = Options { take_ownership: true, ..Options::default() };
    let taking = ClusterInput { options, ..input(slices(&[App("shop", "", DEPLOYMENT)])) };
    let (plan, _) = planned(&mut cluster, taking);
    let action = &plan.slices[0].actions[0];
    assert!(action.force && action.verb == Verb::Change, "{action:?}");
    assert_eq!(lines(&plan.slices[0]), ["change Deployment.apps default/web .spec.replicas"]);
}

#[test]
fn a_secret_is_known_without_a_digest_of_its_values() {
    let mut cluster = MemoryCluster::default();
    let secret = |value: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: default}}\ndata: {{p: {value}}}\n")
    };
    let (one_value, other) = (secret("aHVudGVyMQ=="), secret("aHVudGVyMg=="));
    let digests = [&one_value, &other].map(|text| slices(&[App("shop", "", text)])[0].objects[0].digest);
    assert_eq!(digests[0], digests[1]);
    install(&mut cluster, &[App("shop", "", &one_value)]);
    assert_eq!(lines(&one(&mut cluster, "", &one_value).0), Vec::<String>::new());
    let (plan, _) = one(&mut cluster, "", &other);
    assert_eq!(lines(&plan), ["change Secret default/s .data.p"]);
    let file = plan::file::PlanFile {
        fleet: "platform".into(),
        clusters: vec![ClusterPlan { slices: vec![plan], ..ClusterPlan::default() }],
        ..Default::default()
    };
    let text = file.to_text().expect("JSON");
    assert!(!text.contains("aHVudGVy") && text.contains("***"), "{text}");
}

#[test]
fn leftovers_follow_the_policy() {
    let mut cluster = MemoryCluster::default();
    let all = format!("{}{}", config("a", "x"), config("b", "x"));
    install(&mut cluster, &[App("shop", PRUNES, &all)]);
    let rest = config("a", "x");
    assert_eq!(lines(&one(&mut cluster, PRUNES, &rest).0), ["delete ConfigMap default/b"]);
    assert_eq!(lines(&one(&mut cluster, "", &rest).0), ["keep ConfigMap default/b (prune off)"]);
    let with = |cluster: &mut MemoryCluster, prune: Prune| {
        let options = Options { prune, ..Options::default() };
        let (plan, _) = planned(cluster, ClusterInput { options, ..input(slices(&[App("shop", PRUNES, &rest)])) });
        lines(&plan.slices[0])
    };
    assert_eq!(with(&mut cluster, Prune::Never), ["keep ConfigMap default/b (--prune never)"]);
    // The live object's word counts, since there is no other one any more.
    let path = "/api/v1/namespaces/default/configmaps/b";
    cluster.act(
        "kubectl",
        Method::Patch,
        path,
        r#"{"metadata":{"annotations":{"argocd.argoproj.io/sync-options":"Prune=false"}}}"#,
    );
    assert_eq!(with(&mut cluster, Prune::Always), ["keep ConfigMap default/b (it says Prune=false)"]);
    // An empty set is refused, unless it is meant.
    let (plan, _) = one(&mut cluster, PRUNES, "");
    assert!(matches!(&plan.status, Status::Refused(why) if why.contains("allowEmpty")), "{:?}", plan.status);
    let (plan, _) = one(&mut cluster, "syncPolicy: {automated: {prune: true, allowEmpty: true}}", "");
    assert_eq!(lines(&plan), ["delete ConfigMap default/a", "keep ConfigMap default/b (it says Prune=false)"]);
}

#[test]
fn what_is_not_provably_ours_is_never_deleted() {
    let mut cluster = MemoryCluster::default();
    let all = format!("{}{}{}{}", config("a", "x"), config("b", "x"), config("c", "x"), config("d", "x"));
    install(&mut cluster, &[App("shop", PRUNES, &all)]);
    let id = slices(&[App("shop", "", "")])[0].parent.id();
    // A child that carries our label, as controllers copy them.
    let child = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"child","namespace":"default","labels":{{"applyset.kubernetes.io/part-of":"{id}"}}}}}}"#
    );
    cluster.act("some-controller", Method::Post, "/api/v1/namespaces/default/configmaps", &child);
    // `b` was deleted and made anew by somebody, `c` belongs to a controller by now, the label of `d` was taken off.
    let path = |name: &str| format!("/api/v1/namespaces/default/configmaps/{name}");
    cluster.act("kubectl", Method::Delete, &path("b"), "");
    cluster.act(
        "kubectl",
        Method::Post,
        "/api/v1/namespaces/default/configmaps",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"default"}}"#,
    );
    let uid = cluster
        .find("v1", "ConfigMap", "default", "a")
        .and_then(|a| a.at(&["metadata", "uid"]))
        .and_then(Node::as_str)
        .expect("a UID")
        .to_owned();
    cluster.act("controller", Method::Patch, &path("c"), &format!(r#"{{"metadata":{{"ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"a","uid":"{uid}","controller":true}}]}}}}"#));
    cluster.act(
        "kubectl",
        Method::Patch,
        &path("d"),
        r#"{"metadata":{"labels":{"applyset.kubernetes.io/part-of":null}}}"#,
    );
    let (plan, _) = one(&mut cluster, PRUNES, &config("a", "x"));
    assert_eq!(
        lines(&plan),
        [
            "forget ConfigMap default/b (it is gone, and another object has its name)",
            "release ConfigMap default/c (it belongs to ConfigMap a)",
            "delete ConfigMap default/d",
        ]
    );
}

#[test]
fn an_object_that_moves_is_handed_over() {
    let mut cluster = MemoryCluster::default();
    let (a, b) = (config("a", "x"), config("b", "x"));
    install(&mut cluster, &[App("one", PRUNES, &format!("{a}{b}")), App("two", PRUNES, &config("c", "x"))]);
    let moved = [App("one", PRUNES, &a), App("two", PRUNES, &format!("{b}{}", config("c", "x")))];
    let (plan, _) = planned(&mut cluster, input(slices(&moved)));
    assert_eq!(lines(&plan.slices[0]), ["hand-over ConfigMap default/b (application `two` declares it now)"]);
    assert_eq!(plan.slices[1].actions.len(), 1);
    let action = &plan.slices[1].actions[0];
    assert!(matches!(&action.verb, Verb::TakeOver { from } if from.name == "one"), "{action:?}");
    // Where nobody knows what the other one declares, nothing moves.
    let mut unknown = input(slices(&moved));
    unknown.slices.retain(|slice| slice.key.application.name == "two");
    unknown.removals = Removals::None;
    let (plan, _) = planned(&mut cluster, unknown);
    assert_eq!(plan.slices[0].status, Status::Blocked);
}

#[test]
fn foreign_objects_are_adopted_openly_or_refused() {
    let mut cluster = MemoryCluster::default();
    let post = |cluster: &mut MemoryCluster, metadata: &str| {
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"namespace":"default",{metadata}}},"data":{{"other":"y"}}}}"#
        );
        cluster.act("kubectl-create", Method::Post, "/api/v1/namespaces/default/configmaps", &body);
    };
    post(&mut cluster, r#""name":"a""#);
    post(&mut cluster, r#""name":"b","labels":{"applyset.kubernetes.io/part-of":"applyset-x-v1"}"#);
    let (plan, _) = one(&mut cluster, "", &format!("{}{}", config("a", "x"), config("b", "x")));
    assert_eq!(
        lines(&plan),
        [
            "adopt ConfigMap default/a .data.key",
            "refuse ConfigMap default/b (it is part of another ApplySet, `applyset-x-v1`)"
        ]
    );
    assert_eq!(plan.status, Status::Blocked);
}

#[test]
fn namespaces_and_definitions_that_come_with_the_plan() {
    let mut cluster = MemoryCluster::default();
    let manifests = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: shop}\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  names: {kind: Widget, plural: widgets}\n  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]\n";
    let ensures = "createNamespaces: [{name: shop, labels: {team: web}}]";
    let (plan, _) = one(&mut cluster, ensures, manifests);
    assert_eq!(
        lines(&plan),
        [
            "ensure Namespace shop (CreateNamespace=true)",
            "create ConfigMap shop/a",
            "create CustomResourceDefinition.apiextensions.k8s.io widgets.example.com",
            "unknown Widget.example.com shop/w (the definition of its kind Widget.example.com comes with this plan)",
        ]
    );
    let (plan, _) = one(&mut cluster, "", manifests);
    let all = lines(&plan).join("\n");
    assert!(all.contains("its namespace `shop` does not exist, and nothing in the plan brings it"), "{all}");
    install(&mut cluster, &[App("shop", ensures, manifests)]);
    assert_eq!(lines(&one(&mut cluster, ensures, manifests).0), Vec::<String>::new());
    let team = "createNamespaces: [{name: shop, labels: {team: core}}]";
    assert_eq!(
        lines(&one(&mut cluster, team, manifests).0),
        ["ensure Namespace shop (CreateNamespace=true) .metadata.labels.team"]
    );
}

#[test]
fn hooks_run_when_something_changes_and_install_hooks_once() {
    let mut cluster = MemoryCluster::default();
    let job = |name: &str, annotations: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, namespace: default, annotations: {{{annotations}}}}}\nspec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: x, image: x}}]}}}}}}\n---\n"
        )
    };
    let hooks = job("before", "argocd.argoproj.io/hook: PreSync")
        + &job("first", "helm.sh/hook: pre-install")
        + &job("test", "helm.sh/hook: test");
    let manifests = |value: &str| hooks.clone() + &config("a", value);
    let (plan, _) = one(&mut cluster, "", &manifests("x"));
    assert_eq!(
        lines(&plan),
        ["hook Job.batch default/before", "hook Job.batch default/first", "create ConfigMap default/a"]
    );
    let mut slices = slices(&[App("shop", "", &manifests("x"))]);
    slices[0].record.installed = true;
    let (plan, _) = planned(&mut cluster, input(slices.clone()));
    carry_out(&mut cluster, &slices, &plan);
    assert_eq!(lines(&one(&mut cluster, "", &manifests("x")).0), Vec::<String>::new());
    let (plan, _) = one(&mut cluster, "", &manifests("y"));
    assert_eq!(lines(&plan), ["hook Job.batch default/before", "change ConfigMap default/a .data.key"]);
}

#[test]
fn an_application_that_is_gone_leaves_within_its_budget() {
    let mut cluster = MemoryCluster::default();
    let cascade = "finalizers: [resources-finalizer.argocd.argoproj.io]";
    let (a, b, c) = (config("a", "x"), config("b", "x"), config("c", "x"));
    install(&mut cluster, &[App("one", cascade, &a), App("two", "", &b), App("three", "", &c)]);
    let stays = [App("three", "", c.as_str())];
    let (plan, _) = planned(&mut cluster, input(slices(&stays)));
    let removals: Vec<&SlicePlan> = plan.slices.iter().filter(|slice| slice.removal).collect();
    assert_eq!(lines(removals[0]), ["delete ConfigMap default/a"]);
    assert_eq!(
        lines(removals[1]),
        ["release ConfigMap default/b (its application is gone and had no resources finalizer, so what it had stays)"]
    );
    let mut plans = [plan];
    plan::guard::run(&mut plans, plan::guard::Limits::default());
    assert!(plans[0].slices.iter().filter(|slice| slice.removal).all(|slice| slice.withheld.is_some()));
    assert!(plans[0].refusals[0].contains("--max-removals 2"), "{:?}", plans[0].refusals);
    // What only a filter hides is not gone.
    let mut filtered = input(slices(&stays));
    filtered.known.extend(["one", "two"].map(|name| AppKey {
        instance: String::new(),
        namespace: "argocd".into(),
        name: name.into(),
    }));
    let (plan, _) = planned(&mut cluster, filtered);
    assert_eq!(plan.slices.len(), 1);
}

#[test]
fn too_many_deletions_are_withheld_together() {
    let mut cluster = MemoryCluster::default();
    let all: String = (0..20).map(|at| config(&format!("c{at:02}"), "x")).collect();
    install(&mut cluster, &[App("shop", PRUNES, &all)]);
    let few: String = (0..9).map(|at| config(&format!("c{at:02}"), "x")).collect();
    let (plan, _) = planned(&mut cluster, input(slices(&[App("shop", PRUNES, &few)])));
    assert_eq!(plan.slices[0].actions.len(), 11);
    assert!(plan.slices[0].actions.iter().all(|action| action.withheld.is_some()));
    assert!(!plan.slices[0].has_changes());
    let options = Options { cluster_deletes: Some(11), ..Options::default() };
    let (allowed, _) = planned(&mut cluster, ClusterInput { options, ..input(slices(&[App("shop", PRUNES, &few)])) });
    assert!(allowed.slices[0].has_changes());
    // Allowing it is no other decision.
    assert_eq!(allowed.slices[0].digest, plan.slices[0].digest);
}

#[test]
fn held_applications_and_other_fleets_are_left_alone() {
    let mut cluster = MemoryCluster::default();
    install(&mut cluster, &[App("shop", PRUNES, &config("a", "x"))]);
    let mut held = slices(&[App("shop", PRUNES, "")]);
    held[0].state = plan::SliceState::Held("render: no kustomization".into());
    let (plan, _) = planned(&mut cluster, input(held));
    assert_eq!(
        (plan.slices[0].status.clone(), plan.slices[0].actions.len()),
        (Status::Held("render: no kustomization".into()), 0)
    );
    let other =
        ClusterInput { fleet: "other".into(), cluster: "eu".into(), known: BTreeSet::new(), ..ClusterInput::default() };
    let (plan, _) = planned(&mut cluster, other);
    assert!(plan.slices.is_empty() && plan.failed.is_none());
}

#[test]
fn no_fault_reads_as_an_empty_cluster() {
    let manifests = format!("{}{}{DEPLOYMENT}", config("a", "y"), config("b", "x"));
    let mut cluster = MemoryCluster::default();
    install(
        &mut cluster,
        &[App("shop", PRUNES, &format!("{}{}{}", config("a", "x"), config("b", "x"), config("c", "x")))],
    );
    let desired = || input(slices(&[App("shop", PRUNES, &manifests)]));
    let (wanted, calls) = planned(&mut cluster, desired());
    assert_eq!(
        lines(&wanted.slices[0]),
        ["delete ConfigMap default/c", "change ConfigMap default/a .data.key", "create Deployment.apps default/web"]
    );
    for call in 0..calls {
        for fault in [Fault::NotSent, Fault::Lost, Fault::Conflict, Fault::TooMany, Fault::Internal] {
            let (plan, _) = with_faults(&mut cluster, desired(), &Faults::at(call, fault));
            let plan = plan.expect("a plan");
            assert_eq!(plan.failed, None, "{fault:?} at call {call}");
            assert_eq!(
                plan.slices[0].digest,
                wanted.slices[0].digest,
                "{fault:?} at call {call}: {:?}",
                lines(&plan.slices[0])
            );
        }
        let hanging = Faults { hangs_from: Some(call), ..Faults::default() };
        let (plan, _) = with_faults(&mut cluster, desired(), &hanging);
        let plan = plan.expect("a plan");
        let failed = plan.failed.is_some() || plan.slices.iter().all(|slice| matches!(slice.status, Status::Failed(_)));
        assert!(failed, "hanging from call {call}: {plan:?}");
    }
}
