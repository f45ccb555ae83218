//! `spec.source.plugin` into what a program is started with: the variables that Argo CD gives a plugin (`getPluginEnvs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::environment::Environment;
use super::job::PluginOptions;
use crate::cluster::ApiFacts;
use crate::diag::Checked;
use crate::read::PluginRule;
use crate::yaml::json::{quote, to_json};
use crate::yaml::{Map, Node};

/// The options of a plugin. One that fleet.yaml does not allow gets no variables, so that all its jobs are one.
pub(super) fn options(
    plugin: Option<&Node>,
    rules: &[PluginRule],
    environment: &Environment<'_>,
    facts: &ApiFacts,
) -> Checked<Arc<PluginOptions>> {
    let name = plugin.map(|plugin| plugin.str_at(&["name"])).unwrap_or_default();
    let rule = rules.iter().find(|rule| rule.name == name);
    let mut variables = BTreeMap::new();
    if let (Some(_), Some(plugin)) = (rule, plugin) {
        for (name, value) in environment.all() {
            variables.insert(name.to_owned(), value);
        }
        variables.insert("KUBE_VERSION".to_owned(), facts.kube_version.clone().unwrap_or_default());
        variables.insert("KUBE_API_VERSIONS".to_owned(), facts.api_versions.join(","));
        for entry in list(plugin, "env") {
            let value = entry.get("value").and_then(Node::text).unwrap_or_default();
            let value = environment.expand(value, entry.span())?;
            variables.insert(format!("ARGOCD_ENV_{}", entry.str_at(&["name"])), value);
        }
        parameters(plugin, &mut variables)?;
    }
    Ok(Arc::new(PluginOptions { name: name.to_owned(), program: rule.cloned(), variables }))
}

fn list<'n>(node: &'n Node, field: &str) -> &'n [Node] {
    node.get(field).and_then(Node::as_seq).unwrap_or_default()
}

/// `parameters` one by one, and all as JSON (`ApplicationSourcePluginParameters.Environ`).
fn parameters(plugin: &Node, variables: &mut BTreeMap<String, String>) -> Checked<()> {
    let mut all = Vec::new();
    for parameter in list(plugin, "parameters") {
        let name = parameter.str_at(&["name"]);
        let base = format!("PARAM_{}", escaped(name));
        let mut json = String::from("{\"name\":");
        quote(name, &mut json);
        if let Some(text) = parameter.get("string").and_then(Node::text) {
            variables.insert(base.clone(), text.to_owned());
        }
        for (key, value) in parameter.get("map").and_then(Node::as_map).into_iter().flat_map(Map::iter) {
            let key = escaped(key.text().unwrap_or_default());
            variables.insert(format!("{base}_{key}"), value.text().unwrap_or_default().to_owned());
        }
        for (at, value) in list(parameter, "array").iter().enumerate() {
            variables.insert(format!("{base}_{at}"), value.text().unwrap_or_default().to_owned());
        }
        for field in ["string", "map", "array"] {
            if let Some(value) = parameter.get(field).filter(|value| !value.is_null()) {
                json.push_str(&format!(",\"{field}\":{}", to_json(value)?));
            }
        }
        json.push('}');
        all.push(json);
    }
    let all = if plugin.get("parameters").is_some() { format!("[{}]", all.join(",")) } else { "null".to_owned() };
    variables.insert("ARGOCD_APP_PARAMETERS".to_owned(), all);
    Ok(())
}

/// A name as part of a variable's.
fn escaped(name: &str) -> String {
    let upper = name.to_uppercase();
    upper.chars().map(|c| if c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_' { c } else { '_' }).collect()
}
