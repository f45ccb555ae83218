//! Go's reference layouts (`2006-01-02 15:04:05`): printing a [`Time`] by one, and reading a text by one.

use super::clock::{Civil, DAY, Time, date_of, days_in, days_of};
use super::time::{month_name, weekday_name};

impl Time {
    /// Formats by Go's reference layout.
    pub(super) fn format(&self, layout: &str) -> String {
        let civil = self.civil();
        let mut out = String::new();
        let mut rest = layout;
        loop {
            let (before, chunk, after) = next_chunk(rest);
            out.push_str(before);
            let Some(chunk) = chunk else { return out };
            rest = after;
            self.print_chunk(&mut out, chunk, &civil);
        }
    }

    fn print_chunk(&self, out: &mut String, chunk: Chunk, civil: &Civil) {
        let hour12 = if civil.hour % 12 == 0 { 12 } else { civil.hour % 12 };
        let short = |name: Option<&str>| name.and_then(|name| name.get(..3)).unwrap_or("").to_owned();
        out.push_str(&match chunk {
            Chunk::LongMonth => month_name(civil.month).unwrap_or("").to_owned(),
            Chunk::Month => short(month_name(civil.month)),
            Chunk::NumMonth => civil.month.to_string(),
            Chunk::ZeroMonth => format!("{:02}", civil.month),
            Chunk::LongWeekday => weekday_name(self.weekday()).unwrap_or("").to_owned(),
            Chunk::Weekday => short(weekday_name(self.weekday())),
            Chunk::Day => civil.day.to_string(),
            Chunk::UnderDay => format!("{:2}", civil.day),
            Chunk::ZeroDay => format!("{:02}", civil.day),
            Chunk::UnderYearDay => format!("{:3}", self.year_day()),
            Chunk::ZeroYearDay => format!("{:03}", self.year_day()),
            Chunk::Hour => format!("{:02}", civil.hour),
            Chunk::Hour12 => hour12.to_string(),
            Chunk::ZeroHour12 => format!("{hour12:02}"),
            Chunk::Minute => civil.minute.to_string(),
            Chunk::ZeroMinute => format!("{:02}", civil.minute),
            Chunk::Second => civil.second.to_string(),
            Chunk::ZeroSecond => format!("{:02}", civil.second),
            Chunk::LongYear if civil.year < 0 => format!("-{:04}", civil.year.unsigned_abs()),
            Chunk::LongYear => format!("{:04}", civil.year),
            Chunk::Year => format!("{:02}", civil.year.rem_euclid(100)),
            Chunk::UpperPm => if civil.hour >= 12 { "PM" } else { "AM" }.to_owned(),
            Chunk::LowerPm => if civil.hour >= 12 { "pm" } else { "am" }.to_owned(),
            Chunk::Zone => self.zone_name(),
            Chunk::Offset(form) => self.offset_text(form),
            Chunk::Fraction { digits, trims, separator } => self.fraction(digits, trims, separator),
        });
    }

