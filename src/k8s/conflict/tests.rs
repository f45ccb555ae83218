//! Answers of a real API server (`fixtures/k8s/conflicts.yaml`), and the table.

use super::*;
use crate::span::FileId;
use crate::yaml::{Dialect, Limits, parse};

fn documents(text: &str) -> Vec<Node> {
    let parsed = parse(FileId::NONE, text.as_bytes(), Dialect::V3, &Limits::default());
    parsed.documents.into_iter().map(|document| document.root).collect()
}

#[test]
fn answers_of_a_real_api_server() {
    let answers = documents(include_str!("../../../fixtures/k8s/conflicts.yaml"));
    let all: Vec<String> = answers
        .iter()
        .flat_map(|answer| read(answer).unwrap())
        .map(|c| format!("{} {:?} {:?} {}", c.manager, c.subresource, c.api_version, c.field))
        .collect();
    assert_eq!(
        all,
        [
            r#"kube-controller-manager "scale" "apps/v1" .spec.replicas"#,
            r#"kubectl-rollout "" "apps/v1" .spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt"#,
            r#"argocd-controller "" "" .spec.template.spec.containers[name="web"].image"#,
            r#"argocd-controller "" "" .spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"].name"#,
            r#"kubectl-edit "" "v1" .data.a"#,
        ]
    );
    let gvk = Gvk::new("apps/v1", "Deployment");
    let policy = Policy::default();
    let decisions: Vec<Decision> =
        answers.iter().flat_map(|answer| read(answer).unwrap()).map(|c| policy.decide(&gvk, &c)).collect();
    assert_eq!(
        decisions,
        [
            Decision::Yield("left to a HorizontalPodAutoscaler (kube-controller-manager)".to_owned()),
            Decision::Yield("left to a rollout restart (kubectl-rollout)".to_owned()),
            Decision::Fail("argocd-controller deploys it, too".to_owned()),
            Decision::Fail("argocd-controller deploys it, too".to_owned()),
            Decision::Fail("somebody changed it with kubectl-edit".to_owned()),
        ]
    );
}

#[test]
fn messages() {
    let with_time =
        manager_of(r#"conflict with "a \"b\" \\c" with subresource "status" using v1 at 2026-01-02T03:04:05Z"#);
    assert_eq!(with_time.manager, r#"a "b" \c"#);
    assert_eq!(
        (&*with_time.subresource, &*with_time.api_version, &*with_time.time),
        ("status", "v1", "2026-01-02T03:04:05Z")
    );
    assert!(!with_time.applied() && manager_of(r#"conflict with "helm""#).applied());
    // Nothing is lost of a message in another form.
    assert_eq!(manager_of("conflict with somebody").manager, "somebody");
    assert_eq!(manager_of("conflict with \"open").manager, "\"open");
    for other in ["{}", "{details: {causes: [{reason: FieldValueInvalid}]}}", "{details: {}}", "[]"] {
        assert_eq!(read(&documents(other)[0]), None);
    }
}

#[test]
fn patterns() {
    let matches = |pattern: &str, field: &str| FieldPattern::new(pattern).unwrap().matches(field);
    assert!(matches(".spec.replicas", ".spec.replicas"));
    assert!(!matches(".spec.replicas", ".spec.replicasMax"));
    assert!(matches(".spec", ".spec.replicas"));
    assert!(matches(".webhooks[*].clientConfig.caBundle", r#".webhooks[name="a.b]c"].clientConfig.caBundle"#));
    assert!(!matches(".webhooks[*].clientConfig", r#".webhooks[name="a"].rules"#));
    assert!(!matches(".a[*].b", r#".a[x="1"].c[y="2"].b"#));
    assert!(matches(".metadata.annotations.example.com/*", ".metadata.annotations.example.com/x"));
    assert!(matches(".metadata.finalizers", r#".metadata.finalizers[="a.b/c"]"#));
    assert!(FieldPattern::new("spec").is_none());
}

#[test]
fn every_row_compiles_and_names_fields() {
    for Controller(managers, _, fields, name) in &CONTROLLERS {
        assert!(!managers.is_empty() && !fields.is_empty() && !name.is_empty());
        assert!(fields.iter().all(|field| FieldPattern::new(field).is_some()), "{name}");
    }
}

#[test]
fn decisions() {
    let decide = |policy: &Policy, manager: &str, subresource: &str, field: &str| {
        let conflict = Conflict {
            manager: manager.into(),
            subresource: subresource.into(),
            api_version: "v1".into(),
            time: SmolStr::default(),
            field: field.to_owned(),
        };
        match policy.decide(&Gvk::new("apps/v1", "Deployment"), &conflict) {
            Decision::Yield(_) => 'y',
            Decision::Fail(_) => 'f',
            Decision::Take => 't',
        }
    };
    let mut policy = Policy::default();
    let container = r#".spec.template.spec.containers[name="a"]"#;
    let table = [
        ("keda-operator", "", ".spec.replicas", 'y'),
        // Replicas are the autoscaler's by way of the scale subresource only.
        ("kube-controller-manager", "", ".spec.replicas", 'f'),
        ("kubectl", "scale", ".spec.replicas", 'f'),
        ("vpa-updater", "", &format!("{container}.resources.limits.cpu"), 'y'),
        ("vpa-updater", "", &format!("{container}.image"), 'f'),
        ("cert-manager-cainjector", "", r#".webhooks[name="x"].clientConfig.caBundle"#, 'y'),
        ("cert-manager-cainjector", "", r#".webhooks[name="x"].rules"#, 'f'),
        ("cainjector", "", ".spec.conversion.webhook.clientConfig.caBundle", 'y'),
        ("rollouts-controller", "", ".spec.selector.rollouts-pod-template-hash", 'y'),
        ("clusterrole-aggregation-controller", "", ".rules", 'y'),
        ("k9s", "", ".spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt", 'y'),
        ("k9s", "", ".spec.template.metadata.annotations.other", 'f'),
        ("helm", "", ".spec.replicas", 'f'),
        ("before-first-apply", "", ".spec.replicas", 'f'),
        ("something-else", "", ".spec.replicas", 'f'),
    ];
    for (manager, subresource, field, want) in table {
        assert_eq!(decide(&policy, manager, subresource, field), want, "{manager} {field}");
    }
    policy.take_ownership = true;
    for (manager, subresource, field, want) in table {
        // Controllers are yielded to all the same.
        assert_eq!(
            decide(&policy, manager, subresource, field),
            if want == 'f' { 't' } else { 'y' },
            "{manager} {field}"
        );
    }
    let glob = |pattern: &str| Glob::new(pattern, "").unwrap();
    let rule = |manager: &str, kind: &str, action| Rule {
        manager: glob(manager),
        group: glob("*"),
        kind: glob(kind),
        field: FieldPattern::new(".spec.replicas").unwrap(),
        action,
    };
    policy.rules = vec![
        rule("*", "StatefulSet", Action::Yield),
        rule("keda*", "Deployment", Action::Take),
        rule("helm", "*", Action::Fail),
        rule("helm", "*", Action::Take),
    ];
    assert_eq!(decide(&policy, "keda-operator", "", ".spec.replicas"), 't');
    assert_eq!(decide(&policy, "helm", "", ".spec.replicas"), 'f');
    assert_eq!(decide(&policy, "helm", "", ".spec.paused"), 't');
}
