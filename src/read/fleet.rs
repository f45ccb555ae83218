//! What a fleet is after reading: the domain types of the phase, no wire forms.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::configuration::EngineChoice;
use super::environments::Environment;
use super::judged::{LintSettings, PolicyRule};
use crate::application::Application;
use crate::cluster::Cluster;
use crate::digest::Digest;
use crate::k8s::conflict::Rule;
use crate::k8s::glob::Glob;
use crate::path::{FilePath, TreePath};
use crate::project::Rules;
use crate::span::{Span, Spanned};
use crate::yaml::Node;

/// How files are read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Engines of the command line, which win over fleet.yaml.
    pub engines: EngineChoice,
    /// Whether what an API server would drop (unknown fields, duplicate keys) is an error.
    pub strict: bool,
    /// A folder of the fleet's own tree that is not looked into: where bundles are written.
    pub output: Option<TreePath>,
    /// What fleet.lock pins recorded answers of generators to, by the id of their question. One that is not pinned is taken as it is.
    pub answers: BTreeMap<String, Digest>,
    /// Clusters that count as declared although no file says so: one that is about to join.
    pub joining: Vec<Cluster>,
}

/// All declarations of a fleet.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// `metadata.name` of fleet.yaml: the fleet's identity, which only apply needs.
    pub name: Option<String>,
    /// Whose semantics.
    pub engines: Engines,
    /// Argo CD instances by name; at least one (named "" where there is only one).
    pub instances: BTreeMap<String, Instance>,
    /// The clusters, sorted by instance and name; implicit in-cluster included where it exists.
    pub clusters: Vec<Cluster>,
    /// The AppProjects, sorted by instance and name.
    pub projects: Vec<Project>,
    /// Applications written as such (not generated), sorted by key.
    pub applications: Vec<Application>,
    /// ApplicationSets, sorted by instance, namespace and name.
    pub application_sets: Vec<ApplicationSet>,
    /// Which repoURL is which folder of the fleet's own tree or beside it, from fleet.yaml (the command line adds more).
    pub repositories: Vec<Repository>,
    /// Which kubeconfig context reaches which cluster, by the name of the cluster, from fleet.yaml (the command line wins).
    pub contexts: Vec<(Spanned<String>, Spanned<String>)>,
    /// How bundles are laid out.
    pub output: Output,
    /// What holds for single applications, from fleet.yaml; the first rule whose name fits counts.
    pub application_rules: Vec<ApplicationRule>,
    /// Objects that several applications may claim on one cluster.
    pub shared: Vec<SharedObject>,
    /// How the fleet is planned and applied.
    pub apply: Apply,
    /// Where bundles are published.
    pub publish: Publish,
    /// The stages that changes go through, from fleet.yaml.
    pub environments: Vec<Environment>,
    /// In which waves changes go over clusters, from fleet.yaml; the first that is about an application counts.
    pub rollout: Vec<crate::rollout::Rule>,
    /// What happens to Secrets with clear data.
    pub secrets: SecretPolicy,
    /// Plugins that may render, from fleet.yaml.
    pub plugins: Vec<PluginRule>,
    /// What the rules of `fleetc lint` count as.
    pub lint: LintSettings,
    /// Rules of the fleet's own for its objects.
    pub policies: Vec<PolicyRule>,
    /// Recorded answers of generators that ask a service, by the id of their question.
    pub answers: Arc<BTreeMap<String, Spanned<Node>>>,
    /// The files that facts about clusters were read from.
    pub fact_files: Vec<TreePath>,
    /// The files that were taken as definitions, sorted: "says what it took".
    pub taken: Vec<Taken>,
    /// What was found and not taken, sorted.
    pub skipped: Vec<Skipped>,
    /// Whether what could be let pass is an error (`--strict`).
    pub strict: bool,
}

/// A file that was taken as a definition and what it declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// Path in the fleet's own tree.
    pub path: TreePath,
    /// `Kind namespace/name` of what was taken, sorted.
    pub objects: Vec<String>,
}

/// Whose semantics a fleet is compiled with (`engines:` of fleet.yaml, `--engine`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engines {
    /// Argo CD minor version: 3.2 to 3.5.
    pub argocd: (u32, u32),
    /// kustomize minor version: 5.8.
    pub kustomize: (u32, u32),
    /// Helm minor version: 3.22 or 4.3; follows `argocd` where not given (3 up to 3.4, 4 from 3.5).
    pub helm: (u32, u32),
}

