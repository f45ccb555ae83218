//! Whose field and whose object it is, on a real cluster: autoscalers, people, other tools, another fleet.

use crate::control_plane::fleet::Fleet;
use crate::control_plane::{self};
use crate::e2e_slices::{config_map, deployment, exists, field, on_objects};

const PRUNE: &str = "syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}";

#[test]
fn an_autoscaler_keeps_its_replicas() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-hpa", &[plane]);
    fleet.application("web", "c0", "e2e-hpa", PRUNE);
    fleet.write("apps/web/a.yaml", &deployment("web", "replicas: 2, ", "nginx:1"));
    fleet.apply("").expect(0);
    // As the HorizontalPodAutoscaler controller writes it.
    let patch = ["patch", "deployment", "web", "-n", "e2e-hpa", "--subresource=scale", "--type=merge"];
    let scaled =
        [&patch[..], &["--field-manager=kube-controller-manager", "-p", r#"{"spec":{"replicas":5}}"#]].concat();
    plane.kubectl_ok(&scaled);
    fleet.write("apps/web/a.yaml", &deployment("web", "replicas: 2, ", "nginx:2"));
    let ran = fleet.apply("").expect(0);
    assert!(ran.text().contains("HorizontalPodAutoscaler"), "{}", ran.text());
    assert_eq!(field(plane, "e2e-hpa", "deployment/web", ".spec.replicas"), "5");
    assert_eq!(field(plane, "e2e-hpa", "deployment/web", ".spec.template.spec.containers[0].image"), "nginx:2");
    let before = fleet.writes(plane).len();
    fleet.apply("").expect(0);
    assert_eq!(
        on_objects(&fleet.writes(plane)[before..]),
        Vec::<String>::new(),
        "what was left to it is no difference"
    );
    // A restart is left to whoever asked for it.
    plane.kubectl_ok(&["rollout", "restart", "deployment/web", "-n", "e2e-hpa"]);
    fleet.write("apps/web/a.yaml", &deployment("web", "replicas: 2, ", "nginx:3"));
    fleet.apply("").expect(0);
    let restarted = r".spec.template.metadata.annotations.kubectl\.kubernetes\.io/restartedAt";
    assert_ne!(field(plane, "e2e-hpa", "deployment/web", restarted), "");
}

#[test]
fn what_a_person_changed_is_not_taken_from_them() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-person", &[plane]);
    for name in ["touched", "other"] {
        fleet.application(name, "c0", "e2e-person", PRUNE);
        fleet.write(&format!("apps/{name}/a.yaml"), &config_map(name, "one"));
        fleet.write(&format!("apps/{name}/b.yaml"), &config_map(&format!("{name}-more"), "one"));
    }
    fleet.apply("").expect(0);
    let by_hand = r#"{"data":{"value":"by hand"}}"#;
    let patch = ["patch", "configmap", "touched", "-n", "e2e-person", "--type=merge", "-p", by_hand];
    plane.kubectl_ok(&[&patch[..], &["--field-manager=kubectl-edit"]].concat());
    for name in ["touched", "other"] {
        fleet.write(&format!("apps/{name}/a.yaml"), &config_map(name, "two"));
        fleet.write(&format!("apps/{name}/b.yaml"), &config_map(&format!("{name}-more"), "two"));
    }
    let ran = fleet.apply("").expect(5);
    assert!(ran.text().contains("kubectl-edit") && ran.text().contains(".data.value"), "{}", ran.text());
    let value = |name: &str| field(plane, "e2e-person", &format!("configmap/{name}"), ".data.value");
    assert_eq!(value("touched"), "by hand");
    assert_eq!(value("touched-more"), "one", "a slice is applied whole or not at all");
    assert_eq!((value("other"), value("other-more")), ("two".to_owned(), "two".to_owned()), "another slice goes on");
    fleet.apply("--take-ownership").expect(0);
    assert_eq!((value("touched"), value("touched-more")), ("two".to_owned(), "two".to_owned()));
    fleet.run("plan . --exit-code").expect(0);
}

