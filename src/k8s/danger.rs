//! What is dangerous about a change, whoever makes it: what cannot be taken back, reaches beyond the object, or gives more rights.
//!
//! A table of kinds and checks. A mark is a warning for whoever reads a plan, no refusal. Marks look at what an object says, never at its
//! metadata: a change of labels and annotations alone has none. Whether objects of others hang on it is asked by who can ask a cluster.

use std::collections::BTreeSet;

use super::object::Gvk;
use crate::yaml::{Node, json};

/// What happens to an object.
#[derive(Clone, Copy, Debug)]
pub enum Fate<'a> {
    /// It is made.
    Created(&'a Node),
    /// It becomes something else: before and after.
    Changed(&'a Node, &'a Node),
    /// It is deleted and made anew: before and after.
    Remade(&'a Node, &'a Node),
    /// It is deleted.
    Deleted(&'a Node),
}

impl<'a> Fate<'a> {
    fn before(self) -> Option<&'a Node> {
        match self {
            Fate::Created(_) => None,
            Fate::Changed(before, _) | Fate::Remade(before, _) | Fate::Deleted(before) => Some(before),
        }
    }

    fn after(self) -> Option<&'a Node> {
        match self {
            Fate::Deleted(_) => None,
            Fate::Created(after) | Fate::Changed(_, after) | Fate::Remade(_, after) => Some(after),
        }
    }
}

/// What is looked at.
enum Check {
    /// It goes, for a while or for good; this is what goes with it.
    Goes(&'static str),
    /// It is made.
    Comes(&'static str),
    /// Something of it changes, below a field or anywhere in what it says; certificates of authorities do not count, controllers renew them.
    Changes(&'static [&'static str], &'static str),
    /// A field gets a certain value, or loses it.
    Becomes(&'static [&'static str], &'static str, &'static str),
    Loses(&'static [&'static str], &'static str, &'static str),
    /// Rules that grant more than before.
    Rules,
    /// Subjects that were not bound before, and roles and groups that are bound to everything.
    Subjects,
    /// Versions of a definition under which objects are or were stored.
    Versions,
}

use Check::{Becomes, Changes, Comes, Goes, Loses, Rules, Subjects, Versions};

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const CRD: &str = "apiextensions.k8s.io";

