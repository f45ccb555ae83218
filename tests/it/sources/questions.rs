//! Generators that ask services: `fleetc update` against servers that answer as GitHub, GitLab, Gitea, Bitbucket and Azure DevOps do, and builds that replay what
//! was answered. The answers are of the shape of the services' documentation, of a made-up organization.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::server::Server;
use super::{Site, config, output, stderr, succeed, text_of, write};

const PULL: &str = r#"{"id": 1, "number": NUMBER, "state": "open", "title": "Add a page", "user": {"login": "jane", "id": 5},
  "labels": [{"id": 2, "name": "preview", "color": "ededed"}], "draft": false,
  "head": {"label": "acme:page", "ref": "page-NUMBER", "sha": "SHA"}, "base": {"label": "acme:main", "ref": "main", "sha": "0"}}"#;

fn pull(number: u32, sha: &str) -> String {
    PULL.replace("NUMBER", &number.to_string()).replace("SHA", sha)
}

fn application_set(name: &str, generator: &str, application: &str, revision: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n  goTemplate: true\n  \
         generators: [{generator}]\n  template:\n    metadata: {{name: '{application}'}}\n    spec:\n      project: default\n      \
         destination: {{server: https://kubernetes.default.svc, namespace: '{application}'}}\n      \
         source: {{repoURL: https://git.example.com/fleet.git, path: own, kustomize: {{namePrefix: '{revision}-'}}}}\n---\n"
    )
}

/// A fleet with one ApplicationSet a service, and what the services answer.
fn site() -> (Site, PathBuf) {
    let site = Site::new();
    let url = site.server.url();
    let fleet = site.path("fleet");
    let sets = [
        application_set(
            "github",
            &format!("{{pullRequest: {{github: {{owner: acme, repo: web, labels: [preview], api: {url}/github}}}}}}"),
            "pr-{{.number}}",
            "{{.head_short_sha}}",
        ),
        application_set(
            "gitlab",
            &format!(
                "{{scmProvider: {{gitlab: {{group: acme, api: {url}/gitlab}}, filters: [{{pathsExist: [deploy/app.yaml]}}]}}}}"
            ),
            "repo-{{.repository}}",
            "{{.short_sha}}",
        ),
        application_set(
            "gitea",
            &format!("{{pullRequest: {{gitea: {{owner: acme, repo: docs, api: {url}/gitea}}}}}}"),
            "doc-{{.number}}",
            "{{.author}}",
        ),
    ];
    write(&fleet.join("sets.yaml"), &sets.concat());
    let settings = "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nrepositories: [{url: https://git.example.com/fleet.git, path: .}]\n";
    write(&fleet.join("fleet.yaml"), settings);
    write(&fleet.join("own/kustomization.yaml"), "resources: [own.yaml]\n");
    write(&fleet.join("own/own.yaml"), &config("own", "own"));

    let served = site.path("served");
    let pulls = "github/api/v3/repos/acme/web/pulls";
    write(&served.join(format!("{pulls}?per_page=100")), &format!("[{}]", pull(7, "aaaaaaaa11111111")));
    write(&served.join(format!("{pulls}?per_page=100.next")), &format!("/{pulls}?page=2"));
    write(&served.join(format!("{pulls}?page=2")), &format!("[{}]", pull(9, "bbbbbbbb22222222")));
    let projects = r#"[{"id": 12, "path": "shop", "namespace": {"full_path": "acme"}, "default_branch": "main", "topics": ["web"],
      "ssh_url_to_repo": "git@gitlab.example.com:acme/shop.git", "http_url_to_repo": "https://gitlab.example.com/acme/shop.git"},
      {"id": 13, "path": "notes", "namespace": {"full_path": "acme"}, "default_branch": "main", "topics": [],
      "ssh_url_to_repo": "git@gitlab.example.com:acme/notes.git", "http_url_to_repo": "https://gitlab.example.com/acme/notes.git"}]"#;
    write(&served.join("gitlab/api/v4/groups/acme/projects"), projects);
    let branch = r#"{"name": "main", "commit": {"id": "cccccccc33333333"}}"#;
    for (project, files) in [(12, r#"[{"name": "app.yaml", "type": "blob"}]"#), (13, "[]")] {
        let place = format!("gitlab/api/v4/projects/{project}/repository");
        write(&served.join(format!("{place}/branches/main")), branch);
        write(&served.join(format!("{place}/tree")), files);
    }
    write(&served.join("gitea/api/v1/repos/acme/docs/pulls"), &format!("[{}]", pull(3, "dddddddd44444444")));
    (site, fleet)
}

fn answers(fleet: &Path) -> BTreeMap<String, Vec<u8>> {
    super::tree(&fleet.join("fleet.answers"))
}

fn update(site: &Site, fleet: &Path, environment: &[(&str, &str)]) -> Output {
    let mut command = site.command(fleet, "store", &["update"]);
    let services = ["GITHUB_", "GH_", "GITLAB_", "GITEA_", "CI_", "BITBUCKET_", "AZURE_DEVOPS_", "SYSTEM_"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| services.iter().any(|service| name.starts_with(service))) {
            command.env_remove(name);
        }
    }
    command.envs(environment.iter().copied()).output().unwrap()
}

/// What was asked with a login.
fn shown(server: &Server) -> Vec<String> {
    server.asked().into_iter().filter(|line| line.contains('(')).collect()
}

#[test]
fn services_are_asked_by_update_and_replayed_by_builds() {
    let (mut site, fleet) = site();
    let unanswered = site.run(&fleet, "store", &["build", "."]);
    assert_eq!(unanswered.status.code(), Some(3), "{}", stderr(&unanswered));
    assert!(stderr(&unanswered).contains("no answer is recorded") && stderr(&unanswered).contains("`fleetc update`"));
    assert!(site.server.asked().is_empty(), "a build asks nobody");

    // Neither does an update that may not.
    for offline in [&["update", "--offline"][..], &["update", "--dry-run"]] {
        let kept = site.run(&fleet, "store", offline);
        assert_eq!(kept.status.code(), Some(3), "{offline:?}: {}", stderr(&kept));
        assert!(site.server.asked().is_empty() && !fleet.join("fleet.answers").exists(), "{offline:?}");
    }

    let updated = update(&site, &fleet, &[]);
    succeed(&updated, &["update"]);
    assert!(stderr(&updated).contains("3 answers recorded in fleet.answers"), "{}", stderr(&updated));
    let recorded = answers(&fleet);
    assert_eq!(recorded.len(), 3);
    let lock = fs::read_to_string(fleet.join("fleet.lock")).unwrap();
    assert_eq!(lock.lines().filter(|line| line.starts_with("- {id: ")).count(), 3, "{lock}");
    assert!(site.server.asked().iter().any(|line| line.ends_with("/web/pulls")));

    // Builds replay, also where nobody answers any more.
    site.server.stop();
    let built = site.build(&fleet, "store", &["--locked", "--offline"]);
    let text = text_of(&built);
    for want in [
        "name: aaaaaaaa-own",
        "name: bbbbbbbb-own",
        "name: cccccccc-own",
        "name: jane-own",
        "name: pr-9",
        "name: repo-shop",
    ] {
        assert!(text.contains(want), "{want} is not in {text}");
    }
    assert!(!text.contains("repo-notes"), "it has no such path");
    assert_eq!(output(&fleet)["fleet.lock"], lock.as_bytes());

    // A service that is gone takes nothing away.
    let gone = update(&site, &fleet, &[("FLEETC_OFFLINE", "1")]);
    succeed(&gone, &["update"]);
    assert!(stderr(&gone).contains("offline: what generators ask is not asked"), "{}", stderr(&gone));
    assert_eq!((answers(&fleet), fs::read_to_string(fleet.join("fleet.lock")).unwrap()), (recorded, lock));
}

#[test]
fn answers_that_are_not_the_pinned_ones_are_refused() {
    let (site, fleet) = site();
    succeed(&update(&site, &fleet, &[]), &["update"]);
    let first = site.build(&fleet, "store", &["--locked"]);
    let name = answers(&fleet).into_keys().find(|name| name.starts_with("pullRequest-")).unwrap();
    let file = fleet.join("fleet.answers").join(&name);
    let old = fs::read_to_string(&file).unwrap();

    // Edited, its own digest does not fit.
    fs::write(&file, old.replace("author: jane", "author: mallory")).unwrap();
    let refused = site.run(&fleet, "store", &["build", "."]);
    assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("was changed after it was recorded"), "{}", stderr(&refused));

    // Exchanged as a whole it fits itself, and not the lock.
    fs::write(&file, &old).unwrap();
    let other = site.path("other");
    for (path, bytes) in super::tree(&fleet).into_iter().filter(|(path, _)| !path.starts_with("bundles/")) {
        write(&other.join(path), &String::from_utf8(bytes).unwrap());
    }
    let served = site.path("served");
    for pulls in ["github/api/v3/repos/acme/web/pulls?page=2", "gitea/api/v1/repos/acme/docs/pulls"] {
        write(&served.join(pulls), &format!("[{}]", pull(11, "eeeeeeee55555555")));
    }
    succeed(&update(&site, &other, &[]), &["update"]);
    let new = fs::read_to_string(other.join("fleet.answers").join(&name)).unwrap();
    assert_ne!(new, old);
    fs::write(&file, &new).unwrap();
    let digest =
        |text: &str| text.lines().find_map(|line| line.strip_prefix("digest: ")).map(str::to_owned).unwrap_or_default();
    for arguments in [&["build", "."][..], &["build", ".", "--locked"], &["check"], &["expand"]] {
        let refused = site.run(&fleet, "store", arguments);
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(said.contains(&digest(&old)) && said.contains(&digest(&new)) && said.contains(&name), "{said}");
    }
    assert_eq!(output(&fleet), first, "nothing was written");

    // Update asks again and pins what is answered.
    succeed(&update(&site, &fleet, &[]), &["update"]);
    let text = text_of(&site.build(&fleet, "store", &["--locked"]));
    assert!(text.contains("name: eeeeeeee-own") && !text.contains("name: bbbbbbbb-own"), "{text}");

    // A service that answers nonsense leaves answer and pin as they are.
    let before = (answers(&fleet), fs::read(fleet.join("fleet.lock")).unwrap());
    write(&served.join("github/api/v3/repos/acme/web/pulls?page=2"), "<html>");
    let failed = update(&site, &fleet, &[]);
    assert_eq!(failed.status.code(), Some(4), "{}", stderr(&failed));
    assert!(stderr(&failed).contains("answers something that is no JSON"), "{}", stderr(&failed));
    assert_eq!((answers(&fleet), fs::read(fleet.join("fleet.lock")).unwrap()), before);
}

