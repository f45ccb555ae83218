//! What planning a cluster starts from, beside the cluster itself: the slices that are meant, what else the fleet has there, and choices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::application::AppKey;
use crate::bundle::ObjectRef;
use crate::cluster::Facts;
use crate::k8s::conflict;
use crate::k8s::glob::Glob;
use crate::yaml::Node;

use super::desired::DesiredSlice;
use super::tracker::LiveApplication;

/// What is planned on one cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterInput {
    /// `metadata.name` of fleet.yaml.
    pub fleet: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Its API server, as Applications name it.
    pub server: String,
    /// The Applications of the management cluster, whatever clusters they go to.
    pub management: Arc<[LiveApplication]>,
    /// Namespaces in which parents may lie, the fleet's own first.
    pub parent_namespaces: Vec<String>,
    /// The slices that are planned: those that the filters let through.
    pub slices: Vec<DesiredSlice>,
    /// Every application that the fleet has on this cluster, whatever the filters say: a parent of none of these is a removed one.
    pub known: BTreeSet<AppKey>,
    /// Which objects the applications that are not planned declare, as far as known: an object that leaves a slice may go there.
    pub elsewhere: BTreeMap<ObjectRef, AppKey>,
    /// Whether removed applications are looked at; with filters that name applications they are not.
    pub removals: Removals,
    /// The names of all clusters of the fleet: what a parent recorded for another one of them is left alone here.
    pub clusters: BTreeSet<String>,
    /// What renders of this cluster were allowed to read.
    pub facts: Facts,
    /// `data` of argocd-cm, by instance.
    pub settings: BTreeMap<String, Node>,
    /// Rules of the fleet for fields that others own.
    pub conflicts: Vec<conflict::Rule>,
    /// Choices.
    pub options: Options,
}

/// Which removed applications are planned.
#[derive(Clone, Debug, Default)]
pub enum Removals {
    /// All.
    #[default]
    All,
    /// Those that a filter lets through; the project is what the parent recorded.
    Only(Filter),
    /// None.
    None,
}

/// Which applications are meant: all that match one pattern of each list that has any.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Globs of names (`--app`), also as `namespace/name` and `instance/namespace/name`.
    pub applications: Vec<Glob>,
    /// Globs of projects (`--project`).
    pub projects: Vec<Glob>,
}

impl Filter {
    /// Whether an application is meant.
    pub fn lets(&self, application: &AppKey, project: &str) -> bool {
        let (shown, AppKey { instance, namespace, name }) = (application.to_string(), application);
        let names = [name.clone(), format!("{namespace}/{name}"), format!("{instance}/{namespace}/{name}"), shown];
        let any = |globs: &[Glob], texts: &[String]| {
            globs.is_empty() || globs.iter().any(|glob| texts.iter().any(|text| glob.matches(text)))
        };
        any(&self.applications, &names) && any(&self.projects, &[project.to_owned()])
    }

    /// Whether all are.
    pub fn is_empty(&self) -> bool {
        self.applications.is_empty() && self.projects.is_empty()
    }
}

/// Choices of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether what is no longer declared is deleted.
    pub prune: Prune,
    /// Most deletions on one cluster; `None` for the larger of 10 and 20 % of what the fleet owns there, at most 100.
    pub cluster_deletes: Option<usize>,
    /// Fields that others own are taken from them.
    pub take_ownership: bool,
    /// Only get and list are used.
    pub read_only: bool,
    /// Show the result as if this field manager applied.
    pub compare_as: Option<String>,
    /// When hooks run.
    pub hooks: HookRuns,
    /// Requests to one cluster at a time.
    pub in_flight: usize,
    /// Group and kind (`Namespace`, `CustomResourceDefinition.apiextensions.k8s.io`) of protected kinds that may be deleted.
    pub allow_delete: BTreeSet<String>,
    /// Allow an application's last object to go although it does not say `allowEmpty`.
    pub allow_empty: bool,
    /// Holds that rollbacks left do not count, and end.
    pub release: bool,
    /// What becomes of what applications have that leave. Not part of saved plans.
    pub leaving: LeavingObjects,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            prune: Prune::Policy,
            cluster_deletes: None,
            take_ownership: false,
            read_only: false,
            compare_as: None,
            hooks: HookRuns::OnChange,
            in_flight: 24,
            allow_delete: BTreeSet::new(),
            allow_empty: false,
            release: false,
            leaving: LeavingObjects::Policy,
        }
    }
}

/// What becomes of what applications have that leave a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeavingObjects {
    /// As each application says.
    #[default]
    Policy,
    /// It stays, and is nobody's: the cluster leaves the fleet.
    Release,
    /// It is deleted: the cluster is emptied before it leaves.
    Drain,
}

/// `--prune`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prune {
    /// As each application says.
    #[default]
    Policy,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// When hooks run (`hooks` of fleet.yaml).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookRuns {
    /// When their application changes, install hooks only the first time.
    #[default]
    OnChange,
    /// With every sync, as in Argo CD.
    EverySync,
}
