//! Connections and the driver against servers that answer, hang, break off and refuse, as the path of a request says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kube::config::{AuthInfo, Cluster, ExecConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::access::Access;
use super::exec::{Origin, Programs};
use super::{ClusterConnection, Driver, RunOptions, Timeouts};
use crate::api::{Answer, Content, Failure, Method, Request};
use crate::machine::{Machine, all};

const QUICK: Timeouts =
    Timeouts { connect: Duration::from_secs(2), request: Duration::from_secs(2), program: Duration::from_secs(10) };

/// What servers counted.
#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
    connections: AtomicUsize,
}

/// Servers on loopback, on a runtime of their own.
struct Servers {
    runtime: Runtime,
}

impl Servers {
    fn new() -> Self {
        Servers { runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap() }
    }

    /// A server; its URL and what it counts.
    fn start(&self) -> (String, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let counted = Arc::clone(&counts);
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(talk(stream, Arc::clone(&counted)));
            }
        });
        (url, counts)
    }
}

async fn talk(mut stream: TcpStream, counts: Arc<Counts>) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break String::from_utf8(bytes.drain(..end + 4).collect()).ok()?;
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        while bytes.len() < length.unwrap_or(0) {
            stream.read_buf(&mut bytes).await.ok()?;
        }
        let body: Vec<u8> = bytes.drain(..length.unwrap_or(0)).collect();
        counts.all.fetch_add(1, Ordering::SeqCst);
        let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most.fetch_max(now, Ordering::SeqCst);
        let path = head.split(' ').nth(1)?.to_owned();
        let answer = match path.split('?').next()? {
            "/hang" => std::future::pending().await,
            "/break" => return None,
            "/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_owned(),
            "/429" => "HTTP/1.1 429 Too Many\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "/slow" => {
                tokio::time::sleep(Duration::from_millis(30)).await;
                sized("slow")
            }
            "/echo" => sized(&format!("{head}{}", String::from_utf8_lossy(&body))),
            _ => sized("{}"),
        };
        counts.now.fetch_sub(1, Ordering::SeqCst);
        stream.write_all(answer.as_bytes()).await.ok()?;
        if path == "/cut" {
            return None;
        }
    }
}

fn sized(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len())
}

fn connection(url: &str, user: AuthInfo, timeouts: Timeouts) -> ClusterConnection {
    let cluster = Cluster { server: Some(url.to_owned()), ..Cluster::default() };
    let programs = Programs::named(&["sh".to_owned()]);
    ClusterConnection::new(Access::new(cluster, user, Origin::Kubeconfig, &programs).unwrap(), timeouts)
}

fn dead() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn one(driver: &Driver, connection: &ClusterConnection, request: Request) -> Answer {
    let machine = Machine::new(|port| async move { port.send(request).await });
    driver.run(vec![(connection.clone(), machine)], RunOptions::default(), &mut |_, _| {}).pop().flatten().unwrap()
}

#[test]
fn what_never_left_and_what_may_have_arrived() {
    let servers = Servers::new();
    let driver = Driver::start().unwrap();
    let (url, _) = servers.start();
    let to = |url: &str| connection(url, AuthInfo::default(), QUICK);
    let text = |answer: Answer| answer.map(|response| response.text.to_string());
    assert_eq!(text(one(&driver, &to(&url), Request::get("/x"))), Ok("{}".to_owned()));
    let lost = |answer: Answer| matches!(answer, Err(Failure::Lost(_)));
    for path in ["/break", "/cut", "/hang"] {
        assert!(lost(one(&driver, &to(&url), Request::get(path))), "{path}");
        let write = Request::new(Method::Post, path).body(Content::Json, "{}");
        assert!(lost(one(&driver, &to(&url), write)), "{path}");
    }
    let answer = one(&driver, &to(&dead()), Request::get("/x"));
    assert!(matches!(&answer, Err(Failure::NotSent(why)) if why.contains("refused")), "{answer:?}");
    let answer = one(&driver, &to("http://no-such-host.invalid"), Request::get("/x"));
    assert!(matches!(answer, Err(Failure::NotSent(_))), "{answer:?}");
    let limited = one(&driver, &to(&url), Request::get("/429")).unwrap();
    assert_eq!((limited.status, limited.retry_after), (429, Some(3_000)));
    let acting = AuthInfo { impersonate: Some("a".to_owned()), ..AuthInfo::default() };
    let answer = one(&driver, &connection(&url, acting, QUICK), Request::get("/x").acting_as("b"));
    assert!(matches!(answer, Err(Failure::NotSent(_))), "{answer:?}");
}

