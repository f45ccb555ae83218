//! A server of a test: every connection is one request, answered by a function; answers may be cut off, endless, or none.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a server was asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn authorization(&self) -> &str {
        self.headers.get("authorization").map_or("", String::as_str)
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// An answer as it should be.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A body of which so many bytes are promised.
    Cut(usize, Vec<u8>),
    /// A body without an end.
    Endless,
    /// No answer, and the connection stays.
    Silent,
}

impl Reply {
    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Reply::Whole(200, Vec::new(), body.into())
    }

    pub(super) fn status(status: u16) -> Self {
        Reply::Whole(status, Vec::new(), Vec::new())
    }

    pub(super) fn redirect(to: impl Into<String>) -> Self {
        Reply::Whole(302, vec![("Location", to.into())], Vec::new())
    }
}

/// An authority of a test, and what it has signed.
pub(super) struct Keys {
    pub(super) authority: String,
    pub(super) certificate: String,
    pub(super) key: String,
    server: Arc<rustls::ServerConfig>,
}

impl Keys {
    /// For `localhost`, valid until the end of a year.
    pub(super) fn until(year: i32) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "authority of a test");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2015, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 12, 31);
        let certificate = params.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap().pem();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let pem = key.serialize_pem();
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let server = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        Keys { authority, certificate, key: pem, server }
    }
}

/// A running server; it ends when it is dropped.
pub(super) struct Server {
    pub(super) url: String,
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub(super) fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Server::with(None, answer)
    }

    pub(super) fn encrypted(keys: &Keys, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Server::with(Some(Arc::clone(&keys.server)), answer)
    }

    fn with(tls: Option<Arc<rustls::ServerConfig>>, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match tls {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let (seen, stop) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<AtomicBool>::default());
        let (all, stopped, answer) = (Arc::clone(&seen), Arc::clone(&stop), Arc::new(answer));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (tls, all, answer, stopped) =
                    (tls.clone(), Arc::clone(&all), Arc::clone(&answer), Arc::clone(&stopped));
                std::thread::spawn(move || {
                    let work = |stream: &mut dyn Stream| serve(stream, &all, &*answer, &stopped);
                    let _ = match tls {
                        Some(tls) => {
                            let session = rustls::ServerConnection::new(tls).unwrap();
                            let mut stream = rustls::StreamOwned::new(session, connection);
                            let done = work(&mut stream);
                            stream.conn.send_close_notify();
                            let _ = stream.flush();
                            done
                        }
                        None => work(&mut { connection }),
                    };
                });
            }
        });
        Server { url, port, seen, stop }
    }

    /// Host and port.
    pub(super) fn authority(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// What it was asked so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The paths that it was asked for.
    pub(super) fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn serve(
    stream: &mut dyn Stream,
    all: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen) -> Reply,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(&mut *stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let mut seen = Seen {
        method: words.next().unwrap_or_default().to_owned(),
        path: words.next().unwrap_or_default().to_owned(),
        ..Seen::default()
    };
    if seen.method.is_empty() {
        return Ok(());
    }
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        seen.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = seen.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    seen.body = String::from_utf8_lossy(&body).into_owned();
    all.lock().unwrap().push(seen.clone());
    match answer(&seen) {
        Reply::Whole(status, headers, body) => {
            write!(stream, "HTTP/1.1 {status} Told\r\nConnection: close\r\nContent-Length: {}\r\n", body.len())?;
            for (name, value) in headers {
                write!(stream, "{name}: {value}\r\n")?;
            }
            stream.write_all(b"\r\n")?;
            if seen.method != "HEAD" {
                stream.write_all(&body)?;
            }
        }
        Reply::Cut(promised, body) => {
            write!(stream, "HTTP/1.1 200 Told\r\nConnection: close\r\nContent-Length: {promised}\r\n\r\n")?;
            stream.write_all(&body)?;
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 Told\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            let chunk = [b"10000\r\n", &[b'a'; 65536][..], b"\r\n"].concat();
            while !stop.load(Ordering::Relaxed) {
                stream.write_all(&chunk)?;
            }
        }
        Reply::Silent => {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
    stream.flush()
}
