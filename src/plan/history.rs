//! What a slice's parent remembers of earlier applies, and the hold that a rollback leaves.
//!
//! Both are keys of the record, so that kubectl and older versions of fleetc leave them alone. Times are given; nothing here knows what time
//! it is.

use crate::digest::Digest;
use crate::yaml::{Map, Node};

/// How many applies are remembered.
const KEPT: usize = 10;

/// One apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The commit of the fleet that it was compiled from; empty where that is not known (no checkout, a folder of bundles).
    pub revision: String,
    /// Its sources, as `repoURL@revision path`.
    pub sources: Vec<String>,
    /// Digest of the slice.
    pub bundle: Option<Digest>,
    /// When it ended, RFC 3339.
    pub at: String,
    /// Who applied.
    pub by: String,
    /// Whether it ended well: else what failed was left where it was.
    pub well: bool,
}

/// Why a slice stays where it is although the fleet says something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// Where it is held: what the person who did it named.
    pub revision: String,
    /// Who did it.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
    /// Why, in that person's words; may be empty.
    pub reason: String,
}

impl Hold {
    /// In words, with what to do.
    pub fn words(&self, cluster: &str, application: &str) -> String {
        let reason = if self.reason.is_empty() { String::new() } else { format!(" ({})", self.reason) };
        format!(
            "a rollback holds it at {} since {}, by {}{reason}; `fleetc rollback --release --cluster {cluster} --app {application}` ends that",
            self.revision, self.at, self.by
        )
    }

    pub(super) fn to_node(&self) -> Node {
        let text = |text: &str| Node::str(text);
        map([
            ("revision", text(&self.revision)),
            ("by", text(&self.by)),
            ("at", text(&self.at)),
            ("reason", text(&self.reason)),
        ])
    }

    pub(super) fn read(node: &Node) -> Option<Self> {
        node.as_map()?;
        let text = |key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        Some(Hold { revision: text("revision"), by: text("by"), at: text("at"), reason: text("reason") })
    }
}

impl Applied {
    /// Whether two applies are of the same.
    fn same(&self, other: &Applied) -> bool {
        self.bundle == other.bundle && self.well == other.well
    }

    fn to_node(&self) -> Node {
        let texts = self.sources.iter().map(|text| Node::str(text.as_str())).collect();
        map([
            ("revision", Node::str(self.revision.as_str())),
            ("sources", Node::seq(texts)),
            ("bundle", self.bundle.map_or_else(Node::null, |digest| Node::str(digest.to_string()))),
            ("at", Node::str(self.at.as_str())),
            ("by", Node::str(self.by.as_str())),
            ("result", Node::str(if self.well { "applied" } else { "failed" })),
        ])
    }

    fn read(node: &Node) -> Option<Self> {
        node.as_map()?;
        let text = |key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        let sources = node.get("sources").and_then(Node::as_seq).unwrap_or_default();
        Some(Applied {
            revision: text("revision"),
            sources: sources.iter().filter_map(Node::as_str).map(str::to_owned).collect(),
            bundle: Digest::parse(&text("bundle")),
            at: text("at"),
            by: text("by"),
            well: text("result") == "applied",
        })
    }
}

/// Puts an apply before the earlier ones. One of the same as the last takes its place: what was put back is no new revision.
pub fn remember(history: &mut Vec<Applied>, applied: Applied) {
    if history.first().is_some_and(|last| last.same(&applied)) {
        history.remove(0);
    }
    history.insert(0, applied);
    history.truncate(KEPT);
}

pub(super) fn to_node(history: &[Applied]) -> Node {
    Node::seq(history.iter().map(Applied::to_node).collect())
}

pub(super) fn read(node: Option<&Node>) -> Vec<Applied> {
    node.and_then(Node::as_seq).unwrap_or_default().iter().filter_map(Applied::read).collect()
}

/// A map without what is empty.
fn map<const N: usize>(fields: [(&str, Node); N]) -> Node {
    let mut map = Map::new();
    for (key, value) in fields {
        if !value.is_null() && value.as_str() != Some("") && !value.as_seq().is_some_and(<[Node]>::is_empty) {
            map.insert(key, value);
        }
    }
    Node::map(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(name: &str, well: bool) -> Applied {
        Applied {
            revision: name.to_owned(),
            sources: vec![format!("https://git.example.com/r.git@{name} apps/web")],
            bundle: Some(Digest::of(name.as_bytes())),
            at: "2026-01-01T00:00:00Z".to_owned(),
            by: "ann@laptop".to_owned(),
            well,
        }
    }

    #[test]
    fn so_many_are_kept_and_the_same_again_is_no_new_one() {
        let mut history = Vec::new();
        for at in 0..12 {
            remember(&mut history, applied(&at.to_string(), true));
            remember(&mut history, Applied { by: "bob".to_owned(), ..applied(&at.to_string(), true) });
        }
        let names: Vec<&str> = history.iter().map(|one| one.revision.as_str()).collect();
        assert_eq!(names, ["11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]);
        assert!(history.iter().all(|one| one.by == "bob"));
        remember(&mut history, applied("11", false));
        assert_eq!(history.len(), KEPT);
        assert!(history.first().is_some_and(|one| !one.well), "a failure is not what it follows");
        assert_eq!(read(Some(&to_node(&history))), history);
    }

    #[test]
    fn holds_are_read_back() {
        let hold = Hold { revision: "v1".into(), by: "ann".into(), at: "t".into(), reason: "it leaks".into() };
        assert_eq!(Hold::read(&hold.to_node()), Some(hold.clone()));
        assert_eq!(Hold::read(&Node::null()), None);
        assert!(
            hold.words("eu", "web").contains("it leaks") && hold.words("eu", "web").contains("--cluster eu --app web")
        );
    }
}
