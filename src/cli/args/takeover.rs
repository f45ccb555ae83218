//! The arguments of the commands that take over what others deploy: `adopt`, `init`, `verify`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fleetc::plan::Deployer;

use super::{Color, Format, TargetArgs};

/// Arguments of `verify`.
#[derive(Args, Debug)]
#[command(after_help = VERIFY_HELP)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// After so many seconds a cluster that is not done counts as one that cannot be reached
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
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
    /// After so many seconds a cluster that is not done counts as one that cannot be reached
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
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

/// Arguments of `init`.
#[derive(Args, Debug)]
#[command(after_help = INIT_HELP)]
pub(crate) struct Init {
    /// Folder that the files are written into; it is made where it is missing
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Read the Argo CD that runs in the cluster of this context of the kubeconfig
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) from_argocd: Option<String>,
    /// Namespace of that Argo CD
    #[arg(long, value_name = "NAMESPACE", default_value = "argocd", requires = "from_argocd")]
    pub(crate) namespace: String,
    /// The fleet's name [default: that of the folder]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// File of the contexts [default: KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// A program that may be run for credentials (`aws`, `gke-gcloud-auth-plugin`, `kubelogin`); may be repeated
    #[arg(long, value_name = "PROGRAM", value_delimiter = ',')]
    pub(crate) allow_exec: Vec<String>,
    /// Write over files that say something else
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Say what would be written, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

const INIT_HELP: &str = "Without --from-argocd the folder is looked at, and a fleet.yaml is written with what its files do not say themselves: which \
repoURL is this checkout, which overlays are an Argo CD of their own, clusters that Applications name and nothing declares. What was taken, what \
was left out and why is said; nothing is fetched and no cluster is asked; --dry-run shows the text. .fleetc/fleet.schema.json is for editors. With it: clusters/ (labels and annotations, no logins), projects/, applications/ and applicationsets/ (those that nothing else declares), \
settings/, overrides/ (what was set by hand on live Applications) and fleet.yaml. A file that says something else is never written over without \
--overwrite, and then nothing is written at all; a second run changes nothing.";
