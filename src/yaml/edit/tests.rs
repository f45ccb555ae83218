//! Edits of texts as people write them, and of random ones: what is set is there, and everything else is as it was.

use proptest::prelude::*;

use super::{Address, Step, documents, remove, rename, set};
use crate::yaml::{Map, Node, View};

fn value(text: &str) -> Node {
    documents(text).expect("a value").remove(0).root
}

/// `images[0].newTag` as an address of the first document.
fn address(text: &str) -> Address {
    let mut steps = Vec::new();
    for part in text.split('.') {
        let (key, items) = part.split_once('[').map_or((part, ""), |(key, items)| (key, items));
        if !key.is_empty() {
            steps.push(Step::Key(key.to_owned()));
        }
        for item in items.split('[').filter_map(|item| item.strip_suffix(']')) {
            steps.push(Step::Item(item.parse().expect("an index")));
        }
    }
    Address { document: 0, steps }
}

/// Text, address, new value, text afterwards.
const SETS: &[(&str, &str, &str, &str)] = &[
    ("a: 1 # one\nb: 2\n", "a", "3", "a: 3 # one\nb: 2\n"),
    ("a: \"1.0\"\n", "a", "\"2.0\"", "a: \"2.0\"\n"),
    ("a: '1.0'\n", "a", "\"2.0\"", "a: '2.0'\n"),
    // A text that would read as a number gets quotes.
    ("tag: main\n", "tag", "\"1.20\"", "tag: \"1.20\"\n"),
    ("tag: main\n", "tag", "'yes'", "tag: \"yes\"\n"),
    ("tag: main\n", "tag", "v1.2.3", "tag: v1.2.3\n"),
    ("a:\n  b:   x   # why\n\n  c: y\n", "a.b", "z", "a:\n  b:   z   # why\n\n  c: y\n"),
    ("a: {b: x, c: y}\n", "a.b", "z", "a: {b: z, c: y}\n"),
    ("a: {b: x, c: y}\n", "a.d", "'1,2'", "a: {b: x, c: y, d: '1,2'}\n"),
    ("a: {}\nb: 1\n", "a.d", "2", "a:\n  d: 2\nb: 1\n"),
    ("a: {} # none\nb: 1\n", "a.d", "2", "a: # none\n  d: 2\nb: 1\n"),
    ("a:\nb: 1\n", "a", "2", "a: 2\nb: 1\n"),
    ("a: # why\nb: 1\n", "a", "2", "a: 2 # why\nb: 1\n"),
    ("a:\nb: 1\n", "a", "{c: {d: 2}}", "a:\n  c:\n    d: 2\nb: 1\n"),
    ("a: 1\n# end\n", "b", "2", "a: 1\nb: 2\n# end\n"),
    ("a: 1", "b", "2", "a: 1\nb: 2"),
    ("images:\n- name: x\n  newTag: v1\n", "images[0].newTag", "v2", "images:\n- name: x\n  newTag: v2\n"),
    ("images:\n  - name: x\n", "images[0].newTag", "v2", "images:\n  - name: x\n    newTag: v2\n"),
    (
        "images:\n  - name: x # it\n\nz: 1\n",
        "images[1]",
        "{name: y, newTag: v1}",
        "images:\n  - name: x # it\n  - name: y\n    newTag: v1\n\nz: 1\n",
    ),
    (
        "images:\n-   name: x\n",
        "images[1]",
        "{name: y, newTag: v1}",
        "images:\n-   name: x\n-   name: y\n    newTag: v1\n",
    ),
    ("images: []\n", "images[0]", "{name: y}", "images:\n  - name: y\n"),
    ("resources:\n- a\n", "images[0]", "{name: y}", "resources:\n- a\nimages:\n- name: y\n"),
    ("resources:\n    - a\n", "images[0]", "{name: y}", "resources:\n    - a\nimages:\n    - name: y\n"),
    ("a: [1, 2] # two\n", "a[2]", "3", "a: [1, 2, 3] # two\n"),
    ("a:\n  # first\n  x: 1\n  # last\nb: 2\n", "a", "{y: 2}", "a:\n  # first\n  y: 2\n  # last\nb: 2\n"),
    ("a:\n  # first\n  x: 1\nb: 2\n", "a", "7", "a: 7\n  # first\nb: 2\n"),
    ("a: x\nb: 2\n", "a", "{y: [1, {z: 2}]}", "a:\n  y:\n    - 1\n    - z: 2\nb: 2\n"),
    ("a: |\n  one\n  two\nb: 2\n", "a", "\"three\\nfour\\n\"", "a: |\n  three\n  four\nb: 2\n"),
    ("a: |\n  one\nb: 2\n", "a", "x", "a: x\nb: 2\n"),
    ("a: x\r\nb: 2\r\n", "c", "{d: 3}", "a: x\r\nb: 2\r\nc:\r\n  d: 3\r\n"),
    ("# top\n---\na: 1\n...\n---\na: 2\n", "a", "3", "# top\n---\na: 3\n...\n---\na: 2\n"),
    ("a: x\nb: é # ü\n", "b", "日本", "a: x\nb: 日本 # ü\n"),
    ("\"a b\" : x\n", "a b", "y", "\"a b\" : y\n"),
    ("- x # one\n- y\n", "[1]", "z", "- x # one\n- z\n"),
    ("a: x\n", "b.c.d", "1", "a: x\nb:\n  c:\n    d: 1\n"),
    ("a: &n x\nb: *n\n", "b", "y", "a: &n x\nb: y\n"),
];

