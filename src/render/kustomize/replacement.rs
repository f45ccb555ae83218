//! `replacements`: a value from one object, or a given one, copied into fields of others (api/filters/replacement).
//!
//! A path that goes on inside a text is a path into the YAML or JSON that the text holds.

use std::cell::Cell;

use super::bounds;
use super::fieldspec::split_field_path;
use super::file::{FieldOptions, Replacement, Source, Target};
use super::lookup::{Shape, Writer, lookup};
use super::object::{Id, Object, fits, is_nil_or_empty, retexted, selects, untyped};
use super::objects::Objects;
use crate::diag::Diagnostic;
use crate::span::{FileId, Span};
use crate::yaml::{self, Dialect, Limits, Node, Style, Tag, View, emit, json};

/// Does one replacement.
///
/// # Errors
/// The source is not one field, or a target's field is not there.
pub(super) fn replace(objects: &mut Objects, replacement: &Replacement) -> Result<(), Box<Diagnostic>> {
    let fail = |span: Span, text: String| Box::new(Diagnostic::error("kustomize/replacement", span, text));
    let (mut value, targets) = match (&replacement.source, &replacement.source_value, &replacement.targets) {
        (Some(_), Some(_), Some(_)) => {
            return Err(fail(replacement.span, "`sourceValue` and `source` are mutually exclusive".to_owned()));
        }
        (Some(source), None, Some(targets)) => (source_value(objects, source)?, targets),
        (None, Some(value), Some(targets)) => (Value { node: untyped(value), read: None }, targets),
        _ => {
            let text = "a replacement must specify a source and at least one target";
            return Err(fail(replacement.span, text.to_owned()));
        }
    };
    for target in targets {
        let depth = target.field_paths.iter().map(|path| split_field_path(&path.value).len()).max().unwrap_or(2);
        bounds::Copies::new().take(&value.node, depth).map_err(|why| fail(replacement.span, why))?;
        write_target(objects, &mut value, target, replacement.span)?;
    }
    Ok(())
}

/// The value to write.
struct Value {
    node: Node,
    /// Which object it is read from, and where. The original copies nothing, so that a target that is the source changes what later ones get.
    read: Option<(usize, Vec<String>)>,
}

impl Value {
    /// Before a collection is written into the object that it is read from: what is made on the way may be a part of it.
    fn read_with_made(&mut self, at: usize, body: &Node, path: &[String]) {
        if self.node.is_scalar() || self.read.as_ref().is_none_or(|(source, _)| *source != at) {
            return;
        }
        let mut set = |field: &Node, _: bool| Ok(field.clone());
        let mut writer = Writer { create: Some(Shape::of(&self.node)), set: &mut set, hits: 0, detached: false };
        if let Ok(Some(prepared)) = writer.write(body, path) {
            self.read_again(at, &prepared);
        }
    }

    /// After an object was written.
    fn read_again(&mut self, at: usize, body: &Node) {
        if let Some((source, path)) = &self.read
            && *source == at
            && let Ok(Some(node)) = lookup(body, path)
        {
            self.node = node.clone();
        }
    }
}

