//! Orders, waves and hooks against recorded answers of kustomize and Argo CD.

use super::*;
use crate::yaml::Map;

fn ids(text: &str) -> Vec<ObjectId> {
    let row = |line: &str| {
        let [api_version, kind, name, namespace] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let namespace = if namespace == "-" { "" } else { namespace };
        ObjectId { gvk: Gvk::new(api_version, kind), namespace: namespace.into(), name: name.into() }
    };
    text.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

/// Sorts other arrangements of a recorded order and compares with it.
fn check<T: AsRef<str>>(order: LegacyOrder<'_, T>, recorded: &str) {
    let expected = ids(recorded);
    let mut shuffled = expected.clone();
    for round in 1..6 {
        let middle = shuffled.len() / 2;
        shuffled.rotate_left(round * 7);
        shuffled[..middle].reverse();
        shuffled.sort_by(|a, b| order.compare(a, b));
        assert_eq!(shuffled, expected);
    }
}

#[test]
fn legacy_order_is_that_of_kustomize() {
    check(LegacyOrder::default(), include_str!("../../../fixtures/k8s/legacy-order.txt"));
}

#[test]
fn legacy_order_with_own_lists() {
    let order = LegacyOrder {
        first: &["Deployment", "Thing", "Namespace", "Thing"],
        last: &["Service", "ConfigMap", "Namespace"],
    };
    check(order, include_str!("../../../fixtures/k8s/legacy-order-custom.txt"));
}

fn object(annotations: &str) -> Node {
    let values: std::collections::BTreeMap<String, String> = serde_json::from_str(annotations).unwrap();
    let map: Map = values.into_iter().map(|(key, value)| (Node::str(key), Node::str(value))).collect();
    let under = |key: &str, node: Node| Node::map([(Node::str(key), node)].into_iter().collect());
    under("metadata", under("annotations", Node::map(map)))
}

#[test]
fn waves_and_hooks_are_those_of_argo_cd() {
    for line in include_str!("../../../fixtures/k8s/hooks.txt").lines().filter(|line| !line.starts_with('#')) {
        let [annotations, wave, hook, skip, phases] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let object = object(annotations);
        assert_eq!(format!("wave {}", sync_wave(&object)), wave, "{line}");
        let known = |text: &str| ARGO_PHASES.iter().find(|row| row.0 == text).map(|row| row.1);
        let mut phases: Vec<Phase> = phases.split(',').filter_map(known).collect();
        phases.sort_unstable();
        phases.dedup();
        let expected = match (hook, skip) {
            ("hook true", "skip false") => Role::Hook(phases),
            ("hook false", "skip true") => Role::Skipped,
            ("hook false", "skip false") => Role::Plain,
            _ => panic!("{line}"),
        };
        assert_eq!(role(&object), expected, "{line}");
    }
}

/// v3.5 controller/hook.go: delete phases count from either annotation, beside any sync phase.
#[test]
fn delete_hooks() {
    use Phase::{PostDelete, PostSync, PreDelete, Sync};
    let check = |annotations, phases: &[Phase]| {
        assert_eq!(role(&object(annotations)), Role::Hook(phases.to_vec()), "{annotations}");
    };
    check(r#"{"argocd.argoproj.io/hook": "PreDelete"}"#, &[PreDelete]);
    check(r#"{"argocd.argoproj.io/hook": "PostDelete,Sync"}"#, &[Sync, PostDelete]);
    check(r#"{"argocd.argoproj.io/hook": "Skip,PreDelete"}"#, &[PreDelete]);
    check(r#"{"helm.sh/hook": "pre-delete, post-install"}"#, &[PostSync, PreDelete]);
    check(r#"{"argocd.argoproj.io/hook": "Sync", "helm.sh/hook": "post-delete"}"#, &[Sync, PostDelete]);
}

#[test]
fn kinds_rank_as_argo_cd_lists_them() {
    let mut kinds = ["Widget", "APIService", "Deployment", "CustomResourceDefinition", "Namespace", "ConfigMap"];
    kinds.sort_by_key(|kind| kind_rank(kind));
    assert_eq!(kinds, ["Namespace", "ConfigMap", "CustomResourceDefinition", "Deployment", "APIService", "Widget"]);
}
