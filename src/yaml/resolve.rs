//! Which type a scalar has: one table per dialect, as go-yaml v2.4 and v3.0 resolve it.
//!
//! The order of the tests is part of the rule: the first character decides what is tried, words come before numbers, dates before integers,
//! integers before floats. Base 60 numbers are strings in both. The source is resolve.go of either version; texts that Go's
//! strconv refuses for their range are strings.

use super::number::{self, Number};
use super::{Dialect, Tag};

/// The type of a plain scalar without a tag.
pub fn plain(dialect: Dialect, text: &str) -> Tag {
    let Some(first) = text.as_bytes().first() else { return Tag::Null };
    match first {
        b'~' if text.len() == 1 => Tag::Null,
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => word(dialect, text),
        b'.' | b'+' | b'-' | b'0'..=b'9' => numeric(dialect, text),
        _ => Tag::Str,
    }
}

fn word(dialect: Dialect, text: &str) -> Tag {
    match text {
        "null" | "Null" | "NULL" => Tag::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Tag::Bool,
        _ if dialect == Dialect::V2 && bool_value(text).is_some() => Tag::Bool,
        _ => Tag::Str,
    }
}

/// The value of a word that YAML 1.1 counts as a boolean.
pub fn bool_value(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn numeric(dialect: Dialect, text: &str) -> Tag {
    if number::special_float(text).is_some() {
        return Tag::Float;
    }
    if text.starts_with('.') {
        return if number::parse_float(text).is_some() { Tag::Float } else { Tag::Str };
    }
    // go-yaml v2 finds dates too, but hands their text to untyped code.
    if timestamp(text).is_some() {
        return if dialect == Dialect::V3 { Tag::Timestamp } else { Tag::Str };
    }
    match number::parse_as(text, dialect == Dialect::V3) {
        Some(Number::Int(_) | Number::Uint(_)) => Tag::Int,
        Some(Number::Float(_)) => Tag::Float,
        None => Tag::Str,
    }
}

/// What a tag says about a scalar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tagged {
    /// The scalar has this type.
    As(Tag),
    /// The text is not of the type that its tag says; the type's name.
    Refused(&'static str),
}

/// Whether a tag (expanded) is one of the types that go-yaml knows.
pub(super) fn is_core(tag: &str) -> bool {
    let core = ["bool", "int", "float", "null", "timestamp", "binary", "str", "merge"];
    tag == "!" || tag.strip_prefix("tag:yaml.org,2002:").is_some_and(|name| core.contains(&name))
}

/// The type of a scalar with a tag (expanded). Tags that are not of YAML's own leave a string.
pub(super) fn tagged(dialect: Dialect, tag: &str, text: &str) -> Tagged {
    let Some(name) = tag.strip_prefix("tag:yaml.org,2002:") else { return Tagged::As(Tag::Str) };
    let want = match name {
        "bool" => Tag::Bool,
        "int" => Tag::Int,
        "float" => Tag::Float,
        "null" => Tag::Null,
        "timestamp" => Tag::Timestamp,
        "binary" if super::sigs::binary_bytes(text).is_none() => return Tagged::Refused("base64"),
        "binary" => return Tagged::As(Tag::Binary),
        _ => return Tagged::As(Tag::Str),
    };
    let is = plain(dialect, text);
    match (want, is) {
        (Tag::Timestamp, _) if dialect == Dialect::V2 && timestamp(text).is_some() => Tagged::As(Tag::Str),
        // Integers up to int64 count as floats where the tag says so, larger ones do not.
        (Tag::Float, Tag::Int) if matches!(number::parse(text), Some(Number::Int(_))) => Tagged::As(Tag::Float),
        (want, is) if want == is => Tagged::As(want),
        (Tag::Bool, _) => Tagged::Refused("a boolean"),
        (Tag::Int, _) => Tagged::Refused("an integer"),
        (Tag::Float, _) => Tagged::Refused("a number"),
        (Tag::Null, _) => Tagged::Refused("null"),
        (_, _) => Tagged::Refused("a date"),
    }
}

/// Whether a text looks like a base 60 number of YAML 1.1, which emitters quote for the sake of older readers.
pub(super) fn is_base60(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = digits.split(':');
    let head = parts.next().unwrap_or_default();
    if !head.starts_with(|c: char| c.is_ascii_digit()) || !head.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
        return false;
    }
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop() else { return false };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    let sixty = |part: &str| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    rest.into_iter().all(sixty) && sixty(last) && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// A point in time as written, the parts checked against the calendar.
struct Timestamp<'a> {
    year: &'a str,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    /// Digits after the seconds, at most nine.
    fraction: &'a str,
    /// Minutes east of UTC.
    offset: i32,
}

