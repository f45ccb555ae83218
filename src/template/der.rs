//! DER: what of ASN.1 keys and certificates need, written and read, and PEM around it.
//!
//! Reading is for texts that users hand in: every element is checked against its length, nothing is taken on trust; indefinite lengths and
//! tags beyond one byte are refused.

use super::encoding;

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const INTEGER: u8 = 2;
pub(super) const BIT_STRING: u8 = 3;
pub(super) const OCTET_STRING: u8 = 4;
pub(super) const NULL: u8 = 5;
pub(super) const OBJECT: u8 = 6;

/// An element.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if let Ok(short) = u8::try_from(length)
        && short < 0x80
    {
        out.push(short);
    } else {
        let bytes = length.to_be_bytes();
        let digits: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | u8::try_from(digits.len()).unwrap_or(0x7f));
        out.extend(digits);
    }
    out.extend(content);
    out
}

/// A sequence, set or tagged element of other elements.
pub(super) fn group(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// A number that is not negative, from its big-endian bytes.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    if digits.first().is_none_or(|first| *first >= 0x80) {
        digits.insert(0, 0);
    }
    element(INTEGER, &digits)
}

/// A bit string of whole bytes.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    let mut content = vec![0];
    content.extend(bytes);
    element(BIT_STRING, &content)
}

/// An object identifier from its encoded arcs.
pub(super) fn object(arcs: &[u8]) -> Vec<u8> {
    element(OBJECT, arcs)
}

/// Reads elements one after the other.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

/// One element: its tag, what is in it, and all of its bytes.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next element; `None` at the end and where the bytes are none.
    pub(super) fn any(&mut self) -> Option<Element<'a>> {
        let input = self.0;
        let tag = *input.first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let first = usize::from(*input.get(1)?);
        let (start, length) = if first < 0x80 {
            (2, first)
        } else {
            let count = first & 0x7f;
            if count == 0 || count > 4 {
                return None;
            }
            let digits = input.get(2..2 + count)?;
            (2 + count, digits.iter().fold(0usize, |length, digit| length << 8 | usize::from(*digit)))
        };
        let end = start.checked_add(length)?;
        let (content, whole) = (input.get(start..end)?, input.get(..end)?);
        self.0 = input.get(end..)?;
        Some(Element { tag, content, whole })
    }

    /// The next element, if it has the tag.
    pub(super) fn next(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.any().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element)
    }

    /// What is inside the next element, if it has the tag.
    pub(super) fn inside(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.next(tag).map(|element| Reader(element.content))
    }

    /// The digits of a number that is not negative, without leading zeros.
    pub(super) fn unsigned(&mut self) -> Option<Vec<u8>> {
        let content = self.next(INTEGER)?.content;
        if content.first().is_none_or(|first| *first >= 0x80) {
            return None;
        }
        Some(content.iter().copied().skip_while(|byte| *byte == 0).collect())
    }
}

/// PEM text of a type.
pub(super) fn to_pem(label: &str, der: &[u8]) -> String {
    let text = encoding::base64(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The first PEM block of a text: its type and bytes.
pub(super) fn from_pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let mut rest = text;
    loop {
        let at = rest.find("-----BEGIN ")?;
        let begins_line = at == 0 || rest.get(..at).is_some_and(|before| before.ends_with('\n'));
        let after = rest.get(at + 11..)?;
        rest = after;
        let Some((label, body)) = after.split_once("-----") else { continue };
        if !begins_line || label.contains('\n') {
            continue;
        }
        let Some(end) = body.find(&format!("-----END {label}-----")) else { continue };
        let lines = body.get(..end)?.lines().filter(|line| !line.contains(": "));
        let joined: String = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
        if let Ok(bytes) = encoding::base64_decode(joined.as_bytes()) {
            return Some((label, bytes));
        }
    }
}
