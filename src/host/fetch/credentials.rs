//! Who we are where sources lie: logins, keys, certificates and proxies, by the place that they are for.
//!
//! They come, the first that knows the place counting, from the URL itself, `FLEETC_LOGINS`, the repository and repo-creds Secrets of
//! Argo CD (of a cluster before those of files), the logins of docker (registries only) and netrc. Whatever they say in their place, a login is for one scheme, host and port and
//! is sent nowhere else; where Argo CD compares prefixes of text only, `https://git.example.com` would answer
//! `https://git.example.com.evil.org` too. A program that knows logins (docker's helpers) is never started, and the `default` of netrc,
//! which would answer every host, does not count. No value gets into `Debug` output or a message.
//!
//! Rules of Argo CD `util/db/repository_secrets.go`: a repository Secret by equal URL, then, where that has no credentials, the
//! repo-creds Secret with the longest URL that the repository's begins with. A Secret of a project answers where no other does.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Fault;
use super::place::Place;
use crate::source::without_credentials;
use crate::span::FileId;
use crate::yaml::{Map, Node, json};

/// Text that is shown to nobody.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hidden(String);

impl Hidden {
    /// The text. Whoever asks takes care that it gets into nothing that people read.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Hidden(text)
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "hidden" })
    }
}

/// What is said to a server to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Name and password.
    Basic {
        /// The name; git over ssh has it in the URL.
        user: String,
        /// The password or a token in its place.
        password: Hidden,
    },
    /// A token.
    Bearer(Hidden),
    /// A token of a registry that only buys other tokens (docker's `identitytoken`).
    Identity(Hidden),
}

/// How a source is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Who we are.
    pub login: Option<Login>,
    /// Whether name and password are sent before the server asks (`forceHttpBasicAuth`).
    pub basic_first: bool,
    /// A private key for ssh, where not the agent's is to be used.
    pub ssh_key: Option<Hidden>,
    /// A certificate and its key, PEM.
    pub client: Option<(Hidden, Hidden)>,
    /// The only authorities that count for the host, PEM; none for those of the machine.
    pub authorities: Option<String>,
    /// Whether nothing is checked of the server (`insecure`).
    pub insecure: bool,
    /// The proxy of the repository; none for those of the environment.
    pub proxy: Option<Hidden>,
    /// Hosts that are reached without it.
    pub no_proxy: String,
    /// Whether the repository is a registry (`enableOCI`).
    pub oci: bool,
    /// Whether the registry speaks plain HTTP (`insecureOCIForceHttp`).
    pub plain_http: bool,
    /// Whether large files of git are fetched (`enableLfs`).
    pub lfs: bool,
    /// Where the login comes from, for people.
    pub origin: String,
}

/// A Secret of Argo CD.
#[derive(Clone, Debug)]
struct Entry {
    place: Place,
    name: String,
    url: String,
    project: String,
    access: Access,
    /// Whether it is of a cluster, not of a file that may come with a pull request.
    trusted: bool,
    /// Why it cannot be used.
    broken: Option<Fault>,
}

impl Entry {
    fn has_credentials(&self) -> bool {
        let access = &self.access;
        access.login.is_some() || access.ssh_key.is_some() || access.client.is_some() || self.broken.is_some()
    }
}

/// All credentials of a run.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    environment: Vec<(Place, Login)>,
    repositories: Vec<Entry>,
    templates: Vec<Entry>,
    docker: BTreeMap<String, Login>,
    /// Registries whose logins only a program knows.
    helpers: Vec<String>,
    netrc: Vec<(String, Login)>,
    authorities: BTreeMap<String, String>,
    known_hosts: String,
    /// Why none of them can be used.
    broken: Option<Fault>,
}

/// The label that tells what a Secret is to Argo CD.
const SECRET_TYPE: &str = "argocd.argoproj.io/secret-type";

/// Ways to log in that Argo CD has and we have not, by a key of their Secrets.
const UNSUPPORTED: [(&str, &str); 4] = [
    ("githubAppPrivateKey", "as a GitHub App"),
    ("githubAppID", "as a GitHub App"),
    ("gcpServiceAccountKey", "with a Google service account"),
    ("useAzureWorkloadIdentity", "with an Azure workload identity"),
];

