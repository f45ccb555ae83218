//! Does what an approved plan says, on one cluster, and nothing else.
//!
//! In: what is to be on the cluster ([`ClusterInput`](crate::plan::ClusterInput)), the approved [`ClusterPlan`](crate::plan::ClusterPlan),
//! choices ([`Options`]). Out: requests through the port of a [`Machine`](crate::machine::Machine), and what became of each slice
//! ([`ClusterOutcome`]). No clock, no file, no state between runs: the truth is in the parents on the cluster, so a run that was killed
//! anywhere is resumed by planning and applying again, from any machine.
//!
//! `cluster` decides who goes when, `release` ends a hold and does nothing else, `lease` keeps two applies apart, `ledger` writes the parent of a slice before and after,
//! `slice` carries out its actions with `object`, `hook` and `gone`, `wait` waits for health, `settled` for that of whole slices, `client` tries again what may be.
//! Decided is nothing here: what to do about which object is `plan`'s.

pub mod adopt;
mod client;
mod cluster;
mod gone;
mod hook;
mod kinds;
mod lease;
mod ledger;
mod object;
mod outcome;
mod release;
mod settled;
mod site;
mod slice;
mod wait;
mod windows;

pub use cluster::{Basis, apply, ranks};
pub use outcome::{ClusterOutcome, Counts, RESULTS, SliceOutcome, SliceResult};
pub use release::release;
pub use settled::settle;
pub use site::{Options, Wait};
pub use slice::DETAIL;

#[cfg(test)]
mod tests;
