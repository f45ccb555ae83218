//! Custom objects against the structural schema of their CRD, as an API server judges them when they are made: fields that the schema does
//! not have (which it would drop), defaults, then types, bounds, patterns and combinations. (apiextensions-apiserver pkg/apiserver,
//! kube-openapi pkg/validation.)
//!
//! Formats that are not in [`mod@format`] are not judged, and neither is a pattern that is none.

use rustc_hash::FxHashMap;

use super::decode::{check_metadata, check_name, is_head, mismatch, one_of_these, repeated, text_of};
use super::format;
use super::path::At;
use super::table::Minor;
use super::{Kind, Problem, whole};
use crate::diag::did_you_mean;
use crate::span::Span;
use crate::template::sprig::go_regex;
use crate::yaml::sigs::key_text;
use crate::yaml::{Map, Node, Tag, View, json};

/// What is wrong with an object.
pub(super) fn check(object: &Node, schema: &Node, minor: Minor, drops_status: bool) -> Vec<Problem> {
    let mut walk = Walk { minor, found: Vec::new(), patterns: FxHashMap::default(), drops_status };
    walk.unknown(object, Schema(schema), &At::ROOT, true);
    walk.value(object, Schema(schema), &At::ROOT);
    walk.found.extend(check_name(object, minor));
    let mut found = walk.found;
    // A combination may say the same thing again.
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|problem| seen.insert((problem.kind, problem.path.clone(), problem.message.clone())));
    found
}

/// Fills in the defaults of a schema and takes away what it does not have, as a server does where it reads an object.
pub(super) fn fill(object: &mut Node, schema: &Node) {
    fill_below(object, Schema(schema), true);
}

fn fill_below(node: &mut Node, schema: Schema<'_>, is_object: bool) {
    let kept = schema.flag("x-kubernetes-preserve-unknown-fields") || schema.takes_anything();
    let is_object = is_object || schema.flag("x-kubernetes-embedded-resource");
    if let Some(map) = node.map_mut() {
        for (name, below) in schema.properties() {
            let is_none = |node: &Node| node.is_null() && !below.flag("nullable");
            if let Some(default) = below.get("default").filter(|_| map.get(name).is_none_or(is_none)) {
                map.insert(name, default.clone());
            }
        }
        map.retain(|key, value| {
            let name = key_text(key);
            if is_object && (is_head(&name) || name == "metadata") {
                return true;
            }
            let Some(below) = schema.property(&name).or(schema.additional()) else { return kept };
            if value.is_null() && !below.flag("nullable") {
                let Some(default) = below.get("default") else { return false };
                *value = default.clone();
            }
            fill_below(value, below, false);
            true
        });
    } else if let Some(below) = schema.get("items").filter(|items| items.as_map().is_some()) {
        for item in node.seq_mut().into_iter().flatten() {
            fill_below(item, Schema(below), false);
        }
    }
}

#[derive(Clone, Copy)]
struct Schema<'s>(&'s Node);

impl<'s> Schema<'s> {
    fn get(self, key: &str) -> Option<&'s Node> {
        self.0.get(key).filter(|node| !node.is_null())
    }

    fn flag(self, key: &str) -> bool {
        self.get(key).and_then(Node::as_bool) == Some(true)
    }

    fn text(self, key: &str) -> Option<&'s str> {
        self.get(key).and_then(Node::text)
    }

    fn count(self, key: &str) -> Option<usize> {
        usize::try_from(whole(self.get(key)?)?).ok()
    }

    fn float(self, key: &str) -> Option<f64> {
        Some(self.get(key)?.number()?.as_f64())
    }

    fn all(self, key: &str) -> impl Iterator<Item = Schema<'s>> {
        self.get(key).and_then(Node::as_seq).unwrap_or_default().iter().map(Schema)
    }

    fn property(self, name: &str) -> Option<Schema<'s>> {
        self.get("properties")?.get(name).map(Schema)
    }

    fn properties(self) -> impl Iterator<Item = (&'s str, Schema<'s>)> {
        let map = self.get("properties").and_then(Node::as_map);
        map.into_iter().flat_map(Map::iter).filter_map(|(key, value)| Some((key.text()?, Schema(value))))
    }

    fn additional(self) -> Option<Schema<'s>> {
        self.get("additionalProperties").filter(|node| node.as_map().is_some()).map(Schema)
    }

    fn takes_anything(self) -> bool {
        self.get("additionalProperties").and_then(Node::as_bool) == Some(true)
    }
}

