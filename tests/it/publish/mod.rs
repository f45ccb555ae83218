//! `fleetc publish` against real git servers: what lands on branches, races, kills, refusals. git serves and judges; fleetc starts none.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test makes its own folders and serves them")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::git_server::{Manner, Origin, Server};

/// A fleet in a checkout: `web` on the clusters a (eu) and b (us), `db` on a.
struct Fleet {
    scratch: tempfile::TempDir,
}

const URL: &str = "https://git.example.com/fleet.git";

fn cluster(name: &str, region: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  labels: {{argocd.argoproj.io/secret-type: cluster, region: {region}}}\n\
         stringData:\n  name: {name}\n  server: https://{name}.example.com\n"
    )
}

fn application(name: &str, cluster: &str, source: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n  project: default\n  \
         source: {source}\n  destination: {{name: {cluster}, namespace: shop}}\n"
    )
}

fn config(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: {value}}}\n")
}

impl Fleet {
    fn empty(yaml: &str) -> Self {
        let fleet = Fleet { scratch: tempfile::tempdir().unwrap() };
        fleet.write(
            "fleet.yaml",
            &format!("apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {{name: shop}}\nrepositories: [{{url: {URL}, path: .}}]\n{yaml}"),
        );
        fleet
    }

    fn new() -> Self {
        let fleet = Fleet::empty("");
        fleet.write("clusters/a.yaml", &cluster("a", "eu"));
        fleet.write("clusters/b.yaml", &cluster("b", "us"));
        for (name, on, path) in [("web-a", "a", "web"), ("web-b", "b", "web"), ("db", "a", "db")] {
            let source = format!("{{repoURL: {URL}, path: {path}}}");
            fleet.write(&format!("apps/{name}.yaml"), &application(name, on, &source));
        }
        fleet.write("web/config.yaml", &config("web", "one"));
        fleet.write("db/config.yaml", &config("db", "one"));
        fleet.git(&["init", "-q", "-b", "main"]);
        fleet.commit("2026-01-01T00:00:00Z");
        fleet
    }

    fn dir(&self) -> PathBuf {
        self.scratch.path().join("fleet")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.dir(), arguments)
    }

    fn commit(&self, when: &str) -> String {
        self.git(&["add", "-A"]);
        let message = format!("commit of {when}");
        let date = format!("--date={when}");
        git_at(&self.dir(), &["commit", "-q", "-m", &message, &date], when);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Changes what `web` renders, and commits that.
    fn change(&self, value: &str) -> String {
        self.write("web/config.yaml", &config("web", value));
        self.commit("2026-01-02T00:00:00Z")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetc"));
        command.args(arguments).current_dir(self.dir()).env("FLEETC_STORE", self.scratch.path().join("store"));
        command.env("HOME", self.scratch.path()).env_remove("FLEETC_OFFLINE").env("no_proxy", "127.0.0.1");
        command
    }

    fn run(&self, arguments: &[&str], code: i32) -> String {
        told(&self.command(arguments).output().unwrap(), code, arguments)
    }

    fn publish(&self, to: &str, more: &[&str], code: i32) -> String {
        self.run(&[&["publish", "--to", to], more].concat(), code)
    }
}

fn told(output: &Output, code: i32, arguments: &[&str]) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    text
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    git_at(folder, arguments, "2026-01-01T00:00:00Z")
}

pub(crate) fn git_at(folder: &Path, arguments: &[&str], when: &str) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_DATE", when)
        .env("GIT_COMMITTER_DATE", when)
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A bare repository that may be pushed to.
fn bare(root: &Path, name: &str) -> Origin {
    let origin = Origin::with(root, name, &["--bare"]);
    origin.git(&["config", "http.receivepack", "true"]);
    origin
}

