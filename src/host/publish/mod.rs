//! Publishing for real: looks at branches, makes commits without a worktree, and pushes them.
//!
//! What a commit holds is decided in [`crate::publish`]; here it becomes blobs, trees and a commit, and goes to the repository.
//! Nothing is written on this machine but the store of fetched commits. A push moves the branch from the commit that was looked at, or not
//! at all: when somebody else was faster, everything is decided again on what they left, after a wait that grows. A connection that broke
//! leaves open whether the push came through; looking again tells. So a run that is killed leaves a branch at the old or the new commit,
//! and the next run does what is left.

mod request;
mod sign;
mod source;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use gix::ObjectId;
use gix::bstr::ByteSlice as _;
use gix::objs::tree::EntryKind;
use gix::objs::{Kind, WriteTo as _};

use super::fetch::{Fault, Git, Update, Verdict, pack};
use super::git::causes;
use crate::diag::{Cause, Checked, Diagnostic};
use crate::publish::{self, MANIFEST, Manifest};
use crate::span::Span;

pub use request::{Forge, Request, Service};
pub use sign::Key;
pub use source::{Person, Source, author, stamp};

/// A moment as git writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Seconds east of UTC.
    pub offset: i32,
}

/// Who made a commit and when, twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Who wrote it.
    pub author: (Person, Stamp),
    /// Who committed it.
    pub committer: (Person, Stamp),
}

/// What lies on a branch.
pub struct Seen {
    /// Its commit; `None` where the branch does not exist.
    pub commit: Option<ObjectId>,
    /// Whether the branch is yet to be made, from that commit.
    pub is_new: bool,
    /// What lies in our folder.
    pub tip: publish::Tip,
    /// What the commit says of where it came from.
    pub trailers: BTreeMap<String, String>,
    repository: Option<gix::Repository>,
    root: Option<ObjectId>,
    /// Objects that need not be sent.
    known: HashSet<ObjectId>,
}

/// What is to be done with a branch.
pub struct Work {
    /// What the commit holds.
    pub holds: publish::Commit,
    /// What it says.
    pub message: String,
}

/// What became of a branch.
#[derive(Debug)]
pub struct Outcome {
    /// Where it was.
    pub old: Option<String>,
    /// Where it is; the same where nothing changed.
    pub new: Option<String>,
    /// What was committed.
    pub holds: Option<publish::Commit>,
    /// What the commit says.
    pub message: String,
    /// How often somebody else was faster, or the server was not reached.
    pub again: u32,
}

/// A commit that is made, and what is to be sent with it.
struct Made {
    id: ObjectId,
    objects: Vec<(ObjectId, Kind, Arc<[u8]>)>,
}

/// Publishes to one repository.
pub struct Publisher {
    git: Git,
    url: String,
    /// The folder on its branches that is ours; empty for all of it.
    folder: String,
    who: Signed,
    /// How often it is tried.
    attempts: u32,
    /// What commits are signed with.
    key: Option<Key>,
}

fn failed(url: &str, fault: Fault) -> Diagnostic {
    let message = format!("`{}`: {}", crate::source::without_credentials(url), fault.reason);
    let error = Diagnostic::error("publish/repository", Span::NONE, message).cause(Cause::Source);
    match fault.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The id of a content.
pub fn blob_id(text: &str) -> String {
    id(Kind::Blob, text.as_bytes()).map(|id| id.to_string()).unwrap_or_default()
}

fn id(kind: Kind, bytes: &[u8]) -> Result<ObjectId, Fault> {
    gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, bytes).map_err(|error| Fault::lasting(causes(&error)))
}

impl Publisher {
    /// For the branches of this repository.
    pub fn new(git: Git, url: &str, folder: &str, who: Signed, attempts: u32) -> Self {
        let folder = folder.trim_matches('/').to_owned();
        Publisher { git, url: url.to_owned(), folder, who, attempts: attempts.max(1), key: None }
    }

    /// The same with signatures.
    #[must_use]
    pub fn signing(self, key: Option<Key>) -> Self {
        Publisher { key, ..self }
    }

