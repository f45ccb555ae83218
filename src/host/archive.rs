//! Packed trees, read in memory: nothing is ever unpacked to a disk.
//!
//! Refused as a whole, as Argo CD does (`util/io/files`, `CheckOutOfBoundsSymlinks`): names and links that leave the archive, more than it
//! may hold, and what Argo CD passes over in silence: hard links and devices.

use std::collections::BTreeMap;
use std::io::Read;

use super::tree::{RawEntry, RawKind, ReadFault, Store};
use crate::path::TreePath;
use crate::render::helm::read_archive;

/// Bytes of all files of an artifact.
const MAX_BYTES: u64 = 256 << 20;
/// Entries of an artifact.
const MAX_ENTRIES: usize = 100_000;
/// How much larger than packed an artifact may be; manifests shrink to a tenth.
const MAX_RATIO: u64 = 200;
/// Below this the ratio does not count.
const SMALL: u64 = 8 << 20;

/// The files of an archive as a tree.
#[derive(Debug, Default)]
pub(super) struct Archive {
    folders: BTreeMap<TreePath, BTreeMap<String, RawKind>>,
    files: BTreeMap<TreePath, Vec<u8>>,
    links: BTreeMap<TreePath, String>,
}

impl Archive {
    /// A packed chart, without the folder that all of it lies in.
    ///
    /// # Errors
    /// It cannot be read, or breaks a limit: a sentence.
    pub(super) fn chart(bytes: &[u8]) -> Result<Self, String> {
        let mut archive = Archive::empty();
        for file in read_archive(bytes)? {
            let Ok(path) = TreePath::new(&file.name) else { continue };
            archive.add_file(path, file.data.to_vec());
        }
        Ok(archive)
    }

    /// The layer of an artifact, a tar file, packed or not.
    ///
    /// # Errors
    /// It cannot be read, or breaks a limit: a sentence.
    pub(super) fn layer(bytes: &[u8], packed: bool) -> Result<Self, String> {
        let most = MAX_BYTES.min(SMALL.max((bytes.len() as u64).saturating_mul(MAX_RATIO)));
        match packed {
            true => Archive::tar(flate2::read::MultiGzDecoder::new(bytes), most),
            false => Archive::tar(bytes, MAX_BYTES),
        }
    }

    /// A tree of one file.
    pub(super) fn single(path: TreePath, data: Vec<u8>) -> Self {
        let mut archive = Archive::empty();
        archive.add_file(path, data);
        archive
    }

    fn tar(reader: impl Read, most: u64) -> Result<Self, String> {
        let broken = |error: std::io::Error| format!("the archive cannot be read: {error}");
        // Room for the heads of entries.
        let mut tar = tar::Archive::new(reader.take(most + most / 4));
        let (mut archive, mut left) = (Archive::empty(), most);
        for (index, entry) in tar.entries().map_err(broken)?.enumerate() {
            let mut entry = entry.map_err(broken)?;
            if index == MAX_ENTRIES {
                return Err(format!("the archive has more than {MAX_ENTRIES} entries"));
            }
            let kind = entry.header().entry_type();
            if kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
                continue;
            }
            let Ok(name) = String::from_utf8(entry.path_bytes().into_owned()) else {
                return Err("the archive holds a name that is not UTF-8".to_owned());
            };
            let path = inside(&name)?;
            if kind.is_dir() {
                archive.add_folder(&path);
            } else if kind.is_symlink() {
                let target = entry.link_name_bytes().map(|target| String::from_utf8_lossy(&target).into_owned());
                archive.add_link(path, target.unwrap_or_default())?;
            } else if kind.is_file() {
                left = left
                    .checked_sub(entry.size())
                    .ok_or_else(|| format!("the archive holds more than {most} bytes, too much for its size"))?;
                let mut data = Vec::new();
                entry.read_to_end(&mut data).map_err(broken)?;
                archive.add_file(path, data);
            } else {
                return Err(format!("the archive holds a hard link or a device, `{name}`"));
            }
        }
        Ok(archive)
    }

    fn empty() -> Self {
        let mut archive = Archive::default();
        archive.folders.insert(TreePath::root(), BTreeMap::new());
        archive
    }

    fn add_file(&mut self, path: TreePath, data: Vec<u8>) {
        self.enter(&path, RawKind::File);
        self.links.remove(&path);
        self.files.insert(path, data);
    }

    fn add_folder(&mut self, path: &TreePath) {
        self.enter(path, RawKind::Directory);
        self.folders.entry(path.clone()).or_default();
    }

    fn add_link(&mut self, path: TreePath, target: String) -> Result<(), String> {
        let mut depth = path.as_str().matches('/').count();
        let out = || Err(format!("the archive holds a link that leaves it, `{path}`"));
        if target.starts_with('/') || target.contains('\\') {
            return out();
        }
        for part in target.split('/') {
            depth = match part {
                "" | "." => depth,
                ".." => match depth.checked_sub(1) {
                    Some(above) => above,
                    None => return out(),
                },
                _ => depth + 1,
            };
        }
        self.enter(&path, RawKind::Link);
        self.files.remove(&path);
        self.links.insert(path, target);
        Ok(())
    }

    /// Writes a name, and the folders that lead to it, into the lists of names.
    fn enter(&mut self, path: &TreePath, kind: RawKind) {
        let (mut at, mut kind) = (path.clone(), kind);
        while let Some(above) = at.parent() {
            self.folders.entry(above.clone()).or_default().insert(at.name().to_owned(), kind);
            (at, kind) = (above, RawKind::Directory);
        }
    }
}

/// The path of an entry.
fn inside(name: &str) -> Result<TreePath, String> {
    if name.starts_with('/') || name.contains('\\') || name.as_bytes().get(1) == Some(&b':') {
        return Err(format!("the archive holds an absolute path, `{name}`"));
    }
    if name.split('/').any(|part| part == "..") {
        return Err(format!("the archive holds a path that leaves it, `{name}`"));
    }
    TreePath::new(name.trim_start_matches("./").trim_end_matches('/')).map_err(|error| format!("`{name}`: {error}"))
}

impl Store for Archive {
    fn names(&self, directory: &TreePath, _: Option<gix::ObjectId>) -> Result<Vec<RawEntry>, String> {
        let names = self.folders.get(directory).into_iter().flatten();
        Ok(names.map(|(name, kind)| RawEntry { name: name.clone(), kind: *kind, object: None }).collect())
    }

    fn link(&self, path: &TreePath, _: &RawEntry) -> Result<String, String> {
        self.links.get(path).cloned().ok_or_else(|| "it is no link".to_owned())
    }

    fn bytes(&self, path: &TreePath, _: &RawEntry, limit: u64) -> Result<Vec<u8>, ReadFault> {
        let found = self.files.get(path).ok_or_else(|| ReadFault::Failed("it is not in the archive".to_owned()))?;
        let size = found.len() as u64;
        if size > limit { Err(ReadFault::TooLarge(size)) } else { Ok(found.clone()) }
    }
}
