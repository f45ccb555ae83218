//! What an API server fills in: static defaults of the built-in kinds, by a table.
//!
//! Values: Kubernetes v1.34 (`pkg/apis/*/v1/defaults.go`, `zz_generated.defaults.go`). What depends on the cluster (addresses, storage classes)
//! is not here; whoever needs to be sure asks the server by a dry run. Those of the kinds that `validate/admitted.rs` names have been
//! compared with a server's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smol_str::SmolStr;

use super::ignore::quantity::canonical;
use crate::span::FileId;
use crate::yaml::{Map, Node, json};

/// KIND, path, JSON.
const DEFAULTS: [(&str, &str, &str); 80] = [
    ("Secret", "type", r#""Opaque""#),
    ("Namespace", "spec.finalizers", r#"["kubernetes"]"#),
    ("Namespace", "status.phase", r#""Active""#),
    ("Service", "spec.type", r#""ClusterIP""#),
    ("Service", "spec.sessionAffinity", r#""None""#),
    ("Deployment", "spec.replicas", "1"),
    ("Deployment", "spec.revisionHistoryLimit", "10"),
    ("Deployment", "spec.progressDeadlineSeconds", "600"),
    ("Deployment", "spec.strategy.type", r#""RollingUpdate""#),
    ("StatefulSet", "spec.replicas", "1"),
    ("StatefulSet", "spec.revisionHistoryLimit", "10"),
    ("StatefulSet", "spec.podManagementPolicy", r#""OrderedReady""#),
    ("StatefulSet", "spec.persistentVolumeClaimRetentionPolicy.whenDeleted", r#""Retain""#),
    ("StatefulSet", "spec.persistentVolumeClaimRetentionPolicy.whenScaled", r#""Retain""#),
    ("DaemonSet", "spec.revisionHistoryLimit", "10"),
    ("DaemonSet", "spec.updateStrategy.type", r#""RollingUpdate""#),
    ("ReplicaSet", "spec.replicas", "1"),
    ("Job", "spec.completionMode", r#""NonIndexed""#),
    ("Job", "spec.suspend", "false"),
    ("Job", "spec.manualSelector", "false"),
    ("CronJob", "spec.concurrencyPolicy", r#""Allow""#),
    ("CronJob", "spec.suspend", "false"),
    ("CronJob", "spec.successfulJobsHistoryLimit", "3"),
    ("CronJob", "spec.failedJobsHistoryLimit", "1"),
    ("HorizontalPodAutoscaler", "spec.minReplicas", "1"),
    ("PersistentVolumeClaim", "spec.volumeMode", r#""Filesystem""#),
    ("PersistentVolumeClaim", "status.phase", r#""Pending""#),
    ("PersistentVolume", "spec.volumeMode", r#""Filesystem""#),
    ("PersistentVolume", "spec.persistentVolumeReclaimPolicy", r#""Retain""#),
    ("StorageClass", "reclaimPolicy", r#""Delete""#),
    ("StorageClass", "volumeBindingMode", r#""Immediate""#),
    ("PriorityClass", "preemptionPolicy", r#""PreemptLowerPriority""#),
    ("CSIDriver", "spec.attachRequired", "true"),
    ("CSIDriver", "spec.podInfoOnMount", "false"),
    ("CSIDriver", "spec.storageCapacity", "false"),
    ("CSIDriver", "spec.fsGroupPolicy", r#""ReadWriteOnceWithFSType""#),
    ("CSIDriver", "spec.volumeLifecycleModes", r#"["Persistent"]"#),
    ("CSIDriver", "spec.requiresRepublish", "false"),
    ("CSIDriver", "spec.seLinuxMount", "false"),
    ("FlowSchema", "spec.matchingPrecedence", "1000"),
    ("ReplicationController", "spec.replicas", "1"),
    ("CustomResourceDefinition", "spec.conversion.strategy", r#""None""#),
    ("pod", "restartPolicy", r#""Always""#),
    ("pod", "dnsPolicy", r#""ClusterFirst""#),
    ("pod", "schedulerName", r#""default-scheduler""#),
    ("pod", "securityContext", "{}"),
    ("pod", "terminationGracePeriodSeconds", "30"),
    ("container", "resources", "{}"),
    ("container", "terminationMessagePath", r#""/dev/termination-log""#),
    ("container", "terminationMessagePolicy", r#""File""#),
    ("probe", "timeoutSeconds", "1"),
    ("probe", "periodSeconds", "10"),
    ("probe", "successThreshold", "1"),
    ("probe", "failureThreshold", "3"),
    ("httpGet", "scheme", r#""HTTP""#),
    ("httpGet", "path", r#""/""#),
    ("webhook", "matchPolicy", r#""Equivalent""#),
    ("webhook", "timeoutSeconds", "10"),
    ("webhook", "namespaceSelector", "{}"),
    ("webhook", "objectSelector", "{}"),
    ("webhook", "failurePolicy", r#""Fail""#),
    ("configMap", "defaultMode", "420"),
    ("secret", "defaultMode", "420"),
    ("projected", "defaultMode", "420"),
    ("downwardAPI", "defaultMode", "420"),
    ("hostPath", "type", r#""""#),
    ("iscsi", "iscsiInterface", r#""default""#),
    ("rbd", "pool", r#""rbd""#),
    ("rbd", "user", r#""admin""#),
    ("rbd", "keyring", r#""/etc/ceph/keyring""#),
    ("azureDisk", "kind", r#""Shared""#),
    ("azureDisk", "cachingMode", r#""ReadWrite""#),
    ("azureDisk", "fsType", r#""ext4""#),
    ("azureDisk", "readOnly", "false"),
    ("scaleIO", "storageMode", r#""ThinProvisioned""#),
    ("scaleIO", "fsType", r#""xfs""#),
    ("serviceAccountToken", "expirationSeconds", "3600"),
    ("grpc", "service", r#""""#),
    ("fieldRef", "apiVersion", r#""v1""#),
    ("fileKeyRef", "optional", "false"),
];

const ZERO_IS_NONE: [&str; 2] = ["probe", "FlowSchema"];

fn value(text: &str) -> Node {
    json::parse(FileId::NONE, text.as_bytes()).unwrap_or_else(|_| Node::null())
}

fn table(of: &str, node: &mut Node) {
    for (_, path, json) in DEFAULTS.iter().filter(|(kind, ..)| *kind == of) {
        let path: Vec<&str> = path.split('.').collect();
        // Numbers that Go holds by value, so that none is zero.
        if ZERO_IS_NONE.contains(&of) && int_at(node, &path) == Some(0) {
            set(node, &path, Node::null());
        }
        default(node, &path, value(json));
    }
}

/// Puts what a Secret says in clear where it belongs, as a server does where it reads one.
pub fn encode_secret(node: &mut Node) {
    let Some(plain) = node.map_mut().and_then(|map| map.remove("stringData")) else { return };
    for (key, value) in plain.as_map().into_iter().flat_map(Map::iter) {
        let encoded = STANDARD.encode(value.text().unwrap_or_default());
        set(node, &["data", key.text().unwrap_or_default()], string(encoded));
    }
}

/// Fills in the defaults of an object of a built-in kind.
pub fn fill(kind: &str, node: &mut Node) {
    table(kind, node);
    match kind {
        "Namespace" => {
            let name = str_at(node, &["metadata", "name"]).to_owned();
            set(node, &["metadata", "labels", "kubernetes.io/metadata.name"], string(name));
        }
        "Service" => service(node),
        "Deployment" if str_at(node, &["spec", "strategy", "type"]) == "RollingUpdate" => {
            default(node, &["spec", "strategy", "rollingUpdate", "maxSurge"], string("25%"));
            default(node, &["spec", "strategy", "rollingUpdate", "maxUnavailable"], string("25%"));
        }
        "NetworkPolicy" => {
            let mut types = vec![string("Ingress")];
            if node.at(&["spec", "egress"]).and_then(Node::as_seq).is_some_and(|rules| !rules.is_empty()) {
                types.push(string("Egress"));
            }
            default(node, &["spec", "policyTypes"], Node::seq(types));
            for rules in [["spec", "ingress"], ["spec", "egress"]] {
                each(node, &rules, |rule| each(rule, &["ports"], |port| default(port, &["protocol"], string("TCP"))));
            }
        }
        "StatefulSet" => {
            if str_at(node, &["spec", "updateStrategy", "type"]).is_empty() {
                default(node, &["spec", "updateStrategy", "type"], string("RollingUpdate"));
                default(node, &["spec", "updateStrategy", "rollingUpdate"], Node::map(Map::new()));
            }
            let rolls = str_at(node, &["spec", "updateStrategy", "type"]) == "RollingUpdate";
            if rolls && node.at(&["spec", "updateStrategy", "rollingUpdate"]).is_some() {
                default(node, &["spec", "updateStrategy", "rollingUpdate", "partition"], Node::int(0));
            }
            claims(node);
        }
        "DaemonSet" if str_at(node, &["spec", "updateStrategy", "type"]) == "RollingUpdate" => {
            default(node, &["spec", "updateStrategy", "rollingUpdate", "maxSurge"], Node::int(0));
            default(node, &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"], Node::int(1));
        }
        "Job" => job(node),
        "PersistentVolume" => {
            for name in VOLUMES {
                if let Some(source) =
                    node.get_mut("spec").and_then(|spec| spec.get_mut(name)).filter(|node| !node.is_null())
                {
                    table(name, source);
                }
            }
        }
        "HorizontalPodAutoscaler" => autoscaler(node),
        "IngressClass" if node.at(&["spec", "parameters"]).is_some_and(|node| !node.is_null()) => {
            default(node, &["spec", "parameters", "scope"], string("Cluster"));
        }
        "EndpointSlice" => each(node, &["ports"], |port| {
            default(port, &["name"], string(""));
            default(port, &["protocol"], string("TCP"));
        }),
        "LimitRange" => each(node, &["spec", "limits"], limit),
        "CustomResourceDefinition" => {
            let kind = str_at(node, &["spec", "names", "kind"]).to_owned();
            default(node, &["spec", "names", "singular"], string(kind.to_ascii_lowercase()));
            default(node, &["spec", "names", "listKind"], string(format!("{kind}List")));
        }
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
            let mutates = kind.starts_with('M');
            each(node, &["webhooks"], |webhook| {
                table("webhook", webhook);
                if mutates {
                    default(webhook, &["reinvocationPolicy"], string("Never"));
                }
                each(webhook, &["rules"], |rule| default(rule, &["scope"], string("*")));
                if webhook.at(&["clientConfig", "service"]).is_some() {
                    default(webhook, &["clientConfig", "service", "port"], Node::int(443));
                }
            });
        }
        "Role" | "ClusterRole" if node.get("rules").and_then(Node::as_seq).is_none_or(<[Node]>::is_empty) => {
            set(node, &["rules"], Node::null());
        }
        "CronJob" => {
            for path in [["spec", "jobTemplate"].as_slice(), &["spec", "jobTemplate", "spec", "template"]] {
                let path: Vec<&str> = path.iter().copied().chain(["metadata"]).collect();
                default(node, &path, Node::map(Map::new()));
            }
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            default(node, &["roleRef", "apiGroup"], string("rbac.authorization.k8s.io"));
            each(node, &["subjects"], |subject| {
                if ["User", "Group"].contains(&str_at(subject, &["kind"])) {
                    default(subject, &["apiGroup"], string("rbac.authorization.k8s.io"));
                }
            });
        }
        "PersistentVolumeClaim" => {
            default(node, &["metadata", "finalizers"], Node::seq(vec![string("kubernetes.io/pvc-protection")]));
        }
        _ => {}
    }
    for path in [["spec", "template"].as_slice(), &["spec", "jobTemplate", "spec", "template"]] {
        if let Some(mut template) = node.at(path).filter(|template| template.get("spec").is_some()).cloned() {
            if let Some(spec) = template.get_mut("spec") {
                pod(spec);
            }
            set(node, path, template);
        }
    }
    if kind == "Pod"
        && let Some(spec) = node.get_mut("spec")
    {
        pod(spec);
        pod_alone(spec);
    }
}

/// Claims that a StatefulSet makes.
fn claims(node: &mut Node) {
    each(node, &["spec", "volumeClaimTemplates"], |claim| {
        default(claim, &["apiVersion"], string("v1"));
        default(claim, &["kind"], string("PersistentVolumeClaim"));
        default(claim, &["spec", "volumeMode"], string("Filesystem"));
        default(claim, &["status", "phase"], string("Pending"));
    });
}

fn job(node: &mut Node) {
    let is_none = |node: &Node, path: &[&str]| node.at(path).is_none_or(Node::is_null);
    if is_none(node, &["spec", "parallelism"]) {
        default(node, &["spec", "completions"], Node::int(1));
        default(node, &["spec", "parallelism"], Node::int(1));
    }
    let per_index = !is_none(node, &["spec", "backoffLimitPerIndex"]);
    default(node, &["spec", "backoffLimit"], Node::int(if per_index { i64::from(i32::MAX) } else { 6 }));
    let failed = !is_none(node, &["spec", "podFailurePolicy"]);
    let replaced = if failed { "Failed" } else { "TerminatingOrFailed" };
    default(node, &["spec", "podReplacementPolicy"], string(replaced));
    let labels = node.at(&["spec", "template", "metadata", "labels"]).cloned();
    let has = |labels: &Node| labels.as_map().is_some_and(|map| !map.is_empty());
    if let Some(labels) = labels.filter(has)
        && !node.at(&["metadata", "labels"]).is_some_and(has)
    {
        set(node, &["metadata", "labels"], labels);
    }
}

fn autoscaler(node: &mut Node) {
    if str_at(node, &["apiVersion"]) != "autoscaling/v2" {
        return;
    }
    if node.at(&["spec", "metrics"]).and_then(Node::as_seq).is_none_or(<[Node]>::is_empty) {
        let metric = r#"[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}]"#;
        set(node, &["spec", "metrics"], value(metric));
    }
    if node.at(&["spec", "behavior"]).is_none_or(Node::is_null) {
        return;
    }
    let pods = r#"{"type":"Pods","value":4,"periodSeconds":15},"#;
    for (way, more) in [("scaleUp", pods), ("scaleDown", "")] {
        let at = |field| ["spec", "behavior", way, field];
        if way == "scaleUp" {
            default(node, &at("stabilizationWindowSeconds"), Node::int(0));
        }
        default(node, &at("selectPolicy"), string("Max"));
        let policies = format!(r#"[{more}{{"type":"Percent","value":100,"periodSeconds":15}}]"#);
        default(node, &at("policies"), value(&policies));
    }
}

/// A limit of containers: what is not said follows from what is.
fn limit(item: &mut Node) {
    if str_at(item, &["type"]) != "Container" {
        return;
    }
    for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
        fill_in(item, from, to);
    }
}

/// Takes over the entries of a map that another one does not have.
fn fill_in(node: &mut Node, from: &str, to: &str) {
    for (key, amount) in node.get(from).cloned().and_then(|map| map.as_map().cloned()).unwrap_or_default().iter() {
        default(node, &[to, key.text().unwrap_or_default()], amount.clone());
    }
}

fn service(node: &mut Node) {
    let ty = str_at(node, &["spec", "type"]).to_owned();
    if ty != "ExternalName" {
        default(node, &["spec", "internalTrafficPolicy"], string("Cluster"));
    }
    if str_at(node, &["spec", "sessionAffinity"]) == "ClientIP" {
        default(node, &["spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"], Node::int(10_800));
    } else if let Some(spec) = node.get_mut("spec").and_then(Node::map_mut) {
        spec.remove("sessionAffinityConfig");
    }
    let outside = node.at(&["spec", "externalIPs"]).and_then(Node::as_seq).is_some_and(|list| !list.is_empty());
    if ["LoadBalancer", "NodePort"].contains(&&*ty) || (ty == "ClusterIP" && outside) {
        default(node, &["spec", "externalTrafficPolicy"], string("Cluster"));
    }
    if str_at(node, &["spec", "type"]) == "LoadBalancer" {
        default(node, &["spec", "allocateLoadBalancerNodePorts"], Node::bool(true));
    }
    default(node, &["status", "loadBalancer"], Node::map(Map::new()));
    each(node, &["spec", "ports"], |port| {
        default(port, &["protocol"], string("TCP"));
        if let Some(number) = int_at(port, &["port"])
            && ["", "0"].contains(&str_at(port, &["targetPort"]))
        {
            set(port, &["targetPort"], Node::int(number));
        }
    });
}

/// Changes each item of a list.
fn each(node: &mut Node, path: &[&str], mut change: impl FnMut(&mut Node)) {
    let Some(mut found) = node.at(path).cloned() else { return };
    for item in found.seq_mut().into_iter().flatten() {
        change(item);
    }
    set(node, path, found);
}

/// What follows the image, where nothing is said.
fn pull_policy(image: &str) -> Node {
    let is_latest = image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains([':', '@']);
    string(if is_latest { "Always" } else { "IfNotPresent" })
}

/// A field reference without version.
fn reference(node: &mut Node, path: &[&str]) {
    if node.at(path).is_some_and(|node| !node.is_null()) {
        let path: Vec<&str> = path.iter().copied().chain(["apiVersion"]).collect();
        default(node, &path, string("v1"));
    }
}

fn container(container: &mut Node) {
    table("container", container);
    let policy = pull_policy(str_at(container, &["image"]));
    default(container, &["imagePullPolicy"], policy);
    each(container, &["ports"], |port| default(port, &["protocol"], string("TCP")));
    each(container, &["env"], |variable| {
        reference(variable, &["valueFrom", "fieldRef"]);
        if let Some(source) = variable.get_mut("valueFrom").and_then(|from| from.get_mut("fileKeyRef")) {
            table("fileKeyRef", source);
        }
    });
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).filter(|node| !node.is_null()) {
            table("probe", probe);
            handler(probe);
        }
    }
    for name in ["postStart", "preStop"] {
        if let Some(hook) = container.get_mut("lifecycle").and_then(|node| node.get_mut(name)) {
            handler(hook);
        }
    }
    for path in [["resources", "limits"], ["resources", "requests"]] {
        if let Some(mut amounts) = container.at(&path).cloned() {
            for (_, amount) in amounts.map_mut().into_iter().flat_map(Map::iter_mut) {
                *amount = string(canonical(amount.text().unwrap_or_default(), true));
            }
            set(container, &path, amounts);
        }
    }
}

fn handler(node: &mut Node) {
    for name in ["httpGet", "grpc"] {
        if let Some(action) = node.get_mut(name).filter(|node| !node.is_null()) {
            table(name, action);
        }
    }
}

/// Kinds of volumes that have defaults.
const VOLUMES: [&str; 9] =
    ["configMap", "secret", "projected", "downwardAPI", "hostPath", "iscsi", "rbd", "azureDisk", "scaleIO"];

fn volume(volume: &mut Node) {
    for name in VOLUMES {
        if let Some(source) = volume.get_mut(name).filter(|node| !node.is_null()) {
            table(name, source);
        }
    }
    each(volume, &["downwardAPI", "items"], |item| reference(item, &["fieldRef"]));
    each(volume, &["projected", "sources"], |source| {
        if let Some(token) = source.get_mut("serviceAccountToken").filter(|node| !node.is_null()) {
            table("serviceAccountToken", token);
        }
        each(source, &["downwardAPI", "items"], |item| reference(item, &["fieldRef"]));
    });
    if volume.at(&["ephemeral", "volumeClaimTemplate", "spec"]).is_some() {
        default(volume, &["ephemeral", "volumeClaimTemplate", "spec", "volumeMode"], string("Filesystem"));
    }
    if volume.get("image").is_some_and(|node| !node.is_null()) {
        let policy = pull_policy(str_at(volume, &["image", "reference"]));
        default(volume, &["image", "pullPolicy"], policy);
    }
    let written = |map: &Map| map.iter().filter(|(_, value)| !value.is_null()).count();
    if volume.as_map().is_some_and(|map| written(map) == 1) {
        set(volume, &["emptyDir"], Node::map(Map::new()));
    }
}

fn pod(spec: &mut Node) {
    table("pod", spec);
    let account = str_at(spec, &["serviceAccountName"]).to_owned();
    let old = str_at(spec, &["serviceAccount"]).to_owned();
    for (field, other) in [("serviceAccount", account), ("serviceAccountName", old)] {
        if !other.is_empty() {
            default(spec, &[field], string(other));
        }
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, &[list], container);
    }
    each(spec, &["volumes"], volume);
}

/// What only pods get, not their templates.
fn pod_alone(spec: &mut Node) {
    default(spec, &["enableServiceLinks"], Node::bool(true));
    let hosts = spec.get("hostNetwork").and_then(Node::as_bool) == Some(true);
    for list in ["containers", "initContainers"] {
        each(spec, &[list], |container| {
            if let Some(resources) = container.get_mut("resources") {
                fill_in(resources, "limits", "requests");
            }
            each(container, &["ports"], |port| {
                if let Some(number) = int_at(port, &["containerPort"]).filter(|_| hosts) {
                    default(port, &["hostPort"], Node::int(number));
                }
            });
        });
    }
}

fn string(value: impl Into<SmolStr>) -> Node {
    Node::str(value)
}

/// The text of a scalar at a path; empty where there is none.
pub(crate) fn str_at<'a>(node: &'a Node, path: &[&str]) -> &'a str {
    node.at(path).filter(|node| !node.is_null()).and_then(Node::text).unwrap_or_default()
}

/// An integer at a path.
pub(crate) fn int_at(node: &Node, path: &[&str]) -> Option<i64> {
    node.at(path)?.text()?.parse().ok()
}

/// Sets the value at a path; maps on the way are made where nothing or something else is.
pub(crate) fn set(node: &mut Node, path: &[&str], value: Node) {
    let Some((first, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    if node.as_map().is_none() {
        *node = Node::map(Map::new());
    }
    if let Some(map) = node.map_mut() {
        if rest.is_empty() {
            map.insert(*first, value);
        } else {
            if map.get(first).is_none_or(|below| below.as_map().is_none()) {
                map.insert(*first, Node::map(Map::new()));
            }
            if let Some(below) = map.get_mut(first) {
                set(below, rest, value);
            }
        }
    }
}

/// Sets the value at a path unless there is one; an empty text is none where the default is a text.
pub(crate) fn default(node: &mut Node, path: &[&str], value: Node) {
    let is_none = |node: &Node| node.is_null() || (node.as_str() == Some("") && value.as_str().is_some());
    if node.at(path).is_none_or(is_none) {
        set(node, path, value);
    }
}
