//! The files of a fleet from a live Argo CD: stubs of its clusters, its projects, what nobody else declares of its Applications and
//! ApplicationSets, its settings, and what people set by hand on those that something else declares.
//!
//! In: the objects as the cluster gives them. Out: texts by path, the same for the same objects. Of a cluster Secret the name, the server and
//! the project are read, and its labels and annotations; no login, and no annotation that may copy one, gets into a file. Nothing is asked
//! of other clusters, nothing is rendered, and nothing is written here.

mod declared;
mod overrides;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Request, encode};
use crate::machine::Port;
use crate::plan::{Talk, Trouble};
use crate::yaml::{Map, Node, emit};

/// What there is to write, and to say.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// Texts by path.
    pub files: BTreeMap<String, String>,
    /// What to look at before the files are used.
    pub warnings: Vec<String>,
    /// Worth knowing.
    pub notes: Vec<String>,
}

/// What is read.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Namespace of the Argo CD.
    pub namespace: String,
    /// `metadata.name` of fleet.yaml.
    pub name: String,
}

/// The objects of an Argo CD.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    pub(crate) clusters: Vec<Node>,
    pub(crate) projects: Vec<Node>,
    pub(crate) applications: Vec<Node>,
    pub(crate) sets: Vec<Node>,
    pub(crate) settings: Option<Node>,
}

/// Requests at a time.
const AT_ONCE: usize = 8;

/// Reads an Argo CD.
///
/// # Errors
/// The cluster does not answer or does not show something, or there is no Argo CD in that namespace.
pub async fn argocd(port: Port, wish: Wish) -> Result<Imported, String> {
    read(&Talk::new(port, AT_ONCE), &wish.namespace).await.map_err(|Trouble(why)| why).map(|live| files(&live, &wish))
}

async fn read(talk: &Talk, namespace: &str) -> Result<Live, Trouble> {
    let inside = format!("/namespaces/{}", encode(namespace));
    let settings = talk.read(Request::get(format!("/api/v1{inside}/configmaps/argocd-cm"))).await?;
    if settings.is_none() {
        let hint = "`--namespace` names another one";
        return Err(Trouble(format!("the namespace `{namespace}` has no argocd-cm, so no Argo CD is there; {hint}")));
    }
    let argo = "/apis/argoproj.io/v1alpha1";
    let secrets = talk.items(&format!("/api/v1{inside}/secrets"), "argocd.argoproj.io/secret-type=cluster").await?;
    let projects = talk.items(&format!("{argo}{inside}/appprojects"), "").await?;
    let mut found = Live { clusters: secrets, projects, settings, ..Live::default() };
    for (plural, list) in [("applications", &mut found.applications), ("applicationsets", &mut found.sets)] {
        // They may be in any namespace; whoever may not look there has those of the Argo CD's own.
        *list = match talk.items(&format!("{argo}/{plural}"), "").await {
            Ok(items) => items,
            Err(_) => talk.items(&format!("{argo}{inside}/{plural}"), "").await?,
        };
    }
    Ok(found)
}

/// Files by path, each name once.
struct Files {
    imported: Imported,
    folders: BTreeSet<&'static str>,
}

impl Files {
    fn put(&mut self, folder: &'static str, name: &str, text: String) {
        let mut path = format!("{folder}/{name}.yaml");
        let mut number = 1;
        while self.imported.files.contains_key(&path) {
            number += 1;
            path = format!("{folder}/{name}-{number}.yaml");
        }
        self.imported.files.insert(path, text);
        self.folders.insert(folder);
    }
}

fn files(live: &Live, wish: &Wish) -> Imported {
    let mut files = Files { imported: Imported::default(), folders: BTreeSet::new() };
    declared::clusters(&live.clusters, &wish.namespace, &mut files);
    declared::write(live, wish, &mut files);
    if let Some(map) = &live.settings {
        settings::write(map, &wish.namespace, &mut files);
    }
    let folders: Vec<String> = files.folders.iter().map(|folder| format!("  - {folder}/\n")).collect();
    overrides::write(live, wish, &mut files);
    let mut text = format!(
        "# Written by `fleetc init --from-argocd`. The name is what is applied belongs to: never change it afterwards.\n\
         apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata:\n  name: {}\n",
        wish.name
    );
    if !folders.is_empty() {
        text.push_str("definitions:\n");
        text.extend(folders);
    }
    let mut imported = files.imported;
    imported.files.insert("fleet.yaml".to_owned(), text);
    imported.notes.sort();
    imported.warnings.sort();
    imported
}

/// `metadata.name` and the like; empty where it is not there.
fn meta<'n>(object: &'n Node, key: &str) -> &'n str {
    object.str_at(&["metadata", key])
}

/// The part of a path that a name becomes.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let text: String = name.chars().map(plain).collect();
    let text = text.trim_start_matches(['.', '-']).to_owned();
    if text.is_empty() { "unnamed".to_owned() } else { text }
}

/// The file of an object that may be in another namespace than the Argo CD's.
fn object_file(object: &Node, namespace: &str) -> String {
    match meta(object, "namespace") {
        own if own == namespace || own.is_empty() => file_name(meta(object, "name")),
        other => file_name(&format!("{other}.{}", meta(object, "name"))),
    }
}

/// Annotations and labels that are no declaration: copies of objects, requests and what controllers note.
const DROPPED: [&str; 9] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/installation-id",
    "argocd.argoproj.io/refresh",
    "argocd.argoproj.io/hydrate",
    "argocd.argoproj.io/application-set-refresh",
    "notified.notifications.argoproj.io",
    "applyset.kubernetes.io/part-of",
    "deprecated.daemonset.template.generation",
];

/// Labels or annotations without what is no declaration; `None` where nothing is left.
fn kept(object: &Node, field: &str) -> Option<Node> {
    let map = object.at(&["metadata", field]).and_then(Node::as_map)?;
    let is_kept = |key: &Node| !key.text().is_some_and(|key| DROPPED.contains(&key));
    let map: Map =
        map.iter().filter(|(key, _)| is_kept(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    (!map.is_empty()).then(|| Node::map(map))
}

/// An object with what is declared of it: name, namespace, labels, annotations, finalizers and the fields that are named.
fn declaration(object: &Node, fields: &[&str]) -> Node {
    let mut metadata = Map::new();
    for key in ["name", "namespace"] {
        metadata.insert(key, Node::str(meta(object, key)));
    }
    for key in ["labels", "annotations"] {
        if let Some(map) = kept(object, key) {
            metadata.insert(key, map);
        }
    }
    if let Some(finalizers) = object.at(&["metadata", "finalizers"]).filter(|list| !list.is_null()) {
        metadata.insert("finalizers", finalizers.clone());
    }
    let mut out = Map::new();
    for key in ["apiVersion", "kind"] {
        out.insert(key, Node::str(object.str_at(&[key])));
    }
    out.insert("metadata", Node::map(metadata));
    for key in fields {
        if let Some(value) = object.get(key) {
            out.insert(*key, value.clone());
        }
    }
    Node::map(out)
}

fn yaml(node: &Node) -> String {
    emit::to_yaml(node)
}

#[cfg(test)]
mod tests;
