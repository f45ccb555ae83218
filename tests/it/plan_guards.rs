//! Plans that must not go too far: budgets, protected kinds, marks of danger, plans that only read, and how little a plan asks.

use std::collections::{BTreeMap, BTreeSet};

use fleetc::api::{Content, Method, Request};
use fleetc::application::AppKey;
use fleetc::inventory::Parent;
use fleetc::k8s::conflict::{self, FieldPattern};
use fleetc::k8s::glob::Glob;
use fleetc::memory_cluster::{Faults, MemoryCluster};
use fleetc::plan::guard::{self, Limits};
use fleetc::plan::report::{self, Detail};
use fleetc::plan::{Action, ClusterInput, ClusterPlan, Filter, Options, Removals, SlicePlan, Status, Verb, file};
use fleetc::yaml::{Node, json};

use super::plan::{App, DEPLOYMENT, PRUNES, config, input, install, lines, one, planned, slices, traced};

fn configs(count: usize) -> String {
    (0..count).map(|at| config(&format!("c{at:04}"), "x")).collect()
}

fn with(options: Options, apps: &[App<'_>]) -> ClusterInput {
    ClusterInput { options, ..input(slices(apps)) }
}

fn dangers(action: &Action) -> Vec<String> {
    action.dangers.iter().map(ToString::to_string).collect()
}

fn create(cluster: &mut MemoryCluster, path: &str, body: &str) {
    let response = cluster.act("kubectl-create", Method::Post, path, body);
    assert!(response.is_success(), "{}", response.text);
}

#[test]
fn a_run_has_a_budget_of_its_own() {
    let mut cluster = MemoryCluster::default();
    install(&mut cluster, &[App("shop", PRUNES, &configs(121))]);
    let options = Options { cluster_deletes: Some(120), ..Options::default() };
    let (plan, _) = planned(&mut cluster, with(options, &[App("shop", PRUNES, &configs(1))]));
    assert!(plan.slices[0].has_changes() && plan.refusals.is_empty(), "{:?}", plan.refusals);
    let withheld =
        |plans: &[ClusterPlan]| plans.iter().flat_map(|plan| &plan.slices).filter(|slice| !slice.has_changes()).count();
    let run = |count: usize, deletes: Option<usize>| {
        let mut plans = vec![plan.clone(); count];
        guard::run(&mut plans, Limits { deletes, removals: None });
        (withheld(&plans), plans[0].refusals.len())
    };
    assert_eq!(run(1, None), (0, 0));
    assert_eq!(run(2, None), (2, 1));
    assert_eq!(run(2, Some(240)), (0, 0));
    assert_eq!(run(2, Some(239)), (2, 1));
}

#[test]
fn one_percent_of_many_applications_may_leave() {
    let mut cluster = MemoryCluster::default();
    let cascade = "finalizers: [resources-finalizer.argocd.argoproj.io]";
    let (a, b) = (config("a", "x"), config("b", "x"));
    install(&mut cluster, &[App("one", cascade, &a), App("two", cascade, &b)]);
    let (plan, _) = planned(&mut cluster, input(Vec::new()));
    let run = |others: usize| {
        let mut plans = [ClusterPlan { others, ..plan.clone() }];
        guard::run(&mut plans, Limits::default());
        plans[0].slices.iter().filter(|slice| slice.withheld.is_none()).count()
    };
    assert_eq!((run(0), run(197), run(198)), (0, 0, 2));
}

#[test]
fn nothing_is_deleted_where_something_failed() {
    let mut cluster = MemoryCluster::default();
    let (all, rest) = (configs(2), configs(1));
    install(&mut cluster, &[App("shop", PRUNES, &all), App("other", "", &config("o", "x"))]);
    let apps = [App("shop", PRUNES, rest.as_str()), App("other", "", "")];
    let parent = slices(&apps)[1].parent.name.clone();
    let path = format!("/api/v1/namespaces/fleetc-system/configmaps/{parent}");
    cluster.act("kubectl-edit", Method::Patch, &path, r#"{"data":{"inventory":"what"}}"#);
    let (plan, _) = planned(&mut cluster, input(slices(&apps)));
    let of = |name: &str| plan.slices.iter().find(|slice| slice.key.application.name == name).expect("a slice");
    assert!(matches!(of("other").status, Status::Failed(_)), "{:?}", of("other").status);
    assert_eq!(lines(of("shop")), ["delete ConfigMap default/c0001"]);
    assert!(of("shop").actions[0].withheld.is_some() && !of("shop").has_changes());
}

#[test]
fn protected_kinds_go_only_where_that_is_said() {
    let mut cluster = MemoryCluster::default();
    let space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n";
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: default}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n---\n";
    let rest = config("a", "x");
    let all = format!("{space}{claim}{rest}{}", config("b", "x").replace("namespace: default", "namespace: shop"));
    install(&mut cluster, &[App("shop", PRUNES, &all)]);
    let mut plan = |allow: &[&str]| -> SlicePlan {
        let allow_delete: BTreeSet<String> = allow.iter().map(|kind| (*kind).to_owned()).collect();
        let options = Options { allow_delete, ..Options::default() };
        planned(&mut cluster, with(options, &[App("shop", PRUNES, &rest)])).0.slices.remove(0)
    };
    let kept = lines(&plan(&[]));
    assert!(
        kept.iter().any(|line| line.starts_with("keep Namespace shop") && line.contains("--allow-delete Namespace")),
        "{kept:?}"
    );
    assert!(kept.iter().any(|line| line.starts_with("keep PersistentVolumeClaim default/data")), "{kept:?}");
    let slice = plan(&["Namespace", "PersistentVolumeClaim"]);
    let goes = lines(&slice);
    assert!(
        goes.contains(&"delete Namespace shop".to_owned())
            && goes.contains(&"delete PersistentVolumeClaim default/data".to_owned()),
        "{goes:?}"
    );
    let marked = slice.actions.iter().filter(|action| !action.dangers.is_empty()).count();
    assert_eq!(marked, 2);
    create(
        &mut cluster,
        "/api/v1/namespaces/shop/configmaps",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"theirs","namespace":"shop"}}"#,
    );
    let options = Options { allow_delete: BTreeSet::from(["Namespace".to_owned()]), ..Options::default() };
    let (plan, _) = planned(&mut cluster, with(options, &[App("shop", PRUNES, &rest)]));
    let used = lines(&plan.slices[0]);
    assert!(
        used.iter().any(|line| line.starts_with("keep Namespace shop (ConfigMap shop/theirs is in it")),
        "{used:?}"
    );
}

