//! A chart as an Application asks for it: what Argo CD gets when it calls `helm template`, as objects.
//!
//! Rules of Argo CD `reposerver/repository` (`helmTemplate`, `getResolvedValueFiles`): values files in order, patterns found in byte order
//! and without files that are listed by name, then `valuesObject` or `values`, then parameters. What Helm prints is split into objects
//! (`kube.SplitYAML`); a document without `kind` is an error there and here.

use std::collections::BTreeSet;

use super::effects::Source;
use super::reads::Reads;
use super::secrets::Secrets;
use super::{
    Capabilities, KubeVersion, Output, Profile, Release, Request, SetKind, Show, Tools, load, merge_values, no_values,
    render, set, set_with,
};
use crate::cluster::ApiFacts;
use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::k8s::doublestar::Doublestar;
use crate::path::{FilePath, TreePath};
use crate::render::directory::{check, expand_list, object};
use crate::render::{Origin, Rendered, Resource, Step, Stop, Want};
use crate::resolve::{HelmFile, HelmFilePlace, HelmOptions};
use crate::source::{SourceKind, SourceRequest};
use crate::span::{FileId, Span};
use crate::template::{Map, Options, Value};
use crate::world::World;
use crate::yaml::{self, Dialect, Limits, Node};

/// Renders the chart in a folder.
///
/// # Errors
/// [`Stop`]: charts and files that are not here, and all that Helm and Argo CD refuse.
pub fn build(
    world: &dyn World,
    directory: &FilePath,
    options: &HelmOptions,
    facts: Option<&ApiFacts>,
    tools: &Tools,
) -> Result<Rendered, Stop> {
    let profile = if options.version < (4, 0) { Profile::V3 } else { Profile::V4 };
    let chart = tools.chart(world, directory, profile)?;
    let (values, secrets) = user_values(world, options, profile, tools)?;
    let known = facts.cloned().unwrap_or_default();
    let api = if options.api_versions.is_empty() { &known.api_versions } else { &options.api_versions };
    let version = match options.kube_version.as_ref().or(known.kube_version.as_ref()) {
        // Argo CD passes on no more than the three numbers (`parseKubeVersion`).
        Some(text) => {
            let numbers = text.split(['-', '+']).next().unwrap_or_default();
            Some(KubeVersion::parse(numbers, profile).map_err(|why| failed("helm/kube-version", Span::NONE, why))?)
        }
        None => None,
    };
    let reads = Reads::default();
    let randomness = Source::new(&options.nondeterminism, tools).map_err(|error| Stop::from(*error))?;
    let request = Request {
        profile,
        release: Release {
            name: options.release.clone(),
            namespace: if options.namespace.is_empty() { "default".to_owned() } else { options.namespace.clone() },
            is_upgrade: false,
        },
        capabilities: Capabilities::new(profile, version, api),
        skip_schemas: options.skip_schemas,
        options: Options { watch: Some(&reads), effects: randomness.effects(), ..Options::default() },
    };
    let output = render(&chart, &values, &request, tools)
        .map_err(|refusal| refused(refusal.diagnostics, &chart.name, &secrets))?;
    randomness.check(chart.span).map_err(|error| Stop::from(*error))?;
    let constraint = chart.metadata.get("kubeVersion").map_or(chart.span, |node| node.span().or(chart.span));
    let places = (chart.span, constraint);
    let (facts, mut warnings) = reads.finish(&request.capabilities, options, known, &output.files, places);
    warnings.extend(chart.warnings.clone());
    warnings.extend(output.warnings.iter().map(|text| {
        let text = text.strip_prefix("warning: ").or(text.strip_prefix("Warning: ")).unwrap_or(text);
        Diagnostic::note("helm/values", chart.span, text)
    }));
    let show = Show { crds: !options.skip_crds, hooks: true, tests: !options.skip_tests };
    let resources = resources(&output, show, chart.span)?;
    Ok(Rendered { resources, warnings, facts })
}

