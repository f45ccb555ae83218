//! Runs every case of `fixtures/`: a folder with `input/` is a case, its path is the test's name.
//!
//! A case is one run of the binary inside a copy of `input/`. Beside `input/` lie, all optional but at least one `expected…`:
//! - `args`: the arguments, one a line (default: by the first parts of the path, see [`DEFAULTS`]);
//! - `expected.yaml` or `expected.json` or `expected.txt`: standard output, exit code 0 unless `expected-exit` says otherwise;
//! - `expected-error.txt`: standard error, and then the exit code is not 0;
//! - `expected-original-error.txt`: what an original said, which must stand in standard error as it is, with more around it;
//! - `expected-exit`: the exit code;
//! - `expected/`: the files that must lie in the copy afterwards under the same paths (and no other in the folders it names);
//! - for Helm, whose two versions answer differently, `expected-helm3.txt`, `expected-helm4.txt`, or `expected-helm.txt` where they agree, with
//!   `…-error.txt` for what must stand behind `Error: ` and folders `expected-helm…/` for files: the case runs once with each `--engine`;
//! - `case.toml`: why the case exists, and `oracle = "…"` where the expectation was recorded from an original.
//!
//! `UPDATE=1` rewrites expectations, but never those of an original. The folders `template`, `yaml`, `k8s` and others without `input/` are data
//! tables of tests elsewhere.
#![expect(clippy::disallowed_methods, reason = "tests read and write files and run the binary")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};

