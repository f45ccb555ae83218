//! Field paths: what is read, how it is printed, what it finds; changes between two states.

use super::{FieldPath, changes};
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node};

fn node(text: &str) -> Node {
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V3, &Limits::default());
    parsed.documents.into_iter().next().expect("a document").root
}

const OBJECT: &str = "
metadata: {annotations: {a.b/c: x, plain: y}}
spec:
  containers: [{name: web, image: nginx}, {name: side, image: busybox}]
  args: [a, b]
  ports: [{port: 80}, {port: 443}]
";

/// Path as written, as printed, by name, and the value it finds.
const PATHS: [(&str, &str, &str, Option<&str>); 11] = [
    (".spec.args[1]", ".spec.args[1]", ".spec.args[1]", Some("b")),
    (".spec.args[2]", ".spec.args[2]", ".spec.args[2]", None),
    (".spec.containers[1].image", ".spec.containers[1].image", ".spec.containers[name=side].image", Some("busybox")),
    (
        ".spec.containers[name=web].image",
        ".spec.containers[name=web].image",
        ".spec.containers[name=web].image",
        Some("nginx"),
    ),
    (
        ".spec.containers[name=none].image",
        ".spec.containers[name=none].image",
        ".spec.containers[name=none].image",
        None,
    ),
    (".spec.ports[1].port", ".spec.ports[1].port", ".spec.ports[1].port", Some("443")),
    (".spec.ports[port=80].port", ".spec.ports[port=80].port", ".spec.ports[port=80].port", Some("80")),
    (
        ".metadata.annotations[\"a.b/c\"]",
        ".metadata.annotations[\"a.b/c\"]",
        ".metadata.annotations[\"a.b/c\"]",
        Some("x"),
    ),
    (
        ".metadata.annotations.'a.b/c'",
        ".metadata.annotations[\"a.b/c\"]",
        ".metadata.annotations[\"a.b/c\"]",
        Some("x"),
    ),
    ("[\"metadata\"].annotations.plain", ".metadata.annotations.plain", ".metadata.annotations.plain", Some("y")),
    (".metadata.annotations.a.b/c", ".metadata.annotations.a[\"b/c\"]", ".metadata.annotations.a[\"b/c\"]", None),
];

#[test]
fn paths() {
    let object = node(OBJECT);
    for (text, printed, by_name, value) in PATHS {
        let path = FieldPath::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(path.to_string(), printed, "{text}");
        assert_eq!(FieldPath::parse(printed).as_ref(), Ok(&path), "{text} printed and read again");
        let named = path.by_name(&object);
        assert_eq!(named.to_string(), by_name, "{text} by name");
        for path in [&path, &named] {
            assert_eq!(path.get(&object).and_then(Node::text), value, "{text}");
        }
    }
}

#[test]
fn wrong_paths() {
    for text in [
        "spec",
        ".",
        "..spec",
        ".spec.",
        ".spec[",
        ".spec[]",
        ".spec[x]",
        ".spec[-1]",
        ".spec['a]",
        ".'a",
        ".a[\"b\"",
        "['a'b]",
    ] {
        assert!(FieldPath::parse(text).is_err(), "{text}");
    }
}

/// Before, after, and what is said to differ.
const CHANGES: [(&str, &str, &[&str]); 8] = [
    ("{a: 1, b: 2}", "{b: 2, a: 1}", &[]),
    ("{a: 1}", "{a: '1'}", &[".a: 1 -> 1"]),
    ("{a: 1, c: 1}", "{b: 2, c: 1}", &[".b:  -> 2", ".a: 1 -> "]),
    (
        "{l: [{name: x, v: 1}]}",
        "{l: [{name: new, v: 0}, {name: x, v: 2}]}",
        &[".l[name=new]:  -> []", ".l[name=x].v: 1 -> 2"],
    ),
    ("{l: [{name: x}, {name: y}]}", "{l: [{name: y}]}", &[".l[name=x]: [] -> "]),
    ("{l: [1, 2]}", "{l: [1, 3]}", &[".l[1]: 2 -> 3"]),
    ("{l: [1, 2]}", "{l: [2]}", &[".l: [] -> []"]),
    ("{l: {a: 1}}", "{l: x}", &[".l: [] -> x"]),
];

#[test]
fn what_differs() {
    let text = |node: &Option<Node>| node.as_ref().map_or("", |node| node.text().unwrap_or("[]")).to_owned();
    for (before, after, expected) in CHANGES {
        let found = changes(&node(before), &node(after));
        let found: Vec<String> =
            found.iter().map(|c| format!("{}: {} -> {}", c.path, text(&c.before), text(&c.after))).collect();
        assert_eq!(found, expected, "{before} to {after}");
    }
}
