//! Who else deploys: the field managers of Argo CD, Helm, Flux and kubectl, and the marks that they leave on objects.
//!
//! Tables only. What is done about a field of theirs is decided elsewhere: `verify` compares, `adopt` takes over. `before-first-apply`, the
//! API server's name for whatever was there before, is nobody's and is in no table: it holds what webhooks and controllers wrote, too.

use crate::inventory::{FIELD_MANAGER, PART_OF_LABEL};
use crate::k8s::fields::Manager;
use crate::yaml::Node;

/// The name under which the API server keeps what was there before the first server-side apply.
pub(super) const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// A tool that deploys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deployer {
    /// Argo CD.
    ArgoCd,
    /// Helm, run by hand or in CI.
    Helm,
    /// Flux.
    Flux,
    /// `kubectl apply`.
    Kubectl,
}

/// How a manager writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Apply,
    Update,
    Either,
}

/// Sources: Argo CD v3.5 common.ArgoCDSSAManager (also the manager of its client-side apply; before 2.3 it had none, and its program's
/// name counted); Helm v3 and v4 kube.ManagedFieldsManager and the program's name; Flux kustomize-controller and helm-controller, which
/// write as themselves; kubectl pkg/cmd/apply.
const MANAGERS: [(Deployer, &str, How); 8] = [
    (Deployer::ArgoCd, "argocd-controller", How::Either),
    (Deployer::ArgoCd, "argocd-application-controller", How::Either),
    (Deployer::Helm, "helm", How::Either),
    (Deployer::Flux, "kustomize-controller", How::Either),
    (Deployer::Flux, "helm-controller", How::Either),
    (Deployer::Kubectl, "kubectl-client-side-apply", How::Update),
    (Deployer::Kubectl, "kubectl-last-applied", How::Either),
    (Deployer::Kubectl, "kubectl", How::Apply),
];

/// Names of deployers, and how people call them.
const NAMES: [(Deployer, &str, &str); 4] = [
    (Deployer::ArgoCd, "argocd", "Argo CD"),
    (Deployer::Helm, "helm", "Helm"),
    (Deployer::Flux, "flux", "Flux"),
    (Deployer::Kubectl, "kubectl", "kubectl"),
];

impl Deployer {
    /// All of them.
    pub const ALL: [Deployer; 4] = [Deployer::ArgoCd, Deployer::Helm, Deployer::Flux, Deployer::Kubectl];

    fn row(self) -> Option<&'static (Deployer, &'static str, &'static str)> {
        NAMES.iter().find(|row| row.0 == self)
    }

    /// As on the command line.
    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.1)
    }

    /// For people.
    pub fn title(self) -> &'static str {
        self.row().map_or("", |row| row.2)
    }

    /// The manager that gets fields back: its server-side applies own them then.
    pub(super) fn applier(self) -> &'static str {
        let mut rows = MANAGERS.iter().filter(|row| row.0 == self && row.2 != How::Update);
        match self {
            // Its other name is that of the annotation alone.
            Deployer::Kubectl => "kubectl",
            _ => rows.next().map_or("", |row| row.1),
        }
    }

    /// Whose a manager is; entries of subresources are nobody's here.
    pub fn of(manager: &Manager) -> Option<Deployer> {
        let how = |how: How| match how {
            How::Apply => manager.applied,
            How::Update => !manager.applied,
            How::Either => true,
        };
        let row = MANAGERS.iter().find(|row| row.1 == manager.name && how(row.2))?;
        manager.subresource.is_empty().then_some(row.0)
    }
}

/// Whether a manager is ours.
pub(super) fn is_ours(manager: &Manager) -> bool {
    manager.name == FIELD_MANAGER && manager.subresource.is_empty()
}

