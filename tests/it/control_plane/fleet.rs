//! A fleet in a folder of its own, whose clusters are control planes, and the fleetc binary run on it as a user would.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::ControlPlane;

/// The repoURL that the fleet's own folder answers.
pub(crate) const REPOSITORY: &str = "https://git.example.com/e2e.git";

/// A fleet on disk.
pub(crate) struct Fleet {
    dir: TempDir,
}

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

    /// The same for servers by URL and authority.
    pub(crate) fn reaching(name: &str, servers: &[(String, String)]) -> Self {
        let fleet = Fleet { dir: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        let mut yaml = format!(
            "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {{name: {name}}}\ndefinitions: [apps.yaml, more/]\n\
             repositories: [{{url: {REPOSITORY}, path: .}}]\nclusters:\n"
        );
        let (mut contexts, mut clusters, mut rows) = (String::new(), String::new(), String::new());
        for (at, (server, authority)) in servers.iter().enumerate() {
            let _ = writeln!(yaml, "- {{name: c{at}, server: \"{server}\", labels: {{place: c{at}}}}}");
            let _ = writeln!(contexts, "  c{at}: k{at}");
            let _ = writeln!(
                clusters,
                "- {{name: k{at}, cluster: {{server: \"{server}\", certificate-authority: {authority:?}}}}}"
            );
            let _ = writeln!(rows, "- {{name: k{at}, context: {{cluster: k{at}, user: admin}}}}");
        }
        let _ = write!(yaml, "contexts:\n{contexts}");
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\nusers: [{{name: admin, user: {{token: {}}}}}]\nclusters:\n{clusters}contexts:\n{rows}",
            super::server::ADMIN_TOKEN
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

    /// Writes a file of the fleet.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
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
        command
    }

    /// Where a file of the fleet lies.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.path().join(Path::new(path))
    }
}
