//! Policies of fleet.yaml: expressions in CEL that must hold for the objects that they match.
//!
//! An expression sees `object` (as rendered, with the namespace that it ends in), `cluster`, `application` and `variables`. One that fails on an
//! object is a violation, as it is in a cluster; one that is no expression is an error of the fleet, said once. Match conditions are as in a
//! ValidatingAdmissionPolicy: one that is false leaves the object out, whatever becomes of the others.

use std::cell::OnceCell;

use super::Level::{self, Error, Warn};
use super::admission::{compile, is_message, is_secret};
use super::rules::{Found, Rule};
use crate::application::Application;
use crate::cluster::Cluster;
use crate::expression::{Expression, Failure, Outcome, Values};
use crate::k8s::object::Gvk;
use crate::read::{Fleet, PolicyRule};
use crate::span::Span;
use crate::yaml::{Map, Node};

/// The rules.
pub(super) static RULES: [Rule; 3] = [
    Rule {
        id: "policy/violation",
        level: Error,
        summary: "an object for which a policy of fleet.yaml does not hold",
        why: "The policy says why.",
        fix: "change the object, or the policy",
    },
    Rule {
        id: "policy/broken",
        level: Error,
        summary: "a policy of fleet.yaml that is no expression, or no boolean",
        why: "What cannot be evaluated protects nothing.",
        fix: "correct the expression",
    },
    Rule {
        id: "policy/undecided",
        level: Warn,
        summary: "a policy of fleet.yaml that needs what fleetc does not know",
        why: "Whether it holds is not guessed.",
        fix: "use what is known: `object`, `cluster`, `application`, `variables`, and Kubernetes' functions",
    },
];

/// What expressions may name: also what only a cluster knows, which leaves them undecided.
const NAMES: [&str; 9] = [
    "object",
    "cluster",
    "application",
    "variables",
    "oldObject",
    "request",
    "params",
    "namespaceObject",
    "authorizer",
];

fn by(id: &str) -> &'static Rule {
    RULES.iter().find(|rule| rule.id == id).unwrap_or(&RULES[0])
}

/// The policies of a fleet, compiled.
#[derive(Debug, Default)]
pub(super) struct Policies<'a> {
    pub(super) list: Vec<Policy<'a>>,
    /// What is wrong with them, whatever the objects are.
    pub(super) broken: Vec<Found>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Policy<'a> {
    pub(super) rule: &'a PolicyRule,
    conditions: Vec<(&'a str, Expression)>,
    variables: Vec<(&'a str, Expression)>,
    validations: Vec<Validation<'a>>,
    /// Whether it looks at the cluster, and at the application.
    pub(super) cluster: bool,
    pub(super) application: bool,
}

#[derive(Debug)]
struct Validation<'a> {
    expression: Expression,
    text: &'a str,
    message: Option<&'a str>,
    message_expression: Option<Expression>,
    level: Level,
}

/// What expressions see beside the object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub(super) cluster: Option<(&'a Cluster, &'a str)>,
    pub(super) application: Option<&'a Application>,
}

impl<'a> Policies<'a> {
    pub(super) fn of(fleet: &'a Fleet) -> Policies<'a> {
        let mut all = Policies::default();
        for rule in &fleet.policies {
            let broken = &mut all.broken;
            let mut compiled = |text: &'a str, span: Span| {
                compile(text, &NAMES).map_err(|failure| {
                    let message = format!("policy `{}`: {failure}", *rule.name);
                    broken.push(Found {
                        policy: Some((rule.name.value.clone(), Error)),
                        within: failure.at,
                        ..Found::new(by("policy/broken"), "", span, message)
                    });
                    Failure::from(failure)
                })
            };
            let mut conditions = Vec::new();
            let mut whole = true;
            for (name, expression) in &rule.conditions {
                match compiled(expression, expression.span) {
                    Ok(expression) => conditions.push((name.as_str(), expression)),
                    Err(_) => whole = false,
                }
            }
            let mut variables = Vec::new();
            for (name, expression) in &rule.variables {
                match compiled(expression, expression.span) {
                    Ok(expression) => variables.push((name.as_str(), expression)),
                    Err(_) => whole = false,
                }
            }
            let mut validations = Vec::new();
            for validation in &rule.validations {
                let message_expression = validation.message_expression.as_ref();
                let message_expression = message_expression.and_then(|text| compiled(text, text.span).ok());
                let Ok(expression) = compiled(&validation.expression, validation.expression.span) else { continue };
                validations.push(Validation {
                    expression,
                    text: &validation.expression,
                    message: validation.message.as_deref(),
                    message_expression,
                    level: validation.level,
                });
            }
            let names = |name: &str| {
                let of_variables = variables.iter().any(|(_, one)| one.names(name));
                let of_validations = validations.iter().any(|one| {
                    one.expression.names(name) || one.message_expression.as_ref().is_some_and(|one| one.names(name))
                });
                of_variables || of_validations || conditions.iter().any(|(_, one)| one.names(name))
            };
            let (cluster, application) = (names("cluster"), names("application"));
            // Without one of its conditions it would be about other objects; without a variable all of it fails.
            if whole {
                all.list.push(Policy { rule, conditions, variables, validations, cluster, application });
            }
        }
        all
    }
}

