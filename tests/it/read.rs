//! The cases of `fixtures/read` through the library, in memory: what a tree declares, what was taken, and every finding with its place.
//!
//! A case is a folder with `tree/` and `findings.txt` (`input/` instead of `tree/` where `tests/fixtures.rs` runs it through the binary too).
//! `UPDATE=1` rewrites the expectation. A `strict` file (empty) turns
//! strictness on; `url` holds the repoURL that the tree answers at HEAD.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use fleetc::cluster::Cluster;
use fleetc::diag::{Diagnostics, Severity};
use fleetc::memory_world::MemoryWorld;
use fleetc::read::{self, Fleet, ReadOptions, Survey};
use fleetc::span::SourceMap;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/read")
}

#[test]
fn cases() {
    let mut wrong = Vec::new();
    let mut number = 0;
    let mut names: Vec<PathBuf> = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for case in names.iter().filter(|path| tree(path).is_some()) {
        number += 1;
        let got = run(case);
        let file = case.join("findings.txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &got).unwrap();
        }
        let want = fs::read_to_string(&file).unwrap_or_default();
        if want != got {
            let difference = similar::TextDiff::from_lines(&want, &got).unified_diff().to_string();
            wrong.push(format!("{}:\n{difference}", case.display()));
        }
    }
    assert!(number > 0, "no cases in {}", fixtures().display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The committed schemas are those of the field tables, and every field has a description.
#[test]
fn schemas_are_current_and_describe_every_field() {
    for (name, schema) in [("fleet", read::json_schema()), ("facts", read::facts_json_schema())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{name}.schema.json"));
        let got = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &got).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), got, "run with UPDATE=1");
        assert_eq!(silent(&schema, name), [""; 0], "`.doc(…)` in src/read/configuration/table.rs says it");
    }
}

/// The fields without a description, with their path.
fn silent(schema: &serde_json::Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in schema.as_object().into_iter().flatten() {
        if key != "properties" {
            found.extend(silent(value, path));
            continue;
        }
        for (name, field) in value.as_object().unwrap() {
            let path = format!("{path}.{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                found.push(path.clone());
            }
            found.extend(silent(field, &path));
        }
    }
    if let Some(list) = schema.as_array() {
        found.extend(list.iter().flat_map(|item| silent(item, path)));
    }
    found
}

fn tree(case: &Path) -> Option<PathBuf> {
    ["tree", "input"].map(|name| case.join(name)).into_iter().find(|path| path.is_dir())
}

fn run(case: &Path) -> String {
    let mut files = Vec::new();
    collect(&tree(case).unwrap(), "", &mut files);
    let mut world = MemoryWorld::new();
    let root = world.add_tree("", files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))).unwrap();
    if let Ok(url) = fs::read_to_string(case.join("url")) {
        for revision in ["", "HEAD"] {
            world.answer(url.trim(), revision, &root, "", true);
        }
    }
    let options = ReadOptions { strict: case.join("strict").exists(), ..ReadOptions::default() };
    let surveyed = read::survey(&world, &root, &options);
    let mut found = surveyed.diagnostics;
    let mut out = survey_text(&surveyed.value);
    let fleet = read::fleet(surveyed.value, Vec::new());
    found.extend(fleet.diagnostics);
    found.settle(world.sources());
    out.push_str(&fleet_text(&fleet.value));
    out.push_str(&findings(&found, world.sources()));
    out
}

fn collect(folder: &Path, below: &str, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.path().is_dir() {
            collect(&entry.path(), &path, files);
        } else {
            files.push((path, fs::read(entry.path()).unwrap()));
        }
    }
}

fn survey_text(survey: &Survey) -> String {
    let mut out = String::new();
    for one in &survey.kustomizations {
        let only = if one.clusters_only { " (clusters only)" } else { "" };
        let _ = writeln!(out, "build {}{}{only}", instance(&one.instance), one.directory.path);
    }
    for one in &survey.skipped {
        let _ = writeln!(out, "skip {}: {}", one.path, one.reason);
    }
    out
}

fn fleet_text(fleet: &Fleet) -> String {
    let mut out = String::new();
    for taken in &fleet.taken {
        let _ = writeln!(out, "take {}: {}", taken.path, taken.objects.join(", "));
    }
    for one in fleet.instances.values().filter(|one| !one.name.is_empty() || one.namespace != "argocd") {
        let _ = writeln!(out, "instance {:?} namespace {} in-cluster {:?}", one.name, one.namespace, one.in_cluster);
    }
    for (name, one) in &fleet.instances {
        for (key, value) in &one.settings.data {
            let _ = writeln!(out, "setting {}{key} = {}", instance(name), value.value);
        }
    }
    for cluster in &fleet.clusters {
        out.push_str(&cluster_text(cluster));
    }
    for project in &fleet.projects {
        let _ = writeln!(out, "project {}{}", instance(&project.instance), project.name);
    }
    for application in &fleet.applications {
        let sources: Vec<String> = application
            .sources
            .iter()
            .map(|s| format!("{} {}{} @{}", s.repo_url, s.path, s.chart, s.target_revision))
            .collect();
        let destinations: Vec<String> = application
            .destinations
            .iter()
            .map(|d| format!("{}{}/{}{}", d.server, d.name, d.namespace, if d.overrides.is_some() { "*" } else { "" }))
            .collect();
        let (sources, destinations) = (sources.join("; "), destinations.join(", "));
        let _ = writeln!(out, "application {} [{}] {sources} -> {destinations}", application.key, application.project);
    }
    for set in &fleet.application_sets {
        let _ = writeln!(out, "set {}{}/{}", instance(&set.instance), set.namespace, set.name);
    }
    out
}

fn cluster_text(cluster: &Cluster) -> String {
    let labels: Vec<String> = cluster
        .labels
        .iter()
        .filter(|(key, _)| !key.ends_with("/secret-type"))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let mut out = format!("cluster {}{} {}", instance(&cluster.instance), cluster.name, cluster.server);
    let _ = write!(out, " {:?} [{}]", cluster.origin, labels.join(" "));
    if let Some(version) = &cluster.facts.kube_version {
        let _ = write!(out, " kube {version}");
    }
    for version in &cluster.facts.api_versions {
        let _ = write!(out, " +{version}");
    }
    for (kind, namespaced) in &cluster.facts.scopes {
        let _ = write!(out, " {kind}={}", if *namespaced { "namespaced" } else { "cluster" });
    }
    out + "\n"
}

fn instance(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!("{name}:") }
}

fn findings(found: &Diagnostics, sources: &SourceMap) -> String {
    let mut out = String::new();
    let place = |span| sources.locate(span).map_or_else(|| "-".to_owned(), |place| place.to_string());
    for one in found.iter() {
        let severity = if one.severity == Severity::Error { "error" } else { "warning" };
        let _ = writeln!(out, "{severity} {} {}: {}", place(one.span), one.code, one.message);
        for (span, text) in &one.labels {
            let _ = writeln!(out, "  at {}: {text}", place(*span));
        }
        for hint in &one.hints {
            let _ = writeln!(out, "  hint: {hint}");
        }
    }
    out
}
