//! `generators`, `transformers` and `validators`: the built-in ones, configured by objects with `apiVersion: builtin`
//! (api/internal/plugins/loader, api/internal/builtins). Programs and containers are refused with an explanation.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::accumulate::{Build, Done};
use super::config::read_spec;
use super::decode::{Fields, Reader};
use super::fieldspec::FieldSpec;
use super::file::{self, ReplacementEntry, Text};
use super::load::Frame;
use super::object::Object;
use super::objects::Objects;
use super::selector::Selector;
use super::transform::{self, Affix, Fault, Namespace, Subjects};
use crate::diag::Diagnostic;
use crate::render::Stop;
use crate::span::Span;
use crate::yaml::Node;

/// All kinds there are: for "did you mean".
const KINDS: [&str; 18] = [
    "AnnotationsTransformer",
    "ConfigMapGenerator",
    "HashTransformer",
    "HelmChartInflationGenerator",
    "IAMPolicyGenerator",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "ReplacementTransformer",
    "ReplicaCountTransformer",
    "SecretGenerator",
    "SuffixTransformer",
    "ValueAddTransformer",
];

fn refused(plugin: &Object) -> Stop {
    let id = plugin.id();
    let error = |text: String| Diagnostic::error("kustomize/plugin", plugin.span, text);
    if !id.gvk.group.is_empty() || id.gvk.version != "builtin" {
        return Stop::from(
            error(format!("external plugins disabled; unable to load external plugin `{}`", id.gvk.kind)).hint(
                "only built-in plugins (apiVersion: builtin) run here: programs and containers are never started",
            ),
        );
    }
    let mut error = error(format!("there is no built-in plugin `{}`", id.gvk.kind));
    error.hints.extend(crate::diag::did_you_mean(&id.gvk.kind, KINDS));
    Stop::from(error)
}

fn is_builtin(plugin: &Object) -> bool {
    plugin.id().gvk.group.is_empty() && plugin.id().gvk.version == "builtin"
}

/// A configuration being read: unknown fields mean nothing, as in the original.
struct Settings<'n> {
    reader: Reader,
    fields: Fields<'n>,
    span: Span,
}

impl<'n> Settings<'n> {
    fn of(plugin: &'n Object) -> Self {
        let mut reader = Reader::default();
        let fields = reader.fields(&plugin.body, "plugin");
        Settings { reader, fields, span: plugin.span }
    }

    fn text(&mut self, name: &'static str) -> Text {
        self.reader.spanned(self.fields.take(name), name)
    }

    fn map(&mut self, name: &'static str) -> BTreeMap<SmolStr, SmolStr> {
        self.reader.map(self.fields.take(name), name)
    }

    fn specs(&mut self) -> Vec<FieldSpec> {
        let items = self.reader.list(self.fields.take("fieldSpecs"), "fieldSpecs");
        items.iter().map(|item| read_spec(&mut self.reader, item)).collect()
    }

