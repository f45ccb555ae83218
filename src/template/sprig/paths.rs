//! Slash separated paths, Go's path package; the `os` functions are the same on the systems that Argo CD and Helm run templates on.

use crate::template::function::{Arguments, Entry, Native};
use crate::template::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("base", "s", BASE),
    ("clean", "s", CLEAN),
    ("dir", "s", DIR),
    ("ext", "s", EXT),
    ("isAbs", "s", IS_ABS),
    ("osBase", "s", BASE),
    ("osClean", "s", CLEAN),
    ("osDir", "s", DIR),
    ("osExt", "s", EXT),
    ("osIsAbs", "s", IS_ABS),
];

const BASE: Native = |_, args| Ok(Value::from(base(path(args))));
const CLEAN: Native = |_, args| Ok(Value::from(clean(path(args))));
const DIR: Native = |_, args| Ok(Value::from(clean(path(args).get(..=slash(path(args))).unwrap_or(&[]))));
const EXT: Native = |_, args| Ok(Value::from(ext(path(args))));
const IS_ABS: Native = |_, args| Ok(Value::Bool(path(args).starts_with(b"/")));

fn path<'a>(args: Arguments<'a>) -> &'a [u8] {
    args.bytes(0)
}

/// The last slash; out of every range when there is none.
fn slash(path: &[u8]) -> usize {
    path.iter().rposition(|byte| *byte == b'/').unwrap_or(usize::MAX - 1)
}

/// The last element, `.` of nothing, `/` of slashes alone.
fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let trimmed = path.get(..end).unwrap_or(&[]);
    if trimmed.is_empty() {
        return b"/";
    }
    trimmed.rsplit(|byte| *byte == b'/').next().unwrap_or(trimmed)
}

/// From the last dot of the last element on.
fn ext(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(&[]);
    name.iter().rposition(|byte| *byte == b'.').and_then(|dot| name.get(dot..)).unwrap_or(&[])
}

/// The shortest path of the same meaning, without looking at a file system.
fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(part),
            },
            _ => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}
