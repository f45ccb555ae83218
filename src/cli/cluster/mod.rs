//! `fleetc cluster …`: one file a command, and here `list` and `facts`, which change nothing: which clusters are reached, what one serves.

mod add;
mod doctor;
mod get;
mod keep;
mod remove;
mod rotate;

use std::collections::BTreeMap;
use std::process::ExitCode;

use fleetc::api::Request;
use fleetc::bundle::Bundle;
use fleetc::cluster::Cluster;
use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::discovery;
use fleetc::host::cluster::{ClusterConnection, Driver, RunOptions, connect};
use fleetc::inventory::NAMESPACE;
use fleetc::join::Registration;
use fleetc::machine::{Machine, Port};
use fleetc::plan::{Context, DesiredSlice};
use fleetc::read::Fleet;
use fleetc::span::Span;
use fleetc::yaml::Node;
use serde_json::{Value, json};

use super::args::{ClusterAdd, ClusterCommand, ClusterFacts, ClusterList, ClusterOutput, FleetArgs};
use super::consent::Question;
use super::reach;
use super::report;
use super::session::{Session, print_json, print_out, write_file};

/// Runs the command.
pub(crate) fn run(command: &ClusterCommand) -> ExitCode {
    match command {
        ClusterCommand::Add(args) => add::run(args),
        ClusterCommand::Facts(args) => facts(args),
        ClusterCommand::Get(args) => get::run(args),
        ClusterCommand::Doctor(args) => doctor::run(args),
        ClusterCommand::List(args) => list(args),
        ClusterCommand::Rm(args) => remove::run(args),
        ClusterCommand::Rotate(args) => rotate::run(args),
    }
}

/// Runs work on one cluster.
fn on<T, F>(driver: &Driver, connection: &ClusterConnection, work: impl FnOnce(Port) -> F) -> Result<T, String>
where
    T: Send + 'static,
    F: Future<Output = Result<T, String>> + Send + 'static,
{
    let machine = Machine::new(work);
    let mut results = driver.run(vec![(connection.clone(), machine)], RunOptions::default(), &mut |_, _| {});
    results.pop().flatten().unwrap_or_else(|| Err("the request broke off".to_owned()))
}

/// As `argocd cluster` asks.
fn asked(undone: &'static str, hint: &'static str) -> Question {
    Question {
        asks: "Do you want to continue [y/N]?",
        agrees: &["y", "yes"],
        undone,
        code: "cluster/nobody-agreed",
        hint,
    }
}

/// The namespaces in which a fleet keeps its inventories.
fn inventories(fleet: &Fleet) -> Vec<String> {
    let mut namespaces = vec![fleet.apply.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned())];
    namespaces.extend(fleet.apply.projects.iter().map(|(_, namespace)| namespace.clone()));
    namespaces.sort();
    namespaces.dedup();
    namespaces
}

/// Whether all that is wrong with a fleet is that it declares no application yet. Then that is no matter here.
fn has_nothing(diagnostics: &mut Diagnostics) -> bool {
    let is_it = |found: &Diagnostic| found.code == "read/nothing";
    let only = diagnostics.has_errors() && diagnostics.iter().filter(|found| found.is_error()).all(is_it);
    if only {
        diagnostics.0.retain(|found| !is_it(found));
    }
    only
}

/// What a bundle puts on its cluster.
fn slices(bundle: &Bundle) -> Vec<DesiredSlice> {
    let texts: BTreeMap<&str, _> =
        bundle.files.iter().filter_map(|file| Some((file.path.as_str(), file.text.clone()?))).collect();
    let context = Context { fleet: "", cluster: &bundle.cluster, parent_namespace: "" };
    let of = |entry| DesiredSlice::new(context, entry, &|path: &str| texts.get(path).cloned());
    bundle.index.applications.iter().map(of).collect()
}

/// Whether the fleet, read anew, has a cluster as it joined.
fn place(args: &ClusterAdd, cluster: &Registration, instance: &str) -> Result<(), String> {
    let session = Session::open(&args.fleet, None).map_err(|_| "the fleet cannot be read any more".to_owned())?;
    let declared = session.declared();
    if let Some(error) = declared.diagnostics.iter().find(|found| found.is_error()) {
        return Err(format!("the fleet says: {}", error.message));
    }
    let found = declared.value.clusters.iter().find(|found| found.name == cluster.name && found.instance == instance);
    match found {
        None => Err("the fleet does not read a cluster from it".to_owned()),
        Some(found) if found.server_key() != cluster.server.trim_end_matches('/') => {
            Err("the fleet reads another server for it".to_owned())
        }
        Some(found) if !cluster.labels.iter().all(|(key, value)| found.labels.get(key) == Some(value)) => {
            Err("the fleet reads other labels for it".to_owned())
        }
        Some(_) => Ok(()),
    }
}

