//! Azure DevOps, in the cloud and on servers (`pull_request/azure_devops.go`, `scm_provider/azure_devops.go`).
//!
//! What is missing is told by the key of an error, since the status is 404 for much else. Pull requests come in pages, of which Argo CD reads
//! the first only. Who is not let in may get the page of a login instead of an answer: that is a refusal, not an answer.

use serde_json::Value;

use super::super::service::{AZURE_DEVOPS, Variable};
use super::{Host, MAX_PAGES, Provider, Pull, Reply, Repository, Web, flag, names, number, segment, text, wanted};
use crate::host::fetch::Fault;
use crate::yaml::Node;

/// The version of the API; servers since 2019 and the cloud know it.
const VERSION: &str = "api-version=5.0";
/// Pull requests of a page.
const PAGE: usize = 100;

/// The organization is the first part of every path; on a server it is a collection.
pub(super) fn host<'a>(node: &Node, web: &'a dyn Web, variable: Variable<'_>) -> Host<'a> {
    Host::of(&AZURE_DEVOPS, node, "", web, variable).below(&segment(node.str_at(&["organization"])))
}

/// Asks for an object; `None` where the error has a key that begins so.
fn ask(host: &Host<'_>, path: &str, missing: &str) -> Result<Option<Value>, Fault> {
    let reply = host.send(&format!("{}{path}", host.base))?;
    let value = body(host, &reply)?;
    if reply.status != 404 {
        return Ok(Some(value));
    }
    match value.get("typeKey").and_then(Value::as_str) {
        Some(key) if key.starts_with(missing) => Ok(None),
        key => {
            let why = key.map(|key| format!(": {key}")).unwrap_or_default();
            Err(host.refuses(
                format!("{} does not know what is asked for{why}", host.base),
                "look at the names of organization, project and repository; some servers say so to who is not logged in",
            ))
        }
    }
}

fn body(host: &Host<'_>, reply: &Reply) -> Result<Value, Fault> {
    let page = |_| {
        let hint = format!("give a personal access token in `{}`", AZURE_DEVOPS.variables().1);
        host.refuses(format!("{} answers with a page instead of data: it wants a login", host.base), &hint)
    };
    serde_json::from_slice(&reply.body).map_err(page)
}

fn items(host: &Host<'_>, value: Value) -> Result<Vec<Value>, Fault> {
    match value {
        Value::Object(mut object) => match object.remove("value") {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(Fault::lasting(format!("{} does not answer with a list", host.base))),
        },
        _ => Err(Fault::lasting(format!("{} does not answer with a list", host.base))),
    }
}

/// Active pull requests of a repository that have all the labels; `None` where there is no such project.
pub(super) fn pulls(host: &Host<'_>, node: &Node) -> Result<Option<Vec<Pull>>, Fault> {
    let (project, repo) = (segment(node.str_at(&["project"])), node.str_at(&["repo"]));
    let labels = wanted(node, "labels");
    let mut out = Vec::new();
    for page in 0..MAX_PAGES {
        let skip = page * PAGE;
        let path = format!("/{project}/_apis/git/pullrequests?{VERSION}&$top={PAGE}&$skip={skip}");
        let Some(value) = ask(host, &path, "ProjectDoesNotExist")? else { return Ok(None) };
        let items = items(host, value)?;
        for item in &items {
            out.extend(pull(item, repo)?.filter(|pull| labels.iter().all(|label| pull.labels.contains(label))));
        }
        if items.len() < PAGE {
            return Ok(Some(out));
        }
    }
    Err(Fault::lasting(format!("{} has more than {MAX_PAGES} pages", host.base)))
}

/// A pull request of the repository. One whose commit is not known yet is left aside, as Argo CD does.
fn pull(item: &Value, repo: &str) -> Result<Option<Pull>, Fault> {
    let has = |path: &str| item.pointer(path).is_some_and(|value| !value.is_null());
    let needed =
        ["/repository/name", "/pullRequestId", "/sourceRefName", "/targetRefName", "/lastMergeSourceCommit/commitId"];
    if !needed.into_iter().all(has) || text(item, &["repository", "name"])? != repo {
        return Ok(None);
    }
    let branch = |field: &str| Ok::<_, Fault>(text(item, &[field])?.replacen("refs/heads/", "", 1));
    let author = text(item, &["createdBy", "uniqueName"])?;
    Ok(Some(Pull {
        number: number(item, "pullRequestId")?,
        title: text(item, &["title"])?,
        branch: branch("sourceRefName")?,
        target: branch("targetRefName")?,
        sha: text(item, &["lastMergeSourceCommit", "commitId"])?,
        labels: names(item.get("labels")),
        author: author.split('@').next().unwrap_or_default().to_owned(),
    }))
}

/// The repositories of a team's project.
pub(super) struct Project<'a> {
    pub(super) host: Host<'a>,
    pub(super) node: &'a Node,
}

impl Project<'_> {
    fn place(&self) -> String {
        format!("/{}/_apis/git/repositories", segment(self.node.str_at(&["teamProject"])))
    }
}

impl Provider for Project<'_> {
    /// There is one URL to clone by, whatever the protocol.
    fn repositories(&self, _: &str) -> Result<Vec<Repository>, Fault> {
        let project = self.node.str_at(&["teamProject"]);
        let Some(value) = ask(&self.host, &format!("{}?{VERSION}", self.place()), "ProjectDoesNotExist")? else {
            return Err(self.host.knows_no("project", "teamProject", project));
        };
        let mut out = Vec::new();
        for item in items(&self.host, value)? {
            let has = |field: &str| item.get(field).is_some_and(|value| !value.is_null());
            // Nothing lies in a repository without a default branch.
            if ["name", "defaultBranch", "remoteUrl", "id"].into_iter().all(has) {
                out.push(Repository {
                    organization: self.node.str_at(&["organization"]).to_owned(),
                    name: text(&item, &["name"])?,
                    id: Node::str(text(&item, &["id"])?),
                    url: text(&item, &["remoteUrl"])?,
                    branch: text(&item, &["defaultBranch"])?,
                    sha: String::new(),
                    labels: Vec::new(),
                });
            }
        }
        Ok(out)
    }

    fn branches(&self, repository: &Repository) -> Result<Vec<Repository>, Fault> {
        let place = format!("{}/{}/stats/branches?{VERSION}", self.place(), segment(&repository.name));
        let at = |item: &Value| Ok(repository.at(text(item, &["name"])?, text(item, &["commit", "commitId"])?));
        let path = match flag(self.node, "allBranches", false) {
            true => place,
            false => format!("{place}&name={}", segment(&repository.branch.replacen("refs/heads/", "", 1))),
        };
        let Some(value) = ask(&self.host, &path, "GitRepositoryNotFound")? else { return Ok(Vec::new()) };
        if flag(self.node, "allBranches", false) {
            return items(&self.host, value)?.iter().map(at).collect();
        }
        Ok(vec![at(&value)?])
    }

    fn has_path(&self, repository: &Repository, path: &str) -> Result<bool, Fault> {
        let id = segment(repository.id.text().unwrap_or_default());
        let (path, branch) = (segment(path), segment(&repository.branch));
        let query = format!("path={path}&$format=json&versionDescriptor.version={branch}");
        Ok(ask(&self.host, &format!("{}/{id}/items?{VERSION}&{query}", self.place()), "GitItemNotFound")?.is_some())
    }
}
