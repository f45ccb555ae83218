//! The page of a comparison: both sides of every application, and the folded changes in the order of the report.

use std::collections::{BTreeMap, BTreeSet};

use super::fleet::{Store, made, sites, slice, units};
use super::{Change, Known, Page, Slice, Status, Subject};
use crate::application::AppKey;
use crate::bundle::{Contents, Entry, Spread};
use crate::diff::{self, Comparison, Place, Side, What, report};
use crate::k8s::difference::ChangedField;
use crate::k8s::object::Gvk;
use crate::read::Fleet;
use crate::report::{clean, listed, plural, value};
use crate::yaml::Node;

/// Characters of a value: more is in the texts of the objects.
const LONG: usize = 4000;

impl Page {
    /// The page of a comparison. The fleets of the sides know their clusters; `after` knows where the objects of the second side came from.
    pub fn of_comparison(
        (before, after): (&Side, &Side),
        comparison: &Comparison,
        fleets: &[&Fleet],
        known: Option<Known<'_>>,
        spread: Spread<'_>,
    ) -> Page {
        let mut page = Page { subject: Subject::Comparison, summary: report::summary(comparison), ..Page::default() };
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let mut labelled = BTreeMap::new();
        for fleet in fleets {
            let known = sites(fleet, names.iter().copied()).into_iter().filter(|site| !site.server.is_empty());
            labelled.extend(known.map(|site| (site.name.clone(), site)));
        }
        page.sites = names.iter().map(|name| labelled.remove(*name).unwrap_or_default()).collect();
        for (site, name) in page.sites.iter_mut().zip(&names) {
            site.name.clone_from(name);
        }
        let units = known.map(|known| units(&known.compiled.fleet, &known.compiled.units)).unwrap_or_default();
        let mut store = Store::default();
        for (at, name) in names.iter().enumerate() {
            let (old, new) = (entries(before.get(*name)), entries(after.get(*name)));
            let keys: BTreeSet<&AppKey> = old.keys().chain(new.keys()).copied().collect();
            for key in keys {
                let (old, new) = (old.get(key), new.get(key));
                let unit = units.get(&((*name).clone(), key)).copied();
                let Some((_, entry)) = new.or(old) else { continue };
                let mut slice = slice(at, entry);
                slice.before = old.and_then(|(contents, entry)| store.add(contents, entry, None));
                // What did not change is there once, with its origin.
                slice.after = new.and_then(|(contents, entry)| store.add(contents, entry, unit));
                if old.map(|(_, entry)| &entry.files) == new.map(|(_, entry)| &entry.files) {
                    slice.before = slice.after;
                }
                slice.made = unit.zip(known).map(|(unit, known)| made(unit, known.sources)).unwrap_or_default();
                page.slices.push(slice);
            }
        }
        page.contents = store.contents(known, spread);
        let numbers: BTreeMap<(&str, &AppKey), usize> = page
            .slices
            .iter()
            .enumerate()
            .filter_map(|(at, slice)| Some(((page.sites.get(slice.site)?.name.as_str(), &slice.key), at)))
            .collect();
        let places = |of: &[Place]| -> Vec<usize> {
            let mut found: Vec<usize> =
                of.iter().filter_map(|place| numbers.get(&(&*place.cluster, &*place.application)).copied()).collect();
            found.sort_unstable();
            found
        };
        let applications = comparison.applications.iter().map(|change| application(change, places(&change.places)));
        let changes = comparison.changes.iter().map(|change| object(change, places(&change.places)));
        let changes: Vec<Change> = applications.chain(changes).collect();
        let failed: Vec<(Vec<usize>, String)> = comparison
            .failures
            .iter()
            .map(|failure| {
                let side = failure.side.place();
                (places(&failure.places), format!("could not be rendered {side}: {}", failure.why))
            })
            .collect();
        drop(numbers);
        for change in &changes {
            mark(&mut page.slices, change);
        }
        for (places, why) in failed {
            for at in places {
                if let Some(slice) = page.slices.get_mut(at) {
                    slice.status = Status::Failed;
                    slice.notes = vec![why.clone()];
                }
            }
        }
        page.changes = changes;
        for (tone, verb, names) in
            [("minus", "leave", &comparison.clusters_removed), ("plus", "come", &comparison.clusters_added)]
        {
            if !names.is_empty() {
                let verb = if names.len() == 1 { format!("{verb}s") } else { verb.to_owned() };
                let names_listed = listed(names.clone(), 12);
                page.remarks.push((tone, format!("{} {verb}: {names_listed}", plural(names.len(), "cluster"))));
            }
        }
        page
    }
}

