//! One control plane: starting its programs, and seeing to it that none of them outlives the test, however that ends.
//!
//! The programs form a process group. A shell beside them waits for the end of its standard input, a pipe that only this process holds:
//! it ends when the guard is dropped, and also when this process panics, exits or is killed. Then the shell kills the group by its number
//! and removes the folder.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::{keys, programs};

/// A token of the administrators' group.
pub(crate) const ADMIN_TOKEN: &str = "admin-token";
/// A token of somebody who may do nothing.
pub(crate) const GUEST_TOKEN: &str = "guest-token";

/// Who writes in one test, so that its writes can be told from those of others: administrators named `tester-0`, `tester-1`…
pub(crate) const TESTERS: usize = 100;

/// The name and the token of a tester.
pub(crate) fn tester(number: usize) -> (String, String) {
    (format!("tester-{number}"), format!("tester-{number}-token"))
}

/// A write that the API server recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) user: String,
    pub(crate) verb: String,
    /// `configmaps`, `deployments/scale`.
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) code: u16,
}

/// A running control plane. Ends when dropped.
pub(crate) struct ControlPlane {
    dir: PathBuf,
    port: u16,
    bin: &'static Path,
    children: Vec<Child>,
    reaper: Option<Child>,
}

impl ControlPlane {
    /// Starts one; ask [`super::available`] before. Takes about four seconds.
    pub(crate) fn start() -> Self {
        let bin = programs::programs().unwrap_or_else(|reason| panic!("no control plane: {reason}"));
        let mut last = String::new();
        // Somebody else may take a port between looking for it and using it.
        for _ in 0..3 {
            match Self::try_start(bin) {
                Ok(started) => return started,
                Err(reason) => last = reason,
            }
        }
        panic!("the control plane does not start: {last}");
    }

