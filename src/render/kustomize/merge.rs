//! Strategic merge as kyaml does it (kyaml v0.21.2 yaml/merge2, yaml/walk, yaml/fns.go), its quirks included, because they show:
//!
//! - the whole object is walked, not only what the patch names: lists that merge by key lose entries with a key that comes again later,
//!   empty entries, and nulls that are written as nothing go;
//! - what a patch brings comes first in a list, in the patch's order;
//! - entries without the key, and `$patch: replace` inside a list, have odd effects that follow from how elements are found and set;
//! - a scalar set over a quoted one is quoted, and so becomes a string.
//!
//! Nodes are never copied where nothing changes. Depth is bounded by the reader's limit on nesting.

use super::object::set_key;
use super::openapi::{Schemas, Type};
use crate::yaml::{Dialect, Map, Node, Style, Tag, View, plain_tag};

const DIRECTIVE: &str = "$patch";

/// What became of a value.
enum Out {
    /// It is as it was.
    Keep,
    /// It is gone.
    Gone,
    /// It is this now.
    New(Node),
}

/// `$patch`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// Merges a patch into an object; `None` when the patch deletes it.
///
/// # Errors
/// Values of different shapes meet, or a directive is unknown.
pub(super) fn merge(object: &Node, patch: &Node, schemas: Schemas<'_>) -> Result<Option<Node>, String> {
    Ok(match walk(Some(object), Some(patch), None, schemas)? {
        Out::Keep => Some(object.clone()),
        Out::Gone => None,
        Out::New(node) => Some(node),
    })
}

fn shape(node: &Node) -> u8 {
    match node.view() {
        View::Scalar(..) => 0,
        View::Seq(_) => 1,
        View::Map(_) => 2,
    }
}

fn walk(dest: Option<&Node>, patch: Option<&Node>, ty: Option<Type<'_>>, schemas: Schemas<'_>) -> Result<Out, String> {
    let live = |node: Option<&Node>| node.is_some_and(|node| !node.is_null());
    let ty = ty.or_else(|| dest.and_then(|node| schemas.of(node))).or_else(|| patch.and_then(|node| schemas.of(node)));
    let first = [dest, patch].into_iter().flatten().find(|node| !node.is_null());
    let Some(first) = first else {
        // Nothing but nulls: one that is written out stays, one that is implied goes.
        return Ok(match (dest, patch) {
            (Some(null), None) if !null.text().unwrap_or_default().is_empty() => Out::Keep,
            _ => Out::Gone,
        });
    };
    if let (Some(dest), Some(patch)) = (dest, patch)
        && live(Some(dest))
        && live(Some(patch))
        && shape(dest) != shape(patch)
    {
        return Err(format!("the patch has {} where the object has {}", patch.what(), dest.what()));
    }
    match first.view() {
        View::Scalar(..) => Ok(match patch {
            Some(patch) if patch.is_null() => Out::Gone,
            Some(patch) => Out::New(patch.clone()),
            None => Out::Keep,
        }),
        View::Map(_) => walk_map(dest.filter(|node| !node.is_null()), patch, ty, schemas),
        View::Seq(_) => match ty.and_then(|ty| ty.merge_keys().map(|keys| (ty, keys))) {
            Some((ty, keys)) => walk_list(dest.filter(|node| !node.is_null()), patch, ty, &keys, schemas),
            None => Ok(match patch {
                Some(patch) if patch.is_null() => Out::Gone,
                Some(patch) => Out::New(patch.clone()),
                None => Out::Keep,
            }),
        },
    }
}

fn walk_map(
    dest: Option<&Node>,
    patch: Option<&Node>,
    ty: Option<Type<'_>>,
    schemas: Schemas<'_>,
) -> Result<Out, String> {
    let Some(dest) = dest else {
        let Some(patch) = patch else { return Ok(Out::Gone) };
        // An unknown directive is no error here.
        let (directive, patch) = map_directive(patch).unwrap_or((Directive::Merge, patch.clone()));
        if directive == Directive::Delete {
            return Ok(Out::Gone);
        }
        // What is new is merged with itself, which cleans it of nulls and directives.
        return Ok(match merge_map(&patch, Some(&patch), ty, schemas)? {
            Out::Keep => Out::New(with_ambiguous_quoted(patch)),
            Out::New(new) => Out::New(with_ambiguous_quoted(new)),
            Out::Gone => Out::Gone,
        });
    };
    match patch {
        None => merge_map(dest, None, ty, schemas),
        Some(patch) if patch.is_null() => Ok(Out::Gone),
        Some(patch) => {
            let (directive, patch) = map_directive(patch)?;
            match directive {
                Directive::Delete => Ok(Out::Gone),
                Directive::Merge => merge_map(dest, Some(&patch), ty, schemas),
                Directive::Replace => Ok(match merge_map(&patch, Some(&patch), ty, schemas)? {
                    Out::Keep => Out::New(patch),
                    other => other,
                }),
            }
        }
    }
}

