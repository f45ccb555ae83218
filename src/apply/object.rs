//! One object onto the cluster: by server-side apply, never by force where nobody said so; or written whole, where it is asked to be
//! replaced. Both may be repeated, so that a lost answer needs no guess.
//!
//! A field that another manager owns is decided by the table of known controllers: what yields is dropped from what is sent, with a note,
//! and what does not fails with the manager's name. Nothing is deleted here.

use std::sync::Arc;

use smol_str::SmolStr;

use super::client::{Client, Problem, Refusal, node};
use super::lease::Watch;
use crate::api::{Cause, Content, Method, Request, Resource};
use crate::inventory::FIELD_MANAGER;
use crate::span::FileId;
use crate::yaml::{Map, Node, json};

/// What is done about a field of another manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It stays his: it was taken out of what is sent. Why, for people.
    Yield(String),
    /// It becomes ours.
    Take,
    /// The object fails. Why, for people.
    Fail(String),
}

/// Who decides about a conflict; takes what yields out of what is sent.
pub(super) type Decide<'a> = &'a (dyn Fn(&Cause, &mut Node) -> Decision + Sync);

/// An object that is written.
#[derive(Clone, Debug)]
pub(super) struct Writing<'a> {
    /// What it is served as.
    pub(super) resource: &'a Resource,
    /// Its namespace; empty for cluster-scoped ones.
    pub(super) namespace: &'a str,
    /// Its name.
    pub(super) name: &'a str,
    /// What is sent.
    pub(super) json: &'a Arc<str>,
    /// Whether it is written whole.
    pub(super) replace: bool,
    /// Whether fields are taken from whoever owns them.
    pub(super) force: bool,
    /// Whether its kind was made in this run: then the server may not know it yet.
    pub(super) is_new_kind: bool,
}

/// How it stands afterwards.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// Its UID.
    pub(super) uid: SmolStr,
    /// The live object.
    pub(super) live: Node,
    /// What there is to say.
    pub(super) notes: Vec<String>,
}

/// Rounds of giving up fields: each gives up at least one.
const ROUNDS: usize = 5;

/// Writes an object.
///
/// # Errors
/// Another manager has one of its fields, the server refuses it, or does not answer.
pub(super) async fn write(
    client: &Client,
    watch: &Watch,
    writing: &Writing<'_>,
    decide: Decide<'_>,
) -> Result<Written, Problem> {
    let secret = writing.resource.gvk.is("", "Secret");
    let guarded = |problem| match problem {
        Problem::Refused(refusal) if secret && !refusal.is_field_conflict() => {
            Problem::Refused(refusal.without_values())
        }
        other => other,
    };
    if writing.replace { replace(client, watch, writing).await } else { apply(client, watch, writing, decide).await }
        .map_err(guarded)
}

async fn apply(client: &Client, watch: &Watch, writing: &Writing<'_>, decide: Decide<'_>) -> Result<Written, Problem> {
    let path = writing.resource.object(writing.namespace, writing.name);
    let (mut json, mut notes, mut force) = (Arc::clone(writing.json), Vec::new(), writing.force);
    let new_kind = |refusal: &Refusal| writing.is_new_kind && refusal.status == 404;
    for _ in 0..ROUNDS {
        watch.check()?;
        let mut request = Request::new(Method::Patch, &*path).with("fieldManager", FIELD_MANAGER);
        if force {
            request = request.with("force", "true");
        }
        let request = request.body(Content::Apply, Arc::clone(&json));
        let refusal = match client.call_until(request, new_kind).await.outcome {
            Ok(response) => return written(node(&response)?, notes),
            Err(Problem::Refused(refusal)) if refusal.is_field_conflict() => refusal,
            Err(problem) => return Err(problem),
        };
        let (mut failed, mut yielded, mut manifest) = (Vec::new(), false, value(&json)?);
        for cause in refusal.causes.iter().filter(|cause| cause.reason == "FieldManagerConflict") {
            match decide(cause, &mut manifest) {
                Decision::Take => {}
                Decision::Fail(why) => failed.push(why),
                Decision::Yield(why) => {
                    yielded = true;
                    notes.push(why);
                }
            }
        }
        if !failed.is_empty() {
            let why = failed.join("; ");
            return Err(Problem::Refused(Refusal { message: why, ..refusal }));
        }
        if yielded {
            json = to_json(&manifest)?.into();
        }
        // Who forces takes everything that conflicts, so what yields is given up first.
        force = !yielded;
    }
    Err(Problem::Stopped("its fields change hands faster than they can be given up".to_owned()))
}

