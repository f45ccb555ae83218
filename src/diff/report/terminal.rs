//! The comparison for a terminal.

use super::{application, clusters, failures, folded, groups, heading, lines, summary};
use crate::diff::Comparison;
use crate::report::{Detail, Line, Terminal, Tone};

/// A comparison as text.
pub fn human(comparison: &Comparison, detail: Detail) -> String {
    let mut out = Terminal::new(detail.color);
    let mut head = clusters(comparison, detail);
    head.extend(comparison.applications.iter().flat_map(|change| application(change, detail)));
    head.iter().for_each(|line| out.line(line));
    if !head.is_empty() {
        out.blank();
    }
    for group in groups(comparison, detail) {
        out.heading(&heading(group.places, detail));
        for change in group.changes {
            lines(change, detail).iter().for_each(|line| out.line(line));
        }
        out.blank();
    }
    if !detail.verbose {
        folded(comparison).iter().for_each(|text| out.line(&Line::new(Tone::Plain, 0, format!("= {text}"))));
    }
    failures(comparison, detail).iter().for_each(|text| out.line(&Line::new(Tone::Alarm, 0, format!("! {text}"))));
    out.line(&Line::new(Tone::Plain, 0, summary(comparison)));
    out.into_text()
}
