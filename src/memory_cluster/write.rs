//! Creating and changing objects: POST, PUT and the patches, with what the server keeps for itself.

use smol_str::{SmolStr, format_smolstr};

use super::MemoryCluster;
use super::defaults;
use super::fields::same;
use super::kinds::Kind;
use super::managers::{Conflict, Managers, Writer};
use super::node::{default, drop_nulls, int_at, json_patch, merge_patch, object, set, str_at, take, text};
use super::serve::{Target, body, shown};
use super::status::{self, MODIFIED, Refusal, cause};
use super::validate;
use crate::api::{Content, Request, Response};
use crate::yaml::{Map, Node};

/// What the server keeps from the live object, whatever is sent.
const KEPT: [&str; 7] =
    ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "name", "namespace"];

/// Built-in kinds that a PUT creates (their strategies say `AllowCreateOnUpdate`).
const CREATED_BY_PUT: [&str; 9] = [
    "Service",
    "Endpoints",
    "Event",
    "LimitRange",
    "Lease",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
];

impl MemoryCluster {
    pub(super) fn post(&mut self, target: &Target, request: &Request) -> Result<Response, Refusal> {
        let kind = &target.kind;
        let (_, mut sent) = body(request)?;
        check_kind(kind, &sent)?;
        if str_at(&sent, &["metadata", "name"]).is_empty() {
            let prefix = str_at(&sent, &["metadata", "generateName"]).to_owned();
            if prefix.is_empty() {
                let fault = status::Fault::required("metadata.name", "name or generateName is required");
                return Err(status::invalid(&kind.kind, &kind.group, "", &[fault]));
            }
            self.uids += 1;
            set(&mut sent, &["metadata", "name"], text(format_smolstr!("{prefix}{:05x}", self.uids)));
        }
        check_namespace(target, &sent)?;
        let name: SmolStr = str_at(&sent, &["metadata", "name"]).into();
        let stamp = self.stamp();
        let made =
            self.create(kind, &target.namespace, &name, sent, None, manager(request), &stamp, is_dry(request))?;
        Ok(status::answer(201, &shown(kind, &made)))
    }

    pub(super) fn put(&mut self, target: &Target, request: &Request) -> Result<Response, Refusal> {
        let kind = &target.kind;
        let (_, sent) = body(request)?;
        if target.subresource == "scale" {
            return self.rescale(target, &sent, request);
        }
        check_kind(kind, &sent)?;
        check_name(target, &sent)?;
        check_namespace(target, &sent)?;
        let Some(live) = self.get(kind, &target.namespace, &target.name).cloned() else {
            if kind.custom.is_none() && CREATED_BY_PUT.contains(&kind.kind.as_str()) {
                let stamp = self.stamp();
                let made = self.create(
                    kind,
                    &target.namespace,
                    &target.name,
                    sent,
                    None,
                    manager(request),
                    &stamp,
                    is_dry(request),
                )?;
                return Ok(status::answer(201, &made));
            }
            return Err(status::not_found(kind, &target.name));
        };
        Self::check_versions(target, &live, &sent, false)?;
        self.replace(target, &live, sent, request)
    }

    pub(super) fn patch(&mut self, target: &Target, request: &Request) -> Result<Response, Refusal> {
        let (content, sent) = body(request)?;
        if content == Content::Apply {
            return self.apply(target, &sent, request);
        }
        let kind = &target.kind;
        let live = self.get(kind, &target.namespace, &target.name).cloned();
        let live = live.ok_or_else(|| status::not_found(kind, &target.name))?;
        let base = shown(kind, &live);
        let changed = match content {
            Content::JsonPatch => json_patch(&base, &sent).map_err(|_| {
                status::failure(
                    422,
                    "Invalid",
                    "the server rejected our request due to an error in our request",
                    Some(object([])),
                )
            })?,
            _ => merge_patch(&base, &sent),
        };
        if target.subresource == "scale" {
            return self.rescale(target, &changed, request);
        }
        check_kind(kind, &changed)?;
        Self::check_versions(target, &live, &changed, true)?;
        self.replace(target, &live, changed, request)
    }

