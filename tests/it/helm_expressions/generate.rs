//! Template expressions from a seed: every function of both profiles with fitting and odd operands, and all that Go's language has around
//! them. What is random or looks at the clock is left out, and counts that would make the originals run out of memory.

use super::super::kustomize_random::random::Random;

/// Functions and the kinds of their operands: s text, i count, n number, l list, m list of texts, d dictionary, b bool, a anything, j JSON,
/// y YAML, o TOML, v version, c constraint, r regular expression, u address, D duration, T instant, L layout, p path, k key, w word with
/// fixed meaning, q small count; `*` repeats the last.
#[rustfmt::skip]
const FUNCTIONS: &[(&str, &str)] = &[
    ("abbrev", "qs"), ("abbrevboth", "qqs"), ("add", "nn*"), ("add1", "n"), ("add1f", "n"), ("addf", "nn*"), ("adler32sum", "s"),
    ("all", "aa*"), ("any", "aa*"), ("append", "la"), ("atoi", "s"), ("b32dec", "s"), ("b32enc", "s"), ("b64dec", "s"), ("b64enc", "s"),
    ("base", "p"), ("biggest", "nn*"), ("buildCustomCert", "ss"), ("camelcase", "s"), ("cat", "aa*"), ("ceil", "n"), ("chunk", "ql"), ("clean", "p"),
    ("coalesce", "aa*"), ("compact", "l"), ("concat", "ll*"), ("contains", "ss"), ("date", "LT"), ("dateInZone", "LTw"),
    ("dateModify", "DT"), ("date_in_zone", "LTw"), ("date_modify", "DT"), ("decryptAES", "ss"), ("deepCopy", "a"), ("deepEqual", "aa"),
    ("default", "aa"), ("dict", "ka*"), ("dig", "kad"), ("dir", "p"), ("div", "nn"), ("divf", "nn*"), ("duration", "n"),
    ("durationRound", "n"), ("empty", "a"), ("ext", "p"), ("fail", "s"), ("first", "l"), ("float64", "a"), ("floor", "n"),
    ("fromJson", "j"), ("fromJsonArray", "j"), ("fromToml", "o"), ("fromYaml", "y"), ("fromYamlArray", "y"), ("get", "dk"),
    ("getHostByName", "s"), ("has", "al"), ("hasKey", "dk"), ("hasPrefix", "ss"), ("hasSuffix", "ss"), ("hello", ""),
    ("htmlDate", "T"), ("htmlDateInZone", "Tw"), ("include", "wa"), ("indent", "qs"), ("initial", "l"), ("initials", "s"), ("int", "a"),
    ("int64", "a"), ("isAbs", "p"), ("join", "sl"), ("kebabcase", "s"), ("kindIs", "wa"), ("kindOf", "a"), ("last", "l"), ("list", "aa*"),
    ("lookup", "ssss"), ("lower", "s"), ("max", "nn*"), ("maxf", "nn*"), ("merge", "ddd"), ("mergeOverwrite", "ddd"), ("min", "nn*"),
    ("minf", "nn*"), ("mod", "nn"), ("mul", "nn*"), ("mulf", "nn*"), ("mustAppend", "la"), ("mustChunk", "ql"), ("mustCompact", "l"),
    ("mustDateModify", "DT"), ("mustDeepCopy", "a"), ("mustFirst", "l"), ("mustFromJson", "j"), ("mustHas", "al"), ("mustInitial", "l"),
    ("mustLast", "l"), ("mustMerge", "dd"), ("mustMergeOverwrite", "dd"), ("mustPrepend", "la"), ("mustPush", "la"),
    ("mustRegexFind", "rs"), ("mustRegexFindAll", "rsq"), ("mustRegexMatch", "rs"), ("mustRegexReplaceAll", "rss"),
    ("mustRegexReplaceAllLiteral", "rss"), ("mustRegexSplit", "rsq"), ("mustRest", "l"), ("mustReverse", "l"), ("mustSlice", "lqq"),
    ("mustToDate", "Ls"), ("mustToJson", "a"), ("mustToPrettyJson", "a"), ("mustToRawJson", "a"), ("mustUniq", "l"), ("mustWithout", "la"),
    ("must_date_modify", "DT"), ("nindent", "qs"), ("nospace", "s"), ("omit", "dk*"), ("osBase", "p"), ("osClean", "p"), ("osDir", "p"),
    ("osExt", "p"), ("osIsAbs", "p"), ("pick", "dk*"), ("pluck", "kd*"), ("plural", "ssi"), ("prepend", "la"), ("print", "aa*"),
    ("println", "aa*"), ("push", "la"), ("quote", "aa*"), ("regexFind", "rs"), ("regexFindAll", "rsq"), ("regexMatch", "rs"),
    ("regexQuoteMeta", "s"), ("regexReplaceAll", "rss"), ("regexReplaceAllLiteral", "rss"), ("regexSplit", "rsq"), ("repeat", "qs"),
    ("replace", "sss"), ("required", "sa"), ("rest", "l"), ("reverse", "l"), ("round", "nq"), ("semver", "v"), ("semverCompare", "cv"),
    ("seq", "qqq"), ("set", "dka"), ("sha1sum", "s"), ("sha256sum", "s"), ("sha512sum", "s"), ("slice", "lqq"), ("snakecase", "s"),
    ("sortAlpha", "l"), ("split", "ss"), ("splitList", "ss"), ("splitn", "sqs"), ("squote", "aa*"), ("sub", "nn"), ("subf", "nn*"),
    ("substr", "qqs"), ("swapcase", "s"), ("ternary", "aab"), ("title", "s"), ("toDate", "Ls"), ("toDecimal", "a"), ("toJson", "a"),
    ("toPrettyJson", "a"), ("toRawJson", "a"), ("toString", "a"), ("toStrings", "l"), ("toToml", "d"), ("toYaml", "a"), ("toYamlPretty", "a"),
    ("tpl", "ta"), ("trim", "s"), ("trimAll", "ss"), ("trimPrefix", "ss"), ("trimSuffix", "ss"), ("trimall", "ss"), ("trunc", "qs"),
    ("tuple", "aa*"), ("typeIs", "wa"), ("typeIsLike", "wa"), ("typeOf", "a"), ("uniq", "l"), ("unixEpoch", "T"), ("unset", "dk"),
    ("until", "q"), ("untilStep", "qqq"), ("untitle", "s"), ("upper", "s"), ("urlJoin", "d"), ("urlParse", "u"), ("without", "la*"),
    ("wrap", "qs"), ("wrapWith", "qss"), ("and", "aa*"), ("or", "aa*"), ("not", "a"), ("len", "a"), ("index", "ak*"), ("eq", "aa*"),
    ("ne", "aa"), ("lt", "nn"), ("le", "nn"), ("gt", "nn"), ("ge", "nn"), ("html", "aa*"), ("js", "aa*"), ("urlquery", "aa*"), ("call", "a"),
    ("mustToYaml", "a"), ("mustToToml", "d"), ("mustToDuration", "D"), ("durationSeconds", "D"), ("durationMilliseconds", "D"),
    ("durationMicroseconds", "D"), ("durationNanoseconds", "D"), ("durationMinutes", "D"), ("durationHours", "D"), ("durationDays", "D"),
    ("durationWeeks", "D"), ("durationRoundTo", "DD"), ("durationTruncateTo", "DD"),
];

