//! Plan and apply together, on clusters in memory: what a run does, what it leaves alone, and where it ends after faults.

use std::collections::BTreeSet;
use std::sync::Arc;

use fleetc::api::{Method, Request};
use fleetc::apply::{Basis, ClusterOutcome, Options, SliceResult, Wait, apply};
use fleetc::bundle::Index;
use fleetc::digest::Digest;
use fleetc::inventory::{Parent, ParentName};
use fleetc::k8s::health::Scripts;
use fleetc::machine::Machine;
use fleetc::memory_cluster::{FAIL, Fault, Faults, MemoryCluster, Run, drive};
use fleetc::plan::{self, ClusterInput, ClusterPlan, Context, DesiredSlice};
use fleetc::yaml::Node;

/// An application: name, further fields of its entry in bundle.yaml, objects.
type App<'a> = (&'a str, &'a str, &'a str);

const PRUNE: &str = "syncPolicy: {automated: {prune: true}}\n  finalizers: [resources-finalizer.argocd.argoproj.io]";

/// One application of a fleet from its objects, as from a bundle; further fields of its entry, indented by two.
pub(crate) fn slice(fleet: &str, name: &str, more: &str, objects: &str) -> DesiredSlice {
    let digest = Digest::of(objects.as_bytes());
    let more = if more.is_empty() { String::new() } else { format!("  {more}\n") };
    let text = format!(
        "apiVersion: fleetc.dev/v1alpha1\nkind: Bundle\ncluster: {{name: eu}}\napplications:\n- name: {name}\n  namespace: argocd\n  state: ok\n  project: default\n  files: {{all.yaml: '{digest}'}}\n{more}"
    );
    let index = Index::parse(&text).expect("an index");
    let context = Context { fleet, cluster: "eu", parent_namespace: "fleetc-system" };
    let slice = DesiredSlice::new(context, &index.applications[0], &|_| Some(Arc::from(objects)));
    assert_eq!(slice.state, plan::SliceState::Fresh);
    slice
}

pub(crate) fn input(apps: &[App<'_>]) -> ClusterInput {
    let mut input = ClusterInput {
        fleet: "test".into(),
        cluster: "eu".into(),
        parent_namespaces: vec!["fleetc-system".into()],
        ..ClusterInput::default()
    };
    for (name, more, objects) in apps {
        let slice = slice("test", name, more, objects);
        input.known.insert(slice.key.application.clone());
        input.slices.push(slice);
    }
    input
}

pub(crate) fn options() -> Options {
    Options {
        holder: "me".into(),
        wait: Wait::Steps,
        timeout: 60_000,
        at_once: 16,
        slices_at_once: 4,
        manual: false,
        ignore_windows: false,
        scripts: Scripts::default(),
    }
}

type Outcome = (ClusterPlan, ClusterOutcome);

/// A machine that plans a cluster and applies that.
pub(crate) fn plan_and_apply(input: ClusterInput, options: Options) -> Machine<Outcome> {
    Machine::new(move |port| async move {
        let since = port.now();
        let (mut approved, ground) = plan::cluster(port.clone(), input.clone()).await;
        plan::guard::run(std::slice::from_mut(&mut approved), plan::guard::Limits::default());
        let Some(ground) = ground else { return (approved, ClusterOutcome::default()) };
        let outcome = apply(port, input, approved.clone(), Basis::Fresh { ground, since }, options).await;
        (approved, outcome)
    })
}

fn go(cluster: &mut MemoryCluster, input: &ClusterInput) -> Run<Outcome> {
    drive(plan_and_apply(input.clone(), options()), cluster, &Faults::none())
}

fn results(run: &Run<Outcome>) -> Vec<String> {
    let (_, outcome) = run.result.as_ref().expect("a result");
    let slices = outcome.slices.iter();
    slices.map(|slice| format!("{} {}: {}", slice.application, slice.result, slice.counts)).collect()
}

/// What failed or was skipped, in words.
fn words(run: &Run<Outcome>) -> String {
    let (_, outcome) = run.result.as_ref().expect("a result");
    let mut out = outcome.failed.clone();
    for slice in &outcome.slices {
        out.push_str(&slice.why);
        for (object, why) in slice.errors.iter().chain(&slice.notes) {
            let object = object.as_ref().map(ToString::to_string).unwrap_or_default();
            out.push_str(&format!("{object}: {why}\n"));
        }
    }
    out
}

fn parent(cluster: &mut MemoryCluster, input: &ClusterInput, app: &str) -> Option<Parent> {
    let slice = input.slices.iter().find(|slice| slice.key.application.name == app)?;
    let ParentName { namespace, name } = &slice.parent;
    let response = cluster.answer(&Request::get(format!("/api/v1/namespaces/{namespace}/configmaps/{name}")));
    response.is_success().then(|| Parent::read(&response.node().expect("JSON")).expect("a parent"))
}

const NAMESPACE: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n";

fn config(name: &str, more: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: shop{more}}}, data: {{a: b}}}}\n---\n"
    )
}

