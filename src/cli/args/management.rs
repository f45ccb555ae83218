//! How the Argo CD of a management cluster is reached, for commands that fetch sources.

use std::path::PathBuf;

use clap::Args;
use fleetc::host::Management;
use fleetc::host::cluster::{ConnectOptions, Programs};

use super::ConnectionArgs;

/// The Argo CD that knows the logins of repositories.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct ManagementArgs {
    /// Context of the cluster whose Argo CD has the repository and repo-creds Secrets; they count before those of the fleet's files
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) management_context: Option<String>,
    /// File of the context [default: KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE", requires = "management_context")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// A program that may be run for the credentials of the context (`aws`, `gke-gcloud-auth-plugin`, `kubelogin`); may be repeated
    #[arg(long, value_name = "PROGRAM", value_delimiter = ',', requires = "management_context")]
    pub(crate) allow_exec: Vec<String>,
}

impl ManagementArgs {
    /// The Argo CD, with the namespace of each instance; `None` where none is named. Nothing is asked yet.
    pub(crate) fn argocd(&self, namespaces: impl IntoIterator<Item = (String, String)>) -> Option<Management> {
        let context = self.management_context.as_ref()?;
        let options = ConnectOptions {
            kubeconfig: self.kubeconfig.clone(),
            programs: Programs::named(&self.allow_exec),
            namespaces: namespaces.into_iter().collect(),
            ..ConnectOptions::default()
        };
        Some(Management::new(context.clone(), options))
    }
}

impl From<&ManagementArgs> for ManagementArgs {
    fn from(args: &ManagementArgs) -> Self {
        args.clone()
    }
}

impl From<&ConnectionArgs> for ManagementArgs {
    fn from(args: &ConnectionArgs) -> Self {
        ManagementArgs {
            management_context: args.management_context.clone(),
            kubeconfig: args.kubeconfig.clone(),
            allow_exec: args.allow_exec.clone(),
        }
    }
}
