//! What a program may import: read from the tree before anything is evaluated, since the interpreter's resolver may not hold the [`World`].
//!
//! Imports name their file by a literal, so they are found by parsing. A file is looked for beside the importing one, then in the libraries, the
//! first first (go-jsonnet's `FileImporter`); a program from outside has no place and only the libraries. What is not there, or leads
//! out of the tree, is refused when it is evaluated, not before: a branch that is not taken may import anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use jrsonnet_evaluator::error::ErrorKind;
use jrsonnet_evaluator::{AsPathLike, IStr, ImportResolver, ResolvePath, Result, Source, SourcePath, SourceVirtual};
use jrsonnet_gcmodule::Acyclic;
use jrsonnet_ir::SourceFile as Imported;
use jrsonnet_ir::visit::Visitor;
use jrsonnet_ir_parser::{ParserSettings, parse};

use super::failure::Places;
use super::{Options, nesting};
use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::path::{FilePath, PathError, TreeId, TreePath};
use crate::span::{SourceFile, Span};
use crate::world::World;

/// What a program from outside is called in messages: an external variable…
pub(super) const EXTERNAL: &str = "the external variable";
/// …or an argument of the top-level function.
pub(super) const ARGUMENT: &str = "the argument";

/// The name under which the resolver has a program from outside.
pub(super) fn name_of_code(kind: &str, name: &str) -> String {
    format!("{kind} `{name}`")
}

/// All files and programs that an evaluation may reach.
#[derive(Acyclic, Default)]
pub(super) struct Files {
    /// Bytes by path in the tree.
    files: BTreeMap<String, Vec<u8>>,
    /// Programs from outside, by [`name_of_code`].
    code: BTreeMap<String, Vec<u8>>,
    /// What an import means: by the folder of the importing file (none for a program from outside) and the text.
    found: BTreeMap<(Option<String>, String), Answer>,
}

/// A path in the tree, or why there is none.
type Answer = std::result::Result<String, String>;

/// What was read for one evaluation.
pub(super) struct Loaded {
    /// For the interpreter.
    pub(super) files: Files,
    /// Where it lies.
    pub(super) places: Places,
    /// How deep the deepest program is nested.
    pub(super) nesting: usize,
}

/// Reads all that the program in a file and those from outside may import.
///
/// # Errors
/// A program that is nested too deep, and one from outside that cannot be parsed.
pub(super) fn load(world: &dyn World, file: &FilePath, source: &Arc<SourceFile>, options: &Options) -> Checked<Loaded> {
    let mut loader = Loader {
        world,
        tree: file.tree,
        libraries: &options.libraries,
        loaded: Loaded { files: Files::default(), places: Places::default(), nesting: 1 },
        waiting: Vec::new(),
    };
    let mut errors = Diagnostics::new();
    let kinds = [(EXTERNAL, &options.external), (ARGUMENT, &options.arguments)];
    for (kind, variable) in kinds.iter().flat_map(|(kind, all)| all.iter().map(move |one| (kind, one))) {
        if variable.code {
            let name = name_of_code(kind, &variable.name);
            loader.loaded.places.add_code(&name, variable.span);
            let path = SourcePath::new(SourceVirtual(name.as_str().into()));
            // go-jsonnet parses it whether it is used or not.
            if let Err(found) = loader.program(None, path, &variable.value, variable.span, true) {
                errors.extend(found);
            }
            loader.loaded.files.code.insert(name, variable.value.clone().into_bytes());
        }
    }
    loader.file(&file.path, source);
    loader.waiting.push(file.path.clone());
    while let Some(path) = loader.waiting.pop() {
        let name = path.as_str().to_owned();
        let text = loader.loaded.files.files.get(&name).map(|bytes| String::from_utf8(bytes.clone()));
        let Some(Ok(text)) = text else { continue };
        let place = Span::new(loader.loaded.places.file(&name).unwrap_or(source.id), 0, 0);
        let imported = SourcePath::new(Imported::new(name.into()));
        let folder = path.parent().unwrap_or_else(TreePath::root);
        if let Err(found) = loader.program(Some(&folder), imported, &text, place, false) {
            errors.extend(found);
        }
    }
    if errors.has_errors() {
        return Err(errors);
    }
    Ok(loader.loaded)
}

struct Loader<'a> {
    world: &'a dyn World,
    tree: TreeId,
    libraries: &'a [TreePath],
    loaded: Loaded,
    /// Programs whose imports are still to be looked for.
    waiting: Vec<TreePath>,
}

