//! One source of an application into a job: which tree, which directory, which tool, with which options.
//!
//! The tool is found as Argo CD finds it (`reposerver/repository`, `GetAppSourceType`; `util/app/discovery`): options of one tool make it
//! explicit, otherwise the names of the files directly in the directory decide. Nothing else of the directory is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::environment::Environment;
use super::helm::{self, Reference};
use super::job::{Job, Nondeterminism, Renderer};
use super::{patch, plugin};
use crate::application::Source;
use crate::cluster::ApiFacts;
use crate::diag::{Cause, Checked, Diagnostic, Diagnostics};
use crate::path::{FilePath, PathError, TreePath};
use crate::read::{Engines, PluginRule, Settings};
use crate::source::{SourceKind, SourceRequest, without_credentials};
use crate::span::Span;
use crate::world::{EntryKind, Lookup, Tree, World};
use crate::yaml::Node;

/// What the names in a directory say about it.
struct Directory {
    /// What the names in it make it, tool by tool in the order of the names; the last one that is not switched off counts.
    tools: Vec<Tool>,
    /// The `.argocd-source` files in it.
    overrides: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tool {
    Helm,
    Kustomize,
    Directory,
    Plugin,
}

/// What is the same for all sources of a resolve.
pub(super) struct Sources<'a> {
    world: &'a dyn World,
    engines: &'a Engines,
    directories: FxHashMap<FilePath, Result<Arc<Directory>, Diagnostics>>,
    jobs: FxHashMap<Job, Arc<Job>>,
    pub(super) wants: std::collections::BTreeSet<SourceRequest>,
    pub(super) warnings: Diagnostics,
}

/// What the source belongs to.
pub(super) struct Context<'a> {
    pub(super) app_name: &'a str,
    /// Its name without namespace.
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) project: &'a str,
    /// What its templates get that ask for randomness or the clock.
    pub(super) nondeterminism: &'a Nondeterminism,
    /// What its templates see, where its folders hold templates; without what is of the source.
    pub(super) templates: Option<&'a Node>,
    /// The plugins that fleet.yaml allows.
    pub(super) plugins: &'a [PluginRule],
    /// What is known of the cluster's API.
    pub(super) facts: &'a Arc<ApiFacts>,
    /// The sources with `ref`, by `$name`.
    pub(super) references: &'a BTreeMap<String, Reference>,
    /// Whether the application has several sources, of which some may render nothing.
    pub(super) several: bool,
    pub(super) settings: &'a Settings,
    /// The source as written, for places.
    pub(super) written: Option<&'a Node>,
    /// What the destination overrides of it.
    pub(super) overrides: Option<&'a Node>,
}

impl Context<'_> {
    /// Where a field of the source is written.
    fn place(&self, field: &str, source: &Source) -> Span {
        let of = |node: Option<&Node>| node.and_then(|node| node.get(field)).map_or(Span::NONE, Node::span);
        of(self.overrides).or(of(self.written)).or(source.span)
    }
}

impl Context<'_> {
    /// What names the rendered folder or chart.
    pub(super) fn rendered_place(&self, source: &Source) -> Span {
        let field = match (source.chart.is_empty(), source.path.is_empty()) {
            (false, _) => "chart",
            (true, false) => "path",
            (true, true) => "repoURL",
        };
        self.place(field, source)
    }
}

/// The source with its tree and its job.
pub(super) struct Found {
    pub(super) request: SourceRequest,
    pub(super) tree: Tree,
    pub(super) job: Option<Arc<Job>>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(world: &'a dyn World, engines: &'a Engines) -> Self {
        Sources {
            world,
            engines,
            directories: FxHashMap::default(),
            jobs: FxHashMap::default(),
            wants: std::collections::BTreeSet::new(),
            warnings: Diagnostics::new(),
        }
    }

