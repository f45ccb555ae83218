//! `fleetc explain`: where an application came from. Generator, element and template, cluster, sources, and the origin of every object.
//! Single objects and fields are in [`explain_object`].

use std::fmt::Write as _;
use std::process::ExitCode;

use fleetc::compile::{Compiled, failures};
use fleetc::diag::{Diagnostic, did_you_mean};
use fleetc::k8s::object::ObjectId;
use fleetc::lint;
use fleetc::read::Fleet;
use fleetc::resolve::{Renderer, ResolvedSource, ResolvedUnit};
use fleetc::span::{SourceMap, Span};
use serde_json::{Value, json};

use super::args::Explain;
use super::explain_object;
use super::report;
use super::session::{Session, print_out};

/// Runs the command.
pub(crate) fn run(args: &Explain) -> ExitCode {
    if let Some(rule) = lint::rule(&args.name) {
        return super::lint::explain(rule, &args.fleet.options);
    }
    let session = match Session::open(&args.fleet, None) {
        Ok(session) => session,
        Err(code) => return code,
    };
    let compiled = session.compile();
    let mut diagnostics = compiled.diagnostics;
    let compiled = compiled.value;
    let (name, object) = match args.name.split_once(':') {
        Some((name, object)) => (name, Some(object)),
        None => (args.name.as_str(), None),
    };
    let found: Vec<&ResolvedUnit> =
        compiled.units.iter().filter(|unit| is_meant(name, &unit.unit.application.key)).collect();
    if found.is_empty() {
        let names = compiled.units.iter().map(|unit| unit.unit.application.key.name.as_str());
        let mut unknown =
            Diagnostic::error("explain/unknown", Span::NONE, format!("there is no application `{name}` in this fleet"))
                .cause(fleetc::diag::Cause::Answer);
        let rules = lint::rules().map(|rule| rule.id).filter(|_| name.contains('/'));
        if let Some(hint) = did_you_mean(name, names.chain(rules)) {
            unknown = unknown.hint(hint);
        }
        diagnostics.push(unknown.hint("`fleetc expand` lists all applications"));
        session.print_findings(&mut diagnostics);
        if session.is_json() {
            session.print_json(&diagnostics, json!({}));
        }
        return ExitCode::from(report::exit_code(&diagnostics, true));
    }
    for unit in &found {
        diagnostics.extend(failures(unit, &compiled.renders));
    }
    if let Some(object) = object {
        return explain_object::run(&session, &compiled, &found, object, diagnostics);
    }
    let told: Vec<Value> = found.iter().map(|unit| tell(unit, &compiled, session.world.sources())).collect();
    session.print_findings(&mut diagnostics);
    if session.is_json() {
        session.print_json(&diagnostics, json!({ "applications": told }));
    } else {
        let mut out = String::new();
        for one in &told {
            write_human(one, &mut out);
        }
        print_out(&out);
    }
    ExitCode::from(report::exit_code(&diagnostics, false))
}

/// `name`, `namespace/name` or `instance/namespace/name`.
fn is_meant(asked: &str, key: &fleetc::application::AppKey) -> bool {
    let parts: Vec<&str> = asked.split('/').collect();
    match parts.as_slice() {
        [name] => key.name == *name,
        [namespace, name] => key.name == *name && key.namespace == *namespace,
        [instance, namespace, name] => key.name == *name && key.namespace == *namespace && key.instance == *instance,
        _ => false,
    }
}

pub(super) fn place(span: Span, sources: &SourceMap) -> Value {
    sources.locate(span).map_or(Value::Null, |at| Value::String(at.to_string()))
}

/// Everything there is to say about one application on one cluster, as data; people get the same in lines.
fn tell(unit: &ResolvedUnit, compiled: &Compiled, sources: &SourceMap) -> Value {
    let application = &unit.unit.application;
    let origin = &unit.unit.origin;
    let generators: Vec<Value> = origin
        .generators
        .iter()
        .map(|step| json!({"kind": step.kind, "place": place(step.span, sources), "element": step.element, "elementPlace": place(step.element_span, sources)}))
        .collect();
    let destination = application.destinations.get(unit.unit.destination);
    let rendered: Vec<Value> = match &unit.sources {
        Ok(list) => list.iter().map(|source| tell_source(source, compiled, sources)).collect(),
        Err(_) => Vec::new(),
    };
    json!({
        "name": application.key.to_string(),
        "project": application.project,
        "place": place(application.span, sources),
        "applicationSet": origin.application_set.as_ref().map(|(name, span)| json!({"name": name, "place": place(*span, sources)})),
        "generators": generators,
        "template": origin.template.map(|span| place(span, sources)),
        "parent": origin.parent.as_ref().map(ToString::to_string),
        "cluster": tell_cluster(unit, &compiled.fleet, sources),
        "namespace": destination.map(|d| d.namespace.clone()),
        "destinationPlace": destination.map(|d| place(d.span, sources)),
        "sources": rendered,
    })
}

