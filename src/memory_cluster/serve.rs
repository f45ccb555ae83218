//! Requests to what they ask for: paths, reads, lists, and the way into writes and deletions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use smol_str::{SmolStr, format_smolstr};

use super::kinds::{self, Kind};
use super::node::{list, object, set, str_at, text};
use super::select::Select;
use super::status::{self, Refusal};
use super::{MemoryCluster, Place};
use crate::api::{Content, Method, Request, Response};
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node, json};

/// What a path names.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) kind: Kind,
    /// Empty for cluster-scoped kinds and for lists over all namespaces.
    pub(super) namespace: SmolStr,
    /// Empty for a collection.
    pub(super) name: SmolStr,
    /// `status`, `scale`, or empty.
    pub(super) subresource: SmolStr,
}

impl MemoryCluster {
    pub(super) fn serve(&mut self, request: &Request) -> Result<Response, Refusal> {
        let parts: Vec<String> = request
            .path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if request.method == Method::Get {
            match parts.as_slice() {
                ["version"] => return Ok(status::answer(200, &kinds::version(&self.settings.version))),
                ["healthz" | "readyz" | "livez"] => {
                    return Ok(Response { status: 200, retry_after: None, text: "ok".into() });
                }
                _ => {}
            }
            if let Some(found) = kinds::discovery(&self.kinds, &parts) {
                return Ok(status::answer(200, &found));
            }
        }
        let target = self.target(&parts)?;
        match (request.method, target.name.is_empty()) {
            (Method::Get, true) => self.list(&target, request),
            (Method::Get, false) => {
                let found = self.get(&target.kind, &target.namespace, &target.name);
                let found = found.ok_or_else(|| status::not_found(&target.kind, &target.name))?;
                if target.subresource == "scale" {
                    return Ok(status::answer(200, &scale(found)));
                }
                Ok(status::answer(200, &shown(&target.kind, found)))
            }
            (Method::Post, true) => self.post(&target, request),
            (Method::Put, false) => self.put(&target, request),
            (Method::Patch, false) => self.patch(&target, request),
            (Method::Delete, false) if target.subresource.is_empty() => self.delete(&target, request),
            (Method::Delete, true) => self.delete_all(&target, request),
            _ => Err(status::failure(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
                Some(object([])),
            )),
        }
    }

