//! The arguments of `cluster …`. The doc comments are the help texts.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{ConnectionArgs, FleetArgs, parse_pair};

/// `cluster …`.
#[derive(Subcommand, Debug)]
pub(crate) enum ClusterCommand {
    /// Let a cluster join: make a service account with its rights there, keep its login where you say, and write a stub into the fleet
    Add(Box<ClusterAdd>),
    /// Examine the clusters, or one: reached, certificates, clock, rights, versions, inventories; exit 5 when a check fails
    Doctor(ClusterDoctor),
    /// Print what a cluster serves (version, APIs, scopes of custom kinds): `clusters/NAME.facts.yaml`, or a file that `clusters[].facts` of fleet.yaml names
    Facts(ClusterFacts),
    /// Say what is known of a cluster: where it is declared, its labels and facts, whether it is reached, the applications it gets and has
    Get(ClusterGet),
    /// List the clusters of the fleet, each with its version and whether it can be reached; a cluster that cannot is no error
    List(ClusterList),
    /// Let a cluster leave: release what it has, or delete it first (`--drain`), as a plan that is shown; then take its entry out of the files
    #[command(visible_alias = "remove")]
    Rm(Box<ClusterRemove>),
    /// Make a new token for a cluster's service account, keep it where the old one is, and end the old one
    #[command(visible_alias = "rotate-auth")]
    Rotate(ClusterRotate),
}

/// Who is asked, and how.
#[derive(Args, Debug, Clone)]
pub(crate) struct LoginArgs {
    /// Keep the login as a cluster Secret in the Argo CD of the cluster that this context of the kubeconfig reaches
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) management_context: Option<String>,
    /// Keep the login as a context of this kubeconfig, which is made or added to (mode 0600)
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,
    /// Let `--credentials` name a file that git would commit
    #[arg(long, requires = "credentials")]
    pub(crate) credentials_in_tree: bool,
    /// File of the contexts [default: KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// A program that may be run for credentials (`aws`, `gke-gcloud-auth-plugin`, `kubelogin`); may be repeated
    #[arg(long, value_name = "PROGRAM", value_delimiter = ',')]
    pub(crate) allow_exec: Vec<String>,
}

/// Arguments of `cluster add`.
#[derive(Args, Debug)]
#[command(after_help = ADD_HELP)]
pub(crate) struct ClusterAdd {
    /// Context of the kubeconfig that reaches the cluster as somebody who may give rights there
    #[arg(value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    /// Name of the cluster in the fleet [default: that of the context]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A label that selectors see; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    pub(crate) labels: Vec<(String, String)>,
    /// An annotation; may be repeated
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = parse_annotation)]
    pub(crate) annotations: Vec<(String, String)>,
    /// The project that the cluster belongs to
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) project: String,
    /// The Argo CD instance that it joins, where the fleet has several
    #[arg(long, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    /// Give rights in this namespace only, and what fleetc needs for its inventories; may be repeated
    #[arg(long = "namespace", value_name = "NAMESPACE", value_delimiter = ',')]
    pub(crate) namespaces: Vec<String>,
    /// Let the Argo CD manage kinds of the whole cluster although namespaces are given
    #[arg(long, requires = "namespaces")]
    pub(crate) cluster_resources: bool,
    /// Give rights to only the kinds of objects that the fleet has for a cluster with these labels
    #[arg(long, conflicts_with_all = ["service_account", "aws_cluster_name", "exec_command"])]
    pub(crate) minimal: bool,
    /// Use this service account, with the rights that it has, and only make a token for it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["namespaces"])]
    pub(crate) service_account: Option<String>,
    /// Namespace of the service account
    #[arg(long, value_name = "NAMESPACE", default_value = fleetc::join::SYSTEM_NAMESPACE)]
    pub(crate) system_namespace: String,
    /// Log in as an AWS role: name of the EKS cluster. Nothing is made on the cluster
    #[arg(long, value_name = "NAME", conflicts_with_all = ["exec_command", "service_account", "namespaces"])]
    pub(crate) aws_cluster_name: Option<String>,
    /// ARN of the AWS role
    #[arg(long, value_name = "ARN", default_value = "", requires = "aws_cluster_name")]
    pub(crate) aws_role_arn: String,
    /// Profile of the AWS configuration
    #[arg(long, value_name = "NAME", default_value = "", requires = "aws_cluster_name")]
    pub(crate) aws_profile: String,
    /// Log in with what this program prints (`argocd-k8s-auth` for Google Cloud and Azure). Nothing is made on the cluster
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["service_account", "namespaces"])]
    pub(crate) exec_command: Option<String>,
    /// Arguments of that program; may be repeated
    #[arg(long, value_name = "ARG", value_delimiter = ',', allow_hyphen_values = true, requires = "exec_command")]
    pub(crate) exec_command_args: Vec<String>,
    /// Variables of that program; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "exec_command")]
    pub(crate) exec_command_env: Vec<(String, String)>,
    /// Version of its protocol
    #[arg(long, value_name = "VERSION", default_value = "client.authentication.k8s.io/v1beta1")]
    pub(crate) exec_command_api_version: String,
    /// What is said where the program is missing
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) exec_command_install_hint: String,
    /// Write the stub into this file: a file of manifests, or fleet.yaml [default: where the fleet's other clusters are]
    #[arg(long, value_name = "FILE")]
    pub(crate) stub: Option<PathBuf>,
    /// Change what is there already under these names: rights that somebody else gave, the Secret of another cluster
    #[arg(long)]
    pub(crate) upsert: bool,
    /// Say what would be made and written, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

