//! The last step of reading: the objects of the survey and of built kustomizations become a [`Fleet`].

use std::collections::BTreeMap;

use super::clusters::{self, Parts};
use super::declarations::{self, Declarations, Reading};
use super::fleet::{DefinitionKustomization, Fleet, Instance, Settings, Taken};
use super::objects::{Kind, flatten, kind_of, title};
use super::survey::Survey;
use crate::application::DEFAULT_NAMESPACE;
use crate::diag::{Diagnostic, Diagnostics, Warned};
use crate::path::TreePath;
use crate::span::{Span, Spanned};
use crate::yaml::Node;

/// An object that was taken, with where it came from.
struct Object {
    instance: String,
    path: TreePath,
    kind: Kind,
    node: Node,
}

/// The fleet of a survey, with the objects that its kustomizations were built to.
pub fn fleet(survey: Survey, built: Vec<(DefinitionKustomization, Vec<Node>)>) -> Warned<Fleet> {
    let mut diagnostics = Diagnostics::new();
    let mut objects: Vec<Object> = Vec::new();
    for file in survey.files {
        let (instance, path) = (file.instance, file.path);
        objects.extend(file.objects.into_iter().map(|(kind, node)| Object {
            instance: instance.clone(),
            path: path.clone(),
            kind,
            node,
        }));
    }
    for (definition, nodes) in built {
        for node in nodes.iter().flat_map(flatten) {
            let Some(kind) = kind_of(node) else { continue };
            if !definition.clusters_only || !kind.feeds_back() {
                objects.push(Object {
                    instance: definition.instance.clone(),
                    path: definition.directory.path.clone(),
                    kind,
                    node: node.clone(),
                });
            }
        }
    }
    objects.sort_by(|a, b| (&a.instance, &a.path).cmp(&(&b.instance, &b.path)));

    let configuration = &survey.configuration;
    let engines = survey.options.engines.or(configuration.engines).engines();
    let mut names: Vec<String> = configuration.instances.iter().map(|instance| instance.name.clone()).collect();
    if names.is_empty() {
        names.push(String::new());
    }
    let mut instances = BTreeMap::new();
    for name in names {
        let entry = configuration.instances.iter().find(|entry| entry.name == name);
        let own: Vec<&Object> = objects.iter().filter(|object| object.instance == name).collect();
        let namespace = entry.and_then(|entry| entry.namespace.clone()).unwrap_or_else(|| namespace_of(&own));
        let in_cluster = entry.and_then(|entry| entry.in_cluster.clone());
        let settings = settings(&own, &mut diagnostics);
        instances.insert(name.clone(), Instance { name, namespace, in_cluster, settings });
    }

    let mut declared = Declarations::default();
    let mut registered = Vec::new();
    let mut taken: BTreeMap<TreePath, Vec<String>> = BTreeMap::new();
    for object in &objects {
        taken.entry(object.path.clone()).or_default().push(title(&object.node));
        let namespace = instances.get(&object.instance).map_or(DEFAULT_NAMESPACE, |instance| &instance.namespace);
        let reading =
            Reading { instance: &object.instance, namespace, engine: engines.argocd, strict: survey.options.strict };
        if matches!(object.kind, Kind::Cluster | Kind::ClusterStub) {
            registered.extend(clusters::declared(object.kind, &object.node, &object.instance, &mut diagnostics));
        } else {
            declarations::read(object.kind, &object.node, reading, None, &mut declared, &mut diagnostics);
        }
    }
    let enabled = instances.values().map(|instance| {
        let setting = instance.settings.data.get("cluster.inClusterEnabled");
        (instance.name.clone(), setting.is_none_or(|value| value.value != "false"))
    });
    let joining = survey.options.joining.clone();
    let parts = Parts { declared: registered, joining, configuration, instances: enabled.collect() };
    let clusters = clusters::registry(parts, &mut diagnostics);
    diagnostics.extend(crate::rollout::check(&configuration.rollout, &clusters));

    declared.applications.sort_by(|a, b| a.key.cmp(&b.key));
    declared.application_sets.sort_by(|a, b| set_key(a).cmp(&set_key(b)));
    declared.projects.sort_by(|a, b| (&a.instance, &a.name).cmp(&(&b.instance, &b.name)));
    refuse_duplicates(&mut declared, &mut diagnostics);
    let mut value = Fleet {
        name: configuration.name.clone(),
        engines,
        instances,
        clusters,
        projects: declared.projects,
        applications: declared.applications,
        application_sets: declared.application_sets,
        repositories: configuration.repositories.clone(),
        contexts: configuration.contexts.clone(),
        output: configuration.output.clone(),
        application_rules: configuration.applications.clone(),
        shared: configuration.shared.clone(),
        apply: configuration.apply.clone(),
        publish: configuration.publish.clone(),
        environments: configuration.environments.clone(),
        rollout: configuration.rollout.clone(),
        secrets: configuration.secrets,
        answers: survey.answers,
        plugins: configuration.plugins.clone(),
        lint: configuration.lint.clone(),
        policies: configuration.policies.clone(),
        fact_files: configuration.fact_files.clone(),
        taken: Vec::new(),
        skipped: survey.skipped,
        strict: survey.options.strict,
    };
    value.taken = taken
        .into_iter()
        .map(|(path, mut objects)| {
            objects.sort();
            Taken { path, objects }
        })
        .collect();
    Warned { value, diagnostics }
}

