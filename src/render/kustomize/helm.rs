//! `helmCharts`: charts in the tree, inflated by [`crate::render::helm`] as the original has `helm template` do it
//! (api/internal/builtins/HelmChartInflationGenerator.go).
//!
//! A chart lies under `chartHome`. One that does not is wanted from its `repo`, as the original pulls it; nothing is downloaded in a render.
//! What a chart makes keeps the namespace that it got from the chart.

use std::sync::{Arc, PoisonError, RwLock};

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use super::accumulate::{Build, Done};
use super::decode::{Fields, Reader};
use super::file::Text;
use super::load::{Found, Frame};
use super::object::{Object, meta_map, set_meta_map};
use super::openapi::Schemas;
use crate::cluster::ApiFacts;
use crate::diag::{Diagnostic, Diagnostics};
use crate::path::{FilePath, TreePath};
use crate::render::helm::{self, Capabilities, KubeVersion, Profile, Release, Request, Show};
use crate::render::{Stop, Want};
use crate::source::{SourceKind, SourceRequest};
use crate::span::{FileId, SourceFile, Span};
use crate::template::{Map, Options};
use crate::world::{Lookup, Noted, World};
use crate::yaml::{self, Dialect, Limits, Node, emit};

const GENERATED: &str = "internal.config.kubernetes.io/helm-generated";

/// How charts are inflated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Helm {
    /// `--enable-helm`: without it, charts are errors.
    pub enabled: bool,
    /// Whose rules.
    pub profile: Profile,
    /// `--helm-kube-version`: for charts that do not say it.
    pub kube_version: SmolStr,
    /// `--helm-api-versions`: for charts that do not say them.
    pub api_versions: Vec<String>,
    /// What is known of the cluster, where a render is for one: it is what Argo CD gives as these options, where the application does not
    /// say them itself.
    pub cluster: Option<Cluster>,
}

/// What is known of a cluster, and what of it charts are given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    known: ApiFacts,
    gives_version: bool,
    gives_api: bool,
}

impl Helm {
    /// What is known of the cluster.
    pub(super) fn known(&self) -> ApiFacts {
        self.cluster.as_ref().map(|cluster| cluster.known.clone()).unwrap_or_default()
    }

    /// With what is known of a cluster. `own_version` and `own_api` say that the application has its own word.
    pub(super) fn for_cluster(&mut self, known: &ApiFacts, own_version: bool, own_api: bool) {
        if let Some(version) = known.kube_version.as_deref().filter(|_| !own_version) {
            let numbers = version.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
            self.kube_version = numbers.into();
        }
        if !own_api {
            self.api_versions.extend(known.api_versions.iter().cloned());
        }
        self.cluster = Some(Cluster { known: known.clone(), gives_version: !own_version, gives_api: !own_api });
    }
}

impl Default for Helm {
    fn default() -> Self {
        Helm {
            enabled: false,
            profile: Profile::V4,
            kube_version: SmolStr::default(),
            api_versions: Vec::new(),
            cluster: None,
        }
    }
}

/// `helmGlobals`, as far as a render needs it.
#[derive(Clone, Debug, Default)]
pub(super) struct Globals {
    chart_home: SmolStr,
}

/// An entry of `helmCharts`.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    name: Text,
    version: SmolStr,
    repo: SmolStr,
    release_name: SmolStr,
    pub namespace: SmolStr,
    additional_values_files: Vec<Text>,
    values_file: Text,
    values_inline: Option<Node>,
    values_merge: Text,
    include_crds: bool,
    skip_hooks: bool,
    skip_tests: bool,
    api_versions: Vec<SmolStr>,
    kube_version: Text,
    name_template: Text,
    pub span: Span,
}

/// `helmGlobals`.
pub(super) fn read_globals(r: &mut Reader, node: &Node) -> Globals {
    let mut f = r.fields(node, "helmGlobals");
    let globals = take_globals(r, &mut f);
    r.finish(f);
    globals
}

fn take_globals(r: &mut Reader, f: &mut Fields<'_>) -> Globals {
    r.text(f.take("configHome"), "configHome");
    Globals { chart_home: r.text(f.take("chartHome"), "chartHome") }
}

/// An entry of `helmCharts`.
pub(super) fn read_chart(r: &mut Reader, node: &Node) -> Chart {
    let mut f = r.fields(node, "helmCharts");
    let chart = take_chart(r, &mut f, node.span());
    r.finish(f);
    chart
}

