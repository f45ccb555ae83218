//! The kustomization file: every field of it, typed, with the place of what can be wrong.
//!
//! Unknown fields, wrong kinds of values and wrong `kind` or `apiVersion` are errors, as in the original, which reads the file with
//! go-yaml v2 through JSON: names in any case, the later of two equal keys, `yes` is true. Deprecated fields are folded into the ones that
//! replaced them (`bases`, `imageTags`, `env`, `helmChartInflationGenerator`).

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::config::read_spec;
use super::decode::{Fields, Reader};
use super::fieldspec::FieldSpec;
use super::helm::{self, Chart, Globals};
use super::object::Behavior;
use super::selector::Selector;
use crate::diag::{Diagnostic, Diagnostics};
use crate::k8s::object::Gvk;
use crate::span::{Span, Spanned};
use crate::yaml::Node;

/// A string and where it is written.
pub(super) type Text = Spanned<SmolStr>;

/// A kustomization or a component.
#[derive(Clone, Debug)]
pub(super) struct Kustomization {
    /// `kind: Component`.
    pub component: bool,
    /// Nothing but its type is given, which is an error unless edits change that.
    pub empty: bool,
    /// The whole file.
    pub span: Span,
    pub resources: Vec<Text>,
    pub components: Vec<Text>,
    pub crds: Vec<Text>,
    pub configurations: Vec<Text>,
    pub generators: Vec<Text>,
    pub transformers: Vec<Text>,
    pub validators: Vec<Text>,
    pub name_prefix: Text,
    pub name_suffix: Text,
    pub namespace: Text,
    pub common_labels: BTreeMap<SmolStr, SmolStr>,
    /// Where `commonLabels` is written.
    pub common_labels_span: Span,
    pub labels: Vec<Label>,
    pub common_annotations: BTreeMap<SmolStr, SmolStr>,
    /// Where `commonAnnotations` is written.
    pub common_annotations_span: Span,
    pub patches_strategic_merge: Vec<Text>,
    pub patches_json6902: Vec<Patch>,
    pub patches: Vec<Patch>,
    /// Where `patches` is given as null.
    pub null_patches: Option<Span>,
    pub images: Vec<Image>,
    pub replicas: Vec<Replica>,
    pub replacements: Vec<ReplacementEntry>,
    pub vars: Vec<Var>,
    pub config_maps: Vec<Generator>,
    pub secrets: Vec<Generator>,
    pub generator_options: Option<GeneratorOptions>,
    pub openapi: Option<OpenApi>,
    pub build_metadata: Vec<Text>,
    pub sort_options: Option<SortOptions>,
    /// Charts to inflate.
    pub helm_charts: Vec<Chart>,
    pub helm_globals: Globals,
    /// Deprecated fields in use.
    pub deprecated: Vec<(Span, &'static str)>,
}

/// An entry of `labels`.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub pairs: BTreeMap<SmolStr, SmolStr>,
    pub include_selectors: bool,
    pub include_templates: bool,
    pub include_volume_claim_templates: bool,
    pub fields: Vec<FieldSpec>,
    pub span: Span,
}

/// An entry of `patches` or `patchesJson6902`.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    pub path: Text,
    pub patch: Text,
    pub target: Option<Selector>,
    pub allow_name_change: bool,
    pub allow_kind_change: bool,
    pub span: Span,
}

/// An entry of `images`.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub name: SmolStr,
    pub new_name: SmolStr,
    pub new_tag: SmolStr,
    pub tag_suffix: SmolStr,
    pub digest: SmolStr,
    pub span: Span,
}

/// An entry of `replicas`.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pub name: SmolStr,
    pub count: i64,
    pub span: Span,
}

/// An entry of `replacements`: a file of them or one in place.
#[derive(Clone, Debug)]
pub(super) struct ReplacementEntry {
    pub path: Text,
    pub replacement: Replacement,
}

/// What is copied where.
#[derive(Clone, Debug)]
pub(super) struct Replacement {
    pub source: Option<Source>,
    pub source_value: Option<SmolStr>,
    /// `None` when the field is missing.
    pub targets: Option<Vec<Target>>,
    pub span: Span,
}

/// Where a replacement reads.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub gvk: Gvk,
    pub name: SmolStr,
    pub namespace: SmolStr,
    pub field_path: SmolStr,
    pub options: Option<FieldOptions>,
    pub span: Span,
}

