//! Between [`Value`] and `yaml::Node`: what sigs.k8s.io/yaml does for Argo CD's and Helm's templates.
//!
//! Inward a document becomes what Go's JSON decoder makes of it; [`Numbers`] chooses between float64 for every number (templates) and
//! int64 where it fits (`--set`). Outward a value becomes what encoding/json writes of it, read as YAML again.

use super::function::Failure;
use super::object::Object;
use super::value::{FloatType, Value};
use crate::diag::Checked;
use crate::yaml::sigs::{self, Numbers};
use crate::yaml::{self, Node, Tag, View};

/// Values inside each other on the way out; a map can contain itself.
const MAX_DEPTH: u32 = 200;

/// The value of a YAML node with YAML 1.1 scalars, as sigs.k8s.io/yaml decodes it.
///
/// # Errors
/// Keys and numbers that JSON has no form for.
pub fn from_yaml(node: &Node, numbers: Numbers) -> Checked<Value> {
    Ok(from_json(&sigs::to_json_value(node, numbers)?))
}

/// The value of a node that holds only what JSON can hold.
pub fn from_json(node: &Node) -> Value {
    match node.view() {
        View::Seq(items) => Value::list(items.iter().map(from_json).collect()),
        View::Map(map) => Value::dict(map.iter().map(|(key, item)| (key.text().unwrap_or_default(), from_json(item)))),
        View::Scalar(tag, text) => match tag {
            Tag::Null => Value::Nil,
            Tag::Bool => Value::Bool(yaml::bool_value(text).unwrap_or_default()),
            Tag::Int => text.parse().map_or_else(|_| Value::float(text.parse().unwrap_or_default()), Value::int64),
            Tag::Float => Value::float(text.parse().unwrap_or_default()),
            Tag::Timestamp | Tag::Str | Tag::Binary => Value::from(text),
        },
    }
}

/// The node of a value: numbers as encoding/json writes them, bytes as base64, objects by their fields.
///
/// # Errors
/// What JSON has no form for, in encoding/json's words, and values that are nested too deep.
pub fn to_yaml(value: &Value) -> Result<Node, Failure> {
    to_node(value, 0)
}

fn to_node(value: &Value, depth: u32) -> Result<Node, Failure> {
    if depth > MAX_DEPTH {
        return Err(Failure::new("json: unsupported value: encountered a cycle, or a value nested too deep"));
    }
    Ok(match value {
        Value::Nil => Node::null(),
        Value::Bool(b) => Node::bool(*b),
        Value::Int(n, _) => Node::int(*n),
        Value::Uint(n, _) => Node::scalar(Tag::Int, n.to_string()),
        Value::Float(f, float) => float_node(*f, *float)?,
        Value::Complex(..) => return Err(Failure::new("json: unsupported type: complex128")),
        Value::String(bytes) => Node::str(utf8(bytes)),
        Value::ByteSlice(bytes) => Node::str(super::encoding::base64(bytes)),
        Value::List(list) if list.is_nil() => Node::null(),
        Value::List(list) => {
            let items = list.to_vec();
            Node::seq(items.iter().map(|item| to_node(item, depth + 1)).collect::<Result<Vec<_>, _>>()?)
        }
        Value::Map(map) if map.is_nil() => Node::null(),
        Value::Map(map) => {
            let mut out = yaml::Map::with_capacity(map.len());
            for (key, item) in map.entries() {
                out.insert(utf8(&key), to_node(&item, depth + 1)?);
            }
            Node::map(out)
        }
        Value::Object(object) => object_node(&**object, depth)?,
    })
}

fn object_node(object: &dyn Object, depth: u32) -> Result<Node, Failure> {
    if let Some(value) = object.json() {
        return to_node(&value, depth + 1);
    }
    let mut out = yaml::Map::new();
    for (name, field) in object.json_fields() {
        out.insert(name, to_node(&field, depth + 1)?);
    }
    Ok(Node::map(out))
}

fn float_node(f: f64, float: FloatType) -> Result<Node, Failure> {
    let text = json_float(f, float)?;
    let tag = if text.contains(['.', 'e']) { Tag::Float } else { Tag::Int };
    Ok(Node::scalar(tag, if text == "-0" { "0".to_owned() } else { text }))
}

/// A float as encoding/json writes it.
pub(super) fn json_float(f: f64, float: FloatType) -> Result<String, Failure> {
    let refused = |f: f64| {
        let text = if f.is_nan() {
            "NaN"
        } else if f > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        };
        Failure::new(format!("json: unsupported value: {text}"))
    };
    if float == FloatType::Float64 {
        return yaml::json_float(f).ok_or_else(|| refused(f));
    }
    if !f.is_finite() {
        return Err(refused(f));
    }
    // The digits of a float32 are those that tell it from its float32 neighbours.
    let text = super::fmt::format_float(f, b'g', super::fmt::Precision::Shortest, true);
    let digits: f64 = text.parse().unwrap_or(f);
    yaml::json_float(digits).ok_or_else(|| refused(f))
}

/// A string as encoding/json writes it: each byte that is no UTF-8 is U+FFFD.
pub(super) fn utf8(bytes: &[u8]) -> String {
    super::fmt::runes(bytes).map(|(c, _)| c).collect()
}
