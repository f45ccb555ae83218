//! The Secret by which an Argo CD knows a cluster, and the same login as a context of a kubeconfig.
//!
//! Keys, labels and the naming rule are Argo CD's (`util/db/secrets.go`: `cluster-<host>-<FNV-1a of the URL>`; argocd.md 4.1). Deliberately
//! not copied: `argocd cluster add` stores the client certificate of whoever runs it instead of the token, when his kubeconfig has one. What
//! is kept here is always the login of the service account.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use serde_json::{Map, Value, json};

use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node, emit, json as go_json};

/// How an API server is trusted and reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// PEM certificates of its authority, in base64.
    pub ca: Option<String>,
    /// Whether its certificate is not checked.
    pub insecure: bool,
    /// The name that its certificate has.
    pub server_name: Option<String>,
    /// The proxy in front of it.
    pub proxy: Option<String>,
}

/// Who logs in. No `Debug`: a token is among it.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// With a token.
    Token(String),
    /// As an AWS role (`awsAuthConfig`).
    Aws {
        /// Name of the EKS cluster.
        cluster: String,
        /// ARN of the role; empty for none.
        role: String,
        /// Profile of the AWS configuration; empty for none.
        profile: String,
    },
    /// With what a program prints (`execProviderConfig`).
    Exec {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Its variables.
        env: BTreeMap<String, String>,
        /// The version of its protocol.
        api_version: String,
        /// What is said where it is missing.
        install_hint: String,
    },
}

impl Login {
    /// A word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Login::Token(_) => "token",
            Login::Aws { .. } => "awsAuthConfig",
            Login::Exec { .. } => "execProviderConfig",
        }
    }
}

/// What is known of a cluster that joins.
#[derive(Clone)]
pub struct Registration {
    /// Name.
    pub name: String,
    /// URL of the API server.
    pub server: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// The project that it belongs to; empty for none.
    pub project: String,
    /// The namespaces that are managed; none for all.
    pub namespaces: Vec<String>,
    /// Whether kinds of the whole cluster are managed although namespaces are given.
    pub cluster_resources: bool,
    /// How it is reached.
    pub trust: Trust,
}

/// The name of the Secret that Argo CD keeps for a server.
///
/// # Errors
/// The URL has no host.
pub fn secret_name(server: &str) -> Result<String, String> {
    let wrong = || format!("`{server}` is no URL of an API server: it looks like `https://203.0.113.7:6443`");
    let (_, rest) = server.split_once("://").ok_or_else(wrong)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(inner) => {
            let (address, _) = inner.split_once(']').ok_or_else(wrong)?;
            address.parse::<Ipv6Addr>().map_err(|_| wrong())?.to_string().replace(':', "-")
        }
        None => authority.split(':').next().unwrap_or_default().to_lowercase(),
    };
    if host.is_empty() {
        return Err(wrong());
    }
    let hash = server.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    Ok(format!("cluster-{host}-{hash}"))
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// `config` of a cluster Secret.
pub fn config(trust: &Trust, login: &Login) -> Value {
    let mut tls = Map::new();
    tls.insert("insecure".to_owned(), trust.insecure.into());
    put(&mut tls, "serverName", trust.server_name.as_deref());
    // Go refuses both at once.
    put(&mut tls, "caData", trust.ca.as_deref().filter(|_| !trust.insecure));
    let mut config = Map::new();
    match login {
        Login::Token(token) => put(&mut config, "bearerToken", Some(token.as_str())),
        Login::Aws { cluster, role, profile } => {
            let mut aws = Map::new();
            put(&mut aws, "clusterName", Some(cluster.as_str()));
            put(&mut aws, "roleARN", filled(role));
            put(&mut aws, "profile", filled(profile));
            config.insert("awsAuthConfig".to_owned(), Value::Object(aws));
        }
        Login::Exec { command, args, env, api_version, install_hint } => {
            let mut exec = Map::new();
            put(&mut exec, "command", Some(command.as_str()));
            put(&mut exec, "args", Some(json!(args)).filter(|_| !args.is_empty()));
            put(&mut exec, "env", Some(json!(env)).filter(|_| !env.is_empty()));
            put(&mut exec, "apiVersion", Some(api_version.as_str()));
            put(&mut exec, "installHint", filled(install_hint));
            config.insert("execProviderConfig".to_owned(), Value::Object(exec));
        }
    }
    config.insert("tlsClientConfig".to_owned(), Value::Object(tls));
    put(&mut config, "proxyUrl", trust.proxy.as_deref());
    Value::Object(config)
}

