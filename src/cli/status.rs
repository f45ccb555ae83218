//! `fleetc status`: how every application stands on every cluster. Nothing is changed; a cluster that does not answer holds up nobody.

use std::collections::BTreeMap;
use std::process::ExitCode;

use fleetc::bundle::WORKING_TREE;
use fleetc::plan::survey::{ClusterState, Git, Look, Standing};
use fleetc::plan::{Applied, Record};
use serde_json::{Value, json};

use super::apply;
use super::args::{Status, StatusOutput};
use super::cluster::columns;
use super::planning::Planning;
use super::report::{self, plural};
use super::session::print_out;
use super::surveying::{nothing, states};

/// Applications up to which all are listed.
const FEW: usize = 40;
/// Objects that are named of an application that is not healthy.
const NAMED: usize = 3;
/// Digits of a commit.
const SHORT: usize = 8;

/// Runs the command.
pub(crate) fn run(args: &Status) -> ExitCode {
    let mut planning = match Planning::make(&args.target.planning()) {
        Ok(planning) => planning,
        Err(code) => return code,
    };
    for target in &mut planning.targets {
        target.input.options.read_only = true;
    }
    let look = Look { scripts: apply::scripts(&planning), beside: false };
    let states = states(&mut planning, &look, args.timeout);
    planning.diagnostics.extend(nothing(&planning, &states, &args.target.filter));
    let mut diagnostics = std::mem::take(&mut planning.diagnostics);
    planning.session.print_findings(&mut diagnostics);
    if planning.session.is_json() {
        let clusters: Vec<Value> = states.iter().map(cluster_data).collect();
        planning.session.print_json(&diagnostics, json!({"clusters": clusters}));
    } else {
        let wide = args.output == StatusOutput::Wide;
        print_out(&text(&states, wide, wide || args.target.fleet.options.verbose));
    }
    if !args.exit_code {
        return ExitCode::SUCCESS;
    }
    let slices = || states.iter().flat_map(|state| &state.slices);
    let code = report::exit_code(&diagnostics, !slices().all(Standing::is_fine));
    let failed = states.iter().any(|state| state.failed.is_some()) || slices().any(|slice| slice.failed.is_some());
    ExitCode::from(if code < 2 && failed { 5 } else { code })
}

fn text(states: &[ClusterState], wide: bool, all: bool) -> String {
    let slices = || states.iter().flat_map(|state| &state.slices);
    let all_notes = all;
    let all = all || slices().count() <= FEW;
    let mut out = format!("{}\n", summary(states));
    let mut head = vec!["CLUSTER", "APPLICATION", "SYNC", "HEALTH", "REVISION", "APPLIED", "BY", "MESSAGE"];
    if wide {
        head.extend(["PROJECT", "OBJECTS", "COMMIT", "HOLD"]);
    }
    let mut lines: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
    for state in states {
        if let Some(why) = &state.failed {
            let mut line = vec![state.cluster.clone(), "-".to_owned(), "Unknown".to_owned(), "Unknown".to_owned()];
            line.extend([String::from("-"), "-".to_owned(), "-".to_owned(), one_line(why)]);
            lines.push(line);
        }
        lines.extend(state.slices.iter().filter(|slice| all || !slice.is_fine()).map(|slice| row(state, slice, wide)));
    }
    if lines.len() > 1 {
        out.push('\n');
        out.push_str(&columns(&lines));
    }
    for state in states.iter().filter(|state| all_notes || !state.identity.is_empty()) {
        state.notes.iter().for_each(|note| out.push_str(&format!("{}: {}\n", state.cluster, one_line(note))));
    }
    out
}

fn row(state: &ClusterState, slice: &Standing, wide: bool) -> Vec<String> {
    let or = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let last = slice.record.as_ref().and_then(|record| record.history.first());
    let mut line = vec![state.cluster.clone(), slice.application.to_string(), slice.sync().to_owned()];
    line.push(health(slice).to_owned());
    line.push(or(slice.record.as_ref().map(revision).unwrap_or_default()));
    line.push(or(last.map(|last| last.at.clone()).unwrap_or_default()));
    line.push(or(last.map(|last| one_line(&last.by)).unwrap_or_default()));
    line.push(one_line(&message(slice)));
    if wide {
        let hold = slice.record.as_ref().and_then(|record| record.hold.as_ref());
        line.extend([slice.project.clone(), slice.objects.to_string()]);
        line.push(or(last.map(|last| last.revision.clone()).unwrap_or_default()));
        line.push(or(hold.map(|hold| format!("{} by {} at {}", hold.revision, hold.by, hold.at)).unwrap_or_default()));
    }
    line
}

/// Argo CD shows an application of which nothing has a check as healthy.
fn health(slice: &Standing) -> &'static str {
    match (slice.failed.is_some(), slice.record.is_some(), slice.health) {
        (true, ..) => "Unknown",
        (_, false, _) => "Missing",
        (_, _, Some(status)) => status.name(),
        (_, _, None) => "Healthy",
    }
}

