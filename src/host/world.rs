//! All trees of a run behind one [`World`]: the fleet's own, the mapped repositories, and the commits that were asked for.
//!
//! Tree 0 is the fleet's own. Where the fleet lies in a folder of a git checkout its tree begins at the root of the checkout, because
//! that is where the paths of Applications begin; [`HostWorld::fleet`] is the folder in it. Equal commits are one tree, however
//! they were asked for, so that equal renders are found. Answers do not change during a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use rustc_hash::FxHashMap;

use super::charts;
use super::edited::{Edited, Edits};
use super::fetch::{Remote, Report, Sources, settle};
use super::files::{Disk, FILE_LIMIT};
use super::git::{Checkout, PastFile, Revision};
use super::seen::{Question, Seen};
use super::tree::{Files, Store};
use crate::diag::{Cause, Checked, Diagnostic};
use crate::lock::Pin;
use crate::path::{FilePath, TreeId, TreePath};
use crate::source::{SourceKind, SourceRequest, is_answered_by, without_credentials};
use crate::span::{SourceFile, SourceMap, Span};
use crate::world::{Entry, Lookup, Program, Tree, World};

/// What the command line says about repositories.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    /// `--repo URL=PATH`: the folder that answers a URL, relative to the current directory or absolute.
    pub repositories: Vec<(String, PathBuf)>,
    /// `--branch NAME`: the branch that the fleet's working tree stands for, and every mapped folder that is no git checkout.
    pub branch: Option<String>,
    /// The commit that stands for the working tree, in git's syntax (`HEAD~1`, `origin/main`, `A...B`): the fleet as it was there, read from
    /// the object store. What lies in the checkout is not looked at.
    pub revision: Option<String>,
    /// Where is noted what is looked at.
    pub seen: Seen,
    /// Files of the fleet's folder that are read as they stand here, whatever lies on disk: what a file would do before it is written.
    pub trial: Vec<(String, Arc<[u8]>)>,
    /// Files of the fleet's own tree that are read as if they held this.
    pub edits: Edits,
}

/// A folder that answers a repository.
struct Repository {
    /// What goes before paths in names for people, without the commit; empty for the fleet's own.
    label: String,
    /// Where revisions come from; `None` for a plain folder, which has only one.
    checkout: Option<Checkout>,
    /// The branch that `--branch` names, where it is meant for this folder.
    branch: Option<String>,
    /// The files on disk; none for a bare repository.
    disk: OnceLock<Result<TreeId, String>>,
    folder: PathBuf,
    commits: Mutex<BTreeMap<gix::ObjectId, Result<TreeId, String>>>,
}

/// The world of a fleet on this machine.
pub struct HostWorld {
    sources: Arc<SourceMap>,
    folder: PathBuf,
    fleet: FilePath,
    branch: Option<String>,
    /// The commit that stands for the working tree.
    revision: Option<gix::ObjectId>,
    seen: Seen,
    own: Arc<Repository>,
    /// The checkout that holds the fleet's tree, where that does not begin at its root.
    outer: Option<Arc<Repository>>,
    mapped: Vec<(String, Arc<Repository>)>,
    /// Charts in mapped folders, by their folder or archive.
    charts: Mutex<BTreeMap<PathBuf, Result<TreeId, String>>>,
    /// What was fetched; without, nothing is.
    remote: Option<Remote>,
    trees: RwLock<Vec<Arc<Files>>>,
    lookups: RwLock<FxHashMap<SourceRequest, Lookup>>,
}

