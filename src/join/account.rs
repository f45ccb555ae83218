//! Service accounts on a cluster: what of them is there, making it, their tokens, who one is, and their end.
//!
//! Looks before it writes; what somebody else made is changed only where the caller says so, and never removed. Creating what is there
//! already is no failure, so that a run that was cut off is run again. Messages name objects, never what a Secret holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Account, FLEETC, MANAGED_BY, path, title, token_secret};
use crate::api::{Content, Method, Request, Response, encode};
use crate::machine::{Port, all};

/// How long a token is waited for.
const TOKEN_WAIT: u64 = 30_000;

/// How an object stands on the cluster, compared with how it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not there.
    Missing,
    /// It is as it is to be.
    Same,
    /// It is there with other rights; whether we made it.
    Differs {
        /// By the label that we give.
        ours: bool,
    },
}

async fn send(port: &Port, request: Request) -> Result<Response, String> {
    port.send(request).await.map_err(|failure| failure.to_string())
}

/// What the server says about a refusal. Of a Secret its words are not shown: they may quote values.
fn refusal(what: &str, response: &Response) -> String {
    let said: Option<Value> = serde_json::from_str(&response.text).ok();
    let said = said.as_ref().and_then(|status| status.get("message")?.as_str()).unwrap_or_default();
    match (response.status, said) {
        (401, _) => format!("{what}: the credentials are not accepted (401)"),
        (status, said) if said.is_empty() || (what.starts_with("Secret") && status != 403) => {
            format!("{what}: the server answered {status}")
        }
        (_, said) => format!("{what}: {}", said.lines().map(str::trim).collect::<Vec<_>>().join(" ")),
    }
}

/// Reads an object; `None` where there is none.
///
/// # Errors
/// The server refuses or gives no answer.
pub async fn read(port: &Port, what: &str, path: String) -> Result<Option<Value>, String> {
    let response = send(port, Request::get(path)).await?;
    match response.status {
        404 => Ok(None),
        _ if response.is_success() => {
            serde_json::from_str(&response.text).map(Some).map_err(|_| format!("{what}: the answer is no JSON"))
        }
        _ => Err(refusal(what, &response)),
    }
}

fn is_ours(object: &Value) -> bool {
    object.pointer("/metadata/labels").and_then(|labels| labels.get(MANAGED_BY)?.as_str()) == Some(FLEETC)
}

fn standing(wanted: &Value, live: &Value) -> Result<Standing, String> {
    if wanted.get("roleRef") != live.get("roleRef") {
        return Err(format!(
            "{}: it is there and refers to another role, which nobody can change; delete it if it is not needed",
            title(wanted)
        ));
    }
    let same = ["rules", "subjects"].into_iter().all(|key| wanted.get(key) == live.get(key));
    Ok(if same { Standing::Same } else { Standing::Differs { ours: is_ours(live) } })
}

/// How objects stand. The namespaces that they are to lie in must be there, but for those that are among them.
///
/// # Errors
/// The server refuses or gives no answer, or one of them can be made in no way.
pub async fn survey(port: &Port, objects: &[Value]) -> Result<Vec<Standing>, String> {
    let name = |object: &Value| object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    let made: Vec<String> =
        objects.iter().filter(|object| object.get("kind") == Some(&json!("Namespace"))).filter_map(name).collect();
    let mut namespaces: Vec<String> = objects
        .iter()
        .filter_map(|object| Some(object.pointer("/metadata/namespace")?.as_str()?.to_owned()))
        .filter(|namespace| !made.contains(namespace))
        .collect();
    namespaces.sort();
    namespaces.dedup();
    for namespace in namespaces {
        let title = format!("Namespace {namespace}");
        if read(port, &title, format!("/api/v1/namespaces/{}", encode(&namespace))).await?.is_none() {
            return Err(format!("{title}: it is not there, so no rights can be given in it; make it first"));
        }
    }
    let reads = objects.iter().map(|object| {
        let (what, (_, at)) = (title(object), path(object));
        async move { read(port, &what, at).await }
    });
    let found = all(8, reads).await;
    let standing = objects.iter().zip(found).map(|(object, live)| match live? {
        None => Ok(Standing::Missing),
        Some(live) => standing(object, &live),
    });
    standing.collect()
}

