//! What it takes to talk to one API server: its URL, how it is trusted, who we are. From a kubeconfig context, a cluster Secret or a pod.
//!
//! Everything becomes a kubeconfig of one cluster, which kube reads. Plug-ins of the old kind (`auth-provider`, gone from kubectl since
//! 1.26) are refused, but for an OIDC token that is there already. Nothing here is printed: messages name what is wrong, never a value.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use kube::Config;
use kube::client::AuthError;
use kube::config::{
    AuthInfo, Context, ExecInteractiveMode, Kubeconfig, KubeconfigError, NamedAuthInfo, NamedCluster, NamedContext,
};

use super::connection::Timeouts;
use super::exec::{Exec, Origin, Programs, Refusal};
use crate::diag::did_you_mean;

/// The one name that everything in a kubeconfig of ours has.
const ONE: &str = "cluster";

/// Credentials for one cluster. `Debug` shows where they lead, nothing else.
#[derive(Clone)]
pub struct Access {
    server: String,
    user: AuthInfo,
    /// The cluster; `None` for the one whose pod this runs in.
    cluster: Option<kube::config::Cluster>,
    exec: Option<Exec>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Access {
    /// From the parts of a kubeconfig.
    pub(super) fn new(
        cluster: kube::config::Cluster,
        mut user: AuthInfo,
        origin: Origin,
        programs: &Programs,
    ) -> Result<Self, Refusal> {
        let refuse = |message: &str, hint: &str| Err(Refusal { message: message.to_owned(), hint: hint.to_owned() });
        let server = cluster.server.clone().unwrap_or_default();
        let known = |uri: &http::Uri| matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some();
        if !server.parse::<http::Uri>().is_ok_and(|uri| known(&uri)) {
            return refuse("the URL of its API server cannot be read", "it looks like `https://203.0.113.7:6443`");
        }
        if let Some(provider) = &user.auth_provider
            && !(provider.name == "oidc" && provider.config.contains_key("id-token"))
        {
            return refuse(
                "its user has an `auth-provider`, which Kubernetes has dropped",
                "use an `exec` program or a token",
            );
        }
        let exec = match user.exec.take() {
            None => None,
            Some(exec) => {
                let exec = program(exec, &cluster, origin)?;
                exec.check(programs)?;
                Some(exec)
            }
        };
        Ok(Access { server, user, cluster: Some(cluster), exec })
    }

    /// The service account of the pod that this runs in; `None` outside of one.
    pub(super) fn pod() -> Option<Self> {
        std::env::var_os("KUBERNETES_SERVICE_HOST")?;
        let server = crate::cluster::IN_CLUSTER_SERVER.to_owned();
        Some(Access { server, user: AuthInfo::default(), cluster: None, exec: None })
    }

    /// The URL of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The cluster; `None` for the one whose pod this runs in.
    pub(super) fn cluster(&self) -> Option<&kube::config::Cluster> {
        self.cluster.as_ref()
    }

    /// What the token says of itself, where it is a JSON Web Token: who it is of and until when it is good. Never the token.
    pub(super) fn claims(&self) -> Option<serde_json::Value> {
        self.user.token.as_ref()?;
        let user = serde_json::to_value(&self.user).ok()?;
        let payload = user.get("token")?.as_str()?.split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
    }

    /// The client certificate, PEM.
    pub(super) fn client_certificate(&self) -> Option<Vec<u8>> {
        match (&self.user.client_certificate_data, &self.user.client_certificate) {
            (Some(data), _) => STANDARD.decode(data).ok(),
            (None, Some(path)) => std::fs::read(path).ok(),
            (None, None) => None,
        }
    }

    /// Whether these credentials act as another user already.
    pub(super) fn impersonates(&self) -> bool {
        self.user.impersonate.is_some()
    }

    /// Whether a program makes the credentials.
    pub(super) fn asks_program(&self) -> bool {
        self.exec.is_some()
    }

    /// A client, and until when its credentials are good.
    ///
    /// # Errors
    /// A message for people.
    pub(super) async fn client(&self, timeouts: &Timeouts) -> Result<(kube::Client, Option<Timestamp>), String> {
        let mut user = self.user.clone();
        let mut until = None;
        if let Some(exec) = &self.exec {
            let credential = exec.run(timeouts.program).await?;
            until = credential.until;
            user.token = credential.token.map(Into::into);
            if let Some((certificate, key)) = credential.certificate {
                user.client_certificate_data = Some(STANDARD.encode(certificate));
                user.client_key_data = Some(STANDARD.encode(key).into());
            }
        }
        let (cluster, timeouts) = (self.cluster.clone(), *timeouts);
        let own_proxy =
            cluster.as_ref().is_some_and(|cluster| cluster.proxy_url.as_ref().is_some_and(|url| !url.is_empty()));
        // Files of certificates and tokens are read, and the system's own certificates.
        let made = tokio::task::spawn_blocking(move || {
            let mut config = match cluster {
                Some(cluster) => Config::try_from(kubeconfig(cluster, user)).map_err(|error| config_message(&error))?,
                None => Config::incluster().map_err(|error| format!("the pod has no credentials: {error}"))?,
            };
            if !own_proxy {
                // kube compares NO_PROXY with the proxy; it is meant for the server.
                let host = config.cluster_url.host().unwrap_or_default();
                let proxy = environment_proxy(host, |name| std::env::var(name).ok());
                config.proxy_url = match proxy.map(|url| url.parse()).transpose() {
                    Ok(proxy) => proxy,
                    Err(_) => return Err("the URL in HTTPS_PROXY cannot be read".to_owned()),
                };
            }
            config.connect_timeout = Some(timeouts.connect);
            config.read_timeout = Some(timeouts.request);
            config.write_timeout = Some(timeouts.request);
            config.default_retry = false;
            config.disable_compression |= is_loopback(&config.cluster_url);
            kube::Client::try_from(config).map_err(|error| match error {
                kube::Error::Auth(error) => auth_message(&error),
                kube::Error::InferKubeconfig(error) => config_message(&error),
                error => error.to_string(),
            })
        });
        let client = made.await.map_err(|_| "the connection cannot be prepared".to_owned())??;
        Ok((client, until))
    }
}

/// The proxy of the environment for a host: `HTTPS_PROXY`, but for what `NO_PROXY` lists (names with all below them, addresses, `*`).
fn environment_proxy(host: &str, get: impl Fn(&str) -> Option<String>) -> Option<String> {
    let read = |upper: &str, lower: &str| get(upper).or_else(|| get(lower)).filter(|text| !text.trim().is_empty());
    let proxy = read("HTTPS_PROXY", "https_proxy")?;
    let host = host.trim_matches(['[', ']']);
    let exempt = read("NO_PROXY", "no_proxy").unwrap_or_default();
    let spared = exempt.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let name = entry.trim_start_matches('.');
        let below = host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        entry == "*" || below || in_network(host, entry)
    });
    (!spared).then_some(proxy)
}