#[test]
fn tokens_of_the_environment_go_to_named_hosts_only() {
    let (site, fleet) = site();
    let url = site.server.url();
    let tokens = [("GITHUB_TOKEN", "t0ken-hub"), ("GITLAB_TOKEN", "t0ken-lab"), ("GITEA_TOKEN", "t0ken-tea")];
    let updated = update(&site, &fleet, &tokens);
    succeed(&updated, &["update"]);
    assert_eq!(shown(&site.server), Vec::<String>::new(), "the fleet's files name these hosts, nobody else does");

    let hub = format!("{url}/github/api/v3");
    let named: Vec<(&str, &str)> = tokens.iter().copied().chain([("GITHUB_API_URL", hub.as_str())]).collect();
    succeed(&update(&site, &fleet, &named), &["update"]);
    let seen = shown(&site.server);
    assert!(
        !seen.is_empty() && seen.iter().all(|line| line.contains("/github/") && line.ends_with("(Bearer t0ken-hub)")),
        "{seen:?}"
    );

    let others = [("CI_SERVER_URL", url.as_str()), ("GITEA_SERVER_URL", url.as_str())];
    let named: Vec<(&str, &str)> = tokens.iter().copied().chain(others).collect();
    let all = update(&site, &fleet, &named);
    succeed(&all, &["update"]);
    let seen = shown(&site.server);
    assert!(seen.iter().any(|line| line.ends_with("(Bearer t0ken-lab)")), "{seen:?}");
    assert!(seen.iter().any(|line| line.ends_with("(Bearer t0ken-tea)")), "{seen:?}");
    assert!(!seen.iter().any(|line| line.contains("t0ken-hub")), "{seen:?}");
    let written: String =
        text_of(&answers(&fleet)) + &stderr(&all) + &fs::read_to_string(fleet.join("fleet.lock")).unwrap();
    assert!(!written.contains("t0ken"), "{written}");
}

