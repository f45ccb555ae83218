//! Bytes to objects, as kustomize reads resource files and inline patches (kyaml kio.ByteReader, api/resource/factory.go): the separator
//! rule, `List` unwrapping, what an object must have.
//!
//! A problem is not yet an error here: a text that is no resource may be a path, a directory or a JSON patch.

use std::borrow::Cow;

use smol_str::SmolStr;

use crate::diag::Diagnostic;
use crate::span::{FileId, Span};
use crate::yaml::{self, Dialect, Document, Duplicate, Limits, Map, Node, Number, Style, Tag, View, emit};

use super::object::{Object, is_nil_or_empty, meta_text, str_node};

/// Reads the objects of a text. `file` gives their places.
///
/// # Errors
/// The text is no YAML, or a document is no object with kind and name.
pub(super) fn read(file: FileId, bytes: &[u8]) -> Result<Vec<Object>, Box<Diagnostic>> {
    check_separators(file, bytes)?;
    let bytes = only_first_documents(bytes);
    let parsed = yaml::parse(file, &bytes, Dialect::V3, &Limits::default());
    if let Some(error) = parsed.error {
        return Err(Box::new(error));
    }
    read_documents(parsed.documents)
}

fn read_documents(documents: Vec<Document>) -> Result<Vec<Object>, Box<Diagnostic>> {
    let count = documents.iter().filter(|document| !document.root.is_null()).count();
    let mut queue: Vec<(Node, Span, Option<Duplicate>)> = Vec::new();
    for document in documents {
        if document.root.is_null() {
            continue;
        }
        let mut document = document;
        if document.quoted_merge {
            document.root = without_merge_keys(&document.root);
        }
        settle_duplicates(&mut document);
        let duplicate = first_duplicate(&document);
        let span = if document.root.span().is_none() { document.span } else { document.root.span() };
        // A file that is one list is its items.
        let kind = document.root.get("kind").and_then(Node::text).unwrap_or_default();
        if count == 1 && matches!(kind, "List" | "ResourceList") && document.root.get("items").is_some() {
            let items = document.root.get("items").and_then(Node::as_seq).unwrap_or_default();
            queue.extend(items.iter().map(|item| (item.clone(), item.span(), within(duplicate.as_ref(), item.span()))));
            continue;
        }
        queue.push((document.root, span, duplicate));
    }
    let mut objects = Vec::new();
    let mut at = 0;
    // Items of lists come after everything else: the queue grows while it is read.
    while let Some((node, span, duplicate)) = queue.get(at).cloned() {
        at += 1;
        if is_nil_or_empty(&node) {
            continue;
        }
        check(&node, span)?;
        let kind = node.get("kind").and_then(Node::text).unwrap_or_default();
        if kind.ends_with("List")
            && let Some(items) = node.get("items")
        {
            match items.view() {
                View::Seq(items) => queue.extend(
                    items
                        .iter()
                        .map(|item| (json_round_trip(item), item.span(), within(duplicate.as_ref(), item.span()))),
                ),
                View::Scalar(Tag::Null, _) => {}
                _ => {
                    let text = format!("expected a list in `items` of {kind}, found {}", items.what());
                    return Err(Box::new(Diagnostic::error("kustomize/list", items.span(), text)));
                }
            }
            continue;
        }
        let mut object = Object::new(node, span);
        object.duplicate = duplicate;
        objects.push(object);
    }
    Ok(objects)
}

/// What every object must have (kyaml `GetValidatedMetadata`).
fn check(node: &Node, span: Span) -> Result<(), Box<Diagnostic>> {
    let fail = |text: String| Err(Box::new(Diagnostic::error("kustomize/not-an-object", span, text)));
    if node.as_map().is_none() {
        return fail(format!("expected a Kubernetes object, found {}", node.what()));
    }
    let text = |key: &str| node.get(key).filter(|node| !node.is_null()).and_then(Node::text).unwrap_or_default();
    let kind = text("kind");
    if kind.is_empty() {
        return fail("missing `kind` in this object".to_owned());
    }
    if !kind.ends_with("List") && meta_text(node, "name").is_empty() {
        return fail(format!("missing `metadata.name` in this object of kind {kind}"));
    }
    for field in ["labels", "annotations"] {
        let Some(value) = node.get("metadata").and_then(|meta| meta.get(field)) else { continue };
        if !value.is_null() && value.as_map().is_none() {
            return fail(format!("`metadata.{field}` of this {kind} is {}, expected a mapping", value.what()));
        }
    }
    Ok(())
}

