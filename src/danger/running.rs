//! Changes of workloads by which less runs, or without what watched over it: probes, limits, accounts, data.

use std::collections::BTreeSet;

use crate::k8s::ignore::quantity::Quantity;
use crate::yaml::Node;

use super::look::{Pod, Said, each, quoted, text};
use super::pods::Image;
use super::{Fate, Scene};

/// The pods of an object before and after.
fn pods<'a>(scene: &Scene<'a>) -> Option<(Pod<'a>, Pod<'a>)> {
    let (Fate::Changed(before, after) | Fate::Remade(before, after)) = scene.fate else { return None };
    Some((Pod::of(before)?, Pod::of(after)?))
}

/// Containers of one name before and after, with the path of the later.
fn containers<'a>(scene: &Scene<'a>) -> Vec<(String, &'a Node, &'a Node)> {
    let Some((before, after)) = pods(scene) else { return Vec::new() };
    let old = before.containers();
    let same = |new: &Node| old.iter().find(|(_, old)| text(old, &["name"]) == text(new, &["name"]));
    after.containers().into_iter().filter_map(|(path, new)| Some((path, same(new)?.1, new))).collect()
}

const PROBES: [(&str, &str); 2] = [
    ("readinessProbe", "gets requests before it can answer them"),
    ("livenessProbe", "is no longer started anew when it hangs"),
];

/// Probes that containers had.
pub(super) fn probes_go(scene: &Scene<'_>) -> Vec<Said> {
    let mut said = Vec::new();
    for (path, old, new) in containers(scene) {
        for (probe, what) in PROBES {
            if old.get(probe).is_some() && new.get(probe).is_none() {
                let message = format!("container `{}` loses its {probe}, and {what}", text(new, &["name"]));
                said.push(Said::at(path.clone(), Some(new), message));
            }
        }
    }
    said
}

/// Limits of memory that containers had.
pub(super) fn limits_go(scene: &Scene<'_>) -> Vec<Said> {
    let limit = ["resources", "limits", "memory"];
    let all = containers(scene).into_iter();
    let gone = all.filter(|(_, old, new)| old.at(&limit).is_some() && new.at(&limit).is_none());
    gone.map(|(path, _, new)| {
        let message = format!("container `{}` may take all memory of its node", text(new, &["name"]));
        Said::at(format!("{path}.resources"), new.get("resources").or(Some(new)), message)
    })
    .collect()
}

/// Pods that act as somebody else.
pub(super) fn account_changes(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = pods(scene) else { return Vec::new() };
    fn account<'n>(pod: &Pod<'n>) -> &'n str {
        let known = ["serviceAccountName", "serviceAccount"].into_iter().map(|key| text(pod.spec, &[key]));
        known.into_iter().find(|name| !name.is_empty()).unwrap_or("default")
    }
    let (old, new) = (account(&before), account(&after));
    if old == new {
        return Vec::new();
    }
    let message = format!("its pods act as the ServiceAccount `{new}`, no longer as `{old}`");
    vec![Said::at(after.field("serviceAccountName"), after.spec.get("serviceAccountName"), message)]
}

/// Claims that pods no longer mount.
pub(super) fn claims_go(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = pods(scene) else { return Vec::new() };
    fn claims<'n>(pod: &Pod<'n>) -> BTreeSet<&'n str> {
        let found = each(pod.spec, "volumes.*.persistentVolumeClaim.claimName");
        found.into_iter().filter_map(|(_, node)| node.text()).collect()
    }
    let (old, new) = (claims(&before), claims(&after));
    let gone: Vec<&str> = old.difference(&new).copied().collect();
    if gone.is_empty() {
        return Vec::new();
    }
    let message = format!("its pods start without what lies in {}", quoted(gone));
    vec![Said::at(after.field("volumes"), after.spec.get("volumes"), message)]
}

/// Claims that ask for less than before: a server refuses that.
pub(super) fn shrinks(scene: &Scene<'_>) -> Vec<Said> {
    let Fate::Changed(before, after) = scene.fate else { return Vec::new() };
    let path = ["spec", "resources", "requests", "storage"];
    let (old, new) = (text(before, &path), text(after, &path));
    match (Quantity::parse(old), Quantity::parse(new)) {
        (Some(was), Some(is)) if is < was => {
            let message = format!("a server refuses to make it smaller: it has {old}, and asks for {new}");
            vec![Said::at(path.join("."), after.at(&path), message)]
        }
        _ => Vec::new(),
    }
}

/// Images of containers of one name.
fn images<'a>(scene: &Scene<'a>) -> Vec<(String, &'a Node, Image<'a>, Image<'a>)> {
    let of = |node: &'a Node| Image::of(text(node, &["image"]));
    let all = containers(scene).into_iter();
    all.filter_map(|(path, old, new)| Some((format!("{path}.image"), new, of(old)?, of(new)?))).collect()
}

/// The same tag, but other bytes.
pub(super) fn tag_moves(scene: &Scene<'_>) -> Vec<Said> {
    let moved = images(scene).into_iter().filter(|(_, _, old, new)| {
        let both = !old.digest.is_empty() && !new.digest.is_empty() && !new.tag.is_empty();
        both && old.name == new.name && old.tag == new.tag && old.digest != new.digest
    });
    moved
        .map(|(path, container, _, new)| {
            let name = text(container, &["name"]);
            let message = format!("container `{name}` runs other bytes under the same tag `{}:{}`", new.name, new.tag);
            Said::at(path, container.get("image"), message)
        })
        .collect()
}

/// An image that was bound to its bytes is not any more.
pub(super) fn digest_goes(scene: &Scene<'_>) -> Vec<Said> {
    let gone = images(scene).into_iter().filter(|(_, _, old, new)| !old.digest.is_empty() && new.digest.is_empty());
    gone.map(|(path, container, _, new)| {
        let (name, image) = (text(container, &["name"]), new.name);
        let message =
            format!("container `{name}` takes whatever lies under the tag of `{image}`, no longer one digest");
        Said::at(path, container.get("image"), message)
    })
    .collect()
}

/// Images from somewhere else.
pub(super) fn registry_changes(scene: &Scene<'_>) -> Vec<Said> {
    let moved = images(scene).into_iter().filter(|(_, _, old, new)| old.registry() != new.registry());
    moved
        .map(|(path, container, old, new)| {
            let name = text(container, &["name"]);
            let message = format!(
                "the image of container `{name}` comes from `{}`, no longer from `{}`",
                new.registry(),
                old.registry()
            );
            Said::at(path, container.get("image"), message)
        })
        .collect()
}
