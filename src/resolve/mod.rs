//! Phase 3, resolve: units into closed [`Job`]s. Revisions become trees, destinations clusters, sources renderers.
//!
//! A job is closed: what it renders depends on nothing but what it names, so equal jobs are rendered once. Nothing is read of the
//! manifests themselves but what decides the source's type: names of files, and the `.argocd-source` files.
//!
//! What is wrong with a destination is an error of the phase (`Resolved::diagnostics`), since then nobody knows which application is where.
//! What is wrong with a source, or refused by the project, is that unit's own (`ResolvedUnit::sources`), and holds it only. A link out of the repository matters
//! where something follows it: Argo CD refuses the whole repository then, here only what touches the link fails.

mod destination;
mod environment;
mod helm;
mod job;
mod patch;
mod plugin;
mod projects;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::application::{ANY_NAMESPACE, AppKey, Application, DEFAULT_NAMESPACE, Destination, Source};
use crate::cluster::Cluster;
use crate::diag::{Diagnostic, Diagnostics, Warned};
use crate::expand::Unit;
use crate::read::{self, Fleet, Instance};
use crate::span::Span;
use crate::world::World;
use crate::yaml::{Map, Node};
pub use job::*;

/// Resolves every unit: its cluster, and a job for each of its sources.
pub fn resolve(units: Vec<Unit>, fleet: &Fleet, world: &dyn World) -> Warned<Resolved> {
    let registry = destination::Registry::new(fleet);
    let mut sources = source::Sources::new(world, &fleet.engines);
    let mut resolved = Resolved::default();
    let mut projects = projects::Projects::new(fleet);
    let mut lost = Lost::default();
    let empty = Instance::default();
    let mut facts = BTreeMap::new();
    for unit in units {
        let application = &unit.application;
        let Some(destination) = application.destinations.get(unit.destination) else {
            let message = format!("`{}` has no destination", application.key);
            resolved.diagnostics.push(Diagnostic::error("resolve/destination", application.span, message));
            continue;
        };
        let cluster = match registry.find(application, destination) {
            Ok(cluster) => cluster,
            Err(found) => {
                lost.add(found, &application.key);
                continue;
            }
        };
        sources.warnings.extend(any_namespace(application, destination));
        let instance = fleet.instances.get(&application.key.instance).unwrap_or(&empty);
        let app_name = instance_name(&application.key, &instance.namespace);
        let Some(place) = fleet.clusters.get(cluster) else { continue };
        let (project, mut errors) = projects.check(application, destination, place, instance);
        let mut found = Vec::with_capacity(application.sources.len());
        // What is refused is not even fetched.
        let wanted = if errors.has_errors() { &[] } else { application.sources.as_slice() };
        let nondeterminism = nondeterminism(&application.key, fleet);
        let templates = templates(application, destination, place, fleet);
        let references = references(wanted, destination, &sources);
        let api = facts.entry(cluster).or_insert_with(|| std::sync::Arc::new(place.facts.api()));
        for (index, source) in wanted.iter().enumerate() {
            let context = source::Context {
                app_name: &app_name,
                name: &application.key.name,
                nondeterminism: &nondeterminism,
                templates: templates.as_ref(),
                plugins: &fleet.plugins,
                facts: api,
                references: &references,
                namespace: &destination.namespace,
                project: &application.project,
                several: application.sources.len() > 1,
                settings: &instance.settings,
                written: written(application, index),
                overrides: destination.overrides.as_ref(),
            };
            let source = patch::overridden(source, destination.overrides.as_ref());
            if let Some(one) = errors.take(sources.find(&source, &context)) {
                found.push(ResolvedSource {
                    request: one.request,
                    path: source.path.clone(),
                    commit: one.tree.commit,
                    working: one.tree.working,
                    job: one.job,
                    span: source.span,
                    place: context.rendered_place(&source),
                });
            }
        }
        let sources = if errors.has_errors() { Err(errors) } else { Ok(found) };
        resolved.units.push(ResolvedUnit { unit, cluster, project, sources });
    }
    resolved.diagnostics.extend(lost.finish());
    resolved.diagnostics.extend(projects.diagnostics);
    sources.warnings.extend(projects.warnings);
    resolved.wants = sources.wants.into_iter().collect();
    Warned { value: resolved, diagnostics: sources.warnings }
}

/// What is wrong with destinations, each problem once with those who go there.
#[derive(Default)]
struct Lost(Vec<(Diagnostic, Vec<String>)>);

