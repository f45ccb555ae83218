//! The walk of ApplicationSet templating over an object (`applicationset/utils/utils.go`, `deeplyReplace`).
//!
//! Every string of the type is offered, every value and every key of a map; in raw JSON every string and key. Booleans, numbers and
//! the shape itself are out of a template's reach; the string form of an `intstr.IntOrString` is within it. Fields that the type does
//! not know are left alone. Nulls in raw JSON maps are lost on the way, as they are there.

use smol_str::SmolStr;

use super::schema::{Engine, Shape, Type};
use crate::span::Span;
use crate::yaml::{Map, Node, Tag, View};

/// The object with every string replaced by what `f` makes of it.
///
/// `f` gets a string with its place and returns the new string, `None` for "unchanged", or an error, which ends the walk. Empty strings
/// are not offered. The order is that of the text, values before their keys. Of two keys that become equal the later one wins (in Go a random one).
///
/// # Errors
/// The first error of `f`.
pub fn map_strings<E>(
    node: &Node,
    ty: &'static Type,
    engine: Engine,
    f: &mut impl FnMut(&str, Span) -> Result<Option<String>, E>,
) -> Result<Node, E> {
    let Some(map) = node.as_map() else { return Ok(node.clone()) };
    let mut changed: Option<Map> = None;
    for (index, (key, value)) in map.iter().enumerate() {
        let Some(field) = key.text().and_then(|name| ty.field(name, engine)) else { continue };
        if let Some(new) = value_strings(value, field.shape, engine, f)? {
            let entries = changed.get_or_insert_with(|| map.clone()).entries_mut();
            if let Some(entry) = entries.get_mut(index) {
                entry.1 = new;
            }
        }
    }
    Ok(match changed {
        Some(map) => Node::map(map).with_span(node.span()).with_style(node.style()),
        None => node.clone(),
    })
}

/// The new value, or `None` where nothing changed.
fn value_strings<E>(
    node: &Node,
    shape: Shape,
    engine: Engine,
    f: &mut impl FnMut(&str, Span) -> Result<Option<String>, E>,
) -> Result<Option<Node>, E> {
    match (shape, node.view()) {
        (Shape::Bool | Shape::Int | Shape::Time | Shape::Opaque | Shape::Refused(_), _) => Ok(None),
        (Shape::Struct(ty) | Shape::StringOr(ty), View::Map(_)) => {
            let new = map_strings(node, ty, engine, f)?;
            Ok((new.shared_id() != node.shared_id()).then_some(new))
        }
        (Shape::String | Shape::OneOf(_) | Shape::IntOrString | Shape::StringOr(_), View::Scalar(..)) => {
            scalar(node, f)
        }
        (Shape::List(item), View::Seq(items)) => {
            list(node, items, f, |value, f| value_strings(value, *item, engine, f))
        }
        (Shape::Map(item), View::Map(map)) => entries(node, map, f, |value, f| value_strings(value, *item, engine, f)),
        (Shape::Raw | Shape::RawObject | Shape::RawOf(_), _) => raw(node, f),
        _ => Ok(None),
    }
}

fn raw<E>(node: &Node, f: &mut impl FnMut(&str, Span) -> Result<Option<String>, E>) -> Result<Option<Node>, E> {
    match node.view() {
        View::Scalar(..) => scalar(node, f),
        View::Seq(items) => list(node, items, f, |value, f| raw(value, f)),
        // Decoded into interfaces, a null in a map is nothing to walk, and the copy is made without its key.
        View::Map(map) if map.iter().any(|(_, value)| value.is_null()) => {
            let kept: Map =
                map.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect();
            let kept = Node::map(kept).with_span(node.span()).with_style(node.style());
            Ok(Some(raw(&kept, f)?.unwrap_or(kept)))
        }
        View::Map(map) => entries(node, map, f, |value, f| raw(value, f)),
    }
}

fn scalar<E>(node: &Node, f: &mut impl FnMut(&str, Span) -> Result<Option<String>, E>) -> Result<Option<Node>, E> {
    let text = match node.view() {
        View::Scalar(Tag::Str | Tag::Timestamp, text) if !text.is_empty() => text,
        _ => return Ok(None),
    };
    Ok(f(text, node.span())?.map(|new| Node::str(SmolStr::from(new)).with_span(node.span()).with_style(node.style())))
}

fn list<E, F: FnMut(&str, Span) -> Result<Option<String>, E>>(
    node: &Node,
    items: &[Node],
    f: &mut F,
    mut each: impl FnMut(&Node, &mut F) -> Result<Option<Node>, E>,
) -> Result<Option<Node>, E> {
    let mut changed: Option<Vec<Node>> = None;
    for (index, item) in items.iter().enumerate() {
        if let Some(new) = each(item, f)?
            && let Some(slot) = changed.get_or_insert_with(|| items.to_vec()).get_mut(index)
        {
            *slot = new;
        }
    }
    Ok(changed.map(|items| Node::seq(items).with_span(node.span()).with_style(node.style())))
}

fn entries<E, F: FnMut(&str, Span) -> Result<Option<String>, E>>(
    node: &Node,
    map: &Map,
    f: &mut F,
    mut each: impl FnMut(&Node, &mut F) -> Result<Option<Node>, E>,
) -> Result<Option<Node>, E> {
    let mut renamed = false;
    let mut changed: Option<Map> = None;
    for (index, (key, value)) in map.iter().enumerate() {
        let new_value = each(value, f)?;
        let new_key = scalar(key, f)?;
        if new_key.is_none() && new_value.is_none() {
            continue;
        }
        renamed |= new_key.is_some();
        if let Some(entry) = changed.get_or_insert_with(|| map.clone()).entries_mut().get_mut(index) {
            entry.0 = new_key.unwrap_or_else(|| key.clone());
            entry.1 = new_value.unwrap_or_else(|| value.clone());
        }
    }
    let Some(mut changed) = changed else { return Ok(None) };
    if renamed {
        changed = later_wins(changed);
    }
    Ok(Some(Node::map(changed).with_span(node.span()).with_style(node.style())))
}

fn later_wins(map: Map) -> Map {
    let mut out = Map::with_capacity(map.len());
    for (key, value) in map.iter() {
        match key.text() {
            Some(text) if out.contains(text) => out.insert(text, value.clone()),
            _ => out.push(key.clone(), value.clone()),
        }
    }
    out
}
