//! Runs the recorded cases of `fixtures/template` and compares output and error text with Go's.
//!
//! A line of a table is one case: `t` template, `d` data (typed values as `{"$int": 1}`) or `use` the name of data in the table's first
//! line, `m` the missingkey option, `o` the recorded
//! output or `x` the same in hexadecimal, `e` the recorded error. A case that we answer differently on purpose has `differs`, the reason, and then `ours`, our answer.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use super::value::{self, FloatType, IntType, UintType};
use super::{Functions, MissingKey, Options, Template, Value};

/// Builds the data of a case: plain JSON as Go decodes it, numbers as float64, and objects with one `$type` key as that type.
fn data(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => Value::float(n.as_f64().unwrap()),
        Json::String(s) => Value::from(s.as_str()),
        Json::Array(items) => Value::list(items.iter().map(data).collect()),
        Json::Object(entries) => match entries.iter().next() {
            Some((tag, inner)) if entries.len() == 1 && tag.starts_with('$') => typed(tag, inner),
            _ => Value::dict(entries.iter().map(|(key, item)| (key.as_str(), data(item)))),
        },
    }
}

fn typed(tag: &str, inner: &Json) -> Value {
    let int = |int| Value::Int(inner.as_i64().unwrap(), int);
    let uint = |uint| Value::Uint(inner.as_u64().unwrap(), uint);
    match tag {
        "$int" => int(IntType::Int),
        "$int8" => int(IntType::Int8),
        "$int32" => int(IntType::Int32),
        "$int64" => int(IntType::Int64),
        "$duration" => int(IntType::Duration),
        "$uint" => uint(UintType::Uint),
        "$uint8" => uint(UintType::Uint8),
        "$uint32" => uint(UintType::Uint32),
        "$uint64" => uint(UintType::Uint64),
        "$float32" => Value::Float(f64::from(inner.as_f64().unwrap() as f32), FloatType::Float32),
        "$float" => Value::float(inner.as_str().unwrap().parse().unwrap()),
        "$bytes" => Value::ByteSlice(hex(inner.as_str().unwrap()).into()),
        "$hex" => Value::from(hex(inner.as_str().unwrap())),
        "$strings" => Value::strings(inner.as_array().unwrap().iter().map(|item| item.as_str().unwrap())),
        "$stringmap" => Value::string_map(
            inner.as_object().unwrap().iter().map(|(key, item)| (key.as_str(), item.as_str().unwrap())),
        ),
        "$nilmap" => Value::Map(value::Map::nil(&value::DICT)),
        "$nillist" => Value::List(value::List::nil(&value::ANY_LIST)),
        other => panic!("unknown type {other}"),
    }
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Our answer to a case, in the form of the recorded one.
fn answer(case: &Json, shared: &Json, functions: &Functions) -> (String, String) {
    let text = case["t"].as_str().unwrap();
    let option = case["m"].as_str().unwrap_or("default");
    let options = Options {
        missing_key: MissingKey::from_option(&format!("missingkey={option}")).unwrap(),
        ..Options::default()
    };
    let input = match case.get("use") {
        Some(name) => &shared[name.as_str().unwrap()],
        None => case.get("d").unwrap_or(&Json::Null),
    };
    let result = Template::parse("t", text, functions).and_then(|template| template.execute(&data(input), &options));
    match result {
        Ok(out) => match String::from_utf8(out) {
            Ok(out) => ("o".to_owned(), out),
            Err(error) => {
                ("x".to_owned(), error.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            }
        },
        Err(error) => ("e".to_owned(), error.to_string()),
    }
}

#[test]
fn answers_as_go_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/template");
    let folder = std::env::var("TEMPLATE_CASES").map_or(folder, Into::into);
    let mut failures = Vec::new();
    let mut count = 0;
    let mut tables: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    tables.sort();
    let (builtins, all) = (Functions::builtins(), super::argo::functions());
    let mut failed_by_table = BTreeMap::new();
    for table in tables.iter().filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")) {
        let mut shared = Json::Null;
        for (line, text) in std::fs::read_to_string(table).unwrap().lines().enumerate() {
            let case: Json = serde_json::from_str(text).unwrap();
            if let Some(data) = case.get("shared") {
                shared = data.clone();
                continue;
            }
            let functions = if case.get("f").is_some() { &builtins } else { &all };
            let (kind, ours) = answer(&case, &shared, functions);
            let expected = match case.get("ours") {
                Some(expected) => expected.as_str(),
                None => case.get(&kind).and_then(Json::as_str),
            };
            count += 1;
            if expected != Some(ours.as_str()) {
                *failed_by_table.entry(table.clone()).or_insert(0) += 1;
                let go = ["o", "x", "e"].iter().find_map(|key| case.get(*key).map(|value| format!("{key} {value}")));
                let mut data = case.get("d").map_or_else(String::new, ToString::to_string);
                data.truncate(data.floor_char_boundary(200));
                failures.push(format!(
                    "{}:{}: {}\n  data {data}\n  go   {}\n  ours {kind} {:?}",
                    table.file_name().unwrap().to_string_lossy(),
                    line + 1,
                    case["t"],
                    go.unwrap_or_default(),
                    ours
                ));
            }
        }
    }
    assert!(count > 0, "no cases in {}", folder.display());
    let shown: Vec<_> = failures.iter().take(40).cloned().collect();
    assert!(failures.is_empty(), "{} of {count} differ {failed_by_table:?}\n{}", failures.len(), shown.join("\n"));
}
