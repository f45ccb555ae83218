//! A chart as it was loaded: metadata, default values, templates, other files, and the charts in it. Nothing is chosen or coalesced yet.
//!
//! Files come in with their paths, from a folder or an archive, in the order of a walk; what they say is read by YAML 1.1, unknown fields
//! ignored, as Helm does (pkg/chart/v2/loader). Parsed once and shared by all releases of it.

use std::sync::Arc;

use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::span::{FileId, Span};
use crate::template::Bytes;
use crate::template::helm::{Profile, is_version};
use crate::yaml::sigs::{self, Numbers};
use crate::yaml::{self, Dialect, Limits, Map, Node, Number, Tag, View};

use super::archive;

/// One file of a chart.
#[derive(Clone, Debug)]
pub struct ChartFile {
    /// Path below the chart, with `/`.
    pub name: String,
    /// Its content.
    pub data: Bytes,
    /// Where findings about it point; [`FileId::NONE`] for files in archives.
    pub file: FileId,
}

/// A dependency as Chart.yaml (or requirements.yaml) declares it.
#[derive(Clone, Debug, Default)]
pub struct Dependency {
    /// Name of the chart.
    pub name: String,
    /// Version constraint.
    pub version: String,
    /// Where it comes from.
    pub repository: String,
    /// Paths of values that switch it, separated by commas.
    pub condition: String,
    /// Groups that switch it.
    pub tags: Vec<String>,
    /// What of its values the parent takes over.
    pub import_values: Vec<Node>,
    /// Under which name it is used; empty for its own.
    pub alias: String,
}

/// A loaded chart.
#[derive(Debug)]
pub struct Chart {
    /// Chart.yaml as written.
    pub metadata: Node,
    /// `name`.
    pub name: String,
    /// `version`.
    pub version: String,
    /// `kubeVersion`: which clusters it is for; empty for all.
    pub kube_version: String,
    /// Whether it only lends templates to others.
    pub library: bool,
    /// Declared dependencies.
    pub dependencies: Vec<Dependency>,
    /// Files below `templates/`.
    pub templates: Vec<ChartFile>,
    /// All others but charts, values and the like: what templates read, and `crds/`.
    pub files: Vec<ChartFile>,
    /// Default values: a map, or nothing.
    pub values: Node,
    /// values.schema.json.
    pub schema: Option<ChartFile>,
    /// The charts in `charts/`, by the names of their folders and archives.
    pub charts: Vec<Arc<Chart>>,
    /// Where Chart.yaml begins.
    pub span: Span,
    /// What was found while the charts that it depends on were gathered.
    pub warnings: Diagnostics,
}

/// Charts inside each other; Helm has no limit.
const MAX_DEPTH: usize = 32;

impl Chart {
    /// Reads a chart from its files.
    ///
    /// # Errors
    /// No Chart.yaml, one that is not valid, files that are no YAML, archives that are no charts.
    pub fn from_files(files: Vec<ChartFile>, profile: Profile) -> Checked<Self> {
        load(files, profile, 0)
    }

    /// The files in `crds/` that hold manifests (`IsCRD`: YAML or JSON by name), of this chart only.
    pub fn crds(&self) -> impl Iterator<Item = &ChartFile> {
        let is_manifest = |name: &str| matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml" | "json")));
        self.files.iter().filter(move |file| file.name.starts_with("crds/") && is_manifest(&file.name))
    }

    /// A text field of Chart.yaml; empty where it is not there.
    pub fn field(&self, name: &str) -> String {
        text(&self.metadata, name)
    }
}

fn text(node: &Node, key: &str) -> String {
    field(node, key).and_then(string).unwrap_or_default()
}