fn take_chart(r: &mut Reader, f: &mut Fields<'_>, span: Span) -> Chart {
    for name in ["debug", "devel"] {
        r.flag(f.take(name), name);
    }
    let texts = r.texts(f.take("apiVersions"), "apiVersions");
    Chart {
        name: r.spanned(f.take("name"), "name"),
        version: r.text(f.take("version"), "version"),
        repo: r.text(f.take("repo"), "repo"),
        release_name: r.text(f.take("releaseName"), "releaseName"),
        namespace: r.text(f.take("namespace"), "namespace"),
        additional_values_files: r.texts(f.take("additionalValuesFiles"), "additionalValuesFiles"),
        values_file: r.spanned(f.take("valuesFile"), "valuesFile"),
        values_inline: values(r, f.take("valuesInline"), "valuesInline"),
        values_merge: r.spanned(f.take("valuesMerge"), "valuesMerge"),
        include_crds: r.flag(f.take("includeCRDs"), "includeCRDs"),
        skip_hooks: r.flag(f.take("skipHooks"), "skipHooks"),
        skip_tests: r.flag(f.take("skipTests"), "skipTests"),
        api_versions: texts.into_iter().map(|text| text.value).collect(),
        kube_version: r.spanned(f.take("kubeVersion"), "kubeVersion"),
        name_template: r.spanned(f.take("nameTemplate"), "nameTemplate"),
        span,
    }
}

fn values(r: &mut Reader, node: Option<&Node>, what: &'static str) -> Option<Node> {
    let node = node?;
    r.fields(node, what);
    node.as_map().filter(|map| !map.is_empty()).map(|_| node.clone())
}

/// An entry of the deprecated `helmChartInflationGenerator`, and what of it holds for all (`SplitHelmParameters`).
pub(super) fn read_deprecated_chart(r: &mut Reader, node: &Node, globals: &mut Globals) -> Chart {
    let mut f = r.fields(node, "helmChartInflationGenerator");
    for name in ["chartRepoName", "helmBin", "helmHome", "releaseNamespace"] {
        r.text(f.take(name), name);
    }
    r.texts(f.take("extraArgs"), "extraArgs");
    let home = r.text(f.take("chartHome"), "chartHome");
    if !home.is_empty() {
        globals.chart_home = home;
    }
    let chart = Chart {
        name: r.spanned(f.take("chartName"), "chartName"),
        version: r.text(f.take("chartVersion"), "chartVersion"),
        repo: r.text(f.take("chartRepoUrl"), "chartRepoUrl"),
        release_name: r.text(f.take("releaseName"), "releaseName"),
        namespace: SmolStr::default(),
        additional_values_files: Vec::new(),
        values_file: r.spanned(f.take("values"), "values"),
        values_inline: values(r, f.take("valuesLocal"), "valuesLocal"),
        values_merge: r.spanned(f.take("valuesMerge"), "valuesMerge"),
        include_crds: false,
        skip_hooks: false,
        skip_tests: false,
        api_versions: Vec::new(),
        kube_version: Text::detached(SmolStr::default()),
        name_template: Text::detached(SmolStr::default()),
        span: node.span(),
    };
    r.finish(f);
    chart
}

/// The chart of a plugin's configuration, in which other fields mean nothing.
///
/// # Errors
/// A field has the wrong type.
pub(super) fn read_plugin(plugin: &Object) -> Result<(Chart, Globals), Diagnostics> {
    let mut r = Reader::default();
    let mut f = r.fields(&plugin.body, "plugin");
    let globals = take_globals(&mut r, &mut f);
    let chart = take_chart(&mut r, &mut f, plugin.span);
    if r.problems.has_errors() { Err(r.problems) } else { Ok((chart, globals)) }
}

/// Whether an object came from a chart: then it keeps the namespace that the chart gave it.
pub(super) fn is_from_chart(body: &Node) -> bool {
    body.at(&["metadata", "annotations"])
        .and_then(|annotations| annotations.get(GENERATED))
        .is_some_and(|value| value.text() == Some("true"))
}

/// Charts that were loaded, by folder, and what rendering them shares.
#[derive(Debug, Default)]
pub(super) struct Charts {
    loaded: RwLock<FxHashMap<(FilePath, Profile), Noted<Loaded>>>,
    tools: helm::Tools,
}

