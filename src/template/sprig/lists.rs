//! Lists. Every function makes a new list, but `sortAlpha` of a `[]string`, which sorts in place as sprig does.

use super::cast::{is_empty, text, texts, to_int};
use super::equal::deep_equal;
use super::{MAX_ITEMS, length_of, nil_pointer, too_large};
use crate::template::function::{Arguments, Context, Entry, Failure, Native, Outcome};
use crate::template::value::{ANY_LIST, Bytes, Element, List, ListType, STRING_LIST, UintType, Value};

pub(super) const TABLE: &[Entry] = &[
    ("append", "aa", APPEND),
    ("chunk", "ia", CHUNK),
    ("compact", "a", COMPACT),
    ("concat", "a*", concat),
    ("first", "a", FIRST),
    ("has", "aa", HAS),
    ("initial", "a", INITIAL),
    ("join", "sa", join),
    ("last", "a", LAST),
    ("list", "a*", LIST),
    ("mustAppend", "aa", APPEND),
    ("mustChunk", "ia", CHUNK),
    ("mustCompact", "a", COMPACT),
    ("mustFirst", "a", FIRST),
    ("mustHas", "aa", HAS),
    ("mustInitial", "a", INITIAL),
    ("mustLast", "a", LAST),
    ("mustPrepend", "aa", PREPEND),
    ("mustPush", "aa", APPEND),
    ("mustRest", "a", REST),
    ("mustReverse", "a", REVERSE),
    ("mustSlice", "aa*", SLICE),
    ("mustUniq", "a", UNIQ),
    ("mustWithout", "aa*", WITHOUT),
    ("prepend", "aa", PREPEND),
    ("push", "aa", APPEND),
    ("rest", "a", REST),
    ("reverse", "a", REVERSE),
    ("slice", "aa*", SLICE),
    ("sortAlpha", "a", sort_alpha),
    ("tuple", "a*", LIST),
    ("uniq", "a", UNIQ),
    ("without", "aa*", WITHOUT),
];

static CHUNKS: ListType = ListType { name: "[][]interface {}", element: Element::Any, methods: &[] };

const LIST: Native = |_, args| Ok(Value::list(args.from(0).to_vec()));

/// The elements of a list, or sprig's complaint.
fn items(value: &Value, complaint: &str) -> Result<Vec<Value>, Failure> {
    match value {
        Value::List(list) => Ok(list.to_vec()),
        Value::ByteSlice(bytes) => Ok(bytes.iter().map(|byte| byte_value(*byte)).collect()),
        Value::Nil => Err(nil_pointer()),
        value => Err(Failure::new(format!("{complaint} {}", value.kind().name()))),
    }
}

fn byte_value(byte: u8) -> Value {
    Value::Uint(u64::from(byte), UintType::Uint8)
}

const APPEND: Native = |_, args| {
    let mut items = items(&args.any(0), "Cannot push on type")?;
    items.push(args.any(1));
    Ok(Value::list(items))
};

const PREPEND: Native = |_, args| {
    let mut items = items(&args.any(0), "Cannot prepend on type")?;
    items.insert(0, args.any(1));
    Ok(Value::list(items))
};

const FIRST: Native =
    |_, args| Ok(items(&args.any(0), "Cannot find first on type")?.into_iter().next().unwrap_or_default());

const LAST: Native = |_, args| Ok(items(&args.any(0), "Cannot find last on type")?.pop().unwrap_or_default());

/// An empty list gives a nil one.
fn part(items: &[Value], part: &[Value]) -> Value {
    if items.is_empty() { Value::List(List::nil(&ANY_LIST)) } else { Value::list(part.to_vec()) }
}

const REST: Native = |_, args| {
    let items = items(&args.any(0), "Cannot find rest on type")?;
    Ok(part(&items, items.get(1..).unwrap_or(&[])))
};

const INITIAL: Native = |_, args| {
    let items = items(&args.any(0), "Cannot find initial on type")?;
    Ok(part(&items, items.split_last().map_or(&[], |(_, initial)| initial)))
};

