//! What kustomize knows about merging lists: a graph of types from Kubernetes' OpenAPI v1.21.2, as kustomize v5.8.2 embeds it.
//!
//! Only types from which a list that merges by key can be reached are in it; where this graph ends, lists are replaced whole. That is
//! what kyaml does with a list whose schema has no merge strategy, and with one that has no schema.
//!
//! How kyaml uses it (kyaml v0.21.2, yaml/walk): a node without a schema (an unknown kind, an unknown field) is looked up again by its
//! *own* `apiVersion` and `kind`, at every depth, so a Pod embedded in a custom resource merges its containers by name: the walker asks
//! [`of`] wherever it has no type. The graph cannot tell a known field without merging lists from an unknown one; kyaml can, and does not
//! look such a field up again. It shows only where a known field holds a whole object of a known kind (`ControllerRevision.data`,
//! defaults and examples inside a CRD).
//!
//! A list-map key without a patch strategy (`status.conditions` of some kinds) is not merged, `retainKeys` and `replace` have no effect:
//! none of them is in the table.

use std::sync::LazyLock;

use crate::yaml::Node;

/// A type in the graph: a map with fields, or a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeRef {
    shape: Shape,
    /// Index of the struct, or of a list's items; `None` where nothing more is reached.
    target: Option<u16>,
}

/// How elements of a list find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListMerge {
    /// The keys that must all be equal (kyaml relaxes absent secondary ones); empty for a list of scalars merged by value.
    pub keys: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    One,
    List,
    Merge { first: u16, count: u16 },
}

#[derive(Default)]
struct Graph {
    /// Per type, its fields in [`Graph::fields`].
    types: Vec<std::ops::Range<usize>>,
    /// Name, then what is there; sorted by name within a type.
    fields: Vec<(&'static str, TypeRef)>,
    keys: Vec<&'static str>,
    /// (apiVersion, kind, type), sorted.
    roots: Vec<(&'static str, &'static str, u16)>,
}

static GRAPH: LazyLock<Graph> =
    LazyLock::new(|| Graph::parse(include_str!("../../schema/kubernetes/strategic-merge.txt")));

impl Graph {
    /// Reads the table; its form is described in its own head. Types come sorted by name and before the roots.
    fn parse(text: &'static str) -> Graph {
        let mut graph = Graph::default();
        let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("type ")).collect();
        let number = |name: &str| names.binary_search(&name).ok().and_then(|at| u16::try_from(at).ok());
        for line in text.lines() {
            if line.starts_with("type ") {
                graph.types.push(graph.fields.len()..graph.fields.len());
            } else if let Some(field) = line.strip_prefix("  ") {
                let mut words = field.split(' ');
                let (Some(name), Some(shape)) = (words.next(), words.next()) else { continue };
                let shape = match shape {
                    "one" => Shape::One,
                    "list" => Shape::List,
                    _ => {
                        let first = graph.keys.len();
                        graph.keys.extend(words.next().unwrap_or_default().split(',').filter(|key| *key != "="));
                        Shape::Merge { first: first as u16, count: (graph.keys.len() - first) as u16 }
                    }
                };
                graph.fields.push((name, TypeRef { shape, target: words.next().and_then(number) }));
                if let Some(range) = graph.types.last_mut() {
                    range.end = graph.fields.len();
                }
            } else if let Some(root) = line.strip_prefix("root ") {
                let mut words = root.split(' ');
                if let (Some(api_version), Some(kind), Some(of)) =
                    (words.next(), words.next(), words.next().and_then(number))
                {
                    graph.roots.push((api_version, kind, of));
                }
            }
        }
        graph.roots.sort_unstable();
        graph
    }
}

/// The type of objects of a kind, by exact `apiVersion`; `None` where kustomize has no schema or nothing merges in it.
pub fn root(api_version: &str, kind: &str) -> Option<TypeRef> {
    let roots = &GRAPH.roots;
    let at = roots.binary_search_by(|(a, k, _)| (*a, *k).cmp(&(api_version, kind))).ok()?;
    roots.get(at).map(|row| TypeRef { shape: Shape::One, target: Some(row.2) })
}

/// The type that a node's own `apiVersion` and `kind` name.
pub fn of(node: &Node) -> Option<TypeRef> {
    root(node.get("apiVersion")?.text()?, node.get("kind")?.text()?)
}

impl TypeRef {
    /// The type of a field of a map.
    pub fn field(self, name: &str) -> Option<TypeRef> {
        if self.shape != Shape::One {
            return None;
        }
        let graph = &*GRAPH;
        let fields = graph.fields.get(graph.types.get(usize::from(self.target?))?.clone())?;
        let at = fields.binary_search_by(|(field, _)| (*field).cmp(name)).ok()?;
        fields.get(at).map(|field| field.1)
    }

    /// The type of a list's items.
    pub fn items(self) -> Option<TypeRef> {
        if self.shape == Shape::One { None } else { Some(TypeRef { shape: Shape::One, target: Some(self.target?) }) }
    }

    /// How a list merges; `None` for a list that is replaced whole, and for what is not a list.
    pub fn list_merge(self) -> Option<ListMerge> {
        let Shape::Merge { first, count } = self.shape else { return None };
        let keys = GRAPH.keys.get(usize::from(first)..usize::from(first) + usize::from(count))?;
        Some(ListMerge { keys })
    }

    /// Whether it is a list of scalars merged by value (`metadata.finalizers`).
    pub fn is_primitive_set(self) -> bool {
        self.list_merge().is_some_and(|merge| merge.keys.is_empty())
    }
}

#[cfg(test)]
mod tests;
