//! `fleetc apply`: carries out a saved plan, or plans, asks and carries that out. What moved since the plan was made is left alone.
#![expect(clippy::disallowed_types, reason = "the journal is a file that grows while clusters are worked on")]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use fleetc::api::Millis;
use fleetc::apply::{self, Basis, ClusterOutcome, Counts, SliceOutcome, SliceResult, Wait};
use fleetc::bundle::ObjectRef;
use fleetc::diag::{Cause, Diagnostic};
use fleetc::k8s::health::Scripts;
use fleetc::plan::file::PlanFile;
use fleetc::plan::guard::Limits;
use fleetc::plan::report::{self as plan_report, Detail};
use fleetc::plan::{ClusterPlan, Removals, SlicePlan};
use fleetc::rollout::{Pass, Place, Rollout};
use fleetc::span::Span;
use fleetc::yaml::{Map, Node};
use serde_json::{Value, json};

use super::args::{Apply, PlanningArgs, WaitChoice};
use super::consent::Question;
use super::plan::is_refused;
use super::planning::Planning;
use super::report::{self, plural};
use super::session::print_out;
use super::waves;

/// Requests of a slice at a time, and slices of a cluster; the driver bounds what is in flight on a cluster.
const AT_ONCE: (usize, usize) = (16, 8);

/// Runs the command.
pub(crate) fn run(args: &mut Apply) -> ExitCode {
    let dir = &mut args.planning.target.fleet.dir;
    let saved = dir.is_file().then(|| std::mem::replace(dir, args.fleet_dir.clone()));
    let mut planning = match Planning::make(&args.planning) {
        Ok(planning) => planning,
        Err(code) => return code,
    };
    if saved.is_none() {
        for target in &mut planning.targets {
            target.input.options.release = args.release;
        }
    }
    let approved = match &saved {
        Some(path) => load(path, &mut planning, &args.planning, args.release),
        None => Ok(plan(&planning, args)),
    };
    let ready = approved.and_then(|(approved, rollout)| {
        let chosen = waves::chosen(rollout, &planning.rules, &args.rollout)?;
        Ok(((approved, chosen), Journal::open(args.journal.as_deref())?))
    });
    match ready {
        Ok((approved, journal)) => {
            proceed(planning, approved, journal, args, saved.is_some(), serde_json::Map::new()).into()
        }
        Err(error) => {
            planning.diagnostics.push(*error);
            let diagnostics = std::mem::take(&mut planning.diagnostics);
            planning.session.refuse(diagnostics)
        }
    }
}

/// Plans now, shows it, asks where nobody has said `--yes`, and carries it out. The exit code.
pub(crate) fn now_and_here(planning: Planning, args: &Apply, more: serde_json::Map<String, Value>) -> u8 {
    let (approved, rollout) = plan(&planning, args);
    match waves::chosen(rollout, &planning.rules, &args.rollout) {
        Ok(chosen) => proceed(planning, (approved, chosen), Journal(None), args, false, more),
        Err(error) => {
            planning.session.refuse((*error).into());
            2
        }
    }
}

