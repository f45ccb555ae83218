//! A git checkout: which URLs it answers, and which revision is the working tree, a commit of the object store, or missing.
//!
//! The working tree stands for HEAD, for the empty revision, for the branch checked out and for the one that `--branch` names; every other
//! revision is read from the local object store and is missing where it is not there, never the working tree instead. Not even for the
//! name of the remote's default branch: a detached checkout says nothing of the branch it came from. A branch is looked for among the
//! remote-tracking ones first, since that is what Argo CD would see; then local branches, tags, full names, abbreviated commits.
//! No git program runs, nothing is fetched, and only the repository's own configuration is read.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gix::bstr::ByteSlice as _;

use super::objects::{CommitTree, Objects};
use super::revision::{self, References};
use super::seen::{Question, Seen};
use super::tracked::Tracked;
use crate::diag::near_matches;
use crate::path::TreePath;
use crate::source::{same_repository, without_credentials};

/// What a revision stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Revision {
    /// The files on disk.
    Working,
    /// A commit in the object store.
    Commit(gix::ObjectId),
    /// Nothing here; why, and what to do.
    Absent { reason: String, hint: Option<String> },
}

/// What a file was from a commit on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastFile {
    /// The commit, in hexadecimal digits.
    pub commit: String,
    /// When it was made, in seconds since 1970.
    pub seconds: i64,
    /// Who wrote it.
    pub author: String,
    /// The file.
    pub text: String,
}

/// A repository on this machine.
pub(super) struct Checkout {
    repository: gix::ThreadSafeRepository,
    /// The root of the working tree; none for a bare repository.
    workdir: Option<PathBuf>,
    /// The commit of HEAD; none before the first.
    head: Option<gix::ObjectId>,
    /// The branch checked out; none for a detached HEAD.
    branch: Option<String>,
    shallow: bool,
    seen: Seen,
    /// Whether the objects that are here were noted.
    noted: OnceLock<()>,
    remotes: Vec<Remote>,
    /// `url.<base>.insteadOf`: prefix as written, and what replaces it.
    instead_of: Vec<(String, String)>,
}

struct Remote {
    name: String,
    urls: Vec<String>,
}

impl Checkout {
    /// The repository whose working tree holds a folder, looking upwards; `None` for a plain folder.
    ///
    /// # Errors
    /// There is one, but it cannot be opened: the reason for people.
    pub(super) fn discover(folder: &Path, seen: &Seen) -> Result<Option<Self>, String> {
        for above in folder.ancestors() {
            // A `.git` that is empty or anything else does not count for git either.
            let dot_git = above.join(".git");
            note_place(&dot_git, seen);
            if dot_git.is_file() || dot_git.join("HEAD").symlink_metadata().is_ok() {
                return Self::open(above, seen).map(Some);
            }
        }
        Ok(None)
    }

    /// The repository of exactly this folder: the root of a working tree, or a bare repository; `None` for a plain folder.
    ///
    /// # Errors
    /// It looks like one, but cannot be opened: the reason for people.
    pub(super) fn at(folder: &Path, seen: &Seen) -> Result<Option<Self>, String> {
        let dot_git = folder.join(".git");
        note_place(&dot_git, seen);
        seen.ask(Question::Names, folder);
        let bare = folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir();
        if dot_git.is_file() || dot_git.join("HEAD").symlink_metadata().is_ok() || bare {
            return Self::open(folder, seen).map(Some);
        }
        Ok(None)
    }

    fn open(folder: &Path, seen: &Seen) -> Result<Self, String> {
        let refused =
            |reason: String| format!("the git repository at `{}` cannot be opened: {reason}", folder.display());
        let failed = |error: gix::Error| refused(causes(&error));
        // Trusted whoever owns it (containers of CI): nothing that its configuration names is ever run.
        let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
        let mut repository = options.clone().open(folder).map_err(failed)?;
        if seen.is_noting() {
            // Where everything is, the first time says; what it says, the second time, when it is noted.
            note(&repository.to_thread_local(), seen);
            repository = options.open(folder).map_err(failed)?;
        }
        let local = repository.to_thread_local();
        if local.config_snapshot().string("extensions.refStorage").is_some_and(|format| format != "files") {
            return Err(refused("its references are in a reftable, which is not yet supported".to_owned()));
        }
        let workdir = match local.workdir() {
            None => None,
            Some(path) => Some(path.canonicalize().map_err(|error| format!("`{}`: {error}", path.display()))?),
        };
        let branch = local.head_name().map_err(failed)?;
        let branch =
            branch.and_then(|name| Some(name.as_bstr().strip_prefix(b"refs/heads/")?.to_str_lossy().into_owned()));
        let head = local.head_id().ok().map(gix::Id::detach);
        let shallow = local.is_shallow().map_err(failed)?;
        let (remotes, instead_of) = read_remotes(&local);
        let seen = seen.clone();
        Ok(Checkout { repository, workdir, head, branch, shallow, seen, noted: OnceLock::new(), remotes, instead_of })
    }

