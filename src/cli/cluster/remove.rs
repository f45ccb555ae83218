//! `fleetc cluster rm`: a cluster leaves the fleet. It is released (what it has stays, and is nobody's: our label, inventories and records go),
//! or drained first (what the fleet has there is deleted). Either is a plan that is shown, and carried out by the engine of `apply` with its
//! budgets and refusals.
//!
//! The fleet's files are edited last, when the cluster is done with: cut off anywhere it is run again. A cluster whose entry is gone from the
//! files already is released by `--context NAME=CONTEXT`. What fleetc did not make on it (service account, roles) is never removed.

use std::collections::BTreeMap;
use std::process::ExitCode;

use fleetc::api::encode;
use fleetc::apply::{self, Basis, ClusterOutcome, Counts, SliceResult, Wait};
use fleetc::bundle;
use fleetc::cluster::{Cluster, ClusterOrigin, Facts};
use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::host::cluster::{ClusterConnection, Driver, RunOptions, connect, target};
use fleetc::join::account::{self, Removed};
use fleetc::join::{self, stub};
use fleetc::machine::Machine;
use fleetc::plan::guard::{self, Limits};
use fleetc::plan::report::{self as plan_report, Detail};
use fleetc::plan::{self, ClusterInput, ClusterPlan, LeavingObjects, Options, SlicePlan};
use fleetc::read::Fleet;
use fleetc::span::Span;
use serde_json::{Value, json};

use super::keep::{Edit, Keep};
use super::{asked, inventories, on};
use crate::cli::apply as engine;
use crate::cli::args::ClusterRemove;
use crate::cli::reach;
use crate::cli::report;
use crate::cli::session::{Session, print_out};

/// Runs the command.
pub(super) fn run(args: &ClusterRemove) -> ExitCode {
    let (session, fleet, diagnostics, driver) = match super::open(&args.fleet) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    match Leaving::prepare(args, &session, &fleet, &driver) {
        Ok(leaving) => leaving.run(args, &session, &fleet, &driver, diagnostics),
        Err(error) => session.refuse((*error).into()),
    }
}

fn error(message: impl Into<String>, cause: Cause) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("cluster/rm", Span::NONE, message).cause(cause))
}

/// A cluster that is about to leave.
struct Leaving {
    cluster: Cluster,
    /// As bundles call it.
    name: String,
    /// `None` with `--unreachable`.
    connection: Option<ClusterConnection>,
    edits: Vec<Edit>,
    /// Where its login is deleted.
    login: Option<Keep>,
}

impl Leaving {
    fn prepare(
        args: &ClusterRemove,
        session: &Session,
        fleet: &Fleet,
        driver: &Driver,
    ) -> Result<Leaving, Box<Diagnostic>> {
        let mut clusters = fleet.clusters.clone();
        let (place, is_declared) = match reach::named(&clusters, &args.name) {
            Ok(place) => (place, true),
            Err(_) if args.connection.contexts.iter().any(|(name, _)| *name == args.name) => {
                let name = args.name.clone();
                clusters.push(Cluster {
                    server: String::new(),
                    labels: BTreeMap::new(),
                    annotations: BTreeMap::new(),
                    project: String::new(),
                    instance: fleet.instances.keys().next().cloned().unwrap_or_default(),
                    facts: Facts::default(),
                    object: name.clone(),
                    origin: ClusterOrigin::Fleet,
                    span: Span::NONE,
                    name,
                });
                (clusters.len() - 1, false)
            }
            Err(mut unknown) => {
                unknown
                    .hints
                    .push(format!("one that is in no file any more is released by `--context {}=CONTEXT`", args.name));
                return Err(unknown);
            }
        };
        let cluster = clusters.get(place).cloned().ok_or_else(|| error("it is not there", Cause::Usage))?;
        if cluster.origin == ClusterOrigin::Implicit {
            let hint = "`cluster.inClusterEnabled: \"false\"` in argocd-cm takes it out";
            let message = format!("`{}` is the cluster that Argo CD runs in, which no file declares", cluster.name);
            return Err(Box::new(error(message, Cause::Usage).hint(hint)));
        }
        let edits = if is_declared { edits(session, &cluster)? } else { Vec::new() };
        let login = match args.delete_login {
            false => None,
            true => Some(Keep::of(&args.login(), session, fleet, &cluster.instance)?),
        };
        let connection = if args.unreachable {
            None
        } else {
            let options = reach::options(&args.connection, fleet);
            let reached = connect(driver, session.world.sources(), &clusters, &[place], &options);
            if let Some(wrong) = reached.diagnostics.into_iter().next() {
                return Err(Box::new(wrong));
            }
            let found = reached.connections.into_iter().next();
            let hint =
                "`--unreachable` takes it out of the fleet all the same; what it has stays marked as the fleet's";
            Some(
                found
                    .ok_or_else(|| error("it is not reached", Cause::Cluster))?
                    .map_err(|wrong| Box::new(wrong.hint(hint)))?,
            )
        };
        Ok(Leaving { name: bundle::cluster_name(&cluster, fleet), cluster, connection, edits, login })
    }

