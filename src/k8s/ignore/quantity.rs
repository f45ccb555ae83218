//! Quantities: equal by value, however written ("1000m", "1", "1e0"). Rules: apimachinery pkg/api/resource.
//!
//! Exact; a number that does not fit 128 bits is no quantity here. Nothing is rounded: below nano, where Kubernetes rounds up, texts stay
//! as they are.

use smol_str::{SmolStr, format_smolstr};

/// An amount in units of 10⁻⁹.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

const NANO: i128 = 1_000_000_000;

/// Suffixes with their factor in units of 10⁻⁹.
const SUFFIXES: [(&str, i128); 17] = [
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("", NANO),
    ("k", NANO * 1_000),
    ("M", NANO * 1_000_000),
    ("G", NANO * 1_000_000_000),
    ("T", NANO * 1_000_000_000_000),
    ("P", NANO * 1_000_000_000_000_000),
    ("E", NANO * 1_000_000_000_000_000_000),
    ("Ki", NANO << 10),
    ("Mi", NANO << 20),
    ("Gi", NANO << 30),
    ("Ti", NANO << 40),
    ("Pi", NANO << 50),
    ("Ei", NANO << 60),
    ("e0", NANO),
];

impl Quantity {
    /// Reads a quantity; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, suffix) = rest.split_at_checked(end)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let mut value = match SUFFIXES.iter().find(|row| row.0 == suffix) {
            Some((_, factor)) => digits.checked_mul(*factor)?,
            None => {
                let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
                let shift = ten(exponent.unsigned_abs())?;
                let value = digits.checked_mul(NANO)?;
                if exponent >= 0 { value.checked_mul(shift)? } else { exact(value, shift)? }
            }
        };
        value = exact(value, ten(u32::try_from(fraction.len()).ok()?)?)?;
        Some(Quantity(if negative { -value } else { value }))
    }

    /// The amount in units of 10⁻⁹.
    pub fn nano(self) -> i128 {
        self.0
    }

    /// From an amount in units of 10⁻⁹.
    pub fn of_nano(nano: i128) -> Self {
        Quantity(nano)
    }

    /// The shortest plain form: a whole number, else in the largest of m, u and n that is exact.
    pub fn text(self) -> SmolStr {
        for (suffix, factor) in [("", NANO), ("m", 1_000_000), ("u", 1_000)] {
            if self.0 % factor == 0 {
                return format_smolstr!("{}{suffix}", self.0 / factor);
            }
        }
        format_smolstr!("{}n", self.0)
    }
}

/// How a server writes a quantity that was given as this text: units of the same family, without fractions; a text that is no quantity, or
/// does not fit, as it is. In a list of resources nothing is finer than a thousandth. (apimachinery pkg/api/resource, `CanonicalizeBytes`)
pub fn canonical(text: &str, in_thousandths: bool) -> SmolStr {
    let Some(Quantity(mut nano)) = Quantity::parse(text) else { return text.into() };
    if in_thousandths && nano % 1_000_000 != 0 {
        nano = (nano.div_euclid(1_000_000) + 1) * 1_000_000;
    }
    if nano == 0 {
        return "0".into();
    }
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    if unit.ends_with('i') && nano % NANO == 0 && nano.abs() >= 1024 * NANO {
        let (mut number, mut at) = (nano / NANO, 0);
        while number % 1024 == 0 {
            (number, at) = (number / 1024, at + 1);
        }
        if let Some(suffix) = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(at) {
            return format_smolstr!("{number}{suffix}");
        }
    }
    let (mut number, mut thousands) = (nano, -3);
    while number % 1_000 == 0 {
        (number, thousands) = (number / 1_000, thousands + 1);
    }
    // `E` alone is a unit, with digits behind it an exponent.
    if unit.starts_with(['e', 'E']) && unit.len() > 1 {
        return if thousands == 0 {
            format_smolstr!("{number}")
        } else {
            format_smolstr!("{number}e{}", thousands * 3)
        };
    }
    match (thousands + 3)
        .try_into()
        .ok()
        .and_then(|at: usize| ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"].get(at))
    {
        Some(suffix) => format_smolstr!("{number}{suffix}"),
        None => text.into(),
    }
}

fn ten(exponent: u32) -> Option<i128> {
    10i128.checked_pow(exponent)
}

fn exact(value: i128, divisor: i128) -> Option<i128> {
    (value % divisor == 0).then(|| value / divisor)
}
