//! What bundle.yaml says of an application, from its unit.

use std::sync::Arc;

use super::finish::Finish;
use super::index::{ALL_API_VERSIONS, Entry, FactsRecord, NamespaceRecord, SourceRecord, State, WORKING_TREE};
use crate::application::{Application, Source};
use crate::k8s::order;
use crate::render::Rendered;
use crate::resolve::{ResolvedSource, ResolvedUnit};
use crate::source::SourceKind;
use crate::yaml::{Map, Node};

/// The sync option by which Argo CD creates the destination's namespace.
const CREATE_NAMESPACE: &str = "CreateNamespace=true";

/// The entry of an application without files; `finish` is absent where nothing could be rendered.
pub(super) fn entry(unit: &ResolvedUnit, finish: Option<&Finish>) -> Entry {
    let application = &unit.unit.application;
    let origin = &unit.unit.origin;
    let destination = application.destinations.get(unit.unit.destination);
    let namespace = destination.map(|destination| destination.default_namespace().to_owned()).unwrap_or_default();
    let sync_options = sync_options(application);
    Entry {
        key: application.key.clone(),
        state: State::Ok,
        why: String::new(),
        project: application.project.clone(),
        project_known: unit.project.known,
        impersonate: unit.project.impersonate.clone(),
        windows: unit.project.windows.clone(),
        application_set: origin.application_set.as_ref().map(|(name, _)| name.clone()).unwrap_or_default(),
        step: origin.step.clone(),
        parent: origin.parent.clone(),
        sources: sources(unit),
        sync_policy: sync_policy(application),
        finalizers: application.finalizers.clone(),
        ignore_differences: application.spec("ignoreDifferences").cloned(),
        wave: order::sync_wave(&application.manifest),
        namespaces: namespaces(application, &sync_options, &namespace),
        declares: finish.map(|finish| finish.declares.clone()).unwrap_or_default(),
        excluded: finish.map(|finish| finish.excluded.clone()).unwrap_or_default(),
        facts: finish.map(|finish| finish.facts.clone()).unwrap_or_default(),
        yields: Vec::new(),
        files: Default::default(),
        shown: Default::default(),
        sync_options,
        namespace,
    }
}

/// What the renders of an application read of the cluster.
pub(super) fn facts(renders: &[Arc<Rendered>]) -> FactsRecord {
    let mut record = FactsRecord::default();
    for read in renders.iter().map(|render| &render.facts) {
        if read.kube_version.is_some() {
            record.kube_version.clone_from(&read.kube_version);
        }
        record.api_versions.extend(read.api_versions.clone());
        if read.all_api_versions {
            record.api_versions.insert(ALL_API_VERSIONS.to_owned(), true);
        }
        record.assumed.extend(read.assumed.iter().map(ToString::to_string));
    }
    record
}

fn sync_options(application: &Application) -> Vec<String> {
    let options = application.spec("syncPolicy").and_then(|policy| policy.get("syncOptions")).and_then(Node::as_seq);
    options.unwrap_or_default().iter().filter_map(Node::text).map(str::to_owned).collect()
}

fn sync_policy(application: &Application) -> Option<Node> {
    let mut policy = application.spec("syncPolicy")?.clone();
    policy.map_mut()?.remove("syncOptions");
    policy.as_map().is_some_and(|map| !map.is_empty()).then_some(policy)
}

fn namespaces(application: &Application, options: &[String], namespace: &str) -> Vec<NamespaceRecord> {
    if namespace.is_empty() || !options.iter().any(|option| option == CREATE_NAMESPACE) {
        return Vec::new();
    }
    let managed = |field: &str| {
        let node = application.spec("syncPolicy")?.at(&["managedNamespaceMetadata", field])?;
        node.as_map().filter(|map: &&Map| !map.is_empty()).map(|_| node.clone())
    };
    vec![NamespaceRecord { name: namespace.to_owned(), labels: managed("labels"), annotations: managed("annotations") }]
}

fn sources(unit: &ResolvedUnit) -> Vec<SourceRecord> {
    let written = &unit.unit.application.sources;
    match &unit.sources {
        Ok(sources) => sources.iter().enumerate().map(|(at, source)| resolved(source, written.get(at))).collect(),
        Err(_) => written.iter().map(unresolved).collect(),
    }
}

fn resolved(source: &ResolvedSource, written: Option<&Source>) -> SourceRecord {
    SourceRecord {
        repo_url: source.request.url.clone(),
        target_revision: source.request.revision.clone(),
        path: source.path.clone(),
        chart: match &source.request.kind {
            SourceKind::Chart(chart) => chart.clone(),
            _ => String::new(),
        },
        reference: written.map(|source| source.reference.clone()).unwrap_or_default(),
        revision: if source.working { WORKING_TREE.to_owned() } else { source.commit.clone() },
    }
}

fn unresolved(source: &Source) -> SourceRecord {
    SourceRecord {
        repo_url: source.repo_url.clone(),
        target_revision: source.target_revision.clone(),
        path: source.path.clone(),
        chart: source.chart.clone(),
        reference: source.reference.clone(),
        revision: String::new(),
    }
}