const REVERSE: Native = |_, args| {
    let mut items = items(&args.any(0), "Cannot find reverse on type")?;
    items.reverse();
    Ok(Value::list(items))
};

const COMPACT: Native = |_, args| {
    let mut items = items(&args.any(0), "Cannot compact on type")?;
    items.retain(|item| !is_empty(item));
    Ok(Value::list(items))
};

fn contains(list: &[Value], needle: &Value) -> Result<bool, Failure> {
    for item in list {
        if deep_equal(needle, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

const UNIQ: Native = |_, args| {
    let mut kept: Vec<Value> = Vec::new();
    for item in items(&args.any(0), "Cannot find uniq on type")? {
        if !contains(&kept, &item)? {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
};

const WITHOUT: Native = |_, args| {
    let mut kept = Vec::new();
    for item in items(&args.any(0), "Cannot find without on type")? {
        if !contains(args.from(1), &item)? {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
};

const HAS: Native = |_, args| {
    let haystack = args.any(1);
    if matches!(haystack, Value::Nil) {
        return Ok(Value::Bool(false));
    }
    Ok(Value::Bool(contains(&items(&haystack, "Cannot find has on type")?, &args.any(0))?))
};

const SLICE: Native = |_, args| {
    let list = args.any(0);
    let items = items(&list, "list should be type of slice or array but")?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let length = length_of(items.len());
    let start = args.from(1).first().map_or(0, to_int);
    let end = args.from(2).first().map_or(length, to_int);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let Some(part) = range.and_then(|(start, end)| items.get(start..end)) else {
        return Err(Failure::new("reflect.Value.Slice: slice index out of bounds"));
    };
    Ok(match &list {
        Value::List(list) => Value::List(List::new(list.list_type(), part.to_vec())),
        Value::ByteSlice(bytes) => {
            let (start, end) = range.unwrap_or_default();
            Value::ByteSlice(Bytes::from(bytes.get(start..end).unwrap_or(&[])))
        }
        _ => Value::Nil,
    })
};

const CHUNK: Native = |_, args| {
    let items = items(&args.any(1), "Cannot chunk type")?;
    let size = usize::try_from(args.int(0)).ok().filter(|size| *size > 0);
    match size {
        Some(size) => {
            let chunks = items.chunks(size).map(|chunk| Value::list(chunk.to_vec())).collect();
            Ok(Value::List(List::new(&CHUNKS, chunks)))
        }
        None => {
            // Go computes a number of chunks all the same, and that is 0 for as many items as the size has below zero.
            let short = usize::try_from(args.int(0).unsigned_abs())
                .is_ok_and(|size| (1..=size).contains(&items.len().saturating_sub(1)));
            if short {
                return Ok(Value::List(List::new(&CHUNKS, Vec::new())));
            }
            Err(Failure::new("runtime error: makeslice: len out of range"))
        }
    }
};

fn concat(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let mut all = Vec::new();
    for list in args.from(0) {
        match list {
            Value::List(_) | Value::ByteSlice(_) => all.extend(items(list, "")?),
            Value::Nil => return Err(nil_pointer()),
            other => return Err(Failure::new(format!("Cannot concat type {} as list", other.kind().name()))),
        }
        if all.len() > MAX_ITEMS {
            return Err(too_large());
        }
    }
    if all.is_empty() { Ok(Value::List(List::nil(&ANY_LIST))) } else { Ok(Value::list(all)) }
}

fn join(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let parts = texts(&args.any(1))?;
    let parts: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
    Ok(Value::from(parts.join(args.bytes(0))))
}

fn sort_alpha(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let value = args.any(0);
    match &value {
        Value::List(list) if list.list_type().name == STRING_LIST.name => {
            list.update(|items| items.sort_by(|a, b| a.as_bytes().cmp(&b.as_bytes())));
            Ok(value)
        }
        Value::List(_) | Value::ByteSlice(_) => {
            let mut parts = texts(&value)?;
            parts.sort();
            Ok(Value::strings(parts))
        }
        other => Ok(Value::strings([text(other)?])),
    }
}
