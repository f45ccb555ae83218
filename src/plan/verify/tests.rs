//! What counts as identical, and under which cause everything else goes.

use super::*;
use crate::span::FileId;
use crate::yaml::json;

fn node(text: &str) -> Node {
    json::parse(FileId::NONE, text.as_bytes()).expect("JSON")
}

fn judged(desired: &str, live: &str, ignore: &str) -> Compared {
    let body = node(desired);
    let gvk = Gvk::of(&body);
    let ignore = Ignore::read(Some(&node(ignore)), None).value;
    let live = node(live);
    let mut compared = Compared {
        object: ObjectRef::of(&body),
        verdict: Verdict::Unknown,
        differences: Vec::new(),
        why: String::new(),
    };
    Comparison::new(&gvk, body, &live, &ignore, "shop").settle(&mut compared);
    compared
}

fn entry(manager: &str, operation: &str, fields: &str) -> String {
    format!(r#"{{"manager":"{manager}","operation":"{operation}","apiVersion":"v1","time":"t","fieldsV1":{fields}}}"#)
}

const DEPLOYMENT: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},"spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"nginx:1","resources":{"limits":{"cpu":"1000m"}},"securityContext":{}}]}}}}"#;

/// As an API server gives it back after a client-side write: with its defaults, which the manager owns.
fn live_deployment(image: &str, replicas: u32, managers: &str) -> String {
    format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web","namespace":"shop","uid":"u","managedFields":[{managers}]}},"spec":{{"replicas":{replicas},"revisionHistoryLimit":10,"progressDeadlineSeconds":600,"strategy":{{"type":"RollingUpdate","rollingUpdate":{{"maxSurge":"25%","maxUnavailable":"25%"}}}},"selector":{{"matchLabels":{{"app":"web"}}}},"template":{{"metadata":{{"labels":{{"app":"web"}}}},"spec":{{"restartPolicy":"Always","containers":[{{"name":"web","image":"{image}","imagePullPolicy":"IfNotPresent","resources":{{"limits":{{"cpu":"1"}}}}}}]}}}}}},"status":{{"replicas":1}}}}"#
    )
}

const HELMS: &str = r#"{"f:spec":{"f:replicas":{},"f:revisionHistoryLimit":{},"f:progressDeadlineSeconds":{},"f:strategy":{"f:type":{}},"f:template":{"f:spec":{"f:restartPolicy":{},"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:name":{},"f:image":{},"f:imagePullPolicy":{}}}}}}}"#;

#[test]
fn defaults_and_other_ways_to_write_are_no_difference() {
    let live = live_deployment("nginx:1", 1, &entry("helm", "Update", HELMS));
    let found = judged(DEPLOYMENT, &live, "[]");
    assert_eq!((found.verdict, found.differences), (Verdict::Written, Vec::new()));
    let other = judged(DEPLOYMENT, &live_deployment("nginx:2", 1, &entry("helm", "Update", HELMS)), "[]");
    assert_eq!(other.verdict, Verdict::Differs);
    assert_eq!(
        other.differences.first().map(|d| d.path.as_str()),
        Some(".spec.template.spec.containers[name=web].image")
    );
    let ignored = r#"[{"group":"apps","kind":"Deployment","jsonPointers":["/spec/template/spec/containers/0/image"]}]"#;
    let other = judged(DEPLOYMENT, &live_deployment("nginx:2", 1, ""), ignored);
    assert_eq!(other.verdict, Verdict::Ignored);
}

#[test]
fn what_a_deployer_left_is_more_and_what_others_hold_beside_is_nothing() {
    let live = |managers: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a","managedFields":[{managers}]}},"data":{{"a":"1","b":"2"}}}}"#
        )
    };
    let desired = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"1"}}"#;
    let both = r#"{"f:data":{"f:a":{},"f:b":{}}}"#;
    assert_eq!(judged(desired, &live(&entry("argocd-controller", "Apply", both)), "[]").verdict, Verdict::More);
    assert_eq!(judged(desired, &live(&entry("some-operator", "Update", both)), "[]").verdict, Verdict::Same);
    let nobodys = judged(desired, &live(&entry(BEFORE_FIRST_APPLY, "Update", both)), "[]");
    assert_eq!(nobodys.verdict, Verdict::Same, "it would stay");
    let changed = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"2"}}"#;
    let held = judged(changed, &live(&entry("some-operator", "Update", both)), "[]");
    assert_eq!(held.verdict, Verdict::Held);
    assert_eq!(held.differences.first().map(|d| d.holders.clone()), Some(vec!["some-operator".into()]));
    assert_eq!(judged(changed, &live(&entry(BEFORE_FIRST_APPLY, "Update", both)), "[]").verdict, Verdict::Differs);
}