/// The directive of a mapping, and the mapping without it.
fn map_directive(patch: &Node) -> Result<(Directive, Node), String> {
    let Some(word) = patch.get(DIRECTIVE) else { return Ok((Directive::Merge, patch.clone())) };
    let directive = directive(word.text().unwrap_or_default())?;
    let mut rest = patch.clone();
    if let Some(map) = rest.map_mut() {
        map.remove(DIRECTIVE);
    }
    Ok((directive, rest))
}

fn directive(word: &str) -> Result<Directive, String> {
    match word {
        "merge" => Ok(Directive::Merge),
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        _ => Err(format!("unknown patch strategy `{word}`")),
    }
}

fn merge_map(dest: &Node, patch: Option<&Node>, ty: Option<Type<'_>>, schemas: Schemas<'_>) -> Result<Out, String> {
    let (Some(entries), patch) = (dest.as_map(), patch.and_then(Node::as_map)) else { return Ok(Out::Keep) };
    let mut changes: Vec<(usize, Out)> = Vec::new();
    for (at, (key, value)) in entries.iter().enumerate() {
        let Some(name) = key.text() else { continue };
        let theirs = patch.and_then(|patch| patch.get(name));
        match walk(Some(value), theirs, ty.and_then(|ty| ty.field(name)), schemas)? {
            Out::Keep if is_ambiguous(value) => {
                changes.push((at, Out::New(value.clone().with_style(Style::DoubleQuoted))));
            }
            Out::Keep => {}
            Out::New(new) => changes.push((at, Out::New(restyled(new, value.style())))),
            Out::Gone => changes.push((at, Out::Gone)),
        }
    }
    let mut added = Vec::new();
    for (key, value) in patch.into_iter().flat_map(Map::iter) {
        let Some(name) = key.text().filter(|name| !entries.contains(name)) else { continue };
        match walk(None, Some(value), ty.and_then(|ty| ty.field(name)), schemas)? {
            Out::Keep | Out::Gone => {}
            Out::New(new) if is_ambiguous(&new) => added.push((key.clone(), new.with_style(Style::DoubleQuoted))),
            Out::New(new) => added.push((key.clone(), new)),
        }
    }
    if changes.is_empty() && added.is_empty() {
        return Ok(Out::Keep);
    }
    let mut copy = dest.clone();
    if let Some(map) = copy.map_mut() {
        let entries = map.entries_mut();
        let mut gone = Vec::new();
        for (at, change) in changes {
            match (change, entries.get_mut(at)) {
                (Out::New(new), Some(slot)) => slot.1 = new,
                _ => gone.push(at),
            }
        }
        let mut at = 0;
        entries.retain(|_| {
            at += 1;
            gone.binary_search(&(at - 1)).is_err()
        });
        added.sort_by(|a, b| a.0.text().cmp(&b.0.text()));
        entries.extend(added);
    }
    Ok(Out::New(copy))
}

/// A plain string that go-yaml v2 would read as something else: walking over it puts it in quotes, which shows when another patch
/// writes over it.
fn is_ambiguous(node: &Node) -> bool {
    match node.view() {
        View::Scalar(Tag::Str, text) if node.style() == Style::Plain => plain_tag(Dialect::V2, text) != Tag::Str,
        _ => false,
    }
}

/// A new mapping as merging it with itself leaves it: see [`is_ambiguous`].
fn with_ambiguous_quoted(mut node: Node) -> Node {
    for (_, value) in node.map_mut().into_iter().flat_map(|map| map.entries_mut().iter_mut()) {
        if is_ambiguous(value) {
            *value = value.clone().with_style(Style::DoubleQuoted);
        } else if value.as_map().is_some() {
            *value = with_ambiguous_quoted(value.clone());
        }
    }
    node
}

