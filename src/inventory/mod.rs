//! What a slice (one application on one cluster) owns, as it stands on the cluster: a parent ConfigMap in the wire format of kubectl's
//! ApplySet, with the inventory and all that a later run needs when the application is no longer declared.
//!
//! The truth is here, not in any file: a run killed anywhere is resumed from what the parents say. The parent is written before anything
//! that it lists and shrinks only after what leaves it is confirmed gone. It is itself in no inventory and never pruned.
//! Nothing is requested here: values in, values out.

mod parent;

use smol_str::SmolStr;

use crate::application::AppKey;
use crate::digest::Digest;
use crate::k8s::object::Gvk;

pub use parent::{ID_LABEL, NAMESPACE, PART_OF_LABEL, Parent, ParentName, SLICE_LABEL, TOOLING, applyset_id};

/// The field manager of everything that is applied.
pub const FIELD_MANAGER: &str = "fleetc";

/// What names a slice: the fleet, and the application in it. The cluster is where its parent lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SliceKey {
    /// `metadata.name` of fleet.yaml.
    pub fleet: String,
    /// The application.
    pub application: AppKey,
}

/// One object of an inventory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// Group, version (the one that it was last applied in) and kind.
    pub gvk: Gvk,
    /// Namespace; empty for cluster-scoped ones.
    pub namespace: SmolStr,
    /// Name.
    pub name: SmolStr,
    /// The object's UID; empty while its creation is not confirmed. Only an object with a recorded UID can be pruned.
    pub uid: SmolStr,
    /// Digest of the configuration last applied; `None` while that is not confirmed.
    pub applied: Option<Digest>,
    /// Digest of the fields that our manager owned afterwards. Equal to that of the live object together with an equal configuration means
    /// that nothing is to be done: whoever changes one of our fields takes it from us.
    pub owned: Option<Digest>,
}
