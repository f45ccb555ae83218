//! Facts about clusters: the fields of an entry of `clusters`, the files that `facts` names, and those that lie as
//! `clusters/<name>.facts.yaml` (the name percent-encoded where it is no file name).
//!
//! A file that is missing, is of another kind or has an unknown field is an error: a render must never depend on facts that nobody gave.

use super::{Configuration, items, pairs, table, text};
use crate::argo;
use crate::cluster::{FACTS_ENDING, FACTS_FOLDER, Facts};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::path::FilePath;
use crate::span::{Span, Spanned};
use crate::world::World;
use crate::yaml::{self, Dialect, Limits, Node};

/// Where the files lie.
pub(super) struct Files<'a> {
    pub(super) world: &'a dyn World,
    /// The folder of `fleet.yaml`.
    pub(super) root: &'a FilePath,
}

impl Files<'_> {
    /// The files in `clusters/` whose name says whose facts they are.
    pub(super) fn collect(&self, value: &mut Configuration, found: &mut Diagnostics) {
        let Ok(folder) = self.root.join(FACTS_FOLDER) else { return };
        if !self.world.stat(&folder).is_some_and(|kind| kind.is_directory()) {
            return;
        }
        let Some(entries) = found.take(self.world.list(&folder)) else { return };
        for entry in entries.iter().filter(|entry| entry.kind.is_file()) {
            let Some(name) = entry.name.strip_suffix(FACTS_ENDING).filter(|name| !name.is_empty()) else { continue };
            let Ok(path) = folder.join(&entry.name) else { continue };
            let Some(source) = found.take(self.world.read(&path)) else { continue };
            let place = Span::new(source.id, 0, 0);
            let file = Spanned::new(format!("{FACTS_FOLDER}/{}", entry.name), place);
            let facts = self.read(&file, found);
            let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned();
            value.facts.insert(name, Spanned::new(facts, place));
            value.fact_files.push(path.path);
        }
    }

    /// What a file says; nothing where it cannot be read, which is an error.
    pub(super) fn read(&self, file: &Spanned<String>, found: &mut Diagnostics) -> Facts {
        let named = |message: String| Diagnostic::error("read/facts", file.span, message);
        let made = "`fleetc cluster facts NAME -o FILE` writes one";
        let path = match self.root.join(file) {
            Ok(path) => path,
            Err(problem) => {
                found.push(named(format!("`{}` is no file of facts: {problem}", **file)));
                return Facts::default();
            }
        };
        if !self.world.stat(&path).is_some_and(|kind| kind.is_file()) {
            found.push(named(format!("there is no file `{}`", path.path)).hint(made));
            return Facts::default();
        }
        let Some(source) = found.take(self.world.read(&path)) else { return Facts::default() };
        let parsed = yaml::parse_strict(source.id, &source.bytes, Dialect::V2, &Limits::default());
        let Some(documents) = found.take(parsed) else { return Facts::default() };
        let mut documents = documents.into_iter().filter(|document| !document.is_null());
        let (Some(document), None) = (documents.next(), documents.next()) else {
            let place = Span::new(source.id, 0, 0);
            let message = format!("`{}` is not one document with facts", path.path);
            found.push(Diagnostic::error("read/facts", place, message).hint(made));
            return Facts::default();
        };
        let wrong = argo::check(&document, &table::FACTS, (u32::MAX, 0), Severity::Error);
        if wrong.has_errors() {
            found.extend(wrong);
            return Facts::default();
        }
        lower(&document, found)
    }
}

/// The three fields.
pub(super) fn lower(node: &Node, found: &mut Diagnostics) -> Facts {
    let mut facts = Facts {
        api_versions: items(node, "apiVersions").iter().filter_map(text).collect(),
        scopes: pairs(node.get("scopes")).into_iter().map(|(kind, scope)| (kind, scope == "Namespaced")).collect(),
        ..Facts::default()
    };
    if let Some(version) = node.get("kubeVersion")
        && let Some(text) = version.as_str()
    {
        let plain = text.strip_prefix('v').unwrap_or(text);
        let numbers = plain.split(['+', '-']).next().unwrap_or_default();
        let parts: Vec<&str> = numbers.split('.').collect();
        if (2..=3).contains(&parts.len())
            && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
        {
            facts.kube_version = Some(plain.to_owned());
        } else {
            let message = format!("`{text}` is not a Kubernetes version");
            found.push(Diagnostic::error("read/cluster", version.span(), message).hint("write it as \"1.34.1\""));
        }
    }
    facts
}
