//! `fleetc man`: the help texts as manual pages, one a command. What is written depends on the program alone, not on the day.

use std::process::ExitCode;

use clap::{Command, CommandFactory as _};
use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::span::{SourceMap, Span};

use super::args::{Cli, Color, Man};
use super::report::{self, plural};
use super::session::{eprint_line, print_findings, print_out, write_file};

/// Runs the command.
pub(crate) fn run(args: &Man) -> ExitCode {
    let mut program = Cli::command();
    program.build();
    let done = match &args.dir {
        Some(dir) => std::fs::create_dir_all(dir).and_then(|()| {
            let pages = pages(&program);
            for (name, text) in &pages {
                write_file(&dir.join(name), text)?;
            }
            eprint_line(&format!("{} in {}", plural(pages.len(), "page"), dir.display()));
            Ok(())
        }),
        None => {
            let mut command = &program;
            for name in &args.command {
                match command.find_subcommand(name) {
                    Some(found) => command = found,
                    None => return refuse(unknown(command, name)),
                }
            }
            page(command).map(|text| print_out(&text))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let place = args.dir.as_deref().unwrap_or(std::path::Path::new("-"));
            let error = Diagnostic::error("cli/write", Span::NONE, format!("{}: {error}", place.display()));
            refuse(error.cause(Cause::Usage))
        }
    }
}

/// All pages by the name of their file.
fn pages(command: &Command) -> Vec<(String, String)> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let own = page(command).ok().map(|text| (format!("{name}.1"), text));
    let below = command.get_subcommands().filter(|below| is_listed(below)).flat_map(pages);
    own.into_iter().chain(below).collect()
}

fn page(command: &Command) -> std::io::Result<String> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// `help` has no page of its own: its own help says all.
fn is_listed(command: &Command) -> bool {
    command.get_name() != "help" && !command.is_hide_set()
}

fn unknown(command: &Command, name: &str) -> Diagnostic {
    let known: Vec<&str> = command.get_subcommands().filter(|below| is_listed(below)).map(Command::get_name).collect();
    let of = command.get_display_name().unwrap_or_else(|| command.get_name());
    let error = Diagnostic::error("cli/usage", Span::NONE, format!("`{of}` has no command `{name}`"));
    let error = error.cause(Cause::Usage);
    if known.is_empty() { error } else { error.hint(format!("there are: {}", known.join(", "))) }
}

fn refuse(error: Diagnostic) -> ExitCode {
    let errors = Diagnostics::from(error);
    print_findings(&errors, &SourceMap::default(), Color::Auto);
    ExitCode::from(report::exit_code(&errors, false))
}
