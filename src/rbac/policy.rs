//! Lines of a policy: read as Go's encoding/csv does it line by line, with the place of each.
//!
//! A line that Argo CD refuses is a problem: it refuses the whole policy then, and goes on with the one it had.

use crate::diag::Checked;
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node};

/// What Argo CD grants before any policy: `role:readonly` and `role:admin`, as pairs of resource and actions, and their grants.
pub const BUILTIN: &str = include_str!("builtin.csv");

/// How patterns are read (`policy.matchMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As globs.
    #[default]
    Glob,
    /// As regular expressions that match anywhere.
    Regex,
}

/// Where a line comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Argo CD's own.
    Builtin,
    /// The policy.
    Policy,
    /// A role of this AppProject.
    Project(String),
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `p`: a subject may, or may not.
    Permission {
        /// User, group or role.
        subject: String,
        /// Pattern of resources.
        resource: String,
        /// Pattern of actions.
        action: String,
        /// Pattern of objects.
        object: String,
        /// `allow` or `deny`.
        effect: String,
    },
    /// `g`: a subject has a role.
    Grant {
        /// User, group or role.
        subject: String,
        /// The role.
        role: String,
    },
    /// Something else that Argo CD takes, and that has no effect.
    Nothing,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it comes from.
    pub source: Source,
    /// Its number in that, from one.
    pub number: usize,
    /// Without white space around it.
    pub text: String,
    /// What it says.
    pub rule: Rule,
}

/// A line that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub source: Source,
    /// Its number in that.
    pub number: usize,
    /// The line.
    pub text: String,
    /// Why.
    pub why: String,
}

/// A policy with what stands beside it in argocd-rbac-cm.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `policy.csv` and its overlays, as one text.
    pub text: String,
    /// `policy.default`: the role that everybody has.
    pub default_role: String,
    /// `policy.matchMode`.
    pub mode: Mode,
    /// `scopes`, as written; empty for none.
    pub scopes: String,
}

impl Policy {
    /// From a file: `policy.csv` itself, or a manifest of argocd-rbac-cm.
    ///
    /// # Errors
    /// It is a manifest, and not one of that.
    pub fn read(bytes: &[u8]) -> Result<Policy, String> {
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| "it is no text".to_owned())?;
        let parsed: Checked<Vec<Node>> = yaml::parse_strict(FileId::NONE, bytes, Dialect::V2, &Limits::default());
        let Ok(documents) = parsed else { return Ok(Policy { text, ..Policy::default() }) };
        let is_map = |document: &&Node| document.as_map().is_some();
        if !documents.iter().any(|document| is_map(&document)) {
            return Ok(Policy { text, ..Policy::default() });
        }
        let is_it = |document: &&Node| {
            document.get("kind").and_then(Node::as_str) == Some("ConfigMap")
                && document.str_at(&["metadata", "name"]).starts_with("argocd-rbac-cm")
        };
        let Some(map) = documents.iter().find(is_it) else {
            return Err("it is neither a policy nor a manifest of the ConfigMap argocd-rbac-cm".to_owned());
        };
        Ok(Policy::of_config_map(map))
    }

    /// From argocd-rbac-cm: `policy.csv` first, then `policy.*.csv` by name.
    pub fn of_config_map(map: &Node) -> Policy {
        let value = |key: &str| map.at(&["data", key]).and_then(Node::as_str).unwrap_or_default().to_owned();
        let mut text = value("policy.csv");
        let data = map.get("data").and_then(Node::as_map);
        let mut keys: Vec<&str> = data.into_iter().flat_map(|data| data.keys()).collect();
        keys.sort_unstable();
        for key in keys {
            if key.starts_with("policy.") && key.ends_with(".csv") && key != "policy.csv" {
                text.push('\n');
                text.push_str(&value(key));
            }
        }
        Policy {
            text,
            default_role: value("policy.default"),
            mode: if value("policy.matchMode") == "regex" { Mode::Regex } else { Mode::Glob },
            scopes: value("scopes"),
        }
    }
}

/// What the roles of an AppProject come to, as Argo CD adds them to a policy (`AppProject.ProjectPoliciesString`).
pub fn of_project(manifest: &Node) -> String {
    let project = manifest.str_at(&["metadata", "name"]);
    let mut lines = Vec::new();
    for role in manifest.at(&["spec", "roles"]).and_then(Node::as_seq).unwrap_or_default() {
        let name = role.str_at(&["name"]);
        lines.push(format!("p, proj:{project}:{name}, projects, get, {project}, allow"));
        let texts =
            |key: &str| role.get(key).and_then(Node::as_seq).unwrap_or_default().iter().filter_map(Node::as_str);
        lines.extend(texts("policies").map(str::to_owned));
        lines.extend(texts("groups").map(|group| format!("g, {group}, proj:{project}:{name}")));
    }
    lines.join("\n")
}

