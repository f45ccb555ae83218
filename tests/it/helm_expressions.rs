//! Template expressions through the Helm engine, as both originals answer them: output, or the whole text of the error.
//!
//! `fixtures/helm-expressions` holds recorded answers: a line of a table is one expression, `n` the number in the names of its files, `t` the text, `o` the output or `e` the error of
//! both profiles, or under `3` and `4` those of each. A line that we answer differently on purpose has `differs`, the reason.
//!
//! `HELM3=… HELM4=… cargo test --test it helm_expressions` compares random ones as well: `FLEETC_RANDOM_CASES` says how many (300),
//! `FLEETC_RANDOM_SEED` where to begin; `FLEETC_RECORD=FILE` writes their answers there instead of comparing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use fleetc::render::helm::{
    Capabilities, Chart, KubeVersion, Profile, Release, Request, Show, Tools, no_values, render, values_file,
};
use fleetc::span::FileId;
use fleetc::template::Options;
use serde_json::{Value as Json, json};

use super::kustomize_random::random::Random;

mod generate;

/// What every chart has besides the expressions.
const CHART: &[(&str, &str)] = &[
    (
        "Chart.yaml",
        "apiVersion: v2\nname: c\nversion: 0.1.0\nappVersion: \"1.16\"\ndescription: A chart\nkeywords: [a, b]\nmaintainers:\n- name: m\n  email: m@example.com\nannotations: {k: v}\n",
    ),
    (
        "values.yaml",
        r#"text: some text
int: 2
float: 2.5
big: 1000000
huge: 12345678901234567890
tiny: 0.0000001
neg: -3
"yes": true
"no": false
"null": null
empty: ""
list: [b, a, c]
numbers: [3, 1, 2.5]
objects: [{name: x, n: 1}, {name: y}]
map: {b: 2, a: 1, inner: {deep: x}}
emptyMap: {}
emptyList: []
multiline: |
  a: 1
  b: 2
unicode: "grüße ☃ \u2028"
quoted: "it's \"q\""
version: 1.2.3
date: 2024-01-02
octal: 0755
"#,
    ),
    (
        "templates/_helpers.tpl",
        "{{ define \"h.name\" }}{{ .Release.Name }}-x{{ end }}{{ define \"h.dict\" }}a: 1\nb: [x]\n{{ end }}{{ define \"h.list\" }}- 1\n- b\n{{ end }}{{ define \"h.fail\" }}{{ fail \"told\" }}{{ end }}{{ define \"h.nil\" }}{{ .a.b.c }}{{ end }}",
    ),
    ("files/a.txt", "line one\nline two\n"),
    ("files/b.yaml", "k: v\n"),
];

fn name(number: usize) -> String {
    format!("e{number:05}")
}