fn hook(origin: &Origin, name: &str, body: &str) {
    let path = origin.path().join("hooks").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The files of a branch.
fn tree(origin: &Origin, branch: &str) -> BTreeMap<String, String> {
    let names = origin.git(&["ls-tree", "-r", "--name-only", branch]);
    names.lines().map(|name| (name.to_owned(), show(origin, branch, name))).collect()
}

fn show(origin: &Origin, branch: &str, name: &str) -> String {
    let output = Command::new("git").args(["show", &format!("{branch}:{name}")]).current_dir(origin.path()).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

fn count(origin: &Origin, branch: &str) -> usize {
    origin.git(&["rev-list", "--count", branch]).parse().unwrap()
}

/// Commits a file to a branch of a server, as somebody else would.
fn somebody(origin: &Origin, branch: &str, path: &str, text: &str) {
    let work = tempfile::tempdir().unwrap();
    let url = origin.path().display().to_string();
    git(work.path(), &["clone", "-q", &url, "work"]);
    let work = work.path().join("work");
    match git(&work, &["ls-remote", "--heads", "origin", branch]).is_empty() {
        true => git(&work, &["checkout", "-q", "--orphan", branch]),
        false => git(&work, &["checkout", "-q", branch]),
    };
    fs::create_dir_all(work.join(path).parent().unwrap()).unwrap();
    fs::write(work.join(path), text).unwrap();
    git(&work, &["add", "-A"]);
    git(&work, &["commit", "-q", "-m", "somebody"]);
    git(&work, &["push", "-q", "origin", branch]);
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => todo.push(entry.path()),
                false => {
                    let name = entry.path().strip_prefix(folder).unwrap().display().to_string();
                    found.insert(name, fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
    }
    found
}

mod layouts;
mod requests;

const MANIFEST: &str = ".fleetc-published";

#[test]
fn bundles_land_on_a_branch_as_a_build_writes_them() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let server = Server::start(origins.path(), Manner::default());
    let to = format!("{}#rendered", server.url("out"));
    let fleet = Fleet::new();
    let commit = fleet.git(&["rev-parse", "HEAD"]);
    fleet.publish(&to, &[], 0);
    let first = origin.git(&["rev-parse", "rendered"]);
    let mut published = tree(&origin, "rendered");
    let manifest = published.remove(MANIFEST).unwrap();
    fleet.run(&["build", "."], 0);
    assert_eq!(published, files(&fleet.dir().join("bundles")));
    assert!(
        manifest.contains(" a argocd%2Fdb a/apps/db.yaml") || manifest.contains(" a db a/apps/db.yaml"),
        "{manifest}"
    );
    let message = origin.git(&["log", "-1", "--format=%B", "rendered"]);
    assert!(message.starts_with("Publish shop: 3 applications added on 2 clusters\n"), "{message}");
    assert_eq!(origin.git(&["log", "-1", "--format=%(trailers:key=Source-Commit,valueonly)", "rendered"]), commit);
    assert!(message.contains("\nFleet-Lock: sha256:") && message.contains("\nFleetc-Version: "), "{message}");
    assert_eq!(origin.git(&["log", "-1", "--format=%ct %at", "rendered"]), "1767225600 1767225600");
    // Nothing changed: no commit, and none for a change of the fleet that changes no object.
    fleet.publish(&to, &[], 0);
    fleet.write("README.md", "hello\n");
    fleet.commit("2026-01-01T10:00:00Z");
    let said = fleet.publish(&to, &[], 0);
    assert!(said.contains("1 branch of"), "{said}");
    assert_eq!(origin.git(&["rev-parse", "rendered"]), first);
    // Somebody's file stays, what is not declared any more goes.
    somebody(&origin, "rendered", "a/notes.txt", "mine");
    fs::remove_file(fleet.dir().join("apps/db.yaml")).unwrap();
    let next = fleet.change("two");
    let dry = fleet.publish(&to, &["--dry-run"], 0);
    assert!(dry.contains("- a/apps/db.yaml") && dry.contains("~ a/apps/web-a.yaml"), "{dry}");
    assert_eq!(count(&origin, "rendered"), 2);
    fleet.publish(&to, &["--pr-text", "../pr.md"], 0);
    let text = fs::read_to_string(fleet.scratch.path().join("pr.md")).unwrap();
    assert!(text.contains("| **removed** | db | a |") || text.contains("| **removed** | argocd/db | a |"), "{text}");
    let now = tree(&origin, "rendered");
    assert!(now.contains_key("a/notes.txt") && !now.contains_key("a/apps/db.yaml"), "{:?}", now.keys());
    assert!(now["a/apps/web-a.yaml"].contains("two"));
    assert_eq!(origin.git(&["log", "-1", "--format=%(trailers:key=Source-Commit,valueonly)", "rendered"]), next);
    assert_eq!(count(&origin, "rendered"), 3);
    origin.git(&["fsck", "--strict", "--full"]);
}

#[test]
fn a_published_branch_compiles_to_the_same_objects() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let server = Server::start(origins.path(), Manner::default());
    let fleet = Fleet::new();
    fleet.publish(&format!("{}#rendered", server.url("out")), &[], 0);
    let again = Fleet::empty("");
    again.write("clusters/a.yaml", &cluster("a", "eu"));
    again.write("clusters/b.yaml", &cluster("b", "us"));
    for (name, on) in [("web-a", "a"), ("web-b", "b"), ("db", "a")] {
        let url = server.url("out");
        let source = format!(
            "{{repoURL: {url}, targetRevision: rendered, path: {on}/apps, directory: {{include: {name}.yaml}}}}"
        );
        again.write(&format!("apps/{name}.yaml"), &application(name, on, &source));
    }
    again.run(&["build", "."], 0);
    for path in ["a/apps/web-a.yaml", "b/apps/web-b.yaml", "a/apps/db.yaml"] {
        let built = fs::read_to_string(again.dir().join("bundles").join(path)).unwrap();
        assert_eq!(built, show(&origin, "rendered", path), "{path}");
    }
}

#[test]
fn two_machines_make_the_same_commit() {
    let origins = tempfile::tempdir().unwrap();
    let (one, two) = (bare(origins.path(), "one"), bare(origins.path(), "two"));
    let server = Server::start(origins.path(), Manner::default());
    let fleet = Fleet::new();
    let other = Fleet { scratch: tempfile::tempdir().unwrap() };
    git(other.scratch.path(), &["clone", "-q", &fleet.dir().display().to_string(), "fleet"]);
    for (fleet, to) in [(&fleet, "one"), (&other, "two")] {
        fleet.git(&["remote", "add", "upstream", "https://git.example.com/x.git"]);
        let _ = Command::new("git").args(["remote", "remove", "origin"]).current_dir(fleet.dir()).output();
        fleet.publish(&format!("{}#rendered", server.url(to)), &["-j", "1"], 0);
    }
    assert_eq!(one.git(&["rev-parse", "rendered"]), two.git(&["rev-parse", "rendered"]));
    let named = [("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@a"), ("GIT_AUTHOR_DATE", "@1700000000 +0100")];
    fleet.change("two");
    let to = format!("{}#rendered", server.url("one"));
    let output = fleet.command(&["publish", "--to", &to]).envs(named).output().unwrap();
    told(&output, 0, &["publish"]);
    assert_eq!(one.git(&["log", "-1", "--format=%an %ae %at %cn", "rendered"]), "A a@a 1700000000 A");
}

#[test]
fn what_must_not_be_touched_is_refused() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let server = Server::start(origins.path(), Manner::default());
    let url = server.url("out");
    let fleet = Fleet::new();
    // A branch of somebody else's, until it is adopted; a folder of it is free.
    somebody(&origin, "code", "main.rs", "fn main() {}\n");
    let said = fleet.publish(&format!("{url}#code"), &[], 1);
    assert!(said.contains("publish/foreign-branch") && said.contains("`main.rs`"), "{said}");
    fleet.publish(&format!("{url}#code"), &["--path", "deploy/x"], 0);
    assert!(tree(&origin, "code").contains_key("deploy/x/a/bundle.yaml"));
    fleet.publish(&format!("{url}#code"), &["--adopt-branch"], 0);
    assert_eq!(show(&origin, "code", "main.rs"), "fn main() {}\n");
    // What went in must be the commit that is named.
    fleet.publish(&format!("{url}#rendered"), &[], 0);
    let first = fleet.git(&["rev-parse", "HEAD"]);
    fleet.write("web/config.yaml", &config("web", "two"));
    let said = fleet.publish(&format!("{url}#rendered"), &[], 1);
    assert!(said.contains("publish/dirty") && said.contains("`web/config.yaml`"), "{said}");
    fs::remove_file(fleet.dir().join("apps/web-b.yaml")).unwrap();
    fleet.git(&["checkout", "web"]);
    assert!(fleet.publish(&format!("{url}#rendered"), &[], 1).contains("apps/web-b.yaml"));
    fleet.git(&["checkout", "."]);
    // An older commit after a newer one.
    fleet.change("three");
    fleet.publish(&format!("{url}#rendered"), &[], 0);
    fleet.git(&["checkout", "-q", &first]);
    let said = fleet.publish(&format!("{url}#rendered"), &[], 1);
    assert!(said.contains("publish/older"), "{said}");
    fleet.publish(&format!("{url}#rendered"), &["--allow-older"], 0);
    fleet.git(&["checkout", "-q", "main"]);
    // The branch that it is made from.
    let source = bare(origins.path(), "source");
    fleet.git(&["remote", "add", "origin", &server.url("source")]);
    fleet.git(&["push", "-q", &source.path().display().to_string(), "main"]);
    let said = fleet.publish("main", &[], 1);
    assert!(said.contains("publish/source-branch"), "{said}");
    fleet.publish("rendered", &[], 0);
    assert!(tree(&source, "rendered").contains_key("a/bundle.yaml"));
    fleet.publish("main", &["--allow-source-branch", "--path", "bundles"], 0);
    assert!(tree(&source, "main").contains_key("bundles/a/bundle.yaml"));
    // Secrets.
    fleet.write(
        "db/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n",
    );
    fleet.commit("2026-01-03T00:00:00Z");
    let said = fleet.publish("rendered", &[], 1);
    assert!(
        said.contains("publish/clear-secret") && said.contains("a/apps/db.yaml") && !said.contains("hunter2"),
        "{said}"
    );
    fleet.publish("rendered", &["--allow-secrets"], 0);
    assert!(show(&source, "rendered", "a/apps/db.yaml").contains("hunter2"));
}