    /// The tree and the job of a source.
    ///
    /// # Errors
    /// The source is not here (then it is also wanted), its path is wrong, or its options are.
    pub(super) fn find(&mut self, source: &Source, context: &Context<'_>) -> Checked<Found> {
        let request = request(source);
        let tree = match self.world.tree(&request) {
            Lookup::Here(tree) => tree,
            Lookup::Absent { reason, hint } => {
                // Without the application's name: the many that one template makes are one finding.
                let shown = SourceRequest { url: without_credentials(&request.url), ..request.clone() };
                let message = format!("the source {shown} cannot be had: {reason}");
                // Where the repository is here, but not at this revision, the revision is what to look at.
                let head = SourceRequest { revision: String::new(), ..request.clone() };
                let field = match self.world.tree(&head) {
                    Lookup::Here(_) if !request.revision.is_empty() => "targetRevision",
                    _ => "repoURL",
                };
                let span = context.place(field, source);
                let found = Diagnostic::error("resolve/source", span, message).cause(Cause::Source);
                if request.url.contains("{{") {
                    return Err(found
                        .hint("a parameter of the template was not filled: give the clusters the labels and annotations that it names")
                        .into());
                }
                self.wants.insert(request);
                return Err(hint.into_iter().fold(found, Diagnostic::hint).into());
            }
        };
        if !source.chart.is_empty() {
            let directory = FilePath::new(tree.id, TreePath::root());
            let options = helm_options(source, &directory, context, &tree, self.engines)?;
            let job = self.job(Renderer::Helm(options), directory, context);
            return Ok(Found { request, tree, job: Some(job) });
        }
        if source.path.is_empty() && context.several {
            return Ok(Found { request, tree, job: None });
        }
        let place = without_credentials(&source.repo_url);
        let wrong = |error: PathError| {
            let message = format!("the path `{}` of `{}` {error}", source.path, context.app_name);
            let found = Diagnostic::error("resolve/path", context.place("path", source), message);
            Diagnostics::from(match error {
                PathError::Absolute => {
                    found.hint("write it without the leading slash: paths begin at the root of the repository")
                }
                _ => found,
            })
        };
        let path = FilePath::new(tree.id, TreePath::new(&source.path).map_err(wrong)?);
        let directory = self.directory(&path).map_err(|found| {
            let mut errors = found.into_iter().map(|found| {
                let outer = format!(
                    "the path `{}` of `{}` cannot be used in {place}: {}",
                    source.path, context.app_name, found.message
                );
                let error = Diagnostic::error("resolve/path", context.place("path", source), outer);
                found.hints.into_iter().fold(error, Diagnostic::hint)
            });
            errors.next().map(Diagnostics::from).unwrap_or_default()
        })?;

        let mut source = source.clone();
        let own = format!(".argocd-source-{}.yaml", context.app_name);
        for name in [".argocd-source.yaml", own.as_str()] {
            if directory.overrides.iter().any(|known| known == name) {
                let file = path.join(name).map_err(wrong)?;
                let found =
                    self.world.read(&file).and_then(|file| patch::apply(&mut source, &file, self.engines.argocd));
                self.warnings.extend(found.map_err(|found| traced(found, &source, context))?);
            }
        }
        let renderer = renderer(&source, &directory, &path, context, &tree, self.engines)?;
        let job = self.job(renderer, path, context);
        Ok(Found { request, tree, job: Some(job) })
    }

    /// The source that is called `$name`, for others that take values files from it.
    pub(super) fn reference(&self, source: &Source) -> Reference {
        if !source.chart.is_empty() || source.repo_url.starts_with("oci://") {
            return Reference::Unusable("a source with `ref` must be a git repository".to_owned());
        }
        match self.world.tree(&request(source)) {
            Lookup::Here(tree) => Reference::Tree(tree),
            Lookup::Absent { .. } => Reference::Absent,
        }
    }

