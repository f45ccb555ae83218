//! `templatePatch`: a strategic merge patch over a generated Application (`applicationset/controllers/template/patch.go`).
//!
//! Rules of merging: k8s.io/apimachinery `pkg/util/strategicpatch` over the types of Argo CD: mappings merge, lists are replaced,
//! but for `metadata.finalizers`, which are joined; `null` removes; the directives `$patch: replace`, `$patch: delete`, `$retainKeys` and
//! `$deleteFromPrimitiveList/…` are honoured. Inside raw JSON (`helm.valuesObject`) Argo CD cannot merge a collection
//! with a collection and fails, so we do. Refused: `$setElementOrder/…`, which only machines write.

use crate::argo::schema::{Engine, Field, Merge, Shape, Type};
use crate::argo::tables::APPLICATION;
use crate::argo::{check, normalize};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::span::{FileId, Span};
use crate::yaml::{self, Dialect, Limits, Map, Node, View, json, sigs};

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// The application with the rendered patch applied; project as before. Errors and warnings are at `place`, the patch's template.
pub(super) fn apply(application: &Node, rendered: &str, place: Span, engine: Engine) -> (Option<Node>, Diagnostics) {
    let mut found = Diagnostics::new();
    let fault = |message: String| Diagnostic::error("expand/patch", place, message);
    let patch = match parse(rendered) {
        Ok(patch) if patch.is_null() => return (Some(application.clone()), found),
        Ok(patch) => placed(&patch, place),
        Err(error) => {
            let line = rendered.get(..error.span.start as usize).map_or(1, |before| before.matches('\n').count() + 1);
            let text = rendered.lines().nth(line - 1).unwrap_or_default().trim();
            let fault = fault(format!("the rendered templatePatch is no YAML: {}", error.message));
            found.push(fault.hint(format!("line {line} of what the template makes is `{text}`")));
            return (None, found);
        }
    };
    let Some(map) = patch.as_map() else {
        found.push(fault(format!("a templatePatch is a mapping, and what this template makes is {}", patch.what())));
        return (None, found);
    };
    let original = normalize(application, &APPLICATION, engine);
    let mut merged = original.clone();
    if let Some(target) = merged.map_mut()
        && let Err(message) = merge(target, map, Schema::Struct(&APPLICATION), engine)
    {
        found.push(fault(message));
        return (None, found);
    }
    for mut diagnostic in check(&merged, &APPLICATION, engine, Severity::Warning) {
        diagnostic.message = format!("in the rendered templatePatch: {}", diagnostic.message);
        diagnostic.span = place;
        diagnostic.labels.clear();
        found.push(diagnostic);
    }
    if found.has_errors() {
        return (None, found);
    }
    restore_project(&mut merged, &original);
    (Some(merged.with_span(application.span())), found)
}

fn parse(text: &str) -> Result<Node, Box<Diagnostic>> {
    let first = |found: Diagnostics| {
        Box::new(
            found
                .into_iter()
                .next()
                .unwrap_or_else(|| Diagnostic::error("expand/patch", Span::NONE, "it cannot be read")),
        )
    };
    if text.trim().starts_with('{') {
        return json::parse(FileId::NONE, text.as_bytes()).map_err(first);
    }
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    match (parsed.documents.into_iter().next(), parsed.error) {
        (Some(document), _) => sigs::to_json_value(&document.root, sigs::Numbers::Int64).map_err(first),
        (None, Some(error)) => Err(Box::new(error)),
        (None, None) => Ok(Node::null()),
    }
}

/// The same value, all of it at one place: what a template makes has no places of its own.
fn placed(node: &Node, place: Span) -> Node {
    let node = match node.view() {
        View::Scalar(..) => node.clone(),
        View::Seq(items) => Node::seq(items.iter().map(|item| placed(item, place)).collect()),
        View::Map(map) => {
            Node::map(map.iter().map(|(key, value)| (placed(key, place), placed(value, place))).collect())
        }
    };
    node.with_span(place)
}

/// A patch cannot move an application to another project.
fn restore_project(merged: &mut Node, original: &Node) {
    let project = original.at(&["spec", "project"]).cloned();
    let Some(map) = merged.map_mut() else { return };
    if map.get("spec").is_none_or(|spec| spec.as_map().is_none()) {
        map.insert("spec", Node::map(Map::new()));
    }
    if let Some(spec) = map.get_mut("spec").and_then(Node::map_mut) {
        match project {
            Some(project) => spec.insert("project", project),
            None => {
                spec.remove("project");
            }
        }
    }
}

/// What is known of the mapping that is merged into.
#[derive(Clone, Copy)]
enum Schema {
    Struct(&'static Type),
    /// A map with values of a shape.
    MapOf(Shape),
    /// Raw JSON, or nothing known.
    Raw,
}

impl Schema {
    fn field(self, key: &str, engine: Engine) -> Option<&'static Field> {
        match self {
            Schema::Struct(ty) => ty.field(key, engine),
            _ => None,
        }
    }
}