#[test]
fn definitions_with_objects_of_others_stay() {
    let mut cluster = MemoryCluster::default();
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  names: {kind: Widget, plural: widgets}\n  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]\n---\n";
    let rest = config("a", "x");
    install(&mut cluster, &[App("shop", PRUNES, &format!("{crd}{rest}"))]);
    let slice = one(&mut cluster, PRUNES, &rest).0;
    assert_eq!(lines(&slice), ["delete CustomResourceDefinition.apiextensions.k8s.io widgets.example.com"]);
    assert_eq!(dangers(&slice.actions[0]), ["every object of its kind goes with it [danger/crd-goes]"]);
    create(
        &mut cluster,
        "/apis/example.com/v1/namespaces/default/widgets",
        r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"theirs","namespace":"default"}}"#,
    );
    for allow in [BTreeSet::new(), BTreeSet::from(["CustomResourceDefinition.apiextensions.k8s.io".to_owned()])] {
        let options = Options { allow_delete: allow, ..Options::default() };
        let (plan, _) = planned(&mut cluster, with(options, &[App("shop", PRUNES, &rest)]));
        assert_eq!(plan.slices[0].actions[0].verb, Verb::Keep, "{:?}", lines(&plan.slices[0]));
    }
}

#[test]
fn changes_are_marked_as_dangerous() {
    let mut cluster = MemoryCluster::default();
    let role = |verbs: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: r}}\nrules: [{{apiGroups: [''], resources: [pods], verbs: [{verbs}]}}]\n"
        )
    };
    install(&mut cluster, &[App("shop", "", &role("get"))]);
    let (plan, _) = one(&mut cluster, "", &role("get, delete"));
    assert_eq!(dangers(&plan.actions[0]), ["it allows more than before: delete pods [danger/rights-grow]"]);
    let (plan, _) = one(&mut cluster, "", &role("get").replace("{name: r}", "{name: r, labels: {a: b}}"));
    assert_eq!((dangers(&plan.actions[0]).len(), lines(&plan).len()), (0, 1));
    let (plan, _) = one(&mut cluster, "", &role("'*'").replace("{name: r}", "{name: new}"));
    let created = plan.actions.iter().find(|action| action.verb == Verb::Create).expect("a create");
    assert_eq!(dangers(created), ["it allows much: do anything with pods [danger/wildcard-rights]"]);
}

