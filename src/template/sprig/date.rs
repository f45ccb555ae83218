//! sprig's date functions over [`Time`]. What is no date means now, which needs the clock of [`Effects`](crate::template::Effects).
//! Zones are those of the time zone database that is built in, whatever the machine has; `Local` is UTC.

use std::rc::Rc;

use crate::template::clock::Time;
use crate::template::function::{Arguments, Context, Entry, Failure, Native, Outcome};
use crate::template::time::{duration_text, parse_duration, round_to};
use crate::template::value::{IntType, Value};

pub(super) const TABLE: &[Entry] = &[
    ("ago", "a", ago),
    ("date", "sa", |context, args| formatted(context, args.bytes(0), &args.any(1), "Local")),
    ("dateInZone", "sas", DATE_IN_ZONE),
    ("dateModify", "st", DATE_MODIFY),
    ("date_in_zone", "sas", DATE_IN_ZONE),
    ("date_modify", "st", DATE_MODIFY),
    ("duration", "a", duration),
    ("durationRound", "a", duration_round),
    ("htmlDate", "a", |context, args| formatted(context, b"2006-01-02", &args.any(0), "Local")),
    ("htmlDateInZone", "as", |context, args| formatted(context, b"2006-01-02", &args.any(0), &args.text(1))),
    ("mustDateModify", "st", MUST_DATE_MODIFY),
    ("mustToDate", "ss", |_, args| Time::parse(&args.text(0), &args.text(1)).map(object).map_err(Failure::new)),
    ("must_date_modify", "st", MUST_DATE_MODIFY),
    ("now", "", |context, _| now(context, "now").map(object)),
    ("toDate", "ss", |_, args| Ok(object(Time::parse(&args.text(0), &args.text(1)).unwrap_or_default()))),
    ("unixEpoch", "t", |_, args| Ok(Value::from(time(args, 0)?.unix().to_string()))),
];

fn object(time: Time) -> Value {
    Value::Object(Rc::new(time))
}

fn time(args: Arguments<'_>, index: usize) -> Result<Time, Failure> {
    let object = args.object(index).and_then(|object| object.as_any().downcast_ref::<Time>());
    object.copied().ok_or_else(|| Failure::new("wrong type for value; expected time.Time"))
}

fn now(context: &Context<'_>, name: &str) -> Result<Time, Failure> {
    match context.options().effects {
        Some(effects) => Ok(Time::from_nanoseconds(effects.now())),
        None => Err(Failure::new(format!(
            "the function {name} is not available: it needs the clock, and a render depends on its inputs only"
        ))),
    }
}

/// A time, or seconds since the Unix epoch; anything else is now.
fn time_of(context: &Context<'_>, value: &Value, name: &str) -> Result<Time, Failure> {
    match value {
        Value::Object(object) => match object.as_any().downcast_ref::<Time>() {
            Some(time) => Ok(*time),
            None => now(context, name),
        },
        Value::Int(n, IntType::Int | IntType::Int64 | IntType::Int32) => Ok(Time::from_unix(*n)),
        _ => now(context, name),
    }
}

fn formatted(context: &Context<'_>, layout: &[u8], date: &Value, zone: &str) -> Outcome {
    let time = time_of(context, date, "date")?;
    Ok(Value::from(in_zone(time, zone).format(&String::from_utf8_lossy(layout))))
}

/// The instant in a zone of the time zone database; in UTC for `Local` and for names that it does not have.
fn in_zone(time: Time, zone: &str) -> Time {
    let known = jiff::tz::TimeZone::get(zone).ok().filter(|known| known.iana_name() == Some(zone));
    let instant = jiff::Timestamp::from_second(time.unix()).ok();
    let Some((known, instant)) = known.zip(instant) else { return time.in_utc() };
    let info = known.to_offset_info(instant);
    let mut letters = [0; 5];
    letters.iter_mut().zip(info.abbreviation().bytes()).for_each(|(slot, byte)| *slot = byte);
    Time { offset: info.offset().seconds(), zone: letters, ..time }
}

const DATE_IN_ZONE: Native = |context, args| formatted(context, args.bytes(0), &args.any(1), &args.text(2));

const DATE_MODIFY: Native = |_, args| {
    let time = time(args, 1)?;
    Ok(object(parse_duration(&args.text(0)).map_or(time, |duration| time.plus(duration))))
};

const MUST_DATE_MODIFY: Native = |_, args| {
    let duration = parse_duration(&args.text(0)).map_err(Failure::new)?;
    Ok(object(time(args, 1)?.plus(duration)))
};

fn ago(context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let now = now(context, "ago")?;
    let then = match args.any(0) {
        Value::Int(_, IntType::Int32) => now,
        value => time_of(context, &value, "ago")?,
    };
    Ok(Value::from(duration_text(round_to(now.since(&then), 1_000_000_000))))
}

/// Seconds as a duration: of a string of digits or an int64, not of an int.
fn duration(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let seconds = match args.any(0) {
        Value::String(text) => match crate::template::number::parse_int(&text.to_text(), 10) {
            Ok(n) => n,
            Err(crate::template::number::NumberError::Syntax) => 0,
            Err(crate::template::number::NumberError::Range) if text.starts_with(b"-") => i64::MIN,
            Err(crate::template::number::NumberError::Range) => i64::MAX,
        },
        Value::Int(n, IntType::Int64) => n,
        _ => 0,
    };
    Ok(Value::from(duration_text(seconds.wrapping_mul(1_000_000_000))))
}

/// The largest unit that the duration is longer than.
fn duration_round(context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let nanoseconds = match args.any(0) {
        Value::String(text) => parse_duration(&text.to_text()).unwrap_or(0),
        Value::Int(n, IntType::Int64) => n,
        Value::Object(object) => match object.as_any().downcast_ref::<Time>() {
            Some(then) => now(context, "durationRound")?.since(then),
            None => 0,
        },
        _ => 0,
    };
    const HOUR: u64 = 3_600_000_000_000;
    let units: [(u64, &str); 6] = [
        (HOUR * 24 * 365, "y"),
        (HOUR * 24 * 30, "mo"),
        (HOUR * 24, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3600, "s"),
    ];
    let magnitude = nanoseconds.unsigned_abs();
    let found = units.iter().find(|(unit, _)| magnitude > *unit);
    Ok(Value::from(found.map_or_else(|| "0s".to_owned(), |(unit, name)| format!("{}{name}", magnitude / unit))))
}
