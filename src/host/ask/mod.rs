//! Asks the APIs of Git hosts what generators ask: GitHub, GitLab, Gitea, Bitbucket, Azure DevOps. `fleetc update` records what comes back
//! ([`crate::question`]).
//!
//! What is asked and how answers are filtered follows Argo CD (`applicationset/services/pull_request`, `scm_provider`). An answer that is
//! not whole (a page missing, a field of the wrong kind) is a failure, never a shorter list. Logins go to hosts that they are for
//! (`host::service`), and a next page elsewhere is refused. AWS CodeCommit is not asked. What plugin and clusterDecisionResource generators
//! ask, the Argo CD of a management cluster knows (`live`).

mod azure_devops;
mod bitbucket_cloud;
mod bitbucket_server;
mod gitea;
mod github;
mod gitlab;
mod live;
mod online;
mod pages;
#[cfg(test)]
mod tests;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;
use serde_json::Value;

use self::pages::Pages;
use super::fetch::{Fault, Login};
use super::service::{Service, Variable};
use crate::digest::Digest;
use crate::question::{self, Question};
use crate::yaml::{Map, Node};

/// Pages of one list.
const MAX_PAGES: usize = 1_000;

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// Status of HTTP.
    pub status: u16,
    /// The `Link` header.
    pub link: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// How requests are sent.
pub trait Web {
    /// Sends a GET, with a login that no redirect may carry elsewhere. A status other than success is no fault here.
    ///
    /// # Errors
    /// No answer came.
    fn get(&self, url: &str, login: Option<&Login>) -> Result<Reply, Fault>;
}

/// Asks. `variable` gives the value of an environment variable: logins, and the hosts that they are for.
///
/// # Errors
/// The service is not reached, refuses, answers something else, or is none that is asked.
pub fn ask(question: &Question, web: &dyn Web, variable: Variable<'_>) -> Result<Node, Fault> {
    let asked = &question.asked;
    let has = |provider: &str| asked.get(provider).filter(|node| !node.is_null());
    // The first in Argo CD's order counts.
    match question.kind.as_str() {
        "pullRequest" => {
            let pulls = if let Some(node) = has("github") {
                github::pulls(&github::host(node, web, variable), node)
            } else if let Some(node) = has("gitlab") {
                gitlab::pulls(&gitlab::host(node, web, variable), node)
            } else if let Some(node) = has("gitea") {
                gitea::pulls(&gitea::host(node, web, variable), node)
            } else if let Some(node) = has("bitbucketServer") {
                bitbucket_server::pulls(&bitbucket_server::host(node, web, variable), node)
            } else if let Some(node) = has("bitbucket") {
                bitbucket_cloud::pulls(&bitbucket_cloud::host(node, web, variable), node)
            } else if let Some(node) = has("azuredevops") {
                azure_devops::pulls(&azure_devops::host(node, web, variable), node)
            } else {
                return Err(nobody(question));
            };
            let filters = filters(asked, &PULL_FILTERS)?;
            match pulls? {
                None => {
                    let mut map = Map::new();
                    map.insert("notFound", Node::bool(true));
                    Ok(Node::map(map))
                }
                Some(pulls) => {
                    let kept =
                        pulls.into_iter().filter(|pull| filters.is_empty() || filters.iter().any(|f| pull.passes(f)));
                    Ok(Node::seq(kept.map(Pull::node).collect()))
                }
            }
        }
        "scmProvider" => {
            let protocol = asked.str_at(&["cloneProtocol"]);
            let provider: Box<dyn Provider + '_> = if let Some(node) = has("github") {
                Box::new(github::Organization { host: github::host(node, web, variable), node })
            } else if let Some(node) = has("gitlab") {
                Box::new(gitlab::Group { host: gitlab::host(node, web, variable), node })
            } else if let Some(node) = has("gitea") {
                Box::new(gitea::Owner { host: gitea::host(node, web, variable), node })
            } else if let Some(node) = has("bitbucketServer") {
                Box::new(bitbucket_server::Project { host: bitbucket_server::host(node, web, variable), node })
            } else if let Some(node) = has("azureDevOps") {
                Box::new(azure_devops::Project { host: azure_devops::host(node, web, variable), node })
            } else if let Some(node) = has("bitbucket") {
                Box::new(bitbucket_cloud::Workspace { host: bitbucket_cloud::host(node, web, variable), node })
            } else {
                return Err(nobody(question));
            };
            let repositories = repositories(&*provider, protocol, asked)?;
            Ok(Node::seq(repositories.into_iter().map(Repository::node).collect()))
        }
        _ => Err(nobody(question)),
    }
}