impl HostWorld {
    /// The world of the fleet in this folder, which may lie in a git checkout or be a plain folder.
    ///
    /// # Errors
    /// The folder or a mapped one does not exist or is none, or a git repository cannot be opened.
    pub fn open(folder: &Path, options: &HostOptions) -> Checked<Self> {
        let seen = &options.seen;
        let folder = directory(folder, seen)?;
        let mut targets = Vec::new();
        for (url, path) in &options.repositories {
            targets.push((url.clone(), directory(path, seen)?));
        }
        let git = |reason: String| Diagnostic::error("host/git", Span::NONE, reason).cause(Cause::Source);
        let mut checkout =
            Checkout::discover(&folder, seen).map_err(git)?.filter(|checkout| checkout.workdir().is_some());
        if let Some(found) = &checkout {
            let below = within(&folder, found.workdir().unwrap_or(&folder)).unwrap_or_else(TreePath::root);
            if found.tracked(TreePath::root()).map_err(git)?.is_some_and(|tracked| tracked.is_foreign(&below)) {
                checkout = None;
            }
        }
        let workdir = checkout.as_ref().and_then(Checkout::workdir).map_or_else(|| folder.clone(), Path::to_owned);
        // A mapped folder between the root of the checkout (or of everything) and the fleet is where the fleet's paths begin.
        let inner = targets.iter().map(|(_, target)| target).filter(|target| folder.starts_with(target));
        let inner = inner.filter(|target| checkout.is_none() || target.starts_with(&workdir));
        let inner = inner.max_by_key(|target| target.as_os_str().len());
        let root = inner.cloned().unwrap_or_else(|| workdir.clone());

        let mut world = HostWorld {
            sources: Arc::default(),
            fleet: FilePath::new(TreeId(0), within(&folder, &root).unwrap_or_else(TreePath::root)),
            branch: options.branch.as_deref().map(|name| name.strip_prefix("refs/heads/").unwrap_or(name).to_owned()),
            revision: None,
            seen: seen.clone(),
            own: Arc::new(Repository::new(root.clone(), String::new(), None, None)),
            outer: None,
            mapped: Vec::new(),
            charts: Mutex::default(),
            remote: None,
            trees: RwLock::default(),
            lookups: RwLock::default(),
            folder,
        };
        let branch = world.branch.clone();
        let whole = root == workdir;
        world.revision = match &options.revision {
            None => None,
            Some(text) => Some(commit_of(text, checkout.as_ref(), &world.folder)?),
        };
        if let Some(commit) = world.revision {
            checkout = checkout.map(|checkout| checkout.at_commit(commit));
        }
        let disk: Box<dyn Store> = match (&checkout, world.revision) {
            (Some(checkout), Some(commit)) => subtree(checkout, commit, &root, &workdir)?,
            (Some(checkout), None) => {
                let base = within(&root, &workdir).unwrap_or_else(TreePath::root);
                Box::new(Disk::new(root.clone(), checkout.tracked(base).map_err(git)?, seen.clone()))
            }
            (None, _) => Box::new(Disk::new(root.clone(), None, seen.clone())),
        };
        let trial = options.trial.iter().filter_map(|(name, bytes)| {
            let path = world.fleet.path.join(name).ok()?;
            Some((path, Arc::clone(bytes)))
        });
        let edits: Edits = options.edits.clone().into_iter().chain(trial).collect();
        let disk = if edits.is_empty() { disk } else { Box::new(Edited::new(disk, edits)) };
        let id = world.add(disk, world.shown());
        let own =
            Repository::new(root.clone(), String::new(), if whole { checkout.take() } else { None }, branch.clone());
        let _ = own.disk.set(Ok(id));
        world.own = Arc::new(own);
        if let Some(checkout) = checkout.take() {
            let label = format!("{}/", workdir.display());
            let outer = Repository::new(workdir, label, Some(checkout), branch);
            if let (Some(checkout), Some(commit)) = (&outer.checkout, world.revision) {
                let tree = checkout.tree(commit).map_err(git)?;
                let _ = outer.disk.set(Ok(world.add(Box::new(tree), world.shown())));
            }
            world.outer = Some(Arc::new(outer));
        }
        for (url, target) in targets {
            let repository = world.repository(&target, &url).map_err(git)?;
            if repository.checkout.is_none() && repository.disk.get().is_none() {
                world.revise(&repository)?;
            }
            world.mapped.push((url, repository));
        }
        Ok(world)
    }

    /// What goes before paths of the commit that stands for the working tree; nothing before those of the working tree itself.
    fn shown(&self) -> String {
        self.revision.map(|commit| format!("{}:", commit.to_hex_with_len(12))).unwrap_or_default()
    }

    /// Lets a mapped folder of the fleet's own checkout be what it was in the commit that stands for the working tree.
    fn revise(&self, repository: &Repository) -> Checked<()> {
        let Some(commit) = self.revision else { return Ok(()) };
        let around = [self.outer.as_ref(), Some(&self.own)].into_iter().flatten();
        for outer in around {
            if let Some(checkout) = &outer.checkout
                && repository.folder.starts_with(&outer.folder)
            {
                let tree = subtree(checkout, commit, &repository.folder, &outer.folder)?;
                let label = format!("{}{}", self.shown(), repository.label);
                let _ = repository.disk.set(Ok(self.add(tree, label)));
            }
        }
        Ok(())
    }

