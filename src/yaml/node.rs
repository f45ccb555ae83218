//! The YAML value: ordered, immutable when shared, cheap to clone, with the place of every node in the text.
//!
//! A scalar keeps its text and the tag that its dialect resolved it to, because Kubernetes tools look at both (`1.20` is the float
//! 1.2, but kustomize may still edit its text). Collections are shared: a clone is a reference count, a change copies only
//! what is shared. Two nodes are equal when tags, texts and order are; places and styles do not count.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smol_str::SmolStr;

use crate::span::Span;

/// What a scalar was resolved to. Names follow go-yaml's short tags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Tag {
    /// `!!null`
    Null,
    /// `!!bool`
    Bool,
    /// `!!int`, of any size and base
    Int,
    /// `!!float`
    Float,
    /// `!!timestamp`
    Timestamp,
    /// `!!str`
    Str,
    /// `!!binary`: the text is base64
    Binary,
}

/// How a node is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Style {
    /// Plain scalar, or block collection.
    #[default]
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
    /// `[…]` or `{…}`
    Flow,
    /// A plain scalar that a program made without a tag: what it is, whoever reads it tells from its text.
    Untyped,
}

/// A value in a YAML document.
#[derive(Clone)]
pub struct Node {
    data: Data,
    /// Of a scalar; collections have [`Tag::Str`] here, which nobody reads. Beside the data it costs no padding: a node is 40 bytes.
    tag: Tag,
    style: Style,
    span: Span,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Data {
    Scalar(SmolStr),
    Seq(Arc<Vec<Node>>),
    Map(Arc<Map>),
}

/// What a node is, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// A scalar with its tag and its text after unquoting and unescaping.
    Scalar(Tag, &'a str),
    /// A sequence.
    Seq(&'a [Node]),
    /// A mapping.
    Map(&'a Map),
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (&self.data, &other.data) {
            (Data::Seq(a), Data::Seq(b)) => Arc::ptr_eq(a, b) || a == b,
            (Data::Map(a), Data::Map(b)) => Arc::ptr_eq(a, b) || a == b,
            (a, b) => self.tag == other.tag && a == b,
        }
    }
}
impl Eq for Node {}
impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tag.hash(state);
        self.data.hash(state);
    }
}

impl Node {
    /// A scalar with a tag.
    pub fn scalar(tag: Tag, text: impl Into<SmolStr>) -> Self {
        Node { data: Data::Scalar(text.into()), tag, style: Style::Plain, span: Span::NONE }
    }

    /// `null`
    pub fn null() -> Self {
        Self::scalar(Tag::Null, "null")
    }

    /// A boolean.
    pub fn bool(value: bool) -> Self {
        Self::scalar(Tag::Bool, if value { "true" } else { "false" })
    }

    /// An integer.
    pub fn int(value: i64) -> Self {
        Self::scalar(Tag::Int, smol_str::format_smolstr!("{value}"))
    }

    /// A string.
    pub fn str(text: impl Into<SmolStr>) -> Self {
        Self::scalar(Tag::Str, text)
    }

    /// A sequence.
    pub fn seq(items: Vec<Node>) -> Self {
        Node { data: Data::Seq(Arc::new(items)), tag: Tag::Str, style: Style::Plain, span: Span::NONE }
    }

    /// A mapping.
    pub fn map(map: Map) -> Self {
        Node { data: Data::Map(Arc::new(map)), tag: Tag::Str, style: Style::Plain, span: Span::NONE }
    }

    /// The same value at a place.
    #[must_use]
    pub fn with_span(mut self, span: Span) -> Self {
        self.span = span;
        self
    }

    /// The same value in a style.
    #[must_use]
    pub fn with_style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// Where it was written.
    pub fn span(&self) -> Span {
        self.span
    }

    /// How it was written.
    pub fn style(&self) -> Style {
        self.style
    }

