//! From nothing to a fleet on real clusters and on: install, change, nothing to do, prune, applications that leave, a cluster that is down.

use crate::control_plane::fleet::Fleet;
use crate::control_plane::{self, ControlPlane, Write, dead_port};

/// A ConfigMap as YAML.
pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: \"{value}\"}}\n")
}

/// A Deployment whose pod does nothing.
pub(crate) fn deployment(name: &str, replicas: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec: {{{replicas}selector: {{matchLabels: {{app: {name}}}}}, \
         template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: main, image: {image}}}]}}}}}}\n"
    )
}

/// One field of an object; empty where there is no object or no field.
pub(crate) fn field(plane: &ControlPlane, namespace: &str, object: &str, path: &str) -> String {
    let output =
        plane.kubectl(&["get", object, "-n", namespace, "--ignore-not-found", "-o", &format!("jsonpath={{{path}}}")]);
    String::from_utf8(output.stdout).unwrap()
}

/// Whether an object exists.
pub(crate) fn exists(plane: &ControlPlane, namespace: &str, object: &str) -> bool {
    !field(plane, namespace, object, ".metadata.name").is_empty()
}

const CREATE: &str = "syncPolicy: {syncOptions: [CreateNamespace=true]}";
const PRUNE: &str = "syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}";

/// The writes that are not the book-keeping of fleetc itself.
pub(crate) fn on_objects(writes: &[Write]) -> Vec<String> {
    let own = |write: &&Write| write.namespace != "fleetc-system" && write.name != "fleetc-system";
    writes.iter().filter(own).map(|write| format!("{} {} {}", write.verb, write.resource, write.name)).collect()
}

#[test]
fn install_change_and_nothing_to_do_on_two_clusters() {
    let Some(planes) = control_plane::clusters(2) else { return };
    let fleet = Fleet::new("e2e-install", &planes);
    for cluster in ["c0", "c1"] {
        let name = format!("web-{cluster}");
        fleet.application(&name, cluster, "e2e-install", CREATE);
        fleet.write(&format!("apps/{name}/a.yaml"), &config_map("settings", "one"));
        fleet.write(&format!("apps/{name}/b.yaml"), &deployment("web", "replicas: 2, ", "nginx:1"));
        fleet.write(&format!("apps/{name}/c.yaml"), &config_map("other", "same"));
    }
    let planned = fleet.run("plan . --exit-code").expect(1);
    assert!(planned.stdout.contains("settings") && planned.stdout.contains("web"), "{}", planned.stdout);
    for plane in &planes {
        assert_eq!(fleet.writes(plane), [], "planning wrote");
        assert!(!exists(plane, "", "namespace/e2e-install"));
    }

    // Nobody is asked where nobody can answer.
    let asked = fleet.run("apply .").expect(2);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    assert_eq!(fleet.writes(planes[0]), []);

    fleet.apply("").expect(0);
    for plane in &planes {
        assert_eq!(field(plane, "e2e-install", "configmap/settings", ".data.value"), "one");
        assert_eq!(field(plane, "e2e-install", "deployment/web", ".spec.replicas"), "2");
        let label = r".metadata.labels.applyset\.kubernetes\.io/part-of";
        assert!(field(plane, "e2e-install", "configmap/settings", label).starts_with("applyset-"));
    }

    // Nothing to do: nothing is written anywhere, not even a Lease.
    let before: Vec<usize> = planes.iter().map(|plane| fleet.writes(plane).len()).collect();
    fleet.run("plan . --exit-code").expect(0);
    fleet.apply("").expect(0);
    for (plane, before) in planes.iter().zip(before) {
        assert_eq!(fleet.writes(plane)[before..], []);
    }

    // One field on one cluster: one object is written.
    let before: Vec<usize> = planes.iter().map(|plane| fleet.writes(plane).len()).collect();
    fleet.write("apps/web-c1/a.yaml", &config_map("settings", "two"));
    let planned = fleet.run("plan . -o plan.json").expect(0);
    assert!(planned.stdout.contains("value"), "{}", planned.stdout);
    fleet.run("apply plan.json --yes").expect(0);
    assert_eq!(fleet.writes(planes[0])[before[0]..], []);
    assert_eq!(on_objects(&fleet.writes(planes[1])[before[1]..]), ["patch configmaps settings"]);
    assert_eq!(field(planes[0], "e2e-install", "configmap/settings", ".data.value"), "one");
    assert_eq!(field(planes[1], "e2e-install", "configmap/settings", ".data.value"), "two");
    fleet.run("plan . --exit-code").expect(0);
}

