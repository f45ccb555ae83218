//! Discovery documents in both forms, what is missing in them, and the facts made of them.

use super::*;
use crate::api::{Answer, Failure, Response};
use crate::machine::{Command, Event, Machine};
use crate::memory_cluster::{Faults, MemoryCluster, drive};

/// Answers each path with a text; others are lost.
fn asked(answers: &[(&str, u16, &str)]) -> (Result<Catalogue, String>, Vec<String>) {
    let mut machine = Machine::new(|port| async move { catalogue(&port).await });
    let (mut events, mut paths) = (Vec::new(), Vec::new());
    loop {
        let step = machine.step(0, std::mem::take(&mut events));
        if let Some(result) = step.result {
            return (result, paths);
        }
        for command in step.commands {
            let Command::Send { id, request } = command else { continue };
            let found = answers.iter().find(|(path, ..)| *path == request.path);
            let answer: Answer = match found {
                Some((_, status, text)) => Ok(Response { status: *status, retry_after: None, text: (*text).into() }),
                None => Err(Failure::NotSent(format!("nobody answers {}", request.path))),
            };
            paths.push(request.path);
            events.push(Event::Answered { id, answer });
        }
    }
}

const CORE: &str = r#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[{"metadata":{},
    "versions":[{"version":"v1","freshness":"Current","resources":[
        {"resource":"pods","responseKind":{"group":"","version":"v1","kind":"Pod"},"scope":"Namespaced","verbs":["get","list","watch"],
         "subresources":[{"subresource":"log","responseKind":{"group":"","version":"v1","kind":"Pod"},"verbs":["get"]}]},
        {"resource":"bindings","responseKind":{"group":"","version":"v1","kind":"Binding"},"scope":"Namespaced","verbs":["create"]},
        {"resource":"none","scope":"Namespaced","verbs":[],"subresources":[]}]}]}]}"#;

#[test]
fn two_documents_where_the_server_knows_how() {
    let groups = r#"{"kind":"APIGroupDiscoveryList","items":[
        {"metadata":{"name":"example.com"},"versions":[{"version":"v1","freshness":"Current","resources":[
            {"resource":"widgets","responseKind":{"group":"example.com","version":"v1","kind":"Widget"},"scope":"Cluster","verbs":["list","watch"]}]}]},
        {"metadata":{"name":"metrics.k8s.io"},"versions":[{"version":"v1beta1","freshness":"Stale","resources":[]}]}]}"#;
    let (found, paths) = asked(&[("/api", 200, CORE), ("/apis", 200, groups)]);
    let found = found.unwrap();
    assert_eq!(paths, ["/api", "/apis"]);
    let names: Vec<String> =
        found.resources.iter().map(|r| format!("{} {} {}", r.gvk.api_version(), r.gvk.kind, r.namespaced)).collect();
    assert_eq!(names, ["v1 Pod true", "v1 Binding true", "example.com/v1 Widget false"]);
    assert_eq!(found.silent, [("metrics.k8s.io/v1beta1".to_owned(), "its server does not answer".to_owned())]);
    let facts = facts("1.34.4", &found);
    assert_eq!(facts.api_versions, ["example.com/v1", "example.com/v1/Widget", "v1", "v1/Pod"]);
    assert_eq!(facts.scopes.into_iter().collect::<Vec<_>>(), [("example.com/Widget".to_owned(), false)]);
}

#[test]
fn one_document_a_version_elsewhere() {
    let groups = r#"{"kind":"APIGroupList","groups":[{"name":"a.io","versions":[{"version":"v2"},{"version":"v1"}]},{"name":"down.io","versions":[{"version":"v1"}]}]}"#;
    let list = |kind: &str| {
        format!(
            r#"{{"resources":[{{"name":"xs","kind":"{kind}","namespaced":true,"verbs":["list"]}},{{"name":"xs/status","kind":"{kind}"}}]}}"#
        )
    };
    let (core, two, one) = (list("Pod"), list("X"), list("Y"));
    let answers = [
        ("/api", 200, r#"{"kind":"APIVersions","versions":["v1"]}"#),
        ("/api/v1", 200, &core),
        ("/apis", 200, groups),
        ("/apis/a.io/v2", 200, &two),
        ("/apis/a.io/v1", 200, &one),
        ("/apis/down.io/v1", 503, "{}"),
    ];
    let (found, paths) = asked(&answers);
    let found = found.unwrap();
    assert_eq!(paths.len(), 6);
    let names: Vec<String> =
        found.resources.iter().map(|r| format!("{} {}", r.gvk.api_version(), r.gvk.kind)).collect();
    assert_eq!(names, ["v1 Pod", "a.io/v2 X", "a.io/v1 Y"]);
    assert_eq!(found.silent, [("down.io/v1".to_owned(), "the server answered 503".to_owned())]);
}

#[test]
fn what_is_not_known_is_an_error() {
    let wrong = |api: &str, status| asked(&[("/api", status, api), ("/apis", 200, "{}")]).0.unwrap_err();
    assert_eq!(wrong("{}", 403), "/api: these credentials may not read it (403)");
    assert_eq!(wrong("<html>", 200), "/api: the answer is no JSON");
    assert_eq!(wrong("{}", 200), "/api: a discovery document of the kind `` is not known");
    let scope = CORE.replace("\"scope\":\"Namespaced\"", "\"scope\":\"Galaxy\"");
    assert!(wrong(&scope, 200).contains("Galaxy"));
    // A version that breaks off is not one that is down.
    let plain = r#"{"kind":"APIVersions","versions":["v1"]}"#;
    assert_eq!(asked(&[("/api", 200, plain)]).0.unwrap_err(), "nobody answers /api/v1");
}

#[test]
fn a_simulated_cluster_shows_its_custom_kinds() {
    let mut cluster = MemoryCluster::default();
    let crd = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":
        {"group":"example.com","scope":"Cluster","names":{"kind":"Widget","plural":"widgets","singular":"widget"},"versions":
        [{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}"#;
    cluster.act("test", crate::api::Method::Post, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd);
    cluster.settle();
    let machine = Machine::new(|port| async move { (version(&port).await, catalogue(&port).await) });
    let (version, catalogue) = drive(machine, &mut cluster, &Faults::none()).result.unwrap();
    let facts = facts(&version.unwrap(), &catalogue.unwrap());
    assert_eq!(facts.kube_version.as_deref(), Some("1.34.2"));
    assert!(
        ["apps/v1/Deployment", "v1/Pod", "example.com/v1/Widget"]
            .iter()
            .all(|api| facts.api_versions.iter().any(|one| one == api))
    );
    assert_eq!(facts.scopes.get("example.com/Widget"), Some(&false));
    assert_eq!(facts.scopes.len(), 1, "{:?}", facts.scopes);
}
