//! `fleetc rollback`: one application on one cluster goes back to what the fleet said at an earlier commit, or to saved bundles, and is held
//! there. A plan like any other: shown, agreed to, bounded. Nothing of another application is taken, and the checkout is not touched.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use fleetc::apply;
use fleetc::diag::{Cause, Diagnostic};
use fleetc::host::cluster::RunOptions;
use fleetc::machine::Machine;
use fleetc::plan::{Hold, Record, Removals};
use fleetc::span::Span;
use serde_json::json;

use super::apply::{holder, now_and_here};
use super::args::{DeletionArgs, FilterArgs, PlanningArgs, Rollback, TargetArgs, applying};
use super::consent::Question;
use super::history::Slice;
use super::planning::Planning;
use super::status::short;

/// Runs the command.
pub(crate) fn run(args: &Rollback) -> ExitCode {
    let slice = match Slice::find(&args.slice, &args.fleet, &args.connection) {
        Ok(slice) => slice,
        Err(code) => return code,
    };
    if args.release {
        return release(slice, args);
    }
    let record = Record::read(&slice.parent.record);
    let to = match (&args.to, &args.bundles) {
        (Some(to), _) => Some(to.clone()),
        (None, Some(_)) => None,
        (None, None) => match before(&record) {
            Some(revision) => Some(revision),
            None => {
                let message = "no earlier apply of something else is remembered whose commit is known";
                return refuse(
                    slice,
                    "rollback/nowhere",
                    message.to_owned(),
                    "say where to: `--to REVISION`, or `--bundles OUT`",
                );
            }
        },
    };
    let planning_args = planning_args(args, &slice, to.clone());
    let mut planning = match Planning::make(&planning_args) {
        Ok(planning) => planning,
        Err(code) => return code,
    };
    let Slice { parent, cluster, connection, driver, .. } = slice;
    let app = &parent.key.application;
    planning.targets.retain(|target| target.input.cluster == cluster);
    let (commit, shown) = match (&to, &args.bundles) {
        (Some(to), _) => {
            let commit = planning.session.world.head();
            let named = if commit.starts_with(to.as_str()) { String::new() } else { format!(" ({to})") };
            (commit.clone(), format!("{}{named}", short(&commit)))
        }
        (None, bundles) => (
            String::new(),
            format!("the bundles of {}", bundles.as_ref().map_or("".into(), |path| path.display().to_string())),
        ),
    };
    let wrong = |planning: &mut Planning, message: String, hint: &str| {
        let error = Diagnostic::error("rollback/nothing", Span::NONE, message).cause(Cause::Usage).hint(hint);
        planning.diagnostics.push(error);
        let diagnostics = std::mem::take(&mut planning.diagnostics);
        planning.session.refuse(diagnostics)
    };
    if planning.name != parent.key.fleet {
        let message = format!(
            "at {shown} the fleet was called `{}`, and what is applied belongs to `{}`",
            planning.name, parent.key.fleet
        );
        return wrong(&mut planning, message, "go back to a revision with the name of today");
    }
    let Some(target) = planning.targets.first_mut() else {
        let message = format!("at {shown} the fleet had no cluster `{cluster}`");
        return wrong(&mut planning, message, "`fleetc history` lists what was applied");
    };
    target.connection = Ok(connection);
    target.is_used = true;
    target.input.removals = Removals::None;
    target.input.slices.retain(|slice| slice.key.application == *app && slice.parent == parent.name);
    let Some(earlier) = target.input.slices.first_mut() else {
        let message =
            format!("at {shown} the fleet had no application `{app}` on `{cluster}`, or kept its record elsewhere");
        return wrong(
            &mut planning,
            message,
            "`fleetc history` lists what was applied; to take it away, remove it from the fleet and apply",
        );
    };
    let by = holder().split(' ').next().unwrap_or_default().to_owned();
    earlier.record.hold = Some(Hold { revision: shown.clone(), by, at: stamp(), reason: args.reason.clone() });
    // What is compiled again from a commit may be something else than then: files that were not committed, sources without a pin.
    let then = record.history.iter().find(|one| one.well && !commit.is_empty() && one.revision == commit);
    let other = then.is_some_and(|then| then.bundle != Some(earlier.digest));
    if other {
        let message = format!(
            "what commit {} gives now is not what was applied from it {}",
            short(&commit),
            then.map_or("", |then| &then.at)
        );
        let warning = Diagnostic::warning("rollback/differs", Span::NONE, message);
        planning.diagnostics.push(
            warning.hint("its working tree had changes then, or a source that fleet.lock does not pin has moved"),
        );
    }
    planning.driver = driver;
    let apply = applying(planning_args, args.yes, args.timeout);
    let app = app.clone();
    let session_says = format!(
        "{app} on {cluster} is held at {shown}: plan and apply leave it alone until `fleetc rollback --release --cluster {cluster} --app {app}`"
    );
    let quiet = args.fleet.options.quiet || args.fleet.options.format == super::args::Format::Json;
    let mut more = serde_json::Map::new();
    more.insert(
        "rollback".to_owned(),
        json!({"cluster": cluster, "application": app.to_string(), "to": shown, "commit": commit}),
    );
    let code = now_and_here(planning, &apply, more);
    if code == 0 && !quiet {
        super::session::eprint_line(&session_says);
    }
    ExitCode::from(code)
}

