//! A fleet with charts of a Helm repository on loopback: fetched with the login of its Secret, pinned, and built again without the server.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use fleetc::digest::Digest;

/// What a repository has, by path.
type Files = Vec<(String, Vec<u8>)>;

/// Serves the files to who logs in; the port, and what was asked.
fn serve(files: Files) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let path = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let let_in = head.iter().any(|line| line.eq_ignore_ascii_case("authorization: Basic bWU6cHctb2YtdGVzdA=="));
            let found = files.iter().find(|(known, _)| *known == path);
            let (status, body) = match (let_in, found) {
                (false, _) => (401, &[][..]),
                (true, None) => (404, &[][..]),
                (true, Some((_, body))) => (200, body.as_slice()),
            };
            seen.lock().unwrap().push(path);
            let _ =
                write!(stream, "HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(body);
        }
    });
    (port, asked)
}

fn packed(name: &str, version: &str) -> Vec<u8> {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-{{ .Chart.Name }}\ndata:\n  version: {{ .Chart.Version | quote }}\n";
    let chart = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()));
    for (path, text) in [("Chart.yaml", chart.as_str()), ("templates/c.yaml", template)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{name}/{path}"), text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn repository(charts: &[(&str, &str)]) -> Files {
    let mut files = Files::new();
    let mut index = "apiVersion: v1\nentries:\n".to_owned();
    for (name, version) in charts {
        let bytes = packed(name, version);
        index += &format!(
            "  {name}:\n  - version: {version}\n    digest: {}\n    urls: [{name}-{version}.tgz]\n",
            Digest::of(&bytes).hex()
        );
        files.push((format!("/charts/{name}-{version}.tgz"), bytes));
    }
    files.push(("/charts/index.yaml".to_owned(), index.into_bytes()));
    files
}

fn fleetc(folder: &Path, store: &Path, args: &[&str]) -> Output {
    prepared(folder, store, args).output().unwrap()
}

