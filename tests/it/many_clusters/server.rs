//! Clusters in memory behind HTTP on loopback, many in one process: their clocks go with the real one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleetc::api::{Content, Method, Millis, Request, Response};
use fleetc::memory_cluster::{MemoryCluster, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it should.
    Well,
    /// It takes requests and never answers.
    Hangs,
    /// It answers 500 to everything.
    Fails,
    /// It takes what would change something and never answers.
    HangsAtWork,
    /// What would change something takes a while.
    Slow,
    /// It forbids to write ConfigMaps.
    Forbids,
}

/// How long [`Mood::Slow`] takes.
const SLOW: Duration = Duration::from_millis(2_000);

/// A server and its cluster.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) cluster: Arc<Mutex<MemoryCluster>>,
    /// How it behaves from now on.
    pub(crate) mood: Arc<Mutex<Mood>>,
}

/// Starts a server on a runtime.
pub(crate) fn serve(runtime: &Runtime, seed: u32, mood: Mood) -> Served {
    let cluster = Arc::new(Mutex::new(MemoryCluster::new(Settings { seed, ..Settings::default() })));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mood = Arc::new(Mutex::new(mood));
    let (shared, moods) = (Arc::clone(&cluster), Arc::clone(&mood));
    // One base for all connections: by one of its own each new one would set the clock forward, and the older ones' clocks would stand still.
    let start = cluster.lock().unwrap_or_else(PoisonError::into_inner).now();
    let begin = Instant::now();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, Arc::clone(&shared), (start, begin), Arc::clone(&moods)));
        }
    });
    Served { url, cluster, mood }
}

async fn talk(
    mut stream: TcpStream,
    cluster: Arc<Mutex<MemoryCluster>>,
    (start, begin): (Millis, Instant),
    mood: Arc<Mutex<Mood>>,
) -> Option<()> {
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
        let length: usize = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        while bytes.len() < length {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
        let body = String::from_utf8(bytes.drain(..length).collect()).ok()?;
        let request = request(&head, body)?;
        let mood = *mood.lock().unwrap_or_else(PoisonError::into_inner);
        let works = !request.is_harmless();
        if mood == Mood::Hangs || (mood == Mood::HangsAtWork && works) {
            std::future::pending::<()>().await;
        }
        if mood == Mood::Slow && works {
            tokio::time::sleep(SLOW).await;
        }
        let forbidden =
            mood == Mood::Forbids && request.method == Method::Patch && request.path.contains("/configmaps/");
        let refusal = |status, message: &str| Response {
            status,
            retry_after: None,
            text: format!("{{\"message\":\"{message}\"}}").into(),
        };
        let response = match mood {
            Mood::Fails => refusal(500, "etcd is down"),
            Mood::Forbids if works && forbidden => refusal(403, "configmaps are forbidden here"),
            _ => {
                let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
                cluster.advance(start + u64::try_from(begin.elapsed().as_millis()).ok()?);
                cluster.answer(&request)
            }
        };
        let answer = format!(
            "HTTP/1.1 {} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
            response.status,
            response.text.len(),
            response.text
        );
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

const PARAMETERS: [&str; 7] =
    ["fieldManager", "dryRun", "force", "labelSelector", "fieldSelector", "limit", "continue"];
const METHODS: [Method; 5] = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete];
const CONTENTS: [Content; 4] = [Content::Json, Content::Apply, Content::MergePatch, Content::JsonPatch];

fn request(head: &str, body: String) -> Option<Request> {
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let method = METHODS.into_iter().find(|known| known.name() == method)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request::new(method, path);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        // What a server does not know would be a hole in the test.
        let name = PARAMETERS.into_iter().find(|known| *known == name).expect("a known parameter");
        let value = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
        request = request.with(name, value.into_owned());
    }
    if !body.is_empty() {
        let media = header(head, "content-type")?;
        let content = CONTENTS.into_iter().find(|content| content.media_type() == media)?;
        request = request.body(content, body);
    }
    Some(request.acting_as(header(head, "impersonate-user").unwrap_or_default()))
}
