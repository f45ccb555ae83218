//! `fleetc build`: compile the fleet and write its bundles and locks.

use std::process::ExitCode;

use super::args::Build;
use super::assembly::{Assembly, nothing_written};
use super::remembered::Remembered;
use super::report::{self, plural};

/// Runs the command.
pub(crate) fn run(args: &Build) -> ExitCode {
    let remembered = Remembered::of("build", args, &args.fleet.options, args.no_cache);
    if remembered.replay() {
        return ExitCode::SUCCESS;
    }
    let mut noting = args.noting(remembered.seen());
    noting.fleet.options.renders = remembered.renders(&args.fleet.dir);
    let mut assembly = match Assembly::make(&noting, false) {
        Ok(assembly) => assembly,
        Err(code) => return code,
    };
    let held = assembly.held();
    let mut written = None;
    if assembly.assembled.is_none() {
        let locked = assembly.diagnostics.iter().any(|found| found.code == "lock/locked");
        let why = if locked {
            "with `--locked` fleet.lock must stay as it is"
        } else {
            "an error leaves open which application is where, and a missing one would later read as a removal"
        };
        assembly.diagnostics.push(nothing_written(why));
    } else if assembly.session.is_strict() && (held > 0 || assembly.diagnostics.has_errors()) {
        assembly.diagnostics.push(nothing_written("with `--strict` every application must render"));
    } else if let Some(assembled) = &assembly.assembled {
        let progress = assembly.session.progress("writing");
        match assembly.folder.write(&assembled.output, &assembled.changes) {
            Ok(done) => written = Some(done),
            Err(errors) => assembly.diagnostics.extend(errors),
        }
        progress.finish_and_clear();
    }
    let mut diagnostics = std::mem::take(&mut assembly.diagnostics);
    assembly.session.print_findings(&mut diagnostics);
    if assembly.session.is_json() {
        let mut data = assembly.data();
        if let (Some(fields), Some(done)) = (data.as_object_mut(), written) {
            let done =
                serde_json::json!({"written": done.written, "removed": done.removed, "unchanged": done.unchanged});
            fields.insert("output".to_owned(), done);
        }
        assembly.session.print_json(&diagnostics, data);
    } else if let Some(done) = written {
        let reused = match assembly.session.reused() {
            0 => String::new(),
            reused => format!(" ({reused} as before)"),
        };
        let mut line = format!(
            "{}{reused}: {} written, {} removed, {} unchanged in {}",
            assembly.counted(),
            plural(done.written, "file"),
            done.removed,
            done.unchanged,
            assembly.folder.path().display()
        );
        if held > 0 {
            line.push_str(&format!("; {held} held at their last good files or absent"));
        }
        assembly.session.say(&line);
    }
    assembly.session.keep_renders(0.0);
    let code = report::exit_code(&diagnostics, false);
    // What was written was not looked at.
    if code == 0 && written.is_some_and(|done| done.written == 0 && done.removed == 0) {
        remembered.keep(&assembly.session.said());
    }
    ExitCode::from(code)
}
