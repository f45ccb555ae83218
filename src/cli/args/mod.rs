//! The arguments of all commands. The doc comments are the help texts.

mod cluster;
mod diff;
mod lint;
mod management;
mod page;
mod promote;
mod publish;
mod rbac;
mod rollout;
mod running;
mod shell;
mod takeover;
#[cfg(test)]
mod tests;
mod watch;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fleetc::host::seen::Seen;
use fleetc::host::shelf::Shelf;

pub(crate) use cluster::{
    ClusterAdd, ClusterCommand, ClusterDoctor, ClusterFacts, ClusterGet, ClusterList, ClusterOutput, ClusterRemove,
    ClusterRotate, LoginArgs,
};
pub(crate) use diff::Diff;
pub(crate) use lint::Lint;
pub(crate) use management::ManagementArgs;
pub(crate) use page::Report;
pub(crate) use promote::{KindChoice, Promote};
pub(crate) use publish::{LayoutChoice, Publish, ServiceChoice};
pub(crate) use rbac::RbacArgs;
pub(crate) use rollout::RolloutArgs;
pub(crate) use running::{Drift, Heal, History, Rollback, SliceArgs, Status, StatusOutput, applying};
pub(crate) use shell::{Completions, Man, Schema, Schemas};
pub(crate) use takeover::{Adopt, Init, Verify};
pub(crate) use watch::Watch;

/// A fleet compiler for Kubernetes: reads what Argo CD users keep in Git and renders it into per-cluster bundles with a lock.
#[derive(Parser, Debug)]
#[command(name = "fleetc", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 the answer is no (stale), 2 wrong usage, 3 errors in the fleet, 4 a source could not be had, 5 a cluster refused or failed.";

/// The commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Take over the fields that Argo CD, Helm, Flux or kubectl own of the fleet's objects, so that what leaves Git really goes
    Adopt(Adopt),
    /// Carry out a saved plan, or plan, ask and carry that out
    Apply(Apply),
    /// Compile the fleet: bundles/<cluster>/…, bundles/bundles.lock, fleet.lock
    Build(Build),
    /// The clusters of the fleet: let one join, look at them, renew their logins, let one leave
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Compile, write nothing; exit 1 with a list when bundles or locks do not match the sources any more
    Check(Check),
    /// Print what a shell completes commands and options by
    Completions(Completions),
    /// Show what differs between two revisions of the fleet, two folders of bundles or two locks: equal changes on many clusters once
    Diff(Diff),
    /// Show where clusters are not as they were last applied, by whom and since when; exit 1 when there is such a place
    Drift(Drift),
    /// Print the Applications that the fleet stands for, one YAML document each, sorted by name
    Expand(Expand),
    /// Say where an application, an object or a field came from, with file and line: generators, sources, patches, edits
    Explain(Explain),
    /// Print what `helm template NAME CHART` prints
    Helm(Helm),
    /// List what was applied of an application on a cluster: revision, when, by whom, how it went
    History(History),
    /// Write a fleet.yaml by looking at the repository, or with --from-argocd the files of a fleet from a live Argo CD
    Init(Init),
    /// Print what `kustomize build DIR` prints
    Kustomize(Kustomize),
    /// Check the rendered objects: fields and API versions against the cluster's Kubernetes and CRDs, policies, one's own rules
    Lint(Lint),
    /// Print manual pages, or write those of all commands
    Man(Man),
    /// Show what would change on which cluster: creates, changes with their fields, deletions, hooks, what is held or refused
    Plan(Plan),
    /// Write the fleet as one HTML file: what is where, every object, and where each of its lines came from
    Report(Report),
    /// Show what differs between two environments, and move versions from one to the other by editing files in place
    Promote(Promote),
    /// Take an application on a cluster back to an earlier revision, and hold it there
    Rollback(Rollback),
    /// Show how every application stands on every cluster: synced, healthy, which revision, applied when and by whom
    Status(Status),
    /// Commit the bundles to a branch or another repository, without a worktree; nothing when nothing changed
    Publish(Publish),
    /// Print the JSON Schema of fleet.yaml or of another format, for editors and checks
    Schema(Schema),
    /// Look after the folder of fetched sources, which all fleets share
    #[command(subcommand)]
    Store(StoreCommand),
    /// Resolve sources anew, say what moved, and write fleet.lock
    Update(Update),
    /// Fetch everything that fleet.lock pins into a folder, for builds without a network
    Vendor(Vendor),
    /// Say how many objects of the clusters are what would be applied, and why the others are not; exit 1 when not all are
    Verify(Verify),
    /// Compile anew whenever a file changes, and show what differs
    Watch(Watch),
}

