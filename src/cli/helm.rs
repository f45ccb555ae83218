//! `fleetc helm [NAME] CHART`: the bytes of `helm template`, and its exit codes (0 or 1).

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fleetc::diag::Diagnostics;
use fleetc::host::{Clock, FileWorld};
use fleetc::path::{FilePath, TreePath};
use fleetc::render::helm::{
    Capabilities, Chart, Document, Gather, KubeVersion, Output, Profile, Release, Request, SetKind, Show, Tools,
    complete, is_packed, load_chart, merge_values, no_values, parse_json, read_archive, read_values, release_name,
    render, set, set_literal, set_with, told, values_file,
};
use fleetc::render::{Stop, Want};
use fleetc::source::{SourceKind, SourceRequest};
use fleetc::span::FileId;
use fleetc::template::{Map, Options, Value};
use fleetc::world::{Lookup, World as _};

use super::args::Helm;
use super::progress::Fetching;
use super::session::{print_findings, print_out};

/// Stack of the thread that renders: templates include each other as deep as Helm allows.
const STACK: usize = 1 << 30;

/// Bodies and templates inside each other that the stack holds.
const DEPTH: u32 = 12_000;

/// Runs the command.
pub(crate) fn run(args: &Helm) -> ExitCode {
    on_deep_stack(|| work(args))
}

/// Runs something that renders charts.
pub(crate) fn on_deep_stack(work: impl FnOnce() -> ExitCode + Send) -> ExitCode {
    let outcome = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        thread.map(std::thread::ScopedJoinHandle::join)
    });
    match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(_)) | Err(_) => ExitCode::from(1),
    }
}

/// What went wrong, in Helm's words; with places for ours.
struct Failed {
    message: String,
    found: Diagnostics,
}

impl From<String> for Failed {
    fn from(message: String) -> Self {
        Failed { message, found: Diagnostics::new() }
    }
}

fn work(args: &Helm) -> ExitCode {
    let world = match super::kustomize::open_disk(&args.sources) {
        Ok(world) => world,
        Err(error) => return refused(&error.to_string()),
    };
    match template(args, &world) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            let code = refused(&failed.message);
            print_findings(&failed.found, world.sources(), args.color);
            code
        }
    }
}

fn refused(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "Error: {message}");
    ExitCode::from(1)
}

fn template(args: &Helm, world: &FileWorld) -> Result<(), Failed> {
    let profile = if args.engine.as_deref() == Some("helm=3") { Profile::V3 } else { Profile::V4 };
    let (name, chart) = match args.names.as_slice() {
        [chart] => ("release-name", chart),
        [name, chart] => (name.as_str(), chart),
        _ => return Err("expected at most two arguments, unexpected arguments".to_owned().into()),
    };
    let chart = match remote_chart(args, chart) {
        Some(request) => Arc::new(fetch_chart(&request, world, profile)?),
        None => open_chart(Path::new(chart), world, profile, args.dependency_update)?,
    };
    let values = given_values(args, world, profile)?;
    let name = match &args.name_template {
        Some(template) => {
            let clock = Clock;
            release_name(template, &Options { effects: Some(&clock), ..Options::default() })?
        }
        None => name.to_owned(),
    };
    let kube_version = match args.kube_version.as_ref().filter(|text| !text.is_empty()) {
        Some(text) => {
            Some(KubeVersion::parse(text, profile).map_err(|error| format!("invalid kube version '{text}': {error}"))?)
        }
        None => None,
    };
    let namespace = args.namespace.clone().or_else(|| std::env::var("HELM_NAMESPACE").ok().filter(|n| !n.is_empty()));
    let clock = Clock;
    let request = Request {
        profile,
        release: Release {
            name,
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
            is_upgrade: args.is_upgrade,
        },
        capabilities: Capabilities::new(profile, kube_version, &args.api_versions),
        skip_schemas: args.skip_schema_validation,
        options: Options { effects: Some(&clock), max_depth: DEPTH, ..Options::default() },
    };
    let output = render(&chart, &values, &request, &Tools::default()).map_err(|refusal| {
        let hint = if refusal.debug_hint { "\n\nUse --debug flag to render out invalid YAML" } else { "" };
        // Where there is no place, our finding would only repeat the message.
        let mut found = refusal.diagnostics;
        found.0.retain(|finding| !finding.span.is_none());
        Failed { message: format!("{}{hint}", refusal.message), found }
    })?;
    for warning in &output.warnings {
        let _ = writeln!(std::io::stderr(), "{warning}");
    }
    finish(args, &request.release.name, &output, profile)
}

