//! The built-in transformers that write fields: namespace, prefix, suffix, labels, annotations, replicas, images
//! (api/internal/builtins, api/filters). Each goes over all objects of the accumulation in order; which fields it writes is said by the
//! transformer configuration.

use std::collections::BTreeMap;

use regex::Regex;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use super::alias::{self, Shared};
use super::fieldspec::{FieldSpec, Leaf};
use super::file::{Image, Replica};
use super::object::{Key, Object, meta_map, retexted, selects, set_key, str_node};
use super::objects::Objects;
use crate::k8s::object::Gvk;
use crate::span::Span;
use crate::yaml::{Node, Style, Tag, View};

/// What goes wrong in a transformer: at an object or an entry, and why.
pub(super) type Fault = (Span, String);

fn at(object: &Object) -> impl Fn(String) -> Fault {
    let (span, id) = (object.span, object.id().to_string());
    move |why| (span, format!("{id}: {why}"))
}

/// Which subjects of role bindings get the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Subjects {
    /// Those named `default`.
    #[default]
    DefaultOnly,
    /// All service accounts.
    AllServiceAccounts,
    /// None.
    None,
}

/// Sets the namespace of everything that has one.
#[derive(Clone, Debug)]
pub(super) struct Namespace<'a> {
    pub namespace: SmolStr,
    pub fields: &'a [FieldSpec],
    /// Only where none is set.
    pub unset_only: bool,
    pub subjects: Subjects,
}

impl Namespace<'_> {
    /// Runs over all objects.
    ///
    /// # Errors
    /// Two objects get one id, or a field is no scalar.
    pub(super) fn transform(&self, objects: &mut Objects) -> Result<(), Fault> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        let list = objects.list_mut();
        let mut count: FxHashMap<Key, u32> = FxHashMap::default();
        for object in list.iter() {
            *count.entry(object.id().key()).or_default() += 1;
        }
        for object in list.iter_mut() {
            if object.is_empty() || super::helm::is_from_chart(&object.body) {
                continue;
            }
            object.store_previous();
            let before = object.id().key();
            self.set(&mut object.body).map_err(at(object))?;
            object.refresh();
            let after = object.id().key();
            if after != before {
                if let Some(old) = count.get_mut(&before) {
                    *old -= 1;
                }
                *count.entry(after.clone()).or_default() += 1;
            }
            if count.get(&after).copied() != Some(1) {
                return Err((object.span, format!("namespace transformation produces ID conflict: {}", object.id())));
            }
        }
        Ok(())
    }

    fn entry(&self, node: &Node) -> Result<Option<Node>, String> {
        if !node.is_scalar() {
            return Err(format!("namespace field specs must target scalar nodes, found {}", node.what()));
        }
        if self.unset_only && !node.is_null() && node.text().is_some_and(|text| !text.is_empty()) {
            return Ok(None);
        }
        let new = Node::str(self.namespace.clone()).with_style(node.style()).with_span(node.span());
        Ok((*node != new).then_some(new))
    }

    /// Sets the namespace in one object.
    ///
    /// # Errors
    /// A field is no scalar.
    pub(super) fn set(&self, body: &mut Node) -> Result<(), String> {
        let gvk = Gvk::of(body);
        let set = |body: &mut Node, field: &FieldSpec| -> Result<(), String> {
            if let Some(new) = field.rewrite(body, Leaf::Scalar, &mut |node| self.entry(node))? {
                *body = new;
            }
            Ok(())
        };
        if !super::object::is_cluster_scoped(&gvk) {
            set(body, &FieldSpec::new(Gvk::default(), "metadata/namespace", true))?;
        }
        let binding = matches!(gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
        if binding {
            self.set_subjects(body)?;
        }
        let api_version = body.get("apiVersion").and_then(Node::text).unwrap_or_default().to_owned();
        for field in self.fields {
            let handled = field.path == "metadata/namespace"
                || (field.path == "metadata/name" && api_version != "v1")
                || (binding
                    && matches!(field.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding")
                    && field.path == "subjects/namespace");
            if !handled && field.matches(&gvk) {
                set(body, field)?;
            }
        }
        Ok(())
    }

    fn set_subjects(&self, body: &mut Node) -> Result<(), String> {
        let (key, wanted) = match self.subjects {
            Subjects::None => return Ok(()),
            Subjects::DefaultOnly => ("name", "default"),
            Subjects::AllServiceAccounts => ("kind", "ServiceAccount"),
        };
        let Some(subjects) = body.get("subjects").filter(|subjects| !subjects.is_null()) else { return Ok(()) };
        let Some(items) = subjects.as_seq() else {
            return Err(format!("`subjects` is {}, expected a list", subjects.what()));
        };
        let mut changed: Option<Node> = None;
        for (at, item) in items.iter().enumerate() {
            if item.get(key).and_then(Node::text) != Some(wanted) {
                continue;
            }
            let there = item.get("namespace").cloned().unwrap_or_else(|| Node::scalar(Tag::Null, ""));
            let Some(new) = self.entry(&there)? else { continue };
            let items = changed.get_or_insert_with(|| subjects.clone()).seq_mut();
            if let Some(map) = items.and_then(|items| items.get_mut(at)).and_then(Node::map_mut) {
                map.insert("namespace", new);
            }
        }
        if let (Some(changed), Some(map)) = (changed, body.map_mut()) {
            map.insert("subjects", changed);
        }
        Ok(())
    }
}

/// Kinds whose names are not changed by prefixes and suffixes.
const UNNAMED: [(&str, &str); 3] =
    [("", "CustomResourceDefinition"), ("apiregistration.k8s.io", "APIService"), ("", "Namespace")];

/// Whether the text goes before or behind names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Affix {
    Prefix,
    Suffix,
}