/// Where a replacement writes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub select: Option<Selector>,
    pub reject: Vec<Selector>,
    pub field_paths: Vec<Text>,
    pub options: Option<FieldOptions>,
    pub span: Span,
}

/// Which part of a field a replacement means.
#[derive(Clone, Debug, Default)]
pub(super) struct FieldOptions {
    pub delimiter: SmolStr,
    pub index: i64,
    pub create: bool,
}

/// An entry of `vars`.
#[derive(Clone, Debug)]
pub(super) struct Var {
    pub name: SmolStr,
    pub gvk: Gvk,
    pub object: SmolStr,
    pub namespace: SmolStr,
    pub field_path: SmolStr,
    pub span: Span,
}

/// An entry of `configMapGenerator` or `secretGenerator`.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    pub name: SmolStr,
    pub namespace: SmolStr,
    pub behavior: Behavior,
    pub literals: Vec<Text>,
    pub files: Vec<Text>,
    pub envs: Vec<Text>,
    pub options: Option<GeneratorOptions>,
    /// Of secrets; empty is Opaque.
    pub secret_type: SmolStr,
    pub span: Span,
}

/// `generatorOptions`, or the `options` of a generator.
#[derive(Clone, Debug, Default)]
pub(super) struct GeneratorOptions {
    pub labels: BTreeMap<SmolStr, SmolStr>,
    pub annotations: BTreeMap<SmolStr, SmolStr>,
    pub disable_name_suffix_hash: bool,
    pub immutable: bool,
}

/// `openapi`.
#[derive(Clone, Debug)]
pub(super) struct OpenApi {
    pub path: Option<Text>,
    pub version: Option<Text>,
    pub span: Span,
}

/// `sortOptions`.
#[derive(Clone, Debug)]
pub(super) struct SortOptions {
    pub order: Text,
    pub legacy: Option<LegacySort>,
}

/// `sortOptions.legacySortOptions`.
#[derive(Clone, Debug)]
pub(super) struct LegacySort {
    pub first: Vec<SmolStr>,
    pub last: Vec<SmolStr>,
}

