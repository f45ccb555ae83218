//! Git sources from end to end: what the command line makes of a server that this test starts, pinned, offline, moved, and killed on the way.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test makes its own folders and serves them")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::git_server::{Manner, Origin, Server};

const CLUSTER: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  labels: {argocd.argoproj.io/secret-type: cluster}\n\
                       stringData:\n  name: a\n  server: https://a.example.com\n";

/// A fleet of one application, and the store that its sources are in.
struct Fleet {
    scratch: tempfile::TempDir,
}

impl Fleet {
    fn new(source: &str) -> Self {
        let fleet = Fleet { scratch: tempfile::tempdir().unwrap() };
        fleet.write("clusters/a.yaml", CLUSTER);
        fleet.write(
            "apps/web.yaml",
            &format!(
                "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: web, namespace: argocd}}\nspec:\n  \
                 project: default\n  source: {source}\n  destination: {{name: a, namespace: web}}\n"
            ),
        );
        fleet
    }

    fn dir(&self) -> PathBuf {
        self.scratch.path().join("fleet")
    }

    fn store(&self) -> PathBuf {
        self.scratch.path().join("store")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetc"));
        command.args(arguments).current_dir(self.dir()).env("FLEETC_STORE", self.store());
        command.env("HOME", self.scratch.path()).env_remove("FLEETC_OFFLINE").env("no_proxy", "127.0.0.1");
        command
    }

    fn run(&self, arguments: &[&str], code: i32) -> Output {
        let output = self.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.dir().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// What was built.
    fn bundles(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        files(&self.dir().join("bundles"))
    }
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => todo.push(entry.path()),
                false => drop(found.insert(entry.path(), fs::read(entry.path()).unwrap())),
            }
        }
    }
    found
}

fn config(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: {value}}}\n")
}

#[test]
fn a_repository_is_pinned_and_moves_only_when_told() {
    let origins = tempfile::tempdir().unwrap();
    let app = Origin::new(origins.path(), "app");
    let first = app.commit("web/config.yaml", &config("web", "first"));
    app.git(&["tag", "web/1.0.0"]);
    let server = Server::start(origins.path(), Manner::default());
    let source = format!("{{repoURL: {}, path: web, tagPrefix: web/, targetRevision: 1.x}}", server.url("app/.git"));
    let fleet = Fleet::new(&source);
    fleet.run(&["build", "."], 0);
    let built = fleet.bundles();
    assert!(fleet.text("fleet.lock").contains(&first));
    assert!(fleet.text("bundles/a/apps/web.yaml").contains("first"));
    // Another commit for the same constraint: nothing moves by itself, and without a network nothing is missing.
    let second = app.commit("web/config.yaml", &config("web", "second"));
    app.git(&["tag", "web/1.1.0"]);
    fleet.run(&["build", ".", "--locked"], 0);
    let asked = server.requests();
    fleet.run(&["build", ".", "--frozen"], 0);
    fleet.run(&["check", ".", "--frozen"], 0);
    assert_eq!(server.requests(), asked);
    assert_eq!(fleet.bundles(), built);
    // Another machine, with an empty store, gets the same bytes from the same lock.
    let other = Fleet::new(&source);
    other.write("fleet.lock", &fleet.text("fleet.lock"));
    other.run(&["build", ".", "--locked"], 0);
    let contents = |fleet: &Fleet| fleet.bundles().into_values().collect::<Vec<_>>();
    assert_eq!(contents(&other), contents(&fleet));
    let told = fleet.run(&["update"], 0);
    assert!(fleet.text("fleet.lock").contains(&second), "{}", String::from_utf8_lossy(&told.stdout));
    fleet.run(&["build", "."], 0);
    assert!(fleet.text("bundles/a/apps/web.yaml").contains("second"));
}

#[test]
fn many_applications_of_a_repository_are_one_fetch_a_revision() {
    let origins = tempfile::tempdir().unwrap();
    let app = Origin::new(origins.path(), "app");
    for n in 0..20 {
        app.commit(&format!("app{n}/config.yaml"), &config(&format!("c{n}"), "x"));
    }
    app.git(&["branch", "old", "HEAD~1"]);
    let server = Server::start(origins.path(), Manner::default());
    let url = server.url("app/.git");
    let fleet = Fleet::new(&format!("{{repoURL: {url}, path: app0}}"));
    for n in 1..20 {
        let revision = if n % 3 == 0 { "old" } else { "main" };
        let path = n - usize::from(n == 19);
        fleet.write(
            &format!("apps/app{n}.yaml"),
            &format!(
                "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: app{n}, namespace: argocd}}\nspec:\n  \
                 project: default\n  source: {{repoURL: {url}, path: app{path}, targetRevision: {revision}}}\n  \
                 destination: {{name: a, namespace: app{n}}}\n"
            ),
        );
    }
    fleet.run(&["build", "."], 0);
    // HEAD and main are one commit: one list of references, two packs.
    assert_eq!(server.posts(), 3);
    assert_eq!(fleet.text("fleet.lock").matches("commit:").count(), 3);
}