#[test]
fn wrong_arguments_say_what_to_do() {
    let fleet = Fleet::new();
    for (arguments, want) in [
        (&["publish"][..], "nobody says where to publish"),
        (&["publish", "--to", "https://git.example.com/x.git"], "looks like a repository"),
        (&["publish", "--to", "a b"], "a character that no branch may have"),
        (&["publish", "--to", "x", "--path", "../y"], "is no folder of a branch"),
        (&["publish", "--to", "x", "--author", "me"], "names no author"),
        (&["publish", "--to", "https://127.0.0.1:1/x#y", "--offline"], "nothing is asked of the network"),
    ] {
        let said = fleet.run(arguments, 2);
        assert!(said.contains(want), "{arguments:?}: {said}");
    }
    let said = fleet.run(&["publish", "--to", "../none#x/{{ zone }}"], 4);
    assert!(said.contains("none"), "{said}");
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let said = fleet.publish(&format!("{}#x/{{{{ zone }}}}", origin.path().display()), &[], 3);
    assert!(said.contains("no branch for the cluster `a`") && said.contains("cluster.labels"), "{said}");
}

#[test]
fn servers_that_refuse_are_heard() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let login = Some("bWU6c2VjcmV0".to_owned());
    let server = Server::start(origins.path(), Manner { login, ..Manner::default() });
    let to = format!("{}#rendered", server.url("out"));
    let fleet = Fleet::new();
    let said = fleet.publish(&to, &[], 4);
    assert!(said.contains("401"), "{said}");
    let logins = |login: &str| format!("http://{login}@127.0.0.1:{}/", server.port);
    let with = |login: &str, code: i32| {
        let output = fleet
            .command(&["publish", "--to", &to, "--retries", "1"])
            .env("FLEETC_LOGINS", logins(login))
            .output()
            .unwrap();
        let said = told(&output, code, &[login]);
        assert!(!said.contains("secret"), "{said}");
        said
    };
    assert!(with("me:wrong", 4).contains("refuses the login"));
    hook(&origin, "pre-receive", "echo 'the moon is full' >&2; exit 1");
    let said = with("me:secret", 1);
    assert!(said.contains("pre-receive hook declined") && said.contains("the moon is full"), "{said}");
    fs::remove_file(origin.path().join("hooks/pre-receive")).unwrap();
    hook(&origin, "update", "[ \"$1\" = refs/heads/rendered ] && { echo 'protected branch' >&2; exit 1; }; exit 0");
    assert!(with("me:secret", 1).contains("protected branch"));
    fs::remove_file(origin.path().join("hooks/update")).unwrap();
    with("me:secret", 0);
    // A server that may not be pushed to.
    origin.git(&["config", "http.receivepack", "false"]);
    fleet.change("two");
    assert!(with("me:secret", 4).contains("403"));
    assert_eq!(count(&origin, "rendered"), 1);
}

