//! Orders of objects, as the originals have them: kustomize's `legacy` sort, Argo CD's kind ranks, sync waves and hooks.
//!
//! Pure look-ups and comparisons; nothing is sorted here, and nothing is moved in front of what needs it (Argo CD's adjusting of
//! namespaces and CRDs belongs to `plan`). Argo CD's own sort leaves equal kinds and names of different namespaces in any order: callers
//! that need one order add namespace and group.

use std::cmp::Ordering;

use super::object::{Gvk, ObjectId, annotation, annotation_list};
use crate::yaml::Node;

/// Kinds that kustomize's legacy order puts first (api v0.21.2, SortOrderTransformer).
pub const LEGACY_FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that kustomize's legacy order puts last.
pub const LEGACY_LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The order in which Argo CD applies kinds within a wave, groups ignored (v3.5 gitops-engine/pkg/sync/sync_tasks.go).
const KIND_RANKS: [&str; 35] = [
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

/// kustomize's legacy sort with its two lists of kinds.
#[derive(Clone, Copy, Debug)]
pub struct LegacyOrder<'a, T = &'static str> {
    /// Kinds that come first, in this order.
    pub first: &'a [T],
    /// Kinds that come last, in this order.
    pub last: &'a [T],
}

impl Default for LegacyOrder<'static> {
    fn default() -> Self {
        LegacyOrder { first: &LEGACY_FIRST, last: &LEGACY_LAST }
    }
}

impl<T: AsRef<str>> LegacyOrder<'_, T> {
    /// Negative for the first ones, 0 for kinds in neither list. The last mention of a kind counts, and the second list more than the first.
    fn rank(&self, kind: &str) -> isize {
        let at = |list: &[T]| list.iter().rposition(|listed| listed.as_ref() == kind);
        match (at(self.last), at(self.first)) {
            (Some(at), _) => 1 + at as isize,
            (None, Some(at)) => at as isize - self.first.len() as isize,
            (None, None) => 0,
        }
    }

    /// Which of two objects comes first. Total on distinct ids.
    pub fn compare(&self, a: &ObjectId, b: &ObjectId) -> Ordering {
        if a.gvk == b.gvk {
            // The original compares `Kind.version.group|namespace|name`; of equal kinds only the rest can differ.
            return text([&a.namespace, &a.name], ["~X", "~N"], b'|').cmp(text(
                [&b.namespace, &b.name],
                ["~X", "~N"],
                b'|',
            ));
        }
        if a.gvk.kind != b.gvk.kind {
            let by_rank = self.rank(&a.gvk.kind).cmp(&self.rank(&b.gvk.kind));
            return by_rank.then_with(|| kind_text(&a.gvk).cmp(kind_text(&b.gvk)));
        }
        let by_text = kind_text(&a.gvk).cmp(kind_text(&b.gvk));
        // Two Namespace kinds, one of them core: core sorts as `~G`, last, and the original turns that around.
        let core_namespace = a.gvk.kind == "Namespace" && (a.gvk.group.is_empty() || b.gvk.group.is_empty());
        if core_namespace { by_text.reverse() } else { by_text }
    }
}

fn kind_text(gvk: &Gvk) -> impl Iterator<Item = u8> {
    text([&gvk.group, &gvk.version, &gvk.kind], ["~G", "~V", "~K"], b'_')
}

/// The bytes of parts with a separator between them, each with what stands for it when empty.
fn text<'a, const N: usize>(parts: [&'a str; N], empty: [&'a str; N], separator: u8) -> impl Iterator<Item = u8> + 'a {
    parts.into_iter().zip(empty).enumerate().flat_map(move |(at, (part, none))| {
        let part = if part.is_empty() { none } else { part };
        (at > 0).then_some(separator).into_iter().chain(part.bytes())
    })
}

/// Place of a kind in Argo CD's order within a wave, from 0; kinds that it does not list come after all that it does.
pub fn kind_rank(kind: &str) -> usize {
    KIND_RANKS.iter().position(|listed| *listed == kind).unwrap_or(KIND_RANKS.len())
}

/// The sync wave of an object: its own annotation, else its Helm hook weight, else 0; what is no integer does not count.
pub fn sync_wave(object: &Node) -> i64 {
    let number = |key| annotation(object, key).and_then(|text| text.parse().ok());
    number("argocd.argoproj.io/sync-wave").or_else(|| number("helm.sh/hook-weight")).unwrap_or(0)
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Before the sync.
    PreSync,
    /// With the sync.
    Sync,
    /// After the sync, when all is healthy.
    PostSync,
    /// After a failed sync.
    SyncFail,
    /// Before the application is deleted.
    PreDelete,
    /// After the application was deleted.
    PostDelete,
}

/// What an object is to a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// An ordinary object, applied in the Sync phase.
    Plain,
    /// Not applied (`argocd.argoproj.io/hook: Skip`).
    Skipped,
    /// A hook of these phases, in order; of none where its annotation names only phases that Argo CD does not know (`helm.sh/hook:
    /// test`): then it is never applied.
    Hook(Vec<Phase>),
}

/// Hook annotation of Argo CD.
pub const HOOK: &str = "argocd.argoproj.io/hook";
/// Hook annotation of Helm.
pub const HELM_HOOK: &str = "helm.sh/hook";

const ARGO_PHASES: [(&str, Phase); 6] = [
    ("PreSync", Phase::PreSync),
    ("Sync", Phase::Sync),
    ("PostSync", Phase::PostSync),
    ("SyncFail", Phase::SyncFail),
    ("PreDelete", Phase::PreDelete),
    ("PostDelete", Phase::PostDelete),
];

const HELM_PHASES: [(&str, Phase); 6] = [
    ("pre-install", Phase::PreSync),
    ("pre-upgrade", Phase::PreSync),
    ("post-install", Phase::PostSync),
    ("post-upgrade", Phase::PostSync),
    ("pre-delete", Phase::PreDelete),
    ("post-delete", Phase::PostDelete),
];

/// Whether an object is a hook, and of which phases. A sync phase (or Skip) in Argo CD's annotation hides the sync phases of Helm's; the
/// two delete phases count from either. (v3.5: gitops-engine/pkg/sync/hook, controller/hook.go.)
pub fn role(object: &Node) -> Role {
    let (argo, helm) = (annotation_list(object, HOOK), annotation_list(object, HELM_HOOK));
    let named = |words: &[&str], table: &[(&str, Phase)], delete: bool| -> Vec<Phase> {
        let known = words.iter().filter_map(|word| table.iter().find(|row| row.0 == *word).map(|row| row.1));
        known.filter(|phase| matches!(phase, Phase::PreDelete | Phase::PostDelete) == delete).collect()
    };
    let skip = argo.contains(&"Skip");
    let mut phases = named(&argo, &ARGO_PHASES, false);
    if phases.is_empty() && !skip {
        phases = named(&helm, &HELM_PHASES, false);
    }
    phases.extend(named(&argo, &ARGO_PHASES, true));
    phases.extend(named(&helm, &HELM_PHASES, true));
    phases.sort_unstable();
    phases.dedup();
    // `crd-install` must be all there is: Helm 2 marked CRDs so, which makes no hook of them.
    let helm_hook = annotation(object, HELM_HOOK).is_some_and(|text| text != "crd-install");
    match annotation(object, HOOK) {
        _ if !phases.is_empty() => Role::Hook(phases),
        Some(_) if skip => Role::Skipped,
        Some(_) => Role::Hook(phases),
        None if helm_hook => Role::Hook(phases),
        None => Role::Plain,
    }
}

#[cfg(test)]
mod tests;
