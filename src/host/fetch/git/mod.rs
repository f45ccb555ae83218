//! Git repositories: what their revisions stand for now, and their commits in the store.
//!
//! A commit is brought as one pack without history where the server can do that, with all of it where not, and its submodules after it, as
//! Argo CD checks them out. Repositories on this machine (`file://`, a path) are read where they are; a submodule of a remote repository
//! never is one (CVE-2022-39253). No git program is started; ssh is. `ARGOCD_GIT_MODULES_ENABLED` is a setting of a server and would make a
//! render depend on the environment: whether there are submodules is an option. Large files (LFS) are fetched where that is asked for; else
//! reading their pointer is an error.

mod address;
mod http;
mod large;
mod push;
mod repository;
mod ssh;
mod submodules;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gix::ObjectId;

use self::address::Address;
pub(in crate::host) use self::push::pack;
pub use self::push::{Update, Verdict};
use self::repository::Repository;
use self::submodules::{Link, MAX_DEPTH, Mounted, Mounts};
use self::wire::{Meter, Reference, Session, Sizes, Want, foreign_objects};
use super::super::git::{Checkout, Local, abbreviated, names};
use super::super::objects::{CommitTree, Objects};
use super::super::revision::{self, References};
use super::super::seen::Seen;
use super::super::tree;
use super::http::Client;
use super::{Fault, Fetcher, Store};
use crate::diag::near_matches;
use crate::lock::Pin;
use crate::path::TreePath;
use crate::source::{SourceRequest, WITHOUT_SUBMODULES, is_answered_by, without_credentials};

/// How git sources are fetched.
#[derive(Clone, Debug)]
pub struct GitOptions {
    /// Whether submodules belong to a commit; Argo CD's default.
    pub submodules: bool,
    /// URLs of repositories to which they do not belong.
    pub without_submodules: Vec<String>,
    /// URLs of repositories whose large files (LFS) are fetched, beside those whose Secret says so.
    pub large: Vec<String>,
    /// `GIT_SSH_COMMAND`: a command line that stands for ssh.
    pub ssh_command: Option<std::ffi::OsString>,
    /// The program for ssh where there is no command line.
    pub ssh: std::ffi::OsString,
    /// Silence of a server that is waited for.
    pub patience: Duration,
    /// Bytes of a list of references that are taken.
    pub max_references: u64,
    /// Bytes of a pack that are taken.
    pub max_pack: u64,
}

impl Default for GitOptions {
    fn default() -> Self {
        GitOptions {
            submodules: true,
            without_submodules: Vec::new(),
            large: Vec::new(),
            ssh_command: None,
            ssh: "ssh".into(),
            patience: Duration::from_secs(60),
            max_references: 256 << 20,
            max_pack: 8 << 30,
        }
    }
}

impl GitOptions {
    /// With the ssh that the environment names for git.
    #[must_use]
    pub fn with_environment(self) -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let ssh = set("GIT_SSH").unwrap_or_else(|| self.ssh.clone());
        GitOptions { ssh_command: set("GIT_SSH_COMMAND").or_else(|| self.ssh_command.clone()), ssh, ..self }
    }
}

/// The references of servers as they were when this run first asked.
type Listed = Arc<Mutex<Option<Arc<BTreeMap<String, ObjectId>>>>>;

/// Who fetches git repositories.
pub struct Git {
    store: Store,
    client: Arc<Client>,
    options: GitOptions,
    listed: Mutex<BTreeMap<String, Listed>>,
}

impl Git {
    /// Into this store, by this client.
    pub fn new(store: Store, client: Arc<Client>, options: GitOptions) -> Self {
        Git { store, client, options, listed: Mutex::default() }
    }

