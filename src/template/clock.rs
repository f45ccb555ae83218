//! Go's `time.Time` for templates: an instant with a fixed offset, and its methods. [`layout`](super::layout) prints and reads it.
//!
//! Nothing here reads a clock. Years run from -9999 to 9999 as layouts can print them; instants outside are clamped.

use std::any::Any;
use std::rc::Rc;

use super::function::{Arguments, Context, Failure, Method, Outcome};
use super::object::Object;
use super::value::{IntType, Value};

/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const EPOCH_DAYS: i64 = 719_468;
pub(super) const DAY: i64 = 86_400;

/// An instant. The default is Go's zero time, the first second of the year 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Time {
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
    /// Seconds east of UTC.
    pub(super) offset: i32,
    /// The zone's letters as they were read, if any but UTC; the rest is zeros.
    pub(super) zone: [u8; 5],
}

impl Default for Time {
    fn default() -> Self {
        Self { seconds: days_of(1, 1, 1) * DAY, nanoseconds: 0, offset: 0, zone: [0; 5] }
    }
}

/// Days since the epoch of a date; months and days outside their range carry over.
pub(super) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let months = year * 12 + month - 1;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH_DAYS + day - 1
}

/// Year, month, day.
pub(super) fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + EPOCH_DAYS;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

pub(super) fn days_in(year: i64, month: i64) -> i64 {
    days_of(year, month + 1, 1) - days_of(year, month, 1)
}

/// The fields of a wall clock.
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
}

impl Time {
    pub(super) fn from_unix(seconds: i64) -> Self {
        // A bit more than the years that can be printed.
        let seconds = seconds.clamp(-400_000_000_000, 400_000_000_000);
        Self { seconds, nanoseconds: 0, offset: 0, zone: [0; 5] }
    }

    pub(super) fn from_nanoseconds(n: i64) -> Self {
        let nanoseconds = u32::try_from(n.rem_euclid(1_000_000_000)).unwrap_or(0);
        Self { seconds: n.div_euclid(1_000_000_000), nanoseconds, offset: 0, zone: [0; 5] }
    }

    pub(super) fn unix(&self) -> i64 {
        self.seconds
    }

    pub(super) fn in_utc(self) -> Self {
        Self { offset: 0, zone: [0; 5], ..self }
    }

    pub(super) fn plus(self, duration: i64) -> Self {
        let total = i64::from(self.nanoseconds) + duration.rem_euclid(1_000_000_000);
        let seconds = self.seconds.saturating_add(duration.div_euclid(1_000_000_000)) + total / 1_000_000_000;
        let moved = Self::from_unix(seconds);
        Self {
            nanoseconds: u32::try_from(total % 1_000_000_000).unwrap_or(0),
            offset: self.offset,
            zone: self.zone,
            ..moved
        }
    }

    /// Nanoseconds from another instant to this one, as far as a duration reaches.
    pub(super) fn since(&self, other: &Self) -> i64 {
        let seconds = i128::from(self.seconds) - i128::from(other.seconds);
        let total = seconds * 1_000_000_000 + i128::from(self.nanoseconds) - i128::from(other.nanoseconds);
        i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX })
    }

    pub(super) fn local_seconds(&self) -> i64 {
        self.seconds + i64::from(self.offset)
    }

    pub(super) fn civil(&self) -> Civil {
        let (year, month, day) = date_of(self.local_seconds().div_euclid(DAY));
        let second = self.local_seconds().rem_euclid(DAY);
        Civil { year, month, day, hour: second / 3600, minute: second / 60 % 60, second: second % 60 }
    }

    pub(super) fn weekday(&self) -> i64 {
        (self.local_seconds().div_euclid(DAY) + 4).rem_euclid(7)
    }

    pub(super) fn year_day(&self) -> i64 {
        let days = self.local_seconds().div_euclid(DAY);
        days - days_of(date_of(days).0, 1, 1) + 1
    }
}

impl Object for Time {
    fn type_name(&self) -> &str {
        "time.Time"
    }

