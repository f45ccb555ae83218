//! Where keys are that fleet.yaml names: in a variable or a file, never in fleet.yaml itself. Nothing is read here.

use super::text;
use crate::diag::{Diagnostic, Diagnostics};
use crate::yaml::Node;

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a variable of the environment.
    Environment(String),
    /// In a file.
    File(String),
}

impl std::fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeyPlace::Environment(name) => write!(f, "the variable {name}"),
            KeyPlace::File(file) => write!(f, "the file `{file}`"),
        }
    }
}

/// `{environment: NAME}` or `{file: PATH}`.
pub(super) fn lower(node: Option<&Node>, found: &mut Diagnostics) -> Option<KeyPlace> {
    let node = node?;
    let field = |name: &str| node.get(name).and_then(text).filter(|text| !text.is_empty());
    match (field("environment"), field("file")) {
        (Some(name), None) => Some(KeyPlace::Environment(name)),
        (None, Some(file)) => Some(KeyPlace::File(file)),
        (both, _) => {
            let message = match both {
                Some(_) => "a key is in a variable or in a file, not in both",
                None => "this does not say where the key is",
            };
            let hint = "write `{environment: NAME}` or `{file: PATH}`";
            found.push(Diagnostic::error("read/key", node.span(), message).hint(hint));
            None
        }
    }
}
