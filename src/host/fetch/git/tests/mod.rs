//! Git sources from servers that these tests start. git itself serves and makes the repositories; what is tested starts no git.

mod server;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::server::{Manner, Origin, Server};
use super::{Git, GitOptions};
use crate::host::fetch::http::{Client, Timeouts};
use crate::host::fetch::{Credentials, Fault, Fetcher as _, Store};
use crate::host::tree::Files;
use crate::lock::Pin;
use crate::path::TreePath;
use crate::source::SourceRequest;

fn fetcher(store: &Path, options: GitOptions) -> Git {
    fetcher_with(store, options, Credentials::default())
}

fn fetcher_with(store: &Path, options: GitOptions, credentials: Credentials) -> Git {
    let timeouts = Timeouts { connect: Duration::from_secs(5), read: Duration::from_secs(10), ..Timeouts::default() };
    let client = Client::new(Arc::new(credentials), timeouts);
    Git::new(Store::new(store), Arc::new(client), options)
}

/// A folder with `origin/` for repositories and `store/`.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn origins(&self) -> std::path::PathBuf {
        self.0.path().join("origin")
    }

    fn store(&self) -> std::path::PathBuf {
        self.0.path().join("store")
    }

    fn git(&self) -> Git {
        fetcher(&self.store(), GitOptions::default())
    }
}

fn resolved(git: &Git, url: &str, revision: &str) -> Result<String, Fault> {
    git.resolve(&SourceRequest::git(url, revision)).map(|pin| pin.resolved)
}

fn pin(commit: &str) -> Pin {
    Pin { resolved: commit.to_owned(), digest: None }
}

/// Brings a commit and reads files of it.
fn brought(git: &Git, url: &str, commit: &str, paths: &[&str]) -> Result<Vec<String>, Fault> {
    let request = SourceRequest::git(url, "");
    git.fetch(&request, &pin(commit))?;
    let store = git.open(&request, &pin(commit))?.expect("what was fetched is there");
    let files = Files::new(store, Arc::default(), String::new(), 1 << 20);
    Ok(paths
        .iter()
        .map(|path| match files.read(&TreePath::new(path).unwrap()) {
            Ok(file) => String::from_utf8_lossy(&file.bytes).into_owned(),
            Err(error) => format!("{error:?}"),
        })
        .collect())
}

#[test]
fn revisions_of_a_server_are_resolved() {
    let place = Place::new();
    let origin = Origin::new(&place.origins(), "app");
    let first = origin.commit("a.yaml", "a: 1\n");
    origin.git(&["tag", "-a", "-m", "x", "v1.0.0"]);
    let second = origin.commit("a.yaml", "a: 2\n");
    origin.git(&["tag", "v1.1.0"]);
    origin.git(&["tag", "web/2.0.0", &first]);
    origin.git(&["update-ref", "refs/pull/7/head", &first]);
    let third = origin.commit("a.yaml", "a: 3\n");
    origin.git(&["branch", "release/x", &first]);
    for old in [false, true] {
        let server = Server::start(&place.origins(), Manner { old, ..Manner::default() });
        let url = server.url("app/.git");
        let git = place.git();
        for (revision, want) in [
            ("", &third),
            ("HEAD", &third),
            ("main", &third),
            ("refs/heads/main", &third),
            ("release/x", &first),
            ("v1.0.0", &first),
            ("refs/tags/v1.0.0", &first),
            ("v1.*", &second),
            ("~1.0", &first),
            ("web/:2.x", &first),
            ("refs/pull/7/head", &first),
            ("pull/7/head", &first),
            (second.as_str(), &second),
            (&third[..8], &third),
            // No reference names it: only the history tells.
            (&origin.git(&["rev-parse", "v1.1.0"])[..7], &second),
        ] {
            assert_eq!(resolved(&git, &url, revision).as_ref(), Ok(want), "{revision:?}, old: {old}");
        }
        let fault = resolved(&git, &url, "mian").unwrap_err();
        assert_eq!(fault.reason, "the repository has no revision `mian`");
        assert_eq!(fault.hint.as_deref(), Some("did you mean `main`?"));
        assert!(!fault.temporary);
        assert!(resolved(&git, &url, "0123456").is_err());
    }
}

