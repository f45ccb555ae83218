//! What must hold for any value and any text: printing and reading give the value back, places lead to the node, nothing panics, limits hold.

use proptest::prelude::*;
use yaml_rust2::{Yaml, YamlLoader};

use super::{first, read};
use crate::span::FileId;
use crate::yaml::number::json_float;
use crate::yaml::sigs::{Numbers, to_json_value};
use crate::yaml::{Dialect, Limits, Map, Node, Tag, View, emit, json, parse};

/// Texts that are hard to print.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9]{1,6}",
        3 => Just(" ".to_owned()),
        1 => prop::sample::select(vec![
            "\n", "\n\n", "  ", "\t", ": ", " #", "- ", "'", "\"", "\\", "|", ">", "é", "日本", "\u{2028}", "\u{a0}", "🍒", "\u{feff}", "\r", "\u{1}", "yes",
            "null", "0x1", "1e3", "1:20", "2020-01-02", "---", "...", "[", "{", "}", ",", "&", "*", "!", "%", "@", "`", "~", "=", "<<", "?",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn scalar() -> impl Strategy<Value = Node> {
    prop_oneof![
        6 => text().prop_map(Node::str),
        1 => any::<i64>().prop_map(Node::int),
        1 => any::<f64>().prop_filter_map("finite", |f| json_float(f).map(|text| Node::scalar(Tag::Float, text))),
        1 => any::<bool>().prop_map(Node::bool),
        1 => Just(Node::null()),
    ]
}

fn tree() -> impl Strategy<Value = Node> {
    scalar().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Node::seq),
            // go-yaml prints the key `<<` plain and cannot read it back.
            prop::collection::btree_map(text().prop_filter("no merge", |key| key != "<<"), inner, 0..5).prop_map(
                |map| Node::map(map.into_iter().map(|(key, value)| (Node::str(key), value)).collect::<Map>())
            ),
        ]
    })
}

/// Sorted as the emitter sorts, numbers in one form.
fn normal(node: &Node) -> Node {
    match node.view() {
        View::Scalar(..) => to_json_value(node, Numbers::Int64).expect("a JSON value"),
        View::Seq(items) => Node::seq(items.iter().map(normal).collect()),
        View::Map(map) => {
            let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.clone(), normal(value))).collect();
            entries.sort_by(|a, b| a.0.text().cmp(&b.0.text()));
            Node::map(entries.into_iter().collect::<Map>())
        }
    }
}

/// Whether another reader sees the same strings.
fn agrees(ours: &Node, theirs: &Yaml) -> bool {
    match (ours.view(), theirs) {
        (View::Scalar(Tag::Str, text), Yaml::String(other)) => text == other,
        // A plain text may be something else to YAML 1.2; collections may not.
        (View::Scalar(..), other) => other.as_vec().is_none() && other.as_hash().is_none(),
        (View::Seq(items), Yaml::Array(others)) => {
            items.len() == others.len() && items.iter().zip(others).all(|(a, b)| agrees(a, b))
        }
        (View::Map(map), Yaml::Hash(others)) => {
            map.len() == others.len()
                && map.iter().zip(others).all(|((key, value), (k, v))| agrees(key, k) && agrees(value, v))
        }
        _ => false,
    }
}

