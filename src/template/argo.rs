//! What Argo CD adds to sprig in ApplicationSets: normalize, slugify, toYaml, fromYaml, fromYamlArray; and what it takes away.
//!
//! `slugify` normalizes first, which leaves only `-a-z0-9.`: of gosimple/slug's tables for languages nothing can apply, so none are
//! here. Its options are given on every call; Argo CD's pull request generator, which leaves one of the library's global options as the
//! last call had it, is no function of templates.

use std::collections::BTreeMap;

use super::function::{Arguments, Context, Entry, Failure, Functions, Outcome};
use super::value::{ANY_LIST, DICT, Map, Value};
use super::{convert, sprig};
use crate::span::FileId;
use crate::yaml::sigs::Numbers;
use crate::yaml::{self, Dialect, Limits, Node};

/// The functions of ApplicationSets: builtin, sprig without access to the environment, and Argo CD's own.
pub fn functions() -> Functions {
    let mut functions = Functions::builtins();
    sprig::extend(&mut functions);
    functions.remove(&["env", "expandenv", "getHostByName"]);
    functions.extend(TABLE);
    functions
}

/// Argo CD's own functions.
pub const TABLE: &[Entry] = &[
    ("fromYaml", "s", from_yaml),
    ("fromYamlArray", "s", from_yaml_array),
    ("normalize", "s", |_, args| Ok(Value::from(normalize(&args.text(0))))),
    ("slugify", "a*", slugify),
    ("toYaml", "a", to_yaml),
];

/// A name that Kubernetes takes for most objects: lower case, other characters than `-a-z0-9.` become `-`, at most 253 bytes, no `-` or `.` at the ends.
pub fn normalize(name: &str) -> String {
    let mut clean: String = name
        .chars()
        .map(super::letters::to_lower)
        .map(|c| if matches!(c, '-' | 'a'..='z' | '0'..='9' | '.') { c } else { '-' })
        .collect();
    clean.truncate(253);
    clean.trim_matches(['-', '.']).to_owned()
}

/// `slugify [max] [smart] name`: a smart cut is at the last dash before the maximum.
fn slugify(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let (mut max, mut smart) = (50, true);
    let wrong = |value: &Value, wanted: &str| {
        let found = if matches!(value, Value::Nil) { "nil".into() } else { value.type_name().into_owned() };
        Failure::new(format!("interface conversion: interface {{}} is {found}, not {wanted}"))
    };
    let Some((name, options)) = args.from(0).split_last() else { return Ok(Value::from("")) };
    for (index, option) in options.iter().enumerate() {
        match (index, option) {
            (0, Value::Int(n, super::value::IntType::Int)) => max = *n,
            (0, other) => return Err(wrong(other, "int")),
            (1, Value::Bool(b)) => smart = *b,
            (1, other) => return Err(wrong(other, "bool")),
            _ => {}
        }
    }
    let Value::String(name) = name else { return Err(wrong(name, "string")) };
    slug(&normalize(&name.to_text()), max, smart).map(Value::from)
}

/// gosimple/slug 1.15 of a normalized name.
fn slug(name: &str, max: i64, smart: bool) -> Result<String, Failure> {
    let mut name = name.to_owned();
    let limit = usize::try_from(max);
    if !smart {
        match limit {
            Ok(limit) => name.truncate(limit),
            Err(_) => return Err(Failure::new(format!("runtime error: slice bounds out of range [:{max}]"))),
        }
    }
    let mut slug = String::with_capacity(name.len());
    for c in name.chars().map(|c| if c == '.' { '-' } else { c }) {
        if c != '-' || !slug.ends_with('-') {
            slug.push(c);
        }
    }
    let mut slug = slug.trim_matches('-');
    if let Ok(limit) = limit
        && limit > 0
        && smart
        && slug.len() > limit
    {
        // The dash may stand right behind the limit.
        let head = slug.get(..=limit).unwrap_or(slug);
        slug = slug.get(..head.rfind('-').unwrap_or(limit)).unwrap_or(slug);
    }
    Ok(slug.to_owned())
}

/// `slug.Make` of a name with at most 50 letters and `_` as `-`, as the pull request generator makes it of branches. Letters beyond ASCII become dashes,
/// where the library has tables of what they sound like.
pub fn slug_of(name: &str) -> String {
    let plain: String = name.trim().replace('&', "and").replace('@', "at").to_lowercase();
    let plain: String = plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    // The maximum is in range.
    slug(&plain, 50, true).unwrap_or_default()
}

fn to_yaml(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let node = convert::to_yaml(&args.any(0))
        .map_err(|failure| Failure::new(format!("error marshaling into JSON: {}", failure.message)))?;
    if yaml::emit::refusal(&node).is_some_and(|found| found.code == "yaml/control-character") {
        return Err(Failure::new("error converting JSON to YAML: yaml: control characters are not allowed"));
    }
    let mut text = yaml::emit::to_yaml(&node);
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(Value::from(text))
}

/// The first document of a text; an empty one is null.
fn read(text: &[u8]) -> Result<Value, Failure> {
    let parsed = yaml::parse(FileId::NONE, text, Dialect::V2, &Limits::default());
    let failed = |message: &str| Failure::new(format!("error converting YAML to JSON: {message}"));
    let root = match (parsed.documents.first(), parsed.error) {
        (Some(document), _) => document.root.clone(),
        (None, Some(error)) => return Err(failed(&yaml::go_words(text, &error))),
        (None, None) => Node::null(),
    };
    convert::from_yaml(&root, Numbers::Float64)
        .map_err(|found| failed(&found.iter().next().map(yaml::go_json_words).unwrap_or_default()))
}

fn refused(value: &Value, wanted: &str) -> Failure {
    let kind = match value {
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    };
    Failure::new(format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type {wanted}"
    ))
}

fn from_yaml(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    match read(args.bytes(0))? {
        Value::Nil => Ok(Value::Map(Map::new(&DICT, BTreeMap::new()))),
        value @ Value::Map(_) => Ok(value),
        other => Err(refused(&other, DICT.name)),
    }
}

fn from_yaml_array(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    match read(args.bytes(0))? {
        Value::Nil => Ok(Value::list(Vec::new())),
        value @ Value::List(_) => Ok(value),
        other => Err(refused(&other, ANY_LIST.name)),
    }
}
