//! What an error may do: a broken application is held at its last good files and the others are written; after an error that leaves open
//! which application is where, nothing is written at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const REPO: &str = "https://git.example.com/platform/fleet.git";

struct Fleet {
    _scratch: tempfile::TempDir,
    dir: PathBuf,
}

impl Fleet {
    /// Two applications with an overlay each, on three clusters.
    fn new() -> Fleet {
        let scratch = tempfile::tempdir().unwrap();
        let fleet = Fleet { dir: scratch.path().join("fleet"), _scratch: scratch };
        for cluster in ["a", "b", "c"] {
            fleet.write(
                &format!("clusters/{cluster}.yaml"),
                &format!(
                    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {cluster}\n  labels: {{argocd.argoproj.io/secret-type: cluster}}\nstringData:\n  name: {cluster}\n  server: https://{cluster}.example.com\n"
                ),
            );
        }
        for app in ["shop", "blog"] {
            fleet.write(&format!("apps/{app}/kustomization.yaml"), "resources: [config.yaml]\nnamespace: prod\n");
            fleet.write(
                &format!("apps/{app}/config.yaml"),
                &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {app}}}\ndata: {{key: value}}\n"),
            );
            fleet.write(
                &format!("appsets/{app}.yaml"),
                &format!(
                    "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: {app}, namespace: argocd}}\nspec:\n  goTemplate: true\n  generators:\n    - clusters: {{selector: {{matchLabels: {{argocd.argoproj.io/secret-type: cluster}}}}}}\n  template:\n    metadata: {{name: '{app}-{{{{.name}}}}'}}\n    spec:\n      project: default\n      source: {{repoURL: {REPO}, path: apps/{app}}}\n      destination: {{name: '{{{{.name}}}}', namespace: prod}}\n"
                ),
            );
        }
        fleet
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn run(&self, command: &str, more: &[&str]) -> Output {
        let map = format!("{REPO}=.");
        Command::new(env!("CARGO_BIN_EXE_fleetc"))
            .args([command, ".", "--repo", &map])
            .args(more)
            .env("FLEETC_OFFLINE", "1")
            .env("FLEETC_NO_CACHE", "1")
            .current_dir(&self.dir)
            .output()
            .unwrap()
    }

    fn build(&self, code: i32) -> String {
        let output = self.run("build", &[]);
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{shown}");
        shown
    }

    /// The files below `bundles` with their content.
    fn bundles(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut todo = vec![self.dir.join("bundles")];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    todo.push(entry.path());
                } else {
                    files.insert(entry.path(), fs::read(entry.path()).unwrap());
                }
            }
        }
        files
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.dir.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

#[test]
fn a_broken_overlay_holds_its_own_applications_only() {
    let fleet = Fleet::new();
    fleet.build(0);
    let good = fleet.text("bundles/a/apps/shop-a.yaml");
    fleet.write("apps/shop/kustomization.yaml", "resources: [no-such-file.yaml]\n");
    fleet.write("apps/blog/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: blog}\ndata: {key: new}\n");
    let shown = fleet.build(3);
    assert!(shown.contains("no-such-file.yaml"), "{shown}");
    for cluster in ["a", "b", "c"] {
        let held = fleet.text(&format!("bundles/{cluster}/apps/shop-{cluster}.yaml"));
        assert_eq!(held, good);
        assert!(fleet.text(&format!("bundles/{cluster}/apps/blog-{cluster}.yaml")).contains("key: new"));
        assert!(fleet.text(&format!("bundles/{cluster}/bundle.yaml")).contains("state: held"));
    }
    let check = fleet.run("check", &[]);
    let listed = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(3));
    assert!(listed.lines().filter(|line| line.starts_with("held")).count() == 3, "{listed}");
}

#[test]
fn what_never_rendered_is_absent() {
    let fleet = Fleet::new();
    fleet.write("apps/shop/kustomization.yaml", "resources: [no-such-file.yaml]\n");
    fleet.build(3);
    assert!(fleet.text("bundles/a/bundle.yaml").contains("state: absent"));
    assert!(!fleet.dir.join("bundles/a/apps/shop-a.yaml").exists());
    assert!(fleet.dir.join("bundles/a/apps/blog-a.yaml").exists());
}

#[test]
fn a_broken_definition_writes_nothing() {
    for (path, broken) in [
        (
            "clusters/b.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: b\n  labels: {argocd.argoproj.io/secret-type: cluster}\nstringData:\n  name: b\n",
        ),
        (
            "clusters/b.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {labels: {argocd.argoproj.io/secret-type: cluster}\n",
        ),
        (
            "appsets/shop.yaml",
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: shop}\nspec:\n  generators: [{lst: {}}]\n  template: {metadata: {name: x}, spec: {project: default}}\n",
        ),
        (
            "apps.yaml",
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: lost}\nspec:\n  project: default\n  source: {repoURL: https://git.example.com/platform/fleet.git, path: apps/shop}\n  destination: {name: no-such-cluster}\n",
        ),
    ] {
        let fleet = Fleet::new();
        fleet.build(0);
        let before = fleet.bundles();
        fleet.write(
            "apps/blog/config.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: blog}\ndata: {key: new}\n",
        );
        fleet.write(path, broken);
        let shown = fleet.build(3);
        assert!(shown.contains("nothing was written"), "{shown}");
        assert_eq!(before, fleet.bundles(), "{path}");
    }
}

