//! What an API server fills in: static defaults of the built-in kinds, by a table.
//!
//! Values: Kubernetes v1.34 (`pkg/apis/*/v1/defaults.go`). What depends on the cluster (addresses, storage classes) is not here, nor are
//! fields that hardly anybody leaves out; whoever needs to be sure asks the server by a dry run.

use smol_str::SmolStr;

use crate::span::FileId;
use crate::yaml::{Map, Node, json};

/// KIND, path, JSON.
const DEFAULTS: [(&str, &str, &str); 62] = [
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
    ("StatefulSet", "spec.updateStrategy.type", r#""RollingUpdate""#),
    ("StatefulSet", "spec.updateStrategy.rollingUpdate", r#"{"partition":0}"#),
    ("StatefulSet", "spec.persistentVolumeClaimRetentionPolicy", r#"{"whenDeleted":"Retain","whenScaled":"Retain"}"#),
    ("DaemonSet", "spec.revisionHistoryLimit", "10"),
    ("DaemonSet", "spec.updateStrategy.type", r#""RollingUpdate""#),
    ("DaemonSet", "spec.updateStrategy.rollingUpdate", r#"{"maxSurge":0,"maxUnavailable":1}"#),
    ("ReplicaSet", "spec.replicas", "1"),
    ("Job", "spec.parallelism", "1"),
    ("Job", "spec.completions", "1"),
    ("Job", "spec.backoffLimit", "6"),
    ("Job", "spec.completionMode", r#""NonIndexed""#),
    ("Job", "spec.suspend", "false"),
    ("Job", "spec.podReplacementPolicy", r#""TerminatingOrFailed""#),
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
    ("fieldRef", "apiVersion", r#""v1""#),
];

fn value(text: &str) -> Node {
    json::parse(FileId::NONE, text.as_bytes()).unwrap_or_else(|_| Node::null())
}

fn table(of: &str, node: &mut Node) {
    for (_, path, json) in DEFAULTS.iter().filter(|(kind, ..)| *kind == of) {
        let path: Vec<&str> = path.split('.').collect();
        default(node, &path, value(json));
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
        "StatefulSet" => each(node, &["spec", "volumeClaimTemplates"], |claim| {
            default(claim, &["apiVersion"], string("v1"));
            default(claim, &["kind"], string("PersistentVolumeClaim"));
            default(claim, &["spec", "volumeMode"], string("Filesystem"));
            default(claim, &["status", "phase"], string("Pending"));
        }),
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
        default(spec, &["enableServiceLinks"], Node::bool(true));
    }
}

fn service(node: &mut Node) {
    default(node, &["spec", "internalTrafficPolicy"], string("Cluster"));
    if ["LoadBalancer", "NodePort"].contains(&str_at(node, &["spec", "type"])) {
        default(node, &["spec", "externalTrafficPolicy"], string("Cluster"));
    }
    if str_at(node, &["spec", "type"]) == "LoadBalancer" {
        default(node, &["spec", "allocateLoadBalancerNodePorts"], Node::bool(true));
    }
    default(node, &["status", "loadBalancer"], Node::map(Map::new()));
    each(node, &["spec", "ports"], |port| {
        default(port, &["protocol"], string("TCP"));
        if let Some(number) = int_at(port, &["port"]) {
            default(port, &["targetPort"], Node::int(number));
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

fn pod(spec: &mut Node) {
    table("pod", spec);
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        default(spec, &["serviceAccount"], account);
    }
    for list in ["containers", "initContainers"] {
        each(spec, &[list], |container| {
            table("container", container);
            let image = str_at(container, &["image"]).to_owned();
            let is_latest =
                image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains([':', '@']);
            default(container, &["imagePullPolicy"], string(if is_latest { "Always" } else { "IfNotPresent" }));
            each(container, &["ports"], |port| default(port, &["protocol"], string("TCP")));
            each(container, &["env"], |variable| {
                if variable.at(&["valueFrom", "fieldRef"]).is_some() {
                    default(variable, &["valueFrom", "fieldRef", "apiVersion"], string("v1"));
                }
            });
            for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if let Some(probe) = container.get_mut(name) {
                    table("probe", probe);
                    if let Some(get) = probe.get_mut("httpGet") {
                        table("httpGet", get);
                    }
                }
            }
            for path in [["resources", "limits"], ["resources", "requests"]] {
                if let Some(mut amounts) = container.at(&path).cloned() {
                    for (_, amount) in amounts.map_mut().into_iter().flat_map(Map::iter_mut) {
                        *amount = quantity(amount);
                    }
                    set(container, &path, amounts);
                }
            }
        });
    }
    each(spec, &["volumes"], |volume| {
        for name in ["configMap", "secret", "projected"] {
            if let Some(source) = volume.get_mut(name) {
                table(name, source);
            }
        }
        if volume.as_map().is_some_and(|map| map.len() == 1) {
            set(volume, &["emptyDir"], Node::map(Map::new()));
        }
    });
}

/// A quantity as it is kept: a string, plain fractions as thousandths.
fn quantity(amount: &Node) -> Node {
    let written = amount.text().unwrap_or_default().to_owned();
    if let Some((whole, fraction)) = written.split_once('.')
        && let Ok(whole) = whole.parse::<u64>()
        && fraction.len() <= 3
        && let Ok(part) = format!("{fraction:0<3}").parse::<u64>()
    {
        return if part == 0 { string(whole.to_string()) } else { string(format!("{}m", whole * 1_000 + part)) };
    }
    match written.strip_suffix("000m").filter(|rest| !rest.is_empty()) {
        Some(whole) => string(whole),
        None => string(written),
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

/// Sets the value at a path unless there is one.
pub(crate) fn default(node: &mut Node, path: &[&str], value: Node) {
    if node.at(path).is_none_or(Node::is_null) {
        set(node, path, value);
    }
}
