//! What a plan is made of: the actions of a slice, the slices of a cluster.
//!
//! Values only; decided in `decide` and `prune`, bounded in `guard`, written in `file`. Nothing here holds the value of a Secret except
//! [`Action::body`], which is what is sent and is in no file and no output.

use std::sync::Arc;

use smol_str::SmolStr;

use crate::application::AppKey;
use crate::bundle::ObjectRef;
use crate::danger::Dangers;
use crate::digest::Digest;
use crate::inventory::{Item, Parent, ParentName, SliceKey};
use crate::k8s::difference::ChangedField;
use crate::k8s::object::Gvk;

use super::options::Propagation;
use super::order::Place;
use super::record::Record;

/// What is done with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It does not exist and is created.
    Create,
    /// It is changed.
    Change,
    /// It is deleted and made anew, since what differs cannot be changed.
    Recreate,
    /// It is written whole (`Replace=true`).
    Overwrite,
    /// It exists, nobody's we know of, and becomes ours (with the changes shown).
    Adopt,
    /// It comes from another application of the fleet, which no longer declares it.
    TakeOver {
        /// That application.
        from: AppKey,
    },
    /// It goes to another application of the fleet: only the inventory changes here.
    HandOver {
        /// That application.
        to: AppKey,
    },
    /// It is deleted.
    Delete(Propagation),
    /// It is no longer declared and stays, listed in the inventory.
    Keep,
    /// It stays on the cluster and leaves the inventory and the ApplySet.
    Release,
    /// It is no longer there: only the inventory forgets it.
    Forget,
    /// It is as it should be, but the inventory does not say so yet.
    Note,
    /// A namespace that is made sure of.
    Ensure,
    /// A hook runs.
    Hook,
    /// What would happen is known when what it waits for is there: its CRD or its namespace comes in this plan.
    Unknown,
    /// It cannot be applied: the server refuses it, somebody else owns it or one of its fields. The slice is blocked.
    Refuse,
}

impl Verb {
    /// One word, as in files and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Change => "change",
            Verb::Recreate => "recreate",
            Verb::Overwrite => "overwrite",
            Verb::Adopt => "adopt",
            Verb::TakeOver { .. } => "take-over",
            Verb::HandOver { .. } => "hand-over",
            Verb::Delete(_) => "delete",
            Verb::Keep => "keep",
            Verb::Release => "release",
            Verb::Forget => "forget",
            Verb::Note => "note",
            Verb::Ensure => "ensure",
            Verb::Hook => "hook",
            Verb::Unknown => "unknown",
            Verb::Refuse => "refuse",
        }
    }

    /// Whether it sends a desired object.
    pub fn applies(&self) -> bool {
        use Verb::*;
        matches!(self, Create | Change | Recreate | Overwrite | Adopt | TakeOver { .. } | Ensure | Hook | Unknown)
    }

    /// Whether something changes on the cluster beside the parent.
    pub fn is_effective(&self) -> bool {
        self.applies() || matches!(self, Verb::Delete(_) | Verb::Release)
    }
}

/// A live object as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its UID.
    pub uid: SmolStr,
    /// Its resource version.
    pub resource_version: SmolStr,
}

/// One step of a slice.
#[derive(Clone, Debug)]
pub struct Action {
    /// When.
    pub place: Place,
    /// On what. Cluster-scoped objects have no namespace, whatever was written.
    pub object: ObjectRef,
    /// Its kind with the version that is sent, or that the inventory or the list had.
    pub gvk: Gvk,
    /// What.
    pub verb: Verb,
    /// Index of the object in [`DesiredSlice::objects`](super::DesiredSlice), where it is one of them.
    pub desired: Option<usize>,
    /// What is sent, where that is not the desired object itself: fields left to others are left out. Also the namespace to make sure of.
    pub body: Option<Arc<str>>,
    /// Take fields that others own (`--take-ownership`, rules of fleet.yaml): `force=true`.
    pub force: bool,
    /// The live object that this was decided on; `None` where there is none.
    pub live: Option<Seen>,
    /// What differs, sorted by path.
    pub changes: Vec<ChangedField>,
    /// Fields that are left to whoever owns them, one sentence each.
    pub yields: Vec<String>,
    /// What is dangerous about it.
    pub dangers: Dangers,
    /// Why, where the verb alone does not say it: one sentence.
    pub why: String,
    /// Why it is not carried out, although it was decided: a budget, a guard. Not part of the digest.
    pub withheld: Option<String>,
    /// Whether a deletion counts against the budgets.
    pub counts: bool,
}