    fn methods(&self) -> &'static [Method] {
        METHODS
    }

    fn text(&self) -> Option<String> {
        Some(self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }

    fn json(&self) -> Option<Value> {
        Some(Value::from(self.format("2006-01-02T15:04:05.999999999Z07:00")))
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn receiver(args: Arguments<'_>, index: usize) -> Result<Time, Failure> {
    let object = args.object(index).and_then(|object| object.as_any().downcast_ref::<Time>());
    object.copied().ok_or_else(|| Failure::new("wrong type for value; expected time.Time"))
}

fn object(time: Time) -> Value {
    Value::Object(Rc::new(time))
}

fn field(args: Arguments<'_>, field: fn(&Civil) -> i64) -> Outcome {
    Ok(Value::int(field(&receiver(args, 0)?.civil())))
}

fn compare(args: Arguments<'_>, holds: fn(i64) -> bool) -> Outcome {
    Ok(Value::Bool(holds(receiver(args, 0)?.since(&receiver(args, 1)?))))
}

fn add_date(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let time = receiver(args, 0)?;
    let civil = time.civil();
    let limited = |n: i64| n.clamp(-100_000, 100_000);
    let days = days_of(
        civil.year + limited(args.int(1)),
        civil.month + limited(args.int(2)),
        civil.day + limited(args.int(3)),
    );
    let seconds = days * DAY + time.local_seconds().rem_euclid(DAY) - i64::from(time.offset);
    Ok(object(Time { seconds: Time::from_unix(seconds).seconds, ..time }))
}

const METHODS: &[Method] = &[
    Method { name: "Add", signature: "D", call: |_, args| Ok(object(receiver(args, 0)?.plus(args.int(1)))) },
    Method { name: "AddDate", signature: "iii", call: add_date },
    Method { name: "After", signature: "t", call: |_, args| compare(args, |since| since > 0) },
    Method { name: "Before", signature: "t", call: |_, args| compare(args, |since| since < 0) },
    Method { name: "Day", signature: "", call: |_, args| field(args, |civil| civil.day) },
    Method { name: "Equal", signature: "t", call: |_, args| compare(args, |since| since == 0) },
    Method {
        name: "Format",
        signature: "s",
        call: |_, args| Ok(Value::from(receiver(args, 0)?.format(&args.text(1)))),
    },
    Method { name: "Hour", signature: "", call: |_, args| field(args, |civil| civil.hour) },
    Method {
        name: "IsZero",
        signature: "",
        call: |_, args| Ok(Value::Bool(receiver(args, 0)?.since(&Time::default()) == 0)),
    },
    Method { name: "Local", signature: "", call: |_, args| Ok(object(receiver(args, 0)?.in_utc())) },
    Method { name: "Minute", signature: "", call: |_, args| field(args, |civil| civil.minute) },
    Method {
        name: "Month",
        signature: "",
        call: |_, args| Ok(Value::Int(receiver(args, 0)?.civil().month, IntType::Month)),
    },
    Method {
        name: "Nanosecond",
        signature: "",
        call: |_, args| Ok(Value::int(i64::from(receiver(args, 0)?.nanoseconds))),
    },
    Method { name: "Second", signature: "", call: |_, args| field(args, |civil| civil.second) },
    Method {
        name: "String",
        signature: "",
        call: |_, args| Ok(Value::from(receiver(args, 0)?.text().unwrap_or_default())),
    },
    Method {
        name: "Sub",
        signature: "t",
        call: |_, args| Ok(Value::Int(receiver(args, 0)?.since(&receiver(args, 1)?), IntType::Duration)),
    },
    Method { name: "UTC", signature: "", call: |_, args| Ok(object(receiver(args, 0)?.in_utc())) },
    Method { name: "Unix", signature: "", call: |_, args| Ok(Value::int64(receiver(args, 0)?.seconds)) },
    Method {
        name: "UnixMilli",
        signature: "",
        call: |_, args| Ok(Value::int64(receiver(args, 0)?.since(&Time::from_unix(0)) / 1_000_000)),
    },
    Method {
        name: "UnixNano",
        signature: "",
        call: |_, args| Ok(Value::int64(receiver(args, 0)?.since(&Time::from_unix(0)))),
    },
    Method {
        name: "Weekday",
        signature: "",
        call: |_, args| Ok(Value::Int(receiver(args, 0)?.weekday(), IntType::Weekday)),
    },
    Method { name: "Year", signature: "", call: |_, args| field(args, |civil| civil.year) },
    Method { name: "YearDay", signature: "", call: |_, args| Ok(Value::int(receiver(args, 0)?.year_day())) },
];
