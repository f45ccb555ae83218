//! Two hundred clusters at once, over HTTP and through the driver that real ones go through: planned, applied, planned again. One hangs and
//! one fails; nobody waits for them longer than their requests take, and all of it needs little memory.

pub(crate) mod server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use fleetc::apply::{Basis, SliceResult, apply};
use fleetc::cluster::{Cluster, ClusterOrigin, Facts};
use fleetc::host::cluster::{ClusterConnection, ConnectOptions, Driver, RunOptions, Timeouts, connect};
use fleetc::machine::Machine;
use fleetc::plan::{self, ClusterInput, guard};
use fleetc::span::{SourceMap, Span};

use crate::apply::{options, slice};
use server::{Mood, Served, serve};

const CLUSTERS: usize = 200;
const OBJECTS: usize = 50;
const HANGS: usize = 17;
const FAILS: usize = 42;
/// MiB that clients and servers together may need.
const MOST: u64 = 500;
/// Set in the process that measures: other tests of this one need memory, too.
const ALONE: &str = "FLEETC_TEST_ALONE";

fn input(cluster: &str) -> ClusterInput {
    let mut text = String::from("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n");
    for at in 1..OBJECTS {
        if at % 10 == 0 {
            let _ = writeln!(
                text,
                "---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d{at}, namespace: shop}}, spec: {{selector: \
                 {{matchLabels: {{app: d{at}}}}}, template: {{metadata: {{labels: {{app: d{at}}}}}, spec: {{containers: \
                 [{{name: web, image: 'web:1', env: [{{name: A, value: '{cluster}'}}]}}]}}}}}}}}"
            );
        } else {
            let _ = writeln!(
                text,
                "---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{at}, namespace: shop, labels: {{app: web}}}}, data: {{cluster: \
                 {cluster}, file.conf: '{}'}}}}",
                "key = value; ".repeat(20)
            );
        }
    }
    let slice = slice("many", "web", "syncPolicy: {automated: {prune: true}}", &text);
    assert_eq!(slice.objects.len(), OBJECTS);
    ClusterInput {
        fleet: "many".into(),
        cluster: cluster.into(),
        parent_namespaces: vec!["fleetc-system".into()],
        known: [slice.key.application.clone()].into(),
        slices: vec![slice],
        ..ClusterInput::default()
    }
}

