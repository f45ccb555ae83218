//! Strings, byte by byte where sprig works so; encodings and digests of strings.

use sha2::Digest as _;

use super::cast::text;
use super::{MAX_BYTES, length_of, out_of_range, too_large};
use crate::template::function::{Arguments, Context, Entry, Failure, Native, Outcome};
use crate::template::value::{Bytes, STRING_MAP, Value};
use crate::template::{encoding, fmt, letters};

pub(super) const TABLE: &[Entry] = &[
    ("adler32sum", "s", |_, args| Ok(Value::from(encoding::adler32(args.bytes(0)).to_string()))),
    ("b32dec", "s", |_, args| Ok(decoded(encoding::base32_decode(args.bytes(0)), "base32"))),
    ("b32enc", "s", |_, args| Ok(Value::from(encoding::base32(args.bytes(0))))),
    ("b64dec", "s", |_, args| Ok(decoded(encoding::base64_decode(args.bytes(0)), "base64"))),
    ("b64enc", "s", |_, args| Ok(Value::from(encoding::base64(args.bytes(0))))),
    ("cat", "a*", cat),
    ("contains", "ss", |_, args| Ok(Value::Bool(find(args.bytes(1), args.bytes(0)).is_some()))),
    ("hasPrefix", "ss", |_, args| Ok(Value::Bool(args.bytes(1).starts_with(args.bytes(0))))),
    ("hasSuffix", "ss", |_, args| Ok(Value::Bool(args.bytes(1).ends_with(args.bytes(0))))),
    ("indent", "is", |_, args| indent(args, "")),
    ("lower", "s", |_, args| Ok(Value::from(letters::map(args.bytes(0), letters::to_lower)))),
    ("nindent", "is", |_, args| indent(args, "\n")),
    ("plural", "ssi", |_, args| Ok(args.any(usize::from(args.int(2) != 1)))),
    ("quote", "a*", quote),
    ("repeat", "is", repeat),
    ("replace", "sss", replace),
    ("sha1sum", "s", |_, args| Ok(Value::from(encoding::hex(&encoding::sha1(args.bytes(0)))))),
    ("sha256sum", "s", |_, args| Ok(Value::from(encoding::hex(&sha2::Sha256::digest(args.bytes(0)))))),
    ("sha512sum", "s", |_, args| Ok(Value::from(encoding::hex(&sha2::Sha512::digest(args.bytes(0)))))),
    ("split", "ss", |_, args| Ok(numbered(split(args.bytes(1), args.bytes(0), None)))),
    ("splitList", "ss", |_, args| Ok(Value::strings(split(args.bytes(1), args.bytes(0), None)))),
    ("splitn", "sis", splitn),
    ("squote", "a*", squote),
    ("substr", "iis", substr),
    ("title", "s", title),
    ("trim", "s", |_, args| Ok(Value::from(letters::trim_space(args.bytes(0))))),
    ("trimAll", "ss", TRIM_ALL),
    ("trimPrefix", "ss", |_, args| {
        let text = args.bytes(1);
        Ok(Value::from(text.strip_prefix(args.bytes(0)).unwrap_or(text)))
    }),
    ("trimSuffix", "ss", |_, args| {
        let text = args.bytes(1);
        Ok(Value::from(text.strip_suffix(args.bytes(0)).unwrap_or(text)))
    }),
    ("trimall", "ss", TRIM_ALL),
    ("trunc", "is", trunc),
    ("upper", "s", |_, args| Ok(Value::from(letters::map(args.bytes(0), letters::to_upper)))),
];

/// The decoded text, or sprig's way of reporting: the error as the result.
fn decoded(result: Result<Vec<u8>, usize>, name: &str) -> Value {
    match result {
        Ok(bytes) => Value::from(bytes),
        Err(offset) => Value::from(format!("illegal {name} data at input byte {offset}")),
    }
}

pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

/// Values by `%v` with spaces between, without nils.
fn cat(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let mut parts = Vec::new();
    for value in args.from(0).iter().filter(|value| !matches!(value, Value::Nil)) {
        parts.push(fmt::sprintf(b"%v", std::slice::from_ref(value))?);
    }
    Ok(Value::from(parts.join(&b' ')))
}

fn quote(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let mut parts = Vec::new();
    for value in args.from(0).iter().filter(|value| !matches!(value, Value::Nil)) {
        parts.push(fmt::quote(&text(value)?));
    }
    Ok(Value::from(parts.join(" ")))
}

fn squote(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let mut parts = Vec::new();
    for value in args.from(0).iter().filter(|value| !matches!(value, Value::Nil)) {
        parts.push(fmt::sprintf(b"'%v'", std::slice::from_ref(value))?);
    }
    Ok(Value::from(parts.join(&b' ')))
}

fn spaces(count: i64) -> Result<usize, Failure> {
    match usize::try_from(count) {
        Ok(count) if count <= MAX_BYTES => Ok(count),
        Ok(_) => Err(too_large()),
        Err(_) => Err(Failure::new("strings: negative Repeat count")),
    }
}

/// Every line is padded, blank ones too.
fn indent(args: Arguments<'_>, before: &str) -> Outcome {
    let pad = spaces(args.int(0))?;
    let text = args.bytes(1);
    let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
    let size = lines.saturating_mul(pad).saturating_add(text.len());
    if size > MAX_BYTES {
        return Err(too_large());
    }
    let mut out = Vec::with_capacity(size + before.len());
    out.extend_from_slice(before.as_bytes());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        out.extend(std::iter::repeat_n(b' ', pad));
        out.extend_from_slice(line);
    }
    if text.is_empty() || text.ends_with(b"\n") {
        out.extend(std::iter::repeat_n(b' ', pad));
    }
    Ok(Value::from(out))
}