    /// The URL of a request and where it leads; whether its submodules belong to it.
    fn place<'r>(&self, request: &'r SourceRequest) -> Result<(&'r str, Address, bool), Fault> {
        let bare = request.url.strip_suffix(WITHOUT_SUBMODULES);
        let url = bare.unwrap_or(&request.url);
        let left_out = self.options.without_submodules.iter().any(|said| is_answered_by(said, url));
        Ok((url, Address::parse(url)?, self.options.submodules && bare.is_none() && !left_out))
    }

    fn sizes(&self) -> Sizes {
        Sizes { references: self.options.max_references, pack: self.options.max_pack }
    }

    /// Talks to a server.
    fn talk<T>(&self, url: &str, to: &Address, say: impl FnOnce(Session<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let meter = Meter::new(0);
        let access = self.client.credentials().access(url)?;
        match to {
            Address::Http(bare) => {
                let transport = http::transport(&self.client, bare, access, meter.clone())?;
                say(Session::open(Box::new(transport), meter, self.sizes())?)
            }
            Address::Ssh(to) => {
                let key = access.ssh_key.as_ref().map(super::Hidden::reveal);
                let known_hosts = self.client.credentials().known_hosts();
                let identity = ssh::Identity::new(key, Some(known_hosts), access.insecure)?;
                let (connection, mut running) = ssh::start(&self.options, to, &identity, &meter)?;
                let session = Session::open(Box::new(connection), meter, self.sizes());
                session.and_then(say).map_err(|fault| running.explain(fault))
            }
            Address::Local(path) => Err(Fault::lasting(format!("`{}` is on this machine", path.display()))),
        }
    }

    /// The references of a server, asked for once a run: one list for all revisions of a repository.
    fn references(&self, url: &str, to: &Address) -> Result<Arc<BTreeMap<String, ObjectId>>, Fault> {
        let slot = Arc::clone(self.listed.lock().unwrap_or_else(PoisonError::into_inner).entry(to.name()).or_default());
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*slot {
            return Ok(Arc::clone(known));
        }
        let found = self.talk(url, to, |mut session| session.references(&["HEAD", "refs/heads/", "refs/tags/"]))?;
        let found: BTreeMap<_, _> = found.into_iter().map(|Reference { name, id }| (name, id)).collect();
        Ok(Arc::clone(slot.insert(Arc::new(found))))
    }

    fn resolve_remote(&self, url: &str, to: &Address, text: &str) -> Result<ObjectId, Fault> {
        let known = self.references(url, to)?;
        let found = |among: &BTreeMap<String, ObjectId>| revision::find(text, &Remote(among)).map_err(Fault::lasting);
        if let Some(commit) = found(&known)? {
            return Ok(commit);
        }
        // Not a branch or tag: pull requests and notes, of which servers have very many.
        if text.contains('/') {
            let full = if text.starts_with("refs/") { text.to_owned() } else { format!("refs/{text}") };
            let others = self.talk(url, to, |mut session| session.references(&[&full]))?;
            let others = others.into_iter().map(|Reference { name, id }| (name, id)).collect();
            if let Some(commit) = found(&others)? {
                return Ok(commit);
            }
        }
        if revision::is_abbreviated(text)
            && let Some(commit) = self.by_history(url, to, text, &known)?
        {
            return Ok(commit);
        }
        let short = |name: &String| {
            name.rsplit_once("refs/heads/")
                .or_else(|| name.rsplit_once("refs/tags/"))
                .map(|(_, short)| short.to_owned())
        };
        Err(absent(text, &known.keys().filter_map(short).collect::<Vec<_>>()))
    }

    /// The commit that begins with these digits, among all of the server's: its history is needed to know.
    fn by_history(
        &self,
        url: &str,
        to: &Address,
        digits: &str,
        known: &BTreeMap<String, ObjectId>,
    ) -> Result<Option<ObjectId>, Fault> {
        let repository = self.stored(to);
        let look = || abbreviated(&repository.open()?.to_thread_local(), digits).map_err(Fault::lasting);
        let _guard = self.store.guard("git", &to.name())?;
        repository.prepare()?;
        if let Some(commit) = look()? {
            return Ok(Some(commit));
        }
        self.bring_history(url, to, &repository, known, true)?;
        look()
    }

    fn stored(&self, to: &Address) -> Repository {
        Repository::new(self.store.folder("git", &to.name()))
    }

    /// Brings all branches and tags with their history.
    fn bring_history(
        &self,
        url: &str,
        to: &Address,
        repository: &Repository,
        known: &BTreeMap<String, ObjectId>,
        bare_history: bool,
    ) -> Result<(), Fault> {
        let mut commits: Vec<ObjectId> = known.values().copied().collect();
        commits.sort();
        commits.dedup();
        if commits.is_empty() {
            return Ok(());
        }
        let want = Want { commits, bare_history, ..Want::default() };
        self.talk(url, to, |session| session.fetch(&want, &mut |pack| repository.take(pack)))
    }

    /// Brings a commit, with its submodules where it is said how deep they are.
    fn bring(&self, url: &str, to: &Address, commit: ObjectId, depth: Option<usize>) -> Result<(), Fault> {
        if let Address::Local(path) = to {
            return self.bring_links(url, to, &local(path)?, commit, depth);
        }
        let repository = self.stored(to);
        if !repository.has(commit) {
            let _guard = self.store.guard("git", &to.name())?;
            if !repository.has(commit) {
                repository.prepare()?;
                self.bring_commit(url, to, &repository, commit)?;
            }
        }
        self.bring_large(url, to, &repository, commit)?;
        self.bring_links(url, to, &repository.open()?, commit, depth)
    }

    /// Whether the options say that large files are fetched.
    fn wants_large(&self, url: &str) -> bool {
        self.options.large.iter().any(|said| is_answered_by(said, url))
    }

    fn bring_large(&self, url: &str, to: &Address, repository: &Repository, commit: ObjectId) -> Result<(), Fault> {
        let said = self.wants_large(url) || self.client.credentials().access(url)?.lfs;
        if !said || repository.large(commit).is_some_and(|note| large::is_whole(&self.store, &note)) {
            return Ok(());
        }
        let opened = repository.open()?.to_thread_local();
        let wanted = large::wanted(&opened, commit)?;
        let missing = wanted.iter().filter(|(digest, _)| !self.store.place(digest).is_file());
        let missing: large::Wanted = missing.map(|(digest, size)| (*digest, *size)).collect();
        if !missing.is_empty() {
            let endpoint = large::endpoint(&opened, commit, to)?;
            large::fetch(&self.client, &self.store, url, &endpoint, &missing)?;
        }
        Ok(repository.note_large(commit, &large::note(&wanted))?)
    }

    fn bring_commit(&self, url: &str, to: &Address, repository: &Repository, commit: ObjectId) -> Result<(), Fault> {
        // A killed process may have come that far.
        if repository.settle(commit)? {
            return Ok(());
        }
        for have in [repository.have(), Vec::new()] {
            let told = !have.is_empty();
            let want = Want { commits: vec![commit], have, shallow: true, bare_history: false };
            match self.talk(url, to, |session| session.fetch(&want, &mut |pack| repository.take(pack))) {
                Ok(()) if repository.settle(commit)? => return Ok(()),
                // What we have may not be what the server takes it for.
                Ok(()) => {}
                Err(fault) if told && repository::is_damaged(&fault) => {}
                // Servers do not all give what no reference names, nor all without history.
                Err(fault) if wire::is_refusal(&fault) => break,
                Err(fault) => return Err(fault),
            }
            if !told {
                break;
            }
        }
        let known = self.references(url, to)?;
        self.bring_history(url, to, repository, &known, false)?;
        if repository.settle(commit)? {
            return Ok(());
        }
        Err(Fault::lasting(format!("the repository no longer has the commit {commit}"))
            .hint("its branch was rewritten or removed; `fleetc update` moves the pin"))
    }

    fn bring_links(
        &self,
        url: &str,
        to: &Address,
        repository: &gix::ThreadSafeRepository,
        commit: ObjectId,
        depth: Option<usize>,
    ) -> Result<(), Fault> {
        let Some(depth) = depth else { return Ok(()) };
        for link in checked_links(&repository.to_thread_local(), commit)? {
            let named = |fault: Fault| in_submodule(&link, fault);
            if depth >= MAX_DEPTH {
                return Err(named(Fault::lasting(format!("submodules lie more than {MAX_DEPTH} deep in each other"))));
            }
            let (url, address) = place_of(url, to, &link).map_err(named)?;
            self.bring(&url, &address, link.commit, Some(depth + 1)).map_err(named)?;
        }
        Ok(())
    }

    /// Adds the submodules of a commit that are in the store; `false` where one is not.
    fn mount(
        &self,
        place: (&str, &Address),
        repository: &gix::Repository,
        commit: ObjectId,
        below: &TreePath,
        mounts: &mut Mounts,
    ) -> Result<bool, Fault> {
        let (url, to) = place;
        if below.segments().count() > 1000 {
            return Err(Fault::lasting("its submodules lie too deep in each other"));
        }
        for link in submodules::links(repository, tree_of(repository, commit)?, &[])? {
            let (url, address) = place_of(url, to, &link).map_err(|fault| in_submodule(&link, fault))?;
            let Some((opened, objects)) = self.open_place(&url, &address, link.commit)? else { return Ok(false) };
            let opened = opened.to_thread_local();
            let path = below.join(link.path.as_str()).map_err(|error| Fault::lasting(error.to_string()))?;
            mounts.insert(path.clone(), (objects, tree_of(&opened, link.commit)?));
            if !self.mount((&url, &address), &opened, link.commit, &path, mounts)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A repository that has a commit, here or in the store.
    fn open_place(
        &self,
        url: &str,
        to: &Address,
        commit: ObjectId,
    ) -> Result<Option<(gix::ThreadSafeRepository, Objects)>, Fault> {
        if let Address::Local(path) = to {
            let opened = local(path)?;
            let here = opened.to_thread_local().has_object(commit);
            return Ok(here.then(|| (opened.clone(), Objects::new(opened))));
        }
        let repository = self.stored(to);
        if !repository.has(commit) {
            return Ok(None);
        }
        let note = repository.large(commit).filter(|note| large::is_whole(&self.store, note));
        if note.is_none() && self.wants_large(url) {
            return Ok(None);
        }
        let opened = repository.open()?;
        let objects = Objects::checked(opened.clone());
        Ok(Some((opened, if note.is_some() { objects.with_large(self.store.clone()) } else { objects })))
    }
}

impl Fetcher for Git {
    fn resolve(&self, request: &SourceRequest) -> Result<Pin, Fault> {
        let (url, to, _) = self.place(request)?;
        let text = request.revision.as_str();
        if text.len() > 1024 || text.chars().any(char::is_control) {
            return Err(Fault::lasting("the revision is too long or has control characters"));
        }
        let commit = match (revision::full(text), &to) {
            // As Argo CD does: whether it is there is seen when it is fetched.
            (Some(commit), _) => commit,
            (None, Address::Local(path)) => {
                let opened = local(path)?.to_thread_local();
                let among = Local { repository: &opened, remotes: Vec::new(), note: "" };
                let found = revision::find(text, &among).map_err(Fault::lasting)?;
                found.ok_or_else(|| absent(text, &names(&opened)))?
            }
            (None, _) => self.resolve_remote(url, &to, text)?,
        };
        Ok(Pin { resolved: commit.to_string(), digest: None })
    }

    fn fetch(&self, request: &SourceRequest, pin: &Pin) -> Result<(), Fault> {
        let (url, to, whole) = self.place(request)?;
        let commit = pinned(pin)?;
        if let Address::Local(path) = &to
            && !local(path)?.to_thread_local().has_object(commit)
        {
            return Err(Fault::lasting(format!("`{}` has no commit {commit}", path.display())));
        }
        self.bring(url, &to, commit, whole.then_some(0))
    }

    fn open(&self, request: &SourceRequest, pin: &Pin) -> Result<Option<Box<dyn tree::Store>>, Fault> {
        let (url, to, whole) = self.place(request)?;
        let commit = pinned(pin)?;
        let Some((opened, objects)) = self.open_place(url, &to, commit)? else { return Ok(None) };
        let opened = opened.to_thread_local();
        let mut mounts = Mounts::new();
        if whole && !self.mount((url, &to), &opened, commit, &TreePath::root(), &mut mounts)? {
            return Ok(None);
        }
        let root = CommitTree::new(objects, tree_of(&opened, commit)?);
        Ok(Some(if mounts.is_empty() { Box::new(root) } else { Box::new(Mounted::new(root, mounts)) }))
    }
}

/// The references of a server.
struct Remote<'a>(&'a BTreeMap<String, ObjectId>);

impl References for Remote<'_> {
    fn remotes(&self) -> Vec<&str> {
        Vec::new()
    }

    fn reference(&self, name: &str) -> Result<Option<ObjectId>, String> {
        Ok(self.0.get(name).copied())
    }

    fn tags(&self) -> Vec<String> {
        self.0.keys().filter_map(|name| Some(name.strip_prefix("refs/tags/")?.to_owned())).collect()
    }

    fn commit(&self, id: ObjectId) -> Option<ObjectId> {
        Some(id)
    }

    fn abbreviated(&self, _: &str) -> Result<Option<ObjectId>, String> {
        Ok(None)
    }
}