/// What every command that reads a fleet takes.
#[derive(Args, Debug, Clone)]
pub(crate) struct FleetArgs {
    /// Folder of the fleet
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) options: FleetOptions,
}

impl FleetArgs {
    /// The same, with the Argo CD that knows logins of repositories.
    pub(crate) fn knowing(&self, management: impl Into<ManagementArgs>) -> FleetArgs {
        let mut args = self.clone();
        args.options.management = management.into();
        args
    }
}

/// Options of every command that reads a fleet.
#[derive(Args, Debug, Clone)]
pub(crate) struct FleetOptions {
    /// A repository's folder (a git checkout or a plain tree), instead of fetching it; may be repeated
    #[arg(long = "repo", value_name = "URL=PATH", value_parser = parse_repo)]
    pub(crate) repos: Vec<(String, String)>,
    /// The commit that is read in place of the working tree: `rollback` sets it.
    #[arg(skip)]
    pub(crate) at: Option<String>,
    /// Where is noted what is looked at: `build` and `check` set it.
    #[arg(skip)]
    pub(crate) seen: Seen,
    /// The Argo CD that knows logins of repositories: commands with arguments of it set this.
    #[arg(skip)]
    pub(crate) management: ManagementArgs,
    /// A fleet.yaml that nobody has written yet: `init` sees what it would do.
    #[arg(skip)]
    pub(crate) trial: Option<String>,
    /// Where renders are kept from run to run: `build` and `check` set it.
    #[arg(skip)]
    pub(crate) renders: Option<Shelf>,
    /// Files that are read as if they held this: `promote` sets it.
    #[arg(skip)]
    pub(crate) edits: fleetc::host::Edits,
    /// Whose semantics: argocd=3.2 to 3.5, kustomize=5.8, helm=3.22 or 4.3; may be repeated
    #[arg(long = "engine", value_name = "NAME=VERSION", value_parser = parse_pair)]
    pub(crate) engines: Vec<(String, String)>,
    /// The branch that the working tree stands for, where the checkout is detached (CI)
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// Refuse what would change fleet.lock: a source that it does not pin is an error
    #[arg(long)]
    pub(crate) locked: bool,
    /// Ask nothing of the network: sources come from the store [also: FLEETC_OFFLINE=1]
    #[arg(long)]
    pub(crate) offline: bool,
    /// Both --locked and --offline
    #[arg(long)]
    pub(crate) frozen: bool,
    /// Folder of fetched sources [default: FLEETC_STORE, else fleetc in XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Unknown fields in Argo CD's objects are errors, and nothing is written when any application is held
    #[arg(long)]
    pub(crate) strict: bool,
    /// File with the secret that random values are derived from, for applications with `nondeterminism: derive` [default: the environment
    /// variable FLEETC_DERIVE_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) derive_key: Option<PathBuf>,
    /// Number of threads [default: one a core]
    #[arg(long, short = 'j', value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// How results and findings are printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// Say which files were taken as definitions, and which were not
    #[arg(long, short, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Print findings only, no progress and no summary
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// `--format`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text for people
    Human,
    /// One JSON document on standard output
    Json,
    /// One SARIF 2.1.0 document with the findings on standard output, for code scanning
    Sarif,
    /// As for people, the findings as annotations of GitHub Actions
    Github,
}