/// A mark: where (`labels` or `annotations`), the key (`*` at its end: all that begin so), and the value that it must have where
/// the key alone says too little.
struct Mark(&'static str, &'static str, &'static str);

/// What deployers write on objects to know them again. argocd.md 2.11; Helm v3 action/validate.go; Flux kustomize-controller and
/// helm-controller post-renderers.
const MARKS: [Mark; 10] = [
    Mark("annotations", "argocd.argoproj.io/tracking-id", ""),
    Mark("annotations", "argocd.argoproj.io/installation-id", ""),
    Mark("labels", "argocd.argoproj.io/instance", ""),
    Mark("annotations", "meta.helm.sh/*", ""),
    Mark("labels", "app.kubernetes.io/managed-by", "Helm"),
    Mark("labels", "kustomize.toolkit.fluxcd.io/*", ""),
    Mark("annotations", "kustomize.toolkit.fluxcd.io/*", ""),
    Mark("labels", "helm.toolkit.fluxcd.io/*", ""),
    Mark("annotations", "helm.toolkit.fluxcd.io/*", ""),
    Mark("annotations", "kubectl.kubernetes.io/last-applied-configuration", ""),
];

/// The label by which Argo CD tracks objects where it was told to (`application.instanceLabelKey` has this default). Charts set it, too.
const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";

fn is_key(pattern: &str, key: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == key, |start| key.starts_with(start))
}

/// An object without marks of deployers: those that it only may carry are taken out where the object as it is to be does not declare them.
/// The label of membership in an ApplySet goes, too.
pub(super) fn without_marks(object: &Node, declared: &Node, application: &str) -> Node {
    let mut object = object.clone();
    let Some(metadata) = object.get_mut("metadata").and_then(Node::map_mut) else { return object };
    for field in ["labels", "annotations"] {
        let Some(map) = metadata.get_mut(field).and_then(Node::map_mut) else { continue };
        let is_declared = |key: &str| declared.at(&["metadata", field]).is_some_and(|map| map.get(key).is_some());
        map.retain(|key, value| {
            let key = key.text().unwrap_or_default();
            let is_mark = MARKS.iter().any(|Mark(of, pattern, held)| {
                *of == field
                    && is_key(pattern, key)
                    && (held.is_empty() || (value.text() == Some(held) && !is_declared(key)))
            });
            let tracks = key == INSTANCE_LABEL && value.text() == Some(application) && !is_declared(key);
            !(is_mark || tracks || key == PART_OF_LABEL)
        });
        if map.is_empty() {
            metadata.remove(field);
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::fields::FieldSet;
    use crate::span::FileId;
    use crate::yaml::json;

    fn manager(name: &str, applied: bool, subresource: &str) -> Manager {
        Manager {
            name: name.into(),
            applied,
            api_version: "v1".into(),
            subresource: subresource.into(),
            time: Default::default(),
            fields: FieldSet::default(),
        }
    }

    #[test]
    fn managers_are_told_by_name_and_by_how_they_write() {
        let of = |name, applied| Deployer::of(&manager(name, applied, ""));
        assert_eq!(of("argocd-controller", true), Some(Deployer::ArgoCd));
        assert_eq!(of("argocd-controller", false), Some(Deployer::ArgoCd));
        assert_eq!(of("kubectl", true), Some(Deployer::Kubectl));
        assert_eq!(of("kubectl", false), None, "kubectl scale and others");
        assert_eq!(of("kubectl-edit", false), None);
        assert_eq!(of(BEFORE_FIRST_APPLY, false), None);
        assert_eq!(Deployer::of(&manager("helm", false, "status")), None);
    }

    #[test]
    fn marks_go_and_what_is_declared_stays() {
        let node = |text: &str| json::parse(FileId::NONE, text.as_bytes()).expect("JSON");
        let live = node(
            r#"{"metadata":{"labels":{"app.kubernetes.io/managed-by":"Helm","app.kubernetes.io/instance":"shop","a":"b"},"annotations":{"argocd.argoproj.io/tracking-id":"x","meta.helm.sh/release-name":"y"}}}"#,
        );
        let bare = without_marks(&live, &node("{}"), "shop");
        assert_eq!(json::to_json(&bare).expect("JSON"), r#"{"metadata":{"labels":{"a":"b"}}}"#);
        let declared = node(
            r#"{"metadata":{"labels":{"app.kubernetes.io/managed-by":"Helm","app.kubernetes.io/instance":"shop"}}}"#,
        );
        let kept = without_marks(&live, &declared, "shop");
        assert_eq!(kept.at(&["metadata", "labels"]).and_then(Node::as_map).map(crate::yaml::Map::len), Some(3));
    }
}
