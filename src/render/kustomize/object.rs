//! An object under way: its body, its names so far, and what later steps must know of its past.
//!
//! The original keeps this history in annotations that it strips at the end; here it lies beside the body (kustomize v5.8.2,
//! api/resource/resource.go, kyaml/resid). Every step that may change identity calls [`Object::refresh`].

use smol_str::SmolStr;

use crate::diag::Diagnostic;
use crate::k8s::object::{Gvk, ObjectId};
use crate::k8s::scope::{self, Scope};
use crate::render::Step;
use crate::span::{FileId, Span};
use crate::yaml::{self, Dialect, Duplicate, Limits, Map, Node, Style, Tag, View, plain_tag};

/// The namespace in which kustomize puts what has none.
const CLUSTER: &str = "_non_namespaceable_";

/// Group, version, kind, name and namespace as kustomize compares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Id {
    /// Group, version, kind.
    pub gvk: Gvk,
    /// Name.
    pub name: SmolStr,
    /// Namespace as written.
    pub namespace: SmolStr,
    /// Known to live directly in the cluster.
    pub cluster: bool,
}

/// What makes two ids equal: the effective namespace stands for the written one.
pub(super) type Key = (Gvk, SmolStr, SmolStr);

impl Id {
    /// An id with scope knowledge.
    pub(super) fn new(gvk: Gvk, name: SmolStr, namespace: SmolStr) -> Self {
        let cluster = is_cluster_scoped(&gvk);
        Id { gvk, name, namespace, cluster }
    }

    /// The id of an object.
    pub(super) fn of(body: &Node) -> Self {
        let gvk = Gvk::of(body);
        Id::new(gvk, meta_text(body, "name"), meta_text(body, "namespace"))
    }

    /// The namespace with which ids are compared.
    pub(super) fn effective_namespace(&self) -> SmolStr {
        if self.cluster {
            SmolStr::new_static(CLUSTER)
        } else if self.namespace.is_empty() {
            SmolStr::new_static("default")
        } else {
            self.namespace.clone()
        }
    }

    /// The form in which ids are compared.
    pub(super) fn key(&self) -> Key {
        (self.gvk.clone(), self.name.clone(), self.effective_namespace())
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = ObjectId { gvk: self.gvk.clone(), namespace: self.namespace.clone(), name: self.name.clone() };
        f.write_str(&id.resid())
    }
}

/// Whether kustomize knows a kind to live directly in the cluster; kinds it does not know count as namespaced.
pub(super) fn is_cluster_scoped(gvk: &Gvk) -> bool {
    if gvk.group.is_empty() {
        return scope::kustomize(&gvk.version, &gvk.kind) == Some(Scope::Cluster);
    }
    scope::kustomize(&gvk.api_version(), &gvk.kind) == Some(Scope::Cluster)
}

/// Whether `gvk` has all parts that `selector` names; empty parts of the selector match anything.
pub(super) fn selects(selector: &Gvk, gvk: &Gvk) -> bool {
    (selector.group.is_empty() || selector.group == gvk.group)
        && (selector.version.is_empty() || selector.version == gvk.version)
        && (selector.kind.is_empty() || selector.kind == gvk.kind)
}

/// An id that an object had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Previous {
    /// Its name then.
    pub name: SmolStr,
    /// Its effective namespace then.
    pub namespace: SmolStr,
    /// Its kind then; group and version are always the current ones.
    pub kind: SmolStr,
}

/// How a generated object meets one of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Behavior {
    /// Nothing was said: as create.
    #[default]
    Unspecified,
    /// There must be none.
    Create,
    /// It takes the place of the other.
    Replace,
    /// It is merged into the other.
    Merge,
}

impl Behavior {
    /// Words other than the three count as nothing said (types/generationbehavior.go).
    pub(super) fn named(word: &str) -> Self {
        match word {
            "create" => Behavior::Create,
            "replace" => Behavior::Replace,
            "merge" => Behavior::Merge,
            _ => Behavior::Unspecified,
        }
    }