#[test]
fn what_is_sent() {
    let servers = Servers::new();
    let driver = Driver::start().unwrap();
    let (url, _) = servers.start();
    let user = AuthInfo { token: Some("tok".into()), ..AuthInfo::default() };
    let request = Request::new(Method::Patch, "/echo")
        .with("fieldManager", "fleetc")
        .body(Content::MergePatch, "{\"a\":1}")
        .acting_as("system:serviceaccount:a:b")
        .accepting("application/json;v=v2");
    let text = one(&driver, &connection(&format!("{url}/"), user, QUICK), request).unwrap().text.to_lowercase();
    for part in [
        "patch /echo?fieldmanager=fleetc http/1.1\r\n",
        "\r\nauthorization: bearer tok\r\n",
        "\r\ncontent-type: application/merge-patch+json\r\n",
        "\r\nimpersonate-user: system:serviceaccount:a:b\r\n",
        "\r\naccept: application/json;v=v2\r\n",
        "\r\nuser-agent: fleetc/",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(text.ends_with("{\"a\":1}"), "{text}");
}

#[test]
fn two_hundred_clusters_a_hanging_and_a_dead_one() {
    let servers = Servers::new();
    let driver = Driver::start().unwrap();
    let (good, counts) = servers.start();
    let work = (0..200).map(|at| {
        let url = if at == 8 { dead() } else { good.clone() };
        let machine = Machine::new(move |port| async move {
            let path = if at == 7 { "/hang" } else { "/slow" };
            let pieces = (0..5).map(|_| {
                let port = port.clone();
                async move { port.send(Request::get(path)).await.is_ok() }
            });
            let done = all(5, pieces).await;
            port.say("done");
            done.into_iter().filter(|ok| *ok).count()
        });
        (connection(&url, AuthInfo::default(), QUICK), machine)
    });
    let before = thread_count();
    let mut said = Vec::new();
    let mut threads = 0;
    let results = driver.run(work.collect(), RunOptions::default(), &mut |at, _| {
        said.push(at);
        threads = threads.max(thread_count());
    });
    let wanted: Vec<Option<usize>> = (0..200).map(|at| Some(if at == 7 || at == 8 { 0 } else { 5 })).collect();
    assert_eq!(results, wanted);
    assert_eq!(counts.all.load(Ordering::SeqCst), 199 * 5);
    // Nobody waits for the hanging one: it ends at its timeout, and by then most others have long ended, however busy the machine is.
    let hanging = said.iter().position(|at| *at == 7).unwrap();
    assert!(hanging > 100, "{hanging}");
    // Other tests of this process have threads, too, some one hundred; a thread a cluster would be two hundred more.
    assert!(threads < before + 150, "{threads} threads, {before} before");
}

fn thread_count() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Threads:")?.trim().parse().ok()).unwrap_or(0)
}

#[test]
fn so_many_requests_in_flight_and_connections_are_kept() {
    let servers = Servers::new();
    let driver = Driver::start().unwrap();
    let (url, counts) = servers.start();
    let machine = Machine::new(|port| async move {
        let pieces = (0..200).map(|_| {
            let port = port.clone();
            async move { port.send(Request::get("/slow")).await.is_ok() }
        });
        all(200, pieces).await.into_iter().all(|ok| ok)
    });
    let work = vec![(connection(&url, AuthInfo::default(), QUICK), machine)];
    assert_eq!(driver.run(work, RunOptions::default(), &mut |_, _| {}), [Some(true)]);
    assert_eq!(counts.all.load(Ordering::SeqCst), 200);
    assert_eq!(counts.most.load(Ordering::SeqCst), 16);
    let connections = counts.connections.load(Ordering::SeqCst);
    assert!(connections <= 32, "{connections} connections");
}

