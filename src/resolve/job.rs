//! What comes out of resolving.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diag::Diagnostics;
use crate::expand::Unit;
use crate::path::FilePath;
use crate::project::{Rules, Target};
use crate::source::SourceRequest;
use crate::span::Span;
use crate::yaml::Node;

/// One render: equal jobs give equal objects, whatever application or cluster asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// What renders it.
    pub renderer: Renderer,
    /// The directory that is rendered.
    pub directory: FilePath,
    /// Variables of Argo CD's build environment that the source's options mention, already substituted where the rules say so;
    /// empty in most jobs, so that they are equal across applications.
    pub environment: BTreeMap<String, String>,
}

impl Job {
    /// The build of a kustomization among a fleet's definitions, without any options.
    pub fn definitions(directory: FilePath) -> Self {
        let renderer = Renderer::Kustomize { edits: None, build_options: String::new() };
        Job { renderer, directory, environment: BTreeMap::new() }
    }
}

/// What renders a source, with its options as written (merged with `.argocd-source` files).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Renderer {
    /// Plain manifests.
    Directory {
        /// `spec.source.directory`.
        options: Option<Node>,
        /// Whether argocd-cm leaves Jsonnet switched on.
        jsonnet: bool,
    },
    /// A kustomization: `spec.source.kustomize`, and the build options of argocd-cm.
    Kustomize {
        /// `spec.source.kustomize`.
        edits: Option<Node>,
        /// `kustomize.buildOptions` of argocd-cm.
        build_options: String,
    },
    /// A chart: not yet supported.
    Helm(Option<Node>),
    /// A plugin: not yet supported.
    Plugin(Option<Node>),
}

/// One source of a unit, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedSource {
    /// The repository and revision as asked for.
    pub request: SourceRequest,
    /// `path` in it.
    pub path: String,
    /// The commit; empty for a tree without git. Of a working tree that of HEAD, whatever has been changed since.
    pub commit: String,
    /// Whether it is read from a folder on disk, uncommitted changes included.
    pub working: bool,
    /// The render; `None` for a source that renders nothing (`ref` only).
    pub job: Option<Arc<Job>>,
    /// Where the source is written.
    pub span: Span,
    /// What of it an error of its render is about: `chart`, else `path`, else `repoURL`.
    pub place: Span,
}

/// What the project of an application says about its deployment, for who applies it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectRecord {
    /// Whether the AppProject is declared in the fleet; `default` always is.
    pub known: bool,
    /// The user to impersonate: `system:serviceaccount:<namespace>:<name>`.
    pub impersonate: Option<String>,
    /// The sync windows that apply to the application on its cluster, as written, those of global projects included.
    pub windows: Vec<Node>,
    /// Its rules, those of global projects included; `None` where it is not declared.
    pub rules: Option<Arc<Rules>>,
    /// The cluster, as the rules see it.
    pub target: Target,
}

/// A unit with its cluster and sources.
#[derive(Clone, Debug)]
pub struct ResolvedUnit {
    /// The unit.
    pub unit: Unit,
    /// Index of its cluster in `Fleet::clusters`.
    pub cluster: usize,
    /// What its project says.
    pub project: ProjectRecord,
    /// Its sources, in order; or why they cannot be had (the application is then held).
    pub sources: Result<Vec<ResolvedSource>, Diagnostics>,
}

/// The result of resolving.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// The units whose destination is known, in the order of the units.
    pub units: Vec<ResolvedUnit>,
    /// Sources that are not here.
    pub wants: Vec<SourceRequest>,
    /// Errors about destinations: then nothing may be written.
    pub diagnostics: Diagnostics,
}
