//! What comes before what on a real cluster: hooks, waves, a CRD and its objects, objects that have to be made anew, namespaces.

use crate::control_plane::fleet::Fleet;
use crate::control_plane::{self, ControlPlane};
use crate::e2e_slices::{config_map, deployment, exists, field, on_objects};

const PRUNE: &str = "syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}";

fn job(name: &str, annotations: &str, shown: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\n\
         spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: main, image: busybox, args: [\"{shown}\"]}}]}}}}}}\n"
    )
}

/// What everybody wrote in a namespace, as `verb resource name`, in order.
fn story(plane: &ControlPlane, namespace: &str) -> Vec<String> {
    let writes = plane.writes("");
    let of = writes.iter().filter(|write| write.namespace == namespace && (200..300).contains(&write.code));
    of.map(|write| format!("{} {} {}", write.verb, write.resource, write.name)).collect()
}

/// The place of the last line that starts like this.
fn last(story: &[String], start: &str) -> usize {
    story.iter().rposition(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no `{start}` in {story:#?}"))
}

fn first(story: &[String], start: &str) -> usize {
    story.iter().position(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no `{start}` in {story:#?}"))
}

#[test]
fn hooks_run_around_what_changes_and_only_then() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-hooks", &[plane]);
    fleet.application("web", "c0", "e2e-hooks", PRUNE);
    let (pre, post) = ("argocd.argoproj.io/hook: PreSync", "argocd.argoproj.io/hook: PostSync");
    let gone = "argocd.argoproj.io/hook-delete-policy: HookSucceeded";
    fleet.write("apps/web/1.yaml", &job("migrate", pre, "up"));
    fleet.write("apps/web/2.yaml", &config_map("settings", "one"));
    fleet.write("apps/web/3.yaml", &job("notify", &format!("{post}, {gone}"), "done"));
    fleet.apply("").expect(0);
    let told = story(plane, "e2e-hooks");
    // The Job has ended before the first object is written, and the last object is there before the next Job begins.
    assert!(last(&told, "update jobs/status migrate") < first(&told, "patch configmaps settings"), "{told:#?}");
    let notified = told.iter().position(|line| line.ends_with("jobs notify")).unwrap();
    assert!(first(&told, "patch configmaps settings") < notified, "{told:#?}");
    assert!(exists(plane, "e2e-hooks", "job/migrate"));
    assert!(!exists(plane, "e2e-hooks", "job/notify"), "HookSucceeded deletes it");
    let uid = field(plane, "e2e-hooks", "job/migrate", ".metadata.uid");

    // Nothing changes: no hook runs.
    let before = fleet.writes(plane).len();
    fleet.apply("").expect(0);
    assert_eq!(fleet.writes(plane)[before..], []);
    // Something does: both run again, the first one made anew.
    fleet.write("apps/web/2.yaml", &config_map("settings", "two"));
    fleet.apply("").expect(0);
    assert_ne!(field(plane, "e2e-hooks", "job/migrate", ".metadata.uid"), uid);
    assert_eq!(field(plane, "e2e-hooks", "configmap/settings", ".data.value"), "two");
    let told = story(plane, "e2e-hooks");
    assert_eq!(told.iter().filter(|line| *line == "delete jobs notify").count(), 2, "{told:#?}");
    fleet.run("plan . --exit-code").expect(0);
}

#[test]
fn a_hook_that_fails_stops_its_application_only() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-badhook", &[plane]);
    for name in ["bad", "good"] {
        fleet.application(name, "c0", "e2e-badhook", PRUNE);
        fleet.write(&format!("apps/{name}/2.yaml"), &config_map(name, "one"));
    }
    let hook = job("never", "argocd.argoproj.io/hook: PreSync", "x");
    let hook = hook.replace("spec: {template:", "spec: {activeDeadlineSeconds: 1, template:");
    // Nobody can run this pod, so the Job reaches its deadline.
    let hook = hook.replace("{restartPolicy: Never,", "{restartPolicy: Never, nodeSelector: {no: node},");
    fleet.write("apps/bad/1.yaml", &hook);
    let ran = fleet.apply("").expect(5);
    assert!(ran.text().contains("never"), "{}", ran.text());
    assert!(exists(plane, "e2e-badhook", "configmap/good"), "{}", ran.text());
    assert!(!exists(plane, "e2e-badhook", "configmap/bad"), "{}", ran.text());
}

#[test]
fn a_wave_waits_for_the_health_of_the_one_before() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-waves", &[plane]);
    fleet.application("web", "c0", "e2e-waves", PRUNE);
    let wave = |text: String, wave: i32| {
        text.replacen(
            "metadata: {",
            &format!("metadata: {{annotations: {{argocd.argoproj.io/sync-wave: \"{wave}\"}}, "),
            1,
        )
    };
    fleet.write("apps/web/a.yaml", &wave(config_map("last", "x"), 2));
    fleet.write("apps/web/b.yaml", &wave(deployment("database", "replicas: 2, ", "postgres:17"), -1));
    fleet.write("apps/web/c.yaml", &config_map("middle", "x"));
    fleet.apply("").expect(0);
    let told = story(plane, "e2e-waves");
    let ready = told
        .iter()
        .enumerate()
        .filter(|(_, line)| line.ends_with("deployments/status database"))
        .map(|(at, _)| at)
        .filter(|at| *at < first(&told, "patch configmaps middle"))
        .count();
    assert!(
        ready > 0 && first(&told, "patch deployments database") < first(&told, "patch configmaps middle"),
        "{told:#?}"
    );
    assert!(first(&told, "patch configmaps middle") < first(&told, "patch configmaps last"), "{told:#?}");
    assert_eq!(field(plane, "e2e-waves", "deployment/database", ".status.readyReplicas"), "2");
}

#[test]
fn a_crd_and_its_objects_come_in_one_bundle_and_leave() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-crd", &[plane]);
    fleet.application("web", "c0", "e2e-crd", PRUNE);
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gizmos.e2e.example.com}\nspec:\n  \
               {group: e2e.example.com, scope: Namespaced, names: {kind: Gizmo, plural: gizmos}, versions: [{name: v1, served: true, storage: true, \
               schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer, maximum: 9}}}}}}}]}\n";
    let gizmo = |name: &str, size: u32| {
        format!("apiVersion: e2e.example.com/v1\nkind: Gizmo\nmetadata: {{name: {name}}}\nspec: {{size: {size}}}\n")
    };
    // The objects stand before their definition.
    fleet.write("apps/web/a.yaml", &gizmo("one", 1));
    fleet.write("apps/web/b.yaml", &gizmo("two", 2));
    fleet.write("apps/web/z.yaml", crd);
    let planned = fleet.run("plan .").expect(0);
    assert!(planned.stdout.contains("Gizmo"), "{}", planned.stdout);
    fleet.apply("").expect(0);
    assert_eq!(field(plane, "e2e-crd", "gizmos.e2e.example.com/two", ".spec.size"), "2");
    fleet.run("plan . --exit-code").expect(0);
    // What its schema refuses changes nothing.
    fleet.write("apps/web/a.yaml", &gizmo("one", 10));
    fleet.write("apps/web/b.yaml", &gizmo("two", 3));
    let refused = fleet.apply("");
    assert_ne!(refused.code, 0);
    assert!(refused.text().contains("one"), "{}", refused.text());
    assert_eq!(field(plane, "e2e-crd", "gizmos.e2e.example.com/two", ".spec.size"), "2");
    // An object of the kind leaves, the definition stays with the others.
    fleet.write("apps/web/b.yaml", &gizmo("two", 4));
    fleet.remove("apps/web/a.yaml");
    fleet.apply("").expect(0);
    assert!(!exists(plane, "e2e-crd", "gizmos.e2e.example.com/one"));
    assert_eq!(field(plane, "e2e-crd", "gizmos.e2e.example.com/two", ".spec.size"), "4");
}

