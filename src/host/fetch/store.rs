//! The store on disk: what was fetched once, shared by all fleets and processes of a user.
//!
//! Content lies under its digest and is checked whenever it is read; a file gets its name only when it is whole, so that a process that
//! is killed leaves nothing that counts. Repositories, which are not content, have a folder each. Who changes something that others may be
//! changing holds the [`Guard`] of its name. The store is only ever a cache: what is missing is fetched again, what is damaged is removed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// The right to change something in the store; others wait until it is dropped, also when the process is killed.
#[derive(Debug)]
pub struct Guard {
    _file: File,
}

impl Store {
    /// The store in this folder, which is made when something is put there.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Store { root: root.into() }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where content with this digest lies or would lie.
    pub fn place(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let (head, _) = hex.split_at_checked(2).unwrap_or((&hex, ""));
        self.root.join("content").join(head).join(&hex)
    }

    /// The content with this digest; `None` where it is not here, or was damaged (then it is removed).
    ///
    /// # Errors
    /// It cannot be read.
    pub fn get(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        let place = self.place(digest);
        let bytes = match fs::read(&place) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if Digest::of(&bytes) == *digest {
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
        write_whole(&place, bytes)?;
        Ok(digest)
    }

    /// The folder of something that is no content, e.g. a repository: `kind` is a word, `name` whatever names it.
    pub fn folder(&self, kind: &str, name: &str) -> PathBuf {
        self.root.join(kind).join(Digest::of(name.as_bytes()).hex())
    }

    /// Waits until nobody else changes the thing of this name.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub fn guard(&self, kind: &str, name: &str) -> io::Result<Guard> {
        let folder = self.root.join("locks");
        fs::create_dir_all(&folder)?;
        let name = format!("{kind}-{}", Digest::of(name.as_bytes()).hex());
        let file = File::options().create(true).truncate(false).write(true).open(folder.join(name))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => file.lock()?,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Guard { _file: file })
    }
}

/// Writes a file that is there as a whole or not at all, under whatever name others know it.
fn write_whole(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = place.parent().unwrap_or(place);
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(place).map_err(|error| error.error)?;
    Ok(())
}
