//! A definition of custom resources must keep every version in which the cluster has stored objects: without it they could not be read any
//! more. The API server refuses that, too, in words that do not say what to do.

use std::collections::BTreeSet;

use crate::k8s::object::Gvk;
use crate::yaml::Node;

/// What is wrong with a definition that is to replace a live one; `None` for nothing, and for other kinds.
pub(super) fn lost(gvk: &Gvk, desired: &Node, live: &Node) -> Option<String> {
    if !gvk.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return None;
    }
    let stored = live.at(&["status", "storedVersions"]).and_then(Node::as_seq).unwrap_or_default();
    let versions = desired.at(&["spec", "versions"]).and_then(Node::as_seq).unwrap_or_default();
    let has: BTreeSet<&str> = versions.iter().map(|version| version.str_at(&["name"])).collect();
    let missing: Vec<String> = stored
        .iter()
        .filter_map(Node::as_str)
        .filter(|name| !has.contains(name))
        .map(|name| format!("`{name}`"))
        .collect();
    if missing.is_empty() || versions.is_empty() {
        return None;
    }
    let kind = desired.str_at(&["spec", "names", "kind"]);
    Some(format!(
        "the cluster has stored {kind} objects as {} (status.storedVersions), and this definition lacks that version: they could not be \
         read any more; keep the version in it, or convert the objects and take it out of status.storedVersions first",
        missing.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::FileId;
    use crate::yaml::json;

    #[test]
    fn versions_in_which_objects_are_stored_stay() {
        let node = |text: &str| json::parse(FileId::NONE, text.as_bytes()).expect("JSON");
        let gvk = Gvk::new("apiextensions.k8s.io/v1", "CustomResourceDefinition");
        let live = node(r#"{"status":{"storedVersions":["v1","v2"]}}"#);
        let of =
            |versions: &str| node(&format!(r#"{{"spec":{{"names":{{"kind":"Widget"}},"versions":[{versions}]}}}}"#));
        let (one, two) = (r#"{"name":"v1"}"#, r#"{"name":"v2"}"#);
        let why = lost(&gvk, &of(one), &live).expect("refused");
        assert!(why.contains("Widget") && why.contains("`v2`") && !why.contains("`v1`"), "{why}");
        assert_eq!(lost(&gvk, &of(&format!("{one},{two}")), &live), None);
        assert_eq!(lost(&gvk, &of(one), &node("{}")), None);
        assert_eq!(lost(&Gvk::new("v1", "ConfigMap"), &of(one), &live), None);
    }
}
