//! The recorded answers of the originals (fixtures/yaml, see record/main.go there) against ours.

mod judge;
mod properties;

use super::{Dialect, Limits, Map, Node, Parsed, emit, json, parse};
use crate::span::FileId;

fn rows(table: &str) -> Vec<Vec<serde_json::Value>> {
    table.lines().map(|line| serde_json::from_str(line).expect("a recorded row is JSON")).collect()
}

/// Fails with the first differences and their number.
fn report(table: &str, total: usize, wrong: &[String]) {
    let shown: Vec<&str> = wrong.iter().take(30).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{table}: {} of {total} differ\n{}", wrong.len(), shown.join("\n"));
}

fn read(text: &str, dialect: Dialect) -> Parsed {
    parse(FileId::NONE, text.as_bytes(), dialect, &Limits::default())
}

/// What go-yaml's Unmarshal gives: the first document, null if there is none.
fn first(text: &str, dialect: Dialect) -> Option<(Node, bool)> {
    let parsed = read(text, dialect);
    match parsed.documents.into_iter().next() {
        Some(document) => Some((document.root, !document.duplicates.is_empty())),
        None if parsed.error.is_some() => None,
        None => Some((Node::null(), false)),
    }
}

fn map(entries: &[(&str, Node)]) -> Node {
    Node::map(entries.iter().map(|(key, value)| (Node::str(*key), value.clone())).collect::<Map>())
}

#[test]
fn strings_print_as_recorded() {
    let rows = rows(include_str!("../../../fixtures/yaml/strings.jsonl"));
    let mut wrong = Vec::new();
    for row in &rows {
        let (place, text) = (row[0].as_i64().expect("place"), row[1].as_str().expect("text"));
        let node = match place {
            0 => map(&[("k", Node::str(text))]),
            1 => map(&[("a", Node::seq(vec![map(&[("bc", Node::seq(vec![Node::str(text)]))])]))]),
            2 => map(&[(text, Node::seq(vec![Node::int(1)]))]),
            3 => Node::str(text),
            9 => map(&text.split('\0').map(|key| (key, Node::int(1))).collect::<Vec<_>>()),
            _ => Node::seq(vec![
                Node::seq(vec![Node::str(text)]),
                map(&[("x", map(&[(text, map(&[("y", Node::str(text))]))]))]),
            ]),
        };
        let ours = if emit::refusal(&node).is_some() { None } else { Some(emit::to_yaml(&node)) };
        if ours.as_deref() != row[2].as_str() {
            wrong.push(format!("{place} {text:?}\n  want {}\n  have {ours:?}", row[2]));
        }
    }
    report("strings.jsonl", rows.len(), &wrong);
}

fn as_json(text: &str) -> Option<String> {
    json::to_json(&first(text, Dialect::V2)?.0).ok()
}

/// All documents; `None` if one is refused.
fn as_kustomize(text: &str) -> Option<String> {
    let parsed = read(text, Dialect::V3);
    let refused = parsed.error.is_some()
        || parsed
            .documents
            .iter()
            .any(|document| !document.duplicates.is_empty() || emit::refusal(&document.root).is_some());
    (!refused)
        .then(|| parsed.documents.iter().map(|document| format!("---\n{}", emit::to_yaml(&document.root))).collect())
}

#[test]
fn scalars_resolve_as_recorded() {
    let rows = rows(include_str!("../../../fixtures/yaml/scalars.jsonl"));
    let mut wrong = Vec::new();
    for row in &rows {
        let text = row[0].as_str().expect("text");
        let ours =
            [as_json(&format!("- {text}\n")), as_json(&format!("{text}: 0\n")), as_kustomize(&format!("- {text}\n"))];
        for (name, (want, have)) in ["sigs", "key", "v3"].iter().zip(row[1..].iter().zip(ours)) {
            if want.as_str() != have.as_deref() {
                wrong.push(format!("{name} {text:?}: want {want} have {have:?}"));
            }
        }
    }
    report("scalars.jsonl", rows.len() * 3, &wrong);
}

