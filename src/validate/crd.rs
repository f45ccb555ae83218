//! What a CustomResourceDefinition says of its kind: which versions are served, and the schema of each.

use smol_str::SmolStr;

use super::Problem;
use super::structural;
use super::table::Minor;
use crate::k8s::object::Gvk;
use crate::yaml::Node;

/// A CustomResourceDefinition.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Group of its kind.
    pub group: SmolStr,
    /// Its kind.
    pub kind: SmolStr,
    /// The object.
    pub object: Node,
}

impl Definition {
    /// Reads an object; `None` for other objects and incomplete ones.
    pub fn of(object: &Node) -> Option<Definition> {
        if !Gvk::of(object).is("apiextensions.k8s.io", "CustomResourceDefinition") {
            return None;
        }
        let spec = object.get("spec")?;
        let (group, kind) = (spec.get("group")?.smol()?, spec.at(&["names", "kind"])?.smol()?);
        Some(Definition { group, kind, object: object.clone() })
    }

    fn versions(&self) -> &[Node] {
        self.object.at(&["spec", "versions"]).and_then(Node::as_seq).unwrap_or_default()
    }

    /// The names of the versions that a server has.
    pub fn served(&self) -> Vec<&str> {
        let served = |version: &&Node| version.get("served").and_then(Node::as_bool) != Some(false);
        self.versions().iter().filter(served).filter_map(|version| version.get("name")?.text()).collect()
    }

    fn version(&self, name: &str) -> Option<&Node> {
        self.versions().iter().find(|version| version.get("name").and_then(Node::text) == Some(name))
    }

    /// The schema of a version; `None` where it has none, as in `v1beta1`.
    pub fn schema(&self, version: &str) -> Option<&Node> {
        self.version(version)?.at(&["schema", "openAPIV3Schema"])
    }

    /// Whether a version is deprecated, and what is said then.
    pub fn deprecated(&self, version: &str) -> Option<String> {
        let version = self.version(version)?;
        if version.get("deprecated").and_then(Node::as_bool) != Some(true) {
            return None;
        }
        Some(version.get("deprecationWarning").and_then(Node::as_str).unwrap_or_default().to_owned())
    }

    /// Whether `status` is dropped where an object is made.
    pub(super) fn has_status(&self, version: &str) -> bool {
        self.version(version).is_some_and(|version| version.at(&["subresources", "status"]).is_some())
    }

    /// What is wrong with an object of it; `None` where nothing is known of that version.
    pub fn check(&self, object: &Node, minor: Minor) -> Option<Vec<Problem>> {
        let version = Gvk::of(object).version;
        let schema = self.schema(&version)?;
        Some(structural::check(object, schema, minor, self.has_status(&version)))
    }
}
