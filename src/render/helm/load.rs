//! A chart in a folder, as files in the order of Helm's walk: names sorted within each folder, links followed inside the tree, what
//! .helmignore of the root names left out.

use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::path::FilePath;
use crate::span::{FileId, Span};
use crate::template::Bytes;
use crate::world::{EntryKind, World};

use super::archive::MAX_FILE;
use super::chart::ChartFile;
use super::ignore::Rules;

/// Files of a chart at most: more is no chart but a mistake.
const MAX_FILES: usize = 50_000;
/// Folders inside each other.
const MAX_DEPTH: usize = 64;

/// The files of a chart's folder.
///
/// # Errors
/// A folder or file that cannot be read, a broken .helmignore, a file over Helm's limit of 5 MiB.
pub fn folder(world: &dyn World, root: &FilePath) -> Checked<Vec<ChartFile>> {
    let mut ignore = String::new();
    if let Ok(path) = root.join(".helmignore")
        && world.stat(&path).is_some_and(|kind| kind.is_file())
    {
        let file = world.read(&path)?;
        ignore = String::from_utf8_lossy(&file.bytes).into_owned();
    }
    let rules = Rules::parse(&ignore).map_err(|error| {
        Diagnostics::from(
            Diagnostic::error("helm/ignore", Span::NONE, error).hint(format!("look at `{}/.helmignore`", root.path)),
        )
    })?;
    let mut files = Vec::new();
    walk(world, root, "", &rules, &mut files, 0)?;
    Ok(files)
}

fn walk(
    world: &dyn World,
    folder: &FilePath,
    prefix: &str,
    rules: &Rules,
    files: &mut Vec<ChartFile>,
    depth: usize,
) -> Checked<()> {
    let refuse = |message: String| Err(Diagnostic::error("helm/chart", Span::NONE, message).into());
    if depth > MAX_DEPTH {
        return refuse(format!("folders in `{prefix}` are nested more than {MAX_DEPTH} times"));
    }
    for entry in world.list(folder)?.iter() {
        let name = if prefix.is_empty() { entry.name.clone() } else { format!("{prefix}/{}", entry.name) };
        let Ok(path) = folder.join(&entry.name) else { continue };
        let is_directory = entry.kind.is_directory();
        if rules.ignores(&name, is_directory) {
            continue;
        }
        if is_directory {
            walk(world, &path, &name, rules, files, depth + 1)?;
        } else if entry.kind.is_file() {
            let file = world.read(&path)?;
            let bytes = &*file.bytes;
            if bytes.len() as u64 > MAX_FILE {
                return refuse(format!("chart file \"{name}\" is larger than the maximum file size {MAX_FILE}"));
            }
            if files.len() == MAX_FILES {
                return refuse(format!("the chart has more than {MAX_FILES} files"));
            }
            let data = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            files.push(ChartFile { name, data: Bytes::from(data), file: file.id });
        } else if entry.kind == EntryKind::EscapingLink {
            return refuse(format!("`{name}` is a link out of the repository"));
        } else {
            return refuse(format!("cannot load irregular file {name}"));
        }
    }
    Ok(())
}

/// A file as it stands for one of a chart, for errors in values files.
pub fn values_file(name: &str, id: FileId, bytes: &[u8]) -> ChartFile {
    ChartFile { name: name.to_owned(), data: Bytes::from(bytes), file: id }
}
