//! App-of-apps: declarations that renders yield, fed back until a round brings nothing new.
//!
//! An application is declared once. A second, equal declaration brings nothing new: it is dropped, unless the way to it leads through the
//! application itself and another one, which is a cycle. A second, different declaration is an error that shows both places.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Renders;
use crate::application::{AppKey, Application, Destination};
use crate::cluster::IN_CLUSTER_SERVER;
use crate::diag::{Diagnostic, Diagnostics};
use crate::expand::Unit;
use crate::read::{self, ApplicationSet, Fleet, ReadOptions, Reading};
use crate::resolve::ResolvedUnit;
use crate::span::Span;
use crate::yaml::{Map, Node};

/// What is known of the fleet's applications between rounds.
pub(super) struct State {
    /// Applications declared in this round.
    pub(super) new_applications: Vec<Application>,
    /// ApplicationSets declared in this round.
    pub(super) new_sets: Vec<ApplicationSet>,
    /// Who yielded each of `new_applications`, where somebody did.
    parents: BTreeMap<AppKey, AppKey>,
    /// Every application so far, with who yielded it.
    known: FxHashMap<AppKey, Known>,
    /// Every ApplicationSet so far.
    sets: BTreeMap<(String, String, String), ApplicationSet>,
}

struct Known {
    application: Arc<Application>,
    parent: Option<AppKey>,
}

impl State {
    /// The declarations of the files.
    pub(super) fn new(fleet: &Fleet) -> Self {
        let sets = fleet.application_sets.iter().map(|set| (set_key(set), set.clone())).collect();
        State {
            new_applications: fleet.applications.clone(),
            new_sets: fleet.application_sets.clone(),
            parents: BTreeMap::new(),
            known: FxHashMap::default(),
            sets,
        }
    }

    /// Whether the last round brought nothing new.
    pub(super) fn is_settled(&self) -> bool {
        self.new_applications.is_empty() && self.new_sets.is_empty()
    }

    /// Writes into the units of applications that were yielded who yielded them.
    pub(super) fn name_parents(&self, units: &mut [Unit]) {
        for unit in units.iter_mut().filter(|unit| unit.origin.application_set.is_none()) {
            if let Some(parent) = self.parents.get(&unit.application.key) {
                Arc::make_mut(&mut unit.origin).parent = Some(parent.clone());
            }
        }
    }

    /// The units of applications that are new; the others are dropped, with an error where that is not harmless.
    pub(super) fn admit(&mut self, units: Vec<Unit>, diagnostics: &mut Diagnostics, unknown: &mut bool) -> Vec<Unit> {
        let mut admitted = Vec::with_capacity(units.len());
        for unit in units {
            let key = &unit.application.key;
            let Some(known) = self.known.get(key) else {
                self.known.insert(
                    key.clone(),
                    Known { application: Arc::clone(&unit.application), parent: unit.origin.parent.clone() },
                );
                admitted.push(unit);
                continue;
            };
            if Arc::ptr_eq(&known.application, &unit.application) {
                // A further destination of the same application.
                admitted.push(unit);
                continue;
            }
            if let Some(error) = self.conflict(known, &unit) {
                *unknown = true;
                diagnostics.push(error);
            }
        }
        admitted
    }

    /// Why a second declaration of a known application is an error, if it is one.
    fn conflict(&self, known: &Known, unit: &Unit) -> Option<Diagnostic> {
        let key = &unit.application.key;
        if let Some(parent) = &unit.origin.parent
            && parent != key
            && let Some(chain) = self.chain(parent, key)
        {
            let mut error = Diagnostic::error(
                "expand/cycle",
                unit.application.span,
                format!(
                    "application `{key}` is yielded by an application that it yields itself: {}",
                    chain.join(" → ")
                ),
            )
            .hint("an application may contain its own definition, but no application that contains it");
            error = error.label(known.application.span, "declared here first");
            return Some(error);
        }
        if known.application.manifest == unit.application.manifest {
            return None;
        }
        Some(
            Diagnostic::error(
                "expand/duplicate-application",
                unit.application.span,
                format!("application `{key}` is declared twice, with different content"),
            )
            .label(known.application.span, "the other declaration")
            .hint("rename one of them, or remove it"),
        )
    }

    /// The way from `key` down to `parent`, if `parent` was yielded (over any steps) by `key`.
    fn chain(&self, parent: &AppKey, key: &AppKey) -> Option<Vec<String>> {
        let mut way = vec![key.to_string()];
        let mut at = parent;
        for _ in 0..=self.known.len() {
            way.push(at.to_string());
            if at == key {
                way.reverse();
                return Some(way);
            }
            at = self.known.get(at)?.parent.as_ref()?;
        }
        None
    }