/// A session, what the fleet's files declare, where they can be read, and a driver.
fn open(args: &FleetArgs) -> Result<(Session, Fleet, Diagnostics, Driver), ExitCode> {
    let session = Session::open(args, None)?;
    let declared = session.declared();
    if declared.diagnostics.has_errors() {
        return Err(session.refuse(declared.diagnostics));
    }
    let driver = Driver::start().map_err(|error| {
        let message = format!("cannot start threads: {error}");
        session.refuse(Diagnostic::error("cli/threads", Span::NONE, message).cause(Cause::Usage).into())
    })?;
    Ok((session, declared.value, declared.diagnostics, driver))
}

/// What asking a cluster came to.
struct State {
    /// As Argo CD calls it: `Successful`, `Failed`, `Unknown`.
    status: &'static str,
    version: String,
    /// UID of its kube-system namespace.
    identity: String,
    message: String,
}

impl State {
    fn without(status: &'static str, message: String) -> Self {
        State { status, version: String::new(), identity: String::new(), message }
    }
}

fn list(args: &ClusterList) -> ExitCode {
    let (session, fleet, mut diagnostics, driver) = match open(&args.fleet) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let which: Vec<usize> = (0..fleet.clusters.len()).collect();
    let progress = session.progress("asking the clusters");
    let options = reach::options(&args.connection, &fleet);
    let reached = connect(&driver, session.world.sources(), &fleet.clusters, &which, &options);
    diagnostics.extend(reached.diagnostics);
    let mut states: Vec<Option<State>> = Vec::new();
    let mut work = Vec::new();
    for connection in reached.connections {
        match connection {
            Ok(connection) => {
                work.push((connection, Machine::new(|port| async move { ask(&port).await })));
                states.push(None);
            }
            Err(refused) => states.push(Some(State::without("Unknown", reach::short(&refused.message)))),
        }
    }
    let mut answers = driver.run(work, RunOptions::default(), &mut |_, _| {}).into_iter();
    for state in states.iter_mut().filter(|state| state.is_none()) {
        let broke = || State::without("Failed", "the request broke off".to_owned());
        *state = Some(answers.next().flatten().unwrap_or_else(broke));
    }
    progress.finish_and_clear();
    let rows: Vec<(&Cluster, State)> = fleet.clusters.iter().zip(states.into_iter().flatten()).collect();
    session.print_findings(&mut diagnostics);
    if session.is_json() {
        session.print_json(&diagnostics, json!({"clusters": rows.iter().map(data).collect::<Vec<_>>()}));
    } else {
        match args.output {
            ClusterOutput::Json => print_json(&Value::Array(rows.iter().map(data).collect())),
            ClusterOutput::Server => {
                print_out(&rows.iter().map(|(cluster, _)| format!("{}\n", cluster.server)).collect::<String>());
            }
            ClusterOutput::Table => print_out(&table(&rows, false)),
            ClusterOutput::Wide => print_out(&table(&rows, true)),
        }
    }
    ExitCode::from(report::exit_code(&diagnostics, false))
}

async fn ask(port: &Port) -> State {
    match discovery::version(port).await {
        Err(why) => State::without("Failed", why),
        // Whoever may not read kube-system is told so by plan; here the identity is missing.
        Ok(version) => State { status: "Successful", version, identity: identity(port).await, message: String::new() },
    }
}

async fn identity(port: &Port) -> String {
    let answer = port.send(Request::get("/api/v1/namespaces/kube-system")).await.ok();
    let object = answer.filter(fleetc::api::Response::is_success).and_then(|response| response.node().ok());
    let uid = object.as_ref().and_then(|object| object.at(&["metadata", "uid"])).and_then(Node::as_str);
    uid.unwrap_or_default().to_owned()
}

/// As `argocd cluster list -o json` has it, as far as we know it.
fn data((cluster, state): &(&Cluster, State)) -> Value {
    json!({
        "server": cluster.server, "name": cluster.name, "instance": cluster.instance, "project": cluster.project,
        "labels": cluster.labels, "annotations": cluster.annotations, "identity": state.identity,
        "info": {
            "connectionState": {"status": state.status, "message": state.message},
            "serverVersion": state.version,
        },
    })
}

