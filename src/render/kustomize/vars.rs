//! `vars`: `$(NAME)` in certain fields stands for a field of an object (api/filters/refvar, api/internal/accumulator).

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::config::Config;
use super::fieldspec::{Leaf, split_field_path};
use super::file::Var;
use super::lookup::lookup;
use super::object::{Id, Object, string_value};
use super::objects::Objects;
use crate::diag::Diagnostic;
use crate::yaml::{self, Dialect, Node, Number, Style, Tag, View, plain_tag};

/// Adds vars of a kustomization, and marks the objects that they read from.
///
/// # Errors
/// A var is there already, or several objects fit it.
pub(super) fn add(vars: &mut Vec<Var>, objects: &mut Objects, new: &[Var]) -> Result<(), Box<Diagnostic>> {
    for var in new {
        let wanted =
            Id { gvk: var.gvk.clone(), name: var.object.clone(), namespace: var.namespace.clone(), cluster: false };
        let fits = |id: &Id| {
            id.gvk == wanted.gvk
                && id.name == wanted.name
                && (wanted.namespace.is_empty() || id.effective_namespace() == wanted.effective_namespace())
        };
        let places: Vec<usize> = objects
            .list()
            .iter()
            .enumerate()
            .filter(|(_, object)| !object.is_empty() && object.all_ids().any(|id| fits(&id)))
            .map(|(at, _)| at)
            .collect();
        match places.as_slice() {
            [] => {}
            [at] => {
                if let Some(object) = objects.bodies_mut().get_mut(*at) {
                    object.vars.push(var.name.clone());
                }
            }
            several => {
                let text = format!("{} objects match the var `{}` (unable to disambiguate)", several.len(), var.name);
                return Err(Box::new(
                    Diagnostic::error("kustomize/var", var.span, text).hint("add a `namespace` to its `objref`"),
                ));
            }
        }
    }
    merge(vars, new)
}

/// Adds vars of a base.
///
/// # Errors
/// A var is there already.
pub(super) fn merge(vars: &mut Vec<Var>, new: &[Var]) -> Result<(), Box<Diagnostic>> {
    for var in new {
        if let Some(there) = vars.iter().find(|there| there.name == var.name) {
            return Err(Box::new(
                Diagnostic::error("kustomize/var", var.span, format!("var `{}` already encountered", var.name))
                    .label(there.span, "first here"),
            ));
        }
        vars.push(var.clone());
    }
    Ok(())
}

/// Puts the values of all vars where they are asked for.
///
/// # Errors
/// A var has no object or no field, or is asked for in a field that holds no texts.
pub(super) fn resolve(objects: &mut Objects, vars: &[Var], config: &Config) -> Result<(), Box<Diagnostic>> {
    if vars.is_empty() {
        return Ok(());
    }
    let mut values = BTreeMap::new();
    for var in vars {
        values.insert(var.name.clone(), value_of(var, objects.list())?);
    }
    for object in objects.list_mut() {
        for field in &config.var_reference {
            if !field.matches(&object.id().gvk) {
                continue;
            }
            let new = field.rewrite(&object.body, Leaf::Never, &mut |node| replace(node, &values)).map_err(|why| {
                Box::new(Diagnostic::error("kustomize/var", object.span, format!("{}: {why}", object.id())))
            })?;
            if let Some(new) = new {
                object.body = new;
                object.settle_shared();
                object.refresh();
            }
        }
    }
    Ok(())
}

fn value_of(var: &Var, objects: &[Object]) -> Result<Value, Box<Diagnostic>> {
    let fail = |text: String| Box::new(Diagnostic::error("kustomize/var", var.span, text));
    let Some(object) = objects.iter().find(|object| object.vars.contains(&var.name)) else {
        return Err(fail(format!("var `{}` cannot be mapped to a field in the set of known resources", var.name)));
    };
    let path = slice_indexes(split_field_path(&var.field_path));
    let missing = || fail(format!("field `{}` of var `{}` not found in {}", var.field_path, var.name, object.id()));
    let node = lookup(&object.body, &path).ok().flatten().ok_or_else(missing)?;
    let text = node.text().unwrap_or_default();
    Ok(match (node.view(), node.number()) {
        (View::Scalar(Tag::Int, _), Some(Number::Int(value))) => Value::Scalar(Tag::Int, value.to_string().into()),
        (View::Scalar(Tag::Float, _), Some(number)) => Value::Float(number.as_f64()),
        (View::Scalar(Tag::Bool, _), _) => {
            Value::Scalar(Tag::Bool, if node.as_bool().unwrap_or_default() { "true" } else { "false" }.into())
        }
        (View::Scalar(..), _) => Value::Scalar(Tag::Str, text.into()),
        _ => Value::Other,
    })
}

