//! Repositories behind ssh: the user's own `ssh` program carries git's protocol, with their configuration, agent and jump hosts.
//!
//! It is the only program that fetching starts, and only here. `GIT_SSH_COMMAND` and `GIT_SSH` name another one, as they do for git; it must
//! understand the options of OpenSSH. It never asks at the terminal: several sources are fetched at a time, and in CI nobody would answer.
//! What it says is kept for the error. A server that says nothing for too long is left, and no process is left behind.

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gix_transport::Protocol;
use gix_transport::client::git::ConnectMode;
use gix_transport::client::git::blocking_io::Connection;

use super::super::Fault;
use super::GitOptions;
use super::address::Ssh;
use super::wire::{Meter, Metered, is_refusal, scrubbed};

fn command(options: &GitOptions) -> Command {
    match &options.ssh_command {
        None => Command::new(&options.ssh),
        Some(line) => {
            // As git does it: the words are the shell's business, our arguments are never.
            let mut command = Command::new("sh");
            let mut text = line.clone();
            text.push(" \"$@\"");
            command.arg("-c").arg(text).arg("ssh");
            command
        }
    }
}

/// What a repository has of its own for ssh.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// The key, in a file that nobody else can read.
    pub(super) key: Option<tempfile::NamedTempFile>,
    /// The hosts that are known.
    pub(super) known_hosts: Option<tempfile::NamedTempFile>,
    /// Whether any host is taken.
    pub(super) any_host: bool,
}

impl Identity {
    /// Puts a key and known hosts into files for as long as they are needed.
    pub(super) fn new(key: Option<&str>, known_hosts: Option<&str>, any_host: bool) -> io::Result<Self> {
        // Made with the mode 0600.
        let file = |text: &str| -> io::Result<tempfile::NamedTempFile> {
            let mut file = tempfile::Builder::new().prefix("fleetc-").tempfile()?;
            file.write_all(text.trim_end().as_bytes())?;
            file.write_all(b"\n")?;
            file.flush()?;
            Ok(file)
        };
        Ok(Identity {
            key: key.map(file).transpose()?,
            known_hosts: known_hosts.filter(|text| !text.trim().is_empty()).map(file).transpose()?,
            any_host,
        })
    }

    fn options(&self) -> Vec<OsString> {
        let mut options: Vec<OsString> = Vec::new();
        if let Some(key) = &self.key {
            options.extend(["-i".into(), key.path().into(), "-o".into(), "IdentitiesOnly=yes".into()]);
        }
        if let Some(hosts) = &self.known_hosts {
            // Beside those that the user knows.
            let mut option = OsString::from("UserKnownHostsFile=\"");
            option.push(hosts.path());
            option.push("\" ~/.ssh/known_hosts ~/.ssh/known_hosts2");
            options.extend(["-o".into(), option]);
        }
        if self.any_host {
            let option = |text: &str| OsString::from(text);
            options.extend(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"].map(option));
        }
        options
    }
}

/// A running ssh. It ends when this is dropped.
pub(super) struct Talk {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
}

/// What a child prints, read by a thread of its own so that waiting for it can end.
pub(super) struct Output {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
    patience: Duration,
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.chunk.len() {
            match self.chunks.recv_timeout(self.patience) {
                Ok(chunk) => (self.chunk, self.at) = (chunk?, 0),
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
        let read = self.chunk.get(self.at..).unwrap_or_default().read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

/// Bytes of what ssh says that are kept.
const MAX_SAID: usize = 4096;

/// Starts ssh for what is asked of a server; the connection, and what to ask when it ends too early.
pub(super) fn start(
    options: &GitOptions,
    to: &Ssh,
    identity: &Identity,
    meter: &Meter,
) -> Result<(Connection<Metered<Output>, ChildStdin>, Talk), Fault> {
    let (output, input, talk) = run(options, to, identity, meter, ("git-upload-pack", "version=2"))?;
    let connection =
        Connection::new(output, input, Protocol::V2, to.path.as_str(), None::<(&str, _)>, ConnectMode::Process, false);
    Ok((connection, talk))
}

/// Starts ssh with a service of git in a version of its protocol: the bytes of the server, those to it.
pub(super) fn run(
    options: &GitOptions,
    to: &Ssh,
    identity: &Identity,
    meter: &Meter,
    (service, version): (&str, &str),
) -> Result<(Metered<Output>, ChildStdin, Talk), Fault> {
    let mut command = command(options);
    command.args(["-o", "SendEnv=GIT_PROTOCOL", "-o", "BatchMode=yes"]).args(identity.options());
    if let Some(port) = to.port {
        command.args(["-p", &port.to_string()]);
    }
    command.arg(&to.destination).arg(format!("{service} {}", quoted(&to.path)));
    command.env("GIT_PROTOCOL", version).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        Fault::lasting(format!("ssh cannot be started: {error}")).hint("install OpenSSH, or name it in GIT_SSH_COMMAND")
    })?;
    let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Fault::lasting("ssh cannot be talked to"));
    };
    let (send, chunks) = sync_channel(16);
    std::thread::spawn(move || pass_on(output, &send));
    let said = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&said);
    std::thread::spawn(move || listen(errors, &keep));
    let output = meter.wrap(Output { chunks, chunk: Vec::new(), at: 0, patience: options.patience });
    Ok((output, input, Talk { child, said }))
}

fn pass_on(mut output: impl Read, send: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; 64 << 10];
        let read = output.read(&mut chunk);
        let end = !matches!(read, Ok(1..));
        if matches!(read, Ok(0)) {
            return;
        }
        let chunk = read.map(|read| {
            chunk.truncate(read);
            chunk
        });
        if send.send(chunk).is_err() || end {
            return;
        }
    }
}

fn listen(mut errors: impl Read, keep: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 1024];
    while let Ok(read @ 1..) = errors.read(&mut chunk) {
        let mut said = keep.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(chunk.get(..read).unwrap_or_default());
        let over = said.len().saturating_sub(MAX_SAID);
        said.drain(..over);
    }
}

/// What ssh and servers say that trying again does not change, and what to do.
const LASTING: [(&str, &str); 5] = [
    (
        "Host key verification failed",
        "connect once with `ssh` to accept the host's key, or add it to argocd-ssh-known-hosts-cm",
    ),
    ("Permission denied", "add a key to the ssh agent, or a repository Secret with `sshPrivateKey`"),
    ("Could not resolve hostname", "look at the host in the URL and in ssh's configuration"),
    ("not found", "look at the URL; servers say so too where the key may not read it"),
    ("does not appear to be a git repository", "look at the path in the URL"),
];

impl Talk {
    /// A better reason why an answer ended, where ssh has said one. Its input is closed by now.
    pub(super) fn explain(&mut self, fault: Fault) -> Fault {
        // One that has ended by itself has said why; a moment later all of that is read.
        for _ in 0..20 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(20));
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = scrubbed(&said);
        if text.is_empty() || is_refusal(&fault) {
            return fault;
        }
        match LASTING.iter().find(|(words, _)| text.contains(words)) {
            Some((_, hint)) => Fault::lasting(format!("ssh says: {text}")).hint(*hint),
            None => Fault::passing(format!("{}; ssh says: {text}", fault.reason)),
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path for the server's shell.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', "'\\''").replace('!', "'\\!'"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn paths_are_one_word_of_the_shell() {
        for (path, want) in
            [("/srv/a b", "'/srv/a b'"), ("x'; rm -rf /; '", r"'x'\''; rm -rf /; '\'''"), ("a!b", r"'a'\!'b'")]
        {
            assert_eq!(quoted(path), want);
        }
    }
}
