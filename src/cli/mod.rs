//! The command line: arguments, one file per command, reports. Library logic lives elsewhere; only this module prints.

use std::process::ExitCode;

mod adopt;
mod annotations;
mod apply;
mod args;
mod assembly;
mod build;
mod check;
mod cluster;
mod completions;
mod consent;
mod dangers;
mod diff;
mod drift;
mod expand;
mod explain;
mod explain_object;
mod helm;
mod history;
mod init;
mod keys;
mod kustomize;
mod lint;
mod looking;
mod lying;
mod man;
mod page;
mod plan;
mod planning;
mod progress;
mod promote;
mod publish;
mod pull_request;
mod rbac;
mod reach;
mod remembered;
mod report;
mod rollback;
mod schema;
mod session;
mod starter;
mod status;
mod store;
mod surveying;
mod twice;
mod update;
mod vendor;
mod verify;
mod watch;
mod waves;

pub(crate) use args::Cli;
use args::Command;

/// Runs a command and says how it went.
pub(crate) fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Adopt(args) => adopt::run(&args),
        Command::Apply(mut args) => apply::run(&mut args),
        Command::Build(args) => build::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Drift(args) => drift::run(&args),
        Command::Expand(args) => expand::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Helm(args) => helm::run(&args),
        Command::History(args) => history::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Kustomize(args) => kustomize::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Report(args) => page::run(&args),
        Command::Promote(args) => promote::run(&args),
        Command::Rollback(args) => rollback::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Store(args) => store::run(&args),
        Command::Update(args) => update::run(&args),
        Command::Vendor(args) => vendor::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Watch(args) => watch::run(&args),
    }
}