type Loaded = Result<Arc<helm::Chart>, Diagnostics>;

impl Charts {
    fn load(&self, directory: &FilePath, profile: Profile, world: &dyn World, load: impl FnOnce() -> Loaded) -> Loaded {
        let key = (directory.clone(), profile);
        if let Some(known) = self.loaded.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.reuse(world).clone();
        }
        let noted = Noted::make(world, load);
        let made = noted.value.clone();
        self.loaded.write().unwrap_or_else(PoisonError::into_inner).insert(key, noted);
        made
    }
}

fn fail(span: Span, text: impl Into<String>) -> Stop {
    Diagnostic::error("kustomize/helm-chart", span, text).into()
}

impl Build<'_> {
    /// The objects of a chart.
    ///
    /// # Errors
    /// Charts are not allowed, the chart is not here, or Helm refuses it.
    pub(super) fn inflate(&self, frame: &Frame<'_>, chart: &Chart, globals: &Globals) -> Done<Vec<Object>> {
        self.charts.update(|charts| charts + 1);
        let settings = &self.helm;
        if !settings.enabled {
            let error = Diagnostic::error("kustomize/helm-chart", chart.span, "must specify --enable-helm")
                .hint("give --enable-helm, or have it in `kustomize.buildOptions` of argocd-cm");
            return Err(error.into());
        }
        check(chart)?;
        let home = if globals.chart_home.is_empty() { "charts" } else { globals.chart_home.trim_end_matches('/') };
        let folder = if chart.version.is_empty() || chart.repo.is_empty() {
            format!("{home}/{}", chart.name.value)
        } else {
            format!("{home}/{}-{}/{}", chart.name.value, chart.version, chart.name.value)
        };
        let directory = match self.loader.find(&frame.root, &Text::new(folder.as_str().into(), chart.name.span)) {
            Ok(Found::Directory(directory)) => directory,
            Ok(Found::File(_)) | Err(_) if chart.repo.is_empty() => {
                let text = format!("no repo specified for pull, no chart found at `{folder}`");
                return Err(fail(chart.name.span, text));
            }
            Ok(Found::File(_)) | Err(_) => match self.pulled(chart, &folder) {
                Some(directory) => directory,
                None => return Ok(Vec::new()),
            },
        };
        let values = self.chart_values(frame, chart, &folder, &directory)?;
        let world = self.loader.world;
        let loaded = self.loader.tools.charts.load(&directory, settings.profile, world, || {
            helm::load_chart(world, &directory, settings.profile).map(Arc::new)
        });
        let traced = |errors: Diagnostics| {
            let through = |error: Diagnostic| {
                let span = error.span.or(chart.span);
                error.at(span).trace(chart.span, format!("in the chart `{}`", chart.name.value))
            };
            Stop::Failed(Diagnostics(errors.0.into_iter().map(through).collect()))
        };
        let loaded = loaded.map_err(traced)?;
        let reads = helm::Reads::default();
        let request = self.request(chart, &reads)?;
        let tools = &self.loader.tools.charts.tools;
        let output = helm::render(&loaded, &values, &request, tools).map_err(|refusal| traced(refusal.diagnostics))?;
        if let Some(cluster) = &settings.cluster {
            let version = cluster.gives_version && chart.kube_version.value.is_empty();
            let api = cluster.gives_api && chart.api_versions.is_empty();
            let read = reads.facts(&request.capabilities, version, api, &cluster.known);
            self.facts.borrow_mut().add(&read);
        }
        let text = output.print(Show { crds: chart.include_crds, hooks: !chart.skip_hooks, tests: !chart.skip_tests });
        let mut objects = super::resources::read(FileId::NONE, text.as_bytes())
            .map_err(|error| traced(error.at(chart.span).into()))?;
        for object in &mut objects {
            object.span = chart.span;
            let mut annotations = meta_map(&object.body, "annotations");
            annotations.retain(|(key, _)| key != GENERATED);
            annotations.push((GENERATED.into(), "true".into()));
            set_meta_map(&mut object.body, "annotations", annotations);
        }
        Ok(objects)
    }

    /// What of `helm template`'s options a chart sets. A chart's own word goes before that of the command line.
    fn request<'r>(&'r self, chart: &Chart, reads: &'r helm::Reads) -> Done<Request<'r>> {
        let settings = &self.helm;
        let profile = settings.profile;
        let options = Options { watch: Some(reads), effects: self.loader.tools.effects(), ..Options::default() };
        let name = match (chart.release_name.as_str(), chart.name_template.value.as_str()) {
            ("", "") => "release-name".to_owned(),
            ("", template) => helm::release_name(template, &options)
                .map_err(|why| fail(chart.name_template.span, format!("`nameTemplate`: {why}")))?,
            (name, "") => name.to_owned(),
            _ => return Err(fail(chart.span, "cannot set --name-template and also specify a name")),
        };
        let version =
            if chart.kube_version.value.is_empty() { &settings.kube_version } else { &chart.kube_version.value };
        let kube_version = (!version.is_empty()).then(|| KubeVersion::parse(version, profile)).transpose();
        let kube_version = kube_version.map_err(|why| {
            fail(chart.kube_version.span.or(chart.span), format!("invalid kube version `{version}`: {why}"))
        })?;
        let own: Vec<String> = chart.api_versions.iter().map(ToString::to_string).collect();
        let api_versions = if own.is_empty() { &settings.api_versions } else { &own };
        let namespace = if chart.namespace.is_empty() { "default" } else { &chart.namespace };
        Ok(Request {
            profile,
            release: Release { name, namespace: namespace.to_owned(), is_upgrade: false },
            capabilities: Capabilities::new(profile, kube_version, api_versions),
            skip_schemas: false,
            options,
        })
    }

    /// The folder of a chart that the original would pull, where its repository is here; else it is wanted.
    fn pulled(&self, chart: &Chart, folder: &str) -> Option<FilePath> {
        let request = SourceRequest {
            kind: SourceKind::Chart(chart.name.value.to_string()),
            url: chart.repo.to_string(),
            revision: chart.version.to_string(),
        };
        match self.loader.world.tree(&request) {
            Lookup::Here(tree) => Some(FilePath::new(tree.id, TreePath::root())),
            Lookup::Absent { reason, hint } => {
                let hint = hint.or_else(|| Some(by_hand(chart, folder)));
                self.want(Want { request, span: chart.name.span, reason, hint });
                None
            }
        }
    }

    /// The values file, by default the chart's own, with `valuesInline` merged in; over that the additional ones.
    fn chart_values(&self, frame: &Frame<'_>, chart: &Chart, folder: &str, directory: &FilePath) -> Done<Map> {
        let own = || -> Done<(SmolStr, Arc<SourceFile>)> {
            if !chart.values_file.value.is_empty() {
                return Ok((chart.values_file.value.clone(), self.loader.read(frame, &chart.values_file)?));
            }
            let path = Text::new(format!("{folder}/values.yaml").into(), chart.span);
            if directory.tree == frame.root.tree {
                return Ok((path.value.clone(), self.loader.read(frame, &path)?));
            }
            // Of a chart that was pulled.
            let file = directory.join("values.yaml").map_err(|error| fail(chart.span, error.to_string()))?;
            Ok((path.value, self.loader.world.read(&file)?))
        };
        let mut files = Vec::new();
        match &chart.values_inline {
            None => {
                let (name, file) = own()?;
                files.push(helm::values_file(&name, file.id, &file.bytes));
            }
            Some(inline) if chart.values_merge.value == "replace" => files.push(printed(inline, chart)?),
            Some(inline) => {
                let (_, file) = own()?;
                let merged = merged(&file, inline, chart)?;
                files.push(printed(&merged, chart)?);
            }
        }
        for path in &chart.additional_values_files {
            files.push(self.values_file(frame, path)?);
        }
        let values = helm::no_values();
        for file in &files {
            helm::merge_values(&values, &helm::read_values(file, self.helm.profile)?);
        }
        Ok(values)
    }

    fn values_file(&self, frame: &Frame<'_>, path: &Text) -> Done<helm::ChartFile> {
        let file = self.loader.read(frame, path)?;
        Ok(helm::values_file(&path.value, file.id, &file.bytes))
    }
}

