//! `fleetc lint`: what is wrong with the rendered objects of the fleet, by rules. Renders in memory, writes nothing, asks no cluster.

use std::process::ExitCode;

use fleetc::compile::parts;
use fleetc::danger;
use fleetc::diag::Severity;
use fleetc::lint::{self, Finding, Input, Level, Report};
use serde_json::{Value, json};

use super::args::{FleetOptions, Lint};
use super::planning::Chosen;
use super::report::{self, plural};
use super::session::{Session, print_json, print_out};

/// Runs the command.
pub(crate) fn run(args: &Lint) -> ExitCode {
    if args.rules {
        return rules(args);
    }
    let session = match Session::open(&args.fleet, None) {
        Ok(session) => session,
        Err(code) => return code,
    };
    let compiled = session.compile();
    let mut diagnostics = compiled.diagnostics;
    let compiled = compiled.value;
    session.say_taken(&compiled.fleet);
    let parts = parts(&compiled, session.world.sources());
    diagnostics.extend(parts.diagnostics);
    let chosen = match Chosen::of(&args.filter, &compiled.fleet) {
        Ok(chosen) => chosen,
        Err(error) => {
            diagnostics.push(*error);
            return session.refuse(diagnostics);
        }
    };
    diagnostics.extend(lint::unknown_rules(&compiled.fleet));
    let progress = session.progress("checking");
    let input = Input {
        compiled: &compiled,
        parts: &parts.value,
        sources: session.world.sources(),
        chosen: &|unit| chosen.has_unit(unit, &compiled.fleet),
        whole: chosen.is_everything() && !diagnostics.has_errors(),
    };
    let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| session.pool.spread(count, work);
    let mut report = lint::lint(&input, &spread);
    progress.finish_and_clear();
    let failed = diagnostics.has_errors();
    if args.deny_warnings {
        for finding in &mut report.findings {
            finding.level = Level::Error;
        }
        for found in diagnostics.0.iter_mut().filter(|found| found.severity == Severity::Warning) {
            found.severity = Severity::Error;
        }
    }
    let mut all = diagnostics.clone();
    all.extend(report.findings.iter().map(Finding::diagnostic));
    session.print_findings(&mut all);
    if session.is_json() {
        diagnostics.settle(session.world.sources());
        session.print_document(&all, &diagnostics, data(&report, &session));
    } else {
        session.say(&summary(&report, failed));
    }
    // Renders of thousands of applications take longer to free than to judge; the process ends.
    std::mem::forget(parts.value);
    std::mem::forget(compiled);
    ExitCode::from(report::exit_code(&all, false))
}

/// `checked 412 objects of 30 applications on clusters; 3 findings suppressed; 12 of kinds without a schema (Foo.example.com, …)`. Of what an
/// error kept from being compiled, nothing is known: that is no "nothing found".
fn summary(report: &Report, failed: bool) -> String {
    if report.objects == 0 {
        let why = if failed { "the errors above come first" } else { "no application renders an object" };
        return format!("nothing was checked: {why}");
    }
    let mut line = format!(
        "checked {} of {} on clusters",
        plural(report.objects, "object"),
        plural(report.applications, "application")
    );
    if report.findings.is_empty() && !failed {
        line.push_str(": nothing found");
    }
    if failed {
        line.push_str("; not what the errors above are about");
    }
    if !report.suppressed.is_empty() {
        line.push_str(&format!("; {} suppressed", plural(report.suppressed.len(), "finding")));
    }
    let unjudged: usize = report.unjudged.values().sum();
    if unjudged > 0 {
        let kinds: Vec<&str> = report.unjudged.keys().map(String::as_str).take(3).collect();
        let more = if report.unjudged.len() > 3 { ", …" } else { "" };
        line.push_str(&format!("; {unjudged} of kinds without a schema ({}{more})", kinds.join(", ")));
    }
    if report.assumed > 0 {
        let newest = fleetc::validate::table::Minor::newest();
        line.push_str(&format!(
            "; {} without a version in its facts, taken to be Kubernetes {newest}",
            plural(report.assumed, "cluster")
        ));
    }
    line
}

fn data(report: &Report, session: &Session) -> Value {
    let one = |finding: &Finding| {
        let place = report::place(finding.found.span, session.world.sources());
        let places: Vec<Value> = finding
            .places
            .iter()
            .map(|place| json!({"cluster": place.cluster, "application": place.application}))
            .collect();
        json!({
            "rule": finding.found.rule.id, "level": finding.level.word(),
            "policy": finding.found.policy.as_ref().map(|(name, _)| name), "object": finding.object,
            "path": finding.found.path, "place": place, "message": finding.found.message, "hint": finding.hint(),
            "applications": places, "suppressed": finding.suppressed,
        })
    };
    let list = |findings: &[Finding]| {
        let mut sorted: Vec<&Finding> = findings.iter().collect();
        let key = |finding: &&Finding| {
            let at = session.world.sources().locate(finding.found.span);
            (at.is_none(), at, finding.found.rule.id, finding.object.clone(), finding.found.message.clone())
        };
        sorted.sort_by_cached_key(key);
        sorted.into_iter().map(one).collect::<Vec<_>>()
    };
    json!({
        "findings": list(&report.findings), "suppressed": list(&report.suppressed),
        "checked": {"objects": report.objects, "applications": report.applications, "withoutSchema": report.unjudged},
    })
}

/// One rule, in full.
pub(super) fn explain(rule: &lint::Rule, options: &FleetOptions) -> ExitCode {
    if options.format == super::args::Format::Json {
        print_json(&described(rule));
        return ExitCode::SUCCESS;
    }
    let lint::Rule { id, level, summary, why, fix } = rule;
    let applied = match (danger::rule(id).is_some(), danger::is_of_changes(id)) {
        (true, true) => "by `fleetc diff` and `fleetc plan`",
        (true, false) => "by `fleetc lint`, and of changes by `fleetc diff` and `fleetc plan`",
        (false, _) => "by `fleetc lint`",
    };
    print_out(&format!(
        "{id}: {summary}\n  level:   {}\n  applied: {applied}\n  why:     {why}\n  fix:     {fix}\n",
        level.word()
    ));
    ExitCode::SUCCESS
}

fn described(rule: &lint::Rule) -> Value {
    let lint::Rule { id, level, summary, why, fix } = rule;
    json!({"id": id, "level": level.word(), "summary": summary, "why": why, "fix": fix, "ofChanges": danger::is_of_changes(id)})
}

/// The table of rules.
fn rules(args: &Lint) -> ExitCode {
    let options = &args.fleet.options;
    if options.format == super::args::Format::Json {
        print_json(&json!({ "rules": lint::rules().map(described).collect::<Vec<_>>() }));
        return ExitCode::SUCCESS;
    }
    let width = lint::rules().map(|rule| rule.id.len()).max().unwrap_or_default();
    let mut out = String::new();
    for rule in lint::rules() {
        out.push_str(&format!("{:<width$}  {:<5}  {}\n", rule.id, rule.level.word(), rule.summary));
        if options.verbose {
            out.push_str(&format!("{:<width$}         {}\n{:<width$}         Fix: {}\n", "", rule.why, "", rule.fix));
        }
    }
    print_out(&out);
    ExitCode::SUCCESS
}
