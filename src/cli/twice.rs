//! `fleetc check --twice`: renders everything twice, with other randomness and at another time, and says what is not the same.
//!
//! What may not have randomness and clock otherwise gets made-up ones here, so that all that depends on them is found in one run, not the
//! first call only. Values of Secrets are not shown.

use std::collections::BTreeSet;
use std::sync::Arc;

use fleetc::compile::Compiled;
use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::explain;
use fleetc::render::{self, Rendered, Resource, Tools};
use fleetc::resolve::Job;
use fleetc::span::Span;
use fleetc::yaml::emit;
use rustc_hash::FxHashSet;

use super::session::Session;

/// Everything that differs between two renders.
pub(crate) fn differences(session: &Session, compiled: &Compiled) -> Diagnostics {
    let mut jobs: Vec<(Arc<Job>, String)> = Vec::new();
    let mut seen = FxHashSet::default();
    for unit in &compiled.units {
        for job in unit.sources.iter().flatten().filter_map(|source| source.job.as_ref()) {
            if seen.insert(Arc::clone(job)) {
                jobs.push((Arc::clone(job), unit.unit.application.key.to_string()));
            }
        }
    }
    let tools = |number: u64| {
        let mut tools = session.fresh_tools();
        tools.helm.randomness.trial = Some(number);
        tools
    };
    let (first, second) = (tools(1), tools(2));
    let found = session.pool.map(&jobs, &|(job, application)| {
        let render = |tools: &Tools| render::render(job, &session.world, tools).ok();
        // What fails is said by the build.
        let (Some(first), Some(second)) = (render(&first), render(&second)) else { return Vec::new() };
        compare(&first, &second, application)
    });
    let mut said = BTreeSet::new();
    let all = found.into_iter().flatten();
    Diagnostics(all.filter(|found| said.insert((found.message.clone(), found.span.start))).collect())
}

fn compare(first: &Rendered, second: &Rendered, application: &str) -> Vec<Diagnostic> {
    let error = |span: Span, message: String| {
        Diagnostic::error("check/twice", span, message)
            .cause(Cause::Answer)
            .trace(Span::NONE, format!("in two renders of `{application}`"))
            .hint("give the value, or let it follow from a key: `nondeterminism: derive` under `applications` in fleet.yaml")
    };
    let named = |resource: &Resource| explain::spelled(&resource.body);
    let mut found = Vec::new();
    for (one, other) in first.resources.iter().zip(&second.resources) {
        let (name, span) = (named(one), one.origin.span);
        if name != named(other) {
            found.push(error(span, format!("{name} is {} another time", named(other))));
            continue;
        }
        if one.body == other.body {
            continue;
        }
        let (text, again) = (emit::to_yaml(&one.body), emit::to_yaml(&other.body));
        let line = text.lines().zip(again.lines()).position(|(a, b)| a != b).map_or(0, |at| at + 1);
        let fields: Vec<String> =
            explain::changes(&one.body, &other.body).iter().map(|change| format!("`{}`", change.path)).collect();
        let more = if fields.len() > 3 { format!(" and {} more fields", fields.len() - 3) } else { String::new() };
        let fields = fields.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let shown = |text: &str| text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim().to_owned();
        let lines = if explain::masked(&one.body) == one.body {
            format!("line {line} is `{}`, then `{}`", shown(&text), shown(&again))
        } else {
            format!("line {line} differs")
        };
        found.push(error(span, format!("{name} is not the same twice: {lines}, in {fields}{more}")));
    }
    let (one, other) = (first.resources.len(), second.resources.len());
    if one != other {
        found.push(error(Span::NONE, format!("there are {one} objects, and {other} another time")));
    }
    found
}
