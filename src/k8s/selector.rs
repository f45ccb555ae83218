//! Label selectors: those of clusters, as Kubernetes checks them, and the post-filters of generators, whose values may be anything.
//!
//! Rules: k8s.io/apimachinery `labels.NewRequirement`, and Argo CD's copy of it without the check of values
//! (`applicationset/utils/selector.go`), made so that URLs can be matched. Keys are qualified names in both.

use std::borrow::Cow;

use crate::diag::{Diagnostic, did_you_mean};
use crate::yaml::Node;

/// A compiled `metav1.LabelSelector`: all requirements have to hold.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

/// Which values a selector may compare with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Values {
    /// Any text: post-filters.
    Any,
    /// Label values only: the selector of the cluster generator.
    Labels,
}

const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];

impl Selector {
    /// Compiles a selector as written; `null` is the empty one, which everything matches.
    ///
    /// # Errors
    /// A key that is no qualified name, an unknown operator, values that do not fit the operator or the rule.
    pub fn read(node: &Node, rule: Values) -> Result<Self, Box<Diagnostic>> {
        let mut requirements = Vec::new();
        for (key, value) in node.get("matchLabels").and_then(Node::as_map).into_iter().flat_map(|map| map.iter()) {
            let text = value.text().filter(|_| !value.is_null()).unwrap_or_default();
            if rule == Values::Labels {
                check_value(text, value)?;
            }
            requirements.push(requirement(key, Test::In(vec![text.to_owned()]))?);
        }
        for expression in node.get("matchExpressions").and_then(Node::as_seq).unwrap_or_default() {
            requirements.push(expression_requirement(expression, rule)?);
        }
        Ok(Selector { requirements })
    }

    /// Compiles a selector in one line, as `kubectl -l` takes it: `a=b,c!=d,e in (x,y),f notin (z),g,!h`.
    ///
    /// # Errors
    /// Why it is none: one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            let (key, test) = parse_requirement(part)?;
            if let Some(problem) = key_problem(key) {
                return Err(format!("`{key}` cannot be a key: {problem}"));
            }
            requirements.push(Requirement { key: key.to_owned(), test });
        }
        Ok(Selector { requirements })
    }

    /// Whether there are no requirements.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether all requirements hold for what `get` says of a key.
    pub fn matches<'v>(&self, get: impl Fn(&str) -> Option<Cow<'v, str>>) -> bool {
        self.requirements.iter().all(|requirement| {
            let found = get(&requirement.key);
            match (&requirement.test, found) {
                (Test::In(values), Some(value)) => values.iter().any(|v| *v == value),
                (Test::NotIn(values), Some(value)) => values.iter().all(|v| *v != value),
                (Test::In(_) | Test::Exists, None) | (Test::Absent, Some(_)) => false,
                (Test::NotIn(_) | Test::Absent, None) | (Test::Exists, Some(_)) => true,
            }
        })
    }
}

