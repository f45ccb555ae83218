//! Programs and what they give. The values were computed by go-jsonnet 0.22.0; the words of errors are those of jrsonnet.

use std::sync::Arc;

use super::{Options, Variable, evaluate};
use crate::memory_world::MemoryWorld;
use crate::path::TreePath;
use crate::span::Span;
use crate::yaml::json::to_json;

/// Evaluates `main.jsonnet` of a tree: JSON, or `file:line:column: message`.
fn run(files: &[(&str, &str)], options: &Options) -> String {
    let (world, root) = MemoryWorld::of(files.iter().copied()).unwrap();
    let file = root.join(files[0].0).unwrap();
    let source = crate::world::World::read(&world, &file).unwrap();
    match evaluate(&world, &file, &Arc::clone(&source), options) {
        Ok(found) => {
            let mut out = to_json(&found.value).unwrap();
            for note in found.diagnostics.iter() {
                out.push_str(&format!(" note: {}", note.message));
            }
            out
        }
        Err(found) => {
            let found = found.iter().next().unwrap();
            match world.sources().locate(found.span) {
                Some(place) => format!("{}:{}:{}: {}", place.file, place.line, place.column, found.message),
                None => format!("nowhere: {}", found.message),
            }
        }
    }
}

/// With the stack that renders have.
fn deep(program: &str) -> String {
    let program = program.to_owned();
    let thread = std::thread::Builder::new().stack_size(16 << 20);
    thread.spawn(move || run(&[("main.jsonnet", &program)], &Options::default())).unwrap().join().unwrap()
}

fn one(program: &str) -> String {
    run(&[("main.jsonnet", program)], &Options::default())
}

