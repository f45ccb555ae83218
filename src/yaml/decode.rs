//! Bytes to characters: byte order marks, UTF-16, and the characters that YAML forbids.
//!
//! go-yaml reads UTF-16 when a byte order mark says so, and Argo CD therefore does too.

use std::borrow::Cow;

use crate::diag::Diagnostic;
use crate::span::{FileId, Span};

/// The text of a file without its byte order mark, and how offsets in the text lead back to bytes of the file.
pub(super) struct Decoded<'t> {
    pub(super) text: Cow<'t, str>,
    places: Places,
}

enum Places {
    /// The text is the file from this byte on.
    Shifted(usize),
    /// For each character of the text that begins at a byte offset: (offset in the text, offset in the file), only where the
    /// distance between the two changes.
    Steps(Vec<(usize, usize)>),
}

impl Decoded<'_> {
    /// The byte of the file at an offset of the text.
    pub(super) fn place(&self, offset: usize) -> usize {
        match &self.places {
            Places::Shifted(by) => offset + by,
            Places::Steps(steps) => {
                let at = steps.partition_point(|(text, _)| *text <= offset).saturating_sub(1);
                steps.get(at).map_or(offset, |(_, file)| *file)
            }
        }
    }
}

/// Decodes and checks a file.
pub(super) fn decode(file: FileId, bytes: &[u8]) -> Result<Decoded<'_>, Box<Diagnostic>> {
    let decoded = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(file, rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(file, rest, u16::from_be_bytes)?,
        _ => {
            let skip = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            let rest = bytes.get(skip..).unwrap_or_default();
            match std::str::from_utf8(rest) {
                Ok(text) => Decoded { text: Cow::Borrowed(text), places: Places::Shifted(skip) },
                Err(error) => {
                    let at = skip + error.valid_up_to();
                    let byte = bytes.get(at).copied().unwrap_or_default();
                    let span = Span::new(file, at, at + error.error_len().unwrap_or(1));
                    return Err(Box::new(
                        Diagnostic::error("yaml/encoding", span, format!("the byte 0x{byte:02x} is not UTF-8"))
                            .hint("save the file as UTF-8, or remove it from the YAML files if it is a binary"),
                    ));
                }
            }
        }
    };
    match forbidden(&decoded.text) {
        None => Ok(decoded),
        Some((at, bad)) => {
            let span = Span::new(file, decoded.place(at), decoded.place(at + bad.len_utf8()));
            let code = u32::from(bad);
            Err(Box::new(
                Diagnostic::error(
                    "yaml/control-character",
                    span,
                    format!("the control character U+{code:04X} is not allowed in YAML"),
                )
                .hint(format!("write it as an escape in double quotes: \"\\u{code:04X}\"")),
            ))
        }
    }
}

fn utf16(file: FileId, bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Decoded<'static>, Box<Diagnostic>> {
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
    let mut text = String::with_capacity(bytes.len());
    let mut steps = Vec::new();
    let mut at = 2;
    let broken = |at: usize| {
        Box::new(Diagnostic::error(
            "yaml/encoding",
            Span::new(file, at, at + 2),
            "this is not UTF-16, though the file's byte order mark says so",
        ))
    };
    for decoded in char::decode_utf16(units) {
        let c = decoded.map_err(|_| broken(at))?;
        steps.push((text.len(), at));
        text.push(c);
        at += c.len_utf16() * 2;
    }
    if bytes.len() % 2 == 1 {
        return Err(broken(at));
    }
    steps.push((text.len(), at));
    Ok(Decoded { text: Cow::Owned(text), places: Places::Steps(steps) })
}

/// The first character that YAML forbids in a stream. As in go-yaml, U+FEFF is allowed anywhere.
fn forbidden(text: &str) -> Option<(usize, char)> {
    // Most files are ASCII with line feeds only: one pass that the compiler vectorizes.
    if text.bytes().all(|b| (0x20..0x7f).contains(&b) || b == b'\n') {
        return None;
    }
    text.char_indices().find(|(_, c)| {
        !matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
    })
}
