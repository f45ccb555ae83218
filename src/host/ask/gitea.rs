//! Gitea and Forgejo (`pull_request/gitea.go`, `scm_provider/gitea.go`).

use serde_json::Value;

use super::super::service::{GITEA, Variable};
use super::github::{has_contents, is_left_out, pulls_by};
use super::{Host, Provider, Pull, Repository, Web, flag, names, number, segment, text};
use crate::host::fetch::Fault;
use crate::yaml::Node;

pub(super) fn host<'a>(node: &Node, web: &'a dyn Web, variable: Variable<'_>) -> Host<'a> {
    Host::of(&GITEA, node, "", web, variable)
}

/// Open pull requests that have all the labels; `None` where there is no such repository.
pub(super) fn pulls(host: &Host<'_>, node: &Node) -> Result<Option<Vec<Pull>>, Fault> {
    pulls_by(host, node, "state=open&limit=50")
}

/// The repositories of an organization.
pub(super) struct Owner<'a> {
    pub(super) host: Host<'a>,
    pub(super) node: &'a Node,
}

impl Provider for Owner<'_> {
    fn repositories(&self, protocol: &str) -> Result<Vec<Repository>, Fault> {
        let owner = self.node.str_at(&["owner"]);
        let Some(items) = self.host.list(&format!("/orgs/{}/repos?limit=50", segment(owner)))? else {
            return Err(self.host.knows_no("organization", "owner", owner));
        };
        let mut out = Vec::new();
        for item in &items {
            if is_left_out(self.node, item) {
                continue;
            }
            let (organization, name) = (text(item, &["owner", "login"])?, text(item, &["name"])?);
            let labels = format!("/repos/{}/{}/labels?limit=50", segment(&organization), segment(&name));
            let labels = names(self.host.list(&labels)?.map(Value::Array).as_ref());
            out.push(Repository {
                organization,
                name,
                id: Node::int(number(item, "id")?),
                url: text(item, &[if protocol == "https" { "html_url" } else { "ssh_url" }])?,
                branch: text(item, &["default_branch"])?,
                sha: String::new(),
                labels,
            });
        }
        Ok(out)
    }

    fn branches(&self, repository: &Repository) -> Result<Vec<Repository>, Fault> {
        let place = format!("/repos/{}/{}/branches", segment(&repository.organization), segment(&repository.name));
        let at = |item: &Value| Ok(repository.at(text(item, &["name"])?, text(item, &["commit", "id"])?));
        if flag(self.node, "allBranches", false) {
            return self.host.list(&format!("{place}?limit=50"))?.unwrap_or_default().iter().map(at).collect();
        }
        let branch = self.host.one(&format!("{place}/{}", segment(&repository.branch)))?;
        branch.iter().map(at).collect()
    }

    fn has_path(&self, repository: &Repository, path: &str) -> Result<bool, Fault> {
        has_contents(&self.host, repository, path)
    }
}
