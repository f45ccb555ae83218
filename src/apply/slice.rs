//! Carrying out the plan of one slice, under its lease: the parent first, then phases and waves, then what goes, then the parent again.
//!
//! What is decided is decided in `plan`; here nothing is added to it and nothing deleted that it does not name. The inventory grows before
//! the first object is sent and shrinks when what leaves it is seen to be gone, so that a run may end anywhere. After any failure in the
//! slice nothing of it is deleted, and after one of the transport nothing on its cluster.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{Client, Problem};
use super::gone::{self, Doomed};
use super::hook::{self, Hook, Ran};
use super::lease::{Watch, when};
use super::ledger::Ledger;
use super::object::{self, Writing, Written};
use super::outcome::{SliceOutcome, SliceResult};
use super::site::{Site, Wait};
use super::wait::{For, until};
use crate::api::{Cause, Millis, Resource};
use crate::bundle::ObjectRef;
use crate::inventory::{Item, PART_OF_LABEL};
use crate::k8s::health::established::is_needed;
use crate::k8s::object::Gvk;
use crate::k8s::order::Phase;
use crate::machine::all;
use crate::plan::{Action, Applied, Desired, DesiredSlice, Record, SlicePlan, Verb, remember};
use crate::yaml::Node;

/// A slice at work.
pub(super) struct Work<'a> {
    pub(super) site: &'a Site<'a>,
    /// As it is to be; `None` for an application that is no longer declared.
    pub(super) desired: Option<&'a DesiredSlice>,
    pub(super) plan: &'a SlicePlan,
    /// Acts as the application's service account.
    pub(super) client: Client,
    pub(super) watch: Watch,
    pub(super) ledger: Ledger,
    /// What the parent is to carry when all is done.
    pub(super) record: Record,
    pub(super) outcome: SliceOutcome,
}

/// What is said of single objects begins with this: who runs an apply may show it less.
pub const DETAIL: char = '\u{1}';

/// How long a kind is waited for whose definition is there or comes from elsewhere.
const KIND_COMES: Millis = 30_000;

/// What an action came to.
enum Done {
    /// A member of the slice is as it should be.
    Member(Written),
    /// Something that is no member is.
    Beside(Vec<String>),
    /// A hook runs.
    Hook(Ran),
}

impl<'a> Work<'a> {
    /// Carries out the plan. What goes to other slices is left to [`hand_over`](Self::hand_over).
    pub(super) async fn run(&mut self) {
        if let Err(problem) = self.begin().await {
            self.fail(None, problem);
            return;
        }
        let mut good = true;
        for phase in [Phase::PreSync, Phase::Sync, Phase::PostSync] {
            good = self.phase(phase).await;
            if !good {
                break;
            }
            if phase == Phase::Sync {
                self.settle().await;
                good = self.users_are_well().await && self.prune().await;
                if !good {
                    break;
                }
            }
        }
        if !good {
            self.phase(Phase::SyncFail).await;
        }
        self.end(good).await;
    }

    /// What is carried out.
    fn actions(&self) -> impl Iterator<Item = &'a Action> + use<'a> {
        self.plan.actions.iter().filter(|action| action.withheld.is_none())
    }

