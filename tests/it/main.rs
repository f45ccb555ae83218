//! Tests across the whole project. Cases that are data live in `fixtures/` and run in `tests/fixtures.rs`.

mod appset_conformance;
mod dependencies;
#[cfg(feature = "host")]
mod directory;
mod examples;
#[cfg(feature = "host")]
mod git;
mod holding;
#[cfg(feature = "host")]
mod kustomize_conformance;
mod read;
mod tidy;