/// Group, kind, check.
const TABLE: [(&str, &str, Check); 38] = [
    ("", "Namespace", Goes("everything in it goes with it")),
    ("", "PersistentVolume", Goes("its data may go with it")),
    (
        "",
        "PersistentVolume",
        Becomes(&["spec", "persistentVolumeReclaimPolicy"], "Delete", "its data goes when it is released"),
    ),
    ("", "PersistentVolumeClaim", Goes("its data may go with it")),
    ("", "Service", Goes("its addresses go with it")),
    ("", "Service", Loses(&["spec", "type"], "LoadBalancer", "its external address goes")),
    ("", "ServiceAccount", Goes("its tokens end with it")),
    ("apps", "Deployment", Becomes(&["spec", "replicas"], "0", "nothing of it runs any more")),
    ("apps", "StatefulSet", Becomes(&["spec", "replicas"], "0", "nothing of it runs any more")),
    (
        "apps",
        "StatefulSet",
        Becomes(
            &["spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"],
            "Delete",
            "its data goes when it is deleted",
        ),
    ),
    (
        "apps",
        "StatefulSet",
        Becomes(
            &["spec", "persistentVolumeClaimRetentionPolicy", "whenScaled"],
            "Delete",
            "its data goes when it is scaled down",
        ),
    ),
    ("storage.k8s.io", "StorageClass", Goes("claims of this class wait until it is there again")),
    ("scheduling.k8s.io", "PriorityClass", Goes("pods of this class are no longer made")),
    ("storage.k8s.io", "CSIDriver", Goes("volumes of this driver are no longer mounted")),
    ("node.k8s.io", "RuntimeClass", Goes("pods of this class are no longer made")),
    ("snapshot.storage.k8s.io", "VolumeSnapshot", Goes("its data may go with it")),
    ("snapshot.storage.k8s.io", "VolumeSnapshotContent", Goes("its data may go with it")),
    (CRD, "CustomResourceDefinition", Goes("every object of its kind goes with it")),
    (CRD, "CustomResourceDefinition", Versions),
    (CRD, "CustomResourceDefinition", Changes(&["spec", "conversion"], "how its versions are converted changes")),
    (CRD, "CustomResourceDefinition", Changes(&["spec", "scope"], "its scope changes")),
    (ADMISSION, "ValidatingWebhookConfiguration", Comes("requests of the whole cluster go through it")),
    (
        ADMISSION,
        "ValidatingWebhookConfiguration",
        Changes(&["webhooks"], "which requests of the cluster it sees, or what happens when it fails, changes"),
    ),
    (ADMISSION, "ValidatingWebhookConfiguration", Goes("what it refused is let through")),
    (ADMISSION, "MutatingWebhookConfiguration", Comes("requests of the whole cluster go through it")),
    (
        ADMISSION,
        "MutatingWebhookConfiguration",
        Changes(&["webhooks"], "which requests of the cluster it sees, or what happens when it fails, changes"),
    ),
    (ADMISSION, "MutatingWebhookConfiguration", Goes("objects are no longer changed by it")),
    (ADMISSION, "ValidatingAdmissionPolicy", Changes(&["spec"], "what is let into the cluster changes")),
    (ADMISSION, "ValidatingAdmissionPolicy", Goes("what it refused is let through")),
    (ADMISSION, "ValidatingAdmissionPolicyBinding", Goes("what its policy refused is let through")),
    ("apiregistration.k8s.io", "APIService", Comes("a group of the API is served by it")),
    ("apiregistration.k8s.io", "APIService", Changes(&["spec"], "who serves a group of the API changes")),
    ("apiregistration.k8s.io", "APIService", Goes("a group of the API is no longer served by it")),
    (RBAC, "Role", Rules),
    (RBAC, "ClusterRole", Rules),
    (RBAC, "ClusterRole", Changes(&["aggregationRule"], "which roles are part of it changes")),
    (RBAC, "RoleBinding", Subjects),
    (RBAC, "ClusterRoleBinding", Subjects),
];

/// Whether a kind has marks at all, so that its objects must be looked at.
pub fn concerns(gvk: &Gvk) -> bool {
    TABLE.iter().any(|(group, kind, _)| gvk.is(group, kind))
}

/// The marks of what happens to an object, one sentence each.
pub fn marks(gvk: &Gvk, fate: Fate<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (_, _, check) in TABLE.iter().filter(|(group, kind, _)| gvk.is(group, kind)) {
        match check {
            Goes(say) => {
                if let Fate::Deleted(_) | Fate::Remade(..) = fate {
                    found.push((*say).to_owned());
                }
            }
            Comes(say) => {
                if let Fate::Created(_) = fate {
                    found.push((*say).to_owned());
                }
            }
            Changes(path, say) => {
                if let (Some(before), Some(after)) = (fate.before(), fate.after())
                    && without_authorities(before.at(path)) != without_authorities(after.at(path))
                {
                    found.push((*say).to_owned());
                }
            }
            Becomes(path, value, say) => {
                let is = |object: &Node| object.at(path).and_then(Node::text) == Some(*value);
                if let Some(before) = fate.before()
                    && fate.after().is_some_and(is)
                    && !is(before)
                {
                    found.push((*say).to_owned());
                }
            }
            Loses(path, value, say) => {
                let is = |object: &Node| object.at(path).and_then(Node::text) == Some(*value);
                if fate.before().is_some_and(is) && fate.after().is_some_and(|after| !is(after)) {
                    found.push((*say).to_owned());
                }
            }
            Rules => rules(fate, &mut found),
            Subjects => subjects(fate, &mut found),
            Versions => versions(fate, &mut found),
        }
    }
    found
}

