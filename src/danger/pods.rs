//! What pods may do to their node and to others, and habits that end badly: images that move, passwords in the open.

use crate::yaml::Node;

use super::State;
use super::look::{Pod, Said, each, flag, list, quoted, text};

/// An image, taken apart as the distribution specification has it: the tag stands behind the last colon after the last slash.
pub(super) struct Image<'a> {
    pub(super) name: &'a str,
    pub(super) tag: &'a str,
    pub(super) digest: &'a str,
}

impl<'a> Image<'a> {
    pub(super) fn of(text: &'a str) -> Option<Image<'a>> {
        let (rest, digest) = text.split_once('@').unwrap_or((text, ""));
        let last = rest.rfind('/').map_or(0, |at| at + 1);
        let colon = rest.get(last..)?.rfind(':').map(|at| last + at);
        let (name, tag) = match colon {
            Some(at) => (rest.get(..at)?, rest.get(at + 1..)?),
            None => (rest, ""),
        };
        (!name.is_empty()).then_some(Image { name, tag, digest })
    }

    /// Where it lies; the first part of a name is a host where it looks like one.
    pub(super) fn registry(&self) -> &'a str {
        match self.name.split_once('/') {
            Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
            _ => "docker.io",
        }
    }
}

fn containers<'n>(state: &State<'n>) -> Vec<(String, &'n Node)> {
    Pod::of(state.object).map(|pod| pod.containers()).unwrap_or_default()
}

/// A sentence for each container of which a field says so.
fn of_containers(state: &State<'_>, path: &[&str], test: fn(&Node) -> bool, say: &str) -> Vec<Said> {
    let all = containers(state).into_iter();
    let found = all.filter_map(|(at, container)| Some((at, container, container.at(path).filter(|node| test(node))?)));
    found
        .map(|(at, container, node)| {
            let message = format!("container `{}` {say}", text(container, &["name"]));
            Said::at(format!("{at}.{}", path.join(".")), Some(node), message)
        })
        .collect()
}

fn is_true(node: &Node) -> bool {
    node.as_bool() == Some(true)
}

/// Containers that are as good as root on their node.
pub(super) fn privileged(state: &State<'_>) -> Vec<Said> {
    of_containers(state, &["securityContext", "privileged"], is_true, "is privileged: it may do anything to its node")
}

/// Containers that may become more than they start as.
pub(super) fn escalation(state: &State<'_>) -> Vec<Said> {
    let path = ["securityContext", "allowPrivilegeEscalation"];
    of_containers(state, &path, is_true, "may get more rights than it starts with")
}

/// Containers that run as root and say so.
pub(super) fn root(state: &State<'_>) -> Vec<Said> {
    let zero = |node: &Node| node.text() == Some("0");
    let mut said = of_containers(state, &["securityContext", "runAsUser"], zero, "runs as root");
    if let Some(pod) = Pod::of(state.object)
        && let Some(user) = pod.spec.at(&["securityContext", "runAsUser"]).filter(|node| zero(node))
    {
        said.push(Said::at(pod.field("securityContext.runAsUser"), Some(user), "its containers run as root"));
    }
    said
}

/// Capabilities with which a container reaches beyond itself.
const STRONG: [&str; 9] =
    ["ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "NET_ADMIN", "DAC_READ_SEARCH", "BPF", "SYS_BOOT"];

/// Containers with such capabilities.
pub(super) fn capabilities(state: &State<'_>) -> Vec<Said> {
    let path = ["securityContext", "capabilities", "add"];
    let mut said = Vec::new();
    for (at, container) in containers(state) {
        let added = list(container, &path).iter().filter_map(Node::text);
        let strong: Vec<&str> = added.filter(|name| STRONG.contains(&name.trim_start_matches("CAP_"))).collect();
        if !strong.is_empty() {
            let message = format!("container `{}` has the capabilities {}", text(container, &["name"]), quoted(strong));
            said.push(Said::at(format!("{at}.{}", path.join(".")), container.at(&path), message));
        }
    }
    said
}

const HOST: [(&str, &str); 3] =
    [("hostNetwork", "network"), ("hostPID", "processes"), ("hostIPC", "inter-process communication")];

/// Pods that share with their node.
pub(super) fn host_namespaces(state: &State<'_>) -> Vec<Said> {
    let Some(pod) = Pod::of(state.object) else { return Vec::new() };
    let shared = HOST.iter().filter(|(field, _)| flag(pod.spec, &[field]));
    shared
        .map(|(field, what)| {
            Said::at(pod.field(field), pod.spec.get(field), format!("its pods share the {what} of their node"))
        })
        .collect()
}

/// Sockets by which everything on a node can be had.
const SOCKETS: [&str; 5] = [
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/var/run/containerd/containerd.sock",
    "/var/run/crio/crio.sock",
];

fn host_paths<'n>(state: &State<'n>) -> Vec<(String, &'n Node, &'n str)> {
    let Some(pod) = Pod::of(state.object) else { return Vec::new() };
    let found = each(pod.spec, "volumes.*.hostPath.path").into_iter();
    found.filter_map(|(path, node)| Some((pod.field(&path), node, node.text()?))).collect()
}