/// A value in the style of the one it takes the place of: quotes make a string of what would read as its own tag.
pub(super) fn restyled(node: Node, style: Style) -> Node {
    let Some(tag) = node.tag() else { return node.with_style(style) };
    match (style, node.smol()) {
        (Style::SingleQuoted | Style::DoubleQuoted | Style::Literal | Style::Folded, Some(text)) => {
            let tag = if matches!(tag, Tag::Binary) { tag } else { Tag::Str };
            Node::scalar(tag, text).with_style(style).with_span(node.span())
        }
        _ => node.with_style(style),
    }
}

// Lists that merge by key.

/// The text of a scalar; empty for collections, as yaml.Node has it.
fn raw(node: &Node) -> &str {
    node.text().unwrap_or_default()
}

/// The directive of a list (an entry `$patch: …` alone), and the list without entries of that directive.
fn list_directive(patch: &Node) -> Result<(Directive, Vec<Node>), String> {
    let items = patch.as_seq().unwrap_or_default();
    let entry = items.iter().find(|item| item.get(DIRECTIVE).is_some_and(|word| !word.is_null()));
    let Some(entry) = entry.filter(|entry| entry.as_map().is_some_and(|map| map.len() == 1)) else {
        return Ok((Directive::Merge, items.to_vec()));
    };
    let word = entry.get(DIRECTIVE).map(raw).unwrap_or_default();
    let directive = directive(word)?;
    let mut rest = items.to_vec();
    set_element(&mut rest, None, &[DIRECTIVE], &[word.to_owned()])?;
    Ok((directive, rest))
}

fn walk_list(
    dest: Option<&Node>,
    patch: Option<&Node>,
    ty: Type<'_>,
    keys: &[&str],
    schemas: Schemas<'_>,
) -> Result<Out, String> {
    let span = dest.or(patch).map(|node| (node.span(), node.style()));
    let (dest_items, patch_items, same) = match (dest, patch) {
        (None, None) => return Ok(Out::Gone),
        (Some(_), Some(patch)) if patch.is_null() => return Ok(Out::Gone),
        (Some(dest), None) => (dest.as_seq().unwrap_or_default().to_vec(), Vec::new(), false),
        (Some(dest), Some(patch)) => {
            let (directive, rest) = list_directive(patch)?;
            match directive {
                Directive::Delete => return Ok(Out::Gone),
                Directive::Merge => (dest.as_seq().unwrap_or_default().to_vec(), rest, false),
                Directive::Replace => (rest.clone(), rest, true),
            }
        }
        (None, Some(patch)) => {
            let items = patch.as_seq().unwrap_or_default().to_vec();
            (items.clone(), items, true)
        }
    };
    let merged = List { dest: dest_items, patch: patch_items, same, ty: ty.items(), schemas }.merge(keys)?;
    let unchanged = dest
        .and_then(Node::as_seq)
        .is_some_and(|items| items.len() == merged.len() && items.iter().zip(&merged).all(|(a, b)| same_node(a, b)));
    if unchanged {
        return Ok(Out::Keep);
    }
    let node = Node::seq(merged);
    Ok(Out::New(match span {
        Some((span, style)) => node.with_span(span).with_style(style),
        None => node,
    }))
}

/// Whether two nodes are one, cheaply: shared collections, equal scalars.
fn same_node(a: &Node, b: &Node) -> bool {
    match (a.shared_id(), b.shared_id()) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a == b && a.style() == b.style(),
        _ => false,
    }
}

struct List<'s> {
    dest: Vec<Node>,
    patch: Vec<Node>,
    /// Both are one list, as where a patch brings it anew.
    same: bool,
    ty: Option<Type<'s>>,
    schemas: Schemas<'s>,
}

