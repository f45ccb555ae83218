//! The store on disk: what was fetched once, shared by all fleets and processes of a user.
//!
//! Content lies under its digest and is checked whenever it is read; a file gets its name only when it is whole, so that a process that
//! is killed leaves nothing that counts. Rendered results are not content: those of a fleet lie in one file beside it
//! (`Shelf`), since a file each would take longer to read than most of them to render. Repositories, which are not content, have a folder each. Who changes something that others may be
//! changing holds the [`Guard`] of its name. The store is only ever a cache: what is missing is fetched again, what is damaged is removed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::super::seen::{Question, Seen};
use crate::digest::Digest;

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    seen: Seen,
}

/// The right to change something in the store; others wait until it is dropped, also when the process is killed.
#[derive(Debug)]
pub struct Guard {
    _file: File,
}

impl Store {
    /// The store in this folder, which is made when something is put there.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Store { root: root.into(), seen: Seen::default() }
    }

    /// The same, noting what is looked for in it.
    #[must_use]
    pub fn noting(self, seen: Seen) -> Self {
        Store { seen, ..self }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where content with this digest lies or would lie.
    pub fn place(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let (head, _) = hex.split_at_checked(2).unwrap_or((&hex, ""));
        self.root.join(CONTENT).join(head).join(&hex)
    }

    /// The right to read the store, together with others who read it; [`Store::collect`] removes nothing meanwhile.
    ///
    /// # Errors
    /// The lock file cannot be made, as in a store that may only be read.
    pub fn read_lock(&self) -> io::Result<Guard> {
        let file = self.lock_file("in-use")?;
        file.lock_shared()?;
        Ok(Guard { _file: file })
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        let folder = self.root.join("locks");
        fs::create_dir_all(&folder)?;
        File::options().create(true).truncate(false).write(true).open(folder.join(name))
    }

    /// The content with this digest; `None` where it is not here, or was damaged (then it is removed).
    ///
    /// # Errors
    /// It cannot be read.
    pub fn get(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        let place = self.place(digest);
        self.seen.ask(Question::Presence, &place);
        let bytes = match fs::read(&place) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if Digest::of(&bytes) == *digest {
            mark_used(&place);
            return Ok(Some(bytes));
        }
        fs::remove_file(place)?;
        Ok(None)
    }

    /// Puts content into the store; its digest.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        let place = self.place(&digest);
        // A file that is there may be damaged: who puts something has not found it.
        write_whole(&place, bytes, true)?;
        Ok(digest)
    }

    /// The folder of something that is no content, e.g. a repository: `kind` is a word, `name` whatever names it.
    pub fn folder(&self, kind: &str, name: &str) -> PathBuf {
        let folder = self.root.join(kind).join(Digest::of(name.as_bytes()).hex());
        mark_used(&folder);
        self.seen.ask(Question::Presence, &folder);
        folder
    }

    /// Waits until nobody else changes the thing of this name.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub fn guard(&self, kind: &str, name: &str) -> io::Result<Guard> {
        let file = self.lock_file(&format!("{kind}-{}", Digest::of(name.as_bytes()).hex()))?;
        file.lock()?;
        Ok(Guard { _file: file })
    }

    /// Removes what nobody has used for so long, and what killed processes have left. `None` where somebody uses the store.
    ///
    /// # Errors
    /// Something cannot be looked at or removed.
    pub fn collect(&self, older_than: Duration) -> io::Result<Option<Collected>> {
        let mut collected = Collected::default();
        if !self.root.is_dir() {
            return Ok(Some(collected));
        }
        let lock = self.lock_file("in-use")?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let limit = SystemTime::now().checked_sub(older_than).unwrap_or(SystemTime::UNIX_EPOCH);
        for kind in children(&self.root)? {
            let name = kind.file_name().unwrap_or_default();
            if !kind.is_dir() || name == "locks" {
                continue;
            }
            // Content lies in folders by the first digits of its digest; of everything else a folder is one thing.
            let things = if name == CONTENT {
                children(&kind)?.iter().map(|folder| children(folder)).collect::<io::Result<Vec<_>>>()?.concat()
            } else {
                children(&kind)?
            };
            for thing in things {
                let left_over = thing.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".tmp"));
                let used = fs::symlink_metadata(&thing)?.modified()?;
                let bytes = size(&thing)?;
                if used > limit && !left_over {
                    collected.kept_bytes += bytes;
                    continue;
                }
                if thing.is_dir() {
                    fs::remove_dir_all(&thing)?;
                } else {
                    fs::remove_file(&thing)?;
                }
                collected.removed += 1;
                collected.removed_bytes += bytes;
            }
        }
        // Locks of names: whoever holds one also holds the other kind, which nobody does now.
        for lock in children(&self.root.join("locks"))? {
            if lock.file_name().is_some_and(|name| name != "in-use") {
                fs::remove_file(lock)?;
            }
        }
        drop(lock);
        Ok(Some(collected))
    }
}

/// What [`Store::collect`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many things were removed.
    pub removed: usize,
    /// Their size.
    pub removed_bytes: u64,
    /// The size of what stays.
    pub kept_bytes: u64,
}

/// Folder of content by its digest.
const CONTENT: &str = "content";

/// How exact the time of the last use is: reading is not to write each time.
const USE: Duration = Duration::from_secs(24 * 60 * 60);

/// Notes that a thing of the store was used. Where that cannot be noted, as in a store that may only be read, it is not.
pub(in crate::host) fn mark_used(place: &Path) {
    let now = SystemTime::now();
    let recent = |used: SystemTime| now.duration_since(used).is_ok_and(|age| age < USE);
    let Ok(metadata) = fs::metadata(place) else { return };
    if !metadata.modified().is_ok_and(recent)
        && let Ok(file) = File::open(place)
    {
        let _ = file.set_modified(now);
    }
}

fn children(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}

/// The bytes of a file, or of all files below a folder.
fn size(place: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in walkdir::WalkDir::new(place).follow_links(false) {
        let metadata = entry?.metadata()?;
        bytes += if metadata.is_file() { metadata.len() } else { 0 };
    }
    Ok(bytes)
}

/// Writes a file that is there as a whole or not at all, under whatever name others know it; also after a power failure where it is synced.
pub(in crate::host) fn write_whole(place: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let folder = place.parent().unwrap_or(place);
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    if sync {
        file.as_file().sync_all()?;
    }
    file.persist(place).map_err(|error| error.error)?;
    Ok(())
}
