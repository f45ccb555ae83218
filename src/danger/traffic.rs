//! How requests find pods: selectors of Services, ports and who names them, what is reached from outside.
//!
//! Only what the same application has is known. A Service whose pods an operator may make is not judged.

use crate::yaml::Node;

use super::look::{
    Pod, Said, are_together, called, each, flag, has_custom_kinds, is_of, list, name, named, namespace, pairs,
    pods_beside, selector, text,
};
use super::{Fate, Scene, State};

const SERVICE: [(&str, &str); 1] = [("", "Service")];

/// Who sends requests to a Service by name: group, kinds, where, name and port of it there.
struct Backend(&'static str, &'static [&'static str], &'static str, &'static str, &'static [&'static [&'static str]]);

const BACKENDS: [Backend; 8] = [
    Backend(
        "networking.k8s.io",
        &["Ingress"],
        "spec.rules.*.http.paths.*.backend.service",
        "name",
        &[&["port", "name"], &["port", "number"]],
    ),
    Backend(
        "networking.k8s.io",
        &["Ingress"],
        "spec.defaultBackend.service",
        "name",
        &[&["port", "name"], &["port", "number"]],
    ),
    Backend(
        "gateway.networking.k8s.io",
        &["HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"],
        "spec.rules.*.backendRefs.*",
        "name",
        &[&["port"]],
    ),
    Backend("traefik.io", &["IngressRoute", "IngressRouteTCP"], "spec.routes.*.services.*", "name", &[&["port"]]),
    Backend("projectcontour.io", &["HTTPProxy"], "spec.routes.*.services.*", "name", &[&["port"]]),
    Backend(
        "networking.istio.io",
        &["VirtualService"],
        "spec.http.*.route.*.destination",
        "host",
        &[&["port", "number"]],
    ),
    Backend(
        "admissionregistration.k8s.io",
        &["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"],
        "webhooks.*.clientConfig.service",
        "name",
        &[&["port"]],
    ),
    Backend("apiregistration.k8s.io", &["APIService"], "spec.service", "name", &[&["port"]]),
];

/// A port of a Service that somebody names.
struct Use<'n> {
    user: &'n Node,
    path: String,
    node: &'n Node,
    service: &'n str,
    namespace: &'n str,
    port: &'n str,
}

fn uses(user: &Node) -> Vec<Use<'_>> {
    let mut found = Vec::new();
    for Backend(group, kinds, path, key, ports) in &BACKENDS {
        if !kinds.iter().any(|kind| is_of(user, &[(group, kind)])) {
            continue;
        }
        for (path, node) in each(user, path) {
            let kind = text(node, &["kind"]);
            let service = text(node, &[key]).split('.').next().unwrap_or_default();
            let Some(port) = ports.iter().find_map(|steps| node.at(steps)?.text()) else { continue };
            if !service.is_empty() && (kind.is_empty() || kind == "Service") {
                let namespace = node.get("namespace").and_then(Node::text).unwrap_or(namespace(user));
                found.push(Use { user, path, node, service, namespace, port });
            }
        }
    }
    found
}

impl Use<'_> {
    fn is_of(&self, service: &Node) -> bool {
        let at = namespace(service);
        name(service) == self.service && (self.namespace.is_empty() || at.is_empty() || self.namespace == at)
    }
}

fn has_port(service: &Node, port: &str) -> bool {
    list(service, &["spec", "ports"]).iter().any(|one| text(one, &["name"]) == port || text(one, &["port"]) == port)
}

fn port_names(service: &Node) -> String {
    let shown = list(service, &["spec", "ports"]).iter().map(|port| match text(port, &["name"]) {
        "" => text(port, &["port"]).to_owned(),
        name => format!("{} (`{name}`)", text(port, &["port"])),
    });
    named(shown)
}

/// Somebody names a port that the Service of the application does not have.
pub(super) fn backend_port_missing(state: &State<'_>) -> Vec<Said> {
    let wanted = uses(state.object);
    if wanted.is_empty() {
        return Vec::new();
    }
    let others = state.others.all();
    let mut said = Vec::new();
    for one in wanted {
        let service = others.iter().find(|other| is_of(other, &SERVICE) && one.is_of(other));
        if let Some(service) = service.filter(|service| !has_port(service, one.port)) {
            let (port, name, has) = (one.port, one.service, port_names(service));
            let message = format!("it names port `{port}` of the Service `{name}`, which has {has}");
            said.push(Said::at(one.path, Some(one.node), message));
        }
    }
    said
}

/// The selector of a Service that finds its pods by labels.
fn labels(service: &Node) -> Option<Vec<(&str, &str)>> {
    let labels: Vec<(&str, &str)> = pairs(service.at(&["spec", "selector"])).collect();
    (!labels.is_empty() && text(service, &["spec", "type"]) != "ExternalName").then_some(labels)
}