/// A scalar where a Go struct wants a string: sigs.k8s.io/yaml looks at the type and prints numbers and booleans for it, so `1.10` is
/// `1.1` and `no` is `false`. `None` for what is no scalar.
pub(super) fn string(node: &Node) -> Option<String> {
    match node.view() {
        View::Scalar(Tag::Null, _) => Some(String::new()),
        View::Scalar(Tag::Bool, text) => Some(yaml::bool_value(text).unwrap_or_default().to_string()),
        View::Scalar(Tag::Int | Tag::Float, text) => Some(match node.number() {
            Some(Number::Int(n)) => n.to_string(),
            Some(Number::Uint(n)) => n.to_string(),
            Some(number) => yaml::go_float(number.as_f64()),
            None => text.to_owned(),
        }),
        View::Scalar(_, text) => Some(text.to_owned()),
        _ => None,
    }
}

/// A field as encoding/json finds it: by its exact name, else by one that differs in case only.
pub(super) fn field<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let map = node.as_map()?;
    map.get(key).or_else(|| {
        map.iter().find(|(name, _)| name.as_str().is_some_and(|n| n.eq_ignore_ascii_case(key))).map(|f| f.1)
    })
}

fn failed(file: &ChartFile, message: impl Into<String>) -> Diagnostics {
    Diagnostic::error("helm/chart", Span::new(file.file, 0, 0), message).into()
}

fn load(files: Vec<ChartFile>, profile: Profile, depth: usize) -> Checked<Chart> {
    if depth > MAX_DEPTH {
        let message = format!("charts are nested more than {MAX_DEPTH} times");
        return Err(Diagnostic::error("helm/chart", Span::NONE, message).into());
    }
    let Some(chart_yaml) = files.iter().find(|file| file.name == "Chart.yaml") else {
        let place = files.first().map_or(Span::NONE, |file| Span::new(file.file, 0, 0));
        return Err(Diagnostic::error("helm/chart", place, "Chart.yaml file is missing").into());
    };
    let span = Span::new(chart_yaml.file, 0, 0);
    let metadata = document(chart_yaml, "Chart.yaml")?;
    check_types(&metadata, chart_yaml, profile)?;
    if profile == Profile::V4 && depth == 0 && !matches!(text(&metadata, "apiVersion").as_str(), "" | "v1" | "v2") {
        return Err(Diagnostic::error("helm/chart", span, "invalid chart apiVersion").into());
    }
    let v1 = matches!(text(&metadata, "apiVersion").as_str(), "" | "v1");
    let mut chart = Chart {
        name: text(&metadata, "name"),
        version: text(&metadata, "version"),
        kube_version: text(&metadata, "kubeVersion"),
        library: text(&metadata, "type") == "library",
        dependencies: dependencies(&metadata),
        templates: Vec::new(),
        files: Vec::new(),
        values: Node::map(Map::default()),
        schema: None,
        charts: Vec::new(),
        span,
        metadata,
        warnings: Diagnostics::new(),
    };
    let mut packed: Vec<(String, Vec<ChartFile>)> = Vec::new();
    for file in files {
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => drop(document(&file, "Chart.lock")?),
            "values.yaml" => chart.values = values(&file, profile)?,
            "values.schema.json" => chart.schema = Some(file),
            "requirements.yaml" => {
                let found = document(&file, "requirements.yaml")?;
                if field(&found, "dependencies").is_some() {
                    chart.dependencies = dependencies(&found);
                }
                if v1 {
                    chart.files.push(file);
                }
            }
            "requirements.lock" => {
                document(&file, "requirements.lock")?;
                if v1 {
                    chart.files.push(file);
                }
            }
            name if name.starts_with("templates/") => chart.templates.push(file),
            name => match name.strip_prefix("charts/") {
                Some(_) if name.ends_with(".prov") => chart.files.push(file),
                Some(below) => {
                    let below = below.to_owned();
                    let folder = below.split('/').next().unwrap_or_default().to_owned();
                    let file = ChartFile { name: below, ..file };
                    match packed.iter_mut().find(|(known, _)| *known == folder) {
                        Some((_, files)) => files.push(file),
                        None => packed.push((folder, vec![file])),
                    }
                }
                None => chart.files.push(file),
            },
        }
    }
    validate(&chart)?;
    // Helm takes them in the random order of a map.
    packed.sort_by(|a, b| a.0.cmp(&b.0));
    for (folder, files) in packed {
        if folder.starts_with(['_', '.']) {
            continue;
        }
        let unpacked = subchart(&folder, files, profile, depth);
        let context = || format!("error unpacking subchart {folder} in {}", chart.name);
        match unpacked {
            Ok(found) => chart.charts.push(Arc::new(found)),
            Err(errors) => {
                return Err(Diagnostics(errors.0.into_iter().map(|error| error.trace(span, context())).collect()));
            }
        }
    }
    Ok(chart)
}

