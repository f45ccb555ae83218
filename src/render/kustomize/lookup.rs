//! Paths of fields in replacements and vars: `.`-separated keys, `[name=value]`, `[=value]`, indexes, `-` and `*` (kyaml yaml/fns.go, yaml/match.go).
//!
//! Reading finds exactly one field, with exact values. Writing finds all that match, where values are regular expressions that may match
//! anywhere in the text, and may make what is missing.

use regex::Regex;

use super::object::{set_key, untyped};
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Map, Node, View, emit};

/// The field at a path; `None` where there is none.
///
/// # Errors
/// The path meets a value of another shape.
pub(super) fn lookup<'n>(node: &'n Node, path: &[String]) -> Result<Option<&'n Node>, String> {
    let mut here = node;
    for part in path.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        let next = if let Ok(at) = part.parse::<i64>() {
            let at = usize::try_from(at).map_err(|_| format!("array index {at} cannot be negative"))?;
            list(here)?.get(at)
        } else if part == "-" {
            list(here)?.last()
        } else if part == "*" {
            return Err("`*` cannot be used to read a field".to_owned());
        } else if is_list_index(part) {
            let (key, value) = index_parts(part)?;
            let text = |node: &Node| node.text().unwrap_or_default() == value;
            list(here)?.iter().find(|item| if key.is_empty() { text(item) } else { item.get(key).is_some_and(text) })
        } else if here.is_null() {
            None
        } else {
            here.as_map()
                .ok_or_else(|| format!("expected a mapping to find `{part}` in, found {}", here.what()))?
                .get(part)
        };
        match next {
            Some(next) => here = next,
            None => return Ok(None),
        }
    }
    Ok(Some(here))
}

fn list(node: &Node) -> Result<&[Node], String> {
    if node.is_null() {
        return Ok(&[]);
    }
    node.as_seq().ok_or_else(|| format!("expected a list, found {}", node.what()))
}

fn is_list_index(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

fn is_index(part: &str) -> bool {
    part.parse::<u32>().is_ok()
}

/// Key and value of `[key=value]`.
fn index_parts(part: &str) -> Result<(&str, &str), String> {
    let inner = part.strip_suffix(']').unwrap_or(part);
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    inner.split_once('=').ok_or_else(|| format!("`{part}` must be written [key=value]"))
}

/// What is made where a path leads to nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    List,
    Mapping,
}

impl Shape {
    /// The shape of a value.
    pub(super) fn of(node: &Node) -> Self {
        match node.view() {
            View::Scalar(..) => Shape::Scalar,
            View::Seq(_) => Shape::List,
            View::Map(_) => Shape::Mapping,
        }
    }

    fn empty(self) -> Node {
        match self {
            Shape::Scalar => Node::null(),
            Shape::List => Node::seq(Vec::new()),
            Shape::Mapping => Node::map(Map::new()),
        }
    }
}

/// What becomes of a field that was found; `true` says that it was just made.
pub(super) type Set<'f> = dyn FnMut(&Node, bool) -> Result<Node, String> + 'f;

/// Writes all fields that a path matches.
pub(super) struct Writer<'f> {
    /// Make missing fields, the last one in this shape.
    pub create: Option<Shape>,
    /// Gives the new value.
    pub set: &'f mut Set<'f>,
    /// How many fields were written.
    pub hits: usize,
    /// Inside the data that a text holds: fields are found there, but what is written into them is lost.
    pub detached: bool,
}

