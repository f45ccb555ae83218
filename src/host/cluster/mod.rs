//! Clusters over the network: which credentials reach them ([`connect()`]), one connection each ([`ClusterConnection`]), and the driver that
//! runs a step machine per cluster ([`Driver`]).
//!
//! Programs that make credentials run only when somebody named them on the command line or in the environment: what lies in a repository
//! may come from a pull request. Whoever names one lets the cluster entries of that repository ask it for tokens; this cannot be made
//! safe for repositories that strangers may change. Values of credentials get into no message and no `Debug` output. Requests are sent
//! once: trying again is the business of the machine, which knows what may be repeated.

mod access;
mod connect;
mod connection;
mod driver;
mod exec;
mod inspect;
mod secret;
mod target;

pub use access::{Access, Kubeconfigs};
pub use connect::{ConnectOptions, Reached, connect, through};
pub use connection::{ClusterConnection, Timeouts};
pub use driver::{Driver, Lead, News, RunOptions, Start};
pub use exec::Programs;
pub use inspect::Inspection;
pub use target::{Target, by_config, contexts, target};

#[cfg(test)]
mod tests;