#[rustfmt::skip]
const ODD: &[&str] = &[
    "nil", "true", "false", "0", "1", "-1", "7", "3.0", "1.5", "-0.25", "1e6", "1e21", "9223372036854775807", "0x10", "'a'", "2i", "\"\"",
    "\"a\"", "\"hello World\"", "\"3\"", "\"-4.5\"", "\"0x1f\"", "\"010\"", "\"true\"", "\"a,b,,c\"", "\"héllo ☃\"", "\"\\xff\\x00x\"", "\"<a&b>'\\\"\"",
    "`raw\\n`", "\"x: 1\\ny: [a, b]\\n\"", "(list)", "(list 1 \"a\" nil true 2.5)", "(list \"b\" \"a\" \"c\" \"a\")", "(list (list 1) (dict \"k\" \"v\"))",
    "(dict)", "(dict \"a\" 1 \"b\" (dict \"c\" \"d\" \"e\" nil))", "(dict \"x\" (list 1 2))", "$v", "$v.text", "$v.int", "$v.float", "$v.big",
    "$v.huge", "$v.tiny", "$v.neg", "$v.yes", "$v.no", "$v.null", "$v.missing", "$v.missing.deep", "$v.empty", "$v.list", "$v.numbers",
    "$v.objects", "$v.map", "$v.map.inner", "$v.emptyMap", "$v.emptyList", "$v.multiline", "$v.unicode", "$v.quoted", "$v.version",
    "$v.date", "$v.octal", ".", ".Chart", ".Chart.Name", ".Chart.Version", ".Chart.Maintainers", ".Release", ".Release.Name",
    ".Release.IsInstall", ".Release.Revision", ".Capabilities", ".Capabilities.KubeVersion", ".Capabilities.KubeVersion.Minor",
    ".Capabilities.APIVersions", ".Capabilities.HelmVersion", ".Files", ".Template", ".Template.Name", ".Values", ".Subcharts", ".Nothing",
    ".Release.Nothing", ".Chart.Nothing", "(.Files.Get \"files/a.txt\")", "(.Files.GetBytes \"files/a.txt\")", "(.Files.Glob \"files/*\")",
    "(.Files.Lines \"files/a.txt\")", "(int64 5)", "(int 3)", "(float64 2)", "(toString 5)", "(semver \"1.2.3-beta.1+build\")",
    "(urlParse \"http://u:p@h:80/p?q=1#f\")", "(toDate \"2006-01-02\" \"2024-02-29\")", "(until 3)", "(split \",\" \"a,b\")", "(splitList \",\" \"a,b\")",
    "(b64dec \"//79\")", "(tuple 1 2)", "(print nil)", "(fromYaml \"a: 1\\nb: [1, 2.5, x]\\nc: null\")", "(fromJson `{\"n\": 1, \"l\": [1]}`)",
    "(fromToml \"i = 3\\nf = 1.5\\n[t]\\nx = true\")", "(index $v.list 0)", "(regexFindAll \"[a-c]\" \"abcabc\" -1)", "(.Capabilities.KubeVersion.Version)",
    "(.Values.AsMap)", "(.Values.YAML)", "(.Values.Table \"map\")", "(.Values.PathValue \"map.inner\")",
];

