//! What is asked of a server: which references there are, and the pack of some commits, usually without their history.
//!
//! The protocol, in its versions 0, 1 and 2, is gix's. Its client around that is not used: it moves references under lock files, which a
//! killed process leaves behind, negotiates history, which we do not keep, asks git's helpers for logins, and knows no sizes. What is here
//! already is said in the one request, so that one answer is enough over HTTP as over ssh.

use std::cell::RefCell;
use std::io::{self, BufRead, Read};
use std::ops::ControlFlow;
use std::rc::Rc;

use gix::ObjectId;
use gix::error::Error;
use gix::progress::Discard;
use gix_protocol::command::Feature;
use gix_protocol::fetch::{Arguments, Response};
use gix_protocol::handshake::Ref;
use gix_protocol::ls_refs::RefPrefixes;
use gix_protocol::{Command, Handshake, LsRefsCommand};
use gix_transport::client::blocking_io::Transport;
use gix_transport::packetline::read::Error as Refusal;
use gix_transport::{Protocol, Service};

use super::super::super::git::causes;
use super::super::Fault;

/// A reference of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: String,
    /// What it leads to, tags peeled.
    pub(super) id: ObjectId,
}

/// How much is taken of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) references: u64,
    pub(super) pack: u64,
}

/// What is wanted of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Want {
    pub(super) commits: Vec<ObjectId>,
    /// Commits that are here with all their files, but perhaps without history.
    pub(super) have: Vec<ObjectId>,
    /// Without history.
    pub(super) shallow: bool,
    /// Commits only, no files, where the server can leave them out.
    pub(super) bare_history: bool,
}

/// Counts what a server sends, and keeps the reason why it ended: better than errors carry it through gix.
#[derive(Clone, Debug)]
pub(super) struct Meter(Rc<RefCell<(u64, Option<Fault>)>>);

impl Meter {
    pub(super) fn new(limit: u64) -> Self {
        Meter(Rc::new(RefCell::new((limit, None))))
    }

    fn allow(&self, limit: u64) {
        self.0.borrow_mut().0 = limit;
    }

    /// Keeps a reason; the first one counts.
    pub(super) fn note(&self, fault: Fault) {
        self.0.borrow_mut().1.get_or_insert(fault);
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.0.borrow_mut().1.take()
    }

    /// Bytes that are counted.
    pub(super) fn wrap<R: Read>(&self, from: R) -> Metered<R> {
        Metered { from, meter: self.clone() }
    }
}

/// Bytes of a server.
pub(super) struct Metered<R> {
    from: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.from.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.meter.note(broken(&error));
                return Err(error);
            }
            read => read?,
        };
        let mut inner = self.meter.0.borrow_mut();
        match inner.0.checked_sub(read as u64) {
            Some(left) => inner.0 = left,
            None => {
                let fault = Fault::lasting("the answer is larger than is taken");
                inner.1.get_or_insert(fault.hint("no repository of manifests is that large"));
                return Err(io::Error::other("too large"));
            }
        }
        Ok(read)
    }
}

/// An answer that broke off.
pub(super) fn broken(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::passing("the answer was cut off"),
        io::ErrorKind::TimedOut => Fault::passing("the server did not answer in time"),
        _ => Fault::passing(format!("the connection broke: {error}")),
    }
}

/// Words of others, fit for a terminal.
pub(super) fn scrubbed(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

const SAYS: &str = "the server says: ";

/// What a server says instead of an answer.
fn refusal(said: &[u8]) -> Fault {
    Fault::lasting(format!("{SAYS}{}", scrubbed(said)))
}

/// Whether a server understood and would not.
pub(super) fn is_refusal(fault: &Fault) -> bool {
    fault.reason.starts_with(SAYS)
}

/// A conversation with a server.
pub(super) struct Session<'a> {
    transport: Box<dyn Transport + 'a>,
    handshake: Handshake,
    meter: Meter,
    sizes: Sizes,
}

fn agent() -> Feature {
    ("agent", Some(concat!("fleetc/", env!("CARGO_PKG_VERSION")).to_owned()))
}

impl<'a> Session<'a> {
    /// Begins it.
    pub(super) fn open(mut transport: Box<dyn Transport + 'a>, meter: Meter, sizes: Sizes) -> Result<Self, Fault> {
        meter.allow(sizes.references);
        // Logins are the transport's business.
        let found =
            gix_protocol::handshake(&mut transport, Service::UploadPack, |_| Ok(None), Vec::new(), &mut Discard);
        let handshake = found.map_err(|error| explain(&meter, &error))?;
        let format = handshake.capabilities.capability("object-format");
        if format.is_some_and(|format| format.value().is_some_and(|value| value != "sha1")) {
            return Err(foreign_objects());
        }
        Ok(Session { transport, handshake, meter, sizes })
    }