#[test]
fn commits_are_brought_once_and_without_history() {
    for old in [false, true] {
        let place = Place::new();
        let origin = Origin::new(&place.origins(), "app");
        let first = origin.commit("dir/a.yaml", "a: 1\n");
        let second = origin.commit("dir/b.yaml", "b: 2\n");
        origin.git(&["tag", "v1", &first]);
        let server = Server::start(&place.origins(), Manner { old, ..Manner::default() });
        let url = server.url("app/.git");
        let git = place.git();
        let request = SourceRequest::git(&url, "");
        assert!(git.open(&request, &pin(&second)).unwrap().is_none());
        assert_eq!(
            brought(&git, &url, &second, &["dir/a.yaml", "dir/b.yaml"]),
            Ok(vec!["a: 1\n".into(), "b: 2\n".into()])
        );
        // History was left with the server.
        assert!(git.open(&request, &pin(&first)).unwrap().is_none());
        let asked = server.requests();
        assert!(brought(&place.git(), &url, &second, &["dir/b.yaml"]).is_ok());
        assert_eq!(server.requests(), asked, "it was here already");
        assert_eq!(brought(&git, &url, &first, &["dir/a.yaml"]), Ok(vec!["a: 1\n".into()]));
        let third = origin.commit("dir/a.yaml", "a: 3\n");
        assert_eq!(
            brought(&place.git(), &url, &third, &["dir/a.yaml", "dir/b.yaml"]),
            Ok(vec!["a: 3\n".into(), "b: 2\n".into()])
        );
        let missing = brought(&git, &url, &"1".repeat(40), &[]).unwrap_err();
        assert!(!missing.temporary, "{missing:?}");
        assert!(missing.reason.contains("no longer has the commit"), "{missing:?}");
        assert!(brought(&git, &url, &second, &["dir/a.yaml"]).is_ok());
        // No reference leads to it directly; old servers give it only with the history of one that does.
        let elsewhere = Place::new();
        assert_eq!(brought(&elsewhere.git(), &url, &second, &["dir/a.yaml"]), Ok(vec!["a: 1\n".into()]));
    }
}

#[test]
fn a_tag_that_moves_moves_no_pin() {
    let place = Place::new();
    let origin = Origin::new(&place.origins(), "app");
    let first = origin.commit("a", "1");
    origin.git(&["tag", "v1"]);
    let server = Server::start(&place.origins(), Manner::default());
    let url = server.url("app/.git");
    assert_eq!(resolved(&place.git(), &url, "v1"), Ok(first.clone()));
    // Rewritten, so that no reference leads to the old commit.
    fs::write(origin.path().join("a"), "2").unwrap();
    origin.git(&["commit", "-qa", "--amend", "-m", "other"]);
    origin.git(&["tag", "-f", "v1"]);
    let second = origin.git(&["rev-parse", "v1"]);
    assert_ne!(first, second);
    assert_eq!(brought(&place.git(), &url, &first, &["a"]), Ok(vec!["1".into()]));
    assert_eq!(resolved(&place.git(), &url, "v1"), Ok(second));
}

