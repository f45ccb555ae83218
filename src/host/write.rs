//! The output folder: what lies there ([`Folder::previous`]), and making it what a build says ([`Folder::write`]).
//!
//! - Every file is written beside its place and renamed; only files whose content changes are touched. All new content is on disk before
//!   the first rename, so that a full disk changes nothing.
//! - Then, in this order: manifests, bundle.yaml, locks, removals. At no moment a bundle.yaml lists a file that is not there: the new ones
//!   come after their files, the old ones lose files only when they are replaced or gone.
//! - A run that is killed leaves a journal of the files that are ours without being listed anywhere. The next run reads and removes it;
//!   what it left half done is done again. Temporary files are found by their names.
//! - `fsync` is for the two locks only. After a power failure manifests may be empty; their digests in bundle.yaml show it, and the next
//!   build writes them again. A sync a file would cost more than everything else in a build.
//! - Nothing is written or removed through a symbolic link below the folder, and nothing is removed that is not what we wrote.
//!
//! What is to be written is decided in [`bundle`](crate::bundle); here is no judgement about content.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::files::FILE_LIMIT;
use super::seen::{Question, Seen};
use crate::bundle::{APPS, BUNDLES_LOCK, Changes, INDEX, Journal, OldBundle, OldFile, Output, Previous, Stage, What};
use crate::diag::{Cause, Checked, Diagnostic, Diagnostics};
use crate::digest::Digest;
use crate::span::Span;

/// Name of the lock of the pins, at the fleet's root.
pub const FLEET_LOCK: &str = "fleet.lock";
const JOURNAL: &str = ".fleetc-journal";
/// Names of temporary files: no name that bundling makes begins with a dot.
const TEMPORARY: (&str, &str) = (".fleetc-", ".tmp");

/// The folder that bundles are written to, and the fleet.lock that belongs to it.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    fleet_lock: PathBuf,
    seen: Seen,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Written {
    /// Files written, locks included.
    pub written: usize,
    /// Files removed.
    pub removed: usize,
    /// Files that were as they should be.
    pub unchanged: usize,
}

impl Folder {
    /// The folder `output` of the fleet in `fleet`. It need not exist.
    ///
    /// # Errors
    /// It is, or contains, the fleet itself, or lies in a `.git`: what is not ours there could be taken for ours.
    pub fn new(output: &Path, fleet: &Path) -> Checked<Self> {
        let fleet = fs::canonicalize(fleet).map_err(|error| failed("cannot read", fleet, &error))?;
        let root = canonical(output).map_err(|error| failed("cannot use", output, &error))?;
        let refuse = |why: &str| {
            let message = format!("the output folder `{}` {why}", output.display());
            let error = Diagnostic::error("write/output-folder", Span::NONE, message).cause(Cause::Usage);
            Err(error.hint("choose another with `-o`, such as `bundles`").into())
        };
        if fleet.starts_with(&root) {
            return refuse("is the fleet itself, or contains it");
        }
        if root.components().any(|part| part == Component::Normal(".git".as_ref())) {
            return refuse("lies in a `.git`");
        }
        if fs::metadata(&root).is_ok_and(|found| !found.is_dir()) {
            return refuse("is no folder");
        }
        Ok(Folder { root, fleet_lock: fleet.join(FLEET_LOCK), seen: Seen::default() })
    }

    /// The same, noting what is looked at.
    ///
    /// # Errors
    /// Those of [`Folder::new`].
    pub fn noting(output: &Path, fleet: &Path, seen: &Seen) -> Checked<Self> {
        seen.ask(Question::Place, output);
        Ok(Folder { seen: seen.clone(), ..Folder::new(output, fleet)? })
    }

