//! Errors of parsing and executing templates, with Go's text and a place that callers can point at.

use std::fmt;
use std::sync::Arc;

/// A template that cannot be parsed, or an execution that failed. Cheap to clone: templates fail inside each other a thousand deep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateError(Arc<Details>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Details {
    message: String,
    reason: String,
    name: String,
    offset: Option<usize>,
    line: u32,
    column: Option<u32>,
    cause: Option<TemplateError>,
}

impl TemplateError {
    /// A syntax error; Go gives it a line but no column.
    pub(super) fn syntax(name: &str, line: u32, offset: usize, reason: String) -> Self {
        let message = format!("template: {name}:{line}: {reason}");
        let name = name.to_owned();
        Self(Arc::new(Details { message, reason, name, offset: Some(offset), line, column: None, cause: None }))
    }

    /// An error of executing `template`, a tree from the text called `name`, at a node that prints as `context`.
    pub(super) fn execution(place: &ExecutionPlace<'_>, reason: String, cause: Option<Self>) -> Self {
        let before = place.text.get(..place.offset).unwrap_or(place.text);
        let line = u32::try_from(before.bytes().filter(|b| *b == b'\n').count() + 1).unwrap_or(u32::MAX);
        let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1);
        let message = format!(
            "template: {}:{line}:{column}: executing {} at <{}>: {reason}",
            place.name,
            super::fmt::quote(place.template.as_bytes()),
            place.context,
        );
        Self(Arc::new(Details {
            message,
            reason,
            name: place.name.to_owned(),
            offset: Some(place.offset),
            line,
            column: u32::try_from(column).ok(),
            cause,
        }))
    }

    /// An error of a whole template, without a place in it.
    pub(super) fn whole(name: &str, message: String) -> Self {
        let (reason, name) = (message.clone(), name.to_owned());
        Self(Arc::new(Details { message, reason, name, offset: None, line: 0, column: None, cause: None }))
    }

    /// The name of the text that the place is in: the file, or the field that was parsed.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What went wrong, without name, line and context.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Byte offset in the template's text.
    pub fn offset(&self) -> Option<usize> {
        self.0.offset
    }

    /// Line, from 1; 0 when the error has no place.
    pub fn line(&self) -> u32 {
        self.0.line
    }

    /// Column in bytes, from 0 as Go counts it; syntax errors have none.
    pub fn column(&self) -> Option<u32> {
        self.0.column
    }

    /// The error inside a template that a function executed (Helm's `include` and `tpl`); its own cause may follow.
    pub fn cause(&self) -> Option<&Self> {
        self.0.cause.as_ref()
    }
}

/// Where an execution failed.
pub(super) struct ExecutionPlace<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) template: &'a str,
    pub(super) offset: usize,
    pub(super) context: String,
}

impl fmt::Display for TemplateError {
    /// The text that Go prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for TemplateError {}