    /// Refuses another UID or resource version than the live one.
    fn check_versions(target: &Target, live: &Node, sent: &Node, is_patch: bool) -> Result<(), Refusal> {
        let at = |node: &Node, key: &str| -> SmolStr { str_at(node, &["metadata", key]).into() };
        let (uid, version) = (at(sent, "uid"), at(sent, "resourceVersion"));
        if !uid.is_empty() && uid != at(live, "uid") && is_patch {
            let value = text(uid);
            let fault = || status::Fault::invalid("metadata.uid", &value, "field is immutable");
            return Err(status::invalid(&target.kind.kind, &target.kind.group, &target.name, &[fault(), fault()]));
        }
        if !uid.is_empty() && uid != at(live, "uid") {
            let why =
                format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", at(live, "uid"));
            return Err(status::conflict(&target.kind, &target.name, &why));
        }
        if !version.is_empty() && version != at(live, "resourceVersion") {
            return Err(status::conflict(&target.kind, &target.name, MODIFIED));
        }
        Ok(())
    }

    fn replace(&mut self, target: &Target, live: &Node, sent: Node, request: &Request) -> Result<Response, Refusal> {
        let kind = &target.kind;
        let moved = request_moves(request).then(|| Managers::of(&sent));
        let mut new = self.prepared(target, live, sent);
        let stamp = self.stamp();
        let api_version = kind.api_version();
        let writer = Writer {
            manager: manager(request),
            api_version: &api_version,
            subresource: &target.subresource,
            time: &stamp,
        };
        // Whoever sends an empty list of managers wants to forget them all.
        let forgets = request_forgets(request);
        let mut managers = moved.unwrap_or_else(|| Managers::of(live));
        let tracked = !managers.0.is_empty() || live.at(&["metadata", "managedFields"]).is_some();
        if forgets {
            managers = Managers::default();
        } else if tracked {
            managers.update(live, &new, kind.of(), reset(target), &writer);
        }
        managers.write(&mut new);
        let done = self.change(target, live, new, is_dry(request))?;
        Ok(status::answer(200, &shown(kind, &done)))
    }

    fn rescale(&mut self, target: &Target, sent: &Node, request: &Request) -> Result<Response, Refusal> {
        let kind = &target.kind;
        let live = self.get(kind, &target.namespace, &target.name).cloned();
        let live = live.ok_or_else(|| status::not_found(kind, &target.name))?;
        let mut new = live.clone();
        set(&mut new, &["spec", "replicas"], sent.at(&["spec", "replicas"]).cloned().unwrap_or_else(|| Node::int(0)));
        self.replace(target, &live, new, request)
    }

