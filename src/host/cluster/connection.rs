//! One cluster's API server: sends requests and brings answers, telling apart what never left from what may have arrived.
//!
//! The client is made at the first request (a program may have to be asked for a token) and again when its credentials run out. HTTP/1.1
//! with kept-alive connections, as many as requests are in flight; the driver bounds those. Nothing is tried again here.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use kube::client::Body;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::access::Access;
use crate::api::{Answer, Failure, Request, Response};

/// Unreserved characters of RFC 3986 stay.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A longer answer is given up. An API server itself refuses objects over 3 MiB; lists of many are read in pages.
const MAX_ANSWER: usize = 256 << 20;

/// After credentials could not be made, how long that stands before it is tried again.
const BAD_CREDENTIALS_STAND: Duration = Duration::from_secs(5);

/// How long before their end credentials are made anew.
const REFRESH_BEFORE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For a whole request, from its start to the last byte of its answer.
    pub request: Duration,
    /// For a program that makes credentials.
    pub program: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(60),
            program: Duration::from_secs(30),
        }
    }
}

/// A connection to a cluster. Copies share it.
#[derive(Clone, Debug)]
pub struct ClusterConnection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: Access,
    timeouts: Timeouts,
    built: Mutex<Option<Built>>,
}

struct Built {
    client: Result<kube::Client, String>,
    at: Instant,
    until: Option<Timestamp>,
}

impl std::fmt::Debug for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Built")
            .field("usable", &self.client.is_ok())
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl ClusterConnection {
    /// A connection that is not open yet.
    pub fn new(access: Access, timeouts: Timeouts) -> Self {
        ClusterConnection(Arc::new(Inner { access, timeouts, built: Mutex::default() }))
    }

    /// The URL of the API server that it goes to.
    pub fn server(&self) -> &str {
        self.0.access.server()
    }

    /// What the token that it logs in with says of itself; `None` where it uses none, or one that says nothing.
    pub fn claims(&self) -> Option<serde_json::Value> {
        self.0.access.claims()
    }

    pub(super) fn access(&self) -> &Access {
        &self.0.access
    }

    /// Seconds that the server's clock is ahead of ours, by the `Date` of an answer; a second is how finely that tells.
    pub(super) async fn ahead(&self) -> Option<i64> {
        let client = self.0.client().await.ok()?;
        let message = http_request(&Request::get("/version")).ok()?;
        let before = Timestamp::now();
        let response = tokio::time::timeout(self.0.timeouts.request, client.send(message)).await.ok()?.ok()?;
        let after = Timestamp::now();
        let date = response.headers().get(http::header::DATE)?.to_str().ok()?;
        let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
        // What lies between the question and the answer is no difference.
        Some(if theirs.as_second() > after.as_second() {
            theirs.as_second() - after.as_second()
        } else {
            (theirs.as_second() + 1).min(before.as_second()) - before.as_second()
        })
    }

    /// Sends a request once. Must be called on the runtime of a [`Driver`](super::Driver).
    ///
    /// # Errors
    /// There is no answer: [`Failure`] says whether the server may have seen the request.
    pub async fn send(&self, request: &Request) -> Answer {
        let inner = &*self.0;
        if request.impersonate.is_some() && inner.access.impersonates() {
            let why = "these credentials act as another user already, so they cannot act as the destination's";
            return Err(Failure::NotSent(why.to_owned()));
        }
        let client = inner.client().await.map_err(Failure::NotSent)?;
        let message = http_request(request).map_err(|error| Failure::NotSent(error.to_string()))?;
        let talk = async {
            let response = client.send(message).await.map_err(|error| failure(&error))?;
            let status = response.status().as_u16();
            let seconds =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
            let body = Limited::new(response.into_body(), MAX_ANSWER)
                .collect()
                .await
                .map_err(|error| Failure::Lost(format!("the answer broke off: {}", deepest(&*error))))?;
            let text: Arc<str> = match String::from_utf8(body.to_bytes().into()) {
                Ok(text) => text.into(),
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into(),
            };
            Ok(Response { status, retry_after: seconds.map(|seconds| seconds.saturating_mul(1000)), text })
        };
        let limit = inner.timeouts.request;
        let answer = match tokio::time::timeout(limit, talk).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::Lost(format!("no answer within {}", seconds(limit)))),
        };
        // A program's token may be revoked before its time; the next request asks for another.
        if answer.as_ref().is_ok_and(|response| response.status == 401) && inner.access.asks_program() {
            let mut built = inner.built.lock().await;
            if built.as_ref().is_some_and(|built| built.at.elapsed() > BAD_CREDENTIALS_STAND) {
                *built = None;
            }
        }
        answer
    }
}