/// Adds a prefix or suffix to names.
///
/// # Errors
/// A field is no scalar.
pub(super) fn affix(objects: &mut Objects, affix: Affix, text: &str, fields: &[FieldSpec]) -> Result<(), Fault> {
    for object in objects.list_mut() {
        let original = object.original_id().gvk;
        let skip =
            |(group, kind): &(&str, &str)| (group.is_empty() || original.group == *group) && original.kind == *kind;
        if UNNAMED.iter().any(skip) {
            continue;
        }
        for field in fields.iter().filter(|field| selects(&field.gvk, &original)) {
            if field.path == "metadata/name" && !text.is_empty() {
                match affix {
                    Affix::Prefix => object.prefixes.push(text.into()),
                    Affix::Suffix => object.suffixes.push(text.into()),
                }
                object.store_previous();
                object.untyped_name = true;
            }
            if !field.matches(&object.id().gvk) {
                continue;
            }
            let mut change = |node: &Node| -> Result<Option<Node>, String> {
                if !node.is_scalar() {
                    return Err(format!("expected a scalar, found {}", node.what()));
                }
                let old = node.text().unwrap_or_default();
                Ok(Some(match affix {
                    Affix::Prefix => retexted(node, &format!("{text}{old}")),
                    Affix::Suffix => retexted(node, &format!("{old}{text}")),
                }))
            };
            if let Some(new) = field.rewrite(&object.body, Leaf::Scalar, &mut change).map_err(at(object))? {
                object.body = new;
                object.refresh();
            }
        }
    }
    Ok(())
}

/// Sets entries in all mappings that the specs name: labels and annotations.
///
/// # Errors
/// A field is no mapping.
pub(super) fn set_entries(
    objects: &mut Objects,
    entries: &BTreeMap<SmolStr, SmolStr>,
    fields: &[FieldSpec],
) -> Result<(), Fault> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut by_kind: FxHashMap<Gvk, Vec<&FieldSpec>> = FxHashMap::default();
    for object in objects.bodies_mut() {
        let gvk = &object.id().gvk;
        if !by_kind.contains_key(gvk) {
            by_kind.insert(gvk.clone(), fields.iter().filter(|field| field.matches(gvk)).collect());
        }
        let Some(fields) = by_kind.get(gvk) else { continue };
        let mut change = |node: &Node| -> Result<Option<Node>, String> {
            if node.is_null() {
                return Ok(None);
            }
            let Some(map) = node.as_map() else {
                return Err(format!("expected a mapping, found {}", node.what()));
            };
            let same = |(key, value): (&SmolStr, &SmolStr)| {
                let there = map.get(key).filter(|node| node.style() != Style::Untyped);
                there.and_then(Node::as_str) == Some(value.as_str())
            };
            if entries.iter().all(same) {
                return Ok(None);
            }
            let mut copy = node.clone();
            if let Some(map) = copy.map_mut() {
                for (key, value) in entries {
                    // Other than kyaml's `SetLabels`, this knows no `|`.
                    let new = str_node(value);
                    let new = if value.contains('\n') { new.with_style(Style::Plain) } else { new };
                    let new = match map.get(key) {
                        Some(there) if there.style() == Style::Untyped => new.with_style(Style::Plain),
                        Some(there) => new.with_style(there.style()),
                        None => new,
                    };
                    set_key(map, key, new);
                }
            }
            Ok(Some(copy))
        };
        let mut body: Option<Node> = None;
        for field in fields {
            let new = field.rewrite(body.as_ref().unwrap_or(&object.body), Leaf::Mapping, &mut change);
            if let Some(new) = new.map_err(|why| (object.span, format!("{}: {why}", object.id())))? {
                body = Some(new);
            }
        }
        let Some(body) = body else { continue };
        let before = std::mem::replace(&mut object.body, body);
        // What is written over goes to all places that share it, then new places come to share.
        object.settle_shared();
        for (key, value) in entries {
            let mut shared = Shared::new(str_node(value));
            for field in fields {
                alias::note_added(&mut shared, Some(&before), &object.body, field.segments(), key);
            }
            shared.keep(&mut object.shared);
        }
    }
    Ok(())
}

