//! Helm: a chart and values into what `helm template` prints, for two profiles, Helm 3.22 and 4.3, which differ.
//!
//! [`Chart::from_files`] reads a chart once; [`render`] uses it for one release: dependencies are chosen, values coalesced and checked,
//! templates executed, documents split and sorted. [`Output::print`] is the command's output, byte for byte.
//!
//! Nothing is asked of a cluster, the network, a clock or randomness, unless `options.effects` brings the last two: functions that need them
//! fail by name. `lookup` is empty, as without a cluster. Values and templates of a chart see no file outside it.

mod application;
mod archive;
mod chart;
mod dependencies;
mod effects;
mod engine;
mod ignore;
mod instance;
mod load;
mod manifests;
mod objects;
mod reads;
mod schema;
mod secrets;
mod strvals;
mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use rustc_hash::FxHashMap;

use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::path::FilePath;
use crate::render::Stop;
use crate::span::{FileId, Span};
use crate::template::helm::{MESSAGE_END, MESSAGE_START, is_compatible};
use crate::template::{FieldRead, Map, Options, Template, TemplateSet, Value};
use crate::world::{Noted, World};
use crate::yaml::Node;

pub use crate::template::helm::Profile;
pub use application::{build, traced};
pub use archive::{is_packed, read as read_archive};
pub use chart::{Chart, ChartFile, Dependency, told};
pub use dependencies::{Gather, complete};
pub use effects::Randomness;
pub use load::{folder, values_file};
pub use manifests::{Document, show_only};
pub(in crate::render) use reads::Reads;
pub use strvals::{Kind as SetKind, set, set_literal, set_with};
pub use values::Warnings;

use engine::Surroundings;
use instance::Instance;
use values::Coalesce;

/// A release: what `.Release` says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Whether it is upgraded, not installed.
    pub is_upgrade: bool,
}

/// A version of Kubernetes as `.Capabilities` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KubeVersion {
    /// With a leading `v`, as given.
    pub version: String,
    /// What constraints are checked against and what it prints as: Helm 4 takes suffixes off.
    pub normalized: String,
    /// Major number.
    pub major: String,
    /// Minor number.
    pub minor: String,
}

impl KubeVersion {
    /// Reads `1.33.0`, `v1.33`, `v1.33.4-gke.1`.
    ///
    /// # Errors
    /// It is no version: a sentence.
    pub fn parse(text: &str, profile: Profile) -> Result<Self, String> {
        let trimmed = text.trim_start();
        let bare = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let numbers: String = bare.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        // Whole numbers between single dots; what follows is left aside.
        let parts: Vec<&str> = numbers.split('.').take_while(|part| !part.is_empty()).collect();
        let [major, minor, ..] = parts.as_slice() else {
            return Err(match parts.is_empty() {
                true => format!("could not parse \"{text}\" as version"),
                false => format!("illegal version string \"{text}\""),
            });
        };
        if let Some(part) = parts.iter().find(|part| part.len() > 1 && part.starts_with('0')) {
            return Err(format!("illegal zero-prefixed version component \"{part}\" in \"{text}\""));
        }
        let (major, minor) = ((*major).to_owned(), (*minor).to_owned());
        let normalized = format!("v{}", parts.join("."));
        let version = match profile {
            Profile::V3 => normalized.clone(),
            Profile::V4 if text.starts_with('v') => text.to_owned(),
            Profile::V4 => format!("v{text}"),
        };
        Ok(KubeVersion { version, normalized, major, minor })
    }
}

/// What is known of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Version of Kubernetes.
    pub kube_version: KubeVersion,
    /// `group/version`, and `group/version/Kind` where told.
    pub api_versions: Vec<String>,
    /// `.Capabilities.HelmVersion.Version`.
    pub helm_version: &'static str,
    /// `.Capabilities.HelmVersion.GoVersion`.
    pub go_version: &'static str,
}

static API_VERSIONS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let text = include_str!("../../../schema/helm/api-versions.txt");
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
});

impl Capabilities {
    /// What the profile takes for granted, with further API versions behind.
    pub fn new(profile: Profile, kube_version: Option<KubeVersion>, more: &[String]) -> Self {
        let (default, helm_version) = match profile {
            Profile::V3 => ("v1.20.0", "v3.22"),
            Profile::V4 => ("v1.37.0", "v4.3"),
        };
        let kube_version = kube_version.unwrap_or_else(|| {
            let [major, minor] = if profile == Profile::V3 { ["1", "20"] } else { ["1", "37"] };
            KubeVersion {
                version: default.into(),
                normalized: default.into(),
                major: major.into(),
                minor: minor.into(),
            }
        });
        let api_versions = API_VERSIONS.iter().chain(more).cloned().collect();
        Capabilities { kube_version, api_versions, helm_version, go_version: "go1.26.8" }
    }
}

