//! How a release is made and installed: the workflow's rights and pins, and its scripts as they are, with a stand-in for the built program (one
//! that runs it, since packing an unoptimized one takes long) and a folder for the release.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fleetc::yaml::Node;

use super::ci_kit::{has, is_careful, parsed};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

#[test]
fn the_workflow_has_the_least_rights_and_the_version_that_cargo_asks_for() {
    let workflow = text(".github/workflows/release.yml");
    is_careful("release.yml", &workflow, &|job| match job {
        "release" => &["contents", "id-token", "attestations"],
        "image" => &["packages", "id-token", "attestations"],
        _ => &[],
    });
    let file = parsed(&workflow);
    for job in ["release", "image"] {
        let needs = file.at(&["jobs", job, "needs"]).and_then(Node::as_seq).unwrap();
        assert_eq!(needs.iter().filter_map(Node::as_str).collect::<Vec<_>>(), ["test", "build"], "{job}");
    }
    let rust = file.at(&["env", "RUST"]).and_then(Node::as_str).unwrap();
    assert!(text("Cargo.toml").contains(&format!("rust-version = \"{}\"", rust.trim_end_matches(".0"))), "{rust}");
    let targets = text("release/install.sh");
    for row in file.at(&["jobs", "build", "strategy", "matrix", "include"]).and_then(Node::as_seq).unwrap() {
        let target = row.get("target").and_then(Node::as_str).unwrap();
        assert!(targets.contains(target) && text("release/context.sh").contains(target), "{target}");
    }
}

#[test]
fn the_image_has_nothing_but_the_program_and_runs_as_nobody() {
    let lines = text("release/Dockerfile");
    let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(lines[0], "FROM scratch");
    assert!(!lines.iter().any(|line| line.starts_with("RUN") || line.starts_with("ADD")), "{lines:?}");
    let user = lines.iter().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
}