impl List<'_> {
    fn merge(mut self, keys: &[&str]) -> Result<Vec<Node>, String> {
        let (keys, values) =
            if keys.is_empty() { (vec![""], self.primitive_values()) } else { (keys.to_vec(), self.key_values(keys)) };
        self.merge_elements(&keys, values)
    }

    /// The distinct key values, those of the patch first.
    fn key_values(&self, keys: &[&str]) -> Vec<Vec<String>> {
        let mut found: Vec<Vec<String>> = Vec::new();
        let mut seen = rustc_hash::FxHashSet::default();
        for item in self.patch.iter().chain(&self.dest) {
            let value = |key: &&str| {
                let node = item.get(key).filter(|node| !super::object::is_nil_or_empty(node));
                node.map(raw).unwrap_or_default().to_owned()
            };
            let values: Vec<String> = keys.iter().map(value).collect();
            if seen.insert(values.clone()) {
                found.push(values);
            }
        }
        found
    }

    fn primitive_values(&self) -> Vec<Vec<String>> {
        let mut seen = rustc_hash::FxHashSet::default();
        let texts = self.patch.iter().chain(&self.dest).map(raw);
        texts.filter(|text| seen.insert(*text)).map(|text| vec![text.to_owned()]).collect()
    }

    fn merge_elements(&mut self, keys: &[&str], mut values: Vec<Vec<String>>) -> Result<Vec<Node>, String> {
        if keys.len() > 1 {
            unify(&mut values);
        }
        // Keys that any element has; the first for all when none has any.
        let valid: Vec<usize> = {
            let used: Vec<usize> =
                (0..keys.len()).filter(|at| values.iter().any(|v| v.get(*at).is_some_and(|v| !v.is_empty()))).collect();
            if used.is_empty() { (0..keys.len()).collect() } else { used }
        };
        let valid_keys: Vec<&str> = valid.iter().filter_map(|at| keys.get(*at).copied()).collect();
        let mut added: Vec<Node> = Vec::new();
        for all in &values {
            let wanted: Vec<String> = valid.iter().map(|at| all.get(*at).cloned().unwrap_or_default()).collect();
            let (place, merged) = self.merge_one(&valid_keys, &wanted)?;
            let Some(mut merged) =
                merged.filter(|node| !node.is_null() && node.as_map().is_none_or(|map| !map.is_empty()))
            else {
                set_element(&mut self.dest, None, &valid_keys, &wanted)?;
                continue;
            };
            for (key, value) in valid_keys.iter().zip(&wanted) {
                if key.is_empty() {
                    if !value.is_empty() {
                        merged = super::object::retexted(&merged, value);
                    }
                } else if merged.get(key).is_none() && !value.is_empty() {
                    let node = super::object::retexted(&Node::str(""), value);
                    if let Some(map) = merged.map_mut() {
                        set_key(map, key, node);
                    }
                }
            }
            if let Some(slot) = place.and_then(|at| self.dest.get_mut(at)) {
                slot.clone_from(&merged);
            }
            set_element(&mut added, Some(&merged), &valid_keys, &wanted)?;
        }
        if values.is_empty() {
            return Ok(std::mem::take(&mut self.dest));
        }
        append_rest(added, &self.dest, &valid_keys)
    }

    /// Merges the elements that have these key values: the result, and where in `dest` it also lives.
    fn merge_one(&self, keys: &[&str], values: &[String]) -> Result<(Option<usize>, Option<Node>), String> {
        // Keys without a value do not count here, unless none has one.
        let (mut keys, mut values) = (keys.to_vec(), values.to_vec());
        if values.iter().any(|value| !value.is_empty()) {
            let mut used = values.iter().map(|value| !value.is_empty());
            keys.retain(|_| used.next().unwrap_or(false));
            values.retain(|value| !value.is_empty());
        }
        let at = find_element(&self.dest, &keys, &values);
        let dest = at.and_then(|at| self.dest.get(at));
        let patch =
            if self.same { dest } else { find_element(&self.patch, &keys, &values).and_then(|at| self.patch.get(at)) };
        // `$patch: replace` gives the patch's element, but the list keeps its own.
        let replaced = patch.and_then(|patch| patch.get(DIRECTIVE)).is_some_and(|word| raw(word) == "replace");
        let place = if replaced && !self.same { None } else { at };
        Ok(match walk(dest, patch, self.ty, self.schemas)? {
            Out::Keep => (place, dest.cloned()),
            Out::Gone => (place, None),
            Out::New(node) => (place, Some(node)),
        })
    }
}

/// Key values that agree where both have one become one (`mergeValues`).
fn unify(values: &mut [Vec<String>]) {
    for i in 0..values.len() {
        let first = values[i].clone();
        for j in 0..values.len() {
            if let Some(both) = unified(&first, &values[j]) {
                values[i].clone_from(&both);
                values[j] = both;
            }
        }
    }
}

fn unified(a: &[String], b: &[String]) -> Option<Vec<String>> {
    let mut common = false;
    let mut both = Vec::with_capacity(a.len());
    for (x, y) in a.iter().zip(b) {
        if x == y {
            common = true;
        } else if !x.is_empty() && !y.is_empty() {
            return None;
        }
        both.push(if x.is_empty() { y.clone() } else { x.clone() });
    }
    (common && a.len() == b.len()).then_some(both)
}