/// `--color`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether it is used on a stream.
    pub(crate) fn is_on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => stream.is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }
}

/// How clusters are reached. In this order: `--context`, `contexts` of fleet.yaml, the cluster Secret in the fleet, the management
/// cluster.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct ConnectionArgs {
    /// File of the contexts [default: KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Which context of the kubeconfig reaches a cluster; may be repeated
    #[arg(long = "context", value_name = "CLUSTER=CONTEXT", value_parser = parse_context)]
    pub(crate) contexts: Vec<(String, String)>,
    /// Context of the cluster whose Argo CD has the cluster Secrets, for clusters that have none in the fleet
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) management_context: Option<String>,
    /// A program that may be run for credentials (`aws`, `gke-gcloud-auth-plugin`, `kubelogin`); may be repeated
    #[arg(long, value_name = "PROGRAM", value_delimiter = ',')]
    pub(crate) allow_exec: Vec<String>,
    /// How long a request may take before the cluster counts as not answering, in seconds [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) request_timeout: Option<u64>,
}

/// Which slices (an application on a cluster) are meant. All patterns are globs; several of one kind are alternatives.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct FilterArgs {
    /// Applications by name (also `namespace/name`); may be repeated
    #[arg(long = "app", value_name = "NAME", value_delimiter = ',')]
    pub(crate) apps: Vec<String>,
    /// Applications of these projects; may be repeated
    #[arg(long = "project", value_name = "NAME", value_delimiter = ',')]
    pub(crate) projects: Vec<String>,
    /// Clusters by name; may be repeated
    #[arg(long = "cluster", value_name = "NAME", value_delimiter = ',')]
    pub(crate) clusters: Vec<String>,
    /// Clusters by their labels, as in `env=prod,region in (eu,us)`
    #[arg(long, short = 'l', value_name = "LABELS")]
    pub(crate) selector: Option<String>,
}

/// What `plan` and `apply` share.
#[derive(Args, Debug)]
pub(crate) struct PlanningArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) deletions: DeletionArgs,
}

/// What is to be on which cluster, and how that is reached.
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
}

impl TargetArgs {
    /// As planning takes them, for commands that decide nothing about deletions.
    pub(crate) fn planning(&self) -> PlanningArgs {
        PlanningArgs { target: self.clone(), deletions: DeletionArgs::default() }
    }
}

/// What may be deleted, and whose fields may be taken.
#[derive(Args, Debug, Default)]
pub(crate) struct DeletionArgs {
    /// Whether what an application no longer declares is deleted [default: as its sync policy says]
    #[arg(long, value_enum, value_name = "WHEN")]
    pub(crate) prune: Option<PruneChoice>,
    /// Most deletions on a cluster and in all [default: per cluster the larger of 10 and 20 % of what the fleet has there, at most 100; in all 200]
    #[arg(long, value_name = "N")]
    pub(crate) max_deletes: Option<usize>,
    /// Most applications that leave the fleet [default: one, or 1 % of all if that is more]
    #[arg(long, value_name = "N")]
    pub(crate) max_removals: Option<usize>,
    /// A protected kind that may be deleted (`Namespace`, `PersistentVolume`, `PersistentVolumeClaim`, `CustomResourceDefinition.apiextensions.k8s.io`); may be repeated
    #[arg(long, value_name = "KIND.GROUP", value_delimiter = ',')]
    pub(crate) allow_delete: Vec<String>,
    /// Let the last object of an application go, although its sync policy does not say `allowEmpty`
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// Take fields that people and other deployers hold; those of known controllers are left to them all the same
    #[arg(long)]
    pub(crate) take_ownership: bool,
}