    fn node(&mut self, name: &'static str) -> Option<&'n Node> {
        self.fields.take(name)
    }

    fn metadata(&mut self, name: &'static str) -> SmolStr {
        let metadata = self.fields.take("metadata");
        self.reader.text(metadata.and_then(|metadata| metadata.get(name)), name)
    }

    fn check(self) -> Done<()> {
        if self.reader.problems.has_errors() { Err(self.reader.problems.into()) } else { Ok(()) }
    }

    fn fail<T>(&self, text: impl Into<String>) -> Done<T> {
        Err(Diagnostic::error("kustomize/plugin", self.span, text).into())
    }
}

fn fault(plugin: &Object) -> impl Fn(Fault) -> Stop {
    let span = plugin.span;
    move |(at, why)| Stop::from(Diagnostic::error("kustomize/plugin", span.or(at), why).label(at, "here"))
}

impl Build<'_> {
    /// Runs a generator.
    ///
    /// # Errors
    /// It is no built-in generator, or its configuration is wrong.
    pub(super) fn generate(&self, frame: &Frame<'_>, plugin: &Object) -> Done<Vec<Object>> {
        let kind = plugin.id().gvk.kind.clone();
        if !is_builtin(plugin) {
            return Err(refused(plugin));
        }
        match kind.as_str() {
            "ConfigMapGenerator" | "SecretGenerator" => {
                let mut settings = Settings::of(plugin);
                let secret = kind == "SecretGenerator";
                let mut generator = file::read_generator(&mut settings.reader, &plugin.body, secret);
                generator.span = plugin.span;
                if generator.name.is_empty() {
                    generator.name = settings.metadata("name");
                }
                if generator.namespace.is_empty() {
                    generator.namespace = settings.metadata("namespace");
                }
                settings.check()?;
                Ok(vec![super::generator::generate(&self.loader, frame, &generator, secret, None)?])
            }
            "IAMPolicyGenerator" => iam_policy(plugin),
            "HelmChartInflationGenerator" => {
                let (chart, globals) = super::helm::read_plugin(plugin)?;
                self.inflate(frame, &chart, &globals)
            }
            _ if KINDS.contains(&kind.as_str()) => {
                Settings::of(plugin).fail(format!("plugin {} is not a generator", plugin.id()))
            }
            _ => Err(refused(plugin)),
        }
    }

    /// Runs a transformer.
    ///
    /// # Errors
    /// It is no built-in transformer, its configuration is wrong, or it does not apply.
    pub(super) fn transform(&self, objects: &mut Objects, frame: &Frame<'_>, plugin: &Object) -> Done<()> {
        if !is_builtin(plugin) {
            return Err(refused(plugin));
        }
        let fault = fault(plugin);
        let mut s = Settings::of(plugin);
        let kind = plugin.id().gvk.kind.clone();
        match kind.as_str() {
            "AnnotationsTransformer" | "LabelTransformer" => {
                let name = if kind == "LabelTransformer" { "labels" } else { "annotations" };
                let (entries, fields) = (s.map(name), s.specs());
                s.check()?;
                transform::set_entries(objects, &entries, &fields).map_err(fault)
            }
            "PrefixTransformer" | "SuffixTransformer" => {
                let (side, name) =
                    if kind == "PrefixTransformer" { (Affix::Prefix, "prefix") } else { (Affix::Suffix, "suffix") };
                let text = s.text(name);
                if s.node("fieldSpecs").is_none() {
                    return s.fail("`fieldSpecs` is missing");
                }
                let fields = s.specs();
                s.check()?;
                transform::affix(objects, side, &text.value, &fields).map_err(fault)
            }
            "NamespaceTransformer" => self.namespace_plugin(objects, plugin),
            "ImageTagTransformer" => {
                let empty = Node::null();
                let image = file::read_image(&mut s.reader, s.fields.take("imageTag").unwrap_or(&empty));
                let fields = s.specs();
                s.check()?;
                transform::image(objects, &image, &fields).map_err(fault)
            }
            "ReplicaCountTransformer" => {
                let empty = Node::null();
                let replica = file::read_replica(&mut s.reader, s.fields.take("replica").unwrap_or(&empty));
                let fields = s.specs();
                s.check()?;
                transform::replicas(objects, &replica, &fields).map_err(fault)
            }
            "PatchTransformer" | "PatchJson6902Transformer" => {
                let mut patch = file::read_patch(&mut s.reader, &plugin.body);
                patch.span = plugin.span;
                if kind == "PatchJson6902Transformer" {
                    patch.patch = s.text("jsonOp");
                }
                s.check()?;
                if kind == "PatchTransformer" {
                    Ok(self.patch(objects, frame, &patch)?)
                } else {
                    Ok(self.patch_json6902(objects, frame, &patch)?)
                }
            }
            "PatchStrategicMergeTransformer" => {
                let mut patches = s.reader.texts(s.fields.take("paths"), "paths");
                let inline = s.text("patches");
                if patches.is_empty() && inline.value.is_empty() {
                    return s.fail("empty file path and empty patch content");
                }
                s.check()?;
                patches.extend(Some(inline).filter(|inline| !inline.value.is_empty()));
                let mut found = 0;
                for entry in &patches {
                    found += self.patch_strategic_merge(objects, frame, entry)?;
                }
                if found == 0 { Err(super::patch::none_given(plugin.span).into()) } else { Ok(()) }
            }
            "ReplacementTransformer" => {
                let items = s.reader.list(s.fields.take("replacements"), "replacements");
                let entries: Vec<ReplacementEntry> =
                    items.iter().map(|item| file::read_replacement_entry(&mut s.reader, item)).collect();
                s.check()?;
                for entry in &entries {
                    self.replacement(objects, frame, entry)?;
                }
                Ok(())
            }
            "PrefixSuffixTransformer" => {
                let (prefix, suffix) = (s.text("prefix"), s.text("suffix"));
                if s.node("fieldSpecs").is_none() {
                    return s.fail("`fieldSpecs` is missing");
                }
                let fields = s.specs();
                s.check()?;
                transform::affix(objects, Affix::Prefix, &prefix.value, &fields).map_err(&fault)?;
                transform::affix(objects, Affix::Suffix, &suffix.value, &fields).map_err(&fault)
            }
            "HashTransformer" => super::add_hashes(objects),
            "ValueAddTransformer" => self.value_add(objects, frame, plugin),
            _ if KINDS.contains(&kind.as_str()) => s.fail(format!("plugin {} is not a transformer", plugin.id())),
            _ => Err(refused(plugin)),
        }
    }