fn finish(args: &Helm, release: &str, output: &Output, profile: Profile) -> Result<(), Failed> {
    let show = Show { crds: args.include_crds, hooks: !args.no_hooks, tests: !args.skip_tests };
    if let Some(folder) = &args.output_dir {
        let folder = if args.release_name { folder.join(release) } else { folder.clone() };
        write_folder(&folder, output, show).map_err(|error| error.to_string())?;
        return match args.show_only.first() {
            // Everything is in the files, so there is nothing left to be shown.
            Some(wanted) => Err(format!("could not find template {wanted} in chart").into()),
            None => {
                print_out("\n");
                Ok(())
            }
        };
    }
    let text = output.print(show);
    if args.show_only.is_empty() {
        print_out(&text);
        return Ok(());
    }
    print_out(&fleetc::render::helm::show_only(&text, &args.show_only, profile)?);
    Ok(())
}

fn write_folder(folder: &Path, output: &Output, show: Show) -> std::io::Result<()> {
    let mut written = std::collections::BTreeSet::new();
    let mut write = |source: &str, text: &str| -> std::io::Result<()> {
        let path = folder.join(source);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let fresh = written.insert(source.to_owned());
        let mut file =
            std::fs::OpenOptions::new().create(true).write(true).truncate(fresh).append(!fresh).open(&path)?;
        write!(file, "---\n# Source: {source}\n{text}\n")?;
        print_out(&format!("wrote {}\n", path.display()));
        Ok(())
    };
    if show.crds {
        output.crds.iter().try_for_each(|(source, text)| write(source, text))?;
    }
    let mut document = |document: &Document| write(&document.source, &document.text);
    output.manifests.iter().try_for_each(&mut document)?;
    if show.hooks {
        output.hooks.iter().filter(|hook| show.tests || !hook.is_test()).try_for_each(&mut document)?;
    }
    Ok(())
}

/// The chart that an address names, or `--repo`; `None` for one on this machine.
fn remote_chart(args: &Helm, chart: &str) -> Option<SourceRequest> {
    let revision = args.version.clone().unwrap_or_default();
    if let Some(url) = &args.repo {
        return Some(SourceRequest { kind: SourceKind::Chart(chart.to_owned()), url: url.clone(), revision });
    }
    // The last name of the address is the chart's.
    let (url, name) = chart.starts_with("oci://").then(|| chart.trim_end_matches('/').rsplit_once('/'))??;
    Some(SourceRequest { kind: SourceKind::Chart(name.to_owned()), url: url.to_owned(), revision })
}

fn fetch_chart(request: &SourceRequest, world: &FileWorld, profile: Profile) -> Result<Chart, Failed> {
    let fetching = Fetching::on_terminals();
    let (found, _) = world.settle(&|request, progress| fetching.tell(request, &progress), || {
        let found = world.tree(request);
        let missing = matches!(found, Lookup::Absent { .. }).then(|| request.clone());
        (found, missing.into_iter().collect())
    });
    match found {
        Lookup::Here(tree) => load_chart(world, &FilePath::new(tree.id, TreePath::root()), profile).map_err(located),
        Lookup::Absent { reason, hint } => {
            let hint = hint.map(|hint| format!("\n\n{hint}")).unwrap_or_default();
            Err(format!("{}: {reason}{hint}", super::progress::shown(request)).into())
        }
    }
}

fn located(mut found: Diagnostics) -> Failed {
    let message = told(&found);
    found.0.retain(|finding| !finding.span.is_none());
    Failed { message, found }
}

/// The chart in a folder, and what it depends on and is not in its `charts/`.
fn complete_chart(folder: &FilePath, world: &FileWorld, profile: Profile) -> Result<Arc<Chart>, Failed> {
    let fetching = Fetching::on_terminals();
    let (found, _) = world.settle(&|request, progress| fetching.tell(request, &progress), || {
        let found = complete(world, folder, profile, Gather::Update);
        let wants = found.as_ref().err().map(Stop::wants).unwrap_or_default();
        (found, wants)
    });
    found.map_err(|stop| match stop {
        Stop::Failed(found) => located(found),
        Stop::Wants(wants) => {
            let told = |want: &Want| format!("{}: {}", super::progress::shown(&want.request), want.reason);
            wants.iter().map(told).collect::<Vec<_>>().join("\n").into()
        }
    })
}

