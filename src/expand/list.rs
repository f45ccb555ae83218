//! The list generator: rows written down, and rows in a YAML text that a template may have made (`generators/list.go`).

use std::collections::BTreeMap;

use super::problems::Reported;
use super::row::{Row, params};
use super::set::Set;
use super::trees::dictionary;
use crate::diag::{Diagnostic, Diagnostics};
use crate::span::{FileId, Span};
use crate::template::{Bytes, Map, Value};
use crate::yaml::{self, Dialect, Limits, Node, sigs};

impl Set<'_> {
    /// The rows of `list`, those of `elementsYaml` behind those of `elements`.
    pub(super) fn list(&self, node: &Node, place: Span, with: Option<&Row>) -> Result<Vec<Row>, Reported> {
        let report =
            |found: Diagnostics| found.into_iter().fold(Reported, |_, found| self.problems.push_in(found, with));
        let mut rows = Vec::new();
        for (at, element) in node.get("elements").and_then(Node::as_seq).unwrap_or_default().iter().enumerate() {
            let params = if self.templating.go { dictionary(element) } else { strings(element) }.map_err(report)?;
            rows.push(Row::new(params, "list", place, format!("element {}", at + 1), element.span()));
        }
        if let Some(text) = node.get("elementsYaml").filter(|text| text.text().is_some_and(|text| !text.is_empty())) {
            for (at, params) in yaml_elements(text).map_err(report)?.into_iter().enumerate() {
                rows.push(Row::new(params, "list", place, format!("element {} of elementsYaml", at + 1), text.span()));
            }
        }
        Ok(rows)
    }
}

/// An element in fasttemplate mode: strings, and under `values` strings too.
fn strings(element: &Node) -> Result<Map, Diagnostics> {
    let refused = |node: &Node, key: &str| {
        let message =
            format!("the parameter `{key}` is {}, and without `goTemplate: true` parameters are strings", node.what());
        let found = Diagnostic::error("expand/parameters", node.span().or(element.span()), message);
        Diagnostics::from(found.hint("quote it, or set `goTemplate: true` and write `{{.name}}` for `{{name}}`"))
    };
    if element.is_null() {
        return Ok(params(BTreeMap::new()));
    }
    let Some(map) = element.as_map() else {
        let message = format!("an element of a list generator is a mapping, and this is {}", element.what());
        return Err(Diagnostic::error("expand/parameters", element.span(), message).into());
    };
    let mut out: BTreeMap<Bytes, Value> = BTreeMap::new();
    for (key, value) in map.iter() {
        let key = sigs::key_text(key);
        if key == "values" {
            let values = value.as_map().ok_or_else(|| refused(value, "values"))?;
            for (name, value) in values.iter() {
                let name = format!("values.{}", sigs::key_text(name));
                let text = string(value).ok_or_else(|| refused(value, &name))?;
                out.insert(name.into(), text.into());
            }
        } else {
            let text = string(value).ok_or_else(|| refused(value, &key))?;
            out.insert(Bytes::from(&*key), text.into());
        }
    }
    Ok(params(out))
}

fn string(node: &Node) -> Option<String> {
    let json = sigs::to_json_value(node, sigs::Numbers::Float64).ok()?;
    json.as_str().map(str::to_owned)
}

/// The rows of `elementsYaml`: a list of mappings, used as they are in both modes.
fn yaml_elements(text: &Node) -> Result<Vec<Map>, Diagnostics> {
    let parsed = yaml::parse(FileId::NONE, text.text().unwrap_or_default().as_bytes(), Dialect::V2, &Limits::default());
    let at_text = |mut found: Diagnostic| {
        found.span = text.span();
        found.message = format!("`elementsYaml` is no list of mappings: {}", found.message);
        Diagnostics::from(found)
    };
    let root = match (parsed.documents.into_iter().next(), parsed.error) {
        (Some(document), _) => document.root,
        (None, Some(error)) => return Err(at_text(error)),
        (None, None) => return Ok(Vec::new()),
    };
    if root.is_null() {
        return Ok(Vec::new());
    }
    let Some(items) = root.as_seq() else {
        let message = format!("`elementsYaml` is a list of mappings, and this is {}", root.what());
        return Err(Diagnostic::error("expand/parameters", text.span(), message).into());
    };
    items
        .iter()
        .map(|item| dictionary(item).map_err(|found| found.into_iter().next().map_or_else(Diagnostics::new, at_text)))
        .collect()
}
