//! `patches`, `patchesStrategicMerge` and `patchesJson6902`: reading them, finding what they mean, and applying them
//! (api/internal/builtins/Patch*.go, api/resmap `ApplySmPatch`).

use super::accumulate::Build;
use super::file::{Patch, Text};
use super::json_patch::JsonPatch;
use super::load::Frame;
use super::merge;
use super::object::{Id, Object, meta_map, set_meta_map, set_path_text};
use super::objects::{Objects, set_namespace};
use super::openapi::Schemas;
use super::selector::Selector;
use crate::diag::Diagnostic;
use crate::span::{FileId, Span};
use crate::yaml::{Map, Node, View};

/// The content of a patch.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Partial objects.
    Merge(Vec<Object>),
    /// RFC 6902.
    Json(JsonPatch),
    /// A text without anything.
    Nothing,
}

/// Reads a patch as partial objects, or else as RFC 6902.
///
/// # Errors
/// It is neither.
pub(super) fn read(file: FileId, bytes: &[u8]) -> Result<Content, Box<Diagnostic>> {
    let as_objects = match super::resources::read(file, bytes) {
        Ok(objects) if objects.is_empty() => return Ok(Content::Nothing),
        Ok(objects) => return Ok(Content::Merge(objects)),
        Err(error) => error,
    };
    match JsonPatch::read(file, bytes) {
        Ok(patch) => Ok(Content::Json(patch)),
        // Which of the two was meant shows in the first character that counts.
        Err(as_json) if bytes.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'[' | b'-')) => {
            Err(as_json)
        }
        Err(_) => Err(as_objects),
    }
}

/// Which identity a patch may change.
#[derive(Clone, Copy, Default)]
struct Allowed {
    name: bool,
    kind: bool,
}

