//! What kustomize's own encoding leaves of a text.
//!
//! Before it prints, kustomize writes each object with go-yaml v3 and reads that again (kyaml rnode.go, `MarshalJSON`). Two things change by that. Folded
//! texts (`>`) are written so that they read differently when some lines are indented more than others. A value that is left out in braces
//! (`{a: }`) is written as `''` and so becomes a string. A date with a colon inside brackets is written in quotes (libyaml allows no colon in
//! plain texts there) and so becomes a string too. What reads as null and has no tag becomes null.

use super::super::resolve::plain;
use super::super::{Dialect, Limits, Node, Style as Written, Tag, View, parse};
use super::Printer;
use super::scalar::{self, Style};
use crate::span::FileId;

/// A value as kustomize prints it: `to_yaml(&through_kyaml(&node))`. Shares all that does not change.
#[must_use]
pub fn through_kyaml(node: &Node) -> Node {
    changed(node, false).unwrap_or_else(|| node.clone())
}

/// The changed node, or nothing where nothing changes. `flow`: it stands in brackets.
fn changed(node: &Node, flow: bool) -> Option<Node> {
    let flow = flow || node.style() == Written::Flow;
    match node.view() {
        View::Scalar(_, "") if node.style() == Written::Untyped && flow => None,
        View::Scalar(_, text) if node.style() == Written::Untyped && plain(Dialect::V3, text) == Tag::Null => {
            Some(Node::scalar(Tag::Null, text).with_span(node.span()))
        }
        View::Scalar(Tag::Null, "") if flow => Some(Node::str("").with_span(node.span())),
        View::Scalar(Tag::Timestamp, text) if flow && text.contains(':') => {
            Some(Node::str(text).with_span(node.span()))
        }
        View::Scalar(Tag::Str, text) if node.style() == Written::Folded => {
            let read = reread(text)?;
            (read != text).then(|| Node::str(read).with_span(node.span()).with_style(Written::Folded))
        }
        View::Scalar(..) => None,
        View::Seq(items) => {
            let new: Vec<Option<Node>> = items.iter().map(|item| changed(item, flow)).collect();
            if new.iter().all(Option::is_none) {
                return None;
            }
            let mut node = node.clone();
            for (item, new) in node.seq_mut()?.iter_mut().zip(new) {
                if let Some(new) = new {
                    *item = new;
                }
            }
            Some(node)
        }
        View::Map(map) => {
            let new: Vec<Option<Node>> = map.iter().map(|(_, value)| changed(value, flow)).collect();
            if new.iter().all(Option::is_none) {
                return None;
            }
            let mut node = node.clone();
            for ((_, value), new) in node.map_mut()?.iter_mut().zip(new) {
                if let Some(new) = new {
                    *value = new;
                }
            }
            Some(node)
        }
    }
}

/// A folded text written by go-yaml v3 and read again.
fn reread(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut printer = Printer::new(&mut out, usize::MAX, true);
    let style = printer.settle(text, &scalar::analyze(text), Style::Folded, false);
    if style != Style::Folded {
        return None;
    }
    printer.scalar(text, style, -1, false);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    let parsed = parse(FileId::NONE, out.as_bytes(), Dialect::V3, &Limits::default());
    let document = parsed.documents.into_iter().next()?;
    document.root.text().map(str::to_owned)
}
