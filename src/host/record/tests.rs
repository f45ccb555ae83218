//! Records that hold, that do not hold any more, and that are damaged.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::host::fetch::Store;

/// A folder with files, and a place for a record beside it.
struct Home {
    home: tempfile::TempDir,
}

/// Where the content of a record begins: after the mark, its key and its digest.
const BEGIN: usize = "fleetc 1\n".len() + 64;

/// Long after every change, so that `stat` is trusted.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(60)
}

impl Home {
    fn new() -> Home {
        let home = Home { home: tempfile::tempdir().unwrap() };
        fs::create_dir_all(home.path("files/below")).unwrap();
        home.write("files/one", "one");
        home.write("files/below/two", "two");
        symlink("one", home.path("files/link")).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn place(&self) -> RecordPlace {
        RecordPlace::new(&self.path("store"), &[b"key"])
    }

    /// A run that looks at everything.
    fn seen(&self) -> Seen {
        let seen = Seen::noting();
        for file in ["files/one", "files/below/two", "files/missing"] {
            seen.ask(Question::Content, &self.path(file));
        }
        seen.ask(Question::Names, &self.path("files"));
        seen.ask(Question::Names, &self.path("files/below"));
        seen.ask(Question::Kind, &self.path("files/link"));
        seen.ask(Question::Link, &self.path("files/link"));
        seen.ask(Question::Place, &self.path("files/link"));
        seen.ask(Question::Presence, &self.path("files"));
        seen
    }

    fn keep(&self, began: SystemTime) {
        self.place().keep(began, &said(), &self.seen());
    }
}

fn said() -> Said {
    Said { out: "out\n".to_owned(), err: "err\n".to_owned() }
}

#[test]
fn what_was_said_is_said_again_as_long_as_nothing_changed() {
    let home = Home::new();
    assert_eq!(home.place().replay(2), None, "there is no record");
    for began in [SystemTime::now(), later()] {
        home.keep(began);
        assert_eq!(home.place().replay(2), Some(said()));
        assert_eq!(home.place().replay(1), Some(said()));
    }
    assert_eq!(RecordPlace::new(&home.path("store"), &[b"ke", b"y"]).replay(2), None, "another key");
    let moved = RecordPlace::new(&home.path("store"), &[b"other"]);
    fs::rename(&home.place().0.file, &moved.0.file).unwrap();
    assert_eq!(moved.replay(2), None, "the record of another key, renamed");
}

#[test]
fn every_change_is_noticed() {
    type Change = fn(&Home);
    let changes: [(&str, Change); 13] = [
        ("other bytes, same size", |home| home.write("files/one", "eno")),
        ("other size", |home| home.write("files/below/two", "")),
        ("removed", |home| fs::remove_file(home.path("files/below/two")).unwrap()),
        ("what was missing is there", |home| home.write("files/missing", "")),
        ("a new file", |home| home.write("files/below/three", "")),
        ("a new folder", |home| fs::create_dir(home.path("files/new")).unwrap()),
        ("renamed", |home| fs::rename(home.path("files/below/two"), home.path("files/below/TWO")).unwrap()),
        ("a link with other target", |home| {
            fs::remove_file(home.path("files/link")).unwrap();
            symlink("below/two", home.path("files/link")).unwrap();
        }),
        ("a link became a file", |home| {
            fs::remove_file(home.path("files/link")).unwrap();
            home.write("files/link", "one");
        }),
        ("a file became a link to its copy", |home| {
            fs::rename(home.path("files/one"), home.path("copy")).unwrap();
            symlink("../copy", home.path("files/one")).unwrap();
        }),
        ("a file became a folder", |home| {
            fs::remove_file(home.path("files/one")).unwrap();
            fs::create_dir(home.path("files/one")).unwrap();
        }),
        ("replaced, with the times of before", |home| {
            let times = fs::metadata(home.path("files/one")).unwrap().modified().unwrap();
            home.write("new", "two");
            fs::File::options().write(true).open(home.path("new")).unwrap().set_modified(times).unwrap();
            fs::rename(home.path("new"), home.path("files/one")).unwrap();
        }),
        ("all of it removed", |home| fs::remove_dir_all(home.path("files")).unwrap()),
    ];
    for (name, change) in changes {
        for began in [SystemTime::now(), later()] {
            let home = Home::new();
            home.keep(began);
            // Times of files are as exact as the kernel's tick; within the same one only a record that trusts nothing so young notices.
            if began > SystemTime::now() {
                std::thread::sleep(Duration::from_millis(20));
            }
            change(&home);
            assert_eq!(home.place().replay(2), None, "{name}");
        }
    }
}

#[test]
fn what_makes_no_difference_is_none() {
    let home = Home::new();
    home.keep(later());
    let file = home.path("files/one");
    fs::File::options().write(true).open(&file).unwrap().set_modified(UNIX_EPOCH).unwrap();
    assert_eq!(home.place().replay(2), Some(said()), "touched");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(home.place().replay(2), Some(said()), "other mode");
    fs::copy(&file, home.path("new")).unwrap();
    fs::rename(home.path("new"), &file).unwrap();
    assert_eq!(home.place().replay(2), Some(said()), "a copy in its place");
    home.write("files/below/three", "");
    fs::remove_file(home.path("files/below/three")).unwrap();
    assert_eq!(home.place().replay(2), Some(said()), "a file that came and went");
}

#[test]
fn stat_is_trusted_only_where_a_later_change_would_show() {
    let home = Home::new();
    let seen = || {
        let seen = Seen::noting();
        // As if it had been changed while the run went on, within the same tick: what `stat` says is right, the answer is not.
        seen.add(Question::Content, &home.path("files/one"), Digest::of(b"before"));
        seen
    };
    home.place().keep(SystemTime::now(), &said(), &seen());
    assert_eq!(home.place().replay(2), None, "the file is as young as the run, so it is read");
    home.place().keep(later(), &said(), &seen());
    assert_eq!(home.place().replay(2), Some(said()), "the file is old, so it is not read");
}

#[test]
fn a_damaged_record_is_none() {
    let home = Home::new();
    home.keep(later());
    let file = home.place().0.file;
    let whole = fs::read(&file).unwrap();
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        assert_eq!(home.place().replay(2), None, "cut off after {length} bytes");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        fs::write(&file, bytes).unwrap();
        assert_eq!(home.place().replay(2), None, "byte {at} changed");
    }
    // Whatever is in it, with a right digest: no panic, and nothing that is believed.
    for at in BEGIN..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] = 0xff;
        let digest = Digest::of(&bytes[BEGIN..]);
        bytes.splice(BEGIN - 32..BEGIN, digest.as_bytes().iter().copied());
        fs::write(&file, bytes).unwrap();
        let _ = home.place().replay(2);
    }
    fs::write(&file, [&whole[..], b"more"].concat()).unwrap();
    assert_eq!(home.place().replay(2), None);
    fs::write(&file, whole).unwrap();
    assert_eq!(home.place().replay(2), Some(said()));
}

#[test]
fn a_run_that_rests_on_more_than_files_is_not_remembered() {
    let home = Home::new();
    home.keep(later());
    let seen = home.seen();
    seen.beyond();
    home.place().keep(later(), &said(), &seen);
    assert_eq!(home.place().replay(2), None, "nor is the one before");
    let seen = home.seen();
    seen.add(Question::Content, &home.path("files/one"), Digest::of(b"other"));
    home.place().keep(later(), &said(), &seen);
    assert_eq!(home.place().replay(2), None, "a file that was two things in one run");
}

#[test]
fn records_are_collected_with_the_store() {
    let home = Home::new();
    home.keep(later());
    let store = Store::new(home.path("store"));
    let day = Duration::from_secs(24 * 60 * 60);
    let age = || {
        fs::File::options()
            .write(true)
            .open(home.place().0.file)
            .unwrap()
            .set_modified(SystemTime::now() - 3 * day)
            .unwrap();
    };
    let collected = || store.collect(2 * day).unwrap().map(|done| done.removed);
    age();
    assert_eq!(home.place().replay(2), Some(said()), "which counts as a use");
    assert_eq!(collected(), Some(0));
    age();
    assert_eq!(collected(), Some(1));
    assert_eq!(home.place().replay(2), None);
}
