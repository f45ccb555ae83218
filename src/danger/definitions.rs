//! CustomResourceDefinitions whose change takes something from the objects of their kind: versions, fields, or that they can be written.

use std::collections::BTreeSet;

use crate::yaml::Node;

use super::look::{Said, flag, list, quoted, text};
use super::{Scene, State};

/// A version: name, served, stored.
type Version<'n> = (&'n str, bool, bool);

fn of(object: &Node) -> Vec<Version<'_>> {
    let versions = list(object, &["spec", "versions"]).iter();
    versions.map(|v| (text(v, &["name"]), flag(v, &["served"]), flag(v, &["storage"]))).collect()
}

/// Versions that are no longer there, or no longer served.
pub(super) fn versions_go(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    let new = of(after);
    let stored: Vec<&str> = list(before, &["status", "storedVersions"]).iter().filter_map(Node::text).collect();
    let say = |(name, served, _): Version<'_>| match new.iter().find(|version| version.0 == name) {
        None if stored.contains(&name) => Some(format!(
            "objects may still be stored as `{name}`, which it no longer has: they could not be read any more"
        )),
        None => Some(format!("it no longer has the version `{name}`")),
        Some(version) if served && !version.1 => Some(format!("the version `{name}` is no longer served")),
        Some(_) => None,
    };
    let said = of(before).into_iter().filter_map(say);
    said.map(|message| Said::at("spec.versions", after.at(&["spec", "versions"]), message)).collect()
}

/// Another version is the one that objects are stored as.
pub(super) fn storage(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    fn stored(object: &Node) -> &str {
        of(object).into_iter().find(|v| v.2).map_or("", |v| v.0)
    }
    let (old, new) = (stored(before), stored(after));
    if old == new {
        return Vec::new();
    }
    let message = format!(
        "its objects are stored as `{new}` from now on, not as `{old}`; those that lie there stay as they are until they are written again"
    );
    vec![Said::at("spec.versions", after.at(&["spec", "versions"]), message)]
}

/// The schemas of versions that are there before and after.
fn schemas<'n>(before: &'n Node, after: &'n Node) -> Vec<(&'n str, &'n Node, &'n Node)> {
    let schema = |version: &'n Node| version.at(&["schema", "openAPIV3Schema"]);
    let both = list(before, &["spec", "versions"]).iter().filter_map(|old| {
        let name = text(old, &["name"]);
        let new = list(after, &["spec", "versions"]).iter().find(|new| text(new, &["name"]) == name)?;
        Some((name, schema(old)?, schema(new)?))
    });
    both.collect()
}

/// Fields of the first schema that the second does not have; below one that goes, nothing is named.
fn lost(old: &Node, new: &Node, path: &str, found: &mut BTreeSet<String>) {
    if flag(new, &["x-kubernetes-preserve-unknown-fields"]) {
        return;
    }
    for (name, inner) in old.get("properties").and_then(Node::as_map).into_iter().flat_map(|map| map.iter()) {
        let Some(name) = name.text() else { continue };
        let path = format!("{path}.{name}");
        match new.get("properties").and_then(|all| all.get(name)) {
            Some(other) => lost(inner, other, &path, found),
            None => {
                found.insert(path);
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let (Some(inner), Some(other)) = (old.get(key), new.get(key)) {
            lost(inner, other, &format!("{path}[]"), found);
        }
    }
}

/// Fields that the second schema requires and the first did not, of parts that both have.
fn required(old: &Node, new: &Node, path: &str, found: &mut BTreeSet<String>) {
    let names = |schema: &Node| -> BTreeSet<String> {
        list(schema, &["required"]).iter().filter_map(Node::text).map(str::to_owned).collect()
    };
    found.extend(names(new).difference(&names(old)).map(|name| format!("{path}.{name}")));
    for (name, inner) in new.get("properties").and_then(Node::as_map).into_iter().flat_map(|map| map.iter()) {
        let Some(name) = name.text() else { continue };
        if let Some(other) = old.get("properties").and_then(|all| all.get(name)) {
            required(other, inner, &format!("{path}.{name}"), found);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let (Some(other), Some(inner)) = (old.get(key), new.get(key)) {
            required(other, inner, &format!("{path}[]"), found);
        }
    }
}

fn compared(
    scene: &Scene<'_>,
    walk: fn(&Node, &Node, &str, &mut BTreeSet<String>),
    say: fn(&str, String) -> String,
) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    let mut said = Vec::new();
    for (version, old, new) in schemas(before, after) {
        let mut fields = BTreeSet::new();
        walk(old, new, "", &mut fields);
        if !fields.is_empty() {
            let fields = quoted(fields.iter().map(String::as_str));
            said.push(Said::at("spec.versions", after.at(&["spec", "versions"]), say(version, fields)));
        }
    }
    said
}

/// Fields that a version has no longer.
pub(super) fn fields_go(scene: &Scene<'_>) -> Vec<Said> {
    compared(scene, lost, |version, fields| {
        format!("version `{version}` no longer has {fields}: what objects say there is lost when they are written")
    })
}

/// Fields that a version requires from now on.
pub(super) fn fields_required(scene: &Scene<'_>) -> Vec<Said> {
    compared(scene, required, |version, fields| {
        format!("version `{version}` requires {fields} from now on: objects without cannot be changed any more")
    })
}

/// What a webhook for every request needs to be a trap: nothing that leaves requests out.
const LEAVES_OUT: [&str; 3] = ["namespaceSelector", "objectSelector", "matchConditions"];

/// Webhooks that let nothing through when their server does not answer, for everything or for all pods.
pub(super) fn fails_closed(state: &State<'_>) -> Vec<Said> {
    let mut said = Vec::new();
    for (at, webhook) in list(state.object, &["webhooks"]).iter().enumerate() {
        let is_empty = |node: &Node| match node.as_map() {
            Some(map) => map.is_empty(),
            None => node.as_seq().is_none_or(<[Node]>::is_empty),
        };
        let leaves_out = LEAVES_OUT.iter().any(|key| webhook.get(key).is_some_and(|node| !is_empty(node)));
        // `Fail` is what an API server takes where nothing is written.
        if text(webhook, &["failurePolicy"]) == "Ignore" || leaves_out {
            continue;
        }
        let has = |group: &[&str], what: &[&str]| {
            list(webhook, &["rules"]).iter().any(|rule| {
                let any = |key: &str, of: &[&str]| {
                    list(rule, &[key]).iter().filter_map(Node::text).any(|text| of.contains(&text))
                };
                any("apiGroups", group) && any("resources", what) && text(rule, &["scope"]) != "Cluster"
            })
        };
        let what = if has(&["*"], &["*", "*/*"]) {
            "nothing can be written in any namespace any more"
        } else if has(&["", "*"], &["pods", "*", "*/*"]) {
            "no pod can be made any more, not even its own"
        } else {
            continue;
        };
        let message = format!("when what `{}` calls does not answer, {what}", text(webhook, &["name"]));
        said.push(Said::at(format!("webhooks[{at}]"), Some(webhook), message));
    }
    said
}
