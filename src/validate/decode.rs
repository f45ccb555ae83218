//! Objects of built-in kinds against the tables, as a server decodes and then judges them.
//!
//! Decoding is Go's (sigs.k8s.io/json, strict): names of fields are compared exactly, `null` stands for an absent field, no type is turned
//! into another. After it an empty text or list is the same as none, since Go's types do not tell them apart; and `status` is dropped.

use std::collections::BTreeSet;

use super::format;
use super::path::At;
use super::table::{self, Code, Items, Minor, Type};
use super::{Kind, Problem, whole};
use crate::diag::did_you_mean;
use crate::k8s::object::Gvk;
use crate::span::Span;
use crate::yaml::sigs::key_text;
use crate::yaml::{Map, Node, Tag, View};

/// Fields of any object, in its own place.
const HEAD: [&str; 2] = ["apiVersion", "kind"];

/// Kinds that a server itself gives a name to.
const NAMELESS: [(&str, &str); 1] = [("", "LimitRange")];

/// What is wrong with an object of a built-in kind; `None` where this version of Kubernetes has no such kind.
pub fn check(object: &Node, gvk: &Gvk, minor: Minor) -> Option<Vec<Problem>> {
    let of = table::root(gvk, minor)?;
    let mut walk = Walk::new(minor, gvk.is("", "Secret"));
    walk.value(object, &Code::Type(of), &At::ROOT, true);
    if !NAMELESS.iter().any(|(group, kind)| gvk.is(group, kind)) {
        walk.name(object);
    }
    Some(walk.found)
}

/// What is wrong with `metadata`, at a place in an object of any kind.
pub(super) fn check_metadata(node: &Node, minor: Minor, at: &At<'_>) -> Vec<Problem> {
    let mut walk = Walk::new(minor, false);
    if let Some(of) = table::metadata() {
        walk.value(node, &Code::Type(of), at, true);
    }
    walk.found
}

/// What is wrong with the name of an object of any kind.
pub(super) fn check_name(object: &Node, minor: Minor) -> Vec<Problem> {
    let mut walk = Walk::new(minor, false);
    walk.name(object);
    walk.found
}

struct Walk {
    minor: Minor,
    /// Whether values may not be told.
    secret: bool,
    found: Vec<Problem>,
}

impl Walk {
    fn new(minor: Minor, secret: bool) -> Self {
        Walk { minor, secret, found: Vec::new() }
    }

    fn push(&mut self, kind: Kind, at: &At<'_>, span: Span, message: String, hint: Option<String>) {
        self.found.push(Problem { kind, path: at.to_string(), span, message, hint });
    }

    fn name(&mut self, object: &Node) {
        let Some(metadata) = object.get("metadata").filter(|node| node.as_map().is_some()) else {
            self.push(Kind::MissingField, &At::ROOT, object.span(), "`metadata.name` is missing".to_owned(), None);
            return;
        };
        let has = |field: &str| {
            let node = metadata.get(field).filter(|node| !node.is_null());
            node.and_then(Node::text).is_some_and(|text| !text.is_empty())
        };
        if !has("name") && !has("generateName") {
            self.push(Kind::MissingField, &At::ROOT, metadata.span(), "`metadata.name` is missing".to_owned(), None);
        }
    }

    /// `judged` is false below what a server decodes and drops.
    fn value(&mut self, node: &Node, code: &Code, at: &At<'_>, judged: bool) {
        if node.is_null() {
            return;
        }
        match code {
            Code::Any => {}
            Code::Type(of) => {
                if let Some(of) = table::type_at(*of) {
                    self.object(node, of, at, judged);
                }
            }
            Code::List(item, items) => match node.as_seq() {
                Some(values) => {
                    for (index, value) in values.iter().enumerate() {
                        self.item(value, item, &at.index(index), judged);
                    }
                    if judged {
                        self.same_items(values, items, at);
                    }
                }
                None => self.wrong_type(node, "a list", at),
            },
            Code::Map(value_code) => match node.as_map() {
                Some(map) => {
                    for (key, value) in map.iter() {
                        self.value(value, value_code, &at.field(&key_text(key)), judged);
                    }
                }
                None => self.wrong_type(node, "a mapping", at),
            },
            Code::Values(values) => self.one_of(node, values, at, judged),
            _ => self.scalar(node, code, at),
        }
    }