fn prepared(folder: &Path, store: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetc"));
    command.args(args).current_dir(folder).env("FLEETC_STORE", store).env("HOME", folder);
    for name in [
        "FLEETC_OFFLINE",
        "FLEETC_LOGINS",
        "NETRC",
        "DOCKER_CONFIG",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env_remove(name);
    }
    command
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn charts_are_fetched_once_pinned_and_kept() {
    let temporary = tempfile::tempdir().unwrap();
    let (fleet, store) = (temporary.path().join("fleet"), temporary.path().join("store"));
    let (port, asked) = serve(repository(&[("web", "1.2.0"), ("cache", "3.0.0")]));
    let url = format!("http://127.0.0.1:{port}/charts");
    let put = |path: &str, text: String| {
        fs::create_dir_all(fleet.join(path).parent().unwrap()).unwrap();
        fs::write(fleet.join(path), text).unwrap();
    };
    let secret = |password: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: charts\n  labels: {{argocd.argoproj.io/secret-type: repository}}\nstringData: {{type: helm, url: {url:?}, username: me, password: {password}}}\n"
        )
    };
    put("repositories.yaml", secret("wrong-pw"));
    put(
        "fleet.yaml",
        "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {name: t}\ndefinitions: [apps.yaml]\nrepositories:\n  - {url: https://git.example.com/r.git, path: .}\nclusters:\n  - {name: in-cluster, kubeVersion: '1.33.4'}\n".to_owned(),
    );
    let app = |name: &str, source: &str| {
        format!(
            "---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n  project: default\n  destination: {{name: in-cluster, namespace: prod}}\n  source: {source}\n"
        )
    };
    put(
        "apps.yaml",
        app("direct", &format!("{{repoURL: {url:?}, chart: web, targetRevision: 1.x}}"))
            + &app("umbrella", "{repoURL: https://git.example.com/r.git, path: umbrella}"),
    );
    put(
        "umbrella/Chart.yaml",
        format!(
            "apiVersion: v2\nname: umbrella\nversion: 0.1.0\ndependencies:\n  - {{name: web, version: ^1.0.0, repository: {url:?}, alias: front}}\n  - {{name: cache, version: 3.x.x, repository: {url:?}}}\n"
        ),
    );
    // A wrong password holds both, and is shown by nobody.
    let wrong = fleetc(&fleet, &store, &["build"]);
    let text = told(&wrong);
    assert_eq!(wrong.status.code(), Some(4), "{text}");
    assert!(
        text.contains("refuses the login") && text.contains("the Secret `charts` in `repositories.yaml`"),
        "{text}"
    );
    assert!(!text.contains("wrong-pw"), "{text}");
    let _ = fs::remove_dir_all(fleet.join("bundles"));
    put("repositories.yaml", secret("pw-of-test"));
    asked.lock().unwrap().clear();
    let built = fleetc(&fleet, &store, &["build"]);
    assert!(built.status.success(), "{}", told(&built));
    let read = |path: &str| fs::read_to_string(fleet.join(path)).unwrap();
    let umbrella = read("bundles/in-cluster/apps/umbrella.yaml");
    assert!(umbrella.contains("name: umbrella-front") && umbrella.contains("name: umbrella-cache"), "{umbrella}");
    assert!(read("bundles/in-cluster/apps/direct.yaml").contains("version: 1.2.0"));
    let lock = read("fleet.lock");
    for part in [
        r#"chart: "cache", revision: "3.x.x", version: "3.0.0""#,
        r#"chart: "web", revision: "1.x", version: "1.2.0""#,
        r#"chart: "web", revision: "^1.0.0", version: "1.2.0""#,
    ] {
        assert!(lock.contains(part), "{part}: {lock}");
    }
    assert!(!lock.contains("pw-of-test") && !told(&built).contains("pw-of-test"));
    let mut paths = asked.lock().unwrap().clone();
    paths.sort();
    assert_eq!(paths, ["/charts/cache-3.0.0.tgz", "/charts/index.yaml", "/charts/web-1.2.0.tgz"], "each once");
    // The store is enough; another machine without one and without a network says what is missing.
    asked.lock().unwrap().clear();
    let (lock, bundles) = (read("fleet.lock"), read("bundles/bundles.lock"));
    let again = fleetc(&fleet, &store, &["check", "--frozen"]);
    assert!(again.status.success(), "{}", told(&again));
    assert_eq!((read("fleet.lock"), read("bundles/bundles.lock")), (lock, bundles));
    assert!(asked.lock().unwrap().is_empty());
    let elsewhere = fleetc(&fleet, &temporary.path().join("empty"), &["check", "--offline"]);
    assert_eq!(elsewhere.status.code(), Some(4), "{}", told(&elsewhere));
    // A fresh store from the lock, with the same bytes.
    let fresh = fleetc(&fleet, &temporary.path().join("fresh"), &["check", "--locked"]);
    assert!(fresh.status.success(), "{}", told(&fresh));
}

#[test]
fn helm_fetches_dependencies_when_it_is_asked_to() {
    let temporary = tempfile::tempdir().unwrap();
    let (port, _) = serve(repository(&[("web", "1.2.0"), ("cache", "3.0.0")]));
    let url = format!("http://127.0.0.1:{port}/charts");
    let chart = temporary.path().join("umbrella");
    fs::create_dir_all(chart.join("templates")).unwrap();
    let dependencies = format!(
        "dependencies:\n  - {{name: web, version: 1.x, repository: {url:?}, alias: front}}\n  - {{name: cache, version: '>=2', repository: {url:?}}}\n"
    );
    fs::write(chart.join("Chart.yaml"), format!("apiVersion: v2\nname: umbrella\nversion: 0.1.0\n{dependencies}"))
        .unwrap();
    let store = temporary.path().join("store");
    let run = |more: &[&str], login: &str| {
        let mut command = prepared(temporary.path(), &store, &[&["helm", "rel", "umbrella"], more].concat());
        command.env("FLEETC_LOGINS", format!("http://me:{login}@127.0.0.1:{port}/")).output().unwrap()
    };
    // As Helm does: what is missing is an error, and nothing is asked.
    let missing = run(&[], "pw-of-test");
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        told(&missing).contains("found in Chart.yaml, but missing in charts/ directory: web, cache"),
        "{}",
        told(&missing)
    );
    let refused = run(&["--dependency-update"], "wrong-pw");
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains("the login") && !told(&refused).contains("wrong-pw"), "{}", told(&refused));
    let found = run(&["--dependency-update"], "pw-of-test");
    assert!(found.status.success(), "{}", told(&found));
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    for part in
        ["# Source: umbrella/charts/front/templates/c.yaml", "name: rel-front", "name: rel-cache", "version: \"3.0.0\""]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!chart.join("charts").exists() && !chart.join("Chart.lock").exists());
}
