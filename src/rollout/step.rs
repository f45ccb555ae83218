//! `strategy` of an ApplicationSet: in which step of its `rollingSync` an application is.
//!
//! A step selects by labels of the generated Application: all its expressions hold, `In` needs the label, `NotIn` lets a missing one pass,
//! a step without expressions selects all. Source: argo-cd v3.5 `applicationset/progressivesync` (`buildAppDependencyList`,
//! `labelMatchedExpression`, `IsDeletionOrderReversed`). Of two steps that select an application the first counts; Argo CD waits for it
//! in both and says `InvalidRolloutConfig`. All that is wrong is a warning: an Argo CD without progressive syncs never looks at it.

use std::collections::BTreeMap;

use super::Amount;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::yaml::{Map, Node};

/// Where an application stands in the order of its ApplicationSet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Its step, from 1; `None` where no step selects it.
    pub number: Option<usize>,
    /// How many steps there are.
    pub of: usize,
    /// `maxUpdate` of its step; what Argo CD cannot read lets nobody go, as there.
    pub at_once: Option<Amount>,
    /// Whether applications go in the reverse order when the set does.
    pub reverse: bool,
}

impl Step {
    /// The step of an application with these labels, and a second one that selects it too, with its place; `None` where its set goes all
    /// at once.
    pub fn of(strategy: &Node, labels: &BTreeMap<String, String>) -> Option<(Step, Option<(usize, Span)>)> {
        if strategy.str_at(&["type"]) != "RollingSync" {
            return None;
        }
        let steps = strategy.at(&["rollingSync", "steps"]).and_then(Node::as_seq).filter(|steps| !steps.is_empty())?;
        let mut selecting = steps.iter().enumerate().filter(|(_, step)| selects(step, labels));
        let (first, second) = (selecting.next(), selecting.next());
        let written = first.and_then(|(_, step)| step.get("maxUpdate")).filter(|node| !node.is_null());
        let step = Step {
            number: first.map(|(at, _)| at + 1),
            of: steps.len(),
            at_once: written.map(|node| Amount::read(node).unwrap_or(Amount::Number(0))),
            reverse: strategy.str_at(&["deletionOrder"]).eq_ignore_ascii_case("reverse"),
        };
        Some((step, second.map(|(at, step)| (at + 1, step.span()))))
    }

    /// What is wrong with a strategy whatever the applications are.
    pub fn problems(strategy: &Node) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let steps = strategy.at(&["rollingSync", "steps"]).and_then(Node::as_seq).unwrap_or_default();
        let rolling = strategy.str_at(&["type"]) == "RollingSync";
        let reverse = strategy.get("deletionOrder").filter(|order| {
            order.as_str().is_some_and(|order| order.eq_ignore_ascii_case("reverse")) && (!rolling || steps.is_empty())
        });
        if let Some(order) = reverse {
            let message = "`deletionOrder: Reverse` has no effect without `type: RollingSync` and steps";
            found.push(Diagnostic::warning("rollout/step", order.span(), message));
        }
        for step in steps.iter().filter(|_| rolling) {
            if let Some(most) = step.get("maxUpdate").filter(|node| !node.is_null() && Amount::read(node).is_none()) {
                let message = format!(
                    "`{}` is no number and no percent, so no application of this step is updated",
                    most.text().unwrap_or_default()
                );
                let hint = "write a number, or a percent in quotes such as \"25%\"";
                found.push(Diagnostic::warning("rollout/step", most.span(), message).hint(hint));
            }
            for expression in step.get("matchExpressions").and_then(Node::as_seq).unwrap_or_default() {
                let operator = expression.str_at(&["operator"]);
                if !matches!(operator, "In" | "NotIn") {
                    let span = expression.get("operator").map_or(expression.span(), Node::span);
                    let message = format!(
                        "`{operator}` is no operator of a step, so it selects no application that has the label"
                    );
                    found.push(Diagnostic::warning("rollout/step", span, message).hint("it is `In` or `NotIn`"));
                }
            }
        }
        found
    }

    /// As bundle.yaml and parents carry it.
    pub fn to_node(&self) -> Node {
        let mut map = Map::new();
        let number = |number: usize| Node::int(i64::try_from(number).unwrap_or(i64::MAX));
        if self.reverse {
            map.push(Node::str("deletionOrder"), Node::str("Reverse"));
        }
        if let Some(amount) = self.at_once {
            map.push(Node::str("maxUpdate"), Node::str(amount.to_string()));
        }
        if let Some(at) = self.number {
            map.push(Node::str("step"), number(at));
        }
        map.push(Node::str("steps"), number(self.of));
        Node::map(map)
    }

    /// Reads that.
    pub fn from_node(node: &Node) -> Option<Step> {
        let number = |key: &str| node.get(key)?.text()?.parse::<usize>().ok();
        let of = number("steps").filter(|of| *of > 0)?;
        Some(Step {
            number: number("step").filter(|at| (1..=of).contains(at)),
            of,
            at_once: node
                .get("maxUpdate")
                .and_then(Node::text)
                .map(|text| Amount::parse(text).unwrap_or(Amount::Number(0))),
            reverse: node.get("deletionOrder").and_then(Node::as_str) == Some("Reverse"),
        })
    }
}

fn selects(step: &Node, labels: &BTreeMap<String, String>) -> bool {
    let expressions = step.get("matchExpressions").and_then(Node::as_seq).unwrap_or_default();
    expressions.iter().all(|expression| {
        let listed = |value: &String| {
            let values = expression.get("values").and_then(Node::as_seq).unwrap_or_default();
            values.iter().any(|listed| listed.text() == Some(value))
        };
        match (expression.str_at(&["operator"]), labels.get(expression.str_at(&["key"]))) {
            ("In", value) => value.is_some_and(listed),
            ("NotIn", Some(value)) => !listed(value),
            (_, Some(_)) => false,
            (_, None) => true,
        }
    })
}
