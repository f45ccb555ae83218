//! Where the login of a cluster is kept, and what the fleet's own files say of it: the two places that joining and leaving write.
//!
//! A login goes to a management cluster or into a kubeconfig that the user names (mode 0600). A file that git would commit, or that lies in
//! the fleet's folder, is refused unless the user insists. The fleet's files are edited in place, and put back when the fleet does not read
//! what was meant.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use fleetc::bundle::encode_name;
use fleetc::cluster::ClusterOrigin;
use fleetc::diag::{Cause, Diagnostic};
use fleetc::host::cluster::{ClusterConnection, ConnectOptions, Driver, Programs, Timeouts, by_config, target};
use fleetc::host::ignored::{Whereabouts, whereabouts};
use fleetc::join::{Login, Registration, account, secret, stub};
use fleetc::read::Fleet;
use fleetc::span::Span;

use super::add::login_of;
use super::on;
use crate::cli::args::LoginArgs;
use crate::cli::session::{Session, write_file};

impl LoginArgs {
    /// The same without a fleet: the namespaces of its instances are not known then.
    pub(super) fn options_alone(&self) -> ConnectOptions {
        self.options(&Fleet::default())
    }

    /// How clusters are reached with these.
    pub(super) fn options(&self, fleet: &Fleet) -> ConnectOptions {
        let namespaces = fleet.instances.iter().map(|(name, instance)| (name.clone(), instance.namespace.clone()));
        ConnectOptions {
            kubeconfig: self.kubeconfig.clone(),
            management: self.management_context.clone(),
            namespaces: namespaces.collect(),
            programs: Programs::named(&self.allow_exec),
            timeouts: Timeouts::default(),
            ..ConnectOptions::default()
        }
    }
}

/// Where a login is kept.
pub(super) enum Keep {
    /// In the Argo CD of the cluster at a context, in this namespace.
    Management(String, String),
    /// In a kubeconfig.
    File(PathBuf),
}

impl std::fmt::Display for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Keep::Management(context, namespace) => {
                write!(f, "a Secret in namespace {namespace} of the cluster at context {context}")
            }
            Keep::File(file) => write!(f, "{}", file.display()),
        }
    }
}

impl Keep {
    /// Where the arguments say.
    ///
    /// # Errors
    /// They say nothing, both, or a file that would be committed.
    pub(super) fn of(
        args: &LoginArgs,
        session: &Session,
        fleet: &Fleet,
        instance: &str,
    ) -> Result<Keep, Box<Diagnostic>> {
        let usage = |message: String| Diagnostic::error("cluster/login-place", Span::NONE, message).cause(Cause::Usage);
        match (&args.management_context, &args.credentials) {
            (Some(context), None) => {
                let namespace = fleet.instances.get(instance).map(|instance| instance.namespace.clone());
                let namespace = namespace.filter(|namespace| !namespace.is_empty());
                Ok(Keep::Management(context.clone(), namespace.unwrap_or_else(|| "argocd".to_owned())))
            }
            (None, Some(file)) => {
                let parent = std::path::absolute(file).ok().and_then(|file| Some(file.parent()?.to_owned()));
                if !parent.is_some_and(|parent| parent.is_dir()) {
                    return Err(Box::new(usage(format!("the folder of `{}` is not there", file.display()))));
                }
                let folder = session.world.folder();
                // A fleet in a folder that git ignores as a whole is none of git's business.
                let outside = whereabouts(&folder.join("fleet.yaml")) != Whereabouts::Committed;
                let below = || is_below(file, folder).then_some("it lies in the fleet's folder");
                let inside = match whereabouts(file) {
                    Whereabouts::Ignored if outside => below(),
                    Whereabouts::Ignored => None,
                    Whereabouts::Committed => Some("git would commit it"),
                    Whereabouts::Outside => below(),
                };
                match inside {
                    Some(why) if !args.credentials_in_tree => {
                        let message = format!("the login does not go into `{}`: {why}", file.display());
                        let hint =
                            "name a file elsewhere or one that a .gitignore names; `--credentials-in-tree` insists";
                        Err(Box::new(usage(message).hint(hint)))
                    }
                    _ => Ok(Keep::File(file.clone())),
                }
            }
            (Some(_), Some(_)) => Err(Box::new(usage(
                "the login is kept in one place: `--management-context` or `--credentials`".to_owned(),
            ))),
            (None, None) => {
                let error = usage("nothing says where the login of the cluster is kept".to_owned());
                let error = error.hint("`--management-context CONTEXT`: as a Secret of the Argo CD there");
                Err(Box::new(error.hint("`--credentials FILE`: in a kubeconfig, which is made or added to")))
            }
        }
    }