fn merge(target: &mut Map, patch: &Map, schema: Schema, engine: Engine) -> Result<(), String> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        match directive.as_str() {
            Some("replace") => {
                *target = patch.clone();
                target.remove(DIRECTIVE);
            }
            Some("delete") => *target = Map::new(),
            _ => {
                return Err(format!(
                    "`{DIRECTIVE}` is `replace` or `delete` in a mapping, and not `{}`",
                    directive.text().unwrap_or_default()
                ));
            }
        }
        return Ok(());
    }
    if let Some(retain) = patch.get(RETAIN) {
        let keys: Vec<&str> = retain.as_seq().unwrap_or_default().iter().filter_map(Node::text).collect();
        let stray = patch.iter().find_map(|(key, value)| {
            let key = key.text().unwrap_or_default();
            let exempt = value.is_null() || key == RETAIN || key.starts_with(DELETE) || key.starts_with(ORDER);
            (!exempt && !keys.contains(&key)).then_some(key)
        });
        if let Some(key) = stray {
            return Err(format!("`{RETAIN}` does not list `{key}`, which the patch sets"));
        }
        target.retain(|key, _| key.text().is_some_and(|key| keys.contains(&key)));
    }
    for (key, value) in patch.iter() {
        let key = key.text().unwrap_or_default();
        if key == RETAIN {
            continue;
        }
        if key.starts_with(ORDER) {
            return Err(format!("`{key}` is not supported in a templatePatch"));
        }
        if let Some(list) = key.strip_prefix(DELETE) {
            let remove = value.as_seq().unwrap_or_default();
            if let Some(items) = target.get_mut(list).and_then(Node::seq_mut) {
                items.retain(|item| !remove.contains(item));
            }
            continue;
        }
        merge_value(target, key, value, schema, engine)?;
    }
    Ok(())
}

fn merge_value(target: &mut Map, key: &str, value: &Node, schema: Schema, engine: Engine) -> Result<(), String> {
    if value.is_null() {
        target.remove(key);
        return Ok(());
    }
    let field = schema.field(key, engine);
    let unknown = || {
        format!(
            "Argo CD cannot merge `{key}`, a collection inside free-form values: patch it as a whole, or not both in template and patch"
        )
    };
    match (target.get_mut(key), value.view()) {
        (Some(there), View::Map(patch)) if there.as_map().is_some() => {
            let inner = match (field.map(|field| field.shape), schema) {
                (Some(Shape::Struct(ty) | Shape::StringOr(ty) | Shape::RawOf(ty)), _) => Schema::Struct(ty),
                (Some(Shape::Map(item)), _) => Schema::MapOf(*item),
                (Some(_), _) => Schema::Raw,
                (None, Schema::MapOf(Shape::Struct(ty))) => Schema::Struct(ty),
                (None, _) => return Err(unknown()),
            };
            match there.map_mut() {
                Some(target) => merge(target, patch, inner, engine),
                None => Ok(()),
            }
        }
        (Some(there), View::Seq(items)) if there.as_seq().is_some() => {
            let Some(field) = field else { return Err(unknown()) };
            let old = there.as_seq().unwrap_or_default();
            *there = match field.merge {
                Merge::Values => Node::seq(join(old, items)),
                _ => value.clone(),
            };
            Ok(())
        }
        _ => {
            match clean(value) {
                Some(value) => target.insert(key, value),
                None => {
                    target.remove(key);
                }
            }
            Ok(())
        }
    }
}

/// A value that is new: without nulls in mappings, and without mappings that carry a directive.
fn clean(value: &Node) -> Option<Node> {
    match value.view() {
        View::Scalar(..) => Some(value.clone()),
        View::Seq(items) => Some(Node::seq(items.iter().filter_map(clean).collect())),
        View::Map(map) if map.contains(DIRECTIVE) => None,
        View::Map(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Some(Node::map(kept.filter_map(|(key, value)| Some((key.clone(), clean(value)?))).collect()))
        }
    }
}

/// Two lists of scalars as one without repetition. Order as in strategicpatch: the patch's items in their order, the others in theirs, and
/// where both stood in the old list, as they stood there.
fn join(old: &[Node], patch: &[Node]) -> Vec<Node> {
    let mut ours: Vec<&Node> = Vec::new();
    for item in patch {
        if !ours.contains(&item) {
            ours.push(item);
        }
    }
    let mut theirs: Vec<&Node> = Vec::new();
    for item in old {
        if !ours.contains(&item) && !theirs.contains(&item) {
            theirs.push(item);
        }
    }
    let place = |item: &Node| old.iter().position(|other| other == item);
    let (mut left, mut right) = (theirs.into_iter().peekable(), ours.into_iter().peekable());
    let mut out = Vec::with_capacity(old.len() + patch.len());
    loop {
        let take_left = match (left.peek(), right.peek()) {
            (None, None) => return out,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(a), Some(b)) => place(b).is_some_and(|b| place(a).is_some_and(|a| a < b)),
        };
        out.extend(if take_left { left.next() } else { right.next() }.cloned());
    }
}
