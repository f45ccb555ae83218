//! Amounts as numbers or percents, and spans of time, as fleet.yaml and `maxUpdate` write them.
//!
//! `intstr.GetScaledValueFromIntOrPercent` with rounding down: a string is a percent or nothing; no fraction, no sign.

use crate::api::Millis;
use crate::template::parse_duration;
use crate::yaml::{Node, Tag};

/// So many, or a share of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A number.
    Number(usize),
    /// Percent.
    Percent(usize),
}

impl Amount {
    /// Reads `3` (a number) or `"25%"` (a string).
    pub fn read(node: &Node) -> Option<Self> {
        let text = node.text()?;
        match (text.strip_suffix('%'), node.tag()) {
            (Some(percent), Some(Tag::Str)) => number(percent).map(Amount::Percent),
            (None, Some(Tag::Int)) => number(text).map(Amount::Number),
            _ => None,
        }
    }

    /// Reads `3` or `25%`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(percent) => number(percent).map(Amount::Percent),
            None => number(text).map(Amount::Number),
        }
    }

    /// How many of these it is, rounded down.
    pub fn of(self, all: usize) -> usize {
        match self {
            Amount::Number(number) => number,
            Amount::Percent(percent) => percent.saturating_mul(all) / 100,
        }
    }

    /// The same for how many go at once: a share above nothing is at least one.
    pub fn at_once(self, all: usize) -> usize {
        match self {
            Amount::Percent(0) | Amount::Number(0) => 0,
            Amount::Percent(_) => self.of(all).max(1),
            Amount::Number(number) => number,
        }
    }

    /// Whether it is none of however many.
    pub fn is_zero(self) -> bool {
        matches!(self, Amount::Number(0) | Amount::Percent(0))
    }
}

fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Amount::Number(number) => write!(f, "{number}"),
            Amount::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// A span of time as Go writes it (`90s`, `1h30m`), without a sign.
pub fn time(text: &str) -> Option<Millis> {
    let nanos = parse_duration(text).ok()?;
    (nanos >= 0 && !text.starts_with(['-', '+'])).then(|| u64::try_from(nanos / 1_000_000).unwrap_or(0))
}

/// `45 s`, `10 min`, `1 h 30 min`.
pub fn span_of_time(millis: Millis) -> String {
    let seconds = millis / 1_000;
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let parts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number} {unit}")).collect();
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}
