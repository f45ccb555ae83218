//! Pull requests for what is published to a branch of its own: on GitHub, GitLab and Gitea, one for a target, kept up to date.
//!
//! A token is sent to the server that it belongs to and to no other ([`service`]). Where the repository is on another server, that is said, and
//! nothing is asked.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::super::fetch::http::{Ask, Client, Method};
use super::super::fetch::{Fault, Login};
use super::super::service::{self, origin};
use crate::source::{parts, without_credentials};

/// Bytes of an answer that are taken.
const LIMIT: u64 = 32 << 20;
/// Pages of a list that are read.
const MAX_PAGES: usize = 50;

/// Who has pull requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// GitHub.
    GitHub,
    /// GitLab, which calls them merge requests.
    GitLab,
    /// Gitea and Forgejo.
    Gitea,
}

/// Each with its word in names of hosts, and where its API and its tokens are.
static SERVICES: [(Service, &str, &service::Service); 3] = [
    (Service::GitHub, "github", &service::GITHUB),
    (Service::GitLab, "gitlab", &service::GITLAB),
    (Service::Gitea, "gitea", &service::GITEA),
];

/// Where pull requests of a repository are.
pub struct Forge {
    client: Client,
    service: Service,
    /// URL of the API, without slash at the end.
    api: String,
    login: Login,
    /// The repository: `owner/name`, on GitLab with groups.
    project: String,
}

/// An open pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub number: i64,
    /// The branch that it brings.
    pub head: String,
    /// Where people look at it.
    pub url: String,
}