#[test]
fn a_saved_plan_that_is_stale_does_nothing() {
    let Some(planes) = control_plane::clusters(2) else { return };
    let fleet = Fleet::new("e2e-stale", &planes);
    for cluster in ["c0", "c1"] {
        let name = format!("web-{cluster}");
        fleet.application(&name, cluster, "e2e-stale", CREATE);
        fleet.write(&format!("apps/{name}/a.yaml"), &config_map("settings", "one"));
    }
    fleet.apply("").expect(0);
    for cluster in ["c0", "c1"] {
        fleet.write(&format!("apps/web-{cluster}/a.yaml"), &config_map("settings", "two"));
    }
    fleet.run("plan . -o plan.json").expect(0);
    // The files moved on for one of the two; the other slice goes on.
    fleet.write("apps/web-c1/a.yaml", &config_map("settings", "three"));
    let ran = fleet.run("apply plan.json --yes");
    assert_ne!(ran.code, 0, "{}", ran.text());
    assert!(ran.text().contains("web-c1"), "{}", ran.text());
    assert_eq!(field(planes[0], "e2e-stale", "configmap/settings", ".data.value"), "two");
    assert_eq!(field(planes[1], "e2e-stale", "configmap/settings", ".data.value"), "one");
}

#[test]
fn prune_deletes_what_is_ours_and_nothing_else() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-prune", &[plane]);
    fleet.application("kept", "c0", "e2e-prune", CREATE);
    fleet.application("pruned", "c0", "e2e-prune", PRUNE);
    for name in ["kept", "pruned"] {
        fleet.write(&format!("apps/{name}/a.yaml"), &config_map(&format!("{name}-a"), "a"));
        fleet.write(&format!("apps/{name}/b.yaml"), &config_map(&format!("{name}-b"), "b"));
    }
    fleet.apply("").expect(0);
    // Objects that carry the label of the application: one copied by a controller, one by a person. Neither was ever applied by us.
    let part_of = field(plane, "e2e-prune", "configmap/pruned-a", r".metadata.labels.applyset\.kubernetes\.io/part-of");
    let uid = field(plane, "e2e-prune", "configmap/pruned-a", ".metadata.uid");
    let label = format!("labels: {{applyset.kubernetes.io/part-of: {part_of}}}");
    plane.apply(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: child, namespace: e2e-prune, {label}, \
         ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: pruned-a, uid: {uid}, controller: true}}]}}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: copied, namespace: e2e-prune, {label}}}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: foreign, namespace: e2e-prune}}\n"
    ));
    fleet.remove("apps/kept/b.yaml");
    fleet.remove("apps/pruned/b.yaml");
    let planned = fleet.run("plan .").expect(0);
    assert!(planned.stdout.contains("prune off"), "{}", planned.stdout);
    let before = fleet.writes(plane).len();
    fleet.apply("").expect(0);
    assert_eq!(on_objects(&fleet.writes(plane)[before..]), ["delete configmaps pruned-b"]);
    for name in ["kept-a", "kept-b", "pruned-a", "child", "copied", "foreign"] {
        assert!(exists(plane, "e2e-prune", &format!("configmap/{name}")), "{name} is gone");
    }
    // What was kept is not forgotten, and goes when that is wanted.
    fleet.apply("--prune always").expect(0);
    assert!(!exists(plane, "e2e-prune", "configmap/kept-b"));
    // The last object of an application does not go by itself.
    fleet.remove("apps/pruned/a.yaml");
    fleet.write("apps/pruned/none.yaml", "# nothing\n");
    let ran = fleet.apply("");
    assert!(exists(plane, "e2e-prune", "configmap/pruned-a"), "{}", ran.text());
    for name in ["child", "copied", "foreign"] {
        assert!(exists(plane, "e2e-prune", &format!("configmap/{name}")), "{name} is gone");
    }
}