#[test]
fn who_is_slower_works_on_top() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let server = Server::start(origins.path(), Manner::default());
    let to = format!("{}#rendered", server.url("out"));
    let fleet = Fleet::new();
    fleet.publish(&to, &[], 0);
    // Somebody else commits between what was looked at and the push.
    hook(
        &origin,
        "pre-receive",
        "[ -e raced ] && exit 0; touch raced\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n\
         export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t\n\
         git update-ref refs/heads/rendered $(git commit-tree -m other -p rendered 'rendered^{tree}')",
    );
    fleet.change("two");
    let said = fleet.publish(&to, &[], 0);
    assert!(said.contains("tried 2 times"), "{said}");
    assert_eq!(origin.git(&["log", "--format=%s", "rendered"]).lines().nth(1), Some("other"));
    assert_eq!(count(&origin, "rendered"), 3);
    assert!(show(&origin, "rendered", "a/apps/web-a.yaml").contains("two"));
}

/// How often something is done that may go wrong; `FLEETC_KILLS` for more.
fn times() -> u32 {
    std::env::var("FLEETC_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

#[test]
fn two_publishers_lose_no_commit() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let server = Server::start(origins.path(), Manner::default());
    let to = format!("{}#rendered", server.url("out"));
    let (one, two) = (Fleet::new(), Fleet::new());
    for round in 0..times() {
        std::thread::scope(|scope| {
            for (fleet, folder) in [(&one, "one"), (&two, "two")] {
                let to = &to;
                scope.spawn(move || {
                    fleet.change(&format!("round-{round}"));
                    fleet.publish(to, &["--path", folder], 0);
                });
            }
        });
    }
    assert_eq!(count(&origin, "rendered"), 2 * times() as usize);
    let merges = origin.git(&["rev-list", "--merges", "--count", "rendered"]);
    assert_eq!(merges, "0");
    for folder in ["one", "two"] {
        let text = show(&origin, "rendered", &format!("{folder}/a/apps/web-a.yaml"));
        assert!(text.contains(&format!("round-{}", times() - 1)), "{text}");
    }
    origin.git(&["fsck", "--strict", "--full"]);
}

#[test]
fn killed_on_the_way_a_branch_is_at_the_old_or_the_new_commit() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let server = Server::start(origins.path(), Manner::default());
    let fleet = Fleet::new();
    for (to, key) in [
        (format!("{}#rendered", server.url("out")), 0x2545_F491_4F6C_DD1D_u64),
        (format!("{}#local", origin.path().display()), 77),
    ] {
        let branch = to.rsplit('#').next().unwrap().to_owned();
        let begin = Instant::now();
        fleet.publish(&to, &[], 0);
        let whole = begin.elapsed();
        let (mut state, mut killed) = (key, 0);
        for round in 0..times() {
            let old = origin.git(&["rev-parse", &branch]);
            fleet.change(&format!("{branch}-{round}"));
            let dry = fleet.publish(&to, &["--dry-run", "--format", "json"], 0);
            let new = serde_json::from_str::<serde_json::Value>(&dry).unwrap()["branches"][0]["commit"]
                .as_str()
                .unwrap()
                .to_owned();
            // xorshift: the same moments in every run, as far as the machine goes along.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let after = whole.mul_f64((state % 1000) as f64 / 1000.0).max(Duration::from_millis(1));
            let mut child =
                fleet.command(&["publish", "--to", &to]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(after);
            let _ = child.kill();
            killed += u32::from(child.wait().unwrap().code().is_none());
            // What the server has begun it may end.
            std::thread::sleep(Duration::from_millis(100));
            let now = origin.git(&["rev-parse", &branch]);
            assert!(now == old || now == new, "{now} is neither {old} nor {new}");
            fleet.publish(&to, &[], 0);
            assert_eq!(origin.git(&["rev-parse", &branch]), new, "the next run does what is left");
        }
        assert!(killed * 4 >= times(), "killed only {killed} times");
    }
    origin.git(&["fsck", "--strict", "--full"]);
}

#[test]
fn what_fails_keeps_what_was_published() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let to = format!("{}#rendered", origin.path().display());
    let fleet = Fleet::new();
    fleet.publish(&to, &[], 0);
    let before = tree(&origin, "rendered");
    fleet.write("web/kustomization.yaml", "resources: [nothing.yaml]\n");
    fleet.write("db/config.yaml", &config("db", "two"));
    fleet.commit("2026-01-02T00:00:00Z");
    let said = fleet.publish(&to, &[], 3);
    assert!(said.contains("2 held"), "{said}");
    let now = tree(&origin, "rendered");
    assert!(now["a/apps/db.yaml"].contains("two"));
    assert_eq!(now["a/apps/web-a.yaml"], before["a/apps/web-a.yaml"]);
    assert!(now["a/bundle.yaml"].contains("state: held"), "{}", now["a/bundle.yaml"]);
    assert!(now[MANIFEST].contains("a/apps/web-a.yaml"));
    // With an error in the declarations nobody knows what is gone.
    let broken = format!("{}  broken: [\n", application("web-a", "a", "{repoURL: x}"));
    fleet.write("apps/web-a.yaml", &broken);
    fleet.commit("2026-01-03T00:00:00Z");
    let said = fleet.publish(&to, &[], 3);
    assert!(said.contains("nothing was published"), "{said}");
    assert_eq!(tree(&origin, "rendered"), now);
}