    /// Where it lies, links resolved.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// What lies there.
    ///
    /// # Errors
    /// Something cannot be read, so that nobody knows what is whose.
    pub fn previous(&self) -> Checked<Previous> {
        let scan = self.scan().map_err(|error| failed("cannot read", &self.root, &error))?;
        let read = |path: &Path| match self.text(path) {
            Ok(text) => Ok(Some(Arc::from(text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // Not ours to judge: it is shown as changed and written anew.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(Arc::from(""))),
            Err(error) => Err(failed("cannot read", path, &error)),
        };
        let journal: Option<Arc<str>> = read(&self.root.join(JOURNAL))?;
        let mut previous = Previous {
            journal: journal.map(|text| Journal::parse(&text)).unwrap_or_default(),
            bundles_lock: read(&self.root.join(BUNDLES_LOCK))?,
            fleet_lock: read(&self.fleet_lock)?,
            ..Previous::default()
        };
        let found: Vec<(String, OldFile, Option<Arc<str>>)> =
            scan.files.into_par_iter().map(|(path, is_file)| self.look(path, is_file)).collect::<Checked<_>>()?;
        for (path, file, text) in found {
            if let (Some(text), Some((directory, INDEX))) = (text, path.split_once('/')) {
                previous.bundles.insert(directory.to_owned(), OldBundle::new(text));
            }
            previous.files.insert(path, file);
        }
        Ok(previous)
    }

    fn text(&self, path: &Path) -> io::Result<String> {
        self.seen.ask(Question::Content, path);
        fs::read_to_string(path)
    }

    /// Reads the texts that [`held_files`](crate::bundle::held_files) asks for; those that cannot be read are left out.
    pub fn read_texts(&self, previous: &mut Previous, paths: &[String]) {
        for path in paths.iter().filter(|path| matches!(previous.files.get(*path), Some(OldFile::File(_)))) {
            if let Ok(text) = fs::read_to_string(self.root.join(path)) {
                previous.texts.insert(path.clone(), text.into());
            }
        }
    }

    /// Makes the folder and fleet.lock what `output` says. `changes` is its comparison with what [`Folder::previous`] found.
    ///
    /// # Errors
    /// The disk refuses; what was written until then is consistent, and the next run goes on. Another run is writing. A file that is
    /// not ours is in the way (then nothing is touched).
    pub fn write(&self, output: &Output, changes: &Changes) -> Checked<Written> {
        self.write_on(&Real, output, changes)
    }

    fn write_on(&self, disk: &dyn Disk, output: &Output, changes: &Changes) -> Checked<Written> {
        if let Some(foreign) = changes.files.iter().find(|change| change.what == What::Foreign) {
            let message = format!("`{}` is in the way and not ours", foreign.path);
            return Err(Diagnostic::error("write/foreign", Span::NONE, message).into());
        }
        let work = Work::new(self, output, changes);
        disk.make_directories(&self.root).map_err(|error| failed("cannot create", &self.root, &error))?;
        let _guard = self.guard()?;
        for left in self.scan().map_err(|error| failed("cannot read", &self.root, &error))?.leftovers {
            disk.remove(&left).map_err(|error| failed("cannot remove", &left, &error))?;
        }
        if work.is_empty() {
            self.remove_journal(disk)?;
            return Ok(Written { unchanged: work.unchanged, ..Written::default() });
        }
        self.make_parents(disk, &work)?;
        let journal = self.root.join(JOURNAL);
        let noted = || {
            if changes.journal.is_empty() {
                return Ok(());
            }
            put(disk, &journal, changes.journal.to_text().as_bytes(), false)
                .and_then(|()| disk.rename(&temporary(&journal), &journal))
                .map_err(|error| failed("cannot write", &journal, &error))
        };
        if let Err(error) = noted().and_then(|()| work.stage(disk)) {
            // Nothing was renamed yet: take back what lies beside, and all is as before.
            let beside = work.put.iter().map(|file| temporary(&file.place));
            beside.chain([temporary(&journal), journal]).for_each(|file| drop(disk.remove(&file)));
            return Err(error);
        }
        for stage in [Stage::Manifest, Stage::Index, Stage::Lock] {
            work.publish(disk, stage)?;
        }
        let removed = self.remove(disk, &work)?;
        self.remove_journal(disk)?;
        Ok(Written { written: work.put.len(), removed, unchanged: work.unchanged })
    }

    /// One writer at a time, where the system has locks on folders.
    fn guard(&self) -> Checked<Option<File>> {
        let Ok(folder) = File::open(&self.root) else { return Ok(None) };
        match folder.try_lock() {
            Err(fs::TryLockError::WouldBlock) => {
                let message = format!("another fleetc is writing to `{}`", self.root.display());
                Err(Diagnostic::error("write/busy", Span::NONE, message).cause(Cause::Answer).into())
            }
            _ => Ok(Some(folder)),
        }
    }

    fn remove_journal(&self, disk: &dyn Disk) -> Checked<()> {
        let journal = self.root.join(JOURNAL);
        match disk.remove(&journal) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("cannot remove", &journal, &error)),
            _ => Ok(()),
        }
    }

    /// Creates the folders above what is to be written; none of them may be a link.
    fn make_parents(&self, disk: &dyn Disk, work: &Work<'_>) -> Checked<()> {
        let mut folders: BTreeSet<&Path> = BTreeSet::new();
        for file in work.put.iter().filter(|file| file.place.starts_with(&self.root)) {
            let above = file.place.ancestors().skip(1);
            folders.extend(above.take_while(|folder| *folder != self.root));
        }
        for folder in folders {
            match fs::symlink_metadata(folder) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => {
                    let message = format!("`{}` is no folder; nothing is written through it", folder.display());
                    return Err(Diagnostic::error("write/foreign", Span::NONE, message).cause(Cause::Answer).into());
                }
                Err(_) => disk.make_directory(folder).map_err(|error| failed("cannot create", folder, &error))?,
            }
        }
        Ok(())
    }

