//! What the project of an application says of its sources and its destination, and what is recorded of it for who applies.
//!
//! Order and rules of Argo CD `ValidatePermissions` and `GetAppVirtualProject` (util/argo/argo.go), and of `IsAppNamespacePermitted`. What a
//! project refuses holds the application that asked, nobody else. A project that is not declared may live outside the repository: that
//! is a warning and recorded, an error with `--strict`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::job::ProjectRecord;
use super::written;
use crate::application::{Application, Destination};
use crate::cluster::{Cluster, ClusterOrigin, IN_CLUSTER_NAME, IN_CLUSTER_SERVER};
use crate::diag::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::project::windows::Subject;
use crate::project::{self, Global, Refusal, Rules, Target};
use crate::read::{Fleet, Instance, Project};
use crate::span::Span;
use crate::yaml::Node;

/// Argo CD enforces a service account for every application, and from 3.5 on only unless this is `false`.
const ENFORCED: &str = "application.sync.impersonation.enforced";
const IMPERSONATE: &str = "application.sync.impersonation.enabled";

/// What a cluster is known by.
#[derive(PartialEq, Eq, Hash)]
enum Known<'a> {
    Name(&'a str),
    Server(&'a str),
}

/// The projects of a fleet, with what they inherit.
pub(super) struct Projects<'a> {
    fleet: &'a Fleet,
    declared: BTreeMap<(&'a str, &'a str), &'a Project>,
    globals: BTreeMap<&'a str, Vec<Global>>,
    /// Clusters that belong to a project, as instance, project, and name or server. A look at all clusters for each application took a
    /// seventh of a check of 5,000 applications on 100.
    own: FxHashSet<(&'a str, &'a str, Known<'a>)>,
    /// Rules by instance and name; `None` for a project that nobody declares.
    known: BTreeMap<(String, String), Option<Arc<Rules>>>,
    default_rules: Rules,
    reported: BTreeSet<(String, String)>,
    /// Errors about argocd-cm.
    pub(super) diagnostics: Diagnostics,
    /// Of the fleet as a whole.
    pub(super) warnings: Diagnostics,
}

impl<'a> Projects<'a> {
    pub(super) fn new(fleet: &'a Fleet) -> Self {
        let mut diagnostics = Diagnostics::new();
        let mut globals = BTreeMap::new();
        for (name, instance) in &fleet.instances {
            if let Some(text) = instance.settings.data.get("globalProjects") {
                globals.insert(name.as_str(), diagnostics.take(project::globals(text)).unwrap_or_default());
            }
        }
        let own = fleet.clusters.iter().flat_map(|cluster| {
            [Known::Name(&cluster.name), Known::Server(cluster.server_key())]
                .map(|known| (cluster.instance.as_str(), cluster.project.as_str(), known))
        });
        Projects {
            fleet,
            own: own.collect(),
            declared: fleet.projects.iter().map(|one| ((one.instance.as_str(), one.name.as_str()), one)).collect(),
            globals,
            known: BTreeMap::new(),
            default_rules: Rules::default_project(),
            reported: BTreeSet::new(),
            diagnostics,
            warnings: Diagnostics::new(),
        }
    }

    /// What the project says of an application on its way to a cluster; with errors, what it refuses.
    pub(super) fn check(
        &mut self,
        application: &Application,
        destination: &Destination,
        cluster: &Cluster,
        instance: &Instance,
    ) -> (ProjectRecord, Diagnostics) {
        let mut errors = Diagnostics::new();
        let name = if application.project.is_empty() { project::DEFAULT } else { &application.project };
        let target = self.target(cluster, instance, name);
        let Some(rules) = self.rules(&application.key.instance, name) else {
            self.unknown(application, name, &mut errors);
            let record = ProjectRecord { known: false, impersonate: None, windows: Vec::new(), rules: None, target };
            return (record, errors);
        };
        // The `default` that nobody declares may well be declared elsewhere, with namespaces of its own.
        let declared = self.declared.contains_key(&(application.key.instance.as_str(), name));
        let namespace = application.key.namespace.as_str();
        if declared && let Err(refusal) = rules.application_namespace(namespace, &instance.namespace) {
            let message = format!("the project `{name}` does not permit Applications in namespace `{namespace}`");
            let at = application.manifest.at(&["metadata", "namespace"]).map_or(Span::NONE, Node::span);
            errors.push(refused("project/source-namespace", at.or(application.span), message, &refusal));
        }
        for (index, source) in application.sources.iter().enumerate() {
            let Err(refusal) = rules.source(&source.repo_url) else { continue };
            let shown = crate::source::without_credentials(&source.repo_url);
            let message = format!("the project `{name}` does not permit the source `{shown}`");
            let at = written(application, index).and_then(|node| node.get("repoURL")).map_or(Span::NONE, Node::span);
            errors.push(refused("project/source", at.or(source.span).or(application.span), message, &refusal));
        }
        if let Err(refusal) = rules.destination(&target, &destination.namespace) {
            let message = format!(
                "the project `{name}` does not permit {} of cluster `{}`",
                match destination.namespace.as_str() {
                    "" => "applications without a namespace on namespaces".to_owned(),
                    namespace => format!("namespace `{namespace}`"),
                },
                target.name
            );
            let at = application.spec("destination").map_or(Span::NONE, Node::span).or(destination.span);
            errors.push(refused("project/destination", at.or(application.span), message, &refusal));
        }
        let setting = |key: &str| instance.settings.data.get(key).map_or("", |value| value.value.as_str());
        let mut impersonate = None;
        if setting(IMPERSONATE) == "true" {
            impersonate = rules.account(&target.server, &destination.namespace, namespace);
            let enforced = self.fleet.engines.argocd < (3, 5) || setting(ENFORCED) != "false";
            if impersonate.is_none() && enforced {
                let message = format!(
                    "the project `{name}` has no service account for namespace `{}` of cluster `{}`",
                    destination.namespace, target.name
                );
                let at = application.spec("destination").map_or(Span::NONE, Node::span).or(destination.span);
                let found = refused("project/service-account", at.or(application.span), message, &rules.no_account());
                errors.push(found.hint(format!("argocd-cm asks for one (`{IMPERSONATE}`)")));
            }
        }
        let subject = Subject {
            application: &application.key.name,
            cluster: &destination.name,
            server: &destination.server,
            namespace: &destination.namespace,
        };
        let windows = rules.windows.iter().filter(|window| window.applies(&subject));
        let windows = windows.map(|window| window.node.clone()).collect();
        (ProjectRecord { known: true, impersonate, windows, rules: Some(rules), target }, errors)
    }

    /// A cluster as Argo CD sees it.
    fn target(&self, cluster: &Cluster, instance: &Instance, project: &str) -> Target {
        let own_host = cluster.server_key() == IN_CLUSTER_SERVER && cluster.origin != ClusterOrigin::Secret;
        let renamed = instance.in_cluster.as_deref() == Some(cluster.name.as_str());
        let in_cluster = cluster.origin == ClusterOrigin::Implicit || (own_host && renamed);
        let name = if in_cluster { IN_CLUSTER_NAME } else { cluster.name.as_str() };
        let own = [Known::Name(&cluster.name), Known::Server(cluster.server_key())]
            .into_iter()
            .any(|known| self.own.contains(&(cluster.instance.as_str(), project, known)));
        Target { server: cluster.server_key().to_owned(), name: name.to_owned(), own }
    }

    /// The rules of a project, those of its global projects included.
    fn rules(&mut self, instance: &str, name: &str) -> Option<Arc<Rules>> {
        let key = (instance.to_owned(), name.to_owned());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let declared = self.declared.get(&(instance, name)).copied();
        let own = match declared {
            Some(project) => Some(project.rules.as_ref()),
            None => (name == project::DEFAULT).then_some(&self.default_rules),
        };
        let mut rules = own.cloned();
        let label = |key: &str| {
            let labels = declared.and_then(|project| project.manifest.at(&["metadata", "labels"]));
            labels.and_then(|labels| labels.get(key)).and_then(Node::text).map(|text| Cow::Owned(text.to_owned()))
        };
        if let Some(rules) = &mut rules {
            for global in self.globals.get(instance).into_iter().flatten().filter(|one| one.concerns(name, label)) {
                let Some(inherited) = self.declared.get(&(instance, global.project.as_str())) else {
                    // Argo CD, too, stops at the first one that is not there.
                    let message = format!(
                        "the project `{}`, from which `globalProjects` of argocd-cm lets others inherit, is not declared in this fleet",
                        global.project
                    );
                    let settings = self.fleet.instances.get(instance).map(|instance| &instance.settings.data);
                    let span =
                        settings.and_then(|data| data.get("globalProjects")).map_or(Span::NONE, |text| text.span);
                    self.warnings.push(
                        Diagnostic::warning("resolve/project", span, message)
                            .hint("add its AppProject, so that its rules can be checked"),
                    );
                    break;
                };
                rules.inherit(&inherited.rules);
            }
        }
        let rules = rules.map(Arc::new);
        self.known.insert(key, rules.clone());
        rules
    }

    /// Says that a project is not declared: once, or with `--strict` as an error of each application.
    fn unknown(&mut self, application: &Application, name: &str, errors: &mut Diagnostics) {
        let instance = application.key.instance.as_str();
        let span = application.spec("project").map_or(application.span, |node| node.span().or(application.span));
        let message = format!("the project `{name}` of `{}` is not declared in this fleet", application.key);
        let mut found = Diagnostic::warning("resolve/project", span, message);
        let of = self.fleet.projects.iter().filter(|project| project.instance == instance);
        found = match did_you_mean(name, of.map(|project| project.name.as_str())) {
            Some(near) => found.hint(near),
            None => found.hint("add its AppProject, so that its rules can be checked"),
        };
        if self.fleet.strict {
            found.severity = Severity::Error;
            errors.push(found);
        } else if self.reported.insert((instance.to_owned(), name.to_owned())) {
            self.warnings.push(found);
        }
    }
}

/// The error of a refusal: at the place in the application, with the rule that refuses beside it.
fn refused(code: &'static str, span: Span, message: String, refusal: &Refusal) -> Diagnostic {
    Diagnostic::error(code, span, message).label(refusal.span, refusal.reason())
}
