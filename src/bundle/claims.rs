//! Two applications that claim one object on a cluster (group, kind, namespace, name): Argo CD finds out only live, when they fight.
//!
//! Equal content: the application with the smallest key owns it, the others yield, with a warning. Different content: an error that
//! shows both places, and neither is written anew. What `shared:` of fleet.yaml names is yielded without a word. An application that
//! is held owns what its last good files hold, since those stay as they are.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::finish::Finished;
use super::index::ObjectRef;
use super::tracking;
use crate::application::AppKey;
use crate::diag::Diagnostic;
use crate::k8s::glob;
use crate::read::{Fleet, SharedObject};
use crate::span::Span;
use crate::yaml::{Node, emit};

/// An application of a cluster and what it claims.
pub(super) struct Claimant<'a> {
    pub(super) key: &'a AppKey,
    pub(super) objects: Vec<Claim<'a>>,
}

/// One object that is claimed.
pub(super) struct Claim<'a> {
    pub(super) reference: &'a ObjectRef,
    pub(super) body: &'a Node,
    pub(super) span: Span,
}

impl<'a> Claim<'a> {
    /// The claims of a finished application: all objects that have a name.
    pub(super) fn of(objects: &'a [Finished]) -> Vec<Self> {
        let named = objects.iter().filter(|object| !object.generated);
        named.map(|object| Claim { reference: &object.reference, body: &object.body, span: object.span }).collect()
    }
}

/// What comes of the claims on a cluster. Positions are those of the claimants.
#[derive(Default)]
pub(super) struct Verdict {
    /// Objects that a claimant leaves to an owner.
    pub(super) yields: BTreeMap<usize, Vec<(ObjectRef, AppKey)>>,
    /// Claimants whose check failed, and why.
    pub(super) failed: BTreeMap<usize, String>,
    /// What is to be said, with the two applications that it is said about.
    pub(super) said: Vec<(Diagnostic, [AppKey; 2])>,
}

/// Judges the claims of a cluster. Claimants come in the order in which they may own: held ones first, then by key.
pub(super) fn judge(claimants: &[Claimant<'_>], fleet: &Fleet) -> Verdict {
    let mut verdict = Verdict::default();
    let total = claimants.iter().map(|claimant| claimant.objects.len()).sum();
    let mut owners: FxHashMap<&ObjectRef, (usize, &Claim<'_>)> = FxHashMap::default();
    owners.reserve(total);
    for (at, claimant) in claimants.iter().enumerate() {
        for claim in &claimant.objects {
            let Some((owner, first)) = owners.get(claim.reference).copied() else {
                owners.insert(claim.reference, (at, claim));
                continue;
            };
            let Some(owner_key) = claimants.get(owner).map(|owner| owner.key) else { continue };
            if owner == at {
                continue;
            }
            let pair = [owner_key.clone(), claimant.key.clone()];
            let shared = fleet.shared.iter().any(|shared| names(shared, claim.reference));
            if !shared && !equal(first.body, claim.body, fleet) {
                let error = different(first, claim);
                for (one, other) in [(owner, claimant.key), (at, owner_key)] {
                    let why =
                        format!("bundle: application `{other}` claims {} too, with other content", claim.reference);
                    verdict.failed.entry(one).or_insert(why);
                }
                verdict.said.push((error, pair));
                continue;
            }
            if !shared {
                verdict.said.push((same(first, claim), pair));
            }
            verdict.yields.entry(at).or_default().push((claim.reference.clone(), owner_key.clone()));
        }
    }
    verdict
}

const SHARE: &str = "let one application own it, or name it under `shared:` in fleet.yaml if that is meant";

fn same(first: &Claim<'_>, second: &Claim<'_>) -> Diagnostic {
    let message = format!("two applications claim {} with equal content; the first one owns it", second.reference);
    Diagnostic::warning("bundle/shared-object", second.span, message)
        .label(first.span, "the other one is here")
        .hint(SHARE)
}

fn different(first: &Claim<'_>, second: &Claim<'_>) -> Diagnostic {
    let message = format!("two applications claim {} with different content", second.reference);
    Diagnostic::error("bundle/conflict", second.span, message).label(first.span, "the other one is here").hint(SHARE)
}

/// Equal as text, without the marks that say whose they are.
fn equal(a: &Node, b: &Node, fleet: &Fleet) -> bool {
    a == b || emit::to_yaml(&tracking::stripped(a, fleet)) == emit::to_yaml(&tracking::stripped(b, fleet))
}

/// Whether an entry of `shared:` names an object.
fn names(shared: &SharedObject, object: &ObjectRef) -> bool {
    let word = |pattern: &str, text: &str| pattern == "*" || pattern == text;
    let matches = |pattern: &str, text: &str| pattern.is_empty() || glob::matches(pattern, text);
    word(&shared.group, &object.group)
        && word(&shared.kind, &object.kind)
        && matches(&shared.name, &object.name)
        && matches(&shared.namespace, &object.namespace)
}
