//! Helm values of a chart, key by key, and the file, the Application or the parameter that decides each: the last one that sets it. The chart's
//! own defaults are none of an environment's.

use super::chase::{self, Found};
use super::texts::Texts;
use super::{Decided, Form, Kind, Setting, Value};
use crate::expand::AppOrigin;
use crate::path::FilePath;
use crate::resolve::{HelmFilePlace, HelmOptions, Job};
use crate::span::Span;
use crate::world::World;
use crate::yaml::edit::Address;
use crate::yaml::{Node, View};

/// The last words of keys that hold a version of an image.
const IMAGE_KEYS: [&str; 6] = ["tag", "digest", "imagetag", "image_tag", "imagedigest", "image"];

/// A key of the values and where it is set.
struct Leaf {
    path: Vec<String>,
    value: Node,
    decided: Decided,
}

/// The values files of a chart that are there, in their order.
pub(super) fn files(world: &dyn World, options: &HelmOptions) -> Vec<FilePath> {
    let trees = options.value_files.iter().filter_map(|file| match &file.place {
        HelmFilePlace::Tree(path) => Some(path.clone()),
        HelmFilePlace::Url(_) => None,
    });
    trees.filter(|path| world.stat(path).is_some_and(|kind| kind.is_file())).collect()
}

/// The values of a chart of an application.
pub(super) fn settings(
    texts: &Texts<'_>,
    origin: &AppOrigin,
    options: &HelmOptions,
    written: Option<&Node>,
    found: &mut Vec<Setting>,
) {
    let mut leaves: Vec<Leaf> = Vec::new();
    for path in files(texts.world, options) {
        let Some(text) = texts.at(&path) else { continue };
        // Helm reads the first document.
        let Some(document) = text.documents.first() else { continue };
        walk(&document.root, &mut Vec::new(), &mut |path, node| {
            let address = path.iter().fold(Address::default(), |address, key| address.key(key));
            set(&mut leaves, path, node.clone(), text.decided(address, Form::Plain, node.span()));
        });
    }
    if let Some(values) = &options.values {
        walk(values, &mut Vec::new(), &mut |path, node| {
            let decided = literal(texts, origin, node);
            for Found { value, decided, .. } in decided.into_iter().take(1) {
                set(&mut leaves, path, value, decided);
            }
        });
    }
    let helm = written.and_then(|written| written.get("helm"));
    for parameter in helm.and_then(|helm| helm.get("parameters")).and_then(Node::as_seq).unwrap_or_default() {
        let (Some(name), Some(value)) = (parameter.get("name").and_then(Node::text), parameter.get("value")) else {
            continue;
        };
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        for found in chase::scalar(texts, origin, value).into_iter().take(1) {
            set(&mut leaves, &path, found.value, found.decided);
        }
    }
    for Leaf { path, value, decided } in leaves {
        let last = path.last().map(|key| key.to_lowercase()).unwrap_or_default();
        let is_image = value.is_scalar() && IMAGE_KEYS.contains(&last.as_str()) && (last != "image" || has_tag(&value));
        let kind = if is_image { Kind::Images } else { Kind::Values };
        found.push(Setting { kind, name: path.join("."), value: Value::Node(value), decided });
    }
}

fn has_tag(value: &Node) -> bool {
    let (_, version) = super::images::split(value.text().unwrap_or_default());
    !version.tag.is_empty() || !version.digest.is_empty()
}

/// What decides a value of `valuesObject`, or of `values` as a text.
fn literal(texts: &Texts<'_>, origin: &AppOrigin, node: &Node) -> Vec<Found> {
    if node.is_scalar() {
        return chase::scalar(texts, origin, node);
    }
    let same = |there: &Node| there == node;
    let decided = texts.place(node.span(), Form::Plain, &same);
    let made = || Decided::Elsewhere("a template makes it".to_owned());
    vec![Found { parameter: None, value: node.clone(), decided: decided.unwrap_or_else(made) }]
}

/// Offers what Helm merges key by key down to what it takes as a whole: scalars and lists.
fn walk(node: &Node, path: &mut Vec<String>, offer: &mut dyn FnMut(&[String], &Node)) {
    match node.view() {
        View::Map(map) if !map.is_empty() => {
            for (key, value) in map.iter() {
                path.push(key.text().unwrap_or_default().to_owned());
                walk(value, path, offer);
                path.pop();
            }
        }
        _ if path.is_empty() => {}
        _ => offer(path, node),
    }
}

/// Sets a key over what was set before, what lies below it included.
fn set(leaves: &mut Vec<Leaf>, path: &[String], value: Node, decided: Decided) {
    leaves.retain(|leaf| !leaf.path.starts_with(path) && !path.starts_with(&leaf.path));
    leaves.push(Leaf { path: path.to_vec(), value, decided });
}

/// The place of a key that no file of an application sets: the last of its values files of the fleet's own tree.
pub(super) fn home(texts: &Texts<'_>, job: &Job, theirs: &Setting) -> Option<Decided> {
    let crate::resolve::Renderer::Helm(options) = &job.renderer else { return None };
    let file = files(texts.world, options).pop()?;
    let text = texts.at(&file)?;
    let by_name = || theirs.name.split('.').fold(Address::default(), Address::key);
    // Keys may have dots in them.
    let address = match &theirs.decided {
        Decided::At(place, _) if place.address.to_string() == format!(".{}", theirs.name) => place.address.clone(),
        _ => by_name(),
    };
    Some(text.decided(address, Form::Plain, Span::NONE))
}
