//! Which login a place gets.

use super::super::{Access, Credentials, Login};
use super::{authority, credentials, secret};
use crate::span::FileId;
use crate::yaml;

fn who(access: &Access) -> String {
    match &access.login {
        Some(Login::Basic { user, password }) => format!("{user}:{}", password.reveal()),
        Some(Login::Bearer(token)) => format!("bearer {}", token.reveal()),
        Some(Login::Identity(token)) => format!("identity {}", token.reveal()),
        None => String::new(),
    }
}

fn check(all: &Credentials, cases: &[(&str, &str)]) {
    for (url, want) in cases {
        assert_eq!(all.access(url).map(|access| who(&access)).as_deref(), Ok(*want), "{url}");
    }
}

#[test]
fn repositories_go_before_the_longest_template() {
    let text = [
        secret("repo-creds", &[("url", "https://git.example.com/"), ("username", "host"), ("password", "1")]),
        secret("repo-creds", &[("url", "https://git.example.com/team"), ("username", "team"), ("password", "2")]),
        secret(
            "repository",
            &[("url", "https://git.example.com/team/own.git"), ("username", "own"), ("password", "3")],
        ),
        secret("repository", &[("url", "https://git.example.com/team/bare"), ("proxy", "http://proxy")]),
        secret(
            "repository",
            &[("url", "https://git.example.com/p"), ("project", "a"), ("username", "a"), ("password", "4")],
        ),
        secret("repository", &[("url", "https://git.example.com/p"), ("username", "all"), ("password", "5")]),
        secret("repo-creds", &[("url", "ghcr.io/org"), ("username", "oci"), ("password", "6"), ("enableOCI", "true")]),
        secret("repo-creds", &[("url", "https://bearer.example.com"), ("bearerToken", "token")]),
        secret("cluster", &[("url", "https://other.example.com"), ("username", "no"), ("password", "7")]),
    ];
    let all = credentials(&text.concat());
    check(
        &all,
        &[
            ("https://git.example.com/team/own", "own:3"),
            ("https://git.example.com/Team/Own.git/", "own:3"),
            ("https://git.example.com/team/x", "team:2"),
            ("https://git.example.com/teamwork/x", "team:2"),
            ("https://git.example.com/other", "host:1"),
            ("https://git.example.com/team/bare", "team:2"),
            ("https://git.example.com/p", "all:5"),
            ("https://git.example.com:443/other", "host:1"),
            // Not the same server, whatever a comparison of texts says.
            ("https://git.example.com.evil.org/team/x", ""),
            ("https://git.example.com:8443/team/x", ""),
            ("http://git.example.com/team/x", ""),
            ("https://git.example.com@evil.org/team/x", "git.example.com:"),
            ("https://git.example.com/team/../../etc", "host:1"),
            ("ghcr.io/org/charts", "oci:6"),
            ("oci://ghcr.io/org/charts", "oci:6"),
            ("https://bearer.example.com/x", "bearer token"),
            ("https://other.example.com/", ""),
            ("./folder", ""),
        ],
    );
    let bare = all.access("https://git.example.com/team/bare").unwrap();
    assert_eq!(bare.proxy.unwrap().reveal(), "http://proxy");
    assert!(all.access("ghcr.io/org/charts").unwrap().oci);
}

#[test]
fn ssh_keys_and_hosts_are_known() {
    let known = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-ssh-known-hosts-cm\ndata:\n  ssh_known_hosts: |\n    host ssh-ed25519 AAAA\n";
    let key = secret("repo-creds", &[("url", "git@github.com:org"), ("sshPrivateKey", "KEY")]);
    let all = credentials(&format!("{key}{known}{}", authority("git.example.com", "PEM")));
    assert_eq!(all.known_hosts(), "host ssh-ed25519 AAAA");
    for (url, want) in [
        ("git@github.com:org/repo.git", true),
        ("ssh://git@github.com/org/repo", true),
        ("other@github.com:org/repo", false),
        ("https://github.com/org/repo", false),
    ] {
        assert_eq!(all.access(url).unwrap().ssh_key.is_some(), want, "{url}");
    }
    assert_eq!(all.access("https://git.example.com:8443/x").unwrap().authorities.as_deref(), Some("PEM\n"));
    assert_eq!(all.access("https://other.example.com/x").unwrap().authorities, None);
}

