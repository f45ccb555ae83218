//! Fleets whose sources are on servers: pins, stores, two machines, no network, processes that are killed or run together.
//!
//! The servers are real ones on the loopback interface: git by its own `git http-backend`, and a static Helm repository. Without a git
//! program the tests say so and pass.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "a test runs programs and servers"
)]

mod large;
mod management;
mod questions;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use server::Server;

/// A folder with a server and what it serves.
struct Site {
    scratch: tempfile::TempDir,
    server: Server,
}

fn has_git() -> bool {
    let found = Command::new("git").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("not run: there is no git program");
    }
    found
}

fn config(name: &str, text: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  from: {text}\n")
}

fn application(name: &str, source: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n  project: default\n  \
         destination: {{server: https://kubernetes.default.svc, namespace: {name}}}\n  source: {source}\n---\n"
    )
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The files below a folder, by path.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in
        walkdir::WalkDir::new(dir).into_iter().filter_map(Result::ok).filter(|entry| entry.file_type().is_file())
    {
        let name = entry.path().strip_prefix(dir).unwrap().to_string_lossy().into_owned();
        files.insert(name, fs::read(entry.path()).unwrap());
    }
    files
}

impl Site {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir_all(scratch.path().join("served/git")).unwrap();
        let server = Server::start(&scratch.path().join("served"));
        Site { scratch, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn git(&self, folder: &Path, arguments: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .current_dir(folder)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.scratch.path())
            .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Commits files to the main branch of a repository that is served.
    fn commit(&self, name: &str, files: &[(&str, &str)]) {
        let work = self.path(&format!("work/{name}"));
        let bare = self.path(&format!("served/git/{name}.git"));
        if !work.exists() {
            fs::create_dir_all(&work).unwrap();
            self.git(&work, &["init", "--quiet"]);
            self.git(&work, &["init", "--quiet", "--bare", bare.to_str().unwrap()]);
            self.git(&work, &["remote", "add", "origin", bare.to_str().unwrap()]);
        }
        for (path, text) in files {
            write(&work.join(path), text);
        }
        self.git(&work, &["add", "--all"]);
        self.git(&work, &["commit", "--quiet", "-m", "x"]);
        self.git(&work, &["push", "--quiet", "origin", "HEAD:main"]);
    }

    fn repository(&self, name: &str) -> String {
        format!("{}/git/{name}.git", self.server.url())
    }

    /// Puts a chart into the Helm repository.
    fn chart(&self, name: &str, versions: &[(&str, &str)]) {
        let mut index = "apiVersion: v1\nentries:\n".to_owned();
        index.push_str(&format!("  {name}:\n"));
        for (version, text) in versions {
            let mut packed = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
            let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-chart\ndata:\n  from: {{ .Values.from }}\n";
            for (path, text) in [
                ("Chart.yaml", format!("apiVersion: v2\nname: {name}\nversion: {version}\n")),
                ("values.yaml", format!("from: {text}\n")),
                ("templates/config.yaml", template.to_owned()),
            ] {
                let mut header = tar::Header::new_gnu();
                header.set_size(text.len() as u64);
                header.set_mode(0o644);
                packed.append_data(&mut header, format!("{name}/{path}"), text.as_bytes()).unwrap();
            }
            let bytes = packed.into_inner().unwrap().finish().unwrap();
            let file = format!("{name}-{version}.tgz");
            fs::create_dir_all(self.path("served/charts")).unwrap();
            // Without its digest an archive would have to be fetched to be pinned.
            let digest = fleetc::digest::Digest::of(&bytes).hex();
            fs::write(self.path(&format!("served/charts/{file}")), bytes).unwrap();
            index.push_str(&format!(
                "  - {{apiVersion: v2, name: {name}, version: {version}, urls: [{file}], digest: {digest}}}\n"
            ));
        }
        write(&self.path("served/charts/index.yaml"), &index);
    }

    fn charts(&self) -> String {
        format!("{}/charts", self.server.url())
    }

    /// A fleet with a folder of a repository, a chart, and a kustomization with a remote base.
    fn fleet(&self, folder: &str) -> PathBuf {
        let fleet = self.path(folder);
        let mut text =
            application("web", &format!("{{repoURL: {}, path: web, targetRevision: main}}", self.repository("apps")));
        text.push_str(&application("db", &format!("{{repoURL: {}, chart: db, targetRevision: ^1}}", self.charts())));
        text.push_str(&application("top", &format!("{{repoURL: {}, path: top}}", self.repository("apps"))));
        text.push_str(&application("own", "{repoURL: https://git.example.com/fleet.git, path: own}"));
        write(&fleet.join("apps.yaml"), &text);
        let settings = "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nrepositories: [{url: https://git.example.com/fleet.git, path: .}]\n";
        write(&fleet.join("fleet.yaml"), settings);
        let own = format!("resources: [own.yaml, '{}//base?ref=main']\n", self.repository("base"));
        write(&fleet.join("own/kustomization.yaml"), &own);
        write(&fleet.join("own/own.yaml"), &config("own", "own"));
        fleet
    }

    /// What [`Site::fleet`] asks for.
    fn serve_fleet(&self) {
        let base = format!("resources: ['{}//base?ref=main']\nnamePrefix: top-\n", self.repository("base"));
        self.commit("apps", &[("web/x.yaml", &config("x", "one")), ("top/kustomization.yaml", &base)]);
        let files = [("base/kustomization.yaml", "resources: [y.yaml]\n"), ("base/y.yaml", &*config("z", "base"))];
        self.commit("base", &files);
        self.chart("db", &[("1.0.0", "old"), ("1.1.0", "new"), ("2.0.0", "next")]);
    }

    fn command(&self, fleet: &Path, store: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetc"));
        command.args(arguments).current_dir(fleet).env("FLEETC_STORE", self.path(store)).env("NO_COLOR", "1");
        command.env("HOME", self.scratch.path()).env_remove("FLEETC_OFFLINE").stdin(Stdio::null());
        for proxy in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        command
    }

    fn run(&self, fleet: &Path, store: &str, arguments: &[&str]) -> Output {
        self.command(fleet, store, arguments).output().unwrap()
    }

    fn build(&self, fleet: &Path, store: &str, more: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let arguments: Vec<&str> = [&["build", "."], more].concat();
        succeed(&self.run(fleet, store, &arguments), &arguments);
        // However many rounds there were: a build that finds all in the store says the same.
        let check: Vec<&str> = ["check"].into_iter().chain(arguments.into_iter().skip(1)).collect();
        succeed(&self.run(fleet, store, &check), &check);
        output(fleet)
    }
}

/// The bundles and fleet.lock of a fleet.
fn output(fleet: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = tree(&fleet.join("bundles"));
    files.insert("fleet.lock".to_owned(), fs::read(fleet.join("fleet.lock")).unwrap());
    files
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeed(output: &Output, what: &[&str]) {
    assert!(output.status.success(), "fleetc {what:?}: {:?}\n{}", output.status.code(), stderr(output));
}

fn text_of(files: &BTreeMap<String, Vec<u8>>) -> String {
    files.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
}

#[test]
fn two_machines_make_the_same() {
    if !has_git() {
        return;
    }
    let site = Site::new();
    site.serve_fleet();
    let one = site.fleet("one");
    let first = site.build(&one, "store-one", &[]);
    let text = text_of(&first);
    for from in ["from: one", "from: base", "from: new", "from: own"] {
        assert!(text.contains(from), "{from} is not in {text}");
    }
    let lock = String::from_utf8(first["fleet.lock"].clone()).unwrap();
    assert_eq!(lock.lines().filter(|line| line.starts_with("- {")).count(), 4, "{lock}");
    assert!(lock.contains("chart: \"db\", revision: \"^1\", version: \"1.1.0\", digest: \"sha256:"), "{lock}");

    // Another folder, store, locale, time zone and number of threads.
    let two = site.fleet("another/place");
    let done = site
        .command(&two, "store-two", &["build", ".", "--threads", "1"])
        .envs([("LC_ALL", "tr_TR.UTF-8"), ("TZ", "Asia/Tokyo")])
        .output()
        .unwrap();
    succeed(&done, &["build"]);
    assert_eq!(output(&two), first);

    // The servers move, and with the lock nothing else does.
    site.commit("apps", &[("web/x.yaml", &config("x", "two"))]);
    site.chart("db", &[("1.1.0", "new"), ("1.2.0", "newest")]);
    let three = site.fleet("three");
    fs::copy(one.join("fleet.lock"), three.join("fleet.lock")).unwrap();
    assert_eq!(site.build(&three, "store-three", &["--locked"]), first);
    assert_eq!(site.build(&one, "store-one", &[]), first);

    // Until somebody says so.
    let asked = site.run(&one, "store-one", &["update", "--dry-run"]);
    succeed(&asked, &["update"]);
    let said = String::from_utf8(asked.stdout).unwrap();
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(
        said.contains("chart db of") && said.contains(": 1.1.0 (sha256:") && said.contains("→ 1.2.0 (sha256:"),
        "{said}"
    );
    assert_eq!(fs::read(one.join("fleet.lock")).unwrap(), first["fleet.lock"]);
    let chart_only = site.run(&one, "store-one", &["update", "db", "--format", "json"]);
    succeed(&chart_only, &["update", "db"]);
    let data: serde_json::Value = serde_json::from_slice(&chart_only.stdout).unwrap();
    assert_eq!((data["moved"].as_array().unwrap().len(), &data["moved"][0]["to"]["resolved"]), (1, &"1.2.0".into()));
    let moved = text_of(&site.build(&one, "store-one", &["--locked"]));
    assert!(moved.contains("from: newest") && moved.contains("from: one"), "{moved}");
    let unknown = site.run(&one, "store-one", &["update", "nowhere"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", stderr(&unknown));

    // A lock that would change may not.
    fs::remove_file(three.join("fleet.lock")).unwrap();
    let refused = site.run(&three, "store-three", &["build", ".", "--locked"]);
    assert_eq!(refused.status.code(), Some(4), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("fleet.lock does not pin it") && stderr(&refused).contains("fleetc update"));
    assert!(!three.join("fleet.lock").exists());
}

#[test]
fn a_warm_store_needs_no_network() {
    if !has_git() {
        return;
    }
    let mut site = Site::new();
    site.serve_fleet();
    let fleet = site.fleet("fleet");
    let first = site.build(&fleet, "store", &[]);
    let vendored = site.run(&fleet, "store", &["vendor", "../vendored"]);
    succeed(&vendored, &["vendor"]);
    let asked = site.server.asked();
    assert!(!asked.is_empty());

    // In a network of its own, without a route, where that may be made.
    fs::remove_dir_all(fleet.join("bundles")).unwrap();
    let alone = Command::new("unshare").args(["--net", "true"]).output().is_ok_and(|output| output.status.success());
    if alone {
        let mut command = Command::new("unshare");
        command.args(["--net", env!("CARGO_BIN_EXE_fleetc"), "build", ".", "--offline"]).current_dir(&fleet);
        let done = command.env("FLEETC_STORE", site.path("store")).env("HOME", site.scratch.path()).output().unwrap();
        succeed(&done, &["build", "--offline"]);
        assert_eq!(output(&fleet), first);
    }
    site.server.stop();
    fs::remove_dir_all(fleet.join("bundles")).unwrap();
    assert_eq!(site.build(&fleet, "store", &["--offline"]), first);
    // Without the flag nothing is asked either: all that is pinned is here.
    assert_eq!(site.build(&fleet, "store", &[]), first);
    let vendored = site.path("vendored").to_string_lossy().into_owned();
    assert_eq!(site.build(&fleet, "none", &["--store", &vendored, "--frozen"]), first);
    let kept: Vec<_> = fs::read_dir(site.path("none")).into_iter().flatten().flatten().map(|e| e.file_name()).collect();
    assert!(kept.iter().all(|name| name == "records" || name == "renders"), "nothing is fetched: {kept:?}");
    let cold = site.run(&fleet, "empty", &["build", ".", "--frozen"]);
    assert_eq!(cold.status.code(), Some(4), "{}", stderr(&cold));
    assert!(stderr(&cold).contains("the store does not have it"), "{}", stderr(&cold));
    assert_eq!(text_of(&output(&fleet)).matches("from: ").count(), 5, "the applications are held, not removed");
    // A damaged store is noticed: nothing wrong comes out of it.
    for file in walkdir::WalkDir::new(site.path("store")).into_iter().filter_map(Result::ok) {
        let is_content = file.path().components().any(|part| part.as_os_str() == "content");
        if file.file_type().is_file() && is_content {
            fs::write(file.path(), b"damaged").unwrap();
        }
    }
    let damaged = site.run(&fleet, "store", &["build", ".", "--offline"]);
    assert_eq!(damaged.status.code(), Some(4), "{}", stderr(&damaged));
}

#[test]
fn killed_at_any_moment_the_store_is_whole() {
    if !has_git() {
        return;
    }
    let site = Site::new();
    site.serve_fleet();
    let fleet = site.fleet("fleet");
    let began = Instant::now();
    let first = site.build(&fleet, "store", &[]);
    let whole = began.elapsed();
    let mut whole_runs = 0;
    // Numbers that look random and are the same every time.
    let mut number: u64 = 7;
    for round in 0..20 {
        let store = format!("store-{round}");
        let mut killed = 0;
        while killed < 10 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut command = site.command(&fleet, &store, &["build", "."]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole.mul_f64(0.8 * (number >> 40) as f64 / f64::from(1 << 24)));
            let ended = child.try_wait().unwrap().is_some();
            child.kill().unwrap();
            child.wait().unwrap();
            killed += usize::from(!ended);
            // With nothing to fetch there is nothing to break off.
            if ended && site.path(&store).exists() {
                fs::remove_dir_all(site.path(&store)).unwrap();
            }
            whole_runs += usize::from(ended);
            assert!(whole_runs < 2000, "they are faster than they can be killed");
        }
        assert_eq!(site.build(&fleet, &store, &[]), first, "after round {round}");
        assert_eq!(site.build(&fleet, &store, &["--frozen"]), first, "after round {round}");
        // Nothing that was left behind stays.
        succeed(&site.run(&fleet, &store, &["store", "gc"]), &["store", "gc"]);
        let left = walkdir::WalkDir::new(site.path(&store)).into_iter().filter_map(Result::ok);
        let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().starts_with(".tmp")).collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(site.build(&fleet, &store, &["--frozen"]), first, "after collecting in round {round}");
    }
}

#[test]
fn processes_that_run_together_fetch_once() {
    if !has_git() {
        return;
    }
    let site = Site::new();
    site.serve_fleet();
    let fleets: Vec<PathBuf> = (0..6).map(|at| site.fleet(&format!("fleet-{at}"))).collect();
    let children: Vec<_> = fleets
        .iter()
        .map(|fleet| {
            site.command(fleet, "store", &["build", "."]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let done = child.wait_with_output().unwrap();
        succeed(&done, &["build"]);
    }
    let first = output(&fleets[0]);
    for fleet in &fleets {
        assert_eq!(output(fleet), first);
    }
    let asked = site.server.asked();
    let archives = asked.iter().filter(|line| line.ends_with("db-1.1.0.tgz")).count();
    assert_eq!(archives, 1, "{asked:?}");
}

#[test]
fn a_thousand_applications_of_twenty_repositories() {
    if !has_git() {
        return;
    }
    let site = Site::new();
    let mut text = String::new();
    for team in 0..20 {
        let files: Vec<(String, String)> =
            (0..50).map(|at| (format!("app{at}/x.yaml"), config("x", &format!("t{team}-{at}")))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let name = format!("team{team}");
        site.commit(&name, &files);
        for at in 0..50 {
            let source = format!("{{repoURL: {}, path: app{at}, targetRevision: main}}", site.repository(&name));
            text.push_str(&application(&format!("t{team}-{at}"), &source));
        }
    }
    let fleet = site.path("fleet");
    write(&fleet.join("apps.yaml"), &text);
    let first = site.build(&fleet, "store", &[]);
    assert_eq!(text_of(&first).matches("  from: t").count(), 1000);
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for line in site.server.asked() {
        let repository = line.split(".git/").next().unwrap().to_owned();
        *asked.entry(repository.trim_start_matches("POST ").trim_start_matches("GET ").to_owned()).or_default() += 1;
    }
    assert_eq!(asked.len(), 20, "{asked:?}");
    // What the server has, its references and one pack; both ask for the first.
    assert!(asked.values().all(|count| *count <= 4), "{asked:?}");
    assert_eq!(site.build(&fleet, "store", &[]), first);
    assert_eq!(site.server.asked().len(), 0);
}

#[test]
fn the_renderers_alone_fetch_too() {
    if !has_git() {
        return;
    }
    let site = Site::new();
    site.serve_fleet();
    let folder = site.path("kustomization");
    let base = format!("resources: ['{}//base?ref=main']\nnamePrefix: top-\n", site.repository("base"));
    write(&folder.join("kustomization.yaml"), &base);
    let built = site.run(&folder, "store", &["kustomize", "."]);
    succeed(&built, &["kustomize"]);
    let expected = "apiVersion: v1\ndata:\n  from: base\nkind: ConfigMap\nmetadata:\n  name: top-z\n";
    assert_eq!(String::from_utf8_lossy(&built.stdout), expected);
    assert_eq!(stderr(&built), "");

    let rendered = site.run(&folder, "store", &["helm", "web", "db", "--repo", &site.charts(), "--version", "^1"]);
    succeed(&rendered, &["helm"]);
    let text = String::from_utf8(rendered.stdout).unwrap();
    assert_eq!(text, format!("---\n# Source: db/templates/config.yaml\n{}", config("web-chart", "new")));
    let missing = site.run(&folder, "store", &["helm", "web", "db", "--repo", &site.charts(), "--version", "^7"]);
    assert_eq!(missing.status.code(), Some(1), "{}", stderr(&missing));
    assert!(stderr(&missing).starts_with("Error: chart db of"), "{}", stderr(&missing));

    // A chart that a kustomization names is pulled as well.
    let charts = format!("helmCharts:\n- {{name: db, repo: '{}', version: 1.0.0, releaseName: a}}\n", site.charts());
    write(&folder.join("kustomization.yaml"), &charts);
    let built = site.run(&folder, "store", &["kustomize", ".", "--enable-helm"]);
    succeed(&built, &["kustomize"]);
    assert!(String::from_utf8(built.stdout).unwrap().contains("from: old"));
}

#[test]
fn servers_that_are_gone_or_refuse_hold_their_applications() {
    if !has_git() {
        return;
    }
    let site = Site::new();
    site.serve_fleet();
    let fleet = site.fleet("fleet");
    let mut text = fs::read_to_string(fleet.join("apps.yaml")).unwrap();
    text.push_str(&application("gone", &format!("{{repoURL: {}, path: web}}", site.repository("nowhere"))));
    text.push_str(&application("old", &format!("{{repoURL: {}, chart: db, targetRevision: 0.1.0}}", site.charts())));
    write(&fleet.join("apps.yaml"), &text);
    let done = site.run(&fleet, "store", &["build", "."]);
    assert_eq!(done.status.code(), Some(4), "{}", stderr(&done));
    let said = stderr(&done);
    assert!(said.contains("apps.yaml:") && said.contains("/git/nowhere.git") && said.contains("0.1.0"), "{said}");
    let files = text_of(&output(&fleet));
    for from in ["from: one", "from: base", "from: new"] {
        assert!(files.contains(from), "{from}");
    }
    let began = Instant::now();
    let again = site.run(&fleet, "store", &["build", ".", "--offline"]);
    assert_eq!(again.status.code(), Some(4));
    assert!(began.elapsed() < Duration::from_secs(20));
}
