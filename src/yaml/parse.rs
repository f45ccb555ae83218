//! Tokens to events: the grammar, as a stack of what may come next.
//!
//! Each [`Expect`] on the stack is a place in a collection or document that is not finished; one step takes one token or a few and gives one event, so
//! the depth of a document costs memory here and no call stack. Values that are left out are empty plain scalars.
//!
//! Tags leave here expanded. `%TAG` holds for its document.

use std::borrow::Cow;

use super::Style;
use super::events::{At, Event, Properties};
use super::scan::{Placed, Problem, Scanned, Scanner, TEMPLATE, TEMPLATE_HINT, Token};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expect {
    /// A document. `open`: it may start without `---`.
    Document {
        open: bool,
    },
    /// The value behind `---`, which may be left out.
    Content,
    /// The value of a document without `---`.
    Value,
    DocumentEnd,
    /// An entry or the end of a list; the offset is where the list starts.
    BlockEntry(usize),
    /// An entry of a list that stands at the column of its key.
    IndentlessEntry,
    BlockKey(usize),
    BlockValue(usize),
    FlowEntry {
        first: bool,
        open: usize,
    },
    /// Key, value and end of a single pair in `[a: b]`.
    PairKey,
    PairValue,
    PairEnd,
    FlowKey {
        first: bool,
        open: usize,
    },
    FlowValue {
        open: usize,
    },
    /// A key of `{a, b}` without `:`.
    FlowNoValue {
        open: usize,
    },
}

