//! The arguments of the commands about fleetc itself: `completions`, `man`, `schema`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_HELP)]
pub(crate) struct Completions {
    /// The shell [default: the one that SHELL names]
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Option<Shell>,
}

const COMPLETIONS_HELP: &str = "bash: `source <(fleetc completions bash)` in ~/.bashrc. zsh: `fleetc completions zsh > ~/.zfunc/_fleetc`, a folder \
in fpath. fish: `fleetc completions fish > ~/.config/fish/completions/fleetc.fish`. PowerShell: `fleetc completions powershell | Out-String | \
Invoke-Expression` in $PROFILE.";

/// Arguments of `man`.
#[derive(Args, Debug)]
#[command(
    after_help = "`fleetc man diff | man -l -` shows one; `fleetc man --dir ~/.local/share/man/man1` installs all of them for `man fleetc-diff`."
)]
pub(crate) struct Man {
    /// The command whose page is printed, as in `diff` or `cluster add` [default: that of fleetc]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub(crate) command: Vec<String>,
    /// Write the pages of all commands into this folder, which is made where it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Arguments of `schema`.
#[derive(Args, Debug)]
#[command(
    after_help = "In a file: `# yaml-language-server: $schema=.fleetc/fleet.schema.json`, after `fleetc schema -o .fleetc/fleet.schema.json`. docs/guide.md says how editors are told \
for all files."
)]
pub(crate) struct Schema {
    /// Of which format
    #[arg(value_enum, value_name = "FORMAT", default_value_t = Schemas::Fleet)]
    pub(crate) format: Schemas,
    /// Write it to this file, whose folder is made where it is missing
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// The formats that have a schema.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schemas {
    /// fleet.yaml
    Fleet,
    /// clusters/NAME.facts.yaml, what a cluster serves
    Facts,
    /// bundles/NAME/bundle.yaml
    Bundle,
    /// bundles/bundles.lock
    BundlesLock,
    /// What `fleetc diff --format json` prints
    Diff,
    /// fleet.lock
    FleetLock,
    /// A saved plan, and what `fleetc plan --format json` prints
    Plan,
    /// What `fleetc promote --format json` prints
    Promote,
    /// What `drift`, `status` and `history` print with --format json
    State,
}
