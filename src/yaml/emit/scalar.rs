//! How a string is written: which style, where it folds, what is escaped. The rules are libyaml's as go-yaml v2 carries them.

use std::borrow::Cow;

use super::Printer;
use crate::yaml::resolve;

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

/// What a text holds that some styles cannot carry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Analysis {
    /// A line break of any kind.
    pub(super) multiline: bool,
    /// White space or breaks at either end.
    edge: bool,
    /// A space at the end.
    trailing_space: bool,
    break_space: bool,
    space_break: bool,
    special: bool,
    tab: bool,
    /// Something that ends or starts other things in a block, or in brackets.
    indicators: bool,
    flow_indicators: bool,
}

impl Analysis {
    fn plain(&self, flow: bool) -> bool {
        let marks = if flow { self.flow_indicators } else { self.indicators };
        !(self.edge || self.multiline || marks) && self.single()
    }

    fn single(&self) -> bool {
        !(self.break_space || self.space_break || self.special || self.tab)
    }

    /// go-yaml v3 keeps tabs in block texts, v2 does not.
    fn block(&self, v3: bool) -> bool {
        !(self.trailing_space || self.space_break || self.special || self.tab && !v3)
    }
}

/// The style that go-yaml's encoder asks for; the emitter may still refuse it.
pub(super) fn preferred(text: &str) -> Style {
    if text.contains('\n') {
        Style::Literal
    } else if resolve::is_plain_string_v2(text) && !resolve::is_base60(text) {
        Style::Plain
    } else {
        Style::Double
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Characters beyond U+FFFF count as not printable in go-yaml v2.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Looks at a text once.
pub(super) fn analyze(text: &str) -> Analysis {
    let Some(first) = text.chars().next() else {
        // An empty block text is not allowed, an empty plain one is.
        return Analysis { trailing_space: true, ..Analysis::default() };
    };
    if first != '.' && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/')) {
        return Analysis::default();
    }
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    indicators |=
        matches!(first, '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`');
    let mut flow_indicators = indicators;
    let (mut breaks, mut special, mut tab) = (false, false, false);
    let (mut break_space, mut space_break) = (false, false);
    let (mut after_space, mut after_break, mut after_white) = (false, false, true);
    let mut chars = text.chars().peekable();
    let mut start = true;
    while let Some(c) = chars.next() {
        let before_white = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
        indicators |= match c {
            '-' | '?' => start && before_white,
            ':' => before_white,
            '#' => after_white,
            _ => false,
        };
        flow_indicators |= match c {
            ',' | '?' | '[' | ']' | '{' | '}' | ':' => true,
            '-' => start && before_white,
            '#' => after_white,
            _ => false,
        };
        tab |= c == '\t';
        special |= !is_printable(c) && c != '\t';
        if c == ' ' {
            break_space |= after_break;
        } else if is_break(c) {
            breaks = true;
            space_break |= after_space;
        }
        after_space = c == ' ';
        after_break = is_break(c);
        after_white = matches!(c, ' ' | '\t' | '\0') || is_break(c);
        start = false;
    }
    let edge = first == ' ' || is_break(first) || after_space || after_break;
    Analysis {
        multiline: breaks,
        edge,
        trailing_space: after_space,
        break_space,
        space_break,
        special,
        tab,
        indicators,
        flow_indicators,
    }
}

impl Printer<'_> {
    /// The style that is used in the end. `simple_key`: the text is a key before a `:` on one line.
    pub(super) fn settle(&self, text: &str, analysis: &Analysis, preferred: Style, simple_key: bool) -> Style {
        let flow = self.flow > 0;
        let mut style = preferred;
        if simple_key && analysis.multiline {
            style = Style::Double;
        }
        if style == Style::Plain && (!analysis.plain(flow) || text.is_empty() && (simple_key || flow)) {
            style = Style::Single;
        }
        if style == Style::Single && !analysis.single() {
            style = Style::Double;
        }
        if matches!(style, Style::Literal | Style::Folded) && (!analysis.block(self.v3) || simple_key || flow) {
            style = Style::Double;
        }
        style
    }
}

