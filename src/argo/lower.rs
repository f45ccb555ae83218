//! An Application object, typed: names checked, sources and destinations validated as Argo CD does before it compares anything.
//!
//! Rules of `util/argo/argo.go` (`validateSourcePermissions`, `GetDestinationServer`, `GetRefSources`) as far as they need no repository
//! and no cluster; whether a repository, project or cluster exists is not asked here. Of a hydrated application the dry source counts:
//! it is what somebody wrote and what has to be rendered, the sync source is a rendered branch.

use std::collections::BTreeMap;

use super::names::{dns_label_problem, dns_subdomain_problem};
use super::normalize::{normalize, normalize_spec};
use super::schema::Engine;
use super::tables::APPLICATION;
use crate::application::{AppKey, Application, Destination, Source};
use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::span::Span;
use crate::yaml::{Map, Node};

/// What an Application object does not say itself.
#[derive(Clone, Debug)]
pub struct Lowering {
    /// The Argo CD instance; empty for the only one.
    pub instance: String,
    /// Namespace of objects that name none.
    pub namespace: String,
    /// Whose types.
    pub engine: Engine,
}

/// The typed Application of an object. Unknown fields and wrong types are not reported again ([`check`](super::check())), they are dropped.
///
/// # Errors
/// All problems of names, sources and destinations, each at its place.
pub fn lower(object: &Node, lowering: &Lowering) -> Checked<Application> {
    let mut found = Diagnostics::new();
    let object_span = object.span();
    let normal = normalize(object, &APPLICATION, lowering.engine);
    let empty = Node::map(Map::new()).with_span(object_span);
    let metadata = normal.get("metadata").unwrap_or(&empty);
    let mut spec = normalize_spec(normal.get("spec").cloned().unwrap_or_else(|| empty.clone()));
    let place = |node: Option<&Node>| node.map_or(Span::NONE, Node::span).or(metadata.span()).or(object_span);

    let name = text(metadata, "name");
    if let Some(problem) = dns_subdomain_problem(&name) {
        let message = if name.is_empty() {
            "the Application has no name".to_owned()
        } else {
            format!("the Application name `{name}` {problem}")
        };
        found.push(Diagnostic::error("argo/name", place(metadata.get("name")), message));
    }
    let mut namespace = text(metadata, "namespace");
    if namespace.is_empty() {
        namespace.clone_from(&lowering.namespace);
    }
    if let Some(problem) = dns_label_problem(&namespace) {
        let message = format!("the namespace `{namespace}` of the Application {problem}");
        found.push(Diagnostic::error("argo/name", place(metadata.get("namespace")), message));
    }
    let project = text(&spec, "project");
    if let Some(problem) = dns_subdomain_problem(&project) {
        let span = spec.get("project").map_or(Span::NONE, Node::span).or(object_span);
        found.push(Diagnostic::error("argo/name", span, format!("the project name `{project}` {problem}")));
    }

    let sources = sources(&spec, object_span, &mut found);
    let destinations = destinations(&mut spec, &sources, object_span, &mut found);
    if found.has_errors() {
        return Err(found);
    }
    let manifest: Map = [("metadata", metadata.clone()), ("spec", spec)]
        .into_iter()
        .map(|(key, value)| (Node::str(key), value))
        .collect();
    Ok(Application {
        key: AppKey { instance: lowering.instance.clone(), namespace, name },
        labels: strings(metadata.get("labels")),
        annotations: strings(metadata.get("annotations")),
        finalizers: list(metadata.get("finalizers")),
        project,
        sources,
        destinations,
        manifest: Node::map(manifest).with_span(object_span),
        span: object_span,
    })
}

/// `metadata` and `spec` of one destination of an Application, as an Argo CD would accept them: with `destination.servers`, one entry in
/// place of the list, and its overrides applied to the source.
pub fn manifest_for(application: &Application, destination: usize) -> Node {
    let mut manifest = application.manifest.clone();
    let Some(chosen) = application.destinations.get(destination) else { return manifest };
    let Some(spec) = manifest.get_mut("spec").and_then(Node::map_mut) else { return manifest };
    let mut fields = Map::new();
    for (field, value) in [("server", &chosen.server), ("namespace", &chosen.namespace), ("name", &chosen.name)] {
        if !value.is_empty() {
            fields.insert(field, Node::str(value.as_str()));
        }
    }
    spec.insert("destination", Node::map(fields).with_span(chosen.span));
    if let Some(overrides) = chosen.overrides.as_ref().and_then(Node::as_map)
        && let Some(source) = spec.get_mut("source").and_then(Node::map_mut)
    {
        override_source(source, overrides);
    }
    manifest
}

