//! Bitbucket Server and Data Center (`pull_request/bitbucket_server.go`, `scm_provider/bitbucket_server.go`).
//!
//! Repositories are asked for by their name, as Argo CD does, also where the last part of their address is another.

use serde_json::Value;

use super::super::service::{BITBUCKET_SERVER, Variable};
use super::pages::Pages;
use super::{Host, Provider, Pull, Repository, Web, flag, number, or_empty, path_of, segment, text};
use crate::host::fetch::Fault;
use crate::yaml::Node;

pub(super) fn host<'a>(node: &Node, web: &'a dyn Web, variable: Variable<'_>) -> Host<'a> {
    let user = node.str_at(&["basicAuth", "username"]);
    Host::of(&BITBUCKET_SERVER, node, user, web, variable).paging(Pages::Start)
}

fn place(project: &str, repository: &str) -> String {
    format!("/api/1.0/projects/{}/repos/{}", segment(project), segment(repository))
}

/// Open pull requests; `None` where there is no such repository.
pub(super) fn pulls(host: &Host<'_>, node: &Node) -> Result<Option<Vec<Pull>>, Fault> {
    let place = place(node.str_at(&["project"]), node.str_at(&["repo"]));
    let Some(items) = host.list(&format!("{place}/pull-requests?limit=100"))? else { return Ok(None) };
    let pull = |item: &Value| {
        Ok(Pull {
            number: number(item, "id")?,
            title: text(item, &["title"])?,
            branch: text(item, &["fromRef", "displayId"])?,
            target: text(item, &["toRef", "displayId"])?,
            sha: text(item, &["fromRef", "latestCommit"])?,
            labels: Vec::new(),
            author: or_empty(item, &["author", "user", "name"]),
        })
    };
    items.iter().map(pull).collect::<Result<_, _>>().map(Some)
}

/// The repositories of a project.
pub(super) struct Project<'a> {
    pub(super) host: Host<'a>,
    pub(super) node: &'a Node,
}

impl Provider for Project<'_> {
    fn repositories(&self, protocol: &str) -> Result<Vec<Repository>, Fault> {
        let project = self.node.str_at(&["project"]);
        let path = format!("/api/1.0/projects/{}/repos?limit=100", segment(project));
        let Some(items) = self.host.list(&path)? else { return Err(self.host.knows_no("project", "project", project)) };
        let protocol = if protocol == "https" { "http" } else { "ssh" };
        let mut out = Vec::new();
        for item in &items {
            let (organization, name) = (text(item, &["project", "key"])?, text(item, &["name"])?);
            // Nothing lies in a repository without a default branch.
            let Some(branch) = self.host.one(&format!("{}/branches/default", place(&organization, &name)))? else {
                continue;
            };
            let links = item.pointer("/links/clone").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let link = links.iter().find(|link| link.get("name").and_then(Value::as_str) == Some(protocol));
            out.push(Repository {
                organization,
                name,
                id: Node::int(number(item, "id")?),
                url: link.map(|link| text(link, &["href"])).transpose()?.unwrap_or_default(),
                branch: text(&branch, &["displayId"])?,
                sha: text(&branch, &["latestCommit"])?,
                labels: Vec::new(),
            });
        }
        Ok(out)
    }

    fn branches(&self, repository: &Repository) -> Result<Vec<Repository>, Fault> {
        if !flag(self.node, "allBranches", false) {
            // It was looked up with the repository.
            return Ok(vec![repository.clone()]);
        }
        let path = format!("{}/branches?limit=100", place(&repository.organization, &repository.name));
        let at = |item: &Value| Ok(repository.at(text(item, &["displayId"])?, text(item, &["latestCommit"])?));
        self.host.list(&path)?.unwrap_or_default().iter().map(at).collect()
    }

    fn has_path(&self, repository: &Repository, path: &str) -> Result<bool, Fault> {
        let place = place(&repository.organization, &repository.name);
        let at = segment(&repository.branch);
        self.host.has(&format!("{place}/browse/{}?limit=100&at={at}&type=true", path_of(path)))
    }
}