#[test]
fn never_prune_and_an_object_that_moved() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-moved", &[plane]);
    for name in ["from", "to"] {
        fleet.application(name, "c0", "e2e-moved", PRUNE);
        fleet.write(&format!("apps/{name}/a.yaml"), &config_map(name, "a"));
    }
    fleet.write("apps/from/b.yaml", &config_map("traveller", "b"));
    fleet.write("apps/from/c.yaml", &config_map("left-over", "b"));
    fleet.apply("").expect(0);
    let uid = field(plane, "e2e-moved", "configmap/traveller", ".metadata.uid");
    fleet.remove("apps/from/b.yaml");
    fleet.remove("apps/from/c.yaml");
    fleet.write("apps/to/b.yaml", &config_map("traveller", "b"));
    fleet.apply("--prune never").expect(0);
    assert!(exists(plane, "e2e-moved", "configmap/left-over"));
    assert_eq!(field(plane, "e2e-moved", "configmap/traveller", ".metadata.uid"), uid, "it was deleted and made anew");
    fleet.apply("").expect(0);
    assert!(!exists(plane, "e2e-moved", "configmap/left-over"));
    assert_eq!(field(plane, "e2e-moved", "configmap/traveller", ".metadata.uid"), uid);
    fleet.run("plan . --exit-code").expect(0);
}

#[test]
fn applications_leave_within_their_budget() {
    let Some(planes) = control_plane::clusters(2) else { return };
    let fleet = Fleet::new("e2e-leaving", &planes);
    for (name, cluster) in [("one", "c0"), ("two", "c0"), ("three", "c1"), ("stays", "c1")] {
        fleet.application(name, cluster, "e2e-leaving", PRUNE);
        fleet.write(&format!("apps/{name}/a.yaml"), &config_map(name, "a"));
    }
    fleet.apply("").expect(0);
    let there = |name: &str, at: usize| exists(planes[at], "e2e-leaving", &format!("configmap/{name}"));
    // Two at once are too many, and nobody knows which of them was meant.
    fleet.drop_application("one");
    fleet.drop_application("two");
    let ran = fleet.apply("");
    assert_ne!(ran.code, 0, "{}", ran.text());
    assert!(ran.text().contains("--max-removals"), "{}", ran.text());
    assert!(there("one", 0) && there("two", 0));
    fleet.apply("--max-removals 2").expect(0);
    assert!(!there("one", 0) && !there("two", 0));
    // One is what a run may remove.
    fleet.drop_application("three");
    fleet.apply("").expect(0);
    assert!(!there("three", 1) && there("stays", 1));
    // Without the finalizer what it has is let go.
    let apps = std::fs::read_to_string(fleet.file("apps.yaml")).unwrap();
    fleet.write("apps.yaml", &apps.replace(", finalizers: [resources-finalizer.argocd.argoproj.io]", ""));
    fleet.apply("").expect(0);
    fleet.application("other", "c1", "e2e-leaving", PRUNE);
    fleet.write("apps/other/a.yaml", &config_map("other", "a"));
    fleet.drop_application("stays");
    fleet.apply("").expect(0);
    assert!(there("stays", 1) && there("other", 1));
    let label = r".metadata.labels.applyset\.kubernetes\.io/part-of";
    assert_eq!(field(planes[1], "e2e-leaving", "configmap/stays", label), "", "it is let go, so it is nobody's part");
    fleet.run("plan . --exit-code").expect(0);
}

