//! Rights that grow: what roles allow that they did not, whom bindings bind, and which of both open everything.

use std::collections::BTreeSet;

use crate::yaml::Node;

use super::look::{Said, list, named, text, texts};
use super::{Fate, Scene, State};

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

fn sentence(begin: &str, mut rights: Vec<Right<'_>>) -> Vec<Said> {
    rights.sort();
    rights.dedup();
    if rights.is_empty() {
        return Vec::new();
    }
    vec![Said::at("rules", None, format!("{begin}: {}", named(rights.iter().map(Right::to_string))))]
}

/// What a role allows that it did not allow before.
pub(super) fn grow(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    let (before, mut new) = (rights(before), rights(after));
    new.retain(|right| !before.iter().any(|had| had.covers(right)));
    sentence("it allows more than before", new)
}

/// Roles that open everything. One that grows has a rule of its own.
pub(super) fn much(state: &State<'_>) -> Vec<Said> {
    let mut all = rights(state.object);
    all.retain(Right::is_strong);
    let mut said = sentence("it allows much", all);
    if let (Some(said), Some(rules)) = (said.first_mut(), state.object.get("rules")) {
        said.span = rules.span();
    }
    said
}

/// Roles that allow everything, or nearly.
const MIGHTY: [&str; 3] = ["cluster-admin", "admin", "system:masters"];
/// Groups that everybody is in.
const EVERYBODY: [&str; 4] =
    ["system:anonymous", "system:unauthenticated", "system:authenticated", "system:serviceaccounts"];

type Subject<'n> = (&'n str, &'n str, &'n str);

fn bound(object: &Node) -> BTreeSet<Subject<'_>> {
    let subjects = list(object, &["subjects"]).iter();
    subjects.map(|s| (text(s, &["kind"]), text(s, &["namespace"]), text(s, &["name"]))).collect()
}

fn may(subjects: &[Subject<'_>], object: &Node) -> Vec<Said> {
    if subjects.is_empty() {
        return Vec::new();
    }
    let one = |(kind, namespace, name): &Subject<'_>| match *namespace {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    };
    let (who, role) = (named(subjects.iter().map(one)), text(object, &["roleRef", "name"]));
    vec![Said::at("subjects", object.get("subjects"), format!("{who} may do what the role `{role}` allows"))]
}

/// Subjects that a binding did not bind before, or not to this role.
pub(super) fn bind(scene: &Scene<'_>) -> Vec<Said> {
    let (Fate::Changed(before, after) | Fate::Remade(before, after)) = scene.fate else { return Vec::new() };
    let had = if before.get("roleRef") == after.get("roleRef") { bound(before) } else { BTreeSet::new() };
    let new: Vec<Subject<'_>> = bound(after).into_iter().filter(|subject| !had.contains(subject)).collect();
    may(&new, after)
}

/// Bindings to a role that allows nearly everything, or of groups that everybody is in. One that grows has a rule of its own.
pub(super) fn mighty(state: &State<'_>) -> Vec<Said> {
    let role = text(state.object, &["roleRef", "name"]);
    let is_new = |(_, _, name): &Subject<'_>| MIGHTY.contains(&role) || EVERYBODY.contains(name);
    let subjects: Vec<Subject<'_>> = bound(state.object).into_iter().filter(is_new).collect();
    may(&subjects, state.object)
}