fn workload(kind: &str, name: &str, annotations: &str, spec: &str) -> String {
    let api = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    let selector = if kind == "Job" { "" } else { "selector: {matchLabels: {app: x}}, " };
    format!(
        "{{apiVersion: {api}, kind: {kind}, metadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}, spec: {{{spec}{selector}template: {{metadata: {{labels: {{app: x}}}}, spec: {{restartPolicy: Never, containers: [{{name: c, image: i}}]}}}}}}}}\n---\n"
    )
}

fn hook(name: &str, annotations: &str) -> String {
    workload("Job", name, annotations, "")
}

fn live<'c>(cluster: &'c MemoryCluster, kind: &str, name: &str) -> Option<&'c Node> {
    let api = match kind {
        "Job" => "batch/v1",
        "Deployment" => "apps/v1",
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        _ => "v1",
    };
    cluster.find(api, kind, if kind == "Namespace" { "" } else { "shop" }, name)
}

fn uid(cluster: &MemoryCluster, kind: &str, name: &str) -> String {
    let found = live(cluster, kind, name).and_then(|object| object.at(&["metadata", "uid"])?.as_str());
    found.unwrap_or_default().to_owned()
}

#[test]
fn install_change_nothing_prune() {
    let mut cluster = MemoryCluster::default();
    let first = input(&[("web", PRUNE, &format!("{NAMESPACE}{}{}", config("a", ""), config("b", "")))]);
    let run = go(&mut cluster, &first);
    assert_eq!(results(&run), ["web applied: 3 created"], "{}\n{}", words(&run), run.trace());
    let run = go(&mut cluster, &first);
    assert_eq!(results(&run), ["web unchanged: nothing"], "{}", run.trace());
    assert_eq!(run.writes(), 0, "{}", run.trace());
    let second =
        input(&[("web", PRUNE, &format!("{NAMESPACE}{}{}", config("a", ", labels: {x: y}"), config("c", "")))]);
    let run = go(&mut cluster, &second);
    assert_eq!(results(&run), ["web applied: 1 created, 1 changed, 1 deleted"], "{}", words(&run));
    assert!(live(&cluster, "ConfigMap", "b").is_none());
    assert_eq!(parent(&mut cluster, &second, "web").expect("a parent").items.len(), 3);
    assert_eq!(go(&mut cluster, &second).writes(), 0);
}

#[test]
fn with_prune_off_what_leaves_stays_and_stays_listed() {
    let mut cluster = MemoryCluster::default();
    go(&mut cluster, &input(&[("web", "", &format!("{NAMESPACE}{}", config("a", "")))]));
    let second = input(&[("web", "", NAMESPACE)]);
    let run = go(&mut cluster, &second);
    assert_eq!(results(&run), ["web applied: nothing"], "{}", run.trace());
    assert_eq!(go(&mut cluster, &second).writes(), 0);
    assert!(live(&cluster, "ConfigMap", "a").is_some());
    assert_eq!(parent(&mut cluster, &second, "web").expect("a parent").items.len(), 2);
}

