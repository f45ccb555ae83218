//! What goes because something else went: children of deleted owners, content of deleted namespaces, objects of deleted CRDs.

use smol_str::SmolStr;

use super::MemoryCluster;
use super::controllers::Task;
use super::delete::{CLEANUP, FOREGROUND, ORPHAN};
use super::kinds::Kind;
use super::node::{set, str_at, take};
use crate::yaml::Node;

/// The UIDs that an object names as owners.
fn owners(object: &Node) -> impl Iterator<Item = &Node> {
    object.at(&["metadata", "ownerReferences"]).and_then(Node::as_seq).unwrap_or_default().iter()
}

fn has(object: &Node, finalizer: &str) -> bool {
    let all = object.at(&["metadata", "finalizers"]).and_then(Node::as_seq).unwrap_or_default();
    all.iter().any(|known| known.as_str() == Some(finalizer))
}

impl MemoryCluster {
    /// All objects with their kinds.
    fn everything(&self) -> Vec<(Kind, Node)> {
        let mut found = Vec::new();
        for ((group, plural), shelf) in &self.objects {
            if let Some(kind) = self.kinds.iter().find(|kind| kind.group == *group && kind.plural == *plural) {
                found.extend(shelf.values().map(|object| (kind.clone(), object.clone())));
            }
        }
        found
    }

    pub(super) fn after_removal(&mut self, kind: &Kind, object: &Node) {
        if kind.kind == "CustomResourceDefinition" && kind.custom.is_none() {
            let group: SmolStr = str_at(object, &["spec", "group"]).into();
            let plural: SmolStr = str_at(object, &["spec", "names", "plural"]).into();
            self.kinds.retain(|kind| kind.custom.is_none() || kind.group != group || kind.plural != plural);
            self.objects.remove(&(group, plural));
        }
        let uid = str_at(object, &["metadata", "uid"]);
        let named = |node: &Node| owners(node).any(|owner| str_at(owner, &["uid"]) == uid);
        let is_child = owners(object).next().is_some();
        if !self.due.values().any(|task| matches!(task, Task::Collect)) && (is_child || self.all().any(named)) {
            self.later(self.settings.collect_after, Task::Collect);
        }
    }

    /// One pass of the garbage collector; another follows while there is something to do.
    pub(super) fn collect(&mut self) {
        let all = self.everything();
        let mut acted = false;
        for (kind, object) in &all {
            let uid = str_at(object, &["metadata", "uid"]);
            let deleting = object.at(&["metadata", "deletionTimestamp"]).is_some();
            if deleting && (has(object, FOREGROUND) || has(object, ORPHAN)) {
                let children: Vec<&(Kind, Node)> =
                    all.iter().filter(|(_, child)| owners(child).any(|owner| str_at(owner, &["uid"]) == uid)).collect();
                if has(object, ORPHAN) {
                    for (kind, child) in children {
                        self.release(kind, child, uid);
                    }
                    self.without_finalizer(kind, object, ORPHAN);
                    acted = true;
                } else if children.is_empty() {
                    self.without_finalizer(kind, object, FOREGROUND);
                    acted = true;
                } else {
                    for (kind, child) in children {
                        if child.at(&["metadata", "deletionTimestamp"]).is_none() {
                            self.remove(kind, child, "Foreground", false);
                            acted = true;
                        }
                    }
                }
                continue;
            }
            let namespace = str_at(object, &["metadata", "namespace"]);
            let mut named = owners(object).peekable();
            if named.peek().is_none() || deleting {
                continue;
            }
            let lives = |owner: &Node| {
                all.iter().any(|(kind, other)| {
                    str_at(other, &["metadata", "uid"]) == str_at(owner, &["uid"])
                        && (!kind.namespaced || str_at(other, &["metadata", "namespace"]) == namespace)
                })
            };
            if !named.any(lives) {
                self.remove(kind, object, "Background", false);
                acted = true;
            }
        }
        if acted && !self.due.values().any(|task| matches!(task, Task::Collect)) {
            self.later(self.settings.collect_after, Task::Collect);
        }
    }

    /// Takes an owner from a child.
    fn release(&mut self, kind: &Kind, child: &Node, uid: &str) {
        let mut new = child.clone();
        let rest: Vec<Node> = owners(child).filter(|owner| str_at(owner, &["uid"]) != uid).cloned().collect();
        if rest.is_empty() {
            take(&mut new, &["metadata", "ownerReferences"]);
        } else {
            set(&mut new, &["metadata", "ownerReferences"], Node::seq(rest));
        }
        self.store(kind, new);
    }

    fn without_finalizer(&mut self, kind: &Kind, object: &Node, finalizer: &str) {
        let mut new = object.clone();
        let all = object.at(&["metadata", "finalizers"]).and_then(Node::as_seq).unwrap_or_default();
        let rest: Vec<Node> = all.iter().filter(|known| known.as_str() != Some(finalizer)).cloned().collect();
        if rest.is_empty() {
            self.erase(kind, &new);
        } else {
            set(&mut new, &["metadata", "finalizers"], Node::seq(rest));
            self.store(kind, new);
        }
    }

    /// A namespace that goes: first its content, then itself.
    pub(super) fn terminate(&mut self, name: &SmolStr) {
        let content: Vec<(Kind, Node)> = self
            .everything()
            .into_iter()
            .filter(|(kind, object)| kind.namespaced && str_at(object, &["metadata", "namespace"]) == name)
            .collect();
        if !content.is_empty() {
            for (kind, object) in &content {
                // What protects a claim is gone when nothing uses it, and nothing does here.
                if has(object, "kubernetes.io/pvc-protection") {
                    self.without_finalizer(kind, object, "kubernetes.io/pvc-protection");
                } else {
                    self.remove(kind, object, "Background", false);
                }
            }
            self.later(self.settings.terminate_after, Task::Terminate(name.clone()));
            return;
        }
        let Some(kind) = self.kinds.iter().find(|kind| kind.kind == "Namespace" && kind.group.is_empty()).cloned()
        else {
            return;
        };
        if let Some(object) = self.get(&kind, "", name).cloned() {
            if owners_or_finalizers(&object) {
                self.later(self.settings.terminate_after, Task::Terminate(name.clone()));
            } else {
                self.erase(&kind, &object);
            }
        }
    }

    /// A CRD that goes: first its objects, then itself.
    pub(super) fn uninstall(&mut self, name: &SmolStr) {
        let Some(kind) = self.kinds.iter().find(|kind| kind.kind == "CustomResourceDefinition").cloned() else {
            return;
        };
        let Some(crd) = self.get(&kind, "", name).cloned() else { return };
        let shelf = (str_at(&crd, &["spec", "group"]).into(), str_at(&crd, &["spec", "names", "plural"]).into());
        let content: Vec<Node> =
            self.objects.get(&shelf).into_iter().flat_map(|shelf| shelf.values().cloned()).collect();
        if content.is_empty() {
            self.without_finalizer(&kind, &crd, CLEANUP);
            return;
        }
        if let Some(custom) = self.kinds.iter().find(|kind| kind.group == shelf.0 && kind.plural == shelf.1).cloned() {
            for object in &content {
                self.remove(&custom, object, "Background", false);
            }
        }
        self.later(self.settings.terminate_after, Task::Uninstall(name.clone()));
    }
}

fn owners_or_finalizers(namespace: &Node) -> bool {
    namespace.at(&["metadata", "finalizers"]).and_then(Node::as_seq).is_some_and(|all| !all.is_empty())
}
