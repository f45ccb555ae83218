//! `fleetc init` by looking: what it writes makes builds of repositories that have no fleet.yaml, and where it cannot, it says why.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::examples::copy;

fn fleetc(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fleetc")).args(arguments).current_dir(folder).output().unwrap()
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = fleetc(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}:\n{said}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &said
}

/// An example as if nobody had written a fleet.yaml for it.
fn without_fleet_yaml(name: &str) -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let fleet = scratch.path().join("checkout");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name), &fleet);
    let _ = fs::remove_file(fleet.join("fleet.yaml"));
    (scratch, fleet)
}

#[test]
fn a_repository_that_is_a_fleet_builds_after_it() {
    let (_scratch, fleet) = without_fleet_yaml("overlays");
    let before = fleetc(&fleet, &["build", "--offline"]);
    assert_eq!(before.status.code(), Some(4));
    let said = succeeds(&fleet, &["init"]);
    assert!(said.contains("appsets/web.yaml: ApplicationSet"), "{said}");
    assert!(said.contains("overlays.git is taken to be this folder:"), "{said}");
    assert!(said.contains("`fleetc build` compiles 16 applications on 4 clusters"), "{said}");
    let text = fs::read_to_string(fleet.join("fleet.yaml")).unwrap();
    assert!(text.starts_with("# yaml-language-server: $schema=.fleetc/fleet.schema.json\n"), "{text}");
    let schema = fs::read_to_string(fleet.join(".fleetc/fleet.schema.json")).unwrap();
    assert!(schema.contains("fleet.yaml of fleetc"));
    succeeds(&fleet, &["build", "--offline"]);
    succeeds(&fleet, &["check", "--offline"]);
    // Once more: what is there stays.
    fs::write(fleet.join("fleet.yaml"), text.replace("name: checkout", "name: mine")).unwrap();
    let again = succeeds(&fleet, &["init"]);
    assert!(again.contains("there is a fleet.yaml, which stays as it is"), "{again}");
    assert!(fs::read_to_string(fleet.join("fleet.yaml")).unwrap().contains("name: mine"));
}

/// A fleet that was copied into a folder of another repository: its paths begin at that folder.
#[test]
fn a_folder_of_another_repository_may_be_a_fleet() {
    let scratch = tempfile::tempdir().unwrap();
    super::git::Repo::new(scratch.path());
    let fleet = scratch.path().join("examples/app-of-apps");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/app-of-apps"), &fleet);
    let said = succeeds(&fleet, &["init", "--name", "copied"]);
    assert!(said.contains("app-of-apps.git is taken to be this folder:"), "{said}");
    assert!(said.contains("`fleetc build` compiles 8 applications on 3 clusters\n"), "{said}");
    succeeds(&fleet, &["build", "--offline"]);
}

#[test]
fn a_trial_is_shown_and_not_written() {
    let (_scratch, fleet) = without_fleet_yaml("matrix");
    let said = succeeds(&fleet, &["init", "--dry-run", "--name", "try"]);
    assert!(said.contains("kind: Fleet") && said.contains("name: try") && said.contains("not written"), "{said}");
    assert!(!fleet.join("fleet.yaml").exists() && !fleet.join(".fleetc").exists());
    let data: serde_json::Value =
        serde_json::from_slice(&fleetc(&fleet, &["init", "--dry-run", "--format", "json"]).stdout).unwrap();
    assert_eq!(data["written"], false);
    assert!(data["taken"].as_array().unwrap().len() >= 3, "{data}");
    assert!(data["text"].as_str().unwrap().contains("kind: Fleet"));
}

#[test]
fn clusters_and_overlays_that_nothing_declares_are_proposed() {
    // Applications go to clusters by name and by server; a fleet.yaml declared them.
    let (_scratch, fleet) = without_fleet_yaml("servers");
    let said = succeeds(&fleet, &["init"]);
    assert!(said.contains("is declared nowhere"), "{said}");
    succeeds(&fleet, &["build", "--offline"]);

    // Two overlays hold the same ApplicationSets, whose generators look for clusters that are nowhere.
    let (_scratch, fleet) = without_fleet_yaml("base-and-overlays");
    let said = succeeds(&fleet, &["init"]);
    assert!(said.contains("argocd/overlays/staging is taken to be an Argo CD of its own, `staging`"), "{said}");
    let text = fs::read_to_string(fleet.join("fleet.yaml")).unwrap();
    assert!(text.contains("  - name: production\n    definitions: [argocd/overlays/production]\n"), "{text}");
    assert!(text.contains("# No cluster is declared here. What generators look for:\n"), "{text}");
    let output = fleetc(&fleet, &["build", "--offline", "--branch", "main"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
}

#[test]
fn what_is_no_fleet_is_told_how_to_become_one() {
    let (_scratch, fleet) = without_fleet_yaml("overlays");
    for folder in ["appsets", "clusters", "projects"] {
        fs::remove_dir_all(fleet.join(folder)).unwrap();
    }
    fs::write(
        fleet.join("release.yaml"),
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: a}\n",
    )
    .unwrap();
    let said = succeeds(&fleet, &["init"]);
    assert!(said.contains("no definitions of Argo CD were found"), "{said}");
    assert!(said.contains("kustomizations left out, no Application deploys them: apps/api/base"), "{said}");
    assert!(said.contains("1 file of Flux left out"), "{said}");
    assert!(said.contains("1 of 1 chart left out"), "{said}");
    let example = said.split("applications/first.yaml: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    assert!(example.contains("path: apps/api/overlays/dev"), "{example}");
    // The file that it shows works as it stands.
    fs::create_dir_all(fleet.join("applications")).unwrap();
    fs::write(fleet.join("applications/first.yaml"), example).unwrap();
    fs::remove_file(fleet.join("fleet.yaml")).unwrap();
    succeeds(&fleet, &["init"]);
    succeeds(&fleet, &["build", "--offline"]);
    assert!(fleet.join("bundles/in-cluster/bundle.yaml").exists());
}

#[test]
fn nothing_is_checked_where_nothing_compiles() {
    let scratch = tempfile::tempdir().unwrap();
    let output = fleetc(scratch.path(), &["lint"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        said.contains("nothing was checked: the errors above come first") && !said.contains("nothing found"),
        "{said}"
    );
}
