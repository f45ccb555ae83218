//! Deleting an object, so that nothing is deleted that is not ours: it is read first, must still be the object that the inventory lists and
//! carry our field manager and no controller, and the deletion names its UID and the version that was read. It is over when it is not found.
//!
//! What cannot be deleted, or is not seen to be gone, is said so and stays in the inventory; the caller forgets nothing else.

use smol_str::SmolStr;

use super::client::{Client, Problem, deletion};
use super::lease::Watch;
use crate::api::{Content, Method, Millis, Request};
use crate::plan::{controller, is_managed_by_us};
use crate::yaml::Node;

/// An object to be deleted.
#[derive(Clone, Debug)]
pub(super) struct Doomed {
    /// Its path.
    pub(super) path: String,
    /// The only UID that may be deleted.
    pub(super) uid: SmolStr,
    /// How it spreads to what it owns.
    pub(super) propagation: &'static str,
}

/// How often a deletion is tried whose object changes between reading and deleting (its status does, mostly).
const ROUNDS: usize = 6;

/// Deletes an object and waits until it is gone.
///
/// # Errors
/// It is not ours any more, the server refuses, or it is still there when the time is over.
pub(super) async fn delete(client: &Client, watch: &Watch, doomed: &Doomed, timeout: Millis) -> Result<(), Problem> {
    let mut refused = None;
    for _ in 0..ROUNDS {
        let Some(live) = client.read(&doomed.path).await? else { return Ok(()) };
        // Another object of that name is not the one that the inventory lists: that one is gone.
        if live.str_at(&["metadata", "uid"]) != doomed.uid {
            return Ok(());
        }
        if !live.str_at(&["metadata", "deletionTimestamp"]).is_empty() {
            return vanish(client, doomed, timeout).await;
        }
        if !is_managed_by_us(&live) {
            return Err(Problem::Stopped("fleetc manages no field of it any more, so it is not deleted".to_owned()));
        }
        if controller(&live).is_some() {
            return Err(Problem::Stopped("a controller owns it, so it is not deleted".to_owned()));
        }
        watch.check()?;
        let body = deletion(doomed.propagation, &doomed.uid, live.str_at(&["metadata", "resourceVersion"]));
        let request = Request::new(Method::Delete, &*doomed.path).body(Content::Json, body);
        match client.call(request).await.outcome {
            Ok(_) => return vanish(client, doomed, timeout).await,
            Err(problem) if problem.status() == 404 => return Ok(()),
            Err(problem) if problem.status() == 409 => refused = Some(problem),
            Err(problem) => return Err(problem),
        }
    }
    Err(refused.unwrap_or_else(|| Problem::Stopped("it changes too fast to be deleted".to_owned())))
}

/// Waits until an object is gone.
async fn vanish(client: &Client, doomed: &Doomed, timeout: Millis) -> Result<(), Problem> {
    let end = client.port().now().saturating_add(timeout);
    let mut pause = 100;
    loop {
        let Some(live) = client.read(&doomed.path).await? else { return Ok(()) };
        if live.str_at(&["metadata", "uid"]) != doomed.uid {
            return Ok(());
        }
        if client.port().now() >= end {
            let finalizers = live.at(&["metadata", "finalizers"]).and_then(Node::as_seq).unwrap_or_default();
            let names: Vec<&str> = finalizers.iter().filter_map(Node::as_str).collect();
            let by = if names.is_empty() { String::new() } else { format!(", waiting for {}", names.join(", ")) };
            return Err(Problem::Stopped(format!(
                "it is being deleted but still there after {}{by}",
                seconds(timeout)
            )));
        }
        client.port().sleep(pause).await;
        pause = (pause * 2).min(2_000);
    }
}

/// `90 s`.
pub(super) fn seconds(millis: Millis) -> String {
    format!("{} s", millis / 1_000)
}
