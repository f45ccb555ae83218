//! A directory of plain manifests, as Argo CD reads one: which files, which documents, which of them count.
//!
//! Rules of `reposerver/repository`, `findManifests`, `getPotentiallyValidManifestFile` and `splitYAMLOrJSON`: files are visited in the
//! order of `filepath.Walk`, hidden ones too; `exclude` beats `include`; a file with `+argocd:skip-file-rendering` in it is left out; links
//! to files are followed inside the repository, links to directories never. A YAML file that cannot be read as objects is left out
//! silently there, unless an object stood before the trouble or the text looks like a manifest. Here that is said as a warning.
//!
//! A Jsonnet file is evaluated to one object or an array of them (`makeJsonnetVM`): imports are looked for beside the importing file, then in
//! `directory.jsonnet.libs` (paths from the root of the repository, the last first), then in the directory of the application.
//!
//! Two things are refused that Argo CD finds out only later or not at all: a glob that cannot be compiled (it would match nothing), and an
//! object without `apiVersion` or name.

mod templates;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::templates::Templates;
use super::{Origin, Rendered, Resource, Stop};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::jsonnet;
use crate::k8s::glob::Glob;
use crate::path::{FilePath, TreeId, TreePath};
use crate::span::{FileId, SourceFile, Span};
use crate::world::{Entry, EntryKind, World};
use crate::yaml::sigs::{Numbers, to_json_value};
use crate::yaml::{self, Dialect, Limits, Node};

/// A comment with this text keeps Argo CD from reading a file.
const SKIP_MARKER: &str = "+argocd:skip-file-rendering";

/// Renders a directory of manifests. `options` is `spec.source.directory`; `jsonnet` says whether argocd-cm leaves Jsonnet switched on;
/// `templates` is what templates see, where files that end in `.j2` are some.
///
/// # Errors
/// All that is wrong with its files.
pub fn build(
    world: &dyn World,
    directory: &FilePath,
    options: Option<&Node>,
    jsonnet: bool,
    templates: Option<&Node>,
) -> Result<Rendered, Stop> {
    let recurse = options.and_then(|options| options.get("recurse")).and_then(Node::as_bool) == Some(true);
    let selection = Selection { include: glob(options, "include")?, exclude: glob(options, "exclude")? };
    let jsonnet = if jsonnet { Some(jsonnet_options(directory, options)?) } else { None };
    let templates =
        templates.map(|scope| Templates::load(world, directory, scope)).transpose().map_err(Stop::Failed)?;
    let mut reader = Reader {
        world,
        tree: directory.tree,
        jsonnet,
        objects: Vec::new(),
        warnings: Diagnostics::new(),
        errors: Diagnostics::new(),
    };
    // Directories that are being walked, each with the names that are left, last first.
    let mut open: Vec<(TreePath, Vec<Entry>)> = Vec::new();
    let enter = |path: TreePath| -> Result<(TreePath, Vec<Entry>), Stop> {
        let mut entries = world.list(&FilePath::new(directory.tree, path.clone()))?.to_vec();
        entries.reverse();
        Ok((path, entries))
    };
    open.push(enter(directory.path.clone())?);
    while let Some((path, entries)) = open.last_mut() {
        let Some(entry) = entries.pop() else {
            open.pop();
            continue;
        };
        let at = path.join(&entry.name).map_err(|error| refused(&entry.name, &error.to_string()))?;
        if entry.kind == EntryKind::Directory {
            if recurse {
                let inner = enter(at)?;
                open.push(inner);
            }
            continue;
        }
        // Whatever it is called: Argo CD refuses sources with such a link before it reads any file (`CheckOutOfBoundsSymlinks`).
        if entry.kind == EntryKind::EscapingLink {
            let message = format!("`{at}` is a symbolic link out of the repository");
            reader.errors.push(
                Diagnostic::error("render/link", Span::NONE, message)
                    .hint("remove it, or make it relative and keep its target inside the repository"),
            );
            continue;
        }
        let template = templates.as_ref().and_then(|all| Some((all, entry.name.strip_suffix(templates::ENDING)?)));
        let Some(format) = Format::of(template.map_or(entry.name.as_str(), |(_, name)| name)) else { continue };
        match entry.kind {
            EntryKind::BrokenLink => {
                reader.left_out(Span::NONE, &format!("`{at}` is a symbolic link whose target does not exist"));
                continue;
            }
            EntryKind::DirectoryLink(_) | EntryKind::Directory | EntryKind::EscapingLink | EntryKind::Other => {
                reader.left_out(Span::NONE, &format!("`{at}` is no file"));
                continue;
            }
            EntryKind::File | EntryKind::FileLink(_) => {}
        }
        let below = at.below(&directory.path).unwrap_or_default().to_owned();
        if selection.takes(&below) {
            match world.read(&FilePath::new(directory.tree, at)) {
                Ok(file) => match template {
                    Some((all, _)) => reader.template(all, &below, &file, format),
                    None => reader.file(&file, format),
                },
                Err(found) => reader.errors.extend(found),
            }
        }
    }
    if reader.errors.has_errors() {
        return Err(Stop::Failed(reader.errors));
    }
    Ok(Rendered { resources: reader.objects, warnings: reader.warnings, ..Rendered::default() })
}

