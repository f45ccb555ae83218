//! Deletion: preconditions, propagation, finalizers.

use smol_str::SmolStr;

use super::MemoryCluster;
use super::controllers::Task;
use super::kinds::Kind;
use super::node::{int_at, object, set, str_at, text};
use super::serve::{Target, body, shown};
use super::status::{self, Refusal};
use super::write::is_dry;
use crate::api::{Request, Response};
use crate::yaml::Node;

/// The finalizer of a deletion in the foreground.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of a deletion that leaves the children.
pub(super) const ORPHAN: &str = "orphan";
/// The finalizer of a CRD whose objects go first.
pub(super) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Kinds whose deletion answers with the object (their stores say `ReturnDeletedObject`).
const RETURNED: [&str; 7] =
    ["PersistentVolume", "PersistentVolumeClaim", "Pod", "ResourceQuota", "Service", "ServiceAccount", "Namespace"];

impl MemoryCluster {
    pub(super) fn delete(&mut self, target: &Target, request: &Request) -> Result<Response, Refusal> {
        let kind = &target.kind;
        let options = if request.body.is_some() { body(request)?.1 } else { object([]) };
        let live = self.get(kind, &target.namespace, &target.name).cloned();
        let live = live.ok_or_else(|| status::not_found(kind, &target.name))?;
        let at = |key: &str| -> SmolStr { str_at(&live, &["metadata", key]).into() };
        let (uid, version) =
            (str_at(&options, &["preconditions", "uid"]), str_at(&options, &["preconditions", "resourceVersion"]));
        if !uid.is_empty() && uid != at("uid") {
            let why = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). \
                 The object might have been deleted and then recreated",
                at("uid")
            );
            return Err(status::precondition(kind, &target.name, &why));
        }
        if !version.is_empty() && version != at("resourceVersion") {
            let why = format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). \
                 The object might have been modified",
                at("resourceVersion")
            );
            return Err(status::precondition(kind, &target.name, &why));
        }
        let policy = match str_at(&options, &["propagationPolicy"]) {
            "" => request.parameter("propagationPolicy").unwrap_or_default().to_owned(),
            policy => policy.to_owned(),
        };
        let all = options
            .get("dryRun")
            .and_then(Node::as_seq)
            .is_some_and(|list| list.iter().any(|item| item.as_str() == Some("All")));
        let dry = is_dry(request) || all;
        Ok(match self.remove(kind, &live, &policy, dry) {
            Some(left) => status::answer(200, &shown(kind, &left)),
            None if kind.custom.is_none() && RETURNED.contains(&kind.kind.as_str()) => {
                status::answer(200, &shown(kind, &live))
            }
            None => {
                let mut details = vec![("name", text(target.name.clone()))];
                if !kind.group.is_empty() {
                    details.push(("group", text(kind.group.clone())));
                }
                details.push(("kind", text(kind.plural.clone())));
                details.push(("uid", text(at("uid"))));
                status::answer(
                    200,
                    &object([
                        ("kind", text("Status")),
                        ("apiVersion", text("v1")),
                        ("metadata", object([])),
                        ("status", text("Success")),
                        ("details", object(details)),
                    ]),
                )
            }
        })
    }

    pub(super) fn delete_all(&mut self, target: &Target, request: &Request) -> Result<Response, Refusal> {
        let kind = &target.kind;
        let select = super::select::Select::read(request.parameter("labelSelector").unwrap_or_default(), "")
            .map_err(|why| status::bad_request(&why))?;
        let shelf = self.objects.get(&(kind.group.clone(), kind.plural.clone()));
        let found: Vec<Node> = shelf
            .into_iter()
            .flatten()
            .filter(|(place, object)| place.0 == target.namespace && select.matches(object))
            .map(|(_, object)| object.clone())
            .collect();
        for live in &found {
            self.remove(kind, live, "", is_dry(request));
        }
        let metadata = object([("resourceVersion", text(self.revision.to_string()))]);
        Ok(status::answer(
            200,
            &object([
                ("kind", text(format!("{}List", kind.kind))),
                ("apiVersion", text(kind.api_version())),
                ("metadata", metadata),
                ("items", Node::seq(found)),
            ]),
        ))
    }

    /// Begins a deletion, and ends it where nothing holds the object. What is left of it, if anything.
    pub(super) fn remove(&mut self, kind: &Kind, live: &Node, policy: &str, dry: bool) -> Option<Node> {
        let mut finalizers: Vec<Node> =
            live.at(&["metadata", "finalizers"]).and_then(Node::as_seq).unwrap_or_default().to_vec();
        let is_namespace = kind.group.is_empty() && kind.kind == "Namespace";
        let is_crd = kind.kind == "CustomResourceDefinition" && kind.custom.is_none();
        let policy = match policy {
            "" if kind.group == "batch" && kind.kind == "Job" => "Orphan",
            policy => policy,
        };
        let mut add = |name: &str| {
            finalizers.retain(|known| ![FOREGROUND, ORPHAN].contains(&known.as_str().unwrap_or_default()));
            finalizers.push(text(name));
        };
        match policy {
            "Foreground" => add(FOREGROUND),
            "Orphan" => add(ORPHAN),
            _ => {}
        }
        if is_crd && !finalizers.iter().any(|known| known.as_str() == Some(CLEANUP)) {
            finalizers.push(text(CLEANUP));
        }
        if finalizers.is_empty() && !is_namespace {
            if !dry {
                self.erase(kind, live);
            }
            return None;
        }
        let mut left = live.clone();
        if live.at(&["metadata", "deletionTimestamp"]).is_none() {
            set(&mut left, &["metadata", "deletionTimestamp"], text(self.stamp()));
            if !is_namespace {
                set(&mut left, &["metadata", "deletionGracePeriodSeconds"], Node::int(0));
            }
            if let Some(generation) = int_at(live, &["metadata", "generation"]) {
                set(&mut left, &["metadata", "generation"], Node::int(generation + 1));
            }
            if is_namespace {
                set(&mut left, &["status", "phase"], text("Terminating"));
            }
        } else if !is_crd
            && finalizers.len() == live.at(&["metadata", "finalizers"]).and_then(Node::as_seq).map_or(0, <[Node]>::len)
        {
            return Some(left);
        }
        if !finalizers.is_empty() {
            set(&mut left, &["metadata", "finalizers"], Node::seq(finalizers));
        }
        if dry {
            return Some(left);
        }
        let left = self.store(kind, left);
        let name: SmolStr = str_at(&left, &["metadata", "name"]).into();
        if is_namespace {
            self.later(self.settings.terminate_after, Task::Terminate(name));
        } else if is_crd {
            self.later(self.settings.terminate_after, Task::Uninstall(name));
        } else {
            self.later(self.settings.collect_after, Task::Collect);
        }
        Some(left)
    }
}
