//! Clear data of Secrets: what can be found out about it from what travels without it.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test makes its own folders")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fleetc::bundle::Index;
use fleetc::digest::Digest;

/// A fleet with one application, whose Secret has a PIN of four digits.
struct Fleet {
    scratch: tempfile::TempDir,
}

impl Fleet {
    fn new(yaml: &str, pin: &str) -> Fleet {
        let fleet = Fleet { scratch: tempfile::tempdir().unwrap() };
        let head = "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {name: shop}\nsecrets: allow\n";
        let repository = "repositories: [{url: https://git.example.com/fleet.git, path: .}]\n";
        fleet.write("fleet.yaml", &format!("{head}{repository}{yaml}"));
        fleet.write(
            "clusters/a.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  labels: {argocd.argoproj.io/secret-type: cluster}\nstringData: {name: a, \
             server: 'https://a.example.com'}\n",
        );
        fleet.write(
            "apps/web.yaml",
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web, namespace: argocd}\nspec:\n  project: default\n  source: \
             {repoURL: 'https://git.example.com/fleet.git', path: web}\n  destination: {name: a, namespace: shop}\n",
        );
        fleet.write("web/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: b}\n");
        fleet.write(
            "web/secret.yaml",
            &format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: web}}\nstringData: {{pin: '{pin}'}}\n"),
        );
        fleet
    }

    fn dir(&self) -> PathBuf {
        self.scratch.path().join("fleet")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn output(&self, arguments: &[&str], key: Option<&str>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetc"));
        command.args(arguments).current_dir(self.dir()).env("FLEETC_STORE", self.scratch.path().join("store"));
        command.env("HOME", self.scratch.path()).env_remove("FLEET_KEY");
        key.map(|key| command.env("FLEET_KEY", key));
        command.output().unwrap()
    }

    fn run(&self, arguments: &[&str], key: Option<&str>, code: i32) -> String {
        let output = self.output(arguments, key);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        text
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir().join(path)).unwrap()
    }

    /// What stands for the bundle in bundles.lock, and for the application in inventories, history and plans.
    fn told(&self) -> (String, String) {
        let lock = self.read("bundles/bundles.lock");
        let cluster = lock.lines().find_map(|line| line.strip_prefix("  a: ")).unwrap().to_owned();
        let index = Index::parse(&self.read("bundles/a/bundle.yaml")).unwrap();
        (cluster, index.applications[0].digest().to_string())
    }
}

const KEYED: &str = "digestKey: {environment: FLEET_KEY}\n";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Who has the bundle but not the value of the PIN tries all of them; true when a digest is what one of them gives.
fn can_be_guessed(folder: &Path, right: &str, told: &[&str]) -> bool {
    let manifest = fs::read_to_string(folder.join("a/apps/web.yaml")).unwrap();
    let index = fs::read_to_string(folder.join("a/bundle.yaml")).unwrap();
    assert!(manifest.contains(&format!("pin: \"{right}\"")), "{manifest}");
    let plain = Digest::of(manifest.as_bytes()).to_string();
    assert!(index.contains(&plain));
    (0..10_000).any(|pin| {
        let file = Digest::of(manifest.replace(right, &format!("{pin:04}")).as_bytes()).to_string();
        let bundle = Digest::of(index.replace(&plain, &file).as_bytes()).to_string();
        // An entry as it was digested before: its text, with the plain digest.
        let mut entry = Index::parse(&index.replace(&plain, &file)).unwrap().applications.remove(0);
        let shown = std::mem::take(&mut entry.shown);
        assert_eq!(shown.len(), 1);
        let entry = entry.digest().to_string();
        told.iter().any(|told| told.contains(&file) || told.contains(&bundle) || told.contains(&entry))
    })
}

