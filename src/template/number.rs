//! Go's literals: integers with base prefixes and underscores, floats (hexadecimal ones too), quoted strings and characters.
//!
//! The readers are those of Go's strconv, which sprig and YAML use as well as the template parser.

use super::ast::Number;

/// Why a number was not read, in strconv's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NumberError {
    Syntax,
    Range,
}

impl NumberError {
    /// The whole text that Go prints for `function` and the input.
    pub(super) fn describe(self, function: &str, input: &[u8]) -> String {
        let reason = match self {
            Self::Syntax => "invalid syntax",
            Self::Range => "value out of range",
        };
        format!("strconv.{function}: parsing {}: {reason}", super::fmt::quote(input))
    }
}

/// `strconv.ParseUint(text, base, 64)`; base 0 takes prefixes and underscores.
pub(super) fn parse_uint(text: &str, base: u32) -> Result<u64, NumberError> {
    let fixed = base != 0;
    let (digits, base) = if fixed { (text, base) } else { split_base(text) };
    if digits.is_empty() || (text.contains('_') && (fixed || !underscores_separate(text))) {
        return Err(NumberError::Syntax);
    }
    let mut total: u64 = 0;
    let mut overflow = false;
    for c in digits.chars().filter(|c| *c != '_') {
        let digit = c.to_digit(base).ok_or(NumberError::Syntax)?;
        match total.checked_mul(u64::from(base)).and_then(|total| total.checked_add(u64::from(digit))) {
            Some(next) => total = next,
            None => overflow = true,
        }
    }
    if overflow { Err(NumberError::Range) } else { Ok(total) }
}

/// `strconv.ParseInt(text, base, 64)`.
pub(super) fn parse_int(text: &str, base: u32) -> Result<i64, NumberError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = parse_uint(digits, base)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude).ok_or(NumberError::Range)
    } else {
        i64::try_from(magnitude).map_err(|_| NumberError::Range)
    }
}

fn split_base(text: &str) -> (&str, u32) {
    let Some(rest) = text.strip_prefix('0') else { return (text, 10) };
    match rest.as_bytes().first() {
        Some(b'x' | b'X') => (rest.get(1..).unwrap_or(""), 16),
        Some(b'b' | b'B') => (rest.get(1..).unwrap_or(""), 2),
        Some(b'o' | b'O') => (rest.get(1..).unwrap_or(""), 8),
        Some(_) => (rest, 8),
        None => (text, 10),
    }
}

/// Underscores only between digits, where a base prefix counts as a digit.
fn underscores_separate(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text).as_bytes();
    let prefixed = matches!(text, [b'0', b'x' | b'X' | b'b' | b'B' | b'o' | b'O', ..]);
    let hex = matches!(text, [b'0', b'x' | b'X', ..]);
    let mut last = if prefixed { b'0' } else { b'^' };
    for byte in text.iter().skip(if prefixed { 2 } else { 0 }) {
        match byte {
            b'_' if last != b'0' => return false,
            b'_' => last = b'_',
            byte if byte.is_ascii_digit() || (hex && byte.is_ascii_hexdigit()) => last = b'0',
            _ if last == b'_' => return false,
            _ => last = b'!',
        }
    }
    last != b'_'
}

/// `strconv.ParseFloat(text, 64)`: decimal and hexadecimal, infinities and NaN by name, underscores.
pub(super) fn parse_float(text: &str) -> Result<f64, NumberError> {
    let (sign, body) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, text.get(1..).unwrap_or("")),
        Some(b'+') => (1.0, text.get(1..).unwrap_or("")),
        _ => (1.0, text),
    };
    match body.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => return Ok(sign * f64::INFINITY),
        "nan" => return Ok(f64::NAN),
        _ => {}
    }
    let hex = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X"));
    if body.contains('_') && !underscores_separate(body) {
        return Err(NumberError::Syntax);
    }
    let plain = body.replace('_', "");
    let value = match hex {
        Some(_) => parse_hex_float(plain.get(2..).unwrap_or(""))?,
        None => {
            let shape = plain.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
            if !shape || !plain.bytes().any(|b| b.is_ascii_digit()) {
                return Err(NumberError::Syntax);
            }
            plain.parse::<f64>().map_err(|_| NumberError::Syntax)?
        }
    };
    if value.is_infinite() { Err(NumberError::Range) } else { Ok(sign * value) }
}

