//! What is called otherwise in every environment: its own name, its clusters and their labels. Values that differ by such names alone do
//! not differ, and one that holds the name of its environment is not moved into another.

use std::collections::BTreeMap;

use super::Kind;
use crate::cluster::Cluster;

/// The names of one side of a comparison: a word, and what it stands for.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// The environment, the cluster, its server.
    own: Vec<(String, String)>,
    /// Those, and the labels of the cluster.
    all: Vec<(String, String)>,
}

impl Names {
    /// Those of an environment and a cluster in it, beside those of another side: only labels that differ count.
    pub(super) fn of(environment: &str, cluster: &Cluster, other: &BTreeMap<String, String>) -> Names {
        let own = vec![
            (environment.to_owned(), "{environment}".to_owned()),
            (cluster.name.clone(), "{cluster}".to_owned()),
            (cluster.server.trim_start_matches("https://").trim_end_matches('/').to_owned(), "{server}".to_owned()),
        ];
        let labels = cluster.labels.iter().filter(|(key, value)| {
            let differs = other.get(*key).is_some_and(|other| other != *value);
            let plain = ["true", "false", "yes", "no", "enabled", "disabled", "on", "off"].contains(&value.as_str());
            differs && !plain && value.len() > 1 && value.parse::<f64>().is_err()
        });
        let labels = labels.map(|(key, value)| (value.clone(), format!("{{{key}}}")));
        let all: Vec<(String, String)> = own.iter().cloned().chain(labels).collect();
        Names { own: tidy(own), all: tidy(all) }
    }

    /// The names that count for a kind: a version may be the value of a label, and is no name then.
    fn of_kind(&self, kind: Kind) -> &[(String, String)] {
        if Kind::VERSIONS.contains(&kind) { &self.own } else { &self.all }
    }

    /// The text with its names as what they stand for.
    pub(super) fn without(&self, kind: Kind, text: &str) -> String {
        self.of_kind(kind).iter().fold(text.to_owned(), |text, (word, meaning)| replaced(&text, word, meaning))
    }

    /// The first of its names that a text holds.
    pub(super) fn in_text(&self, kind: Kind, text: &str) -> Option<&str> {
        self.of_kind(kind)
            .iter()
            .find(|(word, meaning)| replaced(text, word, meaning) != text)
            .map(|(word, _)| word.as_str())
    }
}

/// The longest first, and each word once: an environment is often the value of a label, too.
fn tidy(mut words: Vec<(String, String)>) -> Vec<(String, String)> {
    words.retain(|(word, _)| !word.is_empty());
    words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
    let mut seen: Vec<String> = Vec::new();
    words.retain(|(word, _)| {
        let new = !seen.contains(word);
        seen.push(word.clone());
        new
    });
    words
}

/// A text with a word replaced where it stands as one: letters and digits around it make it another.
fn replaced(text: &str, word: &str, by: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (head, tail) = rest.split_at(at);
        let behind = tail.get(word.len()..).unwrap_or_default();
        let open = !head.chars().next_back().or(out.chars().next_back()).is_some_and(char::is_alphanumeric)
            && !behind.chars().next().is_some_and(char::is_alphanumeric);
        out.push_str(head);
        out.push_str(if open { by } else { word });
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// What an application is called beside its environment and cluster: the name without theirs, and without the hyphens around them.
pub(super) fn identity(names: &Names, application: &str) -> String {
    let bare = names.without(Kind::Values, application);
    let mut out = String::new();
    let mut depth = 0;
    for c in bare.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    let parts: Vec<&str> = out.split(['-', '.', '_']).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { application.to_owned() } else { parts.join("-") }
}
