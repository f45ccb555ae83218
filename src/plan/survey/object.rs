//! One object of an inventory against the cluster: is it there, is it the same one, are its fields as they were applied, is it healthy.

use std::collections::{BTreeMap, BTreeSet};

use super::super::desired::{Desired, DesiredSlice};
use super::super::ground::item_reference;
use super::super::live;
use super::super::probe::{Found, Probe};
use super::super::talk::Trouble;
use super::{Drift, DriftedField, Survey, What, writers};
use crate::bundle::ObjectRef;
use crate::inventory::{Item, Parent};
use crate::k8s::conflict::{self, Conflict, Decision};
use crate::k8s::difference;
use crate::k8s::fields::{Manager, applied::applied, edit, managers, path_text};
use crate::k8s::health::{Status, health};
use crate::k8s::ignore::Ignore;
use crate::plan::action::{Action, Verb};
use crate::yaml::Node;

/// Fields of others that are named.
const NAMED: usize = 3;

/// A slice whose objects are looked at.
pub(super) struct Slice<'a> {
    pub(super) survey: &'a Survey<'a>,
    pub(super) parent: &'a Parent,
    pub(super) desired: Option<&'a DesiredSlice>,
    /// What the fleet declares, by name on the cluster.
    pub(super) wanted: BTreeMap<ObjectRef, (usize, &'a Desired)>,
    pub(super) items: &'a BTreeMap<ObjectRef, &'a Item>,
    pub(super) ignore: &'a Ignore,
    pub(super) conflicts: &'a conflict::Policy,
}

/// What is to be said of an object.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) drift: Option<Drift>,
    pub(super) beside: Vec<(ObjectRef, String)>,
    pub(super) health: Option<(ObjectRef, Status, String)>,
}