impl Kustomization {
    /// Reads a kustomization file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(root: &Node) -> Result<Self, Diagnostics> {
        let mut reader = Reader { strict: true, ..Reader::default() };
        let file = Self::read_with(&mut reader, root);
        if reader.problems.has_errors() { Err(reader.problems) } else { Ok(file) }
    }

    /// That it says nothing.
    ///
    /// # Errors
    /// It does say nothing.
    pub(super) fn check_empty(&self) -> Result<(), Diagnostics> {
        if !self.empty {
            return Ok(());
        }
        let error = Diagnostic::error("kustomize/empty", self.span, "the kustomization is empty");
        Err(error.hint("name at least one of `resources`, `components` or a generator").into())
    }

    fn read_with(r: &mut Reader, root: &Node) -> Self {
        let mut f = r.fields(root, "kustomization");
        let mut deprecated = Vec::new();
        let given = |f: &mut Fields<'_>, name: &'static str, list: &mut Vec<(Span, &'static str)>| {
            if let Some(node) = f.take(name) {
                list.push((node.span(), name));
            }
        };
        for name in ["bases", "commonLabels", "imageTags", "patchesJson6902", "patchesStrategicMerge", "vars"] {
            given(&mut f, name, &mut deprecated);
        }
        let kind = r.spanned(f.take("kind"), "kind");
        let api_version = r.spanned(f.take("apiVersion"), "apiVersion");
        let component = kind.value == "Component";
        check_type(r, &kind, &api_version, component);
        if let Some(metadata) = f.take("metadata") {
            let mut m = r.fields(metadata, "metadata");
            for name in ["name", "namespace"] {
                r.text(m.take(name), name);
            }
            for name in ["labels", "annotations"] {
                r.map(m.take(name), name);
            }
            r.finish(m);
        }
        let mut resources = r.texts(f.take("resources"), "resources");
        resources.extend(r.texts(f.take("bases"), "bases"));
        let mut images = read_images(r, &mut f, "images");
        images.extend(read_images(r, &mut f, "imageTags"));
        let charts = r.list(f.take("helmCharts"), "helmCharts").iter();
        let mut helm_charts: Vec<Chart> = charts.map(|node| helm::read_chart(r, node)).collect();
        let mut old_globals = Globals::default();
        let old = r.list(f.take("helmChartInflationGenerator"), "helmChartInflationGenerator").iter();
        helm_charts.extend(old.map(|node| helm::read_deprecated_chart(r, node, &mut old_globals)));
        let helm_globals = f.take("helmGlobals").map_or(old_globals, |node| helm::read_globals(r, node));
        let common_labels = f.take("commonLabels");
        let common_annotations = f.take("commonAnnotations");
        let place = |node: Option<&Node>| node.map_or(Span::NONE, Node::span);
        let empty = !root.as_map().is_some_and(|map| {
            map.iter().any(|(key, value)| {
                let is_type = |name| key.text().is_some_and(|key| key.eq_ignore_ascii_case(name));
                !is_type("kind") && !is_type("apiVersion") && !value.is_null()
            })
        });
        let file = Kustomization {
            component,
            empty,
            span: root.span(),
            resources,
            components: r.texts(f.take("components"), "components"),
            crds: r.texts(f.take("crds"), "crds"),
            configurations: r.texts(f.take("configurations"), "configurations"),
            generators: r.texts(f.take("generators"), "generators"),
            transformers: r.texts(f.take("transformers"), "transformers"),
            validators: r.texts(f.take("validators"), "validators"),
            name_prefix: r.spanned(f.take("namePrefix"), "namePrefix"),
            name_suffix: r.spanned(f.take("nameSuffix"), "nameSuffix"),
            namespace: r.spanned(f.take("namespace"), "namespace"),
            common_labels: r.map(common_labels, "commonLabels"),
            common_labels_span: place(common_labels),
            labels: r.list(f.take("labels"), "labels").iter().map(|node| read_label(r, node)).collect(),
            common_annotations: r.map(common_annotations, "commonAnnotations"),
            common_annotations_span: place(common_annotations),
            patches_strategic_merge: r.texts(f.take("patchesStrategicMerge"), "patchesStrategicMerge"),
            patches_json6902: r
                .list(f.take("patchesJson6902"), "patchesJson6902")
                .iter()
                .map(|node| read_patch(r, node))
                .collect(),
            patches: r.list(f.take("patches"), "patches").iter().map(|node| read_patch(r, node)).collect(),
            null_patches: root.get("patches").filter(|node| node.is_null()).map(Node::span),
            images,
            replicas: r.list(f.take("replicas"), "replicas").iter().map(|node| read_replica(r, node)).collect(),
            replacements: r
                .list(f.take("replacements"), "replacements")
                .iter()
                .map(|node| read_replacement_entry(r, node))
                .collect(),
            vars: r.list(f.take("vars"), "vars").iter().map(|node| read_var(r, node)).collect(),
            config_maps: r
                .list(f.take("configMapGenerator"), "configMapGenerator")
                .iter()
                .map(|node| read_generator(r, node, false))
                .collect(),
            secrets: r
                .list(f.take("secretGenerator"), "secretGenerator")
                .iter()
                .map(|node| read_generator(r, node, true))
                .collect(),
            generator_options: f.take("generatorOptions").map(|node| read_generator_options(r, node)),
            openapi: f.take("openapi").map(|node| read_openapi(r, node)),
            build_metadata: r.texts(f.take("buildMetadata"), "buildMetadata"),
            sort_options: f.take("sortOptions").map(|node| read_sort_options(r, node)),
            helm_charts,
            helm_globals,
            deprecated,
        };
        r.finish(f);
        file
    }
}

fn check_type(r: &mut Reader, kind: &Text, api_version: &Text, component: bool) {
    if !kind.value.is_empty() && !component && kind.value != "Kustomization" {
        let text = format!("kind should be Kustomization or Component, not `{}`", kind.value);
        r.problems.push(Diagnostic::error("kustomize/kind", kind.span, text));
    }
    let (what, wanted) = if component {
        ("Component", "kustomize.config.k8s.io/v1alpha1")
    } else {
        ("Kustomization", "kustomize.config.k8s.io/v1beta1")
    };
    if !api_version.value.is_empty() && api_version.value != wanted {
        let text = format!("apiVersion for {what} should be {wanted}, not `{}`", api_version.value);
        r.problems.push(Diagnostic::error("kustomize/api-version", api_version.span, text));
    }
}

