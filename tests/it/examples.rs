//! Every folder of `examples/`: the commands of its README run and succeed, and the same bytes come out with one thread, with eight, on a
//! second run, from another folder, language and time zone. What they write is recorded in `fixtures/examples`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn examples() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(root().join("examples")).unwrap().flatten().map(|e| e.path()).collect();
    // `ci` holds files for other places; `ci_kit` tests them.
    found.retain(|path| path.is_dir() && !path.ends_with("ci"));
    found.sort();
    assert!(found.len() >= 5, "{found:?}");
    found
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The files below a folder, by path.
fn tree(dir: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                todo.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(dir).unwrap().to_string_lossy().into_owned();
                files.insert(name, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    files
}

/// The commands that a README shows: indented lines that begin with `fleetc`.
fn commands(readme: &str) -> Vec<Vec<String>> {
    let lines = readme.lines().filter_map(|line| line.strip_prefix("    fleetc "));
    lines
        .map(|line| line.split('#').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect())
        .collect()
}

fn fleetc(folder: &Path, arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fleetc"))
        .args(arguments)
        .current_dir(folder)
        .env("FLEETC_NO_CACHE", "1")
        .output()
        .unwrap()
}

fn run(folder: &Path, arguments: &[String]) {
    let output = fleetc(folder, arguments);
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: fleetc {}\n{shown}", folder.display(), arguments.join(" "));
}

#[test]
fn the_commands_of_their_readmes_work() {
    for example in examples() {
        let scratch = tempfile::tempdir().unwrap();
        let fleet = scratch.path().join("fleet");
        copy(&example, &fleet);
        let commands = commands(&fs::read_to_string(fleet.join("README.md")).unwrap());
        assert!(commands.iter().any(|c| c[0] == "build"), "{}: the README shows no build", example.display());
        for command in &commands {
            run(&fleet, command);
            if command[0] == "build" {
                let mut check = command.clone();
                check[0] = "check".to_owned();
                run(&fleet, &check);
            }
        }
    }
}

#[test]
fn the_same_bytes_whatever_the_surroundings() {
    for example in examples() {
        let scratch = tempfile::tempdir().unwrap();
        let readme = fs::read_to_string(example.join("README.md")).unwrap();
        let build = commands(&readme).into_iter().find(|c| c[0] == "build").unwrap();
        let mut results = Vec::new();
        for (folder, more, from_above) in [
            ("one", vec!["--threads", "1"], false),
            ("a/deeper/place", vec!["--threads", "8"], false),
            ("three", vec![], true),
        ] {
            let fleet = scratch.path().join(folder);
            copy(&example, &fleet);
            let mut arguments = build.clone();
            arguments.extend(more.into_iter().map(str::to_owned));
            let at = if from_above {
                // The folder by a path, from another working directory.
                for argument in &mut arguments {
                    if argument == "." {
                        *argument = "three".to_owned();
                    } else if let Some(url) = argument.strip_suffix("=.") {
                        *argument = format!("{url}=three");
                    }
                }
                scratch.path().to_owned()
            } else {
                fleet.clone()
            };
            let output = Command::new(env!("CARGO_BIN_EXE_fleetc"))
                .args(&arguments)
                .current_dir(at)
                .env("TZ", "Asia/Tokyo")
                .env("FLEETC_NO_CACHE", "1")
                .env("LC_ALL", "tr_TR.UTF-8")
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            results.push(tree(&fleet.join("bundles")));
            // A second run changes nothing.
            if !from_above {
                run(&fleet, &build);
                results.push(tree(&fleet.join("bundles")));
            }
        }
        assert!(!results[0].is_empty());
        for other in &results[1..] {
            assert_eq!(&results[0], other, "{}", example.display());
        }
    }
}