    fn input(&self, args: &ClusterRemove, fleet: &Fleet) -> ClusterInput {
        ClusterInput {
            fleet: fleet.name.clone().unwrap_or_default(),
            cluster: self.name.clone(),
            parent_namespaces: inventories(fleet),
            clusters: fleet.clusters.iter().map(|cluster| bundle::cluster_name(cluster, fleet)).collect(),
            conflicts: fleet.apply.conflicts.clone(),
            options: Options {
                allow_delete: args.allow_delete.iter().cloned().collect(),
                leaving: if args.drain { LeavingObjects::Drain } else { LeavingObjects::Release },
                ..Options::default()
            },
            ..ClusterInput::default()
        }
    }

    fn run(
        self,
        args: &ClusterRemove,
        session: &Session,
        fleet: &Fleet,
        driver: &Driver,
        mut diagnostics: Diagnostics,
    ) -> ExitCode {
        session.print_findings(&mut diagnostics);
        let input = self.input(args, fleet);
        let since = engine::now();
        // What was never applied has left nothing there.
        let connection = self.connection.as_ref().filter(|_| fleet.name.is_some());
        let planned = connection.map(|connection| self.plan(args, driver, session, connection, &input));
        if let Some((plan, _)) = &planned {
            if !session.is_json() {
                let detail = Detail { verbose: args.fleet.options.verbose, color: false };
                print_out(&plan_report::human(std::slice::from_ref(plan), detail));
            }
            if let Some(why) = &plan.failed {
                let message = format!("the cluster `{}` cannot be looked at: {why}", self.name);
                let failed = error(message, Cause::Cluster);
                return session.refuse(failed.hint("`--unreachable` takes it out of the fleet all the same").into());
            }
        }
        self.show(args, session);
        let withheld = planned.as_ref().is_some_and(|(plan, _)| {
            !plan.refusals.is_empty()
                || plan.slices.iter().any(|slice| slice.withheld.is_some() || slice.status != plan::Status::Ready)
        });
        if withheld {
            let message =
                format!("the cluster `{}` stays in the fleet: not all that has to be done there may be", self.name);
            let why = planned.iter().flat_map(|(plan, _)| &plan.refusals).next().cloned();
            let mut refused = error(message, Cause::Answer);
            refused.hints.extend(why);
            return session.refuse((*refused).into());
        }
        if args.dry_run {
            session.say("nothing was done (--dry-run)");
            return ExitCode::SUCCESS;
        }
        if !args.yes {
            let question = asked("nothing was done", "`--yes` agrees, `--dry-run` only shows");
            if let Err(code) = question.put(session, &diagnostics) {
                return ExitCode::from(code);
            }
        }
        let mut outcome = None;
        if let (Some((plan, ground)), Some(connection)) = (planned, connection)
            && plan.slices.iter().any(SlicePlan::has_work)
        {
            let basis = ground.map_or(Basis::Saved, |ground| Basis::Fresh { ground, since });
            outcome = Some(carry_out(args, driver, session, connection, input, plan, basis));
        }
        if let Some(outcome) = &outcome {
            let bad = |result: SliceResult| !matches!(result, SliceResult::Applied | SliceResult::Unchanged);
            if !outcome.failed.is_empty() || outcome.slices.iter().any(|slice| bad(slice.result)) {
                if !session.is_json() {
                    print_out(&engine::text(std::slice::from_ref(outcome), true));
                }
                let message = format!("the cluster `{}` stays in the fleet: it is not done with", self.name);
                return session.refuse(error(message, Cause::Cluster).hint("run it again").into());
            }
        }
        match self.finish(args, session, driver) {
            Err(wrong) => session.refuse((*wrong).into()),
            Ok(done) => {
                self.report(session, &diagnostics, outcome.as_ref(), &done);
                ExitCode::from(report::exit_code(&diagnostics, false))
            }
        }
    }