    /// Keeps a login. `over` lets it take the place of another cluster's.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn store(
        &self,
        driver: &Driver,
        options: &ConnectOptions,
        cluster: &Registration,
        login: &Login,
        over: bool,
    ) -> Result<&'static str, Box<Diagnostic>> {
        let wrong = |why: String, cause| {
            let message = format!("the login cannot be kept in {self}: {why}");
            let error = Diagnostic::error("cluster/login-place", Span::NONE, message).cause(cause);
            Box::new(error.hint("the service account and its token are made; run this again when that is corrected"))
        };
        match self {
            Keep::Management(context, namespace) => {
                let management = target(options, context)?;
                let secret = cluster.secret(namespace, Some(login)).map_err(|why| wrong(why, Cause::Usage))?;
                on(driver, &management.connection, |port| async move { account::store(&port, &secret, over).await })
                    .map_err(|why| wrong(why, Cause::Cluster))
            }
            Keep::File(file) => {
                let before = match std::fs::read_to_string(file) {
                    Ok(text) => text,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
                    Err(error) => return Err(wrong(error.to_string(), Cause::Usage)),
                };
                let after = cluster.kubeconfig(&before, login).map_err(|why| wrong(why, Cause::Usage))?;
                write_private(file, &after).map_err(|error| wrong(error.to_string(), Cause::Usage))?;
                Ok(if before.is_empty() { "created" } else { "changed" })
            }
        }
    }

    /// A connection with the login that is kept for a cluster.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub(super) fn login(
        &self,
        driver: &Driver,
        options: &ConnectOptions,
        name: &str,
        server: &str,
    ) -> Result<ClusterConnection, Box<Diagnostic>> {
        match self {
            Keep::File(file) => {
                let options = ConnectOptions { kubeconfig: Some(file.clone()), ..options.clone() };
                Ok(target(&options, name)?.connection)
            }
            Keep::Management(context, namespace) => {
                let management = target(options, context)?;
                let secret = find_secret(driver, &management.connection, namespace, server)
                    .map_err(|why| self.wrong("read", &why, Cause::Cluster))?;
                let config = account::value(&secret, "config").unwrap_or_default();
                by_config(server, &config, &options.programs, options.timeouts)
            }
        }
    }

    /// Puts a new token in the place of the one that is kept, after it was tried: it must be the user's.
    ///
    /// # Errors
    /// It does not work, or cannot be written.
    pub(super) fn renew(
        &self,
        driver: &Driver,
        options: &ConnectOptions,
        name: &str,
        token: &str,
        user: &str,
    ) -> Result<(), Box<Diagnostic>> {
        let try_it = |server: &str, config: &str| {
            let connection = by_config(server, config, &options.programs, options.timeouts)?;
            match login_of(driver, &connection) {
                Ok(is) if is == user => Ok(()),
                Ok(is) => Err(self.wrong("renewed", &format!("the new token is `{is}`, not `{user}`"), Cause::Cluster)),
                Err(why) => Err(self.wrong("renewed", &format!("the new token does not work: {why}"), Cause::Cluster)),
            }
        };
        match self {
            Keep::File(file) => {
                let at = ConnectOptions { kubeconfig: Some(file.clone()), ..options.clone() };
                let kept = target(&at, name)?;
                let login = Login::Token(token.to_owned());
                try_it(&kept.server, &secret::config(&kept.trust, &login).to_string())?;
                let before = std::fs::read_to_string(file)
                    .map_err(|error| self.wrong("renewed", &error.to_string(), Cause::Usage))?;
                let after = secret::with_token(&before, name, token)
                    .map_err(|why| self.wrong("renewed", &why, Cause::Usage))?;
                write_private(file, &after).map_err(|error| self.wrong("renewed", &error.to_string(), Cause::Usage))
            }
            Keep::Management(context, namespace) => {
                let management = target(options, context)?;
                let failed = |why: String| self.wrong("renewed", &why, Cause::Cluster);
                let namespace = namespace.clone();
                let secrets = on(driver, &management.connection, |port| async move {
                    account::cluster_secrets(&port, &namespace).await
                });
                let named = |live: &&serde_json::Value| account::value(live, "name").as_deref() == Some(name);
                let secrets = secrets.map_err(failed)?;
                let live =
                    secrets.iter().find(named).ok_or_else(|| failed(format!("no Secret there is of `{name}`")))?;
                let config = account::value(live, "config").unwrap_or_default();
                let mut config: serde_json::Value = serde_json::from_str(&config)
                    .map_err(|_| failed("the `config` of its Secret is no JSON".to_owned()))?;
                if let Some(fields) = config.as_object_mut() {
                    fields.insert("bearerToken".to_owned(), token.into());
                }
                let config = config.to_string();
                try_it(&account::value(live, "server").unwrap_or_default(), &config)?;
                let live = live.clone();
                on(
                    driver,
                    &management.connection,
                    |port| async move { account::set_config(&port, &live, &config).await },
                )
                .map_err(failed)
            }
        }
    }

    fn wrong(&self, what: &str, why: &str, cause: Cause) -> Box<Diagnostic> {
        let message = format!("the login in {self} cannot be {what}: {why}");
        Box::new(Diagnostic::error("cluster/login-place", Span::NONE, message).cause(cause))
    }

    /// What a person does next with it.
    pub(super) fn next(&self, name: &str) -> String {
        match self {
            Keep::Management(context, _) => format!("`--management-context {context}` reaches it from now on\n"),
            Keep::File(file) => {
                format!("`--kubeconfig {} --context {name}={name}` reaches it from now on\n", file.display())
            }
        }
    }

    /// Takes the login of a cluster away. Says what was done.
    ///
    /// # Errors
    /// It cannot be written, or what is there is not ours to take away.
    pub(super) fn forget(
        &self,
        driver: &Driver,
        options: &ConnectOptions,
        name: &str,
        server: &str,
    ) -> Result<&'static str, Box<Diagnostic>> {
        let wrong = |why: String, cause| {
            let message = format!("the login cannot be taken out of {self}: {why}");
            Box::new(Diagnostic::error("cluster/login-place", Span::NONE, message).cause(cause))
        };
        match self {
            Keep::Management(context, namespace) => {
                let management = target(options, context)?;
                let live = find_secret(driver, &management.connection, namespace, server)
                    .map_err(|why| wrong(why, Cause::Cluster))?;
                let removed =
                    on(driver, &management.connection, |port| async move { account::delete_read(&port, &live).await });
                removed.map_err(|why| wrong(why, Cause::Cluster)).map(|_| "deleted")
            }
            Keep::File(file) => {
                let before = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string(), Cause::Usage))?;
                let after = secret::without_context(&before, name).map_err(|why| wrong(why, Cause::Usage))?;
                write_private(file, &after).map_err(|error| wrong(error.to_string(), Cause::Usage))?;
                Ok("taken out")
            }
        }
    }
}

