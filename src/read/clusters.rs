//! The clusters of a fleet: cluster Secrets, stubs of Secrets that are sealed or kept elsewhere, entries of `fleet.yaml`, and the
//! cluster that an Argo CD runs in.
//!
//! Of a Secret only `name`, `server` and `project` are read; no value of it ever gets into a message. Sources: argo-cd
//! `util/db/cluster.go` (`SecretToCluster`), `docs/operator-manual/declarative-setup.md`.

use std::collections::BTreeMap;

use base64::Engine as _;

use super::configuration::{ClusterEntry, Configuration, Whom};
use super::objects::{Kind, title};
use crate::argo::cluster_name_problem;
use crate::cluster::{Cluster, ClusterOrigin, Facts, IN_CLUSTER_NAME, IN_CLUSTER_SERVER, VERSION_LABEL};
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::span::Span;
use crate::yaml::{Node, Tag, View};

/// Annotation of a stub with the name of its cluster.
const NAME_ANNOTATION: &str = "fleetc.dev/cluster-name";
/// Annotation of a stub with the API server of its cluster.
const SERVER_ANNOTATION: &str = "fleetc.dev/cluster-server";

/// A cluster as declared by an object; a stub may not say its name or server.
pub(super) struct Declared {
    cluster: Cluster,
}

/// Reads a cluster Secret or a stub of one.
pub(super) fn declared(kind: Kind, object: &Node, instance: &str, found: &mut Diagnostics) -> Option<Declared> {
    let empty = Node::null();
    let template = match kind {
        Kind::Cluster => object,
        _ => object.at(&["spec", "template"]).or_else(|| object.at(&["spec", "target", "template"])).unwrap_or(&empty),
    };
    let metadata = template.get("metadata").unwrap_or(&empty);
    let before = found.0.len();
    let labels = strings(metadata, "labels", found);
    let annotations = strings(metadata, "annotations", found);
    let (name, server, project) = if kind == Kind::Cluster {
        (
            secret_value(object, "name", found),
            secret_value(object, "server", found),
            secret_value(object, "project", found),
        )
    } else {
        let own = object.at(&["metadata", "annotations"]);
        let annotation = |key: &str| {
            let there = own.and_then(|own| own.get(key)).and_then(Node::as_str).map(str::to_owned);
            there.or_else(|| annotations.get(key).cloned())
        };
        let data = template.get("data").or_else(|| template.get("stringData")).unwrap_or(&empty);
        let literal =
            |field: &str| data.get(field).and_then(Node::as_str).filter(|text| !text.contains("{{")).map(str::to_owned);
        (
            annotation(NAME_ANNOTATION).or_else(|| literal("name")),
            annotation(SERVER_ANNOTATION).or_else(|| literal("server")),
            literal("project"),
        )
    };
    if found.0.len() > before {
        return None;
    }
    let object_name = [object.at(&["metadata", "name"]), metadata.get("name"), object.at(&["spec", "target", "name"])];
    let object_name = object_name.into_iter().flatten().find_map(Node::as_str).unwrap_or_default();
    Some(Declared {
        cluster: Cluster {
            name: name.unwrap_or_default(),
            server: server.unwrap_or_default(),
            labels,
            annotations,
            project: project.unwrap_or_default(),
            instance: instance.to_owned(),
            facts: Facts::default(),
            object: object_name.to_owned(),
            origin: if kind == Kind::Cluster { ClusterOrigin::Secret } else { ClusterOrigin::Stub },
            span: object.span(),
        },
    })
}