    /// Removes what is not wanted any more, and folders that this leaves empty.
    fn remove(&self, disk: &dyn Disk, work: &Work<'_>) -> Checked<usize> {
        let mut removed = 0;
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        for (path, digests) in &work.remove {
            let place = self.root.join(path);
            // Somebody may have changed it while we were compiling.
            let is_ours =
                digests.is_empty() || fs::read(&place).is_ok_and(|bytes| digests.contains(&Digest::of(&bytes)));
            let is_file = fs::symlink_metadata(&place).is_ok_and(|found| found.is_file());
            if !is_file || !is_ours {
                continue;
            }
            disk.remove(&place).map_err(|error| failed("cannot remove", &place, &error))?;
            removed += 1;
            folders.extend(place.ancestors().skip(1).take_while(|above| *above != self.root).map(Path::to_owned));
        }
        for folder in folders.iter().rev() {
            match disk.remove_directory(folder) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(|error| failed("cannot remove", folder, &error))?,
            }
        }
        Ok(removed)
    }

    /// The names of everything that may be ours or in our way.
    fn scan(&self) -> io::Result<Scan> {
        let mut scan = Scan::default();
        self.seen.ask(Question::Names, &self.root);
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(scan),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let (kind, Ok(name)) = (entry.file_type()?, entry.file_name().into_string()) else { continue };
            if is_temporary(&name) {
                scan.leftovers.push(entry.path());
            } else if !kind.is_dir() {
                if ![BUNDLES_LOCK, JOURNAL].contains(&name.as_str()) {
                    scan.files.push((name, false));
                }
            } else if !name.starts_with('.') {
                self.scan_cluster(&entry.path(), &name, &mut scan)?;
            }
        }
        Ok(scan)
    }

    /// The names in the folder of a cluster: bundle.yaml and what is below `apps`.
    fn scan_cluster(&self, folder: &Path, directory: &str, scan: &mut Scan) -> io::Result<()> {
        self.seen.ask(Question::Names, folder);
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (kind, Ok(name)) = (entry.file_type()?, entry.file_name().into_string()) else { continue };
            let path = format!("{directory}/{name}");
            if is_temporary(&name) {
                scan.leftovers.push(entry.path());
            } else if name == INDEX || (name == APPS && !kind.is_dir()) {
                scan.files.push((path, kind.is_file()));
            } else if name == APPS {
                self.scan_below(&entry.path(), scan)?;
            }
        }
        Ok(())
    }

    fn scan_below(&self, folder: &Path, scan: &mut Scan) -> io::Result<()> {
        for entry in walkdir::WalkDir::new(folder).follow_links(false) {
            let entry = entry?;
            if entry.file_type().is_dir() {
                // The walk lists a folder after it has shown it.
                self.seen.ask(Question::Names, entry.path());
            }
            let Some(name) = entry.file_name().to_str() else { continue };
            let below = entry.path().strip_prefix(&self.root).ok();
            let Some(path) = below.and_then(Path::to_str) else { continue };
            if is_temporary(name) {
                scan.leftovers.push(entry.path().to_owned());
            } else if !entry.file_type().is_dir() {
                scan.files.push((path.replace('\\', "/"), entry.file_type().is_file()));
            }
        }
        Ok(())
    }

    /// What a file is; with its text if it is a bundle.yaml.
    fn look(&self, path: String, is_file: bool) -> Checked<(String, OldFile, Option<Arc<str>>)> {
        let place = self.root.join(&path);
        if !is_file || fs::metadata(&place).is_ok_and(|found| found.len() > FILE_LIMIT) {
            if is_file {
                self.seen.beyond();
            }
            return Ok((path, OldFile::Other, None));
        }
        let bytes = fs::read(&place).map_err(|error| failed("cannot read", &place, &error))?;
        let digest = Digest::of(&bytes);
        self.seen.add(Question::Content, &place, digest);
        let file = OldFile::File(digest);
        let is_index = path.split_once('/').is_some_and(|(_, name)| name == INDEX);
        let text = if is_index { Some(String::from_utf8_lossy(&bytes).into()) } else { None };
        Ok((path, file, text))
    }
}