    /// Looks through the renders of new units for declarations; afterwards `new_applications` and `new_sets` are those of the next round.
    pub(super) fn collect(
        &mut self,
        units: &[ResolvedUnit],
        renders: &Renders,
        fleet: &mut Fleet,
        options: &ReadOptions,
    ) -> Diagnostics {
        self.new_applications.clear();
        self.new_sets.clear();
        self.parents.clear();
        let mut diagnostics = Diagnostics::new();
        // Units of an app-of-apps on several clusters are separate control planes only where instances say so; the first one counts.
        let mut seen: Vec<&AppKey> = Vec::new();
        for unit in units {
            let key = &unit.unit.application.key;
            let Some(instance) = instance_of(unit, fleet) else { continue };
            if seen.last() == Some(&key) {
                continue;
            }
            for source in unit.sources.iter().flatten() {
                let Some(Ok(rendered)) = source.job.as_ref().and_then(|job| renders.get(job)) else { continue };
                let objects: Vec<_> = rendered
                    .resources
                    .iter()
                    .filter(|r| read::is_declaration(&r.body))
                    .map(|r| placed(&r.body, r.origin.span))
                    .collect();
                if objects.is_empty() {
                    continue;
                }
                let destination = unit.unit.application.destinations.get(unit.unit.destination);
                let reading = Reading {
                    instance: &instance,
                    namespace: destination.map_or("", Destination::default_namespace),
                    engine: fleet.engines.argocd,
                    strict: options.strict,
                };
                let declared = read::declarations(&objects, reading, Some(key));
                diagnostics.extend(declared.diagnostics);
                self.add(declared.value, key, fleet, &mut diagnostics);
            }
            seen.push(key);
        }
        diagnostics
    }

    fn add(&mut self, declared: read::Declarations, parent: &AppKey, fleet: &mut Fleet, diagnostics: &mut Diagnostics) {
        for application in declared.applications {
            self.parents.insert(application.key.clone(), parent.clone());
            self.new_applications.push(application);
        }
        for set in declared.application_sets {
            match self.sets.get(&set_key(&set)) {
                None => {
                    self.sets.insert(set_key(&set), set.clone());
                    fleet.application_sets.push(set.clone());
                    self.new_sets.push(set);
                }
                Some(other) if other.manifest == set.manifest => {}
                Some(other) => diagnostics.push(
                    Diagnostic::error(
                        "expand/duplicate-set",
                        set.span,
                        format!(
                            "ApplicationSet `{}/{}` is declared twice, with different content",
                            set.namespace, set.name
                        ),
                    )
                    .label(other.span, "the other declaration"),
                ),
            }
        }
        for project in declared.projects {
            let known = fleet.projects.iter().find(|p| p.instance == project.instance && p.name == project.name);
            match known {
                None => fleet.projects.push(project),
                Some(other) if other.manifest == project.manifest => {}
                Some(other) => diagnostics.push(
                    Diagnostic::error(
                        "read/duplicate-project",
                        project.span,
                        format!("AppProject `{}` is declared twice, with different content", project.name),
                    )
                    .label(other.span, "the other declaration"),
                ),
            }
        }
        fleet.projects.sort_by(|a, b| (&a.instance, &a.name).cmp(&(&b.instance, &b.name)));
    }

    /// The error of a chain of applications that does not end.
    pub(super) fn too_deep(&self) -> Diagnostic {
        let deepest = self.new_applications.first();
        let span = deepest.map_or(Span::NONE, |application| application.span);
        Diagnostic::error(
            "expand/too-deep",
            span,
            format!("applications yield applications more than {} levels deep", super::MAX_ROUNDS),
        )
    }
}

/// A declaration whose text was made by a template, with the template as its place.
fn placed(node: &Node, span: Span) -> Node {
    let mut node = if node.span().is_none() { node.clone().with_span(span) } else { return node.clone() };
    for (_, value) in node.map_mut().into_iter().flat_map(Map::iter_mut) {
        *value = placed(value, span);
    }
    for item in node.seq_mut().into_iter().flatten() {
        *item = placed(item, span);
    }
    node
}

/// The Argo CD instance that runs on a unit's cluster and so acts on Applications that the unit puts there; `None` where no instance of
/// this fleet does.
pub(super) fn instance_of(unit: &ResolvedUnit, fleet: &Fleet) -> Option<String> {
    let cluster = fleet.clusters.get(unit.cluster)?;
    let own = fleet.instances.get(&cluster.instance);
    if cluster.server_key() == IN_CLUSTER_SERVER
        || own.is_some_and(|own| own.in_cluster.as_deref() == Some(cluster.name.as_str()))
    {
        return Some(cluster.instance.clone());
    }
    let other = fleet.instances.values().find(|instance| instance.in_cluster.as_deref() == Some(cluster.name.as_str()));
    other.map(|instance| instance.name.clone())
}

fn set_key(set: &ApplicationSet) -> (String, String, String) {
    (set.instance.clone(), set.namespace.clone(), set.name.clone())
}
