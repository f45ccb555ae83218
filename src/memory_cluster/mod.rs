//! A Kubernetes API server in memory, for tests: pure and deterministic, with a virtual clock, counted UIDs and resource versions.
//!
//! [`MemoryCluster::answer`] answers the requests of [`crate::api`]: discovery, reads, writes of every kind with server-side apply and
//! managedFields, deletion with preconditions, finalizers, garbage collection and namespace termination. Controllers run on the virtual clock:
//! Deployments get ReplicaSets and become ready, Jobs complete, CRDs get established. [`drive()`] runs a
//! [`Machine`](crate::machine::Machine) against it with faults at chosen calls.
//!
//! It is as good as what plan and apply look at, and `tests/it/faults_server.rs` compares it with a real server. It has no watches, no
//! authorization, no webhooks, no conversion between versions of a kind, no schemas of built-in kinds: an unknown field is kept.

mod allocate;
mod collect;
mod controllers;
mod defaults;
mod delete;
mod drive;
mod fields;
mod kinds;
mod managers;
mod node;
mod select;
mod serve;
mod shape;
mod status;
#[cfg(test)]
mod tests;
mod validate;
mod write;

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};

use crate::api::{Method, Millis, Request, Response};
use crate::k8s::object::ObjectId;
use crate::yaml::Node;

pub use drive::{Call, Fault, Faults, Recording, Run, drive, record, replay};

use controllers::Task;
use kinds::Kind;

/// Annotation of a workload or its pod template that makes it fail: it never becomes ready, or the Job fails.
pub const FAIL: &str = "memory.fleetc.dev/fail";

/// How a simulated cluster behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What makes its UIDs differ from those of other clusters.
    pub seed: u32,
    /// `gitVersion` of the server.
    pub version: String,
    /// Until a workload is ready or a Job is complete.
    pub ready_after: Millis,
    /// Until a CRD is established.
    pub established_after: Millis,
    /// Until children of a deleted owner go.
    pub collect_after: Millis,
    /// Until the content of a deleted namespace goes, and again until the namespace does.
    pub terminate_after: Millis,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            seed: 1,
            version: "v1.34.2".to_owned(),
            ready_after: 2_000,
            established_after: 300,
            collect_after: 100,
            terminate_after: 500,
        }
    }
}

/// What holds the objects of a kind: group and plural.
type Shelf = (SmolStr, SmolStr);
/// What names an object on its shelf: namespace and name.
type Place = (SmolStr, SmolStr);

/// A simulated cluster.
#[derive(Clone, Debug)]
pub struct MemoryCluster {
    settings: Settings,
    now: Millis,
    revision: u64,
    uids: u64,
    kinds: Vec<Kind>,
    objects: BTreeMap<Shelf, BTreeMap<Place, Node>>,
    due: BTreeMap<(Millis, u64), Task>,
    tasks: u64,
    removed: Vec<(ObjectId, SmolStr)>,
}

/// Where virtual clocks begin: 2026-01-01.
const EPOCH: Millis = 1_767_225_600_000;

