//! `fleetc drift`: where clusters are not as they were last applied, by whom and since when; with `--heal` that is put back, as a plan.
//!
//! What is put back is what was applied: where the fleet says something else by now, `apply` is the way, and it is said.

use std::collections::BTreeSet;
use std::process::ExitCode;

use fleetc::application::AppKey;
use fleetc::k8s::conflict;
use fleetc::plan::report::{self as plan_report, Detail};
use fleetc::plan::survey::{ClusterState, Drift as Drifted, Git, Look, Standing, What, Writer};
use fleetc::plan::{HookRuns, Prune, Removals};
use fleetc::yaml::{Node, json};
use serde_json::{Value, json};

use super::apply;
use super::args::{Drift, Heal, applying};
use super::planning::Planning;
use super::report;
use super::session::{eprint_line, print_out};
use super::surveying::{nothing, states};

/// Runs the command.
pub(crate) fn run(args: &Drift) -> ExitCode {
    let options = &args.target.fleet.options;
    let dir = &args.target.fleet.dir;
    if let (Some(_), Some(word @ ("all" | "policy"))) = (args.heal, dir.to_str())
        && !dir.exists()
    {
        eprint_line(&format!(
            "error: `{word}` is taken for the folder of the fleet, and there is none; it is `--heal={word}`, with `=`"
        ));
        return ExitCode::from(2);
    }
    let mut planning = match Planning::make(&args.target.planning()) {
        Ok(planning) => planning,
        Err(code) => return code,
    };
    for target in &mut planning.targets {
        target.input.options.read_only = args.read_only;
    }
    let look = Look { scripts: apply::scripts(&planning), beside: options.verbose };
    let states = states(&mut planning, &look, args.timeout);
    planning.diagnostics.extend(nothing(&planning, &states, &args.target.filter));
    let drifted = states.iter().flat_map(|state| &state.slices).any(Standing::has_drifted);
    let failed =
        states.iter().any(|state| state.failed.is_some() || state.slices.iter().any(|slice| slice.failed.is_some()));
    if !planning.session.is_json() {
        let color = options.color.is_on(&std::io::stdout());
        print_out(&plan_report::drift(&states, Detail { verbose: options.verbose, color }));
    }
    let mut more = serde_json::Map::new();
    more.insert("drift".to_owned(), Value::Array(states.iter().map(cluster_data).collect()));
    let healed = match args.heal {
        Some(heal) if drifted => heal_all(planning, &states, heal, args, more),
        _ => {
            let mut diagnostics = std::mem::take(&mut planning.diagnostics);
            planning.session.print_findings(&mut diagnostics);
            if planning.session.is_json() {
                planning.session.print_json(&diagnostics, Value::Object(more));
            }
            report::exit_code(&diagnostics, drifted)
        }
    };
    ExitCode::from(if healed < 2 && failed { 5 } else { healed })
}

/// Puts back what was applied where it may be; what is left is said. The exit code.
fn heal_all(
    mut planning: Planning,
    states: &[ClusterState],
    heal: Heal,
    args: &Drift,
    mut more: serde_json::Map<String, Value>,
) -> u8 {
    let mut left = Vec::new();
    for (target, state) in planning.targets.iter_mut().zip(states) {
        let mut chosen: BTreeSet<&AppKey> = BTreeSet::new();
        for slice in state.slices.iter().filter(|slice| slice.has_drifted()) {
            match why_not(slice, heal) {
                None => drop(chosen.insert(&slice.application)),
                Some(why) => left.push(format!("{} on {}: {why}", slice.application, state.cluster)),
            }
            for extra in slice.drifts.iter().filter(|drift| matches!(drift.what, What::Extra | What::Going)) {
                let what =
                    if extra.what == What::Extra { "what we did not make is not deleted" } else { "it is on its way" };
                left.push(format!("{} on {}: {}: {what}", slice.application, state.cluster, extra.object));
            }
        }
        target.input.slices.retain(|slice| chosen.contains(&slice.key.application));
        target.input.removals = Removals::None;
        let options = &mut target.input.options;
        (options.take_ownership, options.prune, options.hooks) = (true, Prune::Never, HookRuns::OnChange);
    }
    planning.targets.retain(|target| !target.input.slices.is_empty());
    for line in &left {
        planning.session.say(&format!("not put back: {line}"));
    }
    more.insert("left".to_owned(), json!(left));
    let apply = applying(args.target.planning(), args.yes, 300);
    let code = apply::now_and_here(planning, &apply, more);
    if code == 0 && !left.is_empty() { 1 } else { code }
}

/// Why an application that has drifted is not put back.
fn why_not(slice: &Standing, heal: Heal) -> Option<String> {
    if heal == Heal::Policy && !slice.self_heal {
        return Some("its sync policy does not say selfHeal; `--heal=all` puts it back all the same".to_owned());
    }
    if slice.record.as_ref().is_some_and(|record| record.hold.is_some()) {
        return Some("a rollback holds it; `fleetc rollback --release` ends that".to_owned());
    }
    match &slice.git {
        Git::Applied => {}
        Git::Pending(_) | Git::Never => {
            return Some("the fleet says something else of it by now; `fleetc apply` brings that".to_owned());
        }
        Git::Gone => return Some("it is no longer declared there; `fleetc apply` removes it".to_owned()),
        Git::Unknown(why) => return Some(why.clone()),
    }
    let holders = slice.drifts.iter().flat_map(|drift| &drift.fields).flat_map(|field| &field.by);
    let deployer = holders.map(|writer| &writer.manager).find(|manager| conflict::is_deployer(manager));
    if let Some(deployer) = deployer {
        return Some(format!("{deployer} deploys it, too, and would change it again"));
    }
    let mendable = |drift: &Drifted| !matches!(drift.what, What::Extra | What::Going);
    (!slice.drifts.iter().any(mendable)).then(|| "there is nothing that an apply would put back".to_owned())
}

fn cluster_data(state: &ClusterState) -> Value {
    let slices: Vec<Value> = state.slices.iter().map(slice_data).collect();
    json!({"cluster": state.cluster, "failed": state.failed, "notes": state.notes, "applications": slices})
}

fn slice_data(slice: &Standing) -> Value {
    let objects: Vec<Value> = slice.drifts.iter().map(object_data).collect();
    let beside: Vec<Value> =
        slice.beside.iter().map(|(object, text)| json!({"object": object.to_string(), "message": text})).collect();
    json!({
        "application": slice.application.to_string(), "project": slice.project, "sync": slice.sync(),
        "objects": slice.objects, "drifted": objects, "beside": beside, "failed": slice.failed,
    })
}

fn object_data(drift: &Drifted) -> Value {
    let writers = |writers: &[Writer]| -> Vec<Value> { writers.iter().map(writer_data).collect() };
    let fields: Vec<Value> = drift
        .fields
        .iter()
        .map(|field| {
            let mut data = json!({"path": field.path, "by": writers(&field.by), "known": field.known});
            for (key, value) in [("applied", &field.applied), ("live", &field.live)] {
                if let (Some(map), Some(value)) = (data.as_object_mut(), value) {
                    map.insert(key.to_owned(), node_data(value));
                }
            }
            data
        })
        .collect();
    json!({
        "object": drift.object.to_string(), "what": drift.what.name(), "why": drift.why, "fields": fields,
        "lastWriter": drift.last.as_ref().map(writer_data),
    })
}

fn writer_data(writer: &Writer) -> Value {
    json!({"manager": writer.manager, "subresource": writer.subresource, "time": writer.time})
}

fn node_data(node: &Node) -> Value {
    let text = json::to_json(node).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
