//! The value of a program as data. Functions are none, and what is larger or deeper than any manifest is refused.

use jrsonnet_evaluator::{Error, Result, ResultExt, Val, error::ErrorKind};

use crate::span::Span;
use crate::yaml::{Map, Node, Tag, json_float};

/// How deep lists and objects may be inside each other. Kubernetes' own decoder goes to 10,000; no manifest comes near.
const DEPTH: usize = 500;
/// How many values there may be.
const VALUES: usize = 5_000_000;
/// How many bytes of text there may be.
const TEXT: usize = 256 << 20;

/// A value as data; each part has the place `span`.
pub(super) fn node(value: &Val, span: Span) -> Result<Node> {
    Outcome { span, values: VALUES, text: TEXT }.node(value, 0)
}

/// What may still come.
struct Outcome {
    span: Span,
    values: usize,
    text: usize,
}

fn refused(message: &str) -> Error {
    ErrorKind::RuntimeError(message.into()).into()
}

impl Outcome {
    fn take(&mut self, values: usize, text: usize) -> Result<()> {
        let left = self.values.checked_sub(values).zip(self.text.checked_sub(text));
        (self.values, self.text) = left.ok_or_else(|| refused("the value is larger than any manifest"))?;
        Ok(())
    }

    fn node(&mut self, value: &Val, depth: usize) -> Result<Node> {
        if depth > DEPTH {
            return Err(refused("lists and objects are inside each other without end"));
        }
        let span = self.span;
        self.take(1, 0)?;
        Ok(match value {
            Val::Null => Node::null(),
            Val::Bool(value) => Node::bool(*value),
            Val::Num(value) => number(value.get()),
            Val::Str(text) => {
                self.take(0, text.len())?;
                Node::str(text.clone().into_flat().as_str())
            }
            Val::Arr(items) => {
                // Told before they are made.
                self.take(items.len() as usize, 0)?;
                self.values += items.len() as usize;
                let mut out = Vec::new();
                for (at, item) in items.iter().enumerate() {
                    let item = item.with_description(|| format!("the item {at}"))?;
                    out.push(self.node(&item, depth + 1)?);
                }
                Node::seq(out)
            }
            Val::Obj(object) => {
                object.run_assertions()?;
                let mut out = Map::with_capacity(object.len() as usize);
                for (name, value) in object.iter() {
                    let value = value.with_description(|| format!("the field `{name}`"))?;
                    self.take(0, name.len())?;
                    let value = self.node(&value, depth + 1)?;
                    out.push(Node::str(name.as_str()).with_span(span), value);
                }
                Node::map(out)
            }
            Val::Func(_) => return Err(refused("the value is a function, which is no data")),
        }
        .with_span(span))
    }
}

/// Whole numbers are integers, as Kubernetes reads JSON.
fn number(value: f64) -> Node {
    if value.fract() == 0.0 && value.abs() < 9.2e18 {
        return Node::int(value as i64);
    }
    json_float(value).map_or_else(Node::null, |text| Node::scalar(Tag::Float, text))
}