/// Sets a number of replicas.
///
/// # Errors
/// No object fits.
pub(super) fn replicas(objects: &mut Objects, replica: &Replica, fields: &[FieldSpec]) -> Result<(), Fault> {
    let mut found = false;
    let number = |node: &Node| -> Result<Option<Node>, String> {
        if !node.is_scalar() {
            return Err(format!("expected a number, found {}", node.what()));
        }
        let new = Node::int(replica.count).with_span(node.span());
        // Over a quoted value it stays in quotes, and so is a text.
        Ok(Some(if node.is_null() { new } else { super::merge::restyled(new, node.style()) }))
    };
    for field in fields {
        for object in objects.bodies_mut() {
            if object.is_empty() || !object.all_ids().any(|id| id.name == replica.name && selects(&field.gvk, &id.gvk))
            {
                continue;
            }
            found = true;
            if !field.matches(&object.id().gvk) {
                continue;
            }
            let mut change = number;
            if let Some(new) = field.rewrite(&object.body, Leaf::Scalar, &mut change).map_err(at(object))? {
                object.body = new;
                object.edits.push(replica.span);
            }
        }
    }
    if found {
        return Ok(());
    }
    let kinds: Vec<&str> = fields.iter().map(|field| field.gvk.kind.as_str()).collect();
    let text = format!("no resource named `{}` is of a kind with replicas ({})", replica.name, kinds.join(", "));
    Err((replica.span, text))
}

/// Sets names, tags and digests of images.
///
/// # Errors
/// A field is no scalar.
pub(super) fn image(objects: &mut Objects, image: &Image, fields: &[FieldSpec]) -> Result<(), Fault> {
    let pattern = Pattern::new(&image.name);
    for object in objects.bodies_mut() {
        if object.id().gvk.kind == "CustomResourceDefinition" {
            continue;
        }
        let mut body: Option<Node> = walk_containers(&object.body, image, &pattern).map_err(at(object))?;
        for field in fields.iter().filter(|field| field.matches(&object.id().gvk)) {
            let mut change = |node: &Node| set_image(node, image, &pattern);
            let here = body.as_ref().unwrap_or(&object.body);
            if let Some(new) = field.rewrite(here, Leaf::Never, &mut change).map_err(at(object))? {
                body = Some(new);
            }
        }
        if let Some(body) = body {
            object.body = body;
            object.edits.push(image.span);
        }
    }
    Ok(())
}

/// Images in lists called `containers` or `initContainers` at any depth of any object.
fn walk_containers(node: &Node, image: &Image, pattern: &Pattern) -> Result<Option<Node>, String> {
    let mut changed: Option<Node> = None;
    match node.view() {
        View::Scalar(..) => {}
        View::Seq(items) => {
            for (at, item) in items.iter().enumerate() {
                if let Some(new) = walk_containers(item, image, pattern)?
                    && let Some(slot) =
                        changed.get_or_insert_with(|| node.clone()).seq_mut().and_then(|i| i.get_mut(at))
                {
                    *slot = new;
                }
            }
        }
        View::Map(map) => {
            for (at, (key, value)) in map.iter().enumerate() {
                let mut new = walk_containers(value, image, pattern)?;
                if matches!(key.text(), Some("containers" | "initContainers"))
                    && let Some(list) = set_images(new.as_ref().unwrap_or(value), image, pattern)?
                {
                    new = Some(list);
                }
                if let Some(new) = new
                    && let Some(slot) = changed
                        .get_or_insert_with(|| node.clone())
                        .map_mut()
                        .and_then(|map| map.entries_mut().get_mut(at))
                {
                    slot.1 = new;
                }
            }
        }
    }
    Ok(changed)
}

