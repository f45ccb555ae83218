//! What people set by hand (`argocd app set`, the user interface, an image updater) on Applications that something else declares: Git does
//! not know of it, so a build would not, either. The API server says who wrote which field.
//!
//! Written as patches of Applications, and, where they are parameters of the one source, as the file that Argo CD and fleetc read beside
//! that source: `.argocd-source-<name>.yaml`. No definition: somebody has to put them where they belong.

use std::collections::{BTreeMap, BTreeSet};

use super::declared::{id, parents};
use super::{Files, Live, Wish, meta, object_file, yaml};
use crate::k8s::defaults::set;
use crate::k8s::fields::{Element, FieldSet, managers};
use crate::yaml::{Map, Node};

/// Managers whose writes come from what declares the Application, or are book-keeping. The rest are people and their tools.
const DECLARING: [&str; 9] = [
    "argocd-controller",
    "argocd-application-controller",
    "argocd-applicationset-controller",
    "before-first-apply",
    "fleetc",
    "helm",
    "helm-controller",
    "kubectl-client-side-apply",
    "kustomize-controller",
];

/// Fields of a source that the file beside it may set (argo-cd reposerver mergeSourceParameters).
const SOURCE_FIELDS: [&str; 4] = ["helm", "kustomize", "directory", "plugin"];

pub(super) fn write(live: &Live, wish: &Wish, files: &mut Files) {
    let parents = parents(live);
    let mut sorted: Vec<&Node> = live.applications.iter().filter(|object| parents.contains_key(&id(object))).collect();
    sorted.sort_by_key(|object| id(object));
    for application in sorted {
        let Some((spec, who)) = overridden(application) else { continue };
        let mut metadata = Map::new();
        for key in ["name", "namespace"] {
            metadata.insert(key, Node::str(meta(application, key)));
        }
        let mut patch = Map::new();
        for key in ["apiVersion", "kind"] {
            patch.insert(key, Node::str(application.str_at(&[key])));
        }
        patch.insert("metadata", Node::map(metadata));
        patch.insert("spec", spec.clone());
        let parent = parents.get(&id(application)).map(|(kind, _, name)| format!("{kind} {name}")).unwrap_or_default();
        let name = object_file(application, &wish.namespace);
        let text = format!(
            "# Set on the live Application by {who}; {parent}, which declares it, does not say so.\n\
             # Not read by a build: put it into what declares the Application, or it is lost.\n{}",
            yaml(&Node::map(patch))
        );
        files.put("overrides", &name, text);
        if let Some(text) = source_file(application, &spec) {
            files.put("overrides", &format!("{name}.argocd-source"), text);
        }
        files.imported.warnings.push(format!(
            "Application {} differs from what {parent} declares: see overrides/{name}.yaml",
            meta(application, "name")
        ));
    }
}

/// The fields of `spec` that people hold, and who.
fn overridden(application: &Node) -> Option<(Node, String)> {
    // What cannot be read says nothing about anybody.
    let all = managers(application).ok()?;
    let people = all.iter().filter(|one| one.subresource.is_empty() && !DECLARING.contains(&one.name.as_str()));
    let (mut held, mut who) = (FieldSet::default(), BTreeSet::new());
    for manager in people {
        let spec: FieldSet = manager.fields.leaves().into_iter().filter(|path| is_spec(path)).collect();
        if !spec.is_empty() {
            held = held.union(&spec);
            who.insert(manager.name.to_string());
        }
    }
    let mut values: BTreeMap<Vec<&str>, &Node> = BTreeMap::new();
    let leaves = held.leaves();
    for path in &leaves {
        // A list is taken whole.
        let keys: Vec<&str> = path
            .iter()
            .map_while(|element| if let Element::Field(name) = element { Some(name.as_str()) } else { None })
            .collect();
        if let Some(value) = application.at(&keys) {
            values.insert(keys, value);
        }
    }
    let mut out = Node::map(Map::new());
    for (path, value) in values {
        set(&mut out, &path, value.clone());
    }
    let spec = out.get("spec")?.clone();
    Some((spec, who.into_iter().collect::<Vec<_>>().join(", ")))
}

fn is_spec(path: &[Element]) -> bool {
    path.first() == Some(&Element::field("spec"))
}

/// The file beside the source, where parameters of the one source are overridden and it lies in git.
fn source_file(application: &Node, spec: &Node) -> Option<String> {
    let source = spec.get("source")?;
    let path = application.str_at(&["spec", "source", "path"]);
    if path.is_empty() || application.at(&["spec", "sources"]).is_some() {
        return None;
    }
    let mut out = Map::new();
    for field in SOURCE_FIELDS {
        if let Some(value) = source.get(field) {
            out.insert(field, value.clone());
        }
    }
    let (name, repo) = (meta(application, "name"), application.str_at(&["spec", "source", "repoURL"]));
    (!out.is_empty()).then(|| {
        format!(
            "# As `{path}/.argocd-source-{name}.yaml` in {repo} it says the same to Argo CD and to fleetc.\n{}",
            yaml(&Node::map(out))
        )
    })
}
