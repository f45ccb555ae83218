//! Template text → tokens, by the rules of Go's text/template/parse: delimiters, trim markers, comments, and the words inside an action.
//!
//! Lexing goes on demand, since the parser's state decides nothing but tests of the parser stop early at the first error. A lexical
//! error is a token; after it there is only the end.

use std::fmt;

use unicode_general_category::{GeneralCategory, get_general_category};

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Error,
    Bool,
    /// A printable character without another meaning, such as a comma.
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    End,
    Field,
    Identifier,
    LeftDelimiter,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelimiter,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Word(Word),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Word {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

const WORDS: &[(&str, Word)] = &[
    ("block", Word::Block),
    ("break", Word::Break),
    ("continue", Word::Continue),
    ("define", Word::Define),
    ("else", Word::Else),
    ("end", Word::End),
    ("if", Word::If),
    ("nil", Word::Nil),
    ("range", Word::Range),
    ("template", Word::Template),
    ("with", Word::With),
];

/// A token; the text of an error token is its message.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) position: usize,
    pub(super) line: u32,
    pub(super) text: std::borrow::Cow<'a, str>,
}

impl fmt::Display for Token<'_> {
    /// As Go names a token in a syntax error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::End => f.write_str("EOF"),
            Kind::Error => f.write_str(&self.text),
            Kind::Word(_) | Kind::Dot => write!(f, "<{}>", self.text),
            _ if self.text.len() > 10 => {
                let short: String = self.text.chars().take(10).collect();
                write!(f, "{}...", super::fmt::quote(short.as_bytes()))
            }
            _ => f.write_str(&super::fmt::quote(self.text.as_bytes())),
        }
    }
}