/// A value of a Secret: `stringData`, else `data` in base64, as an API server merges them.
fn secret_value(object: &Node, field: &str, found: &mut Diagnostics) -> Option<String> {
    if let Some(plain) = object.at(&["stringData", field]) {
        return match plain.view() {
            View::Scalar(..) if plain.as_str().is_some() => plain.as_str().map(str::to_owned),
            View::Scalar(..) if plain.is_null() => None,
            _ => {
                let message = format!("`stringData.{field}` must be a string, not {}", plain.what());
                found.push(Diagnostic::error("read/cluster", plain.span(), message));
                None
            }
        };
    }
    let packed = object.at(&["data", field]).filter(|node| !node.is_null())?;
    let decoded = packed.text().and_then(|text| {
        let text: String = text.split_whitespace().collect();
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).ok()?).ok()
    });
    if decoded.is_none() {
        let message = format!("`data.{field}` of {} is not base64", title(object));
        found
            .push(Diagnostic::error("read/cluster", packed.span(), message).hint("plain text goes under `stringData`"));
    }
    decoded
}

fn strings(metadata: &Node, field: &str, found: &mut Diagnostics) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let Some(node) = metadata.get(field).filter(|node| !node.is_null()) else { return out };
    let Some(map) = node.as_map() else {
        let message = format!("`metadata.{field}` must be a mapping, not {}", node.what());
        found.push(Diagnostic::error("read/cluster", node.span(), message));
        return out;
    };
    for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        // kustomize's dialect calls an unquoted date a date; for an API server it is a string.
        let text = value.text().filter(|_| matches!(value.tag(), Some(Tag::Str | Tag::Timestamp)));
        match (key.text(), text) {
            (Some(key), Some(value)) => {
                out.insert(key.to_owned(), value.to_owned());
            }
            _ => {
                let key = key.text().unwrap_or_default();
                let message =
                    format!("the value of `{key}` in `metadata.{field}` must be a string, not {}", value.what());
                found.push(Diagnostic::error("read/cluster", value.span(), message).hint("write it in quotes"));
            }
        }
    }
    out
}

/// All that a registry is made of.
pub(super) struct Parts<'a> {
    /// What objects declare.
    pub(super) declared: Vec<Declared>,
    /// Clusters that are about to join.
    pub(super) joining: Vec<Cluster>,
    /// `fleet.yaml`.
    pub(super) configuration: &'a Configuration,
    /// The instances, and whether in-cluster is enabled there.
    pub(super) instances: Vec<(String, bool)>,
}

/// The registry: every cluster once, sorted by instance and name, with its facts.
pub(super) fn registry(parts: Parts<'_>, found: &mut Diagnostics) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = parts.declared.into_iter().map(|declared| declared.cluster).collect();
    clusters.extend(parts.joining);
    let names: Vec<&str> = parts.instances.iter().map(|(name, _)| name.as_str()).collect();
    for entry in &parts.configuration.clusters {
        let Whom::Name(name) = &entry.whom else { continue };
        let meant = names.iter().filter(|name| entry.instance.as_ref().is_none_or(|only| only.value == **name));
        for instance in meant {
            if let Some(secret) = &entry.secret {
                complete(entry, name, secret, instance, &mut clusters, found);
            } else if let Some(server) = &entry.server {
                clusters.push(from_entry(entry, name, server, instance));
            }
        }
    }
    for (instance, enabled) in &parts.instances {
        let renamed = clusters.iter().any(|c| c.instance == *instance && c.server_key() == IN_CLUSTER_SERVER);
        if *enabled && !renamed {
            clusters.push(implicit(instance));
        }
    }
    facts(&mut clusters, parts.configuration, found);
    for entry in &parts.configuration.clusters {
        apply(entry, &mut clusters, parts.configuration, found);
    }
    refuse_incomplete(&clusters, found);
    refuse_duplicates(&mut clusters, found);
    clusters
}

