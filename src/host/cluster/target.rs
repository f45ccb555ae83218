//! Clusters that no fleet knows yet, or no longer: reached by a context of the kubeconfig, or by the `config` of a cluster Secret.
//!
//! Beside the connection comes what somebody else needs to reach and trust the same server ([`Trust`]), never a login. A context that is not
//! there is an error that says which are.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::access::{Access, Kubeconfigs};
use super::connect::ConnectOptions;
use super::connection::{ClusterConnection, Timeouts};
use super::exec::{Programs, Refusal};
use super::secret;
use crate::diag::{Cause, Diagnostic};
use crate::join::Trust;
use crate::span::Span;

/// What a context leads to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The way to it.
    pub connection: ClusterConnection,
    /// URL of the API server.
    pub server: String,
    /// How it is trusted.
    pub trust: Trust,
}

fn refused(refusal: Refusal) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("cluster/context", Span::NONE, refusal.message).cause(Cause::Usage).hint(refusal.hint))
}

/// What a context leads to.
///
/// # Errors
/// There is no such context, or it cannot be used.
pub fn target(options: &ConnectOptions, context: &str) -> Result<Target, Box<Diagnostic>> {
    let hint = || "`--kubeconfig FILE` names another one".to_owned();
    let kubeconfig = Kubeconfigs::read(options.kubeconfig.as_deref())
        .map_err(|message| refused(Refusal { message, hint: hint() }))?;
    let access = kubeconfig.access(context, &options.programs).map_err(refused)?;
    let server = access.server().trim_end_matches('/').to_owned();
    let trust = trust(&access).map_err(|message| refused(Refusal { message, hint: hint() }))?;
    Ok(Target { connection: ClusterConnection::new(access, options.timeouts), server, trust })
}

/// The contexts of a kubeconfig and where they lead, in its order.
///
/// # Errors
/// It cannot be read.
pub fn contexts(kubeconfig: Option<&Path>) -> Result<Vec<(String, String)>, String> {
    Ok(Kubeconfigs::read(kubeconfig)?.listed())
}

/// A connection by the `config` of a cluster Secret.
///
/// # Errors
/// It cannot be used.
pub fn by_config(
    server: &str,
    config: &str,
    programs: &Programs,
    timeouts: Timeouts,
) -> Result<ClusterConnection, Box<Diagnostic>> {
    let access = secret::access(server, config, programs).map_err(refused)?;
    Ok(ClusterConnection::new(access, timeouts))
}

pub(super) fn trust(access: &Access) -> Result<Trust, String> {
    let Some(cluster) = access.cluster() else { return Ok(Trust::default()) };
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let ca = match (filled(&cluster.certificate_authority_data), &cluster.certificate_authority) {
        (Some(data), _) => Some(data),
        (None, Some(path)) if !path.is_empty() => {
            let bytes =
                std::fs::read(path).map_err(|error| format!("the certificates `{path}` cannot be read: {error}"))?;
            Some(STANDARD.encode(bytes))
        }
        _ => None,
    };
    Ok(Trust {
        ca,
        insecure: cluster.insecure_skip_tls_verify == Some(true),
        server_name: filled(&cluster.tls_server_name),
        proxy: filled(&cluster.proxy_url),
    })
}
