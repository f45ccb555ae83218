//! What checks look at: fields by path, pods wherever a kind has them, and the other objects of an application by kind, name and labels.

use std::borrow::Cow;

use crate::k8s::selector::{Selector, Values};
use crate::rule::Rule;
use crate::span::Span;
use crate::yaml::{Map, Node};

use super::Mark;

/// What a check says.
pub(super) struct Said {
    pub(super) path: String,
    pub(super) span: Span,
    pub(super) message: String,
}

impl Said {
    /// Of the object itself.
    pub(super) fn whole(message: impl Into<String>) -> Said {
        Said { path: String::new(), span: Span::NONE, message: message.into() }
    }

    /// Of a field.
    pub(super) fn at(path: impl Into<String>, node: Option<&Node>, message: impl Into<String>) -> Said {
        Said { path: path.into(), span: node.map_or(Span::NONE, Node::span), message: message.into() }
    }

    pub(super) fn mark(self, rule: &'static Rule) -> Mark {
        Mark { rule, path: self.path, span: self.span, message: self.message }
    }
}

/// How many names a sentence has.
const NAMED: usize = 4;

/// `a, b, c, d, 3 more`.
pub(super) fn named(names: impl IntoIterator<Item = String>) -> String {
    let mut names: Vec<String> = names.into_iter().collect();
    if names.len() > NAMED {
        let more = names.len() - NAMED;
        names.truncate(NAMED);
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// Names as code.
pub(super) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    named(names.into_iter().map(|name| format!("`{name}`")))
}

pub(super) fn list<'n>(object: &'n Node, path: &[&str]) -> &'n [Node] {
    object.at(path).and_then(Node::as_seq).unwrap_or_default()
}

pub(super) fn texts<'n>(node: &'n Node, key: &str) -> Vec<&'n str> {
    list(node, &[key]).iter().filter_map(Node::text).collect()
}

pub(super) fn text<'n>(node: &'n Node, path: &[&str]) -> &'n str {
    node.at(path).and_then(Node::text).unwrap_or_default()
}

pub(super) fn flag(node: &Node, path: &[&str]) -> bool {
    node.at(path).and_then(Node::as_bool) == Some(true)
}

pub(super) fn number(node: &Node, path: &[&str]) -> Option<i64> {
    node.at(path).and_then(Node::text)?.parse().ok()
}

/// The entries of a map of texts.
pub(super) fn pairs(node: Option<&Node>) -> impl Iterator<Item = (&str, &str)> {
    let entries = node.and_then(Node::as_map).into_iter().flat_map(Map::iter);
    entries.filter_map(|(key, value)| Some((key.text()?, value.text()?)))
}

pub(super) fn name(object: &Node) -> &str {
    text(object, &["metadata", "name"])
}

pub(super) fn namespace(object: &Node) -> &str {
    text(object, &["metadata", "namespace"])
}

/// `Deployment web`, for sentences about another object.
pub(super) fn called(object: &Node) -> String {
    format!("{} `{}`", text(object, &["kind"]), name(object))
}

/// Whether an object is of one of these groups and kinds.
pub(super) fn is_of(object: &Node, kinds: &[(&str, &str)]) -> bool {
    let (kind, api) = (text(object, &["kind"]), text(object, &["apiVersion"]));
    let group = api.split_once('/').map_or("", |(group, _)| group);
    kinds.contains(&(group, kind))
}

/// Whether two objects may be in one namespace: what has none gets that of its application.
pub(super) fn are_together(one: &Node, other: &Node) -> bool {
    let (one, other) = (namespace(one), namespace(other));
    one.is_empty() || other.is_empty() || one == other
}

