//! The comparison for a comment of a pull request: the most dangerous in full, then as much as fits, the rest counted.

use super::{application, clusters, failures, folded, groups, heading, lines, summary};
use crate::diff::Comparison;
use crate::report::{BUDGET, Detail, Line, diff_block, escaped, plural};

/// A comparison as Markdown, short enough for a comment.
pub fn markdown(comparison: &Comparison) -> String {
    within(comparison, BUDGET)
}

/// A comparison as Markdown of at most so many bytes.
pub(in crate::diff) fn within(comparison: &Comparison, budget: usize) -> String {
    let detail = Detail::default();
    let mut out = format!("### Fleet diff\n\n{}\n", escaped(&summary(comparison)));
    let mut head = clusters(comparison, detail);
    head.extend(comparison.applications.iter().flat_map(|change| application(change, detail)));
    let mut tail = String::new();
    for text in failures(comparison, detail).iter().chain(&folded(comparison)) {
        tail.push_str(&format!("- {}\n", escaped(text)));
    }
    // What there is most of comes last, and what is dangerous never goes for what is not.
    let room = budget.saturating_sub(200);
    let mut left_out = 0;
    let add = |out: &mut String, text: &str| {
        if out.len() + text.len() <= room {
            out.push_str(text);
        }
    };
    let (mut short, mut rest): (Vec<&Line>, usize) = (Vec::new(), 0);
    for line in &head {
        if rest == 0 && short.iter().map(|line| line.text.len() + 8).sum::<usize>() < room / 4 {
            short.push(line);
        } else {
            rest += 1;
        }
    }
    if !short.is_empty() {
        let mut lines: Vec<Line> = short.into_iter().cloned().collect();
        if rest > 0 {
            lines.push(Line::new(crate::report::Tone::Plain, 0, format!("… {}", plural(rest, "more line"))));
        }
        add(&mut out, &format!("\n{}", diff_block(&lines)));
    }
    if !tail.is_empty() {
        let cut = (0..=tail.len().min(room / 8)).rev().find(|at| tail.is_char_boundary(*at)).unwrap_or(0);
        let kept = if tail.len() > room / 8 {
            format!("{}\n", tail.get(..cut).and_then(|text| text.rsplit_once('\n')).map_or("", |(text, _)| text))
        } else {
            tail
        };
        add(&mut out, &format!("\n{kept}"));
    }
    for group in groups(comparison, detail) {
        let head = format!("\n#### {}\n\n", escaped(&heading(group.places, detail)));
        // Fences and signs around the lines.
        let mut room = room.saturating_sub(out.len() + head.len() + 32);
        let mut all: Vec<Line> = Vec::new();
        let mut fitting = 0;
        for change in &group.changes {
            let lines = lines(change, detail);
            let size: usize = lines.iter().map(|line| line.text.len() + 2 * line.depth + 2).sum();
            if size > room {
                break;
            }
            room -= size;
            fitting += 1;
            all.extend(lines);
        }
        if fitting > 0 {
            add(&mut out, &format!("{head}{}", diff_block(&all)));
        }
        left_out += group.changes.len() - fitting;
    }
    if left_out > 0 {
        out.push_str(&format!(
            "\n… and {} that have no room here: `fleetc diff` shows them\n",
            plural(left_out, "change")
        ));
    }
    out
}
