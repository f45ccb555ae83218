//! What would have to be done on the clusters so that they are as the bundles say: nothing is changed here, every request is a read or a
//! dry run.
//!
//! The unit is the slice, one application on one cluster: [`DesiredSlice`] in, [`SlicePlan`] out. Equal [`SlicePlan::digest`]s are equal
//! decisions, whatever moved in the status of objects, so that `apply` can plan a slice anew and compare it with what was approved.
//!
//! What `apply` may rely on: the actions are in the order of [`Place`]; an action with [`Action::withheld`] is not carried out; a slice
//! whose [`SlicePlan::status`] is not [`Status::Ready`] is left alone as a whole; and nothing is deleted that the parent's inventory does
//! not list. An error of the transport is a failure, never an empty answer.

mod action;
pub mod adopt;
mod cluster;
mod deployer;
mod desired;
pub mod file;
mod ground;
pub mod guard;
mod history;
mod input;
mod kinds;
mod live;
mod members;
mod options;
mod order;
mod predict;
mod probe;
mod prune;
mod record;
pub mod report;
mod slice;
mod stored;
pub mod survey;
mod talk;
mod tracker;
pub mod verify;
mod waves;

use crate::k8s::difference;

pub use crate::k8s::difference::ChangedField;
pub use action::{Action, ClusterPlan, Same, Seen, SlicePlan, Status, Verb};
pub use cluster::cluster;
pub use deployer::Deployer;
pub use desired::{Context, Desired, DesiredNamespace, DesiredSlice, Open, SliceState, set_name};
pub use ground::{Ground, item_reference};
pub use history::{Applied, Hold, remember};
pub use input::{ClusterInput, Filter, HookRuns, LeavingObjects, Options, Prune, Removals};
pub use kinds::Kinds;
pub use live::{controller, is_managed_by_us, owned_digest};
pub use options::{Approval, HookDelete, ObjectOptions, Policy, Propagation, SYNC_OPTIONS};
pub use order::{Place, Task, arrange, defined_kind};
pub use record::Record;
pub use slice::{removal, slice};
pub use talk::{Talk, Trouble};
pub use tracker::{Fight, LiveApplication, applications};
pub use waves::{Fleetwide, waves};
