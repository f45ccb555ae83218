//! `fleetc init`: a starter fleet.yaml by looking at the repository, or the files of a fleet from a live Argo CD; and the schema that editors
//! check fleet.yaml with. Files that say something else are left alone, and then nothing is written; no login gets into a file.

use std::path::Path;
use std::process::ExitCode;

use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::host::cluster::{ConnectOptions, Driver, Programs, RunOptions, through};
use fleetc::import::{self, Imported, Wish};
use fleetc::machine::Machine;
use fleetc::span::{SourceMap, Span};
use serde_json::json;

use super::args::{Format, Init, Schemas};
use super::looking::{Looked, look};
use super::report::{self, plural};
use super::schema::FLEET_SCHEMA;
use super::session::{eprint_line, print_findings, print_json, print_out, write_file};
use super::starter::Starter;

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
    let mut looked = None;
    let made = name(args).and_then(|name| match &args.from_argocd {
        Some(context) => from_argocd(args, context, name),
        None => match starter(args, &name) {
            Ok((imported, found)) => {
                looked = found;
                Ok(imported)
            }
            Err(code) => Err(Stop::Said(code)),
        },
    });
    let mut imported = match made {
        Ok(imported) => imported,
        Err(Stop::Said(code)) => return code,
        Err(Stop::Why(error)) => {
            diagnostics.push(*error);
            return finish(args, &diagnostics, &Done::default());
        }
    };
    with_schema(&mut imported, args);
    for warning in &imported.warnings {
        diagnostics.push(Diagnostic::warning("init/look", Span::NONE, warning.clone()));
    }
    let files: Vec<(&String, &String, State)> =
        imported.files.iter().map(|(path, text)| (path, text, State::of(&args.dir.join(path), text))).collect();
    let in_the_way: Vec<&str> =
        files.iter().filter(|file| file.2 == State::Other).map(|file| file.0.as_str()).collect();
    let shown: Vec<(&str, State)> = files.iter().map(|file| (file.0.as_str(), file.2)).collect();
    let done = Done { files: &shown, notes: &imported.notes, looked: looked.as_ref(), written: !args.dry_run };
    if !in_the_way.is_empty() && !args.overwrite {
        let message = format!(
            "nothing was written: {} would be written over: {}",
            plural(in_the_way.len(), "file"),
            in_the_way.join(", ")
        );
        let error = Diagnostic::error("init/exists", Span::NONE, message).cause(Cause::Answer);
        diagnostics.push(error.hint("`--overwrite` does that, another folder or moving them away keeps them"));
        return finish(args, &diagnostics, &Done { written: false, ..done });
    }
    if !args.dry_run {
        for (path, text, _) in files.iter().filter(|file| file.2 != State::Same) {
            let file = args.dir.join(path);
            let made = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| write_file(&file, text));
            if let Err(error) = made {
                let message = format!("{}: {error}", file.display());
                diagnostics.push(Diagnostic::error("cli/write", Span::NONE, message).cause(Cause::Usage));
                return finish(args, &diagnostics, &Done { written: false, ..done });
            }
        }
    }
    finish(args, &diagnostics, &done)
}

/// Why nothing is to be written.
enum Stop {
    /// It was printed, with this exit code.
    Said(ExitCode),
    Why(Box<Diagnostic>),
}

impl From<Box<Diagnostic>> for Stop {
    fn from(why: Box<Diagnostic>) -> Self {
        Stop::Why(why)
    }
}

/// The schema beside fleet.yaml, and in fleet.yaml the line by which editors find it. One that is there already is somebody's business.
fn with_schema(imported: &mut Imported, args: &Init) {
    let Some(text) = imported.files.get_mut("fleet.yaml") else { return };
    if !text.contains("yaml-language-server:") {
        text.insert_str(0, &format!("# yaml-language-server: $schema={FLEET_SCHEMA}\n"));
    }
    let (file, schema) = (args.dir.join(FLEET_SCHEMA), Schemas::Fleet.text());
    if State::of(&file, schema) == State::Other && !args.overwrite {
        imported
            .notes
            .push(format!("{FLEET_SCHEMA} is of another fleetc: `fleetc schema -o {FLEET_SCHEMA}` renews it"));
    } else {
        imported.files.insert(FLEET_SCHEMA.to_owned(), schema.to_owned());
    }
}