impl Engines {
    /// Reads the version of an engine (`argocd`, `kustomize`, `helm`), such as `3.5` or `v3.5.1`.
    ///
    /// # Errors
    /// A message for people: an unknown engine, or a version that fleetc does not have.
    pub fn parse(engine: &str, version: &str) -> Result<(u32, u32), String> {
        let known: &[(u32, u32)] = match engine {
            "argocd" => &[(3, 2), (3, 3), (3, 4), (3, 5)],
            "kustomize" => &[(5, 8)],
            "helm" => &[(3, 22), (4, 3)],
            _ => return Err(format!("`{engine}` is not an engine; they are `argocd`, `kustomize` and `helm`")),
        };
        let mut parts = version.strip_prefix('v').unwrap_or(version).split('.');
        let minor = (parts.next().and_then(|part| part.parse().ok()), parts.next().and_then(|part| part.parse().ok()));
        let rest_is_patch = parts.all(|part| part.parse::<u32>().is_ok());
        match minor {
            (Some(major), Some(minor)) if rest_is_patch && known.contains(&(major, minor)) => Ok((major, minor)),
            _ => {
                let list: Vec<String> = known.iter().map(|(major, minor)| format!("{major}.{minor}")).collect();
                Err(format!("there is no engine `{engine}` `{version}`; known are {}", list.join(", ")))
            }
        }
    }
}

impl Default for Engines {
    fn default() -> Self {
        Engines { argocd: (3, 5), kustomize: (5, 8), helm: (4, 3) }
    }
}

/// An Argo CD instance of the repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Its name; empty for the only one.
    pub name: String,
    /// Namespace of the control plane: `argocd` unless the definitions say otherwise.
    pub namespace: String,
    /// Name of the cluster that it runs in, for `in-cluster`.
    pub in_cluster: Option<String>,
    /// argocd-cm of this instance.
    pub settings: Settings,
}

/// argocd-cm as far as it changes a render or a bundle (features.md I8). Raw keys are kept; typed readers are methods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `data` of argocd-cm.
    pub data: BTreeMap<String, Spanned<String>>,
}

/// An AppProject.
#[derive(Clone, Debug)]
pub struct Project {
    /// The instance it belongs to.
    pub instance: String,
    /// Name.
    pub name: String,
    /// The whole object.
    pub manifest: Node,
    /// What it permits, without what it inherits from global projects.
    pub rules: Arc<Rules>,
    /// Where it was written.
    pub span: Span,
}

/// An ApplicationSet as read: checked against its field table, not yet expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationSet {
    /// The instance it belongs to.
    pub instance: String,
    /// Namespace; generated Applications live there too.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The whole object.
    pub manifest: Node,
    /// Where it was written.
    pub span: Span,
    /// The application whose rendered objects held it (app-of-apps).
    pub parent: Option<crate::application::AppKey>,
}

/// `repositories:` of fleet.yaml: a repoURL, and the folder that answers it or how it is pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// URL as written.
    pub url: String,
    /// Folder relative to the fleet's root (or absolute from the command line); `.` is the fleet's own tree.
    pub path: Option<String>,
    /// `pin: follow`: its revisions are resolved at each build, and are in bundles.lock instead of fleet.lock.
    pub follow: bool,
    /// Whether its submodules belong to it; they do in Argo CD.
    pub submodules: bool,
    /// Whether the content of its large files (Git LFS) is fetched.
    pub lfs: bool,
    /// Where it was written.
    pub span: Span,
}

/// `output:` of fleet.yaml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// One file per application, or one per object.
    pub files: OutputFiles,
    /// minijinja template of the path below `bundles/<cluster>/apps/`; `None` for the default layout.
    pub path: Option<Spanned<String>>,
    /// Tracking marks to add.
    pub tracking: Tracking,
    /// Whether Applications and ApplicationSets that fed back are written too.
    pub emit_applications: bool,
}

impl Default for Output {
    fn default() -> Self {
        Output { files: OutputFiles::App, path: None, tracking: Tracking::None, emit_applications: false }
    }
}

