//! The transformer configuration: which fields each transformer writes. The defaults are a table; `configurations` and `crds` of a
//! kustomization add to it, and what a base adds holds in everything built on it.
//!
//! Merging follows api/internal/plugins/builtinconfig: a spec that is there is not added again, one that differs only in `create` is an
//! error, and each list is sorted by kind after a merge.

use std::sync::{Arc, LazyLock};

use smol_str::SmolStr;

use super::decode::{Fields, Reader};
use super::fieldspec::FieldSpec;
use super::object::selects;
use crate::diag::Diagnostic;
use crate::k8s::object::{Gvk, ObjectId};
use crate::k8s::order::LegacyOrder;
use crate::span::Span;
use crate::yaml::Node;

/// Fields that refer by name to objects of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Referral {
    /// What is referred to; empty parts match any.
    pub target: Gvk,
    /// The fields.
    pub fields: Vec<FieldSpec>,
}

/// The transformer configuration of one accumulation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    pub name_prefix: Vec<FieldSpec>,
    pub name_suffix: Vec<FieldSpec>,
    pub namespace: Vec<FieldSpec>,
    pub common_labels: Vec<FieldSpec>,
    pub labels: Vec<FieldSpec>,
    pub template_labels: Vec<FieldSpec>,
    pub volume_claim_template_labels: Vec<FieldSpec>,
    pub common_annotations: Vec<FieldSpec>,
    pub var_reference: Vec<FieldSpec>,
    pub images: Vec<FieldSpec>,
    pub replicas: Vec<FieldSpec>,
    pub name_reference: Vec<Referral>,
}

static DEFAULTS: LazyLock<Arc<Config>> =
    LazyLock::new(|| Arc::new(Config::parse(include_str!("../../../schema/kubernetes/kustomize-fields.txt"))));

/// The order of specs: by the legacy order of kinds, then by text.
fn by_kind(a: &Gvk, b: &Gvk) -> std::cmp::Ordering {
    let id = |gvk: &Gvk| ObjectId { gvk: gvk.clone(), ..ObjectId::default() };
    LegacyOrder::default().compare(&id(a), &id(b))
}

/// The configuration before any file adds to it.
pub(super) fn defaults() -> Arc<Config> {
    Arc::clone(&DEFAULTS)
}