fn nobody(question: &Question) -> Fault {
    if question.is_live() {
        let why = format!("who a `{}` generator asks is known to the Argo CD that it runs in", question.kind);
        return Fault::lasting(why).hint("`--management-context CONTEXT` names the context of its cluster");
    }
    let who = question.asked.as_map().and_then(|map| map.keys().next().map(str::to_owned)).unwrap_or_default();
    Fault::lasting(format!("fleetc does not ask what this `{}` generator asks (`{who}`)", question.kind))
        .hint(format!("write the answer as `{}`, or use a `list` generator", question.path()))
}

/// A host with its login.
pub(super) struct Host<'a> {
    service: &'static Service,
    web: &'a dyn Web,
    /// URL of the API, without slash at the end.
    base: String,
    login: Option<Login>,
    /// Why a login that is there is not shown.
    held_back: Option<String>,
    pages: Pages,
}

impl<'a> Host<'a> {
    /// The host that a generator asks; `user` is whom it names for a password.
    fn of(service: &'static Service, node: &Node, user: &str, web: &'a dyn Web, variable: Variable<'_>) -> Self {
        let base = service.api(node.str_at(&["api"]));
        let (login, held_back) = match service.login(&base, user, variable) {
            Ok(login) => (login, None),
            Err(why) => (None, Some(why)),
        };
        Host { service, web, base, login, held_back, pages: Pages::Link }
    }

    fn paging(self, pages: Pages) -> Self {
        Host { pages, ..self }
    }

    /// The same, with paths below a segment.
    fn below(self, segment: &str) -> Self {
        Host { base: format!("{}/{segment}", self.base), ..self }
    }
}