fn repeat(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let Ok(count) = usize::try_from(args.int(0)) else {
        return Err(Failure::new("strings: negative Repeat count"));
    };
    let text = args.bytes(1);
    if text.len().saturating_mul(count) > MAX_BYTES {
        return Err(too_large());
    }
    Ok(Value::from(text.repeat(if text.is_empty() { 0 } else { count })))
}

/// `replace old new text`; an empty old text stands before every character and at the end.
fn replace(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let (old, new, text) = (args.bytes(0), args.bytes(1), args.bytes(2));
    let mut out = Vec::with_capacity(text.len());
    if old.is_empty() {
        for (_, raw) in fmt::runes(text) {
            out.extend_from_slice(new);
            out.extend_from_slice(raw);
        }
        out.extend_from_slice(new);
    } else {
        let mut rest = text;
        while let Some(at) = find(rest, old) {
            out.extend_from_slice(rest.get(..at).unwrap_or(&[]));
            out.extend_from_slice(new);
            rest = rest.get(at + old.len()..).unwrap_or(&[]);
            if out.len() > MAX_BYTES {
                return Err(too_large());
            }
        }
        out.extend_from_slice(rest);
    }
    if out.len() > MAX_BYTES { Err(too_large()) } else { Ok(Value::from(out)) }
}

/// `strings.SplitN`: without a limit into all parts; an empty separator splits into characters.
fn split<'t>(text: &'t [u8], separator: &[u8], limit: Option<usize>) -> Vec<&'t [u8]> {
    let limit = limit.unwrap_or(usize::MAX);
    if limit == 0 {
        return Vec::new();
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while parts.len() + 1 < limit {
        let (length, skip) = if separator.is_empty() {
            match fmt::runes(rest).next() {
                Some((_, raw)) if raw.len() < rest.len() => (raw.len(), 0),
                _ => break,
            }
        } else {
            match find(rest, separator) {
                Some(at) => (at, separator.len()),
                None => break,
            }
        };
        parts.push(rest.get(..length).unwrap_or(&[]));
        rest = rest.get(length + skip..).unwrap_or(&[]);
    }
    if !(separator.is_empty() && text.is_empty()) {
        parts.push(rest);
    }
    parts
}

/// A map of parts with keys `_0`, `_1`, ….
fn numbered(parts: Vec<&[u8]>) -> Value {
    let entries =
        parts.into_iter().enumerate().map(|(index, part)| (Bytes::from(format!("_{index}")), Value::from(part)));
    Value::Map(crate::template::Map::new(&STRING_MAP, entries.collect()))
}

fn splitn(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    // A negative count is no limit.
    Ok(numbered(split(args.bytes(2), args.bytes(0), usize::try_from(args.int(1)).ok())))
}

/// `substr start end text`, by bytes: a negative start is the beginning, a negative or too large end the end.
fn substr(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let (start, end, text) = (args.int(0), args.int(1), args.bytes(2));
    let length = length_of(text.len());
    let part = |start: i64, end: i64| {
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        range.and_then(|(start, end)| text.get(start..end)).map(Value::from)
    };
    if start < 0 {
        let failed = if end < 0 { format!("[:{end}]") } else { format!("[:{end}] with length {length}") };
        return part(0, end).ok_or_else(|| out_of_range(failed));
    }
    if end < 0 || end > length {
        return part(start, length).ok_or_else(|| out_of_range(format!("[{start}:{length}]")));
    }
    part(start, end).ok_or_else(|| out_of_range(format!("[{start}:{end}]")))
}

fn trunc(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let (count, text) = (args.int(0), args.bytes(1));
    let length = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let cut = if count < 0 {
        text.len().checked_sub(length).filter(|start| *start > 0).and_then(|start| text.get(start..))
    } else {
        text.get(..length)
    };
    Ok(Value::from(cut.unwrap_or(text)))
}

const TRIM_ALL: Native = |_, args| {
    let cut: Vec<char> = fmt::runes(args.bytes(0)).map(|(c, _)| c).collect();
    let text = args.bytes(1);
    let runes: Vec<(char, usize)> = fmt::runes(text).map(|(c, raw)| (c, raw.len())).collect();
    let start: usize = runes.iter().take_while(|(c, _)| cut.contains(c)).map(|(_, length)| length).sum();
    let rest = text.get(start..).unwrap_or(&[]);
    let end: usize = runes.iter().rev().take_while(|(c, _)| cut.contains(c)).map(|(_, length)| length).sum();
    Ok(Value::from(rest.get(..rest.len().saturating_sub(end)).unwrap_or(&[])))
};

/// `strings.Title`: a letter behind anything but a letter, digit or underscore is made upper case.
fn title(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let mut out = Vec::new();
    let mut before = ' ';
    for (c, _) in fmt::runes(args.bytes(0)) {
        let separated = if before.is_ascii() {
            !before.is_ascii_alphanumeric() && before != '_'
        } else {
            !before.is_alphanumeric() && letters::is_space(before)
        };
        before = c;
        let c = if separated { letters::to_title(c) } else { c };
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(Value::from(out))
}
