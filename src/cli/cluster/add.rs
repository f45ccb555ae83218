//! `fleetc cluster add`: gives a cluster the service account that manages it, keeps its login where the user says, and enters it into the
//! fleet.
//!
//! Everything that can be wrong is found out before somebody is asked, and nothing is made before. The login is tried before it is kept; a
//! stub that the fleet does not read back is taken out again. Whoever runs it lends nothing of his own login to the cluster's.

use std::collections::BTreeMap;
use std::process::ExitCode;

use fleetc::api::Resource;
use fleetc::argo::cluster_name_problem;
use fleetc::bundle;
use fleetc::cluster::{Cluster, ClusterOrigin};
use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::discovery;
use fleetc::host::cluster::{ClusterConnection, ConnectOptions, Driver, Target, by_config, contexts, target};
use fleetc::join::account::{self, Issued, Standing};
use fleetc::join::rights::Needs;
use fleetc::join::{self, Account, Login, Registration, Rights, secret};
use fleetc::plan::DesiredSlice;
use fleetc::read::Fleet;
use fleetc::span::Span;
use fleetc::yaml::Node;
use serde_json::{Value, json};

use super::keep::{Edit, Keep};
use super::{asked, inventories, on, place, slices};
use crate::cli::args::ClusterAdd;
use crate::cli::assembly::Assembly;
use crate::cli::report::{self, plural};
use crate::cli::session::{Session, print_out};

/// Runs the command.
pub(super) fn run(args: &ClusterAdd) -> ExitCode {
    let (session, fleet, mut diagnostics, driver) = match super::open(&args.fleet) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    match Joining::prepare(args, &session, &fleet, &driver, &mut diagnostics) {
        Ok(joining) => joining.run(args, &session, &driver, diagnostics),
        Err(found) => {
            diagnostics.push(*found);
            session.refuse(diagnostics)
        }
    }
}

fn usage(code: &'static str, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(code, Span::NONE, message).cause(Cause::Usage))
}

/// A cluster that is about to join.
struct Joining {
    cluster: Registration,
    instance: String,
    context: String,
    target: Target,
    /// Who logs in without a token of ours.
    given: Option<Login>,
    account: Account,
    rights: Option<Rights>,
    /// The rights in words.
    words: String,
    /// What is made, and how it stands.
    objects: Vec<(Value, Standing)>,
    keep: Keep,
    /// What is written into the fleet; `None` where it is there.
    stub: Option<Edit>,
    options: ConnectOptions,
}

impl Joining {
    fn prepare(
        args: &ClusterAdd,
        session: &Session,
        fleet: &Fleet,
        driver: &Driver,
        diagnostics: &mut Diagnostics,
    ) -> Result<Joining, Box<Diagnostic>> {
        let Some(context) = args.context.clone() else { return Err(which_context(args)) };
        let instance = instance(args, fleet)?;
        let options = args.login.options(fleet);
        let keep = Keep::of(&args.login, session, fleet, &instance)?;
        let target = target(&options, &context)?;
        let name = args.name.clone().unwrap_or_else(|| context.clone());
        if let Some(problem) = cluster_name_problem(&name) {
            let unfit = usage("cluster/name", format!("the cluster name `{name}` {problem}"));
            return Err(Box::new(unfit.hint("`--name NAME` gives it another one than its context's")));
        }
        let cluster = Registration {
            name,
            server: target.server.clone(),
            labels: args.labels.iter().cloned().collect(),
            annotations: args.annotations.iter().cloned().collect(),
            project: args.project.clone(),
            namespaces: args.namespaces.clone(),
            cluster_resources: args.cluster_resources,
            trust: target.trust.clone(),
        };
        let stub = match known(&cluster, &instance, fleet)? {
            Some(there) => {
                let at = session.world.sources().locate(there.span).map(|at| format!(" ({at})")).unwrap_or_default();
                session.say(&format!("`{}` is in the fleet already{at}; what is written there stays", cluster.name));
                None
            }
            None => Some(Edit::entering(args.stub.as_deref(), session, fleet, &cluster, &instance)?),
        };
        let given = given(args);
        let own = args.service_account.clone();
        let account = Account {
            namespace: args.system_namespace.clone(),
            name: own.clone().unwrap_or_else(|| join::SERVICE_ACCOUNT.to_owned()),
        };
        let mut joining = Joining {
            cluster,
            instance,
            context,
            target,
            given,
            account,
            rights: None,
            words: String::new(),
            objects: Vec::new(),
            keep,
            stub,
            options,
        };
        if joining.given.is_none() && own.is_none() {
            joining.rights(args, session, fleet, driver, diagnostics)?;
            joining.survey(args, driver)?;
        }
        Ok(joining)
    }