/// `path` and `targetRevision` replace the source's; of `helm` and `kustomize` each field given replaces the source's.
fn override_source(source: &mut Map, overrides: &Map) {
    for (key, value) in overrides.iter() {
        let Some(name) = key.text() else { continue };
        match (source.get_mut(name).and_then(Node::map_mut), value.as_map()) {
            (Some(options), Some(changes)) => {
                for (field, value) in changes.iter() {
                    options.insert(field.text().unwrap_or_default(), value.clone());
                }
            }
            _ => source.insert(name, value.clone()),
        }
    }
}

fn sources(spec: &Node, object: Span, found: &mut Diagnostics) -> Vec<Source> {
    let place = |node: &Node| node.span().or(spec.span()).or(object);
    if let Some(hydrator) = spec.get("sourceHydrator") {
        return hydrated(hydrator, place(hydrator), found);
    }
    let several = spec.get("sources").and_then(Node::as_seq).filter(|sources| !sources.is_empty());
    let Some(several) = several else {
        let Some(node) = spec.get("source") else {
            let message = "the Application has no source";
            found.push(
                Diagnostic::error("argo/source", spec.span().or(object), message)
                    .hint("give `spec.source` or `spec.sources`"),
            );
            return Vec::new();
        };
        let source = source(node, place(node));
        if source.repo_url.is_empty() {
            found.push(missing(&source, "repoURL", "the source"));
        } else if source.path.is_empty() && source.chart.is_empty() {
            found.push(missing(&source, "path", "the source").hint("for a chart of a Helm repository give `chart`"));
        }
        chart_revision(&source, found);
        return vec![source];
    };
    let mut all = Vec::new();
    let mut references: BTreeMap<String, Span> = BTreeMap::new();
    for node in several {
        let source = source(node, place(node));
        if source.repo_url.is_empty() {
            found.push(missing(&source, "repoURL", "this source"));
        } else if source.path.is_empty() && source.chart.is_empty() && source.reference.is_empty() {
            found.push(missing(&source, "path", "this source").hint("one of `path`, `chart` and `ref` is needed"));
        }
        chart_revision(&source, found);
        if !source.reference.is_empty() {
            let span = node.get("ref").map_or(source.span, Node::span).or(source.span);
            let fits = source.reference.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            if !fits {
                let message = format!("the `ref` `{}` may hold only letters, digits, `_` and `-`", source.reference);
                found.push(Diagnostic::error("argo/source", span, message));
            }
            if let Some(first) = references.insert(source.reference.clone(), span) {
                let message = format!("two sources have the `ref` `{}`", source.reference);
                found.push(Diagnostic::error("argo/source", span, message).label(first, "the first one"));
            }
        }
        all.push(source);
    }
    all
}

fn hydrated(hydrator: &Node, span: Span, found: &mut Diagnostics) -> Vec<Source> {
    let empty = Node::null();
    let dry = hydrator.get("drySource").unwrap_or(&empty);
    let target = |field: &str| hydrator.get(field).map(|to| text(to, "targetBranch"));
    if text(dry, "repoURL").is_empty() {
        let message = "`repoURL` is missing in `sourceHydrator.drySource`";
        found.push(Diagnostic::error("argo/source", dry.span().or(span), message));
    }
    if target("syncSource").is_none_or(|branch| branch.is_empty()) {
        let message = "`targetBranch` is missing in `sourceHydrator.syncSource`";
        found.push(Diagnostic::error("argo/source", span, message));
    }
    if target("hydrateTo").is_some_and(|branch| branch.is_empty()) {
        let message = "`targetBranch` is missing in `sourceHydrator.hydrateTo`";
        found.push(Diagnostic::error("argo/source", span, message));
    }
    let mut source = source(dry, dry.span().or(span));
    if source.path.is_empty() {
        ".".clone_into(&mut source.path);
    }
    vec![source]
}

fn missing(source: &Source, field: &str, what: &str) -> Diagnostic {
    Diagnostic::error("argo/source", source.span, format!("`{field}` is missing in {what}"))
}

fn chart_revision(source: &Source, found: &mut Diagnostics) {
    if !source.chart.is_empty() && source.target_revision.is_empty() {
        let diagnostic = missing(source, "targetRevision", "a source with a chart");
        found.push(diagnostic.hint(format!("give the version of `{}`, or a constraint such as `1.*`", source.chart)));
    }
}

fn source(node: &Node, span: Span) -> Source {
    Source {
        repo_url: text(node, "repoURL"),
        path: text(node, "path"),
        target_revision: text(node, "targetRevision"),
        tag_prefix: text(node, "tagPrefix"),
        chart: text(node, "chart"),
        reference: text(node, "ref"),
        name: text(node, "name"),
        helm: node.get("helm").cloned(),
        kustomize: node.get("kustomize").cloned(),
        directory: node.get("directory").cloned(),
        plugin: node.get("plugin").cloned(),
        span,
    }
}

