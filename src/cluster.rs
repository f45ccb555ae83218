//! A cluster of the fleet: what generators select by and what a render may depend on. Never its credentials.

use std::collections::BTreeMap;

use crate::span::Span;

/// The server URL of the cluster that an Argo CD runs in.
pub const IN_CLUSTER_SERVER: &str = "https://kubernetes.default.svc";
/// The name of the cluster that an Argo CD runs in, where no Secret renames it.
pub const IN_CLUSTER_NAME: &str = "in-cluster";

/// `apiVersion` and `kind` of a file of facts, as `fleetc cluster facts` writes it and `facts` of fleet.yaml names it.
pub const FACTS_API_VERSION: &str = "fleetc.dev/v1alpha1";
/// Folder and ending of the files of facts that count without being named: `clusters/<name>.facts.yaml`.
pub const FACTS_FOLDER: &str = "clusters";
/// See [`FACTS_FOLDER`].
pub const FACTS_ENDING: &str = ".facts.yaml";
/// The label with the Kubernetes version that Argo CD keeps on cluster Secrets which ask for it (`argocd.argoproj.io/auto-label-cluster-info`).
pub const VERSION_LABEL: &str = "argocd.argoproj.io/kubernetes-version";
/// See [`FACTS_API_VERSION`].
pub const FACTS_KIND: &str = "ClusterFacts";

/// A registered cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Name by which Applications and people call it; unique in an instance.
    pub name: String,
    /// API server URL as written (Argo CD trims trailing slashes when comparing destinations, not in generator parameters).
    pub server: String,
    /// Labels of the Secret or the entry in fleet.yaml, what selectors see.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the Secret.
    pub annotations: BTreeMap<String, String>,
    /// The project a cluster is scoped to; empty for none.
    pub project: String,
    /// The Argo CD instance that it is registered with; empty for the only one.
    pub instance: String,
    /// What renders may depend on.
    pub facts: Facts,
    /// Name of the object that declares it (the Secret's or the stub's); the cluster's own name where there is none. Argo CD
    /// hears of clusters in this order, which `flatList` shows.
    pub object: String,
    /// Where it was declared: a Secret, a stub, fleet.yaml, or nowhere (the implicit in-cluster).
    pub origin: ClusterOrigin,
    /// Where it was declared.
    pub span: Span,
}

/// How a cluster came into the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterOrigin {
    /// A Secret with the label `argocd.argoproj.io/secret-type: cluster`.
    Secret,
    /// A SealedSecret or ExternalSecret whose template carries the label.
    Stub,
    /// An entry of `clusters:` in fleet.yaml.
    Fleet,
    /// Not declared: the cluster that Argo CD runs in.
    Implicit,
}

/// What is known of a cluster's API; a render that reads it depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Kubernetes version without `v`, e.g. `1.34.1`.
    pub kube_version: Option<String>,
    /// API versions in the forms of `helm --api-versions`: `group/version` and `group/version/Kind`.
    pub api_versions: Vec<String>,
    /// Scope of custom kinds: `group/Kind` to whether it is namespaced.
    pub scopes: BTreeMap<String, bool>,
}

/// What a render may ask of a cluster: its version and what its API serves. A part of [`Facts`], and of the job that asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ApiFacts {
    /// Kubernetes version; `None` where nobody said it.
    pub kube_version: Option<String>,
    /// API versions; empty where nobody said them.
    pub api_versions: Vec<String>,
}

impl Facts {
    /// What renders may ask.
    pub fn api(&self) -> ApiFacts {
        ApiFacts { kube_version: self.kube_version.clone(), api_versions: self.api_versions.clone() }
    }

    /// Takes in what others say, which wins: a version, a list of APIs as a whole, scopes one by one.
    pub fn extend(&mut self, other: Facts) {
        self.kube_version = other.kube_version.or(self.kube_version.take());
        if !other.api_versions.is_empty() {
            self.api_versions = other.api_versions;
        }
        self.scopes.extend(other.scopes);
    }
}

impl Cluster {
    /// The server URL in the form in which destinations are compared (`util/argo`: trailing slashes do not count).
    pub fn server_key(&self) -> &str {
        self.server.trim_end_matches('/')
    }
}