#[test]
fn logins_reach_only_their_server() {
    let place = Place::new();
    let origin = Origin::new(&place.origins(), "app");
    let commit = origin.commit("a", "1");
    // me:secret
    let login = Some("bWU6c2VjcmV0".to_owned());
    let server = Server::start(&place.origins(), Manner { login: login.clone(), ..Manner::default() });
    let with = |login: &str| format!("http://{login}@127.0.0.1:{}/app/.git", server.port);
    let git = place.git();
    assert_eq!(resolved(&git, &with("me:secret"), "main"), Ok(commit.clone()));
    assert_eq!(brought(&git, &with("me:secret"), &commit, &["a"]), Ok(vec!["1".into()]));
    for url in [with("me:wrong-secret"), server.url("app/.git")] {
        let fault = resolved(&place.git(), &url, "main").unwrap_err();
        assert!(!fault.temporary && fault.reason.contains("401"), "{fault:?}");
        assert!(!format!("{fault:?}").contains("wrong-secret"), "{fault:?}");
        assert!(fault.hint.is_some());
    }
    // Another server, to which the first one sends everybody, sees no login.
    let other = Server::start(&place.origins(), Manner::default());
    let elsewhere = Place::new();
    server.change(|manner| manner.redirect = Some(other.url("").trim_end_matches('/').to_owned()));
    let git = elsewhere.git();
    assert_eq!(resolved(&git, &with("me:secret"), "main"), Ok(commit.clone()));
    assert_eq!(brought(&git, &with("me:secret"), &commit, &["a"]), Ok(vec!["1".into()]));
    assert!(other.requests() >= 3);
    assert!(other.logins().iter().all(Option::is_none), "{:?}", other.logins());
    other.change(|manner| manner.login = login);
    assert!(resolved(&elsewhere.git(), &with("me:secret"), "main").unwrap_err().reason.contains("401"));
}

#[test]
fn answers_that_are_none_are_refused() {
    let place = Place::new();
    let origin = Origin::new(&place.origins(), "app");
    origin.commit("a", "1");
    let server = Server::start(&place.origins(), Manner { page: true, ..Manner::default() });
    let url = server.url("app/.git");
    let fault = resolved(&place.git(), &url, "main").unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("not in git's protocol"), "{fault:?}");
    server.change(|manner| (manner.page, manner.endless) = (false, true));
    let small = GitOptions { max_references: 1 << 20, ..GitOptions::default() };
    let fault = resolved(&fetcher(&place.store(), small), &url, "main").unwrap_err();
    assert_eq!((fault.temporary, fault.reason.as_str()), (false, "the answer is larger than is taken"));
    server.change(|manner| manner.endless = false);
    let fault = resolved(&place.git(), &server.url("other/.git"), "main").unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("404"), "{fault:?}");
}

#[test]
fn what_broke_off_is_fetched_anew() {
    let place = Place::new();
    let origin = Origin::new(&place.origins(), "app");
    let text: String = (0..20_000).map(|n| format!("{}\n", n * 7919 % 65_537)).collect();
    let commit = origin.commit("a", &text);
    let server = Server::start(&place.origins(), Manner { cut: Some((5000, 1)), ..Manner::default() });
    let url = server.url("app/.git");
    let fault = brought(&place.git(), &url, &commit, &["a"]).unwrap_err();
    assert!(fault.temporary, "{fault:?}");
    assert!(place.git().open(&SourceRequest::git(&url, ""), &pin(&commit)).unwrap().is_none());
    server.change(|manner| manner.drop = 1);
    let fault = brought(&place.git(), &url, &commit, &["a"]).unwrap_err();
    assert!(fault.temporary, "{fault:?}");
    assert_eq!(brought(&place.git(), &url, &commit, &["a"]), Ok(vec![text]));
    let small = GitOptions { max_pack: 1000, ..GitOptions::default() };
    let other = Place::new();
    let fault = brought(&fetcher(&other.store(), small), &url, &commit, &["a"]).unwrap_err();
    assert_eq!((fault.temporary, fault.reason.as_str()), (false, "the answer is larger than is taken"));
}

