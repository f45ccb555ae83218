//! The charts that a chart depends on and that are not in its `charts/`: what `helm dependency build` would put there, which Argo CD calls.
//!
//! Helm takes versions and repositories from Chart.lock, and refuses one that was made for another Chart.yaml; without it the newest versions
//! that are allowed. Charts of `file://` are read where they are, the others are wanted. Helm does this for the chart itself only: what
//! these charts in turn declare and do not hold is left out without a word, here with a warning. (Helm: `pkg/downloader/manager.go`,
//! `internal/resolver`.)

use std::sync::Arc;

use super::chart::{Dependency, dependencies, string};
use super::{Chart, Profile, load_chart};
use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::digest::Digest;
use crate::path::{FilePath, TreePath};
use crate::render::{Stop, Want};
use crate::source::{SourceKind, SourceRequest};
use crate::span::Span;
use crate::template::helm::is_compatible;
use crate::world::{Lookup, Tree, World};
use crate::yaml::{self, Dialect, Limits, Node, json};

/// Which versions are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gather {
    /// Those of Chart.lock, as `helm dependency build` does.
    Build,
    /// The newest that are allowed, as `helm template --dependency-update` does.
    Update,
}

/// The chart in a folder with the charts that it depends on.
///
/// # Errors
/// Charts that are not here, those that cannot be read, and a Chart.lock that does not belong to Chart.yaml.
pub fn complete(world: &dyn World, directory: &FilePath, profile: Profile, gather: Gather) -> Result<Arc<Chart>, Stop> {
    let mut chart = load_chart(world, directory, profile)?;
    let there = |chart: &Chart, name: &str| chart.charts.iter().any(|one| one.name == name);
    // Helm asks by name only; once one is missing, all are built.
    if chart.dependencies.iter().all(|dependency| there(&chart, &dependency.name)) {
        return Ok(Arc::new(chart));
    }
    let lock = match gather {
        Gather::Build => lock(world, directory, &chart)?,
        Gather::Update => None,
    };
    let mut wants = Vec::new();
    let mut errors = Diagnostics::new();
    let wanted: Vec<Dependency> = chart.dependencies.clone();
    for (index, dependency) in wanted.iter().enumerate() {
        let fits = |one: &Arc<Chart>| one.name == dependency.name && allows(&dependency.version, &one.version);
        if dependency.repository.is_empty() || chart.charts.iter().any(fits) {
            continue;
        }
        let span = declared(&chart, &dependency.name).unwrap_or(chart.span);
        let context = format!("for the dependency `{}` of the chart `{}`", dependency.name, chart.name);
        let locked = lock.as_ref().map(|lock| locked(lock, index, dependency)).unwrap_or(dependency);
        let folder = match place(world, directory, dependency, locked, span) {
            Ok(folder) => folder,
            Err(Missing::Error(error)) => {
                errors.push((*error).trace(span, context));
                continue;
            }
            Err(Missing::Want(want)) => {
                wants.push(*want);
                continue;
            }
        };
        match load_chart(world, &folder, profile) {
            Ok(found) if !allows(&dependency.version, &found.version) => {
                let message = format!("it is version {}, not {}", found.version, dependency.version);
                errors.push(Diagnostic::error("helm/dependency", found.span, message).trace(span, context));
            }
            Ok(found) => {
                let left = found.dependencies.iter().filter(|inner| !there(&found, &inner.name));
                chart.warnings.extend(left.map(|inner| {
                    let message = format!(
                        "the chart `{}` declares `{}`, which is not in its `charts/`; Helm leaves it out, and so is it here",
                        found.name, inner.name
                    );
                    let at = declared(&found, &inner.name).unwrap_or(found.span);
                    Diagnostic::warning("helm/dependency", at, message)
                        .hint(format!("declare it in the chart `{}`, or build `{}` before", chart.name, found.name))
                }));
                chart.charts.push(Arc::new(found));
            }
            Err(found) => errors.extend(found.into_iter().map(|found| found.trace(span, context.clone()))),
        }
    }
    match (errors.has_errors(), wants.is_empty()) {
        (true, _) => Err(Stop::Failed(errors)),
        (false, false) => Err(Stop::Wants(wants)),
        (false, true) => Ok(Arc::new(chart)),
    }
}

/// Whether a version is within a constraint; none allows all.
fn allows(constraint: &str, version: &str) -> bool {
    constraint.is_empty() || is_compatible(constraint, version)
}

enum Missing {
    Error(Box<Diagnostic>),
    Want(Box<Want>),
}

