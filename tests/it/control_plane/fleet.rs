//! A fleet in a folder of its own, whose clusters are control planes, and the fleetc binary run on it as a user would.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::server::{TESTERS, tester};
use super::{ControlPlane, Write};

/// The repoURL that the fleet's own folder answers.
pub(crate) const REPOSITORY: &str = "https://git.example.com/e2e.git";

/// A fleet on disk.
pub(crate) struct Fleet {
    dir: TempDir,
    /// The user as whom it is applied, on every server.
    pub(crate) user: String,
}

/// Numbers of testers are given out once.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) args: String,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// It must have ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "fleetc {}\n--- stdout\n{}\n--- stderr\n{}", self.args, self.stdout, self.stderr);
        self
    }

    /// Everything that it printed.
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

impl Fleet {
    /// A fleet of this name with clusters `c0`, `c1`… reached through contexts of one kubeconfig, and no application yet.
    pub(crate) fn new(name: &str, planes: &[&ControlPlane]) -> Self {
        let servers: Vec<(String, String)> =
            planes.iter().map(|plane| (plane.server(), plane.file("ca.crt").to_string_lossy().into_owned())).collect();
        Self::reaching(name, &servers)
    }

    /// The same for servers by URL and authority (empty for plain HTTP).
    pub(crate) fn reaching(name: &str, servers: &[(String, String)]) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(number < TESTERS, "more fleets than testers");
        let (user, token) = tester(number);
        let fleet = Fleet { dir: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), user };
        let mut yaml = format!(
            "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {{name: {name}}}\ndefinitions: [apps.yaml, more/]\n\
             repositories: [{{url: {REPOSITORY}, path: .}}]\nclusters:\n"
        );
        let (mut contexts, mut clusters, mut rows) = (String::new(), String::new(), String::new());
        for (at, (server, authority)) in servers.iter().enumerate() {
            let _ = writeln!(yaml, "- {{name: c{at}, server: \"{server}\", labels: {{place: c{at}}}}}");
            let _ = writeln!(contexts, "  c{at}: k{at}");
            let trust =
                if authority.is_empty() { String::new() } else { format!(", certificate-authority: {authority:?}") };
            let _ = writeln!(clusters, "- {{name: k{at}, cluster: {{server: \"{server}\"{trust}}}}}");
            let _ = writeln!(rows, "- {{name: k{at}, context: {{cluster: k{at}, user: admin}}}}");
        }
        let _ = write!(yaml, "contexts:\n{contexts}");
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\nusers: [{{name: admin, user: {{token: {token}}}}}]\nclusters:\n{clusters}contexts:\n{rows}"
        );
        fleet.write("fleet.yaml", &yaml);
        fleet.write("more/.keep", "");
        fleet.write("apps.yaml", "");
        fs::write(fleet.kubeconfig(), kubeconfig).unwrap();
        fleet
    }

    /// The fleet's folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("fleet")
    }

    fn kubeconfig(&self) -> PathBuf {
        self.dir.path().join("kubeconfig")
    }

    /// The kubeconfig that the binary is given.
    pub(crate) fn kubeconfig_text(&self) -> String {
        fs::read_to_string(self.kubeconfig()).unwrap()
    }

    /// Gives it another one.
    pub(crate) fn set_kubeconfig(&self, text: &str) {
        fs::write(self.kubeconfig(), text).unwrap();
    }

    /// Writes a file of the fleet.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Removes a file of the fleet.
    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path().join(path)).unwrap();
    }

    /// Writes the Application `name` into `apps.yaml`: folder `apps/NAME`, a cluster, a namespace, more of its `spec` in flow style.
    pub(crate) fn application(&self, name: &str, cluster: &str, namespace: &str, more: &str) {
        self.drop_application(name);
        let file = self.path().join("apps.yaml");
        let mut text = fs::read_to_string(&file).unwrap();
        let finalizer = "resources-finalizer.argocd.argoproj.io";
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        let _ = write!(
            text,
            "---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd, finalizers: [{finalizer}]}}\n\
             spec: {{project: default, source: {{repoURL: {REPOSITORY}, path: apps/{name}, targetRevision: HEAD}}, \
             destination: {{name: {cluster}, namespace: {namespace}}}{more}}}\n"
        );
        fs::write(file, text).unwrap();
    }

    /// Takes an Application out of `apps.yaml`.
    pub(crate) fn drop_application(&self, name: &str) {
        let file = self.path().join("apps.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let kept: Vec<&str> =
            text.split("---\n").filter(|part| !part.contains(&format!("metadata: {{name: {name},"))).collect();
        fs::write(file, kept.join("---\n")).unwrap();
    }

    /// Runs the binary in the fleet's folder, a word a space.
    pub(crate) fn run(&self, args: &str) -> Ran {
        let output = self.command(args).output().unwrap();
        Ran {
            args: args.to_owned(),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The command that [`Fleet::run`] runs.
    pub(crate) fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetc"));
        command.args(args.split_whitespace()).current_dir(self.path()).stdin(Stdio::null());
        command.env("KUBECONFIG", self.kubeconfig()).env("NO_COLOR", "1").env("HOME", self.dir.path());
        command.env("FLEETC_OFFLINE", "1");
        command
    }

    /// Plans and applies without asking.
    pub(crate) fn apply(&self, more: &str) -> Ran {
        self.run(&format!("apply . --yes {more}"))
    }

    /// What was written on a server on this fleet's behalf.
    pub(crate) fn writes(&self, plane: &ControlPlane) -> Vec<Write> {
        plane.writes(&self.user)
    }

    /// Where a file of the fleet lies.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.path().join(Path::new(path))
    }
}
