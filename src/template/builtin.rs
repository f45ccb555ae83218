//! The functions of Go's text/template: and, or, not, call, html, index, slice, js, len, print, printf, println, urlquery, comparisons.
//!
//! They see operands rather than values, since their messages tell a missing value from nil.

use std::rc::Rc;

use super::exec::{Operand, Shape};
use super::fmt;
use super::function::{Body, Failure};
use super::object::Pointee;
use super::value::{Bytes, List, UintType, Value};

type Checked<T> = Result<T, Failure>;

/// Name, signature and body of every builtin function.
pub(super) const TABLE: &[(&str, &str, Body)] = &[
    ("and", "vv*", Body::And),
    ("call", "vv*", Body::Call),
    ("eq", "vv*", Body::Reflect(eq)),
    ("ge", "vv", Body::Reflect(ge)),
    ("gt", "vv", Body::Reflect(gt)),
    ("html", "a*", Body::Reflect(html)),
    ("index", "vv*", Body::Reflect(index)),
    ("js", "a*", Body::Reflect(js)),
    ("le", "vv", Body::Reflect(le)),
    ("len", "v", Body::Reflect(len)),
    ("lt", "vv", Body::Reflect(lt)),
    ("ne", "vv", Body::Reflect(ne)),
    ("not", "v", Body::Reflect(not)),
    ("or", "vv*", Body::Or),
    ("print", "a*", Body::Reflect(print)),
    ("printf", "sa*", Body::Reflect(printf)),
    ("println", "a*", Body::Reflect(println)),
    ("slice", "vv*", Body::Reflect(slice)),
    ("urlquery", "a*", Body::Reflect(urlquery)),
];

fn string(bytes: Vec<u8>) -> Operand {
    Operand::of(Value::from(bytes))
}

fn values(operands: &[Operand]) -> Vec<Value> {
    operands.iter().map(|operand| operand.value.clone()).collect()
}

fn print(operands: &[Operand]) -> Checked<Operand> {
    Ok(string(fmt::sprint(&values(operands))?))
}

fn println(operands: &[Operand]) -> Checked<Operand> {
    Ok(string(fmt::sprintln(&values(operands))?))
}

fn printf(operands: &[Operand]) -> Checked<Operand> {
    let values = values(operands);
    let (format, rest) = match values.split_first() {
        Some((Value::String(format), rest)) => (format.clone(), rest),
        _ => (Bytes::default(), &[][..]),
    };
    Ok(string(fmt::sprintf(&format, rest)?))
}

/// One string as it is, anything else as `print` writes it.
fn printed(operands: &[Operand]) -> Checked<Bytes> {
    match operands {
        [Operand { value: Value::String(bytes), .. }] => Ok(bytes.clone()),
        _ => {
            let values = operands.iter().map(|operand| match &operand.value {
                Value::Nil => Value::from("<no value>"),
                Value::Object(object) if object.is_pointer() && object.text().is_none() => {
                    Value::Object(Rc::new(Pointee(Rc::clone(object))))
                }
                value => value.clone(),
            });
            Ok(fmt::sprint(&values.collect::<Vec<_>>())?.into())
        }
    }
}

fn html(operands: &[Operand]) -> Checked<Operand> {
    Ok(string(escape_html(&printed(operands)?)))
}

/// Escapes as Go's template package does, which differs from other escapers in its names for quotes.
pub(super) fn escape_html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            byte => out.push(*byte),
        }
    }
    out
}

fn js(operands: &[Operand]) -> Checked<Operand> {
    let mut out = Vec::new();
    for (unit, bytes) in fmt::runes(&printed(operands)?) {
        match unit {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\'' => out.extend_from_slice(b"\\'"),
            '"' => out.extend_from_slice(b"\\\""),
            '<' | '>' | '&' | '=' | '\0'..='\u{1f}' => {
                out.extend_from_slice(format!("\\u{:04X}", u32::from(unit)).as_bytes());
            }
            // What does not print is escaped; bytes that are no UTF-8 pass as they are, since U+FFFD prints.
            _ if unit.is_ascii() || fmt::is_print(unit) => out.extend_from_slice(bytes),
            _ => out.extend_from_slice(format!("\\u{:04X}", u32::from(unit)).as_bytes()),
        }
    }
    Ok(string(out))
}

fn urlquery(operands: &[Operand]) -> Checked<Operand> {
    Ok(string(escape_query(&printed(operands)?)))
}

