//! The template language of one ApplicationSet: Go templates or fasttemplate, each text compiled once.
//!
//! A text without `{{` is its own result in both languages and costs nothing. A failure carries the place in the text, what to do, and
//! for a missing key the keys that the row has.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::row::text as print;
use crate::diag::{Diagnostic, did_you_mean};
use crate::span::Span;
use crate::template::{Functions, Map, MissingKey, Options, Template, TemplateError, Value, fast};
use crate::yaml::Node;

/// How the strings of a set are rendered.
pub(super) struct Templating {
    /// `spec.goTemplate`
    pub(super) go: bool,
    missing: MissingKey,
    functions: Functions,
    compiled: RefCell<BTreeMap<String, Rc<Result<Template, TemplateError>>>>,
}

/// A row as templates see it.
pub(super) struct Data {
    value: Value,
    strings: OnceCell<BTreeMap<String, String>>,
}

impl Data {
    /// The data of a row.
    pub(super) fn new(params: &Map) -> Self {
        Data { value: Value::Map(params.clone()), strings: OnceCell::new() }
    }

    /// What fasttemplate can put in: the values that are strings.
    fn strings(&self) -> &BTreeMap<String, String> {
        self.strings.get_or_init(|| {
            let entries = self.value.as_map().map(Map::entries).unwrap_or_default();
            let text = |value: &Value| value.as_bytes().map(|bytes| bytes.to_text().into_owned());
            entries.iter().filter_map(|(key, value)| Some((key.to_text().into_owned(), text(value)?))).collect()
        })
    }
}

/// A text that could not be rendered.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// What is wrong, in the words of Go's template engine.
    pub(super) reason: String,
    /// Byte offset in the text.
    offset: Option<usize>,
    hints: Vec<String>,
}

impl Fault {
    /// The error to report, for a text written at a place.
    pub(super) fn diagnostic(&self, text: &str, span: Span) -> Diagnostic {
        let mut shown: String = text.lines().next().unwrap_or_default().chars().take(100).collect();
        if shown.len() < text.trim_end().len() {
            shown.push('…');
        }
        let place = self.offset.map_or(span, |offset| place_in(span, text, offset));
        let message = format!("cannot render `{shown}`: {}", self.reason);
        let mut found = Diagnostic::error("expand/template", place, message);
        found.hints.clone_from(&self.hints);
        found
    }

    /// Whether a key is not in the row, as Argo CD tells when it resolves `values` in advance.
    fn is_missing_key(&self) -> bool {
        self.reason.contains("map has no entry for key") || self.reason.contains("can't evaluate field")
    }
}

impl Templating {
    /// The language that a set's `spec` asks for.
    ///
    /// # Errors
    /// An option that Go does not know (Argo CD panics).
    pub(super) fn new(spec: &Node, functions: &Functions) -> Result<Self, Box<Diagnostic>> {
        let go = spec.get("goTemplate").and_then(Node::as_bool).unwrap_or_default();
        let mut missing = MissingKey::Default;
        for option in spec.get("goTemplateOptions").and_then(Node::as_seq).unwrap_or_default() {
            let text = option.text().unwrap_or_default();
            match MissingKey::from_option(text) {
                Some(known) => missing = known,
                None if !go => {}
                None => {
                    let known = ["missingkey=error", "missingkey=default", "missingkey=zero", "missingkey=invalid"];
                    let message = format!("`{text}` is no option of Go templates");
                    let hint = did_you_mean(text, known).unwrap_or_else(|| format!("use one of {}", known.join(", ")));
                    return Err(Box::new(Diagnostic::error("expand/option", option.span(), message).hint(hint)));
                }
            }
        }
        Ok(Templating { go, missing, functions: functions.clone(), compiled: RefCell::default() })
    }

    /// The text with a row put in; `None` where there is nothing to render.
    pub(super) fn render(&self, text: &str, data: &Data) -> Result<Option<String>, Fault> {
        self.render_with(text, data, self.missing)
    }

    /// As Argo CD resolves the `values` of a matrix's second child in advance (3.4 and later): what the row cannot answer stays as it is.
    pub(super) fn render_known(&self, text: &str, data: &Data) -> Result<Option<String>, Fault> {
        match self.render_with(text, data, MissingKey::Error) {
            Err(fault) if fault.is_missing_key() => Ok(None),
            result => result,
        }
    }

    fn render_with(&self, text: &str, data: &Data, missing_key: MissingKey) -> Result<Option<String>, Fault> {
        if !text.contains("{{") {
            return Ok(None);
        }
        if !self.go {
            let rendered = fast::render(text, data.strings());
            return rendered.map(Some).map_err(|reason| Fault { reason, offset: None, hints: Vec::new() });
        }
        let compiled = self.compile(text);
        let options = Options { missing_key, ..Options::default() };
        let result = match &*compiled {
            Ok(template) => template.execute(&data.value, &options),
            Err(error) => Err(error.clone()),
        };
        match result {
            Ok(bytes) => Ok(Some(
                String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
            )),
            Err(error) => Err(self.fault(&error, &data.value)),
        }
    }

