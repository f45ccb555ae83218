//! Paths of resources on an API server. Knows no scopes: who asks says which resource a kind is served as.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use smol_str::SmolStr;

use crate::k8s::object::Gvk;
use crate::yaml::Node;

/// A kind as a server serves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// Its name in paths: `deployments`.
    pub plural: SmolStr,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// What can be done with it: `get`, `list`, `patch`, `delete`…
    pub verbs: Vec<SmolStr>,
}

impl Resource {
    /// What an APIResourceList serves of a group and version; subresources are left out.
    pub fn list(list: &Node, group: &SmolStr, version: &SmolStr) -> Vec<Resource> {
        let items = list.get("resources").and_then(Node::as_seq).unwrap_or_default();
        let text = |node: &Node, key: &str| node.get(key).and_then(Node::smol).unwrap_or_default();
        let resource = |node: &Node| Resource {
            gvk: Gvk { group: group.clone(), version: version.clone(), kind: text(node, "kind") },
            plural: text(node, "name"),
            namespaced: node.get("namespaced").and_then(Node::as_bool) == Some(true),
            verbs: node.get("verbs").and_then(Node::as_seq).unwrap_or_default().iter().filter_map(Node::smol).collect(),
        };
        items.iter().map(resource).filter(|resource| !resource.plural.contains('/')).collect()
    }

    /// The path of a collection; an empty namespace stands for all of them.
    pub fn collection(&self, namespace: &str) -> String {
        let root = if self.gvk.group.is_empty() { "/api" } else { "/apis" };
        let mut path = format!("{root}/{}", self.gvk.api_version());
        if self.namespaced && !namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(&encode(namespace));
        }
        path.push('/');
        path.push_str(&self.plural);
        path
    }

    /// The path of an object.
    pub fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.collection(namespace), encode(name))
    }

    /// Whether it has a verb.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }
}

/// What stays as it is in a part of a path.
const DOTS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');
const PLAIN: &AsciiSet = &DOTS.remove(b'.');

/// A part of a path: what is no unreserved character is percent-encoded, so that no name can leave its place.
pub fn encode(part: &str) -> String {
    // A lone dot or two are steps in a path; elsewhere dots are plain (`web.example.com`).
    let keep = if part.chars().all(|c| c == '.') { DOTS } else { PLAIN };
    utf8_percent_encode(part, keep).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_their_collection() {
        let resource = Resource {
            gvk: Gvk::new("rbac.authorization.k8s.io/v1", "Role"),
            plural: "roles".into(),
            namespaced: true,
            verbs: vec!["get".into()],
        };
        assert_eq!(
            resource.object("shop", "system:web"),
            "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/system%3Aweb"
        );
        assert_eq!(resource.collection(""), "/apis/rbac.authorization.k8s.io/v1/roles");
        assert_eq!(encode(".."), "%2E%2E");
        assert_eq!(encode("a/../b"), "a%2F..%2Fb");
        assert_eq!(encode("web.example.com"), "web.example.com");
        assert!(resource.can("get") && !resource.can("list"));
    }
}
