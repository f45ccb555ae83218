//! Kubernetes label selectors (`metav1.LabelSelector`): equality and set expressions.
//!
//! Source: apimachinery `pkg/apis/meta/v1/helpers.go` (`LabelSelectorAsSelector`). An empty selector matches everything.

use std::collections::BTreeMap;

use crate::diag::{Checked, Diagnostic, Diagnostics, did_you_mean};
use crate::span::Span;
use crate::yaml::Node;

/// A label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

const OPERATORS: [(&str, Operator); 4] = [
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
];

impl Selector {
    /// Reads `matchLabels` and `matchExpressions`; unknown fields and wrong types are the field tables' business.
    ///
    /// # Errors
    /// An unknown operator, or values that do not go with it.
    pub fn read(node: &Node) -> Checked<Self> {
        let mut found = Diagnostics::new();
        let mut requirements = Vec::new();
        let labels = node.get("matchLabels").and_then(Node::as_map).into_iter().flat_map(|map| map.iter());
        for (key, value) in labels {
            let (Some(key), Some(value)) = (key.text(), value.as_str()) else { continue };
            requirements.push(Requirement {
                key: key.to_owned(),
                operator: Operator::In,
                values: vec![value.to_owned()],
            });
        }
        for expression in node.get("matchExpressions").and_then(Node::as_seq).unwrap_or_default() {
            let values = expression.get("values").and_then(Node::as_seq).unwrap_or_default();
            let values: Vec<String> = values.iter().filter_map(Node::as_str).map(str::to_owned).collect();
            let word = expression.get("operator").and_then(Node::as_str).unwrap_or_default();
            let span = expression.get("operator").map_or(Span::NONE, Node::span).or(expression.span());
            let Some((_, operator)) = OPERATORS.iter().find(|(name, _)| *name == word) else {
                let hint = did_you_mean(word, OPERATORS.iter().map(|(name, _)| *name));
                let hint = hint.unwrap_or_else(|| "it is one of `In`, `NotIn`, `Exists`, `DoesNotExist`".to_owned());
                let message = format!("`{word}` is not an operator of a selector");
                found.push(Diagnostic::error("read/selector", span, message).hint(hint));
                continue;
            };
            let wants_values = matches!(operator, Operator::In | Operator::NotIn);
            if wants_values == values.is_empty() {
                let what = if wants_values { "needs `values`" } else { "takes no `values`" };
                found.push(Diagnostic::error("read/selector", span, format!("the operator `{word}` {what}")));
            }
            let key = expression.get("key").and_then(Node::as_str).unwrap_or_default().to_owned();
            requirements.push(Requirement { key, operator: *operator, values });
        }
        if found.has_errors() { Err(found) } else { Ok(Selector { requirements }) }
    }

    /// Whether these labels fulfil every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match requirement.operator {
                Operator::In => value.is_some_and(|value| requirement.values.contains(value)),
                Operator::NotIn => value.is_none_or(|value| !requirement.values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }
}
