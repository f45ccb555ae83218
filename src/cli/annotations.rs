//! Findings for other programs: SARIF 2.1.0 for code scanning, workflow commands for GitHub Actions. What they say is what people are told,
//! hints included; no line of a source is in them.

use fleetc::diag::{Diagnostic, Diagnostics, Severity};
use fleetc::lint;
use fleetc::span::{SourceMap, Span};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// What stands as it is in the path of a URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One SARIF document.
pub(crate) fn sarif(diagnostics: &Diagnostics, sources: &SourceMap) -> Value {
    let mut codes: Vec<&'static str> = diagnostics.iter().map(|found| found.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Value> = codes.iter().map(|code| rule(code)).collect();
    let results: Vec<Value> = diagnostics.iter().map(|found| result(found, &codes, sources)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "fleetc", "version": env!("CARGO_PKG_VERSION"), "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let Some(known) = lint::rule(code) else { return json!({ "id": code }) };
    json!({
        "id": code, "shortDescription": {"text": known.summary}, "fullDescription": {"text": known.why},
        "help": {"text": known.fix},
    })
}

fn result(found: &Diagnostic, codes: &[&str], sources: &SourceMap) -> Value {
    let level = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let mut one = json!({
        "ruleId": found.code, "ruleIndex": codes.binary_search(&found.code).unwrap_or_default(), "level": level,
        "message": {"text": text(found)},
    });
    let Some(fields) = one.as_object_mut() else { return one };
    fields.insert("locations".to_owned(), location(found.span, None, sources).into_iter().collect());
    let steps = found.labels.iter().chain(&found.trace);
    let related: Vec<Value> = steps.filter_map(|(span, said)| location(*span, Some(said), sources)).collect();
    if !related.is_empty() {
        fields.insert("relatedLocations".to_owned(), Value::Array(related));
    }
    one
}

fn location(span: Span, said: Option<&str>, sources: &SourceMap) -> Option<Value> {
    let at = sources.locate(span)?;
    let mut region = json!({"startLine": at.line, "startColumn": at.column});
    let last = Span { start: span.end, ..span };
    if let (Some(end), Some(fields)) = (sources.locate(last).filter(|_| span.end > span.start), region.as_object_mut())
    {
        fields.insert("endLine".to_owned(), end.line.into());
        fields.insert("endColumn".to_owned(), end.column.into());
    }
    let uri = utf8_percent_encode(&at.file, PATH).to_string();
    let mut one = json!({"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}});
    if let (Some(said), Some(fields)) = (said, one.as_object_mut()) {
        fields.insert("message".to_owned(), json!({ "text": said }));
    }
    Some(one)
}

/// The message with what else there is to say, in lines.
fn text(found: &Diagnostic) -> String {
    let steps = found.trace.iter().filter(|(span, _)| span.is_none()).map(|(_, said)| said.clone());
    let hints = found.hints.iter().map(|hint| format!("help: {hint}"));
    std::iter::once(found.message.clone()).chain(steps).chain(hints).collect::<Vec<_>>().join("\n")
}

/// Workflow commands, one line a finding.
/// (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions>)
pub(crate) fn github(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    let mut out = String::new();
    for found in diagnostics.iter() {
        let command = match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let mut properties = Vec::new();
        if let Some(at) = sources.locate(found.span) {
            properties.push(format!("file={}", property(&at.file)));
            properties.push(format!("line={}", at.line));
            properties.push(format!("col={}", at.column));
        }
        properties.push(format!("title={}", property(found.code)));
        out.push_str(&format!("::{command} {}::{}\n", properties.join(","), data(&text(found))));
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetc::path::TreePath;

    #[test]
    fn places_and_texts_survive() {
        let sources = SourceMap::default();
        let path = TreePath::new("a b/ü,1.yaml").unwrap();
        let file = sources.add(path, "a b/ü,1.yaml".to_owned(), b"x: 1\ny: 100%\n"[..].into());
        let found = Diagnostic::error("schema/unknown-field", Span::new(file.id, 5, 6), "100% wrong: y")
            .hint("one\ntwo")
            .label(Span::new(file.id, 0, 1), "here");
        let all = Diagnostics::from(found);
        let text = github(&all, &sources);
        let want =
            "::error file=a b/ü%2C1.yaml,line=2,col=1,title=schema/unknown-field::100%25 wrong: y%0Ahelp: one%0Atwo\n";
        assert_eq!(text, want);
        let document = sarif(&all, &sources);
        let result = &document["runs"][0]["results"][0];
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b/%C3%BC%2C1.yaml");
        assert_eq!(place["region"], json!({"startLine": 2, "startColumn": 1, "endLine": 2, "endColumn": 2}));
        assert_eq!(result["relatedLocations"][0]["message"]["text"], "here");
        let index = result["ruleIndex"].as_u64().unwrap();
        assert_eq!(document["runs"][0]["tool"]["driver"]["rules"][index as usize]["id"], "schema/unknown-field");
    }
}
