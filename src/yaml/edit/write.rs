//! How a new value is written into a text: scalars in the style of what they replace, mappings and lists as blocks in the order that they
//! have, or in one line inside flow collections. Nothing is sorted and no line is folded.

use crate::yaml::{Dialect, Node, Style, Tag, View, plain_tag};

/// A scalar in one line, in this style where it can be; `None` for a text of several lines.
pub(super) fn scalar(node: &Node, style: Style, flowing: bool) -> Option<String> {
    let View::Scalar(tag, text) = node.view() else { return None };
    if tag != Tag::Str {
        return Some(if node.is_null() { "null".to_owned() } else { text.to_owned() });
    }
    if text.chars().any(is_hidden) {
        return if text.contains('\n') && !flowing { None } else { Some(double(text)) };
    }
    let single = || format!("'{}'", text.replace('\'', "''"));
    Some(match style {
        Style::DoubleQuoted => double(text),
        Style::SingleQuoted => single(),
        _ if is_plain(text, flowing) => text.to_owned(),
        // As most hand-written files quote.
        _ if text.contains(['"', '\\']) => single(),
        _ => double(text),
    })
}

fn double(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_hidden(c) => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Characters that nobody sees, or that end a line for some reader.
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Whether a text reads as itself without quotes, whoever reads it.
fn is_plain(text: &str, flowing: bool) -> bool {
    let begins = |c: char| {
        !matches!(
            c,
            '-' | '?'
                | ':'
                | ','
                | '['
                | ']'
                | '{'
                | '}'
                | '#'
                | '&'
                | '*'
                | '!'
                | '|'
                | '>'
                | '\''
                | '"'
                | '%'
                | '@'
                | '`'
                | '='
                | '<'
        )
    };
    text.chars().next().is_some_and(begins)
        && text.trim() == text
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && (!flowing || !text.contains([',', '[', ']', '{', '}', ':', '?', '#']))
        && text != "..."
        && [Dialect::V2, Dialect::V3].into_iter().all(|dialect| plain_tag(dialect, text) == Tag::Str)
}

/// A value in one line.
pub(super) fn flow(node: &Node) -> String {
    match node.view() {
        View::Scalar(..) => scalar(node, node.style(), true).unwrap_or_default(),
        View::Seq(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        View::Map(map) => {
            let entries = map.iter().map(|(key, value)| format!("{}: {}", flow(key), flow(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A value as lines at a column; the first one without indentation, and without a line break at the end. Lists stand `list` columns further
/// in than their key.
pub(super) fn block(node: &Node, column: usize, list: usize) -> String {
    let pad = " ".repeat(column);
    match node.view() {
        View::Scalar(..) => scalar(node, node.style(), false).unwrap_or_else(|| literal(node, column)),
        View::Seq([]) => "[]".to_owned(),
        View::Map(map) if map.is_empty() => "{}".to_owned(),
        View::Seq(items) => {
            let items = items.iter().map(|item| format!("- {}", block(item, column + 2, list)));
            items.collect::<Vec<_>>().join(&format!("\n{pad}"))
        }
        View::Map(map) => {
            let entries = map.iter().map(|(key, value)| {
                let name = scalar(key, key.style(), false).unwrap_or_else(|| double(key.text().unwrap_or_default()));
                match value.view() {
                    View::Map(inner) if !inner.is_empty() => {
                        format!("{name}:\n{pad}  {}", block(value, column + 2, list))
                    }
                    View::Seq([_, ..]) => {
                        let depth = column + list;
                        format!("{name}:\n{}{}", " ".repeat(depth), block(value, depth, list))
                    }
                    _ => format!("{name}: {}", block(value, column, list)),
                }
            });
            entries.collect::<Vec<_>>().join(&format!("\n{pad}"))
        }
    }
}

/// A text of several lines, as `|` where that keeps it, else in double quotes.
fn literal(node: &Node, column: usize) -> String {
    let text = node.text().unwrap_or_default();
    let body = text.trim_end_matches('\n');
    let breaks = text.len() - body.len();
    let odd = |c: char| c != '\n' && is_hidden(c);
    if breaks > 1 || body.is_empty() || body.starts_with([' ', '\n', '\t']) || body.chars().any(odd) {
        return double(text);
    }
    let pad = " ".repeat(column + 2);
    let mut out = if breaks == 0 { "|-".to_owned() } else { "|".to_owned() };
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&pad);
            out.push_str(line);
        }
    }
    out
}
