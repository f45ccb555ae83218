//! What a server-side apply would make of a live object, without asking the server: for plans that may only get and list.
//!
//! Who owns what is read off managedFields; fields that a manager applied and no longer declares go, unless somebody else owns them. What
//! only client-side apply recorded goes by its annotation. Defaults, validation, immutable fields and webhooks are not foreseen.

use smol_str::SmolStr;

use super::difference::LAST_APPLIED;
use crate::k8s::conflict::Conflict;
use crate::k8s::fields::{FieldSet, Manager, applied::applied, edit, managers, merge::merged, path_text};
use crate::k8s::object::annotation;
use crate::span::FileId;
use crate::yaml::{Map, Node, json};

/// What would become of an object.
#[derive(Debug)]
pub(super) struct Predicted {
    /// The object.
    pub(super) result: Node,
    /// Fields that others own and that are to be something else.
    pub(super) conflicts: Vec<Conflict>,
}

/// An object applied by a manager.
pub(super) fn predicted(desired: &Node, live: &Node, manager: &str) -> Predicted {
    let wanted = applied(desired, None);
    // What cannot be read is nobody's: then nothing goes and nothing is in conflict.
    let all = managers(live).unwrap_or_default();
    let (ours, others): (Vec<&Manager>, Vec<&Manager>) =
        all.iter().partition(|one| one.name == manager && one.subresource.is_empty());
    let mut conflicts = Vec::new();
    for path in wanted.leaves() {
        if edit::get(desired, &path) == edit::get(live, &path) {
            continue;
        }
        conflicts.extend(others.iter().filter(|other| other.fields.owns(&path)).map(|other| Conflict {
            manager: other.name.clone(),
            subresource: other.subresource.clone(),
            api_version: if other.applied { SmolStr::default() } else { other.api_version.clone() },
            time: other.time.clone(),
            field: path_text(&path),
        }));
    }
    conflicts.sort_by(|a, b| (&a.field, &a.manager).cmp(&(&b.field, &b.manager)));
    let mut held = union(ours.iter().filter(|one| one.applied));
    if ours.iter().any(|one| !one.applied) {
        held = held.union(&last_applied(live));
    }
    let mut result = live.clone();
    edit::remove_all(&mut result, &left(&held, &wanted, &others));
    Predicted { result: merged(&result, desired, None), conflicts }
}

/// The answer to a dry run of a manager, without the fields that it once set by client-side apply and no longer declares: server-side apply
/// would leave them, that manager would not.
pub(super) fn without_left(result: &Node, desired: &Node, live: &Node, manager: &str) -> Node {
    let all = managers(live).unwrap_or_default();
    let (ours, others): (Vec<&Manager>, Vec<&Manager>) =
        all.iter().partition(|one| one.name == manager && one.subresource.is_empty());
    let mut result = result.clone();
    if ours.iter().any(|one| !one.applied) {
        edit::remove_all(&mut result, &left(&last_applied(live), &applied(desired, None), &others));
    }
    result
}

/// The fields that are held, are not wanted any more, and are neither somebody else's nor around what is.
pub(super) fn left(held: &FieldSet, wanted: &FieldSet, others: &[&Manager]) -> FieldSet {
    let others = union(others.iter());
    let gone = held.difference(wanted).leaves().into_iter();
    gone.filter(|path| !others.touches(path) && !others.owns(path)).collect()
}

fn union<'m>(managers: impl Iterator<Item = &'m &'m Manager>) -> FieldSet {
    managers.fold(FieldSet::default(), |all, one| all.union(&one.fields))
}

/// The fields that client-side apply set last. Empty maps and lists, which kubectl writes there, set nothing.
pub(super) fn last_applied(live: &Node) -> FieldSet {
    let text = annotation(live, LAST_APPLIED).unwrap_or_default();
    let Ok(object) = json::parse(FileId::NONE, text.as_bytes()) else { return FieldSet::default() };
    let is_empty = |node: &Node| {
        node.is_null() || node.as_map().is_some_and(Map::is_empty) || node.as_seq().is_some_and(<[Node]>::is_empty)
    };
    let set = applied(&object, None).leaves().into_iter();
    set.filter(|path| edit::get(&object, path).is_none_or(|value| !is_empty(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        json::parse(FileId::NONE, text.as_bytes()).expect("JSON")
    }

    fn live(managers: &str, more: &str) -> Node {
        node(&format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"{more},"managedFields":[{managers}]}},"data":{{"a":"1","b":"1","c":"1"}}}}"#
        ))
    }

    fn text(node: &Node) -> String {
        json::to_json(node.get("data").expect("data")).expect("JSON")
    }

    const OURS: &str =
        r#"{"manager":"fleetc","operation":"Apply","apiVersion":"v1","fieldsV1":{"f:data":{"f:a":{},"f:b":{}}}}"#;
    const KUBECTL: &str = r#"{"manager":"kubectl-edit","operation":"Update","apiVersion":"v1","time":"t","fieldsV1":{"f:data":{"f:b":{},"f:c":{}}}}"#;

    #[test]
    fn what_is_ours_alone_goes_and_what_others_hold_stays() {
        let desired = node(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"d":"1"}}"#);
        let found = predicted(&desired, &live(&format!("{OURS},{KUBECTL}"), ""), "fleetc");
        assert_eq!(text(&found.result), r#"{"b":"1","c":"1","d":"1"}"#);
        assert!(found.conflicts.is_empty());
    }

    #[test]
    fn other_values_of_others_fields_are_conflicts() {
        let desired =
            node(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"2","b":"1","c":"2"}}"#);
        let found = predicted(&desired, &live(&format!("{OURS},{KUBECTL}"), ""), "fleetc");
        let fields: Vec<&str> = found.conflicts.iter().map(|conflict| conflict.field.as_str()).collect();
        assert_eq!(fields, [".data.c"]);
        assert_eq!(found.conflicts.first().map(|conflict| conflict.manager.as_str()), Some("kubectl-edit"));
    }

    #[test]
    fn client_side_apply_goes_by_its_annotation() {
        let more = r#","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"annotations\":{}},\"data\":{\"b\":\"1\"}}"}"#;
        let desired = node(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"c":"1"}}"#);
        let live = live(KUBECTL, more);
        assert_eq!(text(&predicted(&desired, &live, "kubectl-edit").result), r#"{"a":"1","c":"1"}"#);
        assert_eq!(text(&predicted(&desired, &live, "fleetc").result), r#"{"a":"1","b":"1","c":"1"}"#);
        let left = without_left(&live, &desired, &live, "kubectl-edit");
        assert_eq!(text(&left), r#"{"a":"1","c":"1"}"#);
        assert!(annotation(&left, LAST_APPLIED).is_some(), "an empty map in it takes nothing along");
    }
}
