//! The arguments of `publish`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{FleetArgs, ManagementArgs};

const HELP: &str = "BRANCH is one of the fleet's own repository (its remote `origin`; without a remote, of the checkout); URL#BRANCH one of \
another repository: https, http, ssh, or a path on this machine. The branch may be a template over the labels of clusters, as in \
`rendered/{{ region }}`: one push a branch. A branch is never forced, and on it only files are touched that fleetc published.";

/// Arguments of `publish`.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Publish {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) management: ManagementArgs,
    /// Where to publish [default: `publish.to` of fleet.yaml]
    #[arg(long, value_name = "BRANCH|URL#BRANCH")]
    pub(crate) to: Option<String>,
    /// Folder on the branch [default: `publish.path` of fleet.yaml, else all of it]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) path: Option<String>,
    /// How the files are laid out: as a build writes them; a folder an application with Applications of Argo CD or Kustomizations of Flux that point there; as Argo CD's source hydrator leaves a branch [default: `publish.layout` of fleet.yaml, else bundles]
    #[arg(long, value_enum, value_name = "LAYOUT")]
    pub(crate) layout: Option<LayoutChoice>,
    /// Say what the commits would hold; push nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Name and address of the commits' author [default: GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL, `publish.author` of fleet.yaml, git's configuration]
    #[arg(long, value_name = "NAME <ADDRESS>")]
    pub(crate) author: Option<String>,
    /// Push to a branch beside the one that is named, and open a pull request (or bring the open one up to date) on GitHub, GitLab or Gitea; the token is in GITHUB_TOKEN, GITLAB_TOKEN or GITEA_TOKEN
    #[arg(long, value_enum, value_name = "SERVICE", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    pub(crate) pull_request: Option<ServiceChoice>,
    /// Sign the commits with this ssh key, as git does with `gpg.format=ssh`: `ssh-keygen -Y sign` is run
    #[arg(long, value_name = "FILE")]
    pub(crate) sign: Option<PathBuf>,
    /// How often it is tried again when somebody else pushes at the same time, or the server is not reached
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) retries: u32,
    /// Publish beside files that fleetc did not publish, and take over those that are in the way
    #[arg(long)]
    pub(crate) adopt_branch: bool,
    /// Let bundles be committed to the branch that they are made from
    #[arg(long)]
    pub(crate) allow_source_branch: bool,
    /// Publish Secrets whose data anybody can read who reads the branch
    #[arg(long)]
    pub(crate) allow_secrets: bool,
    /// Publish a working tree that differs from its commit
    #[arg(long)]
    pub(crate) allow_dirty: bool,
    /// Publish a commit that is older than what was published last
    #[arg(long)]
    pub(crate) allow_older: bool,
    /// When an ApplicationSet fails, hold what it last made and go on with the others
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Write what changes to this file, as Markdown for a pull request
    #[arg(long, value_name = "FILE")]
    pub(crate) pr_text: Option<PathBuf>,
}

/// `--layout`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayoutChoice {
    /// As `fleetc build` writes them
    Bundles,
    /// With Applications of Argo CD
    Argocd,
    /// With Kustomizations of Flux
    Flux,
    /// As Argo CD's source hydrator
    Hydrator,
}

/// `--pull-request`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceChoice {
    /// By the host of the repository, or by GITHUB_API_URL, GITLAB_API_URL, GITEA_API_URL
    Auto,
    /// GitHub
    Github,
    /// GitLab
    Gitlab,
    /// Gitea, Forgejo
    Gitea,
}