    fn compile(&self, text: &str) -> Rc<Result<Template, TemplateError>> {
        if let Some(known) = self.compiled.borrow().get(text) {
            return Rc::clone(known);
        }
        let compiled = Rc::new(Template::parse("", text, &self.functions));
        self.compiled.borrow_mut().insert(text.to_owned(), Rc::clone(&compiled));
        compiled
    }

    fn fault(&self, error: &TemplateError, row: &Value) -> Fault {
        let reason = error.reason().to_owned();
        let mut hints = Vec::new();
        if let Some(name) = reason.strip_prefix("function ").and_then(|rest| rest.split('"').nth(1)) {
            hints.extend(did_you_mean(name, self.functions.names()));
        } else if reason.contains("map has no entry for key") || reason.contains("nil pointer evaluating") {
            let whole = error.to_string();
            let context =
                whole.split_once(" at <").and_then(|(_, rest)| rest.split_once(">: ")).map_or("", |(path, _)| path);
            hints.extend(missing_key_hint(context, row));
        }
        Fault { reason, offset: error.offset(), hints }
    }
}

/// What the row has where `.a.b` ends early.
fn missing_key_hint(context: &str, row: &Value) -> Option<String> {
    let mut at = row.clone();
    let mut above = String::new();
    for key in context.strip_prefix('$').unwrap_or(context).strip_prefix('.')?.split('.') {
        let Value::Map(map) = &at else {
            return Some(format!("`{above}` is `{}`, which has no fields", print(&at)));
        };
        match map.get(key.as_bytes()) {
            Some(value) => at = value,
            None => {
                let keys: Vec<String> = map.keys().iter().map(|key| key.to_text().into_owned()).collect();
                let place = if above.is_empty() { "this row".to_owned() } else { format!("`{above}`") };
                let near = did_you_mean(key, keys.iter().map(String::as_str))
                    .map(|near| format!("{near} "))
                    .unwrap_or_default();
                return Some(match keys.is_empty() {
                    true => format!("{place} has no keys"),
                    false => format!(
                        "{near}{place} has {}",
                        keys.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")
                    ),
                });
            }
        }
        above.push('.');
        above.push_str(key);
    }
    None
}

/// The names in a fasttemplate text that the row has no string for, in order.
pub(super) fn unknown_tags(text: &str, data: &Data) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut rest = text;
    while let Some((tag, after)) = rest.split_once("{{").and_then(|(_, tail)| tail.split_once("}}")) {
        let name = tag.trim();
        if !name.is_empty() && !data.strings().contains_key(name) {
            unknown.push(name.to_owned());
        }
        rest = after;
    }
    unknown
}

/// What a fasttemplate row could have meant by a name.
pub(super) fn known_names_hint(name: &str, data: &Data) -> String {
    let names = data.strings();
    match did_you_mean(name, names.keys().map(String::as_str)) {
        Some(near) => near,
        None if name.starts_with('.') => "without `goTemplate: true` names are written without a dot".to_owned(),
        None => format!("this row has {}", names.keys().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// The place of a byte of a scalar's text in the file. Known where the scalar is written as it is (plain, quoted without escapes, or a
/// literal block with one indentation); else the scalar itself.
fn place_in(span: Span, text: &str, offset: usize) -> Span {
    let (start, length) = (span.start as usize, (span.end - span.start) as usize);
    let at = |skip: usize| Span::new(span.file, start + skip, start + skip + 1);
    if span.is_none() || offset > text.len() {
        return span;
    }
    if length == text.len() && !text.contains('\n') {
        return at(offset);
    }
    if length == text.len() + 2 && !text.contains('\n') {
        return at(offset + 1);
    }
    if !text.contains('\n') {
        return span;
    }
    // A literal block: a header (`|` or `|-` and a line break), then every line that is not empty behind the same indentation.
    let header = if text.ends_with('\n') { 2 } else { 3 };
    let filled = |text: &str| text.split('\n').filter(|line| !line.is_empty()).count();
    for end in [text.len(), text.trim_end_matches('\n').len()] {
        let Some(indented) = length.checked_sub(header + end) else { continue };
        let lines = filled(text);
        if lines > 0 && indented % lines == 0 && (1..=40).contains(&(indented / lines)) {
            let lines_above = text.get(..offset).and_then(|before| before.rfind('\n')).map_or("", |at| &text[..at]);
            return at(header + offset + (filled(lines_above) + 1) * (indented / lines));
        }
    }
    span
}
