//! The recursion: a kustomization's resources and bases, its generators, components, transformers, validators and vars, in that order
//! (api/internal/target/kusttarget.go). What must happen once, with everything visible, is done by [`super::build`].
//!
//! A base is accumulated once per compile, however many overlays use it: its result depends on nothing but its files, except for what
//! `openapi` and `buildMetadata` of the root leak into it; with those nothing is kept.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::SmolStr;

use super::bounds;
use super::build_metadata::{self, BuildOrigin};
use super::config::{self, Config, merge_specs};
use super::decode::Reader;
use super::fieldspec::FieldSpec;
use super::file::{self, Generator, Kustomization, Label, Text, Var};
use super::helm::Helm;
use super::load::{Base, BaseKey, Found, Frame, KustomizationFile, Loader};
use super::object::{Object, str_node};
use super::objects::Objects;
use super::openapi::OpenApi;
use super::remote::{self, Remote};
use super::trace::Mark;
use super::transform::{self, Affix, Fault, Namespace, Subjects};
use super::vars;
use crate::diag::{Diagnostic, Diagnostics};
use crate::k8s::object::Gvk;
use crate::path::FilePath;
use crate::render::facts::FactsRead;
use crate::render::{Stop, Want};
use crate::source::WITHOUT_SUBMODULES;
use crate::span::{FileId, Span};
use crate::world::{Begin, Lookup};
use crate::yaml::{Map, Node};

/// Objects, and the rules that came with them.
#[derive(Clone, Debug, Default)]
pub(super) struct Accumulation {
    pub objects: Objects,
    pub config: Arc<Config>,
    pub vars: Vec<Var>,
}

/// One build.
pub(super) struct Build<'a> {
    pub loader: Loader<'a>,
    /// How charts are inflated.
    pub helm: Helm,
    /// How many charts there were, and how many merges by schemas.
    pub charts: Cell<usize>,
    pub merges: Cell<usize>,
    /// What charts read of the cluster.
    pub facts: RefCell<FactsRead>,
    /// Whether objects keep the steps that changed them.
    pub trace: bool,
    /// Sources that are not here.
    pub wants: RefCell<Vec<Want>>,
    pub warnings: RefCell<Diagnostics>,
    /// A user's schema: the first one that is set holds for the rest of the build.
    pub schema: RefCell<Option<Arc<OpenApi>>>,
    /// Whether `openapi` was said anywhere.
    pub schema_set: RefCell<bool>,
    /// Directories that were built, for the memo of bases.
    pub roots: RefCell<Vec<FilePath>>,
}

pub(super) type Done<T> = Result<T, Stop>;

impl From<Box<Diagnostic>> for Stop {
    fn from(error: Box<Diagnostic>) -> Self {
        Stop::Failed((*error).into())
    }
}

fn fault(code: &'static str, entry: Span, (span, why): Fault) -> Stop {
    let error = Diagnostic::error(code, entry.or(span), why);
    Stop::from(if entry.is_none() || span.is_none() || span == entry { error } else { error.label(span, "here") })
}

/// Says how we got to an error.
fn traced<T>(result: Done<T>, span: Span, text: impl FnOnce() -> String) -> Done<T> {
    result.map_err(|stop| match stop {
        Stop::Failed(mut errors) => {
            let text = text();
            for error in &mut errors.0 {
                error.trace.push((span, text.clone()));
            }
            Stop::Failed(errors)
        }
        stop @ Stop::Wants(_) => stop,
    })
}

