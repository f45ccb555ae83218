//! Go's fmt: `Sprint`, `Sprintln` and `Sprintf` with every verb and flag, for values of templates.
//!
//! Wrong verbs and counts print as Go prints them (`%!d(string=x)`, `%!s(MISSING)`). Refused beyond Go: values nested deeper than
//! [`MAX_DEPTH`], above all maps that contain themselves, where Go exhausts its stack. `%p` prints `%!p(…)`: addresses differ from run
//! to run.

mod float;
mod quote;
mod verb;

use std::fmt::Display;

pub(super) use float::{Precision, format as format_float};
pub(super) use quote::{is_print, quote, runes, unicode_name};

use super::value::{Bytes, FloatType, List, Map, Value};
use verb::Flags;

/// Lists and maps inside each other.
const MAX_DEPTH: u32 = 200;
/// Go's own bound on widths and precisions.
const MAX_NUMBER: usize = 1_000_000;

/// A value is nested too deep to be printed.
#[derive(Debug)]
pub struct TooDeep;

impl Display for TooDeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("value is nested too deep to be printed, or contains itself")
    }
}

impl std::error::Error for TooDeep {}

type Printed = Result<Vec<u8>, TooDeep>;

/// `fmt.Sprint`: a space between two operands when neither is a string.
pub(super) fn sprint(values: &[Value]) -> Printed {
    let mut printer = Printer::default();
    let mut after_string = true;
    for value in values {
        let is_string = matches!(value, Value::String(_));
        if !after_string && !is_string {
            printer.out.push(b' ');
        }
        printer.argument(value, 'v');
        after_string = is_string;
    }
    printer.finish()
}

/// `fmt.Sprintln`: spaces between all operands, and a newline.
pub(super) fn sprintln(values: &[Value]) -> Printed {
    let mut printer = Printer::default();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            printer.out.push(b' ');
        }
        printer.argument(value, 'v');
    }
    printer.out.push(b'\n');
    printer.finish()
}

/// Prints one value as `%v` at the end of a buffer.
pub(super) fn print_to(out: &mut Vec<u8>, value: &Value) -> Result<(), TooDeep> {
    let mut printer = Printer { out: std::mem::take(out), ..Printer::default() };
    printer.argument(value, 'v');
    *out = printer.finish()?;
    Ok(())
}

/// `fmt.Sprintf`.
pub(super) fn sprintf(format: &[u8], values: &[Value]) -> Printed {
    let mut printer = Printer::default();
    printer.format(format, values);
    printer.finish()
}

#[derive(Default)]
struct Printer {
    out: Vec<u8>,
    flags: Flags,
    depth: u32,
    too_deep: bool,
    /// Inside `%!verb(…)`, where Go calls no methods.
    erroring: bool,
}

/// The argument under way in a format.
struct Cursor {
    index: usize,
    /// An index in brackets was seen: surplus arguments are no longer reported.
    reordered: bool,
    good: bool,
}

impl Printer {
    fn finish(self) -> Printed {
        if self.too_deep { Err(TooDeep) } else { Ok(self.out) }
    }

    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn format(&mut self, format: &[u8], values: &[Value]) {
        let mut cursor = Cursor { index: 0, reordered: false, good: true };
        let mut rest = format;
        while let Some(percent) = rest.iter().position(|byte| *byte == b'%') {
            let (text, tail) = rest.split_at(percent);
            self.out.extend_from_slice(text);
            cursor.good = true;
            rest = self.directive(tail.get(1..).unwrap_or(&[]), values, &mut cursor);
        }
        self.out.extend_from_slice(rest);
        if !cursor.reordered && cursor.index < values.len() {
            self.flags = Flags::default();
            self.push("%!(EXTRA ");
            for (index, value) in values.iter().enumerate().skip(cursor.index) {
                if index > cursor.index {
                    self.push(", ");
                }
                if matches!(value, Value::Nil) {
                    self.push("<nil>");
                } else {
                    self.push(&value.type_name());
                    self.push("=");
                    self.argument(value, 'v');
                }
            }
            self.push(")");
        }
    }