#[test]
fn a_plan_without_changes_does_not_ask_per_object() {
    let mut cluster = MemoryCluster::default();
    let deployments: String =
        (0..200).map(|at| DEPLOYMENT.replace("name: web,", &format!("name: web{at:03},"))).collect();
    let manifests = format!("{}{deployments}", configs(1_800));
    install(&mut cluster, &[App("shop", PRUNES, &manifests)]);
    let (plan, calls) = traced(&mut cluster, input(slices(&[App("shop", PRUNES, &manifests)])), &Faults::none());
    assert_eq!((plan.slices[0].same.len(), plan.slices[0].actions.len()), (2_000, 0));
    // Who it is, its version, the parents, Applications, two groups of kinds; four pages of ConfigMaps and one of Deployments.
    assert_eq!(calls.len(), 11, "{}", calls.iter().map(|call| call.request.path.clone() + "\n").collect::<String>());
    assert!(calls.iter().all(|call| call.request.method == Method::Get), "no dry runs");
    // What differs is asked for, and nothing else.
    let changed = manifests.replace(
        "name: c0007, namespace: default}\ndata: {key: x}",
        "name: c0007, namespace: default}\ndata: {key: y}",
    );
    let (plan, calls) = traced(&mut cluster, input(slices(&[App("shop", PRUNES, &changed)])), &Faults::none());
    assert_eq!(lines(&plan.slices[0]), ["change ConfigMap default/c0007 .data.key"]);
    assert_eq!(calls.len(), 12);
}

#[test]
fn a_plan_that_only_reads_foresees_the_same() {
    let mut cluster = MemoryCluster::default();
    let before = format!("{}{}{}{DEPLOYMENT}", config("a", "x"), config("gone", "x"), config("same", "x"));
    install(&mut cluster, &[App("shop", PRUNES, &before)]);
    create(
        &mut cluster,
        "/api/v1/namespaces/default/configmaps",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"theirs","namespace":"default"},"data":{"own":"1","key":"old"}}"#,
    );
    create(
        &mut cluster,
        "/api/v1/namespaces/default/configmaps",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"found","namespace":"default"},"data":{"own":"1"}}"#,
    );
    let deployment = DEPLOYMENT.replace("web:1", "web:2").replace("replicas: 2", "replicas: 5");
    let after = format!(
        "{}{}{}{}{deployment}",
        config("a", "y"),
        config("same", "x"),
        config("new", "x"),
        config("found", "x")
    );
    for more in [String::new(), config("theirs", "x")] {
        let apps = [App("shop", PRUNES, &format!("{after}{more}"))];
        let (wanted, _) = planned(&mut cluster, input(slices(&apps)));
        let options = Options { read_only: true, ..Options::default() };
        let (plan, calls) = traced(&mut cluster, with(options, &apps), &Faults::none());
        assert_eq!(lines(&plan.slices[0]), lines(&wanted.slices[0]));
        assert_eq!(plan.slices[0].digest, wanted.slices[0].digest);
        assert_eq!(plan.slices[0].status == Status::Blocked, !more.is_empty());
        assert!(calls.iter().all(|call| call.request.method == Method::Get), "get and list only");
    }
}

