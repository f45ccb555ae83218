//! Which credentials reach which cluster of a fleet. In this order: `--context`, `contexts:` of fleet.yaml, the cluster Secret in the
//! fleet's files, the cluster Secret on the management cluster; the cluster that Argo CD runs in is the management cluster, or the one
//! whose pod this is. The first that there is counts, also when it does not work: silently taking others would reach another cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::access::{Access, Kubeconfigs};
use super::connection::{ClusterConnection, Timeouts};
use super::driver::{Driver, RunOptions};
use super::exec::{Programs, Refusal};
use super::secret;
use crate::api::Request;
use crate::cluster::{Cluster, ClusterOrigin, IN_CLUSTER_SERVER};
use crate::diag::{Cause, Diagnostic, Diagnostics, did_you_mean};
use crate::machine::{Machine, Port};
use crate::span::{SourceMap, Span, Spanned};
use crate::yaml::Node;

/// Where Argo CD's own objects are when nobody says otherwise.
const ARGOCD_NAMESPACE: &str = "argocd";

/// Where credentials may come from.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// `--context CLUSTER=CONTEXT`; the last one for a cluster counts.
    pub contexts: Vec<(String, String)>,
    /// `contexts:` of fleet.yaml.
    pub declared: Vec<(Spanned<String>, Spanned<String>)>,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--management-context`.
    pub management: Option<String>,
    /// Namespace of the control plane, by instance.
    pub namespaces: BTreeMap<String, String>,
    /// Programs that may run.
    pub programs: Programs,
    /// How long is waited.
    pub timeouts: Timeouts,
}

/// What connecting came to.
#[derive(Debug)]
pub struct Reached {
    /// For each cluster asked for, in that order: its connection, or why there is none.
    pub connections: Vec<Result<ClusterConnection, Box<Diagnostic>>>,
    /// What is wrong with the options themselves.
    pub diagnostics: Diagnostics,
}

/// Connections to some clusters of a fleet (`which`, places in `clusters`). Nothing is sent, except to a management cluster when a
/// cluster has no other credentials.
pub fn connect(
    driver: &Driver,
    sources: &SourceMap,
    clusters: &[Cluster],
    which: &[usize],
    options: &ConnectOptions,
) -> Reached {
    let mut desk = Desk { options, clusters, sources, kubeconfig: None };
    let mut diagnostics = desk.unknown_names();
    let chosen: Vec<&Cluster> = which.iter().filter_map(|at| clusters.get(*at)).collect();
    let mut found: Vec<Option<Result<Access, Box<Diagnostic>>>> =
        chosen.iter().map(|cluster| desk.here(cluster)).collect();
    if let Some(context) = &options.management
        && found.iter().any(Option::is_none)
    {
        match desk.live_secrets(driver, context, &chosen) {
            Ok(secrets) => {
                for (cluster, slot) in chosen.iter().zip(&mut found).filter(|(_, slot)| slot.is_none()) {
                    *slot = desk.live(cluster, context, &secrets);
                }
            }
            Err(problem) => diagnostics.push(*problem),
        }
    }
    let connections = chosen.iter().zip(found).map(|(cluster, access)| {
        let access = access.unwrap_or_else(|| Err(desk.nobody(cluster)))?;
        Ok(ClusterConnection::new(access, options.timeouts))
    });
    let connections = connections.collect();
    Reached { connections, diagnostics }
}

/// A connection through a context of the kubeconfig: to the cluster that an Argo CD runs in, whatever fleets call it.
///
/// # Errors
/// There is no such context, or it cannot be used.
pub fn through(context: &str, options: &ConnectOptions) -> Result<ClusterConnection, Box<Diagnostic>> {
    let mut desk = Desk { options, clusters: &[], sources: &SourceMap::default(), kubeconfig: None };
    let access = desk.context(context).map_err(|refusal| {
        let error = Diagnostic::error("cluster/context", Span::NONE, refusal.message).cause(Cause::Usage);
        Box::new(error.hint(refusal.hint))
    })?;
    Ok(ClusterConnection::new(access, options.timeouts))
}

struct Desk<'a> {
    options: &'a ConnectOptions,
    clusters: &'a [Cluster],
    sources: &'a SourceMap,
    /// Read at its first use.
    kubeconfig: Option<Result<Kubeconfigs, String>>,
}

/// A cluster Secret of a management cluster.
struct LiveSecret {
    instance: String,
    secret: Node,
}

/// Why a cluster cannot be reached, and what to do.
fn refused(cluster: &Cluster, refusal: Refusal) -> Box<Diagnostic> {
    Box::new(error(cluster, refusal.message).hint(refusal.hint))
}

fn error(cluster: &Cluster, message: String) -> Diagnostic {
    let message = format!("the cluster `{}` cannot be reached: {message}", cluster.name);
    Diagnostic::error("cluster/credentials", cluster.span, message).cause(Cause::Cluster)
}

/// Whether a cluster is called by a name: its own, or `instance/name`.
fn is_called(cluster: &Cluster, name: &str) -> bool {
    cluster.name == name
        || name
            .strip_suffix(cluster.name.as_str())
            .and_then(|rest| rest.strip_suffix('/'))
            .is_some_and(|instance| instance == cluster.instance)
}

impl Desk<'_> {
    /// Names that no cluster has: a typing error must not fall through to other credentials.
    fn unknown_names(&self) -> Diagnostics {
        let mut found = Diagnostics::new();
        let flags = self.options.contexts.iter().map(|(name, _)| (name.as_str(), Span::NONE, Cause::Usage));
        let declared = self.options.declared.iter().map(|(name, _)| (name.value.as_str(), name.span, Cause::Fleet));
        for (name, span, cause) in flags.chain(declared) {
            if !self.clusters.iter().any(|cluster| is_called(cluster, name)) {
                let message =
                    format!("a context is given for the cluster `{name}`, but the fleet has none of that name");
                let mut unknown = Diagnostic::error("cluster/unknown", span, message).cause(cause);
                unknown.hints.extend(did_you_mean(name, self.clusters.iter().map(|cluster| cluster.name.as_str())));
                found.push(unknown);
            }
        }
        found
    }

    fn kubeconfig(&mut self) -> Result<&Kubeconfigs, String> {
        let file = self.options.kubeconfig.as_deref();
        self.kubeconfig.get_or_insert_with(|| Kubeconfigs::read(file)).as_ref().map_err(Clone::clone)
    }

    fn context(&mut self, context: &str) -> Result<Access, Refusal> {
        let programs = &self.options.programs;
        let hint = "`--kubeconfig FILE` names another one".to_owned();
        self.kubeconfig().map_err(|message| Refusal { message, hint })?.access(context, programs)
    }

    /// Credentials that are here; `None` where only others may have them.
    fn here(&mut self, cluster: &Cluster) -> Option<Result<Access, Box<Diagnostic>>> {
        let options = self.options;
        if let Some((_, context)) = options.contexts.iter().rfind(|(name, _)| is_called(cluster, name)) {
            return Some(self.context(context).map_err(|refusal| refused(cluster, refusal)));
        }
        if let Some((_, context)) = options.declared.iter().rfind(|(name, _)| is_called(cluster, name)) {
            let access = self.context(context);
            return Some(access.map_err(|refusal| {
                Box::new(error(cluster, refusal.message).hint(refusal.hint).label(context.span, "this context"))
            }));
        }
        if cluster.origin == ClusterOrigin::Secret
            && let Some(file) = self.sources.get(cluster.span.file)
            && let Some(object) = secret::object_at(&file, cluster.span)
            && let Some(config) = secret::value(&object, "config")
            && !self.is_own(cluster, &config)
        {
            return Some(self.with_secret(cluster, &config));
        }
        if cluster.server_key() == IN_CLUSTER_SERVER && options.management.is_none() {
            return Access::pod().map(Ok);
        }
        None
    }

    fn with_secret(&self, cluster: &Cluster, config: &str) -> Result<Access, Box<Diagnostic>> {
        let access = secret::access(&cluster.server, config, &self.options.programs);
        access.map_err(|refusal| refused(cluster, refusal))
    }

    /// A Secret may rename and label the cluster that Argo CD runs in without credentials: then it uses its pod's.
    fn is_own(&self, cluster: &Cluster, config: &str) -> bool {
        let says = |key: &str| config.contains(&format!("\"{key}\""));
        cluster.server_key() == IN_CLUSTER_SERVER && !["username", "password", "bearerToken"].into_iter().any(says)
    }

    /// The cluster Secrets that the Argo CD of the management cluster has, of every instance that is asked for.
    fn live_secrets(
        &mut self,
        driver: &Driver,
        context: &str,
        chosen: &[&Cluster],
    ) -> Result<Vec<LiveSecret>, Box<Diagnostic>> {
        let wrong = |message: String| {
            let message = format!("the management cluster cannot be asked for credentials: {message}");
            Diagnostic::error("cluster/management", Span::NONE, message).cause(Cause::Cluster)
        };
        let access = self.context(context).map_err(|refusal| Box::new(wrong(refusal.message).hint(refusal.hint)))?;
        let connection = ClusterConnection::new(access, self.options.timeouts);
        let mut instances: Vec<(String, String)> = Vec::new();
        for cluster in chosen {
            let namespace = self.options.namespaces.get(&cluster.instance).filter(|name| !name.is_empty());
            let namespace = namespace.cloned().unwrap_or_else(|| ARGOCD_NAMESPACE.to_owned());
            instances.push((cluster.instance.clone(), namespace));
        }
        instances.sort();
        instances.dedup();
        let machine = Machine::new(|port| read_secrets(port, instances));
        let mut results = driver.run(vec![(connection, machine)], RunOptions::default(), &mut |_, _| {});
        let secrets = results.pop().flatten().unwrap_or_else(|| Err("it gave no answer".to_owned()));
        secrets.map_err(|message| Box::new(wrong(message)))
    }

    fn live(
        &mut self,
        cluster: &Cluster,
        context: &str,
        secrets: &[LiveSecret],
    ) -> Option<Result<Access, Box<Diagnostic>>> {
        let same = |live: &&LiveSecret| {
            let server = secret::value(&live.secret, "server").unwrap_or_default();
            live.instance == cluster.instance && server.trim_end_matches('/') == cluster.server_key()
        };
        if let Some(live) = secrets.iter().find(same) {
            let config = secret::value(&live.secret, "config").unwrap_or_default();
            if !self.is_own(cluster, &config) {
                return Some(self.with_secret(cluster, &config));
            }
        }
        if cluster.server_key() == IN_CLUSTER_SERVER {
            return Some(self.context(context).map_err(|refusal| refused(cluster, refusal)));
        }
        None
    }

    fn nobody(&mut self, cluster: &Cluster) -> Box<Diagnostic> {
        let name = &cluster.name;
        let mut nobody = error(cluster, "nobody has credentials for it".to_owned());
        let server = cluster.server_key();
        if let Ok(kubeconfig) = self.kubeconfig() {
            let contexts = kubeconfig.contexts_to(server);
            if let Some(context) = contexts.first() {
                nobody =
                    nobody.hint(format!("the kubeconfig has a context for this server: `--context {name}={context}`"));
                return Box::new(nobody);
            }
        }
        nobody = nobody.hint(format!(
            "`--context {name}=CONTEXT` or `contexts: {{{name}: CONTEXT}}` in fleet.yaml names a context of the kubeconfig"
        ));
        if self.options.management.is_none() {
            nobody =
                nobody.hint("`--management-context CONTEXT` reads the cluster Secrets of the Argo CD there".to_owned());
        }
        Box::new(nobody)
    }
}

async fn read_secrets(port: Port, instances: Vec<(String, String)>) -> Result<Vec<LiveSecret>, String> {
    let mut found = Vec::new();
    for (instance, namespace) in instances {
        let path = format!("/api/v1/namespaces/{}/secrets", crate::api::encode(&namespace));
        let request = Request::get(path).with("labelSelector", "argocd.argoproj.io/secret-type=cluster");
        let response = port.send(request).await.map_err(|failure| failure.to_string())?;
        if !response.is_success() {
            return Err(format!("it answers {} to a list of the Secrets in namespace `{namespace}`", response.status));
        }
        let list = response.node().map_err(|_| "its answer is no JSON".to_owned())?;
        let items = list.get("items").and_then(Node::as_seq).unwrap_or_default();
        found.extend(items.iter().map(|secret| LiveSecret { instance: instance.clone(), secret: secret.clone() }));
    }
    Ok(found)
}
