//! What names an object: group, version and kind ([`Gvk`]), namespace and name ([`ObjectId`]); and its annotations as Argo CD reads them.
//!
//! Ids are plain text as written: no scope knowledge, no defaulting (that is `bundle`'s and kustomize's, who differ in it).
//! The derived order is group, version, kind, namespace, name, and is for maps and stable output only; see [`super::order`] for the
//! orders that tools apply.

use smol_str::{SmolStr, format_smolstr};

use crate::yaml::Node;

/// Group, version and kind of an object. The core group is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Gvk {
    /// API group, without version; empty for core.
    pub group: SmolStr,
    /// API version, without group.
    pub version: SmolStr,
    /// Kind.
    pub kind: SmolStr,
}

impl Gvk {
    /// From `apiVersion` (split at its first slash, as kustomize and apimachinery do for well-formed ones) and `kind`.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Gvk { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// From `apiVersion` and `kind` of an object; empty where they are missing or no scalars.
    pub fn of(object: &Node) -> Self {
        let text = |key| object.get(key).and_then(Node::text).unwrap_or_default();
        Self::new(text("apiVersion"), text("kind"))
    }

    /// `group/version`, or the version alone for core.
    pub fn api_version(&self) -> SmolStr {
        if self.group.is_empty() { self.version.clone() } else { format_smolstr!("{}/{}", self.group, self.version) }
    }

    /// Whether group and kind are these, whatever the version.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }
}

/// `Kind` for core, else `Kind.group`: short, for messages.
impl std::fmt::Display for Gvk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        if self.group.is_empty() { Ok(()) } else { write!(f, ".{}", self.group) }
    }
}

/// What names an object on a cluster. The namespace is empty where none is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ObjectId {
    /// Group, version, kind.
    pub gvk: Gvk,
    /// `metadata.namespace` as written.
    pub namespace: SmolStr,
    /// `metadata.name` as written; empty with `generateName`.
    pub name: SmolStr,
}

impl ObjectId {
    /// The id of an object; parts that are missing or no scalars are empty.
    pub fn of(object: &Node) -> Self {
        let text = |key| object.at(&["metadata", key]).filter(|node| !node.is_null()).and_then(Node::smol);
        ObjectId {
            gvk: Gvk::of(object),
            namespace: text("namespace").unwrap_or_default(),
            name: text("name").unwrap_or_default(),
        }
    }

    /// The same object whatever the API version: a cluster has one object for all versions of a kind.
    pub fn same_object(&self, other: &Self) -> bool {
        self.gvk.is(&other.gvk.group, &other.gvk.kind) && self.namespace == other.namespace && self.name == other.name
    }

    /// As kustomize prints an id: `Kind.version.group/name.namespace`, with `[noGrp]` and the like for empty parts
    /// (kyaml v0.21.2 resid).
    pub fn resid(&self) -> String {
        let or = |text: &SmolStr, none: &str| if text.is_empty() { none.to_owned() } else { text.to_string() };
        format!(
            "{}.{}.{}/{}.{}",
            or(&self.gvk.kind, "[noKind]"),
            or(&self.gvk.version, "[noVer]"),
            or(&self.gvk.group, "[noGrp]"),
            or(&self.name, "[noName]"),
            or(&self.namespace, "[noNs]")
        )
    }
}

/// `Deployment.apps shop/web`, `Namespace shop`: for messages.
impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.gvk)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// The value of an annotation. Only strings count: with a number or a boolean an API server refuses the object.
pub fn annotation<'a>(object: &'a Node, key: &str) -> Option<&'a str> {
    object.at(&["metadata", "annotations"])?.get(key)?.as_str()
}

/// The parts of a comma-separated annotation, trimmed, without empty and repeated ones.
/// (Argo CD: gitops-engine/pkg/sync/resource/annotations.go.)
pub fn annotation_list<'a>(object: &'a Node, key: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    for part in annotation(object, key).unwrap_or_default().split(',').map(str::trim) {
        if !part.is_empty() && !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts
}