    /// The root of the working tree; `None` for a bare repository.
    pub(super) fn workdir(&self) -> Option<&Path> {
        self.workdir.as_deref()
    }

    /// The commit of HEAD in hexadecimal digits; empty before the first one.
    pub(super) fn head(&self) -> String {
        self.head.map(|id| id.to_string()).unwrap_or_default()
    }

    /// The URLs of its remotes, without credentials, for messages.
    pub(super) fn urls(&self) -> Vec<String> {
        self.remotes.iter().flat_map(|remote| &remote.urls).map(|url| without_credentials(url)).collect()
    }

    /// Whether a URL is one of its remotes: as written there, or as `insteadOf` rewrites either.
    pub(super) fn answers(&self, url: &str) -> bool {
        !self.remotes_of(url).is_empty()
    }

    fn remotes_of(&self, url: &str) -> Vec<&Remote> {
        let forms = [Some(url.to_owned()), self.rewrite(url)];
        let same = |known: &str| forms.iter().flatten().any(|form| same_repository(form, known));
        let known = |remote: &&Remote| {
            remote.urls.iter().any(|url| same(url) || self.rewrite(url).is_some_and(|rewritten| same(&rewritten)))
        };
        self.remotes.iter().filter(known).collect()
    }

    /// A URL as `insteadOf` rewrites it.
    pub(super) fn rewritten(&self, url: &str) -> String {
        self.rewrite(url).unwrap_or_else(|| url.to_owned())
    }

    fn rewrite(&self, url: &str) -> Option<String> {
        let fitting = self.instead_of.iter().filter(|(prefix, _)| url.starts_with(prefix.as_str()));
        let (prefix, base) = fitting.max_by_key(|(prefix, _)| prefix.len())?;
        Some(format!("{base}{}", url.get(prefix.len()..)?))
    }

    /// The index and ignore rules for a tree that begins at `base` in the working tree.
    pub(super) fn tracked(&self, base: TreePath) -> Result<Option<Tracked>, String> {
        let Some(workdir) = &self.workdir else { return Ok(None) };
        let local = self.repository.to_thread_local();
        let failed = |error: gix::Error| format!("the index of `{}` cannot be read: {error}", workdir.display());
        let path = local.index_path();
        self.seen.ask(Question::Index, &path);
        // Without an index file nothing is tracked yet, as after `git init`.
        let index = if path.is_file() {
            local.open_index().map_err(failed)?
        } else {
            gix::index::File::from_state(gix::index::State::new(local.object_hash()), path)
        };
        Ok(Some(Tracked::new(index, self.objects(), workdir.clone(), base, self.seen.clone())))
    }

    /// The repository itself.
    pub(super) fn repository(&self) -> &gix::ThreadSafeRepository {
        &self.repository
    }

    fn objects(&self) -> Objects {
        Objects::new(self.repository.clone())
    }

    /// The files of a commit.
    pub(super) fn tree(&self, commit: gix::ObjectId) -> Result<CommitTree, String> {
        let local = self.repository.to_thread_local();
        let commit = local.find_commit(commit).map_err(|error| error.to_string())?;
        let tree = commit.tree_id().map_err(|error| error.to_string())?.detach();
        Ok(CommitTree::new(self.objects(), tree))
    }

    /// The files of a folder of a commit; `None` where it has none there.
    pub(super) fn subtree(&self, commit: gix::ObjectId, folder: &TreePath) -> Result<Option<CommitTree>, String> {
        let local = self.repository.to_thread_local();
        let failed = |error: gix::Error| error.to_string();
        let tree = local.find_commit(commit).map_err(failed)?.tree().map_err(failed)?;
        if folder.as_str().is_empty() {
            return Ok(Some(CommitTree::new(self.objects(), tree.id)));
        }
        let entry = tree.lookup_entry_by_path(folder.as_str()).map_err(failed)?;
        let entry = entry.filter(|entry| entry.mode().is_tree());
        Ok(entry.map(|entry| CommitTree::new(self.objects(), entry.object_id())))
    }

