//! Every rule of danger on objects that it is about, and on ones that it is almost about: `fixtures/danger/RULE/{fires,near}/{before,after}.yaml`,
//! each an application on a cluster of its own in one repository, compared with `fleetc diff` and looked at with `fleetc lint`.
//!
//! `expected.txt` says what both said of the two; `UPDATE=1` writes it anew. Whatever it says, a rule has to speak of `fires`, and must not of
//! `near`.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test makes its own folders")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fleetc::danger::RULES;
use serde_json::Value;

use crate::git::Blob::File;
use crate::git::Repo;

const SET: &str = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: all, namespace: argocd}\nspec:\n  goTemplate: true\n  generators: [{clusters: {selector: {matchLabels: {test: danger}}}}]\n  template:\n    metadata: {name: '{{.name}}'}\n    spec:\n      project: default\n      source: {repoURL: https://git.example.com/platform/fleet.git, path: 'apps/{{.name}}', targetRevision: HEAD}\n      destination: {name: '{{.name}}', namespace: shop}\n";
const FLEET: &str = "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {name: test}\nlint:\n  labels: [{name: team, kinds: [PriorityClass.scheduling.k8s.io]}]\n";
/// In every folder, so that an application is never empty.
const KEPT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}\n";
/// Only a plan finds it: it asks the cluster.
const OF_PLANS: [&str; 2] = ["danger/made-anew", "danger/adopted-from"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/danger")
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetc"));
    command.args(args).env("FLEETC_OFFLINE", "1").current_dir(folder).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn strings(of: &Value) -> impl Iterator<Item = &str> {
    of.as_array().unwrap().iter().map(|one| one.as_str().unwrap())
}

/// A repository with the states before (tag `v1`) and after (HEAD) of these applications.
fn repository(folder: &Path, fleet: &str, apps: &[(String, [Option<String>; 2])]) {
    let repo = Repo::new(folder);
    let mut commits = Vec::new();
    for at in 0..2 {
        let mut files = vec![("fleet.yaml".to_owned(), fleet.to_owned()), ("set.yaml".to_owned(), SET.to_owned())];
        for (name, sides) in apps {
            let cluster = format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  labels: {{argocd.argoproj.io/secret-type: cluster, test: danger}}\nstringData:\n  name: {name}\n  server: https://{name}.example.com\n"
            );
            files.push((format!("clusters/{name}.yaml"), cluster));
            files.push((format!("apps/{name}/kept.yaml"), KEPT.to_owned()));
            files.extend(sides[at].clone().map(|text| (format!("apps/{name}/objects.yaml"), text)));
        }
        let blobs: Vec<(&str, crate::git::Blob<'_>)> =
            files.iter().map(|(path, text)| (path.as_str(), File(text.as_str()))).collect();
        commits.push(repo.commit_after(&commits, &blobs));
        if at == 1 {
            let written: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            repo.write(&written);
        }
    }
    repo.set("refs/tags/v1", commits[0]);
    repo.set("refs/heads/main", commits[1]);
}

/// What `diff` and `lint` say, by application.
fn told(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let diff = run(folder, &["diff", "v1", "HEAD", "--format", "json"]);
    let compared = json(&diff);
    assert_eq!(compared["failures"], serde_json::json!([]));
    for change in compared["changes"].as_array().unwrap_or_else(|| panic!("{diff:?}")) {
        for danger in change["dangers"].as_array().unwrap() {
            let (kind, message, rule, level) =
                (&change["kind"], &danger["message"], danger["rule"].as_str().unwrap(), &danger["level"]);
            let line = format!("diff: {}: {} [{rule}] {}", text(kind), text(message), text(level));
            for place in change["places"].as_array().unwrap() {
                for cluster in strings(&place["clusters"]) {
                    told.entry(cluster.to_owned()).or_default().insert(line.clone());
                }
            }
        }
    }
    let lint = run(folder, &["lint", "--format", "json"]);
    let found = json(&lint);
    for finding in found["findings"].as_array().unwrap_or_else(|| panic!("{lint:?}")) {
        let rule = finding["rule"].as_str().unwrap();
        if rule.starts_with("danger/") {
            let object = text(&finding["object"]);
            let place = format!("{}:{}", finding["place"]["line"], finding["place"]["column"]);
            let line = format!(
                "lint: {object}: {} [{rule}] {}, after.yaml:{place}",
                text(&finding["message"]),
                text(&finding["level"])
            );
            for place in finding["applications"].as_array().unwrap() {
                told.entry(text(&place["cluster"]).to_owned()).or_default().insert(line.clone());
            }
        }
    }
    told
}

fn text(of: &Value) -> &str {
    of.as_str().unwrap_or_else(|| panic!("{of}"))
}

#[test]
fn every_rule_finds_what_it_is_about_and_nothing_that_is_only_near() {
    let mut names: Vec<String> =
        fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let mut apps = Vec::new();
    for name in &names {
        for side in ["fires", "near"] {
            let read =
                |state: &str| fs::read_to_string(root().join(name).join(side).join(format!("{state}.yaml"))).ok();
            let sides = [read("before"), read("after")];
            assert_ne!(sides, [None, None], "{name}/{side} has no objects");
            apps.push((format!("{name}-{side}"), sides));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path(), FLEET, &apps);
    let told = told(folder.path());
    let mut wrong = Vec::new();
    for name in &names {
        let mut now = String::new();
        // A rule may have several folders: `RULE-of-others`.
        let rule = format!("danger/{}", name.split("-of-others").next().unwrap_or(name));
        for side in ["fires", "near"] {
            let lines = told.get(&format!("{name}-{side}"));
            let speaks = lines.into_iter().flatten().any(|line| line.contains(&format!("[{rule}]")));
            if speaks != (side == "fires") {
                wrong.push(format!("{name}/{side}: the rule {}", if speaks { "speaks" } else { "is silent" }));
            }
            now.push_str(&format!("{side}\n"));
            lines.into_iter().flatten().for_each(|line| now.push_str(&format!("  {line}\n")));
        }
        let file = root().join(name).join("expected.txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &now).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if expected != now {
            wrong.push(format!("{name}: expected\n{expected}and is\n{now}"));
        }
    }
    for rule in RULES.iter().map(|rule| rule.id).filter(|id| !OF_PLANS.contains(id)) {
        if !names.iter().any(|name| format!("danger/{name}") == rule) {
            wrong.push(format!("{rule} has no fixture"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_of_a_secret_is_shown() {
    for entry in fs::read_dir(root()).unwrap() {
        let expected = fs::read_to_string(entry.unwrap().path().join("expected.txt")).unwrap();
        assert!(!expected.contains("not-to-be-shown"));
    }
}
