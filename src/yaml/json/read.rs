//! Strict JSON (RFC 8259) to nodes. Not read as YAML: escapes such as `\/` and pairs of surrogates are JSON's own.
//!
//! Numbers keep their text; integers are those without fraction and exponent. Objects keep their order; of equal keys the last value stays,
//! as in Go. Nothing recurses: open collections are a stack.

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use crate::diag::{Checked, Diagnostic};
use crate::span::{FileId, Span};
use crate::yaml::{Limits, Map, Node, Style, Tag, number};

type Read<T> = Result<T, Box<Diagnostic>>;

/// Reads one JSON value.
///
/// # Errors
/// What is not JSON, with its place; more than [`Limits::default`] allows.
pub fn parse(file: FileId, bytes: &[u8]) -> Checked<Node> {
    let mut reader = Reader { file, bytes, at: 0, open: Vec::new() };
    reader.document().map_err(|error| (*error).into())
}

struct Reader<'b> {
    file: FileId,
    bytes: &'b [u8],
    at: usize,
    open: Vec<Open>,
}

/// A collection that is not closed yet.
struct Open {
    start: usize,
    items: Items,
}

enum Items {
    Seq(Vec<Node>),
    Map { map: Map, places: FxHashMap<SmolStr, usize>, key: Option<Node> },
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// A value, or the end of a list that has just been opened.
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Separator,
}

impl Reader<'_> {
    fn fail<T>(&self, start: usize, message: impl Into<String>) -> Read<T> {
        let end = (start + 1).min(self.bytes.len().max(start));
        Err(Box::new(Diagnostic::error("yaml/json", Span::new(self.file, start, end), message)))
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn document(&mut self) -> Read<Node> {
        let limits = Limits::default();
        if self.bytes.len() > limits.bytes {
            return self
                .fail(0, format!("the file has {} bytes, the limit for JSON is {}", self.bytes.len(), limits.bytes));
        }
        let mut expect = Expect::Value;
        loop {
            self.skip_space();
            let start = self.at;
            let Some(byte) = self.byte() else {
                return match self.open.last() {
                    Some(open) => self.fail(open.start, "the bracket that opens here is not closed"),
                    None => self.fail(start, "the file ends where a value is expected"),
                };
            };
            let done = match (expect, byte) {
                (Expect::ValueOrEnd, b']') | (Expect::KeyOrEnd, b'}') => self.close(),
                (Expect::Separator, b']' | b'}') => {
                    let list = matches!(self.open.last(), Some(Open { items: Items::Seq(_), .. }));
                    if list != (byte == b']') {
                        return self.fail(
                            start,
                            format!("`{}` closes a bracket that was not opened by its pair", char::from(byte)),
                        );
                    }
                    self.close()
                }
                (Expect::Separator, b',') => {
                    self.at += 1;
                    let list = matches!(self.open.last(), Some(Open { items: Items::Seq(_), .. }));
                    expect = if list { Expect::Value } else { Expect::Key };
                    continue;
                }
                (Expect::Separator, _) => return self.fail(start, "a comma or a closing bracket is expected here"),
                (Expect::Key | Expect::KeyOrEnd, b'"') => {
                    let name = self.string()?;
                    self.skip_space();
                    if self.byte() != Some(b':') {
                        return self.fail(self.at, "`:` is expected here");
                    }
                    if let Some(Open { items: Items::Map { key, .. }, .. }) = self.open.last_mut() {
                        *key = Some(name);
                    }
                    self.at += 1;
                    expect = Expect::Value;
                    continue;
                }
                (Expect::Key | Expect::KeyOrEnd, _) => {
                    return self.fail(start, "a key in double quotes is expected here");
                }
                (_, b'[' | b'{') => {
                    if self.open.len() >= limits.depth {
                        return self.fail(
                            start,
                            format!("values are nested more than {} levels deep, which is the limit", limits.depth),
                        );
                    }
                    let (items, next) = if byte == b'[' {
                        (Items::Seq(Vec::new()), Expect::ValueOrEnd)
                    } else {
                        (Items::Map { map: Map::new(), places: FxHashMap::default(), key: None }, Expect::KeyOrEnd)
                    };
                    self.open.push(Open { start, items });
                    self.at += 1;
                    expect = next;
                    continue;
                }
                (_, b'"') => self.string()?,
                (_, b'-' | b'0'..=b'9') => self.number()?,
                _ => self.word()?,
            };
            match self.open.last_mut().map(|open| &mut open.items) {
                None => {
                    self.skip_space();
                    return if self.at < self.bytes.len() {
                        self.fail(self.at, "text behind the value")
                    } else {
                        Ok(done)
                    };
                }
                Some(Items::Seq(items)) => items.push(done),
                Some(Items::Map { map, places, key }) => {
                    if let Some(key) = key.take() {
                        put(map, places, key, done);
                    }
                }
            }
            expect = Expect::Separator;
        }
    }

    /// Takes the closing bracket.
    fn close(&mut self) -> Node {
        self.at += 1;
        let Some(open) = self.open.pop() else { return Node::null() };
        let node = match open.items {
            Items::Seq(items) => Node::seq(items),
            Items::Map { map, .. } => Node::map(map),
        };
        node.with_span(Span::new(self.file, open.start, self.at)).with_style(Style::Flow)
    }

    fn scalar(&self, tag: Tag, text: impl Into<SmolStr>, start: usize) -> Node {
        Node::scalar(tag, text).with_span(Span::new(self.file, start, self.at))
    }

    fn word(&mut self) -> Read<Node> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        for (word, tag) in [("null", Tag::Null), ("true", Tag::Bool), ("false", Tag::Bool)] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(self.scalar(tag, word, start));
            }
        }
        self.fail(start, "a value cannot start here")
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.byte().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Read<Node> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        let zero = self.byte() == Some(b'0');
        let whole = self.digits();
        let mut good = whole > 0 && !(zero && whole > 1);
        let mut tag = Tag::Int;
        if self.byte() == Some(b'.') {
            self.at += 1;
            tag = Tag::Float;
            good &= self.digits() > 0;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            tag = Tag::Float;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            good &= self.digits() > 0;
        }
        let text = std::str::from_utf8(self.bytes.get(start..self.at).unwrap_or_default()).unwrap_or_default();
        match number::parse(text) {
            _ if !good => self.fail(start, format!("`{text}` is not a number in JSON")),
            None => self.fail(start, format!("the number `{text}` is too large")),
            Some(number::Number::Float(_)) => Ok(self.scalar(Tag::Float, text, start)),
            Some(_) => Ok(self.scalar(tag, text, start)),
        }
    }

    fn string(&mut self) -> Read<Node> {
        let start = self.at;
        self.at += 1;
        let mut piece = self.at;
        let mut value = String::new();
        loop {
            match self.byte() {
                None => return self.fail(start, "the quote that opens here is not closed"),
                Some(b'"') => break,
                Some(b'\\') => {
                    value.push_str(self.text(piece)?);
                    value.push(self.escape()?);
                    piece = self.at;
                }
                Some(0..0x20) => return self.fail(self.at, "a control character in a string; write it as an escape"),
                Some(_) => self.at += 1,
            }
        }
        let last = self.text(piece)?;
        let text: SmolStr = if value.is_empty() {
            last.into()
        } else {
            value.push_str(last);
            value.into()
        };
        self.at += 1;
        Ok(self.scalar(Tag::Str, text, start).with_style(Style::DoubleQuoted))
    }

    fn text(&self, from: usize) -> Read<&str> {
        let bytes = self.bytes.get(from..self.at).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(error) => self.fail(from + error.valid_up_to(), "this is not UTF-8"),
        }
    }

    fn escape(&mut self) -> Read<char> {
        let start = self.at;
        self.at += 2;
        Ok(match self.bytes.get(start + 1) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(*c),
            Some(b'u') => {
                let high = self.hex(start)?;
                if !(0xd800..0xdc00).contains(&high) || self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    // As in Go, half a pair becomes U+FFFD.
                    return Ok(char::from_u32(high).unwrap_or('\u{fffd}'));
                }
                let before = self.at;
                self.at += 2;
                let low = self.hex(before)?;
                if !(0xdc00..0xe000).contains(&low) {
                    self.at = before;
                    return Ok('\u{fffd}');
                }
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)).unwrap_or('\u{fffd}')
            }
            _ => return self.fail(start, "this is not an escape of JSON"),
        })
    }

    /// Takes four hexadecimal digits.
    fn hex(&mut self, start: usize) -> Read<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.fail(start, "`\\u` needs 4 hexadecimal digits"),
        }
    }
}