impl Credentials {
    /// Those of this machine's user: `FLEETC_LOGINS`, docker's file and netrc.
    ///
    /// # Errors
    /// `FLEETC_LOGINS` cannot be read: whoever sets it wants it to count.
    pub fn of_machine() -> Result<Self, Fault> {
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = || environment("HOME").or_else(|| environment("USERPROFILE")).map(PathBuf::from);
        let read = |path: Option<PathBuf>| path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let mut all = Credentials::default();
        all.add_logins(&environment("FLEETC_LOGINS").unwrap_or_default())?;
        let docker = environment("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(home()?.join(".docker")));
        all.add_docker(&read(docker.map(|folder| folder.join("config.json"))));
        let netrc = environment("NETRC").map(PathBuf::from).or_else(|| Some(home()?.join(".netrc")));
        all.add_netrc(&read(netrc));
        Ok(all)
    }

    /// None, for a reason that everybody hears who asks.
    pub(super) fn broken(fault: Fault) -> Self {
        Credentials { broken: Some(fault), ..Credentials::default() }
    }

    /// Adds logins as git's `store` helper writes them: URLs with name and password, divided by spaces or lines. Without a name it is a
    /// token. What stands behind the host limits it to what lies there.
    ///
    /// # Errors
    /// One is no such URL.
    pub fn add_logins(&mut self, text: &str) -> Result<(), Fault> {
        for (index, url) in text.split_whitespace().enumerate() {
            let login = Place::of(url).zip(login_in(url));
            self.environment.push(login.ok_or_else(|| {
                Fault::lasting(format!("login {} of FLEETC_LOGINS is no URL with a password", index + 1))
                    .hint("write each as `https://USER:PASSWORD@HOST/`, or `https://:TOKEN@HOST/`; encode `@`, `:` and `/` in them as %40, %3A, %2F")
            })?);
        }
        // The narrowest first.
        self.environment.sort_by_key(|(place, _)| std::cmp::Reverse(place.text().len()));
        Ok(())
    }

    /// Adds an object of Argo CD: a repository or repo-creds Secret, or the ConfigMap of its authorities or of known ssh hosts. All others
    /// are left aside. `origin` is where it was found, for people.
    pub fn add(&mut self, object: &Node, origin: &str) {
        self.add_object(object, origin, false);
    }

    /// The same of an object of a cluster: it counts before those of files, and its login is not sent where only a file asks for a proxy, plain
    /// HTTP or an unchecked server.
    pub(super) fn add_trusted(&mut self, object: &Node, origin: &str) {
        self.add_object(object, origin, true);
    }

    fn add_object(&mut self, object: &Node, origin: &str, trusted: bool) {
        let text = |path: &[&str]| object.at(path).and_then(Node::text).unwrap_or_default();
        match (text(&["kind"]), text(&["metadata", "name"])) {
            ("ConfigMap", "argocd-tls-certs-cm") => {
                let map = object.get("data").and_then(Node::as_map);
                let pairs = map.into_iter().flat_map(Map::iter);
                let pairs = pairs.filter_map(|(host, pem)| Some((host.text()?.to_lowercase(), pem.text()?.to_owned())));
                self.authorities.extend(pairs);
            }
            ("ConfigMap", "argocd-ssh-known-hosts-cm") => {
                self.known_hosts.push_str(text(&["data", "ssh_known_hosts"]));
                self.known_hosts.push('\n');
            }
            ("Secret", name) => {
                let (list, is_template) = match text(&["metadata", "labels", SECRET_TYPE]) {
                    "repository" => (&mut self.repositories, false),
                    "repo-creds" => (&mut self.templates, true),
                    _ => return,
                };
                let (entry, shown) = (Secret { object, broken: None }, format!("the Secret `{name}` in {origin}"));
                if let Some(entry) = entry.read(&shown) {
                    list.push(Entry { trusted, ..entry });
                }
                if is_template {
                    // Of equally long ones Argo CD takes the first.
                    list.sort_by_key(|entry| std::cmp::Reverse((entry.place.text().len(), entry.trusted)));
                }
            }
            _ => {}
        }
    }

    /// Adds the logins of docker's config.json. One that cannot be read has none: docker complains of it itself.
    pub fn add_docker(&mut self, text: &str) {
        let Ok(root) = json::parse(FileId::NONE, text.as_bytes()) else { return };
        let pairs = |key: &str| root.get(key).and_then(Node::as_map).into_iter().flat_map(Map::iter);
        for (registry, entry) in pairs("auths") {
            let Some(registry) = registry.text().map(docker_registry) else { continue };
            let field = |key: &str| entry.get(key).and_then(Node::text).filter(|value| !value.is_empty());
            let packed = || {
                let bytes = STANDARD.decode(field("auth")?.trim()).ok()?;
                let text = String::from_utf8(bytes).ok()?;
                let (user, password) = text.split_once(':')?;
                Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
            };
            let plain = || Some((field("username")?.to_owned(), field("password")?.to_owned()));
            let hidden = |text: &str| Hidden(text.to_owned());
            let login = field("identitytoken").map(|token| Login::Identity(hidden(token)));
            let login = login.or_else(|| field("registrytoken").map(|token| Login::Bearer(hidden(token))));
            let basic =
                || packed().or_else(plain).map(|(user, password)| Login::Basic { user, password: Hidden(password) });
            match login.or_else(basic) {
                Some(login) => drop(self.docker.insert(registry, login)),
                // Written for every registry whose login is in the store of a helper.
                None => self.helpers.push(registry),
            }
        }
        self.helpers.extend(pairs("credHelpers").filter_map(|(registry, _)| registry.text()).map(docker_registry));
    }

    /// Adds the machines of a netrc file. Macros and `default` do not count.
    pub fn add_netrc(&mut self, text: &str) {
        let mut machine: Option<(String, String, String)> = None;
        let mut lines = text.lines().peekable();
        // The word whose value comes next, perhaps on another line.
        let mut key = "";
        while let Some(line) = lines.next() {
            let line = if line.trim_start().starts_with('#') { "" } else { line };
            for word in line.split_whitespace() {
                match (std::mem::take(&mut key), &mut machine) {
                    ("machine", _) => {
                        self.add_machine(machine.take());
                        machine = Some((word.to_lowercase(), String::new(), String::new()));
                    }
                    ("login", Some((_, user, _))) => word.clone_into(user),
                    ("password", Some((_, _, password))) => word.clone_into(password),
                    ("login" | "password" | "account", _) => {}
                    ("macdef", _) => {
                        // Up to an empty line.
                        while lines.next_if(|line| !line.trim().is_empty()).is_some() {}
                        break;
                    }
                    _ if word == "default" => self.add_machine(machine.take()),
                    _ => key = word,
                }
            }
        }
        self.add_machine(machine);
    }

    fn add_machine(&mut self, machine: Option<(String, String, String)>) {
        if let Some((host, user, password)) = machine.filter(|(_, _, password)| !password.is_empty()) {
            self.netrc.push((host, Login::Basic { user, password: Hidden(password) }));
        }
    }

    /// How a source is reached.
    ///
    /// # Errors
    /// What is known of it cannot be used: a broken Secret, or a way to log in that we have not.
    pub fn access(&self, url: &str) -> Result<Access, Fault> {
        if let Some(fault) = &self.broken {
            return Err(fault.clone());
        }
        let Some(place) = Place::of(url) else { return Ok(Access::default()) };
        let all = self.repositories.iter().filter(|entry| entry.place == place);
        // Those of a cluster before those of files, and then those of no project before the others.
        let entry = all.min_by_key(|entry| (!entry.trusted, !entry.project.is_empty()));
        let mut access = entry.map(|entry| entry.access.clone()).unwrap_or_default();
        let mut broken = entry.and_then(|entry| entry.broken.clone());
        if !entry.is_some_and(Entry::has_credentials)
            && let Some(template) = self.templates.iter().find(|template| place.lies_in(&template.place))
        {
            broken = broken.or_else(|| template.broken.clone());
            // Who may change the fleet's files must not learn what the cluster knows.
            if template.trusted
                && entry.is_some_and(|entry| !entry.trusted)
                && let Some(how) = weakened(&access)
            {
                return Err(unsafe_with(&access, how, &template.access.origin));
            }
            inherit(&mut access, &template.access);
        }
        if access.authorities.is_none() {
            access.authorities = self.authorities.get(place.host()).cloned();
        }
        if let Some(login) = login_in(url) {
            (access.login, access.origin) = (Some(login), "the URL".to_owned());
            return Ok(access);
        }
        // Who may change the fleet's files must not learn what the machine knows.
        let weakened = weakened(&access);
        if let Some((_, login)) = self.environment.iter().find(|(known, _)| place.lies_in(known)) {
            if let Some(how) = weakened {
                return Err(unsafe_with(&access, how, "FLEETC_LOGINS"));
            }
            (access.login, access.origin) = (Some(login.clone()), "FLEETC_LOGINS".to_owned());
        } else if let Some(broken) = broken {
            return Err(broken);
        } else if access.login.is_none() && access.client.is_none() && access.ssh_key.is_none() && weakened.is_none() {
            let docker = || Some((self.docker_login(&place)?.clone(), "docker's config.json"));
            if let Some((login, origin)) = docker().or_else(|| Some((self.machine(&place)?.clone(), "netrc"))) {
                (access.login, access.origin) = (Some(login), origin.to_owned());
            }
        }
        Ok(access)
    }

    /// The URL of the repository with this name, as Chart.yaml may name it.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.repositories.iter().find(|entry| entry.name == name).map(|entry| entry.url.as_str())
    }

