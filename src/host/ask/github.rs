//! GitHub (`pull_request/github.go`, `scm_provider/github.go`).

use serde_json::Value;

use super::super::service::{GITHUB, Variable};
use super::{Host, Provider, Pull, Repository, Web, flag, names, number, path_of, segment, text, wanted};
use crate::host::fetch::Fault;
use crate::yaml::Node;

pub(super) fn host<'a>(node: &Node, web: &'a dyn Web, variable: Variable<'_>) -> Host<'a> {
    Host::of(&GITHUB, node, "", web, variable)
}

/// Open pull requests that have all the labels; `None` where there is no such repository.
pub(super) fn pulls(host: &Host<'_>, node: &Node) -> Result<Option<Vec<Pull>>, Fault> {
    pulls_by(host, node, "per_page=100")
}

/// The same by a query for the open ones; Gitea answers as GitHub does.
pub(super) fn pulls_by(host: &Host<'_>, node: &Node, query: &str) -> Result<Option<Vec<Pull>>, Fault> {
    let (owner, repo) = (segment(node.str_at(&["owner"])), segment(node.str_at(&["repo"])));
    let labels = wanted(node, "labels");
    let Some(items) = host.list(&format!("/repos/{owner}/{repo}/pulls?{query}"))? else { return Ok(None) };
    let mut out = Vec::new();
    for item in &items {
        let own = names(item.get("labels"));
        if labels.iter().all(|label| own.contains(label)) {
            out.push(Pull {
                number: number(item, "number")?,
                title: text(item, &["title"])?,
                branch: text(item, &["head", "ref"])?,
                target: text(item, &["base", "ref"])?,
                sha: text(item, &["head", "sha"])?,
                labels: own,
                author: text(item, &["user", "login"])?,
            });
        }
    }
    Ok(Some(out))
}

/// The repositories of an organization.
pub(super) struct Organization<'a> {
    pub(super) host: Host<'a>,
    pub(super) node: &'a Node,
}

impl Provider for Organization<'_> {
    fn repositories(&self, protocol: &str) -> Result<Vec<Repository>, Fault> {
        let organization = self.node.str_at(&["organization"]);
        let path = format!("/orgs/{}/repos?per_page=100", segment(organization));
        let Some(items) = self.host.list(&path)? else {
            return Err(self.host.knows_no("organization", "organization", organization));
        };
        let mut out = Vec::new();
        for item in &items {
            if is_left_out(self.node, item) {
                continue;
            }
            out.push(Repository {
                organization: text(item, &["owner", "login"])?,
                name: text(item, &["name"])?,
                id: Node::int(number(item, "id")?),
                url: text(item, &[if protocol == "https" { "clone_url" } else { "ssh_url" }])?,
                branch: text(item, &["default_branch"])?,
                sha: String::new(),
                labels: names(item.get("topics")),
            });
        }
        Ok(out)
    }

    fn branches(&self, repository: &Repository) -> Result<Vec<Repository>, Fault> {
        let place = format!("/repos/{}/{}", segment(&repository.organization), segment(&repository.name));
        let at = |item: &Value| Ok(repository.at(text(item, &["name"])?, text(item, &["commit", "sha"])?));
        if flag(self.node, "allBranches", false) {
            return self
                .host
                .list(&format!("{place}/branches?per_page=100"))?
                .unwrap_or_default()
                .iter()
                .map(at)
                .collect();
        }
        let branch = self.host.one(&format!("{place}/branches/{}", segment(&repository.branch)))?;
        branch.iter().map(at).collect()
    }

    fn has_path(&self, repository: &Repository, path: &str) -> Result<bool, Fault> {
        has_contents(&self.host, repository, path)
    }
}

/// Whether a repository is archived, and those are not wanted; Gitea names it as GitHub does.
pub(super) fn is_left_out(node: &Node, item: &Value) -> bool {
    flag(node, "excludeArchivedRepos", false) && item.get("archived") == Some(&Value::Bool(true))
}

/// Whether there is something at a path of a branch; Gitea answers as GitHub does.
pub(super) fn has_contents(host: &Host<'_>, repository: &Repository, path: &str) -> Result<bool, Fault> {
    let place = format!(
        "/repos/{}/{}/contents/{}?ref={}",
        segment(&repository.organization),
        segment(&repository.name),
        path_of(path),
        segment(&repository.branch)
    );
    host.has(&place)
}
