//! `fleetc report`, and `--html` of other commands: the fleet, or what changes, as one HTML file.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use fleetc::bundle;
use fleetc::compile::Compiled;
use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::page::{Known, Page, Traced, html, jobs};
use fleetc::render::render_traced;
use fleetc::report::plural;
use fleetc::span::Span;
use serde_json::json;

use super::args::Report;
use super::diff::{Whole, whole};
use super::planning::Chosen;
use super::report;
use super::session::{Session, print_out, write_file};

/// Runs the command.
pub(crate) fn run(args: &Report) -> ExitCode {
    let session = match Session::open(&args.fleet, None) {
        Ok(session) => session,
        Err(code) => return code,
    };
    let (side, whole, failed) = match whole(session, &args.filter, ("report/nothing-written", "nothing was written")) {
        Ok(made) => made,
        Err(code) => return code,
    };
    let Whole { session, compiled, chosen } = whole;
    let mut diagnostics = Diagnostics::new();
    let traced = traced(&session, &compiled, &chosen);
    let known = Known { compiled: &compiled, sources: session.world.sources(), traced: &traced };
    let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| session.pool.spread(count, work);
    let mut page = Page::of_fleet(&side, known, &spread);
    page.title = title(&session, &compiled);
    page.facts = facts(&session, &compiled);
    let text = html(&page, &spread);
    if let Err(error) = written(&args.output, &text) {
        diagnostics.push(*error);
    }
    session.print_findings(&mut diagnostics);
    if session.is_json() {
        let objects = |slice: &fleetc::page::Slice| page.contents.get(slice.after?).map(|c| c.objects.len());
        session.print_json(
            &diagnostics,
            json!({
                "file": args.output, "bytes": text.len(), "summary": page.summary, "clusters": page.sites.len(),
                "applications": page.slices.len(), "objects": page.slices.iter().filter_map(objects).sum::<usize>(),
            }),
        );
    } else if !diagnostics.has_errors() {
        session.say(&said(&page, &args.output, &text));
    }
    let code = report::exit_code(&diagnostics, false);
    let failed = failed && code == 0;
    // The process ends here; taking thousands of applications apart would be for nothing.
    std::mem::forget((side, page, traced, compiled, session));
    ExitCode::from(if failed { 3 } else { code })
}

/// `fleet.html: 5,000 applications on 100 clusters (1.2 MiB)`.
pub(super) fn said(page: &Page, file: &Path, text: &str) -> String {
    let size = match text.len() {
        small if small < 1 << 20 => format!("{} KiB", small.div_ceil(1 << 10)),
        large => format!("{}.{} MiB", large >> 20, ((large & ((1 << 20) - 1)) * 10) >> 20),
    };
    let (clusters, slices) = (plural(page.sites.len(), "cluster"), plural(page.slices.len(), "application"));
    format!("{}: {slices} on {clusters}, {size}", file.display())
}

/// Writes the file, or prints it for `-`.
pub(super) fn written(file: &Path, text: &str) -> Result<(), Box<Diagnostic>> {
    if file == Path::new("-") {
        print_out(text);
        return Ok(());
    }
    write_file(file, text).map_err(|error| {
        let message = format!("cannot write `{}`: {error}", file.display());
        Box::new(Diagnostic::error("cli/write", Span::NONE, message).cause(Cause::Usage))
    })
}

/// Renders the chosen applications once more, with tracers.
pub(super) fn traced(session: &Session, compiled: &Compiled, chosen: &Chosen) -> Traced {
    let progress = session.progress("tracing");
    let jobs = jobs(compiled, &|unit| chosen.has_unit(unit, &compiled.fleet));
    let renders = session.pool.map(&jobs, &|job| render_traced(job, &session.world, &session.tools).ok());
    progress.finish_and_clear();
    Traced::new(jobs, renders)
}

/// The fleet's name, else that of its folder.
pub(super) fn title(session: &Session, compiled: &Compiled) -> String {
    let folder = || session.world.folder().file_name().map(|name| name.to_string_lossy().into_owned());
    compiled.fleet.name.clone().or_else(folder).unwrap_or_else(|| "fleet".to_owned())
}

/// What stands in the head of a page about a fleet.
fn facts(session: &Session, compiled: &Compiled) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let commit = session.world.head();
    if !commit.is_empty() {
        facts.push(("commit".to_owned(), commit.chars().take(12).collect()));
    }
    let engines = fleetc::compile::engine_versions(&compiled.fleet.engines);
    let engines: Vec<String> = engines.into_iter().map(|(name, version)| format!("{name} {version}")).collect();
    facts.push(("semantics".to_owned(), engines.join(", ")));
    let clusters = compiled.fleet.clusters.iter();
    let registered: BTreeSet<_> = clusters.map(|cluster| bundle::cluster_name(cluster, &compiled.fleet)).collect();
    facts.push(("registered".to_owned(), plural(registered.len(), "cluster")));
    facts
}
