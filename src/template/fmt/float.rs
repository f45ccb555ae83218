//! `strconv.FormatFloat`: digits by the shortest text that reads back, or by a precision, laid out as %e, %f, %g, %b or %x.

/// No float64 has more decimal digits than this, behind the point or in all.
const MAX_EXACT: usize = 1100;

/// How many digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::template) enum Precision {
    /// As few as read back to the same number.
    Shortest,
    /// Behind the point, or in all for `g`.
    Digits(usize),
}

/// Formats a float as `verb`, one of e E f g G b x X; `single` for 32 bit numbers.
pub(in crate::template) fn format(f: f64, verb: u8, precision: Precision, single: bool) -> String {
    if f.is_nan() {
        return "NaN".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let sign = if f.is_sign_negative() { "-" } else { "" };
    let magnitude = f.abs();
    let body = match verb {
        b'b' => binary(magnitude, single),
        b'x' | b'X' => hexadecimal(magnitude, verb, precision, single),
        _ => decimal(magnitude, verb, precision, single),
    };
    format!("{sign}{body}")
}

/// Decimal digits without leading or trailing zeros, and the position of the point: 0.d₁d₂… × 10^point.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

impl Decimal {
    /// From Rust's exponent form, which is exact for any precision and shortest without one.
    fn read(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if digits.iter().all(|digit| *digit == b'0') {
            return Self { digits: Vec::new(), point: 0 };
        }
        let end = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        Self { digits: digits.get(..end).unwrap_or(&[]).to_vec(), point: exponent + 1 }
    }

    fn digit(&self, index: i32) -> char {
        let digit = usize::try_from(index).ok().and_then(|index| self.digits.get(index));
        digit.map_or('0', |digit| char::from(*digit))
    }
}

fn shortest(f: f64, single: bool) -> Decimal {
    #[expect(clippy::cast_possible_truncation, reason = "the value is a float32")]
    let text = if single { format!("{:e}", f as f32) } else { format!("{f:e}") };
    Decimal::read(&text)
}

fn decimal(f: f64, verb: u8, precision: Precision, single: bool) -> String {
    let (decimal, mut precision, is_shortest) = match precision {
        Precision::Shortest => {
            let decimal = shortest(f, single);
            let count = decimal.digits.len();
            let behind = i32::try_from(count).unwrap_or(i32::MAX).saturating_sub(decimal.point).max(0);
            let digits = match verb {
                b'e' | b'E' => count.saturating_sub(1),
                b'f' => usize::try_from(behind).unwrap_or(0),
                _ => count,
            };
            (decimal, digits, true)
        }
        Precision::Digits(digits) => {
            // Behind these digits of an exact decimal there are only zeros; the formatter takes no larger precision either.
            let exact = digits.min(MAX_EXACT);
            let text = match verb {
                b'e' | b'E' => format!("{f:.exact$e}"),
                b'f' => return format!("{f:.exact$}{}", "0".repeat(digits - exact)),
                _ => format!("{f:.*e}", exact.max(1) - 1),
            };
            (Decimal::read(&text), if verb == b'e' || verb == b'E' { digits } else { digits.max(1) }, false)
        }
    };
    match verb {
        b'e' | b'E' => exponent_form(&decimal, precision, verb),
        b'f' => plain_form(&decimal, precision),
        _ => {
            let mut limit = i32::try_from(precision).unwrap_or(i32::MAX);
            let count = i32::try_from(decimal.digits.len()).unwrap_or(i32::MAX);
            if limit > count && count >= decimal.point {
                limit = count;
            }
            if is_shortest {
                limit = 6;
            }
            let exponent = decimal.point - 1;
            let zero = decimal.digits.is_empty();
            if !zero && (exponent < -4 || exponent >= limit) {
                precision = precision.min(decimal.digits.len());
                return exponent_form(&decimal, precision.saturating_sub(1), verb + b'e' - b'g');
            }
            let behind = count.saturating_sub(decimal.point).max(0);
            plain_form(&decimal, if zero { 0 } else { usize::try_from(behind).unwrap_or(0) })
        }
    }
}

fn exponent_form(decimal: &Decimal, behind: usize, letter: u8) -> String {
    let mut out = String::new();
    out.push(decimal.digit(0));
    if behind > 0 {
        out.push('.');
        for index in 1..=behind {
            out.push(decimal.digit(i32::try_from(index).unwrap_or(i32::MAX)));
        }
    }
    let exponent = if decimal.digits.is_empty() { 0 } else { decimal.point - 1 };
    out.push(char::from(letter));
    out.push(if exponent < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}", exponent.unsigned_abs()));
    out
}

fn plain_form(decimal: &Decimal, behind: usize) -> String {
    let mut out = String::new();
    if decimal.point > 0 {
        for index in 0..decimal.point {
            out.push(decimal.digit(index));
        }
    } else {
        out.push('0');
    }
    if behind > 0 {
        out.push('.');
        for index in 0..behind {
            let index = decimal.point.saturating_add(i32::try_from(index).unwrap_or(i32::MAX));
            out.push(if index < 0 { '0' } else { decimal.digit(index) });
        }
    }
    out
}

/// Mantissa and binary exponent: the value is mantissa × 2^exponent. Mantissas of normal numbers have their top bit.
fn parts(f: f64, single: bool) -> (u64, i32, u32) {
    if single {
        #[expect(clippy::cast_possible_truncation, reason = "the value is a float32")]
        let bits = (f as f32).to_bits();
        let exponent = i32::try_from((bits >> 23) & 0xff).unwrap_or(0);
        let fraction = u64::from(bits & 0x7f_ffff);
        if exponent == 0 { (fraction, -149, 23) } else { (fraction | 1 << 23, exponent - 150, 23) }
    } else {
        let bits = f.to_bits();
        let exponent = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
        let fraction = bits & ((1 << 52) - 1);
        if exponent == 0 { (fraction, -1074, 52) } else { (fraction | 1 << 52, exponent - 1075, 52) }
    }
}

fn binary(f: f64, single: bool) -> String {
    let (mantissa, exponent, _) = parts(f, single);
    format!("{mantissa}p{exponent:+}")
}

fn hexadecimal(f: f64, verb: u8, precision: Precision, single: bool) -> String {
    let (mut mantissa, mut exponent, bits) = parts(f, single);
    // One bit before the point, 60 behind it.
    if mantissa == 0 {
        exponent = 0;
    } else {
        exponent += i32::try_from(bits).unwrap_or(0);
        mantissa <<= 60 - bits;
        while mantissa & (1 << 60) == 0 {
            mantissa <<= 1;
            exponent -= 1;
        }
    }
    if let Precision::Digits(digits) = precision
        && digits < 15
    {
        let shift = u32::try_from(digits * 4).unwrap_or(0);
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        // To nearest, ties to even.
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let upper = verb == b'X';
    let mut digits = String::new();
    // The bit before the point falls off at the top.
    let mut rest = mantissa << 4;
    let mut wanted = match precision {
        Precision::Shortest => 0,
        Precision::Digits(digits) => digits,
    };
    let all = precision == Precision::Shortest;
    while (all && rest != 0) || (!all && wanted > 0) {
        let digit = u32::try_from((rest >> 60) & 0xf).unwrap_or(0);
        digits.push(char::from_digit(digit, 16).unwrap_or('0'));
        rest <<= 4;
        wanted = wanted.saturating_sub(1);
    }
    let point = if digits.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let whole = if mantissa == 0 { 0 } else { 1 };
    let text = format!("0x{whole}{point}{digits}p{sign}{:02}", exponent.unsigned_abs());
    if upper { text.to_ascii_uppercase() } else { text }
}
