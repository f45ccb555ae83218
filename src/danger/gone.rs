//! What goes while others of the application still use it, and what keeps an object or cleans up after it.

use std::collections::BTreeSet;

use crate::yaml::Node;

use super::look::{Pod, Said, are_together, called, each, is_of, list, name, named, quoted, text};
use super::{Fate, Scene};

/// How pods and others name what they use: kind of what is used, path of the name in the pod's spec.
const USES: [(&str, &str); 15] = [
    ("ConfigMap", "volumes.*.configMap.name"),
    ("ConfigMap", "volumes.*.projected.sources.*.configMap.name"),
    ("ConfigMap", "containers.*.envFrom.*.configMapRef.name"),
    ("ConfigMap", "containers.*.env.*.valueFrom.configMapKeyRef.name"),
    ("ConfigMap", "initContainers.*.envFrom.*.configMapRef.name"),
    ("ConfigMap", "initContainers.*.env.*.valueFrom.configMapKeyRef.name"),
    ("Secret", "volumes.*.secret.secretName"),
    ("Secret", "volumes.*.projected.sources.*.secret.name"),
    ("Secret", "containers.*.envFrom.*.secretRef.name"),
    ("Secret", "containers.*.env.*.valueFrom.secretKeyRef.name"),
    ("Secret", "initContainers.*.envFrom.*.secretRef.name"),
    ("Secret", "initContainers.*.env.*.valueFrom.secretKeyRef.name"),
    ("Secret", "imagePullSecrets.*.name"),
    ("PersistentVolumeClaim", "volumes.*.persistentVolumeClaim.claimName"),
    ("ServiceAccount", "serviceAccountName"),
];

/// An object goes that pods of the same application still name.
pub(super) fn still_used(scene: &Scene<'_>) -> Vec<Said> {
    let Fate::Deleted(object) = scene.fate else { return Vec::new() };
    let kind = text(object, &["kind"]);
    let uses = |other: &&Node| {
        let Some(pod) = Pod::of(other).filter(|_| are_together(object, other)) else { return false };
        let mut rows = USES.iter().filter(|(of, _)| *of == kind);
        rows.any(|(_, path)| each(pod.spec, path).iter().any(|(_, at)| at.text() == Some(name(object))))
    };
    let users: BTreeSet<String> = scene.after.all().into_iter().filter(uses).map(called).collect();
    if users.is_empty() {
        return Vec::new();
    }
    let verb = if users.len() == 1 { "uses" } else { "use" };
    vec![Said::whole(format!("{} still {verb} it", named(users)))]
}

/// Where kinds say under which host names they are reached.
const HOSTS: [(&str, &str, &str); 6] = [
    ("networking.k8s.io", "Ingress", "spec.rules.*.host"),
    ("gateway.networking.k8s.io", "HTTPRoute", "spec.hostnames.*"),
    ("gateway.networking.k8s.io", "GRPCRoute", "spec.hostnames.*"),
    ("gateway.networking.k8s.io", "TLSRoute", "spec.hostnames.*"),
    ("networking.istio.io", "VirtualService", "spec.hosts.*"),
    ("route.openshift.io", "Route", "spec.host"),
];

fn hosts(object: &Node) -> BTreeSet<&str> {
    let rows = HOSTS.iter().filter(|(group, kind, _)| is_of(object, &[(group, kind)]));
    let found = rows.flat_map(|(_, _, path)| each(object, path));
    found.filter_map(|(_, node)| node.text()).filter(|host| !host.is_empty()).collect()
}

/// Host names that nothing of the application answers for any more.
pub(super) fn hosts_go(scene: &Scene<'_>) -> Vec<Said> {
    let Some(before) = scene.fate.before() else { return Vec::new() };
    let mut gone = hosts(before);
    let kept = scene.fate.after().map(hosts).unwrap_or_default();
    gone.retain(|host| !kept.contains(host));
    if gone.is_empty() {
        return Vec::new();
    }
    let others = scene.after.all();
    gone.retain(|host| !others.iter().any(|other| hosts(other).contains(host)));
    if gone.is_empty() {
        return Vec::new();
    }
    vec![Said::whole(format!("nothing of the application answers for {} any more", quoted(gone)))]
}

/// Finalizers that an object had.
pub(super) fn finalizers_go(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    let path = ["metadata", "finalizers"];
    let kept: Vec<&str> = list(after, &path).iter().filter_map(Node::text).collect();
    let gone = list(before, &path).iter().filter_map(Node::text).filter(|name| !kept.contains(name));
    let gone: Vec<&str> = gone.collect();
    if gone.is_empty() {
        return Vec::new();
    }
    let message = format!("it no longer waits for {} when it is deleted: what that cleans up stays", quoted(gone));
    vec![Said::at("metadata.finalizers", after.at(&path), message)]
}

/// Annotations that keep an object where it is no longer declared, and the words that do.
const KEEPS: [(&str, &[&str]); 2] = [
    ("helm.sh/resource-policy", &["keep"]),
    ("argocd.argoproj.io/sync-options", &["Prune=false", "Prune=confirm", "Delete=false", "Delete=confirm"]),
];

/// What kept an object from being deleted goes.
pub(super) fn protection_goes(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    let words = |object: &Node| -> BTreeSet<String> {
        let all = KEEPS.iter().flat_map(|(key, words)| {
            let text = object.at(&["metadata", "annotations"]).and_then(|all| all.get(key)?.text()).unwrap_or_default();
            let said = text.split(',').map(str::trim).filter(|word| words.contains(word));
            said.map(|word| if *key == "helm.sh/resource-policy" { format!("{key}: {word}") } else { word.to_owned() })
                .collect::<Vec<_>>()
        });
        all.collect()
    };
    let (old, new) = (words(before), words(after));
    let gone: Vec<&str> = old.difference(&new).map(String::as_str).collect();
    if gone.is_empty() {
        return Vec::new();
    }
    let message = format!("{} no longer keeps it: it is deleted when it is no longer declared", quoted(gone));
    vec![Said::at("metadata.annotations", after.at(&["metadata", "annotations"]), message)]
}

/// Levels of the pod security admission, the weakest first.
const SECURITY: [&str; 3] = ["privileged", "baseline", "restricted"];

/// Pods may do more in a namespace than before.
pub(super) fn pod_security_lowered(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    let level = |object: &Node| {
        let labels = object.at(&["metadata", "labels"]);
        let text = labels.and_then(|all| all.get("pod-security.kubernetes.io/enforce")?.text()).unwrap_or_default();
        SECURITY.iter().position(|level| *level == text).unwrap_or_default()
    };
    let (old, new) = (level(before), level(after));
    let word = |at: usize| SECURITY.get(at).copied().unwrap_or_default();
    if new >= old {
        return Vec::new();
    }
    let message = format!("pods may do more in it: the level `{}` is enforced, no longer `{}`", word(new), word(old));
    vec![Said::at("metadata.labels", after.at(&["metadata", "labels"]), message)]
}
