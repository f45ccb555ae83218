//! The machine's clock and randomness, for `fleetc helm`, which behaves as Helm does. No compile of a fleet gets them.

use std::time::{SystemTime, UNIX_EPOCH};

use super::seen::Seen;
use crate::template::{Call, Effects};

/// The clock and the randomness of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Clock;

/// The same, for runs that note what they rest on: time does not come back.
#[derive(Clone, Debug)]
pub struct WatchedClock(pub Seen);

impl Effects for WatchedClock {
    fn now(&self) -> i64 {
        self.0.beyond();
        Clock.now()
    }

    fn random(&self, call: &Call<'_>, buffer: &mut [u8]) {
        self.0.beyond();
        Clock.random(call, buffer);
    }
}

impl Effects for Clock {
    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }

    fn random(&self, _: &Call<'_>, buffer: &mut [u8]) {
        // A machine without randomness cannot make passwords: better none than a known one.
        if getrandom::fill(buffer).is_err() {
            std::process::abort();
        }
    }
}
