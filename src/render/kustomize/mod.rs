//! kustomize v5.8.2: what `kustomize build` prints, and refuses, from native code.
//!
//! Order of work: `file` reads the kustomization, `accumulate` collects objects through bases, generators, components and
//! transformers, and here happens what must be done once with everything in sight: name hashes, references, vars, sorting.
//! The original hands objects' history around in annotations; here it lies beside the body (`object`). Knowledge of kinds is tables:
//! `schema/kubernetes/kustomize-fields.txt`, and those of [`crate::k8s`].
//!
//! Refused: programs and containers as plugins, charts that are not in the tree. Sources that lie elsewhere are [`Stop::Wants`].

mod accumulate;
mod alias;
mod bounds;
mod build_metadata;
mod comments;
mod config;
mod decode;
mod edits;
mod fieldspec;
mod file;
mod generator;
mod helm;
mod json_patch;
mod load;
mod lookup;
mod merge;
mod names;
mod object;
mod objects;
mod openapi;
mod patch;
mod plugin;
mod remote;
mod replacement;
mod resources;
mod selector;
mod trace;
mod transform;
mod vars;

use std::cell::{Cell, RefCell};

use rustc_hash::FxHashSet;

use super::{Origin, Rendered, Resource, Stop};
use crate::cluster::ApiFacts;
use crate::diag::{Diagnostic, Diagnostics};
use crate::k8s::object::ObjectId;
use crate::k8s::order::LegacyOrder;
use crate::path::FilePath;
use crate::span::Span;
use crate::world::World;
use crate::yaml::{Map, Node, Tag, View, emit};
use accumulate::{Accumulation, Build, Done};
use build_metadata::BuildOrigin;
use file::SortOptions;
use load::{Frame, Loader};
use objects::Objects;
use trace::Mark;

pub use helm::Helm;
pub use load::Tools;
pub use transform::split_image;

/// Which files a kustomization may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadRestrictor {
    /// Those in or below its directory.
    #[default]
    RootOnly,
    /// All of the tree.
    None,
}

/// In which order objects come out, where the kustomization does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reorder {
    /// Namespaces and what others need first.
    #[default]
    Legacy,
    /// As they were loaded.
    None,
}

/// What a build can be told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `spec.source.kustomize` of an Argo CD Application: edits of the kustomization in place.
    pub edits: Option<Node>,
    /// `--load-restrictor`.
    pub load_restrictor: LoadRestrictor,
    /// `--reorder`.
    pub reorder: Reorder,
    /// `--enable-helm` and what goes with it.
    pub helm: Helm,
    /// `--enable-managedby-label`.
    pub managed_by_label: bool,
    /// Options of argocd-cm that a render cannot follow; each is a warning.
    pub ignored: Vec<String>,
    /// Every object keeps the steps that changed it. Needs [`Tools`] of its own: bases are kept there, with or without steps.
    pub trace: bool,
}

