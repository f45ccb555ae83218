//! Drift for people: per application on a cluster the objects that are not what was applied, field by field, with who holds them.

use super::{Detail, plural};
use crate::k8s::difference::ChangedField;
use crate::plan::survey::{ClusterState, Drift, DriftedField, Git, Standing, What};
use crate::report::{self, Line, Terminal, Tone};

/// What has drifted, as text.
pub fn drift(states: &[ClusterState], detail: Detail) -> String {
    let mut out = Terminal::new(detail.color);
    for state in states {
        for slice in &state.slices {
            let said = slice.has_drifted() || (detail.verbose && !slice.beside.is_empty());
            if said {
                self::slice(&mut out, &state.cluster, slice, detail);
            }
        }
    }
    for state in states {
        let cluster = &state.cluster;
        if let Some(why) = &state.failed {
            out.line(&Line::new(Tone::Alarm, 0, format!("cluster {cluster} could not be asked: {why}")));
        }
        for slice in &state.slices {
            if let Some(why) = &slice.failed {
                let text = format!("{} on {cluster} could not be looked at: {why}", slice.application);
                out.line(&Line::new(Tone::Alarm, 0, text));
            }
        }
        let notes = state.notes.iter().filter(|_| detail.verbose || !state.identity.is_empty());
        notes.for_each(|note| out.line(&Line::new(Tone::Plain, 0, format!("{cluster}: {note}"))));
    }
    out.line(&Line::new(Tone::Plain, 0, summary(states)));
    out.into_text()
}

fn slice(out: &mut Terminal, cluster: &str, slice: &Standing, detail: Detail) {
    let applied = slice.record.as_ref().and_then(|record| record.history.iter().find(|one| one.well));
    let when = applied.map(|one| format!(", applied {} by {}", one.at, one.by)).unwrap_or_default();
    let more = match &slice.git {
        Git::Pending(_) => "; the fleet says something else by now",
        Git::Gone => "; it is no longer declared there",
        _ => "",
    };
    out.heading(&format!("{} on {cluster}{when}{more}", slice.application));
    for drift in &slice.drifts {
        object(out, drift, detail.verbose);
    }
    if detail.verbose {
        for (object, text) in &slice.beside {
            out.line(&Line::new(Tone::Plain, 1, format!("= {object}: {text}")));
        }
    }
    out.blank();
}

fn object(out: &mut Terminal, drift: &Drift, verbose: bool) {
    let (tone, sign) = match drift.what {
        What::Missing | What::Going => (Tone::Minus, '-'),
        What::Extra => (Tone::Plus, '+'),
        What::Replaced | What::Changed => (Tone::Change, '~'),
    };
    let why = if drift.why.is_empty() { String::new() } else { format!(" ({})", drift.why) };
    out.line(&Line::new(tone, 1, format!("{sign} {} {}{why}", drift.what.name(), drift.object)));
    for field in &drift.fields {
        self::field(out, field, verbose);
    }
    // Who took something away is nowhere on record; who wrote last may be the one.
    let unknown = drift.fields.is_empty() || drift.fields.iter().any(|field| field.by.is_empty());
    if let Some(last) = drift.last.as_ref().filter(|_| unknown) {
        out.line(&Line::new(Tone::Plain, 2, format!("last written by {last}")));
    }
}

fn field(out: &mut Terminal, field: &DriftedField, verbose: bool) {
    if field.known {
        let change =
            ChangedField { path: field.path.clone(), before: field.applied.clone(), after: field.live.clone() };
        let mut text = Vec::new();
        report::field(&change, verbose, &mut text);
        text.iter().for_each(|line| out.line(line));
    } else {
        let live = field.live.as_ref().map(|live| format!(": {}", report::value(live, verbose))).unwrap_or_default();
        out.line(&Line::new(Tone::Change, 2, format!("~ {}{live}", field.path)));
    }
    for writer in &field.by {
        // The API server records no time of writes through `scale`.
        let when = if writer.time.is_empty() { ", when is not on record" } else { "" };
        out.line(&Line::new(Tone::Plain, 3, format!("by {writer}{when}")));
    }
}

/// `3 objects of 2 applications have drifted; 40 applications are as they were applied; 1 cluster could not be asked`.
fn summary(states: &[ClusterState]) -> String {
    let slices = || states.iter().flat_map(|state| &state.slices);
    let drifted: Vec<&Standing> = slices().filter(|slice| slice.has_drifted()).collect();
    let objects: usize = drifted.iter().map(|slice| slice.drifts.len()).sum();
    let count =
        |which: &dyn Fn(&&Standing) -> bool| slices().filter(|slice| !slice.has_drifted()).filter(which).count();
    let never = count(&|slice| slice.record.is_none() && slice.failed.is_none());
    let same = count(&|slice| slice.record.is_some() && slice.failed.is_none());
    let failed = count(&|slice| slice.failed.is_some());
    let mut parts = Vec::new();
    if objects > 0 {
        let (of, have) = (plural(drifted.len(), "application"), if objects == 1 { "has" } else { "have" });
        parts.push(format!("{} of {of} {have} drifted", plural(objects, "object")));
    }
    let is = |number: usize| if number == 1 { "is as it was" } else { "are as they were" };
    parts.push(format!("{} {} applied", plural(same, "application"), is(same)));
    if never > 0 {
        parts.push(format!("{} never applied", plural(never, "application")));
    }
    if failed > 0 {
        parts.push(format!("{} could not be looked at", plural(failed, "application")));
    }
    let away = states.iter().filter(|state| state.failed.is_some()).count();
    if away > 0 {
        parts.push(format!("{} could not be asked", plural(away, "cluster")));
    }
    parts.join("; ")
}