    fn job(&mut self, renderer: Renderer, directory: FilePath, context: &Context<'_>) -> Arc<Job> {
        // Only charts ask for the cluster.
        let has_charts = match &renderer {
            Renderer::Helm(_) => true,
            Renderer::Kustomize { build_options, .. } => build_options.contains("--enable-helm"),
            _ => false,
        };
        let facts = has_charts.then(|| Arc::clone(context.facts));
        let job = Job { renderer, directory, environment: BTreeMap::new(), facts };
        if let Some(known) = self.jobs.get(&job) {
            return Arc::clone(known);
        }
        let shared = Arc::new(job.clone());
        self.jobs.insert(job, Arc::clone(&shared));
        shared
    }

    fn directory(&mut self, path: &FilePath) -> Result<Arc<Directory>, Diagnostics> {
        if let Some(known) = self.directories.get(path) {
            return known.clone();
        }
        let found = self.world.list(path).map(|entries| {
            let mut directory = Directory { tools: Vec::new(), overrides: Vec::new() };
            for entry in entries.iter().filter(|entry| entry.kind != EntryKind::Directory) {
                match entry.name.as_str() {
                    "kustomization.yaml" | "kustomization.yml" | "Kustomization" => {
                        directory.tools.push(Tool::Kustomize);
                    }
                    name if name.ends_with("Chart.yaml") => directory.tools.push(Tool::Helm),
                    name if name.starts_with(".argocd-source") && !entry.kind.is_directory() => {
                        directory.overrides.push(name.to_owned());
                    }
                    _ => {}
                }
            }
            Arc::new(directory)
        });
        self.directories.insert(path.clone(), found.clone());
        found
    }
}

/// Says for which application something is wrong in a file beside its manifests.
fn traced(found: Diagnostics, source: &Source, context: &Context<'_>) -> Diagnostics {
    let step = format!("for the source of `{}`", context.app_name);
    Diagnostics(found.into_iter().map(|found| found.trace(source.span, step.clone())).collect())
}

/// What is asked of the world for a source. An OCI artifact is one even where a chart is named (`reposerver/repository`, `newClient…`).
fn request(source: &Source) -> SourceRequest {
    let kind = match (source.repo_url.starts_with("oci://"), source.chart.is_empty()) {
        (true, _) => SourceKind::Oci,
        (false, false) => SourceKind::Chart(source.chart.clone()),
        (false, true) => SourceKind::Git,
    };
    // A prefix narrows constraints and versions; HEAD is neither. No revision of git has a colon in it.
    let revision = match (&kind, source.tag_prefix.as_str(), source.target_revision.as_str()) {
        (SourceKind::Git, prefix, revision) if !prefix.is_empty() && !revision.is_empty() => {
            format!("{prefix}:{revision}")
        }
        (.., revision) => revision.to_owned(),
    };
    SourceRequest { kind, url: source.repo_url.clone(), revision }
}

/// Whether argocd-cm leaves a tool switched on: anything but `true` switches it off.
fn enabled(settings: &Settings, key: &str) -> bool {
    settings.data.get(key).is_none_or(|value| value.is_empty() || value.value == "true")
}