/// `directory.jsonnet`
fn jsonnet_options(directory: &FilePath, options: Option<&Node>) -> Result<jsonnet::Options, Stop> {
    let options = options.and_then(|options| options.get("jsonnet"));
    let list = |field: &str| options.and_then(|options| options.get(field)).and_then(Node::as_seq).unwrap_or_default();
    let variables = |field: &str| -> Vec<jsonnet::Variable> {
        let one = |node: &Node| jsonnet::Variable {
            name: node.str_at(&["name"]).to_owned(),
            value: node.str_at(&["value"]).to_owned(),
            code: node.get("code").and_then(Node::as_bool) == Some(true),
            span: node.get("value").map_or(node.span(), Node::span),
        };
        list(field).iter().map(one).collect()
    };
    let mut libraries = Vec::new();
    for lib in list("libs").iter().rev() {
        let text = lib.as_str().unwrap_or_default();
        libraries.push(TreePath::new(text.trim_start_matches('/')).map_err(|error| {
            let message = format!("the library folder `{text}` of `directory.jsonnet.libs` {error}");
            Stop::from(Diagnostic::error("render/path", lib.span(), message))
        })?);
    }
    libraries.push(directory.path.clone());
    Ok(jsonnet::Options { external: variables("extVars"), arguments: variables("tlas"), libraries })
}

fn refused(name: &str, reason: &str) -> Stop {
    Diagnostic::error("render/name", Span::NONE, format!("the name `{name}` {reason}")).into()
}

/// Which files count, by their path below the directory.
struct Selection {
    include: Option<Glob>,
    exclude: Option<Glob>,
}

impl Selection {
    fn takes(&self, path: &str) -> bool {
        !self.exclude.as_ref().is_some_and(|glob| glob.matches(path))
            && self.include.as_ref().is_none_or(|glob| glob.matches(path))
    }
}

/// Globs have no separator: `*` crosses `/`.
fn glob(options: Option<&Node>, field: &str) -> Result<Option<Glob>, Stop> {
    let Some(node) = options.and_then(|options| options.get(field)) else { return Ok(None) };
    let pattern = node.as_str().unwrap_or_default();
    if pattern.is_empty() {
        return Ok(None);
    }
    match Glob::new(pattern, "") {
        Some(glob) => Ok(Some(glob)),
        None => {
            let message = format!("the pattern `{pattern}` of `directory.{field}` is malformed");
            Err(Diagnostic::error("render/glob", node.span(), message)
                .hint("Argo CD would let it match nothing")
                .into())
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Yaml,
    Json,
    Jsonnet,
}

impl Format {
    fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "yaml" | "yml" => Some(Format::Yaml),
            "json" => Some(Format::Json),
            "jsonnet" => Some(Format::Jsonnet),
            _ => None,
        }
    }
}

struct Reader<'a> {
    world: &'a dyn World,
    tree: TreeId,
    /// What Jsonnet is evaluated with, where argocd-cm leaves it switched on.
    jsonnet: Option<jsonnet::Options>,
    objects: Vec<Resource>,
    warnings: Diagnostics,
    errors: Diagnostics,
}

