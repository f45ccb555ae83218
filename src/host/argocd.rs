//! The Argo CD of a management cluster, asked for what it knows of sources: its logins to repositories, the objects that
//! clusterDecisionResource generators name, and where the services of plugin generators are.
//!
//! Requests are get and list. It is asked once a run for each, when somebody needs it. No value of a Secret gets into a message or `Debug`
//! output; what a ConfigMap says of a service stays here as well, but for its address.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cluster::{ConnectOptions, Driver, RunOptions, through};
use super::fetch::{Fault, Hidden};
use crate::api::{Request, encode};
use crate::k8s::selector::{Selector, Values};
use crate::machine::{Machine, Port};
use crate::plan::{Talk, Trouble};
use crate::question::Question;
use crate::yaml::{Map, Node};

/// Where Argo CD's own objects are when nobody says otherwise.
const NAMESPACE: &str = "argocd";
/// The ConfigMaps that say how servers of sources are trusted.
const TRUST: [&str; 2] = ["argocd-tls-certs-cm", "argocd-ssh-known-hosts-cm"];
/// What Secrets of repositories and of their credentials are labelled with.
const REPOSITORIES: &str = "argocd.argoproj.io/secret-type in (repository,repo-creds)";

/// The Argo CD of a context.
#[derive(Debug)]
pub struct Management {
    context: String,
    options: ConnectOptions,
    repositories: OnceLock<Result<Vec<Known>, Fault>>,
}

/// An object that was found in a namespace.
#[derive(Clone)]
struct Known {
    namespace: String,
    object: Node,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// A service that answers plugin generators.
#[derive(Debug)]
pub struct Service {
    /// Its URL.
    pub url: String,
    /// What it wants to be shown.
    pub token: Hidden,
    /// Seconds that it may take.
    pub patience: u64,
}

/// Seconds that a service may take where its ConfigMap does not say (`services/internal/http`).
const PATIENCE: u64 = 30;

impl Management {
    /// That of a context; nothing is asked yet. `options.namespaces` says where each instance has its objects.
    pub fn new(context: impl Into<String>, options: ConnectOptions) -> Self {
        Management { context: context.into(), options, repositories: OnceLock::new() }
    }

    fn namespace(&self, instance: &str) -> String {
        let named = self.options.namespaces.get(instance).filter(|name| !name.is_empty());
        named.cloned().unwrap_or_else(|| NAMESPACE.to_owned())
    }

    /// Works on the cluster.
    fn run<T, F>(&self, what: &str, work: impl FnOnce(Port) -> F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Trouble>> + Send + 'static,
    {
        let wrong =
            |why: &str| Fault::lasting(format!("the context `{}` cannot be asked for {what}: {why}", self.context));
        let connection = through(&self.context, &self.options).map_err(|error| {
            let fault = wrong(&error.message);
            error.hints.first().cloned().into_iter().fold(fault, Fault::hint)
        })?;
        let driver = Driver::start().map_err(|error| wrong(&format!("no threads can be started: {error}")))?;
        let work = vec![(connection, Machine::new(work))];
        let result = driver.run(work, RunOptions::default(), &mut |_, _| {}).pop().flatten();
        result.unwrap_or_else(|| Err(Trouble("the work broke off".to_owned()))).map_err(|Trouble(why)| wrong(&why))
    }

    /// The Secrets of repositories and the ConfigMaps of authorities and known hosts, of all instances, each with where it was found.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn repositories(&self) -> Result<Vec<(Node, String)>, Fault> {
        let read = || {
            let mut namespaces: Vec<String> = self.options.namespaces.keys().map(|name| self.namespace(name)).collect();
            if namespaces.is_empty() {
                namespaces.push(NAMESPACE.to_owned());
            }
            namespaces.sort();
            namespaces.dedup();
            self.run("the logins of Argo CD", |port| objects(port, namespaces))
        };
        let found = self.repositories.get_or_init(read).as_ref().map_err(Clone::clone)?;
        let place = |known: &Known| format!("namespace `{}` of context `{}`", known.namespace, self.context);
        Ok(found.iter().map(|known| (known.object.clone(), place(known))).collect())
    }