#[test]
fn values_are_set_in_place() {
    for (text, at, new, want) in SETS {
        assert_eq!(set(text, &address(at), &value(new)).as_deref(), Ok(*want), "{text:?} {at} {new}");
    }
}

/// Text, address, text afterwards.
const REMOVES: &[(&str, &str, &str)] = &[
    ("a: 1\nb: 2 # two\n# end\n", "b", "a: 1\n# end\n"),
    ("x:\n  - name: y\n    digest: d\n    newTag: t\n", "x[0].digest", "x:\n  - name: y\n    newTag: t\n"),
    ("x:\n  - digest: d\n    name: y\n", "x[0].digest", "x:\n  - name: y\n"),
    ("a: {b: 1, c: 2}\n", "a.b", "a: {c: 2}\n"),
    ("a: {b: 1, c: 2}\n", "a.c", "a: {b: 1}\n"),
    ("a:\n  b: 1\nc:\n", "c", "a:\n  b: 1\n"),
];

#[test]
fn keys_are_taken_out() {
    for (text, at, want) in REMOVES {
        assert_eq!(remove(text, &address(at)).as_deref(), Ok(*want), "{text:?} {at}");
    }
}

#[test]
fn keys_are_renamed() {
    let renamed = |text: &str, at: &str, name: &str| rename(text, &address(at), name);
    assert_eq!(renamed("- {a: x, b: y} # z\n", "[0].a", "c").as_deref(), Ok("- {c: x, b: y} # z\n"));
    assert_eq!(renamed("'a':   x # z\nb: y\n", "a", "c").as_deref(), Ok("'c':   x # z\nb: y\n"));
    assert!(renamed("a: x\nb: y\n", "a", "b").is_err());
    assert!(renamed("a: x\n", "b", "c").is_err());
}

#[test]
fn what_cannot_be_told_is_refused() {
    for (text, at, new) in [
        // Somebody else reads the same value.
        ("a: &n x\nb: *n\n", "a", "y"),
        ("a: &n {x: 1}\nb:\n  <<: *n\n", "b.x", "2"),
        ("a: [1]\n", "a[3]", "2"),
        ("a: x\n", "a.b", "2"),
        ("a: [\n", "a", "2"),
        ("a: 1\n", "[0]", "2"),
    ] {
        assert!(set(text, &address(at), &value(new)).is_err(), "{text:?} {at}");
    }
    for (text, at) in [("a:\n  b: 1\n", "a.b"), ("a: 1\n", "b"), ("- a\n", "[0]")] {
        assert!(remove(text, &address(at)).is_err(), "{text:?} {at}");
    }
}

