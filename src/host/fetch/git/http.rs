//! Repositories behind https and http: git's smart protocol through the one client of sources.
//!
//! Servers may redirect the first request, as git follows it; the requests after it go where that led (git's `http.followRedirects =
//! initial`). A login is for the server that it was given for: behind a redirect to another one there is none.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::rc::Rc;

use gix::error::{ErrorExt as _, Result};
use gix_transport::client::blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse, Transport};
use reqwest::header::{HeaderName, HeaderValue};

use super::super::http::{Ask, Client, Method, Stream};
use super::super::place::Place;
use super::super::{Access, Fault};
use super::wire::{Meter, Metered};
use crate::source::without_credentials;

/// A transport to a server. `url` has no login in it; that is in `access`.
pub(super) fn transport<'a>(
    client: &'a Client,
    url: &str,
    access: Access,
    meter: Meter,
) -> std::result::Result<Transport<Web<'a>>, Fault> {
    let parsed = gix::url::parse(url);
    let parsed = parsed.map_err(|_| Fault::lasting(format!("`{}` is no URL", without_credentials(url))))?;
    let web = Web { client, access, meter, moved: None };
    Ok(Transport::new_http(web, parsed, gix_transport::Protocol::V2, false))
}

/// Sends what gix asks for.
pub(super) struct Web<'a> {
    client: &'a Client,
    access: Access,
    meter: Meter,
    /// Where requests go since the first was redirected.
    moved: Option<String>,
}

impl Web<'_> {
    fn send(
        client: &Client,
        access: &Access,
        meter: &Meter,
        url: &str,
        headers: &[(HeaderName, String)],
        body: Option<Vec<u8>>,
    ) -> std::result::Result<Stream, Fault> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        // The answer is counted by the meter.
        let ask = Ask { method, url, headers: headers.to_vec(), body, access, limit: u64::MAX };
        client.stream(&ask).inspect_err(|fault| meter.note(fault.clone()))
    }
}

/// Headers as gix writes them: `name: value`.
fn headers(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<(HeaderName, String)> {
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        HeaderValue::from_str(value.trim()).ok()?;
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value.trim().to_owned()))
    };
    lines.into_iter().filter_map(|line| header(line.as_ref())).collect()
}

fn content_type(stream: &Stream) -> Vec<u8> {
    format!("content-type: {}\n", stream.header("content-type").unwrap_or_default()).into_bytes()
}

fn failed(fault: &Fault) -> gix::Error {
    io::Error::other(fault.reason.clone()).raise()
}

impl<'a> Http for Web<'a> {
    type Headers = Headers<'a>;
    type ResponseBody = Body;
    type PostBody = Request;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        lines: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let stream = Self::send(self.client, &self.access, &self.meter, url, &headers(lines), None);
        let stream = stream.map_err(|fault| failed(&fault))?;
        if stream.url != url {
            let tail = url.strip_prefix(base_url).unwrap_or_default();
            let Some(base) = stream.url.strip_suffix(tail).filter(|base| !tail.is_empty() && !base.is_empty()) else {
                let place = without_credentials(&stream.url);
                let place = place.split('?').next().unwrap_or_default();
                let fault = Fault::lasting(format!("the server redirects to `{place}`, which is no git repository"));
                self.meter
                    .note(fault.clone().hint("look at the URL; some servers send who is not logged in to a page"));
                return Err(failed(&fault));
            };
            let same = Place::of(base).zip(Place::of(base_url)).is_some_and(|(new, old)| new.same_server(&old));
            if !same {
                let known = self.client.credentials().access(base).unwrap_or_default();
                let old = std::mem::take(&mut self.access);
                let (proxy, no_proxy) = (old.proxy, old.no_proxy);
                self.access = Access { authorities: known.authorities, proxy, no_proxy, ..Access::default() };
            }
            self.moved = Some(base.to_owned());
        }
        let headers = Headers { send: None, lines: Cursor::new(content_type(&stream)) };
        let body = Body { from: Rc::default(), reader: Some(BufReader::new(self.meter.wrap(stream))) };
        Ok(GetResponse { headers, body })
    }

    /// The request is sent when its answer is read: by then it is written as a whole.
    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        lines: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let request = Rc::new(RefCell::new(Vec::new()));
        let answer: Rc<RefCell<Option<Metered<Stream>>>> = Rc::default();
        let send = {
            let (request, answer) = (Rc::clone(&request), Rc::clone(&answer));
            let (client, access, meter) = (self.client, self.access.clone(), self.meter.clone());
            let (url, headers) = (url.to_owned(), headers(lines));
            move || {
                let body = std::mem::take(&mut *request.borrow_mut());
                let stream = Web::send(client, &access, &meter, &url, &headers, Some(body));
                let stream = stream.map_err(|fault| io::Error::other(fault.reason))?;
                let found = content_type(&stream);
                *answer.borrow_mut() = Some(meter.wrap(stream));
                Ok(found)
            }
        };
        Ok(PostResponse {
            post_body: Request(request),
            headers: Headers { send: Some(Box::new(send)), lines: Cursor::default() },
            body: Body { from: answer, reader: None },
        })
    }

    fn configure(&mut self, _config: &dyn std::any::Any) -> Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.moved.clone()
    }
}

/// A request that is being written.
pub(super) struct Request(Rc<RefCell<Vec<u8>>>);

impl Write for Request {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Send<'a> = Box<dyn FnOnce() -> io::Result<Vec<u8>> + 'a>;

/// The headers of an answer, for which the request is sent.
pub(super) struct Headers<'a> {
    send: Option<Send<'a>>,
    lines: Cursor<Vec<u8>>,
}

impl BufRead for Headers<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Some(send) = self.send.take() {
            self.lines = Cursor::new(send()?);
        }
        self.lines.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.lines.consume(amount);
    }
}

impl Read for Headers<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// The body of an answer, which is there when its headers have been read.
pub(super) struct Body {
    from: Rc<RefCell<Option<Metered<Stream>>>>,
    reader: Option<BufReader<Metered<Stream>>>,
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.reader.is_none() {
            self.reader = self.from.borrow_mut().take().map(BufReader::new);
        }
        match &mut self.reader {
            Some(reader) => reader.fill_buf(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn consume(&mut self, amount: usize) {
        if let Some(reader) = &mut self.reader {
            reader.consume(amount);
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
