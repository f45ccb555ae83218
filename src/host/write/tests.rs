//! Writing that is interrupted after any operation, folders with links and strangers in them, and folders that are refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::bundle::{self, Bundle, BundleFile, Index, LockStatus};
use crate::lock::{BundlesLock, FleetLock};

/// Cluster, application, path, text.
type Row = (&'static str, &'static str, &'static str, &'static str);

const OLD: [Row; 6] = [
    ("a", "web", "apps/web.yaml", "web: 1\n"),
    ("a", "db", "apps/db.yaml", "db: 1\n"),
    ("b", "web", "apps/web.yaml", "web: 1\n"),
    ("gone", "web", "apps/web.yaml", "web: 1\n"),
    ("gone", "db", "apps/deep/er/db.yaml", "db: 1\n"),
    ("gone", "edited", "apps/edited.yaml", "edited: 1\n"),
];
const NEW: [Row; 5] = [
    ("a", "web", "apps/web.yaml", "web: 2\n"),
    ("a", "new", "apps/new.yaml", "new: 1\n"),
    ("b", "web", "apps/web.yaml", "web: 1\n"),
    ("fresh", "web", "apps/web.yaml", "web: 1\n"),
    ("fresh", "db", "apps/deep/db.yaml", "db: 1\n"),
];

fn bundles(rows: &[Row]) -> Vec<Bundle> {
    let mut clusters: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| clusters.entry(row.0).or_default().push(row));
    let make = |(cluster, rows): (&str, Vec<&Row>)| {
        let mut text =
            format!("apiVersion: fleetc.dev/v1alpha1\nkind: Bundle\ncluster: {{name: {cluster}}}\napplications:\n");
        let mut files = Vec::new();
        for (_, name, path, content) in rows {
            let digest = Digest::of(content.as_bytes());
            text.push_str(&format!(
                "- {{name: {name}, namespace: argocd, state: ok, files: {{{path}: \"{digest}\"}}}}\n"
            ));
            let application = Index::parse(&text).unwrap().applications.pop().unwrap().key;
            files.push(BundleFile {
                path: (*path).to_owned(),
                digest,
                shown: None,
                text: Some((*content).into()),
                application,
            });
        }
        let index = Index::parse(&text).unwrap();
        Bundle::new(cluster.to_owned(), cluster.to_owned(), index, files)
    };
    clusters.into_iter().map(make).collect()
}

/// A fleet on disk with its output folder.
struct Fleet {
    home: tempfile::TempDir,
}

impl Fleet {
    fn new() -> Self {
        Fleet { home: tempfile::tempdir().unwrap() }
    }

    fn folder(&self) -> Folder {
        Folder::new(&self.home.path().join("bundles"), self.home.path()).unwrap()
    }

    fn out(&self) -> PathBuf {
        self.home.path().join("bundles")
    }

    /// Compares and writes; the error of the comparison or of the writing.
    fn write(&self, disk: &dyn Disk, rows: &[Row]) -> Checked<Written> {
        let folder = self.folder();
        let bundles = bundles(rows);
        let digests = bundles.iter().map(|bundle| (bundle.cluster.clone(), bundle.digest()));
        let pins = FleetLock::default();
        let lock = BundlesLock::new(BTreeMap::new(), &pins.to_text(), Digest::of(b""), BTreeMap::new(), digests);
        let output = bundle::output(&bundles, &pins, &lock);
        let changes = bundle::changes(&bundles, &output, &folder.previous()?);
        if changes.diagnostics.has_errors() {
            return Err(changes.diagnostics);
        }
        let written = folder.write_on(disk, &output, &changes.value)?;
        let after = bundle::changes(&bundles, &output, &folder.previous()?).value;
        assert_eq!((after.fleet_lock, after.bundles_lock), (LockStatus::Current, LockStatus::Current));
        assert_eq!(after.files, Vec::new());
        Ok(written)
    }

