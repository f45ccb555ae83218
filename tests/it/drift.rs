//! What has drifted and what has not, on clusters in memory; and what parents remember: history and holds.

use std::collections::BTreeSet;

use fleetc::api::{Method, Request};
use fleetc::inventory::Parent;
use fleetc::k8s::health::Status as Health;
use fleetc::machine::Machine;
use fleetc::memory_cluster::{Faults, MemoryCluster, drive};
use fleetc::plan::report::{self, Detail};
use fleetc::plan::survey::{ClusterState, Git, Look, Standing, What, survey};
use fleetc::plan::{self, ClusterInput, Hold, Record, Status};
use fleetc::yaml::Node;

use crate::apply::{input, options, plan_and_apply};

const PRUNE: &str = "syncPolicy: {automated: {prune: true, selfHeal: true}}";
const SPACE: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n";

fn config(name: &str, value: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: shop}}, data: {{a: {value}, b: same}}}}\n---\n"
    )
}

fn web(replicas: u32) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: shop}}, spec: {{replicas: {replicas}, selector: {{matchLabels: {{app: x}}}}, template: {{metadata: {{labels: {{app: x}}}}, spec: {{containers: [{{name: main, image: 'nginx:1'}}]}}}}}}}}\n---\n"
    )
}

fn applied(cluster: &mut MemoryCluster, input: &ClusterInput) {
    let run = drive(plan_and_apply(input.clone(), options()), cluster, &Faults::none());
    let (_, outcome) = run.result.expect("a result");
    let wrong: Vec<_> = outcome.slices.iter().flat_map(|slice| &slice.errors).collect();
    assert!(wrong.is_empty() && outcome.failed.is_empty(), "{wrong:?} {}", outcome.failed);
    cluster.settle_for(10_000);
}

fn looked(cluster: &mut MemoryCluster, input: &ClusterInput) -> ClusterState {
    let (input, look) = (input.clone(), Look { beside: true, ..Look::default() });
    let run = drive(Machine::new(|port| survey(port, input, look)), cluster, &Faults::none());
    assert_eq!(run.writes(), 0, "{}", run.trace());
    let state = run.result.expect("a state");
    assert_eq!(state.failed, None);
    state
}

/// The only slice, looked at with dry runs; without them the same objects have drifted.
fn standing(cluster: &mut MemoryCluster, input: &ClusterInput) -> Standing {
    let mut with = looked(cluster, input);
    let mut reading = input.clone();
    reading.options.read_only = true;
    let without = looked(cluster, &reading);
    let names = |state: &ClusterState| -> Vec<String> {
        let drifts = state.slices.iter().flat_map(|slice| &slice.drifts);
        drifts.map(|drift| format!("{} {}", drift.what.name(), drift.object)).collect()
    };
    assert_eq!(names(&with), names(&without));
    assert_eq!(with.slices.len(), 1);
    with.slices.remove(0)
}

/// What has drifted, a line each: the object, and its fields with what was applied, what is live, and who holds them.
fn lines(slice: &Standing) -> Vec<String> {
    let text = |node: &Option<Node>| node.as_ref().and_then(Node::text).unwrap_or("-").to_owned();
    let mut found = Vec::new();
    for drift in &slice.drifts {
        let mut line = format!("{} {}", drift.what.name(), drift.object);
        for field in &drift.fields {
            let by: Vec<String> = field.by.iter().map(|by| format!("{}/{}", by.manager, by.subresource)).collect();
            assert!(field.by.iter().all(|by| !by.time.is_empty()), "{field:?}");
            line += &format!("; {} {} {} {}", field.path, text(&field.applied), text(&field.live), by.join(","));
        }
        found.push(line);
    }
    found
}

fn beside(slice: &Standing) -> String {
    slice.beside.iter().map(|(object, text)| format!("{object}: {text}\n")).collect()
}

const WEB: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const A: &str = "/api/v1/namespaces/shop/configmaps/a";

