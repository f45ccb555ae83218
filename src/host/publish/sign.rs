//! Signatures of commits with an ssh key, as git makes them with `gpg.format=ssh`: `ssh-keygen -Y sign` in the namespace `git`.
//!
//! The user's own `ssh-keygen` does it, with their agent where the key is a public one. It is started for nothing else, and never asks.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::super::fetch::Fault;

/// A key.
#[derive(Clone, Debug)]
pub struct Key(PathBuf);

impl Key {
    /// The key in this file: a private one without passphrase, or a public one whose private part the agent has.
    pub fn new(file: PathBuf) -> Self {
        Key(file)
    }

    /// The signature of a text, armoured.
    ///
    /// # Errors
    /// The program cannot be started, or refuses.
    pub(super) fn sign(&self, bytes: &[u8]) -> Result<String, Fault> {
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-q", "-Y", "sign", "-n", "git", "-f"])
            .arg(&self.0)
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("LC_ALL", "C");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| {
            Fault::lasting(format!("ssh-keygen, which signs, cannot be started: {error}")).hint("install OpenSSH")
        })?;
        if let Some(mut input) = child.stdin.take() {
            // What ends early says why.
            let _ = input.write_all(bytes);
        }
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() || !text.starts_with("-----BEGIN SSH SIGNATURE-----") {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            return Err(Fault::lasting(format!("`{}` does not sign: {said}", self.0.display())).hint(
                "name a private ssh key without passphrase, or a public one whose private part the ssh agent has",
            ));
        }
        Ok(text)
    }
}
