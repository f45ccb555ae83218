//! `fleetc history`: what was applied of an application on a cluster, as its parent there remembers, and what the Git history of bundles has
//! of it. The fleet need not compile for that.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use fleetc::application::AppKey;
use fleetc::bundle::{Entry, Index, State, cluster_name, encode_name};
use fleetc::diag::{Cause, Diagnostic, Diagnostics, did_you_mean};
use fleetc::digest::Digest;
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

/// What a folder of bundles had of the application from a commit on, or has now.
struct Saved {
    /// The commit; empty for a folder that lies in no history.
    commit: String,
    folder: PathBuf,
    at: String,
    by: String,
    digest: Digest,
    sources: Vec<String>,
    /// Whether the cluster remembers that this was applied.
    applied: bool,
}

/// Commits that are looked at.
const COMMITS: usize = 1_000;

/// What the folders of bundles have of the application, the newest first.
fn saved(slice: &Slice, args: &History, record: &Record) -> (Vec<Saved>, Option<Diagnostic>) {
    let default = [slice.session.output.clone()];
    let folders: &[PathBuf] = if args.bundles.is_empty() { &default } else { &args.bundles };
    let (mut found, mut wrong) = (Vec::new(), None);
    let app = &slice.parent.key.application;
    let entry = |text: &str| -> Option<Entry> {
        let index = Index::parse(text).ok().filter(|index| index.cluster == slice.cluster)?;
        index.applications.into_iter().find(|entry| entry.key == *app && entry.state == State::Ok)
    };
    for folder in folders {
        let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        let file = real.join(encode_name(&slice.cluster)).join("bundle.yaml");
        let past = match slice.session.world.versions(&file, COMMITS) {
            Ok(past) => past,
            Err(why) => {
                let message = format!("the history of `{}` cannot be read: {why}", file.display());
                wrong = Some(Diagnostic::warning("host/git", Span::NONE, message));
                continue;
            }
        };
        let first = found.len();
        for version in &past {
            let Some(entry) = entry(&version.text) else { continue };
            let at = jiff::Timestamp::from_second(version.seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string();
            let one = Saved::of(&entry, folder, record, (&version.commit, &at, &version.author));
            // A commit that changed the bundle, but not this application in it, brought nothing.
            if found.get(first..).and_then(<[Saved]>::last).is_some_and(|last: &Saved| last.digest == one.digest) {
                found.pop();
            }
            found.push(one);
        }
        if past.is_empty()
            && let Some(entry) = std::fs::read_to_string(&file).ok().as_deref().and_then(entry)
        {
            found.push(Saved::of(&entry, folder, record, ("", "", "")));
        }
    }
    (found, wrong)
}

impl Saved {
    fn of(entry: &Entry, folder: &Path, record: &Record, (commit, at, by): (&str, &str, &str)) -> Saved {
        let digest = entry.digest();
        Saved {
            commit: commit.to_owned(),
            folder: folder.to_owned(),
            at: at.to_owned(),
            by: by.to_owned(),
            digest,
            sources: Record::of(entry, "", digest).sources,
            applied: record.history.iter().any(|one| one.well && one.bundle == Some(digest)),
        }
    }
}

fn saved_data(saved: &Saved) -> Value {
    json!({
        "commit": saved.commit, "folder": saved.folder.display().to_string(), "at": saved.at, "by": saved.by,
        "bundle": saved.digest.to_string(), "sources": saved.sources, "applied": saved.applied,
    })
}

fn saved_text(saved: &[Saved]) -> String {
    if saved.is_empty() {
        return String::new();
    }
    let head = ["BUNDLES", "SAVED", "BY", "APPLIED", "BUNDLE", "SOURCES"];
    let mut lines: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
    for one in saved {
        let place = if one.commit.is_empty() { one.folder.display().to_string() } else { short(&one.commit) };
        let or = |text: &str| if text.is_empty() { "-".to_owned() } else { clean(text) };
        let applied = if one.applied { "yes" } else { "-" };
        let digest: String = one.digest.hex().chars().take(DIGITS).collect();
        lines.push(
            [clean(&place), or(&one.at), or(&one.by), applied.to_owned(), digest, clean(&one.sources.join(", "))]
                .into(),
        );
    }
    format!("\n{}", columns(&lines))
}

/// Digits of a digest that are shown.
const DIGITS: usize = 12;

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

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
    let (saved, wrong) = saved(&slice, args, &record);
    slice.diagnostics.extend(wrong);
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
            "saved": saved.iter().map(saved_data).collect::<Vec<_>>(),
        });
        slice.session.print_json(&slice.diagnostics, data);
    } else {
        print_out(&text(&record));
        print_out(&saved_text(&saved));
    }
    ExitCode::SUCCESS
}

fn text(record: &Record) -> String {
    let head = ["REVISION", "APPLIED", "BY", "RESULT", "BUNDLE", "SOURCES"];
    let mut lines: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
    for Applied { revision, sources, bundle, at, by, well } in &record.history {
        let commit = if revision.is_empty() { "-".to_owned() } else { short(revision) };
        let now = if *well && *bundle == record.bundle { " (now)" } else { "" };
        let result = if *well { format!("applied{now}") } else { "failed".to_owned() };
        let digest: String = bundle.map(|digest| digest.hex().chars().take(DIGITS).collect()).unwrap_or_default();
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
        let session = Session::open(&fleet.knowing(connection), None)?;
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
