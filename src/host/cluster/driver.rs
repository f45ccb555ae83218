//! The driver: runs one step machine per cluster, all of them next to each other on one runtime.
//!
//! A machine is stepped on a worker thread as soon as something came for it, so that answers of several clusters are read at once; a
//! cluster that hangs holds up nobody. Per cluster at most so many requests are in flight, however many machines work on it; a server that
//! answers 429 gets half as many from then on, and slowly more again, and none until the time that its `Retry-After` says. Requests are
//! sent once and in the order in which they were asked for. Machines may be begun while others run: who leads says when
//! ([`Driver::conduct`]).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
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

/// The longest that a server is left alone because it said so: leases must be renewed meanwhile.
const LONGEST_REST: Millis = 10_000;

/// A machine that may begin.
#[derive(Debug)]
pub struct Start<T> {
    /// What news of it are called.
    pub id: usize,
    /// The cluster: machines of one share its limit.
    pub cluster: usize,
    /// The way to it.
    pub connection: ClusterConnection,
    /// What is run.
    pub machine: Machine<T>,
    /// How long it may take; else what the run allows.
    pub deadline: Option<Duration>,
}

/// What happened to a machine.
#[derive(Debug)]
pub enum News<T> {
    /// It has ended; `None` where it did not come to an end.
    Ended(usize, Option<T>),
    /// It said something.
    Said(usize, String),
    /// Its cluster last answered at this time.
    Heard(usize, Millis),
}

/// What is to be done next.
#[derive(Debug)]
pub struct Lead<T> {
    /// Begin these.
    pub start: Vec<Start<T>>,
    /// Ask again at this time.
    pub wake: Option<Millis>,
}

