//! YAML: text to [`Node`] with places, and back to the bytes that go-yaml prints.

mod node;

pub use node::{Map, Node, Style, Tag, View};