/// Asks, and carries out what is agreed to. `more` goes into the JSON.
fn proceed(
    mut planning: Planning,
    (approved, chosen): (Vec<(ClusterPlan, Basis)>, (Rollout, Pass)),
    mut journal: Journal,
    args: &Apply,
    is_saved: bool,
    mut more: serde_json::Map<String, Value>,
) -> u8 {
    let mut diagnostics = std::mem::take(&mut planning.diagnostics);
    planning.session.print_findings(&mut diagnostics);
    let has_work = approved.iter().any(|(plan, _)| plan.slices.iter().any(SlicePlan::has_work));
    if has_work && !is_saved && !args.yes {
        let question = Question {
            asks: "apply this? `yes` does:",
            agrees: &["yes"],
            undone: "nothing was applied",
            code: "apply/nobody-agreed",
            hint: "`--yes` agrees, a saved plan is agreed to",
        };
        if let Err(code) = question.put(&planning.session, &diagnostics) {
            return code;
        }
    }
    let refused = is_refused(&approved.iter().map(|(plan, _)| plan.clone()).collect::<Vec<_>>());
    let withheld = approved.iter().any(|(plan, _)| !plan.refusals.is_empty());
    let (outcomes, conductor) =
        waves::carry_out(&planning, approved, chosen, &options(args, &planning), &mut journal, args);
    for outcome in &outcomes {
        journal.write(&outcome.cluster, &cluster_data(outcome));
    }
    let mut total = Counts::default();
    outcomes.iter().flat_map(|outcome| &outcome.slices).for_each(|slice| total.add(&slice.counts));
    if planning.session.is_json() {
        let clusters: Vec<Value> = outcomes.iter().map(cluster_data).collect();
        let rollout = fleetc::yaml::json::to_json(&conductor.to_node()).unwrap_or_default();
        more.insert("clusters".to_owned(), clusters.into());
        more.insert("total".to_owned(), counts_data(&total));
        more.insert("rollout".to_owned(), serde_json::from_str(&rollout).unwrap_or_default());
        planning.session.print_json(&diagnostics, Value::Object(more));
    } else {
        print_out(&text(&outcomes, args.planning.target.fleet.options.verbose));
        conductor.lines().iter().for_each(|line| planning.session.say(&clean(line)));
        planning.session.say(&summary(&outcomes, &total));
    }
    let failed = |slice: &SliceOutcome| slice.result == SliceResult::Failed;
    let left = |slice: &SliceOutcome| slice.result == SliceResult::Skipped || slice.withheld > 0;
    let any = |which: &dyn Fn(&SliceOutcome) -> bool| outcomes.iter().flat_map(|outcome| &outcome.slices).any(which);
    let code = report::exit_code(&diagnostics, withheld || any(&left));
    let failed = refused || outcomes.iter().any(|outcome| !outcome.failed.is_empty()) || any(&failed);
    if code < 2 && failed { 5 } else { code }
}

/// The plans of clusters with what they rest on, and in which waves they go.
type Approved = (Vec<(ClusterPlan, Basis)>, Rollout);

/// Plans now, and shows it.
fn plan(planning: &Planning, args: &Apply) -> Approved {
    let since = now();
    let limits =
        Limits { deletes: args.planning.deletions.max_deletes, removals: args.planning.deletions.max_removals };
    let planned = planning.plan(limits);
    let rollout = planning.rollout(planned.iter().map(|(plan, _)| plan));
    if !planning.session.is_json() {
        let shown: Vec<ClusterPlan> = planned.iter().map(|(plan, _)| plan.clone()).collect();
        let options = &args.planning.target.fleet.options;
        let color = options.color.is_on(&std::io::stdout());
        print_out(&plan_report::human(&shown, Detail { verbose: options.verbose, color }));
        if !args.rollout.no_rollout {
            print_out(&plan_report::waves(&rollout));
        }
    }
    let with_basis = |(plan, ground): (ClusterPlan, Option<_>)| {
        (plan, ground.map_or(Basis::Saved, |ground| Basis::Fresh { ground, since }))
    };
    (planned.into_iter().map(with_basis).collect(), rollout)
}

