//! What in a policy can have no effect: resources and actions that do not exist, roles that nobody has or that may nothing, lines that
//! others make idle.
//!
//! The table of resources and actions is Argo CD's (`cmd/argocd/commands/admin/settings_rbac.go`, `util/rbac`). Only what is certain is
//! said: a pattern that matches some name of the table is left alone, and whether a name is a user or a group nobody here knows.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::policy::{Line, Mode, Rule, Source};
use crate::diag::did_you_mean;
use crate::k8s::glob::Glob;

/// Actions of a resource; those with `true` may have a path (`update/apps/Deployment/web`).
pub type Actions = &'static [(&'static str, bool)];

const CRUD: Actions = &[("get", false), ("create", false), ("update", false), ("delete", false)];
const CRD: Actions = &[("get", false), ("create", false), ("delete", false), ("update", false)];

/// The resources, their actions, and whether their objects are `project/name`.
pub const RESOURCES: [(&str, Actions, bool); 12] = [
    ("accounts", &[("get", false), ("create", false), ("update", false)], false),
    (
        "applications",
        &[
            ("get", false),
            ("create", false),
            ("update", true),
            ("delete", true),
            ("sync", false),
            ("override", false),
            ("action", true),
        ],
        true,
    ),
    ("applicationsets", CRUD, true),
    ("certificates", CRD, false),
    ("clusters", CRUD, false),
    ("exec", &[("create", false)], true),
    ("extensions", &[("invoke", false)], false),
    ("gpgkeys", CRD, false),
    ("logs", &[("get", false)], true),
    ("projects", CRUD, false),
    ("repositories", CRUD, false),
    ("write-repositories", CRUD, false),
];

/// The resource that a person means: `app` stands for `applications`, as in `argocd admin settings rbac can`.
pub fn resource(name: &str) -> &str {
    const SHORT: [(&str, &[&str]); 10] = [
        ("accounts", &["account"]),
        ("applications", &["app", "apps", "application"]),
        ("applicationsets", &["applicationset", "appset", "appsets"]),
        ("certificates", &["cert", "certs", "certificate"]),
        ("clusters", &["cluster"]),
        ("extensions", &["extension"]),
        ("gpgkeys", &["gpgkey", "key"]),
        ("logs", &["log"]),
        ("projects", &["proj", "projs", "project"]),
        ("repositories", &["repo", "repos", "repository"]),
    ];
    SHORT.iter().find(|(_, names)| names.contains(&name)).map_or(name, |(full, _)| full)
}

/// A finding: which line, what is wrong with it, what may have been meant.
pub type Finding = (usize, String, Option<String>);

fn matches(pattern: &str, mode: Mode, text: &str) -> bool {
    match mode {
        Mode::Glob => Glob::new(pattern, "").is_some_and(|glob| glob.matches(text)),
        Mode::Regex => Regex::new(pattern).is_ok_and(|regex| regex.is_match(text)),
    }
}

/// What is wrong with lines, in their order; lines of Argo CD itself only count.
pub fn lint(lines: &[Line], default_role: &str, mode: Mode) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let own = |line: &Line| line.source != Source::Builtin;
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| own(line)) {
        let mut say = |message: String, hint: Option<String>| found.push((at, message, hint));
        match &line.rule {
            Rule::Nothing => say("it has no effect: lines begin with `p` or `g`".to_owned(), None),
            Rule::Grant { subject, role } => {
                for field in [subject, role] {
                    spaces(field, &mut say);
                }
            }
            Rule::Permission { subject, resource, action, object, effect } => {
                for field in [subject, resource, action, object, effect] {
                    spaces(field, &mut say);
                }
                if !matches!(effect.as_str(), "allow" | "deny") {
                    let hint = did_you_mean(effect, ["allow", "deny"]);
                    say(format!("`{effect}` is neither `allow` nor `deny`, so the line has no effect"), hint);
                }
                names(resource, action, object, mode, &mut say);
            }
        }
    }
    roles(lines, default_role, &mut found);
    idle(lines, mode, &mut found);
    found.sort();
    found.dedup();
    found
}

fn spaces(field: &str, say: &mut impl FnMut(String, Option<String>)) {
    if field != field.trim_end() {
        let hint = Some("take the space before the comma away".to_owned());
        say(format!("the space after `{}` counts, so it is another name", field.trim_end()), hint);
    }
}