#[test]
fn ignored_differences_do_not_count() {
    let mut cluster = MemoryCluster::default();
    install(&mut cluster, &[App("shop", "", DEPLOYMENT)]);
    let path = "/apis/apps/v1/namespaces/default/deployments/web";
    cluster.act("kubectl-edit", Method::Patch, path, r#"{"spec":{"replicas":7}}"#);
    let ignores = "ignoreDifferences: [{group: apps, kind: Deployment, jsonPointers: [/spec/replicas]}]";
    assert_eq!(one(&mut cluster, "", DEPLOYMENT).0.status, Status::Blocked);
    let (plan, _) = one(&mut cluster, ignores, DEPLOYMENT);
    assert_eq!(lines(&plan), ["note Deployment.apps default/web"]);
    assert!(!plan.has_changes());
    // With another change it is left to whoever has it.
    let changed = DEPLOYMENT.replace("web:1", "web:2");
    let (plan, _) = one(&mut cluster, ignores, &changed);
    assert_eq!(lines(&plan), ["change Deployment.apps default/web .spec.template.spec.containers[name=web].image"]);
    assert_eq!(plan.actions[0].yields, [".spec.replicas is named by ignoreDifferences"]);
    assert!(!plan.actions[0].body.as_ref().expect("a body").contains("replicas"));
    // argocd-cm says it for the whole instance, by the manager.
    let data = Node::map(
        [(
            Node::str("resource.customizations.ignoreDifferences.all"),
            Node::str("managedFieldsManagers: [kubectl-edit]"),
        )]
        .into_iter()
        .collect(),
    );
    let settings = BTreeMap::from([(String::new(), data)]);
    let with_settings = ClusterInput { settings, ..input(slices(&[App("shop", "", DEPLOYMENT)])) };
    let (plan, _) = planned(&mut cluster, with_settings);
    assert_eq!((plan.slices[0].status.clone(), plan.slices[0].has_changes()), (Status::Ready, false));
}

#[test]
fn rules_of_the_fleet_decide_conflicts() {
    let mut cluster = MemoryCluster::default();
    install(&mut cluster, &[App("shop", "", DEPLOYMENT)]);
    let path = "/apis/apps/v1/namespaces/default/deployments/web";
    cluster.act("our-scaler", Method::Patch, path, r#"{"spec":{"replicas":7}}"#);
    assert_eq!(one(&mut cluster, "", DEPLOYMENT).0.status, Status::Blocked);
    let rule = |action| {
        let any = || Glob::new("*", "").expect("a glob");
        let field = FieldPattern::new(".spec.replicas").expect("a pattern");
        conflict::Rule { manager: Glob::new("our-*", "").expect("a glob"), group: any(), kind: any(), field, action }
    };
    let mut with_rule = |action| {
        let input = ClusterInput { conflicts: vec![rule(action)], ..input(slices(&[App("shop", "", DEPLOYMENT)])) };
        planned(&mut cluster, input).0.slices.remove(0)
    };
    assert!(with_rule(conflict::Action::Take).actions[0].force);
    let yields = with_rule(conflict::Action::Yield);
    assert!(!yields.has_changes() && yields.status == Status::Ready, "{:?}", lines(&yields));
    assert_eq!(with_rule(conflict::Action::Fail).status, Status::Blocked);
}

#[test]
fn what_another_manager_would_change() {
    let mut cluster = MemoryCluster::default();
    let apply = |cluster: &mut MemoryCluster, manager: &str, body: &str| {
        let path = "/api/v1/namespaces/default/configmaps/a";
        let request = Request::new(Method::Patch, path).with("fieldManager", manager).body(Content::Apply, body);
        assert!(cluster.answer(&request).is_success());
    };
    apply(
        &mut cluster,
        "argocd-controller",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default"},"data":{"key":"x","old":"1"}}"#,
    );
    let compare = |cluster: &mut MemoryCluster, manifest: &str, read_only: bool| {
        let options = Options { compare_as: Some("argocd-controller".into()), read_only, ..Options::default() };
        let input = ClusterInput { removals: Removals::None, ..with(options, &[App("shop", PRUNES, manifest)]) };
        lines(&planned(cluster, input).0.slices[0])
    };
    for read_only in [false, true] {
        assert_eq!(compare(&mut cluster, &config("a", "x"), read_only), ["change ConfigMap default/a .data.old"]);
        let same =
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\ndata: {key: x, old: '1'}\n";
        assert!(compare(&mut cluster, same, read_only).is_empty());
        assert_eq!(compare(&mut cluster, &config("b", "x"), read_only), ["create ConfigMap default/b"]);
    }
    // As ourselves it is an adoption, and what the other one set stays.
    assert_eq!(lines(&one(&mut cluster, "", &config("a", "x")).0), ["adopt ConfigMap default/a"]);
}

#[test]
fn two_names_of_one_cluster_do_not_take_each_others_applications_for_gone() {
    let mut cluster = MemoryCluster::default();
    install(&mut cluster, &[App("one", PRUNES, &config("a", "x"))]);
    // Seen from another name of the same cluster, on which the fleet has another application.
    let mut other = input(slices(&[App("two", PRUNES, &config("b", "x"))]));
    other.cluster = "eu-too".into();
    let (plan, _) = planned(&mut cluster, other.clone());
    assert_eq!(
        plan.slices.iter().filter(|slice| slice.removal).count(),
        1,
        "a renamed cluster is no reason to keep anything"
    );
    other.clusters = ["eu", "eu-too"].map(str::to_owned).into();
    let (plan, _) = planned(&mut cluster, other.clone());
    assert_eq!(plan.slices.iter().filter(|slice| slice.removal).count(), 0);
    // Nor are their objects taken over, nor their inventories shared.
    other.slices = slices(&[App("two", PRUNES, &config("a", "x"))]);
    let (plan, _) = planned(&mut cluster, other.clone());
    assert_eq!(plan.slices[0].status, Status::Blocked, "{:?}", lines(&plan.slices[0]));
    other.slices = slices(&[App("one", PRUNES, &config("a", "x"))]);
    let (plan, _) = planned(&mut cluster, other);
    assert!(
        matches!(&plan.slices[0].status, Status::Failed(why) if why.contains("two names")),
        "{:?}",
        plan.slices[0].status
    );
}

#[test]
fn filters_hide_and_do_not_remove() {
    let glob = |text: &str| Glob::new(text, "").expect("a glob");
    let key = |name: &str| AppKey { instance: String::new(), namespace: "argocd".into(), name: name.into() };
    let filter = Filter { applications: vec![glob("shop-*"), glob("argocd/web")], projects: Vec::new() };
    assert!(filter.lets(&key("shop-eu"), "p") && filter.lets(&key("web"), "p") && !filter.lets(&key("other"), "p"));
    let filter = Filter { projects: vec![glob("team-*")], ..filter };
    assert!(filter.lets(&key("web"), "team-a") && !filter.lets(&key("web"), "default"));

    let mut cluster = MemoryCluster::default();
    install(&mut cluster, &[App("gone-a", PRUNES, &config("a", "x")), App("gone-b", PRUNES, &config("b", "x"))]);
    let removals = Removals::Only(Filter { applications: vec![glob("*-a")], projects: Vec::new() });
    let (plan, _) = planned(&mut cluster, ClusterInput { removals, ..input(Vec::new()) });
    let names: Vec<&str> = plan.slices.iter().map(|slice| slice.key.application.name.as_str()).collect();
    assert_eq!((names, plan.others), (vec!["gone-a"], 1));
}

#[test]
fn no_value_of_a_secret_is_in_any_output() {
    let mut cluster = MemoryCluster::default();
    let secret = |value: &str, plain: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: default}}\ndata: {{p: {value}}}\nstringData: {{q: {plain}}}\n"
        )
    };
    let values = ["aHVudGVyMQ==", "aHVudGVyMg==", "swordfish1", "swordfish2", "hunter", "c3dvcmRmaXNo"];
    install(&mut cluster, &[App("shop", "", &secret(values[0], values[2]))]);
    let parents: Vec<Parent> = cluster.all().filter_map(|object| Parent::read(object).ok()).collect();
    assert_eq!(parents.len(), 1);
    for read_only in [false, true] {
        let options = Options { read_only, ..Options::default() };
        let (plan, _) = planned(&mut cluster, with(options, &[App("shop", "", &secret(values[1], values[3]))]));
        assert!(!plan.slices[0].actions[0].changes.is_empty());
        let plans = [plan];
        let shown = report::human(&plans, Detail { verbose: true, color: false });
        let file = file::PlanFile { fleet: "platform".into(), clusters: plans.to_vec(), ..Default::default() };
        let inventory = json::to_json(&parents[0].manifest().expect("a manifest")).expect("JSON");
        for text in [shown, report::markdown(&plans, &Default::default()), file.to_text().expect("JSON"), inventory] {
            let leaked: Vec<&str> = values.into_iter().filter(|value| text.contains(value)).collect();
            assert!(leaked.is_empty(), "{leaked:?} in {text}");
        }
    }
    // What the server says about a Secret may quote it.
    let wrong = "apiVersion: v1\nkind: Secret\nmetadata: {name: w, namespace: default}\ndata: {p: 'swordfish!'}\n";
    let (plan, _) = one(&mut cluster, "", wrong);
    assert!(!lines(&plan).join("").contains("swordfish"), "{:?}", lines(&plan));
}