    /// The server's references that begin with one of the prefixes; at least those.
    pub(super) fn references(&mut self, prefixes: &[&str]) -> Result<Vec<Reference>, Fault> {
        let found = match self.handshake.refs.take() {
            Some(found) => found,
            None => {
                self.meter.allow(self.sizes.references);
                let mut wanted = RefPrefixes::new();
                wanted.extend(prefixes.iter().map(|prefix| (*prefix).into()));
                LsRefsCommand::new(Some(wanted), &self.handshake.capabilities, agent())
                    .invoke_blocking(&mut self.transport, &mut Discard, false)
                    .map_err(|error| explain(&self.meter, &error))?
            }
        };
        let read = |found: Ref| {
            let (name, id) = match found {
                Ref::Peeled { full_ref_name, object, .. }
                | Ref::Direct { full_ref_name, object }
                | Ref::Symbolic { full_ref_name, object, .. } => (full_ref_name, object),
                Ref::Unborn { .. } => return None,
            };
            Some(Reference { name: name.to_string(), id })
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// Asks for commits; gives the pack to `take`.
    pub(super) fn fetch(
        mut self,
        want: &Want,
        take: &mut dyn FnMut(&mut dyn BufRead) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let version = self.handshake.server_protocol_version;
        let mut features = Command::Fetch.default_features(version, &self.handshake.capabilities);
        features.push(agent());
        Response::check_required_features(version, &features).map_err(|error| explain(&self.meter, &error))?;
        let banded = features.iter().any(|(name, _)| *name == "sideband-all");
        let mut arguments = Arguments::new(version, features, false);
        if version == Protocol::V2 {
            arguments.add_feature("no-progress");
        }
        for id in &want.commits {
            arguments.want(id);
        }
        if arguments.can_use_shallow() {
            for id in &want.have {
                arguments.shallow(id);
                arguments.have(id);
            }
            if want.shallow {
                arguments.deepen(1);
            }
        }
        if want.bare_history && arguments.can_use_filter() {
            arguments.filter("tree:0");
        }
        self.meter.allow(self.sizes.pack);
        let meter = self.meter.clone();
        let listen = |meter: Meter| {
            let heard = move |is_error: bool, said: &[u8]| {
                if is_error {
                    meter.note(refusal(said));
                }
                ControlFlow::Continue(())
            };
            Some(Box::new(heard) as gix_transport::client::blocking_io::HandleProgress<'_>)
        };
        let mut answer =
            arguments.send(&mut self.transport, true).map_err(|error| explain(&meter, &Error::from(error)))?;
        if banded {
            answer.set_progress_handler(listen(meter.clone()));
        }
        let response = Response::from_line_reader(version, &mut answer, true, false);
        let response = response.map_err(|error| explain(&meter, &error))?;
        if !response.has_pack() {
            return Err(meter.fault().unwrap_or_else(|| Fault::passing("the server sent no pack")));
        }
        if !banded {
            // Versions 0 and 1 say so where the pack would begin.
            if let Some(Ok(Ok(line))) = answer.peek_data_line()
                && let Some(said) = line.strip_prefix(b"ERR ")
            {
                return Err(refusal(said));
            }
            answer.set_progress_handler(listen(meter.clone()));
        }
        let taken = take(&mut answer);
        match meter.fault() {
            Some(fault) => Err(fault),
            None => taken,
        }
    }
}

pub(super) fn foreign_objects() -> Fault {
    Fault::lasting("the repository has SHA-256 objects, which are not yet supported")
}

/// What an error of gix means.
fn explain(meter: &Meter, error: &Error) -> Fault {
    if let Some(fault) = meter.fault() {
        return fault;
    }
    if let Some(said) = error.downcast_any_ref::<Refusal>() {
        return refusal(&said.message);
    }
    if let Some(error) = error.downcast_any_ref::<io::Error>()
        && matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe)
    {
        return broken(&io::ErrorKind::UnexpectedEof.into());
    }
    let text = causes(error);
    // gix takes it for a line of the answer where it waits for a heading.
    if let Some((_, said)) = text.split_once("\"ERR ") {
        return refusal(said.trim_end_matches('"').as_bytes());
    }
    if text.to_lowercase().contains("sha256") || text.contains("sized 64 hexadecimal") {
        return foreign_objects();
    }
    Fault::lasting(format!("the answer is not in git's protocol: {}", scrubbed(text.as_bytes())))
        .hint("is it the URL of a git repository?")
}
