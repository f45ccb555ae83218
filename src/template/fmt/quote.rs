//! Go's quoting of strings and characters, and which characters print.

use unicode_general_category::{GeneralCategory, get_general_category};

/// `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols, and the ASCII space.
pub(in crate::template) fn is_print(c: char) -> bool {
    use GeneralCategory as G;
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    !matches!(
        get_general_category(c),
        G::Control
            | G::Format
            | G::LineSeparator
            | G::ParagraphSeparator
            | G::PrivateUse
            | G::SpaceSeparator
            | G::Surrogate
            | G::Unassigned
    )
}

/// The characters of a byte string with their bytes; every byte that is no part of UTF-8 is U+FFFD by itself, as in Go.
pub(in crate::template) fn runes(bytes: &[u8]) -> impl Iterator<Item = (char, &[u8])> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid();
        let good = valid.char_indices().map(|(at, c)| {
            let bytes = valid.as_bytes().get(at..at + c.len_utf8()).unwrap_or(&[]);
            (c, bytes)
        });
        good.chain(chunk.invalid().chunks(1).map(|byte| ('\u{fffd}', byte)))
    })
}

/// `strconv.Quote`.
pub(in crate::template) fn quote(bytes: &[u8]) -> String {
    quote_as(bytes, false)
}

/// `strconv.Quote` or `QuoteToASCII`.
pub(super) fn quote_as(bytes: &[u8], ascii: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for (c, raw) in runes(bytes) {
        match raw {
            [byte] if c == '\u{fffd}' => out.push_str(&format!("\\x{byte:02x}")),
            _ => escape(&mut out, c, '"', ascii),
        }
    }
    out.push('"');
    out
}

/// `strconv.QuoteRune` or `QuoteRuneToASCII`.
pub(super) fn quote_char(c: char, ascii: bool) -> String {
    let mut out = String::from('\'');
    escape(&mut out, c, '\'', ascii);
    out.push('\'');
    out
}

fn escape(out: &mut String, c: char, quote: char, ascii: bool) {
    if c == quote || c == '\\' {
        out.push('\\');
        out.push(c);
        return;
    }
    if if ascii { c.is_ascii() && is_print(c) } else { is_print(c) } {
        out.push(c);
        return;
    }
    match c {
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        '\0'..='\u{1f}' | '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if u32::from(c) < 0x10000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
    }
}

/// Whether Go would write the string in back quotes: one line, no control characters but tabs, no back quote, valid UTF-8.
pub(super) fn can_backquote(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    !text.contains(|c: char| c == '`' || c == '\u{7f}' || c == '\u{feff}' || (c < ' ' && c != '\t'))
}

/// `%#U` of a character.
pub(in crate::template) fn unicode_name(c: char) -> String {
    let shown = if is_print(c) { format!(" '{c}'") } else { String::new() };
    format!("U+{:04X}{shown}", u32::from(c))
}
