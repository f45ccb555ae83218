//! A git server for tests: `git http-backend` behind a listener that can also refuse, redirect, cut off and talk without end.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// What is wrong with a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Manner {
    /// Name and password that it wants, as `name:password` in base64.
    pub(super) login: Option<String>,
    /// Where it sends everybody.
    pub(super) redirect: Option<String>,
    /// Answers to POST that it cuts off after so many bytes; the number of them.
    pub(super) cut: Option<(usize, usize)>,
    /// Whether it talks without end.
    pub(super) endless: bool,
    /// Whether it does not know versions of the protocol.
    pub(super) old: bool,
    /// Connections that it drops at once.
    pub(super) drop: usize,
    /// Answers that are a page.
    pub(super) page: bool,
}

#[derive(Default)]
struct State {
    manner: Manner,
    /// The requests: method, path, and the login that was sent.
    seen: Vec<(String, String, Option<String>)>,
}

pub(super) struct Server {
    pub(super) port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(super) fn start(root: &Path, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { manner, seen: Vec::new() }));
        let (root, shared) = (root.to_owned(), Arc::clone(&state));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, shared) = (root.clone(), Arc::clone(&shared));
                std::thread::spawn(move || {
                    let _ = serve(stream, &root, &shared);
                });
            }
        });
        Server { port, state }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Manner)) {
        change(&mut self.state.lock().unwrap().manner);
    }

    pub(super) fn posts(&self) -> usize {
        self.state.lock().unwrap().seen.iter().filter(|(method, ..)| method == "POST").count()
    }

    pub(super) fn requests(&self) -> usize {
        self.state.lock().unwrap().seen.len()
    }

    pub(super) fn logins(&self) -> Vec<Option<String>> {
        self.state.lock().unwrap().seen.iter().map(|(_, _, login)| login.clone()).collect()
    }
}

fn serve(stream: TcpStream, root: &Path, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let manner = {
        let mut state = state.lock().unwrap();
        state.seen.push((method.clone(), target.clone(), header("authorization")));
        if state.manner.drop > 0 {
            state.manner.drop -= 1;
            return Ok(());
        }
        let manner = state.manner.clone();
        if method == "POST"
            && let Some((_, times)) = &mut state.manner.cut
        {
            *times = times.saturating_sub(1);
        }
        manner
    };
    if manner.login.as_ref().is_some_and(|login| header("authorization") != Some(format!("Basic {login}"))) {
        return out.write_all(
            b"HTTP/1.1 401 no\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    if let Some(to) = &manner.redirect {
        let text =
            format!("HTTP/1.1 302 there\r\nLocation: {to}{target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return out.write_all(text.as_bytes());
    }
    if manner.page {
        return out.write_all(
            b"HTTP/1.1 200 ok\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
        );
    }
    if manner.endless {
        out.write_all(b"HTTP/1.1 200 ok\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nConnection: close\r\n\r\n")?;
        out.write_all(b"001e# service=git-upload-pack\n0000")?;
        out.write_all(b"00470123456789012345678901234567890123456789 refs/heads/main\0ofs-delta\n")?;
        loop {
            out.write_all(b"003d0123456789012345678901234567890123456789 refs/heads/abcd\n")?;
        }
    }
    let protocol = if manner.old { None } else { header("git-protocol") };
    let answer = backend(root, &method, path, query, header("content-type"), protocol, &body);
    let (head, content) = split(&answer);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let mut text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", content.len());
    for line in head.lines().filter(|line| !line.starts_with("Status: ") && !line.is_empty()) {
        text.push_str(line.trim_end());
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    out.write_all(text.as_bytes())?;
    let content = match manner.cut {
        Some((after, times)) if method == "POST" && times > 0 => &content[..after.min(content.len())],
        _ => content,
    };
    out.write_all(content)
}

fn split(answer: &[u8]) -> (String, &[u8]) {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let (head, content) = answer.split_at(at);
    (String::from_utf8_lossy(head).into_owned(), content.get(4..).unwrap_or_default())
}

fn backend(
    root: &Path,
    method: &str,
    path: &str,
    query: &str,
    kind: Option<String>,
    protocol: Option<String>,
    body: &[u8],
) -> Vec<u8> {
    let mut command = Command::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("PATH_INFO", path).env("REQUEST_METHOD", method).env("QUERY_STRING", query);
    command.env("CONTENT_LENGTH", body.len().to_string()).env("HOME", root).env("GIT_CONFIG_NOSYSTEM", "1");
    command.env_remove("GIT_PROTOCOL").envs(kind.map(|kind| ("CONTENT_TYPE", kind)));
    command.envs(protocol.map(|protocol| ("GIT_PROTOCOL", protocol)));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("git is installed");
    let mut input = child.stdin.take().unwrap();
    let body = body.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = input.write_all(&body);
    });
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    output.stdout
}

/// Repositories below a folder, made by git.
pub(super) struct Origin {
    pub(super) root: PathBuf,
    pub(super) name: String,
}

impl Origin {
    pub(super) fn new(root: &Path, name: &str) -> Self {
        Self::with(root, name, &[])
    }

    pub(super) fn with(root: &Path, name: &str, options: &[&str]) -> Self {
        let origin = Origin { root: root.to_owned(), name: name.to_owned() };
        fs::create_dir_all(origin.path()).unwrap();
        origin.git(&[&["init", "-q", "-b", "main"], options].concat());
        origin
    }

    pub(super) fn path(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    pub(super) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always"])
            .args(arguments)
            .current_dir(self.path())
            .env("HOME", &self.root)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
            .output()
            .expect("git is installed");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Commits a file; the commit.
    pub(super) fn commit(&self, path: &str, text: &str) -> String {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", path]);
        self.git(&["rev-parse", "HEAD"])
    }
}