    fn docker_login(&self, place: &Place) -> Option<&Login> {
        let (authority, path) = place.registry()?;
        let mut path = path.trim_matches('/');
        loop {
            let key = if path.is_empty() { authority.clone() } else { format!("{authority}/{path}") };
            if let Some(login) = self.docker.get(&key) {
                return Some(login);
            }
            path = match path.rsplit_once('/') {
                Some((above, _)) => above,
                None if path.is_empty() => return None,
                None => "",
            };
        }
    }

    fn machine(&self, place: &Place) -> Option<&Login> {
        let wanted = place.secure_authority()?;
        self.netrc.iter().find(|(machine, _)| *machine == wanted).map(|(_, login)| login)
    }

    /// What may help where a server wants another login.
    pub fn advice(&self, url: &str, access: &Access) -> String {
        if access.login.is_some() {
            return format!("look at the login from {}", access.origin);
        }
        let host = Place::of(url).map_or_else(|| "HOST".to_owned(), |place| place.authority());
        if self.helpers.contains(&docker_registry(&host)) {
            return format!(
                "docker keeps the login of {host} in a credential helper, which is not run; set FLEETC_LOGINS to `https://USER:PASSWORD@{host}/`"
            );
        }
        format!(
            "give a login: a repository or repo-creds Secret of Argo CD for `{}`, netrc, or FLEETC_LOGINS=`https://USER:PASSWORD@{host}/`",
            without_credentials(url)
        )
    }

