//! Wildcards in roles of Kubernetes that Kubernetes does not expand: `resourceNames: ["dev-*"]` gives rights to an object that is called so.
//!
//! Only a lone `*` stands for everything, and not even that among names; resources may be `*/subresource`, paths may end with a star
//! (k8s.io/kubernetes `pkg/apis/rbac/v1/evaluation_helpers.go`).

use crate::k8s::object::Gvk;
use crate::yaml::Node;

/// Whether a text with a star in it is expanded.
type Expands = fn(&str) -> bool;

/// The fields of a rule, and what of a text with a star in it is expanded there.
const FIELDS: [(&str, Expands); 5] = [
    ("apiGroups", |text| text == "*"),
    ("resources", |text| text == "*" || text.strip_prefix("*/").is_some_and(|rest| !rest.contains('*'))),
    ("resourceNames", |_| false),
    ("verbs", |text| text == "*"),
    ("nonResourceURLs", |text| text.strip_suffix('*').is_some_and(|head| !head.contains('*'))),
];

/// What a role says that matches nothing: the field and the text, in its order.
pub fn unexpanded(object: &Node) -> Vec<(&'static str, String)> {
    let gvk = Gvk::of(object);
    if !(gvk.is("rbac.authorization.k8s.io", "Role") || gvk.is("rbac.authorization.k8s.io", "ClusterRole")) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for rule in object.get("rules").and_then(Node::as_seq).unwrap_or_default() {
        for (field, expands) in FIELDS {
            let items = rule.get(field).and_then(Node::as_seq).unwrap_or_default();
            let texts = items.iter().filter_map(Node::as_str).filter(|text| text.contains('*') && !expands(text));
            found.extend(texts.map(|text| (field, text.to_owned())));
        }
    }
    found
}
