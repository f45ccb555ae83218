//! The entries of `definitions`: files, folders, globs and kustomizations, found in the tree.

use std::collections::BTreeSet;

use super::walk::{KUSTOMIZATION_NAMES, is_definition_name};
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::k8s::glob::Glob;
use crate::path::{FilePath, TreePath};
use crate::span::{Span, Spanned};
use crate::world::{EntryKind, World};

/// What entries stand for.
#[derive(Default)]
pub(super) struct Listed {
    /// Files, with the entry.
    pub(super) files: Vec<(FilePath, Span)>,
    /// Folders to look through.
    pub(super) folders: Vec<FilePath>,
    /// Kustomizations to build, with the entry.
    pub(super) kustomizations: Vec<(FilePath, Span)>,
}

impl Listed {
    /// Whether this file is listed as such.
    pub(super) fn names(&self, path: &TreePath) -> bool {
        self.files.iter().any(|(file, _)| file.path == *path)
    }

    /// Whether this kustomization is listed as such.
    pub(super) fn builds(&self, directory: &TreePath) -> bool {
        self.kustomizations.iter().any(|(listed, _)| listed.path == *directory)
    }

    /// Where a file is listed.
    pub(super) fn span(&self, path: &TreePath) -> Span {
        self.files.iter().find(|(file, _)| file.path == *path).map_or(Span::NONE, |(_, span)| *span)
    }
}

/// Finds the entries below the fleet's folder. An entry that stands for nothing is an error.
pub(super) fn list(
    world: &dyn World,
    root: &FilePath,
    entries: &[Spanned<String>],
    diagnostics: &mut Diagnostics,
) -> Listed {
    let mut listed = Listed::default();
    for entry in entries {
        if entry.contains(['*', '?', '[', '{']) {
            glob(world, root, entry, &mut listed, diagnostics);
            continue;
        }
        let path = match root.join(entry) {
            Ok(path) => path,
            Err(problem) => {
                let message = format!("the definitions path `{}` {problem}", **entry);
                diagnostics.push(Diagnostic::error("read/definitions", entry.span, message));
                continue;
            }
        };
        match world.stat(&path) {
            Some(kind) => add(world, path, &kind, entry.span, &mut listed),
            None => diagnostics.push(missing(world, &path, entry)),
        }
    }
    listed
}

fn add(world: &dyn World, path: FilePath, kind: &EntryKind, span: Span, listed: &mut Listed) {
    if kind.is_directory() {
        match kustomization_in(world, &path) {
            true => listed.kustomizations.push((path, span)),
            false => listed.folders.push(path),
        }
    } else if KUSTOMIZATION_NAMES.contains(&path.path.name()) {
        let folder = path.path.parent().unwrap_or_else(TreePath::root);
        listed.kustomizations.push((FilePath::new(path.tree, folder), span));
    } else {
        listed.files.push((path, span));
    }
}

fn kustomization_in(world: &dyn World, folder: &FilePath) -> bool {
    let entries = world.list(folder);
    entries.is_ok_and(|entries| {
        entries.iter().any(|entry| entry.kind.is_file() && KUSTOMIZATION_NAMES.contains(&entry.name.as_str()))
    })
}

fn missing(world: &dyn World, path: &FilePath, entry: &Spanned<String>) -> Diagnostic {
    let message = format!("there is no `{}`", **entry);
    let mut diagnostic = Diagnostic::error("read/definitions", entry.span, message);
    if let Some(above) = path.path.parent()
        && let Ok(entries) = world.list(&FilePath::new(path.tree, above))
    {
        diagnostic.hints.extend(did_you_mean(path.path.name(), entries.iter().map(|entry| entry.name.as_str())));
    }
    diagnostic
}

/// `*` and `?` stay within a path segment, `**` goes over them.
fn glob(
    world: &dyn World,
    root: &FilePath,
    entry: &Spanned<String>,
    listed: &mut Listed,
    diagnostics: &mut Diagnostics,
) {
    let pattern = entry.trim_start_matches("./").trim_end_matches('/');
    let Some(glob) = Glob::new(pattern, "/") else {
        let message = format!("`{}` is not a pattern", **entry);
        diagnostics.push(Diagnostic::error("read/definitions", entry.span, message));
        return;
    };
    let mut seen = BTreeSet::new();
    let mut any = false;
    let mut todo = vec![root.clone()];
    while let Some(folder) = todo.pop() {
        if !seen.insert(folder.path.clone()) {
            continue;
        }
        let Ok(entries) = world.list(&folder) else { continue };
        for found in entries.iter().filter(|found| !found.name.starts_with('.')) {
            let Ok(path) = folder.join(&found.name) else { continue };
            let below = path.path.below(&root.path).unwrap_or_default();
            let file = found.kind.is_file() && is_definition_name(&found.name);
            if glob.matches(below) && (file || found.kind.is_directory()) {
                any = true;
                add(world, path, &found.kind, entry.span, listed);
            } else if matches!(found.kind, EntryKind::Directory) {
                todo.push(path);
            }
        }
    }
    if !any {
        let message = format!("nothing matches `{}`", **entry);
        diagnostics.push(Diagnostic::error("read/definitions", entry.span, message));
    }
}
