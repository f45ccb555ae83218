//! Arguments of `watch`.

use clap::Args;

use super::{FilterArgs, FleetArgs};

/// Arguments of `watch`.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// End after so many changes were shown [default: go on until Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) changes: Option<u64>,
    /// Look at all files every so many seconds, where the system does not say what changes: network drives, some containers
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) poll: Option<u64>,
}

const HELP: &str = "Shown is what differs from the last compile that was good: changes that are the same on many clusters once. After an error it goes on \
watching, and the next good compile is compared with the last good one; an application that fails alone keeps what it last was. Nothing is written. The \
folder of the bundles, .git and what editors put beside a file while they save are not watched.";
