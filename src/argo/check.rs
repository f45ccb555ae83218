//! Checks an object against its type: unknown fields, wrong types, missing required fields. Values are never looked at beyond their type.
//!
//! A wrong type is always an error, because an API server refuses the object. An unknown field is lost there, so it is what the caller
//! says; in closed types (generators, selectors) it is always an error. `null` stands for an absent field, as Go decodes it.

use std::fmt;

use super::json::key_text;
use super::schema::{Engine, Field, Shape, Type};
use crate::diag::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::span::Span;
use crate::yaml::sigs::{Numbers, to_json_value};
use crate::yaml::{Map, Node, Tag, View};

/// Compares an object with a type of an engine. `unknown` is the severity of unknown fields outside generators and selectors.
pub fn check(node: &Node, ty: &'static Type, engine: Engine, unknown: Severity) -> Diagnostics {
    let mut checker = Checker { engine, unknown, found: Diagnostics::new() };
    checker.object(node, ty, &At { above: None, part: Part::Root(ty.name) });
    checker.found
}

struct Checker {
    engine: Engine,
    unknown: Severity,
    found: Diagnostics,
}

/// Where in the object we are, for messages.
struct At<'a> {
    above: Option<&'a At<'a>>,
    part: Part<'a>,
}

enum Part<'a> {
    Root(&'a str),
    Field(&'a str),
    Index(usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.above, &self.part) {
            (_, Part::Root(_)) => Ok(()),
            (Some(above), Part::Index(at)) => write!(f, "{above}[{at}]"),
            (Some(At { part: Part::Root(_), .. }) | None, Part::Field(name)) => f.write_str(name),
            (Some(above), Part::Field(name)) => write!(f, "{above}.{name}"),
            (None, Part::Index(at)) => write!(f, "[{at}]"),
        }
    }
}

impl<'a> At<'a> {
    fn field(&'a self, name: &'a str) -> At<'a> {
        At { above: Some(self), part: Part::Field(name) }
    }

    /// "in `spec.syncPolicy`", or "in an Application" at the root.
    fn inside(&self) -> String {
        match self.part {
            Part::Root(name) => {
                format!("in {} {name}", if name.starts_with(['A', 'E', 'I', 'O']) { "an" } else { "a" })
            }
            _ => format!("in `{self}`"),
        }
    }

    /// "`spec.source`", or "the Application" at the root.
    fn subject(&self) -> String {
        match self.part {
            Part::Root(name) => format!("the {name}"),
            _ => format!("`{self}`"),
        }
    }
}

impl Checker {
    fn object(&mut self, node: &Node, ty: &'static Type, at: &At<'_>) {
        let Some(map) = node.as_map() else {
            self.wrong_type(node, "a mapping", at);
            return;
        };
        for (key, value) in map.iter() {
            let name = key_text(key);
            match ty.field(&name, self.engine) {
                Some(Field { shape: Shape::Refused(reason), .. }) => {
                    let span = key.span().or(node.span());
                    let message = format!("unknown field `{name}` {}", at.inside());
                    self.found.push(Diagnostic::error("argo/unknown-field", span, message).hint(*reason));
                }
                Some(_) if value.is_null() => {}
                Some(field) => {
                    if !field.deprecated.is_empty() {
                        let message = format!("`{name}` {} has no effect", at.inside());
                        let span = key.span().or(node.span());
                        self.found.push(Diagnostic::warning("argo/deprecated", span, message).hint(field.deprecated));
                    }
                    self.value(value, field.shape, &at.field(&name));
                }
                None => self.unknown_field(&name, key.span().or(node.span()), map, ty, at),
            }
        }
        for field in ty.fields_of(self.engine).filter(|field| field.required) {
            if map.get(field.name).is_none_or(Node::is_null) {
                let message = format!("`{}` is missing {}", field.name, at.inside());
                self.found.push(Diagnostic::error("argo/missing-field", node.span(), message));
            }
        }
    }