#[test]
fn a_deadline_ends_what_awaits_and_drops_what_never_ends() {
    let servers = Servers::new();
    let driver = Driver::start().unwrap();
    let (url, _) = servers.start();
    let to = || connection(&url, AuthInfo::default(), Timeouts::default());
    let hanging = Machine::new(|port| async move {
        let first = port.send(Request::get("/hang")).await.map(|response| response.status);
        let second = port.send(Request::get("/x")).await.map(|response| response.status);
        format!("{first:?} {second:?}")
    });
    let endless = Machine::new(|port| async move {
        loop {
            port.sleep(5).await;
            let _ = port.send(Request::get("/x")).await;
        }
    });
    let stuck = Machine::new(|_| std::future::pending());
    let work = vec![(to(), hanging), (to(), endless), (to(), stuck)];
    let options = RunOptions { deadline: Some(Duration::from_millis(500)), ..RunOptions::default() };
    let begin = Instant::now();
    let results = driver.run(work, options, &mut |_, _| {});
    let why = "\"not done within 0.5 s\"";
    assert_eq!(results, [Some(format!("Err(Lost({why})) Err(NotSent({why}))")), None, None]);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn machines_sleep_by_the_clock() {
    let driver = Driver::start().unwrap();
    let machine = Machine::new(|port| async move {
        let begin = port.now();
        port.sleep(120).await;
        port.now() - begin
    });
    let results = driver.run(
        vec![(connection(&dead(), AuthInfo::default(), QUICK), machine)],
        RunOptions::default(),
        &mut |_, _| {},
    );
    assert!(results[0].is_some_and(|slept| slept >= 120), "{results:?}");
}

#[test]
fn a_program_is_asked_once_and_again_when_its_token_ends() {
    let servers = Servers::new();
    let driver = Driver::start().unwrap();
    let (url, _) = servers.start();
    let dir = tempfile::tempdir().unwrap();
    let ask = |name: &str, until: &str| {
        let counter = dir.path().join(name);
        let script = format!(
            "echo x >> {0}; printf '{{\"status\":{{\"token\":\"t%s\"{until}}}}}' $(wc -l < {0})",
            counter.display()
        );
        let exec = ExecConfig {
            command: Some("sh".to_owned()),
            args: Some(vec!["-c".to_owned(), script]),
            api_version: Some("client.authentication.k8s.io/v1".to_owned()),
            ..ExecConfig::default()
        };
        let user = AuthInfo { exec: Some(exec), ..AuthInfo::default() };
        let connection = connection(&url, user, Timeouts { request: Duration::from_secs(20), ..QUICK });
        let machine = Machine::new(|port| async move {
            let pieces = (0..8).map(|_| port.send(Request::get("/echo")));
            let mut tokens: Vec<String> = Vec::new();
            for answer in all(8, pieces).await {
                let text = answer.unwrap().text;
                tokens.extend(
                    text.lines().filter_map(|line| line.strip_prefix("authorization: Bearer ").map(str::to_owned)),
                );
            }
            tokens.sort();
            tokens.dedup();
            tokens
        });
        driver.run(vec![(connection, machine)], RunOptions::default(), &mut |_, _| {}).pop().flatten().unwrap()
    };
    assert_eq!(ask("plain", ""), ["t1"]);
    assert_eq!(ask("later", ",\"expirationTimestamp\":\"2999-01-01T00:00:00Z\""), ["t1"]);
    let ended = ask("ended", ",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\"");
    assert_eq!(ended.len(), 8, "{ended:?}");
}
