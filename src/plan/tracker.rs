//! Live Applications of an Argo CD, and whether one of them works on an object by itself: then whatever is written would be changed back.
//!
//! They are read from the cluster itself, and from the management cluster where one is named. An Application fights where it syncs by itself
//! (`automated`, whether or not it heals itself), or is being deleted with all that it has. Which objects are its own is said by the
//! tracking annotation, where it is about the object that carries it, and by the Application's status. Nothing is changed here.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::ground::{Listed, list};
use super::talk::{Talk, Trouble};
use crate::bundle::ObjectRef;
use crate::cluster::{IN_CLUSTER_NAME, IN_CLUSTER_SERVER};
use crate::k8s::object::annotation;
use crate::machine::Port;
use crate::yaml::Node;

/// What an Application does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fight {
    /// It syncs.
    Syncs,
    /// It is being deleted with what it has.
    Deletes,
}

/// A live Application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveApplication {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `destination.server`, without a slash at its end; empty where the cluster is named.
    server: String,
    /// `destination.name`.
    cluster: String,
    /// What it does by itself; `None` for nothing.
    pub fight: Option<Fight>,
    /// Whether deleting it deletes what it has.
    pub cascades: bool,
    /// Which ApplicationSet made it, or which Application has it; empty for none.
    pub parent: String,
    /// What its status lists.
    resources: BTreeSet<ObjectRef>,
}

/// The finalizer by which Argo CD deletes what an Application has; `/background` and `/foreground` may follow.
const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

/// The collection in all namespaces.
const COLLECTION: &str = "/apis/argoproj.io/v1alpha1/applications";