impl Options {
    /// The options of an Application: its edits, and `kustomize.buildOptions` of argocd-cm, of which those count that a render can follow.
    /// Those for functions mean nothing, as functions are refused where they are used; unknown ones are kept in `ignored`.
    /// `kubeVersion` and `apiVersions` of the edits are for charts, behind the options (argo-cd `parseKustomizeBuildOptions`).
    /// So is what is `known` of the cluster, where the edits do not say it (`--helm-kube-version` and `--helm-api-versions` of its
    /// `util/kustomize`).
    pub fn for_application(edits: Option<Node>, build_options: &str, known: Option<&ApiFacts>) -> Self {
        let mut options = Options { edits, ..Options::default() };
        let mut words = build_options.split_ascii_whitespace();
        while let Some(word) = words.next() {
            let (name, mut value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            if value.is_none() && VALUED.contains(&name) {
                value = words.next();
            }
            match (name, value) {
                ("--load-restrictor" | "--load_restrictor", Some("LoadRestrictionsNone" | "none")) => {
                    options.load_restrictor = LoadRestrictor::None;
                }
                ("--load-restrictor" | "--load_restrictor", Some("LoadRestrictionsRootOnly" | "rootOnly")) => {
                    options.load_restrictor = LoadRestrictor::RootOnly;
                }
                ("--reorder", Some("none")) => options.reorder = Reorder::None,
                ("--reorder", Some("legacy")) => options.reorder = Reorder::Legacy,
                ("--enable-helm", None | Some("true")) => options.helm.enabled = true,
                ("--helm-kube-version", Some(version)) => options.helm.kube_version = version.into(),
                ("--helm-api-versions", Some(version)) => options.helm.api_versions.push(version.to_owned()),
                ("--enable-managedby-label", None | Some("true")) => options.managed_by_label = true,
                (name, Some("false")) if SWITCHES.contains(&name) => {}
                (name, None | Some("true")) if FOR_FUNCTIONS.contains(&name) => {}
                (name, Some(_)) if FOR_PROGRAMS.contains(&name) => {}
                _ => options.ignored.push(word.to_owned()),
            }
        }
        let field = |name| options.edits.as_ref().and_then(|edits| edits.get(name));
        if let Some(version) = field("kubeVersion").and_then(Node::text).filter(|version| !version.is_empty()) {
            let number = |c: &char| c.is_ascii_digit() || *c == '.';
            options.helm.kube_version = version.trim_start_matches('v').chars().take_while(number).collect();
        }
        let api_versions = field("apiVersions").and_then(Node::as_seq).unwrap_or_default();
        let (own_version, own_api) =
            (field("kubeVersion").is_some_and(|node| node.text() != Some("")), !api_versions.is_empty());
        options.helm.api_versions.extend(api_versions.iter().filter_map(Node::text).map(str::to_owned));
        if let Some(known) = known.filter(|_| options.helm.enabled) {
            options.helm.for_cluster(known, own_version, own_api);
        }
        options
    }
}

/// Options of `kustomize build` that take the next word.
const VALUED: [&str; 12] = [
    "--load-restrictor",
    "--load_restrictor",
    "--reorder",
    "--output",
    "-o",
    "--env",
    "-e",
    "--mount",
    "--network-name",
    "--helm-command",
    "--helm-kube-version",
    "--helm-api-versions",
];

/// Options that can be switched off.
const SWITCHES: [&str; 8] = [
    "--enable-helm",
    "--enable-managedby-label",
    "--as-current-user",
    "--enable-alpha-plugins",
    "--enable-exec",
    "--network",
    "--helm-debug",
    "--stack-trace",
];

/// Switches that change nothing but for functions and charts, which have messages of their own, or messages.
const FOR_FUNCTIONS: [&str; 6] =
    ["--as-current-user", "--enable-alpha-plugins", "--enable-exec", "--network", "--helm-debug", "--stack-trace"];

/// Options with a value for functions and for Helm.
const FOR_PROGRAMS: [&str; 5] = ["--env", "-e", "--mount", "--network-name", "--helm-command"];

/// Builds the kustomization in a directory.
///
/// # Errors
/// [`Stop::Wants`] when it names sources that are not here, [`Stop::Failed`] with what is wrong and how we got there.
pub fn build(world: &dyn World, dir: &FilePath, options: &Options, tools: &Tools) -> Result<Rendered, Stop> {
    let loader = Loader { world, tools, restricted: options.load_restrictor == LoadRestrictor::RootOnly };
    let build = Build {
        loader,
        helm: options.helm.clone(),
        charts: Cell::default(),
        merges: Cell::default(),
        facts: RefCell::default(),
        trace: options.trace,
        wants: RefCell::default(),
        warnings: RefCell::default(),
        schema: RefCell::default(),
        schema_set: RefCell::default(),
        roots: RefCell::default(),
    };
    let result = run(&build, dir, options);
    let wants = build.wants.take();
    if !wants.is_empty() {
        // What else is wrong may follow from what is missing.
        return Err(Stop::Wants(wants));
    }
    let resources = result?;
    let mut facts = build.facts.take();
    facts.known = options.helm.known();
    Ok(Rendered { resources, warnings: build.warnings.take(), facts })
}

fn run(build: &Build<'_>, dir: &FilePath, options: &Options) -> Done<Vec<Resource>> {
    for option in &options.ignored {
        let text = format!("`kustomize.buildOptions` has `{option}`, which is not supported and left out");
        let warning = Diagnostic::warning("kustomize/build-option", Span::NONE, text);
        build.warnings.borrow_mut().push(warning.hint("known: --load-restrictor, --reorder, --enable-helm"));
    }
    let mut file = build.loader.kustomization_to_edit(dir, Span::NONE)?;
    if let Some(edits) = &options.edits {
        file.kustomization = edits::apply(&file.kustomization, edits, &build.loader, dir)?.into();
    }
    file.kustomization.check_empty()?;
    let k = std::sync::Arc::clone(&file.kustomization);
    let frame = Frame { namespace: k.namespace.value.clone(), ..Frame::top(dir.clone()) };
    build.set_schema(&frame, &k, true)?;
    let origin = (!k.build_metadata.is_empty()).then(BuildOrigin::default);
    let Accumulation { mut objects, config, vars } =
        build.target(&frame, &file, Accumulation::default(), origin.as_ref())?;
    let whole = |what| Mark::other(what, "", Span::NONE);
    build.step(&mut objects, whole("name hash"), add_hashes)?;
    check_history(&objects)?;
    build.step(&mut objects, whole("name references"), |objects| {
        let fixed = names::fix(objects.list_mut(), &config);
        Ok(fixed.map_err(|(span, why)| Diagnostic::error("kustomize/name-reference", span, why))?)
    })?;
    build.step(&mut objects, whole("vars"), |objects| Ok(vars::resolve(objects, &vars, &config)?))?;
    drop_local(&mut objects)?;
    match (&k.sort_options, options.reorder) {
        (Some(sort_options), _) => sort(&mut objects, sort_options)?,
        (None, Reorder::Legacy) => sort_legacy(&mut objects, &LegacyOrder::default())?,
        (None, Reorder::None) => {}
    }
    let asked = |name: &str| k.build_metadata.iter().any(|option| option.value == name);
    if options.managed_by_label || asked("managedByLabel") {
        build.step(&mut objects, whole("managed-by label"), |objects| {
            let marked = transform::managed_by(objects);
            Ok(marked.map_err(|(span, why)| Diagnostic::error("kustomize/labels", span, why))?)
        })?;
    }
    let (keep_origin, keep_transformations) = (asked("originAnnotations"), asked("transformerAnnotations"));
    build.step(&mut objects, whole("annotations as strings"), |objects| {
        for object in objects.bodies_mut() {
            build_metadata::finish(&mut object.body, keep_origin, keep_transformations);
        }
        Ok(())
    })?;
    let mut resources = Vec::with_capacity(objects.list().len());
    let mut errors = Diagnostics::new();
    for mut object in objects.into_list() {
        if let Some(duplicate) = &object.duplicate {
            errors.push(duplicate.diagnostic());
        }
        errors.extend(object.mistyped().cloned());
        object.body = emit::through_kyaml(&object.body);
        check_keys(&object.body, &mut errors);
        resources.push(Resource {
            body: object.body,
            origin: Origin { span: object.span, edits: object.edits, steps: object.steps },
        });
    }
    if errors.has_errors() { Err(errors.into()) } else { Ok(resources) }
}

/// The original keeps former names in an annotation, separated by commas, and falls over ("number of previous names, number of previous
/// namespaces, number of previous kinds not equal") when one of several was empty, or one had a comma in it.
fn check_history(objects: &Objects) -> Done<()> {
    for object in objects.list() {
        let text = match object.previous.iter().find(|former| former.name.contains(',')) {
            Some(former) => format!("{} was called `{}` before, and a name has no commas", object.id(), former.name),
            None if object.unnamed > 0 && !object.previous.is_empty() => {
                format!("{} had no name for a while", object.id())
            }
            None => continue,
        };
        return Err(Diagnostic::error("kustomize/name", object.span, text).into());
    }
    Ok(())
}

/// Ends the names of generated objects with the hash of their content.
fn add_hashes(objects: &mut Objects) -> Done<()> {
    if objects.list().iter().all(|object| !object.needs_hash) {
        return Ok(());
    }
    for object in objects.list_mut().iter_mut().filter(|object| object.needs_hash) {
        let hash = generator::name_hash(&object.body)
            .map_err(|why| Diagnostic::error("kustomize/hash", object.span, format!("{}: {why}", object.id())))?;
        object.store_previous();
        let name = format!("{}-{hash}", object.id().name);
        object.set_name(&name);
    }
    Ok(())
}

/// Leaves out what is for kustomize only. What has lost its name by now, or has that of another object, is an error.
fn drop_local(objects: &mut Objects) -> Done<()> {
    for object in objects.list() {
        let id = object.id();
        if id.gvk.kind.is_empty() || (id.name.is_empty() && !id.gvk.kind.ends_with("List")) {
            let text =
                format!("missing `{}` in an object", if id.gvk.kind.is_empty() { "kind" } else { "metadata.name" });
            return Err(Diagnostic::error("kustomize/not-an-object", object.span, text).into());
        }
    }
    let conflict = |(text, span)| Err(Diagnostic::error("kustomize/id-conflict", span, text).into());
    let is_local = |object: &object::Object| transform::is_local(&object.body);
    if !objects.list().iter().any(is_local) {
        return objects.collision().map_or(Ok(()), conflict);
    }
    let others: Vec<object::Object> = objects.list().iter().filter(|object| !is_local(object)).cloned().collect();
    // What is local goes by its id, and so stays where another object has the same.
    let ids: FxHashSet<String> = others.iter().map(|object| object.id().to_string()).collect();
    if let Some(found) = Objects::of(others).collision() {
        return conflict(found);
    }
    objects.list_mut().retain(|object| !is_local(object) || ids.contains(&object.id().to_string()));
    Ok(())
}

/// Sorts as `sortOptions` say.
fn sort(objects: &mut Objects, options: &SortOptions) -> Done<()> {
    match (options.order.value.as_str(), &options.legacy) {
        ("legacy", None) => sort_legacy(objects, &LegacyOrder::default()),
        ("legacy", Some(legacy)) => sort_legacy(objects, &LegacyOrder { first: &legacy.first, last: &legacy.last }),
        ("fifo", None) => Ok(()),
        ("fifo", Some(_)) => {
            let text = "`legacySortOptions` is set but the selected sort order is `fifo`, not `legacy`";
            Err(Diagnostic::error("kustomize/sort-options", options.order.span, text).into())
        }
        _ => {
            let text = "`sortOptions.order` must be one of fifo, legacy";
            Err(Diagnostic::error("kustomize/sort-options", options.order.span, text).into())
        }
    }
}

fn sort_legacy<T: AsRef<str>>(objects: &mut Objects, order: &LegacyOrder<'_, T>) -> Done<()> {
    let mut keyed: Vec<(ObjectId, object::Object)> = std::mem::take(objects.list_mut())
        .into_iter()
        .map(|object| {
            let id = object.id();
            (ObjectId { gvk: id.gvk.clone(), namespace: id.namespace.clone(), name: id.name.clone() }, object)
        })
        .collect();
    keyed.sort_by(|a, b| order.compare(&a.0, &b.0));
    *objects = Objects::of(keyed.into_iter().map(|(_, object)| object).collect());
    match objects.collision() {
        Some((text, span)) => Err(Diagnostic::error("kustomize/id-conflict", span, text).into()),
        None => Ok(()),
    }
}

/// Keys that are no strings, and infinities, have no JSON, through which the original prints; control characters have one that it cannot
/// read back (go-yaml v2 readerc.go, "control characters are not allowed"; those below U+0020 are escaped there).
fn check_keys(node: &Node, errors: &mut Diagnostics) {
    match node.view() {
        View::Scalar(Tag::Float, text) if node.number().is_some_and(|number| !number.as_f64().is_finite()) => {
            let text = format!("`{text}` cannot be printed: JSON, through which the original goes, has no such number");
            errors.push(Diagnostic::error("kustomize/number", node.span(), text).hint("put it in quotes"));
        }
        View::Scalar(Tag::Str, text) => check_text(text, node, errors),
        View::Scalar(..) => {}
        View::Seq(items) => items.iter().for_each(|item| check_keys(item, errors)),
        View::Map(map) => check_map(map, errors),
    }
}

fn check_map(map: &Map, errors: &mut Diagnostics) {
    for (key, value) in map.iter() {
        if key.tag() != Some(Tag::Str) {
            let name = key.text().unwrap_or_default();
            let text = format!("the key `{name}` is {}, expected a string", key.what());
            errors.push(Diagnostic::error("kustomize/key", key.span(), text).hint("put it in quotes"));
        }
        check_text(key.text().unwrap_or_default(), key, errors);
        check_keys(value, errors);
    }
}

fn check_text(text: &str, node: &Node, errors: &mut Diagnostics) {
    let unreadable = |c: &char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if let Some(c) = text.chars().find(unreadable) {
        let text =
            format!("the character U+{:04X} cannot be printed: the original does not read it back", u32::from(c));
        errors.push(Diagnostic::error("kustomize/character", node.span(), text).hint("remove it, or use `binaryData`"));
    }
}