impl<T> Default for Lead<T> {
    fn default() -> Self {
        Lead { start: Vec::new(), wake: None }
    }
}

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
        let begin = |(id, (connection, machine))| Start { id, cluster: id, connection, machine, deadline: None };
        let mut start: Vec<Start<T>> = work.into_iter().enumerate().map(begin).collect();
        self.conduct(options, &mut |_, news| {
            for one in news {
                match one {
                    News::Ended(at, result) => {
                        if let Some(slot) = results.get_mut(at) {
                            *slot = result;
                        }
                    }
                    News::Said(at, text) => say(at, text),
                    News::Heard(..) => {}
                }
            }
            Lead { start: std::mem::take(&mut start), wake: None }
        });
        results
    }

    /// Runs machines as `lead` says: it is asked at the beginning, with the news whenever there are any, and at the time that it wished.
    /// Ends when nothing runs and nothing more is begun or waited for.
    pub fn conduct<T: Send + 'static>(
        &self,
        options: RunOptions,
        lead: &mut dyn FnMut(Millis, Vec<News<T>>) -> Lead<T>,
    ) {
        let Some(runtime) = &self.runtime else { return };
        runtime.block_on(async {
            let clock = Clock::new();
            let (tell, mut told) = unbounded_channel();
            let mut machines = JoinSet::new();
            let mut limits: BTreeMap<usize, Arc<Limit>> = BTreeMap::new();
            // By task, since a machine that panicked cannot say which it was: its id, when its cluster answered, what of that is told.
            let mut running: BTreeMap<String, (usize, Arc<AtomicU64>, Millis)> = BTreeMap::new();
            let mut news = Vec::new();
            loop {
                for (id, pulse, known) in running.values_mut() {
                    let heard = pulse.load(Ordering::Relaxed);
                    if heard > *known {
                        *known = heard;
                        news.push(News::Heard(*id, heard));
                    }
                }
                let Lead { start, wake } = lead(clock.now(), std::mem::take(&mut news));
                for Start { id, cluster, connection, machine, deadline } in start {
                    let limit = limits.entry(cluster).or_insert_with(|| Arc::new(Limit::new(options.requests)));
                    let pulse = Arc::new(AtomicU64::new(0));
                    let options = RunOptions { deadline: deadline.or(options.deadline), ..options };
                    let drive = Drive::new(id, connection, options, tell.clone(), limit, &pulse);
                    let task = machines.spawn(async move { drive.run(machine).await });
                    running.insert(task.id().to_string(), (id, pulse, 0));
                }
                if machines.is_empty() && wake.is_none() {
                    break;
                }
                let alarm = wake.map(|at| clock.instant(at));
                let far = Instant::now() + Duration::from_secs(3_600);
                tokio::select! {
                    biased;
                    Some((id, text)) = told.recv() => news.push(News::Said(id, text)),
                    Some(ended) = machines.join_next_with_id() => {
                        // A machine that panicked has no result; the others go on.
                        let (task, result) = match ended {
                            Ok((task, result)) => (task, result),
                            Err(broken) => (broken.id(), None),
                        };
                        // What it said comes before its end.
                        while let Ok((id, text)) = told.try_recv() {
                            news.push(News::Said(id, text));
                        }
                        if let Some((id, ..)) = running.remove(&task.to_string()) {
                            news.push(News::Ended(id, result));
                        }
                    }
                    () = tokio::time::sleep_until(alarm.unwrap_or(far)), if alarm.is_some() => {}
                }
            }
        });
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

/// How many requests may be in flight: halved by a 429, one more after each full round of other answers; none until a time that the server said.
struct Throttle {
    most: usize,
    limit: usize,
    good: usize,
    cut: Option<Millis>,
    flying: usize,
    rests_until: Millis,
}

impl Throttle {
    fn new(most: usize) -> Self {
        Throttle { most: most.max(1), limit: most.max(1), good: 0, cut: None, flying: 0, rests_until: 0 }
    }

    fn learn(&mut self, now: Millis, answer: &Answer) {
        match answer {
            Ok(response) if response.status == 429 => {
                if self.cut.is_none_or(|cut| now >= cut.saturating_add(CUT_EVERY)) {
                    self.limit = (self.limit / 2).max(1);
                    self.cut = Some(now);
                }
                self.good = 0;
                let rest = response.retry_after.unwrap_or(0).min(LONGEST_REST);
                self.rests_until = self.rests_until.max(now.saturating_add(rest));
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

/// The throttle of a cluster, and a bell for those who wait for room.
struct Limit {
    throttle: Mutex<Throttle>,
    freed: Notify,
}

/// A place among the requests in flight; given back when dropped.
struct Permit(Arc<Limit>);

impl Drop for Permit {
    fn drop(&mut self) {
        let mut throttle = self.0.throttle();
        throttle.flying = throttle.flying.saturating_sub(1);
        drop(throttle);
        self.0.freed.notify_waiters();
    }
}

impl Limit {
    fn new(most: usize) -> Self {
        Limit { throttle: Mutex::new(Throttle::new(most)), freed: Notify::new() }
    }

    fn throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(limit: &Arc<Limit>, now: Millis) -> Option<Permit> {
        let mut throttle = limit.throttle();
        if throttle.flying >= throttle.limit || now < throttle.rests_until {
            return None;
        }
        throttle.flying += 1;
        drop(throttle);
        Some(Permit(Arc::clone(limit)))
    }
}

/// One machine on its way.
struct Drive {
    place: usize,
    connection: ClusterConnection,
    deadline: Option<(Instant, Duration)>,
    tell: UnboundedSender<(usize, String)>,
    clock: Clock,
    limit: Arc<Limit>,
    pulse: Arc<AtomicU64>,
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
        limit: &Arc<Limit>,
        pulse: &Arc<AtomicU64>,
    ) -> Self {
        Drive {
            place,
            connection,
            deadline: options.deadline.map(|limit| (Instant::now() + limit, limit)),
            tell,
            clock: Clock::new(),
            limit: Arc::clone(limit),
            pulse: Arc::clone(pulse),
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
            // The bell is heard from here on, so that none is missed between looking for room and waiting for it.
            let limit = Arc::clone(&self.limit);
            let freed = limit.freed.notified();
            self.send_what_may_go();
            if self.flying.is_empty() && self.alarms.is_empty() && self.waiting.is_empty() {
                return None;
            }
            events = self.wait(freed).await?;
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
        while !self.waiting.is_empty()
            && let Some(permit) = Limit::enter(&self.limit, self.clock.now())
            && let Some((id, request)) = self.waiting.pop_front()
        {
            let connection = self.connection.clone();
            self.sent.push(id);
            self.flying.spawn(async move {
                let answer = connection.send(&request).await;
                drop(permit);
                (id, answer)
            });
        }
    }

    /// What comes next, and all that has come with it; none at the deadline. `None` when a request's task broke.
    async fn wait(&mut self, freed: impl Future<Output = ()>) -> Option<Vec<Event>> {
        let mut events = Vec::new();
        let mut alarm = self.alarms.peek().map(|Reverse((at, _))| *at);
        let rests_until = self.limit.throttle().rests_until;
        if !self.waiting.is_empty() && rests_until > self.clock.now() {
            alarm = Some(alarm.map_or(rests_until, |at| at.min(rests_until)));
        }
        let alarm = alarm.map(|at| self.clock.instant(at));
        let far = Instant::now() + Duration::from_secs(3_600);
        tokio::select! {
            biased;
            Some(done) = self.flying.join_next() => self.note(done.ok()?, &mut events),
            () = freed, if !self.waiting.is_empty() => {}
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
        let now = self.clock.now();
        self.limit.throttle().learn(now, &answer);
        if answer.is_ok() {
            self.pulse.store(now, Ordering::Relaxed);
        }
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

    #[test]
    fn a_cluster_has_one_limit_and_rests_as_it_says() {
        let limit = Arc::new(Limit::new(2));
        let (one, two) = (Limit::enter(&limit, 0), Limit::enter(&limit, 0));
        assert!(one.is_some() && two.is_some() && Limit::enter(&limit, 0).is_none());
        drop(one);
        let busy = |after| Ok(Response { status: 429, retry_after: Some(after), text: "".into() });
        limit.throttle().learn(100, &busy(3_000));
        drop(two);
        assert!(Limit::enter(&limit, 3_099).is_none());
        let again = Limit::enter(&limit, 3_100);
        assert!(again.is_some() && Limit::enter(&limit, 3_100).is_none(), "halved");
        limit.throttle().learn(5_000, &busy(3_600_000));
        drop(again);
        assert!(Limit::enter(&limit, 5_000 + LONGEST_REST).is_some(), "no server is left alone for an hour");
    }
}