/// Helm's own messages may end with line breaks. What depends on clock or randomness has ways out.
fn refused(found: Diagnostics, chart: &str, secrets: &Secrets) -> Stop {
    let told = |error: Diagnostic| {
        let error = Diagnostic { message: secrets.hide(error.message.trim_end()), ..error };
        if error.code != "helm/nondeterminism" {
            return error;
        }
        let message = error.message.strip_prefix("error calling ").unwrap_or(&error.message);
        let message = format!("in the chart `{chart}`: {}", message.split_once(": ").map_or(message, |(_, rest)| rest));
        Diagnostic { message, ..error }
            .hint("give the value, so that the template need not make one up")
            .hint("or let it follow from a secret key, in fleet.yaml: `applications: [{name: NAME, nondeterminism: derive}]`")
            .hint("or take another one on every run: `nondeterminism: allow`")
    };
    Stop::Failed(Diagnostics(found.into_iter().map(told).collect()))
}

fn failed(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, span, message)
}

/// The objects with what made each: its template, and the options that every template saw, lowest precedence first.
pub fn traced(mut rendered: Rendered, options: &HelmOptions) -> Rendered {
    let step = |what, detail: &str, span| Step {
        what,
        detail: detail.to_owned(),
        span,
        by_application: true,
        before: None,
        after: Node::null(),
    };
    let mut inputs: Vec<Step> =
        options.value_files.iter().map(|file| step("values file", shown(file), file.written.span())).collect();
    inputs.extend(options.values.iter().map(|values| step("values", "", values.span())));
    let parameters = options.set.iter().chain(&options.set_string).map(|(name, _)| name);
    let parameters = parameters.chain(options.set_file.iter().map(|(name, _)| name));
    inputs.extend(parameters.map(|name| step("parameter", name, Span::NONE)));
    for resource in &mut rendered.resources {
        let made = Step {
            what: "template",
            detail: String::new(),
            span: resource.origin.span,
            by_application: false,
            before: None,
            after: resource.body.clone(),
        };
        resource.origin.steps = [made].into_iter().chain(inputs.iter().cloned()).collect();
    }
    rendered
}

// ------------------------------------------------------------------------------------------------------------------------ the values

/// What the user gives, lowest precedence first.
fn user_values(
    world: &dyn World,
    options: &HelmOptions,
    profile: Profile,
    tools: &Tools,
) -> Result<(Map, Secrets), Stop> {
    let values = no_values();
    let mut secrets = Secrets::default();
    let mut errors = Diagnostics::new();
    let mut wants = Vec::new();
    for (path, written) in value_files(world, options, &mut errors, &mut wants) {
        if let Some(read) = errors.take(tools.values(world, &path, profile)) {
            secrets.add(&read, written.text().unwrap_or_default());
            merge_values(&values, &map(&read));
        } else if let Some(last) = errors.0.last_mut() {
            *last =
                last.clone().trace(written.span(), format!("as values file `{}`", written.text().unwrap_or_default()));
        }
    }
    if let Some(given) = &options.values {
        match inline(given, profile) {
            Ok(read) => {
                secrets.add(&read, "");
                merge_values(&values, &map(&read));
            }
            Err(found) => errors.extend(found.into_iter().map(|found| found.at(given.span()))),
        }
    }
    let wrong = |flag: &str, name: &str, why: String| {
        failed(
            "helm/parameter",
            Span::NONE,
            format!("the parameter `{name}` cannot be set: failed parsing {flag} data: {why}"),
        )
    };
    for (flag, kind, list) in
        [("--set", SetKind::Typed, &options.set), ("--set-string", SetKind::Text, &options.set_string)]
    {
        for (name, value) in list {
            secrets.add_parameter(name, value);
            if let Err(why) = set(&format!("{name}={value}"), kind, &values) {
                errors.push(wrong(flag, name, why));
            }
        }
    }
    for (name, file) in &options.set_file {
        let path = match &file.place {
            HelmFilePlace::Tree(path) => path,
            HelmFilePlace::Url(url) => {
                wants.push(remote(url, file));
                continue;
            }
        };
        let Some(content) = errors.take(existing(world, path, file).and_then(|()| world.read(path))) else { continue };
        let read = |_: &str| Ok(Value::from(content.bytes.to_vec()));
        if let Err(why) = set_with(&format!("{name}=file"), &values, &read) {
            errors.push(wrong("--set-file", name, why));
        }
    }
    match (errors.has_errors(), wants.is_empty()) {
        (true, _) => Err(Stop::Failed(errors)),
        (false, false) => Err(Stop::Wants(wants)),
        (false, true) => Ok((values, secrets)),
    }
}