#[rustfmt::skip]
fn operand(random: &mut Random, kind: u8) -> String {
    let list: &[&str] = match kind {
        b's' => &["\"abc\"", "\"Hello World foo\"", "\"a\"", "\"\"", "\" padded \"", "\"camelCaseText_and-more\"", "\"über ☃ x\"", "\"aGVsbG8=\"", "\"NBSWY3DP\"", "\"a-b_c.d\"", "\",\"", "\"one\\ntwo\\n\"", "\"$1x${2}\"", "$v.text", "$v.unicode", "$v.multiline", "\"HTTPServer2Go\"", "\"2024-03-05\"", "\"%\"", "\"12\"", "\"[a\"", "\"a!b\"", "\"-\""],
        b'i' => &["0", "1", "2", "-1", "5", "$v.int", "(int $v.int)", "(int64 2)"],
        b'q' => &["0", "1", "2", "3", "-1", "-3", "5", "8", "20", "(int $v.int)", "(int 2)", "\"2\""],
        b'n' => &["0", "1", "2", "3", "-7", "10", "2.5", "-0.1", "1e3", "\"4\"", "\"2.75\"", "\"x\"", "$v.int", "$v.float", "$v.big", "(int64 9)", "9223372036854775807", "true", "3.7", "(int $v.int)", "0.1", "\"0b11\"", "\"1_000\"", "100"],
        b'l' => &["(list 1 2 3)", "(list)", "(list \"b\" \"a\" \"\" nil \"a\")", "$v.list", "$v.numbers", "$v.objects", "(list 1 1.0 \"1\" true)", "(until 4)", "(splitList \"-\" \"x-y-z\")", "$v.emptyList", "(list (list 1 2) (list 3))", "(tuple \"x\" 1)", "(list nil nil)", "(untilStep 0 10 3)"],
        b'd' => &["(dict)", "(dict \"a\" 1 \"b\" 2)", "(dict \"a\" (dict \"b\" (dict \"c\" 3)))", "$v.map", "$v.emptyMap", "$v", "(dict \"a\" nil \"z\" \"\" \"l\" (list 1 2))", "(dict \"a\" \"x\" \"scheme\" \"https\" \"host\" \"h:1\" \"path\" \"/p\" \"query\" \"q=1\")", "(dict 1 2 true 3)", "(dict \"b\" (dict \"x\" false) \"f\" 1.5)", "(fromYaml \"a: {b: 1}\")"],
        b'b' => &["true", "false", "$v.yes", "$v.no", "(eq 1 1)", "(empty \"\")"],
        b'j' => &["`{\"a\": 1, \"b\": [true, null, 1.5e3, \"x\\u00e9\"]}`", "`[1, \"2\", {\"k\": []}]`", "`\"text\"`", "`{`", "`{\"a\": 1,}`", "`nul`", "`12345678901234567890`", "\"\"", "`{\"b\":{\"z\":1,\"a\":2}}`", "`[1,2`", "` true `", "`{\"a\":1} x`", "`{'a':1}`", "`null`"],
        b'y' => &["\"a: 1\\nb: {c: [1, 2]}\\n\"", "\"- 1\\n- x\\n\"", "\"a: [1\"", "\"a: b: c\"", "\"\\ttab: 1\"", "\"yes: no\\non: off\\n1: 2\"", "\"just text\"", "\"\"", "\"a: 0755\\nb: 1_000\\nc: 1e3\\nd: 0x1F\\ne: .inf\"", "\"a: &x 1\\nb: *x\"", "\"a: *y\"", "\"a: 1\\na: 2\"", "\"---\\na: 1\\n---\\nb: 2\"", "\"a: |\\n  x\\n  y\\n\"", "\"a: !!str 1\\nb: !x y\"", "\"{a: 1, b: }\"", "\"a: 2024-01-02\"", "\"a: ~\\nb:\"", "\"[a, b\"", "\"a: 'x\"", "\"? x\\n: y\"", "$v.multiline", "\"<<: {a: 1}\\nb: 2\"", "\"- a: 1\\n  b: 2\\n -c\"", "\"a: %x\"", "\"@a\""],
        b'o' => &["\"a = 1\\nb = 'x'\\n\"", "\"[t]\\nx = [1, 2.5]\\n[t.u]\\ny = true\"", "\"a = \"", "\"a = 1\\na = 2\"", "\"[[l]]\\nn=1\\n[[l]]\\nn=2\"", "\"\"", "\"x = 2024-01-02T03:04:05Z\"", "\"a.b.c = 1e3\"", "\"a = [1,\"", "\"'k e y' = 0x10\"", "\"a = \\\"x\""],
        b'v' => &["\"1.2.3\"", "\"v1.2\"", "\"1\"", "\"1.2.3-beta.1+x\"", "\"v1.33.0-gke.1\"", "\"a.b.c\"", "\"\"", "\"01.2.3\"", "\"1.2.3.4\"", "\"2.0.0\"", "\"1.2.3-\"", "$v.version", ".Capabilities.KubeVersion.Version", "\"99999999999999999999.0.0\""],
        b'c' => &["\">=1.2\"", "\"^1.2.3\"", "\"~1.2\"", "\"1.x\"", "\">1.0 <2.0\"", "\">=1.0-0 || <0.5\"", "\"*\"", "\"!=1.2.3\"", "\"1.2 - 2.0\"", "\"\"", "\">>1\"", "\"=1.2.3-beta.1\"", "\"^0.0.3\"", "\">=1.19-0\"", "\"x.y\"", "\"~>1.2, !=1.2.5\"", "\"<=1.2.3-alpha\""],
        b'r' => &["\"[a-c]+\"", "\"^a(b)?\"", "\"\"", "\"(\"", "\"[\"", "\"(?i)HELLO\"", "`\\s+`", "`\\d{2,}`", "\"a|b\"", "\"(?P<x>o)\"", "`\\bW`", "\"*\"", "`\\p{Lu}`", "\".\"", "\"x*\"", "\"(a)(b)\"", "`\\Q.\\E`", "\"a{2000}\"", "`\\z`", "\"(?=a)\""],
        b'u' => &["\"http://user:pw@host:8080/a/b?x=1&y=2#frag\"", "\"https://h\"", "\"/only/path\"", "\"mailto:a@b\"", "\"\"", "\"http://[::1]:80/\"", "\"://x\"", "\"http://h/%zz\"", "\"//h/p\"", "\"a b\"", "\"http://h:port/\""],
        b'D' => &["\"1h30m\"", "\"90s\"", "\"-5m\"", "\"1.5h\"", "\"100ms\"", "\"x\"", "\"\"", "\"3600\"", "60", "1.5", "$v.int", "(int64 90)", "\"2h45m30.5s\"", "\"1us\"", "nil", "\"24h\"", "true", "\" 5m \""],
        b'T' => &["(toDate \"2006-01-02\" \"2024-02-29\")", "(toDate \"2006-01-02T15:04:05Z07:00\" \"2023-07-08T09:10:11+02:00\")", "1700000000", "(int64 0)", "(toDate \"2006\" \"bad\")", "-1", "(toDate \"15:04\" \"23:59\")"],
        b'L' => &["\"2006-01-02\"", "\"Mon Jan _2 15:04:05 MST 2006\"", "\"02.01.06 03:04PM\"", "\"2006-01-02T15:04:05Z07:00\"", "\"\"", "\"Monday, January 2 2006 .000 -0700\"", "\"002 15h\"", "\"x\""],
        b'p' => &["\"/a/b/c.txt\"", "\"a/../b\"", "\"\"", "\".\"", "\"/\"", "\"a//b/\"", "\"c.tar.gz\"", "\"../..\"", "\"a/.hidden\"", "$v.text"],
        b'k' => &["\"a\"", "\"b\"", "\"inner\"", "\"nope\"", "\"text\"", "\"\"", "\"z\"", "0", "1"],
        b'w' => &["\"string\"", "\"float64\"", "\"int\"", "\"map\"", "\"slice\"", "\"UTC\"", "\"\"", "\"map[string]interface {}\"", "\"h.name\"", "\"h.dict\"", "\"h.nope\"", "\"h.fail\"", "\"h.nil\"", "\"bool\"", "\"invalid\"", "\"h.list\"", "\"[]interface {}\"", "\"struct\"", "\"ptr\""],
        b't' => &["\"{{ .Values.text }}-x\"", "\"plain\"", "\"{{ include \\\"h.name\\\" . }}\"", "\"{{ .Values.nope.deep }}\"", "\"{{ fail \\\"no\\\" }}\"", "\"{{ if }}\"", "\"{{ nope }}\"", "\"{{ range .Values.list }}{{ . }},{{ end }}\"", "\"{{ define \\\"t@@\\\" }}in{{ end }}{{ include \\\"t@@\\\" . }}\"", "\"{{ tpl \\\"{{ .Release.Name }}\\\" . }}\"", "\"{{ required \\\"need it\\\" .Values.nope }}\"", "\"<no value>{{ .Values.missing }}\"", "\"{{\"", "\"{{ .x }}\"", "$v.multiline", "\"{{ $x := 1 }}{{ $x }}\\n{{- \\\" t \\\" -}}  y\""],
        _ => ODD,
    };
    random.pick(list).to_owned()
}

