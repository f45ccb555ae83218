//! Strategic merge as kyaml does it (kyaml v0.21.2 yaml/merge2, yaml/walk, yaml/fns.go), its quirks included, because they show:
//!
//! - the whole object is walked, not only what the patch names: lists that merge by key lose entries with a key that comes again later,
//!   empty entries, and nulls that are written as nothing go;
//! - what a patch brings comes first in a list, in the patch's order;
//! - entries without the key, and `$patch: replace` inside a list, have odd effects that follow from how elements are found and set;
//! - a scalar set over a quoted one is quoted, and so becomes a string.
//!
//! Nodes are never copied where nothing changes. Depth is bounded by the reader's limit on nesting.

use super::object::{is_other_than_string, set_key, string_value, untyped};
use super::openapi::{Schemas, Type};
use crate::yaml::{Map, Node, Style, Tag, View};

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
    let style = patch.map_or(dest.style(), Node::style);
    let (Some(entries), patch) = (dest.as_map(), patch.and_then(Node::as_map)) else { return Ok(Out::Keep) };
    let mut changes: Vec<(usize, Out)> = Vec::new();
    for (at, (key, value)) in entries.iter().enumerate() {
        let Some(name) = key.text() else { continue };
        let theirs = patch.and_then(|patch| patch.get(name));
        match walk(Some(value), theirs, ty.and_then(|ty| ty.field(name)), schemas)? {
            Out::Keep if is_ambiguous(value) => {
                changes.push((at, Out::New(restyled(value.clone(), Style::DoubleQuoted))));
            }
            Out::Keep => {}
            // One that was empty has taken its style from what came in.
            Out::New(new) if new.as_map().is_some() && value.as_map().is_some_and(Map::is_empty) => {
                changes.push((at, Out::New(new)));
            }
            Out::New(new) => changes.push((at, Out::New(restyled(new, value.style())))),
            Out::Gone => changes.push((at, Out::Gone)),
        }
    }
    let mut added = Vec::new();
    for (key, value) in patch.into_iter().flat_map(Map::iter) {
        let Some(name) = key.text().filter(|name| !entries.contains(name)) else { continue };
        match walk(None, Some(value), ty.and_then(|ty| ty.field(name)), schemas)? {
            Out::Keep | Out::Gone => {}
            Out::New(new) if is_ambiguous(&new) => added.push((key.clone(), restyled(new, Style::DoubleQuoted))),
            Out::New(new) => added.push((key.clone(), new)),
        }
    }
    if changes.is_empty() && added.is_empty() {
        return Ok(Out::Keep);
    }
    let mut copy = dest.clone();
    if entries.is_empty() && !added.is_empty() {
        // What was empty is written in the manner of what comes in.
        copy = copy.with_style(style);
    }
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
    let plain = matches!(node.style(), Style::Plain | Style::Untyped);
    plain && string_value(node).is_some_and(is_other_than_string)
}

