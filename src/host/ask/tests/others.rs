//! Bitbucket in the cloud and on servers, and Azure DevOps.

use super::{Service, answer, ask, question};
use crate::host::fetch::Fault;
use crate::yaml::json::to_json;

fn with(service: &Service, kind: &str, text: &str, environment: &[(&str, &str)]) -> Result<String, Fault> {
    let variable =
        |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    ask(&question(kind, text), service, &variable).map(|node| to_json(&node).unwrap())
}

#[test]
fn bitbucket_cloud_pulls() {
    let base = "https://api.bitbucket.org/2.0/repositories/acme/web/pullrequests";
    let pull = |id: u32, branch: &str| {
        format!(
            r#"{{"id": {id}, "title": "T{id}", "state": "OPEN", "source": {{"branch": {{"name": "{branch}"}}, "commit": {{"hash": "abc{id}"}}}}, "destination": {{"branch": {{"name": "main"}}}}, "author": {{"nickname": "jane"}}}}"#
        )
    };
    let gone = r#"{"id": 3, "title": "T3", "source": {"branch": {"name": "fix/c"}, "commit": null}, "destination": {"branch": {"name": "main"}}, "author": null}"#;
    let service = Service::default()
        .says(
            &format!("{base}?pagelen=50"),
            &format!(
                r#"{{"pagelen": 50, "next": "{base}?pagelen=50&page=2", "values": [{}, {}]}}"#,
                pull(1, "fix/a"),
                pull(2, "b")
            ),
        )
        .says(&format!("{base}?pagelen=50&page=2"), &format!(r#"{{"pagelen": 50, "values": [{gone}]}}"#));
    let text = "{bitbucket: {owner: acme, repo: web, basicAuth: {username: joe, passwordRef: {secretName: s, key: k}}}, \
         filters: [{branchMatch: ^fix/}]}";
    let want = r#"[{"author":"jane","branch":"fix/a","head_sha":"abc1","labels":[],"number":1,"target_branch":"main","title":"T1"},{"author":"","branch":"fix/c","head_sha":"","labels":[],"number":3,"target_branch":"main","title":"T3"}]"#;
    assert_eq!(with(&service, "pullRequest", text, &[("BITBUCKET_APP_PASSWORD", "p4ss")]).unwrap(), want);
    assert!(service.asked.borrow().iter().all(|line| line.ends_with(" Basic joe:p4ss")), "{:?}", service.asked);
    assert_eq!(answer(&Service::default(), &question("pullRequest", text)), r#"{"notFound":true}"#);
    let elsewhere = Service::default()
        .says(&format!("{base}?pagelen=50"), r#"{"values": [], "next": "https://evil.example.com/2.0/x"}"#);
    assert!(answer(&elsewhere, &question("pullRequest", text)).contains("next page on another host"));
    let cut = Service::default()
        .says(&format!("{base}?pagelen=50"), &format!(r#"{{"values": [{}], "next": "{base}?page=2"}}"#, pull(1, "a")));
    assert!(answer(&cut, &question("pullRequest", text)).starts_with("fault:"), "a page that is missing");
}

#[test]
fn bitbucket_cloud_repositories() {
    let base = "https://api.bitbucket.org/2.0/repositories/acme";
    let repo = |name: &str, branch: &str| {
        format!(
            r#"{{"slug": "{name}", "name": "The {name}", "uuid": "{{u-{name}}}", "mainbranch": {branch}, "links": {{"clone": [{{"name": "https", "href": "https://joe@bitbucket.org/acme/{name}.git"}}, {{"name": "ssh", "href": "git@bitbucket.org:acme/{name}.git"}}]}}}}"#
        )
    };
    let branch = |name: &str, hash: &str| format!(r#"{{"name": "{name}", "target": {{"hash": "{hash}"}}}}"#);
    let main = r#"{"name": "main"}"#;
    let service = Service::default()
        .says(
            &format!("{base}?role=member&pagelen=100"),
            &format!(
                r#"{{"values": [{}, {}], "next": "{base}?role=member&pagelen=100&page=2"}}"#,
                repo("svc-a", main),
                repo("empty", "null")
            ),
        )
        .says(&format!("{base}?role=member&pagelen=100&page=2"), &format!(r#"{{"values": [{}]}}"#, repo("tool", main)))
        .says(&format!("{base}/svc-a/refs/branches/main"), &branch("main", "aaa"))
        .says(&format!("{base}/tool/refs/branches/main"), &branch("main", "ttt"))
        .says(
            &format!("{base}/tool/refs/branches?pagelen=100"),
            &format!(r#"{{"values": [{}, {}]}}"#, branch("main", "ttt"), branch("dev/x", "ddd")),
        )
        .says(&format!("{base}/svc-a/refs/branches?pagelen=100"), r#"{"values": []}"#)
        .says(&format!("{base}/empty/refs/branches?pagelen=100"), r#"{"values": []}"#)
        .says(&format!("{base}/tool/src/ttt/deploy/app.yaml?format=meta"), "{}");
    let one = |name: &str, branch: &str, sha: &str| {
        format!(
            r#"{{"branch":"{branch}","labels":[],"organization":"acme","repository":"{name}","repository_id":"{{u-{name}}}","sha":"{sha}","url":"git@bitbucket.org:acme/{name}.git"}}"#
        )
    };
    let ask = |more: &str, rest: &str| {
        let text = format!("{{bitbucket: {{owner: acme, user: joe, appPasswordRef: {{}}{more}}}{rest}}}");
        answer(&service, &question("scmProvider", &text))
    };
    assert_eq!(ask("", ""), format!("[{},{}]", one("svc-a", "main", "aaa"), one("tool", "main", "ttt")));
    assert_eq!(
        ask(", allBranches: true", ", filters: [{branchMatch: ^dev}]"),
        format!("[{}]", one("tool", "dev/x", "ddd"))
    );
    assert_eq!(ask("", ", filters: [{pathsExist: [deploy/app.yaml]}]"), format!("[{}]", one("tool", "main", "ttt")));
    assert!(ask("", ", cloneProtocol: https").contains("https://joe@bitbucket.org/acme/tool.git"));
    let nobody = answer(&Service::default(), &question("scmProvider", "{bitbucket: {owner: acme, user: joe}}"));
    assert!(nobody.contains("Bitbucket Cloud knows no workspace `acme`"), "{nobody}");
}

#[test]
fn bitbucket_server() {
    let base = "https://bb.example.com/ctx/rest/api/1.0/projects/ACME/repos";
    let pulls = format!("{base}/web/pull-requests?limit=100");
    let pull = |id: u32| {
        format!(
            r#"{{"id": {id}, "title": "T{id}", "fromRef": {{"id": "refs/heads/f{id}", "displayId": "f{id}", "latestCommit": "c{id}"}}, "toRef": {{"displayId": "main"}}, "author": {{"user": {{"name": "joe"}}}}}}"#
        )
    };
    let repo = |name: &str, id: u32| {
        format!(
            r#"{{"id": {id}, "name": "{name}", "slug": "{name}", "project": {{"key": "ACME"}}, "links": {{"clone": [{{"name": "http", "href": "https://bb.example.com/ctx/scm/acme/{name}.git"}}, {{"name": "ssh", "href": "ssh://git@bb.example.com:7999/acme/{name}.git"}}]}}}}"#
        )
    };
    let branch = |name: &str, sha: &str| format!(r#"{{"displayId": "{name}", "latestCommit": "{sha}"}}"#);
    let mut service = Service::default()
        .says(&pulls, &format!(r#"{{"isLastPage": false, "nextPageStart": 25, "limit": 25, "values": [{}]}}"#, pull(1)))
        .says(&format!("{pulls}&start=25"), &format!(r#"{{"isLastPage": true, "values": [{}]}}"#, pull(2)))
        .says(
            &format!("{base}?limit=100"),
            &format!(
                r#"{{"isLastPage": true, "values": [{}, {}, {}]}}"#,
                repo("web", 1),
                repo("gone", 2),
                repo("empty", 3)
            ),
        )
        .says(&format!("{base}/web/branches/default"), &branch("main", "www"))
        .says(
            &format!("{base}/web/branches?limit=100"),
            &format!(r#"{{"isLastPage": false, "nextPageStart": 1, "values": [{}]}}"#, branch("main", "www")),
        )
        .says(
            &format!("{base}/web/branches?limit=100&start=1"),
            &format!(r#"{{"isLastPage": true, "values": [{}]}}"#, branch("dev", "ddd")),
        )
        .says(&format!("{base}/web/browse/deploy/app.yaml?limit=100&at=main&type=true"), r#"{"type": "FILE"}"#);
    // A repository in which nothing lies has no content to answer with.
    service.answers.insert(format!("{base}/empty/branches/default"), (204, None, String::new()));
    let environment = [("BITBUCKET_SERVER_TOKEN", "t0ken"), ("BITBUCKET_SERVER_URL", "https://bb.example.com/ctx")];
    let of = "api: 'https://bb.example.com/ctx/', project: ACME";
    let found = with(&service, "pullRequest", &format!("{{bitbucketServer: {{{of}, repo: web}}}}"), &environment);
    let want = r#"[{"author":"joe","branch":"f1","head_sha":"c1","labels":[],"number":1,"target_branch":"main","title":"T1"},{"author":"joe","branch":"f2","head_sha":"c2","labels":[],"number":2,"target_branch":"main","title":"T2"}]"#;
    assert_eq!(found.unwrap(), want);
    assert!(service.asked.borrow().iter().all(|line| line.ends_with(" Bearer t0ken")), "{:?}", service.asked);
    let ask = |more: &str, rest: &str| {
        with(&service, "scmProvider", &format!("{{bitbucketServer: {{{of}{more}}}{rest}}}"), &environment).unwrap()
    };
    let one = |branch: &str, sha: &str| {
        format!(
            r#"{{"branch":"{branch}","labels":[],"organization":"ACME","repository":"web","repository_id":1,"sha":"{sha}","url":"ssh://git@bb.example.com:7999/acme/web.git"}}"#
        )
    };
    assert_eq!(ask("", ""), format!("[{}]", one("main", "www")));
    assert_eq!(ask("", ", filters: [{pathsDoNotExist: [deploy/app.yaml]}]"), "[]");
    assert!(ask("", ", cloneProtocol: https").contains("https://bb.example.com/ctx/scm/acme/web.git"));
    let dev = ask(", allBranches: true", ", filters: [{branchMatch: ^dev}, {branchMatch: x, pathsExist: [a]}]");
    assert_eq!(dev, format!("[{}]", one("dev", "ddd")));
    let missing = with(&service, "pullRequest", &format!("{{bitbucketServer: {{{of}, repo: other}}}}"), &environment);
    assert_eq!(missing.unwrap(), r#"{"notFound":true}"#);
    // A next page whose beginning is not said.
    let cut = Service::default().says(&pulls, r#"{"isLastPage": false, "values": []}"#);
    assert!(with(&cut, "pullRequest", &format!("{{bitbucketServer: {{{of}, repo: web}}}}"), &[]).is_err());
}

const AZURE: &str = "https://dev.azure.com/acme/Team%20A/_apis/git";

#[test]
fn azure_devops_pulls() {
    let pull = |id: usize, repo: &str, label: &str| {
        format!(
            r#"{{"pullRequestId": {id}, "title": "T{id}", "repository": {{"name": "{repo}"}}, "sourceRefName": "refs/heads/f/{id}", "targetRefName": "refs/heads/main", "lastMergeSourceCommit": {{"commitId": "c{id}"}}, "createdBy": {{"uniqueName": "jane@example.com"}}, "labels": [{{"name": "{label}"}}]}}"#
        )
    };
    let page = |skip: usize| format!("{AZURE}/pullrequests?api-version=5.0&$top=100&$skip={skip}");
    let full: Vec<String> = (0..100).map(|id| pull(id, if id == 7 { "web" } else { "other" }, "preview")).collect();
    let unmerged = r#"{"pullRequestId": 400, "title": "T", "repository": {"name": "web"}, "sourceRefName": "refs/heads/x", "targetRefName": "refs/heads/main", "createdBy": {"uniqueName": "j"}, "labels": [{"name": "preview"}]}"#;
    let service =
        Service::default().says(&page(0), &format!(r#"{{"count": 100, "value": [{}]}}"#, full.join(","))).says(
            &page(100),
            &format!(
                r#"{{"count": 3, "value": [{}, {}, {unmerged}]}}"#,
                pull(200, "web", "preview"),
                pull(300, "web", "x")
            ),
        );
    let text = "{azuredevops: {organization: acme, project: Team A, repo: web, labels: [preview]}}";
    let one = |id: u32| {
        format!(
            r#"{{"author":"jane","branch":"f/{id}","head_sha":"c{id}","labels":["preview"],"number":{id},"target_branch":"main","title":"T{id}"}}"#
        )
    };
    let found = with(&service, "pullRequest", text, &[("AZURE_DEVOPS_EXT_PAT", "p4t")]);
    assert_eq!(found.unwrap(), format!("[{},{}]", one(7), one(200)));
    assert!(service.asked.borrow().iter().all(|line| line.ends_with(" Basic :p4t")), "{:?}", service.asked);
    let error = |status: u16, key: &str| {
        let mut service = Service::default();
        service.answers.insert(page(0), (status, None, format!(r#"{{"typeKey": "{key}", "message": "TF200016"}}"#)));
        answer(&service, &question("pullRequest", text))
    };
    assert_eq!(error(404, "ProjectDoesNotExistWithNameException"), r#"{"notFound":true}"#);
    assert!(error(404, "SomethingElse").contains("does not know what is asked for: SomethingElse"));
    // The page of a login, which comes with a status of success.
    let mut service = Service::default();
    service.answers.insert(page(0), (203, None, "<html>Sign in</html>".to_owned()));
    let fault = with(&service, "pullRequest", text, &[]).unwrap_err();
    assert!(fault.reason.contains("wants a login") && fault.hint.unwrap().contains("AZURE_DEVOPS_EXT_PAT"));
}

#[test]
fn azure_devops_repositories() {
    let repo = |name: &str, branch: &str| {
        format!(
            r#"{{"id": "id-{name}", "name": "{name}", "remoteUrl": "https://acme@dev.azure.com/acme/Team%20A/_git/{name}"{branch}}}"#
        )
    };
    let main = r#", "defaultBranch": "refs/heads/main""#;
    let branch = |name: &str, sha: &str| format!(r#"{{"name": "{name}", "commit": {{"commitId": "{sha}"}}}}"#);
    let stats = |name: &str, more: &str| format!("{AZURE}/repositories/{name}/stats/branches?api-version=5.0{more}");
    let item = |name: &str, path: &str| {
        format!(
            "{AZURE}/repositories/id-{name}/items?api-version=5.0&path={path}&$format=json&versionDescriptor.version=main"
        )
    };
    let mut service = Service::default()
        .says(
            &format!("{AZURE}/repositories?api-version=5.0"),
            &format!(r#"{{"value": [{}, {}, {}]}}"#, repo("web", main), repo("empty", ""), repo("gone", main)),
        )
        .says(&stats("web", "&name=main"), &branch("main", "www"))
        .says(&stats("web", ""), &format!(r#"{{"value": [{}, {}]}}"#, branch("main", "www"), branch("dev", "ddd")))
        .says(&item("web", "deploy%2Fapp.yaml"), r#"{"path": "/deploy/app.yaml"}"#);
    let mut missing = |url: String, key: &str| {
        service.answers.insert(url, (404, None, format!(r#"{{"typeKey": "{key}"}}"#)));
    };
    missing(item("web", "other"), "GitItemNotFoundException");
    missing(item("web", "odd"), "GitUnresolvableToCommitException");
    for more in ["", "&name=main"] {
        missing(stats("gone", more), "GitRepositoryNotFoundException");
    }
    let ask = |more: &str, rest: &str| {
        let text = format!("{{azureDevOps: {{organization: acme, teamProject: Team A{more}}}{rest}}}");
        answer(&service, &question("scmProvider", &text))
    };
    let one = |branch: &str, sha: &str| {
        format!(
            r#"{{"branch":"{branch}","labels":[],"organization":"acme","repository":"web","repository_id":"id-web","sha":"{sha}","url":"https://acme@dev.azure.com/acme/Team%20A/_git/web"}}"#
        )
    };
    assert_eq!(ask("", ""), format!("[{}]", one("main", "www")));
    assert_eq!(ask(", allBranches: true", ""), format!("[{},{}]", one("main", "www"), one("dev", "ddd")));
    assert_eq!(ask("", ", filters: [{pathsExist: [deploy/app.yaml]}]"), format!("[{}]", one("main", "www")));
    assert_eq!(ask("", ", filters: [{pathsExist: [other]}]"), "[]");
    assert!(ask("", ", filters: [{pathsExist: [odd]}]").starts_with("fault:"), "that is no answer");
}

/// A filter counts once: one that says something of branches is about branches, whatever it says of repositories.
#[test]
fn filters_count_once() {
    let base = "https://gitea.com/api/v1";
    let repo = |name: &str, id: u32| {
        format!(
            r#"{{"id": {id}, "name": "{name}", "owner": {{"login": "o"}}, "html_url": "h", "ssh_url": "s", "default_branch": "main"}}"#
        )
    };
    let mut service = Service::default()
        .says(&format!("{base}/orgs/o/repos?limit=50"), &format!("[{}, {}]", repo("a", 1), repo("b", 2)));
    for name in ["a", "b"] {
        service = service.says(&format!("{base}/repos/o/{name}/labels?limit=50"), "[]").says(
            &format!("{base}/repos/o/{name}/branches?limit=50"),
            r#"[{"name": "main", "commit": {"id": "1"}}, {"name": "dev", "commit": {"id": "2"}}]"#,
        );
    }
    for (filters, want) in [
        ("[{repositoryMatch: a, branchMatch: main}, {branchMatch: dev}]", "a@main a@dev b@dev"),
        ("[{repositoryMatch: a, branchMatch: main}, {repositoryMatch: b}]", ""),
        ("[{repositoryMatch: a}, {branchMatch: dev}]", "a@dev"),
        ("[{repositoryMatch: a}, {}]", "a@main a@dev"),
        ("[{repositoryMatch: a, pathsExist: []}]", "a@main a@dev"),
    ] {
        let text = format!("{{gitea: {{owner: o, allBranches: true}}, filters: {filters}}}");
        let items: Vec<serde_json::Value> =
            serde_json::from_str(&answer(&service, &question("scmProvider", &text))).unwrap();
        let names: Vec<String> = items
            .iter()
            .map(|item| format!("{}@{}", item["repository"].as_str().unwrap(), item["branch"].as_str().unwrap()))
            .collect();
        assert_eq!(names.join(" "), want, "{filters}");
    }
}