impl Slice<'_> {
    /// Looks at one object.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub(super) async fn item(&self, item: &Item) -> Result<Seen, Trouble> {
        let Survey { talk, ground, members, look } = self.survey;
        let object = item_reference(item);
        let mut seen = Seen::default();
        let Some(found) = members.find(talk, ground, &item.gvk, &object).await? else {
            // What an apply that was cut short had not made yet was never there.
            if !item.uid.is_empty() {
                let why = match ground.kinds.any(&item.gvk) {
                    Some(_) => String::new(),
                    None => format!("the cluster does not serve {} any more", item.gvk),
                };
                seen.drift = Some(drift(object.clone(), What::Missing, why, None));
            }
            seen.health = Some((object, Status::Missing, String::new()));
            return Ok(seen);
        };
        let live = &found;
        let holders = managers(live).unwrap_or_default();
        let (uid, last) = (live::seen(live).uid, writers::last(&holders));
        if live::is_going(live) {
            let since = live.str_at(&["metadata", "deletionTimestamp"]);
            seen.drift = Some(drift(object.clone(), What::Going, format!("since {since}"), last));
        } else if !item.uid.is_empty() && uid != item.uid {
            let since = live.str_at(&["metadata", "creationTimestamp"]);
            seen.drift = Some(drift(object.clone(), What::Replaced, format!("it was made anew at {since}"), last));
        } else if item.applied.is_some()
            && (item.owned.is_none() || live::owned_digest(live) != item.owned || self.has_other_values(&object, live))
        {
            self.changed(item, &object, live, &holders, &mut seen).await?;
        }
        if look.beside {
            seen.beside.extend(beside(&object, &holders));
        }
        seen.health = self.health(object, live);
        Ok(seen)
    }

    /// An object that has our label and is in no inventory.
    pub(super) fn extra(&self, object: &ObjectRef, live: &Node) -> Drift {
        let last = writers::last(&managers(live).unwrap_or_default());
        drift(object.clone(), What::Extra, "it carries our label, and we did not make it".to_owned(), last)
    }

    fn health(&self, object: ObjectRef, live: &Node) -> Option<(ObjectRef, Status, String)> {
        if live.str_at(&["metadata", "annotations", "argocd.argoproj.io/ignore-healthcheck"]) == "true" {
            return None;
        }
        match health(live, &self.survey.look.scripts) {
            Ok(found) => found.map(|found| (object, found.status, found.message)),
            Err(why) => Some((object, Status::Unknown, why)),
        }
    }

    /// Whether somebody has set values of a Secret whose `stringData` we applied: its keys stay ours then.
    fn has_other_values(&self, object: &ObjectRef, live: &Node) -> bool {
        self.wanted.get(object).is_some_and(|(_, desired)| differs(desired, live) == Some(Values::Taken))
    }

    /// An object of which somebody has taken a field from us.
    async fn changed(
        &self,
        item: &Item,
        object: &ObjectRef,
        live: &Node,
        holders: &[Manager],
        seen: &mut Seen,
    ) -> Result<(), Trouble> {
        let wanted = self.wanted.get(object).copied();
        if let (Some(slice), Some((at, desired))) = (self.desired, wanted)
            && item.applied == Some(desired.digest)
        {
            let none = BTreeSet::new();
            let probe = Probe {
                talk: self.survey.talk,
                ground: self.survey.ground,
                slice,
                items: self.items,
                members: self.survey.members,
                missing: &none,
                conflicts: self.conflicts,
                ignore: self.ignore,
            };
            if let Found::Do(action) = probe.plain(at, desired).await? {
                self.judged(&action, object, live, holders, seen);
            }
            return Ok(());
        }
        let since = "the fleet says something else of it by now, so only what others have written since is known";
        self.foreign(object, live, wanted.map(|(_, desired)| desired), holders, since, seen);
        Ok(())
    }

    /// What would have to be done to an object so that it is as it was applied.
    fn judged(&self, action: &Action, object: &ObjectRef, live: &Node, holders: &[Manager], seen: &mut Seen) {
        let yields = action.yields.iter().map(|text| (object.clone(), text.clone()));
        match action.verb {
            Verb::Refuse => {
                let desired = self.wanted.get(object).map(|(_, desired)| *desired);
                self.foreign(object, live, desired, holders, &action.why, seen);
            }
            _ if action.changes.is_empty() && action.verb != Verb::Recreate => {
                seen.beside.extend(yields);
                if !action.why.is_empty() {
                    seen.beside.push((object.clone(), action.why.clone()));
                }
            }
            _ => {
                seen.beside.extend(yields);
                let field = |change: &difference::ChangedField| DriftedField {
                    path: change.path.clone(),
                    applied: change.after.clone(),
                    live: change.before.clone(),
                    known: true,
                    by: writers::holders(holders, &change.path),
                };
                let fields = action.changes.iter().map(field).collect();
                let found = drift(object.clone(), What::Changed, String::new(), writers::last(holders));
                seen.drift = Some(Drift { fields, ..found });
            }
        }
    }

    /// What others have written since we did, where it is not known what it was before.
    fn foreign(
        &self,
        object: &ObjectRef,
        live: &Node,
        desired: Option<&Desired>,
        holders: &[Manager],
        why: &str,
        seen: &mut Seen,
    ) {
        let since = writers::ours(holders);
        let declared = desired.map(|desired| applied(&desired.body, None));
        let mut reduced = live.clone();
        self.ignore.remove(&mut reduced, holders);
        let (mut fields, mut rightful): (BTreeMap<String, DriftedField>, usize) = (BTreeMap::new(), 0);
        let others = holders.iter().filter(|one| !writers::is_us(one) && one.subresource != "status");
        // The API server records no time of writes through `scale`.
        for manager in others.filter(|one| one.time.is_empty() || one.time.as_str() >= since.as_str()) {
            for leaf in manager.fields.leaves() {
                if declared.as_ref().is_some_and(|declared| !declared.touches(&leaf)) {
                    continue;
                }
                let path = writers::shown(&leaf);
                let conflict = Conflict {
                    manager: manager.name.clone(),
                    subresource: manager.subresource.clone(),
                    api_version: manager.api_version.clone(),
                    time: manager.time.clone(),
                    field: path_text(&leaf),
                };
                let decision = self.conflicts.decide(&self.kind(object, desired), &conflict);
                let ignored = edit::get(live, &leaf).is_some() && edit::get(&reduced, &leaf).is_none();
                if ignored || matches!(decision, Decision::Yield(_)) {
                    rightful += 1;
                    let why = match decision {
                        Decision::Yield(why) => why,
                        _ => "named by ignoreDifferences".to_owned(),
                    };
                    seen.beside.push((object.clone(), format!("{path} is {why}")));
                    continue;
                }
                let hidden = object.kind == "Secret" && object.group.is_empty() && difference::is_secret_path(&path);
                let value = if hidden { Some(Node::str("***")) } else { edit::get(live, &leaf).cloned() };
                let writer = writers::Writer::of(manager);
                let field = fields.entry(path.clone()).or_insert_with(|| DriftedField {
                    path,
                    applied: None,
                    live: value,
                    known: false,
                    by: Vec::new(),
                });
                if !field.by.contains(&writer) {
                    field.by.push(writer);
                }
            }
        }
        // Where others hold by right all that they have written since, that is what took the field from us.
        if fields.is_empty() && rightful > 0 {
            return;
        }
        let found = drift(object.clone(), What::Changed, why.to_owned(), writers::last(holders));
        seen.drift = Some(Drift { fields: fields.into_values().collect(), ..found });
    }

    fn kind(&self, object: &ObjectRef, desired: Option<&Desired>) -> crate::k8s::object::Gvk {
        match (desired, self.parent.item(&object.group, &object.kind, &object.namespace, &object.name)) {
            (Some(desired), _) => desired.gvk.clone(),
            (None, Some(item)) => item.gvk.clone(),
            (None, None) => crate::k8s::object::Gvk::new("", &object.kind),
        }
    }
}

/// Whose the values of a Secret are that are not those that the fleet says. No digest of them is recorded: it would give short ones away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Somebody else holds values.
    Taken,
    /// Nobody does, so the fleet says others by now.
    Pending,
}

/// Whether the values of a live Secret are others than the fleet says; `None` where they are not, and for other kinds.
pub(super) fn differs(desired: &Desired, live: &Node) -> Option<Values> {
    if !desired.gvk.is("", "Secret") || live::same_secret_values(&desired.body, live) {
        return None;
    }
    let holders = managers(live).unwrap_or_default();
    Some(if writers::holders(&holders, ".data").is_empty() { Values::Pending } else { Values::Taken })
}

fn drift(object: ObjectRef, what: What, why: String, last: Option<writers::Writer>) -> Drift {
    Drift { object, what, fields: Vec::new(), why, last }
}

/// What others hold of an object, one sentence each.
fn beside(object: &ObjectRef, holders: &[Manager]) -> Vec<(ObjectRef, String)> {
    let mut found = Vec::new();
    for manager in holders.iter().filter(|one| !writers::is_us(one) && one.subresource != "status") {
        let fields: BTreeSet<String> = manager.fields.leaves().iter().map(writers::shown).collect();
        if fields.is_empty() {
            continue;
        }
        let named: Vec<&str> = fields.iter().take(NAMED).map(String::as_str).collect();
        let more = if fields.len() > NAMED { format!(" and {} more", fields.len() - NAMED) } else { String::new() };
        found.push((object.clone(), format!("{} holds {}{more}", writers::Writer::of(manager), named.join(", "))));
    }
    found
}