    /// The commit with these hexadecimal digits, where it is in the object store.
    pub(super) fn commit(&self, digits: &str) -> Option<gix::ObjectId> {
        commit_of(&self.repository.to_thread_local(), gix::ObjectId::from_hex(digits.as_bytes()).ok()?)
    }

    /// The commit that a revision of git's own syntax stands for: `main`, `HEAD~2`, `v1.2`, an abbreviated commit, and `A...B` for the commit
    /// at which A and B parted.
    ///
    /// # Errors
    /// There is none: why, and what to do.
    pub(super) fn specified(&self, text: &str) -> Result<gix::ObjectId, (String, Option<String>)> {
        let local = self.repository.to_thread_local();
        if let Some((one, other)) = text.split_once("...") {
            let side = |name: &str| self.specified(if name.is_empty() { "HEAD" } else { name });
            let (a, b) = (side(one)?, side(other)?);
            let base = local.merge_base(a, b).map_err(|error| (causes(&error), None))?;
            let none = || (format!("`{one}` and `{other}` have no commit in common{}", self.shallow_note()), None);
            return base.map(gix::Id::detach).ok_or_else(none);
        }
        let found = local.rev_parse_single(text).ok().and_then(|id| commit_of(&local, id.detach()));
        // `main` of a checkout that only has `origin/main`, as CI makes it, is that.
        let found = found.map_or_else(|| self.find(&local, text, ""), |commit| Ok(Some(commit)));
        match found {
            Ok(Some(commit)) => Ok(commit),
            Err(reason) => Err((reason, None)),
            Ok(None) => match self.absent(&local, text) {
                Revision::Absent { reason, hint } => Err((reason, hint)),
                Revision::Working | Revision::Commit(_) => Err((format!("there is no revision `{text}`"), None)),
            },
        }
    }

    /// What a file was in the commits that led to HEAD by their first parents, newest first: each content with the commit that brought it. At
    /// most so many commits are looked at.
    ///
    /// # Errors
    /// A commit cannot be read: the reason for people.
    pub(super) fn versions(&self, path: &TreePath, most: usize) -> Result<Vec<PastFile>, String> {
        let local = self.repository.to_thread_local();
        let failed = |error: gix::Error| causes(&error);
        let Some(head) = self.head else { return Ok(Vec::new()) };
        let mut found: Vec<(gix::ObjectId, gix::ObjectId)> = Vec::new();
        let mut before = None;
        for info in local.rev_walk([head]).first_parent_only().all().map_err(failed)?.take(most) {
            let commit = info.map_err(failed)?.id;
            let tree = local.find_commit(commit).map_err(failed)?.tree().map_err(failed)?;
            let entry = tree.lookup_entry_by_path(path.as_str()).map_err(failed)?;
            let blob = entry.map(|entry| entry.object_id());
            match (blob, found.last_mut()) {
                // It was so in this commit already.
                (Some(blob), Some(last)) if before == Some(blob) => last.1 = commit,
                (Some(blob), _) => found.push((blob, commit)),
                (None, _) => {}
            }
            before = blob;
        }
        let read = |(blob, commit): (gix::ObjectId, gix::ObjectId)| {
            let text = local.find_blob(blob).map_err(failed)?.data.to_str_lossy().into_owned();
            let commit = local.find_commit(commit).map_err(failed)?;
            let author = commit.author().map_err(failed)?.name.to_str_lossy().into_owned();
            let seconds = commit.time().map_err(failed)?.seconds;
            Ok(PastFile { commit: commit.id.to_string(), seconds, author, text })
        };
        found.into_iter().map(read).collect()
    }

    /// The same checkout, as if this commit were the one checked out.
    pub(super) fn at_commit(self, commit: gix::ObjectId) -> Self {
        Checkout { head: Some(commit), ..self }
    }

    /// What a revision stands for. `url` decides which remote's branches are meant; `named` is the branch that `--branch` names.
    pub(super) fn revision(&self, text: &str, url: &str, named: Option<&str>) -> Revision {
        let branch = text.strip_prefix("refs/heads/").unwrap_or(text);
        let working = matches!(text, "" | "HEAD") || self.branch.as_deref() == Some(branch) || named == Some(branch);
        if working && self.workdir.is_some() {
            return Revision::Working;
        }
        if working
            && let Some(head) = self.head
            && (named != Some(branch) || self.branch.as_deref() == Some(branch))
        {
            return Revision::Commit(head);
        }
        let local = self.repository.to_thread_local();
        self.noted.get_or_init(|| note_objects(&local, &self.seen));
        match self.find(&local, text, url) {
            Ok(Some(commit)) => Revision::Commit(commit),
            Ok(None) => self.absent(&local, text),
            Err(reason) => Revision::Absent { reason, hint: None },
        }
    }