/// Each node's text, at its column, reads as the node.
fn check_places(text: &str, node: &Node) -> Result<(), String> {
    let span = node.span();
    let (start, end) = (span.start as usize, span.end as usize);
    let own = text.get(start..end).ok_or("a span outside of the text")?;
    // Plain texts such as `a:` or `---` mean something else when they stand alone at the start of a line.
    if node.is_scalar() && (own.ends_with(':') || own.starts_with("---") || own.starts_with("...")) {
        return Ok(());
    }
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let alone = format!("{}{own}", " ".repeat(text[line_start..start].chars().count()));
    let (again, _) = first(&alone, Dialect::V3).ok_or_else(|| format!("{own:?} is refused"))?;
    if again != *node && !(again.is_null() && node.is_null()) {
        return Err(format!("{own:?} is {again:?}, not {node:?}"));
    }
    match node.view() {
        View::Scalar(..) => Ok(()),
        View::Seq(items) => items.iter().try_for_each(|item| check_places(text, item)),
        View::Map(map) => {
            map.iter().try_for_each(|(key, value)| check_places(text, key).and_then(|()| check_places(text, value)))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_back(value in tree()) {
        let value = normal(&value);
        let printed = emit::to_yaml(&value);
        for dialect in [Dialect::V2, Dialect::V3] {
            let (again, duplicates) = first(&printed, dialect).ok_or_else(|| TestCaseError::fail(format!("{printed:?} is refused")))?;
            prop_assert!(!duplicates);
            prop_assert_eq!(normal(&again), value.clone(), "{:?} {}", dialect, printed);
        }
        prop_assert_eq!(emit::to_yaml(&first(&printed, Dialect::V3).expect("read before").0), printed.clone());
        // yaml-rust2 drops byte order marks and takes U+2028 as text.
        if !printed.contains(['\u{2028}', '\u{feff}']) && !printed.contains("\\uFEFF")
            && let Ok(theirs) = YamlLoader::load_from_str(&printed)
        {
            let ours = first(&printed, Dialect::V2).expect("read before").0;
            prop_assert!(theirs.first().is_some_and(|theirs| agrees(&ours, theirs)), "{} {:?}", printed, theirs);
        }
    }

    #[test]
    fn v3_and_json_read_back(value in tree()) {
        let value = normal(&value);
        for compact in [false, true] {
            let printed = emit::to_yaml_v3_with(&value, emit::V3 { compact, values: true });
            // go-yaml v3 cannot read back its own block texts that start with a tab.
            prop_assume!(!printed.contains('\t'));
            let (again, _) = first(&printed, Dialect::V3).ok_or_else(|| TestCaseError::fail(format!("{printed:?} is refused")))?;
            prop_assert_eq!(normal(&again), value.clone(), "{}", printed);
        }
        let printed = json::to_json(&value).expect("a JSON value");
        let again = json::parse(FileId::NONE, printed.as_bytes()).map_err(|error| TestCaseError::fail(format!("{printed} {error:?}")))?;
        prop_assert_eq!(normal(&again), value, "{}", printed);
    }

    #[test]
    fn places_lead_to_the_node(value in tree()) {
        let printed = emit::to_yaml(&normal(&value));
        // An explicit indentation counts from the collection around it, which is not there alone.
        prop_assume!(!printed.contains("|2"));
        let (root, _) = first(&printed, Dialect::V3).expect("printed");
        prop_assert_eq!(check_places(&printed, &root), Ok(()), "{}", printed);
    }

    #[test]
    fn nothing_panics(pieces in prop::collection::vec(prop::sample::select(vec![
        "a", "b: ", "- ", "\n", "  ", "\t", "? ", ": ", "[", "]", "{", "}", ",", "&a ", "*a", "!t ", "!!int ", "|", ">", "|2-", "'", "\"", "\\", "#", "%TAG", "---", "...",
        "<<: ", "\u{85}", "\u{2028}", "é", "1", "\r\n", "\u{feff}", "日",
    ]), 0..60)) {
        let text = pieces.concat();
        for dialect in [Dialect::V2, Dialect::V3] {
            let parsed = read(&text, dialect);
            for document in &parsed.documents {
                let printed = emit::to_yaml(&document.root);
                // A key `<<` that is no merge is printed plain, as go-yaml does, and does not read back.
                if emit::refusal(&document.root).is_none() && !printed.contains("<<") {
                    prop_assert!(first(&printed, Dialect::V2).is_some(), "{:?} {:?}", text, printed);
                }
                emit::to_yaml_v3(&document.root);
            }
        }
    }

    #[test]
    fn bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        parse(FileId::NONE, &bytes, Dialect::V2, &Limits::default());
        let _ = json::parse(FileId::NONE, &bytes);
    }
}

#[test]
fn places_of_recorded_documents() {
    for row in super::rows(include_str!("../../../fixtures/yaml/documents.jsonl")) {
        let text = row[0].as_str().expect("text");
        // Aliases, tag handles, explicit indentation, pairs with `?` or `'a':b` in brackets need what is around them.
        if text.contains(['*', '!', '\u{feff}', '%', '2', '1', '?', '\u{2028}', '\u{85}', '\r'])
            || text.contains("':d")
            || text.contains("\":")
        {
            continue;
        }
        for document in read(text, Dialect::V3).documents {
            if document.duplicates.is_empty() {
                assert_eq!(check_places(text, &document.root), Ok(()), "{text:?}");
            }
        }
    }
}

fn refused(bytes: &[u8], limits: &Limits) -> String {
    let parsed = parse(FileId::NONE, bytes, Dialect::V2, limits);
    parsed.error.map(|error| format!("{}: {}", error.code, error.message)).unwrap_or_default()
}

#[test]
fn limits_are_errors() {
    let small = Limits { bytes: 1000, nodes: 20, aliased: 50, depth: 5 };
    let table: [(Vec<u8>, &str); 9] = [
        (vec![b'a'; 1001], "yaml/too-large: the file has 1001 bytes, the limit for YAML is 1000"),
        (b"[a, ".repeat(30), "yaml/too-deep: values are nested more than 5 levels deep, which is the limit"),
        (b"- ".repeat(30), "yaml/too-deep: values are nested more than 5 levels deep, which is the limit"),
        (b"- a\n".repeat(30), "yaml/too-large: the file has more than 20 values, which is the limit"),
        (
            b"- &a [x,x,x,x]\n- &b [*a,*a,*a,*a]\n- [*b,*b,*b]".to_vec(),
            "yaml/alias-expansion: aliases expand to at least 62 values here, the limit is 50",
        ),
        (
            b"- &a [[[x]]]\n- [[*a]]".to_vec(),
            "yaml/too-deep: values are nested more than 5 levels deep, which is the limit",
        ),
        (b"a: \xff".to_vec(), "yaml/encoding: the byte 0xff is not UTF-8"),
        (b"\xff\xfea".to_vec(), "yaml/encoding: this is not UTF-16, though the file's byte order mark says so"),
        (b"a: b\0".to_vec(), "yaml/control-character: the control character U+0000 is not allowed in YAML"),
    ];
    for (bytes, want) in table {
        assert_eq!(refused(&bytes, &small), want, "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..=10 {
        let alias = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", ")));
    }
    let want = "yaml/alias-expansion: aliases expand to at least 1012328 values here, the limit is 1000000";
    assert_eq!(refused(bomb.as_bytes(), &Limits::default()), want);
}

#[test]
fn utf16_is_decoded_with_places_of_the_file() {
    let text = "é: 🍒 x\nb: [1]\n";
    for big in [false, true] {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        let bytes: Vec<u8> = units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect();
        let parsed = parse(FileId::NONE, &bytes, Dialect::V2, &Limits::default());
        assert_eq!(parsed.error, None);
        let root = &parsed.documents[0].root;
        assert_eq!(root, &first(text, Dialect::V2).expect("read").0);
        let span = root.get("é").expect("the key").span();
        assert_eq!((span.start, span.end), (8, 16));
    }
}
