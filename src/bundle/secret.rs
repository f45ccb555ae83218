//! Secrets whose data anybody can read who reads the bundles: found and said, never shown.
//!
//! Clear is a non-empty value that is no placeholder of a secret manager (`<path:…>` of argocd-vault-plugin and the like, `ENC[…]` of
//! SOPS). Service account tokens and bootstrap data are data like any other. Warns only: what to do about it is the fleet's choice.

use base64::Engine as _;

use super::index::ObjectRef;
use crate::diag::Diagnostic;
use crate::k8s::object::Gvk;
use crate::span::Span;
use crate::yaml::{Map, Node};

/// One warning for all Secrets with clear data among some objects.
pub(super) fn clear_data<'a>(objects: impl Iterator<Item = (&'a ObjectRef, &'a Node, Span)>) -> Option<Diagnostic> {
    let found: Vec<(&ObjectRef, Span)> =
        objects.filter(|(_, body, _)| is_clear(body)).map(|(name, _, span)| (name, span)).collect();
    let (_, span) = *found.first()?;
    let names: Vec<String> = found.iter().take(3).map(|(name, _)| name.to_string()).collect();
    let more = if found.len() > 3 { format!(" and {} more", found.len() - 3) } else { String::new() };
    let message = format!("{}{more} will be in the bundles with clear data", names.join(", "));
    Some(Diagnostic::warning("bundle/clear-secret", span, message).hint(
        "whoever can read the bundles can read it: use SealedSecrets, ExternalSecrets or SOPS, or keep the bundles where only those can read who may",
    ))
}

fn is_clear(object: &Node) -> bool {
    if !Gvk::of(object).is("", "Secret") {
        return false;
    }
    let values =
        |field| object.get(field).and_then(Node::as_map).into_iter().flat_map(Map::iter).map(|(_, value)| value);
    let text = |value: &Node| value.text().filter(|_| !value.is_null()).unwrap_or_default().to_owned();
    let decoded = |value: &Node| {
        let text: String = text(value).split_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(&text);
        bytes.map_or(text, |bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    values("stringData").map(text).chain(values("data").map(decoded)).any(|value| !is_placeholder(&value))
}

/// Nothing, or a mark that a secret manager replaces.
fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    let enclosed = |open: &str, close: &str| value.starts_with(open) && value.ends_with(close) && !value.contains('\n');
    value.is_empty() || enclosed("<", ">") || enclosed("ENC[", "]")
}
