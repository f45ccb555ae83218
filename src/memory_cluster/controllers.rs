//! Controllers on the virtual clock: what happens to an object some time after it was written.

use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, format_smolstr};

use super::kinds::Kind;
use super::managers::{Managers, Writer};
use super::node::{default, int_at, object, set, str_at, text};
use super::{FAIL, MemoryCluster, Place, Shelf};
use crate::yaml::{Map, Node};

const MANAGER: &str = "kube-controller-manager";

/// Something that is due.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// A new namespace gets what every namespace has.
    Furnish(SmolStr),
    /// A CRD is established.
    Establish(SmolStr),
    /// A workload gets its children.
    Spawn(Shelf, Place, SmolStr),
    /// A workload becomes ready, completes or fails.
    Finish(Shelf, Place, SmolStr),
    /// An autoscaler looks at what it scales.
    Scale(Place, SmolStr),
    /// The garbage collector looks for children without owners.
    Collect,
    /// A namespace goes.
    Terminate(SmolStr),
    /// A CRD goes.
    Uninstall(SmolStr),
}

/// Kinds that get a status, and after which share of `ready_after`; children come at a tenth.
const SPAWNS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"];
const FINISHES: [&str; 9] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "Job",
    "Pod",
    "PersistentVolumeClaim",
    "APIService",
    "PodDisruptionBudget",
];

impl MemoryCluster {
    pub(super) fn run(&mut self, task: Task) {
        match task {
            Task::Furnish(name) => self.furnish(&name),
            Task::Establish(name) => self.establish(&name),
            Task::Spawn(shelf, place, uid) => self.with(&shelf, &place, &uid, Self::spawn),
            Task::Finish(shelf, place, uid) => self.with(&shelf, &place, &uid, Self::finish),
            Task::Scale(place, uid) => self.scale(&place, &uid),
            Task::Collect => self.collect(),
            Task::Terminate(name) => self.terminate(&name),
            Task::Uninstall(name) => self.uninstall(&name),
        }
    }

    fn with(&mut self, shelf: &Shelf, place: &Place, uid: &str, act: fn(&mut Self, &Kind, Node)) {
        let kind = self.kinds.iter().find(|kind| kind.group == shelf.0 && kind.plural == shelf.1).cloned();
        let found = self.objects.get(shelf).and_then(|shelf| shelf.get(place)).cloned();
        if let (Some(kind), Some(found)) = (kind, found)
            && str_at(&found, &["metadata", "uid"]) == uid
            && found.at(&["metadata", "deletionTimestamp"]).is_none()
        {
            act(self, &kind, found);
        }
    }

    /// What a write sets in motion.
    pub(super) fn after_change(&mut self, kind: &Kind, live: Option<&Node>, new: &Node) {
        if kind.custom.is_some() || new.at(&["metadata", "deletionTimestamp"]).is_some() {
            return;
        }
        let at = |key: &str| -> SmolStr { str_at(new, &["metadata", key]).into() };
        let generation = |node: &Node| int_at(node, &["metadata", "generation"]);
        let is_new = live.is_none_or(|live| generation(live) != generation(new));
        let (shelf, place) = ((kind.group.clone(), kind.plural.clone()), (at("namespace"), at("name")));
        match kind.kind.as_str() {
            "Namespace" if live.is_none() => self.later(20, Task::Furnish(at("name"))),
            "CustomResourceDefinition" if is_new => {
                if str_at(new, &["status", "conditions"]).is_empty() && new.at(&["status", "conditions"]).is_none() {
                    self.later(self.settings.established_after, Task::Establish(at("name")));
                } else {
                    self.serve_crd(new);
                }
            }
            "HorizontalPodAutoscaler" if is_new => {
                self.later(self.settings.ready_after, Task::Scale(place.clone(), at("uid")));
            }
            _ => {}
        }
        if !is_new && live.is_some() {
            return;
        }
        let wait = self.settings.ready_after;
        if SPAWNS.contains(&kind.kind.as_str()) && ["apps", "batch"].contains(&kind.group.as_str()) {
            self.later(wait / 10, Task::Spawn(shelf.clone(), place.clone(), at("uid")));
        }
        if FINISHES.contains(&kind.kind.as_str()) {
            self.later(wait, Task::Finish(shelf, place, at("uid")));
        }
    }

