//! Health by the conventions of kstatus (sigs.k8s.io/cli-utils), for kinds without a rule of their own.
//!
//! `observedGeneration` behind, `Reconciling` true: progressing. `Stalled` true: degraded. `Ready` (else a small table of its common
//! synonyms, `SYNONYMS`): true is healthy; false or unknown is progressing, degraded only where its reason says so (`FAILURES`).
//! An object without any of these says nothing, and `None` is the answer: nobody waits for a ConfigMap. (kstatus itself takes such an
//! object as current, which for a wait is the same.)

use super::reading::{Condition, conditions, int};
use super::{Answer, Status};
use crate::yaml::Node;

/// What stands for `Ready`, in order; the first that an object has counts.
const SYNONYMS: [&str; 4] = ["Ready", "Available", "Healthy", "Succeeded"];

/// Ends of reasons of a false `Ready` that mean failure, not "not yet".
const FAILURES: [&str; 3] = ["Failed", "Error", "Invalid"];

/// By conventional conditions; `None` where the object has none of them.
pub(super) fn health(object: &Node) -> Option<Answer> {
    let observed = int(object, &["status", "observedGeneration"]);
    let generation = int(object, &["metadata", "generation"]);
    if observed.zip(generation).is_some_and(|(observed, generation)| observed < generation) {
        let message = "the controller has not seen the newest generation yet";
        return Some((Status::Progressing, message.to_owned()));
    }
    let find = |kind: &str| conditions(object).find(|condition| condition.kind == kind);
    let is_true = |kind| find(kind).filter(|condition| condition.status == "True");
    if let Some(stalled) = is_true("Stalled") {
        return Some((Status::Degraded, words(stalled)));
    }
    if let Some(reconciling) = is_true("Reconciling") {
        return Some((Status::Progressing, words(reconciling)));
    }
    let ready = SYNONYMS.iter().find_map(|kind| find(kind))?;
    let behind = ready.observed_generation.zip(generation).is_some_and(|(seen, generation)| seen < generation);
    let status = match ready.status {
        "True" if behind => Status::Progressing,
        "True" => Status::Healthy,
        "False" if !behind && FAILURES.iter().any(|end| ready.reason.ends_with(end)) => Status::Degraded,
        _ => Status::Progressing,
    };
    Some((status, words(ready)))
}

/// The message of a condition, else its reason.
fn words(condition: Condition<'_>) -> String {
    if condition.message.is_empty() { condition.reason } else { condition.message }.to_owned()
}