#[test]
fn saved_plans_have_the_shape_that_the_schema_says() {
    let mut cluster = MemoryCluster::default();
    install(&mut cluster, &[App("shop", PRUNES, &configs(12)), App("gone", "", &config("g", "x"))]);
    let manifests = format!("{}{DEPLOYMENT}", config("c0000", "y"));
    let (plan, _) = planned(&mut cluster, input(slices(&[App("shop", PRUNES, &manifests)])));
    let mut failed = ClusterPlan { cluster: "far".into(), failed: Some("away".into()), ..ClusterPlan::default() };
    failed.notes.push("a note".into());
    let clusters = vec![plan, failed];
    let text = file::PlanFile { fleet: "platform".into(), clusters, ..Default::default() }.to_text().expect("JSON");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/plan.schema.json");
    let mut schema: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("the schema")).expect("JSON");
    // Readers let unknown fields pass; we write none that is not described.
    close(&mut schema);
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let wrong: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Lets a schema refuse what it does not describe.
pub(crate) fn close(schema: &mut serde_json::Value) {
    if let Some(map) = schema.as_object_mut() {
        if map.contains_key("properties") {
            map.insert("additionalProperties".into(), false.into());
        }
        map.values_mut().for_each(close);
    }
}

#[test]
fn what_cannot_be_changed_is_made_anew_and_marked() {
    let mut cluster = MemoryCluster::default();
    let claim = |size: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db, namespace: default}}\nspec: {{serviceName: {size}, selector: {{matchLabels: {{app: db}}}}, template: {{metadata: {{labels: {{app: db}}}}, spec: {{containers: [{{name: db, image: db}}]}}}}}}\n---\n"
        )
    };
    install(&mut cluster, &[App("shop", "", &format!("{DEPLOYMENT}{}", claim("a")))]);
    let other = DEPLOYMENT
        .replace("matchLabels: {app: web}", "matchLabels: {app: web, tier: x}")
        .replace("labels: {app: web}", "labels: {app: web, tier: x}");
    let (plan, _) = one(&mut cluster, "", &format!("{other}{}", claim("a")));
    let action = &plan.actions[0];
    assert_eq!((plan.actions.len(), &action.verb), (1, &Verb::Recreate), "{:?}", lines(&plan));
    assert!(
        dangers(action).join("").contains("deleted and made anew, since `spec.selector` cannot be changed"),
        "{:?}",
        action.dangers
    );
    // What holds data is not deleted for that, unless it says so itself.
    let (plan, _) = one(&mut cluster, "", &format!("{DEPLOYMENT}{}", claim("b")));
    assert_eq!((&plan.actions[0].verb, &plan.status), (&Verb::Refuse, &Status::Blocked), "{:?}", lines(&plan));
    let forced = claim("b").replace(
        "{name: db, namespace: default}",
        "{name: db, namespace: default, annotations: {argocd.argoproj.io/sync-options: Force=true}}",
    );
    let (plan, _) = one(&mut cluster, "", &format!("{DEPLOYMENT}{forced}"));
    assert_eq!(plan.actions[0].verb, Verb::Recreate, "{:?}", lines(&plan));
}

