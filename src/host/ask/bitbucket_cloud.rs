//! Bitbucket Cloud (`pull_request/bitbucket_cloud.go`, `scm_provider/bitbucket_cloud.go`).
//!
//! A repository without a main branch, in which nothing lies yet, is left out; Argo CD fails on it.

use serde_json::Value;

use super::super::service::{BITBUCKET_CLOUD, Variable};
use super::pages::Pages;
use super::{Host, Provider, Pull, Repository, Web, flag, number, or_empty, path_of, segment, text};
use crate::host::fetch::Fault;
use crate::yaml::Node;

pub(super) fn host<'a>(node: &Node, web: &'a dyn Web, variable: Variable<'_>) -> Host<'a> {
    let named = [node.str_at(&["user"]), node.str_at(&["basicAuth", "username"])];
    let user = named.into_iter().find(|user| !user.is_empty()).unwrap_or_default();
    Host::of(&BITBUCKET_CLOUD, node, user, web, variable).paging(Pages::Next)
}

/// Open pull requests; `None` where there is no such repository.
pub(super) fn pulls(host: &Host<'_>, node: &Node) -> Result<Option<Vec<Pull>>, Fault> {
    let (owner, repo) = (segment(node.str_at(&["owner"])), segment(node.str_at(&["repo"])));
    let Some(items) = host.list(&format!("/repositories/{owner}/{repo}/pullrequests?pagelen=50"))? else {
        return Ok(None);
    };
    let pull = |item: &Value| {
        Ok(Pull {
            number: number(item, "id")?,
            title: text(item, &["title"])?,
            branch: text(item, &["source", "branch", "name"])?,
            target: text(item, &["destination", "branch", "name"])?,
            // Of a fork that is gone there is no commit, and of an account that is gone no name.
            sha: or_empty(item, &["source", "commit", "hash"]),
            labels: Vec::new(),
            author: or_empty(item, &["author", "nickname"]),
        })
    };
    items.iter().map(pull).collect::<Result<_, _>>().map(Some)
}

/// The repositories of a workspace.
pub(super) struct Workspace<'a> {
    pub(super) host: Host<'a>,
    pub(super) node: &'a Node,
}

impl Workspace<'_> {
    fn owner(&self) -> &str {
        self.node.str_at(&["owner"])
    }
}

impl Provider for Workspace<'_> {
    fn repositories(&self, protocol: &str) -> Result<Vec<Repository>, Fault> {
        let owner = self.owner();
        let path = format!("/repositories/{}?role=member&pagelen=100", segment(owner));
        let Some(items) = self.host.list(&path)? else { return Err(self.host.knows_no("workspace", "owner", owner)) };
        let protocol = if protocol.is_empty() { "ssh" } else { protocol };
        let repository = |item: &Value| {
            let links = item.pointer("/links/clone").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let link = links.iter().find(|link| link.get("name").and_then(Value::as_str) == Some(protocol));
            let link = link.ok_or_else(|| Fault::lasting(format!("the answer has no link to clone by {protocol}")))?;
            Ok(Repository {
                organization: owner.to_owned(),
                name: text(item, &["slug"])?,
                id: Node::str(text(item, &["uuid"])?),
                url: text(link, &["href"])?,
                branch: or_empty(item, &["mainbranch", "name"]),
                sha: String::new(),
                labels: Vec::new(),
            })
        };
        items.iter().map(repository).collect()
    }

    fn branches(&self, repository: &Repository) -> Result<Vec<Repository>, Fault> {
        let place = format!("/repositories/{}/{}/refs/branches", segment(self.owner()), segment(&repository.name));
        let at = |item: &Value| Ok(repository.at(text(item, &["name"])?, text(item, &["target", "hash"])?));
        if flag(self.node, "allBranches", false) {
            return self.host.list(&format!("{place}?pagelen=100"))?.unwrap_or_default().iter().map(at).collect();
        }
        if repository.branch.is_empty() {
            return Ok(Vec::new());
        }
        self.host.one(&format!("{place}/{}", segment(&repository.branch)))?.iter().map(at).collect()
    }

    fn has_path(&self, repository: &Repository, path: &str) -> Result<bool, Fault> {
        let (owner, name) = (segment(self.owner()), segment(&repository.name));
        let place = format!("/repositories/{owner}/{name}/src/{}/{}?format=meta", repository.sha, path_of(path));
        self.host.has(&place)
    }
}