    /// Whether a commit stands for the working tree: then that is [`HostWorld::head`].
    pub fn is_of_a_commit(&self) -> bool {
        self.revision.is_some()
    }

    /// The commit that the fleet was opened at, or that is checked out; empty where it lies in no git checkout.
    pub fn head(&self) -> String {
        let known = [Some(&self.own), self.outer.as_ref()];
        let checkout = known.into_iter().flatten().find_map(|repository| repository.checkout.as_ref());
        checkout.map(Checkout::head).unwrap_or_default()
    }

    /// The URLs of the checkout's remotes, without credentials; none where it lies in no git checkout.
    pub fn remotes(&self) -> Vec<String> {
        let known = [Some(&self.own), self.outer.as_ref()];
        let checkout = known.into_iter().flatten().find_map(|repository| repository.checkout.as_ref());
        checkout.map(Checkout::urls).unwrap_or_default()
    }

    /// What a file of the fleet's checkout was in the past; see [`PastFile`]. Nothing where it lies in no checkout.
    ///
    /// # Errors
    /// The history cannot be read: the reason for people.
    pub fn versions(&self, file: &Path, most: usize) -> Result<Vec<PastFile>, String> {
        let known = [Some(&self.own), self.outer.as_ref()];
        let checkout = known.into_iter().flatten().find_map(|repository| repository.checkout.as_ref());
        let path = checkout.and_then(Checkout::workdir).and_then(|workdir| within(file, workdir));
        match (checkout, path) {
            (Some(checkout), Some(path)) => checkout.versions(&path, most),
            _ => Ok(Vec::new()),
        }
    }

    /// The same with the sources that lie in no folder here.
    #[must_use]
    pub fn fetching(self, sources: Arc<Sources>) -> Self {
        HostWorld { remote: Some(Remote::new(sources)), lookups: RwLock::default(), ..self }
    }

    /// Works, fetches what is wanted and is not here, all at once, and works again, until nothing more can be fetched; and whether it
    /// came to that. Every source is asked for once in a run, so only sources that lead to new ones for ever do not.
    pub fn settle<T>(&self, report: Report<'_>, work: impl FnMut() -> (T, BTreeSet<SourceRequest>)) -> (T, bool) {
        settle(work, |wanted| {
            let Some(remote) = &self.remote else { return 0 };
            let count = remote.fetch(wanted.iter().filter(|request| self.mapped(request).is_none()), report);
            // Between two rounds nobody asks.
            let mut lookups = self.lookups.write().unwrap_or_else(PoisonError::into_inner);
            lookups.retain(|_, found| matches!(found, Lookup::Here(_)));
            count
        })
    }

    /// The folder that a source is mapped to.
    fn mapped(&self, source: &SourceRequest) -> Option<&Arc<Repository>> {
        self.mapped.iter().find(|(url, _)| is_answered_by(url, &source.url)).map(|(_, repository)| repository)
    }

    /// What fleet.lock pins a source to.
    fn pin(&self, source: &SourceRequest) -> Option<Pin> {
        self.remote.as_ref()?.sources.pin(source)
    }

    /// What was fetched of a source; else why there is nothing.
    fn fetched(&self, source: &SourceRequest) -> Option<Result<Tree, (String, Option<String>)>> {
        let remote = self.remote.as_ref()?;
        let found = remote.tree(source, |store, label| self.add(store, label));
        Some(found.map_err(|missing| (missing.reason, missing.hint)))
    }

    /// The fleet's folder: in tree 0, which begins at the root of the git checkout if there is one.
    pub fn fleet(&self) -> &FilePath {
        &self.fleet
    }

    /// The fleet's folder on disk, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files read so far.
    pub fn sources(&self) -> &Arc<SourceMap> {
        &self.sources
    }

    fn add(&self, store: Box<dyn Store>, label: String) -> TreeId {
        let files = Arc::new(Files::new(store, Arc::clone(&self.sources), label, FILE_LIMIT));
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        trees.push(files);
        TreeId(u32::try_from(trees.len() - 1).unwrap_or(u32::MAX))
    }