/// The fleet's name: what was given, else what the folder is called.
fn name(args: &Init) -> Result<String, Stop> {
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
        return Err(Box::new(Diagnostic::error("cli/usage", Span::NONE, message).cause(Cause::Usage)).into());
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
    Err(Box::new(error.hint("`--name NAME` gives one")).into())
}

/// A fleet.yaml that says what no file of Argo CD can, and what the repository does not say by itself.
fn starter(args: &Init, name: &str) -> Result<(Imported, Option<Looked>), ExitCode> {
    let mut imported = Imported::default();
    // Whatever a fleet.yaml says is what somebody meant.
    if args.dir.join("fleet.yaml").exists() && !args.overwrite {
        imported.notes.push("there is a fleet.yaml, which stays as it is".to_owned());
        return Ok((imported, None));
    }
    let dir = if args.dir.exists() { args.dir.as_path() } else { Path::new("") };
    if dir.as_os_str().is_empty() {
        imported.files.insert("fleet.yaml".to_owned(), Starter { name: name.to_owned(), ..Starter::default() }.text());
        return Ok((imported, None));
    }
    let looked = look(dir, name, args.format)?;
    imported.files.insert("fleet.yaml".to_owned(), looked.text.clone());
    imported.notes.extend(looked.notes.iter().cloned());
    Ok((imported, Some(looked)))
}

fn from_argocd(args: &Init, context: &str, name: String) -> Result<Imported, Stop> {
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
    Ok(result.unwrap_or_else(|| Err("the work broke off".to_owned())).map_err(failed)?)
}

/// What was done, for people and as data.
#[derive(Default, Clone, Copy)]
struct Done<'a> {
    files: &'a [(&'a str, State)],
    notes: &'a [String],
    looked: Option<&'a Looked>,
    written: bool,
}

fn finish(args: &Init, diagnostics: &Diagnostics, done: &Done<'_>) -> ExitCode {
    let Done { files, notes, looked, written } = *done;
    let empty = SourceMap::default();
    if args.format == Format::Json {
        let list: Vec<_> = files.iter().map(|(path, state)| json!({"path": path, "state": state.name()})).collect();
        let found = report::json(diagnostics, &empty);
        let mut data = json!({"files": list, "written": written, "notes": notes, "diagnostics": found});
        if let (Some(looked), Some(fields)) = (looked, data.as_object_mut()) {
            let taken = looked.taken.iter().map(|(path, objects)| json!({"path": path, "objects": objects}));
            let left = looked.left.iter().map(|(path, reason)| json!({"path": path, "reason": reason}));
            fields.insert("taken".to_owned(), taken.collect());
            fields.insert("left".to_owned(), left.collect());
            fields.insert("text".to_owned(), json!(looked.text));
        }
        print_json(&data);
        return ExitCode::from(report::exit_code(diagnostics, false));
    }
    print_findings(diagnostics, &empty, args.color);
    if let Some(looked) = looked {
        say(looked, args.dry_run);
    }
    let shown = files.iter().filter(|file| file.1 != State::Same);
    print_out(&shown.map(|(path, state)| format!("{} {path}\n", state.name())).collect::<String>());
    for note in notes {
        eprint_line(&format!("- {note}"));
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
    } else if written {
        eprint_line(
            "next: `fleetc build` compiles, `fleetc lint` checks what came out, `fleetc diff` shows what a change does",
        );
    }
    ExitCode::from(report::exit_code(diagnostics, false))
}

/// What was taken, by file; of many, how many of what.
fn say(looked: &Looked, in_full: bool) {
    const FILES: usize = 12;
    eprint_line(&match looked.taken.len() {
        0 => "no definitions of Argo CD were found".to_owned(),
        number => format!("definitions found in {}:", plural(number, "file")),
    });
    for (path, objects) in looked.taken.iter().take(FILES) {
        let more = objects.len().saturating_sub(3);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        eprint_line(&format!("  {path}: {}{rest}", objects.iter().take(3).cloned().collect::<Vec<_>>().join(", ")));
    }
    if looked.taken.len() > FILES {
        eprint_line(&format!("  and {}: `fleetc build -v` lists all", plural(looked.taken.len() - FILES, "more file")));
    }
    if in_full {
        print_out(&format!("--- fleet.yaml\n{}---\n", looked.text));
    }
}