/// Makes what is missing and changes what differs. Says what was done with each: `created`, `changed`, `unchanged`.
///
/// # Errors
/// What the server refused, or that it gave no answer. What was made until then stays; running it again goes on.
pub async fn make(port: &Port, objects: &[Value]) -> Result<Vec<(String, &'static str)>, String> {
    let mut done = Vec::new();
    for object in objects {
        let (what, (collection, at)) = (title(object), path(object));
        let response =
            send(port, Request::new(Method::Post, collection).body(Content::Json, object.to_string())).await?;
        if response.is_success() {
            done.push((what, "created"));
            continue;
        }
        if response.status != 409 {
            return Err(refusal(&what, &response));
        }
        let live = read(port, &what, at.clone()).await?.ok_or_else(|| format!("{what}: it comes and goes"))?;
        if standing(object, &live)? == Standing::Same {
            done.push((what, "unchanged"));
            continue;
        }
        let mut patch = json!({"metadata": {"resourceVersion": live.pointer("/metadata/resourceVersion")}});
        for key in ["rules", "subjects"] {
            if let (Some(value), Some(fields)) = (object.get(key), patch.as_object_mut()) {
                fields.insert(key.to_owned(), value.clone());
            }
        }
        let response = send(port, Request::new(Method::Patch, at).body(Content::MergePatch, patch.to_string())).await?;
        if !response.is_success() {
            return Err(refusal(&what, &response));
        }
        done.push((what, "changed"));
    }
    Ok(done)
}

/// A token that the API server issued into a Secret.
#[derive(Clone)]
pub struct Issued {
    /// Name of the Secret.
    pub secret: String,
    /// The token.
    pub token: String,
}

/// A token for an account: in the Secret of the known name, which may be there, or in a new one.
///
/// # Errors
/// The server refuses or issues none in time.
pub async fn token(port: &Port, account: &Account, named: bool) -> Result<Issued, String> {
    let wanted = token_secret(account, named);
    let (collection, at) = path(&wanted);
    let what = format!("Secret {}/{}{}", account.namespace, account.name, super::TOKEN_SUFFIX);
    let request = Request::new(Method::Post, collection.clone()).body(Content::Json, wanted.to_string());
    let response = send(port, request).await?;
    let at = match response.status {
        409 if named => at,
        _ if response.is_success() => {
            let made: Value = serde_json::from_str(&response.text).unwrap_or_default();
            let name = made.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            format!("{collection}/{}", encode(name))
        }
        _ => return Err(refusal(&what, &response)),
    };
    let end = port.now().saturating_add(TOKEN_WAIT);
    loop {
        let live = read(port, &what, at.clone()).await?.ok_or_else(|| format!("{what}: it is gone again"))?;
        if live.get("type").and_then(Value::as_str) != Some("kubernetes.io/service-account-token") {
            return Err(format!("{what}: it is there and holds something else"));
        }
        let whose = live.pointer("/metadata/annotations").and_then(|a| a.get("kubernetes.io/service-account.name"));
        if whose.and_then(Value::as_str) != Some(account.name.as_str()) {
            return Err(format!("{what}: it is there for another service account"));
        }
        let token = live.pointer("/data/token").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
        if let Some(token) = token.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|token| !token.is_empty()) {
            let secret = live.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
            return Ok(Issued { secret, token });
        }
        if port.now() >= end {
            return Err(format!("{what}: the cluster issues no token (is its controller manager running?)"));
        }
        port.sleep(250).await;
    }
}

/// The user that these credentials are.
///
/// # Errors
/// The server refuses or does not say.
pub async fn who(port: &Port) -> Result<String, String> {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let request = Request::new(Method::Post, "/apis/authentication.k8s.io/v1/selfsubjectreviews")
        .body(Content::Json, body.to_string());
    let response = send(port, request).await?;
    if !response.is_success() {
        return Err(refusal("SelfSubjectReview", &response));
    }
    let answer: Value = serde_json::from_str(&response.text).unwrap_or_default();
    let user = answer.pointer("/status/userInfo/username").and_then(Value::as_str);
    user.map(str::to_owned).ok_or_else(|| "SelfSubjectReview: the answer names no user".to_owned())
}

/// What became of an object that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It was deleted.
    Deleted,
    /// It was not there.
    Absent,
    /// Somebody else made it: it stays.
    Foreign,
}

/// Deletes an object that carries our label, and no other.
///
/// # Errors
/// The server refuses or gives no answer.
pub async fn remove(port: &Port, what: &str, at: &str) -> Result<Removed, String> {
    let Some(live) = read(port, what, at.to_owned()).await? else { return Ok(Removed::Absent) };
    if !is_ours(&live) {
        return Ok(Removed::Foreign);
    }
    delete(port, what, at, &live).await
}