/// `url.QueryEscape`.
pub(super) fn escape_query(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            byte => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

fn not(operands: &[Operand]) -> Checked<Operand> {
    let truth = operands.first().is_some_and(|operand| operand.value.is_true());
    Ok(Operand::of(Value::Bool(!truth)))
}

fn len(operands: &[Operand]) -> Checked<Operand> {
    let operand = operands.first().unwrap_or(&Operand::INVALID);
    let length = match &operand.value {
        Value::String(bytes) | Value::ByteSlice(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Nil if operand.is_valid() => return Err(Failure::new("len of nil pointer")),
        Value::Nil => return Err(Failure::new("reflect: call of reflect.Value.Type on zero Value")),
        value => return Err(Failure::new(format!("len of type {}", value.type_name()))),
    };
    Ok(Operand::of(Value::int(i64::try_from(length).unwrap_or(i64::MAX))))
}

fn index_argument(index: &Operand, capacity: usize) -> Checked<usize> {
    let n = match &index.value {
        Value::Int(n, _) => *n,
        // Go converts and lets large numbers wrap.
        Value::Uint(n, _) => n.cast_signed(),
        Value::Nil => return Err(Failure::new("cannot index slice/array with nil")),
        value => return Err(Failure::new(format!("cannot index slice/array with type {}", value.type_name()))),
    };
    match usize::try_from(n) {
        Ok(index) if index <= capacity => Ok(index),
        _ => Err(Failure::new(format!("index out of range: {n}"))),
    }
}

fn index(operands: &[Operand]) -> Checked<Operand> {
    let Some((item, indexes)) = operands.split_first() else { return Ok(Operand::INVALID) };
    let mut item = item.clone().unboxed();
    if !item.is_valid() {
        return Err(Failure::new("index of untyped nil"));
    }
    for index in indexes {
        if matches!(item.value, Value::Nil) {
            return Err(Failure::new("index of nil pointer"));
        }
        item = match &item.value {
            Value::String(bytes) | Value::ByteSlice(bytes) => {
                let at = index_argument(index, bytes.len())?;
                let byte = bytes.get(at).ok_or_else(|| out_of_range(&item.value))?;
                Operand::of(Value::Uint(u64::from(*byte), UintType::Uint8))
            }
            Value::List(list) => {
                let at = index_argument(index, list.len())?;
                let element = list.get(at).ok_or_else(|| out_of_range(&item.value))?;
                Operand::element(element, list.list_type().element)
            }
            Value::Map(map) => {
                let element = map.map_type().element;
                let key = match &index.value {
                    Value::String(key) => key,
                    Value::Nil => return Err(Failure::new("value is nil; should be of type string")),
                    value => {
                        return Err(Failure::new(format!("value has type {}; should be string", value.type_name())));
                    }
                };
                Operand::element(map.get(key).unwrap_or_else(|| element.zero()), element)
            }
            value => return Err(Failure::new(format!("can't index item of type {}", value.type_name()))),
        };
    }
    Ok(item)
}

/// The index just behind the end passes Go's check and fails in reflection.
fn out_of_range(value: &Value) -> Failure {
    let what = if matches!(value, Value::String(_)) { "string" } else { "slice" };
    Failure::new(format!("reflect: {what} index out of range"))
}

fn slice(operands: &[Operand]) -> Checked<Operand> {
    let Some((item, indexes)) = operands.split_first() else { return Ok(Operand::INVALID) };
    let length = match &item.value {
        Value::Nil => return Err(Failure::new("slice of untyped nil")),
        _ if indexes.len() > 3 => return Err(Failure::new(format!("too many slice indexes: {}", indexes.len()))),
        Value::String(_) if indexes.len() == 3 => return Err(Failure::new("cannot 3-index slice a string")),
        Value::String(bytes) | Value::ByteSlice(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        value => return Err(Failure::new(format!("can't slice item of type {}", value.type_name()))),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = index_argument(index, length)?;
    }
    let [start, end, capacity] = bounds;
    if start > end {
        return Err(Failure::new(format!("invalid slice index: {start} > {end}")));
    }
    if end > capacity {
        return Err(Failure::new(format!("invalid slice index: {end} > {capacity}")));
    }
    Ok(Operand::of(match &item.value {
        Value::String(bytes) => Value::from(bytes.get(start..end).unwrap_or(&[])),
        Value::ByteSlice(bytes) => Value::ByteSlice(bytes.get(start..end).unwrap_or(&[]).into()),
        Value::List(list) => {
            let items = list.to_vec().get(start..end).unwrap_or(&[]).to_vec();
            Value::List(List::new(list.list_type(), items))
        }
        _ => Value::Nil,
    }))
}

/// The error of `call`: templates meet no value that is a function.
pub(super) fn call(name: &str, callee: Option<&Operand>) -> Failure {
    match callee.map(|operand| &operand.value) {
        None | Some(Value::Nil) => Failure::new("call of nil"),
        Some(value) => Failure::new(format!("non-function {name} of type {}", value.type_name())),
    }
}

/// Go's classes of comparable kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Bool,
    Complex,
    Int,
    Float,
    String,
    Uint,
    Other,
}

fn class(value: &Value) -> Class {
    match value {
        Value::Bool(_) => Class::Bool,
        Value::Complex(..) => Class::Complex,
        Value::Int(..) => Class::Int,
        Value::Float(..) => Class::Float,
        Value::String(_) => Class::String,
        Value::Uint(..) => Class::Uint,
        _ => Class::Other,
    }
}

fn incompatible(a: &Value, b: &Value) -> Failure {
    Failure::new(format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name()))
}

fn equal(a: &Value, b: &Value) -> Checked<bool> {
    #[expect(clippy::float_cmp, reason = "Go's == of floats")]
    Ok(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
        (Value::Int(a, _), Value::Int(b, _)) => a == b,
        (Value::Uint(a, _), Value::Uint(b, _)) => a == b,
        (Value::Float(a, _), Value::Float(b, _)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Int(int, _), Value::Uint(uint, _)) | (Value::Uint(uint, _), Value::Int(int, _)) => {
            u64::try_from(*int).is_ok_and(|int| int == *uint)
        }
        _ if class(a) != class(b) => {
            if matches!(a, Value::Nil) || matches!(b, Value::Nil) {
                return Ok(false);
            }
            return Err(incompatible(a, b));
        }
        _ => {
            let nil = |value: &Value| matches!(value, Value::Nil);
            let same_kind = a.kind() == b.kind();
            if !same_kind && !nil(a) && !nil(b) {
                return Err(Failure::new(format!(
                    "non-comparable types {}: {}, {}: {}",
                    text_of(a)?,
                    a.type_name(),
                    b.type_name(),
                    String::from_utf8_lossy(&fmt::sprint(std::slice::from_ref(b))?)
                )));
            }
            if a.is_nil() || b.is_nil() {
                return Ok(a.is_nil() == b.is_nil());
            }
            match (a, b) {
                (Value::Object(a), Value::Object(b)) => a.equals(&**b),
                _ => return Err(Failure::new(format!("non-comparable type {}: {}", text_of(b)?, b.type_name()))),
            }
        }
    })
}

