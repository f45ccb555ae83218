//! Phase 3, resolve: units into closed [`Job`]s. Revisions become trees, destinations clusters, sources renderers.
//!
//! A job is closed: what it renders depends on nothing but what it names, so equal jobs are rendered once. Nothing is read of the
//! manifests themselves but what decides the source's type.

mod job;

pub use job::*;
