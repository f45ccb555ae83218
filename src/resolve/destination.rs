//! Which cluster a destination names.
//!
//! Rules of Argo CD `util/argo`, `GetDestinationCluster`: server or name, not both; trailing slashes of the server do not count; a name is that
//! of exactly one cluster. Clusters of another instance do not exist here.

use rustc_hash::FxHashMap;

use crate::application::{Application, Destination};
use crate::cluster::{IN_CLUSTER_NAME, IN_CLUSTER_SERVER};
use crate::diag::{Checked, Diagnostic, did_you_mean};
use crate::read::Fleet;
use crate::span::Span;
use crate::yaml::Node;

/// The clusters of a fleet by instance and by what names them.
pub(super) struct Registry<'a> {
    fleet: &'a Fleet,
    names: FxHashMap<(&'a str, &'a str), Vec<usize>>,
    servers: FxHashMap<(&'a str, &'a str), Vec<usize>>,
}

impl<'a> Registry<'a> {
    pub(super) fn new(fleet: &'a Fleet) -> Self {
        let mut registry = Registry { fleet, names: FxHashMap::default(), servers: FxHashMap::default() };
        for (index, cluster) in fleet.clusters.iter().enumerate() {
            let instance = cluster.instance.as_str();
            registry.names.entry((instance, &cluster.name)).or_default().push(index);
            if !cluster.server_key().is_empty() {
                registry.servers.entry((instance, cluster.server_key())).or_default().push(index);
            }
        }
        registry
    }

    /// The index of the cluster in `Fleet::clusters`, or what is wrong with the destination.
    pub(super) fn find(&self, application: &Application, destination: &Destination) -> Checked<usize> {
        let instance = application.key.instance.as_str();
        let span = destination.span.or(application.span);
        let error = |message: String| Diagnostic::error("resolve/destination", span, message);
        let app = &application.key;
        let (what, value, found) = match (destination.server.as_str(), destination.name.as_str()) {
            ("", "") => return Err(error(format!("the destination of `{app}` has neither `server` nor `name`")).into()),
            ("", name) => {
                let found = self.names.get(&(instance, name)).or_else(|| self.renamed_in_cluster(instance, name));
                ("name", name, found)
            }
            (server, "") => ("server", server, self.servers.get(&(instance, server.trim_end_matches('/')))),
            (..) => {
                return Err(error(format!("the destination of `{app}` has both `server` and `name`"))
                    .hint("remove one of them")
                    .into());
            }
        };
        let written = application.spec("destination").and_then(|node| node.get(what)).map_or(Span::NONE, Node::span);
        let span = written.or(span);
        let error = |message: String| Diagnostic::error("resolve/destination", span, message);
        match found.map(Vec::as_slice) {
            Some([one]) => Ok(*one),
            Some(several) => {
                let found = error(format!(
                    "several clusters have the {what} `{value}`, so the destination of `{app}` is not clear"
                ));
                let places = several.iter().filter_map(|index| self.fleet.clusters.get(*index));
                let label = |found: Diagnostic, cluster: &crate::cluster::Cluster| {
                    found.label(cluster.span, format!("cluster `{}`", cluster.name))
                };
                Err(places.fold(found, label).into())
            }
            None => {
                // Without the application's name: the many that go there are one finding.
                let found = error(format!("no cluster has the {what} `{value}`"));
                Err(self.unknown(instance, what, value, found).into())
            }
        }
    }

    /// `in-cluster`, where `instances:` of fleet.yaml gives that cluster a name of its own.
    fn renamed_in_cluster<'b>(&'b self, instance: &'b str, name: &str) -> Option<&'b Vec<usize>> {
        if name != IN_CLUSTER_NAME {
            return None;
        }
        let own = self.fleet.instances.get(instance)?.in_cluster.as_deref()?;
        self.names.get(&(instance, own))
    }

    fn unknown(&self, instance: &str, what: &str, value: &str, found: Diagnostic) -> Diagnostic {
        let clusters = || self.fleet.clusters.iter().filter(|cluster| cluster.instance == instance);
        let in_cluster = value == IN_CLUSTER_NAME || value.trim_end_matches('/') == IN_CLUSTER_SERVER;
        let near = if what == "name" {
            did_you_mean(value, clusters().map(|cluster| cluster.name.as_str()))
        } else {
            did_you_mean(value.trim_end_matches('/'), clusters().map(|cluster| cluster.server_key()))
        };
        let found = near.into_iter().fold(found, Diagnostic::hint);
        if in_cluster {
            return found.hint("argocd-cm switches the cluster that Argo CD runs in off (`cluster.inClusterEnabled`), or a Secret renames it");
        }
        let kind = if what == "name" { "server" } else { "name" };
        let swapped = if what == "name" {
            clusters().any(|cluster| cluster.server_key() == value.trim_end_matches('/'))
        } else {
            clusters().any(|cluster| cluster.name == value)
        };
        if swapped {
            return found.hint(format!("it is the {kind} of a cluster: write `{kind}:` instead of `{what}:`"));
        }
        match clusters().count() {
            0 => found
                .hint("the fleet has no clusters: add their Secrets, or declare them under `clusters:` in fleet.yaml"),
            _ => found.hint("register the cluster with a Secret, or declare it under `clusters:` in fleet.yaml"),
        }
    }
}
