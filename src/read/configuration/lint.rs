//! `lint` of fleet.yaml, lowered. What the field table refuses is skipped; a pattern that is none is an error.

use super::{items, spanned};
use crate::diag::{Diagnostic, Diagnostics};
use crate::k8s::glob::Glob;
use crate::k8s::selector::{Selector, Values};
use crate::read::judged::{ClusterChoice, Level, Levels, LintScope, LintSettings};
use crate::yaml::{Map, Node};

/// `lint`.
pub(super) fn lower(node: &Node, found: &mut Diagnostics) -> LintSettings {
    let mut settings = LintSettings { rules: levels(node.get("rules")), scopes: Vec::new() };
    for entry in items(node, "scopes") {
        settings.scopes.push(LintScope {
            applications: globs(entry, "applications", found),
            clusters: clusters(entry, found),
            rules: levels(entry.get("rules")),
        });
    }
    settings
}

fn level(node: Option<&Node>) -> Option<Level> {
    match node?.text()? {
        "off" => Some(Level::Off),
        "warn" => Some(Level::Warn),
        "error" => Some(Level::Error),
        _ => None,
    }
}

fn levels(node: Option<&Node>) -> Levels {
    let entries = node.and_then(Node::as_map).into_iter().flat_map(Map::iter);
    entries.filter_map(|(key, value)| Some((spanned(key)?, level(Some(value))?))).collect()
}

fn clusters(node: &Node, found: &mut Diagnostics) -> ClusterChoice {
    let selector = node.get("selector").map(|node| Selector::read(node, Values::Labels).map_err(|one| (*one).into()));
    ClusterChoice {
        names: globs(node, "clusters", found),
        selector: selector.and_then(|read| found.take(read)).unwrap_or_default(),
    }
}

fn globs(node: &Node, field: &str, found: &mut Diagnostics) -> Vec<Glob> {
    let mut globs = Vec::new();
    for item in items(node, field) {
        let Some(pattern) = item.as_str() else { continue };
        match Glob::new(pattern, "") {
            Some(glob) => globs.push(glob),
            None => {
                found.push(Diagnostic::error("read/glob", item.span(), format!("`{pattern}` is no glob")));
            }
        }
    }
    globs
}