fn open_chart(path: &Path, world: &FileWorld, profile: Profile, gather: bool) -> Result<Arc<Chart>, Failed> {
    let absolute = std::fs::canonicalize(path).map_err(|_| {
        let text = path.display();
        if text.to_string().contains("://") {
            format!("`{text}`: give the URL of the repository with `--repo`, and the chart's name")
        } else {
            format!("path \"{text}\" not found")
        }
    })?;
    if absolute.is_dir() {
        let folder = inside(&absolute)?;
        return match gather {
            true => complete_chart(&folder, world, profile),
            false => load_chart(world, &folder, profile).map(Arc::new).map_err(located),
        };
    }
    let bytes = std::fs::read(&absolute).map_err(|error| error.to_string())?;
    if !is_packed(&bytes) {
        return Err(format!("file '{}' does not appear to be a gzipped archive", absolute.display()).into());
    }
    // Helm 4 looks for the version of the chart first, and says no more than that it cannot.
    let files = read_archive(&bytes).map_err(|reason| match profile {
        Profile::V3 => reason,
        Profile::V4 => format!("unable to load chart archive: {reason}"),
    })?;
    if profile == Profile::V4 && !files.iter().any(|file| file.name == "Chart.yaml") {
        return Err("unable to detect chart version, no Chart.yaml found".to_owned().into());
    }
    Chart::from_files(files, profile).map(Arc::new).map_err(located)
}

/// A path on disk as one of the world, which is the whole disk.
fn inside(path: &Path) -> Result<FilePath, Failed> {
    let text = path.to_str().and_then(|text| TreePath::new(text.trim_start_matches('/')).ok());
    match text {
        Some(path) => Ok(FilePath::new(FileWorld::TREE, path)),
        None => Err(format!("the path {} is not UTF-8", path.display()).into()),
    }
}

fn given_values(args: &Helm, world: &FileWorld, profile: Profile) -> Result<Map, Failed> {
    let values = no_values();
    for path in &args.values {
        let (id, bytes) = if path == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).map_err(|error| error.to_string())?;
            (FileId::NONE, bytes)
        } else {
            let absolute = std::fs::canonicalize(path)
                .map_err(|_| format!("open {}: no such file or directory", path.display()))?;
            let file = world
                .read(&inside(&absolute)?)
                .map_err(|found| Failed { message: format!("cannot read {}", path.display()), found })?;
            (file.id, file.bytes.to_vec())
        };
        let name = path.display().to_string();
        let read = read_values(&values_file(&name, id, &bytes), profile).map_err(|found| {
            let message = told(&found);
            let message = message.strip_prefix(&format!("cannot load {name}: ")).unwrap_or(&message);
            Failed { message: format!("failed to parse {name}: {message}"), found }
        })?;
        merge_values(&values, &read);
    }
    let failed = |what: &str, error: String| Failed::from(format!("failed parsing {what} data: {error}"));
    for text in &args.set_json {
        let trimmed = text.trim();
        if trimmed.starts_with('{') && profile == Profile::V4 {
            match parse_json(trimmed.as_bytes()) {
                Ok(Value::Map(read)) => merge_values(&values, &read),
                _ => return Err(format!("failed parsing --set-json data JSON: {text}").into()),
            }
        } else {
            set(text, SetKind::Json, &values).map_err(|_| format!("failed parsing --set-json data {text}"))?;
        }
    }
    for text in &args.set {
        set(text, SetKind::Typed, &values).map_err(|error| failed("--set", error))?;
    }
    for text in &args.set_string {
        set(text, SetKind::Text, &values).map_err(|error| failed("--set-string", error))?;
    }
    let read_file = |path: &str| {
        std::fs::read(path).map(Value::from).map_err(|_| format!("open {path}: no such file or directory"))
    };
    for text in &args.set_file {
        set_with(text, &values, &read_file).map_err(|error| failed("--set-file", error))?;
    }
    for text in &args.set_literal {
        set_literal(text, &values).map_err(|error| failed("--set-literal", error))?;
    }
    Ok(values)
}
