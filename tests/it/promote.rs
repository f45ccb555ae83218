//! `fleetc promote` in git repositories: there and back on the examples with every comment and blank line kept, commits of just its files, how
//! long something has been there, and what is refused. Moves of each kind are in `fixtures/promote`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::examples::copy;
use crate::publish::git_at;

const FIRST: &str = "2020-01-01T00:00:00Z";

fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_fleetc"))
        .args(arguments)
        .current_dir(folder)
        .env("HOME", "/nonexistent")
        .env("FLEETC_STORE", folder.join(".git/fleetc"))
        .env("NO_COLOR", "1")
        .env("FLEETC_OFFLINE", "1")
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), text)
}

/// A copy of an example as a repository, with more in its fleet.yaml.
fn example(name: &str, fleet: &str) -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    copy(&from, scratch.path());
    let file = scratch.path().join("fleet.yaml");
    let text = fs::read_to_string(&file).unwrap_or_default();
    if !fleet.is_empty() {
        fs::write(&file, format!("{text}{fleet}")).unwrap();
    }
    git(scratch.path(), &["init", "-q", "-b", "main"]);
    commit(scratch.path(), FIRST);
    scratch
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    git_at(folder, arguments, FIRST)
}

fn commit(folder: &Path, when: &str) {
    git_at(folder, &["add", "-A"], when);
    git_at(folder, &["commit", "-q", "-m", "by hand", &format!("--date={when}")], when);
}

/// The files that are tracked.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let names = git(folder, &["ls-files"]);
    names.lines().map(|path| (path.to_owned(), fs::read_to_string(folder.join(path)).unwrap())).collect()
}

/// Comments and blank lines of all files, in their order.
fn trivia(files: &BTreeMap<String, String>) -> BTreeMap<&str, Vec<String>> {
    let of = |text: &str| {
        let lines = text.lines().filter(|line| line.trim().is_empty() || line.contains('#'));
        lines.map(|line| line.split_once('#').map_or_else(String::new, |(_, comment)| comment.to_owned())).collect()
    };
    files.iter().map(|(path, text)| (path.as_str(), of(text))).collect()
}

/// Examples with two environments: more for fleet.yaml, further arguments, the environments.
const EXAMPLES: [(&str, &str, &[&str], [&str; 2]); 3] = [
    ("overlays", "", &[], ["staging", "prod"]),
    ("base-and-overlays", "", &["--branch", "main"], ["staging", "production"]),
    (
        "app-of-apps",
        "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {name: apps}\nrepositories: [{url: https://git.example.com/platform/app-of-apps.git, path: .}]\n\
         environments: [{name: staging, clusters: [staging]}, {name: prod, clusters: [prod]}]\n",
        &[],
        ["staging", "prod"],
    ),
];