/// What is known without fleet.yaml, which wins: the label with the version, and over it the files of facts.
fn facts(clusters: &mut [Cluster], configuration: &Configuration, found: &mut Diagnostics) {
    for cluster in clusters.iter_mut() {
        if let Some(label) = cluster.labels.get(VERSION_LABEL) {
            let version = label.strip_prefix('v').unwrap_or(label);
            let numbers = version.split(['+', '-']).next().unwrap_or_default();
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if (2..=3).contains(&numbers.split('.').count()) && numbers.split('.').all(digits) {
                cluster.facts.kube_version = Some(version.to_owned());
            } else {
                let message =
                    format!("the label `{VERSION_LABEL}` of the cluster `{}` is no Kubernetes version", cluster.name);
                found.push(
                    Diagnostic::warning("read/cluster", cluster.span, message).hint("Argo CD writes it as \"1.34.1\""),
                );
            }
        }
        if let Some(file) = configuration.facts.get(&cluster.name) {
            cluster.facts.extend(file.value.clone());
        }
    }
    for (name, file) in &configuration.facts {
        if !clusters.iter().any(|cluster| cluster.name == *name) {
            let message = format!("there is no cluster `{name}`, whose facts this file is to hold");
            let mut warning = Diagnostic::warning("read/facts", file.span, message);
            warning.hints.extend(crate::diag::did_you_mean(name, clusters.iter().map(|cluster| cluster.name.as_str())));
            found.push(warning);
        }
    }
}

fn implicit(instance: &str) -> Cluster {
    Cluster {
        name: IN_CLUSTER_NAME.to_owned(),
        server: IN_CLUSTER_SERVER.to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        project: String::new(),
        instance: instance.to_owned(),
        facts: Facts::default(),
        object: IN_CLUSTER_NAME.to_owned(),
        origin: ClusterOrigin::Implicit,
        span: Span::NONE,
    }
}

fn from_entry(entry: &ClusterEntry, name: &str, server: &str, instance: &str) -> Cluster {
    Cluster {
        name: name.to_owned(),
        server: server.to_owned(),
        labels: entry.labels.clone(),
        annotations: entry.annotations.clone(),
        project: entry.project.clone().unwrap_or_default(),
        instance: instance.to_owned(),
        facts: Facts::default(),
        object: name.to_owned(),
        origin: ClusterOrigin::Fleet,
        span: entry.span,
    }
}

/// An entry with `secret` says the name and the server of a stub.
fn complete(
    entry: &ClusterEntry,
    name: &str,
    secret: &crate::span::Spanned<String>,
    instance: &str,
    clusters: &mut [Cluster],
    found: &mut Diagnostics,
) {
    let stubs = clusters.iter_mut().filter(|c| c.instance == instance && c.origin == ClusterOrigin::Stub);
    let mut known = Vec::new();
    for stub in stubs {
        if stub.object == **secret {
            name.clone_into(&mut stub.name);
            if let Some(server) = &entry.server {
                server.clone_into(&mut stub.server);
            }
            return;
        }
        known.push(stub.object.clone());
    }
    let message = format!("no SealedSecret or ExternalSecret `{}` declares a cluster", **secret);
    let mut unknown = Diagnostic::error("read/cluster", secret.span, message);
    unknown.hints.extend(did_you_mean(secret, known.iter().map(String::as_str)));
    found.push(unknown);
}

/// Adds what an entry says to the clusters that it is about.
fn apply(entry: &ClusterEntry, clusters: &mut [Cluster], configuration: &Configuration, found: &mut Diagnostics) {
    let mut any = false;
    for cluster in clusters.iter_mut() {
        if entry.instance.as_ref().is_some_and(|only| only.value != cluster.instance) {
            continue;
        }
        let meant = match &entry.whom {
            Whom::Selector(selector) => selector.matches(|key| cluster.labels.get(key).map(Into::into)),
            Whom::Name(name) => cluster.name == **name || is_in_cluster(cluster, name, configuration),
        };
        if !meant {
            continue;
        }
        any = true;
        if let (Whom::Name(_), None) = (&entry.whom, &entry.server) {
            cluster.labels.extend(entry.labels.clone());
            cluster.annotations.extend(entry.annotations.clone());
            if let Some(project) = &entry.project {
                cluster.project.clone_from(project);
            }
            if cluster.origin == ClusterOrigin::Implicit && !(entry.labels.is_empty() && entry.annotations.is_empty()) {
                cluster.origin = ClusterOrigin::Fleet;
                cluster.span = entry.span;
            }
        }
        cluster.facts.extend(entry.facts.clone());
    }
    if any || found.0.iter().any(|diagnostic| diagnostic.span == entry.span) {
        return;
    }
    match &entry.whom {
        Whom::Name(name) if entry.server.is_none() && entry.secret.is_none() => {
            let message = format!("nothing declares a cluster `{}`, and this entry has no `server`", **name);
            let mut unknown = Diagnostic::error("read/cluster", name.span, message);
            unknown.hints.extend(did_you_mean(name, clusters.iter().map(|cluster| cluster.name.as_str())));
            found.push(unknown.hint("with `server` the entry declares it"));
        }
        Whom::Name(_) => {}
        Whom::Selector(_) => {
            let message = "this selector matches no cluster";
            found.push(Diagnostic::warning("read/cluster", entry.span, message));
        }
    }
}