/// Arguments where a case has none, by the start of its path.
const DEFAULTS: [(&str, &[&str]); 9] = [
    ("diff", &["diff", "before", "after"]),
    ("helm", &["helm", "rel", ".", "--kube-version", "1.33.0"]),
    ("promote", &["promote", "dev", "prod", "--write"]),
    ("render/kustomize", &["kustomize", "."]),
    ("render", &["build", "."]),
    ("expand", &["expand", ".", "--repo", "https://git.example.com/r.git=."]),
    ("read", &["expand", "."]),
    ("check", &["check", "."]),
    ("", &["build", "."]),
];

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut cases = Vec::new();
    find_cases(&root, &mut cases);
    cases.sort();
    let trials = cases
        .into_iter()
        .map(|case| {
            let name = case.strip_prefix(&root).expect("below fixtures").to_string_lossy().into_owned();
            Trial::test(name.clone(), move || run_case(&name, &case).map_err(Failed::from))
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn find_cases(dir: &Path, cases: &mut Vec<PathBuf>) {
    if dir.join("input").is_dir() {
        cases.push(dir.to_owned());
        return;
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            find_cases(&entry.path(), cases);
        }
    }
}

/// The beginnings of what the two versions of Helm answered: `expected-helm3` and `expected-helm`.
fn helm_answers(case: &Path) -> Vec<(&'static str, String)> {
    let names: Vec<String> = fs::read_dir(case)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    let has = |start: &str| {
        names.iter().any(|name| name.strip_prefix(start).is_some_and(|rest| !rest.starts_with(['3', '4'])))
    };
    let engines = [("helm=3", "expected-helm3"), ("helm=4", "expected-helm4")];
    let own = engines.iter().map(|(engine, start)| (*engine, if has(start) { *start } else { "expected-helm" }));
    own.filter(|(_, start)| has(start)).map(|(engine, start)| (engine, start.to_owned())).collect()
}

/// One version of Helm.
fn run_helm(name: &str, case: &Path, engine: &str, start: &str) -> Result<(), String> {
    let run = run_binary(name, case, &["--engine", engine])?;
    let told = |what: &str| Err(format!("{engine}: {what}\nexit code {}\nstderr:\n{}", run.code, run.stderr));
    if let Ok(error) = fs::read_to_string(case.join(format!("{start}-error.txt"))) {
        return match run.stderr.contains(&format!("Error: {}", error.trim_end_matches('\n'))) {
            true if run.code == 1 => Ok(()),
            _ => told(&format!("standard error does not say what the original said:\n{error}")),
        };
    }
    let want = fs::read(case.join(format!("{start}.txt"))).map_err(|e| format!("{start}.txt: {e}"))?;
    if run.code != 0 {
        return told("was refused");
    }
    if run.stdout != want {
        return told(&difference(&String::from_utf8_lossy(&want), &String::from_utf8_lossy(&run.stdout)));
    }
    for (path, bytes) in tree(&case.join(start)) {
        if fs::read(run.work.join(&path)).ok().as_deref() != Some(&bytes) {
            return told(&format!("{} is not as the original wrote it", path.display()));
        }
    }
    Ok(())
}

/// What a run of the binary in a copy of the input gave.
struct Run {
    arguments: Vec<String>,
    stdout: Vec<u8>,
    stderr: String,
    code: i32,
    work: PathBuf,
    _scratch: tempfile::TempDir,
}

fn run_binary(name: &str, case: &Path, more: &[&str]) -> Result<Run, String> {
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    // A fixed folder name, so that messages with paths are the same everywhere.
    let work = scratch.path().join("fleet");
    copy_tree(&case.join("input"), &work).map_err(|e| format!("copying input: {e}"))?;
    let mut arguments: Vec<String> = match fs::read_to_string(case.join("args")) {
        Ok(text) => text.lines().map(str::to_owned).collect(),
        Err(_) => DEFAULTS
            .iter()
            .find(|(start, _)| name.starts_with(start))
            .map(|(_, args)| args.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
    };
    arguments.extend(more.iter().map(ToString::to_string));
    let output = Command::new(env!("CARGO_BIN_EXE_fleetc"))
        .args(&arguments)
        .current_dir(&work)
        .env("NO_COLOR", "1")
        // What is not here is not looked for elsewhere, and no store of the user counts.
        .env("FLEETC_OFFLINE", "1")
        .env("FLEETC_STORE", scratch.path().join("store"))
        .output()
        .map_err(|e| e.to_string())?;
    let scratch_name = scratch.path().to_string_lossy();
    let stderr = String::from_utf8_lossy(&output.stderr).replace(&*scratch_name, "");
    let stderr = stderr.replace(scratch_name.trim_start_matches('/'), "");
    let code = output.status.code().unwrap_or(-1);
    if code == 101 || code < 0 || stderr.contains("panicked at") {
        return Err(format!("fleetc {} panicked:\n{stderr}", arguments.join(" ")));
    }
    Ok(Run { arguments, stdout: output.stdout, stderr, code, work, _scratch: scratch })
}

fn run_case(name: &str, case: &Path) -> Result<(), String> {
    let engines = helm_answers(case);
    if !engines.is_empty() {
        return engines.iter().try_for_each(|(engine, start)| run_helm(name, case, engine, start));
    }
    let update = std::env::var_os("UPDATE").is_some();
    let recorded = fs::read_to_string(case.join("case.toml"))
        .is_ok_and(|text| text.lines().any(|l| l.trim_start().starts_with("oracle")));
    let run = run_binary(name, case, &[])?;
    let (arguments, work, code, stderr) = (&run.arguments, &run.work, run.code, &run.stderr);
    let stdout = String::from_utf8_lossy(&run.stdout).into_owned();
    let mut wrong = Vec::new();

    let mut compare = |file: &str, got: &str| -> Result<(), String> {
        let path = case.join(file);
        let want = fs::read_to_string(&path).map_err(|e| format!("{file}: {e}"))?;
        if want != got {
            if update && (!recorded || file.contains("error")) {
                fs::write(&path, got).map_err(|e| e.to_string())?;
            } else {
                wrong.push(format!("{file} differs (- expected, + got):\n{}", difference(&want, got)));
            }
        }
        Ok(())
    };
    let mut expects_failure = false;
    let mut original_error = None;
    for file in ["expected.yaml", "expected.json", "expected.txt"] {
        if case.join(file).exists() {
            compare(file, &stdout)?;
        }
    }
    if case.join("expected-error.txt").exists() {
        expects_failure = true;
        compare("expected-error.txt", stderr)?;
    }
    if let Ok(original) = fs::read_to_string(case.join("expected-original-error.txt")) {
        expects_failure = true;
        original_error = Some(original);
    }
    if case.join("expected-exit").exists() {
        compare("expected-exit", &format!("{code}\n"))?;
    } else if expects_failure == (code == 0) {
        wrong.push(format!("exit code {code}\n{stderr}"));
    }
    if let Some(original) = original_error.filter(|original| !stderr.contains(original.trim_end())) {
        wrong.push(format!("standard error does not say what the original said:\n{original}"));
    }
    if case.join("expected").is_dir() {
        let want = tree(&case.join("expected"));
        let mut got = BTreeMap::new();
        let tops: std::collections::BTreeSet<_> =
            want.keys().filter_map(|p| p.components().next().map(|c| c.as_os_str().to_owned())).collect();
        for top in tops.iter().map(OsString::from) {
            let path = work.join(&top);
            if path.is_dir() {
                got.extend(tree(&path).into_iter().map(|(below, bytes)| (Path::new(&top).join(below), bytes)));
            } else if let Ok(bytes) = fs::read(&path) {
                got.insert(PathBuf::from(&top), bytes);
            }
        }
        if want != got && update && !recorded {
            fs::remove_dir_all(case.join("expected")).map_err(|e| e.to_string())?;
            for (path, bytes) in &got {
                let to = case.join("expected").join(path);
                fs::create_dir_all(to.parent().expect("has a parent")).map_err(|e| e.to_string())?;
                fs::write(to, bytes).map_err(|e| e.to_string())?;
            }
        } else {
            for path in want.keys().chain(got.keys()).collect::<std::collections::BTreeSet<_>>() {
                match (want.get(path), got.get(path)) {
                    (Some(w), Some(g)) if w == g => {}
                    (Some(w), Some(g)) => wrong.push(format!(
                        "expected/{} differs:\n{}",
                        path.display(),
                        difference(&String::from_utf8_lossy(w), &String::from_utf8_lossy(g))
                    )),
                    (Some(_), None) => wrong.push(format!("{} was not written", path.display())),
                    _ => wrong.push(format!("{} was written, not expected", path.display())),
                }
            }
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("fleetc {}\n{}\nstderr:\n{stderr}", arguments.join(" "), wrong.join("\n")))
    }
}

fn difference(want: &str, got: &str) -> String {
    similar::TextDiff::from_lines(want, got).unified_diff().context_radius(2).to_string()
}

/// The files below a folder, by path relative to it.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(below) = todo.pop() {
        for entry in fs::read_dir(dir.join(&below)).into_iter().flatten().flatten() {
            let path = below.join(entry.file_name());
            if entry.path().is_dir() {
                todo.push(path);
            } else if let Ok(bytes) = fs::read(entry.path()) {
                files.insert(path, bytes);
            }
        }
    }
    files
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            #[cfg(unix)]
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
        } else if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
