//! Who fetches what, and where the store is.

use std::path::{Path, PathBuf};

use super::Store;
use super::sources::{Allowed, Known, Sources, Table};

/// What a run of fleetc says about its sources.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The folder of the store; without, [`default_folder`].
    pub store: Option<PathBuf>,
    /// What may be done.
    pub allowed: Allowed,
    /// What is known.
    pub known: Known,
    /// The folder that URLs without a scheme are relative to.
    pub folder: PathBuf,
}

/// The sources of a run. `None` where there is no store: no folder is named and there is no home.
pub fn sources(options: Options) -> Option<Sources> {
    let store = Store::new(options.store.or_else(default_folder)?);
    let table = table(&store, &options.folder);
    Some(Sources::with(store, table, options.allowed, options.known))
}

fn table(_store: &Store, _folder: &Path) -> Table {
    Table { git: None, chart: None, oci: None, file: None }
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