    /// What the account may do.
    fn rights(
        &mut self,
        args: &ClusterAdd,
        session: &Session,
        fleet: &Fleet,
        driver: &Driver,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Box<Diagnostic>> {
        let inventories = inventories(fleet);
        let level = if args.namespaces.is_empty() { "cluster" } else { "namespace" };
        if !args.minimal {
            self.words = format!("full {level} level privileges");
            let full = args.namespaces.is_empty();
            self.rights = Some(if full { Rights::full() } else { Rights::within(&args.namespaces, &inventories) });
            return Ok(());
        }
        let progress = session.progress("asking the cluster what it serves");
        let asked = on(driver, &self.target.connection, |port| async move {
            Ok((discovery::version(&port).await?, discovery::catalogue(&port).await?))
        });
        progress.finish_and_clear();
        let (version, catalogue) = asked.map_err(|why| self.failed(&why))?;
        let facts = discovery::facts(&version, &catalogue);
        let cluster = Cluster {
            name: self.cluster.name.clone(),
            server: self.cluster.server.clone(),
            labels: self.cluster.labels.clone(),
            annotations: self.cluster.annotations.clone(),
            project: self.cluster.project.clone(),
            instance: self.instance.clone(),
            facts,
            object: self.cluster.name.clone(),
            origin: ClusterOrigin::Fleet,
            span: Span::NONE,
        };
        let needs = needs(args, cluster, self.stub.is_none(), &catalogue.resources, diagnostics)?;
        for kind in &needs.unknown {
            let message = format!("the cluster does not serve `{kind}`, and no definition of it is in the fleet");
            let warning = Diagnostic::warning("cluster/minimal", Span::NONE, message);
            diagnostics
                .push(warning.hint("no rights are given to it; run this again with `--upsert` when it is there"));
        }
        if needs.kinds.is_empty() {
            let message = "the fleet has nothing for a cluster with these labels, so no rights to any kind are given";
            diagnostics.push(Diagnostic::warning("cluster/minimal", Span::NONE, message));
        }
        self.words = format!("{level} level privileges for {}", plural(needs.kinds.len(), "kind"));
        if !needs.handed_out.is_empty() {
            self.words.push_str(&format!(
                " and what the roles of the fleet hand out ({})",
                plural(needs.handed_out.len(), "rule")
            ));
        }
        self.rights = Some(Rights::minimal(&needs, &args.namespaces, &inventories));
        Ok(())
    }

    /// How what is to be made stands.
    fn survey(&mut self, args: &ClusterAdd, driver: &Driver) -> Result<(), Box<Diagnostic>> {
        let Some(rights) = &self.rights else { return Ok(()) };
        let objects = join::objects(&self.account, rights);
        let asked = objects.clone();
        let standing = on(driver, &self.target.connection, |port| async move { account::survey(&port, &asked).await });
        let standing = standing.map_err(|why| self.failed(&why))?;
        self.objects = objects.into_iter().zip(standing).collect();
        let foreign = self.objects.iter().filter(|(_, standing)| *standing == Standing::Differs { ours: false });
        let foreign: Vec<String> = foreign.map(|(object, _)| join::title(object)).collect();
        if !foreign.is_empty() && !args.upsert {
            let message = format!("{}: it is there with other rights, and fleetc did not make it", foreign.join(", "));
            let mut error = self.failed(&message);
            error.hints.push("an Argo CD may be using it: `--upsert` changes it all the same".to_owned());
            return Err(error);
        }
        Ok(())
    }

    fn failed(&self, why: &str) -> Box<Diagnostic> {
        let message = format!("the cluster at context `{}`: {why}", self.context);
        Box::new(Diagnostic::error("cluster/add", Span::NONE, message).cause(Cause::Cluster))
    }

    fn run(self, args: &ClusterAdd, session: &Session, driver: &Driver, mut diagnostics: Diagnostics) -> ExitCode {
        session.print_findings(&mut diagnostics);
        self.show(args, session);
        if args.dry_run {
            return self.end(args, session, &diagnostics, Vec::new(), "nothing was made (--dry-run)");
        }
        if !args.yes {
            let question = asked("nothing was made", "`--yes` agrees, `--dry-run` only shows");
            if let Err(code) = question.put(session, &diagnostics) {
                return ExitCode::from(code);
            }
        }
        match self.carry_out(args, session, driver) {
            Ok(done) => {
                self.end(args, session, &diagnostics, done, &format!("Cluster '{}' added", self.cluster.server))
            }
            Err(error) => session.refuse((*error).into()),
        }
    }

    /// What is about to happen, for people.
    fn show(&self, args: &ClusterAdd, session: &Session) {
        let context = &self.context;
        match (&self.given, &args.service_account) {
            (Some(login), _) => {
                session.say(&format!("Nothing is made on the cluster: the login is by `{}`.", login.name()));
            }
            (None, Some(name)) => session.say(&format!(
                "This makes a long-lived token of the service account `{name}` on the cluster referenced by context `{context}`."
            )),
            (None, None) => session.say(&format!(
                "WARNING: This will create a service account `{}` on the cluster referenced by context `{context}` with {}.",
                self.account.name, self.words
            )),
        }
        for (object, standing) in &self.objects {
            let mark = match standing {
                Standing::Missing => "+ create   ",
                Standing::Same => "= unchanged",
                Standing::Differs { .. } => "~ change   ",
            };
            session.say(&format!("  {mark} {}", join::title(object)));
        }
        session.say(&format!("  the login goes into {}", self.keep));
        if let Some(stub) = &self.stub {
            session.say(&format!("  the fleet gets `{}` in {}", self.cluster.name, stub.shown()));
        }
    }

    fn carry_out(
        &self,
        args: &ClusterAdd,
        session: &Session,
        driver: &Driver,
    ) -> Result<Vec<(String, &'static str)>, Box<Diagnostic>> {
        let mut done = Vec::new();
        if !self.objects.is_empty() {
            let objects: Vec<Value> = self.objects.iter().map(|(object, _)| object.clone()).collect();
            let made = on(driver, &self.target.connection, |port| async move { account::make(&port, &objects).await });
            done.extend(made.map_err(|why| self.failed(&why))?);
        }
        let login =
            match &self.given {
                Some(login) => login.clone(),
                None => {
                    let account = self.account.clone();
                    let issued = on(driver, &self.target.connection, |port| async move {
                        account::token(&port, &account, true).await
                    });
                    let Issued { secret, token } = issued.map_err(|why| self.failed(&why))?;
                    done.push((format!("Secret {}/{secret}", self.account.namespace), "token"));
                    Login::Token(token)
                }
            };
        if self.given.is_none() {
            self.try_login(driver, &login)?;
        }
        let how = self.keep.store(driver, &self.options, &self.cluster, &login, args.upsert)?;
        done.push((self.keep.to_string(), how));
        if let Some(stub) = &self.stub {
            stub.write(&|| place(args, &self.cluster, &self.instance)).map_err(|why| {
                let message = format!("the stub of `{}` is not in the fleet: {why}", self.cluster.name);
                let error = Diagnostic::error("cluster/stub", Span::NONE, message);
                Box::new(error.hint("the login is made and kept; run this again with `--stub FILE`"))
            })?;
            done.push((stub.shown(), "written"));
        }
        session.say("");
        Ok(done)
    }

    /// Whether the new login is who it is to be. It may take a moment until it is.
    fn try_login(&self, driver: &Driver, login: &Login) -> Result<(), Box<Diagnostic>> {
        let config = secret::config(&self.cluster.trust, login).to_string();
        let server = &self.cluster.server;
        let connection = by_config(server, &config, &self.options.programs, self.options.timeouts)?;
        let user = self.account.user();
        let is = login_of(driver, &connection);
        match is {
            Ok(is) if is == user => Ok(()),
            Ok(is) => Err(self.failed(&format!("the new token is `{is}`, not `{user}`"))),
            Err(why) => Err(self.failed(&format!("the new token does not work: {why}"))),
        }
    }

    fn end(
        &self,
        args: &ClusterAdd,
        session: &Session,
        diagnostics: &Diagnostics,
        done: Vec<(String, &'static str)>,
        message: &str,
    ) -> ExitCode {
        if session.is_json() {
            let objects: Vec<Value> =
                done.iter().map(|(object, done)| json!({"object": object, "done": done})).collect();
            let cluster = &self.cluster;
            let manifests: Vec<&Value> = self.objects.iter().map(|(object, _)| object).collect();
            let login = self.given.as_ref().map_or("token", Login::name);
            session.print_json(
                diagnostics,
                json!({
                    "cluster": {
                        "name": cluster.name, "server": cluster.server, "instance": self.instance, "labels": cluster.labels,
                        "annotations": cluster.annotations, "project": cluster.project,
                    },
                    "user": self.given.is_none().then(|| self.account.user()), "login": login,
                    "kept": self.keep.to_string(), "stub": self.stub.as_ref().map(Edit::shown),
                    "manifests": manifests, "done": objects,
                }),
            );
        } else {
            if args.dry_run {
                let texts = self.objects.iter().filter_map(|(object, _)| secret::node(object).ok());
                print_out(
                    &texts.map(|node| format!("---\n{}", fleetc::yaml::emit::to_yaml(&node))).collect::<String>(),
                );
            }
            for (object, how) in &done {
                session.say(&format!("  {how:<9} {object}"));
            }
            let mut text = format!("{message}\n");
            if !args.dry_run {
                text.push_str(&self.keep.next(&self.cluster.name));
            }
            print_out(&text);
        }
        ExitCode::from(report::exit_code(diagnostics, false))
    }
}

/// Who a connection logs in as. A new token may not be known everywhere for a moment.
pub(super) fn login_of(driver: &Driver, connection: &ClusterConnection) -> Result<String, String> {
    on(driver, connection, |port| async move {
        let end = port.now().saturating_add(10_000);
        loop {
            match account::who(&port).await {
                Err(why) if port.now() >= end || !why.contains("(401)") => return Err(why),
                Err(_) => port.sleep(500).await,
                Ok(user) => return Ok(user),
            }
        }
    })
}

fn which_context(args: &ClusterAdd) -> Box<Diagnostic> {
    let mut error = usage("cluster/context", "a context of the kubeconfig must be named: `fleetc cluster add CONTEXT`");
    match contexts(args.login.kubeconfig.as_deref()) {
        Ok(contexts) => {
            let listed = contexts.iter().map(|(name, server)| format!("`{name}` ({server})"));
            error.hints.push(format!("there are {}", listed.collect::<Vec<_>>().join(", ")));
        }
        Err(why) => error.hints.push(why),
    }
    error
}

fn instance(args: &ClusterAdd, fleet: &Fleet) -> Result<String, Box<Diagnostic>> {
    let names: Vec<&str> = fleet.instances.keys().map(String::as_str).collect();
    match (&args.instance, names.as_slice()) {
        (Some(name), _) if names.contains(&name.as_str()) => Ok(name.clone()),
        (Some(name), _) => {
            let mut unknown = usage("cluster/instance", format!("the fleet has no instance `{name}`"));
            unknown.hints.extend(fleetc::diag::did_you_mean(name, names));
            Err(unknown)
        }
        (None, [only]) => Ok((*only).to_owned()),
        (None, several) => {
            let error = usage("cluster/instance", "the fleet has several Argo CD instances");
            Err(Box::new(error.hint(format!("`--instance` says which of {}", several.join(", ")))))
        }
    }
}

/// The login that needs no token of ours.
fn given(args: &ClusterAdd) -> Option<Login> {
    if let Some(cluster) = &args.aws_cluster_name {
        let (role, profile) = (args.aws_role_arn.clone(), args.aws_profile.clone());
        return Some(Login::Aws { cluster: cluster.clone(), role, profile });
    }
    Some(Login::Exec {
        command: args.exec_command.clone()?,
        args: args.exec_command_args.clone(),
        env: args.exec_command_env.iter().cloned().collect::<BTreeMap<_, _>>(),
        api_version: args.exec_command_api_version.clone(),
        install_hint: args.exec_command_install_hint.clone(),
    })
}

/// The same cluster, where the fleet has it.
fn known<'a>(cluster: &Registration, instance: &str, fleet: &'a Fleet) -> Result<Option<&'a Cluster>, Box<Diagnostic>> {
    let there = fleet.clusters.iter().filter(|there| there.instance == instance);
    let mut same = None;
    for there in there {
        let (name, server) = (there.name == cluster.name, there.server_key() == cluster.server.trim_end_matches('/'));
        let clash = match (name, server) {
            (false, false) => continue,
            (true, false) => format!("the fleet has a cluster `{}` already, at {}", there.name, there.server),
            (false, true) => format!("the fleet has this server already, as cluster `{}`", there.name),
            (true, true) => {
                let asked = |asked: &BTreeMap<String, String>, is: &BTreeMap<String, String>| {
                    asked.iter().all(|(key, value)| is.get(key) == Some(value))
                };
                let fits = asked(&cluster.labels, &there.labels)
                    && asked(&cluster.annotations, &there.annotations)
                    && (cluster.project.is_empty() || cluster.project == there.project);
                if fits {
                    same = Some(there);
                    continue;
                }
                format!("the fleet has the cluster `{}` with other labels, annotations or project", there.name)
            }
        };
        let error = Diagnostic::error("cluster/known", there.span, clash).cause(Cause::Usage);
        let hint = "`--name NAME` gives it another one; what is there is changed where it is written";
        return Err(Box::new(error.hint(hint)));
    }
    Ok(same)
}

