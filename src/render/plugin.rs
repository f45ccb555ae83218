//! A config management plugin: the program that fleet.yaml allows under its name makes the manifests (argocd.md 2.6).
//!
//! The program sees a copy of the source's files and the variables that are in the job, nothing else; its result is taken for what follows
//! from them. It is started by the [`World`], here is only what it is given and what its output becomes. Without an entry in
//! fleet.yaml nothing is ever started. Init commands, discovery and dynamic parameters of Argo CD's sidecars are not carried out.

use super::directory::{check, expand_list, object};
use super::{Origin, Rendered, Resource, Stop};
use crate::diag::{Diagnostic, Diagnostics};
use crate::path::{FilePath, TreePath};
use crate::resolve::PluginOptions;
use crate::span::{FileId, Span};
use crate::world::{EntryKind, Program, World};
use crate::yaml::{self, Dialect, Limits};

/// Files of a copy.
const MAX_FILES: usize = 50_000;
/// Their bytes.
const MAX_BYTES: usize = 512 << 20;
/// Folders inside each other.
const MAX_DEPTH: usize = 128;

/// Renders with a plugin.
///
/// # Errors
/// The plugin is not allowed, fails, or prints something that is no manifest.
pub(super) fn build(world: &dyn World, directory: &FilePath, options: &PluginOptions) -> Result<Rendered, Stop> {
    let error = |message: String| Diagnostic::error("render/plugin", Span::NONE, message);
    let name = &options.name;
    let Some(rule) = &options.program else {
        let message = match name.as_str() {
            "" => "the application's plugin has no name, and fleetc does not look for one that fits".to_owned(),
            name => format!("`{}` is rendered by the plugin `{name}`, which fleet.yaml does not allow", directory.path),
        };
        let hint = "`plugins: [{name: …, command: […]}]` in fleet.yaml names the program that renders it; it is started with a copy of the files";
        return Err(error(message).hint(hint).into());
    };
    let top = if rule.repository { TreePath::root() } else { directory.path.clone() };
    let mut program = Program {
        command: rule.command.clone(),
        variables: options.variables.clone(),
        passed: rule.passed.clone(),
        seconds: rule.seconds,
        files: Vec::new(),
        directory: TreePath::new(directory.path.below(&top).unwrap_or_default()).unwrap_or_else(|_| TreePath::root()),
    };
    let mut bytes = 0;
    copy(world, &FilePath::new(directory.tree, top.clone()), &top, 0, &mut bytes, &mut program)?;
    let output = world.run(&program).map_err(Stop::Failed)?;
    let parsed = yaml::parse(FileId::NONE, &output, Dialect::V2, &Limits::default());
    let mut found = Diagnostics::new();
    let wrong = |reason: Diagnostics| {
        let reason = reason.into_iter().next().map(|found| found.message).unwrap_or_default();
        error(format!("the plugin `{name}` prints what is no manifest: {reason}"))
    };
    let mut rendered = Rendered::default();
    for document in parsed.documents.iter().filter(|document| !document.root.is_null()) {
        let value = match object(&document.root) {
            Ok(value) => value,
            Err(reason) => {
                found.push(wrong(reason));
                continue;
            }
        };
        let origin = Origin { span: Span::NONE, edits: Vec::new(), steps: Vec::new() };
        for resource in expand_list(Resource { origin, body: value }) {
            match resource.and_then(|resource| check(&resource).map(|()| resource)) {
                Ok(resource) => rendered.resources.push(resource),
                Err(reason) => found.push(wrong((*reason).into())),
            }
        }
    }
    found.extend(parsed.error.map(|reason| wrong(reason.into())));
    if found.has_errors() { Err(Stop::Failed(found)) } else { Ok(rendered) }
}

fn copy(
    world: &dyn World,
    folder: &FilePath,
    top: &TreePath,
    depth: usize,
    bytes: &mut usize,
    program: &mut Program,
) -> Result<(), Stop> {
    for entry in world.list(folder)?.iter() {
        let Ok(path) = folder.join(&entry.name) else { continue };
        match entry.kind {
            EntryKind::Directory if depth < MAX_DEPTH => copy(world, &path, top, depth + 1, bytes, program)?,
            EntryKind::File | EntryKind::FileLink(_) => {
                let file = world.read(&path)?;
                *bytes += file.bytes.len();
                if program.files.len() >= MAX_FILES || *bytes > MAX_BYTES {
                    let message = format!("a plugin gets {MAX_FILES} files and {} MiB at most", MAX_BYTES >> 20);
                    return Err(Diagnostic::error("render/plugin", Span::NONE, message).into());
                }
                let below =
                    TreePath::new(path.path.below(top).unwrap_or_default()).unwrap_or_else(|_| TreePath::root());
                program.files.push((below, file));
            }
            // Links to folders and out of the tree are not followed.
            _ => {}
        }
    }
    Ok(())
}
