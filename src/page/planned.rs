//! The page of a plan: how every application on every cluster stands, and the actions, equal ones once. What is live is in no plan, so an
//! object shows what is to be, and an action which fields differ.

use rustc_hash::FxHashMap;

use super::comparison::{field, kind};
use super::fleet::{Store, made, sites, slice, units};
use super::{Change, Known, Page, Slice, Status, Subject};
use crate::bundle::Spread;
use crate::diff::Side;
use crate::plan::report::{common, counts, summary, tone, verb};
use crate::plan::{Action, ClusterPlan, SlicePlan, Status as Planned, Verb};
use crate::read::Fleet;
use crate::report::Tone;

impl Page {
    /// The page of plans. `side` is what is to be on the clusters, `fleet` knows them, and `known` where the objects came from.
    pub fn of_plan(
        plans: &[ClusterPlan],
        side: &Side,
        fleet: &Fleet,
        known: Option<Known<'_>>,
        spread: Spread<'_>,
    ) -> Page {
        let mut page = Page { subject: Subject::Plan, summary: summary(&counts(plans)), ..Page::default() };
        page.sites = sites(fleet, plans.iter().map(|plan| &plan.cluster));
        let units = known.map(|known| units(&known.compiled.fleet, &known.compiled.units)).unwrap_or_default();
        let mut store = Store::default();
        let mut changes = Folded::default();
        for (at, plan) in plans.iter().enumerate() {
            if let Some(site) = page.sites.get_mut(at)
                && !plan.version.is_empty()
            {
                site.version.clone_from(&plan.version);
            }
            let contents = side.get(&plan.cluster);
            let entries = contents.into_iter().flat_map(|contents| &contents.index.applications);
            if let Some(why) = &plan.failed {
                page.remarks.push(("alarm", format!("{}: {why}", plan.cluster)));
                for entry in entries {
                    let failed = vec![format!("the cluster could not be planned: {why}")];
                    page.slices.push(Slice { status: Status::Failed, notes: failed, ..slice(at, entry) });
                }
                continue;
            }
            page.remarks.extend(plan.refusals.iter().map(|why| ("alarm", format!("{}: {why}", plan.cluster))));
            page.remarks.extend(plan.notes.iter().map(|why| ("plain", format!("{}: {why}", plan.cluster))));
            for planned in &plan.slices {
                let key = &planned.key.application;
                let entry = entries.clone().find(|entry| entry.key == *key).filter(|_| !planned.removal);
                let mut one = match entry {
                    Some(entry) => slice(at, entry),
                    None => gone(at, planned),
                };
                let unit = units.get(&(plan.cluster.clone(), key)).copied();
                one.after = entry.zip(contents).and_then(|(entry, contents)| store.add(contents, entry, unit));
                one.made = unit.zip(known).map(|(unit, known)| made(unit, known.sources)).unwrap_or_default();
                stands(&mut one, planned);
                for action in planned.actions.iter().filter(|action| is_shown(action)) {
                    one.danger |= !action.dangers.is_empty();
                    changes.add(change(action), page.slices.len());
                }
                page.slices.push(one);
            }
        }
        page.contents = store.contents(known, spread);
        page.changes = changes.sorted();
        page
    }
}

/// An application that is no longer declared.
fn gone(site: usize, planned: &SlicePlan) -> Slice {
    Slice {
        site,
        key: planned.key.application.clone(),
        project: planned.project.clone(),
        namespace: String::new(),
        set: String::new(),
        sources: Vec::new(),
        made: Vec::new(),
        status: Status::Removed,
        danger: false,
        notes: Vec::new(),
        before: None,
        after: None,
    }
}

/// Says how a slice stands, and why.
fn stands(slice: &mut Slice, planned: &SlicePlan) {
    let (status, why) = match &planned.status {
        Planned::Ready if planned.removal => (Status::Removed, None),
        Planned::Ready if !planned.has_changes() => (Status::Fine, None),
        Planned::Ready if planned.parent.is_none() => (Status::Added, None),
        Planned::Ready => (Status::Changed, None),
        Planned::Blocked => (Status::Failed, Some("something in it cannot be done, so nothing of it is".to_owned())),
        Planned::Held(why) => (Status::Held, Some(why.clone())),
        Planned::Refused(why) | Planned::Failed(why) => (Status::Failed, Some(why.clone())),
    };
    slice.status = status;
    slice.notes = why.into_iter().collect();
    slice.notes.extend(planned.withheld.iter().map(|why| format!("withheld: {why}")));
    slice.notes.extend(planned.notes.iter().cloned());
}

/// What only the inventory learns is not worth a line.
fn is_shown(action: &Action) -> bool {
    !matches!(action.verb, Verb::Note | Verb::Forget)
}

fn change(action: &Action) -> Change {
    let tone = match tone(&action.verb).0 {
        Tone::Plus => "plus",
        Tone::Minus => "minus",
        Tone::Change => "change",
        Tone::Alarm => "alarm",
        Tone::Plain => "plain",
    };
    let noise = common(action).unwrap_or_default();
    let mut more = Vec::new();
    if !action.why.is_empty() && action.why != noise {
        more.push(action.why.clone());
    }
    if action.force {
        more.push("taking fields of others".to_owned());
    }
    more.extend(action.withheld.iter().map(|why| format!("withheld: {why}")));
    more.extend(action.yields.iter().cloned());
    Change {
        what: verb(&action.verb),
        tone,
        application: false,
        kind: kind(&action.gvk),
        objects: vec![(action.object.namespace.to_string(), action.object.name.to_string())],
        more,
        fields: action.changes.iter().map(field).collect(),
        dangers: action.dangers.iter().map(ToString::to_string).collect(),
        noise,
        whole: false,
        places: Vec::new(),
    }
}

/// Changes, equal ones once.
#[derive(Default)]
struct Folded {
    known: FxHashMap<String, usize>,
    list: Vec<Change>,
}

impl Folded {
    fn add(&mut self, change: Change, place: usize) {
        let at = *self.known.entry(format!("{change:?}")).or_insert(self.list.len());
        match self.list.get_mut(at) {
            None => self.list.push(Change { places: vec![place], ..change }),
            Some(known) if known.places.last() != Some(&place) => known.places.push(place),
            Some(_) => {}
        }
    }

    /// What cannot be done and what is dangerous first, then by how many places there are.
    fn sorted(self) -> Vec<Change> {
        let mut list = self.list;
        let urgent = |change: &Change| (change.tone != "alarm", change.dangers.is_empty());
        list.sort_by_key(|change| (urgent(change), std::cmp::Reverse(change.places.len())));
        list
    }
}