#[test]
fn remote_bases_of_kustomize_are_fetched_and_pinned() {
    let origins = tempfile::tempdir().unwrap();
    let lib = Origin::new(origins.path(), "lib");
    lib.commit("base/config.yaml", &config("base", "one"));
    let tagged = lib.commit("base/kustomization.yaml", "resources: [config.yaml]\n");
    lib.git(&["tag", "v1"]);
    lib.commit("base/config.yaml", &config("base", "two"));
    let app = Origin::new(origins.path(), "app");
    let server = Server::start(origins.path(), Manner::default());
    let base = format!("{}//base?ref=v1&timeout=60s&submodules=false", server.url("lib/.git"));
    app.commit("web/kustomization.yaml", &format!("namePrefix: my-\nresources: ['{base}']\n"));
    let fleet = Fleet::new(&format!("{{repoURL: {}, path: web}}", server.url("app/.git")));
    fleet.run(&["build", "."], 0);
    let built = fleet.text("bundles/a/apps/web.yaml");
    assert!(built.contains("name: my-base") && built.contains("value: one"), "{built}");
    assert!(fleet.text("fleet.lock").contains(&tagged));
    fleet.run(&["check", ".", "--frozen"], 0);
}

#[test]
fn what_cannot_be_had_says_why() {
    let origins = tempfile::tempdir().unwrap();
    Origin::new(origins.path(), "app").commit("web/config.yaml", &config("web", "first"));
    let server = Server::start(origins.path(), Manner { login: Some("bWU6c2VjcmV0".to_owned()), ..Manner::default() });
    let url = server.url("app/.git");
    let fleet = Fleet::new(&format!("{{repoURL: {url}, path: web}}"));
    let output = fleet.run(&["build", "."], 4);
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(shown.contains("401") && shown.contains("apps/web.yaml"), "{shown}");
    // The Secret that Argo CD would have.
    fleet.write(
        "repositories/app.yaml",
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: app\n  labels: {{argocd.argoproj.io/secret-type: repository}}\n\
             stringData: {{url: '{url}', username: me, password: secret}}\n"
        ),
    );
    let output = fleet.run(&["build", "."], 0);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("secret"));
    assert!(!fleet.text("fleet.lock").contains("secret"));
}

#[test]
fn a_repository_may_be_taken_without_its_submodules() {
    let origins = tempfile::tempdir().unwrap();
    Origin::new(origins.path(), "lib").commit("part.yaml", &config("part", "one"));
    let app = Origin::new(origins.path(), "app");
    app.git(&["submodule", "--quiet", "add", "../lib/.git", "lib"]);
    app.git(&["config", "-f", ".gitmodules", "submodule.lib.url", "../../gone/.git"]);
    app.commit("web/config.yaml", &config("web", "first"));
    let server = Server::start(origins.path(), Manner::default());
    let url = server.url("app/.git");
    let fleet = Fleet::new(&format!("{{repoURL: {url}, path: web}}"));
    let output = fleet.run(&["build", "."], 4);
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(shown.contains("submodule `lib`") && shown.contains("submodules: false"), "{shown}");
    fleet.write(
        "fleet.yaml",
        &format!("apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nrepositories: [{{url: {url}, submodules: false}}]\n"),
    );
    fleet.run(&["build", "."], 0);
    assert!(fleet.text("bundles/a/apps/web.yaml").contains("first"));
}

/// How often fleetc is killed; `FLEETC_KILLS` for more.
fn kills() -> u32 {
    std::env::var("FLEETC_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(12)
}

#[test]
fn killed_while_fetching_the_next_run_ends_well() {
    let origins = tempfile::tempdir().unwrap();
    let lib = Origin::new(origins.path(), "lib");
    lib.commit("part.yaml", &config("part", "one"));
    let app = Origin::new(origins.path(), "app");
    let filler: String = (0..40_000_u64).map(|n| format!("{:x}\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    for n in 0..8 {
        fs::create_dir_all(app.path().join("filler")).unwrap();
        fs::write(app.path().join(format!("filler/{n}.txt")), format!("{n}\n{filler}")).unwrap();
    }
    app.git(&["submodule", "--quiet", "add", "../lib/.git", "web/lib"]);
    app.git(&["config", "-f", ".gitmodules", "submodule.web/lib.url", "../../lib/.git"]);
    app.commit("web/kustomization.yaml", "resources: [config.yaml, lib/part.yaml]\n");
    app.commit("web/config.yaml", &config("web", "first"));
    let server = Server::start(origins.path(), Manner::default());
    let fleet = Fleet::new(&format!("{{repoURL: {}, path: web}}", server.url("app/.git")));
    let begin = Instant::now();
    fleet.run(&["build", "."], 0);
    let whole = begin.elapsed();
    let built = fleet.bundles();
    assert!(fleet.text("bundles/a/apps/web.yaml").contains("name: part"));
    fs::remove_dir_all(fleet.store()).unwrap();
    let (mut killed, mut state) = (0, 0x2545_F491_4F6C_DD1D_u64);
    for _ in 0..kills() {
        // xorshift: the same moments in every run, as far as the machine goes along.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let after = whole.mul_f64((state % 1000) as f64 / 1000.0).max(Duration::from_millis(1));
        let mut child =
            fleet.command(&["build", ".", "--locked"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        let _ = child.kill();
        match child.wait().unwrap().code() {
            None => killed += 1,
            Some(code) => {
                assert_eq!(code, 0, "what a killed run left is in the way");
                fs::remove_dir_all(fleet.store()).unwrap();
            }
        }
    }
    assert!(killed * 4 >= kills(), "killed only {killed} times");
    fleet.run(&["build", ".", "--locked"], 0);
    assert_eq!(fleet.bundles(), built);
}
