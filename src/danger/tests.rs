//! Every mark, and that metadata alone has none.

use proptest::prelude::*;

use super::*;
use crate::span::FileId;

fn node(text: &str) -> Node {
    json::parse(FileId::NONE, text.as_bytes()).expect("JSON")
}

fn object(gvk: &Gvk, rest: &str) -> Node {
    let comma = if rest.is_empty() { "" } else { "," };
    node(&format!(
        r#"{{"apiVersion":"{}","kind":"{}","metadata":{{"name":"a"}}{comma}{rest}}}"#,
        gvk.api_version(),
        gvk.kind
    ))
}

/// The sentences about what happens to an object that is alone.
fn told(gvk: &Gvk, fate: Fate<'_>) -> Vec<String> {
    let found = marks(&Scene { gvk, fate, before: NOBODY, after: NOBODY });
    found.into_iter().map(|mark| mark.message).collect()
}

fn changed(api: &str, kind: &str, before: &str, after: &str) -> Vec<String> {
    let gvk = Gvk::new(api, kind);
    told(&gvk, Fate::Changed(&object(&gvk, before), &object(&gvk, after)))
}

fn created(api: &str, kind: &str, rest: &str) -> Vec<String> {
    let gvk = Gvk::new(api, kind);
    told(&gvk, Fate::Created(&object(&gvk, rest)))
}

const RBAC_V1: &str = "rbac.authorization.k8s.io/v1";

#[test]
fn what_goes_takes_something_with_it() {
    for Row(_, kinds, check) in &CHECKS {
        let Check::Goes(say) = check else { continue };
        for (group, kind) in *kinds {
            let gvk = Gvk { group: (*group).into(), version: "v1".into(), kind: (*kind).into() };
            let it = object(&gvk, "");
            assert_eq!(told(&gvk, Fate::Deleted(&it)), [*say]);
            assert!(told(&gvk, Fate::Remade(&it, &it)).contains(&(*say).to_owned()));
            assert!(!told(&gvk, Fate::Changed(&it, &it)).contains(&(*say).to_owned()));
        }
    }
    let plain = Gvk::new("v1", "ConfigMap");
    assert!(told(&plain, Fate::Deleted(&object(&plain, ""))).is_empty());
}

