//! `fleetc adopt`: shows which fields of other deployers would become ours, asks, and moves them. No value of any object changes.

use std::process::ExitCode;
use std::time::Duration;

use fleetc::apply::adopt::{self as moving, Adopted};
use fleetc::diag::{Diagnostic, Diagnostics};
use fleetc::machine::Machine;
use fleetc::plan::adopt::report::{self as planned, Counts};
use fleetc::plan::adopt::{Adoption, ClusterAdoption, Route, SliceAdoption, Step, adopt};
use fleetc::span::Span;
use serde_json::{Value, json};

use super::args::Adopt;
use super::consent::Question;
use super::planning::Planning;
use super::report::{self, plural};
use super::session::print_out;

/// Patches of a cluster at a time.
const AT_ONCE: usize = 16;

/// Runs the command.
pub(crate) fn run(args: &Adopt) -> ExitCode {
    let mut planning = match Planning::make(&args.target.planning()) {
        Ok(planning) => planning,
        Err(code) => return code,
    };
    planning.run.deadline = Some(Duration::from_secs(args.timeout));
    let route = match args.back_to {
        Some(choice) => Route::BackTo(choice.deployer()),
        None => Route::From(args.from.iter().map(|choice| choice.deployer()).collect()),
    };
    let plans = plan(&planning, &route);
    let mut diagnostics = std::mem::take(&mut planning.diagnostics);
    let session = &planning.session;
    if plans.is_empty() {
        let message = "no application is looked at";
        let hint = "the filters let none through, or the fleet has none";
        diagnostics.push(Diagnostic::warning("adopt/empty", Span::NONE, message).hint(hint));
    }
    session.print_findings(&mut diagnostics);
    if !session.is_json() {
        print_out(&planned::human(&plans, args.target.fleet.options.verbose));
    }
    let counts = Counts::of(&plans);
    if counts.moving == 0 || args.dry_run {
        return finish(&planning, &diagnostics, &plans, None);
    }
    if !args.yes {
        let question = Question {
            asks: "adopt this? `yes` does:",
            agrees: &["yes"],
            undone: "nothing was moved",
            code: "adopt/nobody-agreed",
            hint: "`--yes` agrees, `--dry-run` only shows",
        };
        if let Err(code) = question.put(session, &diagnostics) {
            return ExitCode::from(code);
        }
    }
    let done = carry_out(&planning, &plans, &route);
    finish(&planning, &diagnostics, &plans, Some(&done))
}

