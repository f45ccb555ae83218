//! Label and field selectors of lists, as a query has them.

use super::node::str_at;
use crate::yaml::Node;

#[derive(Debug)]
struct Term {
    key: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

/// Labels and fields that a list asks for.
#[derive(Debug, Default)]
pub(super) struct Select {
    labels: Vec<Term>,
    fields: Vec<Term>,
}

impl Select {
    /// Reads both.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn read(labels: &str, fields: &str) -> Result<Self, String> {
        Ok(Select { labels: terms(labels)?, fields: terms(fields)? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn matches(&self, object: &Node) -> bool {
        let labels = object.at(&["metadata", "labels"]);
        let label = |key: &str| labels.and_then(|map| map.get(key)).and_then(Node::text).map(str::to_owned);
        let field = |key: &str| Some(str_at(object, &key.split('.').collect::<Vec<_>>()).to_owned());
        self.labels.iter().all(|term| term.test.holds(label(&term.key)))
            && self.fields.iter().all(|term| term.test.holds(field(&term.key)))
    }
}

impl Test {
    fn holds(&self, value: Option<String>) -> bool {
        match (self, value) {
            (Test::Exists, value) => value.is_some(),
            (Test::Absent, value) => value.is_none(),
            (Test::In(values), value) => value.is_some_and(|value| values.contains(&value)),
            (Test::NotIn(values), value) => value.is_none_or(|value| !values.contains(&value)),
        }
    }
}

/// Splits at commas that are in no parentheses.
fn terms(text: &str) -> Result<Vec<Term>, String> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).map(term).collect()
}

fn term(text: &str) -> Result<Term, String> {
    let values = |list: &str| -> Result<Vec<String>, String> {
        let inner = list.trim().strip_prefix('(').and_then(|list| list.strip_suffix(')'));
        let inner = inner.ok_or_else(|| format!("unable to parse requirement: {text}"))?;
        Ok(inner.split(',').map(|value| value.trim().to_owned()).collect())
    };
    let make = |key: &str, test| Ok(Term { key: key.trim().to_owned(), test });
    if let Some((key, list)) = text.split_once(" notin ") {
        return make(key, Test::NotIn(values(list)?));
    }
    if let Some((key, list)) = text.split_once(" in ") {
        return make(key, Test::In(values(list)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return make(key, Test::NotIn(vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return make(key, Test::In(vec![value.trim().to_owned()]));
    }
    match text.strip_prefix('!') {
        Some(key) => make(key, Test::Absent),
        None => make(text, Test::Exists),
    }
}