fn pinned(pin: &Pin) -> Result<ObjectId, Fault> {
    revision::full(&pin.resolved).ok_or_else(|| Fault::lasting(format!("`{}` is no commit", pin.resolved)))
}

fn local(path: &Path) -> Result<gix::ThreadSafeRepository, Fault> {
    match Checkout::at(path, &Seen::default()) {
        Ok(Some(checkout)) => Ok(checkout.repository().clone()),
        Ok(None) => Err(Fault::lasting(format!("`{}` is no git repository", path.display()))),
        Err(reason) => Err(Fault::lasting(reason)),
    }
}

fn absent(text: &str, known: &[String]) -> Fault {
    let text = if text.is_empty() { "HEAD" } else { text };
    let fault = Fault::lasting(format!("the repository has no revision `{text}`"));
    let near: Vec<String> =
        near_matches(text, known.iter().map(String::as_str)).into_iter().map(|name| format!("`{name}`")).collect();
    if near.is_empty() { fault } else { fault.hint(format!("did you mean {}?", near.join(" or "))) }
}

fn tree_of(repository: &gix::Repository, commit: ObjectId) -> Result<ObjectId, Fault> {
    let failed = |error: gix::Error| Fault::lasting(error.to_string());
    let commit = repository.find_commit(commit).map_err(failed)?;
    Ok(commit.tree_id().map_err(failed)?.detach())
}