    fn value(&mut self, node: &Node, shape: Shape, at: &At<'_>) {
        match shape {
            Shape::Opaque | Shape::Refused(_) => {}
            Shape::Raw => self.raw(node),
            Shape::String | Shape::Time => self.expect(node, is_text, "a string", at),
            Shape::Bool => self.expect(node, |node| node.tag() == Some(Tag::Bool), "true or false", at),
            Shape::Int => self.expect(node, is_integer, "a whole number", at),
            Shape::IntOrString => {
                self.expect(node, |node| is_text(node) || is_integer(node), "a whole number or a string", at);
            }
            // `off` is a boolean in YAML 1.1, but still written so.
            Shape::OneOf(allowed) => {
                match node.text().filter(|text| is_text(node) || (*text == "off" && allowed.contains(text))) {
                    Some(text) if allowed.contains(&text) => {}
                    Some(text) => {
                        let message = format!("{} cannot be `{text}`", at.subject());
                        let list: Vec<String> = allowed.iter().map(|value| format!("`{value}`")).collect();
                        let hint = did_you_mean(text, allowed.iter().copied());
                        let hint = hint.unwrap_or_else(|| format!("it is one of {}", list.join(", ")));
                        self.found.push(Diagnostic::error("argo/wrong-value", node.span(), message).hint(hint));
                    }
                    None => self.wrong_type(node, "a string", at),
                }
            }
            Shape::Struct(ty) | Shape::RawOf(ty) => self.object(node, ty, at),
            Shape::RawObject => {
                self.expect(node, |node| node.as_map().is_some(), "a mapping", at);
                self.raw(node);
            }
            Shape::StringOr(ty) => {
                if node.as_map().is_some() {
                    self.object(node, ty, at);
                } else {
                    self.expect(node, is_text, "a string or a mapping", at);
                }
            }
            Shape::List(item) => match node.as_seq() {
                Some(items) => {
                    for (index, value) in items.iter().enumerate() {
                        let at = At { above: Some(at), part: Part::Index(index) };
                        if value.is_null() && !matches!(item, Shape::Raw) {
                            self.wrong_type(value, shape_name(*item), &at);
                        } else {
                            self.value(value, *item, &at);
                        }
                    }
                }
                None => self.wrong_type(node, "a list", at),
            },
            Shape::Map(item) => match node.as_map() {
                Some(map) => {
                    for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                        if !key.is_scalar() {
                            let message = format!("{} has a key that is {}", at.subject(), key.what());
                            self.found.push(Diagnostic::error("argo/wrong-type", key.span(), message));
                        }
                        self.value(value, *item, &at.field(&key_text(key)));
                    }
                }
                None => self.wrong_type(node, "a mapping", at),
            },
        }
    }

    fn raw(&mut self, node: &Node) {
        if let Err(found) = to_json_value(node, Numbers::Int64) {
            self.found.extend(found);
        }
    }

    fn expect(&mut self, node: &Node, fits: impl Fn(&Node) -> bool, want: &str, at: &At<'_>) {
        if !fits(node) {
            self.wrong_type(node, want, at);
        }
    }

    fn wrong_type(&mut self, node: &Node, want: &str, at: &At<'_>) {
        let what = match (node.tag(), want) {
            (Some(Tag::Float), "a whole number") => "a fraction",
            _ => node.what(),
        };
        let message = format!("{} must be {want}, not {what}", at.subject());
        let mut found = Diagnostic::error("argo/wrong-type", node.span(), message);
        match node.view() {
            View::Scalar(Tag::Bool | Tag::Int | Tag::Float, text) if want == "a string" => {
                found = found.hint(format!("write \"{text}\" in quotes"));
            }
            View::Scalar(Tag::Str, text) if text.contains("{{") && at.to_string().contains("template.") => {
                found = found.hint("Argo CD's templates reach only strings; `templatePatch` can set other fields");
            }
            View::Scalar(Tag::Str, text)
                if (want == "true or false" && matches!(text, "true" | "false"))
                    || (want == "a whole number" && text.parse::<i64>().is_ok()) =>
            {
                found = found.hint(format!("write {text} without quotes"));
            }
            _ => {}
        }
        self.found.push(found);
    }

    fn unknown_field(&mut self, name: &str, span: Span, written: &Map, ty: &'static Type, at: &At<'_>) {
        let severity = if ty.closed { Severity::Error } else { self.unknown };
        let mut found = Diagnostic {
            severity,
            ..Diagnostic::error("argo/unknown-field", span, format!("unknown field `{name}` {}", at.inside()))
        };
        if let Some(field) = ty.fields.iter().find(|field| field.name == name) {
            let ((major, minor), (engine_major, engine_minor)) = (field.engines.0, self.engine);
            found = found.hint(format!(
                "Argo CD has it from {major}.{minor} on; this is compiled as for {engine_major}.{engine_minor} (`--engine`)"
            ));
        } else {
            let free = ty.fields_of(self.engine).map(|field| field.name).filter(|name| !written.contains(name));
            found.hints.extend(did_you_mean(name, free));
        }
        self.found.push(found);
    }
}

fn is_text(node: &Node) -> bool {
    matches!(node.tag(), Some(Tag::Str | Tag::Timestamp | Tag::Binary))
}

fn is_integer(node: &Node) -> bool {
    node.tag() == Some(Tag::Int)
}

fn shape_name(shape: Shape) -> &'static str {
    match shape {
        Shape::String | Shape::OneOf(_) | Shape::Time => "a string",
        Shape::Bool => "true or false",
        Shape::Int => "a whole number",
        Shape::IntOrString => "a whole number or a string",
        Shape::StringOr(_) => "a string or a mapping",
        Shape::List(_) => "a list",
        Shape::Struct(_) | Shape::Map(_) | Shape::RawObject | Shape::RawOf(_) => "a mapping",
        Shape::Raw | Shape::Opaque | Shape::Refused(_) => "a value",
    }
}
