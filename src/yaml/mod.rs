//! YAML: text to [`Node`] with places, and back to the bytes that go-yaml prints.
//!
//! Text goes through three steps, each a module: bytes to events (`scan`, `parse`), events to nodes (`compose`: anchors, `<<`,
//! duplicates, limits), plain scalars to tags (`resolve`, one table per [`Dialect`]). [`emit`] prints as sigs.k8s.io/yaml does, which is what
//! `kustomize build` and Helm's `toYaml` print; [`json`] prints as Go's encoding/json; [`sigs`] gives the JSON value that Argo CD and Helm
//! see of a document.
//!
//! Comments are not kept. They lie in the gaps between nodes: whoever edits a file in place replaces the bytes of a node's
//! [`Node::span`] and so leaves them alone.

mod compose;
mod decode;
mod events;
mod node;
mod number;
mod parse;
mod resolve;
mod scan;
mod words;

pub mod edit;
pub mod emit;
pub mod json;
pub mod sigs;

pub use node::{Map, Node, Style, Tag, View};
pub use number::{Number, go_float, json_float};
pub use resolve::{bool_value, plain as plain_tag, timestamp_rfc3339};
pub use words::{go_json_words, go_words};

use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::span::{FileId, Span};

/// Whose rules give a plain scalar its type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dialect {
    /// go-yaml v2, YAML 1.1: `yes`, `on`, `y` are booleans. Argo CD's own objects, values files, kustomization.yaml.
    /// Dates are strings, as go-yaml v2 hands them to untyped code.
    V2,
    /// go-yaml v3: only `true` and `false` are booleans, dates are timestamps. The resources that kustomize reads.
    V3,
}

/// How much a text may ask for. Wrong input must not cost more than its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of the text.
    pub bytes: usize,
    /// Nodes written in the text, over all its documents.
    pub nodes: usize,
    /// Nodes that all aliases of the text stand for together.
    pub aliased: u64,
    /// Collections inside each other, after aliases are expanded.
    pub depth: usize,
}

impl Default for Limits {
    /// Right for files of a repository: 64 MiB, 8 million nodes, a million by aliases (go-yaml gives up earlier), 500 levels.
    fn default() -> Self {
        Limits { bytes: 64 << 20, nodes: 8_000_000, aliased: 1_000_000, depth: 500 }
    }
}

/// A key that a mapping has twice. The later value is the one in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The key.
    pub key: String,
    /// Where it is first.
    pub first: Span,
    /// Where it is again.
    pub second: Span,
    /// The value that it had first, which is not in the tree.
    pub earlier: Node,
}

/// One document of a text.
#[derive(Clone, Debug)]
pub struct Document {
    /// The value, anchors and `<<` resolved.
    pub root: Node,
    /// Keys that a mapping has twice, in the order of the text.
    pub duplicates: Vec<Duplicate>,
    /// A mapping has a key `<<` that is no merge (it is quoted), by the rules of [`Dialect::V3`].
    pub quoted_merge: bool,
    /// The document's bytes, `---` included.
    pub span: Span,
}

/// The documents of a text, up to the first error.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The documents before the error, or all.
    pub documents: Vec<Document>,
    /// What stopped the reading.
    pub error: Option<Diagnostic>,
}

/// Reads all documents of a text.
///
/// UTF-8, or UTF-16 with a byte order mark. A text without any document gives none; an empty document (`---` alone) is null.
/// Errors have codes that start with `yaml/`.
pub fn parse(file: FileId, bytes: &[u8], dialect: Dialect, limits: &Limits) -> Parsed {
    let mut documents = Vec::new();
    let error = compose::compose(file, bytes, dialect, limits, &mut documents).err().map(|error| *error);
    Parsed { documents, error }
}

/// Reads a text of our own: a syntax error and a duplicate key are both errors.
///
/// Returns the value of each document.
pub fn parse_strict(file: FileId, bytes: &[u8], dialect: Dialect, limits: &Limits) -> Checked<Vec<Node>> {
    let parsed = parse(file, bytes, dialect, limits);
    let mut found = Diagnostics::new();
    for duplicate in parsed.documents.iter().flat_map(|document| &document.duplicates) {
        found.push(duplicate.diagnostic());
    }
    found.extend(parsed.error);
    if found.is_empty() { Ok(parsed.documents.into_iter().map(|document| document.root).collect()) } else { Err(found) }
}

impl Duplicate {
    /// The error that this is in strict files; others lower its severity.
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic::error("yaml/duplicate-key", self.second, format!("the key `{}` is here twice", self.key))
            .label(self.first, "first here")
            .hint("remove one of them; most tools silently take the later one")
    }
}

#[cfg(test)]
mod tests;