/// How a release is rendered.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Whose rules.
    pub profile: Profile,
    /// Name, namespace.
    pub release: Release,
    /// The cluster.
    pub capabilities: Capabilities,
    /// Whether the schemas of values are left aside.
    pub skip_schemas: bool,
    /// Limits, and effects where they are allowed.
    pub options: Options<'a>,
}

/// What a render gives.
#[derive(Debug, Default)]
pub struct Output {
    /// Files of `crds/`, of the chart and the charts in it that are used: path and content.
    pub crds: Vec<(String, String)>,
    /// What is installed, in order.
    pub manifests: Vec<Document>,
    /// Hooks, in order.
    pub hooks: Vec<Document>,
    /// What Helm says on standard error.
    pub warnings: Warnings,
    /// The files of the chart that documents come from, by the name that Helm prints.
    pub files: BTreeMap<String, FileId>,
}

/// What of an output is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Show {
    /// `--include-crds`
    pub crds: bool,
    /// `--no-hooks` does not.
    pub hooks: bool,
    /// `--skip-tests` does not.
    pub tests: bool,
}

impl Output {
    /// What `helm template` prints.
    pub fn print(&self, show: Show) -> String {
        let mut body = String::new();
        if show.crds {
            self.crds.iter().for_each(|(source, text)| manifests::print(source, text, &mut body));
        }
        self.manifests.iter().for_each(|document| manifests::print(&document.source, &document.text, &mut body));
        let mut out = format!("{}\n", body.trim());
        if show.hooks {
            for hook in self.hooks.iter().filter(|hook| show.tests || !hook.is_test()) {
                manifests::print(&hook.source, &hook.text, &mut out);
            }
        }
        out
    }
}

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In Helm's words, without `Error: `.
    pub message: String,
    /// Whether Helm adds that `--debug` shows more: templates were executed, or were to be.
    pub debug_hint: bool,
    /// The same with places.
    pub diagnostics: Diagnostics,
}

impl Refusal {
    fn plain(message: String, span: Span) -> Self {
        let diagnostics = Diagnostic::error("helm/values", span, message.clone()).into();
        Refusal { message, debug_hint: false, diagnostics }
    }
}

/// What renders share: charts, values files, and template sets by the charts and names in them. All are read once, however many releases.
#[derive(Debug, Default)]
pub struct Tools {
    sets: Mutex<BTreeMap<SetKey, Parsed>>,
    charts: Shared<Result<Arc<Chart>, Stop>>,
    values: Shared<Checked<Node>>,
    /// What templates get that ask for randomness or the clock.
    pub randomness: Randomness,
}

/// What was read from files, by path and profile. Who comes second waits for who was first.
type Shared<T> = Mutex<FxHashMap<(FilePath, Profile), Arc<OnceLock<Noted<T>>>>>;

fn shared<T: Clone>(
    all: &Shared<T>,
    path: &FilePath,
    profile: Profile,
    world: &dyn World,
    make: impl FnOnce() -> T,
) -> T {
    let slot = {
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry((path.clone(), profile)).or_default())
    };
    let mut is_new = false;
    let noted = slot.get_or_init(|| {
        is_new = true;
        Noted::make(world, make)
    });
    if is_new { noted.value.clone() } else { noted.reuse(world).clone() }
}

/// What functions say that need a clock or randomness and have none.
const UNAVAILABLE: &str = ", and a render depends on its inputs only";

/// What watchers are told as the type where it is the chart's own constraint that reads the version.
const HELM_CONSTRAINT: &str = "chart.Metadata";

/// The charts of a set, as path and address, and the profile that they were parsed for.
type SetKey = Vec<(String, usize, Profile)>;

/// The charts stay alive with the set, so that an address means one chart.
#[derive(Clone, Debug)]
struct Parsed {
    set: Arc<TemplateSet>,
    _charts: Vec<Arc<Chart>>,
}

impl Tools {
    /// The chart in a folder, with the charts that it depends on.
    fn chart(&self, world: &dyn World, folder: &FilePath, profile: Profile) -> Result<Arc<Chart>, Stop> {
        let found = shared(&self.charts, folder, profile, world, || {
            dependencies::complete(world, folder, profile, Gather::Build)
        });
        if matches!(found, Err(Stop::Wants(_))) {
            // What is missing now may be here when it is asked for again.
            self.charts.lock().unwrap_or_else(PoisonError::into_inner).remove(&(folder.clone(), profile));
        }
        found
    }

    /// The values of a file.
    fn values(&self, world: &dyn World, file: &FilePath, profile: Profile) -> Checked<Node> {
        shared(&self.values, file, profile, world, || {
            let read = world.read(file)?;
            chart::values(&values_file(&read.display, read.id, &read.bytes), profile)
        })
    }

