//! Keys that fleet.yaml names: read from a variable or a file when they are needed, and never shown, not even in errors.

use std::path::{Path, PathBuf};

use fleetc::read::KeyPlace;

/// What is in the place of a key; `folder` is that of fleet.yaml.
///
/// # Errors
/// It is not there: a sentence.
pub(crate) fn read(place: &KeyPlace, folder: &Path) -> Result<Vec<u8>, String> {
    match place {
        KeyPlace::Environment(name) => match std::env::var_os(name).filter(|key| !key.is_empty()) {
            Some(key) => Ok(key.into_encoded_bytes()),
            None => Err(format!("{place} is not set")),
        },
        KeyPlace::File(file) => {
            let path = match file.strip_prefix("~/") {
                Some(below) => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(below),
                None => folder.join(file),
            };
            std::fs::read(&path).map_err(|error| format!("{place} cannot be read: {error}"))
        }
    }
}