/// The reading position. `start` is where the token under way began.
pub(super) struct Lexer<'a> {
    input: &'a str,
    start: usize,
    position: usize,
    line: u32,
    start_line: u32,
    parens: u32,
    in_action: bool,
    failed: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self { input, start: 0, position: 0, line: 1, start_line: 1, parens: 0, in_action: false, failed: false }
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        if self.failed {
            return Token { kind: Kind::End, position: 0, line: self.start_line, text: "".into() };
        }
        if self.in_action { self.action() } else { self.text() }
    }

    fn rest(&self) -> &'a str {
        self.input.get(self.position..).unwrap_or("")
    }

    fn slice(&self) -> &'a str {
        self.input.get(self.start..self.position).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    /// Moves over text and counts its lines.
    fn skip(&mut self, bytes: usize) {
        let lines = self.rest().bytes().take(bytes).filter(|byte| *byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.position += bytes;
    }

    fn drop_pending(&mut self) {
        self.start = self.position;
        self.start_line = self.line;
    }

    fn emit(&mut self, kind: Kind) -> Token<'a> {
        let token = Token { kind, position: self.start, line: self.start_line, text: self.slice().into() };
        self.drop_pending();
        token
    }

    fn fail(&mut self, message: impl Into<String>) -> Token<'a> {
        self.failed = true;
        Token { kind: Kind::Error, position: self.start, line: self.start_line, text: message.into().into() }
    }

    fn text(&mut self) -> Token<'a> {
        loop {
            let rest = self.rest();
            let Some(length) = rest.find(LEFT) else {
                self.skip(rest.len());
                return if self.slice().is_empty() { self.emit(Kind::End) } else { self.emit(Kind::Text) };
            };
            let trims = starts_with_left_trim(rest.get(length + LEFT.len()..).unwrap_or(""));
            let text = rest.get(..length).unwrap_or("");
            let kept = if trims { text.trim_end_matches(SPACES).len() } else { length };
            self.skip(kept);
            let token = self.emit(Kind::Text);
            self.skip(length - kept);
            self.drop_pending();
            if !token.text.is_empty() {
                return token;
            }
            if let Some(token) = self.left_delimiter(trims) {
                return token;
            }
        }
    }

    /// The delimiter, or `None` after a comment, which yields no token.
    fn left_delimiter(&mut self, trims: bool) -> Option<Token<'a>> {
        self.position += LEFT.len();
        let marker = if trims { 2 } else { 0 };
        if self.rest().get(marker..).is_some_and(|rest| rest.starts_with("/*")) {
            self.skip(marker);
            self.drop_pending();
            return self.comment();
        }
        let token = self.emit(Kind::LeftDelimiter);
        self.in_action = true;
        self.skip(marker);
        self.drop_pending();
        self.parens = 0;
        Some(token)
    }

    fn comment(&mut self) -> Option<Token<'a>> {
        let Some(length) = self.rest().get(2..).and_then(|rest| rest.find("*/")) else {
            return Some(self.fail("unclosed comment"));
        };
        let length = length + 4;
        // Go counts the comment's lines only once its end is certain.
        let Some(trims) = self.rest().get(length..).and_then(right_delimiter) else {
            return Some(self.fail("comment ends before closing delimiter"));
        };
        self.skip(length);
        self.close_delimiter(trims);
        None
    }

    /// Moves over the trim marker, the delimiter and the space that the marker eats.
    fn close_delimiter(&mut self, trims: bool) {
        self.skip(if trims { 2 } else { 0 } + RIGHT.len());
        if trims {
            let rest = self.rest();
            self.skip(rest.len() - rest.trim_start_matches(SPACES).len());
        }
        self.drop_pending();
    }

    fn action(&mut self) -> Token<'a> {
        if let Some(trims) = right_delimiter(self.rest()) {
            if self.parens > 0 {
                return self.fail("unclosed left paren");
            }
            return self.right_delimiter(trims);
        }
        let Some(c) = self.bump() else { return self.fail("unclosed action") };
        match c {
            ' ' | '\t' | '\r' | '\n' => self.space(),
            '=' => self.emit(Kind::Assign),
            ':' => match self.bump() {
                Some('=') => self.emit(Kind::Declare),
                _ => self.fail("expected :="),
            },
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '`' => self.raw(),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '$' => self.field(Kind::Variable, Kind::Variable),
            // A dot before a digit starts a number; at the very end of the text Go takes it for one too.
            '.' if self.peek().is_some_and(|next| !next.is_ascii_digit()) => self.field(Kind::Field, Kind::Dot),
            '.' | '+' | '-' | '0'..='9' => {
                self.position -= 1;
                self.number()
            }
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen)
            }
            ')' => {
                if self.parens == 0 {
                    return self.fail("unexpected right paren");
                }
                self.parens -= 1;
                self.emit(Kind::RightParen)
            }
            c if is_alphanumeric(c) => self.identifier(),
            '!'..='~' => self.emit(Kind::Char),
            c => self.fail(format!("unrecognized character in action: {}", super::fmt::unicode_name(c))),
        }
    }

    fn right_delimiter(&mut self, trims: bool) -> Token<'a> {
        if trims {
            self.skip(2);
            self.drop_pending();
        }
        self.position += RIGHT.len();
        let token = self.emit(Kind::RightDelimiter);
        if trims {
            let rest = self.rest();
            self.skip(rest.len() - rest.trim_start_matches(SPACES).len());
            self.drop_pending();
        }
        self.in_action = false;
        token
    }

    /// A run of spaces; the last one belongs to a following trim marker.
    fn space(&mut self) -> Token<'a> {
        while self.peek().is_some_and(|c| SPACES.contains(&c)) {
            self.bump();
        }
        let last = self.input.get(self.position - 1..).unwrap_or("");
        if right_delimiter(last) == Some(true) {
            self.position -= 1;
            if last.starts_with('\n') {
                self.line -= 1;
            }
            if self.slice().is_empty() {
                return self.right_delimiter(true);
            }
        }
        self.emit(Kind::Space)
    }

    fn quoted(&mut self, end: char, kind: Kind, message: &str) -> Token<'a> {
        loop {
            match self.bump() {
                Some('\\') => {
                    if matches!(self.bump(), None | Some('\n')) {
                        return self.fail(message);
                    }
                }
                None | Some('\n') => return self.fail(message),
                Some(c) if c == end => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn raw(&mut self) -> Token<'a> {
        loop {
            match self.bump() {
                None => return self.fail("unterminated raw quoted string"),
                Some('`') => return self.emit(Kind::RawString),
                Some(_) => {}
            }
        }
    }

    /// A field or variable after its first character; alone that character is the dot or the root variable.
    fn field(&mut self, kind: Kind, alone: Kind) -> Token<'a> {
        if self.at_terminator() {
            return self.emit(alone);
        }
        while self.peek().is_some_and(is_alphanumeric) {
            self.bump();
        }
        if !self.at_terminator() {
            return self.bad_character();
        }
        self.emit(kind)
    }

    fn identifier(&mut self) -> Token<'a> {
        while self.peek().is_some_and(is_alphanumeric) {
            self.bump();
        }
        if !self.at_terminator() {
            return self.bad_character();
        }
        let word = self.slice();
        let kind = match WORDS.iter().find(|(text, _)| *text == word) {
            Some((_, word)) => Kind::Word(*word),
            None if word == "true" || word == "false" => Kind::Bool,
            None => Kind::Identifier,
        };
        self.emit(kind)
    }

    fn bad_character(&mut self) -> Token<'a> {
        let name = self.peek().map_or_else(|| "U+FFFFFFFFFFFFFFFF".to_owned(), super::fmt::unicode_name);
        self.fail(format!("bad character {name}"))
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(RIGHT),
        }
    }

    fn number(&mut self) -> Token<'a> {
        let complete = self.scan_number();
        if !complete {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || !self.slice().ends_with('i') {
                return self.bad_number();
            }
            return self.emit(Kind::Complex);
        }
        self.emit(Kind::Number)
    }

    fn bad_number(&mut self) -> Token<'a> {
        let text = super::fmt::quote(self.slice().as_bytes());
        self.fail(format!("bad number syntax: {text}"))
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.bump();
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    /// A generous scan; the parser decides whether it is a number. False when letters follow.
    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        let mut exponent = "eE";
        if self.accept("0") {
            if self.accept("xX") {
                (digits, exponent) = ("0123456789abcdefABCDEF_", "pP");
            } else if self.accept("oO") {
                (digits, exponent) = ("01234567_", "");
            } else if self.accept("bB") {
                (digits, exponent) = ("01_", "");
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.bump();
            return false;
        }
        true
    }
}

fn starts_with_left_trim(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next() == Some(b'-') && bytes.next().is_some_and(|byte| SPACES.contains(&char::from(byte)))
}

/// Whether the text begins with the closing delimiter, and if so whether with a trim marker.
fn right_delimiter(text: &str) -> Option<bool> {
    if text.starts_with(RIGHT) {
        return Some(false);
    }
    let marked = text.strip_prefix(SPACES).and_then(|text| text.strip_prefix('-'));
    marked.is_some_and(|text| text.starts_with(RIGHT)).then_some(true)
}

/// Go's letters and decimal digits, and the underscore.
fn is_alphanumeric(c: char) -> bool {
    use GeneralCategory::{
        DecimalNumber, LowercaseLetter, ModifierLetter, OtherLetter, TitlecaseLetter, UppercaseLetter,
    };
    if c.is_ascii() {
        return c == '_' || c.is_ascii_alphanumeric();
    }
    matches!(
        get_general_category(c),
        DecimalNumber | LowercaseLetter | ModifierLetter | OtherLetter | TitlecaseLetter | UppercaseLetter
    )
}
