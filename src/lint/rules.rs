//! The rules of `fleetc lint`: each family of rules is a row of [`FAMILIES`], with the table of its rules and the function that applies them
//! to an object. A new family is a module with both, and a row here; the command, the configuration, suppressions and all reports take it from
//! there.

use super::Level;
use super::dangers;
use super::schema;
use super::subject::Subject;
use super::suppress;
use super::{admission, policy};
use crate::danger;
pub use crate::rule::Rule;
use crate::span::Span;

/// What a rule found in an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// Which rule.
    pub rule: &'static Rule,
    /// Name of the policy of the fleet or the cluster that it comes from, where there is one; it counts as what the policy says.
    pub policy: Option<(String, Level)>,
    /// The field, without the first dot; empty for the object itself.
    pub path: String,
    /// Where it was written; none where nobody knows.
    pub span: Span,
    /// Line and column in the text that is written there, from 1, where it is about a part of it.
    pub within: Option<(usize, usize)>,
    /// What is wrong, one sentence without the object's name.
    pub message: String,
    /// What to do here; the rule's own fix where there is none.
    pub hint: Option<String>,
}

impl Found {
    /// A finding about a field.
    pub fn new(rule: &'static Rule, path: impl Into<String>, span: Span, message: impl Into<String>) -> Found {
        Found { rule, policy: None, path: path.into(), span, within: None, message: message.into(), hint: None }
    }
}

/// Rules that belong together.
pub struct Family {
    /// Its rules, in the order in which they are listed.
    pub rules: &'static [Rule],
    /// Applies them to an object.
    pub check: fn(&Subject<'_>, &mut Vec<Found>),
}

/// All of them.
pub const FAMILIES: &[Family] = &[
    Family { rules: &schema::RULES, check: schema::check },
    // Policies are applied where it is known which of them are about an application.
    Family { rules: &policy::RULES, check: |_, _| {} },
    Family { rules: &admission::RULES, check: admission::check },
    Family { rules: &danger::RULES, check: dangers::check },
    // Applied where suppressions are read.
    Family { rules: &suppress::RULES, check: |_, _| {} },
];

/// All rules, in the order of their families.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().flat_map(|family| family.rules)
}

/// The rule of a name.
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.id == id)
}