impl Policy<'_> {
    /// Whether it is about an application on a cluster.
    pub(super) fn is_about(&self, application: &str, cluster: &Cluster) -> bool {
        let names = &self.rule.applications;
        (names.is_empty() || names.iter().any(|glob| glob.matches(application))) && self.rule.clusters.has(cluster)
    }

    fn matches(&self, gvk: &Gvk, namespace: &str) -> bool {
        let (kinds, namespaces) = (&self.rule.kinds, &self.rule.namespaces);
        let kind = gvk.to_string();
        (kinds.is_empty() || kinds.iter().any(|glob| glob.matches(&kind)))
            && (namespaces.is_empty()
                || (!namespace.is_empty() && namespaces.iter().any(|glob| glob.matches(namespace))))
    }

    /// Applies it to an object in its namespace. `seen` holds what all policies see of it, made when first asked for.
    pub(super) fn check(&self, seen: &Seen<'_>, gvk: &Gvk, place: Span, found: &mut Vec<Found>) {
        if !self.matches(gvk, seen.object.str_at(&["metadata", "namespace"])) {
            return;
        }
        let hides = is_secret(gvk);
        let because = |why: &str| if hides { String::new() } else { format!(": {why}") };
        let mut values = Values::over(seen.values());
        for (name, expression) in &self.variables {
            let value = expression.value(&values);
            values.add("variables", name, value);
        }
        let say = |id: &str, level: Level, message: String| Found {
            policy: Some((self.rule.name.value.clone(), level)),
            ..Found::new(by(id), "", place, message)
        };
        let mut failed = None;
        for (name, condition) in &self.conditions {
            let (id, level, why) = match condition.evaluate(&values) {
                Ok(Outcome::Bool(true)) => continue,
                Ok(Outcome::Bool(false)) => return,
                Ok(_) => ("policy/broken", Error, "gives no boolean".to_owned()),
                Err(Failure::Error(why)) => ("policy/violation", self.level(), format!("fails{}", because(&why))),
                Err(Failure::Undecided(why)) => ("policy/undecided", Warn, format!("is not decided: {why}")),
            };
            failed.get_or_insert_with(|| say(id, level, format!("the match condition `{name}` {why}")));
        }
        if let Some(failed) = failed {
            return found.push(failed);
        }
        for validation in &self.validations {
            match validation.expression.evaluate(&values) {
                Ok(Outcome::Bool(true)) => {}
                Ok(Outcome::Bool(false)) => {
                    found.push(say("policy/violation", validation.level, validation.message(&values, hides)));
                }
                Ok(_) => {
                    let message = format!("`{}` gives no boolean", validation.text);
                    found.push(say("policy/broken", Error, message));
                }
                Err(Failure::Error(why)) => {
                    let message = format!("`{}` fails{}", validation.text, because(&why));
                    found.push(say("policy/violation", validation.level, message));
                }
                Err(Failure::Undecided(why)) => {
                    found.push(say("policy/undecided", Warn, format!("`{}` is not decided: {why}", validation.text)));
                }
            }
        }
    }

    /// What it counts as where no validation says so.
    fn level(&self) -> Level {
        self.validations.iter().map(|one| one.level).max().unwrap_or(Error)
    }
}

/// What policies see of an object.
pub(super) struct Seen<'a> {
    object: &'a Node,
    around: Around<'a>,
    values: OnceCell<Values<'a>>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(object: &'a Node, around: Around<'a>) -> Seen<'a> {
        Seen { object, around, values: OnceCell::new() }
    }

    fn values(&self) -> &Values<'a> {
        self.values.get_or_init(|| {
            let mut values = Values::new();
            values.set_node("object", self.object);
            if let Some((cluster, name)) = self.around.cluster {
                values.set_node("cluster", &cluster_value(cluster, name));
            }
            if let Some(application) = self.around.application {
                values.set_node("application", &application_value(application));
            }
            values
        })
    }
}

impl Validation<'_> {
    fn message(&self, values: &Values<'_>, hides: bool) -> String {
        let made = self.message_expression.as_ref().filter(|_| !hides);
        let made = made.and_then(|expression| expression.evaluate(values).ok());
        match (made, self.message) {
            (Some(Outcome::Text(text)), _) if is_message(&text) => text.trim().to_owned(),
            (_, Some(message)) => message.to_owned(),
            _ => format!("`{}` does not hold", self.text),
        }
    }
}

fn map(entries: impl IntoIterator<Item = (String, Node)>) -> Node {
    Node::map(entries.into_iter().map(|(key, value)| (Node::str(key), value)).collect::<Map>())
}

fn cluster_value(cluster: &Cluster, name: &str) -> Node {
    let texts = |all: &std::collections::BTreeMap<String, String>| {
        map(all.iter().map(|(key, value)| (key.clone(), Node::str(value.as_str()))))
    };
    let version = cluster.facts.kube_version.as_deref().unwrap_or_default();
    map([
        ("name".to_owned(), Node::str(name)),
        ("server".to_owned(), Node::str(cluster.server.as_str())),
        ("labels".to_owned(), texts(&cluster.labels)),
        ("annotations".to_owned(), texts(&cluster.annotations)),
        ("kubeVersion".to_owned(), Node::str(version)),
    ])
}

fn application_value(application: &Application) -> Node {
    map([
        ("name".to_owned(), Node::str(application.key.name.as_str())),
        ("namespace".to_owned(), Node::str(application.key.namespace.as_str())),
        ("project".to_owned(), Node::str(application.project.as_str())),
    ])
}

/// An object with the namespace that it ends in, where its kind has one and it says none.
pub(super) fn placed(object: &Node, namespaced: bool, namespace: &str) -> Node {
    let written = object.at(&["metadata", "namespace"]).is_some_and(|node| node.text().is_some_and(|n| !n.is_empty()));
    if !namespaced || written || namespace.is_empty() {
        return object.clone();
    }
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Node::map_mut) {
        metadata.insert("namespace", Node::str(namespace));
    }
    object
}