fn subchart(folder: &str, files: Vec<ChartFile>, profile: Profile, depth: usize) -> Checked<Chart> {
    if folder.ends_with(".tgz") {
        let Some(archive) = files.into_iter().find(|file| file.name == folder) else {
            let message = format!("`charts/{folder}` is a folder, not an archive");
            return Err(Diagnostic::error("helm/chart", Span::NONE, message).into());
        };
        let files = archive::read(&archive.data).map_err(|error| failed(&archive, error))?;
        return load(files, profile, depth + 1);
    }
    let inner = files.into_iter().filter_map(|file| {
        let name = file.name.split_once('/')?.1.to_owned();
        Some(ChartFile { name, ..file })
    });
    load(inner.collect(), profile, depth + 1)
}

/// The first document of a file.
fn document(file: &ChartFile, what: &str) -> Checked<Node> {
    let mut all = documents(file, what)?;
    Ok(if all.is_empty() { Node::null() } else { all.swap_remove(0) })
}

/// All documents of a file as JSON values.
fn json_documents(file: &ChartFile, what: &str) -> Checked<Vec<Node>> {
    let failed = |found: Diagnostics| {
        let Some(found) = found.0.into_iter().next() else { return Diagnostics::new() };
        let words = format!("error converting YAML to JSON: {}", yaml::go_json_words(&found));
        let said = Diagnostic::error("helm/chart", found.span, words).hint(format!("that is: {}", found.message));
        said.trace(Span::new(file.file, 0, 0), format!("cannot load {what}")).into()
    };
    let roots = documents(file, what)?;
    roots.iter().map(|root| sigs::to_json_value(root, Numbers::Float64).map_err(failed)).collect()
}

fn documents(file: &ChartFile, what: &str) -> Checked<Vec<Node>> {
    let bytes = file.data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file.data);
    let parsed = yaml::parse(file.file, bytes, Dialect::V2, &Limits::default());
    if let Some(error) = parsed.error {
        let words = format!("error converting YAML to JSON: {}", yaml::go_words(bytes, &error));
        let said = Diagnostic::error("helm/chart", error.span, words).hint(format!("that is: {}", error.message));
        return Err(said.trace(Span::new(file.file, 0, 0), format!("cannot load {what}")).into());
    }
    Ok(parsed.documents.into_iter().map(|document| document.root).collect())
}

/// Values of a file: a map. Helm 4 merges all documents, Helm 3 reads the first.
pub(super) fn values(file: &ChartFile, profile: Profile) -> Checked<Node> {
    let ended;
    let file = if profile == Profile::V4 && !file.data.ends_with(b"\n") {
        // Helm 4 reads them line by line and puts a line feed behind each, also behind the last.
        ended = ChartFile { data: Bytes::from([&file.data, &b"\n"[..]].concat()), ..file.clone() };
        &ended
    } else {
        file
    };
    let mut all = json_documents(file, &file.name).map_err(|found| of_profile(found, profile))?;
    if profile == Profile::V3 {
        all.truncate(1);
    }
    let mut merged = Node::map(Map::default());
    for document in all {
        match document.as_map() {
            Some(_) => merged = super::values::merge_nodes(&merged, &document),
            None if document.is_null() => {}
            None => {
                let what = match document.what() {
                    "a sequence" | "a list" => "array",
                    _ => "string",
                };
                let message = format!(
                    "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"
                );
                let found = Diagnostic::error("helm/values", document.span(), message)
                    .hint("values are a map of names to values")
                    .trace(Span::new(file.file, 0, 0), format!("cannot load {}", file.name));
                return Err(of_profile(found.into(), profile));
            }
        }
    }
    Ok(merged)
}