fn read_label(r: &mut Reader, node: &Node) -> Label {
    let mut f = r.fields(node, "labels");
    let label = Label {
        pairs: r.map(f.take("pairs"), "pairs"),
        include_selectors: r.flag(f.take("includeSelectors"), "includeSelectors"),
        include_templates: r.flag(f.take("includeTemplates"), "includeTemplates"),
        include_volume_claim_templates: r.flag(f.take("includeVolumeClaimTemplates"), "includeVolumeClaimTemplates"),
        fields: r.list(f.take("fields"), "fields").iter().map(|node| read_spec(r, node)).collect(),
        span: node.span(),
    };
    r.finish(f);
    label
}

/// An entry of `patches`.
pub(super) fn read_patch(r: &mut Reader, node: &Node) -> Patch {
    let mut f = r.fields(node, "patches");
    let path = r.spanned(f.take("path"), "path");
    let patch = r.spanned(f.take("patch"), "patch");
    let target = f.take("target").map(|node| Selector::read(r, node));
    let (mut allow_name_change, mut allow_kind_change) = (false, false);
    if let Some(options) = f.take("options") {
        let mut o = r.fields(options, "options");
        allow_name_change = r.flag(o.take("allowNameChange"), "allowNameChange");
        allow_kind_change = r.flag(o.take("allowKindChange"), "allowKindChange");
        r.finish(o);
    }
    r.finish(f);
    Patch { path, patch, target, allow_name_change, allow_kind_change, span: node.span() }
}

fn read_images(r: &mut Reader, f: &mut Fields<'_>, name: &'static str) -> Vec<Image> {
    r.list(f.take(name), name).iter().map(|node| read_image(r, node)).collect()
}

/// An entry of `images`.
pub(super) fn read_image(r: &mut Reader, node: &Node) -> Image {
    let mut f = r.fields(node, "images");
    let image = Image {
        name: r.text(f.take("name"), "name"),
        new_name: r.text(f.take("newName"), "newName"),
        new_tag: r.text(f.take("newTag"), "newTag"),
        tag_suffix: r.text(f.take("tagSuffix"), "tagSuffix"),
        digest: r.text(f.take("digest"), "digest"),
        span: node.span(),
    };
    r.finish(f);
    image
}

/// An entry of `replicas`.
pub(super) fn read_replica(r: &mut Reader, node: &Node) -> Replica {
    let mut f = r.fields(node, "replicas");
    let name = r.text(f.take("name"), "name");
    let count = r.integer(f.take("count"), "count");
    r.finish(f);
    Replica { name, count, span: node.span() }
}

/// An entry of `replacements`.
pub(super) fn read_replacement_entry(r: &mut Reader, node: &Node) -> ReplacementEntry {
    let mut f = r.fields(node, "replacements");
    let path = r.spanned(f.take("path"), "path");
    let replacement = read_replacement_fields(r, &mut f);
    r.finish(f);
    ReplacementEntry { path, replacement }
}

/// One replacement of a file.
pub(super) fn read_replacement(r: &mut Reader, node: &Node) -> Replacement {
    let mut f = r.fields(node, "replacement");
    let replacement = read_replacement_fields(r, &mut f);
    r.finish(f);
    replacement
}

fn read_replacement_fields(r: &mut Reader, f: &mut Fields<'_>) -> Replacement {
    let source = f.take("source").map(|node| {
        let mut s = r.fields(node, "source");
        let source = Source {
            gvk: super::config::read_gvk(r, &mut s),
            name: r.text(s.take("name"), "name"),
            namespace: r.text(s.take("namespace"), "namespace"),
            field_path: r.text(s.take("fieldPath"), "fieldPath"),
            options: read_field_options(r, &mut s),
            span: node.span(),
        };
        r.finish(s);
        source
    });
    let source_value = f.take("sourceValue").map(|node| r.text(Some(node), "sourceValue"));
    let targets =
        f.take("targets").map(|node| r.list(Some(node), "targets").iter().map(|node| read_target(r, node)).collect());
    Replacement { source, source_value, targets, span: f.span() }
}

fn read_target(r: &mut Reader, node: &Node) -> Target {
    let mut f = r.fields(node, "targets");
    let target = Target {
        select: f.take("select").map(|node| Selector::read(r, node)),
        reject: r.list(f.take("reject"), "reject").iter().map(|node| Selector::read(r, node)).collect(),
        field_paths: r.texts(f.take("fieldPaths"), "fieldPaths"),
        options: read_field_options(r, &mut f),
        span: node.span(),
    };
    r.finish(f);
    target
}

