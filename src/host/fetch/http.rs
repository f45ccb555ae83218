//! The one HTTP client of sources.
//!
//! It answers for what no caller should have to think of: a login goes to the server it is for and to no other, also when that redirects;
//! redirects are few and never from an encrypted connection to a plain one; bodies have a size that they may have, and time; no URL is
//! shown with what may be secret in it. It tries once: whether to try again is said by the [`Fault`] and decided by the driver.
//!
//! TLS is rustls with ring, as everywhere in the binary.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read as _;
use std::sync::{Arc, LazyLock, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::blocking::{Client as Connections, Response};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Certificate, Identity, NoProxy, Proxy, Url, redirect};

pub use reqwest::Method;

use super::Fault;
use super::credentials::{Access, Credentials, Login};
use super::place::Place;

/// Redirects that are followed; charts on code hosts take two or three.
const MAX_REDIRECTS: usize = 10;
/// Bytes of an error's body that are read: registries say there what is wrong.
const MAX_ERROR: u64 = 16 << 10;

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes.
    pub read: Duration,
    /// For all of an answer.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            total: Duration::from_secs(15 * 60),
        }
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// GET, HEAD or POST.
    pub method: Method,
    /// Where; a name and password in it are not sent from there.
    pub url: &'a str,
    /// Further headers. None of them may be secret: they are sent on when redirected.
    pub headers: Vec<(HeaderName, String)>,
    /// What is sent.
    pub body: Option<Vec<u8>>,
    /// How the server is reached. Its login is sent to the server of `url` only.
    pub access: &'a Access,
    /// Bytes of the body that are taken.
    pub limit: u64,
}

impl<'a> Ask<'a> {
    /// Asks for what lies at a URL.
    pub fn get(url: &'a str, access: &'a Access, limit: u64) -> Self {
        Ask { method: Method::GET, url, headers: Vec::new(), body: None, access, limit }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What came back, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where it came from in the end.
    pub url: String,
    headers: HeaderMap,
    /// The body; of errors only the beginning.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether it is what was asked for.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// An answer that is read piece by piece.
#[derive(Debug)]
pub struct Stream {
    /// Where it comes from in the end.
    pub url: String,
    response: Response,
}

impl Stream {
    /// A header, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }
}

impl std::io::Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.response.read(buffer)
    }
}

/// What connections depend on: those that agree in it are shared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Key {
    authorities: Option<String>,
    client: Option<(String, String)>,
    insecure: bool,
    proxy: Option<(String, String)>,
}

/// Credentials that are looked for when they are needed.
type Lazy = LazyLock<Arc<Credentials>, Box<dyn FnOnce() -> Arc<Credentials> + Send>>;

/// The client.
pub struct Client {
    credentials: Lazy,
    timeouts: Timeouts,
    connections: Mutex<BTreeMap<Key, Connections>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

impl Client {
    /// A client with these credentials.
    pub fn new(credentials: Arc<Credentials>, timeouts: Timeouts) -> Self {
        Client::lazy(move || credentials, timeouts)
    }

    /// A client that looks for its credentials when it is first used.
    pub fn lazy(credentials: impl FnOnce() -> Arc<Credentials> + Send + 'static, timeouts: Timeouts) -> Self {
        Client { credentials: LazyLock::new(Box::new(credentials)), timeouts, connections: Mutex::default() }
    }

    /// Who we are.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The body of what lies at a URL.
    ///
    /// # Errors
    /// The server is not reached, refuses, or breaks a limit.
    pub fn get(&self, url: &str, access: &Access, limit: u64) -> Result<Answer, Fault> {
        let answer = self.send(&Ask::get(url, access, limit))?;
        if answer.is_success() { Ok(answer) } else { Err(self.refused(url, access, &answer)) }
    }

    /// Sends a request and takes the answer, also where it is a refusal.
    ///
    /// # Errors
    /// The server is not reached, breaks off, or breaks a limit.
    pub fn send(&self, ask: &Ask<'_>) -> Result<Answer, Fault> {
        let begin = Instant::now();
        let (response, url) = self.follow(ask)?;
        self.take(response, &url, ask, begin)
    }

    /// Sends a request whose answer is read piece by piece, as large as it is: only the wait for each piece is limited.
    ///
    /// # Errors
    /// The server is not reached or refuses.
    pub fn stream(&self, ask: &Ask<'_>) -> Result<Stream, Fault> {
        let begin = Instant::now();
        let (response, url) = self.follow(ask)?;
        if !response.status().is_success() {
            let answer = self.take(response, &url, ask, begin)?;
            return Err(self.refused(ask.url, ask.access, &answer));
        }
        Ok(Stream { url: url.to_string(), response })
    }

