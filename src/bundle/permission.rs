//! What the project of an application says of its objects: their kinds, and the namespaces that they live in.
//!
//! Argo CD asks this in each sync (`validateSyncPermissions`, controller/sync.go) of every object, Applications among them too. An object's own
//! namespace is asked for as a destination; a cluster-scoped object has none, and only its kind counts. Nothing is asked of an
//! application whose project is not declared: that is recorded, and who applies refuses.

use super::finish::Finish;
use crate::diag::Diagnostic;
use crate::project::Refusal;
use crate::resolve::ProjectRecord;
use crate::span::Span;

/// The objects that the project refuses, each an error.
pub(super) fn refusals(project: &ProjectRecord, finish: &Finish) -> Vec<Diagnostic> {
    let Some(rules) = &project.rules else { return Vec::new() };
    let mut found = Vec::new();
    let files = finish.objects.iter().map(|object| (&object.reference, object.namespaced, object.span));
    // Applications, ApplicationSets and AppProjects, which all live in namespaces.
    let declared = finish.declares.iter().map(|reference| (reference, true, Span::NONE));
    for (object, namespaced, span) in files.chain(declared) {
        let refuse = |code, what: String, refusal: &Refusal| {
            let message = format!("the project `{}` does not permit {what}: {object}", rules.name);
            Diagnostic::error(code, span, message).label(refusal.span, refusal.reason())
        };
        if let Err(refusal) = rules.kind(&object.group, &object.kind, &object.name, namespaced) {
            let scope = if namespaced { "" } else { "cluster-scoped " };
            found.push(refuse("project/kind", format!("{scope}objects of this kind"), &refusal));
        } else if namespaced && let Err(refusal) = rules.destination(&project.target, &object.namespace) {
            found.push(refuse("project/namespace", format!("namespace `{}`", object.namespace), &refusal));
        }
    }
    found
}