#[test]
fn each_label_has_a_branch() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let server = Server::start(origins.path(), Manner::default());
    let fleet = Fleet::new();
    let to = format!("{}#rendered/{{{{ region }}}}", server.url("out"));
    fleet.publish(&to, &[], 0);
    assert!(tree(&origin, "rendered/eu").keys().all(|path| !path.starts_with("b/")));
    let lock = show(&origin, "rendered/us", "bundles.lock");
    assert!(lock.contains("\n  b: sha256:") && !lock.contains("\n  a: "), "{lock}");
    // What changes on one is no commit on the other.
    fleet.write("db/config.yaml", &config("db", "two"));
    fleet.commit("2026-01-02T00:00:00Z");
    let said = fleet.publish(&to, &[], 0);
    assert!(said.contains("rendered/eu: ") && said.contains("1 branch of"), "{said}");
    assert_eq!((count(&origin, "rendered/eu"), count(&origin, "rendered/us")), (2, 1));
    // Branches do not stop each other.
    hook(&origin, "update", "[ \"$1\" = refs/heads/rendered/eu ] && exit 1; exit 0");
    fleet.change("two");
    let said = fleet.publish(&to, &[], 1);
    assert!(said.contains("branch `rendered/eu`"), "{said}");
    assert_eq!((count(&origin, "rendered/eu"), count(&origin, "rendered/us")), (2, 2));
}