    /// The known_hosts of Argo CD's ConfigMap; empty where there is none.
    pub fn known_hosts(&self) -> &str {
        self.known_hosts.trim()
    }
}

/// What lets others read what is sent.
fn weakened(access: &Access) -> Option<&'static str> {
    let ways =
        [(access.insecure, "`insecure`"), (access.proxy.is_some(), "a proxy"), (access.plain_http, "plain HTTP")];
    ways.into_iter().find(|(is, _)| *is).map(|(_, how)| how)
}

/// A login that is not shown, since a file of the fleet asks for what would let others read it.
fn unsafe_with(access: &Access, how: &str, login: &str) -> Fault {
    let text = format!("{} asks for {how}, which does not go with the login of {login}", access.origin);
    Fault::lasting(text)
        .hint("whoever may change that file could read it; give the login in the Secret, or remove that setting")
}

/// Takes over what a repository does not say itself (`CopyCredentialsFrom`).
fn inherit(access: &mut Access, from: &Access) {
    let own = std::mem::replace(access, from.clone());
    access.login = own.login.or(access.login.take());
    access.ssh_key = own.ssh_key.or(access.ssh_key.take());
    access.client = own.client.or(access.client.take());
    access.proxy = own.proxy.or(access.proxy.take());
    if !own.no_proxy.is_empty() {
        access.no_proxy = own.no_proxy;
    }
    access.insecure = own.insecure;
    access.oci |= own.oci;
    access.plain_http |= own.plain_http;
    access.lfs = own.lfs;
}

