//! A rollout over two hundred clusters in memory behind HTTP, by the binary: five waves with one that hangs, one that is slow and one that
//! fails; and small fleets on which the flags are tried as somebody would who does not know them.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::sync::PoisonError;

use fleetc::yaml::Node;

use crate::many_clusters::server::{Mood, Served, serve};

const SET: &str = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: web, namespace: argocd}\nspec:\n  generators: [{clusters: {selector: {matchExpressions: [{key: ring, operator: Exists}]}}}]\n  template:\n    metadata: {name: 'web-{{name}}'}\n    spec:\n      project: default\n      source: {repoURL: 'https://git.example.com/shop.git', targetRevision: HEAD, path: web}\n      destination: {name: '{{name}}', namespace: shop}\n      syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}\n";
const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'web:1'}]}}}\n";

/// Clusters `c000`, `c001`… in rings, with an application of an ApplicationSet on each.
struct Fleet {
    dir: tempfile::TempDir,
    served: Vec<Served>,
    _servers: tokio::runtime::Runtime,
}

impl Fleet {
    /// The ring of a cluster is what `ring` says of its number.
    fn new(number: usize, ring: fn(usize) -> usize, rollout: &str) -> Fleet {
        let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let served: Vec<Served> =
            (0..number).map(|at| serve(&servers, u32::try_from(at).unwrap() + 1, Mood::Well)).collect();
        let mut yaml = String::from(
            "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {name: shop}\nrepositories:\n- {url: https://git.example.com/shop.git, path: .}\nclusters:\n",
        );
        let mut kubeconfig =
            String::from("apiVersion: v1\nkind: Config\nusers: [{name: u, user: {token: t}}]\nclusters:\n");
        let (mut contexts, mut reached) = (String::from("contexts:\n"), String::from("contexts:\n"));
        for (at, served) in served.iter().enumerate() {
            let _ = writeln!(yaml, "- {{name: c{at:03}, server: '{}', labels: {{ring: r{}}}}}", served.url, ring(at));
            let _ = writeln!(kubeconfig, "- {{name: k{at}, cluster: {{server: '{}'}}}}", served.url);
            let _ = writeln!(contexts, "- {{name: k{at}, context: {{cluster: k{at}, user: u}}}}");
            let _ = writeln!(reached, "  c{at:03}: k{at}");
        }
        let fleet = Fleet { dir: tempfile::tempdir().unwrap(), served, _servers: servers };
        fleet.write("fleet.yaml", &format!("{yaml}{reached}{rollout}"));
        fleet.write("sets/web.yaml", SET);
        fleet.write("web/deployment.yaml", DEPLOYMENT);
        fleet.write("../kubeconfig", &format!("{kubeconfig}{contexts}"));
        fleet.config("1");
        fleet
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join("fleet").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn config(&self, value: &str) {
        self.write(
            "web/config.yaml",
            &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{value: '{value}'}}\n"),
        );
    }