/// Whether an address lies in a network such as `10.0.0.0/8`.
fn in_network(host: &str, network: &str) -> bool {
    use std::net::IpAddr;
    let Some((base, length)) = network.split_once('/') else { return false };
    let Ok(length) = length.parse::<u32>() else { return false };
    match (host.parse(), base.parse()) {
        (Ok(IpAddr::V4(host)), Ok(IpAddr::V4(base))) if length <= 32 => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            host.to_bits() & mask == base.to_bits() & mask
        }
        (Ok(IpAddr::V6(host)), Ok(IpAddr::V6(base))) if length <= 128 => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            host.to_bits() & mask == base.to_bits() & mask
        }
        _ => false,
    }
}

/// Packing and unpacking costs more than it saves where nothing travels.
fn is_loopback(url: &http::Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn kubeconfig(cluster: kube::config::Cluster, user: AuthInfo) -> Kubeconfig {
    let context = Context { cluster: ONE.to_owned(), user: Some(ONE.to_owned()), ..Context::default() };
    Kubeconfig {
        clusters: vec![NamedCluster { name: ONE.to_owned(), cluster: Some(cluster), ..NamedCluster::default() }],
        auth_infos: vec![NamedAuthInfo { name: ONE.to_owned(), auth_info: Some(user), ..NamedAuthInfo::default() }],
        contexts: vec![NamedContext { name: ONE.to_owned(), context: Some(context), ..NamedContext::default() }],
        current_context: Some(ONE.to_owned()),
        ..Kubeconfig::default()
    }
}

/// The program of an `exec` section.
fn program(exec: kube::config::ExecConfig, cluster: &kube::config::Cluster, origin: Origin) -> Result<Exec, Refusal> {
    let Some(command) = exec.command.filter(|command| !command.is_empty()) else {
        return Err(Refusal {
            message: "its `exec` names no program".to_owned(),
            hint: "`command` is the program".to_owned(),
        });
    };
    let env = exec.env.unwrap_or_default();
    let env = env.into_iter().filter_map(|mut pair| Some((pair.remove("name")?, pair.remove("value")?))).collect();
    let info = exec.provide_cluster_info.then(|| cluster_info(cluster));
    Ok(Exec {
        command,
        args: exec.args.unwrap_or_default(),
        env,
        api_version: exec.api_version.unwrap_or_default(),
        cluster: info,
        install_hint: exec.install_hint.unwrap_or_default(),
        origin,
        needs_terminal: exec.interactive_mode == Some(ExecInteractiveMode::Always),
    })
}

/// `spec.cluster` of an ExecCredential.
fn cluster_info(cluster: &kube::config::Cluster) -> serde_json::Value {
    let mut info = serde_json::Map::new();
    let mut text = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            info.insert(name.to_owned(), value.clone().into());
        }
    };
    text("server", &cluster.server);
    text("tls-server-name", &cluster.tls_server_name);
    text("proxy-url", &cluster.proxy_url);
    let from_file =
        || cluster.certificate_authority.as_ref().and_then(|path| Some(STANDARD.encode(std::fs::read(path).ok()?)));
    text("certificate-authority-data", &cluster.certificate_authority_data.clone().or_else(from_file));
    if let Some(insecure) = cluster.insecure_skip_tls_verify {
        info.insert("insecure-skip-tls-verify".to_owned(), insecure.into());
    }
    let extensions = cluster.extensions.iter().flatten();
    if let Some(config) =
        extensions.filter(|extension| extension.name == EXEC_EXTENSION).map(|extension| &extension.extension).next()
    {
        info.insert("config".to_owned(), config.clone());
    }
    info.into()
}