/// Deletes an object as long as it is the one that was read.
///
/// # Errors
/// The server refuses or gives no answer.
pub async fn delete(port: &Port, what: &str, at: &str, live: &Value) -> Result<Removed, String> {
    let body =
        json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": live.pointer("/metadata/uid")}});
    let response = send(port, Request::new(Method::Delete, at).body(Content::Json, body.to_string())).await?;
    match response.status {
        404 => Ok(Removed::Absent),
        _ if response.is_success() => Ok(Removed::Deleted),
        _ => Err(refusal(what, &response)),
    }
}

/// Writes the Secret of a cluster where an Argo CD looks for it, or anew what differs. `over` says that one of the same name and another
/// cluster may be overwritten.
///
/// # Errors
/// The server refuses, or the Secret is another cluster's.
pub async fn store(port: &Port, secret: &Value, over: bool) -> Result<&'static str, String> {
    let (what, (collection, at)) = (title(secret), path(secret));
    let request = Request::new(Method::Post, collection).body(Content::Json, secret.to_string());
    let response = send(port, request).await?;
    if response.is_success() {
        return Ok("created");
    }
    if response.status != 409 {
        return Err(refusal(&what, &response));
    }
    let live = read(port, &what, at.clone()).await?.ok_or_else(|| format!("{what}: it comes and goes"))?;
    let wanted = |key: &str| secret.pointer(&format!("/stringData/{key}")).and_then(Value::as_str);
    for key in ["server", "name"] {
        if let (Some(is), Some(wanted)) = (value(&live, key), wanted(key))
            && is != wanted
            && !over
        {
            return Err(format!("{what}: it is there for a cluster whose {key} is `{is}`; `--upsert` overwrites it"));
        }
    }
    let mut patch = json!({
        "metadata": {
            "resourceVersion": live.pointer("/metadata/resourceVersion"),
            "labels": secret.pointer("/metadata/labels"), "annotations": secret.pointer("/metadata/annotations"),
        },
        "stringData": secret.get("stringData"),
    });
    if let Some(metadata) = patch.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| !value.is_null());
    }
    let response = send(port, Request::new(Method::Patch, at).body(Content::MergePatch, patch.to_string())).await?;
    if response.is_success() { Ok("changed") } else { Err(refusal(&what, &response)) }
}

/// Gives a cluster Secret that was read another `config`.
///
/// # Errors
/// The server refuses, somebody else changed it meanwhile, or there is no answer.
pub async fn set_config(port: &Port, live: &Value, config: &str) -> Result<(), String> {
    let (what, at) = listed_secret(live);
    let patch = json!({
        "metadata": {"resourceVersion": live.pointer("/metadata/resourceVersion")}, "stringData": {"config": config},
    });
    let response = send(port, Request::new(Method::Patch, at).body(Content::MergePatch, patch.to_string())).await?;
    if response.is_success() { Ok(()) } else { Err(refusal(&what, &response)) }
}

/// Deletes a Secret that was read.
///
/// # Errors
/// The server refuses or gives no answer.
pub async fn delete_read(port: &Port, live: &Value) -> Result<Removed, String> {
    let (what, at) = listed_secret(live);
    delete(port, &what, &at, live).await
}

/// Items of lists do not say what they are.
fn listed_secret(live: &Value) -> (String, String) {
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    (format!("Secret {namespace}/{name}"), format!("/api/v1/namespaces/{}/secrets/{}", encode(namespace), encode(name)))
}

/// The Secrets by which an Argo CD in a namespace knows its clusters.
///
/// # Errors
/// The server refuses or gives no answer.
pub async fn cluster_secrets(port: &Port, namespace: &str) -> Result<Vec<Value>, String> {
    let request = Request::get(format!("/api/v1/namespaces/{}/secrets", encode(namespace)))
        .with("labelSelector", "argocd.argoproj.io/secret-type=cluster");
    let response = send(port, request).await?;
    if !response.is_success() {
        return Err(refusal(&format!("Secrets of namespace {namespace}"), &response));
    }
    let mut list: Value = serde_json::from_str(&response.text).map_err(|_| "the answer is no JSON".to_owned())?;
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        Some(Value::Null) => Ok(Vec::new()),
        _ => Err("the answer is no list".to_owned()),
    }
}

/// A value of a Secret that was read.
pub fn value(secret: &Value, key: &str) -> Option<String> {
    let packed = secret.get("data")?.get(key)?.as_str()?;
    String::from_utf8(STANDARD.decode(packed).ok()?).ok()
}