impl Reader<'_> {
    fn left_out(&mut self, span: Span, what: &str) {
        let message = format!("{what}; it is left out, as Argo CD does");
        self.warnings.push(Diagnostic::warning("render/left-out", span, message));
    }

    fn file(&mut self, file: &Arc<SourceFile>, format: Format) {
        let text = Text::of(&file.bytes);
        if text.contains(SKIP_MARKER) {
            return;
        }
        match format {
            Format::Yaml => self.yaml(file, file.id, &file.bytes, &text),
            Format::Json => self.json(file, file.id, &text),
            Format::Jsonnet => self.jsonnet(file),
        }
    }

    /// What a template gives is read as a file of that content; what is of it has the place of the template.
    fn template(&mut self, templates: &Templates, name: &str, file: &Arc<SourceFile>, format: Format) {
        if Text::of(&file.bytes).contains(SKIP_MARKER) {
            return;
        }
        let rendered = match templates.render(name, file) {
            Ok(rendered) => rendered,
            Err(found) => return self.errors.extend(found),
        };
        let text = Text::of(rendered.as_bytes());
        let (objects, errors) = (self.objects.len(), self.errors.0.len());
        match format {
            Format::Yaml => self.yaml(file, FileId::NONE, rendered.as_bytes(), &text),
            Format::Json => self.json(file, FileId::NONE, &text),
            Format::Jsonnet => {}
        }
        let place = Span::new(file.id, 0, 0);
        for found in self.errors.0.iter_mut().skip(errors).filter(|found| found.span.is_none()) {
            let before = rendered.as_bytes().iter().take(found.span.start as usize);
            let line = before.filter(|byte| **byte == b'\n').count() + 1;
            found.message = format!("what the template gives, line {line}: {}", found.message);
            found.span = place;
        }
        for resource in self.objects.iter_mut().skip(objects) {
            resource.origin.span = resource.origin.span.or(place);
        }
    }

    fn yaml(&mut self, file: &SourceFile, id: FileId, bytes: &[u8], text: &Text<'_>) {
        let parsed = yaml::parse(id, bytes, Dialect::V2, &Limits::default());
        let mut objects = Vec::new();
        let mut trouble = None;
        let mut duplicates = Diagnostics::new();
        for document in parsed.documents {
            if document.root.is_null() {
                continue;
            }
            match object(&document.root) {
                Ok(value) => objects.push(value),
                Err(found) => {
                    trouble = Some(found);
                    break;
                }
            }
            for duplicate in &document.duplicates {
                duplicates.push(Diagnostic { severity: Severity::Warning, ..duplicate.diagnostic() });
            }
        }
        let syntax = parsed.error.is_some() && trouble.is_none();
        let Some(found) = trouble.or_else(|| parsed.error.map(Diagnostics::from)) else {
            self.warnings.extend(duplicates);
            for value in objects {
                self.add(value);
            }
            return;
        };
        // Files of Argo CD's own beside the manifests need no word.
        let own = file.path.name().starts_with(".argocd-source");
        let manifest = ["apiVersion:", "kind:", "metadata:"].iter().all(|word| text.contains(word));
        if manifest || !objects.is_empty() {
            self.errors.extend(found);
            return;
        }
        if own {
            return;
        }
        let place = found.iter().next().map_or(Span::NONE, |found| found.span).or(Span::new(file.id, 0, 0));
        let reason = found.iter().next().map(|found| found.message.clone()).unwrap_or_default();
        if syntax {
            self.left_out(place, &format!("`{}` cannot be read ({reason})", file.display));
        } else {
            let message = format!("`{}` is no manifest ({reason}) and left out, as Argo CD does", file.display);
            self.warnings.push(Diagnostic::note("render/left-out", place, message));
        }
    }

    fn json(&mut self, file: &SourceFile, id: FileId, text: &Text<'_>) {
        let bytes = text.bytes();
        let parsed = yaml::json::parse(id, bytes).and_then(|root| object(&root));
        match parsed {
            Ok(value) => self.add(value),
            Err(found) => {
                let several = serde_json::Deserializer::from_slice(bytes).into_iter::<serde::de::IgnoredAny>().nth(1);
                if matches!(several, Some(Ok(_))) {
                    let message = format!(
                        "`{}` holds several JSON values; Argo CD takes one object from a JSON file",
                        file.display
                    );
                    let error = Diagnostic::error("render/json", Span::new(file.id, 0, 0), message);
                    self.errors.push(error.hint("make it a `List`, or one file for each object"));
                    return;
                }
                let hint = "if it is no manifest, leave it out with `directory.exclude`";
                self.errors.extend(found.into_iter().map(|found| found.hint(hint)));
            }
        }
    }

    fn jsonnet(&mut self, file: &Arc<SourceFile>) {
        let Some(options) = &self.jsonnet else { return };
        let path = FilePath::new(self.tree, file.path.clone());
        let value = match jsonnet::evaluate(self.world, &path, file, options) {
            Ok(found) => {
                self.warnings.extend(found.diagnostics);
                found.value
            }
            Err(found) => {
                let hint = "if it is a library, call it `.libsonnet`, or leave it out with `directory.exclude`";
                return self.errors.extend(found.into_iter().map(|found| found.hint(hint)));
            }
        };
        let values = match value.as_seq() {
            Some(items) => items.to_vec(),
            None => vec![value],
        };
        for value in values.iter().filter(|value| !value.is_null()) {
            match object(value) {
                Ok(value) => self.add(value),
                Err(found) => self.errors.extend(found.into_iter().map(|found| found.at(Span::new(file.id, 0, 0)))),
            }
        }
    }

    /// Adds an object, or the items of a list.
    fn add(&mut self, object: Node) {
        let origin =
            |node: &Node, list: Span| Origin { span: node.span().or(list), edits: Vec::new(), steps: Vec::new() };
        let resource = Resource { origin: origin(&object, Span::NONE), body: object };
        for resource in expand_list(resource) {
            match resource.and_then(|resource| check(&resource).map(|()| resource)) {
                Ok(resource) => self.objects.push(resource),
                Err(found) => self.errors.push(*found),
            }
        }
    }
}