/// The extension of a kubeconfig's cluster that holds the configuration of exec programs.
pub(super) const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// The user's kubeconfig, read once.
#[derive(Clone)]
pub struct Kubeconfigs {
    config: Kubeconfig,
    name: String,
}

impl std::fmt::Debug for Kubeconfigs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubeconfigs").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Kubeconfigs {
    /// Reads a file, or what `KUBECONFIG` names, or `~/.kube/config`.
    ///
    /// # Errors
    /// A message for people.
    pub fn read(file: Option<&Path>) -> Result<Self, String> {
        let (name, config) = match file {
            Some(file) => (file.display().to_string(), Kubeconfig::read_from(file)),
            None => (default_name(), Kubeconfig::read()),
        };
        match config {
            Ok(config) => Ok(Kubeconfigs { config, name }),
            Err(error) => Err(format!("the kubeconfig `{name}` cannot be used: {}", config_message(&error))),
        }
    }

    /// Credentials of a context.
    pub(super) fn access(&self, context: &str, programs: &Programs) -> Result<Access, Refusal> {
        let names = || self.config.contexts.iter().map(|context| context.name.as_str());
        let refuse = |message: String, hint: Option<String>| {
            let hint = hint.unwrap_or_else(|| format!("it has {}", listed(names())));
            Refusal { message, hint }
        };
        let config = &self.config;
        let found = config.contexts.iter().find(|named| named.name == context).and_then(|named| named.context.as_ref());
        let found = found.ok_or_else(|| {
            let message = format!("the kubeconfig `{}` has no context `{context}`", self.name);
            refuse(message, did_you_mean(context, names()))
        })?;
        let cluster =
            config.clusters.iter().find(|named| named.name == found.cluster).and_then(|named| named.cluster.clone());
        let cluster = cluster.ok_or_else(|| {
            let message = format!(
                "the context `{context}` of `{}` names a cluster `{}` that is not there",
                self.name, found.cluster
            );
            refuse(message, Some("complete the kubeconfig".to_owned()))
        })?;
        let user = match &found.user {
            None => AuthInfo::default(),
            Some(user) => {
                let known = config.auth_infos.iter().find(|named| named.name == *user);
                known.and_then(|named| named.auth_info.clone()).ok_or_else(|| {
                    let message =
                        format!("the context `{context}` of `{}` names a user `{user}` that is not there", self.name);
                    refuse(message, Some("complete the kubeconfig".to_owned()))
                })?
            }
        };
        Access::new(cluster, user, Origin::Kubeconfig, programs)
    }

    /// The contexts and where they lead, in the order of the file.
    pub(super) fn listed(&self) -> Vec<(String, String)> {
        let server = |context: &Context| {
            let cluster = self.config.clusters.iter().find(|named| named.name == context.cluster);
            cluster.and_then(|named| named.cluster.as_ref()?.server.clone()).unwrap_or_default()
        };
        let contexts = self.config.contexts.iter();
        contexts.map(|named| (named.name.clone(), named.context.as_ref().map(server).unwrap_or_default())).collect()
    }

    /// The contexts that go to a server.
    pub(super) fn contexts_to(&self, server: &str) -> Vec<&str> {
        let goes_there = |context: &Context| {
            let cluster = self.config.clusters.iter().find(|named| named.name == context.cluster);
            let url = cluster.and_then(|named| named.cluster.as_ref()?.server.as_deref());
            url.is_some_and(|url| url.trim_end_matches('/') == server)
        };
        let contexts = self.config.contexts.iter();
        contexts
            .filter(|named| named.context.as_ref().is_some_and(goes_there))
            .map(|named| named.name.as_str())
            .collect()
    }
}

