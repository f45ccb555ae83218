//! What Argo CD's API prints of an object: decoding into Go's structs and encoding them again, without Go.
//!
//! Unknown fields and fields of a wrong type are dropped ([`check`](super::check()) has reported them). The result has the fields in
//! the order of the tables, so equal values are equal nodes, however they were written; places are kept.

use super::json::{json_value, key_text};
use super::schema::{Engine, Field, Omit, Shape, Type};
use crate::yaml::{Map, Node, Tag, View};

/// The object after one round through the Go type: empty `omitempty` fields dropped, fields without it added, `{}` behind pointers kept.
/// What is not an object counts as an empty one.
pub fn normalize(node: &Node, ty: &'static Type, engine: Engine) -> Node {
    let mut out = Map::with_capacity(ty.fields.len().min(16));
    let written = node.as_map();
    for field in ty.fields_of(engine) {
        let entry = written.and_then(|map| map.get_entry(field.name)).filter(|(_, value)| !value.is_null());
        if let Some(value) = field_value(field, entry.map(|(_, value)| value), engine) {
            let key = entry.map_or_else(|| Node::str(field.name), |(key, _)| key.clone());
            out.push(key, value);
        }
    }
    Node::map(out).with_span(node.span())
}

/// The value of a field as it is printed; `None` where it is left out.
fn field_value(field: &Field, written: Option<&Node>, engine: Engine) -> Option<Node> {
    let value = written.and_then(|node| decode(node, field.shape, engine));
    let value = match (value, field.omit, field.shape) {
        (_, _, Shape::Opaque | Shape::Refused(_)) => return None,
        (Some(value), _, _) if field.pointer => return Some(value),
        (None, Omit::Never, _) if field.pointer => return Some(Node::null()),
        (None, _, _) if field.pointer => return None,
        (Some(value), _, _) => value,
        // A struct that Go holds by value is there even when nobody wrote it.
        (None, _, Shape::Struct(ty)) => normalize(&Node::null(), ty, engine),
        (None, Omit::Never, shape) => return Some(zero(shape)),
        (None, _, _) => return None,
    };
    let empty = match (field.omit, field.shape) {
        (Omit::Never, _) => false,
        (Omit::Empty, Shape::Struct(_)) => false,
        (Omit::Zero, Shape::Struct(_)) => value.as_map().is_none_or(Map::is_empty),
        _ => is_zero(&value),
    };
    (!empty).then_some(value)
}

/// What decoding makes of a value that was written; `None` for null and for a wrong type.
fn decode(node: &Node, shape: Shape, engine: Engine) -> Option<Node> {
    if node.is_null() {
        return None;
    }
    match (shape, node.view()) {
        (Shape::Opaque | Shape::Refused(_), _) => None,
        (Shape::String | Shape::OneOf(_) | Shape::Time | Shape::IntOrString, View::Scalar(Tag::Str, _)) => {
            Some(node.clone())
        }
        (
            Shape::String | Shape::OneOf(_) | Shape::Time | Shape::IntOrString,
            View::Scalar(Tag::Timestamp | Tag::Binary, _),
        )
        | (Shape::Bool, View::Scalar(Tag::Bool, _))
        | (Shape::Int | Shape::IntOrString, View::Scalar(Tag::Int, _))
        | (Shape::Raw, _)
        | (Shape::RawObject | Shape::RawOf(_), View::Map(_)) => Some(json_value(node)),
        (Shape::Struct(ty), View::Map(_)) => Some(normalize(node, ty, engine)),
        (Shape::StringOr(ty), View::Map(_)) => Some(normalize(node, ty, engine)),
        (Shape::StringOr(_), View::Scalar(Tag::Str, _)) => Some(node.clone()),
        (Shape::List(item), View::Seq(items)) => {
            let items = items.iter().filter_map(|value| match decode(value, *item, engine) {
                None if matches!(item, Shape::Raw) && value.is_null() => Some(Node::null().with_span(value.span())),
                decoded => decoded,
            });
            Some(Node::seq(items.collect()).with_span(node.span()))
        }
        (Shape::Map(item), View::Map(map)) => {
            let mut out = Map::with_capacity(map.len());
            for (key, value) in map.iter() {
                // A null in a map is a key with the zero value in Go.
                let value = if value.is_null() { Some(zero(*item)) } else { decode(value, *item, engine) };
                if let Some(value) = value {
                    out.push(Node::str(key_text(key).into_owned()).with_span(key.span()), value);
                }
            }
            Some(Node::map(out).with_span(node.span()))
        }
        _ => None,
    }
}

