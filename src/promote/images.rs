//! Images of rendered objects, and what decides the tag of each: the outermost entry of `images` in a kustomization that is about it, the
//! `kustomize.images` of the Application, else the manifest or the patch itself.

use super::texts::Texts;
use super::{Decided, Form, Kind, Setting, Value, Version};
use crate::render::Resource;
use crate::render::kustomize::split_image;
use crate::span::Span;
use crate::yaml::{Node, View};

/// The name of an image reference, and its tag and digest.
pub(super) fn split(image: &str) -> (&str, Version) {
    let (name, tag, digest) = split_image(image);
    (name, Version { tag: tag.to_owned(), digest: digest.to_owned() })
}

/// A reference with other parts.
pub(super) fn join(name: &str, version: &Version) -> String {
    let mut out = name.to_owned();
    for (mark, part) in [(':', &version.tag), ('@', &version.digest)] {
        if !part.is_empty() {
            out.push(mark);
            out.push_str(part);
        }
    }
    out
}

/// The images of an object.
pub(super) fn settings(texts: &Texts<'_>, resource: &Resource, found: &mut Vec<Setting>) {
    let mut images = Vec::new();
    collect(&resource.body, &mut images);
    for image in images {
        let Some((name, version)) = image.text().filter(|text| !text.is_empty()).map(split) else { continue };
        let (name, decided) = decided(texts, resource, image, name, &version);
        let setting = Setting { kind: Kind::Images, name, value: Value::Image(version), decided };
        match found.iter_mut().find(|other| other.kind == Kind::Images && other.name == setting.name) {
            None => found.push(setting),
            Some(other) if other.decided == setting.decided && other.value == setting.value => {}
            // The same image at another place: only then its object says which.
            Some(_) => {
                let name = format!("{} of {}", setting.name, crate::k8s::object::ObjectId::of(&resource.body).name);
                if !found.iter().any(|other| other.kind == Kind::Images && other.name == name) {
                    found.push(Setting { name, ..setting });
                }
            }
        }
    }
}

/// Images of containers at any depth, as kustomize finds them.
fn collect<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
    match node.view() {
        View::Scalar(..) => {}
        View::Seq(items) => items.iter().for_each(|item| collect(item, found)),
        View::Map(map) => {
            for (key, value) in map.iter() {
                if matches!(key.text(), Some("containers" | "initContainers" | "ephemeralContainers")) {
                    let images = value.as_seq().unwrap_or_default().iter().filter_map(|item| item.get("image"));
                    found.extend(images.filter(|image| image.is_scalar()));
                }
                collect(value, found);
            }
        }
    }
}

/// The name under which an image is known (an entry of `images` may give it another), and what decides its tag.
fn decided(texts: &Texts<'_>, resource: &Resource, image: &Node, name: &str, version: &Version) -> (String, Decided) {
    for edit in resource.origin.edits.iter().rev() {
        let Some((file, address)) = texts.written(*edit) else { continue };
        let Some(entry) = address.get(&file.documents) else { continue };
        if let Some(map) = entry.as_map() {
            let text = |key: &str| map.get(key).and_then(Node::text).unwrap_or_default();
            let (old, new) = (text("name"), text("newName"));
            let about = if new.is_empty() { old == name } else { new == name };
            if !about || old.is_empty() {
                continue;
            }
            if map.contains("tagSuffix") {
                return (old.to_owned(), Decided::Elsewhere("a `tagSuffix` makes it".to_owned()));
            }
            let set = [("newTag", &version.tag), ("digest", &version.digest)];
            if set.iter().any(|(key, part)| map.contains(key) && text(key) == part.as_str()) {
                return (old.to_owned(), file.decided(address, Form::Entry, entry.span()));
            }
        } else if let Some(text) = entry.as_str() {
            // `name=new:tag` of an Application.
            let (old, new) = text.split_once('=').unwrap_or((text, text));
            let (new, tag) = split(new);
            let old = split(old).0;
            if new == name && tag == *version {
                return (old.to_owned(), file.decided(address, Form::Reference, entry.span()));
            }
        }
    }
    let same = |node: &Node| node.text() == image.text();
    let decided = texts.place(image.span(), Form::Reference, &same);
    let made = || Decided::Elsewhere("it is computed: a template or a transformer makes it".to_owned());
    (name.to_owned(), decided.unwrap_or_else(made))
}

/// The place of an image that a kustomization says nothing of yet.
pub(super) fn home(texts: &Texts<'_>, directory: &crate::path::FilePath) -> Option<Decided> {
    let text = super::chain::kustomization(texts, directory)?;
    let root = text.root()?;
    let count = match root.get("images") {
        None => 0,
        Some(images) => images.as_seq()?.len(),
    };
    let address = crate::yaml::edit::Address::of_keys(&["images"]).item(count);
    Some(text.decided(address, Form::Entry, Span::NONE))
}
