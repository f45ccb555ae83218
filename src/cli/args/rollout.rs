//! Arguments of a run in waves.

use clap::Args;
use fleetc::rollout::Amount;

/// What `apply` is told about waves.
#[derive(Args, Debug)]
pub(crate) struct RolloutArgs {
    /// Go on where a rollout is paused: pass the pause that an earlier run came to, or that after WAVE (name or number); may be repeated
    #[arg(long = "continue", value_name = "WAVE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) go_on: Vec<String>,
    /// Most clusters that may fail before a rollout stops, in each wave and in all, as a number or percent [default: as fleet.yaml says]
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(crate) max_failures: Option<Amount>,
    /// Apply everything at once: neither `rollout` of fleet.yaml nor `rollingSync` of ApplicationSets counts
    #[arg(long)]
    pub(crate) no_rollout: bool,
}

fn amount(text: &str) -> Result<Amount, String> {
    Amount::parse(text).ok_or_else(|| "write a number such as `3`, or a percent such as `10%`".to_owned())
}