fn zero(shape: Shape) -> Node {
    match shape {
        Shape::String | Shape::OneOf(_) | Shape::StringOr(_) => Node::str(""),
        Shape::Bool => Node::bool(false),
        Shape::Int | Shape::IntOrString => Node::int(0),
        Shape::Struct(_) | Shape::RawObject | Shape::RawOf(_) => Node::map(Map::new()),
        Shape::Time | Shape::List(_) | Shape::Map(_) | Shape::Raw | Shape::Opaque | Shape::Refused(_) => Node::null(),
    }
}

/// Whether a value is what Go's types have where nothing is given: what `omitempty` leaves out and a merge of templates fills in.
pub fn is_zero(node: &Node) -> bool {
    match node.view() {
        View::Scalar(Tag::Null, _) => true,
        View::Scalar(Tag::Bool, _) => node.as_bool() == Some(false),
        View::Scalar(Tag::Int | Tag::Float, text) => text == "0",
        View::Scalar(_, text) => text.is_empty(),
        View::Seq(items) => items.is_empty(),
        View::Map(map) => map.is_empty(),
    }
}

/// Argo CD's `NormalizeApplicationSpec` on a normalized `spec`: an empty project is `default`, a sync policy without content is none,
/// tool options without content are none (`util/argo/argo.go`; what counts as content is each type's `IsZero`).
#[must_use]
pub fn normalize_spec(mut spec: Node) -> Node {
    let Some(map) = spec.map_mut() else { return spec };
    if map.get("project").and_then(Node::as_str).is_none_or(str::is_empty) {
        let span = map.get("project").map_or(crate::span::Span::NONE, Node::span);
        map.insert("project", Node::str("default").with_span(span));
    }
    let without_policy = ["automated", "syncOptions", "retry", "managedNamespaceMetadata"];
    if map
        .get("syncPolicy")
        .and_then(Node::as_map)
        .is_some_and(|policy| !without_policy.iter().any(|f| policy.contains(f)))
    {
        map.remove("syncPolicy");
    }
    let several = map.get("sources").and_then(Node::as_seq).is_some_and(|sources| !sources.is_empty());
    if several {
        // Upstream normalizes copies of the sources here, so that nothing changes; zero options of several sources stay.
        return spec;
    }
    if let Some(source) = map.get_mut("source").and_then(Node::map_mut) {
        for (tool, ignored) in TOOLS {
            let empty = source
                .get(tool)
                .and_then(Node::as_map)
                .is_some_and(|options| options.iter().all(|(key, value)| counts_as_empty(tool, key, value, ignored)));
            if empty {
                source.remove(tool);
            }
        }
    }
    spec
}

/// The tools whose options can count as none, with the fields that their `IsZero` does not look at.
const TOOLS: [(&str, &[&str]); 3] = [
    (
        "kustomize",
        &[
            "forceCommonLabels",
            "forceCommonAnnotations",
            "commonAnnotationsEnvsubst",
            "labelWithoutSelector",
            "labelIncludeTemplates",
        ],
    ),
    ("helm", &[]),
    ("directory", &[]),
];

fn counts_as_empty(tool: &str, key: &Node, value: &Node, ignored: &[&str]) -> bool {
    let name = key.text().unwrap_or_default();
    ignored.contains(&name) || (tool == "directory" && name == "jsonnet" && value.as_map().is_some_and(Map::is_empty))
}
