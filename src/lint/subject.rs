//! What rules see of an object: the object, and the cluster that it goes to as far as verdicts may depend on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::k8s::object::Gvk;
use crate::read::WantedLabel;
use crate::render::Resource;
use crate::span::Span;
use crate::validate::crd::Definition;
use crate::validate::table::Minor;

/// An object with what it is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The object as rendered.
    pub resource: &'a Resource,
    /// Its kind.
    pub gvk: &'a Gvk,
    /// The objects that its application renders with it, itself among them.
    pub neighbours: &'a [Resource],
    /// The cluster.
    pub site: &'a Site,
    /// Labels that the fleet wants of its objects.
    pub labels: &'a [WantedLabel],
}

impl Subject<'_> {
    /// The place of a part of the object: its own, else where the object was written.
    pub fn place(&self, span: Span) -> Span {
        span.or(self.resource.body.span()).or(self.resource.origin.span)
    }

    /// The definition of its kind, where the cluster's bundle has it.
    pub fn definition(&self) -> Option<&Definition> {
        let of = |definition: &&Arc<Definition>| definition.group == self.gvk.group && definition.kind == self.gvk.kind;
        self.site.definitions.iter().find(of).map(|definition| &**definition)
    }
}

/// What of a cluster verdicts depend on. Equal ones share verdicts.
#[derive(Clone, Debug)]
pub struct Site {
    /// Version of Kubernetes: what the facts say, else the newest that is known.
    pub minor: Minor,
    /// Whether somebody said it.
    pub told: bool,
    /// CRDs of the bundle, of the kinds in question.
    pub definitions: Vec<Arc<Definition>>,
    /// What facts say is served, as `group/version/Kind`; `None` where they say nothing.
    pub served: Option<Arc<BTreeSet<String>>>,
}
