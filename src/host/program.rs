//! Starts the program of a plugin: on a temporary copy of files, with the variables that are given and those of fleetc's own environment
//! that fleet.yaml lists, without input. It and what it started are killed when its time is over or its output too long.

#[cfg(test)]
mod tests;

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::span::Span;
use crate::world::Program;

/// Bytes of standard output that are taken.
const MAX_OUTPUT: u64 = 64 << 20;
/// Bytes of standard error that are shown.
const MAX_ERRORS: u64 = 4 << 10;

/// What a program prints.
///
/// # Errors
/// It cannot be started, fails, takes too long, or prints too much.
pub(super) fn run(program: &Program) -> Checked<Vec<u8>> {
    let shown = program.command.first().cloned().unwrap_or_default();
    let failed = |message: String| -> Diagnostics { Diagnostic::error("host/plugin", Span::NONE, message).into() };
    let folder = tempfile::tempdir().map_err(|error| failed(format!("no temporary folder: {error}")))?;
    for (path, file) in &program.files {
        let to = folder.path().join(path.as_str());
        let written =
            to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&to, &file.bytes));
        written.map_err(|error| failed(format!("copying `{path}` for the plugin: {error}")))?;
    }
    let mut command = Command::new(&shown);
    command
        .args(program.command.iter().skip(1))
        .env_clear()
        .current_dir(folder.path().join(program.directory.as_str()));
    for name in &program.passed {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .envs(&program.variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child =
        command.spawn().map_err(|error| failed(format!("the plugin's program `{shown}` does not start: {error}")))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let too_long = AtomicBool::new(false);
    let limit = Duration::from_secs(u64::from(program.seconds));
    let (status, output, errors) = std::thread::scope(|scope| {
        let output = scope.spawn(|| read(stdout, MAX_OUTPUT, &too_long));
        let errors = scope.spawn(|| read(stderr, MAX_ERRORS, &AtomicBool::new(false)));
        let status = wait(&mut child, limit, &too_long);
        // Whoever it started may still hold the pipes open.
        kill(&child);
        (status, output.join().unwrap_or_default(), errors.join().unwrap_or_default())
    });
    let said = String::from_utf8_lossy(&errors).trim().to_owned();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    if too_long.load(Ordering::Relaxed) {
        return Err(failed(format!("the plugin's program `{shown}` prints more than {} MiB", MAX_OUTPUT >> 20)));
    }
    match status {
        Ok(Some(status)) if status.success() => Ok(output),
        Ok(Some(status)) => Err(failed(format!("the plugin's program `{shown}` fails ({status}){said}"))),
        Ok(None) => {
            Err(failed(format!("the plugin's program `{shown}` takes more than {} seconds{said}", program.seconds)))
        }
        Err(error) => Err(failed(format!("the plugin's program `{shown}` is lost: {error}"))),
    }
}

/// Waits for the end; `None` when it was killed.
fn wait(child: &mut Child, limit: Duration, stop: &AtomicBool) -> std::io::Result<Option<std::process::ExitStatus>> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() > limit || stop.load(Ordering::Relaxed) {
            kill(child);
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Kills the program's process group.
fn kill(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // Mostly there is nobody left.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// The bytes of a pipe up to a limit; what is beyond is read and dropped only as far as the program goes on.
fn read(pipe: Option<impl Read>, limit: u64, too_long: &AtomicBool) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(pipe) = pipe else { return out };
    let mut rest = pipe.take(limit);
    // A broken pipe is an end like any other: the status of the program counts.
    let _ = rest.read_to_end(&mut out);
    let mut pipe = rest.into_inner();
    let mut more = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut more) {
        let _ = count;
        too_long.store(true, Ordering::Relaxed);
    }
    out
}