    fn plan(
        &self,
        args: &ClusterRemove,
        driver: &Driver,
        session: &Session,
        connection: &ClusterConnection,
        input: &ClusterInput,
    ) -> (ClusterPlan, Option<std::sync::Arc<plan::Ground>>) {
        let progress = session.progress("planning");
        let asked = input.clone();
        let machine = Machine::new(|port| plan::cluster(port, asked));
        let work = vec![(connection.clone(), machine)];
        let result = driver.run(work, RunOptions::default(), &mut |_, _| {}).pop().flatten();
        progress.finish_and_clear();
        let broke = ClusterPlan {
            cluster: self.name.clone(),
            failed: Some("the work broke off".to_owned()),
            ..ClusterPlan::default()
        };
        let (plan, ground) = result.unwrap_or((broke, None));
        let mut plans = [plan];
        // To release is to delete nothing, however many applications there are.
        let removals = if args.drain { args.max_removals } else { Some(usize::MAX) };
        guard::run(&mut plans, Limits { deletes: None, removals });
        let [plan] = plans;
        (plan, ground)
    }

    /// What happens beside the plan, for people.
    fn show(&self, args: &ClusterRemove, session: &Session) {
        let name = &self.name;
        if self.connection.is_none() {
            session
                .say(&format!("nothing is done on `{name}`: what it has stays marked as the fleet's (--unreachable)"));
        }
        for edit in &self.edits {
            let what = if edit.after().is_some() { "its entry leaves" } else { "with it goes" };
            session.say(&format!("  {what} {}", edit.shown()));
        }
        if let Some(login) = &self.login {
            session.say(&format!("  its login is deleted from {login}"));
        }
        if let Some(context) = &args.admin_context {
            session.say(&format!(
                "  the service account and roles that fleetc made there are deleted, by context `{context}`"
            ));
        }
    }

    /// Service account, login and files, in this order: whatever fails can be run again.
    fn finish(
        &self,
        args: &ClusterRemove,
        session: &Session,
        driver: &Driver,
    ) -> Result<Vec<(String, &'static str)>, Box<Diagnostic>> {
        let mut done = Vec::new();
        let options = args.login().options_alone();
        if let Some(context) = &args.admin_context {
            let admin = target(&options, context)?;
            if !self.cluster.server.is_empty() && admin.server != self.cluster.server_key() {
                let message = format!(
                    "context `{context}` leads to {}, and the cluster `{}` is at {}",
                    admin.server, self.name, self.cluster.server
                );
                return Err(error(message, Cause::Usage));
            }
            let removed = on(driver, &admin.connection, |port| async move { uninstall(&port).await });
            done.extend(removed.map_err(|why| error(why, Cause::Cluster))?);
        }
        if let Some(login) = &self.login {
            let how = login.forget(driver, &options, &self.cluster.name, &self.cluster.server)?;
            done.push((login.to_string(), how));
        }
        for edit in &self.edits {
            let check = || {
                let again =
                    Session::open(&args.fleet, None).map_err(|_| "the fleet cannot be read any more".to_owned())?;
                let declared = again.declared();
                if let Some(wrong) = declared.diagnostics.iter().find(|found| found.is_error()) {
                    return Err(format!("the fleet says: {}", wrong.message));
                }
                Ok(())
            };
            edit.write(&check).map_err(|why| {
                let message = format!("the entry of `{}` cannot be taken out of {}: {why}", self.name, edit.shown());
                error(message, Cause::Fleet)
            })?;
            done.push((edit.shown(), if edit.after().is_some() { "changed" } else { "deleted" }));
        }
        let facts = session.world.folder().join("clusters").join(format!("{}.facts.yaml", self.cluster.name));
        if facts.is_file() {
            session.say(&format!("{} is about this cluster only, and can go", facts.display()));
        }
        Ok(done)
    }