/// One call, in brackets or not.
fn call(random: &mut Random, depth: usize) -> String {
    let (name, kinds) = FUNCTIONS[random.below(FUNCTIONS.len())];
    call_of(random, name, kinds, depth)
}

fn call_of(random: &mut Random, name: &str, kinds: &str, depth: usize) -> String {
    let repeats = kinds.ends_with('*');
    let mut kinds: Vec<u8> = kinds.bytes().filter(|kind| *kind != b'*').collect();
    if repeats {
        let (first, last) = (kinds[0], *kinds.last().unwrap());
        for _ in 0..random.below(3) {
            if name == "dict" {
                kinds.push(first);
            }
            kinds.push(last);
        }
    }
    match random.below(20) {
        0 => drop(kinds.pop()),
        1 => kinds.push(b'a'),
        _ => {}
    }
    let odd = random.below(10);
    let mut operands = Vec::new();
    for (at, kind) in kinds.iter().enumerate() {
        // Counts stay small: the originals would run out of memory.
        let text = if odd == at && *kind != b'q' && *kind != b'T' && *kind != b't' {
            operand(random, b'a')
        } else if depth > 0 && !matches!(kind, b'q' | b'T' | b't' | b'w' | b'L' | b'r') && random.chance(12) {
            format!("({})", call(random, depth - 1))
        } else {
            operand(random, *kind)
        };
        operands.push(text);
    }
    let sorted = if name == "keys" || name == "values" { " | sortAlpha" } else { "" };
    match operands.pop() {
        Some(last) if random.chance(25) => {
            format!("{last} | {}{sorted}", [name.to_owned()].into_iter().chain(operands).collect::<Vec<_>>().join(" "))
        }
        last => format!(
            "{}{sorted}",
            [name.to_owned()].into_iter().chain(operands).chain(last).collect::<Vec<_>>().join(" ")
        ),
    }
}

