//! Argo CD's own permissions (`policy.csv`, roles of AppProjects): who may do what, and what in a policy can never have an effect. And the
//! wildcards of Kubernetes roles that Kubernetes does not expand.
//!
//! Semantics: casbin with Argo CD's model (argo-cd `util/rbac`, `assets/model.conf`, `server/rbacpolicy`): a subject has its own lines and
//! those of the roles it reaches in ten steps; patterns are gobwas globs without separators, or Go regular expressions; one line that denies
//! outweighs all that allow, but not what the default role allows. Written anew: casbin's general matcher is not needed for one model.
//! Nothing is read from anywhere here; policies come as text.

mod enforce;
mod lint;
mod policy;
mod roles;
#[cfg(test)]
mod tests;

pub use enforce::{Enforcer, Verdict};
pub use lint::{Actions, Finding, RESOURCES, lint, resource};
pub use policy::{BUILTIN, Line, Mode, Policy, Problem, Rule, Source, of_project, parse, refused};
pub use roles::unexpanded;