    fn find(&self, local: &gix::Repository, text: &str, url: &str) -> Result<Option<gix::ObjectId>, String> {
        let mut remotes: Vec<&str> = self.remotes_of(url).into_iter().map(|remote| remote.name.as_str()).collect();
        if remotes.is_empty() {
            remotes = self.remotes.iter().map(|remote| remote.name.as_str()).collect();
        }
        remotes.sort_by_key(|name| (*name != "origin", *name));
        revision::find(text, &Local { repository: local, remotes, note: self.shallow_note() })
    }

    fn shallow_note(&self) -> &'static str {
        if self.shallow { " (a shallow clone)" } else { "" }
    }

    fn absent(&self, local: &gix::Repository, text: &str) -> Revision {
        let reason = format!("the local object store has no revision `{text}`{}", self.shallow_note());
        let names = names(local);
        let near: Vec<String> =
            near_matches(text, names.iter().map(String::as_str)).into_iter().map(|name| format!("`{name}`")).collect();
        let commit = revision::is_abbreviated(text);
        let mut hint = match self.remotes.first() {
            Some(remote) if self.shallow => format!(
                "fetch it before: `git fetch --depth 1 {} {text}:refs/remotes/{}/{text}`, or a full clone (`fetch-depth: 0`)",
                remote.name, remote.name
            ),
            Some(remote) => format!("fetch it before: `git fetch {}`", remote.name),
            None => "there is no remote to fetch it from".to_owned(),
        };
        if self.branch.is_none() && !commit && self.workdir.is_some() {
            hint.push_str(&format!("; if the detached working tree is that branch, say `--branch {text}`"));
        }
        if !near.is_empty() {
            hint = format!("did you mean {}? Otherwise {hint}", near.join(" or "));
        }
        Revision::Absent { reason, hint: Some(hint) }
    }
}

/// Notes what decides whether a folder is a checkout.
fn note_place(dot_git: &Path, seen: &Seen) {
    seen.ask(Question::Kind, dot_git);
    seen.ask(Question::Kind, &dot_git.join("HEAD"));
}

/// Notes what of a repository is read when it is opened or asked for a revision: configuration and references.
fn note(local: &gix::Repository, seen: &Seen) {
    let (own, common) = (local.git_dir().to_owned(), local.common_dir().to_owned());
    seen.ask(Question::Content, &own.with_file_name(".git"));
    for folder in [&own, &common] {
        for name in ["HEAD", "config", "config.worktree", "packed-refs", "shallow", "commondir", "gitdir"] {
            seen.ask(Question::Content, &folder.join(name));
        }
        let mut folders = vec![folder.join("refs")];
        while let Some(folder) = folders.pop() {
            seen.ask(Question::Names, &folder);
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    _ => seen.ask(Question::Content, &entry.path()),
                }
            }
        }
    }
}

/// Notes which objects are there, as far as names tell: what is found of a commit's first digits, and whether it is here.
fn note_objects(local: &gix::Repository, seen: &Seen) {
    if !seen.is_noting() {
        return;
    }
    let objects = local.common_dir().join("objects");
    seen.ask(Question::Names, &objects);
    for entry in std::fs::read_dir(&objects).into_iter().flatten().flatten() {
        seen.ask(Question::Names, &entry.path());
    }
}

/// An error with what caused it.
pub(super) fn causes(error: &gix::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    if text.to_lowercase().contains("sha256") {
        text.push_str(" (repositories with SHA-256 objects are not yet supported)");
    }
    text
}

/// The references of a repository on this machine.
pub(super) struct Local<'r> {
    pub(super) repository: &'r gix::Repository,
    /// Remotes whose branches are looked for before those of the repository itself, best first.
    pub(super) remotes: Vec<&'r str>,
    /// What to add where an object is missing.
    pub(super) note: &'static str,
}