    /// Where branches are now.
    ///
    /// # Errors
    /// The repository is not reached or refuses.
    pub fn look(&self, branches: &[String]) -> Checked<BTreeMap<String, ObjectId>> {
        let names: Vec<String> = branches.iter().map(|branch| full(branch)).collect();
        let mut attempt = 0;
        let found = loop {
            attempt += 1;
            match self.git.look(&self.url, &names) {
                Err(fault) if fault.temporary && attempt < self.attempts => std::thread::sleep(pause(attempt)),
                found => break found.map_err(|fault| failed(&self.url, fault))?,
            }
        };
        let short = |name: String| name.strip_prefix("refs/heads/").map(str::to_owned).unwrap_or(name);
        Ok(found.into_iter().map(|(name, id)| (short(name), id)).collect())
    }

    /// What lies at a commit of the repository.
    ///
    /// # Errors
    /// It cannot be had, or the manifest there cannot be read.
    pub fn see(&self, commit: Option<ObjectId>) -> Checked<Seen> {
        let mut attempt = 0;
        let seen = loop {
            attempt += 1;
            match self.seen(commit) {
                Err(fault) if fault.temporary && attempt < self.attempts => std::thread::sleep(pause(attempt)),
                seen => break seen.map_err(|fault| failed(&self.url, fault))?,
            }
        };
        let (mut seen, manifest) = seen;
        if let Some(text) = manifest {
            let parsed = Manifest::parse(&text).map_err(|why| {
                let message = format!("`{MANIFEST}` on the branch cannot be read: {why}");
                let error = Diagnostic::error("publish/manifest", Span::NONE, message).cause(Cause::Answer);
                error.hint(
                    "without it nobody knows which files are fleetc's; take it from an earlier commit of the branch",
                )
            });
            seen.tip.manifest = Some(parsed?);
        }
        Ok(seen)
    }

    fn seen(&self, commit: Option<ObjectId>) -> Result<(Seen, Option<String>), Fault> {
        let mut seen = Seen {
            commit,
            is_new: false,
            tip: publish::Tip::default(),
            trailers: BTreeMap::new(),
            repository: None,
            root: None,
            known: HashSet::new(),
        };
        let Some(commit) = commit else { return Ok((seen, None)) };
        let wrong = |error: gix::Error| Fault::lasting(causes(&error));
        let repository = self.git.with_commit(&self.url, commit)?.to_thread_local();
        let object = repository.find_commit(commit).map_err(wrong)?;
        let text = object.message_raw().map(|text| text.to_str_lossy().into_owned()).unwrap_or_default();
        seen.trailers = trailers(&text);
        let root = object.tree_id().map_err(wrong)?.detach();
        drop(object);
        seen.root = Some(root);
        let mut at = Some(root);
        seen.known.insert(root);
        for part in self.folder.split('/').filter(|part| !part.is_empty()) {
            let Some(tree) = at.take() else { break };
            let tree = repository.find_tree(tree).map_err(wrong)?;
            for entry in tree.iter() {
                let entry = entry.map_err(wrong)?;
                if entry.filename() == part {
                    if entry.mode().kind() != EntryKind::Tree {
                        return Err(Fault::lasting(format!("`{}` on the branch is no folder", self.folder)));
                    }
                    seen.known.insert(entry.object_id());
                    at = Some(entry.object_id());
                }
            }
        }
        let mut manifest = None;
        let mut todo: Vec<(String, ObjectId)> = at.into_iter().map(|tree| (String::new(), tree)).collect();
        while let Some((path, tree)) = todo.pop() {
            let tree = repository.find_tree(tree).map_err(wrong)?;
            for entry in tree.iter() {
                let entry = entry.map_err(wrong)?;
                let Ok(name) = entry.filename().to_str() else {
                    return Err(Fault::lasting(format!(
                        "`{}` on the branch has a name that is no UTF-8",
                        entry.filename()
                    )));
                };
                let inside = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                let id = entry.object_id();
                seen.known.insert(id);
                match entry.mode().kind() {
                    EntryKind::Tree => todo.push((inside, id)),
                    EntryKind::Blob | EntryKind::BlobExecutable if inside == MANIFEST => manifest = Some(id),
                    EntryKind::Blob | EntryKind::BlobExecutable => {
                        drop(seen.tip.files.insert(inside, Some(id.to_string())));
                    }
                    EntryKind::Link | EntryKind::Commit => drop(seen.tip.files.insert(inside, None)),
                }
            }
        }
        seen.repository = Some(repository);
        let manifest = manifest.and_then(|id| seen.read(id));
        Ok((seen, manifest))
    }

