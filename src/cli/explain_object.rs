//! `fleetc explain APP:Kind/name.field`: where an object or one of its fields came from. The job is rendered once more with a tracer; what
//! bundling changed is the difference between the render and the bundle.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use fleetc::bundle::{self, Bundled, ObjectRef, Previous};
use fleetc::compile::{Compiled, parts};
use fleetc::diag::{Cause, Diagnostic, Diagnostics, did_you_mean};
use fleetc::explain::{self, Asked, Bundling, FieldPath};
use fleetc::render::{Rendered, Resource, Step, render_traced};
use fleetc::resolve::{Job, ResolvedUnit};
use fleetc::span::{SourceMap, Span};
use fleetc::yaml::{Node, json};
use serde_json::{Value, json};

use super::explain::place;
use super::report;
use super::session::{Session, print_out};

/// Explains what `asked` (the text behind `APP:`) names in the applications that were found.
pub(super) fn run(
    session: &Session,
    compiled: &Compiled,
    found: &[&ResolvedUnit],
    asked: &str,
    mut diagnostics: Diagnostics,
) -> ExitCode {
    let told = tell_all(session, compiled, found, asked);
    let unknown = told.is_err();
    let told = told.unwrap_or_else(|error| {
        diagnostics.push(*error);
        Vec::new()
    });
    session.print_findings(&mut diagnostics);
    if session.is_json() {
        session.print_json(&diagnostics, json!({ "objects": told }));
    } else {
        let texts: Vec<String> = told.iter().map(human).collect();
        print_out(&texts.join("\n"));
    }
    ExitCode::from(report::exit_code(&diagnostics, unknown))
}

fn answer(code: &'static str, message: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(code, Span::NONE, message).cause(Cause::Answer))
}

fn tell_all(
    session: &Session,
    compiled: &Compiled,
    found: &[&ResolvedUnit],
    asked: &str,
) -> Result<Vec<Value>, Box<Diagnostic>> {
    let asked = Asked::parse(asked).map_err(|why| answer("explain/object", why))?;
    let mut jobs: Vec<Arc<Job>> = Vec::new();
    for job in found.iter().flat_map(|unit| unit.sources.iter().flatten()).filter_map(|source| source.job.as_ref()) {
        if !jobs.contains(job) {
            jobs.push(Arc::clone(job));
        }
    }
    let renders = session.pool.map(&jobs, &|job| render_traced(job, &session.world, &session.tools).ok());
    let sources = session.world.sources();
    let all = parts(compiled, sources).value;
    let previous = Previous::default();
    let input = bundle::Input { fleet: &compiled.fleet, parts: &all, previous: &previous, failed_sets: &[], key: None };
    let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| session.pool.spread(count, work);
    let bundled = bundle::bundle(&input, &spread).value;

    let failed = renders.iter().any(Option::is_none) || found.iter().any(|unit| unit.sources.is_err());
    let mut told = Vec::new();
    let mut missing_field = None;
    let mut there: Vec<String> = Vec::new();
    for unit in found {
        let of_unit = |source: &fleetc::resolve::ResolvedSource| -> Option<&Rendered> {
            let job = source.job.as_ref()?;
            renders.get(jobs.iter().position(|other| other == job)?)?.as_ref()
        };
        let destination = unit.unit.application.destinations.get(unit.unit.destination);
        let namespace = destination.map_or("", |destination| destination.namespace.as_str());
        for rendered in unit.sources.iter().flatten().filter_map(of_unit) {
            there.extend(rendered.resources.iter().map(|resource| explain::spelled(&resource.body)));
            for (resource, path) in explain::find(&rendered.resources, asked, namespace) {
                let path = FieldPath::parse(path)
                    .map_err(|why| answer("explain/path", format!("in the field path `{path}`: {why}")))?;
                let subject = Subject::new(unit, resource, compiled, &bundled, sources);
                match subject.tell(&path) {
                    Ok(value) => told.push(value),
                    Err(error) => missing_field = Some(error),
                }
            }
        }
    }
    match missing_field {
        // In another object of that name the field may exist.
        Some(error) if told.is_empty() => Err(error),
        // Why an application renders nothing is said already.
        _ if told.is_empty() && !failed => Err(unknown_object(found, asked, &there)),
        _ => Ok(told),
    }
}