impl Build<'_> {
    /// One entry of `patches`.
    ///
    /// # Errors
    /// It cannot be read, or does not fit.
    pub(super) fn patch(&self, objects: &mut Objects, frame: &Frame<'_>, patch: &Patch) -> Result<(), Box<Diagnostic>> {
        let fail = |text: String| Box::new(Diagnostic::error("kustomize/patch", patch.span, text));
        let inline = patch.patch.value.trim();
        let content = match (inline.is_empty(), patch.path.value.is_empty()) {
            (true, true) => return Err(fail("a patch must specify one of `patch` and `path`".to_owned())),
            (false, false) => return Err(fail("`patch` and `path` can't be set at the same time".to_owned())),
            (false, true) => self.inline_patch(inline, patch.patch.span)?,
            (true, false) => self.patch_file(frame, &patch.path)?,
        };
        let allowed = Allowed { name: patch.allow_name_change, kind: patch.allow_kind_change };
        match (&content, &patch.target) {
            (Content::Nothing, _) => Ok(()),
            (Content::Merge(patches), Some(target)) => {
                let [one] = patches.as_slice() else {
                    let text = "a patch with a `target` must be one document, not several";
                    return Err(fail(text.to_owned()).hint("make an entry of each document").into());
                };
                let places = select(objects, target)?;
                self.merge_into(objects, &places, &normalized(one), allowed, patch.span)
            }
            (Content::Merge(patches), None) => {
                for one in patches {
                    let place = unique(objects, one).map_err(|(text, hint)| {
                        let mut error =
                            fail(format!("no resource matches strategic merge patch `{}`: {text}", one.id()));
                        error.hints.extend(hint);
                        Box::new(if one.span.is_none() { *error } else { error.label(one.span, "the patch") })
                    })?;
                    // The original notes what is allowed in the patch's annotations, and so writes them all as strings.
                    let mut one = one.clone();
                    if allowed.name || allowed.kind {
                        let entries = meta_map(&one.body, "annotations");
                        if !entries.is_empty() {
                            set_meta_map(&mut one.body, "annotations", entries);
                        }
                    }
                    self.merge_one(objects, place, &one, allowed, patch.span)?;
                }
                Ok(())
            }
            (Content::Json(_), None) => Err(fail("a JSON patch must have a `target`".to_owned())),
            (Content::Json(json), Some(target)) => {
                let places = select(objects, target)?;
                apply_json(objects, &places, json, patch.span, true)
            }
        }
    }

    /// One entry of `patchesJson6902`.
    ///
    /// # Errors
    /// It cannot be read, or does not fit.
    pub(super) fn patch_json6902(
        &self,
        objects: &mut Objects,
        frame: &Frame<'_>,
        patch: &Patch,
    ) -> Result<(), Box<Diagnostic>> {
        let fail = |text: &str| Box::new(Diagnostic::error("kustomize/patch", patch.span, text));
        let Some(target) = patch.target.as_ref().filter(|target| !target.name.is_empty()) else {
            return Err(fail("must specify the target name"));
        };
        let json = match (patch.patch.value.is_empty(), patch.path.value.is_empty()) {
            (true, true) => return Err(fail("empty file path and empty patch")),
            (false, false) => return Err(fail("must specify a file path or a patch, not both")),
            (false, true) => JsonPatch::read(FileId::NONE, patch.patch.value.as_bytes())
                .map_err(|error| Box::new(error.at(patch.patch.span)))?,
            (true, false) => {
                let source = self.loader.read(frame, &patch.path)?;
                JsonPatch::read(source.id, &source.bytes)?
            }
        };
        if json.is_empty() {
            return Err(fail("the patch appears to be empty"));
        }
        let places = select(objects, target)?;
        apply_json(objects, &places, &json, patch.span, false)
    }

    /// One entry of `patchesStrategicMerge`: objects written in place, or a file of them. Returns how many.
    ///
    /// # Errors
    /// It cannot be read, or does not fit.
    pub(super) fn patch_strategic_merge(
        &self,
        objects: &mut Objects,
        frame: &Frame<'_>,
        entry: &Text,
    ) -> Result<usize, Box<Diagnostic>> {
        let patches = match super::resources::read(FileId::NONE, entry.value.as_bytes()) {
            Ok(patches) => patches,
            Err(inline) => match self.loader.resources(frame, entry) {
                Ok(read) => (*read).clone()?,
                // A text of several lines was meant as a patch.
                Err(_) if entry.value.contains('\n') => return Err(Box::new(inline.at(entry.span))),
                Err(error) => return Err(error),
            },
        };
        for one in &patches {
            let place = unique(objects, one).map_err(|(text, hint)| {
                let mut error = Diagnostic::error("kustomize/patch", entry.span, text);
                error.hints.extend(hint);
                Box::new(error)
            })?;
            self.merge_into(objects, &[place], &normalized(one), Allowed::default(), entry.span)?;
        }
        Ok(patches.len())
    }

    fn inline_patch(&self, text: &str, span: Span) -> Result<Content, Box<Diagnostic>> {
        let read = || {
            read(FileId::NONE, text.as_bytes()).map_err(|error| {
                Box::new(error.at(span).hint("the patch is neither a partial object nor an RFC 6902 patch"))
            })
        };
        (*self.loader.tools.inline_patch(span, read)).clone()
    }

    fn patch_file(&self, frame: &Frame<'_>, path: &Text) -> Result<Content, Box<Diagnostic>> {
        (*self.loader.patch(frame, path)?).clone()
    }

    /// Merges a patch with a target into all objects that have the ids of those selected.
    fn merge_into(
        &self,
        objects: &mut Objects,
        places: &[usize],
        patch: &Object,
        allowed: Allowed,
        span: Span,
    ) -> Result<(), Box<Diagnostic>> {
        for place in places {
            self.merge_one(objects, *place, patch, allowed, span)?;
        }
        objects.drop_empty();
        if let Some((text, other)) = objects.collision() {
            return Err(Box::new(Diagnostic::error("kustomize/id-conflict", span, text).label(other, "this object")));
        }
        Ok(())
    }

    fn merge_one(
        &self,
        objects: &mut Objects,
        place: usize,
        patch: &Object,
        allowed: Allowed,
        span: Span,
    ) -> Result<(), Box<Diagnostic>> {
        self.merges.update(|merges| merges + 1);
        let schema = self.schema.borrow().clone();
        let schemas = schema.as_deref().map_or(Schemas::Builtin, Schemas::Custom);
        let Some(object) = objects.body_mut(place) else { return Ok(()) };
        let before = object.id().clone();
        if allowed.name || allowed.kind {
            object.store_previous();
        }
        let merged = merge::merge(&object.body, &patch.body, schemas).map_err(|why| {
            let error = Diagnostic::error("kustomize/patch", span, format!("patching {before}: {why}"));
            Box::new(error.label(object.span, "the object"))
        })?;
        object.edits.push(span);
        let Some(merged) = merged else {
            object.body = Node::null();
            objects.list_mut();
            return Ok(());
        };
        object.body = merged;
        if object.is_empty() {
            objects.list_mut();
            return Ok(());
        }
        restore(&mut object.body, &before, allowed);
        object.untyped_name |= !allowed.name;
        object.settle_shared();
        if forgets_history(&patch.body) {
            object.previous.clear();
            object.prefixes.clear();
            object.suffixes.clear();
        }
        if object.duplicate.is_none()
            && let Some(duplicate) =
                patch.duplicate.as_ref().filter(|duplicate| brought(&object.body, duplicate.second))
        {
            // Merged into a mapping that was there, only the first of the two counts.
            object.duplicate = Some(duplicate.clone());
        }
        if object.refresh() || allowed.name || allowed.kind {
            objects.list_mut();
        }
        Ok(())
    }
}

/// Whether a mapping around a place in a patch is now in the object.
fn brought(node: &Node, place: Span) -> bool {
    let outer = node.span();
    match node.view() {
        View::Scalar(..) => false,
        View::Seq(items) => items.iter().any(|item| brought(item, place)),
        View::Map(map) => {
            (outer.file == place.file && outer.start <= place.start && place.end <= outer.end && outer != Span::NONE)
                || map.iter().any(|(_, value)| brought(value, place))
        }
    }
}

