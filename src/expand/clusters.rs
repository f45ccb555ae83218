//! The cluster generator: one row a cluster, or one row with all of them (`generators/cluster.go`).
//!
//! Order: up to Argo CD 3.3 the implicit cluster first, then the clusters by the name of their Secret; from 3.4 on Argo CD's order is
//! random, and here the implicit cluster comes last. The order shows with `flatList` only.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::GeneratorStep;
use super::problems::Reported;
use super::row::{Row, fresh_map, params, string_map};
use super::set::Set;
use crate::cluster::{Cluster, IN_CLUSTER_NAME, IN_CLUSTER_SERVER};
use crate::k8s::selector::{Selector, Values};
use crate::span::Span;
use crate::template::argo::normalize;
use crate::template::value::DICT_LIST;
use crate::template::{Bytes, List, Map, Value};
use crate::yaml::Node;

/// The label that makes a Secret a cluster; part of its labels for selectors and templates.
const SECRET_TYPE: &str = "argocd.argoproj.io/secret-type";

impl Set<'_> {
    /// The rows of `clusters`.
    pub(super) fn clusters(&self, node: &Node, place: Span, with: Option<&Row>) -> Result<Vec<Row>, Reported> {
        let mut written = node.get("selector").cloned().unwrap_or_else(Node::null);
        // Argo CD adds this label to the selector, over what is written.
        if let Some(value) = written.get_mut("matchLabels").and_then(|labels| labels.get_mut(SECRET_TYPE)) {
            *value = Node::str("cluster").with_span(value.span());
        }
        let selector = Selector::read(&written, Values::Labels).map_err(|found| self.problems.push_in(*found, with))?;

        let mut chosen: Vec<usize> = Vec::new();
        for (at, cluster) in self.clusters.iter().enumerate() {
            if selector.matches(|key| label(cluster, key)) {
                // Argo CD keeps clusters by name: of several with one name it knows the last.
                chosen.retain(|other| self.clusters.get(*other).is_none_or(|other| other.name != cluster.name));
                chosen.push(at);
            }
        }
        let mut rows = Vec::with_capacity(chosen.len() + 1);
        for at in chosen {
            let Some(cluster) = self.clusters.get(at) else { continue };
            let base = self.cluster_base(at, cluster);
            rows.push(self.cluster_row(node, place, base, &cluster.name, cluster.span)?);
        }
        if selector.is_empty() && !self.local_is_declared() {
            let local = params(BTreeMap::from([
                (Bytes::from("name"), Value::from(IN_CLUSTER_NAME)),
                (Bytes::from("nameNormalized"), Value::from(IN_CLUSTER_NAME)),
                (Bytes::from("server"), Value::from(IN_CLUSTER_SERVER)),
                (Bytes::from("project"), Value::from("")),
            ]));
            let row = self.cluster_row(node, place, local, IN_CLUSTER_NAME, Span::NONE)?;
            let at = if self.engine() < (3, 4) { 0 } else { rows.len() };
            rows.insert(at, row);
        }
        if node.get("flatList").and_then(Node::as_bool).unwrap_or_default() {
            let all: Vec<Value> = rows.iter().map(|row| Value::Map(row.params.clone())).collect();
            // Without clusters it is Go's nil slice, which `toJson` shows.
            let list = if all.is_empty() { List::nil(&DICT_LIST) } else { List::new(&DICT_LIST, all) };
            let list = Value::List(list);
            let params = params(BTreeMap::from([(Bytes::from("clusters"), list)]));
            rows = vec![Row::new(params, "clusters", place, format!("{} clusters", rows.len()), Span::NONE)];
        }
        Ok(rows)
    }

    fn cluster_row(&self, node: &Node, place: Span, params: Map, name: &str, span: Span) -> Result<Row, Reported> {
        let step =
            GeneratorStep { kind: "clusters", span: place, element: format!("cluster {name}"), element_span: span };
        let row = Row { params, steps: vec![Rc::new(step)] };
        self.add_values(node, &row)?;
        Ok(row)
    }

    /// What a cluster gives to its rows; the row's own map, whose inner maps are shared where rows may share.
    fn cluster_base(&self, at: usize, cluster: &Cluster) -> Map {
        let mut known = self.cluster_params.borrow_mut();
        let base = known.entry(at).or_insert_with(|| self.cluster_parameters(cluster));
        if self.shares { params(base.entries().into_iter().collect()) } else { fresh_map(base) }
    }

    fn cluster_parameters(&self, cluster: &Cluster) -> Map {
        let mut out: BTreeMap<Bytes, Value> = BTreeMap::from([
            (Bytes::from("name"), Value::from(cluster.name.as_str())),
            (Bytes::from("nameNormalized"), Value::from(normalize(&cluster.name))),
            (Bytes::from("server"), Value::from(cluster.server.as_str())),
            (Bytes::from("project"), Value::from(cluster.project.as_str())),
        ]);
        let mut labels: BTreeMap<&str, &str> = cluster.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        labels.insert(SECRET_TYPE, "cluster");
        let annotations: BTreeMap<&str, &str> =
            cluster.annotations.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        if self.templating.go {
            let mut metadata: BTreeMap<Bytes, Value> = BTreeMap::new();
            for (field, entries) in [("annotations", annotations), ("labels", labels)] {
                if !entries.is_empty() {
                    metadata.insert(Bytes::from(field), string_map(entries));
                }
            }
            out.insert(Bytes::from("metadata"), Value::Map(params(metadata)));
        } else {
            for (field, entries) in [("annotations", annotations), ("labels", labels)] {
                let entries = entries.into_iter();
                out.extend(
                    entries.map(|(key, value)| (Bytes::from(format!("metadata.{field}.{key}")), Value::from(value))),
                );
            }
        }
        params(out)
    }

    /// Whether the cluster that Argo CD runs in is declared. From 3.4 on the server has to be written exactly.
    pub(super) fn local_is_declared(&self) -> bool {
        let exact = self.engine() >= (3, 4);
        self.clusters.iter().any(|cluster| {
            let server = if exact { cluster.server.as_str() } else { cluster.server_key() };
            server == IN_CLUSTER_SERVER
        })
    }
}

fn label<'c>(cluster: &'c Cluster, key: &str) -> Option<Cow<'c, str>> {
    match key {
        SECRET_TYPE => Some(Cow::Borrowed("cluster")),
        key => cluster.labels.get(key).map(|value| Cow::Borrowed(value.as_str())),
    }
}
