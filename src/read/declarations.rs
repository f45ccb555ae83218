//! Objects of Argo CD's API as declarations of a fleet: checked, typed, named. From files and from renders (app-of-apps) alike.

use std::sync::Arc;

use super::fleet::{ApplicationSet, Project};
use super::objects::{Kind, flatten, kind_of};
use crate::application::{AppKey, Application};
use crate::argo::schema::{Engine, Type};
use crate::argo::tables::{APP_PROJECT, APPLICATION, APPLICATION_SET};
use crate::argo::{self, Lowering, dns_label_problem, dns_subdomain_problem};
use crate::diag::{Diagnostic, Diagnostics, Severity, Warned};
use crate::project::Rules;
use crate::span::Span;
use crate::yaml::Node;

/// What objects declare beside clusters and settings.
#[derive(Clone, Debug, Default)]
pub struct Declarations {
    /// Applications, in the order of the objects.
    pub applications: Vec<Application>,
    /// ApplicationSets, in the order of the objects.
    pub application_sets: Vec<ApplicationSet>,
    /// AppProjects, in the order of the objects.
    pub projects: Vec<Project>,
}

/// How declarations are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The Argo CD instance they belong to.
    pub instance: &'a str,
    /// Namespace of objects that name none.
    pub namespace: &'a str,
    /// Whose types.
    pub engine: Engine,
    /// Whether unknown fields are errors everywhere.
    pub strict: bool,
}

/// Whether an object is an Application, an ApplicationSet or an AppProject.
pub fn is_declaration(object: &Node) -> bool {
    kind_of(object).is_some_and(Kind::feeds_back)
}

/// The declarations among some objects; others are passed over. `parent` is the application whose render yielded them.
pub fn declarations(objects: &[Node], reading: Reading<'_>, parent: Option<&AppKey>) -> Warned<Declarations> {
    let mut value = Declarations::default();
    let mut diagnostics = Diagnostics::new();
    for object in objects.iter().flat_map(flatten) {
        if let Some(kind) = kind_of(object) {
            read(kind, object, reading, parent, &mut value, &mut diagnostics);
        }
    }
    Warned { value, diagnostics }
}

/// Reads one object. An object with errors declares nothing.
pub(super) fn read(
    kind: Kind,
    object: &Node,
    reading: Reading<'_>,
    parent: Option<&AppKey>,
    into: &mut Declarations,
    diagnostics: &mut Diagnostics,
) {
    let ty: &'static Type = match kind {
        Kind::Application => &APPLICATION,
        Kind::ApplicationSet => &APPLICATION_SET,
        Kind::Project => &APP_PROJECT,
        Kind::Cluster | Kind::ClusterStub | Kind::Settings => return,
    };
    let unknown = if reading.strict { Severity::Error } else { Severity::Warning };
    let mut found = argo::check(object, ty, reading.engine, unknown);
    // What is wrong by type would only be reported a second time by what it leads to.
    if !found.has_errors() {
        match kind {
            Kind::Application => {
                let lowering = Lowering {
                    instance: reading.instance.to_owned(),
                    namespace: reading.namespace.to_owned(),
                    engine: reading.engine,
                };
                into.applications.extend(found.take(argo::lower(object, &lowering)));
            }
            Kind::ApplicationSet => into.application_sets.extend(set(object, reading, parent, &mut found)),
            _ => into.projects.extend(project(object, reading, &mut found)),
        }
    }
    diagnostics.extend(found);
}

fn set(
    object: &Node,
    reading: Reading<'_>,
    parent: Option<&AppKey>,
    found: &mut Diagnostics,
) -> Option<ApplicationSet> {
    let name = name(object, "ApplicationSet", found)?;
    let namespace = match object.at(&["metadata", "namespace"]).and_then(|node| Some((node, node.as_str()?))) {
        Some((node, text)) if !text.is_empty() => {
            if let Some(problem) = dns_label_problem(text) {
                let message = format!("the namespace `{text}` of the ApplicationSet {problem}");
                found.push(Diagnostic::error("read/name", node.span(), message));
                return None;
            }
            text
        }
        _ => reading.namespace,
    };
    Some(ApplicationSet {
        instance: reading.instance.to_owned(),
        namespace: namespace.to_owned(),
        name,
        manifest: object.clone(),
        span: object.span(),
        parent: parent.cloned(),
    })
}

fn project(object: &Node, reading: Reading<'_>, found: &mut Diagnostics) -> Option<Project> {
    let name = name(object, "AppProject", found)?;
    let (rules, doubts) = Rules::read(object, reading.engine);
    found.extend(doubts);
    let rules = Arc::new(found.take(rules)?);
    Some(Project { instance: reading.instance.to_owned(), name, manifest: object.clone(), rules, span: object.span() })
}

fn name(object: &Node, kind: &str, found: &mut Diagnostics) -> Option<String> {
    let node = object.at(&["metadata", "name"]);
    let name = node.and_then(Node::as_str).unwrap_or_default();
    let span = node.map_or(Span::NONE, Node::span).or(object.span());
    let message = match dns_subdomain_problem(name) {
        None => return Some(name.to_owned()),
        Some(_) if name.is_empty() => format!("the {kind} has no name"),
        Some(problem) => format!("the {kind} name `{name}` {problem}"),
    };
    found.push(Diagnostic::error("read/name", span, message));
    None
}