/// Whether resource, action and object of a line can be those of any question.
fn names(resource: &str, action: &str, object: &str, mode: Mode, say: &mut impl FnMut(String, Option<String>)) {
    if mode == Mode::Regex {
        let broken = [resource, action, object].into_iter().find(|text| Regex::new(text).is_err());
        if let Some(broken) = broken {
            say(
                format!("`{broken}` is no regular expression, and every question that comes to it is answered no"),
                None,
            );
            return;
        }
    }
    let of: Vec<_> = RESOURCES.iter().filter(|(name, ..)| matches(resource, mode, name)).collect();
    if of.is_empty() {
        let hint = did_you_mean(resource, RESOURCES.iter().map(|(name, ..)| *name));
        let all = || format!("there are {}", RESOURCES.map(|(name, ..)| name).join(", "));
        say(format!("no resource is called `{resource}`"), Some(hint.unwrap_or_else(all)));
        return;
    }
    let fits = |(name, with_path): &(&str, bool)| {
        // `action/*` and `update/apps/Deployment/*` speak of paths; what follows the first part is the cluster's business.
        let head = action.split('/').next().unwrap_or_default();
        matches(action, mode, name)
            || (*with_path && (matches(head, mode, name) || matches(action, mode, &format!("{name}/x/y/z"))))
    };
    if !of.iter().any(|(_, actions, _)| actions.iter().any(fits)) {
        let known: BTreeSet<&str> =
            of.iter().flat_map(|(_, actions, _)| actions.iter().map(|(name, _)| *name)).collect();
        let hint = did_you_mean(action, known.iter().copied());
        let all = format!("there are {}", known.into_iter().collect::<Vec<_>>().join(", "));
        say(format!("`{resource}` has no action `{action}`"), Some(hint.unwrap_or(all)));
    }
    let plain = |text: &str| mode == Mode::Glob && !text.contains(['*', '?', '[', '{', '\\']);
    if of.iter().all(|(.., by_project)| *by_project) && plain(object) && !object.contains('/') {
        let hint = Some(format!("`{object}/*` is everything of that project"));
        say(format!("objects of `{resource}` are `project/name`, which `{object}` never is"), hint);
    }
    // As a glob, what opens a class or a choice and does not close it matches nothing at all.
    if mode == Mode::Glob {
        for text in [resource, action, object].into_iter().filter(|text| Glob::new(text, "").is_none()) {
            say(format!("`{text}` is no pattern, and matches nothing"), None);
        }
    }
}

/// Roles that nobody has, and roles that may nothing.
fn roles(lines: &[Line], default_role: &str, found: &mut Vec<Finding>) {
    let mut permitted: BTreeSet<&str> = BTreeSet::new();
    let mut granted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in lines {
        match &line.rule {
            Rule::Permission { subject, .. } => drop(permitted.insert(subject)),
            Rule::Grant { subject, role } => drop(granted.entry(role).or_default().insert(subject)),
            Rule::Nothing => {}
        }
    }
    let is_role = |name: &str| name.starts_with("role:") || name.starts_with("proj:");
    // Who has a role: anybody that is no role himself, over any number of steps.
    let has = |role: &str| {
        let (mut todo, mut seen) = (vec![role], BTreeSet::new());
        while let Some(role) = todo.pop() {
            if role == default_role || !is_role(role) {
                return true;
            }
            if seen.insert(role) {
                todo.extend(granted.get(role).into_iter().flatten());
            }
        }
        false
    };
    let mut said: BTreeSet<&str> = BTreeSet::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.source != Source::Builtin) {
        match &line.rule {
            // Tokens of a project have its roles without a grant.
            Rule::Permission { subject, .. }
                if subject.starts_with("role:") && !has(subject) && said.insert(subject) =>
            {
                let hint = format!("`g, GROUP, {subject}` gives it to somebody");
                found.push((at, format!("nobody has the role `{subject}`"), Some(hint)));
            }
            Rule::Grant { role, .. }
                if !permitted.contains(role.as_str()) && !granted.values().any(|who| who.contains(role.as_str())) =>
            {
                let known = permitted.iter().copied().filter(|name| is_role(name));
                let hint = did_you_mean(role, known);
                found.push((at, format!("`{role}` may do nothing: no line speaks of it"), hint));
            }
            _ => {}
        }
    }
}

/// Lines that another one makes idle: the same again, or a wider one of the same subject; an allowance that a denial covers.
fn idle(lines: &[Line], mode: Mode, found: &mut Vec<Finding>) {
    let covers = |wide: &str, narrow: &str| {
        let everything = match mode {
            Mode::Glob => ["*", "**"].contains(&wide),
            Mode::Regex => [".*", "^.*$"].contains(&wide),
        };
        // A star crosses everything; it covers a pattern that begins like it.
        let prefix =
            wide.strip_suffix('*').filter(|head| mode == Mode::Glob && !head.contains(['*', '?', '[', '{', '\\']));
        let is_plain = mode == Mode::Glob && !narrow.contains(['*', '?', '[', '{', '\\']);
        // Whatever matches `a/*` has a slash in it.
        let has_slash =
            mode == Mode::Glob && wide == "*/*" && narrow.contains('/') && !narrow.contains(['[', '{', '\\']);
        everything
            || wide == narrow
            || has_slash
            || (is_plain && matches(wide, mode, narrow))
            || prefix.is_some_and(|head| narrow.starts_with(head))
    };
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.source != Source::Builtin) {
        for (other_at, other) in lines.iter().enumerate().filter(|(other_at, _)| *other_at != at) {
            let why = match (&line.rule, &other.rule) {
                (Rule::Grant { .. }, Rule::Grant { .. }) if line.rule == other.rule && other_at < at => "says the same",
                (
                    Rule::Permission { subject, resource, action, object, effect },
                    Rule::Permission { subject: s, resource: r, action: a, object: o, effect: e },
                ) if subject == s && covers(r, resource) && covers(a, action) && covers(o, object) => {
                    let same = line.rule == other.rule;
                    match (effect.as_str(), e.as_str()) {
                        _ if same && other_at > at => continue,
                        ("allow", "deny") => "denies all of it",
                        (one, two) if one == two => "says it already",
                        _ => continue,
                    }
                }
                _ => continue,
            };
            let place = match &other.source {
                Source::Builtin => "of Argo CD itself".to_owned(),
                Source::Policy => format!("{}", other.number),
                Source::Project(name) => format!("{} of the project `{name}`", other.number),
            };
            found.push((at, format!("it has no effect: line {place} {why} (`{}`)", other.text), None));
            break;
        }
    }
}
