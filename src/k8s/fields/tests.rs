//! Field sets against what a real API server recorded (`fixtures/k8s/fields.yaml`, `managed.yaml`), and the algebra of sets.

use super::applied::applied;
use super::shape::Shape;
use super::*;
use crate::k8s::object::Gvk;
use crate::span::FileId;
use crate::yaml::{Dialect, Limits, parse};

fn documents(text: &str) -> Vec<Node> {
    let parsed = parse(FileId::NONE, text.as_bytes(), Dialect::V3, &Limits::default());
    assert!(parsed.error.is_none(), "{:?}", parsed.error);
    parsed.documents.into_iter().map(|document| document.root).collect()
}

fn set(text: &str) -> FieldSet {
    FieldSet::parse(&parsed(text).unwrap()).unwrap()
}

fn path(text: &str) -> Path {
    text.split(' ').map(|part| Element::parse(part).unwrap()).collect()
}

#[test]
fn applied_sets_are_those_of_a_real_api_server() {
    let cases = documents(include_str!("../../../fixtures/k8s/fields.yaml"));
    assert!(cases.len() > 30);
    let mut wrong = Vec::new();
    for case in &cases {
        let object = case.get("object").unwrap();
        let want = FieldSet::parse(case.get("fields").unwrap()).unwrap();
        let version = Gvk::of(object).version;
        let shape = case.get("crd").and_then(|crd| Shape::of_crd(crd, &version));
        let got = applied(object, shape.as_ref());
        if got != want {
            let lines = |set: &FieldSet| set.paths().iter().map(|path| path_text(path)).collect::<Vec<_>>();
            let (more, less) = (lines(&got.difference(&want)), lines(&want.difference(&got)));
            wrong.push(format!("{}: too many {more:?}, missing {less:?}", Gvk::of(object)));
        }
        // Its own text reads back, whatever is above.
        assert_eq!(set(&want.text()), want);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn managers_and_who_owns_what() {
    let object = &documents(include_str!("../../../fixtures/k8s/managed.yaml"))[0];
    let managers = managers(object).unwrap();
    let owning = |text: &str| -> Vec<&str> { owners(&managers, &path(text)).iter().map(|m| m.name.as_str()).collect() };
    assert_eq!(owning("f:spec f:replicas"), ["kube-controller-manager"]);
    let image = "f:spec f:template f:spec f:containers k:{\"name\":\"web\"} f:image";
    assert_eq!(owning(image), ["argocd-controller"]);
    // Args are one list, owned whole: what is in it has the same owner.
    let args = "f:spec f:template f:spec f:containers k:{\"name\":\"web\"} f:args";
    assert_eq!(owning(args), ["fleetc"]);
    assert_eq!(owning(&format!("{args} i:0")), ["fleetc"]);
    assert!(owning("f:spec f:nothing").is_empty());
    let scale = managers.iter().find(|m| m.subresource == "scale").unwrap();
    assert!(!scale.applied && scale.api_version == "apps/v1" && scale.time.is_empty());
    assert_eq!(managers[0].time, "2026-11-21T15:21:33Z");
}

#[test]
fn algebra() {
    let a = set(r#"{"f:a":{},"f:b":{".":{},"f:c":{},"f:d":{}},"f:e":{"f:f":{}}}"#);
    let b = set(r#"{"f:b":{"f:c":{}},"f:e":{},"f:g":{}}"#);
    assert_eq!(a.intersection(&b).text(), r#"{"f:b":{"f:c":{}}}"#);
    assert_eq!(a.difference(&b).text(), r#"{"f:a":{},"f:b":{".":{},"f:d":{}},"f:e":{"f:f":{}}}"#);
    assert_eq!(a.outside(&b).text(), r#"{"f:a":{},"f:b":{".":{},"f:d":{}}}"#);
    assert_eq!(a.union(&b).difference(&a).text(), r#"{"f:e":{},"f:g":{}}"#);
    assert_eq!(a.union(&b), b.union(&a));
    assert!(a.difference(&a).is_empty() && a.intersection(&FieldSet::default()).is_empty());
    let texts = |paths: Vec<Path>| paths.iter().map(|path| path_text(path)).collect::<Vec<_>>();
    assert_eq!(texts(a.paths()), [".a", ".b", ".b.c", ".b.d", ".e.f"]);
    assert_eq!(texts(a.leaves()), [".a", ".b.c", ".b.d", ".e.f"]);
    assert!(a.contains(&path("f:b")) && !a.contains(&path("f:e")) && a.touches(&path("f:e")));
    assert!(a.owns(&path("f:a f:x")) && !a.owns(&path("f:b f:x")));
    assert_eq!(a.paths().into_iter().collect::<FieldSet>(), a);
    assert_ne!(a.digest(), b.digest());
}

#[test]
fn texts_of_elements() {
    for (written, shown) in [
        ("f:a.b/c", ".a.b/c"),
        (r#"k:{"containerPort":80,"protocol":"TCP"}"#, r#"[containerPort=80,protocol="TCP"]"#),
        (r#"v:"x""#, r#"[="x"]"#),
        ("v:1", "[=1]"),
        ("i:3", "[3]"),
    ] {
        let element = Element::parse(written).unwrap();
        assert_eq!(element.text(), written);
        assert_eq!(element.to_string(), shown);
    }
    assert_eq!(
        Element::parse(r#"k:{"protocol":"TCP","containerPort":80}"#),
        Element::parse(r#"k:{"containerPort":80,"protocol":"TCP"}"#)
    );
    for wrong in ["", "x", "x:y", "k:[1]", "k:{", "v:", "i:x", "k:5"] {
        assert_eq!(Element::parse(wrong), None, "{wrong}");
        let error = FieldSet::parse(&parsed(&format!("{{\"f:a\":{{{wrong:?}:{{}}}}}}")).unwrap()).unwrap_err();
        assert!(error.contains("f:a"), "{error}");
    }
}

#[test]
fn getting_and_removing() {
    let object = &documents(
        "{spec: {ports: [{port: 80, name: a}, {port: 80, protocol: UDP, name: b}], list: [1, 2], set: [x, y], only: {a: 1}}, keep: 1}",
    )[0];
    let name = |text: &str| edit::get(object, &path(text)).and_then(Node::text);
    // The default of a key stands for one left out, but an item that has it as it is goes first.
    assert_eq!(name(r#"f:spec f:ports k:{"port":80,"protocol":"TCP"} f:name"#), Some("a"));
    assert_eq!(name(r#"f:spec f:ports k:{"port":80,"protocol":"UDP"} f:name"#), Some("b"));
    assert_eq!(name(r#"f:spec f:set v:"y""#), Some("y"));
    assert_eq!(name("f:spec f:list i:1"), Some("2"));
    assert_eq!(name(r#"f:spec f:ports k:{"port":81}"#), None);
    assert_eq!(name("f:keep f:below"), None);
    let mut left = object.clone();
    let gone = set(
        r#"{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"UDP\"}":{".":{},"f:name":{},"f:port":{},"f:protocol":{}}},
        "f:set":{"v:\"x\"":{}},"f:only":{"f:a":{}},"f:absent":{}}}"#,
    );
    edit::remove_all(&mut left, &gone);
    assert_eq!(
        json::to_json(&left).unwrap(),
        r#"{"keep":1,"spec":{"list":[1,2],"ports":[{"name":"a","port":80}],"set":["y"]}}"#
    );
    let mut labels = documents("{a: {b: 1, c: 2}, d: {e: 1}, l: [{k: 1, x: 1, y: 2}]}").remove(0);
    edit::remove_members(
        &mut labels,
        &set(r#"{"f:a":{".":{},"f:b":{}},"f:d":{"f:e":{}},"f:l":{"k:{\"k\":1}":{"f:x":{}}}}"#),
    );
    assert_eq!(json::to_json(&labels).unwrap(), r#"{"l":[{"k":1,"y":2}]}"#);
    assert!(!edit::remove(&mut left, &path("f:absent")) && !edit::remove(&mut left, &[]));
}