    fn apply(&mut self, target: &Target, sent: &Node, request: &Request) -> Result<Response, Refusal> {
        let kind = &target.kind;
        let Some(manager) = request.parameter("fieldManager").filter(|manager| !manager.is_empty()) else {
            let fault = status::Fault::required("fieldManager", "is required for apply patch");
            return Err(status::invalid("PatchOptions", "meta.k8s.io", "", &[fault]));
        };
        check_kind(kind, sent)?;
        check_name(target, sent)?;
        check_namespace(target, sent)?;
        let mut config = sent.clone();
        if config.at(&["metadata", "managedFields"]).is_some_and(|fields| !fields.is_null()) {
            return Err(status::bad_request("metadata.managedFields must be nil"));
        }
        set(&mut config, &["metadata", "name"], text(target.name.clone()));
        if kind.namespaced {
            set(&mut config, &["metadata", "namespace"], text(target.namespace.clone()));
        }
        if kind.status && target.subresource.is_empty() {
            take(&mut config, &["status"]);
        }
        let stamp = self.stamp();
        let api_version = kind.api_version();
        let writer = Writer { manager, api_version: &api_version, subresource: &target.subresource, time: &stamp };
        let force = request.parameter("force") == Some("true");
        let dry = is_dry(request);
        let Some(live) = self.get(kind, &target.namespace, &target.name).cloned() else {
            if !target.subresource.is_empty() {
                return Err(status::not_found(kind, &target.name));
            }
            let uid = str_at(&config, &["metadata", "uid"]);
            if !uid.is_empty() {
                let why =
                    format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                return Err(status::conflict(kind, &target.name, &why));
            }
            let mut managers = Managers::default();
            let none = Node::map(Map::new());
            let merged = managers.apply(&none, &config, kind.of(), &writer, force).map_err(|found| refuse(&found))?;
            let made =
                self.create(kind, &target.namespace, &target.name, merged, Some(managers), manager, &stamp, dry)?;
            return Ok(status::answer(201, &shown(kind, &made)));
        };
        Self::check_versions(target, &live, sent, true)?;
        let mut managers = Managers::of(&live);
        let live_shown = shown(kind, &live);
        if managers.0.is_empty() {
            let before = Writer { manager: "before-first-apply", subresource: "", time: &stamp, ..writer };
            managers.update(&Node::map(Map::new()), &live_shown, kind.of(), reset(target), &before);
        }
        for key in ["uid", "resourceVersion", "creationTimestamp", "generation", "selfLink"] {
            take(&mut config, &["metadata", key]);
        }
        let merged = managers.apply(&live_shown, &config, kind.of(), &writer, force).map_err(|found| refuse(&found))?;
        let mut new = self.prepared(target, &live, merged);
        managers.write(&mut new);
        let done = self.change(target, &live, new, dry)?;
        Ok(status::answer(200, &shown(kind, &done)))
    }

    /// What is sent with what the server keeps.
    fn prepared(&self, target: &Target, live: &Node, sent: Node) -> Node {
        let kind = &target.kind;
        let mut new = sent;
        drop_nulls(&mut new);
        defaults::normalize(kind, &mut new);
        if target.subresource == "status" {
            let status = take(&mut new, &["status"]);
            new = shown(kind, live);
            match status {
                Some(status) => set(&mut new, &["status"], status),
                None => drop(take(&mut new, &["status"])),
            }
        } else if kind.status {
            match live.get("status") {
                Some(status) => set(&mut new, &["status"], status.clone()),
                None => drop(take(&mut new, &["status"])),
            }
        }
        for key in KEPT {
            match live.at(&["metadata", key]) {
                Some(value) => set(&mut new, &["metadata", key], value.clone()),
                None => drop(take(&mut new, &["metadata", key])),
            }
        }
        take(&mut new, &["metadata", "managedFields"]);
        defaults::keep(kind, live, &mut new);
        defaults::fill(kind, &mut new);
        new
    }

    /// Stores a changed object, unless nothing changed.
    pub(super) fn change(&mut self, target: &Target, live: &Node, mut new: Node, dry: bool) -> Result<Node, Refusal> {
        let kind = &target.kind;
        let version = live.at(&["metadata", "resourceVersion"]).cloned().unwrap_or_else(Node::null);
        set(&mut new, &["metadata", "resourceVersion"], version);
        let faults = validate::change(kind, live, &new);
        if !faults.is_empty() {
            return Err(status::invalid(&kind.kind, &kind.group, &target.name, &faults));
        }
        let live = shown(kind, live);
        if kind.generation && kind.kind != "PriorityClass" && counted(kind, &live) != counted(kind, &new) {
            let generation = int_at(&live, &["metadata", "generation"]).unwrap_or(0) + 1;
            set(&mut new, &["metadata", "generation"], Node::int(generation));
        }
        let finalizers = new.at(&["metadata", "finalizers"]).and_then(Node::as_seq).unwrap_or_default();
        let ends =
            new.at(&["metadata", "deletionTimestamp"]).is_some() && finalizers.is_empty() && kind.kind != "Namespace";
        if dry || (same(&live, &new) && !ends) {
            return Ok(new);
        }
        if ends {
            self.erase(kind, &new);
            return Ok(new);
        }
        let stored = self.store(kind, new);
        self.after_change(kind, Some(&live), &stored);
        Ok(stored)
    }

