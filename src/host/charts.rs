//! Charts of Helm repositories that somebody has put into a folder: `repositories:` of fleet.yaml, or `--repo`, says which folder stands
//! for which repository. Nothing is fetched.
//!
//! In that folder a chart lies as `NAME/`, `NAME-VERSION/` or `NAME/VERSION/` with its Chart.yaml, or packed as `NAME-VERSION.tgz`, as
//! `helm pull` leaves it, also below `NAME/`. Of several versions the exact one is taken, else the newest within the constraint. A folder
//! that is itself a chart answers whatever name (an OCI artifact has none).

use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::seen::{Question, Seen};
use crate::render::helm::newest;
use crate::source::without_credentials;
use crate::yaml::{self, Dialect, Limits, Node};

/// Bytes of a Chart.yaml or an archive that are read.
const MAX_FILE: u64 = 100 << 20;
/// Names of a folder that are looked at.
const MAX_NAMES: usize = 100_000;

/// A chart in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vendored {
    /// Its version.
    pub(super) version: String,
    /// Its folder, or the archive.
    pub(super) path: PathBuf,
}

/// The chart of that name (any where it is empty) and version in a folder, which is called `shown` where people read it: what is said gets
/// into bundles, which are the same on every machine.
///
/// # Errors
/// Why there is none, and what to do.
pub(super) fn find(
    folder: &Path,
    shown: &str,
    name: &str,
    revision: &str,
    url: &str,
    seen: &Seen,
) -> Result<Vendored, (String, String)> {
    let found = candidates(folder, name, seen);
    let versions: Vec<&str> = found.iter().map(|one| one.version.as_str()).collect();
    let chosen = versions.iter().find(|version| **version == revision).copied().or_else(|| newest(revision, &versions));
    if let Some(chosen) = chosen.and_then(|chosen| found.iter().find(|one| one.version == chosen)) {
        return Ok(chosen.clone());
    }
    let reason = match versions.as_slice() {
        [] => format!("the folder `{shown}`, which stands for the repository, has no chart `{name}`"),
        versions => {
            format!(
                "the folder `{shown}`, which stands for the repository, has `{name}` only as {}",
                versions.join(", ")
            )
        }
    };
    Err((reason, format!("fetch it: {}", pull(name, revision, url, shown))))
}

/// The command that fetches a chart.
pub(super) fn pull(name: &str, revision: &str, url: &str, folder: &str) -> String {
    let url = without_credentials(url);
    let version = if revision.is_empty() { String::new() } else { format!(" --version '{revision}'") };
    match url.strip_prefix("oci://") {
        Some(_) if name.is_empty() => format!("`helm pull {url}{version} -d {folder}`"),
        Some(_) => format!("`helm pull {url}/{name}{version} -d {folder}`"),
        None => format!("`helm pull {name} --repo {url}{version} -d {folder}`"),
    }
}

fn candidates(folder: &Path, name: &str, seen: &Seen) -> Vec<Vendored> {
    let mut found = Vec::new();
    if name.is_empty() || chart_yaml(folder, seen).is_some_and(|(own, _)| own == name) {
        found.extend(chart_yaml(folder, seen).map(|(_, version)| Vendored { version, path: folder.to_owned() }));
    }
    for (entry, path) in names(folder, seen) {
        let below = if name.is_empty() { Some("") } else { entry.strip_prefix(name) };
        match below {
            Some("") if path.is_dir() && !name.is_empty() => {
                found.extend(chart_yaml(&path, seen).map(|(_, version)| Vendored { version, path: path.clone() }));
                for (entry, path) in names(&path, seen) {
                    let packed = entry.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
                    found.extend(
                        packed.and_then(|rest| one(name, rest, &path, seen)).or_else(|| one(name, &entry, &path, seen)),
                    );
                }
            }
            Some(rest) => {
                let rest = if name.is_empty() { Some(entry.as_str()) } else { rest.strip_prefix('-') };
                found.extend(rest.and_then(|rest| one(name, rest, &path, seen)));
            }
            None => {}
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// A chart whose name ends with its version.
fn one(name: &str, version: &str, path: &Path, seen: &Seen) -> Option<Vendored> {
    if let Some(version) = version.strip_suffix(".tgz").filter(|_| path.is_file()) {
        // Without a name the version begins at the last dash before a digit.
        let at = if name.is_empty() { version.rfind('-').map(|at| at + 1)? } else { 0 };
        return Some(Vendored { version: version.get(at..)?.to_owned(), path: path.to_owned() });
    }
    let (own, found) = chart_yaml(path, seen)?;
    (own == name && found == version).then(|| Vendored { version: found, path: path.to_owned() })
}

fn names(folder: &Path, seen: &Seen) -> Vec<(String, PathBuf)> {
    seen.ask(Question::Names, folder);
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(MAX_NAMES);
    let entries = entries.inspect(|entry| {
        // Where a link leads is not followed up.
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            seen.beyond();
        }
    });
    entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).collect()
}

/// Name and version of the chart in a folder.
fn chart_yaml(folder: &Path, seen: &Seen) -> Option<(String, String)> {
    let bytes = read(&folder.join("Chart.yaml"), seen).ok()?;
    let parsed = yaml::parse(crate::span::FileId::NONE, &bytes, Dialect::V2, &Limits::default());
    let root = parsed.documents.into_iter().next()?.root;
    let text = |field: &str| root.get(field).and_then(Node::text).map(str::to_owned);
    Some((text("name")?, text("version")?))
}

fn read(path: &Path, seen: &Seen) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    seen.ask(Question::Content, path);
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if read as u64 > MAX_FILE { Err(format!("it is larger than {MAX_FILE} bytes")) } else { Ok(bytes) }
}

/// The files of a packed chart as a tree.
///
/// # Errors
/// It cannot be read, or breaks a limit: a sentence.
pub(super) fn unpack(path: &Path, seen: &Seen) -> Result<Archive, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    read(path, seen).and_then(|bytes| Archive::chart(&bytes)).map_err(|why| format!("`{name}` cannot be used: {why}"))
}
