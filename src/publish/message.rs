//! The message of a commit: a subject with counts, a body that says what changes where and has a bound, and trailers that say where it
//! came from. Equal input gives equal text; nothing in it is of the moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Commit, Owner, What};
use crate::report::{listed, plural};

/// Lines of the body at most.
const MAX_LINES: usize = 40;
/// Clusters that a line names.
const MAX_NAMES: usize = 5;

/// Where a commit came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The fleet; empty for none.
    pub fleet: String,
    /// Trailers, in their order: key and value.
    pub trailers: Vec<(String, String)>,
}

/// What happens to each application, and on which clusters.
pub(super) fn applications(commit: &Commit) -> BTreeMap<(String, What), BTreeSet<String>> {
    let mut seen: BTreeMap<&Owner, BTreeSet<What>> = BTreeMap::new();
    for (what, owner) in commit.changes.values().filter(|(_, owner)| !owner.application.is_empty()) {
        seen.entry(owner).or_default().insert(*what);
    }
    let mut out: BTreeMap<(String, What), BTreeSet<String>> = BTreeMap::new();
    for (owner, whats) in seen {
        let one = if whats.len() == 1 { whats.into_iter().next() } else { None };
        let key = (owner.application.clone(), one.unwrap_or(What::Changed));
        out.entry(key).or_default().insert(owner.cluster.clone());
    }
    out
}

/// Names up to a number of them.
fn few(names: &BTreeSet<String>) -> String {
    listed(names.iter().cloned().collect(), MAX_NAMES)
}

/// `added 2, changed 14, removed 1 on 3 clusters`.
pub(super) fn counts(commit: &Commit) -> String {
    let applications = applications(commit);
    let mut clusters: BTreeSet<&String> = applications.values().flatten().collect();
    let mut parts = Vec::new();
    for (what, word) in [(What::Added, "added"), (What::Changed, "changed"), (What::Removed, "removed")] {
        let count: usize = applications.iter().filter(|((_, one), _)| *one == what).map(|(_, on)| on.len()).sum();
        if count > 0 {
            parts.push(format!("{} {word}", plural(count, "application")));
        }
    }
    if parts.is_empty() {
        clusters = commit.changes.values().map(|(_, owner)| &owner.cluster).collect();
        parts.push(format!("{} changed", plural(commit.changes.len(), "file")));
    }
    clusters.retain(|cluster| !cluster.is_empty());
    let on = if clusters.is_empty() { String::new() } else { format!(" on {}", plural(clusters.len(), "cluster")) };
    format!("{}{on}", parts.join(", "))
}

/// The whole message.
pub fn message(commit: &Commit, said: &Said) -> String {
    let name = if said.fleet.is_empty() { String::new() } else { format!(" {}", said.fleet) };
    let mut out = format!("Publish{name}: {}\n", counts(commit));
    let applications = applications(commit);
    if !applications.is_empty() {
        out.push('\n');
    }
    for ((application, what), clusters) in applications.iter().take(MAX_LINES) {
        let mark = match what {
            What::Added => "+",
            What::Changed => "~",
            What::Removed => "-",
        };
        let _ = writeln!(out, "{mark} {application}: {}", few(clusters));
    }
    if let Some(more @ 1..) = applications.len().checked_sub(MAX_LINES) {
        let _ = writeln!(out, "… and {more} more");
    }
    out.push('\n');
    for (key, value) in &said.trailers {
        let _ = writeln!(out, "{key}: {value}");
    }
    out
}

/// Bytes that a text of a pull request may have; GitHub takes 65,536 characters.
const MAX_TEXT: usize = 60_000;

/// The text of a pull request for the commits of some branches, as Markdown: names of branches, what they hold and the subject.
pub fn pull_request(commits: &[(&str, &Commit)], said: &Said) -> String {
    let title = if said.fleet.is_empty() {
        "Rendered bundles".to_owned()
    } else {
        format!("Rendered bundles of {}", said.fleet)
    };
    let mut out = format!("## {title}\n");
    if commits.is_empty() {
        out.push_str("\nNothing changes.\n");
    }
    let mut left = 0;
    for (branch, commit) in commits {
        let mut part =
            format!("\n### `{branch}`\n\n{}\n\n| | application | clusters |\n|---|---|---|\n", counts(commit));
        let applications = applications(commit);
        for ((application, what), clusters) in &applications {
            let word = match what {
                What::Added => "added",
                What::Changed => "changed",
                What::Removed => "**removed**",
            };
            let _ = writeln!(part, "| {word} | {} | {} |", cell(application), cell(&few(clusters)));
        }
        let _ = writeln!(part, "\n<details><summary>{}</summary>\n", plural(commit.changes.len(), "file"));
        for (path, (what, _)) in &commit.changes {
            let mark = match what {
                What::Added => '+',
                What::Changed => '~',
                What::Removed => '-',
            };
            let _ = writeln!(part, "    {mark} {path}");
        }
        part.push_str("\n</details>\n");
        if out.len() + part.len() > MAX_TEXT {
            // The counts are worth more than the lists.
            part = format!("\n### `{branch}`\n\n{}; the list is too long for this text\n", counts(commit));
        }
        if out.len() + part.len() > MAX_TEXT {
            left += 1;
        } else {
            out.push_str(&part);
        }
    }
    if left > 0 {
        let _ = writeln!(out, "\n… and {left} more branches");
    }
    out.push('\n');
    for (key, value) in &said.trailers {
        let _ = writeln!(out, "{key}: {value}  ");
    }
    out
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .replace('|', "\\|")
        .replace('<', "&lt;")
}
