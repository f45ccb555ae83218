//! Looks through a folder for the files that may declare something, without parsing any of them.
//!
//! Most files of a fleet are manifests that the fleet deploys, not its definitions. One pass of a literal search over their bytes
//! tells them apart; only what is left is parsed. Not entered: hidden folders, charts, folders that fleetc wrote (`bundles.lock`),
//! links to folders.

use std::sync::{Arc, LazyLock};

use regex::bytes::Regex;

use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::path::{FilePath, TreePath};
use crate::span::{SourceFile, Span};
use crate::world::{EntryKind, World};

/// The names of a kustomization's file.
pub(super) const KUSTOMIZATION_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// How deep folders are followed.
const MAX_DEPTH: usize = 64;

/// What a walk found, in the order of the paths' segments.
#[derive(Default)]
pub(super) struct Found {
    /// Files whose text speaks of Argo CD's objects.
    pub(super) candidates: Vec<Text>,
    /// Kustomizations.
    pub(super) kustomizations: Vec<Text>,
    /// Candidates that begin as a Helm template does.
    pub(super) templates: Vec<TreePath>,
}

/// A file that was read.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) path: TreePath,
    pub(super) file: Arc<SourceFile>,
}

/// Walks a folder. `output` is a folder that is left out beside those that say so themselves.
pub(super) fn walk(
    world: &dyn World,
    folder: &FilePath,
    output: Option<&TreePath>,
    diagnostics: &mut Diagnostics,
) -> Found {
    let mut found = Found::default();
    let mut walker = Walker { world, output, diagnostics, found: &mut found };
    walker.folder(folder, true, 0);
    found
}

/// Whether a text may hold a definition: it names Argo CD's API, the label of a cluster, or the settings' ConfigMap.
pub(super) fn may_declare(bytes: &[u8]) -> bool {
    static SPEAKS: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"argoproj\.io/v1alpha1|argoproj\.io/secret-type|argocd-cm").ok());
    static KIND: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let kinds = "Application|ApplicationSet|AppProject|ApplicationList|ApplicationSetList|AppProjectList|List|Secret|SealedSecret|ExternalSecret|ConfigMap";
        Regex::new(&format!(r#"["']?kind["']?[ \t]*:[ \t]*["']?(?:{kinds})["'\s,}}#]"#)).ok()
    });
    let matches = |regex: &Option<Regex>| regex.as_ref().is_none_or(|regex| regex.is_match(bytes));
    matches(&SPEAKS) && matches(&KIND)
}

/// Whether a text begins with an action of a template, so that nobody can apply it as it stands.
fn is_template(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{{")
}

/// Whether a text uses what only Helm has in its templates. Of a text that is YAML all the same this says nothing.
pub(super) fn speaks_helm(bytes: &[u8]) -> bool {
    static HELM: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\{\{[^}]*(?:\.Values\.|\.Release\.|\.Chart\.|\binclude )").ok());
    HELM.as_ref().is_some_and(|regex| regex.is_match(bytes))
}

struct Walker<'a> {
    world: &'a dyn World,
    output: Option<&'a TreePath>,
    diagnostics: &'a mut Diagnostics,
    found: &'a mut Found,
}

impl Walker<'_> {
    fn folder(&mut self, folder: &FilePath, top: bool, depth: usize) {
        if depth > MAX_DEPTH || (!top && self.output == Some(&folder.path)) {
            return;
        }
        let entries = match self.world.list(folder) {
            Ok(entries) => entries,
            Err(found) => {
                self.diagnostics.extend(found);
                return;
            }
        };
        let has = |name: &str| entries.iter().any(|entry| entry.name == name && entry.kind.is_file());
        let chart = has("Chart.yaml");
        if !top && (chart || has("bundles.lock")) {
            return;
        }
        for entry in entries.iter().filter(|entry| !entry.name.starts_with('.')) {
            let Ok(path) = folder.join(&entry.name) else { continue };
            match entry.kind {
                // A repository that is a chart may still keep definitions beside it.
                EntryKind::Directory if chart && matches!(entry.name.as_str(), "templates" | "charts" | "crds") => {}
                EntryKind::Directory => self.folder(&path, false, depth + 1),
                EntryKind::File => self.file(&path, &entry.name, top),
                EntryKind::EscapingLink if is_definition_name(&entry.name) => {
                    let message = format!("`{}` is a link out of the repository and is not looked into", path.path);
                    self.diagnostics.push(Diagnostic::warning("read/link", Span::NONE, message));
                }
                _ => {}
            }
        }
    }

    fn file(&mut self, path: &FilePath, name: &str, top: bool) {
        let kustomization = KUSTOMIZATION_NAMES.contains(&name);
        if !kustomization && !is_definition_name(name) || (top && super::configuration::FLEET_FILES.contains(&name)) {
            return;
        }
        match self.world.read(path) {
            Ok(file) if kustomization => self.found.kustomizations.push(Text { path: path.path.clone(), file }),
            Ok(file) if may_declare(&file.bytes) && is_template(&file.bytes) => {
                self.found.templates.push(path.path.clone());
            }
            Ok(file) if may_declare(&file.bytes) => {
                self.found.candidates.push(Text { path: path.path.clone(), file });
            }
            Ok(_) => {}
            // It may well be none of ours, but nobody can know: worth saying, no reason to stop.
            Err(found) => self.diagnostics.extend(found.into_iter().map(|mut diagnostic| {
                diagnostic.severity = Severity::Warning;
                diagnostic
            })),
        }
    }
}

/// Whether a file of this name can hold definitions.
pub(super) fn is_definition_name(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending))
}
