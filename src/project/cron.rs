//! Schedules of sync windows: five cron fields, as Argo CD's parser (robfig/cron) reads them, and when they come next.
//!
//! Minute, hour, day of month, month, day of week; `*` and `?`, lists, ranges, steps (`N/S` runs to the end), names of months and days.
//! A day matches if both day fields do, where one of them is `*`; else if one of them does. `@hourly` and the like are refused, as there:
//! the parser of sync windows is made without them. `TZ=` or `CRON_TZ=` in front names a time zone.
//! What never comes (30 February) is `None` after five years. Nothing here asks what time it is.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

/// A schedule: bits of the values of each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    /// From `TZ=`; `None` follows the caller's time.
    zone: Option<TimeZone>,
}

/// Set where a field holds `*` or `?`.
const STAR: u64 = 1 << 63;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// A message for people: what the parser of Argo CD would refuse, too.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let mut zone = None;
        for prefix in ["TZ=", "CRON_TZ="] {
            if let Some(named) = text.strip_prefix(prefix) {
                let (name, fields) = named.split_once(' ').ok_or("nothing follows the time zone")?;
                zone = Some(time_zone(name).ok_or_else(|| format!("`{name}` is no time zone"))?);
                rest = fields.trim();
            }
        }
        if rest.starts_with('@') {
            return Err("sync windows take no descriptors such as `@daily`; write the five fields".to_owned());
        }
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!("it needs five fields (minute, hour, day, month, weekday) and has {}", fields.len()));
        };
        Ok(Schedule {
            minute: field(minute, 0, 59, &[])?,
            hour: field(hour, 0, 23, &[])?,
            day: field(day, 1, 31, &[])?,
            month: field(month, 1, 12, &MONTHS)?,
            weekday: field(weekday, 0, 6, &DAYS)?,
            zone,
        })
    }

    /// The first time after `after` (in whole seconds); `None` where there is none within five years.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        if !self.comes() {
            return None;
        }
        let zone = self.zone.as_ref();
        let mut clock = Clock { at: after.as_second().checked_add(1)?, zone };
        let limit = clock.civil()?.year().checked_add(5)?;
        let mut added = false;
        'wrap: loop {
            let now = clock.civil()?;
            if now.year() > limit {
                return None;
            }
            while !has(self.month, clock.civil()?.month()) {
                let now = clock.civil()?;
                if !std::mem::replace(&mut added, true) {
                    clock.set(now.date().first_of_month().at(0, 0, 0, 0))?;
                }
                clock.add(1.month())?;
                if clock.civil()?.month() == 1 {
                    continue 'wrap;
                }
            }
            while !self.day_fits(clock.civil()?.date()) {
                let now = clock.civil()?;
                if !std::mem::replace(&mut added, true) {
                    clock.set(now.date().at(0, 0, 0, 0))?;
                }
                clock.add(1.day())?;
                // Where midnight does not exist.
                let hour = i64::from(clock.civil()?.hour());
                if hour > 12 {
                    clock.at += (24 - hour) * 3600;
                } else {
                    clock.at -= hour * 3600;
                }
                if clock.civil()?.day() == 1 {
                    continue 'wrap;
                }
            }
            while !has(self.hour, clock.civil()?.hour()) {
                let now = clock.civil()?;
                if !std::mem::replace(&mut added, true) {
                    clock.set(now.date().at(now.hour(), 0, 0, 0))?;
                }
                clock.at += 3600;
                if clock.civil()?.hour() == 0 {
                    continue 'wrap;
                }
            }
            while !has(self.minute, clock.civil()?.minute()) {
                if !std::mem::replace(&mut added, true) {
                    clock.at -= clock.at.rem_euclid(60);
                }
                clock.at += 60;
                if clock.civil()?.minute() == 0 {
                    continue 'wrap;
                }
            }
            match i64::from(clock.civil()?.second()) {
                0 => {}
                second => {
                    added = true;
                    clock.at += 60 - second;
                    continue 'wrap;
                }
            }
            return Timestamp::from_second(clock.at).ok();
        }
    }

    /// Whether some month has one of its days: without a search, which is long where nothing is found.
    fn comes(&self) -> bool {
        let star = self.day & STAR != 0 || self.weekday & STAR != 0;
        if self.weekday & !STAR != 0 && !star {
            return true;
        }
        const LENGTHS: [i8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let months = (1i8..).zip(LENGTHS).filter(|(month, _)| has(self.month, *month));
        months.into_iter().any(|(_, length)| (1..=length).any(|day| has(self.day, day)))
    }

    fn day_fits(&self, date: Date) -> bool {
        let day = has(self.day, date.day());
        let weekday = has(self.weekday, date.weekday().to_sunday_zero_offset());
        if self.day & STAR != 0 || self.weekday & STAR != 0 { day && weekday } else { day || weekday }
    }
}