/// The Secret by which an Argo CD knows a server.
fn find_secret(
    driver: &Driver,
    management: &ClusterConnection,
    namespace: &str,
    server: &str,
) -> Result<serde_json::Value, String> {
    let (namespace, server) = (namespace.to_owned(), server.trim_end_matches('/').to_owned());
    on(driver, management, |port| async move {
        let secrets = account::cluster_secrets(&port, &namespace).await?;
        let of = |secret: &serde_json::Value| account::value(secret, "server").unwrap_or_default();
        let found = secrets.into_iter().find(|secret| of(secret).trim_end_matches('/') == server);
        found.ok_or_else(|| format!("no cluster Secret in namespace `{namespace}` is of {server}"))
    })
}

fn is_below(file: &Path, folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    let parent = std::path::absolute(file).ok().and_then(|file| real(file.parent()?));
    parent.zip(real(folder)).is_some_and(|(parent, folder)| parent.starts_with(folder))
}

/// Writes a file as a whole, for its owner alone.
fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = file.with_file_name(name);
    let _ = std::fs::remove_file(&beside);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut opened = options.open(&beside)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()?;
    std::fs::rename(&beside, file)
}

/// One file of the fleet as it is and as it is to be; `None` for no file.
pub(super) struct Edit {
    path: PathBuf,
    before: Option<String>,
    after: Option<String>,
}