    fn files(&self, path: &FilePath) -> Checked<Arc<Files>> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        let found = trees.get(path.tree.0 as usize).cloned();
        found.ok_or_else(|| {
            Diagnostic::error("world/missing", Span::NONE, format!("`{}` is in no known tree", path.path)).into()
        })
    }

    /// The repository in a folder; every folder is opened once.
    fn repository(&self, folder: &Path, url: &str) -> Result<Arc<Repository>, String> {
        let mut known = [&self.own].into_iter().chain(self.mapped.iter().map(|(_, repository)| repository));
        if let Some(known) = known.find(|repository| repository.folder == folder) {
            return Ok(Arc::clone(known));
        }
        let checkout = Checkout::at(folder, &self.seen)?;
        // The name of a git checkout's branch is its own business.
        let branch = if checkout.is_none() { self.branch.clone() } else { None };
        let label = match within(folder, &self.own.folder) {
            Some(below) if checkout.is_none() => format!("{below}/"),
            _ => without_credentials(url),
        };
        Ok(Arc::new(Repository::new(folder.to_owned(), label, checkout, branch)))
    }

    /// Whether a folder holds what the checkout has now, where a commit stands for its working tree.
    fn is_past(&self, repository: &Repository) -> bool {
        let around = [self.outer.as_ref(), Some(&self.own)].into_iter().flatten();
        let mut around = around.filter(|outer| outer.checkout.is_some());
        self.revision.is_some() && around.any(|outer| repository.folder.starts_with(&outer.folder))
    }

    fn look_up(&self, source: &SourceRequest) -> Lookup {
        match (&source.kind, self.mapped(source)) {
            (SourceKind::Git, Some(repository)) => return self.at_revision(repository, source),
            (SourceKind::Git, None) => {}
            (SourceKind::Chart(_) | SourceKind::Oci, Some(repository)) if self.is_past(repository) => {
                let folder = repository.folder.display();
                let reason = format!("`{folder}` is a folder of the checkout, and the fleet is read as of a commit");
                let hint = "check that commit out beside this one and run fleetc there";
                return Lookup::Absent { reason, hint: Some(hint.to_owned()) };
            }
            (SourceKind::Chart(name), Some(repository)) => return self.chart(repository, source, name),
            (SourceKind::Oci, Some(repository)) => return self.chart(repository, source, ""),
            (SourceKind::Chart(_) | SourceKind::Oci | SourceKind::File, _) => return self.elsewhere(source),
        }
        let answers = |repository: &&Arc<Repository>| {
            repository.checkout.as_ref().is_some_and(|checkout| checkout.answers(&source.url))
        };
        let own = [Some(&self.own), self.outer.as_ref()].into_iter().flatten().find(answers);
        if let Some(repository) = own {
            // What a shallow clone does not have, its remote may.
            return match self.at_revision(repository, source) {
                Lookup::Absent { reason, hint } => match self.fetched(source) {
                    Some(Ok(tree)) => Lookup::Here(tree),
                    Some(Err((why, _))) => Lookup::Absent { reason: format!("{reason}; {why}"), hint },
                    None => Lookup::Absent { reason, hint },
                },
                here @ Lookup::Here(_) => here,
            };
        }
        let url = without_credentials(&source.url);
        let hint = format!("say which folder it is: `--repo {url}=PATH`, or `repositories:` in fleet.yaml");
        match self.fetched(source) {
            Some(Ok(tree)) => return Lookup::Here(tree),
            Some(Err((reason, other))) => return Lookup::Absent { reason, hint: other.or(Some(hint)) },
            None => {}
        }
        let checkout =
            [Some(&self.own), self.outer.as_ref()].into_iter().flatten().find_map(|known| known.checkout.as_ref());
        let remotes = checkout.map(|checkout| checkout.urls()).unwrap_or_default();
        let reason = match (checkout, remotes.as_slice()) {
            (None, _) => "no folder is known for it, and the fleet lies in no git checkout".to_owned(),
            (Some(_), []) => "no folder is known for it, and this checkout has no remotes".to_owned(),
            (Some(_), urls) => {
                let urls: Vec<String> = urls.iter().map(|url| format!("`{url}`")).collect();
                format!("no folder is known for it; the remotes of this checkout are {}", urls.join(", "))
            }
        };
        Lookup::Absent { reason, hint: Some(hint) }
    }

    /// A source that lies in no folder: what was fetched of it, or what can be done without fetching.
    fn elsewhere(&self, source: &SourceRequest) -> Lookup {
        let url = without_credentials(&source.url);
        let by_hand = match &source.kind {
            SourceKind::File => "download it into the repository and name that file instead of the URL".to_owned(),
            SourceKind::Chart(_) | SourceKind::Oci | SourceKind::Git => {
                let name = if let SourceKind::Chart(name) = &source.kind { name } else { "" };
                let pull = charts::pull(name, &source.revision, &url, "vendor/charts");
                format!("{pull}, and in fleet.yaml `repositories: [{{url: {url}, path: vendor/charts}}]`")
            }
        };
        match self.fetched(source) {
            Some(Ok(tree)) => Lookup::Here(tree),
            Some(Err((reason, hint))) => Lookup::Absent { reason, hint: hint.or(Some(by_hand)) },
            None => Lookup::Absent { reason: "no folder is known that has it".to_owned(), hint: Some(by_hand) },
        }
    }

    /// A chart in the folder that stands for its repository.
    fn chart(&self, repository: &Repository, source: &SourceRequest, name: &str) -> Lookup {
        let url = without_credentials(&source.url);
        let shown = within(&repository.folder, &self.own.folder);
        let shown = shown.map_or_else(
            || repository.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            |path| path.to_string(),
        );
        let find = |revision: &str| charts::find(&repository.folder, &shown, name, revision, &source.url, &self.seen);
        // The pinned version, where the folder still has it: what the folder has is as much an input as the lock is.
        let pinned = self.pin(source).and_then(|pin| find(&pin.resolved).ok());
        let found = match pinned.map_or_else(|| find(&source.revision), Ok) {
            Ok(found) => found,
            Err((reason, hint)) => return Lookup::Absent { reason, hint: Some(hint) },
        };
        let label = match within(&found.path, &self.own.folder) {
            Some(below) => format!("{below}/"),
            None => format!("{url}/{}/", found.path.file_name().unwrap_or_default().to_string_lossy()),
        };
        let mut trees = self.charts.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let store: Box<dyn Store> = match found.path.is_dir() {
                true => Box::new(Disk::new(found.path.clone(), None, self.seen.clone())),
                false => Box::new(charts::unpack(&found.path, &self.seen)?),
            };
            Ok(self.add(store, label))
        };
        match trees.entry(found.path.clone()).or_insert_with(make).clone() {
            Ok(id) => Lookup::Here(Tree { id, commit: found.version, working: false, digest: None }),
            Err(reason) => Lookup::Absent { reason, hint: None },
        }
    }

    fn at_revision(&self, repository: &Repository, source: &SourceRequest) -> Lookup {
        let text = source.revision.as_str();
        let revision = match &repository.checkout {
            Some(checkout) => checkout.revision(text, &source.url, repository.branch.as_deref()),
            None => {
                let branch = text.strip_prefix("refs/heads/").unwrap_or(text);
                if matches!(text, "" | "HEAD") || repository.branch.as_deref() == Some(branch) {
                    Revision::Working
                } else {
                    Revision::Absent {
                        reason: format!("a plain folder has no revision `{text}`"),
                        hint: Some(format!("say `--branch {text}` if it is that branch, or use a git checkout")),
                    }
                }
            }
        };
        let revision = match (revision, &repository.checkout, self.pin(source)) {
            (Revision::Working, _, _) => Revision::Working,
            (revision, Some(checkout), Some(pin)) => match (checkout.commit(&pin.resolved), revision) {
                (Some(id), _) => Revision::Commit(id),
                (None, Revision::Commit(_)) => Revision::Absent {
                    reason: format!(
                        "fleet.lock pins it to {}, which the local object store does not have",
                        pin.resolved
                    ),
                    hint: Some("fetch it before: `git fetch`; or move the pin: `fleetc update`".to_owned()),
                },
                (None, revision) => revision,
            },
            (revision, _, _) => revision,
        };
        let (tree, commit, working) = match revision {
            Revision::Absent { reason, hint } => return Lookup::Absent { reason, hint },
            Revision::Working => {
                let head = repository.checkout.as_ref().map(Checkout::head).unwrap_or_default();
                (self.disk(repository), head, true)
            }
            Revision::Commit(id) => (self.commit(repository, id), id.to_string(), false),
        };
        match tree {
            Ok(id) => Lookup::Here(Tree { id, commit, working, digest: None }),
            Err(reason) => Lookup::Absent { reason, hint: None },
        }
    }

    fn disk(&self, repository: &Repository) -> Result<TreeId, String> {
        let make = || {
            let tracked = match &repository.checkout {
                Some(checkout) => checkout.tracked(TreePath::root())?,
                None => None,
            };
            let label = match repository.label.as_str() {
                label if label.is_empty() || label.ends_with('/') => label.to_owned(),
                label => format!("{label}:"),
            };
            Ok(self.add(Box::new(Disk::new(repository.folder.clone(), tracked, self.seen.clone())), label))
        };
        repository.disk.get_or_init(make).clone()
    }

    fn commit(&self, repository: &Repository, id: gix::ObjectId) -> Result<TreeId, String> {
        let Some(checkout) = &repository.checkout else { return Err("a plain folder has no commits".to_owned()) };
        let mut commits = repository.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let short = id.to_hex_with_len(12);
            let label = match repository.label.trim_end_matches('/') {
                "" => format!("{short}:"),
                label => format!("{label}@{short}:"),
            };
            Ok(self.add(Box::new(checkout.tree(id)?), label))
        };
        commits.entry(id).or_insert_with(make).clone()
    }
}