#[test]
fn many_branches_are_pushed_at_once() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let server = Server::start(origins.path(), Manner::default());
    let fleet = Fleet::new();
    let clusters: Vec<String> = (0..300).map(|n| cluster(&format!("c{n:03}"), "eu")).collect();
    fleet.write("clusters/many.yaml", &clusters.join("---\n"));
    fleet.write(
        "apps/all.yaml",
        &format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: all, namespace: argocd}}\nspec:\n  goTemplate: true\n  \
             generators: [{{clusters: {{}}}}]\n  template:\n    metadata: {{name: 'all-{{{{.name}}}}'}}\n    spec:\n      project: default\n      \
             source: {{repoURL: {URL}, path: web}}\n      destination: {{name: '{{{{.name}}}}', namespace: all}}\n"
        ),
    );
    fs::remove_file(fleet.dir().join("apps/web-a.yaml")).unwrap();
    fs::remove_file(fleet.dir().join("apps/web-b.yaml")).unwrap();
    fleet.commit("2026-01-02T00:00:00Z");
    let to = format!("{}#c/{{{{ cluster.name }}}}", server.url("out"));
    let output = fleet.publish(&to, &["--format", "json"], 0);
    let value: serde_json::Value = serde_json::from_str(&output).unwrap();
    let branches = value["branches"].as_array().unwrap();
    assert!(branches.len() >= 302 && branches.iter().all(|branch| branch["changed"] == true), "{}", branches.len());
    let heads = origin.git(&["for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads/"]);
    assert_eq!(heads.lines().count(), branches.len());
    for branch in branches {
        let want = format!("{} {}", branch["branch"].as_str().unwrap(), branch["commit"].as_str().unwrap());
        assert!(heads.lines().any(|line| line == want), "{want}");
    }
}

