//! Tests across the whole project. Cases that are data live in `fixtures/` and run in `tests/fixtures.rs`.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read and write files and run the binary")]

mod apply;
#[cfg(all(feature = "host", unix))]
mod apply_command;
mod appset_conformance;
#[cfg(all(feature = "host", unix))]
mod browser;
#[cfg(feature = "host")]
mod charts;
#[cfg(all(feature = "host", unix))]
mod ci_kit;
#[cfg(all(feature = "host", unix))]
mod cluster_join;
#[cfg(all(feature = "host", unix))]
mod clusters;
#[cfg(all(feature = "host", unix))]
mod control_plane;
#[cfg(feature = "host")]
mod dangers;
mod dependencies;
#[cfg(feature = "host")]
mod diff;
mod directory;
mod drift;
mod e2e_admission;
#[cfg(all(feature = "host", unix))]
mod e2e_drift;
#[cfg(all(feature = "host", unix))]
mod e2e_faults;
#[cfg(all(feature = "host", unix))]
mod e2e_order;
#[cfg(all(feature = "host", unix))]
mod e2e_owners;
#[cfg(all(feature = "host", unix))]
mod e2e_rollout;
mod e2e_slices;
#[cfg(all(feature = "host", unix))]
mod e2e_takeover;
mod e2e_webhook;
mod examples;
#[cfg(feature = "host")]
mod faults;
#[cfg(feature = "host")]
mod faults_server;
#[cfg(all(feature = "host", unix))]
mod fetch_git;
#[cfg(feature = "host")]
mod git;
#[cfg(all(feature = "host", unix))]
#[path = "../../src/host/fetch/git/tests/server.rs"]
#[expect(dead_code, reason = "the tests of the fetcher use more of it")]
#[expect(clippy::disallowed_types, reason = "a test serves its own folders")]
mod git_server;
#[cfg(feature = "host")]
mod helm_expressions;
mod holding;
#[cfg(feature = "host")]
mod init;
#[cfg(feature = "host")]
mod kustomize_conformance;
mod kustomize_edits;
#[cfg(feature = "host")]
mod kustomize_random;
mod lint_answers;
#[cfg(all(feature = "host", unix))]
mod many_clusters;
#[cfg(all(feature = "host", unix))]
mod many_status;
#[cfg(all(feature = "host", unix))]
mod pages;
mod plan;
mod plan_guards;
#[cfg(all(feature = "host", unix))]
mod promote;
#[cfg(all(feature = "host", unix))]
mod publish;
mod read;
#[cfg(all(feature = "host", unix))]
mod release;
mod remembered;
#[cfg(all(feature = "host", unix))]
mod secrets;
#[cfg(feature = "host")]
mod shells;
#[cfg(all(feature = "host", unix))]
mod sources;
mod takeover;
mod tidy;
#[cfg(feature = "host")]
mod tracing;
#[cfg(all(feature = "host", unix))]
mod watch;
mod waves_command;