impl Repository {
    fn new(folder: PathBuf, label: String, checkout: Option<Checkout>, branch: Option<String>) -> Self {
        Repository { label, checkout, branch, disk: OnceLock::new(), folder, commits: Mutex::default() }
    }
}

impl World for HostWorld {
    fn run(&self, program: &Program) -> Checked<Vec<u8>> {
        // What else it reads nobody knows.
        self.seen.beyond();
        super::program::run(program)
    }

    fn tree(&self, source: &SourceRequest) -> Lookup {
        if let Some(known) = self.lookups.read().unwrap_or_else(PoisonError::into_inner).get(source) {
            return known.clone();
        }
        let found = self.look_up(source);
        let mut lookups = self.lookups.write().unwrap_or_else(PoisonError::into_inner);
        lookups.entry(source.clone()).or_insert(found).clone()
    }

    fn list(&self, directory: &FilePath) -> Checked<Arc<[Entry]>> {
        self.files(directory)?.list(&directory.path)
    }

    fn read(&self, file: &FilePath) -> Checked<Arc<SourceFile>> {
        self.files(file)?.read(&file.path)
    }
}

/// The commit that a revision of the fleet's checkout stands for.
fn commit_of(text: &str, checkout: Option<&Checkout>, folder: &Path) -> Checked<gix::ObjectId> {
    let wrong = |reason: String| Diagnostic::error("host/revision", Span::NONE, reason).cause(Cause::Usage);
    let Some(checkout) = checkout else {
        let reason = format!("`{}` lies in no git checkout, so it has no revision `{text}`", folder.display());
        return Err(wrong(reason).into());
    };
    let found = checkout.specified(text);
    found.map_err(|(reason, hint)| hint.into_iter().fold(wrong(reason), Diagnostic::hint).into())
}

