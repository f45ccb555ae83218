//! Types and kinds, and conversions between them.

use super::cast::{text, texts, to_float, to_int};
use super::equal::deep_equal;
use crate::template::function::{Arguments, Context, Entry, Outcome};
use crate::template::number::{self, NumberError};
use crate::template::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("atoi", "s", atoi),
    ("deepEqual", "aa", |_, args| Ok(Value::Bool(deep_equal(&args.any(0), &args.any(1))?))),
    ("float64", "a", |_, args| Ok(Value::float(to_float(&args.any(0))))),
    ("int", "a", |_, args| Ok(Value::int(to_int(&args.any(0))))),
    ("int64", "a", |_, args| Ok(Value::int64(to_int(&args.any(0))))),
    ("kindIs", "sa", |_, args| Ok(Value::Bool(args.text(0) == args.any(1).kind().name()))),
    ("kindOf", "a", |_, args| Ok(Value::from(args.any(0).kind().name()))),
    ("toDecimal", "a", to_decimal),
    ("toString", "a", |_, args| Ok(Value::String(text(&args.any(0))?))),
    ("toStrings", "a", to_strings),
    ("typeIs", "sa", |_, args| Ok(Value::Bool(args.text(0) == args.any(1).type_name()))),
    ("typeIsLike", "sa", type_is_like),
    ("typeOf", "a", |_, args| Ok(Value::from(args.any(0).type_name().as_ref()))),
];

/// The type, or a pointer to it.
fn type_is_like(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let (target, value) = (args.text(0), args.any(1));
    let name = value.type_name();
    Ok(Value::Bool(name == target || name.strip_prefix('*') == Some(target.as_ref())))
}

/// `strconv.Atoi` without its error: too large a number is the largest.
fn atoi(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let text = args.text(0);
    Ok(Value::int(match number::parse_int(&text, 10) {
        Ok(n) => n,
        Err(NumberError::Range) if text.starts_with('-') => i64::MIN,
        Err(NumberError::Range) => i64::MAX,
        Err(NumberError::Syntax) => 0,
    }))
}

/// Reads octal digits, of all things.
fn to_decimal(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let text = crate::template::fmt::sprint(&[args.any(0)])?;
    let text = String::from_utf8_lossy(&text);
    Ok(Value::int64(number::parse_int(&text, 8).unwrap_or(0)))
}

/// A `[]string` is returned as it is, not copied.
fn to_strings(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    match args.any(0) {
        Value::List(list) if list.list_type().name == "[]string" => Ok(Value::List(list)),
        value => Ok(Value::strings(texts(&value)?)),
    }
}