    fn desired_of(&self, action: &Action) -> Option<&'a Desired> {
        self.desired?.objects.get(action.desired?)
    }

    /// Writes the parent with all that the slice has and will have, and with the policy that holds from now on.
    async fn begin(&mut self) -> Result<(), Problem> {
        let plan = self.plan;
        self.ledger.record(self.unfinished().to_node());
        let mut new = Vec::new();
        for action in self.actions() {
            let member = action.verb.applies() && !matches!(action.verb, Verb::Ensure | Verb::Hook);
            if (member || action.verb == Verb::Note) && !self.ledger.items.contains_key(&action.object) {
                new.push((action.object.clone(), item(action)));
            }
        }
        self.ledger.items.extend(new);
        // An object whose creation was never confirmed is deleted only with its UID on record, like every other.
        for action in plan.actions.iter().filter(|action| matches!(action.verb, Verb::Delete(_) | Verb::Recreate)) {
            if let (Some(item), Some(live)) = (self.ledger.items.get_mut(&action.object), &action.live)
                && item.uid.is_empty()
            {
                item.uid = live.uid.clone();
            }
        }
        self.ledger.write().await?;
        // Asked for once, not by all pieces at the same time. What is not served yet may come with a definition.
        let kinds: BTreeSet<&Gvk> = self.actions().map(|action| &action.gvk).collect();
        for gvk in kinds {
            self.site.kinds.find(&self.client, gvk).await?;
        }
        Ok(())
    }

    /// What only the inventory has to learn, and what stays on the cluster but is not ours any more.
    async fn settle(&mut self) {
        let wanted = |action: &&Action| matches!(action.verb, Verb::Forget | Verb::Release | Verb::Note);
        let actions: Vec<&Action> = self.actions().filter(wanted).collect();
        let pieces: Vec<_> = actions.iter().map(|action| self.settled(action)).collect();
        let settled = all(self.site.options.at_once, pieces).await;
        for (action, settled) in actions.into_iter().zip(settled) {
            match settled {
                Ok(Some(written)) => self.record(action, &written),
                Ok(None) => {
                    self.outcome.counts.released += usize::from(action.verb == Verb::Release);
                    self.ledger.items.remove(&action.object);
                }
                Err(problem) => self.fail(Some(action.object.clone()), problem),
            }
        }
    }

    /// An object to be recorded as it is; `None` for one that leaves the inventory.
    async fn settled(&self, action: &Action) -> Result<Option<Written>, Problem> {
        if action.verb == Verb::Forget {
            return Ok(None);
        }
        let Some(path) = self.path(action).await? else { return Ok(None) };
        for _ in 0..5 {
            let Some(live) = self.client.read(&path).await? else { return Ok(None) };
            // Whoever took the label off has taken the object, too.
            if live.str_at(&["metadata", "labels", PART_OF_LABEL]) != self.plan.parent_name.id() {
                return Ok(None);
            }
            if action.verb == Verb::Note {
                return Ok(Some(Written { uid: live.str_at(&["metadata", "uid"]).into(), live, notes: Vec::new() }));
            }
            match object::unlabel(&self.client, &self.watch, &path, &live, PART_OF_LABEL).await {
                Err(problem) if problem.status() == 409 => {}
                Err(problem) if problem.status() != 404 => return Err(problem),
                _ => return Ok(None),
            }
        }
        Err(Problem::Stopped("it changes too fast to be released".to_owned()))
    }

    /// Drops what another slice has taken over by now; the rest stays listed.
    pub(super) async fn hand_over(&mut self) {
        for action in self.actions() {
            let Verb::HandOver { to } = &action.verb else { continue };
            let taken = match self.path(action).await {
                Ok(Some(path)) => self.client.read(&path).await.map(|live| {
                    live.is_none_or(|live| {
                        live.str_at(&["metadata", "labels", PART_OF_LABEL]) != self.plan.parent_name.id()
                    })
                }),
                Ok(None) => Ok(true),
                Err(problem) => Err(problem),
            };
            match taken {
                Ok(true) => drop(self.ledger.items.remove(&action.object)),
                Ok(false) => {
                    self.outcome.notes.push((Some(action.object.clone()), format!("`{to}` has not taken it over yet")));
                }
                Err(problem) => self.fail(Some(action.object.clone()), problem),
            }
        }
        let ended = if self.plan.removal && self.ledger.items.is_empty() {
            self.ledger.remove().await
        } else {
            self.ledger.write().await
        };
        if let Err(problem) = ended {
            self.fail(None, problem);
        }
    }

    /// One phase: its waves in order, each healthy before the next. Says whether all went well.
    async fn phase(&mut self, phase: Phase) -> bool {
        let plan = self.plan;
        let mut waves: BTreeMap<i64, Vec<&Action>> = BTreeMap::new();
        let of_phase = |action: &&Action| action.place.phase == phase && action.verb.applies();
        for action in plan.actions.iter().filter(|action| action.withheld.is_none()).filter(of_phase) {
            waves.entry(action.place.wave).or_default().push(action);
        }
        let mut standing = if phase == Phase::Sync { self.standing() } else { BTreeMap::new() };
        let (mut ran, mut good): (Vec<Ran>, bool) = (Vec::new(), true);
        let last = waves.keys().next_back().copied();
        for (wave, mut actions) in waves {
            actions.sort_by_key(|action| action.place.position);
            // What is as it should be counts with its wave: it may not be healthy yet.
            let later = standing.split_off(&wave);
            if !self.wait(std::mem::replace(&mut standing, later).into_values().flatten().collect()).await {
                good = false;
                break;
            }
            let mut paths: Vec<(ObjectRef, String)> = standing.remove(&wave).unwrap_or_default();
            let before = ran.len();
            good = self.wave(&actions, &mut paths, &mut ran).await;
            good &= self.hooks_end(ran.get(before..).unwrap_or_default()).await;
            good = good && self.wait(paths).await;
            if !good {
                break;
            }
            if last != Some(wave)
                && let Err(problem) = self.ledger.write().await
            {
                self.fail(None, problem);
                good = false;
                break;
            }
        }
        let swept: Vec<(Ran, bool)> = ran.into_iter().map(|ran| (ran, good)).collect();
        for problem in hook::sweep(&self.client, &self.watch, &swept, self.site.options.timeout).await {
            self.outcome.notes.push((None, format!("a hook that is over could not be deleted: {problem}")));
        }
        good
    }

    /// Where objects are that need nothing, by wave; none where waves are not waited for.
    fn standing(&self) -> BTreeMap<i64, Vec<(ObjectRef, String)>> {
        let mut standing: BTreeMap<i64, Vec<(ObjectRef, String)>> = BTreeMap::new();
        let Some(desired) = self.desired.filter(|_| self.in_steps()) else { return standing };
        for same in &self.plan.same {
            let Some(object) = desired.objects.get(same.desired).filter(|object| object.is_plain()) else { continue };
            let Some(resource) = self.site.kinds.known(&object.gvk) else { continue };
            let path = resource.object(&object.namespace, &object.name);
            standing.entry(object.wave).or_default().push((object.reference(), path));
        }
        standing
    }

    /// What is deleted last is deleted when all that may still use it is healthy, also what an earlier run applied.
    async fn users_are_well(&mut self) -> bool {
        let late = self.actions().any(|action| self.is_late(action));
        if late { self.wait(self.standing().into_values().flatten().collect()).await } else { true }
    }

    /// Whether an action is a deletion that comes after the last wave.
    fn is_late(&self, action: &Action) -> bool {
        let plain = self.desired.into_iter().flat_map(|desired| &desired.objects).filter(|object| object.is_plain());
        matches!(action.verb, Verb::Delete(_)) && plain.map(|object| object.wave).max() < Some(action.place.wave)
    }

    /// Whether the slice goes in steps: several waves, hooks, or deletions that come after all the rest (`PruneLast`, and what carries the
    /// hash of its content in its name). Otherwise it is done when it is applied, as in Argo CD.
    fn in_steps(&self) -> bool {
        let plain = self.desired.into_iter().flat_map(|desired| &desired.objects).filter(|object| object.is_plain());
        let waves: BTreeSet<i64> = plain.map(|object| object.wave).collect();
        waves.len() > 1 || self.actions().any(|action| action.verb == Verb::Hook || self.is_late(action))
    }

    /// Sends a wave: neighbours of one kind next to each other.
    async fn wave(&mut self, actions: &[&Action], paths: &mut Vec<(ObjectRef, String)>, ran: &mut Vec<Ran>) -> bool {
        for batch in actions.chunk_by(|a, b| a.gvk == b.gvk && (a.verb == Verb::Hook) == (b.verb == Verb::Hook)) {
            if batch.iter().any(|action| action.verb == Verb::Unknown) {
                self.kind_comes(batch).await;
            }
            let pieces: Vec<_> = batch.iter().map(|action| self.one(action)).collect();
            let done = all(self.site.options.at_once, pieces).await;
            let mut good = true;
            for (action, (path, done)) in batch.iter().zip(done) {
                match done {
                    Ok(Done::Member(written)) => {
                        self.count(action);
                        self.detail(action, action.verb.name());
                        self.record(action, &written);
                        let notes = written.notes.into_iter().map(|note| (Some(action.object.clone()), note));
                        self.outcome.notes.extend(notes);
                        paths.push((action.object.clone(), path));
                    }
                    Ok(Done::Beside(notes)) => {
                        let notes = notes.into_iter().map(|note| (Some(action.object.clone()), note));
                        self.outcome.notes.extend(notes);
                        paths.push((action.object.clone(), path));
                    }
                    Ok(Done::Hook(hook)) => {
                        self.outcome.counts.hooks += 1;
                        self.detail(action, "begun");
                        ran.push(hook);
                    }
                    Err(problem) => {
                        good = false;
                        self.fail(Some(action.object.clone()), problem);
                    }
                }
            }
            if good && batch.iter().any(|action| is_needed(&action.gvk)) {
                good = self.others_may_come(batch).await;
            }
            if !good {
                return false;
            }
        }
        true
    }

    /// Waits until the kind of a batch is served: its definition may have been made by an earlier run, or by somebody else. Whoever waits in vain
    /// hears so when he sends his objects.
    async fn kind_comes(&self, batch: &[&Action]) {
        let Some(gvk) = batch.first().map(|action| &action.gvk) else { return };
        let end = self.site.port.now().saturating_add(self.site.options.timeout.min(KIND_COMES));
        while let Ok(None) = self.site.kinds.find(&self.client, gvk).await
            && self.site.port.now() < end
        {
            self.site.port.sleep(500).await;
            self.site.kinds.forget(&gvk.group);
        }
    }

    /// Waits for definitions and namespaces that were sent, and asks anew for the kinds that they bring.
    async fn others_may_come(&mut self, batch: &[&Action]) -> bool {
        let mut waited = Vec::new();
        for action in batch {
            if let Some(resource) = self.site.kinds.known(&action.gvk) {
                waited.push((action.object.clone(), resource.object(&action.object.namespace, &action.object.name)));
            }
        }
        let good = self.wait_for(waited, For::Others).await;
        for action in batch {
            let defined = self.desired_of(action).and_then(|desired| crate::plan::defined_kind(&desired.body));
            if let Some((group, _)) = defined {
                self.site.kinds.forget(&group);
            }
        }
        good
    }

    async fn wait(&mut self, paths: Vec<(ObjectRef, String)>) -> bool {
        let wanted = match self.site.options.wait {
            Wait::Always => true,
            Wait::Steps => self.in_steps(),
            Wait::Never => false,
        };
        if wanted { self.wait_for(paths, For::Health).await } else { true }
    }

    async fn wait_for(&mut self, waited: Vec<(ObjectRef, String)>, what: For) -> bool {
        let (objects, paths): (Vec<ObjectRef>, Vec<String>) = waited.into_iter().unzip();
        if what == For::Health && !paths.is_empty() {
            self.say(&format!("waiting for {} objects to be healthy", paths.len()));
        }
        let ended = until(&self.client, &paths, what, &self.site.options.scripts, self.site.options.timeout).await;
        let mut good = true;
        for (object, outcome) in objects.into_iter().zip(ended) {
            if let Err(problem) = outcome {
                good = false;
                self.fail(Some(object), problem);
            }
        }
        good
    }

    async fn hooks_end(&mut self, ran: &[Ran]) -> bool {
        let paths: Vec<String> = ran.iter().map(|ran| ran.path.clone()).collect();
        if !paths.is_empty() {
            self.say(&format!("waiting for {} hooks", paths.len()));
        }
        let (scripts, timeout) = (&self.site.options.scripts, self.site.options.timeout);
        let ended = until(&self.client, &paths, For::Hook, scripts, timeout).await;
        let mut good = true;
        for (ran, outcome) in ran.iter().zip(ended) {
            if let Err(problem) = outcome {
                good = false;
                self.fail(Some(ran.object.clone()), problem);
            }
        }
        good
    }

    /// Carries out one action; its path, where it has one.
    async fn one(&self, action: &Action) -> (String, Result<Done, Problem>) {
        let resource = match self.site.kinds.find(&self.client, &action.gvk).await {
            Ok(Some(resource)) => resource,
            Ok(None) => {
                let why = format!("the cluster does not serve {} {}", action.gvk.api_version(), action.gvk.kind);
                return (String::new(), Err(Problem::Stopped(why)));
            }
            Err(problem) => return (String::new(), Err(problem)),
        };
        let path = resource.object(&action.object.namespace, &action.object.name);
        let done = match action.verb {
            Verb::Hook => self.hook(action, &resource).await,
            _ => self.send(action, &resource, &path).await,
        };
        (path, done)
    }

    async fn hook(&self, action: &Action, resource: &Resource) -> Result<Done, Problem> {
        let desired = self.desired_of(action).ok_or_else(undeclared)?;
        let hook = Hook {
            object: &action.object,
            resource,
            manifest: &desired.body,
            phase: action.place.phase,
            policies: desired.hook_delete.clone(),
            slice: self.plan.parent_name.id(),
        };
        hook::start(&self.client, &self.watch, &hook, self.site.options.timeout).await.map(Done::Hook)
    }

    async fn send(&self, action: &Action, resource: &Resource, path: &str) -> Result<Done, Problem> {
        let desired = self.desired_of(action);
        let json = action.body.as_ref().or(desired.map(|desired| &desired.json)).ok_or_else(undeclared)?;
        if action.verb == Verb::Recreate {
            let uid = action.live.as_ref().map(|live| live.uid.clone()).unwrap_or_default();
            let doomed = Doomed { path: path.to_owned(), uid, propagation: "Foreground" };
            gone::delete(&self.client, &self.watch, &doomed, self.site.options.timeout).await?;
        }
        let writing = Writing {
            resource,
            namespace: &action.object.namespace,
            name: &action.object.name,
            json,
            replace: action.verb == Verb::Overwrite,
            force: action.force,
            is_new_kind: action.verb == Verb::Unknown,
        };
        let decide = |cause: &Cause, sent: &mut Node| self.site.decide(&action.gvk, cause, sent);
        let written = object::write(&self.client, &self.watch, &writing, &decide).await?;
        if action.verb == Verb::Ensure { Ok(Done::Beside(written.notes)) } else { Ok(Done::Member(written)) }
    }

    /// Deletes what is no longer declared, wave by wave. Nothing at all after a failure.
    async fn prune(&mut self) -> bool {
        let plan = self.plan;
        let mut waves: BTreeMap<i64, Vec<&Action>> = BTreeMap::new();
        for action in plan.actions.iter().filter(|action| action.withheld.is_none()) {
            if matches!(action.verb, Verb::Delete(_)) {
                waves.entry(action.place.wave).or_default().push(action);
            }
        }
        if waves.is_empty() {
            return self.outcome.errors.is_empty();
        }
        // What is there now is on record before the first deletion.
        if let Err(problem) = self.ledger.write().await {
            self.fail(None, problem);
        }
        for (_, actions) in waves {
            if !self.outcome.errors.is_empty() {
                return false;
            }
            if self.site.is_broken() {
                let why = "nothing is deleted on a cluster after a request to it got no answer";
                self.fail(None, Problem::Stopped(why.to_owned()));
                return false;
            }
            let pieces: Vec<_> = actions.iter().map(|action| self.delete(action)).collect();
            let gone = all(self.site.options.at_once, pieces).await;
            for (action, gone) in actions.iter().zip(gone) {
                match gone {
                    Ok(()) => {
                        self.outcome.counts.deleted += 1;
                        self.detail(action, "gone");
                        self.ledger.items.remove(&action.object);
                    }
                    Err(problem) => self.fail(Some(action.object.clone()), problem),
                }
            }
        }
        self.outcome.errors.is_empty()
    }

    async fn delete(&self, action: &Action) -> Result<(), Problem> {
        let Verb::Delete(propagation) = action.verb else { return Ok(()) };
        let recorded = self.ledger.items.get(&action.object).map(|item| item.uid.clone()).unwrap_or_default();
        if recorded.is_empty() {
            return Err(Problem::Stopped("no UID of it is on record, so it is not deleted".to_owned()));
        }
        // A kind that is not served any more has no objects.
        let Some(path) = self.path(action).await? else { return Ok(()) };
        let doomed = Doomed { path, uid: recorded, propagation: propagation.name() };
        gone::delete(&self.client, &self.watch, &doomed, self.site.options.timeout).await
    }

    async fn path(&self, action: &Action) -> Result<Option<String>, Problem> {
        let resource = self.site.kinds.find(&self.client, &action.gvk).await?;
        Ok(resource.map(|resource| resource.object(&action.object.namespace, &action.object.name)))
    }

    /// Records what was done; a slice that is at its end says so.
    async fn end(&mut self, good: bool) {
        let good = good && self.outcome.errors.is_empty();
        if good && self.plan.removal && self.ledger.items.is_empty() {
            if let Err(problem) = self.ledger.remove().await {
                self.fail(None, problem);
            }
        } else {
            if good {
                self.well();
            } else if !self.plan.removal {
                let mut record = self.unfinished();
                self.remember(&mut record, false);
                self.ledger.record(record.to_node());
            }
            // What goes to another slice is listed until that one has it.
            if let Err(problem) = self.ledger.write().await {
                self.fail(None, problem);
            }
        }
        self.outcome.result = if self.outcome.errors.is_empty() { SliceResult::Applied } else { SliceResult::Failed };
    }

    /// From the next write on the parent says what was applied.
    fn well(&mut self) {
        let mut record = self.record.clone();
        record.installed |= !self.plan.removal;
        self.remember(&mut record, true);
        self.ledger.record(record.to_node());
    }

    /// What the parent says while the slice is worked on: what was applied last stays on record until this apply has ended well, so hooks of
    /// an apply that was cut short run again.
    fn unfinished(&self) -> Record {
        let mut record = self.record.clone();
        if !self.plan.removal {
            let before = self.plan.parent.as_ref().map(|parent| Record::read(&parent.record));
            record.bundle = before.as_ref().and_then(|before| before.bundle);
            record.content = before.as_ref().and_then(|before| before.content);
            record.installed = before.as_ref().is_some_and(|before| before.installed);
        }
        record
    }

    /// Adds this apply to the history.
    fn remember(&self, record: &mut Record, well: bool) {
        let Some(desired) = self.desired else { return };
        let by = self.site.options.holder.split(' ').next().unwrap_or_default().to_owned();
        let applied = Applied {
            revision: desired.revision.clone(),
            sources: desired.record.sources.clone(),
            bundle: Some(desired.digest),
            at: when(self.site.port.now()),
            by,
            well,
        };
        remember(&mut record.history, applied);
    }

    fn record(&mut self, action: &Action, written: &Written) {
        let digest = self.desired_of(action).map(|desired| desired.digest);
        let mut item = item(action);
        item.uid = written.uid.clone();
        item.applied = digest;
        item.owned = crate::plan::owned_digest(&written.live);
        self.ledger.items.insert(action.object.clone(), item);
    }

    fn count(&mut self, action: &Action) {
        let counts = &mut self.outcome.counts;
        match action.verb {
            Verb::Recreate => counts.replaced += 1,
            Verb::Create | Verb::Unknown => counts.created += 1,
            _ => counts.changed += 1,
        }
    }

    fn fail(&mut self, object: Option<ObjectRef>, problem: Problem) {
        if matches!(problem, Problem::Unreachable(_)) {
            self.site.break_off();
        }
        self.outcome.result = SliceResult::Failed;
        self.outcome.errors.push((object, problem.to_string()));
    }

    /// Says what was done with one object.
    fn detail(&self, action: &Action, what: &str) {
        let application = &self.outcome.application;
        self.site.port.say(format!("{DETAIL}{application}: {}: {what}", action.object));
    }

    fn say(&self, what: &str) {
        self.site.say(&self.outcome.application, what);
    }
}

fn undeclared() -> Problem {
    Problem::Stopped("it is not among the declared objects".to_owned())
}

/// An object that is about to be sent: nothing is confirmed of it.
fn item(action: &Action) -> Item {
    Item {
        gvk: Gvk::clone(&action.gvk),
        namespace: action.object.namespace.clone(),
        name: action.object.name.clone(),
        uid: Default::default(),
        applied: None,
        owned: None,
    }
}
