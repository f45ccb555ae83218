//! `fleetc watch` as a process: files are edited under it, and what it prints is waited for.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::examples::copy;

/// A process whose output is read as it comes.
struct Watch {
    child: Child,
    lines: Receiver<(bool, String)>,
    seen: String,
}

impl Watch {
    fn start(folder: &Path, more: &[&str]) -> Watch {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fleetc"))
            .args(["watch", ".", "--color", "never"])
            .args(more)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        let pipes: [(bool, Box<dyn Read + Send>); 2] =
            [(true, Box::new(child.stdout.take().unwrap())), (false, Box::new(child.stderr.take().unwrap()))];
        for (is_result, pipe) in pipes {
            let send = send.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = send.send((is_result, line));
                }
            });
        }
        Watch { child, lines, seen: String::new() }
    }

    /// Waits for a line with this text, and says what came since the last wait.
    fn until(&mut self, text: &str) -> String {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(120) {
            if let Ok((is_result, line)) = self.lines.recv_timeout(Duration::from_millis(100)) {
                self.seen.push_str(if is_result { "> " } else { "" });
                self.seen.push_str(&line);
                self.seen.push('\n');
                if line.contains(text) {
                    return std::mem::take(&mut self.seen);
                }
            }
        }
        panic!("no `{text}` in:\n{}", self.seen);
    }

    fn interrupt(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn example(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let fleet = scratch.path().join("fleet");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name), &fleet);
    (scratch, fleet)
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{}: no `{from}`", file.display());
    // As editors do it: another file takes its place.
    let beside = file.with_extension("tmp");
    fs::write(&beside, text.replace(from, to)).unwrap();
    fs::rename(beside, file).unwrap();
}

#[test]
fn what_an_edit_changes_is_shown_and_errors_end_nothing() {
    let (_scratch, fleet) = example("overlays");
    let mut watch = Watch::start(&fleet, &[]);
    let said = watch.until("watching ");
    assert!(said.contains("16 applications on 4 clusters"), "{said}");

    let base = fleet.join("apps/web/base/deployment.yaml");
    edit(&base, "kind: Deployment", "kind: Deployment\n# a comment is no change");
    watch.until("apps/web/base/deployment.yaml: nothing differs");

    let image = fs::read_to_string(&base).unwrap();
    let image = image.lines().find_map(|line| line.trim().strip_prefix("image: ")).unwrap_or_default().to_owned();
    assert!(!image.is_empty());
    edit(&base, &image, "registry.example.com/web:9.9.9");
    let shown = watch.until("web:9.9.9");
    assert!(shown.contains("> "), "{shown}");

    // One that cannot be parsed: said, and what went before stays what is compared with.
    edit(&base, "kind: Deployment", "kind: [Deployment");
    watch.until("error");
    edit(&base, "kind: [Deployment", "kind: Deployment");
    watch.until("nothing differs");

    // fleet.yaml itself, in an error that leaves open what is where.
    let text = fs::read_to_string(fleet.join("fleet.yaml")).unwrap();
    fs::write(fleet.join("fleet.yaml"), "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nnonsense: 1\n").unwrap();
    watch.until("nonsense");
    fs::write(fleet.join("fleet.yaml"), text).unwrap();
    watch.until("nothing differs");

    // A file in a folder that was not there when the watching began.
    fs::create_dir_all(fleet.join("clusters/more")).unwrap();
    fs::write(
        fleet.join("clusters/more/dev-us.yaml"),
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: dev-us\n  labels: {argocd.argoproj.io/secret-type: cluster, environment: dev, region: us, \
         tier: small}\nstringData: {name: dev-us, server: 'https://dev-us.example.com'}\n",
    )
    .unwrap();
    watch.until("dev-us");
    assert_eq!(watch.interrupt(), Some(0));
    // Nothing was written.
    assert!(!fleet.join("bundles").exists() && !fleet.join("fleet.lock").exists());
}

#[test]
fn it_ends_after_so_many_changes_and_prints_data_where_asked() {
    let (_scratch, fleet) = example("overlays");
    let mut watch = Watch::start(&fleet, &["--changes", "1", "--format", "json", "--poll", "1"]);
    // Nothing is said before the first change, so files are touched until it has been seen.
    let base = fleet.join("apps/web/base/deployment.yaml");
    let text = fs::read_to_string(&base).unwrap();
    let begun = Instant::now();
    let mut number = 0;
    let status = loop {
        number += 1;
        fs::write(&base, text.replace("replicas: ", &format!("minReadySeconds: {number}\n  replicas: "))).unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        if let Some(status) = watch.child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(120));
    };
    assert_eq!(status.code(), Some(0));
    let mut printed = String::new();
    while let Ok((is_result, line)) = watch.lines.recv_timeout(Duration::from_millis(500)) {
        assert!(is_result, "{line}");
        printed.push_str(&line);
        printed.push('\n');
    }
    let data: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(data["changed"], "apps/web/base/deployment.yaml");
    assert_eq!(data["changes"][0]["kind"], "Deployment");
}

#[test]
fn a_folder_that_is_not_there_is_an_error_at_once() {
    let output = Command::new(env!("CARGO_BIN_EXE_fleetc")).args(["watch", "/nowhere/at/all"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
