//! Clock and randomness for the templates of an application: none unless fleet.yaml says otherwise.
//!
//! Derived values need a secret key and an instant that stands for now. A template that asks for what is missing fails; a value that
//! others could guess, or a certificate that begins to be valid in 1970, is never made up.

use std::cell::Cell;
use std::sync::Arc;

use super::Tools;
use crate::diag::{Cause, Diagnostic};
use crate::digest::Key;
use crate::resolve::Nondeterminism;
use crate::span::Span;
use crate::template::{Call, Derived, Effects};

/// Where clock and randomness come from in this process.
#[derive(Clone, Debug, Default)]
pub struct Randomness {
    /// The key of the user.
    pub key: Option<Key>,
    /// Those of the machine, for applications that may have them.
    pub machine: Option<Arc<dyn Effects + Send + Sync>>,
    /// For finding out what depends on them: instead of refusing or the machine's, values derived from this number.
    pub trial: Option<u64>,
}

/// Clock and randomness of one render.
#[derive(Debug)]
pub(super) enum Source {
    None,
    Machine(Arc<dyn Effects + Send + Sync>),
    Derived(Fixed),
}

/// Derived values, and whether the clock was read where nothing stands for now.
#[derive(Debug)]
pub(super) struct Fixed {
    derived: Derived,
    timeless: bool,
    clock: Cell<bool>,
}

impl Effects for Fixed {
    fn now(&self) -> i64 {
        self.clock.set(true);
        self.derived.now()
    }

    fn random(&self, call: &Call<'_>, buffer: &mut [u8]) {
        self.derived.random(call, buffer);
    }
}

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

impl Source {
    /// What an application gets.
    ///
    /// # Errors
    /// Values are to be derived, and there is no key.
    pub(super) fn new(wanted: &Nondeterminism, tools: &Tools) -> Result<Self, Box<Diagnostic>> {
        let randomness = &tools.randomness;
        let fixed = |key: &[u8], application: &str, since: Option<i64>| {
            let derived = Derived::new(key, application, since.unwrap_or_default());
            Source::Derived(Fixed { derived, timeless: since.is_none(), clock: Cell::new(false) })
        };
        match (wanted, randomness.trial, &randomness.key) {
            (Nondeterminism::Derive { application, since }, _, Some(key)) => {
                Ok(fixed(key.bytes(), application, *since))
            }
            (Nondeterminism::Refuse | Nondeterminism::Allow(_), Some(number), _) => {
                // Another key, and another year.
                let day = i64::try_from(number).unwrap_or_default().saturating_mul(400 * DAY);
                Ok(fixed(&number.to_be_bytes(), "", Some(20_000 * DAY + day)))
            }
            (Nondeterminism::Refuse, None, _) => Ok(Source::None),
            (Nondeterminism::Allow(_), None, _) => Ok(randomness.machine.clone().map_or(Source::None, Source::Machine)),
            (Nondeterminism::Derive { application, .. }, _, None) => {
                let message =
                    format!("values of `{application}` are to be derived, and there is no key to derive them from");
                let error = Diagnostic::error("helm/derive-key", Span::NONE, message).cause(Cause::Usage);
                Err(Box::new(
                    error.hint("give one: `--derive-key FILE`, or the environment variable FLEETC_DERIVE_KEY"),
                ))
            }
        }
    }

    pub(super) fn effects(&self) -> Option<&dyn Effects> {
        match self {
            Source::None => None,
            Source::Machine(machine) => Some(machine.as_ref()),
            Source::Derived(fixed) => Some(fixed),
        }
    }

    /// Refuses results that rest on an instant that nobody chose.
    pub(super) fn check(&self, chart: Span) -> Result<(), Box<Diagnostic>> {
        match self {
            Source::Derived(fixed) if fixed.timeless && fixed.clock.get() => {
                let message = "this chart asks for the time, and nothing says which day stands for today";
                let error = Diagnostic::error("helm/nondeterminism", chart, message);
                Err(Box::new(
                    error.hint("say it beside `nondeterminism: derive` in fleet.yaml: `since: \"2026-01-31\"`"),
                ))
            }
            _ => Ok(()),
        }
    }
}