/// The files of a folder of a checkout as they were in a commit.
fn subtree(checkout: &Checkout, commit: gix::ObjectId, folder: &Path, workdir: &Path) -> Checked<Box<dyn Store>> {
    let wrong = |reason: String| Diagnostic::error("host/revision", Span::NONE, reason).cause(Cause::Usage);
    let below = within(folder, workdir).unwrap_or_else(TreePath::root);
    match checkout.subtree(commit, &below).map_err(wrong)? {
        Some(tree) => Ok(Box::new(tree)),
        None => Err(wrong(format!("the commit {} has no folder `{below}`", commit.to_hex_with_len(12))).into()),
    }
}

/// The absolute path of a folder that exists.
fn directory(path: &Path, seen: &Seen) -> Checked<PathBuf> {
    seen.ask(Question::Place, path);
    let wrong = |text: String| Diagnostic::error("host/folder", Span::NONE, text).cause(Cause::Usage);
    let found = path
        .canonicalize()
        .map_err(|error| wrong(format!("the folder `{}` cannot be opened: {error}", path.display())))?;
    if !found.is_dir() {
        return Err(wrong(format!("`{}` is no folder", path.display())).into());
    }
    Ok(found)
}

/// A folder as seen from one above it.
fn within(folder: &Path, above: &Path) -> Option<TreePath> {
    TreePath::new(folder.strip_prefix(above).ok()?.to_str()?).ok()
}