/// What the fleet has for a cluster needs of its manager.
fn needs(
    args: &ClusterAdd,
    cluster: Cluster,
    is_known: bool,
    resources: &[Resource],
    diagnostics: &mut Diagnostics,
) -> Result<Needs, Box<Diagnostic>> {
    let unknown = |why: &str| {
        let message = format!("what the fleet needs on `{}` is not known: {why}", cluster.name);
        Box::new(
            Diagnostic::error("cluster/minimal", Span::NONE, message)
                .hint("correct the fleet first, or leave `--minimal` out"),
        )
    };
    let session = Session::open(&args.fleet, None).map_err(|_| unknown("the fleet cannot be read"))?;
    let session = if is_known { session } else { session.joining(cluster.clone()) };
    let mut assembly = Assembly::of(session, false, false).map_err(|_| unknown("it does not compile"))?;
    if super::has_nothing(&mut assembly.diagnostics) {
        return Ok(Needs::default());
    }
    let errors = assembly.diagnostics.0.iter().filter(|found| found.is_error());
    let first = errors.map(|found| found.message.clone()).next();
    let Some(assembled) = assembly.assembled.take() else {
        return Err(unknown(&first.unwrap_or_else(|| "it does not compile".to_owned())));
    };
    if let Some(first) = first {
        let message = format!("not all of the fleet compiles, so rights may be missing: {first}");
        diagnostics.push(Diagnostic::warning("cluster/minimal", Span::NONE, message));
    }
    let name = bundle::cluster_name(&cluster, &assembly.fleet);
    let bundles = assembled.bundled.bundles.iter().filter(|bundle| bundle.cluster == name);
    let slices: Vec<DesiredSlice> = bundles.flat_map(slices).collect();
    let objects: Vec<Node> = slices.iter().flat_map(|slice| &slice.objects).map(|object| object.body.clone()).collect();
    let mut needs = Needs::of(&objects, resources);
    needs.makes_namespaces = slices.iter().any(|slice| !slice.namespaces.is_empty());
    for account in slices.iter().filter_map(|slice| Account::of_user(&slice.impersonate)) {
        needs.impersonates.entry(account.namespace).or_default().insert(account.name);
    }
    Ok(needs)
}
