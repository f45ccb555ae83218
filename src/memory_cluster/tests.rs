//! The simulated server by itself; `tests/it/faults_server.rs` compares it with a real one.

use super::node::str_at;
use super::*;
use crate::api::{Content, Failure};
use crate::machine::Machine;

fn apply(cluster: &mut MemoryCluster, manager: &str, path: &str, body: &str) -> Response {
    cluster.answer(&Request::new(Method::Patch, path).with("fieldManager", manager).body(Content::Apply, body))
}

fn get(cluster: &mut MemoryCluster, path: &str) -> (u16, Node) {
    let response = cluster.answer(&Request::get(path));
    (response.status, response.node().unwrap())
}

const CONFIG: &str = "/api/v1/namespaces/default/configmaps/web";

fn config(data: &str) -> String {
    format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"web"}},"data":{data}}}"#)
}

#[test]
fn applied_fields_come_go_and_are_fought_over() {
    let mut cluster = MemoryCluster::default();
    assert_eq!(apply(&mut cluster, "a", CONFIG, &config(r#"{"x":"1","y":"1"}"#)).status, 201);
    let (_, first) = get(&mut cluster, CONFIG);
    assert_eq!(apply(&mut cluster, "a", CONFIG, &config(r#"{"x":"1","y":"1"}"#)).status, 200);
    assert_eq!(get(&mut cluster, CONFIG).1, first, "the same again changes nothing");

    let refused = apply(&mut cluster, "b", CONFIG, &config(r#"{"x":"2","z":"1"}"#));
    assert_eq!(refused.status, 409);
    let refused = refused.node().unwrap();
    assert_eq!(str_at(&refused, &["message"]), "Apply failed with 1 conflict: conflict with \"a\": .data.x");

    // The same value is shared; what one of two owners gives up stays.
    assert_eq!(apply(&mut cluster, "b", CONFIG, &config(r#"{"x":"1","z":"1"}"#)).status, 200);
    assert_eq!(apply(&mut cluster, "a", CONFIG, &config(r#"{"y":"1"}"#)).status, 200);
    let (_, live) = get(&mut cluster, CONFIG);
    assert_eq!(super::fields::to_json(live.get("data").unwrap()), r#"{"x":"1","y":"1","z":"1"}"#);
    assert_eq!(apply(&mut cluster, "b", CONFIG, &config("{}")).status, 200);
    let (_, live) = get(&mut cluster, CONFIG);
    assert_eq!(super::fields::to_json(live.get("data").unwrap()), r#"{"y":"1"}"#);

    let forced = Request::new(Method::Patch, CONFIG).with("fieldManager", "c").with("force", "true");
    let dry = forced.clone().with("dryRun", "All").body(Content::Apply, config(r#"{"y":"3"}"#));
    assert_eq!(cluster.answer(&dry).status, 200);
    assert_eq!(str_at(&get(&mut cluster, CONFIG).1, &["data", "y"]), "1");
    assert_eq!(cluster.answer(&forced.body(Content::Apply, config(r#"{"y":"3"}"#))).status, 200);
    let (_, live) = get(&mut cluster, CONFIG);
    let managers: Vec<&str> = live
        .at(&["metadata", "managedFields"])
        .unwrap()
        .as_seq()
        .unwrap()
        .iter()
        .map(|m| str_at(m, &["manager"]))
        .collect();
    assert_eq!(managers, ["b", "c"], "b holds the empty map");
}

#[test]
fn deletions_have_preconditions_and_children() {
    let mut cluster = MemoryCluster::default();
    let path = "/apis/apps/v1/namespaces/default/deployments/web";
    let body = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"selector":{"matchLabels":{"app":"web"}},
        "template":{"metadata":{"labels":{"app":"web","mine":"yes"}},"spec":{"containers":[{"name":"c","image":"i:1"}]}}}}"#;
    assert_eq!(apply(&mut cluster, "a", path, body).status, 201);
    cluster.advance(cluster.now() + 5_000);
    let (_, live) = get(&mut cluster, path);
    assert_eq!(str_at(&live, &["status", "availableReplicas"]), "1");
    let (_, sets) = get(&mut cluster, "/apis/apps/v1/namespaces/default/replicasets");
    let set = &sets.get("items").unwrap().as_seq().unwrap()[0];
    assert_eq!(str_at(set, &["metadata", "labels", "mine"]), "yes");

    let delete = |cluster: &mut MemoryCluster, options: &str| {
        cluster.answer(&Request::new(Method::Delete, path).body(Content::Json, options)).status
    };
    assert_eq!(delete(&mut cluster, r#"{"preconditions":{"uid":"other"}}"#), 409);
    assert_eq!(delete(&mut cluster, r#"{"preconditions":{"resourceVersion":"1"}}"#), 409);
    let options = format!(
        r#"{{"preconditions":{{"uid":"{}","resourceVersion":"{}"}},"propagationPolicy":"Foreground"}}"#,
        str_at(&live, &["metadata", "uid"]),
        str_at(&live, &["metadata", "resourceVersion"])
    );
    assert_eq!(delete(&mut cluster, &options), 200);
    assert_eq!(get(&mut cluster, path).0, 200, "it waits for its children");
    cluster.settle();
    assert_eq!(get(&mut cluster, path).0, 404);
    assert_eq!(cluster.removed().len(), 3, "with its ReplicaSet and its pod");
}

#[test]
fn namespaces_go_with_their_content() {
    let mut cluster = MemoryCluster::default();
    let namespace = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#;
    assert_eq!(cluster.act("a", Method::Post, "/api/v1/namespaces", namespace).status, 201);
    let path = "/api/v1/namespaces/shop/configmaps";
    assert_eq!(cluster.act("a", Method::Post, path, &config("{}")).status, 201);
    assert_eq!(cluster.act("a", Method::Delete, "/api/v1/namespaces/shop", "").status, 200);
    let other = config("{}").replace("web", "other");
    let refused = cluster.act("a", Method::Post, path, &other);
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("because it is being terminated"), "{}", refused.text);
    cluster.settle();
    assert_eq!(get(&mut cluster, "/api/v1/namespaces/shop").0, 404);
    assert_eq!(cluster.act("a", Method::Post, path, &other).status, 404);
}

#[test]
fn definitions_are_established_and_served() {
    let mut cluster = MemoryCluster::default();
    let crd = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},
        "spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"widgets","kind":"Widget"},"versions":[{"name":"v1",
        "served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}"#;
    let at = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
    assert_eq!(apply(&mut cluster, "a", at, crd).status, 201);
    let widget = r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"size":1}}"#;
    let path = "/apis/example.com/v1/namespaces/default/widgets/w";
    assert_eq!(apply(&mut cluster, "a", path, widget).status, 404);
    cluster.advance(cluster.now() + 1_000);
    assert_eq!(apply(&mut cluster, "a", path, widget).status, 201);
    assert_eq!(get(&mut cluster, "/apis/example.com/v1").0, 200);
    assert_eq!(cluster.act("a", Method::Delete, at, "").status, 200);
    cluster.settle();
    assert_eq!(cluster.answer(&Request::get(path)).status, 404);
    assert_eq!(cluster.answer(&Request::get("/apis/example.com/v1")).status, 404);
}

#[test]
fn lists_are_selected_and_paged() {
    let mut cluster = MemoryCluster::default();
    for (name, tier) in [("a", "web"), ("b", "db"), ("c", "web")] {
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","labels":{{"tier":"{tier}"}}}}}}"#
        );
        assert_eq!(cluster.act("a", Method::Post, "/api/v1/namespaces/default/configmaps", &body).status, 201);
    }
    let mut names = |query: &[(&'static str, &str)]| -> (Vec<String>, String) {
        let mut request = Request::get("/api/v1/configmaps");
        for (key, value) in query {
            request = request.with(key, *value);
        }
        let list = cluster.answer(&request).node().unwrap();
        let items = list.get("items").unwrap().as_seq().unwrap();
        let names = items.iter().map(|item| str_at(item, &["metadata", "name"]).to_owned()).collect();
        (names, str_at(&list, &["metadata", "continue"]).to_owned())
    };
    assert_eq!(names(&[("labelSelector", "tier=web")]).0, ["a", "c"]);
    assert_eq!(names(&[("labelSelector", "tier in (web, db),tier!=web")]).0, ["b"]);
    assert_eq!(names(&[("labelSelector", "tier,!other")]).0, ["a", "b", "c"]);
    let (first, token) = names(&[("labelSelector", "tier"), ("limit", "2")]);
    assert_eq!(first, ["a", "b"]);
    assert_eq!(
        names(&[("labelSelector", "tier"), ("limit", "2"), ("continue", &token)]),
        (vec!["c".to_owned()], String::new())
    );
}

#[test]
fn runs_meet_their_faults() {
    let make = || {
        Machine::new(|port| async move {
            let mut answers = Vec::new();
            for name in ["a", "b"] {
                let body = config("{}").replace("web", name);
                let request =
                    Request::new(Method::Post, "/api/v1/namespaces/default/configmaps").body(Content::Json, body);
                answers.push(port.send(request).await.map(|response| response.status));
                port.sleep(60_000).await;
            }
            answers
        })
    };
    let there = |cluster: &MemoryCluster, name: &str| cluster.find("v1", "ConfigMap", "default", name).is_some();
    let outcome = |faults: &Faults| {
        let mut cluster = MemoryCluster::default();
        let run = drive(make(), &mut cluster, faults);
        (run.result, there(&cluster, "a"), there(&cluster, "b"))
    };
    assert_eq!(outcome(&Faults::none()), (Some(vec![Ok(201), Ok(201)]), true, true));
    let refused = Err(Failure::NotSent("connection refused".to_owned()));
    assert_eq!(outcome(&Faults::at(1, Fault::NotSent)), (Some(vec![Ok(201), refused]), true, false));
    let lost = Err(Failure::Lost("connection reset by peer".to_owned()));
    assert_eq!(outcome(&Faults::at(1, Fault::Lost)), (Some(vec![Ok(201), lost]), true, true));
    assert_eq!(outcome(&Faults::at(0, Fault::TooMany)), (Some(vec![Ok(429), Ok(201)]), false, true));
    assert_eq!(outcome(&Faults::at(0, Fault::Killed)), (None, true, false));
    let late = Err(Failure::Lost("no answer in time".to_owned()));
    let hanging = Faults { hangs_from: Some(1), ..Faults::none() };
    assert_eq!(outcome(&hanging), (Some(vec![Ok(201), late]), true, false));
}