const ADD_HELP: &str = "The names on the cluster are those of `argocd cluster add`. The login goes to `--management-context` or `--credentials`, never into the fleet by itself; a file that git would commit is refused. What is there already is left as it is, so that a run that was cut off is run again.";

/// Arguments of `cluster get`.
#[derive(Args, Debug)]
pub(crate) struct ClusterGet {
    /// Name of the cluster (`instance/name` where several instances have one of that name), or URL of its API server
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Arguments of `cluster list`.
#[derive(Args, Debug)]
pub(crate) struct ClusterList {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// What is printed: a table, a wide one (identity, instance, labels too), JSON as `argocd cluster list` has it, or the servers alone
    #[arg(long, short, value_enum, default_value_t = ClusterOutput::Table)]
    pub(crate) output: ClusterOutput,
}

/// `cluster list --output`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClusterOutput {
    /// A table
    Table,
    /// More columns
    Wide,
    /// A JSON list
    Json,
    /// The servers alone
    Server,
}

/// Arguments of `cluster facts`.
#[derive(Args, Debug)]
pub(crate) struct ClusterFacts {
    /// Name of the cluster (`instance/name` where several instances have one of that name)
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Write to this file, which is left alone where nothing changed
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Arguments of `cluster doctor`.
#[derive(Args, Debug)]
pub(crate) struct ClusterDoctor {
    /// Name of the cluster [default: all]; a folder here is that of the fleet
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Arguments of `cluster rotate`.
#[derive(Args, Debug)]
pub(crate) struct ClusterRotate {
    /// Name of the cluster (`instance/name` where several instances have one of that name)
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    /// Context of somebody who may make and delete tokens there [default: the cluster's own login]
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) admin_context: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Arguments of `cluster rm`.
#[derive(Args, Debug)]
#[command(
    after_help = "A released cluster keeps everything; only the fleet's marks, inventories and records go, so that nobody takes it for the fleet's \
any more. A cluster that is taken out of the files by hand is left alone by plan and apply, and is released by `--context NAME=CONTEXT`."
)]
pub(crate) struct ClusterRemove {
    /// Name of the cluster (`instance/name` where several instances have one of that name)
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Delete what the fleet has there, instead of releasing it
    #[arg(long, conflicts_with = "unreachable")]
    pub(crate) drain: bool,
    /// With `--drain`: most applications that may go [default: one]
    #[arg(long, value_name = "N", requires = "drain")]
    pub(crate) max_removals: Option<usize>,
    /// With `--drain`: a protected kind that may be deleted (`Namespace`, `PersistentVolumeClaim`…); may be repeated
    #[arg(long, value_name = "KIND.GROUP", value_delimiter = ',', requires = "drain")]
    pub(crate) allow_delete: Vec<String>,
    /// Do nothing on the cluster: only take its entry out of the files
    #[arg(long)]
    pub(crate) unreachable: bool,
    /// Delete the service account and the roles that fleetc made there, as somebody who may (context of the kubeconfig)
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) admin_context: Option<String>,
    /// Delete the login of the cluster, too: from the Argo CD at `--management-context`, or from the kubeconfig `--credentials`
    #[arg(long)]
    pub(crate) delete_login: bool,
    /// With `--delete-login`: the kubeconfig that has the login
    #[arg(long, value_name = "FILE", requires = "delete_login")]
    pub(crate) credentials: Option<PathBuf>,
    /// How long a deletion may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask. Budgets and refusals stay
    #[arg(long, short)]
    pub(crate) yes: bool,
}

impl ClusterRemove {
    /// Where the login is, and how it is reached.
    pub(crate) fn login(&self) -> LoginArgs {
        LoginArgs {
            // Without a file named, the management cluster is where it is.
            management_context: self.connection.management_context.clone().filter(|_| self.credentials.is_none()),
            credentials: self.credentials.clone(),
            credentials_in_tree: true,
            kubeconfig: self.connection.kubeconfig.clone(),
            allow_exec: self.connection.allow_exec.clone(),
        }
    }
}

/// A label as an API server takes it: the key is a name with an optional domain, the value at most 63 letters, digits, `-`, `_` and `.`.
fn parse_label(text: &str) -> Result<(String, String), String> {
    let (key, value) = parse_annotation(text)?;
    if is_name(&value) || value.is_empty() {
        return Ok((key, value));
    }
    Err(format!(
        "`{value}` is no value of a label: at most 63 letters, digits, `-`, `_` and `.`, the first and the last no sign"
    ))
}

fn parse_annotation(text: &str) -> Result<(String, String), String> {
    let Some((key, value)) = text.split_once('=') else {
        return Err("expected KEY=VALUE, such as environment=prod".to_owned());
    };
    let (domain, name) = key.rsplit_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    let domain_fits = domain.is_none_or(|domain| {
        let part = |part: &str| {
            is_name(part) && !part.contains(['_', '.']) && !part.contains(|c: char| c.is_ascii_uppercase())
        };
        domain.len() <= 253 && domain.split('.').all(part)
    });
    if !(is_name(name) && domain_fits) {
        return Err(format!("`{key}` is no key of a label or annotation, such as `environment` or `example.com/team`"));
    }
    if key == "argocd.argoproj.io/secret-type" {
        return Err(format!("`{key}` is what makes a Secret a cluster, and always set"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    (1..=63).contains(&text.len())
        && text.chars().all(|c| plain(c) || matches!(c, '-' | '_' | '.'))
        && text.starts_with(plain)
        && text.ends_with(plain)
}