impl Edit {
    /// Enters a cluster: into the named file, or where the fleet's other clusters are.
    ///
    /// # Errors
    /// The file cannot be edited in place.
    pub(super) fn entering(
        file: Option<&Path>,
        session: &Session,
        fleet: &Fleet,
        cluster: &Registration,
        instance: &str,
    ) -> Result<Edit, Box<Diagnostic>> {
        let path = file.map_or_else(|| usual_place(session, fleet, &cluster.name, instance), Path::to_owned);
        let wrong = |why: String| {
            let message = format!("`{}` cannot take in the cluster: {why}", path.display());
            Box::new(
                Diagnostic::error("cluster/stub", Span::NONE, message)
                    .cause(Cause::Usage)
                    .hint("`--stub FILE` names another file"),
            )
        };
        let before = read(&path).map_err(|error| wrong(error.to_string()))?;
        let text = before.clone().unwrap_or_default();
        let is_configuration = ["fleet.yaml", "fleet.yml"]
            .into_iter()
            .any(|name| std::path::absolute(&path).ok() == std::path::absolute(session.world.folder().join(name)).ok());
        let after = if is_configuration {
            stub::enter(&text, cluster)
        } else {
            let namespace = fleet.instances.get(instance).map(|instance| instance.namespace.clone());
            let namespace = namespace.filter(|namespace| !namespace.is_empty());
            stub::document(cluster, namespace.as_deref().unwrap_or("argocd"))
                .map(|document| stub::append(&text, &document))
        };
        Ok(Edit { after: Some(after.map_err(wrong)?), path, before })
    }

    /// Another text for a file.
    pub(super) fn new(path: PathBuf, before: String, after: Option<String>) -> Edit {
        Edit { path, before: Some(before), after }
    }

    /// The file, for people.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The text that it gets.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Writes it. `check` reads the fleet again; where it finds fault, all is as it was.
    ///
    /// # Errors
    /// It cannot be written, or what the check says.
    pub(super) fn write(&self, check: &dyn Fn() -> Result<(), String>) -> Result<(), String> {
        let put = |text: Option<&str>| match text {
            Some(text) => {
                if let Some(folder) = self.path.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                write_file(&self.path, text)
            }
            None => std::fs::remove_file(&self.path),
        };
        if read(&self.path).map_err(|error| error.to_string())? != self.before {
            return Err(format!("{} was changed meanwhile", self.shown()));
        }
        put(self.after.as_deref()).map_err(|error| format!("{}: {error}", self.shown()))?;
        check().map_err(|why| match put(self.before.as_deref()) {
            Ok(()) => format!("{why}; {} is as it was", self.shown()),
            Err(error) => format!("{why}; and {} could not be put back: {error}", self.shown()),
        })
    }
}

fn read(path: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a fleet has its clusters: fleet.yaml, a file with several, or a folder with one each.
fn usual_place(session: &Session, fleet: &Fleet, name: &str, instance: &str) -> PathBuf {
    let folder = session.world.folder();
    let configuration =
        ["fleet.yaml", "fleet.yml"].into_iter().map(|name| folder.join(name)).find(|file| file.is_file());
    let declared = |origin: &dyn Fn(ClusterOrigin) -> bool| {
        let clusters = fleet.clusters.iter().filter(|cluster| cluster.instance == instance && origin(cluster.origin));
        clusters
            .filter_map(|cluster| session.on_disk(&*session.world.sources().get(cluster.span.file)?))
            .collect::<Vec<_>>()
    };
    if let (Some(file), false) = (&configuration, declared(&|origin| origin == ClusterOrigin::Fleet).is_empty()) {
        return file.clone();
    }
    let files = declared(&|origin| matches!(origin, ClusterOrigin::Secret | ClusterOrigin::Stub));
    if let Some(file) = files.last() {
        let together = files.iter().filter(|other| *other == file).count() > 1;
        let listed = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
        let is_listed = listed.into_iter().any(|name| file.with_file_name(name).is_file());
        return if together || is_listed {
            file.clone()
        } else {
            file.with_file_name(format!("{}.yaml", encode_name(name)))
        };
    }
    configuration.unwrap_or_else(|| folder.join("clusters").join(format!("{}.yaml", encode_name(name))))
}