#[test]
fn a_field_that_cannot_change_makes_the_object_anew() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-anew", &[plane]);
    fleet.application("web", "c0", "e2e-anew", PRUNE);
    fleet.write("apps/web/a.yaml", &deployment("web", "", "nginx:1"));
    fleet.write("apps/web/b.yaml", &job("once", "a: b", "one"));
    fleet.apply("").expect(0);
    let uid = field(plane, "e2e-anew", "deployment/web", ".metadata.uid");
    let job_uid = field(plane, "e2e-anew", "job/once", ".metadata.uid");
    fleet.write("apps/web/a.yaml", &deployment("web", "", "nginx:1").replace("app: web", "run: web"));
    fleet.write("apps/web/b.yaml", &job("once", "a: b", "two"));
    let planned = fleet.run("plan .").expect(0);
    assert!(planned.stdout.contains("cannot be changed"), "{}", planned.stdout);
    assert_eq!(field(plane, "e2e-anew", "deployment/web", ".metadata.uid"), uid);
    fleet.apply("").expect(0);
    let anew = field(plane, "e2e-anew", "deployment/web", ".metadata.uid");
    assert!(!anew.is_empty() && anew != uid);
    assert_ne!(field(plane, "e2e-anew", "job/once", ".metadata.uid"), job_uid);
    assert_eq!(field(plane, "e2e-anew", "job/once", ".spec.template.spec.containers[0].args[0]"), "two");
    fleet.run("plan . --exit-code").expect(0);
}