    /// As messages of the original call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Behavior::Unspecified => "unspecified",
            Behavior::Create => "create",
            Behavior::Replace => "replace",
            Behavior::Merge => "merge",
        }
    }
}

/// One object of an accumulation.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// The object; null once a patch has deleted it.
    pub body: Node,
    id: Id,
    /// Former ids, oldest first.
    pub previous: Vec<Previous>,
    /// How often it had no name when one was to be kept.
    pub unnamed: usize,
    /// Name prefixes applied so far, innermost first.
    pub prefixes: Vec<SmolStr>,
    /// Name suffixes applied so far, innermost first.
    pub suffixes: Vec<SmolStr>,
    /// A step has set its name anew: a text without a type, so that one written over it is typed by how it reads.
    pub untyped_name: bool,
    /// Gets a hash at the end of its name.
    pub needs_hash: bool,
    /// What the generator asked for.
    pub behavior: Behavior,
    /// Came from a generator.
    pub generated: bool,
    /// Vars that read from it.
    pub vars: Vec<SmolStr>,
    /// Where it is written.
    pub span: Span,
    /// What wrote into it.
    pub edits: Vec<Span>,
    /// What happened to it, in a traced build.
    pub steps: Vec<Step>,
    /// A key that it has twice: an error when it is printed.
    pub duplicate: Option<Duplicate>,
    /// What wrote a text into it that its field's tag does not fit: an error when it is printed, if it is still there.
    pub mistyped: Option<Box<Diagnostic>>,
    /// Entries that are one in several places.
    pub shared: Vec<super::alias::Shared>,
}

impl Object {
    /// An object as it was read.
    pub(super) fn new(body: Node, span: Span) -> Self {
        let id = Id::of(&body);
        Object {
            body,
            id,
            previous: Vec::new(),
            unnamed: 0,
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            untyped_name: false,
            needs_hash: false,
            behavior: Behavior::Unspecified,
            generated: false,
            vars: Vec::new(),
            span,
            edits: Vec::new(),
            steps: Vec::new(),
            duplicate: None,
            mistyped: None,
            shared: Vec::new(),
        }
    }

    /// Its current id.
    pub(super) fn id(&self) -> &Id {
        &self.id
    }

    /// Reads the id anew; `true` if it changed.
    pub(super) fn refresh(&mut self) -> bool {
        let same = text_is(self.body.get("kind"), &self.id.gvk.kind)
            && api_version_is(self.body.get("apiVersion"), &self.id.gvk)
            && meta_text(&self.body, "name") == self.id.name
            && meta_text(&self.body, "namespace") == self.id.namespace;
        if !same {
            self.id = Id::of(&self.body);
        }
        !same
    }

    /// Whether nothing is left of it.
    pub(super) fn is_empty(&self) -> bool {
        is_nil_or_empty(&self.body)
    }

    /// Keeps the current id as a former one; without a name there is none.
    pub(super) fn store_previous(&mut self) {
        if self.id.name.is_empty() {
            self.unnamed += 1;
            return;
        }
        self.previous.push(Previous {
            name: self.id.name.clone(),
            namespace: self.id.effective_namespace(),
            kind: self.id.gvk.kind.clone(),
        });
    }

    /// A former id. The original loses the knowledge of scope here, which the stored effective namespace makes up for.
    pub(super) fn previous_id(&self, previous: &Previous) -> Id {
        Id {
            gvk: Gvk { kind: previous.kind.clone(), ..self.id.gvk.clone() },
            name: previous.name.clone(),
            namespace: previous.namespace.clone(),
            cluster: false,
        }
    }

    /// The id it had at first.
    pub(super) fn original_id(&self) -> Id {
        self.previous.first().map_or_else(|| self.id.clone(), |first| self.previous_id(first))
    }