/// `output.files`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFiles {
    /// `app`: one file per application.
    App,
    /// `resource`: one file per object.
    Resource,
}

/// `output.tracking`: Argo CD's three methods, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// No marks: an Argo CD that reads rendered folders adds its own.
    None,
    /// `argocd.argoproj.io/tracking-id`
    Annotation,
    /// `app.kubernetes.io/instance`
    Label,
    /// Both.
    AnnotationAndLabel,
}

/// An entry of `applications:` of fleet.yaml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationRule {
    /// Which applications, by name.
    pub name: Glob,
    /// What their templates get that ask for randomness or the clock, where the rule says it.
    pub nondeterminism: Option<Nondeterminism>,
    /// `templates: minijinja`, with `values`: files that end in `.j2` are templates.
    pub templates: Option<Node>,
    /// Where its pattern is written.
    pub span: Span,
}

/// What templates get that ask for randomness or the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nondeterminism {
    /// An error.
    #[default]
    Refuse,
    /// What follows from a secret key.
    Derive {
        /// What stands for now, in nanoseconds since the Unix epoch; without, asking for it is an error.
        since: Option<i64>,
    },
    /// What Helm gives them: something else on every run.
    Allow,
}

/// An entry of `plugins:` of fleet.yaml: a program that makes the manifests of sources whose plugin has this name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PluginRule {
    /// The plugin.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Names of variables of fleetc's own environment that it gets.
    pub passed: Vec<String>,
    /// How long it may take.
    pub seconds: u32,
    /// Whether it sees the whole repository, not only the application's folder.
    pub repository: bool,
}

/// `secrets:` of fleet.yaml: what happens to Secrets whose data anybody can read who reads the bundles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SecretPolicy {
    /// They are written, and said.
    #[default]
    Warn,
    /// They are written.
    Allow,
    /// They are left out, and said: somebody else brings them.
    Omit,
    /// Their application is held.
    Refuse,
}

/// `shared:` of fleet.yaml: objects that several applications may claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedObject {
    /// API group; empty matches the core group, `*` any.
    pub group: String,
    /// Kind; `*` any.
    pub kind: String,
    /// Name glob.
    pub name: String,
    /// Namespace glob; empty matches any.
    pub namespace: String,
    /// Where it was written.
    pub span: Span,
}

/// `publish:` of fleet.yaml, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// `BRANCH` or `URL#BRANCH`, the branch perhaps a template over the labels of clusters.
    pub to: Option<String>,
    /// The folder on the branch; empty for all of it.
    pub path: String,
    /// The layout; empty for the default.
    pub layout: String,
    /// The repository as others reach it; empty for where it is pushed to.
    pub url: String,
    /// `Name <address>` of commits.
    pub author: Option<String>,
    /// For whom clear Secrets are encrypted: public keys of age, as written.
    pub encrypt: Option<Vec<String>>,
}

/// `apply:` of fleet.yaml.
#[derive(Clone, Debug, Default)]
pub struct Apply {
    /// Namespace of the inventories; `None` for the default.
    pub namespace: Option<String>,
    /// Other namespaces by project; the first that matches counts.
    pub projects: Vec<(Glob, String)>,
    /// Whether hooks run with every sync, as in Argo CD.
    pub hooks_on_every_sync: bool,
    /// Rules for fields that other managers hold.
    pub conflicts: Vec<Rule>,
    /// How Secrets that SOPS encrypted are decrypted.
    pub sops: Option<Sops>,
}

/// `apply.sops` of fleet.yaml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sops {
    /// Where the secret keys of age are.
    pub age: super::KeyPlace,
    /// Whether the MAC over all values must hold.
    pub whole: bool,
}

/// A definitions entry that is a kustomization: to be built by the composition, its objects read afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionKustomization {
    /// The directory.
    pub directory: FilePath,
    /// The instance its objects belong to.
    pub instance: String,
    /// Whether only its clusters and settings count: an Application deploys it, so that the rest comes back from there.
    pub clusters_only: bool,
    /// Where it was asked for.
    pub span: Span,
}

/// A file or kustomization that speaks of Argo CD's objects and was not taken as a definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Path in the fleet's own tree.
    pub path: TreePath,
    /// Why, for people.
    pub reason: String,
}