/// The original clears `<<` from every mapping, whether it merged or not (kyaml/yaml/rnode.go).
fn without_merge_keys(node: &Node) -> Node {
    let clean = match node.view() {
        View::Scalar(..) => return node.clone(),
        View::Seq(items) => Node::seq(items.iter().map(without_merge_keys).collect()),
        View::Map(map) => {
            let mut found = false;
            let kept = map.iter().filter(|(key, _)| key.text() != Some("<<") || std::mem::replace(&mut found, true));
            Node::map(kept.map(|(key, value)| (key.clone(), without_merge_keys(value))).collect::<Map>())
        }
    };
    clean.with_span(node.span()).with_style(node.style())
}

/// A key that is there twice is an error when the object is printed, but annotations are written anew and so lose it.
fn first_duplicate(document: &Document) -> Option<Duplicate> {
    let annotations = document.root.at(&["metadata", "annotations"]).map(Node::span);
    let inside = |span: Span| {
        annotations.is_some_and(|outer| outer.file == span.file && outer.start <= span.start && span.end <= outer.end)
    };
    document.duplicates.iter().find(|duplicate| !inside(duplicate.second)).cloned()
}

fn within(duplicate: Option<&Duplicate>, outer: Span) -> Option<Duplicate> {
    duplicate.filter(|duplicate| outer.start <= duplicate.second.start && duplicate.second.end <= outer.end).cloned()
}

/// Of two equal keys the original finds the first. Two `annotations` become one when the original writes them anew at the end: what the
/// first has, and what only the second has.
fn settle_duplicates(document: &mut Document) {
    let outer = document.root.at(&["metadata", "annotations"]).map(Node::span);
    let mut united = None;
    for (at, duplicate) in document.duplicates.iter().enumerate() {
        let inside =
            outer.is_some_and(|outer| outer.start <= duplicate.second.start && duplicate.second.end <= outer.end);
        if inside {
            continue;
        }
        let own = document.root.get("metadata").and_then(Node::as_map).and_then(|map| map.get_entry("annotations"));
        let is_own = own.is_some_and(|(key, _)| key.span() == duplicate.second);
        let later = own.map(|(_, value)| value.clone());
        let earlier = match (duplicate.earlier.as_map(), later.as_ref().and_then(Node::as_map)) {
            (Some(first), Some(second)) if is_own && !first.is_empty() => {
                united = Some(at);
                let text = |node: &Node| node.text().unwrap_or_default().to_owned();
                let mut all: Map = first.iter().map(|(key, value)| (key.clone(), str_node(&text(value)))).collect();
                for (key, value) in second.iter().filter(|(key, _)| !first.contains(&text(key))) {
                    all.push(key.clone(), value.clone());
                }
                Node::map(all).with_span(duplicate.earlier.span())
            }
            _ => duplicate.earlier.clone(),
        };
        if let Some(root) = with_value_at(&document.root, duplicate.second, &earlier) {
            document.root = root;
        }
    }
    if let Some(at) = united {
        document.duplicates.remove(at);
    }
}

/// The tree with another value for the key at a place.
fn with_value_at(node: &Node, place: Span, new: &Node) -> Option<Node> {
    let mut copy = node.clone();
    match node.view() {
        View::Scalar(..) => return None,
        View::Seq(items) => {
            let (at, changed) =
                items.iter().enumerate().find_map(|(at, item)| Some((at, with_value_at(item, place, new)?)))?;
            *copy.seq_mut()?.get_mut(at)? = changed;
        }
        View::Map(map) => {
            let value = |(key, value): (&Node, &Node)| {
                if key.span() == place { Some(new.clone()) } else { with_value_at(value, place, new) }
            };
            let (at, changed) = map.iter().enumerate().find_map(|(at, entry)| Some((at, value(entry)?)))?;
            copy.map_mut()?.entries_mut().get_mut(at)?.1 = changed;
        }
    }
    Some(copy)
}

/// The text without what the original does not decode: it splits at separator lines and reads one document of each part, so that what
/// stands behind `...`, or behind a `---` in the last line without a line break, is blank to it.
fn only_first_documents(bytes: &[u8]) -> Cow<'_, [u8]> {
    let ends_early = |line: &[u8]| line.starts_with(b"...") || (line.starts_with(b"---") && !line.ends_with(b"\n"));
    if !bytes.split_inclusive(|byte| *byte == b'\n').skip(1).any(ends_early) {
        return Cow::Borrowed(bytes);
    }
    let is_marker = |line: &[u8], mark: &[u8]| {
        line.strip_prefix(mark).is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
    };
    let mut out = Vec::with_capacity(bytes.len());
    let (mut begun, mut ended) = (false, false);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"---") && line.ends_with(b"\n") && !out.is_empty() {
            (begun, ended) = (false, false);
            out.extend_from_slice(line);
            continue;
        }
        ended |= begun && !line.ends_with(b"\n") && is_marker(line, b"---");
        if ended {
            out.extend(line.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            continue;
        }
        out.extend_from_slice(line);
        if is_marker(line, b"...") {
            ended = begun;
        } else {
            begun |= !matches!(line.trim_ascii_start().first(), None | Some(b'#'));
        }
    }
    Cow::Owned(out)
}