impl Lost {
    fn add(&mut self, found: Diagnostics, application: &AppKey) {
        for error in found {
            let same = |known: &&mut (Diagnostic, Vec<String>)| known.0.message == error.message;
            match self.0.iter_mut().find(same) {
                Some((_, names)) => names.push(format!("`{application}`")),
                None => self.0.push((error, vec![format!("`{application}`")])),
            }
        }
    }

    fn finish(self) -> impl Iterator<Item = Diagnostic> {
        self.0.into_iter().map(|(error, mut names)| {
            names.dedup();
            let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            let who = match names.len() {
                1 => format!("{shown} goes there"),
                2 | 3 => format!("{shown} go there"),
                4 => format!("{shown} and one more application go there"),
                more => format!("{shown} and {} more applications go there", more - 3),
            };
            error.trace(Span::NONE, who)
        })
    }
}

/// Says that a destination names no namespace.
fn any_namespace(application: &Application, destination: &Destination) -> Option<Diagnostic> {
    if destination.namespace != ANY_NAMESPACE {
        return None;
    }
    let written = application.spec("destination").and_then(|node| node.get("namespace")).map_or(Span::NONE, Node::span);
    // Without the application's name: the many that one template makes are one finding.
    let message = "the destination's namespace `*` names none, so objects without a namespace get none from it";
    Some(
        Diagnostic::warning("resolve/namespace", written.or(destination.span), message)
            .hint("leave `namespace` out where every object names its own"),
    )
}

/// What fleet.yaml says of an application's templates.
fn nondeterminism(key: &AppKey, fleet: &Fleet) -> Nondeterminism {
    let mut rules = fleet.application_rules.iter().filter(|rule| rule.name.matches(&key.name));
    match rules.find_map(|rule| rule.nondeterminism).unwrap_or_default() {
        read::Nondeterminism::Refuse => Nondeterminism::Refuse,
        read::Nondeterminism::Derive { since } => Nondeterminism::Derive { application: key.to_string(), since },
        read::Nondeterminism::Allow => Nondeterminism::Allow(key.to_string()),
    }
}

/// What the templates of an application see, where fleet.yaml says that it has some: `app` without its source, `cluster`, `values`.
fn templates(application: &Application, destination: &Destination, cluster: &Cluster, fleet: &Fleet) -> Option<Node> {
    let key = &application.key;
    let mut rules = fleet.application_rules.iter().filter(|rule| rule.name.matches(&key.name));
    let values = rules.find_map(|rule| rule.templates.as_ref())?;
    let texts = |pairs: &[(&str, &str)]| {
        let mut map = Map::new();
        for (name, text) in pairs {
            map.insert(*name, Node::str(*text));
        }
        map
    };
    let strings = |pairs: &BTreeMap<String, String>| {
        Node::map(pairs.iter().map(|(name, text)| (Node::str(name.as_str()), Node::str(text.as_str()))).collect())
    };
    let app = [
        ("name", key.name.as_str()),
        ("namespace", destination.namespace.as_str()),
        ("project", application.project.as_str()),
    ];
    let mut place = texts(&[("name", cluster.name.as_str()), ("server", cluster.server.as_str())]);
    place.insert("labels", strings(&cluster.labels));
    place.insert("annotations", strings(&cluster.annotations));
    let mut scope = Map::new();
    scope.insert("app", Node::map(texts(&app)));
    scope.insert("cluster", Node::map(place));
    scope.insert("values", values.clone());
    Some(Node::map(scope))
}

/// The sources that others may take values files from, by `$name`.
fn references(
    sources: &[Source],
    destination: &Destination,
    known: &source::Sources<'_>,
) -> BTreeMap<String, helm::Reference> {
    let named = sources.iter().filter(|source| !source.reference.is_empty());
    named
        .map(|source| {
            let source = patch::overridden(source, destination.overrides.as_ref());
            let found = known.reference(&source);
            (format!("${}", source.reference), found)
        })
        .collect()
}

/// A source as it stands in the application, for places.
pub fn written(application: &Application, index: usize) -> Option<&Node> {
    let several = application.spec("sources").and_then(Node::as_seq).and_then(|sources| sources.get(index));
    several.or_else(|| application.spec("source"))
}

/// The name of an application where Argo CD has to tell it from those of other namespaces: `namespace_name` outside the control plane's
/// (`Application.InstanceName`).
pub fn instance_name(key: &AppKey, control_plane: &str) -> String {
    let own = if control_plane.is_empty() { DEFAULT_NAMESPACE } else { control_plane };
    if key.namespace.is_empty() || key.namespace == own {
        key.name.clone()
    } else {
        format!("{}_{}", key.namespace, key.name)
    }
}
