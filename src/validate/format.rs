//! Texts with a form of their own, as Go decodes them: times, durations, quantities, base64; and the formats that CRDs may name.
//! (apimachinery pkg/apis/meta/v1 time.go, pkg/api/resource; go-openapi/strfmt.)

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::template::parse_duration;

/// RFC 3339, as `metav1.Time` is read.
pub(super) fn is_time(text: &str) -> bool {
    time(text).is_some()
}

/// RFC 3339 with six digits of fractions, as `metav1.MicroTime` is read; more lenient readers take what `is_time` takes.
pub(super) fn is_micro_time(text: &str) -> bool {
    is_time(text)
}

/// What follows the seconds of a time that is well-formed so far.
fn time(text: &str) -> Option<()> {
    let (date, rest) = text.split_at_checked(10)?;
    is_date(date).then_some(())?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (clock, zone) = rest.split_at_checked(8)?;
    let parts: Vec<u32> = clock.split(':').map(two_digits).collect::<Option<_>>()?;
    let [hour, minute, second] = parts.as_slice() else { return None };
    (*hour < 24 && *minute < 60 && *second < 60).then_some(())?;
    let zone = match zone.strip_prefix('.') {
        None => zone,
        Some(fraction) => {
            let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            (rest.len() < fraction.len()).then_some(rest)?
        }
    };
    if zone == "Z" {
        return Some(());
    }
    let offset = zone.strip_prefix(['+', '-'])?;
    let (hour, minute) = offset.split_once(':')?;
    (two_digits(hour)? < 24 && two_digits(minute)? < 60).then_some(())
}

fn two_digits(text: &str) -> Option<u32> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `2026-01-31`, a day of the calendar.
pub(super) fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    if year.len() != 4 || !year.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let year: u32 = year.parse().unwrap_or_default();
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (Some(month), Some(day)) = (two_digits(month), two_digits(day)) else { return false };
    let length = month.checked_sub(1).and_then(|at| lengths.get(at as usize));
    length.is_some_and(|length| day >= 1 && day <= *length)
}

/// A duration as Go's `time.ParseDuration` reads it.
pub(super) fn is_duration(text: &str) -> bool {
    parse_duration(text).is_ok()
}

/// Standard base64 with padding; line breaks do not count, as in Go.
pub(super) fn is_base64(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    STANDARD.decode(plain).is_ok()
}

/// The form of a quantity; its size is not looked at. (`resource.ParseQuantity`)
pub(super) fn is_quantity(text: &str) -> bool {
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let suffix = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = rest.get(..rest.len() - suffix.len()).unwrap_or_default();
    if number.matches('.').count() > 1 || !number.bytes().any(|b| b.is_ascii_digit()) {
        return false;
    }
    const SUFFIXES: [&str; 16] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if SUFFIXES.contains(&suffix) {
        return true;
    }
    let exponent = suffix.strip_prefix(['e', 'E']).map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
    exponent.is_some_and(|digits| !digits.is_empty() && digits.len() < 10 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a text has a format that CRDs may name; `true` for formats that are not judged here.
pub fn has_format(text: &str, format: &str) -> bool {
    use std::net::{Ipv4Addr, Ipv6Addr};
    match format {
        "date" => is_date(text),
        "date-time" | "datetime" => is_time(text),
        "byte" => is_base64(text),
        "duration" => is_duration(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => text.split_once('/').is_some_and(|(address, bits)| {
            let bits = bits.parse::<u8>().ok().filter(|_| !bits.starts_with('+'));
            match (address.parse::<Ipv4Addr>(), address.parse::<Ipv6Addr>()) {
                (Ok(_), _) => bits.is_some_and(|bits| bits <= 32),
                (_, Ok(_)) => bits.is_some_and(|bits| bits <= 128),
                _ => false,
            }
        }),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => {
            let hex: Vec<usize> = text.split('-').map(str::len).collect();
            text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
                && (hex == [8, 4, 4, 4, 12] || (hex == [32] && text.len() == 32))
        }
        _ => true,
    }
}
