//! TOML as BurntSushi/toml 1.6 writes it, and back: `toToml` and `fromToml`.
//!
//! Tables come after the plain keys of their parent, indented by two spaces a level; keys are sorted; arrays of tables have their own
//! headers. Reading is the `toml` crate's, integers stay integers.

use std::rc::Rc;

use crate::template::clock::Time;
use crate::template::fmt;
use crate::template::function::{Failure, Outcome};
use crate::template::value::{FloatType, Value};

const MAX_DEPTH: usize = 200;

/// Writes a value, which must be a table.
pub(super) fn write(value: &Value) -> Result<String, String> {
    let mut out = String::new();
    match value {
        Value::Map(_) => {}
        Value::Nil => return Err("toml: cannot encode a nil map".to_owned()),
        value if !is_tables(value) && !matches!(value, Value::Complex(..)) => {
            // The encoder writes a plain value without a key.
            inline(value, 0, &mut out)?;
            return Ok(out);
        }
        _ => return Err("toml: top-level values must be Go maps or structs".to_owned()),
    }
    table(value, &mut Vec::new(), &mut out)?;
    Ok(out)
}

fn table(value: &Value, path: &mut Vec<String>, out: &mut String) -> Result<(), String> {
    if path.len() > MAX_DEPTH {
        return Err("toml: nested too deep".to_owned());
    }
    let Value::Map(map) = value else { return Ok(()) };
    let entries: Vec<(String, Value)> =
        map.entries().into_iter().map(|(key, value)| (key.to_text().into_owned(), value)).collect();
    let inner = "  ".repeat(path.len());
    for (key, value) in &entries {
        if matches!(value, Value::Nil) || is_table(value) || is_tables(value) {
            continue;
        }
        out.push_str(&inner);
        out.push_str(&key_text(key));
        out.push_str(" = ");
        inline(value, 0, out)?;
        out.push('\n');
    }
    for (key, value) in &entries {
        path.push(key_text(key));
        let header = path.join(".");
        let before = "  ".repeat(path.len() - 1);
        if is_table(value) {
            if path.len() == 1 && !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&format!("{before}[{header}]\n"));
            table(value, path, out)?;
        } else if is_tables(value) {
            for item in value.as_list().map(|list| list.to_vec()).unwrap_or_default() {
                if path.len() == 1 && !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(&format!("{before}[[{header}]]\n"));
                table(&item, path, out)?;
            }
        }
        path.pop();
    }
    Ok(())
}

fn is_table(value: &Value) -> bool {
    matches!(value, Value::Map(map) if !map.is_nil())
}

fn is_tables(value: &Value) -> bool {
    let Value::List(list) = value else { return false };
    !list.is_empty() && list.to_vec().iter().all(is_table)
}

fn inline(value: &Value, depth: usize, out: &mut String) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("toml: nested too deep".to_owned());
    }
    match value {
        Value::Nil => return Err("toml: array contains nil element which is not supported".to_owned()),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n, _) => out.push_str(&n.to_string()),
        Value::Uint(n, _) => out.push_str(&n.to_string()),
        Value::Float(f, float) => out.push_str(&float_text(*f, *float)),
        Value::String(bytes) => quote(&bytes.to_text(), out),
        Value::ByteSlice(bytes) => {
            let digits: Vec<String> = bytes.iter().map(ToString::to_string).collect();
            out.push_str(&format!("[{}]", digits.join(", ")));
        }
        Value::List(list) => {
            out.push('[');
            for (at, item) in list.to_vec().iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                inline(item, depth + 1, out)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (at, (key, item)) in map.entries().iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                out.push_str(&key_text(&key.to_text()));
                out.push_str(" = ");
                inline(item, depth + 1, out)?;
            }
            out.push('}');
        }
        Value::Object(object) => match (object.json(), object.type_name()) {
            (Some(text), "time.Time") => {
                out.push_str(&String::from_utf8_lossy(&fmt::sprint(&[text]).unwrap_or_default()));
            }
            (Some(Value::String(text)), _) => quote(&text.to_text(), out),
            _ => return Err("toml: top-level values must be Go maps or structs".to_owned()),
        },
        other => return Err(format!("toml: unsupported type: {}", other.type_name())),
    }
    Ok(())
}

fn float_text(f: f64, float: FloatType) -> String {
    if f.is_nan() {
        return "nan".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let text = fmt::format_float(f, b'g', fmt::Precision::Shortest, float == FloatType::Float32);
    match text.split_once('e') {
        None if !text.contains('.') => format!("{text}.0"),
        _ => text,
    }
}

fn key_text(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare {
        return key.to_owned();
    }
    let mut out = String::new();
    quote(key, &mut out);
    out
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Reads a document into a table.
pub(super) fn read(text: &str) -> Outcome {
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| Failure::new(format!("toml: {}", error.message().trim_end())))?;
    Ok(from_toml(toml::Value::Table(table)))
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(n) => Value::int64(n),
        toml::Value::Float(f) => Value::float(f),
        toml::Value::Boolean(b) => Value::Bool(b),
        toml::Value::Datetime(time) => {
            let text = time.to_string();
            Time::parse("2006-01-02T15:04:05.999999999Z07:00", &text)
                .map_or_else(|_| Value::from(text), |time| Value::Object(Rc::new(time)))
        }
        toml::Value::Array(items) => Value::list(items.into_iter().map(from_toml).collect()),
        toml::Value::Table(table) => Value::dict(table.into_iter().map(|(key, value)| (key, from_toml(value)))),
    }
}