#[test]
fn what_a_killed_process_left_is_no_matter() {
    let place = Place::new();
    let origin = Origin::new(&place.origins(), "app");
    let first = origin.commit("a", "1");
    let second = origin.commit("a", "2");
    let server = Server::start(&place.origins(), Manner::default());
    let url = server.url("app/.git");
    assert!(brought(&place.git(), &url, &first, &["a"]).is_ok());
    let repository = fs::read_dir(place.store().join("git")).unwrap().next().unwrap().unwrap().path();
    // Half a pack, one without an index, a mark that was not made, locks of git.
    for name in [
        "objects/pack/.tmpAbCdEf",
        "objects/pack/pack-0123.pack",
        "objects/pack/pack-0123.keep",
        "shallow.lock",
        "HEAD.lock",
    ] {
        fs::write(repository.join(name), "half").unwrap();
    }
    fs::remove_file(repository.join("commits").join(&first)).unwrap();
    fs::write(repository.join("config"), "[core").unwrap();
    let asked = server.requests();
    assert_eq!(brought(&place.git(), &url, &first, &["a"]), Ok(vec!["1".into()]));
    assert_eq!(server.requests(), asked, "all of it was there");
    assert_eq!(brought(&place.git(), &url, &second, &["a"]), Ok(vec!["2".into()]));
    assert!(!repository.join("objects/pack/pack-0123.pack").exists());
    // A damaged pack is an error, not other bytes.
    for entry in fs::read_dir(repository.join("objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pack") {
            let mut bytes = fs::read(&path).unwrap();
            bytes[14..].iter_mut().for_each(|byte| *byte ^= 0x55);
            let mut permissions = fs::metadata(&path).unwrap().permissions();
            #[expect(clippy::permissions_set_readonly_false, reason = "a folder of the test")]
            permissions.set_readonly(false);
            fs::set_permissions(&path, permissions).unwrap();
            fs::write(&path, bytes).unwrap();
        }
    }
    let read = brought(&place.git(), &url, &second, &["a"]);
    assert!(read.as_ref().is_err() || read.as_ref().is_ok_and(|read| read[0].contains("cannot be read")), "{read:?}");
}

#[test]
fn many_at_once_fetch_once() {
    let place = Place::new();
    let origin = Origin::new(&place.origins(), "app");
    let commit = origin.commit("a", "1");
    let server = Server::start(&place.origins(), Manner::default());
    let url = server.url("app/.git");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(brought(&place.git(), &url, &commit, &["a"]), Ok(vec!["1".into()])));
        }
    });
    assert_eq!(server.posts(), 1);
}

#[test]
fn submodules_are_directories() {
    let place = Place::new();
    let inner = Origin::new(&place.origins(), "inner");
    inner.commit("deep.yaml", "deep: 1\n");
    let lib = Origin::new(&place.origins(), "lib");
    lib.commit("lib.yaml", "lib: 1\n");
    lib.git(&["submodule", "--quiet", "add", "../inner/.git", "vendor/inner"]);
    lib.git(&["config", "-f", ".gitmodules", "submodule.vendor/inner.url", "../../inner/.git"]);
    lib.commit("lib.yaml", "lib: 2\n");
    let app = Origin::new(&place.origins(), "app");
    app.git(&["submodule", "--quiet", "add", "../lib/.git", "base"]);
    app.git(&["config", "-f", ".gitmodules", "submodule.base.url", "../../lib/.git"]);
    let commit = app.commit("a.yaml", "a: 1\n");
    let server = Server::start(&place.origins(), Manner::default());
    let url = server.url("app/.git");
    let want: Vec<String> = ["a: 1\n", "lib: 2\n", "deep: 1\n"].map(str::to_owned).to_vec();
    let paths = ["a.yaml", "base/lib.yaml", "base/vendor/inner/deep.yaml"];
    assert_eq!(brought(&place.git(), &url, &commit, &paths), Ok(want.clone()));
    let asked = server.requests();
    assert_eq!(brought(&place.git(), &url, &commit, &paths), Ok(want.clone()));
    assert_eq!(server.requests(), asked);
    // On this machine as well.
    let path = app.path().display().to_string();
    app.git(&["config", "-f", ".gitmodules", "submodule.base.url", "../lib"]);
    lib.git(&["config", "-f", ".gitmodules", "submodule.vendor/inner.url", "../inner"]);
    lib.git(&["commit", "-qam", "near"]);
    app.git(&["-C", "base", "fetch", "-q", &lib.path().display().to_string()]);
    app.git(&["-C", "base", "checkout", "-q", "FETCH_HEAD"]);
    let commit = app.commit("a.yaml", "a: 1\n# 2");
    assert_eq!(brought(&place.git(), &path, &commit, &paths[1..]), Ok(want[1..].to_vec()));
    // Without them there is no directory.
    let without = fetcher(&place.store(), GitOptions { submodules: false, ..GitOptions::default() });
    let read = brought(&without, &path, &commit, &["base/lib.yaml"]).unwrap();
    assert!(read[0].contains("not a directory"), "{read:?}");
    // A server's repository names no folder of ours, and none without a URL.
    let shown = path.replace("/app", "/lib");
    app.git(&["config", "-f", ".gitmodules", "submodule.base.url", &shown]);
    let commit = app.commit("a.yaml", "a: 3\n");
    let fault = brought(&place.git(), &url, &commit, &[]).unwrap_err();
    assert!(fault.reason.contains("may not name folders of this machine"), "{fault:?}");
    fs::remove_file(app.path().join(".gitmodules")).unwrap();
    let commit = app.commit("a.yaml", "a: 4\n");
    let fault = brought(&place.git(), &url, &commit, &[]).unwrap_err();
    assert!(fault.reason.contains("`base` is a submodule for which `.gitmodules` has no URL"), "{fault:?}");
}

