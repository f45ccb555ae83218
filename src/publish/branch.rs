//! Where a fleet is published: `BRANCH` or `URL#BRANCH`, where the branch may be a minijinja template over the labels of clusters.
//!
//! A label that a cluster does not have is an error, and so is a name that git would not take: no cluster is published to a branch that
//! nobody meant.

use std::collections::BTreeMap;

use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::span::Span;

/// What `--to` or `publish.to` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The repository; `None` for the fleet's own.
    pub url: Option<String>,
    /// The branch, or its template.
    pub branch: String,
}

impl Target {
    /// Reads it.
    ///
    /// # Errors
    /// It names no branch.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (url, branch) = match text.split_once('#') {
            Some((url, branch)) => (Some(url.to_owned()), branch),
            None => (None, text),
        };
        if branch.trim().is_empty() {
            return Err(format!("`{text}` names no branch: write BRANCH or URL#BRANCH, as in `…/rendered.git#main`"));
        }
        let looks = branch.contains("://") || branch.starts_with(['/', '.']) || branch.contains(':');
        if url.is_none() && looks && !branch.contains("{{") {
            return Err(format!(
                "`{text}` looks like a repository: name the branch behind it, as in `{text}#rendered`"
            ));
        }
        if url.as_ref().is_some_and(|url| url.trim().is_empty()) {
            return Err(format!("`{text}` names no repository: write BRANCH or URL#BRANCH"));
        }
        Ok(Target { url, branch: branch.strip_prefix("refs/heads/").unwrap_or(branch).to_owned() })
    }
}

/// A template for the branch of each cluster.
pub struct Branches<'a> {
    environment: minijinja::Environment<'a>,
    text: String,
}

const NAME: &str = "branch";

impl Branches<'_> {
    /// Reads the template.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Checked<Self> {
        let mut environment = minijinja::Environment::empty();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        for (name, filter) in [("lower", str::to_lowercase as fn(&str) -> String), ("upper", str::to_uppercase)] {
            environment.add_filter(name, move |text: String| filter(&text));
        }
        environment.add_filter("default", |value: minijinja::Value, other: String| {
            if value.is_undefined() || value.as_str() == Some("") { minijinja::Value::from(other) } else { value }
        });
        environment.set_fuel(Some(100_000));
        environment.add_template_owned(NAME.to_owned(), text.to_owned()).map_err(|error| {
            let message = format!("the branch `{text}` is no template: {}", reason(&error));
            Diagnostic::error("publish/branch", Span::NONE, message)
        })?;
        Ok(Branches { environment, text: text.to_owned() })
    }

    /// Whether all clusters share one branch.
    pub fn is_one(&self) -> bool {
        !self.text.contains("{{") && !self.text.contains("{%")
    }

    /// The branch of a cluster.
    ///
    /// # Errors
    /// A label that it names is not there, or the name is not one of a branch.
    pub fn of(&self, name: &str, server: &str, labels: &BTreeMap<String, String>) -> Checked<String> {
        let refuse = |why: String| {
            let message = format!("no branch for the cluster `{name}`: {why}");
            Diagnostics::from(Diagnostic::error("publish/branch", Span::NONE, message).hint(format!(
                "`{}` knows the labels of the cluster by their names, `cluster.name`, `cluster.server` and `cluster.labels`",
                self.text
            )))
        };
        let values = labels.iter().map(|(key, value)| (key.clone(), minijinja::Value::from(value.clone())));
        let mut values: BTreeMap<String, minijinja::Value> = values.collect();
        values.insert("cluster".to_owned(), minijinja::context! { name, server, labels });
        let rendered = self.environment.get_template(NAME).and_then(|template| template.render(values));
        let branch = rendered.map_err(|error| refuse(reason(&error)))?;
        match branch_problem(&branch) {
            Some(why) => Err(refuse(format!("`{}` {why}", branch.escape_debug()))),
            None => Ok(branch),
        }
    }
}

fn reason(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), str::to_owned)
}

/// Why a name is not one of a branch (`git check-ref-format --branch`).
pub fn branch_problem(name: &str) -> Option<&'static str> {
    let part_wrong = |part: &str| part.starts_with('.') || part.ends_with(".lock");
    if name.is_empty() {
        Some("is empty")
    } else if name.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c)) {
        Some("has a character that no branch may have")
    } else if name.starts_with('/') || name.ends_with('/') || name.contains("//") {
        Some("has an empty part")
    } else if name.contains("..") || name.ends_with('.') || name.split('/').any(part_wrong) {
        Some("has dots, or `.lock`, where no branch may have them")
    } else if name.starts_with('-') || name == "@" || name == "HEAD" || name.contains("@{") {
        Some("means something else to git")
    } else {
        None
    }
}