impl Action {
    /// An action without particulars.
    pub fn new(object: ObjectRef, gvk: Gvk, verb: Verb) -> Self {
        Action {
            place: Place { phase: crate::k8s::order::Phase::Sync, wave: 0, position: 0 },
            object,
            gvk,
            verb,
            desired: None,
            body: None,
            force: false,
            live: None,
            changes: Vec::new(),
            yields: Vec::new(),
            dangers: Dangers::default(),
            why: String::new(),
            withheld: None,
            counts: true,
        }
    }

    /// Whether it is carried out and changes something on the cluster beside the parent.
    pub fn is_effective(&self) -> bool {
        self.withheld.is_none() && self.verb.is_effective()
    }
}

/// A desired object that needs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Same {
    /// Index in [`DesiredSlice::objects`](super::DesiredSlice).
    pub desired: usize,
    /// Its UID.
    pub uid: SmolStr,
}

/// How a slice stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its actions may be carried out; there may be none.
    Ready,
    /// Something in it cannot be done, so nothing of it is: see the actions with [`Verb::Refuse`].
    Blocked,
    /// Its render failed, or a rollback holds it where it is, and why: nothing happens to it.
    Held(String),
    /// It may not be applied, and why: unknown project, facts that differ, an empty set.
    Refused(String),
    /// The cluster could not be asked, and why.
    Failed(String),
}

/// The plan of one application on one cluster.
#[derive(Clone, Debug)]
pub struct SlicePlan {
    /// Fleet and application.
    pub key: SliceKey,
    /// Its project, for filters and reports.
    pub project: String,
    /// How it stands.
    pub status: Status,
    /// Whether the application is no longer declared: everything that it has goes, or is released.
    pub removal: bool,
    /// Why a removal is not carried out: the budget. Then none of its actions is.
    pub withheld: Option<String>,
    /// Digest of the desired slice; of a removed one the digest that its parent recorded.
    pub bundle: Option<Digest>,
    /// Where its parent lies.
    pub parent_name: ParentName,
    /// Its parent as it was read; `None` before the first apply.
    pub parent: Option<Parent>,
    /// What the parent is to carry when all is done.
    pub record: Record,
    /// What is done, in order.
    pub actions: Vec<Action>,
    /// What needs nothing.
    pub same: Vec<Same>,
    /// Digest of what was decided: status and resource versions do not count, what is withheld does not either.
    pub digest: Digest,
    /// Worth knowing, one sentence each.
    pub notes: Vec<String>,
}

impl SlicePlan {
    /// Whether carrying it out changes something on the cluster beside its parent. What the parent must learn
    /// ([`Verb::Note`], [`Verb::Forget`]) does not count.
    pub fn has_changes(&self) -> bool {
        self.status == Status::Ready && self.withheld.is_none() && self.actions.iter().any(Action::is_effective)
    }

    /// Whether apply has anything to write: changes, or what the parent must learn.
    pub fn has_work(&self) -> bool {
        self.status == Status::Ready
            && self.withheld.is_none()
            && (self.record_differs()
                || (self.removal && self.parent.as_ref().is_some_and(|parent| parent.items.is_empty()))
                || self.actions.iter().any(|action| action.withheld.is_none() && action.verb != Verb::Keep))
    }

    /// Whether the parent says something else than it is to say, beside its inventory.
    fn record_differs(&self) -> bool {
        self.parent.as_ref().is_some_and(|parent| !self.removal && Record::read(&parent.record) != self.record)
    }

    /// How many deletions count against the budgets.
    pub fn counted_deletions(&self) -> usize {
        let counted = |action: &&Action| matches!(action.verb, Verb::Delete(_)) && action.counts;
        self.actions.iter().filter(counted).filter(|action| action.withheld.is_none()).count()
    }

    /// The inventory as it was read.
    pub fn items(&self) -> &[Item] {
        self.parent.as_ref().map_or(&[], |parent| &parent.items)
    }
}

/// The plan of a cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterPlan {
    /// Its name in the fleet.
    pub cluster: String,
    /// UID of its kube-system namespace: apply refuses another cluster.
    pub identity: String,
    /// Its version: `1.34.1`.
    pub version: String,
    /// Its slices, sorted by application.
    pub slices: Vec<SlicePlan>,
    /// Why it could not be planned at all.
    pub failed: Option<String>,
    /// Budgets that are exceeded: what was withheld and what to do, one sentence each.
    pub refusals: Vec<String>,
    /// Worth knowing, one sentence each.
    pub notes: Vec<String>,
    /// How many objects all inventories of the fleet on it list: what the budgets are a share of.
    pub owned: usize,
    /// Slices of the fleet that are not in the plan because of filters, with parents on the cluster.
    pub others: usize,
}
