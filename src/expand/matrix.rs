//! The generators that combine others: matrix and merge (`generators/matrix.go`, `generators/merge.go`).
//!
//! Matrix rows come first child first. Merge rows come in the order of the first child (in Argo CD at random).

use std::collections::BTreeMap;
use std::rc::Rc;

use super::GeneratorStep;
use super::combine::{Clash, Inner, matrix_row, merge_key, merge_over, string_row};
use super::problems::Reported;
use super::row::{Row, fresh_map};
use super::set::{Level, Set, depends_on_row, key_span};
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::yaml::Node;

/// Rows of one matrix; a fleet has some ten thousand applications, so more is a mistake that would fill the memory.
const MAX_ROWS: usize = 1_000_000;

impl Set<'_> {
    /// Every row of the first child with every row that the second has for it.
    pub(super) fn matrix(&self, node: &Node, place: Span, level: Level) -> Result<Vec<Row>, Reported> {
        let children = node.get("generators").and_then(Node::as_seq).unwrap_or_default();
        let [first, second] = children else {
            let message = format!("a matrix combines exactly two generators, and this one has {}", children.len());
            let found = Diagnostic::error("expand/generator", key_span(node, "generators").or(place), message);
            return Err(self.problems.push(found.hint("for three, make one of the two a matrix itself")));
        };
        let step =
            Rc::new(GeneratorStep { kind: "matrix", span: place, element: String::new(), element_span: Span::NONE });
        let outer = self.run_child(first, None, level)?;
        let constant = !depends_on_row(second);
        let mut same: Option<Vec<Row>> = None;
        let mut rows = Vec::new();
        for a in &outer {
            let own;
            let inner = if constant {
                if same.is_none() {
                    same = Some(self.run_child(second, None, level)?);
                }
                same.as_deref().unwrap_or_default()
            } else {
                own = self.run_child(second, Some(a), level)?;
                &own
            };
            if rows.len() + inner.len() > MAX_ROWS {
                let message = format!("the matrix makes more than {MAX_ROWS} rows");
                let found = Diagnostic::error("expand/limit", place, message);
                return Err(self.problems.push(found.hint("narrow its children with selectors or patterns")));
            }
            rows.reserve(inner.len());
            for b in inner {
                rows.push(self.combine(a, b, constant && !self.shares, &step, place)?);
            }
        }
        Ok(rows)
    }

    fn combine(&self, a: &Row, b: &Row, copy: bool, step: &Rc<GeneratorStep>, place: Span) -> Result<Row, Reported> {
        let mut steps = Vec::with_capacity(a.steps.len() + b.steps.len() + 1);
        steps.push(Rc::clone(step));
        steps.extend(a.steps.iter().chain(&b.steps).cloned());
        let copied;
        let second = if copy {
            copied = fresh_map(&b.params);
            &copied
        } else {
            &b.params
        };
        let params = if self.templating.go {
            matrix_row(&a.params, second).map_err(|clash| clash_message(&clash))
        } else {
            string_row(&a.params, second).map_err(|(key, first, second)| {
                let message = format!(
                    "both children of the matrix have the parameter `{key}`, with the values `{first}` and `{second}`"
                );
                Diagnostic::error("expand/conflict", Span::NONE, message)
                    .hint("rename one of them; for two git generators give one a `pathParamPrefix`")
            })
        };
        match params {
            Ok(params) => Ok(Row { params, steps }),
            Err(found) => Err(self.problems.push_in(found.at(place), Some(&Row { params: a.params.clone(), steps }))),
        }
    }

    /// The rows of the first child, each with the rows of the others that have the same merge keys merged over it.
    pub(super) fn merge(&self, node: &Node, place: Span, level: Level) -> Result<Vec<Row>, Reported> {
        let children = node.get("generators").and_then(Node::as_seq).unwrap_or_default();
        if children.len() < 2 {
            let message = format!("a merge combines at least two generators, and this one has {}", children.len());
            return Err(self.problems.push(Diagnostic::error(
                "expand/generator",
                key_span(node, "generators").or(place),
                message,
            )));
        }
        let results: Vec<_> = children.iter().map(|child| self.run_child(child, None, level)).collect();
        let mut all = results.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter();
        let mut keys: Vec<String> = node
            .get("mergeKeys")
            .and_then(Node::as_seq)
            .unwrap_or_default()
            .iter()
            .filter_map(|key| key.text().map(str::to_owned))
            .collect();
        keys.sort();
        keys.dedup();
        if keys.is_empty() {
            let found = Diagnostic::error(
                "expand/generator",
                key_span(node, "mergeKeys").or(place),
                "a merge needs at least one of `mergeKeys`",
            );
            return Err(self.problems.push(found.hint("name the parameters that make rows of several generators one")));
        }
        let mut base = all.next().unwrap_or_default();
        let places = self.by_merge_key(&base, &keys, node, place)?;
        for over in all {
            let rows = self.by_merge_key(&over, &keys, node, place)?;
            for (key, at) in &rows {
                let (Some(target), Some(source)) = (places.get(key).and_then(|at| base.get_mut(*at)), over.get(*at))
                else {
                    continue;
                };
                if self.templating.go {
                    if let Err(clash) = merge_over(&target.params, &source.params, Inner::InPlace) {
                        return Err(self.problems.push_in(clash_message(&clash).at(place), Some(source)));
                    }
                } else {
                    for (key, value) in source.params.entries() {
                        target.params.insert(key, value);
                    }
                }
                target.steps.extend(source.steps.iter().cloned());
            }
        }
        let step =
            Rc::new(GeneratorStep { kind: "merge", span: place, element: String::new(), element_span: Span::NONE });
        for row in &mut base {
            row.steps.insert(0, Rc::clone(&step));
        }
        Ok(base)
    }

    fn by_merge_key(
        &self,
        rows: &[Row],
        keys: &[String],
        node: &Node,
        place: Span,
    ) -> Result<BTreeMap<String, usize>, Reported> {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            let key = merge_key(&row.params, keys);
            if let Some(first) = places.insert(key.clone(), at) {
                let message = format!("two rows of one child of the merge have the same merge keys `{key}`");
                let mut found = Diagnostic::error("expand/conflict", key_span(node, "mergeKeys").or(place), message);
                let missing: Vec<&String> = keys.iter().filter(|key| !row.params.contains(key.as_bytes())).collect();
                found.hints.push(match missing[..] {
                    [] => "each child may have a combination of merge keys once".to_owned(),
                    [key, ..] => missing_merge_key(key, row),
                });
                if let Some(step) = rows.get(first).and_then(|row| row.steps.last()) {
                    found.labels.push((step.element_span.or(step.span), format!("the first one, {}", step.element)));
                }
                return Err(self.problems.push_in(found, Some(row)));
            }
        }
        Ok(places)
    }
}

fn missing_merge_key(key: &str, row: &Row) -> String {
    let keys: Vec<String> = row.params.keys().iter().map(|key| format!("`{}`", key.to_text())).collect();
    let dotted = if key.contains('.') { "; merge keys are names of the top level, not paths" } else { "" };
    format!("the rows have no parameter `{key}`, only {}{dotted}", keys.join(", "))
}

fn clash_message(Clash(key): &Clash) -> Diagnostic {
    let message = format!(
        "`{key}` cannot be merged: one child has strings there, the other any values, and Argo CD fails on that"
    );
    Diagnostic::error("expand/conflict", Span::NONE, message)
        .hint("write them in `values` of a generator in both children, or give them another name")
}
