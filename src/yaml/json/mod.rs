//! JSON as Go's encoding/json prints it, and strict JSON back to nodes with places.

mod read;

pub use read::parse;

use super::number::{self, Number};
use super::{Node, Tag, View, bool_value, resolve, sigs};
use crate::diag::{Checked, Diagnostic, Diagnostics};

/// Prints a value: keys sorted by bytes, no spaces, `<`, `>`, `&`, U+2028 and U+2029 escaped.
///
/// # Errors
/// Infinities and not-a-number have no JSON.
pub fn to_json(node: &Node) -> Checked<String> {
    let mut out = String::new();
    write(node, &mut out).map_err(|error| Diagnostics::from(*error))?;
    Ok(out)
}

fn write(node: &Node, out: &mut String) -> Result<(), Box<Diagnostic>> {
    match node.view() {
        View::Seq(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        View::Map(map) => {
            if let Some(found) = map.iter().find_map(|(key, _)| sigs::key_refusal(key)) {
                return Err(Box::new(found));
            }
            let mut entries: Vec<_> = map.iter().map(|(key, value)| (sigs::key_text(key), value)).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(&key, out);
                out.push(':');
                write(value, out)?;
            }
            out.push('}');
        }
        View::Scalar(tag, text) => match tag {
            Tag::Null => out.push_str("null"),
            Tag::Bool => out.push_str(if bool_value(text).unwrap_or_default() { "true" } else { "false" }),
            Tag::Int | Tag::Float => match node.number() {
                Some(Number::Int(value)) => out.push_str(&value.to_string()),
                Some(Number::Uint(value)) => out.push_str(&value.to_string()),
                other => match other.and_then(|n| number::json_float(n.as_f64())) {
                    Some(text) => out.push_str(&text),
                    None => {
                        return Err(Box::new(Diagnostic::error(
                            "yaml/number",
                            node.span(),
                            format!("`{text}` has no form in JSON"),
                        )));
                    }
                },
            },
            Tag::Timestamp => quote(&resolve::timestamp_rfc3339(text).unwrap_or_else(|| text.to_owned()), out),
            Tag::Str => quote(text, out),
            Tag::Binary => quote(&sigs::binary_text(text), out),
        },
    }
    Ok(())
}

/// A string in double quotes with Go's escapes.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}
