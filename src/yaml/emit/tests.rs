//! Layout at a glance; the recorded tables in `yaml::tests` say the rest.

use crate::span::FileId;
use crate::yaml::{Dialect, Limits, parse};

fn printed(text: &str) -> String {
    let parsed = parse(FileId::NONE, text.as_bytes(), Dialect::V3, &Limits::default());
    assert_eq!(parsed.error, None);
    parsed.documents.iter().map(|document| super::to_yaml(&document.root)).collect()
}

#[test]
fn layout() {
    let table = [
        ("{b: 1, a: [1, [2, 3], {x: y}], c: {}, d: []}", "a:\n- 1\n- - 2\n  - 3\n- x: \"y\"\nb: 1\nc: {}\nd: []\n"),
        (
            "a: yes\nb: 1.0\nc: 1e6\nd: 1000000.5\ne: 2020-01-02\n",
            "a: \"yes\"\nb: 1\nc: 1000000\nd: 1.0000005e+06\ne: \"2020-01-02T00:00:00Z\"\n",
        ),
        ("a: \"x\\ny\\n\"\n", "a: |\n  x\n  y\n"),
        ("? \"a\\nb\"\n: [1]\n", "? |-\n  a\n  b\n: - 1\n"),
        ("- \"\"\n- ' a'\n- 'a: b'\n- \"\\t\"\n", "- \"\"\n- ' a'\n- 'a: b'\n- \"\\t\"\n"),
        ("a10: 1\na2: 2\nA: 3\n_: 4\n", "_: 4\nA: 3\na2: 2\na10: 1\n"),
    ];
    for (text, expect) in table {
        assert_eq!(printed(text), expect, "{text}");
    }
}