    fn zone_name(&self) -> String {
        let letters: String = self.zone.iter().filter(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
        match (letters.is_empty(), self.offset) {
            (false, _) => letters,
            (true, 0) => "UTC".to_owned(),
            (true, _) => self.offset_text(OffsetForm { z: false, colon: false, parts: 2 }),
        }
    }

    fn offset_text(&self, form: OffsetForm) -> String {
        if form.z && self.offset == 0 {
            return "Z".to_owned();
        }
        let magnitude = self.offset.unsigned_abs();
        let colon = if form.colon { ":" } else { "" };
        let mut text = format!("{}{:02}", if self.offset < 0 { '-' } else { '+' }, magnitude / 3600);
        if form.parts > 1 {
            text.push_str(&format!("{colon}{:02}", magnitude / 60 % 60));
        }
        if form.parts > 2 {
            text.push_str(&format!("{colon}{:02}", magnitude % 60));
        }
        text
    }

    fn fraction(&self, digits: usize, trims: bool, separator: char) -> String {
        let all = format!("{:09}", self.nanoseconds);
        let mut shown = all.get(..digits.min(9)).unwrap_or(&all).to_owned();
        if trims {
            shown.truncate(shown.trim_end_matches('0').len());
            if shown.is_empty() {
                return shown;
            }
        }
        format!("{separator}{shown}")
    }

    /// Reads a text by Go's reference layout, in UTC where it names no zone.
    pub(super) fn parse(layout: &str, text: &str) -> Result<Self, String> {
        Reading::new(layout, text).run()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct OffsetForm {
    /// `Z` for UTC.
    z: bool,
    colon: bool,
    /// Hours, minutes, seconds.
    parts: u32,
}

/// The elements of Go's reference time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chunk {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    Zone,
    Offset(OffsetForm),
    Fraction { digits: usize, trims: bool, separator: char },
}

const fn offset(z: bool, colon: bool, parts: u32) -> Chunk {
    Chunk::Offset(OffsetForm { z, colon, parts })
}

/// Longer ones before those that they begin with.
const CHUNKS: &[(&str, Chunk)] = &[
    ("January", Chunk::LongMonth),
    ("Jan", Chunk::Month),
    ("Monday", Chunk::LongWeekday),
    ("Mon", Chunk::Weekday),
    ("MST", Chunk::Zone),
    ("002", Chunk::ZeroYearDay),
    ("01", Chunk::ZeroMonth),
    ("02", Chunk::ZeroDay),
    ("03", Chunk::ZeroHour12),
    ("04", Chunk::ZeroMinute),
    ("05", Chunk::ZeroSecond),
    ("06", Chunk::Year),
    ("15", Chunk::Hour),
    ("1", Chunk::NumMonth),
    ("2006", Chunk::LongYear),
    ("2", Chunk::Day),
    ("__2", Chunk::UnderYearDay),
    ("_2", Chunk::UnderDay),
    ("3", Chunk::Hour12),
    ("4", Chunk::Minute),
    ("5", Chunk::Second),
    ("PM", Chunk::UpperPm),
    ("pm", Chunk::LowerPm),
    ("-070000", offset(false, false, 3)),
    ("-07:00:00", offset(false, true, 3)),
    ("-0700", offset(false, false, 2)),
    ("-07:00", offset(false, true, 2)),
    ("-07", offset(false, false, 1)),
    ("Z070000", offset(true, false, 3)),
    ("Z07:00:00", offset(true, true, 3)),
    ("Z0700", offset(true, false, 2)),
    ("Z07:00", offset(true, true, 2)),
    ("Z07", offset(true, false, 1)),
];

/// The text before the next element of a layout, the element, and the layout behind it.
fn next_chunk(layout: &str) -> (&str, Option<Chunk>, &str) {
    for (at, c) in layout.char_indices() {
        let rest = layout.get(at..).unwrap_or("");
        if let Some((chunk, length)) = chunk_at(rest, c) {
            // `_2006` is an underscore and a year.
            let under_year = chunk == Chunk::UnderDay && rest.starts_with("_2006");
            let (at, chunk, length) = if under_year { (at + 1, Chunk::LongYear, 4) } else { (at, chunk, length) };
            let after = layout.get(at + length..).unwrap_or("");
            return (layout.get(..at).unwrap_or(""), Some(chunk), after);
        }
    }
    (layout, None, "")
}

fn chunk_at(rest: &str, c: char) -> Option<(Chunk, usize)> {
    if matches!(c, '.' | ',') {
        let digits = rest.get(1..)?;
        let digit = digits.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
        let count = digits.chars().take_while(|c| *c == digit).count();
        if digits.get(count..)?.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        return Some((Chunk::Fraction { digits: count, trims: digit == '9', separator: c }, count + 1));
    }
    let (text, chunk) = CHUNKS.iter().find(|(text, _)| rest.starts_with(text))?;
    let followed = rest.get(text.len()..)?.starts_with(|c: char| c.is_ascii_lowercase());
    if followed && matches!(chunk, Chunk::Month | Chunk::Weekday) {
        return None;
    }
    Some((*chunk, text.len()))
}

/// A text being read by a layout.
struct Reading<'a> {
    layout: &'a str,
    text: &'a str,
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanoseconds: u32,
    pm: Option<bool>,
    offset: i32,
    zone: [u8; 5],
}

impl<'a> Reading<'a> {
    fn new(layout: &'a str, text: &'a str) -> Self {
        Self {
            layout,
            text,
            year: 0,
            month: None,
            day: None,
            year_day: None,
            hour: 0,
            minute: 0,
            second: 0,
            nanoseconds: 0,
            pm: None,
            offset: 0,
            zone: [0; 5],
        }
    }

    fn failed(&self, at: &str, wanted: &str) -> String {
        let quote = quote_bytes;
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(self.text),
            quote(self.layout),
            quote(at),
            quote(wanted)
        )
    }

    fn out_of_range(&self, what: &str) -> String {
        format!("parsing time {}: {what} out of range", quote_bytes(self.text))
    }

