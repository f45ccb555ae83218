//! Numbers as Go reads and prints them.
//!
//! Reading follows strconv.ParseInt with base 0 after go-yaml has dropped underscores; printing follows strconv's shortest forms. Sources:
//! go-yaml's resolve.go, Go's strconv and encoding/json.

use std::borrow::Cow;

use super::{Node, Tag};

/// The value of a number.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    /// Fits a signed 64-bit integer.
    Int(i64),
    /// A positive integer beyond that.
    Uint(u64),
    /// Anything else; may be infinite or not a number.
    Float(f64),
}

impl Number {
    /// The value as a float, rounded as Go's conversion does.
    pub fn as_f64(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "Go rounds too")]
            Number::Int(n) => n as f64,
            #[expect(clippy::cast_precision_loss, reason = "Go rounds too")]
            Number::Uint(n) => n as f64,
            Number::Float(n) => n,
        }
    }
}

impl Node {
    /// The value of an `!!int` or `!!float` scalar; `None` for other nodes.
    pub fn number(&self) -> Option<Number> {
        let text = self.text()?;
        match self.tag()? {
            Tag::Int => parse(text),
            Tag::Float => special_float(text)
                .or_else(|| if text.starts_with('.') { parse_float(text) } else { parse(text).map(Number::as_f64) })
                .map(Number::Float),
            _ => None,
        }
    }
}

/// The value of the words for infinity and not-a-number.
pub(super) fn special_float(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A decimal float in range; what overflows is none, what underflows is zero. As in Go, underscores may stand between digits.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    if text.contains('_') {
        let bytes = text.as_bytes();
        let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        let between = |at: usize| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1));
        let good = bytes.iter().enumerate().all(|(at, b)| *b != b'_' || between(at));
        return if good { parse_float(&text.replace('_', "")) } else { None };
    }
    let valid = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if !valid {
        return None;
    }
    text.parse::<f64>().ok().filter(|f| f.is_finite())
}

/// A number as go-yaml reads it from a text that starts with a sign or a digit.
pub(super) fn parse(text: &str) -> Option<Number> {
    parse_as(text, true)
}

/// As [`parse`]; only go-yaml v3 has a branch of its own for `0o`.
pub(super) fn parse_as(text: &str, octal_branch: bool) -> Option<Number> {
    // Short decimals are nearly all numbers there are.
    if text.len() < 18 && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Number::Int);
    }
    let plain: Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let (base, magnitude) = based(digits);
    if let Some(value) = magnitude_of(magnitude, base) {
        match signed(negative, value) {
            Some(int) => return Some(Number::Int(int)),
            None if digits.len() == plain.len() => return Some(Number::Uint(value)),
            None => {}
        }
    }
    if is_float_shape(&plain) {
        return parse_float(&plain).map(Number::Float);
    }
    // What is left are prefixes with a sign behind them, which go-yaml's own branches for 0b and 0o let through.
    let (outer, rest) = match plain.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, &*plain),
    };
    let (base, rest) = match rest.as_bytes() {
        [b'0', b'b', ..] => (2, rest.get(2..)?),
        [b'0', b'o', ..] if octal_branch => (8, rest.get(2..)?),
        _ => return None,
    };
    match rest.strip_prefix(['+', '-']) {
        Some(_) if outer => None,
        Some(inner) => signed(rest.starts_with('-'), magnitude_of(inner, base)?).map(Number::Int),
        None => None,
    }
}

/// Base and digits after the prefix, as strconv does for base 0.
fn based(digits: &str) -> (u32, &str) {
    match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, digits.get(2..).unwrap_or_default()),
        [b'0', b'o' | b'O', _, ..] => (8, digits.get(2..).unwrap_or_default()),
        [b'0', b'b' | b'B', _, ..] => (2, digits.get(2..).unwrap_or_default()),
        [b'0', _, ..] => (8, digits.get(1..).unwrap_or_default()),
        _ => (10, digits),
    }
}