/// Values as a map that the render may change.
fn map(read: &Node) -> Map {
    match crate::template::convert::from_json(read) {
        Value::Map(map) => map,
        _ => no_values(),
    }
}

/// `values` or `valuesObject`, which Argo CD writes into a file of its own.
fn inline(given: &Node, profile: Profile) -> Checked<Node> {
    match given.as_str() {
        Some(text) => super::chart::values(&load::values_file("values", FileId::NONE, text.as_bytes()), profile)
            .map_err(|found| {
                found.into_iter().map(|found| Diagnostic { span: given.span(), ..found }).fold(
                    Diagnostics::new(),
                    |mut all, one| {
                        all.push(one);
                        all
                    },
                )
            }),
        None if given.as_map().is_some() => yaml::sigs::to_json_value(given, yaml::sigs::Numbers::Float64),
        None => {
            Err(failed("helm/values", given.span(), format!("values must be a mapping, not {}", given.what())).into())
        }
    }
}

/// The values files in order, each once: those that patterns find are not among those that are listed by name.
fn value_files<'o>(
    world: &dyn World,
    options: &'o HelmOptions,
    errors: &mut Diagnostics,
    wants: &mut Vec<Want>,
) -> Vec<(FilePath, &'o Node)> {
    let is_pattern = |path: &FilePath| options.globs && path.path.as_str().contains(['*', '?', '[']);
    let listed: BTreeSet<&TreePath> = options
        .value_files
        .iter()
        .filter_map(|file| match &file.place {
            HelmFilePlace::Tree(path) if !is_pattern(path) => Some(&path.path),
            _ => None,
        })
        .collect();
    let mut found: Vec<(FilePath, &Node)> = Vec::new();
    let mut add = |path: FilePath, written: &'o Node| {
        if !found.iter().any(|(known, _)| *known == path) {
            found.push((path, written));
        }
    };
    for file in &options.value_files {
        let path = match &file.place {
            HelmFilePlace::Tree(path) => path,
            HelmFilePlace::Url(url) => {
                wants.push(remote(url, file));
                continue;
            }
        };
        if !is_pattern(path) {
            if options.ignore_missing && world.stat(path).is_none() {
                continue;
            }
            if errors.take(existing(world, path, file)).is_some() {
                add(path.clone(), &file.written);
            }
            continue;
        }
        let Some(matches) = errors.take(matching(world, path, file.written.span())) else { continue };
        if matches.is_empty() && !options.ignore_missing {
            let message = format!("the pattern `{}` of `valueFiles` matches no file", shown(file));
            errors.push(
                failed("helm/values-file", file.written.span(), message)
                    .hint("with `ignoreMissingValueFiles: true` it may match none"),
            );
        }
        for one in matches.into_iter().filter(|one| !listed.contains(&one.path)) {
            add(one, &file.written);
        }
    }
    found
}

fn shown(file: &HelmFile) -> &str {
    file.written.text().unwrap_or_default()
}

fn remote(url: &str, file: &HelmFile) -> Want {
    Want {
        request: SourceRequest { kind: SourceKind::File, url: url.to_owned(), revision: String::new() },
        span: file.written.span(),
        reason: "files cannot be fetched yet".to_owned(),
        hint: Some("download it into the repository and name that file instead of the URL".to_owned()),
    }
}

/// Refuses a file that is not there.
fn existing(world: &dyn World, path: &FilePath, file: &HelmFile) -> Checked<()> {
    match world.stat(path) {
        Some(kind) if !kind.is_directory() => Ok(()),
        Some(_) => {
            let message = format!("`{}` is a folder, not a values file", path.path);
            Err(failed("helm/values-file", file.written.span(), message).into())
        }
        None => {
            let message = format!("there is no file `{}`, which `{}` names", path.path, shown(file));
            let mut error = failed("helm/values-file", file.written.span(), message);
            if let Some(names) =
                path.path.parent().and_then(|parent| world.list(&FilePath::new(path.tree, parent)).ok())
            {
                error.hints.extend(crate::diag::did_you_mean(path.path.name(), names.iter().map(|e| e.name.as_str())));
            }
            Err(error.hint("with `ignoreMissingValueFiles: true` it may be missing").into())
        }
    }
}