/// The file of an expression: it prints the output as JSON, so that any text is YAML.
fn template(number: usize, text: &str) -> String {
    let text = text.replace("@@", &format!("{number:05}"));
    let (before, inner) = text.split_once("%%").unwrap_or(("", &text));
    format!(
        "{before}{{{{ define \"x{number:05}\" }}}}{{{{ $v := deepCopy .Values }}}}{inner}{{{{ end }}}}o: {{{{ include \"x{number:05}\" . | toJson }}}}\n"
    )
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Answer {
    Output(String),
    Error(String),
}

impl Answer {
    fn of_output(printed: &str) -> Self {
        let line = printed.lines().find_map(|line| line.strip_prefix("o: ")).unwrap_or_default();
        Self::Output(serde_json::from_str(line).unwrap_or_else(|_| format!("not JSON: {printed}")))
    }

    /// Without what is the same for all: the outermost include, and the hint.
    fn of_error(message: &str) -> Self {
        let message = message.split("\n\nUse --debug flag").next().unwrap_or_default().trim_end();
        let inner = message
            .find(": error calling include: ")
            .filter(|_| message.starts_with("template: "))
            .map_or(message, |at| &message[at + 25..]);
        let inner = match inner.find(":\n    error calling include:\n") {
            Some(at) if !inner.starts_with("template: ") => &inner[at + 30..],
            _ => inner,
        };
        Self::Error(inner.to_owned())
    }

    fn json(&self) -> Json {
        match self {
            Self::Output(text) => json!({ "o": text }),
            Self::Error(text) => json!({ "e": text }),
        }
    }

    fn from_json(json: &Json) -> Self {
        match json.get("o") {
            Some(text) => Self::Output(text.as_str().unwrap().to_owned()),
            None => Self::Error(json["e"].as_str().unwrap().to_owned()),
        }
    }
}

/// Our answers, each from a chart with that one expression.
fn ours(cases: &BTreeMap<usize, String>, profile: Profile) -> BTreeMap<usize, Answer> {
    let work = || {
        let answer = |(number, text): (&usize, &String)| {
            let file = |name: &str, text: &str| values_file(name, FileId::NONE, text.as_bytes());
            let mut files: Vec<_> = CHART.iter().map(|(name, text)| file(name, text)).collect();
            files.push(file(&format!("templates/{}.yaml", name(*number)), &template(*number, text)));
            let chart = Arc::new(Chart::from_files(files, profile).unwrap());
            let request = Request {
                profile,
                release: Release { name: "rel".to_owned(), namespace: "default".to_owned(), is_upgrade: false },
                capabilities: Capabilities::new(profile, KubeVersion::parse("1.33.0", profile).ok(), &[]),
                skip_schemas: false,
                options: Options::default(),
            };
            let answer = match render(&chart, &no_values(), &request, &Tools::default()) {
                Ok(output) => Answer::of_output(&output.print(Show::default())),
                Err(refusal) => Answer::of_error(&refusal.message),
            };
            (*number, answer)
        };
        cases.iter().map(answer).collect()
    };
    std::thread::scope(|scope| {
        std::thread::Builder::new().stack_size(1 << 29).spawn_scoped(scope, work).unwrap().join().unwrap()
    })
}

/// An original's answers: one chart with all expressions, again and again without the one that it refused.
fn theirs(cases: &BTreeMap<usize, String>, program: &str) -> BTreeMap<usize, Answer> {
    let mut answers = BTreeMap::new();
    let all: Vec<_> = cases.iter().collect();
    for part in all.chunks(120) {
        let scratch = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = scratch.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        CHART.iter().for_each(|(name, text)| put(name, text));
        for (number, text) in part {
            put(&format!("templates/{}.yaml", name(**number)), &template(**number, text));
        }
        loop {
            let output = Command::new(program)
                .args(["template", "rel", ".", "--kube-version", "1.33.0"])
                .current_dir(scratch.path())
                .env("TZ", "UTC")
                .output()
                .unwrap();
            if output.status.success() {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                for document in text.split("# Source: c/templates/e").skip(1) {
                    let number = document[..5].parse().unwrap();
                    answers.insert(number, Answer::of_output(document));
                }
                break;
            }
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let message = text.split_once("Error: ").map_or(&*text, |(_, message)| message);
            let at = message.find("templates/e").unwrap_or_else(|| panic!("{program}: {text}"));
            let number: usize = message[at + 11..at + 16].parse().unwrap();
            answers.insert(number, Answer::of_error(message));
            fs::remove_file(scratch.path().join(format!("templates/{}.yaml", name(number)))).unwrap();
        }
    }
    answers
}

const PROFILES: [(Profile, &str); 2] = [(Profile::V3, "3"), (Profile::V4, "4")];

/// Whether an answer holds the address of a pointer, which is another on every run.
fn holds_address(answer: &Answer) -> bool {
    let (Answer::Output(text) | Answer::Error(text)) = answer;
    let hexadecimal = |rest: &str| rest.bytes().take_while(u8::is_ascii_hexdigit).count() >= 9;
    text.match_indices("0x").any(|(at, _)| hexadecimal(&text[at + 2..]))
}

/// The lines that differ.
fn differences(cases: &BTreeMap<usize, String>, expected: &dyn Fn(usize, &str) -> Option<Answer>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (profile, key) in PROFILES {
        for (number, got) in ours(cases, profile) {
            match expected(number, key) {
                Some(want) if want != got && !holds_address(&want) => {
                    wrong.push(format!("{} helm {key}\n   want {want:?}\n   got  {got:?}", cases[&number]));
                }
                _ => {}
            }
        }
    }
    wrong
}

#[test]
fn recorded_expressions_are_answered_as_the_originals_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/helm-expressions");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    files.sort();
    let (mut count, mut wrong) = (0, Vec::new());
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let cases: BTreeMap<usize, String> = lines
            .iter()
            .map(|line| (line["n"].as_u64().unwrap() as usize, line["t"].as_str().unwrap().to_owned()))
            .collect();
        let lines: BTreeMap<u64, Json> = lines.into_iter().map(|line| (line["n"].as_u64().unwrap(), line)).collect();
        count += lines.len();
        let expected = |number: usize, key: &str| {
            let line: &Json = &lines[&(number as u64)];
            line.get("differs").is_none().then(|| Answer::from_json(line.get(key).unwrap_or(line)))
        };
        wrong.extend(differences(&cases, &expected));
    }
    println!("recorded expressions: {count}, two profiles, {} answers differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 3000);
}

fn number(name: &str, or: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

#[test]
fn random_expressions_are_answered_as_the_originals_do() {
    let programs = [std::env::var("HELM3"), std::env::var("HELM4")];
    let [Ok(helm3), Ok(helm4)] = programs else {
        println!("skipped: HELM3 and HELM4 do not say where the originals are");
        return;
    };
    let mut random = Random::new(number("FLEETC_RANDOM_SEED", 1) as u64);
    let mut texts = match std::env::var("FLEETC_RANDOM_KIND").as_deref() {
        Ok("functions") => generate::every_function(&mut random, number("FLEETC_RANDOM_CASES", 10)),
        Ok("verbs") => generate::every_verb(&mut random),
        Ok(path) if path.contains('/') => fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Json>(line).unwrap()["t"].as_str().unwrap().to_owned())
            .collect(),
        _ => (0..number("FLEETC_RANDOM_CASES", 300)).map(|_| generate::expression(&mut random)).collect(),
    };
    let mut seen = std::collections::BTreeSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    let cases: BTreeMap<usize, String> = texts.into_iter().enumerate().collect();
    let (four, three) = std::thread::scope(|scope| {
        let three = scope.spawn(|| theirs(&cases, &helm3));
        (theirs(&cases, &helm4), three.join().unwrap())
    });
    if let Ok(path) = std::env::var("FLEETC_RECORD") {
        let mut out = String::new();
        for (number, text) in &cases {
            let (three, four) = (&three[number], &four[number]);
            if holds_address(three) || holds_address(four) {
                continue;
            }
            let mut line = json!({ "n": number, "t": text });
            let both = if three == four { three.json() } else { json!({ "3": three.json(), "4": four.json() }) };
            line.as_object_mut().unwrap().extend(both.as_object().unwrap().clone());
            let _ = writeln!(out, "{line}");
        }
        fs::write(path, out).unwrap();
        return;
    }
    let refused = three.values().filter(|answer| matches!(answer, Answer::Error(_))).count();
    let expected = |number: usize, key: &str| if key == "3" { three.get(&number) } else { four.get(&number) }.cloned();
    let wrong = differences(&cases, &expected);
    println!("random expressions: {}, {refused} refused by helm 3; {} answers differ", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
