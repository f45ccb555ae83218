//! Locks of `fixtures/lock`: `good/` are written as they are read, to the byte; each of `bad/` is refused with the message in its first line;
//! `newer/` are of a newer minor format and are read.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::diag::Checked;
use crate::source::{SourceKind, SourceRequest};
use crate::span::FileId;

fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lock").join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The lock as it is written again.
fn again(path: &Path, text: &str) -> Checked<State<String>> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    if name.starts_with("fleet") {
        Ok(match FleetLock::parse(FileId::NONE, text)? {
            State::Here(lock) => State::Here(lock.to_text()),
            State::Conflicted => State::Conflicted,
            State::Absent => State::Absent,
        })
    } else {
        Ok(match BundlesLock::parse(FileId::NONE, text)? {
            State::Here(lock) => State::Here(lock.to_text()),
            State::Conflicted => State::Conflicted,
            State::Absent => State::Absent,
        })
    }
}

#[test]
fn good_locks_are_written_as_they_are_read() {
    for (path, text) in files("good") {
        assert_eq!(again(&path, &text), Ok(State::Here(text)), "{}", path.display());
    }
}

#[test]
fn newer_minor_formats_are_read() {
    for (path, text) in files("newer") {
        assert!(matches!(again(&path, &text), Ok(State::Here(_))), "{}", path.display());
    }
}

#[test]
fn bad_locks_are_refused() {
    for (path, text) in files("bad") {
        let message = text.lines().next().unwrap().trim_start_matches("# ").to_owned();
        let found = again(&path, &text).expect_err(&path.display().to_string());
        assert_eq!(found.iter().next().unwrap().message, message, "{}", path.display());
    }
}

#[test]
fn conflicts_are_no_errors() {
    for (path, text) in files("conflicted") {
        assert_eq!(again(&path, &text), Ok(State::Conflicted), "{}", path.display());
        let agreed = FleetLock::agreed(&text);
        let [ours, theirs] = conflict_sides(&text).map(|side| match FleetLock::parse(FileId::NONE, &side) {
            Ok(State::Here(lock)) => lock.pins,
            other => panic!("{other:?}"),
        });
        for (request, pin) in ours.iter().chain(&theirs) {
            let disputed = ours.get(request).zip(theirs.get(request)).is_some_and(|(a, b)| a != b);
            assert_eq!(agreed.pin(request), (!disputed).then_some(pin), "{request}");
        }
        assert!(agreed.pins.len() < ours.len(), "nothing is disputed");
        for side in conflict_sides(&text) {
            assert!(!has_conflict_markers(&side));
            assert!(matches!(FleetLock::parse(FileId::NONE, &side), Ok(State::Here(_))), "{side}");
        }
    }
}

#[test]
fn pins_survive_whatever_their_text() {
    let mut lock = FleetLock::default();
    for text in ["main", "1.10", "yes", "a: b # c", "\"quoted\"", "line\nbreak", "größe", "\u{1F600}", "{x}, y", "0e1"]
    {
        let pin = Pin { resolved: text.to_owned(), digest: Some(Digest::of(text.as_bytes())) };
        lock.engines.insert(text.to_owned(), text.to_owned());
        for kind in [SourceKind::Git, SourceKind::Oci, SourceKind::File, SourceKind::Chart(text.to_owned())] {
            lock.pins.insert(SourceRequest { kind, url: text.to_owned(), revision: text.to_owned() }, pin.clone());
        }
    }
    let written = lock.to_text();
    assert_eq!(written.lines().count(), 6 + lock.engines.len() + lock.pins.len(), "one line a pin: {written}");
    assert_eq!(FleetLock::parse(FileId::NONE, &written), Ok(State::Here(lock)));
}

#[test]
fn drift_names_what_changed() {
    let lock = |files: &str, clusters: &[(&str, &str)]| {
        let clusters = clusters.iter().map(|(name, text)| ((*name).to_owned(), Digest::of(text.as_bytes())));
        BundlesLock::new(EngineVersions::new(), "", Digest::of(files.as_bytes()), BTreeMap::new(), clusters)
    };
    let old = lock("x", &[("a", "1"), ("b", "1"), ("c", "1")]);
    let new = lock("y", &[("b", "2"), ("c", "1"), ("d", "1")]);
    let found = drift(&old, &new);
    let names = |list: &[String]| list.join(" ");
    assert_eq!(
        (names(&found.added), names(&found.removed), names(&found.changed)),
        ("d".into(), "a".into(), "b".into())
    );
    assert!(found.files && !found.fleet_lock && !found.is_empty());
    assert!(drift(&old, &old).is_empty());
}

#[test]
fn inputs_are_a_set_of_names_and_contents() {
    let path = |text: &str| TreePath::new(text).unwrap();
    let (a, b) = (path("a"), path("b"));
    let (x, y) = (Digest::of(b"x"), Digest::of(b"y"));
    assert_eq!(inputs_digest([(&a, x), (&b, y)]), inputs_digest([(&b, y), (&a, x), (&b, y)]));
    assert_ne!(inputs_digest([(&a, x), (&b, y)]), inputs_digest([(&a, y), (&b, x)]));
    assert_ne!(inputs_digest([(&a, x)]), inputs_digest([(&a, x), (&b, y)]));
}
