//! How planning asks a cluster: reads and dry runs only, so many at a time, and again after a while where the cluster is busy or away.
//!
//! Pauses grow and are spread by a number derived from the request, not by chance: a run is a function of its events. Whoever gets
//! [`Trouble`] knows nothing about what he asked for; it never stands for "there is none".

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use crate::api::{Answer, Failure, Millis, Request, Response};
use crate::k8s::object::Gvk;
use crate::machine::Port;
use crate::yaml::Node;

/// Tries in all.
const TRIES: u32 = 6;
/// Tries in all where no answer came: each may have taken the carrier's whole time-out.
const LOST: u32 = 3;
/// The first pause; each following one is about twice as long.
const FIRST: Millis = 200;
/// The longest pause that a server may ask for.
const LONGEST: Millis = 30_000;

/// Why nothing is known: one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(pub String);

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The way to a cluster, shared by all that is planned on it.
#[derive(Clone, Debug)]
pub struct Talk {
    port: Port,
    gate: Arc<Mutex<usize>>,
    limit: usize,
}

/// A place among the requests under way; given back when dropped.
struct Permit<'a>(&'a Talk);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut under_way = self.0.gate.lock().unwrap_or_else(PoisonError::into_inner);
        *under_way = under_way.saturating_sub(1);
    }
}

impl Talk {
    /// A way through a port, with at most so many requests at a time.
    pub fn new(port: Port, limit: usize) -> Self {
        Talk { port, gate: Arc::new(Mutex::new(0)), limit: limit.max(1) }
    }

    /// Requests at a time.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    async fn permit(&self) -> Permit<'_> {
        // Pieces of work are polled again whenever another one ended or something came, so nobody need be woken.
        std::future::poll_fn(|_| {
            let mut under_way = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            if *under_way >= self.limit {
                return Poll::Pending;
            }
            *under_way += 1;
            Poll::Ready(())
        })
        .await;
        Permit(self)
    }

    async fn once(&self, request: Request) -> Answer {
        let _permit = self.permit().await;
        self.port.send(request).await
    }

    /// Sends a request that changes nothing until it is answered for good; the last answer of a busy server counts as one.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask(&self, request: Request) -> Result<Response, Trouble> {
        debug_assert!(request.is_harmless(), "planning changes nothing");
        let (mut tries, mut lost, mut pause) = (0, 0, FIRST);
        loop {
            tries += 1;
            let (wish, outcome) = match self.once(request.clone()).await {
                Ok(response) if is_busy(&response) => (response.retry_after, Ok(response)),
                Ok(response) => return Ok(response),
                Err(failure) => {
                    lost += u32::from(matches!(failure, Failure::Lost(_)));
                    (None, Err(Trouble(failure.to_string())))
                }
            };
            if tries >= TRIES || lost >= LOST {
                return outcome;
            }
            let spread = spread(&request.path, tries) % (pause / 2).max(1);
            self.port.sleep((pause + spread).max(wish.unwrap_or(0).min(LONGEST))).await;
            pause *= 2;
        }
    }

    /// An object or a list; `None` where there is none.
    ///
    /// # Errors
    /// There is no answer, or another one than that.
    pub async fn read(&self, request: Request) -> Result<Option<Node>, Trouble> {
        let path = request.path.clone();
        let response = self.ask(request).await?;
        match response.status {
            200..300 => node(&response, &path).map(Some),
            404 => Ok(None),
            _ => Err(refused(&response, &path)),
        }
    }

    /// Tells the user or the journal.
    pub(super) fn say(&self, text: impl Into<String>) {
        self.port.say(text);
    }
}

/// What server-side apply says of an object that does not fit its type, with 500 (apimachinery managedfields, structuredmerge.go).
const UNTYPED: &str = "failed to create typed patch object";

/// Whether a server says with 500 that the object itself is wrong.
pub(super) fn is_untyped(response: &Response) -> bool {
    response.status == 500 && response.text.contains(UNTYPED)
}

/// What may be another answer in a moment. A webhook that fails answers 500, and is asked again: it may be starting.
fn is_busy(response: &Response) -> bool {
    if is_untyped(response) {
        return false;
    }
    let passing = response.status == 409 && response.text.contains("please apply your changes to the latest version");
    response.status == 429 || response.status >= 500 || passing
}