    fn run(mut self) -> Result<Time, String> {
        let (mut layout, mut text) = (self.layout, self.text);
        loop {
            let (before, chunk, after) = next_chunk(layout);
            let wanted = layout.get(before.len()..layout.len() - after.len()).unwrap_or("");
            text = skip(text, before).map_err(|at| self.failed(at, before))?;
            let Some(chunk) = chunk else {
                if !text.is_empty() {
                    let quote = quote_bytes;
                    return Err(format!("parsing time {}: extra text: {}", quote(self.text), quote(text)));
                }
                return self.finish();
            };
            let hold = text;
            let next_is_fraction = chunk_is_fraction(after);
            text = match self.read(chunk, text, next_is_fraction) {
                Some(rest) => rest,
                None => return Err(self.failed(hold, wanted)),
            };
            self.check(chunk)?;
            layout = after;
        }
    }

    /// Reads one element; what is left of the text.
    fn read<'t>(&mut self, chunk: Chunk, text: &'t str, next_is_fraction: bool) -> Option<&'t str> {
        let (value, rest) = match chunk {
            Chunk::LongMonth | Chunk::Month => {
                let (month, rest) = name(text, 1..=12, month_name, chunk == Chunk::Month)?;
                self.month = Some(month);
                return Some(rest);
            }
            Chunk::LongWeekday | Chunk::Weekday => {
                return name(text, 0..=6, weekday_name, chunk == Chunk::Weekday).map(|(_, rest)| rest);
            }
            Chunk::UpperPm | Chunk::LowerPm => {
                let (am, pm) = if chunk == Chunk::UpperPm { ("AM", "PM") } else { ("am", "pm") };
                self.pm = Some(text.starts_with(pm));
                return text.strip_prefix(pm).or_else(|| text.strip_prefix(am));
            }
            Chunk::Zone => {
                if let Some(rest) = text.strip_prefix("UTC") {
                    return Some(rest);
                }
                let length = text.bytes().take_while(u8::is_ascii_uppercase).count();
                if !(3..=5).contains(&length) {
                    return None;
                }
                for (slot, byte) in self.zone.iter_mut().zip(text.bytes().take(length)) {
                    *slot = byte;
                }
                return text.get(length..);
            }
            Chunk::Offset(form) => return self.read_offset(form, text),
            Chunk::Fraction { digits, trims, .. } => return self.read_fraction(digits, trims, text),
            Chunk::LongYear => fixed(text, 4)?,
            Chunk::Year => fixed(text, 2)?,
            Chunk::UnderYearDay | Chunk::ZeroYearDay => {
                let spaces = text.bytes().take(2).take_while(|byte| *byte == b' ').count();
                let spaces = if chunk == Chunk::UnderYearDay { spaces } else { 0 };
                fixed(text.get(spaces..)?, 3 - spaces)?
            }
            Chunk::UnderDay => number(text.strip_prefix(' ').unwrap_or(text), false)?,
            Chunk::ZeroMonth | Chunk::ZeroDay | Chunk::ZeroHour12 | Chunk::ZeroMinute | Chunk::ZeroSecond => {
                number(text, true)?
            }
            _ => number(text, false)?,
        };
        match chunk {
            Chunk::LongYear => self.year = value,
            Chunk::Year => self.year = if value >= 69 { 1900 + value } else { 2000 + value },
            Chunk::NumMonth | Chunk::ZeroMonth => self.month = Some(value),
            Chunk::Day | Chunk::UnderDay | Chunk::ZeroDay => self.day = Some(value),
            Chunk::UnderYearDay | Chunk::ZeroYearDay => self.year_day = Some(value),
            Chunk::Hour | Chunk::Hour12 | Chunk::ZeroHour12 => self.hour = value,
            Chunk::Minute | Chunk::ZeroMinute => self.minute = value,
            Chunk::Second | Chunk::ZeroSecond => {
                self.second = value;
                // A fraction may follow that the layout does not ask for.
                let fraction = rest.strip_prefix(['.', ',']);
                let digits = fraction.map_or(0, |digits| digits.bytes().take_while(u8::is_ascii_digit).count());
                if digits > 0 && !next_is_fraction {
                    self.nanoseconds = nanoseconds(fraction?.get(..digits)?)?;
                    return fraction?.get(digits..);
                }
            }
            _ => {}
        }
        Some(rest)
    }

    fn check(&self, chunk: Chunk) -> Result<(), String> {
        let wrong = match chunk {
            Chunk::NumMonth | Chunk::ZeroMonth => self.month.filter(|month| !(1..=12).contains(month)).map(|_| "month"),
            Chunk::Hour => (self.hour >= 24).then_some("hour"),
            Chunk::Hour12 | Chunk::ZeroHour12 => (self.hour > 12).then_some("hour"),
            Chunk::Minute | Chunk::ZeroMinute => (self.minute >= 60).then_some("minute"),
            Chunk::Second | Chunk::ZeroSecond => (self.second >= 60).then_some("second"),
            _ => None,
        };
        wrong.map_or(Ok(()), |what| Err(self.out_of_range(what)))
    }

    fn read_offset<'t>(&mut self, form: OffsetForm, text: &'t str) -> Option<&'t str> {
        if form.z
            && let Some(rest) = text.strip_prefix('Z')
        {
            self.offset = 0;
            return Some(rest);
        }
        let negative = text.starts_with('-');
        let mut rest = text.strip_prefix(['+', '-'])?;
        let mut total = 0;
        for part in 0..form.parts {
            if part > 0 && form.colon {
                rest = rest.strip_prefix(':')?;
            }
            let (value, tail) = fixed(rest, 2)?;
            if value > if part == 0 { 24 } else { 59 } {
                return None;
            }
            total = total * 60 + value;
            rest = tail;
        }
        for _ in form.parts..3 {
            total *= 60;
        }
        let total = i32::try_from(total).ok()?;
        self.offset = if negative { -total } else { total };
        Some(rest)
    }

    fn read_fraction<'t>(&mut self, digits: usize, trims: bool, text: &'t str) -> Option<&'t str> {
        let Some(found) = text.strip_prefix(['.', ',']) else { return if trims { Some(text) } else { None } };
        let count = found.bytes().take_while(u8::is_ascii_digit).count();
        let count = if trims { count } else { digits };
        if trims && count == 0 {
            return Some(text);
        }
        self.nanoseconds = nanoseconds(found.get(..count)?)?;
        found.get(count..)
    }

    fn finish(self) -> Result<Time, String> {
        let hour = match self.pm {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let (mut month, mut day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if let Some(year_day) = self.year_day {
            let days = days_of(self.year + 1, 1, 1) - days_of(self.year, 1, 1);
            if year_day < 1 || year_day > days {
                return Err(self.out_of_range("day-of-year"));
            }
            if self.month.is_none() && self.day.is_none() {
                (_, month, day) = date_of(days_of(self.year, 1, year_day));
            }
        }
        if day < 1 || day > days_in(self.year, month) {
            return Err(self.out_of_range("day"));
        }
        let local = days_of(self.year, month, day) * DAY + hour * 3600 + self.minute * 60 + self.second;
        let seconds = local - i64::from(self.offset);
        Ok(Time { seconds, nanoseconds: self.nanoseconds, offset: self.offset, zone: self.zone })
    }
}

fn chunk_is_fraction(layout: &str) -> bool {
    matches!(next_chunk(layout), (_, Some(Chunk::Fraction { .. }), _))
}

/// The text behind a literal of a layout; a run of spaces matches any run. Else where they part.
fn skip<'t>(mut text: &'t str, literal: &str) -> Result<&'t str, &'t str> {
    let mut literal = literal.chars().peekable();
    while let Some(c) = literal.next() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return Err(text);
            }
            while literal.peek() == Some(&' ') {
                literal.next();
            }
            text = text.trim_start_matches(' ');
        } else {
            text = text.strip_prefix(c).ok_or(text)?;
        }
    }
    Ok(text)
}