#[test]
fn one_of_three_clusters_is_down() {
    let Some(planes) = control_plane::clusters(3) else { return };
    let dead = (format!("https://127.0.0.1:{}", dead_port()), planes[0].file("ca.crt").to_string_lossy().into_owned());
    let mut servers: Vec<(String, String)> =
        planes.iter().map(|plane| (plane.server(), plane.file("ca.crt").to_string_lossy().into_owned())).collect();
    servers.insert(1, dead);
    let fleet = Fleet::reaching("e2e-down", &servers);
    for cluster in ["c0", "c1", "c2", "c3"] {
        let name = format!("web-{cluster}");
        fleet.application(&name, cluster, "e2e-down", PRUNE);
        fleet.write(&format!("apps/{name}/a.yaml"), &config_map("settings", "one"));
    }
    let ran = fleet.apply("").expect(5);
    assert!(ran.text().contains("c1"), "{}", ran.text());
    for plane in &planes {
        assert_eq!(field(plane, "e2e-down", "configmap/settings", ".data.value"), "one");
    }
    // Filters leave the broken one out.
    fleet.write("apps/web-c2/a.yaml", &config_map("settings", "two"));
    fleet.run("apply . --yes --cluster c2").expect(0);
    assert_eq!(field(planes[1], "e2e-down", "configmap/settings", ".data.value"), "two");
}

#[test]
fn a_plan_that_was_not_made_for_this_is_not_applied() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-plans", &[plane]);
    fleet.application("web", "c0", "e2e-plans", CREATE);
    fleet.write("apps/web/a.yaml", &config_map("settings", "one"));
    fleet.run("plan . -o seen.json --read-only").expect(0);
    fleet.run("plan . -o good.json").expect(0);
    let good = std::fs::read_to_string(fleet.file("good.json")).unwrap();
    fleet.write("edited.json", &good.replace("settings", "sittings"));
    fleet.write("broken.json", &good[..good.len() / 2]);
    let other = Fleet::new("e2e-plans-other", &[plane]);
    other.application("web", "c0", "e2e-plans", CREATE);
    other.write("apps/web/a.yaml", &config_map("settings", "one"));
    other.write("good.json", &good);
    for file in ["seen.json", "edited.json", "broken.json", "missing.json"] {
        let ran = fleet.run(&format!("apply {file} --yes")).expect(2);
        assert!(ran.stderr.contains(file), "{}", ran.stderr);
    }
    let ran = other.run("apply good.json --yes").expect(2);
    assert!(ran.stderr.contains("e2e-plans"), "{}", ran.stderr);
    assert!(!exists(plane, "", "namespace/e2e-plans"));
    // Bundles that were written before are as good as a compile.
    fleet.run("build .").expect(0);
    fleet.run("apply . --bundles bundles --yes").expect(0);
    assert_eq!(field(plane, "e2e-plans", "configmap/settings", ".data.value"), "one");
    let again = fleet.run("apply . --yes --format json").expect(0);
    let again: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["clusters"][0]["applications"][0]["result"], "unchanged");
    fleet.write("bundles/c0/apps/web.yaml", &config_map("settings", "forged"));
    assert_ne!(fleet.run("apply . --bundles bundles --yes").code, 0);
    assert_eq!(field(plane, "e2e-plans", "configmap/settings", ".data.value"), "one");
}

#[test]
fn two_at_once_do_not_meet() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-twice", &[plane]);
    fleet.application("web", "c0", "e2e-twice", CREATE);
    fleet.write("apps/web/a.yaml", &config_map("settings", "one"));
    let hook = "argocd.argoproj.io/hook: PreSync";
    fleet.write(
        "apps/web/b.yaml",
        &format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: once, annotations: {{{hook}}}}}\n\
             spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: main, image: busybox}}]}}}}}}\n"
        ),
    );
    let codes = std::thread::scope(|scope| {
        let runs = [0, 1].map(|_| scope.spawn(|| fleet.apply("")));
        runs.map(|run| run.join().unwrap().code)
    });
    assert!(codes.contains(&0), "{codes:?}");
    assert_eq!(field(plane, "e2e-twice", "configmap/settings", ".data.value"), "one");
    let made = fleet.writes(plane).into_iter().filter(|write| write.resource == "jobs" && write.verb != "delete");
    assert_eq!(made.filter(|write| write.code < 300).count(), 1, "the hook ran twice");
    fleet.apply("").expect(0);
    fleet.run("plan . --exit-code").expect(0);
}
