//! What an expression may cost at most, told from its form and from how large its values are, before it runs: steps, and bytes of what it
//! makes. An estimate from above; what is above the limit is refused, though it might be cheap.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue};

use crate::yaml::{Node, View};

/// Steps, of which some ten million take a second; and bytes.
const MAX_STEPS: f64 = 2e7;
const MAX_BYTES: f64 = 5e7;

/// How large values are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    /// Entries of the longest list or map.
    length: usize,
    /// Texts and entries together.
    bytes: usize,
}

impl Extent {
    pub(super) fn add(&mut self, node: &Node) {
        self.bytes += 8;
        match node.view() {
            View::Scalar(_, text) => self.bytes += text.len(),
            View::Seq(items) => {
                self.length = self.length.max(items.len());
                items.iter().for_each(|item| self.add(item));
            }
            View::Map(map) => {
                self.length = self.length.max(map.len());
                for (key, value) in map.iter() {
                    self.add(key);
                    self.add(value);
                }
            }
        }
    }
}

/// Whether an expression over values of this size stays within the limits.
pub(super) fn is_affordable(expr: &IdedExpr, extent: Extent) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let known = Bound { steps: 1.0, length: extent.length.max(1) as f64, bytes: extent.bytes.max(8) as f64 };
    let bound = of(expr, known);
    bound.steps <= MAX_STEPS && bound.bytes <= MAX_BYTES
}

#[derive(Clone, Copy)]
struct Bound {
    steps: f64,
    /// How often something is done for each of its items.
    length: f64,
    bytes: f64,
}

/// What macros gather in.
const GATHERED: &str = "@result";

const SMALL: Bound = Bound { steps: 1.0, length: 1.0, bytes: 8.0 };

fn of(expr: &IdedExpr, known: Bound) -> Bound {
    match &expr.expr {
        Expr::Unspecified => SMALL,
        Expr::Literal(value) => {
            let length = match value {
                LiteralValue::String(text) => text.inner().len(),
                LiteralValue::Bytes(bytes) => bytes.inner().len(),
                _ => 8,
            };
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let length = length.max(1) as f64;
            Bound { steps: 1.0, length, bytes: length }
        }
        // What a loop gathers is counted by what each round adds to it; nobody can write this name.
        Expr::Ident(name) if name.as_str() == GATHERED => SMALL,
        Expr::Ident(_) => known,
        Expr::Select(select) => {
            let operand = of(&select.operand, known);
            Bound { steps: operand.steps + 1.0, ..operand }
        }
        Expr::List(list) => gathered(list.elements.iter(), known),
        Expr::Map(map) => gathered(map.entries.iter().flat_map(|entry| entries(&entry.expr)), known),
        Expr::Struct(made) => gathered(made.entries.iter().flat_map(|entry| entries(&entry.expr)), known),
        Expr::Call(call) => {
            called(&call.func_name, call.target.iter().map(|target| &**target).chain(&call.args), known)
        }
        Expr::Comprehension(loop_) => {
            let range = of(&loop_.iter_range, known);
            let start = of(&loop_.accu_init, known);
            // An item may be as large as all that is gone through.
            let item =
                Bound { steps: 1.0, length: known.length.max(range.length), bytes: known.bytes.max(range.bytes) };
            let (step, condition) = (of(&loop_.loop_step, item), of(&loop_.loop_cond, item));
            let result = of(&loop_.result, item);
            let rounds = range.length.max(1.0);
            Bound {
                steps: range.steps + start.steps + rounds * (step.steps + condition.steps + 1.0) + result.steps,
                length: rounds.max(start.length).max(result.length),
                bytes: start.bytes + rounds * step.bytes + result.bytes,
            }
        }
    }
}

/// The expressions of an entry of a map or a field of a struct.
pub(super) fn entries(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// A list or a map of these.
fn gathered<'e>(parts: impl Iterator<Item = &'e IdedExpr>, known: Bound) -> Bound {
    let mut all = Bound { steps: 1.0, length: 0.0, bytes: 8.0 };
    for part in parts {
        let part = of(part, known);
        all = Bound { steps: all.steps + part.steps, length: all.length + 1.0, bytes: all.bytes + part.bytes };
    }
    all.length = all.length.max(1.0);
    all
}

fn called<'e>(name: &str, parts: impl Iterator<Item = &'e IdedExpr>, known: Bound) -> Bound {
    let parts: Vec<Bound> = parts.map(|part| of(part, known)).collect();
    let steps: f64 = parts.iter().map(|part| part.steps).sum::<f64>() + 1.0;
    let bytes: f64 = parts.iter().map(|part| part.bytes).sum();
    let length = parts.iter().map(|part| part.length).fold(1.0, f64::max);
    let product: f64 = parts.iter().map(|part| part.bytes.max(1.0)).product();
    match name {
        // Texts are gone through once a step of their length.
        "matches" | "contains" | "find" | "findAll" | "split" => {
            Bound { steps: steps + bytes, length: bytes, bytes: 2.0 * bytes }
        }
        "replace" | "join" | "format" => Bound { steps: steps + bytes + product, length, bytes: bytes + product },
        // No further than the smaller one goes; the answer is small, what it is asked of counts where it is too large.
        "_==_" | "_!=_" => {
            let least = parts.iter().map(|part| part.bytes).fold(f64::INFINITY, f64::min);
            let bytes = if bytes > MAX_BYTES { bytes } else { SMALL.bytes };
            Bound { steps: steps + least, length: 1.0, bytes }
        }
        "@in" => {
            let answer = if bytes > MAX_BYTES { bytes } else { SMALL.bytes };
            Bound { steps: steps + bytes, length: 1.0, bytes: answer }
        }
        // Each of these with each of those.
        "sets.contains" | "sets.equivalent" | "sets.intersects" | "distinct" | "sort" => {
            Bound { steps: steps + length * length, length, bytes }
        }
        "lists.range" => Bound { steps: steps + 1e6, length: 1e6, bytes: 1.6e7 },
        "_+_" => Bound { steps: steps + bytes / 64.0, length: parts.iter().map(|part| part.length).sum(), bytes },
        "flatten" => Bound { steps: steps + bytes, length: bytes, bytes },
        _ => Bound { steps, length, bytes },
    }
}