    /// An item of a list: `null` is an empty one there.
    fn item(&mut self, node: &Node, code: &Code, at: &At<'_>, judged: bool) {
        let empty = || node.is_null() || text_of(node).is_some_and(str::is_empty);
        match code {
            Code::Type(_) if node.is_null() => {
                self.value(&Node::map(Map::new()).with_span(node.span()), code, at, judged);
            }
            Code::Values(values) if judged && empty() => {
                let message = format!("`{at}` is empty");
                self.push(Kind::UnknownValue, at, node.span(), message, Some(one_of_these(values)));
            }
            _ => self.value(node, code, at, judged),
        }
    }

    fn scalar(&mut self, node: &Node, code: &Code, at: &At<'_>) {
        let text = text_of(node);
        let formed = |good: fn(&str) -> bool| text.is_some_and(good);
        let fits = match code {
            Code::Text => text.is_some(),
            Code::Bool => node.tag() == Some(Tag::Bool),
            Code::Number => matches!(node.tag(), Some(Tag::Int | Tag::Float)),
            Code::Int32 => whole(node).is_some_and(|value| i32::try_from(value).is_ok()),
            Code::Int64 => whole(node).is_some_and(|value| i64::try_from(value).is_ok()),
            Code::IntOrText => text.is_some() || whole(node).is_some_and(|value| i32::try_from(value).is_ok()),
            Code::Base64 => formed(format::is_base64),
            Code::Time => formed(format::is_time),
            Code::MicroTime => formed(format::is_micro_time),
            Code::Duration => formed(format::is_duration),
            Code::Quantity => match node.view() {
                View::Scalar(Tag::Int | Tag::Float, _) => true,
                _ => formed(format::is_quantity),
            },
            _ => true,
        };
        if !fits {
            self.wrong_type(node, what(code), at);
        }
    }

    fn one_of(&mut self, node: &Node, values: &[String], at: &At<'_>, judged: bool) {
        let Some(text) = text_of(node) else {
            self.wrong_type(node, "a string", at);
            return;
        };
        // An empty text is no text: a default fills it in, or the field is missing.
        if !judged || text.is_empty() || values.iter().any(|value| value == text) {
            return;
        }
        let hint = did_you_mean(text, values.iter().map(String::as_str)).unwrap_or_else(|| one_of_these(values));
        let message = if self.secret {
            format!("the value of {} is none of those that there are", at.subject())
        } else {
            format!("{} cannot be `{text}`", at.subject())
        };
        self.push(Kind::UnknownValue, at, node.span(), message, Some(hint));
    }

    fn object(&mut self, node: &Node, of: &'static Type, at: &At<'_>, judged: bool) {
        let Some(map) = node.as_map() else {
            self.wrong_type(node, "a mapping", at);
            return;
        };
        for (key, value) in map.iter() {
            let name = key_text(key);
            match of.field(&name, self.minor) {
                Some(field) => {
                    let judged = judged && !(at.is_root() && name == "status");
                    self.value(value, &field.code, &at.field(&name), judged);
                }
                None => self.unknown_field(&name, key.span().or(node.span()), map, of, at),
            }
        }
        if !judged {
            return;
        }
        for field in of.fields_of(self.minor).filter(|field| field.required || field.held) {
            if !is_absent(map, field.name, &field.code) {
                continue;
            }
            if field.required {
                let message = format!("`{}` is missing{}", field.name, at.inside());
                self.push(Kind::MissingField, at, node.span(), message, None);
            } else if field.name != "status" && field.name != "metadata" {
                let empty = Node::map(Map::new()).with_span(node.span());
                self.value(&empty, &field.code, &at.field(field.name), judged);
            }
        }
        if !of.one_of.is_empty() && of.one_of.iter().all(|name| is_absent(map, name, &Code::Any)) {
            let names: Vec<String> = of.one_of.iter().map(|name| format!("`{name}`")).collect();
            let message = format!("{} needs one of {}", at.subject(), names.join(", "));
            self.push(Kind::MissingField, at, node.span(), message, None);
        }
    }

    fn unknown_field(&mut self, name: &str, span: Span, written: &Map, of: &Type, at: &At<'_>) {
        let message = format!("unknown field `{name}`{}", at.inside());
        let hint = match of.when(name) {
            Some(when) => Some(format!("Kubernetes has it {when}; the cluster is taken to run {}", self.minor)),
            None => {
                let free = of.fields_of(self.minor).map(|field| field.name).filter(|name| !written.contains(name));
                did_you_mean(name, free)
            }
        };
        self.push(Kind::UnknownField, &at.field(name), span, message, hint);
    }

    fn wrong_type(&mut self, node: &Node, want: &str, at: &At<'_>) {
        let found = mismatch(node, want, at);
        self.found.push(found);
    }