/// In one line, as API servers take it.
impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, Requirement { key, test }) in self.requirements.iter().enumerate() {
            f.write_str(if at > 0 { "," } else { "" })?;
            match test {
                Test::In(values) => match values.as_slice() {
                    [one] => write!(f, "{key}={one}")?,
                    several => write!(f, "{key} in ({})", several.join(","))?,
                },
                Test::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Test::Exists => f.write_str(key)?,
                Test::Absent => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

/// The parts between commas that stand in no parentheses.
fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_u32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn parse_requirement(part: &str) -> Result<(&str, Test), String> {
    let values = |text: &str| -> Option<Vec<String>> {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
    };
    if let Some(key) = part.strip_prefix('!') {
        return Ok((key.trim(), Test::Absent));
    }
    for (operator, not) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(operator) {
            let value = vec![value.trim().to_owned()];
            return Ok((key.trim(), if not { Test::NotIn(value) } else { Test::In(value) }));
        }
    }
    let Some((key, rest)) = part.split_once(char::is_whitespace) else { return Ok((part, Test::Exists)) };
    let rest = rest.trim_start();
    for (operator, not) in [("notin", true), ("in", false)] {
        if let Some(list) = rest.strip_prefix(operator).and_then(values) {
            return Ok((key, if not { Test::NotIn(list) } else { Test::In(list) }));
        }
    }
    Err(format!("`{part}` is no requirement such as `env=prod`, `env!=dev`, `env in (a,b)`, `env` or `!env`"))
}

fn expression_requirement(expression: &Node, rule: Values) -> Result<Requirement, Box<Diagnostic>> {
    let empty = Node::str("").with_span(expression.span());
    let key = expression.get("key").unwrap_or(&empty);
    let operator = expression.get("operator").unwrap_or(&empty);
    let written = expression.get("values").and_then(Node::as_seq).unwrap_or_default();
    if rule == Values::Labels {
        written.iter().try_for_each(|value| check_value(value.text().unwrap_or_default(), value))?;
    }
    let values: Vec<String> = written.iter().filter_map(Node::text).map(str::to_owned).collect();
    let place = expression.get("values").map_or(operator.span(), Node::span);
    let test = match (operator.text().unwrap_or_default(), values.is_empty()) {
        ("In", false) => Test::In(values),
        ("NotIn", false) => Test::NotIn(values),
        ("Exists", true) => Test::Exists,
        ("DoesNotExist", true) => Test::Absent,
        (name @ ("In" | "NotIn"), true) => {
            return Err(fault(place, format!("the operator `{name}` needs at least one value")));
        }
        (name @ ("Exists" | "DoesNotExist"), false) => {
            return Err(fault(place, format!("the operator `{name}` takes no values")));
        }
        (name, _) => {
            let mut found = fault(operator.span(), format!("`{name}` is no operator of a selector"));
            found
                .hints
                .push(did_you_mean(name, OPERATORS).unwrap_or_else(|| format!("use one of {}", OPERATORS.join(", "))));
            return Err(found);
        }
    };
    requirement(key, test)
}

fn requirement(key: &Node, test: Test) -> Result<Requirement, Box<Diagnostic>> {
    let text = key.text().unwrap_or_default();
    if let Some(problem) = key_problem(text) {
        let mut found = fault(key.span(), format!("`{text}` cannot be the key of a selector: {problem}"));
        found
            .hints
            .push("keys are `name` or `prefix/name`; a list item is written with dots, such as `items.0`".to_owned());
        return Err(found);
    }
    Ok(Requirement { key: text.to_owned(), test })
}

fn fault(span: crate::span::Span, message: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("k8s/selector", span, message))
}

fn check_value(text: &str, node: &Node) -> Result<(), Box<Diagnostic>> {
    if text.is_empty() || (text.len() <= 63 && is_name(text)) {
        return Ok(());
    }
    let message = format!("`{text}` cannot be the value of a label, so no cluster can have it");
    let mut found = fault(node.span(), message);
    found.hints.push(
        "label values have at most 63 letters, digits, `-`, `_` and `.`; the `selector` beside the generator compares with any text"
            .to_owned(),
    );
    Err(found)
}

/// What is wrong with a label key (apimachinery `validation.IsQualifiedName`).
fn key_problem(key: &str) -> Option<&'static str> {
    let (prefix, name) = match key.split_once('/') {
        None => (None, key),
        Some((_, rest)) if rest.contains('/') => return Some("it has more than one `/`"),
        Some((prefix, name)) => (Some(prefix), name),
    };
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        return Some("what is before the `/` is no DNS name");
    }
    match name.len() {
        0 => Some("it has no name"),
        64.. => Some("its name is longer than 63 characters"),
        _ if !is_name(name) => {
            Some("its name may hold only letters, digits, `-`, `_` and `.`, and starts and ends with a letter or digit")
        }
        _ => None,
    }
}

fn is_name(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_subdomain(text: &str) -> bool {
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = label.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_in_one_line() {
        let labels = [("env", "prod"), ("region", "eu")];
        let get = |key: &str| labels.iter().find(|(k, _)| *k == key).map(|(_, value)| Cow::Borrowed(*value));
        let matches = |text: &str| Selector::parse(text).map(|selector| selector.matches(get));
        for yes in [
            "env=prod",
            "env==prod,region=eu",
            "env!=dev",
            "env in (dev, prod)",
            "env notin (dev),region",
            "!tier",
            "tier notin (a)",
        ] {
            assert_eq!(matches(yes), Ok(true), "{yes}");
        }
        for no in ["env=dev", "tier", "!env", "env in (dev)", "env=prod,region=us", "env notin (prod)"] {
            assert_eq!(matches(no), Ok(false), "{no}");
        }
        for wrong in ["", "a b", "env in prod", "=x", "env=prod,", "a/b/c=d"] {
            assert!(Selector::parse(wrong).is_err(), "{wrong}");
        }
    }
}