/// A saved plan for each target; targets that it does not name are dropped.
fn load(path: &Path, planning: &mut Planning, args: &PlanningArgs, release: bool) -> Result<Approved, Box<Diagnostic>> {
    let wrong = |why: String| {
        let message = format!("`{}` cannot be applied: {why}", path.display());
        Box::new(Diagnostic::error("apply/plan", Span::NONE, message).cause(Cause::Usage))
    };
    let decides = args.deletions.prune.is_some()
        || args.deletions.max_deletes.is_some()
        || args.deletions.max_removals.is_some()
        || !args.deletions.allow_delete.is_empty()
        || args.deletions.allow_empty
        || args.deletions.take_ownership
        || release;
    if decides {
        let hint = "plan again with these flags, and apply that";
        return Err(Box::new(
            wrong("flags that decide what is done are part of the plan".to_owned()).hint(hint.to_owned()),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let file = PlanFile::parse(&text).map_err(wrong)?;
    if file.fleet != planning.name {
        return Err(wrong(format!("it was made for the fleet `{}`, and this one is `{}`", file.fleet, planning.name)));
    }
    if file.options.read_only || file.options.compare_as.is_some() {
        return Err(wrong("it was made with `--read-only` or `--compare-as`, which only show".to_owned()));
    }
    let mut clusters = file.clusters;
    let (mut plans, mut targets) = (Vec::new(), Vec::new());
    for mut target in std::mem::take(&mut planning.targets) {
        let Some(at) = clusters.iter().position(|plan| plan.cluster == target.input.cluster) else { continue };
        let mut plan = clusters.remove(at);
        if let Removals::Only(filter) = &target.input.removals {
            plan.slices.retain(|slice| filter.lets(&slice.key.application, &slice.project));
        }
        target.input.options =
            fleetc::plan::Options { in_flight: target.input.options.in_flight, ..file.options.clone() };
        plans.push((plan, Basis::Saved));
        targets.push(target);
    }
    planning.targets = targets;
    let filtered = !args.target.filter.clusters.is_empty() || args.target.filter.selector.is_some();
    for gone in clusters.iter().filter(|plan| !filtered && plan.slices.iter().any(SlicePlan::has_work)) {
        let message =
            format!("the plan is about the cluster `{}`, which the fleet does not have any more", gone.cluster);
        planning.diagnostics.push(Diagnostic::error("apply/cluster", Span::NONE, message).cause(Cause::Answer));
    }
    let mut rollout = file.rollout;
    let there = |place: &Place| {
        let cluster = plans.iter().find(|(plan, _)| plan.cluster == place.cluster);
        cluster.is_some_and(|(plan, _)| plan.slices.iter().any(|slice| slice.key.application == place.application))
    };
    rollout.retain(there, |cluster| plans.iter().any(|(plan, _)| plan.cluster == cluster));
    Ok((plans, rollout))
}

/// Choices for the core.
fn options(args: &Apply, planning: &Planning) -> apply::Options {
    apply::Options {
        holder: holder(),
        wait: match args.wait {
            WaitChoice::Steps => Wait::Steps,
            WaitChoice::Always => Wait::Always,
            WaitChoice::Never => Wait::Never,
        },
        timeout: args.timeout.saturating_mul(1_000),
        at_once: AT_ONCE.0,
        slices_at_once: AT_ONCE.1,
        manual: true,
        ignore_windows: args.ignore_windows,
        scripts: scripts(planning),
    }
}

/// The health scripts of all instances, the first one's where two have one for a kind.
pub(crate) fn scripts(planning: &Planning) -> Scripts {
    let settings = planning.targets.first().into_iter().flat_map(|target| target.input.settings.values());
    let mut data = Map::new();
    for (key, value) in settings.filter_map(Node::as_map).flat_map(Map::iter) {
        if !key.text().is_some_and(|key| data.contains(key)) {
            data.push(key.clone(), value.clone());
        }
    }
    // What is wrong with them is said when the fleet is compiled.
    Scripts::read(&Node::map(data)).value
}

/// A name for this run that no other has, and by which people find out whose it is.
pub(crate) fn holder() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| variable("HOSTNAME"));
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "somebody".to_owned());
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let host = host.unwrap_or_default();
    clean(&format!("{user}@{} {} {nanos:x}", host.trim(), std::process::id()))
}

pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// What servers say may hold control characters, and such as turn the direction of writing: they never reach a terminal.
pub(super) fn clean(text: &str) -> String {
    let is_odd = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_odd(c) { ' ' } else { c }).collect()
}

