//! Applications that come, leave, or are set otherwise.

use std::collections::BTreeMap;

use super::objects::Found;
use super::{ApplicationChange, Pair, Place, What};
use crate::bundle::{Entry, SourceRecord, State};
use crate::k8s::difference::{self, ChangedField};
use crate::k8s::object::Gvk;
use crate::report::pattern;
use crate::yaml::{Map, Node, json};

/// What happens to applications, equal changes once; those that leave first.
pub(super) fn changes(pairs: &[Pair<'_>], results: &[Vec<Found>]) -> Vec<ApplicationChange> {
    // By what happens, the name of the application where it comes or leaves, and how a changed one looks.
    let mut found: BTreeMap<(u8, String), ApplicationChange> = BTreeMap::new();
    for pair in pairs {
        let (rank, what, fields) = match (pair.before, pair.after) {
            (Some(_), None) => (0, What::Go, Vec::new()),
            (None, Some((_, entry))) if entry.state == State::Ok => (1, What::Come, Vec::new()),
            // Nearly all are equal.
            (Some((_, before)), Some((_, after))) if before == after => continue,
            (Some((_, before)), Some((_, after))) => {
                let fields = settings(before, after);
                if fields.is_empty() {
                    continue;
                }
                (2, What::Change, fields)
            }
            (None, _) => continue,
        };
        let objects = match what {
            What::Change => 0,
            _ => pair.task.and_then(|task| results.get(task)).map_or(0, Vec::len),
        };
        let look = match what {
            What::Change => look(&fields),
            _ => format!("{}\0{objects}", pattern(&pair.place.application.to_string(), &pair.place.cluster)),
        };
        let change = ApplicationChange { what, fields, objects, places: Vec::new() };
        let change = found.entry((rank, look)).or_insert(change);
        change.places.push(pair.place.clone());
    }
    let mut found: Vec<ApplicationChange> = found.into_values().collect();
    for change in &mut found {
        change.places.sort_by(|a, b| key(a).cmp(&key(b)));
    }
    found
}

fn key(place: &Place) -> (&super::AppKey, &str) {
    (&place.application, &place.cluster)
}

/// Fields as text: what looks the same is shown once.
pub(super) fn look(fields: &[ChangedField]) -> String {
    let text = |node: &Option<Node>| node.as_ref().and_then(|node| json::to_json(node).ok()).unwrap_or_default();
    fields.iter().map(|field| format!("{}\0{}\0{}\n", field.path, text(&field.before), text(&field.after))).collect()
}

/// What an Application says beside its objects. Revisions of the fleet's own working tree are the same on both sides.
fn settings(before: &Entry, after: &Entry) -> Vec<ChangedField> {
    difference::between(&Gvk::new("argoproj.io/v1alpha1", "Application"), &spec(before), &spec(after))
}

fn spec(entry: &Entry) -> Node {
    let texts = |texts: &[String]| Node::seq(texts.iter().map(|text| Node::str(text.as_str())).collect());
    let mut spec = Map::new();
    let mut put = |key: &str, value: Option<Node>| {
        if let Some(value) = value {
            spec.insert(key, value);
        }
    };
    put("project", Some(Node::str(entry.project.as_str())));
    put("namespace", (!entry.namespace.is_empty()).then(|| Node::str(entry.namespace.as_str())));
    put("syncPolicy", entry.sync_policy.clone());
    put("syncOptions", (!entry.sync_options.is_empty()).then(|| texts(&entry.sync_options)));
    put("finalizers", (!entry.finalizers.is_empty()).then(|| texts(&entry.finalizers)));
    put("ignoreDifferences", entry.ignore_differences.clone());
    put("wave", (entry.wave != 0).then(|| Node::int(entry.wave)));
    put("impersonate", entry.impersonate.as_deref().map(Node::str));
    put("windows", (!entry.windows.is_empty()).then(|| Node::seq(entry.windows.clone())));
    put("sources", Some(Node::seq(entry.sources.iter().map(source).collect())));
    Node::map(spec)
}

fn source(source: &SourceRecord) -> Node {
    let mut map = Map::new();
    let fields = [
        ("repoURL", crate::source::without_credentials(&source.repo_url)),
        ("targetRevision", source.target_revision.clone()),
        ("path", source.path.clone()),
        ("chart", source.chart.clone()),
        ("ref", source.reference.clone()),
        ("revision", source.revision.clone()),
    ];
    for (key, value) in fields {
        if !value.is_empty() {
            map.insert(key, Node::str(value));
        }
    }
    Node::map(map)
}