    /// Makes an object. Without `managers`, all that is sent is its manager's.
    #[expect(clippy::too_many_arguments, reason = "POST, PUT of a Lease and apply differ in each of them")]
    pub(super) fn create(
        &mut self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        sent: Node,
        managers: Option<Managers>,
        manager: &str,
        stamp: &str,
        dry: bool,
    ) -> Result<Node, Refusal> {
        let mut new = sent;
        drop_nulls(&mut new);
        let metadata = [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "managedFields",
            "selfLink",
        ];
        for key in metadata {
            take(&mut new, &["metadata", key]);
        }
        if kind.status {
            take(&mut new, &["status"]);
        }
        set(&mut new, &["metadata", "name"], text(name));
        if kind.namespaced {
            set(&mut new, &["metadata", "namespace"], text(namespace));
            self.check_open(kind, namespace, name)?;
        }
        if let Some(live) = self.get(kind, namespace, name) {
            if live.at(&["metadata", "deletionTimestamp"]).is_some() {
                let message = format!("object is being deleted: {} \"{name}\" already exists", kind.resource());
                let details = status::details(name, &kind.group, &kind.plural, Vec::new());
                return Err(status::failure(409, "AlreadyExists", &message, Some(details)));
            }
            return Err(status::exists(kind, name));
        }
        defaults::normalize(kind, &mut new);
        defaults::fill(kind, &mut new);
        let managers = managers.unwrap_or_else(|| {
            let mut managers = Managers::default();
            let api_version = kind.api_version();
            let writer = Writer { manager, api_version: &api_version, subresource: "", time: stamp };
            let reset: &[&str] = if kind.status { &["status"] } else { &[] };
            managers.update(&Node::map(Map::new()), &new, kind.of(), reset, &writer);
            managers
        });
        let faults = validate::create(kind, &new);
        if !faults.is_empty() {
            return Err(status::invalid(&kind.kind, &kind.group, name, &faults));
        }
        let uid = if dry { SmolStr::from("ffffffff-0000-4000-8000-000000000000") } else { self.new_uid() };
        set(&mut new, &["metadata", "uid"], text(uid));
        set(&mut new, &["metadata", "creationTimestamp"], text(stamp));
        if kind.generation {
            set(&mut new, &["metadata", "generation"], Node::int(1));
        }
        self.allocate(kind, &mut new, dry);
        managers.write(&mut new);
        if dry {
            return Ok(new);
        }
        let stored = self.store(kind, new);
        self.after_change(kind, None, &stored);
        Ok(stored)
    }

    /// Refuses a namespace that is not there or goes.
    fn check_open(&self, kind: &Kind, namespace: &str, name: &str) -> Result<(), Refusal> {
        let Some(namespaces) = self.kinds.iter().find(|kind| kind.kind == "Namespace" && kind.group.is_empty()) else {
            return Ok(());
        };
        let found = self.get(namespaces, "", namespace).ok_or_else(|| status::not_found(namespaces, namespace))?;
        if found.at(&["metadata", "deletionTimestamp"]).is_none() {
            return Ok(());
        }
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let found =
            cause("NamespaceTerminating", &format!("namespace {namespace} is being terminated"), "metadata.namespace");
        Err(status::forbidden(kind, name, &why, vec![found]))
    }
}