impl<'a> Build<'a> {
    /// Runs a kustomization on an accumulation: an empty one, or for a component its parent's.
    ///
    /// # Errors
    /// Whatever is wrong.
    pub(super) fn target(
        &self,
        frame: &Frame<'_>,
        file: &KustomizationFile,
        mut acc: Accumulation,
        origin: Option<&BuildOrigin>,
    ) -> Done<Accumulation> {
        let k = &*file.kustomization;
        self.warn_deprecated(k);
        self.resources(&mut acc, frame, &k.resources, origin)?;
        self.configurations(&mut acc, frame, k)?;
        self.generators(&mut acc, frame, file, origin)?;
        for component in &k.components {
            acc = self.component(acc, frame, component, origin)?;
        }
        self.transformers(&mut acc, frame, file, origin)?;
        self.validators(&mut acc, frame, k, file, origin)?;
        vars::add(&mut acc.vars, &mut acc.objects, &k.vars)?;
        Ok(acc)
    }

    fn warn_deprecated(&self, k: &Kustomization) {
        let instead = |name: &str| match name {
            "bases" => "resources",
            "commonLabels" => "labels",
            "imageTags" => "images",
            "vars" => "replacements",
            _ => "patches",
        };
        for (span, name) in &k.deprecated {
            let text = format!("`{name}` is deprecated");
            let note = Diagnostic::note("kustomize/deprecated", *span, text).hint(format!("use `{}`", instead(name)));
            self.warnings.borrow_mut().push(note);
        }
    }

    /// Files and bases, in order.
    pub(super) fn resources(
        &self,
        acc: &mut Accumulation,
        frame: &Frame<'_>,
        paths: &[Text],
        origin: Option<&BuildOrigin>,
    ) -> Done<()> {
        for path in paths {
            check_named(path, "resources")?;
            match self.loader.find(&frame.root, path) {
                Ok(Found::File(_)) => {
                    let read = self.loader.resources(frame, path)?;
                    let objects = match &*read {
                        Ok(objects) => objects.clone(),
                        Err(error) => return Err(Stop::from((**error).clone().at(path.span))),
                    };
                    self.append(acc, objects, path, origin)?;
                }
                Ok(Found::Directory(directory)) => self.base(acc, frame, path, &directory, origin)?,
                Err(error) => match remote::parse(&path.value) {
                    Some(remote) => self.remote(acc, frame, path, &remote, origin)?,
                    None => return Err(error.into()),
                },
            }
        }
        Ok(())
    }

    fn append(
        &self,
        acc: &mut Accumulation,
        mut objects: Vec<Object>,
        path: &Text,
        origin: Option<&BuildOrigin>,
    ) -> Done<()> {
        if let Some(origin) = origin {
            let here = origin.below(&path.value);
            for object in &mut objects {
                // A file's own annotation is written over.
                build_metadata::set_origin(&mut object.body, None);
            }
            build_metadata::add_origin(&mut objects, &here);
        }
        acc.objects.append_all(objects).map_err(|(text, span)| {
            Stop::from(
                Diagnostic::error("kustomize/id-conflict", span, text)
                    .trace(path.span, format!("merging resources from `{}`", path.value)),
            )
        })
    }

    /// A source that lies elsewhere: served where it is here, else wanted.
    fn remote(
        &self,
        acc: &mut Accumulation,
        frame: &Frame<'_>,
        path: &Text,
        remote: &Remote,
        origin: Option<&BuildOrigin>,
    ) -> Done<()> {
        match self.loader.world.tree(&remote.request) {
            Lookup::Absent { reason, hint } => {
                self.want(Want { request: remote.request.clone(), span: path.span, reason, hint });
                Ok(())
            }
            Lookup::Here(tree) => {
                let root = FilePath::new(tree.id, crate::path::TreePath::root());
                let inner = Text::new(remote.path.clone(), path.span);
                let here = origin.map(|origin| BuildOrigin {
                    repo: remote.request.url.trim_end_matches(WITHOUT_SUBMODULES).to_owned(),
                    reference: remote.request.revision.clone(),
                    path: String::new(),
                    ..origin.clone()
                });
                let top = Frame { root: root.clone(), parent: Some(frame), namespace: frame.namespace.clone() };
                match self.loader.find(&root, &inner)? {
                    Found::Directory(directory) => self.base(acc, &top, &inner, &directory, here.as_ref()),
                    Found::File(_) => {
                        let read = self.loader.resources(&top, &inner)?;
                        match &*read {
                            Ok(objects) => self.append(acc, objects.clone(), &inner, here.as_ref()),
                            Err(error) => Err(Stop::from((**error).clone())),
                        }
                    }
                }
            }
        }
    }