impl Default for MemoryCluster {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl MemoryCluster {
    /// A cluster with the namespaces that every cluster has.
    pub fn new(settings: Settings) -> Self {
        let mut cluster = MemoryCluster {
            settings,
            now: EPOCH,
            revision: 0,
            uids: 0,
            kinds: Kind::built_in(),
            objects: BTreeMap::new(),
            due: BTreeMap::new(),
            tasks: 0,
            removed: Vec::new(),
        };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let body = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}"}}}}"#);
            cluster.act("kube-apiserver", Method::Post, "/api/v1/namespaces", &body);
        }
        cluster.advance(EPOCH + 1_000);
        cluster
    }

    /// The virtual time.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// The UID of its kube-system namespace, which is the cluster's identity.
    pub fn uid(&self) -> SmolStr {
        let namespace = self.find("v1", "Namespace", "", "kube-system");
        namespace.map(|node| node::str_at(node, &["metadata", "uid"]).into()).unwrap_or_default()
    }

    /// When something will happen on its own.
    pub fn next_due(&self) -> Option<Millis> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Lets time pass, and all that is due until then happen. Time never runs backwards.
    pub fn advance(&mut self, to: Millis) {
        while let Some(entry) = self.due.first_entry() {
            let at = entry.key().0;
            if at > to {
                break;
            }
            let task = entry.remove();
            self.now = self.now.max(at);
            self.run(task);
        }
        self.now = self.now.max(to);
    }

    /// Lets time pass until nothing is due any more, for a virtual hour at most.
    pub fn settle(&mut self) {
        let end = self.now + 3_600_000;
        while let Some(at) = self.next_due().filter(|at| *at <= end) {
            self.advance(at);
        }
    }

    /// Lets some time pass.
    pub fn settle_for(&mut self, millis: Millis) {
        self.advance(self.now + millis);
    }

    /// Answers a request at the current time.
    pub fn answer(&mut self, request: &Request) -> Response {
        self.serve(request).unwrap_or_else(|refusal| *refusal)
    }

    /// Does something as another manager would: a person, a controller.
    pub fn act(&mut self, manager: &str, method: Method, path: &str, body: &str) -> Response {
        let content = match method {
            Method::Patch => crate::api::Content::MergePatch,
            _ => crate::api::Content::Json,
        };
        let mut request = Request::new(method, path).with("fieldManager", manager);
        if !body.is_empty() {
            request = request.body(content, body);
        }
        self.answer(&request)
    }

    /// An object, by any version of its kind.
    pub fn find(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<&Node> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let kind = self.kinds.iter().find(|known| known.group == group && known.kind == kind)?;
        self.get(kind, namespace, name)
    }

    /// All objects, in the order of group, resource, namespace and name.
    pub fn all(&self) -> impl Iterator<Item = &Node> {
        self.objects.values().flat_map(BTreeMap::values)
    }

    /// What has been removed for good so far, each with its UID.
    pub fn removed(&self) -> &[(ObjectId, SmolStr)] {
        &self.removed
    }

    fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Option<&Node> {
        let shelf = self.objects.get(&(kind.group.clone(), kind.plural.clone()))?;
        shelf.get(&(if kind.namespaced { namespace.into() } else { SmolStr::default() }, name.into()))
    }

    /// Puts an object in its place with a new resource version.
    fn store(&mut self, kind: &Kind, mut object: Node) -> Node {
        self.revision += 1;
        node::set(&mut object, &["metadata", "resourceVersion"], node::text(format_smolstr!("{}", self.revision)));
        let (namespace, name) =
            (node::str_at(&object, &["metadata", "namespace"]), node::str_at(&object, &["metadata", "name"]));
        let place = (namespace.into(), name.into());
        let shelf = self.objects.entry((kind.group.clone(), kind.plural.clone())).or_default();
        shelf.insert(place, object.clone());
        object
    }

    /// Removes an object for good.
    fn erase(&mut self, kind: &Kind, object: &Node) {
        let id = ObjectId::of(object);
        let shelf = self.objects.entry((kind.group.clone(), kind.plural.clone())).or_default();
        if shelf.remove(&(id.namespace.clone(), id.name.clone())).is_some() {
            self.revision += 1;
            self.removed.push((id, node::str_at(object, &["metadata", "uid"]).into()));
            self.after_removal(kind, object);
        }
    }

    fn new_uid(&mut self) -> SmolStr {
        self.uids += 1;
        format_smolstr!("{:08x}-0000-4000-8000-{:012x}", self.settings.seed, self.uids)
    }

    /// The current time as metadata has it.
    fn stamp(&self) -> SmolStr {
        stamp(self.now)
    }

    fn later(&mut self, millis: Millis, task: Task) {
        self.tasks += 1;
        self.due.insert((self.now + millis, self.tasks), task);
    }
}

fn stamp(at: Millis) -> SmolStr {
    let seconds = i64::try_from(at / 1_000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map(|stamp| format_smolstr!("{stamp}")).unwrap_or_default()
}
