//! Rows into Applications: the template of a generator, rendered for each of its rows, patched and checked.
//!
//! What decides is `applicationset/utils/utils.go` (`RenderTemplateParams`) and `applicationset/controllers/template/template.go`: an empty row leaves
//! the template as it is, without the default finalizer; the namespace is always the set's.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::combine::fill;
use super::patch;
use super::problems::Reported;
use super::row::Row;
use super::set::{Level, Set};
use super::templating::Data;
use super::{AppOrigin, Unit};
use crate::application::Application;
use crate::argo::{Lowering, lower, map_strings, normalize, tables};
use crate::diag::Diagnostic;
use crate::rollout::Step;
use crate::span::Span;
use crate::yaml::{Map, Node, sigs};

/// The finalizer of Applications whose resources are deleted with them.
const RESOURCES_FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

/// A generator's template, ready for its rows.
struct Template {
    node: Node,
    /// The same with the numbers of raw JSON as floats: rendering decodes and encodes it.
    rendered: Node,
    finalizer: bool,
}

impl Set<'_> {
    /// All applications of the set, in the order of its generators. Problems are kept; with an error among them the result is not to be used.
    pub(super) fn applications(&self) -> Vec<(Application, Arc<AppOrigin>)> {
        let mut out = Vec::new();
        let base = self.spec.get("template").cloned().unwrap_or_else(Node::null);
        let preserve =
            self.spec.at(&["syncPolicy", "preserveResourcesOnDeletion"]).and_then(Node::as_bool).unwrap_or_default();
        let strategy = self.spec.get("strategy").filter(|strategy| !strategy.is_null());
        for problem in strategy.into_iter().flat_map(Step::problems) {
            self.problems.push(problem);
        }
        let mut twice: BTreeSet<(Option<usize>, usize)> = BTreeSet::new();
        for entry in self.spec.get("generators").and_then(Node::as_seq).unwrap_or_default() {
            let Ok(results) = self.run(entry, None, Level::Top) else { continue };
            for (kind, rows) in results {
                let own = entry.at(&[kind, "template"]).cloned().unwrap_or_else(Node::null);
                let merged =
                    if own.is_null() { base.clone() } else { fill(&own, &base, |field| field == "valuesObject") };
                let node = normalize(&merged, &tables::APPLICATION_SET_TEMPLATE, self.engine()).with_span(base.span());
                let has_finalizers =
                    node.at(&["metadata", "finalizers"]).and_then(Node::as_seq).is_some_and(|list| !list.is_empty());
                let rendered = with_raw_floats(&node);
                let template = Template { node, rendered, finalizer: !preserve && !has_finalizers };
                for row in &rows {
                    if let Ok(application) = self.application(&template, row) {
                        let step = strategy.and_then(|strategy| Step::of(strategy, &application.labels));
                        if let Some((Step { number, .. }, Some((second, span)))) = &step
                            && twice.insert((*number, *second))
                        {
                            let message = format!(
                                "the Application `{}` is in the steps {} and {second}; the first counts",
                                application.key,
                                number.unwrap_or_default()
                            );
                            self.problems.push(Diagnostic::warning("rollout/step", *span, message));
                        }
                        out.push((application, self.origin(row, step.map(|(step, _)| step))));
                    }
                }
            }
        }
        out
    }

    fn application(&self, template: &Template, row: &Row) -> Result<Application, Reported> {
        let data = Data::new(&row.params);
        let mut object = template.node.clone();
        if !row.params.is_empty() {
            object = map_strings(
                &template.rendered,
                &tables::APPLICATION_SET_TEMPLATE,
                self.engine(),
                &mut |text, span| self.render(text, span, &data, row),
            )?;
            if template.finalizer
                && let Some(metadata) = object.get_mut("metadata").and_then(Node::map_mut)
            {
                metadata.insert("finalizers", Node::seq(vec![Node::str(RESOURCES_FINALIZER)]));
            }
        }
        if let Some(written) = self.spec.get("templatePatch")
            && let Some(text) = written.as_str()
        {
            let rendered = self.render(text, written.span(), &data, row)?;
            let rendered = rendered.as_deref().unwrap_or(text);
            let (patched, found) = patch::apply(&object, rendered, written.span(), self.engine());
            for diagnostic in found {
                self.problems.push_in(diagnostic, Some(row));
            }
            object = patched.ok_or(Reported)?;
        }
        if let Some(map) = object.map_mut() {
            if map.get("metadata").is_none_or(|metadata| metadata.as_map().is_none()) {
                map.insert("metadata", Node::map(Map::new()));
            }
            if let Some(metadata) = map.get_mut("metadata").and_then(Node::map_mut) {
                metadata.insert("namespace", Node::str(self.declared.namespace.as_str()));
            }
        }
        let lowering = Lowering {
            instance: self.declared.instance.clone(),
            namespace: self.declared.namespace.clone(),
            engine: self.engine(),
        };
        lower(&object, &lowering).map_err(|found| {
            found
                .into_iter()
                .fold(Reported, |_, found| self.problems.push_in(found.at(self.template_span()), Some(row)))
        })
    }

    fn template_span(&self) -> Span {
        self.spec.get("template").map_or(self.declared.span, Node::span).or(self.declared.span)
    }

    fn origin(&self, row: &Row, step: Option<Step>) -> Arc<AppOrigin> {
        let name = format!("{}/{}", self.declared.namespace, self.declared.name);
        Arc::new(AppOrigin {
            application_set: Some((name, self.declared.span)),
            generators: row.steps.iter().map(|step| (**step).clone()).collect(),
            template: Some(self.template_span()),
            parent: self.declared.parent.clone(),
            step,
        })
    }
}

/// An object with the numbers in its `valuesObject`s as Go's JSON decoder keeps them without a type: as float64.
fn with_raw_floats(node: &Node) -> Node {
    let mut out = node.clone();
    if let Some(items) = out.seq_mut() {
        for item in items {
            *item = with_raw_floats(item);
        }
    } else if let Some(map) = out.map_mut() {
        for (key, value) in map.iter_mut() {
            let raw = key.text() == Some("valuesObject");
            *value = match sigs::to_json_value(value, sigs::Numbers::Float64) {
                Ok(floats) if raw => floats,
                _ => with_raw_floats(value),
            };
        }
    }
    out
}

/// One unit for every destination of an application.
pub(super) fn units(application: Application, origin: Arc<AppOrigin>) -> impl Iterator<Item = Unit> {
    let application = Arc::new(application);
    (0..application.destinations.len()).map(move |destination| Unit {
        application: Arc::clone(&application),
        destination,
        origin: Arc::clone(&origin),
    })
}
