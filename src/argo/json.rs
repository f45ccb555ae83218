//! YAML values as JSON knows them: what sigs.k8s.io/yaml makes of YAML 1.1 before anything is decoded.
//!
//! Keys become strings, dates stay text, `0x10` becomes 16, `1.0` becomes 1, `!!binary` becomes its bytes. Numbers that JSON cannot
//! hold (infinities) stay as they are written.

use base64::Engine as _;
use smol_str::{SmolStr, format_smolstr};

use crate::yaml::{Map, Node, Tag, View};

/// The value with JSON's types, keys in the order of the text; a key that is written twice after conversion keeps its last value.
pub fn json_value(node: &Node) -> Node {
    let value = match node.view() {
        View::Scalar(tag, text) => match tag {
            Tag::Null => Node::null(),
            Tag::Str => return node.clone(),
            Tag::Bool => Node::bool(node.as_bool().unwrap_or_default()),
            Tag::Timestamp => Node::str(text),
            Tag::Binary => Node::str(binary_text(text)),
            Tag::Int | Tag::Float => number(node),
        },
        View::Seq(items) => Node::seq(items.iter().map(json_value).collect()),
        View::Map(map) => {
            let mut out = Map::with_capacity(map.len());
            for (key, value) in map.iter() {
                let text = key_text(key);
                let key = if key.as_str().is_some() { key.clone() } else { Node::str(text).with_span(key.span()) };
                if key.text().is_some_and(|text| out.contains(text)) {
                    out.remove(key.text().unwrap_or_default());
                }
                out.push(key, json_value(value));
            }
            Node::map(out)
        }
    };
    value.with_span(node.span()).with_style(node.style())
}

/// The text that a mapping's key has in JSON. A key that is a collection has none in Go (an error there); here it is empty.
pub(super) fn key_text(key: &Node) -> SmolStr {
    match key.tag() {
        None => SmolStr::default(),
        Some(Tag::Str | Tag::Timestamp) => key.smol().unwrap_or_default(),
        Some(_) => json_value(key).smol().unwrap_or_default(),
    }
}

fn binary_text(text: &str) -> SmolStr {
    let packed: String = text.split_whitespace().collect();
    match base64::engine::general_purpose::STANDARD.decode(packed).map(String::from_utf8) {
        Ok(Ok(decoded)) => decoded.into(),
        _ => text.into(),
    }
}

fn number(node: &Node) -> Node {
    let text = node.text().unwrap_or_default();
    if let Ok(value) = text.parse::<i64>() {
        return Node::scalar(Tag::Int, format_smolstr!("{value}"));
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => {
            let text = go_float(value);
            let integral = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            Node::scalar(if integral { Tag::Int } else { Tag::Float }, text)
        }
        _ => node.clone(),
    }
}

/// A float as Go's encoding/json prints it: plain between 1e-6 and 1e21, else with an exponent of at least one digit.
fn go_float(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent}"),
        _ => text,
    }
}
