//! How server-side apply divides objects into fields: a table for the kinds of Kubernetes v1.34, a CRD's own schema for custom ones.
//!
//! What neither says is the default of both: maps by field, lists whole. The table is `schema/kubernetes/apply.txt`, from an API server's
//! own OpenAPI document. kustomize's merge keys (`k8s::schema`) differ (ports by two keys, conditions by type), so there are two tables.

use std::sync::LazyLock;

use smol_str::SmolStr;

use crate::k8s::object::Gvk;
use crate::yaml::{Node, json};

/// The keys of a list map, with the defaults that stand for missing ones, as JSON.
pub(super) type Keys = Vec<(SmolStr, Option<SmolStr>)>;

/// What is known about a value.
#[derive(Clone, Debug)]
pub enum Shape<'s> {
    /// A built-in type.
    Type(usize),
    /// A schema of a CRD (`openAPIV3Schema` or a part of it); whether unknown fields are kept in it.
    Schema(&'s Node, bool),
    /// The default: a map of fields, or a list owned whole.
    Plain,
    /// No schema: every entry of a map is owned beside what is in it.
    Free,
    /// Owned as one.
    Whole,
    /// A list of scalars, each by itself.
    Set,
    /// A list of maps, each by itself.
    Items(Keys, Box<Shape<'s>>),
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    One,
    Whole,
    Set,
    Keys(Keys),
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Plain,
    Whole,
    Type(usize),
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    kind: Kind,
    target: Target,
}

#[derive(Debug, Default)]
struct Table {
    /// Fields of each type, sorted by name.
    types: Vec<Vec<Field>>,
    /// apiVersion, kind, type; sorted.
    roots: Vec<(&'static str, &'static str, usize)>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(include_str!("../../../schema/kubernetes/apply.txt")));

impl Table {
    /// Reads the table; its form is described in its own head.
    fn parse(text: &'static str) -> Table {
        let mut table = Table::default();
        let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("type ")).collect();
        let number = |name: &str| names.iter().position(|listed| *listed == name);
        for line in text.lines() {
            if line.starts_with("type ") {
                table.types.push(Vec::new());
            } else if let Some(field) = line.strip_prefix("  ") {
                let mut words = field.split(' ');
                let (Some(name), Some(kind)) = (words.next(), words.next()) else { continue };
                let kind = match kind {
                    "whole" => Kind::Whole,
                    "set" => Kind::Set,
                    "keys" => Kind::Keys(words.next().unwrap_or_default().split(',').map(key).collect()),
                    _ => Kind::One,
                };
                let target = match words.next() {
                    Some("whole") => Target::Whole,
                    name => name.and_then(number).map_or(Target::Plain, Target::Type),
                };
                if let Some(fields) = table.types.last_mut() {
                    fields.push(Field { name, kind, target });
                }
            } else if let Some(root) = line.strip_prefix("root ") {
                let mut words = root.split(' ');
                if let (Some(api), Some(kind), Some(of)) = (words.next(), words.next(), words.next().and_then(number)) {
                    table.roots.push((api, kind, of));
                }
            }
        }
        table.roots.sort_unstable();
        table
    }
}

/// `name` or `name=DEFAULT`.
fn key(text: &str) -> (SmolStr, Option<SmolStr>) {
    match text.split_once('=') {
        Some((name, default)) => (name.into(), Some(default.into())),
        None => (text.into(), None),
    }
}

impl Shape<'static> {
    /// Of a built-in kind, by exact `apiVersion`; `None` where it is none of v1.34.
    pub fn built_in(gvk: &Gvk) -> Option<Self> {
        let api_version = gvk.api_version();
        let key = (api_version.as_str(), gvk.kind.as_str());
        let at = TABLE.roots.binary_search_by(|row| (row.0, row.1).cmp(&key)).ok()?;
        TABLE.roots.get(at).map(|row| Shape::Type(row.2))
    }

    /// `metadata` of any kind: that of every built-in one.
    pub(super) fn metadata() -> Self {
        Shape::built_in(&Gvk::new("v1", "ConfigMap")).map_or(Shape::Plain, |root| root.field("metadata").0)
    }
}

impl<'s> Shape<'s> {
    /// Of a version of a CRD; `None` where it has no such version or no schema.
    pub fn of_crd(definition: &'s Node, version: &str) -> Option<Self> {
        let versions = definition.at(&["spec", "versions"])?.as_seq()?;
        let found = versions.iter().find(|item| item.get("name").and_then(Node::text) == Some(version))?;
        found.at(&["schema", "openAPIV3Schema"]).map(|schema| Shape::schema(schema, false))
    }

    /// A schema, read down to what it says of lists and maps (kube-openapi pkg/schemaconv). That unknown fields are kept holds for all below.
    fn schema(schema: &'s Node, kept: bool) -> Self {
        let text = |key: &str| schema.get(key).and_then(Node::text);
        let kept = kept || schema.get("x-kubernetes-preserve-unknown-fields").and_then(Node::as_bool) == Some(true);
        if text("x-kubernetes-map-type") == Some("atomic") {
            return Shape::Whole;
        }
        match text("x-kubernetes-list-type") {
            Some("set") => Shape::Set,
            Some("map") => {
                let items = schema.get("items");
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Node::as_seq).unwrap_or_default();
                let default =
                    |name: &str| items?.at(&["properties", name, "default"]).and_then(|d| json::to_json(d).ok());
                let keys = keys.iter().filter_map(Node::smol);
                let keys = keys.map(|name| (name.clone(), default(&name).map(Into::into))).collect();
                Shape::Items(keys, Box::new(items.map_or(Shape::Plain, |items| Shape::schema(items, kept))))
            }
            _ => Shape::Schema(schema, kept),
        }
    }

    /// The shape of an entry of a map, and whether the entry is a field of a type, not data.
    pub(super) fn field(&self, name: &str) -> (Shape<'s>, bool) {
        match self {
            Shape::Type(at) => {
                let fields = TABLE.types.get(*at).map(Vec::as_slice).unwrap_or_default();
                let Some(field) = fields.iter().find(|field| field.name == name) else { return (Shape::Plain, true) };
                let below = match field.target {
                    Target::Plain => Shape::Plain,
                    Target::Whole => Shape::Whole,
                    Target::Type(at) => Shape::Type(at),
                };
                let shape = match &field.kind {
                    Kind::One => below,
                    Kind::Whole => Shape::Whole,
                    Kind::Set => Shape::Set,
                    Kind::Keys(keys) => Shape::Items(keys.clone(), Box::new(below)),
                };
                (shape, true)
            }
            Shape::Schema(schema, kept) => {
                let known = schema.get("properties").and_then(|fields| fields.get(name));
                let embedded = schema.get("x-kubernetes-embedded-resource").and_then(Node::as_bool) == Some(true);
                match (known, schema.get("additionalProperties").filter(|below| below.as_map().is_some())) {
                    _ if embedded && name == "metadata" => (Shape::metadata(), true),
                    _ if embedded && ["apiVersion", "kind"].contains(&name) => (Shape::Plain, true),
                    (Some(below), _) => (Shape::schema(below, *kept), true),
                    (None, Some(below)) => (Shape::schema(below, *kept), false),
                    (None, None) => (Shape::Free, false),
                }
            }
            Shape::Free => (Shape::Free, false),
            _ => (Shape::Plain, true),
        }
    }
}
