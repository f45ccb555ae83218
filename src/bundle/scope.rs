//! Which kinds live in a namespace on a cluster: built-in knowledge, CRDs of the same bundle, facts about the cluster, CRDs anywhere in the
//! fleet, the table of public kinds, in this order; else unknown, which counts as namespaced.
//!
//! A built-in kind's scope never changes, so nothing overrides it. A CRD of the same bundle comes before facts, since it is what the
//! cluster will have. CRDs of other clusters count only where all of them agree.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::index::Known;
use crate::cluster::Facts;
use crate::k8s::scope::{self, Scope};
use crate::yaml::Node;

/// Group and kind.
pub(super) type GroupKind = (SmolStr, SmolStr);

/// Scopes that CRDs declare; `None` where two disagree.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared(BTreeMap<GroupKind, Option<Scope>>);

impl Declared {
    /// Adds what a CRD declares; other objects add nothing.
    pub(super) fn add(&mut self, object: &Node) {
        if let Some((group, kind, scope)) = scope::of_crd(object) {
            self.insert((group, kind), Some(scope));
        }
    }

    /// Adds all of another set.
    pub(super) fn extend(&mut self, other: &Declared) {
        for (kind, scope) in &other.0 {
            self.insert(kind.clone(), *scope);
        }
    }

    fn insert(&mut self, kind: GroupKind, scope: Option<Scope>) {
        self.0.entry(kind).and_modify(|known| *known = known.filter(|known| Some(*known) == scope)).or_insert(scope);
    }

    fn get(&self, kind: &GroupKind) -> Option<Scope> {
        self.0.get(kind).copied().flatten()
    }
}

/// What is known about the kinds of one cluster.
pub(super) struct Knowledge<'a> {
    pub(super) own: &'a Declared,
    pub(super) facts: &'a Facts,
    pub(super) fleet: &'a Declared,
}

impl Knowledge<'_> {
    /// The scope of a kind, and how it is known; `None` for built-in kinds, which need no record.
    pub(super) fn scope(&self, kind: &GroupKind) -> (Scope, Option<Known>) {
        if let Some(scope) = scope::current(&kind.0, &kind.1) {
            return (scope, None);
        }
        let fact = || {
            let namespaced = self.facts.scopes.get(&format!("{}/{}", kind.0, kind.1))?;
            Some(if *namespaced { Scope::Namespaced } else { Scope::Cluster })
        };
        let known = (self.own.get(kind).map(|scope| (scope, Known::Crd)))
            .or_else(|| fact().map(|scope| (scope, Known::Fact)))
            .or_else(|| self.fleet.get(kind).map(|scope| (scope, Known::Fleet)))
            .or_else(|| scope::custom(&kind.0, &kind.1).map(|scope| (scope, Known::Table)));
        let (scope, known) = known.unwrap_or((Scope::Namespaced, Known::Assumed));
        (scope, Some(known))
    }
}
