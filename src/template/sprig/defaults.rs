//! default, empty, coalesce, all, any, ternary, fail, hello.

use super::cast::is_empty;
use crate::template::function::{Arguments, Context, Entry, Failure, Outcome};
use crate::template::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("all", "a*", |_, args| Ok(Value::Bool(!args.from(0).iter().any(is_empty)))),
    ("any", "a*", |_, args| Ok(Value::Bool(!args.from(0).iter().all(is_empty)))),
    ("coalesce", "a*", |_, args| Ok(args.from(0).iter().find(|value| !is_empty(value)).cloned().unwrap_or_default())),
    ("default", "aa*", default),
    ("empty", "a", |_, args| Ok(Value::Bool(is_empty(&args.any(0))))),
    ("fail", "s", |_, args| Err(Failure::new(args.text(0)))),
    ("hello", "", |_, _| Ok(Value::from("Hello!"))),
    ("ternary", "aab", |_, args| Ok(args.any(usize::from(!args.bool(2))))),
];

/// The second argument, unless it is empty.
fn default(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let given = args.any(1);
    Ok(if is_empty(&given) { args.any(0) } else { given })
}