#[test]
fn strict_writes_nothing_when_something_is_held() {
    let fleet = Fleet::new();
    fleet.build(0);
    let before = fleet.bundles();
    fleet.write("apps/shop/kustomization.yaml", "resources: [no-such-file.yaml]\n");
    fleet.write("apps/blog/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: blog}\ndata: {key: new}\n");
    assert_eq!(fleet.run("build", &["--strict"]).status.code(), Some(3));
    assert_eq!(before, fleet.bundles());
}

#[test]
fn keep_going_holds_what_a_failed_set_last_made() {
    let fleet = Fleet::new();
    fleet.build(0);
    let good = fleet.text("bundles/a/apps/shop-a.yaml");
    fleet.write(
        "appsets/shop.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: shop, namespace: argocd}\nspec:\n  goTemplate: true\n  goTemplateOptions: [missingkey=error]\n  generators: [{list: {elements: [{a: b}]}}]\n  template:\n    metadata: {name: '{{.nope}}'}\n    spec: {project: default, source: {repoURL: x, path: z}, destination: {name: a}}\n",
    );
    fleet.write("apps/blog/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: blog}\ndata: {key: new}\n");
    assert_eq!(fleet.run("build", &["--keep-going"]).status.code(), Some(3));
    assert_eq!(fleet.text("bundles/a/apps/shop-a.yaml"), good);
    assert!(fleet.text("bundles/a/apps/blog-a.yaml").contains("key: new"));
    assert!(fleet.text("bundles/a/bundle.yaml").contains("state: held"));
}

#[test]
fn what_is_gone_is_removed_and_foreign_files_stay() {
    let fleet = Fleet::new();
    fleet.build(0);
    fleet.write("bundles/a/apps/README.md", "mine");
    fs::remove_file(fleet.dir.join("appsets/shop.yaml")).unwrap();
    fleet.build(0);
    assert!(!fleet.dir.join("bundles/a/apps/shop-a.yaml").exists());
    assert!(fleet.dir.join("bundles/a/apps/blog-a.yaml").exists());
    assert_eq!(fleet.text("bundles/a/apps/README.md"), "mine");
    assert_eq!(fleet.run("check", &[]).status.code(), Some(0));
}

#[test]
fn check_sees_stale_and_edited_bundles() {
    let fleet = Fleet::new();
    assert_eq!(fleet.run("check", &[]).status.code(), Some(1));
    fleet.build(0);
    assert_eq!(fleet.run("check", &[]).status.code(), Some(0));
    let text = fleet.text("bundles/b/apps/shop-b.yaml");
    fleet.write("bundles/b/apps/shop-b.yaml", &text.replace("value", "edited"));
    let edited = fleet.run("check", &[]);
    assert_eq!(edited.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&edited.stdout).contains("apps/shop-b.yaml: edited by hand"));
    fleet.build(0);
    assert_eq!(fleet.text("bundles/b/apps/shop-b.yaml"), text);
    fs::remove_file(fleet.dir.join("bundles/bundles.lock")).unwrap();
    assert_eq!(fleet.run("check", &[]).status.code(), Some(1));
}

#[test]
fn secrets_do_not_appear_in_errors() {
    let fleet = Fleet::new();
    fleet.write(
        "clusters/b.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: b\n  labels: {argocd.argoproj.io/secret-type: cluster}\nstringData:\n  name: b\n  server: https://b.example.com\n  config: '{\"bearerToken\": \"hunter2\", broken'\n",
    );
    fleet.write(
        "apps/shop/kustomization.yaml",
        "secretGenerator:\n  - name: s\n    literals: [password=hunter2, password=hunter2]\n",
    );
    for command in ["build", "check", "expand"] {
        let output = fleet.run(command, &[]);
        let all = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&all).into_owned();
        assert!(!text.contains("hunter2"), "{command}: {text}");
    }
    assert!(Path::new(&fleet.dir).exists());
}

#[test]
fn the_output_folder_is_no_directory_of_the_fleet() {
    let fleet = Fleet::new();
    fleet.write(
        "appsets/all.yaml",
        &format!("apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: all, namespace: argocd}}\nspec:\n  goTemplate: true\n  generators: [{{git: {{repoURL: {REPO}, revision: HEAD, directories: [{{path: '*'}}, {{path: appsets, exclude: true}}, {{path: clusters, exclude: true}}, {{path: apps, exclude: true}}]}}}}]\n  template:\n    metadata: {{name: '{{{{.path.basename}}}}'}}\n    spec:\n      project: default\n      source: {{repoURL: {REPO}, path: '{{{{.path.path}}}}'}}\n      destination: {{name: a}}\n"),
    );
    fleet.write("extra/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra, namespace: x}\n");
    fleet.build(0);
    assert!(fleet.dir.join("bundles/a/apps/extra.yaml").exists());
    assert_eq!(fleet.run("check", &[]).status.code(), Some(0));
    fleet.build(0);
    assert!(!fleet.dir.join("bundles/a/apps/bundles.yaml").exists());
}
