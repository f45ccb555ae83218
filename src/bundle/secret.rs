//! Secrets whose data anybody can read who reads the bundles: found and said, never shown.
//!
//! Clear is a non-empty value that no secret manager replaces: not a text with `<path:…>` of argocd-vault-plugin, not its `<key>` where the
//! object has the annotation with the path, not `ENC[…]` of SOPS, and nothing in an object that SOPS encrypted (it says itself which of
//! its values are secret). Service account tokens and bootstrap data are data like any other. What happens is the fleet's choice
//! (`secrets` of fleet.yaml).

use base64::Engine as _;

use super::index::ObjectRef;
use crate::diag::Diagnostic;
use crate::k8s::difference::LAST_APPLIED;
use crate::k8s::object::Gvk;
use crate::read::SecretPolicy;
use crate::span::Span;
use crate::yaml::{Map, Node};

/// The annotation whose path the short placeholders of argocd-vault-plugin belong to.
const AVP_PATH: &str = "avp.kubernetes.io/path";

/// One finding for all Secrets with clear data among some objects.
pub(super) fn clear_data<'a>(
    objects: impl Iterator<Item = (&'a ObjectRef, &'a Node, Span)>,
    policy: SecretPolicy,
) -> Option<Diagnostic> {
    if policy == SecretPolicy::Allow {
        return None;
    }
    let found: Vec<(&ObjectRef, Span)> =
        objects.filter(|(_, body, _)| is_clear(body)).map(|(name, _, span)| (name, span)).collect();
    let (_, span) = *found.first()?;
    let names: Vec<String> = found.iter().take(3).map(|(name, _)| name.to_string()).collect();
    let more = if found.len() > 3 { format!(" and {} more", found.len() - 3) } else { String::new() };
    let names = format!("{}{more}", names.join(", "));
    let managers = "use SealedSecrets, ExternalSecrets or SOPS";
    Some(match policy {
        SecretPolicy::Refuse => {
            let message = format!("{names} would be in the bundles with clear data, which `secrets: refuse` forbids");
            Diagnostic::error("bundle/clear-secret", span, message).hint(managers)
        }
        SecretPolicy::Omit => {
            let message =
                format!("{names} has clear data and is left out (`secrets: omit`); nothing deletes it where it is");
            Diagnostic::warning("bundle/clear-secret", span, message)
        }
        SecretPolicy::Warn | SecretPolicy::Allow => {
            let message = format!("{names} will be in the bundles with clear data");
            Diagnostic::warning("bundle/clear-secret", span, message).hint(format!(
                "whoever can read the bundles can read it: {managers}, or keep the bundles where only those can read who may"
            ))
        }
    })
}

/// Whether an object is a Secret with data that anybody can read.
pub fn is_clear(object: &Node) -> bool {
    any_value(object, |value, short| !is_placeholder(value, short))
}

/// Whether an object is a Secret with a value that a secret manager has still to complete.
pub fn has_placeholders(object: &Node) -> bool {
    any_value(object, |value, short| !value.trim().is_empty() && is_placeholder(value, short))
}

/// Whether a value of a Secret that SOPS did not encrypt is such a one; the second argument says whether names in angle brackets are marks.
fn any_value(object: &Node, is_one: impl Fn(&str, bool) -> bool) -> bool {
    if !Gvk::of(object).is("", "Secret") {
        return false;
    }
    if object.at(&["sops", "mac"]).is_some() {
        return false;
    }
    let short = object.at(&["metadata", "annotations", AVP_PATH]).is_some();
    let values =
        |field| object.get(field).and_then(Node::as_map).into_iter().flat_map(Map::iter).map(|(_, value)| value);
    let text = |value: &Node| value.text().filter(|_| !value.is_null()).unwrap_or_default().to_owned();
    let decoded = |value: &Node| {
        let text: String = text(value).split_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(&text);
        bytes.map_or(text, |bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    values("stringData").map(text).chain(values("data").map(decoded)).any(|value| is_one(&value, short))
}

/// A Secret without the values of its data, and without kubectl's copy of them; `None` for other objects.
pub fn without_values(object: &Node) -> Option<Node> {
    if !Gvk::of(object).is("", "Secret") {
        return None;
    }
    let mut masked = object.clone();
    for field in ["data", "stringData"] {
        for (_, value) in masked.get_mut(field).and_then(Node::map_mut).into_iter().flat_map(Map::iter_mut) {
            *value = Node::null();
        }
    }
    let metadata = masked.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
    if let Some(copy) = metadata.and_then(|annotations| annotations.get_mut(LAST_APPLIED)) {
        *copy = Node::null();
    }
    Some(masked)
}

/// Nothing, or a text that a secret manager completes. `short`: whether a name in angle brackets is such a mark.
fn is_placeholder(value: &str, short: bool) -> bool {
    let value = value.trim();
    let mark = |open: &str, close: char| {
        value.split_once(open).is_some_and(|(_, rest)| rest.split('\n').next().is_some_and(|line| line.contains(close)))
    };
    let named = |text: &str| !text.is_empty() && !text.contains(['<', '\n']);
    let short = short && value.split('<').skip(1).any(|rest| rest.split_once('>').is_some_and(|(name, _)| named(name)));
    value.is_empty() || short || mark("<path:", '>') || (value.starts_with("ENC[") && value.ends_with(']'))
}