fn shown(labels: &[(&str, &str)]) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// A Service whose labels no pod of the application has, although some come close or nobody else makes pods.
pub(super) fn matches_nothing(state: &State<'_>) -> Vec<Said> {
    let Some(wanted) = labels(state.object) else { return Vec::new() };
    let others = state.others.all();
    let pods = pods_beside(state.object, &others);
    if pods.is_empty() || pods.iter().any(|pod| pod.has_all(&wanted)) {
        return Vec::new();
    }
    let near = pods.iter().find(|pod| wanted.iter().any(|one| pod.has_all(&[*one])));
    if near.is_none() && has_custom_kinds(&others) {
        return Vec::new();
    }
    let close = near.map(|pod| format!("; those of {} come closest", called(pod.object))).unwrap_or_default();
    let message = format!("no pod of the application has its labels `{}`{close}", shown(&wanted));
    vec![Said::at("spec.selector", state.object.at(&["spec", "selector"]), message)]
}

/// A Service that sends requests to a port by a name that none of its pods has.
pub(super) fn target_port_missing(state: &State<'_>) -> Vec<Said> {
    let Some(wanted) = labels(state.object) else { return Vec::new() };
    let targets = each(state.object, "spec.ports.*.targetPort");
    let by_name = targets.into_iter().filter(|(_, node)| node.text().is_some_and(|text| text.parse::<u32>().is_err()));
    let by_name: Vec<(String, &Node)> = by_name.collect();
    if by_name.is_empty() {
        return Vec::new();
    }
    let others = state.others.all();
    let pods: Vec<Pod<'_>> =
        pods_beside(state.object, &others).into_iter().filter(|pod| pod.has_all(&wanted)).collect();
    if pods.is_empty() {
        return Vec::new();
    }
    let has = |port: &str| pods.iter().any(|pod| pod_ports(pod).contains(&port));
    let missing = by_name.into_iter().filter(|(_, node)| !node.text().is_some_and(has));
    missing
        .map(|(path, node)| {
            let port = node.text().unwrap_or_default();
            Said::at(path, Some(node), format!("none of its pods has a port called `{port}`"))
        })
        .collect()
}

fn pod_ports<'n>(pod: &Pod<'n>) -> Vec<&'n str> {
    let all = ["containers.*.ports.*.name", "initContainers.*.ports.*.name"].into_iter();
    all.flat_map(|path| each(pod.spec, path)).filter_map(|(_, node)| node.text()).collect()
}

/// A monitor whose Services or pods are there, but none has the port that it names.
pub(super) fn monitor_port_missing(state: &State<'_>) -> Vec<Said> {
    let object = state.object;
    let of_pods = text(object, &["kind"]) == "PodMonitor";
    let key = if of_pods { "spec.podMetricsEndpoints.*.port" } else { "spec.endpoints.*.port" };
    let wanted = each(object, key);
    let Some(selector) = selector(object.at(&["spec", "selector"])) else { return Vec::new() };
    if wanted.is_empty() || object.at(&["spec", "namespaceSelector"]).is_some_and(|node| flag(node, &["any"])) {
        return Vec::new();
    }
    let others = state.others.all();
    let ports: Vec<Vec<&str>> = if of_pods {
        let pods = others.iter().filter_map(|other| Pod::of(other));
        pods.filter(|pod| pod.is_selected(&selector)).map(|pod| pod_ports(&pod)).collect()
    } else {
        let services = others.iter().filter(|other| is_of(other, &SERVICE));
        let label =
            |service: &Node, key: &str| Some(service.at(&["metadata", "labels"])?.get(key)?.text()?.to_owned().into());
        let meant = services.filter(|service| selector.matches(|key| label(service, key)));
        meant
            .map(|service| list(service, &["spec", "ports"]).iter().map(|port| text(port, &["name"])).collect())
            .collect()
    };
    if ports.is_empty() {
        return Vec::new();
    }
    let missing = wanted.into_iter().filter(|(_, node)| !ports.iter().flatten().any(|port| node.text() == Some(*port)));
    let what = if of_pods { "pod" } else { "Service" };
    missing
        .map(|(path, node)| {
            let port = node.text().unwrap_or_default();
            Said::at(
                path,
                Some(node),
                format!("no {what} that it selects has a port called `{port}`: nothing is measured"),
            )
        })
        .collect()
}

