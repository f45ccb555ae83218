//! `reflect.DeepEqual`: same types, same contents; a nil map or list differs from an empty one.

use crate::template::function::Failure;
use crate::template::value::Value;

const MAX_DEPTH: u32 = 200;

pub(super) fn deep_equal(a: &Value, b: &Value) -> Result<bool, Failure> {
    compare(a, b, 0)
}

#[expect(clippy::float_cmp, reason = "Go's == of floats")]
fn compare(a: &Value, b: &Value, depth: u32) -> Result<bool, Failure> {
    if depth > MAX_DEPTH {
        return Err(Failure::new("the values are nested too deep to be compared, or contain themselves"));
    }
    Ok(match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, s), Value::Int(b, t)) => a == b && s == t,
        (Value::Uint(a, s), Value::Uint(b, t)) => a == b && s == t,
        (Value::Float(a, s), Value::Float(b, t)) => a == b && s == t,
        (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
        (Value::String(a), Value::String(b)) | (Value::ByteSlice(a), Value::ByteSlice(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if a.list_type().name != b.list_type().name || a.is_nil() != b.is_nil() || a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.to_vec().iter().zip(&b.to_vec()) {
                if !compare(a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.map_type().name != b.map_type().name || a.is_nil() != b.is_nil() || a.len() != b.len() {
                return Ok(false);
            }
            if a.is_same(b) {
                return Ok(true);
            }
            for ((key, a), (other, b)) in a.entries().iter().zip(&b.entries()) {
                if key != other || !compare(a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(a), Value::Object(b)) => a.equals(&**b),
        _ => false,
    })
}
