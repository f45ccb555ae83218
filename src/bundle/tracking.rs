//! The marks by which Argo CD knows its objects: tracking-id annotation, instance label, or both.
//!
//! Rules of Argo CD v3.5 `util/argo/resource_tracking.go` (argocd.md 2.11). CRDs get none. Reads the object as rendered, before its namespace
//! is filled in or cleared, as the original does; an id names the destination's namespace also for cluster-scoped kinds.

use super::layout;
use crate::application::AppKey;
use crate::k8s::object::ObjectId;
use crate::read::{Fleet, Tracking};
use crate::yaml::{Map, Node};

/// What the marks of an application's objects are made of; equal identities give equal marks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Identity {
    label: Option<String>,
    annotation: bool,
    /// `name`, or `namespace_name` outside Argo CD's own namespace.
    instance: String,
    installation: Option<String>,
}

const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
const INSTALLATION_ID: &str = "argocd.argoproj.io/installation-id";
const DEFAULT_LABEL: &str = "app.kubernetes.io/instance";
/// Characters of a label's value.
const LABEL_LIMIT: usize = 63;

/// What the fleet wants an application's objects to be marked with; `None` for nothing.
pub(super) fn identity(key: &AppKey, fleet: &Fleet) -> Option<Identity> {
    let (annotation, label) = match fleet.output.tracking {
        Tracking::None => return None,
        Tracking::Annotation => (true, false),
        Tracking::Label => (false, true),
        Tracking::AnnotationAndLabel => (true, true),
    };
    let setting = |name: &str| {
        let data = fleet.instances.get(&key.instance).map(|instance| &instance.settings.data);
        data.and_then(|data| data.get(name)).map(|value| value.value.clone()).filter(|value| !value.is_empty())
    };
    let own = layout::in_own_namespace(key, fleet);
    Some(Identity {
        label: label.then(|| setting("application.instanceLabelKey").unwrap_or_else(|| DEFAULT_LABEL.to_owned())),
        annotation,
        instance: if own { key.name.clone() } else { format!("{}_{}", key.namespace, key.name) },
        installation: if annotation { setting("installationID") } else { None },
    })
}

/// The keys of the annotations and of the labels that an application's objects are marked with.
pub fn mark_keys(key: &AppKey, fleet: &Fleet) -> (Vec<String>, Vec<String>) {
    let Some(identity) = identity(key, fleet) else { return Default::default() };
    let mut annotations = Vec::new();
    if identity.annotation {
        annotations.push(TRACKING_ID.to_owned());
        annotations.extend(identity.installation.map(|_| INSTALLATION_ID.to_owned()));
    }
    (annotations, identity.label.into_iter().collect())
}

/// Marks an object. `id` is the object's as rendered, `namespace` the destination's.
pub(super) fn mark(object: &mut Node, id: &ObjectId, namespace: &str, identity: &Identity) {
    if id.gvk.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return;
    }
    if identity.annotation {
        let namespace = if id.namespace.is_empty() { namespace } else { &id.namespace };
        let (group, kind) = (&id.gvk.group, &id.gvk.kind);
        let text = format!("{}:{group}/{kind}:{namespace}/{}", identity.instance, id.name);
        set(object, "annotations", TRACKING_ID, &text);
        if let Some(installation) = &identity.installation {
            set(object, "annotations", INSTALLATION_ID, installation);
        }
    }
    if let Some(label) = &identity.label {
        let value = if identity.annotation { cut(&identity.instance) } else { &identity.instance };
        set(object, "labels", label, value);
    }
}

/// At most 63 characters, and none at the end that a label must not end with.
fn cut(text: &str) -> &str {
    if text.len() <= LABEL_LIMIT {
        return text;
    }
    let (head, _) = text.split_at(text.floor_char_boundary(LABEL_LIMIT));
    head.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
}

fn set(object: &mut Node, field: &str, key: &str, value: &str) {
    let Some(metadata) = object.get_mut("metadata").and_then(Node::map_mut) else { return };
    if metadata.get(field).is_none_or(|node| node.as_map().is_none()) {
        metadata.insert(field, Node::map(Map::new()));
    }
    if let Some(entries) = metadata.get_mut(field).and_then(Node::map_mut) {
        entries.insert(key, Node::str(value));
    }
}

/// An object without the marks that a build of this fleet may have set: for comparing objects of two applications.
pub(super) fn stripped(object: &Node, fleet: &Fleet) -> Node {
    let mut object = object.clone();
    if fleet.output.tracking == Tracking::None {
        return object;
    }
    let labels =
        fleet.instances.values().filter_map(|instance| instance.settings.data.get("application.instanceLabelKey"));
    let labels: Vec<&str> = labels.map(|value| value.value.as_str()).chain([DEFAULT_LABEL]).collect();
    for (field, keys) in [("annotations", &[TRACKING_ID, INSTALLATION_ID][..]), ("labels", &labels)] {
        let Some(metadata) = object.get_mut("metadata").and_then(Node::map_mut) else { break };
        let Some(entries) = metadata.get_mut(field).and_then(Node::map_mut) else { continue };
        entries.retain(|key, _| !key.text().is_some_and(|key| keys.contains(&key)));
        if entries.is_empty() {
            metadata.remove(field);
        }
    }
    object
}
