//! Overlays: the files that lie in the folders of two environments under the same names, and the fields of their kustomizations beside images
//! and charts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::chain::{NAMES, kustomization};
use super::survey::{Survey, Unit};
use super::{Decided, Form, Kind, Place, Setting, Value};
use crate::path::{FilePath, TreePath};
use crate::resolve::Renderer;
use crate::span::Span;
use crate::yaml::Node;
use crate::yaml::edit::Address;

/// Fields that say nothing of what is deployed, or that are settings of their own.
const OTHER_FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "images", "helmCharts"];

/// How many files of a folder are looked at.
const MOST: usize = 2_000;

/// The overlays of two applications: those of the one that changes come from, and those of the other one.
pub(super) fn settings(
    survey: &Survey<'_>,
    from: &Unit,
    to: &Unit,
    of_to: &BTreeSet<usize>,
) -> (Vec<Setting>, Vec<Setting>) {
    let mut found = (Vec::new(), Vec::new());
    let folder = |unit: &Unit| -> Vec<(FilePath, bool)> {
        let folders = unit.jobs.iter().filter(|job| job.directory.tree == survey.tree).filter_map(|job| {
            let deep = match &job.renderer {
                Renderer::Kustomize { .. } => true,
                Renderer::Directory { options, .. } => {
                    options.as_ref().and_then(|options| options.get("recurse")).and_then(Node::as_bool) == Some(true)
                }
                Renderer::Helm(_) | Renderer::Plugin(_) => return None,
            };
            Some((job.directory.clone(), deep))
        });
        folders.collect()
    };
    for ((a, deep), (b, _)) in folder(from).into_iter().zip(folder(to)) {
        if a == b || a.path.is_within(&b.path) || b.path.is_within(&a.path) {
            continue;
        }
        let readers: Vec<&Unit> = survey.users_of(&b.path, of_to);
        let shared = readers.first().map(|other| format!("{} is read by {}, too", b.path, other.key));
        let sides = [(&a, None, &mut found.0), (&b, shared, &mut found.1)];
        let (mut kept_a, mut kept_b) = (BTreeMap::new(), BTreeMap::new());
        for ((directory, shared, out), kept) in sides.into_iter().zip([&mut kept_a, &mut kept_b]) {
            fields(survey, directory, shared.as_ref(), out);
            files(survey, directory, directory, deep, kept);
        }
        for (name, bytes) in kept_a {
            // What comes is put under the same name in the other folder.
            let place = |directory: &FilePath| directory.path.join(&name).ok();
            let decided = |path: Option<TreePath>| match path {
                Some(file) => Decided::At(Place { file, address: Address::default(), form: Form::File }, Span::NONE),
                None => Decided::Elsewhere("its name leads out of the repository".to_owned()),
            };
            let there = kept_b.remove(&name);
            let target = match readers.first() {
                Some(other) => Decided::Elsewhere(format!("{} is read by {}, too", b.path, other.key)),
                None => decided(place(&b)),
            };
            let value = there.unwrap_or_else(|| Arc::from([]));
            found.0.push(Setting {
                kind: Kind::Overlays,
                name: name.clone(),
                value: Value::File(bytes),
                decided: decided(place(&a)),
            });
            found.1.push(Setting { kind: Kind::Overlays, name, value: Value::File(value), decided: target });
        }
        for (name, bytes) in kept_b {
            let why = "it is there alone".to_owned();
            found.1.push(Setting {
                kind: Kind::Overlays,
                name,
                value: Value::File(bytes),
                decided: Decided::Elsewhere(why),
            });
        }
    }
    found
}

/// The fields of a folder's kustomization.
fn fields(survey: &Survey<'_>, directory: &FilePath, shared: Option<&String>, found: &mut Vec<Setting>) {
    let Some(text) = kustomization(&survey.texts, directory) else { return };
    let Some(root) = text.root().and_then(Node::as_map) else { return };
    for (key, value) in root.iter() {
        let Some(key) = key.text().filter(|key| !OTHER_FIELDS.contains(key)) else { continue };
        let decided = match shared {
            Some(why) => Decided::Elsewhere(why.clone()),
            None => text.decided(Address::of_keys(&[key]), Form::Plain, value.span()),
        };
        found.push(Setting {
            kind: Kind::Overlays,
            name: format!("kustomization {key}"),
            value: Value::Node(value.clone()),
            decided,
        });
    }
}

/// The files of a folder by their path in it, without its kustomization and without folders that have one of their own.
fn files(
    survey: &Survey<'_>,
    root: &FilePath,
    directory: &FilePath,
    deep: bool,
    found: &mut BTreeMap<String, Arc<[u8]>>,
) {
    let world = survey.texts.world;
    let Ok(entries) = world.list(directory) else { return };
    let is_nested = directory != root && entries.iter().any(|entry| NAMES.contains(&entry.name.as_str()));
    if is_nested {
        return;
    }
    for entry in entries.iter() {
        let Ok(path) = directory.join(&entry.name) else { continue };
        if found.len() >= MOST {
            return;
        }
        if entry.kind.is_directory() {
            if deep {
                files(survey, root, &path, deep, found);
            }
        } else if entry.kind == crate::world::EntryKind::File
            && !NAMES.contains(&entry.name.as_str())
            && let Some(name) = path.path.below(&root.path)
            && let Ok(file) = world.read(&path)
        {
            found.insert(name.to_owned(), Arc::clone(&file.bytes));
        }
    }
}

/// The place of a field that a kustomization does not have yet.
pub(super) fn home(survey: &Survey<'_>, directory: &FilePath, field: &str) -> Option<Decided> {
    let text = kustomization(&survey.texts, directory)?;
    text.root()?;
    Some(text.decided(Address::of_keys(&[field]), Form::Plain, Span::NONE))
}
