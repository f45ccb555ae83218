//! A server on the loopback interface: files below a folder, and git repositories in `git/` by `git http-backend`. A file whose name ends
//! with the query is the answer to that; one beside it that ends in `.next` holds the path of the next page for the `Link` header.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// The server. It ends with the test.
pub(crate) struct Server {
    port: u16,
    log: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
}

struct Asked {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Server {
    /// Serves a folder.
    pub(crate) fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (log, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let server = Server { port, log: Arc::clone(&log), ended: Arc::clone(&ended) };
        let folder = folder.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let (folder, log, ended) = (folder.clone(), Arc::clone(&log), Arc::clone(&ended));
                std::thread::spawn(move || {
                    // Clients break off, and some are killed.
                    while !ended.load(Ordering::SeqCst) && serve(&stream, &folder, &log).is_some() {}
                });
            }
        });
        server
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What was asked for since this was last asked.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    /// Ends it: nobody answers any more.
    pub(crate) fn stop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(stream: &TcpStream, folder: &Path, log: &Mutex<Vec<String>>) -> Option<()> {
    let asked = read(stream)?;
    let login = asked.headers.get("authorization").map(|login| format!(" ({login})")).unwrap_or_default();
    let is_json = asked.headers.get("content-type").is_some_and(|kind| kind.contains("json"));
    let body = if is_json { format!(" {}", String::from_utf8_lossy(&asked.body)) } else { String::new() };
    log.lock().unwrap().push(format!("{} {}{login}{}", asked.method, asked.path, body.trim_end()));
    let is_git = asked.path.starts_with("/git/") && !asked.path.contains("/info/lfs/");
    let answer = if is_git { git(&asked, folder)? } else { file(&asked, folder) };
    (&mut &*stream).write_all(&answer).ok()
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = u64::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = Vec::new();
            (&mut reader).take(size + 2).read_to_end(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            body.extend(chunk.get(..chunk.len() - 2)?);
        }
    } else {
        let size = headers.get("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        reader.take(size).read_to_end(&mut body).ok()?;
    }
    Some(Asked { method, path, query, headers, body })
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend(body);
    out
}

fn file(asked: &Asked, folder: &Path) -> Vec<u8> {
    let path: PathBuf = folder.join(asked.path.trim_start_matches('/'));
    let exact: PathBuf = folder.join(format!("{}?{}", asked.path.trim_start_matches('/'), asked.query));
    let path = if exact.is_file() { exact } else { path };
    let mut headers = "Content-Type: application/octet-stream\r\n".to_owned();
    if let Ok(next) = std::fs::read_to_string(format!("{}.next", path.display())) {
        let host = asked.headers.get("host").map(String::as_str).unwrap_or_default();
        headers.push_str(&format!("Link: <http://{host}{next}>; rel=\"next\"\r\n"));
    }
    match std::fs::read(path) {
        Ok(bytes) => answer("200 OK", &headers, &bytes),
        Err(_) => answer("404 Not Found", "", b"there is nothing"),
    }
}

fn git(asked: &Asked, folder: &Path) -> Option<Vec<u8>> {
    let header = |name: &str| asked.headers.get(name).cloned().unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("REQUEST_METHOD", &asked.method)
        .env("PATH_INFO", &asked.path)
        .env("QUERY_STRING", &asked.query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", asked.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let body = asked.body.clone();
    let writer = std::thread::spawn(move || input.write_all(&body));
    let output = child.wait_with_output().ok()?;
    let _ = writer.join();
    let end = output.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let (head, body) = (String::from_utf8_lossy(output.stdout.get(..end)?).into_owned(), output.stdout.get(end + 4..)?);
    let mut status = "200 OK".to_owned();
    let mut headers = String::new();
    for line in head.lines() {
        match line.split_once(": ") {
            Some(("Status", value)) => value.clone_into(&mut status),
            _ => headers.push_str(&format!("{line}\r\n")),
        }
    }
    Some(answer(&status, &headers, body))
}
