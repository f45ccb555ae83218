//! Named integer types of Go's time package: how they print and which methods they have; `time.ParseDuration`.

use super::function::{Arguments, Context, Method, Outcome};
use super::value::{IntType, Value};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// English names of the months.
pub(super) fn month_name(month: i64) -> Option<&'static str> {
    usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index).copied())
}

/// English names of the days; 0 is Sunday.
pub(super) fn weekday_name(day: i64) -> Option<&'static str> {
    usize::try_from(day).ok().and_then(|index| WEEKDAYS.get(index).copied())
}

/// What the `String` method of a named integer type returns.
pub(super) fn int_text(n: i64, int: IntType) -> Option<String> {
    match int {
        IntType::Duration => Some(duration_text(n)),
        IntType::Month => Some(month_name(n).map_or_else(|| format!("%!Month({n})"), ToOwned::to_owned)),
        IntType::Weekday => Some(weekday_name(n).map_or_else(|| format!("%!Weekday({n})"), ToOwned::to_owned)),
        _ => None,
    }
}

/// Methods of a named integer type.
pub(super) fn int_methods(int: IntType) -> &'static [Method] {
    match int {
        IntType::Duration => DURATION,
        IntType::Month | IntType::Weekday => NAMED,
        _ => &[],
    }
}

const NAMED: &[Method] = &[Method { name: "String", signature: "", call: text }];

const DURATION: &[Method] = &[
    Method { name: "Hours", signature: "", call: |_, args| seconds(args, 3_600_000_000_000) },
    Method { name: "Minutes", signature: "", call: |_, args| seconds(args, 60_000_000_000) },
    Method { name: "Seconds", signature: "", call: |_, args| seconds(args, 1_000_000_000) },
    Method { name: "Milliseconds", signature: "", call: |_, args| Ok(Value::int64(args.int(0) / 1_000_000)) },
    Method { name: "Microseconds", signature: "", call: |_, args| Ok(Value::int64(args.int(0) / 1_000)) },
    Method { name: "Nanoseconds", signature: "", call: |_, args| Ok(Value::int64(args.int(0))) },
    Method { name: "Round", signature: "D", call: |_, args| Ok(duration(round_to(args.int(0), args.int(1)))) },
    Method { name: "Truncate", signature: "D", call: |_, args| Ok(duration(truncate_to(args.int(0), args.int(1)))) },
    Method { name: "Abs", signature: "", call: |_, args| Ok(duration(args.int(0).saturating_abs())) },
    Method { name: "String", signature: "", call: text },
];

fn text(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    Ok(match args.any(0) {
        Value::Int(n, int) => Value::from(int_text(n, int).unwrap_or_default()),
        _ => Value::Nil,
    })
}

fn duration(n: i64) -> Value {
    Value::Int(n, IntType::Duration)
}

fn seconds(args: Arguments<'_>, unit: i64) -> Outcome {
    Ok(Value::float(in_units(args.int(0), unit)))
}

/// Whole and fractional parts apart, so that large durations keep their nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "Go's float64(int64)")]
pub(super) fn in_units(n: i64, unit: i64) -> f64 {
    (n / unit) as f64 + (n % unit) as f64 / unit as f64
}

/// Towards zero, to a multiple.
pub(super) fn truncate_to(n: i64, multiple: i64) -> i64 {
    if multiple <= 0 { n } else { n - n % multiple }
}

/// To the nearest multiple, halves away from zero.
pub(super) fn round_to(n: i64, multiple: i64) -> i64 {
    if multiple <= 0 {
        return n;
    }
    let rest = n % multiple;
    let down = n - rest;
    if rest.unsigned_abs() < multiple.unsigned_abs() - rest.unsigned_abs() {
        down
    } else {
        down.saturating_add(if n < 0 { -multiple } else { multiple })
    }
}

/// `time.Duration.String`: `1h2m3.5s`, `1.5ms`, `0s`.
pub(super) fn duration_text(n: i64) -> String {
    if n == 0 {
        return "0s".to_owned();
    }
    let sign = if n < 0 { "-" } else { "" };
    let magnitude = n.unsigned_abs();
    if magnitude < 1_000_000_000 {
        let (unit, name) = match magnitude {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return format!("{sign}{}{name}", fraction(magnitude, unit));
    }
    let seconds = magnitude % 60_000_000_000;
    let minutes = magnitude / 60_000_000_000;
    let mut out = sign.to_owned();
    if minutes >= 60 {
        out.push_str(&format!("{}h", minutes / 60));
    }
    if minutes > 0 {
        out.push_str(&format!("{}m", minutes % 60));
    }
    out.push_str(&fraction(seconds, 1_000_000_000));
    out.push('s');
    out
}

/// A multiple of a unit in decimals, without trailing zeros. Units are powers of ten.
fn fraction(n: u64, unit: u64) -> String {
    let digits = unit.checked_ilog10().unwrap_or(0);
    let rest = n % unit;
    if rest == 0 {
        return (n / unit).to_string();
    }
    let decimals = format!("{rest:0width$}", width = usize::try_from(digits).unwrap_or(0));
    format!("{}.{}", n / unit, decimals.trim_end_matches('0'))
}

/// `time.ParseDuration`, in nanoseconds.
///
/// # Errors
/// Go's message: no duration.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", super::fmt::quote(text.as_bytes()));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, tail) = rest.split_at(digits);
        let fraction = tail.strip_prefix('.').unwrap_or("");
        let decimals = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 && decimals == 0 {
            return Err(invalid());
        }
        let tail = if tail.starts_with('.') { fraction.get(decimals..).unwrap_or("") } else { tail };
        let unit_length = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(unit_length);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", super::fmt::quote(text.as_bytes())));
        }
        let nanoseconds: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => {
                let quote = |text: &str| super::fmt::quote(text.as_bytes());
                return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text)));
            }
        };
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        // More decimals than these are below a nanosecond of any unit.
        let decimals = fraction.get(..decimals.min(18)).unwrap_or("");
        let scale = 10u128.pow(u32::try_from(decimals.len()).unwrap_or(0));
        let part: u128 = if decimals.is_empty() { 0 } else { decimals.parse().map_err(|_| invalid())? };
        total = whole
            .checked_mul(nanoseconds)
            .and_then(|whole| whole.checked_add(part * nanoseconds / scale))
            .and_then(|both| total.checked_add(both))
            .filter(|total| *total <= 1 << 63)
            .ok_or_else(invalid)?;
        rest = after;
    }
    let total = i128::try_from(total).map_err(|_| invalid())?;
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}