/// A value without `caBundle`, wherever it is, as text.
fn without_authorities(node: Option<&Node>) -> Option<String> {
    fn clean(node: &mut Node) {
        if let Some(map) = node.map_mut() {
            map.remove("caBundle");
            map.iter_mut().for_each(|(_, value)| clean(value));
        } else if let Some(items) = node.seq_mut() {
            items.iter_mut().for_each(clean);
        }
    }
    let mut node = node?.clone();
    clean(&mut node);
    json::to_json(&node).ok()
}

fn list<'n>(object: &'n Node, path: &[&str]) -> &'n [Node] {
    object.at(path).and_then(Node::as_seq).unwrap_or_default()
}

fn texts<'n>(node: &'n Node, key: &str) -> Vec<&'n str> {
    list(node, &[key]).iter().filter_map(Node::text).collect()
}

fn text<'n>(node: &'n Node, path: &[&str]) -> &'n str {
    node.at(path).and_then(Node::text).unwrap_or_default()
}

// --------------------------------------------------------------------------------------------------------------------------- rights

/// One thing that a rule allows: verb, group and resource or a path that is no resource, and the one object or `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right<'n> {
    verb: &'n str,
    group: &'n str,
    what: &'n str,
    name: &'n str,
}

impl Right<'_> {
    fn covers(&self, other: &Right<'_>) -> bool {
        let fits = |mine: &str, theirs: &str| mine == "*" || mine == theirs;
        let what = fits(self.what, other.what)
            || self.what.strip_suffix('*').is_some_and(|stem| stem.ends_with('/') && other.what.starts_with(stem))
            || self
                .what
                .strip_prefix("*/")
                .is_some_and(|sub| other.what.split_once('/').is_some_and(|(_, of)| of == sub));
        fits(self.verb, other.verb) && fits(self.group, other.group) && what && fits(self.name, other.name)
    }

    /// Whether it is as much as everything, or opens the way to it, or to what is kept secret.
    fn is_strong(&self) -> bool {
        let strong_verb = matches!(self.verb, "*" | "escalate" | "bind" | "impersonate");
        let reads = matches!(self.verb, "get" | "list" | "watch");
        strong_verb
            || self.what == "*"
            || (reads && self.group.is_empty() && self.what == "secrets" && self.name == "*")
            || matches!((self.verb, self.what), ("create", "pods/exec" | "serviceaccounts/token" | "nodes/proxy"))
    }
}

impl std::fmt::Display for Right<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let any = |text: &str| if text == "*" { "everything".to_owned() } else { text.to_owned() };
        let verb = if self.verb == "*" { "do anything with" } else { self.verb };
        write!(f, "{verb} {}", any(self.what))?;
        if !matches!(self.group, "" | "*") {
            write!(f, ".{}", self.group)?;
        }
        if self.name != "*" {
            write!(f, " `{}`", self.name)?;
        }
        Ok(())
    }
}

fn rights(object: &Node) -> Vec<Right<'_>> {
    let mut found = Vec::new();
    for rule in list(object, &["rules"]) {
        let (groups, mut names) = (texts(rule, "apiGroups"), texts(rule, "resourceNames"));
        if names.is_empty() {
            names.push("*");
        }
        for verb in texts(rule, "verbs") {
            for what in texts(rule, "resources") {
                for group in &groups {
                    found.extend(names.iter().map(|name| Right { verb, group, what, name }));
                }
            }
            found.extend(texts(rule, "nonResourceURLs").into_iter().map(|what| Right {
                verb,
                group: "*",
                what,
                name: "*",
            }));
        }
    }
    found
}

/// How many rights a sentence names.
const NAMED: usize = 4;