/// Folders of the node that pods mount, other than sockets.
pub(super) fn host_path(state: &State<'_>) -> Vec<Said> {
    let folders = host_paths(state).into_iter().filter(|(_, _, folder)| !SOCKETS.contains(folder));
    folders.map(|(path, node, at)| Said::at(path, Some(node), format!("its pods mount `{at}` of their node"))).collect()
}

/// The socket of the container runtime.
pub(super) fn runtime_socket(state: &State<'_>) -> Vec<Said> {
    let sockets = host_paths(state).into_iter().filter(|(_, _, file)| SOCKETS.contains(file));
    sockets
        .map(|(path, node, at)| Said::at(path, Some(node), format!("by `{at}` its pods may do anything to their node")))
        .collect()
}

/// Images that are another one tomorrow.
pub(super) fn floating(state: &State<'_>) -> Vec<Said> {
    let mut said = Vec::new();
    for (at, container) in containers(state) {
        let Some(image) = Image::of(text(container, &["image"])).filter(|image| image.digest.is_empty()) else {
            continue;
        };
        let what = match image.tag {
            "" => "without a tag",
            "latest" => "`latest`",
            _ => continue,
        };
        let message = format!("the image `{}` of container `{}` is {what}", image.name, text(container, &["name"]));
        said.push(Said::at(format!("{at}.image"), container.get("image"), message));
    }
    said
}

/// Pods that are killed without time to end.
pub(super) fn killed_at_once(state: &State<'_>) -> Vec<Said> {
    let Some(pod) = Pod::of(state.object) else { return Vec::new() };
    let field = "terminationGracePeriodSeconds";
    match pod.spec.get(field) {
        Some(node) if node.text() == Some("0") => {
            vec![Said::at(pod.field(field), Some(node), "its pods are killed without time to end what they do")]
        }
        _ => Vec::new(),
    }
}

/// Last words of names of variables whose value nobody should read, and what has to stand before some of them.
const SECRET: [(&str, &[&str]); 7] = [
    ("PASSWORD", &[]),
    ("PASSWD", &[]),
    ("PASSPHRASE", &[]),
    ("SECRET", &[]),
    ("TOKEN", &[]),
    ("APIKEY", &[]),
    ("KEY", &["API", "ACCESS", "PRIVATE", "SECRET", "ENCRYPTION"]),
];

/// Passwords and the like in the open. Their value is never shown.
pub(super) fn secrets_in_env(state: &State<'_>) -> Vec<Said> {
    let mut said = Vec::new();
    for (at, container) in containers(state) {
        for (number, variable) in list(container, &["env"]).iter().enumerate() {
            let name = text(variable, &["name"]).to_ascii_uppercase();
            let words: Vec<&str> = name.split(['_', '.', '-']).collect();
            let (last, before) = match words.as_slice() {
                [.., before, last] => (*last, *before),
                [last] => (*last, ""),
                [] => continue,
            };
            let is_secret = SECRET.iter().any(|(word, of)| *word == last && (of.is_empty() || of.contains(&before)));
            let value = text(variable, &["value"]);
            if is_secret && !value.is_empty() && !value.starts_with("$(") {
                let shown = text(variable, &["name"]);
                let message =
                    format!("container `{}` has the value of `{shown}` in the open", text(container, &["name"]));
                said.push(Said::at(format!("{at}.env[{number}]"), Some(variable), message));
            }
        }
    }
    said
}
