//! Reading files on behalf of one kustomization: where a path leads, whether it may be read, and each file once per compile.
//!
//! Rules of the original's loader: files must lie in or below the kustomization's directory unless the load restrictor is off;
//! directories may be anywhere but above or at a directory that is being built; symbolic links count as what they lead to.
//! Nothing leads out of the tree.

use std::sync::{Arc, RwLock};

use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;

use super::accumulate::Accumulation;
use super::file::{Kustomization, Text};
use super::helm::{Charts, Helm};
use super::object::Object;
use super::patch::Content;
use crate::diag::{Diagnostic, Diagnostics};
use crate::k8s::glob::Glob;
use crate::path::{FilePath, PathError, TreePath};
use crate::render::facts::FactsRead;
use crate::span::{SourceFile, Span};
use crate::template::Effects;
use crate::world::{EntryKind, Noted, World};
use crate::yaml::{self, Dialect, Limits};

/// What renders of one compile share: files read once, bases accumulated once. Sync, never global.
#[derive(Default)]
pub struct Tools {
    resources: Memo<Read<Vec<Object>>>,
    kustomizations: Memo<Result<KustomizationFile, Diagnostics>>,
    patches: Memo<Read<Content>>,
    /// Patches written in place, by where.
    inline_patches: RwLock<FxHashMap<Span, Arc<Read<Content>>>>,
    bases: RwLock<FxHashMap<BaseKey, Noted<Arc<Base>>>>,
    /// Charts read once.
    pub(super) charts: Charts,
    effects: Option<Box<dyn Effects + Send + Sync>>,
    /// Directories whose paths have no links in them.
    real: RwLock<FxHashSet<FilePath>>,
}

/// What a file holds, or why it holds something else.
type Read<T> = Result<T, Box<Diagnostic>>;

type Memo<T> = RwLock<FxHashMap<FilePath, Noted<Arc<T>>>>;

/// A kustomization with the file it is in.
#[derive(Clone, Debug)]
pub(super) struct KustomizationFile {
    pub kustomization: Arc<Kustomization>,
    /// The name of the file.
    pub name: String,
}

/// An accumulated base, with the directories that were built for it (a cycle may lead through them).
pub(super) struct Base {
    pub accumulation: Accumulation,
    pub roots: Vec<FilePath>,
    /// Whether there are charts in it, and merges by schemas.
    pub charts: bool,
    pub merges: bool,
    /// What the charts read of the cluster.
    pub facts: FactsRead,
}

/// What a base depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct BaseKey {
    pub directory: FilePath,
    /// Whether the load restrictor was on.
    pub restricted: bool,
    /// Where there are charts in it: how they are inflated, and the namespace of who uses it.
    pub charts: Option<(Helm, SmolStr)>,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tools")
    }
}

impl Tools {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a clock and randomness, which templates of charts may ask for.
    pub fn with_effects(effects: Box<dyn Effects + Send + Sync>) -> Self {
        Tools { effects: Some(effects), ..Self::default() }
    }

    pub(super) fn effects(&self) -> Option<&dyn Effects> {
        self.effects.as_deref().map(|effects| effects as &dyn Effects)
    }

    /// A patch written in place, read once.
    pub(super) fn inline_patch(
        &self,
        span: Span,
        read: impl FnOnce() -> Result<Content, Box<Diagnostic>>,
    ) -> Arc<Read<Content>> {
        if span.is_none() {
            return Arc::new(read());
        }
        if let Some(found) = self.inline_patches.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&span) {
            return Arc::clone(found);
        }
        let made = Arc::new(read());
        self.inline_patches.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(span, Arc::clone(&made));
        made
    }

    pub(super) fn base(&self, key: &BaseKey, world: &dyn World) -> Option<Arc<Base>> {
        let bases = self.bases.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        bases.get(key).map(|base| Arc::clone(base.reuse(world)))
    }

    pub(super) fn keep_base(&self, key: BaseKey, base: Noted<Arc<Base>>) {
        self.bases.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(key, base);
    }
}

