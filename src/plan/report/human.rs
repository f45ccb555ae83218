//! The report for a terminal.

use super::fold::folded;
use super::lines;
use super::{Detail, Group, Where, counts, groups, plural, reason, summary, word};
use crate::plan::action::{ClusterPlan, Status};
use crate::report::{Line, NAMES, Terminal, Tone};

/// Plans as text.
pub fn human(plans: &[ClusterPlan], detail: Detail) -> String {
    let mut out = Terminal::new(detail.color);
    for group in groups(plans) {
        out.heading(&heading(&group, detail.verbose));
        let (shown, folds) = folded(&group.actions, detail.verbose);
        for action in shown {
            lines::action(action, detail.verbose).iter().for_each(|line| out.line(line));
        }
        for fold in folds {
            out.line(&fold_line(&fold));
        }
        out.blank();
    }
    for text in states(plans, detail.verbose) {
        out.line(&Line::new(Tone::Alarm, 0, text));
    }
    let notes = notes(plans);
    for note in &notes {
        out.line(&Line::new(Tone::Plain, 0, note));
    }
    let counts = counts(plans);
    out.line(&Line::new(Tone::Plain, 0, summary(&counts)));
    out.into_text()
}

/// `= keep 4 objects (prune off): ConfigMap shop/a, …`
pub(super) fn fold_line(fold: &super::fold::Fold<'_>) -> Line {
    let (tone, sign) = lines::tone(fold.verb);
    let names: Vec<String> = fold.actions.iter().take(NAMES).map(|action| action.object.to_string()).collect();
    let more = if fold.actions.len() > NAMES { ", …" } else { "" };
    let verb = lines::verb(fold.verb);
    let text =
        format!("{sign} {verb} {} ({}): {}{more}", plural(fold.actions.len(), "object"), fold.what, names.join(", "));
    Line::new(tone, 1, text)
}

/// `shop on eu-1, eu-2`: which applications on which clusters, and how they stand where that is not ready.
pub(super) fn heading(group: &Group<'_>, verbose: bool) -> String {
    let mut text = places(&group.places, verbose);
    let slice = group.places.first().map(|place| place.slice);
    if slice.is_some_and(|slice| slice.removal) {
        text.push_str(": removed from the fleet");
    }
    if let Some(why) = slice.and_then(|slice| slice.withheld.as_ref()) {
        text.push_str(&format!(" (withheld: {why})"));
    }
    if let Some(status) = slice.map(|slice| &slice.status).filter(|status| **status != Status::Ready) {
        text.push_str(&format!(": {}", word(status)));
    }
    text
}

/// Applications and clusters: those of one application by its name, others as `application@cluster`.
pub(super) fn places(places: &[Where<'_>], verbose: bool) -> String {
    let named: Vec<(String, &str)> =
        places.iter().map(|place| (place.slice.key.application.to_string(), place.cluster.cluster.as_str())).collect();
    crate::report::places(&named, if verbose { usize::MAX } else { NAMES })
}

/// What did not come to a plan, equal reasons once: clusters, then slices.
pub(super) fn states(plans: &[ClusterPlan], verbose: bool) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for plan in plans {
        if let Some(why) = &plan.failed {
            found.push(format!("cluster {} could not be planned: {why}", plan.cluster));
        }
    }
    let mut reasons: Vec<(&'static str, &str, Vec<Where<'_>>)> = Vec::new();
    for plan in plans {
        for slice in plan.slices.iter().filter(|slice| !reason(&slice.status).is_empty()) {
            let (word, why, place) = (word(&slice.status), reason(&slice.status), Where { cluster: plan, slice });
            match reasons.iter_mut().find(|known| known.0 == word && known.1 == why) {
                Some(known) => known.2.push(place),
                None => reasons.push((word, why, vec![place])),
            }
        }
    }
    found.extend(reasons.into_iter().map(|(word, why, at)| format!("{}: {word}: {why}", places(&at, verbose))));
    for plan in plans {
        found.extend(plan.refusals.iter().map(|refusal| format!("{}: {refusal}", plan.cluster)));
    }
    found
}

/// What is worth knowing beside, equal notes once.
pub(super) fn notes(plans: &[ClusterPlan]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for plan in plans {
        found.extend(plan.notes.iter().map(|note| format!("{}: {note}", plan.cluster)));
        for slice in &plan.slices {
            found.extend(slice.notes.iter().map(|note| format!("{}: {note}", slice.key.application)));
        }
    }
    found.sort();
    found.dedup();
    found
}
