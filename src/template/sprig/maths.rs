//! Numbers: int64 arithmetic that wraps as Go's does, float64 rounding, decimal arithmetic, and sequences.

use super::cast::{to_float, to_int};
use super::{MAX_ITEMS, too_large};
use crate::template::function::{Arguments, Context, Entry, Failure, Native, Outcome};
use crate::template::value::{INT_LIST, List, Value};

pub(super) const TABLE: &[Entry] = &[
    ("add", "a*", |_, args| Ok(Value::int64(args.from(0).iter().map(to_int).fold(0, i64::wrapping_add)))),
    ("add1", "a", |_, args| Ok(Value::int64(to_int(&args.any(0)).wrapping_add(1)))),
    ("add1f", "a", |_, args| decimals(to_float(&args.any(0)), &[Value::int(1)], Decimal::add)),
    ("addf", "a*", |_, args| decimals(0.0, args.from(0), Decimal::add)),
    ("biggest", "aa*", MAX),
    ("ceil", "a", |_, args| Ok(Value::float(to_float(&args.any(0)).ceil()))),
    ("div", "aa", |_, args| quotient(args, i64::wrapping_div)),
    ("divf", "aa*", |_, args| decimals(to_float(&args.any(0)), args.from(1), Decimal::div)),
    ("floor", "a", |_, args| Ok(Value::float(to_float(&args.any(0)).floor()))),
    ("max", "aa*", MAX),
    ("maxf", "aa*", |_, args| Ok(extreme(args, |a, b| a > b))),
    ("min", "aa*", |_, args| Ok(Value::int64(args.from(0).iter().map(to_int).min().unwrap_or(0)))),
    ("minf", "aa*", |_, args| Ok(extreme(args, |a, b| a < b))),
    ("mod", "aa", |_, args| quotient(args, i64::wrapping_rem)),
    ("mul", "aa*", |_, args| Ok(Value::int64(args.from(0).iter().map(to_int).fold(1, i64::wrapping_mul)))),
    ("mulf", "aa*", |_, args| decimals(to_float(&args.any(0)), args.from(1), Decimal::mul)),
    ("round", "aif*", round),
    ("seq", "i*", seq),
    ("sub", "aa", |_, args| Ok(Value::int64(to_int(&args.any(0)).wrapping_sub(to_int(&args.any(1)))))),
    ("subf", "aa*", |_, args| decimals(to_float(&args.any(0)), args.from(1), Decimal::sub)),
    ("until", "i", |_, args| {
        let count = args.int(0);
        Ok(ints(steps(0, count, if count < 0 { -1 } else { 1 })?))
    }),
    ("untilStep", "iii", |_, args| Ok(ints(steps(args.int(0), args.int(1), args.int(2))?))),
];

const MAX: Native = |_, args| Ok(Value::int64(args.from(0).iter().map(to_int).max().unwrap_or(0)));

fn quotient(args: Arguments<'_>, divide: fn(i64, i64) -> i64) -> Outcome {
    let (a, b) = (to_int(&args.any(0)), to_int(&args.any(1)));
    if b == 0 {
        return Err(Failure::new("runtime error: integer divide by zero"));
    }
    Ok(Value::int64(divide(a, b)))
}

/// Go's `math.Max` and `Min`: not-a-number wins.
fn extreme(args: Arguments<'_>, wins: fn(f64, f64) -> bool) -> Value {
    let mut best: Option<f64> = None;
    for f in args.from(0).iter().map(to_float) {
        best = Some(match best {
            Some(best) if best.is_nan() || f.is_nan() => f64::NAN,
            Some(best) if !wins(f, best) => best,
            _ => f,
        });
    }
    Value::float(best.unwrap_or(0.0))
}

/// Rounds half up at some places, in floats as sprig does; the third argument moves the half.
fn round(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let (value, places) = (to_float(&args.any(0)), args.int(1));
    let on = args.float(2).unwrap_or(0.5);
    let magnitude: f64 = format!("1e{}", places.unsigned_abs().min(400)).parse().unwrap_or(f64::INFINITY);
    let power = if places < 0 { 1.0 / magnitude } else { magnitude };
    let digit = power * value;
    let rounded = if digit.fract() >= on { digit.ceil() } else { digit.floor() };
    Ok(Value::float(rounded / power))
}