fn memo<T>(memo: &Memo<T>, key: &FilePath, world: &dyn World, make: impl FnOnce() -> T) -> Arc<T> {
    if let Some(found) = memo.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(key) {
        return Arc::clone(found.reuse(world));
    }
    let noted = Noted::make(world, || Arc::new(make()));
    let made = Arc::clone(&noted.value);
    memo.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(key.clone(), noted);
    made
}

/// The directory being built, and those that are waiting for it.
pub(super) struct Frame<'a> {
    /// The kustomization's directory, links resolved.
    pub root: FilePath,
    /// Who asked for it.
    pub parent: Option<&'a Frame<'a>>,
    /// The namespace of charts that do not say one: the kustomization's, or that of the nearest above that has one.
    pub namespace: SmolStr,
}

impl Frame<'_> {
    /// One that nobody asked for.
    pub(super) fn top(root: FilePath) -> Self {
        Frame { root, parent: None, namespace: SmolStr::default() }
    }
}

/// Reads files.
#[derive(Clone, Copy)]
pub(super) struct Loader<'a> {
    pub world: &'a dyn World,
    pub tools: &'a Tools,
    /// Files must lie in or below the kustomization's directory.
    pub restricted: bool,
}

/// What a path leads to.
pub(super) enum Found {
    File(FilePath),
    Directory(FilePath),
}

impl<'a> Loader<'a> {
    /// Where a path leads from a directory, links resolved.
    ///
    /// # Errors
    /// It leads nowhere, or out of the tree.
    pub(super) fn find(&self, from: &FilePath, path: &Text) -> Result<Found, Box<Diagnostic>> {
        let fail = |text: String| Diagnostic::error("kustomize/path", path.span, text);
        let relative = path.value.as_str();
        let joined = from.join(relative).map_err(|why| match why {
            PathError::Absolute => Box::new(
                fail(format!("the path `{relative}` is absolute")).hint("write it relative to the kustomization"),
            ),
            why => Box::new(fail(format!("the path `{relative}` {why}"))),
        })?;
        self.resolve(&joined).ok_or_else(|| {
            let mut error = fail(format!("no such file or directory: `{relative}`"));
            error.hints.extend(self.near(&joined));
            Box::new(error)
        })
    }

    fn resolve(&self, path: &FilePath) -> Option<Found> {
        let mut here = self.nearest_real(path);
        let mut kind = EntryKind::Directory;
        let mut real = true;
        for segment in path.path.below(&here).unwrap_or_default().split('/').filter(|segment| !segment.is_empty()) {
            if !kind.is_directory() {
                return None;
            }
            let next = here.join(segment).ok()?;
            kind = self.world.stat(&FilePath::new(path.tree, next.clone()))?;
            here = match &kind {
                EntryKind::FileLink(target) | EntryKind::DirectoryLink(target) => {
                    real = false;
                    target.clone()
                }
                _ => next,
            };
            if real && matches!(kind, EntryKind::Directory) {
                let mut known = self.tools.real.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                known.insert(FilePath::new(path.tree, here.clone()));
            }
        }
        let found = FilePath::new(path.tree, here);
        if kind.is_directory() {
            Some(Found::Directory(found))
        } else if kind.is_file() {
            Some(Found::File(found))
        } else {
            None
        }
    }

    /// The last directory on the way to a path that is known to have no links in its own.
    fn nearest_real(&self, path: &FilePath) -> TreePath {
        let known = self.tools.real.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut above = path.path.parent();
        while let Some(path_above) = above {
            let there = FilePath::new(path.tree, path_above);
            if known.contains(&there) {
                return there.path;
            }
            above = there.path.parent();
        }
        TreePath::root()
    }

    /// What may have been meant by a path that leads nowhere.
    fn near(&self, path: &FilePath) -> Option<String> {
        let parent = FilePath::new(path.tree, path.path.parent()?);
        let entries = self.world.list(&parent).ok()?;
        crate::diag::did_you_mean(path.path.name(), entries.iter().map(|entry| entry.name.as_str()))
    }