/// The JSON value of a document, which must be an object with a kind: what Kubernetes' decoder asks for.
pub(super) fn object(root: &Node) -> Result<Node, Diagnostics> {
    let wrong = |message: String| Err(Diagnostic::error("render/manifest", root.span(), message).into());
    if root.as_map().is_none() {
        return wrong(format!("an object is expected, not {}", root.what()));
    }
    let value = to_json_value(root, Numbers::Int64)?;
    match value.get("kind") {
        Some(kind) if kind.as_str().is_some_and(|kind| !kind.is_empty()) => Ok(value),
        Some(kind) if !kind.is_null() && kind.as_str() != Some("") => {
            wrong(format!("`kind` must be a string, not {}", kind.what()))
        }
        _ => wrong("the object has no `kind`".to_owned()),
    }
}

/// The items of a list, or the object itself. Every object with a list under `items` is one, whatever its kind; one with `items: null` and
/// neither `spec` nor `status` is nothing (`GenerateManifests`, `isNullList`).
pub(super) fn expand_list(resource: Resource) -> Vec<Result<Resource, Box<Diagnostic>>> {
    let empty = |body: &Node| body.get("spec").is_none() && body.get("status").is_none();
    match resource.body.get("items") {
        Some(items) if items.is_null() && empty(&resource.body) => Vec::new(),
        Some(items) if items.as_seq().is_some() => {
            let wrong = |item: &Node| {
                let message = format!("an item of a list must be an object, not {}", item.what());
                Box::new(Diagnostic::error("render/manifest", item.span().or(resource.origin.span), message))
            };
            let one = |item: &Node| match item.as_map() {
                Some(_) => {
                    let origin = Origin { span: item.span().or(resource.origin.span), ..resource.origin.clone() };
                    Ok(Resource { body: item.clone(), origin })
                }
                None => Err(wrong(item)),
            };
            items.as_seq().unwrap_or_default().iter().map(one).collect()
        }
        _ => vec![Ok(resource)],
    }
}

/// What an API server refuses at once.
pub(super) fn check(resource: &Resource) -> Result<(), Box<Diagnostic>> {
    let body = &resource.body;
    let text = |node: Option<&Node>| node.and_then(Node::as_str).unwrap_or_default().to_owned();
    let wrong = |message: String| {
        Err(Box::new(Diagnostic::error("render/manifest", body.span().or(resource.origin.span), message)))
    };
    let kind = text(body.get("kind"));
    if kind.is_empty() {
        return wrong("the object has no `kind`".to_owned());
    }
    if text(body.get("apiVersion")).is_empty() {
        return wrong(format!("the {kind} has no `apiVersion`"));
    }
    let metadata = body.get("metadata");
    for field in ["name", "generateName", "namespace"] {
        if let Some(node) = metadata.and_then(|metadata| metadata.get(field))
            && node.as_str().is_none()
            && !node.is_null()
        {
            let message = format!("`metadata.{field}` of the {kind} must be a string, not {}", node.what());
            return Err(Box::new(
                Diagnostic::error("render/manifest", node.span().or(body.span()), message).hint("quote it"),
            ));
        }
    }
    let named = |field: &str| !text(metadata.and_then(|metadata| metadata.get(field))).is_empty();
    if !named("name") && !named("generateName") {
        return wrong(format!("the {kind} has no `metadata.name`"));
    }
    Ok(())
}

/// The text of a file for looking into it: as it is, or decoded where a byte order mark says UTF-16.
enum Text<'a> {
    Bytes(&'a [u8]),
    Decoded(String),
}

impl<'a> Text<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let units = |rest: &[u8], unit: fn([u8; 2]) -> u16| -> String {
            let pairs = rest.chunks_exact(2).map(|pair| {
                unit([pair.first().copied().unwrap_or_default(), pair.last().copied().unwrap_or_default()])
            });
            char::decode_utf16(pairs).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        };
        match bytes {
            [0xff, 0xfe, rest @ ..] => Text::Decoded(units(rest, u16::from_le_bytes)),
            [0xfe, 0xff, rest @ ..] => Text::Decoded(units(rest, u16::from_be_bytes)),
            [0xef, 0xbb, 0xbf, rest @ ..] => Text::Bytes(rest),
            _ => Text::Bytes(bytes),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Text::Bytes(bytes) => bytes,
            Text::Decoded(text) => text.as_bytes(),
        }
    }

    fn contains(&self, word: &str) -> bool {
        let (bytes, word) = (self.bytes(), word.as_bytes());
        let Some(first) = word.first() else { return true };
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| byte == first) {
            let Some(found) = rest.get(at..) else { return false };
            if found.starts_with(word) {
                return true;
            }
            rest = found.get(1..).unwrap_or_default();
        }
        false
    }
}