// ------------------------------------------------------------------------------------------------------------------------- random texts

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "k[a-z0-9.-]{0,7}",
        1 => Just("v1.2.3".to_owned()),
        1 => Just("a b".to_owned()),
        1 => Just("1.20".to_owned()),
        1 => Just("it's: \"so\" # not".to_owned()),
        1 => Just("yes".to_owned()),
        1 => Just(String::new()),
    ]
}

#[derive(Debug, Clone)]
enum Tree {
    Leaf(String, u8),
    List(Vec<Tree>, u8),
    Table(Vec<(String, Tree)>, u8),
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = (word(), any::<u8>()).prop_map(|(text, look)| Tree::Leaf(text, look));
    leaf.prop_recursive(4, 24, 4, |inner| {
        let keyed = prop::collection::btree_map("k[a-z]{0,5}", inner.clone(), 1..4);
        prop_oneof![
            (prop::collection::vec(inner, 1..4), any::<u8>()).prop_map(|(items, look)| Tree::List(items, look)),
            (keyed, any::<u8>()).prop_map(|(map, look)| Tree::Table(map.into_iter().collect(), look)),
        ]
    })
}

fn leaf(text: &str, look: u8) -> String {
    match look % 3 {
        0 => format!("'{}'", text.replace('\'', "''")),
        1 => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        _ if !text.starts_with(['k', 'v', 'a']) => format!("'{}'", text.replace('\'', "''")),
        _ => text.to_owned(),
    }
}