/// Folders that a pattern may look into.
const MAX_FOLDERS: usize = 10_000;

/// The files that a pattern matches, in byte order.
fn matching(world: &dyn World, pattern: &FilePath, span: Span) -> Checked<Vec<FilePath>> {
    let text = pattern.path.as_str();
    let compiled = Doublestar::new(text).map_err(|why| failed("helm/values-file", span, why))?;
    // The folders before the first part that is a pattern.
    let parts: Vec<&str> = text.split('/').collect();
    let literal = parts.iter().take_while(|part| !part.contains(['*', '?', '[', '{', '\\'])).count();
    let base = parts.get(..literal.min(parts.len().saturating_sub(1))).unwrap_or_default().join("/");
    let Ok(base) = TreePath::new(&base) else { return Ok(Vec::new()) };
    let deep = text.contains("**");
    let depth = parts.len().saturating_sub(literal);
    let mut found = Vec::new();
    let mut folders = vec![(base, 1)];
    let mut seen = 0;
    while let Some((folder, level)) = folders.pop() {
        seen += 1;
        if seen > MAX_FOLDERS {
            return Err(failed(
                "helm/values-file",
                span,
                format!("the pattern `{text}` looks into more than {MAX_FOLDERS} folders"),
            )
            .into());
        }
        let Ok(entries) = world.list(&FilePath::new(pattern.tree, folder.clone())) else { continue };
        for entry in entries.iter() {
            let Ok(path) = folder.join(&entry.name) else { continue };
            if entry.kind.is_file() && compiled.matches(path.as_str()) {
                found.push(FilePath::new(pattern.tree, path));
            } else if entry.kind.is_directory() && (deep || level < depth) {
                folders.push((path, level + 1));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

// ------------------------------------------------------------------------------------------------------------------------ the objects

/// The objects of an output in the order in which Helm prints them.
fn resources(output: &Output, show: Show, chart: Span) -> Result<Vec<Resource>, Stop> {
    let place = |source: &str| match output.files.get(source) {
        Some(file) if *file != FileId::NONE => Span::new(*file, 0, 0),
        _ => chart,
    };
    let mut found = Vec::new();
    let mut errors = Diagnostics::new();
    let mut add = |source: &str, text: &str, last: bool| {
        let span = place(source);
        // Every document ends with a line break, and the last of the manifests with one only: it shows in block scalars.
        let text = format!("{}\n", if last { text.trim_end() } else { text });
        let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
        let mut wrong = |error: Diagnostic| {
            errors.push(error.at(span).trace(Span::NONE, format!("in what `{source}` prints")));
        };
        for document in parsed.documents {
            if document.root.is_null() {
                continue;
            }
            let body = match object(&document.root) {
                Ok(body) => body,
                Err(all) => {
                    all.into_iter().for_each(&mut wrong);
                    continue;
                }
            };
            let origin = Origin { span, edits: Vec::new(), steps: Vec::new() };
            for resource in expand_list(Resource { body, origin }) {
                match resource.and_then(|resource| check(&resource).map(|()| resource)) {
                    Ok(resource) => found.push(resource),
                    Err(error) => wrong(*error),
                }
            }
        }
        if let Some(error) = parsed.error {
            wrong(error);
        }
    };
    let crds = if show.crds { output.crds.as_slice() } else { &[] };
    let mut left = crds.len() + output.manifests.len();
    let documents = output.manifests.iter().map(|document| (&document.source, &document.text));
    for (source, text) in crds.iter().map(|(source, text)| (source, text)).chain(documents) {
        left -= 1;
        add(source, text, left == 0);
    }
    if show.hooks {
        let hooks = output.hooks.iter().filter(|hook| show.tests || !hook.is_test());
        hooks.for_each(|hook| add(&hook.source, &hook.text, false));
    }
    if errors.has_errors() { Err(Stop::Failed(errors)) } else { Ok(found) }
}
