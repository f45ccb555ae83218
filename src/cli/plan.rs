//! `fleetc plan`: what would change on which cluster. Changes nothing there.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use fleetc::diag::{Cause, Diagnostic};
use fleetc::page::{Known, Page, html};
use fleetc::plan::file::PlanFile;
use fleetc::plan::guard::Limits;
use fleetc::plan::report::{self as plan_report, Detail};
use fleetc::plan::{ClusterPlan, Removals, SlicePlan, Status};
use fleetc::rollout::Rollout;
use fleetc::span::Span;

use super::args::{Format, Plan};
use super::page;
use super::planning::{Chosen, Planning};
use super::report;
use super::session::{print_json, print_out, write_file};

/// Runs the command.
pub(crate) fn run(args: &Plan) -> ExitCode {
    let mut planning = match Planning::make(&args.planning) {
        Ok(planning) => planning,
        Err(code) => return code,
    };
    for target in &mut planning.targets {
        target.input.options.read_only = args.read_only;
        target.input.options.release = args.release;
        target.input.options.compare_as.clone_from(&args.compare_as);
        if args.compare_as.is_some() {
            target.input.removals = Removals::None;
        }
    }
    planning.run.deadline = Some(Duration::from_secs(args.timeout));
    let limits =
        Limits { deletes: args.planning.deletions.max_deletes, removals: args.planning.deletions.max_removals };
    let clusters: Vec<ClusterPlan> = planning.plan(limits).into_iter().map(|(plan, _)| plan).collect();
    let options = planning.targets.first().map(|target| target.input.options.clone()).unwrap_or_default();
    let rollout = if args.no_rollout { Rollout::default() } else { planning.rollout(clusters.iter()) };
    let file = PlanFile { fleet: planning.name.clone(), options, clusters, rollout };
    let mut diagnostics = std::mem::take(&mut planning.diagnostics);
    if file.clusters.iter().all(|plan| plan.failed.is_none() && plan.slices.is_empty()) {
        let message = "no application is planned";
        let hint = "the filters let none through, or the fleet has none";
        diagnostics.push(Diagnostic::warning("plan/empty", Span::NONE, message).hint(hint));
    }
    if let Some(path) = &args.html
        && let Err(error) = page(args, path, &planning, &file)
    {
        diagnostics.push(*error);
    }
    let text = file.to_text().unwrap_or_default();
    if let Some(path) = &args.output
        && let Err(error) = write_file(path, &text)
    {
        let message = format!("{}: {error}", path.display());
        diagnostics.push(Diagnostic::error("cli/write", Span::NONE, message).cause(Cause::Usage));
    }
    planning.session.print_findings(&mut diagnostics);
    let fleet = &args.planning.target.fleet.options;
    match fleet.format {
        Format::Json => {
            let mut data: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            if let Some(fields) = data.as_object_mut() {
                fields.insert("diagnostics".to_owned(), report::json(&diagnostics, planning.session.world.sources()));
            }
            print_json(&data);
        }
        Format::Sarif => planning.session.print_json(&diagnostics, serde_json::Value::Null),
        Format::Human if args.markdown => print_out(&plan_report::markdown(&file.clusters, &file.rollout)),
        Format::Human | Format::Github => {
            let color = fleet.color.is_on(&std::io::stdout());
            print_out(&plan_report::human(&file.clusters, Detail { verbose: fleet.verbose, color }));
            print_out(&plan_report::waves(&file.rollout));
        }
    }
    let code = report::exit_code(&diagnostics, answer_is_no(&file.clusters, args.exit_code));
    // What is wrong with the fleet itself is said first; a held application is no obstacle to the others.
    ExitCode::from(if code < 2 && is_refused(&file.clusters) { 5 } else { code })
}

/// Writes the plan as a page. Where objects came from is known of a fleet that is compiled, not of bundles that lay in a folder.
fn page(args: &Plan, path: &Path, planning: &Planning, file: &PlanFile) -> Result<(), Box<Diagnostic>> {
    let session = &planning.session;
    let compiled = args.planning.target.bundles.is_none().then(|| session.compile_unseen().value);
    let chosen = Chosen::of(&args.planning.target.filter, &planning.fleet)?;
    let traced = compiled.as_ref().map(|compiled| page::traced(session, compiled, &chosen));
    let known = compiled.as_ref().zip(traced.as_ref());
    let known = known.map(|(compiled, traced)| Known { compiled, sources: session.world.sources(), traced });
    let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| session.pool.spread(count, work);
    let mut page = Page::of_plan(&file.clusters, &planning.sites, &planning.fleet, known, &spread);
    page.title.clone_from(&file.fleet);
    page.remarks.extend(file.rollout.describe().into_iter().map(|line| ("plain", line)));
    let text = html(&page, &spread);
    page::written(path, &text)?;
    if !session.is_json() {
        session.say(&page::said(&page, path, &text));
    }
    Ok(())
}

/// Whether a cluster or a slice could not be planned.
pub(crate) fn is_refused(plans: &[ClusterPlan]) -> bool {
    let refused = |status: &Status| matches!(status, Status::Blocked | Status::Refused(_) | Status::Failed(_));
    plans.iter().any(|plan| plan.failed.is_some() || plan.slices.iter().any(|slice| refused(&slice.status)))
}

fn answer_is_no(plans: &[ClusterPlan], exit_code: bool) -> bool {
    let withheld = plans.iter().any(|plan| !plan.refusals.is_empty());
    withheld || (exit_code && plans.iter().flat_map(|plan| &plan.slices).any(SlicePlan::has_changes))
}