/// What a generation counts.
fn counted(kind: &Kind, node: &Node) -> String {
    let mut out = node.clone();
    let annotations = take(&mut out, &["metadata", "annotations"]).filter(|_| kind.counts_annotations);
    take(&mut out, &["metadata"]);
    // A custom kind without the status path counts all of it.
    if kind.status || kind.custom.is_none() {
        take(&mut out, &["status"]);
    }
    if let Some(annotations) = annotations {
        default(&mut out, &["annotations"], annotations);
    }
    super::fields::to_json(&out).to_string()
}

fn refuse(conflicts: &[Conflict]) -> Refusal {
    let causes = conflicts
        .iter()
        .map(|found| cause("FieldManagerConflict", &format!("conflict with {}", found.manager), &found.path))
        .collect();
    let message = match conflicts {
        [one] => format!("Apply failed with 1 conflict: conflict with {}: {}", one.manager, one.path),
        _ => {
            let mut managers: Vec<&str> = conflicts.iter().map(|found| found.manager.as_str()).collect();
            managers.sort_unstable();
            managers.dedup();
            let mut lines = Vec::new();
            for manager in managers {
                lines.push(format!("conflicts with {manager}:"));
                let own = conflicts.iter().filter(|found| found.manager == manager);
                lines.extend(own.map(|found| format!("- {}", found.path)));
            }
            format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
        }
    };
    status::failure(409, "Conflict", &message, Some(status::details("", "", "", causes)))
}

fn reset(target: &Target) -> &'static [&'static str] {
    match (target.kind.status, target.subresource.as_str()) {
        (true, "") => &["status"],
        (true, "status") => &["spec"],
        _ => &[],
    }
}

pub(super) fn is_dry(request: &Request) -> bool {
    request.parameter("dryRun") == Some("All")
}

fn manager(request: &Request) -> &str {
    request.parameter("fieldManager").filter(|manager| !manager.is_empty()).unwrap_or("unknown")
}

/// Whether a JSON patch says who owns what.
fn request_moves(request: &Request) -> bool {
    let Ok((Content::JsonPatch, sent)) = body(request) else { return false };
    sent.as_seq().unwrap_or_default().iter().any(|operation| str_at(operation, &["path"]) == "/metadata/managedFields")
}

/// Whether a body clears the managers: `managedFields: []` or `[{}]`.
fn request_forgets(request: &Request) -> bool {
    let Ok((_, sent)) = body(request) else { return false };
    let cleared = |fields: &Node| {
        fields.as_seq().is_some_and(|items| items.iter().all(|item| item.as_map().is_some_and(Map::is_empty)))
    };
    let named = sent.at(&["metadata", "managedFields"]).is_some_and(cleared);
    named
        || sent.as_seq().unwrap_or_default().iter().any(|operation| {
            str_at(operation, &["path"]) == "/metadata/managedFields"
                && (str_at(operation, &["op"]) == "remove" || operation.get("value").is_some_and(cleared))
        })
}

fn check_kind(kind: &Kind, sent: &Node) -> Result<(), Refusal> {
    let (api_version, name) = (str_at(sent, &["apiVersion"]), str_at(sent, &["kind"]));
    if name.is_empty() {
        return Err(status::bad_request("Object 'Kind' is missing in the request body"));
    }
    if name != kind.kind || api_version != kind.api_version() {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        return Err(status::bad_request(&format!(
            "{} in version \"{version}\" cannot be handled as a {}: expected {}, got group \"{group}\" version \"{version}\" kind \"{name}\"",
            name,
            kind.kind,
            kind.api_version(),
        )));
    }
    Ok(())
}

fn check_name(target: &Target, sent: &Node) -> Result<(), Refusal> {
    let name = str_at(sent, &["metadata", "name"]);
    if !name.is_empty() && name != target.name {
        return Err(status::bad_request(&format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        )));
    }
    Ok(())
}

fn check_namespace(target: &Target, sent: &Node) -> Result<(), Refusal> {
    let namespace = str_at(sent, &["metadata", "namespace"]);
    if target.kind.namespaced && !namespace.is_empty() && namespace != target.namespace {
        return Err(status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}
