//! An Argo CD Application as the later phases see it: literal, typed as far as they look at it, the rest as YAML.
//!
//! The wire form (field tables, omitted zero values) is in `read`; this is the domain type.

use std::collections::BTreeMap;

use crate::span::Span;
use crate::yaml::Node;

/// What names an application in a fleet. Displayed as `name`, with `namespace/` and `instance/` in front where they are not the default.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppKey {
    /// The Argo CD instance; empty for the only one.
    pub instance: String,
    /// Namespace of the Application object (`argocd` unless applications in any namespace are used).
    pub namespace: String,
    /// Name of the Application object.
    pub name: String,
}

impl std::fmt::Display for AppKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.instance.is_empty() {
            write!(f, "{}/", self.instance)?;
        }
        if self.namespace != DEFAULT_NAMESPACE && !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// The namespace of Argo CD itself where nothing says otherwise.
pub const DEFAULT_NAMESPACE: &str = "argocd";

/// An Application, literal: no generator and no template is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Instance, namespace and name.
    pub key: AppKey,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// `spec.project`; `default` where empty.
    pub project: String,
    /// `spec.sources`, or the one `spec.source`.
    pub sources: Vec<Source>,
    /// Where it goes: one, or several of `destination.servers` (ours).
    pub destinations: Vec<Destination>,
    /// `metadata` and `spec` as Argo CD's API prints them (empty ones omitted as its types do), for `expand` and for what passes through.
    pub manifest: Node,
    /// Where it was written: the Application, or the template of its ApplicationSet.
    pub span: Span,
}

impl Application {
    /// A field of `spec` that passes through (`syncPolicy`, `ignoreDifferences`, `info`…).
    pub fn spec(&self, field: &str) -> Option<&Node> {
        self.manifest.at(&["spec", field])
    }
}

/// Where an application goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// API server URL, or empty where the cluster is named.
    pub server: String,
    /// Cluster name, or empty where the server is given.
    pub name: String,
    /// `destination.namespace`; empty for none.
    pub namespace: String,
    /// Overrides of this entry of `destination.servers`: `path`, `targetRevision`, `helm`, `kustomize`, as written.
    pub overrides: Option<Node>,
    /// Where it was written.
    pub span: Span,
}

/// What some write as `destination.namespace` where every object names its own. Argo CD takes it (`ValidatePermissions` asks only the
/// project), and writes it into objects that have none, which an API server refuses.
pub const ANY_NAMESPACE: &str = "*";

impl Destination {
    /// The namespace that objects without one get; empty for none.
    pub fn default_namespace(&self) -> &str {
        if self.namespace == ANY_NAMESPACE { "" } else { &self.namespace }
    }
}

/// One source of an application.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// `repoURL` as written.
    pub repo_url: String,
    /// `path`; empty where there is none.
    pub path: String,
    /// `targetRevision`; empty stands for HEAD.
    pub target_revision: String,
    /// `tagPrefix`: what tags begin with among which `target_revision` is a constraint; empty for none.
    pub tag_prefix: String,
    /// `chart` of a Helm repository; empty for git.
    pub chart: String,
    /// `ref`: the name under which other sources use its files; empty for none.
    pub reference: String,
    /// `name` of the source; empty for none.
    pub name: String,
    /// `helm` as written (non-zero).
    pub helm: Option<Node>,
    /// `kustomize` as written (non-zero).
    pub kustomize: Option<Node>,
    /// `directory` as written (non-zero).
    pub directory: Option<Node>,
    /// `plugin` as written (non-zero).
    pub plugin: Option<Node>,
    /// Where it was written.
    pub span: Span,
}