fn check(chart: &Chart) -> Done<()> {
    let name = chart.name.value.as_str();
    if name.is_empty() {
        return Err(fail(chart.span, "chart name cannot be empty"));
    }
    if name.contains('/') {
        let error = Diagnostic::error("kustomize/helm-chart", chart.name.span, format!("`{name}` is no chart name"));
        return Err(error.hint("name the folder above it in `helmGlobals.chartHome`").into());
    }
    for (what, text) in [("releaseName", &chart.release_name), ("chart name", &chart.name.value)] {
        if text.starts_with('-') {
            return Err(fail(chart.span, format!("{what} must not start with '-', got \"{text}\"")));
        }
    }
    if !matches!(chart.values_merge.value.as_str(), "" | "override" | "merge" | "replace") {
        return Err(fail(chart.values_merge.span, "valuesMerge must be one of merge, override, replace"));
    }
    Ok(())
}

/// How a chart gets to the place where it is looked for first.
fn by_hand(chart: &Chart, folder: &str) -> String {
    let name = &chart.name.value;
    let above = folder.rsplit_once('/').map_or(folder, |(above, _)| above);
    let source = match chart.repo.strip_suffix('/').unwrap_or(&chart.repo) {
        repo if repo.starts_with("oci://") => format!("{repo}/{name}"),
        repo => format!("{name} --repo {repo}"),
    };
    let version = if chart.version.is_empty() { String::new() } else { format!(" --version {}", chart.version) };
    format!("put it there: helm pull --untar --untardir {above} {source}{version}")
}

