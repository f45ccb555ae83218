//! Questions against answers of the shape that the services give.

mod others;

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Reply, Web, ask, ask_all};
use crate::host::fetch::{Fault, Login, Logins};
use crate::question::Question;
use crate::span::FileId;
use crate::yaml::json::to_json;
use crate::yaml::{Dialect, Limits, Node, parse};

/// A service: answers by URL, and what it was asked with which token.
#[derive(Default)]
struct Service {
    answers: BTreeMap<String, (u16, Option<String>, String)>,
    asked: RefCell<Vec<String>>,
}

impl Service {
    fn says(mut self, url: &str, body: &str) -> Self {
        self.answers.insert(url.to_owned(), (200, None, body.to_owned()));
        self
    }

    fn pages(mut self, url: &str, next: &str, body: &str) -> Self {
        let link = format!("<{url}>; rel=\"first\", <{next}>; rel=\"next\"");
        self.answers.insert(url.to_owned(), (200, Some(link), body.to_owned()));
        self
    }

    fn fails(mut self, url: &str, status: u16) -> Self {
        self.answers.insert(url.to_owned(), (status, None, "{}".to_owned()));
        self
    }
}

impl Web for Service {
    fn get(&self, url: &str, login: Option<&Login>) -> Result<Reply, Fault> {
        let shown = match login {
            None | Some(Login::Identity(_)) => "without token".to_owned(),
            Some(Login::Bearer(token)) => format!("Bearer {}", token.reveal()),
            Some(Login::Basic { user, password }) => format!("Basic {user}:{}", password.reveal()),
        };
        self.asked.borrow_mut().push(format!("{url} {shown}"));
        let missing = (404, None, "{}".to_owned());
        let (status, link, body) = self.answers.get(url).unwrap_or(&missing).clone();
        Ok(Reply { status, link, body: body.into_bytes() })
    }
}

fn question(kind: &str, text: &str) -> Question {
    let node: Node = parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default()).documents[0].root.clone();
    Question::new(kind, &node, "set", "").unwrap()
}

fn answer(service: &Service, question: &Question) -> String {
    match ask(question, service, &|name| (name == "GITHUB_TOKEN").then(|| "secret".to_owned())) {
        Ok(node) => to_json(&node).unwrap(),
        Err(fault) => format!("{} {}", if fault.temporary { "later:" } else { "fault:" }, fault.reason),
    }
}

const PULLS: &str = "https://api.github.com/repos/o/r/pulls?per_page=100";

fn pull(number: u32, branch: &str, label: &str) -> String {
    format!(
        r#"{{"number": {number}, "title": "t{number}", "head": {{"ref": "{branch}", "sha": "abc{number}"}}, "base": {{"ref": "main"}}, "labels": [{{"name": "{label}"}}, {{"name": "x"}}], "user": {{"login": "jane"}}}}"#
    )
}

#[test]
fn github_pulls() {
    let second = "https://api.github.com/repositories/1/pulls?page=2";
    let service = Service::default()
        .pages(PULLS, second, &format!("[{}, {}]", pull(1, "fix/a", "preview"), pull(2, "feature/b", "preview")))
        .says(second, &format!("[{}, {}]", pull(3, "fix/c", "other"), pull(4, "fix/d", "preview")));
    let asked = question(
        "pullRequest",
        "{github: {owner: o, repo: r, labels: [preview, x]}, filters: [{branchMatch: ^fix/, titleMatch: t}]}",
    );
    let one = |n: u32, branch: &str| {
        format!(
            r#"{{"author":"jane","branch":"{branch}","head_sha":"abc{n}","labels":["preview","x"],"number":{n},"target_branch":"main","title":"t{n}"}}"#
        )
    };
    assert_eq!(answer(&service, &asked), format!("[{},{}]", one(1, "fix/a"), one(4, "fix/d")));
    assert!(service.asked.borrow().iter().all(|asked| asked.ends_with(" Bearer secret")));
    // What is recorded comes back as it was answered.
    let recorded = ask_all([&asked], &service, None, &|_| None);
    let (text, digest) = recorded[0].recorded.as_ref().unwrap();
    let (id, node) = crate::question::read(FileId::NONE, text.as_bytes()).unwrap();
    assert_eq!((&recorded[0].path, &recorded[0].id), (&format!("fleet.answers/{id}.yaml"), &id));
    assert_eq!(crate::question::digest(&node).unwrap(), *digest);
    assert_eq!(to_json(&node).unwrap(), answer(&service, &asked));
}