    fn try_start(bin: &'static Path) -> Result<Self, String> {
        let dir =
            tempfile::Builder::new().prefix("control-plane-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
        let ports = free_ports();
        let [port, client, peer, controllers, scheduler, kwok] = ports;
        keys::write(&dir);
        let mut tokens = format!("{ADMIN_TOKEN},admin,admin,system:masters\n{GUEST_TOKEN},guest,guest\n");
        for (name, token) in (0..TESTERS).map(tester) {
            tokens.push_str(&format!("{token},{name},{name},system:masters\n"));
        }
        fs::write(dir.join("audit.yaml"), AUDIT).unwrap();
        fs::write(dir.join("tokens.csv"), tokens).unwrap();
        let reaper = Command::new("sh")
            .args(["-c", r#"read -r group; cat >/dev/null; kill -s KILL -- "-$group"; sleep 0.1; rm -rf "$1""#, "sh"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut plane = ControlPlane { dir, port, bin, children: Vec::new(), reaper: Some(reaper) };
        fs::write(plane.kubeconfig(), plane.kubeconfig_text("token: admin-token")).unwrap();
        let dir = plane.dir.clone();
        let file = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let kubeconfig = file("kubeconfig");
        let etcd = format!("http://127.0.0.1:{client}");
        plane.spawn(
            "etcd",
            &[
                "--data-dir",
                &file("etcd"),
                "--listen-client-urls",
                &etcd,
                "--advertise-client-urls",
                &etcd,
                "--listen-peer-urls",
                &format!("http://127.0.0.1:{peer}"),
                "--unsafe-no-fsync",
            ],
        );
        plane.spawn(
            "kube-apiserver",
            &[
                "--etcd-servers",
                &etcd,
                "--bind-address",
                "127.0.0.1",
                "--advertise-address",
                "127.0.0.1",
                "--secure-port",
                &port.to_string(),
                "--tls-cert-file",
                &file("server.crt"),
                "--tls-private-key-file",
                &file("server.key"),
                "--client-ca-file",
                &file("ca.crt"),
                "--cert-dir",
                &file("certs"),
                "--service-account-issuer",
                "https://kubernetes.default.svc",
                "--service-account-key-file",
                &file("sa.pub"),
                "--service-account-signing-key-file",
                &file("sa.key"),
                "--authorization-mode",
                "RBAC",
                "--audit-policy-file",
                &file("audit.yaml"),
                "--audit-log-path",
                &file("audit.log"),
                "--token-auth-file",
                &file("tokens.csv"),
                "--service-cluster-ip-range",
                "10.0.0.0/24",
                "--allow-privileged",
                "--endpoint-reconciler-type",
                "none",
                "--disable-admission-plugins",
                "TaintNodesByCondition",
            ],
        );
        plane.wait_until_ready()?;
        plane.spawn(
            "kube-controller-manager",
            &[
                "--kubeconfig",
                &kubeconfig,
                "--service-account-private-key-file",
                &file("sa.key"),
                "--root-ca-file",
                &file("ca.crt"),
                "--use-service-account-credentials",
                "--leader-elect=false",
                "--bind-address",
                "127.0.0.1",
                "--secure-port",
                &controllers.to_string(),
                "--cert-dir",
                &file("kcm-certs"),
                "--controllers",
                CONTROLLERS,
            ],
        );
        plane.spawn(
            "kube-scheduler",
            &[
                "--kubeconfig",
                &kubeconfig,
                "--leader-elect=false",
                "--bind-address",
                "127.0.0.1",
                "--secure-port",
                &scheduler.to_string(),
                "--cert-dir",
                &file("ks-certs"),
            ],
        );
        plane.with_file("create", NODE);
        plane.spawn(
            "kwok",
            &[
                "--kubeconfig",
                &kubeconfig,
                "--manage-all-nodes=true",
                "--server-address",
                &format!("127.0.0.1:{kwok}"),
                "--node-port",
                "0",
            ],
        );
        Ok(plane)
    }

    /// Starts a program in the group, its output in a file.
    fn spawn(&mut self, name: &str, args: &[&str]) {
        let log = File::create(self.dir.join(format!("{name}.log"))).unwrap();
        let group = self.children.first().map_or(0, |first| i32::try_from(first.id()).unwrap());
        let child = Command::new(self.bin.join(name))
            .args(args)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(group)
            .spawn()
            .unwrap();
        if group == 0 {
            let pipe = self.reaper.as_mut().and_then(|reaper| reaper.stdin.as_mut()).unwrap();
            writeln!(pipe, "{}", child.id()).unwrap();
        }
        self.children.push(child);
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(90) {
            for (child, name) in self.children.iter_mut().zip(["etcd", "kube-apiserver"]) {
                if let Ok(Some(status)) = child.try_wait() {
                    let log = fs::read_to_string(self.dir.join(format!("{name}.log"))).unwrap_or_default();
                    let end: Vec<&str> = log.lines().rev().take(3).collect();
                    return Err(format!("{name} ended with {status}: {}", end.join(" | ")));
                }
            }
            if self.kubectl(&["get", "--raw", "/readyz", "--request-timeout", "2s"]).status.success() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err("not ready after 90 s".to_owned())
    }

    /// The kubeconfig of the administrator (by token).
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// The name of its context, different for each server.
    pub(crate) fn context(&self) -> String {
        format!("test-{}", self.port)
    }

    /// URL of the API server.
    pub(crate) fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// A file of this control plane: `ca.crt`, `admin.crt`, `admin.key`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A kubeconfig for a user of one's own: the fields of `user:` in flow style.
    pub(crate) fn kubeconfig_text(&self, user: &str) -> String {
        let (name, server) = (self.context(), self.server());
        let ca = self.file("ca.crt");
        format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: {name}, cluster: {{server: \"{server}\", certificate-authority: {ca:?}}}}}]\n\
             users: [{{name: {name}, user: {{{user}}}}}]\ncontexts: [{{name: {name}, context: {{cluster: {name}, user: {name}}}}}]\n\
             current-context: {name}\n"
        )
    }

    /// kubectl as administrator.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Output {
        let mut command = Command::new(self.bin.join("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig()).arg("--cache-dir").arg(self.dir.join("cache"));
        command.env("KUBECTL_APPLYSET", "true").args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// `kubectl proxy`: plain HTTP on a port, TLS with the server. Ends with this control plane at the latest.
    pub(super) fn proxy(&self, port: u16) -> Child {
        let group = self.children.first().map_or(0, |first| i32::try_from(first.id()).unwrap());
        let mut command = Command::new(self.bin.join("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig()).args(["proxy", "--port", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(group).spawn().unwrap()
    }

    /// What kubectl prints; it must work.
    pub(crate) fn kubectl_ok(&self, args: &[&str]) -> String {
        let output = self.kubectl(args);
        assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Applies YAML with kubectl, server-side, as a person would (field manager `kubectl`).
    pub(crate) fn apply(&self, yaml: &str) {
        self.with_file("apply --server-side", yaml);
    }

    /// What a user has written so far, dry runs left out; of an empty name what everybody has. In the order of the answers.
    pub(crate) fn writes(&self, user: &str) -> Vec<Write> {
        let log = fs::read_to_string(self.dir.join("audit.log")).unwrap_or_default();
        let mut found = Vec::new();
        for line in log.lines().filter(|line| line.contains(user) && !line.contains("dryRun=All")) {
            let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let object = &event["objectRef"];
            let write = Write {
                user: text(&event["user"]["username"]),
                verb: text(&event["verb"]),
                resource: match object["subresource"].as_str() {
                    None => text(&object["resource"]),
                    Some(sub) => format!("{}/{sub}", text(&object["resource"])),
                },
                namespace: text(&object["namespace"]),
                name: text(&object["name"]),
                code: event["responseStatus"]["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(0),
            };
            if user.is_empty() || write.user == user {
                found.push(write);
            }
        }
        found
    }

    fn with_file(&self, command: &str, yaml: &str) {
        let file = tempfile::NamedTempFile::new_in(&self.dir).unwrap();
        fs::write(file.path(), yaml).unwrap();
        let path = file.path().to_string_lossy();
        self.kubectl_ok(&command.split(' ').chain(["-f", &path]).collect::<Vec<_>>());
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Some(mut reaper) = self.reaper.take() {
            drop(reaper.stdin.take());
            let _ = reaper.wait();
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}

/// The controllers that applications need; the others only cost time.
const CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,serviceaccount-controller,\
serviceaccount-token-controller,deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,job-controller,\
cronjob-controller,disruption-controller,horizontal-pod-autoscaler-controller,persistentvolume-binder-controller,\
root-ca-certificate-publisher-controller";

/// Every write, without bodies.
const AUDIT: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, verbs: [get, list, watch]}
- {level: None, resources: [{group: '', resources: [events]}, {group: events.k8s.io}]}
- {level: None, users: ['system:kube-scheduler', 'system:apiserver']}
- {level: Metadata}
";

/// One large node, played by kwok.
const NODE: &str = "apiVersion: v1
kind: Node
metadata: {name: node-0, annotations: {kwok.x-k8s.io/node: fake}, labels: {kubernetes.io/os: linux}}
status: {allocatable: {cpu: \"64\", memory: 256Gi, pods: \"1000\"}, capacity: {cpu: \"64\", memory: 256Gi, pods: \"1000\"}}
";

pub(super) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A port on which nobody answers.
pub(crate) fn dead_port() -> u16 {
    let [port] = free_ports();
    port
}
