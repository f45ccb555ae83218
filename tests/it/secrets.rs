//! Clear data of Secrets: what can be found out about it from what travels without it; and Secrets that SOPS encrypted, which are opened
//! when they are applied, and made when they are published.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test makes its own folders")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fleetc::bundle::Index;
use fleetc::digest::Digest;

use crate::control_plane;
use crate::control_plane::fleet::Fleet as OnClusters;

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

const SOPS: &str = include_str!("../../src/sops/recorded/two-recipients.yaml");
const KEYS: &str = include_str!("../../src/sops/recorded/key2.txt");

#[test]
fn what_sops_encrypted_is_opened_when_it_is_applied_and_nowhere_else() {
    let Some(plane) = control_plane::cluster() else { return };
    let space = "e2e-sops";
    let fleet = OnClusters::new(space, &[plane]);
    fleet.application(
        "web",
        "c0",
        space,
        "syncPolicy: {automated: {prune: true, selfHeal: true}, syncOptions: [CreateNamespace=true]}",
    );
    fleet.write("apps/web/secret.yaml", &SOPS.replace("    namespace: shop\n", ""));
    let yaml = std::fs::read_to_string(fleet.file("fleet.yaml")).unwrap();
    // Without a key nothing is sent; a build needs none.
    fleet.run("build .").expect(0);
    let ran = fleet.run("plan .");
    assert!(ran.text().contains("fleet.yaml does not say where the key of age is"), "{}", ran.text());
    fleet.write("fleet.yaml", &format!("{yaml}\napply: {{sops: {{age: {{file: nothing.txt}}}}}}\n"));
    let ran = fleet.run("plan .");
    assert!(ran.text().contains("the key for SOPS: the file `nothing.txt` cannot be read"), "{}", ran.text());
    fleet.write("keys.txt", KEYS);
    fleet.write("fleet.yaml", &format!("{yaml}\napply: {{sops: {{age: {{file: keys.txt}}, mac: require}}}}\n"));
    let ran = fleet.run("plan .");
    assert!(ran.text().contains("the MAC of SOPS over all its values does not hold"), "{}", ran.text());
    fleet.write("fleet.yaml", &format!("{yaml}\napply: {{sops: {{age: {{file: keys.txt}}}}}}\n"));
    let mut said = fleet.run("plan . -o plan.json").text();
    said += &fleet.apply("").expect(0).text();
    let live =
        |field: &str| plane.kubectl_ok(&["get", "secret", "db", "-n", space, "-o", &format!("jsonpath={field}")]);
    assert_eq!(live("{.data.user}"), "YWRtaW4=");
    assert_eq!(live("{.data.cert}"), "aGVsbG8gd29ybGQ=");
    assert_eq!(live("{.sops}"), "");
    // Nothing is to be done again, and a changed value is seen.
    let ran = fleet.run("plan .").expect(0);
    assert!(!ran.text().contains("Secret"), "{}", ran.text());
    plane.kubectl_ok(&["patch", "secret", "db", "-n", space, "-p", "{\"stringData\":{\"user\":\"root\"}}"]);
    let ran = fleet.run("drift .");
    assert!(ran.text().contains("Secret"), "{}", ran.text());
    said += &ran.text();
    said += &plane.kubectl_ok(&["get", "configmaps", "-A", "-o", "yaml"]);
    for path in ["plan.json", "bundles/c0/bundle.yaml", "bundles/c0/apps/web.yaml", "bundles/bundles.lock"] {
        said += &std::fs::read_to_string(fleet.file(path)).unwrap();
    }
    for secret in ["admin", "YWRtaW4=", "sorts", "aGVsbG8gd29ybGQ", "AGE-SECRET-KEY"] {
        let at = said.find(secret).map(|at| said[at.saturating_sub(80)..].chars().take(160).collect::<String>());
        assert_eq!(at, None);
    }
}

#[test]
fn clear_secrets_are_published_encrypted_and_unchanged_ones_are_no_commit() {
    let recipient = KEYS.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let yaml = format!("{KEYED}publish: {{to: out.git#rendered, encrypt: {{age: [{recipient}]}}}}\n")
        .replace("out.git", "../out.git");
    let fleet = Fleet::new(&yaml, "4711");
    let git = |folder: &Path, arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(arguments).current_dir(folder);
        let output = command.env("HOME", fleet.scratch.path()).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let commit = || {
        git(&fleet.dir(), &["add", "-A"]);
        git(&fleet.dir(), &["commit", "-q", "--allow-empty", "-m", "x"]);
    };
    git(fleet.scratch.path(), &["init", "-q", "--bare", "out.git"]);
    git(&fleet.dir(), &["init", "-q", "-b", "main"]);
    commit();
    let out = fleet.scratch.path().join("out.git");
    let said = fleet.run(&["publish"], Some(KEY), 0);
    assert!(!said.contains("clear"), "{said}");
    let (show, commits) = (
        |path: &str| git(&out, &["show", &format!("rendered:{path}")]),
        || git(&out, &["rev-list", "--count", "rendered"]),
    );
    let first = show("a/apps/web.yaml");
    assert!(!first.contains("4711") && first.contains("pin: ENC[AES256_GCM") && first.contains(recipient), "{first}");
    assert!(first.contains("a: b"));
    // Who has the key opens it.
    let documents = fleetc::yaml::parse_strict(
        fleetc::span::FileId::NONE,
        first.as_bytes(),
        fleetc::yaml::Dialect::V2,
        &fleetc::yaml::Limits::default(),
    );
    let secret = documents.unwrap().into_iter().find(fleetc::sops::is_encrypted).unwrap();
    let opened = fleetc::sops::open(&secret, &fleetc::sops::Identity::all(KEYS).unwrap()).unwrap();
    assert!(opened.whole && opened.object.str_at(&["stringData", "pin"]) == "4711");
    // The folder is one that is used: its lock holds.
    git(fleet.scratch.path(), &["clone", "-q", "-b", "rendered", "out.git", "checkout"]);
    fleet.run(&["diff", "../checkout", "../checkout"], Some(KEY), 0);
    // Another commit of the fleet, the same Secret: nothing. Another value: a commit of that file.
    commit();
    fleet.run(&["publish"], Some(KEY), 0);
    assert_eq!(commits().trim(), "1");
    fleet.write("web/secret.yaml", &fleet.read("web/secret.yaml").replace("4711", "4712"));
    commit();
    fleet.run(&["publish"], Some(KEY), 0);
    assert_eq!(commits().trim(), "2");
    assert_ne!(show("a/apps/web.yaml"), first);
    // Flux is told how to decrypt.
    fleet.run(&["publish", "--to", "../out.git#flux", "--layout", "flux"], Some(KEY), 0);
    let kustomization = git(&out, &["show", "flux:flux/a/web.yaml"]);
    assert!(
        kustomization.contains("  decryption:\n    provider: sops\n    secretRef:\n      name: sops-age\n"),
        "{kustomization}"
    );
    assert!(!git(&out, &["show", "flux:a/web/manifests.yaml"]).contains("471"));
    // A recipient that is none, and no key.
    fleet.write("fleet.yaml", &fleet.read("fleet.yaml").replace(recipient, "age1nobody"));
    commit();
    let said = fleet.run(&["publish"], Some(KEY), 2);
    assert!(said.contains("`age1nobody` is no public key of age"), "{said}");
    fleet.write("fleet.yaml", &fleet.read("fleet.yaml").replace("age1nobody", recipient).replace(KEYED, ""));
    commit();
    let said = fleet.run(&["publish"], None, 2);
    assert!(said.contains("write `digestKey:"), "{said}");
}
