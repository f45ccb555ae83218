//! `../shared/conformance/kustomize`: inputs of kustomize's own tests with what v5.8.2 prints, byte for byte, or refuses.
//!
//! Skipped with a message where that folder is missing.

use std::fs;
use std::path::{Path, PathBuf};

use fleetc::host::files::FileWorld;
use fleetc::path::{FilePath, TreePath};
use fleetc::render::{Stop, kustomize};

fn cases() -> Option<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/kustomize");
    let root = if root.is_dir() {
        root
    } else {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/kustomize")
    };
    let mut cases: Vec<PathBuf> = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path()).collect();
    cases.retain(|case| case.join("input").is_dir());
    cases.sort();
    Some(cases)
}

/// What our build says about a case: its text, or its errors.
fn build(case: &Path) -> Result<String, String> {
    let args = fs::read_to_string(case.join("args")).map_err(|e| e.to_string())?;
    let mut options = kustomize::Options::for_application(None, args.trim(), None);
    options.edits = None;
    let dir = args.split_whitespace().skip(1).find(|word| !word.starts_with("--")).unwrap_or(".").to_owned();
    let world = FileWorld::open(&case.join("input")).map_err(|e| e.to_string())?;
    let dir = FilePath::new(FileWorld::TREE, TreePath::new(&dir).map_err(|e| e.to_string())?);
    match kustomize::build(&world, &dir, &options, &kustomize::Tools::new()) {
        Ok(rendered) => Ok(rendered.to_yaml()),
        Err(Stop::Wants(wants)) => Err(format!("wants {wants:?}")),
        Err(Stop::Failed(errors)) => {
            Err(errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>().join("\n"))
        }
    }
}

#[test]
fn prints_and_refuses_as_the_original() {
    let Some(cases) = cases() else {
        println!("skipped: ../shared/conformance/kustomize is not here");
        return;
    };
    let (mut equal, mut printing, mut refused, mut refusing) = (0, 0, 0, 0);
    let mut failures = Vec::new();
    for case in &cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ours = build(case);
        if case.join("must-fail").exists() {
            refusing += 1;
            match ours {
                Err(why) if !why.trim().is_empty() => refused += 1,
                _ => failures.push(format!("{name}: not refused")),
            }
            continue;
        }
        printing += 1;
        let expected = fs::read_to_string(case.join("expected.yaml")).unwrap();
        match ours {
            Ok(text) if text == expected => equal += 1,
            Ok(_) => failures.push(format!("{name}: differs")),
            Err(why) => failures.push(format!("{name}: {why}")),
        }
    }
    println!("kustomize: {equal}/{printing} equal, {refused}/{refusing} refused");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