fn steps(start: i64, stop: i64, step: i64) -> Result<Vec<i64>, Failure> {
    let mut numbers = Vec::new();
    if step == 0 || (stop < start) != (step < 0) {
        return Ok(numbers);
    }
    let mut next = start;
    while if step > 0 { next < stop } else { next > stop } {
        if numbers.len() >= MAX_ITEMS {
            return Err(too_large());
        }
        numbers.push(next);
        match next.checked_add(step) {
            Some(after) => next = after,
            None => break,
        }
    }
    Ok(numbers)
}

fn ints(numbers: Vec<i64>) -> Value {
    Value::List(List::new(&INT_LIST, numbers.into_iter().map(Value::int).collect()))
}

/// Like the shell's seq: end; start and end; start, step and end. The end is included.
fn seq(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let towards = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, step, end) = match args.len() {
        1 => (1, towards(1, args.int(0)), args.int(0)),
        2 => (args.int(0), towards(args.int(0), args.int(1)), args.int(1)),
        3 if args.int(2) < args.int(0) && args.int(1) > 0 => return Ok(Value::from("")),
        3 => (args.int(0), args.int(1), args.int(2)),
        _ => return Ok(Value::from("")),
    };
    let numbers = steps(start, end.saturating_add(towards(start, end)), step)?;
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    Ok(Value::from(numbers.join(" ")))
}

/// A decimal number, as shopspring/decimal computes: exact, but for quotients.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    /// Places behind the point.
    scale: u32,
}

/// Places of a quotient.
const QUOTIENT_SCALE: u32 = 16;

impl Decimal {
    /// The shortest decimal of a float. `None` for what has none or needs more than 38 digits.
    fn of(f: f64) -> Option<Self> {
        let text = format!("{f:e}");
        let (mantissa, exponent) = text.split_once('e')?;
        let exponent: i32 = exponent.parse().ok()?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()? - exponent;
        match u32::try_from(scale) {
            Ok(scale) => Some(Self { digits, scale }),
            Err(_) => Some(Self { digits: digits.checked_mul(power(scale.unsigned_abs())?)?, scale: 0 }),
        }
    }

    fn rescaled(self, scale: u32) -> Option<i128> {
        self.digits.checked_mul(power(scale.checked_sub(self.scale)?)?)
    }

    fn add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        Some(Self { digits: self.rescaled(scale)?.checked_add(other.rescaled(scale)?)?, scale })
    }

    fn sub(self, other: Self) -> Option<Self> {
        self.add(Self { digits: other.digits.checked_neg()?, ..other })
    }

    fn mul(self, other: Self) -> Option<Self> {
        Some(Self { digits: self.digits.checked_mul(other.digits)?, scale: self.scale + other.scale })
    }

    /// Sixteen places, half away from zero.
    fn div(self, other: Self) -> Option<Self> {
        let up = QUOTIENT_SCALE + other.scale;
        let (numerator, denominator) = match up.checked_sub(self.scale) {
            Some(shift) => (self.digits.checked_mul(power(shift)?)?, other.digits),
            None => (self.digits, other.digits.checked_mul(power(self.scale - up)?)?),
        };
        let (quotient, rest) = (numerator.checked_div(denominator)?, numerator.checked_rem(denominator)?);
        let round = rest.unsigned_abs() >= denominator.unsigned_abs() - rest.unsigned_abs() && rest != 0;
        let away = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
        Some(Self { digits: quotient + if round { away } else { 0 }, scale: QUOTIENT_SCALE })
    }

    fn to_float(self) -> f64 {
        format!("{}e-{}", self.digits, self.scale).parse().unwrap_or(0.0)
    }
}

fn power(exponent: u32) -> Option<i128> {
    10i128.checked_pow(exponent)
}

fn decimals(first: f64, others: &[Value], operation: fn(Decimal, Decimal) -> Option<Decimal>) -> Outcome {
    let read = |f: f64| {
        if !f.is_finite() {
            let name = if f.is_nan() {
                "NaN"
            } else if f > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            return Err(Failure::new(format!("Cannot create a Decimal from {name}")));
        }
        Decimal::of(f).ok_or_else(too_many_digits)
    };
    let divides = std::ptr::fn_addr_eq(operation, Decimal::div as fn(Decimal, Decimal) -> Option<Decimal>);
    let mut total = read(first)?;
    for value in others {
        let next = read(to_float(value))?;
        if divides && next.digits == 0 {
            return Err(Failure::new("decimal division by 0"));
        }
        total = operation(total, next).ok_or_else(too_many_digits)?;
    }
    Ok(Value::float(total.to_float()))
}

fn too_many_digits() -> Failure {
    Failure::new("the decimal result has more than 38 digits")
}
