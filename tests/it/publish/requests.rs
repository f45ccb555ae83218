//! Pull requests on a service that this test stands for: it answers as GitHub or GitLab do, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Fleet, bare, count, told, tree};
use crate::git_server::{Manner, Server};

/// What was asked: method, path with query, token, body.
type Asked = (String, String, String, Value);

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    open: Vec<Value>,
}

/// A service: its URL and what it remembers.
fn service() -> (String, Arc<Mutex<State>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let state = Arc::new(Mutex::new(State::default()));
    let shared = Arc::clone(&state);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let (mut first, mut token, mut length) = (String::new(), String::new(), 0);
            let _ = reader.read_line(&mut first);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                match name.to_lowercase().as_str() {
                    "authorization" => value.trim().clone_into(&mut token),
                    "content-length" => length = value.trim().parse().unwrap(),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            let _ = reader.read_exact(&mut body);
            let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let mut words = first.split(' ').map(str::to_owned);
            let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let answer = answer(&mut shared.lock().unwrap(), (method, path, token, body)).to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
            let _ = (&stream).write_all(format!("{head}{answer}").as_bytes());
        }
    });
    (url, state)
}

fn answer(state: &mut State, asked: Asked) -> Value {
    let (method, path, _, body) = &asked;
    let number = state.open.len() + 7;
    let answer = match method.as_str() {
        "GET" if path.ends_with("&page=1") => Value::Array(state.open.clone()),
        "GET" => json!([]),
        "POST" if body.get("head").is_some() => {
            let made = json!({"number": number, "html_url": format!("https://x/{number}"), "head": {"ref": body["head"]}, "base": {"ref": body["base"]}});
            state.open.push(made.clone());
            made
        }
        "POST" => {
            let made = json!({"iid": number, "web_url": format!("https://x/{number}"), "source_branch": body["source_branch"], "target_branch": body["target_branch"]});
            state.open.push(made.clone());
            made
        }
        _ => json!({}),
    };
    state.asked.push(asked);
    answer
}

#[test]
fn a_pull_request_is_opened_once_and_kept_up_to_date() {
    for (kind, api, token, first, last) in [
        ("github", "GITHUB_API_URL", "GITHUB_TOKEN", "/api/v3/repos/org/out/pulls", "PATCH"),
        ("gitlab", "GITLAB_API_URL", "GITLAB_TOKEN", "/api/v4/projects/org%2Fout/merge_requests", "PUT"),
    ] {
        let origins = tempfile::tempdir().unwrap();
        let origin = bare(origins.path(), "org/out");
        let server = Server::start(origins.path(), Manner::default());
        let (url, state) = service();
        let fleet = Fleet::new();
        let to = format!("{}#rendered", server.url("org/out"));
        let request = |code: i32| {
            let flag = format!("--pull-request={kind}");
            let mut command = fleet.command(&["publish", "--to", &to, &flag]);
            let output = command.env(api, &url).env(token, "sesame").output().unwrap();
            let said = told(&output, code, &[kind]);
            assert!(!said.contains("sesame"), "{said}");
            said
        };
        assert!(request(1).contains("does not exist"));
        fleet.publish(&to, &[], 0);
        // Nothing to ask for.
        request(0);
        assert!(state.lock().unwrap().open.is_empty());
        let commit = fleet.change("two");
        let said = request(0);
        assert!(said.contains("pull request 7 https://x/7"), "{said}");
        let head = format!("fleetc/rendered-{}", &commit[..12]);
        assert!(tree(&origin, &head)["a/apps/web-a.yaml"].contains("two"));
        assert!(tree(&origin, "rendered")["a/apps/web-a.yaml"].contains("one"));
        assert_eq!((count(&origin, &head), count(&origin, "rendered")), (2, 1));
        {
            let state = state.lock().unwrap();
            assert!(state.asked.iter().all(|(_, path, token, _)| path.starts_with(first) && token == "Bearer sesame"));
            let (method, _, _, body) = state.asked.last().unwrap();
            let text = body.get("body").or_else(|| body.get("description")).and_then(Value::as_str).unwrap();
            assert!(
                method == "POST" && body["title"] == "Publish shop: 2 applications changed on 2 clusters",
                "{body}"
            );
            assert!(text.contains("~ a/apps/web-a.yaml"), "{text}");
        }
        // The same again: neither a commit nor a second one.
        let asked = state.lock().unwrap().asked.len();
        request(0);
        assert!(state.lock().unwrap().asked.iter().skip(asked).all(|(method, ..)| method == "GET"));
        fleet.change("three");
        request(0);
        let state = state.lock().unwrap();
        let (method, path, ..) = state.asked.last().unwrap();
        assert_eq!((method.as_str(), path.as_str()), (last, format!("{first}/7").as_str()));
        assert_eq!((state.open.len(), count(&origin, &head)), (1, 3));
        assert!(tree(&origin, &head)["a/apps/web-a.yaml"].contains("three"));
    }
}
