//! Which objects are declarations of a fleet, and how files are taken apart into them.

use super::walk::Text;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::path::TreePath;
use crate::yaml::{self, Dialect, Limits, Node};

/// The label that makes a Secret a cluster.
pub(super) const SECRET_TYPE: &str = "argocd.argoproj.io/secret-type";

/// What an object declares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    /// argocd-cm.
    Settings,
    /// A cluster Secret.
    Cluster,
    /// A SealedSecret or ExternalSecret that becomes a cluster Secret.
    ClusterStub,
    Project,
    Application,
    ApplicationSet,
}

impl Kind {
    /// Whether an Argo CD that deploys the object gives it back to the fleet (app-of-apps). Clusters and settings are read where they
    /// lie, because the expansion needs them before anything is rendered.
    pub(super) fn feeds_back(self) -> bool {
        matches!(self, Kind::Project | Kind::Application | Kind::ApplicationSet)
    }
}

/// What an object is to a fleet; `None` for all others.
pub(super) fn kind_of(object: &Node) -> Option<Kind> {
    let group = object.get("apiVersion")?.as_str()?.split_once('/').map_or("", |(group, _)| group);
    match (group, object.get("kind")?.as_str()?) {
        ("argoproj.io", "Application") => Some(Kind::Application),
        ("argoproj.io", "ApplicationSet") => Some(Kind::ApplicationSet),
        ("argoproj.io", "AppProject") => Some(Kind::Project),
        ("", "Secret") if is_cluster(object.get("metadata")) => Some(Kind::Cluster),
        ("bitnami.com", "SealedSecret") if is_cluster(object.at(&["spec", "template", "metadata"])) => {
            Some(Kind::ClusterStub)
        }
        ("external-secrets.io", "ExternalSecret")
            if is_cluster(object.at(&["spec", "target", "template", "metadata"])) =>
        {
            Some(Kind::ClusterStub)
        }
        ("", "ConfigMap") if object.at(&["metadata", "name"]).and_then(Node::as_str) == Some("argocd-cm") => {
            Some(Kind::Settings)
        }
        _ => None,
    }
}

fn is_cluster(metadata: Option<&Node>) -> bool {
    metadata.and_then(|metadata| metadata.at(&["labels", SECRET_TYPE])).and_then(Node::as_str) == Some("cluster")
}

/// The object, or the objects of a list.
pub(super) fn flatten(object: &Node) -> Vec<&Node> {
    let listed = object.get("kind").and_then(Node::as_str).is_some_and(|kind| kind.ends_with("List"));
    match object.get("items").and_then(Node::as_seq) {
        Some(items) if listed => items.iter().collect(),
        _ => vec![object],
    }
}

/// The declarations of a file.
pub(super) struct Declarations {
    pub(super) path: TreePath,
    pub(super) objects: Vec<(Kind, Node)>,
    /// What is wrong with the file; only of interest if the file is taken.
    pub(super) diagnostics: Diagnostics,
    /// It is no YAML, at least from some place on.
    pub(super) broken: bool,
}

/// Parses a candidate. A text that is no YAML is an error, because it speaks of Argo CD's objects: one of them may be lost in it.
pub(super) fn declarations(text: &Text, strict: bool) -> Declarations {
    let mut diagnostics = Diagnostics::new();
    let mut objects = Vec::new();
    let parsed = yaml::parse(text.file.id, &text.file.bytes, Dialect::V2, &Limits::default());
    for document in parsed.documents {
        let declared: Vec<(Kind, Node)> =
            flatten(&document.root).into_iter().filter_map(|node| Some((kind_of(node)?, node.clone()))).collect();
        if !declared.is_empty() {
            for duplicate in document.duplicates {
                let message = format!("the key `{}` is there twice; the later one counts", duplicate.key);
                let mut found = Diagnostic::warning("read/duplicate-key", duplicate.second, message);
                if strict {
                    found.severity = Severity::Error;
                }
                diagnostics.push(found.label(duplicate.first, "the first one"));
            }
        }
        objects.extend(declared);
    }
    let broken = parsed.error.is_some();
    if let Some(error) = parsed.error {
        diagnostics.push(error.hint("list the fleet's definitions in fleet.yaml if this file is none of them"));
    }
    Declarations { path: text.path.clone(), objects, diagnostics, broken }
}

/// Name for people: `Kind namespace/name`.
pub(super) fn title(object: &Node) -> String {
    let field = |path: &[&str]| object.at(path).and_then(Node::as_str).unwrap_or_default().to_owned();
    let (kind, namespace, name) = (field(&["kind"]), field(&["metadata", "namespace"]), field(&["metadata", "name"]));
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}
