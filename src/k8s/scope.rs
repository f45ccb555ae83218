//! Which kinds live in a namespace. Three tables, because two tools ask, and custom kinds are known with less certainty:
//!
//! - [`kustomize`]: what kustomize v5.8.2 knows (Kubernetes v1.21 and ValidatingAdmissionPolicy, by exact apiVersion). Anything else is
//!   unknown to it and treated as namespaced, which shows in its output and so must not be improved here.
//! - [`current`]: Kubernetes v1.34 and Argo CD's own kinds, by group and kind (a scope never changes between versions of a group), for
//!   what Argo CD asks a cluster: is a namespace to be filled in or cleared? Custom resources are not in it: their scope comes from
//!   their CRD ([`of_crd`]) or from facts about the cluster.
//! - [`custom`]: public custom kinds, by group and kind, for fleets whose CRDs lie in charts or come with the cluster. Whoever sees the
//!   CRD itself knows better.

use std::sync::LazyLock;

use smol_str::SmolStr;

use super::object::Gvk;
use crate::yaml::Node;

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// Directly in the cluster.
    Cluster,
}

/// Rows sorted by their first two columns.
type Table = Vec<(&'static str, &'static str, Scope)>;

static KUSTOMIZE: LazyLock<Table> =
    LazyLock::new(|| table(include_str!("../../schema/kubernetes/scope-kustomize.txt")));
static CURRENT: LazyLock<Table> = LazyLock::new(|| table(include_str!("../../schema/kubernetes/scope.txt")));

static CUSTOM: LazyLock<Table> = LazyLock::new(|| table(include_str!("../../schema/kubernetes/scope-custom.txt")));

fn table(text: &'static str) -> Table {
    let mut rows: Table = text.lines().filter(|line| !line.starts_with('#')).filter_map(row).collect();
    rows.sort_unstable();
    rows
}

fn row(line: &'static str) -> Option<(&'static str, &'static str, Scope)> {
    let mut words = line.split(' ');
    let (group, kind) = (words.next()?, words.next()?);
    let scope = if words.next()? == "cluster" { Scope::Cluster } else { Scope::Namespaced };
    Some((if group == "-" { "" } else { group }, kind, scope))
}

fn find(table: &Table, group: &str, kind: &str) -> Option<Scope> {
    let at = table.binary_search_by(|(g, k, _)| (*g, *k).cmp(&(group, kind))).ok()?;
    table.get(at).map(|row| row.2)
}

/// What kustomize v5.8.2 believes about an exact `apiVersion` and kind; `None` where it does not know it.
pub fn kustomize(api_version: &str, kind: &str) -> Option<Scope> {
    find(&KUSTOMIZE, api_version, kind)
}

/// The scope of a built-in kind or one of Argo CD's own, in any version; `None` for other custom resources.
pub fn current(group: &str, kind: &str) -> Option<Scope> {
    find(&CURRENT, group, kind)
}

/// The scope that the public definition of a custom kind gives it; `None` for what the table does not have.
pub fn custom(group: &str, kind: &str) -> Option<Scope> {
    find(&CUSTOM, group, kind)
}

/// Group, kind and scope that a CustomResourceDefinition declares; `None` for other objects and incomplete ones.
/// An absent `spec.scope` in v1beta1 means namespaced; v1 requires it.
pub fn of_crd(object: &Node) -> Option<(SmolStr, SmolStr, Scope)> {
    if !Gvk::of(object).is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return None;
    }
    let spec = object.get("spec")?;
    let scope = match spec.get("scope").and_then(Node::as_str) {
        Some("Cluster") => Scope::Cluster,
        _ => Scope::Namespaced,
    };
    Some((spec.get("group")?.smol()?, spec.at(&["names", "kind"])?.smol()?, scope))
}

#[cfg(test)]
mod tests;
