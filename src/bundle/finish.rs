//! From rendered objects to the text of files: namespaces, exclusions, marks, order. Done once for equal inputs ([`Task`]), whatever the
//! number of applications and clusters that share them.
//!
//! Order of the steps, as in Argo CD (argocd.md 2.8, 2.10 to 2.12): marks (on the object as rendered), namespace filled in or cleared, repeated
//! objects (the last wins), exclusions. Files list objects by wave, kind rank, namespace, name, group and kind: one total order.
//! Diagnostics name objects only; the caller knows for which applications they hold.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use super::index::{FactsRecord, ObjectRef};
use super::record;
use super::scope::GroupKind;
use super::secret;
use super::shown::Shown;
use super::tracking::{self, Identity};
use crate::application::ANY_NAMESPACE;
use crate::diag::{Diagnostic, Diagnostics};
use crate::digest::{Digest, Key};
use crate::k8s::object::{Gvk, ObjectId};
use crate::k8s::order::{self, Role};
use crate::k8s::scope::Scope;
use crate::read::SecretPolicy;
use crate::render::{Rendered, Resource};
use crate::span::Span;
use crate::yaml::{Node, emit};

/// The renders of an application, shared with every application of equal sources.
#[derive(Debug)]
pub(super) struct RenderSet {
    pub(super) renders: Vec<Arc<Rendered>>,
    /// Kinds of its objects, sorted.
    pub(super) kinds: Vec<GroupKind>,
}

impl RenderSet {
    pub(super) fn new(renders: Vec<Arc<Rendered>>) -> Self {
        let objects = renders.iter().flat_map(|render| &render.resources);
        let mut kinds: Vec<GroupKind> = objects.map(|resource| group_kind(&resource.body)).collect();
        kinds.sort();
        kinds.dedup();
        RenderSet { renders, kinds }
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.renders.iter().flat_map(|render| &render.resources)
    }
}

fn group_kind(object: &Node) -> GroupKind {
    let Gvk { group, kind, .. } = Gvk::of(object);
    (group, kind)
}

/// What finishing depends on, beside the renders: equal tasks give equal texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Task {
    /// Index of the [`RenderSet`].
    pub(super) set: usize,
    /// The destination's namespace.
    pub(super) namespace: String,
    /// For each kind of the set.
    pub(super) kinds: Vec<KindFacts>,
    /// Marks to add.
    pub(super) identity: Option<Identity>,
    /// Objects that another application owns, sorted.
    pub(super) yields: Vec<ObjectRef>,
    /// One text per object, not one for all.
    pub(super) per_object: bool,
    /// What happens to clear data of Secrets.
    pub(super) secrets: SecretPolicy,
}

/// What a cluster says about a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KindFacts {
    pub(super) scope: Scope,
    /// The scope is only assumed.
    pub(super) assumed: bool,
    /// Argo CD leaves it alone there.
    pub(super) excluded: bool,
    /// It fed back into the fleet and is not to be written.
    pub(super) declares: bool,
}

/// A text with its digest.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: Arc<str>,
    pub(super) digest: Digest,
    /// What stands for it where it travels, if it holds clear data of Secrets.
    pub(super) shown: Option<Shown>,
}

impl Text {
    fn new(text: String, clear: bool, key: Option<&Key>) -> Self {
        let digest = Digest::of(text.as_bytes());
        let shown = if clear { Shown::of(&text, key) } else { None };
        Text { shown, text: text.into(), digest }
    }
}

/// One object of a finished application.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) reference: ObjectRef,
    /// Without marks, which differ between applications.
    pub(super) body: Node,
    pub(super) span: Span,
    /// Whether it lives in a namespace.
    pub(super) namespaced: bool,
    /// Its name is made by the cluster (`generateName`), so that it is never the object of another application.
    pub(super) generated: bool,
    /// How many before it have the same reference, where the name is generated.
    pub(super) ordinal: usize,
    /// Its text, where each object has one.
    pub(super) text: Option<Text>,
}

