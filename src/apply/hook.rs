//! The life of a hook: the one of before is deleted, it is made, waited for to its end, and deleted as its policies say.
//!
//! Hooks run at least once: a run that was killed runs them again. They are in no inventory and never pruned; nothing but their own policies
//! deletes them, and only an object that says by our label that it is a hook of this slice.

use smol_str::SmolStr;

use super::client::{Client, Problem};
use super::gone::{Doomed, delete};
use super::lease::Watch;
use super::object::{Decision, Writing, write};
use crate::api::{Cause, Millis, Resource};
use crate::bundle::{ObjectRef, without_secret_values};
use crate::digest::Digest;
use crate::k8s::order::Phase;
use crate::plan::HookDelete;
use crate::yaml::{Map, Node, json};

/// A hook in one of its phases.
#[derive(Clone, Debug)]
pub(super) struct Hook<'a> {
    /// What names it.
    pub(super) object: &'a ObjectRef,
    /// What it is served as.
    pub(super) resource: &'a Resource,
    /// As declared.
    pub(super) manifest: &'a Node,
    /// The phase that it runs in now.
    pub(super) phase: Phase,
    /// When it is deleted.
    pub(super) policies: Vec<HookDelete>,
    /// The id of its slice's parent.
    pub(super) slice: String,
}

/// Label of a hook: the id of the parent of its slice. It is no member of the ApplySet, and never pruned as one.
pub(super) const HOOK_LABEL: &str = "fleetc.dev/hook-of";

/// A hook that has run.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    /// What names it.
    pub(super) object: ObjectRef,
    /// Its path.
    pub(super) path: String,
    uid: SmolStr,
    policies: Vec<HookDelete>,
}

/// The name under which a hook is made. One with `generateName` gets the first seven digits of its digest, its phase and the time in seconds
/// behind it: in Argo CD the revision stands where the digest does.
pub(super) fn name_of(manifest: &Node, phase: Phase, now: Millis) -> String {
    let name = manifest.str_at(&["metadata", "name"]);
    if !name.is_empty() {
        return name.to_owned();
    }
    let prefix = manifest.str_at(&["metadata", "generateName"]);
    // Names are read by people who may not read Secrets.
    let masked = without_secret_values(manifest);
    let json = json::to_json(masked.as_ref().unwrap_or(manifest)).unwrap_or_default();
    let digest = Digest::of(json.as_bytes()).hex();
    let phase = format!("{phase:?}").to_ascii_lowercase();
    format!("{prefix}{}-{phase}-{}", &digest[..7], now / 1_000)
}

/// Makes a hook. Its end is waited for elsewhere, with what runs beside it.
///
/// # Errors
/// The one of before is in the way, or the server refuses it.
pub(super) async fn start(client: &Client, watch: &Watch, hook: &Hook<'_>, timeout: Millis) -> Result<Ran, Problem> {
    let name = name_of(hook.manifest, hook.phase, client.port().now());
    let path = hook.resource.object(&hook.object.namespace, &name);
    clear(client, watch, hook, &path, timeout).await?;
    let json = json::to_json(&named(hook, &name)).map_err(|_| Problem::Stopped("it has no form in JSON".to_owned()))?;
    let writing = Writing {
        resource: hook.resource,
        namespace: &hook.object.namespace,
        name: &name,
        json: &json.into(),
        replace: false,
        force: false,
        is_new_kind: false,
    };
    let refuse = |cause: &Cause, _: &mut Node| Decision::Fail(cause.message.clone());
    let written = write(client, watch, &writing, &refuse).await?;
    Ok(Ran { object: hook.object.clone(), path, uid: written.uid, policies: hook.policies.clone() })
}

/// Deletes the hook of an earlier run.
async fn clear(client: &Client, watch: &Watch, hook: &Hook<'_>, path: &str, timeout: Millis) -> Result<(), Problem> {
    if !hook.policies.contains(&HookDelete::BeforeHookCreation) {
        return Ok(());
    }
    let Some(live) = client.read(path).await? else { return Ok(()) };
    if live.str_at(&["metadata", "labels", HOOK_LABEL]) != hook.slice {
        return Err(Problem::Stopped("an object of that name is there that is no hook of this application".to_owned()));
    }
    let doomed =
        Doomed { path: path.to_owned(), uid: live.str_at(&["metadata", "uid"]).into(), propagation: "Background" };
    delete(client, watch, &doomed, timeout).await
}

/// Deletes hooks of a phase that is over.
pub(super) async fn sweep(client: &Client, watch: &Watch, ran: &[(Ran, bool)], timeout: Millis) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (ran, succeeded) in ran {
        let policy = if *succeeded { HookDelete::HookSucceeded } else { HookDelete::HookFailed };
        if ran.policies.contains(&policy) {
            let doomed = Doomed { path: ran.path.clone(), uid: ran.uid.clone(), propagation: "Background" };
            if let Err(problem) = delete(client, watch, &doomed, timeout).await {
                problems.push(problem);
            }
        }
    }
    problems
}

/// A hook as it is sent: with its name and the label of its slice.
fn named(hook: &Hook<'_>, name: &str) -> Node {
    let mut manifest = hook.manifest.clone();
    if let Some(metadata) = manifest.get_mut("metadata").and_then(Node::map_mut) {
        metadata.remove("generateName");
        metadata.insert("name", Node::str(name));
        let label = Node::str(hook.slice.as_str());
        match metadata.get_mut("labels").and_then(Node::map_mut) {
            Some(labels) => labels.insert(HOOK_LABEL, label),
            None => {
                let mut labels = Map::with_capacity(1);
                labels.insert(HOOK_LABEL, label);
                metadata.insert("labels", Node::map(labels));
            }
        }
    }
    manifest
}