    /// Sends a request and follows where it is redirected.
    fn follow(&self, ask: &Ask<'_>) -> Result<(Response, Url), Fault> {
        let mut url = Url::parse(ask.url)
            .map_err(|_| Fault::lasting(format!("`{}` is no URL", shown(ask.url))))
            .and_then(|url| allowed(url, None))?;
        let first = Place::of(ask.url);
        let (mut method, mut body) = (ask.method.clone(), ask.body.clone());
        for _ in 0..=MAX_REDIRECTS {
            let same =
                first.is_some() && Place::of(url.as_str()).zip(first.as_ref()).is_some_and(|(a, b)| a.same_server(b));
            let response = self.once(&url, &method, body.clone(), ask, same)?;
            let status = response.status().as_u16();
            let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok());
            let Some(target) = target.filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308)) else {
                return Ok((response, url));
            };
            let next = url
                .join(target)
                .map_err(|_| Fault::lasting(format!("`{}` redirects to what is no URL", shown(url.as_str()))))?;
            url = allowed(next, Some(&url))?;
            if status == 303 || (status < 303 && method == Method::POST) {
                (method, body) = (Method::GET, None);
            }
        }
        Err(Fault::lasting(format!("`{}` redirects more than {MAX_REDIRECTS} times", shown(ask.url))))
    }

    fn once(
        &self,
        url: &Url,
        method: &Method,
        body: Option<Vec<u8>>,
        ask: &Ask<'_>,
        same: bool,
    ) -> Result<Response, Fault> {
        let connections = self.connections(url, ask.access, same)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &ask.headers {
            let value = HeaderValue::from_str(value).map_err(|_| Fault::lasting(format!("no value of `{name}`")))?;
            headers.append(name, value);
        }
        if same && let Some(value) = ask.access.login.as_ref().and_then(authorization) {
            let mut value = HeaderValue::from_str(&value).map_err(|_| {
                Fault::lasting(format!("the login from {} holds characters that no header may", ask.access.origin))
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // What is in the URL has become a header, or is meant for nobody.
        let mut bare = url.clone();
        let _ = bare.set_username("");
        let _ = bare.set_password(None);
        let mut request = connections.request(method.clone(), bare).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        request.send().map_err(|error| self.failed(url.as_str(), &error))
    }

    /// The connections for a server. Certificates, authorities and what is not checked belong to the repository's own.
    fn connections(&self, url: &Url, access: &Access, same: bool) -> Result<Connections, Fault> {
        let mut key = Key {
            proxy: access.proxy.as_ref().map(|proxy| (proxy.reveal().to_owned(), access.no_proxy.clone())),
            ..Key::default()
        };
        if same {
            key.authorities.clone_from(&access.authorities);
            key.client = access.client.as_ref().map(|(cert, key)| (cert.reveal().to_owned(), key.reveal().to_owned()));
            key.insecure = access.insecure;
        } else {
            key.authorities = self.credentials.access(url.as_str()).ok().and_then(|access| access.authorities);
        }
        let mut known = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&key) {
            return Ok(found.clone());
        }
        let fresh = self.build(&key, url)?;
        known.insert(key, fresh.clone());
        Ok(fresh)
    }

    fn build(&self, key: &Key, url: &Url) -> Result<Connections, Fault> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // An error says that somebody was first; there is only one that it may be.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let host = url.host_str().unwrap_or_default();
        let wrong = |what: &str| Fault::lasting(format!("{what} for {host} cannot be used"));
        let mut builder = Connections::builder()
            .user_agent(concat!("fleetc/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(self.timeouts.connect)
            .timeout(self.timeouts.read)
            .tls_danger_accept_invalid_certs(key.insecure);
        if let Some(pem) = &key.authorities {
            let certificates = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
            if certificates.is_empty() {
                return Err(
                    wrong("the authority in argocd-tls-certs-cm").hint("it must be PEM, with `BEGIN CERTIFICATE`")
                );
            }
            builder = builder.tls_certs_only(certificates);
        }
        if let Some((certificate, private)) = &key.client {
            let identity = Identity::from_pem(format!("{}\n{}\n", certificate.trim(), private.trim()).as_bytes());
            builder = builder.identity(identity.map_err(|_| {
                wrong("the client certificate and its key").hint("both must be PEM, and the key unencrypted")
            })?);
        }
        if let Some((proxy, except)) = &key.proxy {
            let proxy = Proxy::all(proxy.as_str()).map_err(|_| wrong("the proxy of the repository"))?;
            builder = builder.proxy(proxy.no_proxy(NoProxy::from_string(except)));
        }
        builder.build().map_err(|error| match key.authorities.is_some() {
            true => wrong("the authority in argocd-tls-certs-cm"),
            false => Fault::lasting(format!("no connection to {host} can be made: {}", reason(&error))),
        })
    }

    /// Takes the body, as long as it keeps to its limits.
    fn take(&self, mut response: Response, url: &Url, ask: &Ask<'_>, begin: Instant) -> Result<Answer, Fault> {
        let status = response.status().as_u16();
        let fine = response.status().is_success();
        let limit = if fine { ask.limit } else { MAX_ERROR };
        let place = shown(url.as_str());
        let too_large = || Fault::lasting(format!("`{place}` gives more than the {} that are taken", size(limit)));
        if fine && ask.method != Method::HEAD && response.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let (mut body, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            let read = match response.read(&mut chunk) {
                Ok(0) => break,
                Ok(_) if ask.method == Method::HEAD => break,
                Ok(read) => chunk.get(..read).unwrap_or_default(),
                // Of an error's body it does not matter.
                Err(_) if !fine => break,
                Err(error) => {
                    return Err(Fault::passing(format!(
                        "`{place}` broke off after {} bytes: {}",
                        body.len(),
                        reason(&error)
                    )));
                }
            };
            if (body.len() + read.len()) as u64 > limit {
                if fine {
                    return Err(too_large());
                }
                break;
            }
            body.extend_from_slice(read);
            if begin.elapsed() > self.timeouts.total {
                let seconds = self.timeouts.total.as_secs();
                return Err(Fault::passing(format!(
                    "`{place}` was not done after {seconds} s, with {} bytes",
                    body.len()
                )));
            }
        }
        Ok(Answer { status, url: url.to_string(), headers: response.headers().clone(), body })
    }

    /// What a refusal means.
    pub fn refused(&self, url: &str, access: &Access, answer: &Answer) -> Fault {
        let (status, place) = (answer.status, shown(&answer.url));
        let moved = match shown(url) == place {
            true => String::new(),
            false => format!(" (redirected from `{}`)", shown(url)),
        };
        match status {
            401 | 403 => {
                let told = if access.login.is_some() { " the login" } else { "" };
                Fault::lasting(format!("`{place}` refuses{told}{moved}: status {status}"))
                    .hint(self.credentials.advice(url, access))
            }
            404 | 410 => Fault::lasting(format!("`{place}` does not exist{moved}: status {status}"))
                .hint("look at the URL; some servers say so to who is not logged in"),
            407 => Fault::lasting(format!("the proxy wants a login to reach `{place}`"))
                .hint("write it into the proxy's URL"),
            408 | 425 | 429 | 500.. => Fault::passing(format!("`{place}` cannot answer now{moved}: status {status}")),
            _ => Fault::lasting(format!("`{place}` refuses{moved}: status {status}")),
        }
    }

    /// What an error of the connection means.
    fn failed(&self, url: &str, error: &reqwest::Error) -> Fault {
        let place = shown(url);
        if let Some(tls) = in_chain::<rustls::Error>(error) {
            let hint = "if it is an authority of your own, put it into argocd-tls-certs-cm under the host's name";
            return match tls {
                rustls::Error::InvalidCertificate(why) => {
                    Fault::lasting(format!("the certificate of `{place}` is not accepted: {why}")).hint(hint)
                }
                rustls::Error::AlertReceived(why) => {
                    Fault::lasting(format!("`{place}` breaks off the encryption: {why:?}"))
                        .hint("it may want a client certificate: `tlsClientCertData` and `tlsClientCertKey` of the repository Secret")
                }
                other => Fault::lasting(format!("no encrypted connection to `{place}`: {other}")),
            };
        }
        if error.is_builder() {
            return Fault::lasting(format!("`{place}` cannot be asked: {}", reason(error)));
        }
        let what = if error.is_timeout() {
            "did not answer in time"
        } else if error.is_connect() {
            "is not reached"
        } else {
            "broke off"
        };
        Fault::passing(format!("`{place}` {what}: {}", reason(error)))
    }
}

/// What a header says of a login; identities only buy tokens.
fn authorization(login: &Login) -> Option<String> {
    match login {
        Login::Basic { user, password } => Some(basic(user, password.reveal())),
        Login::Bearer(token) => Some(format!("Bearer {}", token.reveal())),
        Login::Identity(_) => None,
    }
}

/// Name and password as a header has them.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Whether a URL may be asked, after another one.
fn allowed(url: Url, before: Option<&Url>) -> Result<Url, Fault> {
    let place = shown(url.as_str());
    match (url.scheme(), before) {
        ("https", _) => Ok(url),
        ("http", Some(before)) if before.scheme() == "https" => {
            let from = shown(before.as_str());
            Err(Fault::lasting(format!("`{from}` redirects to `{place}`, which is not encrypted"))
                .hint("name that URL itself if it is meant"))
        }
        ("http", _) => Ok(url),
        (_, Some(before)) => {
            Err(Fault::lasting(format!("`{}` redirects to `{place}`, which is not HTTP", shown(before.as_str()))))
        }
        (_, None) => Err(Fault::lasting(format!("`{place}` is no URL of HTTP"))),
    }
}

/// A URL for people: without a name, a password, and what stands behind `?`, which may be a signature.
pub(super) fn shown(url: &str) -> String {
    let cut = url.split(['?', '#']).next().unwrap_or_default();
    crate::source::without_credentials(cut)
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// The innermost reason, which never names the URL.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(inner) = inner(last) {
        last = inner;
    }
    match last.downcast_ref::<reqwest::Error>() {
        Some(error) if error.is_timeout() => "no answer in time".to_owned(),
        Some(_) => "the request cannot be made".to_owned(),
        None => last.to_string(),
    }
}

/// What caused an error; `io::Error` leaves out the error that it wraps.
fn inner<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn in_chain<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        at = inner(error);
    }
    None
}