    fn set(
        &self,
        root: &Instance,
        files: &[engine::File<'_>],
        profile: Profile,
    ) -> Result<Arc<TemplateSet>, engine::Failed> {
        let mut charts = Vec::new();
        engine::paths(root, &root.name, &mut charts);
        let key: Vec<_> =
            charts.iter().map(|(path, chart)| (path.clone(), Arc::as_ptr(chart) as usize, profile)).collect();
        let known = self.sets.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(parsed) = known {
            return Ok(parsed.set);
        }
        let set = Arc::new(engine::parse(files, profile)?);
        let parsed =
            Parsed { set: Arc::clone(&set), _charts: charts.into_iter().map(|(_, chart)| Arc::clone(chart)).collect() };
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).insert(key, parsed);
        Ok(set)
    }
}

/// Loads the chart in a folder.
///
/// # Errors
/// As [`folder`] and [`Chart::from_files`].
pub fn load_chart(world: &dyn World, directory: &FilePath, profile: Profile) -> Checked<Chart> {
    Chart::from_files(load::folder(world, directory)?, profile)
}

/// Values of a file, as a map that a render may change.
///
/// # Errors
/// It is no YAML, or no map.
pub fn read_values(file: &ChartFile, profile: Profile) -> Checked<Map> {
    match crate::template::convert::from_json(&chart::values(file, profile)?) {
        Value::Map(map) => Ok(map),
        _ => Ok(values::empty()),
    }
}

/// The newest of some versions that a constraint allows (any where it is empty), by the rules of Masterminds' semver.
pub fn newest<'v>(constraint: &str, versions: &[&'v str]) -> Option<&'v str> {
    let constraint = if constraint.is_empty() { "*" } else { constraint };
    let allowed = versions.iter().copied().filter(|version| is_compatible(constraint, version));
    // A constraint that names a pre-release admits all of them.
    allowed.reduce(|best, next| if is_compatible(&format!(">{best}, >=0.0.0-0"), next) { next } else { best })
}

/// A JSON text as values, as encoding/json reads it.
///
/// # Errors
/// It is no JSON.
pub fn parse_json(text: &[u8]) -> Result<Value, String> {
    match crate::template::helm::parse_json_prefix(text)? {
        (value, length) if text.get(length..).is_none_or(|rest| rest.trim_ascii().is_empty()) => Ok(value),
        _ => Err("text behind the value".to_owned()),
    }
}

/// No values.
pub fn no_values() -> Map {
    values::empty()
}

/// Merges values over others, as a later values file over an earlier one.
pub fn merge_values(values: &Map, over: &Map) {
    values::merge_into(values, over);
}

/// Renders a release of a chart with the values that the user gives.
///
/// # Errors
/// What Helm refuses: in its words, and with places where they are known.
pub fn render(chart: &Arc<Chart>, user: &Map, request: &Request<'_>, tools: &Tools) -> Result<Output, Refusal> {
    let plain = |message: String| Refusal::plain(message, chart.span);
    if chart.library {
        return Err(plain("library charts are not installable".to_owned()));
    }
    missing_dependencies(chart, request.profile).map_err(plain)?;
    check_release_name(&request.release.name, request.profile).map_err(plain)?;
    let mut output = Output::default();
    let mut root = Instance::new(chart);
    root.resolve(user, request.profile, &mut output.warnings).map_err(|message| match request.profile {
        Profile::V3 => plain(message),
        Profile::V4 => plain(format!("chart dependencies processing failed: {message}")),
    })?;
    let values = Coalesce { profile: request.profile, keep_nulls: false, warnings: &mut output.warnings }
        .chart(&root, user)
        .map_err(plain)?;
    if !request.skip_schemas {
        schema::check(&root, &values).map_err(plain)?;
    }
    let hinted = |message: String, diagnostics: Diagnostics| Refusal { message, debug_hint: true, diagnostics };
    let wanted = &chart.kube_version;
    if let Some(watch) = request.options.watch.filter(|_| !wanted.is_empty()) {
        let read = FieldRead { type_name: HELM_CONSTRAINT, field: "KubeVersion", next: None, name: "", offset: 0 };
        watch.read(&read);
    }
    if !wanted.is_empty() && !is_compatible(wanted, &request.capabilities.kube_version.normalized) {
        let message = format!(
            "chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {}",
            request.capabilities.kube_version.version
        );
        let diagnostics = Diagnostic::error("helm/kube-version", chart.span, message.clone()).into();
        return Err(hinted(message, diagnostics));
    }
    let around = Surroundings {
        release: &request.release,
        capabilities: &request.capabilities,
        profile: request.profile,
        options: request.options.clone(),
    };
    let files = engine::files(&root, &values, &around);
    let failed = |failed: engine::Failed| {
        let diagnostics = located(&failed, &files);
        hinted(failed.message, diagnostics)
    };
    let set = tools.set(&root, &files, request.profile).map_err(failed)?;
    let mut rendered = engine::execute(&set, &files, &around).map_err(failed)?;
    rendered.retain(|(name, _)| !name.ends_with("NOTES.txt"));
    let sorted = manifests::sort(&rendered, request.profile).map_err(|(path, why)| {
        let message = format!("YAML parse error on {path}: {why}");
        let span = files.iter().find(|file| file.name == path).map_or(Span::NONE, |file| Span::new(file.file, 0, 0));
        hinted(message.clone(), Diagnostic::error("helm/output", span, message).into())
    })?;
    output.files = files.iter().map(|file| (file.name.clone(), file.file)).collect();
    let mut charts = Vec::new();
    engine::paths(&root, &root.name, &mut charts);
    for (path, chart) in charts {
        for file in chart.crds() {
            let name = format!("{path}/{}", file.name);
            output.files.insert(name.clone(), file.file);
            output.crds.push((name, file.data.to_text().into_owned()));
        }
    }
    for (path, hook) in sorted.unknown_hooks {
        output.warnings.push(format!("skipping unknown hooks: {hook:?} in {path}"));
    }
    output.manifests = sorted.manifests;
    output.hooks = sorted.hooks;
    Ok(output)
}