/// Helm 4 says of values files what it was about.
fn of_profile(mut found: Diagnostics, profile: Profile) -> Diagnostics {
    if profile == Profile::V4 {
        found.0.iter_mut().for_each(|one| one.message = format!("cannot unmarshal yaml document: {}", one.message));
    }
    found
}

/// What Helm says on loading a chart: the way to the file, then what is wrong with it.
pub fn told(found: &Diagnostics) -> String {
    let Some(first) = found.iter().next() else { return String::new() };
    let way = first.trace.iter().rev().map(|(_, step)| format!("{step}: "));
    way.chain([first.message.clone()]).collect()
}

/// What does not fit the Go structs that Helm reads Chart.yaml into.
fn check_types(metadata: &Node, file: &ChartFile, profile: Profile) -> Checked<()> {
    let (top, of_dependencies) = match profile {
        Profile::V3 => ("chart.Metadata", "[]*chart.Dependency"),
        Profile::V4 => ("loader.chartBase", "[]*v2.Dependency"),
    };
    let kind = |node: &Node| match node.view() {
        View::Seq(_) => "array",
        View::Map(_) => "object",
        View::Scalar(Tag::Bool, _) => "bool",
        View::Scalar(Tag::Int | Tag::Float, _) => "number",
        View::Scalar(..) => "string",
    };
    let refuse = |node: &Node, into: String| {
        let message =
            format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into {into}", kind(node));
        let found = Diagnostic::error("helm/chart", node.span(), message);
        Err(found.trace(Span::new(file.file, 0, 0), "cannot load Chart.yaml".to_owned()).into())
    };
    if metadata.as_map().is_none() && !metadata.is_null() {
        return refuse(metadata, format!("Go value of type {top}"));
    }
    match field(metadata, "dependencies") {
        Some(node) if node.as_seq().is_none() && !node.is_null() => {
            refuse(node, format!("Go struct field Metadata.dependencies of type {of_dependencies}"))
        }
        _ => Ok(()),
    }
}

pub(super) fn dependencies(metadata: &Node) -> Vec<Dependency> {
    let items = field(metadata, "dependencies").and_then(Node::as_seq).unwrap_or_default();
    let list = |node: &Node, key: &str| field(node, key).and_then(Node::as_seq).unwrap_or_default().to_vec();
    let read = |node: &Node| Dependency {
        name: text(node, "name"),
        version: text(node, "version"),
        repository: text(node, "repository"),
        condition: text(node, "condition"),
        tags: list(node, "tags").iter().filter_map(string).collect(),
        import_values: list(node, "import-values"),
        alias: text(node, "alias"),
    };
    items.iter().filter(|item| item.as_map().is_some()).map(read).collect()
}

/// What Helm checks of every chart (Metadata.Validate).
fn validate(chart: &Chart) -> Checked<()> {
    let refuse = |message: String| Err(Diagnostic::error("helm/chart", chart.span, message).into());
    let invalid = |what: &str| refuse(format!("validation: {what}"));
    if chart.name.is_empty() {
        return invalid("chart.metadata.name is required");
    }
    if chart.name == "." || chart.name == ".." || chart.name.contains(['/', '\\']) {
        return invalid(&format!("chart.metadata.name \"{}\" is invalid", chart.name));
    }
    if chart.version.is_empty() {
        return invalid("chart.metadata.version is required");
    }
    if !is_version(&chart.version) {
        return invalid(&format!("chart.metadata.version \"{}\" is invalid", chart.version));
    }
    if !matches!(chart.field("type").as_str(), "" | "application" | "library") {
        return invalid("chart.metadata.type must be application or library");
    }
    let mut seen = std::collections::BTreeSet::new();
    for dependency in &chart.dependencies {
        let valid = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !dependency.alias.is_empty() && !valid(&dependency.alias) {
            return invalid(&format!("dependency \"{}\" has disallowed characters in the alias", dependency.name));
        }
        let key = if dependency.alias.is_empty() { &dependency.name } else { &dependency.alias };
        if !seen.insert(key) {
            return invalid(&format!("more than one dependency with name or alias \"{key}\""));
        }
    }
    Ok(())
}