/// A folder with a release in it.
struct Release {
    scratch: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

impl Release {
    fn new() -> Option<Release> {
        let is_gnu = |output: Output| String::from_utf8_lossy(&output.stdout).contains("GNU tar");
        if !["bash", "curl", "gzip", "sha256sum"].into_iter().all(has)
            || !Command::new("tar").arg("--version").output().is_ok_and(is_gnu)
            || !cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
        {
            return None;
        }
        let release = Release { scratch: tempfile::tempdir().unwrap(), environment: BTreeMap::new() };
        let program = release.path("program");
        fs::write(&program, format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_fleetc"))).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        for target in ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"] {
            release.script(
                "package.sh",
                &[program.to_str().unwrap(), target, release.path("dist").to_str().unwrap()],
                &[],
            );
        }
        release.sums();
        Some(release)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn sums(&self) {
        let command = "cd \"$1\" && sha256sum -- *.tar.gz > SHA256SUMS";
        assert!(Command::new("bash").args(["-c", command, "x"]).arg(self.path("dist")).status().unwrap().success());
    }

    fn sum(&self) -> String {
        let sums = fs::read_to_string(self.path("dist/SHA256SUMS")).unwrap();
        let arch = std::env::consts::ARCH;
        sums.lines().find(|line| line.contains(arch)).unwrap().split(' ').next().unwrap().to_owned()
    }

    fn output(&self, script: &str, arguments: &[&str], more: &[(&str, &str)]) -> Output {
        let mut command = Command::new("sh");
        command.arg(root().join("release").join(script)).args(arguments).envs(&self.environment);
        command.env("FLEETC_RELEASES", format!("file://{}", self.path("dist").display()));
        command.envs(more.iter().copied()).output().unwrap()
    }

    fn script(&self, script: &str, arguments: &[&str], more: &[(&str, &str)]) {
        let output = self.output(script, arguments, more);
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_same_program_is_packed_to_the_same_bytes() {
    let Some(release) = Release::new() else { return };
    let name = "fleetc-x86_64-unknown-linux-musl.tar.gz";
    let program = release.path("program");
    let again = release.path("again");
    release.script(
        "package.sh",
        &[program.to_str().unwrap(), "x86_64-unknown-linux-musl", again.to_str().unwrap()],
        &[],
    );
    let first = fs::read(release.path("dist").join(name)).unwrap();
    assert_eq!(first, fs::read(again.join(name)).unwrap());
    let listed = Command::new("tar").args(["-tzf"]).arg(again.join(name)).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for file in ["fleetc", "LICENSE", "man/fleetc-build.1", "completions/fleetc.zsh", "schema/fleet.schema.json"] {
        assert!(listed.lines().any(|line| line == file), "{file}: {listed}");
    }
}

#[test]
fn only_what_its_checksum_says_is_installed() {
    let Some(release) = Release::new() else { return };
    let bin = release.path("bin");
    let folder = bin.to_str().unwrap();
    let installed = release.output("install.sh", &["v0.1.0", folder], &[]);
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    assert!(String::from_utf8_lossy(&installed.stdout).starts_with("fleetc "));
    release.script("install.sh", &["0.1.0", folder], &[("FLEETC_SHA256", &release.sum())]);

    // Another pin, a file that was changed, a release without sums, one that is not there: what was there stays.
    let before = fs::read(bin.join("fleetc")).unwrap();
    let refused = |why: &str, more: &[(&str, &str)]| {
        let output = release.output("install.sh", &["0.1.0", folder], more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{why}: {said}");
        assert_eq!(fs::read(bin.join("fleetc")).unwrap(), before);
        assert_eq!(fs::read_dir(&bin).unwrap().count(), 1);
    };
    refused("is not what its checksum says", &[("FLEETC_SHA256", &"0".repeat(64))]);
    refused("cannot be had", &[("FLEETC_RELEASES", "file:///nowhere")]);
    let name = format!("fleetc-{}-unknown-linux-musl.tar.gz", std::env::consts::ARCH);
    let archive = release.path("dist").join(name);
    let good = fs::read(&archive).unwrap();
    fs::write(&archive, [&good[..], b"x"].concat()).unwrap();
    refused("is not what its checksum says", &[]);
    fs::write(release.path("dist/SHA256SUMS"), "").unwrap();
    refused("no checksum is known", &[]);
    let output = release.output("install.sh", &["0.1.0; id", folder], &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no version"));
}

#[test]
fn the_action_installs_and_says_where() {
    let Some(release) = Release::new() else { return };
    let action = parsed(&text("action.yml"));
    let step = &action.at(&["runs", "steps"]).and_then(Node::as_seq).unwrap()[0];
    let run = step.get("run").and_then(Node::as_str).unwrap();
    assert!(!run.contains("${{"), "{run}");
    let (path, outputs) = (release.path("path"), release.path("outputs"));
    let attested = |attested: &str| {
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", run]);
        command.env("VERSION", "0.1.0").env("FLEETC_SHA256", release.sum()).env("FLEETC_ATTESTED", attested);
        command
            .env("FLEETC_REPOSITORY", "o/fleetc")
            .env("GITHUB_ACTION_PATH", root())
            .env("RUNNER_TEMP", release.scratch.path());
        command.env("GITHUB_PATH", &path).env("GITHUB_OUTPUT", &outputs);
        command
            .env("PATH", format!("{}:{}", release.path("tools").display(), std::env::var("PATH").unwrap_or_default()));
        command.env("FLEETC_RELEASES", format!("file://{}", release.path("dist").display())).output().unwrap()
    };
    // gh says no, then yes.
    let gh = release.path("tools/gh");
    fs::create_dir_all(gh.parent().unwrap()).unwrap();
    let says = |code: u8| {
        fs::write(&gh, format!("#!/bin/sh\necho \"$@\" > '{}'\nexit {code}\n", release.path("asked").display()))
            .unwrap();
        fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).unwrap();
    };
    says(1);
    let output = attested("true");
    assert!(!output.status.success() && !path.exists() && !release.path("fleetc").exists());
    let asked = fs::read_to_string(release.path("asked")).unwrap();
    assert!(asked.contains("--repo o/fleetc --signer-workflow o/fleetc/.github/workflows/release.yml"), "{asked}");
    says(0);
    let output = attested("true");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = release.path("fleetc");
    assert_eq!(fs::read_to_string(&path).unwrap().trim(), folder.display().to_string());
    assert_eq!(fs::read_to_string(&outputs).unwrap().trim(), format!("path={}", folder.display()));
    assert!(folder.join("fleetc").exists());
}

#[test]
fn the_context_of_the_image_is_what_the_dockerfile_copies() {
    let Some(release) = Release::new() else { return };
    let certificates = release.path("certificates");
    fs::write(&certificates, "certificates").unwrap();
    let context = release.path("context");
    let arguments = [release.path("dist"), context.clone()].map(|path| path.display().to_string());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    release.script("context.sh", &arguments, &[("CERTIFICATES", certificates.to_str().unwrap())]);
    for path in
        ["amd64/fleetc", "arm64/fleetc", "root/etc/ssl/certs/ca-certificates.crt", "root/tmp", "root/work", "home"]
    {
        assert!(context.join(path).exists(), "{path}");
    }
    assert_eq!(fs::metadata(context.join("root/tmp")).unwrap().permissions().mode() & 0o7777, 0o1777);
}
