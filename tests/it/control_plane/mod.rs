//! Real Kubernetes control planes on loopback, for tests: etcd, API server, controllers, scheduler, and kwok, which plays the nodes, so
//! that Deployments, StatefulSets and Jobs really become ready.
//!
//! `cluster()` and `clusters(n)` give servers that all tests of this process share; a test keeps to namespaces and names of its own.
//! [`ControlPlane::start`] gives one that is the test's alone. The programs are built once under `target/` (needs Go); where they cannot
//! be had a test is reported as not run, and fails where `CI` or `FLEETC_REQUIRE_CONTROL_PLANE` is set.
#![expect(clippy::disallowed_types, reason = "logs of programs and the lock of their build are files")]

pub(crate) mod fleet;
mod keys;
mod programs;
pub(crate) mod proxy;
mod server;

pub(crate) use server::{ControlPlane, Write, dead_port};

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// The shared servers, started when first asked for. They die with this process.
static SHARED: Mutex<Vec<&'static ControlPlane>> = Mutex::new(Vec::new());

/// The first shared server; `None` where there can be none, which is said.
pub(crate) fn cluster() -> Option<&'static ControlPlane> {
    clusters(1)?.pop()
}

/// The first `number` shared servers.
pub(crate) fn clusters(number: usize) -> Option<Vec<&'static ControlPlane>> {
    if !available() {
        return None;
    }
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    while shared.len() < number {
        shared.push(Box::leak(Box::new(ControlPlane::start())));
    }
    Some(shared[..number].to_vec())
}

/// Whether there are programs to run. Says so where there are none, past the test runner's capturing.
pub(crate) fn available() -> bool {
    let Err(reason) = programs::programs() else { return true };
    let required = ["CI", "FLEETC_REQUIRE_CONTROL_PLANE"].into_iter().any(|name| std::env::var_os(name).is_some());
    assert!(!required, "no control plane: {reason}");
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "NOT RUN: {name}: no control plane: {reason}");
    false
}

/// Where [`holds_a_server`] says what it holds.
const HOLD: &str = "FLEETC_TEST_HOLD";

#[test]
#[ignore = "the other half of the test below"]
fn holds_a_server() {
    let Some(file) = std::env::var_os(HOLD) else { return };
    let plane = ControlPlane::start();
    let beside = std::path::Path::new(&file).with_extension("new");
    std::fs::write(&beside, format!("{}\n{}", plane.server(), plane.file("").display())).unwrap();
    std::fs::rename(beside, file).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(600));
}

/// A test process that is killed takes its servers with it.
#[test]
fn servers_end_with_the_process_that_started_them() {
    use std::time::{Duration, Instant};
    if !available() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("held");
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "control_plane::holds_a_server", "--ignored"]).env(HOLD, &file);
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while !file.exists() {
        assert!(begin.elapsed() < Duration::from_secs(180) && child.try_wait().unwrap().is_none(), "it does not start");
        std::thread::sleep(Duration::from_millis(100));
    }
    let held = std::fs::read_to_string(&file).unwrap();
    let (server, folder) = held.split_once('\n').unwrap();
    let address = server.strip_prefix("https://").unwrap();
    assert!(std::net::TcpStream::connect(address).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    let begin = Instant::now();
    while std::net::TcpStream::connect(address).is_ok() || std::path::Path::new(folder).exists() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{server} or {folder} is still there");
        std::thread::sleep(Duration::from_millis(100));
    }
}
