//! `lint` and `policies` of fleet.yaml, lowered. What the field table refuses is skipped; a pattern that is none is an error.

use super::{items, spanned, text};
use crate::diag::{Diagnostic, Diagnostics};
use crate::k8s::glob::Glob;
use crate::k8s::selector::{Selector, Values};
use crate::read::judged::{
    ClusterChoice, Level, Levels, LintScope, LintSettings, PolicyRule, PolicyValidation, WantedLabel,
};
use crate::yaml::{Map, Node};

/// `lint`.
pub(super) fn lower(node: &Node, found: &mut Diagnostics) -> LintSettings {
    let mut settings = LintSettings { rules: levels(node.get("rules")), ..LintSettings::default() };
    for entry in items(node, "scopes") {
        settings.scopes.push(LintScope {
            applications: globs(entry, "applications", found),
            clusters: clusters(entry, found),
            rules: levels(entry.get("rules")),
        });
    }
    for entry in items(node, "labels") {
        let values = items(entry, "values").iter().filter_map(Node::text).map(str::to_owned);
        settings.labels.push(WantedLabel {
            name: entry.str_at(&["name"]).to_owned(),
            kinds: globs(entry, "kinds", found),
            values: values.collect(),
        });
    }
    settings
}

/// `policies`.
pub(super) fn policies(document: &Node, found: &mut Diagnostics) -> Vec<PolicyRule> {
    let mut policies: Vec<PolicyRule> = Vec::new();
    for entry in items(document, "policies") {
        let Some(name) = entry.get("name").and_then(spanned) else { continue };
        if let Some(first) = policies.iter().find(|known| *known.name == *name) {
            let message = format!("two policies are called `{}`", *name);
            let error = Diagnostic::error("read/duplicate", name.span, message);
            found.push(error.label(first.name.span, "the first one"));
            continue;
        }
        let level = level(entry.get("severity")).unwrap_or(Level::Error);
        let empty = Node::map(Map::new());
        let matched = entry.get("match").unwrap_or(&empty);
        let variable =
            |node: &Node| Some((node.get("name").and_then(text)?, node.get("expression").and_then(spanned)?));
        let validation = |node: &Node| {
            Some(PolicyValidation {
                expression: node.get("expression").and_then(spanned)?,
                message: node.get("message").and_then(text),
                message_expression: node.get("messageExpression").and_then(spanned),
                level: self::level(node.get("severity")).unwrap_or(level),
            })
        };
        policies.push(PolicyRule {
            kinds: globs(matched, "kinds", found),
            clusters: clusters(matched, found),
            applications: globs(matched, "applications", found),
            namespaces: globs(matched, "namespaces", found),
            conditions: items(entry, "matchConditions").iter().filter_map(variable).collect(),
            variables: items(entry, "variables").iter().filter_map(variable).collect(),
            validations: items(entry, "validations").iter().filter_map(validation).collect(),
            name,
        });
    }
    policies
}

fn level(node: Option<&Node>) -> Option<Level> {
    Level::parse(node?.text()?)
}

fn levels(node: Option<&Node>) -> Levels {
    let entries = node.and_then(Node::as_map).into_iter().flat_map(Map::iter);
    entries.filter_map(|(key, value)| Some((spanned(key)?, Level::parse(value.text()?)?))).collect()
}

pub(super) fn clusters(node: &Node, found: &mut Diagnostics) -> ClusterChoice {
    let selector = node.get("selector").map(|node| Selector::read(node, Values::Labels).map_err(|one| (*one).into()));
    ClusterChoice {
        names: globs(node, "clusters", found),
        selector: selector.and_then(|read| found.take(read)).unwrap_or_default(),
    }
}

pub(super) fn globs(node: &Node, field: &str, found: &mut Diagnostics) -> Vec<Glob> {
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
