//! Programs that make credentials (kubeconfig `exec`, `execProviderConfig` and `awsAuthConfig` of cluster Secrets): which may run, and how.
//!
//! Protocol: client.authentication.k8s.io, version v1 or v1beta1 (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>).
//! A program is never asked on a terminal, ends within its time, and of what it prints only the error output gets into messages.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::connection::seconds;
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node};

/// Names of programs allowed, separated by commas: the environment's form of `--allow-exec`.
const ALLOW_EXEC: &str = "FLEETC_ALLOW_EXEC";

/// The programs that may be run.
#[derive(Clone, Debug, Default)]
pub struct Programs(BTreeSet<String>);

impl Programs {
    /// Those named on the command line, and those of `FLEETC_ALLOW_EXEC`. A repository cannot name any.
    pub fn named(names: &[String]) -> Self {
        let environment = std::env::var(ALLOW_EXEC).unwrap_or_default();
        let environment = environment.split(',').map(str::trim).filter(|name| !name.is_empty());
        Programs(names.iter().map(String::as_str).chain(environment).map(str::to_owned).collect())
    }

    /// Whether a program may be run. One that a repository names must be named in the same words; a kubeconfig is the user's own, there
    /// the file name is enough.
    fn allow(&self, exec: &Exec) -> bool {
        let file = exec.command.rsplit(['/', '\\']).next().unwrap_or_default();
        self.0.contains(&exec.command) || (exec.origin == Origin::Kubeconfig && self.0.contains(file))
    }
}

/// Who says that a program is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The user's kubeconfig.
    Kubeconfig,
    /// A cluster Secret, of the repository or of a management cluster.
    Secret,
}

/// A program and how it is called.
#[derive(Clone)]
pub(super) struct Exec {
    pub(super) command: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) api_version: String,
    /// `spec.cluster`, where the program wants to know it.
    pub(super) cluster: Option<serde_json::Value>,
    pub(super) install_hint: String,
    pub(super) origin: Origin,
    /// `interactiveMode: Always`
    pub(super) needs_terminal: bool,
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exec").field("command", &self.command).field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What a program gave.
pub(super) struct Credential {
    pub(super) token: Option<String>,
    /// Certificate and key, PEM.
    pub(super) certificate: Option<(String, String)>,
    pub(super) until: Option<Timestamp>,
}

