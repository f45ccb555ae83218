//! The ApplicationSet cases of `../shared/conformance` through the library, for engines 3.2 and 3.5; skipped where the folder is missing.
//!
//! A case holds `input/` and either `expected.yaml` (what Argo CD's own code generates, with `expected-3.5.yaml` beside it where 3.5 answers
//! otherwise) or `expected-error`. Compared as the cases' own runner does: by value, without what is empty.

#![expect(clippy::disallowed_methods, reason = "the cases are files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fleetc::diag::Diagnostics;
use fleetc::memory_world::MemoryWorld;
use fleetc::yaml::{self, Dialect, Limits, Map, Node, View};
use fleetc::{expand, read};

const REPOSITORY: &str = "https://git.example.com/r.git";

#[test]
fn cases_are_answered_as_argo_cd_does() {
    // Beside the package, or above the folder of its worktrees.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["../shared/conformance/appset", "../../shared/conformance/appset"];
    let cases = places.iter().map(|place| folders(&package.join(place))).find(|cases| !cases.is_empty());
    let Some(cases) = cases else {
        println!("skipped: {} is not here", places[0]);
        return;
    };
    let mut wrong = Vec::new();
    for engine in [(3, 2), (3, 5)] {
        let (mut equal, mut refused, mut right) = ((0, 0), (0, 0), 0);
        for case in &cases {
            let outcome = check(case, engine);
            let count = if case.join("expected-error").exists() { &mut refused } else { &mut equal };
            count.1 += 1;
            count.0 += usize::from(outcome.is_ok());
            right += usize::from(outcome.is_ok());
            wrong.extend(outcome.err().map(|why| format!("{} ({engine:?}): {why}", case.display())));
        }
        println!(
            "appset {engine:?}: {}/{} equal, {}/{} refused, {right} right",
            equal.0, equal.1, refused.0, refused.1
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.join("input").is_dir()).collect();
    found.sort();
    found
}

fn check(case: &Path, engine: (u32, u32)) -> Result<(), String> {
    let (documents, diagnostics) = applications(&case.join("input"), engine);
    let errors: Vec<&str> = diagnostics.iter().filter(|d| d.is_error()).map(|d| d.message.as_str()).collect();
    if case.join("expected-error").exists() {
        return if errors.is_empty() { Err("was not refused".to_owned()) } else { Ok(()) };
    }
    if !errors.is_empty() {
        return Err(format!("refused: {}", errors.join("; ")));
    }
    let newer = case.join(format!("expected-{}.{}.yaml", engine.0, engine.1));
    let path = if newer.exists() { newer } else { case.join("expected.yaml") };
    let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let parsed = yaml::parse(fleetc::span::FileId::NONE, &text, Dialect::V3, &Limits::default());
    let mut want: Vec<String> = parsed.documents.iter().filter(|d| !d.root.is_null()).map(|d| shown(&d.root)).collect();
    let mut got: Vec<String> = documents.iter().map(shown).collect();
    want.sort();
    got.sort();
    if want == got { Ok(()) } else { Err(format!("want\n{}\ngot\n{}", want.join("---\n"), got.join("---\n"))) }
}

/// The Applications that a folder stands for.
fn applications(dir: &Path, engine: (u32, u32)) -> (Vec<Node>, Diagnostics) {
    let mut files = BTreeMap::new();
    collect(dir, "", &mut files);
    let mut world = MemoryWorld::new();
    let root = world
        .add_tree("", files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())))
        .expect("paths are relative");
    world.answer(REPOSITORY, "HEAD", &root, "", true);
    let engines = read::EngineChoice { argocd: Some(engine), ..read::EngineChoice::default() };
    let options = read::ReadOptions { engines, ..read::ReadOptions::default() };
    let survey = read::survey(&world, &root, &options);
    let mut diagnostics = survey.diagnostics;
    let fleet = read::fleet(survey.value, Vec::new());
    diagnostics.extend(fleet.diagnostics);
    let fleet = fleet.value;
    let expanded = expand::expand(&fleet, &fleet.applications, &fleet.application_sets, &world);
    diagnostics.extend(expanded.diagnostics);
    (expanded.value.units.iter().map(|unit| unit.application.manifest.clone()).collect(), diagnostics)
}

fn collect(dir: &Path, below: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).expect("a folder of a case").flatten() {
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read(entry.path()).expect("a file of a case"));
        }
    }
}

/// `metadata` and `spec` without what is empty; but an empty mapping in `spec` means something, save for the destination.
fn shown(document: &Node) -> String {
    let mut out = Map::new();
    for field in ["metadata", "spec"] {
        if let Some(value) = document.get(field) {
            out.insert(field, clean(value, field == "spec"));
        }
    }
    yaml::emit::to_yaml(&Node::map(out))
}

fn clean(node: &Node, keeps_empty: bool) -> Node {
    match node.view() {
        View::Scalar(..) => node.clone(),
        View::Seq(items) => Node::seq(items.iter().map(|item| clean(item, true)).collect()),
        View::Map(map) => {
            let mut out = Map::new();
            for (key, value) in map.iter() {
                let name = key.text().unwrap_or_default();
                let keeps = keeps_empty && !["metadata", "labels", "annotations", "destination"].contains(&name);
                let value = clean(value, keeps);
                let empty = match value.view() {
                    View::Scalar(tag, text) => tag == yaml::Tag::Null || text.is_empty(),
                    View::Seq(items) => items.is_empty(),
                    View::Map(map) => map.is_empty() && !keeps,
                };
                if !empty {
                    out.insert(name, value);
                }
            }
            Node::map(out)
        }
    }
}
