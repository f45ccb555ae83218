//! What shells, `man` and editors are given: completions that a shell can read and complete by, pages that groff sets without a complaint,
//! the schemas. Where a shell or groff is not installed, its part is left out.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn fleetc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fleetc")).args(arguments).output().unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = fleetc(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

#[test]
fn completions_are_what_their_shells_read() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, check) in
        [("bash", Some("-n")), ("zsh", Some("-n")), ("fish", Some("-n")), ("elvish", None), ("powershell", None)]
    {
        let text = printed(&["completions", shell]);
        for word in ["adopt", "bundles", "management-context"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
        let file = folder.path().join(shell);
        fs::write(&file, text).unwrap();
        let Some(check) = check.filter(|_| is_installed(shell)) else { continue };
        let output = Command::new(shell).arg(check).arg(&file).output().unwrap();
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    }
    if is_installed("bash") {
        let answers = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let script = format!(
                "source '{}'; COMP_WORDS=({line}''); COMP_CWORD={}; _fleetc fleetc '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
                folder.path().join("bash").display(),
                words.len() - 1,
                words[words.len() - 1],
                words[words.len() - 2]
            );
            let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(answers("fleetc ver"), "verify\n");
        assert!(answers("fleetc cluster ").contains("doctor"));
        assert_eq!(answers("fleetc build --format sa"), "sarif\n");
        assert_eq!(answers("fleetc plan --management-c"), "--management-context\n");
    }
}

#[test]
fn a_shell_that_nobody_knows_is_refused() {
    let output = fleetc(&["completions", "bsh"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a similar value exists: 'bash'"));
    let unknown =
        Command::new(env!("CARGO_BIN_EXE_fleetc")).arg("completions").env("SHELL", "/bin/tcl").output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    let known =
        Command::new(env!("CARGO_BIN_EXE_fleetc")).arg("completions").env("SHELL", "/bin/zsh").output().unwrap();
    assert!(String::from_utf8_lossy(&known.stdout).starts_with("#compdef fleetc"));
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("man1");
    printed(&["man", "--dir", dir.to_str().unwrap()]);
    let mut names: Vec<String> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for name in ["fleetc.1", "fleetc-build.1", "fleetc-cluster.1", "fleetc-cluster-add.1", "fleetc-store-gc.1"] {
        assert!(names.iter().any(|known| known == name), "{name} is not among {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
    for name in &names {
        set(&dir.join(name));
    }
    assert_eq!(printed(&["man", "cluster", "add"]), fs::read_to_string(dir.join("fleetc-cluster-add.1")).unwrap());
    assert!(printed(&["man", "diff"]).contains("exit\\-code"));
    let output = fleetc(&["man", "cluster", "ad"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("`fleetc-cluster` has no command `ad`") && said.contains("add, "), "{said}");
}

/// A page has its parts, and groff says nothing of it.
fn set(page: &Path) {
    let text = fs::read_to_string(page).unwrap();
    for part in [".TH fleetc", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
        assert!(text.contains(part), "{}: no {part}", page.display());
    }
    if is_installed("groff") {
        let output = Command::new("groff").args(["-Kutf8", "-man", "-Tutf8", "-ww", "-z"]).arg(page).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{}: {said}", page.display());
    }
}

#[test]
fn every_schema_is_printed_and_names_its_dialect() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(format) = name.strip_suffix(".schema.json") else { continue };
        let printed = printed(&["schema", format]);
        assert_eq!(printed, fs::read_to_string(&path).unwrap());
        let schema: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        jsonschema::validator_for(&schema).unwrap();
        names.push(name);
    }
    assert!(names.len() >= 8, "{names:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/fleet.json");
    printed(&["schema", "-o", file.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(file).unwrap(), printed(&["schema"]));
}