/// Why a program is not run: message and hint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Exec {
    /// Whether it may be run, before anything is.
    pub(super) fn check(&self, programs: &Programs) -> Result<(), Refusal> {
        let refuse = |message: String, hint: String| Err(Refusal { message, hint });
        let command = &self.command;
        if !programs.allow(self) {
            return refuse(
                format!("its credentials come from the program `{command}`, which is not allowed to run"),
                format!(
                    "`--allow-exec {command}` (or `{ALLOW_EXEC}={command}`) allows it, with the arguments and variables written there; what a repository says cannot"
                ),
            );
        }
        // With these, what runs is not what the name says.
        let hijacks = |name: &str| name == "PATH" || name.starts_with("LD_") || name.starts_with("DYLD_");
        if self.origin == Origin::Secret
            && let Some((name, _)) = self.env.iter().find(|(name, _)| hijacks(&name.to_ascii_uppercase()))
        {
            return refuse(
                format!("the program `{command}` would run with the variable `{name}`, which decides what code it is"),
                "set it where fleetc is started".to_owned(),
            );
        }
        let known = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
        if !known.contains(&self.api_version.as_str()) {
            return refuse(
                format!("the program `{command}` is to speak `{}`", self.api_version),
                format!("`apiVersion` must be {}", known.map(|name| format!("`{name}`")).join(" or ")),
            );
        }
        if self.needs_terminal {
            return refuse(
                format!("the program `{command}` asks on a terminal (`interactiveMode: Always`)"),
                "use one that does not, or a token".to_owned(),
            );
        }
        Ok(())
    }

    /// Runs the program.
    ///
    /// # Errors
    /// A message for people, without what the program printed on its standard output.
    pub(super) async fn run(&self, limit: Duration) -> Result<Credential, String> {
        let name = &self.command;
        let mut spec = json!({ "interactive": false });
        if let (Some(cluster), Some(spec)) = (&self.cluster, spec.as_object_mut()) {
            spec.insert("cluster".to_owned(), cluster.clone());
        }
        let info = json!({ "apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec });
        let mut command = tokio::process::Command::new(name);
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.env("KUBERNETES_EXEC_INFO", info.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let output = match tokio::time::timeout(limit, command.output()).await {
            Err(_) => return Err(format!("the program `{name}` gave no credentials within {}", seconds(limit))),
            Ok(Err(error)) => {
                let hint = self.install_hint.trim();
                let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
                return Err(format!("the program `{name}` cannot be started: {error}{hint}"));
            }
            Ok(Ok(output)) => output,
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
            let said: String = said.chars().take(300).collect();
            return Err(format!("the program `{name}` failed with {}: {said}", output.status));
        }
        credential(&output.stdout).map_err(|what| format!("the answer of the program `{name}` {what}"))
    }
}

/// Reads an ExecCredential. client-go's codec takes YAML too, and some programs print it.
fn credential(bytes: &[u8]) -> Result<Credential, &'static str> {
    let parsed = yaml::parse_strict(FileId::NONE, bytes, Dialect::V2, &Limits::default());
    let document = parsed.ok().and_then(|documents| documents.into_iter().next()).ok_or("is neither JSON nor YAML")?;
    let status = document.get("status").filter(|status| !status.is_null()).ok_or("has no `status`")?;
    let text = |name: &str| status.get(name).and_then(Node::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let until =
        status.get("expirationTimestamp").and_then(Node::text).filter(|text| !text.is_empty() && *text != "null");
    let until = until.map(str::parse).transpose().map_err(|_| "has an `expirationTimestamp` that is no time")?;
    let certificate = text("clientCertificateData").zip(text("clientKeyData"));
    let token = text("token");
    if token.is_none() && certificate.is_none() {
        return Err("has neither a token nor a certificate with its key");
    }
    Ok(Credential { token, certificate, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(command: &str, origin: Origin) -> Exec {
        Exec {
            command: command.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            api_version: "client.authentication.k8s.io/v1beta1".to_owned(),
            cluster: None,
            install_hint: String::new(),
            origin,
            needs_terminal: false,
        }
    }

    #[test]
    fn programs_run_only_by_name() {
        let programs = Programs(["aws".to_owned()].into());
        assert_eq!(exec("aws", Origin::Secret).check(&programs), Ok(()));
        assert!(exec("./aws", Origin::Secret).check(&programs).is_err());
        assert!(exec("/usr/bin/aws", Origin::Secret).check(&programs).is_err());
        assert_eq!(exec("/usr/bin/aws", Origin::Kubeconfig).check(&programs), Ok(()));
        let refusal = exec("curl", Origin::Kubeconfig).check(&programs).unwrap_err();
        assert!(refusal.message.contains("`curl`") && refusal.hint.contains("--allow-exec curl"));
        let mut other = exec("aws", Origin::Secret);
        other.env = vec![("Path".to_owned(), "/repo".to_owned())];
        assert!(other.check(&programs).unwrap_err().message.contains("`Path`"));
        other.env = vec![("AWS_REGION".to_owned(), "eu".to_owned())];
        assert_eq!(other.check(&programs), Ok(()));
        other.api_version = "client.authentication.k8s.io/v1alpha1".to_owned();
        assert!(other.check(&programs).is_err());
    }

    #[test]
    fn answers_of_programs() {
        let full = credential(br#"{"status":{"token":"t","expirationTimestamp":"2030-01-02T03:04:05Z"}}"#).unwrap();
        assert_eq!(
            (full.token.as_deref(), full.until.map(|at| at.to_string())),
            (Some("t"), Some("2030-01-02T03:04:05Z".to_owned()))
        );
        let pair = credential(b"status:\n  clientCertificateData: c\n  clientKeyData: k\n").unwrap();
        assert_eq!(pair.certificate, Some(("c".to_owned(), "k".to_owned())));
        for bad in [
            "",
            "{",
            "{}",
            r#"{"status":{}}"#,
            r#"{"status":{"clientKeyData":"k"}}"#,
            r#"{"status":{"token":"t","expirationTimestamp":"soon"}}"#,
        ] {
            assert!(credential(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
