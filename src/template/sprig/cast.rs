//! Values as numbers and as text, by the rules of spf13/cast 1.7 and sprig's own `strval`.

use crate::template::fmt;
use crate::template::function::Failure;
use crate::template::number;
use crate::template::value::{Bytes, IntType, Value};

/// `cast.ToInt64`: what is no number is 0; strings may have a base prefix, and zeros behind a point.
#[expect(clippy::cast_possible_truncation, reason = "Go's conversion, with its result outside the range")]
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(_, IntType::Duration) => 0,
        Value::Int(n, _) => *n,
        Value::Uint(n, _) => n.cast_signed(),
        Value::Float(f, _) if *f >= -9_223_372_036_854_775_808.0 && *f < 9_223_372_036_854_775_808.0 => {
            f.trunc() as i64
        }
        Value::Float(..) => i64::MIN,
        Value::String(text) => {
            let text = std::str::from_utf8(text).unwrap_or("");
            number::parse_int(without_zero_decimals(text), 0).unwrap_or(0)
        }
        Value::Bool(b) => i64::from(*b),
        _ => 0,
    }
}

/// `5.00` is 5 for the parser of integers.
fn without_zero_decimals(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    }
}

/// `cast.ToFloat64`.
#[expect(clippy::cast_precision_loss, reason = "Go's conversion")]
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(_, IntType::Duration) => 0.0,
        Value::Int(n, _) => *n as f64,
        Value::Uint(n, _) => *n as f64,
        Value::Float(f, _) => *f,
        Value::String(text) => std::str::from_utf8(text).map_or(0.0, |text| number::parse_float(text).unwrap_or(0.0)),
        Value::Bool(b) => f64::from(u8::from(*b)),
        _ => 0.0,
    }
}

/// sprig's `strval`: strings and bytes as they are, others as `%v`.
pub(super) fn text(value: &Value) -> Result<Bytes, Failure> {
    match value {
        Value::String(bytes) | Value::ByteSlice(bytes) => Ok(bytes.clone()),
        value => Ok(fmt::sprintf(b"%v", std::slice::from_ref(value))?.into()),
    }
}

/// sprig's `strslice`: the elements as text without nil; anything but a list is one element.
pub(super) fn texts(value: &Value) -> Result<Vec<Bytes>, Failure> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::List(list) => list.to_vec().iter().filter(|item| !matches!(item, Value::Nil)).map(text).collect(),
        Value::ByteSlice(bytes) => Ok(bytes.iter().map(|byte| Bytes::from(byte.to_string())).collect()),
        value => Ok(vec![text(value)?]),
    }
}

/// sprig's `empty`: Go's zero values, and empty maps, lists and strings.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.is_true()
}
