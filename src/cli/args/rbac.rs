//! The arguments of `check --rbac`. The doc comments are the help texts.

use std::path::PathBuf;

use clap::Args;

/// What is asked of a policy.
#[derive(Args, Debug)]
pub(crate) struct RbacArgs {
    /// Instead: examine Argo CD's permissions, those of this `policy.csv` (or manifest of argocd-rbac-cm, or the
    /// folder with it) and of the roles of AppProjects: what
    /// has no effect, and who may sync which application
    #[arg(long = "rbac", value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// With `--rbac`: only whether somebody may do something, as in `alice sync applications shop/web`; exit 1 for no
    #[arg(long, value_names = ["SUBJECT", "ACTION", "RESOURCE", "OBJECT"], num_args = 3..=4, requires = "policy")]
    pub(crate) can: Vec<String>,
    /// With `--rbac`: the role that everybody has [default: `policy.default` of the ConfigMap]
    #[arg(long, value_name = "ROLE", requires = "policy")]
    pub(crate) default_role: Option<String>,
}
