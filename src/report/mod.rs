//! What reports of plans and of comparisons are made of: lines with tones, fields that differ, terminals and Markdown.
//!
//! Knows values and texts, nothing of fleets, plans or clusters.

mod lines;
mod markdown;
mod terminal;

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

/// Applications and clusters: those of one application by its name, others as `application@cluster`.
pub fn places(places: &[(String, &str)], most: usize) -> String {
    match places {
        [] => String::new(),
        [(first, _), ..] if places.iter().all(|(name, _)| name == first) => {
            let clusters: Vec<String> = places.iter().map(|(_, cluster)| (*cluster).to_owned()).collect();
            let number =
                if clusters.len() > 1 { format!("{}: ", plural(clusters.len(), "cluster")) } else { String::new() };
            format!("{first} on {number}{}", listed(clusters, most))
        }
        _ => {
            let names = places.iter().map(|(name, cluster)| format!("{name}@{cluster}"));
            format!("{}: {}", plural(places.len(), "application"), listed(names.collect(), most))
        }
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
