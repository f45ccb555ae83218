//! The kinds that a simulated cluster serves: built-in ones from a table, custom ones from the CRDs that it holds; and the discovery
//! documents made of both.

use smol_str::{SmolStr, format_smolstr};

use super::node::{list, object, text};
use super::shape::Type;
use crate::yaml::{Map, Node};

/// A kind as it is served in one version.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) group: SmolStr,
    pub(super) version: SmolStr,
    pub(super) kind: SmolStr,
    pub(super) plural: SmolStr,
    pub(super) singular: SmolStr,
    pub(super) short: Vec<SmolStr>,
    pub(super) namespaced: bool,
    /// Whether `status` is changed through its own path only.
    pub(super) status: bool,
    pub(super) scale: bool,
    /// Whether `metadata.generation` counts changes.
    pub(super) generation: bool,
    /// Whether it counts changes of annotations, too.
    pub(super) counts_annotations: bool,
    /// The schema of a custom kind.
    pub(super) custom: Option<Node>,
}

/// API VERSION, KIND, PLURAL, flags: `n` namespaced, `s` status, `g` generation, `a` which counts annotations, `c` scale; short names.
const BUILT_IN: [(&str, &str, &str, &str, &str); 44] = [
    ("v1", "ConfigMap", "configmaps", "n", "cm"),
    ("v1", "Endpoints", "endpoints", "n", "ep"),
    ("v1", "Event", "events", "n", "ev"),
    ("v1", "LimitRange", "limitranges", "n", "limits"),
    ("v1", "Namespace", "namespaces", "s", "ns"),
    ("v1", "Node", "nodes", "s", "no"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "ns", "pvc"),
    ("v1", "PersistentVolume", "persistentvolumes", "s", "pv"),
    ("v1", "Pod", "pods", "nsg", "po"),
    ("v1", "ResourceQuota", "resourcequotas", "ns", "quota"),
    ("v1", "Secret", "secrets", "n", ""),
    ("v1", "ServiceAccount", "serviceaccounts", "n", "sa"),
    ("v1", "Service", "services", "ns", "svc"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "g", ""),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", "sg", ""),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        "g",
        "",
    ),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "g", ""),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", "sg", "crd crds"),
    ("apiregistration.k8s.io/v1", "APIService", "apiservices", "s", ""),
    ("apps/v1", "ControllerRevision", "controllerrevisions", "n", ""),
    ("apps/v1", "DaemonSet", "daemonsets", "nsg", "ds"),
    ("apps/v1", "Deployment", "deployments", "nsgca", "deploy"),
    ("apps/v1", "ReplicaSet", "replicasets", "nsgc", "rs"),
    ("apps/v1", "StatefulSet", "statefulsets", "nsgc", "sts"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "ns", "hpa"),
    ("batch/v1", "CronJob", "cronjobs", "nsg", "cj"),
    ("batch/v1", "Job", "jobs", "nsg", ""),
    ("certificates.k8s.io/v1", "CertificateSigningRequest", "certificatesigningrequests", "s", "csr"),
    ("coordination.k8s.io/v1", "Lease", "leases", "n", ""),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", "ng", ""),
    ("events.k8s.io/v1", "Event", "events", "n", "ev"),
    ("networking.k8s.io/v1", "IngressClass", "ingressclasses", "g", ""),
    ("networking.k8s.io/v1", "Ingress", "ingresses", "nsg", "ing"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", "ng", "netpol"),
    ("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", "", ""),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", "nsg", "pdb"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", "", ""),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", "", ""),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", "n", ""),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", "n", ""),
    ("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "g", "pc"),
    ("storage.k8s.io/v1", "CSIDriver", "csidrivers", "", ""),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses", "", "sc"),
    ("storage.k8s.io/v1", "VolumeAttachment", "volumeattachments", "s", ""),
];

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl Kind {
    /// The built-in kinds.
    pub(super) fn built_in() -> Vec<Kind> {
        let row = |(api_version, kind, plural, flags, short): (&str, &str, &str, &str, &str)| {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            Kind {
                group: group.into(),
                version: version.into(),
                kind: kind.into(),
                plural: plural.into(),
                singular: kind.to_ascii_lowercase().into(),
                short: short.split_whitespace().map(SmolStr::from).collect(),
                namespaced: flags.contains('n'),
                status: flags.contains('s'),
                scale: flags.contains('c'),
                generation: flags.contains('g'),
                counts_annotations: flags.contains('a'),
                custom: None,
            }
        };
        BUILT_IN.into_iter().map(row).collect()
    }

    /// The served versions of a CRD, the stored one first.
    pub(super) fn of_crd(crd: &Node) -> Vec<Kind> {
        let Some(spec) = crd.get("spec") else { return Vec::new() };
        let at = |path: &[&str]| spec.at(path).and_then(Node::smol).unwrap_or_default();
        let mut versions: Vec<&Node> = spec.get("versions").and_then(Node::as_seq).unwrap_or_default().iter().collect();
        versions.retain(|version| version.get("served").and_then(Node::as_bool) == Some(true));
        versions.sort_by_key(|version| version.get("storage").and_then(Node::as_bool) != Some(true));
        let short = spec.at(&["names", "shortNames"]).and_then(Node::as_seq).unwrap_or_default();
        let kind = |version: &Node| Kind {
            group: at(&["group"]),
            version: version.get("name").and_then(Node::smol).unwrap_or_default(),
            kind: at(&["names", "kind"]),
            plural: at(&["names", "plural"]),
            singular: crd.at(&["spec", "names", "singular"]).and_then(Node::smol).unwrap_or_default(),
            short: short.iter().filter_map(Node::smol).collect(),
            namespaced: at(&["scope"]) != "Cluster",
            status: version.at(&["subresources", "status"]).is_some(),
            scale: version.at(&["subresources", "scale"]).is_some(),
            generation: true,
            counts_annotations: false,
            custom: Some(version.at(&["schema", "openAPIV3Schema"]).cloned().unwrap_or_else(|| Node::map(Map::new()))),
        };
        versions.into_iter().map(kind).collect()
    }

    pub(super) fn api_version(&self) -> SmolStr {
        if self.group.is_empty() { self.version.clone() } else { format_smolstr!("{}/{}", self.group, self.version) }
    }

    /// The type of its objects.
    pub(super) fn of(&self) -> Type<'_> {
        match &self.custom {
            Some(schema) => Type::Custom(schema, true),
            None => Type::built(&self.kind),
        }
    }

    /// `Deployment.apps`, for messages.
    pub(super) fn group_kind(&self) -> String {
        if self.group.is_empty() { self.kind.to_string() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// `deployments.apps`, for messages.
    pub(super) fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_string() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// `/version`.
pub(super) fn version(git: &str) -> Node {
    let mut parts = git.trim_start_matches('v').split('.');
    let mut part = || parts.next().unwrap_or_default();
    let (major, minor) = (part(), part());
    object([
        ("major", text(major)),
        ("minor", text(minor)),
        ("emulationMajor", text(major)),
        ("emulationMinor", text(minor)),
        ("minCompatibilityMajor", text(major)),
        ("minCompatibilityMinor", text(minor)),
        ("gitVersion", text(git)),
        ("gitCommit", text("0000000000000000000000000000000000000000")),
        ("gitTreeState", text("clean")),
        ("buildDate", text("1970-01-01T00:00:00Z")),
        ("goVersion", text("go1.24")),
        ("compiler", text("gc")),
        ("platform", text("linux/amd64")),
    ])
}

/// Groups in the order of their kinds, each with its versions.
fn groups(kinds: &[Kind]) -> Vec<(SmolStr, Vec<SmolStr>)> {
    let mut found: Vec<(SmolStr, Vec<SmolStr>)> = Vec::new();
    for kind in kinds.iter().filter(|kind| !kind.group.is_empty()) {
        match found.iter_mut().find(|(group, _)| *group == kind.group) {
            Some((_, versions)) if versions.contains(&kind.version) => {}
            Some((_, versions)) => versions.push(kind.version.clone()),
            None => found.push((kind.group.clone(), vec![kind.version.clone()])),
        }
    }
    found
}

fn group_node((group, versions): &(SmolStr, Vec<SmolStr>)) -> Vec<(&'static str, Node)> {
    let version = |version: &SmolStr| {
        object([("groupVersion", text(format_smolstr!("{group}/{version}"))), ("version", text(version.clone()))])
    };
    let all: Vec<Node> = versions.iter().map(version).collect();
    let preferred = all.first().cloned().unwrap_or_else(Node::null);
    vec![("name", text(group.clone())), ("versions", list(all)), ("preferredVersion", preferred)]
}

fn verbs(names: &[&str]) -> Node {
    list(names.iter().map(|verb| text(*verb)).collect())
}

fn resources(kinds: &[Kind], group: &str, version: &str) -> Option<Node> {
    let mut rows = Vec::new();
    for kind in kinds.iter().filter(|kind| kind.group == group && kind.version == version) {
        let mut row = vec![
            ("name", text(kind.plural.clone())),
            ("singularName", text(kind.singular.clone())),
            ("namespaced", Node::bool(kind.namespaced)),
            ("kind", text(kind.kind.clone())),
            ("verbs", verbs(&VERBS)),
        ];
        if !kind.short.is_empty() {
            row.push(("shortNames", list(kind.short.iter().cloned().map(text).collect())));
        }
        rows.push(object(row));
        if kind.status {
            rows.push(object([
                ("name", text(format_smolstr!("{}/status", kind.plural))),
                ("singularName", text("")),
                ("namespaced", Node::bool(kind.namespaced)),
                ("kind", text(kind.kind.clone())),
                ("verbs", verbs(&["get", "patch", "update"])),
            ]));
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!rows.is_empty()).then(|| {
        object([
            ("kind", text("APIResourceList")),
            ("apiVersion", text("v1")),
            ("groupVersion", text(group_version)),
            ("resources", list(rows)),
        ])
    })
}

/// The discovery document at a path; `None` where there is none.
pub(super) fn discovery(kinds: &[Kind], parts: &[&str]) -> Option<Node> {
    match parts {
        ["api"] => Some(object([
            ("kind", text("APIVersions")),
            ("versions", list(vec![text("v1")])),
            ("serverAddressByClientCIDRs", list(Vec::new())),
        ])),
        ["apis"] => {
            let all = groups(kinds).iter().map(|group| object(group_node(group))).collect();
            Some(object([("kind", text("APIGroupList")), ("apiVersion", text("v1")), ("groups", list(all))]))
        }
        ["api", version] => resources(kinds, "", version),
        ["apis", group] => {
            let found = groups(kinds).into_iter().find(|(name, _)| name == group)?;
            let mut entries = vec![("kind", text("APIGroup")), ("apiVersion", text("v1"))];
            entries.extend(group_node(&found));
            Some(object(entries))
        }
        ["apis", group, version] => resources(kinds, group, version),
        _ => None,
    }
}