fn is_in_cluster(cluster: &Cluster, name: &str, configuration: &Configuration) -> bool {
    let instance = configuration.instances.iter().find(|instance| instance.name == cluster.instance);
    cluster.server_key() == IN_CLUSTER_SERVER
        && instance.and_then(|instance| instance.in_cluster.as_deref()).is_some_and(|own| own == name)
}

fn refuse_incomplete(clusters: &[Cluster], found: &mut Diagnostics) {
    for cluster in clusters {
        let missing: Vec<&str> = [("name", &cluster.name), ("server", &cluster.server)]
            .into_iter()
            .filter(|(_, value)| value.is_empty())
            .map(|(field, _)| field)
            .collect();
        let object = &cluster.object;
        if !missing.is_empty() {
            let missing = missing.join(" and ");
            let (message, hint) = if cluster.origin == ClusterOrigin::Stub {
                (
                    format!("the {missing} of the cluster that `{object}` declares cannot be read"),
                    format!(
                        "annotate it with `{NAME_ANNOTATION}` and `{SERVER_ANNOTATION}`, or add `{{name: …, server: …, secret: {object}}}` to `clusters` in fleet.yaml"
                    ),
                )
            } else {
                (format!("the cluster Secret `{object}` has no {missing}"), "give it under `stringData`".to_owned())
            };
            found.push(Diagnostic::error("read/cluster", cluster.span, message).hint(hint));
        } else if let Some(problem) = cluster_name_problem(&cluster.name)
            && cluster.origin != ClusterOrigin::Fleet
        {
            let message = format!("the cluster name `{}` {problem}", cluster.name);
            found.push(Diagnostic::error("read/name", cluster.span, message));
        }
    }
}

/// Sorts, and keeps the first of clusters with one name or one server.
fn refuse_duplicates(clusters: &mut Vec<Cluster>, found: &mut Diagnostics) {
    clusters.retain(|cluster| !cluster.name.is_empty() && !cluster.server.is_empty());
    clusters.sort_by(|a, b| (&a.instance, &a.name).cmp(&(&b.instance, &b.name)));
    let mut kept: Vec<Cluster> = Vec::with_capacity(clusters.len());
    let mut servers: BTreeMap<(String, String), (String, Span)> = BTreeMap::new();
    for cluster in clusters.drain(..) {
        if let Some(first) = kept.last().filter(|last| last.instance == cluster.instance && last.name == cluster.name) {
            let message = format!("two clusters are called `{}`", cluster.name);
            found.push(Diagnostic::error("read/duplicate", cluster.span, message).label(first.span, "the other one"));
            continue;
        }
        let key = (cluster.instance.clone(), cluster.server_key().to_owned());
        if let Some((name, span)) = servers.get(&key) {
            let message = format!("the clusters `{name}` and `{}` have the same server `{}`", cluster.name, key.1);
            found.push(Diagnostic::error("read/duplicate", cluster.span, message).label(*span, "the other one"));
        } else {
            servers.insert(key, (cluster.name.clone(), cluster.span));
        }
        kept.push(cluster);
    }
    *clusters = kept;
}