impl Writer<'_> {
    /// The node with all matching fields written; `None` when none matched.
    ///
    /// # Errors
    /// The path meets a value of another shape, or a value is refused.
    pub(super) fn write(&mut self, node: &Node, path: &[String]) -> Result<Option<Node>, String> {
        self.write_at(node, path, false)
    }

    fn write_at(&mut self, node: &Node, path: &[String], made: bool) -> Result<Option<Node>, String> {
        // Empty parts, as before a leading dot, do not count.
        let mut path = path;
        while let Some((_, rest)) = path.split_first().filter(|(part, _)| part.trim().is_empty()) {
            path = rest;
        }
        let Some((part, rest)) = path.split_first() else {
            self.hits += 1;
            if self.detached {
                return Ok(None);
            }
            return (self.set)(node, made).map(Some);
        };
        if is_index(part) {
            return self.write_index(node, part, rest);
        }
        if is_list_index(part) {
            return self.write_matching(node, part, rest);
        }
        if part == "*" {
            let items = list(node)?;
            return self.write_items(node, items.len(), rest, |_| Ok(true));
        }
        self.write_field(node, part, rest)
    }

    /// What stands for the next part of a path when it has to be made.
    fn missing(&self, rest: &[String]) -> Option<Node> {
        let last = self.create?;
        Some(match rest.first() {
            Some(next) if is_list_index(next) || is_index(next) => Shape::List.empty(),
            Some(_) => Shape::Mapping.empty(),
            None => last.empty(),
        })
    }

    fn write_field(&mut self, node: &Node, part: &str, rest: &[String]) -> Result<Option<Node>, String> {
        if !node.is_null() && node.as_map().is_none() {
            return Err(format!("expected a mapping to find `{part}` in, found {}", node.what()));
        }
        let new = match node.get(part) {
            Some(field) if field.is_scalar() && !rest.is_empty() => {
                return self.find_inside_text(part, field, rest);
            }
            Some(field) => self.write_at(field, rest, false)?,
            None => match self.missing(rest) {
                Some(made) => self.write_at(&made, rest, true)?,
                None => None,
            },
        };
        Ok(new.map(|new| {
            let mut copy = if node.is_null() { Shape::Mapping.empty() } else { node.clone() };
            if let Some(map) = copy.map_mut() {
                set_key(map, part, new);
            }
            copy
        }))
    }

    /// A path that goes on in a text is looked for in the YAML that the text is; the text stays as it is
    /// (kyaml `handleStructuredDataInScalar`).
    fn find_inside_text(&mut self, part: &str, field: &Node, rest: &[String]) -> Result<Option<Node>, String> {
        let text = field.text().unwrap_or_default();
        let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V3, &Limits::default());
        let document = match (parsed.documents.into_iter().next(), parsed.error) {
            (Some(document), _) => document.root,
            (None, None) => Node::null(),
            (None, Some(_)) => {
                return Err(format!("`{part}` is {}, so nothing in it can be found", field.what()));
            }
        };
        let outer = std::mem::replace(&mut self.detached, true);
        let found = self.write_at(&document, rest, false);
        self.detached = outer;
        found.map(|_| None)
    }

    fn write_index(&mut self, node: &Node, part: &str, rest: &[String]) -> Result<Option<Node>, String> {
        let items = list(node)?;
        let at: usize = part.parse().map_err(|_| format!("`{part}` is no index"))?;
        let mut copy = node.clone();
        let new = match items.get(at) {
            Some(item) => self.write_at(item, rest, false)?,
            None => match self.missing(rest).filter(|_| at == items.len()) {
                Some(made) => {
                    if let Some(items) = copy.seq_mut() {
                        items.push(Node::null());
                    }
                    self.write_at(&made, rest, true)?
                }
                None => return Err(format!("index {at} specified but only {} elements found", items.len())),
            },
        };
        let Some(new) = new else { return Ok(None) };
        if let Some(slot) = copy.seq_mut().and_then(|items| items.get_mut(at)) {
            *slot = new;
        }
        Ok(Some(copy))
    }

    fn write_items(
        &mut self,
        node: &Node,
        len: usize,
        rest: &[String],
        wanted: impl Fn(&Node) -> Result<bool, String>,
    ) -> Result<Option<Node>, String> {
        let mut changed: Option<Node> = None;
        for at in 0..len {
            let Some(item) = node.as_seq().and_then(|items| items.get(at)) else { continue };
            if !wanted(item)? {
                continue;
            }
            if let Some(new) = self.write_at(item, rest, false)?
                && let Some(slot) = changed.get_or_insert_with(|| node.clone()).seq_mut().and_then(|i| i.get_mut(at))
            {
                *slot = new;
            }
        }
        Ok(changed)
    }

    fn write_matching(&mut self, node: &Node, part: &str, rest: &[String]) -> Result<Option<Node>, String> {
        let (key, pattern) = index_parts(part)?;
        let regex = Regex::new(pattern).map_err(|_| format!("`{pattern}` is no valid regular expression"))?;
        let matches = |item: &Node| -> Result<bool, String> {
            if key.is_empty() {
                return Ok(regex.is_match(&text_of(item)));
            }
            Ok(item.get(key).is_some_and(|value| regex.is_match(&text_of(value))))
        };
        let items = list(node)?;
        // What stands behind a scalar element's match is not looked at.
        let rest = if key.is_empty() { &[] } else { rest };
        let before = self.hits;
        let changed = self.write_items(node, items.len(), rest, matches)?;
        if self.hits > before || self.create.is_none() {
            return Ok(changed);
        }
        let element = if key.is_empty() {
            untyped(pattern)
        } else {
            let mut map = Map::new();
            map.insert(key, untyped(pattern));
            Node::map(map)
        };
        if !matches(&element)? {
            return Err(format!("cannot create an element for `{part}`: it would not match itself"));
        }
        let mut copy = if node.is_null() { Shape::List.empty() } else { node.clone() };
        let new = self.write_at(&element, rest, true)?;
        if let Some(items) = copy.seq_mut() {
            items.push(new.unwrap_or(element));
        }
        Ok(Some(copy))
    }
}

/// A value as go-yaml v3 writes it, quotes included, which is what patterns are compared with.
fn text_of(node: &Node) -> String {
    emit::to_yaml_v3(node).trim().to_owned()
}
