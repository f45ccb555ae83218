//! Nodes to YAML, to the byte as go-yaml prints.
//!
//! [`to_yaml`] is sigs.k8s.io/yaml: what `kustomize build`, Helm's `toYaml` and Argo CD print. The original encodes to JSON, reads that with go-yaml
//! v2 and prints it with go-yaml v2; here the effect of the detour is computed value by value: keys are strings in natural
//! order, numbers have Go's form, dates are RFC 3339 strings, styles are chosen anew. Sources: go-yaml v2.4 encode.go, emitterc.go, sorter.go;
//! Go's encoding/json and strconv.
//!
//! Where the original fails (control characters U+007F to U+009F, U+FFFE, U+FFFF, infinities), this prints an escape or the word: the
//! caller decides what is an error.

mod kyaml;
mod order;
mod scalar;
mod v3;

pub use kyaml::through_kyaml;
pub use order::{natural, natural_v3, sort_natural};
pub use v3::{V3, to_yaml_v3, to_yaml_v3_with};

use std::borrow::Cow;

use super::json;
use super::number;
use super::{Map, Node, Tag, View, bool_value, resolve, sigs};
use crate::diag::Diagnostic;
use scalar::Style;

/// The YAML of a value with final line feed: sorted natural keys, lists not indented under their key, folded at column 80.
pub fn to_yaml(node: &Node) -> String {
    let mut out = String::new();
    to_yaml_into(node, &mut out);
    out
}

/// Appends what [`to_yaml`] returns. `out` must be empty or end with a line feed.
pub fn to_yaml_into(node: &Node, out: &mut String) {
    let mut printer = Printer::new(out, WIDTH, false);
    printer.node(node, -1, Place::Root);
    printer.line_end();
}

/// Why the original would refuse to print a value that kustomize read: a key that is no string, an infinity, a character that does
/// not survive the way through JSON. `None` for what it prints.
pub fn refusal(node: &Node) -> Option<Diagnostic> {
    let unreadable = |text: &str| {
        text.chars().find(|c| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}'))
    };
    match node.view() {
        View::Seq(items) => items.iter().find_map(refusal),
        View::Map(map) => map.iter().find_map(|(key, value)| {
            let text = key.text().unwrap_or_default();
            if key.tag() == Some(Tag::Str) {
                // To go-yaml's reader a key is on one line and at most 1024 characters long, quotes and escapes included.
                if text.contains('\u{85}') || text.len() > 160 && json_length(text) > 1024 {
                    let message = "the key is too long, or goes over several lines";
                    return Some(Diagnostic::error("yaml/key", key.span(), message));
                }
                return refusal(key).or_else(|| refusal(value));
            }
            let found =
                Diagnostic::error("yaml/key", key.span(), format!("the key `{text}` is {}, not a string", key.what()));
            Some(found.hint(format!("quote it: \"{text}\"")))
        }),
        View::Scalar(Tag::Float, text) => match node.number() {
            Some(number) if !number.as_f64().is_finite() => {
                Some(Diagnostic::error("yaml/number", node.span(), format!("`{text}` has no form in JSON")))
            }
            _ => None,
        },
        View::Scalar(Tag::Timestamp, text)
            if resolve::timestamp_rfc3339(text).is_some_and(|text| text.contains("+24:") || text.contains("-24:")) =>
        {
            Some(Diagnostic::error("yaml/number", node.span(), format!("`{text}` has a time zone beyond 23 hours")))
        }
        View::Scalar(Tag::Str, text) => unreadable(text).map(|c| {
            let message = format!("the string holds the control character U+{:04X}", u32::from(c));
            Diagnostic::error("yaml/control-character", node.span(), message)
        }),
        View::Scalar(..) => None,
    }
}

/// Characters of a string in JSON.
fn json_length(text: &str) -> usize {
    let mut quoted = String::new();
    json::quote(text, &mut quoted);
    quoted.chars().count()
}

/// Where a node stands, which decides how it may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    Value,
}

/// The state of the page: go-yaml's names, because its decisions depend on exactly these.
struct Printer<'o> {
    out: &'o mut String,
    /// Characters in the current line.
    column: usize,
    /// The last character was white space, or nothing was written yet.
    whitespace: bool,
    /// The line holds only indentation and indicators.
    indention: bool,
    /// Columns after which a space becomes a line break.
    width: usize,
    /// Rules of go-yaml v3 where the versions differ.
    v3: bool,
    /// How many flow collections are open.
    flow: usize,
}

/// The width of go-yaml v2; v3 never breaks lines.
const WIDTH: usize = 80;
/// Bytes up to which a key may stand before its `:` on one line.
const SIMPLE_KEY: usize = 128;

