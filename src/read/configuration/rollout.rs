//! `rollout` of fleet.yaml: in which waves changes go over clusters.
//!
//! Amounts and times are read, and what contradicts itself is refused; whether the clusters exist is found out when they are known
//! (`crate::rollout::check`).

use super::{items, spanned, text};
use crate::diag::{Diagnostic, Diagnostics};
use crate::k8s::glob::Glob;
use crate::k8s::selector::{Selector, Values};
use crate::rollout::{Amount, Rule, WaveRule, time};
use crate::span::Spanned;
use crate::yaml::{Node, Tag};

/// The longest that a wave soaks or the work on a cluster takes: a week.
const LONGEST: u64 = 7 * 24 * 3_600_000;

/// Reads the entries, the one after the other; an entry without a name is called after its place.
pub(super) fn lower(document: &Node, found: &mut Diagnostics) -> Vec<Rule> {
    let entries = items(document, "rollout");
    let mut rules: Vec<Rule> = Vec::new();
    for (at, node) in entries.iter().enumerate() {
        let unnamed = if entries.len() == 1 { "rollout".to_owned() } else { format!("rollout {}", at + 1) };
        let name = node.get("name").and_then(text).filter(|name| !name.is_empty()).unwrap_or(unnamed);
        if let Some(first) = rules.iter().find(|rule| rule.name == name) {
            let span = node.get("name").map_or(node.span(), Node::span);
            let error = Diagnostic::error("read/duplicate", span, format!("two rollouts are called `{name}`"));
            found.push(error.label(first.span, "the first one"));
        }
        rules.push(Rule {
            name,
            applications: globs(node, "applications", found).into_iter().map(|glob| glob.value).collect(),
            projects: globs(node, "projects", found).into_iter().map(|glob| glob.value).collect(),
            failures: amount(node, "maxFailures", found),
            timeout: millis(node, "timeout", found).filter(|millis| *millis > 0),
            waves: waves(node, found),
            span: node.span(),
        });
    }
    rules
}

/// The waves; where none of them is the rest, one at the end is, without bounds of its own.
fn waves(rule: &Node, found: &mut Diagnostics) -> Vec<WaveRule> {
    let entries = items(rule, "waves");
    let mut waves: Vec<WaveRule> = Vec::new();
    for (at, node) in entries.iter().enumerate() {
        let wave = wave(node, found);
        if wave.rest && at + 1 < entries.len() {
            let message = "a wave without `clusters` and `selector` has all that no other one has, so it is the last";
            let error = Diagnostic::error("read/rollout", node.span(), message);
            found.push(error.hint("say which clusters are in it, or move it to the end"));
        }
        let same = waves.iter().find(|other| !wave.name.is_empty() && other.name == wave.name);
        if let Some(same) = same {
            let message = format!("two waves are called `{}`", wave.name);
            found.push(Diagnostic::error("read/duplicate", node.span(), message).label(same.span, "the first one"));
        }
        waves.push(wave);
    }
    if !waves.last().is_some_and(|last| last.rest) {
        waves.push(WaveRule {
            name: "rest".to_owned(),
            clusters: Vec::new(),
            selector: None,
            rest: true,
            at_once: None,
            failures: None,
            soak: 0,
            pause: false,
            health: true,
            span: rule.span(),
        });
    }
    waves
}

fn wave(node: &Node, found: &mut Diagnostics) -> WaveRule {
    let clusters = globs(node, "clusters", found);
    let selector = node.get("selector").filter(|selector| !selector.is_null());
    let name = node.get("name").and_then(text).unwrap_or_default();
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        let span = node.get("name").map_or(node.span(), Node::span);
        let message = format!("a wave cannot be called `{name}`: by numbers waves are counted");
        found.push(Diagnostic::error("read/rollout", span, message));
    }
    let at_once = amount(node, "maxUpdate", found);
    if let (Some(most), Some(written)) = (at_once, node.get("maxUpdate"))
        && most.is_zero()
    {
        let message = "with `maxUpdate` 0 no cluster of this wave is ever updated";
        let error = Diagnostic::error("read/rollout", written.span(), message);
        found.push(error.hint("write `pause: true` into the wave before it, where somebody is to be asked"));
    }
    WaveRule {
        name,
        rest: clusters.is_empty() && selector.is_none() && items(node, "clusters").is_empty(),
        clusters,
        selector: selector
            .and_then(|selector| found.take(Selector::read(selector, Values::Labels).map_err(|one| (*one).into()))),
        at_once,
        failures: amount(node, "maxFailures", found),
        soak: millis(node, "soak", found).unwrap_or(0),
        pause: node.get("pause").and_then(Node::as_bool) == Some(true),
        health: node.get("health").and_then(Node::as_bool) != Some(false),
        span: node.span(),
    }
}

fn globs(node: &Node, field: &str, found: &mut Diagnostics) -> Vec<Spanned<Glob>> {
    let mut globs = Vec::new();
    for written in items(node, field).iter().filter_map(spanned) {
        match Glob::new(&written, "") {
            Some(glob) => globs.push(Spanned::new(glob, written.span)),
            None => {
                found.push(Diagnostic::error("read/glob", written.span, format!("`{}` is no glob", *written)));
            }
        }
    }
    globs
}

fn amount(node: &Node, field: &str, found: &mut Diagnostics) -> Option<Amount> {
    let written = node.get(field).filter(|node| !node.is_null())?;
    // Here a number in quotes can only mean the number.
    let amount = Amount::read(written).or_else(|| Amount::parse(written.as_str()?));
    if amount.is_none() && matches!(written.tag(), Some(Tag::Int | Tag::Str)) {
        let message = format!("`{}` is no number and no percent", written.text().unwrap_or_default());
        found.push(Diagnostic::error("read/rollout", written.span(), message).hint("write `3` or `25%`"));
    }
    amount
}

fn millis(node: &Node, field: &str, found: &mut Diagnostics) -> Option<u64> {
    let written = node.get(field)?;
    let text = written.as_str()?;
    let millis = time(text).filter(|millis| *millis <= LONGEST);
    if millis.is_none() {
        let message = format!("`{text}` is no span of time up to a week");
        let error = Diagnostic::error("read/rollout", written.span(), message);
        found.push(error.hint("write `90s`, `10m` or `1h30m`"));
    }
    millis
}
