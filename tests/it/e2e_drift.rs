//! Drift, status, history and rollback on a real cluster: a person, an autoscaler and a webhook at work, what was applied put back, and one
//! application back at an earlier commit and held there.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::control_plane::fleet::Fleet;
use crate::control_plane::{self, ControlPlane, dead_port};
use crate::e2e_slices::{config_map, deployment, exists, field};

const HEAL: &str = "syncPolicy: {automated: {prune: true, selfHeal: true}, syncOptions: [CreateNamespace=true]}";
const PRUNE: &str = "syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}";

/// What was printed, which is as the schema says: no field that it does not describe.
fn json(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/state.schema.json");
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    crate::plan_guards::close(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    value
}

/// Waits until a field of an object is something.
fn until(plane: &ControlPlane, namespace: &str, object: &str, path: &str, value: &str) {
    let begin = Instant::now();
    while field(plane, namespace, object, path) != value {
        assert!(begin.elapsed() < Duration::from_secs(90), "{object} {path} is not {value}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn drift_by_a_person_an_autoscaler_and_a_webhook_and_what_is_put_back() {
    let Some(plane) = control_plane::cluster() else { return };
    let space = "e2e-drift";
    let fleet = Fleet::new(space, &[plane]);
    fleet.application("web", "c0", space, HEAL);
    fleet.application("calm", "c0", space, PRUNE);
    fleet.write("apps/web/a.yaml", &config_map("settings", "one"));
    fleet.write("apps/web/b.yaml", &deployment("web", "replicas: 2, ", "nginx:1"));
    fleet.write("apps/web/c.yaml", &deployment("api", "replicas: 2, ", "nginx:1"));
    fleet.write("apps/calm/a.yaml", &config_map("calm", "one"));
    fleet.apply("--wait always").expect(0);
    let writes = fleet.writes(plane).len();
    let ran = fleet.run("drift .").expect(0);
    assert!(ran.stdout.contains("2 applications are as they were applied"), "{}", ran.text());

    // An autoscaler, a real one: below its minimum it needs no metrics.
    plane.apply(&format!(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web, namespace: {space}}}\n\
         spec: {{minReplicas: 4, maxReplicas: 5, scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}}}\n"
    ));
    until(plane, space, "deployment/web", ".spec.replicas", "4");
    // A webhook that injects a container and an annotation with somebody's write, as its field manager.
    let injected = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {space}}}\n\
         spec: {{template: {{metadata: {{annotations: {{injected: \"yes\"}}}}, spec: {{containers: [{{name: proxy, image: proxy}}]}}}}}}\n"
    );
    let file = fleet.file("injected.yaml");
    std::fs::write(&file, injected).unwrap();
    let file = file.to_string_lossy().into_owned();
    plane.kubectl_ok(&["apply", "--server-side", "--field-manager=sidecar-injector", "-f", &file]);
    std::fs::remove_file(&file).unwrap();
    fleet.run("drift .").expect(0);
    fleet.run("drift . --read-only").expect(0);
    let ran = fleet.run("drift . -v").expect(0);
    let told = ["left to a HorizontalPodAutoscaler", "sidecar-injector", "[name=proxy]"];
    assert!(told.iter().all(|part| ran.stdout.contains(part)), "{}", ran.stdout);

    // A person.
    let by_hand = r#"{"data":{"value":"by hand"}}"#;
    let edit =
        ["patch", "configmap", "settings", "-n", space, "--type=merge", "--field-manager=kubectl-edit", "-p", by_hand];
    plane.kubectl_ok(&edit);
    plane.kubectl_ok(&["scale", "deployment/api", "-n", space, "--replicas=7"]);
    plane.kubectl_ok(&["delete", "configmap", "calm", "-n", space]);
    // What the fleet says meanwhile is not drift.
    let ran = fleet.run("drift .").expect(1);
    for part in [
        ".data.value: one → by hand",
        "by kubectl-edit, 20",
        ".spec.replicas: 2 → 7",
        "by kubectl (scale), when is not on record",
        "missing ConfigMap e2e-drift/calm",
    ] {
        assert!(ran.stdout.contains(part), "{part} in {}", ran.text());
    }
    fleet.run("drift . --read-only").expect(1);
    fleet.run("drift . --app calm --format json").expect(1);
    let data = json(&fleet.run("drift . --app web --format json").expect(1).stdout);
    let drifted = &data["drift"][0]["applications"][0]["drifted"];
    assert_eq!(drifted.as_array().map(Vec::len), Some(2), "{drifted}");
    let replicas =
        drifted.as_array().unwrap().iter().find(|one| one["object"].as_str().unwrap().contains("api")).unwrap();
    assert_eq!((&replicas["fields"][0]["applied"], &replicas["fields"][0]["live"]), (&2.into(), &7.into()));
    assert_eq!(replicas["fields"][0]["by"][0]["subresource"], "scale");
    assert_eq!(fleet.writes(plane).len(), writes, "looking wrote");
    let status = fleet.run("status .").expect(0);
    assert!(status.stdout.contains("2 Drifted"), "{}", status.stdout);
    fleet.run("status . --exit-code").expect(1);

    // Nobody is asked where nobody can answer; then what says selfHeal is put back, then the rest.
    fleet.run("drift . --heal").expect(2);
    let ran = fleet.run("drift . --heal --yes").expect(1);
    assert!(ran.stderr.contains("not put back: calm on c0"), "{}", ran.text());
    assert_eq!(field(plane, space, "configmap/settings", ".data.value"), "one");
    assert_eq!(field(plane, space, "deployment/api", ".spec.replicas"), "2");
    assert_eq!(field(plane, space, "deployment/web", ".spec.replicas"), "4", "the autoscaler keeps what is its");
    assert!(!exists(plane, space, "configmap/calm"));
    fleet.run("drift . --heal=all --yes").expect(0);
    assert!(exists(plane, space, "configmap/calm"));
    fleet.run("drift .").expect(0);
    let containers = field(plane, space, "deployment/web", ".spec.template.spec.containers[*].name");
    assert!(containers.contains("proxy"), "what was injected stays: {containers}");

    // What the fleet says by now is brought by apply, not by healing.
    plane.kubectl_ok(&edit);
    fleet.write("apps/web/a.yaml", &config_map("settings", "two"));
    let ran = fleet.run("drift . --heal=all --yes").expect(1);
    assert!(ran.text().contains("`fleetc apply` brings that"), "{}", ran.text());
    assert_eq!(field(plane, space, "configmap/settings", ".data.value"), "by hand");
}

#[test]
fn status_of_clusters_of_which_one_is_away() {
    let Some(plane) = control_plane::cluster() else { return };
    let servers = [
        (plane.server(), plane.file("ca.crt").to_string_lossy().into_owned()),
        (format!("https://127.0.0.1:{}", dead_port()), String::new()),
    ];
    let fleet = Fleet::reaching("e2e-status", &servers);
    for (name, cluster) in [("web", "c0"), ("far", "c1")] {
        fleet.application(name, cluster, "e2e-status", PRUNE);
        fleet.write(&format!("apps/{name}/a.yaml"), &config_map("settings", "one"));
    }
    fleet.apply("--cluster c0").expect(0);
    let ran = fleet.run("status . --timeout 30").expect(0);
    let row = |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(ran.stdout.starts_with("2 clusters, 1 of which could not be asked; 1 application"), "{}", ran.stdout);
    let web = row(&ran.stdout, "c0 ");
    assert!(["web", "Synced", "Healthy", "@"].iter().all(|part| web.contains(part)), "{web}");
    assert!(row(&ran.stdout, "c1 ").contains("Unknown"), "{}", ran.stdout);
    fleet.run("status . --timeout 30 --exit-code").expect(5);
    fleet.run("status . --cluster c0 --exit-code").expect(0);
    fleet.run("drift . --timeout 30").expect(5);
    let data = json(&fleet.run("status . --cluster c0 --format json").expect(0).stdout);
    let app = &data["clusters"][0]["applications"][0];
    assert_eq!(
        (&app["sync"], &app["health"], &app["lastApply"]["result"]),
        (&"Synced".into(), &"Healthy".into(), &"applied".into())
    );
    fleet.write("apps/web/a.yaml", &config_map("settings", "two"));
    let ran = fleet.run("status . --cluster c0 -o wide").expect(0);
    assert!(ran.stdout.contains("OutOfSync") && ran.stdout.contains("1 object to apply"), "{}", ran.stdout);
    let wrong = fleet.run("status . --cluster c9").expect(2);
    assert!(wrong.stderr.contains("c9"), "{}", wrong.stderr);
}

fn git(fleet: &Fleet, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(fleet.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"];
    let output = command.args(who).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Commits everything under a tag.
fn commit(fleet: &Fleet, tag: &str) -> String {
    git(fleet, &["add", "-A"]);
    git(fleet, &["commit", "-qm", tag]);
    git(fleet, &["tag", tag]);
    git(fleet, &["rev-parse", "HEAD"])
}

#[test]
fn one_application_on_one_cluster_goes_back_and_is_held() {
    let Some(planes) = control_plane::clusters(2) else { return };
    let space = "e2e-back";
    let fleet = Fleet::new(space, &planes);
    git(&fleet, &["init", "-q", "-b", "main"]);
    for (name, cluster) in [("web", "c0"), ("other", "c0"), ("web-1", "c1")] {
        fleet.application(name, cluster, space, PRUNE);
    }
    let release = |value: &str| {
        for name in ["web", "other", "web-1"] {
            fleet.write(&format!("apps/{name}/a.yaml"), &config_map(name, value));
        }
        // Its objects change, too, not only their values.
        fleet.write("apps/web/b.yaml", &config_map(&format!("web-{value}"), "x"));
        let commit = commit(&fleet, value);
        fleet.apply("").expect(0);
        commit
    };
    let value = |name: &str| {
        let plane = if name == "web-1" { planes[1] } else { planes[0] };
        field(plane, space, &format!("configmap/{name}"), ".data.value")
    };
    let one = release("one");
    fleet.run("build . -o ../saved").expect(0);
    fleet.remove("apps/web/b.yaml");
    git(&fleet, &["rm", "-q", "--cached", "apps/web/b.yaml"]);
    let two = release("two");
    assert!(!exists(planes[0], space, "configmap/web-one") && exists(planes[0], space, "configmap/web-two"));

    let history = fleet.run("history --cluster c0 --app web").expect(0);
    let lines: Vec<&str> = history.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", history.stdout);
    assert!(lines[1].starts_with(&two[..8]) && lines[1].contains("applied (now)"), "{}", history.stdout);
    assert!(lines[2].starts_with(&one[..8]) && lines[2].contains('@'), "{}", history.stdout);

    // Nobody to agree: nothing happens.
    fleet.run("rollback --cluster c0 --app web").expect(2);
    assert_eq!(value("web"), "two");
    let ran = fleet.run("rollback --cluster c0 --app web --reason it-leaks --yes").expect(0);
    assert!(ran.stderr.contains("is held at"), "{}", ran.text());
    let all = || ["web", "other", "web-1"].map(value);
    assert_eq!(all(), ["one", "two", "two"]);
    assert!(exists(planes[0], space, "configmap/web-one") && !exists(planes[0], space, "configmap/web-two"));
    assert_eq!(git(&fleet, &["status", "--porcelain"]), "", "the checkout was touched");
    assert_eq!(git(&fleet, &["rev-parse", "HEAD"]), two);

    // Later applies honour it, and say so.
    let planned = fleet.run("plan .").expect(0);
    assert!(planned.stdout.contains("held") && planned.stdout.contains("it-leaks"), "{}", planned.stdout);
    assert!(planned.stdout.contains("fleetc rollback --release --cluster c0 --app web"), "{}", planned.stdout);
    fleet.remove("apps/web/b.yaml");
    let three = release("three");
    assert_eq!(all(), ["one", "three", "three"]);
    let status = fleet.run("status .").expect(0);
    assert!(status.stdout.contains("1 held by rollbacks") && status.stdout.contains("it-leaks"), "{}", status.stdout);
    fleet.run("drift . --cluster c0").expect(0);
    // Taken out of the fleet it stays all the same.
    fleet.drop_application("web");
    fleet.apply("").expect(0);
    assert_eq!(value("web"), "one");
    git(&fleet, &["checkout", "-q", "apps.yaml"]);

    // Released it goes on.
    fleet.run("rollback --release --cluster c0 --app web").expect(2);
    fleet.run("rollback --release --cluster c0 --app web --yes").expect(0);
    assert_eq!(value("web"), "one", "a release changes nothing by itself");
    fleet.run("rollback --release --cluster c0 --app web --yes").expect(1);
    fleet.apply("").expect(0);
    assert_eq!(value("web"), "three");

    // To a tag, and on with `apply --release`; to a folder of bundles.
    fleet.run("rollback --cluster c0 --app web --to two --yes").expect(0);
    assert_eq!(value("web"), "two");
    fleet.apply("--app web").expect(0);
    assert_eq!(value("web"), "two");
    fleet.apply("--app web --release").expect(0);
    assert_eq!(value("web"), "three");
    fleet.run("rollback --cluster c0 --app web --bundles ../saved --yes").expect(0);
    assert_eq!(value("web"), "one");
    let data = json(&fleet.run("history --cluster c0 --app web --bundles ../saved --format json").expect(0).stdout);
    assert!(data["hold"]["revision"].as_str().unwrap().contains("saved"), "{data}");
    let saved = &data["saved"][0];
    assert_eq!((&saved["applied"], &saved["commit"], &saved["bundle"]), (&true.into(), &"".into(), &data["bundle"]));
    assert!(data["history"].as_array().unwrap().iter().any(|one| one["revision"] == three.as_str()), "{data}");
    fleet.apply("--release").expect(0);
    fleet.run("plan . --exit-code").expect(0);

    // Bundles that are committed have a history of their own.
    for value in ["four", "five"] {
        fleet.write("apps/other/a.yaml", &config_map("other", value));
        if value == "five" {
            fleet.write("apps/web/a.yaml", &config_map("web", value));
        }
        fleet.run("build .").expect(0);
        commit(&fleet, value);
    }
    let history = fleet.run("history --cluster c0 --app web").expect(0);
    let saved: Vec<&str> = history.stdout.split("\n\n").nth(1).unwrap_or_default().lines().skip(1).collect();
    let at = |tag: &str| git(&fleet, &["rev-parse", "--short=8", tag]);
    assert_eq!(saved.len(), 2, "{}", history.stdout);
    assert!(saved[0].starts_with(&at("five")) && !saved[0].contains("yes"), "{}", history.stdout);
    assert!(saved[1].starts_with(&at("four")) && saved[1].contains("yes"), "{}", history.stdout);

    // As somebody who does not know it tries it.
    let said = |args: &str, part: &str| {
        let ran = fleet.run(args).expect(2);
        assert!(ran.stderr.contains(part), "{args}: {}", ran.stderr);
    };
    said("rollback --cluster c0 --app wbe --yes", "`web`");
    said("rollback --cluster c7 --app web --yes", "c7");
    said("rollback --cluster c0 --app web --to nowhere --yes", "nowhere");
    said("rollback --cluster c0 --app other --release --to one", "--to");
    said("rollback --app web", "--cluster");
    said("drift --heal all", "--heal=all");
    let ran = fleet.run("status . --app wbe").expect(0);
    assert!(ran.stderr.contains("`web`"), "{}", ran.stderr);
    said("history --cluster c0", "--app");
}

#[test]
fn a_rollback_leaves_definitions_above_the_versions_that_are_stored() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-stored", &[plane]);
    git(&fleet, &["init", "-q", "-b", "main"]);
    fleet.application("kinds", "c0", "default", PRUNE);
    let version = |name: &str, storage: bool| {
        format!("{{name: {name}, served: true, storage: {storage}, schema: {{openAPIV3Schema: {{type: object}}}}}}")
    };
    let crd = |versions: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: gauges.stored.example.com}}\n\
             spec: {{group: stored.example.com, scope: Namespaced, names: {{kind: Gauge, plural: gauges, singular: gauge, listKind: GaugeList}}, versions: [{versions}]}}\n"
        )
    };
    fleet.write("apps/kinds/a.yaml", &crd(&version("v1", true)));
    commit(&fleet, "first");
    fleet.apply("").expect(0);
    fleet.write("apps/kinds/a.yaml", &crd(&format!("{}, {}", version("v1", false), version("v2", true))));
    commit(&fleet, "second");
    fleet.apply("").expect(0);
    let ran = fleet.run("rollback --cluster c0 --app kinds --to first --yes").expect(5);
    assert!(ran.text().contains("`v2` (status.storedVersions)"), "{}", ran.text());
    assert_eq!(field(plane, "", "crd/gauges.stored.example.com", ".spec.versions[*].name"), "v1 v2");
    let data = json(&fleet.run("history --cluster c0 --app kinds --format json").expect(0).stdout);
    assert!(data["hold"].is_null(), "nothing was done, so nothing is held: {data}");
    fleet.run("plan . --exit-code").expect(0);
}
