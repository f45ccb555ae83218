//! What Helm adds to sprig: include, tpl, required, lookup, and the converters; and what it takes away. One table a [`Profile`].
//!
//! Sources: helm.sh/helm v3.22.0 and v4.3.1, pkg/engine (engine.go, funcs.go). `tpl` overlays the set that executes instead of cloning it,
//! which gives the same: what the text defines is seen by it alone. `lookup` finds nothing and `getHostByName` answers nothing, as with
//! `helm template`: a render never asks a cluster or the network.

mod toml;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::function::{Arguments, Context, Entry, Failure, Functions, Outcome};
use super::value::{Bytes, DICT, FloatType, IntType, Map, Value};
use super::{argo, convert, encoding, fmt, sprig, time};
use crate::yaml::{self, Node, Tag};

/// Whose Helm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Profile {
    /// Helm 3.22.
    V3,
    /// Helm 4.3.
    V4,
}

/// Around the message of `fail` and `required`, so that whoever reports the error finds it in the chain of templates.
pub const MESSAGE_START: &str = "HELM_ERR_START";
/// The end of that message.
pub const MESSAGE_END: &str = "HELM_ERR_END";

const SECOND: i64 = 1_000_000_000;

/// The name under which texts given to `tpl` execute.
const TPL: &str = "gotpl";

/// The functions of a profile.
pub fn functions(profile: Profile) -> &'static Functions {
    match profile {
        Profile::V3 => &V3,
        Profile::V4 => &V4,
    }
}

static V3: LazyLock<Functions> = LazyLock::new(|| table(&[TABLE, &[("tpl", "sa", |c, a| tpl(c, a, &V3))]]));
static V4: LazyLock<Functions> = LazyLock::new(|| table(&[TABLE, &[("tpl", "sa", |c, a| tpl(c, a, &V4))], TABLE_V4]));

fn table(tables: &[&[Entry]]) -> Functions {
    let mut functions = Functions::builtins();
    sprig::extend(&mut functions);
    functions.remove(&["env", "expandenv"]);
    tables.iter().for_each(|table| functions.extend(table));
    functions
}

const TABLE: &[Entry] = &[
    ("fail", "s", |_, args| Err(marked(&args.text(0)))),
    ("fromJson", "s", |_, args| Ok(dict_or_error(from_json(args, "object", DICT.name)))),
    ("fromJsonArray", "s", |_, args| Ok(list_or_error(from_json(args, "array", "[]interface {}")))),
    ("fromToml", "s", |_, args| Ok(dict_or_error(toml::read(&args.text(0))))),
    ("fromYaml", "s", |context, args| Ok(dict_or_error(call(argo::TABLE, "fromYaml", context, args)))),
    ("fromYamlArray", "s", |context, args| Ok(list_or_error(call(argo::TABLE, "fromYamlArray", context, args)))),
    ("getHostByName", "s", |_, _| Ok(Value::from(""))),
    ("include", "sa", include),
    ("lookup", "ssss", |_, _| Ok(Value::Map(Map::new(&DICT, BTreeMap::new())))),
    ("required", "sa", required),
    ("toToml", "a", |_, args| Ok(Value::from(toml::write(&args.any(0)).unwrap_or_else(|error| error)))),
    ("toYaml", "a", |context, args| Ok(call(argo::TABLE, "toYaml", context, args).unwrap_or_else(|_| Value::from("")))),
    ("toYamlPretty", "a", |_, args| Ok(pretty(&args.any(0)).map_or_else(|_| Value::from(""), Value::from))),
];