/// Ports of a Service that are gone or called otherwise, and who still names them.
pub(super) fn ports_go(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    let mut said = Vec::new();
    for old in list(before, &["spec", "ports"]) {
        let (number, port) = (text(old, &["port"]), text(old, &["name"]));
        let new = list(after, &["spec", "ports"]);
        let same = new.iter().find(|new| text(new, &["port"]) == number);
        let called_so = new.iter().find(|new| !port.is_empty() && text(new, &["name"]) == port);
        let (what, lost): (String, &[&str]) = match (same, called_so) {
            (Some(same), _) if text(same, &["name"]) == port || port.is_empty() => continue,
            (Some(_), _) => (format!("its port {number} is no longer called `{port}`"), &[port]),
            (None, Some(now)) => {
                (format!("its port `{port}` is {}, no longer {number}", text(now, &["port"])), &[number])
            }
            (None, None) if port.is_empty() => (format!("its port {number} goes"), &[number]),
            (None, None) => (format!("its port {number} (`{port}`) goes"), &[number, port]),
        };
        let others = scene.after.all();
        let all = others.iter().flat_map(|other| uses(other));
        let still = all.filter(|one| one.is_of(after) && lost.contains(&one.port)).map(|one| called(one.user));
        let mut users: Vec<String> = still.collect();
        users.sort();
        users.dedup();
        let still = match users.len() {
            0 => String::new(),
            1 => format!(", and {} still names it", named(users)),
            _ => format!(", and {} still name it", named(users)),
        };
        said.push(Said::at("spec.ports", after.at(&["spec", "ports"]), format!("{what}{still}")));
    }
    said
}

/// Pods that a Service of the application finds no longer.
pub(super) fn pods_leave(scene: &Scene<'_>) -> Vec<Said> {
    let (Fate::Changed(before, after) | Fate::Remade(before, after)) = scene.fate else { return Vec::new() };
    let (Some(old), Some(new)) = (Pod::of(before), Pod::of(after)) else { return Vec::new() };
    if old.metadata.and_then(|node| node.get("labels")) == new.metadata.and_then(|node| node.get("labels")) {
        return Vec::new();
    }
    let others = scene.after.all();
    let services = others.iter().filter(|other| is_of(other, &SERVICE) && are_together(other, after));
    let lost = services.filter(|service| labels(service).is_some_and(|all| old.has_all(&all) && !new.has_all(&all)));
    let names: Vec<String> = lost.map(|service| format!("`{}`", name(service))).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let what = if names.len() == 1 { "the Service" } else { "the Services" };
    let verb = if names.len() == 1 { "finds" } else { "find" };
    vec![Said::whole(format!("{what} {} no longer {verb} its pods: their labels are others", named(names)))]
}

/// Traffic that goes to other pods than before.
pub(super) fn selector_changes(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    let sorted = |object| {
        let mut all = labels(object).unwrap_or_default();
        all.sort_unstable();
        all
    };
    let (old, new) = (sorted(before), sorted(after));
    if old == new || old.is_empty() {
        return Vec::new();
    }
    let message = match new.is_empty() {
        true => format!("it no longer finds pods by labels; it did by `{}`", shown(&old)),
        false => {
            format!("its requests go to the pods with `{}`, no longer to those with `{}`", shown(&new), shown(&old))
        }
    };
    vec![Said::at("spec.selector", after.at(&["spec", "selector"]), message)]
}

/// Services that become reachable from outside the cluster, or from more addresses.
pub(super) fn exposed(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    let outside = |object: &Node| matches!(text(object, &["spec", "type"]), "LoadBalancer" | "NodePort");
    let ranges = |object: &Node| !list(object, &["spec", "loadBalancerSourceRanges"]).is_empty();
    if outside(after) && !outside(before) {
        let message = "it can be reached from outside the cluster";
        return vec![Said::at("spec.type", after.at(&["spec", "type"]), message)];
    }
    if outside(after) && ranges(before) && !ranges(after) {
        return vec![Said::at("spec.loadBalancerSourceRanges", None, "it can be reached from every address")];
    }
    Vec::new()
}

/// An Ingress that no longer has certificates.
pub(super) fn tls_goes(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    if list(before, &["spec", "tls"]).is_empty() || !list(after, &["spec", "tls"]).is_empty() {
        return Vec::new();
    }
    vec![Said::at(
        "spec.tls",
        None,
        "it no longer has a certificate: its hosts are served without TLS, or with another's",
    )]
}

/// A NetworkPolicy that lets in or out what it did not.
pub(super) fn network_opens(scene: &Scene<'_>) -> Vec<Said> {
    let Some((before, after)) = scene.fate.both() else { return Vec::new() };
    let open = |object: &Node, key: &str, peers: &str| {
        list(object, &["spec", key])
            .iter()
            .any(|rule| list(rule, &[peers]).is_empty() && list(rule, &["ports"]).is_empty())
    };
    let holds = |object: &Node, what: &str| {
        let types = list(object, &["spec", "policyTypes"]);
        let said = types.iter().any(|node| node.text() == Some(what));
        said || (types.is_empty() && (what == "Ingress" || object.at(&["spec", "egress"]).is_some()))
    };
    let mut said = Vec::new();
    for (what, key, peers, message) in [
        ("Ingress", "ingress", "from", "everybody may reach its pods"),
        ("Egress", "egress", "to", "its pods may reach everybody"),
    ] {
        let is_open = |object: &Node| !holds(object, what) || open(object, key, peers);
        if is_open(after) && !is_open(before) {
            said.push(Said::at(format!("spec.{key}"), after.at(&["spec", key]), message));
        }
    }
    said
}
