//! The verbs on single values: integers, floats, strings, and padding.

use super::float::{self, Precision};
use super::quote::{can_backquote, is_print, quote_as, quote_char, runes};
use super::{Printer, Value};

/// The flags of a directive. `go_syntax` is `%#v`, `field_names` is `%+v`.
#[derive(Default, Clone, Copy)]
pub(super) struct Flags {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    pub(super) go_syntax: bool,
    pub(super) field_names: bool,
}

impl Printer {
    fn padding(&mut self, count: usize) {
        let byte = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
        self.out.extend(std::iter::repeat_n(byte, count));
    }

    /// Writes text in the field's width, counted in characters.
    pub(super) fn pad(&mut self, text: &[u8]) {
        let missing = self.flags.width.unwrap_or(0).saturating_sub(runes(text).count());
        if missing > 0 && !self.flags.minus {
            self.padding(missing);
        }
        self.out.extend_from_slice(text);
        if missing > 0 && self.flags.minus {
            self.padding(missing);
        }
    }

    fn pad_with_spaces(&mut self, text: &[u8]) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text);
        self.flags.zero = zero;
    }

    fn truncated<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else { return text };
        let length = runes(text).take(precision).map(|(_, raw)| raw.len()).sum();
        text.get(..length).unwrap_or(text)
    }

    /// `%s` and its kin of text that a method returned.
    pub(super) fn string(&mut self, text: &[u8], verb: char) {
        self.string_value(text, verb, &Value::Nil);
    }

    pub(super) fn string_value(&mut self, text: &[u8], verb: char, value: &Value) {
        match verb {
            'v' if self.flags.go_syntax => self.quoted(text),
            'v' | 's' => {
                let text = self.truncated(text).to_vec();
                self.pad(&text);
            }
            'x' => self.hex(text, false),
            'X' => self.hex(text, true),
            'q' => self.quoted(text),
            _ => self.bad_verb(Some(value), verb),
        }
    }

    fn quoted(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        if self.flags.sharp && can_backquote(text) {
            let quoted = [b"`", text, b"`"].concat();
            self.pad(&quoted);
        } else {
            let quoted = quote_as(text, self.flags.plus);
            self.pad(quoted.as_bytes());
        }
    }

    fn hex(&mut self, text: &[u8], upper: bool) {
        let text = match self.flags.precision {
            Some(precision) => text.get(..precision).unwrap_or(text),
            None => text,
        };
        let prefix = if upper { "0X" } else { "0x" };
        let mut digits = String::new();
        for (index, byte) in text.iter().enumerate() {
            if self.flags.space && index > 0 {
                digits.push(' ');
            }
            if self.flags.sharp && (self.flags.space || index == 0) {
                digits.push_str(prefix);
            }
            digits.push_str(&if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        }
        self.pad(digits.as_bytes());
    }

    pub(super) fn integer(&mut self, magnitude: u64, negative: bool, signed: bool, verb: char, value: &Value) {
        match verb {
            'v' if self.flags.go_syntax && !signed => {
                let sharp = std::mem::replace(&mut self.flags.sharp, true);
                self.based(magnitude, negative, 16, verb);
                self.flags.sharp = sharp;
            }
            'v' | 'd' => self.based(magnitude, negative, 10, verb),
            'b' => self.based(magnitude, negative, 2, verb),
            'o' | 'O' => self.based(magnitude, negative, 8, verb),
            'x' | 'X' => self.based(magnitude, negative, 16, verb),
            'c' => {
                let c = character(magnitude, negative);
                self.pad(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            'q' => {
                let quoted = quote_char(character(magnitude, negative), self.flags.plus);
                self.pad(quoted.as_bytes());
            }
            'U' => self.unicode(magnitude, negative),
            _ => self.bad_verb(Some(value), verb),
        }
    }

    fn based(&mut self, magnitude: u64, negative: bool, base: u32, verb: char) {
        let flags = self.flags;
        let mut least = 0;
        if let Some(precision) = flags.precision {
            least = precision;
            if precision == 0 && magnitude == 0 {
                self.pad_with_spaces(b"");
                return;
            }
        } else if flags.zero
            && !flags.minus
            && let Some(width) = flags.width
        {
            // The sign takes one of the places.
            least = width.saturating_sub(usize::from(negative || flags.plus || flags.space));
        }
        let mut digits = match base {
            2 => format!("{magnitude:b}"),
            8 => format!("{magnitude:o}"),
            16 if verb == 'X' => format!("{magnitude:X}"),
            16 => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        if digits.len() < least {
            digits.insert_str(0, &"0".repeat(least - digits.len()));
        }
        let mut prefix = String::new();
        if negative {
            prefix.push('-');
        } else if flags.plus {
            prefix.push('+');
        } else if flags.space {
            prefix.push(' ');
        }
        if verb == 'O' {
            prefix.push_str("0o");
        }
        if flags.sharp {
            match base {
                2 => prefix.push_str("0b"),
                8 if !digits.starts_with('0') => prefix.push('0'),
                16 => prefix.push_str(if verb == 'X' { "0X" } else { "0x" }),
                _ => {}
            }
        }
        self.pad_with_spaces(format!("{prefix}{digits}").as_bytes());
    }

    fn unicode(&mut self, magnitude: u64, negative: bool) {
        // Negative numbers show as the unsigned numbers that they wrap to.
        let code = if negative { magnitude.wrapping_neg() } else { magnitude };
        let least = self.flags.precision.unwrap_or(0).max(4);
        let mut text = format!("U+{code:0least$X}");
        if self.flags.sharp
            && let Some(c) = u32::try_from(code).ok().and_then(char::from_u32)
            && is_print(c)
        {
            text.push_str(&format!(" '{c}'"));
        }
        self.pad_with_spaces(text.as_bytes());
    }

    pub(super) fn float(&mut self, f: f64, single: bool, verb: char, value: &Value) {
        let (letter, default) = match verb {
            'v' => (b'g', Precision::Shortest),
            'g' | 'G' | 'b' | 'x' | 'X' => (u8::try_from(verb).unwrap_or(b'g'), Precision::Shortest),
            'e' | 'E' | 'f' => (u8::try_from(verb).unwrap_or(b'f'), Precision::Digits(6)),
            'F' => (b'f', Precision::Digits(6)),
            _ => {
                self.bad_verb(Some(value), verb);
                return;
            }
        };
        let precision = self.flags.precision.map_or(default, Precision::Digits);
        let mut text = float::format(f, letter, precision, single);
        if !text.starts_with(['+', '-']) {
            text.insert(0, if self.flags.space && !self.flags.plus { ' ' } else { '+' });
        }
        if !f.is_finite() {
            if f.is_nan() && !self.flags.space && !self.flags.plus {
                text.remove(0);
            } else if text.starts_with('+') && self.flags.space && !self.flags.plus {
                // Without the flag Go keeps the sign of positive infinity.
                text.replace_range(..1, " ");
            }
            self.pad_with_spaces(text.as_bytes());
            return;
        }
        if self.flags.sharp && letter != b'b' {
            text = with_point(&text, letter, precision);
        }
        if self.flags.plus || !text.starts_with('+') {
            if self.flags.zero
                && !self.flags.minus
                && let Some(width) = self.flags.width
                && width > text.len()
            {
                let (sign, digits) = text.split_at(1);
                let zeros = "0".repeat(width - text.len());
                self.push(&format!("{sign}{zeros}{digits}"));
                return;
            }
            self.pad(text.as_bytes());
            return;
        }
        self.pad(text.get(1..).unwrap_or("").as_bytes());
    }

    pub(super) fn complex(&mut self, re: f64, im: f64, verb: char, value: &Value) {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            self.bad_verb(Some(value), verb);
            return;
        }
        let plus = self.flags.plus;
        self.out.push(b'(');
        self.float(re, false, verb, value);
        self.flags.plus = true;
        self.float(im, false, verb, value);
        self.push("i)");
        self.flags.plus = plus;
    }
}

/// The `#` flag: always a point, and for `g` the trailing zeros of the precision.
fn with_point(text: &str, letter: u8, precision: Precision) -> String {
    let hex = matches!(letter, b'x' | b'X');
    let (number, tail) = match text.find(|c: char| matches!(c, 'p' | 'P') || (!hex && matches!(c, 'e' | 'E'))) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut wanted: isize = match (letter, precision) {
        (b'g' | b'G' | b'x', Precision::Shortest) => 6,
        (b'g' | b'G' | b'x', Precision::Digits(digits)) => isize::try_from(digits).unwrap_or(isize::MAX),
        _ => 0,
    };
    let mut significant = false;
    for c in number.chars().skip(1).filter(|c| *c != '.') {
        significant |= c != '0';
        if significant {
            wanted -= 1;
        }
    }
    let mut out = number.to_owned();
    if !number.contains('.') {
        if number.len() == 2 && number.ends_with('0') {
            wanted -= 1;
        }
        out.push('.');
    }
    for _ in 0..wanted.max(0) {
        out.push('0');
    }
    out + tail
}

/// The character of a number; numbers that are none become U+FFFD.
fn character(magnitude: u64, negative: bool) -> char {
    let code = if negative { None } else { u32::try_from(magnitude).ok() };
    code.and_then(char::from_u32).unwrap_or('\u{fffd}')
}