fn magnitude_of(digits: &str, base: u32) -> Option<u64> {
    // from_str_radix would take a sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

fn signed(negative: bool, magnitude: u64) -> Option<i64> {
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float_shape(text: &str) -> bool {
    fn digits(rest: &mut &[u8]) -> usize {
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        *rest = rest.get(count..).unwrap_or_default();
        count
    }
    fn take(rest: &mut &[u8], any: &[u8]) -> bool {
        match rest.split_first() {
            Some((first, after)) if any.contains(first) => {
                *rest = after;
                true
            }
            _ => false,
        }
    }
    let mut rest = text.as_bytes();
    take(&mut rest, b"+-");
    let whole = digits(&mut rest);
    let fraction = if take(&mut rest, b".") { digits(&mut rest) } else { 0 };
    if whole == 0 && fraction == 0 {
        return false;
    }
    if take(&mut rest, b"eE") {
        take(&mut rest, b"+-");
        if digits(&mut rest) == 0 {
            return false;
        }
    }
    rest.is_empty()
}

/// The digits of a float in the form `1.5e7`, and the position of the point: `0.d1d2… × 10^point`.
///
/// Of two shortest forms that are equally near, Go takes the even one, Rust the larger: `precise` gives the rounded form with as many digits
/// behind the point, `same` tells whether it is the same number.
fn shortest(scientific: String, precise: impl Fn(usize) -> String, same: impl Fn(&str) -> bool) -> (String, i32) {
    let behind = scientific.split('e').next().unwrap_or_default().len().saturating_sub(2);
    let even = if behind > 6 { Some(precise(behind)).filter(|even| same(even)) } else { None };
    let chosen = even.unwrap_or(scientific);
    let (mantissa, exponent) = chosen.split_once('e').unwrap_or((&chosen, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    (digits, exponent.parse::<i32>().unwrap_or(0) + 1)
}

fn shortest64(value: f64) -> (String, i32) {
    shortest(format!("{value:e}"), |behind| format!("{value:.behind$e}"), |text| text.parse() == Ok(value))
}

fn shortest32(value: f32) -> (String, i32) {
    shortest(format!("{value:e}"), |behind| format!("{value:.behind$e}"), |text| text.parse() == Ok(value))
}

fn fixed(digits: &str, point: i32) -> String {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if point <= 0 {
        format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
    } else if point >= count {
        format!("{digits}{}", "0".repeat((point - count).unsigned_abs() as usize))
    } else {
        let (whole, fraction) = digits.split_at(point.unsigned_abs() as usize);
        format!("{whole}.{fraction}")
    }
}

fn exponential(digits: &str, point: i32, width: usize) -> String {
    let (first, rest) = digits.split_at(1);
    let dot = if rest.is_empty() { "" } else { "." };
    let exponent = point - 1;
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{dot}{rest}e{sign}{:0width$}", exponent.unsigned_abs())
}

fn general(negative: bool, (digits, point): (String, i32)) -> String {
    let sign = if negative { "-" } else { "" };
    let exponent = point - 1;
    // Six digits is what Go's 'g' assumes when it may choose how many it prints.
    if (-4..6).contains(&exponent) {
        format!("{sign}{}", fixed(&digits, point))
    } else {
        format!("{sign}{}", exponential(&digits, point, 2))
    }
}

/// A float as go-yaml prints it: strconv's `'g'` with the fewest digits; `.inf`, `-.inf` and `.nan`.
pub fn go_float(value: f64) -> String {
    match value {
        v if v.is_nan() => ".nan".into(),
        v if v.is_infinite() => if v > 0.0 { ".inf" } else { "-.inf" }.into(),
        0.0 => if value.is_sign_negative() { "-0" } else { "0" }.into(),
        v => general(v < 0.0, shortest64(v.abs())),
    }
}

/// A float with 32-bit precision, as sigs.k8s.io/yaml prints the keys of mappings.
pub(super) fn go_float32(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the original rounds to 32 bits")]
    let value = value as f32;
    match value {
        v if v.is_nan() => ".nan".into(),
        v if v.is_infinite() => if v > 0.0 { ".inf" } else { "-.inf" }.into(),
        0.0 => if value.is_sign_negative() { "-0" } else { "0" }.into(),
        v => general(v < 0.0, shortest32(v.abs())),
    }
}

/// A float as Go's encoding/json prints it; `None` for what JSON has no form for (infinities, not a number).
pub fn json_float(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    if value == 0.0 {
        return Some(if value.is_sign_negative() { "-0" } else { "0" }.into());
    }
    let (digits, point) = shortest64(value.abs());
    let sign = if value < 0.0 { "-" } else { "" };
    let magnitude = value.abs();
    Some(if (1e-6..1e21).contains(&magnitude) {
        format!("{sign}{}", fixed(&digits, point))
    } else {
        format!("{sign}{}", exponential(&digits, point, 1))
    })
}

/// A number as it comes out when Go writes it as JSON and go-yaml v2 reads and prints that.
pub(super) fn through_json(number: Number) -> String {
    match number {
        Number::Int(n) => n.to_string(),
        Number::Uint(n) => n.to_string(),
        Number::Float(f) => match json_float(f) {
            None => go_float(f),
            Some(text) => match parse(&text) {
                Some(Number::Int(n)) => n.to_string(),
                Some(Number::Uint(n)) => n.to_string(),
                _ => go_float(f),
            },
        },
    }
}
