//! How both locks are written and read: header, format version, one-line scalars, merge conflict markers.
//!
//! A scalar is plain where every YAML reader takes it for the same string, else JSON-like in double quotes; never more than one line.

use super::EngineVersions;
use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::span::{FileId, Span};
use crate::yaml::{self, Dialect, Limits, Map, Node};

/// Version of a file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Readers refuse a newer one.
    pub major: u32,
    /// Readers ignore what a newer one added.
    pub minor: u32,
}

impl Version {
    /// What this fleetc writes.
    pub const CURRENT: Version = Version { major: 1, minor: 0 };

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Version { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Words that YAML 1.1 takes for something else than a string.
const RESERVED: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];

/// A string as a scalar on one line.
pub fn one_line(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => match u32::from(c) {
                code @ 0..=0xffff => out.push_str(&format!("\\u{code:04x}")),
                code => out.push_str(&format!("\\U{code:08x}")),
            },
        }
    }
    out.push('"');
    out
}

/// The `engines:` of a lock.
pub(super) fn engines(engines: &EngineVersions) -> String {
    if engines.is_empty() {
        return "engines: {}\n".to_owned();
    }
    let lines: Vec<String> =
        engines.iter().map(|(engine, version)| format!("  {}: {}\n", one_line(engine), quoted(version))).collect();
    format!("engines:\n{}", lines.concat())
}

/// A string in double quotes, for places where a plain scalar could end elsewhere or be a number.
pub(super) fn quoted(text: &str) -> String {
    let line = one_line(text);
    if line.starts_with('"') { line } else { format!("\"{line}\"") }
}

fn is_marker(line: &str) -> bool {
    ["<<<<<<< ", ">>>>>>> ", "||||||| "].iter().any(|marker| line.starts_with(marker))
        || ["<<<<<<<", ">>>>>>>", "=======", "|||||||"].contains(&line)
}

/// Whether a text holds conflict markers of a merge. No file that fleetc writes has a line that looks like one.
pub fn has_conflict_markers(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("<<<<<<<") && is_marker(line))
}

/// Both sides of a text with conflict markers (ours, theirs); the text itself, twice the same, without markers.
pub fn conflict_sides(text: &str) -> [String; 2] {
    #[derive(PartialEq)]
    enum At {
        Both,
        Ours,
        Base,
        Theirs,
    }
    let mut sides = [String::new(), String::new()];
    let mut at = At::Both;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        if is_marker(bare) {
            at = match bare.as_bytes().first() {
                Some(b'<') => At::Ours,
                Some(b'|') => At::Base,
                Some(b'=') if at != At::Both => At::Theirs,
                _ => At::Both,
            };
            continue;
        }
        if matches!(at, At::Both | At::Ours) {
            sides[0].push_str(line);
        }
        if matches!(at, At::Both | At::Theirs) {
            sides[1].push_str(line);
        }
    }
    sides
}

/// A lock that is being read: its mapping, and whether unknown fields are to be ignored.
pub(super) struct Reader {
    pub(super) name: &'static str,
    pub(super) root: Node,
    lenient: bool,
    pub(super) found: Diagnostics,
}

impl Reader {
    /// Syntax, kind and version of a lock.
    pub(super) fn open(name: &'static str, kind: &str, file: FileId, text: &str) -> Checked<Self> {
        // Before the syntax: a newer format may be anything after this line.
        let version = text.lines().find_map(|line| line.strip_prefix("version:"));
        let version = version.map(|text| text.trim().trim_matches(['"', '\'']));
        match version.map(Version::parse) {
            Some(Some(version)) if version.major > Version::CURRENT.major => {
                let message = format!("{name} has format {version}; this fleetc reads format {}", Version::CURRENT);
                let error = Diagnostic::error("lock/newer-format", place(file), message);
                Err(error.hint("use the newer fleetc that wrote it").into())
            }
            Some(Some(version)) => {
                let documents = yaml::parse_strict(file, text.as_bytes(), Dialect::V3, &Limits::default())?;
                let root = documents.into_iter().next().unwrap_or_else(Node::null);
                let lenient = version > Version::CURRENT;
                let reader = Reader { name, root, lenient, found: Diagnostics::new() };
                if reader.root.get("kind").and_then(Node::as_str) == Some(kind) {
                    Ok(reader)
                } else {
                    Err(not_a_lock(name, file))
                }
            }
            _ => Err(not_a_lock(name, file)),
        }
    }

    /// Reports keys of a mapping that are not `known`, unless a newer minor format may have added them.
    pub(super) fn only(&mut self, map: &Map, known: &[&str]) {
        if self.lenient {
            return;
        }
        for (key, _) in map.iter() {
            if !key.text().is_some_and(|text| known.contains(&text)) {
                let text = key.text().unwrap_or_default();
                self.fail(key.span(), format!("unknown field `{text}` in {}", self.name));
            }
        }
    }

    /// Reports something that is wrong.
    pub(super) fn fail(&mut self, span: Span, message: String) {
        self.found.push(Diagnostic::error("lock/invalid", span, message).hint(REBUILD));
    }

    /// The entries of a mapping from strings to strings.
    pub(super) fn strings(&mut self, field: &str) -> Vec<(String, String)> {
        let Some(node) = self.root.get(field).cloned() else { return Vec::new() };
        let Some(map) = node.as_map() else {
            self.fail(node.span(), format!("`{field}` of {} is {}, not a mapping", self.name, node.what()));
            return Vec::new();
        };
        let mut out = Vec::new();
        for (key, value) in map.iter() {
            match (key.text(), value.as_str()) {
                (Some(key), Some(value)) => out.push((key.to_owned(), value.to_owned())),
                _ => self.fail(value.span(), format!("an entry of `{field}` of {} is not a string", self.name)),
            }
        }
        out
    }

    /// The value if nothing was reported.
    pub(super) fn finish<T>(self, value: T) -> Checked<T> {
        if self.found.has_errors() { Err(self.found) } else { Ok(value) }
    }
}

const REBUILD: &str = "delete the file and run `fleetc build` to write it anew";

fn place(file: FileId) -> Span {
    if file == FileId::NONE { Span::NONE } else { Span::new(file, 0, 0) }
}

fn not_a_lock(name: &str, file: FileId) -> Diagnostics {
    Diagnostic::error("lock/invalid", place(file), format!("{name} is not a lock that fleetc wrote"))
        .hint(REBUILD)
        .into()
}
