//! The fleetc binary: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser as _;

#[expect(clippy::disallowed_methods, reason = "effects live here and in host")]
mod cli;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse())
}
