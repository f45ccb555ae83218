//! Health of a live object, as Argo CD sees it, and readiness of what other objects depend on.
//!
//! In Argo CD's order (v3.5 gitops-engine/pkg/health, util/lua): an object that is being deleted progresses; then a Lua script of
//! argocd-cm for exactly its kind, then one whose key matches as a glob ([`Scripts`]); then the rule of its kind ([`rules`], those that
//! Argo CD has in Go). Argo CD also carries some 240 scripts for custom kinds. Those are not here: for kinds without a rule the
//! conventional conditions are read instead ([`conditions`], kstatus), and [`Health::by`] says so, since Argo CD may have "no check" there.
//! `None` is "no check": nothing is known and nobody waits.
//!
//! Pure: no clock, no state between calls, and equal objects give equal answers (a script's `pairs` goes in order of the keys). A script
//! cannot run on for ever: instructions and memory are bounded.

use crate::yaml::Node;

pub mod conditions;
pub mod established;
mod lua;
mod reading;
pub mod rules;
pub mod scripts;

pub use scripts::Scripts;

use super::object::Gvk;

/// Statuses, best first: the health of several objects is the worst (gitops-engine/pkg/health `healthOrder`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// As it should be.
    Healthy,
    /// Paused on purpose.
    Suspended,
    /// Not there yet; may get there.
    Progressing,
    /// Not on the cluster.
    Missing,
    /// Failed, or cannot get there by itself.
    Degraded,
    /// Could not be told.
    Unknown,
}

/// All statuses with Argo CD's names.
pub const STATUSES: [(Status, &str); 6] = [
    (Status::Healthy, "Healthy"),
    (Status::Suspended, "Suspended"),
    (Status::Progressing, "Progressing"),
    (Status::Missing, "Missing"),
    (Status::Degraded, "Degraded"),
    (Status::Unknown, "Unknown"),
];

impl Status {
    /// Argo CD's name.
    pub fn name(self) -> &'static str {
        STATUSES.iter().find(|row| row.0 == self).map_or("Unknown", |row| row.1)
    }

    /// By Argo CD's name.
    pub fn parse(name: &str) -> Option<Status> {
        STATUSES.iter().find(|row| row.1 == name).map(|row| row.0)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What an answer rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Its `deletionTimestamp`.
    Deletion,
    /// A script of argocd-cm.
    Script,
    /// The rule of its kind.
    Kind,
    /// Conventional conditions. Argo CD does not look at them: it has a script of its own for the kind, or no check.
    Conditions,
}

/// The health of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Health {
    /// How it is.
    pub status: Status,
    /// Why, for people; may be empty.
    pub message: String,
    /// What the answer rests on.
    pub by: By,
}

/// A status with its message, as rules give it.
pub(crate) type Answer = (Status, String);

/// The health of a live object; `None` where nobody can tell.
///
/// # Errors
/// A script that fails, with its message. Argo CD shows such an object as `Unknown`.
pub fn health(object: &Node, scripts: &Scripts) -> Result<Option<Health>, String> {
    let made = |by: By| move |(status, message): Answer| Health { status, message, by };
    if is_going(object) {
        return Ok(Some(made(By::Deletion)((Status::Progressing, "Pending deletion".to_owned()))));
    }
    let gvk = Gvk::of(object);
    if let Some(script) = scripts.of(&gvk) {
        // A script that returns nothing says "no check"; the rules below are not asked then.
        return Ok(lua::run(script, object)?.map(made(By::Script)));
    }
    if let Some(answer) = rules::of(&gvk, object) {
        return Ok(Some(made(By::Kind)(answer)));
    }
    Ok(conditions::health(object).map(made(By::Conditions)))
}

/// Built-in kinds without a status: nobody can tell how they are, however long they are looked at.
const UNCHECKED: [(&str, &str); 17] = [
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("", "LimitRange"),
    ("", "Endpoints"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("networking.k8s.io", "IngressClass"),
    ("storage.k8s.io", "StorageClass"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("node.k8s.io", "RuntimeClass"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
];

/// Whether objects of a kind may have a health: others need not be read to be judged.
pub fn is_checked(gvk: &Gvk, scripts: &Scripts) -> bool {
    scripts.of(gvk).is_some() || !UNCHECKED.iter().any(|(group, kind)| gvk.is(group, kind))
}

/// The annotation finalizer that Argo CD puts on hooks: such an object being deleted is judged as any other (pkg/sync/hook).
const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";

/// Whether an object is being deleted, hooks that wait for Argo CD's own finalizer aside.
fn is_going(object: &Node) -> bool {
    let metadata = object.get("metadata");
    let stamp = metadata.and_then(|m| m.get("deletionTimestamp")).is_some_and(|stamp| !stamp.is_null());
    let finalizers = metadata.and_then(|m| m.get("finalizers")).and_then(Node::as_seq).unwrap_or_default();
    stamp && !finalizers.iter().any(|f| f.as_str() == Some(HOOK_FINALIZER))
}

#[cfg(test)]
mod tests;
