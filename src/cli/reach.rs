//! From the arguments of a command and what the fleet says to connections with clusters.

use std::path::Path;
use std::time::Duration;

use fleetc::cluster::Cluster;
use fleetc::diag::{Cause, Diagnostic, did_you_mean};
use fleetc::host::cluster::{ConnectOptions, Driver, Programs, RunOptions, Timeouts, through};
use fleetc::machine::Machine;
use fleetc::plan::{LiveApplication, applications};
use fleetc::read::Fleet;
use fleetc::span::Span;

use super::args::ConnectionArgs;

/// Where credentials come from.
pub(crate) fn options(args: &ConnectionArgs, fleet: &Fleet) -> ConnectOptions {
    let namespaces = fleet.instances.iter().map(|(name, instance)| (name.clone(), instance.namespace.clone()));
    let mut timeouts = Timeouts::default();
    if let Some(seconds) = args.request_timeout {
        timeouts.request = Duration::from_secs(seconds);
    }
    ConnectOptions {
        contexts: args.contexts.clone(),
        declared: fleet.contexts.clone(),
        kubeconfig: args.kubeconfig.as_deref().map(Path::to_owned),
        management: args.management_context.clone(),
        namespaces: namespaces.collect(),
        programs: Programs::named(&args.allow_exec),
        timeouts,
    }
}

/// The Applications of the Argo CD on the management cluster; none where none is named.
///
/// # Errors
/// It does not say.
pub(crate) fn management(driver: &Driver, options: &ConnectOptions) -> Result<Vec<LiveApplication>, Box<Diagnostic>> {
    let Some(context) = &options.management else { return Ok(Vec::new()) };
    let run = RunOptions::default();
    let machine = Machine::new(|port| applications(port, run.requests));
    let found = driver.run(vec![(through(context, options)?, machine)], run, &mut |_, _| {}).pop().flatten();
    found.unwrap_or_else(|| Err("the work broke off".to_owned())).map_err(|why| {
        let message =
            format!("whether the Argo CD of the management cluster works on objects by itself is not known: {why}");
        let unknown = Diagnostic::warning("cluster/management", Span::NONE, message).cause(Cause::Cluster);
        Box::new(unknown.hint("`list` on `applications.argoproj.io` is what it takes"))
    })
}

/// The place of the cluster that a person named: by its name, or by `instance/name`.
///
/// # Errors
/// There is none, or there are several.
pub(crate) fn named(clusters: &[Cluster], name: &str) -> Result<usize, Box<Diagnostic>> {
    let called = |cluster: &Cluster| {
        cluster.name == name
            || (!cluster.instance.is_empty() && format!("{}/{}", cluster.instance, cluster.name) == name)
    };
    let found: Vec<usize> = (0..clusters.len()).filter(|at| clusters.get(*at).is_some_and(called)).collect();
    let error = |message: String| Diagnostic::error("cluster/unknown", Span::NONE, message).cause(Cause::Usage);
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            let mut unknown = error(format!("the fleet has no cluster `{name}`"));
            unknown.hints.extend(did_you_mean(name, clusters.iter().map(|cluster| cluster.name.as_str())));
            Err(Box::new(unknown))
        }
        several => {
            let all = several.iter().filter_map(|at| clusters.get(*at));
            let all: Vec<String> = all.map(|cluster| format!("`{}/{}`", cluster.instance, cluster.name)).collect();
            Err(Box::new(
                error(format!("several clusters are called `{name}`")).hint(format!("it is one of {}", all.join(", "))),
            ))
        }
    }
}

/// The reason without the cluster's name, which stands beside it.
pub(crate) fn short(message: &str) -> String {
    message.split_once("cannot be reached: ").map_or(message, |(_, why)| why).to_owned()
}
