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