fn text_of(value: &Value) -> Checked<String> {
    let text = fmt::sprintf(b"%s", std::slice::from_ref(value))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn eq(operands: &[Operand]) -> Checked<Operand> {
    let Some((first, others)) = operands.split_first() else { return Ok(Operand::INVALID) };
    if others.is_empty() {
        return Err(Failure::new("missing argument for comparison"));
    }
    for other in others {
        if equal(&first.value, &other.value)? {
            return Ok(Operand::of(Value::Bool(true)));
        }
    }
    Ok(Operand::of(Value::Bool(false)))
}

fn two(operands: &[Operand]) -> (&Value, &Value) {
    match operands {
        [a, b, ..] => (&a.value, &b.value),
        _ => (&Value::Nil, &Value::Nil),
    }
}

fn ne(operands: &[Operand]) -> Checked<Operand> {
    let (a, b) = two(operands);
    Ok(Operand { value: Value::Bool(!equal(a, b)?), shape: Shape::Concrete })
}

fn less(a: &Value, b: &Value) -> Checked<bool> {
    let bad = || Failure::new("invalid type for comparison");
    if class(a) == Class::Other || class(b) == Class::Other {
        return Err(bad());
    }
    Ok(match (a, b) {
        (Value::Int(a, _), Value::Int(b, _)) => a < b,
        (Value::Uint(a, _), Value::Uint(b, _)) => a < b,
        (Value::Float(a, _), Value::Float(b, _)) => a < b,
        (Value::String(a), Value::String(b)) => a < b,
        (Value::Int(a, _), Value::Uint(b, _)) => u64::try_from(*a).map_or(true, |a| a < *b),
        (Value::Uint(a, _), Value::Int(b, _)) => u64::try_from(*b).is_ok_and(|b| *a < b),
        _ if class(a) == class(b) => return Err(bad()),
        _ => return Err(incompatible(a, b)),
    })
}

fn less_or_equal(a: &Value, b: &Value) -> Checked<bool> {
    Ok(less(a, b)? || equal(a, b)?)
}

fn lt(operands: &[Operand]) -> Checked<Operand> {
    let (a, b) = two(operands);
    Ok(Operand::of(Value::Bool(less(a, b)?)))
}

fn le(operands: &[Operand]) -> Checked<Operand> {
    let (a, b) = two(operands);
    Ok(Operand::of(Value::Bool(less_or_equal(a, b)?)))
}

fn gt(operands: &[Operand]) -> Checked<Operand> {
    let (a, b) = two(operands);
    Ok(Operand::of(Value::Bool(!less_or_equal(a, b)?)))
}

fn ge(operands: &[Operand]) -> Checked<Operand> {
    let (a, b) = two(operands);
    Ok(Operand::of(Value::Bool(!less(a, b)?)))
}
