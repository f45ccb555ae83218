//! Clusters in memory behind HTTP on loopback, many in one process: their clocks go with the real one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use fleetc::api::{Content, Method, Request, Response};
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
}

/// A server and its cluster.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) cluster: Arc<Mutex<MemoryCluster>>,
}

/// Starts a server on a runtime.
pub(crate) fn serve(runtime: &Runtime, seed: u32, mood: Mood) -> Served {
    let cluster = Arc::new(Mutex::new(MemoryCluster::new(Settings { seed, ..Settings::default() })));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shared = Arc::clone(&cluster);
    let begin = Instant::now();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, Arc::clone(&shared), begin, mood));
        }
    });
    Served { url, cluster }
}

async fn talk(mut stream: TcpStream, cluster: Arc<Mutex<MemoryCluster>>, begin: Instant, mood: Mood) -> Option<()> {
    let start = cluster.lock().unwrap_or_else(PoisonError::into_inner).now();
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
        let response = match mood {
            Mood::Hangs => std::future::pending().await,
            Mood::Fails => Response { status: 500, retry_after: None, text: r#"{"message":"etcd is down"}"#.into() },
            Mood::Well => {
                let request = request(&head, body)?;
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