/// A list of patches without any.
pub(super) fn none_given(span: Span) -> Box<Diagnostic> {
    let error = Diagnostic::error("kustomize/patch", span, "the list of patches holds no patch");
    Box::new(error.hint("remove the list, or name a patch in it"))
}

/// Kind and name come back unless the patch may change them; the namespace always does.
fn restore(body: &mut Node, before: &Id, allowed: Allowed) {
    if !allowed.kind && body.get("kind").and_then(Node::text) != Some(&before.gvk.kind) {
        set_path_text(body, &["kind"], &before.gvk.kind);
    }
    if !allowed.name && super::object::meta_text(body, "name") != before.name {
        set_path_text(body, &["metadata", "name"], &before.name);
    }
    if super::object::meta_text(body, "namespace") != before.namespace {
        set_namespace(body, &before.namespace);
    }
}

/// The original keeps an object's history in annotations, and a patch that replaces them all takes it away.
fn forgets_history(patch: &Node) -> bool {
    let wipes =
        |node: &Node| node.is_null() || matches!(node.get("$patch").and_then(Node::text), Some("replace" | "delete"));
    let metadata = patch.get("metadata");
    metadata.is_some_and(|metadata| wipes(metadata) || metadata.get("annotations").is_some_and(wipes))
}

/// A patch as it is applied through a target: its labels and annotations are strings (a null becomes the text), its API version does not count.
fn normalized(patch: &Object) -> Object {
    let mut patch = patch.clone();
    for field in ["labels", "annotations"] {
        if patch.body.get("metadata").and_then(|metadata| metadata.get(field)).is_some() {
            let entries = meta_map(&patch.body, field);
            set_meta_map(&mut patch.body, field, entries);
        }
    }
    if let Some(map) = patch.body.map_mut() {
        map.remove("apiVersion");
    }
    patch
}

/// The objects that a target means, in order.
fn select(objects: &Objects, target: &Selector) -> Result<Vec<usize>, Box<Diagnostic>> {
    let compiled = target.compile().map_err(|why| Box::new(Diagnostic::error("kustomize/target", target.span, why)))?;
    let matches = objects.list().iter().enumerate().filter(|(_, object)| compiled.matches(object));
    Ok(matches.map(|(at, _)| at).collect())
}

/// The one object that has or had the id of a patch.
fn unique(objects: &mut Objects, patch: &Object) -> Result<usize, (String, Option<String>)> {
    match objects.with_any_id(patch.id()).as_slice() {
        [one] => Ok(*one),
        [] => {
            let id = patch.id();
            let same_kind = objects.list().iter().filter(|object| object.id().gvk.kind == id.gvk.kind);
            let names: Vec<&str> = same_kind.map(|object| object.id().name.as_str()).collect();
            let hint = if names.contains(&id.name.as_str()) {
                Some(format!("there is a {} `{}`, but with another apiVersion or namespace", id.gvk.kind, id.name))
            } else {
                crate::diag::did_you_mean(&id.name, names)
            };
            Err((format!("no matches for Id {id}; failed to find unique target for patch {id}"), hint))
        }
        several => {
            let id = patch.id();
            Err((format!("{} matches for Id {id}; failed to find unique target for patch {id}", several.len()), None))
        }
    }
}

/// The original keeps an object's history in annotations, so that an object with a history has annotations to patch.
fn with_annotations(object: &Object) -> Node {
    let mut body = object.body.clone();
    let has_history =
        !object.previous.is_empty() || !object.prefixes.is_empty() || !object.suffixes.is_empty() || object.generated;
    let there = body.at(&["metadata", "annotations"]).is_some_and(|annotations| !annotations.is_null());
    if has_history
        && !there
        && let Some(metadata) = body.get_mut("metadata").and_then(Node::map_mut)
    {
        metadata.insert("annotations", Node::map(Map::new()));
    }
    body
}

fn apply_json(
    objects: &mut Objects,
    places: &[usize],
    patch: &JsonPatch,
    span: Span,
    remember: bool,
) -> Result<(), Box<Diagnostic>> {
    let mut changed = remember && !places.is_empty();
    for place in places {
        let Some(object) = objects.bodies_mut().get_mut(*place) else { continue };
        if remember {
            object.store_previous();
        }
        if let Some(duplicate) = &object.duplicate {
            return Err(Box::new(duplicate.diagnostic()));
        }
        if let Some(error) = object.mistyped() {
            return Err(Box::new(error.clone()));
        }
        // What was read again has tags.
        object.untyped_name = false;
        let mut unprintable = crate::diag::Diagnostics::new();
        super::check_keys(&object.body, &mut unprintable);
        if let Some(error) = unprintable.0.into_iter().next() {
            return Err(Box::new(error));
        }
        let body = with_annotations(object);
        object.body = patch.apply(&body).map_err(|(operation, why)| {
            let error = Diagnostic::error(
                "kustomize/json-patch",
                operation.or(span),
                format!("patching {}: {why}", object.id()),
            );
            Box::new(error.label(object.span, "the object"))
        })?;
        object.shared.clear();
        object.edits.push(span);
        changed |= object.refresh();
    }
    if changed {
        objects.list_mut();
    }
    Ok(())
}
