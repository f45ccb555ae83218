//! What is written of an Argo CD, and what never is.

use super::*;
use crate::span::FileId;
use crate::yaml::json;

fn node(text: &str) -> Node {
    json::parse(FileId::NONE, text.as_bytes()).expect("JSON")
}

fn application(name: &str, more: &str, spec: &str) -> Node {
    node(&format!(
        r#"{{"apiVersion":"argoproj.io/v1alpha1","kind":"Application","metadata":{{"name":"{name}","namespace":"argocd","uid":"u","resourceVersion":"9"{more}}},"spec":{{"project":"default"{spec}}},"operation":{{"sync":{{}}}},"status":{{"sync":{{"status":"Synced"}}}}}}"#
    ))
}

fn imported(live: &Live) -> Imported {
    files(live, &Wish { namespace: "argocd".to_owned(), name: "shop".to_owned() })
}

#[test]
fn a_cluster_becomes_a_stub_without_a_login() {
    // Base64 of `eu`, `https://eu:6443/` and of a config with a token.
    let secret = node(
        r#"{"metadata":{"name":"cluster-eu","namespace":"argocd","labels":{"argocd.argoproj.io/secret-type":"cluster","env":"prod"},"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"stringData\":{\"config\":\"hunter2\"}}","team":"a"}},"data":{"name":"ZXU=","server":"aHR0cHM6Ly9ldTo2NDQzLw==","config":"eyJiZWFyZXJUb2tlbiI6Imh1bnRlcjIifQ==","shard":"MQ=="}}"#,
    );
    let found = imported(&Live { clusters: vec![secret], ..Live::default() });
    let text = found.files.get("clusters/eu.yaml").expect("a stub");
    for line in
        ["    env: prod\n", "    team: a\n", "  name: eu\n", "  server: https://eu:6443/\n", "secret-type: cluster\n"]
    {
        assert!(text.contains(line), "{line}{text}");
    }
    let all: String = found.files.values().cloned().collect();
    assert!(!all.contains("hunter") && !all.contains("eyJiZWF") && !all.contains("config"), "{all}");
    assert!(
        found.files.get("fleet.yaml").is_some_and(|text| text.contains("name: shop\ndefinitions:\n  - clusters/\n"))
    );
}

#[test]
fn what_has_a_parent_is_not_written() {
    let owned = r#","ownerReferences":[{"kind":"ApplicationSet","name":"all"}]"#;
    let tracked = r#","annotations":{"argocd.argoproj.io/tracking-id":"root:argoproj.io/Application:argocd/child"}"#;
    let copied = r#","annotations":{"argocd.argoproj.io/tracking-id":"root:argoproj.io/Application:argocd/other"}"#;
    let own = r#","annotations":{"argocd.argoproj.io/tracking-id":"root:argoproj.io/Application:argocd/root"}"#;
    let live = Live {
        applications: vec![
            application("root", own, ""),
            application("made", owned, ""),
            application("child", tracked, ""),
            application("alone", copied, ""),
        ],
        ..Live::default()
    };
    let found = imported(&live);
    let paths: Vec<&str> = found.files.keys().map(String::as_str).collect();
    assert_eq!(paths, ["applications/alone.yaml", "applications/root.yaml", "fleet.yaml"]);
    let text = found.files.get("applications/root.yaml").expect("root");
    for never in ["status", "operation", "uid", "resourceVersion", "tracking-id"] {
        assert!(!text.contains(never), "{never}: {text}");
    }
}

#[test]
fn two_that_declare_each_other_are_not_lost() {
    let by = |parent: &str, name: &str| {
        format!(
            r#","annotations":{{"argocd.argoproj.io/tracking-id":"{parent}:argoproj.io/Application:argocd/{name}"}}"#
        )
    };
    let live = Live {
        applications: vec![application("a", &by("b", "a"), ""), application("b", &by("a", "b"), "")],
        ..Live::default()
    };
    assert!(imported(&live).files.contains_key("applications/a.yaml"));
}

#[test]
fn what_people_set_on_a_child_is_kept() {
    let managers = r#","managedFields":[{"manager":"argocd-controller","operation":"Apply","apiVersion":"argoproj.io/v1alpha1","fieldsV1":{"f:spec":{"f:project":{}}}},{"manager":"argocd-server","operation":"Update","apiVersion":"argoproj.io/v1alpha1","fieldsV1":{"f:spec":{"f:source":{"f:helm":{".":{},"f:parameters":{}}}},"f:status":{"f:x":{}}}}]"#;
    let more = format!(
        r#","annotations":{{"argocd.argoproj.io/tracking-id":"root:argoproj.io/Application:argocd/child"}}{managers}"#
    );
    let source = r#","source":{"repoURL":"https://git/x","path":"apps/child","helm":{"parameters":[{"name":"replicas","value":"3"}],"releaseName":"r"}}"#;
    let live = Live {
        applications: vec![application("root", "", ""), application("child", &more, source)],
        ..Live::default()
    };
    let found = imported(&live);
    let text = found.files.get("overrides/child.yaml").expect("a patch");
    assert!(text.contains("by argocd-server; Application root") && text.contains("name: replicas"), "{text}");
    assert!(!text.contains("releaseName") && !text.contains("project"), "only what was set: {text}");
    let beside = found.files.get("overrides/child.argocd-source.yaml").expect("a file for the source");
    assert!(beside.contains("`apps/child/.argocd-source-child.yaml` in https://git/x") && beside.contains("\nhelm:\n"));
    assert!(!found.files.get("fleet.yaml").is_some_and(|text| text.contains("overrides")), "no definition");
    assert_eq!(found.warnings.len(), 1);
}

#[test]
fn settings_are_those_that_count() {
    let map = node(
        r#"{"metadata":{"name":"argocd-cm","namespace":"argocd","uid":"u"},"data":{"kustomize.buildOptions":"--enable-helm","resource.customizations.health.apps_Deployment":"return {}","oidc.config":"clientSecret: hunter2","url":"https://x"}}"#,
    );
    let found = imported(&Live { settings: Some(map), ..Live::default() });
    let text = found.files.get("settings/argocd-cm.yaml").expect("settings");
    assert!(
        text.contains("kustomize.buildOptions: --enable-helm") && text.contains("health.apps_Deployment"),
        "{text}"
    );
    assert!(!text.contains("hunter2") && !text.contains("oidc") && !text.contains("uid"));
    assert!(found.notes.iter().any(|note| note.contains("oidc.config, url")));
}

#[test]
fn names_are_files_and_tokens_are_none() {
    assert_eq!(file_name("../a/b"), "a-b");
    assert_eq!(file_name("https://x:6443"), "https---x-6443");
    let project = node(
        r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"AppProject","metadata":{"name":"p","namespace":"argocd"},"spec":{"roles":[{"name":"ci","jwtTokens":[{"iat":1,"id":"x"}]}]}}"#,
    );
    let secret = r#","source":{"helm":{"parameters":[{"name":"db.admin-password","value":"hunter2"}]}}"#;
    let live = Live { projects: vec![project], applications: vec![application("a", "", secret)], ..Live::default() };
    let found = imported(&live);
    assert!(!found.files.get("projects/p.yaml").expect("a project").contains("jwtTokens"));
    assert!(
        found
            .warnings
            .iter()
            .any(|text| text.contains("`db.admin-password` of Application a") && !text.contains("hunter"))
    );
}