/// `valuesInline` over the file's values, or under them (`valuesMerge: merge`), as kyaml merges: a null takes the other side's value away.
fn merged(file: &SourceFile, inline: &Node, chart: &Chart) -> Done<Node> {
    let parsed = yaml::parse(file.id, &file.bytes, Dialect::V3, &Limits::default());
    if let Some(error) = parsed.error {
        return Err(error.into());
    }
    let Some(document) = parsed.documents.into_iter().next() else {
        let text = "the values file is empty, and nothing cannot be merged with";
        let error = Diagnostic::error("kustomize/helm-chart", Span::new(file.id, 0, 0), text);
        return Err(error.hint("write `{}`, or set `valuesMerge: replace`").into());
    };
    let mut given = document.root;
    let mut inline = super::resources::float_numbers(inline);
    let inline_first = chart.values_merge.value == "merge";
    drop_aliases(&mut given, &mut inline, &file.bytes, inline_first)?;
    let (over, under) = if inline_first { (&given, &inline) } else { (&inline, &given) };
    let merged = super::merge::merge(under, over, Schemas::Appending)
        .map_err(|why| fail(chart.span, format!("could not merge values: {why}")))?;
    Ok(merged.unwrap_or_else(Node::null))
}

/// Takes out of mappings what is an alias or comes by a merge key: kyaml's merge drops it, with what stands over it, and Helm finds it again
/// only where the file is the chart's own.
///
/// # Errors
/// An alias over a value is more than kyaml can merge.
fn drop_aliases(given: &mut Node, inline: &mut Node, bytes: &[u8], inline_first: bool) -> Done<()> {
    let outer = given.span();
    let (Some(given), Some(inline)) = (given.map_mut(), inline.map_mut()) else { return Ok(()) };
    let mut aliases = Vec::new();
    given.retain(|key, value| {
        let (name, start) = (key.span(), usize::try_from(value.span().start).unwrap_or_default());
        let merged = name.start < outer.start || outer.end < name.end;
        let alias = !value.is_null() && bytes.get(start) == Some(&b'*');
        if alias && !merged {
            aliases.push((key.smol().unwrap_or_default(), value.span()));
        }
        !merged && !alias
    });
    for (name, place) in aliases {
        if inline_first && inline.contains(&name) {
            return Err(fail(place, format!("could not merge values: `{name}` is an alias")));
        }
        inline.remove(&name);
    }
    let mut nothing = Node::map(yaml::Map::new());
    for (key, value) in given.iter_mut() {
        let name = key.text().unwrap_or_default();
        drop_aliases(value, inline.get_mut(name).unwrap_or(&mut nothing), bytes, inline_first)?;
    }
    Ok(())
}

/// Values as the file that Helm is given.
fn printed(values: &Node, chart: &Chart) -> Done<helm::ChartFile> {
    let mut errors = Diagnostics::new();
    super::check_keys(values, &mut errors);
    if errors.has_errors() {
        return Err(errors.into());
    }
    let text = emit::to_yaml(&emit::through_kyaml(values));
    let name = format!("{}-kustomize-values.yaml", chart.name.value);
    Ok(helm::values_file(&name, FileId::NONE, text.as_bytes()))
}