pub(super) struct Parser<'t> {
    scanner: Scanner<'t>,
    stack: Vec<Expect>,
    tags: Vec<(&'t str, Cow<'t, str>)>,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Parser { scanner: Scanner::new(text), stack: vec![Expect::Document { open: true }], tags: Vec::new() }
    }

    /// The next event; [`Event::StreamEnd`] is the last and repeats.
    pub(super) fn next_event(&mut self) -> Scanned<At<'t>> {
        match self.stack.pop() {
            None => {
                let end = self.scanner.peek()?.start;
                Ok(At { event: Event::StreamEnd, start: end, end })
            }
            Some(Expect::Document { open }) => self.document(open),
            Some(Expect::Content) => {
                use Token::{DocumentEnd, DocumentStart, StreamEnd, TagDirective, VersionDirective};
                let next = self.scanner.peek()?;
                if matches!(
                    next.token,
                    DocumentStart | DocumentEnd | StreamEnd | TagDirective { .. } | VersionDirective
                ) {
                    return Ok(empty(next.start));
                }
                self.node(true, false)
            }
            Some(Expect::Value) => self.node(true, false),
            Some(Expect::DocumentEnd) => {
                let next = self.scanner.peek()?;
                let (start, mut end) = (next.start, next.start);
                if next.token == Token::DocumentEnd {
                    end = next.end;
                    self.scanner.take()?;
                }
                self.stack.push(Expect::Document { open: false });
                Ok(At { event: Event::DocumentEnd, start, end })
            }
            Some(Expect::BlockEntry(open)) => self.block_entry(open),
            Some(Expect::IndentlessEntry) => self.indentless_entry(),
            Some(Expect::BlockKey(open)) => self.block_key(open),
            Some(Expect::BlockValue(open)) => self.block_value(open),
            Some(Expect::FlowEntry { first, open }) => self.flow_entry(first, open),
            Some(Expect::PairKey) => self.pair_key(),
            Some(Expect::PairValue) => self.pair_value(),
            Some(Expect::PairEnd) => {
                let at = self.scanner.peek()?.start;
                Ok(At { event: Event::MapEnd, start: at, end: at })
            }
            Some(Expect::FlowKey { first, open }) => self.flow_key(first, open),
            Some(Expect::FlowValue { open }) => self.flow_value(open),
            Some(Expect::FlowNoValue { open }) => {
                self.stack.push(Expect::FlowKey { first: false, open });
                Ok(empty(self.scanner.peek()?.start))
            }
        }
    }

    fn document(&mut self, open: bool) -> Scanned<At<'t>> {
        if !open {
            while self.scanner.peek()?.token == Token::DocumentEnd {
                self.scanner.take()?;
            }
        }
        let next = self.scanner.peek()?;
        let start = next.start;
        match next.token {
            Token::StreamEnd => Ok(At { event: Event::StreamEnd, start, end: start }),
            Token::DocumentStart | Token::VersionDirective | Token::TagDirective { .. } => {
                self.directives()?;
                let marker = self.scanner.take()?;
                if marker.token != Token::DocumentStart {
                    return Err(Problem::new((marker.start, marker.end), "`---` is missing behind the directives")
                        .label((start, start + 1), "the directives start here"));
                }
                self.stack.extend([Expect::DocumentEnd, Expect::Content]);
                Ok(At { event: Event::DocumentStart, start, end: marker.end })
            }
            _ if open => {
                self.tags.clear();
                self.stack.extend([Expect::DocumentEnd, Expect::Value]);
                Ok(At { event: Event::DocumentStart, start, end: start })
            }
            _ => {
                let at = (next.start, next.end.max(next.start + 1));
                let problem = match next.token {
                    Token::FlowSeqEnd | Token::FlowMapEnd => Problem::new(at, "a bracket that closes nothing"),
                    _ => Problem::new(at, "the document has ended before this"),
                };
                let problem = if self.scanner.text_at(0).trim_start().starts_with(['{', '[', '"', '\'']) {
                    problem.hint("is a value that starts with a bracket or quote meant as text? then quote all of it")
                } else {
                    problem.hint("check the indentation of this line; a new document starts with `---`")
                };
                Err(problem)
            }
        }
    }

    fn directives(&mut self) -> Scanned<()> {
        self.tags.clear();
        let mut version = false;
        loop {
            if !matches!(self.scanner.peek()?.token, Token::VersionDirective | Token::TagDirective { .. }) {
                return Ok(());
            }
            let Placed { token, start, end } = self.scanner.take()?;
            match token {
                Token::TagDirective { handle, prefix } => {
                    if self.tags.iter().any(|(known, _)| *known == handle) {
                        return Err(Problem::new((start, end), format!("the tag handle `{handle}` is declared twice")));
                    }
                    self.tags.push((handle, prefix));
                }
                _ if version => return Err(Problem::new((start, end), "`%YAML` is here twice")),
                _ => version = true,
            }
        }
    }

    /// A node with its properties. `block`: block collections may start; `indentless`: a list may stand at the column of its key.
    fn node(&mut self, block: bool, indentless: bool) -> Scanned<At<'t>> {
        let start = self.scanner.peek()?.start;
        let mut properties = Properties::default();
        let mut end = start;
        loop {
            let next = self.scanner.peek()?;
            let place = (next.start, next.end);
            match &next.token {
                Token::Alias(name) if end == start => {
                    let name = *name;
                    let taken = self.scanner.take()?;
                    return Ok(At { event: Event::Alias(name), start, end: taken.end });
                }
                Token::Anchor(name) if properties.anchor.is_none() => {
                    properties.anchor = Some(name);
                    end = place.1;
                    self.scanner.take()?;
                }
                Token::Tag { .. } if properties.tag.is_none() => {
                    let Placed { token: Token::Tag { handle, suffix }, end: tag_end, .. } = self.scanner.take()? else {
                        continue;
                    };
                    properties.tag = Some(self.expand(handle, suffix, place)?);
                    end = tag_end;
                }
                _ => break,
            }
        }
        let next = self.scanner.peek()?;
        let place = (next.start, next.end);
        match next.token {
            Token::BlockEntry if indentless => {
                self.stack.push(Expect::IndentlessEntry);
                let start = if end > start { start } else { place.0 };
                Ok(At { event: Event::SeqStart { properties, flow: false }, start, end: place.0 })
            }
            Token::Scalar { .. } => {
                let Placed { token: Token::Scalar { value, style }, end, .. } = self.scanner.take()? else {
                    return Ok(empty(start));
                };
                Ok(At { event: Event::Scalar { properties, value, style }, start, end })
            }
            Token::FlowSeqStart => {
                self.scanner.take()?;
                self.stack.push(Expect::FlowEntry { first: true, open: place.0 });
                Ok(At { event: Event::SeqStart { properties, flow: true }, start, end: place.1 })
            }
            Token::FlowMapStart => {
                self.scanner.take()?;
                self.stack.push(Expect::FlowKey { first: true, open: place.0 });
                Ok(At { event: Event::MapStart { properties, flow: true }, start, end: place.1 })
            }
            Token::BlockSeqStart if block => {
                self.scanner.take()?;
                self.stack.push(Expect::BlockEntry(place.0));
                Ok(At { event: Event::SeqStart { properties, flow: false }, start, end: place.1 })
            }
            Token::BlockMapStart if block => {
                self.scanner.take()?;
                self.stack.push(Expect::BlockKey(place.0));
                Ok(At { event: Event::MapStart { properties, flow: false }, start, end: place.1 })
            }
            _ if end > start => Ok(At {
                event: Event::Scalar { properties, value: Cow::Borrowed(""), style: Style::Plain },
                start,
                end,
            }),
            _ => Err(self.no_node(place)),
        }
    }

    fn no_node(&mut self, place: (usize, usize)) -> Box<Problem> {
        let at = (place.0, place.1.max(place.0 + 1));
        let text = self.scanner.text_at(place.0);
        if place.0 >= 2 && self.scanner.text_at(place.0 - 2).starts_with("{{") {
            return Problem::new((place.0 - 2, place.1), TEMPLATE).hint(TEMPLATE_HINT);
        }
        match text.as_bytes().first() {
            None => Problem::new(place, "the text ends where a value is expected"),
            Some(b'.') if text.starts_with("...") => Problem::new(at, "`...` ends a document that has not started"),
            Some(b']' | b'}') => {
                Problem::new(at, "a bracket that closes nothing").hint("quote the value if the bracket is part of it")
            }
            Some(b',') => {
                Problem::new(at, "a value cannot start with `,`").hint("quote the value if the comma is part of it")
            }
            Some(b'-') => {
                Problem::new(at, "a list entry (`- `) cannot start here").hint("put the list on a line of its own")
            }
            _ => Problem::new(at, "a value cannot start here"),
        }
    }

    fn expand(&self, handle: &str, suffix: Cow<'t, str>, place: (usize, usize)) -> Scanned<Cow<'t, str>> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        let declared = self.tags.iter().find(|(known, _)| *known == handle).map(|(_, prefix)| &**prefix);
        let prefix = match (declared, handle) {
            (Some(prefix), _) => prefix,
            (None, "!") => "!",
            (None, "!!") => "tag:yaml.org,2002:",
            _ => {
                return Err(Problem::new(place, format!("the tag handle `{handle}` is not declared"))
                    .hint("quote the value if it is meant as text that starts with `!`"));
            }
        };
        Ok(Cow::Owned(format!("{prefix}{suffix}")))
    }

    fn block_entry(&mut self, open: usize) -> Scanned<At<'t>> {
        let next = self.scanner.take()?;
        match next.token {
            Token::BlockEntry => {
                self.stack.push(Expect::BlockEntry(open));
                if matches!(self.scanner.peek()?.token, Token::BlockEntry | Token::BlockEnd) {
                    return Ok(empty(next.end));
                }
                self.node(true, false)
            }
            Token::BlockEnd => Ok(At { event: Event::SeqEnd, start: next.start, end: next.start }),
            _ => Err(self.misplaced(
                &next,
                open,
                "the list starts here",
                "this is no entry of the list above, and not left of it",
            )),
        }
    }

    fn indentless_entry(&mut self) -> Scanned<At<'t>> {
        let next = self.scanner.peek()?;
        if next.token != Token::BlockEntry {
            return Ok(At { event: Event::SeqEnd, start: next.start, end: next.start });
        }
        let entry = self.scanner.take()?;
        self.stack.push(Expect::IndentlessEntry);
        use Token::{BlockEnd, BlockEntry, Key, Value};
        if matches!(self.scanner.peek()?.token, BlockEntry | Key | Value | BlockEnd) {
            return Ok(empty(entry.end));
        }
        self.node(true, false)
    }

    fn block_key(&mut self, open: usize) -> Scanned<At<'t>> {
        let next = self.scanner.take()?;
        match next.token {
            Token::Key => {
                self.stack.push(Expect::BlockValue(open));
                if matches!(self.scanner.peek()?.token, Token::Key | Token::Value | Token::BlockEnd) {
                    return Ok(empty(next.end));
                }
                self.node(true, true)
            }
            Token::BlockEnd => Ok(At { event: Event::MapEnd, start: next.start, end: next.start }),
            _ => Err(self.misplaced(
                &next,
                open,
                "the mapping starts here",
                "this does not fit the mapping that it is in",
            )),
        }
    }

    fn block_value(&mut self, open: usize) -> Scanned<At<'t>> {
        self.stack.push(Expect::BlockKey(open));
        let next = self.scanner.peek()?;
        if next.token != Token::Value {
            return Ok(empty(next.start));
        }
        let colon = self.scanner.take()?;
        if matches!(self.scanner.peek()?.token, Token::Key | Token::Value | Token::BlockEnd) {
            return Ok(empty(colon.end));
        }
        self.node(true, true)
    }

    /// A token that is neither an entry nor the end of a block collection.
    fn misplaced(
        &mut self,
        next: &Placed<'t>,
        open: usize,
        label: &'static str,
        message: &'static str,
    ) -> Box<Problem> {
        let at = (next.start, next.end.max(next.start + 1));
        let before = self.scanner.line_before(next.start);
        let problem = match next.token {
            Token::Scalar { .. } if before.trim().is_empty() => self.scanner.line_without_colon(next.start),
            Token::Scalar { .. }
            | Token::Alias(_)
            | Token::FlowSeqStart
            | Token::FlowMapStart
            | Token::Anchor(_)
            | Token::Tag { .. } => {
                let problem = Problem::new(at, "text behind a value that has ended");
                if before.ends_with('\'') {
                    problem.hint("a quote inside single quotes is written twice: ''")
                } else {
                    problem.hint("quote the whole value if this is part of it")
                }
            }
            Token::FlowSeqEnd | Token::FlowMapEnd => {
                Problem::new(at, "a bracket that closes nothing").hint("quote the value if the bracket is part of it")
            }
            Token::FlowEntry => {
                Problem::new(at, "a comma outside of brackets").hint("quote the value if the comma is part of it")
            }
            _ => Problem::new(at, message).hint("check the indentation of this line"),
        };
        problem.label((open, open + 1), label)
    }

    fn flow_entry(&mut self, first: bool, open: usize) -> Scanned<At<'t>> {
        if let Some(end) = self.flow_separator(first, open, &Token::FlowSeqEnd)? {
            return Ok(At { event: Event::SeqEnd, start: end.0, end: end.1 });
        }
        self.stack.push(Expect::FlowEntry { first: false, open });
        let next = self.scanner.peek()?;
        if next.token == Token::Key {
            let key = self.scanner.take()?;
            self.stack.extend([Expect::PairEnd, Expect::PairKey]);
            let event = Event::MapStart { properties: Properties::default(), flow: true };
            return Ok(At { event, start: key.start, end: key.end });
        }
        self.node(false, false)
    }

    /// The comma before an entry, or the end of the collection (then its bytes).
    fn flow_separator(&mut self, first: bool, open: usize, close: &Token<'t>) -> Scanned<Option<(usize, usize)>> {
        if self.scanner.peek()?.token != *close && !first {
            let next = self.scanner.take()?;
            if next.token != Token::FlowEntry {
                return Err(self.unseparated(&next, open, close));
            }
        }
        if self.scanner.peek()?.token == *close {
            let end = self.scanner.take()?;
            return Ok(Some((end.start, end.end)));
        }
        Ok(None)
    }

    fn unseparated(&mut self, next: &Placed<'t>, open: usize, close: &Token<'t>) -> Box<Problem> {
        let bracket = if *close == Token::FlowSeqEnd { ']' } else { '}' };
        let at = (next.start, next.end.max(next.start + 1));
        let problem = match next.token {
            Token::StreamEnd | Token::DocumentStart | Token::DocumentEnd => {
                return Problem::new(
                    (open, open + 1),
                    format!("the bracket that opens here is not closed by `{bracket}`"),
                );
            }
            _ => Problem::new(at, format!("`,` or `{bracket}` is expected here")),
        };
        let problem = problem.label((open, open + 1), "the bracket opens here");
        if self.scanner.text_at(open).starts_with("{{") {
            problem.hint("quote the template placeholder: \"{{ … }}\"")
        } else {
            problem
        }
    }

    fn pair_key(&mut self) -> Scanned<At<'t>> {
        self.stack.push(Expect::PairValue);
        let next = self.scanner.peek()?;
        if matches!(next.token, Token::Value | Token::FlowEntry | Token::FlowSeqEnd) {
            // libyaml drops the token here, and so does go-yaml: `[? : b]` is refused, `[? ]` too.
            let dropped = self.scanner.take()?;
            return Ok(empty(dropped.end));
        }
        self.node(false, false)
    }

    fn pair_value(&mut self) -> Scanned<At<'t>> {
        let next = self.scanner.peek()?;
        if next.token != Token::Value {
            return Ok(empty(next.start));
        }
        let colon = self.scanner.take()?;
        if matches!(self.scanner.peek()?.token, Token::FlowEntry | Token::FlowSeqEnd) {
            return Ok(empty(colon.end));
        }
        self.node(false, false)
    }

    fn flow_key(&mut self, first: bool, open: usize) -> Scanned<At<'t>> {
        if let Some(end) = self.flow_separator(first, open, &Token::FlowMapEnd)? {
            return Ok(At { event: Event::MapEnd, start: end.0, end: end.1 });
        }
        if self.scanner.peek()?.token != Token::Key {
            self.stack.push(Expect::FlowNoValue { open });
            return self.node(false, false);
        }
        let key = self.scanner.take()?;
        self.stack.push(Expect::FlowValue { open });
        if matches!(self.scanner.peek()?.token, Token::Value | Token::FlowEntry | Token::FlowMapEnd) {
            return Ok(empty(key.end));
        }
        self.node(false, false)
    }

    fn flow_value(&mut self, open: usize) -> Scanned<At<'t>> {
        self.stack.push(Expect::FlowKey { first: false, open });
        let next = self.scanner.peek()?;
        if next.token != Token::Value {
            return Ok(empty(next.start));
        }
        let colon = self.scanner.take()?;
        if matches!(self.scanner.peek()?.token, Token::FlowEntry | Token::FlowMapEnd) {
            return Ok(empty(colon.end));
        }
        self.node(false, false)
    }
}

/// A value that is left out.
fn empty(at: usize) -> At<'static> {
    At {
        event: Event::Scalar { properties: Properties::default(), value: Cow::Borrowed(""), style: Style::Plain },
        start: at,
        end: at,
    }
}