/// Arguments of `apply`.
#[derive(Args, Debug)]
#[command(after_help = APPLY_HELP)]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) planning: PlanningArgs,
    /// With a saved plan: the folder of the fleet
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) fleet_dir: PathBuf,
    /// Do not ask. Budgets and refusals stay
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Whose health is waited for
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = WaitChoice::Steps)]
    pub(crate) wait: WaitChoice,
    /// How long a wave, a hook or a deletion may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
    /// Apply although a sync window forbids it; the record of the application on the cluster says so
    #[arg(long)]
    pub(crate) ignore_windows: bool,
    /// Apply what rollbacks hold, too, and end those holds
    #[arg(long)]
    pub(crate) release: bool,
    #[command(flatten)]
    pub(crate) rollout: RolloutArgs,
    /// Append what is done to this file, one JSON object a line. It is a log only: what an apply knows is on the clusters
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
}

const APPLY_HELP: &str = "DIR is the folder of a fleet: it is planned, shown and, when somebody agrees, applied. A file in its place is a plan that `fleetc \
plan -o FILE` saved: it is applied without asking, application by application; what has changed since is left alone and reported. An apply \
that was cut off is resumed by running it again, on any machine; a rollout that is paused goes on with `--continue`.";

/// `--wait`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitChoice {
    /// Each wave's where an application has several, or hooks
    Steps,
    /// That of everything that was applied, too
    Always,
    /// Nobody's; hooks and definitions are waited for all the same
    Never,
}

/// `--prune`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PruneChoice {
    /// Delete it, and count `Prune=confirm` as confirmed
    Always,
    /// Keep it
    Never,
}

/// Arguments of `plan`.
#[derive(Args, Debug)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) planning: PlanningArgs,
    /// Save the plan for `fleetc apply FILE` (schema/plan.schema.json); no values of Secrets are in it
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Exit 1 when there is something to do
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Plan what rollbacks hold, too, and the end of those holds
    #[arg(long)]
    pub(crate) release: bool,
    /// Use get and list only, no dry runs: what would change is foreseen from managedFields; defaults, webhooks and immutable fields are not
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Show what would change if this field manager applied (`argocd-controller`, `kubectl`): for moving to fleetc
    #[arg(long, value_name = "MANAGER")]
    pub(crate) compare_as: Option<String>,
    /// Leave out in which waves it goes, so that `apply` does everything at once
    #[arg(long)]
    pub(crate) no_rollout: bool,
    /// After so many seconds a cluster that is not done counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) timeout: u64,
    /// Write the plan as one HTML file, too: by cluster and application, with what is to be there and where it comes from
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print the report as Markdown for a comment of a pull request, short enough for one
    #[arg(long, conflicts_with = "format")]
    pub(crate) markdown: bool,
}

/// Arguments of `build` and of `check`, which is a build that writes nothing.
#[derive(Args, Debug, Clone)]
pub(crate) struct Build {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Folder of the bundles [default: bundles in the fleet's folder]
    #[arg(long = "output", short = 'o', value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// When an ApplicationSet fails, hold what it last made and go on with the others
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Look at and render everything anew, whatever is kept of earlier runs [also: FLEETC_NO_CACHE=1]
    #[arg(long)]
    pub(crate) no_cache: bool,
    #[command(flatten)]
    pub(crate) management: ManagementArgs,
}

impl Build {
    /// The arguments of a run that notes what it looks at.
    pub(crate) fn noting(&self, seen: Seen) -> Build {
        let mut noting = self.clone();
        noting.fleet.options.seen = seen;
        noting
    }
}

/// `store …`.
#[derive(Subcommand, Debug)]
pub(crate) enum StoreCommand {
    /// Remove what no fleet has used for some time; nothing while a fleetc runs that uses the store
    Gc(StoreGc),
    /// Print the folder
    Path(StorePath),
}

/// Arguments of `store gc`.
#[derive(Args, Debug)]
pub(crate) struct StoreGc {
    /// How many days nobody has used what is removed
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub(crate) older_than: u64,
    #[command(flatten)]
    pub(crate) place: StorePath,
}

/// Which store.
#[derive(Args, Debug)]
pub(crate) struct StorePath {
    /// Folder of fetched sources [default: FLEETC_STORE, else fleetc in XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

/// Arguments of `update`.
#[derive(Args, Debug)]
pub(crate) struct Update {
    /// Which sources: those whose URL or chart contains this text [default: all]
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Folder of the fleet
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) fleet_dir: PathBuf,
    /// Say what would move, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Where the service of a plugin generator is reached, by the name of its ConfigMap; may be repeated [default: `baseUrl` of the ConfigMap]
    #[arg(long = "plugin-url", value_name = "CONFIGMAP=URL", value_parser = parse_pair, requires = "management_context")]
    pub(crate) plugin_urls: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) management: ManagementArgs,
    #[command(flatten)]
    pub(crate) options: FleetOptions,
}

