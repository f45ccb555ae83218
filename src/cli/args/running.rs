//! Arguments of `drift`, `status`, `history` and `rollback`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Apply, ConnectionArgs, FleetArgs, PlanningArgs, RolloutArgs, TargetArgs, WaitChoice};

/// An apply of what was planned with other arguments than those of `apply`.
pub(crate) fn applying(planning: PlanningArgs, yes: bool, timeout: u64) -> Apply {
    Apply {
        planning,
        fleet_dir: PathBuf::from("."),
        yes,
        wait: WaitChoice::Steps,
        timeout,
        ignore_windows: false,
        journal: None,
        release: false,
        // What was on the clusters before comes back at once.
        rollout: RolloutArgs { go_on: Vec::new(), max_failures: None, no_rollout: true },
    }
}

/// Arguments of `drift`.
#[derive(Args, Debug)]
#[command(after_help = DRIFT_HELP)]
pub(crate) struct Drift {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// After so many seconds a cluster that is not done counts as one that cannot be reached
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
    /// Use get and list only, no dry runs: which fields differ is foreseen from managedFields; defaults and webhooks are not
    #[arg(long, conflicts_with = "heal")]
    pub(crate) read_only: bool,
    /// Put back what was applied, as a plan that is shown and agreed to: where the sync policy says selfHeal, or (`--heal=all`) everywhere
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "policy")]
    pub(crate) heal: Option<Heal>,
    /// With --heal: do not ask. Budgets and refusals stay
    #[arg(long, short, requires = "heal")]
    pub(crate) yes: bool,
}

const DRIFT_HELP: &str = "Drift is live against what was last applied, as the inventory on the cluster says; what the fleet says by now and nobody has \
applied is none. In which fields, the fleet's object says, as long as it is the one that was applied; else only what others have written since \
is known. Fields that known controllers hold (replicas of an autoscaler, what a webhook sets), that rules of fleet.yaml leave to others, and that \
ignoreDifferences name are no drift; -v lists them. Exit 1 when there is drift; with --heal when some is left.";

/// `--heal`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heal {
    /// Applications whose sync policy says `automated.selfHeal`
    Policy,
    /// Everything that the filters let through
    All,
}

/// Arguments of `status`.
#[derive(Args, Debug)]
#[command(after_help = STATUS_HELP)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// After so many seconds a cluster that is not done counts as one that cannot be reached
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
    /// What is printed: a table, or a wide one with everything in it
    #[arg(long, short, value_enum, default_value_t = StatusOutput::Table)]
    pub(crate) output: StatusOutput,
    /// Exit 1 when something is not synced and healthy, 5 when a cluster cannot be reached
    #[arg(long)]
    pub(crate) exit_code: bool,
}

const STATUS_HELP: &str = "SYNC is Synced (live is what was applied, and that is what the fleet says), Drifted (live is not what was applied), OutOfSync (the \
fleet says something else by now), NotApplied, Leaving (no longer declared there) or Unknown. With more than 40 applications only those are listed that are not \
synced and healthy, after a summary; -v and -o wide list all. Only get and list are used.";

/// `status --output`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusOutput {
    /// A table
    Table,
    /// More columns, and all rows
    Wide,
}

/// Which application on which cluster.
#[derive(Args, Debug)]
pub(crate) struct SliceArgs {
    /// The cluster
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: String,
    /// The application (also `namespace/name` and `instance/namespace/name`)
    #[arg(long, value_name = "NAME")]
    pub(crate) app: String,
}

/// Arguments of `history`.
#[derive(Args, Debug)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) slice: SliceArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Also list what the Git history of this folder of bundles has of it, or what lies in it; may be repeated [default: bundles in the
    /// fleet's folder]
    #[arg(long, value_name = "OUT")]
    pub(crate) bundles: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Arguments of `rollback`.
#[derive(Args, Debug)]
#[command(after_help = ROLLBACK_HELP)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) slice: SliceArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// The commit, tag or branch of the fleet's repository to go back to [default: that of the last good apply of something else, as
    /// `fleetc history` lists them]
    #[arg(long, value_name = "REVISION", conflicts_with_all = ["bundles", "release"])]
    pub(crate) to: Option<String>,
    /// Go back to what lies in this folder of bundles, instead of compiling an earlier commit
    #[arg(long, value_name = "OUT", conflicts_with = "release")]
    pub(crate) bundles: Option<PathBuf>,
    /// End the hold that a rollback left: the next apply brings what the fleet says
    #[arg(long)]
    pub(crate) release: bool,
    /// Why, for those who come across the hold
    #[arg(long, value_name = "TEXT", default_value = "", conflicts_with = "release")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// A protected kind that may be deleted, as in `plan`; may be repeated
    #[arg(long, value_name = "KIND.GROUP", value_delimiter = ',')]
    pub(crate) allow_delete: Vec<String>,
    /// Most deletions [default: the larger of 10 and 20 % of what the fleet has on the cluster, at most 100]
    #[arg(long, value_name = "N")]
    pub(crate) max_deletes: Option<usize>,
    /// Take fields that people and other deployers hold
    #[arg(long)]
    pub(crate) take_ownership: bool,
    /// Do not ask. Budgets and refusals stay
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// How long a wave, a hook or a deletion may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
}

const ROLLBACK_HELP: &str = "One application on one cluster goes back to what the fleet said at an earlier commit: that is compiled from the object store (the \
checkout is not touched), planned, shown and, when somebody agrees, applied. Afterwards the application is held there: plan and apply leave it alone and say so, \
until `fleetc rollback --release` or `fleetc apply --release`. A definition of custom resources is never taken below a version in which the cluster has stored objects.";
