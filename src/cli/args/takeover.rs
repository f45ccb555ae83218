//! The arguments of the commands that take over what others deploy: `adopt`, `verify`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fleetc::plan::Deployer;

use super::{ConnectionArgs, FilterArgs, FleetArgs, PlanningArgs};

/// What is to be on which cluster, and how that is reached, for commands that decide nothing about deletions.
#[derive(Args, Debug, Clone)]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Take the bundles of this folder as they lie there, checked against their lock, instead of compiling
    #[arg(long, value_name = "OUT")]
    pub(crate) bundles: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// After so many seconds a cluster that is not done counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) timeout: u64,
}

impl TargetArgs {
    /// As planning takes them.
    pub(crate) fn planning(&self) -> PlanningArgs {
        let TargetArgs { fleet, bundles, connection, filter, .. } = self.clone();
        PlanningArgs {
            fleet,
            bundles,
            connection,
            filter,
            prune: None,
            max_deletes: None,
            max_removals: None,
            allow_delete: Vec::new(),
            allow_empty: false,
            take_ownership: false,
        }
    }
}

/// Arguments of `verify`.
#[derive(Args, Debug)]
#[command(after_help = VERIFY_HELP)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

const VERIFY_HELP: &str = "Every object that would be applied is compared with the live one. Requests are get and list only. Identical is what \
differs in nothing but how values are written (defaults, units, empty values), in marks of deployers (tracking ids, release annotations) or in \
what ignoreDifferences names. With --verbose every object that is not identical is listed. Exit 1 when not all are.";

/// `--from`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeployerChoice {
    /// Argo CD: argocd-controller, by server-side and by client-side apply
    Argocd,
    /// Helm: helm, by either
    Helm,
    /// Flux: kustomize-controller and helm-controller
    Flux,
    /// kubectl apply: kubectl-client-side-apply with its annotation, and kubectl by server-side apply
    Kubectl,
}

impl DeployerChoice {
    /// As planning calls it.
    pub(crate) fn deployer(self) -> Deployer {
        match self {
            DeployerChoice::Argocd => Deployer::ArgoCd,
            DeployerChoice::Helm => Deployer::Helm,
            DeployerChoice::Flux => Deployer::Flux,
            DeployerChoice::Kubectl => Deployer::Kubectl,
        }
    }
}

/// Arguments of `adopt`.
#[derive(Args, Debug)]
#[command(after_help = ADOPT_HELP)]
pub(crate) struct Adopt {
    /// Whose fields are taken over; may be repeated
    #[arg(long, value_enum, value_name = "DEPLOYER", required_unless_present = "back_to", value_delimiter = ',')]
    pub(crate) from: Vec<DeployerChoice>,
    /// The way back: give what we own to this deployer's manager
    #[arg(long, value_enum, value_name = "DEPLOYER", conflicts_with = "from")]
    pub(crate) back_to: Option<DeployerChoice>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Say what would move, change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

const ADOPT_HELP: &str = "Only who owns which field changes (managedFields), no value: `fleetc plan` shows afterwards what the next apply would \
change and remove. Moved is exactly what the managers of the named deployers own; what `before-first-apply` holds is never moved. Objects that \
an automated Application or an unsuspended Flux works on are refused. A run that was cut off is run again. docs/taking-over.md has all steps.";
