//! What a render must not depend on, clock and randomness, injected where somebody wants them all the same; and randomness that is derived.
//!
//! Nothing here is random. A call of a function that asks for randomness gets a [`Stream`] of its own, which knows which call it is, so
//! that [`Derived`] can answer equal calls equally: passwords, keys and certificates that are the same on every run and that nobody without
//! the key can guess.

use std::fmt;
use std::rc::Rc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Clock and randomness of whoever executes a template.
pub trait Effects: fmt::Debug {
    /// Nanoseconds since the Unix epoch.
    fn now(&self) -> i64;
    /// Fills the buffer with the next random bytes of a call. A source that is not random gives equal bytes for equal calls.
    fn random(&self, call: &Call<'_>, buffer: &mut [u8]);
}

/// A call of a function that asked for randomness, and how far it got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call<'a> {
    /// The template that the program executed, which may have included the one with the call.
    pub template: &'a str,
    /// The function.
    pub function: &'a str,
    /// How many calls for randomness the execution of the template made before.
    pub number: u64,
    /// How many blocks of 32 bytes the call has had.
    pub block: u64,
}

/// Bytes that one call takes at once; the unit that [`Call::block`] counts.
const BLOCK: usize = 32;

/// The randomness of one call: bytes one after the other, however they are asked for.
pub(super) struct Stream<'a> {
    effects: &'a dyn Effects,
    template: Rc<str>,
    function: &'static str,
    number: u64,
    block: u64,
    left: Vec<u8>,
}

impl<'a> Stream<'a> {
    pub(super) fn new(effects: &'a dyn Effects, template: Rc<str>, function: &'static str, number: u64) -> Self {
        Self { effects, template, function, number, block: 0, left: Vec::new() }
    }

    /// The next bytes.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = self.byte();
        }
    }

    fn byte(&mut self) -> u8 {
        if self.left.is_empty() {
            let mut block = [0; BLOCK];
            let call =
                Call { template: &self.template, function: self.function, number: self.number, block: self.block };
            self.effects.random(&call, &mut block);
            self.block += 1;
            block.reverse();
            self.left.extend(block);
        }
        self.left.pop().unwrap_or_default()
    }

    /// So many of the next bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut buffer = vec![0; count];
        self.fill(&mut buffer);
        buffer
    }

    /// A number below another, all with equal chances but for one part in 2⁶⁴.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        u64::try_from(u128::from_be_bytes(bytes) % u128::from(bound.max(1))).unwrap_or(0)
    }
}

/// Randomness that is a function of a secret key and of the call: HMAC-SHA-256 over application, template, function, number and block.
/// Adding a call to one template leaves the values of all others as they are, and of its own those before it.
///
/// The clock stands still: certificates are valid from that instant for as many days as their template says, so that they too are the same
/// on every run. Whoever wants a fresh certificate moves the instant or changes the key.
///
/// What functions make of the bytes (how a prime is searched, which letters a password has) is part of the promise: it is written in this
/// crate, and tests hold its results.
#[derive(Clone)]
pub struct Derived {
    key: Vec<u8>,
    application: String,
    now: i64,
}

impl Derived {
    /// `now` in nanoseconds since the Unix epoch.
    pub fn new(key: &[u8], application: &str, now: i64) -> Self {
        Self { key: key.to_vec(), application: application.to_owned(), now }
    }
}

impl fmt::Debug for Derived {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Derived {{ application: {:?}, now: {} }}", self.application, self.now)
    }
}

impl Effects for Derived {
    fn now(&self) -> i64 {
        self.now
    }

    fn random(&self, call: &Call<'_>, buffer: &mut [u8]) {
        // One block a call; a longer buffer takes blocks of a further counter, which no other call uses.
        for (part, chunk) in (0u64..).zip(buffer.chunks_mut(BLOCK)) {
            // A key of any length is one that HMAC takes.
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return };
            for text in [&self.application, call.template, call.function] {
                // Lengths keep `a` + `bc` apart from `ab` + `c`.
                mac.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
                mac.update(text.as_bytes());
            }
            for number in [call.number, call.block, part] {
                mac.update(&number.to_be_bytes());
            }
            chunk.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(slot, byte)| *slot = byte);
        }
    }
}
