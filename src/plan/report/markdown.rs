//! The report for a comment of a pull request: as much in full as fits, the rest in one line each, then counted.

use super::fold::folded;
use super::human::{fold_line, heading, notes, states};
use super::lines;
use super::{Group, counts, groups, summary};
use crate::plan::action::ClusterPlan;
use crate::report::{BUDGET, Line, diff_block, escaped};
use crate::rollout::Rollout;

/// Bytes of it for the waves.
const WAVES: usize = 6_000;

/// Plans as Markdown, short enough for a comment.
pub fn markdown(plans: &[ClusterPlan], rollout: &Rollout) -> String {
    within(plans, rollout, BUDGET)
}

/// Plans as Markdown of at most so many bytes.
pub(super) fn within(plans: &[ClusterPlan], rollout: &Rollout, budget: usize) -> String {
    let counts = counts(plans);
    let mut out = format!("### Plan\n\n{}\n", escaped(&summary(&counts)));
    let mut alarms = states(plans, false);
    alarms.extend(dangers(plans));
    let tail = "\n… and more: see the whole plan\n".len();
    let room = budget.saturating_sub(tail);
    let mut cut = false;
    let mut add = |out: &mut String, text: &str| {
        cut = cut || out.len() + text.len() > room;
        if !cut {
            out.push_str(text);
        }
        !cut
    };
    if !alarms.is_empty() {
        add(&mut out, "\n");
    }
    for alarm in alarms {
        add(&mut out, &format!("- {}\n", escaped(&alarm)));
    }
    let waves = rollout.describe();
    if !waves.is_empty() {
        add(&mut out, "\n#### Waves\n\n");
    }
    let begin = out.len();
    for line in &waves {
        let depth = if line.starts_with(' ') { "  " } else { "" };
        if out.len() - begin > WAVES.min(budget / 4) {
            add(&mut out, "- …\n");
            break;
        }
        add(&mut out, &format!("{depth}- {}\n", escaped(line.trim_start())));
    }
    let groups = groups(plans);
    // Two thirds for what is shown in full; what has no place there still gets its line.
    let full = room / 3 * 2;
    let mut short = Vec::new();
    for group in &groups {
        let text = section(group);
        if out.len() + text.len() > full || !add(&mut out, &text) {
            short.push(group);
        }
    }
    if !short.is_empty() {
        add(&mut out, "\nChanges that are not shown in full:\n\n");
    }
    for group in short {
        let objects = super::plural(group.actions.len(), "object");
        add(&mut out, &format!("- {}: {objects}\n", escaped(&heading(group, false))));
    }
    let notes = notes(plans);
    if !notes.is_empty() {
        add(&mut out, "\n");
    }
    for note in notes {
        add(&mut out, &format!("- {}\n", escaped(&note)));
    }
    if cut {
        out.push_str("\n… and more: see the whole plan\n");
    }
    out
}

/// Where a mark of danger is, one line each.
fn dangers(plans: &[ClusterPlan]) -> Vec<String> {
    let mut found = Vec::new();
    for group in groups(plans) {
        for action in group.actions.iter().filter(|action| !action.dangers.is_empty()) {
            let what = format!("{} {}", lines::verb(&action.verb), action.object);
            let all: Vec<String> = action.dangers.iter().map(ToString::to_string).collect();
            found.push(format!("danger: {what}: {} ({})", all.join("; "), heading(&group, false)));
        }
    }
    found
}

fn section(group: &Group<'_>) -> String {
    let (shown, folds) = folded(&group.actions, false);
    let mut all: Vec<Line> = shown.iter().flat_map(|action| lines::action(action, false)).collect();
    all.extend(folds.iter().map(fold_line));
    format!("\n#### {}\n\n{}", escaped(&heading(group, false)), diff_block(&all))
}