/// `kubectl replace`, or create. The version that was read goes with it; an object that changes meanwhile is read again.
async fn replace(client: &Client, watch: &Watch, writing: &Writing<'_>) -> Result<Written, Problem> {
    let path = writing.resource.object(writing.namespace, writing.name);
    let mut refused = None;
    for _ in 0..ROUNDS {
        let live = client.read(&path).await?;
        watch.check()?;
        let mut manifest = value(writing.json)?;
        let request = match &live {
            None => Request::new(Method::Post, writing.resource.collection(writing.namespace)),
            Some(live) => {
                let version = live.str_at(&["metadata", "resourceVersion"]);
                if let Some(metadata) = manifest.get_mut("metadata").and_then(Node::map_mut) {
                    metadata.insert("resourceVersion", Node::str(version));
                    metadata.insert("uid", Node::str(live.str_at(&["metadata", "uid"])));
                }
                Request::new(Method::Put, &*path)
            }
        };
        let body = to_json(&manifest)?;
        let request = request.with("fieldManager", FIELD_MANAGER).body(Content::Json, body);
        let new_kind = |refusal: &Refusal| writing.is_new_kind && refusal.status == 404;
        match client.call_until(request, new_kind).await.outcome {
            Ok(response) => return written(node(&response)?, Vec::new()),
            Err(problem) if problem.status() == 409 => refused = Some(problem),
            Err(problem) => return Err(problem),
        }
    }
    Err(refused.unwrap_or_else(|| Problem::Stopped("it changes too fast to be replaced".to_owned())))
}

fn written(live: Node, notes: Vec<String>) -> Result<Written, Problem> {
    let uid = SmolStr::new(live.str_at(&["metadata", "uid"]));
    if uid.is_empty() {
        return Err(Problem::Unreachable("what was answered is no object".to_owned()));
    }
    Ok(Written { uid, live, notes })
}

/// Takes a label off an object that must still be the one that was read.
///
/// # Errors
/// It is another one or has changed, or the server refuses.
pub(super) async fn unlabel(
    client: &Client,
    watch: &Watch,
    path: &str,
    live: &Node,
    label: &str,
) -> Result<(), Problem> {
    watch.check()?;
    let map = |entries: Vec<(&str, Node)>| {
        let mut map = Map::with_capacity(entries.len());
        entries.into_iter().for_each(|(key, value)| map.insert(key, value));
        Node::map(map)
    };
    let metadata = vec![
        ("uid", Node::str(live.str_at(&["metadata", "uid"]))),
        ("resourceVersion", Node::str(live.str_at(&["metadata", "resourceVersion"]))),
        ("labels", map(vec![(label, Node::null())])),
    ];
    let body = to_json(&map(vec![("metadata", map(metadata))]))?;
    let request = Request::new(Method::Patch, path).with("fieldManager", FIELD_MANAGER).body(Content::MergePatch, body);
    client.call(request).await.outcome.map(|_| ())
}

fn to_json(node: &Node) -> Result<String, Problem> {
    json::to_json(node).map_err(|_| Problem::Stopped("it has no form in JSON".to_owned()))
}

fn value(text: &str) -> Result<Node, Problem> {
    json::parse(FileId::NONE, text.as_bytes()).map_err(|_| Problem::Stopped("what is to be sent is no JSON".to_owned()))
}