#[test]
fn values() {
    let mut wrong = Vec::new();
    for (program, want) in [
        (
            "{a: 1, b: self.a + 1, c:: 3, d: $.c, 'e-f': [x * 2 for x in [1, 2, 3] if x != 2]}",
            r#"{"a":1,"b":2,"d":3,"e-f":[2,6]}"#,
        ),
        (
            "local a = {x: 1, y: self.x}; a {x: 2, z+: {w: 1}, s: super.y} + {z+: {v: 3, w+: 1}}",
            r#"{"s":2,"x":2,"y":2,"z":{"v":3,"w":2}}"#,
        ),
        ("local f(x, y=x * 2) = x + y; [f(1), f(1, 1), f(y=1, x=3), (function(a) a)(5)]", "[3,2,4,5]"),
        ("{[k]: k + '!' for k in ['b', 'a']}", r#"{"a":"a!","b":"b!"}"#),
        (
            "{local x = 1, assert self.a == x : 'no', a: x, [if 1 > 2 then 'b']: 2, f(n):: n, c: self.f(7)}",
            r#"{"a":1,"c":7}"#,
        ),
        (
            "[1 / 3, 0.1 + 0.2, 1e21, -0.5, 7 % 3, 6 & 3 | 8, 1 << 4, ~1]",
            "[0.3333333333333333,0.30000000000000004,1e+21,-0.5,1,10,16,-2]",
        ),
        (
            "'%05.2f|%-4s|%%|%#x|%+d|%e|%g' % [3.14159, 'ab', 255, 5, 12345.678, 1e-10]",
            r#""03.14|ab  |%|0xff|+5|1.234568e+04|1e-10""#,
        ),
        ("'%(name)s-%(n)03d' % {name: 'web', n: 7}", r#""web-007""#),
        ("|||\n  one\n    two\n\n  three\n|||", r#""one\n  two\n\nthree\n""#),
        (
            "[@'a\\b', 'a\\u00e9\\n', \"it's\", 'abc'[1], 'abcdef'[1:5:2], [1, 2, 3][-2:]]",
            r#"["a\\b","aé\n","it's","b","bd",[2,3]]"#,
        ),
        ("std.toString({a: [1, 'x', null], b: {}, c: 1.5})", r#""{\"a\": [1, \"x\", null], \"b\": { }, \"c\": 1.5}""#),
        (
            "std.manifestYamlDoc({a: ['x\\n', {b: 1}], c: {}, d: [[1]]})",
            r#""\"a\":\n- |\n  x\n- \"b\": 1\n\"c\": {}\n\"d\":\n-\n  - 1""#,
        ),
        ("std.manifestJsonMinified({a: [1, {}]})", r#""{\"a\":[1,{}]}""#),
        ("std.manifestTomlEx({a: 1, t: {b: [1, 2]}}, ' ')", r#""a = 1\n\n[t]\n b = [\n  1,\n  2\n ]""#),
        ("std.parseYaml('a: 1\\nb: [x, 2.5]')", r#"{"a":1,"b":["x",2.5]}"#),
        ("[std.parseJson('{\"a\": [null]}'), std.parseInt('-12'), std.parseHex('ff')]", r#"[{"a":[null]},-12,255]"#),
        (
            "[std.md5('x'), std.sha1('x')[:8], std.sha256('x')[:8], std.sha3('x')[:8], std.base64('fleet')]",
            r#"["9dd4e461268c8034f5c8564e155c67a6","11f6ad8e","2d711642","0fdb2796","ZmxlZXQ="]"#,
        ),
        (
            "[std.setUnion([1, 3], [2, 3]), std.setDiff([1, 2], [2]), std.set(['b', 'a', 'b']), std.sort([3, 1], function(x) -x)]",
            r#"[[1,2,3],[1],["a","b"],[3,1]]"#,
        ),
        ("std.mergePatch({a: 1, b: {c: 2}}, {a: null, b: {d: 3}})", r#"{"b":{"c":2,"d":3}}"#),
        ("std.prune({a: null, b: [], c: {d: null}, e: [1, null]})", r#"{"e":[1]}"#),
        ("std.objectFields(std.objectRemoveKey({a: 1, b:: 2, c: 3}, 'a'))", r#"["c"]"#),
        (
            "[std.length('añb'), std.length({a: 1, b:: 2}), std.length(function(a, b=1) a), std.type(null)]",
            r#"[3,1,1,"null"]"#,
        ),
        ("std.foldl(function(a, b) a + b, std.range(1, 4), 0) + std.foldr(function(a, b) a - b, [1, 2, 3], 0)", "12"),
        ("{a: 1} + {a+: 2, b+: 3} == {a: 3, b: 3} && [1, 'a'] < [1, 'b'] && 'a' in {a:: 1}", "true"),
        ("local t = std.trace('seen', 5); t + 1", "6 note: seen"),
        ("std.thisFile", r#""main.jsonnet""#),
        ("if false then error 'never'", "null"),
        ("local loop(n, sum) = if n == 0 then sum else loop(n - 1, sum + n) tailstrict; loop(20000, 0)", "200010000"),
    ] {
        let found = one(program);
        if found != want {
            wrong.push(format!("{program}\n  gives {found}\n  not   {want}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn errors_have_places() {
    let mut wrong = Vec::new();
    for (program, want) in [
        ("{\n  a: b,\n}", "main.jsonnet:2:6: undefined local: b"),
        ("local value = 1;\nvalu", "main.jsonnet:2:1: undefined local: valu"),
        ("{a: 1, a: 2}", "main.jsonnet:1:1: duplicate field name: a"),
        ("{a: {b: 1}.c}", "main.jsonnet:1:1: no such field: c"),
        ("self.a", "main.jsonnet:1:1: `self` used outside of object"),
        ("local x = 1, x = 2; x", "main.jsonnet:1:14: local is already defined in the current frame: x"),
        ("{a: error 'no ' + 'way'}", "main.jsonnet:1:5: no way"),
        ("{assert false : 'broken', a: 1}.a", "main.jsonnet:1:9: assert failed: broken"),
        ("[1, 2", "main.jsonnet:1:6: expected ']', got end of file"),
        ("'abc", "main.jsonnet:1:1: unterminated single-quoted string"),
        ("{a: 1} + 1", "main.jsonnet:1:1: binary operation object + number is not implemented"),
        ("(function(x) x)(1, 2)", "main.jsonnet:1:16: too many args, function has 1"),
        ("std.length(1)", "main.jsonnet:1:11: type error: every failed from string | array | object | function:"),
        ("std.extVar('no')", "main.jsonnet:1:11: external variable is not defined: no"),
        ("1 / 0", "main.jsonnet:1:1: attempted to divide by zero"),
        ("function(x) x", "main.jsonnet:1:1: function argument is not passed: x"),
        ("{f: function(x) x}", "main.jsonnet:1:1: the value is a function, which is no data"),
        (
            "import 'gone.libsonnet'",
            "main.jsonnet:1:1: the import `gone.libsonnet` is neither beside the file nor in a library folder",
        ),
        ("import '/etc/passwd'", "main.jsonnet:1:1: the import `/etc/passwd` is absolute"),
        (
            "importstr '../../etc/passwd'",
            "main.jsonnet:1:1: the import `../../etc/passwd` is neither beside the file nor in a library folder",
        ),
    ] {
        let found = one(program);
        if found != want {
            wrong.push(format!("{program}\n  gives {found}\n  not   {want}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_program_ends() {
    let mut wrong = Vec::new();
    for (program, want) in [
        ("local f(n) = f(n + 1); f(0)", "wait for each other"),
        ("local a = [a]; a", "are inside each other"),
        ("local a = {a: self}; a", "are inside each other"),
        ("local x = x; x", "infinite recursion"),
        ("local f(n) = [f(n + 1)]; f(0)", "are inside each other"),
        ("std.repeat('x', 1e12)", "would make more than "),
        ("std.range(0, 1e12)", "would make more than "),
        ("std.makeArray(1e9, function(i) i)", "would make more than "),
    ] {
        let found = deep(program);
        if !found.contains(want) {
            wrong.push(format!("{program}\n  gives {found}\n  not   {want}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for program in
        ["[".repeat(5000), "-".repeat(100_000), "{a:".repeat(5000), "(".repeat(5000), "x+".repeat(9000) + "x"]
    {
        let found = deep(&program);
        assert!(found.starts_with("main.jsonnet:1:"), "{found}");
    }
    let long = "1".to_owned() + &"+1".repeat(20_000);
    assert!(deep(&long).contains("nested deeper than 2000 levels"), "{}", deep(&long));
    let fields = "{}".to_owned() + &".a".repeat(20_000);
    assert_eq!(deep(&fields), "main.jsonnet:1:1: no such field: a");
    assert_eq!(deep(&("1".to_owned() + &"+1".repeat(1_500))), "1501");
}

/// What recurses as deep as the stack lets it, and what is freed as deep.
#[test]
fn no_program_overflows_the_stack() {
    let body = "1+(".repeat(600) + "f(n + 1)" + &")".repeat(600);
    for (program, want) in [
        (
            "local o = {['a' + i]: if i == 0 then 0 else o['a' + (i - 1)] + 1 for i in std.range(0, 20000)}; o.a20000",
            "20000",
        ),
        ("std.foldl(function(all, x) [all], std.range(0, 20000), null)", "inside each other"),
        ("std.length(std.foldl(function(all, x) all + 'xy', std.range(1, 20000), ''))", "40000"),
        (
            "local a = std.foldl(function(all, x) all + {[std.toString(x)]: x}, std.range(1, 2000), {}); std.length(a)",
            "2000",
        ),
        ("std.foldr(function(x, all) {x: all}, std.range(0, 20000), null).x.x.y", "no such field: y"),
        ("local f(n) = if n == 0 then 0 else 1 + f(n - 1); f(3000)", "3000"),
        (&format!("local f(n) = {body}; f(0)"), "wait for"),
    ] {
        let found = deep(program);
        assert!(found.contains(want), "{}: {found}", program.get(..100).unwrap_or(program));
    }
}

#[test]
fn a_panic_of_the_interpreter_is_an_error() {
    // It counts the width in 16 bits; without checks, as in a release, it goes on with what is left of it.
    let found = deep("'%1000000000d' % 1");
    assert_eq!(found.contains("the Jsonnet interpreter gave up on `main.jsonnet`"), cfg!(debug_assertions), "{found}");
}

#[test]
fn imports_that_are_not_there_matter_when_they_are_evaluated() {
    assert_eq!(one("if true then 1 else import 'gone.libsonnet'"), "1");
    assert_eq!(one("[importstr 'gone.txt', 1][1]"), "1");
    assert_eq!(one("local x = 'a'; import x"), "main.jsonnet:1:16: import path must be a string literal");
    let broken = [("a.jsonnet", "if true then 2 else import 'b.libsonnet'"), ("b.libsonnet", "{")];
    assert_eq!(run(&broken, &Options::default()), "2");
}

#[test]
fn imports_stay_in_the_tree() {
    let files = [
        (
            "app/main.jsonnet",
            "{a: import 'lib/a.libsonnet', b: import 'b.libsonnet', t: importstr 'lib/t.txt', n: importbin 'lib/t.txt'}",
        ),
        ("app/lib/a.libsonnet", "{file: std.thisFile, beside: import 'x.libsonnet'}"),
        ("app/lib/x.libsonnet", "'x of lib'"),
        ("app/x.libsonnet", "'x of app'"),
        ("app/lib/t.txt", "hé"),
        ("vendor/b.libsonnet", "'b of vendor'"),
        ("other/b.libsonnet", "'b of other'"),
    ];
    let folder = |path: &str| TreePath::new(path).unwrap();
    let options = Options { libraries: vec![folder("vendor"), folder("other")], ..Options::default() };
    let want =
        r#"{"a":{"beside":"x of lib","file":"app/lib/a.libsonnet"},"b":"b of vendor","n":[104,195,169],"t":"hé"}"#;
    assert_eq!(run(&files, &options), want);
    let options = Options { libraries: vec![folder("other")], ..Options::default() };
    assert!(run(&files, &options).contains("b of other"));
    let round = [("a.jsonnet", "import 'b.jsonnet'"), ("b.jsonnet", "import 'a.jsonnet'")];
    assert_eq!(run(&round, &Options::default()), "b.jsonnet:1:1: infinite recursion detected");
    let wrong = [("a.jsonnet", "{a: import 'b.libsonnet'}"), ("b.libsonnet", "{\n  b: }")];
    assert_eq!(run(&wrong, &Options::default()), "b.libsonnet:2:6: unexpected '}'");
}

#[test]
fn variables() {
    let variable = |name: &str, value: &str, code| Variable {
        name: name.to_owned(),
        value: value.to_owned(),
        code,
        span: Span::NONE,
    };
    let options = Options {
        external: vec![variable("env", "1 + 1", false), variable("n", "1 + 1", true), variable("bad", "1 +", true)],
        arguments: vec![variable("name", "web", false), variable("ports", "[80, 443]", true)],
        ..Options::default()
    };
    let wrong = run(&[("main.jsonnet", "1")], &options);
    assert_eq!(wrong, "nowhere: the external variable `bad`: unexpected end of file");
    let options = Options { external: options.external.into_iter().filter(|v| v.name != "bad").collect(), ..options };
    let program = "function(name, ports, more='m') {name: name, ports: ports, more: more, env: std.extVar('env'), n: std.extVar('n')}";
    let want = r#"{"env":"1 + 1","more":"m","n":2,"name":"web","ports":[80,443]}"#;
    assert_eq!(run(&[("main.jsonnet", program)], &options), want);
    let twice =
        Options { arguments: [&options.arguments[..], &[variable("name", "db", false)]].concat(), ..options.clone() };
    assert_eq!(run(&[("main.jsonnet", program)], &twice), want.replace("web", "db"));
    // Arguments are for functions only.
    assert_eq!(run(&[("main.jsonnet", "{}")], &options), "{}");
    let found = run(&[("main.jsonnet", "function(name) {name: name}")], &options);
    assert_eq!(found, "main.jsonnet:1:1: parameter ports is not defined");
}
