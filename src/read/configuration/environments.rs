//! `environments` of fleet.yaml, lowered: names are unique, those in `from` exist, and each says which clusters or applications it has.

use super::{items, lint, spanned, strings_at};
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::read::environments::Environment;
use crate::rollout::time;
use crate::yaml::Node;

/// The longest that something must have been in an environment: a year.
const LONGEST: u64 = 365 * 24 * 3_600_000;

/// Reads the entries.
pub(super) fn lower(document: &Node, found: &mut Diagnostics) -> Vec<Environment> {
    let mut environments: Vec<Environment> = Vec::new();
    for node in items(document, "environments") {
        let Some(name) = node.get("name").and_then(spanned) else { continue };
        if let Some(first) = environments.iter().find(|other| *other.name == *name) {
            let error =
                Diagnostic::error("read/duplicate", name.span, format!("two environments are called `{}`", *name));
            found.push(error.label(first.name.span, "the first one"));
            continue;
        }
        let chooses = ["clusters", "selector", "applications"].iter().any(|field| node.get(field).is_some());
        if !chooses {
            let message = format!("the environment `{}` is all clusters and applications", *name);
            let error = Diagnostic::error("read/environments", node.span(), message);
            found.push(
                error.hint("say which: `selector: {matchLabels: {…}}`, `clusters: [GLOB]` or `applications: [GLOB]`"),
            );
        }
        environments.push(Environment {
            clusters: lint::clusters(node, found),
            applications: lint::globs(node, "applications", found),
            from: node.get("from").and_then(strings_at).unwrap_or_default(),
            soak: soak(node, found),
            span: node.span(),
            name,
        });
    }
    for from in environments.iter().flat_map(|environment| &environment.from) {
        let names = || environments.iter().map(|environment| environment.name.as_str());
        if names().all(|name| name != from.as_str()) {
            let message = format!("there is no environment `{}`", **from);
            let error = Diagnostic::error("read/environments", from.span, message);
            found.push(did_you_mean(from, names()).into_iter().fold(error, Diagnostic::hint));
        }
    }
    environments
}

fn soak(node: &Node, found: &mut Diagnostics) -> u64 {
    let Some(written) = node.get("soak") else { return 0 };
    let Some(text) = written.as_str() else { return 0 };
    match time(text).filter(|millis| *millis <= LONGEST) {
        Some(millis) => millis,
        None => {
            let message = format!("`{text}` is no span of time up to a year");
            let error = Diagnostic::error("read/environments", written.span(), message);
            found.push(error.hint("write `30m`, `24h` or `168h`"));
            0
        }
    }
}