    /// What it is.
    pub fn view(&self) -> View<'_> {
        match &self.data {
            Data::Scalar(text) => View::Scalar(self.tag, text),
            Data::Seq(items) => View::Seq(items),
            Data::Map(map) => View::Map(map),
        }
    }

    /// `null`, written or implied by an empty place.
    pub fn is_null(&self) -> bool {
        self.tag == Tag::Null
    }

    /// A scalar of any tag.
    pub fn is_scalar(&self) -> bool {
        matches!(self.data, Data::Scalar(..))
    }

    /// The tag of a scalar.
    pub fn tag(&self) -> Option<Tag> {
        match &self.data {
            Data::Scalar(_) => Some(self.tag),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(text) if self.tag == Tag::Str => Some(text),
            _ => None,
        }
    }

    /// The text of any scalar, as written.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The text of any scalar, cheap to keep.
    pub fn smol(&self) -> Option<SmolStr> {
        match &self.data {
            Data::Scalar(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match &self.data {
            // The resolvers let only true-like and false-like words be booleans; all true-like ones of YAML 1.1 start with t, y or are "on".
            Data::Scalar(text) if self.tag == Tag::Bool => Some(
                matches!(text.as_bytes().first(), Some(b't' | b'T' | b'y' | b'Y')) || text.eq_ignore_ascii_case("on"),
            ),
            _ => None,
        }
    }

    /// The items of a sequence.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.data {
            Data::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.data {
            Data::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The items of a sequence to change; copied first if shared.
    pub fn seq_mut(&mut self) -> Option<&mut Vec<Node>> {
        match &mut self.data {
            Data::Seq(items) => Some(Arc::make_mut(items)),
            _ => None,
        }
    }

    /// The entries of a mapping to change; copied first if shared.
    pub fn map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.data {
            Data::Map(map) => Some(Arc::make_mut(map)),
            _ => None,
        }
    }

    /// The value of a key of a mapping; `None` for other nodes.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// The value of a key of a mapping, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.map_mut()?.get_mut(key)
    }

    /// The value at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The string that a path of keys leads to; empty where there is none.
    pub fn str_at(&self, path: &[&str]) -> &str {
        self.at(path).and_then(Node::as_str).unwrap_or_default()
    }

    /// Identity of the shared collection, for memos: equal identities are equal values.
    pub fn shared_id(&self) -> Option<usize> {
        match &self.data {
            Data::Scalar(..) => None,
            Data::Seq(items) => Some(Arc::as_ptr(items) as usize),
            Data::Map(map) => Some(Arc::as_ptr(map) as usize),
        }
    }

    /// Name of its shape for messages: `a mapping`, `a string`…
    pub fn what(&self) -> &'static str {
        match self.view() {
            View::Scalar(Tag::Null, _) => "nothing",
            View::Scalar(Tag::Bool, _) => "a boolean",
            View::Scalar(Tag::Int | Tag::Float, _) => "a number",
            View::Scalar(Tag::Timestamp, _) => "a date",
            View::Scalar(Tag::Str | Tag::Binary, _) => "a string",
            View::Seq(_) => "a list",
            View::Map(_) => "a mapping",
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.data {
            Data::Scalar(text) if self.tag == Tag::Str => write!(f, "{text:?}"),
            Data::Scalar(text) => write!(f, "{:?}({text})", self.tag),
            Data::Seq(items) => f.debug_list().entries(items.iter()).finish(),
            Data::Map(map) => f.debug_map().entries(map.iter()).finish(),
        }
    }
}

/// The entries of a mapping in the order of the text. Keys are nodes: they have places, and YAML allows any value as key.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Map {
    entries: Vec<(Node, Node)>,
}

impl Map {
    /// No entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// No entries, room for some.
    pub fn with_capacity(n: usize) -> Self {
        Map { entries: Vec::with_capacity(n) }
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|(k, _)| k.text() == Some(key))
    }

    /// The value of a key, whatever the key's tag (`1:` is found by `"1"`).
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v)
    }

    /// Key and value of a key.
    pub fn get_entry(&self, key: &str) -> Option<(&Node, &Node)> {
        self.entries.iter().find(|(k, _)| k.text() == Some(key)).map(|(k, v)| (k, v))
    }

    /// The value of a key, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v)
    }

    /// Whether there is such a key.
    pub fn contains(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// Sets the value of a string key: in place where the key is, else at the end.
    pub fn insert(&mut self, key: impl Into<SmolStr>, value: Node) {
        let key = key.into();
        match self.position(&key) {
            Some(at) => self.entries[at].1 = value,
            None => self.entries.push((Node::str(key), value)),
        }
    }

    /// Adds an entry at the end without looking for the key: for parsers and builders that know it is new.
    pub fn push(&mut self, key: Node, value: Node) {
        self.entries.push((key, value));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        self.position(key).map(|at| self.entries.remove(at).1)
    }

    /// Keeps the entries for which the answer is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&Node, &mut Node) -> bool) {
        self.entries.retain_mut(|(k, v)| keep(k, v));
    }

    /// The entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Node, &Node)> + DoubleEndedIterator {
        self.entries.iter().map(|(k, v)| (k, v))
    }

    /// The entries in order, values to change.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&Node, &mut Node)> {
        self.entries.iter_mut().map(|(k, v)| (&*k, v))
    }

    /// The entries themselves, to change keys, order or anything.
    pub fn entries_mut(&mut self) -> &mut Vec<(Node, Node)> {
        &mut self.entries
    }

    /// The texts of the keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|(k, _)| k.text())
    }
}

impl From<Vec<(Node, Node)>> for Map {
    /// Entries as they are: for parsers that know the keys differ.
    fn from(entries: Vec<(Node, Node)>) -> Self {
        Map { entries }
    }
}

impl FromIterator<(Node, Node)> for Map {
    fn from_iter<I: IntoIterator<Item = (Node, Node)>>(iter: I) -> Self {
        Map { entries: iter.into_iter().collect() }
    }
}