/// A finished application.
#[derive(Debug, Default)]
pub(super) struct Finish {
    pub(super) objects: Vec<Finished>,
    /// The text of all objects; `None` without objects, or where each has its own.
    pub(super) text: Option<Text>,
    pub(super) declares: Vec<ObjectRef>,
    pub(super) excluded: Vec<ObjectRef>,
    /// What the renders read of the cluster.
    pub(super) facts: FactsRecord,
    pub(super) diagnostics: Diagnostics,
}

/// An object on its way.
struct Draft<'r> {
    resource: &'r Resource,
    facts: KindFacts,
    reference: ObjectRef,
    /// As rendered, with the namespace that it ends in.
    body: Node,
    id: ObjectId,
    key: (i64, usize),
}

impl Draft<'_> {
    fn span(&self) -> Span {
        self.resource.body.span().or(self.resource.origin.span)
    }
}

/// Finishes the objects of a task. `key` is that of digests of Secret data.
pub(super) fn finish(task: &Task, set: &RenderSet, key: Option<&Key>) -> Finish {
    let mut out = Finish { facts: record::facts(&set.renders), ..Finish::default() };
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    let mut places: FxHashMap<ObjectRef, usize> = FxHashMap::default();
    for resource in set.resources() {
        let kind = group_kind(&resource.body);
        let facts = set.kinds.binary_search(&kind).ok().and_then(|at| task.kinds.get(at));
        let Some(facts) = facts.copied() else { continue };
        let Some(draft) = draft(resource, facts, &task.namespace, &mut out.diagnostics) else { continue };
        // `generateName` makes another object each time.
        if draft.id.name.is_empty() {
            drafts.push(draft);
            continue;
        }
        match places.get(&draft.reference).copied() {
            None => {
                places.insert(draft.reference.clone(), drafts.len());
                drafts.push(draft);
            }
            Some(at) => {
                if let Some(earlier) = drafts.get_mut(at) {
                    out.diagnostics.push(
                        Diagnostic::warning(
                            "bundle/repeated-object",
                            draft.span(),
                            format!("{} is rendered twice; the later one is taken", draft.reference),
                        )
                        .label(earlier.span(), "the earlier one is here"),
                    );
                    *earlier = draft;
                }
            }
        }
    }
    drafts.retain(|draft| {
        if draft.facts.declares {
            out.declares.push(draft.reference.clone());
        } else if draft.facts.excluded {
            out.excluded.push(draft.reference.clone());
        }
        !draft.facts.declares && !draft.facts.excluded && task.yields.binary_search(&draft.reference).is_err()
    });
    out.declares.sort();
    out.excluded.sort();
    for excluded in &out.excluded {
        let message = format!("{excluded} is left out: Argo CD leaves its kind alone (resource.exclusions)");
        out.diagnostics.push(Diagnostic::warning("bundle/excluded", Span::NONE, message));
    }
    // The order of rendering decides between objects that are equal otherwise: `sort_by` keeps it.
    drafts.sort_by(|a, b| canonical(a).cmp(&canonical(b)));
    let clear =
        secret::clear_data(drafts.iter().map(|draft| (&draft.reference, &draft.body, draft.span())), task.secrets);
    out.diagnostics.extend(clear);
    if task.secrets == SecretPolicy::Omit {
        // They are released, so that a deployed one is not deleted.
        drafts.retain(|draft| {
            let clear = secret::is_clear(&draft.body);
            if clear {
                out.excluded.push(draft.reference.clone());
            }
            !clear
        });
        out.excluded.sort();
    }
    write(drafts, task, key, &mut out);
    out
}

/// Wave and kind rank, namespace, name, group, kind.
fn canonical<'d>(draft: &'d Draft<'_>) -> ((i64, usize), &'d str, &'d str, &'d str, &'d str) {
    let ObjectRef { group, kind, namespace, name } = &draft.reference;
    (draft.key, namespace, name, group, kind)
}

