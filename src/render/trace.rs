//! What happened to an object during a traced render: each step with the object before and after it. Nodes are shared, so that a step costs
//! two reference counts and what it changed. Which fields a step changed is found by comparing, where somebody asks.

use crate::span::Span;
use crate::yaml::Node;

/// A step that made or changed an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Kind of step, as the field of a kustomization is called where there is one: `patch`, `images`, `namespace`, `name hash`…
    pub what: &'static str,
    /// Which of its kind: the path of a patch, the name of an image; may be empty.
    pub detail: String,
    /// The entry that asked for it; none for steps that nobody asks for.
    pub span: Span,
    /// Whether the entry is an edit in the Application, not in the kustomization.
    pub by_application: bool,
    /// The object before; `None` for the step that made it.
    pub before: Option<Node>,
    /// The object after.
    pub after: Node,
}
