//! Where the objects of an application came from: the steps of a traced render, what bundling did after them, and the place of every line.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::bundle::ObjectRef;
use crate::compile::Compiled;
use crate::explain::{self, Change, Via};
use crate::render::{Rendered, Resource};
use crate::report;
use crate::resolve::{Job, ResolvedUnit};
use crate::span::{SourceMap, Span};
use crate::yaml::Node;

/// Most changes of a step that are shown.
const MOST: usize = 60;

/// Where an object came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// What made and changed it, in order.
    pub steps: Vec<Step>,
    /// For each line of its text.
    pub lines: Vec<Line>,
}

/// A step.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What it is: `document`, `patch replicas.yaml`, `tracking mark`.
    pub what: String,
    /// Where it is asked for; empty where nobody does.
    pub place: String,
    /// Which fields it changed, with what they were and what they became.
    pub changes: Vec<(String, Option<String>, Option<String>)>,
}

/// Where a line came from.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Number of the step that wrote it last, counted from one; zero for none.
    pub step: usize,
    /// The file where its value is written; empty for a value that was made.
    pub file: String,
    /// The line there, counted from one.
    pub line: usize,
}

/// Renders that know what happened to their objects, by job.
#[derive(Debug, Default)]
pub struct Traced {
    renders: FxHashMap<Arc<Job>, Rendered>,
}

impl Traced {
    /// What jobs came to; those that failed are left out.
    pub fn new(jobs: Vec<Arc<Job>>, renders: Vec<Option<Rendered>>) -> Self {
        let renders = jobs.into_iter().zip(renders).filter_map(|(job, render)| Some((job, render?)));
        Traced { renders: renders.collect() }
    }

    /// The objects of an application, in the order of its sources.
    pub(super) fn resources<'t>(&'t self, unit: &ResolvedUnit) -> Vec<&'t Resource> {
        let jobs = unit.sources.iter().flatten().filter_map(|source| source.job.as_ref());
        jobs.filter_map(|job| self.renders.get(job)).flat_map(|rendered| &rendered.resources).collect()
    }
}

/// The different jobs of the chosen applications of a fleet, to be rendered once more with a tracer.
pub fn jobs(compiled: &Compiled, chosen: &dyn Fn(&ResolvedUnit) -> bool) -> Vec<Arc<Job>> {
    let mut seen = FxHashSet::default();
    let units = compiled.units.iter().filter(|unit| chosen(unit));
    let jobs = units.flat_map(|unit| unit.sources.iter().flatten());
    jobs.filter_map(|source| source.job.as_ref()).filter(|job| seen.insert(Arc::clone(job))).cloned().collect()
}

/// What an object became of: the last one that it can be, since later sources win.
pub(super) fn made_of<'t>(resources: &[&'t Resource], object: &ObjectRef) -> Option<&'t Resource> {
    let fits = |resource: &&&Resource| explain::is_same(&ObjectRef::of(&resource.body), object);
    let exact = |resource: &&&Resource| ObjectRef::of(&resource.body) == *object;
    resources.iter().rev().find(exact).or_else(|| resources.iter().rev().find(fits)).copied()
}

/// Where an object came from. `text` is what is shown of it and `shown` its value with places in that; `body` is the value of the bundle.
pub(super) fn origin(
    (text, shown, body): (&str, &Node, &Node),
    resource: &Resource,
    destination: Span,
    sources: &SourceMap,
) -> Origin {
    let place = |span: Span| sources.locate(span).map_or_else(String::new, |place| place.to_string());
    let mut steps = Vec::new();
    // By number of the render's steps: which of ours.
    let mut numbers = Vec::new();
    if resource.origin.steps.first().is_none_or(|step| step.before.is_some()) {
        steps.push(Step { what: "document".to_owned(), place: place(resource.origin.span), changes: Vec::new() });
    }
    for step in &resource.origin.steps {
        let changes = match &step.before {
            Some(before) => {
                let found = explain::changes(before, &step.after);
                if found.is_empty() {
                    numbers.push(0);
                    continue;
                }
                found.into_iter().map(|change| explain::hide(change, Some(before), &step.after)).collect()
            }
            None => Vec::new(),
        };
        let edit = if step.by_application && step.before.is_some() { "Application: " } else { "" };
        let what = format!("{edit}{} {}", step.what, step.detail).trim_end().to_owned();
        steps.push(Step { what, place: place(step.span), changes: shown_changes(changes) });
        numbers.push(steps.len());
    }
    let printed = explain::as_printed(&resource.body);
    let rendered = steps.len();
    for change in explain::changes(&printed, body) {
        let what = explain::bundle_step(&change.path);
        let change = explain::hide(change, Some(&printed), body);
        let at = steps.iter().skip(rendered).position(|step| step.what == what).map(|at| at + rendered);
        let changes = shown_changes(vec![change]);
        match at.and_then(|at| steps.get_mut(at)) {
            Some(step) => step.changes.extend(changes),
            None => {
                let is_namespace = what == "destination namespace";
                let place = if is_namespace { place(destination) } else { String::new() };
                steps.push(Step { what: what.to_owned(), place, changes });
            }
        }
    }
    let line = |line: Option<explain::Line>| {
        let Some(line) = line else { return Line::default() };
        let step = match line.via {
            Via::Document => 1,
            Via::Step(at) => numbers.get(at).copied().unwrap_or_default(),
            Via::Bundling(what) => steps.iter().rposition(|step| step.what == what).map_or(0, |at| at + 1),
        };
        let span = if matches!(line.via, Via::Bundling("destination namespace")) { destination } else { line.span };
        match sources.locate(span) {
            Some(place) => Line { step, file: place.file, line: place.line },
            None => Line { step, ..Line::default() },
        }
    };
    let lines = explain::lines(text, shown, body, resource).into_iter().map(line).collect();
    Origin { steps, lines }
}

fn shown_changes(changes: Vec<Change>) -> Vec<(String, Option<String>, Option<String>)> {
    let text = |node: &Option<Node>| node.as_ref().map(|node| report::value(node, false));
    let shown = changes.iter().take(MOST).map(|one| (one.path.to_string(), text(&one.before), text(&one.after)));
    let more = changes.len().saturating_sub(MOST);
    let rest = (more > 0).then(|| (format!("… {}", report::plural(more, "more field")), None, None));
    shown.chain(rest).collect()
}
