//! A registry of OCI artifacts: manifests, tags and blobs, read with the protocol of distribution-spec 1.1.
//!
//! Whatever comes is known by its digest, which is computed here and never believed. A server that wants a token says where it is given; who
//! we are is told there, encrypted or on the same server only. Indexes of several platforms are refused, since nothing says which to take.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE};

use super::Fault;
use super::credentials::{Access, Hidden, Login};
use super::http::{Answer, Ask, Client, Method, shown};
use super::place::Place;
use crate::digest::Digest;
use crate::span::FileId;
use crate::yaml::{Node, json};

/// Bytes of a manifest (distribution-spec: at least 4 MiB must be taken).
const MAX_MANIFEST: u64 = 4 << 20;
/// Bytes of a list of tags.
const MAX_TAGS: u64 = 8 << 20;
/// Lists of tags that follow each other.
const MAX_PAGES: usize = 200;
/// Bytes of a token.
const MAX_TOKEN: u64 = 1 << 20;
/// Layers of an artifact (Argo CD `util/oci`).
const MAX_LAYERS: usize = 10;

/// The types of manifests.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json";

/// A layer as a manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// What it is.
    pub(super) media_type: String,
    /// Which one.
    pub(super) digest: Digest,
    /// Its bytes.
    pub(super) size: u64,
}

/// The layers that a manifest names.
pub(super) fn layers(manifest: &[u8]) -> Result<Vec<Layer>, String> {
    let root = json::parse(FileId::NONE, manifest).map_err(|_| "its manifest is no JSON".to_owned())?;
    if root.get("manifests").is_some() {
        return Err("it is an index of several artifacts, and nothing says which to take".to_owned());
    }
    let list = root.get("layers").and_then(Node::as_seq).ok_or("its manifest has no layers")?;
    if list.len() > MAX_LAYERS {
        return Err(format!("it has {} layers, and at most {MAX_LAYERS} are taken", list.len()));
    }
    let read = |node: &Node| {
        let text = |key: &str| node.get(key).and_then(Node::text);
        let digest = text("digest").and_then(Digest::parse).ok_or("a layer of its manifest has no sha256 digest")?;
        let size = text("size").and_then(|size| size.parse().ok()).ok_or("a layer of its manifest has no size")?;
        Ok(Layer { media_type: text("mediaType").unwrap_or_default().to_owned(), digest, size })
    };
    list.iter().map(read).collect()
}

/// All registries of a run, with the tokens that they gave.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<BTreeMap<(String, String), Hidden>>);

/// A repository in a registry.
#[derive(Debug)]
pub(super) struct Repository<'c> {
    client: &'c Client,
    tokens: &'c Tokens,
    access: Access,
    /// The URL as people know it.
    shown: String,
    /// Scheme and authority.
    server: String,
    name: String,
}

