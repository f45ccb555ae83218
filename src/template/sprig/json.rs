//! JSON by the rules of Go's encoding/json: key order, HTML escapes, number forms.

use super::nil_pointer;
use crate::template::convert::json_float;
use crate::template::function::{Arguments, Context, Entry, Failure, Outcome};
use crate::template::value::{Bytes, Value};
use crate::template::{encoding, fmt, json_words};

pub(super) const TABLE: &[Entry] = &[
    ("fromJson", "s", |_, args| Ok(parse(args.bytes(0)).unwrap_or_default())),
    ("mustFromJson", "s", |_, args| parse(args.bytes(0)).map_err(Failure::new)),
    ("mustToJson", "a", |_, args| write(&args.any(0), Form { escape: true, ..Form::default() })),
    ("mustToPrettyJson", "a", |_, args| write(&args.any(0), Form { escape: true, pretty: true })),
    ("mustToRawJson", "a", raw),
    ("toJson", "a", |_, args| Ok(or_empty(write(&args.any(0), Form { escape: true, ..Form::default() })))),
    ("toPrettyJson", "a", |_, args| Ok(or_empty(write(&args.any(0), Form { escape: true, pretty: true })))),
    ("toRawJson", "a", raw),
];

const MAX_DEPTH: usize = 200;

fn or_empty(outcome: Outcome) -> Value {
    outcome.unwrap_or_else(|_| Value::from(""))
}

fn raw(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    write(&args.any(0), Form::default())
}

#[derive(Clone, Copy, Default)]
struct Form {
    /// `<`, `>` and `&` as escapes.
    escape: bool,
    /// Two spaces a level.
    pretty: bool,
}

fn write(value: &Value, form: Form) -> Outcome {
    let mut out = String::new();
    write_value(&mut out, value, form, 0)?;
    Ok(Value::from(out))
}

fn write_value(out: &mut String, value: &Value, form: Form, depth: usize) -> Result<(), Failure> {
    if depth > MAX_DEPTH {
        return Err(Failure::new("json: unsupported value: encountered a cycle, or a value nested too deep"));
    }
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n, _) => out.push_str(&n.to_string()),
        Value::Uint(n, _) => out.push_str(&n.to_string()),
        Value::Float(f, float) => out.push_str(&json_float(*f, *float)?),
        Value::Complex(..) => return Err(Failure::new("json: unsupported type: complex128")),
        Value::String(bytes) => quote(out, bytes, form.escape),
        Value::ByteSlice(bytes) => quote(out, encoding::base64(bytes).as_bytes(), form.escape),
        Value::List(list) if list.is_nil() => out.push_str("null"),
        Value::Map(map) if map.is_nil() => out.push_str("null"),
        Value::List(list) => {
            let items = list.to_vec();
            block(out, ('[', ']'), items.len(), form, depth, |out, index| match items.get(index) {
                Some(item) => write_value(out, item, form, depth + 1),
                None => Err(nil_pointer()),
            })?;
        }
        Value::Map(map) => {
            let entries = map.entries();
            write_entries(out, &entries, form, depth)?;
        }
        Value::Object(object) => match object.json() {
            Some(value) => write_value(out, &value, form, depth + 1)?,
            None => {
                let fields = object.json_fields().into_iter().map(|(name, item)| (Bytes::from(name), item));
                write_entries(out, &fields.collect::<Vec<_>>(), form, depth)?;
            }
        },
    }
    Ok(())
}

fn write_entries(out: &mut String, entries: &[(Bytes, Value)], form: Form, depth: usize) -> Result<(), Failure> {
    block(out, ('{', '}'), entries.len(), form, depth, |out, index| {
        let Some((key, item)) = entries.get(index) else { return Err(nil_pointer()) };
        quote(out, key, form.escape);
        out.push_str(if form.pretty { ": " } else { ":" });
        write_value(out, item, form, depth + 1)
    })
}

fn block(
    out: &mut String,
    (open, close): (char, char),
    count: usize,
    form: Form,
    depth: usize,
    mut item: impl FnMut(&mut String, usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    out.push(open);
    for index in 0..count {
        if index > 0 {
            out.push(',');
        }
        if form.pretty {
            out.push('\n');
            out.push_str(&"  ".repeat(depth + 1));
        }
        item(out, index)?;
    }
    if form.pretty && count > 0 {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
    out.push(close);
    Ok(())
}

fn quote(out: &mut String, text: &[u8], escape: bool) {
    out.push('"');
    for (c, raw) in fmt::runes(text) {
        match c {
            // A byte that is no UTF-8 shows as an escape, a true U+FFFD as itself.
            '\u{fffd}' if raw.len() == 1 => out.push_str("\\ufffd"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            '<' | '>' | '&' if escape => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Numbers are float64; of two equal keys the later wins. Errors have the words of Go.
pub(in crate::template) fn parse(text: &[u8]) -> Result<Value, String> {
    if let Some(words) = json_words::refusal(text) {
        return Err(words);
    }
    let text = String::from_utf8_lossy(text);
    let parsed: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("invalid JSON: {error}"))?;
    Ok(convert(&parsed))
}

fn convert(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => Value::float(n.as_f64().unwrap_or(0.0)),
        Json::String(s) => Value::from(s.as_str()),
        Json::Array(items) => Value::list(items.iter().map(convert).collect()),
        Json::Object(entries) => Value::dict(entries.iter().map(|(key, item)| (key.as_str(), convert(item)))),
    }
}
