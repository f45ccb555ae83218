//! A sample of faults on a real server: at chosen requests of an apply with hooks and prunes the connection breaks before or after the
//! server has done it, the server answers 409, 429 or 500, or fleetc is killed. A second run from an empty work folder ends in the
//! desired state, has touched nothing foreign and has forgotten nothing of its own. All points are tried on the simulated server.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::control_plane::fleet::Fleet;
use crate::control_plane::proxy::{Fault, Proxy};
use crate::control_plane::{self, ControlPlane};
use crate::e2e_slices::{exists, field, on_objects};

const KINDS: [Fault; 6] =
    [Fault::Before, Fault::After, Fault::Status(409), Fault::Status(429), Fault::Status(500), Fault::Killed];
const POINTS: usize = 30;
/// ConfigMaps that stay, that leave and that come.
const OBJECTS: usize = 46;
const LEAVE: usize = 6;
/// Tries at a time.
const LANES: usize = 3;

fn objects(names: std::ops::Range<usize>, value: &str) -> String {
    let mut text = String::new();
    for at in names {
        let _ =
            write!(text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{at}}}\ndata: {{value: {value}}}\n");
    }
    text
}

fn hook(name: &str, phase: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {{argocd.argoproj.io/hook: {phase}}}}}\ndata: {{a: b}}\n"
    )
}

fn scene(name: &str, proxy: &Proxy) -> Fleet {
    let fleet = Fleet::reaching(name, &[(proxy.url(), String::new())]);
    fleet.application("web", "c0", name, "syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}");
    fleet.write("apps/web/a.yaml", &objects(0..OBJECTS, "one"));
    fleet
}

/// What the fleet says after the change: six objects left, six came, the others changed; hooks before and after, one of them a Job.
fn change(fleet: &Fleet) {
    let job = "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {argocd.argoproj.io/hook: PreSync}}\n\
               spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: busybox}]}}}\n";
    let text =
        [objects(LEAVE..OBJECTS + LEAVE, "two"), job.to_owned(), hook("before", "PreSync"), hook("after", "PostSync")]
            .concat();
    fleet.write("apps/web/a.yaml", &text);
}

/// What is wrong after a fault and another run.
fn judge(plane: &ControlPlane, fleet: &Fleet, name: &str, proxy: &Proxy, foreign: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let (code, text, _) = proxy.run(&mut fleet.command("apply . --yes"), None);
    if code != Some(0) {
        wrong.push(format!("the second run ended with {code:?}: {text}"));
    }
    let rows = names(plane, name);
    for at in 0..OBJECTS + LEAVE {
        let there = rows.split(' ').any(|row| row == format!("m{at}=two"));
        let any = rows.split(' ').any(|row| row.starts_with(&format!("m{at}=")));
        if at < LEAVE && any {
            wrong.push(format!("m{at} was to leave"));
        } else if at >= LEAVE && !there {
            wrong.push(format!("m{at} is not as it should be"));
        }
    }
    for one in ["configmap/before", "configmap/after", "job/migrate"] {
        if !exists(plane, name, one) {
            wrong.push(format!("the hook {one} did not run"));
        }
    }
    if field(plane, name, "configmap/foreign", ".metadata.resourceVersion") != foreign {
        wrong.push("the foreign object was touched".to_owned());
    }
    let before = plane.writes("").len();
    let (code, text, _) = proxy.run(&mut fleet.command("apply . --yes"), None);
    let after = plane.writes("");
    let own: Vec<_> = after[before..].iter().filter(|write| write.user == fleet.user).cloned().collect();
    if code != Some(0) || !on_objects(&own).is_empty() {
        wrong.push(format!("a third run has something to do: {code:?} {own:?} {text}"));
    }
    wrong
}

/// Names and values of all ConfigMaps.
fn names(plane: &ControlPlane, namespace: &str) -> String {
    let template = r#"jsonpath={range .items[*]}{.metadata.name}={.data.value} {end}"#;
    plane.kubectl_ok(&["get", "configmap", "-n", namespace, "-o", template])
}

#[test]
fn thirty_points_on_a_real_server() {
    let Some(plane) = control_plane::cluster() else { return };
    // Without faults, to know how many requests there are.
    let proxy = Proxy::start(plane);
    let fleet = scene("e2e-fault-none", &proxy);
    let (code, text, _) = proxy.run(&mut fleet.command("apply . --yes"), None);
    assert_eq!(code, Some(0), "{text}");
    change(&fleet);
    let (code, text, calls) = proxy.run(&mut fleet.command("apply . --yes"), None);
    assert_eq!(code, Some(0), "{text}");
    assert!(calls > OBJECTS, "{calls} requests");
    plane.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: foreign, namespace: e2e-fault-none}\n");
    let foreign = field(plane, "e2e-fault-none", "configmap/foreign", ".metadata.resourceVersion");
    assert_eq!(judge(plane, &fleet, "e2e-fault-none", &proxy, &foreign), Vec::<String>::new());

    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let proxy = Proxy::start(plane);
                loop {
                    let point = next.fetch_add(1, Ordering::SeqCst);
                    if point >= POINTS {
                        break;
                    }
                    // Spread over all requests; the kinds take turns, so that each meets the beginning, the middle and the end.
                    let (call, fault) = ((point * calls + calls / 2) / POINTS, KINDS[point % KINDS.len()]);
                    let name = format!("e2e-fault-{point}");
                    let fleet = scene(&name, &proxy);
                    let (code, text, _) = proxy.run(&mut fleet.command("apply . --yes"), None);
                    assert_eq!(code, Some(0), "{text}");
                    plane.apply(&format!(
                        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: foreign, namespace: {name}}}\n"
                    ));
                    let foreign = field(plane, &name, "configmap/foreign", ".metadata.resourceVersion");
                    change(&fleet);
                    let (code, ..) = proxy.run(&mut fleet.command("apply . --yes"), Some((call, fault)));
                    // Nothing of the first run is left but what is on the cluster.
                    let _ = std::fs::remove_dir_all(fleet.path().join("bundles"));
                    let found = judge(plane, &fleet, &name, &proxy, &foreign);
                    if !found.is_empty() {
                        wrong.lock().unwrap().push(format!(
                            "{fault:?} at request {call} of {calls} (ended with {code:?}): {}",
                            found.join("; ")
                        ));
                    }
                    plane.kubectl(&["delete", "namespace", &name, "--wait=false"]);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!("{POINTS} fault points on a real server, over {calls} requests");
    assert!(wrong.is_empty(), "{} of {POINTS} points:\n{}", wrong.len(), wrong.join("\n"));
}

/// The proxy does what it is told: a command that asks once and tries nothing again.
#[test]
fn faults_arrive() {
    let Some(plane) = control_plane::cluster() else { return };
    let proxy = Proxy::start(plane);
    let fleet = scene("e2e-fault-proxy", &proxy);
    let run = |fault| proxy.run(&mut fleet.command("cluster facts c0 ."), fault);
    let (code, text, calls) = run(None);
    assert_eq!((code, calls), (Some(0), 3), "{text}");
    for call in 0..calls {
        for fault in KINDS {
            let (code, text, seen) = run(Some((call, fault)));
            let expected = if fault == Fault::Killed { None } else { Some(5) };
            assert_eq!((code, seen), (expected, call + 1), "{fault:?} {text}");
        }
    }
}