#[test]
fn hooks_run_when_the_application_changes_and_never_to_heal() {
    let mut cluster = MemoryCluster::default();
    let of = |label: &str| {
        let hooks = [
            hook("install", "helm.sh/hook: pre-install"),
            hook("before", "argocd.argoproj.io/hook: PreSync"),
            hook("after", "argocd.argoproj.io/hook: PostSync"),
        ];
        input(&[("web", PRUNE, &format!("{NAMESPACE}{}{}", config("a", label), hooks.concat()))])
    };
    let first = of("");
    let run = go(&mut cluster, &first);
    assert_eq!(results(&run), ["web applied: 2 created, 3 hooks run"], "{}\n{}", words(&run), run.trace());
    assert_eq!(go(&mut cluster, &first).writes(), 0);
    let hooks = |cluster: &MemoryCluster| ["install", "before", "after"].map(|name| uid(cluster, "Job", name));
    let before = hooks(&cluster);
    cluster.act("somebody", Method::Patch, "/api/v1/namespaces/shop/configmaps/a", r#"{"data":{"a":null}}"#);
    let run = go(&mut cluster, &first);
    assert_eq!(results(&run), ["web applied: 1 changed"], "{}\n{}", words(&run), run.trace());
    assert_eq!(hooks(&cluster), before, "healed without hooks");
    let run = go(&mut cluster, &of(", labels: {x: y}"));
    assert_eq!(results(&run), ["web applied: 1 changed, 2 hooks run"], "{}", words(&run));
    assert_eq!(hooks(&cluster)[0], before[0], "the hook of the installation does not run again");
}

#[test]
fn an_apply_that_was_cut_short_runs_its_last_hooks_later() {
    let desired = input(&[(
        "web",
        PRUNE,
        &format!("{NAMESPACE}{}{}", config("a", ""), hook("after", "argocd.argoproj.io/hook: PostSync")),
    )]);
    let mut cluster = MemoryCluster::default();
    let whole = go(&mut cluster, &desired);
    let is_hook = |call: &fleetc::memory_cluster::Call| {
        call.request.path.ends_with("/jobs/after")
            && call.request.method == Method::Patch
            && !call.request.is_harmless()
    };
    let at = whole.calls.iter().position(is_hook).expect("the hook was sent");
    let mut cluster = MemoryCluster::default();
    drive(plan_and_apply(desired.clone(), options()), &mut cluster, &Faults::at(at - 1, Fault::Killed));
    assert!(live(&cluster, "ConfigMap", "a").is_some() && live(&cluster, "Job", "after").is_none());
    let run = go(&mut cluster, &desired);
    assert!(live(&cluster, "Job", "after").is_some(), "{}\n{}", words(&run), run.trace());
    assert_eq!(go(&mut cluster, &desired).writes(), 0);
}

const CRD: &str = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: widgets.example.com}, spec: {group: example.com, scope: Namespaced, names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}\n---\n";
const WIDGET: &str =
    "{apiVersion: example.com/v1, kind: Widget, metadata: {name: one, namespace: shop}, spec: {size: 1}}\n---\n";

#[test]
fn definitions_and_namespaces_of_one_application_are_there_for_the_objects_of_another() {
    for apps in [
        vec![("all", PRUNE, format!("{WIDGET}{CRD}{NAMESPACE}"))],
        vec![("a-widgets", PRUNE, WIDGET.to_owned()), ("z-base", PRUNE, format!("{CRD}{NAMESPACE}"))],
    ] {
        let mut cluster = MemoryCluster::default();
        let apps: Vec<App<'_>> = apps.iter().map(|(name, more, objects)| (*name, *more, objects.as_str())).collect();
        let desired = input(&apps);
        let run = go(&mut cluster, &desired);
        assert!(results(&run).iter().all(|result| result.contains("applied")), "{}\n{}", words(&run), run.trace());
        assert!(cluster.find("example.com/v1", "Widget", "shop", "one").is_some());
        assert_eq!(go(&mut cluster, &desired).writes(), 0);
    }
}

