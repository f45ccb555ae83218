//! Whether a file lies in a git working tree, and whether it would be committed with it.
//!
//! Only the ignore files of the tree count, not those of the machine: what is ignored for its owner alone is committed by the next person.

use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice as _;

/// Where a file is with regard to git.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// In no working tree.
    Outside,
    /// In one that ignores it.
    Ignored,
    /// In one that would commit it.
    Committed,
}

/// Where a file is, whether it exists or not.
pub fn whereabouts(file: &Path) -> Whereabouts {
    // Links are followed: what counts is where the bytes come to lie.
    let Some((folder, name)) = real(file) else { return Whereabouts::Committed };
    let Ok(repository) = gix::discover(&folder) else { return Whereabouts::Outside };
    let Some(root) = repository.workdir().and_then(|root| root.canonicalize().ok()) else {
        return Whereabouts::Outside;
    };
    let full = folder.join(name);
    let Ok(below) = full.strip_prefix(&root) else { return Whereabouts::Outside };
    let relative = below.to_string_lossy().replace('\\', "/");
    let Ok(index) = repository.index_or_empty() else { return Whereabouts::Committed };
    if index.entry_by_path(relative.as_bytes().as_bstr()).is_some() {
        return Whereabouts::Committed;
    }
    if is_ignored(&root, below) { Whereabouts::Ignored } else { Whereabouts::Committed }
}

/// The folder that a file lies in, with links followed, and its name.
fn real(file: &Path) -> Option<(PathBuf, std::ffi::OsString)> {
    let absolute = std::path::absolute(file).ok()?;
    let absolute = absolute.canonicalize().unwrap_or(absolute);
    let folder = absolute.parent()?.canonicalize().ok()?;
    Some((folder, absolute.file_name()?.to_owned()))
}

/// Whether the ignore files from the root of a working tree down to a file name it or a folder above it.
fn is_ignored(root: &Path, below: &Path) -> bool {
    let parts: Vec<String> = below.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    let mut patterns: Vec<(String, gix::glob::Pattern)> = Vec::new();
    let mut folder = String::new();
    for (depth, part) in parts.iter().enumerate() {
        let text = std::fs::read(root.join(&folder).join(".gitignore")).unwrap_or_default();
        let lines = gix::ignore::parse(&text, false);
        patterns.extend(lines.map(|(pattern, ..)| (folder.clone(), pattern)));
        let path = if folder.is_empty() { part.clone() } else { format!("{folder}/{part}") };
        let is_folder = depth + 1 < parts.len();
        let deciding = patterns.iter().rev().find(|(base, pattern)| {
            let relative = path.strip_prefix(base.as_str()).unwrap_or(&path).trim_start_matches('/');
            let basename = relative.rfind('/').map(|at| at + 1);
            let mode = gix::glob::wildmatch::Mode::NO_MATCH_SLASH_LITERAL;
            let case = gix::glob::pattern::Case::Sensitive;
            pattern.matches_repo_relative_path(relative.into(), basename, Some(is_folder), case, mode)
        });
        // What lies in an ignored folder cannot be taken in again.
        if deciding.is_some_and(|(_, pattern)| !pattern.is_negative()) {
            return true;
        }
        folder = path;
    }
    false
}
