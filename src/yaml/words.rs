//! How go-yaml words an error, for programs that must say what Argo CD and Helm say: templates see these texts (`fromYaml`).
//!
//! Our own reader has better words and better places, and other ones. go-yaml's scanner is a port of libyaml's, as libyaml-safer is, whose
//! problems and marks have the same texts; it reads a text again only after our reader has refused it.

use libyaml_safer::{Error, ErrorKind, EventData, Parser};

use crate::diag::Diagnostic;

/// What go-yaml says about a text that our reader refused with `found`: `yaml: line 3: did not find expected key`. Where libyaml takes the
/// text, because the error is one of composing, the words are those of the finding, translated where go-yaml has some.
pub fn go_words(bytes: &[u8], found: &Diagnostic) -> String {
    let text = String::from_utf8_lossy(bytes);
    let problem = match found.code {
        "yaml/syntax" | "yaml/encoding" | "yaml/control-character" => refusal(&text),
        "yaml/alias" => quoted(&found.message).map(|name| match found.message.starts_with("no anchor") {
            true => format!("unknown anchor '{name}' referenced"),
            false => format!("anchor '{name}' value contains itself"),
        }),
        "yaml/alias-expansion" => Some("document contains excessive aliasing".to_owned()),
        "yaml/merge" => Some("map merge requires map or sequence of maps as the value".to_owned()),
        _ => None,
    };
    format!("yaml: {}", problem.unwrap_or_else(|| found.message.clone()))
}

/// The text between backticks.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1).map(|name| name.trim_start_matches('&'))
}

fn refusal(text: &str) -> Option<String> {
    let mut readable = String::with_capacity(text.len() + 1);
    // The port panics at a comma right behind a tag in a flow collection, which go-yaml lets pass. No line of an error depends on the space.
    for (at, piece) in text.split(',').enumerate() {
        if at > 0 {
            let word = readable.rsplit(|c: char| c.is_whitespace() || "[]{},".contains(c)).next();
            let tag = word.is_some_and(|word| word.contains('!'));
            readable.push_str(if tag { " ," } else { "," });
        }
        readable.push_str(piece);
    }
    // It also panics where go-yaml goes on with a zero byte that it has put behind the end: after a backslash, for which it is a letter that
    // means nothing, and in a block text, for which it is a line break.
    if text.ends_with('\\') {
        readable.push('g');
    } else if text.contains(['|', '>']) && !text.ends_with(['\n', '\r']) {
        readable.push('\n');
    }
    // Should it panic otherwise, there are no words of go-yaml, and ours are said.
    std::panic::catch_unwind(|| first_problem(&readable)).ok().flatten()
}

fn first_problem(text: &str) -> Option<String> {
    let mut bytes = text.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut bytes);
    loop {
        match parser.parse() {
            Ok(event) if matches!(event.data, EventData::StreamEnd) => return None,
            Ok(_) => {}
            Err(error) => return Some(worded(&error)),
        }
    }
}

/// go-yaml's line is that of the problem, else that of the context; it counts from 0 for all but scanner errors, and leaves 0 out.
fn worded(error: &Error) -> String {
    let line = |mark: Option<libyaml_safer::Mark>| mark.map(|mark| mark.line).filter(|line| *line != 0);
    let counted = u64::from(error.kind() == ErrorKind::Scanner);
    match line(error.problem_mark()).or_else(|| line(error.context_mark())) {
        Some(line) => format!("line {}: {}", line + counted, error.problem()),
        None => error.problem().to_owned(),
    }
}

/// What sigs.k8s.io/yaml says about a document that has no form in JSON.
pub fn go_json_words(found: &Diagnostic) -> String {
    match (found.code, quoted(&found.message)) {
        ("yaml/number", Some(text)) => {
            let sign = if text.starts_with('-') { "-" } else { "+" };
            let number =
                if text.to_ascii_lowercase().contains("nan") { "NaN".to_owned() } else { format!("{sign}Inf") };
            format!("json: unsupported value: {number}")
        }
        _ => format!("yaml: {}", found.message),
    }
}
