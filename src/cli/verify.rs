//! `fleetc verify`: how many objects of the clusters are what would be applied, and why the others are not. Reads only.

use std::process::ExitCode;
use std::time::Duration;

use fleetc::diag::Diagnostic;
use fleetc::machine::Machine;
use fleetc::plan::verify::report::{self as verified, Counts};
use fleetc::plan::verify::{ClusterVerified, Compared, SliceVerified, VERDICTS, verify};
use fleetc::span::Span;
use serde_json::{Map, Value, json};

use super::args::Verify;
use super::cluster::columns;
use super::planning::Planning;
use super::report;
use super::session::print_out;

/// Runs the command.
pub(crate) fn run(args: &Verify) -> ExitCode {
    let planning = match Planning::make(&args.target.planning()) {
        Ok(planning) => planning,
        Err(code) => return code,
    };
    let mut clusters = compare(&planning, args.timeout);
    // What the fleet has nothing for is neither identical nor not.
    clusters.retain(|cluster| cluster.failed.is_some() || !cluster.slices.is_empty());
    let Planning { session, mut diagnostics, .. } = planning;
    if clusters.is_empty() {
        let message = "no application is compared";
        let hint = "the filters let none through, or the fleet has none";
        diagnostics.push(Diagnostic::warning("verify/empty", Span::NONE, message).hint(hint));
    }
    session.print_findings(&mut diagnostics);
    let verbose = args.target.fleet.options.verbose;
    if session.is_json() {
        session.print_json(&diagnostics, data(&clusters));
    } else {
        print_out(&verified::human(&clusters, verbose));
        let rows = verified::table(&clusters, verbose);
        if rows.len() > 1 {
            print_out(&format!("\n{}", columns(&rows)));
        }
    }
    let code = report::exit_code(&diagnostics, !verified::is_identical(&clusters));
    let failed = clusters.iter().any(|cluster| cluster.failed.is_some());
    ExitCode::from(if code < 2 && failed { 5 } else { code })
}

fn compare(planning: &Planning, timeout: u64) -> Vec<ClusterVerified> {
    let progress = planning.session.progress("comparing");
    let (mut clusters, mut work, mut places): (Vec<ClusterVerified>, _, _) = (Vec::new(), Vec::new(), Vec::new());
    for target in &planning.targets {
        let mut cluster = ClusterVerified { cluster: target.input.cluster.clone(), failed: None, slices: Vec::new() };
        match &target.connection {
            Ok(connection) => {
                cluster.failed = Some("the work broke off".to_owned());
                let input = target.input.clone();
                work.push((connection.clone(), Machine::new(|port| verify(port, input))));
                places.push(clusters.len());
            }
            Err(why) if target.is_used => cluster.failed = Some(why.clone()),
            Err(_) => {}
        }
        clusters.push(cluster);
    }
    let mut run = planning.run;
    run.deadline = Some(Duration::from_secs(timeout));
    let results = planning.driver.run(work, run, &mut |_, text| progress.set_message(text));
    progress.finish_and_clear();
    for (place, result) in places.into_iter().zip(results) {
        if let (Some(slot), Some(mut result)) = (clusters.get_mut(place), result) {
            let is_used = planning.targets.get(place).is_some_and(|target| target.is_used);
            result.failed = result.failed.filter(|_| is_used);
            *slot = result;
        }
    }
    clusters
}

fn counts(counts: &Counts) -> Value {
    let mut fields = Map::new();
    fields.insert("objects".to_owned(), counts.total().into());
    fields.insert("identical".to_owned(), counts.identical().into());
    for (verdict, name, _) in VERDICTS {
        fields.insert(name.to_owned(), counts.number(verdict).into());
    }
    Value::Object(fields)
}

/// The keys are those of docs/guide.md.
fn data(clusters: &[ClusterVerified]) -> Value {
    let fields = |verdict| -> Vec<Value> {
        let one = |(kind, path, holders, number): (String, String, String, usize)| json!({"kind": kind, "path": path, "heldBy": holders, "objects": number});
        verified::fields(clusters, verdict).into_iter().map(one).collect()
    };
    let causes: Map<String, Value> = VERDICTS
        .iter()
        .filter(|row| !row.0.is_identical())
        .map(|(verdict, name, _)| ((*name).to_owned(), Value::Array(fields(*verdict))))
        .collect();
    let object = |object: &Compared| {
        let differences: Vec<Value> = object
            .differences
            .iter()
            .map(|found| json!({"path": found.path, "onlyLive": found.only_live, "heldBy": found.holders.iter().map(ToString::to_string).collect::<Vec<_>>()}))
            .collect();
        json!({
            "object": object.object.to_string(), "verdict": object.verdict.name(), "why": object.why, "differences": differences,
        })
    };
    let slice = |slice: &SliceVerified| {
        let others = slice.objects.iter().filter(|object| !object.verdict.is_identical());
        json!({
            "application": slice.application.to_string(), "project": slice.project, "notCompared": slice.left_out,
            "counts": counts(&Counts::of([slice])), "notIdentical": others.map(object).collect::<Vec<_>>(),
        })
    };
    let cluster = |cluster: &ClusterVerified| {
        json!({
            "cluster": cluster.cluster, "failed": cluster.failed, "counts": counts(&Counts::of(&cluster.slices)),
            "applications": cluster.slices.iter().map(slice).collect::<Vec<_>>(),
        })
    };
    json!({
        "counts": counts(&Counts::of(clusters.iter().flat_map(|cluster| &cluster.slices))), "fields": causes,
        "clusters": clusters.iter().map(cluster).collect::<Vec<_>>(),
    })
}
