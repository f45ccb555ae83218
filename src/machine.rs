//! Step machines: work that has to wait, as data in and data out. Plan and apply are written as plain async functions over a [`Port`]; a
//! [`Machine`] runs one of them and shows it as commands that come out and events that go in.
//!
//! Nothing waits here, nothing has a clock or a thread, and no runtime is behind it: the future is polled when events came, with a waker that
//! does nothing. So a run is a function of its events, can be replayed, can be driven with a virtual clock, and is killed by dropping it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::api::{Answer, Millis, Request};

/// What a machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send a request and give back its answer.
    Send {
        /// Names the command in its event.
        id: u64,
        /// What is sent.
        request: Request,
    },
    /// Give back an event when the clock has reached this time.
    Wake {
        /// Names the command in its event.
        id: u64,
        /// When.
        at: Millis,
    },
    /// Tell the user or the journal; nothing comes back.
    Say(String),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request has its answer.
    Answered {
        /// Of which command.
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// The time that a [`Command::Wake`] named has come.
    Woken {
        /// Of which command.
        id: u64,
    },
}

/// A machine at work, with a result of type `T` in the end.
pub struct Machine<T> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    port: Port,
}

impl<T> std::fmt::Debug for Machine<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("running", &self.work.is_some()).finish_non_exhaustive()
    }
}

/// What a step gave.
#[derive(Debug)]
pub struct Step<T> {
    /// What is to be done now, in this order.
    pub commands: Vec<Command>,
    /// The result, when the work has ended. Then nothing is awaited any more.
    pub result: Option<T>,
}

impl<T> Machine<T> {
    /// Work that has not begun: the first [`step`](Self::step) begins it.
    pub fn new<F>(work: impl FnOnce(Port) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let port = Port::default();
        Machine { work: Some(Box::pin(work(port.clone()))), port }
    }

    /// Goes on as far as the events allow. `now` never runs backwards: an earlier time than before counts as that.
    pub fn step(&mut self, now: Millis, events: Vec<Event>) -> Step<T> {
        {
            let mut desk = self.port.desk();
            desk.now = desk.now.max(now);
            for event in events {
                match event {
                    Event::Answered { id, answer } => drop(desk.answers.insert(id, Some(answer))),
                    Event::Woken { id } => drop(desk.answers.insert(id, None)),
                }
            }
        }
        let mut context = Context::from_waker(Waker::noop());
        let mut result = None;
        if let Some(work) = &mut self.work
            && let Poll::Ready(value) = work.as_mut().poll(&mut context)
        {
            result = Some(value);
            self.work = None;
        }
        Step { commands: std::mem::take(&mut self.port.desk().commands), result }
    }
}

/// What lies between a machine and its driver.
#[derive(Debug, Default)]
struct Desk {
    now: Millis,
    next: u64,
    commands: Vec<Command>,
    /// By command: an answer, or `None` for a wake-up.
    answers: BTreeMap<u64, Option<Answer>>,
}

/// How work asks for what it cannot do itself. Copies speak for the same machine.
#[derive(Clone, Debug, Default)]
pub struct Port(Arc<Mutex<Desk>>);

impl Port {
    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the current step.
    pub fn now(&self) -> Millis {
        self.desk().now
    }

    /// Tells the user or the journal.
    pub fn say(&self, text: impl Into<String>) {
        self.desk().commands.push(Command::Say(text.into()));
    }

    /// Sends a request once and waits for its answer. Nothing is tried again here.
    pub async fn send(&self, request: Request) -> Answer {
        let id = self.ask(|id| Command::Send { id, request });
        match self.answer(id).await {
            Some(answer) => answer,
            None => Err(crate::api::Failure::Lost("the answer was a wake-up".to_owned())),
        }
    }

    /// Waits until some milliseconds have passed.
    pub async fn sleep(&self, millis: Millis) {
        let at = self.now().saturating_add(millis);
        let id = self.ask(|id| Command::Wake { id, at });
        self.answer(id).await;
    }

    fn ask(&self, command: impl FnOnce(u64) -> Command) -> u64 {
        let mut desk = self.desk();
        let id = desk.next;
        desk.next += 1;
        desk.commands.push(command(id));
        id
    }

    async fn answer(&self, id: u64) -> Option<Answer> {
        std::future::poll_fn(|_| match self.desk().answers.remove(&id) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        })
        .await
    }
}

