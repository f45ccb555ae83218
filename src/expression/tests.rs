//! Kubernetes' functions against Kubernetes (`fixtures/expression`: answers of k8s.io/apiserver v0.36), and what keeps expressions bounded.

use super::{Expression, Failure, Outcome, Values};
use crate::k8s::gaps::Gaps;
use crate::span::FileId;
use crate::template::print_with;
use crate::template::value::Value as Text;
use crate::yaml::{self, Dialect, Limits, Node};

fn node(text: &str) -> Node {
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    parsed.documents.into_iter().next().unwrap().root
}

/// Expressions that Kubernetes refuses by their types before it evaluates them, and what they are here, where types are those of values.
const TYPES_ARE_OF_VALUES: [(&str, &str); 2] = [
    // Of constants, the checker sees that an int and a double meet; of fields of objects it does not, and gives `true` as here.
    ("1 == 1.0", "true"),
    // Kubernetes wants one type in a list that is written out; a list of an object may have several, here and there.
    ("dyn([1, 'a'])[1] == 'a'", "true"),
];

fn json(value: &cel::Value) -> String {
    match value {
        cel::Value::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        cel::Value::Map(map) => {
            let mut entries: Vec<String> =
                map.map.iter().map(|(key, value)| format!("\"{key}\":{}", json(value))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(","))
        }
        cel::Value::String(text) => format!("\"{text}\""),
        cel::Value::Int(number) => number.to_string(),
        cel::Value::Bool(value) => value.to_string(),
        cel::Value::Float(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn answer(text: &str) -> String {
    let values = Values::new();
    let Ok(expression) = Expression::compile(text) else { return "error".to_owned() };
    match expression.evaluate(&values) {
        Ok(Outcome::Bool(value)) => value.to_string(),
        Ok(Outcome::Int(value)) => value.to_string(),
        Ok(Outcome::Text(value)) => print_with("%q", &Text::from(value.as_str())),
        Ok(Outcome::Null) => "null".to_owned(),
        Ok(Outcome::Other(_)) => {
            let context = cel::Context::with_env(std::sync::Arc::clone(&super::ENV));
            match expression.program.execute(&context) {
                Ok(value) => format!("json {}", json(&value)),
                Err(_) => "other".to_owned(),
            }
        }
        Err(_) => "error".to_owned(),
    }
}

#[test]
fn functions_are_those_of_kubernetes() {
    let texts = include_str!("../../fixtures/expression/expressions.txt");
    let answers: Vec<&str> = include_str!("../../fixtures/expression/answers.txt").lines().collect();
    let texts: Vec<&str> = texts.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(texts.len(), answers.len());
    let mut wrong = Vec::new();
    for (text, theirs) in texts.iter().zip(answers) {
        let ours = answer(text);
        let listed = TYPES_ARE_OF_VALUES.iter().find(|(known, _)| known == text).map(|(_, ours)| *ours);
        if ours != theirs && listed != Some(ours.as_str()) {
            wrong.push(format!("{text}\n  theirs {theirs}\n  ours   {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), texts.len(), wrong.join("\n"));
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let mut values = Values::new();
    values.set_node("object", &node("{metadata: {labels: {a: b}}, spec: {replicas: 3}}"));
    values.add("variables", "lost", Err(Failure::Undecided("who knows".to_owned())));
    values.add("variables", "broken", Err(Failure::Error("it failed".to_owned())));
    let ask = |text: &str| Expression::compile(text).unwrap().evaluate(&values);
    assert_eq!(ask("object.spec.replicas == 3"), Ok(Outcome::Bool(true)));
    assert_eq!(ask("object.?spec.?missing.orValue(1) == 1"), Ok(Outcome::Bool(true)));
    for text in
        ["authorizer.group('').check('get').allowed()", "namespaceObject == null", "variables.lost == 1", "nonsense(1)"]
    {
        assert!(matches!(ask(text), Err(Failure::Undecided(_))), "{text}: {:?}", ask(text));
    }
    for text in ["variables.broken == 1", "object.spec.missing == 1", "variables.none == 1"] {
        assert!(matches!(ask(text), Err(Failure::Error(_))), "{text}: {:?}", ask(text));
    }
    // What decides without it is decided.
    assert_eq!(ask("true || variables.lost == 1"), Ok(Outcome::Bool(true)));
}

#[test]
fn parts_that_are_not_known_are_not_guessed() {
    let mut gaps = Gaps::default();
    gaps.at(["metadata", "uid"]).whole = Some("the server makes it");
    gaps.at(["metadata", "labels"]).others = Some("others add some");
    gaps.at(["custom"]).deep = Some("nobody has its definition");
    let text = "{metadata: {name: web, labels: {a: b}}, spec: {many: 3}, custom: {list: [{x: 1, none: ''}]}}";
    let mut values = Values::new();
    values.set_partly("object", &node(text), &gaps);
    let kept = Expression::compile("object.metadata").unwrap().value(&values);
    values.add("variables", "metadata", kept);
    let ask = |text: &str| Expression::compile(text).unwrap().evaluate(&values);
    for (text, known) in [
        ("object.metadata.name == 'web' && has(object.spec) && !has(object.status)", true),
        ("object.metadata.labels.a == 'b' && 'a' in object.metadata.labels", true),
        ("object.metadata.uid == '' || object.spec.many == 3", true),
        ("'uid' in object.metadata && object.spec.many == 4", false),
        ("object.metadata.labels.exists(l, l == 'z') && false", false),
        ("object.custom.list.all(i, i.x == 1) && variables.metadata.name == 'web'", true),
        ("[{'a': 1}].exists(i, i == {'a': 1})", true),
    ] {
        let guessed = text.contains("exists(l");
        let answer = ask(text);
        assert!(
            answer == Ok(Outcome::Bool(known)) || (guessed && matches!(answer, Err(Failure::Undecided(_)))),
            "{text}: {answer:?}"
        );
    }
    for text in [
        "object.metadata.uid == 'x'",
        "has(object.metadata.uid)",
        "'uid' in object.metadata",
        "object.metadata.?uid.orValue('') == ''",
        "object.?metadata.?labels.?z.hasValue()",
        "object.metadata.labels.z == 'y'",
        "has(object.metadata.labels.z)",
        "!('z' in object.metadata.labels)",
        "object.metadata.labels.size() == 1",
        "object.metadata.labels.all(l, l == 'a')",
        "object.metadata.labels == {'a': 'b'}",
        "object.metadata.labels != object.spec",
        "object.custom.list[0].y == 1",
        "has(object.custom.list[0].none)",
        "variables.metadata.uid == ''",
        // An error may be none, and what is not known may be an error.
        "object.spec.none == 1 || object.metadata.uid == 'x'",
        "object.metadata.uid == 'x' && object.spec.none == 1",
        "object.metadata.uid == 'x' ? true : true",
    ] {
        assert!(matches!(ask(text), Err(Failure::Undecided(_))), "{text}: {:?}", ask(text));
    }
    // The next one starts afresh.
    assert!(matches!(ask("object.spec.none == 1"), Err(Failure::Error(_))));
}

#[test]
fn what_is_no_expression_says_where() {
    let broken = Expression::compile("object.spec &&\n  (object.").unwrap_err();
    assert_eq!(broken.at.map(|(line, _)| line), Some(2), "{broken:?}");
    assert!(!broken.why.contains("<input>"), "{broken}");
}

#[test]
fn failures_hold_no_values() {
    let mut values = Values::new();
    values.set_node("object", &node("{data: {password: hunter2}}"));
    for text in [
        "object.data.password + 1 == 2",
        "quantity(object.data.password) == 1",
        "object.data.password.x",
        "url(object.data.password) == 1",
    ] {
        let failure = Expression::compile(text).unwrap().evaluate(&values);
        assert!(!format!("{failure:?}").contains("hunter2"), "{text}: {failure:?}");
    }
}

#[test]
fn expressions_are_bounded() {
    let mut values = Values::new();
    let many = (0..2000).map(|at| format!("a{at}: {at}")).collect::<Vec<_>>().join(", ");
    values.set_node("object", &node(&format!("{{{many}}}")));
    let ask = |text: &str| Expression::compile(text)?.evaluate(&values);
    assert_eq!(ask("object.all(a, a != '')"), Ok(Outcome::Bool(true)));
    assert_eq!(ask("object.all(a, object[a] != 5000) && 'a7' in object"), Ok(Outcome::Bool(true)));
    let refused = |text: &str| ask(text).is_err();
    // What is made of one item in a loop is an item of the next.
    assert!(refused(&format!("['xxxx']{} == []", ".map(v, v + v)".repeat(40))));
    assert!(refused(&format!("{}'xxxx'{} == []", "[".repeat(40), "].map(v, v + v)".repeat(40))));
    let grown_once = ".replace('x', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')";
    assert!(refused(&format!("object.all(a, 'xxxxxxxxxxxxxxxxxxxx'{grown_once}{grown_once} == a)")));
    assert!(refused("object.all(a, object.all(b, object.all(c, a + b + c != '')))"));
    let grown = (0..12)
        .fold("'xxxxxxxxxxxxxxxxxxxx'".to_owned(), |text, _| format!("{text}.replace('x', 'xxxxxxxxxxxxxxxxxxxx')"));
    assert!(refused(&format!("size({grown}) > 0")));
    assert!(refused(&format!("{}true{}", "(".repeat(5000), ")".repeat(5000))));
    assert!(refused(&format!("{}true", "!".repeat(5000))));
    assert!(refused(&"1 + ".repeat(20_000)));
    for text in
        ["", "(", "'", "a b", "1 +", "\u{0}", "object.", "[1, 2", "{'a'", "x.map(1, 2)", "b'\\x'", "'\\u12'", "r'"]
    {
        assert!(ask(text).is_err(), "{text}");
    }
}