    /// The old state, with a stranger's file and one of ours that somebody changed.
    fn with_old_state() -> Self {
        let fleet = Fleet::new();
        fleet.write(&Real, &OLD).unwrap();
        fs::write(fleet.out().join("a/apps/NOTES.md"), "a stranger's").unwrap();
        fs::write(fleet.out().join("gone/apps/edited.yaml"), "by hand").unwrap();
        fleet
    }

    /// All files below the fleet with their content.
    fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for entry in walkdir::WalkDir::new(self.home.path()).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                let path = entry.path().strip_prefix(self.home.path()).unwrap().to_string_lossy().into_owned();
                files.insert(path, fs::read_to_string(entry.path()).unwrap());
            }
        }
        files
    }

    /// What must hold whenever the process dies.
    fn check(&self, at: usize) {
        let files = self.files();
        for (path, text) in files.iter().filter(|(path, _)| path.ends_with("/bundle.yaml")) {
            let folder = path.trim_end_matches("bundle.yaml");
            for file in Index::parse(text).unwrap().applications.iter().flat_map(|entry| entry.files.keys()) {
                assert!(files.contains_key(&format!("{folder}{file}")), "killed at {at}: {path} lists {file}");
            }
        }
        let texts: Vec<&str> = OLD.iter().chain(&NEW).map(|row| row.3).chain(["by hand"]).collect();
        for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".yaml") && path.contains("/apps/")) {
            assert!(texts.contains(&text.as_str()), "killed at {at}: {path} is half written: {text}");
        }
        assert_eq!(files["bundles/a/apps/NOTES.md"], "a stranger's");
        assert_eq!(files["bundles/gone/apps/edited.yaml"], "by hand");
    }
}

/// A disk that works for some operations.
struct Dying {
    left: AtomicUsize,
    /// Only creating files fails then, and only once, as on a full disk; otherwise everything fails from then on, as for a process that
    /// was killed.
    full: bool,
}

impl Dying {
    fn step(&self) -> io::Result<()> {
        let before = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        before.map(drop).map_err(|_| io::Error::other("killed"))
    }

    fn other(&self) -> io::Result<()> {
        if self.full { Ok(()) } else { self.step() }
    }
}

impl Disk for Dying {
    fn make_directories(&self, path: &Path) -> io::Result<()> {
        self.other().and_then(|()| Real.make_directories(path))
    }
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.other().and_then(|()| Real.make_directory(path))
    }
    fn create(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
        if let Err(error) = self.step() {
            // What was written of it stays.
            let _ = Real.create(path, &bytes[..bytes.len() / 2], false);
            return Err(error);
        }
        Real.create(path, bytes, sync)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.other().and_then(|()| Real.rename(from, to))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.other().and_then(|()| Real.remove(path))
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.other().and_then(|()| Real.remove_directory(path))
    }
}

#[test]
fn a_run_that_is_killed_anywhere_is_made_good_by_the_next() {
    let wanted = {
        let fleet = Fleet::with_old_state();
        let written = fleet.write(&Real, &NEW).unwrap();
        // Manifests: web of a, new, two of fresh; indexes: a, fresh; bundles.lock. Removed: db of a; index, web, db of gone.
        assert_eq!((written.written, written.removed), (7, 4));
        assert!(!fleet.out().join("gone/apps/deep").exists(), "empty folders of ours go");
        fleet.files()
    };
    let mut points = 0;
    for at in 0.. {
        let fleet = Fleet::with_old_state();
        let done = fleet.write(&Dying { left: AtomicUsize::new(at), full: false }, &NEW);
        fleet.check(at);
        let complete = done.is_ok();
        // What the next run has to do may be nothing like what this one had.
        if at % 2 == 1 {
            fleet.write(&Real, &OLD[..5]).unwrap();
            fleet.check(at);
        }
        fleet.write(&Real, &NEW).unwrap();
        assert_eq!(fleet.files(), wanted, "killed at {at}");
        points = at;
        if complete {
            break;
        }
    }
    assert!(points > 25, "{points} operations");
}

#[test]
fn a_full_disk_changes_nothing() {
    for at in 0.. {
        let fleet = Fleet::with_old_state();
        let before = fleet.files();
        if fleet.write(&Dying { left: AtomicUsize::new(at), full: true }, &NEW).is_ok() {
            assert!(at >= 8, "{at} files");
            break;
        }
        assert_eq!(fleet.files(), before, "full at {at}");
    }
}