    /// Does what is to be done with a branch, as often as somebody else is faster. `decide` says what that is, seen what lies there;
    /// `first` is where it was looked at before. A branch that does not exist begins at `base`. With `dry` nothing is pushed.
    ///
    /// # Errors
    /// What `decide` refuses, what the server refuses, or somebody else was faster too often.
    pub fn publish(
        &self,
        branch: &str,
        base: Option<ObjectId>,
        mut first: Option<Seen>,
        dry: bool,
        decide: &dyn Fn(&Seen) -> Checked<Option<Work>>,
    ) -> Checked<Outcome> {
        let mut again = 0;
        loop {
            let seen = match first.take() {
                Some(seen) => seen,
                None => match self.look(&[branch.to_owned()])?.get(branch) {
                    Some(tip) => self.see(Some(*tip))?,
                    None => Seen { is_new: base.is_some(), ..self.see(base)? },
                },
            };
            let at = if seen.is_new { None } else { seen.commit };
            let old = at.map(|id| id.to_string());
            let Some(work) = decide(&seen)? else {
                return Ok(Outcome { new: old.clone(), old, holds: None, message: String::new(), again });
            };
            let made = self.make(&seen, &work).map_err(|fault| failed(&self.url, fault))?;
            let done = |again| Outcome {
                old: old.clone(),
                new: Some(made.id.to_string()),
                holds: Some(work.holds.clone()),
                message: work.message.clone(),
                again,
            };
            if dry {
                return Ok(done(again));
            }
            let update = Update { name: full(branch), old: at, new: made.id };
            let packed = pack(&made.objects).map_err(|error| failed(&self.url, error.into()))?;
            let pushed = self.git.push(&self.url, &[update], &packed);
            let why = match pushed {
                Ok(Verdict::Done) => return Ok(done(again)),
                Ok(Verdict::Moved) => Fault::passing("somebody else pushed to the branch at the same time"),
                Ok(Verdict::Refused(why)) => {
                    // Servers have many words for a reference that moved.
                    let now = self.look(&[branch.to_owned()])?.get(branch).copied();
                    if now == at {
                        return Err(refused(branch, &why).into());
                    }
                    Fault::passing(why)
                }
                Err(fault) if fault.temporary => {
                    // Did it come through?
                    if self.look(&[branch.to_owned()])?.get(branch) == Some(&made.id) {
                        return Ok(done(again));
                    }
                    fault
                }
                Err(fault) => return Err(failed(&self.url, fault).into()),
            };
            again += 1;
            if again >= self.attempts {
                let reason = format!("{} ({again} attempts)", why.reason);
                let error = failed(&self.url, Fault { reason, ..why });
                return Err(error.hint("run this again; `--retries` allows more").into());
            }
            std::thread::sleep(pause(again));
        }
    }