    /// What a clusterDecisionResource generator asks: the key to match by, and the entries of the status lists.
    ///
    /// # Errors
    /// There is no such object, or the generator or its ConfigMap is not as it should be.
    pub fn decisions(&self, question: &Question) -> Result<Node, Fault> {
        let namespace = self.namespace(question.instance());
        let map = question.asked.str_at(&["configMapRef"]).to_owned();
        let found = self.run("its ConfigMaps", |port| config_map(port, namespace.clone(), map.clone()))?;
        let data = found.ok_or_else(|| self.no_config_map(&namespace, &map))?;
        let text = |key: &str| data.get(key).and_then(Node::text).unwrap_or_default();
        let kind = text("kind").to_owned();
        let (group, version) = match text("apiVersion").split_once('/') {
            Some((group, version)) if !group.is_empty() && !version.is_empty() && !kind.is_empty() => (group, version),
            _ => {
                let why =
                    format!("the ConfigMap `{map}` needs `apiVersion` (group/version) and `kind` (the plural name)");
                return Err(Fault::lasting(why));
            }
        };
        let name = question.asked.str_at(&["name"]).to_owned();
        let selector =
            question.asked.get("labelSelector").filter(|node| node.as_map().is_some_and(|map| !map.is_empty()));
        let selector = match (name.is_empty(), selector) {
            (true, Some(node)) => {
                Selector::read(node, Values::Labels).map_err(|wrong| Fault::lasting(wrong.message))?.to_string()
            }
            (false, None) => String::new(),
            _ => {
                return Err(Fault::lasting(
                    "a `clusterDecisionResource` generator needs either `name` or `labelSelector`",
                ));
            }
        };
        let path =
            format!("/apis/{}/{}/namespaces/{}/{}", encode(group), encode(version), encode(&namespace), encode(&kind));
        let what = format!("`{kind}.{group}`");
        let items = self.run(&what, |port| named(port, path, name, selector))?;
        if items.is_empty() {
            let why = format!("namespace `{namespace}` of context `{}` has no such `{kind}.{group}`", self.context);
            return Err(Fault::lasting(why).hint("look at `name` or `labelSelector` of the generator"));
        }
        let list = Some(text("statusListKey")).filter(|key| !key.is_empty()).unwrap_or("clusters");
        let key = text("matchKey");
        let mut decisions = Vec::new();
        for item in items.iter().filter(|_| !key.is_empty()) {
            let Some(entries) = item.at(&["status", list]).filter(|node| !node.is_null()) else { continue };
            let entries = entries.as_seq().filter(|entries| entries.iter().all(|entry| entry.as_map().is_some()));
            let entries = entries.ok_or_else(|| {
                let name = item.str_at(&["metadata", "name"]);
                Fault::lasting(format!("`status.{list}` of `{name}` is no list of objects"))
            })?;
            decisions.extend(entries.iter().cloned());
        }
        let mut answer = Map::new();
        answer.insert("matchKey", Node::str(key));
        answer.insert("decisions", Node::seq(decisions));
        Ok(Node::map(answer))
    }