    fn namespace_plugin(&self, objects: &mut Objects, plugin: &Object) -> Done<()> {
        let mut s = Settings::of(plugin);
        let namespace = s.metadata("namespace");
        let fields = s.specs();
        let unset_only = s.reader.flag(s.fields.take("unsetOnly"), "unsetOnly");
        let subjects = match s.text("setRoleBindingSubjects").value.as_str() {
            "" | "defaultOnly" => Subjects::DefaultOnly,
            "allServiceAccounts" => Subjects::AllServiceAccounts,
            "none" => Subjects::None,
            other => {
                return s.fail(format!(
                    "invalid value `{other}` for setRoleBindingSubjects: must be one of defaultOnly, none or allServiceAccounts"
                ));
            }
        };
        s.check()?;
        Namespace { namespace, fields: &fields, unset_only, subjects }.transform(objects).map_err(fault(plugin))
    }

    /// Puts a value into a place of texts, by default the directory's name (plugin/builtin/valueaddtransformer).
    fn value_add(&self, objects: &mut Objects, frame: &Frame<'_>, plugin: &Object) -> Done<()> {
        let mut s = Settings::of(plugin);
        let given = s.text("value");
        let value = match given.value.trim() {
            "" => frame.root.path.name().to_owned(),
            text => text.to_owned(),
        };
        let mut nodes = s.reader.list(s.fields.take("targets"), "targets").to_vec();
        let path = s.text("targetFilePath");
        if !path.value.is_empty() {
            let document = self.loader.document(frame, &path)?;
            nodes.extend_from_slice(s.reader.list(document.get("targets"), "targets"));
        }
        if nodes.is_empty() {
            return s.fail("must specify at least one target");
        }
        let mut targets = Vec::new();
        for node in &nodes {
            let mut fields = s.reader.fields(node, "targets");
            let selector = fields.take("selector").map(|node| Selector::read(&mut s.reader, node));
            let field_path = s.reader.spanned(fields.take("fieldPath"), "fieldPath");
            let position = s.reader.integer(fields.take("filePathPosition"), "filePathPosition");
            targets.push((selector, field_path, position));
        }
        if targets.iter().any(|(_, path, position)| path.value.is_empty() || *position < 0) {
            return s.fail("a target needs a `fieldPath`, and its `filePathPosition` cannot be negative");
        }
        s.check()?;
        for (selector, field_path, position) in targets {
            let compiled = match &selector {
                Some(selector) => {
                    Some(selector.compile().map_err(|why| Diagnostic::error("kustomize/plugin", selector.span, why))?)
                }
                None => None,
            };
            for object in objects.list_mut() {
                if compiled.as_ref().is_some_and(|compiled| !compiled.matches(object)) {
                    continue;
                }
                let done = if field_path.value == "metadata/namespace" {
                    let namespace = Namespace {
                        namespace: value.as_str().into(),
                        fields: &[],
                        unset_only: false,
                        subjects: Subjects::DefaultOnly,
                    };
                    namespace.set(&mut object.body)
                } else {
                    add_value(&mut object.body, &field_path.value, position, &value)
                };
                done.map_err(|why| fault(plugin)((object.span, why)))?;
                object.refresh();
            }
        }
        Ok(())
    }
}