    fn make(&self, seen: &Seen, work: &Work) -> Result<Made, Fault> {
        let wrong = |error: gix::Error| Fault::lasting(causes(&error));
        let mut objects = Vec::new();
        let mut known = seen.known.clone();
        let mut add = |kind: Kind, bytes: Arc<[u8]>| {
            let id = id(kind, &bytes)?;
            if known.insert(id) {
                objects.push((id, kind, bytes));
            }
            Ok::<ObjectId, Fault>(id)
        };
        let none = gix::objs::find::Never;
        let find: &dyn gix::objs::FindExt = match &seen.repository {
            Some(repository) => &repository.objects,
            None => &none,
        };
        let root = match (&seen.repository, seen.root) {
            (Some(repository), Some(root)) => {
                let tree = repository.find_tree(root).map_err(wrong)?;
                tree.decode().map_err(wrong)?.to_owned()
            }
            _ => gix::objs::Tree::empty(),
        };
        let mut editor = gix::objs::tree::Editor::new(root, find, gix::hash::Kind::Sha1);
        let place = |path: &str| -> Vec<String> {
            let parts = self.folder.split('/').filter(|part| !part.is_empty()).chain(path.split('/'));
            parts.map(str::to_owned).collect()
        };
        fn parts(path: &[String]) -> impl Iterator<Item = &gix::bstr::BStr> {
            path.iter().map(|part| part.as_bytes().as_bstr())
        }
        for path in &work.holds.remove {
            editor.remove(parts(&place(path))).map_err(wrong)?;
        }
        for (path, text) in &work.holds.put {
            let id = add(Kind::Blob, text.as_bytes().into())?;
            editor.upsert(parts(&place(path)), EntryKind::Blob, id).map_err(wrong)?;
        }
        let tree = editor.write(|tree| {
            let mut bytes = Vec::new();
            tree.write_to(&mut bytes)?;
            add(Kind::Tree, bytes.into())
        })?;
        let parents = seen.commit.into_iter().collect();
        let bytes = sealed(tree, parents, &self.who, &work.message, self.key.as_ref())?;
        let id = add(Kind::Commit, bytes.into())?;
        Ok(Made { id, objects })
    }
}

/// The bytes of a commit, signed where there is a key.
pub(super) fn sealed(
    tree: ObjectId,
    parents: Vec<ObjectId>,
    who: &Signed,
    message: &str,
    key: Option<&Key>,
) -> Result<Vec<u8>, Fault> {
    let mut commit = gix::objs::Commit {
        tree,
        parents: parents.into(),
        author: signature(&who.author),
        committer: who.committer(),
        encoding: None,
        message: message.into(),
        extra_headers: Vec::new(),
    };
    let mut bytes = Vec::new();
    commit.write_to(&mut bytes)?;
    if let Some(key) = key {
        let signature = key.sign(&bytes)?;
        commit.extra_headers.push(("gpgsig".into(), signature.trim_end().into()));
        bytes.clear();
        commit.write_to(&mut bytes)?;
    }
    Ok(bytes)
}

fn signature((person, stamp): &(Person, Stamp)) -> gix::actor::Signature {
    gix::actor::Signature {
        name: person.name.as_str().into(),
        email: person.email.as_str().into(),
        time: gix::date::Time::new(stamp.seconds, stamp.offset),
    }
}

impl Signed {
    /// Who commits, as git writes it.
    pub(super) fn committer(&self) -> gix::actor::Signature {
        signature(&self.committer)
    }
}

impl Seen {
    /// The text of a file of our folder.
    pub fn text(&self, path: &str) -> Option<String> {
        let id = ObjectId::from_hex(self.tip.files.get(path)?.as_ref()?.as_bytes()).ok()?;
        self.read(id)
    }

    fn read(&self, id: ObjectId) -> Option<String> {
        let blob = self.repository.as_ref()?.find_object(id).ok()?;
        String::from_utf8(blob.data.clone()).ok()
    }
}

fn full(branch: &str) -> String {
    if branch.starts_with("refs/") { branch.to_owned() } else { format!("refs/heads/{branch}") }
}

fn refused(branch: &str, why: &str) -> Diagnostic {
    let error = Diagnostic::error("publish/refused", Span::NONE, format!("the push to `{branch}` is refused: {why}"));
    error.cause(Cause::Answer).hint("the branch is as it was; look at its protection and at the hooks of the server")
}

/// How long is waited before trying again: ever longer, and not the same for two who meet.
fn pause(attempt: u32) -> Duration {
    let most = 50_u64.saturating_mul(1 << attempt.min(7));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let some = u64::from(now.subsec_nanos()).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    Duration::from_millis(most / 2 + some % (most / 2 + 1))
}

/// The trailers of a message: `Key: value` in its last paragraph.
fn trailers(message: &str) -> BTreeMap<String, String> {
    let last = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let pair = |line: &str| line.split_once(": ").map(|(key, value)| (key.to_owned(), value.to_owned()));
    last.lines().filter_map(pair).collect()
}
