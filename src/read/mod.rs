//! Phase 1, read: files into a checked [`Fleet`].
//!
//! Every value keeps its place in the text. Nothing is expanded, rendered or fetched here; a definitions entry that is a kustomization is
//! only named (the composition builds it and hands the objects back). Front phase: never fails, returns what it could read and what is wrong.

mod answers;
mod assemble;
mod clusters;
mod configuration;
mod declarations;
mod deployed;
mod environments;
mod fleet;
mod judged;
mod kustomizations;
mod listed;
mod objects;
mod survey;
mod walk;

pub use assemble::fleet;
pub use configuration::{
    ClusterEntry, Configuration, EngineChoice, FLEET_FILES, InstanceEntry, KeyPlace, Whom, configuration,
    facts_json_schema, json_schema,
};
pub use declarations::{Declarations, Reading, declarations, is_declaration};
pub use environments::{Environment, environments};
pub use fleet::*;
pub use judged::*;
pub use survey::{Survey, survey};