#[test]
fn what_moves_keeps_its_uid() {
    let mut cluster = MemoryCluster::default();
    let (base, a) = (NAMESPACE.to_owned(), config("a", ""));
    let both = format!("{base}{a}");
    go(
        &mut cluster,
        &input(&[
            ("new", PRUNE, &config("n", ", namespace: default").replace("namespace: shop, ", "")),
            ("old", PRUNE, &both),
        ]),
    );
    let before = uid(&cluster, "ConfigMap", "a");
    assert!(!before.is_empty());
    let moved = input(&[("new", PRUNE, &a), ("old", PRUNE, &base)]);
    let run = go(&mut cluster, &moved);
    assert!(!words(&run).contains("not taken"), "{}\n{}", words(&run), run.trace());
    assert_eq!(uid(&cluster, "ConfigMap", "a"), before);
    let names = |cluster: &mut MemoryCluster, app: &str| -> BTreeSet<String> {
        parent(cluster, &moved, app).expect("a parent").items.iter().map(|item| item.name.to_string()).collect()
    };
    assert_eq!(names(&mut cluster, "old"), BTreeSet::from(["shop".to_owned()]));
    assert!(names(&mut cluster, "new").contains("a"));
    assert_eq!(go(&mut cluster, &moved).writes(), 0);
}

#[test]
fn a_removed_application_goes_with_its_parent_or_leaves_what_it_had() {
    for (more, stays) in [(PRUNE, false), ("", true)] {
        let mut cluster = MemoryCluster::default();
        let base = ("base", PRUNE, NAMESPACE);
        let a = config("a", "");
        let both = input(&[base, ("web", more, &a)]);
        go(&mut cluster, &both);
        let run = go(&mut cluster, &input(&[base]));
        assert_eq!(live(&cluster, "ConfigMap", "a").is_some(), stays, "{}\n{}", words(&run), run.trace());
        assert!(parent(&mut cluster, &both, "web").is_none());
        assert_eq!(go(&mut cluster, &input(&[base])).writes(), 0);
    }
}

#[test]
fn two_applications_do_not_leave_in_one_run() {
    let mut cluster = MemoryCluster::default();
    let (a, b) = (config("a", ""), config("b", ""));
    let base = ("base", PRUNE, NAMESPACE);
    go(&mut cluster, &input(&[base, ("one", PRUNE, &a), ("two", PRUNE, &b)]));
    let run = go(&mut cluster, &input(&[base]));
    assert_eq!(run.writes(), 0, "{}", run.trace());
    assert!(words(&run).contains("2 applications leave"), "{}", words(&run));
    assert!(live(&cluster, "ConfigMap", "a").is_some() && live(&cluster, "ConfigMap", "b").is_some());
}