    fn mood(&self, cluster: usize, mood: Mood) {
        *self.served[cluster].mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetc"));
        command.env("FLEETC_OFFLINE", "1").env("KUBECONFIG", self.dir.path().join("kubeconfig"));
        command.stdin(std::process::Stdio::null());
        let output = command.args(arguments).current_dir(self.dir.path().join("fleet")).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// The clusters on which the ConfigMap has this value.
    fn with(&self, value: &str) -> Vec<usize> {
        let live = |served: &Served| {
            let cluster = served.cluster.lock().unwrap_or_else(PoisonError::into_inner);
            let found = cluster.find("v1", "ConfigMap", "shop", "settings")?;
            Some(found.at(&["data", "value"]).and_then(Node::as_str) == Some(value))
        };
        (0..self.served.len()).filter(|at| live(&self.served[*at]) == Some(true)).collect()
    }
}

#[test]
fn two_hundred_clusters_in_five_waves() {
    let ring = |at: usize| match at {
        0 => 0,
        1..10 => 1,
        10..50 => 2,
        50..100 => 3,
        _ => 4,
    };
    let fleet = Fleet::new(
        200,
        ring,
        "rollout:\n- name: web\n  timeout: 10m\n  waves:\n\
         \x20 - {name: canary, clusters: [c000], pause: true}\n\
         \x20 - {name: early, selector: {matchLabels: {ring: r1}}, maxUpdate: 3, maxFailures: 1}\n\
         \x20 - {name: eu, selector: {matchLabels: {ring: r2}}}\n\
         \x20 - {name: us, selector: {matchLabels: {ring: r3}}, maxUpdate: 20%}\n",
    );
    let (hangs, slow, fails) = (5, 30, 50);
    fleet.mood(hangs, Mood::HangsAtWork);
    fleet.mood(slow, Mood::Slow);
    fleet.mood(fails, Mood::Forbids);

    let (code, out, err) = fleet.run(&["plan"]);
    assert_eq!(code, 0, "{out}\n{err}");
    for line in [
        "web: 5 waves, 200 applications",
        "  wave 1 of 5 (canary): 1 cluster: c000; then a pause",
        "  wave 2 of 5 (early): 9 clusters: c001, c002, c003, c004, c005 and 4 more, 3 at once; 1 may fail",
        "  wave 4 of 5 (us): 50 clusters: c050, c051, c052, c053, c054 and 45 more, 10 at once",
        "  wave 5 of 5 (rest): 100 clusters",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }

    // It stops at the pause.
    let (code, out, err) = fleet.run(&["apply", "--yes", "--request-timeout", "5"]);
    assert_eq!(code, 1, "{out}\n{err}");
    assert_eq!(fleet.with("1"), [0], "{out}\n{err}");
    assert!(err.contains("web: wave 1 of 5 (canary): 1 of 1 cluster done; it is paused here"), "{err}");
    assert!(out.contains("is paused after wave 1 of 5 (canary)"), "{out}");

    // Somebody has looked at the first cluster. The one that hangs is within the budget of its wave; the slow one is waited for; the one
    // that fails is not, so of its wave only those go who had begun, and of the last nobody.
    let (code, out, err) = fleet.run(&["apply", "--yes", "--request-timeout", "5", "--continue"]);
    assert_eq!(code, 5, "{out}\n{err}");
    let done = fleet.with("1");
    let count = |from: usize, to: usize| done.iter().filter(|at| (from..to).contains(at)).count();
    assert_eq!((count(0, 1), count(1, 10), count(10, 50), count(100, 200)), (1, 8, 40, 0), "{out}\n{err}");
    assert!(!done.contains(&hangs) && !done.contains(&fails), "{done:?}");
    assert!(count(50, 100) < 30, "{} of the wave that failed were begun\n{err}", count(50, 100));
    let has = |parts: &[&str]| err.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    for parts in [
        &["wave 2 of 5 (early)", "c005 (no answer for ", "; waves 3 to 5 wait for it"][..],
        &["wave 2 of 5 (early) is done: 8 of 9 clusters done, 1 failed: c005 (not reached: "],
        &["wave 3 of 5 (eu): 39 of 40 clusters done, waiting for c030 (", "; waves 4 to 5 wait for it"],
        &[
            "wave 4 of 5 (us): stopped: 1 of 50 clusters failed, 0 may: c050 (",
            "forbidden here",
            "; wave 5 does not begin",
        ],
    ] {
        assert!(has(parts), "{parts:?}\n{err}");
    }
    assert!(out.contains("c150 web-c150: skipped") && out.contains("stopped in wave 4 of 5 (us)"), "{out}");

    // Mended, it goes on where it was.
    (0..200).for_each(|at| fleet.mood(at, Mood::Well));
    let (code, out, err) = fleet.run(&["apply", "--yes", "--continue", "--format", "json"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(fleet.with("1").len(), 200);
    let data: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(data["rollout"][0]["state"], "done", "{}", data["rollout"]);
    assert_eq!(data["rollout"][0]["waves"][4]["turns"].as_array().map(Vec::len), Some(100));
    let (code, out, err) = fleet.run(&["plan", "--exit-code"]);
    assert!(code == 0 && !out.contains("wave"), "{out}\n{err}");
}

#[test]
fn flags_of_a_rollout() {
    let rollout =
        "rollout:\n- waves:\n  - {name: canary, clusters: [c000], pause: true}\n  - {name: others, clusters: [c001]}\n";
    let fleet = Fleet::new(3, |_| 0, rollout);
    for (arguments, why) in [
        (&["apply", "--yes", "--continue=canry"][..], "did you mean `canary`?"),
        (&["apply", "--yes", "--continue", "canary"], "canary"),
        (&["apply", "--yes", "--max-failures", "many"], "write a number such as `3`"),
        (&["plan", "--request-timeout", "0"], "--request-timeout"),
    ] {
        let (code, out, err) = fleet.run(arguments);
        assert!(code == 2 && err.contains(why), "{arguments:?}: {code}\n{out}\n{err}");
    }
    assert_eq!(fleet.with("1"), [0; 0]);

    // A saved plan carries its waves, is paused, and goes on.
    let (code, out, err) = fleet.run(&["plan", "-o", "saved.json"]);
    assert!(code == 0 && out.contains("wave 1 of 3 (canary): 1 cluster: c000; then a pause"), "{out}\n{err}");
    let (code, out, err) = fleet.run(&["apply", "saved.json"]);
    assert_eq!((code, fleet.with("1")), (1, vec![0]), "{out}\n{err}");
    let (code, out, err) = fleet.run(&["apply", "saved.json"]);
    assert_eq!((code, fleet.with("1")), (1, vec![0]), "{out}\n{err}");
    let (code, out, err) = fleet.run(&["apply", "saved.json", "--continue"]);
    assert_eq!((code, fleet.with("1")), (0, vec![0, 1, 2]), "{out}\n{err}");

    // By name in one go; without the rollout all at once; in Markdown.
    fleet.config("2");
    let (code, out, err) = fleet.run(&["plan", "--markdown"]);
    assert!(code == 0 && out.contains("#### Waves") && out.contains("- wave 2 of 3 (others)"), "{out}\n{err}");
    let (code, out, err) = fleet.run(&["apply", "--yes", "--continue=1"]);
    assert_eq!((code, fleet.with("2").len()), (0, 3), "{out}\n{err}");
    fleet.config("3");
    let (code, out, err) = fleet.run(&["apply", "--yes", "--no-rollout"]);
    assert_eq!((code, fleet.with("3").len()), (0, 3), "{out}\n{err}");

    // One cluster that hangs from the beginning: the others of its wave go, the next wave does not, unless that is said.
    fleet.config("4");
    fleet.mood(1, Mood::Hangs);
    let hang = ["apply", "--yes", "--continue=canary", "--request-timeout", "1"];
    let (code, out, err) = fleet.run(&hang);
    assert_eq!((code, fleet.with("4")), (5, vec![0]), "{out}\n{err}");
    assert!(err.contains("c001 (not reached: "), "{err}");
    let (code, out, err) = fleet.run(&[&hang[..], &["--max-failures", "1"]].concat());
    assert_eq!((code, fleet.with("4")), (5, vec![0, 2]), "{out}\n{err}");
}