#[test]
fn a_short_secret_cannot_be_guessed_from_what_travels() {
    for (yaml, key) in [("", None), (KEYED, Some(KEY))] {
        let fleet = Fleet::new(yaml, "4711");
        fleet.run(&["build", "."], key, 0);
        let bundles = fleet.dir().join("bundles");
        let (lock, entry) = fleet.told();
        assert!(!can_be_guessed(&bundles, "4711", &[&fleet.read("bundles/bundles.lock"), &entry]), "{lock} {entry}");
        // The same search finds it in bundle.yaml, which lies beside the Secret.
        assert!(can_be_guessed(&bundles, "4711", &[&fleet.read("bundles/a/bundle.yaml")]));
        // Nothing is stale, and the bundles can be used.
        fleet.run(&["check", "."], key, 0);
        fleet.run(&["diff", "bundles", "bundles"], key, 0);
    }
}

#[test]
fn with_a_key_a_changed_value_shows_and_without_one_only_in_the_bundles() {
    let told = |yaml: &str, pin: &str, key| {
        let fleet = Fleet::new(yaml, pin);
        fleet.run(&["build", "."], key, 0);
        fleet.told()
    };
    // Two machines: the same.
    assert_eq!(told("", "4711", None), told("", "4712", None));
    assert_eq!(told(KEYED, "4711", Some(KEY)), told(KEYED, "4711", Some(KEY)));
    let (keyed, other) = (told(KEYED, "4711", Some(KEY)), told(KEYED, "4712", Some(KEY)));
    assert!(keyed.0 != other.0 && keyed.1 != other.1);
    assert_ne!(keyed, told(KEYED, "4711", Some("another key of 24 bytes.")));
    // Bundles that lie there are compared with what the fleet says now.
    let fleet = Fleet::new("", "4711");
    fleet.run(&["build", "."], None, 0);
    fleet.write("web/secret.yaml", &fleet.read("web/secret.yaml").replace("4711", "4712"));
    let said = fleet.run(&["check", "."], None, 1);
    assert!(said.contains("changed  a web") && !said.contains("471"), "{said}");
}

#[test]
fn the_rest_of_a_file_with_secrets_is_held_by_the_lock() {
    let fleet = Fleet::new("", "4711");
    fleet.run(&["build", "."], None, 0);
    let (manifest, index) = (fleet.read("bundles/a/apps/web.yaml"), fleet.read("bundles/a/bundle.yaml"));
    // Somebody changes a file, and its digest in bundle.yaml with it.
    let other = manifest.replace("a: b", "a: c");
    assert_ne!(other, manifest);
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    fleet.write("bundles/a/apps/web.yaml", &other);
    fleet.write("bundles/a/bundle.yaml", &index.replace(&digest(&manifest), &digest(&other)));
    let said = fleet.run(&["diff", "bundles", "bundles"], None, 3);
    assert!(said.contains("a/apps/web.yaml` is not what bundles.lock says"), "{said}");
}

#[test]
fn a_key_that_is_named_must_be_there() {
    let fleet = Fleet::new(KEYED, "4711");
    let said = fleet.run(&["build", "."], None, 2);
    assert!(said.contains("the variable FLEET_KEY is not set"), "{said}");
    let said = fleet.run(&["build", "."], Some("short-4711"), 2);
    assert!(
        said.contains("in the variable FLEET_KEY: a key has at least 16 bytes") && !said.contains("4711"),
        "{said}"
    );
    assert!(!fleet.dir().join("bundles").exists());
    let fleet = Fleet::new("digestKey: {file: ../key}\n", "4711");
    let said = fleet.run(&["build", "."], None, 2);
    assert!(said.contains("the file `../key` cannot be read"), "{said}");
    fs::write(fleet.scratch.path().join("key"), format!("{KEY}\n")).unwrap();
    fleet.run(&["build", "."], None, 0);
    let from_file = fleet.told();
    let fleet = Fleet::new(KEYED, "4711");
    fleet.run(&["build", "."], Some(KEY), 0);
    assert_eq!(fleet.told(), from_file);
    let fleet = Fleet::new("digestKey: {}\n", "4711");
    let said = fleet.run(&["build", "."], None, 3);
    assert!(said.contains("this does not say where the key is"), "{said}");
}
