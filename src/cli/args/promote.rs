//! The arguments of `promote`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::FleetOptions;

/// Arguments of `promote`.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Promote {
    /// The environment that has what is to come
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// The environment that is to get it
    #[arg(value_name = "TO")]
    pub(crate) to: String,
    /// Folder of the fleet
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) fleet_dir: PathBuf,
    /// What moves; may be repeated [default: images,charts,revisions]
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub(crate) only: Vec<KindChoice>,
    /// Applications by name, with or without the names of environment and cluster in it; globs, may be repeated [default: all]
    #[arg(long = "app", value_name = "NAME", value_delimiter = ',')]
    pub(crate) apps: Vec<String>,
    /// What moves by its name in the list (an image, a chart, a path of values, a file); globs, may be repeated [default: all]
    #[arg(long = "key", value_name = "NAME", value_delimiter = ',')]
    pub(crate) keys: Vec<String>,
    /// Write the files without asking
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) write: bool,
    /// Write the files and commit them, and nothing else, on the branch that is checked out
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) commit: bool,
    /// Show what would change; ask nothing, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With --commit: the first line of the message [default: what moves]
    #[arg(long, short, value_name = "TEXT", requires = "commit")]
    pub(crate) message: Option<String>,
    /// With --commit: name and address of its author [default: GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL, `publish.author` of fleet.yaml, git's configuration]
    #[arg(long, value_name = "NAME <ADDRESS>", requires = "commit")]
    pub(crate) author: Option<String>,
    /// With --commit: sign it with this ssh key, as git does with `gpg.format=ssh`
    #[arg(long, value_name = "FILE", requires = "commit")]
    pub(crate) sign: Option<PathBuf>,
    /// Move versions that are older than those that are there, too
    #[arg(long)]
    pub(crate) allow_older: bool,
    /// Move what the other environment has not had for as long as `soak` says
    #[arg(long)]
    pub(crate) ignore_soak: bool,
    /// Write over files that differ from their commit
    #[arg(long)]
    pub(crate) allow_dirty: bool,
    /// Exit 1 when there is something to move
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) options: FleetOptions,
}

const HELP: &str = "Environments are those of `environments` in fleet.yaml, else the values of the clusters' label `environment` (or `env`, \
`stage`, `tier`). What differs is listed with the place that decides it; what would move is edited in place, compiled, and shown as a \
difference of the fleet. Without --write and --commit it is asked for on a terminal; elsewhere nothing is written. `fleetc promote staging \
prod --app shop --commit` moves the versions of one application.";

/// `--only`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KindChoice {
    /// Tags and digests of images
    Images,
    /// Versions of charts
    Charts,
    /// Revisions of other repositories
    Revisions,
    /// Helm values and parameters
    Values,
    /// Files and fields of kustomize overlays and of plain folders
    Overlays,
}
