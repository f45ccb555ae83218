//! Characters to tokens, as libyaml and so go-yaml see them.
//!
//! A YAML key is only known to be one when its `:` comes. The scanner therefore remembers, for each level of flow collections, the token
//! that may still turn out to be a key ([`Candidate`]), and holds tokens back as long as the first of them may. Keys written without `?`
//! stand on one line and within 1024 characters, so what is held back is bounded.
//!
//! Follows go-yaml where libyaml or the specification say otherwise: `\/` is no escape, `\'` is one, only `%YAML 1.1` is accepted, a byte
//! order mark inside the text is an ordinary character, quoted scalars may continue at any column, a block scalar at the
//! end of the text has no line feed that is not written.
//!
//! Texts of tokens are borrowed when they stand in the input as they are. Positions are byte offsets; columns, which decide about
//! structure, count characters.

mod properties;
mod scalars;

use std::borrow::Cow;
use std::collections::VecDeque;

use super::Style;

/// What stopped the reading: places are byte offsets of the text.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) at: (usize, usize),
    pub(super) message: Cow<'static, str>,
    pub(super) label: Option<((usize, usize), &'static str)>,
    pub(super) hint: Option<Cow<'static, str>>,
}

impl Problem {
    pub(super) fn new(at: (usize, usize), message: impl Into<Cow<'static, str>>) -> Box<Self> {
        Box::new(Problem { at, message: message.into(), label: None, hint: None })
    }

    pub(super) fn hint(mut self: Box<Self>, hint: impl Into<Cow<'static, str>>) -> Box<Self> {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn label(mut self: Box<Self>, at: (usize, usize), text: &'static str) -> Box<Self> {
        self.label = Some((at, text));
        self
    }
}

pub(super) type Scanned<T> = Result<T, Box<Problem>>;

/// A piece of the text with a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    StreamEnd,
    VersionDirective,
    TagDirective {
        handle: &'t str,
        prefix: Cow<'t, str>,
    },
    DocumentStart,
    DocumentEnd,
    BlockSeqStart,
    BlockMapStart,
    BlockEnd,
    FlowSeqStart,
    FlowSeqEnd,
    FlowMapStart,
    FlowMapEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'t str),
    Anchor(&'t str),
    /// An empty handle: the suffix is the whole tag.
    Tag {
        handle: &'t str,
        suffix: Cow<'t, str>,
    },
    Scalar {
        value: Cow<'t, str>,
        style: Style,
    },
}

/// A token and its bytes.
#[derive(Clone, Debug)]
pub(super) struct Placed<'t> {
    pub(super) token: Token<'t>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A token that is a key if a `:` follows.
#[derive(Clone, Copy, Default)]
struct Candidate {
    alive: bool,
    /// It stands where only a key may stand.
    required: bool,
    /// Number of the token since the start of the stream.
    number: usize,
    pos: usize,
    line: usize,
    column: usize,
}

pub(super) const TEMPLATE: &str = "this is a template, not YAML";
pub(super) const TEMPLATE_HINT: &str =
    "keep templates out of the plain manifests, or quote the placeholder: \"{{ … }}\"";

/// Longest distance in characters between the start of a key and its `:`.
const KEY_REACH: usize = 1024;

pub(super) struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    pos: usize,
    line: usize,
    line_start: usize,
    /// Bytes since `line_start` that are not the first of their character.
    skew: usize,
    queue: VecDeque<Placed<'t>>,
    /// How many tokens have been taken from the queue.
    taken: usize,
    /// Column of the innermost block collection, -1 outside of all.
    indent: isize,
    outer_indents: Vec<isize>,
    /// One per level of flow collections, the first for the block level.
    candidates: Vec<Candidate>,
    /// A key may start here.
    key_allowed: bool,
    /// Offset and line where the last plain or quoted scalar starts, for messages.
    last_scalar: (usize, usize),
    ended: bool,
}