#[test]
fn roles_that_grow_are_marked() {
    let rules = |list: &str| format!(r#""rules":[{list}]"#);
    let rule = |verbs: &str, what: &str| format!(r#"{{"apiGroups":[""],"resources":[{what}],"verbs":[{verbs}]}}"#);
    let get_pods = rule(r#""get""#, r#""pods""#);
    let grown = rule(r#""get","delete""#, r#""pods","secrets""#);
    assert_eq!(
        changed(RBAC_V1, "Role", &rules(&get_pods), &rules(&grown)),
        ["it allows more than before: delete pods, delete secrets, get secrets"]
    );
    // Less, or the same in other words, is no growth.
    assert!(changed(RBAC_V1, "Role", &rules(&grown), &rules(&get_pods)).is_empty());
    let star = r#"{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}"#;
    assert!(changed(RBAC_V1, "ClusterRole", &rules(star), &rules(&grown)).is_empty());
    assert_eq!(
        changed(RBAC_V1, "ClusterRole", &rules(&grown), &rules(star)),
        ["it allows more than before: do anything with everything"]
    );
    let named = r#"{"apiGroups":[""],"resources":["secrets"],"resourceNames":["one"],"verbs":["get"]}"#;
    let all = rule(r#""get""#, r#""secrets""#);
    assert!(changed(RBAC_V1, "Role", &rules(&all), &rules(named)).is_empty());
    assert_eq!(changed(RBAC_V1, "Role", &rules(named), &rules(&all)), ["it allows more than before: get secrets"]);
    let urls = r#"{"nonResourceURLs":["/metrics/a"],"verbs":["get"]}"#;
    let below = r#"{"nonResourceURLs":["/metrics/*"],"verbs":["get"]}"#;
    assert!(changed(RBAC_V1, "ClusterRole", &rules(below), &rules(urls)).is_empty());
    assert_eq!(changed(RBAC_V1, "ClusterRole", &rules(urls), &rules(below)).len(), 1);
    // A new role allows something, or it were not there; only much is marked.
    assert!(created(RBAC_V1, "Role", &rules(&get_pods)).is_empty());
    assert_eq!(created(RBAC_V1, "ClusterRole", &rules(star)), ["it allows much: do anything with everything"]);
    assert_eq!(created(RBAC_V1, "Role", &rules(&rule(r#""escalate""#, r#""roles""#))).len(), 1);
    assert_eq!(
        changed(
            RBAC_V1,
            "ClusterRole",
            "",
            r#""aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"a":"b"}}]}"#
        ),
        ["which roles are part of it changes"]
    );
}

#[test]
fn bindings_that_grow_are_marked() {
    let binding = |role: &str, subjects: &[&str]| {
        let list: Vec<String> = subjects
            .iter()
            .map(|name| format!(r#"{{"kind":"ServiceAccount","namespace":"shop","name":"{name}"}}"#))
            .collect();
        format!(r#""roleRef":{{"kind":"ClusterRole","name":"{role}"}},"subjects":[{}]"#, list.join(","))
    };
    let kind = "ClusterRoleBinding";
    assert_eq!(
        changed(RBAC_V1, kind, &binding("view", &["a"]), &binding("view", &["a", "b"])),
        ["ServiceAccount shop/b may do what the role `view` allows"]
    );
    assert!(changed(RBAC_V1, kind, &binding("view", &["a", "b"]), &binding("view", &["b"])).is_empty());
    let other = changed(RBAC_V1, kind, &binding("view", &["a"]), &binding("edit", &["a"]));
    assert!(other.len() == 2 && other[0].contains("nobody change `roleRef`"), "{other:?}");
    assert!(created(RBAC_V1, kind, &binding("view", &["a"])).is_empty());
    assert_eq!(created(RBAC_V1, kind, &binding("cluster-admin", &["a"])).len(), 1);
    assert_eq!(created(RBAC_V1, kind, &binding("view", &["system:authenticated"])).len(), 1);
}

#[test]
fn what_stands_between_everybody_and_the_api_is_marked() {
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        let hook = |policy: &str, ca: &str| {
            format!(
                r#""webhooks":[{{"name":"a.example.com","failurePolicy":"{policy}","clientConfig":{{"caBundle":"{ca}"}}}}]"#
            )
        };
        let api = "admissionregistration.k8s.io/v1";
        assert_eq!(created(api, kind, &hook("Fail", "x")), ["requests of the whole cluster go through it"]);
        assert_eq!(changed(api, kind, &hook("Ignore", "x"), &hook("Fail", "x")).len(), 1);
        assert!(changed(api, kind, &hook("Fail", "x"), &hook("Fail", "y")).is_empty(), "certificates are renewed");
    }
    let service = |name: &str, ca: &str| format!(r#""spec":{{"service":{{"name":"{name}"}},"caBundle":"{ca}"}}"#);
    let api = "apiregistration.k8s.io/v1";
    assert_eq!(
        changed(api, "APIService", &service("a", "x"), &service("b", "x")),
        ["who serves a group of the API changes"]
    );
    assert!(changed(api, "APIService", &service("a", "x"), &service("a", "y")).is_empty());
    assert_eq!(created(api, "APIService", &service("a", "x")).len(), 1);
    let api = "admissionregistration.k8s.io/v1";
    assert_eq!(changed(api, "ValidatingAdmissionPolicy", r#""spec":{"a":1}"#, r#""spec":{"a":2}"#).len(), 1);
}

#[test]
fn versions_of_definitions_are_marked() {
    let crd = |versions: &[(&str, bool, bool)], stored: &str| {
        let list: Vec<String> = versions
            .iter()
            .map(|(name, served, storage)| format!(r#"{{"name":"{name}","served":{served},"storage":{storage}}}"#))
            .collect();
        format!(
            r#""spec":{{"scope":"Namespaced","versions":[{}]}},"status":{{"storedVersions":[{stored}]}}"#,
            list.join(",")
        )
    };
    let check =
        |before: &str, after: &str| changed("apiextensions.k8s.io/v1", "CustomResourceDefinition", before, after);
    let old = crd(&[("v1", true, true)], r#""v1""#);
    let both = crd(&[("v1", true, false), ("v2", true, true)], r#""v1","v2""#);
    assert!(check(&old, &both).join("").contains("stored as `v2` from now on, not as `v1`"));
    let new = crd(&[("v2", true, true)], r#""v1","v2""#);
    assert_eq!(
        check(&both, &new),
        ["objects may still be stored as `v1`, which it no longer has: they could not be read any more"]
    );
    let migrated = crd(&[("v1", true, false), ("v2", true, true)], r#""v2""#);
    assert_eq!(check(&migrated, &new), ["it no longer has the version `v1`"]);
    let unserved = crd(&[("v1", false, false), ("v2", true, true)], r#""v2""#);
    assert_eq!(check(&migrated, &unserved), ["the version `v1` is no longer served"]);
    assert!(check(&both, &both).is_empty());
    let webhook = both.replace(r#""scope""#, r#""conversion":{"strategy":"Webhook"},"scope""#);
    assert_eq!(check(&both, &webhook), ["how its versions are converted changes"]);
    assert_eq!(check(&both, &both.replace("Namespaced", "Cluster")), ["its scope changes"]);
}

#[test]
fn single_fields_are_marked() {
    let spec = |text: &str| format!(r#""spec":{{{text}}}"#);
    for (api, kind, before, after) in [
        ("apps/v1", "Deployment", r#""replicas":3"#, r#""replicas":0"#),
        ("v1", "Service", r#""type":"LoadBalancer""#, r#""type":"ClusterIP""#),
        (
            "v1",
            "PersistentVolume",
            r#""persistentVolumeReclaimPolicy":"Retain""#,
            r#""persistentVolumeReclaimPolicy":"Delete""#,
        ),
        ("apps/v1", "StatefulSet", "", r#""persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Delete"}"#),
    ] {
        assert_eq!(changed(api, kind, &spec(before), &spec(after)).len(), 1, "{kind}");
        let back = changed(api, kind, &spec(after), &spec(before));
        assert!(back.iter().all(|said| said.contains("outside the cluster")), "{kind}: {back:?}");
        assert!(created(api, kind, &spec(after)).is_empty(), "{kind}");
    }
}

/// A value of an object, some of it where the table looks.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("0".to_owned()),
        Just("true".to_owned()),
        prop_oneof!["\\*", "get", "Delete", "LoadBalancer", "pods", "v1", "cluster-admin"]
            .prop_map(|text| format!("{text:?}")),
    ];
    let name = prop_oneof![
        "spec",
        "rules",
        "verbs",
        "resources",
        "apiGroups",
        "subjects",
        "roleRef",
        "name",
        "kind",
        "webhooks",
        "caBundle",
        "versions",
        "storage",
        "served",
        "replicas",
        "type",
        "scope",
        "conversion",
        "aggregationRule",
        "persistentVolumeReclaimPolicy"
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let entries = prop::collection::btree_map(name.clone(), inner.clone(), 0..5).prop_map(|map| {
            let list: Vec<String> = map.into_iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
            format!("{{{}}}", list.join(","))
        });
        prop_oneof![entries, prop::collection::vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(",")))]
    })
}

proptest! {
    /// Labels and annotations: whatever the object says, a change of them alone has no mark, except for the few that rules name.
    #[test]
    fn labels_alone_are_never_marked(row in 0..CHECKS.len(), spec in value(), rules in value(), labels in value(), status in value()) {
        for (group, kind) in CHECKS[row].1 {
            let gvk = Gvk { group: (*group).into(), version: "v1".into(), kind: (*kind).into() };
            let before = object(&gvk, &format!(r#""spec":{spec},"rules":{rules},"webhooks":{rules},"subjects":{rules},"aggregationRule":{spec},"status":{status}"#));
            let mut after = before.clone();
            let metadata = node(&format!(r#"{{"name":"a","labels":{labels},"annotations":{spec}}}"#));
            after.map_mut().expect("a map").insert("metadata", metadata);
            prop_assert!(told(&gvk, Fate::Changed(&before, &after)).is_empty());
            // Nor does anything panic, whatever is written.
            state(&gvk, &State { object: &after, others: NOBODY });
            marks(&Scene { gvk: &gvk, fate: Fate::Changed(&after, &object(&gvk, "")), before: NOBODY, after: NOBODY });
        }
    }
}

#[test]
fn the_table_is_whole() {
    let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!((all, all >= 40), (ids.len(), true));
    for row in &CHECKS {
        assert!(rule(row.0).is_some(), "{} is no rule", row.0);
    }
    // What no check finds: what only a plan sees, and what only the fleet knows.
    let idle: Vec<&str> = RULES.iter().map(|rule| rule.id).filter(|id| CHECKS.iter().all(|row| row.0 != *id)).collect();
    assert_eq!(idle, ["danger/made-anew", "danger/adopted-from", "danger/missing-label"]);
    assert!(is_of_changes("danger/namespace-goes") && !is_of_changes("danger/privileged"));
    assert!(!is_of_changes("danger/missing-label") && !is_of_changes("schema/unknown-field"));
}

#[test]
fn what_somebody_lives_with_is_counted_and_levels_are_heard() {
    let text = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","annotations":{"fleetc.dev/ignore":"danger/namespace-goes: a test"}}}"#;
    let (said, unsaid) = (node(text), node(&text.replace(": a test", "")));
    let gvk = Gvk::new("v1", "Namespace");
    let of =
        |object: &Node| super::of(&Scene { gvk: &gvk, fate: Fate::Deleted(object), before: NOBODY, after: NOBODY });
    let dangers = of(&said);
    assert!(dangers.is_empty());
    assert_eq!(dangers.suppressed[0].to_string(), "everything in it goes with it [danger/namespace-goes]: a test");
    // Without a reason it counts.
    let counted = of(&unsaid);
    assert_eq!((counted.list.len(), counted.worst()), (1, Some(Level::Warn)));
    assert_eq!(counted.judged(|_, _| Level::Error).worst(), Some(Level::Error));
    assert_eq!(counted.judged(|_, _| Level::Off), Dangers::default());
}