/// What differs on purpose.
const KNOWN: &[(&str, &str)] = &[
    // go-yaml loses a candidate key that starts with brackets without a candidate inside, so it takes the brackets for the whole document and
    // never looks at the rest; we refuse a mapping as key, as it does elsewhere.
    ("sigs", "{? a : ---b}<<: \n"),
];

#[test]
fn documents_read_as_recorded() {
    let rows = rows(include_str!("../../../fixtures/yaml/documents.jsonl"));
    let mut wrong = Vec::new();
    for row in &rows {
        let text = row[0].as_str().expect("text");
        for (name, want, have) in [("sigs", &row[1], as_json(text)), ("v3", &row[2], as_kustomize(text))] {
            if want.as_str() != have.as_deref() && !KNOWN.contains(&(name, text)) {
                let error = read(text, Dialect::V3).error.map(|error| error.message);
                wrong.push(format!("{name} {text:?}\n  want {want}\n  have {have:?} {error:?}"));
            }
        }
    }
    report("documents.jsonl", rows.len() * 2, &wrong);
}

#[test]
fn v3_prints_as_recorded() {
    let rows = rows(include_str!("../../../fixtures/yaml/v3.jsonl"));
    let mut wrong = Vec::new();
    for row in &rows {
        let text = row[0].as_str().expect("text");
        let parsed = read(text, Dialect::V3);
        let Some(document) = parsed.documents.first() else {
            wrong.push(format!("{text:?}: refused {:?}", parsed.error));
            continue;
        };
        let root = &document.root;
        let options = |compact, values| emit::V3 { compact, values };
        let mut compare = |name: &str, want: &serde_json::Value, have: String| {
            if want.as_str() != Some(&have) {
                wrong.push(format!("{name} {text:?}\n  want {want}\n  have {have:?}"));
            }
        };
        compare("compact", &row[1], emit::to_yaml_v3_with(root, options(true, false)));
        compare("indented", &row[2], emit::to_yaml_v3(root));
        if !row[3].is_null() {
            compare("values", &row[3], emit::to_yaml_v3_with(root, options(false, true)));
        }
        let kyaml = format!("---\n{}", emit::to_yaml(&emit::through_kyaml(root)));
        let plain = serde_json::Value::String(format!("---\n{}", emit::to_yaml(root)));
        if !root.is_null() {
            compare("kyaml", if row[4].is_null() { &plain } else { &row[4] }, kyaml);
        }
    }
    report("v3.jsonl", rows.len() * 4, &wrong);
}

/// Line, column, code, message, hints and further places of the findings of a text.
fn findings(text: &str) -> String {
    use std::fmt::Write as _;
    let place = |span: crate::span::Span| {
        let before = text.get(..span.start as usize).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{line}:{column}")
    };
    let mut out = String::new();
    let checked = super::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    for found in checked.err().into_iter().flat_map(|found| found.0) {
        let _ = writeln!(out, "{} {}: {}", place(found.span), found.code, found.message);
        for (span, label) in &found.labels {
            let _ = writeln!(out, "  {} {label}", place(*span));
        }
        for hint in &found.hints {
            let _ = writeln!(out, "  hint: {hint}");
        }
    }
    out
}

/// The messages of errors. `UPDATE=1` writes them anew, to be read in the diff.
#[test]
#[expect(clippy::disallowed_methods, reason = "UPDATE=1 writes the expected side")]
fn errors_say_what_is_wrong() {
    let table = include_str!("../../../fixtures/yaml/errors.txt");
    let mut anew = String::new();
    for case in table.split("=== ").skip(1) {
        let (name, rest) = case.split_once('\n').expect("a name");
        let (text, _) = rest.split_once("--- expected\n").expect("an expected side");
        let have = findings(text);
        assert!(!have.is_empty(), "{name}: is accepted");
        anew.push_str(&format!("=== {name}\n{text}--- expected\n{have}"));
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/yaml/errors.txt"), &anew).expect("written");
        return;
    }
    assert_eq!(anew, table, "run with UPDATE=1 and read the difference");
}
