//! Dictionaries. `set`, `unset` and the merges change their first argument, as in sprig; `merge` and `mergeOverwrite` follow mergo 1.0.1.

use std::collections::BTreeMap;

use super::cast::{is_empty, text};
use super::nil_pointer;
use crate::template::function::{Arguments, Context, Entry, Failure, Native, Outcome};
use crate::template::value::{Bytes, DICT, List, Map, Value};

pub(super) const TABLE: &[Entry] = &[
    ("deepCopy", "a", DEEP_COPY),
    ("dict", "a*", dict),
    ("dig", "a*", dig),
    ("get", "ds", |_, args| Ok(args.map(0).get(args.bytes(1)).unwrap_or_else(|| Value::from("")))),
    ("hasKey", "ds", |_, args| Ok(Value::Bool(args.map(0).contains(args.bytes(1))))),
    ("keys", "d*", keys),
    ("merge", "dd*", MERGE),
    ("mergeOverwrite", "dd*", MERGE_OVERWRITE),
    ("mustDeepCopy", "a", DEEP_COPY),
    ("mustMerge", "dd*", MERGE),
    ("mustMergeOverwrite", "dd*", MERGE_OVERWRITE),
    ("omit", "ds*", omit),
    ("pick", "ds*", pick),
    ("pluck", "sd*", pluck),
    ("set", "dsa", set),
    ("unset", "ds", unset),
    ("values", "d", |_, args| Ok(Value::list(args.map(0).entries().into_iter().map(|(_, value)| value).collect()))),
];

const MAX_DEPTH: u32 = 200;

fn dict(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let mut entries = Vec::new();
    for pair in args.from(0).chunks(2) {
        if let [key, rest @ ..] = pair {
            let value = rest.first().cloned().unwrap_or_else(|| Value::from(""));
            entries.push((text(key)?, value));
        }
    }
    Ok(Value::dict(entries))
}

fn set(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let map = args.map(0);
    if !map.insert(Bytes::from(args.bytes(1)), args.any(2)) {
        return Err(Failure::new("assignment to entry in nil map"));
    }
    Ok(Value::Map(map.with_type(&DICT)))
}

fn unset(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let map = args.map(0);
    map.remove(args.bytes(1));
    Ok(Value::Map(map.with_type(&DICT)))
}

fn keys(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let maps = args.from(0).iter().filter_map(Value::as_map);
    Ok(Value::strings(maps.flat_map(Map::keys).collect::<Vec<_>>()))
}

fn pluck(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let maps = args.from(1).iter().filter_map(Value::as_map);
    Ok(Value::list(maps.filter_map(|map| map.get(args.bytes(0))).collect()))
}

fn named(args: Arguments<'_>, key: &[u8]) -> bool {
    args.from(1).iter().any(|name| name.as_bytes().is_some_and(|name| **name == *key))
}

fn pick(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    Ok(Value::dict(args.map(0).entries().into_iter().filter(|(key, _)| named(args, key))))
}

fn omit(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    Ok(Value::dict(args.map(0).entries().into_iter().filter(|(key, _)| !named(args, key))))
}

/// `dig "a" "b" default dict`: the value below the keys; a step that is no dictionary is an error.
fn dig(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let [keys @ .., default, dict] = args.from(0) else {
        return Err(Failure::new("dig needs at least three arguments"));
    };
    if keys.is_empty() {
        return Err(Failure::new("dig needs at least three arguments"));
    }
    let mut map = dictionary(dict)?;
    let mut names = Vec::new();
    for key in keys {
        names.push(key.as_bytes().ok_or_else(|| conversion(key, "string"))?);
    }
    for (index, name) in names.iter().enumerate() {
        let Some(step) = map.get(name) else { return Ok(default.clone()) };
        if index + 1 == names.len() {
            return Ok(step);
        }
        map = dictionary(&step)?;
    }
    Ok(default.clone())
}

/// Go's type assertion: named map types are other types.
fn dictionary(value: &Value) -> Result<Map, Failure> {
    match value {
        Value::Map(map) if map.map_type().name == DICT.name => Ok(map.clone()),
        other => Err(conversion(other, DICT.name)),
    }
}

fn conversion(value: &Value, wanted: &str) -> Failure {
    let found = if matches!(value, Value::Nil) { "nil".into() } else { value.type_name() };
    Failure::new(format!("interface conversion: interface {{}} is {found}, not {wanted}"))
}

const DEEP_COPY: Native = |_, args| match args.any(0) {
    Value::Nil => Err(Failure::new("reflect: call of reflect.Value.Type on zero Value")),
    value => copy(&value, 0),
};

fn copy(value: &Value, depth: u32) -> Outcome {
    if depth > MAX_DEPTH {
        return Err(Failure::new("the value is nested too deep to be copied, or contains itself"));
    }
    Ok(match value {
        Value::List(list) if !list.is_nil() => {
            let items = list.to_vec();
            let items = items.iter().map(|item| copy(item, depth + 1)).collect::<Result<_, _>>()?;
            Value::List(List::new(list.list_type(), items))
        }
        Value::Map(map) if !map.is_nil() => {
            let mut entries = BTreeMap::new();
            for (key, item) in map.entries() {
                entries.insert(key, copy(&item, depth + 1)?);
            }
            Value::Map(Map::new(map.map_type(), entries))
        }
        other => other.clone(),
    })
}

const MERGE: Native = |_, args| merge_all(args, false);
const MERGE_OVERWRITE: Native = |_, args| merge_all(args, true);

fn merge_all(args: Arguments<'_>, overwrite: bool) -> Outcome {
    let mut target = args.map(0);
    for source in args.from(1).iter().filter_map(Value::as_map) {
        if target.is_nil() {
            if source.is_nil() {
                continue;
            }
            target = Map::new(&DICT, BTreeMap::new());
        }
        merge_into(&target, source, overwrite, 0)?;
    }
    Ok(Value::Map(target.with_type(&DICT)))
}

/// mergo: without overwriting only empty values are filled; maps are merged, lists replaced whole. Values of the source are shared,
/// not copied.
fn merge_into(target: &Map, source: &Map, overwrite: bool, depth: u32) -> Result<(), Failure> {
    if depth > MAX_DEPTH {
        return Err(Failure::new("the values are nested too deep to be merged, or contain themselves"));
    }
    for (key, new) in source.entries() {
        if matches!(new, Value::Nil) {
            if overwrite {
                put(target, key, new)?;
            }
            continue;
        }
        let old = target.get(&key);
        if let (Some(Value::Map(old)), Value::Map(new)) = (&old, &new)
            && !old.is_nil()
        {
            merge_into(old, new, overwrite, depth + 1)?;
        }
        let filled = old.as_ref().is_some_and(|old| !is_empty(old));
        if filled && matches!((&old, &new), (Some(Value::Map(_)), Value::Map(_))) {
            continue;
        }
        if overwrite || !filled {
            put(target, key, new)?;
        }
    }
    Ok(())
}

fn put(target: &Map, key: Bytes, value: Value) -> Result<(), Failure> {
    if target.insert(key, value) { Ok(()) } else { Err(nil_pointer()) }
}
