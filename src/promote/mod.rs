//! Promotion: what differs between two environments by application, where each version is decided, and the edits that move it.
//!
//! In: a compiled fleet and two environments. [`survey()`] finds for every application on every cluster its *settings*: images, chart versions,
//! revisions, Helm values, files of overlays; each with the one place that decides it (the entry of a kustomization, the element of a
//! generator, the key of a values file). [`compare()`] pairs the applications of the environments and says what can move: only what is decided
//! at a place that no other application reads. What is computed by a template, or shared, is said and left alone. [`edits()`] makes the new texts
//! with [`crate::yaml::edit`], so that every other byte stays.
//!
//! Nothing is written here, and nothing is guessed: a place whose text does not read as the value is none.

mod chain;
mod chase;
mod compare;
mod edits;
mod images;
mod names;
mod overlays;
pub mod report;
mod survey;
#[cfg(test)]
mod tests;
mod texts;
mod values;
mod version;

use std::sync::Arc;

use crate::path::TreePath;
use crate::span::Span;
use crate::yaml::Node;
use crate::yaml::edit::Address;

pub use compare::{Chosen, Comparison, Difference, Side, State, compare};
pub use edits::{Changed, edits};
pub use survey::{Survey, survey};
pub use version::is_older;

/// Kinds of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Tags and digests of images.
    Images,
    /// Versions of charts.
    Charts,
    /// Revisions of other repositories.
    Revisions,
    /// Helm values and parameters.
    Values,
    /// Files and fields of overlays.
    Overlays,
}

impl Kind {
    /// All kinds, in their order.
    pub const ALL: [Kind; 5] = [Kind::Images, Kind::Charts, Kind::Revisions, Kind::Values, Kind::Overlays];

    /// What moves where nobody says what: versions. Values and overlays are what makes environments different.
    pub const VERSIONS: [Kind; 3] = [Kind::Images, Kind::Charts, Kind::Revisions];

    /// As `--only` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Images => "images",
            Kind::Charts => "charts",
            Kind::Revisions => "revisions",
            Kind::Values => "values",
            Kind::Overlays => "overlays",
        }
    }

    /// One of its kind.
    pub fn one(self) -> &'static str {
        match self {
            Kind::Images => "image",
            Kind::Charts => "chart",
            Kind::Revisions => "revision",
            Kind::Values => "value",
            Kind::Overlays => "overlay",
        }
    }
}

/// What a setting says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A value of YAML.
    Node(Node),
    /// Tag and digest of an image, either of which may be empty.
    Image(Version),
    /// The content of a file.
    File(Arc<[u8]>),
}

/// Tag and digest of an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version {
    /// The tag.
    pub tag: String,
    /// The digest, with its algorithm.
    pub digest: String,
}

/// How a value stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// As it is.
    Plain,
    /// An image reference in one text, of which tag and digest are set.
    Reference,
    /// An entry of `images` in a kustomization, whose `newTag` and `digest` are set.
    Entry,
    /// A file as a whole.
    File,
}

/// A place that decides a setting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, in the fleet's own tree.
    pub file: TreePath,
    /// Where in it; the whole for [`Form::File`].
    pub address: Address,
    /// How.
    pub form: Form,
}

/// What decides a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// A place, and its span where something stands there.
    At(Place, Span),
    /// Something that cannot be edited: why, for people.
    Elsewhere(String),
}

/// Something that an application on a cluster is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its kind.
    pub kind: Kind,
    /// Its name in its application: an image, a chart, a repository, a path of values, a file.
    pub name: String,
    /// What it is.
    pub value: Value,
    /// What decides it.
    pub decided: Decided,
}

impl Value {
    /// The value in one line for people; files by their size.
    pub fn shown(&self) -> String {
        match self {
            Value::Node(node) if node.is_null() || node.text() == Some("") => "(none)".to_owned(),
            Value::Node(node) => crate::report::value(node, false),
            Value::Image(Version { tag, digest }) => match (tag.as_str(), digest.as_str()) {
                ("", "") => "(no tag)".to_owned(),
                (tag, "") => tag.to_owned(),
                ("", digest) => digest.to_owned(),
                (tag, digest) => format!("{tag}@{digest}"),
            },
            Value::File(bytes) => format!("{} bytes", bytes.len()),
        }
    }
}
