//! What a server fills in: static defaults of the built-in kinds, by a table, and what is kept from the live object where a write leaves it out.
//!
//! Values: Kubernetes v1.34 (`pkg/apis/*/v1/defaults.go`). Fields that plan and apply never meet are left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fields::to_json;
use super::kinds::Kind;
use super::node::{default, int_at, set, str_at, take, text};
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

/// What is written in one form and kept in another.
pub(super) fn normalize(kind: &Kind, node: &mut Node) {
    if kind.custom.is_none()
        && kind.kind == "Secret"
        && let Some(plain) = take(node, &["stringData"])
    {
        for (key, value) in plain.as_map().into_iter().flat_map(Map::iter) {
            let encoded = STANDARD.encode(value.text().unwrap_or_default());
            set(node, &["data", key.text().unwrap_or_default()], text(encoded));
        }
    }
    for key in ["labels", "annotations"] {
        if node.at(&["metadata", key]).and_then(Node::as_map).is_some_and(Map::is_empty) {
            take(node, &["metadata", key]);
        }
    }
    if kind.custom.is_none() && node.get("data").and_then(Node::as_map).is_some_and(Map::is_empty) {
        take(node, &["data"]);
    }
}

/// What stays as it is where a write leaves it out.
pub(super) fn keep(kind: &Kind, live: &Node, new: &mut Node) {
    if kind.custom.is_some() {
        return;
    }
    let paths: &[&[&str]] = match kind.kind.as_str() {
        "Service" => {
            &[&["spec", "clusterIP"], &["spec", "clusterIPs"], &["spec", "ipFamilies"], &["spec", "ipFamilyPolicy"]]
        }
        "Namespace" => &[&["spec", "finalizers"]],
        "Job" => &[&["spec", "selector"]],
        "PersistentVolumeClaim" => &[&["spec", "volumeName"], &["spec", "storageClassName"]],
        _ => &[],
    };
    for path in paths {
        if let Some(value) = live.at(path) {
            default(new, path, value.clone());
        }
    }
    if kind.kind == "Job" {
        for (key, value) in
            live.at(&["spec", "template", "metadata", "labels"]).and_then(Node::as_map).into_iter().flat_map(Map::iter)
        {
            let key = key.text().unwrap_or_default();
            if key.ends_with("controller-uid") || key.ends_with("job-name") {
                default(new, &["spec", "template", "metadata", "labels", key], value.clone());
            }
        }
    }
}

/// Fills in what is static.
pub(super) fn fill(kind: &Kind, node: &mut Node) {
    if kind.custom.is_some() {
        return;
    }
    table(&kind.kind, node);
    match kind.kind.as_str() {
        "Namespace" => {
            let name = str_at(node, &["metadata", "name"]).to_owned();
            set(node, &["metadata", "labels", "kubernetes.io/metadata.name"], text(name));
        }
        "Service" => service(node),
        "Deployment" if str_at(node, &["spec", "strategy", "type"]) == "RollingUpdate" => {
            default(node, &["spec", "strategy", "rollingUpdate", "maxSurge"], text("25%"));
            default(node, &["spec", "strategy", "rollingUpdate", "maxUnavailable"], text("25%"));
        }
        "NetworkPolicy" => {
            let mut types = vec![text("Ingress")];
            if node.at(&["spec", "egress"]).and_then(Node::as_seq).is_some_and(|rules| !rules.is_empty()) {
                types.push(text("Egress"));
            }
            default(node, &["spec", "policyTypes"], Node::seq(types));
        }
        "CustomResourceDefinition" => {
            let kind = str_at(node, &["spec", "names", "kind"]).to_owned();
            default(node, &["spec", "names", "singular"], text(kind.to_ascii_lowercase()));
            default(node, &["spec", "names", "listKind"], text(format!("{kind}List")));
        }
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
            let mutates = kind.kind.starts_with('M');
            each(node, &["webhooks"], |webhook| {
                table("webhook", webhook);
                if mutates {
                    default(webhook, &["reinvocationPolicy"], text("Never"));
                }
                each(webhook, &["rules"], |rule| default(rule, &["scope"], text("*")));
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
            default(node, &["roleRef", "apiGroup"], text("rbac.authorization.k8s.io"));
            each(node, &["subjects"], |subject| {
                if ["User", "Group"].contains(&str_at(subject, &["kind"])) {
                    default(subject, &["apiGroup"], text("rbac.authorization.k8s.io"));
                }
            });
        }
        "PersistentVolumeClaim" => {
            default(node, &["metadata", "finalizers"], Node::seq(vec![text("kubernetes.io/pvc-protection")]));
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
    if kind.kind == "Pod"
        && let Some(spec) = node.get_mut("spec")
    {
        pod(spec);
        default(spec, &["enableServiceLinks"], Node::bool(true));
    }
}

fn service(node: &mut Node) {
    default(node, &["spec", "internalTrafficPolicy"], text("Cluster"));
    if ["LoadBalancer", "NodePort"].contains(&str_at(node, &["spec", "type"])) {
        default(node, &["spec", "externalTrafficPolicy"], text("Cluster"));
    }
    if str_at(node, &["spec", "type"]) == "LoadBalancer" {
        default(node, &["spec", "allocateLoadBalancerNodePorts"], Node::bool(true));
    }
    default(node, &["status", "loadBalancer"], Node::map(Map::new()));
    each(node, &["spec", "ports"], |port| {
        default(port, &["protocol"], text("TCP"));
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
            default(container, &["imagePullPolicy"], text(if is_latest { "Always" } else { "IfNotPresent" }));
            each(container, &["ports"], |port| default(port, &["protocol"], text("TCP")));
            each(container, &["env"], |variable| {
                if variable.at(&["valueFrom", "fieldRef"]).is_some() {
                    default(variable, &["valueFrom", "fieldRef", "apiVersion"], text("v1"));
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
    let written = amount.text().map_or_else(|| to_json(amount).to_string(), str::to_owned);
    if let Some((whole, fraction)) = written.split_once('.')
        && let Ok(whole) = whole.parse::<u64>()
        && fraction.len() <= 3
        && let Ok(part) = format!("{fraction:0<3}").parse::<u64>()
    {
        return if part == 0 { text(whole.to_string()) } else { text(format!("{}m", whole * 1_000 + part)) };
    }
    match written.strip_suffix("000m").filter(|rest| !rest.is_empty()) {
        Some(whole) => text(whole),
        None => text(written),
    }
}
