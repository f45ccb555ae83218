//! Diagnostics for people (with the source line, in rustc's look) and as JSON. Values of Secrets are masked in the lines shown.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use fleetc::diag::{Cause, Diagnostic, Diagnostics, Severity};
pub(crate) use fleetc::report::plural;
use fleetc::span::{SourceFile, SourceMap, Span};

/// All diagnostics as text; empty for none.
pub(crate) fn human(diagnostics: &Diagnostics, sources: &SourceMap, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for diagnostic in diagnostics.iter() {
        out.push_str(&one(diagnostic, sources, &renderer));
        out.push_str("\n\n");
    }
    out
}

/// A line that counts: `2 errors, 1 warning`; `None` for nothing to count.
pub(crate) fn count(diagnostics: &Diagnostics) -> Option<String> {
    let number = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let mut parts = Vec::new();
    for (severity, word) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        if number(severity) > 0 {
            parts.push(plural(number(severity), word));
        }
    }
    if parts.is_empty() { None } else { Some(parts.join(", ")) }
}

fn one(diagnostic: &Diagnostic, sources: &SourceMap, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let windows: Vec<Window> = std::iter::once((diagnostic.span, String::new()))
        .chain(diagnostic.labels.iter().cloned())
        .chain(diagnostic.trace.iter().filter(|(span, _)| !span.is_none()).cloned())
        .filter_map(|(span, label)| Window::new(span, label, sources))
        .collect();
    let mut group = Group::with_title(level.clone().primary_title(diagnostic.message.as_str()).id(diagnostic.code));
    for (at, window) in windows.iter().enumerate() {
        let kind =
            if at == 0 && !diagnostic.span.is_none() { AnnotationKind::Primary } else { AnnotationKind::Context };
        let mut annotation = kind.span(window.range.clone());
        if !window.label.is_empty() {
            annotation = annotation.label(window.label.as_str());
        }
        group = group.element(
            Snippet::source(window.text.as_str())
                .path(window.path.as_str())
                .line_start(window.line)
                .annotation(annotation),
        );
    }
    for (_, step) in diagnostic.trace.iter().filter(|(span, _)| span.is_none()) {
        group = group.element(Level::NOTE.message(step.as_str()));
    }
    for hint in &diagnostic.hints {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    renderer.render(&[group])
}

/// The lines around a place, cut so that a large file costs nothing.
struct Window {
    path: String,
    text: String,
    line: usize,
    range: std::ops::Range<usize>,
    label: String,
}

impl Window {
    fn new(span: Span, label: String, sources: &SourceMap) -> Option<Window> {
        let file = sources.get(span.file)?;
        let place = sources.locate(span)?;
        let (lines, range) = excerpt(&file, span);
        Some(Window { path: file.display.clone(), text: mask(&file, lines), line: place.line, range, label })
    }
}

/// The first line of a span, and the span's range in it.
fn excerpt(file: &SourceFile, span: Span) -> (String, std::ops::Range<usize>) {
    let bytes = &file.bytes;
    let start = (span.start as usize).min(bytes.len());
    let from = bytes[..start].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let to = bytes[start..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| start + at);
    let end = (span.end as usize).clamp(start, to);
    let before = String::from_utf8_lossy(&bytes[from..start]).into_owned();
    let inside = String::from_utf8_lossy(&bytes[start..end]).into_owned();
    let after = String::from_utf8_lossy(&bytes[end..to]).into_owned();
    // Very long lines (minified JSON) are shown from the place on.
    let before = if before.len() > 200 { String::new() } else { before };
    let mut line: String = format!("{before}{inside}{after}");
    if line.len() > 400 {
        let cut = (0..=400).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(cut);
    }
    let line = line.replace('\r', " ");
    let first = before.len().min(line.len());
    let last = (before.len() + inside.len()).clamp(first, line.len());
    (line, first..last)
}

/// Hides values in files that hold a Secret, and literals of secret generators: the line shown must never leak one.
fn mask(file: &SourceFile, line: String) -> String {
    let text = String::from_utf8_lossy(&file.bytes);
    let holds_secret = text.lines().any(|l| {
        let l = l.trim_start().trim_start_matches("- ").trim_start_matches("\"kind\"").trim_start_matches("kind");
        l.trim_start_matches([':', ' ']).trim_matches(['"', '\'', ',', ' ']).eq("Secret")
    });
    let generates = text.contains("secretGenerator") || text.contains("SecretGenerator");
    // The text of a template is no value.
    if line.contains("{{") || !holds_secret && !generates && !is_called_secret(&file.display, &line) {
        return line;
    }
    const SHOWN: [&str; 14] = [
        "apiVersion",
        "kind",
        "metadata",
        "name",
        "namespace",
        "labels",
        "annotations",
        "type",
        "data",
        "stringData",
        "resources",
        "files",
        "envs",
        "literals",
    ];
    let key = line
        .trim_start()
        .trim_start_matches("- ")
        .split([':', '='])
        .next()
        .unwrap_or_default()
        .trim_matches(['"', ' ']);
    // In one line with its values a mapping is none to show.
    let holds_values = ["data", "stringData", "literals"].contains(&key) && line.contains(['{', '[']);
    if !holds_values && (SHOWN.contains(&key) || key.contains("argocd.argoproj.io")) {
        return line;
    }
    let Some(at) = line.find([':', '=']) else {
        return line.chars().map(|c| if c.is_whitespace() || c == '-' { c } else { '*' }).collect();
    };
    // Same number of bytes, so that the marks stay where they are.
    let (shown, hidden) = line.split_at(at + 1);
    let mut out = String::with_capacity(line.len());
    out.push_str(shown);
    out.extend(hidden.bytes().map(|b| if b == b' ' { ' ' } else { '*' }));
    out
}

/// Whether a values file, or the key of a line in one, is called as secrets are.
fn is_called_secret(file: &str, line: &str) -> bool {
    const WORDS: [&str; 9] =
        ["password", "passwd", "passphrase", "secret", "token", "apikey", "privatekey", "credential", "accesskey"];
    let is = |text: &str| {
        let plain: String = text.chars().filter(|c| !matches!(c, '-' | '_')).collect::<String>().to_lowercase();
        WORDS.iter().any(|word| plain.contains(word))
    };
    let name = file.rsplit('/').next().unwrap_or(file);
    let is_values = name.contains("values") || file.split('/').any(|part| part.contains("values"));
    matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml")))
        && (is(name) || is_values && line.split([':', '=']).next().is_some_and(is))
}

/// A place as JSON; null for none.
pub(crate) fn place(span: Span, sources: &SourceMap) -> serde_json::Value {
    sources.locate(span).map_or(
        serde_json::Value::Null,
        |at| serde_json::json!({"file": at.file, "line": at.line, "column": at.column}),
    )
}

/// Diagnostics as JSON values: severity, code, message, place, labels, trace, hints.
pub(crate) fn json(diagnostics: &Diagnostics, sources: &SourceMap) -> serde_json::Value {
    let place = |span: Span| place(span, sources);
    let steps = |steps: &[(Span, String)]| -> Vec<serde_json::Value> {
        steps.iter().map(|(span, text)| serde_json::json!({"message": text, "place": place(*span)})).collect()
    };
    diagnostics
        .iter()
        .map(|d| {
            let severity = match d.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            serde_json::json!({
                "severity": severity, "code": d.code, "message": d.message, "place": place(d.span),
                "labels": steps(&d.labels), "trace": steps(&d.trace), "hints": d.hints,
            })
        })
        .collect()
}

/// The exit code of a run: the first of 2, 3, 4, 5, 1 that applies, else 0.
pub(crate) fn exit_code(diagnostics: &Diagnostics, answer_is_no: bool) -> u8 {
    let has = |cause| diagnostics.iter().any(|d| d.is_error() && d.cause == cause);
    if has(Cause::Usage) {
        2
    } else if has(Cause::Fleet) {
        3
    } else if has(Cause::Source) {
        4
    } else if has(Cause::Cluster) {
        5
    } else if answer_is_no || has(Cause::Answer) {
        1
    } else {
        0
    }
}