pub(crate) fn text(outcomes: &[ClusterOutcome], verbose: bool) -> String {
    let mut lines = Vec::new();
    for outcome in outcomes {
        if !outcome.failed.is_empty() {
            lines.push(format!("{}: failed: {}", outcome.cluster, outcome.failed));
        }
        for slice in &outcome.slices {
            let says_nothing = slice.result == SliceResult::Unchanged && slice.notes.is_empty();
            if says_nothing && !verbose {
                continue;
            }
            let mut line = format!("{} {}: {}", outcome.cluster, slice.application, slice.result);
            if slice.counts != Counts::default() {
                line.push_str(&format!(", {}", slice.counts));
            }
            if !slice.why.is_empty() {
                line.push_str(&format!(": {}", slice.why));
            }
            lines.push(line);
            for (mark, list) in [("error", &slice.errors), ("note", &slice.notes)] {
                for (object, message) in list {
                    let object = object.as_ref().map_or_else(String::new, |object| format!("{object}: "));
                    lines.push(format!("  {mark}: {object}{message}"));
                }
            }
        }
    }
    lines.iter().map(|line| format!("{}\n", clean(line))).collect()
}

/// `3 applications applied, 1 skipped, 40 unchanged; 3 created, 1 deleted`.
fn summary(outcomes: &[ClusterOutcome], total: &Counts) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (result, word) in apply::RESULTS {
        let slices = outcomes.iter().flat_map(|outcome| &outcome.slices);
        let number = slices.filter(|slice| slice.result == result).count();
        if number > 0 {
            let number = if parts.is_empty() { plural(number, "application") } else { number.to_string() };
            parts.push(format!("{number} {word}"));
        }
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.failed.is_empty()).count();
    if failed > 0 {
        parts.push(format!("{} failed", plural(failed, "cluster")));
    }
    if parts.is_empty() {
        return "nothing to apply".to_owned();
    }
    format!("{}; {total}", parts.join(", "))
}

fn cluster_data(outcome: &ClusterOutcome) -> Value {
    let list = |list: &[(Option<ObjectRef>, String)]| -> Vec<Value> {
        let one = |(object, message): &(Option<ObjectRef>, String)| json!({"object": object.as_ref().map(ToString::to_string), "message": message});
        list.iter().map(one).collect()
    };
    let slice = |slice: &SliceOutcome| {
        json!({
            "application": slice.application.to_string(), "result": slice.result.to_string(), "why": slice.why,
            "errors": list(&slice.errors), "notes": list(&slice.notes), "withheld": slice.withheld,
            "counts": counts_data(&slice.counts),
        })
    };
    let slices: Vec<Value> = outcome.slices.iter().map(slice).collect();
    json!({"cluster": outcome.cluster, "failed": outcome.failed, "applications": slices})
}

pub(crate) fn counts_data(counts: &Counts) -> Value {
    let Counts { created, changed, replaced, deleted, released, hooks } = counts;
    json!({
        "created": created, "changed": changed, "replaced": replaced, "deleted": deleted, "released": released, "hooks": hooks,
    })
}

/// The file that `--journal` names. A line that cannot be written stops nothing: it is a log only.
pub(super) struct Journal(Option<File>);

impl Journal {
    fn open(path: Option<&Path>) -> Result<Journal, Box<Diagnostic>> {
        let open = |path: &Path| OpenOptions::new().append(true).create(true).open(path);
        let wrong = |error: std::io::Error| {
            let shown = path.map(PathBuf::from).unwrap_or_default();
            let message = format!("the journal `{}` cannot be opened: {error}", shown.display());
            Box::new(Diagnostic::error("cli/write", Span::NONE, message).cause(Cause::Usage))
        };
        path.map(open).transpose().map(Journal).map_err(wrong)
    }

    pub(super) fn write(&mut self, cluster: &str, what: &Value) {
        let Some(file) = &mut self.0 else { return };
        let time = jiff::Timestamp::now().to_string();
        let mut line = json!({"time": time, "cluster": cluster});
        if let (Some(line), Some(what)) = (line.as_object_mut(), what.as_object()) {
            line.extend(what.clone());
        }
        let _ = writeln!(file, "{line}");
    }
}