#[test]
fn repositories_of_this_machine_are_read_where_they_are() {
    let place = Place::new();
    let origin = Origin::new(&place.origins(), "app");
    let first = origin.commit("a", "1");
    origin.git(&["tag", "v1.0.0"]);
    let second = origin.commit("a", "2");
    let path = origin.path().display().to_string();
    let git = place.git();
    for url in [path.clone(), format!("file://{path}"), format!("{path}/.git")] {
        for (revision, want) in [("", &second), ("main", &second), ("v1.x", &first), (&first[..7], &first)] {
            assert_eq!(resolved(&git, &url, revision).as_ref(), Ok(want), "{url} {revision}");
        }
        assert_eq!(brought(&git, &url, &first, &["a"]), Ok(vec!["1".into()]));
        assert!(resolved(&git, &url, "v2").is_err());
    }
    assert!(!place.store().join("git").exists());
    assert!(resolved(&git, "/no/such/folder", "main").unwrap_err().reason.contains("no git repository"));
}

#[test]
fn pointers_of_large_files_are_no_content() {
    let place = Place::new();
    let origin = Origin::new(&place.origins(), "app");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 9\n";
    let commit = origin.commit("a", pointer);
    let server = Server::start(&place.origins(), Manner::default());
    let read = brought(&place.git(), &server.url("app/.git"), &commit, &["a"]).unwrap();
    assert!(read[0].contains("pointer of Git LFS"), "{read:?}");
}

#[test]
fn foreign_objects_are_refused() {
    let place = Place::new();
    let origin = Origin::with(&place.origins(), "app", &["--object-format=sha256"]);
    origin.commit("a", "1");
    for old in [false, true] {
        let server = Server::start(&place.origins(), Manner { old, ..Manner::default() });
        let fault = resolved(&place.git(), &server.url("app/.git"), "main").unwrap_err();
        assert!(fault.reason.contains("SHA-256"), "{fault:?}");
    }
    let fault = resolved(&place.git(), &origin.path().display().to_string(), "main").unwrap_err();
    assert!(fault.reason.contains("SHA-256"), "{fault:?}");
}