/// Connections to all; whoever hangs is not waited for as long as the others, which share two cores.
fn connections(driver: &Driver, served: &[Served]) -> Vec<ClusterConnection> {
    let mut kubeconfig =
        String::from("apiVersion: v1\nkind: Config\nusers: [{name: u, user: {token: t}}]\nclusters:\n");
    let mut contexts = String::from("contexts:\n");
    for (at, served) in served.iter().enumerate() {
        let _ = writeln!(kubeconfig, "- {{name: c{at}, cluster: {{server: '{}'}}}}", served.url);
        let _ = writeln!(contexts, "- {{name: x{at}, context: {{cluster: c{at}, user: u}}}}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kubeconfig");
    std::fs::write(&file, format!("{kubeconfig}{contexts}")).unwrap();
    let clusters: Vec<Cluster> = (0..served.len())
        .map(|at| Cluster {
            name: format!("c{at}"),
            server: "https://elsewhere".to_owned(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            project: String::new(),
            instance: String::new(),
            facts: Facts::default(),
            object: format!("c{at}"),
            origin: ClusterOrigin::Fleet,
            span: Span::NONE,
        })
        .collect();
    let second = Duration::from_secs(1);
    let mut options = ConnectOptions {
        contexts: (0..served.len()).map(|at| (format!("c{at}"), format!("x{at}"))).collect(),
        kubeconfig: Some(file),
        timeouts: Timeouts { connect: 60 * second, request: 120 * second, program: second },
        ..ConnectOptions::default()
    };
    let which: Vec<usize> = (0..served.len()).collect();
    let mut reached = connect(driver, &SourceMap::default(), &clusters, &which, &options).connections;
    options.timeouts.request = 2 * second;
    let hangs = connect(driver, &SourceMap::default(), &clusters, &[HANGS], &options).connections.pop();
    reached[HANGS] = hangs.unwrap();
    reached.into_iter().map(|connection| connection.unwrap()).collect()
}

/// Runs all, and says how it was.
fn run() -> String {
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let served: Vec<Served> = (0..CLUSTERS)
        .map(|at| {
            let mood = if at == HANGS {
                Mood::Hangs
            } else if at == FAILS {
                Mood::Fails
            } else {
                Mood::Well
            };
            serve(&servers, u32::try_from(at).unwrap() + 1, mood)
        })
        .collect();
    let driver = Driver::start().unwrap();
    let connections = connections(&driver, &served);
    let inputs: Vec<Arc<ClusterInput>> = (0..CLUSTERS).map(|at| Arc::new(input(&format!("c{at}")))).collect();

    let begin = Instant::now();
    let planning = |inputs: &[Arc<ClusterInput>]| {
        let work = inputs.iter().zip(&connections).map(|(input, connection)| {
            let input = ClusterInput::clone(input);
            let machine = Machine::new(move |port| async move {
                let since = port.now();
                let (plan, ground) = plan::cluster(port, input).await;
                (plan, ground, since)
            });
            (connection.clone(), machine)
        });
        let planned = driver.run(work.collect(), RunOptions::default(), &mut |_, _| {});
        let planned = planned.into_iter().map(|planned| planned.unwrap());
        let (mut plans, mut grounds) = (Vec::new(), Vec::new());
        for (plan, ground, since) in planned {
            plans.push(plan);
            grounds.push((ground, since));
        }
        (plans, grounds)
    };
    let (mut plans, grounds) = planning(&inputs);
    guard::run(&mut plans, guard::Limits::default());
    let planned = begin.elapsed();
    for (at, plan) in plans.iter().enumerate() {
        assert_eq!(plan.failed.is_some(), at == HANGS || at == FAILS, "{at}: {:?}", plan.failed);
        let creations: usize = plan.slices.iter().map(|slice| slice.actions.len()).sum();
        assert_eq!(creations, if plan.failed.is_some() { 0 } else { OBJECTS }, "{at}: {:?}", plan.slices);
    }

    let work = connections.iter().zip(&inputs).zip(plans.iter().zip(grounds)).filter_map(
        |((connection, input), (plan, (ground, since)))| {
            let (input, plan, ground) = (ClusterInput::clone(input), plan.clone(), ground?);
            let machine = Machine::new(move |port| async move {
                apply(port, input, plan, Basis::Fresh { ground, since }, options()).await
            });
            Some((connection.clone(), machine))
        },
    );
    let outcomes = driver.run(work.collect(), RunOptions::default(), &mut |_, _| {});
    let applied = begin.elapsed() - planned;
    assert_eq!(outcomes.len(), CLUSTERS - 2);
    for outcome in outcomes {
        let outcome = outcome.unwrap();
        let results: Vec<(SliceResult, usize)> =
            outcome.slices.iter().map(|slice| (slice.result, slice.counts.created)).collect();
        assert_eq!(results, [(SliceResult::Applied, OBJECTS)], "{outcome:?}");
    }
    for (at, served) in served.iter().enumerate() {
        let cluster = served.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let there = cluster.find("v1", "ConfigMap", "shop", "c1").is_some();
        assert_eq!(there, at != HANGS && at != FAILS, "{at}");
    }

    let (plans, _) = planning(&inputs);
    let nothing = plans.iter().filter(|plan| plan.failed.is_none());
    assert!(nothing.clone().all(|plan| plan.slices.iter().all(|slice| !slice.has_work())));
    assert_eq!(nothing.count(), CLUSTERS - 2);
    let text = format!(
        "{CLUSTERS} clusters, {OBJECTS} objects each: planned in {:.1} s, applied in {:.1} s, planned again; peak {} MiB",
        planned.as_secs_f64(),
        applied.as_secs_f64(),
        peak()
    );
    assert!(peak() < MOST, "{} MiB", peak());
    servers.shutdown_background();
    text
}

/// The most memory that this process ever had, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[test]
fn two_hundred_at_once() {
    if std::env::var_os(ALONE).is_some() {
        println!("{}", run());
        return;
    }
    let this = std::env::current_exe().unwrap();
    let name = "many_clusters::two_hundred_at_once";
    let output =
        std::process::Command::new(this).args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    assert!(output.status.success() && text.contains("peak"), "{text}");
}
