//! What differs between two environments, for people: by application, what moves first, and why the rest stays.

use std::collections::BTreeMap;

use super::{Comparison, Decided, Difference, Kind, Side, State};
use crate::report::{Detail, Line, NAMES, Terminal, Tone, listed, plural};
use crate::span::{SourceMap, Span};

/// `staging → prod: 15 differences in api, cache, web (8 applications compared), 2 to move`.
pub fn summary(from: &str, to: &str, comparison: &Comparison) -> String {
    let mut differing: Vec<&str> = comparison.differences.iter().map(|one| one.application.as_str()).collect();
    differing.dedup();
    let moves = comparison.differences.iter().filter(|one| one.state == State::Moves).count();
    let compared = plural(comparison.compared, "application");
    match (comparison.compared, comparison.differences.len()) {
        (0, _) => format!("{from} → {to}: the environments have no application in common"),
        (_, 0) => format!("{from} → {to}: nothing differs in {compared}"),
        (_, all) => {
            let names = listed(differing.iter().map(|name| (*name).to_owned()).collect(), NAMES);
            format!("{from} → {to}: {} in {names} ({compared} compared), {moves} to move", plural(all, "difference"))
        }
    }
}

/// The differences.
pub fn human(from: &str, to: &str, comparison: &Comparison, sources: &SourceMap, detail: Detail) -> String {
    let mut out = Terminal::new(detail.color);
    out.heading(&summary(from, to, comparison));
    let mut by_application: BTreeMap<&str, Vec<&Difference>> = BTreeMap::new();
    for difference in &comparison.differences {
        by_application.entry(&difference.application).or_default().push(difference);
    }
    for (application, differences) in by_application {
        out.blank();
        out.heading(application);
        let (moves, rest): (Vec<&Difference>, Vec<&Difference>) =
            differences.into_iter().partition(|difference| difference.state == State::Moves);
        for difference in moves {
            for line in lines(difference, sources, detail) {
                out.line(&line);
            }
        }
        let mut folded: BTreeMap<Kind, usize> = BTreeMap::new();
        for difference in rest {
            if difference.state == State::NotChosen && !detail.verbose {
                *folded.entry(difference.kind).or_default() += 1;
                continue;
            }
            for line in lines(difference, sources, detail) {
                out.line(&line);
            }
        }
        for (kind, count) in folded {
            let text =
                format!("= {} not chosen (`--only {}`; `--verbose` lists)", plural(count, kind.one()), kind.name());
            out.line(&Line::new(Tone::Plain, 1, text));
        }
    }
    for (names, environment) in [(&comparison.only_from, from), (&comparison.only_to, to)] {
        if !names.is_empty() {
            let most = if detail.verbose { usize::MAX } else { NAMES };
            out.blank();
            out.heading(&format!("only in {environment}: {}", listed(names.clone(), most)));
        }
    }
    out.into_text()
}

/// `~ image api 1.0 → 1.1 (2 clusters: a, b)`, and where.
fn lines(difference: &Difference, sources: &SourceMap, detail: Detail) -> Vec<Line> {
    let shown = |side: &Option<Side>| match side {
        Some(side) => value(difference, side),
        None => "(none)".to_owned(),
    };
    let (tone, sign) = match (&difference.state, &difference.to) {
        (State::Moves, Some(_)) => (Tone::Change, '~'),
        (State::Moves, None) => (Tone::Plus, '+'),
        _ => (Tone::Plain, '='),
    };
    let change = if difference.kind == Kind::Overlays {
        String::new()
    } else {
        format!(": {} → {}", shown(&difference.to), shown(&difference.from))
    };
    let most = if detail.verbose { usize::MAX } else { NAMES };
    let on = match difference.clusters.as_slice() {
        [one] => one.clone(),
        several => format!("{}: {}", plural(several.len(), "cluster"), listed(several.to_vec(), most)),
    };
    let head = format!("{sign} {} {}{change}  ({on})", difference.kind.one(), difference.name);
    let mut lines = vec![Line::new(tone, 1, head)];
    match &difference.state {
        State::Moves => {
            let to = difference.target.as_ref().map(|(place, span)| at(&place.file.to_string(), *span, sources));
            let from = difference.from.as_ref().and_then(|side| match &side.decided {
                Decided::At(place, span) => Some(at(&place.file.to_string(), *span, sources)),
                Decided::Elsewhere(_) => None,
            });
            let from = from.map(|from| format!(", from {from}")).unwrap_or_default();
            lines.extend(to.map(|to| Line::new(Tone::Plain, 2, format!("in {to}{from}"))));
        }
        State::NotChosen => {
            lines.push(Line::new(Tone::Plain, 2, "not chosen"));
        }
        State::Stays(why) => lines.push(Line::new(Tone::Plain, 2, format!("stays: {why}"))),
    }
    lines
}

/// Words in names of values that nobody should read.
const SECRETS: [&str; 6] = ["password", "passwd", "secretkey", "token", "apikey", "privatekey"];

/// A value for people and programs; one that its name says is secret is not shown.
pub fn value(difference: &Difference, side: &Side) -> String {
    let name: String = difference.name.to_lowercase().chars().filter(|c| c.is_alphanumeric() || *c == '.').collect();
    let last = name.rsplit('.').next().unwrap_or_default();
    if difference.kind == Kind::Values && SECRETS.iter().any(|word| last.contains(word)) {
        return "(secret)".to_owned();
    }
    side.value.shown()
}

/// `file:line:column`; the file alone where nothing stands yet.
pub fn at(file: &str, span: Span, sources: &SourceMap) -> String {
    match sources.locate(span) {
        Some(place) => format!("{file}:{}:{}", place.line, place.column),
        None => file.to_owned(),
    }
}
