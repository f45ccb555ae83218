//! What a run leaves for the next one, below the folder of the store: a file by its key. What is damaged, too large, of another key or of
//! another format is not there. It is written as a whole or not at all; where it cannot be, the next run does without.

use std::fs;
use std::path::{Path, PathBuf};

use super::fetch::{mark_used, write_whole};
use crate::digest::Digest;

/// How every file begins.
const MAGIC: &[u8] = b"fleetc 1\n";
/// The largest file, in bytes.
const LIMIT: u64 = 1 << 30;

/// A place for one file.
#[derive(Clone, Debug)]
pub struct Shelf {
    pub(super) file: PathBuf,
    key: Digest,
}

impl Shelf {
    /// The place of the thing of this kind with this key.
    pub fn new(store: &Path, kind: &str, key: &[&[u8]]) -> Self {
        let key = Digest::of_parts(key.iter().copied());
        Shelf { file: store.join(kind).join(key.hex()), key }
    }

    /// What lies there.
    pub fn load(&self) -> Option<Vec<u8>> {
        if fs::metadata(&self.file).ok()?.len() > LIMIT {
            return None;
        }
        let mut bytes = fs::read(&self.file).ok()?;
        let begin = MAGIC.len() + 64;
        let (head, body) = bytes.split_at_checked(begin)?;
        let (key, digest) = head.strip_prefix(MAGIC)?.split_at_checked(32)?;
        if key != self.key.as_bytes() || digest != Digest::of(body).as_bytes() {
            return None;
        }
        bytes.drain(..begin);
        Some(bytes)
    }

    /// Puts something there.
    pub fn save(&self, body: &[u8]) {
        let whole = [MAGIC, self.key.as_bytes(), Digest::of(body).as_bytes(), body].concat();
        // Without a sync: what a power failure leaves is damaged, and not there.
        if whole.len() as u64 > LIMIT || write_whole(&self.file, &whole, false).is_err() {
            self.clear();
        }
    }

    /// Lets nothing lie there.
    pub fn clear(&self) {
        let _ = fs::remove_file(&self.file);
    }

    /// Notes that it was used.
    pub fn mark_used(&self) {
        mark_used(&self.file);
    }
}