/// Bitbucket and Azure DevOps: pages in the body, passwords in place of tokens.
#[test]
fn bitbucket_and_azure_devops_are_asked() {
    let site = Site::new();
    let url = site.server.url();
    let (fleet, served) = (site.path("fleet"), site.path("served"));
    let sets = [
        application_set(
            "cloud",
            &format!(
                "{{pullRequest: {{bitbucket: {{owner: acme, repo: web, api: {url}/cloud, basicAuth: {{username: joe, passwordRef: {{secretName: s, key: k}}}}}}}}}}"
            ),
            "pr-{{.number}}",
            "{{.head_short_sha}}",
        ),
        application_set(
            "server",
            &format!(
                "{{scmProvider: {{bitbucketServer: {{project: OPS, api: {url}/server}}, filters: [{{pathsExist: [deploy]}}]}}}}"
            ),
            "{{.repository}}-{{.repository_id}}",
            "{{.short_sha}}",
        ),
        application_set(
            "azure",
            &format!("{{scmProvider: {{azureDevOps: {{organization: acme, teamProject: shop, api: {url}/azure}}}}}}"),
            "{{.repository}}-{{.repository_id}}",
            "{{.short_sha}}",
        ),
    ];
    write(&fleet.join("sets.yaml"), &sets.concat());
    let settings = "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nrepositories: [{url: https://git.example.com/fleet.git, path: .}]\n";
    write(&fleet.join("fleet.yaml"), settings);
    write(&fleet.join("own/kustomization.yaml"), "resources: [own.yaml]\n");
    write(&fleet.join("own/own.yaml"), &config("own", "own"));

    let pull = |id: u32, hash: &str| {
        format!(
            r#"{{"id": {id}, "title": "T", "source": {{"branch": {{"name": "b"}}, "commit": {{"hash": "{hash}"}}}}, "destination": {{"branch": {{"name": "main"}}}}, "author": {{"nickname": "jane"}}}}"#
        )
    };
    let pulls = "cloud/repositories/acme/web/pullrequests";
    let next = format!("{url}/{pulls}?page=2");
    write(
        &served.join(format!("{pulls}?pagelen=50")),
        &format!(r#"{{"next": "{next}", "values": [{}]}}"#, pull(7, "aaaaaaaa11111111")),
    );
    write(&served.join(format!("{pulls}?page=2")), &format!(r#"{{"values": [{}]}}"#, pull(9, "bbbbbbbb22222222")));
    let repos = "server/rest/api/1.0/projects/OPS";
    let repo = |name: &str, id: u32| {
        format!(
            r#"{{"id": {id}, "name": "{name}", "project": {{"key": "OPS"}}, "links": {{"clone": [{{"name": "ssh", "href": "ssh://git@bb/{name}.git"}}]}}}}"#
        )
    };
    let page = |more: &str, repo: &str| format!(r#"{{{more}, "values": [{repo}]}}"#);
    write(
        &served.join(format!("{repos}/repos?limit=100")),
        &page(r#""isLastPage": false, "nextPageStart": 1"#, &repo("db", 4)),
    );
    write(&served.join(format!("{repos}/repos?limit=100&start=1")), &page(r#""isLastPage": true"#, &repo("notes", 5)));
    for name in ["db", "notes"] {
        let branch = r#"{"displayId": "main", "latestCommit": "cccccccc33333333"}"#;
        write(&served.join(format!("{repos}/repos/{name}/branches/default")), branch);
    }
    write(&served.join(format!("{repos}/repos/db/browse/deploy")), r#"{"type": "DIRECTORY"}"#);
    let place = "azure/acme/shop/_apis/git/repositories";
    let listed = r#"{"value": [{"id": "0af", "name": "till", "defaultBranch": "refs/heads/main", "remoteUrl": "https://dev.azure.com/acme/shop/_git/till"}]}"#;
    write(&served.join(format!("{place}?api-version=5.0")), listed);
    let branch = r#"{"name": "main", "commit": {"commitId": "dddddddd44444444"}}"#;
    write(&served.join(format!("{place}/till/stats/branches?api-version=5.0&name=main")), branch);

    let logins = [
        ("BITBUCKET_APP_PASSWORD", "p4ss"),
        ("BITBUCKET_SERVER_TOKEN", "t0ken"),
        ("AZURE_DEVOPS_EXT_PAT", "p4t"),
        ("BITBUCKET_SERVER_URL", url.as_str()),
    ];
    let updated = update(&site, &fleet, &logins);
    succeed(&updated, &["update"]);
    assert!(stderr(&updated).contains("3 answers recorded in fleet.answers"), "{}", stderr(&updated));
    let seen = shown(&site.server);
    assert!(
        !seen.is_empty() && seen.iter().all(|line| line.contains("/server/") && line.ends_with("(Bearer t0ken)")),
        "only one host was named: {seen:?}"
    );
    let named: Vec<(&str, &str)> =
        logins.into_iter().chain([("BITBUCKET_API_URL", url.as_str()), ("AZURE_DEVOPS_URL", url.as_str())]).collect();
    let all = update(&site, &fleet, &named);
    succeed(&all, &["update"]);
    let seen = shown(&site.server);
    // `joe:p4ss` and `:p4t`.
    for (place, login) in
        [("/cloud/", "(Basic am9lOnA0c3M=)"), ("/server/", "(Bearer t0ken)"), ("/azure/", "(Basic OnA0dA==)")]
    {
        assert!(seen.iter().any(|line| line.contains(place)), "{place}: {seen:?}");
        let wrong = |line: &&String| line.contains(place) && !line.ends_with(login);
        assert_eq!(seen.iter().find(wrong), None);
    }
    let text = text_of(&site.build(&fleet, "store", &["--locked", "--offline"]));
    for want in ["aaaaaaaa-own", "bbbbbbbb-own", "cccccccc-own", "dddddddd-own", "name: db-4", "name: till-0af"] {
        assert!(text.contains(want), "{want} is not in {text}");
    }
    assert!(!text.contains("notes-5"), "it has no such path");
    let written = text_of(&answers(&fleet)) + &stderr(&all) + &fs::read_to_string(fleet.join("fleet.lock")).unwrap();
    assert!(!["p4ss", "t0ken", "p4t\""].iter().any(|secret| written.contains(secret)), "{written}");
}