    /// Notes that a source is not here.
    pub(super) fn want(&self, want: Want) {
        let mut wants = self.wants.borrow_mut();
        if !wants.contains(&want) {
            wants.push(want);
        }
    }

    /// Loads the kustomization of a directory that another one names.
    fn enter(&self, frame: &Frame<'_>, path: &Text, directory: &FilePath, component: bool) -> Done<KustomizationFile> {
        let fail = |code, text: String| Stop::from(Diagnostic::error(code, path.span, text));
        let ambiguous = |part: &str| part != ".." && part.contains("..");
        if path.value.split('/').any(ambiguous) {
            return Err(fail(
                "kustomize/path",
                format!("path `{}` is ambiguous: a part of it contains `..`", path.value),
            ));
        }
        check_cycle(frame, directory, path)?;
        let file = self.loader.kustomization(directory, path.span)?;
        self.set_schema(&Frame::top(directory.clone()), &file.kustomization, false)?;
        match (component, file.kustomization.component) {
            (true, false) => Err(fail(
                "kustomize/kind",
                format!("expected kind Component in `{}`, found Kustomization", directory.path),
            )),
            (false, true) => Err(fail(
                "kustomize/kind",
                format!("`{}` is a Component and belongs under `components`, not here", directory.path),
            )),
            _ => Ok(file),
        }
    }

    fn base(
        &self,
        acc: &mut Accumulation,
        frame: &Frame<'_>,
        path: &Text,
        directory: &FilePath,
        origin: Option<&BuildOrigin>,
    ) -> Done<()> {
        let base = traced(self.accumulate_base(frame, path, directory, origin), path.span, || {
            format!("in the base `{}`", path.value)
        })?;
        acc.objects.append_all(base.accumulation.objects.list().iter().cloned()).map_err(|(text, span)| {
            Stop::from(
                Diagnostic::error("kustomize/id-conflict", span, text)
                    .trace(path.span, format!("merging the base `{}`", path.value)),
            )
        })?;
        self.merge_config(acc, &base.accumulation.config, path.span)?;
        vars::merge(&mut acc.vars, &base.accumulation.vars)?;
        Ok(())
    }

    fn accumulate_base(
        &self,
        frame: &Frame<'_>,
        path: &Text,
        directory: &FilePath,
        origin: Option<&BuildOrigin>,
    ) -> Done<Arc<Base>> {
        let mut key = BaseKey { directory: directory.clone(), restricted: self.loader.restricted, charts: None };
        let plain = origin.is_none() && !*self.schema_set.borrow();
        let world = self.loader.world;
        let known = |key: &BaseKey| if plain { self.loader.tools.base(key, world) } else { None };
        let mut found = known(&key);
        if found.is_none() && self.helm.enabled {
            let with_charts = BaseKey { charts: Some((self.helm.clone(), frame.namespace.clone())), ..key.clone() };
            found = known(&with_charts);
        }
        if let Some(base) = found {
            self.charts.update(|charts| charts + usize::from(base.charts));
            self.merges.update(|merges| merges + usize::from(base.merges));
            for root in &base.roots {
                check_cycle(frame, root, path)?;
            }
            self.roots.borrow_mut().extend(base.roots.iter().cloned());
            self.facts.borrow_mut().add(&base.facts);
            return Ok(base);
        }
        let begin = Begin::of(world);
        let file = self.enter(frame, path, directory, false)?;
        let wants = self.wants.borrow().len();
        let before = std::mem::take(&mut *self.roots.borrow_mut());
        let facts_before = self.facts.take();
        let counts = (self.charts.get(), self.merges.get());
        let inner = below(frame, directory.clone(), &file);
        let origin = origin.map(|origin| origin.below(&path.value));
        let result = self.target(&inner, &file, Accumulation::default(), origin.as_ref());
        let (charts, merges) = (self.charts.get() > counts.0, self.merges.get() > counts.1);
        key.charts = charts.then(|| (self.helm.clone(), frame.namespace.clone()));
        let mut roots = std::mem::replace(&mut *self.roots.borrow_mut(), before);
        roots.push(directory.clone());
        self.roots.borrow_mut().extend(roots.iter().cloned());
        let facts = self.facts.replace(facts_before);
        self.facts.borrow_mut().add(&facts);
        let base = Arc::new(Base { accumulation: result?, roots, charts, merges, facts });
        if plain && !*self.schema_set.borrow() && self.wants.borrow().len() == wants {
            self.loader.tools.keep_base(key, begin.end(world, Arc::clone(&base)));
        }
        Ok(base)
    }

