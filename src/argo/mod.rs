//! Argo CD's API objects: their types as field tables, and one interpreter over them.
//!
//! - [`check()`]: unknown fields and wrong types, with places and "did you mean";
//! - [`normalize()`] and [`normalize_spec`]: what Argo CD's API prints after decoding and encoding an object;
//! - [`map_strings`]: the walk of the ApplicationSet templating over every string;
//! - [`lower()`]: the typed [`Application`](crate::application::Application) of an Application object.
//!
//! Nothing here reads files or knows of fleets, generators or clusters. Every function looks at one object.
//! Recursion is bounded: the tables have no cycles, and raw JSON is as deep as the parser let it be.

mod check;
mod json;
mod lower;
mod names;
mod normalize;
pub mod schema;
pub mod tables;
mod walk;

#[cfg(test)]
mod tests;

pub use check::check;
pub use lower::{Lowering, lower, manifest_for};
pub use names::{cluster_name_problem, dns_label_problem, dns_subdomain_problem};
pub use normalize::{is_zero, normalize, normalize_spec};
pub use walk::map_strings;
