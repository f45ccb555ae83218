//! Argo CD's `spec.source.kustomize`: edits of the kustomization in place, as its `kustomize edit` commands make them, not an overlay
//! (argo-cd util/kustomize/kustomize.go): a prefix replaces the one that is there, an image replaces its entry, a label that is there
//! is an error unless forced, patches and components come behind the others.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::decode::Reader;
use super::file::{self, Image, Kustomization, Label, Patch, Replica};
use super::load::Loader;
use super::remote;
use super::transform::split_image;
use crate::diag::{Diagnostic, Diagnostics};
use crate::path::FilePath;
use crate::span::{Span, Spanned};
use crate::yaml::Node;

/// The kustomization after the edits. Words in images and labels that stand for the build environment have been put in by the caller.
/// `directory` is the kustomization's, from which components are looked for.
///
/// # Errors
/// An edit cannot be read or is one that `kustomize edit` refuses, a label is there already, or a component is nowhere.
pub(super) fn apply(
    kustomization: &Kustomization,
    edits: &Node,
    loader: &Loader<'_>,
    directory: &FilePath,
) -> Result<Kustomization, Diagnostics> {
    let mut k = kustomization.clone();
    let mut r = Reader::default();
    let mut f = r.fields(edits, "kustomize");
    for (name, slot) in [("namePrefix", &mut k.name_prefix), ("nameSuffix", &mut k.name_suffix)] {
        let text = r.spanned(f.take(name), name);
        if !text.value.is_empty() {
            *slot = text;
            k.empty = false;
        }
    }
    let images = r.list(f.take("images"), "images");
    if !images.is_empty() {
        set_images(&mut k, images, &mut r);
    }
    let replicas = r.list(f.take("replicas"), "replicas");
    if !replicas.is_empty() {
        set_replicas(&mut k, replicas, &mut r);
    }
    let force = r.flag(f.take("forceCommonLabels"), "forceCommonLabels");
    let without_selector = r.flag(f.take("labelWithoutSelector"), "labelWithoutSelector");
    let templates_node = f.take("labelIncludeTemplates");
    let include_templates = r.flag(templates_node, "labelIncludeTemplates");
    if let Some(node) = f.take("commonLabels") {
        let labels = pairs(&mut r, node, "commonLabels");
        if include_templates && !without_selector && !labels.is_empty() {
            let place = templates_node.map_or(node.span(), Node::span);
            let text = "`labelIncludeTemplates` needs `labelWithoutSelector`";
            r.problems.push(Diagnostic::error("kustomize/edit", place, text).hint("set `labelWithoutSelector: true`"));
        }
        k.empty &= labels.is_empty();
        if without_selector && !labels.is_empty() {
            add_label_entry(&mut k, labels, include_templates, force, node, &mut r.problems);
        } else if !labels.is_empty() {
            k.common_labels_span = node.span();
            add_entries(&mut k.common_labels, labels, force, node, "label", &mut r.problems);
        }
    }
    let force = r.flag(f.take("forceCommonAnnotations"), "forceCommonAnnotations");
    if let Some(node) = f.take("commonAnnotations") {
        let annotations = pairs(&mut r, node, "commonAnnotations");
        k.empty &= annotations.is_empty();
        if !annotations.is_empty() {
            k.common_annotations_span = node.span();
        }
        add_entries(&mut k.common_annotations, annotations, force, node, "annotation", &mut r.problems);
    }
    let namespace = r.spanned(f.take("namespace"), "namespace");
    if !namespace.value.is_empty() {
        k.namespace = namespace;
        k.empty = false;
    }
    let patches = r.list(f.take("patches"), "patches");
    if let Some(place) = k.null_patches.filter(|_| !patches.is_empty() && !rewrites(edits)) {
        let text = "`patches` is null, and Argo CD adds patches to a list only";
        r.problems.push(Diagnostic::error("kustomize/edit", place, text).hint("leave out the field, or write `[]`"));
    }
    for item in patches {
        k.patches.push(read_patch(&mut r, item));
        k.empty = false;
    }
    let ignore_missing = r.flag(f.take("ignoreMissingComponents"), "ignoreMissingComponents");
    for component in r.texts(f.take("components"), "components") {
        add_components(&mut k, component, ignore_missing, loader, directory, &mut r.problems);
    }
    if r.problems.has_errors() { Err(r.problems) } else { Ok(k) }
}

/// Whether a command writes the kustomization anew, without its empty fields, before patches are added.
fn rewrites(edits: &Node) -> bool {
    const BEFORE: [&str; 7] =
        ["namePrefix", "nameSuffix", "images", "replicas", "commonLabels", "commonAnnotations", "namespace"];
    BEFORE.iter().filter_map(|name| edits.get(name)).any(|node| {
        node.as_str().is_some_and(|text| !text.is_empty())
            || node.as_seq().is_some_and(|list| !list.is_empty())
            || node.as_map().is_some_and(|map| !map.is_empty())
    })
}

/// An argument of a command, which must not look like one of its options.
fn argument(r: &mut Reader, text: &str, place: Span) {
    if text.starts_with('-') {
        let text = format!("`{text}` starts with a dash, which `kustomize edit` takes for one of its options");
        r.problems.push(Diagnostic::error("kustomize/edit", place, text));
    }
}