/// The control plane's namespace: that of argocd-cm, else the one in which all clusters and projects are, else `argocd`.
fn namespace_of(objects: &[&Object]) -> String {
    let of = |kinds: &[Kind]| {
        let mut found: Vec<&str> = objects
            .iter()
            .filter(|object| kinds.contains(&object.kind))
            .filter_map(|object| object.node.at(&["metadata", "namespace"])?.as_str())
            .filter(|namespace| !namespace.is_empty())
            .collect();
        found.sort_unstable();
        found.dedup();
        match found.as_slice() {
            [one] => Some((*one).to_owned()),
            _ => None,
        }
    };
    of(&[Kind::Settings])
        .or_else(|| of(&[Kind::Cluster, Kind::Project]))
        .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())
}

/// argocd-cm. Two that say the same are one.
fn settings(objects: &[&Object], diagnostics: &mut Diagnostics) -> Settings {
    let mut first: Option<(Settings, Span)> = None;
    for object in objects.iter().filter(|object| object.kind == Kind::Settings) {
        let mut data = BTreeMap::new();
        let entries = object.node.get("data").and_then(Node::as_map).into_iter().flat_map(|map| map.iter());
        for (key, value) in entries {
            let Some(key) = key.text() else { continue };
            if let Some(text) = value.as_str() {
                data.insert(key.to_owned(), Spanned::new(text.to_owned(), value.span()));
            } else if !value.is_null() {
                let message = format!("the setting `{key}` must be a string, not {}", value.what());
                diagnostics.push(Diagnostic::error("read/settings", value.span(), message).hint("write it in quotes"));
            }
        }
        let span = object.node.span();
        match &first {
            None => first = Some((Settings { data }, span)),
            Some((known, other)) => {
                let same = known.data.len() == data.len()
                    && known.data.iter().zip(&data).all(|(a, b)| a.0 == b.0 && a.1.value == b.1.value);
                if !same {
                    diagnostics.push(
                        Diagnostic::error("read/duplicate", span, "there are two argocd-cm with different settings")
                            .label(*other, "the other one")
                            .hint("list the definitions of the fleet in fleet.yaml, for several Argo CD under `instances`"),
                    );
                }
            }
        }
    }
    first.map(|(settings, _)| settings).unwrap_or_default()
}

fn set_key(set: &super::fleet::ApplicationSet) -> (&str, &str, &str) {
    (&set.instance, &set.namespace, &set.name)
}

fn refuse_duplicates(declared: &mut Declarations, diagnostics: &mut Diagnostics) {
    let place =
        |manifest: &Node, span: Span| manifest.at(&["metadata", "name"]).map_or(Span::NONE, Node::span).or(span);
    keep_first(
        &mut declared.applications,
        |a| a.key.clone(),
        |a| (format!("Application `{}`", a.key), place(&a.manifest, a.span)),
        diagnostics,
    );
    keep_first(
        &mut declared.application_sets,
        |set| (set.instance.clone(), set.namespace.clone(), set.name.clone()),
        |set| (format!("ApplicationSet `{}/{}`", set.namespace, set.name), place(&set.manifest, set.span)),
        diagnostics,
    );
    keep_first(
        &mut declared.projects,
        |project| (project.instance.clone(), project.name.clone()),
        |project| (format!("AppProject `{}`", project.name), place(&project.manifest, project.span)),
        diagnostics,
    );
}

/// Keeps the first of items with one key, reports the others, all of one key together. The items are sorted by key.
fn keep_first<T, K: PartialEq>(
    items: &mut Vec<T>,
    key: impl Fn(&T) -> K,
    describe: impl Fn(&T) -> (String, Span),
    diagnostics: &mut Diagnostics,
) {
    let mut kept: Vec<T> = Vec::with_capacity(items.len());
    let mut again: Option<Diagnostic> = None;
    for item in items.drain(..) {
        match kept.last() {
            Some(last) if key(last) == key(&item) => {
                let ((name, span), (_, first)) = (describe(&item), describe(last));
                again = Some(match again.take() {
                    None => Diagnostic::error("read/duplicate", span, format!("the {name} is declared twice"))
                        .label(first, "the other declaration")
                        .hint("list the definitions of the fleet in fleet.yaml, for several Argo CD under `instances`"),
                    Some(found) => {
                        let message = format!("the {name} is declared {} times", found.labels.len() + 2);
                        Diagnostic { message, ..found.label(span, "another declaration") }
                    }
                });
            }
            _ => {
                diagnostics.extend(again.take());
                kept.push(item);
            }
        }
    }
    diagnostics.extend(again);
    *items = kept;
}