impl Host<'_> {
    fn send(&self, url: &str) -> Result<Reply, Fault> {
        let reply = self.web.get(url, self.login.as_ref())?;
        match reply.status {
            200..=299 | 404 => Ok(reply),
            401 | 403 => Err(self.refuses(
                format!("{} refuses ({})", self.base, reply.status),
                &format!("give a token that may read this in `{}`", self.service.variables().1),
            )),
            status @ (429 | 500..=599) => Err(Fault::passing(format!("{} is busy ({status})", self.base))),
            status => Err(Fault::lasting(format!("{} answers with status {status}", self.base))),
        }
    }

    /// A refusal, with the reason why no login was shown, or `otherwise`.
    fn refuses(&self, reason: String, otherwise: &str) -> Fault {
        Fault::lasting(reason).hint(self.held_back.as_deref().unwrap_or(otherwise))
    }

    /// There is no organization, or whatever the service calls it, of the name in a field.
    fn knows_no(&self, what: &str, field: &str, name: &str) -> Fault {
        let Service { name: service, .. } = self.service;
        self.refuses(
            format!("{service} knows no {what} `{name}`, or the token may not see it"),
            &format!("look at `{field}`, and give a token in `{}`", self.service.variables().1),
        )
    }

    fn parse(&self, reply: &Reply) -> Result<Value, Fault> {
        serde_json::from_slice(&reply.body)
            .map_err(|_| Fault::lasting(format!("{} answers something that is no JSON", self.base)))
    }

    /// One object; `None` where there is none.
    fn one(&self, path: &str) -> Result<Option<Value>, Fault> {
        let reply = self.send(&format!("{}{path}", self.base))?;
        if matches!(reply.status, 204 | 404) {
            return Ok(None);
        }
        self.parse(&reply).map(Some)
    }

    /// Whether there is something; what does not matter.
    fn has(&self, path: &str) -> Result<bool, Fault> {
        Ok(self.send(&format!("{}{path}", self.base))?.status != 404)
    }

    /// All pages of a list; `None` where there is none.
    fn list(&self, path: &str) -> Result<Option<Vec<Value>>, Fault> {
        let first = format!("{}{path}", self.base);
        let mut url = first.clone();
        let mut out = Vec::new();
        for page in 0..MAX_PAGES {
            let reply = self.send(&url)?;
            if reply.status == 404 && page == 0 {
                return Ok(None);
            }
            let (items, next) = self.pages.read(&self.base, &first, &reply, self.parse(&reply)?)?;
            out.extend(items);
            match next {
                None => return Ok(Some(out)),
                Some(next) => url = next,
            }
        }
        Err(Fault::lasting(format!("{} has more than {MAX_PAGES} pages", self.base)))
    }
}

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one segment of a path or a value of a query.
fn segment(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// A path in a repository as segments of a path.
fn path_of(path: &str) -> String {
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// A text of an answer.
fn text(value: &Value, path: &[&str]) -> Result<String, Fault> {
    let found = path.iter().try_fold(value, |value, key| value.get(key));
    match found.and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => Err(Fault::lasting(format!("the answer has no text `{}`", path.join(".")))),
    }
}

/// A text of an answer that may be missing.
fn or_empty(value: &Value, path: &[&str]) -> String {
    text(value, path).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> Result<i64, Fault> {
    value.get(key).and_then(Value::as_i64).ok_or_else(|| Fault::lasting(format!("the answer has no number `{key}`")))
}

/// Names in a list of texts, or of objects with `name`.
fn names(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().or_else(|| item.get("name")?.as_str())).map(str::to_owned).collect()
}

/// Texts of a generator's list.
fn wanted(node: &Node, field: &str) -> Vec<String> {
    let items = node.get(field).and_then(Node::as_seq).unwrap_or_default();
    items.iter().filter_map(Node::text).map(str::to_owned).collect()
}

fn flag(node: &Node, field: &str, default: bool) -> bool {
    node.get(field).and_then(Node::as_bool).unwrap_or(default)
}

fn strings(items: Vec<String>) -> Node {
    Node::seq(items.into_iter().map(Node::str).collect())
}

/// An entry of `filters`: patterns by field, and lists of paths.
struct Filter {
    patterns: Vec<(&'static str, Regex)>,
    exist: Vec<String>,
    absent: Vec<String>,
    /// Whether it is about branches: one that names both a repository and a branch or a path is.
    of_branches: bool,
}

const PULL_FILTERS: [&str; 3] = ["branchMatch", "targetBranchMatch", "titleMatch"];
const SCM_FILTERS: [&str; 3] = ["repositoryMatch", "labelMatch", "branchMatch"];

fn filters(asked: &Node, fields: &[&'static str]) -> Result<Vec<Filter>, Fault> {
    let entries = asked.get("filters").and_then(Node::as_seq).unwrap_or_default();
    entries
        .iter()
        .map(|entry| {
            let mut patterns = Vec::new();
            for field in fields {
                let Some(pattern) = entry.get(field).and_then(Node::text) else { continue };
                let compiled = Regex::new(pattern)
                    .map_err(|_| Fault::lasting(format!("the filter `{field}` is no pattern: `{pattern}`")))?;
                patterns.push((*field, compiled));
            }
            let has = |field: &&str| entry.get(field).is_some_and(|node| !node.is_null());
            Ok(Filter {
                patterns,
                exist: wanted(entry, "pathsExist"),
                absent: wanted(entry, "pathsDoNotExist"),
                of_branches: ["branchMatch", "pathsExist", "pathsDoNotExist"].iter().any(has),
            })
        })
        .collect()
}

impl Filter {
    fn accepts(&self, field: &str, test: impl Fn(&Regex) -> bool) -> bool {
        self.patterns.iter().filter(|(known, _)| *known == field).all(|(_, pattern)| test(pattern))
    }

    /// Whether a repository, at a branch where the filter is about those, passes the patterns.
    fn accepts_names(&self, repository: &Repository) -> bool {
        self.accepts("repositoryMatch", |pattern| pattern.is_match(&repository.name))
            && self.accepts("labelMatch", |pattern| repository.labels.iter().any(|label| pattern.is_match(label)))
            && self.accepts("branchMatch", |pattern| pattern.is_match(&repository.branch))
    }
}

/// A pull request.
struct Pull {
    number: i64,
    title: String,
    branch: String,
    target: String,
    sha: String,
    labels: Vec<String>,
    author: String,
}

impl Pull {
    fn passes(&self, filter: &Filter) -> bool {
        filter.accepts("branchMatch", |pattern| pattern.is_match(&self.branch))
            && filter.accepts("targetBranchMatch", |pattern| pattern.is_match(&self.target))
            && filter.accepts("titleMatch", |pattern| pattern.is_match(&self.title))
    }

    fn node(self) -> Node {
        let mut map = Map::new();
        map.insert("number", Node::int(self.number));
        map.insert("title", Node::str(self.title));
        map.insert("branch", Node::str(self.branch));
        map.insert("target_branch", Node::str(self.target));
        map.insert("head_sha", Node::str(self.sha));
        map.insert("labels", strings(self.labels));
        map.insert("author", Node::str(self.author));
        Node::map(map)
    }
}

/// A repository, at a branch once that is known.
#[derive(Clone)]
struct Repository {
    organization: String,
    name: String,
    /// A number or a text, by service.
    id: Node,
    url: String,
    branch: String,
    sha: String,
    labels: Vec<String>,
}

impl Repository {
    fn node(self) -> Node {
        let mut map = Map::new();
        map.insert("organization", Node::str(self.organization));
        map.insert("repository", Node::str(self.name));
        map.insert("repository_id", self.id);
        map.insert("url", Node::str(self.url));
        map.insert("branch", Node::str(self.branch));
        map.insert("sha", Node::str(self.sha));
        map.insert("labels", strings(self.labels));
        Node::map(map)
    }

    fn at(&self, branch: String, sha: String) -> Repository {
        Repository { branch, sha, ..self.clone() }
    }
}

/// Who has repositories.
trait Provider {
    fn repositories(&self, protocol: &str) -> Result<Vec<Repository>, Fault>;
    /// The repository at its branches: all, or the default one where it exists.
    fn branches(&self, repository: &Repository) -> Result<Vec<Repository>, Fault>;
    fn has_path(&self, repository: &Repository, path: &str) -> Result<bool, Fault>;
}

/// Repositories that pass a filter, then those of their branches that do (`scm_provider.ListRepos`). A filter counts once: for branches where it
/// says anything of them, else for repositories.
fn repositories(provider: &dyn Provider, protocol: &str, asked: &Node) -> Result<Vec<Repository>, Fault> {
    if !matches!(protocol, "" | "ssh" | "https") {
        return Err(Fault::lasting(format!("the cloneProtocol `{protocol}` is neither ssh nor https")));
    }
    let filters = filters(asked, &SCM_FILTERS)?;
    let of_branches: Vec<&Filter> = filters.iter().filter(|filter| filter.of_branches).collect();
    let of_repositories: Vec<&Filter> =
        filters.iter().filter(|filter| !filter.of_branches && !filter.patterns.is_empty()).collect();
    let mut out = Vec::new();
    for repository in provider.repositories(protocol)? {
        if !of_repositories.is_empty() && !of_repositories.iter().any(|filter| filter.accepts_names(&repository)) {
            continue;
        }
        for branch in provider.branches(&repository)? {
            let mut passes = of_branches.is_empty();
            for filter in &of_branches {
                passes = passes || passes_branch(provider, &branch, filter)?;
            }
            if passes {
                out.push(branch);
            }
        }
    }
    Ok(out)
}

fn passes_branch(provider: &dyn Provider, branch: &Repository, filter: &Filter) -> Result<bool, Fault> {
    if !filter.accepts_names(branch) {
        return Ok(false);
    }
    for (paths, wanted) in [(&filter.exist, true), (&filter.absent, false)] {
        for path in paths {
            if provider.has_path(branch, path.trim_end_matches('/'))? != wanted {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// What came of a question.
#[derive(Debug)]
pub struct Answered {
    /// The question's id.
    pub id: String,
    /// Path of the answer's file below the fleet's root.
    pub path: String,
    /// The text of the file and the digest of the answer, or why there is none.
    pub recorded: Result<(String, Digest), Fault>,
}

/// The questions of a fleet, asked one after the other. Without `live` nobody knows whom plugin and clusterDecisionResource generators ask.
pub fn ask_all<'q>(
    questions: impl IntoIterator<Item = &'q Question>,
    web: &dyn Web,
    live: Option<&Live<'_>>,
    variable: Variable<'_>,
) -> Vec<Answered> {
    let record = |question: &Question, answer: Node| {
        let recorded = question.record(&answer).and_then(|text| Ok((text, question::digest(&answer)?)));
        recorded.map_err(|_| Fault::lasting("the answer has a number without JSON form"))
    };
    let one = |question: &Question| Answered {
        id: question.id(),
        path: question.path(),
        recorded: match live {
            Some(live) if question.is_live() => live.ask(question),
            _ => ask(question, web, variable),
        }
        .and_then(|answer| record(question, answer)),
    };
    questions.into_iter().map(one).collect()
}

pub use live::Live;
pub use online::client;
