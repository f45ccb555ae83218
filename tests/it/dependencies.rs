//! What we depend on: only licences that we may ship, and no crate twice without a reason. Advisories are not checked: their database
//! cannot be reached from where this runs.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Licences that may be shipped in a static binary under Apache-2.0.
const LICENCES: [&str; 11] = [
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "0BSD",
    "CC0-1.0",
    "MIT-0",
];

/// Crates that name a file instead of a licence, and what is in it.
const IN_A_FILE: [(&str, &str); 1] = [("libyaml-safer", "MIT")];

/// Crates that are shipped in several versions, each with the reason.
const TWICE: [(&str, &str); 11] = [
    ("hashbrown", "gix-hashtable is one release behind indexmap"),
    ("foldhash", "comes with the two hashbrowns"),
    ("base64", "kube and jsonschema are one release behind"),
    ("getrandom", "ring and jsonschema's hash map are behind tempfile"),
    ("tower-http", "reqwest is one release behind kube"),
    ("rand", "jrsonnet's explanations of errors choose colours with two of them; none is printed here"),
    ("rand_core", "comes with the two rands"),
    ("similar", "insta, the library for tests that jrsonnet's parser names, is one release behind"),
    ("serde-saphyr", "jrsonnet's std.parseYaml is behind kube"),
    ("bit-set", "jsonschema's fancy-regex is behind antlr4rust, the parser of cel"),
    ("bit-vec", "comes with the two bit-sets"),
];

/// What is built into the binary, as `name`, `version`, `licence`: build scripts and macros run only while compiling.
fn shipped(features: &[&str]) -> BTreeSet<(String, String, String)> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "-e",
            "normal,no-proc-macro",
            "--prefix",
            "none",
            "--format",
            "{p}|{l}",
        ])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let (package, licence) = line.trim_end_matches(" (*)").split_once('|')?;
            let mut words = package.split(' ');
            Some((words.next()?.to_owned(), words.next()?.to_owned(), licence.to_owned()))
        })
        .collect()
}

/// Whether an SPDX expression of `OR` and `AND` can be satisfied with our list. Exceptions (`WITH`) only widen a licence.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], " ").replace('/', " OR ");
    expression
        .split(" OR ")
        .any(|one| one.split(" AND ").all(|l| LICENCES.contains(&l.split(" WITH ").next().unwrap_or_default().trim())))
}

#[test]
fn licences_may_be_shipped() {
    let shipped = shipped(&[]);
    assert!(shipped.len() > 20, "cargo tree listed only {} packages", shipped.len());
    let in_a_file = |name: &str| IN_A_FILE.iter().any(|(known, licence)| *known == name && LICENCES.contains(licence));
    let wrong: Vec<_> = shipped.iter().filter(|(name, _, licence)| !allowed(licence) && !in_a_file(name)).collect();
    assert!(wrong.is_empty(), "licences that are not on the list: {wrong:?}");
}

#[test]
fn no_crate_is_shipped_twice() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, version, _) in shipped(&[]) {
        versions.entry(name).or_default().insert(version);
    }
    let twice: Vec<_> =
        versions.iter().filter(|(name, v)| v.len() > 1 && !TWICE.iter().any(|(known, _)| known == name)).collect();
    assert!(twice.is_empty(), "in several versions; unify, or list with a reason: {twice:?}");
}

#[test]
fn the_core_builds_without_effects() {
    // With default features off, nothing that talks to files, threads or terminals may be in the tree. jrsonnet's parser names the library of
    // its tests, insta, among what it needs; no line of it is called.
    let core = shipped(&["--no-default-features", "--prune", "insta"]);
    for banned in ["gix", "rayon", "clap", "tempfile", "walkdir", "indicatif", "tokio", "kube", "reqwest"] {
        assert!(!core.iter().any(|(name, _, _)| name == banned), "`{banned}` is in the core's tree");
    }
}
