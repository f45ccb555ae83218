//! Health of the kinds that Argo CD knows in Go (v3.5 gitops-engine/pkg/health), one row of `RULES` a kind; messages are its own.
//!
//! A version that Argo CD does not know of such a kind is `Unknown`, as there. CronJob, PodDisruptionBudget and
//! CustomResourceDefinition have no rule in Go: Argo CD carries scripts for them, and their outcome is given here.

use super::reading::{Condition, conditions, conditions_of, count, int, items};
use super::{Answer, Status};
use crate::k8s::object::{Gvk, annotation};
use crate::k8s::order::{Role, role};
use crate::span::FileId;
use crate::yaml::{Node, json};

/// Group, kind, the versions that it knows (none: all), the rule.
type Row = (&'static str, &'static str, &'static [&'static str], fn(&Node) -> Answer);

const RULES: [Row; 16] = [
    ("apps", "Deployment", &["v1"], deployment),
    ("apps", "StatefulSet", &["v1"], stateful_set),
    ("apps", "ReplicaSet", &["v1"], replica_set),
    ("apps", "DaemonSet", &["v1"], daemon_set),
    ("extensions", "Ingress", &[], ingress),
    ("networking.k8s.io", "Ingress", &[], ingress),
    ("argoproj.io", "Workflow", &[], workflow),
    ("apiregistration.k8s.io", "APIService", &["v1", "v1beta1"], api_service),
    ("", "Service", &["v1"], service),
    ("", "PersistentVolumeClaim", &["v1"], volume_claim),
    ("", "Pod", &["v1"], pod),
    ("batch", "Job", &["v1"], job),
    ("batch", "CronJob", &[], cron_job),
    ("policy", "PodDisruptionBudget", &[], disruption_budget),
    ("apiextensions.k8s.io", "CustomResourceDefinition", &[], custom_resource_definition),
    ("autoscaling", "HorizontalPodAutoscaler", &["v1", "v2"], autoscaler),
];

/// By the rule of its kind; `None` where the kind has none.
pub(super) fn of(gvk: &Gvk, object: &Node) -> Option<Answer> {
    let (_, kind, versions, rule) = RULES.iter().find(|row| gvk.is(row.0, row.1))?;
    if !versions.is_empty() && !versions.contains(&&*gvk.version) {
        let message = format!("unsupported {kind} GVK: {}, Kind={kind}", gvk.api_version());
        return Some((Status::Unknown, message));
    }
    Some(rule(object))
}

fn plain(status: Status) -> Answer {
    (status, String::new())
}

fn progressing(message: impl Into<String>) -> Answer {
    (Status::Progressing, message.into())
}

/// Whether the controller has not seen the newest generation.
fn is_behind(object: &Node) -> bool {
    count(object, &["metadata", "generation"]) > count(object, &["status", "observedGeneration"])
}

fn deployment(object: &Node) -> Answer {
    if object.at(&["spec", "paused"]).and_then(Node::as_bool) == Some(true) {
        return (Status::Suspended, "Deployment is paused".to_owned());
    }
    const WAITING: &str = "Waiting for rollout to finish:";
    if is_behind(object) {
        return progressing(format!("{WAITING} observed deployment generation less than desired generation"));
    }
    let status = |field| count(object, &["status", field]);
    let (replicas, updated, available) = (status("replicas"), status("updatedReplicas"), status("availableReplicas"));
    if conditions(object).find(|c| c.kind == "Progressing").is_some_and(|c| c.reason == "ProgressDeadlineExceeded") {
        let message = format!("Deployment {:?} exceeded its progress deadline", object.str_at(&["metadata", "name"]));
        return (Status::Degraded, message);
    }
    match int(object, &["spec", "replicas"]) {
        Some(wanted) if updated < wanted => {
            progressing(format!("{WAITING} {updated} out of {wanted} new replicas have been updated..."))
        }
        _ if replicas > updated => progressing(format!(
            "{WAITING} {} old replicas are pending termination...",
            replicas.saturating_sub(updated)
        )),
        _ if available < updated => {
            progressing(format!("{WAITING} {available} of {updated} updated replicas are available..."))
        }
        _ => plain(Status::Healthy),
    }
}

