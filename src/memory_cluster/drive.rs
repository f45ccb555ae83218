//! Runs a [`Machine`] against a [`MemoryCluster`] on its virtual clock, with faults at chosen calls.
//!
//! Requests take a fixed time, are served in the order in which they were sent, and are numbered from 0. Waking jumps the clock.

use std::collections::BTreeMap;

use super::MemoryCluster;
use super::node::{object, text};
use super::status::failure;
use crate::api::{Answer, Failure, Method, Millis, Request, Response};
use crate::machine::{Command, Event, Machine};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// There was no connection: the server did nothing.
    NotSent,
    /// The server did it, and the answer was lost.
    Lost,
    /// 409, and the server did nothing.
    Conflict,
    /// 429 with a `Retry-After` of a second, and the server did nothing.
    TooMany,
    /// 500, and the server did nothing.
    Internal,
    /// The server did it, and the machine is gone.
    Killed,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 6] =
        [Fault::NotSent, Fault::Lost, Fault::Conflict, Fault::TooMany, Fault::Internal, Fault::Killed];

    fn answer(self) -> Answer {
        Err(match self {
            Fault::NotSent | Fault::Killed => Failure::NotSent("connection refused".to_owned()),
            Fault::Lost => Failure::Lost("connection reset by peer".to_owned()),
            Fault::Conflict => return Ok(*failure(409, "Conflict", super::status::MODIFIED, Some(object([])))),
            Fault::TooMany => {
                let message = "the server has received too many requests and has asked us to try again later";
                let details = object([("retryAfterSeconds", crate::yaml::Node::int(1))]);
                let body = *failure(429, "TooManyRequests", message, Some(details));
                return Ok(Response { retry_after: Some(1_000), ..body });
            }
            Fault::Internal => {
                let message = "Internal error occurred: etcdserver: request timed out";
                let causes = object([(
                    "causes",
                    super::node::list(vec![object([("message", text("etcdserver: request timed out"))])]),
                )]);
                return Ok(*failure(500, "InternalError", message, Some(causes)));
            }
        })
    }
}

/// What goes wrong in a run, and how long things take.
#[derive(Clone, Debug)]
pub struct Faults {
    /// By the number of the call.
    pub at: BTreeMap<usize, Fault>,
    /// From this call on nothing is answered: each is lost after `timeout`, and the server does nothing.
    pub hangs_from: Option<usize>,
    /// How long a request takes.
    pub latency: Millis,
    /// How long the carrier waits for an answer.
    pub timeout: Millis,
    /// The virtual time after which a run is given up, so that no test hangs.
    pub patience: Millis,
}

impl Default for Faults {
    fn default() -> Self {
        Faults { at: BTreeMap::new(), hangs_from: None, latency: 5, timeout: 30_000, patience: 24 * 3_600_000 }
    }
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// One fault.
    pub fn at(call: usize, fault: Fault) -> Self {
        Faults { at: BTreeMap::from([(call, fault)]), ..Self::default() }
    }
}

/// One request of a run.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it was sent.
    pub at: Millis,
    /// What was sent.
    pub request: Request,
    /// What came back; `None` if nobody was there any more.
    pub answer: Option<Answer>,
}

/// A run of a machine.
#[derive(Debug)]
pub struct Run<T> {
    /// What it ended with; `None` if it was killed, waits for nothing, or took too long.
    pub result: Option<T>,
    /// Its requests, by number.
    pub calls: Vec<Call>,
    /// What it said.
    pub said: Vec<String>,
}

impl<T> Run<T> {
    /// How many of its requests could change something.
    pub fn writes(&self) -> usize {
        self.calls.iter().filter(|call| !call.request.is_harmless()).count()
    }

    /// A line for each request: number, method, path, status.
    pub fn trace(&self) -> String {
        let mut out = String::new();
        for (number, call) in self.calls.iter().enumerate() {
            let dry = if call.request.is_harmless() && call.request.method != Method::Get { " (dry run)" } else { "" };
            let answer = match &call.answer {
                None => "-".to_owned(),
                Some(Ok(response)) => response.status.to_string(),
                Some(Err(failure)) => failure.to_string(),
            };
            out.push_str(&format!("{number} {} {}{dry}: {answer}\n", call.request.method.name(), call.request.path));
        }
        out
    }
}

/// What is under way.
enum Under {
    Arrives(u64, usize),
    Wakes(u64),
}

/// A run without faults, call by call: where runs begin that differ from it at one call only.
#[derive(Debug, Default)]
pub struct Recording {
    answers: Vec<Answer>,
    /// The cluster when it was about to serve each call.
    clusters: Vec<MemoryCluster>,
}

