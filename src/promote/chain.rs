//! The kustomizations that a folder is made of: its own, those of its bases and components, as far as they lie in the fleet's own tree.

use std::sync::Arc;

use super::texts::{Text, Texts};
use super::{Form, Kind, Setting, Value};
use crate::path::FilePath;
use crate::yaml::Node;
use crate::yaml::edit::Address;

/// The names of a kustomization's file.
pub(super) const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The kustomization of a folder.
pub(super) fn kustomization(texts: &Texts<'_>, directory: &FilePath) -> Option<Arc<Text>> {
    let is_file = |path: &FilePath| texts.world.stat(path).is_some_and(|kind| kind.is_file());
    let paths = NAMES.iter().filter_map(|name| directory.join(name).ok());
    texts.at(&paths.into_iter().find(is_file)?)
}

/// The kustomization of a folder and all that it includes, each once, the folder's own first.
pub(super) fn chain(texts: &Texts<'_>, directory: &FilePath) -> Vec<(FilePath, Arc<Text>)> {
    let mut found: Vec<(FilePath, Arc<Text>)> = Vec::new();
    let mut todo = vec![directory.clone()];
    while let Some(directory) = todo.pop() {
        if found.iter().any(|(known, _)| *known == directory) {
            continue;
        }
        let Some(text) = kustomization(texts, &directory) else { continue };
        for field in ["resources", "bases", "components"] {
            let items = text.root().and_then(|root| root.get(field)).and_then(Node::as_seq).unwrap_or_default();
            todo.extend(items.iter().filter_map(|item| directory.join(item.as_str()?).ok()));
        }
        found.push((directory, text));
    }
    found
}

/// Versions of the charts that a kustomization inflates, and revisions of what it takes from elsewhere.
pub(super) fn settings(text: &Text, found: &mut Vec<Setting>) {
    for (document, root) in text.documents.iter().enumerate().map(|(at, document)| (at, &document.root)) {
        let at = |field: &str, item: usize| Address { document, ..Address::default() }.key(field).item(item);
        let items = |field: &str| root.get(field).and_then(Node::as_seq).unwrap_or_default().iter().enumerate();
        for (item, chart) in items("helmCharts") {
            let Some(version) = chart.get("version") else { continue };
            found.push(Setting {
                kind: Kind::Charts,
                name: chart.str_at(&["name"]).to_owned(),
                value: Value::Node(version.clone()),
                decided: text.decided(at("helmCharts", item).key("version"), Form::Plain, version.span()),
            });
        }
        for (item, resource) in items("resources") {
            let Some((url, _)) = resource.as_str().and_then(|text| text.split_once("?ref=")) else { continue };
            found.push(Setting {
                kind: Kind::Revisions,
                name: url.to_owned(),
                value: Value::Node(resource.clone()),
                decided: text.decided(at("resources", item), Form::Plain, resource.span()),
            });
        }
    }
}

/// Versions of the charts that an umbrella chart depends on.
pub(super) fn dependencies(texts: &Texts<'_>, directory: &FilePath, found: &mut Vec<Setting>) {
    let Some(text) = directory.join("Chart.yaml").ok().and_then(|path| texts.at(&path)) else { return };
    let Some(root) = text.root() else { return };
    for (item, chart) in root.get("dependencies").and_then(Node::as_seq).unwrap_or_default().iter().enumerate() {
        let Some(version) = chart.get("version") else { continue };
        // A dependency that lies in the folder is no version to move.
        if chart.str_at(&["repository"]).is_empty() || chart.str_at(&["repository"]).starts_with("file:") {
            continue;
        }
        let address = Address::of_keys(&["dependencies"]).item(item).key("version");
        found.push(Setting {
            kind: Kind::Charts,
            name: chart.str_at(&["name"]).to_owned(),
            value: Value::Node(version.clone()),
            decided: text.decided(address, Form::Plain, version.span()),
        });
    }
}