impl Config {
    /// Reads the table; its form is described in its own head. Every run does this, so it makes no strings and sorts nothing.
    fn parse(table: &'static str) -> Config {
        let mut config = Config::default();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let mut rest = line;
            // Words are short: no search is faster than looking.
            let mut word = || {
                let end = rest.bytes().position(|byte| byte == b' ');
                let (word, more) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
                rest = more;
                if word == "-" { "" } else { word }
            };
            let section = word();
            let part = SmolStr::new_static;
            let gvk = Gvk { group: part(word()), version: part(word()), kind: part(word()) };
            if section == "target" {
                config.name_reference.push(Referral { target: gvk, fields: Vec::new() });
                continue;
            }
            let create = !word().is_empty();
            let spec = FieldSpec::of_table(gvk, rest, create);
            match config.name_reference.last_mut() {
                Some(referral) if section == "nameReference" => referral.fields.push(spec),
                _ => {
                    if let Some(list) = config.list_mut(section) {
                        list.push(spec);
                    }
                }
            }
        }
        config
    }

    fn list_mut(&mut self, name: &str) -> Option<&mut Vec<FieldSpec>> {
        self.lists_mut().into_iter().find(|(section, _)| *section == name).map(|(_, list)| list)
    }

    fn lists_mut(&mut self) -> [(&'static str, &mut Vec<FieldSpec>); 11] {
        [
            ("namePrefix", &mut self.name_prefix),
            ("nameSuffix", &mut self.name_suffix),
            ("namespace", &mut self.namespace),
            ("commonLabels", &mut self.common_labels),
            ("labels", &mut self.labels),
            ("templateLabels", &mut self.template_labels),
            ("volumeClaimTemplateLabels", &mut self.volume_claim_template_labels),
            ("commonAnnotations", &mut self.common_annotations),
            ("varReference", &mut self.var_reference),
            ("images", &mut self.images),
            ("replicas", &mut self.replicas),
        ]
    }

    fn sort(&mut self) {
        for (_, list) in self.lists_mut() {
            list.sort_by(|a, b| by_kind(&a.gvk, &b.gvk));
        }
        self.name_reference.sort_by(|a, b| by_kind(&a.target, &b.target));
    }

    /// Adds another configuration.
    ///
    /// # Errors
    /// Two specs differ only in `create`.
    pub(super) fn merge(self: &Arc<Self>, other: &Arc<Config>) -> Result<Arc<Config>, String> {
        let nothing = |config: &Arc<Config>| **config == Config::default();
        // The defaults merged into nothing or themselves are the defaults: the usual case.
        if Arc::ptr_eq(self, other) || nothing(other) {
            return Ok(Arc::clone(self));
        }
        if Arc::ptr_eq(other, &DEFAULTS) && nothing(self) {
            return Ok(Arc::clone(other));
        }
        let (mut merged, mut other) = ((**self).clone(), (**other).clone());
        for ((name, list), (_, more)) in merged.lists_mut().into_iter().zip(other.lists_mut()) {
            merge_specs(list, more).map_err(|reason| format!("{reason} in `{name}`"))?;
        }
        for referral in &other.name_reference {
            merged.refer(referral.clone())?;
        }
        merged.sort();
        Ok(Arc::new(merged))
    }

    /// Adds fields that refer to a kind.
    ///
    /// # Errors
    /// Two specs differ only in `create`.
    pub(super) fn refer(&mut self, more: Referral) -> Result<(), String> {
        match self.name_reference.iter_mut().find(|referral| referral.target == more.target) {
            Some(referral) => {
                merge_specs(&mut referral.fields, &more.fields)
                    .map_err(|reason| format!("{reason} in `nameReference`"))?;
            }
            None => self.name_reference.push(more),
        }
        Ok(())
    }

    /// Reads a file of `configurations`; unknown fields are problems.
    pub(super) fn read(node: &Node, reader: &mut Reader) -> Config {
        let mut config = Config::default();
        let mut fields = reader.fields(node, "transformer configuration");
        for (name, list) in config.lists_mut() {
            let items = reader.list(fields.take(name), name);
            list.extend(items.iter().map(|item| read_spec(reader, item)));
        }
        for item in reader.list(fields.take("nameReference"), "nameReference") {
            let mut referral = reader.fields(item, "nameReference");
            let target = read_gvk(reader, &mut referral);
            let specs = reader.list(referral.take("fieldSpecs"), "fieldSpecs");
            let specs = specs.iter().map(|item| read_spec(reader, item)).collect();
            reader.finish(referral);
            config.name_reference.push(Referral { target, fields: specs });
        }
        reader.finish(fields);
        config.sort();
        config
    }
}

/// Adds specs that are not there yet.
///
/// # Errors
/// One is there with another `create`.
pub(super) fn merge_specs(list: &mut Vec<FieldSpec>, more: &[FieldSpec]) -> Result<(), String> {
    for spec in more {
        let there = list.iter().find(|have| have.path == spec.path && selects(&spec.gvk, &have.gvk));
        match there {
            Some(have) if have.create != spec.create => {
                return Err(format!("conflicting field specs for `{}` (one creates it, one does not)", spec.path));
            }
            Some(_) => {}
            None => list.push(spec.clone()),
        }
    }
    Ok(())
}

/// `group`, `version`, `kind` of a mapping.
pub(super) fn read_gvk(reader: &mut Reader, fields: &mut Fields<'_>) -> Gvk {
    Gvk {
        group: reader.text(fields.take("group"), "group"),
        version: reader.text(fields.take("version"), "version"),
        kind: reader.text(fields.take("kind"), "kind"),
    }
}