#[test]
fn what_a_person_changed_is_drift_and_what_an_autoscaler_did_is_none() {
    let mut cluster = MemoryCluster::default();
    let desired = input(&[("web", PRUNE, &format!("{SPACE}{}{}{}", config("a", "x"), config("b", "x"), web(2)))]);
    applied(&mut cluster, &desired);
    let slice = standing(&mut cluster, &desired);
    assert_eq!(
        (lines(&slice), slice.sync(), slice.git.clone()),
        (vec![], "Synced", Git::Applied),
        "{}",
        beside(&slice)
    );
    assert!(slice.is_fine() && slice.self_heal && slice.objects == 4, "{slice:?}");
    let hpa = |cluster: &mut MemoryCluster, by: &str, number: u32| {
        let body = format!(r#"{{"spec":{{"replicas":{number}}}}}"#);
        assert!(cluster.act(by, Method::Patch, &format!("{WEB}/scale"), &body).is_success());
    };
    hpa(&mut cluster, "kube-controller-manager", 5);
    let slice = standing(&mut cluster, &desired);
    assert_eq!(lines(&slice), Vec::<String>::new());
    assert!(beside(&slice).contains(".spec.replicas is left to a HorizontalPodAutoscaler"), "{}", beside(&slice));
    hpa(&mut cluster, "kubectl", 7);
    cluster.act("kubectl-edit", Method::Patch, A, r#"{"data":{"a":"theirs","more":"mine"}}"#);
    let slice = standing(&mut cluster, &desired);
    let expected = [
        "changed ConfigMap shop/a; .data.a x theirs kubectl-edit/",
        "changed Deployment.apps shop/web; .spec.replicas 2 7 kubectl/scale",
    ];
    assert_eq!((lines(&slice), slice.sync()), (expected.map(str::to_owned).to_vec(), "Drifted"));
    assert!(beside(&slice).contains(".data.more"), "a field beside ours is no drift: {}", beside(&slice));
    // For people.
    let state = looked(&mut cluster, &desired);
    let text = report::drift(&[state], Detail::default());
    for part in [
        "web on eu, applied ",
        "~ .spec.replicas: 2 → 7",
        "by kubectl (scale), ",
        "2 objects of 1 application have drifted",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn what_is_gone_made_anew_or_not_ours_is_drift() {
    let mut cluster = MemoryCluster::default();
    let all: String = ["a", "b", "c", "d"].map(|name| config(name, "x")).concat();
    let desired = input(&[("web", "", &format!("{SPACE}{all}"))]);
    applied(&mut cluster, &desired);
    cluster.act("kubectl", Method::Delete, A, "");
    cluster.act("kubectl", Method::Delete, &A.replace("maps/a", "maps/b"), "");
    let again = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"shop"},"data":{"a":"x"}}"#;
    cluster.act("kubectl-create", Method::Post, "/api/v1/namespaces/shop/configmaps", again);
    // A removed field: nobody knows by whom.
    cluster.act("kubectl-edit", Method::Patch, &A.replace("maps/a", "maps/c"), r#"{"data":{"a":null,"z":"1"}}"#);
    // A copy of one of ours, its label included.
    let part_of = cluster.find("v1", "ConfigMap", "shop", "d").expect("d");
    let part_of = part_of.str_at(&["metadata", "labels", "applyset.kubernetes.io/part-of"]).to_owned();
    let copy = |name: &str, owner: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"shop","labels":{{"applyset.kubernetes.io/part-of":"{part_of}"}}{owner}}}}}"#
        )
    };
    cluster.act("kubectl-create", Method::Post, "/api/v1/namespaces/shop/configmaps", &copy("copy", ""));
    let owner = format!(
        r#","ownerReferences":[{{"apiVersion":"v1","kind":"Namespace","name":"shop","uid":"{}","controller":true}}]"#,
        cluster.find("v1", "Namespace", "", "shop").expect("shop").str_at(&["metadata", "uid"])
    );
    cluster.act("operator", Method::Post, "/api/v1/namespaces/shop/configmaps", &copy("child", &owner));
    let slice = standing(&mut cluster, &desired);
    let expected = [
        "missing ConfigMap shop/a",
        "replaced ConfigMap shop/b",
        "changed ConfigMap shop/c; .data.a x - ",
        "extra ConfigMap shop/copy",
    ];
    assert_eq!(lines(&slice), expected);
    let last = slice.drifts[2].last.as_ref().expect("somebody wrote");
    assert_eq!(last.manager, "kubectl-edit");
    assert_eq!(slice.health, Some(Health::Missing));
    assert!(beside(&slice).contains("ConfigMap shop/child"), "{}", beside(&slice));
}