#[rustfmt::skip]
const VERBS: &[&str] = &[
    "%v", "%+v", "%#v", "%T", "%t", "%d", "%+d", "%05d", "%-6d|", "%x", "%X", "%#x", "%o", "%#o", "%O", "%b", "%c", "%q", "%#q", "%+q", "%U", "%#U", "%e", "%E",
    "%f", "%.2f", "%8.3f", "%g", "%G", "%s", "%10s|", "%-10s|", "%.3s", "%% x", "%z", "%!", "%", "%[2]v %[1]v", "%[3]d", "%*d", "%.*f", "% x", "% d",
    "%6.2f%%", "%v %v", "%s-%s", "%x|%X", "%p", "%08.3f", "%+.1e", "%q %v %d", "%t %t", "%5t|", "%-5v|", "%+q|%#q", "%6q|", "%[x]v", "%[1]", "%.[1]d",
];

fn printed(random: &mut Random) -> String {
    let verb = random.pick(VERBS);
    let count = random.below(4);
    let mut one = || {
        let kind = if random.chance(70) { b'a' } else { b'n' };
        operand(random, kind)
    };
    let operands: Vec<String> = (0..count).map(|_| one()).collect();
    format!("printf {verb:?} {}", operands.join(" "))
}

/// A pipeline.
fn pipeline(random: &mut Random) -> String {
    match random.below(10) {
        0..6 => call(random, 2),
        6 | 7 => {
            let one = call(random, 1);
            let (name, kinds) = FUNCTIONS[random.below(FUNCTIONS.len())];
            let front: Vec<String> =
                kinds.bytes().filter(|kind| *kind != b'*').skip(1).map(|kind| operand(random, kind)).collect();
            let piped = [name.to_owned()].into_iter().chain(front).collect::<Vec<_>>().join(" ");
            // Counts must not come from outside.
            if kinds.contains('q') { one } else { format!("{one} | {piped}") }
        }
        8 => printed(random),
        _ => operand(random, b'a'),
    }
}