fn write(drafts: Vec<Draft<'_>>, task: &Task, key: Option<&Key>, out: &mut Finish) {
    let mut all = String::new();
    let mut any_clear = false;
    let mut counts: FxHashMap<ObjectRef, usize> = FxHashMap::default();
    for draft in drafts {
        let span = draft.span();
        let clear = secret::is_clear(&draft.body);
        any_clear |= clear;
        let marked = task.identity.as_ref().map(|identity| {
            let mut object = draft.body.clone();
            tracking::mark(&mut object, &draft.id, &task.namespace, identity);
            object
        });
        let object = marked.as_ref().unwrap_or(&draft.body);
        let text = if task.per_object {
            Some(Text::new(emit::to_yaml(object), clear, key))
        } else {
            if !all.is_empty() {
                all.push_str("---\n");
            }
            emit::to_yaml_into(object, &mut all);
            None
        };
        let generated = draft.id.name.is_empty();
        let mut ordinal = 0;
        if generated {
            let count = counts.entry(draft.reference.clone()).or_default();
            ordinal = *count;
            *count += 1;
        }
        let namespaced = draft.facts.scope == Scope::Namespaced;
        let (reference, body) = (draft.reference, draft.body);
        out.objects.push(Finished { reference, body, span, namespaced, generated, ordinal, text });
    }
    out.text = (!all.is_empty()).then(|| Text::new(all, any_clear, key));
}

/// Checks one object and gives it its namespace; `None` after an error.
fn draft<'r>(
    resource: &'r Resource,
    facts: KindFacts,
    namespace: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Draft<'r>> {
    let body = &resource.body;
    let id = ObjectId::of(body);
    let span = body.span().or(resource.origin.span);
    let mut reference = ObjectRef::of(body);
    let mut fail = |code, message: String, hint: &str| {
        diagnostics.push(Diagnostic::error(code, span, message).hint(hint));
        None
    };
    if id.gvk.kind.is_empty() || id.gvk.version.is_empty() {
        return fail(
            "bundle/no-object",
            "an object without `apiVersion` or `kind` is rendered".to_owned(),
            "every document of the manifests must be a Kubernetes object",
        );
    }
    if id.name.is_empty() {
        if reference.name.is_empty() {
            let message = format!("a {} without name is rendered", id.gvk);
            return fail("bundle/no-name", message, "give it `metadata.name`");
        }
        if order::role(body) == Role::Plain {
            let message = format!("{} has `generateName` and is no hook", id.gvk);
            let hint =
                "each apply would make one more; give it a `name`, or make it a hook (`argocd.argoproj.io/hook`)";
            return fail("bundle/generate-name", message, hint);
        }
    }
    let written = id.namespace.clone();
    let ends_in = match facts.scope {
        Scope::Cluster => SmolStr::default(),
        Scope::Namespaced if written.is_empty() && namespace != ANY_NAMESPACE => SmolStr::new(namespace),
        Scope::Namespaced => written.clone(),
    };
    let leaves = facts.excluded || facts.declares;
    if facts.scope == Scope::Namespaced && ends_in.is_empty() && !facts.assumed && !leaves {
        let message = format!("{reference} has no namespace, and the application's destination has none");
        return fail(
            "bundle/no-namespace",
            message,
            "set `destination.namespace` or the object's `metadata.namespace`",
        );
    }
    let mut body = body.clone();
    if ends_in != written || (ends_in.is_empty() && body.at(&["metadata", "namespace"]).is_some()) {
        let metadata = body.get_mut("metadata").and_then(Node::map_mut)?;
        if ends_in.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.insert("namespace", Node::str(ends_in.clone()));
        }
    }
    reference.namespace = ends_in;
    let key = (order::sync_wave(&body), order::kind_rank(&reference.kind));
    Some(Draft { resource, facts, reference, body, id, key })
}