/// Where a dependency lies.
fn place(
    world: &dyn World,
    directory: &FilePath,
    declared: &Dependency,
    locked: &Dependency,
    span: Span,
) -> Result<FilePath, Missing> {
    if let Some(path) = declared.repository.strip_prefix("file://") {
        return directory.join(path).map_err(|error| {
            let message = format!("`file://{path}` {error}");
            let error = Diagnostic::error("helm/dependency", span, message);
            Missing::Error(Box::new(error.hint("it must lie in the same repository")))
        });
    }
    let request = SourceRequest {
        kind: SourceKind::Chart(locked.name.clone()),
        url: locked.repository.clone(),
        revision: locked.version.clone(),
    };
    match world.tree(&request) {
        Lookup::Here(Tree { id, .. }) => Ok(FilePath::new(id, TreePath::root())),
        Lookup::Absent { reason, hint } => {
            let path = directory.path.as_str();
            let hint =
                hint.or_else(|| Some(format!("or vendor it: `helm dependency build {path}`, and commit `charts/`")));
            Err(Missing::Want(Box::new(Want { request, span, reason, hint })))
        }
    }
}

/// Where Chart.yaml declares a dependency.
fn declared(chart: &Chart, name: &str) -> Option<Span> {
    let list = chart.metadata.get("dependencies").and_then(Node::as_seq)?;
    let names = list.iter().filter_map(|one| one.get("name"));
    names.filter(|one| one.text() == Some(name)).map(Node::span).find(|span| !span.is_none())
}

/// What the lock says of a dependency: both list them in one order.
fn locked<'l>(lock: &'l [Dependency], index: usize, wanted: &'l Dependency) -> &'l Dependency {
    let same = |one: &&Dependency| one.name == wanted.name;
    lock.get(index).filter(same).or_else(|| lock.iter().find(same)).unwrap_or(wanted)
}

/// The dependencies of Chart.lock (or requirements.lock); `None` where there is none.
fn lock(world: &dyn World, directory: &FilePath, chart: &Chart) -> Checked<Option<Vec<Dependency>>> {
    let v1 = matches!(chart.field("apiVersion").as_str(), "" | "v1");
    for name in ["Chart.lock", "requirements.lock"] {
        let path = directory.join(name).ok().filter(|path| world.stat(path).is_some_and(|kind| kind.is_file()));
        let Some(file) = path.and_then(|path| world.read(&path).ok()) else { continue };
        let parsed = yaml::parse(file.id, &file.bytes, Dialect::V2, &Limits::default());
        let root = parsed.documents.into_iter().next().map_or_else(Node::null, |document| document.root);
        let found = dependencies(&root);
        let told = root.get("digest").and_then(string).unwrap_or_default();
        // Names of repositories are resolved before the digest is made, and what they stand for is not known here.
        let named = |one: &Dependency| one.repository.starts_with('@') || one.repository.starts_with("alias:");
        let known = chart.dependencies.iter().any(named)
            || told == digest(&format!("[{},{}]", list(&chart.dependencies), list(&found)))
            || (v1 && told == digest(&format!("{{\"dependencies\":{}}}", list(&chart.dependencies))));
        if known {
            return Ok(Some(found));
        }
        let at = root.get("digest").map_or(Span::new(file.id, 0, 0), Node::span);
        let message = format!("`{name}` is out of sync with the dependencies of the chart `{}`", chart.name);
        let path = directory.path.as_str();
        return Err(Diagnostic::error("helm/lock", at, message)
            .hint(format!("`helm dependency update {path}` writes it anew; Argo CD refuses it too"))
            .into());
    }
    Ok(None)
}

fn digest(json: &str) -> String {
    Digest::of(json.as_bytes()).to_string()
}

/// Dependencies as encoding/json prints them.
fn list(all: &[Dependency]) -> String {
    let quoted = |text: &str| json::to_json(&Node::str(text)).unwrap_or_default();
    let one = |dependency: &Dependency| {
        let mut fields = vec![format!("\"name\":{}", quoted(&dependency.name))];
        let mut add = |name: &str, value: &str, always: bool| {
            if always || !value.is_empty() {
                fields.push(format!("\"{name}\":{}", quoted(value)));
            }
        };
        add("version", &dependency.version, false);
        add("repository", &dependency.repository, true);
        add("condition", &dependency.condition, false);
        if !dependency.tags.is_empty() {
            let tags: Vec<String> = dependency.tags.iter().map(|tag| quoted(tag)).collect();
            fields.push(format!("\"tags\":[{}]", tags.join(",")));
        }
        if !dependency.import_values.is_empty() {
            let values: Vec<String> =
                dependency.import_values.iter().map(|value| json::to_json(value).unwrap_or_default()).collect();
            fields.push(format!("\"import-values\":[{}]", values.join(",")));
        }
        if !dependency.alias.is_empty() {
            fields.push(format!("\"alias\":{}", quoted(&dependency.alias)));
        }
        format!("{{{}}}", fields.join(","))
    };
    format!("[{}]", all.iter().map(one).collect::<Vec<_>>().join(","))
}