    fn target(&self, parts: &[&str]) -> Result<Target, Refusal> {
        let (group, version, rest) = match parts {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(status::no_path()),
        };
        let is_own = group.is_empty() && matches!(rest, [_, _, "status" | "finalize"]);
        let (namespace, rest) = match rest {
            ["namespaces", namespace, below @ ..] if !is_own && !below.is_empty() => (*namespace, below),
            _ => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return Err(status::no_path()),
        };
        let served = self.kinds.iter().any(|kind| kind.group == group && kind.version == version);
        let is_custom = self.kinds.iter().any(|kind| kind.group == group && kind.custom.is_some());
        let found =
            self.kinds.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural);
        let kind = match found {
            Some(kind) => kind,
            None if served && !is_custom => return Err(status::no_resource()),
            None => return Err(status::no_path()),
        };
        let there = match subresource {
            "" => true,
            "status" => kind.status,
            "scale" => kind.scale,
            "finalize" => kind.kind == "Namespace",
            _ => false,
        };
        let fits = kind.namespaced || namespace.is_empty();
        if !there || !fits || (kind.namespaced && namespace.is_empty() && !name.is_empty()) {
            return Err(status::no_resource());
        }
        Ok(Target {
            kind: kind.clone(),
            namespace: namespace.into(),
            name: name.into(),
            subresource: subresource.into(),
        })
    }

    fn list(&self, target: &Target, request: &Request) -> Result<Response, Refusal> {
        let kind = &target.kind;
        let (labels, fields) = (request.parameter("labelSelector"), request.parameter("fieldSelector"));
        let select = Select::read(labels.unwrap_or_default(), fields.unwrap_or_default())
            .map_err(|why| status::bad_request(&why))?;
        let limit: usize = request.parameter("limit").and_then(|text| text.parse().ok()).unwrap_or(0);
        let limit = if limit == 0 { usize::MAX } else { limit };
        let after: Option<Place> = match request.parameter("continue").filter(|token| !token.is_empty()) {
            None => None,
            Some(token) => {
                let bytes = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
                let text = String::from_utf8(bytes).unwrap_or_default();
                let (namespace, name) = text.split_once('/').ok_or_else(|| {
                    status::bad_request("continue key is not valid: encoded continue token is invalid")
                })?;
                Some((namespace.into(), name.into()))
            }
        };
        let shelf = self.objects.get(&(kind.group.clone(), kind.plural.clone()));
        let mut found = shelf
            .into_iter()
            .flatten()
            .filter(|(place, _)| target.namespace.is_empty() || place.0 == target.namespace)
            .filter(|(place, _)| after.as_ref().is_none_or(|after| *place > after))
            .filter(|(_, object)| select.matches(object));
        let mut items = Vec::new();
        let mut last = None;
        for (place, object) in found.by_ref().take(limit) {
            let mut item = shown(kind, object);
            if kind.custom.is_none()
                && let Some(map) = item.map_mut()
            {
                map.remove("apiVersion");
                map.remove("kind");
            }
            items.push(item);
            last = Some(place);
        }
        let rest = found.count();
        let mut metadata = vec![("resourceVersion", text(format_smolstr!("{}", self.revision)))];
        if rest > 0
            && let Some((namespace, name)) = last
        {
            metadata.push(("continue", text(URL_SAFE_NO_PAD.encode(format!("{namespace}/{name}")))));
            if select.is_empty() {
                metadata.push(("remainingItemCount", Node::int(i64::try_from(rest).unwrap_or(i64::MAX))));
            }
        } else if kind.custom.is_some() {
            metadata.push(("continue", text("")));
        }
        Ok(status::answer(
            200,
            &object([
                ("kind", text(format_smolstr!("{}List", kind.kind))),
                ("apiVersion", text(kind.api_version())),
                ("metadata", object(metadata)),
                ("items", list(items)),
            ]),
        ))
    }
}

/// An object as a version of its kind shows it.
pub(super) fn shown(kind: &Kind, stored: &Node) -> Node {
    let api_version = kind.api_version();
    if str_at(stored, &["apiVersion"]) == api_version {
        return stored.clone();
    }
    let mut out = stored.clone();
    set(&mut out, &["apiVersion"], text(api_version));
    out
}

/// The Scale of an object.
fn scale(of: &Node) -> Node {
    let metadata = |key: &str| of.at(&["metadata", key]).cloned().unwrap_or_else(Node::null);
    object([
        ("kind", text("Scale")),
        ("apiVersion", text("autoscaling/v1")),
        (
            "metadata",
            object(
                ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"].map(|key| (key, metadata(key))),
            ),
        ),
        ("spec", object([("replicas", of.at(&["spec", "replicas"]).cloned().unwrap_or_else(|| Node::int(0)))])),
        ("status", object([("replicas", of.at(&["status", "replicas"]).cloned().unwrap_or_else(|| Node::int(0)))])),
    ])
}

/// The body of a request.
///
/// # Errors
/// It is missing or has no value.
pub(super) fn body(request: &Request) -> Result<(Content, Node), Refusal> {
    let Some((content, text)) = &request.body else {
        return Err(status::bad_request("request body is empty"));
    };
    let parsed = json::parse(FileId::NONE, text.as_bytes()).ok();
    let parsed = match (parsed, content) {
        (Some(node), _) => Some(node),
        (None, Content::Apply) => yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default())
            .ok()
            .and_then(|documents| documents.into_iter().next()),
        (None, _) => None,
    };
    match parsed {
        Some(node) => Ok((*content, node)),
        None => Err(status::bad_request("the object provided is unrecognized: the body is no JSON")),
    }
}