#[test]
fn changes_in_git_are_no_drift_and_hide_none() {
    let mut cluster = MemoryCluster::default();
    let old = format!("{SPACE}{}{}{}", config("a", "x"), config("b", "x"), config("gone", "x"));
    applied(&mut cluster, &input(&[("web", PRUNE, &old)]));
    let new = input(&[("web", PRUNE, &format!("{SPACE}{}{}", config("a", "y"), config("b", "y")))]);
    let slice = standing(&mut cluster, &new);
    assert_eq!((lines(&slice), slice.git.clone(), slice.sync()), (vec![], Git::Pending(3), "OutOfSync"));
    cluster.act("kubectl-edit", Method::Patch, A, r#"{"data":{"a":"theirs"}}"#);
    cluster.act("kubectl-edit", Method::Patch, &A.replace("maps/a", "maps/gone"), r#"{"data":{"b":"theirs"}}"#);
    let slice = standing(&mut cluster, &new);
    let expected = [
        "changed ConfigMap shop/a; .data.a - theirs kubectl-edit/",
        "changed ConfigMap shop/gone; .data.b - theirs kubectl-edit/",
    ];
    assert_eq!(lines(&slice), expected);
    assert!(slice.drifts.iter().flat_map(|drift| &drift.fields).all(|field| !field.known));
    // An application that is no longer declared is looked at, too.
    let slice = standing(&mut cluster, &input(&[]));
    assert_eq!((slice.git.clone(), slice.drifts.len()), (Git::Gone, 2));
    // One that never was has nothing to drift.
    let mut both = input(&[("fresh", "", &config("fresh", "x"))]);
    both.known.insert(slice.application.clone());
    let slice = standing(&mut cluster, &both);
    assert_eq!((slice.sync(), slice.record.is_some()), ("NotApplied", false));
}

#[test]
fn what_is_ignored_or_injected_is_no_drift() {
    let mut cluster = MemoryCluster::default();
    let more = "ignoreDifferences: [{kind: ConfigMap, jsonPointers: [/data/a]}]";
    let desired = input(&[("web", more, &format!("{SPACE}{}{}", config("a", "x"), web(2)))]);
    applied(&mut cluster, &desired);
    cluster.act("kubectl-edit", Method::Patch, A, r#"{"data":{"a":"theirs"}}"#);
    // As a webhook does with somebody's write: a container and an annotation that we do not apply.
    let sidecar = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"template":{"metadata":{"annotations":{"injected":"yes"}},"spec":{"containers":[{"name":"proxy","image":"proxy:1"}]}}}}"#;
    let request = Request::new(Method::Patch, WEB).with("fieldManager", "sidecar-injector");
    let request = request.body(fleetc::api::Content::Apply, sidecar);
    assert!(cluster.answer(&request).is_success());
    let slice = standing(&mut cluster, &desired);
    assert_eq!(lines(&slice), Vec::<String>::new());
    let beside = beside(&slice);
    assert!(beside.contains(".data.a is named by ignoreDifferences"), "{beside}");
    assert!(beside.contains("sidecar-injector") && beside.contains("[name=proxy]"), "{beside}");
}

#[test]
fn values_of_secrets_are_never_shown() {
    let mut cluster = MemoryCluster::default();
    let secret = |value: &str| {
        format!(
            "{SPACE}{{apiVersion: v1, kind: Secret, metadata: {{name: s, namespace: shop}}, stringData: {{p: {value}}}}}\n"
        )
    };
    let desired = input(&[("web", "", &secret("swordfish"))]);
    applied(&mut cluster, &desired);
    cluster.act("kubectl-edit", Method::Patch, "/api/v1/namespaces/shop/secrets/s", r#"{"data":{"p":"aHVudGVyMg=="}}"#);
    for desired in [desired, input(&[("web", "", &secret("other").replace("name: s,", "name: s, labels: {x: y},"))])] {
        let state = looked(&mut cluster, &desired);
        assert_eq!(state.slices[0].drifts.len(), 1);
        let text =
            format!("{state:?}{}", report::drift(std::slice::from_ref(&state), Detail { verbose: true, color: false }));
        assert!(text.contains(".data.p") || text.contains("data"), "{text}");
        for value in ["swordfish", "c3dvcmRmaXNo", "hunter2", "aHVudGVyMg"] {
            assert!(!text.contains(value), "{value} in {text}");
        }
    }
}

fn parent(cluster: &mut MemoryCluster, input: &ClusterInput) -> Parent {
    let name = &input.slices[0].parent;
    let path = format!("/api/v1/namespaces/{}/configmaps/{}", name.namespace, name.name);
    let response = cluster.answer(&Request::get(path));
    Parent::read(&response.node().expect("JSON")).expect("a parent")
}

#[test]
fn parents_remember_what_was_applied_and_a_hold_stops_plans() {
    let mut cluster = MemoryCluster::default();
    let of = |value: &str, revision: &str| {
        let mut made = input(&[("web", PRUNE, &format!("{SPACE}{}", config("a", value)))]);
        made.slices[0].revision = revision.to_owned();
        made
    };
    for (value, revision) in [("one", "c1"), ("two", "c2"), ("two", "c3"), ("three", "c4")] {
        applied(&mut cluster, &of(value, revision));
    }
    let record = Record::read(&parent(&mut cluster, &of("three", "c4")).record);
    let revisions: Vec<&str> = record.history.iter().map(|one| one.revision.as_str()).collect();
    assert_eq!(revisions, ["c4", "c2", "c1"], "an apply that did nothing is none");
    assert!(record.history.iter().all(|one| one.well && one.by == "me" && one.at.ends_with('Z')), "{record:?}");
    // Back to the first, and held there.
    let mut back = of("one", "c1");
    let hold =
        Hold { revision: "c1".into(), by: "ann".into(), at: "2026-01-01T00:00:00Z".into(), reason: "it leaks".into() };
    back.slices[0].record.hold = Some(hold.clone());
    applied(&mut cluster, &back);
    let record = Record::read(&parent(&mut cluster, &back).record);
    assert_eq!((record.hold.as_ref(), record.history[0].revision.as_str()), (Some(&hold), "c1"));
    let planned = |cluster: &mut MemoryCluster, input: &ClusterInput| {
        let input = input.clone();
        let run = drive(Machine::new(|port| plan::cluster(port, input)), cluster, &Faults::none());
        run.result.expect("a plan").0.slices.remove(0)
    };
    let new = of("three", "c5");
    for input in [new.clone(), ClusterInput { slices: Vec::new(), known: BTreeSet::new(), ..new.clone() }] {
        let slice = planned(&mut cluster, &input);
        let Status::Held(why) = &slice.status else { panic!("{:?}", slice.status) };
        assert!(why.contains("it leaks") && why.contains("fleetc rollback --release"), "{why}");
        assert!(slice.actions.is_empty() && !slice.has_work());
    }
    applied(&mut cluster, &new);
    let value = |cluster: &MemoryCluster| {
        cluster.find("v1", "ConfigMap", "shop", "a").expect("a").str_at(&["data", "a"]).to_owned()
    };
    assert_eq!(value(&cluster), "one");
    let slice = standing(&mut cluster, &new);
    assert!(!slice.is_fine() && slice.drifts.is_empty(), "{slice:?}");
    // Released, it goes on.
    let name = new.slices[0].parent.clone();
    let ended =
        drive(Machine::new(|port| fleetc::apply::release(port, name, "bob 1".into())), &mut cluster, &Faults::none());
    assert_eq!(ended.result, Some(Ok(Some(hold))));
    applied(&mut cluster, &new);
    assert_eq!(value(&cluster), "three");
    assert_eq!(Record::read(&parent(&mut cluster, &new).record).hold, None);
}

#[test]
fn what_is_held_is_not_taken_by_others_and_takes_nothing() {
    let mut cluster = MemoryCluster::default();
    let a = config("a", "x");
    applied(&mut cluster, &input(&[("one", PRUNE, &format!("{SPACE}{a}")), ("two", PRUNE, &config("b", "x"))]));
    // `one` is held; the fleet has given its object to `two` since.
    let mut held = input(&[("one", PRUNE, &format!("{SPACE}{a}"))]);
    held.known.extend(input(&[("two", "", "")]).known);
    held.slices[0].record.hold = Some(Hold { revision: "c1".into(), ..Hold::default() });
    applied(&mut cluster, &held);
    let moved = input(&[("one", PRUNE, SPACE), ("two", PRUNE, &format!("{a}{}", config("b", "x")))]);
    let run = drive(plan_and_apply(moved, options()), &mut cluster, &Faults::none());
    let (plan, _) = run.result.expect("a result");
    assert!(matches!(plan.slices[0].status, Status::Held(_)));
    assert_eq!(plan.slices[1].status, Status::Blocked, "{:?}", plan.slices[1].actions);
    // And the other way round: a rollback of `two` to when it had that object takes it from nobody.
    let mut back = input(&[("two", PRUNE, &format!("{a}{}", config("b", "x")))]);
    back.slices[0].record.hold = Some(Hold { revision: "c0".into(), ..Hold::default() });
    let run = drive(Machine::new(|port| plan::cluster(port, back)), &mut cluster, &Faults::none());
    let slice = run.result.expect("a plan").0.slices.into_iter().find(|slice| slice.key.application.name == "two");
    assert_eq!(slice.expect("two").status, Status::Blocked);
}

#[test]
fn a_definition_stays_at_the_versions_in_which_objects_are_stored() {
    let mut cluster = MemoryCluster::default();
    let crd = |versions: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: widgets.example.com}}\nspec:\n  group: example.com\n  scope: Namespaced\n  names: {{kind: Widget, plural: widgets}}\n  versions: [{versions}]\n"
        )
    };
    let version = |name: &str, storage: bool| {
        format!("{{name: {name}, served: true, storage: {storage}, schema: {{openAPIV3Schema: {{type: object}}}}}}")
    };
    let both = format!("{}, {}", version("v1", false), version("v2", true));
    applied(&mut cluster, &input(&[("web", PRUNE, &crd(&both))]));
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com/status";
    cluster.act("kube-apiserver", Method::Patch, path, r#"{"status":{"storedVersions":["v1","v2"]}}"#);
    let back = input(&[("web", PRUNE, &crd(&version("v1", true)))]);
    let run = drive(Machine::new(|port| plan::cluster(port, back)), &mut cluster, &Faults::none());
    let slice = run.result.expect("a plan").0.slices.remove(0);
    assert_eq!(slice.status, Status::Blocked);
    assert!(slice.actions[0].why.contains("`v2` (status.storedVersions)"), "{}", slice.actions[0].why);
    assert_eq!(What::Going.name(), "being deleted");
}