#[test]
fn generated_names_that_nothing_refers_to_go_last_and_uncounted() {
    let mut cluster = MemoryCluster::default();
    let uses = |name: &str| {
        DEPLOYMENT.replace("containers:", &format!("volumes: [{{name: c, configMap: {{name: {name}}}}}], containers:"))
    };
    let names: Vec<String> =
        "bcdfghkmt245".chars().map(|c| format!("settings-{}", String::from(c).repeat(10))).collect();
    let old: String = names.iter().skip(1).map(|name| config(name, "x")).collect();
    install(&mut cluster, &[App("shop", PRUNES, &format!("{old}{}", uses(&names[1])))]);
    let options = Options { cluster_deletes: Some(0), ..Options::default() };
    let now = format!("{}{}", config(&names[0], "y"), uses(&names[0]));
    let (plan, _) = planned(&mut cluster, with(options.clone(), &[App("shop", PRUNES, &now)]));
    let slice = &plan.slices[0];
    let deletes: Vec<usize> = slice
        .actions
        .iter()
        .filter(|action| matches!(action.verb, Verb::Delete(_)))
        .map(|action| action.place.position)
        .collect();
    assert_eq!(deletes, (2..13).collect::<Vec<_>>(), "{:?}", lines(slice));
    assert!(slice.actions.iter().all(|action| action.withheld.is_none()) && slice.counted_deletions() == 0);
    // One that something still refers to is a deletion like any other.
    let (plan, _) = planned(
        &mut cluster,
        with(options, &[App("shop", PRUNES, &format!("{}{}", config(&names[0], "y"), uses(&names[1])))]),
    );
    assert!(plan.slices[0].actions.iter().any(|action| action.withheld.is_some()), "{:?}", lines(&plan.slices[0]));
}