/// Helm 4's further functions.
const TABLE_V4: &[Entry] = &[
    ("mustToYaml", "a", |context, args| call(argo::TABLE, "toYaml", context, args)),
    ("mustToToml", "a", |_, args| toml::write(&args.any(0)).map(Value::from).map_err(Failure::new)),
    ("mustToDuration", "a", |_, args| Ok(Value::Int(duration(&args.any(0))?, IntType::Duration))),
    ("durationNanoseconds", "a", |_, args| Ok(Value::int64(lenient(&args.any(0))))),
    ("durationMicroseconds", "a", |_, args| Ok(Value::int64(lenient(&args.any(0)) / 1_000))),
    ("durationMilliseconds", "a", |_, args| Ok(Value::int64(lenient(&args.any(0)) / 1_000_000))),
    ("durationSeconds", "a", |_, args| Ok(Value::float(in_units(args, SECOND)))),
    ("durationMinutes", "a", |_, args| Ok(Value::float(in_units(args, 60 * SECOND)))),
    ("durationHours", "a", |_, args| Ok(Value::float(in_units(args, 3_600 * SECOND)))),
    ("durationDays", "a", |_, args| Ok(Value::float(in_units(args, 3_600 * SECOND) / 24.0))),
    ("durationWeeks", "a", |_, args| Ok(Value::float(in_units(args, 3_600 * SECOND) / 24.0 / 7.0))),
    ("durationRoundTo", "aa", |_, args| Ok(to_multiple(args, time::round_to))),
    ("durationTruncateTo", "aa", |_, args| Ok(to_multiple(args, time::truncate_to))),
];

fn call(table: &[Entry], name: &str, context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    match table.iter().find(|row| row.0 == name) {
        Some((_, _, function)) => function(context, args),
        None => Err(Failure::new(format!("function {name} is not defined"))),
    }
}

fn marked(message: &str) -> Failure {
    Failure::new(format!("{MESSAGE_START}{message}{MESSAGE_END}"))
}

fn required(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    match args.any(1) {
        Value::Nil => Err(marked(&args.text(0))),
        Value::String(text) if text.is_empty() => Err(marked(&args.text(0))),
        value => Ok(value),
    }
}

fn include(context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    Ok(Value::String(context.execute(&args.text(0), &args.any(1))?))
}

fn tpl(context: &mut Context<'_>, args: Arguments<'_>, functions: &Functions) -> Outcome {
    let text = args.text(0);
    let failed = |error: super::TemplateError| {
        let what = if error.column().is_some() || error.offset().is_none() {
            "error during tpl function execution for"
        } else {
            "cannot parse template"
        };
        let message = format!("{what} {}: {error}", fmt::quote(text.as_bytes()));
        Failure { message, cause: Some(error) }
    };
    let out = context.execute_text(TPL, &text, functions, &args.any(1)).map_err(failed)?;
    Ok(Value::String(without_no_value(out)))
}