impl Loader<'_> {
    fn file(&mut self, path: &TreePath, source: &SourceFile) {
        self.loaded.files.files.insert(path.as_str().to_owned(), source.bytes.to_vec());
        self.loaded.places.add_file(path.as_str(), source.id);
    }

    /// Reads what a program imports. One that cannot be parsed imports nothing, and says so when it is evaluated, unless it `must` be right.
    fn program(
        &mut self,
        folder: Option<&TreePath>,
        path: SourcePath,
        text: &str,
        place: Span,
        must: bool,
    ) -> Checked<()> {
        match nesting::depth(text) {
            Ok(depth) => self.loaded.nesting = self.loaded.nesting.max(depth),
            Err((start, end)) => {
                let at = if must { place } else { Span::new(place.file, start, end) };
                let message = format!("the program is nested deeper than {} levels", nesting::LIMIT);
                return Err(Diagnostic::error("jsonnet/nesting", at, message)
                    .hint("operators in a row count as well; make it a list, and join or fold that")
                    .into());
            }
        }
        let source = Source::new(path, text.into());
        let program = match parse(text, &ParserSettings { source: source.clone() }) {
            Ok(program) => program,
            Err(error) if must => {
                let message = format!("{}: {}", source.source_path(), error.message).replacen("virtual:", "", 1);
                return Err(Diagnostic::error("jsonnet/syntax", place, message).into());
            }
            Err(_) => return Ok(()),
        };
        let mut imports = Imports::default();
        imports.visit_expr(&program);
        for (import, is_program) in imports.0 {
            let key = (folder.map(|folder| folder.as_str().to_owned()), import);
            let answer = match self.loaded.files.found.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let answer = self.find(folder, &key.1);
                    self.loaded.files.found.insert(key, answer.clone());
                    answer
                }
            };
            if let (true, Ok(path)) = (is_program, answer)
                && let Ok(path) = TreePath::new(&path)
                && self.loaded.places.first_time(path.as_str())
            {
                self.waiting.push(path);
            }
        }
        Ok(())
    }

    /// The file that an import means, which is read.
    fn find(&mut self, folder: Option<&TreePath>, import: &str) -> Answer {
        for folder in folder.into_iter().chain(self.libraries) {
            let path = match folder.join(import) {
                Ok(path) => path,
                Err(PathError::Escapes) => continue,
                Err(error) => return Err(format!("the import `{import}` {error}")),
            };
            if self.loaded.files.files.contains_key(path.as_str()) {
                return Ok(path.as_str().to_owned());
            }
            let at = FilePath::new(self.tree, path);
            if !self.world.stat(&at).is_some_and(|kind| kind.is_file()) {
                continue;
            }
            return match self.world.read(&at) {
                Ok(source) => {
                    self.file(&at.path, &source);
                    Ok(at.path.as_str().to_owned())
                }
                Err(found) => {
                    let reason = found.into_iter().next().map(|found| found.message).unwrap_or_default();
                    Err(format!("the import `{import}` cannot be read: {reason}"))
                }
            };
        }
        let where_to =
            if folder.is_some() { "neither beside the file nor in a library folder" } else { "in no library folder" };
        Err(format!("the import `{import}` is {where_to}"))
    }
}

/// The imports of a program, each with whether it is a program too.
#[derive(Default)]
struct Imports(Vec<(String, bool)>);

impl Visitor for Imports {
    fn visit_import(&mut self, is_program: bool, path: IStr) {
        self.0.push((path.to_string(), is_program));
    }
}

fn refused(message: String) -> jrsonnet_evaluator::Error {
    ErrorKind::RuntimeError(message.into()).into()
}

impl ImportResolver for Files {
    fn resolve_from(&self, from: &SourcePath, path: &dyn AsPathLike) -> Result<SourcePath> {
        let text = match path.as_path() {
            ResolvePath::Str(text) => text.to_owned(),
            ResolvePath::Path(path) => path.to_string_lossy().into_owned(),
        };
        let folder = from.downcast_ref::<Imported>().map(|file| {
            let file = file.path().to_string_lossy();
            file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()
        });
        match self.found.get(&(folder, text.clone())) {
            Some(Ok(path)) => Ok(SourcePath::new(Imported::new(path.into()))),
            Some(Err(reason)) => Err(refused(reason.clone())),
            None => Err(refused(format!("the import `{text}` is computed; imports name their file by a literal"))),
        }
    }

    /// A program from outside, which the interpreter asks for by name.
    fn resolve_from_default(&self, path: &dyn AsPathLike) -> Result<SourcePath> {
        match path.as_path() {
            ResolvePath::Str(name) if self.code.contains_key(name) => Ok(SourcePath::new(SourceVirtual(name.into()))),
            _ => self.resolve_from(&SourcePath::default(), path),
        }
    }

    fn load_file_contents(&self, resolved: &SourcePath) -> Result<Vec<u8>> {
        let file = resolved.downcast_ref::<Imported>().and_then(|file| self.files.get(&*file.path().to_string_lossy()));
        let code = || resolved.downcast_ref::<SourceVirtual>().and_then(|code| self.code.get(code.0.as_str()));
        file.or_else(code).cloned().ok_or_else(|| refused(format!("`{resolved}` is not here")))
    }
}
