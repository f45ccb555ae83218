//! GitLab (`pull_request/gitlab.go`, `scm_provider/gitlab.go`).

use serde_json::Value;

use super::super::service::{GITLAB, Variable};
use super::{Host, Provider, Pull, Repository, Web, flag, names, number, segment, text, wanted};
use crate::host::fetch::Fault;
use crate::yaml::Node;

pub(super) fn host<'a>(node: &Node, web: &'a dyn Web, variable: Variable<'_>) -> Host<'a> {
    Host::of(&GITLAB, node, "", web, variable)
}

/// Merge requests in the state that is asked for, else in any; `None` where there is no such project.
pub(super) fn pulls(host: &Host<'_>, node: &Node) -> Result<Option<Vec<Pull>>, Fault> {
    let project = segment(node.str_at(&["project"]));
    let mut path = format!("/projects/{project}/merge_requests?per_page=100");
    let labels = wanted(node, "labels");
    if !labels.is_empty() {
        path.push_str(&format!("&labels={}", segment(&labels.join(","))));
    }
    let state = node.str_at(&["pullRequestState"]);
    if !state.is_empty() {
        path.push_str(&format!("&state={}", segment(state)));
    }
    let Some(items) = host.list(&path)? else { return Ok(None) };
    let pull = |item: &Value| {
        Ok(Pull {
            number: number(item, "iid")?,
            title: text(item, &["title"])?,
            branch: text(item, &["source_branch"])?,
            target: text(item, &["target_branch"])?,
            sha: text(item, &["sha"])?,
            labels: names(item.get("labels")),
            author: text(item, &["author", "username"])?,
        })
    };
    items.iter().map(pull).collect::<Result<_, _>>().map(Some)
}

/// The projects of a group.
pub(super) struct Group<'a> {
    pub(super) host: Host<'a>,
    pub(super) node: &'a Node,
}

impl Provider for Group<'_> {
    fn repositories(&self, protocol: &str) -> Result<Vec<Repository>, Fault> {
        let group = self.node.str_at(&["group"]);
        let mut path = format!(
            "/groups/{}/projects?per_page=100&include_subgroups={}&with_shared={}",
            segment(group),
            flag(self.node, "includeSubgroups", false),
            flag(self.node, "includeSharedProjects", true)
        );
        if !flag(self.node, "includeArchivedRepos", true) {
            path.push_str("&archived=false");
        }
        let topic = self.node.str_at(&["topic"]);
        if !topic.is_empty() {
            path.push_str(&format!("&topic={}", segment(topic)));
        }
        let Some(items) = self.host.list(&path)? else {
            return Err(self.host.knows_no("group", "group", group));
        };
        let repository = |item: &Value| {
            Ok(Repository {
                organization: text(item, &["namespace", "full_path"])?,
                name: text(item, &["path"])?,
                id: Node::int(number(item, "id")?),
                url: text(item, &[if protocol == "https" { "http_url_to_repo" } else { "ssh_url_to_repo" }])?,
                branch: item.get("default_branch").and_then(Value::as_str).unwrap_or_default().to_owned(),
                sha: String::new(),
                labels: names(item.get("topics")),
            })
        };
        items.iter().map(repository).collect()
    }

    fn branches(&self, repository: &Repository) -> Result<Vec<Repository>, Fault> {
        let place = format!("/projects/{}/repository/branches", repository.id.text().unwrap_or_default());
        let at = |item: &Value| Ok(repository.at(text(item, &["name"])?, text(item, &["commit", "id"])?));
        if flag(self.node, "allBranches", false) {
            return self.host.list(&format!("{place}?per_page=100"))?.unwrap_or_default().iter().map(at).collect();
        }
        if repository.branch.is_empty() {
            return Ok(Vec::new());
        }
        let branch = self.host.one(&format!("{place}/{}", segment(&repository.branch)))?;
        branch.iter().map(at).collect()
    }

    fn has_path(&self, repository: &Repository, path: &str) -> Result<bool, Fault> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let place = format!(
            "/projects/{}/repository/tree?per_page=100&path={}&ref={}",
            repository.id.text().unwrap_or_default(),
            segment(folder),
            segment(&repository.branch)
        );
        let items = self.host.list(&place)?.unwrap_or_default();
        Ok(items.iter().any(|item| item.get("name").and_then(Value::as_str) == Some(name)))
    }
}