    /// The bytes of a file that a kustomization names.
    ///
    /// # Errors
    /// There is none, or it may not be read.
    pub(super) fn read(&self, frame: &Frame<'_>, path: &Text) -> Result<Arc<SourceFile>, Box<Diagnostic>> {
        let file = self.file(frame, path)?;
        self.world.read(&file).map_err(|found| first(found, path.span))
    }

    fn file(&self, frame: &Frame<'_>, path: &Text) -> Result<FilePath, Box<Diagnostic>> {
        if path.value.is_empty() {
            return Err(Box::new(Diagnostic::error("kustomize/path", path.span, "the path is empty")));
        }
        match self.find(&frame.root, path)? {
            Found::File(file) => {
                if self.restricted && !file.path.is_within(&frame.root.path) {
                    return Err(Box::new(
                        Diagnostic::error(
                            "kustomize/load-restriction",
                            path.span,
                            format!("security; file `{}` is not in or below `{}`", file.path, frame.root.path),
                        )
                        .hint("move the file, or make a kustomization of its directory and name that"),
                    ));
                }
                Ok(file)
            }
            Found::Directory(directory) => Err(Box::new(Diagnostic::error(
                "kustomize/path",
                path.span,
                format!("`{}` is a directory, expected a file", directory.path),
            ))),
        }
    }

    /// The first document of a YAML file, as go-yaml v2 reads it.
    ///
    /// # Errors
    /// There is no such file, or it is no YAML.
    pub(super) fn document(&self, frame: &Frame<'_>, path: &Text) -> Result<yaml::Node, Box<Diagnostic>> {
        let source = self.read(frame, path)?;
        let parsed = yaml::parse(source.id, &source.bytes, Dialect::V2, &Limits::default());
        match (parsed.documents.into_iter().next(), parsed.error) {
            (Some(document), _) => as_json(&document.root).map_err(|found| first(found, path.span)),
            (None, Some(error)) => Err(Box::new(error)),
            (None, None) => Ok(yaml::Node::null()),
        }
    }

    /// The objects of a resource file, read once.
    ///
    /// # Errors
    /// There is no such file, or it holds something else.
    pub(super) fn resources(&self, frame: &Frame<'_>, path: &Text) -> Result<Arc<Read<Vec<Object>>>, Box<Diagnostic>> {
        let file = self.file(frame, path)?;
        Ok(memo(&self.tools.resources, &file, self.world, || {
            let source = self.world.read(&file).map_err(|found| first(found, path.span))?;
            super::resources::read(source.id, &source.bytes)
        }))
    }

    /// The patch in a file, read once.
    ///
    /// # Errors
    /// There is no such file.
    pub(super) fn patch(&self, frame: &Frame<'_>, path: &Text) -> Result<Arc<Read<Content>>, Box<Diagnostic>> {
        let file = self.file(frame, path)?;
        Ok(memo(&self.tools.patches, &file, self.world, || {
            let source = self.world.read(&file).map_err(|found| first(found, path.span))?;
            super::patch::read(source.id, &source.bytes)
        }))
    }

