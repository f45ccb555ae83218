//! `fleetc vendor DIR`: a store that has everything which the fleet uses, for `--store DIR --offline`.
//!
//! It is filled by compiling the fleet with it and with fleet.lock as it is, so what is in it is what a build asks for.

use std::process::ExitCode;

use fleetc::compile::parts;

use super::args::{FleetOptions, Vendor};
use super::report::{self, plural};
use super::session::Session;

/// Runs the command.
pub(crate) fn run(args: &Vendor) -> ExitCode {
    let management = args.management.clone();
    let options = FleetOptions { locked: true, store: Some(args.folder.clone()), management, ..args.options.clone() };
    let session = match Session::open_with(&args.fleet_dir, &options, None, &|_| false) {
        Ok(session) => session,
        Err(code) => return code,
    };
    let compiled = session.compile();
    let parts = parts(&compiled.value, session.world.sources());
    let mut diagnostics = compiled.diagnostics;
    diagnostics.extend(parts.diagnostics);
    session.print_findings(&mut diagnostics);
    let held = parts.value.iter().filter(|part| part.renders.is_err()).count();
    if session.is_json() {
        let data = serde_json::json!({"folder": args.folder, "sources": compiled.value.pins.len(), "held": held});
        session.print_json(&diagnostics, data);
    } else {
        let mut line = format!("{} in {}", plural(compiled.value.pins.len(), "source"), args.folder.display());
        if held > 0 {
            line.push_str(&format!("; what {} would need is unknown", plural(held, "held application")));
        }
        session.say(&line);
    }
    ExitCode::from(report::exit_code(&diagnostics, false))
}