fn name(
    text: &str,
    numbers: std::ops::RangeInclusive<i64>,
    name_of: fn(i64) -> Option<&'static str>,
    short: bool,
) -> Option<(i64, &str)> {
    for number in numbers {
        let full = name_of(number)?;
        let wanted = if short { full.get(..3)? } else { full };
        if text.get(..wanted.len()).is_some_and(|head| head.eq_ignore_ascii_case(wanted)) {
            return Some((number, text.get(wanted.len()..)?));
        }
    }
    None
}

fn fixed(text: &str, digits: usize) -> Option<(i64, &str)> {
    let head = text.get(..digits)?;
    if head.is_empty() || !head.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((head.parse().ok()?, text.get(digits..)?))
}

/// One or two digits.
fn number(text: &str, two: bool) -> Option<(i64, &str)> {
    match fixed(text, 2) {
        Some(found) => Some(found),
        None if two => None,
        None => fixed(text, 1),
    }
}

fn nanoseconds(digits: &str) -> Option<u32> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{:0<9}", digits.get(..9).unwrap_or(digits)).parse().ok()
}

/// The time package's own quoting: every byte that is no printable ASCII in hexadecimal.
fn quote_bytes(text: &str) -> String {
    let mut out = String::from('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' | 0x7f => out.push(char::from(byte)),
            byte => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}