/// Host without port, and path, of the URL of a repository.
fn place(url: &str) -> Option<(String, String)> {
    let (host, path) = match parts(url) {
        Some(parts) => (parts.host, parts.path),
        None => url.split_once(':').map(|(host, path)| (host.rsplit_once('@').map_or(host, |(_, host)| host), path))?,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (!host.is_empty() && path.contains('/')).then(|| (host.to_lowercase(), path.to_owned()))
}

impl Forge {
    /// That of a repository.
    ///
    /// # Errors
    /// Nobody knows which service it is, or there is no token that may go there.
    pub fn of(
        url: &str,
        named: Option<Service>,
        variable: &dyn Fn(&str) -> Option<String>,
        client: Client,
    ) -> Result<Forge, Fault> {
        let shown = without_credentials(url);
        let (at, project) =
            place(url).ok_or_else(|| Fault::lasting(format!("`{shown}` is no repository that has pull requests")))?;
        let is_there = |api: &String| {
            let host = parts(api).map(|parts| parts.host.to_lowercase()).unwrap_or_default();
            host == at || host == format!("api.{at}")
        };
        let own = |service: &service::Service| service.named(variable).find(is_there);
        let is = |(kind, word, service): &&(Service, &str, &service::Service)| match named {
            Some(named) => *kind == named,
            None => service.host == at || own(service).is_some() || at.contains(word),
        };
        let (kind, _, service) = SERVICES.iter().find(is).ok_or_else(|| {
            Fault::lasting(format!("nobody knows which service `{at}` is"))
                .hint("say `--pull-request=github`, `gitlab` or `gitea`")
        })?;
        let api = own(service).unwrap_or_else(|| service.api(&format!("https://{at}")));
        let token = service.variables().1;
        match service.login(&api, "", variable) {
            Ok(Some(login)) => Ok(Forge { client, service: *kind, api, login, project }),
            Ok(None) => Err(Fault::lasting(format!("there is no token for {}", origin(&api)))
                .hint(format!("set {token}; it must be allowed to open pull requests"))),
            Err(why) => Err(Fault::lasting(format!("{token} is for another server than `{at}`")).hint(why)),
        }
    }

    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Fault> {
        let url = format!("{}{path}", self.api);
        let mut access = self.client.credentials().access(&url)?;
        access.login = Some(self.login.clone());
        "the token of the environment".clone_into(&mut access.origin);
        let headers = vec![(CONTENT_TYPE, "application/json".to_owned())];
        let body = body.map(|body| body.to_string().into_bytes());
        let answer = self.client.send(&Ask { method, url: &url, headers, body, access: &access, limit: LIMIT })?;
        let value: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        if answer.is_success() {
            return Ok(value);
        }
        let said = value.get("message").or_else(|| value.get("error")).map(|said| match said.as_str() {
            Some(text) => text.to_owned(),
            None => said.to_string(),
        });
        let said =
            said.map(|text| format!(": {}", text.chars().filter(|c| !c.is_control()).take(200).collect::<String>()));
        let fault = format!("{} answers with status {}{}", self.api, answer.status, said.unwrap_or_default());
        Err(match answer.status {
            429 | 500..=599 => Fault::passing(fault),
            401 | 403 | 404 => {
                Fault::lasting(fault).hint("look at the token: it must be allowed to open pull requests here")
            }
            _ => Fault::lasting(fault),
        })
    }

    fn place(&self) -> String {
        match self.service {
            Service::GitLab => format!("/projects/{}/merge_requests", segment(&self.project)),
            _ => format!("/repos/{}/pulls", self.project.split('/').map(segment).collect::<Vec<_>>().join("/")),
        }
    }

    /// The open one that brings a branch whose name begins with `prefix` into `target`.
    ///
    /// # Errors
    /// The service is not reached or refuses.
    pub fn open(&self, target: &str, prefix: &str) -> Result<Option<Request>, Fault> {
        for page in 1..=MAX_PAGES {
            let query = match self.service {
                Service::GitHub => format!("state=open&base={}&per_page=100", segment(target)),
                Service::GitLab => format!("state=opened&target_branch={}&per_page=100", segment(target)),
                Service::Gitea => "state=open&limit=50".to_owned(),
            };
            let found = self.send(Method::GET, &format!("{}?{query}&page={page}", self.place()), None)?;
            let Some(items) = found.as_array().filter(|items| !items.is_empty()) else { return Ok(None) };
            for item in items {
                let base = item.pointer("/base/ref").or_else(|| item.get("target_branch")).and_then(Value::as_str);
                if let Some(request) = read(item)
                    && base == Some(target)
                    && request.head.starts_with(prefix)
                    && is_own(item)
                {
                    return Ok(Some(request));
                }
            }
        }
        Ok(None)
    }

    /// Opens one.
    ///
    /// # Errors
    /// The service is not reached or refuses.
    pub fn create(&self, head: &str, target: &str, title: &str, text: &str) -> Result<Request, Fault> {
        let body = match self.service {
            Service::GitLab => {
                json!({"source_branch": head, "target_branch": target, "title": title, "description": text, "remove_source_branch": true})
            }
            _ => json!({"head": head, "base": target, "title": title, "body": text}),
        };
        let made = self.send(Method::POST, &self.place(), Some(&body))?;
        read(&made).ok_or_else(|| Fault::lasting(format!("{} does not say which pull request it opened", self.api)))
    }

    /// Gives one a new title and text.
    ///
    /// # Errors
    /// The service is not reached or refuses.
    pub fn update(&self, request: &Request, title: &str, text: &str) -> Result<(), Fault> {
        let (method, body) = match self.service {
            Service::GitLab => (Method::PUT, json!({"title": title, "description": text})),
            _ => (Method::PATCH, json!({"title": title, "body": text})),
        };
        self.send(method, &format!("{}/{}", self.place(), request.number), Some(&body)).map(drop)
    }
}

/// Whether it brings a branch of the repository itself, not of somebody's copy.
fn is_own(item: &Value) -> bool {
    let same = |a: &str, b: &str| item.pointer(a).zip(item.pointer(b)).is_none_or(|(a, b)| a == b);
    same("/head/repo/id", "/base/repo/id") && same("/source_project_id", "/target_project_id")
}

fn read(item: &Value) -> Option<Request> {
    let text = |paths: [&str; 2]| paths.iter().find_map(|path| item.pointer(path)?.as_str()).map(str::to_owned);
    let number = item.get("iid").or_else(|| item.get("number"))?.as_i64()?;
    let url = text(["/html_url", "/web_url"]).unwrap_or_default();
    Some(Request { number, head: text(["/head/ref", "/source_branch"])?, url })
}

fn segment(text: &str) -> String {
    const KEPT: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, &KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::fetch::Credentials;
    use super::super::super::fetch::http::Timeouts;
    use super::{Client, Forge, Service};

    #[test]
    fn tokens_go_to_their_own_server() {
        for (url, named, set, want) in [
            ("https://github.com/o/r.git", None, &[("GITHUB_TOKEN", "t")][..], Ok("https://api.github.com")),
            (
                "git@github.com:o/r.git",
                None,
                &[("GH_TOKEN", "t"), ("GITHUB_API_URL", "https://api.github.com")],
                Ok("https://api.github.com"),
            ),
            (
                "https://github.com/o/r",
                None,
                &[("GITHUB_TOKEN", "t"), ("GITHUB_API_URL", "https://ghe/api/v3")],
                Err("another server"),
            ),
            ("https://ghe.example.com/o/r", Some(Service::GitHub), &[("GITHUB_TOKEN", "t")], Err("another server")),
            (
                "ssh://git@ghe.example.com:22/o/r",
                None,
                &[("GITHUB_TOKEN", "t"), ("GITHUB_API_URL", "https://ghe.example.com/api/v3/")],
                Ok("https://ghe.example.com/api/v3"),
            ),
            ("https://gitlab.com/g/s/r.git", None, &[("GITLAB_TOKEN", "t")], Ok("https://gitlab.com/api/v4")),
            ("https://gitlab.com/g/s/r.git", None, &[("GITHUB_TOKEN", "t")], Err("no token")),
            ("https://gitlab.example.com/g/r", None, &[("GITLAB_TOKEN", "t")], Err("another server")),
            (
                "https://gitlab.example.com/g/r",
                None,
                &[("GITLAB_TOKEN", "t"), ("CI_API_V4_URL", "https://gitlab.example.com/api/v4")],
                Ok("https://gitlab.example.com/api/v4"),
            ),
            ("https://git.example.com/o/r", None, &[("GITEA_TOKEN", "t")], Err("which service")),
            (
                "https://git.example.com/o/r",
                None,
                &[("GITEA_TOKEN", "t"), ("GITEA_API_URL", "https://git.example.com/api/v1")],
                Ok("https://git.example.com/api/v1"),
            ),
            ("/srv/repo.git", None, &[], Err("no repository")),
        ] {
            let variable =
                |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let client = Client::new(Arc::new(Credentials::default()), Timeouts::default());
            let forge = Forge::of(url, named, &variable, client);
            match want {
                Ok(api) => assert_eq!(forge.map(|forge| forge.api).as_deref(), Ok(api), "{url}"),
                Err(why) => {
                    let fault = forge.map(|_| ()).unwrap_err();
                    assert!(fault.reason.contains(why), "{url}: {fault:?}");
                }
            }
        }
    }
}
