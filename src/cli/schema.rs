//! `fleetc schema`: the JSON Schemas of all files and reports, as they are in this fleetc. An editor needs no network for them.

use std::process::ExitCode;

use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::span::{SourceMap, Span};

use super::args::{Color, Schema, Schemas};
use super::report;
use super::session::{print_findings, print_out, write_file};

/// Where `init` puts the schema of fleet.yaml, and how fleet.yaml names it for editors.
pub(crate) const FLEET_SCHEMA: &str = ".fleetc/fleet.schema.json";

impl Schemas {
    /// The schema's text.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Schemas::Fleet => include_str!("../../schema/fleet.schema.json"),
            Schemas::Facts => include_str!("../../schema/facts.schema.json"),
            Schemas::Bundle => include_str!("../../schema/bundle.schema.json"),
            Schemas::BundlesLock => include_str!("../../schema/bundles-lock.schema.json"),
            Schemas::Diff => include_str!("../../schema/diff.schema.json"),
            Schemas::FleetLock => include_str!("../../schema/fleet-lock.schema.json"),
            Schemas::Plan => include_str!("../../schema/plan.schema.json"),
            Schemas::Promote => include_str!("../../schema/promote.schema.json"),
            Schemas::State => include_str!("../../schema/state.schema.json"),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Schema) -> ExitCode {
    let text = args.format.text();
    let Some(file) = &args.output else {
        print_out(text);
        return ExitCode::SUCCESS;
    };
    let made = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| write_file(file, text));
    let Err(error) = made else { return ExitCode::SUCCESS };
    let error = Diagnostic::error("cli/write", Span::NONE, format!("{}: {error}", file.display()));
    let errors = Diagnostics::from(error.cause(Cause::Usage));
    print_findings(&errors, &SourceMap::default(), Color::Auto);
    ExitCode::from(report::exit_code(&errors, false))
}
