//! Facts about a cluster as a file: `kubeVersion`, `apiVersions` and `scopes`, as fleet.yaml reads them.
//!
//! The API list is what Argo CD gives to Helm: `group/version` and `group/version/Kind` of all that can be listed and watched
//! (gitops-engine `GetAPIResources`, `argo.APIResourcesToStrings`). Scopes are those of kinds that no table of [`k8s::scope`](scope) holds
//! or holds otherwise. Sorted, so that the file changes only when the cluster does.

use std::collections::{BTreeMap, BTreeSet};

use super::{Catalogue, group_version};
use crate::cluster::Facts;
use crate::k8s::scope::{self, Scope};
use crate::yaml::{Map, Node, emit};

/// What renders may depend on.
pub fn facts(version: &str, catalogue: &Catalogue) -> Facts {
    let mut api_versions = BTreeSet::new();
    let mut scopes = BTreeMap::new();
    for resource in &catalogue.resources {
        let gvk = &resource.gvk;
        let known = scope::current(&gvk.group, &gvk.kind).map(|known| known == Scope::Namespaced);
        if !gvk.group.is_empty() && known != Some(resource.namespaced) {
            scopes.insert(format!("{}/{}", gvk.group, gvk.kind), resource.namespaced);
        }
        if resource.can("list") && resource.can("watch") {
            let version = group_version(&gvk.group, &gvk.version);
            api_versions.insert(format!("{version}/{}", gvk.kind));
            api_versions.insert(version);
        }
    }
    Facts { kube_version: Some(version.to_owned()), api_versions: api_versions.into_iter().collect(), scopes }
}

/// The file.
pub fn to_yaml(cluster: &str, facts: &Facts) -> String {
    let mut metadata = Map::new();
    metadata.insert("name", Node::str(cluster));
    let mut document = Map::new();
    document.insert("apiVersion", Node::str(crate::cluster::FACTS_API_VERSION));
    document.insert("kind", Node::str(crate::cluster::FACTS_KIND));
    document.insert("metadata", Node::map(metadata));
    if let Some(version) = &facts.kube_version {
        document.insert("kubeVersion", Node::str(version.as_str()));
    }
    document.insert("apiVersions", Node::seq(facts.api_versions.iter().map(|api| Node::str(api.as_str())).collect()));
    let mut scopes = Map::new();
    for (kind, namespaced) in &facts.scopes {
        scopes.insert(kind.as_str(), Node::str(if *namespaced { "Namespaced" } else { "Cluster" }));
    }
    document.insert("scopes", Node::map(scopes));
    let mut text = String::new();
    emit::to_yaml_into(&Node::map(document), &mut text);
    text
}