/// The first element with these key values (kyaml `ElementMatcher`).
fn find_element(items: &[Node], keys: &[&str], values: &[String]) -> Option<usize> {
    if keys.first().is_none_or(|key| key.is_empty()) {
        let wanted = values.first().map(String::as_str).unwrap_or_default();
        return items.iter().position(|item| raw(item) == wanted);
    }
    items.iter().position(|item| {
        item.as_map().is_some()
            && keys.iter().zip(values).all(|(key, value)| item.get(key).is_some_and(|node| raw(node) == value))
    })
}

/// Sets, replaces or (without `element`) removes the elements with these key values (kyaml `ElementSetter`). Empty elements go; with fewer
/// values than keys everything else goes too.
fn set_element(items: &mut Vec<Node>, element: Option<&Node>, keys: &[&str], values: &[String]) -> Result<(), String> {
    let for_maps =
        keys.first().is_some_and(|key| !key.is_empty()) && values.first().is_some_and(|value| !value.is_empty());
    let mut found_any = false;
    let mut kept = Vec::with_capacity(items.len() + 1);
    for item in items.drain(..) {
        if item.is_null() || item.as_map().is_some_and(Map::is_empty) {
            continue;
        }
        if for_maps && item.as_map().is_none() {
            kept.push(item);
            continue;
        }
        let mut matched = false;
        let mut found = true;
        for (at, key) in keys.iter().enumerate() {
            if let Some(value) = values.get(at) {
                matched = if key.is_empty() {
                    if !item.is_scalar() {
                        return Err(format!("expected a scalar in the list, found {}", item.what()));
                    }
                    raw(&item) == value
                } else {
                    if item.as_map().is_none() {
                        return Err(format!("expected a mapping in the list, found {}", item.what()));
                    }
                    // An empty value matches any.
                    item.get(key).is_some_and(|node| value.is_empty() || raw(node) == value)
                };
            }
            if !matched {
                found = false;
                break;
            }
        }
        if !found {
            if !values.is_empty() {
                kept.push(item);
            }
            continue;
        }
        found_any = true;
        kept.extend(element.cloned());
    }
    if let Some(element) = element.filter(|_| !found_any) {
        kept.push(element.clone());
    }
    *items = kept;
    Ok(())
}

/// Adds what only the object has behind what the patch brought (`appendListNode`).
fn append_rest(mut list: Vec<Node>, rest: &[Node], keys: &[&str]) -> Result<Vec<Node>, String> {
    // The usual case without a quadratic step: all have all keys, no two are equal, none is empty.
    if let Some(fast) = append_distinct(&list, rest, keys) {
        return Ok(fast);
    }
    for element in rest {
        if keys.first().is_some_and(|key| key.is_empty()) {
            set_element(&mut list, Some(element), &[""], &[raw(element).to_owned()])?;
            continue;
        }
        let mut values = Vec::new();
        for key in keys {
            if element.is_scalar() && !element.is_null() || element.as_seq().is_some() {
                return Err(format!("expected a mapping in the list, found {}", element.what()));
            }
            match element.get(key) {
                Some(node) => values.push(raw(node).to_owned()),
                None => list.push(element.clone()),
            }
        }
        if keys.len() > 1 {
            set_element(&mut list, None, keys, &values)?;
        }
        set_element(&mut list, Some(element), keys, &values)?;
    }
    Ok(list)
}

fn append_distinct(list: &[Node], rest: &[Node], keys: &[&str]) -> Option<Vec<Node>> {
    let [key] = keys else { return None };
    let value = |node: &Node| -> Option<String> {
        let text = if key.is_empty() { node.text()? } else { node.get(key)?.text()? };
        if text.is_empty() || node.is_null() { None } else { Some(text.to_owned()) }
    };
    let mut places = rustc_hash::FxHashMap::default();
    let mut result = list.to_vec();
    for (at, node) in list.iter().enumerate() {
        if places.insert(value(node)?, at).is_some() {
            return None;
        }
    }
    let mut seen = rustc_hash::FxHashSet::default();
    for node in rest {
        let value = value(node)?;
        if !seen.insert(value.clone()) {
            return None;
        }
        match places.get(&value).and_then(|at| result.get_mut(*at)) {
            Some(slot) => slot.clone_from(node),
            None => result.push(node.clone()),
        }
    }
    Some(result)
}
