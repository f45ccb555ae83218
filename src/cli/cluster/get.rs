//! `fleetc cluster get`: everything that is known of one cluster, from the fleet's files, from what they compile to and from the cluster
//! itself. Changes nothing. A cluster that is not reached is no error: what the files say is printed all the same. No login is printed.

use std::collections::BTreeMap;
use std::process::ExitCode;

use fleetc::application::AppKey;
use fleetc::bundle::{self, Entry, Index, State};
use fleetc::cluster::{Cluster, ClusterOrigin};
use fleetc::host::cluster::{Driver, connect};
use fleetc::machine::Port;
use fleetc::plan::{ClusterInput, Ground, Record, Talk};
use serde_json::{Value, json};

use super::{columns, inventories, on};
use crate::cli::args::ClusterGet;
use crate::cli::assembly::Assembly;
use crate::cli::reach;
use crate::cli::report::{self, plural};
use crate::cli::session::print_out;

/// An application that the cluster has, by its inventory.
#[derive(Default)]
struct Owned {
    objects: usize,
    project: String,
    sources: Vec<String>,
    /// The fleet has it there, too.
    declared: bool,
}

/// What the cluster itself says.
#[derive(Default)]
struct Live {
    status: &'static str,
    message: String,
    version: String,
    identity: String,
    /// By application; `None` where nobody may look, or the fleet has no name.
    owned: Option<BTreeMap<AppKey, Owned>>,
    /// What is wrong with the inventories.
    broken: Vec<String>,
}

/// Runs the command.
pub(super) fn run(args: &ClusterGet) -> ExitCode {
    let (session, declared, _, driver) = match super::open(&args.fleet) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    if let Err(unknown) = reach::named(&declared.clusters, &args.name) {
        return session.refuse((*unknown).into());
    }
    let mut assembly = match Assembly::of(session, false, false) {
        Ok(assembly) => assembly,
        Err(code) => return code,
    };
    let mut diagnostics = std::mem::take(&mut assembly.diagnostics);
    let is_empty = super::has_nothing(&mut diagnostics);
    let (session, fleet) = (&assembly.session, &assembly.fleet);
    let place = match reach::named(&fleet.clusters, &args.name) {
        Ok(place) => place,
        Err(unknown) => return session.refuse((*unknown).into()),
    };
    let Some(cluster) = fleet.clusters.get(place) else { return ExitCode::from(2) };
    let name = bundle::cluster_name(cluster, fleet);
    let bundles = assembly.assembled.as_ref().map(|assembled| &assembled.bundled.bundles);
    let index: Option<&Index> =
        bundles.and_then(|bundles| bundles.iter().find(|bundle| bundle.cluster == name)).map(|bundle| &bundle.index);
    let entries: Option<&[Entry]> = match is_empty {
        true => Some(&[]),
        false => bundles.map(|_| index.map_or(&[][..], |index| &index.applications)),
    };
    let options = reach::options(&args.connection, fleet);
    let reached = connect(&driver, session.world.sources(), &fleet.clusters, &[place], &options);
    diagnostics.extend(reached.diagnostics);
    let live = match reached.connections.into_iter().next() {
        Some(Ok(connection)) => {
            let input = ClusterInput {
                fleet: fleet.name.clone().unwrap_or_default(),
                cluster: name.clone(),
                parent_namespaces: inventories(fleet),
                known: entries.unwrap_or_default().iter().map(|entry| entry.key.clone()).collect(),
                ..ClusterInput::default()
            };
            let progress = session.progress("asking the cluster");
            let live = look(&driver, &connection, input);
            progress.finish_and_clear();
            live
        }
        Some(Err(refused)) => {
            let mut message = reach::short(&refused.message);
            message.extend(refused.hints.first().map(|hint| format!("; {hint}")));
            Live { status: "Unknown", message, ..Live::default() }
        }
        None => Live::default(),
    };
    session.print_findings(&mut diagnostics);
    let at = session.world.sources().locate(cluster.span).map(|at| at.to_string());
    if session.is_json() {
        session.print_json(&diagnostics, data(cluster, at.as_deref(), entries, &live));
    } else {
        print_out(&text(cluster, at.as_deref(), entries, &live));
    }
    ExitCode::from(report::exit_code(&diagnostics, false))
}

fn look(driver: &Driver, connection: &fleetc::host::cluster::ClusterConnection, input: ClusterInput) -> Live {
    let asked = on(driver, connection, |port| async move { Ok(ask(port, input).await) });
    asked.unwrap_or_else(|message| Live { status: "Failed", message, ..Live::default() })
}

async fn ask(port: Port, input: ClusterInput) -> Live {
    let mut live = Live::default();
    match fleetc::discovery::version(&port).await {
        Err(message) => return Live { status: "Failed", message, ..live },
        Ok(version) => (live.status, live.version) = ("Successful", version),
    }
    live.identity = super::identity(&port).await;
    if input.fleet.is_empty() {
        live.message = "the fleet has no name, so it has no inventories".to_owned();
        return live;
    }
    let talk = Talk::new(port, input.options.in_flight);
    match Ground::load(&talk, &input).await {
        Err(why) => live.message = format!("its inventories are not known: {why}"),
        Ok(ground) => {
            live.broken = ground
                .broken
                .iter()
                .map(|(name, why)| format!("ConfigMap {}/{}: {why}", name.namespace, name.name))
                .collect();
            let owned = ground.parents.iter().map(|(app, parent)| {
                let record = Record::read(&parent.record);
                let declared = input.known.contains(app);
                (
                    app.clone(),
                    Owned { objects: parent.items.len(), project: record.project, sources: record.sources, declared },
                )
            });
            live.owned = Some(owned.collect());
        }
    }
    live
}

