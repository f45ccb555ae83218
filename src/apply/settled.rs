//! Whether slices are well as a whole, after they were applied or because nothing was to be done: what a rollout waits for before it goes on.
//!
//! Reads only. Within an apply health is waited for where waves and hooks ask for it ([`Wait`]); here that of everything is which an
//! application declares, what needed nothing included. What nobody can judge is well.

use super::client::{Client, Problem};
use super::kinds::Kinds;
use super::outcome::{ClusterOutcome, SliceOutcome, SliceResult};
use super::site::{Options, Wait};
use super::slice::DETAIL;
use super::wait::{For, until};
use crate::application::AppKey;
use crate::bundle::ObjectRef;
use crate::k8s::health::is_checked;
use crate::machine::{Port, all};
use crate::plan::{ClusterInput, DesiredSlice};

/// Waits for the health of the slices that are as they should be; who does not become healthy has failed.
pub async fn settle(port: Port, input: &ClusterInput, outcome: &mut ClusterOutcome, options: &Options) {
    if options.wait == Wait::Never {
        return;
    }
    let client = Client::new(port, "");
    let kinds = Kinds::default();
    let is_good = |slice: &SliceOutcome| matches!(slice.result, SliceResult::Applied | SliceResult::Unchanged);
    let of = |application: &AppKey| input.slices.iter().find(|desired| desired.key.application == *application);
    let good: Vec<(usize, &DesiredSlice)> = outcome
        .slices
        .iter()
        .enumerate()
        .filter(|(_, slice)| is_good(slice))
        .filter_map(|(at, slice)| Some((at, of(&slice.application)?)))
        .collect();
    let waits: Vec<_> = good.iter().map(|(_, desired)| one(&client, &kinds, desired, options)).collect();
    let found = all(options.slices_at_once, waits).await;
    let places: Vec<usize> = good.into_iter().map(|(at, _)| at).collect();
    for (at, errors) in places.into_iter().zip(found) {
        let Some(slice) = outcome.slices.get_mut(at).filter(|_| !errors.is_empty()) else { continue };
        slice.result = SliceResult::Failed;
        slice.errors.extend(errors);
    }
}

async fn one(
    client: &Client,
    kinds: &Kinds,
    desired: &DesiredSlice,
    options: &Options,
) -> Vec<(Option<ObjectRef>, String)> {
    let (mut objects, mut paths) = (Vec::new(), Vec::new());
    let plain = desired.objects.iter().filter(|object| object.is_plain());
    for object in plain.filter(|object| is_checked(&object.gvk, &options.scripts)) {
        match kinds.find(client, &object.gvk).await {
            // As where it was planned: the namespace of a cluster-scoped object is not one.
            Ok(Some(resource)) => {
                objects.push(object.reference());
                paths.push(resource.object(&object.namespace, &object.name));
            }
            Ok(None) => {
                let why = format!("the cluster does not serve {} {}", object.gvk.api_version(), object.gvk.kind);
                return vec![(Some(object.reference()), why)];
            }
            Err(problem) => return vec![(None, problem.to_string())],
        }
    }
    if paths.is_empty() {
        return Vec::new();
    }
    let application = &desired.key.application;
    let objects_are = if paths.len() == 1 { "1 object".to_owned() } else { format!("{} objects", paths.len()) };
    client.port().say(format!("{DETAIL}{application}: waiting for {objects_are} to be healthy"));
    let ended = until(client, &paths, For::Health, &options.scripts, options.timeout).await;
    let failed = |(object, ended): (ObjectRef, Result<(), Problem>)| Some((Some(object), ended.err()?.to_string()));
    objects.into_iter().zip(ended).filter_map(failed).collect()
}
