//! `fleetc completions`: what a shell completes commands, options and their values by. Names of clusters and applications are not completed: to
//! know them a fleet has to be compiled, which nobody wants at every press of a key.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::span::{SourceMap, Span};

use super::args::{Cli, Color, Completions};
use super::report;
use super::session::{print_findings, print_out};

/// Runs the command.
pub(crate) fn run(args: &Completions) -> ExitCode {
    let Some(shell) = args.shell.or_else(Shell::from_env) else {
        let error = Diagnostic::error("cli/usage", Span::NONE, "SHELL names no shell that completions are known for");
        let error = error.cause(Cause::Usage).hint("say which: bash, zsh, fish, elvish or powershell");
        let errors = Diagnostics::from(error);
        print_findings(&errors, &SourceMap::default(), Color::Auto);
        return ExitCode::from(report::exit_code(&errors, false));
    };
    let mut text = Vec::new();
    generate(shell, &mut Cli::command(), "fleetc", &mut text);
    print_out(&String::from_utf8_lossy(&text));
    ExitCode::SUCCESS
}