impl<'c> Repository<'c> {
    /// The repository at `oci://host/path`, with or without the scheme, and the name of a chart below it.
    ///
    /// # Errors
    /// It is no name of a repository, or what is known of its login cannot be used.
    pub(super) fn open(client: &'c Client, tokens: &'c Tokens, url: &str, below: &str) -> Result<Self, Fault> {
        let bare = url.trim().trim_end_matches('/');
        let bare = bare.split_once("://").map_or(bare, |(_, rest)| rest);
        let (authority, path) = bare.split_once('/').unwrap_or((bare, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_lowercase();
        let name = if below.is_empty() {
            path.to_owned()
        } else if path.is_empty() {
            below.to_owned()
        } else {
            format!("{path}/{below}")
        };
        let full = format!("oci://{host}/{name}");
        let part = |part: &str| {
            let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
            !part.is_empty() && part.bytes().all(fine) && part.starts_with(|c: char| c.is_ascii_alphanumeric())
        };
        if host.is_empty() || Place::of(&full).is_none() || !name.split('/').all(part) {
            return Err(Fault::lasting(format!("`{}` is no repository of a registry", shown(&full)))
                .hint("write `oci://HOST/PATH`, in lower case, without tag or digest; those go into the revision"));
        }
        // Credentials of a chart's repository are by the URL that the Application names, those of logins by what lies there.
        let access = client.credentials().access(url)?;
        let access = match access.login.is_none() && access.client.is_none() && !below.is_empty() {
            true => Access {
                insecure: access.insecure,
                plain_http: access.plain_http,
                ..client.credentials().access(&full)?
            },
            false => access,
        };
        let scheme = if access.plain_http { "http" } else { "https" };
        let host = if host == "docker.io" { "registry-1.docker.io".to_owned() } else { host };
        Ok(Repository { client, tokens, access, shown: full, server: format!("{scheme}://{host}"), name })
    }

    /// The URL as people know it.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The manifest of a tag or digest, with its digest; `None` where there is none.
    ///
    /// # Errors
    /// The registry is not reached, refuses, or gives another one than was asked for.
    pub(super) fn manifest(&self, reference: &str) -> Result<Option<(Digest, Vec<u8>)>, Fault> {
        let answer = self.ask(&format!("manifests/{reference}"), MANIFEST, MAX_MANIFEST)?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = self.accepted(answer)?;
        let digest = Digest::of(&answer.body);
        let told = answer.header("docker-content-digest").map(str::trim).filter(|told| told.starts_with("sha256:"));
        let wanted = if reference.contains(':') { Some(reference) } else { told };
        match wanted {
            Some(wanted) if wanted != digest.to_string() => {
                Err(Fault::lasting(format!("`{}` gives a manifest with the digest {digest} for {wanted}", self.shown)))
            }
            _ => Ok(Some((digest, answer.body))),
        }
    }

    /// A layer, checked.
    ///
    /// # Errors
    /// The registry is not reached, refuses, or gives something else.
    pub(super) fn layer(&self, layer: &Layer, most: u64) -> Result<Vec<u8>, Fault> {
        if layer.size > most {
            let text = format!("a layer of `{}` has {} bytes, and at most {most} are taken", self.shown, layer.size);
            return Err(Fault::lasting(text));
        }
        let answer = self.accepted(self.ask(&format!("blobs/{}", layer.digest), "*/*", layer.size.max(1))?)?;
        let digest = Digest::of(&answer.body);
        if digest != layer.digest {
            let text = format!("`{}` gives a layer with the digest {digest} for {}", self.shown, layer.digest);
            return Err(Fault::lasting(text));
        }
        Ok(answer.body)
    }

    /// All tags as they are.
    ///
    /// # Errors
    /// The registry is not reached, refuses, or gives no list.
    pub(super) fn tags(&self) -> Result<Vec<String>, Fault> {
        let mut all = Vec::new();
        let mut path = "tags/list?n=1000".to_owned();
        for _ in 0..MAX_PAGES {
            let answer = self.accepted(self.ask(&path, "application/json", MAX_TAGS)?)?;
            let broken = || Fault::lasting(format!("the list of tags of `{}` is no JSON", self.shown));
            let root = json::parse(FileId::NONE, &answer.body).map_err(|_| broken())?;
            let tags = root.get("tags").and_then(Node::as_seq).unwrap_or_default();
            all.extend(tags.iter().filter_map(Node::text).map(str::to_owned));
            // Only what stands behind `?` is believed: it is the same list.
            let next = answer.header("link").filter(|link| link.contains("next"));
            let next = next
                .and_then(|link| link.split_once('<')?.1.split_once('>')?.0.split_once('?'))
                .map(|(_, query)| query);
            match next {
                Some(query) if !tags.is_empty() => path = format!("tags/list?{query}"),
                _ => return Ok(all),
            }
        }
        Err(Fault::lasting(format!("the list of tags of `{}` does not end", self.shown)))
    }

    fn accepted(&self, answer: Answer) -> Result<Answer, Fault> {
        match answer.is_success() {
            true => Ok(answer),
            false => Err(self.client.refused(&answer.url, &self.access, &answer)),
        }
    }

    /// Asks, and where the registry wants a token or a password, asks again with it.
    fn ask(&self, path: &str, accept: &str, limit: u64) -> Result<Answer, Fault> {
        let url = format!("{}/v2/{}/{path}", self.server, self.name);
        let key = (self.server.clone(), self.name.clone());
        let known = self.tokens.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let login = match known {
            Some(token) => Some(Login::Bearer(token)),
            None => self.access.login.clone().filter(|_| self.access.basic_first),
        };
        let ask = |login: Option<Login>| {
            let access = Access { login, ..self.access.clone() };
            self.client.send(&Ask::get(&url, &access, limit).header(ACCEPT, accept))
        };
        let answer = ask(login)?;
        let Some(challenge) = answer.header("www-authenticate").filter(|_| answer.status == 401) else {
            return Ok(answer);
        };
        let parts = parameters(challenge);
        let login = match challenge.split_whitespace().next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "basic" => self.access.login.clone(),
            "bearer" => {
                let token = self.token(&parts)?;
                self.tokens.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, token.clone());
                Some(Login::Bearer(token))
            }
            _ => None,
        };
        if login.is_some() { ask(login) } else { Ok(answer) }
    }

