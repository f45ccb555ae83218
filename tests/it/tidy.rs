//! House rules as code: layers, headers, sizes, names, forgotten fixtures.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom. Vocabulary may be used by all and uses only vocabulary (and `yaml` where it carries nodes).
const VOCABULARY: [&str; 10] =
    ["application", "cluster", "diag", "digest", "path", "question", "rule", "source", "span", "world"];
const LAYERS: &[(&str, &[&str])] = &[
    ("yaml", &[]),
    ("template", &["yaml"]),
    ("jsonnet", &["yaml"]),
    ("k8s", &["yaml"]),
    ("sops", &["yaml", "k8s"]),
    ("argo", &["yaml", "template"]),
    ("validate", &["yaml", "template", "k8s"]),
    ("expression", &["yaml", "template", "k8s", "validate"]),
    ("danger", &["yaml", "k8s"]),
    (
        "lint",
        &[
            "yaml",
            "template",
            "k8s",
            "sops",
            "validate",
            "expression",
            "danger",
            "read",
            "resolve",
            "render",
            "bundle",
            "compile",
        ],
    ),
    ("memory_world", &[]),
    ("project", &["yaml", "template", "k8s"]),
    ("rollout", &["yaml", "template", "k8s", "api", "report"]),
    ("read", &["yaml", "argo", "k8s", "project", "rollout"]),
    ("expand", &["yaml", "template", "argo", "k8s", "read", "rollout"]),
    ("resolve", &["yaml", "argo", "read", "expand", "project"]),
    ("render", &["yaml", "template", "jsonnet", "k8s", "resolve"]),
    ("bundle", &["yaml", "k8s", "read", "expand", "resolve", "render", "lock", "project", "rollout"]),
    ("lock", &["yaml"]),
    ("check", &["bundle", "lock"]),
    ("api", &["yaml", "k8s"]),
    ("machine", &["api"]),
    ("discovery", &["yaml", "k8s", "api", "machine"]),
    ("import", &["yaml", "k8s", "api", "machine", "plan"]),
    ("inventory", &["yaml", "k8s"]),
    ("report", &["yaml", "k8s"]),
    ("diff", &["yaml", "k8s", "bundle", "danger", "report"]),
    ("memory_cluster", &["yaml", "k8s", "api", "machine"]),
    (
        "plan",
        &[
            "yaml",
            "k8s",
            "danger",
            "api",
            "machine",
            "discovery",
            "inventory",
            "bundle",
            "project",
            "report",
            "rollout",
        ],
    ),
    ("apply", &["yaml", "k8s", "api", "machine", "inventory", "bundle", "project", "plan"]),
    ("rbac", &["yaml", "k8s"]),
    ("join", &["yaml", "k8s", "api", "machine", "discovery", "inventory", "plan"]),
    ("publish", &["yaml", "k8s", "sops", "bundle", "lock", "report"]),
    ("promote", &["compile", "expand", "read", "resolve", "render", "report", "yaml", "k8s"]),
    ("explain", &["compile", "expand", "read", "resolve", "render", "bundle", "yaml", "k8s"]),
    ("page", &["yaml", "k8s", "bundle", "compile", "diff", "explain", "plan", "read", "render", "report", "resolve"]),
    ("compile", &["read", "expand", "resolve", "render", "bundle", "lock", "argo", "yaml", "k8s"]),
    (
        "host",
        &[
            "compile",
            "resolve",
            "render",
            "bundle",
            "lock",
            "yaml",
            "template",
            "k8s",
            "api",
            "machine",
            "inventory",
            "plan",
            "apply",
            "join",
            "publish",
            "template",
        ],
    ),
    ("lib", &[]),
    ("main", &[]),
];

/// Files over the limit, each with a reason.
const LONG: [(&str, &str); 0] = [];
const MAX_LINES: usize = 800;

fn sources(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn module_of(file: &Path) -> String {
    let below = file.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules that a file names with `crate::x` (outside comments).
fn uses(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for part in code.split("crate::").skip(1) {
            let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                found.push((number + 1, name));
            }
        }
    }
    found
}

#[test]
fn layers_hold() {
    let table: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in sources(&root().join("src"), ".rs") {
        let module = module_of(&file);
        if module == "cli" || module == "main" || module == "lib" {
            continue;
        }
        let is_vocabulary = VOCABULARY.contains(&module.as_str());
        if !is_vocabulary && !table.contains_key(module.as_str()) {
            wrong.push(format!("{}: module `{module}` is not in the layer table", file.display()));
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for (line, used) in uses(&text) {
            let allowed = used == module
                || VOCABULARY.contains(&used.as_str())
                || (is_vocabulary && used == "yaml")
                || table.get(module.as_str()).is_some_and(|may| may.contains(&used.as_str()))
                || (file.ends_with("tests.rs") && ["memory_world", "memory_cluster"].contains(&used.as_str()));
            if !allowed {
                wrong.push(format!("{}:{line}: `{module}` may not use `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_have_headers_and_are_small() {
    let mut wrong = Vec::new();
    for dir in ["src", "tests", "benches"] {
        for file in sources(&root().join(dir), ".rs") {
            let text = fs::read_to_string(&file).unwrap();
            if !text.starts_with("//!") {
                wrong.push(format!("{}: starts without a `//!` header", file.display()));
            }
            let lines = text.lines().count();
            let name = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            if lines > MAX_LINES && !LONG.iter().any(|(long, _)| *long == name) {
                wrong.push(format!(
                    "{name}: {lines} lines, the limit is {MAX_LINES}; split it, or list it with a reason"
                ));
            }
            let stem = file.file_stem().unwrap().to_string_lossy();
            if ["util", "utils", "common", "core", "helpers", "misc", "types"].contains(&&*stem) {
                wrong.push(format!("{name}: a vague name; name what it holds"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn printing_is_the_business_of_the_command_line() {
    let mut wrong = Vec::new();
    for file in sources(&root().join("src"), ".rs") {
        let is_test = file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs");
        if is_test || ["cli", "main"].contains(&module_of(&file).as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for banned in ["println!(", "print!(", "dbg!("] {
            if text.lines().any(|line| line.split("//").next().unwrap_or_default().contains(banned)) {
                wrong.push(format!("{}: uses {banned}…)", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fixture_folder_is_a_case() {
    let mut wrong = Vec::new();
    for file in sources(&root().join("fixtures"), "") {
        if file.components().any(|part| part.as_os_str() == "input")
            && let Some(case) =
                file.ancestors().find(|a| a.file_name().is_some_and(|n| n == "input")).and_then(Path::parent)
        {
            let has_expected = fs::read_dir(case)
                .unwrap()
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with("expected"));
            if !has_expected {
                wrong.push(format!("{}: has input/ but nothing expected", case.display()));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_top_level_holds_what_it_should() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "action.yml",
        "benches",
        "build.rs",
        "docs",
        "examples",
        "fixtures",
        "fuzz",
        "release",
        "schema",
        "src",
        "tests",
        "target",
    ];
    let mut wrong: Vec<String> = fs::read_dir(root())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !allowed.contains(&name.as_str()))
        .collect();
    wrong.sort();
    assert!(wrong.is_empty(), "unexpected at the top level: {wrong:?}");
}