#[test]
fn an_object_that_was_there_becomes_ours_unless_another_set_has_it() {
    let Some(plane) = control_plane::cluster() else { return };
    plane.kubectl_ok(&["create", "namespace", "e2e-adopt"]);
    plane.apply(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: found, namespace: e2e-adopt}\ndata: {theirs: \"1\"}\n",
    );
    let mark = "labels: {applyset.kubernetes.io/part-of: applyset-0eFHV8ySqp7XoShsGvyWFQD3s96yqwHmzc4e0HR1dsY-v1}";
    plane.apply(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: taken, namespace: e2e-adopt, {mark}}}\ndata: {{theirs: \"1\"}}\n"));
    let fleet = Fleet::new("e2e-adopt", &[plane]);
    fleet.application("finds", "c0", "e2e-adopt", PRUNE);
    fleet.application("takes", "c0", "e2e-adopt", PRUNE);
    fleet.write("apps/finds/a.yaml", &config_map("found", "ours"));
    fleet.write("apps/takes/a.yaml", &config_map("taken", "ours"));
    let planned = fleet.run("plan .");
    assert!(planned.stdout.contains("adopt"), "{}", planned.stdout);
    let ran = fleet.apply("").expect(5);
    assert!(ran.text().contains("taken"), "{}", ran.text());
    let value =
        |name: &str, key: &str| field(plane, "e2e-adopt", &format!("configmap/{name}"), &format!(".data.{key}"));
    assert_eq!((value("found", "value"), value("found", "theirs")), ("ours".to_owned(), "1".to_owned()));
    assert_eq!((value("taken", "value"), value("taken", "theirs")), (String::new(), "1".to_owned()));
    // Another fleet keeps its hands off what this one has, and off its applications.
    let second = Fleet::new("e2e-adopt-second", &[plane]);
    second.application("finds", "c0", "e2e-adopt", PRUNE);
    second.write("apps/finds/a.yaml", &config_map("found", "second"));
    let ran = second.apply("").expect(5);
    assert!(ran.text().contains("found"), "{}", ran.text());
    assert_eq!(value("found", "value"), "ours");
    second.drop_application("finds");
    second.application("empty", "c0", "e2e-adopt", PRUNE);
    second.write("apps/empty/a.yaml", &config_map("second", "x"));
    second.apply("").expect(0);
    assert!(exists(plane, "e2e-adopt", "configmap/found"), "an application of another fleet was read as gone");
    // What was adopted keeps what others own of it when it leaves: it is deleted only if we own it, which we do.
    fleet.drop_application("takes");
    fleet.apply("").expect(0);
    assert_eq!(value("taken", "theirs"), "1");
}

#[test]
fn a_cluster_that_is_another_one_is_refused() {
    let Some(planes) = control_plane::clusters(2) else { return };
    let fleet = Fleet::new("e2e-identity", &planes[..1]);
    fleet.application("web", "c0", "e2e-identity", PRUNE);
    fleet.write("apps/web/a.yaml", &config_map("settings", "one"));
    fleet.run("plan . -o plan.json").expect(0);
    // The same name and context lead elsewhere by now.
    let swapped = fleet.kubeconfig_text().replace(&planes[0].server(), &planes[1].server());
    let swapped =
        swapped.replace(&*planes[0].file("ca.crt").to_string_lossy(), &planes[1].file("ca.crt").to_string_lossy());
    fleet.set_kubeconfig(&swapped);
    let ran = fleet.run("apply plan.json --yes").expect(5);
    assert!(ran.text().contains("c0"), "{}", ran.text());
    assert!(!exists(planes[1], "", "namespace/e2e-identity"), "it was applied to another cluster");
}

#[test]
fn secrets_are_never_shown() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-secret", &[plane]);
    fleet.application("web", "c0", "e2e-secret", PRUNE);
    let secret = |value: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: password}}\nstringData: {{password: {value}}}\n")
    };
    // base64 of the words, too.
    let hidden = ["swordfish", "c3dvcmRmaXNo", "open-sesame", "b3Blbi1zZXNhbWU="];
    let check = |text: &str| assert!(!hidden.iter().any(|word| text.contains(word)), "{text}");
    fleet.write("apps/web/a.yaml", &secret("swordfish"));
    check(&fleet.run("plan . -o plan.json").expect(0).text());
    check(&std::fs::read_to_string(fleet.file("plan.json")).unwrap());
    check(&fleet.apply("").expect(0).text());
    fleet.write("apps/web/a.yaml", &secret("open-sesame"));
    check(&fleet.run("plan . -o plan.json").expect(0).text());
    check(&fleet.run("plan . --format json").expect(0).text());
    check(&std::fs::read_to_string(fleet.file("plan.json")).unwrap());
    check(&fleet.apply("").expect(0).text());
    assert_eq!(field(plane, "e2e-secret", "secret/password", ".data.password"), "b3Blbi1zZXNhbWU=");
    let parents = plane.kubectl_ok(&[
        "get",
        "configmap",
        "-n",
        "fleetc-system",
        "-l",
        "fleetc.dev/fleet=e2e-secret",
        "-o",
        "json",
    ]);
    check(&parents);
    fleet.run("plan . --exit-code").expect(0);
}