/// Runs pieces of work next to each other, at most `limit` at a time; their results in the order of the pieces.
///
/// A type of its own that holds the pieces, not the iterator that made them: a closure in that would keep the work of a [`Machine`]
/// from being `Send` ("not general enough", rust-lang/rust #102211).
pub fn all<F: Future>(limit: usize, pieces: impl IntoIterator<Item = F>) -> All<F> {
    let waiting: Vec<F> = pieces.into_iter().collect();
    All { limit: limit.max(1), waiting: waiting.into_iter().enumerate(), running: Vec::new(), done: BTreeMap::new() }
}

/// See [`all`].
#[must_use = "futures do nothing unless polled"]
pub struct All<F: Future> {
    limit: usize,
    waiting: std::iter::Enumerate<std::vec::IntoIter<F>>,
    running: Vec<(usize, Pin<Box<F>>)>,
    done: BTreeMap<usize, F::Output>,
}

impl<F: Future> std::fmt::Debug for All<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("All").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

// Pieces that run are pinned in their boxes; nothing else is ever pinned.
impl<F: Future> Unpin for All<F> {}

impl<F: Future> Future for All<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            while this.running.len() < this.limit {
                let Some((place, piece)) = this.waiting.next() else { break };
                this.running.push((place, Box::pin(piece)));
            }
            if this.running.is_empty() {
                return Poll::Ready(std::mem::take(&mut this.done).into_values().collect());
            }
            let (before, done) = (this.running.len(), &mut this.done);
            this.running.retain_mut(|(place, piece)| match piece.as_mut().poll(context) {
                Poll::Ready(value) => {
                    done.insert(*place, value);
                    false
                }
                Poll::Pending => true,
            });
            // What ended made room: whoever comes in must be polled once, or nothing would ever wake it.
            if this.running.len() == before {
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Response;

    fn ok(text: &str) -> Answer {
        Ok(Response { status: 200, retry_after: None, text: text.into() })
    }

    #[test]
    fn sends_waits_and_ends() {
        let mut machine = Machine::new(|port| async move {
            let first = port.send(Request::get("/a")).await.map(|r| r.text.to_string());
            port.sleep(500).await;
            port.say("done");
            (first, port.now())
        });
        let step = machine.step(1_000, Vec::new());
        assert_eq!(step.commands, [Command::Send { id: 0, request: Request::get("/a") }]);
        assert!(step.result.is_none());
        let step = machine.step(1_010, vec![Event::Answered { id: 0, answer: ok("x") }]);
        assert_eq!(step.commands, [Command::Wake { id: 1, at: 1_510 }]);
        let step = machine.step(1_510, vec![Event::Woken { id: 1 }]);
        assert_eq!(step.commands, [Command::Say("done".to_owned())]);
        assert_eq!(step.result, Some((Ok("x".to_owned()), 1_510)));
        assert!(machine.step(2_000, Vec::new()).commands.is_empty());
    }

    #[test]
    fn pieces_run_next_to_each_other_within_the_limit() {
        let mut machine = Machine::new(|port| async move {
            let pieces = ["/a", "/b", "/c"].map(|path| {
                let port = port.clone();
                async move { port.send(Request::get(path)).await.map(|r| r.text.to_string()) }
            });
            all(2, pieces).await
        });
        let sent = |step: &Step<Vec<Result<String, crate::api::Failure>>>| -> Vec<u64> {
            let ids = step.commands.iter().map(|c| if let Command::Send { id, .. } = c { *id } else { 99 });
            ids.collect()
        };
        let step = machine.step(0, Vec::new());
        assert_eq!(sent(&step), [0, 1]);
        let step = machine.step(0, vec![Event::Answered { id: 1, answer: ok("b") }]);
        assert_eq!(sent(&step), [2]);
        let step = machine
            .step(0, vec![Event::Answered { id: 2, answer: ok("c") }, Event::Answered { id: 0, answer: ok("a") }]);
        assert_eq!(step.result, Some(["a", "b", "c"].map(|text| Ok(text.to_owned())).to_vec()));
    }

    #[test]
    fn nothing_to_do_ends_at_once() {
        let mut machine = Machine::new(|_| async move { all(4, Vec::<std::future::Ready<u8>>::new()).await });
        assert_eq!(machine.step(0, Vec::new()).result, Some(Vec::new()));
    }
}