fn unknown_object(found: &[&ResolvedUnit], asked: Asked<'_>, there: &[String]) -> Box<Diagnostic> {
    let name = found.first().map_or("", |unit| unit.unit.application.key.name.as_str());
    let mut there: Vec<&str> = there.iter().map(String::as_str).collect();
    there.sort_unstable();
    there.dedup();
    let error = *answer("explain/unknown-object", format!("application `{name}` renders no `{asked}`"));
    // The name ends at the first dot, as far as anybody can tell.
    let text = asked.to_string();
    let text = text.split(['.', '[']).next().unwrap_or_default();
    let error = match did_you_mean(text, there.iter().copied()) {
        Some(hint) => error.hint(hint),
        None => error,
    };
    Box::new(error.hint(format!("it renders {}", listed(&there, 20))))
}

/// `a, b, c and 4 more`.
fn listed<T: AsRef<str>>(all: &[T], most: usize) -> String {
    if all.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<String> = all.iter().take(most).map(|one| format!("`{}`", one.as_ref())).collect();
    match all.len() {
        many if many > most => format!("{} and {} more", shown.join(", "), many - most),
        _ => shown.join(", "),
    }
}

/// One object of one application on one cluster.
struct Subject<'a> {
    unit: &'a ResolvedUnit,
    resource: &'a Resource,
    sources: &'a SourceMap,
    cluster: &'a str,
    bundling: Bundling,
    /// The object as rendered and then printed, to compare the bundle with.
    printed: Node,
}

impl<'a> Subject<'a> {
    fn new(
        unit: &'a ResolvedUnit,
        resource: &'a Resource,
        compiled: &'a Compiled,
        bundled: &Bundled,
        sources: &'a SourceMap,
    ) -> Self {
        let cluster = compiled.fleet.clusters.get(unit.cluster).map_or("", |cluster| cluster.name.as_str());
        let bundling = explain::bundled(resource, unit, compiled, bundled);
        Subject { unit, resource, sources, cluster, bundling, printed: explain::as_printed(&resource.body) }
    }

    fn reference(&self) -> ObjectRef {
        match &self.bundling {
            Bundling::There(reference, _) => reference.clone(),
            Bundling::Not(_) => ObjectRef::of(&self.resource.body),
        }
    }

    fn place(&self, span: Span) -> Value {
        place(span, self.sources)
    }

    fn tell(&self, path: &FieldPath) -> Result<Value, Box<Diagnostic>> {
        let mut told = json!({
            "object": self.reference().to_string(),
            "application": self.unit.unit.application.key.to_string(),
            "cluster": self.cluster,
            "place": self.place(self.resource.origin.span),
            "steps": self.resource.origin.steps.iter().filter_map(|step| self.step(step)).collect::<Vec<_>>(),
            "bundle": self.bundle(),
        });
        if let (false, Some(fields)) = (path.is_root(), told.as_object_mut()) {
            fields.insert("field".to_owned(), self.field(path)?);
        }
        Ok(told)
    }

    /// A step with the fields that it changed; nothing for one that changed the order of keys only.
    fn step(&self, step: &Step) -> Option<Value> {
        let changes = match &step.before {
            Some(before) => {
                let changes = explain::changes(before, &step.after);
                if changes.is_empty() {
                    return None;
                }
                changes.into_iter().map(|change| change_value(change, Some(before), &step.after)).collect()
            }
            None => Vec::new(),
        };
        Some(self.step_value(step, ("changes", Value::Array(changes))))
    }

    fn step_value(&self, step: &Step, (name, more): (&str, Value)) -> Value {
        json!({
            "what": step.what, "detail": step.detail, "applicationEdit": step.by_application,
            "place": self.place(step.span), name: more,
        })
    }