    /// One directive after its percent sign; what follows it.
    fn directive<'f>(&mut self, format: &'f [u8], values: &[Value], cursor: &mut Cursor) -> &'f [u8] {
        self.flags = Flags::default();
        let mut rest = format;
        while let Some((flag, tail)) = rest.split_first() {
            match flag {
                b'#' => self.flags.sharp = true,
                b'0' => self.flags.zero = true,
                b'+' => self.flags.plus = true,
                b'-' => self.flags.minus = true,
                b' ' => self.flags.space = true,
                _ => break,
            }
            rest = tail;
        }
        let mut indexed = false;
        rest = argument_index(rest, values.len(), cursor, &mut indexed);
        if let [b'*', tail @ ..] = rest {
            rest = tail;
            match star(values, cursor) {
                Some(width) => {
                    self.flags.width = Some(width.unsigned_abs());
                    if width < 0 {
                        self.flags.minus = true;
                        // Zeros would go to the right.
                        self.flags.zero = false;
                    }
                }
                None => self.push("%!(BADWIDTH)"),
            }
            indexed = false;
        } else {
            let (number, tail) = parse_number(rest);
            self.flags.width = number;
            if indexed && number.is_some() {
                cursor.good = false;
            }
            rest = tail;
        }
        if let [b'.', tail @ ..] = rest
            && !tail.is_empty()
        {
            if indexed {
                cursor.good = false;
            }
            rest = argument_index(tail, values.len(), cursor, &mut indexed);
            if let [b'*', tail @ ..] = rest {
                rest = tail;
                self.flags.precision = match star(values, cursor) {
                    Some(precision) => {
                        let precision = usize::try_from(precision).ok();
                        if precision.is_none() {
                            self.push("%!(BADPREC)");
                        }
                        precision
                    }
                    None => {
                        self.push("%!(BADPREC)");
                        None
                    }
                };
                indexed = false;
            } else {
                let (number, tail) = parse_number(rest);
                self.flags.precision = Some(number.unwrap_or(0));
                rest = tail;
            }
        }
        if !indexed {
            rest = argument_index(rest, values.len(), cursor, &mut indexed);
        }
        let Some((verb, raw)) = runes(rest).next() else {
            self.push("%!(NOVERB)");
            return &[];
        };
        rest = rest.get(raw.len()..).unwrap_or(&[]);
        if verb == '%' {
            self.out.push(b'%');
        } else if !cursor.good {
            self.push(&format!("%!{verb}(BADINDEX)"));
        } else if let Some(value) = values.get(cursor.index) {
            if matches!(verb, 'v' | 'w') {
                self.flags.go_syntax = std::mem::take(&mut self.flags.sharp);
                self.flags.field_names = std::mem::take(&mut self.flags.plus);
            }
            self.argument(value, verb);
            cursor.index += 1;
        } else {
            self.push(&format!("%!{verb}(MISSING)"));
        }
        rest
    }

    /// A value that was handed over, not one inside another.
    fn argument(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::List(_) | Value::Map(_) | Value::Object(_) | Value::ByteSlice(_), 'p') => {
                self.bad_verb(Some(value), verb);
            }
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (Value::Nil, _) => self.bad_verb(None, verb),
            (_, 'T') => {
                let name = value.type_name().into_owned();
                self.string(name.as_bytes(), 's');
            }
            (Value::ByteSlice(bytes), 'v' | 'd') => self.byte_slice(bytes, verb),
            _ => self.value(value, verb, true),
        }
    }

    /// Any value; `outer` when it is no part of another.
    fn value(&mut self, value: &Value, verb: char, outer: bool) {
        if self.depth > MAX_DEPTH {
            self.too_deep = true;
            return;
        }
        if !self.erroring && !self.flags.go_syntax && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            let text = match value {
                Value::Object(object) => object.text(),
                Value::Int(n, int) => super::time::int_text(*n, *int),
                _ => None,
            };
            if let Some(text) = text {
                self.string(text.as_bytes(), verb);
                return;
            }
        }
        if !self.erroring && verb == 'w' && matches!(value, Value::List(_) | Value::Map(_) | Value::Object(_)) {
            self.bad_verb(Some(value), verb);
            return;
        }
        match value {
            Value::Nil if self.flags.go_syntax => self.push("interface {}(nil)"),
            Value::Nil => self.push("<nil>"),
            Value::Bool(b) => match verb {
                't' | 'v' => self.pad(if *b { b"true" } else { b"false" }),
                _ => self.bad_verb(Some(value), verb),
            },
            Value::Int(n, _) => self.integer(n.unsigned_abs(), *n < 0, true, verb, value),
            Value::Uint(n, _) => self.integer(*n, false, false, verb, value),
            Value::Float(f, float) => self.float(*f, *float == FloatType::Float32, verb, value),
            Value::Complex(re, im) => self.complex(*re, *im, verb, value),
            Value::String(bytes) => self.string_value(bytes, verb, value),
            Value::ByteSlice(bytes) => match verb {
                's' | 'q' | 'x' | 'X' => self.string_value(bytes, verb, value),
                _ => self.bytes_one_by_one(bytes, verb),
            },
            Value::List(list) => self.list(list, verb),
            Value::Map(map) => self.map(map, verb),
            Value::Object(object) => {
                if object.is_pointer() && !outer {
                    self.bad_verb(Some(value), verb);
                    return;
                }
                let name = object.type_name();
                if object.is_pointer() {
                    self.out.push(b'&');
                }
                if self.flags.go_syntax {
                    self.push(name.trim_start_matches('*'));
                }
                let fields = object.fields();
                self.out.push(b'{');
                for (index, (name, field)) in fields.iter().enumerate() {
                    self.separate(index);
                    if self.flags.go_syntax || self.flags.field_names {
                        self.push(name);
                        self.out.push(b':');
                    }
                    self.inner(field, verb);
                }
                self.out.push(b'}');
            }
        }
    }

    fn inner(&mut self, value: &Value, verb: char) {
        self.depth += 1;
        self.value(value, verb, false);
        self.depth -= 1;
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.push(if self.flags.go_syntax { ", " } else { " " });
        }
    }

    fn list(&mut self, list: &List, verb: char) {
        let go_syntax = self.flags.go_syntax;
        if go_syntax {
            self.push(list.list_type().name);
            if list.is_nil() {
                self.push("(nil)");
                return;
            }
        }
        self.out.push(if go_syntax { b'{' } else { b'[' });
        for (index, item) in list.to_vec().iter().enumerate() {
            self.separate(index);
            self.inner(item, verb);
        }
        self.out.push(if go_syntax { b'}' } else { b']' });
    }

    fn map(&mut self, map: &Map, verb: char) {
        let go_syntax = self.flags.go_syntax;
        if go_syntax {
            self.push(map.map_type().name);
            if map.is_nil() {
                self.push("(nil)");
                return;
            }
        }
        self.push(if go_syntax { "{" } else { "map[" });
        for (index, (key, item)) in map.entries().iter().enumerate() {
            self.separate(index);
            self.inner(&Value::String(key.clone()), verb);
            self.out.push(b':');
            self.inner(item, verb);
        }
        self.out.push(if go_syntax { b'}' } else { b']' });
    }

    fn bytes_one_by_one(&mut self, bytes: &Bytes, verb: char) {
        if self.flags.go_syntax {
            self.push("[]uint8");
        }
        self.out.push(if self.flags.go_syntax { b'{' } else { b'[' });
        for (index, byte) in bytes.iter().enumerate() {
            self.separate(index);
            let value = Value::Uint(u64::from(*byte), super::value::UintType::Uint8);
            self.inner(&value, verb);
        }
        self.out.push(if self.flags.go_syntax { b'}' } else { b']' });
    }

    /// `%v` and `%d` of bytes by themselves.
    fn byte_slice(&mut self, bytes: &Bytes, verb: char) {
        if !self.flags.go_syntax {
            self.bytes_one_by_one(bytes, verb);
            return;
        }
        self.push("[]byte{");
        for (index, byte) in bytes.iter().enumerate() {
            self.separate(index);
            self.inner(&Value::Uint(u64::from(*byte), super::value::UintType::Uint8), 'v');
        }
        self.push("}");
    }

    /// A verb that does not fit the value.
    fn bad_verb(&mut self, value: Option<&Value>, verb: char) {
        self.erroring = true;
        self.push(&format!("%!{verb}("));
        match value {
            None | Some(Value::Nil) => self.push("<nil>"),
            Some(value) => {
                self.push(&value.type_name());
                self.push("=");
                if let Value::Object(object) = value
                    && object.is_pointer()
                    && verb == 'v'
                {
                    // Go prints the address.
                    self.push("0xc000000000");
                } else {
                    self.argument(value, 'v');
                }
            }
        }
        self.push(")");
        self.erroring = false;
    }
}