/// Lines that start with `---` separate documents; behind it may only be a comment.
fn check_separators(file: FileId, bytes: &[u8]) -> Result<(), Box<Diagnostic>> {
    let mut start = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (at, complete) = (start, line.ends_with(b"\n"));
        start += line.len();
        let Some(rest) = line.strip_prefix(b"---").filter(|_| at > 0 && complete) else { continue };
        let rest = rest.trim_ascii();
        if rest.first().is_some_and(|byte| *byte != b'#') {
            let text = format!("invalid document separator: {}", String::from_utf8_lossy(line.trim_ascii()));
            return Err(Box::new(
                Diagnostic::error("kustomize/separator", Span::new(file, at, at + line.trim_ascii_end().len()), text)
                    .hint("put what follows `---` on the next line"),
            ));
        }
    }
    Ok(())
}

/// Which way through JSON a value took.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Written as JSON and read as YAML: numbers as JSON writes them, all texts quoted, all collections in brackets.
    Text,
    /// Read as JSON and written by go-yaml v3: all numbers are float64, texts quoted where they must be.
    Values,
}

/// The value as it comes back from Go's JSON: dates are texts, numbers as JSON writes them.
fn json_round_trip(node: &Node) -> Node {
    through_json(node, Way::Text)
}

/// The value after JSON has carried it as untyped Go values: all numbers are float64, printed and read again by go-yaml v3
/// (kyaml `MarshalJSON` and `UnmarshalJSON`, which RFC 6902 patches go through).
pub(super) fn float_numbers(node: &Node) -> Node {
    through_json(node, Way::Values)
}

fn through_json(node: &Node, way: Way) -> Node {
    let empty = node.as_seq().is_some_and(<[Node]>::is_empty) || node.as_map().is_some_and(Map::is_empty);
    let style = if way == Way::Text || empty { Style::Flow } else { Style::Plain };
    let new = match node.view() {
        View::Seq(items) => Node::seq(items.iter().map(|item| through_json(item, way)).collect()).with_style(style),
        View::Map(map) => {
            let entries = map.iter().map(|(key, value)| (key.clone(), through_json(value, way)));
            Node::map(entries.collect()).with_style(style)
        }
        View::Scalar(tag, text) => match (tag, node.number()) {
            (Tag::Int | Tag::Float, Some(number)) => {
                let printed = match (way, number) {
                    (Way::Values, number) => yaml::go_float(number.as_f64()),
                    (Way::Text, Number::Float(value)) => yaml::json_float(value).unwrap_or_else(|| text.to_owned()),
                    (Way::Text, Number::Int(value)) => value.to_string(),
                    (Way::Text, Number::Uint(value)) => value.to_string(),
                };
                Node::scalar(yaml::plain_tag(Dialect::V3, &printed), printed)
            }
            (Tag::Bool, _) => Node::bool(node.as_bool().unwrap_or_default()),
            (Tag::Null, _) => Node::null(),
            (Tag::Timestamp, _) => quoted(yaml::timestamp_rfc3339(text).unwrap_or_else(|| text.to_owned()).into(), way),
            (Tag::Binary, _) => quoted(yaml::sigs::binary_text(text).into(), way),
            _ => quoted(node.smol().unwrap_or_default(), way),
        },
    };
    new.with_span(node.span())
}

fn quoted(text: SmolStr, way: Way) -> Node {
    let simple = |text: &str| {
        text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'))
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && yaml::plain_tag(Dialect::V2, text) == Tag::Str
    };
    let style = if way == Way::Text {
        Style::DoubleQuoted
    } else if simple(&text) {
        Style::Plain
    } else {
        let printed = emit::to_yaml_v3_with(&Node::str(text.clone()), emit::V3 { compact: true, values: true });
        match printed.as_bytes().first() {
            Some(b'\'') => Style::SingleQuoted,
            Some(b'"') => Style::DoubleQuoted,
            Some(b'|') => Style::Literal,
            _ => Style::Plain,
        }
    };
    Node::str(text).with_style(style)
}