impl Inner {
    /// The client; made by the first who asks, the others wait for it.
    async fn client(&self) -> Result<kube::Client, String> {
        let mut built = self.built.lock().await;
        let usable = built.as_ref().is_some_and(|built| match &built.client {
            Ok(_) => built.until.is_none_or(|until| Timestamp::now() + REFRESH_BEFORE < until),
            Err(_) => built.at.elapsed() < BAD_CREDENTIALS_STAND,
        });
        if !usable {
            let (client, until) = match self.access.client(&self.timeouts).await {
                Ok((client, until)) => (Ok(client), until),
                Err(message) => (Err(message), None),
            };
            *built = Some(Built { client, at: Instant::now(), until });
        }
        match &*built {
            Some(built) => built.client.clone(),
            None => Err("there is no client".to_owned()),
        }
    }
}

/// Path, parameters, headers and body as HTTP has them; kube's layers add the server and the credentials.
fn http_request(request: &Request) -> Result<http::Request<Body>, http::Error> {
    let mut uri = request.path.clone();
    for (at, (name, value)) in request.query.iter().enumerate() {
        uri.push(if at == 0 { '?' } else { '&' });
        uri.push_str(name);
        uri.push('=');
        uri.extend(utf8_percent_encode(value, QUERY));
    }
    let mut message = http::Request::builder().method(request.method.name()).uri(uri);
    message = message.header(ACCEPT, HeaderValue::from_static(request.accept.unwrap_or("application/json")));
    message = message.header(USER_AGENT, HeaderValue::from_static(concat!("fleetc/", env!("CARGO_PKG_VERSION"))));
    if let Some(user) = &request.impersonate {
        message = message.header("impersonate-user", user);
    }
    match &request.body {
        Some((content, text)) => message
            .header(CONTENT_TYPE, HeaderValue::from_static(content.media_type()))
            .body(Body::from(text.as_bytes().to_vec())),
        None => message.body(Body::empty()),
    }
}

/// Whether a request was sent at all. Only what is known not to have left counts as that.
fn failure(error: &kube::Error) -> Failure {
    let mut step: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = step {
        if let Some(auth) = cause.downcast_ref::<kube::client::AuthError>() {
            return Failure::NotSent(super::access::auth_message(auth));
        }
        if let Some(transport) = cause.downcast_ref::<hyper_util::client::legacy::Error>() {
            return if transport.is_connect() {
                Failure::NotSent(format!("cannot connect: {}", deepest(transport)))
            } else {
                Failure::Lost(format!("the connection broke: {}", deepest(transport)))
            };
        }
        step = cause.source();
    }
    Failure::Lost(format!("the connection broke: {}", deepest(error)))
}

/// What lies at the bottom of an error: the layers above say only where it passed.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// `5 s`, `0.5 s`.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Content, Method};

    #[test]
    fn requests_become_http() {
        let request = Request::new(Method::Patch, "/api/v1/namespaces/a%2Fb/configmaps/x")
            .with("fieldManager", "fleetc")
            .with("labelSelector", "a in (b,c),d=e&f")
            .body(Content::Apply, "{}")
            .acting_as("system:serviceaccount:a:b");
        let message = http_request(&request).unwrap();
        assert_eq!(message.method(), "PATCH");
        let uri = message.uri().to_string();
        assert_eq!(
            uri,
            "/api/v1/namespaces/a%2Fb/configmaps/x?fieldManager=fleetc&labelSelector=a%20in%20%28b%2Cc%29%2Cd%3De%26f"
        );
        assert_eq!(message.headers()["content-type"], "application/apply-patch+yaml");
        assert_eq!(message.headers()["impersonate-user"], "system:serviceaccount:a:b");
        assert_eq!(message.headers()["accept"], "application/json");
        let line_break = Request::get("/api").acting_as("a\r\nx: y");
        assert!(http_request(&line_break).is_err());
    }
}