fn stateful_set(object: &Node) -> Answer {
    let status = |field| count(object, &["status", field]);
    if status("observedGeneration") == 0 || is_behind(object) {
        return progressing("Waiting for statefulset spec update to be observed...");
    }
    let wanted = int(object, &["spec", "replicas"]);
    if let Some(missing) = wanted.map(|n| n.saturating_sub(status("readyReplicas"))).filter(|n| *n > 0) {
        return progressing(format!("Waiting for {missing} pods to be ready..."));
    }
    let updated = status("updatedReplicas");
    let strategy = object.str_at(&["spec", "updateStrategy", "type"]);
    let rolling = object.at(&["spec", "updateStrategy", "rollingUpdate"]).filter(|node| !node.is_null());
    if let (true, Some(rolling)) = (strategy == "RollingUpdate", rolling) {
        let goal = wanted.zip(int(rolling, &["partition"])).map(|(n, partition)| n.saturating_sub(partition));
        return match goal {
            Some(goal) if updated < goal => progressing(format!(
                "Waiting for partitioned roll out to finish: {updated} out of {goal} new pods have been updated..."
            )),
            _ => (Status::Healthy, format!("partitioned roll out complete: {updated} new pods have been updated...")),
        };
    }
    if strategy == "OnDelete" {
        return (Status::Healthy, format!("statefulset has {} ready pods", status("readyReplicas")));
    }
    let revision = |field| object.str_at(&["status", field]);
    let (update, current) = (revision("updateRevision"), revision("currentRevision"));
    if update != current {
        return progressing(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {update}..."
        ));
    }
    let pods = status("currentReplicas");
    (Status::Healthy, format!("statefulset rolling update complete {pods} pods at revision {current}..."))
}

fn replica_set(object: &Node) -> Answer {
    const WAITING: &str = "Waiting for rollout to finish:";
    if is_behind(object) {
        return progressing(format!("{WAITING} observed replica set generation less than desired generation"));
    }
    let failure = conditions(object).find(|c| c.kind == "ReplicaFailure").filter(|c| c.status == "True");
    if let Some(failure) = failure {
        return (Status::Degraded, failure.message.to_owned());
    }
    let available = count(object, &["status", "availableReplicas"]);
    match int(object, &["spec", "replicas"]) {
        Some(wanted) if available < wanted => {
            progressing(format!("{WAITING} {available} out of {wanted} new replicas are available..."))
        }
        _ => plain(Status::Healthy),
    }
}

fn daemon_set(object: &Node) -> Answer {
    if is_behind(object) {
        return progressing(
            "Waiting for rollout to finish: observed daemon set generation less than desired generation",
        );
    }
    let status = |field| count(object, &["status", field]);
    let (wanted, updated) = (status("desiredNumberScheduled"), status("updatedNumberScheduled"));
    if object.str_at(&["spec", "updateStrategy", "type"]) == "OnDelete" {
        let message = format!("daemon set {updated} out of {wanted} new pods have been updated");
        return (Status::Healthy, message);
    }
    let available = status("numberAvailable");
    let waiting = format!("Waiting for daemon set {:?} rollout to finish:", object.str_at(&["metadata", "name"]));
    if updated < wanted {
        return progressing(format!("{waiting} {updated} out of {wanted} new pods have been updated..."));
    }
    if available < wanted {
        return progressing(format!("{waiting} {available} of {wanted} updated pods are available..."));
    }
    plain(Status::Healthy)
}

/// Whether a load balancer has an address.
fn has_address(object: &Node) -> bool {
    !items(object, &["status", "loadBalancer", "ingress"]).is_empty()
}

fn ingress(object: &Node) -> Answer {
    plain(if has_address(object) { Status::Healthy } else { Status::Progressing })
}

fn service(object: &Node) -> Answer {
    let waits = object.str_at(&["spec", "type"]) == "LoadBalancer" && !has_address(object);
    plain(if waits { Status::Progressing } else { Status::Healthy })
}

fn volume_claim(object: &Node) -> Answer {
    plain(match object.str_at(&["status", "phase"]) {
        "Lost" => Status::Degraded,
        "Pending" => Status::Progressing,
        "Bound" => Status::Healthy,
        _ => Status::Unknown,
    })
}