    /// All ids it ever had, the current one last.
    pub(super) fn all_ids(&self) -> impl Iterator<Item = Id> {
        self.previous.iter().map(|previous| self.previous_id(previous)).chain(std::iter::once(self.id.clone()))
    }

    /// The error of what was written into it and cannot be printed.
    pub(super) fn mistyped(&self) -> Option<&Diagnostic> {
        self.mistyped.as_deref().filter(|_| has_mistyped(&self.body))
    }

    /// Sets the name, keeping the style in which one is written.
    pub(super) fn set_name(&mut self, name: &str) {
        set_path_text(&mut self.body, &["metadata", "name"], name);
        self.untyped_name = true;
        self.refresh();
    }
}

/// Whether a text without quotes fits a tag.
pub(super) fn fits(tag: Tag, text: &str) -> bool {
    let reads_as = plain_tag(Dialect::V3, text);
    match tag {
        Tag::Str | Tag::Binary => true,
        Tag::Float => matches!(reads_as, Tag::Float | Tag::Int),
        tag => tag == reads_as,
    }
}

fn has_mistyped(node: &Node) -> bool {
    match node.view() {
        View::Scalar(tag, text) => node.style() == Style::Plain && !fits(tag, text),
        View::Seq(items) => items.iter().any(has_mistyped),
        View::Map(map) => map.iter().any(|(_, value)| has_mistyped(value)),
    }
}

fn text_is(node: Option<&Node>, text: &str) -> bool {
    node.and_then(Node::text).unwrap_or_default() == text
}

fn api_version_is(node: Option<&Node>, gvk: &Gvk) -> bool {
    let text = node.and_then(Node::text).unwrap_or_default();
    let (group, version) = text.split_once('/').unwrap_or(("", text));
    group == gvk.group && version == gvk.version
}

/// A text of `metadata`; empty where it is missing, null or no scalar (kyaml `getMetaStringField`).
pub(super) fn meta_text(body: &Node, field: &str) -> SmolStr {
    let node = body.get("metadata").and_then(|meta| meta.get(field)).filter(|node| !node.is_null());
    node.and_then(Node::smol).unwrap_or_default()
}

/// Null, or a collection without entries.
pub(super) fn is_nil_or_empty(node: &Node) -> bool {
    match node.view() {
        View::Scalar(tag, _) => tag == Tag::Null,
        View::Seq(items) => items.is_empty(),
        View::Map(map) => map.is_empty(),
    }
}

/// A scalar with a new text whose tag is not fixed: quoted styles make a string, plain text is resolved again
/// (a yaml.Node with empty tag, as kyaml's setters leave it).
pub(super) fn retexted(node: &Node, text: &str) -> Node {
    let (tag, style) = match node.style() {
        Style::Plain | Style::Flow | Style::Untyped => match plain_tag(Dialect::V3, text) {
            // Without a tag there is no null, until it has been printed.
            Tag::Null => (Tag::Str, Style::Untyped),
            tag => (tag, Style::Untyped),
        },
        style => (Tag::Str, style),
    };
    Node::scalar(tag, text).with_style(style).with_span(node.span())
}

/// A new scalar without a tag (kyaml `NewScalarRNode`).
pub(super) fn untyped(text: &str) -> Node {
    retexted(&Node::null(), text)
}

/// Whether a text of one line, read by go-yaml v2 as a document, is something else than a string: then kyaml's setters put it in quotes
/// (`IsValueNonString`).
pub(super) fn is_other_than_string(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'+');
    match text.as_bytes().first() {
        None => false,
        _ if text.contains('\n') => false,
        Some(first) if first.is_ascii_alphanumeric() && text.bytes().all(word) => {
            plain_tag(Dialect::V2, text) != Tag::Str
        }
        // A tag for nothing, and the end of a document that has not begun, are errors there.
        Some(b'!') => false,
        _ if text.starts_with("...") => false,
        Some(_) => {
            let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
            let is_string = |node: &Node| matches!(node.tag(), Some(Tag::Str | Tag::Timestamp));
            parsed.error.is_none() && !parsed.documents.first().is_some_and(|document| is_string(&document.root))
        }
    }
}

