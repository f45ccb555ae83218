//! The source's options as they are rendered: what the destination overrides, then `.argocd-source.yaml` and
//! `.argocd-source-<application>.yaml` beside the manifests.
//!
//! Rules of `reposerver/repository`, `mergeSourceParameters`: each file is a JSON merge patch on the whole source, whose chart, path,
//! repoURL and targetRevision cannot be changed. Go decodes the result into the old value, so that `null` removes nothing but in
//! the free-form `helm.valuesObject`.

use crate::application::Source;
use crate::argo;
use crate::argo::tables::APPLICATION_SOURCE;
use crate::diag::{Checked, Diagnostic, Diagnostics, Severity};
use crate::span::SourceFile;
use crate::yaml::{self, Dialect, Limits, Map, Node};

/// The tools whose options make a source explicit, in the order in which Argo CD names them.
pub(super) const TOOLS: [&str; 4] = ["helm", "kustomize", "directory", "plugin"];

/// A source as one destination of `destination.servers` overrides it: `path` and `targetRevision` replaced, the fields given in `helm` and
/// `kustomize` replaced one by one.
pub(super) fn overridden(source: &Source, overrides: Option<&Node>) -> Source {
    let mut source = source.clone();
    let Some(overrides) = overrides else { return source };
    let text = |field: &str| overrides.get(field).and_then(Node::as_str).map(str::to_owned);
    if let Some(path) = text("path") {
        source.path = path;
    }
    if let Some(revision) = text("targetRevision") {
        source.target_revision = revision;
    }
    for (field, options) in [("helm", &mut source.helm), ("kustomize", &mut source.kustomize)] {
        let Some(changes) = overrides.get(field) else { continue };
        match (options.as_mut().and_then(Node::map_mut), changes.as_map()) {
            (Some(options), Some(changes)) => {
                for (key, value) in changes.iter() {
                    options.insert(key.text().unwrap_or_default(), value.clone());
                }
            }
            _ => *options = Some(changes.clone()),
        }
    }
    source
}

/// Applies one `.argocd-source` file to a source; what the file says of unknown fields comes back as warnings.
///
/// # Errors
/// The file is no YAML, no mapping, or has a field of a wrong type.
pub(super) fn apply(source: &mut Source, file: &SourceFile, engine: (u32, u32)) -> Checked<Diagnostics> {
    let parsed = yaml::parse(file.id, &file.bytes, Dialect::V2, &Limits::default());
    let mut found: Diagnostics = Diagnostics::new();
    // As with every object of Argo CD the first document counts.
    let Some(document) = parsed.documents.into_iter().next() else {
        return match parsed.error {
            Some(error) => Err(error.into()),
            None => Ok(found),
        };
    };
    for duplicate in &document.duplicates {
        found.push(Diagnostic { severity: Severity::Warning, ..duplicate.diagnostic() });
    }
    if document.root.is_null() {
        return Ok(found);
    }
    let Some(patch) = document.root.as_map() else {
        let message = format!("`{}` must be a mapping, not {}", file.path.name(), document.root.what());
        return Err(Diagnostic::error("resolve/source-file", document.root.span(), message).into());
    };
    let mut whole = Map::new();
    for (field, text) in
        [("repoURL", &source.repo_url), ("path", &source.path), ("targetRevision", &source.target_revision)]
    {
        whole.insert(field, Node::str(text.as_str()));
    }
    for (tool, options) in TOOLS.into_iter().zip([&source.helm, &source.kustomize, &source.directory, &source.plugin]) {
        if let Some(options) = options {
            whole.insert(tool, options.clone());
        }
    }
    let mut whole = Node::map(whole).with_span(document.root.span());
    merge(&mut whole, patch, false, 0);
    found.extend(argo::check(&whole, &APPLICATION_SOURCE, engine, Severity::Warning));
    if found.has_errors() {
        return Err(found);
    }
    let options = |tool: &str| whole.get(tool).filter(|options| !options.is_null()).cloned();
    source.helm = options("helm");
    source.kustomize = options("kustomize");
    source.directory = options("directory");
    source.plugin = options("plugin");
    Ok(found)
}

/// RFC 7386, with `null` removing only in free-form values.
fn merge(target: &mut Node, patch: &Map, free: bool, depth: usize) {
    // Deeper than any document is parsed.
    if depth > 1000 {
        return;
    }
    if target.as_map().is_none() {
        *target = Node::map(Map::new()).with_span(target.span());
    }
    let Some(map) = target.map_mut() else { return };
    for (key, value) in patch.iter() {
        let name = key.text().unwrap_or_default();
        let free = free || name == "valuesObject";
        match value.as_map() {
            None if value.is_null() => {
                if free {
                    map.remove(name);
                }
            }
            None => set(map, key, value.clone()),
            Some(inner) => {
                if map.get(name).is_none_or(|old| old.as_map().is_none()) {
                    set(map, key, Node::map(Map::new()).with_span(value.span()));
                }
                if let Some(old) = map.get_mut(name) {
                    merge(old, inner, free, depth + 1);
                }
            }
        }
    }
}

/// Sets a value and keeps the key's place, so that findings point into the file.
fn set(map: &mut Map, key: &Node, value: Node) {
    let name = key.text().unwrap_or_default();
    match map.get_mut(name) {
        Some(old) => *old = value,
        None => map.push(key.clone(), value),
    }
}