/// What lies in the output folder, by name.
#[derive(Default)]
struct Scan {
    /// Paths below the folder, and whether they are regular files.
    files: Vec<(String, bool)>,
    /// Temporary files of a run that was killed.
    leftovers: Vec<PathBuf>,
}

/// What a write has to do.
struct Work<'a> {
    put: Vec<Put<'a>>,
    /// Indexes first; with the digests that make a file ours (none for an index, which is ours by its name).
    remove: Vec<(&'a str, Vec<Digest>)>,
    unchanged: usize,
}

struct Put<'a> {
    place: PathBuf,
    bytes: &'a [u8],
    stage: Stage,
}

impl<'a> Work<'a> {
    fn new(folder: &Folder, output: &'a Output, changes: &'a Changes) -> Self {
        let find = |path: &str| changes.files.binary_search_by(|change| change.path.as_str().cmp(path)).is_ok();
        let mut put = Vec::new();
        for file in &output.files {
            let Some(text) = &file.text else { continue };
            let changed = match file.stage {
                Stage::Lock => changes.bundles_lock != crate::bundle::LockStatus::Current,
                Stage::Manifest | Stage::Index => find(&file.path),
            };
            if changed {
                put.push(Put { place: folder.root.join(&file.path), bytes: text.as_bytes(), stage: file.stage });
            }
        }
        if changes.fleet_lock != crate::bundle::LockStatus::Current {
            put.push(Put { place: folder.fleet_lock.clone(), bytes: output.fleet_lock.as_bytes(), stage: Stage::Lock });
        }
        let extra = changes.files.iter().filter(|change| change.what == What::Extra);
        let is_index = |path: &str| path.split_once('/').is_some_and(|(_, name)| name == INDEX);
        let mut remove: Vec<(&str, Vec<Digest>)> = extra
            .map(|change| (change.path.as_str(), changes.journal.ours.get(&change.path).cloned().unwrap_or_default()))
            .collect();
        remove.sort_by_key(|(path, _)| (!is_index(path), *path));
        Work { unchanged: (output.files.len() + 1).saturating_sub(put.len()), put, remove }
    }

    fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }

    /// Writes all new content beside its place.
    fn stage(&self, disk: &dyn Disk) -> Checked<()> {
        self.put.par_iter().try_for_each(|file| {
            put(disk, &file.place, file.bytes, file.stage == Stage::Lock)
                .map_err(|error| failed("cannot write", &file.place, &error))
        })
    }

    /// Renames what was written into place.
    fn publish(&self, disk: &dyn Disk, stage: Stage) -> Checked<()> {
        self.put.par_iter().filter(|file| file.stage == stage).try_for_each(|file| {
            disk.rename(&temporary(&file.place), &file.place)
                .map_err(|error| failed("cannot write", &file.place, &error))
        })
    }
}

fn put(disk: &dyn Disk, place: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    disk.create(&temporary(place), bytes, sync)
}

fn temporary(place: &Path) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!("{}{name}{}", TEMPORARY.0, TEMPORARY.1))
}

fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
}

/// The path with links resolved as far as it exists.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let mut missing = Vec::new();
    let mut there = absolute.as_path();
    loop {
        match fs::canonicalize(there) {
            Ok(found) => return Ok(missing.iter().rev().fold(found, |path, part| path.join(part))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match (there.file_name(), there.parent()) {
                (Some(name), Some(parent)) => {
                    missing.push(name);
                    there = parent;
                }
                // `..` below a folder that is not there.
                _ => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Diagnostics {
    Diagnostic::error("write/io", Span::NONE, format!("{what} `{}`: {error}", path.display())).into()
}

/// What writing asks of the disk; tests have one that dies.
trait Disk: Sync {
    fn make_directories(&self, path: &Path) -> io::Result<()>;
    fn make_directory(&self, path: &Path) -> io::Result<()>;
    fn create(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
}

/// The disk.
struct Real;

impl Disk for Real {
    fn make_directories(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }
    fn create(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
        // Never through something that lies there: a link could lead anywhere.
        let open = || OpenOptions::new().write(true).create_new(true).open(path);
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(path)?;
                open()?
            }
            opened => opened?,
        };
        file.write_all(bytes)?;
        if sync { file.sync_all() } else { Ok(()) }
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

#[cfg(test)]
mod tests;
