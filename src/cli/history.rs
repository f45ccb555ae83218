//! `fleetc history`: what was applied of an application on a cluster, as its parent there remembers. The fleet need not compile for that.

use std::process::ExitCode;
use std::sync::Arc;

use fleetc::application::AppKey;
use fleetc::bundle::cluster_name;
use fleetc::diag::{Cause, Diagnostic, Diagnostics, did_you_mean};
use fleetc::host::cluster::{ClusterConnection, Driver, RunOptions, connect};
use fleetc::inventory::Parent;
use fleetc::k8s::glob::Glob;
use fleetc::machine::Machine;
use fleetc::plan::{Applied, ClusterInput, Filter, Ground, Record, Talk};
use fleetc::span::Span;
use serde_json::{Value, json};

use super::args::{ConnectionArgs, FleetArgs, History, SliceArgs};
use super::cluster::columns;
use super::planning::parent_namespaces;
use super::reach;
use super::session::{Session, print_out};
use super::status::{applied_data, short};

/// An application on a cluster that has a parent there.
pub(crate) struct Slice {
    pub(crate) session: Session,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) driver: Driver,
    pub(crate) connection: ClusterConnection,
    pub(crate) parent: Parent,
    /// The cluster's name, as that of its bundle.
    pub(crate) cluster: String,
}

/// Runs the command.
pub(crate) fn run(args: &History) -> ExitCode {
    let mut slice = match Slice::find(&args.slice, &args.fleet, &args.connection) {
        Ok(slice) => slice,
        Err(code) => return code,
    };
    let record = Record::read(&slice.parent.record);
    slice.session.print_findings(&mut slice.diagnostics);
    if slice.session.is_json() {
        let hold = record
            .hold
            .as_ref()
            .map(|hold| json!({"revision": hold.revision, "by": hold.by, "at": hold.at, "reason": hold.reason}));
        let history: Vec<Value> = record.history.iter().map(applied_data).collect();
        let data = json!({
            "cluster": record.cluster, "application": slice.parent.key.application.to_string(),
            "bundle": record.bundle.map(|digest| digest.to_string()), "hold": hold, "history": history,
        });
        slice.session.print_json(&slice.diagnostics, data);
    } else {
        print_out(&text(&record));
    }
    ExitCode::SUCCESS
}

fn text(record: &Record) -> String {
    let head = ["REVISION", "APPLIED", "BY", "RESULT", "BUNDLE", "SOURCES"];
    let mut lines: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
    let clean = |text: &str| -> String { text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect() };
    for Applied { revision, sources, bundle, at, by, well } in &record.history {
        let commit = if revision.is_empty() { "-".to_owned() } else { short(revision) };
        let now = if *well && *bundle == record.bundle { " (now)" } else { "" };
        let result = if *well { format!("applied{now}") } else { "failed".to_owned() };
        let digest: String = bundle.map(|digest| digest.hex().chars().take(12).collect()).unwrap_or_default();
        lines.push([commit, clean(at), clean(by), result, digest, clean(&sources.join(", "))].into());
    }
    let mut out = columns(&lines);
    if record.history.is_empty() {
        out.push_str("nothing is remembered: it was last applied by a fleetc that kept no history\n");
    }
    if let Some(hold) = &record.hold {
        let reason = if hold.reason.is_empty() { String::new() } else { format!(" ({})", hold.reason) };
        out.push_str(&clean(&format!("held at {} since {} by {}{reason}", hold.revision, hold.at, hold.by)));
        out.push_str("; `fleetc rollback --release` ends that\n");
    }
    out
}