/// A field spec as users write it.
pub(super) fn read_spec(reader: &mut Reader, node: &Node) -> FieldSpec {
    let mut fields = reader.fields(node, "field spec");
    let gvk = read_gvk(reader, &mut fields);
    let path = reader.text(fields.take("path"), "path");
    let create = reader.flag(fields.take("create"), "create");
    reader.finish(fields);
    FieldSpec::new(gvk, &path, create)
}

/// The extension keys of `crds` files (api/internal/accumulator/loadconfigfromcrds.go).
const X_ANNOTATION: &str = "x-kubernetes-annotation";
const X_LABEL_SELECTOR: &str = "x-kubernetes-label-selector";
const X_IDENTITY: &str = "x-kubernetes-identity";
const X_REF_VERSION: &str = "x-kubernetes-object-ref-api-version";
const X_REF_KIND: &str = "x-kubernetes-object-ref-kind";
const X_REF_NAME_KEY: &str = "x-kubernetes-object-ref-name-key";

/// What a file of `crds` adds: a mapping of type names to OpenAPI definitions whose extensions mark references.
///
/// # Errors
/// The file is not such a mapping, or its specs conflict.
pub(super) fn from_crds(file: &Node, span: Span) -> Result<Config, Box<Diagnostic>> {
    let fail = |reason: String| Box::new(Diagnostic::error("kustomize/crds", span, reason));
    let Some(types) = file.as_map() else {
        return Err(fail("expected a mapping of type names to OpenAPI definitions".to_owned()));
    };
    let mut config = Config::default();
    for (name, _) in types.iter() {
        let Some(name) = name.text() else { continue };
        let Some(properties) = properties(file, name) else { continue };
        if ["kind", "apiVersion", "metadata"].iter().all(|key| properties.get(key).is_some()) {
            let kind = name.rsplit('.').next().unwrap_or(name);
            let gvk = Gvk { kind: kind.into(), ..Gvk::default() };
            add_type(&mut config, &gvk, file, name, &mut Vec::new()).map_err(fail)?;
        }
    }
    config.sort();
    Ok(config)
}

fn properties<'n>(types: &'n Node, name: &str) -> Option<&'n Node> {
    let definition = types.get(name)?;
    let schema = definition.get("Schema").or_else(|| definition.get("schema"))?;
    schema.get("properties").filter(|properties| properties.as_map().is_some())
}

fn add_type<'n>(
    config: &mut Config,
    gvk: &Gvk,
    types: &'n Node,
    name: &str,
    path: &mut Vec<&'n str>,
) -> Result<(), String> {
    // A type that contains itself would never end in the original.
    if path.len() > 64 {
        return Err(format!("definitions nested deeper than 64 below `{name}`"));
    }
    let Some(properties) = properties(types, name).and_then(Node::as_map) else { return Ok(()) };
    for (key, property) in properties.iter() {
        let Some(key) = key.text() else { continue };
        path.push(key);
        let extension = |name: &str| property.get(name).and_then(Node::as_str);
        let spec = |more: &str| {
            let whole = if more.is_empty() { path.join("/") } else { format!("{}/{more}", path.join("/")) };
            FieldSpec::new(gvk.clone(), &whole, false)
        };
        if extension(X_ANNOTATION).is_some() {
            merge_specs(&mut config.common_annotations, &[spec("")])?;
        }
        if extension(X_LABEL_SELECTOR).is_some() {
            merge_specs(&mut config.common_labels, &[spec("")])?;
        }
        if extension(X_IDENTITY).is_some() {
            merge_specs(&mut config.name_prefix, &[spec("")])?;
        }
        if let (Some(version), Some(kind)) = (extension(X_REF_VERSION), extension(X_REF_KIND)) {
            let target = Gvk { version: version.into(), kind: kind.into(), ..Gvk::default() };
            let field = spec(extension(X_REF_NAME_KEY).unwrap_or("name"));
            config.refer(Referral { target, fields: vec![field] })?;
        }
        if let Some(reference) = property.get("$ref").and_then(Node::as_str) {
            add_type(config, gvk, types, reference, path)?;
        }
        path.pop();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
