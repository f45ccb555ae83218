//! Phase 2, expand: generators and templates into literal [`Unit`]s. Afterwards an application on a cluster is literal.
//!
//! An ApplicationSet that fails yields none of its applications and an error; the rest is still expanded, so that one run
//! reports everything. Nothing is rendered; git generators ask the [`World`](crate::world::World), and what is not there is a want.

mod unit;

pub use unit::*;
