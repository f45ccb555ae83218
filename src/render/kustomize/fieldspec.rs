//! Field specs: which field of which kinds a transformer writes, and the walk that finds it.
//!
//! Grammar of paths (api/filters/fieldspec, kyaml/utils): `/` separates, `\/` is a slash in a name, lists are walked through without being
//! named, `name[]` must be a list and is never made. With `create`, missing maps on the way are made, and a null becomes what
//! belongs in its place. Walking never copies what it does not change.

use std::sync::OnceLock;

use smol_str::SmolStr;

use super::bounds;
use super::object::selects;
use crate::k8s::object::Gvk;
use crate::yaml::{Map, Node, Tag, View};

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The key.
    pub name: SmolStr,
    /// Written with `[]`: a list.
    pub list: bool,
}

/// A field of some kinds.
#[derive(Clone, Debug)]
pub(super) struct FieldSpec {
    /// The kinds; empty parts match any.
    pub gvk: Gvk,
    /// The path as written.
    pub path: SmolStr,
    /// The path in parts, split when they are first asked for: of the hundreds of default fields a run uses few.
    segments: OnceLock<Box<[Segment]>>,
    /// Make what is missing.
    pub create: bool,
}

/// What a missing or null leaf becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// Leaves are never made.
    Never,
    /// A scalar.
    Scalar,
    /// A mapping.
    Mapping,
}

/// What a walk does to a leaf: the new value, `None` to keep it, or why it cannot.
pub(super) type Change<'f> = dyn FnMut(&Node) -> Result<Option<Node>, String> + 'f;

impl PartialEq for FieldSpec {
    fn eq(&self, other: &Self) -> bool {
        self.gvk == other.gvk && self.path == other.path && self.create == other.create
    }
}

impl Eq for FieldSpec {}

impl FieldSpec {
    /// A spec from its parts.
    pub(super) fn new(gvk: Gvk, path: &str, create: bool) -> Self {
        FieldSpec { gvk, path: path.into(), segments: OnceLock::new(), create }
    }

    /// A spec from a row of our own table.
    pub(super) fn of_table(gvk: Gvk, path: &'static str, create: bool) -> Self {
        FieldSpec { gvk, path: SmolStr::new_static(path), segments: OnceLock::new(), create }
    }

    /// The path in parts.
    pub(super) fn segments(&self) -> &[Segment] {
        self.segments.get_or_init(|| {
            let part = |part: String| match part.strip_suffix("[]") {
                Some(name) => Segment { name: name.into(), list: true },
                None => Segment { name: part.into(), list: false },
            };
            split_path(&self.path, '/').into_iter().map(part).collect()
        })
    }

    /// Whether it speaks of objects of this kind.
    pub(super) fn matches(&self, gvk: &Gvk) -> bool {
        selects(&self.gvk, gvk)
    }

    /// The body with all leaves changed; `None` if nothing changed.
    ///
    /// # Errors
    /// The path runs into a scalar, or `change` refuses.
    pub(super) fn rewrite(&self, body: &Node, leaf: Leaf, change: &mut Change<'_>) -> Result<Option<Node>, String> {
        if self.segments().len() > bounds::DEPTH {
            return Err(format!("a field path has more than {} parts, which is the limit", bounds::DEPTH));
        }
        rewrite(body, self.segments(), self.create && leaf != Leaf::Never, leaf, change)
            .map_err(|reason| format!("field `{}`: {reason}", self.path))
    }
}

fn rewrite(
    node: &Node,
    path: &[Segment],
    create: bool,
    leaf: Leaf,
    change: &mut Change<'_>,
) -> Result<Option<Node>, String> {
    let Some((segment, rest)) = path.split_first() else { return change(node) };
    match node.view() {
        View::Scalar(Tag::Null, _) => Ok(None),
        View::Scalar(..) => Err(format!("expected a mapping or a list, found {}", node.what())),
        View::Seq(items) => {
            let mut changed: Option<Node> = None;
            for (at, item) in items.iter().enumerate() {
                if let Some(new) = rewrite(item, path, create, leaf, change)?
                    && let Some(slot) =
                        changed.get_or_insert_with(|| node.clone()).seq_mut().and_then(|items| items.get_mut(at))
                {
                    *slot = new;
                }
            }
            Ok(changed)
        }
        View::Map(map) => {
            if segment.name.is_empty() {
                return Err("a part of the path is empty".to_owned());
            }
            if segment.name == "*" {
                return Err("`*` is not supported in field specs".to_owned());
            }
            let make = match (create && !segment.list, rest.is_empty(), leaf) {
                (false, ..) => segment.list.then(|| Node::seq(Vec::new())),
                (true, true, Leaf::Scalar) => Some(Node::scalar(Tag::Null, "")),
                (true, ..) => Some(Node::map(Map::new())),
            };
            let new = match map.get(&segment.name) {
                Some(child) if child.is_null() => match make {
                    // The kind changes even when nothing is written into it.
                    Some(empty) => rewrite(&empty, rest, create, leaf, change)?.or(Some(empty)),
                    None => rewrite(child, rest, create, leaf, change)?,
                },
                Some(child) => rewrite(child, rest, create, leaf, change)?,
                None if create && !segment.list => match make {
                    Some(empty) => rewrite(&empty, rest, create, leaf, change)?.or(Some(empty)),
                    None => None,
                },
                None => None,
            };
            Ok(new.map(|new| {
                let mut copy = node.clone();
                if let Some(map) = copy.map_mut() {
                    map.insert(segment.name.clone(), new);
                }
                copy
            }))
        }
    }
}

/// Splits at a separator that no backslash precedes; `\/` becomes `/`.
pub(super) fn split_path(path: &str, separator: char) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for piece in path.split(separator) {
        match parts.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(separator);
                last.push_str(piece);
            }
            _ => parts.push(piece.to_owned()),
        }
    }
    parts
}

/// As [`split_path`], and `[a.b]` or `[name=a.b]` is one part (kyaml `SmarterPathSplitter`).
pub(super) fn split_field_path(path: &str) -> Vec<String> {
    let mut pieces = split_path(path, '.').into_iter();
    let mut parts = Vec::new();
    while let Some(mut piece) = pieces.next() {
        if piece.starts_with('[') && !piece.ends_with(']') {
            for next in pieces.by_ref() {
                piece.push('.');
                piece.push_str(&next);
                if next.ends_with(']') {
                    break;
                }
            }
            if !piece.contains('=') {
                piece = piece.trim_matches(['[', ']']).to_owned();
            }
        }
        parts.push(piece);
    }
    parts
}
