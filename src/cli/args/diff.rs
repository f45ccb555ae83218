//! The arguments of `diff`.

use std::path::PathBuf;

use clap::Args;

use super::{FilterArgs, FleetOptions};

/// Arguments of `diff`.
#[derive(Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Diff {
    /// What was: a revision of the fleet's git repository, the folder of a fleet (another checkout), a folder of bundles, or a lock
    #[arg(value_name = "A", default_value = "HEAD")]
    pub(crate) before: String,
    /// What is: the same kinds [default: the working tree]
    #[arg(value_name = "B")]
    pub(crate) after: Option<String>,
    /// Folder of the fleet
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) fleet_dir: PathBuf,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Exit 1 when something differs
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Print the report as Markdown for a comment of a pull request, short enough for one
    #[arg(long, conflicts_with = "format")]
    pub(crate) markdown: bool,
    /// Compare anew, whatever is remembered of the last run [also: FLEETC_NO_CACHE=1]
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Write what differs as one HTML file, too: by cluster and application, with every object's text, difference and origin
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: FleetOptions,
}

const HELP: &str = "Revisions are written as for git: `main`, `HEAD~3`, `v1.2`, and `main...HEAD` for the commit at which a branch left \
main. Both are compiled from the object store, side by side; the checkout is not touched. `fleetc diff main...HEAD HEAD` is what a pull \
request changes, with `--branch main` as it will be when it is merged. A change that is the same on many clusters is shown once.";
