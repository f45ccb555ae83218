//! Whether an object is there for others to build on: what an apply waits for before it sends objects that need it.
//!
//! Not health: a CRD is established before it is healthy in every respect, and a Namespace has no health at all.
//! Kinds that no object needs in this way are no business of this table.

use super::reading::conditions;
use crate::k8s::object::Gvk;
use crate::yaml::Node;

/// How far an object is that others need.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Established {
    /// Others may be sent.
    Yes,
    /// Not yet, and why.
    NotYet(String),
    /// It will not come by waiting, and why.
    Never(String),
}

type Row = (&'static str, &'static str, fn(&Node) -> Established);

const KINDS: [Row; 3] = [
    ("apiextensions.k8s.io", "CustomResourceDefinition", definition),
    ("", "Namespace", namespace),
    ("apiregistration.k8s.io", "APIService", api_service),
];

/// Whether objects of this kind are waited for by others.
pub fn is_needed(gvk: &Gvk) -> bool {
    KINDS.iter().any(|row| gvk.is(row.0, row.1))
}

/// How far a live object is; `None` for kinds that no other object needs. What is being deleted is not there.
pub fn established(object: &Node) -> Option<Established> {
    let gvk = Gvk::of(object);
    let (_, _, rule) = KINDS.iter().find(|row| gvk.is(row.0, row.1))?;
    if !object.str_at(&["metadata", "deletionTimestamp"]).is_empty() {
        return Some(Established::NotYet("it is being deleted".to_owned()));
    }
    Some(rule(object))
}

/// `Established` and `NamesAccepted` (apiextensions.k8s.io/v1).
fn definition(object: &Node) -> Established {
    let find = |kind| conditions(object).find(|condition| condition.kind == kind);
    if let Some(refused) = find("NamesAccepted").filter(|condition| condition.status == "False") {
        return Established::Never(format!("its names are not accepted: {}", refused.message));
    }
    match find("Established") {
        Some(condition) if condition.status == "True" => Established::Yes,
        Some(condition) => Established::NotYet(format!("{}: {}", condition.reason, condition.message)),
        None => Established::NotYet("it has not been looked at yet".to_owned()),
    }
}

/// A new Namespace has its phase at once; only a terminating one is in the way.
fn namespace(object: &Node) -> Established {
    match object.str_at(&["status", "phase"]) {
        "Active" => Established::Yes,
        phase => Established::NotYet(format!("its phase is {phase:?}")),
    }
}

/// `Available`; the API server sets it at once for those without a service.
fn api_service(object: &Node) -> Established {
    match conditions(object).find(|condition| condition.kind == "Available") {
        Some(condition) if condition.status == "True" => Established::Yes,
        Some(condition) => Established::NotYet(format!("{}: {}", condition.reason, condition.message)),
        None => Established::NotYet("it has not been looked at yet".to_owned()),
    }
}
