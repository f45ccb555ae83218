//! Who fetches what, and where the store is.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::seen::Seen;
use super::http::{Client, Timeouts};
use super::sources::{Allowed, Known, Sources, Table};
use super::{Artifacts, Charts, Files, Git, GitOptions, Logins, Store};

/// What a run of fleetc says about its sources.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The folder of the store; without, [`default_folder`].
    pub store: Option<PathBuf>,
    /// What may be done.
    pub allowed: Allowed,
    /// What is known.
    pub known: Known,
    /// Who we are where sources lie.
    pub logins: Logins,
    /// URLs of repositories whose submodules are left out.
    pub without_submodules: Vec<String>,
    /// URLs of repositories whose large files are fetched.
    pub large: Vec<String>,
    /// Where is noted what is looked for in the store.
    pub seen: Seen,
}

/// The sources of a run. `None` where there is no store: no folder is named and there is no home.
pub fn sources(options: Options) -> Option<Sources> {
    let store = Store::new(options.store.or_else(default_folder)?).noting(options.seen);
    let git =
        GitOptions { without_submodules: options.without_submodules, large: options.large, ..GitOptions::default() };
    let table = table(&store, options.logins, git.with_environment());
    Some(Sources::with(store, table, options.allowed, options.known))
}

/// Who reads git repositories and writes to them. The store is made where it is missing.
pub fn repositories(store: Option<PathBuf>, logins: Logins) -> Option<Git> {
    let store = Store::new(store.or_else(default_folder)?);
    let client = Arc::new(Client::lazy(move || Arc::new(logins.gather()), Timeouts::default()));
    Some(Git::new(store, client, GitOptions::default().with_environment()))
}

fn table(store: &Store, logins: Logins, options: GitOptions) -> Table {
    let client = Arc::new(Client::lazy(move || Arc::new(logins.gather()), Timeouts::default()));
    Table {
        git: Arc::new(Git::new(store.clone(), Arc::clone(&client), options)),
        chart: Arc::new(Charts::new(store.clone(), Arc::clone(&client))),
        oci: Arc::new(Artifacts::new(store.clone(), Arc::clone(&client))),
        file: Arc::new(Files::new(store.clone(), client)),
    }
}

/// Where the store is when nobody says it: FLEETC_STORE, else `fleetc` in XDG_CACHE_HOME or in `~/.cache`.
pub fn default_folder() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    if let Some(store) = named("FLEETC_STORE") {
        return Some(store);
    }
    // A relative path in it counts as none (XDG Base Directory Specification).
    let cache = named("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let cache = cache.or_else(|| named("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("fleetc"))
}