#[test]
fn what_is_not_whole_is_no_answer() {
    let asked = question("pullRequest", "{github: {owner: o, repo: r}}");
    for (service, want) in [
        (Service::default(), r#"{"notFound":true}"#),
        (Service::default().fails(PULLS, 401), "fault: https://api.github.com refuses (401)"),
        (Service::default().fails(PULLS, 503), "later: https://api.github.com is busy (503)"),
        (Service::default().fails(PULLS, 302), "fault: https://api.github.com answers with status 302"),
        (Service::default().says(PULLS, "<html>"), "fault: https://api.github.com answers something that is no JSON"),
        (Service::default().says(PULLS, "{}"), "fault: https://api.github.com does not answer with a list"),
        (Service::default().says(PULLS, "[{\"number\": 1}]"), "fault: the answer has no text `title`"),
        (
            Service::default().pages(PULLS, "https://evil.example.com/2", "[]"),
            "fault: https://api.github.com names a next page on another host",
        ),
        (
            Service::default().pages(PULLS, "https://api.github.com.evil.example.com/2", "[]"),
            "fault: https://api.github.com names a next page on another host",
        ),
        (Service::default().pages(PULLS, PULLS, "[]"), "fault: https://api.github.com has more than 1000 pages"),
    ] {
        assert_eq!(answer(&service, &asked), want);
    }
    let gone = "https://api.github.com/repositories/1/pulls?page=2";
    let service = Service::default().pages(PULLS, gone, "[]");
    assert!(answer(&service, &asked).starts_with("fault:"), "a page that is missing");
    let nobody = question("scmProvider", "{awsCodeCommit: {region: eu-west-1}}");
    assert!(answer(&Service::default(), &nobody).contains("does not ask"));
    let pattern = question("pullRequest", "{github: {owner: o, repo: r}, filters: [{branchMatch: '('}]}");
    assert!(answer(&Service::default(), &pattern).contains("is no pattern"));
}

#[test]
fn github_repositories() {
    let repo = |name: &str, id: u32, topics: &str| {
        format!(
            r#"{{"id": {id}, "name": "{name}", "owner": {{"login": "acme"}}, "clone_url": "https://github.com/acme/{name}.git", "ssh_url": "git@github.com:acme/{name}.git", "default_branch": "main", "topics": [{topics}], "archived": {}}}"#,
            name == "old"
        )
    };
    let base = "https://ghe.example.com/api/v3";
    let service = Service::default()
        .says(
            &format!("{base}/orgs/acme/repos?per_page=100"),
            &format!(
                "[{}, {}, {}, {}]",
                repo("svc-a", 1, "\"prod\""),
                repo("svc-b", 2, ""),
                repo("tool", 3, "\"prod\""),
                repo("old", 4, "\"prod\"")
            ),
        )
        .says(&format!("{base}/repos/acme/svc-a/branches/main"), r#"{"name": "main", "commit": {"sha": "aaa"}}"#)
        .says(&format!("{base}/repos/acme/tool/branches/main"), r#"{"name": "main", "commit": {"sha": "ttt"}}"#)
        .says(&format!("{base}/repos/acme/tool/contents/deploy/app.yaml?ref=main"), "{}");
    let with = |filters: &str| {
        question(
            "scmProvider",
            &format!(
                "{{github: {{organization: acme, api: 'https://ghe.example.com/', excludeArchivedRepos: true}}, cloneProtocol: https, filters: {filters}}}"
            ),
        )
    };
    // svc-b has no such branch.
    let names = |text: &str| -> Vec<String> {
        let items: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        items
            .iter()
            .map(|item| format!("{}@{}", item["repository"].as_str().unwrap(), item["sha"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(names(&answer(&service, &with("[]"))), ["svc-a@aaa", "tool@ttt"]);
    assert_eq!(names(&answer(&service, &with("[{repositoryMatch: ^svc-}]"))), ["svc-a@aaa"]);
    assert_eq!(names(&answer(&service, &with("[{labelMatch: prod, pathsExist: [deploy/app.yaml]}]"))), ["tool@ttt"]);
    assert_eq!(names(&answer(&service, &with("[{pathsDoNotExist: [deploy/app.yaml/]}]"))), ["svc-a@aaa"]);
    assert_eq!(names(&answer(&service, &with("[{branchMatch: ^release}]"))), Vec::<String>::new());
    let first = answer(&service, &with("[{repositoryMatch: svc-a}]"));
    let want = r#"[{"branch":"main","labels":["prod"],"organization":"acme","repository":"svc-a","repository_id":1,"sha":"aaa","url":"https://github.com/acme/svc-a.git"}]"#;
    assert_eq!(first, want);
}

#[test]
fn gitlab() {
    let base = "https://gitlab.com/api/v4";
    let service = Service::default()
        .says(
            &format!("{base}/projects/acme%2Fweb/merge_requests?per_page=100&labels=preview%2Cui&state=opened"),
            r#"[{"id": 900, "iid": 5, "title": "T", "source_branch": "s", "target_branch": "m", "sha": "abc", "labels": ["preview", "ui"], "author": {"username": "joe"}}]"#,
        )
        .says(
            &format!("{base}/groups/acme/projects?per_page=100&include_subgroups=true&with_shared=true"),
            r#"[{"id": 7, "path": "web", "namespace": {"full_path": "acme/front"}, "ssh_url_to_repo": "git@gitlab.com:acme/front/web.git", "http_url_to_repo": "https://gitlab.com/acme/front/web.git", "default_branch": "main", "topics": ["a", "b"]}, {"id": 8, "path": "empty", "namespace": {"full_path": "acme"}, "ssh_url_to_repo": "x", "http_url_to_repo": "y", "default_branch": null, "topics": []}]"#,
        )
        .says(&format!("{base}/projects/7/repository/branches/main"), r#"{"name": "main", "commit": {"id": "ccc"}}"#)
        .says(
            &format!("{base}/projects/7/repository/tree?per_page=100&path=deploy&ref=main"),
            r#"[{"name": "app.yaml", "type": "blob"}]"#,
        );
    let pulls =
        question("pullRequest", "{gitlab: {project: acme/web, labels: [preview, ui], pullRequestState: opened}}");
    let want = r#"[{"author":"joe","branch":"s","head_sha":"abc","labels":["preview","ui"],"number":5,"target_branch":"m","title":"T"}]"#;
    assert_eq!(answer(&service, &pulls), want);
    let repositories = |path: &str| {
        question(
            "scmProvider",
            &format!("{{gitlab: {{group: acme, includeSubgroups: true}}, filters: [{{pathsExist: [{path}]}}]}}"),
        )
    };
    let want = r#"[{"branch":"main","labels":["a","b"],"organization":"acme/front","repository":"web","repository_id":7,"sha":"ccc","url":"git@gitlab.com:acme/front/web.git"}]"#;
    assert_eq!(answer(&service, &repositories("deploy/app.yaml")), want);
    assert_eq!(answer(&service, &repositories("deploy/other.yaml")), "[]");
}

#[test]
fn gitea() {
    let base = "https://git.example.com/api/v1";
    let service = Service::default()
        .says(&format!("{base}/repos/o/r/pulls?state=open&limit=50"), &format!("[{}]", pull(9, "b", "preview")))
        .says(
            &format!("{base}/orgs/o/repos?limit=50"),
            r#"[{"id": 3, "name": "r", "owner": {"login": "o"}, "html_url": "https://git.example.com/o/r", "ssh_url": "git@git.example.com:o/r.git", "default_branch": "main"}]"#,
        )
        .says(&format!("{base}/repos/o/r/labels?limit=50"), r#"[{"name": "bug"}]"#)
        .says(&format!("{base}/repos/o/r/branches?limit=50"), r#"[{"name": "main", "commit": {"id": "1"}}, {"name": "dev", "commit": {"id": "2"}}]"#);
    let pulls = question("pullRequest", "{gitea: {owner: o, repo: r, api: 'https://git.example.com'}}");
    assert!(answer(&service, &pulls).contains(r#""number":9"#));
    let all = question("scmProvider", "{gitea: {owner: o, api: 'https://git.example.com', allBranches: true}}");
    let found = answer(&service, &all);
    assert!(
        found.contains(r#""branch":"main""#) && found.contains(r#""branch":"dev""#) && found.contains("bug"),
        "{found}"
    );
}

/// The real client against a server of one answer: the token arrives, the answer comes back.
#[test]
fn over_the_network() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 4096];
        let count = stream.read(&mut request).unwrap();
        let body = format!("[{}]", pull(4, "b", "preview"));
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8_lossy(&request[..count]).to_lowercase()
    });
    let folder = tempfile::tempdir().unwrap();
    let client = super::client(Logins { fleet: Some(folder.path().to_owned()), ..Logins::default() });
    let asked = question("pullRequest", &format!("{{gitea: {{owner: o, repo: r, api: 'http://{address}'}}}}"));
    let environment = |name: &str| match name {
        "GITEA_TOKEN" => Some("secret".to_owned()),
        "GITEA_SERVER_URL" => Some(format!("http://{address}/")),
        _ => None,
    };
    let found = ask(&asked, &client, &environment).unwrap();
    assert!(to_json(&found).unwrap().contains(r#""number":4"#));
    let request = server.join().unwrap();
    assert!(request.starts_with("get /api/v1/repos/o/r/pulls?state=open&limit=50 "), "{request}");
    assert!(request.contains("authorization: bearer secret"), "{request}");
}

/// The address of an API is in the files of the fleet, the token is not: it goes to hosts that it is for, and to no other.
#[test]
fn tokens_go_to_their_hosts_only() {
    let shown = |generator: &str, environment: &[(&str, &str)]| -> (bool, String) {
        let asked = question("pullRequest", generator);
        let service = Service::default();
        let variable = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        ask(&asked, &service, &variable).unwrap();
        let asked = service.asked.borrow();
        (asked.iter().all(|line| line.ends_with(" Bearer t0ken")), asked.join(" "))
    };
    let github = |api: &str| format!("{{github: {{owner: o, repo: r, api: '{api}'}}}}");
    let token = ("GITHUB_TOKEN", "t0ken");
    for (api, more, want) in [
        ("", None, true),
        ("https://api.github.com/", None, true),
        ("https://API.github.com", None, true),
        ("https://evil.example.com", None, false),
        ("https://api.github.com.evil.example.com", None, false),
        ("https://api.github.com@evil.example.com/", None, false),
        ("https://api.github.com:8443", None, false),
        ("http://api.github.com", None, false),
        ("https://evil.example.com/api.github.com", None, false),
        ("https://ghe.example.com", Some(("GITHUB_API_URL", "https://ghe.example.com/api/v3")), true),
        ("https://ghe.example.com", Some(("GITHUB_SERVER_URL", "https://ghe.example.com")), true),
        ("https://ghe.example.com", Some(("GITHUB_API_URL", "https://other.example.com")), false),
        ("https://ghe.example.com", Some(("GITHUB_API_URL", "")), false),
        ("https://ghe.example.com", Some(("CI_SERVER_URL", "https://ghe.example.com")), false),
    ] {
        let environment: Vec<_> = std::iter::once(token).chain(more).collect();
        let (found, asked) = shown(&github(api), &environment);
        assert_eq!(found, want, "{api} {more:?}: {asked}");
        assert_eq!(asked.contains("t0ken"), want, "{asked}");
    }
    for (generator, token, host) in [
        ("{gitlab: {project: p, api: 'https://git.example.com'}}", "GITLAB_TOKEN", "CI_SERVER_URL"),
        ("{gitlab: {project: p, api: 'https://git.example.com'}}", "GITLAB_TOKEN", "CI_API_V4_URL"),
        ("{gitea: {owner: o, repo: r, api: 'https://git.example.com'}}", "GITEA_TOKEN", "GITEA_SERVER_URL"),
    ] {
        assert!(!shown(generator, &[(token, "t0ken")]).0, "{generator}");
        assert!(shown(generator, &[(token, "t0ken"), (host, "https://git.example.com/")]).0, "{generator}");
    }
    // Who is refused because of it is told.
    let asked = question("pullRequest", "{github: {owner: o, repo: r, api: 'https://ghe.example.com'}}");
    let url = "https://ghe.example.com/api/v3/repos/o/r/pulls?per_page=100";
    let fault = ask(&asked, &Service::default().fails(url, 401), &|name| (name == "GH_TOKEN").then(|| "t".into()));
    let hint = fault.unwrap_err().hint.unwrap();
    assert!(hint.contains("`GH_TOKEN` goes to https://api.github.com only"), "{hint}");
    assert!(hint.contains("`GITHUB_API_URL=https://ghe.example.com`"), "{hint}");
}
