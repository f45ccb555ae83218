//! What verifying came to, for people: the sentence with the numbers, causes with the fields that differ most often, a table of the
//! applications that are not identical. Names come from manifests and live objects: control characters never reach a terminal as such.

use std::collections::BTreeMap;

use super::{ClusterVerified, SliceVerified, VERDICTS, Verdict, general};
use crate::k8s::object::Gvk;
use crate::report::clean;

/// Fields and objects that are shown of each cause.
const SHOWN: usize = 10;

/// How many objects there are of each verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Verdict, usize>);

impl Counts {
    /// Counts the objects of some applications.
    pub fn of<'s>(slices: impl IntoIterator<Item = &'s SliceVerified>) -> Self {
        let mut counts = Counts::default();
        for object in slices.into_iter().flat_map(|slice| &slice.objects) {
            *counts.0.entry(object.verdict).or_default() += 1;
        }
        counts
    }

    /// Those of one verdict.
    pub fn number(&self, verdict: Verdict) -> usize {
        self.0.get(&verdict).copied().unwrap_or_default()
    }

    /// All objects.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Those that are what would be applied.
    pub fn identical(&self) -> usize {
        self.0.iter().filter(|(verdict, _)| verdict.is_identical()).map(|(_, number)| number).sum()
    }
}

/// Whether everything that there is was compared and is identical.
pub fn is_identical(clusters: &[ClusterVerified]) -> bool {
    clusters.iter().all(|cluster| {
        cluster.failed.is_none()
            && cluster.slices.iter().all(|slice| slice.left_out.is_empty())
            && cluster.slices.iter().flat_map(|slice| &slice.objects).all(|object| object.verdict.is_identical())
    })
}

/// The fields that differ in objects of a verdict: kind, path without places in lists, who holds them, and how often; most often first.
pub fn fields(clusters: &[ClusterVerified], verdict: Verdict) -> Vec<(String, String, String, usize)> {
    let mut counts: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    let objects = clusters.iter().flat_map(|cluster| &cluster.slices).flat_map(|slice| &slice.objects);
    for object in objects.filter(|object| object.verdict == verdict) {
        let kind = Gvk { group: object.object.group.clone(), kind: object.object.kind.clone(), ..Gvk::default() };
        let mut seen: Vec<(String, String)> = object
            .differences
            .iter()
            .map(|found| {
                (general(&found.path), found.holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            })
            .collect();
        seen.sort();
        seen.dedup();
        for (path, holders) in seen {
            *counts.entry((kind.to_string(), path, holders)).or_default() += 1;
        }
    }
    let mut found: Vec<_> =
        counts.into_iter().map(|((kind, path, holders), number)| (kind, path, holders, number)).collect();
    found.sort_by(|a, b| (std::cmp::Reverse(a.3), a).cmp(&(std::cmp::Reverse(b.3), b)));
    found
}

/// `17,912`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `17,912 of 18,000 objects identical, the other 88 are: 40 missing, 48 different`.
pub fn sentence(clusters: &[ClusterVerified]) -> String {
    let counts = Counts::of(clusters.iter().flat_map(|cluster| &cluster.slices));
    let (total, identical) = (counts.total(), counts.identical());
    let noun = if total == 1 { "object" } else { "objects" };
    let mut out = format!("{} of {} {noun} identical", grouped(identical), grouped(total));
    if identical < total {
        let causes: Vec<String> = VERDICTS
            .iter()
            .filter(|row| !row.0.is_identical() && counts.number(row.0) > 0)
            .map(|row| format!("{} {}", grouped(counts.number(row.0)), row.2))
            .collect();
        let (other, are) = (total - identical, if total - identical == 1 { "is" } else { "are" });
        out.push_str(&format!(", the other {} {are}: {}", grouped(other), causes.join(", ")));
    }
    out
}

/// The whole report.
pub fn human(clusters: &[ClusterVerified], verbose: bool) -> String {
    let mut lines = vec![sentence(clusters)];
    let slices = || clusters.iter().flat_map(|cluster| cluster.slices.iter().map(move |slice| (cluster, slice)));
    let counts = Counts::of(slices().map(|(_, slice)| slice));
    for (verdict, _, words) in
        VERDICTS.iter().filter(|row| row.0.is_identical() && row.0 != Verdict::Same && counts.number(row.0) > 0)
    {
        lines.push(format!("  {} of the identical {words}", grouped(counts.number(*verdict))));
    }
    for (verdict, _, words) in VERDICTS.iter().rev().filter(|row| !row.0.is_identical() && counts.number(row.0) > 0) {
        lines.push(format!("{} {words}:", grouped(counts.number(*verdict))));
        let fields = fields(clusters, *verdict);
        let most = if verbose { usize::MAX } else { SHOWN };
        for (kind, path, holders, number) in fields.iter().take(most) {
            let holders = if holders.is_empty() { String::new() } else { format!(" (held by {holders})") };
            lines.push(format!("  {} × {kind} {path}{holders}", grouped(*number)));
        }
        if fields.len() > most {
            lines.push(format!("  and {} more fields", fields.len() - most));
        }
        if fields.is_empty() || verbose {
            let mut objects = Vec::new();
            for (cluster, slice) in slices() {
                for object in slice.objects.iter().filter(|object| object.verdict == *verdict) {
                    let why = if object.why.is_empty() { String::new() } else { format!(": {}", object.why) };
                    objects.push(format!("  {} {} {}{why}", cluster.cluster, slice.application, object.object));
                }
            }
            let number = objects.len();
            lines.extend(objects.into_iter().take(most));
            if number > most {
                lines.push(format!("  and {} more", grouped(number - most)));
            }
        }
    }
    for (cluster, slice) in slices().filter(|(_, slice)| !slice.left_out.is_empty()) {
        lines.push(format!("{} {} was not compared: {}", cluster.cluster, slice.application, slice.left_out));
    }
    for cluster in clusters {
        if let Some(why) = &cluster.failed {
            lines.push(format!("{} was not compared: {why}", cluster.cluster));
        }
    }
    lines.iter().map(|line| format!("{}\n", clean(line))).collect()
}

/// The applications that are not identical, with `verbose` all: a row each, below a head.
pub fn table(clusters: &[ClusterVerified], verbose: bool) -> Vec<Vec<String>> {
    let head = ["CLUSTER", "APPLICATION", "OBJECTS", "IDENTICAL", "MISSING", "DIFFERENT", "MORE", "HELD"];
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for (cluster, slice) in clusters.iter().flat_map(|cluster| cluster.slices.iter().map(move |slice| (cluster, slice)))
    {
        let of = Counts::of([slice]);
        if of.identical() == of.total() && !verbose {
            continue;
        }
        let different = of.number(Verdict::Differs) + of.number(Verdict::Unknown);
        let numbers = [
            of.total(),
            of.identical(),
            of.number(Verdict::Missing),
            different,
            of.number(Verdict::More),
            of.number(Verdict::Held),
        ];
        let mut row = vec![clean(&cluster.cluster), clean(&slice.application.to_string())];
        row.extend(numbers.map(grouped));
        rows.push(row);
    }
    rows
}
