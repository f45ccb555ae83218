//! `fleetc expand`: the Applications that the fleet stands for, one YAML document each, sorted by name.

use std::process::ExitCode;

use fleetc::application::AppKey;
use fleetc::argo::manifest_for;
use fleetc::compile::Compiled;
use fleetc::diag::{Cause, Diagnostic, Diagnostics, Severity};
use fleetc::yaml::{Map, Node, emit, json};

use super::args::Expand;
use super::report;
use super::session::{Session, print_out};

/// Runs the command. Sources need not exist: what cannot be rendered is not looked into for further Applications, and that is said.
pub(crate) fn run(args: &Expand) -> ExitCode {
    let session = match Session::open(&args.fleet, None) {
        Ok(session) => session,
        Err(code) => return code,
    };
    let compiled = session.compile();
    let mut diagnostics = compiled.diagnostics;
    let compiled = compiled.value;
    let mut unseen: Diagnostics = Diagnostics::new();
    for unit in &compiled.units {
        unseen.extend(fleetc::compile::failures(unit, &compiled.renders));
    }
    unseen.settle(session.world.sources());
    let count = unseen.iter().filter(|d| d.is_error()).count();
    if count > 0 {
        let what = if count == 1 { "1 source".to_owned() } else { format!("{count} sources") };
        diagnostics.push(
            Diagnostic::note(
                "expand/unseen",
                fleetc::span::Span::NONE,
                format!("{what} could not be rendered; Applications that they may declare are not listed"),
            )
            .hint("`fleetc build` says why"),
        );
    }
    // An application exists wherever it goes: `build` refuses a destination that nobody knows, here it is worth a warning.
    for found in diagnostics.0.iter_mut().filter(|found| found.code == "resolve/destination") {
        found.severity = Severity::Warning;
    }
    // A missing tree of a generator is an error of its set; a missing source of an application is none here.
    diagnostics
        .0
        .retain(|d| !(d.severity == Severity::Error && d.cause == Cause::Source && d.code.starts_with("resolve/")));

    let sorted = manifests(&compiled);
    session.print_findings(&mut diagnostics);
    if session.is_json() {
        let list: Vec<serde_json::Value> =
            sorted.iter().filter_map(|manifest| serde_json::from_str(&json::to_json(manifest).ok()?).ok()).collect();
        session.print_json(&diagnostics, serde_json::json!({ "applications": list }));
    } else {
        let mut out = String::new();
        for (at, manifest) in sorted.iter().enumerate() {
            if at > 0 {
                out.push_str("---\n");
            }
            emit::to_yaml_into(manifest, &mut out);
        }
        print_out(&out);
    }
    ExitCode::from(report::exit_code(&diagnostics, false))
}

/// What an Argo CD would accept, sorted by name: one Application each, and of one with `destination.servers` one per cluster, with the
/// cluster's name behind its own.
fn manifests(compiled: &Compiled) -> Vec<Node> {
    let mut named: Vec<(String, &AppKey, Node)> = Vec::with_capacity(compiled.units.len());
    let known = compiled.units.iter().map(|unit| (&unit.unit, compiled.fleet.clusters.get(unit.cluster)));
    for (unit, cluster) in known.chain(compiled.unplaced.iter().map(|unit| (unit, None))) {
        let application = &unit.application;
        let mut manifest = manifest_for(application, unit.destination);
        let mut name = application.key.name.clone();
        if let (2.., Some(destination)) =
            (application.destinations.len(), application.destinations.get(unit.destination))
        {
            let written = if destination.name.is_empty() { &destination.server } else { &destination.name };
            let cluster = cluster.map_or(written.as_str(), |cluster| cluster.name.as_str());
            let valid = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
            name = format!("{name}-{}", cluster.chars().map(valid).collect::<String>().trim_matches('-'));
            if let Some(metadata) = manifest.get_mut("metadata").and_then(Node::map_mut) {
                metadata.insert("name", Node::str(name.as_str()));
            }
        }
        named.push((name, &application.key, typed(&manifest)));
    }
    named.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    named.into_iter().map(|(_, _, manifest)| manifest).collect()
}

/// With `apiVersion` and `kind` in front, so that the output can be applied as it is.
fn typed(manifest: &Node) -> Node {
    let mut object = Map::new();
    object.insert("apiVersion", Node::str("argoproj.io/v1alpha1"));
    object.insert("kind", Node::str("Application"));
    for (key, value) in manifest.as_map().iter().flat_map(|map| map.iter()) {
        object.push(key.clone(), value.clone());
    }
    Node::map(object)
}
