//! A comparison for people: what is dangerous first, equal changes once, what says nothing folded to a line, everything counted.

mod markdown;
mod terminal;

use std::collections::{BTreeMap, BTreeSet};

use super::{ApplicationChange, Change, Comparison, Place, What};
use crate::report::{Detail, Line, NAMES, Tone, field, listed, pattern, places, plural};

pub use markdown::markdown;
#[cfg(test)]
pub(super) use markdown::within;
pub use terminal::human;

/// Changes that stand under one heading, since they are on the same places.
struct Group<'c> {
    places: &'c [Place],
    changes: Vec<&'c Change>,
}

/// The changes that are shown in full, by their places, in the order of the first of each.
fn groups(comparison: &Comparison, detail: Detail) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known: BTreeMap<&[Place], usize> = BTreeMap::new();
    let shown =
        |change: &&Change| detail.verbose || (change.noise.is_none() && (!change.whole || !change.dangers.is_empty()));
    for change in comparison.changes.iter().filter(shown) {
        let at = *known.entry(&change.places).or_insert_with(|| {
            groups.push(Group { places: &change.places, changes: Vec::new() });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(at) {
            group.changes.push(change);
        }
    }
    groups
}

/// `web on 214 clusters: a, b and 212 more`.
fn heading(of: &[Place], detail: Detail) -> String {
    let named: Vec<(String, &str)> = of.iter().map(|place| (place.application.to_string(), &*place.cluster)).collect();
    places(&named, most(detail))
}

fn most(detail: Detail) -> usize {
    if detail.verbose { usize::MAX } else { NAMES }
}

/// The lines of a change.
fn lines(change: &Change, detail: Detail) -> Vec<Line> {
    let (tone, sign) = match change.what {
        What::Come => (Tone::Plus, '+'),
        What::Go => (Tone::Minus, '-'),
        What::Change | What::Rename { .. } | What::Move { .. } => (Tone::Change, '~'),
    };
    let mut head = format!("{sign} {} {}", change.what.name(), objects(change, detail));
    match &change.what {
        What::Rename { from } => head.push_str(&format!(" (was {from})")),
        What::Move { from } => {
            let from = match change.places.as_slice() {
                [first, _, ..] => pattern(&from.to_string(), &first.cluster),
                _ => from.to_string(),
            };
            head.push_str(&format!(" (from the application {from})"));
        }
        What::Come | What::Go | What::Change => {}
    }
    if change.whole {
        head.push_str(" with its application");
    }
    if change.variants > 1 && !change.fields.is_empty() {
        head.push_str(&format!(", with {} sets of values, such as", change.variants));
    }
    let mut lines = vec![Line::new(tone, 1, head)];
    lines.extend(change.dangers.iter().map(|why| Line::new(Tone::Alarm, 2, format!("! danger: {why}"))));
    if detail.verbose {
        let suppressed = change.dangers.suppressed.iter();
        lines.extend(suppressed.map(|why| Line::new(Tone::Plain, 2, format!("= suppressed: {why}"))));
    }
    lines.extend(change.noise.iter().map(|why| Line::new(Tone::Plain, 2, format!("= {why}"))));
    for changed in &change.fields {
        field(changed, detail.verbose, &mut lines);
    }
    lines
}

/// `Deployment.apps shop/web`, or kind, number and names.
fn objects(change: &Change, detail: Detail) -> String {
    let Some(first) = change.objects.first() else { return String::new() };
    if change.objects.len() == 1 {
        return first.to_string();
    }
    let kind = match first.group.as_str() {
        "" => first.kind.to_string(),
        group => format!("{}.{group}", first.kind),
    };
    let name = |object: &crate::bundle::ObjectRef| match object.namespace.as_str() {
        "" => object.name.to_string(),
        namespace => format!("{namespace}/{}", object.name),
    };
    let same = change.objects.iter().all(|object| object.name == first.name);
    if same && !detail.verbose {
        return format!("{kind} {} in {}", first.name, plural(change.objects.len(), "namespace"));
    }
    let names = change.objects.iter().map(name).collect();
    format!("{kind} ({}): {}", plural(change.objects.len(), "object"), listed(names, most(detail)))
}

/// An application that comes, leaves, or is set otherwise.
fn application(change: &ApplicationChange, detail: Detail) -> Vec<Line> {
    let (tone, sign, what) = match change.what {
        What::Come => (Tone::Plus, '+', "comes"),
        What::Go => (Tone::Minus, '-', "leaves"),
        What::Change | What::Rename { .. } | What::Move { .. } => (Tone::Change, '~', "is set otherwise"),
    };
    let mut head = format!("{sign} {what}: {}", heading(&change.places, detail));
    if change.objects > 0 {
        let each = if change.places.len() > 1 { " each" } else { "" };
        head.push_str(&format!(" ({}{each})", plural(change.objects, "object")));
    }
    let mut lines = vec![Line::new(tone, 0, head)];
    for changed in &change.fields {
        field(changed, detail.verbose, &mut lines);
    }
    lines
}

/// Objects of which nobody need see each, one line a reason.
fn folded(comparison: &Comparison) -> Vec<String> {
    let mut reasons: BTreeMap<&str, (BTreeSet<&Place>, usize)> = BTreeMap::new();
    for change in &comparison.changes {
        if let Some(why) = &change.noise {
            let (places, objects) = reasons.entry(why).or_default();
            places.extend(&change.places);
            *objects += change.objects.len();
        }
    }
    let line = |(why, (places, objects)): (&str, (BTreeSet<&Place>, usize))| {
        let clusters: BTreeSet<&str> = places.iter().map(|place| &*place.cluster).collect();
        format!("{} on {}: {why}", plural(objects, "object"), plural(clusters.len(), "cluster"))
    };
    reasons.into_iter().map(line).collect()
}

/// What could not be compared.
fn failures(comparison: &Comparison, detail: Detail) -> Vec<String> {
    let line = |failure: &super::Failure| {
        let side = failure.side.place();
        format!("{}: could not be rendered {side}: {}", heading(&failure.places, detail), failure.why)
    };
    comparison.failures.iter().map(line).collect()
}

/// Clusters that come or leave.
fn clusters(comparison: &Comparison, detail: Detail) -> Vec<Line> {
    let mut lines = Vec::new();
    for (tone, sign, what, names) in [
        (Tone::Minus, '-', "leaves", &comparison.clusters_removed),
        (Tone::Plus, '+', "comes", &comparison.clusters_added),
    ] {
        if !names.is_empty() {
            let number = plural(names.len(), "cluster");
            let verb = if names.len() == 1 { what } else { what.trim_end_matches('s') };
            lines.push(Line::new(tone, 0, format!("{sign} {number} {verb}: {}", listed(names.clone(), most(detail)))));
        }
    }
    lines
}

/// The sentence that sums up: `1 change on 214 clusters, 4 applications leave, 2 dangers`.
pub fn summary(comparison: &Comparison) -> String {
    let mut parts = Vec::new();
    let real: Vec<&Change> = comparison.changes.iter().filter(|c| c.noise.is_none() && !c.whole).collect();
    let on = |changes: &[&Change]| {
        let clusters: BTreeSet<&str> = changes.iter().flat_map(|c| &c.places).map(|place| &*place.cluster).collect();
        plural(clusters.len(), "cluster")
    };
    if !real.is_empty() {
        parts.push(format!("{} on {}", plural(real.len(), "change"), on(&real)));
    }
    for (what, one, many) in [
        (What::Go, "application leaves", "applications leave"),
        (What::Come, "application comes", "applications come"),
        (What::Change, "application is set otherwise", "applications are set otherwise"),
    ] {
        let changes = comparison.applications.iter().filter(|change| change.what == what);
        match changes.map(|change| change.places.len()).sum::<usize>() {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            number => parts.push(format!("{number} {many}")),
        }
    }
    let dangers = comparison.changes.iter().filter(|change| !change.dangers.is_empty()).count();
    if dangers > 0 {
        parts.push(plural(dangers, "danger"));
    }
    let suppressed: usize = comparison.changes.iter().map(|change| change.dangers.suppressed.len()).sum();
    if suppressed > 0 {
        parts.push(format!("{} suppressed", plural(suppressed, "danger")));
    }
    match comparison.changes.iter().filter(|change| change.noise.is_some()).count() {
        0 => {}
        1 => parts.push("1 change that says nothing".to_owned()),
        noise => parts.push(format!("{noise} changes that say nothing")),
    }
    let failed: usize = comparison.failures.iter().map(|failure| failure.places.len()).sum();
    if failed > 0 {
        parts.push(format!("{} could not be compared", plural(failed, "application")));
    }
    if parts.is_empty() {
        return format!("no difference in {}", plural(comparison.compared, "application"));
    }
    format!("{}, of {}", parts.join(", "), plural(comparison.compared, "application"))
}