/// `ports[0]` is `ports`, `0`.
fn slice_indexes(parts: Vec<String>) -> Vec<String> {
    let mut path = Vec::new();
    for part in parts {
        let inner = part.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
        match inner {
            Some((name, index)) if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) => {
                if !name.is_empty() {
                    path.push(name.to_owned());
                }
                path.push(index.to_owned());
            }
            _ => path.push(part),
        }
    }
    path
}

/// The value of a var.
#[derive(Clone, Debug)]
enum Value {
    Scalar(Tag, SmolStr),
    Float(f64),
    /// A list or a mapping: cannot be put into a text, and is not.
    Other,
}

impl Value {
    /// As Go's `%v` prints it.
    fn text(&self) -> Option<String> {
        match self {
            Value::Scalar(_, text) => Some(text.to_string()),
            // `%v` goes on without exponent up to 21 digits, like JSON, but starts one below 1e-4.
            Value::Float(value) if (1e-4..1e21).contains(&value.abs()) || *value == 0.0 => yaml::json_float(*value),
            Value::Float(value) => Some(yaml::go_float(*value)),
            Value::Other => None,
        }
    }

    fn node(&self) -> Option<Node> {
        match self {
            Value::Scalar(tag, text) => Some(Node::scalar(*tag, text.clone())),
            Value::Float(value) => {
                let text = format!("{value}");
                // Written without exponent and tagged a float, a whole number is still read as one.
                Some(Node::scalar(Tag::Float, text))
            }
            Value::Other => None,
        }
    }
}

fn replace(node: &Node, values: &BTreeMap<SmolStr, Value>) -> Result<Option<Node>, String> {
    match node.view() {
        View::Scalar(..) => Ok(string_value(node).and_then(|text| expand(text, node, values))),
        View::Map(map) => {
            let mut changed: Option<Node> = None;
            for (at, (key, value)) in map.iter().enumerate() {
                if key.tag() != Some(Tag::Str) {
                    return Err(format!("invalid map key `{}`", key.text().unwrap_or_default()));
                }
                let Some(text) = string_value(value) else { continue };
                if let Some(new) = expand(text, value, values)
                    && let Some(slot) = changed
                        .get_or_insert_with(|| node.clone())
                        .map_mut()
                        .and_then(|map| map.entries_mut().get_mut(at))
                {
                    slot.1 = new;
                }
            }
            Ok(changed)
        }
        View::Seq(items) => {
            let mut changed: Option<Node> = None;
            for (at, item) in items.iter().enumerate() {
                let Some(text) = string_value(item) else {
                    return Err(format!("expected a string in the list, found {}", item.what()));
                };
                if let Some(new) = expand(text, item, values)
                    && let Some(slot) =
                        changed.get_or_insert_with(|| node.clone()).seq_mut().and_then(|i| i.get_mut(at))
                {
                    *slot = new;
                }
            }
            Ok(changed)
        }
    }
}

/// A text with its `$(NAME)`s replaced; `None` when nothing changes. A text that is one name takes the value's type.
fn expand(text: &str, node: &Node, values: &BTreeMap<SmolStr, Value>) -> Option<Node> {
    if !text.contains('$') {
        // What is looked at becomes a string.
        return (node.style() == Style::Untyped).then(|| Node::str(text).with_span(node.span()));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        match after.chars().next() {
            None => {
                rest = from;
                break;
            }
            Some('$') => {
                out.push('$');
                rest = after.get(1..).unwrap_or_default();
            }
            Some('(') => match after.split_once(')') {
                Some((name, tail)) => {
                    let name = name.get(1..).unwrap_or_default();
                    let value = values.get(name);
                    if text.len() == name.len() + 3
                        && let Some(new) = value.and_then(Value::node)
                    {
                        return Some(new.with_span(node.span()));
                    }
                    match value.and_then(Value::text) {
                        Some(value) => out.push_str(&value),
                        None => {
                            out.push_str("$(");
                            out.push_str(name);
                            out.push(')');
                        }
                    }
                    rest = tail;
                }
                None => {
                    out.push_str("$(");
                    rest = after.get(1..).unwrap_or_default();
                }
            },
            Some(c) => {
                out.push('$');
                out.push(c);
                rest = after.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    if out == text && plain_tag(Dialect::V3, text) == Tag::Str {
        return None;
    }
    Some(Node::str(out).with_span(node.span()).with_style(Style::Plain))
}