fn entries(side: Option<&Contents>) -> BTreeMap<&AppKey, (&Contents, &Entry)> {
    let entries = side.into_iter().flat_map(|side| side.index.applications.iter().map(move |entry| (side, entry)));
    entries.map(|(contents, entry)| (&entry.key, (contents, entry))).collect()
}

/// Says of the slices of a change how they stand: the most telling status of all their changes.
pub(super) fn mark(slices: &mut [Slice], change: &Change) {
    let status = match (change.application, change.tone) {
        (true, "plus") => Status::Added,
        (true, "minus") => Status::Removed,
        _ if !change.noise.is_empty() => Status::Noise,
        _ => Status::Changed,
    };
    for at in &change.places {
        if let Some(slice) = slices.get_mut(*at) {
            slice.status = slice.status.max(status);
            slice.danger |= !change.dangers.is_empty();
        }
    }
}

fn tone(what: &What) -> &'static str {
    match what {
        What::Come => "plus",
        What::Go => "minus",
        What::Change | What::Rename { .. } | What::Move { .. } => "change",
    }
}

fn application(change: &diff::ApplicationChange, places: Vec<usize>) -> Change {
    let mut more = Vec::new();
    if change.objects > 0 {
        more.push(plural(change.objects, "object"));
    }
    let what = match change.what {
        What::Come => "comes",
        What::Go => "leaves",
        What::Change | What::Rename { .. } | What::Move { .. } => "is set otherwise",
    };
    Change {
        what: what.to_owned(),
        tone: tone(&change.what),
        application: true,
        kind: "Application".to_owned(),
        more,
        fields: change.fields.iter().map(field).collect(),
        places,
        ..Change::default()
    }
}

fn object(change: &diff::Change, places: Vec<usize>) -> Change {
    let mut more = Vec::new();
    match &change.what {
        What::Rename { from } => more.push(format!("was {from}")),
        What::Move { from } => more.push(format!("from the application {from}")),
        What::Come | What::Go | What::Change => {}
    }
    if change.whole {
        more.push("with its application".to_owned());
    }
    if change.variants > 1 {
        more.push(format!("{} sets of values; the first is shown", change.variants));
    }
    let objects = change.objects.iter().map(|object| (object.namespace.to_string(), object.name.to_string()));
    Change {
        what: change.what.name().to_owned(),
        tone: tone(&change.what),
        application: false,
        kind: kind(&change.gvk),
        objects: objects.collect(),
        more,
        fields: change.fields.iter().map(field).collect(),
        dangers: change.dangers.iter().map(ToString::to_string).collect(),
        noise: change.noise.clone().unwrap_or_default(),
        whole: change.whole,
        places,
    }
}

/// `Deployment.apps`.
pub(super) fn kind(gvk: &Gvk) -> String {
    gvk.to_string()
}

/// A field with what it was and what it becomes. Texts of several lines stay as they are, to be compared by lines.
pub(super) fn field(field: &ChangedField) -> (String, Option<String>, Option<String>) {
    let text = |node: &Option<Node>| {
        node.as_ref().map(|node| match node.as_str().filter(|text| text.contains('\n')) {
            Some(text) => short(&text.split('\n').map(clean).collect::<Vec<_>>().join("\n")),
            None => short(&value(node, true)),
        })
    };
    (clean(&field.path), text(&field.before), text(&field.after))
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONG) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}
