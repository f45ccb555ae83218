//! The Status objects that a server answers errors with, worded as apimachinery's `api/errors` does.

use std::sync::Arc;

use super::fields::to_json;
use super::kinds::Kind;
use super::node::{list, object, text};
use crate::api::Response;
use crate::yaml::Node;

/// A refusal.
pub(super) type Refusal = Box<Response>;

/// An answer with a body.
pub(super) fn answer(status: u16, body: &Node) -> Response {
    Response { status, retry_after: None, text: Arc::from(to_json(body).as_str()) }
}

/// One cause in the details.
pub(super) fn cause(reason: &str, message: &str, field: &str) -> Node {
    let mut entries = vec![("reason", text(reason)), ("message", text(message))];
    if !field.is_empty() {
        entries.push(("field", text(field)));
    }
    object(entries)
}

/// Who an error is about: name, group, and resource or kind.
pub(super) fn details(name: &str, group: &str, kind: &str, causes: Vec<Node>) -> Node {
    let mut entries = Vec::new();
    for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            entries.push((key, text(value)));
        }
    }
    if !causes.is_empty() {
        entries.push(("causes", list(causes)));
    }
    object(entries)
}

/// A failure.
pub(super) fn failure(code: u16, reason: &str, message: &str, details: Option<Node>) -> Refusal {
    let mut entries = vec![
        ("kind", text("Status")),
        ("apiVersion", text("v1")),
        ("metadata", object([])),
        ("status", text("Failure")),
        ("message", text(message)),
        ("reason", text(reason)),
    ];
    if let Some(details) = details {
        entries.push(("details", details));
    }
    entries.push(("code", Node::int(code.into())));
    Box::new(answer(code, &object(entries)))
}

/// A path that nobody serves.
pub(super) fn no_path() -> Refusal {
    Box::new(Response { status: 404, retry_after: None, text: Arc::from("404 page not found\n") })
}

pub(super) fn not_found(kind: &Kind, name: &str) -> Refusal {
    let message = format!("{} \"{name}\" not found", kind.resource());
    failure(404, "NotFound", &message, Some(details(name, &kind.group, &kind.plural, Vec::new())))
}

pub(super) fn no_resource() -> Refusal {
    failure(404, "NotFound", "the server could not find the requested resource", Some(object([])))
}

pub(super) fn exists(kind: &Kind, name: &str) -> Refusal {
    let message = format!("{} \"{name}\" already exists", kind.resource());
    failure(409, "AlreadyExists", &message, Some(details(name, &kind.group, &kind.plural, Vec::new())))
}

pub(super) fn conflict(kind: &Kind, name: &str, why: &str) -> Refusal {
    let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource());
    failure(409, "Conflict", &message, Some(details(name, &kind.group, &kind.plural, Vec::new())))
}

/// A conflict of a deletion, which names the kind where others name the resource.
pub(super) fn precondition(kind: &Kind, name: &str, why: &str) -> Refusal {
    let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.group_kind());
    failure(409, "Conflict", &message, Some(details(name, &kind.group, &kind.kind, Vec::new())))
}

/// What is said of a version that is not the latest.
pub(super) const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

pub(super) fn bad_request(message: &str) -> Refusal {
    failure(400, "BadRequest", message, None)
}

pub(super) fn forbidden(kind: &Kind, name: &str, why: &str, causes: Vec<Node>) -> Refusal {
    let message = format!("{} \"{name}\" is forbidden: {why}", kind.resource());
    failure(403, "Forbidden", &message, Some(details(name, &kind.group, &kind.plural, causes)))
}

/// A field that is refused.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason: &'static str,
    pub(super) field: String,
    pub(super) message: String,
}

impl Fault {
    /// `Invalid value: …`
    pub(super) fn invalid(field: impl Into<String>, value: &Node, why: &str) -> Self {
        let message = format!("Invalid value: {}: {why}", to_json(value));
        Fault { reason: "FieldValueInvalid", field: field.into(), message }
    }

    /// `Forbidden: …`
    pub(super) fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Fault { reason: "FieldValueForbidden", field: field.into(), message: format!("Forbidden: {why}") }
    }

    /// `Required value…`
    pub(super) fn required(field: impl Into<String>, why: &str) -> Self {
        let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Fault { reason: "FieldValueRequired", field: field.into(), message }
    }
}

/// Fields that are refused.
pub(super) fn invalid(kind: &str, group: &str, name: &str, faults: &[Fault]) -> Refusal {
    let parts: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
    // A field that two checks refuse alike is said once, but stands twice among the causes.
    let mut parts = parts;
    parts.dedup();
    let joined = if parts.len() == 1 { parts.concat() } else { format!("[{}]", parts.join(", ")) };
    let group_kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    let causes = faults.iter().map(|fault| cause(fault.reason, &fault.message, &fault.field)).collect();
    failure(
        422,
        "Invalid",
        &format!("{group_kind} \"{name}\" is invalid: {joined}"),
        Some(details(name, group, kind, causes)),
    )
}