    fn bundle(&self) -> Value {
        let body = match &self.bundling {
            Bundling::Not(why) => return json!({"bundled": false, "why": why}),
            Bundling::There(_, body) => body,
        };
        let steps: Vec<Value> = explain::changes(&self.printed, body)
            .into_iter()
            .map(|change| {
                let (what, span) = self.bundle_step(&change.path);
                let change = change_value(change, Some(&self.printed), body);
                json!({"what": what, "place": self.place(span), "changes": [change]})
            })
            .collect();
        json!({"bundled": true, "steps": steps})
    }

    fn bundle_step(&self, path: &FieldPath) -> (&'static str, Span) {
        let what = explain::bundle_step(path);
        let application = &self.unit.unit.application;
        let destination = application.destinations.get(self.unit.unit.destination);
        let span = if path.keys() == ["metadata", "namespace"] {
            destination.map_or(Span::NONE, |destination| destination.span)
        } else {
            Span::NONE
        };
        (what, span)
    }

    /// The value of a field, where it was written, and what changed it.
    fn field(&self, path: &FieldPath) -> Result<Value, Box<Diagnostic>> {
        let rendered = &self.resource.body;
        let path = &path.by_name(rendered);
        let end = match &self.bundling {
            Bundling::There(_, body) => body,
            Bundling::Not(_) => rendered,
        };
        let steps = &self.resource.origin.steps;
        let states = steps.iter().flat_map(|step| step.before.iter().chain([&step.after]));
        if states.chain([rendered, end]).all(|state| path.get(state).is_none()) {
            return Err(self.unknown_field(path, end));
        }
        let mut rows = Vec::new();
        // Some steps write into the text that is there, and the place stays that of the text.
        let mut changed_since = false;
        if let Some(first) = explain::first_state(self.resource)
            && path.get(first).is_some()
        {
            let at = explain::written(first, path).or(self.resource.origin.span);
            rows.push(json!({"what": "document", "detail": "", "applicationEdit": false, "place": self.place(at),
                "value": value(first, path), "written": null}));
        }
        for step in steps {
            let before = step.before.as_ref().and_then(|before| path.get(before));
            if before == path.get(&step.after) {
                continue;
            }
            // The text of a patch's file, where the value is new with it.
            let written = explain::written(&step.after, path);
            let is_new = before.is_none_or(|before| before.span() != written) && written != step.span;
            changed_since = !is_new;
            let mut row = self.step_value(step, ("value", value(&step.after, path)));
            if let Some(fields) = row.as_object_mut() {
                fields.insert("written".to_owned(), if is_new { self.place(written) } else { Value::Null });
            }
            rows.push(row);
        }
        if path.get(&self.printed) != path.get(end) && !matches!(self.bundling, Bundling::Not(_)) {
            let (what, span) = self.bundle_step(path);
            rows.push(json!({"what": what, "detail": "", "applicationEdit": false, "place": self.place(span),
                "value": value(end, path), "written": null}));
        }
        Ok(json!({
            "path": path.to_string(), "value": value(end, path),
            "place": self.place(explain::written(rendered, path)), "changedSince": changed_since, "steps": rows,
        }))
    }

    fn unknown_field(&self, path: &FieldPath, end: &Node) -> Box<Diagnostic> {
        let (there, missing, below) = path.reach(end);
        let mut error = *answer("explain/unknown-field", format!("{} has no field `{path}`", self.reference()));
        if let Some(hint) = did_you_mean(&missing, below.iter().map(String::as_str)) {
            error = error.hint(hint);
        }
        let whole = if there.is_root() { "the object".to_owned() } else { format!("`{there}`") };
        Box::new(error.hint(format!("{whole} has {}", listed(&below, 20))))
    }
}

fn value(object: &Node, path: &FieldPath) -> Value {
    data(path.get(&explain::masked(object)))
}

fn change_value(change: explain::Change, before: Option<&Node>, after: &Node) -> Value {
    let change = explain::hide(change, before, after);
    json!({"path": change.path.to_string(), "before": data(change.before.as_ref()), "after": data(change.after.as_ref())})
}

