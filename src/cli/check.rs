//! `fleetc check`: whether bundles and locks are what the sources say now; with `--twice` also whether they say the same twice. Writes
//! nothing. `--rbac` asks about Argo CD's permissions instead.

use std::process::ExitCode;

use super::args::Check;
use super::assembly::Assembly;
use super::remembered::Remembered;
use super::report::{self, plural};

/// Runs the command.
pub(crate) fn run(args: &Check) -> ExitCode {
    if let Some(policy) = &args.rbac.policy {
        return super::rbac::run(args, policy);
    }
    let remembered = Remembered::of("check", &args.build, &args.build.fleet.options, args.build.no_cache);
    if !args.twice && remembered.replay() {
        return ExitCode::SUCCESS;
    }
    let mut build = args.build.noting(remembered.seen());
    if !args.twice {
        build.fleet.options.renders = remembered.renders(&build.fleet.dir);
    }
    let mut assembly = match Assembly::make(&build, args.twice) {
        Ok(assembly) => assembly,
        Err(code) => return code,
    };
    let mut diagnostics = std::mem::take(&mut assembly.diagnostics);
    diagnostics.extend(assembly.assembled.iter().flat_map(|assembled| super::rbac::stars(&assembled.bundled.bundles)));
    assembly.session.print_findings(&mut diagnostics);
    let stale = assembly.assembled.as_ref().is_none_or(|assembled| !assembled.changes.is_current());
    if assembly.session.is_json() {
        let mut data = assembly.data();
        if let Some(fields) = data.as_object_mut() {
            fields.insert("current".to_owned(), serde_json::Value::Bool(!stale));
        }
        assembly.session.print_json(&diagnostics, data);
    } else if let Some(assembled) = &assembly.assembled {
        let mut lines = assembly.lines();
        if !lines.is_empty() {
            lines.push(String::new());
        }
        assembly.session.put_out(&lines.join("\n"));
        if stale {
            let files = assembled.changes.files.len();
            assembly.session.say(&format!("stale: {} differ; run `fleetc build`", plural(files, "file")));
        } else {
            assembly.session.say(&format!("up to date: {}", assembly.counted()));
        }
    }
    let code = report::exit_code(&diagnostics, stale);
    // The same few are soon rendered again; a build keeps them.
    assembly.session.keep_renders(0.1);
    if code == 0 && !args.twice {
        remembered.keep(&assembly.session.said());
    }
    ExitCode::from(code)
}