#[test]
fn client_side_apply_counts_what_its_annotation_says() {
    let live = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"data\":{\"a\":\"1\",\"b\":\"2\"}}"},"managedFields":[{"manager":"kubectl-client-side-apply","operation":"Update","apiVersion":"v1","fieldsV1":{"f:data":{"f:a":{},"f:b":{},"f:c":{}}}}]},"data":{"a":"1","b":"2","c":"3"}}"#;
    let desired = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"1"}}"#;
    let found = judged(desired, live, "[]");
    let paths: Vec<&str> = found.differences.iter().map(|d| d.path.as_str()).collect();
    assert_eq!((found.verdict, paths), (Verdict::More, vec![".data.b"]));
    let whole = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"1","b":"2"}}"#;
    assert_eq!(judged(whole, live, "[]").verdict, Verdict::Same, "the annotation itself is no difference");
}

#[test]
fn marks_are_told_apart() {
    let live = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","annotations":{"argocd.argoproj.io/tracking-id":"shop:/ConfigMap:shop/a"},"managedFields":[{"manager":"argocd-controller","operation":"Apply","apiVersion":"v1","fieldsV1":{"f:metadata":{"f:annotations":{"f:argocd.argoproj.io/tracking-id":{}}},"f:data":{"f:a":{}}}}]},"data":{"a":"1"}}"#;
    let desired = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"1"}}"#;
    assert_eq!(judged(desired, live, "[]").verdict, Verdict::Marks);
}

#[test]
fn values_of_secrets_are_compared_and_in_no_answer() {
    let live =
        r#"{"apiVersion":"v1","kind":"Secret","type":"Opaque","metadata":{"name":"a"},"data":{"p":"aHVudGVyMg=="}}"#;
    let desired = |value: &str| {
        format!(r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"a"}},"stringData":{{"p":"{value}"}}}}"#)
    };
    assert!(judged(&desired("hunter2"), live, "[]").verdict.is_identical());
    let other = judged(&desired("hunter3"), live, "[]");
    assert_eq!(other.verdict, Verdict::Differs);
    let shown = format!("{other:?}");
    assert!(!shown.contains("hunter") && !shown.contains("aHVud"), "{shown}");
}

#[test]
fn an_empty_rule_is_not_the_same_as_no_rule() {
    let policy = |ingress: &str| {
        format!(
            r#"{{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{{"name":"a"}},"spec":{{"podSelector":{{}},"policyTypes":["Ingress"],"ingress":{ingress}}}}}"#
        )
    };
    let live = policy(r#"[{"ports":[{"port":80,"protocol":"TCP"}]}]"#);
    assert!(judged(&policy(r#"[{"ports":[{"port":80}]}]"#), &live, "[]").verdict.is_identical());
    assert!(!judged(&policy("[{}]"), &live, "[]").verdict.is_identical(), "it lets everything in");
}

#[test]
fn paths_are_counted_without_places() {
    assert_eq!(general(".spec.containers[name=web].env[2].value"), ".spec.containers[*].env[*].value");
    assert_eq!(general(r#".metadata.annotations["a.b/c"]"#), r#".metadata.annotations["a.b/c"]"#);
    assert_eq!(general(".a[name=x][order]"), ".a[*][order]");
}

#[test]
fn numbers_are_said_in_one_sentence() {
    let compared = |name: &str, verdict, path: &str| Compared {
        object: ObjectRef { kind: "ConfigMap".into(), name: name.into(), ..ObjectRef::default() },
        verdict,
        differences: vec![Difference { path: path.to_owned(), only_live: false, holders: Vec::new() }],
        why: String::new(),
    };
    let mut objects: Vec<Compared> = (0..1_200).map(|at| compared(&format!("c{at}"), Verdict::Same, "")).collect();
    objects.push(compared("x", Verdict::Differs, ".data.a"));
    objects.push(compared("y\u{1b}[2J", Verdict::Missing, ""));
    let application = AppKey { instance: String::new(), namespace: "argocd".to_owned(), name: "shop".to_owned() };
    let slice = SliceVerified { application, project: String::new(), left_out: String::new(), objects };
    let clusters = [ClusterVerified { cluster: "c0".to_owned(), failed: None, slices: vec![slice] }];
    assert_eq!(
        report::sentence(&clusters),
        "1,200 of 1,202 objects identical, the other 2 are: 1 different, 1 missing"
    );
    let text = report::human(&clusters, true);
    assert!(text.contains("1 × ConfigMap .data.a") && !text.contains('\u{1b}'), "{text}");
    assert!(!report::is_identical(&clusters));
}
