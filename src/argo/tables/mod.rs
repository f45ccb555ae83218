//! The API types of Argo CD as tables, by file of origin. Nothing but data; [`schema`](super::schema) says what the rows mean.

mod application;
mod application_set;
mod generators;
mod metadata;
mod project;

pub use application::*;
pub use application_set::*;
pub use generators::*;
pub use metadata::*;
pub use project::*;
