//! Trying again: what may be gone the next time is tried a few times, ever later and never at the same moment as others; what takes too
//! long is left alone.
//!
//! A fetcher has timeouts of its own for each thing that it waits for. The one here is for a server that keeps it busy for ever.

use std::sync::mpsc;
use std::time::Duration;

use super::Fault;

/// How long and how often.
#[derive(Clone, Debug)]
pub(in crate::host) struct Patience {
    /// How often a source is asked for.
    pub(in crate::host) attempts: u32,
    /// How long the first wait is at most; each is twice the one before.
    pub(in crate::host) pause: Duration,
    /// How long an attempt may take.
    pub(in crate::host) limit: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { attempts: 4, pause: Duration::from_secs(1), limit: Duration::from_secs(900) }
    }
}

/// Works until it is done, fails for good or has been tried often enough. `waiting` hears why it is tried again.
pub(in crate::host) fn patiently<T: Send + 'static>(
    patience: &Patience,
    work: impl Fn() -> Result<T, Fault> + Clone + Send + 'static,
    waiting: &dyn Fn(&Fault),
) -> Result<T, Fault> {
    let mut attempt = 1;
    loop {
        let fault = match limited(patience.limit, work.clone()) {
            Ok(done) => return Ok(done),
            Err(fault) => fault,
        };
        if !fault.temporary {
            return Err(fault);
        }
        if attempt >= patience.attempts {
            let reason = if attempt == 1 { fault.reason } else { format!("{} ({attempt} attempts)", fault.reason) };
            return Err(Fault { reason, ..fault });
        }
        waiting(&fault);
        std::thread::sleep(jittered(patience.pause * 2u32.saturating_pow(attempt - 1)));
        attempt += 1;
    }
}

/// Works on a thread of its own, which is left behind where it takes too long: nothing can stop it before the process ends.
fn limited<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (done, outcome) = mpsc::channel();
    let thread = std::thread::Builder::new().name("fleetc-fetch".to_owned()).spawn(move || {
        // Nobody listens any more where the limit has passed.
        let _ = done.send(work());
    });
    if let Err(error) = thread {
        return Err(Fault::lasting(format!("no thread can be started: {error}")));
    }
    match outcome.recv_timeout(limit) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Err(Fault::lasting(format!("it took longer than {} seconds", limit.as_secs())))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Fault::lasting("it broke off; this is a bug of fleetc")),
    }
}

/// Half of the time at least, so that those who failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0u8; 1];
    // Without randomness all wait the same time.
    let share = if getrandom::fill(&mut byte).is_ok() { f64::from(byte[0]) / 255.0 } else { 1.0 };
    pause.mul_f64(share.mul_add(0.5, 0.5))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn short() -> Patience {
        Patience { attempts: 3, pause: Duration::from_millis(1), limit: Duration::from_secs(60) }
    }

    /// How often work is done that fails so until the attempt with this number.
    fn attempts(fault: Fault, good: u32) -> (Result<u32, Fault>, u32) {
        let count = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&count);
        let work = move || {
            let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
            if number >= good { Ok(number) } else { Err(fault.clone()) }
        };
        let outcome = patiently(&short(), work, &|_| {});
        (outcome, count.load(Ordering::Relaxed))
    }

    #[test]
    fn what_passes_is_tried_again_and_what_lasts_is_not() {
        assert_eq!(attempts(Fault::passing("busy"), 3), (Ok(3), 3));
        assert_eq!(attempts(Fault::lasting("no such revision"), 3), (Err(Fault::lasting("no such revision")), 1));
        assert_eq!(attempts(Fault::passing("busy"), 9), (Err(Fault::passing("busy (3 attempts)")), 3));
    }

    #[test]
    fn what_hangs_or_breaks_off_is_left_alone() {
        let hanging = || {
            std::thread::sleep(Duration::from_secs(2));
            Ok(())
        };
        let impatient = Patience { limit: Duration::from_millis(100), ..short() };
        let fault = patiently(&impatient, hanging, &|_| {}).unwrap_err();
        assert_eq!(fault.reason, "it took longer than 0 seconds");
        let fault = patiently(&short(), || -> Result<(), Fault> { panic!("on purpose") }, &|_| {}).unwrap_err();
        assert!(fault.reason.starts_with("it broke off"), "{fault:?}");
    }

    #[test]
    fn waits_differ() {
        let pause = Duration::from_secs(1);
        let waits: std::collections::BTreeSet<Duration> = (0..50).map(|_| jittered(pause)).collect();
        assert!(waits.len() > 10);
        assert!(waits.iter().all(|wait| (pause / 2..=pause).contains(wait)));
    }
}