/// The name that `--name-template` makes: a template without data, with sprig alone (what Helm adds belongs to charts).
///
/// # Errors
/// It is no template, or fails: a sentence.
pub fn release_name(template: &str, options: &Options<'_>) -> Result<String, String> {
    let mut functions = crate::template::Functions::builtins();
    crate::template::sprig::extend(&mut functions);
    let parsed = Template::parse("name-template", template, &functions).map_err(|error| error.to_string())?;
    let out = parsed.execute(&Value::Nil, options).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The declared charts that are not there, by name only (action.CheckDependencies).
fn missing_dependencies(chart: &Chart, profile: Profile) -> Result<(), String> {
    let there = |name: &str| chart.charts.iter().any(|known| known.name == name);
    let missing: Vec<&str> =
        chart.dependencies.iter().map(|dependency| dependency.name.as_str()).filter(|name| !there(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (an, command) = match profile {
        Profile::V3 => ("An", "`helm dependency build`"),
        Profile::V4 => ("an", "'helm dependency build'"),
    };
    Err(format!(
        "{an} error occurred while checking for chart dependencies. You may need to run {command} to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
        missing.join(", ")
    ))
}

/// What Helm takes as the name of a release (chartutil.ValidateReleaseName).
fn check_release_name(name: &str, profile: Profile) -> Result<(), String> {
    let failed = |what: &str| match profile {
        Profile::V3 => Err(format!("release name \"{name}\": {what}")),
        Profile::V4 => Err(format!("release name check failed: release name \"{name}\": {what}")),
    };
    let label = |part: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ends = part.as_bytes().first().zip(part.as_bytes().last());
        ends.is_some_and(|(first, last)| inner(*first) && inner(*last)) && part.bytes().all(|b| inner(b) || b == b'-')
    };
    if name.is_empty() {
        return failed("no name provided");
    }
    if name.len() > 53 || !name.split('.').all(label) {
        return failed(
            "invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53",
        );
    }
    Ok(())
}

/// Places of a chain of templates that are shown.
const MAX_PLACES: usize = 12;

/// The error with the places of its chain, from the innermost outward.
fn located(failed: &engine::Failed, files: &[engine::File<'_>]) -> Diagnostics {
    let place = |error: &crate::template::TemplateError| {
        let file = files.iter().find(|file| file.name == error.name()).map_or(FileId::NONE, |file| file.file);
        let at = error.offset().unwrap_or_default();
        if file == FileId::NONE { Span::NONE } else { Span::new(file, at, at + 1) }
    };
    let mut chain = failed.chain.iter().rev();
    let Some(innermost) = chain.next() else {
        return Diagnostic::error("helm/template", Span::NONE, failed.message.clone()).into();
    };
    // What `fail` and `required` were called with says enough.
    let reason = innermost.reason();
    let marked = reason.split_once(MESSAGE_START).and_then(|(_, rest)| rest.rsplit_once(MESSAGE_END));
    let reason = marked.map_or(reason, |(message, _)| message);
    let code = if reason.contains(UNAVAILABLE) { "helm/nondeterminism" } else { "helm/template" };
    let mut diagnostic = Diagnostic::error(code, place(innermost), reason);
    // A template that includes itself a thousand times is told often enough by a few of them.
    for error in chain.take(MAX_PLACES) {
        diagnostic = diagnostic.trace(place(error), format!("called from `{}`", error.name()));
    }
    diagnostic.into()
}