fn origin(cluster: &Cluster) -> &'static str {
    match cluster.origin {
        ClusterOrigin::Secret => "Secret",
        ClusterOrigin::Stub => "stub",
        ClusterOrigin::Fleet => "fleet.yaml",
        ClusterOrigin::Implicit => "the cluster that Argo CD runs in",
    }
}

fn state(entry: &Entry) -> &'static str {
    match entry.state {
        State::Ok => "ok",
        State::Held => "held",
        State::Absent => "absent",
    }
}

fn sources(entry: &Entry) -> Vec<String> {
    let one = |source: &bundle::SourceRecord| {
        let what = if source.chart.is_empty() { &source.path } else { &source.chart };
        format!("{}@{} {what}", source.repo_url, source.revision).trim_end().to_owned()
    };
    entry.sources.iter().map(one).collect()
}

/// Labels without the one that makes a Secret a cluster; annotations without what kubectl keeps there.
fn shown(map: &BTreeMap<String, String>) -> BTreeMap<&String, &String> {
    let plain = |key: &str| {
        key != "argocd.argoproj.io/secret-type" && key != "kubectl.kubernetes.io/last-applied-configuration"
    };
    map.iter().filter(|(key, _)| plain(key)).collect()
}

fn data(cluster: &Cluster, at: Option<&str>, entries: Option<&[Entry]>, live: &Live) -> Value {
    let applications = entries.map(|entries| -> Vec<Value> {
        let one = |entry: &Entry| {
            json!({
                "application": entry.key.to_string(), "project": entry.project, "namespace": entry.namespace,
                "state": state(entry), "why": entry.why, "sources": sources(entry),
            })
        };
        entries.iter().map(one).collect()
    });
    let owned = live.owned.as_ref().map(|owned| -> Vec<Value> {
        let one = |(app, owned): (&AppKey, &Owned)| {
            json!({
                "application": app.to_string(), "objects": owned.objects, "project": owned.project,
                "sources": owned.sources, "declared": owned.declared,
            })
        };
        owned.iter().map(one).collect()
    });
    json!({
        "name": cluster.name, "server": cluster.server, "instance": cluster.instance, "project": cluster.project,
        "declared": {"by": origin(cluster), "at": at},
        "labels": shown(&cluster.labels), "annotations": shown(&cluster.annotations),
        "facts": {
            "kubeVersion": cluster.facts.kube_version, "apiVersions": cluster.facts.api_versions.len(),
            "scopes": cluster.facts.scopes.len(),
        },
        "info": {
            "connectionState": {"status": live.status, "message": live.message}, "serverVersion": live.version,
        },
        "identity": live.identity, "applications": applications, "inventory": owned, "broken": live.broken,
    })
}

fn text(cluster: &Cluster, at: Option<&str>, entries: Option<&[Entry]>, live: &Live) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |key: &str, value: String| rows.push(vec![key.to_owned(), value]);
    let joined = |map: &BTreeMap<String, String>| -> String {
        let pairs: Vec<String> = shown(map).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(", ")
    };
    row("Name:", cluster.name.clone());
    row("Server:", cluster.server.clone());
    if !cluster.instance.is_empty() {
        row("Instance:", cluster.instance.clone());
    }
    let declared = at.map_or_else(|| origin(cluster).to_owned(), |at| format!("{at} ({})", origin(cluster)));
    row("Declared:", declared);
    row("Project:", cluster.project.clone());
    row("Labels:", joined(&cluster.labels));
    row("Annotations:", joined(&cluster.annotations));
    let told = cluster.facts.kube_version.as_ref().map_or_else(String::new, |version| format!("Kubernetes {version}"));
    let apis = cluster.facts.api_versions.len();
    let facts = [told, if apis == 0 { String::new() } else { plural(apis, "API") }];
    row("Facts:", facts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "));
    row("Status:", live.status.to_owned());
    row("Message:", live.message.lines().collect::<Vec<_>>().join(" "));
    row("Version:", live.version.clone());
    row("Identity:", live.identity.clone());
    let mut out = columns(&rows);
    out.push('\n');
    match entries {
        None => out.push_str("Applications: not known, since the fleet does not compile\n"),
        Some(entries) => {
            out.push_str(&format!("{} of the fleet:\n", plural(entries.len(), "application")));
            let mut table = vec![["NAME", "PROJECT", "NAMESPACE", "STATE", "SOURCES"].map(str::to_owned).to_vec()];
            for entry in entries {
                let name = entry.key.to_string();
                let from = sources(entry).join(", ");
                table.push(vec![name, entry.project.clone(), entry.namespace.clone(), state(entry).to_owned(), from]);
            }
            out.push_str(&if entries.is_empty() { String::new() } else { indented(&columns(&table)) });
        }
    }
    match &live.owned {
        None => out.push_str("Inventory: not known\n"),
        Some(owned) => {
            let objects = owned.values().map(|owned| owned.objects).sum();
            out.push_str(&format!("{} there, {}:\n", plural(owned.len(), "application"), plural(objects, "object")));
            let mut table = vec![["NAME", "OBJECTS", "PROJECT", "IN THE FLEET"].map(str::to_owned).to_vec()];
            for (app, owned) in owned {
                let word = if owned.declared { "yes" } else { "no" };
                table.push(vec![app.to_string(), owned.objects.to_string(), owned.project.clone(), word.to_owned()]);
            }
            out.push_str(&if owned.is_empty() { String::new() } else { indented(&columns(&table)) });
        }
    }
    out.extend(live.broken.iter().map(|line| format!("broken: {line}\n")));
    out
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