/// A value as JSON; null for none.
fn data(node: Option<&Node>) -> Value {
    let text = node.and_then(|node| json::to_json(node).ok());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null)
}

// ------------------------------------------------------------------------------------------------------------------------ for people

/// How many changed fields of a step are shown.
const MOST_CHANGES: usize = 12;
/// Characters of a value.
const MOST_CHARACTERS: usize = 60;

fn human(told: &Value) -> String {
    let head = format!(
        "{} of application {} on cluster {}",
        text(&told["object"]),
        text(&told["application"]),
        text(&told["cluster"])
    );
    match &told["field"] {
        Value::Null => format!("{head}\n{}", human_object(told)),
        field => format!("{} of {head}\n{}", text(&field["path"]), human_field(field)),
    }
}

fn human_object(told: &Value) -> String {
    let steps = items(&told["steps"]);
    let bundle = &told["bundle"];
    let mut rows: Vec<(Vec<String>, &[Value])> = Vec::new();
    // An object that a step made is written where that step is.
    if steps.first().is_none_or(|step| !items(&step["changes"]).is_empty()) {
        rows.push((vec!["document".to_owned(), text(&told["place"])], &[]));
    }
    for step in steps {
        rows.push((vec![label(step), text(&step["place"])], items(&step["changes"])));
    }
    for step in items(&bundle["steps"]) {
        rows.push((vec![label(step), text(&step["place"])], items(&step["changes"])));
    }
    let firsts = aligned(rows.iter().map(|(row, _)| row.clone()).collect());
    let mut out = String::new();
    for (first, (_, changes)) in firsts.iter().zip(&rows) {
        let _ = writeln!(out, "  {first}");
        let shown = changes.iter().take(MOST_CHANGES).map(|change| {
            let values = format!("{} → {}", shown(&change["before"]), shown(&change["after"]));
            vec![text(&change["path"]), values]
        });
        for line in aligned(shown.collect()) {
            let _ = writeln!(out, "    {line}");
        }
        if changes.len() > MOST_CHANGES {
            let _ = writeln!(out, "    and {} more", changes.len() - MOST_CHANGES);
        }
    }
    if let Some(why) = bundle["why"].as_str() {
        let _ = writeln!(out, "  not in the bundle: {why}");
    }
    out
}

fn human_field(field: &Value) -> String {
    let mut out = format!("  value    {}\n", shown(&field["value"]));
    if let Some(place) = field["place"].as_str() {
        let since = if field["changedSince"] == true { ", and changed since" } else { "" };
        let _ = writeln!(out, "  written  {place}{since}");
    }
    let rows = items(&field["steps"]).iter().map(|step| {
        let place = match step["written"].as_str() {
            Some(written) if step["place"].is_null() => written.to_owned(),
            Some(written) => format!("{}, from {written}", text(&step["place"])),
            None => text(&step["place"]),
        };
        vec![label(step), shown(&step["value"]), place]
    });
    for line in aligned(rows.collect()) {
        let _ = writeln!(out, "    {line}");
    }
    out
}

fn label(step: &Value) -> String {
    let mut label = if step["applicationEdit"] == true { "Application edit: ".to_owned() } else { String::new() };
    label.push_str(&text(&step["what"]));
    if let Some(detail) = step["detail"].as_str().filter(|detail| !detail.is_empty()) {
        let _ = write!(label, " {detail}");
    }
    label
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A value in one line.
fn shown(value: &Value) -> String {
    let line = match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        // In quotes what would read as another kind of value without.
        Value::String(text) if serde_json::from_str::<Value>(text).is_ok() => format!("\"{text}\""),
        Value::String(text) => text.replace('\n', "\\n"),
        other => other.to_string(),
    };
    if line.chars().count() <= MOST_CHARACTERS {
        return line;
    }
    line.chars().take(MOST_CHARACTERS - 1).chain(['…']).collect()
}

/// Rows with their columns under each other, two blanks apart, nothing at the end of lines.
fn aligned(rows: Vec<Vec<String>>) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
