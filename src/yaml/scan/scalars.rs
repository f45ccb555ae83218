//! Plain, quoted and block scalars.

use std::borrow::Cow;

use super::{Problem, Scanned, Scanner, Token, class, is_class};
use crate::yaml::Style;

/// The white space between two words of a scalar that goes over several lines: what stands for it in the value.
struct Fold {
    first: Option<char>,
    more: String,
    /// A tab left of where the scalar may be.
    tab: Option<usize>,
}

impl Fold {
    /// One break is a space, n breaks are n - 1 line feeds; separators that are no line feeds stay.
    fn push_to(&self, value: &mut String) {
        match self.first {
            Some('\n') if self.more.is_empty() => value.push(' '),
            Some('\n') => {}
            Some(other) => value.push(other),
            None => {}
        }
        value.push_str(&self.more);
    }
}

fn tab_problem(at: usize) -> Box<Problem> {
    Problem::new((at, at + 1), "a tab is used for indentation").hint("indent with spaces; YAML does not count tabs")
}

impl Scanner<'_> {
    /// Takes breaks and the blanks around them. The position is at a break, or behind an escaped one, which is no part of the value.
    /// Columns left of `limit` must not hold tabs.
    fn fold(&mut self, escaped: bool, limit: isize) -> Fold {
        let mut fold = Fold { first: None, more: String::new(), tab: None };
        let mut first = !escaped;
        loop {
            if self.is_blank_at(self.pos) {
                if self.byte(0) == b'\t' && self.icolumn() < limit {
                    fold.tab = fold.tab.or(Some(self.pos));
                }
                self.pos += 1;
            } else if self.break_at(self.pos) > 0 {
                let c = self.take_break();
                if first {
                    fold.first = Some(c);
                    first = false;
                } else {
                    fold.more.push(c);
                }
            } else {
                return fold;
            }
        }
    }

    pub(super) fn plain(&mut self) -> Scanned<()> {
        let start = self.pos;
        let limit = self.indent + 1;
        let flow = self.in_flow();
        let stops = if flow { class::PLAIN_FLOW } else { class::PLAIN };
        // Words up to `end` are in the scalar; those before `piece` are already in `value`.
        let (mut piece, mut end) = (start, start);
        let mut value: Option<String> = None;
        let mut pending: Option<Fold> = None;
        loop {
            if self.byte(0) == b'#' && self.pos > start || self.at_marker() {
                break;
            }
            let word = self.pos;
            self.word(stops);
            if self.pos > word {
                if let Some(fold) = pending.take() {
                    let value = value.get_or_insert_default();
                    value.push_str(self.slice(piece, end));
                    fold.push_to(value);
                    piece = word;
                }
                end = self.pos;
            }
            if self.at_end() {
                break;
            }
            while self.is_blank_at(self.pos) {
                self.pos += 1;
            }
            if self.break_at(self.pos) > 0 {
                let fold = self.fold(false, limit);
                if let Some(tab) = fold.tab {
                    return Err(tab_problem(tab).label((start, start + 1), "in the value that starts here"));
                }
                pending = Some(fold);
                if !flow && self.icolumn() < limit {
                    break;
                }
            } else if self.pos == end {
                // An indicator ended the word.
                break;
            } else if self.byte(0) == b':' && self.is_space_at(self.pos + 1)
                || flow && self.byte(0) != b':' && self.byte(0).is_ascii() && is_class(self.byte(0), stops)
            {
                break;
            }
        }
        self.key_allowed |= pending.is_some();
        self.settle_column(start);
        let value = match value {
            None => Cow::Borrowed(self.slice(start, end)),
            Some(mut value) => {
                value.push_str(self.slice(piece, end));
                Cow::Owned(value)
            }
        };
        self.queue.push_back(super::Placed { token: Token::Scalar { value, style: Style::Plain }, start, end });
        Ok(())
    }

    /// Moves to the end of a word: a blank, a break, `: `, or an indicator in flow collections.
    fn word(&mut self, stops: u8) {
        loop {
            self.pos = self.find(stops);
            match self.byte(0) {
                b':' if !self.is_space_at(self.pos + 1) => self.pos += 1,
                0xc2 | 0xe2 if self.break_at(self.pos) == 0 => self.pos += 1,
                _ => return,
            }
        }
    }

    pub(super) fn quoted(&mut self, single: bool) -> Scanned<()> {
        let open = self.pos;
        self.pos += 1;
        let stops = if single { class::SINGLE } else { class::DOUBLE };
        let mut piece = self.pos;
        let mut value: Option<String> = None;
        loop {
            if self.at_marker() {
                return Err(self.unclosed(open));
            }
            self.pos = self.find(stops);
            if self.at_end() {
                return Err(self.unclosed(open));
            }
            match self.byte(0) {
                b'\'' if single && self.byte(1) == b'\'' => {
                    let value = value.get_or_insert_default();
                    value.push_str(self.slice(piece, self.pos + 1));
                    self.pos += 2;
                    piece = self.pos;
                }
                b'\'' | b'"' => break,
                b'\\' => {
                    let value = value.get_or_insert_default();
                    value.push_str(self.slice(piece, self.pos));
                    if self.break_at(self.pos + 1) > 0 {
                        self.pos += 1;
                        self.take_break();
                        self.fold(true, isize::MIN).push_to(value);
                    } else {
                        value.push(self.escape()?);
                    }
                    piece = self.pos;
                }
                _ if self.break_at(self.pos) > 0 => {
                    let value = value.get_or_insert_default();
                    value.push_str(self.slice(piece, self.pos).trim_end_matches([' ', '\t']));
                    self.fold(false, isize::MIN).push_to(value);
                    piece = self.pos;
                }
                // The first byte of a character that is no break.
                _ => self.pos += 1,
            }
        }
        let raw = self.slice(piece, self.pos);
        self.pos += 1;
        self.settle_column(open);
        let value = match value {
            None => Cow::Borrowed(raw),
            Some(mut value) => {
                value.push_str(raw);
                Cow::Owned(value)
            }
        };
        let style = if single { Style::SingleQuoted } else { Style::DoubleQuoted };
        self.push(Token::Scalar { value, style }, open);
        Ok(())
    }

    fn unclosed(&self, open: usize) -> Box<Problem> {
        let quote = if self.bytes.get(open) == Some(&b'"') { "double" } else { "single" };
        let problem = Problem::new((open, open + 1), format!("the {quote} quote that opens here is not closed"));
        match quote {
            "single" => problem.hint("a quote inside single quotes is written twice: ''"),
            _ => problem.hint("a quote inside double quotes is written \\\""),
        }
    }

    /// Takes an escape sequence.
    fn escape(&mut self) -> Scanned<char> {
        let start = self.pos;
        let digits = match self.byte(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            other => {
                let c = match other {
                    b'0' => '\0',
                    b'a' => '\u{7}',
                    b'b' => '\u{8}',
                    b't' | b'\t' => '\t',
                    b'n' => '\n',
                    b'v' => '\u{b}',
                    b'f' => '\u{c}',
                    b'r' => '\r',
                    b'e' => '\u{1b}',
                    b' ' => ' ',
                    b'"' => '"',
                    b'\'' => '\'',
                    b'\\' => '\\',
                    b'N' => '\u{85}',
                    b'_' => '\u{a0}',
                    b'L' => '\u{2028}',
                    b'P' => '\u{2029}',
                    _ => {
                        let c = self.text_at(start + 1).chars().next().unwrap_or(' ');
                        return Err(Problem::new(
                            (start, start + 1 + c.len_utf8()),
                            format!("`\\{c}` is not an escape of YAML"),
                        )
                        .hint("write `\\\\` for a backslash, or use single quotes"));
                    }
                };
                self.pos += 2;
                return Ok(c);
            }
        };
        let hex = self.text.get(start + 2..start + 2 + digits).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(hex) = hex else {
            return Err(Problem::new(
                (start, start + 2),
                format!("`\\{}` needs {digits} hexadecimal digits", char::from(self.byte(1))),
            ));
        };
        let c = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
        self.pos += 2 + digits;
        c.ok_or_else(|| Problem::new((start, self.pos), format!("U+{hex} is not a character")))
    }

    pub(super) fn block_scalar(&mut self, literal: bool) -> Scanned<()> {
        let start = self.pos;
        self.pos += 1;
        let (mut keep, mut strip, mut increment) = (false, false, 0);
        for _ in 0..2 {
            match self.byte(0) {
                b'+' | b'-' if !keep && !strip => {
                    keep = self.byte(0) == b'+';
                    strip = !keep;
                }
                b'0' if increment == 0 => {
                    return Err(Problem::new((self.pos, self.pos + 1), "the indentation of a block text cannot be 0"));
                }
                digit @ b'1'..=b'9' if increment == 0 => increment = isize::from(digit - b'0'),
                _ => break,
            }
            self.pos += 1;
        }
        while self.is_blank_at(self.pos) {
            self.pos += 1;
        }
        if self.byte(0) == b'#' {
            self.skip_line_rest();
        }
        if !self.at_end() && self.break_at(self.pos) == 0 {
            return Err(Problem::new((self.pos, self.pos + 1), "text behind the header of a block text")
                .label((start, start + 1), "the header")
                .hint("start the text on the next line, or quote the value if it starts with `|` or `>`"));
        }
        if !self.at_end() {
            self.take_break();
        }
        let mut end = self.pos;
        let mut indent = if increment > 0 { self.indent.max(0) + increment } else { 0 };
        let mut value = String::new();
        // Breaks since the last line with text.
        let mut first_break: Option<char> = None;
        let mut more = String::new();
        self.block_breaks(start, &mut indent, &mut more)?;
        let mut blank_before = false;
        while self.icolumn() == indent && !self.at_end() {
            let blank = self.is_blank_at(self.pos);
            match first_break.take() {
                Some('\n') if !literal && !blank_before && !blank => value.extend(more.is_empty().then_some(' ')),
                Some(c) => value.push(c),
                None => {}
            }
            value.push_str(&more);
            more.clear();
            blank_before = blank;
            let line = self.pos;
            self.skip_line_rest();
            value.push_str(self.slice(line, self.pos));
            if !self.at_end() {
                first_break = Some(self.take_break());
            }
            end = self.pos;
            self.block_breaks(start, &mut indent, &mut more)?;
        }
        if !strip {
            value.extend(first_break);
        }
        if keep {
            value.push_str(&more);
            end = self.line_start.max(end);
        }
        let style = if literal { Style::Literal } else { Style::Folded };
        self.queue.push_back(super::Placed { token: Token::Scalar { value: Cow::Owned(value), style }, start, end });
        Ok(())
    }

    /// Moves to the end of the line.
    fn skip_line_rest(&mut self) {
        loop {
            self.pos = self.find(class::BREAK);
            if self.at_end() || self.break_at(self.pos) > 0 {
                return;
            }
            self.pos += 1;
        }
    }

    /// Takes empty lines and the indentation of the next line with text; finds the indentation if it is not known (0).
    fn block_breaks(&mut self, start: usize, indent: &mut isize, breaks: &mut String) -> Scanned<()> {
        let mut deepest = 0;
        loop {
            while self.byte(0) == b' ' && (*indent == 0 || self.icolumn() < *indent) {
                self.pos += 1;
            }
            deepest = deepest.max(self.icolumn());
            if self.byte(0) == b'\t' && (*indent == 0 || self.icolumn() < *indent) {
                return Err(tab_problem(self.pos).label((start, start + 1), "in the block text that starts here"));
            }
            if self.break_at(self.pos) == 0 {
                break;
            }
            breaks.push(self.take_break());
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent + 1).max(1);
        }
        Ok(())
    }
}