/// Go prints `<no value>` for what is missing even where missing keys are zero; Helm takes it out of all output.
pub fn without_no_value(out: Bytes) -> Bytes {
    const MARK: &[u8] = b"<no value>";
    if !out.windows(MARK.len()).any(|window| window == MARK) {
        return out;
    }
    let mut clean = Vec::with_capacity(out.len());
    let mut rest: &[u8] = &out;
    while let Some(first) = rest.first() {
        match rest.strip_prefix(MARK) {
            Some(after) => rest = after,
            None => {
                clean.push(*first);
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    Bytes::from(clean)
}

fn dict_or_error(outcome: Outcome) -> Value {
    outcome.unwrap_or_else(|failure| Value::dict([("Error", Value::from(failure.message))]))
}

fn list_or_error(outcome: Outcome) -> Value {
    outcome.unwrap_or_else(|failure| Value::list(vec![Value::from(failure.message)]))
}

/// JSON into a map or a list, as `json.Unmarshal` into one.
fn from_json(args: Arguments<'_>, wanted: &str, go_type: &str) -> Outcome {
    let value = sprig::parse_json(args.bytes(0)).map_err(Failure::new)?;
    let found = match &value {
        Value::Nil if wanted == "object" => return Ok(Value::Map(Map::new(&DICT, BTreeMap::new()))),
        Value::Nil => return Ok(Value::list(Vec::new())),
        Value::Map(_) => "object",
        Value::List(_) => "array",
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        _ => "number",
    };
    if found == wanted {
        return Ok(value);
    }
    Err(Failure::new(format!("json: cannot unmarshal {found} into Go value of type {go_type}")))
}

/// A value as go-yaml v3 prints it with an indent of two; its own numbers, not JSON's.
fn pretty(value: &Value) -> Result<String, Failure> {
    let node = with_go_floats(convert::to_yaml(value)?, value);
    let mut text = yaml::emit::to_yaml_v3(&node);
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// `1000000.0` is `1e+06` to go-yaml, which is not told about JSON.
fn with_go_floats(node: Node, value: &Value) -> Node {
    match value {
        Value::Float(f, FloatType::Float64) => Node::scalar(Tag::Float, yaml::go_float(*f)),
        Value::List(list) if !list.is_nil() => {
            let items = node.as_seq().unwrap_or_default().iter().cloned();
            Node::seq(items.zip(list.to_vec()).map(|(node, value)| with_go_floats(node, &value)).collect())
        }
        Value::Map(map) if !map.is_nil() => {
            let mut out = yaml::Map::with_capacity(map.len());
            for (key, value) in map.entries() {
                let name = convert::utf8(&key);
                let item = node.get(&name).cloned().unwrap_or_else(Node::null);
                out.insert(name, with_go_floats(item, &value));
            }
            Node::map(out)
        }
        _ => node,
    }
}

/// A duration of a Go duration text, or of a number of seconds (Helm 4's asDuration).
fn duration(value: &Value) -> Result<i64, Failure> {
    match value {
        Value::Int(n, IntType::Duration) => Ok(*n),
        Value::Int(n, _) => Ok(n.saturating_mul(1_000_000_000)),
        Value::Uint(n, _) => Ok(i64::try_from(*n).unwrap_or(i64::MAX).saturating_mul(1_000_000_000)),
        #[expect(clippy::cast_possible_truncation, reason = "as Go's conversion of a float")]
        Value::Float(f, _) => Ok((f * 1e9) as i64),
        Value::String(text) => {
            let text = text.to_text();
            let text = text.trim();
            if text.is_empty() {
                return Err(Failure::new("empty duration"));
            }
            if let Ok(nanos) = super::time::parse_duration(text) {
                return Ok(nanos);
            }
            #[expect(clippy::cast_possible_truncation, reason = "as Go's conversion of a float")]
            match text.parse::<f64>() {
                Ok(seconds) => Ok((seconds * 1e9) as i64),
                Err(_) => Err(Failure::new(format!("could not parse duration {}", fmt::quote(text.as_bytes())))),
            }
        }
        Value::Nil => Err(Failure::new("invalid duration")),
        other => Err(Failure::new(format!("unsupported duration type {}", other.type_name()))),
    }
}

fn lenient(value: &Value) -> i64 {
    duration(value).unwrap_or_default()
}

/// In units of so many nanoseconds, as a float.
fn in_units(args: Arguments<'_>, unit: i64) -> f64 {
    time::in_units(lenient(&args.any(0)), unit)
}

fn to_multiple(args: Arguments<'_>, to: fn(i64, i64) -> i64) -> Value {
    let (value, multiple) = (lenient(&args.any(0)), duration(&args.any(1)));
    Value::Int(multiple.map_or(value, |multiple| to(value, multiple)), IntType::Duration)
}

/// Base64, for `.Files.AsSecrets`.
pub(crate) fn base64(bytes: &[u8]) -> String {
    encoding::base64(bytes)
}

/// `toYaml` for what the program itself prints into templates; empty where it has no YAML.
pub(crate) fn to_yaml(value: &Value) -> String {
    convert::to_yaml(value).map_or_else(
        |_| String::new(),
        |node| {
            let mut text = yaml::emit::to_yaml(&node);
            if text.ends_with('\n') {
                text.pop();
            }
            text
        },
    )
}

/// Whether a version is within a constraint, as Helm asks of charts and clusters; false where either is none (chartutil's IsCompatibleRange).
pub fn is_compatible(constraint: &str, version: &str) -> bool {
    sprig::satisfies(constraint, version).unwrap_or(false)
}

/// Whether a text is a version by Masterminds' loose rules.
pub fn is_version(text: &str) -> bool {
    sprig::is_version(text)
}

/// The JSON value that a text begins with, and how many bytes of it; numbers as floats, as Go decodes them.
///
/// # Errors
/// It begins with none.
pub fn parse_json_prefix(bytes: &[u8]) -> Result<(Value, usize), String> {
    let mut stream = serde_json::Deserializer::from_slice(bytes).into_iter::<serde_json::Value>();
    match stream.next() {
        Some(Ok(value)) => Ok((from_serde(value), stream.byte_offset())),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("EOF".to_owned()),
    }
}

fn from_serde(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(b) => Value::Bool(b),
        serde_json::Value::Number(n) => Value::float(n.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => Value::list(items.into_iter().map(from_serde).collect()),
        serde_json::Value::Object(map) => Value::dict(map.into_iter().map(|(key, item)| (key, from_serde(item)))),
    }
}
