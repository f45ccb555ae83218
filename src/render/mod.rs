//! Fourth phase: one source directory, rendered into objects. Same inputs, same objects; no clock, network or environment.
//!
//! [`render()`] gives a job to the renderer that it names. [`directory`] reads plain manifests as Argo CD does, [`kustomize`] prints what
//! `kustomize build` prints, [`helm`] what `helm template` prints. What a render needs and does not have is [`Stop::Wants`], what is wrong
//! with its files [`Stop::Failed`]. Where an object came from lies beside its body ([`Origin`]), never in it.

pub mod directory;
mod dispatch;
pub mod facts;
pub mod helm;
pub mod kept;
pub mod kustomize;
mod plugin;
mod trace;

use std::collections::BTreeSet;

use crate::diag::{Cause, Diagnostic, Diagnostics};
use crate::k8s::object::ObjectId;
use crate::k8s::scope::{self, Scope};
use crate::source::{SourceRequest, without_credentials};
use crate::span::Span;
use crate::yaml::Node;

pub use dispatch::{render, render_traced};
pub use trace::Step;

/// What renders of one compile share. Plain directories share nothing: equal ones are one job.
#[derive(Debug, Default)]
pub struct Tools {
    /// Files and bases of kustomizations.
    pub kustomize: kustomize::Tools,
    /// Charts, values files and templates.
    pub helm: helm::Tools,
    /// Renders of an earlier run.
    pub kept: kept::Kept,
}

/// Where an object came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The document in its file; for a generated object the entry of the generator.
    pub span: Span,
    /// What wrote into it after that: the entries of patches, generators that merged, replacements; in order.
    pub edits: Vec<Span>,
    /// All that happened to it, in order, of a traced render; empty otherwise.
    pub steps: Vec<Step>,
}

/// One rendered object.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// The object.
    pub body: Node,
    /// Where it came from.
    pub origin: Origin,
}

/// The result of a render, in the order in which its tool prints it.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// The objects.
    pub resources: Vec<Resource>,
    /// What is to be said about them; no errors.
    pub warnings: Diagnostics,
    /// What was read of the cluster.
    pub facts: facts::FactsRead,
}

/// A source that a render needs and does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// What is asked for.
    pub request: SourceRequest,
    /// Where it is asked for.
    pub span: Span,
    /// Why it cannot be had.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Want {
    /// The error of who cannot go on without it.
    pub fn error(&self, code: &'static str) -> Diagnostic {
        let request = &self.request;
        let shown = SourceRequest { url: without_credentials(&request.url), ..request.clone() };
        let message = format!("the source {shown} cannot be had: {}", self.reason);
        let error = Diagnostic::error(code, self.span, message).cause(Cause::Source);
        self.hint.iter().cloned().fold(error, Diagnostic::hint)
    }
}

/// Why there is no result.
#[derive(Clone, Debug)]
pub enum Stop {
    /// Sources that are not here. When they are, the same render may go on and want more.
    Wants(Vec<Want>),
    /// Errors in the files.
    Failed(Diagnostics),
}

impl Stop {
    /// The sources that are not here.
    pub fn wants(&self) -> BTreeSet<SourceRequest> {
        match self {
            Stop::Wants(wants) => wants.iter().map(|want| want.request.clone()).collect(),
            Stop::Failed(_) => BTreeSet::new(),
        }
    }
}

impl From<Diagnostic> for Stop {
    fn from(error: Diagnostic) -> Self {
        Stop::Failed(error.into())
    }
}

impl From<Diagnostics> for Stop {
    fn from(errors: Diagnostics) -> Self {
        Stop::Failed(errors)
    }
}

impl Rendered {
    /// The objects as one file each, as `kustomize build -o FOLDER` writes them: `group_version_kind_name.yaml` in lower case, with the
    /// namespace in front where there are several (kustomize/v5/commands/build/writeindividualfiles.go).
    pub fn to_files(&self) -> Vec<(String, String)> {
        let mut named = Vec::with_capacity(self.resources.len());
        let mut namespaces = std::collections::BTreeSet::new();
        for resource in &self.resources {
            let id = ObjectId::of(&resource.body);
            let namespace = match scope::kustomize(&id.gvk.api_version(), &id.gvk.kind) {
                Some(Scope::Cluster) => None,
                _ if id.namespace.is_empty() => Some("default".to_owned()),
                _ => Some(id.namespace.to_lowercase()),
            };
            namespaces.extend(namespace.clone());
            let parts = [&id.gvk.group, &id.gvk.version, &id.gvk.kind, &id.name];
            let parts: Vec<String> =
                parts.iter().filter(|part| !part.is_empty()).map(|part| part.to_lowercase()).collect();
            named.push((namespace, parts.join("_"), resource));
        }
        let files = named.into_iter().map(|(namespace, name, resource)| {
            let name = match namespace {
                Some(namespace) if namespaces.len() > 1 => format!("{namespace}_{name}.yaml"),
                _ => format!("{name}.yaml"),
            };
            (name, crate::yaml::emit::to_yaml(&resource.body))
        });
        files.collect()
    }

    /// The objects as one YAML stream, separated by `---`, as `kustomize build` prints them.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        for resource in &self.resources {
            if !out.is_empty() {
                out.push_str("---\n");
            }
            crate::yaml::emit::to_yaml_into(&resource.body, &mut out);
        }
        out
    }
}
