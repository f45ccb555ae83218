//! A commit on the branch that is checked out, of some files and nothing else: what others have staged or changed stays as it is.
//!
//! No git program and no hook runs. The branch moves from the commit that was looked at, or not at all; then the index learns of the
//! files, so that they do not read as changed.

use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice as _;
use gix::index::entry::{Flags, Mode, Stage, Stat};
use gix::objs::Write as _;
use gix::objs::tree::EntryKind;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};

use super::git::{Checkout, causes};
use super::publish::{Key, Signed, sealed};
use super::seen::Seen;

/// Files that are not as they are in the commit that is checked out, or are staged otherwise; none where there is no commit.
///
/// # Errors
/// The repository cannot be read: the reason for people.
pub fn dirty(folder: &Path, files: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let Some(open) = Open::of(folder)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for file in files {
        let path = open.path(file)?;
        let committed = open.committed(&path)?;
        let on_disk = match std::fs::read(file) {
            Ok(bytes) => Some(open.blob(&bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("{}: {error}", file.display())),
        };
        let index = open.index()?;
        let staged =
            index.entry_by_path_and_stage(path.as_bytes().as_bstr(), Stage::Unconflicted).map(|entry| entry.id);
        let committed = committed.map(|(id, _)| id);
        if on_disk != committed || staged != committed {
            found.push(file.clone());
        }
    }
    Ok(found)
}

/// Commits what these files hold. Returns the commit.
///
/// # Errors
/// There is no repository or no commit, a file is outside of it, or the branch moved meanwhile: the reason for people.
pub fn commit(
    folder: &Path,
    files: &[PathBuf],
    message: &str,
    who: &Signed,
    key: Option<&Key>,
) -> Result<String, String> {
    let open = Open::of(folder)?.ok_or("the fleet lies in no git checkout with a commit")?;
    let local = &open.local;
    let wrong = |error: gix::Error| causes(&error);
    let head = local.head_commit().map_err(wrong)?;
    let tree = head.tree().map_err(wrong)?;
    let root = tree.decode().map_err(wrong)?.to_owned();
    let mut editor = gix::objs::tree::Editor::new(root, &local.objects, local.object_hash());
    let mut index = open.index()?;
    for file in files {
        let path = open.path(file)?;
        let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let id = local.write_blob(&bytes).map_err(wrong)?.detach();
        let kind = open.committed(&path)?.map_or(EntryKind::Blob, |(_, kind)| kind);
        editor.upsert(path.split('/').map(|part| part.as_bytes().as_bstr()), kind, id).map_err(wrong)?;
        let metadata = gix::index::fs::Metadata::from_path_no_follow(file).map_err(|error| error.to_string())?;
        let stat = Stat::from_fs(&metadata).map_err(|error| error.to_string())?;
        let path = path.as_bytes().as_bstr();
        match index.entry_mut_by_path_and_stage(path, Stage::Unconflicted) {
            Some(entry) => {
                entry.id = id;
                entry.stat = stat;
            }
            None => {
                let mode = if kind == EntryKind::BlobExecutable { Mode::FILE_EXECUTABLE } else { Mode::FILE };
                index.dangerously_push_entry(stat, id, Flags::empty(), mode, path);
                index.sort_entries();
            }
        }
    }
    let tree = editor.write(|tree| local.write_object(tree).map(gix::Id::detach)).map_err(wrong)?;
    let parent = head.id;
    let bytes = sealed(tree, vec![parent], who, message, key).map_err(|fault| fault.reason)?;
    let id = local.objects.write_buf(gix::objs::Kind::Commit, &bytes).map_err(|error| error.to_string())?;
    let subject = message.lines().next().unwrap_or_default();
    let log = LogChange {
        mode: RefLog::AndReference,
        force_create_reflog: false,
        message: format!("commit: {subject}").into(),
    };
    let edit = RefEdit {
        change: Change::Update { log, expected: PreviousValue::MustExistAndMatch(parent.into()), new: id.into() },
        name: "HEAD".try_into().map_err(|_| "HEAD is no reference".to_owned())?,
        deref: true,
    };
    let signature = who.committer();
    let mut time = gix::date::parse::TimeBuf::default();
    local.edit_references_as([edit], Some(signature.to_ref(&mut time))).map_err(wrong)?;
    // Its trees are those of the commit before.
    index.remove_tree();
    index
        .write(gix::index::write::Options::default())
        .map_err(|error| format!("the index cannot be written: {error}"))?;
    Ok(id.to_string())
}

/// A checkout with a commit.
struct Open {
    local: gix::Repository,
    workdir: PathBuf,
}

impl Open {
    fn of(folder: &Path) -> Result<Option<Open>, String> {
        let Some(checkout) = Checkout::discover(folder, &Seen::default())? else { return Ok(None) };
        let Some(workdir) = checkout.workdir().map(Path::to_owned) else { return Ok(None) };
        if checkout.head().is_empty() {
            return Ok(None);
        }
        Ok(Some(Open { local: checkout.repository().to_thread_local(), workdir }))
    }

    /// The path of a file in the repository.
    fn path(&self, file: &Path) -> Result<String, String> {
        let outside = || format!("`{}` is outside of the repository", file.display());
        let folder = file.parent().ok_or_else(outside)?;
        // A folder that is yet to be made is where its parent is.
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let path = real.join(file.file_name().ok_or_else(outside)?);
        let below = path.strip_prefix(&self.workdir).ok().and_then(Path::to_str).ok_or_else(outside)?;
        Ok(below.replace(std::path::MAIN_SEPARATOR, "/"))
    }

    /// What the commit that is checked out holds at a path.
    fn committed(&self, path: &str) -> Result<Option<(gix::ObjectId, EntryKind)>, String> {
        let wrong = |error: gix::Error| causes(&error);
        let tree = self.local.head_commit().map_err(wrong)?.tree().map_err(wrong)?;
        let entry = tree.lookup_entry_by_path(path).map_err(wrong)?;
        Ok(entry.map(|entry| (entry.object_id(), entry.mode().kind())))
    }

    fn blob(&self, bytes: &[u8]) -> Result<gix::ObjectId, String> {
        gix::objs::compute_hash(self.local.object_hash(), gix::objs::Kind::Blob, bytes).map_err(|error| causes(&error))
    }

    fn index(&self) -> Result<gix::index::File, String> {
        if self.local.index_path().is_file() {
            return self.local.open_index().map_err(|error| causes(&error));
        }
        let state = gix::index::State::new(self.local.object_hash());
        Ok(gix::index::File::from_state(state, self.local.index_path()))
    }
}
