//! fleetc, a fleet compiler for Kubernetes: what Argo CD users keep in Git, rendered into per-cluster bundles and a lock.
//!
//! The folders are the verbs, in order: [`read`] → [`expand`] → [`resolve`] → [`render`] → [`bundle`] → [`lock`], composed by [`compile`];
//! [`explain`] says where what came out came from.
//! Languages are folders that know nothing of fleets: [`yaml`] (text to value with places, and back to the originals' bytes),
//! [`template`] (Go's text/template and sprig), [`jsonnet`], [`k8s`] (identity of objects, schemas as tables, order), [`sops`].
//! The rest of the top level is vocabulary that all may use. The core has no effects: files, git, threads and the terminal are in `host`
//! and `cli`, which nobody names. `tests/it/tidy.rs` holds the table of who may use whom.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

pub mod api;
pub mod application;
pub mod cluster;
pub mod diag;
pub mod digest;
pub mod inventory;
pub mod machine;
pub mod memory_cluster;
pub mod memory_world;
pub mod path;
pub mod question;
pub mod rule;
pub mod source;
pub mod span;
pub mod world;

pub mod jsonnet;
pub mod k8s;
pub mod sops;
pub mod template;
pub mod yaml;

pub mod apply;
pub mod argo;
pub mod bundle;
pub mod compile;
pub mod danger;
pub mod diff;
pub mod discovery;
pub mod expand;
pub mod explain;
pub mod expression;
pub mod import;
pub mod join;
pub mod lint;
pub mod lock;
pub mod page;
pub mod plan;
pub mod project;
pub mod promote;
pub mod publish;
pub mod rbac;
pub mod read;
pub mod render;
pub mod report;
pub mod resolve;
pub mod rollout;
pub mod validate;

#[cfg(feature = "host")]
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "effects live here")]
pub mod host;
