//! The driver: runs one step machine per cluster, all of them next to each other on one runtime.
//!
//! A machine is stepped on a worker thread as soon as something came for it, so that answers of several clusters are read at once; a
//! cluster that hangs holds up nobody. Per machine at most so many requests are in flight; a server that answers 429 gets half as many
//! from then on, and slowly more again. Requests are sent once and in the order in which they were asked for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::{ClusterConnection, seconds};
use super::inspect::Inspection;
use crate::api::{Answer, Failure, Millis, Request};
use crate::machine::{Command, Event, Machine};

/// How machines are run.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// Requests in flight per machine, at most.
    pub requests: usize,
    /// When a machine must have ended. What it still awaits then fails, and so does what it asks for afterwards.
    pub deadline: Option<Duration>,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions { requests: 16, deadline: None }
    }
}

/// Steps that a machine gets after its deadline to come to an end.
const LAST_STEPS: usize = 1_000;

/// How long after one 429 another one says nothing new.
const CUT_EVERY: Millis = 1_000;

/// The runtime that requests are sent on. Connections live as long as it does.
#[derive(Debug)]
pub struct Driver {
    runtime: Option<Runtime>,
}

/// Threads for what blocks: names that are looked up, credentials that are read or made.
const MAX_BLOCKING: usize = 32;

impl Driver {
    /// Starts the worker threads: one a core, at least two.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn start() -> std::io::Result<Self> {
        raise_open_files();
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(cores.max(2))
            .max_blocking_threads(MAX_BLOCKING)
            .enable_all()
            .build()?;
        Ok(Driver { runtime: Some(runtime) })
    }

    /// Runs the machines, each over its connection, and gives their results in the same order. What they say goes to `say`, with the
    /// place of the machine. `None` stands for a machine that did not end: it awaits nothing any more, or its deadline passed and it
    /// goes on for ever.
    pub fn run<T: Send + 'static>(
        &self,
        work: Vec<(ClusterConnection, Machine<T>)>,
        options: RunOptions,
        say: &mut dyn FnMut(usize, String),
    ) -> Vec<Option<T>> {
        let mut results: Vec<Option<T>> = work.iter().map(|_| None).collect();
        let Some(runtime) = &self.runtime else { return results };
        runtime.block_on(async {
            let (tell, mut told) = unbounded_channel();
            let mut machines = JoinSet::new();
            for (at, (connection, machine)) in work.into_iter().enumerate() {
                let drive = Drive::new(at, connection, options, tell.clone());
                machines.spawn(async move { (at, drive.run(machine).await) });
            }
            drop(tell);
            loop {
                tokio::select! {
                    biased;
                    Some((at, text)) = told.recv() => say(at, text),
                    ended = machines.join_next() => match ended {
                        // A machine that panicked has no result; the others go on.
                        Some(Err(_)) => {}
                        Some(Ok((at, result))) => if let Some(slot) = results.get_mut(at) {
                            *slot = result;
                        },
                        None => break,
                    },
                }
            }
            while let Ok((at, text)) = told.try_recv() {
                say(at, text);
            }
        });
        results
    }
}

impl Driver {
    /// Looks at connections, all next to each other.
    pub fn inspect(&self, connections: &[ClusterConnection]) -> Vec<Inspection> {
        let Some(runtime) = &self.runtime else { return Vec::new() };
        runtime.block_on(async {
            let tasks: Vec<_> = connections
                .iter()
                .map(|connection| {
                    let connection = connection.clone();
                    tokio::spawn(async move { connection.inspect().await })
                })
                .collect();
            let mut seen = Vec::new();
            for task in tasks {
                seen.push(task.await.unwrap_or_default());
            }
            seen
        })
    }
}

impl Drop for Driver {
    /// Does not wait for what still hangs.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Two hundred clusters with sixteen connections each are more than the 1,024 files that shells allow by default; the hard limit is what
/// the administrator meant (Go's runtime does the same).
fn raise_open_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        let wanted = limit.maximum.map_or(65_536, |hard| hard.min(65_536));
        if limit.current.is_some_and(|soft| soft < wanted) {
            limit.current = Some(wanted);
            // Without it there are fewer connections, and those that cannot be opened say so.
            let _ = setrlimit(Resource::Nofile, limit);
        }
    }
}

/// Milliseconds since 1970 that never run backwards: the system's clock at the start, and a steady one since.
struct Clock {
    start: Millis,
    since: Instant,
}

impl Clock {
    fn new() -> Self {
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { start: millis(start), since: Instant::now() }
    }

    fn now(&self) -> Millis {
        self.start.saturating_add(millis(self.since.elapsed()))
    }