fn plan(planning: &Planning, route: &Route) -> Vec<ClusterAdoption> {
    let progress = planning.session.progress("planning");
    let (mut plans, mut work, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for target in &planning.targets {
        let mut plan = ClusterAdoption { cluster: target.input.cluster.clone(), ..ClusterAdoption::default() };
        match &target.connection {
            // What the fleet has nothing for has nothing to move.
            _ if target.input.slices.is_empty() => continue,
            Ok(connection) => {
                plan.failed = Some("the work broke off".to_owned());
                let (input, route) = (target.input.clone(), route.clone());
                work.push((connection.clone(), Machine::new(|port| adopt(port, input, route))));
                places.push(plans.len());
            }
            Err(why) => plan.failed = Some(why.clone()),
        }
        plans.push(plan);
    }
    let results = planning.driver.run(work, planning.run, &mut |_, text| progress.set_message(text));
    progress.finish_and_clear();
    for (place, result) in places.into_iter().zip(results) {
        if let (Some(slot), Some(result)) = (plans.get_mut(place), result) {
            *slot = result;
        }
    }
    plans
}

fn carry_out(planning: &Planning, plans: &[ClusterAdoption], route: &Route) -> Vec<Adopted> {
    let progress = planning.session.progress("moving");
    let (mut done, mut work) = (Vec::new(), Vec::new());
    for plan in plans.iter().filter(|plan| plan.objects().any(|adoption| adoption.step == Step::Move)) {
        let target = planning.targets.iter().find(|target| target.input.cluster == plan.cluster);
        let Some(Ok(connection)) = target.map(|target| target.connection.as_ref()) else { continue };
        let (plan, route) = (plan.clone(), route.clone());
        done.push(Adopted {
            cluster: plan.cluster.clone(),
            failed: Some("the work broke off".to_owned()),
            ..Adopted::default()
        });
        work.push((connection.clone(), Machine::new(|port| moving::adopt(port, plan, route, AT_ONCE))));
    }
    let results = planning.driver.run(work, planning.run, &mut |_, text| progress.set_message(text));
    progress.finish_and_clear();
    for (slot, result) in done.iter_mut().zip(results) {
        if let Some(result) = result {
            *slot = result;
        }
    }
    done
}

fn finish(
    planning: &Planning,
    diagnostics: &Diagnostics,
    plans: &[ClusterAdoption],
    done: Option<&[Adopted]>,
) -> ExitCode {
    let session = &planning.session;
    let (all, moved) = (done.unwrap_or_default(), done.map(|done| done.iter().map(|one| one.moved.len()).sum()));
    let wrong = all.iter().any(|adopted| adopted.failed.is_some() || !adopted.errors.is_empty());
    if session.is_json() {
        session.print_json(diagnostics, data(plans, done));
    } else if let Some(moved) = moved {
        let mut text = String::new();
        for adopted in all {
            let failed = adopted.failed.iter().map(|why| format!("{}: failed: {why}\n", adopted.cluster));
            text.extend(failed);
            let errors = adopted.errors.iter().map(|(object, why)| format!("{}: {object}: {why}\n", adopted.cluster));
            text.extend(errors);
        }
        print_out(&text);
        session.say(&format!(
            "the fields of {} moved; `fleetc plan` shows what the next apply does",
            plural(moved, "object")
        ));
    }
    let refused = plans.iter().any(|plan| plan.failed.is_some()) || Counts::of(plans).refused > 0;
    let code = report::exit_code(diagnostics, false);
    ExitCode::from(if code < 2 && (wrong || refused) { 5 } else { code })
}

/// The keys are those of docs/guide.md.
fn data(plans: &[ClusterAdoption], done: Option<&[Adopted]>) -> Value {
    let object = |adoption: &Adoption| {
        let (step, why) = match &adoption.step {
            Step::Move => ("move", ""),
            Step::Nothing => ("nothing", ""),
            Step::Missing => ("missing", ""),
            Step::Refused(why) => ("refused", why.as_str()),
        };
        let moves: Vec<Value> = adoption
            .moves
            .iter()
            .map(|moved| {
                let operation = if moved.applied { "Apply" } else { "Update" };
                json!({"manager": moved.manager.as_str(), "operation": operation, "fields": moved.fields})
            })
            .collect();
        json!({
            "object": adoption.object.to_string(), "step": step, "why": why, "moves": moves, "fields": adoption.fields,
            "going": adoption.going, "staying": adoption.staying,
        })
    };
    let slice = |slice: &SliceAdoption| {
        json!({
            "application": slice.application.to_string(), "project": slice.project, "leftOut": slice.left_out,
            "objects": slice.objects.iter().map(object).collect::<Vec<_>>(),
        })
    };
    let result = |cluster: &str| {
        let adopted = done?.iter().find(|adopted| adopted.cluster == cluster)?;
        let errors: Vec<Value> =
            adopted.errors.iter().map(|(object, why)| json!({"object": object.to_string(), "message": why})).collect();
        let moved: Vec<String> = adopted.moved.iter().map(ToString::to_string).collect();
        Some(json!({"moved": moved, "errors": errors, "failed": adopted.failed}))
    };
    let cluster = |plan: &ClusterAdoption| {
        json!({
            "cluster": plan.cluster, "failed": plan.failed, "notes": plan.notes,
            "applications": plan.slices.iter().map(slice).collect::<Vec<_>>(), "result": result(&plan.cluster),
        })
    };
    let Counts { moving, fields, nothing, missing, refused } = Counts::of(plans);
    json!({
        "counts": {"moving": moving, "fields": fields, "nothing": nothing, "missing": missing, "refused": refused},
        "clusters": plans.iter().map(cluster).collect::<Vec<_>>(),
    })
}