/// The commit of the last good apply of something else than what is there.
fn before(record: &Record) -> Option<String> {
    let other = record.history.iter().filter(|one| one.well && one.bundle != record.bundle);
    other.map(|one| one.revision.clone()).find(|revision| !revision.is_empty())
}

/// The arguments of a plan of exactly this application on this cluster.
fn planning_args(args: &Rollback, slice: &Slice, at: Option<String>) -> PlanningArgs {
    let app = &slice.parent.key.application;
    let mut fleet = args.fleet.clone();
    fleet.options.at = at;
    PlanningArgs {
        target: TargetArgs {
            fleet,
            bundles: args.bundles.clone(),
            connection: args.connection.clone(),
            filter: FilterArgs {
                apps: vec![format!("{}/{}/{}", app.instance, app.namespace, app.name)],
                clusters: vec![slice.cluster.clone()],
                ..FilterArgs::default()
            },
        },
        deletions: DeletionArgs {
            max_deletes: args.max_deletes,
            allow_delete: args.allow_delete.clone(),
            take_ownership: args.take_ownership,
            ..DeletionArgs::default()
        },
    }
}

fn release(slice: Slice, args: &Rollback) -> ExitCode {
    let Slice { session, mut diagnostics, driver, connection, parent, cluster } = slice;
    let app = &parent.key.application;
    let Some(hold) = Record::read(&parent.record).hold else {
        let error = Diagnostic::error("rollback/no-hold", Span::NONE, format!("nothing holds {app} on {cluster}"));
        diagnostics.push(error.cause(Cause::Answer));
        return session.refuse(diagnostics);
    };
    session.say(&hold.words(&cluster, &app.to_string()));
    if !args.yes {
        let question = Question {
            asks: "end this hold? `yes` does:",
            agrees: &["yes"],
            undone: "the hold stays",
            code: "apply/nobody-agreed",
            hint: "`--yes` agrees",
        };
        if let Err(code) = question.put(&session, &diagnostics) {
            return ExitCode::from(code);
        }
    }
    let (name, by) = (parent.name.clone(), holder());
    let machine = Machine::new(|port| apply::release(port, name, by));
    let ended = driver.run(vec![(connection, machine)], RunOptions::default(), &mut |_, _| {}).pop().flatten();
    match ended.unwrap_or_else(|| Err("the work broke off".to_owned())) {
        Ok(ended) => {
            session.print_findings(&mut diagnostics);
            if session.is_json() {
                let data = json!({"cluster": cluster, "application": app.to_string(), "released": ended.is_some()});
                session.print_json(&diagnostics, data);
            }
            session.say(&format!("{app} on {cluster} is released: `fleetc apply` brings what the fleet says"));
            ExitCode::SUCCESS
        }
        Err(why) => {
            let error = Diagnostic::error("rollback/release", Span::NONE, format!("the hold stays: {why}"));
            diagnostics.push(error.cause(Cause::Cluster));
            session.refuse(diagnostics)
        }
    }
}

fn refuse(slice: Slice, code: &'static str, message: String, hint: &str) -> ExitCode {
    let Slice { session, mut diagnostics, .. } = slice;
    diagnostics.push(Diagnostic::error(code, Span::NONE, message).cause(Cause::Usage).hint(hint));
    session.refuse(diagnostics)
}

/// Now, RFC 3339 in whole seconds.
fn stamp() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let at = jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or(0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.to_string()
}