/// Arguments of `vendor`.
#[derive(Args, Debug)]
#[command(
    after_help = "Builds use the folder with `--store DIR --offline`. It holds what the fleet uses now and is not made smaller; delete it to make it anew."
)]
pub(crate) struct Vendor {
    /// Folder that is filled; it is made where it is missing
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Folder of the fleet
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) fleet_dir: PathBuf,
    #[command(flatten)]
    pub(crate) management: ManagementArgs,
    #[command(flatten)]
    pub(crate) options: FleetOptions,
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) build: Build,
    /// Render everything twice, with other randomness and at another time, and name what differs
    #[arg(long)]
    pub(crate) twice: bool,
    #[command(flatten)]
    pub(crate) rbac: RbacArgs,
}

/// Arguments of `expand`.
#[derive(Args, Debug)]
pub(crate) struct Expand {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
}

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// An application (`name`, `namespace/name` or `instance/namespace/name`), an object of it (`APP:Kind/name`, `APP:Kind/namespace/name`,
    /// the group as in `Deployment.apps`), or a field of that (`APP:Deployment/web.spec.template.spec.containers[name=web].image`,
    /// `.spec.ports[0]`, `.metadata.annotations["example.com/owner"]`), or a rule (`danger/namespace-goes`)
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
}

/// Where the renderers alone get sources from elsewhere.
#[derive(Args, Debug, Clone)]
pub(crate) struct SourceArgs {
    /// Ask nothing of the network: sources come from the store [also: FLEETC_OFFLINE=1]
    #[arg(long)]
    pub(crate) offline: bool,
    /// Folder of fetched sources [default: FLEETC_STORE, else fleetc in XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}

/// Arguments of `helm`: those of `helm template`.
#[derive(Args, Debug)]
pub(crate) struct Helm {
    /// Name of the release [default: release-name], and the chart: a folder, a .tgz, `oci://…`, or with --repo its name there
    #[arg(value_name = "[NAME] CHART", num_args = 1..=2, required = true)]
    pub(crate) names: Vec<String>,
    /// Whose output: helm=3 (3.22) or helm=4 (4.3)
    #[arg(long, value_name = "ENGINE", value_parser = ["helm=3", "helm=4"], default_value = "helm=4")]
    pub(crate) engine: Option<String>,
    /// Values in a YAML file, `-` for standard input; may be repeated, the last wins
    #[arg(long, short = 'f', value_name = "FILE", value_delimiter = ',')]
    pub(crate) values: Vec<PathBuf>,
    /// Set values: `a.b=1,c[0]=x`; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Set values that are text whatever they look like
    #[arg(long, value_name = "NAME=TEXT")]
    pub(crate) set_string: Vec<String>,
    /// Set values written as JSON
    #[arg(long, value_name = "NAME=JSON")]
    pub(crate) set_json: Vec<String>,
    /// Set values to the contents of files
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) set_file: Vec<String>,
    /// Set one value to a text that is taken as it is
    #[arg(long, value_name = "NAME=TEXT")]
    pub(crate) set_literal: Vec<String>,
    /// Namespace of the release [default: HELM_NAMESPACE, else default]
    #[arg(long, short, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// A template that makes the name of the release
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) name_template: Option<String>,
    /// With --output-dir: a folder named like the release below it
    #[arg(long)]
    pub(crate) release_name: bool,
    /// Print the CRDs of the chart too
    #[arg(long)]
    pub(crate) include_crds: bool,
    /// Leave the CRDs of the chart out
    #[arg(long)]
    pub(crate) skip_crds: bool,
    /// Leave tests out
    #[arg(long)]
    pub(crate) skip_tests: bool,
    /// Leave hooks out
    #[arg(long)]
    pub(crate) no_hooks: bool,
    /// Print only what these templates made (paths below the chart, with globs); may be repeated
    #[arg(long, short = 's', value_name = "TEMPLATE")]
    pub(crate) show_only: Vec<String>,
    /// API versions that the cluster has beside those that Helm takes for granted; may be repeated
    #[arg(long, short, value_name = "VERSION", value_delimiter = ',')]
    pub(crate) api_versions: Vec<String>,
    /// Version of Kubernetes that the cluster has
    #[arg(long, value_name = "VERSION")]
    pub(crate) kube_version: Option<String>,
    /// Set .Release.IsUpgrade instead of .Release.IsInstall
    #[arg(long)]
    pub(crate) is_upgrade: bool,
    /// Fetch what the chart depends on and is not in its `charts/`, the newest versions that it allows; nothing is written there
    #[arg(long)]
    pub(crate) dependency_update: bool,
    /// Do not check values against the chart's schema
    #[arg(long)]
    pub(crate) skip_schema_validation: bool,
    /// URL of the Helm repository that has the chart
    #[arg(long, value_name = "URL")]
    pub(crate) repo: Option<String>,
    /// Version of the chart, or a constraint such as ^1 [default: the newest]
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
    /// Write the documents of each template to a file below this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) output_dir: Option<PathBuf>,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