    fn instant(&self, at: Millis) -> Instant {
        // A year is far enough, and never overflows.
        let from_start = at.saturating_sub(self.start).min(366 * 24 * 3_600 * 1_000);
        self.since + Duration::from_millis(from_start)
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// How many requests may be in flight: halved by a 429, one more after each full round of other answers.
struct Throttle {
    most: usize,
    limit: usize,
    good: usize,
    cut: Option<Millis>,
}

impl Throttle {
    fn new(most: usize) -> Self {
        Throttle { most: most.max(1), limit: most.max(1), good: 0, cut: None }
    }

    fn learn(&mut self, now: Millis, answer: &Answer) {
        match answer {
            Ok(response) if response.status == 429 => {
                if self.cut.is_none_or(|cut| now >= cut.saturating_add(CUT_EVERY)) {
                    self.limit = (self.limit / 2).max(1);
                    self.cut = Some(now);
                }
                self.good = 0;
            }
            Ok(_) => {
                self.good += 1;
                if self.good >= self.limit {
                    self.good = 0;
                    self.limit = (self.limit + 1).min(self.most);
                }
            }
            Err(_) => {}
        }
    }
}

/// One machine on its way.
struct Drive {
    place: usize,
    connection: ClusterConnection,
    deadline: Option<(Instant, Duration)>,
    tell: UnboundedSender<(usize, String)>,
    clock: Clock,
    throttle: Throttle,
    waiting: VecDeque<(u64, Request)>,
    flying: JoinSet<(u64, Answer)>,
    /// Those in flight, by id.
    sent: Vec<u64>,
    alarms: BinaryHeap<Reverse<(Millis, u64)>>,
}

impl Drive {
    fn new(
        place: usize,
        connection: ClusterConnection,
        options: RunOptions,
        tell: UnboundedSender<(usize, String)>,
    ) -> Self {
        Drive {
            place,
            connection,
            deadline: options.deadline.map(|limit| (Instant::now() + limit, limit)),
            tell,
            clock: Clock::new(),
            throttle: Throttle::new(options.requests),
            waiting: VecDeque::new(),
            flying: JoinSet::new(),
            sent: Vec::new(),
            alarms: BinaryHeap::new(),
        }
    }

    async fn run<T>(mut self, mut machine: Machine<T>) -> Option<T> {
        let mut events = Vec::new();
        loop {
            let step = machine.step(self.clock.now(), std::mem::take(&mut events));
            self.take(step.commands);
            if step.result.is_some() {
                return step.result;
            }
            if self.deadline.is_some_and(|(at, _)| Instant::now() >= at) {
                return self.after_the_deadline(machine);
            }
            self.send_what_may_go();
            if self.flying.is_empty() && self.alarms.is_empty() {
                return None;
            }
            events = self.wait().await?;
        }
    }

    fn take(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Send { id, request } => self.waiting.push_back((id, request)),
                Command::Wake { id, at } => self.alarms.push(Reverse((at, id))),
                // Nobody listens any more only when the run itself is gone.
                Command::Say(text) => drop(self.tell.send((self.place, text))),
            }
        }
    }

    fn send_what_may_go(&mut self) {
        while self.flying.len() < self.throttle.limit
            && let Some((id, request)) = self.waiting.pop_front()
        {
            let connection = self.connection.clone();
            self.sent.push(id);
            self.flying.spawn(async move { (id, connection.send(&request).await) });
        }
    }

    /// What comes next, and all that has come with it; none at the deadline. `None` when a request's task broke.
    async fn wait(&mut self) -> Option<Vec<Event>> {
        let mut events = Vec::new();
        let alarm = self.alarms.peek().map(|Reverse((at, _))| self.clock.instant(*at));
        let far = Instant::now() + Duration::from_secs(3_600);
        tokio::select! {
            biased;
            Some(done) = self.flying.join_next() => self.note(done.ok()?, &mut events),
            () = tokio::time::sleep_until(alarm.unwrap_or(far)), if alarm.is_some() => {}
            () = tokio::time::sleep_until(self.deadline.map_or(far, |(at, _)| at)), if self.deadline.is_some() => {}
        }
        while let Some(done) = self.flying.try_join_next() {
            self.note(done.ok()?, &mut events);
        }
        let now = self.clock.now();
        while let Some(Reverse((at, id))) = self.alarms.peek().copied() {
            if at > now {
                break;
            }
            self.alarms.pop();
            events.push(Event::Woken { id });
        }
        Some(events)
    }

    fn note(&mut self, (id, answer): (u64, Answer), events: &mut Vec<Event>) {
        self.sent.retain(|sent| *sent != id);
        self.throttle.learn(self.clock.now(), &answer);
        events.push(Event::Answered { id, answer });
    }

    /// Everything awaited fails, everything asked for fails, every alarm rings at once, until the machine has ended.
    fn after_the_deadline<T>(mut self, mut machine: Machine<T>) -> Option<T> {
        let limit = self.deadline.map_or_else(String::new, |(_, limit)| seconds(limit));
        let why = format!("not done within {limit}");
        self.flying.abort_all();
        for _ in 0..LAST_STEPS {
            let mut events = Vec::new();
            for id in self.sent.drain(..) {
                events.push(Event::Answered { id, answer: Err(Failure::Lost(why.clone())) });
            }
            for (id, _) in self.waiting.drain(..) {
                events.push(Event::Answered { id, answer: Err(Failure::NotSent(why.clone())) });
            }
            events.extend(self.alarms.drain().map(|Reverse((_, id))| Event::Woken { id }));
            if events.is_empty() {
                return None;
            }
            let step = machine.step(self.clock.now(), events);
            self.take(step.commands);
            if step.result.is_some() {
                return step.result;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Response;

    #[test]
    fn a_429_halves_and_others_add_one_a_round() {
        let answer = |status| Ok(Response { status, retry_after: None, text: "".into() });
        let mut throttle = Throttle::new(16);
        throttle.learn(0, &answer(429));
        throttle.learn(500, &answer(429));
        assert_eq!(throttle.limit, 8);
        throttle.learn(1_000, &answer(429));
        assert_eq!(throttle.limit, 4);
        for _ in 0..4 {
            throttle.learn(1_100, &answer(200));
        }
        assert_eq!(throttle.limit, 5);
        throttle.learn(1_200, &Err(Failure::Lost(String::new())));
        assert_eq!(throttle.limit, 5);
        for _ in 0..500 {
            throttle.learn(1_300, &answer(200));
        }
        assert_eq!(throttle.limit, 16);
        for now in 0..20 {
            throttle.learn(10_000 + now * CUT_EVERY, &answer(429));
        }
        assert_eq!(throttle.limit, 1);
    }
}