/// A program that stands for ssh: it notes what it was asked and runs the server's command here.
fn ssh(place: &Place, body: &str) -> GitOptions {
    use std::os::unix::fs::PermissionsExt as _;
    let program = place.0.path().join("ssh");
    fs::write(&program, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{}/asked'\n{body}\n", place.0.path().display()))
        .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let line = format!("'{}' -F none", program.display());
    GitOptions { ssh_command: Some(line.into()), patience: Duration::from_secs(10), ..GitOptions::default() }
}

#[test]
fn ssh_carries_the_protocol() {
    let place = Place::new();
    let origin = Origin::new(&place.origins(), "app's");
    let first = origin.commit("a", "1");
    origin.git(&["tag", "v1.0.0"]);
    let second = origin.commit("a", "2");
    let run = "for last; do :; done; exec sh -c \"$last\"";
    for body in [run.to_owned(), format!("unset GIT_PROTOCOL; {run}")] {
        let place = Place::new();
        let git = fetcher(&place.store(), ssh(&place, &body));
        let url = format!("ssh://git@host.example:2222{}", origin.path().display());
        assert_eq!(resolved(&git, &url, "main"), Ok(second.clone()));
        assert_eq!(resolved(&git, &url, "v1.*"), Ok(first.clone()));
        assert_eq!(brought(&git, &url, &second, &["a"]), Ok(vec!["2".into()]));
        assert_eq!(brought(&git, &url, &first, &["a"]), Ok(vec!["1".into()]));
        let asked = fs::read_to_string(place.0.path().join("asked")).unwrap();
        let quoted = origin.path().display().to_string().replace('\'', "'\\''");
        let want = format!(
            "-F\nnone\n-o\nSendEnv=GIT_PROTOCOL\n-o\nBatchMode=yes\n-p\n2222\ngit@host.example\ngit-upload-pack '{quoted}'\n"
        );
        assert_eq!(asked, want);
    }
}

#[test]
fn what_ssh_says_is_the_reason() {
    let place = Place::new();
    for (body, temporary, words) in [
        ("echo 'git@host: Permission denied (publickey).' >&2; exit 255", false, "Permission denied"),
        ("echo 'Host key verification failed.' >&2; exit 255", false, "Host key"),
        ("echo 'ssh: connect to host x port 22: Connection refused' >&2; exit 255", true, "Connection refused"),
        ("exit 1", true, "cut off"),
    ] {
        let git = fetcher(&place.store(), ssh(&place, body));
        let fault = resolved(&git, "git@host:app", "main").unwrap_err();
        assert!(fault.temporary == temporary && fault.reason.contains(words), "{body}: {fault:?}");
    }
    // A server that says nothing is left.
    let quick = GitOptions { patience: Duration::from_millis(300), ..ssh(&place, "exec sleep 60") };
    let began = std::time::Instant::now();
    let fault = resolved(&fetcher(&place.store(), quick), "git@host:app", "main").unwrap_err();
    assert!(fault.temporary && fault.reason.contains("in time"), "{fault:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let none = GitOptions { ssh: "/no/such/ssh".into(), ..GitOptions::default() };
    let fault = resolved(&fetcher(&place.store(), none), "git@host:app", "main").unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("ssh cannot be started"), "{fault:?}");
}

#[test]
fn nothing_is_started_for_urls_that_mean_a_program() {
    let place = Place::new();
    let mark = place.0.path().join("mark");
    let git = fetcher(&place.store(), ssh(&place, "exit 1"));
    for url in [
        format!("ext::sh -c touch% {}", mark.display()),
        format!("-oProxyCommand=touch {}", mark.display()),
        format!("ssh://-oProxyCommand=touch%20{}/x", mark.display()),
        "git@host:app\n-oProxyCommand=x".to_owned(),
        "fd::3".to_owned(),
    ] {
        let fault = resolved(&git, &url, "main").unwrap_err();
        assert!(!fault.temporary && fault.reason.contains("is no URL of a git repository"), "{fault:?}");
    }
    assert!(!mark.exists() && !place.0.path().join("asked").exists());
}

/// A real server of ssh, where there is one: `FLEETC_SSHD` or /usr/sbin/sshd. One that root starts needs the account `sshd`.
struct Sshd {
    child: std::process::Child,
    port: u16,
    /// The server's line of known_hosts, and the key that it lets in.
    known_hosts: String,
    key: String,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sshd(folder: &Path) -> Option<Sshd> {
    use std::process::{Command, Stdio};
    let named = std::env::var_os("FLEETC_SSHD");
    let program = std::path::PathBuf::from(named.clone().unwrap_or_else(|| "/usr/sbin/sshd".into()));
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let root = std::os::unix::fs::MetadataExt::uid(&fs::metadata(folder).unwrap()) == 0;
    if !program.exists() || (named.is_none() && root && !accounts.contains("\nsshd:")) {
        return None;
    }
    for name in ["host", "mine"] {
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(name)).status();
        assert!(made.unwrap().success());
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = folder.display();
    let configuration = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/mine.pub\nPidFile none\nStrictModes no\n\
         UsePAM no\nAcceptEnv GIT_PROTOCOL\nPasswordAuthentication no\nPermitRootLogin yes\n"
    );
    fs::write(folder.join("sshd_config"), configuration).unwrap();
    let mut command = Command::new(program);
    command.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let public = fs::read_to_string(folder.join("host.pub")).unwrap();
    let key = fs::read_to_string(folder.join("mine")).unwrap();
    let server = Sshd { child, port, known_hosts: format!("[127.0.0.1]:{port} {}", public.trim()), key };
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(server);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("sshd does not answer");
}

#[test]
fn a_server_of_ssh_is_reached_with_the_key_of_a_secret() {
    use crate::span::FileId;
    use crate::yaml::{Dialect, Limits, parse};
    let place = Place::new();
    let Some(server) = sshd(place.0.path()) else {
        // Past the harness, which keeps what passing tests print.
        let _ = writeln!(
            std::io::stderr(),
            "not run: there is no sshd (FLEETC_SSHD, or /usr/sbin/sshd with the account `sshd`)"
        );
        return;
    };
    let origin = Origin::new(&place.origins(), "app");
    let commit = origin.commit("a", "1");
    let user = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let url = format!("ssh://{}@127.0.0.1:{}{}", user.trim(), server.port, origin.path().display());
    let secret = |key: &str| {
        let key = key.replace('\n', "\n    ");
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: app, labels: {{argocd.argoproj.io/secret-type: repository}}}}\nstringData:\n  \
             url: {url}\n  sshPrivateKey: |\n    {key}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: \
             argocd-ssh-known-hosts-cm}}\ndata:\n  ssh_known_hosts: |\n    {}\n",
            server.known_hosts
        )
    };
    let git = |text: &str| {
        let mut credentials = Credentials::default();
        let parsed = parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
        parsed.documents.iter().for_each(|document| credentials.add(&document.root, "secrets.yaml"));
        // Without what the account that runs the tests has of its own.
        let alone =
            GitOptions { ssh_command: Some("ssh -F none -o IdentityAgent=none".into()), ..GitOptions::default() };
        fetcher_with(&place.store(), alone, credentials)
    };
    let known = secret(&server.key);
    assert_eq!(resolved(&git(&known), &url, "main"), Ok(commit.clone()));
    assert_eq!(brought(&git(&known), &url, &commit, &["a"]), Ok(vec!["1".into()]));
    // Another key, and a server that nobody has vouched for.
    let other = place.0.path().join("other");
    fs::create_dir_all(&other).unwrap();
    assert!(
        std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(other.join("key"))
            .status()
            .unwrap()
            .success()
    );
    let wrong = secret(&fs::read_to_string(other.join("key")).unwrap());
    let fault = resolved(&git(&wrong), &url, "main").unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("Permission denied"), "{fault:?}");
    let stranger = known.replace("argocd-ssh-known-hosts-cm", "something-else");
    let fault = resolved(&git(&stranger), &url, "main").unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("Host key verification failed"), "{fault:?}");
    assert!(!format!("{fault:?}").contains("PRIVATE"));
}