    fn same_items(&mut self, values: &[Node], items: &Items, at: &At<'_>) {
        let keys: &[&str] = match items {
            Items::Free => return,
            Items::Set => &[],
            Items::Keys(keys) => keys,
        };
        self.found.extend(repeated(values, keys, at, self.secret));
    }
}

/// Items of a list that are the same one: by their keys, or as a whole where there are no keys.
pub(super) fn repeated(values: &[Node], keys: &[&str], at: &At<'_>, secret: bool) -> Vec<Problem> {
    let mut seen: BTreeSet<Vec<&str>> = BTreeSet::new();
    let mut found = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let id: Option<Vec<&str>> = match keys {
            [] => value.text().map(|text| vec![text]),
            // Without one of them a default counts, which this does not know.
            keys => keys.iter().map(|key| value.get(key).and_then(Node::text)).collect(),
        };
        let Some(id) = id else { continue };
        if seen.insert(id.clone()) {
            continue;
        }
        let what = match (keys, secret) {
            (_, true) | ([], _) => String::new(),
            (keys, false) => {
                let pairs = keys.iter().zip(&id).map(|(key, value)| format!("{key}={value}"));
                format!(" ({})", pairs.collect::<Vec<_>>().join(", "))
            }
        };
        let place = at.index(index);
        found.push(Problem {
            kind: Kind::DuplicateItem,
            path: place.to_string(),
            span: value.span(),
            message: format!("`{place}` is an item that `{at}` has already{what}"),
            hint: Some("server-side apply refuses it; other tools take the later one, or both".to_owned()),
        });
    }
    found
}

fn is_absent(map: &Map, name: &str, code: &Code) -> bool {
    map.get(name).is_none_or(|value| match value.view() {
        View::Scalar(Tag::Null, _) => true,
        View::Scalar(_, text) => text.is_empty(),
        View::Seq(items) => items.is_empty(),
        View::Map(below) => below.is_empty() && matches!(code, Code::Map(_)),
    })
}

/// A text, as JSON has it: dates and binary values are texts there.
pub(super) fn text_of(node: &Node) -> Option<&str> {
    match node.view() {
        View::Scalar(Tag::Str | Tag::Timestamp | Tag::Binary, text) => Some(text),
        _ => None,
    }
}

/// "it is one of `a`, `b`".
pub(super) fn one_of_these(values: &[String]) -> String {
    let shown: Vec<String> = values.iter().take(12).map(|value| format!("`{value}`")).collect();
    let more = if values.len() > 12 { ", …" } else { "" };
    format!("it is one of {}{more}", shown.join(", "))
}

/// The problem of a value that is of another type. The value itself is not in it.
pub(super) fn mismatch(node: &Node, want: &str, at: &At<'_>) -> Problem {
    let what = match (node.tag(), want) {
        (Some(Tag::Float), "a whole number") => "a fraction",
        (Some(Tag::Int), "a whole number") => "a number out of its range",
        (Some(Tag::Int), "a whole number or a string") => "a number out of its range",
        (Some(Tag::Str), _)
            if !matches!(want, "true or false" | "a whole number" | "a number" | "a list" | "a mapping") =>
        {
            "this text"
        }
        _ => node.what(),
    };
    let hint = match node.view() {
        View::Scalar(Tag::Bool | Tag::Int | Tag::Float, _) if want.contains("string") => {
            Some("put the value in quotes".to_owned())
        }
        View::Scalar(Tag::Str, text)
            if (want == "true or false" && matches!(text, "true" | "false"))
                || (want.contains("number") && text.parse::<i64>().is_ok()) =>
        {
            Some("write the value without quotes".to_owned())
        }
        View::Map(_) if want == "a list" => Some("each item of a list begins with `- `".to_owned()),
        _ => None,
    };
    let message = format!("{} must be {want}, not {what}", at.subject());
    Problem { kind: Kind::WrongType, path: at.to_string(), span: node.span(), message, hint }
}

fn what(code: &Code) -> &'static str {
    match code {
        Code::Text | Code::Values(_) => "a string",
        Code::Int32 | Code::Int64 => "a whole number",
        Code::Number => "a number",
        Code::Bool => "true or false",
        Code::Base64 => "base64",
        Code::Time | Code::MicroTime => "a time such as 2026-01-31T12:00:00Z",
        Code::Duration => "a duration such as 1m30s",
        Code::Quantity => "a quantity such as 500m or 1Gi",
        Code::IntOrText => "a whole number or a string",
        Code::Any => "a value",
        Code::List(..) => "a list",
        Code::Type(_) | Code::Map(_) => "a mapping",
    }
}

/// Whether a field stands in any object.
pub(super) fn is_head(name: &str) -> bool {
    HEAD.contains(&name)
}
