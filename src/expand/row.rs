//! Parameter sets: the rows that generators make and templates are rendered with.
//!
//! In goTemplate mode a row is a Go `map[string]any` of nested values, in fasttemplate mode a flat one of strings with dotted keys; both
//! are [`template::Map`](Map)s. Maps inside are shared between rows where Argo CD shares them, because its merge generator changes them in
//! place. A row knows the generators that made it, for `explain` and for errors.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::GeneratorStep;
use crate::span::Span;
use crate::template::value::{DICT, Element, STRING_MAP};
use crate::template::{Bytes, Map, Value, print};

/// One parameter set.
#[derive(Clone)]
pub(super) struct Row {
    /// The parameters.
    pub(super) params: Map,
    /// The generators that made it, outermost first.
    pub(super) steps: Vec<Rc<GeneratorStep>>,
}

impl Row {
    /// A row of one generator.
    pub(super) fn new(params: Map, kind: &'static str, span: Span, element: String, element_span: Span) -> Self {
        Row { params, steps: vec![Rc::new(GeneratorStep { kind, span, element, element_span })] }
    }
}

/// A new row's parameters.
pub(super) fn params(entries: BTreeMap<Bytes, Value>) -> Map {
    Map::new(&DICT, entries)
}

/// `map[string]string`, as `values`, labels and annotations are.
pub(super) fn string_map<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    Value::Map(Map::new(
        &STRING_MAP,
        entries.into_iter().map(|(key, value)| (Bytes::from(key), Value::from(value))).collect(),
    ))
}

/// A value as `%v` prints it.
pub(super) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(bytes) => bytes.to_text(),
        value => Cow::Owned(String::from_utf8_lossy(&print(value)).into_owned()),
    }
}

/// Flattens a decoded file for fasttemplate: dotted keys, items by number, empty collections vanish, leaves as `%v` prints them
/// (`jeremywohl/flatten` in dot style).
pub(super) fn flatten(map: &Map) -> BTreeMap<Bytes, Value> {
    let mut out = BTreeMap::new();
    let mut todo: Vec<(String, Value)> = children("", &Value::Map(map.clone()));
    while let Some((key, value)) = todo.pop() {
        if is_branch(&value) {
            todo.extend(children(&key, &value));
        } else {
            out.insert(Bytes::from(key), Value::from(text(&value).into_owned()));
        }
    }
    out
}

fn children(prefix: &str, value: &Value) -> Vec<(String, Value)> {
    let key = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
    match value {
        Value::Map(map) => map.entries().into_iter().map(|(name, value)| (key(&name.to_text()), value)).collect(),
        Value::List(list) => list.to_vec().into_iter().enumerate().map(|(at, v)| (key(&at.to_string()), v)).collect(),
        _ => Vec::new(),
    }
}

/// Whether flattening goes into a value: only into `map[string]any` and `[]any`.
fn is_branch(value: &Value) -> bool {
    match value {
        Value::Map(map) => map.map_type().element == Element::Any,
        Value::List(list) => list.list_type().element == Element::Any,
        _ => false,
    }
}

/// What a key of a post-filter finds in a row: the flattened row's value, without flattening it.
///
/// `string_maps`: whether the maps of strings (labels, `values`) are gone into as well, as Argo CD does from 3.4 on.
pub(super) fn flat_value(map: &Map, key: &str, string_maps: bool) -> Option<String> {
    find(&Value::Map(map.clone()), key, string_maps, true).map(|value| text(&value).into_owned())
}

fn find(inside: &Value, key: &str, string_maps: bool, in_map: bool) -> Option<Value> {
    let goes_in = |value: &Value, in_map: bool| {
        is_branch(value)
            || (string_maps && in_map && matches!(value, Value::Map(map) if map.map_type().element == Element::String))
    };
    if !goes_in(inside, in_map) {
        return None;
    }
    let is_map = matches!(inside, Value::Map(_));
    let child = |name: &str| match inside {
        Value::Map(map) => map.get(name.as_bytes()),
        Value::List(list) => {
            let at: usize = name.parse().ok().filter(|at: &usize| at.to_string() == name)?;
            list.get(at)
        }
        _ => None,
    };
    if let Some(value) = child(key)
        && !goes_in(&value, is_map)
    {
        return Some(value);
    }
    let dots = key.match_indices('.');
    dots.filter_map(|(at, _)| Some((child(&key[..at])?, &key[at + 1..])))
        .find_map(|(value, rest)| find(&value, rest, string_maps, is_map))
}

/// A copy that shares nothing.
pub(super) fn fresh(value: &Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(fresh_map(map)),
        Value::List(list) if !list.is_nil() => {
            let items = list.to_vec().iter().map(fresh).collect();
            Value::List(crate::template::List::new(list.list_type(), items))
        }
        value => value.clone(),
    }
}

/// A copy of a map that shares nothing.
pub(super) fn fresh_map(map: &Map) -> Map {
    if map.is_nil() {
        return map.clone();
    }
    Map::new(map.map_type(), map.entries().into_iter().map(|(key, value)| (key, fresh(&value))).collect())
}