/// A template text; what stands before `%%` is outside, beside the template that is printed.
pub(super) fn expression(random: &mut Random) -> String {
    match random.below(20) {
        0..13 => format!("{{{{ {} }}}}", pipeline(random)),
        13 => {
            let (a, b) = (pipeline(random), pipeline(random));
            format!("{{{{ if {a} }}}}yes{{{{ else if {b} }}}}other{{{{ else }}}}no{{{{ end }}}}")
        }
        14 => {
            let over = if random.chance(50) { operand(random, b'l') } else { operand(random, b'a') };
            let inner = random.pick(&[
                "{{ . }},",
                "{{ $i }}={{ $e }};",
                "{{ if eq $i 1 }}{{ continue }}{{ end }}{{ $e }}",
                "{{ break }}",
                "{{ kindOf . }} {{ typeOf $e }},",
                "{{ $e.name }}",
                "{{ toJson . }}",
            ]);
            let head = if inner.contains("$i") {
                "$i, $e := "
            } else if inner.contains("$e") {
                "$e := "
            } else {
                ""
            };
            format!("{{{{ range {head}{over} }}}}{inner}{{{{ else }}}}none{{{{ end }}}}")
        }
        15 => {
            let (a, b) = (pipeline(random), operand(random, b'a'));
            let inner = random.pick(&["{{ . }}", "{{ $x }}", "{{ toJson . }}", "{{ .a }}", "{{ $.Release.Name }}"]);
            let head = if inner.contains("$x") { "$x := " } else { "" };
            format!("{{{{ with {head}{a} }}}}{inner}{{{{ else with {b} }}}}else {{{{ . }}}}{{{{ end }}}}")
        }
        16 => {
            let (a, b) = (pipeline(random), pipeline(random));
            format!("{{{{ $x := {a} }}}}{{{{ $x }}}}|{{{{ $x = {b} }}}}{{{{ $x | toJson }}}}")
        }
        17 => {
            let (trim, data) = (random.pick(&["", "- "]), operand(random, b'a'));
            let body = pipeline(random);
            format!(
                "{{{{ define \"d@@\" }}}} {{{{ {body} }}}} {{{{ . }}}}{{{{ end }}}}%%a  {{{{{trim}template \"d@@\" {data} }}}}  b"
            )
        }
        18 => format!("{{{{ {} }}}}", printed(random)),
        _ => {
            let (a, b) = (operand(random, b'a'), operand(random, b'a'));
            let compare = random.pick(&["eq", "ne", "lt", "le", "gt", "ge"]);
            format!("{{{{ {compare} {a} {b} }}}} {{{{ toYaml (list {a} {b}) }}}}")
        }
    }
}

/// Every function so many times, whatever chance would pick.
pub(super) fn every_function(random: &mut Random, times: usize) -> Vec<String> {
    FUNCTIONS
        .iter()
        .flat_map(|row| std::iter::repeat_n(*row, times))
        .map(|(name, kinds)| format!("{{{{ {} }}}}", call_of(random, name, kinds, 0)))
        .collect()
}

/// Every verb with values of every kind.
pub(super) fn every_verb(random: &mut Random) -> Vec<String> {
    let mut found = Vec::new();
    for verb in VERBS {
        for values in ODD.chunks(9) {
            let value = random.pick(values);
            found.push(format!("{{{{ printf {verb:?} {value} }}}}"));
        }
    }
    found
}
