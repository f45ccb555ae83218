//! The command line: arguments, one file per command, reports. Library logic lives elsewhere; only this module prints.

use std::process::ExitCode;

mod args;
mod report;

pub(crate) use args::Cli;

/// Runs a command and says how it went.
pub(crate) fn run(_cli: Cli) -> ExitCode {
    ExitCode::SUCCESS
}
