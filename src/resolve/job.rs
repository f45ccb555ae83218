//! What comes out of resolving.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::ApiFacts;
use crate::diag::Diagnostics;
use crate::expand::Unit;
use crate::path::FilePath;
use crate::project::{Rules, Target};
use crate::read::PluginRule;
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
    /// What is known of the cluster's API, where the renderer may ask for it. Jobs that differ in nothing else share a render that did
    /// not read what is different.
    pub facts: Option<Arc<ApiFacts>>,
}

impl Job {
    /// The job whatever is known of the cluster.
    #[must_use]
    pub fn without_facts(&self) -> Self {
        Job { facts: None, ..self.clone() }
    }

    /// The build of a kustomization among a fleet's definitions, without any options.
    pub fn definitions(directory: FilePath) -> Self {
        let renderer = Renderer::Kustomize { edits: None, build_options: String::new() };
        Job { renderer, directory, environment: BTreeMap::new(), facts: None }
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
        /// What templates see, where fleet.yaml says that files which end in `.j2` are some.
        templates: Option<Node>,
    },
    /// A kustomization: `spec.source.kustomize`, and the build options of argocd-cm.
    Kustomize {
        /// `spec.source.kustomize`.
        edits: Option<Node>,
        /// `kustomize.buildOptions` of argocd-cm.
        build_options: String,
    },
    /// A chart, and what `helm template` is called with.
    Helm(Arc<HelmOptions>),
    /// A config management plugin.
    Plugin(Arc<PluginOptions>),
}

/// What a plugin is started with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PluginOptions {
    /// Its name.
    pub name: String,
    /// The program, where fleet.yaml allows one under this name.
    pub program: Option<PluginRule>,
    /// Variables; none where there is no program.
    pub variables: BTreeMap<String, String>,
}

/// What Argo CD calls `helm template` with, from `spec.source.helm`. Without what makes no difference (`version`, `passCredentials`), so
/// that equal renders are equal jobs. (`reposerver/repository`, `helmTemplate`; `util/helm/cmd.go`, `template`.)
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HelmOptions {
    /// Minor version of Helm whose rules hold.
    pub version: (u32, u32),
    /// `--name-template`: the release.
    pub release: String,
    /// `--namespace`; empty for Helm's default.
    pub namespace: String,
    /// `--values`, in order. With [`HelmOptions::globs`] their paths may be patterns.
    pub value_files: Vec<HelmFile>,
    /// Whether values files that are not there are left out.
    pub ignore_missing: bool,
    /// Whether paths of values files are patterns where they look like it (Argo CD 3.4).
    pub globs: bool,
    /// `valuesObject`, or `values` as a string: what is merged over the files.
    pub values: Option<Node>,
    /// `--set`: name and value, escaped as Argo CD does.
    pub set: Vec<(String, String)>,
    /// `--set-string`
    pub set_string: Vec<(String, String)>,
    /// `--set-file`
    pub set_file: Vec<(String, HelmFile)>,
    /// `helm.kubeVersion`, which wins over what is known of the cluster.
    pub kube_version: Option<String>,
    /// `helm.apiVersions`, which win over what is known of the cluster.
    pub api_versions: Vec<String>,
    /// Whether the files in `crds/` are left out.
    pub skip_crds: bool,
    /// `--skip-tests`
    pub skip_tests: bool,
    /// `--skip-schema-validation`
    pub skip_schemas: bool,
    /// What templates get that ask for randomness or the clock.
    pub nondeterminism: Nondeterminism,
}

/// What templates get that ask for randomness or the clock. It names the application where results may not be shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Nondeterminism {
    /// An error.
    Refuse,
    /// What follows from a secret key, for this application; `since` stands for now, in nanoseconds since the Unix epoch.
    Derive {
        /// The application.
        application: String,
        /// What stands for now; without, asking for it is an error.
        since: Option<i64>,
    },
    /// Something else on every run, for this application.
    Allow(String),
}

/// A file that an option of a chart names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HelmFile {
    /// As written, with variables replaced, and where.
    pub written: Node,
    /// Where it is.
    pub place: HelmFilePlace,
}

/// Where a file of a chart's options is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HelmFilePlace {
    /// In a tree: the chart's own, or that of another source (`$ref/…`).
    Tree(FilePath),
    /// Somewhere else.
    Url(String),
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
