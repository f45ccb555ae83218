//! Go's unicode package over characters: one to one case mappings and the space class.
//!
//! Rust's mappings may give several characters (ß → SS); Go's never do and leave such a character as it is, but for those that have a simple mapping besides.

/// `unicode.ToUpper`.
pub(super) fn to_upper(c: char) -> char {
    match c {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => shift(c, 8),
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => shift(c, 9),
        _ => single(c.to_uppercase()).unwrap_or(c),
    }
}

/// `unicode.ToLower`.
pub(super) fn to_lower(c: char) -> char {
    if c == '\u{130}' { 'i' } else { single(c.to_lowercase()).unwrap_or(c) }
}

/// `unicode.ToTitle`: the upper case, but for the digraphs that have a title case of their own.
pub(super) fn to_title(c: char) -> char {
    match c {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10fa}' | '\u{10fd}'..='\u{10ff}' => c,
        _ => to_upper(c),
    }
}

/// `unicode.IsSpace`.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
        || (!c.is_ascii() && c.is_whitespace())
}

fn shift(c: char, by: u32) -> char {
    char::from_u32(u32::from(c) + by).unwrap_or(c)
}

fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next();
    if mapped.next().is_some() { None } else { first }
}

/// The text with each character mapped; bytes that are no UTF-8 become U+FFFD, as Go's string functions make them.
pub(super) fn map(text: &[u8], f: impl Fn(char) -> char) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (c, _) in super::fmt::runes(text) {
        out.extend_from_slice(f(c).encode_utf8(&mut [0; 4]).as_bytes());
    }
    out
}

/// `strings.TrimSpace`.
pub(super) fn trim_space(text: &[u8]) -> &[u8] {
    let runes: Vec<(char, usize)> = super::fmt::runes(text).map(|(c, raw)| (c, raw.len())).collect();
    let start: usize = runes.iter().take_while(|(c, _)| is_space(*c)).map(|(_, length)| length).sum();
    let end: usize = runes.iter().rev().take_while(|(c, _)| is_space(*c)).map(|(_, length)| length).sum();
    text.get(start..text.len().saturating_sub(end)).unwrap_or(&[])
}