/// A new mapping as merging it with itself leaves it: see [`is_ambiguous`].
fn with_ambiguous_quoted(mut node: Node) -> Node {
    for (_, value) in node.map_mut().into_iter().flat_map(|map| map.entries_mut().iter_mut()) {
        if is_ambiguous(value) {
            *value = restyled(value.clone(), Style::DoubleQuoted);
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
        // Whether there is a tag is no matter of style.
        (Style::Plain | Style::Untyped, _) if node.style() == Style::Untyped => node,
        (Style::Untyped, _) => node.with_style(Style::Plain),
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
    let merged = List::new(dest_items, patch_items, same, ty.items(), schemas).merge(keys)?;
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
    places: Places,
    patch_places: Places,
    /// Each value of the key is looked for once.
    once: bool,
    /// Elements of `dest` that are gone and have not been taken out yet.
    gone: Option<Vec<usize>>,
}

impl<'s> List<'s> {
    fn new(dest: Vec<Node>, patch: Vec<Node>, same: bool, ty: Option<Type<'s>>, schemas: Schemas<'s>) -> Self {
        let (places, patch_places) = Default::default();
        List { dest, patch, same, ty, schemas, places, patch_places, once: false, gone: None }
    }

    fn merge(mut self, keys: &[&str]) -> Result<Vec<Node>, String> {
        self.once = keys.len() == 1;
        let (keys, values) =
            if keys.is_empty() { (vec![""], self.primitive_values()) } else { (keys.to_vec(), self.key_values(keys)?) };
        self.merge_elements(&keys, values)
    }

    /// The distinct key values, those of the patch first.
    fn key_values(&self, keys: &[&str]) -> Result<Vec<Vec<String>>, String> {
        let mut found: Vec<Vec<String>> = Vec::new();
        let mut seen = rustc_hash::FxHashSet::default();
        for item in self.patch.iter().chain(&self.dest) {
            if !item.is_null() && item.as_map().is_none() {
                return Err(format!("expected mappings in a list that merges by key, found {}", item.what()));
            }
            let value = |key: &&str| {
                let node = item.get(key).filter(|node| !super::object::is_nil_or_empty(node));
                node.map(raw).unwrap_or_default().to_owned()
            };
            let values: Vec<String> = keys.iter().map(value).collect();
            if seen.insert(values.clone()) {
                found.push(values);
            }
        }
        Ok(found)
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
        let mut added = Added::new(&valid_keys);
        for all in &values {
            let wanted: Vec<String> = valid.iter().map(|at| all.get(*at).cloned().unwrap_or_default()).collect();
            let (place, merged) = self.merge_one(&valid_keys, &wanted)?;
            let Some(mut merged) =
                merged.filter(|node| !node.is_null() && node.as_map().is_none_or(|map| !map.is_empty()))
            else {
                self.remove(&valid_keys, &wanted)?;
                continue;
            };
            for (key, value) in valid_keys.iter().zip(&wanted) {
                if key.is_empty() {
                    if !value.is_empty() {
                        merged = super::object::retexted(&merged, value);
                    }
                } else if merged.get(key).is_none() && !value.is_empty() {
                    let node = untyped(value);
                    let node = if is_ambiguous(&node) { restyled(node, Style::DoubleQuoted) } else { node };
                    if let Some(map) = merged.map_mut() {
                        set_key(map, key, node);
                    }
                }
            }
            if let Some(slot) = place.and_then(|at| self.dest.get_mut(at)) {
                if !self.places.hold_for(slot, &merged) {
                    self.places = Places::default();
                }
                slot.clone_from(&merged);
            }
            added.set(merged, &wanted)?;
        }
        if values.is_empty() {
            return Ok(std::mem::take(&mut self.dest));
        }
        self.sweep();
        if let Schemas::Appending = self.schemas {
            return append_rest(std::mem::take(&mut self.dest), &added.items, &valid_keys);
        }
        append_rest(added.items, &self.dest, &valid_keys)
    }

    /// Takes out of `dest` what has these key values. Where each value comes once, nobody looks for these elements again, and all that go
    /// can go together.
    fn remove(&mut self, keys: &[&str], values: &[String]) -> Result<(), String> {
        if let ([key], [value]) = (keys, values)
            && self.once
            && !key.is_empty()
            && !value.is_empty()
            && let Some(found) = self.places.of(&self.dest, key, value)
        {
            self.gone.get_or_insert_default().extend(found);
            return Ok(());
        }
        self.sweep();
        self.places = Places::default();
        set_element(&mut self.dest, None, keys, values)
    }

    fn sweep(&mut self) {
        let Some(gone) = self.gone.take() else { return };
        let gone: rustc_hash::FxHashSet<usize> = gone.into_iter().collect();
        let mut at = 0;
        self.dest.retain(|item| {
            at += 1;
            // As set_element does, empty elements go with them.
            !gone.contains(&(at - 1)) && !item.is_null() && item.as_map().is_none_or(|map| !map.is_empty())
        });
        self.places = Places::default();
    }

    /// Merges the elements that have these key values: the result, and where in `dest` it also lives.
    fn merge_one(&mut self, keys: &[&str], values: &[String]) -> Result<(Option<usize>, Option<Node>), String> {
        // Keys without a value do not count here, unless none has one.
        let (mut keys, mut values) = (keys.to_vec(), values.to_vec());
        if values.iter().any(|value| !value.is_empty()) {
            let mut used = values.iter().map(|value| !value.is_empty());
            keys.retain(|_| used.next().unwrap_or(false));
            values.retain(|value| !value.is_empty());
        }
        let at = find_element(&self.dest, &mut self.places, &keys, &values);
        let dest = at.and_then(|at| self.dest.get(at));
        let patch = if self.same {
            dest
        } else {
            let at = find_element(&self.patch, &mut self.patch_places, &keys, &values);
            at.and_then(|at| self.patch.get(at))
        };
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
    // Where all have the same keys only equal ones agree, and there are none.
    let lacks = |values: &[String]| values.iter().map(String::is_empty).collect::<Vec<_>>();
    if values.first().is_none_or(|first| values.iter().all(|values| lacks(values) == lacks(first))) {
        return;
    }
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

/// Lists shorter than this are looked through; to index them would cost more.
const LONG: usize = 32;

/// Where elements are in a list, ascending, by the text of a key.
type ByValue = rustc_hash::FxHashMap<String, Vec<usize>>;

fn by_value(items: &[Node], key: &str) -> ByValue {
    let mut places = ByValue::default();
    for (at, item) in items.iter().enumerate() {
        if let Some(value) = key_text(item, key) {
            places.entry(value.to_owned()).or_default().push(at);
        }
    }
    places
}

/// Where the elements of a long list are, by the keys asked for. Without it, merging a list by key would be quadratic.
#[derive(Default)]
struct Places(Vec<(String, ByValue)>);

impl Places {
    /// The elements with this value of this key, in order; `None` for a short list, which is to be looked through.
    fn of(&mut self, items: &[Node], key: &str, value: &str) -> Option<&[usize]> {
        if items.len() < LONG {
            return None;
        }
        let known = self.0.iter().position(|(known, _)| known == key);
        let at = known.unwrap_or_else(|| {
            self.0.push((key.to_owned(), by_value(items, key)));
            self.0.len() - 1
        });
        Some(self.0.get(at)?.1.get(value).map(Vec::as_slice).unwrap_or_default())
    }

    /// Whether they stay right when one element becomes another.
    fn hold_for(&self, old: &Node, new: &Node) -> bool {
        self.0.iter().all(|(key, _)| key_text(old, key) == key_text(new, key))
    }
}

/// The text by which an element is found: its own for the empty key, else that of its field.
fn key_text<'n>(item: &'n Node, key: &str) -> Option<&'n str> {
    if key.is_empty() { Some(raw(item)) } else { item.as_map()?.get(key).map(raw) }
}

/// The merged elements of a list in the order they came, each where an equal one was.
struct Added<'k> {
    items: Vec<Node>,
    keys: &'k [&'k str],
    /// Not all are what the key is for: scalars, or mappings.
    mixed: bool,
    /// Where they are by the value of the first key, once they are many.
    places: Option<ByValue>,
}

