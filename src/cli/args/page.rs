//! The arguments of `report`.

use std::path::PathBuf;

use clap::Args;

use super::{FilterArgs, FleetArgs};

/// Arguments of `report`.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// The file to write, `-` for standard output
    #[arg(long, short, value_name = "FILE", default_value = "fleet.html")]
    pub(crate) output: PathBuf,
}

const HELP: &str = "The file needs no server and asks for nothing: open it in a browser, attach it to a pull request, keep it as a \
build artifact. It has every rendered object; values of Secrets are masked. `fleetc diff --html FILE` writes the same of what differs.";
