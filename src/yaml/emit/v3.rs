//! Printing as go-yaml v3 does: kyaml's nodes as they are, and Helm's `toYamlPretty`.
//!
//! Compared with v2: no line is ever broken for its width, lists are indented under their key unless asked otherwise, tabs stay in block texts,
//! a null that was left out is left out again. Tags (but `!!binary`), anchors and comments are not printed, because nodes do not keep them.
//! Source: go-yaml v3.0 encode.go, emitterc.go.

use std::borrow::Cow;

use super::super::number::{self, Number};
use super::super::{Dialect, Map, Node, Style as Written, Tag, View, bool_value, resolve, sigs};
use super::scalar::{self, Style};
use super::{Place, Printer, SIMPLE_KEY, deeper, order};

/// What go-yaml v3 is asked to print.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct V3 {
    /// Lists at the column of their key (`CompactSeqIndent`, as kyaml sets it).
    pub compact: bool,
    /// Go values, not nodes: keys sorted, styles chosen anew (Helm's `toYamlPretty`).
    pub values: bool,
}

/// The YAML of a node as `yaml.v3`'s encoder with indent 2 prints it: order and styles kept, lists indented.
pub fn to_yaml_v3(node: &Node) -> String {
    to_yaml_v3_with(node, V3::default())
}

/// The YAML of a node as `yaml.v3`'s encoder with indent 2 prints it.
pub fn to_yaml_v3_with(node: &Node, options: V3) -> String {
    let mut out = String::new();
    let mut printer = Printer::new(&mut out, usize::MAX, true);
    printer.v3_node(node, -1, Place::Root, options);
    printer.line_end();
    if out.is_empty() {
        out.push('\n');
    }
    out
}

impl Printer<'_> {
    fn v3_node(&mut self, node: &Node, indent: i32, place: Place, options: V3) {
        let flow = self.flow > 0 || !options.values && node.style() == Written::Flow;
        match node.view() {
            View::Seq([]) => self.indicator("[]", true, false),
            View::Seq(items) if flow => {
                self.open("[");
                for (at, item) in items.iter().enumerate() {
                    self.separate(at);
                    self.v3_node(item, deeper(indent), Place::Item, options);
                }
                self.close("]", indent);
            }
            View::Seq(items) => {
                let compact = options.compact && place == Place::Value && (self.column == 0 || !self.indention);
                let level = if compact { indent } else { deeper(indent) };
                for item in items {
                    self.indent(level);
                    self.indicator("-", true, true);
                    self.v3_node(item, level, Place::Item, options);
                }
            }
            View::Map(map) if map.is_empty() => self.indicator("{}", true, false),
            View::Map(map) if flow => {
                self.open("{");
                for (at, (key, value)) in entries(map, options).into_iter().enumerate() {
                    self.separate(at);
                    self.v3_entry(key, value, deeper(indent), options);
                }
                self.close("}", indent);
            }
            View::Map(map) => {
                let level = deeper(indent);
                for (key, value) in entries(map, options) {
                    self.indent(level);
                    self.v3_entry(key, value, level, options);
                }
            }
            View::Scalar(tag, text) => {
                let (text, preferred) = written(node, tag, text, options);
                let style = self.settle(&text, &scalar::analyze(&text), preferred, false);
                self.binary_tag(tag, options);
                self.scalar(&text, style, indent, false);
            }
        }
    }

    fn v3_entry(&mut self, key: &Node, value: &Node, level: i32, options: V3) {
        let (tag, text) = (key.tag().unwrap_or(Tag::Str), key.text().unwrap_or_default());
        let (text, preferred) = if options.values {
            let name = sigs::key_text(key).into_owned();
            let preferred = string_style(&name);
            (Cow::Owned(name), preferred)
        } else {
            written(key, tag, text, options)
        };
        let analysis = scalar::analyze(&text);
        let simple = text.len() <= SIMPLE_KEY && !analysis.multiline;
        let style = self.settle(&text, &analysis, preferred, simple);
        let block = self.flow == 0;
        if simple {
            self.binary_tag(tag, options);
            self.scalar(&text, style, level, true);
            self.indicator(":", false, false);
        } else {
            self.indicator("?", true, block);
            self.scalar(&text, style, level, false);
            if block {
                self.indent(level);
            }
            self.indicator(":", true, block);
        }
        self.v3_node(value, level, Place::Value, options);
    }

    /// The one tag that a node keeps.
    fn binary_tag(&mut self, tag: Tag, options: V3) {
        if tag == Tag::Binary && !options.values {
            self.indicator("!!binary", true, false);
        }
    }

    fn open(&mut self, bracket: &str) {
        self.indicator(bracket, true, false);
        self.whitespace = true;
        self.flow += 1;
    }

    fn separate(&mut self, at: usize) {
        if at > 0 {
            self.indicator(",", false, false);
        }
    }

    fn close(&mut self, bracket: &str, indent: i32) {
        self.flow -= 1;
        if self.column == 0 {
            self.indent(indent);
        }
        self.indicator(bracket, false, false);
    }
}

fn entries(map: &Map, options: V3) -> Vec<(&Node, &Node)> {
    let mut entries: Vec<(&Node, &Node)> = map.iter().collect();
    if options.values {
        order::sort_by(&mut entries, &|a, b| order::natural_v3(&sigs::key_text(a.0), &sigs::key_text(b.0)));
    }
    entries
}

/// The style of a string that Go code hands over.
fn string_style(text: &str) -> Style {
    if text.contains('\n') {
        Style::Literal
    } else if resolve::plain(Dialect::V3, text) != Tag::Str || resolve::is_base60(text) || bool_value(text).is_some() {
        Style::Double
    } else {
        Style::Plain
    }
}

/// A scalar's text, and the style that the encoder asks for.
fn written<'n>(node: &Node, tag: Tag, text: &'n str, options: V3) -> (Cow<'n, str>, Style) {
    if options.values {
        let plain = |text: Cow<'n, str>| (text, Style::Plain);
        return match (tag, node.number()) {
            (Tag::Null, _) => plain("null".into()),
            (Tag::Bool, _) => plain(if bool_value(text).unwrap_or_default() { "true" } else { "false" }.into()),
            (_, Some(Number::Int(value))) => plain(value.to_string().into()),
            (_, Some(Number::Uint(value))) => plain(value.to_string().into()),
            (_, Some(Number::Float(value))) => plain(number::go_float(value).into()),
            (Tag::Timestamp, _) => plain(resolve::timestamp_rfc3339(text).map_or(Cow::Borrowed(text), Cow::Owned)),
            (Tag::Binary, _) => {
                let text = sigs::binary_text(text);
                let style = string_style(&text);
                (text.into(), style)
            }
            _ => (text.into(), string_style(text)),
        };
    }
    let style = match node.style() {
        Written::SingleQuoted => Style::Single,
        Written::DoubleQuoted => Style::Double,
        Written::Literal => Style::Literal,
        Written::Folded => Style::Folded,
        Written::Plain | Written::Flow | Written::Untyped if text.contains('\n') => Style::Literal,
        Written::Plain | Written::Flow if tag == Tag::Str && resolve::plain(Dialect::V3, text) != Tag::Str => {
            Style::Double
        }
        Written::Plain | Written::Flow | Written::Untyped => Style::Plain,
    };
    (text.into(), style)
}
