//! How rows and templates are combined: Argo CD's uses of mergo, and its own combination of string maps.
//!
//! Rules: dario.cat/mergo 1.0.2 `Merge` with and without override over the types that occur here; `applicationset/utils/map.go`.

use std::collections::BTreeMap;

use super::row::{params, text};
use crate::argo::is_zero;
use crate::template::value::Element;
use crate::template::{Bytes, Map, Value, convert};
use crate::yaml::{self, Node, View};

/// Levels of maps that are merged into each other; files are not deeper.
const MAX_DEPTH: usize = 600;

/// A key at which Argo CD's library panics: a map of strings (`values` of a generator, labels) gets a value of another kind of map.
#[derive(Debug)]
pub(super) struct Clash(pub(super) String);

/// Whether maps that both sides have are changed in place or copied first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Inner {
    /// Changed in place, seen by every row that shares them: what the merge generator does to its base rows.
    InPlace,
    /// Copied.
    Copied,
}

/// Merges `source` over `target`: the source wins, maps that both have are merged, lists are replaced. Empty strings, false and null win too.
pub(super) fn merge_over(target: &Map, source: &Map, inner: Inner) -> Result<(), Clash> {
    merge_level(target, source, inner, 0)
}

fn merge_level(target: &Map, source: &Map, inner: Inner, depth: usize) -> Result<(), Clash> {
    for (key, value) in source.entries() {
        if target.map_type().element == Element::String && source.map_type().element != Element::String {
            return Err(Clash(key.to_text().into_owned()));
        }
        match (target.get(&key), &value) {
            (Some(Value::Map(into)), Value::Map(from)) if !into.is_empty() && depth < MAX_DEPTH => {
                let into = match inner {
                    Inner::InPlace => into,
                    Inner::Copied => {
                        let copy = Map::new(into.map_type(), into.entries().into_iter().collect());
                        target.insert(key.clone(), Value::Map(copy.clone()));
                        copy
                    }
                };
                merge_level(&into, from, inner, depth + 1)
                    .map_err(|Clash(at)| Clash(format!("{}.{at}", key.to_text())))?;
            }
            _ => {
                target.insert(key, value);
            }
        }
    }
    Ok(())
}

/// A matrix row in goTemplate mode: the second child's row with the first's merged over it.
pub(super) fn matrix_row(first: &Map, second: &Map) -> Result<Map, Clash> {
    let row = params(second.entries().into_iter().collect());
    merge_over(&row, first, Inner::Copied)?;
    Ok(row)
}

/// A matrix row in fasttemplate mode: all values as text; a key of both must have one value.
///
/// # Errors
/// The key with its two values.
pub(super) fn string_row(first: &Map, second: &Map) -> Result<Map, (String, String, String)> {
    let mut out: BTreeMap<Bytes, Value> =
        first.entries().into_iter().map(|(key, value)| (key, as_text(value))).collect();
    for (key, value) in second.entries() {
        let value = as_text(value);
        if let Some(there) = out.get(&*key)
            && there.as_bytes() != value.as_bytes()
        {
            return Err((key.to_text().into_owned(), text(there).into_owned(), text(&value).into_owned()));
        }
        out.insert(key, value);
    }
    Ok(params(out))
}

fn as_text(value: Value) -> Value {
    match value {
        Value::String(_) => value,
        value => Value::from(text(&value).into_owned()),
    }
}

/// The values of the merge keys in a row as JSON: what makes rows of several generators one.
pub(super) fn merge_key(row: &Map, keys: &[String]) -> String {
    let value = |key: &String| row.get(key.as_bytes()).and_then(|value| convert::to_yaml(&value).ok());
    let key: yaml::Map =
        keys.iter().map(|key| (Node::str(key.as_str()), value(key).unwrap_or_else(Node::null))).collect();
    yaml::json::to_json(&Node::map(key)).unwrap_or_default()
}

/// A generator's template over the ApplicationSet's: what the first leaves out or has as a zero value comes from the second; maps
/// are merged, lists are not. `whole` says which fields are taken whole (raw JSON).
pub(super) fn fill(over: &Node, base: &Node, whole: fn(&str) -> bool) -> Node {
    fill_level(over, base, whole, 0)
}

fn fill_level(over: &Node, base: &Node, whole: fn(&str) -> bool, depth: usize) -> Node {
    let (View::Map(over_map), View::Map(base_map)) = (over.view(), base.view()) else {
        return if is_zero(over) { base.clone() } else { over.clone() };
    };
    if depth > MAX_DEPTH {
        return over.clone();
    }
    let mut out = over_map.clone();
    for (key, value) in base_map.iter() {
        let Some(name) = key.text() else { continue };
        match out.get_mut(name) {
            None => out.push(key.clone(), value.clone()),
            Some(there) if whole(name) => {
                if there.is_null() {
                    *there = value.clone();
                }
            }
            Some(there) => *there = fill_level(there, value, whole, depth + 1),
        }
    }
    Node::map(out).with_span(over.span()).with_style(over.style())
}
