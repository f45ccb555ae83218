//! `fleetc store`: where fetched sources are, and removing what nobody uses any more.

use std::process::ExitCode;
use std::time::Duration;

use fleetc::host::fetch::{Store, default_folder};
use serde_json::json;

use super::args::{Format, StoreCommand, StorePath};
use super::session::{eprint_line, print_json, print_out};

/// Runs the command.
pub(crate) fn run(command: &StoreCommand) -> ExitCode {
    let place = match command {
        StoreCommand::Gc(args) => &args.place,
        StoreCommand::Path(place) => place,
    };
    let Some(folder) = place.store.clone().or_else(default_folder) else {
        return failed(place, "there is no store: give `--store DIR`, or set FLEETC_STORE", 2);
    };
    let is_json = place.format == Format::Json;
    let StoreCommand::Gc(args) = command else {
        if is_json {
            print_json(&json!({"path": folder}));
        } else {
            print_out(&format!("{}\n", folder.display()));
        }
        return ExitCode::SUCCESS;
    };
    let age = Duration::from_secs(args.older_than.saturating_mul(24 * 60 * 60));
    match Store::new(&folder).collect(age) {
        Ok(Some(done)) => {
            if is_json {
                let data = json!({
                    "removed": done.removed, "removedBytes": done.removed_bytes, "keptBytes": done.kept_bytes,
                });
                print_json(&data);
            } else {
                let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
                eprint_line(&format!(
                    "{} removed ({} MiB), {} MiB stay in {}",
                    done.removed,
                    mebibytes(done.removed_bytes),
                    mebibytes(done.kept_bytes),
                    folder.display()
                ));
            }
            ExitCode::SUCCESS
        }
        Ok(None) => failed(place, "a fleetc that runs uses the store; nothing was removed", 1),
        Err(error) => failed(place, &format!("the store `{}` cannot be collected: {error}", folder.display()), 2),
    }
}

fn failed(place: &StorePath, message: &str, code: u8) -> ExitCode {
    if place.format == Format::Json {
        print_json(&json!({"error": message}));
    } else {
        eprint_line(&format!("error: {message}"));
    }
    ExitCode::from(code)
}
