//! Where each line of an object's text came from: which step wrote the value that stands there last, and where that value is written.
//!
//! A line belongs to the last value that begins in it or reaches into it. Keys whose values are below them have the place of the key.

use super::field::{FieldPath, Part, names};
use super::{as_printed, bundle_step, changes};
use crate::render::Resource;
use crate::span::Span;
use crate::yaml::{Node, View};

/// What wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The document that the object was read from.
    Document,
    /// A step of the render, by its number in [`Origin::steps`](crate::render::Origin).
    Step(usize),
    /// A step of bundling.
    Bundling(&'static str),
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// What wrote it.
    pub via: Via,
    /// Where its value is written; none for a value that was made.
    pub span: Span,
}

/// Where the lines of `text` came from. `shown` is the value of the text, with places in it; `body` the same as it is in the bundle, which
/// differs from it where values are masked.
pub fn lines(text: &str, shown: &Node, body: &Node, resource: &Resource) -> Vec<Option<Line>> {
    let starts: Vec<usize> =
        std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1)).collect();
    let count = text.lines().count();
    let steps = &resource.origin.steps;
    let mut changed = Vec::new();
    for (at, step) in steps.iter().enumerate().rev() {
        if let Some(before) = &step.before {
            changed.extend(changes(before, &step.after).into_iter().map(|change| (at, change.path)));
        }
    }
    let first = match steps.first() {
        Some(step) if step.before.is_none() => Via::Step(0),
        _ => Via::Document,
    };
    let mut walk = Walk { starts, found: vec![None; count], changed, first };
    let printed = as_printed(&resource.body);
    walk.value(&FieldPath::default(), shown, Some(body), Some(&printed), Some(&resource.body));
    walk.found
}

struct Walk {
    /// The first byte of each line.
    starts: Vec<usize>,
    found: Vec<Option<Line>>,
    /// The fields that steps changed, the last step first.
    changed: Vec<(usize, FieldPath)>,
    /// What made the object.
    first: Via,
}

impl Walk {
    fn value(
        &mut self,
        path: &FieldPath,
        shown: &Node,
        body: Option<&Node>,
        printed: Option<&Node>,
        rendered: Option<&Node>,
    ) {
        match shown.view() {
            View::Map(map) if !map.is_empty() => {
                for (key, value) in map.iter() {
                    let name = key.text().unwrap_or_default();
                    let below = path.below(Part::Key(name.to_owned()));
                    let entry = rendered.and_then(Node::as_map).and_then(|map| map.get_entry(name));
                    let written = entry.map_or(Span::NONE, |(key, value)| match value.is_scalar() {
                        true => value.span().or(key.span()),
                        false => key.span(),
                    });
                    let get = |node: Option<&Node>| node.and_then(|node| node.get(name)).cloned();
                    let (body, printed) = (get(body), get(printed));
                    self.mark(key.span().start, key.span().end, &below, body.as_ref(), printed.as_ref(), written);
                    self.value(&below, value, body.as_ref(), printed.as_ref(), entry.map(|(_, value)| value));
                }
            }
            View::Seq(items) if !items.is_empty() => {
                let names: Option<Vec<String>> =
                    names(items).map(|names| names.iter().map(ToString::to_string).collect());
                for (at, item) in items.iter().enumerate() {
                    let part = match names.as_ref().and_then(|names| names.get(at)) {
                        Some(name) => Part::Item("name".to_owned(), name.clone()),
                        None => Part::Index(at),
                    };
                    let get =
                        |node: Option<&Node>| node.and_then(Node::as_seq).and_then(|items| items.get(at)).cloned();
                    let (body, printed, rendered) = (get(body), get(printed), get(rendered));
                    self.value(&path.below(part), item, body.as_ref(), printed.as_ref(), rendered.as_ref());
                }
            }
            _ => {
                let written = rendered.map_or(Span::NONE, Node::span);
                self.mark(shown.span().start, shown.span().end, path, body, printed, written);
            }
        }
    }

    /// Marks the lines that a value stands in.
    fn mark(
        &mut self,
        start: u32,
        end: u32,
        path: &FieldPath,
        body: Option<&Node>,
        printed: Option<&Node>,
        span: Span,
    ) {
        let is_same = match (body, printed) {
            (Some(a), Some(b)) => a == b || !(a.is_scalar() || b.is_scalar()),
            _ => false,
        };
        let line = if is_same {
            let by = self.changed.iter().find(|(_, changed)| path.begins_with(changed)).map(|(step, _)| *step);
            Line { via: by.map_or(self.first, Via::Step), span }
        } else {
            Line { via: Via::Bundling(bundle_step(path)), span: Span::NONE }
        };
        let number = |byte: usize| self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        let (from, to) = (number(start as usize), number((end as usize).saturating_sub(1).max(start as usize)));
        for slot in self.found.iter_mut().take(to + 1).skip(from) {
            *slot = Some(line);
        }
    }
}