/// Mantissa and binary exponent, which Go demands; rounded to nearest even as Go does.
fn parse_hex_float(text: &str) -> Result<f64, NumberError> {
    let (digits, exponent) = text.split_once(['p', 'P']).ok_or(NumberError::Syntax)?;
    let sign_free = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if sign_free.is_empty() || !sign_free.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NumberError::Syntax);
    }
    let exponent: i64 = exponent.parse().unwrap_or(if exponent.starts_with('-') { -100_000 } else { 100_000 });
    let mut exponent = exponent.clamp(-100_000, 100_000);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(NumberError::Syntax);
    }
    let mut mantissa: u64 = 0;
    let mut sticky = false;
    for (index, c) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = u64::from(c.to_digit(16).ok_or(NumberError::Syntax)?);
        if mantissa >> 59 == 0 {
            mantissa = mantissa * 16 + digit;
            if index >= whole.len() {
                exponent -= 4;
            }
        } else {
            sticky |= digit != 0;
            if index < whole.len() {
                exponent += 4;
            }
        }
    }
    if mantissa == 0 {
        return Ok(0.0);
    }
    // Normalise to 64 bits, then cut to the 53 (or fewer, for subnormal numbers) that fit, to nearest even.
    let shift = i64::from(mantissa.leading_zeros());
    mantissa <<= shift;
    exponent -= shift;
    let top = exponent + 63;
    let keep = if top >= -1022 { 53 } else { 53 - (-1022 - top) };
    if keep < 0 {
        return Ok(0.0);
    }
    let drop = 64 - keep;
    let (kept, rest, half) = if drop >= 64 {
        (0, u128::from(mantissa), 1u128 << 63)
    } else {
        (mantissa >> drop, u128::from(mantissa & ((1u64 << drop) - 1)), 1u128 << (drop - 1))
    };
    let up = rest > half || (rest == half && (sticky || kept & 1 == 1));
    #[expect(clippy::cast_precision_loss, reason = "at most 53 bits are left")]
    let kept = (kept + u64::from(up)) as f64;
    let mut value = kept;
    let mut power = exponent + drop;
    // Powers of two are exact; two steps keep the intermediate results in range.
    while power != 0 && value != 0.0 && value.is_finite() {
        let step = power.clamp(-900, 900);
        value *= 2f64.powi(i32::try_from(step).unwrap_or(0));
        power -= step;
    }
    Ok(value)
}

/// Reads a numeric token as text/template does: every type that it fits.
pub(super) fn parse_number(text: &str) -> Result<Number, String> {
    let mut number = Number { text: text.to_owned(), ..Number::default() };
    if let Some(imaginary) = text.strip_suffix('i')
        && let Ok(im) = parse_float(imaginary)
    {
        number.complex = Some((0.0, im));
        simplify(&mut number);
        return Ok(number);
    }
    number.uint = parse_uint(text, 0).ok();
    number.int = parse_int(text, 0).ok();
    if number.int == Some(0) {
        // "-0" is no unsigned integer by its syntax but fits one.
        number.uint = Some(0);
    }
    #[expect(clippy::cast_precision_loss, reason = "Go's float64(int64)")]
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Ok(float) = parse_float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", super::fmt::quote(text.as_bytes())));
        }
        number.float = Some(float);
        number.int = whole_int(float);
        number.uint = whole_uint(float);
    }
    if number.float.is_none() {
        return Err(format!("illegal number syntax: {}", super::fmt::quote(text.as_bytes())));
    }
    Ok(number)
}

/// The float as an integer when nothing is lost, as Go converts on amd64.
fn whole_int(float: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "checked by the comparison")]
    let int = float as i64;
    #[expect(clippy::cast_precision_loss, reason = "the comparison is Go's")]
    let same = int as f64 == float && float < 9_223_372_036_854_775_807.0;
    same.then_some(int)
}

fn whole_uint(float: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked by the comparison")]
    let uint = float as u64;
    #[expect(clippy::cast_precision_loss, reason = "the comparison is Go's")]
    let same = uint as f64 == float && float < 18_446_744_073_709_551_615.0;
    same.then_some(uint)
}