    /// The paths from a directory that a pattern matches, as Go's filepath.Glob: sorted, cleaned where there is a wildcard, and the
    /// path itself where there is none.
    pub(super) fn matching(&self, directory: &FilePath, pattern: &str) -> Vec<String> {
        const WILD: [char; 4] = ['*', '?', '[', '\\'];
        if !pattern.contains(WILD) {
            let found = self.find(directory, &Text::detached(pattern.into())).is_ok();
            return if found { vec![pattern.to_owned()] } else { Vec::new() };
        }
        let mut paths = vec![String::new()];
        for segment in pattern.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
            let mut next = Vec::new();
            // Braces mean nothing to Go.
            let is_wild = segment.contains(WILD);
            let glob = is_wild.then(|| {
                let text = segment.replace('{', "\\{").replace('}', "\\}").replace("[^", "[!");
                Glob::new(&text, "")
            });
            for path in &paths {
                let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                if !is_wild {
                    let path = below(segment);
                    if self.find(directory, &Text::detached(path.as_str().into())).is_ok() {
                        next.push(path);
                    }
                    continue;
                }
                // A malformed pattern matches nothing.
                let Some(Some(glob)) = &glob else { continue };
                let here = if path.is_empty() { "." } else { path };
                let Ok(Found::Directory(here)) = self.find(directory, &Text::detached(here.into())) else { continue };
                let entries = self.world.list(&here).ok();
                let names = entries.iter().flat_map(|entries| entries.iter()).map(|entry| entry.name.as_str());
                next.extend(names.filter(|name| glob.matches(name)).map(below));
            }
            paths = next;
        }
        paths
    }

    /// The kustomization of a directory, read once.
    ///
    /// # Errors
    /// There is none, there are several, or it is wrong or says nothing.
    pub(super) fn kustomization(&self, directory: &FilePath, asked: Span) -> Result<KustomizationFile, Diagnostics> {
        let file = self.kustomization_to_edit(directory, asked)?;
        file.kustomization.check_empty()?;
        Ok(file)
    }

    /// The kustomization of a directory, which may say nothing yet.
    ///
    /// # Errors
    /// There is none, there are several, or it is wrong.
    pub(super) fn kustomization_to_edit(
        &self,
        directory: &FilePath,
        asked: Span,
    ) -> Result<KustomizationFile, Diagnostics> {
        let found = memo(&self.tools.kustomizations, directory, self.world, || self.read_kustomization(directory));
        let mut result = (*found).clone();
        if let Err(errors) = &mut result {
            for error in &mut errors.0 {
                error.span = error.span.or(asked);
            }
        }
        result
    }

    fn read_kustomization(&self, directory: &FilePath) -> Result<KustomizationFile, Diagnostics> {
        const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
        let fail =
            |text: String| Diagnostics::from(Diagnostic::error("kustomize/kustomization-file", Span::NONE, text));
        let text = |name: &str| Text::detached(name.into());
        let here = Frame::top(directory.clone());
        // Two of the three names are usually missing, which is nothing to make an error of.
        let may_be = |name: &str| directory.join(name).is_ok_and(|path| self.resolve(&path).is_some());
        let found: Vec<&str> =
            NAMES.into_iter().filter(|name| may_be(name) && self.file(&here, &text(name)).is_ok()).collect();
        let name = match found.as_slice() {
            [] => {
                return Err(fail(format!(
                    "no kustomization file in `{}` (kustomization.yaml, kustomization.yml or Kustomization)",
                    directory.path
                )));
            }
            [one] => *one,
            several => {
                return Err(fail(format!(
                    "several kustomization files in `{}`: {}",
                    directory.path,
                    several.join(", ")
                )));
            }
        };
        let file = self.file(&here, &text(name)).map_err(|error| Diagnostics::from(*error))?;
        let source = self.world.read(&file)?;
        let parsed = yaml::parse(source.id, &source.bytes, Dialect::V2, &Limits::default());
        let root = match (parsed.documents.into_iter().next(), parsed.error) {
            (Some(document), _) => as_json(&document.root)?,
            (None, Some(error)) => return Err(error.into()),
            (None, None) => yaml::Node::null().with_span(Span::new(source.id, 0, 0)),
        };
        Ok(KustomizationFile { kustomization: Arc::new(Kustomization::read(&root)?), name: name.to_owned() })
    }
}

/// A document as sigs.k8s.io/yaml hands it on: keys such as `n` are the texts of what they mean (`false`).
fn as_json(root: &yaml::Node) -> Result<yaml::Node, Diagnostics> {
    yaml::sigs::to_json_value(root, yaml::sigs::Numbers::Int64)
}

fn first(found: Diagnostics, span: Span) -> Box<Diagnostic> {
    let error = found.0.into_iter().next();
    Box::new(error.unwrap_or_else(|| Diagnostic::error("kustomize/path", span, "the file cannot be read")).at(span))
}