impl LiveApplication {
    fn read(object: &Node) -> Self {
        let text = |path: &[&str]| object.str_at(path).to_owned();
        let finalizers = object.at(&["metadata", "finalizers"]).and_then(Node::as_seq).unwrap_or_default();
        let cascades = finalizers
            .iter()
            .filter_map(Node::text)
            .any(|name| name.strip_prefix(FINALIZER).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        let automated = object.at(&["spec", "syncPolicy", "automated"]).filter(|node| !node.is_null());
        let enabled = automated.is_some_and(|node| node.get("enabled").and_then(Node::as_bool) != Some(false));
        let skipped = annotation(object, "argocd.argoproj.io/skip-reconcile") == Some("true");
        let going = object.at(&["metadata", "deletionTimestamp"]).is_some();
        let fight = match (going && cascades, enabled && !skipped) {
            (true, _) => Some(Fight::Deletes),
            (false, true) => Some(Fight::Syncs),
            (false, false) => None,
        };
        let owners = object.at(&["metadata", "ownerReferences"]).and_then(Node::as_seq).unwrap_or_default();
        let owner = owners.iter().find(|owner| owner.str_at(&["kind"]) == "ApplicationSet");
        let parent = match owner {
            Some(owner) => format!("ApplicationSet {}", owner.str_at(&["name"])),
            None => annotation(object, "argocd.argoproj.io/tracking-id")
                .and_then(|id| id.split_once(':'))
                .map(|(app, _)| format!("Application {app}"))
                .unwrap_or_default(),
        };
        let listed = object.at(&["status", "resources"]).and_then(Node::as_seq).unwrap_or_default();
        let resource = |node: &Node| {
            let of = |key: &str| node.get(key).and_then(Node::smol).unwrap_or_default();
            ObjectRef { group: of("group"), kind: of("kind"), namespace: of("namespace"), name: of("name") }
        };
        LiveApplication {
            namespace: text(&["metadata", "namespace"]),
            name: text(&["metadata", "name"]),
            server: text(&["spec", "destination", "server"]).trim_end_matches('/').to_owned(),
            cluster: text(&["spec", "destination", "name"]),
            fight,
            cascades,
            parent,
            resources: listed.iter().map(resource).collect(),
        }
    }

    /// Whether it goes to a cluster of this name and server; `here`: whether it was read from that very cluster.
    fn goes_to(&self, name: &str, server: &str, here: bool) -> bool {
        let in_cluster = self.server == IN_CLUSTER_SERVER || self.cluster == IN_CLUSTER_NAME;
        (here && in_cluster)
            || (!self.server.is_empty() && self.server == server.trim_end_matches('/'))
            || (!self.cluster.is_empty() && self.cluster == name)
    }

    /// Whether an object is its own.
    fn has(&self, reference: &ObjectRef, live: &Node) -> bool {
        self.resources.contains(reference)
            || annotation(live, "argocd.argoproj.io/tracking-id").is_some_and(|id| self.is_tracked(id, reference))
    }

    /// Whether a tracking id, `shop:apps/Deployment:shop/web`, names this Application and this object: annotations are copied.
    fn is_tracked(&self, id: &str, reference: &ObjectRef) -> bool {
        let mut parts = id.splitn(3, ':');
        let (app, kind, object) = (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let own = app == Some(self.name.as_str()) || app == Some(format!("{}_{}", self.namespace, self.name).as_str());
        let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
        let (namespace, name) = object.split_once('/').unwrap_or(("", object));
        own && group == reference.group
            && kind == reference.kind
            && name == reference.name
            && (reference.namespace.is_empty() || namespace == reference.namespace)
    }

    /// `argocd/shop`.
    pub fn title(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Why nothing can be written to its objects, and what to do.
    fn refusal(&self, fight: Fight) -> String {
        let title = self.title();
        match fight {
            Fight::Syncs => {
                let again = match self.parent.as_str() {
                    "" => String::new(),
                    parent => format!(", where {parent} would not turn it on again"),
                };
                format!(
                    "Argo CD's Application {title} syncs it by itself and would change it back: turn that off first (`argocd app set {title} \
                     --sync-policy none`){again}; docs/taking-over.md has the steps"
                )
            }
            Fight::Deletes => format!(
                "Argo CD's Application {title} is being deleted with all that it has: `kubectl -n {} patch application {} --type=merge -p \
                 '{{\"metadata\":{{\"finalizers\":null}}}}'` lets its objects stay",
                self.namespace, self.name
            ),
        }
    }
}

/// The live Applications that go to one cluster.
#[derive(Clone, Debug, Default)]
pub struct Trackers {
    applications: Vec<LiveApplication>,
    /// Why it is not known which there are; empty where it is.
    pub unknown: String,
}

impl Trackers {
    /// Asks the cluster itself, and adds what the management cluster has.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub(super) async fn load(
        talk: &Talk,
        (name, server): (&str, &str),
        management: &[LiveApplication],
    ) -> Result<Self, Trouble> {
        let mut trackers = Trackers::default();
        match list(talk, COLLECTION, "").await? {
            Listed::Items(items) => {
                let own = items.iter().map(LiveApplication::read);
                trackers.applications.extend(own.filter(|application| application.goes_to(name, server, true)));
            }
            // Whoever may not list them is not told whether there are any.
            Listed::Forbidden(why) => trackers.unknown = why.0,
        }
        let others = management.iter().filter(|application| application.goes_to(name, server, false));
        trackers.applications.extend(others.cloned());
        trackers.applications.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        trackers.applications.dedup();
        Ok(trackers)
    }

    /// The Applications that have an object.
    pub(super) fn of<'a>(
        &'a self,
        reference: &'a ObjectRef,
        live: &'a Node,
    ) -> impl Iterator<Item = &'a LiveApplication> {
        self.applications.iter().filter(move |application| application.has(reference, live))
    }

    /// Why an object must be left alone; `None` where nobody works on it by himself.
    pub(super) fn refusal(&self, reference: &ObjectRef, live: &Node) -> Option<String> {
        self.of(reference, live).find_map(|application| Some(application.refusal(application.fight?)))
    }

    /// Whether the Application that a tracking id begins with is not among those that are live.
    pub(super) fn is_gone(&self, id: &str) -> bool {
        let app: SmolStr = id.split(':').next().unwrap_or_default().into();
        self.unknown.is_empty()
            && !self.applications.iter().any(|application| {
                app == application.name.as_str() || app == format!("{}_{}", application.namespace, application.name)
            })
    }
}

