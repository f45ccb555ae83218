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

/// Templates of one name inside each other.
const MAX_NESTED: u32 = 1_000;

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
    let name = args.text(0);
    if !context.has_template(&name) {
        let quoted = fmt::quote(args.bytes(0));
        let message = format!("template: no template {quoted} associated with template {TPL:?}");
        let cause = super::TemplateError::whole(&name, message.clone());
        return Err(Failure { message, cause: Some(cause) });
    }
    if context.nest(&name) > MAX_NESTED + 1 {
        let message = format!("rendering template has a nested reference name: {name}: unable to execute template");
        return Err(Failure::new(message));
    }
    let out = context.execute(&name, &args.any(1));
    context.unnest(&name);
    Ok(Value::String(out?))
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
    let node = quoted_for_readers_of_old(go_node(value)?);
    let mut text = yaml::emit::to_yaml_v3(&node);
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// go-yaml quotes texts that were booleans or numbers to base 60 in YAML 1.1, keys too.
fn quoted_for_readers_of_old(node: Node) -> Node {
    const BOOLEANS: [&str; 16] =
        ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"];
    let base60 = |text: &str| {
        let mut parts = text.strip_prefix(['-', '+']).unwrap_or(text).split(':');
        let first = parts.next().unwrap_or_default();
        let rest: Vec<&str> = parts.map(|part| part.split_once('.').map_or(part, |(whole, _)| whole)).collect();
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
        let sixty = |part: &&str| digits(part) && (part.len() == 1 || part.len() == 2 && *part < "6");
        !rest.is_empty() && !first.starts_with('_') && digits(first) && rest.iter().all(sixty)
    };
    let old = |node: &Node| {
        node.tag() == Some(Tag::Str) && node.text().is_some_and(|text| BOOLEANS.contains(&text) || base60(text))
    };
    let quoted =
        |node: &Node| if old(node) { node.clone().with_style(yaml::Style::DoubleQuoted) } else { node.clone() };
    match node.view() {
        yaml::View::Seq(items) => Node::seq(items.iter().cloned().map(quoted_for_readers_of_old).collect()),
        yaml::View::Map(map) => {
            let mut out = yaml::Map::with_capacity(map.len());
            map.iter().for_each(|(key, value)| out.push(quoted(key), quoted_for_readers_of_old(value.clone())));
            Node::map(out)
        }
        yaml::View::Scalar(..) => quoted(&node),
    }
}

/// A value as go-yaml sees it, which is not told about JSON: `1000000.0` is `1e+06`, the fields of a struct have names in small letters.
fn go_node(value: &Value) -> Result<Node, Failure> {
    Ok(match value {
        Value::Float(f, FloatType::Float64) => Node::scalar(Tag::Float, yaml::go_float(*f)),
        Value::List(list) if !list.is_nil() => Node::seq(list.to_vec().iter().map(go_node).collect::<Result<_, _>>()?),
        Value::Map(map) if !map.is_nil() => {
            // The way through JSON first: it refuses what is nested too deep.
            convert::to_yaml(value)?;
            let mut out = yaml::Map::with_capacity(map.len());
            for (key, value) in map.entries() {
                out.insert(convert::utf8(&key), go_node(&value)?);
            }
            Node::map(out)
        }
        Value::Object(object) if object.json().is_none() => {
            let mut out = yaml::Map::new();
            for (name, value) in object.fields() {
                if name.starts_with(|c: char| c.is_ascii_uppercase()) {
                    out.insert(name.to_lowercase(), go_node(&value)?);
                }
            }
            Node::map(out)
        }
        value => convert::to_yaml(value)?,
    })
}

/// A duration of a Go duration text, or of a number of seconds (Helm 4's asDuration).
fn duration(value: &Value) -> Result<i64, Failure> {
    match value {
        Value::Int(n, IntType::Duration) => Ok(*n),
        Value::Int(n, _) => n.checked_mul(SECOND).ok_or_else(|| overflow(n)),
        Value::Uint(n, _) => i64::try_from(*n).ok().and_then(|n| n.checked_mul(SECOND)).ok_or_else(|| overflow(n)),
        Value::Float(f, _) => seconds(*f),
        Value::String(text) => {
            let text = text.to_text();
            let text = text.trim();
            if text.is_empty() {
                return Err(Failure::new("empty duration"));
            }
            if let Ok(nanos) = super::time::parse_duration(text) {
                return Ok(nanos);
            }
            match super::number::parse_float(text) {
                Ok(number) => seconds(number),
                Err(_) => Err(Failure::new(format!("could not parse duration {}", fmt::quote(text.as_bytes())))),
            }
        }
        Value::Nil => Err(Failure::new("invalid duration")),
        other => Err(Failure::new(format!("unsupported duration type {}", other.type_name()))),
    }
}

fn overflow(seconds: impl std::fmt::Display) -> Failure {
    Failure::new(format!("duration seconds overflow: {seconds}"))
}

/// So many seconds in nanoseconds.
fn seconds(seconds: f64) -> Result<i64, Failure> {
    let shown = || yaml::go_float(seconds);
    if !seconds.is_finite() {
        return Err(Failure::new(format!("invalid duration seconds: {}", shown())));
    }
    if seconds.abs() > 9_223_372_036.0 {
        return Err(overflow(shown()));
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range, and rounded to zero as Go does")]
    Ok((seconds * 1e9) as i64)
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
