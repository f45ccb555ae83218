//! Kubernetes objects: what names them, which kinds have namespaces, how their lists merge, in which order they come.
//!
//! Knows objects and tables, nothing of fleets or applications. Every piece of knowledge is a row of a table in `schema/kubernetes`
//! (written there by `record/record.py` from the originals' data) or of a list at the top of the file that uses it; there is no
//! `if kind == …`. Tables are text, embedded, and read on first use (tens of microseconds).

pub mod conflict;
pub mod defaults;
pub mod difference;
pub mod doublestar;
pub mod exclusion;
pub mod fields;
pub mod gaps;
pub mod glob;
pub mod health;
pub mod ignore;
pub mod noise;
pub mod object;
pub mod order;
pub mod path_match;
pub mod schema;
pub mod scope;
pub mod selector;