/// What Go's encoding/json and go-yaml v2's reader make of a string between them: U+0085 is a line break to the reader, which folds it.
pub(super) fn through_json(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{85}') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{85}') {
        let (before, from) = rest.split_at(at);
        out.push_str(before.trim_end_matches(' '));
        let after = from.trim_start_matches([' ', '\u{85}']);
        let breaks = from.get(..from.len() - after.len()).unwrap_or_default().matches('\u{85}').count();
        if breaks == 1 {
            out.push(' ');
        } else {
            out.extend(std::iter::repeat_n('\n', breaks - 1));
        }
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

impl Printer<'_> {
    /// Writes a text in a style. `indent` is that of the collection around it.
    pub(super) fn scalar(&mut self, text: &str, style: Style, indent: i32, simple_key: bool) {
        let inner = if indent < 0 { 2 } else { indent + 2 };
        match style {
            Style::Plain => self.plain(text, inner, !simple_key),
            Style::Single => self.single(text, inner, !simple_key),
            Style::Double => self.double(text, inner, !simple_key),
            Style::Literal => self.literal(text, inner),
            Style::Folded => self.folded(text, inner),
        }
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn put_str(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += if text.is_ascii() { text.len() } else { text.chars().count() };
    }

    fn put_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.indention = true;
    }

    fn plain(&mut self, text: &str, indent: i32, fold: bool) {
        if self.v3 && text.is_empty() {
            return;
        }
        if !self.whitespace {
            self.put(' ');
        }
        self.whitespace = false;
        self.indention = false;
        if !fold || self.column.saturating_add(text.len()) <= self.width {
            self.put_str(text);
            return;
        }
        let mut rest = text;
        let mut after_space = false;
        while let Some(at) = rest.find(' ') {
            let (word, tail) = rest.split_at(at);
            after_space &= word.is_empty();
            self.put_str(word);
            let next = tail.get(1..).unwrap_or_default();
            if !after_space && self.column > self.width && !next.starts_with(' ') {
                self.indention = false;
                self.whitespace = false;
                self.indent(indent);
            } else {
                self.put(' ');
            }
            after_space = true;
            rest = next;
        }
        self.put_str(rest);
        self.whitespace = false;
        self.indention = false;
    }

    fn single(&mut self, text: &str, indent: i32, fold: bool) {
        self.indicator("'", true, false);
        let (mut after_space, mut after_break) = (false, false);
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c == ' ' {
                let next = chars.peek().map(|(_, next)| *next);
                if fold && !after_space && self.column > self.width && at > 0 && next.is_some_and(|next| next != ' ') {
                    self.indent(indent);
                } else {
                    self.put(' ');
                }
                after_space = true;
            } else if is_break(c) {
                if !after_break && c == '\n' {
                    self.put_break('\n');
                }
                self.put_break(c);
                after_break = true;
            } else {
                if after_break {
                    self.indent(indent);
                }
                if c == '\'' {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                (after_space, after_break) = (false, false);
            }
        }
        self.indicator("'", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn double(&mut self, text: &str, indent: i32, fold: bool) {
        self.indicator("\"", true, false);
        // A quirk of go-yaml: behind a byte order mark at the start, everything is escaped.
        let all = text.starts_with('\u{feff}');
        let mut after_space = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if all || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                self.escape(c);
                after_space = false;
            } else if c == ' ' {
                let next = chars.peek().map(|(_, next)| *next);
                if fold && !after_space && self.column > self.width && at > 0 && next.is_some() {
                    self.indent(indent);
                    if next == Some(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                after_space = true;
            } else {
                self.put(c);
                after_space = false;
            }
        }
        self.indicator("\"", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn escape(&mut self, c: char) {
        self.put('\\');
        match c {
            '\0' => self.put('0'),
            '\u{7}' => self.put('a'),
            '\u{8}' => self.put('b'),
            '\t' => self.put('t'),
            '\n' => self.put('n'),
            '\u{b}' => self.put('v'),
            '\u{c}' => self.put('f'),
            '\r' => self.put('r'),
            '\u{1b}' => self.put('e'),
            '"' => self.put('"'),
            '\\' => self.put('\\'),
            '\u{85}' => self.put('N'),
            '\u{a0}' => self.put('_'),
            '\u{2028}' => self.put('L'),
            '\u{2029}' => self.put('P'),
            c => {
                let code = u32::from(c);
                self.put_str(&match code {
                    0..0x100 => format!("x{code:02X}"),
                    0x100..0x10000 => format!("u{code:04X}"),
                    _ => format!("U{code:08X}"),
                });
            }
        }
    }

    /// The first line of a block text: sign, indentation if it cannot be told from the text, what becomes of the final breaks.
    fn block_header(&mut self, sign: &str, text: &str) {
        self.indicator(sign, true, false);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.put('2');
        }
        let mut ends = text.chars().rev().map(is_break);
        match (ends.next(), ends.next()) {
            (Some(true), None | Some(true)) => self.put('+'),
            (Some(true), Some(false)) => {}
            _ => self.put('-'),
        }
        self.put_break('\n');
        self.indention = true;
        self.whitespace = true;
    }

    /// As go-yaml v3 writes `>` without a width. It looks at the start of the whole text where it should look behind the break, so some
    /// breaks are doubled that should not be, and others are not that should.
    fn folded(&mut self, text: &str, indent: i32) {
        self.block_header(">", text);
        let starts_blank = text.trim_start_matches(is_break).starts_with([' ', '\t']) || text.chars().all(is_break);
        let (mut after_break, mut leading) = (true, true);
        for c in text.chars() {
            if is_break(c) {
                if !after_break && !leading && c == '\n' && !starts_blank {
                    self.put_break('\n');
                }
                self.put_break(c);
                after_break = true;
            } else {
                if after_break {
                    self.indent(indent);
                    leading = matches!(c, ' ' | '\t');
                }
                self.put(c);
                self.indention = false;
                after_break = false;
            }
        }
    }

    fn literal(&mut self, text: &str, indent: i32) {
        self.block_header("|", text);
        // Lines at once: only breaks matter here.
        let mut after_break = true;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if is_break(c) {
                self.put_break(c);
                after_break = true;
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            } else {
                if after_break {
                    self.indent(indent);
                }
                let line = rest.find(is_break).unwrap_or(rest.len());
                let (line, tail) = rest.split_at(line);
                self.put_str(line);
                self.indention = false;
                after_break = false;
                rest = tail;
            }
        }
    }
}