/// Classes of bytes.
mod class {
    /// Ends a word of a plain scalar in a block: blank, break, or a byte that may be one of those or `:`.
    pub(super) const PLAIN: u8 = 1;
    /// The same within flow collections.
    pub(super) const PLAIN_FLOW: u8 = 2;
    /// May be, or start, a line break.
    pub(super) const BREAK: u8 = 4;
    /// Letter, digit, `_` or `-`: names of anchors and tag handles.
    pub(super) const NAME: u8 = 8;
    /// Further characters of tags.
    pub(super) const URI: u8 = 16;
    /// Special in double quotes, or a break.
    pub(super) const DOUBLE: u8 = 32;
    /// Special in single quotes, or a break.
    pub(super) const SINGLE: u8 = 64;

    pub(super) const TABLE: [u8; 256] = table();

    const fn table() -> [u8; 256] {
        let mut table = [0; 256];
        let mut b = 0;
        while b < 256 {
            let c = b as u8;
            let mut class = 0;
            if matches!(c, b'\n' | b'\r' | 0xc2 | 0xe2) {
                class |= BREAK | PLAIN | PLAIN_FLOW | DOUBLE | SINGLE;
            }
            if matches!(c, b' ' | b'\t' | b':') {
                class |= PLAIN | PLAIN_FLOW;
            }
            if matches!(c, b',' | b'?' | b'[' | b']' | b'{' | b'}') {
                class |= PLAIN_FLOW;
            }
            if c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-') {
                class |= NAME | URI;
            }
            if matches!(
                c,
                b';' | b'/'
                    | b'?'
                    | b':'
                    | b'@'
                    | b'&'
                    | b'='
                    | b'+'
                    | b'$'
                    | b','
                    | b'.'
                    | b'!'
                    | b'~'
                    | b'*'
                    | b'\''
                    | b'('
                    | b')'
                    | b'['
                    | b']'
                    | b'%'
            ) {
                class |= URI;
            }
            if matches!(c, b'"' | b'\\') {
                class |= DOUBLE;
            }
            if c == b'\'' {
                class |= SINGLE;
            }
            table[b] = class;
            b += 1;
        }
        table
    }
}

