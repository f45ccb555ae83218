//! `apply` of fleet.yaml: where inventories lie, when hooks run, and what is done about fields that others hold.
//!
//! Nothing here asks a cluster or knows how something is applied; a rule that cannot be read is an error, never no rule.

use super::{items, keys, text};
use crate::diag::{Diagnostic, Diagnostics};
use crate::k8s::conflict::{Action, FieldPattern, Rule};
use crate::k8s::glob::Glob;
use crate::read::fleet::{Apply, Sops};
use crate::yaml::Node;

/// Reads it; what the field table refuses is skipped.
pub(super) fn lower(node: &Node, found: &mut Diagnostics) -> Apply {
    let mut apply = Apply {
        namespace: node.get("namespace").and_then(text).filter(|name| !name.is_empty()),
        hooks_on_every_sync: node.get("hooks").and_then(Node::as_str) == Some("argocd"),
        sops: node.get("sops").and_then(|sops| {
            let whole = sops.get("mac").is_some();
            Some(Sops { age: keys::lower(sops.get("age"), found)?, whole })
        }),
        ..Apply::default()
    };
    for entry in items(node, "projects") {
        let (Some(name), Some(namespace)) = (glob(entry, "name", found), entry.get("namespace").and_then(text)) else {
            continue;
        };
        apply.projects.push((name, namespace));
    }
    for entry in items(node, "conflicts") {
        apply.conflicts.extend(rule(entry, found));
    }
    apply
}

fn rule(entry: &Node, found: &mut Diagnostics) -> Option<Rule> {
    let written = entry.get("field")?;
    let field = FieldPattern::new(written.as_str()?);
    if field.is_none() {
        let message = format!("`{}` is no pattern of fields", written.as_str().unwrap_or_default());
        let hint = "it begins with a dot, as in `.spec.replicas` or `.spec.template.spec.containers[*].image`";
        found.push(Diagnostic::error("read/conflict", written.span(), message).hint(hint));
    }
    let action = match entry.get("action").and_then(Node::as_str)? {
        "yield" => Action::Yield,
        "take" => Action::Take,
        _ => Action::Fail,
    };
    Some(Rule {
        manager: glob(entry, "manager", found)?,
        group: glob(entry, "group", found)?,
        kind: glob(entry, "kind", found)?,
        field: field?,
        action,
    })
}

fn glob(entry: &Node, field: &str, found: &mut Diagnostics) -> Option<Glob> {
    let node = entry.get(field);
    let pattern = node.and_then(Node::as_str).unwrap_or("*");
    let glob = Glob::new(pattern, "");
    if let (None, Some(node)) = (&glob, node) {
        found.push(Diagnostic::error("read/glob", node.span(), format!("`{pattern}` is no glob")));
    }
    glob
}
