//! Who may do what: lines against a question.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::policy::{Line, Mode, Rule};
use crate::k8s::glob::Glob;

/// Grants that are followed one after another (casbin's default role manager).
const STEPS: usize = 10;

/// An answer, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The line that decided; none where none speaks of it.
    pub by: Option<usize>,
    /// Whether the default role decided.
    pub by_default: bool,
    /// A pattern that cannot be read stood in the way.
    pub broken: Option<usize>,
}

enum Pattern {
    Glob(Option<Glob>),
    Regex(Option<Regex>),
}

impl Pattern {
    fn new(text: &str, mode: Mode) -> Pattern {
        match mode {
            Mode::Glob => Pattern::Glob(Glob::new(text, "")),
            Mode::Regex => Pattern::Regex(Regex::new(text).ok()),
        }
    }

    /// Whether it matches; `None` for a regular expression that is none. A glob that is none matches nothing.
    fn matches(&self, text: &str) -> Option<bool> {
        match self {
            Pattern::Glob(glob) => Some(glob.as_ref().is_some_and(|glob| glob.matches(text))),
            Pattern::Regex(regex) => regex.as_ref().map(|regex| regex.is_match(text)),
        }
    }
}

struct Permission {
    line: usize,
    subject: String,
    patterns: [Pattern; 3],
    effect: String,
}

/// The lines of a policy, ready for questions.
pub struct Enforcer {
    permissions: Vec<Permission>,
    grants: BTreeMap<String, BTreeSet<String>>,
    default_role: String,
}

impl std::fmt::Debug for Enforcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enforcer").field("permissions", &self.permissions.len()).finish_non_exhaustive()
    }
}

impl Enforcer {
    /// From the lines of all sources, in their order.
    pub fn new(lines: &[Line], default_role: &str, mode: Mode) -> Enforcer {
        let mut enforcer =
            Enforcer { permissions: Vec::new(), grants: BTreeMap::new(), default_role: default_role.to_owned() };
        for (at, line) in lines.iter().enumerate() {
            match &line.rule {
                Rule::Permission { subject, resource, action, object, effect } => {
                    let patterns = [resource, action, object].map(|text| Pattern::new(text, mode));
                    let (subject, effect) = (subject.clone(), effect.clone());
                    enforcer.permissions.push(Permission { line: at, subject, patterns, effect });
                }
                Rule::Grant { subject, role } => {
                    enforcer.grants.entry(subject.clone()).or_default().insert(role.clone());
                }
                Rule::Nothing => {}
            }
        }
        enforcer
    }

    /// Everything that a subject is: itself and the roles it reaches.
    pub fn roles(&self, subject: &str) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let mut now: BTreeSet<&str> = BTreeSet::new();
        // A subject that is asked for need not be in the policy at all.
        for _ in 0..STEPS {
            let next: BTreeSet<&str> = match found.is_empty() && now.is_empty() {
                true => self.grants.get(subject).into_iter().flatten().map(String::as_str).collect(),
                false => now.iter().filter_map(|role| self.grants.get(*role)).flatten().map(String::as_str).collect(),
            };
            if next.is_empty() {
                break;
            }
            found.extend(&next);
            now = next;
        }
        found
    }

    /// Whether a subject may do something.
    pub fn ask(&self, subject: &str, resource: &str, action: &str, object: &str) -> Verdict {
        if !self.default_role.is_empty() {
            let verdict = self.decide(&self.default_role, resource, action, object);
            if verdict.allowed {
                return Verdict { by_default: true, ..verdict };
            }
        }
        self.decide(subject, resource, action, object)
    }

    fn decide(&self, subject: &str, resource: &str, action: &str, object: &str) -> Verdict {
        let roles = self.roles(subject);
        let mut verdict = Verdict { allowed: false, by: None, by_default: false, broken: None };
        for permission in &self.permissions {
            if permission.subject != subject && !roles.contains(permission.subject.as_str()) {
                continue;
            }
            let mut all = true;
            for (pattern, text) in permission.patterns.iter().zip([resource, action, object]) {
                match pattern.matches(text) {
                    Some(true) => {}
                    Some(false) => {
                        all = false;
                        break;
                    }
                    // Argo CD gives up the whole question.
                    None => {
                        return Verdict { allowed: false, by: None, by_default: false, broken: Some(permission.line) };
                    }
                }
            }
            if !all {
                continue;
            }
            match permission.effect.as_str() {
                "deny" => {
                    return Verdict { allowed: false, by: Some(permission.line), by_default: false, broken: None };
                }
                "allow" if !verdict.allowed => (verdict.allowed, verdict.by) = (true, Some(permission.line)),
                _ => {}
            }
        }
        verdict
    }
}