/// Sets a field, or one part of a path in it: 0 replaces the whole, n the n-th part (api/filters/valueadd).
fn add_value(body: &mut Node, path: &str, position: i64, value: &str) -> Result<(), String> {
    let spec = FieldSpec::new(crate::k8s::object::Gvk::default(), path.trim_start_matches('/'), true);
    let mut change = |node: &Node| -> Result<Option<Node>, String> {
        let Some(text) = node.text() else { return Err(format!("expected a text, found {}", node.what())) };
        let text = if node.is_null() { "" } else { text };
        let new = match usize::try_from(position) {
            Ok(at) if at > 0 => {
                let (lead, rest) = if let Some(rest) = text.strip_prefix('/') { ("/", rest) } else { ("", text) };
                let mut parts: Vec<&str> = rest.split('/').collect();
                let at = (at - 1).min(parts.len());
                parts.insert(at, value);
                format!("{lead}{}", parts.join("/"))
            }
            _ => value.to_owned(),
        };
        Ok(Some(super::object::retexted(node, &new)))
    };
    if let Some(new) = spec.rewrite(body, super::fieldspec::Leaf::Scalar, &mut change)? {
        *body = new;
    }
    Ok(())
}

/// A Kubernetes service account bound to a Google one (api/filters/iampolicygenerator).
fn iam_policy(plugin: &Object) -> Done<Vec<Object>> {
    let mut s = Settings::of(plugin);
    let cloud = s.text("cloud");
    if cloud.value != "gke" {
        return s.fail(format!("cloud provider `{}` not supported yet", cloud.value));
    }
    let mut inner = |outer: &'static str, second: &'static str| -> (SmolStr, SmolStr) {
        let empty = Node::null();
        let mut fields = s.reader.fields(s.fields.take(outer).unwrap_or(&empty), outer);
        let name = s.reader.text(fields.take("name"), "name");
        (name, s.reader.text(fields.take(second), second))
    };
    let (account, namespace) = inner("kubernetesService", "namespace");
    let (google, project) = inner("serviceAccount", "projectId");
    s.check()?;
    let mut metadata = crate::yaml::Map::new();
    let mut annotations = crate::yaml::Map::new();
    annotations
        .insert("iam.gke.io/gcp-service-account", Node::str(format!("{google}@{project}.iam.gserviceaccount.com")));
    metadata.insert("annotations", Node::map(annotations));
    metadata.insert("name", Node::str(account));
    if !namespace.is_empty() {
        metadata.insert("namespace", Node::str(namespace));
    }
    let mut body = crate::yaml::Map::new();
    body.insert("apiVersion", Node::str("v1"));
    body.insert("kind", Node::str("ServiceAccount"));
    body.insert("metadata", Node::map(metadata));
    Ok(vec![Object::new(Node::map(body), plugin.span)])
}