/// Arguments of `kustomize`.
#[derive(Args, Debug)]
pub(crate) struct Kustomize {
    /// Folder with a kustomization file
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Which files may be loaded: only those in or below the kustomization's own folder, or any in the tree
    #[arg(long, value_name = "WHICH", value_parser = ["LoadRestrictionsRootOnly", "LoadRestrictionsNone", "rootOnly", "none"], default_value = "LoadRestrictionsRootOnly")]
    pub(crate) load_restrictor: String,
    /// Order of the objects: as kustomize's legacy sort has them, or as they were read (deprecated by `sortOptions`)
    #[arg(long, value_name = "ORDER", value_parser = ["legacy", "none", "unspecified"], default_value = "unspecified")]
    pub(crate) reorder: String,
    /// Allow helmCharts, of charts that lie in the tree
    #[arg(long)]
    pub(crate) enable_helm: bool,
    /// What charts see as the version of Kubernetes
    #[arg(long, value_name = "VERSION")]
    pub(crate) helm_kube_version: Option<String>,
    /// API versions that charts see in .Capabilities.APIVersions, more than once for several
    #[arg(long, value_name = "VERSION")]
    pub(crate) helm_api_versions: Vec<String>,
    /// Whose rules charts follow: helm=3 or helm=4
    #[arg(long, value_name = "ENGINE", value_parser = ["helm=3", "helm=4"])]
    pub(crate) engine: Option<String>,
    /// Add the label app.kubernetes.io/managed-by
    #[arg(long)]
    pub(crate) enable_managedby_label: bool,
    /// Write to this file, or into this folder one file an object
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VERSION, such as argocd=3.5".to_owned()),
    }
}

fn parse_context(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((cluster, context)) if !cluster.is_empty() && !context.is_empty() => {
            Ok((cluster.to_owned(), context.to_owned()))
        }
        _ => Err("expected CLUSTER=CONTEXT, such as prod-eu=admin@prod-eu".to_owned()),
    }
}

fn parse_repo(text: &str) -> Result<(String, String), String> {
    // The URL may hold `=` (Azure DevOps, query strings); the path is what follows the last one.
    match text.rsplit_once('=') {
        Some((url, path)) if !url.is_empty() && !path.is_empty() => Ok((url.to_owned(), path.to_owned())),
        _ => Err("expected URL=PATH, such as https://git.example.com/r.git=../r".to_owned()),
    }
}