/// `edit set image` (kustomize/commands/edit/set/setimage.go): an image takes the place of its entry as a whole, `*` stands for what
/// was there; of several with one name the last of the edits and the first of the file counts; written sorted.
fn set_images(k: &mut Kustomization, images: &[Node], r: &mut Reader) {
    const KEEP: &str = "*";
    let mut by_name = BTreeMap::new();
    for item in images {
        let text = r.spanned(Some(item), "images");
        argument(r, &text.value, text.span);
        match parse_image(&text) {
            Some(image) => {
                by_name.insert(image.name.clone(), image);
            }
            None => {
                let error = format!("the image `{}` has nothing to set", text.value);
                r.problems.push(
                    Diagnostic::error("kustomize/edit", text.span, error)
                        .hint("write `name:tag`, `name@digest`, `name=new-name` or `name=new-name:tag`"),
                );
            }
        }
    }
    for there in std::mem::take(&mut k.images) {
        let Some(image) = by_name.get_mut(&there.name) else {
            by_name.insert(there.name.clone(), there);
            continue;
        };
        let Image { new_name, new_tag, digest, .. } = there;
        let kept = [(&mut image.new_name, new_name), (&mut image.new_tag, new_tag), (&mut image.digest, digest)];
        for (slot, was) in kept.into_iter().filter(|(slot, _)| slot.as_str() == KEEP) {
            *slot = was;
            image.tag_suffix = SmolStr::default();
        }
    }
    k.images = by_name.into_values().collect();
    for image in &mut k.images {
        for slot in [&mut image.new_name, &mut image.new_tag, &mut image.digest] {
            if slot.as_str() == KEEP {
                *slot = SmolStr::default();
                image.tag_suffix = SmolStr::default();
            }
        }
    }
    k.empty = false;
}

/// `[old=]name[:tag][@digest]`; `None` when it is a name only.
fn parse_image(text: &Spanned<SmolStr>) -> Option<Image> {
    let (old, new) = text.value.split_once('=').unwrap_or(("", text.value.as_str()));
    let (name, tag, digest) = split_image(new);
    if name == text.value {
        return None;
    }
    let (name, new_name) = if old.is_empty() { (name, "") } else { (old, name) };
    Some(Image {
        name: name.into(),
        new_name: new_name.into(),
        new_tag: tag.into(),
        tag_suffix: SmolStr::default(),
        digest: digest.into(),
        span: text.span,
    })
}

/// `edit set replicas`: one count a name, of several the last of the edits and of the file; written sorted.
fn set_replicas(k: &mut Kustomization, replicas: &[Node], r: &mut Reader) {
    let mut by_name = BTreeMap::new();
    for item in replicas {
        let replica = read_replica(r, item);
        argument(r, &replica.name, replica.span);
        if replica.name.contains('=') {
            let text = format!("`{}` is no name of an object", replica.name);
            r.problems.push(Diagnostic::error("kustomize/edit", replica.span, text));
        }
        by_name.insert(replica.name.clone(), replica);
    }
    for there in std::mem::take(&mut k.replicas) {
        by_name.entry(there.name.clone()).or_insert(there);
    }
    k.replicas = by_name.into_values().collect();
    k.empty = false;
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

/// Labels or annotations on their way through a command line, as `key:value`: a colon in a key ends it, quotes around a value are lost.
fn pairs(r: &mut Reader, node: &Node, what: &'static str) -> BTreeMap<SmolStr, SmolStr> {
    let mut pairs = BTreeMap::new();
    for (key, value) in r.map(Some(node), what) {
        argument(r, &key, node.get(&key).map_or(node.span(), Node::span));
        let (name, value) = match key.split_once(':') {
            Some((name, rest)) => (SmolStr::new(name), format!("{rest}:{value}").into()),
            None => (key, value),
        };
        if name.is_empty() {
            r.problems.push(Diagnostic::error("kustomize/edit", node.span(), format!("a key of `{what}` is empty")));
        }
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).map(SmolStr::new);
        pairs.insert(name, unquoted.unwrap_or(value));
    }
    pairs
}

/// A patch; its `options` are handed on as they are, so that unknown ones are errors, while other unknown fields are lost on the way.
fn read_patch(r: &mut Reader, node: &Node) -> Patch {
    if let Some(options) = node.get("options").and_then(Node::as_map) {
        for (key, value) in options.iter() {
            let name = key.text().unwrap_or_default();
            if !["allowNameChange", "allowKindChange"].iter().any(|known| known.eq_ignore_ascii_case(name)) {
                let error = format!("unknown field `{name}` in `options`");
                r.problems.push(Diagnostic::error("kustomize/unknown-field", value.span(), error));
            }
        }
    }
    file::read_patch(r, node)
}

/// `edit add component`: patterns stand for what they match (Go's filepath.Glob), what is there already is not added again.
fn add_components(
    k: &mut Kustomization,
    component: Spanned<SmolStr>,
    ignore_missing: bool,
    loader: &Loader<'_>,
    directory: &FilePath,
    problems: &mut Diagnostics,
) {
    if ignore_missing && loader.find(directory, &component).is_err() {
        return;
    }
    let mut found = loader.matching(directory, &component.value);
    if found.is_empty() {
        if remote::parse(&component.value).is_none() {
            let text = format!("no such component: `{}`", component.value);
            let hint = "set `ignoreMissingComponents: true` to leave out those that are missing";
            problems.push(Diagnostic::error("kustomize/edit", component.span, text).hint(hint));
            return;
        }
        found.push(component.value.to_string());
    }
    for path in found {
        if !k.components.iter().any(|there| there.value == path) {
            k.components.push(Spanned::new(path.into(), component.span));
            k.empty = false;
        }
    }
}

/// A label or annotation that may not be set without force.
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
    let fits = |label: &Label| !label.include_selectors && label.include_templates == include_templates;
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