#[test]
fn fields_of_an_autoscaler_are_left_alone_and_those_of_people_are_not_overwritten() {
    let mut cluster = MemoryCluster::default();
    let of = |replicas: usize, more: &str| {
        let spec = format!("replicas: {replicas}, ");
        input(&[(
            "web",
            PRUNE,
            &format!("{NAMESPACE}{}{}", workload("Deployment", "web", more, &spec), config("a", "")),
        )])
    };
    go(&mut cluster, &of(2, ""));
    let path = "/apis/apps/v1/namespaces/shop/deployments/web";
    let scale = Request::new(Method::Patch, format!("{path}/scale"))
        .with("fieldManager", "kube-controller-manager")
        .body(fleetc::api::Content::MergePatch, r#"{"spec":{"replicas":7}}"#);
    assert!(cluster.answer(&scale).is_success());
    let run = go(&mut cluster, &of(2, "x: y"));
    assert_eq!(results(&run), ["web applied: 1 changed"], "{}\n{}", words(&run), run.trace());
    let replicas = |cluster: &MemoryCluster| {
        live(cluster, "Deployment", "web").and_then(|o| o.at(&["spec", "replicas"])?.text().map(str::to_owned))
    };
    assert_eq!(replicas(&cluster).as_deref(), Some("7"));
    // A person took a field of a ConfigMap.
    let mut cluster = MemoryCluster::default();
    let desired = input(&[("web", PRUNE, &format!("{NAMESPACE}{}{}", config("a", ""), config("b", "")))]);
    go(&mut cluster, &desired);
    cluster.act("kubectl-edit", Method::Patch, "/api/v1/namespaces/shop/configmaps/a", r#"{"data":{"a":"mine"}}"#);
    let run = go(&mut cluster, &desired);
    assert!(words(&run).contains("kubectl-edit"), "{}", words(&run));
    assert_eq!(run.writes(), 0);
    let mut taking = desired.clone();
    taking.options.take_ownership = true;
    let run = go(&mut cluster, &taking);
    assert_eq!(results(&run), ["web applied: 1 changed"], "{}\n{}", words(&run), run.trace());
    assert_eq!(live(&cluster, "ConfigMap", "a").and_then(|o| o.at(&["data", "a"])?.as_str()), Some("b"));
}

/// Plans now and applies later, from another process.
fn saved(
    cluster: &mut MemoryCluster,
    desired: &ClusterInput,
    between: impl FnOnce(&mut MemoryCluster),
) -> Run<Outcome> {
    let input = desired.clone();
    let planning = Machine::new(move |port| async move { plan::cluster(port, input).await.0 });
    let approved = drive(planning, cluster, &Faults::none()).result.expect("a plan");
    between(cluster);
    let input = desired.clone();
    let machine = Machine::new(move |port| async move {
        let outcome = apply(port, input, approved.clone(), Basis::Saved, options()).await;
        (approved, outcome)
    });
    drive(machine, cluster, &Faults::none())
}

#[test]
fn a_saved_plan_holds_slice_by_slice() {
    let mut cluster = MemoryCluster::default();
    let (a, b) = (config("a", ""), config("b", ""));
    let base = ("base", PRUNE, NAMESPACE);
    go(&mut cluster, &input(&[base, ("one", PRUNE, &a), ("two", PRUNE, &b)]));
    let (a, b) = (config("a", ", labels: {x: y}"), config("b", ", labels: {x: y}"));
    let desired = input(&[base, ("one", PRUNE, &a), ("two", PRUNE, &b)]);
    let run = saved(&mut cluster, &desired, |cluster| {
        cluster.act(
            "kubectl",
            Method::Patch,
            "/api/v1/namespaces/shop/configmaps/a",
            r#"{"metadata":{"labels":{"x":"z"}}}"#,
        );
        // What has nothing to do with our fields does not count.
        cluster.act(
            "kubectl",
            Method::Patch,
            "/api/v1/namespaces/shop/configmaps/b",
            r#"{"metadata":{"annotations":{"seen":"1"}}}"#,
        );
    });
    let found = results(&run);
    assert_eq!(found[0], "base unchanged: nothing");
    assert_eq!(found[1], "one skipped: nothing", "{}\n{}", words(&run), run.trace());
    assert_eq!(found[2], "two applied: 1 changed", "{}\n{}", words(&run), run.trace());
    assert!(words(&run).contains("plan it again"), "{}", words(&run));
}

#[test]
fn another_cluster_than_the_planned_one_is_refused() {
    let mut cluster = MemoryCluster::default();
    let desired = input(&[("web", PRUNE, NAMESPACE)]);
    let run = saved(&mut cluster, &desired, |cluster| {
        *cluster = MemoryCluster::new(fleetc::memory_cluster::Settings { seed: 2, ..Default::default() });
    });
    assert!(words(&run).contains("another cluster"), "{}", words(&run));
    assert_eq!(run.writes(), 0);
}

#[test]
fn sync_options_are_honoured() {
    let option = |option: &str| format!(", annotations: {{argocd.argoproj.io/sync-options: '{option}'}}");
    // Prune=false keeps.
    let mut cluster = MemoryCluster::default();
    go(
        &mut cluster,
        &input(&[("web", PRUNE, &format!("{NAMESPACE}{}{}", config("a", &option("Prune=false")), config("b", "")))]),
    );
    let run = go(&mut cluster, &input(&[("web", PRUNE, NAMESPACE)]));
    assert!(
        live(&cluster, "ConfigMap", "a").is_some() && live(&cluster, "ConfigMap", "b").is_none(),
        "{}",
        words(&run)
    );
    // Replace=true writes the object whole.
    let mut cluster = MemoryCluster::default();
    let of = |more: &str| input(&[("web", PRUNE, &format!("{NAMESPACE}{}", config("a", more)))]);
    go(&mut cluster, &of(&option("Replace=true")));
    cluster.act("somebody", Method::Patch, "/api/v1/namespaces/shop/configmaps/a", r#"{"data":{"more":"x"}}"#);
    let run = go(&mut cluster, &of(&format!("{}, labels: {{x: y}}", option("Replace=true"))));
    assert!(
        live(&cluster, "ConfigMap", "a").is_some_and(|o| o.at(&["data", "more"]).is_none()),
        "{}\n{}",
        words(&run),
        run.trace()
    );
    // Delete=false stays when its application goes.
    let mut cluster = MemoryCluster::default();
    let (a, base) = (config("a", &option("Delete=false")), ("base", PRUNE, NAMESPACE));
    go(&mut cluster, &input(&[base, ("web", PRUNE, &a)]));
    go(&mut cluster, &input(&[base]));
    assert!(live(&cluster, "ConfigMap", "a").is_some());
    // CreateNamespace with its metadata: made, not claimed, not pruned.
    let mut cluster = MemoryCluster::default();
    let more = format!("{PRUNE}\n  createNamespaces: [{{name: shop, labels: {{team: a}}}}]");
    let desired = input(&[("web", &more, &config("a", ""))]);
    let run = go(&mut cluster, &desired);
    let namespace = live(&cluster, "Namespace", "shop").unwrap_or_else(|| panic!("{}\n{}", words(&run), run.trace()));
    assert_eq!(namespace.at(&["metadata", "labels", "team"]).and_then(Node::as_str), Some("a"));
    assert!(namespace.at(&["metadata", "labels", "applyset.kubernetes.io/part-of"]).is_none());
    assert_eq!(parent(&mut cluster, &desired, "web").expect("a parent").items.len(), 1);
    assert_eq!(go(&mut cluster, &desired).writes(), 0);
    // SkipDryRunOnMissingResource: its kind comes from elsewhere; here it does not come, which is an error of that object.
    let mut cluster = MemoryCluster::default();
    let widget =
        WIDGET.replace("namespace: shop", &format!("namespace: default{}", option("SkipDryRunOnMissingResource=true")));
    let run = go(&mut cluster, &input(&[("web", PRUNE, &widget)]));
    assert!(words(&run).contains("does not serve"), "{}", words(&run));
    // PrunePropagationPolicy.
    let mut cluster = MemoryCluster::default();
    let orphan = format!("{PRUNE}\n  syncOptions: [PrunePropagationPolicy=orphan]");
    go(&mut cluster, &input(&[("web", &orphan, &format!("{NAMESPACE}{}", workload("Deployment", "web", "", "")))]));
    cluster.settle();
    go(&mut cluster, &input(&[("web", &orphan, &format!("{NAMESPACE}{}", config("a", "")))]));
    cluster.settle();
    let sets = cluster.all().filter(|o| o.get("kind").and_then(Node::as_str) == Some("ReplicaSet")).count();
    assert_eq!((live(&cluster, "Deployment", "web").is_some(), sets), (false, 1));
}

#[test]
fn a_slice_that_fails_does_not_stop_the_others() {
    let mut cluster = MemoryCluster::default();
    let bad = workload("Job", "bad", &format!("argocd.argoproj.io/hook: PreSync, {FAIL}: 'true'"), "");
    let (bad, good) = (format!("{bad}{}", config("x", "")), config("a", ""));
    go(&mut cluster, &input(&[("base", PRUNE, NAMESPACE)]));
    let run = go(&mut cluster, &input(&[("base", PRUNE, NAMESPACE), ("bad", PRUNE, &bad), ("good", PRUNE, &good)]));
    let (_, outcome) = run.result.as_ref().expect("a result");
    let found: Vec<SliceResult> = outcome.slices.iter().map(|slice| slice.result).collect();
    assert_eq!(found, [SliceResult::Failed, SliceResult::Unchanged, SliceResult::Applied], "{}", words(&run));
    assert!(live(&cluster, "ConfigMap", "x").is_none() && live(&cluster, "ConfigMap", "a").is_some());
}

#[test]
fn secrets_are_in_no_words() {
    let mut cluster = MemoryCluster::default();
    let secret =
        "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}, stringData: {password: hunter2}}\n";
    let run = go(&mut cluster, &input(&[("web", PRUNE, &format!("{NAMESPACE}{secret}"))]));
    assert_eq!(results(&run), ["web applied: 2 created"], "{}", words(&run));
    assert!(!format!("{:?} {:?} {}", run.said, run.result.as_ref().map(|r| &r.1), words(&run)).contains("hunter2"));
    for object in cluster.all().filter(|o| o.get("kind").and_then(Node::as_str) != Some("Secret")) {
        let text = fleetc::yaml::json::to_json(object).expect("JSON");
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
    }
}

#[test]
fn sync_options_that_change_nothing_here() {
    // A server-side apply is validated by the server, whatever these say; what is in sync is never sent; managers are not migrated.
    for option in [
        "ServerSideApply=false",
        "ServerSideApply=true",
        "Validate=false",
        "ApplyOutOfSyncOnly=true",
        "ClientSideApplyMigration=false",
    ] {
        let mut cluster = MemoryCluster::default();
        let more = format!("{PRUNE}\n  syncOptions: ['{option}']");
        let desired = input(&[("web", &more, &format!("{NAMESPACE}{}", config("a", "")))]);
        let run = go(&mut cluster, &desired);
        assert_eq!(results(&run), ["web applied: 2 created"], "{option}: {}", words(&run));
        let managers = live(&cluster, "ConfigMap", "a").and_then(|o| o.at(&["metadata", "managedFields"])?.as_seq());
        let managers: Vec<&str> =
            managers.unwrap_or_default().iter().filter_map(|entry| entry.get("operation")?.as_str()).collect();
        assert_eq!(managers, ["Apply"], "{option}");
        assert_eq!(go(&mut cluster, &desired).writes(), 0, "{option}");
    }
}

#[test]
fn what_another_argo_application_tracks_is_shared_or_refused() {
    for (more, refused) in
        [(PRUNE.to_owned(), false), (format!("{PRUNE}\n  syncOptions: [FailOnSharedResource=true]"), true)]
    {
        let mut cluster = MemoryCluster::default();
        let base = ("base", PRUNE, NAMESPACE);
        go(&mut cluster, &input(&[base]));
        let body = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","annotations":{"argocd.argoproj.io/tracking-id":"other:/ConfigMap:shop/a"}}}"#;
        cluster.act("argocd-controller", Method::Post, "/api/v1/namespaces/shop/configmaps", body);
        let run = go(&mut cluster, &input(&[base, ("web", &more, &config("a", ""))]));
        assert_eq!(words(&run).contains("FailOnSharedResource"), refused, "{}", words(&run));
        let ours = live(&cluster, "ConfigMap", "a").and_then(|o| o.at(&["data", "a"])).is_some();
        assert_eq!(ours, !refused);
    }
}

#[test]
fn what_cannot_be_changed_is_made_anew_where_that_is_meant() {
    let job = |image: &str| workload("Job", "once", "", "").replace("image: i", &format!("image: {image}"));
    let mut cluster = MemoryCluster::default();
    go(&mut cluster, &input(&[("web", PRUNE, &format!("{NAMESPACE}{}", job("one")))]));
    let before = uid(&cluster, "Job", "once");
    let run = go(&mut cluster, &input(&[("web", PRUNE, &format!("{NAMESPACE}{}", job("two")))]));
    assert_eq!(results(&run), ["web applied: 1 replaced"], "{}\n{}", words(&run), run.trace());
    assert_ne!(uid(&cluster, "Job", "once"), before);
}

#[test]
fn what_is_pruned_last_waits_for_those_who_may_use_it() {
    for (name, annotation) in
        [("settings", "argocd.argoproj.io/sync-options: PruneLast=true"), ("settings-2kd6mh9f4t", "")]
    {
        let mut cluster = MemoryCluster::default();
        let old = config(name, &format!(", annotations: {{{annotation}}}"));
        let web = |more: &str| workload("Deployment", "web", more, "");
        go(&mut cluster, &input(&[("web", PRUNE, &format!("{NAMESPACE}{}{old}", web("")))]));
        // The new version never gets ready: what the old one uses stays.
        let run =
            go(&mut cluster, &input(&[("web", PRUNE, &format!("{NAMESPACE}{}", web(&format!("{FAIL}: 'true'"))))]));
        assert!(live(&cluster, "ConfigMap", name).is_some(), "{name}\n{}\n{}", words(&run), run.trace());
        let run = go(&mut cluster, &input(&[("web", PRUNE, &format!("{NAMESPACE}{}", web("x: y")))]));
        assert!(live(&cluster, "ConfigMap", name).is_none(), "{name}\n{}\n{}", words(&run), run.trace());
    }
}

#[test]
fn sync_windows_hold_an_application_back() {
    let deny =
        "syncPolicy: {automated: {prune: true}}\n  syncWindows: [{kind: deny, schedule: '* * * * *', duration: 1h}]";
    let mut cluster = MemoryCluster::default();
    let desired = input(&[("web", deny, NAMESPACE)]);
    let run = go(&mut cluster, &desired);
    assert_eq!(results(&run), ["web skipped: nothing"], "{}", words(&run));
    assert!(words(&run).contains("sync window"), "{}", words(&run));
    assert_eq!(run.writes(), 0);
    let ignoring = Options { ignore_windows: true, ..options() };
    let run = drive(plan_and_apply(desired.clone(), ignoring), &mut cluster, &Faults::none());
    assert_eq!(results(&run), ["web applied: 1 created"], "{}", words(&run));
    let record = parent(&mut cluster, &desired, "web").expect("a parent").record;
    assert!(
        record.get("ignoredWindow").and_then(Node::as_str).is_some_and(|who| who.starts_with("me at ")),
        "{record:?}"
    );
    assert_eq!(go(&mut cluster, &desired).writes(), 0);
}

#[test]
fn a_service_account_that_is_impersonated_applies_and_deletes() {
    let mut cluster = MemoryCluster::default();
    let more = format!("{PRUNE}\n  impersonate: 'system:serviceaccount:shop:deployer'");
    go(&mut cluster, &input(&[("web", &more, &format!("{NAMESPACE}{}{}", config("a", ""), config("b", "")))]));
    let run = go(&mut cluster, &input(&[("web", &more, &format!("{NAMESPACE}{}", config("a", ", labels: {x: y}")))]));
    assert_eq!(results(&run), ["web applied: 1 changed, 1 deleted"], "{}", words(&run));
    for call in run.calls.iter().filter(|call| !call.request.method.reads()) {
        let own = call.request.path.contains("/namespaces/fleetc-system");
        let acts = call.request.impersonate.as_deref() == Some("system:serviceaccount:shop:deployer");
        assert_eq!(acts, !own, "{}", call.request.path);
    }
}

#[test]
fn a_removed_application_whose_objects_all_move_leaves_no_parent() {
    let mut cluster = MemoryCluster::default();
    let (base, a, b) = (("base", PRUNE, NAMESPACE), config("a", ""), config("b", ""));
    let both = input(&[base, ("new", PRUNE, &b), ("old", PRUNE, &a)]);
    go(&mut cluster, &both);
    let before = uid(&cluster, "ConfigMap", "a");
    let moved = format!("{b}{a}");
    let after = input(&[base, ("new", PRUNE, &moved)]);
    let run = go(&mut cluster, &after);
    assert_eq!(uid(&cluster, "ConfigMap", "a"), before, "{}\n{}", words(&run), run.trace());
    assert!(parent(&mut cluster, &both, "old").is_none(), "{}\n{}", words(&run), run.trace());
    assert_eq!(go(&mut cluster, &after).writes(), 0);
}