    /// Gets a token where the registry says that it is given.
    fn token(&self, challenge: &BTreeMap<String, String>) -> Result<Hidden, Fault> {
        let part = |name: &str| challenge.get(name).map_or("", String::as_str);
        let wrong = |what: &str| Fault::lasting(format!("the registry of `{}` wants a token, but {what}", self.shown));
        let mut url = Url::parse(part("realm")).map_err(|_| wrong("does not say from where"))?;
        let same = Place::of(url.as_str()).zip(Place::of(&self.server)).is_some_and(|(a, b)| a.same_server(&b));
        if !same && url.scheme() != "https" {
            return Err(
                wrong("one that is given without encryption").hint(format!("it names `{}`", shown(url.as_str())))
            );
        }
        let scope = match part("scope") {
            "" => format!("repository:{}:pull", self.name),
            scope => scope.to_owned(),
        };
        let mut fields = vec![("scope", scope)];
        fields.extend(Some(part("service").to_owned()).filter(|service| !service.is_empty()).map(|s| ("service", s)));
        let access = |login: Option<Login>| Access {
            login,
            // Another server's certificates are its own.
            client: self.access.client.clone().filter(|_| same),
            insecure: self.access.insecure && same,
            ..self.access.clone()
        };
        let answer = match &self.access.login {
            Some(Login::Identity(identity)) => {
                fields.extend([
                    ("grant_type", "refresh_token".to_owned()),
                    ("client_id", "fleetc".to_owned()),
                    ("refresh_token", identity.reveal().to_owned()),
                ]);
                let mut form = Url::parse("http://form/").map_err(|_| wrong("cannot be asked for it"))?;
                form.query_pairs_mut().extend_pairs(&fields);
                let access = access(None);
                let body = form.query().unwrap_or_default().as_bytes().to_vec();
                let ask = Ask::get(url.as_str(), &access, MAX_TOKEN);
                let ask = Ask { method: Method::POST, body: Some(body), ..ask };
                self.client.send(&ask.header(CONTENT_TYPE, "application/x-www-form-urlencoded"))?
            }
            login => {
                url.query_pairs_mut().extend_pairs(&fields);
                let access = access(login.clone());
                self.client.send(&Ask::get(url.as_str(), &access, MAX_TOKEN))?
            }
        };
        let answer = match answer.is_success() {
            true => answer,
            // The advice is about the registry, not about who gives its tokens.
            false => {
                let fault = self.client.refused(url.as_str(), &self.access, &answer);
                let advice = self.client.credentials().advice(&self.shown, &self.access);
                return Err(if matches!(answer.status, 401 | 403) { fault.hint(advice) } else { fault });
            }
        };
        let root = json::parse(FileId::NONE, &answer.body).map_err(|_| wrong("gives none"))?;
        let token = ["token", "access_token"].into_iter().find_map(|key| root.get(key).and_then(Node::text));
        token.map(|token| Hidden::from(token.to_owned())).ok_or_else(|| wrong("gives none"))
    }
}

/// The parameters of a challenge: `Bearer realm="…",service="…",scope="a,b"`.
fn parameters(challenge: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = challenge.trim().split_once(' ').map_or("", |(_, rest)| rest);
    while let Some((name, value)) = rest.split_once('=') {
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => value.split_once(',').unwrap_or((value, "")),
        };
        found.insert(name.trim().to_ascii_lowercase(), value.to_owned());
        rest = after.trim_start_matches([',', ' ']);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[test]
    fn challenges_are_taken_apart() {
        let found = parameters(
            r#"Bearer realm="https://auth.docker.io/token",service=registry, scope="repository:a/b:pull,push""#,
        );
        let found: Vec<(&str, &str)> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let want =
            [("realm", "https://auth.docker.io/token"), ("scope", "repository:a/b:pull,push"), ("service", "registry")];
        assert_eq!(found, want);
        assert!(parameters("Basic").is_empty());
        assert_eq!(parameters(r#"Bearer realm="open"#).get("realm").map(String::as_str), Some("open"));
    }
}
