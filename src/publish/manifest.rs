//! `.fleetc-published`: the files of a published folder that are ours, each with whose it is and the content that we gave it.
//!
//! One line a file, sorted, so that a reader sees what belongs to whom. A manifest that cannot be read is an error: without it nobody knows
//! what may be removed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

use super::Owner;
use crate::bundle::encode_name;

/// Its name. Hidden, and without an ending that Argo CD, Flux or kustomize would read.
pub const MANIFEST: &str = ".fleetc-published";

const HEAD: &str =
    "# fleetc publish: the files below this folder that fleetc owns; it touches no others. Do not edit.\nformat 1\n";

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Manifest {
    /// The fleet that publishes here; empty for one without a name.
    pub fleet: String,
    /// The name of the layout.
    pub layout: String,
    /// The files, by path below the folder.
    pub files: BTreeMap<String, Owned>,
}

/// A file that is ours.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Owned {
    /// What git calls its content.
    pub id: String,
    /// Whose it is.
    pub owner: Owner,
}

impl Manifest {
    /// The file; same value, same bytes.
    pub fn to_text(&self) -> String {
        let mut out = HEAD.to_owned();
        let word = |text: &str| if text.is_empty() { "-".to_owned() } else { encode_name(text) };
        let _ = writeln!(out, "fleet {}\nlayout {}", word(&self.fleet), word(&self.layout));
        for (path, file) in &self.files {
            let (cluster, application) = (word(&file.owner.cluster), word(&file.owner.application));
            let _ = writeln!(out, "{} {cluster} {application} {path}", file.id);
        }
        out
    }

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong, with the number of the line: it is of a newer format, or no manifest.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain = |word: &str| match word {
            "-" => String::new(),
            word => percent_decode_str(word).decode_utf8_lossy().into_owned(),
        };
        let mut manifest = Manifest::default();
        let mut format = None;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let wrong = |why: &str| format!("line {}: {why}", number + 1);
            let mut words = line.splitn(4, ' ');
            match (words.next().unwrap_or_default(), words.next(), words.next(), words.next()) {
                ("format", Some(version), None, None) => format = Some(version.to_owned()),
                ("fleet", Some(name), None, None) => manifest.fleet = plain(name),
                ("layout", Some(name), None, None) => manifest.layout = plain(name),
                (id, Some(cluster), Some(application), Some(path)) if id.bytes().all(|b| b.is_ascii_hexdigit()) => {
                    let owner = Owner { cluster: plain(cluster), application: plain(application) };
                    manifest.files.insert(path.to_owned(), Owned { id: id.to_owned(), owner });
                }
                _ => return Err(wrong("it is no line of a manifest")),
            }
        }
        match format.as_deref() {
            Some("1") => Ok(manifest),
            Some(other) => Err(format!("it has the format {other}, which this fleetc does not know")),
            None => Err("it does not say its format".to_owned()),
        }
    }
}