impl Slice {
    /// Reads the fleet's declarations, reaches the cluster and finds the parent.
    ///
    /// # Errors
    /// The exit code, after the reason was printed.
    pub(crate) fn find(args: &SliceArgs, fleet: &FleetArgs, connection: &ConnectionArgs) -> Result<Slice, ExitCode> {
        let session = Session::open(fleet, None)?;
        let declared = session.declared();
        let (fleet, mut diagnostics) = (declared.value, declared.diagnostics);
        if diagnostics.has_errors() {
            return Err(session.refuse(diagnostics));
        }
        let wrong = |code, message: String, cause| Diagnostic::error(code, Span::NONE, message).cause(cause);
        let Some(name) = fleet.name.clone() else {
            let error = wrong(
                "plan/no-name",
                "the fleet has no name, so nothing is applied in its name".to_owned(),
                Cause::Fleet,
            );
            diagnostics.push(error.hint("write `metadata: {name: …}` into fleet.yaml"));
            return Err(session.refuse(diagnostics));
        };
        let place = match reach::named(&fleet.clusters, &args.cluster) {
            Ok(place) => place,
            Err(unknown) => {
                diagnostics.push(*unknown);
                return Err(session.refuse(diagnostics));
            }
        };
        let cluster = fleet.clusters.get(place).map(|one| cluster_name(one, &fleet)).unwrap_or_default();
        let driver = match Driver::start() {
            Ok(driver) => driver,
            Err(error) => {
                diagnostics.push(wrong("cli/threads", format!("cannot start threads: {error}"), Cause::Usage));
                return Err(session.refuse(diagnostics));
            }
        };
        let reached =
            connect(&driver, session.world.sources(), &fleet.clusters, &[place], &reach::options(connection, &fleet));
        diagnostics.extend(reached.diagnostics);
        let connection = match reached.connections.into_iter().next() {
            Some(Ok(connection)) if !diagnostics.has_errors() => connection,
            Some(Err(refused)) => {
                diagnostics.push(*refused);
                return Err(session.refuse(diagnostics));
            }
            _ => return Err(session.refuse(diagnostics)),
        };
        let input =
            ClusterInput { fleet: name, parent_namespaces: parent_namespaces(&fleet), ..ClusterInput::default() };
        let machine = Machine::new(|port| async move {
            let talk = Talk::new(port, input.options.in_flight);
            Ground::load(&talk, &input).await.map(Arc::new)
        });
        let found =
            driver.run(vec![(connection.clone(), machine)], RunOptions::default(), &mut |_, _| {}).pop().flatten();
        let ground = match found {
            Some(Ok(ground)) => ground,
            other => {
                let why = other.and_then(Result::err).map_or("the request broke off".to_owned(), |trouble| trouble.0);
                let message = format!("the cluster `{}` could not be asked: {why}", args.cluster);
                diagnostics.push(wrong("cluster/unreachable", message, Cause::Cluster));
                return Err(session.refuse(diagnostics));
            }
        };
        match the_one(&ground, args) {
            Ok(parent) => Ok(Slice { session, diagnostics, driver, connection, parent, cluster }),
            Err(error) => {
                diagnostics.push(*error);
                Err(session.refuse(diagnostics))
            }
        }
    }
}

/// The parent that a name means.
fn the_one(ground: &Ground, args: &SliceArgs) -> Result<Parent, Box<Diagnostic>> {
    let error = |message: String| Diagnostic::error("cli/filter", Span::NONE, message).cause(Cause::Usage);
    let found: Vec<&Parent> =
        ground.parents.iter().filter(|(app, _)| is_called(app, &args.app)).map(|(_, parent)| parent).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let message = format!("nothing of an application `{}` was ever applied on `{}`", args.app, args.cluster);
            let names: Vec<String> = ground.parents.keys().map(|app| app.name.clone()).collect();
            let mut error = error(message);
            error.hints.extend(did_you_mean(&args.app, names.iter().map(String::as_str)));
            Err(Box::new(error))
        }
        several => {
            let names: Vec<String> = several.iter().map(|parent| format!("`{}`", parent.key.application)).collect();
            let message = format!("several applications are called `{}`: {}", args.app, names.join(", "));
            Err(Box::new(error(message)))
        }
    }
}

/// Whether a name means an application: as the filters of `plan` take it, without patterns.
pub(crate) fn is_called(app: &AppKey, name: &str) -> bool {
    let plain = !name.contains(['*', '?', '[', '{']);
    plain
        && Glob::new(name, "")
            .is_some_and(|glob| Filter { applications: vec![glob], projects: Vec::new() }.lets(app, ""))
}