impl<'o> Printer<'o> {
    fn new(out: &'o mut String, width: usize, v3: bool) -> Self {
        Printer { out, column: 0, whitespace: true, indention: true, width, v3, flow: 0 }
    }

    fn line_end(&mut self) {
        if self.column > 0 {
            self.out.push('\n');
            self.column = 0;
        }
    }

    /// Starts a line at an indentation, unless the page is there already.
    fn indent(&mut self, indent: i32) {
        let indent = usize::try_from(indent).unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.out.push('\n');
            self.column = 0;
        }
        while self.column < indent {
            self.out.push(' ');
            self.column += 1;
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn indicator(&mut self, indicator: &str, spaced: bool, indention: bool) {
        if spaced && !self.whitespace {
            self.out.push(' ');
            self.column += 1;
        }
        self.out.push_str(indicator);
        self.column += indicator.len();
        self.whitespace = false;
        self.indention &= indention;
    }

    fn node(&mut self, node: &Node, indent: i32, place: Place) {
        match node.view() {
            View::Seq([]) => self.indicator_word("[]"),
            View::Seq(items) => {
                let level = if place == Place::Value && !self.indention { indent } else { deeper(indent) };
                for item in items {
                    self.indent(level);
                    self.indicator("-", true, true);
                    self.node(item, level, Place::Item);
                }
            }
            View::Map(map) if map.is_empty() => self.indicator_word("{}"),
            View::Map(map) => self.map(map, deeper(indent)),
            View::Scalar(tag, text) => {
                let value = Value::of(node, tag, text);
                let style = if value.string {
                    self.settle(&value.text, &scalar::analyze(&value.text), scalar::preferred(&value.text), false)
                } else {
                    Style::Plain
                };
                self.scalar(&value.text, style, indent, false);
            }
        }
    }

    /// `[]` or `{}`: two indicators without anything between.
    fn indicator_word(&mut self, word: &str) {
        self.indicator(word, true, false);
    }

    fn map(&mut self, map: &Map, level: i32) {
        let mut entries: Vec<(Cow<'_, str>, &Node)> = map.iter().map(|(key, value)| (key_text(key), value)).collect();
        sort_natural(&mut entries, |entry| &entry.0);
        for (key, value) in entries {
            self.indent(level);
            let analysis = scalar::analyze(&key);
            let simple = key.len() <= SIMPLE_KEY && !analysis.multiline;
            let style = self.settle(&key, &analysis, scalar::preferred(&key), simple);
            if simple {
                self.scalar(&key, style, level, true);
                self.indicator(":", false, false);
            } else {
                self.indicator("?", true, true);
                self.scalar(&key, style, level, false);
                self.indent(level);
                self.indicator(":", true, true);
            }
            self.node(value, level, Place::Value);
        }
    }
}

fn deeper(indent: i32) -> i32 {
    if indent < 0 { 0 } else { indent + 2 }
}

/// The key as the detour through JSON leaves it.
fn key_text(key: &Node) -> Cow<'_, str> {
    match sigs::key_text(key) {
        Cow::Borrowed(text) => scalar::through_json(text),
        Cow::Owned(text) => Cow::Owned(scalar::through_json(&text).into_owned()),
    }
}

/// A scalar's text as it is printed, and whether it is a string.
struct Value<'n> {
    text: Cow<'n, str>,
    string: bool,
}

impl<'n> Value<'n> {
    fn of(node: &'n Node, tag: Tag, text: &'n str) -> Self {
        let plain = |text: Cow<'n, str>| Value { text, string: false };
        match tag {
            Tag::Null => plain("null".into()),
            Tag::Bool => plain(if bool_value(text).unwrap_or_default() { "true" } else { "false" }.into()),
            // Decimal integers print as they are; the rest goes through Go's numbers.
            Tag::Int if is_canonical_int(text) => plain(text.into()),
            Tag::Int | Tag::Float => match node.number() {
                Some(number) => plain(number::through_json(number).into()),
                None => Value { text: text.into(), string: true },
            },
            Tag::Timestamp => {
                Value { text: resolve::timestamp_rfc3339(text).map_or(Cow::Borrowed(text), Cow::Owned), string: true }
            }
            Tag::Str => Value { text: scalar::through_json(text), string: true },
            Tag::Binary => {
                let bytes = sigs::binary_text(text);
                Value { text: Cow::Owned(scalar::through_json(&bytes).into_owned()), string: true }
            }
        }
    }
}

fn is_canonical_int(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match digits.as_bytes() {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