    fn furnish(&mut self, namespace: &str) {
        for (plural, kind, name) in
            [("serviceaccounts", "ServiceAccount", "default"), ("configmaps", "ConfigMap", "kube-root-ca.crt")]
        {
            let data = if kind == "ConfigMap" { r#","data":{"ca.crt":"none"}"# } else { "" };
            let body = format!(r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":"{name}"}}{data}}}"#);
            self.act(MANAGER, crate::api::Method::Post, &format!("/api/v1/namespaces/{namespace}/{plural}"), &body);
        }
    }

    fn serve_crd(&mut self, crd: &Node) {
        let group = str_at(crd, &["spec", "group"]);
        let plural = str_at(crd, &["spec", "names", "plural"]);
        self.kinds.retain(|kind| kind.custom.is_none() || kind.group != group || kind.plural != plural);
        self.kinds.extend(Kind::of_crd(crd));
    }

    fn establish(&mut self, name: &str) {
        let Some(kind) = self.kinds.iter().find(|kind| kind.kind == "CustomResourceDefinition").cloned() else {
            return;
        };
        let Some(crd) = self.get(&kind, "", name).cloned() else { return };
        if crd.at(&["metadata", "deletionTimestamp"]).is_some() {
            return;
        }
        let versions = crd.at(&["spec", "versions"]).and_then(Node::as_seq).unwrap_or_default();
        let stored: Vec<Node> = versions
            .iter()
            .filter(|version| version.get("storage").and_then(Node::as_bool) == Some(true))
            .filter_map(|version| version.get("name").cloned())
            .collect();
        let status = object([
            ("acceptedNames", crd.at(&["spec", "names"]).cloned().unwrap_or_else(Node::null)),
            (
                "conditions",
                Node::seq(vec![
                    self.condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
                    self.condition(
                        "Established",
                        "True",
                        "InitialNamesAccepted",
                        "the initial names have been accepted",
                    ),
                ]),
            ),
            ("storedVersions", Node::seq(stored)),
        ]);
        self.report(&kind, &crd, status, "kube-apiserver");
        self.serve_crd(&crd);
    }

    fn condition(&self, name: &str, status: &str, reason: &str, message: &str) -> Node {
        object([
            ("type", text(name)),
            ("status", text(status)),
            ("lastTransitionTime", text(self.stamp())),
            ("reason", text(reason)),
            ("message", text(message)),
        ])
    }

    /// Writes a status as a controller does.
    fn report(&mut self, kind: &Kind, live: &Node, status: Node, manager: &str) {
        let mut new = live.clone();
        set(&mut new, &["status"], status);
        self.write_as(kind, live, new, manager, "status");
    }

    fn write_as(&mut self, kind: &Kind, live: &Node, mut new: Node, manager: &str, subresource: &str) {
        let (stamp, api_version) = (self.stamp(), kind.api_version());
        let mut managers = Managers::of(live);
        let writer = Writer { manager, api_version: &api_version, subresource, time: &stamp };
        managers.update(live, &new, kind.of(), &[], &writer);
        managers.write(&mut new);
        if subresource != "status" && kind.generation {
            let generation = int_at(live, &["metadata", "generation"]).unwrap_or(0) + 1;
            set(&mut new, &["metadata", "generation"], Node::int(generation));
        }
        let stored = self.store(kind, new);
        self.after_change(kind, Some(live), &stored);
    }

    fn fails(workload: &Node) -> bool {
        let at = |path: &[&str]| workload.at(path).and_then(|annotations| annotations.get(FAIL)).is_some();
        at(&["metadata", "annotations"]) || at(&["spec", "template", "metadata", "annotations"])
    }

    fn spawn(&mut self, kind: &Kind, owner: Node) {
        let Some(template) = owner.at(&["spec", "template"]).cloned() else { return };
        let name = str_at(&owner, &["metadata", "name"]).to_owned();
        let replicas = match kind.kind.as_str() {
            "Job" => int_at(&owner, &["spec", "parallelism"]).unwrap_or(1),
            "DaemonSet" => 1,
            _ => int_at(&owner, &["spec", "replicas"]).unwrap_or(1),
        };
        let digest = Sha256::digest(super::fields::to_json(&template).as_bytes());
        let hash: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        if kind.kind == "Deployment" {
            self.roll(kind, &owner, template, &hash, replicas);
            return;
        }
        // Pods of another template go; those that are missing come.
        let uid = str_at(&owner, &["metadata", "uid"]).to_owned();
        let Some(pods) = self.kinds.iter().find(|kind| kind.kind == "Pod" && kind.group.is_empty()).cloned() else {
            return;
        };
        let wanted: Vec<String> =
            (0..replicas.clamp(0, 20))
                .map(|at| {
                    if kind.kind == "StatefulSet" {
                        format!("{name}-{at}")
                    } else {
                        format!("{name}-{}{at}", &hash[..5])
                    }
                })
                .collect();
        for pod in self.children(&pods, &uid) {
            if !wanted.iter().any(|name| name == str_at(&pod, &["metadata", "name"])) {
                self.remove(&pods, &pod, "Background", false);
            }
        }
        for pod in wanted {
            self.make_child(kind, &owner, &pods, &pod, &template, None);
        }
    }

    fn children(&self, kind: &Kind, uid: &str) -> Vec<Node> {
        let shelf = self.objects.get(&(kind.group.clone(), kind.plural.clone()));
        let is_child = |child: &&Node| {
            let owners = child.at(&["metadata", "ownerReferences"]).and_then(Node::as_seq).unwrap_or_default();
            owners.iter().any(|owner| str_at(owner, &["uid"]) == uid)
        };
        shelf.into_iter().flat_map(|shelf| shelf.values()).filter(is_child).cloned().collect()
    }

    /// A Deployment: one ReplicaSet a template; the others are scaled down.
    fn roll(&mut self, kind: &Kind, owner: &Node, template: Node, hash: &str, replicas: i64) {
        let Some(sets) = self.kinds.iter().find(|kind| kind.kind == "ReplicaSet").cloned() else { return };
        let current = format!("{}-{hash}", str_at(owner, &["metadata", "name"]));
        for live in self.children(&sets, str_at(owner, &["metadata", "uid"])) {
            let is_current = str_at(&live, &["metadata", "name"]) == current;
            let count = if is_current { replicas } else { 0 };
            if int_at(&live, &["spec", "replicas"]) != Some(count) {
                let mut new = live.clone();
                set(&mut new, &["spec", "replicas"], Node::int(count));
                self.write_as(&sets, &live, new, MANAGER, "");
            }
        }
        let mut template = template;
        set(&mut template, &["metadata", "labels", "pod-template-hash"], text(hash));
        let mut selector = owner.at(&["spec", "selector"]).cloned().unwrap_or_else(|| Node::map(Map::new()));
        set(&mut selector, &["matchLabels", "pod-template-hash"], text(hash));
        let spec = object([("replicas", Node::int(replicas)), ("selector", selector), ("template", template.clone())]);
        self.make_child(kind, owner, &sets, &current, &template, Some(spec));
        let status = object([
            ("observedGeneration", owner.at(&["metadata", "generation"]).cloned().unwrap_or_else(|| Node::int(1))),
            ("replicas", Node::int(replicas)),
            ("updatedReplicas", Node::int(replicas)),
            ("unavailableReplicas", Node::int(replicas)),
            (
                "conditions",
                Node::seq(vec![
                    self.condition(
                        "Available",
                        "False",
                        "MinimumReplicasUnavailable",
                        "Deployment does not have minimum availability.",
                    ),
                    self.condition("Progressing", "True", "ReplicaSetUpdated", "ReplicaSet is progressing."),
                ]),
            ),
        ]);
        if let Some(live) =
            self.get(kind, str_at(owner, &["metadata", "namespace"]), str_at(owner, &["metadata", "name"])).cloned()
        {
            self.report(kind, &live, status, MANAGER);
        }
    }

    /// A child with the labels of the template: whatever label the template carries, the child does, too.
    fn make_child(&mut self, kind: &Kind, owner: &Node, of: &Kind, name: &str, template: &Node, spec: Option<Node>) {
        let namespace: SmolStr = str_at(owner, &["metadata", "namespace"]).into();
        if self.get(of, &namespace, name).is_some() {
            return;
        }
        let reference = object([
            ("apiVersion", text(kind.api_version())),
            ("kind", text(kind.kind.clone())),
            ("name", text(str_at(owner, &["metadata", "name"]))),
            ("uid", text(str_at(owner, &["metadata", "uid"]))),
            ("controller", Node::bool(true)),
            ("blockOwnerDeletion", Node::bool(true)),
        ]);
        let labels = template.at(&["metadata", "labels"]).cloned().unwrap_or_else(|| Node::map(Map::new()));
        let mut child = object([
            ("apiVersion", text(of.api_version())),
            ("kind", text(of.kind.clone())),
            ("metadata", object([("labels", labels), ("ownerReferences", Node::seq(vec![reference]))])),
            ("spec", spec.or_else(|| template.get("spec").cloned()).unwrap_or_else(Node::null)),
        ]);
        let annotations = template.at(&["metadata", "annotations"]).or_else(|| owner.at(&["metadata", "annotations"]));
        if let Some(annotations) = annotations {
            default(&mut child, &["metadata", "annotations"], annotations.clone());
        }
        let stamp = self.stamp();
        // A namespace that goes takes no children: the owner goes, too.
        drop(self.create(of, &namespace, name, child, None, MANAGER, &stamp, false));
    }

    fn finish(&mut self, kind: &Kind, live: Node) {
        let count = |path: &[&str]| int_at(&live, path).unwrap_or(1);
        let generation = live.at(&["metadata", "generation"]).cloned().unwrap_or_else(|| Node::int(1));
        let replicas = Node::int(count(&["spec", "replicas"]));
        let failed = Self::fails(&live);
        let none = if failed { Node::int(0) } else { replicas.clone() };
        let status = match kind.kind.as_str() {
            "Deployment" => {
                let (available, progress) = if failed {
                    (
                        self.condition(
                            "Available",
                            "False",
                            "MinimumReplicasUnavailable",
                            "Deployment does not have minimum availability.",
                        ),
                        self.condition(
                            "Progressing",
                            "False",
                            "ProgressDeadlineExceeded",
                            "ReplicaSet has timed out progressing.",
                        ),
                    )
                } else {
                    (
                        self.condition(
                            "Available",
                            "True",
                            "MinimumReplicasAvailable",
                            "Deployment has minimum availability.",
                        ),
                        self.condition(
                            "Progressing",
                            "True",
                            "NewReplicaSetAvailable",
                            "ReplicaSet has successfully progressed.",
                        ),
                    )
                };
                object([
                    ("observedGeneration", generation),
                    ("replicas", replicas.clone()),
                    ("updatedReplicas", replicas),
                    ("readyReplicas", none.clone()),
                    ("availableReplicas", none),
                    ("conditions", Node::seq(vec![available, progress])),
                ])
            }
            "StatefulSet" => object([
                ("observedGeneration", generation),
                ("replicas", replicas.clone()),
                ("currentReplicas", replicas.clone()),
                ("updatedReplicas", replicas),
                ("readyReplicas", none.clone()),
                ("availableReplicas", none),
                ("currentRevision", text("current")),
                ("updateRevision", text("current")),
            ]),
            "DaemonSet" => {
                let ready = Node::int(i64::from(!failed));
                object([
                    ("observedGeneration", generation),
                    ("currentNumberScheduled", Node::int(1)),
                    ("desiredNumberScheduled", Node::int(1)),
                    ("updatedNumberScheduled", Node::int(1)),
                    ("numberMisscheduled", Node::int(0)),
                    ("numberReady", ready.clone()),
                    ("numberAvailable", ready),
                ])
            }
            "ReplicaSet" => object([
                ("observedGeneration", generation),
                ("replicas", replicas.clone()),
                ("fullyLabeledReplicas", replicas),
                ("readyReplicas", none.clone()),
                ("availableReplicas", none),
            ]),
            "Job" => {
                let start = live.at(&["metadata", "creationTimestamp"]).cloned().unwrap_or_else(Node::null);
                if failed {
                    let why = "Job has reached the specified backoff limit";
                    object([
                        ("startTime", start),
                        ("failed", Node::int(1)),
                        (
                            "conditions",
                            Node::seq(vec![
                                self.condition("FailureTarget", "True", "BackoffLimitExceeded", why),
                                self.condition("Failed", "True", "BackoffLimitExceeded", why),
                            ]),
                        ),
                    ])
                } else {
                    let why = "Reached expected number of succeeded pods";
                    object([
                        ("startTime", start),
                        ("completionTime", text(self.stamp())),
                        ("succeeded", Node::int(count(&["spec", "completions"]))),
                        (
                            "conditions",
                            Node::seq(vec![
                                self.condition("SuccessCriteriaMet", "True", "CompletionsReached", why),
                                self.condition("Complete", "True", "CompletionsReached", why),
                            ]),
                        ),
                    ])
                }
            }
            "Pod" => object([
                ("phase", text(if failed { "Failed" } else { "Running" })),
                ("conditions", Node::seq(vec![self.condition("Ready", if failed { "False" } else { "True" }, "", "")])),
            ]),
            "PersistentVolumeClaim" => object([("phase", text("Bound"))]),
            "APIService" => object([(
                "conditions",
                Node::seq(vec![self.condition("Available", "True", "Local", "Local APIServices are always available")]),
            )]),
            _ => object([("observedGeneration", generation), ("disruptionsAllowed", Node::int(1))]),
        };
        self.report(kind, &live, status, MANAGER);
    }

    /// Sets the replicas of what an autoscaler names to within its bounds, as the owner of that field.
    fn scale(&mut self, place: &Place, uid: &str) {
        let Some(scaler) = self.find("autoscaling/v2", "HorizontalPodAutoscaler", &place.0, &place.1).cloned() else {
            return;
        };
        if str_at(&scaler, &["metadata", "uid"]) != uid {
            return;
        }
        let of = |key: &str| str_at(&scaler, &["spec", "scaleTargetRef", key]);
        let group = of("apiVersion").split_once('/').map_or("", |(group, _)| group);
        let kind = self.kinds.iter().find(|kind| kind.group == group && kind.kind == of("kind")).cloned();
        let Some(kind) = kind else { return };
        if let Some(live) = self.get(&kind, &place.0, of("name")).cloned() {
            let least = int_at(&scaler, &["spec", "minReplicas"]).unwrap_or(1);
            let most = int_at(&scaler, &["spec", "maxReplicas"]).unwrap_or(least).max(least);
            let is = int_at(&live, &["spec", "replicas"]).unwrap_or(1);
            if is.clamp(least, most) != is {
                let mut new = live.clone();
                set(&mut new, &["spec", "replicas"], Node::int(is.clamp(least, most)));
                self.write_as(&kind, &live, new, MANAGER, "scale");
            }
        }
        self.later(self.settings.ready_after.max(1) * 8, Task::Scale(place.clone(), format_smolstr!("{uid}")));
    }
}