/// What of the roles of an AppProject makes Argo CD refuse the project (`validatePolicy`): the line, and why.
pub fn refused(manifest: &Node) -> Vec<(String, String)> {
    const RESOURCES: [&str; 6] = ["applications", "applicationsets", "clusters", "exec", "logs", "repositories"];
    const ACTIONS: [&str; 7] = ["get", "create", "update", "delete", "sync", "override", "*"];
    let project = manifest.str_at(&["metadata", "name"]);
    let mut found = Vec::new();
    for role in manifest.at(&["spec", "roles"]).and_then(Node::as_seq).unwrap_or_default() {
        let own = format!("proj:{project}:{}", role.str_at(&["name"]));
        let lines = role.get("policies").and_then(Node::as_seq).unwrap_or_default();
        for line in lines.iter().filter_map(Node::as_str) {
            // Not as CSV: a quote is a letter here.
            let fields: Vec<&str> = line.split(',').map(|field| field.trim_matches(' ')).collect();
            let ["p", subject, resource, action, object, effect] = fields.as_slice() else {
                found.push((
                    line.to_owned(),
                    format!("it is not of the form `p, {own}, RESOURCE, ACTION, OBJECT, allow`"),
                ));
                continue;
            };
            let path = ["action/", "update/", "delete/"].into_iter().any(|head| action.contains(head));
            let why = if *subject != own {
                format!("its subject must be `{own}`")
            } else if !RESOURCES.contains(resource) {
                format!("resources of projects are {}", RESOURCES.join(", "))
            } else if !(ACTIONS.contains(action) || path) {
                format!("`{action}` is no action that a role of a project may have")
            } else if !is_object_of(project, object) {
                format!("its object must be `{project}/NAME` or `{project}/NAMESPACE/NAME`, with stars where they help")
            } else if !matches!(*effect, "allow" | "deny") {
                "it ends neither with `allow` nor with `deny`".to_owned()
            } else {
                continue;
            };
            found.push((line.to_owned(), why));
        }
    }
    found
}

fn is_object_of(project: &str, object: &str) -> bool {
    let Some(rest) = object.strip_prefix(project).and_then(|rest| rest.strip_prefix('/')) else { return false };
    let parts: Vec<&str> = rest.split('/').collect();
    let fits = |part: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '_' | '-' | '.');
        !part.is_empty() && part.chars().all(plain)
    };
    parts.len() <= 2 && parts.iter().all(fits)
}

/// The lines of a text.
pub fn parse(text: &str, source: &Source) -> (Vec<Line>, Vec<Problem>) {
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    for (at, line) in text.split('\n').enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = at + 1;
        match rule(line) {
            Ok(rule) => lines.push(Line { source: source.clone(), number, text: line.to_owned(), rule }),
            Err(why) => problems.push(Problem { source: source.clone(), number, text: line.to_owned(), why }),
        }
    }
    (lines, problems)
}

fn rule(line: &str) -> Result<Rule, String> {
    let fields = csv(line)?;
    let first = fields.first().map(String::as_str).unwrap_or_default();
    match (first, fields.as_slice()) {
        ("p", [_, subject, resource, action, object, effect]) => Ok(Rule::Permission {
            subject: subject.clone(),
            resource: resource.clone(),
            action: action.clone(),
            object: object.clone(),
            effect: effect.clone(),
        }),
        ("g", [_, subject, role]) => Ok(Rule::Grant { subject: subject.clone(), role: role.clone() }),
        ("p", fields) => Err(format!(
            "it has {} fields, and a permission has six: `p, SUBJECT, RESOURCE, ACTION, OBJECT, allow`",
            fields.len()
        )),
        ("g", fields) => Err(format!("it has {} fields, and a grant has three: `g, SUBJECT, ROLE`", fields.len())),
        // The other sections of casbin's model have keys, too.
        ("r" | "e" | "m", _) => Ok(Rule::Nothing),
        (other, _) => Err(format!("lines begin with `p` or `g`, not with `{other}`")),
    }
}

/// The fields of one line, as Go reads it with `TrimLeadingSpace`: white space before a field goes, that after it stays.
fn csv(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut inside = quoted;
            loop {
                let Some((before, after)) = inside.split_once('"') else {
                    return Err("a quote is not closed".to_owned());
                };
                field.push_str(before);
                match after.strip_prefix('"') {
                    Some(more) => {
                        field.push('"');
                        inside = more;
                    }
                    None => {
                        inside = after;
                        break;
                    }
                }
            }
            fields.push(field);
            match inside.strip_prefix(',') {
                Some(more) => rest = more,
                None if inside.is_empty() => return Ok(fields),
                None => return Err("something follows a closing quote".to_owned()),
            }
            continue;
        }
        let (field, more) = match rest.split_once(',') {
            Some((field, more)) => (field, Some(more)),
            None => (rest, None),
        };
        if field.contains('"') {
            return Err("a quote stands inside a field".to_owned());
        }
        fields.push(field.to_owned());
        match more {
            Some(more) => rest = more,
            None => return Ok(fields),
        }
    }
}