#[test]
fn the_environment_goes_before_secrets_and_files_behind() {
    let app = secret(
        "repository",
        &[("url", "https://app.example.com/x"), ("githubAppID", "1"), ("githubAppPrivateKey", "KEY")],
    );
    let broken = "---\nkind: Secret\nmetadata: {name: broken, labels: {argocd.argoproj.io/secret-type: repository}}\ndata: {url: aHR0cHM6Ly9icm9rZW4uZXhhbXBsZS5jb20=, password: '%%%'}\n";
    let own =
        secret("repository", &[("url", "https://secret.example.com/x"), ("username", "secret"), ("password", "1")]);
    let mut all = credentials(&format!("{app}{broken}{own}"));
    let fault = all.access("https://app.example.com/x").unwrap_err();
    assert!(fault.reason.contains("as a GitHub App, which is not supported"), "{fault:?}");
    let fault = all.access("https://broken.example.com").unwrap_err();
    assert!(fault.reason.contains("`data.password` is no text in base64"), "{fault:?}");
    all.add_netrc("# comment\nmachine secret.example.com login netrc password 2\nmachine\n  plain.example.com login me\n  password 3 machine ported.example.com:8443 login p password 4\ndefault login any password 5\nmacdef init\n  machine evil\n\nmachine last.example.com password 6\n");
    all.add_docker(r#"{"auths": {"https://index.docker.io/v1/": {"auth": "aHViOnB3"}, "ghcr.io/org": {"username": "o", "password": "p"}, "acr.example.com": {"identitytoken": "id"}, "helped.example.com": {}}, "credHelpers": {"gcr.io": "gcloud"}}"#);
    all.add_logins("https://env:p%40ss@app.example.com/ https://:tok@secret.example.com/deeper/").unwrap();
    check(
        &all,
        &[
            ("https://app.example.com/x", "env:p@ss"),
            ("https://secret.example.com/x", "secret:1"),
            ("https://secret.example.com/deeper/x", "bearer tok"),
            ("https://secret.example.com/y", "netrc:2"),
            ("https://plain.example.com/", "me:3"),
            ("http://plain.example.com/", ""),
            ("https://plain.example.com:8443/", ""),
            ("https://ported.example.com:8443/", "p:4"),
            ("https://last.example.com/", ":6"),
            ("https://evil/", ""),
            ("https://unknown.example.com/", ""),
            ("oci://docker.io/library/x", "hub:pw"),
            ("oci://registry-1.docker.io/bitnamicharts", "hub:pw"),
            ("oci://ghcr.io/org/x", "o:p"),
            ("oci://ghcr.io/organisation", ""),
            ("oci://acr.example.com/x", "identity id"),
            ("https://ghcr.io/org/x", ""),
        ],
    );
    let access = all.access("oci://gcr.io/x").unwrap();
    assert!(all.advice("oci://gcr.io/x", &access).contains("credential helper"));
    for wrong in ["example.com", "https://example.com/", "ssh://git@host/"] {
        assert!(Credentials::default().add_logins(wrong).unwrap_err().reason.contains("login 1 of FLEETC_LOGINS"));
    }
}

#[test]
fn what_the_machine_knows_is_not_for_who_may_change_files() {
    for (setting, value) in [("insecure", "true"), ("proxy", "http://thief"), ("insecureOCIForceHttp", "true")] {
        let weak = |own: &[(&str, &str)]| {
            let fields = [&[("url", "oci://host.example.com/x"), (setting, value)], own].concat();
            credentials(&secret("repository", &fields))
        };
        let url = "oci://host.example.com/x";
        let mut all = weak(&[]);
        all.add_netrc("machine host.example.com login me password netrc");
        all.add_docker(r#"{"auths": {"host.example.com": {"username": "me", "password": "docker"}}}"#);
        check(&all, &[(url, ""), ("oci://host.example.com/y", "me:docker")]);
        all.add_logins("oci://me:env@host.example.com/").unwrap();
        let fault = all.access(url).unwrap_err();
        assert!(fault.reason.contains("does not go with the login of FLEETC_LOGINS"), "{fault:?}");
        check(&all, &[("oci://host.example.com/y", "me:env")]);
        check(&weak(&[("username", "file"), ("password", "1")]), &[(url, "file:1")]);
    }
}

#[test]
fn the_files_of_a_fleet_are_looked_through() {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, text: String| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let at = |host: &str| {
        secret("repository", &[("url", &format!("https://{host}.example.com")), ("username", host), ("password", "1")])
    };
    put("argocd/repos.yaml", at("one") + &at("two"));
    put("broken.yaml", "argocd.argoproj.io/secret-type: [".to_owned());
    put("list.json", r#"{"kind": "List", "items": [{"kind": "Secret", "metadata": {"name": "x", "labels": {"argocd.argoproj.io/secret-type": "repository"}}, "stringData": {"url": "https://three.example.com", "username": "three", "password": "1"}}]}"#.to_owned());
    put(".hidden/repos.yaml", at("four"));
    put("bundles/bundles.lock", String::new());
    put("bundles/repos.yaml", at("five"));
    let all = Credentials::gather(Some(folder.path()));
    for (host, known) in [("one", true), ("two", true), ("three", true), ("four", false), ("five", false)] {
        let access = all.access(&format!("https://{host}.example.com")).unwrap();
        assert_eq!(access.origin.contains("in `"), known, "{host}: {access:?}");
    }
}

/// What a cluster knows counts before what files say, and does not go where only a file asks for what would let others read it.
#[test]
fn logins_of_a_cluster_are_safe_from_files() {
    let (host, template) = ("https://git.example.com/org/repo", "https://git.example.com/org");
    let parse = |text: &str| {
        yaml::parse(FileId::NONE, text.as_bytes(), yaml::Dialect::V2, &yaml::Limits::default()).documents[0]
            .root
            .clone()
    };
    let made = |file: &[(&str, &str)]| {
        let mut all = Credentials::default();
        let url = [("url", host)];
        let pairs: Vec<(&str, &str)> = url.into_iter().chain(file.iter().copied()).collect();
        all.add(&parse(&secret("repository", &pairs)), "`repos.yaml`");
        let live = [("url", template), ("username", "live"), ("password", "1")];
        all.add_trusted(&parse(&secret("repo-creds", &live)), "the cluster");
        all
    };
    check(&made(&[]), &[(host, "live:1")]);
    check(&made(&[("username", "file"), ("password", "2")]), &[(host, "file:2")]);
    for weak in [("insecure", "true"), ("proxy", "http://evil.example.com"), ("insecureOCIForceHttp", "true")] {
        let fault = made(&[weak]).access(host).unwrap_err();
        assert!(fault.reason.contains("does not go with the login of the Secret"), "{fault:?}");
        // A file that brings its own login may say how it is sent.
        check(&made(&[weak, ("username", "file"), ("password", "2")]), &[(host, "file:2")]);
    }
    // The repository's own Secret on the cluster counts before the one of a file.
    let mut all = made(&[("username", "file"), ("password", "2")]);
    all.add_trusted(
        &parse(&secret("repository", &[("url", host), ("username", "own"), ("password", "3")])),
        "the cluster",
    );
    check(&all, &[(host, "own:3")]);
}