fn workflow(object: &Node) -> Answer {
    let status = match object.str_at(&["status", "phase"]) {
        "" | "Pending" | "Running" => Status::Progressing,
        "Succeeded" => Status::Healthy,
        "Failed" | "Error" => Status::Degraded,
        _ => Status::Unknown,
    };
    (status, object.str_at(&["status", "message"]).to_owned())
}

fn api_service(object: &Node) -> Answer {
    match conditions(object).find(|c| c.kind == "Available") {
        Some(Condition { status, reason, message, .. }) => {
            let healthy = if status == "True" { Status::Healthy } else { Status::Progressing };
            (healthy, format!("{reason}: {message}"))
        }
        None => progressing("Waiting to be processed"),
    }
}

/// Takes the annotation by which a pod that is to end is judged as one that is to run.
const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";

/// A pod that restarts for ever is judged by its containers; one that is to end (a hook, mostly) progresses until it has.
fn pod(object: &Node) -> Answer {
    let policy = object.str_at(&["spec", "restartPolicy"]);
    let as_server = annotation(object, IGNORE_RESTART_POLICY) == Some("true") && !matches!(role(object), Role::Hook(_));
    let runs_on = policy == "Always" || as_server;
    let containers = items(object, &["status", "containerStatuses"]);
    if runs_on {
        let stuck =
            |reason: &str| reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff");
        let waiting = containers.iter().filter_map(|c| c.at(&["state", "waiting"]));
        let messages: Vec<&str> =
            waiting.filter(|w| stuck(w.str_at(&["reason"]))).map(|w| w.str_at(&["message"])).collect();
        if !messages.is_empty() {
            return (Status::Degraded, messages.join(", "));
        }
    }
    let message = object.str_at(&["status", "message"]);
    let say = |status| (status, message.to_owned());
    match object.str_at(&["status", "phase"]) {
        "Pending" => say(Status::Progressing),
        "Succeeded" => say(Status::Healthy),
        "Failed" if message.is_empty() => {
            let all = items(object, &["status", "initContainerStatuses"]).iter().chain(containers);
            (Status::Degraded, all.filter_map(container_failure).next().unwrap_or_default())
        }
        "Failed" => say(Status::Degraded),
        "Running" if runs_on => {
            if conditions(object).find(|c| c.kind == "Ready").is_some_and(|c| c.status == "True") {
                say(Status::Healthy)
            } else if containers.iter().any(|c| c.at(&["lastState", "terminated"]).is_some_and(|t| !t.is_null())) {
                say(Status::Degraded)
            } else {
                say(Status::Progressing)
            }
        }
        "Running" if policy == "OnFailure" || policy == "Never" => say(Status::Progressing),
        _ => say(Status::Unknown),
    }
}

/// Why a container ended.
fn container_failure(container: &Node) -> Option<String> {
    let terminated = container.at(&["state", "terminated"])?;
    let message = terminated.str_at(&["message"]);
    if !message.is_empty() {
        return Some(message.to_owned());
    }
    if terminated.str_at(&["reason"]) == "OOMKilled" {
        return Some("OOMKilled".to_owned());
    }
    let code = count(terminated, &["exitCode"]);
    (code != 0).then(|| format!("container {:?} failed with exit code {code}", container.str_at(&["name"])))
}

/// Only `Suspended` is asked for its status; `Failed` and `Complete` count by being there.
fn job(object: &Node) -> Answer {
    let (mut failed, mut ended, mut suspended, mut message) = (None, false, false, "");
    for condition in conditions(object) {
        match condition.kind {
            "Failed" => failed = Some(condition.message),
            "Complete" => message = condition.message,
            "Suspended" => {
                message = condition.message;
                suspended |= condition.status == "True";
            }
            _ => continue,
        }
        ended = true;
    }
    match (ended, failed) {
        (false, _) => progressing(message),
        (_, Some(message)) => (Status::Degraded, message.to_owned()),
        _ if suspended => (Status::Suspended, message.to_owned()),
        _ => (Status::Healthy, message.to_owned()),
    }
}

