//! Reading typed values out of YAML as Go's encoding/json does after sigs.k8s.io/yaml: field names in any case, null for "not given",
//! no conversion between kinds. Unlike Go it goes on after an error and names the place of each.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::span::{FileId, Span, Spanned};
use crate::yaml::{self, Dialect, Limits, Map, Node, Tag, bool_value, emit};

/// Collects what is wrong while values are read.
#[derive(Default)]
pub(super) struct Reader {
    /// Unknown fields are errors (kustomization files), not ignored (plugin configurations).
    pub strict: bool,
    /// What was found.
    pub problems: Diagnostics,
}

/// The fields of a mapping, taken one by one.
pub(super) struct Fields<'n> {
    what: &'static str,
    map: Option<&'n Map>,
    span: Span,
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Where the mapping is.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// The value of a field; `None` when it is missing or null.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.take_any(name).filter(|node| !node.is_null())
    }

    fn take_any(&mut self, name: &'static str) -> Option<&'n Node> {
        self.asked.push(name);
        let map = self.map?;
        map.get(name).or_else(|| {
            map.iter()
                .find(|(key, _)| key.text().is_some_and(|key| key.eq_ignore_ascii_case(name)))
                .map(|(_, value)| value)
        })
    }
}

impl Reader {
    fn mismatch(&mut self, node: &Node, what: &str, wanted: &str) {
        self.problems.push(Diagnostic::error(
            "kustomize/field-type",
            node.span(),
            format!("`{what}` is {}, expected {wanted}", node.what()),
        ));
    }

    /// A mapping, to take fields from; null is one without fields.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &'static str) -> Fields<'n> {
        let map = node.as_map();
        if map.is_none() && !node.is_null() {
            self.mismatch(node, what, "a mapping");
        }
        Fields { what, map, span: node.span(), asked: Vec::new() }
    }

    /// Reports the fields that nobody took.
    pub(super) fn finish(&mut self, fields: Fields<'_>) {
        let Some(map) = fields.map.filter(|_| self.strict) else { return };
        for (key, _) in map.iter() {
            let name = key.text().unwrap_or_default();
            if fields.asked.iter().any(|asked| asked.eq_ignore_ascii_case(name)) {
                continue;
            }
            let mut error = Diagnostic::error(
                "kustomize/unknown-field",
                key.span(),
                format!("unknown field `{name}` in `{}`", fields.what),
            );
            error.hints.extend(did_you_mean(name, fields.asked.iter().copied()));
            self.problems.push(error);
        }
    }

    /// A string.
    pub(super) fn text(&mut self, node: Option<&Node>, what: &'static str) -> SmolStr {
        self.spanned(node, what).value
    }

    /// A string with its place.
    pub(super) fn spanned(&mut self, node: Option<&Node>, what: &'static str) -> Spanned<SmolStr> {
        let Some(node) = node else { return Spanned::detached(SmolStr::default()) };
        let text = match node.tag() {
            Some(Tag::Str | Tag::Timestamp | Tag::Binary) => through_yaml(node.smol().unwrap_or_default()),
            Some(Tag::Null) => SmolStr::default(),
            _ => {
                self.mismatch(node, what, "a string");
                if node.is_scalar() {
                    self.hint("put it in quotes");
                }
                SmolStr::default()
            }
        };
        Spanned::new(text, node.span())
    }

    fn hint(&mut self, text: &str) {
        if let Some(last) = self.problems.0.last_mut() {
            last.hints.push(text.to_owned());
        }
    }

    /// A boolean.
    pub(super) fn flag(&mut self, node: Option<&Node>, what: &'static str) -> bool {
        let Some(node) = node else { return false };
        if let (Some(Tag::Bool), Some(text)) = (node.tag(), node.text()) {
            return bool_value(text).unwrap_or(false);
        }
        self.mismatch(node, what, "true or false");
        false
    }

    /// An integer.
    pub(super) fn integer(&mut self, node: Option<&Node>, what: &'static str) -> i64 {
        use crate::yaml::Number;
        let Some(node) = node else { return 0 };
        match node.number() {
            Some(Number::Int(value)) => value,
            #[expect(clippy::cast_possible_truncation, reason = "whole and far below 2^63")]
            Some(Number::Float(value)) if value.fract() == 0.0 && value.abs() < 9e15 => value as i64,
            _ => {
                self.mismatch(node, what, "an integer");
                0
            }
        }
    }

    /// The items of a list; null is empty.
    pub(super) fn list<'n>(&mut self, node: Option<&'n Node>, what: &'static str) -> &'n [Node] {
        match node {
            None => &[],
            Some(node) => node.as_seq().unwrap_or_else(|| {
                self.mismatch(node, what, "a list");
                &[]
            }),
        }
    }

    /// A list of strings with their places.
    pub(super) fn texts(&mut self, node: Option<&Node>, what: &'static str) -> Vec<Spanned<SmolStr>> {
        self.list(node, what).iter().map(|item| self.spanned(Some(item), what)).collect()
    }

    /// A mapping of strings, sorted by key.
    pub(super) fn map(&mut self, node: Option<&Node>, what: &'static str) -> BTreeMap<SmolStr, SmolStr> {
        let Some(node) = node else { return BTreeMap::new() };
        let Some(map) = node.as_map() else {
            self.mismatch(node, what, "a mapping");
            return BTreeMap::new();
        };
        let key = |key: &Node| through_yaml(key.smol().unwrap_or_default());
        map.iter().map(|(name, value)| (key(name), self.text(Some(value), what))).collect()
    }
}

/// A text as the plugins of the original get it: their settings are written as YAML and read again, where U+0085, written as it is, is a
/// line break.
fn through_yaml(text: SmolStr) -> SmolStr {
    if !text.contains('\u{85}') {
        return text;
    }
    let printed = emit::to_yaml(&Node::str(text.clone()));
    let parsed = yaml::parse(FileId::NONE, printed.as_bytes(), Dialect::V2, &Limits::default());
    parsed.documents.first().and_then(|document| document.root.smol()).unwrap_or(text)
}