fn table(rows: &[(&Cluster, State)], wide: bool) -> String {
    let mut head = vec!["SERVER", "NAME", "VERSION", "STATUS", "MESSAGE", "PROJECT"];
    if wide {
        head.extend(["INSTANCE", "IDENTITY", "LABELS"]);
    }
    let mut lines: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
    for (cluster, state) in rows {
        let message = state.message.lines().collect::<Vec<_>>().join(" ");
        let mut line =
            vec![cluster.server.clone(), cluster.name.clone(), state.version.clone(), state.status.to_owned()];
        line.extend([message, cluster.project.clone()]);
        if wide {
            let kept = cluster.labels.iter().filter(|(key, _)| *key != "argocd.argoproj.io/secret-type");
            let labels: Vec<String> = kept.map(|(key, value)| format!("{key}={value}")).collect();
            line.extend([cluster.instance.clone(), state.identity.clone(), labels.join(",")]);
        }
        lines.push(line);
    }
    columns(&lines)
}

/// Lines as columns, two spaces between them.
pub(crate) fn columns(lines: &[Vec<String>]) -> String {
    let number = lines.first().map_or(0, Vec::len);
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..number).map(|at| width(at).unwrap_or(0)).collect();
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

fn facts(args: &ClusterFacts) -> ExitCode {
    let (session, fleet, mut diagnostics, driver) = match open(&args.fleet) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let place = match reach::named(&fleet.clusters, &args.name) {
        Ok(place) => place,
        Err(unknown) => return session.refuse((*unknown).into()),
    };
    let options = reach::options(&args.connection, &fleet);
    let reached = connect(&driver, session.world.sources(), &fleet.clusters, &[place], &options);
    diagnostics.extend(reached.diagnostics);
    let connection = match reached.connections.into_iter().next() {
        Some(Ok(connection)) if !diagnostics.has_errors() => connection,
        Some(Err(refused)) => {
            diagnostics.push(*refused);
            return session.refuse(diagnostics);
        }
        _ => return session.refuse(diagnostics),
    };
    let machine = Machine::new(|port| async move {
        let version = discovery::version(&port).await?;
        Ok((version, discovery::catalogue(&port).await?))
    });
    let progress = session.progress("asking the cluster");
    let answer = driver.run(vec![(connection, machine)], RunOptions::default(), &mut |_, _| {}).pop().flatten();
    progress.finish_and_clear();
    let name = &args.name;
    let failed = |why: String| {
        let message = format!("the cluster `{name}` does not say what it serves: {why}");
        Diagnostic::error("cluster/facts", Span::NONE, message).cause(Cause::Cluster)
    };
    let (version, catalogue) = match answer.unwrap_or_else(|| Err("the request broke off".to_owned())) {
        Ok(found) => found,
        Err(why) => {
            diagnostics.push(failed(why));
            return session.refuse(diagnostics);
        }
    };
    for (api, why) in &catalogue.silent {
        let message = format!("`{api}` of the cluster `{name}` is not in these facts: {why}");
        let hint = "an APIService that nobody needs any more can be deleted; else ask again when its server runs";
        diagnostics.push(Diagnostic::warning("cluster/facts", Span::NONE, message).hint(hint));
    }
    let facts = discovery::facts(&version, &catalogue);
    let text = discovery::to_yaml(name.rsplit('/').next().unwrap_or(name), &facts);
    if let Some(file) = &args.output
        && let Err(error) = write_file(file, &text)
    {
        diagnostics.push(
            Diagnostic::error("cli/write", Span::NONE, format!("{}: {error}", file.display())).cause(Cause::Usage),
        );
    }
    session.print_findings(&mut diagnostics);
    if session.is_json() {
        let scope = |namespaced: &bool| if *namespaced { "Namespaced" } else { "Cluster" };
        let scopes: serde_json::Map<String, Value> =
            facts.scopes.iter().map(|(kind, namespaced)| (kind.clone(), json!(scope(namespaced)))).collect();
        let data =
            json!({"cluster": name, "kubeVersion": version, "apiVersions": facts.api_versions, "scopes": scopes});
        session.print_json(&diagnostics, data);
    } else if args.output.is_none() {
        print_out(&text);
    }
    ExitCode::from(report::exit_code(&diagnostics, false))
}