#[test]
fn versions_go_through_the_examples_and_back_with_every_comment_and_blank_line() {
    for (name, fleet, more, [from, to]) in EXAMPLES {
        let scratch = example(name, fleet);
        let folder = scratch.path();
        // Comments where an edit could lose them: on every line of the overlays, above and below.
        for (path, text) in files(folder) {
            if path.ends_with("kustomization.yaml") {
                let spiced: String = text.lines().map(|line| format!("{line} # {}\n\n# above\n", line.len())).collect();
                let spiced = spiced.replace("|- #", "|-\n# ");
                let literal = text.contains("|-");
                fs::write(folder.join(path), if literal { format!("# top\n\n{text}\n# end\n") } else { spiced })
                    .unwrap();
            }
        }
        commit(folder, FIRST);
        let before = files(folder);
        let (_, all) = run(folder, &[&["promote", from, to, "--format", "json"], more].concat());
        let there = run(folder, &[&["promote", from, to, "--write"], more].concat());
        assert_eq!(there.0, 0, "{name}: {}", there.1);
        let moved = files(folder);
        assert_eq!(trivia(&before), trivia(&moved), "{name}");
        let changed: Vec<&String> =
            before.iter().filter(|(path, text)| moved[*path] != **text).map(|(path, _)| path).collect();
        let said: serde_json::Value = serde_json::from_str(&all).unwrap_or_else(|_| panic!("{name}: {all}"));
        let foreseen: Vec<&str> =
            said["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
        assert_eq!(changed, foreseen, "{name}");
        // Nothing is left to move, and only lines with a value changed.
        let again = run(folder, &[&["promote", from, to, "--write", "--allow-dirty"], more].concat());
        assert!(
            again.0 == 0 && again.1.contains("0 to move") || again.1.contains("nothing differs"),
            "{name}: {}",
            again.1
        );
        for path in changed {
            let (old, new) = (&before[path], &moved[path]);
            assert_eq!(old.lines().count(), new.lines().count(), "{name} {path}");
        }
        git(folder, &["checkout", "-q", "."]);
        assert_eq!(files(folder), before, "{name}");
    }
}

#[test]
fn a_commit_holds_just_what_moved() {
    let scratch = example("overlays", "");
    let folder = scratch.path();
    fs::write(folder.join("staged.txt"), "staged\n").unwrap();
    git(folder, &["add", "staged.txt"]);
    fs::write(folder.join("apps/web/base/nginx.conf"), "changed\n").unwrap();
    fs::write(folder.join("untracked.txt"), "x\n").unwrap();
    let arguments = ["promote", "staging", "prod", "--app", "api", "--commit", "--author", "Ann <ann@example.com>"];
    let done = run(folder, &arguments);
    assert_eq!(done.0, 0, "{}", done.1);
    assert_eq!(
        git(folder, &["show", "--name-only", "--format=%an %ae %s", "HEAD"]),
        "Ann ann@example.com Promote api from staging to prod\n\napps/api/overlays/prod/kustomization.yaml"
    );
    let body = git(folder, &["log", "-1", "--format=%b"]);
    assert!(body.starts_with("- api: image registry.example.com/shop/api 2.7.0 → main\n\nPromoted-From: staging\nPromoted-To: prod\nSource-Commit: "), "{body}");
    assert_eq!(git(folder, &["status", "--porcelain"]), "M apps/web/base/nginx.conf\nA  staged.txt\n?? untracked.txt");
    assert_eq!(git(folder, &["fsck", "--strict"]), "");
    assert_eq!(git(folder, &["symbolic-ref", "HEAD"]), "refs/heads/main");
    assert_eq!(git(folder, &["rev-list", "--count", "HEAD"]), "2");
    // A file of its own folder that is new to the repository.
    let more = run(folder, &["promote", "prod", "staging", "--app", "web", "--key", "hpa.yaml", "--commit"]);
    assert_eq!(more.0, 0, "{}", more.1);
    assert_eq!(git(folder, &["show", "--name-only", "--format=", "HEAD"]), "apps/web/overlays/staging/hpa.yaml");
    assert!(!git(folder, &["status", "--porcelain"]).contains("hpa.yaml"));
}

#[test]
fn what_somebody_changed_is_not_written_over() {
    let scratch = example("overlays", "");
    let folder = scratch.path();
    let file = folder.join("apps/api/overlays/prod/kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}# mine\n")).unwrap();
    let arguments = ["promote", "staging", "prod", "--app", "api", "--write"];
    let (code, said) = run(folder, &arguments);
    assert!(code == 1 && said.contains("differs from their commit"), "{code} {said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{text}# mine\n"));
    let (code, said) = run(folder, &["promote", "staging", "prod", "--app", "api", "--commit", "--allow-dirty"]);
    assert!(code == 1 && said.contains("commit or stash"), "{code} {said}");
    let (code, said) = run(folder, &[&arguments[..], &["--allow-dirty"]].concat());
    assert_eq!(code, 0, "{said}");
    let after = fs::read_to_string(&file).unwrap();
    assert_eq!(after, format!("{text}# mine\n").replace("2.7.0", "main"));
    // A link stays one: what it leads to is edited.
    git(folder, &["checkout", "-q", "."]);
    let real = file.with_file_name("real.yaml");
    fs::rename(&file, &real).unwrap();
    std::os::unix::fs::symlink("real.yaml", &file).unwrap();
    commit(folder, FIRST);
    let (code, said) = run(folder, &arguments);
    assert_eq!(code, 0, "{said}");
    assert!(file.symlink_metadata().unwrap().file_type().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), text.replace("2.7.0", "main"));
}

#[test]
fn what_comes_must_have_been_there_for_some_time() {
    let policy = "environments:\n  - {name: staging, selector: {matchLabels: {environment: staging}}}\n  \
                  - {name: prod, selector: {matchLabels: {environment: prod}}, from: [staging], soak: 24h}\n";
    let scratch = example("overlays", policy);
    let folder = scratch.path();
    let (code, said) = run(folder, &["promote", "staging", "prod", "--exit-code"]);
    assert!(code == 1 && said.contains("2 to move"), "{said}");
    // Another line of the file is another matter; the value itself is new.
    let file = folder.join("apps/api/overlays/staging/kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let now = String::from_utf8(Command::new("date").arg("+%Y-%m-%dT%H:%M:%S%z").output().unwrap().stdout).unwrap();
    fs::write(&file, format!("# Staging.\n{text}")).unwrap();
    commit(folder, now.trim());
    let (_, said) = run(folder, &["promote", "staging", "prod"]);
    assert!(said.contains("2 to move"), "{said}");
    fs::write(&file, text.replace("newTag: main", "newTag: 2.8.0")).unwrap();
    let (_, said) = run(folder, &["promote", "staging", "prod"]);
    assert!(
        said.contains("1 to move")
            && said.contains("it is not committed, and prod wants that staging has had it for 24 h"),
        "{said}"
    );
    commit(folder, now.trim());
    let (_, said) = run(folder, &["promote", "staging", "prod"]);
    assert!(said.contains("1 to move") && said.contains("prod wants 24 h"), "{said}");
    let (code, said) = run(folder, &["promote", "staging", "prod", "--ignore-soak", "--write"]);
    assert!(code == 0 && said.contains("2.7.0 → 2.8.0"), "{said}");
}

#[test]
fn the_data_is_as_its_schema_says() {
    let scratch = example("overlays", "");
    let (code, text) =
        run(scratch.path(), &["promote", "staging", "prod", "--only", "images,values,overlays", "--format", "json"]);
    assert_eq!(code, 0, "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let schema = |name: &str| -> serde_json::Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name);
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    let mut own = schema("promote.schema.json");
    own["properties"]["diff"] = schema("diff.schema.json");
    let errors: Vec<String> =
        jsonschema::validator_for(&own).unwrap().iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(json["written"], false);
    assert!(json["diff"]["changes"].as_array().is_some_and(|changes| !changes.is_empty()));
}