    fn component(
        &self,
        acc: Accumulation,
        frame: &Frame<'_>,
        path: &Text,
        origin: Option<&BuildOrigin>,
    ) -> Done<Accumulation> {
        let run = || {
            check_named(path, "components")?;
            let directory = match self.loader.find(&frame.root, path) {
                Ok(Found::Directory(directory)) => directory,
                Ok(Found::File(file)) => {
                    let text = format!("`{}` is a file, a component is a directory", file.path);
                    return Err(Stop::from(Diagnostic::error("kustomize/path", path.span, text)));
                }
                Err(error) => match remote::parse(&path.value) {
                    Some(remote) => match self.loader.world.tree(&remote.request) {
                        Lookup::Here(tree) => {
                            let root = FilePath::new(tree.id, crate::path::TreePath::root());
                            match self.loader.find(&root, &Text::new(remote.path.clone(), path.span))? {
                                Found::Directory(directory) => directory,
                                Found::File(_) => return Err(error.into()),
                            }
                        }
                        Lookup::Absent { reason, hint } => {
                            self.want(Want { request: remote.request, span: path.span, reason, hint });
                            return Ok(acc);
                        }
                    },
                    None => return Err(error.into()),
                },
            };
            let file = self.enter(frame, path, &directory, true)?;
            self.roots.borrow_mut().push(directory.clone());
            let inner = below(frame, directory, &file);
            let origin = origin.map(|origin| origin.below(&path.value));
            let mut acc = self.target(&inner, &file, acc, origin.as_ref())?;
            if let Some((text, span)) = acc.objects.collision() {
                return Err(Diagnostic::error("kustomize/id-conflict", span, text).into());
            }
            Ok(acc)
        };
        traced(run(), path.span, || format!("in the component `{}`", path.value))
    }

    fn merge_config(&self, acc: &mut Accumulation, more: &Arc<Config>, span: Span) -> Done<()> {
        acc.config = acc
            .config
            .merge(more)
            .map_err(|why| Stop::from(Diagnostic::error("kustomize/configuration", span, why)))?;
        Ok(())
    }

    fn configurations(&self, acc: &mut Accumulation, frame: &Frame<'_>, k: &Kustomization) -> Done<()> {
        let mut own = Arc::new(Config::default());
        for path in &k.configurations {
            let node = self.loader.document(frame, path)?;
            let mut reader = Reader { strict: true, ..Reader::default() };
            let config = Config::read(&node, &mut reader);
            if reader.problems.has_errors() {
                return Err(reader.problems.into());
            }
            own = own
                .merge(&Arc::new(config))
                .map_err(|why| Stop::from(Diagnostic::error("kustomize/configuration", path.span, why)))?;
        }
        let with_defaults = config::defaults()
            .merge(&own)
            .map_err(|why| Stop::from(Diagnostic::error("kustomize/configuration", k.span, why)))?;
        self.merge_config(acc, &with_defaults, k.span)?;
        for path in &k.crds {
            let node = self.loader.document(frame, path)?;
            let config = config::from_crds(&node, path.span)?;
            self.merge_config(acc, &Arc::new(config), path.span)?;
        }
        Ok(())
    }