struct Walk<'s> {
    minor: Minor,
    found: Vec<Problem>,
    patterns: FxHashMap<&'s str, Option<regex::bytes::Regex>>,
    drops_status: bool,
}

impl<'s> Walk<'s> {
    fn push(&mut self, kind: Kind, at: &At<'_>, span: Span, message: String, hint: Option<String>) {
        self.found.push(Problem { kind, path: at.to_string(), span, message, hint });
    }

    /// Fields that a server would drop.
    fn unknown(&mut self, node: &Node, schema: Schema<'s>, at: &At<'_>, is_object: bool) {
        let kept = schema.flag("x-kubernetes-preserve-unknown-fields");
        let is_object = is_object || schema.flag("x-kubernetes-embedded-resource");
        match node.view() {
            View::Map(map) => {
                for (key, value) in map.iter() {
                    let name = key_text(key);
                    let place = at.field(&name);
                    if is_object && (is_head(&name) || name == "metadata") {
                        if name == "metadata" {
                            self.found.extend(check_metadata(value, self.minor, &place));
                        }
                        continue;
                    }
                    match schema.property(&name).or(schema.additional()) {
                        Some(below) => self.unknown(value, below, &place, false),
                        None if kept || schema.takes_anything() => {}
                        None => {
                            let known = schema.properties().map(|(name, _)| name);
                            let hint = did_you_mean(&name, known.filter(|name| !map.contains(name)));
                            let message = format!("unknown field `{name}`{}", at.inside());
                            self.push(Kind::UnknownField, &place, key.span().or(node.span()), message, hint);
                        }
                    }
                }
            }
            View::Seq(items) => {
                let Some(below) = schema.get("items").filter(|items| items.as_map().is_some()) else { return };
                for (index, item) in items.iter().enumerate() {
                    self.unknown(item, Schema(below), &at.index(index), false);
                }
            }
            View::Scalar(..) => {}
        }
    }

    /// Whether a value is one that a default takes the place of.
    fn is_filled(&self, schema: Schema<'s>) -> bool {
        schema.0.get("default").is_some() && !schema.flag("nullable")
    }

    fn value(&mut self, node: &Node, schema: Schema<'s>, at: &At<'_>) {
        if node.is_null() {
            if !schema.flag("nullable") && (schema.get("type").is_some() || schema.flag("x-kubernetes-int-or-string")) {
                let message = format!("{} is null, which its type is not", at.subject());
                self.push(Kind::WrongType, at, node.span(), message, None);
            }
            return;
        }
        if !self.type_fits(node, schema, at) {
            return;
        }
        self.bounds(node, schema, at);
        self.combinations(node, schema, at);
        match node.view() {
            View::Map(map) => self.map(node, map, schema, at),
            View::Seq(items) => {
                let keys: Vec<&str> = schema
                    .get("x-kubernetes-list-map-keys")
                    .and_then(Node::as_seq)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(Node::text)
                    .collect();
                match schema.text("x-kubernetes-list-type") {
                    Some("set") => self.found.extend(repeated(items, &[], at, false)),
                    Some("map") if !keys.is_empty() => self.found.extend(repeated(items, &keys, at, false)),
                    _ => {}
                }
                let Some(below) = schema.get("items").filter(|items| items.as_map().is_some()) else { return };
                for (index, item) in items.iter().enumerate() {
                    self.value(item, Schema(below), &at.index(index));
                }
            }
            View::Scalar(..) => {}
        }
    }

