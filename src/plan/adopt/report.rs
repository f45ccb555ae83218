//! What would move, for people: by application the objects with the managers that their fields come from, what goes with the next apply,
//! what is refused and why, what stays and who still works on it. Control characters never reach a terminal as such.

use std::collections::BTreeMap;

use super::{Adoption, ClusterAdoption, Step};
use crate::report::{clean, listed, plural};

/// Fields and objects that are shown of each, where not everything is.
const SHOWN: usize = 6;

/// How many objects there are of each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Fields of them move.
    pub moving: usize,
    /// How many fields.
    pub fields: usize,
    /// There is nothing to move.
    pub nothing: usize,
    /// They are not there.
    pub missing: usize,
    /// They are left alone.
    pub refused: usize,
}

impl Counts {
    /// Counts.
    pub fn of(clusters: &[ClusterAdoption]) -> Self {
        let mut counts = Counts::default();
        for adoption in clusters.iter().flat_map(ClusterAdoption::objects) {
            match adoption.step {
                Step::Move => {
                    counts.moving += 1;
                    counts.fields += adoption.fields.len();
                }
                Step::Nothing => counts.nothing += 1,
                Step::Missing => counts.missing += 1,
                Step::Refused(_) => counts.refused += 1,
            }
        }
        counts
    }
}

fn some(paths: &[String], verbose: bool) -> String {
    listed(paths.to_vec(), if verbose { usize::MAX } else { SHOWN })
}

fn moves(adoption: &Adoption) -> String {
    let one = |moved: &super::Moved| {
        let how = if moved.applied { "Apply" } else { "Update" };
        let noun = if moved.fields == 1 { "field" } else { "fields" };
        format!("{} {noun} of {} ({how})", moved.fields, moved.manager)
    };
    adoption.moves.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The whole report.
pub fn human(clusters: &[ClusterAdoption], verbose: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    for cluster in clusters {
        if let Some(why) = &cluster.failed {
            lines.push(format!("cluster {} could not be looked at: {why}", cluster.cluster));
        }
        for slice in &cluster.slices {
            let head = format!("{} on {}", slice.application, cluster.cluster);
            if !slice.left_out.is_empty() {
                lines.push(format!("{head}: left alone: {}", slice.left_out));
                continue;
            }
            let moving: Vec<&Adoption> = slice.objects.iter().filter(|one| one.step == Step::Move).collect();
            let mut refused: BTreeMap<&str, Vec<&Adoption>> = BTreeMap::new();
            for adoption in &slice.objects {
                if let Step::Refused(why) = &adoption.step {
                    refused.entry(why).or_default().push(adoption);
                }
            }
            if moving.is_empty() && refused.is_empty() && !verbose {
                continue;
            }
            lines.push(head);
            for adoption in moving {
                lines.push(format!("  ~ {}: {}", adoption.object, moves(adoption)));
                if verbose {
                    lines.push(format!("      moves: {}", some(&adoption.fields, true)));
                }
                if !adoption.going.is_empty() {
                    lines.push(format!("      goes with the next apply: {}", some(&adoption.going, verbose)));
                }
                if !adoption.staying.is_empty() {
                    lines.push(format!(
                        "      declared no more, but held by others: {}",
                        some(&adoption.staying, verbose)
                    ));
                }
            }
            for (why, objects) in refused {
                let names: Vec<String> = objects.iter().map(|adoption| adoption.object.to_string()).collect();
                lines.push(format!("  ! {}: {why}", some(&names, verbose)));
            }
            if verbose {
                for (step, words) in [(Step::Nothing, "nothing to move"), (Step::Missing, "not on the cluster yet")] {
                    let some: Vec<String> = slice
                        .objects
                        .iter()
                        .filter(|adoption| adoption.step == step)
                        .map(|adoption| adoption.object.to_string())
                        .collect();
                    if !some.is_empty() {
                        lines.push(format!("    {words}: {}", some.join(", ")));
                    }
                }
            }
        }
        lines.extend(cluster.notes.iter().map(|note| format!("note: {}: {note}", cluster.cluster)));
    }
    let counts = Counts::of(clusters);
    let mut sentence = format!("{} of {} move", plural(counts.fields, "field"), plural(counts.moving, "object"));
    for (number, words) in
        [(counts.nothing, "nothing to move"), (counts.missing, "not there yet"), (counts.refused, "refused")]
    {
        if number > 0 {
            sentence.push_str(&format!(", {} {words}", plural(number, "object")));
        }
    }
    lines.push(sentence);
    lines.iter().map(|line| format!("{}\n", clean(line))).collect()
}