    fn generators(
        &self,
        acc: &mut Accumulation,
        frame: &Frame<'_>,
        file: &KustomizationFile,
        origin: Option<&BuildOrigin>,
    ) -> Done<()> {
        let k = &*file.kustomization;
        let builtin = |kind: &str| origin.map(|origin| origin.configured(["builtin", kind, "", ""], &file.name));
        let mut made: Vec<(&'static str, Object, Option<BuildOrigin>)> = Vec::new();
        let all: [(&[Generator], bool, &str, &'static str); 2] = [
            (&k.config_maps, false, "ConfigMapGenerator", "configMapGenerator"),
            (&k.secrets, true, "SecretGenerator", "secretGenerator"),
        ];
        for (generators, secret, kind, field) in all {
            for generator in generators {
                let options = k.generator_options.as_ref();
                let object = super::generator::generate(&self.loader, frame, generator, secret, options)?;
                made.push((field, object, builtin(kind)));
            }
        }
        for chart in &k.helm_charts {
            let mut chart = chart.clone();
            if chart.namespace.is_empty() {
                chart.namespace = frame.namespace.clone();
            }
            let objects = self.inflate(frame, &chart, &k.helm_globals)?;
            let by = builtin("HelmChartInflationGenerator");
            made.extend(objects.into_iter().map(|object| ("helmCharts", object, by.clone())));
        }
        for plugin in self.plugins(frame, &k.generators, file, origin)? {
            let by = plugin_origin(&plugin, origin);
            made.extend(self.generate(frame, &plugin)?.into_iter().map(|object| ("generators", object, by.clone())));
        }
        for (field, mut object, by) in made {
            if let Some(by) = &by {
                build_metadata::add_origin(std::slice::from_mut(&mut object), by);
            }
            self.step(&mut acc.objects, Mark::entry(k, field, "", object.span), |objects| {
                let absorbed = objects.absorb(object);
                absorbed.map_err(|(text, span)| Stop::from(Diagnostic::error("kustomize/generator", span, text)))
            })?;
        }
        Ok(())
    }

    /// Objects that configure generators, transformers or validators: written in place, files, or directories.
    pub(super) fn plugins(
        &self,
        frame: &Frame<'_>,
        entries: &[Text],
        file: &KustomizationFile,
        origin: Option<&BuildOrigin>,
    ) -> Done<Vec<Object>> {
        let mut acc = Accumulation::default();
        let mut paths = Vec::new();
        for entry in entries {
            match super::resources::read(FileId::NONE, entry.value.as_bytes()) {
                Ok(objects) => {
                    let mut objects = objects;
                    for object in &mut objects {
                        object.span = entry.span;
                    }
                    let own = Text::new(SmolStr::from(file.name.as_str()), entry.span);
                    self.append(&mut acc, objects, &own, origin)?;
                }
                Err(error) if entry.value.contains('\n') => return Err(Stop::from(error.at(entry.span))),
                Err(_) => paths.push(entry.clone()),
            }
        }
        self.resources(&mut acc, frame, &paths, origin)?;
        Ok(acc.objects.into_list())
    }

    fn transformers(
        &self,
        acc: &mut Accumulation,
        frame: &Frame<'_>,
        file: &KustomizationFile,
        origin: Option<&BuildOrigin>,
    ) -> Done<()> {
        let k = &*file.kustomization;
        let config = Arc::clone(&acc.config);
        let objects = &mut acc.objects;
        let mark = |what, detail, span| Mark::entry(k, what, detail, span);
        let note = |objects: &mut Objects, kind: &str| {
            if let Some(origin) = origin {
                let by = origin.configured(["builtin", kind, "", ""], &file.name);
                build_metadata::add_transformation(objects.bodies_mut(), &by);
            }
            objects.drop_empty();
        };
        if !k.patches_strategic_merge.is_empty() {
            let mut found = 0;
            for entry in &k.patches_strategic_merge {
                let detail = if entry.value.contains('\n') { "" } else { entry.value.as_str() };
                self.step(objects, mark("patch", detail, entry.span), |objects| {
                    found += self.patch_strategic_merge(objects, frame, entry)?;
                    Ok(())
                })?;
            }
            if let Some(entry) = k.patches_strategic_merge.first().filter(|_| found == 0) {
                return Err(super::patch::none_given(entry.span).into());
            }
            note(objects, "PatchStrategicMergeTransformer");
        }
        for patch in &k.patches {
            let mark = mark("patch", &patch.path.value, patch.span);
            self.step(objects, mark, |objects| Ok(self.patch(objects, frame, patch)?))?;
            note(objects, "PatchTransformer");
        }
        if !k.namespace.value.is_empty() {
            let namespace = Namespace {
                namespace: k.namespace.value.clone(),
                fields: &config.namespace,
                unset_only: false,
                subjects: Subjects::DefaultOnly,
            };
            self.step(objects, mark("namespace", &k.namespace.value, k.namespace.span), |objects| {
                namespace.transform(objects).map_err(|found| fault("kustomize/namespace", k.namespace.span, found))
            })?;
            note(objects, "NamespaceTransformer");
        }
        for (side, text, fields, kind, field) in [
            (Affix::Prefix, &k.name_prefix, &config.name_prefix, "PrefixTransformer", "namePrefix"),
            (Affix::Suffix, &k.name_suffix, &config.name_suffix, "SuffixTransformer", "nameSuffix"),
        ] {
            if !text.value.is_empty() {
                self.step(objects, mark(field, &text.value, text.span), |objects| {
                    let done = transform::affix(objects, side, &text.value, fields);
                    done.map_err(|found| fault("kustomize/name", text.span, found))
                })?;
                note(objects, kind);
            }
        }
        if !k.labels.is_empty() || !k.common_labels.is_empty() {
            for label in &k.labels {
                let fields = label_fields(label, &config)
                    .map_err(|why| Stop::from(Diagnostic::error("kustomize/labels", label.span, why)))?;
                self.step(objects, mark("labels", "", label.span), |objects| {
                    set_entries(objects, &label.pairs, &fields, label.span)
                })?;
                note(objects, "LabelTransformer");
            }
            self.step(objects, mark("commonLabels", "", k.common_labels_span), |objects| {
                set_entries(objects, &k.common_labels, &config.common_labels, Span::NONE)
            })?;
            note(objects, "LabelTransformer");
        }
        if !k.common_annotations.is_empty() {
            self.step(objects, mark("commonAnnotations", "", k.common_annotations_span), |objects| {
                set_entries(objects, &k.common_annotations, &config.common_annotations, Span::NONE)
            })?;
            note(objects, "AnnotationsTransformer");
        }
        for patch in &k.patches_json6902 {
            let mark = mark("patch", &patch.path.value, patch.span);
            self.step(objects, mark, |objects| Ok(self.patch_json6902(objects, frame, patch)?))?;
            note(objects, "PatchJson6902Transformer");
        }
        for replica in &k.replicas {
            self.step(objects, mark("replicas", &replica.name, replica.span), |objects| {
                let done = transform::replicas(objects, replica, &config.replicas);
                done.map_err(|found| fault("kustomize/replicas", replica.span, found))
            })?;
            note(objects, "ReplicaCountTransformer");
        }
        for image in &k.images {
            self.step(objects, mark("images", &image.name, image.span), |objects| {
                let done = transform::image(objects, image, &config.images);
                done.map_err(|found| fault("kustomize/images", image.span, found))
            })?;
            note(objects, "ImageTagTransformer");
        }
        if !k.replacements.is_empty() {
            for entry in &k.replacements {
                let span = if entry.path.value.is_empty() { entry.replacement.span } else { entry.path.span };
                self.step(objects, mark("replacement", &entry.path.value, span), |objects| {
                    self.replacement(objects, frame, entry)
                })?;
            }
            note(objects, "ReplacementTransformer");
        }
        for plugin in self.plugins(frame, &k.transformers, file, origin)? {
            let mark = Mark::other("transformer", &plugin.id().gvk.kind, plugin.span);
            self.step(&mut acc.objects, mark, |objects| self.transform(objects, frame, &plugin))?;
            if let Some(by) = plugin_origin(&plugin, origin) {
                build_metadata::add_transformation(acc.objects.bodies_mut(), &by);
            }
            acc.objects.drop_empty();
        }
        Ok(())
    }

    /// One entry of `replacements`: a file of them, or one in place.
    ///
    /// # Errors
    /// It cannot be read, or does not apply.
    pub(super) fn replacement(
        &self,
        objects: &mut Objects,
        frame: &Frame<'_>,
        entry: &file::ReplacementEntry,
    ) -> Done<()> {
        let inline = &entry.replacement;
        if entry.path.value.is_empty() {
            return Ok(super::replacement::replace(objects, inline)?);
        }
        let fail = |text: &str| Stop::from(Diagnostic::error("kustomize/replacement", inline.span, text));
        if inline.source.is_some() || inline.targets.as_ref().is_some_and(|targets| !targets.is_empty()) {
            return Err(fail("cannot specify both path and inline replacement"));
        }
        let document = self.loader.document(frame, &entry.path)?;
        let mut reader = Reader::default();
        let replacements = if let Some(items) = document.as_seq() {
            items.iter().map(|item| file::read_replacement(&mut reader, item)).collect()
        } else if document.as_map().is_some() {
            vec![file::read_replacement(&mut reader, &document)]
        } else {
            return Err(fail("the file holds neither a replacement nor a list of them"));
        };
        if reader.problems.has_errors() {
            return Err(reader.problems.into());
        }
        for replacement in &replacements {
            super::replacement::replace(objects, replacement)?;
        }
        Ok(())
    }

    fn validators(
        &self,
        acc: &mut Accumulation,
        frame: &Frame<'_>,
        k: &Kustomization,
        file: &KustomizationFile,
        origin: Option<&BuildOrigin>,
    ) -> Done<()> {
        for plugin in self.plugins(frame, &k.validators, file, origin)? {
            let before: Vec<Node> = acc.objects.list().iter().map(|object| object.body.clone()).collect();
            let mark = Mark::other("validator", &plugin.id().gvk.kind, plugin.span);
            self.step(&mut acc.objects, mark, |objects| self.transform(objects, frame, &plugin))?;
            let after = acc.objects.list();
            let same = |(before, after): (&Node, &Object)| {
                without_validated_by(&after.body)
                    .map_or_else(|| *before == after.body, |after| after == Some(before.clone()))
            };
            if before.len() != after.len() || !before.iter().zip(after).all(same) {
                let text = format!("the validator {} changes objects", plugin.id());
                return Err(Diagnostic::error("kustomize/validator", plugin.span, text).into());
            }
        }
        Ok(())
    }
}

/// The object without the label that a validator may set; `None` where it is not set. The original then writes all labels anew, and
/// counts that as a change where they were read from a file or stand before another field: the inner `None`.
fn without_validated_by(body: &Node) -> Option<Option<Node>> {
    let metadata = body.get("metadata").and_then(Node::as_map)?;
    let labels = metadata.get("labels").filter(|labels| labels.get("validated-by").is_some())?;
    let alone = labels.as_map().is_some_and(|labels| labels.len() == 1);
    let last = metadata.iter().last().is_some_and(|(key, _)| key.text() == Some("labels"));
    let names: Vec<&str> = labels.as_map().into_iter().flat_map(Map::iter).filter_map(|(key, _)| key.text()).collect();
    let own_style = |(_, value): (&Node, &Node)| value.style() == str_node(value.text().unwrap_or_default()).style();
    let as_written_anew = last
        && labels.span().is_none()
        && names.is_sorted()
        && labels.as_map().is_some_and(|labels| labels.iter().all(own_style));
    if !alone && !as_written_anew {
        return Some(None);
    }
    let mut body = body.clone();
    let metadata = body.get_mut("metadata").and_then(Node::map_mut)?;
    if alone {
        metadata.remove("labels");
    } else {
        metadata.get_mut("labels").and_then(Node::map_mut)?.remove("validated-by");
    }
    Some(Some(body))
}

/// The frame of a kustomization that another one asked for.
fn below<'f>(frame: &'f Frame<'f>, root: FilePath, file: &KustomizationFile) -> Frame<'f> {
    let own = &file.kustomization.namespace.value;
    let namespace = if own.is_empty() { frame.namespace.clone() } else { own.clone() };
    Frame { root, parent: Some(frame), namespace }
}

fn set_entries(
    objects: &mut Objects,
    entries: &BTreeMap<SmolStr, SmolStr>,
    fields: &[FieldSpec],
    span: Span,
) -> Done<()> {
    transform::set_entries(objects, entries, fields).map_err(|found| fault("kustomize/labels", span, found))
}

/// The fields that an entry of `labels` writes.
fn label_fields(label: &Label, config: &Config) -> Result<Vec<FieldSpec>, String> {
    let mut fields = label.fields.clone();
    merge_specs(&mut fields, &config.labels)?;
    if label.include_selectors {
        merge_specs(&mut fields, &config.common_labels)?;
    } else {
        if label.include_templates {
            merge_specs(&mut fields, &config.template_labels)?;
        }
        if label.include_volume_claim_templates {
            merge_specs(&mut fields, &config.volume_claim_template_labels)?;
        }
        merge_specs(&mut fields, &[FieldSpec::new(Gvk::default(), "metadata/labels", true)])?;
    }
    Ok(fields)
}

/// Where a plugin is configured, by the annotation that loading gave it.
fn plugin_origin(plugin: &Object, origin: Option<&BuildOrigin>) -> Option<BuildOrigin> {
    let origin = origin?;
    let text = build_metadata::origin_of(&plugin.body)?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")));
        line.unwrap_or_default().to_owned()
    };
    let at = BuildOrigin { path: field("path"), repo: field("repo"), reference: field("ref"), ..origin.clone() };
    let id = plugin.id();
    Some(at.configured([&id.gvk.api_version(), &id.gvk.kind, &id.name, &id.namespace], ""))
}

/// An entry that is nothing would lead to the directory itself.
fn check_named(path: &Text, field: &str) -> Done<()> {
    if !path.value.is_empty() {
        return Ok(());
    }
    let text = format!("an entry of `{field}` is empty");
    Err(Diagnostic::error("kustomize/path", path.span, text).hint("remove it, or name a file or a directory").into())
}

/// A directory that is being built, or one above it, cannot be a part of itself.
fn check_cycle(frame: &Frame<'_>, directory: &FilePath, path: &Text) -> Done<()> {
    let mut here = Some(frame);
    let mut waiting = 0;
    while let Some(frame) = here {
        waiting += 1;
        if waiting > bounds::BASES {
            let text =
                format!("more than {} kustomizations are built for each other here, which is the limit", bounds::BASES);
            return Err(Diagnostic::error("kustomize/too-deep", path.span, text).into());
        }
        if frame.root.tree == directory.tree && frame.root.path.is_within(&directory.path) && !is_tree_top(frame) {
            let text =
                format!("cycle detected: `{}` contains `{}`, which is being built", directory.path, frame.root.path);
            return Err(Diagnostic::error("kustomize/cycle", path.span, text)
                .hint("a kustomization cannot be a base of itself, nor of what lies in it")
                .into());
        }
        here = frame.parent;
    }
    Ok(())
}

/// The frame that stands for the top of a remote tree is not being built itself.
fn is_tree_top(frame: &Frame<'_>) -> bool {
    frame.root.path.is_root() && frame.parent.is_some_and(|parent| parent.root.tree != frame.root.tree)
}