fn is_class(byte: u8, class: u8) -> bool {
    class::TABLE[byte as usize] & class != 0
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Scanner {
            text,
            bytes: text.as_bytes(),
            pos: 0,
            line: 0,
            line_start: 0,
            skew: 0,
            queue: VecDeque::with_capacity(16),
            taken: 0,
            indent: -1,
            outer_indents: Vec::new(),
            candidates: vec![Candidate::default()],
            key_allowed: true,
            last_scalar: (0, 0),
            ended: false,
        }
    }

    /// The next token, left where it is.
    pub(super) fn peek(&mut self) -> Scanned<&Placed<'t>> {
        while self.wants_more() {
            self.fetch()?;
        }
        match self.queue.front() {
            Some(placed) => Ok(placed),
            None => Err(Problem::new((self.pos, self.pos), "the text ends here")),
        }
    }

    /// Takes the next token.
    pub(super) fn take(&mut self) -> Scanned<Placed<'t>> {
        self.peek()?;
        match self.queue.pop_front() {
            Some(placed) => {
                self.taken += 1;
                Ok(placed)
            }
            None => Err(Problem::new((self.pos, self.pos), "the text ends here")),
        }
    }

    /// The text behind a place.
    pub(super) fn text_at(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or_default()
    }

    /// The text between the start of the line and a place.
    pub(super) fn line_before(&self, at: usize) -> &'t str {
        self.text.get(..at).and_then(|before| before.rsplit(['\n', '\r']).next()).unwrap_or_default()
    }

    fn wants_more(&self) -> bool {
        if self.ended {
            return false;
        }
        self.queue.is_empty() || self.candidates.iter().any(|c| c.alive && c.number == self.taken && self.reaches(c))
    }

    // Looking at characters.

    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.pos + ahead).copied().unwrap_or(0)
    }

    fn at_end(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    fn column(&self) -> usize {
        self.pos - self.line_start - self.skew
    }

    fn icolumn(&self) -> isize {
        self.column().cast_signed()
    }

    /// Length of the line break at an offset, 0 if there is none.
    fn break_at(&self, at: usize) -> usize {
        match self.bytes.get(at..) {
            Some([b'\n', ..]) => 1,
            Some([b'\r', b'\n', ..]) => 2,
            Some([b'\r', ..]) => 1,
            Some([0xc2, 0x85, ..]) => 2,
            Some([0xe2, 0x80, 0xa8 | 0xa9, ..]) => 3,
            _ => 0,
        }
    }

    fn is_blank_at(&self, at: usize) -> bool {
        matches!(self.bytes.get(at), Some(b' ' | b'\t'))
    }

    /// A blank, a break, or the end.
    fn is_space_at(&self, at: usize) -> bool {
        at >= self.bytes.len() || self.is_blank_at(at) || self.break_at(at) > 0
    }

    /// The first offset from here on where a byte has a class; the end if none has.
    fn find(&self, class: u8) -> usize {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        rest.iter().position(|b| is_class(*b, class)).map_or(self.bytes.len(), |at| self.pos + at)
    }

    fn slice(&self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or_default()
    }

    // Moving.

    /// Takes the line break here. What it means as a character: line feeds of all kinds are one.
    fn take_break(&mut self) -> char {
        let length = self.break_at(self.pos);
        let means = match (length, self.byte(2)) {
            (3, 0xa8) => '\u{2028}',
            (3, _) => '\u{2029}',
            _ => '\n',
        };
        self.pos += length;
        self.line += 1;
        self.line_start = self.pos;
        self.skew = 0;
        means
    }

    /// Counts the characters between an offset and here, after the position was moved over text of this line.
    fn settle_column(&mut self, from: usize) {
        let passed = self.bytes.get(from.max(self.line_start)..self.pos).unwrap_or_default();
        if !passed.is_ascii() {
            self.skew += passed.iter().filter(|b| **b & 0xc0 == 0x80).count();
        }
    }

    /// `---` or `...` at the start of a line, followed by space.
    fn at_marker(&self) -> bool {
        self.pos == self.line_start
            && matches!(self.bytes.get(self.pos..self.pos + 3), Some(b"---" | b"..."))
            && self.is_space_at(self.pos + 3)
    }

    /// Skips white space, comments and line breaks between tokens.
    fn skip_gap(&mut self) {
        loop {
            match self.byte(0) {
                b' ' => self.pos += 1,
                // A tab is no indentation: not where a block's key or entry may start.
                b'\t' if self.in_flow() || !self.key_allowed => self.pos += 1,
                b'#' => {
                    while !self.at_end() && self.break_at(self.pos) == 0 {
                        self.pos = self.find_from(self.pos + 1, class::BREAK);
                    }
                }
                _ if self.break_at(self.pos) > 0 => {
                    self.take_break();
                    self.key_allowed |= !self.in_flow();
                }
                _ => return,
            }
        }
    }

    fn find_from(&self, from: usize, class: u8) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        rest.iter().position(|b| is_class(*b, class)).map_or(self.bytes.len(), |at| from + at)
    }

    // Levels.

    fn in_flow(&self) -> bool {
        self.candidates.len() > 1
    }

    fn push(&mut self, token: Token<'t>, start: usize) {
        self.queue.push_back(Placed { token, start, end: self.pos });
    }

    /// Pushes an indicator of some bytes.
    fn indicator(&mut self, token: Token<'t>, length: usize) {
        let start = self.pos;
        self.pos += length;
        self.push(token, start);
    }

    /// Opens a block collection at a column unless one is open there. `number` is the place among the tokens.
    fn roll(&mut self, column: isize, number: usize, token: Token<'t>, pos: usize) {
        if self.in_flow() || self.indent >= column {
            return;
        }
        self.outer_indents.push(std::mem::replace(&mut self.indent, column));
        let at = number.saturating_sub(self.taken).min(self.queue.len());
        self.queue.insert(at, Placed { token, start: pos, end: pos });
    }

    /// Closes the block collections that are further to the right than a column.
    fn unroll(&mut self, column: isize) {
        if self.in_flow() {
            return;
        }
        while self.indent > column {
            self.push(Token::BlockEnd, self.pos);
            self.indent = self.outer_indents.pop().unwrap_or(-1);
        }
    }

    // Keys.

    fn reaches(&self, candidate: &Candidate) -> bool {
        candidate.line == self.line && self.column() <= candidate.column + KEY_REACH
    }

    /// The token that comes next may be a key.
    fn mark_candidate(&mut self) -> Scanned<()> {
        if !self.key_allowed {
            return Ok(());
        }
        self.drop_candidate()?;
        let required = !self.in_flow() && self.indent == self.icolumn();
        let candidate = Candidate {
            alive: true,
            required,
            number: self.taken + self.queue.len(),
            pos: self.pos,
            line: self.line,
            column: self.column(),
        };
        if let Some(last) = self.candidates.last_mut() {
            *last = candidate;
        }
        Ok(())
    }

    /// The candidate of this level is no key.
    fn drop_candidate(&mut self) -> Scanned<()> {
        let Some(last) = self.candidates.last_mut() else { return Ok(()) };
        let candidate = std::mem::take(last);
        if candidate.alive && candidate.required { Err(self.missing_colon(&candidate)) } else { Ok(()) }
    }

    fn missing_colon(&self, candidate: &Candidate) -> Box<Problem> {
        if self.line > candidate.line + 1 && matches!(self.bytes.get(candidate.pos), Some(b'"' | b'\'')) {
            return Problem::new((candidate.pos, candidate.pos + 1), "a quoted key goes over several lines")
                .hint("is a closing quote missing?");
        }
        self.line_without_colon(candidate.pos)
    }

    /// A line of a mapping that starts at an offset and is no `key: value`.
    pub(super) fn line_without_colon(&self, start: usize) -> Box<Problem> {
        let line = self.text_at(start).split(['\n', '\r']).next().unwrap_or_default();
        let at = (start, start + line.trim_end().len());
        if line.starts_with("{{") {
            return Problem::new(at, TEMPLATE).hint(TEMPLATE_HINT);
        }
        let problem = Problem::new(at, "a line of a mapping without `:`");
        match line.find(':') {
            Some(_) => problem.hint("a space belongs after the `:` that ends a key"),
            None => problem.hint("write `key: value`, or indent the line if it continues the value above"),
        }
    }

    fn misplaced_colon(&self) -> Box<Problem> {
        let at = (self.pos, self.pos + 1);
        let (start, line) = self.last_scalar;
        if line < self.line {
            return Problem::new(at, "this line continues the value above, so it cannot hold a key")
                .label((start, start + 1), "the value starts here")
                .hint("put the key at the column of the other keys, or quote the value if `: ` is part of it");
        }
        Problem::new(at, "a second `: ` in this line").hint("quote the value if `: ` is part of it")
    }

    // Tokens.

    fn fetch(&mut self) -> Scanned<()> {
        self.skip_gap();
        if !self.in_flow() {
            self.unroll(self.icolumn());
        }
        if self.at_end() {
            return self.fetch_end();
        }
        let byte = self.byte(0);
        if self.pos == self.line_start {
            if byte == b'%' {
                return self.fetch_directive();
            }
            if matches!(byte, b'-' | b'.') && self.at_marker() {
                self.unroll(-1);
                self.drop_candidate()?;
                self.key_allowed = false;
                self.indicator(if byte == b'-' { Token::DocumentStart } else { Token::DocumentEnd }, 3);
                return Ok(());
            }
        }
        let flow = self.in_flow();
        match byte {
            b'[' | b'{' => {
                self.mark_candidate()?;
                self.candidates.push(Candidate::default());
                self.key_allowed = true;
                self.indicator(if byte == b'[' { Token::FlowSeqStart } else { Token::FlowMapStart }, 1);
                Ok(())
            }
            b']' | b'}' => {
                self.drop_candidate()?;
                if flow {
                    self.candidates.pop();
                }
                self.key_allowed = false;
                self.indicator(if byte == b']' { Token::FlowSeqEnd } else { Token::FlowMapEnd }, 1);
                Ok(())
            }
            b',' => {
                self.drop_candidate()?;
                self.key_allowed = true;
                self.indicator(Token::FlowEntry, 1);
                Ok(())
            }
            b'-' if self.is_space_at(self.pos + 1) => self.fetch_entry(),
            b'?' if flow || self.is_space_at(self.pos + 1) => self.fetch_key(),
            b':' if flow || self.is_space_at(self.pos + 1) => self.fetch_value(),
            b'*' | b'&' => {
                self.mark_candidate()?;
                self.key_allowed = false;
                self.fetch_anchor(byte == b'*')
            }
            b'!' => {
                self.mark_candidate()?;
                self.key_allowed = false;
                self.fetch_tag()
            }
            b'|' | b'>' if !flow => {
                self.drop_candidate()?;
                self.key_allowed = true;
                self.block_scalar(byte == b'|')
            }
            b'\'' | b'"' => {
                self.last_scalar = (self.pos, self.line);
                self.mark_candidate()?;
                self.key_allowed = false;
                self.quoted(byte == b'\'')
            }
            b'\t' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => Err(self.no_token(byte)),
            _ => {
                self.last_scalar = (self.pos, self.line);
                self.mark_candidate()?;
                self.key_allowed = false;
                self.plain()
            }
        }
    }

    fn no_token(&self, byte: u8) -> Box<Problem> {
        let at = (self.pos, self.pos + 1);
        match byte {
            b'\t' => {
                Problem::new(at, "a tab is used for indentation").hint("indent with spaces; YAML does not count tabs")
            }
            b'|' | b'>' => {
                Problem::new(at, format!("a block text (`{}`) cannot stand inside brackets", char::from(byte)))
                    .hint("quote the value")
            }
            b'`' => Problem::new(at, "a plain value cannot start with a backtick").hint("quote the value"),
            _ => Problem::new(at, format!("a plain value cannot start with `{}`", char::from(byte)))
                .hint("quote the value"),
        }
    }

    fn fetch_end(&mut self) -> Scanned<()> {
        self.unroll(-1);
        // The end is a new line to what came before.
        self.drop_candidate()?;
        self.key_allowed = false;
        self.ended = true;
        self.push(Token::StreamEnd, self.pos);
        Ok(())
    }

    /// `- `
    fn fetch_entry(&mut self) -> Scanned<()> {
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(Problem::new((self.pos, self.pos + 1), "a list entry (`- `) cannot start here")
                    .hint("put the list on a line of its own below its key, or quote the value"));
            }
            let number = self.taken + self.queue.len();
            self.roll(self.icolumn(), number, Token::BlockSeqStart, self.pos);
        }
        self.drop_candidate()?;
        self.key_allowed = true;
        self.indicator(Token::BlockEntry, 1);
        Ok(())
    }

    /// `? `
    fn fetch_key(&mut self) -> Scanned<()> {
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(
                    Problem::new((self.pos, self.pos + 1), "a key (`? `) cannot start here").hint("quote the value")
                );
            }
            let number = self.taken + self.queue.len();
            self.roll(self.icolumn(), number, Token::BlockMapStart, self.pos);
        }
        self.drop_candidate()?;
        self.key_allowed = !self.in_flow();
        self.indicator(Token::Key, 1);
        Ok(())
    }

    /// `: `
    fn fetch_value(&mut self) -> Scanned<()> {
        let candidate = self.candidates.last().copied().unwrap_or_default();
        if candidate.alive && !self.reaches(&candidate) && candidate.required {
            return Err(self.missing_colon(&candidate));
        }
        if let Some(last) = self.candidates.last_mut() {
            last.alive = false;
        }
        if candidate.alive && self.reaches(&candidate) {
            let at = candidate.number.saturating_sub(self.taken).min(self.queue.len());
            self.queue.insert(at, Placed { token: Token::Key, start: candidate.pos, end: candidate.pos });
            self.roll(candidate.column.cast_signed(), candidate.number, Token::BlockMapStart, candidate.pos);
            self.key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.key_allowed {
                    return Err(self.misplaced_colon());
                }
                let number = self.taken + self.queue.len();
                self.roll(self.icolumn(), number, Token::BlockMapStart, self.pos);
            }
            self.key_allowed = !self.in_flow();
        }
        self.indicator(Token::Value, 1);
        Ok(())
    }
}
