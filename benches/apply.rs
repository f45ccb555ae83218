//! `fleetc apply` and a `fleetc plan` that finds nothing to do against `kubectl apply --server-side`, on the same real server in one run:
//! `cargo bench --bench apply`. 1,800 ConfigMaps and 200 Deployments; plan and compile included, no wait for health.
//!
//! The server is the one of the tests (tests/it/control_plane), started for this alone, each tool with a namespace of its own. Both run
//! `ROUNDS` times from nothing, taking turns; the medians are compared. `FLEETC_BENCH_ROUNDS=1` for a quick look.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a program that measures: it runs programs, looks at the clock and prints"
)]

#[cfg(unix)]
#[expect(dead_code, unused_imports, reason = "tests use more of it")]
#[path = "../tests/it/control_plane/mod.rs"]
mod control_plane;

#[cfg(unix)]
fn main() {
    measure::main();
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod measure {
    use std::fmt::Write as _;
    use std::time::{Duration, Instant};

    use crate::control_plane::fleet::Fleet;
    use crate::control_plane::{self, ControlPlane};

    const CONFIG_MAPS: usize = 1_800;
    const DEPLOYMENTS: usize = 200;

    fn objects() -> String {
        let mut text = String::new();
        for at in 0..CONFIG_MAPS {
            let _ = write!(
                text,
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings-{at}, labels: {{app: web-{at}}}}}\n\
                 data: {{key: value-{at}, file: \"a line of text\\nand another line {at}\\n\"}}\n"
            );
        }
        for at in 0..DEPLOYMENTS {
            let _ = write!(
                text,
                "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web-{at}}}\n\
                 spec: {{replicas: 1, selector: {{matchLabels: {{app: web-{at}}}}}, template: {{metadata: {{labels: {{app: web-{at}}}}}, \
                 spec: {{containers: [{{name: main, image: \"nginx:{at}\", ports: [{{containerPort: 80}}], \
                 resources: {{requests: {{cpu: 1m, memory: 1Mi}}}}}}]}}}}}}\n"
            );
        }
        text
    }

    fn timed<T>(work: impl FnOnce() -> T) -> f64 {
        let begin = Instant::now();
        let _ = work();
        begin.elapsed().as_secs_f64()
    }

    fn median(mut times: Vec<f64>) -> f64 {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }

    /// Until the controllers are done with what was applied.
    fn quiet(plane: &ControlPlane) {
        let begin = Instant::now();
        let mut last = 0;
        while begin.elapsed() < Duration::from_secs(180) {
            std::thread::sleep(Duration::from_secs(3));
            let writes = plane.writes("").len();
            if writes.saturating_sub(last) < 10 {
                return;
            }
            last = writes;
        }
    }

    fn gone(plane: &ControlPlane, namespaces: [&str; 2]) {
        plane.kubectl_ok(&[
            "delete",
            "namespace",
            "--ignore-not-found",
            "--timeout=300s",
            namespaces[0],
            namespaces[1],
        ]);
        plane.kubectl_ok(&["delete", "configmap", "--all", "-n", "fleetc-system"]);
        quiet(plane);
    }

    pub(super) fn main() {
        if !control_plane::available() {
            println!("no control plane: see above");
            return;
        }
        let rounds = std::env::var("FLEETC_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
        let plane = ControlPlane::start();
        let fleet = Fleet::new("bench", &[&plane]);
        fleet.application("web", "c0", "bench-ours", "syncPolicy: {syncOptions: [CreateNamespace=true]}");
        let text = objects();
        fleet.write("apps/web/all.yaml", &text);
        fleet.write("../all.yaml", &text);
        let file = fleet.file("../all.yaml").to_string_lossy().into_owned();
        let theirs = ["apply", "--server-side", "-n", "bench-theirs", "-f", &file];
        let (mut installs, mut noops, mut plans, mut kubectl, mut again) = (vec![], vec![], vec![], vec![], vec![]);
        for round in 0..rounds {
            plane.kubectl_ok(&["create", "namespace", "bench-theirs"]);
            quiet(&plane);
            kubectl.push(timed(|| plane.kubectl_ok(&theirs)));
            quiet(&plane);
            again.push(timed(|| plane.kubectl_ok(&theirs)));
            quiet(&plane);
            installs.push(timed(|| fleet.apply("--wait never").expect(0)));
            quiet(&plane);
            plans.push(timed(|| fleet.run("plan . --exit-code").expect(0)));
            noops.push(timed(|| fleet.apply("--wait never").expect(0)));
            let rows = [
                ("kubectl apply", &kubectl),
                ("again", &again),
                ("fleetc apply", &installs),
                ("plan", &plans),
                ("again", &noops),
            ];
            let rows = rows.map(|(name, times)| format!("{name} {:.2} s", times.last().copied().unwrap_or_default()));
            println!("round {}: {}", round + 1, rows.join(", "));
            gone(&plane, ["bench-theirs", "bench-ours"]);
        }
        let (kubectl, again) = (median(kubectl), median(again));
        let (install, plan, noop) = (median(installs), median(plans), median(noops));
        println!("{} objects, medians of {rounds}:", CONFIG_MAPS + DEPLOYMENTS);
        println!("  install: kubectl {kubectl:.2} s, fleetc {install:.2} s: {:.1} x", kubectl / install);
        println!("  nothing to do, plan: kubectl {again:.2} s, fleetc {plan:.2} s: {:.1} x", again / plan);
        println!("  nothing to do, apply: kubectl {again:.2} s, fleetc {noop:.2} s: {:.1} x", again / noop);
    }
}