fn rules(fate: Fate<'_>, found: &mut Vec<String>) {
    let Some(after) = fate.after() else { return };
    let before = fate.before().map(rights).unwrap_or_default();
    let mut new: Vec<Right<'_>> = rights(after);
    new.retain(|right| !before.iter().any(|had| had.covers(right)));
    if fate.before().is_none() {
        // A new role is there to allow something; only what opens everything is worth a mark.
        new.retain(Right::is_strong);
    }
    new.sort();
    new.dedup();
    if new.is_empty() {
        return;
    }
    let mut named: Vec<String> = new.iter().take(NAMED).map(Right::to_string).collect();
    if new.len() > NAMED {
        named.push(format!("{} more", new.len() - NAMED));
    }
    let begin = if fate.before().is_some() { "it allows more than before" } else { "it allows much" };
    found.push(format!("{begin}: {}", named.join(", ")));
}

/// Roles that allow everything, or nearly.
const MIGHTY: [&str; 3] = ["cluster-admin", "admin", "system:masters"];
/// Groups that everybody is in.
const EVERYBODY: [&str; 4] =
    ["system:anonymous", "system:unauthenticated", "system:authenticated", "system:serviceaccounts"];

fn subjects(fate: Fate<'_>, found: &mut Vec<String>) {
    let Some(after) = fate.after() else { return };
    fn bound(object: &Node) -> BTreeSet<(&str, &str, &str)> {
        let subjects = list(object, &["subjects"]).iter();
        subjects.map(|s| (text(s, &["kind"]), text(s, &["namespace"]), text(s, &["name"]))).collect()
    }
    let role =
        |object: &Node| (text(object, &["roleRef", "kind"]).to_owned(), text(object, &["roleRef", "name"]).to_owned());
    let before = fate.before().filter(|before| role(before) == role(after)).map(bound).unwrap_or_default();
    let new: Vec<(&str, &str, &str)> = bound(after).into_iter().filter(|subject| !before.contains(subject)).collect();
    let (_, role) = role(after);
    let mighty = MIGHTY.contains(&role.as_str());
    let everybody = new.iter().any(|(_, _, name)| EVERYBODY.contains(name));
    if new.is_empty() || !(fate.before().is_some() || mighty || everybody) {
        return;
    }
    let mut named: Vec<String> = new
        .iter()
        .take(NAMED)
        .map(|(kind, namespace, name)| match *namespace {
            "" => format!("{kind} {name}"),
            namespace => format!("{kind} {namespace}/{name}"),
        })
        .collect();
    if new.len() > NAMED {
        named.push(format!("{} more", new.len() - NAMED));
    }
    found.push(format!("{} may do what the role `{role}` allows", named.join(", ")));
}

// ----------------------------------------------------------------------------------------------------------------------- definitions

fn versions(fate: Fate<'_>, found: &mut Vec<String>) {
    let (Some(before), Some(after)) = (fate.before(), fate.after()) else { return };
    let of = |object: &Node| -> Vec<(String, bool, bool)> {
        let flag = |version: &Node, key: &str| version.get(key).and_then(Node::as_bool) == Some(true);
        let versions = list(object, &["spec", "versions"]).iter();
        versions.map(|v| (text(v, &["name"]).to_owned(), flag(v, "served"), flag(v, "storage"))).collect()
    };
    let (old, new) = (of(before), of(after));
    let storage = |list: &[(String, bool, bool)]| list.iter().find(|v| v.2).map(|v| v.0.clone()).unwrap_or_default();
    if storage(&old) != storage(&new) {
        found.push(format!(
            "its objects are stored as `{}` from now on, not as `{}`; those that lie there stay as they are until they are written again",
            storage(&new),
            storage(&old)
        ));
    }
    let stored: Vec<&str> = list(before, &["status", "storedVersions"]).iter().filter_map(Node::text).collect();
    for (name, served, _) in &old {
        match new.iter().find(|version| version.0 == *name) {
            None if stored.contains(&name.as_str()) => {
                found.push(format!(
                    "objects may still be stored as `{name}`, which it no longer has: they could not be read any more"
                ));
            }
            None => found.push(format!("it no longer has the version `{name}`")),
            Some(version) if *served && !version.1 => found.push(format!("the version `{name}` is no longer served")),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
