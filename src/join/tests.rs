//! Names, manifests, rights and edits of stubs, against what Argo CD and people write.

use serde_json::{Value, json};

use super::rights::Needs;
use super::*;
use crate::api::Resource;
use crate::k8s::object::Gvk;
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node};

fn registration() -> Registration {
    Registration {
        name: "prod-eu".to_owned(),
        server: "https://203.0.113.7:6443".to_owned(),
        labels: [("env".to_owned(), "prod".to_owned())].into(),
        annotations: Default::default(),
        project: "shop".to_owned(),
        namespaces: Vec::new(),
        cluster_resources: false,
        trust: Trust { ca: Some("Q0E=".to_owned()), ..Trust::default() },
    }
}

fn documents(text: &str) -> Vec<Node> {
    yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default()).unwrap()
}

/// Recorded from argo-cd v3.5.7, `util/db.URIToSecretName("cluster", …)`.
#[test]
fn secrets_have_argo_cds_names() {
    let recorded: Value = serde_json::from_str(include_str!("names.recorded.json")).unwrap();
    for (server, name) in recorded.as_object().unwrap() {
        assert_eq!(secret_name(server).ok().as_deref(), name.as_str(), "{server}");
    }
    for wrong in ["", "c", "https://", "https://[fd00", "https://[x]:1"] {
        assert!(secret_name(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn logins_are_where_argo_cd_and_kubectl_look() {
    let cluster = registration();
    let secret = cluster.secret("argocd", Some(&Login::Token("t".to_owned()))).unwrap();
    assert_eq!(secret.pointer("/metadata/labels/argocd.argoproj.io~1secret-type"), Some(&json!("cluster")));
    assert_eq!(secret.pointer("/metadata/annotations/managed-by"), Some(&json!("argocd.argoproj.io")));
    let config: Value = serde_json::from_str(secret.pointer("/stringData/config").unwrap().as_str().unwrap()).unwrap();
    assert_eq!(config, json!({"bearerToken": "t", "tlsClientConfig": {"insecure": false, "caData": "Q0E="}}));
    let aws = Login::Aws { cluster: "c".to_owned(), role: "r".to_owned(), profile: String::new() };
    let config = secret::config(&Trust { insecure: true, ..cluster.trust.clone() }, &aws);
    assert_eq!(config["awsAuthConfig"], json!({"clusterName": "c", "roleARN": "r"}));
    assert_eq!(config["tlsClientConfig"], json!({"insecure": true}));

    let other = "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: x}}]\nusers: [{name: a, user: {}}]\ncontexts: [{name: a, context: {cluster: a}}]\n";
    let both = cluster.kubeconfig(other, &Login::Token("t".to_owned())).unwrap();
    let again = cluster.kubeconfig(&both, &Login::Token("u".to_owned())).unwrap();
    let root = &documents(&again)[0];
    let names = |key: &str| -> Vec<String> {
        root.get(key).unwrap().as_seq().unwrap().iter().map(|entry| entry.str_at(&["name"]).to_owned()).collect()
    };
    assert_eq!(
        [names("clusters"), names("users"), names("contexts")],
        [["a", "prod-eu"], ["a", "prod-eu"], ["a", "prod-eu"]]
    );
    assert!(again.contains("token: u") && !again.contains("token: t\n"));
    assert_eq!(
        documents(&secret::without_context(&again, "prod-eu").unwrap())[0].get("users"),
        documents(other)[0].get("users")
    );
    for wrong in ["a: b\n", "- x\n", "{", "kind: Config\nusers: 5\n"] {
        assert!(cluster.kubeconfig(wrong, &aws).is_err(), "{wrong}");
    }
}

#[test]
fn full_rights_are_those_of_argocd() {
    let account = Account { namespace: SYSTEM_NAMESPACE.to_owned(), name: SERVICE_ACCOUNT.to_owned() };
    let made = objects(&account, &Rights::full());
    let titles: Vec<String> = made.iter().map(title).collect();
    assert_eq!(
        titles,
        [
            "ServiceAccount kube-system/argocd-manager",
            "ClusterRole argocd-manager-role",
            "ClusterRoleBinding argocd-manager-role-binding"
        ]
    );
    assert_eq!(
        made[1]["rules"],
        json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}])
    );
    let narrow = objects(&account, &Rights::within(&["shop".to_owned()], &["fleetc-system".to_owned()]));
    let titles: Vec<String> = narrow.iter().map(title).collect();
    for wanted in [
        "Namespace fleetc-system",
        "Role shop/argocd-manager-role",
        "RoleBinding fleetc-system/argocd-manager-role-binding",
    ] {
        assert!(titles.iter().any(|title| title == wanted), "{wanted} in {titles:?}");
    }
    let cluster = narrow.iter().find(|object| object["kind"] == "ClusterRole").unwrap();
    assert_eq!(cluster["rules"].as_array().unwrap().len(), 1, "only namespaces by name");
    assert_eq!(cluster["rules"][0]["resourceNames"], json!(["kube-system", "fleetc-system"]));
}

#[test]
fn the_smallest_role_has_what_the_objects_need_and_no_more() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n---\n\
        apiVersion: x.example.com/v1\nkind: Gauge\nmetadata: {name: g}\n---\n\
        apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gauges.x.example.com}\n\
        spec: {group: x.example.com, scope: Cluster, names: {kind: Gauge, plural: gauges}}\n---\n\
        apiVersion: y.example.com/v1\nkind: Nobody\nmetadata: {name: n}\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: own}\n\
        rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: sum}\naggregationRule: {clusterRoleSelectors: []}\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: own}\nroleRef: {kind: ClusterRole, name: own}\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: v, namespace: shop}\nroleRef: {kind: ClusterRole, name: view}\n";
    let objects = documents(text);
    let served = |api: &str, kind: &str, plural: &str, namespaced: bool| Resource {
        gvk: Gvk::new(api, kind),
        plural: plural.into(),
        namespaced,
        verbs: Vec::new(),
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    let resources = [
        served("v1", "ConfigMap", "configmaps", true),
        served("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false),
        served(rbac, "ClusterRole", "clusterroles", false),
        served(rbac, "ClusterRoleBinding", "clusterrolebindings", false),
        served(rbac, "RoleBinding", "rolebindings", true),
    ];
    let needs = Needs::of(&objects, &resources);
    assert_eq!(needs.unknown.iter().collect::<Vec<_>>(), ["Nobody.y.example.com"]);
    let rights = Rights::minimal(&needs, &[], &["fleetc-system".to_owned()]);
    let has = |group: &str, resource: &str, verb: &str, name: &str| {
        rights.cluster.iter().any(|rule| {
            rule.groups.iter().any(|one| one == group)
                && rule.resources.iter().any(|one| one == resource)
                && rule.verbs.iter().any(|one| one == verb)
                && (rule.names.is_empty() || rule.names.iter().any(|one| one == name))
        })
    };
    assert!(has("", "configmaps", "delete", "a") && has("x.example.com", "gauges", "patch", "g"));
    assert!(has("", "pods", "get", "p"), "what a role hands out must be held");
    assert!(has("rbac.authorization.k8s.io", "clusterroles", "bind", "view"));
    assert!(!has("rbac.authorization.k8s.io", "clusterroles", "bind", "own"), "held, so it need not be bound blindly");
    assert!(has("rbac.authorization.k8s.io", "clusterroles", "escalate", "sum"));
    assert!(!has("", "secrets", "get", "s") && !has("", "pods", "delete", "p"));
    let narrow = Rights::minimal(&needs, &["shop".to_owned()], &["fleetc-system".to_owned()]);
    assert_eq!(narrow.cluster.len(), 1, "{:?}", narrow.cluster);
    assert!(narrow.namespaces["shop"].iter().all(|rule| !rule.resources.contains(&"gauges".to_owned())));
}

#[test]
fn stubs_go_in_and_out_and_the_rest_stays() {
    let mut cluster = registration();
    cluster.labels.insert("a/b".to_owned(), "true".to_owned());
    let entries = |text: &str| -> Vec<String> {
        let root = &documents(text)[0];
        root.get("clusters")
            .unwrap()
            .as_seq()
            .unwrap_or_default()
            .iter()
            .map(|entry| entry.str_at(&["name"]).to_owned())
            .collect()
    };
    let cases = [
        "kind: Fleet\nmetadata: {name: x} # why\n",
        "kind: Fleet\nclusters:\n- {name: a, server: s} # first\n# after\ncontexts: {a: b}\n",
        "kind: Fleet\nclusters:\n  - name: a\n    labels:\n      x: y\n\n# engines\nengines: {helm: '4.3'}\n",
        "kind: Fleet\nclusters: [{name: a}, {name: b}]\n",
        "kind: Fleet\nclusters: []\nsecrets: warn\n",
        "kind: Fleet\nclusters: # none yet\nsecrets: warn\n",
        "kind: Fleet\nclusters:\n- name: a",
    ];
    for before in cases {
        let after = stub::enter(before, &cluster).unwrap();
        let root = &documents(&after)[0];
        let list = root.get("clusters").unwrap().as_seq().unwrap();
        let entry = list.last().unwrap();
        assert_eq!(entry.str_at(&["name"]), "prod-eu", "{after}");
        assert_eq!(entry.str_at(&["labels", "a/b"]), "true", "{after}");
        assert_eq!(
            list.len(),
            1 + documents(before)[0].get("clusters").and_then(Node::as_seq).map_or(0, <[Node]>::len),
            "{after}"
        );
        let back = stub::remove(&after, entry.span()).unwrap().unwrap();
        assert!(!entries(&back).contains(&"prod-eu".to_owned()), "{back}");
        for comment in before.split('#').skip(1).filter_map(|rest| rest.lines().next()) {
            assert!(back.contains(comment) || comment.contains("none yet"), "{comment} in {back}");
        }
    }
    for odd in ["{kind: Fleet}\n", "kind: Fleet\nclusters: 5\n", "a: b\n---\nc: d\n", "a: [\n"] {
        assert!(stub::enter(odd, &cluster).is_err(), "{odd}");
    }

    let alone = stub::document(&cluster, "argocd").unwrap();
    assert!(!alone.contains("config") && alone.contains("secret-type: cluster"), "{alone}");
    let span = documents(&alone)[0].span();
    assert_eq!(stub::remove(&alone, span), Ok(None), "nothing is left");
    let other = "# kept\nkind: Secret # one\nmetadata: {name: x}\n";
    let both = stub::append(other, &alone);
    let parts = documents(&both);
    assert_eq!(parts.len(), 2);
    let left = stub::remove(&both, parts[1].span()).unwrap().unwrap();
    assert_eq!(documents(&left), documents(other));
    assert!(left.starts_with(other), "{left}");
    let left = stub::remove(&both, parts[0].span()).unwrap().unwrap();
    assert_eq!(documents(&left), documents(&alone), "{left}");
    let list = "kind: List\nitems:\n- {kind: Secret, a: 1}\n- {kind: Secret, a: 2} # two\n";
    let items = documents(list)[0].get("items").unwrap().as_seq().unwrap().to_vec();
    assert_eq!(
        stub::remove(list, items[0].span()).unwrap().unwrap(),
        "kind: List\nitems:\n- {kind: Secret, a: 2} # two\n"
    );
    assert!(stub::remove(list, crate::span::Span::new(FileId::NONE, 1, 2)).is_err());

    let contexts = "a: b\ncontexts:\n  prod-eu: k1\n  x: k2\nlast: 1\n";
    assert_eq!(stub::forget_context(contexts, "prod-eu").unwrap(), "a: b\ncontexts:\n  x: k2\nlast: 1\n");
    assert_eq!(stub::forget_context(contexts, "nobody").unwrap(), contexts);
    assert_eq!(stub::forget_context("contexts: {prod-eu: k1}\n", "prod-eu").unwrap(), "contexts: {}\n");
    assert_eq!(
        stub::forget_context("contexts:\n  prod-eu: k1\nlast: 1\n", "prod-eu").unwrap(),
        "contexts: {}\nlast: 1\n"
    );
}