fn source_value(objects: &Objects, source: &Source) -> Result<Value, Box<Diagnostic>> {
    let fail = |text: String| Box::new(Diagnostic::error("kustomize/replacement-source", source.span, text));
    let wanted =
        Id { gvk: source.gvk.clone(), name: source.name.clone(), namespace: source.namespace.clone(), cluster: false };
    let fits = |id: &Id| {
        (wanted.name.is_empty() || wanted.name == id.name)
            && (wanted.namespace.is_empty() || wanted.effective_namespace() == id.effective_namespace())
            && selects(&wanted.gvk, &id.gvk)
    };
    let mut matches = objects.list().iter().enumerate().filter(|(_, object)| object.all_ids().any(|id| fits(&id)));
    let Some((at, object)) = matches.next() else {
        let mut error = fail(format!("nothing selected by {wanted}"));
        let names: Vec<String> = objects.list().iter().map(|object| object.id().name.to_string()).collect();
        error.hints.extend(crate::diag::did_you_mean(&source.name, names.iter().map(String::as_str)));
        return Err(error);
    };
    if let Some((_, other)) = matches.next() {
        return Err(fail(format!("multiple matches for selector {wanted}"))
            .label(object.span, "this one")
            .label(other.span, "and this one")
            .into());
    }
    let path = if source.field_path.is_empty() { "metadata.name" } else { &source.field_path };
    let parts = split_field_path(path);
    let node = lookup(&object.body, &parts).map_err(fail)?;
    let Some(node) = node.filter(|node| !is_nil_or_empty(node)) else {
        return Err(fail(format!("fieldPath `{path}` is missing for replacement source {}", object.id())));
    };
    let Some(options) = source.options.as_ref().filter(|options| !options.delimiter.is_empty()) else {
        return Ok(Value { node: node.clone(), read: Some((at, parts)) });
    };
    let Some(text) = node.text() else {
        return Err(fail("the delimiter option can only be used with a text".to_owned()));
    };
    let part = usize::try_from(options.index).ok().and_then(|at| text.split(options.delimiter.as_str()).nth(at));
    match part {
        Some(part) => {
            let node = match node.style() {
                Style::Untyped => untyped(part),
                style => Node::scalar(node.tag().unwrap_or(Tag::Str), part).with_style(style),
            };
            Ok(Value { node, read: None })
        }
        None => Err(fail(format!("options.index {} is out of bounds for `{path}`", options.index))),
    }
}

fn write_target(objects: &mut Objects, value: &mut Value, target: &Target, entry: Span) -> Result<(), Box<Diagnostic>> {
    let fail = |span: Span, text: String| Box::new(Diagnostic::error("kustomize/replacement-target", span, text));
    let Some(select) = &target.select else {
        return Err(fail(target.span, "a target must specify resources to `select`".to_owned()));
    };
    let compiled = select.compile().map_err(|why| fail(select.span, why))?;
    let mut rejects = Vec::new();
    for reject in &target.reject {
        rejects.push((reject, reject.compile().map_err(|why| fail(reject.span, why))?));
    }
    let default = [super::file::Text::new("metadata.name".into(), target.span)];
    let paths = if target.field_paths.is_empty() { &default[..] } else { &target.field_paths };
    let split: Vec<Vec<String>> = paths.iter().map(|path| split_field_path(&path.value)).collect();
    let rejected = |object: &Object| {
        rejects.iter().any(|(selector, compiled)| {
            let by_metadata = !selector.labels.is_empty() || !selector.annotations.is_empty();
            (by_metadata && compiled.matches_metadata(&object.body))
                || (!selector.names_no_id() && object.all_ids().any(|id| compiled.matches_id(&id)))
        })
    };
    let mut renamed = false;
    for (at, object) in objects.bodies_mut().iter_mut().enumerate() {
        if !compiled.matches_metadata(&object.body)
            || rejected(object)
            || !object.all_ids().any(|id| compiled.matches_id(&id))
        {
            continue;
        }
        for (path, parts) in paths.iter().zip(&split) {
            let untyped = object.untyped_name && is_name(parts);
            if target.options.as_ref().is_some_and(|options| options.create) {
                value.read_with_made(at, &object.body, parts);
            }
            let mistyped = Cell::new(None);
            let place = Place { path: parts, untyped, mistyped: &mistyped };
            let new = write(&object.body, &place, &value.node, target.options.as_ref()).map_err(|why| {
                let verb = if target.options.as_ref().is_some_and(|options| options.create) {
                    "find or create"
                } else {
                    "find"
                };
                let text = format!("unable to {verb} field `{}` in replacement target {}", path.value, object.id());
                let text = if why.is_empty() { text } else { format!("{text}: {why}") };
                Box::new(fail(path.span, text).label(object.span, "the target"))
            })?;
            if let Some(what) = mistyped.get().filter(|_| object.mistyped.is_none()) {
                let text = format!(
                    "field `{}` of {} is {what} and cannot become another kind of value",
                    path.value,
                    object.id()
                );
                object.mistyped = Some(Box::new(fail(path.span, text).label(object.span, "the target")));
            }
            object.body = new;
            object.settle_shared();
            value.read_again(at, &object.body);
        }
        object.edits.push(entry);
        renamed |= object.refresh();
    }
    if renamed {
        objects.list_mut();
    }
    Ok(())
}