/// A number that differs between requests and tries and is always the same for the same ones (FNV-1a).
fn spread(path: &str, tries: u32) -> u64 {
    let bytes = path.bytes().chain(tries.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The body of an answer.
pub(super) fn node(response: &Response, path: &str) -> Result<Node, Trouble> {
    response.node().map_err(|_| Trouble(format!("what was answered to {path} is no JSON")))
}

/// An answer that is not what was asked for.
pub(super) fn refused(response: &Response, path: &str) -> Trouble {
    let message = message(response);
    Trouble(match response.status {
        401 => format!("the credentials are not accepted: {message}"),
        _ => format!("{path}: {message}"),
    })
}

/// What the server says, one line.
pub(super) fn message(response: &Response) -> String {
    let status = response.node().ok();
    let text = status.as_ref().and_then(|node| node.get("message")).and_then(Node::as_str).unwrap_or_default();
    if text.is_empty() {
        return format!("the server answered {}", response.status);
    }
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// What the server says about an object, without what may quote a value where the object is a Secret.
pub(super) fn about(gvk: &Gvk, response: &Response) -> String {
    if !gvk.is("", "Secret") {
        return message(response);
    }
    let fields: Vec<String> =
        response.causes().into_iter().map(|cause| cause.field).filter(|f| !f.is_empty()).collect();
    let of = if fields.is_empty() { String::new() } else { format!(" about {}", fields.join(", ")) };
    format!("the server answered {}{of}; its words are not shown, since it is a Secret", response.status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Command, Event, Machine, all};

    fn answer(status: u16, retry_after: Option<Millis>) -> Answer {
        Ok(Response { status, retry_after, text: "{}".into() })
    }

    /// Answers one after another; the times of the requests and the result.
    fn run(answers: Vec<Answer>) -> (Vec<Millis>, Result<u16, Trouble>) {
        let mut machine = Machine::new(|port| async move {
            Talk::new(port, 4).ask(Request::get("/x")).await.map(|response| response.status)
        });
        let (mut now, mut events, mut times, mut answers) = (0, Vec::new(), Vec::new(), answers.into_iter());
        loop {
            let step = machine.step(now, std::mem::take(&mut events));
            if let Some(result) = step.result {
                return (times, result);
            }
            for command in step.commands {
                match command {
                    Command::Send { id, .. } => {
                        times.push(now);
                        events.push(Event::Answered { id, answer: answers.next().expect("an answer") });
                    }
                    Command::Wake { id, at } => {
                        now = at;
                        events.push(Event::Woken { id });
                    }
                    Command::Say(_) => {}
                }
            }
        }
    }

    #[test]
    fn a_busy_server_is_asked_again_and_a_wish_is_granted() {
        let (times, result) = run(vec![answer(429, Some(5_000)), answer(503, None), answer(200, None)]);
        assert_eq!(result, Ok(200));
        assert_eq!(times.first(), Some(&0));
        assert_eq!(times.get(1), Some(&5_000));
        assert!((5_400..5_600).contains(&times[2]), "{times:?}");
    }

    #[test]
    fn no_answer_is_trouble_and_never_an_empty_one() {
        let lost = || Err(Failure::Lost("reset".into()));
        let (times, result) = run(vec![lost(), lost(), lost()]);
        assert_eq!((times.len(), result), (3, Err(Trouble("reset".into()))));
        let (times, result) = run((0..6).map(|_| answer(500, None)).collect());
        assert_eq!((times.len(), result), (6, Ok(500)));
        assert_eq!(run(vec![answer(404, None)]).1, Ok(404));
        let text = r#"{"message":"failed to create typed patch object (a; v1): .data.key: expected string"}"#;
        let untyped = Ok(Response { status: 500, retry_after: None, text: text.into() });
        assert_eq!(run(vec![untyped]), (vec![0], Ok(500)), "the object is wrong, not the server");
    }

    #[test]
    fn so_many_at_a_time_over_all_pieces() {
        let mut machine = Machine::new(|port| async move {
            let talk = Talk::new(port, 3);
            let slices = (0..4).map(|slice| {
                let talk = talk.clone();
                async move {
                    let objects = (0..5).map(|at| talk.ask(Request::get(format!("/{slice}/{at}"))));
                    all(8, objects).await.len()
                }
            });
            all(4, slices).await
        });
        let (mut open, mut most, mut total) = (Vec::new(), 0, 0);
        let mut events = Vec::new();
        loop {
            let step = machine.step(0, std::mem::take(&mut events));
            if let Some(result) = step.result {
                assert_eq!(result, [5, 5, 5, 5]);
                break;
            }
            open.extend(
                step.commands.iter().filter_map(|c| if let Command::Send { id, .. } = c { Some(*id) } else { None }),
            );
            most = most.max(open.len());
            total += 1;
            let id = open.pop().expect("something is under way");
            events.push(Event::Answered { id, answer: answer(200, None) });
        }
        assert_eq!((most, total), (3, 20));
    }
}