    /// The service that a plugin generator asks.
    ///
    /// # Errors
    /// Its ConfigMap or the Secret with its token is not there or not as it should be.
    pub fn service(&self, question: &Question) -> Result<Service, Fault> {
        let namespace = self.namespace(question.instance());
        let map = question.asked.str_at(&["configMapRef", "name"]).to_owned();
        let found = self.run("its ConfigMaps", |port| config_map(port, namespace.clone(), map.clone()))?;
        let data = found.ok_or_else(|| self.no_config_map(&namespace, &map))?;
        let text = |key: &str| data.get(key).and_then(Node::text).unwrap_or_default().trim();
        let wrong = |what: &str| Fault::lasting(format!("the ConfigMap `{map}` of the plugin {what}"));
        let (url, token) = (text("baseUrl"), text("token"));
        if url.is_empty() {
            return Err(wrong("has no `baseUrl`"));
        }
        let patience = match text("requestTimeout") {
            "" | "0" => PATIENCE,
            written => written.parse().map_err(|_| wrong("has a `requestTimeout` that is no number of seconds"))?,
        };
        // `$key` is one of argocd-secret, `$secret:key` of another Secret.
        let Some(reference) = token.strip_prefix('$').filter(|reference| !reference.is_empty()) else {
            return Err(wrong("has no `token` that names a key of a Secret, as in `$plugin:token`"));
        };
        let (secret, key) = reference.split_once(':').unwrap_or(("argocd-secret", reference));
        let (secret, key) = (secret.to_owned(), key.to_owned());
        let path = format!("/api/v1/namespaces/{}/secrets/{}", encode(&namespace), encode(&secret));
        let object = self
            .run("the Secret of a plugin", |port| async move { Talk::new(port, 1).read(Request::get(path)).await })?;
        let packed = object.as_ref().and_then(|object| object.at(&["data", key.as_str()])).and_then(Node::text);
        let token = packed.and_then(|packed| String::from_utf8(STANDARD.decode(packed.trim()).ok()?).ok());
        let token = token.ok_or_else(|| {
            Fault::lasting(format!("the Secret `{secret}` in namespace `{namespace}` has no key `{key}`"))
                .hint(format!("the ConfigMap `{map}` names it as the token of the plugin"))
        })?;
        Ok(Service { url: url.to_owned(), token: Hidden::from(token.trim().to_owned()), patience })
    }

    fn no_config_map(&self, namespace: &str, name: &str) -> Fault {
        Fault::lasting(format!("namespace `{namespace}` of context `{}` has no ConfigMap `{name}`", self.context))
            .hint("the generator names it in `configMapRef`")
    }
}

async fn objects(port: Port, namespaces: Vec<String>) -> Result<Vec<Known>, Trouble> {
    let talk = Talk::new(port, 2);
    let mut found = Vec::new();
    for namespace in namespaces {
        let path = format!("/api/v1/namespaces/{}", encode(&namespace));
        let known = |mut object: Node, kind: &str| {
            // The items of a list do not say what they are.
            if let Some(map) = object.map_mut() {
                map.insert("kind", Node::str(kind));
            }
            Known { namespace: namespace.clone(), object }
        };
        let secrets = talk.items(&format!("{path}/secrets"), REPOSITORIES).await?;
        found.extend(secrets.into_iter().map(|secret| known(secret, "Secret")));
        for name in TRUST {
            let map = talk.read(Request::get(format!("{path}/configmaps/{name}"))).await?;
            found.extend(map.map(|map| known(map, "ConfigMap")));
        }
    }
    Ok(found)
}

/// `data` of a ConfigMap.
async fn config_map(port: Port, namespace: String, name: String) -> Result<Option<Node>, Trouble> {
    let path = format!("/api/v1/namespaces/{}/configmaps/{}", encode(&namespace), encode(&name));
    let map = Talk::new(port, 1).read(Request::get(path)).await?;
    Ok(map.map(|map| map.get("data").cloned().unwrap_or_else(|| Node::map(Map::new()))))
}

/// The object of a name, else those that a selector matches.
async fn named(port: Port, path: String, name: String, selector: String) -> Result<Vec<Node>, Trouble> {
    let talk = Talk::new(port, 1);
    if name.is_empty() {
        return talk.items(&path, &selector).await;
    }
    Ok(talk.read(Request::get(format!("{path}/{}", encode(&name)))).await?.into_iter().collect())
}