fn is_name(path: &[String]) -> bool {
    matches!(path, [metadata, name] if metadata == "metadata" && name == "name")
}

/// Where a value is written.
struct Place<'p> {
    path: &'p [String],
    /// The field has no type.
    untyped: bool,
    /// Is set to what a field is whose tag the new text does not fit.
    mistyped: &'p Cell<Option<&'static str>>,
}

/// The object with a value written to all fields that a path matches. An untyped field gets the type that the new text reads as.
fn write(body: &Node, place: &Place<'_>, value: &Node, options: Option<&FieldOptions>) -> Result<Node, String> {
    let path = place.path;
    let create = options.is_some_and(|options| options.create).then(|| Shape::of(value));
    if let Ok(new) = write_inside_text(body, path, value, options, create) {
        return Ok(new);
    }
    let new = write_plainly(body, path, value, options, create, Some(place.mistyped))?;
    Ok(match new.at(&["metadata", "name"]).filter(|_| place.untyped).map(|name| (name, name.smol())) {
        Some((name, Some(text))) => {
            let name = retexted(name, &text);
            let mut new = new.clone();
            if let Some(slot) = new.get_mut("metadata").and_then(|metadata| metadata.get_mut("name")) {
                *slot = name;
            }
            new
        }
        _ => new,
    })
}

fn write_plainly(
    body: &Node,
    path: &[String],
    value: &Node,
    options: Option<&FieldOptions>,
    create: Option<Shape>,
    mistyped: Option<&Cell<Option<&'static str>>>,
) -> Result<Node, String> {
    // Annotations become strings in the end, whatever they were.
    let mut parts = path.iter().filter(|part| !part.is_empty());
    let annotation =
        parts.next().is_some_and(|part| part == "metadata") && parts.next().is_some_and(|part| part == "annotations");
    let mut set = |field: &Node, made: bool| match field.tag() {
        Some(tag) if annotation && !made && tag != Tag::Str => {
            let text = Node::str(field.smol().unwrap_or_default()).with_style(field.style());
            written(&text, made, value, options, mistyped)
        }
        _ => written(field, made, value, options, mistyped),
    };
    let mut writer = Writer { create, set: &mut set, hits: 0, detached: false };
    let new = writer.write(body, path)?;
    if writer.hits == 0 { Err(String::new()) } else { Ok(new.unwrap_or_else(|| body.clone())) }
}

/// A field with the value in it. A scalar keeps its tag and style, only the text is new.
fn written(
    field: &Node,
    made: bool,
    value: &Node,
    options: Option<&FieldOptions>,
    mistyped: Option<&Cell<Option<&'static str>>>,
) -> Result<Node, String> {
    let mut text = value.text().unwrap_or_default().to_owned();
    let delimited = options.filter(|options| !options.delimiter.is_empty());
    if let Some(options) = delimited {
        let Some(there) = field.text() else {
            return Err("the delimiter option can only be used with a text".to_owned());
        };
        let there = if made { "" } else { there };
        let value = if value.is_null() { "" } else { text.as_str() };
        let mut parts: Vec<&str> = there.split(options.delimiter.as_str()).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, value),
            Ok(at) => match parts.get_mut(at) {
                Some(slot) => *slot = value,
                None => parts.push(value),
            },
        }
        text = parts.join(&options.delimiter);
    }
    if !field.is_scalar() {
        return Ok(if delimited.is_some() { retexted(value, &text) } else { value.clone() });
    }
    if made {
        return Ok(untyped(&text));
    }
    if field.style() == Style::Untyped {
        return Ok(retexted(field, &text));
    }
    let tag = field.tag().unwrap_or(Tag::Str);
    let quoted = matches!(field.style(), Style::SingleQuoted | Style::DoubleQuoted | Style::Literal | Style::Folded);
    if !quoted && !fits(tag, &text) {
        let what = field.what();
        match mistyped {
            Some(mistyped) => mistyped.set(Some(what)),
            None => return Err(format!("the field is {what} and cannot become another kind of value")),
        }
    }
    Ok(Node::scalar(tag, text).with_style(field.style()).with_span(field.span()))
}