/// A time zone by its IANA name, in that spelling, as Go finds it: empty and `Local` (a control plane's clock) are UTC.
pub(super) fn time_zone(name: &str) -> Option<TimeZone> {
    if matches!(name, "" | "UTC" | "Local") {
        return Some(TimeZone::UTC);
    }
    TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name))
}

/// A moment and the wall clock that it is read on; UTC without a zone.
struct Clock<'a> {
    at: i64,
    zone: Option<&'a TimeZone>,
}

impl Clock<'_> {
    fn offset(&self, at: i64) -> Option<i64> {
        let at = Timestamp::from_second(at).ok()?;
        Some(self.zone.map_or(0, |zone| i64::from(zone.to_offset(at).seconds())))
    }

    fn civil(&self) -> Option<DateTime> {
        let offset = self.offset(self.at)?;
        Some(TimeZone::UTC.to_datetime(Timestamp::from_second(self.at.checked_add(offset)?).ok()?))
    }

    /// Go's `time.Date`: the offset is looked up as if the wall clock were UTC's, and once more with what follows from it.
    fn set(&mut self, wall: DateTime) -> Option<()> {
        let unix = TimeZone::UTC.to_timestamp(wall).ok()?.as_second();
        let first = self.offset(unix)?;
        self.at = if first == 0 { unix } else { unix - self.offset(unix - first)? };
        Some(())
    }

    /// Go's `AddDate`: of the wall clock; what is beyond the end of a month flows over.
    fn add(&mut self, span: Span) -> Option<()> {
        let wall = self.civil()?;
        self.set(
            DateTime::from_parts(wall.date(), Time::constant(wall.hour(), wall.minute(), wall.second(), 0))
                .checked_add(span)
                .ok()?,
        )
    }
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits & (1 << value) != 0)
}

/// A field: ranges with commas between them.
fn field(text: &str, min: u32, max: u32, names: &[&str]) -> Result<u64, String> {
    text.split(',').filter(|part| !part.is_empty()).try_fold(0, |bits, part| Ok(bits | range(part, min, max, names)?))
}

fn range(text: &str, min: u32, max: u32, names: &[&str]) -> Result<u64, String> {
    let mut parts = text.split('/');
    let (ends, step) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() {
        return Err(format!("`{text}` has too many slashes"));
    }
    let mut numbers = ends.split('-');
    let (low, high) = (numbers.next().unwrap_or_default(), numbers.next());
    let mut star = 0;
    let (start, mut end) = if low == "*" || low == "?" {
        star = STAR;
        (min, max)
    } else {
        let start = number(low, min, names)?;
        if numbers.next().is_some() {
            return Err(format!("`{text}` has too many hyphens"));
        }
        (start, high.map_or(Ok(start), |high| number(high, min, names))?)
    };
    let step = match step {
        None => 1,
        Some(step) => {
            let step = number(step, min, &[])?;
            if high.is_none() {
                end = max;
            }
            if step > 1 {
                star = 0;
            }
            step
        }
    };
    if start < min || end > max {
        return Err(format!("`{text}` is not within {min} and {max}"));
    }
    if start > end {
        return Err(format!("`{text}` ends before it begins"));
    }
    let step = usize::try_from(step).ok().filter(|step| *step > 0).ok_or_else(|| format!("`{text}` has no step"))?;
    Ok((start..=end).step_by(step).fold(star, |bits, value| bits | 1 << value))
}

fn number(text: &str, first: u32, names: &[&str]) -> Result<u32, String> {
    let lower = text.to_lowercase();
    if let Some(at) = names.iter().position(|name| **name == *lower) {
        return Ok(u32::try_from(at).unwrap_or(0) + first);
    }
    let digits = text.strip_prefix('+').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value = if text == "-0" { Some(0) } else { digits.parse().ok().filter(|_| plain) };
    value.ok_or_else(|| format!("`{text}` is no number"))
}