/// The submodules of a commit, every one with a URL.
fn checked_links(repository: &gix::Repository, commit: ObjectId) -> Result<Vec<Link>, Fault> {
    let root = tree_of(repository, commit)?;
    let walked = repository::walk(repository, root)?;
    submodules::links(repository, root, &walked.links)
}

/// Where a submodule is, seen from the repository above it.
fn place_of(url: &str, to: &Address, link: &Link) -> Result<(String, Address), Fault> {
    let url = address::relative(url, &link.url)?;
    let address = Address::parse(&url)?;
    if matches!(address, Address::Local(_)) && !matches!(to, Address::Local(_)) {
        return Err(Fault::lasting("a repository of a server may not name folders of this machine"));
    }
    Ok((url, address))
}

fn in_submodule(link: &Link, fault: Fault) -> Fault {
    let reason = format!("submodule `{}` ({}): {}", link.path, without_credentials(&link.url), fault.reason);
    let out = "where nothing of it is needed: `repositories: [{url: URL, submodules: false}]` in fleet.yaml";
    let hint = match fault.hint {
        Some(hint) if hint.ends_with(out) => hint,
        Some(hint) => format!("{hint}; {out}"),
        None => out.to_owned(),
    };
    Fault { reason, hint: Some(hint), ..fault }
}

#[cfg(test)]
mod tests;
