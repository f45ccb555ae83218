//! Rollouts on real clusters: waves over three of them with one that fails, and the steps of an ApplicationSet on one.

use crate::control_plane::fleet::{Fleet, REPOSITORY};
use crate::control_plane::{self};
use crate::e2e_slices::{config_map, deployment, exists, field};

const CREATE: &str = "syncPolicy: {syncOptions: [CreateNamespace=true]}";

/// A Deployment that never becomes ready: no node is like that.
fn nowhere(name: &str) -> String {
    deployment(name, "", "nginx:1").replace("spec: {containers", "spec: {nodeSelector: {place: nowhere}, containers")
}

#[test]
fn three_clusters_in_waves_with_one_that_fails() {
    let Some(planes) = control_plane::clusters(3) else { return };
    let fleet = Fleet::new("e2e-waves", &planes);
    let yaml = std::fs::read_to_string(fleet.file("fleet.yaml")).unwrap();
    let waves = "rollout:\n- name: web\n  waves:\n  - {name: one, clusters: [c0]}\n  - {name: two, selector: {matchLabels: {place: c1}}}\n";
    fleet.write("fleet.yaml", &format!("{yaml}{waves}"));
    let all = ["web-c0", "web-c1", "web-c2"];
    let set = |value: &str, broken: bool| {
        for name in all {
            fleet.write(&format!("apps/{name}/a.yaml"), &config_map("settings", value));
            let web = if broken && name == "web-c1" { nowhere("web") } else { deployment("web", "", "nginx:1") };
            fleet.write(&format!("apps/{name}/b.yaml"), &web);
        }
    };
    let live = || -> Vec<String> {
        planes.iter().map(|plane| field(plane, "e2e-waves", "configmap/settings", ".data.value")).collect()
    };
    for (name, cluster) in all.iter().zip(["c0", "c1", "c2"]) {
        fleet.application(name, cluster, "e2e-waves", CREATE);
    }
    set("one", false);
    let ran = fleet.apply("").expect(0);
    assert!(ran.stderr.contains("web: wave 3 of 3 (rest) is done: 1 of 1 cluster done"), "{}", ran.stderr);

    // The second cluster does not become healthy: the third is left as it is.
    set("two", true);
    let ran = fleet.apply("--timeout 8").expect(5);
    assert_eq!(live(), ["two", "two", "one"], "{}", ran.text());
    assert!(
        ran.stderr.contains("wave 2 of 3 (two): stopped: 1 of 1 cluster failed, 0 may: c1 (web-c1: Deployment.apps"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("c2 web-c2: skipped"), "{}", ran.stdout);
    // Nothing is left to do on it, and still it holds up the third.
    let before = fleet.writes(planes[1]).len();
    let ran = fleet.apply("--timeout 8 --continue").expect(5);
    assert_eq!(live(), ["two", "two", "one"], "{}", ran.text());
    assert_eq!(fleet.writes(planes[1]).len(), before, "it was only looked at");
    // Mended, it goes on.
    set("two", false);
    let ran = fleet.apply("--timeout 60 --continue").expect(0);
    assert_eq!(live(), ["two", "two", "two"], "{}", ran.text());

    // A pause in a saved plan, passed by naming nothing but `--continue`.
    fleet.write("fleet.yaml", &format!("{yaml}{}", waves.replace("[c0]", "[c0], soak: 1s, pause: true")));
    set("three", false);
    fleet.run("plan . -o plan.json").expect(0);
    let ran = fleet.run("apply plan.json").expect(1);
    assert_eq!(live(), ["three", "two", "two"], "{}", ran.text());
    assert!(ran.stderr.contains("has been left alone for 1 s, and is looked at again"), "{}", ran.stderr);
    let ran = fleet.run("apply plan.json --continue").expect(0);
    assert_eq!(live(), ["three", "three", "three"], "{}", ran.text());
    fleet.run("plan . --exit-code").expect(0);
}

#[test]
fn steps_of_an_application_set() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-steps", &[plane]);
    let set = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: web, namespace: argocd}}\nspec:\n\
         \x20 generators: [{{list: {{elements: [{{env: dev}}, {{env: prod}}, {{env: odd}}]}}}}]\n\
         \x20 strategy:\n    type: RollingSync\n    deletionOrder: Reverse\n    rollingSync:\n      steps:\n\
         \x20     - {{matchExpressions: [{{key: env, operator: In, values: [dev]}}]}}\n\
         \x20     - {{matchExpressions: [{{key: env, operator: In, values: [prod]}}], maxUpdate: 50%}}\n\
         \x20 template:\n    metadata: {{name: 'steps-{{{{env}}}}', labels: {{env: '{{{{env}}}}'}}}}\n\
         \x20   spec: {{project: default, source: {{repoURL: {REPOSITORY}, path: 'apps/{{{{env}}}}', targetRevision: HEAD}}, \
         destination: {{name: c0, namespace: 'e2e-steps-{{{{env}}}}'}}, \
         syncPolicy: {{automated: {{prune: true}}, syncOptions: [CreateNamespace=true]}}}}\n"
    );
    fleet.write("more/set.yaml", &set);
    let write = |value: &str, dev: &str| {
        for env in ["dev", "prod", "odd"] {
            fleet.write(&format!("apps/{env}/a.yaml"), &config_map("settings", value));
            fleet.write(&format!("apps/{env}/b.yaml"), if env == "dev" { dev } else { "# nothing\n" });
        }
    };
    let live = || {
        ["dev", "prod", "odd"].map(|env| field(plane, &format!("e2e-steps-{env}"), "configmap/settings", ".data.value"))
    };
    write("one", &nowhere("web"));
    let planned = fleet.run("plan .").expect(0);
    for line in [
        "ApplicationSet argocd/web: 2 steps, 2 applications",
        "  step 1 of 2: 1 application: steps-dev@c0",
        "1 application not updated, since no step of the ApplicationSet selects it: steps-odd@c0",
    ] {
        assert!(planned.stdout.contains(line), "{line}\n{}", planned.stdout);
    }
    let ran = fleet.apply("--timeout 8").expect(5);
    assert_eq!(live(), ["one", "", ""], "{}", ran.text());
    assert!(ran.stdout.contains("steps-odd: skipped") && ran.stdout.contains("--no-rollout"), "{}", ran.stdout);
    write("one", &deployment("web", "", "nginx:1"));
    let ran = fleet.apply("--timeout 60").expect(1);
    assert_eq!(live(), ["one", "one", ""], "{}", ran.text());
    fleet.apply("--no-rollout").expect(0);
    assert_eq!(live(), ["one", "one", "one"]);

    // Something must be left, or the fleet would be taken for one that was not found.
    fleet.application("stays", "c0", "e2e-steps-stays", CREATE);
    fleet.write("apps/stays/a.yaml", &config_map("settings", "one"));
    // The set goes: from the last step backwards, and what is in no step at once.
    fleet.remove("more/set.yaml");
    let before = fleet.writes(plane).len();
    let ran = fleet.apply("--max-removals 3").expect(0);
    let gone: Vec<String> = fleet.writes(plane)[before..]
        .iter()
        .filter(|write| write.verb == "delete" && write.resource == "configmaps" && write.name == "settings")
        .map(|write| write.namespace.clone())
        .collect();
    let place = |env: &str| gone.iter().position(|namespace| namespace == &format!("e2e-steps-{env}"));
    assert!(place("prod") < place("dev") && place("prod").is_some(), "{gone:?}\n{}", ran.text());
    assert!(!exists(plane, "e2e-steps-odd", "configmap/settings"));
}