    fn report(
        &self,
        session: &Session,
        diagnostics: &Diagnostics,
        outcome: Option<&ClusterOutcome>,
        done: &[(String, &'static str)],
    ) {
        let mut counts = Counts::default();
        outcome.iter().flat_map(|outcome| &outcome.slices).for_each(|slice| counts.add(&slice.counts));
        if session.is_json() {
            let list: Vec<Value> = done.iter().map(|(what, done)| json!({"object": what, "done": done})).collect();
            let data = json!({
                "cluster": self.name, "applications": outcome.map_or(0, |outcome| outcome.slices.len()),
                "counts": engine::counts_data(&counts), "done": list,
            });
            session.print_json(diagnostics, data);
            return;
        }
        for (what, how) in done {
            session.say(&format!("  {how:<9} {what}"));
        }
        let counted = if counts == Counts::default() { String::new() } else { format!(": {counts}") };
        print_out(&format!("Cluster '{}' removed{counted}\n", self.cluster.name));
    }
}

/// The edits that take a cluster out of the fleet's files.
fn edits(session: &Session, cluster: &Cluster) -> Result<Vec<Edit>, Box<Diagnostic>> {
    let lost = |why: &str| {
        let message = format!("the entry of `{}` cannot be taken out: {why}", cluster.name);
        let found = Diagnostic::error("cluster/rm", cluster.span, message).cause(Cause::Usage);
        Box::new(found.hint("take it out by hand, then release the cluster by `--context NAME=CONTEXT`"))
    };
    let file = session.world.sources().get(cluster.span.file).ok_or_else(|| lost("it is not in a file"))?;
    let path = session.on_disk(&file).ok_or_else(|| lost("its file is not in the fleet's own tree"))?;
    let text = String::from_utf8(file.bytes.to_vec()).map_err(|_| lost("its file is no text"))?;
    let after = stub::remove(&text, cluster.span).map_err(|why| lost(&why))?;
    let names = ["fleet.yaml", "fleet.yml"];
    let configuration = names.into_iter().map(|name| session.world.folder().join(name)).find(|file| file.is_file());
    let is_configuration = configuration.as_ref() == Some(&path);
    let after = match after {
        Some(after) if is_configuration => Some(stub::forget_context(&after, &cluster.name).map_err(|why| lost(&why))?),
        after => after,
    };
    let mut edits = Vec::new();
    if let Some(configuration) = configuration.filter(|_| !is_configuration) {
        let before = std::fs::read_to_string(&configuration).map_err(|error| lost(&error.to_string()))?;
        let without = stub::forget_context(&before, &cluster.name).map_err(|why| lost(&why))?;
        if without != before {
            edits.push(Edit::new(configuration, before, Some(without)));
        }
    }
    edits.push(Edit::new(path, text, after));
    Ok(edits)
}

fn carry_out(
    args: &ClusterRemove,
    driver: &Driver,
    session: &Session,
    connection: &ClusterConnection,
    input: ClusterInput,
    plan: ClusterPlan,
    basis: Basis,
) -> ClusterOutcome {
    let options = apply::Options {
        holder: engine::holder(),
        wait: Wait::Never,
        timeout: args.timeout.saturating_mul(1_000),
        at_once: 16,
        slices_at_once: 8,
        manual: true,
        ignore_windows: false,
        scripts: Default::default(),
    };
    let name = plan.cluster.clone();
    let progress = session.progress("working");
    let machine = Machine::new(|port| apply::apply(port, input, plan, basis, options));
    let work = vec![(connection.clone(), machine)];
    let result = driver.run(work, RunOptions::default(), &mut |_, text| progress.set_message(text)).pop().flatten();
    progress.finish_and_clear();
    result.unwrap_or_else(|| ClusterOutcome {
        cluster: name,
        failed: "the work broke off".to_owned(),
        ..ClusterOutcome::default()
    })
}

/// Removes what joining made on a cluster: only what carries our label.
async fn uninstall(port: &fleetc::machine::Port) -> Result<Vec<(String, &'static str)>, String> {
    const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
    let mut places = vec![
        (format!("ClusterRoleBinding {}", join::BINDING), format!("{RBAC}/clusterrolebindings/{}", join::BINDING)),
        (format!("ClusterRole {}", join::ROLE), format!("{RBAC}/clusterroles/{}", join::ROLE)),
    ];
    for (kind, plural, name) in [("RoleBinding", "rolebindings", join::BINDING), ("Role", "roles", join::ROLE)] {
        let list = account::read(port, kind, format!("{RBAC}/{plural}")).await?.unwrap_or_default();
        let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |item: &Value, key: &str| item.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        for item in items.iter().filter(|item| text(item, "/metadata/name") == name) {
            let namespace = text(item, "/metadata/namespace");
            places.push((
                format!("{kind} {namespace}/{name}"),
                format!("{RBAC}/namespaces/{}/{plural}/{name}", encode(&namespace)),
            ));
        }
    }
    let accounts =
        account::read(port, "ServiceAccount", "/api/v1/serviceaccounts".to_owned()).await?.unwrap_or_default();
    for item in accounts.get("items").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| item.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("/metadata/name") == join::SERVICE_ACCOUNT {
            let (namespace, name) = (text("/metadata/namespace"), join::SERVICE_ACCOUNT);
            let at = format!("/api/v1/namespaces/{}/serviceaccounts/{name}", encode(&namespace));
            places.push((format!("ServiceAccount {namespace}/{name}"), at));
        }
    }
    let mut done = Vec::new();
    for (what, at) in places {
        match account::remove(port, &what, &at).await? {
            Removed::Deleted => done.push((what, "deleted")),
            Removed::Foreign => done.push((what, "left: fleetc did not make it")),
            Removed::Absent => {}
        }
    }
    Ok(done)
}