fn set_images(list: &Node, image: &Image, pattern: &Pattern) -> Result<Option<Node>, String> {
    let mut changed: Option<Node> = None;
    for (at, item) in list.as_seq().unwrap_or_default().iter().enumerate() {
        if !item.is_null() && item.as_map().is_none() {
            return Err(format!("expected a container, found {}", item.what()));
        }
        let Some(there) = item.get("image") else { continue };
        if let Some(new) = set_image(there, image, pattern)?
            && let Some(map) = changed
                .get_or_insert_with(|| list.clone())
                .seq_mut()
                .and_then(|items| items.get_mut(at))
                .and_then(Node::map_mut)
        {
            map.insert("image", new);
        }
    }
    Ok(changed)
}

fn set_image(node: &Node, image: &Image, pattern: &Pattern) -> Result<Option<Node>, String> {
    let Some(text) = node.text() else { return Err(format!("an image is {}, expected a text", node.what())) };
    if !pattern.matches(text) {
        return Ok(None);
    }
    let (name, tag, digest) = split_image(text);
    let name = if image.new_name.is_empty() { name } else { &image.new_name };
    let suffixed = format!("{tag}{}", image.tag_suffix);
    let (tag, digest) = match (image.new_tag.as_str(), image.digest.as_str(), image.tag_suffix.as_str()) {
        ("", "", "") => (tag, digest),
        ("", "", _) => (suffixed.as_str(), ""),
        (tag, digest, _) => (tag, digest),
    };
    let mut new = name.to_owned();
    for (mark, part) in [(':', tag), ('@', digest)] {
        if !part.is_empty() {
            new.push(mark);
            new.push_str(part);
        }
    }
    Ok((new != text).then(|| retexted(node, &new)))
}

/// Name, tag and digest of an image reference (api/internal/image). A port before the first slash is no tag.
pub fn split_image(image: &str) -> (&str, &str, &str) {
    let start = image.find('/').unwrap_or(0);
    let from = |mark| image.get(start..).and_then(|rest| rest.find(mark)).map(|at| at + start);
    let part = |range: std::ops::Range<usize>| image.get(range).unwrap_or_default();
    match (from('@'), from(':')) {
        (None, None) => (image, "", ""),
        (Some(digest), tag) if tag.is_none_or(|tag| digest < tag) => {
            (part(0..digest), "", part(digest + 1..image.len()))
        }
        (Some(digest), Some(tag)) => (part(0..tag), part(tag + 1..digest), part(digest + 1..image.len())),
        (_, Some(tag)) => (part(0..tag), part(tag + 1..image.len()), ""),
        (Some(digest), None) => (part(0..digest), "", part(digest + 1..image.len())),
    }
}

/// The name of an image as kustomize looks for it: pasted unescaped into a regular expression.
struct Pattern {
    /// For names that mean themselves but for dots.
    plain: Option<String>,
    regex: Option<Regex>,
}

impl Pattern {
    fn new(name: &str) -> Self {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b':' | b'@'));
        if plain {
            return Pattern { plain: Some(name.to_owned()), regex: None };
        }
        let text = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{{}}-]*)?$");
        // A name that is no regular expression matches nothing.
        Pattern { plain: None, regex: Regex::new(&text).ok() }
    }

    fn matches(&self, image: &str) -> bool {
        let Some(plain) = &self.plain else { return self.regex.as_ref().is_some_and(|regex| regex.is_match(image)) };
        let Some(rest) = image.strip_prefix(plain.as_str()) else { return false };
        let tag_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'{' | b'}' | b'-');
        let after = |rest: &str| rest.bytes().position(|b| !tag_byte(b)).unwrap_or(rest.len());
        let rest = match rest.strip_prefix(':') {
            Some(tag) => tag.get(after(tag)..).unwrap_or_default(),
            None => rest,
        };
        if rest.is_empty() {
            return true;
        }
        let Some((algorithm, value)) = rest.strip_prefix('@').and_then(|rest| rest.split_once(':')) else {
            return false;
        };
        let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric());
        algorithm.split(['.', '+', '_', '-']).all(word) && value.bytes().all(tag_byte)
    }
}

/// What `build --enable-managedby-label` and `buildMetadata: [managedByLabel]` add.
pub(super) fn managed_by(objects: &mut Objects) -> Result<(), Fault> {
    let entries = BTreeMap::from([("app.kubernetes.io/managed-by".into(), "kustomize-v5.8.2".into())]);
    set_entries(objects, &entries, &[FieldSpec::new(Gvk::default(), "metadata/labels", true)])
}

/// Whether an object stays out of the output: `config.kubernetes.io/local-config`, unless it is `false`.
pub(super) fn is_local(body: &Node) -> bool {
    meta_map(body, "annotations")
        .iter()
        .any(|(key, value)| key == "config.kubernetes.io/local-config" && value != "false")
}
