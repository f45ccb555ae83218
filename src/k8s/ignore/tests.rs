//! Ignored differences, noise and quantities by their behaviour.

use super::*;
use crate::k8s::fields::managers;
use crate::span::FileId;
use crate::yaml::{json, parse};

fn node(text: &str) -> Node {
    let parsed = parse(FileId::NONE, text.as_bytes(), Dialect::V3, &Limits::default());
    assert!(parsed.error.is_none(), "{text}: {:?}", parsed.error);
    parsed.documents.into_iter().next().unwrap().root
}

fn show(object: &Node) -> String {
    json::to_json(object).unwrap()
}

/// What is left of an object after one jq path.
fn without(expression: &str, object: &str) -> String {
    let mut object = node(object);
    JqPath::new(expression).unwrap().remove(&mut object);
    show(&object)
}

#[test]
fn jq_paths() {
    for (expression, object, left) in [
        (".a", "{a: 1, b: 2}", r#"{"b":2}"#),
        (".a.b", "{a: {b: 1, c: 2}}", r#"{"a":{"c":2}}"#),
        (".a.b.c", "{a: {}}", r#"{"a":{}}"#),
        (".x.y", "{a: 1}", r#"{"a":1}"#),
        (".a[]", "{a: [1, 2, 3]}", r#"{"a":[]}"#),
        (".a[0]", "{a: [1, 2, 3]}", r#"{"a":[2,3]}"#),
        (".a[-1]", "{a: [1, 2, 3]}", r#"{"a":[1,2]}"#),
        (".a[5]", "{a: [1, 2, 3]}", r#"{"a":[1,2,3]}"#),
        (".a[1:]", "{a: [1, 2, 3]}", r#"{"a":[1]}"#),
        (".a[:-1]", "{a: [1, 2, 3]}", r#"{"a":[3]}"#),
        (".a[0], .a[2]", "{a: [1, 2, 3]}", r#"{"a":[2]}"#),
        (
            ".a[] | select(.n == \"x\") | .v",
            "{a: [{n: x, v: 1}, {n: y, v: 1}]}",
            r#"{"a":[{"n":"x"},{"n":"y","v":1}]}"#,
        ),
        (".a[] | select(.n == \"x\")", "{a: [{n: x}, {n: y}, {n: x}]}", r#"{"a":[{"n":"y"}]}"#),
        (".a[]?.b", "{c: 1}", r#"{"c":1}"#),
        // What fails removes nothing, not even what came before.
        (".c, .a[].b", "{c: 1}", r#"{"c":1}"#),
        (".a[] | select(.n | IN(\"x\", \"y\"))", "{a: [{n: x}, {n: z}]}", r#"{"a":[{"n":"z"}]}"#),
        (".a[\"b/c\"]", "{a: {b/c: 1}}", r#"{"a":{}}"#),
        (".a | .. | .b?", "{a: {b: 1, c: {b: 2}}}", r#"{"a":{"c":{}}}"#),
        (".a[] | select(.n | startswith(\"x\")) | .v", "{a: [{n: xa, v: 1}]}", r#"{"a":[{"n":"xa"}]}"#),
        ("if .a then .b else .c end", "{a: true, b: 1, c: 2}", r#"{"a":true,"c":2}"#),
        (".def, .range.while", "{def: 1, range: {while: 1}}", r#"{"range":{}}"#),
        (".a[] | select(.n == \"def range(\")", "{a: [{n: def range(}]}", r#"{"a":[]}"#),
        ("first(.a[])", "{a: [1, 2]}", r#"{"a":[2]}"#),
        (".a // .b", "{a: null, b: 1}", r#"{"a":null}"#),
        (".", "{a: 1}", r#"{"a":1}"#),
        (".n[] | select(. > 2)", "{n: [1, 2.5, 3]}", r#"{"n":[1]}"#),
    ] {
        assert_eq!(without(expression, object), left, "{expression}");
    }
}

#[test]
fn jq_that_could_run_on_is_refused() {
    for expression in [
        "",
        " ",
        ".a[",
        ".a | nosuch",
        "def f: f; f",
        "range(1e9)",
        "repeat(.a)",
        "[while(true; .)]",
        "until(false; .)",
        "recurse(.)",
        "recurse (.a)",
        ".a * 1000000",
        ".a | now",
        "env.HOME",
        "$ENV.HOME",
        "input",
        "\"\\(range(1e9))\"",
        ".a) , (.b",
        ".a # comment",
    ] {
        let deep = "(".repeat(100);
        assert!(JqPath::new(expression).is_err(), "{expression}");
        assert!(JqPath::new(&format!("{deep}.{}", ")".repeat(100))).is_err());
    }
    assert!(JqPath::new("recurse | .a?").is_ok());
    fn shared<T: Send + Sync>() {}
    shared::<Ignore>();
}

#[test]
fn pointers() {
    for (pointer, object, left) in [
        ("/a", "{a: 1, b: 2}", r#"{"b":2}"#),
        ("/a/b~1c", "{a: {b/c: 1}}", r#"{"a":{}}"#),
        ("/a/b~0c", "{a: {b~c: 1}}", r#"{"a":{}}"#),
        ("/a/1", "{a: [1, 2, 3]}", r#"{"a":[1,3]}"#),
        ("/a/-1", "{a: [1, 2, 3]}", r#"{"a":[1,2]}"#),
        ("/a/0/b", "{a: [{b: 1}]}", r#"{"a":[{}]}"#),
        ("/a/7", "{a: [1]}", r#"{"a":[1]}"#),
        ("/a/b/c", "{a: 1}", r#"{"a":1}"#),
        ("/nothing/here", "{a: 1}", r#"{"a":1}"#),
        ("", "{a: 1}", r#"{"a":1}"#),
        ("a", "{a: 1}", r#"{"a":1}"#),
        ("/", "{'': 1, a: 2}", r#"{"a":2}"#),
    ] {
        let mut object = node(object);
        pointer::remove(&mut object, pointer);
        assert_eq!(show(&object), left, "{pointer}");
    }
}

const DEPLOYMENT: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {replicas: 1, paused: true}, status: {x: 1}}";

fn left(application: &str, data: &str) -> String {
    let ignore = Ignore::read(Some(&node(application)), Some(&node(data)));
    assert_eq!(ignore.diagnostics.iter().count(), 0);
    let mut object = node(DEPLOYMENT);
    ignore.value.remove(&mut object, &[]);
    let keys: Vec<&str> =
        object.get("spec").and_then(Node::as_map).into_iter().flat_map(crate::yaml::Map::keys).collect();
    format!("{}{}", keys.join(" "), if object.get("status").is_some() { " status" } else { "" })
}

#[test]
fn entries_and_where_they_stand() {
    let differences = "resource.customizations.ignoreDifferences";
    for (application, data, want) in [
        ("[]", "{}", "replicas paused"),
        ("[{group: apps, kind: Deployment, jsonPointers: [/spec/replicas]}]", "{}", "paused"),
        ("[{group: '*', kind: '*', jsonPointers: [/spec/replicas]}]", "{}", "paused"),
        ("[{group: 'ap?s', kind: 'Dep*', jqPathExpressions: [.spec.paused]}]", "{}", "replicas"),
        // A group that is left out is the core group.
        ("[{kind: Deployment, jsonPointers: [/spec/replicas]}]", "{}", "replicas paused"),
        (
            "[{group: apps, kind: Deployment, name: web, namespace: shop, jsonPointers: [/spec/replicas]}]",
            "{}",
            "paused",
        ),
        ("[{group: apps, kind: Deployment, name: we*, jsonPointers: [/spec/replicas]}]", "{}", "replicas paused"),
        (
            "[{group: apps, kind: Deployment, namespace: other, jsonPointers: [/spec/replicas]}]",
            "{}",
            "replicas paused",
        ),
        ("[]", &format!("{{{differences}.apps_Deployment: 'jsonPointers: [/spec/replicas]'}}"), "paused"),
        ("[]", &format!("{{{differences}.all: 'jqPathExpressions: [.spec.paused]'}}"), "replicas"),
        ("[]", &format!("{{{differences}.Deployment: 'jsonPointers: [/spec/replicas]'}}"), "replicas paused"),
        (
            "[]",
            r#"{resource.customizations: "apps/Deployment: {ignoreDifferences: 'jsonPointers: [/spec/replicas]'}"}"#,
            "paused",
        ),
        (
            "[]",
            &format!(
                r#"{{{differences}.apps_Deployment: 'jsonPointers: [/spec/paused]', resource.customizations: "apps/Deployment: {{ignoreDifferences: 'jsonPointers: [/spec/replicas]'}}"}}"#
            ),
            "replicas",
        ),
        ("[]", "{resource.compareoptions: 'ignoreResourceStatusField: none'}", "replicas paused status"),
        ("[]", "{resource.compareoptions: 'ignoreResourceStatusField: off'}", "replicas paused status"),
        ("[]", "{resource.compareoptions: 'ignoreResourceStatusField: crd'}", "replicas paused status"),
        ("[]", "{resource.compareoptions: 'ignoreResourceStatusField: odd'}", "replicas paused"),
        ("[]", "{resource.compareoptions: 'ignoreAggregatedRoles: true'}", "replicas paused"),
    ] {
        assert_eq!(left(application, data), want, "{application} {data}");
    }
    assert!(
        Ignore::read(None, Some(&node("{resource.compareoptions: 'ignoreAggregatedRoles: true'}")))
            .value
            .aggregated_roles
    );
}

#[test]
fn what_cannot_be_compiled_is_reported_and_the_rest_counts() {
    let application = node(
        "[{group: apps, kind: Deployment, jqPathExpressions: ['.spec[', .spec.paused]}, {group: '[', kind: x, jsonPointers: [/a]}]",
    );
    let data = node("{resource.customizations.ignoreDifferences.apps_Deployment: '[', resource.compareoptions: '{'}");
    let ignore = Ignore::read(Some(&application), Some(&data));
    assert_eq!(ignore.diagnostics.iter().count(), 4);
    let mut object = node(DEPLOYMENT);
    ignore.value.remove(&mut object, &[]);
    assert!(object.at(&["spec", "paused"]).is_none() && object.get("status").is_none());
}

#[test]
fn managers_are_those_of_the_live_object() {
    let live = node(include_str!("../../../fixtures/k8s/managed.yaml"));
    let owned = managers(&live).unwrap();
    let application = node("[{group: apps, kind: Deployment, managedFieldsManagers: [kube-controller-manager]}]");
    let ignore = Ignore::read(Some(&application), None).value;
    let mut object = node(DEPLOYMENT);
    assert!(ignore.concerns(&ObjectId::of(&object)));
    ignore.remove(&mut object, &owned);
    assert_eq!(show(object.get("spec").unwrap()), r#"{"paused":true}"#);
}

#[test]
fn noise_goes() {
    for (object, left) in [
        (
            "{metadata: {name: a, uid: u, resourceVersion: '1', generation: 2, creationTimestamp: null, managedFields: [], selfLink: x, labels: {}, annotations: {}}}",
            r#"{"metadata":{"name":"a"}}"#,
        ),
        (
            "{metadata: {name: a, labels: {b: c}}, spec: {x: null, list: [null, {z: null}]}}",
            r#"{"metadata":{"labels":{"b":"c"},"name":"a"},"spec":{"list":[null,{}]}}"#,
        ),
        (
            "{apiVersion: v1, kind: Secret, stringData: {a: b}, data: {a: eA==, c: 'ZA=\n\n  ='}}",
            r#"{"apiVersion":"v1","data":{"a":"Yg==","c":"ZA=="},"kind":"Secret"}"#,
        ),
        (
            "{apiVersion: v1, kind: Secret, stringData: {a: b}}",
            r#"{"apiVersion":"v1","data":{"a":"Yg=="},"kind":"Secret"}"#,
        ),
        ("{apiVersion: v1, kind: Secret, data: {a: '!'}}", r#"{"apiVersion":"v1","data":{"a":"!"},"kind":"Secret"}"#),
        (
            "{apiVersion: v1, kind: Pod, spec: {containers: [{resources: {limits: {cpu: 1000m, memory: 1024Mi}, requests: {cpu: 0.5, odd: x}}}]}}",
            r#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"resources":{"limits":{"cpu":"1","memory":"1073741824"},"requests":{"cpu":"500m","odd":"x"}}}]}}"#,
        ),
        (
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, aggregationRule: {}, rules: [{verbs: [get]}]}",
            r#"{"aggregationRule":{},"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole"}"#,
        ),
        (
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, rules: []}",
            r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","rules":[]}"#,
        ),
        ("[1, null]", "[1,null]"),
        ("text", r#""text""#),
    ] {
        let mut object = node(object);
        noise::quiet(&mut object, true);
        assert_eq!(show(&object), left);
        let once = object.clone();
        noise::quiet(&mut object, true);
        assert_eq!(object, once);
    }
}

#[test]
fn quantities_are_equal_by_value() {
    let parse = quantity::Quantity::parse;
    for same in [
        &["1", "1000m", "1e0", "1.0", "+1", "1000000u", "1E0", "0.1e1", "10e-1"][..],
        &["1Ki", "1024", "1.024k"],
        &["0.5Gi", "512Mi", "536870912"],
        &["-1", "-1000m"],
        &["1E", "1e18", "1000P"],
        &["0", "0m", "-0", "0Ei"],
        &[".5", "500m", "0.5"],
    ] {
        assert!(parse(same[0]).is_some());
        assert!(same.iter().all(|text| parse(text) == parse(same[0])), "{same:?}");
    }
    for wrong in ["", "m", "1x", "1.2.3", "e3", "1 Gi", "--1", "1e", "1e999", "0.0000000001", "1Kib", "."] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
    let text = |text: &str| parse(text).unwrap().text().to_string();
    assert_eq!([text("2000m"), text("1.5"), text("1.5m"), text("1.5u")], ["2", "1500m", "1500u", "1500n"]);
}

#[test]
fn quantities_are_written_as_a_server_writes_them() {
    for (given, list, alone) in [
        ("0.5", "500m", "500m"),
        ("1024Mi", "1Gi", "1Gi"),
        ("1.5Gi", "1536Mi", "1536Mi"),
        ("0.5Gi", "512Mi", "512Mi"),
        ("0.1Ki", "102400m", "102400m"),
        ("1000m", "1", "1"),
        ("1e3", "1e3", "1e3"),
        ("1E", "1E", "1E"),
        ("1000000", "1M", "1M"),
        ("0Mi", "0", "0"),
        ("100u", "1m", "100u"),
        ("-1500m", "-1500m", "-1500m"),
        ("many", "many", "many"),
    ] {
        let both = (quantity::canonical(given, true), quantity::canonical(given, false));
        assert_eq!(both, (list.into(), alone.into()), "{given}");
    }
}
