//! Threads over jobs. Results come back in the order of the jobs, so nothing depends on how many threads there are.
//!
//! Jobs are handed out one by one, since some cost a thousand times as much as others. No job starts threads of its own.

use std::sync::Arc;

use rayon::prelude::*;

use crate::compile::{RenderResult, Runner};
use crate::resolve::Job;

/// Threads of a run.
#[derive(Debug)]
pub struct Pool {
    threads: rayon::ThreadPool,
}

/// Stack of a thread, in bytes. Parsers and mergers recurse as deep as their limits let them.
const STACK: usize = 16 << 20;

impl Pool {
    /// Starts threads: as many as asked for, else as many as there are cores.
    ///
    /// # Errors
    /// The system refuses to start them.
    pub fn new(threads: Option<usize>) -> Result<Self, rayon::ThreadPoolBuildError> {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).stack_size(STACK);
        Ok(Pool { threads: builder.thread_name(|index| format!("fleetc-{index}")).build()? })
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    /// Calls a function once for every number below `count`, in any order; returns when all are done.
    pub fn spread(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        self.threads.install(|| (0..count).into_par_iter().for_each(work));
    }

    /// Calls two functions, at the same time where there are two threads.
    pub fn both<A: Send, B: Send>(&self, a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        self.threads.join(a, b)
    }

    /// What a function makes of every item, in their order.
    pub fn map<T: Sync, R: Send>(&self, items: &[T], function: &(dyn Fn(&T) -> R + Sync)) -> Vec<R> {
        self.threads.install(|| items.par_iter().with_max_len(1).map(function).collect())
    }
}

impl Runner for Pool {
    fn run(&self, jobs: &[Arc<Job>], render: &(dyn Fn(&Job) -> RenderResult + Sync)) -> Vec<RenderResult> {
        self.map(jobs, &|job| render(job))
    }
}
