//! AppProjects: what their applications may use, where they may go and when, with Argo CD's rules.
//!
//! - [`Rules`]: a project compiled, and its answers ([`Refusal`] says which entry of which list refuses);
//! - [`windows`]: sync windows, judged for a moment that the caller names;
//! - [`globals`]: `globalProjects` of argocd-cm.
//!
//! Everything here is a function of declarations. Who asks (`resolve` for sources and destinations, `bundle` for objects, `apply` for
//! windows) says what a refusal leads to. Roles and RBAC, signatures and orphaned resources are not looked at.

mod cron;
mod permit;
mod rules;
mod url;
pub mod windows;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests read their tables")]
mod tests;

pub use permit::{Refusal, Target};
pub use rules::{Engine, Rules};

use std::borrow::Cow;

use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::k8s::selector::{Selector, Values};
use crate::span::{FileId, Spanned};
use crate::yaml::{self, Dialect, Limits, Node};

/// The project that exists in every Argo CD.
pub const DEFAULT: &str = "default";

/// An entry of `globalProjects`: projects that the selector chooses inherit from a project.
#[derive(Clone, Debug)]
pub struct Global {
    /// Name of the project that others inherit from.
    pub project: String,
    selector: Selector,
}

impl Global {
    /// Whether a project inherits: by its labels, and no project inherits from itself.
    pub fn concerns(&self, name: &str, label: impl Fn(&str) -> Option<Cow<'static, str>>) -> bool {
        self.project != name && self.selector.matches(label)
    }
}

/// Reads `globalProjects` of argocd-cm.
///
/// # Errors
/// It is no list of `{labelSelector, projectName}`. Argo CD logs that and lets nobody inherit, so that denials are lost.
pub fn globals(text: &Spanned<String>) -> Checked<Vec<Global>> {
    let wrong = |why: &str| {
        let message = format!("`globalProjects` of argocd-cm cannot be read: {why}");
        Diagnostics::from(
            Diagnostic::error("project/global", text.span, message)
                .hint("each entry is `{labelSelector: {…}, projectName: …}`"),
        )
    };
    let read = yaml::parse_strict(FileId::NONE, text.value.as_bytes(), Dialect::V2, &Limits::default());
    let documents = read.map_err(|_| wrong("it is no YAML"))?;
    let root = documents.into_iter().next().unwrap_or_else(Node::null);
    if root.is_null() {
        return Ok(Vec::new());
    }
    let items = root.as_seq().ok_or_else(|| wrong("it is no list"))?;
    let empty = Node::null();
    items
        .iter()
        .map(|item| {
            let selector = item.get("labelSelector").unwrap_or(&empty);
            let selector = Selector::read(selector, Values::Labels).map_err(|error| wrong(&error.message))?;
            let project = item.get("projectName").and_then(Node::as_str).unwrap_or_default().to_owned();
            Ok(Global { project, selector })
        })
        .collect()
}
