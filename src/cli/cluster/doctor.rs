//! `fleetc cluster doctor`: examines the clusters of a fleet, or one: whether they are reached and as whom, when certificates end, how far the
//! clocks are apart, whether the fleet may do what it has to, whether what renders are told is true, and whether the inventories are whole.
//!
//! Changes nothing. Exit code 5 when a check fails.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use fleetc::bundle;
use fleetc::cluster::Cluster;
use fleetc::diag::Diagnostics;
use fleetc::discovery;
use fleetc::host::cluster::{ClusterConnection, Inspection, RunOptions, connect};
use fleetc::join::doctor::{Finding, Questions, State, examine};
use fleetc::join::rights::Needs;
use fleetc::machine::Machine;
use fleetc::plan::ClusterInput;
use fleetc::yaml::Node;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{columns, inventories, slices};
use crate::cli::args::ClusterDoctor;
use crate::cli::assembly::Assembly;
use crate::cli::reach;
use crate::cli::report::{self, plural};
use crate::cli::session::print_out;

/// Days before its end from which a certificate or token is worth a word.
const SOON: i64 = 30;
/// Seconds that clocks may differ: leases are renewed by them.
const CLOCK: (i64, i64) = (10, 120);

/// What a cluster is to have.
#[derive(Clone, Default)]
struct Wanted {
    objects: Vec<Node>,
    applications: BTreeSet<fleetc::application::AppKey>,
}

/// Runs the command.
pub(super) fn run(args: &ClusterDoctor) -> ExitCode {
    // `doctor .` means the fleet here, all of it.
    let (mut fleet_args, mut name) = (args.fleet.clone(), args.name.clone());
    if let Some(folder) = &args.name
        && std::path::Path::new(folder).is_dir()
        && args.fleet.dir == std::path::Path::new(".")
        && (folder.contains('/') || folder == ".")
    {
        (fleet_args.dir, name) = (folder.into(), None);
    }
    let (session, declared, _, driver) = match super::open(&fleet_args) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    if let Some(name) = &name
        && let Err(unknown) = reach::named(&declared.clusters, name)
    {
        return session.refuse((*unknown).into());
    }
    let mut assembly = match Assembly::of(session, false, false) {
        Ok(assembly) => assembly,
        Err(code) => return code,
    };
    let mut diagnostics: Diagnostics = std::mem::take(&mut assembly.diagnostics);
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    let compiled = super::has_nothing(&mut diagnostics) || assembly.assembled.is_some();
    for bundle in assembly.assembled.take().into_iter().flat_map(|assembled| assembled.bundled.bundles) {
        let slot = wanted.entry(bundle.cluster.clone()).or_default();
        for slice in slices(&bundle) {
            slot.objects.extend(slice.objects.into_iter().map(|object| object.body));
            slot.applications.insert(slice.key.application);
        }
    }
    let (session, fleet) = (&assembly.session, &assembly.fleet);
    let which: Vec<usize> = match &name {
        Some(name) => reach::named(&fleet.clusters, name).into_iter().collect(),
        None => (0..fleet.clusters.len()).collect(),
    };
    let clusters: Vec<&Cluster> = which.iter().filter_map(|place| fleet.clusters.get(*place)).collect();
    let progress = session.progress("examining");
    let options = reach::options(&args.connection, fleet);
    let reached = connect(&driver, session.world.sources(), &fleet.clusters, &which, &options);
    diagnostics.extend(reached.diagnostics);
    let names: BTreeSet<String> = fleet.clusters.iter().map(|cluster| bundle::cluster_name(cluster, fleet)).collect();
    let mut found: Vec<(&Cluster, Vec<Finding>, String)> = Vec::new();
    let (mut work, mut connections, mut at): (Vec<_>, Vec<ClusterConnection>, Vec<usize>) = Default::default();
    for (cluster, connection) in clusters.iter().zip(reached.connections) {
        let name = bundle::cluster_name(cluster, fleet);
        let mut own = Vec::new();
        match connection {
            Ok(connection) => {
                let input = ClusterInput {
                    fleet: fleet.name.clone().unwrap_or_default(),
                    cluster: name.clone(),
                    parent_namespaces: inventories(fleet),
                    known: wanted.get(&name).map(|wanted| wanted.applications.clone()).unwrap_or_default(),
                    clusters: names.clone(),
                    ..ClusterInput::default()
                };
                let objects = wanted.get(&name).map(|wanted| wanted.objects.clone()).unwrap_or_default();
                let facts = cluster.facts.clone();
                let machine = Machine::new(move |port| async move {
                    let served = discovery::catalogue(&port).await.map(|served| served.resources).unwrap_or_default();
                    let kinds = where_they_are(&objects, &served);
                    examine(port, Questions { kinds, facts, input }).await
                });
                work.push((connection.clone(), machine));
                connections.push(connection);
                at.push(found.len());
            }
            Err(refused) => {
                let mut message = reach::short(&refused.message);
                message.extend(refused.hints.first().map(|hint| format!("; {hint}")));
                own.push(Finding { check: "reached", state: State::Failed, message });
            }
        }
        if !compiled {
            let message = "the fleet does not compile, so what it needs there is not known".to_owned();
            own.push(Finding { check: "fleet", state: State::Unknown, message });
        }
        found.push((cluster, own, String::new()));
    }
    let answers = driver.run(work, RunOptions::default(), &mut |_, _| {});
    let seen = driver.inspect(&connections);
    let now = Timestamp::now();
    for ((place, answer), seen) in at.into_iter().zip(answers).zip(seen) {
        let Some((_, list, identity)) = found.get_mut(place) else { continue };
        let broke = || {
            let message = "the request broke off".to_owned();
            (vec![Finding { check: "reached", state: State::Failed, message }], String::new())
        };
        let (findings, is) = answer.unwrap_or_else(broke);
        list.extend(findings);
        list.extend(times(&seen, now));
        *identity = is;
    }
    progress.finish_and_clear();
    let identities: Vec<(String, String)> =
        found.iter().map(|(cluster, _, identity)| (cluster.name.clone(), identity.clone())).collect();
    for (cluster, list, identity) in &mut found {
        let twins = identities.iter().filter(|(name, is)| !is.is_empty() && is == identity && *name != cluster.name);
        let twins: Vec<String> = twins.map(|(name, _)| format!("`{name}`")).collect();
        if !twins.is_empty() {
            let message = format!("it is the same cluster as {}", twins.join(", "));
            list.push(Finding { check: "identity", state: State::Warning, message });
        }
    }
    session.print_findings(&mut diagnostics);
    let failed = found.iter().flat_map(|(_, list, _)| list).filter(|finding| finding.state == State::Failed).count();
    if session.is_json() {
        let clusters: Vec<Value> = found.iter().map(data).collect();
        session.print_json(&diagnostics, json!({"clusters": clusters, "failed": failed}));
    } else {
        print_out(&text(&found));
        if failed > 0 {
            session.say(&format!("{} failed", plural(failed, "check")));
        }
    }
    let code = report::exit_code(&diagnostics, false);
    ExitCode::from(if code < 2 && failed > 0 { 5 } else { code })
}