fn tell_cluster(unit: &ResolvedUnit, fleet: &Fleet, sources: &SourceMap) -> Value {
    fleet.clusters.get(unit.cluster).map_or(
        Value::Null,
        |cluster| json!({"name": cluster.name, "server": cluster.server, "place": place(cluster.span, sources)}),
    )
}

fn tell_source(source: &ResolvedSource, compiled: &Compiled, sources: &SourceMap) -> Value {
    let (renderer, objects) = match &source.job {
        None => ("nothing (its files are used by other sources)", Vec::new()),
        Some(job) => {
            let renderer = match &job.renderer {
                Renderer::Directory { .. } => "directory",
                Renderer::Kustomize { .. } => "kustomize",
                Renderer::Helm(_) => "helm",
                Renderer::Plugin(_) => "plugin",
            };
            let objects = match compiled.renders.get(job) {
                Some(Ok(rendered)) => rendered
                    .resources
                    .iter()
                    .map(|resource| {
                        let edits: Vec<Value> = resource.origin.edits.iter().map(|span| place(*span, sources)).collect();
                        json!({"object": ObjectId::of(&resource.body).to_string(), "place": place(resource.origin.span, sources), "edits": edits})
                    })
                    .collect(),
                _ => Vec::new(),
            };
            (renderer, objects)
        }
    };
    let revision = if source.working { "working tree".to_owned() } else { source.commit.clone() };
    json!({
        "repository": source.request.url, "revision": source.request.revision, "resolved": revision, "path": source.path,
        "place": place(source.span, sources), "renderer": renderer, "objects": objects,
    })
}

fn write_human(one: &Value, out: &mut String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let at = |value: &Value| value.as_str().map_or(String::new(), |place| format!("   {place}"));
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let _ = writeln!(out, "Application {} in project {}", text(&one["name"]), text(&one["project"]));
    match &one["applicationSet"] {
        Value::Null => {
            let _ = writeln!(out, "  written as such{}", at(&one["place"]));
        }
        set => {
            let _ = writeln!(out, "  made by ApplicationSet {}{}", text(&set["name"]), at(&set["place"]));
            for (depth, step) in list(&one["generators"]).iter().enumerate() {
                let indent = "  ".repeat(depth + 2);
                let _ = writeln!(out, "{indent}generator {}{}", text(&step["kind"]), at(&step["place"]));
                if step["element"].as_str().is_some_and(|element| !element.is_empty()) {
                    let _ = writeln!(out, "{indent}  {}{}", text(&step["element"]), at(&step["elementPlace"]));
                }
            }
            let _ = writeln!(out, "    template{}", at(&one["template"]));
        }
    }
    if let Some(parent) = one["parent"].as_str() {
        let _ = writeln!(out, "  declared by what application {parent} renders");
    }
    let cluster = &one["cluster"];
    let _ = writeln!(
        out,
        "  on cluster {} ({}){}",
        text(&cluster["name"]),
        text(&cluster["server"]),
        at(&cluster["place"])
    );
    if one["namespace"].as_str().is_some_and(|namespace| !namespace.is_empty()) {
        let _ = writeln!(out, "  in namespace {}{}", text(&one["namespace"]), at(&one["destinationPlace"]));
    }
    for source in list(&one["sources"]) {
        let revision = match source["revision"].as_str() {
            None | Some("") => "HEAD".to_owned(),
            Some(revision) => revision.to_owned(),
        };
        let _ = writeln!(out, "  source {}{}", text(&source["repository"]), at(&source["place"]));
        let _ = writeln!(
            out,
            "    {} at {revision} ({}), rendered by {}",
            text(&source["path"]),
            text(&source["resolved"]),
            text(&source["renderer"])
        );
        for object in list(&source["objects"]) {
            let _ = writeln!(out, "      {}{}", text(&object["object"]), at(&object["place"]));
            for edit in list(&object["edits"]) {
                let _ = writeln!(out, "        changed by{}", at(&edit));
            }
        }
    }
}