/// Runs a machine until it ends, is killed, or waits for nothing.
pub fn drive<T>(machine: Machine<T>, cluster: &mut MemoryCluster, faults: &Faults) -> Run<T> {
    run(machine, cluster, faults, Past::None)
}

/// Runs a machine without faults, and records it.
pub fn record<T>(machine: Machine<T>, cluster: &mut MemoryCluster) -> (Run<T>, Recording) {
    let mut recording = Recording::default();
    let run = run(machine, cluster, &Faults::none(), Past::Made(&mut recording));
    (run, recording)
}

/// The same machine again with a fault at one call. What came before that call is not served again: it is as recorded.
pub fn replay<T>(machine: Machine<T>, recording: &Recording, call: usize, fault: Fault) -> (Run<T>, MemoryCluster) {
    let mut cluster = recording.clusters.first().cloned().unwrap_or_default();
    // The first call took a while to arrive.
    let faults = Faults::at(call, fault);
    cluster.now = cluster.now.saturating_sub(faults.latency);
    let run = run(machine, &mut cluster, &faults, Past::Known(recording, call));
    (run, cluster)
}

/// What a run has to do with a recording.
enum Past<'r> {
    None,
    Made(&'r mut Recording),
    /// Calls before this one are known.
    Known(&'r Recording, usize),
}

fn run<T>(mut machine: Machine<T>, cluster: &mut MemoryCluster, faults: &Faults, mut past: Past<'_>) -> Run<T> {
    let mut run = Run { result: None, calls: Vec::new(), said: Vec::new() };
    let mut under: BTreeMap<(Millis, u64), Under> = BTreeMap::new();
    let (mut order, mut now) = (0, cluster.now());
    let end = now.saturating_add(faults.patience);
    let mut events = Vec::new();
    loop {
        let step = machine.step(now, std::mem::take(&mut events));
        for command in step.commands {
            order += 1;
            match command {
                Command::Say(text) => run.said.push(text),
                Command::Wake { id, at } => drop(under.insert((at.max(now), order), Under::Wakes(id))),
                Command::Send { id, request } => {
                    let number = run.calls.len();
                    let hangs = faults.hangs_from.is_some_and(|from| number >= from);
                    let wait = if hangs { faults.timeout } else { faults.latency };
                    run.calls.push(Call { at: now, request, answer: None });
                    under.insert((now + wait, order), Under::Arrives(id, number));
                }
            }
        }
        if step.result.is_some() {
            run.result = step.result;
            return run;
        }
        let Some(((at, _), next)) = under.pop_first() else { return run };
        if at > end {
            return run;
        }
        now = now.max(at);
        let number = if let Under::Arrives(_, number) = next { number } else { 0 };
        if let (Past::Known(recording, from), Under::Arrives(id, _)) = (&past, &next)
            && number < *from
            && let (Some(answer), Some(call)) = (recording.answers.get(number), run.calls.get_mut(number))
        {
            call.answer = Some(answer.clone());
            events.push(Event::Answered { id: *id, answer: answer.clone() });
            continue;
        }
        if let (Past::Known(recording, from), Under::Arrives(..)) = (&past, &next) {
            if let Some(there) = recording.clusters.get(*from) {
                *cluster = there.clone();
            }
            past = Past::None;
        }
        if !matches!(past, Past::Known(..)) {
            cluster.advance(now);
        }
        match next {
            Under::Wakes(id) => events.push(Event::Woken { id }),
            Under::Arrives(id, number) => {
                let Some(call) = run.calls.get_mut(number) else { return run };
                if let Past::Made(recording) = &mut past {
                    recording.clusters.push(cluster.clone());
                }
                let fault = faults.at.get(&number).copied();
                let answer = if faults.hangs_from.is_some_and(|from| number >= from) {
                    Err(Failure::Lost("no answer in time".to_owned()))
                } else {
                    match fault {
                        None => Ok(cluster.answer(&call.request)),
                        Some(Fault::Killed) => {
                            cluster.answer(&call.request);
                            return run;
                        }
                        Some(Fault::Lost) => {
                            cluster.answer(&call.request);
                            Fault::Lost.answer()
                        }
                        Some(fault) => fault.answer(),
                    }
                };
                if let Past::Made(recording) = &mut past {
                    recording.answers.push(answer.clone());
                }
                call.answer = Some(answer.clone());
                events.push(Event::Answered { id, answer });
            }
        }
    }
}