#[test]
fn a_scaler_keeps_its_replicas() {
    let mut cluster = MemoryCluster::default();
    install(&mut cluster, &[App("shop", "", DEPLOYMENT)]);
    let scale = r#"{"spec":{"replicas":7}}"#;
    let path = "/apis/apps/v1/namespaces/default/deployments/web/scale";
    let answer = cluster.act("horizontal-pod-autoscaler", Method::Patch, path, scale);
    assert!(answer.is_success(), "{}", answer.text);
    let (plan, _) = one(&mut cluster, "", DEPLOYMENT);
    assert!(plan.status == Status::Ready && !plan.has_changes(), "{:?}", lines(&plan));
    let (plan, _) = one(&mut cluster, "", &DEPLOYMENT.replace("web:1", "web:2"));
    assert_eq!(lines(&plan), ["change Deployment.apps default/web .spec.template.spec.containers[name=web].image"]);
    assert!(plan.actions[0].yields[0].contains("HorizontalPodAutoscaler"), "{:?}", plan.actions[0].yields);
}

/// The version of an inventory is gone for one kind, while another kind of the group still has it: the object is not lost for that.
#[test]
fn a_kind_that_left_its_version_is_found_in_another() {
    let mut cluster = MemoryCluster::default();
    let crd = |kind: &str, versions: &[&str]| {
        let list: Vec<String> = versions
            .iter()
            .map(|name| format!(r#"{{"name":"{name}","served":true,"storage":{},"schema":{{"openAPIV3Schema":{{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}}"#, *name == "v1"))
            .collect();
        let plural = format!("{}s", kind.to_lowercase());
        format!(
            r#"{{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{{"name":"{plural}.example.com"}},"spec":{{"group":"example.com","scope":"Namespaced","names":{{"kind":"{kind}","plural":"{plural}"}},"versions":[{}]}}}}"#,
            list.join(",")
        )
    };
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for kind in ["Apple", "Pear"] {
        create(&mut cluster, path, &crd(kind, &["v1", "v1alpha1"]));
    }
    cluster.settle();
    let object = |kind: &str| {
        format!("apiVersion: example.com/v1alpha1\nkind: {kind}\nmetadata: {{name: one, namespace: default}}\n---\n")
    };
    install(&mut cluster, &[App("shop", PRUNES, &(object("Apple") + &object("Pear")))]);
    let patched =
        cluster.act("kubectl-edit", Method::Patch, &format!("{path}/pears.example.com"), &crd("Pear", &["v1"]));
    assert!(patched.is_success(), "{}", patched.text);
    cluster.settle();
    let (plan, _) = one(&mut cluster, PRUNES, &object("Apple"));
    assert_eq!(lines(&plan), ["delete Pear.example.com default/one"]);
    assert_eq!(plan.actions[0].gvk.api_version(), "example.com/v1");
}

#[test]
fn a_render_that_was_told_something_else_is_refused() {
    let mut cluster = MemoryCluster::default();
    let why = |cluster: &mut MemoryCluster, facts: &str| match one(cluster, facts, &config("a", "x")).0.status {
        Status::Refused(why) => why,
        status => format!("{status:?}"),
    };
    for agrees in [
        "{kubeVersion: 1.34.9}",
        "{apiVersions: {apps/v1: true, apps/v1/Deployment: true, v1/Pod: true, apps/v2: false, example.com/v1/Widget: false}}",
    ] {
        assert_eq!(why(&mut cluster, &format!("facts: {agrees}")), "Ready");
    }
    let version = why(&mut cluster, "facts: {kubeVersion: 1.33.2, assumed: [kubeVersion]}");
    assert!(
        version.contains("was told Kubernetes 1.33.2, the cluster has 1.34.2; nobody had said")
            && version.contains("fleetc cluster facts eu"),
        "{version}"
    );
    assert!(
        why(&mut cluster, "facts: {apiVersions: {example.com/v1: true}}")
            .contains("told that `example.com/v1` is served")
    );
    assert!(
        why(&mut cluster, "facts: {apiVersions: {apps/v1/Deployment: false}}")
            .contains("told that `apps/v1/Deployment` is not served")
    );
    // The others of the cluster go on.
    let apps = [App("shop", "facts: {kubeVersion: 1.33.2}", &config("a", "x")), App("web", "", &config("b", "x"))];
    let (plan, _) = planned(&mut cluster, input(slices(&apps)));
    assert!(plan.slices[1].has_changes() && !plan.slices[0].has_changes());
}