/// The revisions of its sources as they were applied last, short.
pub(super) fn revision(record: &Record) -> String {
    let last = record.history.iter().find(|one| one.well);
    let sources = last.map_or(&record.sources, |last| &last.sources);
    let mut found: Vec<String> = Vec::new();
    for source in sources {
        let rest = source.rsplit_once('@').map_or(source.as_str(), |(_, rest)| rest);
        let text = if rest.starts_with(WORKING_TREE) {
            last.map(|last| last.revision.as_str()).filter(|commit| !commit.is_empty()).unwrap_or(WORKING_TREE)
        } else {
            rest.split(' ').next().unwrap_or_default()
        };
        let text = short(text);
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found.join(",")
}

/// A commit in few digits; anything else as it is.
pub(super) fn short(revision: &str) -> String {
    let commit = revision.len() >= 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    revision.get(..SHORT).filter(|_| commit).unwrap_or(revision).to_owned()
}

/// What there is to say of an application that is not fine, the most pressing first.
fn message(slice: &Standing) -> String {
    let mut parts: Vec<String> = slice.failed.iter().cloned().collect();
    let record = slice.record.as_ref();
    if let Some(hold) = record.and_then(|record| record.hold.as_ref()) {
        let reason = if hold.reason.is_empty() { String::new() } else { format!(": {}", hold.reason) };
        parts.push(format!("held at {} by {}{reason}", short(&hold.revision), hold.by));
    }
    if record.and_then(|record| record.history.first()).is_some_and(|last| !last.well) {
        parts.push("the last apply failed".to_owned());
    }
    if slice.has_drifted() {
        let named: Vec<String> =
            slice.drifts.iter().take(NAMED).map(|drift| format!("{} {}", drift.object, drift.what.name())).collect();
        parts.push(more(named, slice.drifts.len()));
    }
    match &slice.git {
        Git::Pending(0) => parts.push("its hooks differ from what was applied".to_owned()),
        Git::Pending(number) => parts.push(format!("{} to apply", plural(*number, "object"))),
        Git::Unknown(why) => parts.push(why.clone()),
        Git::Applied | Git::Never | Git::Gone => {}
    }
    if !slice.ailing.is_empty() {
        let named = slice.ailing.iter().take(NAMED).map(|(object, status, why)| {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            format!("{object} {status}{why}")
        });
        parts.push(more(named.collect(), slice.ailing.len()));
    }
    parts.join("; ")
}

fn more(named: Vec<String>, all: usize) -> String {
    let rest = if all > named.len() { format!(" and {} more", all - named.len()) } else { String::new() };
    format!("{}{rest}", named.join(", "))
}

/// `200 clusters, 2 of which could not be asked; 8,000 applications: 7,990 Synced, 10 Drifted; 7,999 Healthy, 1 Degraded; 1 held`.
fn summary(states: &[ClusterState]) -> String {
    let away = states.iter().filter(|state| state.failed.is_some()).count();
    let slices: Vec<&Standing> = states.iter().flat_map(|state| &state.slices).collect();
    // One for which the fleet has nothing need not be reached.
    let asked = states.iter().filter(|state| state.failed.is_some() || !state.identity.is_empty()).count();
    let mut out = plural(asked, "cluster");
    if away > 0 {
        out.push_str(&format!(", {away} of which could not be asked"));
    }
    out.push_str(&format!("; {}", plural(slices.len(), "application")));
    let counted = |words: Vec<&'static str>| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        words.into_iter().for_each(|word| *counts.entry(word).or_default() += 1);
        let parts: Vec<String> = counts.iter().map(|(word, number)| format!("{number} {word}")).collect();
        parts.join(", ")
    };
    if !slices.is_empty() {
        let sync = counted(slices.iter().map(|slice| slice.sync()).collect());
        out.push_str(&format!(": {sync}; {}", counted(slices.iter().map(|slice| health(slice)).collect())));
    }
    let held = slices.iter().filter(|slice| slice.record.as_ref().is_some_and(|record| record.hold.is_some())).count();
    if held > 0 {
        out.push_str(&format!("; {held} held by rollbacks"));
    }
    out
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cluster_data(state: &ClusterState) -> Value {
    let slices: Vec<Value> = state.slices.iter().map(slice_data).collect();
    json!({
        "cluster": state.cluster, "version": state.version, "failed": state.failed, "notes": state.notes,
        "applications": slices,
    })
}

fn slice_data(slice: &Standing) -> Value {
    let record = slice.record.as_ref();
    let ailing: Vec<Value> = slice
        .ailing
        .iter()
        .map(|(object, status, why)| json!({"object": object.to_string(), "health": status.name(), "message": why}))
        .collect();
    let drifted: Vec<Value> = slice
        .drifts
        .iter()
        .map(|drift| json!({"object": drift.object.to_string(), "what": drift.what.name()}))
        .collect();
    let hold = record
        .and_then(|record| record.hold.as_ref())
        .map(|hold| json!({"revision": hold.revision, "by": hold.by, "at": hold.at, "reason": hold.reason}));
    json!({
        "application": slice.application.to_string(), "project": slice.project, "sync": slice.sync(),
        "health": health(slice), "revision": record.map(revision), "sources": record.map(|record| &record.sources),
        "objects": slice.objects, "drifted": drifted, "unhealthy": ailing, "hold": hold,
        "pending": if let Git::Pending(number) = slice.git { Some(number) } else { None },
        "lastApply": record.and_then(|record| record.history.first()).map(applied_data),
        "message": message(slice), "failed": slice.failed,
    })
}

/// One apply of a history.
pub(super) fn applied_data(applied: &Applied) -> Value {
    json!({
        "revision": applied.revision, "sources": applied.sources,
        "bundle": applied.bundle.map(|digest| digest.to_string()), "at": applied.at, "by": applied.by,
        "result": if applied.well { "applied" } else { "failed" },
    })
}
