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

/// Executes with the default limits on this thread, whose stack is 2 MiB.
fn failure(text: &str, options: &Options<'_>) -> String {
    let template = Template::parse("t", text, &super::argo::functions());
    match template.and_then(|template| template.execute(&Value::Nil, options)) {
        Ok(out) => panic!("{text} printed {} bytes", out.len()),
        Err(error) => error.reason().to_owned(),
    }
}

#[test]
fn every_execution_ends() {
    let options = Options { max_steps: 300_000, max_bytes: 10_000_000, ..Options::default() };
    let cycle = "{{$d := dict}}{{$_ := set $d `d` $d}}";
    let nested = "{{$x := list}}{{range until 100000}}{{$x = list $x}}{{end}}";
    let cases = [
        (
            "{{define `x`}}{{if true}}{{with 1}}{{template `x` .}}{{end}}{{end}}{{end}}{{template `x` .}}".to_owned(),
            "maximum template depth",
        ),
        ("{{range 9000000000000000000}}{{end}}".to_owned(), "limit of 300000 steps"),
        ("{{$x := `aa`}}{{range 60}}{{$x = print $x $x}}{{end}}".to_owned(), "limit of 10000000 bytes"),
        ("{{until 2000000000}}".to_owned(), "too large"),
        ("{{repeat 2000000000 `x`}}".to_owned(), "too large"),
        ("{{indent 2000000000 `x`}}".to_owned(), "too large"),
        (format!("{cycle}{{{{$d}}}}"), "too deep"),
        (format!("{cycle}{{{{toYaml $d}}}}"), "too deep"),
        (format!("{cycle}{{{{mustToJson $d}}}}"), "too deep"),
        (format!("{cycle}{{{{deepCopy $d}}}}"), "too deep"),
        (format!("{cycle}{{{{merge $d (deepCopy $d)}}}}"), "too deep"),
        (format!("{cycle}{{{{$e := dict}}}}{{{{$_ := set $e `d` $e}}}}{{{{deepEqual $d $e}}}}"), "too deep"),
        (format!("{nested}{{{{$x}}}}"), "too deep"),
        (format!("{nested}{{{{toJson $x | fail}}}}"), ""),
    ];
    for (text, expected) in cases {
        let reason = failure(&text, &options);
        assert!(reason.contains(expected), "{text}: {reason}");
    }
    for (open, close) in [("(", ")"), ("{{if ", "{{end}}")] {
        let body = if open == "(" { "1".to_owned() } else { "x".to_owned() };
        let open = if open == "(" { open.to_owned() } else { format!("{open}true}}}}") };
        let text = format!("{}{body}{}", open.repeat(100_000), close.repeat(100_000));
        let text = if close == ")" { format!("{{{{{text}}}}}") } else { text };
        assert!(failure(&text, &options).contains("depth exceeded"));
    }
}

#[test]
fn the_deepest_that_is_allowed_fits_the_stack() {
    let parens = format!("{{{{{}1{}}}}}", "(print ".repeat(99), ")".repeat(99));
    let blocks = format!("{}x{}", "{{if true}}".repeat(99), "{{end}}".repeat(99));
    let chain = format!("{{{{if false}}}}{}{{{{end}}}}", "{{else if false}}".repeat(90));
    for text in [parens, blocks, chain] {
        let template = Template::parse("t", &text, &Functions::builtins()).unwrap();
        template.execute(&Value::Nil, &Options::default()).unwrap();
    }
}

#[test]
fn recursion_through_functions_ends_before_the_stack_does() {
    let mut functions = Functions::builtins();
    functions.insert("include", "sa", |context, args| Ok(Value::String(context.execute(&args.text(0), &args.any(1))?)));
    for parens in [0, 5, 90] {
        let mut set = super::TemplateSet::new(functions.clone());
        let body = format!("{}(include `x` .){}", "(print ".repeat(parens), ")".repeat(parens));
        set.add(
            "main",
            &format!("{{{{define `x`}}}}{{{{if true}}}}{{{{{body}}}}}{{{{end}}}}{{{{end}}}}{{{{include `x` .}}}}"),
        )
        .unwrap();
        let error = set.execute("main", &Value::Nil, &Options::default()).unwrap_err();
        assert!(error.reason().contains("maximum template depth"), "{error}");
    }
}

#[test]
fn templates_of_a_set_see_each_other_and_the_later_definition_wins() {
    let mut set = super::TemplateSet::new(Functions::builtins());
    set.add("a", "{{define `x`}}first{{end}}{{template `x`}} {{template `b` .}}").unwrap();
    set.add("b", "{{define `x`}}second{{end}}{{.}}").unwrap();
    set.add("c", "{{define `x`}} {{end}}").unwrap();
    let out = set.execute("a", &Value::from("data"), &Options::default()).unwrap();
    assert_eq!(out, b"second data");
    let error = set.execute("nope", &Value::Nil, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("nope"));
}

#[test]
fn functions_of_the_program_reach_templates_and_their_errors_nest() {
    let mut functions = Functions::builtins();
    functions.insert("include", "sa", |context, args| Ok(Value::String(context.execute(&args.text(0), &args.any(1))?)));
    let inner = functions.clone();
    functions.insert("tpl", "sa", move |context, args| {
        Ok(Value::String(context.execute_text("tpl", &args.text(0), &inner, &args.any(1))?))
    });
    let mut set = super::TemplateSet::new(functions);
    set.add("main", "{{define `x`}}<{{.}}>{{end}}{{include `x` 1}}{{tpl `{{include \"x\" .}}` 2}}").unwrap();
    set.add("bad", "{{define `y`}}\n{{.a.b}}{{end}}{{include `y` 1}}").unwrap();
    assert_eq!(set.execute("main", &Value::Nil, &Options::default()).unwrap(), b"<1><2>");
    let error = set.execute("bad", &Value::Nil, &Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "template: bad:2:17: executing \"bad\" at <include `y` 1>: error calling include: \
         template: bad:2:4: executing \"y\" at <.a.b>: can't evaluate field a in type int"
    );
    let cause = error.cause().unwrap();
    assert_eq!((cause.name(), cause.line(), cause.column(), cause.offset()), ("bad", 2, Some(4), Some(19)));
}

#[test]
fn fasttemplate_puts_in_strings_and_leaves_what_it_does_not_know() {
    let parameters = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("path[0]".to_owned(), "{{a}}".to_owned())]);
    let cases = [
        ("{{a}}-{{ a }}-{{ path[0] }}", Ok("1-1-{{a}}")),
        ("{{ b }}{{}}{{B}}", Ok("{{ b }}{{}}{{B}}")),
        ("{{a\n}} x", Ok("{{a\n}} x")),
        ("{{a}} {{a\n}}", Ok("1 1")),
        ("plain {{", Ok("plain {{")),
        (
            "{{a}} {{",
            Err("invalid template: Cannot find end tag=\"}}\" in the template=\"{{a}} {{\" starting from \"\""),
        ),
        ("{{a}}}", Ok("1}")),
        ("{{{a}}}", Ok("{{{a}}}")),
    ];
    for (text, expected) in cases {
        let rendered = super::fast::render(text, &parameters);
        assert_eq!(rendered.as_deref().map_err(String::as_str), expected, "{text}");
    }
}