fn in_one_line(tree: &Tree) -> String {
    match tree {
        Tree::Leaf(text, look) => leaf(text, *look),
        Tree::List(items, _) => format!("[{}]", items.iter().map(in_one_line).collect::<Vec<_>>().join(", ")),
        Tree::Table(entries, _) => {
            let entries = entries.iter().map(|(key, tree)| format!("{key}: {}", in_one_line(tree)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Writes a value as people do, with comments and blank lines between.
#[derive(Default)]
struct Writer {
    out: String,
    comments: usize,
}

impl Writer {
    /// What stands before an entry; returns what stands behind it on its line.
    fn around(&mut self, look: u8, pad: &str) -> String {
        self.comments += 1;
        match look % 5 {
            0 => self.out.push_str(&format!("{pad}# comment {}.\n", self.comments)),
            1 => self.out.push('\n'),
            2 => self.out.push_str(&format!("\n# at the margin {}.\n", self.comments)),
            _ => {}
        }
        if look.is_multiple_of(7) { format!(" # behind {}.", self.comments) } else { String::new() }
    }

    fn block(&mut self, tree: &Tree, indent: usize) {
        let pad = " ".repeat(indent);
        let entries: Vec<(String, &Tree)> = match tree {
            Tree::Leaf(..) => Vec::new(),
            Tree::List(items, _) => items.iter().map(|item| ("-".to_owned(), item)).collect(),
            Tree::Table(entries, _) => entries.iter().map(|(key, tree)| (format!("{key}:"), tree)).collect(),
        };
        for (head, tree) in entries {
            let (Tree::Leaf(_, look) | Tree::List(_, look) | Tree::Table(_, look)) = *tree;
            let behind = self.around(look, &pad);
            if matches!(tree, Tree::Leaf(..)) || look.is_multiple_of(3) {
                self.out.push_str(&format!("{pad}{head} {}{behind}\n", in_one_line(tree)));
                continue;
            }
            self.out.push_str(&format!("{pad}{head}{behind}\n"));
            // Lists may stand below their key without being moved in.
            let least = usize::from(!(matches!(tree, Tree::List(..)) && head != "-"));
            self.block(tree, indent + least + usize::from(look / 7 % 3));
        }
    }
}

fn addresses(node: &Node, at: &Address, all: &mut Vec<(Address, bool)>) {
    all.push((at.clone(), node.is_scalar()));
    match node.view() {
        View::Scalar(..) => {}
        View::Seq(items) => {
            items.iter().enumerate().for_each(|(index, item)| addresses(item, &at.clone().item(index), all));
        }
        View::Map(map) => map.iter().for_each(|(key, value)| {
            addresses(value, &at.clone().key(key.text().unwrap_or_default()), all);
        }),
    }
}

fn node(tree: &Tree) -> Node {
    match tree {
        Tree::Leaf(text, _) => Node::str(text.as_str()),
        Tree::List(items, _) => Node::seq(items.iter().map(node).collect()),
        Tree::Table(entries, _) => {
            Node::map(entries.iter().map(|(key, tree)| (Node::str(key.as_str()), node(tree))).collect::<Map>())
        }
    }
}

/// The comments of a text, in its order.
fn comments(text: &str) -> Vec<&str> {
    let marks = ["# comment ", "# at the margin ", "# behind "];
    let starts = text.char_indices().filter(|(at, _)| marks.iter().any(|mark| text[*at..].starts_with(mark)));
    starts.map(|(at, _)| text[at..].split_inclusive('.').next().unwrap_or_default()).collect()
}

fn there(text: &str, at: &Address) -> Node {
    at.get(&documents(text).expect("checked")).expect("set").clone()
}

fn blank_lines(text: &str) -> usize {
    text.lines().filter(|line| line.trim().is_empty()).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_edits_change_one_value_and_no_comment(tree in trees(), new in trees(), pick in any::<prop::sample::Index>()) {
        prop_assume!(matches!(tree, Tree::List(..) | Tree::Table(..)));
        let mut writer = Writer::default();
        writer.block(&tree, 0);
        let text = writer.out;
        let read = documents(&text).map_err(TestCaseError::fail)?;
        prop_assert_eq!(&read[0].root, &node(&tree), "{}", text);
        let mut all = Vec::new();
        addresses(&read[0].root, &Address::default(), &mut all);
        let (at, is_scalar) = &all[1 + pick.index(all.len() - 1)];
        let old = at.get(&read).expect("an address of the text").span();

        // A scalar in the place of one: its bytes, and no other.
        let word = Node::str(format!("new: {}", all.len()));
        if *is_scalar {
            let after = set(&text, at, &word).map_err(TestCaseError::fail)?;
            let (start, end) = (old.start as usize, old.end as usize);
            prop_assert!(after.starts_with(&text[..start]) && after.ends_with(&text[end..]), "{}\n{}", text, after);
            prop_assert_eq!(there(&after, at), word);
            let back = set(&after, at, at.get(&read).expect("as before")).map_err(TestCaseError::fail)?;
            prop_assert_eq!(documents(&back).expect("checked")[0].root.clone(), node(&tree));
        }
        // Anything in the place of anything, and a new key or item: comments outside of what goes stay.
        let outside: Vec<&str> =
            [&text[..old.start as usize], &text[old.end as usize..]].into_iter().flat_map(comments).collect();
        let after = set(&text, at, &node(&new)).map_err(|why| TestCaseError::fail(format!("{why}: {at} in\n{text}")))?;
        prop_assert_eq!(there(&after, at), node(&new));
        prop_assert_eq!(comments(&after), outside, "{}\n{}", text, after);
        let beside = match at.get(&read).map(Node::view) {
            Some(View::Map(_)) => at.clone().key("added"),
            Some(View::Seq(items)) => at.clone().item(items.len()),
            _ => return Ok(()),
        };
        let after = set(&text, &beside, &node(&new)).map_err(|why| TestCaseError::fail(format!("{why}: {beside} in\n{text}")))?;
        prop_assert_eq!(comments(&after), comments(&text), "{}\n{}", text, after);
        prop_assert_eq!(blank_lines(&after), blank_lines(&text), "{}\n{}", text, after);
        if beside.steps.last() == Some(&Step::Key("added".to_owned())) {
            let back = remove(&after, &beside).map_err(TestCaseError::fail)?;
            prop_assert_eq!(&documents(&back).expect("checked")[0].root, &node(&tree));
            prop_assert_eq!(comments(&back), comments(&text), "{}\n{}", text, after);
        }
    }
}