#[test]
fn a_namespace_goes_only_when_that_is_allowed_and_nobody_else_is_in_it() {
    let Some(plane) = control_plane::cluster() else { return };
    let fleet = Fleet::new("e2e-namespace", &[plane]);
    fleet.application("web", "c0", "default", "syncPolicy: {automated: {prune: true, allowEmpty: true}}");
    fleet.write("apps/web/a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: e2e-room}\n");
    fleet.write(
        "apps/web/b.yaml",
        &config_map("inside", "x").replace("name: inside", "name: inside, namespace: e2e-room"),
    );
    fleet.write("apps/web/c.yaml", &config_map("e2e-room-keeper", "x"));
    fleet.apply("").expect(0);
    assert!(exists(plane, "e2e-room", "configmap/inside"));
    plane.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lodger, namespace: e2e-room}\n");
    fleet.remove("apps/web/a.yaml");
    fleet.remove("apps/web/b.yaml");
    let ran = fleet.apply("");
    assert!(ran.text().contains("--allow-delete Namespace"), "{}", ran.text());
    assert_eq!(field(plane, "", "namespace/e2e-room", ".status.phase"), "Active");
    assert!(!exists(plane, "e2e-room", "configmap/inside"), "what is in it is no namespace");
    let ran = fleet.apply("--allow-delete Namespace");
    assert!(ran.text().contains("lodger"), "{}", ran.text());
    assert_eq!(field(plane, "", "namespace/e2e-room", ".status.phase"), "Active");
    plane.kubectl_ok(&["delete", "configmap", "lodger", "-n", "e2e-room"]);
    fleet.apply("--allow-delete Namespace").expect(0);
    assert!(!exists(plane, "", "namespace/e2e-room"), "apply waits until it is gone");
    fleet.run("plan . --exit-code").expect(0);
    // A namespace that CreateNamespace made is nobody's and stays.
    fleet.application(
        "guest",
        "c0",
        "e2e-made",
        "syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}",
    );
    fleet.write("apps/guest/a.yaml", &config_map("guest", "x"));
    fleet.apply("").expect(0);
    fleet.drop_application("guest");
    fleet.apply("--allow-delete Namespace").expect(0);
    assert!(!exists(plane, "e2e-made", "configmap/guest"));
    assert_eq!(field(plane, "", "namespace/e2e-made", ".status.phase"), "Active");
    let before = fleet.writes(plane).len();
    fleet.apply("").expect(0);
    assert_eq!(on_objects(&fleet.writes(plane)[before..]), Vec::<String>::new());
}