/// From the times in its status; Argo CD compares them as texts, and so do we. Suspended counts as healthy there.
fn cron_job(object: &Node) -> Answer {
    let healthy = |message: &str| (Status::Healthy, message.to_owned());
    if object.at(&["spec", "suspend"]).and_then(Node::as_bool) == Some(true) {
        return healthy("CronJob is Suspended");
    }
    let Some(status) = object.get("status").filter(|status| !status.is_null()) else {
        return progressing("Waiting for CronJob");
    };
    let time = |field| Some(status.str_at(&[field])).filter(|time| !time.is_empty());
    match (time("lastScheduleTime"), time("lastSuccessfulTime")) {
        (None, _) => healthy("CronJob has not been scheduled yet"),
        (Some(_), None) => healthy("The CronJob never completed successfully. It may not be healthy"),
        _ if !items(status, &["active"]).is_empty() => {
            healthy("The job is running. Its last execution may not have been successful")
        }
        (Some(scheduled), Some(successful)) if successful < scheduled => {
            (Status::Degraded, "CronJob has not completed its last execution successfully".to_owned())
        }
        _ => healthy("CronJob has completed its last execution successfully"),
    }
}

/// Any false condition degrades, except too few pods.
fn disruption_budget(object: &Node) -> Answer {
    let mut answer = progressing("Waiting for status");
    for Condition { status, reason, .. } in conditions(object) {
        let degraded = status == "False" && reason != "InsufficientPods";
        answer =
            (if degraded { Status::Degraded } else { Status::Healthy }, format!("PodDisruptionBudget has {reason}"));
        if degraded {
            break;
        }
    }
    answer
}

/// A CRD whose names are taken or whose schema is not structural does not get any better by waiting.
fn custom_resource_definition(object: &Node) -> Answer {
    let mut established = false;
    let mut any = false;
    for Condition { kind, status, reason, message, .. } in conditions(object) {
        any = true;
        match (kind, status) {
            ("Terminating", "True") => return progressing(format!("CRD is terminating: {message}")),
            ("NamesAccepted", "False") => {
                return (Status::Degraded, format!("CRD names have not been accepted: {message}"));
            }
            ("NonStructuralSchema", "True") => {
                return (Status::Degraded, format!("Schema violations found: {message}"));
            }
            ("Established", "True") => established = true,
            ("Established", _) if reason == "Installing" => return progressing("CRD is being installed"),
            _ => {}
        }
    }
    match (any, established) {
        (false, _) => progressing("Status conditions not found"),
        (true, false) => (Status::Degraded, "CRD is not established".to_owned()),
        (true, true) => (Status::Healthy, "CRD is healthy".to_owned()),
    }
}

/// Conditions of autoscalers that mean failure: type and reason.
const SCALING_FAILURES: [(&str, &str); 8] = [
    ("AbleToScale", "FailedGetScale"),
    ("AbleToScale", "FailedUpdateScale"),
    ("ScalingActive", "FailedGetResourceMetric"),
    ("ScalingActive", "FailedGetObjectMetric"),
    ("ScalingActive", "FailedGetPodsMetric"),
    ("ScalingActive", "FailedGetExternalMetric"),
    ("ScalingActive", "FailedComputeMetricsReplicas"),
    ("ScalingActive", "InvalidSelector"),
];

/// Conditions of autoscalers that, when true, mean that it works.
const SCALING_WORKS: [&str; 2] = ["AbleToScale", "ScalingLimited"];

/// Version 2 has its conditions in the status, version 1 as JSON in an annotation.
fn autoscaler(object: &Node) -> Answer {
    if object.str_at(&["apiVersion"]) == "autoscaling/v2" {
        return scaling(items(object, &["status", "conditions"]));
    }
    let Some(written) = annotation(object, "autoscaling.alpha.kubernetes.io/conditions") else { return scaling(&[]) };
    match json::parse(FileId::NONE, written.as_bytes()).map(|list| list.as_seq().map(<[Node]>::to_vec)) {
        Ok(Some(list)) => scaling(&list),
        _ => (Status::Unknown, "failed to convert conditions annotation to typed: it is no list in JSON".to_owned()),
    }
}

fn scaling(list: &[Node]) -> Answer {
    let failure = conditions_of(list).find(|c| SCALING_FAILURES.contains(&(c.kind, c.reason)));
    if let Some(failure) = failure {
        return (Status::Degraded, failure.message.to_owned());
    }
    match conditions_of(list).find(|c| SCALING_WORKS.contains(&c.kind) && c.status == "True") {
        Some(works) => (Status::Healthy, works.message.to_owned()),
        None => progressing("Waiting to Autoscale"),
    }
}