/// Width or precision from an argument.
fn star(values: &[Value], cursor: &mut Cursor) -> Option<isize> {
    let value = values.get(cursor.index)?;
    cursor.index += 1;
    let number = match value {
        Value::Int(n, _) => isize::try_from(*n).ok()?,
        Value::Uint(n, _) => isize::try_from(*n).ok()?,
        _ => return None,
    };
    (number.unsigned_abs() <= MAX_NUMBER).then_some(number)
}

/// Decimal digits; too large a number counts as none and ends the format, as in Go.
fn parse_number(format: &[u8]) -> (Option<usize>, &[u8]) {
    let length = format.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = format.split_at(length);
    if digits.is_empty() {
        return (None, rest);
    }
    let mut number = 0usize;
    for digit in digits {
        if number > MAX_NUMBER {
            return (None, &[]);
        }
        number = number * 10 + usize::from(digit - b'0');
    }
    (Some(number), rest)
}

/// `[3]` at the beginning of the format selects an argument.
fn argument_index<'f>(format: &'f [u8], count: usize, cursor: &mut Cursor, found: &mut bool) -> &'f [u8] {
    *found = false;
    if format.first() != Some(&b'[') {
        return format;
    }
    cursor.reordered = true;
    let close = if format.len() < 3 { None } else { format.iter().position(|byte| *byte == b']') };
    let Some(close) = close else {
        cursor.good = false;
        return format.get(1..).unwrap_or(&[]);
    };
    let rest = format.get(close + 1..).unwrap_or(&[]);
    let (number, tail) = parse_number(format.get(1..close).unwrap_or(&[]));
    match number {
        Some(number) if tail.is_empty() => {
            *found = true;
            match number.checked_sub(1) {
                Some(index) if index < count => cursor.index = index,
                _ => cursor.good = false,
            }
        }
        _ => cursor.good = false,
    }
    rest
}