/// The destinations; `servers` is taken out of `spec`.
fn destinations(spec: &mut Node, sources: &[Source], object: Span, found: &mut Diagnostics) -> Vec<Destination> {
    let spec_span = spec.span().or(object);
    let several = sources.len() > 1;
    let Some(node) = spec.get_mut("destination") else { return Vec::new() };
    let servers = node.map_mut().and_then(|map| map.remove("servers"));
    let span = node.span().or(spec_span);
    let base = destination(node, span);
    if let Some(problem) = Some(base.default_namespace()).filter(|name| !name.is_empty()).and_then(dns_label_problem) {
        let at = node.get("namespace").map_or(span, Node::span).or(span);
        found.push(Diagnostic::error("argo/name", at, format!("the namespace `{}` {problem}", base.namespace)));
    }
    let Some(servers) = servers else {
        check_destination(&base, "the destination", found);
        return vec![base];
    };
    if !base.server.is_empty() || !base.name.is_empty() {
        let other = if base.server.is_empty() { "name" } else { "server" };
        let message = format!("the destination has both `servers` and `{other}`");
        found.push(Diagnostic::error("argo/destination", span, message).hint(format!("move `{other}` into the list")));
    }
    let entries = servers.as_seq().unwrap_or_default();
    if entries.is_empty() {
        found.push(Diagnostic::error("argo/destination", servers.span().or(span), "`servers` is empty"));
    }
    let mut all: Vec<Destination> = Vec::new();
    for entry in entries {
        let at = entry.span().or(span);
        let mut one = match entry.as_str() {
            // A URL is a server, anything else the name of a cluster.
            Some(text) if text.contains("://") => Destination { server: text.to_owned(), ..blank(at) },
            Some(text) => Destination { name: text.to_owned(), ..blank(at) },
            None => destination(entry, at),
        };
        check_destination(&one, "this entry of `servers`", found);
        if one.namespace.is_empty() {
            one.namespace.clone_from(&base.namespace);
        } else if let Some(problem) =
            Some(one.default_namespace()).filter(|name| !name.is_empty()).and_then(dns_label_problem)
        {
            found.push(Diagnostic::error("argo/name", at, format!("the namespace `{}` {problem}", one.namespace)));
        }
        one.overrides = overrides(entry);
        if several && one.overrides.is_some() {
            let message = "an entry of `servers` cannot change the source of an Application with several sources";
            found.push(Diagnostic::error("argo/destination", at, message));
        }
        let same = |other: &&Destination| other.name == one.name && server_key(other) == server_key(&one);
        if let Some(first) = all.iter().find(same) {
            let message = format!("`{}{}` is twice in `servers`", one.server, one.name);
            found.push(Diagnostic::error("argo/destination", at, message).label(first.span, "the first one"));
        }
        all.push(one);
    }
    all
}

fn server_key(destination: &Destination) -> &str {
    destination.server.trim_end_matches('/')
}

fn check_destination(destination: &Destination, what: &str, found: &mut Diagnostics) {
    let message = match (destination.server.is_empty(), destination.name.is_empty()) {
        (true, true) => format!("{what} has neither `server` nor `name`"),
        (false, false) => format!("{what} has both `server` and `name`"),
        _ => return,
    };
    found.push(Diagnostic::error("argo/destination", destination.span, message));
}

fn blank(span: Span) -> Destination {
    Destination { server: String::new(), name: String::new(), namespace: String::new(), overrides: None, span }
}

fn destination(node: &Node, span: Span) -> Destination {
    Destination {
        server: text(node, "server"),
        name: text(node, "name"),
        namespace: text(node, "namespace"),
        overrides: None,
        span,
    }
}

fn overrides(entry: &Node) -> Option<Node> {
    let fields: Map = entry
        .as_map()?
        .iter()
        .filter(|(key, _)| matches!(key.text(), Some("path" | "targetRevision" | "helm" | "kustomize")))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    (!fields.is_empty()).then(|| Node::map(fields).with_span(entry.span()))
}

fn text(node: &Node, field: &str) -> String {
    node.get(field).and_then(Node::as_str).unwrap_or_default().to_owned()
}

fn list(node: Option<&Node>) -> Vec<String> {
    let items = node.and_then(Node::as_seq).unwrap_or_default();
    items.iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

fn strings(node: Option<&Node>) -> BTreeMap<String, String> {
    let Some(map) = node.and_then(Node::as_map) else { return BTreeMap::new() };
    map.iter().filter_map(|(key, value)| Some((key.text()?.to_owned(), value.as_str()?.to_owned()))).collect()
}
