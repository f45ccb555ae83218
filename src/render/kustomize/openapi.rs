//! A schema of the user's (`openapi.path`), and the one way in which merging asks for types: the built-in table, or that schema
//! instead of it (kyaml/openapi: a custom schema replaces the built-in one, unless that was asked before: then it comes over it).

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use super::accumulate::{Build, Done};
use super::file::Kustomization;
use super::load::Frame;
use crate::diag::Diagnostic;
use crate::k8s::schema::{self, TypeRef};
use crate::render::Stop;
use crate::yaml::Node;

/// A user's OpenAPI schema.
#[derive(Debug)]
pub(super) struct OpenApi {
    definitions: Node,
    /// (apiVersion, kind) to the name of the definition.
    kinds: FxHashMap<(SmolStr, SmolStr), SmolStr>,
    /// The built-in table knows the other kinds.
    over_builtin: bool,
}

impl OpenApi {
    /// From a schema document with `definitions`; `over_builtin` where the original had read the built-in one already.
    ///
    /// # Errors
    /// It has none.
    pub(super) fn new(document: &Node, over_builtin: bool) -> Result<Self, String> {
        let Some(definitions) = document.get("definitions").filter(|node| node.as_map().is_some()) else {
            return Err("the schema has no `definitions`".to_owned());
        };
        let mut kinds = FxHashMap::default();
        for (name, definition) in definitions.as_map().into_iter().flat_map(|map| map.iter()) {
            let list = definition.get("x-kubernetes-group-version-kind").and_then(Node::as_seq).unwrap_or_default();
            for gvk in list {
                let text = |key| gvk.get(key).and_then(Node::text).unwrap_or_default();
                let (group, version, kind) = (text("group"), text("version"), text("kind"));
                let api_version = if group.is_empty() {
                    SmolStr::from(version)
                } else {
                    smol_str::format_smolstr!("{group}/{version}")
                };
                kinds.insert((api_version, kind.into()), name.smol().unwrap_or_default());
            }
        }
        Ok(OpenApi { definitions: definitions.clone(), kinds, over_builtin })
    }

    fn resolve<'s>(&'s self, mut schema: &'s Node) -> Option<&'s Node> {
        // A chain of references that does not end is cut.
        for _ in 0..64 {
            let Some(reference) = schema.get("$ref").and_then(Node::as_str) else { return Some(schema) };
            schema = self.definitions.get(reference.strip_prefix("#/definitions/")?)?;
        }
        None
    }
}

impl Build<'_> {
    /// Sets the schema that a kustomization asks for, unless one is set.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn set_schema(&self, frame: &Frame<'_>, k: &Kustomization, root: bool) -> Done<()> {
        let Some(openapi) = &k.openapi else { return Ok(()) };
        let fail = |text: String| Stop::from(Diagnostic::error("kustomize/openapi", openapi.span, text));
        // The file is read even where another schema is set already.
        let document = match &openapi.path {
            Some(path) => Some(self.loader.document(frame, path)?),
            None => None,
        };
        if *self.schema_set.borrow() && !root {
            return Ok(());
        }
        match (&openapi.version, document) {
            (Some(_), Some(_)) => Err(fail("builtin version and custom schema provided, cannot use both".to_owned())),
            (None, Some(document)) => {
                let schema = OpenApi::new(&document, self.merges.get() > 0).map_err(fail)?;
                *self.schema.borrow_mut() = Some(Arc::new(schema));
                *self.schema_set.borrow_mut() = true;
                Ok(())
            }
            (Some(version), None) if version.value == "v1.21.2" => {
                *self.schema_set.borrow_mut() = true;
                Ok(())
            }
            (Some(version), None) if !version.value.is_empty() => {
                Err(fail(format!("the OpenAPI version `{}` is not built in (only v1.21.2 is)", version.value)))
            }
            _ => Ok(()),
        }
    }
}

/// Which schema merging asks.
#[derive(Clone, Copy)]
pub(super) enum Schemas<'s> {
    /// The built-in table.
    Builtin,
    /// The same, with what a patch brings to a list behind what is there: merges of Helm's values.
    Appending,
    /// A user's schema.
    Custom(&'s OpenApi),
}

/// A type in a schema.
#[derive(Clone, Copy)]
pub(super) enum Type<'s> {
    /// In the built-in table.
    Table(TypeRef),
    /// In a user's schema.
    Open(&'s OpenApi, &'s Node),
}

impl<'s> Schemas<'s> {
    /// The type that a node's own `apiVersion` and `kind` name.
    pub(super) fn of(self, node: &Node) -> Option<Type<'s>> {
        match self {
            Schemas::Builtin | Schemas::Appending => schema::of(node).map(Type::Table),
            Schemas::Custom(api) => {
                let (api_version, kind) = (node.get("apiVersion")?.smol()?, node.get("kind")?.smol()?);
                let Some(name) = api.kinds.get(&(api_version, kind)) else {
                    return schema::of(node).filter(|_| api.over_builtin).map(Type::Table);
                };
                Some(Type::Open(api, api.definitions.get(name)?))
            }
        }
    }
}

impl<'s> Type<'s> {
    /// The type of a field.
    pub(super) fn field(self, name: &str) -> Option<Type<'s>> {
        match self {
            Type::Table(table) => table.field(name).map(Type::Table),
            Type::Open(api, schema) => {
                let property = schema.get("properties").and_then(|properties| properties.get(name));
                let property = property.or_else(|| {
                    schema.get("additionalProperties").filter(|additional| additional.as_map().is_some())
                })?;
                Some(Type::Open(api, api.resolve(property)?))
            }
        }
    }

    /// The type of a list's items.
    pub(super) fn items(self) -> Option<Type<'s>> {
        match self {
            Type::Table(table) => table.items().map(Type::Table),
            Type::Open(api, schema) => Some(Type::Open(api, api.resolve(schema.get("items")?)?)),
        }
    }

    /// The keys by which a list merges (empty: by value), or `None` for a list that is replaced whole.
    pub(super) fn merge_keys(self) -> Option<Vec<&'s str>> {
        match self {
            Type::Table(table) => table.list_merge().map(|merge| merge.keys.to_vec()),
            Type::Open(_, schema) => {
                let strategy = schema.get("x-kubernetes-patch-strategy")?.as_str()?;
                if !strategy.split(',').any(|word| word == "merge") {
                    return None;
                }
                if let Some(keys) = schema.get("x-kubernetes-list-map-keys").and_then(Node::as_seq) {
                    return Some(keys.iter().filter_map(Node::as_str).collect());
                }
                Some(schema.get("x-kubernetes-patch-merge-key").and_then(Node::as_str).into_iter().collect())
            }
        }
    }
}
