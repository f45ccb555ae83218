//! What is read off a live object: who it is, who manages it, whether it may be deleted as ours.
//!
//! Nothing is asked for and nothing is decided about it.

use smol_str::SmolStr;

use super::action::Seen;
use crate::bundle::ObjectRef;
use crate::digest::Digest;
use crate::inventory::{FIELD_MANAGER, PART_OF_LABEL};
use crate::k8s::object::Gvk;
use crate::yaml::{Map, Node, json};

/// UID and resource version.
pub(super) fn seen(object: &Node) -> Seen {
    let of = |key| object.at(&["metadata", key]).and_then(Node::smol).unwrap_or_default();
    Seen { uid: of("uid"), resource_version: of("resourceVersion") }
}

/// The name of an object of a kind: items of lists do not say what they are.
pub(super) fn reference(gvk: &Gvk, object: &Node) -> ObjectRef {
    let of = |key| object.at(&["metadata", key]).and_then(Node::smol).unwrap_or_default();
    ObjectRef { group: gvk.group.clone(), kind: gvk.kind.clone(), namespace: of("namespace"), name: of("name") }
}

/// The ApplySet that it says to be part of; empty for none.
pub(super) fn part_of(object: &Node) -> &str {
    object.str_at(&["metadata", "labels", PART_OF_LABEL])
}

/// An object without the label of membership.
pub(super) fn without_membership(object: &Node) -> Node {
    let mut object = object.clone();
    let Some(metadata) = object.get_mut("metadata").and_then(Node::map_mut) else { return object };
    if let Some(labels) = metadata.get_mut("labels").and_then(Node::map_mut) {
        labels.remove(PART_OF_LABEL);
        if labels.is_empty() {
            metadata.remove("labels");
        }
    }
    object
}

/// Whether its deletion has begun.
pub(super) fn is_going(object: &Node) -> bool {
    object.at(&["metadata", "deletionTimestamp"]).is_some()
}

/// The controller that owns it, as `Kind name`.
pub fn controller(object: &Node) -> Option<String> {
    let owners = object.at(&["metadata", "ownerReferences"]).and_then(Node::as_seq).unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.get("controller").and_then(Node::as_bool) == Some(true))?;
    Some(format!("{} {}", owner.str_at(&["kind"]), owner.str_at(&["name"])))
}

/// The entries of managedFields that are a manager's, those of subresources left out.
pub(super) fn entries_of<'a>(object: &'a Node, manager: &'a str) -> impl Iterator<Item = &'a Node> {
    let entries = object.at(&["metadata", "managedFields"]).and_then(Node::as_seq).unwrap_or_default();
    entries
        .iter()
        .filter(move |entry| entry.str_at(&["manager"]) == manager && entry.str_at(&["subresource"]).is_empty())
}

/// Whether our field manager is in its managedFields.
pub fn is_managed_by_us(object: &Node) -> bool {
    entries_of(object, FIELD_MANAGER).next().is_some()
}

/// Digest of the fields that our manager owns of a live object, without their times: what an inventory records as
/// [`Item::owned`](crate::inventory::Item). `None` where it owns none.
pub fn owned_digest(object: &Node) -> Option<Digest> {
    let mut owned: Vec<String> = Vec::new();
    for entry in entries_of(object, FIELD_MANAGER) {
        let fields = json::to_json(entry.get("fieldsV1")?).ok()?;
        owned.push(format!("{} {} {fields}", entry.str_at(&["operation"]), entry.str_at(&["apiVersion"])));
    }
    owned.sort();
    (!owned.is_empty()).then(|| Digest::of_parts(owned.iter().map(String::as_bytes)))
}

/// Whether a live Secret has the values that a desired one says. Only called for Secrets whose keys are known to be those that were applied.
pub(super) fn same_secret_values(desired: &Node, live: &Node) -> bool {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let entries =
        |object: &Node, field: &str| -> Map { object.get(field).and_then(Node::as_map).cloned().unwrap_or_default() };
    let bytes = |text: &str| STANDARD.decode(text.split_whitespace().collect::<String>()).ok();
    let data = entries(live, "data");
    let strings = entries(desired, "stringData");
    let live_is = |key: &str, value: Option<Vec<u8>>| {
        let there = data.get(key).and_then(Node::text).and_then(bytes);
        there.is_some() && there == value
    };
    let plain = entries(desired, "data");
    let same_data = plain.iter().all(|(key, value)| {
        let Some(key) = key.text() else { return false };
        // What is in both is what stringData says.
        strings.contains(key) || live_is(key, value.text().and_then(bytes))
    });
    same_data
        && strings.iter().all(|(key, value)| {
            key.text().is_some_and(|key| live_is(key, value.text().map(|text| text.as_bytes().to_vec())))
        })
}

/// Adds `apiVersion` and `kind`, which items of lists lack.
pub(super) fn with_kind(gvk: &Gvk, mut object: Node) -> Node {
    if let Some(map) = object.map_mut()
        && !map.contains("kind")
    {
        map.insert("apiVersion", Node::str(gvk.api_version()));
        map.insert("kind", Node::str(gvk.kind.clone()));
    }
    object
}

/// The Argo CD application that an object is tracked by, from the tracking annotation: `shop` of `shop:apps/Deployment:shop/web`.
pub(super) fn tracked_by(object: &Node) -> Option<SmolStr> {
    let id = crate::k8s::object::annotation(object, "argocd.argoproj.io/tracking-id")?;
    id.split_once(':').map(|(app, _)| app.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::FileId;

    fn node(text: &str) -> Node {
        json::parse(FileId::NONE, text.as_bytes()).expect("JSON")
    }

    #[test]
    fn the_digest_is_of_our_fields_only() {
        let entry = |manager: &str, time: &str, fields: &str, sub: &str| {
            format!(
                r#"{{"manager":"{manager}","operation":"Apply","apiVersion":"v1","time":"{time}","fieldsV1":{fields},"subresource":"{sub}"}}"#
            )
        };
        let of = |entries: &[String]| node(&format!(r#"{{"metadata":{{"managedFields":[{}]}}}}"#, entries.join(",")));
        let (a, b) = (r#"{"f:data":{"f:a":{},"f:b":{}}}"#, r#"{"f:data":{"f:b":{},"f:a":{}}}"#);
        let first = of(&[entry("fleetc", "1", a, ""), entry("kubectl", "1", a, "")]);
        let second =
            of(&[entry("kubectl", "2", "{}", ""), entry("fleetc", "2", b, ""), entry("fleetc", "3", a, "status")]);
        assert_eq!(owned_digest(&first), owned_digest(&second));
        assert!(owned_digest(&first).is_some());
        assert_ne!(owned_digest(&first), owned_digest(&of(&[entry("fleetc", "1", r#"{"f:data":{"f:a":{}}}"#, "")])));
        assert_eq!(owned_digest(&of(&[entry("kubectl", "1", a, "")])), None);
    }

    #[test]
    fn secrets_are_compared_by_their_bytes() {
        let live = node(r#"{"data":{"a":"eA==","b":"eQ=="}}"#);
        assert!(same_secret_values(&node(r#"{"data":{"a":"eA=="},"stringData":{"b":"y"}}"#), &live));
        assert!(same_secret_values(&node(r#"{"data":{"a":"eA==\n","b":"bm8="},"stringData":{"b":"y"}}"#), &live));
        assert!(!same_secret_values(&node(r#"{"data":{"a":"eQ=="}}"#), &live));
        assert!(!same_secret_values(&node(r#"{"data":{"c":"eA=="}}"#), &live));
    }
}
