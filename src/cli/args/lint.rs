//! Arguments of `lint`.

use clap::Args;

use super::{FilterArgs, FleetArgs};

/// Arguments of `lint`.
#[derive(Args, Debug)]
#[command(after_help = LINT_HELP)]
pub(crate) struct Lint {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Warnings count as errors
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// List the rules, with what each counts as, and end; with --verbose why and what to do
    #[arg(long)]
    pub(crate) rules: bool,
}

const LINT_HELP: &str = "What a rule counts as is set under `lint` in fleet.yaml. A single finding is suppressed where it is written, with the reason: in a comment \
`# fleetc.dev/ignore: RULE: REASON` on its line or above, or in an annotation `fleetc.dev/ignore: \"RULE: REASON\"` of the object. Exit 3 where \
something is an error, else 0.";
