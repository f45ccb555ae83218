//! Effects: files, git, threads, clusters over the network. Outermost with `cli`; named by nobody in the core.
//!
//! [`files`] shows a folder on disk as a tree, `git` decides which revision is the working tree and reads the others from the object
//! store, [`world`] combines all trees of a run into the one [`World`](crate::world::World) that the core asks. No git program is
//! started, and the user's and the machine's git configuration does not count. [`fetch`] brings sources from elsewhere, never while something
//! is rendered; [`cluster`] talks to API servers. They may start programs that the user has named: `ssh`, those that make credentials; and
//! `program` starts those of plugins that fleet.yaml allows.

mod archive;
mod argocd;
pub mod ask;
mod charts;
mod clock;
pub mod cluster;
pub mod commit;
mod edited;
pub mod fetch;
pub mod files;
mod git;
pub mod ignored;
mod objects;
pub mod pool;
mod program;
pub mod publish;
pub mod record;
mod revision;
pub mod seen;
mod service;
pub mod shelf;
mod tracked;
mod tree;
mod versions;
pub mod world;
pub mod write;

pub use argocd::Management;
pub use clock::{Clock, WatchedClock};
pub use edited::Edits;
pub use files::FileWorld;
pub use git::PastFile;
pub use pool::Pool;
pub use world::{HostOptions, HostWorld};

#[cfg(test)]
mod tests;
