//! What reports of plans and of comparisons are made of: lines with tones, fields that differ, terminals and Markdown.
//!
//! Knows values and texts, nothing of fleets, plans or clusters.

mod lines;
mod markdown;
mod terminal;

use std::collections::{BTreeMap, BTreeSet};

pub use lines::{Line, Tone, clean, field, value};
pub use markdown::{BUDGET, diff_block, escaped};
pub use terminal::Terminal;

/// Names in one line: the first ones, and how many more there are.
pub fn listed(names: Vec<String>, most: usize) -> String {
    let count = names.len();
    let mut text = names.into_iter().take(most).collect::<Vec<_>>().join(", ");
    if count > most {
        text.push_str(&format!(" and {} more", count - most));
    }
    text
}

/// `1 object`, `2 objects`.
pub fn plural(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// How many names a heading has.
pub const NAMES: usize = 6;

/// Applications and clusters: `web on eu`; `web, shop-* on 2 clusters: dev, eu` where the same ones are on all of them, a star for the name of
/// the cluster; others as `application@cluster`.
pub fn places(places: &[(String, &str)], most: usize) -> String {
    if let [(name, cluster)] = places {
        return format!("{name} on {cluster}");
    }
    let mut clusters: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (name, cluster) in places {
        clusters.entry(pattern(name, cluster)).or_default().insert(cluster);
    }
    let mut sets = clusters.values();
    let Some(first) = sets.next() else { return String::new() };
    let each: usize = clusters.values().map(BTreeSet::len).sum();
    // As many places as pairs: no two of them are alike but for the star.
    if each == places.len() && sets.all(|set| set == first) {
        let number = if first.len() > 1 { format!("{}: ", plural(first.len(), "cluster")) } else { String::new() };
        let on = listed(first.iter().map(ToString::to_string).collect(), most);
        return format!("{} on {number}{on}", listed(clusters.into_keys().collect(), most));
    }
    let names = places.iter().map(|(name, cluster)| format!("{name}@{cluster}"));
    format!("{}: {}", plural(places.len(), "application"), listed(names.collect(), most))
}

/// A name with a star in place of the cluster's name, where that is a part of it between separators: what an ApplicationSet makes for every
/// cluster has one pattern.
pub fn pattern(name: &str, cluster: &str) -> String {
    let is_end = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let found = name.match_indices(cluster).filter(|(at, _)| {
        let (before, after) = (name.get(..*at).unwrap_or_default(), name.get(at + cluster.len()..).unwrap_or_default());
        is_end(before.chars().next_back()) && is_end(after.chars().next())
    });
    match found.last() {
        Some((at, _)) if !cluster.is_empty() && name != cluster => {
            let mut pattern = name.to_owned();
            pattern.replace_range(at..at + cluster.len(), "*");
            pattern
        }
        _ => name.to_owned(),
    }
}

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Everything: folded objects, long values, what does not change.
    pub verbose: bool,
    /// With colours.
    pub color: bool,
}

#[cfg(test)]
mod tests;