impl Registration {
    /// The Secret; without a login it is a stub of what selectors see.
    ///
    /// # Errors
    /// The URL has no host.
    pub fn secret(&self, namespace: &str, login: Option<&Login>) -> Result<Value, String> {
        let mut labels: Map<String, Value> =
            self.labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        labels.insert("argocd.argoproj.io/secret-type".to_owned(), "cluster".into());
        let mut annotations: Map<String, Value> =
            self.annotations.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        let mut data = Map::new();
        data.insert("name".to_owned(), self.name.as_str().into());
        data.insert("server".to_owned(), self.server.as_str().into());
        put(&mut data, "project", filled(&self.project));
        if !self.namespaces.is_empty() {
            data.insert("namespaces".to_owned(), self.namespaces.join(",").into());
            put(&mut data, "clusterResources", self.cluster_resources.then_some("true"));
        }
        if let Some(login) = login {
            annotations.insert("managed-by".to_owned(), "argocd.argoproj.io".into());
            data.insert("config".to_owned(), config(&self.trust, login).to_string().into());
        }
        let mut metadata = json!({"name": secret_name(&self.server)?, "namespace": namespace, "labels": labels});
        if let (false, Some(metadata)) = (annotations.is_empty(), metadata.as_object_mut()) {
            metadata.insert("annotations".to_owned(), Value::Object(annotations));
        }
        Ok(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": data}))
    }

    /// A kubeconfig with a context for this cluster, added to what a text holds already: cluster, user and context have its name.
    ///
    /// # Errors
    /// The text is no kubeconfig.
    pub fn kubeconfig(&self, before: &str, login: &Login) -> Result<String, String> {
        let mut cluster = Map::new();
        cluster.insert("server".to_owned(), self.server.as_str().into());
        put(&mut cluster, "certificate-authority-data", self.trust.ca.as_deref().filter(|_| !self.trust.insecure));
        put(&mut cluster, "insecure-skip-tls-verify", self.trust.insecure.then_some(true));
        put(&mut cluster, "tls-server-name", self.trust.server_name.as_deref());
        put(&mut cluster, "proxy-url", self.trust.proxy.as_deref());
        let exec = |command: &str, args: Vec<String>, env: Vec<Value>, version: &str, hint: &str| {
            let mut exec = json!({"apiVersion": version, "command": command, "args": args, "interactiveMode": "Never"});
            if let Some(fields) = exec.as_object_mut() {
                put(fields, "env", Some(Value::Array(env.clone())).filter(|_| !env.is_empty()));
                put(fields, "installHint", filled(hint));
            }
            json!({"exec": exec})
        };
        let user = match login {
            Login::Token(token) => json!({"token": token}),
            Login::Aws { cluster, role, profile } => {
                let mut args = vec!["aws".to_owned(), "--cluster-name".to_owned(), cluster.clone()];
                for (flag, value) in [("--role-arn", role), ("--profile", profile)] {
                    args.extend(filled(value).into_iter().flat_map(|value| [flag.to_owned(), value.to_owned()]));
                }
                exec("argocd-k8s-auth", args, Vec::new(), "client.authentication.k8s.io/v1beta1", "")
            }
            Login::Exec { command, args, env, api_version, install_hint } => {
                let env = env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
                exec(command, args.clone(), env, api_version, install_hint)
            }
        };
        let name = &self.name;
        with_context(
            before,
            name,
            Some([
                json!({"name": name, "cluster": cluster}),
                json!({"name": name, "user": user}),
                json!({"name": name, "context": {"cluster": name, "user": name}}),
            ]),
        )
    }
}

/// A kubeconfig in which the user of this name logs in with another token.
///
/// # Errors
/// The text is no kubeconfig, or has no such user.
pub fn with_token(before: &str, name: &str, token: &str) -> Result<String, String> {
    let parsed = yaml::parse_strict(FileId::NONE, before.as_bytes(), Dialect::V2, &Limits::default());
    let mut root = parsed.ok().and_then(|documents| documents.into_iter().next()).ok_or("it is no kubeconfig")?;
    let user = json!({"name": name, "user": {"token": token}});
    let users = root.get_mut("users").and_then(Node::seq_mut).ok_or("it has no users")?;
    let slot = users.iter_mut().find(|entry| entry.get("name").and_then(Node::as_str) == Some(name));
    *slot.ok_or_else(|| format!("it has no user `{name}`"))? = node(&user)?;
    Ok(emit::to_yaml(&root))
}

/// A kubeconfig without the context of this name, its cluster and its user.
///
/// # Errors
/// The text is no kubeconfig.
pub fn without_context(before: &str, name: &str) -> Result<String, String> {
    with_context(before, name, None)
}

fn with_context(before: &str, name: &str, entries: Option<[Value; 3]>) -> Result<String, String> {
    let wrong = || "it is no kubeconfig".to_owned();
    let parsed = yaml::parse_strict(FileId::NONE, before.as_bytes(), Dialect::V2, &Limits::default());
    let mut documents = parsed.map_err(|_| wrong())?.into_iter().filter(|document| !document.is_null());
    let mut root = match documents.next() {
        Some(root) => root,
        None => node(&json!({"apiVersion": "v1", "kind": "Config", "preferences": {}}))?,
    };
    if documents.next().is_some() || root.get("kind").and_then(Node::as_str) != Some("Config") {
        return Err(wrong());
    }
    let map = root.map_mut().ok_or_else(wrong)?;
    let mut entries = entries.map(|entries| entries.into_iter());
    for key in ["clusters", "users", "contexts"] {
        let mut list: Vec<Node> = match map.get(key) {
            None => Vec::new(),
            Some(list) if list.is_null() => Vec::new(),
            Some(list) => list.as_seq().ok_or_else(wrong)?.to_vec(),
        };
        list.retain(|entry| entry.get("name").and_then(Node::as_str) != Some(name));
        if let Some(entry) = entries.as_mut().and_then(Iterator::next) {
            list.push(node(&entry)?);
        }
        map.insert(key, Node::seq(list));
    }
    Ok(emit::to_yaml(&root))
}

/// A value as a node.
///
/// # Errors
/// It is no JSON, which cannot be.
pub fn node(value: &Value) -> Result<Node, String> {
    go_json::parse(FileId::NONE, value.to_string().as_bytes()).map_err(|_| "it is no JSON".to_owned())
}