/// The kinds of objects with the namespaces that they lie in.
fn where_they_are(
    objects: &[Node],
    served: &[fleetc::api::Resource],
) -> BTreeMap<fleetc::join::rights::Kind, BTreeSet<String>> {
    let mut kinds: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for object in objects {
        let needs = Needs::of([object], served);
        for kind in needs.kinds {
            kinds.entry(kind).or_default().extend(needs.namespaces.iter().cloned());
        }
    }
    kinds
}

/// What ends when, and how far the clocks are apart.
fn times(seen: &Inspection, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    let ends = seen.certificates.iter().map(|(whose, end)| ("certificate", format!("that of the {whose}"), *end));
    for (check, what, end) in ends.chain(seen.token.map(|end| ("token", "it".to_owned(), end))) {
        let days = (end.as_second() - now.as_second()).div_euclid(86_400);
        let date = end.strftime("%Y-%m-%d");
        let (state, message) = match days {
            ..0 => (State::Failed, format!("{what} ended on {date}")),
            0..SOON => (
                State::Warning,
                format!("{what} ends on {date}, in {}", plural(usize::try_from(days).unwrap_or(0), "day")),
            ),
            _ => (State::Ok, format!("{what} ends on {date}")),
        };
        found.push(Finding { check, state, message });
    }
    if let Some(ahead) = seen.ahead {
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        let message = if ahead == 0 { "as here".to_owned() } else { format!("{} s {side} the one here", ahead.abs()) };
        let state = match ahead.abs() {
            seconds if seconds > CLOCK.1 => State::Failed,
            seconds if seconds > CLOCK.0 => State::Warning,
            _ => State::Ok,
        };
        found.push(Finding { check: "clock", state, message });
    }
    found
}

fn data((cluster, list, identity): &(&Cluster, Vec<Finding>, String)) -> Value {
    let one =
        |finding: &Finding| json!({"check": finding.check, "state": finding.state.name(), "message": finding.message});
    json!({
        "name": cluster.name, "server": cluster.server, "instance": cluster.instance, "identity": identity,
        "checks": list.iter().map(one).collect::<Vec<_>>(),
    })
}

fn text(found: &[(&Cluster, Vec<Finding>, String)]) -> String {
    let mut table = vec![["NAME", "CHECK", "STATE", "MESSAGE"].map(str::to_owned).to_vec()];
    for (cluster, list, _) in found {
        for finding in list {
            let message = finding.message.lines().collect::<Vec<_>>().join(" ");
            table.push(vec![cluster.name.clone(), finding.check.to_owned(), finding.state.name().to_owned(), message]);
        }
    }
    columns(&table)
}