    fn map(&mut self, node: &Node, map: &Map, schema: Schema<'s>, at: &At<'_>) {
        for required in schema.get("required").and_then(Node::as_seq).unwrap_or_default() {
            let Some(name) = required.text() else { continue };
            let below = schema.property(name);
            let there =
                map.get(name).is_some_and(|value| !value.is_null() || !below.is_some_and(|s| self.is_filled(s)));
            if !there && below.is_none_or(|below| below.0.get("default").is_none()) {
                let message = format!("`{name}` is missing{}", at.inside());
                self.push(Kind::MissingField, at, node.span(), message, None);
            }
        }
        for (key, value) in map.iter() {
            let name = key_text(key);
            if at.is_root() && (is_head(&name) || name == "metadata" || (name == "status" && self.drops_status)) {
                continue;
            }
            let Some(below) = schema.property(&name).or(schema.additional()) else { continue };
            if value.is_null() && self.is_filled(below) {
                continue;
            }
            self.value(value, below, &at.field(&name));
        }
    }

    fn type_fits(&mut self, node: &Node, schema: Schema<'s>, at: &At<'_>) -> bool {
        let int_or_text = schema.flag("x-kubernetes-int-or-string") || schema.text("format") == Some("int-or-string");
        let (fits, want) = match (int_or_text, schema.text("type")) {
            (true, _) => (text_of(node).is_some() || whole(node).is_some(), "a whole number or a string"),
            (_, Some("object")) => (node.as_map().is_some(), "a mapping"),
            (_, Some("array")) => (node.as_seq().is_some(), "a list"),
            (_, Some("string")) => (text_of(node).is_some(), "a string"),
            (_, Some("boolean")) => (node.tag() == Some(Tag::Bool), "true or false"),
            (_, Some("integer")) => (whole(node).is_some(), "a whole number"),
            (_, Some("number")) => (matches!(node.tag(), Some(Tag::Int | Tag::Float)), "a number"),
            _ => (true, ""),
        };
        if !fits {
            self.found.push(mismatch(node, want, at));
        }
        fits
    }