/// All nodes at a path in which `*` is every item of a list, each with its own path.
pub(super) fn each<'n>(node: &'n Node, path: &str) -> Vec<(String, &'n Node)> {
    let mut found = vec![(String::new(), node)];
    for step in path.split('.') {
        found = found
            .into_iter()
            .flat_map(|(at, node)| match step {
                "*" => {
                    let items = node.as_seq().unwrap_or_default().iter().enumerate();
                    items.map(|(number, item)| (format!("{at}[{number}]"), item)).collect::<Vec<_>>()
                }
                step => {
                    let dot = if at.is_empty() { "" } else { "." };
                    node.get(step).map(|next| (format!("{at}{dot}{step}"), next)).into_iter().collect()
                }
            })
            .collect();
    }
    found
}

// ----------------------------------------------------------------------------------------------------------------------------- pods

/// Where kinds have a pod: told by its containers, so that custom kinds with a template count, too.
const PODS: [(&str, &[&str]); 4] = [
    ("spec.template", &["spec", "template"]),
    ("spec.jobTemplate.spec.template", &["spec", "jobTemplate", "spec", "template"]),
    ("template", &["template"]),
    ("", &[]),
];

/// The pod that an object is, or makes.
#[derive(Clone, Copy)]
pub(super) struct Pod<'n> {
    /// The object.
    pub(super) object: &'n Node,
    /// Where its spec is.
    pub(super) path: &'static str,
    /// Labels and annotations.
    pub(super) metadata: Option<&'n Node>,
    /// What it says.
    pub(super) spec: &'n Node,
}

impl<'n> Pod<'n> {
    pub(super) fn of(object: &'n Node) -> Option<Pod<'n>> {
        PODS.iter().find_map(|(path, steps)| {
            let pod = if steps.is_empty() { object } else { object.at(steps)? };
            let spec =
                pod.get("spec").filter(|spec| spec.get("containers").is_some_and(|all| all.as_seq().is_some()))?;
            Some(Pod { object, path, metadata: pod.get("metadata"), spec })
        })
    }

    /// The path of a field of its spec.
    pub(super) fn field(&self, field: &str) -> String {
        let dot = if self.path.is_empty() { "" } else { "." };
        format!("{}{dot}spec.{field}", self.path)
    }

    /// Its containers, those that run first among them, each with its path.
    pub(super) fn containers(&self) -> Vec<(String, &'n Node)> {
        let of = |key: &str| {
            let items = list(self.spec, &[key]).iter().enumerate();
            items.map(|(at, item)| (self.field(&format!("{key}[{at}]")), item)).collect::<Vec<_>>()
        };
        let mut all = of("containers");
        all.extend(of("initContainers"));
        all
    }

    pub(super) fn label(&self, key: &str) -> Option<&'n str> {
        self.metadata?.at(&["labels"])?.get(key)?.text()
    }

    /// Whether a selector of labels has it.
    pub(super) fn is_selected(&self, selector: &Selector) -> bool {
        selector.matches(|key| self.label(key).map(Cow::Borrowed))
    }

    /// Whether it has all of these labels.
    pub(super) fn has_all(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(key, value)| self.label(key) == Some(*value))
    }
}

/// The pods of an application that may be in the namespace of an object.
pub(super) fn pods_beside<'n>(object: &Node, others: &[&'n Node]) -> Vec<Pod<'n>> {
    others.iter().filter(|other| are_together(object, other)).filter_map(|other| Pod::of(other)).collect()
}

/// `spec.selector` of an object and the like; `None` where it is none that can be read, or an empty one.
pub(super) fn selector(node: Option<&Node>) -> Option<Selector> {
    Selector::read(node?, Values::Any).ok().filter(|selector| !selector.is_empty())
}

/// Whether somebody else may make pods here: custom kinds often do, by an operator.
pub(super) fn has_custom_kinds(others: &[&Node]) -> bool {
    others.iter().any(|other| {
        let group = text(other, &["apiVersion"]).split_once('/').map_or("", |(group, _)| group);
        group.contains('.') && !group.ends_with(".k8s.io") && Pod::of(other).is_none()
    })
}