/// Takes one or two digits, as Go's time package reads fields without leading zero.
fn short_field(rest: &mut &str, range: std::ops::RangeInclusive<u8>) -> Option<u8> {
    let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (field, after) = rest.split_at_checked(digits)?;
    *rest = after;
    field.parse().ok().filter(|n| range.contains(n))
}

fn literal(rest: &mut &str, c: char) -> Option<()> {
    *rest = rest.strip_prefix(c)?;
    Some(())
}

/// The four layouts that go-yaml reads: date, and date with time after `T`, `t` (then with zone) or spaces (then without).
fn timestamp(text: &str) -> Option<Timestamp<'_>> {
    let (year, rest) = text.split_at_checked(4)?;
    if !year.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut rest = rest.strip_prefix('-')?;
    let month = short_field(&mut rest, 1..=12)?;
    literal(&mut rest, '-')?;
    let day = short_field(&mut rest, 1..=31)?;
    let mut time = Timestamp { year, month, day, hour: 0, minute: 0, second: 0, fraction: "", offset: 0 };
    let leap = year.parse::<u32>().is_ok_and(|y| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day > days {
        return None;
    }
    if rest.is_empty() {
        return Some(time);
    }
    let zoned = match rest.chars().next()? {
        'T' | 't' => {
            rest = rest.get(1..)?;
            true
        }
        ' ' => {
            rest = rest.trim_start_matches(' ');
            false
        }
        _ => return None,
    };
    time.hour = short_field(&mut rest, 0..=23)?;
    literal(&mut rest, ':')?;
    time.minute = short_field(&mut rest, 0..=59)?;
    literal(&mut rest, ':')?;
    time.second = short_field(&mut rest, 0..=59)?;
    // A comma serves as well as a point; digits beyond the ninth are dropped.
    if let Some(after) = rest.strip_prefix(['.', ',']) {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            time.fraction = after.get(..digits.min(9))?;
            rest = after.get(digits..)?;
        }
    }
    if zoned {
        match rest.as_bytes() {
            b"Z" => {}
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let two = |a: &u8, b: &u8| -> Option<i32> {
                    (a.is_ascii_digit() && b.is_ascii_digit()).then(|| i32::from(a - b'0') * 10 + i32::from(b - b'0'))
                };
                let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
                if hours > 24 || minutes > 60 {
                    return None;
                }
                time.offset = (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 };
            }
            _ => return None,
        }
        rest = "";
    }
    rest.is_empty().then_some(time)
}

/// The RFC 3339 form of a timestamp, as Go's encoding/json prints a time; `None` when the text is no timestamp.
pub fn timestamp_rfc3339(text: &str) -> Option<String> {
    let time = timestamp(text)?;
    let Timestamp { year, month, day, hour, minute, second, .. } = time;
    let mut out = format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let fraction = time.fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    if time.offset == 0 {
        out.push('Z');
    } else {
        let sign = if time.offset < 0 { '-' } else { '+' };
        let minutes = time.offset.unsigned_abs();
        out.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
    }
    Some(out)
}

/// Whether go-yaml v2 would read this text, written plain, as a string.
pub(super) fn is_plain_string_v2(text: &str) -> bool {
    plain(Dialect::V2, text) == Tag::Str
        && !(text.as_bytes().first().is_some_and(u8::is_ascii_digit) && timestamp(text).is_some())
}