/// A scalar that kyaml takes for a string (`IsStringValue`): one without a tag is one too.
pub(super) fn string_value(node: &Node) -> Option<&str> {
    if node.style() == Style::Untyped { node.text() } else { node.as_str() }
}

/// Sets the text at a path of keys as kyaml's `SetMapField` of an untagged scalar does; missing maps are made.
pub(super) fn set_path_text(body: &mut Node, path: &[&str], text: &str) {
    let Some((last, above)) = path.split_last() else { return };
    let mut node = body;
    for key in above {
        let Some(map) = node.map_mut() else { return };
        if !map.contains(key) {
            map.insert(*key, Node::map(Map::new()));
        }
        let Some(next) = map.get_mut(key) else { return };
        node = next;
    }
    let Some(map) = node.map_mut() else { return };
    match map.get_mut(last) {
        Some(there) if there.is_scalar() => *there = retexted(there, text),
        Some(there) => *there = Node::str(text),
        None => map.insert(*last, Node::str(text)),
    }
}

/// A key as kyaml makes it: plain and untagged, so that `1` is a number (and then an error when it is printed).
pub(super) fn key_node(text: &str) -> Node {
    Node::scalar(plain_tag(Dialect::V3, text), text)
}

/// A string as kyaml's setters make it: in quotes where go-yaml v2 would read another kind of value, which shows when a patch writes
/// over it.
pub(super) fn str_node(text: &str) -> Node {
    let style = if text.contains('\n') {
        Style::Literal
    } else if is_other_than_string(text) {
        Style::DoubleQuoted
    } else {
        Style::Plain
    };
    Node::str(text).with_style(style)
}

/// Sets a key; a new one is made as [`key_node`] does.
pub(super) fn set_key(map: &mut Map, key: &str, value: Node) {
    match map.get_mut(key) {
        Some(slot) => *slot = value,
        None => map.push(key_node(key), value),
    }
}

/// The entries of `metadata.labels` or `.annotations` as texts, whatever their tags, sorted; collections count as empty
/// (kyaml `getMapFromMeta`).
pub(super) fn meta_map(body: &Node, field: &str) -> Vec<(SmolStr, SmolStr)> {
    let Some(map) = body.get("metadata").and_then(|meta| meta.get(field)).and_then(Node::as_map) else {
        return Vec::new();
    };
    let mut entries: Vec<(SmolStr, SmolStr)> =
        map.iter().map(|(key, value)| (key.smol().unwrap_or_default(), value.smol().unwrap_or_default())).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

/// Replaces `metadata.labels` or `.annotations`: all values become strings, an empty map goes (kyaml `setMapInMetadata`).
pub(super) fn set_meta_map(body: &mut Node, field: &str, entries: Vec<(SmolStr, SmolStr)>) {
    let Some(map) = body.map_mut() else { return };
    if !map.contains("metadata") {
        map.insert("metadata", Node::map(Map::new()));
    }
    let Some(meta) = map.get_mut("metadata").and_then(Node::map_mut) else { return };
    if entries.is_empty() {
        meta.remove(field);
        return;
    }
    let old = meta.get(field);
    let span = old.map_or(Span::NONE, Node::span);
    let kept = |key: &str, value: &str| old?.get(key).filter(|there| there.text() == Some(value)).map(Node::span);
    let one = |(key, value): (SmolStr, SmolStr)| {
        let span = kept(&key, &value).unwrap_or(Span::NONE);
        (key_node(&key), str_node(&value).with_span(span))
    };
    let values: Map = entries.into_iter().map(one).collect();
    meta.insert(field, Node::map(values).with_span(span));
}