/// Writes into the YAML or JSON that a text on the way holds.
///
/// # Errors
/// There is no such text, or the rest of the path is not in it; the caller then tries the plain way.
fn write_inside_text(
    body: &Node,
    path: &[String],
    value: &Node,
    options: Option<&FieldOptions>,
    create: Option<Shape>,
) -> Result<Node, String> {
    for at in 1..path.len() {
        let (outer, inner) = path.split_at(at);
        let Ok(Some(field)) = lookup(body, outer) else { continue };
        let View::Scalar(_, text) = field.view() else { continue };
        let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V3, &Limits::default());
        let Some(document) = parsed.documents.into_iter().next() else {
            if parsed.error.is_some() {
                continue;
            }
            return Err("the text is empty".to_owned());
        };
        let changed = write_plainly(&document.root, inner, value, options, create, None)?;
        let printed = print_like(&document.root, &changed, text)?;
        let tag = field.tag().unwrap_or(Tag::Str);
        let new = Node::scalar(tag, printed).with_style(field.style()).with_span(field.span());
        let mut set = |_: &Node, _: bool| Ok(new.clone());
        let mut writer = Exact { set: &mut set };
        return writer.put(body, outer).ok_or_else(String::new);
    }
    Err(String::new())
}

/// Sets the one field that [`lookup`] finds.
struct Exact<'f> {
    set: &'f mut dyn FnMut(&Node, bool) -> Result<Node, String>,
}

impl Exact<'_> {
    fn put(&mut self, node: &Node, path: &[String]) -> Option<Node> {
        let Some((part, rest)) = path.split_first() else { return (self.set)(node, false).ok() };
        let child = lookup(node, std::slice::from_ref(part)).ok()??;
        let new = self.put(child, rest)?;
        let mut copy = node.clone();
        if let Some(map) = copy.map_mut() {
            *map.get_mut(part.trim())? = new;
        } else {
            let place = node.as_seq()?.iter().position(|item| std::ptr::eq(item, child))?;
            *copy.seq_mut()?.get_mut(place)? = new;
        }
        Some(copy)
    }
}

/// Prints changed data in the manner of the text it came from: JSON (indented if that was), else YAML.
fn print_like(old: &Node, node: &Node, text: &str) -> Result<String, String> {
    match text.trim().chars().next() {
        None => Err("the text is empty".to_owned()),
        Some('{' | '[') => {
            let compact =
                json::to_json(&emit::through_kyaml(node)).map_err(|_| "the value has no form in JSON".to_owned())?;
            if text.contains('\n') && text.contains("  ") { Ok(indented(&compact)) } else { Ok(compact) }
        }
        Some(_) => {
            let print = |node: &Node| emit::to_yaml_v3_with(node, emit::V3 { compact: true, values: false });
            let printed = print(node);
            let whole = super::comments::put_back(text, &print(old), &printed).unwrap_or(printed);
            Ok(whole.trim().to_owned())
        }
    }
}

/// Compact JSON as Go's `MarshalIndent` with two spaces prints it.
fn indented(compact: &str) -> String {
    let mut out = String::with_capacity(compact.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    let mut chars = compact.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    while let Some(c) = chars.next() {
        if in_text {
            out.push(c);
            in_text = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '{' | '[' => {
                out.push(c);
                if let Some(close) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c => {
                in_text = c == '"';
                out.push(c);
            }
        }
    }
    out
}