impl<'k> Added<'k> {
    fn new(keys: &'k [&'k str]) -> Self {
        Added { items: Vec::new(), keys, mixed: false, places: None }
    }

    /// What [`set_element`] does, without looking at elements that another value of the first key rules out.
    fn set(&mut self, element: Node, values: &[String]) -> Result<(), String> {
        let key = self.keys.first().copied().unwrap_or_default();
        let value = values.first().filter(|value| !value.is_empty() && key_text(&element, key) == Some(value.as_str()));
        // Scalars among mappings and the other way round are errors to be found.
        self.mixed |= element.is_scalar() != key.is_empty();
        let (Some(value), false, true) = (value, self.mixed, self.items.len() >= LONG) else {
            self.places = None;
            return set_element(&mut self.items, Some(&element), self.keys, values);
        };
        let places = self.places.get_or_insert_with(|| by_value(&self.items, key));
        let here = places.entry(value.clone()).or_default();
        let mut found = false;
        for at in here.iter() {
            let Some(item) = self.items.get_mut(*at) else { continue };
            if self
                .keys
                .iter()
                .zip(values)
                .all(|(key, value)| key_text(item, key).is_some_and(|text| value.is_empty() || text == value))
            {
                item.clone_from(&element);
                found = true;
            }
        }
        if !found {
            here.push(self.items.len());
            self.items.push(element);
        }
        Ok(())
    }
}

/// The first element with these key values (kyaml `ElementMatcher`).
fn find_element(items: &[Node], places: &mut Places, keys: &[&str], values: &[String]) -> Option<usize> {
    let (key, value) = (keys.first().copied().unwrap_or_default(), values.first().map_or("", String::as_str));
    if let Some(found) = places.of(items, key, value) {
        let mut found = found.iter().copied();
        return found.find(|at| items.get(*at).is_some_and(|item| has_values(item, keys, values)));
    }
    items.iter().position(|item| has_values(item, keys, values))
}

fn has_values(item: &Node, keys: &[&str], values: &[String]) -> bool {
    if keys.first().is_none_or(|key| key.is_empty()) {
        return raw(item) == values.first().map_or("", String::as_str);
    }
    item.as_map().is_some()
        && keys.iter().zip(values).all(|(key, value)| item.get(key).is_some_and(|node| raw(node) == value))
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
    let values = |node: &Node| -> Option<Vec<String>> {
        let value = |key: &&str| {
            let text = if key.is_empty() { node.text()? } else { node.get(key)?.text()? };
            (!text.is_empty() && !node.is_null()).then(|| text.to_owned())
        };
        keys.iter().map(value).collect()
    };
    let mut places = rustc_hash::FxHashMap::default();
    for (at, node) in list.iter().enumerate() {
        if places.insert(values(node)?, at).is_some() {
            return None;
        }
    }
    let mut result: Vec<Option<Node>> = list.iter().cloned().map(Some).collect();
    let mut seen = rustc_hash::FxHashSet::default();
    for node in rest {
        let values = values(node)?;
        let there = places.get(&values).and_then(|at| result.get_mut(*at));
        match there {
            // By one key it goes where the equal one was; by several that goes, and this comes last.
            Some(slot) if keys.len() == 1 => *slot = Some(node.clone()),
            there => {
                if let Some(slot) = there {
                    *slot = None;
                }
                result.push(Some(node.clone()));
            }
        }
        if !seen.insert(values) {
            return None;
        }
    }
    Some(result.into_iter().flatten().collect())
}
