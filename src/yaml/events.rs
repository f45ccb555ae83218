//! What a YAML text says, in order: the seam between reading characters and building nodes.
//!
//! Texts are borrowed from the input wherever no unescaping or folding changes them. Offsets are bytes of the (UTF-8) input.

use std::borrow::Cow;

use super::Style;

/// Anchor and tag of a node. The tag is expanded (`tag:yaml.org,2002:str`), or `!`, or local (`!x`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Properties<'t> {
    pub(super) anchor: Option<&'t str>,
    pub(super) tag: Option<Cow<'t, str>>,
}

/// What happens at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event<'t> {
    DocumentStart,
    DocumentEnd,
    Alias(&'t str),
    Scalar { properties: Properties<'t>, value: Cow<'t, str>, style: Style },
    SeqStart { properties: Properties<'t>, flow: bool },
    SeqEnd,
    MapStart { properties: Properties<'t>, flow: bool },
    MapEnd,
    StreamEnd,
}

/// An event with the bytes it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At<'t> {
    pub(super) event: Event<'t>,
    pub(super) start: usize,
    pub(super) end: usize,
}