/// The name and password in a URL over HTTP. A name alone is a token in place of a name, as code hosts take it.
fn login_in(url: &str) -> Option<Login> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https" | "oci") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let plain =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    let (user, password) = (plain(user)?, plain(password)?);
    match (user.is_empty(), password.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Login::Bearer(Hidden(password))),
        (false, _) => Some(Login::Basic { user, password: Hidden(password) }),
    }
}

/// A registry as docker's file names it: `https://index.docker.io/v1/` is Docker Hub, whose registry has another name.
fn docker_registry(name: &str) -> String {
    let name = name.trim().trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let name = name.strip_suffix("/v1").or(name.strip_suffix("/v2")).unwrap_or(name).to_lowercase();
    match name.as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        _ => name,
    }
}

/// A Secret while it is read.
struct Secret<'a> {
    object: &'a Node,
    broken: Option<&'static str>,
}

impl Secret<'_> {
    fn read(mut self, shown: &str) -> Option<Entry> {
        let place = Place::of(self.text("url").trim())?;
        let (user, password) = (self.text("username"), self.hidden("password"));
        let bearer = self.hidden("bearerToken");
        // Argo CD sends a token only where there is no name and no password.
        let login = match (user.is_empty() && password.is_empty(), bearer.is_empty()) {
            (false, _) => Some(Login::Basic { user, password }),
            (true, false) => Some(Login::Bearer(bearer)),
            (true, true) => None,
        };
        let filled = |value: Hidden| Some(value).filter(|value| !value.is_empty());
        let (certificate, key) = (self.hidden("tlsClientCertData"), self.hidden("tlsClientCertKey"));
        let access = Access {
            login,
            basic_first: self.flag("forceHttpBasicAuth"),
            ssh_key: filled(self.hidden("sshPrivateKey")),
            client: filled(certificate).zip(filled(key)),
            authorities: None,
            insecure: self.flag("insecure") || self.flag("insecureIgnoreHostKey"),
            proxy: filled(self.hidden("proxy")),
            no_proxy: self.text("noProxy"),
            oci: self.flag("enableOCI") || self.text("type") == "oci",
            plain_http: self.flag("insecureOCIForceHttp"),
            lfs: self.flag("enableLfs"),
            origin: shown.to_owned(),
        };
        let unsupported = UNSUPPORTED.iter().find(|(key, _)| !matches!(self.text(key).as_str(), "" | "false"));
        let url = without_credentials(&self.text("url"));
        let broken = match (self.broken, unsupported) {
            (Some(key), _) => Some(
                Fault::lasting(format!("{shown} cannot be read: `data.{key}` is no text in base64"))
                    .hint("write it under `stringData`, or encode it"),
            ),
            (None, Some((_, how))) => Some(
                Fault::lasting(format!("{shown} logs in {how}, which is not supported"))
                    .hint(format!("give a login for `{url}` in FLEETC_LOGINS, e.g. a token of that app")),
            ),
            (None, None) => None,
        };
        Some(Entry {
            place,
            name: self.text("name"),
            url: self.text("url").trim().to_owned(),
            project: self.text("project"),
            access,
            trusted: false,
            broken,
        })
    }

    /// `stringData`, else `data` in base64.
    fn text(&mut self, key: &'static str) -> String {
        if let Some(plain) = self.object.at(&["stringData", key]).and_then(Node::text) {
            return plain.to_owned();
        }
        let Some(packed) = self.object.at(&["data", key]).and_then(Node::text) else { return String::new() };
        let packed: String = packed.split_whitespace().collect();
        match STANDARD.decode(packed).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(text) => text,
            None => {
                self.broken.get_or_insert(key);
                String::new()
            }
        }
    }

    fn hidden(&mut self, key: &'static str) -> Hidden {
        Hidden(self.text(key))
    }

    /// Go's `strconv.ParseBool`.
    fn flag(&mut self, key: &'static str) -> bool {
        matches!(self.text(key).as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True")
    }
}