fn put(map: &mut Map, places: &mut FxHashMap<SmolStr, usize>, key: Node, value: Node) {
    let name = key.smol().unwrap_or_default();
    match places.get(&name).and_then(|at| map.entries_mut().get_mut(*at)) {
        Some(entry) => *entry = (key, value),
        None => {
            places.insert(name, map.len());
            map.push(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::to_json;
    use super::parse;
    use crate::span::FileId;

    /// Reads and prints again, or gives the place and message of the error.
    fn again(text: &str) -> String {
        match parse(FileId::NONE, text.as_bytes()) {
            Ok(node) => to_json(&node).expect("numbers are finite"),
            Err(found) => found.iter().map(|error| format!("{}: {}", error.span.start, error.message)).collect(),
        }
    }

    #[test]
    fn values_and_errors() {
        let table = [
            (r#"{"b": [1, -2.50, 1e3, true, null], "a": {}}"#, r#"{"a":{},"b":[1,-2.5,1000,true,null]}"#),
            (r#""\/\ud83d\ude00\ud800x\u00e9\"""#, "\"/😀\u{fffd}xé\\\"\""),
            (r#"{"a": 1, "b": 2, "a": 3}"#, r#"{"a":3,"b":2}"#),
            ("[18446744073709551615, 18446744073709551616]", "[18446744073709551615,18446744073709552000]"),
            (" [ ] ", "[]"),
            ("", "0: the file ends where a value is expected"),
            ("[1", "0: the bracket that opens here is not closed"),
            ("[1,]", "3: a value cannot start here"),
            ("[1}", "2: `}` closes a bracket that was not opened by its pair"),
            ("{\"a\" 1}", "5: `:` is expected here"),
            ("{a: 1}", "1: a key in double quotes is expected here"),
            ("[01]", "1: `01` is not a number in JSON"),
            ("1e999", "0: the number `1e999` is too large"),
            ("\"a\tb\"", "2: a control character in a string; write it as an escape"),
            (r#""\x""#, "1: this is not an escape of JSON"),
            ("1 2", "2: text behind the value"),
            ("\"a", "0: the quote that opens here is not closed"),
        ];
        for (text, want) in table {
            assert_eq!(again(text), want, "{text}");
        }
    }
}
