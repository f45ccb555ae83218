//! What comes out of expansion.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::application::{AppKey, Application};
use crate::question::Question;
use crate::rollout::Step;
use crate::source::SourceRequest;
use crate::span::Span;

/// One application on one destination: fully literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// The application.
    pub application: Arc<Application>,
    /// Which of its destinations; several only with `destination.servers`.
    pub destination: usize,
    /// Where it came from.
    pub origin: Arc<AppOrigin>,
}

/// Where an application came from, for `explain` and for bundle.yaml.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AppOrigin {
    /// `namespace/name` of the ApplicationSet, with its place; `None` for an Application written as such.
    pub application_set: Option<(String, Span)>,
    /// The generators that made the row, outermost first.
    pub generators: Vec<GeneratorStep>,
    /// Place of the Application, or of the ApplicationSet's template.
    pub template: Option<Span>,
    /// The application whose rendered objects held it (app-of-apps).
    pub parent: Option<AppKey>,
    /// Its step, where its ApplicationSet goes in steps (`rollingSync`).
    pub step: Option<Step>,
}

/// A generator that contributed to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratorStep {
    /// `list`, `clusters`, `git directories`, `git files`, `matrix`, `merge`.
    pub kind: &'static str,
    /// Where the generator is written.
    pub span: Span,
    /// What it yielded for this row, short: `element 2`, `cluster prod-eu`, `apps/guestbook`.
    pub element: String,
    /// Where the element is written (the list element, the cluster's Secret, the file), if it has a place.
    pub element_span: Span,
}

/// The result of expanding a set of declarations.
#[derive(Clone, Debug, Default)]
pub struct Expanded {
    /// Units in canonical order: instance, namespace, name, destination.
    pub units: Vec<Unit>,
    /// Sources that generators need and that are not here.
    pub wants: Vec<SourceRequest>,
    /// What generators ask of services, answered or not, by id.
    pub questions: BTreeMap<String, Question>,
    /// ApplicationSets that failed, as `instance`, `namespace`, `name`: their applications are unknown, not gone.
    pub failed: Vec<(String, String, String)>,
}