/// The Applications that a management cluster has, for clusters elsewhere.
///
/// # Errors
/// It does not answer, or does not show them.
pub async fn applications(port: Port, in_flight: usize) -> Result<Vec<LiveApplication>, String> {
    let items = Talk::new(port, in_flight).items(COLLECTION, "").await;
    items.map(|items| items.iter().map(LiveApplication::read).collect()).map_err(|Trouble(why)| why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::FileId;
    use crate::yaml::json;

    fn node(text: &str) -> Node {
        json::parse(FileId::NONE, text.as_bytes()).expect("JSON")
    }

    fn application(metadata: &str, spec: &str) -> LiveApplication {
        LiveApplication::read(&node(&format!(
            r#"{{"metadata":{{"name":"shop","namespace":"argocd"{metadata}}},"spec":{{"destination":{{"server":"https://kubernetes.default.svc/"}}{spec}}},"status":{{"resources":[{{"kind":"ConfigMap","version":"v1","namespace":"shop","name":"listed"}}]}}}}"#
        )))
    }

    fn config_map(name: &str) -> ObjectRef {
        ObjectRef { kind: "ConfigMap".into(), namespace: "shop".into(), name: name.into(), ..ObjectRef::default() }
    }

    #[test]
    fn who_syncs_or_deletes_fights() {
        let fight = |metadata: &str, spec: &str| application(metadata, spec).fight;
        assert_eq!(fight("", r#","syncPolicy":{"automated":{}}"#), Some(Fight::Syncs));
        assert_eq!(fight("", r#","syncPolicy":{"automated":{"enabled":false}}"#), None);
        assert_eq!(fight("", r#","syncPolicy":{"automated":null}"#), None);
        assert_eq!(fight("", ""), None);
        let skipped = r#","annotations":{"argocd.argoproj.io/skip-reconcile":"true"}"#;
        assert_eq!(fight(skipped, r#","syncPolicy":{"automated":{}}"#), None);
        let going = r#","deletionTimestamp":"t","finalizers":["resources-finalizer.argocd.argoproj.io/background"]"#;
        assert_eq!(fight(going, ""), Some(Fight::Deletes));
        assert_eq!(fight(r#","deletionTimestamp":"t","finalizers":["other"]"#, ""), None);
    }

    #[test]
    fn an_object_is_its_own_by_status_or_by_an_annotation_about_it() {
        let app = application("", "");
        let with = |id: &str| {
            node(&format!(r#"{{"metadata":{{"annotations":{{"argocd.argoproj.io/tracking-id":"{id}"}}}}}}"#))
        };
        assert!(app.has(&config_map("listed"), &node("{}")));
        assert!(app.has(&config_map("a"), &with("shop:/ConfigMap:shop/a")));
        assert!(app.has(&config_map("a"), &with("argocd_shop:/ConfigMap:shop/a")));
        assert!(!app.has(&config_map("a"), &with("shop:/ConfigMap:shop/b")), "it was copied");
        assert!(!app.has(&config_map("a"), &with("other:/ConfigMap:shop/a")));
        let role = ObjectRef {
            group: "rbac.authorization.k8s.io".into(),
            kind: "ClusterRole".into(),
            name: "a".into(),
            ..ObjectRef::default()
        };
        assert!(app.has(&role, &with("shop:rbac.authorization.k8s.io/ClusterRole:shop/a")));
    }

    #[test]
    fn destinations_are_told_apart() {
        let app = application("", "");
        assert!(app.goes_to("eu", "https://eu", true) && !app.goes_to("eu", "https://eu", false));
        let named = LiveApplication::read(&node(r#"{"spec":{"destination":{"name":"eu"}}}"#));
        assert!(named.goes_to("eu", "https://x", false) && !named.goes_to("us", "https://x", true));
        let by_url = LiveApplication::read(&node(r#"{"spec":{"destination":{"server":"https://eu:6443"}}}"#));
        assert!(by_url.goes_to("any", "https://eu:6443/", false) && !by_url.goes_to("any", "", true));
    }
}