fn default_name() -> String {
    let named = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.map_or_else(|| "~/.kube/config".to_owned(), |path| path.display().to_string())
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Errors of a kubeconfig without what is written in it.
fn config_message(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!("it is no kubeconfig (line {}, column {})", at.line(), at.column()),
            None => "it is no kubeconfig".to_owned(),
        },
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        error => error.to_string(),
    }
}

/// Errors of credentials without their values: what programs print and what files hold stays unsaid.
pub(super) fn auth_message(error: &AuthError) -> String {
    match error {
        AuthError::InvalidBasicAuth(_) => "user name or password hold characters that cannot be sent".to_owned(),
        AuthError::InvalidBearerToken(_) => "the token holds characters that cannot be sent".to_owned(),
        AuthError::ReadTokenFile(error, path) => format!("the token file `{}` cannot be read: {error}", path.display()),
        _ => "the credentials cannot be used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_of_the_environment() {
        let ask = |host: &str, exempt: &str| {
            let exempt = exempt.to_owned();
            environment_proxy(host, move |name| match name {
                "https_proxy" => Some("http://proxy:3128".to_owned()),
                "NO_PROXY" => Some(exempt.clone()),
                _ => None,
            })
            .is_some()
        };
        assert!(ask("api.example.com", ""));
        assert!(ask("api.example.com", "ample.com, other.org"));
        assert!(!ask("api.example.com", "other.org, .example.com"));
        assert!(!ask("example.com", "example.com"));
        assert!(!ask("anything", "*"));
        assert!(!ask("10.1.2.3", "10.0.0.0/8"));
        assert!(ask("11.1.2.3", "10.0.0.0/8"));
        assert!(!ask("[fd00::1]", "fd00::/8"));
        assert!(!ask("8.8.8.8", "0.0.0.0/0"));
        assert_eq!(environment_proxy("a", |_| None), None);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let cluster = kube::config::Cluster { server: Some("https://c:6443".to_owned()), ..Default::default() };
        let user = AuthInfo { token: Some("hush".into()), username: Some("hush".to_owned()), ..AuthInfo::default() };
        let access = Access::new(cluster, user, Origin::Kubeconfig, &Programs::default()).unwrap();
        assert!(!format!("{access:?}").contains("hush"));
    }
}