fn renderer(
    source: &Source,
    directory: &Directory,
    path: &FilePath,
    context: &Context<'_>,
    tree: &Tree,
    engines: &Engines,
) -> Checked<Renderer> {
    let settings = context.settings;
    let on = |tool: Tool| match tool {
        Tool::Helm => enabled(settings, "helm.enable"),
        Tool::Kustomize => enabled(settings, "kustomize.enable"),
        Tool::Directory | Tool::Plugin => true,
    };
    let explicit: Vec<(&str, Tool)> = patch::TOOLS
        .into_iter()
        .zip([
            (Tool::Helm, &source.helm),
            (Tool::Kustomize, &source.kustomize),
            (Tool::Directory, &source.directory),
            (Tool::Plugin, &source.plugin),
        ])
        .filter_map(|(name, (tool, options))| options.as_ref().map(|_| (name, tool)))
        .collect();
    let tool = match explicit.as_slice() {
        [] => directory.tools.iter().rev().copied().find(|tool| on(*tool)).unwrap_or(Tool::Directory),
        [(_, tool)] if on(*tool) => *tool,
        [_] => Tool::Directory,
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            let message =
                format!("the source of `{}` has options of several tools: {}", context.app_name, names.join(", "));
            let found = Diagnostic::error("resolve/several-tools", source.span, message);
            return Err(found.hint("keep those of the one that renders it").into());
        }
    };
    let environment = environment(source, context, tree);
    Ok(match tool {
        Tool::Helm => Renderer::Helm(helm_options(source, path, context, tree, engines)?),
        Tool::Plugin => {
            Renderer::Plugin(plugin::options(source.plugin.as_ref(), context.plugins, &environment, context.facts)?)
        }
        Tool::Directory => {
            let mut options = source.directory.clone();
            if let Some(options) = &mut options {
                environment.directory(options)?;
            }
            let mut templates = context.templates.cloned();
            if let Some(app) = templates.as_mut().and_then(|scope| scope.get_mut("app")).and_then(Node::map_mut) {
                app.insert("path", Node::str(source.path.as_str()));
                app.insert("repoURL", Node::str(without_credentials(&source.repo_url)));
                app.insert("targetRevision", Node::str(source.target_revision.as_str()));
            }
            Renderer::Directory { options: some(options), jsonnet: enabled(settings, "jsonnet.enable"), templates }
        }
        Tool::Kustomize => {
            let mut edits = source.kustomize.clone();
            if let Some(edits) = &mut edits {
                environment.kustomize(edits)?;
                check_version(edits, source, context)?;
            }
            let build_options =
                settings.data.get("kustomize.buildOptions").map(|value| value.value.clone()).unwrap_or_default();
            Renderer::Kustomize { edits: some(edits), build_options }
        }
    })
}

fn environment<'a>(source: &'a Source, context: &Context<'a>, tree: &'a Tree) -> Environment<'a> {
    Environment {
        app_name: context.app_name,
        namespace: context.namespace,
        project: context.project,
        revision: &tree.commit,
        repo_url: &source.repo_url,
        path: &source.path,
        target_revision: &source.target_revision,
    }
}

fn helm_options(
    source: &Source,
    directory: &FilePath,
    context: &Context<'_>,
    tree: &Tree,
    engines: &Engines,
) -> Checked<Arc<super::job::HelmOptions>> {
    let setting = helm::Setting {
        version: engines.helm,
        argocd: engines.argocd,
        name: context.name,
        namespace: context.namespace,
        environment: environment(source, context, tree),
        directory,
        references: context.references,
        schemes: context.settings.data.get("helm.valuesFileSchemes").map(|value| value.value.as_str()),
        nondeterminism: context.nondeterminism,
        span: source.span,
    };
    helm::options(source.helm.as_ref(), &setting)
}

/// Options without content are the same job as none.
fn some(options: Option<Node>) -> Option<Node> {
    options.filter(|options| options.as_map().is_none_or(|map| !map.is_empty()))
}

/// `kustomize.version` must be one that argocd-cm registers; ours renders it all the same.
fn check_version(edits: &Node, source: &Source, context: &Context<'_>) -> Checked<()> {
    let Some(node) = edits.get("version") else { return Ok(()) };
    let version = node.as_str().unwrap_or_default();
    let known = |prefix: &str| context.settings.data.contains_key(&format!("{prefix}.{version}"));
    if version.is_empty() || known("kustomize.path") || known("kustomize.version") {
        return Ok(());
    }
    let message = format!("the kustomize version `{version}` of `{}` is not registered in argocd-cm", context.app_name);
    let found = Diagnostic::error("resolve/kustomize-version", node.span().or(source.span), message);
    Err(found.hint(format!("add `kustomize.path.{version}` to argocd-cm, or remove `version`")).into())
}
