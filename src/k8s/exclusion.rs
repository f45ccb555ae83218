//! Which objects Argo CD does not manage: its hard-wired exclusions, its default ones, and `resource.exclusions` and
//! `resource.inclusions` of argocd-cm.
//!
//! Reading argocd-cm and saying where an entry was written is `read`'s; here is only what an entry means. An excluded object is not an
//! error: Argo CD drops it with a warning, and so does `bundle`.

use super::glob::Glob;
use crate::yaml::Node;

/// An entry of `resource.exclusions` or `resource.inclusions`. An empty list stands for all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Entry {
    /// API groups.
    pub api_groups: Vec<Glob>,
    /// Kinds, exact, or `*`.
    pub kinds: Vec<String>,
    /// API server URLs of clusters.
    pub clusters: Vec<Glob>,
}

/// Never managed, whatever argocd-cm says: API groups, kinds (v3.5 util/settings/resources_filter.go).
const HARD_WIRED: [(&[&str], &[&str]); 3] =
    [(&["events.k8s.io", "metrics.k8s.io"], &[]), (&[""], &["Event"]), (&["coordination.k8s.io"], &["Lease"])];

/// What the argocd-cm that Argo CD 3.0 to 3.5 installs excludes: API groups, kinds (v3.5 manifests/base/config/argocd-cm.yaml).
const DEFAULT: [(&[&str], &[&str]); 7] = [
    (&["", "discovery.k8s.io"], &["Endpoints", "EndpointSlice"]),
    (&["coordination.k8s.io"], &["Lease"]),
    (
        &["authentication.k8s.io", "authorization.k8s.io"],
        &[
            "SelfSubjectReview",
            "TokenReview",
            "LocalSubjectAccessReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
        ],
    ),
    (&["certificates.k8s.io"], &["CertificateSigningRequest"]),
    (&["cert-manager.io"], &["CertificateRequest"]),
    (&["cilium.io"], &["CiliumIdentity", "CiliumEndpoint", "CiliumEndpointSlice"]),
    (
        &["kyverno.io", "reports.kyverno.io", "wgpolicyk8s.io"],
        &[
            "PolicyReport",
            "ClusterPolicyReport",
            "EphemeralReport",
            "ClusterEphemeralReport",
            "AdmissionReport",
            "ClusterAdmissionReport",
            "BackgroundScanReport",
            "ClusterBackgroundScanReport",
            "UpdateRequest",
        ],
    ),
];

impl Entry {
    /// One entry as written in argocd-cm; `None` where a field is no list of strings or a glob is malformed (Argo CD ignores such a
    /// glob with a log line; we let the reader say so).
    pub fn of(node: &Node) -> Option<Self> {
        let list = |key| match node.get(key) {
            None => Some(Vec::new()),
            Some(list) if list.is_null() => Some(Vec::new()),
            Some(list) => list.as_seq()?.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        };
        Self::new(list("apiGroups")?, list("kinds")?, list("clusters")?)
    }

    fn new(api_groups: Vec<String>, kinds: Vec<String>, clusters: Vec<String>) -> Option<Self> {
        let globs = |list: Vec<String>| list.iter().map(|pattern| Glob::new(pattern, "")).collect::<Option<Vec<_>>>();
        Some(Entry { api_groups: globs(api_groups)?, kinds, clusters: globs(clusters)? })
    }

    fn matches(&self, group: &str, kind: &str, server: &str) -> bool {
        (self.api_groups.is_empty() || self.api_groups.iter().any(|glob| glob.matches(group)))
            && (self.kinds.is_empty() || self.kinds.iter().any(|listed| listed == "*" || listed == kind))
            && self.concerns(server)
    }

    fn concerns(&self, server: &str) -> bool {
        self.clusters.is_empty() || self.clusters.iter().any(|glob| glob.matches(server))
    }
}

/// What one Argo CD leaves alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// `resource.exclusions`.
    pub exclusions: Vec<Entry>,
    /// `resource.inclusions`.
    pub inclusions: Vec<Entry>,
}

/// The exclusions of a fresh installation, for fleets whose argocd-cm does not set `resource.exclusions`.
impl Default for Filter {
    fn default() -> Self {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let entries = DEFAULT.iter().filter_map(|(groups, kinds)| Entry::new(owned(groups), owned(kinds), Vec::new()));
        Filter { exclusions: entries.collect(), inclusions: Vec::new() }
    }
}

impl Filter {
    /// Whether objects of a group and kind are left alone on the cluster with this API server URL. An exclusion beats an inclusion;
    /// where inclusions concern the cluster, what none of them names is excluded.
    pub fn excludes(&self, group: &str, kind: &str, server: &str) -> bool {
        let hard_wired = HARD_WIRED
            .iter()
            .any(|(groups, kinds)| groups.contains(&group) && (kinds.is_empty() || kinds.contains(&kind)));
        if hard_wired || self.exclusions.iter().any(|entry| entry.matches(group, kind, server)) {
            return true;
        }
        !self.inclusions.iter().any(|entry| entry.matches(group, kind, server))
            && self.inclusions.iter().any(|entry| entry.concerns(server))
    }
}

#[cfg(test)]
mod tests;