    fn bounds(&mut self, node: &Node, schema: Schema<'s>, at: &At<'_>) {
        let mut bad = |message: String| {
            self.found.push(Problem {
                kind: Kind::BadValue,
                path: at.to_string(),
                span: node.span(),
                message,
                hint: None,
            });
        };
        let subject = at.subject();
        match node.view() {
            View::Scalar(Tag::Int | Tag::Float, _) => {
                let Some(value) = node.number().map(crate::yaml::Number::as_f64) else { return };
                if let Some(least) = schema.float("minimum") {
                    let exclusive = schema.flag("exclusiveMinimum");
                    if value < least || (exclusive && value <= least) {
                        bad(format!("{subject} must be {} {least}", if exclusive { "more than" } else { "at least" }));
                    }
                }
                if let Some(most) = schema.float("maximum") {
                    let exclusive = schema.flag("exclusiveMaximum");
                    if value > most || (exclusive && value >= most) {
                        bad(format!("{subject} must be {} {most}", if exclusive { "less than" } else { "at most" }));
                    }
                }
                if let Some(step) = schema.float("multipleOf").filter(|step| *step > 0.0)
                    && (value / step).fract() != 0.0
                {
                    bad(format!("{subject} must be a multiple of {step}"));
                }
                let in_range = match (schema.text("format"), whole(node)) {
                    (Some("int32"), Some(value)) => i32::try_from(value).is_ok(),
                    (Some("int64"), Some(value)) => i64::try_from(value).is_ok(),
                    _ => true,
                };
                if !in_range {
                    bad(format!("{subject} does not fit its format `{}`", schema.text("format").unwrap_or_default()));
                }
            }
            View::Scalar(Tag::Str | Tag::Timestamp | Tag::Binary, text) => {
                let length = text.chars().count();
                if schema.count("minLength").is_some_and(|least| length < least) {
                    bad(format!("{subject} is shorter than {} characters", schema.count("minLength").unwrap_or(0)));
                }
                if schema.count("maxLength").is_some_and(|most| length > most) {
                    bad(format!("{subject} is longer than {} characters", schema.count("maxLength").unwrap_or(0)));
                }
                if let Some(format) = schema.text("format")
                    && schema.text("type") == Some("string")
                    && !format::has_format(text, format)
                {
                    bad(format!("{subject} is not in the format `{format}`"));
                }
                if let Some(pattern) = schema.text("pattern") {
                    let compiled = self.patterns.entry(pattern).or_insert_with(|| go_regex(pattern).ok());
                    if compiled.as_ref().is_some_and(|regex| !regex.is_match(text.as_bytes())) {
                        self.found.push(Problem {
                            kind: Kind::BadValue,
                            path: at.to_string(),
                            span: node.span(),
                            message: format!("{subject} does not match `{pattern}`"),
                            hint: None,
                        });
                    }
                }
            }
            View::Seq(items) => {
                if schema.count("minItems").is_some_and(|least| items.len() < least) {
                    bad(format!("{subject} has fewer than {} items", schema.count("minItems").unwrap_or(0)));
                }
                if schema.count("maxItems").is_some_and(|most| items.len() > most) {
                    bad(format!("{subject} has more than {} items", schema.count("maxItems").unwrap_or(0)));
                }
            }
            View::Map(map) => {
                if schema.count("minProperties").is_some_and(|least| map.len() < least) {
                    bad(format!("{subject} has fewer than {} entries", schema.count("minProperties").unwrap_or(0)));
                }
                if schema.count("maxProperties").is_some_and(|most| map.len() > most) {
                    bad(format!("{subject} has more than {} entries", schema.count("maxProperties").unwrap_or(0)));
                }
            }
            View::Scalar(..) => {}
        }
        let Some(values) = schema.get("enum").and_then(Node::as_seq) else { return };
        let own = json::to_json(node).ok();
        if own.is_some() && !values.iter().any(|value| json::to_json(value).ok() == own) {
            let texts: Vec<String> = values.iter().filter_map(|v| v.text().map(str::to_owned)).collect();
            let text = node.text().unwrap_or_default();
            let hint = did_you_mean(text, texts.iter().map(String::as_str)).unwrap_or_else(|| one_of_these(&texts));
            let message = match node.text() {
                Some(text) => format!("{subject} cannot be `{text}`"),
                None => format!("{subject} is none of the values that there are"),
            };
            self.push(Kind::UnknownValue, at, node.span(), message, Some(hint));
        }
    }

    fn combinations(&mut self, node: &Node, schema: Schema<'s>, at: &At<'_>) {
        for one in schema.all("allOf") {
            self.value(node, one, at);
        }
        for (key, few, many) in [("anyOf", true, false), ("oneOf", true, true)] {
            if schema.get(key).is_none() {
                continue;
            }
            let tries: Vec<Vec<Problem>> = schema.all(key).map(|one| self.tried(node, one, at)).collect();
            let good = tries.iter().filter(|problems| problems.is_empty()).count();
            if good == 0 && few {
                // What is nearest to being right says most.
                let nearest = tries.into_iter().min_by_key(Vec::len).unwrap_or_default();
                self.found.extend(nearest);
            } else if good > 1 && many {
                let message =
                    format!("{} fits {good} of the forms that it may have, and may fit one only", at.subject());
                self.push(Kind::BadValue, at, node.span(), message, None);
            }
        }
        if let Some(not) = schema.get("not").map(Schema)
            && self.tried(node, not, at).is_empty()
        {
            let message = format!("{} has a form that it must not have (`not` in the schema)", at.subject());
            self.push(Kind::BadValue, at, node.span(), message, None);
        }
    }

    /// What would be wrong with a value by another schema.
    fn tried(&mut self, node: &Node, schema: Schema<'s>, at: &At<'_>) -> Vec<Problem> {
        let before = std::mem::take(&mut self.found);
        self.value(node, schema, at);
        std::mem::replace(&mut self.found, before)
    }
}
