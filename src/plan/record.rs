//! What a slice's parent carries beside its inventory: what a removed application would need, and what the last run left.
//!
//! Keys that are not known here (those of `apply`, of a newer fleetc) are kept as they are.

use crate::bundle::Entry;
use crate::digest::Digest;
use crate::rollout::Step;
use crate::yaml::{Map, Node};

use super::history::{self, Applied, Hold};
use super::options::Policy;

/// The record of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The project of the application.
    pub project: String,
    /// Name of the cluster in the fleet: two names may lead to one cluster, and then neither takes what is the other's for gone.
    pub cluster: String,
    /// Digest of the slice that was applied last; see [`DesiredSlice::digest`](super::DesiredSlice).
    pub bundle: Option<Digest>,
    /// Digest of the objects that were applied last, hooks included: hooks run when it moves. It does not when only a revision does.
    pub content: Option<Digest>,
    /// What the application said about pruning and its end.
    pub policy: Policy,
    /// Its sources, as `repoURL@revision path`, for people.
    pub sources: Vec<String>,
    /// Whom Argo CD impersonates for it; empty for nobody. Deletions of a removed application act as that, too.
    pub impersonate: String,
    /// Whether a first apply has ended well: Helm's install hooks do not run again.
    pub installed: bool,
    /// The hold that a rollback left: until it is released, nothing else is applied.
    pub hold: Option<Hold>,
    /// Earlier applies, the last one first.
    pub history: Vec<Applied>,
    /// Its ApplicationSet and its step there, where that says `deletionOrder: Reverse`: when the set is gone nobody else knows.
    pub leaving: Option<(String, Step)>,
    /// What else is recorded.
    pub rest: Map,
}

const KEYS: [&str; 15] = [
    "project",
    "cluster",
    "bundle",
    "content",
    "prune",
    "allowEmpty",
    "propagation",
    "cascade",
    "syncOptions",
    "sources",
    "impersonate",
    "installed",
    "hold",
    "history",
    "rollingSync",
];

impl Record {
    /// What is to be recorded of an application.
    pub fn of(entry: &Entry, cluster: &str, bundle: Digest) -> Self {
        let source = |source: &crate::bundle::SourceRecord| {
            let what = if source.chart.is_empty() { &source.path } else { &source.chart };
            format!("{}@{} {what}", source.repo_url, source.revision).trim_end().to_owned()
        };
        Record {
            project: entry.project.clone(),
            cluster: cluster.to_owned(),
            bundle: Some(bundle),
            content: None,
            policy: Policy::of(entry.sync_policy.as_ref(), &entry.sync_options, &entry.finalizers),
            sources: entry.sources.iter().map(source).collect(),
            impersonate: entry.impersonate.clone().unwrap_or_default(),
            installed: false,
            hold: None,
            history: Vec::new(),
            leaving: entry.step.clone().filter(|step| step.reverse && step.number.is_some()).map(|step| {
                let set = super::desired::set_name(&entry.key.instance, &entry.application_set);
                (set, Step { at_once: None, ..step })
            }),
            rest: Map::new(),
        }
    }

    /// As a parent carries it.
    pub fn to_node(&self) -> Node {
        let mut map = self.rest.clone();
        let texts = |list: &[String]| Node::seq(list.iter().map(|text| Node::str(text.as_str())).collect());
        let mut set = |key: &str, value: Node| map.insert(key, value);
        set("project", Node::str(self.project.as_str()));
        set("cluster", Node::str(self.cluster.as_str()));
        for (key, digest) in [("bundle", &self.bundle), ("content", &self.content)] {
            if let Some(digest) = digest {
                set(key, Node::str(digest.to_string()));
            }
        }
        set("prune", Node::bool(self.policy.prune));
        set("allowEmpty", Node::bool(self.policy.allow_empty));
        set("propagation", Node::str(self.policy.propagation.name()));
        set("cascade", Node::bool(self.policy.cascade));
        set("syncOptions", texts(&self.policy.sync_options));
        set("sources", texts(&self.sources));
        set("impersonate", Node::str(self.impersonate.as_str()));
        set("installed", Node::bool(self.installed));
        if let Some(hold) = &self.hold {
            set("hold", hold.to_node());
        }
        if !self.history.is_empty() {
            set("history", history::to_node(&self.history));
        }
        if let Some((name, step)) = &self.leaving {
            let mut node = step.to_node();
            if let Some(map) = node.map_mut() {
                map.insert("set", Node::str(name.as_str()));
            }
            set("rollingSync", node);
        }
        Node::map(map)
    }

    /// Reads what a parent carries. What is missing is the careful choice: nothing is pruned, nothing is deleted with the application.
    pub fn read(node: &Node) -> Self {
        let text = |key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        let flag = |key: &str| node.get(key).and_then(Node::as_bool) == Some(true);
        let texts = |key: &str| -> Vec<String> {
            let items = node.get(key).and_then(Node::as_seq).unwrap_or_default();
            items.iter().filter_map(Node::as_str).map(str::to_owned).collect()
        };
        let mut rest = node.as_map().cloned().unwrap_or_default();
        rest.retain(|key, _| !key.text().is_some_and(|key| KEYS.contains(&key)));
        Record {
            project: text("project"),
            cluster: text("cluster"),
            bundle: Digest::parse(&text("bundle")),
            content: Digest::parse(&text("content")),
            policy: Policy {
                prune: flag("prune"),
                allow_empty: flag("allowEmpty"),
                propagation: super::Propagation::parse(&text("propagation")).unwrap_or_default(),
                cascade: flag("cascade"),
                sync_options: texts("syncOptions"),
            },
            sources: texts("sources"),
            impersonate: text("impersonate"),
            installed: flag("installed"),
            hold: node.get("hold").and_then(Hold::read),
            history: history::read(node.get("history")),
            leaving: node
                .get("rollingSync")
                .and_then(|node| Some((node.get("set")?.as_str()?.to_owned(), Step::from_node(node)?))),
            rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Propagation;

    #[test]
    fn what_is_recorded_is_read_back_and_strangers_stay() {
        let mut record = Record {
            project: "shop".into(),
            bundle: Some(Digest::of(b"x")),
            content: Some(Digest::of(b"y")),
            sources: vec!["https://git.example.com/shop.git@abc apps/web".into()],
            installed: true,
            ..Record::default()
        };
        record.policy = Policy { prune: true, propagation: Propagation::Orphan, cascade: true, ..Policy::default() };
        record.rest.insert("rollout", Node::str("canary"));
        assert_eq!(Record::read(&record.to_node()), record);
        let empty = Record::read(&Node::null());
        assert!(!empty.policy.prune && !empty.policy.cascade && !empty.installed);
    }
}
