//! Whether an object is what an API server of some version would take: its fields, their types, what must be there, what values there are.
//!
//! [`built_in`](check) kinds are compared with tables of several minor versions ([`table`]), as Go decodes them and as the server's own checks
//! go on; custom ones with the structural schema of their CRD ([`crd`]). What only code of the server knows (that a selector matches its
//! template, that a name is free) is not looked at: a dry run tells. `status` is decoded but not judged further, since a server drops it.
//! Nothing here knows fleets, rules or severities, and no value of an object stands in a problem where the object is a Secret.

mod admitted;
pub mod apis;
pub mod crd;
mod decode;
mod format;
mod path;
mod structural;
pub mod table;
#[cfg(test)]
mod tests;

pub use admitted::{Admitted, admitted};
pub use decode::check;
pub use format::has_format;
pub use path::At;

use crate::span::Span;
use crate::yaml::{Node, Number};

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A field that the type does not have.
    UnknownField,
    /// A value of another type than the field has.
    WrongType,
    /// A field that must be there.
    MissingField,
    /// A value that is none of those that there are.
    UnknownValue,
    /// A value out of bounds: a pattern, a length, a range.
    BadValue,
    /// Two items of a list that are the same one to a server.
    DuplicateItem,
    /// A rule of the CRD, written in CEL, that does not hold.
    Rule,
}

/// Something that a server would not take.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// What kind.
    pub kind: Kind,
    /// Where in the object: `.spec.ports[0].port`, without the first dot; empty for the object itself.
    pub path: String,
    /// Where it was written; none for what was built.
    pub span: Span,
    /// What is wrong, one sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// The whole number that a node stands for: JSON has one kind of number, and Go prints 1.0 as 1.
fn whole(node: &Node) -> Option<i128> {
    match node.number()? {
        Number::Int(value) => Some(value.into()),
        Number::Uint(value) => Some(value.into()),
        Number::Float(value) if value.fract() == 0.0 && value.abs() < 1e18 =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "in range and without a fraction")]
            Some(value as i128)
        }
        Number::Float(_) => None,
    }
}
