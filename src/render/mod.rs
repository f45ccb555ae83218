//! Fourth phase: one source directory, rendered into objects. Same inputs, same objects; no clock, network or environment.
//!
//! [`render()`] gives a job to the renderer that it names. [`directory`] reads plain manifests as Argo CD does, [`kustomize`] prints what
//! `kustomize build` prints. What a render needs and does not have is [`Stop::Wants`], what is wrong
//! with its files [`Stop::Failed`]. Where an object came from lies beside its body ([`Origin`]), never in it.

pub mod directory;
mod dispatch;
pub mod kustomize;

use crate::diag::{Diagnostic, Diagnostics};
use crate::source::SourceRequest;
use crate::span::Span;
use crate::yaml::Node;

pub use dispatch::render;

/// What renders of one compile share. Plain directories share nothing: equal ones are one job.
#[derive(Debug, Default)]
pub struct Tools {
    /// Files and bases of kustomizations.
    pub kustomize: kustomize::Tools,
}

/// Where an object came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The document in its file; for a generated object the entry of the generator.
    pub span: Span,
    /// What wrote into it after that: the entries of patches, generators that merged, replacements; in order.
    pub edits: Vec<Span>,
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
}

/// Why there is no result.
#[derive(Clone, Debug)]
pub enum Stop {
    /// Sources that are not here. When they are, the same render may go on and want more.
    Wants(Vec<SourceRequest>),
    /// Errors in the files.
    Failed(Diagnostics),
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
