//! What an API server serves: its version, and every kind with scope, verbs and version ([`Catalogue`]); and the facts that renders may
//! depend on, made of both and written as a file that fleet.yaml names (`clusters[].facts`).
//!
//! Two requests where the server has aggregated discovery (Kubernetes 1.26 and newer), else one for each group and version. Asks once: who
//! wants another try tries again. A group that does not answer (an aggregated API whose server is down) is named, never left out in
//! silence; an answer that cannot be read is an error, never an empty list. Subresources are no kinds and are left out.

mod facts;
#[cfg(test)]
mod tests;

use smol_str::SmolStr;

use crate::api::{Request, Resource};
use crate::k8s::object::Gvk;
use crate::machine::{Port, all};
use crate::yaml::Node;

pub use facts::{facts, to_yaml};

/// The aggregated form, newest first, and the plain one where the server does not know it
/// (<https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery>).
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// Documents of groups asked for at a time.
const AT_ONCE: usize = 16;

/// What a server serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Every kind in every version, the core group first, else in the server's order.
    pub resources: Vec<Resource>,
    /// Groups and versions that did not answer, with the reason.
    pub silent: Vec<(String, String)>,
}

/// The `gitVersion` of a server, without `v`.
///
/// # Errors
/// Why it is not known, one sentence.
pub async fn version(port: &Port) -> Result<String, String> {
    let answer = read(port, Request::get("/version")).await?;
    let version = answer.get("gitVersion").and_then(Node::as_str).unwrap_or_default();
    match version.strip_prefix('v').unwrap_or(version) {
        "" => Err("/version: the answer names no version".to_owned()),
        version => Ok(version.to_owned()),
    }
}

/// Everything that a server serves.
///
/// # Errors
/// Why it is not known, one sentence.
pub async fn catalogue(port: &Port) -> Result<Catalogue, String> {
    let mut found = Catalogue::default();
    for root in ["/api", "/apis"] {
        let answer = read(port, Request::get(root).accepting(AGGREGATED)).await?;
        match answer.get("kind").and_then(Node::as_str).unwrap_or_default() {
            "APIGroupDiscoveryList" => aggregated(&answer, &mut found)?,
            "APIVersions" | "APIGroupList" => one_by_one(port, root, &answer, &mut found).await?,
            other => return Err(format!("{root}: a discovery document of the kind `{other}` is not known")),
        }
    }
    Ok(found)
}

async fn read(port: &Port, request: Request) -> Result<Node, String> {
    let path = request.path.clone();
    let response = port.send(request).await.map_err(|failure| failure.to_string())?;
    match response.status {
        200 => response.node().map_err(|_| format!("{path}: the answer is no JSON")),
        401 => Err("the credentials are not accepted (401)".to_owned()),
        403 => Err(format!("{path}: these credentials may not read it (403)")),
        status => Err(format!("{path}: the server answered {status}")),
    }
}

fn items<'a>(node: &'a Node, field: &str) -> &'a [Node] {
    node.get(field).and_then(Node::as_seq).unwrap_or_default()
}

fn text(node: &Node, path: &[&str]) -> SmolStr {
    node.at(path).and_then(Node::smol).unwrap_or_default()
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// An APIGroupDiscoveryList: all groups, versions and resources in one document.
fn aggregated(list: &Node, found: &mut Catalogue) -> Result<(), String> {
    for group in items(list, "items") {
        let name = text(group, &["metadata", "name"]);
        for version in items(group, "versions") {
            let of = text(version, &["version"]);
            // What the aggregator remembers of a server that is down: empty where it never saw it.
            if text(version, &["freshness"]) == "Stale" {
                let why = "its server does not answer".to_owned();
                found.silent.push((group_version(&name, &of), why));
                continue;
            }
            for resource in items(version, "resources") {
                let (plural, kind) = (text(resource, &["resource"]), text(resource, &["responseKind", "kind"]));
                // A resource without kind has subresources only.
                if kind.is_empty() {
                    continue;
                }
                let namespaced = match text(resource, &["scope"]).as_str() {
                    "Namespaced" => true,
                    "Cluster" => false,
                    other => return Err(format!("the scope `{other}` of {kind} in {name} is not known")),
                };
                let gvk = Gvk { group: name.clone(), version: of.clone(), kind };
                let verbs = items(resource, "verbs").iter().filter_map(Node::smol).collect();
                found.resources.push(Resource { gvk, plural, namespaced, verbs });
            }
        }
    }
    Ok(())
}

/// An APIVersions or APIGroupList document, and one more document for each version in it.
async fn one_by_one(port: &Port, root: &str, list: &Node, found: &mut Catalogue) -> Result<(), String> {
    let mut versions: Vec<(SmolStr, SmolStr)> = Vec::new();
    if root == "/api" {
        versions.extend(items(list, "versions").iter().filter_map(Node::smol).map(|v| (SmolStr::default(), v)));
    }
    for group in items(list, "groups") {
        let name = text(group, &["name"]);
        versions.extend(items(group, "versions").iter().map(|v| (name.clone(), text(v, &["version"]))));
    }
    let paths: Vec<String> =
        versions.iter().map(|(group, version)| format!("{root}/{}", group_version(group, version))).collect();
    let lists = paths.into_iter().map(|path| port.send(Request::get(path)));
    for ((group, version), answer) in versions.iter().zip(all(AT_ONCE, lists).await) {
        let response = answer.map_err(|failure| failure.to_string())?;
        let name = group_version(group, version);
        // An aggregated API whose server is down answers 503, a CRD deleted meanwhile 404; the others are still known.
        if !response.is_success() {
            found.silent.push((name, format!("the server answered {}", response.status)));
            continue;
        }
        let document = response.node().map_err(|_| format!("{root}/{name}: the answer is no JSON"))?;
        found.resources.extend(Resource::list(&document, group, version));
    }
    Ok(())
}
