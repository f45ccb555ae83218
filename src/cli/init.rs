//! `fleetc init`: a starter fleet.yaml, or the files of a fleet from a live Argo CD. Files that say something else are left alone, and then
//! nothing is written; no login gets into a file.

use std::path::Path;
use std::process::ExitCode;

use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::host::cluster::{ConnectOptions, Driver, Programs, RunOptions, through};
use fleetc::import::{self, Imported, Wish};
use fleetc::machine::Machine;
use fleetc::span::{SourceMap, Span};
use serde_json::json;

use super::args::{Format, Init};
use super::report::{self, plural};
use super::session::{eprint_line, print_findings, print_json, print_out, write_file};

/// What becomes of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Same,
    Other,
}

impl State {
    fn of(file: &Path, text: &str) -> Self {
        match std::fs::read(file) {
            Ok(held) if held == text.as_bytes() => State::Same,
            Ok(_) => State::Other,
            // What cannot be read is nothing to write over, either.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => State::New,
            Err(_) => State::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            State::New => "new",
            State::Same => "unchanged",
            State::Other => "different",
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Init) -> ExitCode {
    let mut diagnostics = Diagnostics::new();
    let made = name(args).and_then(|name| match &args.from_argocd {
        Some(context) => from_argocd(args, context, name),
        None => Ok(starter(args, &name)),
    });
    let imported = match made {
        Ok(imported) => imported,
        Err(error) => {
            diagnostics.push(*error);
            return finish(args, &diagnostics, &[], &[], false);
        }
    };
    for warning in &imported.warnings {
        diagnostics.push(Diagnostic::warning("init/look", Span::NONE, warning.clone()));
    }
    let files: Vec<(&String, &String, State)> =
        imported.files.iter().map(|(path, text)| (path, text, State::of(&args.dir.join(path), text))).collect();
    let in_the_way: Vec<&str> =
        files.iter().filter(|file| file.2 == State::Other).map(|file| file.0.as_str()).collect();
    let shown: Vec<(&str, State)> = files.iter().map(|file| (file.0.as_str(), file.2)).collect();
    if !in_the_way.is_empty() && !args.overwrite {
        let message = format!(
            "nothing was written: {} would be written over: {}",
            plural(in_the_way.len(), "file"),
            in_the_way.join(", ")
        );
        let error = Diagnostic::error("init/exists", Span::NONE, message).cause(Cause::Answer);
        diagnostics.push(error.hint("`--overwrite` does that, another folder or moving them away keeps them"));
        return finish(args, &diagnostics, &shown, &imported.notes, false);
    }
    if !args.dry_run {
        for (path, text, _) in files.iter().filter(|file| file.2 != State::Same) {
            let file = args.dir.join(path);
            let made = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| write_file(&file, text));
            if let Err(error) = made {
                let message = format!("{}: {error}", file.display());
                diagnostics.push(Diagnostic::error("cli/write", Span::NONE, message).cause(Cause::Usage));
                return finish(args, &diagnostics, &shown, &imported.notes, false);
            }
        }
    }
    finish(args, &diagnostics, &shown, &imported.notes, !args.dry_run)
}

/// The fleet's name: what was given, else what the folder is called.
fn name(args: &Init) -> Result<String, Box<Diagnostic>> {
    let is_name = |text: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !text.is_empty()
            && text.len() <= 63
            && text.chars().all(plain)
            && !text.starts_with('-')
            && !text.ends_with('-')
    };
    if let Some(name) = &args.name {
        if is_name(name) {
            return Ok(name.clone());
        }
        let message = format!("`{name}` is no name for a fleet: lower-case letters, digits and hyphens make one");
        return Err(Box::new(Diagnostic::error("cli/usage", Span::NONE, message).cause(Cause::Usage)));
    }
    let folder = std::path::absolute(&args.dir).unwrap_or_else(|_| args.dir.clone());
    let folder = folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain: String =
        folder.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    let plain: String = plain.trim_matches('-').chars().take(63).collect();
    let plain = plain.trim_matches('-').to_owned();
    if is_name(&plain) {
        return Ok(plain);
    }
    let error =
        Diagnostic::error("cli/usage", Span::NONE, "the folder's name is no name for a fleet").cause(Cause::Usage);
    Err(Box::new(error.hint("`--name NAME` gives one")))
}

/// A fleet.yaml that says what no file of Argo CD can: the name that what is applied belongs to.
fn starter(args: &Init, name: &str) -> Imported {
    let mut imported = Imported::default();
    // Whatever a fleet.yaml says is what somebody meant.
    if args.dir.join("fleet.yaml").exists() && !args.overwrite {
        imported.notes.push("there is a fleet.yaml, which stays as it is".to_owned());
        return imported;
    }
    let text = format!(
        "# Definitions of Argo CD (clusters, projects, Applications, ApplicationSets, argocd-cm) are found by looking: `fleetc build -v` names them.\n\
         # The name is what is applied belongs to: never change it afterwards.\n\
         apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata:\n  name: {name}\n"
    );
    imported.files.insert("fleet.yaml".to_owned(), text);
    imported
}

fn from_argocd(args: &Init, context: &str, name: String) -> Result<Imported, Box<Diagnostic>> {
    let options = ConnectOptions {
        kubeconfig: args.kubeconfig.clone(),
        programs: Programs::named(&args.allow_exec),
        ..ConnectOptions::default()
    };
    let connection = through(context, &options)?;
    let failed = |why: String| {
        let message = format!("the Argo CD of the context `{context}` cannot be read: {why}");
        Box::new(Diagnostic::error("init/argocd", Span::NONE, message).cause(Cause::Cluster))
    };
    let driver = Driver::start().map_err(|error| failed(format!("cannot start threads: {error}")))?;
    let wish = Wish { namespace: args.namespace.clone(), name };
    let machine = Machine::new(|port| import::argocd(port, wish));
    let result = driver.run(vec![(connection, machine)], RunOptions::default(), &mut |_, _| {}).pop().flatten();
    result.unwrap_or_else(|| Err("the work broke off".to_owned())).map_err(failed)
}

fn finish(
    args: &Init,
    diagnostics: &Diagnostics,
    files: &[(&str, State)],
    notes: &[String],
    written: bool,
) -> ExitCode {
    let empty = SourceMap::default();
    if args.format == Format::Json {
        let list: Vec<_> = files.iter().map(|(path, state)| json!({"path": path, "state": state.name()})).collect();
        let found = report::json(diagnostics, &empty);
        print_json(&json!({"files": list, "written": written, "notes": notes, "diagnostics": found}));
    } else {
        print_findings(diagnostics, &empty, args.color);
        let shown = files.iter().filter(|file| file.1 != State::Same);
        print_out(&shown.map(|(path, state)| format!("{} {path}\n", state.name())).collect::<String>());
        for note in notes {
            eprint_line(note);
        }
        if files.is_empty() {
            return ExitCode::from(report::exit_code(diagnostics, false));
        }
        let same = files.iter().filter(|file| file.1 == State::Same).count();
        let say = if written { "written" } else { "not written" };
        eprint_line(&format!("{} {say}, {same} unchanged", plural(files.len() - same, "file")));
        if written && args.from_argocd.is_some() {
            eprint_line(
                "next: `fleetc build` compiles, `fleetc verify --management-context CONTEXT` compares with what runs",
            );
        }
    }
    ExitCode::from(report::exit_code(diagnostics, false))
}