impl References for Local<'_> {
    fn remotes(&self) -> Vec<&str> {
        self.remotes.clone()
    }

    fn reference(&self, name: &str) -> Result<Option<gix::ObjectId>, String> {
        // A name that git would not allow names nothing.
        let Ok(full) = gix::refs::FullName::try_from(name) else { return Ok(None) };
        let found = self.repository.try_find_reference(full.as_ref());
        let found = found.map_err(|error| format!("`{name}` cannot be read: {error}"))?;
        let Some(mut found) = found.filter(|found| found.name() == full.as_ref()) else { return Ok(None) };
        let id = found.peel_to_id().map_err(|error| format!("`{name}` leads nowhere: {error}"))?.detach();
        match commit_of(self.repository, id) {
            Some(commit) => Ok(Some(commit)),
            None => Err(format!("`{name}` is no commit of the local object store{}", self.note)),
        }
    }

    fn tags(&self) -> Vec<String> {
        names_below(self.repository, "refs/tags/")
    }

    fn commit(&self, id: gix::ObjectId) -> Option<gix::ObjectId> {
        commit_of(self.repository, id)
    }

    fn abbreviated(&self, digits: &str) -> Result<Option<gix::ObjectId>, String> {
        abbreviated(self.repository, digits)
    }
}

/// The commit that an object is, or that a tag object names.
pub(super) fn commit_of(local: &gix::Repository, id: gix::ObjectId) -> Option<gix::ObjectId> {
    let object = local.try_find_object(id).ok()??;
    object.peel_to_kind(gix::object::Kind::Commit).ok().map(|commit| commit.id)
}

/// The only commit of the object store that begins with these digits.
pub(super) fn abbreviated(local: &gix::Repository, digits: &str) -> Result<Option<gix::ObjectId>, String> {
    let prefix = gix::hash::Prefix::from_hex(&digits.to_ascii_lowercase()).map_err(|error| error.to_string())?;
    let mut candidates = std::collections::HashSet::default();
    local.objects.lookup_prefix(prefix, Some(&mut candidates)).map_err(|error| error.to_string())?;
    // Only commits count: a blob that begins alike does not make it ambiguous.
    let kind = |id: &gix::ObjectId| local.find_header(*id).ok().map(|header| header.kind());
    let mut commits = candidates.into_iter().filter(|id| kind(id) == Some(gix::object::Kind::Commit));
    match (commits.next(), commits.next()) {
        (None, _) => Ok(None),
        (Some(commit), None) => Ok(Some(commit)),
        (Some(_), Some(_)) => Err(format!("`{digits}` is ambiguous: several commits begin with it")),
    }
}

pub(super) fn names_below(local: &gix::Repository, prefix: &str) -> Vec<String> {
    let Ok(platform) = local.references() else { return Vec::new() };
    let Ok(all) = platform.all() else { return Vec::new() };
    let mut names: Vec<String> = all
        .filter_map(Result::ok)
        .filter_map(|found| Some(found.name().as_bstr().strip_prefix(prefix.as_bytes())?.to_str_lossy().into_owned()))
        .collect();
    names.sort();
    names
}

/// Branches and tags as people write them.
pub(super) fn names(local: &gix::Repository) -> Vec<String> {
    let mut names = names_below(local, "refs/heads/");
    names.extend(names_below(local, "refs/tags/"));
    let remote = names_below(local, "refs/remotes/");
    names.extend(remote.iter().filter_map(|name| name.split_once('/')).map(|(_, name)| name.to_owned()));
    names.sort();
    names.dedup();
    names
}

fn read_remotes(local: &gix::Repository) -> (Vec<Remote>, Vec<(String, String)>) {
    let snapshot = local.config_snapshot();
    let config = snapshot.plumbing();
    let mut remotes: Vec<Remote> = Vec::new();
    for section in config.sections_by_name("remote").into_iter().flatten() {
        let Some(name) = section.header().subsection_name().map(|name| name.to_str_lossy().into_owned()) else {
            continue;
        };
        let urls = section.body().values("url").into_iter().map(|url| url.to_str_lossy().into_owned());
        match remotes.iter_mut().find(|remote| remote.name == name) {
            Some(remote) => remote.urls.extend(urls),
            None => remotes.push(Remote { name, urls: urls.collect() }),
        }
    }
    let mut instead_of = Vec::new();
    for section in config.sections_by_name("url").into_iter().flatten() {
        let Some(base) = section.header().subsection_name().map(|base| base.to_str_lossy().into_owned()) else {
            continue;
        };
        let prefixes = section.body().values("insteadOf");
        instead_of.extend(prefixes.into_iter().map(|prefix| (prefix.to_str_lossy().into_owned(), base.clone())));
    }
    (remotes, instead_of)
}