/// A complex constant with no imaginary part is a real one too.
fn simplify(number: &mut Number) {
    if let Some((re, im)) = number.complex
        && im == 0.0
    {
        number.float = Some(re);
        number.int = whole_int(re);
        number.uint = whole_uint(re);
    }
}

/// Reads `1+2i`.
pub(super) fn parse_complex(text: &str) -> Result<Number, String> {
    let syntax = || "syntax error scanning complex number".to_owned();
    let body = text.strip_suffix('i').ok_or_else(syntax)?;
    // The sign of the imaginary part is the last one that does not belong to an exponent.
    let bytes = body.as_bytes();
    let hex = body.contains(['x', 'X']);
    let split = (1..bytes.len()).rev().find(|index| {
        let before = bytes.get(index - 1).copied().unwrap_or(b'e').to_ascii_lowercase();
        matches!(bytes.get(*index), Some(b'+' | b'-')) && before != b'p' && (hex || before != b'e')
    });
    let split = split.ok_or_else(syntax)?;
    let re = parse_scanned(body.get(..split).unwrap_or("")).ok_or_else(syntax)?;
    let im = parse_scanned(body.get(split..).unwrap_or("")).ok_or_else(syntax)?;
    let mut number = Number { text: text.to_owned(), complex: Some((re, im)), ..Number::default() };
    simplify(&mut number);
    Ok(number)
}

fn parse_scanned(text: &str) -> Option<f64> {
    parse_float(text).ok()
}

/// Reads a character constant such as `'a'` or `'\n'`.
pub(super) fn parse_char(text: &str) -> Result<Number, String> {
    let syntax = || "invalid syntax".to_owned();
    let inner = text.get(1..).ok_or_else(syntax)?;
    let (unit, tail) = unquote_unit(inner, '\'').ok_or_else(syntax)?;
    if tail != "'" {
        return Err(format!("malformed character constant: {text}"));
    }
    let rune = match unit {
        Unit::Byte(byte) => u32::from(byte),
        Unit::Char(c) => u32::from(c),
    };
    Ok(Number {
        text: text.to_owned(),
        int: Some(i64::from(rune)),
        uint: Some(u64::from(rune)),
        float: Some(f64::from(rune)),
        complex: None,
    })
}

enum Unit {
    Byte(u8),
    Char(char),
}

/// One character or escape; escapes with two hexadecimal or three octal digits are bytes.
fn unquote_unit(text: &str, quote: char) -> Option<(Unit, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first == quote {
        return None;
    }
    if first != '\\' {
        return Some((Unit::Char(first), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = |c| Some((Unit::Char(c), rest));
    match escape {
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        'f' => simple('\u{c}'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\u{b}'),
        '\\' => simple('\\'),
        '\'' | '"' if escape == quote => simple(quote),
        'x' | 'u' | 'U' => {
            let length = match escape {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let digits = rest.get(..length)?;
            if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            let code = u32::from_str_radix(digits, 16).ok()?;
            let rest = rest.get(length..)?;
            match escape {
                'x' => Some((Unit::Byte(u8::try_from(code).ok()?), rest)),
                _ => Some((Unit::Char(char::from_u32(code)?), rest)),
            }
        }
        '0'..='7' => {
            let digits = text.get(1..4)?;
            if !digits.bytes().all(|b| matches!(b, b'0'..=b'7')) {
                return None;
            }
            let code = u32::from_str_radix(digits, 8).ok()?;
            Some((Unit::Byte(u8::try_from(code).ok()?), text.get(4..)?))
        }
        _ => None,
    }
}

/// `strconv.Unquote` for strings in double or back quotes.
pub(super) fn unquote(text: &str) -> Result<Vec<u8>, String> {
    let syntax = || "invalid syntax".to_owned();
    if let Some(raw) = text.strip_prefix('`').and_then(|text| text.strip_suffix('`')) {
        return Ok(raw.replace('\r', "").into_bytes());
    }
    let mut rest = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or_else(syntax)?;
    let mut out = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let (unit, tail) = unquote_unit(rest, '"').ok_or_else(syntax)?;
        match unit {
            Unit::Byte(byte) => out.push(byte),
            Unit::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = tail;
    }
    Ok(out)
}