#[test]
fn what_does_not_change_is_not_touched() {
    let fleet = Fleet::with_old_state();
    fleet.write(&Real, &NEW).unwrap();
    let path = fleet.out().join("a/apps/web.yaml");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    // The one operation is to remove a journal, which is not there.
    let written = fleet.write(&Dying { left: AtomicUsize::new(2), full: false }, &NEW).unwrap();
    assert_eq!((written.written, written.removed, written.unchanged), (0, 0, 10));
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let link = |link: &str, target: &Path| {
        let fleet = Fleet::with_old_state();
        let place = fleet.out().join(link);
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&place).unwrap(),
            Ok(_) => fs::remove_file(&place).unwrap(),
            Err(_) => fs::create_dir_all(place.parent().unwrap()).unwrap(),
        }
        symlink(target, &place).unwrap();
        fleet
    };
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("web.yaml"), "web: 1\n").unwrap();
    fs::write(outside.path().join("bundle.yaml"), "web: 1\n").unwrap();
    for folder in ["a", "a/apps", "fresh", "fresh/apps", "fresh/apps/deep"] {
        let error = link(folder, outside.path()).write(&Real, &NEW).unwrap_err();
        assert_eq!(error.iter().next().unwrap().code, "bundle/foreign-file", "{folder}");
    }
    // A link in the place of a file of ours is replaced; in the place of one that is to go, it stays.
    let fleet = link("a/apps/web.yaml", &outside.path().join("web.yaml"));
    fleet.write(&Real, &NEW).unwrap();
    assert!(!fs::symlink_metadata(fleet.out().join("a/apps/web.yaml")).unwrap().is_symlink());
    let fleet = link("gone/apps/web.yaml", &outside.path().join("web.yaml"));
    fleet.write(&Real, &NEW).unwrap();
    assert!(fs::symlink_metadata(fleet.out().join("gone/apps/web.yaml")).unwrap().is_symlink());
    for file in ["web.yaml", "bundle.yaml"] {
        assert_eq!(fs::read_to_string(outside.path().join(file)).unwrap(), "web: 1\n");
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2, "nothing was written there");
}

#[test]
fn a_strangers_file_in_the_way_stops_everything() {
    let fleet = Fleet::with_old_state();
    fs::create_dir_all(fleet.out().join("fresh/apps")).unwrap();
    fs::write(fleet.out().join("fresh/apps/web.yaml"), "a stranger's").unwrap();
    let before = fleet.files();
    let error = fleet.write(&Real, &NEW).unwrap_err();
    assert_eq!(error.iter().next().unwrap().code, "bundle/foreign-file");
    assert_eq!(fleet.files(), before);
    // One of the same content is nobody's loss.
    fs::write(fleet.out().join("fresh/apps/web.yaml"), "web: 1\n").unwrap();
    fleet.write(&Real, &NEW).unwrap();
}

#[test]
fn some_folders_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let fleet = home.path().join("fleet");
    fs::create_dir_all(fleet.join(".git")).unwrap();
    fs::write(fleet.join("file"), "").unwrap();
    for (output, fine) in [
        ("fleet/bundles", true),
        ("fleet/not/there/yet", true),
        ("elsewhere", true),
        ("fleet", false),
        ("fleet/.", false),
        ("fleet/sub/..", false),
        (".", false),
        ("fleet/.git/bundles", false),
        ("fleet/file", false),
    ] {
        assert_eq!(Folder::new(&home.path().join(output), &fleet).is_ok(), fine, "{output}");
    }
}

#[test]
fn one_writes_at_a_time() {
    let fleet = Fleet::with_old_state();
    let other = File::open(fleet.out()).unwrap();
    other.try_lock().unwrap();
    let error = fleet.write(&Real, &NEW).unwrap_err();
    assert_eq!(error.iter().next().unwrap().code, "write/busy");
    drop(other);
    fleet.write(&Real, &NEW).unwrap();
}
