//! Bytes to objects, as kustomize reads resource files and inline patches (kyaml kio.ByteReader, api/resource/factory.go): the separator
//! rule, `List` unwrapping, what an object must have.
//!
//! A problem is not yet an error here: a text that is no resource may be a path, a directory or a JSON patch.

use smol_str::SmolStr;

use crate::diag::Diagnostic;
use crate::span::{FileId, Span};
use crate::yaml::{self, Dialect, Document, Duplicate, Limits, Node, Number, Style, Tag, View, emit};

use super::object::{Object, is_nil_or_empty, meta_text};

/// Reads the objects of a text. `file` gives their places.
///
/// # Errors
/// The text is no YAML, or a document is no object with kind and name.
pub(super) fn read(file: FileId, bytes: &[u8]) -> Result<Vec<Object>, Box<Diagnostic>> {
    check_separators(file, bytes)?;
    let parsed = yaml::parse(file, bytes, Dialect::V3, &Limits::default());
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
    let style = if way == Way::Text { Style::Flow } else { Style::Plain };
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