fn read_field_options(r: &mut Reader, f: &mut Fields<'_>) -> Option<FieldOptions> {
    let node = f.take("options")?;
    let mut o = r.fields(node, "options");
    let options = FieldOptions {
        delimiter: r.text(o.take("delimiter"), "delimiter"),
        index: r.integer(o.take("index"), "index"),
        create: r.flag(o.take("create"), "create"),
    };
    r.text(o.take("encoding"), "encoding");
    r.finish(o);
    Some(options)
}

fn read_var(r: &mut Reader, node: &Node) -> Var {
    let mut f = r.fields(node, "vars");
    let name = r.text(f.take("name"), "name");
    let mut var = Var {
        name,
        gvk: Gvk::default(),
        object: SmolStr::default(),
        namespace: SmolStr::default(),
        field_path: SmolStr::default(),
        span: node.span(),
    };
    if let Some(node) = f.take("objref") {
        let mut o = r.fields(node, "objref");
        var.gvk = super::config::read_gvk(r, &mut o);
        let api_version = r.text(o.take("apiVersion"), "apiVersion");
        match api_version.split('/').collect::<Vec<_>>().as_slice() {
            [""] => {}
            [version] => var.gvk.version = (*version).into(),
            [group, version] => (var.gvk.group, var.gvk.version) = ((*group).into(), (*version).into()),
            _ => {}
        }
        var.object = r.text(o.take("name"), "name");
        var.namespace = r.text(o.take("namespace"), "namespace");
        r.finish(o);
    }
    if let Some(node) = f.take("fieldref") {
        let mut o = r.fields(node, "fieldref");
        var.field_path = r.text(o.take("fieldPath"), "fieldPath");
        r.finish(o);
    }
    if var.field_path.is_empty() {
        var.field_path = SmolStr::new_static("metadata.name");
    }
    r.finish(f);
    var
}

/// An entry of a generator.
pub(super) fn read_generator(r: &mut Reader, node: &Node, secret: bool) -> Generator {
    let mut f = r.fields(node, if secret { "secretGenerator" } else { "configMapGenerator" });
    let mut generator = read_generator_fields(r, &mut f, node.span());
    if secret {
        generator.secret_type = r.text(f.take("type"), "type");
    }
    r.finish(f);
    generator
}

fn read_generator_fields(r: &mut Reader, f: &mut Fields<'_>, span: Span) -> Generator {
    let mut envs = r.texts(f.take("envs"), "envs");
    let env = r.spanned(f.take("env"), "env");
    if !env.value.is_empty() {
        envs.push(env);
    }
    Generator {
        name: r.text(f.take("name"), "name"),
        namespace: r.text(f.take("namespace"), "namespace"),
        behavior: Behavior::named(&r.text(f.take("behavior"), "behavior")),
        literals: r.texts(f.take("literals"), "literals"),
        files: r.texts(f.take("files"), "files"),
        envs,
        options: f.take("options").map(|node| read_generator_options(r, node)),
        secret_type: SmolStr::default(),
        span,
    }
}

fn read_generator_options(r: &mut Reader, node: &Node) -> GeneratorOptions {
    let mut f = r.fields(node, "generatorOptions");
    let options = GeneratorOptions {
        labels: r.map(f.take("labels"), "labels"),
        annotations: r.map(f.take("annotations"), "annotations"),
        disable_name_suffix_hash: r.flag(f.take("disableNameSuffixHash"), "disableNameSuffixHash"),
        immutable: r.flag(f.take("immutable"), "immutable"),
    };
    r.finish(f);
    options
}

fn read_openapi(r: &mut Reader, node: &Node) -> OpenApi {
    // A mapping of strings in the original: other keys are allowed and mean nothing.
    let mut values = r.map(Some(node), "openapi");
    let mut text = |name: &str| {
        values.remove(name).map(|value| Spanned::new(value, node.get(name).map_or(node.span(), Node::span)))
    };
    OpenApi { path: text("path"), version: text("version"), span: node.span() }
}

/// `sortOptions`.
pub(super) fn read_sort_options(r: &mut Reader, node: &Node) -> SortOptions {
    let mut f = r.fields(node, "sortOptions");
    let order = r.spanned(f.take("order"), "order");
    let legacy = f.take("legacySortOptions").map(|node| {
        let mut l = r.fields(node, "legacySortOptions");
        let mut list = |name| r.texts(l.take(name), name).into_iter().map(|text| text.value).collect();
        let (first, last) = (list("orderFirst"), list("orderLast"));
        r.finish(l);
        LegacySort { first, last }
    });
    r.finish(f);
    SortOptions { order, legacy }
}