#[test]
fn ssh_and_folders_carry_pushes_too() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "it's");
    let fleet = Fleet::new();
    // Stands for ssh: runs the command here.
    let program = fleet.scratch.path().join("ssh");
    fs::write(&program, "#!/bin/sh\nfor last; do :; done\nexec sh -c \"$last\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = origin.path().display().to_string();
    let run = |to: &str, code: i32| {
        let mut command = fleet.command(&["publish", "--to", to]);
        told(&command.env("GIT_SSH_COMMAND", format!("'{}'", program.display())).output().unwrap(), code, &[to])
    };
    run(&format!("ssh://git@host.example{path}#ssh"), 0);
    run(&format!("{path}#folder"), 0);
    assert_eq!(origin.git(&["rev-parse", "ssh"]), origin.git(&["rev-parse", "folder"]));
    hook(&origin, "pre-receive", "echo 'not today' >&2; exit 1");
    fleet.change("two");
    assert!(run(&format!("ssh://git@host.example{path}#ssh"), 1).contains("not today"));
    // Hooks are git's to run.
    assert!(run(&format!("{path}#folder"), 1).contains("pre-receive"));
    // The checkout itself, where it has no remote; never the branch that is checked out.
    run("rendered", 0);
    assert!(fleet.git(&["ls-tree", "-r", "--name-only", "rendered"]).contains("a/apps/web-a.yaml"));
    fleet.git(&["worktree", "add", "-q", "../tree", "rendered"]);
    fleet.change("three");
    let said = run("rendered", 1);
    assert!(said.contains("is checked out at"), "{said}");
}
