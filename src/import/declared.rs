//! Cluster stubs, projects, Applications and ApplicationSets: those that no ApplicationSet and no other Application declares. What has a
//! parent comes out of that when the fleet is compiled, so that writing it, too, would declare it twice.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Files, Live, Wish, declaration, file_name, kept, meta, object_file, yaml};
use crate::k8s::object::annotation;
use crate::yaml::{Map, Node};

/// A value of a Secret.
fn value(secret: &Node, key: &str) -> String {
    let packed = secret.at(&["data", key]).and_then(Node::text).unwrap_or_default();
    STANDARD.decode(packed).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Stubs: a Secret each, without a login.
pub(super) fn clusters(secrets: &[Node], namespace: &str, files: &mut Files) {
    let mut sorted: Vec<&Node> = secrets.iter().collect();
    sorted.sort_by_key(|secret| (value(secret, "name"), value(secret, "server"), meta(secret, "name").to_owned()));
    for secret in sorted {
        let server = value(secret, "server");
        // Argo CD calls a cluster without a name by its server.
        let name = Some(value(secret, "name")).filter(|name| !name.is_empty()).unwrap_or_else(|| server.clone());
        let mut metadata = Map::new();
        metadata.insert("name", Node::str(meta(secret, "name")));
        metadata.insert("namespace", Node::str(namespace));
        for key in ["labels", "annotations"] {
            if let Some(map) = kept(secret, key) {
                metadata.insert(key, map);
            }
        }
        let mut data = Map::new();
        let project = value(secret, "project");
        for (key, value) in [("name", &name), ("server", &server), ("project", &project)] {
            if !value.is_empty() {
                data.insert(key, Node::str(value.as_str()));
            }
        }
        let mut stub = Map::new();
        stub.insert("apiVersion", Node::str("v1"));
        stub.insert("kind", Node::str("Secret"));
        stub.insert("metadata", Node::map(metadata));
        stub.insert("stringData", Node::map(data));
        let text = format!("# What selectors see of this cluster. Its login is elsewhere.\n{}", yaml(&Node::map(stub)));
        let shown = name.trim_start_matches("https://");
        files.put("clusters", &file_name(shown), text);
    }
}

/// Kind, namespace and name of an object of Argo CD.
pub(super) type Id = (String, String, String);

pub(super) fn id(object: &Node) -> Id {
    let text = |path: &[&str]| object.str_at(path).to_owned();
    (text(&["kind"]), text(&["metadata", "namespace"]), text(&["metadata", "name"]))
}

/// Who declares what.
pub(super) fn parents(live: &Live) -> BTreeMap<Id, Id> {
    let applications: BTreeMap<Id, &Node> = live.applications.iter().map(|object| (id(object), object)).collect();
    let mut listed: BTreeMap<Id, Id> = BTreeMap::new();
    for (owner, application) in &applications {
        let resources = application.at(&["status", "resources"]).and_then(Node::as_seq).unwrap_or_default();
        for resource in resources.iter().filter(|resource| resource.str_at(&["group"]) == "argoproj.io") {
            let of = |key: &str| resource.str_at(&[key]).to_owned();
            listed.entry((of("kind"), of("namespace"), of("name"))).or_insert_with(|| owner.clone());
        }
    }
    let mut parents = BTreeMap::new();
    for object in live.applications.iter().chain(&live.sets).chain(&live.projects) {
        let own = id(object);
        let owners = object.at(&["metadata", "ownerReferences"]).and_then(Node::as_seq).unwrap_or_default();
        let set = owners.iter().find(|owner| owner.str_at(&["kind"]) == "ApplicationSet");
        let by_set = set.map(|set| ("ApplicationSet".to_owned(), own.1.clone(), set.str_at(&["name"]).to_owned()));
        // `parent:argoproj.io/Application:argocd/child`; one in another namespace is called `namespace_parent`.
        let tracking = annotation(object, "argocd.argoproj.io/tracking-id").and_then(|text| text.split_once(':'));
        let by_annotation = tracking.filter(|(_, of)| of.ends_with(&format!("/{}:{}/{}", own.0, own.1, own.2)));
        let by_annotation = by_annotation.and_then(|(app, _)| {
            let is_it = |id: &&Id| id.2 == app || format!("{}_{}", id.1, id.2) == app;
            applications.keys().find(is_it).cloned()
        });
        let parent = by_set.or(by_annotation).or_else(|| listed.get(&own).cloned());
        if let Some(parent) = parent.filter(|parent| *parent != own) {
            parents.insert(own, parent);
        }
    }
    // Two that declare each other have nobody above them: one of them is written.
    let ids: BTreeSet<Id> = parents.keys().cloned().collect();
    for start in ids {
        let (mut seen, mut at) = (BTreeSet::new(), start.clone());
        while let Some(next) = parents.get(&at) {
            if *next == start {
                parents.remove(&start);
                break;
            }
            if !seen.insert(next.clone()) {
                break;
            }
            at = next.clone();
        }
    }
    parents
}

/// Projects, Applications and ApplicationSets.
pub(super) fn write(live: &Live, wish: &Wish, files: &mut Files) {
    let parents = parents(live);
    let groups: [(&'static str, &[Node]); 3] =
        [("projects", &live.projects), ("applications", &live.applications), ("applicationsets", &live.sets)];
    for (folder, objects) in groups {
        let mut sorted: Vec<&Node> = objects.iter().collect();
        sorted.sort_by_key(|object| id(object));
        let (mut written, mut left) = (0_usize, 0_usize);
        for object in sorted {
            if parents.contains_key(&id(object)) {
                left += 1;
                continue;
            }
            let mut declared = declaration(object, &["spec"]);
            if folder == "projects" {
                without_tokens(&mut declared);
            }
            if folder != "projects" {
                secrets(object, files);
            }
            files.put(folder, &object_file(object, &wish.namespace), yaml(&declared));
            written += 1;
        }
        if written + left > 0 {
            let made = if left > 0 { format!("; {left} more come out of what declares them") } else { String::new() };
            files.imported.notes.push(format!("{folder}: {written} written{made}"));
        }
    }
}

/// Tokens of roles are logins: their ids are of no use here.
fn without_tokens(project: &mut Node) {
    let roles = project.get_mut("spec").and_then(|spec| spec.get_mut("roles")).and_then(Node::seq_mut);
    for role in roles.into_iter().flatten().filter_map(Node::map_mut) {
        role.remove("jwtTokens");
    }
}

/// Words in names of parameters that hold what should not be in Git.
const WORDS: [&str; 7] = ["password", "passwd", "secret", "token", "apikey", "privatekey", "credential"];

/// Says which parameters of Helm look as if they held a secret: their values get into the file, as they are in the Application.
fn secrets(object: &Node, files: &mut Files) {
    let (kind, _, name) = id(object);
    let mut found = BTreeSet::new();
    visit(object.get("spec"), &mut |parameter| {
        let key = parameter.str_at(&["name"]);
        let plain: String = key.chars().filter(|c| !matches!(c, '-' | '_')).collect::<String>().to_lowercase();
        if WORDS.iter().any(|word| plain.contains(word)) && !parameter.str_at(&["value"]).is_empty() {
            found.insert(key.to_owned());
        }
    });
    for key in found {
        files.imported.warnings.push(format!(
            "the Helm parameter `{key}` of {kind} {name} is in its file in clear: move it to a Secret before you commit"
        ));
    }
}

/// Calls with every item of every `parameters`.
fn visit(node: Option<&Node>, with: &mut dyn FnMut(&Node)) {
    let Some(node) = node else { return };
    for (key, value) in node.as_map().into_iter().flat_map(Map::iter) {
        if key.text() == Some("parameters") {
            value.as_seq().into_iter().flatten().for_each(&mut *with);
        }
        visit(Some(value), with);
    }
    for item in node.as_seq().into_iter().flatten() {
        visit(Some(item), with);
    }
}
