//! Argo CD's `spec.source.kustomize`: edits of the kustomization in place, as its `kustomize edit` commands make them, not an overlay
//! (argo-cd util/kustomize/kustomize.go): a prefix replaces the one that is there, an image overrides its entry, a label that is there
//! is an error unless forced, patches and components come behind the others.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::decode::Reader;
use super::file::{self, Image, Kustomization, Label, Replica};
use crate::diag::{Diagnostic, Diagnostics};
use crate::span::Spanned;
use crate::yaml::Node;

/// The kustomization after the edits. Words in images and labels that stand for the build environment have been put in by the caller.
///
/// # Errors
/// An edit cannot be read, or a label is there already.
pub(super) fn apply(kustomization: &Kustomization, edits: &Node) -> Result<Kustomization, Diagnostics> {
    let mut k = kustomization.clone();
    let mut r = Reader::default();
    let mut f = r.fields(edits, "kustomize");
    for (name, slot) in [("namePrefix", &mut k.name_prefix), ("nameSuffix", &mut k.name_suffix)] {
        let text = r.spanned(f.take(name), name);
        if !text.value.is_empty() {
            *slot = text;
        }
    }
    for item in r.list(f.take("images"), "images") {
        let text = r.spanned(Some(item), "images");
        let image = parse_image(&text);
        match k.images.iter_mut().find(|there| there.name == image.name) {
            Some(there) => override_image(there, image),
            None => k.images.push(image),
        }
    }
    // `edit set image` writes them sorted.
    k.images.sort_by(|a, b| a.name.cmp(&b.name));
    for item in r.list(f.take("replicas"), "replicas") {
        let replica = read_replica(&mut r, item);
        match k.replicas.iter_mut().find(|there| there.name == replica.name) {
            Some(there) => *there = replica,
            None => k.replicas.push(replica),
        }
    }
    let force = r.flag(f.take("forceCommonLabels"), "forceCommonLabels");
    let without_selector = r.flag(f.take("labelWithoutSelector"), "labelWithoutSelector");
    let include_templates = r.flag(f.take("labelIncludeTemplates"), "labelIncludeTemplates");
    let labels_node = f.take("commonLabels");
    let labels = r.map(labels_node, "commonLabels");
    if let Some(node) = labels_node.filter(|_| !labels.is_empty()) {
        if without_selector {
            add_label_entry(&mut k, labels, include_templates, force, node, &mut r.problems);
        } else {
            k.common_labels_span = node.span();
            add_entries(&mut k.common_labels, labels, force, node, "label", &mut r.problems);
        }
    }
    let force = r.flag(f.take("forceCommonAnnotations"), "forceCommonAnnotations");
    let annotations_node = f.take("commonAnnotations");
    let annotations = r.map(annotations_node, "commonAnnotations");
    if let Some(node) = annotations_node {
        k.common_annotations_span = node.span();
        add_entries(&mut k.common_annotations, annotations, force, node, "annotation", &mut r.problems);
    }
    let namespace = r.spanned(f.take("namespace"), "namespace");
    if !namespace.value.is_empty() {
        k.namespace = namespace;
    }
    let patches = r.list(f.take("patches"), "patches");
    k.patches.extend(patches.iter().map(|item| file::read_patch(&mut r, item)));
    k.components.extend(r.texts(f.take("components"), "components"));
    if r.problems.has_errors() { Err(r.problems) } else { Ok(k) }
}

/// `[old=]name[:tag][@digest]`, as `kustomize edit set image` reads it.
fn parse_image(text: &Spanned<SmolStr>) -> Image {
    let (old, new) = match text.value.split_once('=') {
        Some((old, new)) => (old, new),
        None => ("", text.value.as_str()),
    };
    let (name, digest) = new.split_once('@').unwrap_or((new, ""));
    let start = name.rfind('/').map_or(0, |at| at + 1);
    let tag_at = name.get(start..).and_then(|rest| rest.find(':')).map(|at| at + start).filter(|_| digest.is_empty());
    let (name, tag) = match tag_at {
        Some(at) => (name.get(..at).unwrap_or(name), name.get(at + 1..).unwrap_or_default()),
        None => (name, ""),
    };
    let (name, new_name) = if old.is_empty() { (name, "") } else { (old, name) };
    Image {
        name: name.into(),
        new_name: if new_name == name { SmolStr::default() } else { new_name.into() },
        new_tag: tag.into(),
        tag_suffix: SmolStr::default(),
        digest: digest.into(),
        span: text.span,
    }
}

fn override_image(there: &mut Image, image: Image) {
    if !image.new_name.is_empty() {
        there.new_name = image.new_name;
    }
    if !image.new_tag.is_empty() {
        (there.new_tag, there.digest, there.tag_suffix) = (image.new_tag, SmolStr::default(), SmolStr::default());
    } else if !image.digest.is_empty() {
        (there.new_tag, there.digest, there.tag_suffix) = (SmolStr::default(), image.digest, SmolStr::default());
    }
    there.span = image.span;
}

/// A count may be a number or a text with one.
fn read_replica(r: &mut Reader, node: &Node) -> Replica {
    let mut f = r.fields(node, "replicas");
    let name = r.text(f.take("name"), "name");
    let count = match f.take("count") {
        Some(count) => match count.as_str().and_then(|text| text.parse().ok()) {
            Some(count) => count,
            None => r.integer(Some(count), "count"),
        },
        None => 0,
    };
    Replica { name, count, span: node.span() }
}

fn exists(key: &str, what: &str, node: &Node) -> Diagnostic {
    let field = if what == "label" { "forceCommonLabels" } else { "forceCommonAnnotations" };
    let text = format!("the {what} `{key}` is in the kustomization already");
    Diagnostic::error("kustomize/edit", node.get(key).map_or(node.span(), Node::span), text)
        .hint(format!("set `{field}: true` to override it"))
}

fn add_entries(
    there: &mut BTreeMap<SmolStr, SmolStr>,
    new: BTreeMap<SmolStr, SmolStr>,
    force: bool,
    node: &Node,
    what: &str,
    problems: &mut Diagnostics,
) {
    for (key, value) in new {
        if !force && there.contains_key(&key) {
            problems.push(exists(&key, what, node));
            continue;
        }
        there.insert(key, value);
    }
}

fn add_label_entry(
    k: &mut Kustomization,
    labels: BTreeMap<SmolStr, SmolStr>,
    include_templates: bool,
    force: bool,
    node: &Node,
    problems: &mut Diagnostics,
) {
    let fits = |label: &Label| {
        !label.include_selectors && label.include_templates == include_templates && label.fields.is_empty()
    };
    if let Some(label) = k.labels.iter_mut().find(|label| fits(label)) {
        add_entries(&mut label.pairs, labels, force, node, "label", problems);
        return;
    }
    k.labels.push(Label {
        pairs: labels,
        include_selectors: false,
        include_templates,
        include_volume_claim_templates: false,
        fields: Vec::new(),
        span: node.span(),
    });
}
