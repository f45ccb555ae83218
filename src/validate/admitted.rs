//! What an API server has of an object when its validating admission looks at it: decoded into the types of its version, defaults filled in,
//! written again. (apiserver pkg/endpoints/handlers/create.go, registry/rest/create.go)
//!
//! What the server itself makes of it (uid, times, addresses, what its own admission plugins add) is a gap, not a guess; so is all that a
//! kind may get whose defaults nobody has compared with a server, or whose definition is not at hand. Webhooks and mutating policies are not
//! played. Conversions to other versions are not made.

use super::crd::Definition;
use super::structural;
use super::table::{self, Code, Field, Minor, Type};
use crate::k8s::defaults;
use crate::k8s::gaps::{Gaps, Why};
use crate::k8s::ignore::quantity::canonical;
use crate::k8s::object::Gvk;
use crate::yaml::sigs::key_text;
use crate::yaml::{Map, Node};

/// An object as it is admitted.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// What is known of it.
    pub object: Node,
    /// What is not.
    pub gaps: Gaps,
}

/// The kinds whose defaults have been compared with a server's (`tests/it/e2e_admission.rs`).
const COMPARED: [(&str, &str); 31] = [
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("coordination.k8s.io/v1", "Lease"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "IngressClass"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("scheduling.k8s.io/v1", "PriorityClass"),
    ("storage.k8s.io/v1", "CSIDriver"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("v1", "ConfigMap"),
    ("v1", "LimitRange"),
    ("v1", "Namespace"),
    ("v1", "PersistentVolume"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Pod"),
    ("v1", "ResourceQuota"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
];

const MADE: Why = "the API server sets it";
const ALLOCATED: Why = "the API server allocates it";
const PLUGIN: Why = "an admission plugin of the API server may set it";

/// Where something is that the server sets, for `*` and for some kinds; `[]` stands for every item. What ends in `?` is so only where the
/// object does not say it.
const SET: [(&str, &str, Why); 34] = [
    ("*", "metadata.uid", MADE),
    ("*", "metadata.creationTimestamp", MADE),
    ("*", "metadata.generation", MADE),
    ("*", "metadata.managedFields", MADE),
    ("*", "metadata.name?", MADE),
    ("*", "status", MADE),
    ("Service", "spec.clusterIP?", ALLOCATED),
    ("Service", "spec.clusterIPs?", ALLOCATED),
    ("Service", "spec.ipFamilies?", ALLOCATED),
    ("Service", "spec.ipFamilyPolicy?", ALLOCATED),
    ("Service", "spec.healthCheckNodePort?", ALLOCATED),
    ("Service", "spec.ports.[].nodePort?", ALLOCATED),
    ("Job", "metadata.labels.*", MADE),
    ("Job", "spec.selector?", MADE),
    ("Job", "spec.template.metadata.labels.*", MADE),
    ("PersistentVolumeClaim", "spec.storageClassName?", PLUGIN),
    ("PersistentVolumeClaim", "metadata.finalizers", PLUGIN),
    ("PersistentVolume", "metadata.finalizers", PLUGIN),
    ("PersistentVolume", "metadata.labels.*", PLUGIN),
    ("PersistentVolume", "spec.nodeAffinity?", PLUGIN),
    ("Ingress", "spec.ingressClassName?", PLUGIN),
    ("Pod", "spec.serviceAccountName?", PLUGIN),
    ("Pod", "spec.serviceAccount?", PLUGIN),
    ("Pod", "spec.imagePullSecrets?", PLUGIN),
    ("Pod", "spec.tolerations", PLUGIN),
    ("Pod", "spec.priority?", PLUGIN),
    ("Pod", "spec.preemptionPolicy?", PLUGIN),
    ("Pod", "spec.overhead?", PLUGIN),
    ("Pod", "spec.nodeSelector.*", PLUGIN),
    ("Pod", "spec.volumes", PLUGIN),
    ("Pod", "spec.containers.[].volumeMounts", PLUGIN),
    ("Pod", "spec.containers.[].resources", PLUGIN),
    ("Pod", "spec.initContainers.[].volumeMounts", PLUGIN),
    ("Pod", "spec.initContainers.[].resources", PLUGIN),
];

/// An object, which is in its namespace, as a server of this version has it. `definition` is the CRD of its kind, where there is one.
pub fn admitted(object: &Node, gvk: &Gvk, definition: Option<&Definition>, minor: Minor) -> Admitted {
    let mut walk = Walk { minor, path: Vec::new(), gaps: Gaps::default() };
    let api = gvk.api_version();
    let compared = COMPARED.iter().any(|(of, kind)| *of == api && *kind == gvk.kind);
    let built_in = if compared { table::root(gvk, minor).and_then(table::type_at) } else { None };
    let schema = definition.and_then(|definition| definition.schema(&gvk.version));
    let mut made = object.clone();
    if let Some(of) = built_in {
        if gvk.is("", "Secret") {
            defaults::encode_secret(&mut made);
        }
        defaults::fill(&gvk.kind, &mut made);
        if gvk.kind == "DaemonSet" {
            let generation = ["metadata", "annotations", "deprecated.daemonset.template.generation"];
            defaults::set(&mut made, &generation, Node::str("1"));
        }
        made = walk.object(made.as_map(), of);
    } else if let (Some(schema), Some(definition)) = (schema, definition) {
        structural::fill(&mut made, schema);
        walk.metadata(&mut made);
        if definition.has_status(&gvk.version)
            && let Some(map) = made.map_mut()
        {
            map.remove("status");
        }
    } else {
        walk.gaps.deep = Some(if table::root(gvk, minor).is_some() {
            "fleetc does not know the defaults of its kind"
        } else {
            "the definition of its kind is in no bundle of the cluster"
        });
    }
    let mut gaps = walk.gaps;
    for (kind, path, why) in SET.iter().filter(|(kind, ..)| *kind == "*" || *kind == gvk.kind) {
        // A custom kind may have a field of this name that is no status.
        if (*path == "status" && schema.is_some()) || (*kind != "*" && built_in.is_none()) {
            continue;
        }
        let (path, unless) = path.strip_suffix('?').map_or((*path, false), |path| (path, true));
        let steps: Vec<&str> = path.split('.').collect();
        mark(&steps, Some(object), unless, why, &mut gaps);
    }
    Admitted { object: made, gaps }
}

/// Marks what a path leads to in an object as written.
fn mark(steps: &[&str], node: Option<&Node>, unless: bool, why: Why, gaps: &mut Gaps) {
    let written = node.filter(|node| !node.is_null() && node.text() != Some(""));
    match steps {
        [] if unless && written.is_some() => {}
        [] => gaps.whole = Some(why),
        ["*"] => {
            // Without any entry of its own the map may be there or not.
            if written.and_then(Node::as_map).is_some_and(|map| !map.is_empty()) {
                gaps.others = Some(why);
            } else {
                gaps.whole = Some(why);
            }
        }
        ["[]", rest @ ..] => {
            for (at, item) in written.and_then(Node::as_seq).unwrap_or_default().iter().enumerate() {
                mark(rest, Some(item), unless, why, gaps.at([at.to_string()]));
            }
        }
        [step, rest @ ..] => mark(rest, written.and_then(|node| node.get(step)), unless, why, gaps.at([step])),
    }
}

struct Walk {
    minor: Minor,
    path: Vec<String>,
    gaps: Gaps,
}

/// From this version on a time that nobody set is left out of embedded metadata; before it was written as null.
const LEAVES_OUT_TIMES: Minor = Minor(34);

impl Walk {
    /// The metadata of a custom object.
    fn metadata(&mut self, object: &mut Node) {
        let Some(of) = table::metadata().and_then(table::type_at) else { return };
        if let Some(metadata) = object.get_mut("metadata") {
            *metadata = self.object(metadata.as_map(), of);
        }
    }

    fn object(&mut self, map: Option<&Map>, of: &'static Type) -> Node {
        let embedded =
            self.path.len() > 1 && table::metadata().and_then(table::type_at).is_some_and(|m| std::ptr::eq(m, of));
        if embedded && self.minor < LEAVES_OUT_TIMES {
            let path = self.path.iter().map(String::as_str).chain(["creationTimestamp"]);
            self.gaps.at(path).whole = Some("servers before 1.34 write it without a value");
        }
        let mut made = Map::new();
        for field in of.fields_of(self.minor) {
            self.path.push(field.name.to_owned());
            let written = map.and_then(|map| map.get(field.name)).filter(|node| !node.is_null());
            let value = match written.map(|node| self.value(node, &field.code)) {
                Some(value) if !is_empty(&value) || field.pointer || field.kept || is_struct(field) => Some(value),
                _ => self.nothing(field),
            };
            self.path.pop();
            if let Some(value) = value {
                made.insert(field.name, value);
            }
        }
        Node::map(made)
    }

    /// What Go writes of a field without a value.
    fn nothing(&mut self, field: &'static Field) -> Option<Node> {
        match &field.code {
            _ if field.pointer => field.kept.then(Node::null),
            Code::Type(of) => table::type_at(*of).map(|of| self.object(None, of)),
            Code::IntOrText => Some(Node::int(0)),
            Code::Quantity => Some(Node::str("0")),
            _ if !field.kept => None,
            Code::Text | Code::Values(_) => Some(Node::str("")),
            Code::Int32 | Code::Int64 | Code::Number => Some(Node::int(0)),
            Code::Bool => Some(Node::bool(false)),
            _ => Some(Node::null()),
        }
    }

    fn value(&mut self, node: &Node, code: &'static Code) -> Node {
        match code {
            Code::Type(of) => table::type_at(*of).map_or_else(|| node.clone(), |of| self.object(node.as_map(), of)),
            Code::List(item, _) => {
                let items = node.as_seq().unwrap_or_default().iter().enumerate();
                let made = items.map(|(at, value)| {
                    self.path.push(at.to_string());
                    let value = self.value(value, item);
                    self.path.pop();
                    value
                });
                Node::seq(made.collect())
            }
            Code::Map(of) => {
                let entries = node.as_map().into_iter().flat_map(Map::iter).map(|(key, value)| {
                    let key = key_text(key).into_owned();
                    // Amounts by resource are rounded up to thousandths.
                    let value = match **of {
                        Code::Quantity if value.is_null() => Node::str("0"),
                        Code::Quantity => Node::str(canonical(value.text().unwrap_or_default(), true)),
                        Code::Text if value.is_null() => Node::str(""),
                        _ => {
                            self.path.push(key.clone());
                            let value = self.value(value, of);
                            self.path.pop();
                            value
                        }
                    };
                    (Node::str(key), value)
                });
                Node::map(entries.collect::<Map>())
            }
            Code::Quantity => Node::str(canonical(node.text().unwrap_or_default(), false)),
            _ => node.clone(),
        }
    }
}

/// Whether Go holds a field as a struct, which is there whatever it holds.
fn is_struct(field: &Field) -> bool {
    matches!(field.code, Code::Type(_) | Code::IntOrText | Code::Quantity) && !field.pointer
}

fn is_empty(node: &Node) -> bool {
    match node.number() {
        Some(number) => number.as_f64() == 0.0,
        None => {
            node.is_null()
                || node.as_bool() == Some(false)
                || node.as_str() == Some("")
                || node.as_map().is_some_and(Map::is_empty)
                || node.as_seq().is_some_and(<[Node]>::is_empty)
        }
    }
}
