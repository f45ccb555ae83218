//! Sources from elsewhere: git repositories, charts, artifacts and files, brought into a [`Store`] and read from there.
//!
//! A `Fetcher` knows one kind of source. It is asked for three things, of which only the first two may use the network: what a revision
//! stands for now, to bring what a pin names into the store, and to open what lies there. Nothing here decides when that is done: pins are
//! followed, moved and refused by the driver; and nothing is fetched while something is rendered.

mod artifacts;
mod charts;
mod credentials;
mod gather;
mod git;
pub mod http;
mod index;
mod patience;
mod place;
mod registry;
mod remote;
#[cfg(test)]
mod served;
mod sources;
mod store;
mod table;
mod web;

use super::tree;
use crate::digest::Digest;
use crate::lock::Pin;
use crate::source::SourceRequest;

pub use artifacts::Artifacts;
pub use charts::Charts;
pub use credentials::{Access, Credentials, Hidden, Login};
pub use gather::Logins;
pub(super) use git::pack;
pub use git::{Git, GitOptions, Update, Verdict};
pub(super) use remote::{Remote, settle};
pub use sources::{Allowed, Known, Progress, Report, Sources};
pub use store::{Collected, Guard, Store};
pub(super) use store::{mark_used, write_whole};
pub use table::{Options, default_folder, repositories, sources};
pub use web::{Files, file_name};

#[cfg(test)]
mod tests;

/// Why a source could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whether trying again may help: the server was busy or not reached, the answer was cut off.
    pub temporary: bool,
    /// One sentence, without credentials.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Fault {
    /// Something that stays as it is: wrong credentials, no such revision, a broken archive.
    pub fn lasting(reason: impl Into<String>) -> Self {
        Fault { temporary: false, reason: reason.into(), hint: None }
    }

    /// Something that may be gone the next time.
    pub fn passing(reason: impl Into<String>) -> Self {
        Fault { temporary: true, reason: reason.into(), hint: None }
    }

    /// The same with what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Fault { hint: Some(hint.into()), ..self }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Fault::lasting(error.to_string())
    }
}

/// One kind of source.
pub(super) trait Fetcher: Send + Sync {
    /// What the revision of a source stands for now. Uses the network.
    ///
    /// # Errors
    /// The remote is not reached, refuses, or has no such revision.
    fn resolve(&self, request: &SourceRequest) -> Result<Pin, Fault>;

    /// Brings what a pin names into the store, as a whole or not at all; what is there already is not fetched again. Uses the network.
    ///
    /// # Errors
    /// The remote is not reached, refuses, no longer has it, or gives something else than was pinned.
    fn fetch(&self, request: &SourceRequest, pin: &Pin) -> Result<(), Fault>;

    /// The files of what lies in the store; `None` where it does not. Never uses the network.
    ///
    /// # Errors
    /// What lies there is damaged or breaks a limit.
    fn open(&self, request: &SourceRequest, pin: &Pin) -> Result<Option<Box<dyn tree::Store>>, Fault>;
}

/// The digest that a pin of content must have.
fn pinned(request: &SourceRequest, pin: &Pin) -> Result<Digest, Fault> {
    pin.digest.ok_or_else(|| {
        Fault::lasting(format!("the pin of {request} has no digest")).hint("`fleetc update` writes it anew")
    })
}

/// Says that no version is within a constraint, and which there are.
fn no_version(of: &str, wanted: &str, versions: &[&str]) -> Fault {
    /// Versions that are shown.
    const SHOWN: usize = 5;
    let wanted = if wanted.is_empty() { "a release" } else { wanted };
    let there = match versions {
        [] => "it has none".to_owned(),
        few if few.len() <= SHOWN => format!("it has {}", few.join(", ")),
        many => {
            format!("it has {} and {} others", many.get(..SHOWN).unwrap_or_default().join(", "), many.len() - SHOWN)
        }
    };
    Fault::lasting(format!("no version of `{of}` is {wanted}: {there}"))
        .hint("pre-releases are taken only where the constraint names one, e.g. `>=1.0.0-0`")
}
