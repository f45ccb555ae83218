//! A document as sigs.k8s.io/yaml hands it on: the JSON value that Argo CD and Helm see of YAML.
//!
//! Keys become strings (`y:` is `"true"`, `1.50:` is `"1.5"`), numbers become what Go's JSON decoder makes of them, dates stay text.
//! Source: sigs.k8s.io/yaml 1.6.0, `convertToJSONableObject`.

use std::borrow::Cow;

use super::number::{self, Number};
use super::{Map, Node, Tag, View, bool_value};
use crate::diag::{Checked, Diagnostic, Diagnostics};

/// What JSON's numbers become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbers {
    /// All are floats: Go's `map[string]any` (Helm's values).
    Float64,
    /// Integers that fit int64 stay integers, others are floats (Kubernetes' unstructured objects).
    Int64,
}

/// The JSON value of a document read with [`super::Dialect::V2`]: all keys are strings, scalars are null, booleans, numbers in Go's form, or strings.
///
/// # Errors
/// Null keys, infinities and not-a-number have no JSON.
pub fn to_json_value(node: &Node, numbers: Numbers) -> Checked<Node> {
    convert(node, numbers).map_err(|error| Diagnostics::from(*error))
}

fn convert(node: &Node, numbers: Numbers) -> Result<Node, Box<Diagnostic>> {
    let converted = match node.view() {
        View::Seq(items) => Node::seq(items.iter().map(|item| convert(item, numbers)).collect::<Result<Vec<_>, _>>()?),
        View::Map(map) => {
            let mut out = Map::with_capacity(map.len());
            for (key, value) in map.iter() {
                if let Some(found) = key_refusal(key) {
                    return Err(Box::new(found));
                }
                let name = Node::str(key_text(key).into_owned()).with_span(key.span()).with_style(key.style());
                out.push(name, convert(value, numbers)?);
            }
            Node::map(out)
        }
        View::Scalar(tag, text) => match tag {
            Tag::Null => Node::null(),
            Tag::Bool => Node::bool(bool_value(text).unwrap_or_default()),
            Tag::Int | Tag::Float => number_node(node, numbers)?,
            Tag::Timestamp | Tag::Str => node.smol().map_or_else(Node::null, Node::str),
            Tag::Binary => Node::str(binary_text(text)),
        },
    };
    Ok(converted.with_span(node.span()).with_style(node.style()))
}

fn number_node(node: &Node, numbers: Numbers) -> Result<Node, Box<Diagnostic>> {
    let text = node.text().unwrap_or_default();
    let refused = || {
        Box::new(
            Diagnostic::error("yaml/number", node.span(), format!("`{text}` has no form in JSON"))
                .hint("quote it if it is text"),
        )
    };
    let number = node.number().ok_or_else(refused)?;
    let float = |value: f64| number::json_float(value).map(|text| Node::scalar(Tag::Float, text)).ok_or_else(refused);
    match (number, numbers) {
        (Number::Int(value), Numbers::Int64) => Ok(Node::int(value)),
        (Number::Float(value), Numbers::Int64) => match number::json_float(value).as_deref().and_then(number::parse) {
            Some(Number::Int(value)) => Ok(Node::int(value)),
            _ => float(value),
        },
        (number, _) => float(number.as_f64()),
    }
}

/// The bytes of a `!!binary` scalar.
pub(super) fn binary_bytes(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let compact: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    base64::engine::general_purpose::STANDARD.decode(compact).ok()
}

/// The bytes of a `!!binary` scalar as text; bytes that are not UTF-8 become U+FFFD, as in Go's JSON.
pub fn binary_text(text: &str) -> String {
    let Some(bytes) = binary_bytes(text) else { return text.to_owned() };
    // Go replaces each byte that is not UTF-8, not each run.
    bytes.utf8_chunks().fold(String::new(), |mut out, chunk| {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
        out
    })
}

/// Why a key has no name in JSON: null, and integers beyond int64, which the original does not know as keys.
pub(super) fn key_refusal(key: &Node) -> Option<Diagnostic> {
    let what = match key.number() {
        _ if key.is_null() => "null",
        Some(Number::Uint(_)) => "an integer beyond 64 bits",
        _ => return None,
    };
    let found = Diagnostic::error("yaml/key", key.span(), format!("a key is {what}, which has no form in JSON"));
    Some(found.hint("quote the key"))
}

/// The name that a key has in JSON.
pub fn key_text(key: &Node) -> Cow<'_, str> {
    let View::Scalar(tag, text) = key.view() else { return Cow::Borrowed("") };
    if tag == Tag::Str {
        return Cow::Borrowed(text);
    }
    match (tag, key.number()) {
        (Tag::Bool, _) => Cow::Borrowed(if bool_value(text).unwrap_or_default() { "true" } else { "false" }),
        (_, Some(Number::Int(value))) => Cow::Owned(value.to_string()),
        (_, Some(Number::Uint(value))) => Cow::Owned(value.to_string()),
        (_, Some(Number::Float(value))) => Cow::Owned(number::go_float32(value)),
        (Tag::Binary, _) => Cow::Owned(binary_text(text)),
        _ => Cow::Borrowed(text),
    }
}
