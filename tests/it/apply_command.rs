//! `fleetc plan` and `fleetc apply` as commands, against a cluster in memory behind HTTP: files, flags, exit codes, what is printed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::PoisonError;

use crate::many_clusters::server::{Mood, Served, serve};

const FLEET: &str = "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {name: shop}\nrepositories:\n- {url: https://git.example.com/shop.git, path: .}\n";
const APPLICATION: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web, namespace: argocd}\nspec:\n  project: default\n  source: {repoURL: 'https://git.example.com/shop.git', targetRevision: HEAD, path: web}\n  destination: {name: eu, namespace: shop}\n  syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}\n";

struct Fleet {
    dir: tempfile::TempDir,
    served: Served,
    _servers: tokio::runtime::Runtime,
}

impl Fleet {
    fn new() -> Fleet {
        let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let served = serve(&servers, 1, Mood::Well);
        let dir = tempfile::tempdir().unwrap();
        let secret = format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: eu\n  namespace: argocd\n  labels: {{argocd.argoproj.io/secret-type: cluster}}\nstringData:\n  name: eu\n  server: {}\n  config: '{{\"bearerToken\": \"t\"}}'\n",
            served.url
        );
        let fleet = Fleet { dir, served, _servers: servers };
        fleet.write("fleet.yaml", FLEET);
        fleet.write("clusters/eu.yaml", &secret);
        fleet.write("apps/web.yaml", APPLICATION);
        fleet.config("a", "1");
        fleet.config("b", "1");
        fleet
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn config(&self, name: &str, value: &str) {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: '{value}'}}\n");
        self.write(&format!("web/{name}.yaml"), &text);
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetc"));
        let Output { status, stdout, stderr } =
            command.env("FLEETC_OFFLINE", "1").args(arguments).current_dir(self.dir.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// The value of a ConfigMap on the cluster.
    fn live(&self, name: &str) -> Option<String> {
        let cluster = self.served.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        Some(cluster.find("v1", "ConfigMap", "shop", name)?.at(&["data", "value"])?.as_str()?.to_owned())
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn plan_ask_apply_and_apply_what_was_saved() {
    let fleet = Fleet::new();
    // Nobody is here to agree.
    let (code, out, err) = fleet.run(&["apply"]);
    assert_eq!(code, 2, "{out}\n{err}");
    assert!(err.contains("--yes") && out.contains("ConfigMap"), "{out}\n{err}");
    assert_eq!(fleet.live("a"), None);

    let (code, out, err) = fleet.run(&["apply", "--yes", "--journal", "journal"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.contains("eu web: applied, 2 created"), "{out}");
    assert!(err.contains("1 application applied; 2 created"), "{err}");
    assert_eq!(fleet.live("a").as_deref(), Some("1"));
    let journal = read(&fleet.dir.path().join("journal"));
    assert!(journal.lines().count() >= 3, "{journal}");
    assert!(journal.contains("ConfigMap shop/a: create") && journal.contains("\"result\":\"applied\""), "{journal}");

    // Nothing to do needs nobody to agree.
    let (code, out, err) = fleet.run(&["apply", "--format", "json"]);
    assert_eq!(code, 0, "{out}\n{err}");
    let data: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(data["clusters"][0]["applications"][0]["result"], "unchanged", "{out}");
    assert_eq!(data["total"]["created"], 0);

    // A saved plan does what it says, and no more.
    fleet.config("a", "2");
    let (code, out, err) = fleet.run(&["plan", "-o", "saved.json", "--exit-code"]);
    assert_eq!(code, 1, "{out}\n{err}");
    for (flag, why) in [("--take-ownership", "part of the plan"), ("--allow-empty", "part of the plan")] {
        let (code, out, err) = fleet.run(&["apply", "saved.json", flag]);
        assert_eq!(code, 2, "{out}\n{err}");
        assert!(err.contains(why), "{err}");
    }
    let (code, out, err) = fleet.run(&["apply", "saved.json"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.contains("1 changed"), "{out}");
    assert_eq!(fleet.live("a").as_deref(), Some("2"));

    // What has moved since is left alone, and exit code and words say so.
    fleet.config("a", "3");
    fleet.run(&["plan", "-o", "saved.json"]);
    fleet.config("b", "3");
    let (code, out, err) = fleet.run(&["apply", "saved.json"]);
    assert_eq!(code, 1, "{out}\n{err}");
    assert!(out.contains("skipped") && out.contains("plan it again"), "{out}");
    assert_eq!((fleet.live("a").as_deref(), fleet.live("b").as_deref()), (Some("2"), Some("1")));

    // A plan that somebody wrote into is none.
    let text = read(&fleet.dir.path().join("saved.json"));
    fleet.write("saved.json", &text.replace("\"change\"", "\"create\""));
    let (code, _, err) = fleet.run(&["apply", "saved.json"]);
    assert!(code == 2 && err.contains("checksum"), "{err}");

    // What leaves goes.
    fs::remove_file(fleet.dir.path().join("web/b.yaml")).unwrap();
    let (code, out, err) = fleet.run(&["apply", "--yes"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!((fleet.live("a").as_deref(), fleet.live("b")), (Some("3"), None));
}

#[test]
fn what_cannot_be_done_has_its_exit_code() {
    let fleet = Fleet::new();
    fleet.write("fleet.yaml", &FLEET.replace("metadata: {name: shop}\n", ""));
    let (code, _, err) = fleet.run(&["apply", "--yes"]);
    assert!(code == 3 && err.contains("the fleet has no name"), "{code} {err}");
    fleet.write("fleet.yaml", FLEET);
    // An object that the server refuses blocks its application.
    fleet.write("web/bad.yaml", "apiVersion: v1\nkind: Oddity\nmetadata: {name: bad}\n");
    let (code, out, err) = fleet.run(&["apply", "--yes"]);
    assert!(code == 5 && out.contains("does not serve"), "{code}\n{out}\n{err}");
    assert_eq!(fleet.live("a"), None);
    fs::remove_file(fleet.dir.path().join("web/bad.yaml")).unwrap();
    // A cluster that cannot be reached.
    let secret = fleet.dir.path().join("clusters/eu.yaml");
    let text = read(&secret).replace(&fleet.served.url, "http://127.0.0.1:1");
    fs::write(&secret, text).unwrap();
    let (code, out, err) = fleet.run(&["apply", "--yes"]);
    assert!(code == 5 && format!("{out}{err}").contains("cannot connect"), "{code}\n{out}\n{err}");
}
