//! Regular expressions in Go's syntax (RE2), on top of the regex crate, whose syntax differs in details.
//!
//! A pattern is rewritten: `\d`, `\w`, `\s`, `\b` are ASCII in Go; `{` that begins no repetition, `[` inside a class, `\<` and `\Q…\E` mean
//! themselves. Common mistakes get Go's words, others `error parsing regexp:` and the other library's. Bytes that are no UTF-8
//! match only what matches bytes.

use std::rc::Rc;

use regex::bytes::{Captures, Match, Regex, RegexBuilder};

use super::{MAX_BYTES, too_large};
use crate::template::function::{Arguments, Context, Entry, Failure, Native, Outcome};
use crate::template::value::{Bytes, List, STRING_LIST, Value};

pub(super) const TABLE: &[Entry] = &[
    ("mustRegexFind", "ss", FIND),
    ("mustRegexFindAll", "ssi", FIND_ALL),
    ("mustRegexMatch", "ss", |context, args| Ok(Value::Bool(compile(context, args)?.is_match(args.bytes(1))))),
    ("mustRegexReplaceAll", "sss", REPLACE),
    ("mustRegexReplaceAllLiteral", "sss", REPLACE_LITERAL),
    ("mustRegexSplit", "ssi", SPLIT),
    ("regexFind", "ss", |context, args| panicking(FIND(context, args), args)),
    ("regexFindAll", "ssi", |context, args| panicking(FIND_ALL(context, args), args)),
    ("regexMatch", "ss", |context, args| {
        Ok(Value::Bool(compile(context, args).is_ok_and(|regex| regex.is_match(args.bytes(1)))))
    }),
    ("regexQuoteMeta", "s", quote_meta),
    ("regexReplaceAll", "sss", |context, args| panicking(REPLACE(context, args), args)),
    ("regexReplaceAllLiteral", "sss", |context, args| panicking(REPLACE_LITERAL(context, args), args)),
    ("regexSplit", "ssi", |context, args| panicking(SPLIT(context, args), args)),
];

/// Bytes that a compiled pattern may take.
const MAX_PROGRAM: usize = 4 << 20;

/// Without `must` the pattern's error comes out of Go's `MustCompile`.
fn panicking(outcome: Outcome, args: Arguments<'_>) -> Outcome {
    outcome.map_err(|failure| {
        if !failure.message.starts_with("error parsing regexp") {
            return failure;
        }
        let pattern = args.text(0);
        let quoted = if pattern.contains('`') || !pattern.chars().all(|c| c == '\t' || c >= ' ') {
            crate::template::fmt::quote(pattern.as_bytes())
        } else {
            format!("`{pattern}`")
        };
        Failure::new(format!("regexp: Compile({quoted}): {}", failure.message))
    })
}

/// Compiles the pattern, once an execution.
fn compile(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Rc<Regex>, Failure> {
    if let Some(regex) = context.budget.regexes.get(args.bytes(0)) {
        return Ok(Rc::clone(regex));
    }
    let pattern = args.text(0);
    let regex = go_regex(&pattern).map_err(|reason| Failure::new(format!("error parsing regexp: {reason}")))?;
    let regex = Rc::new(regex);
    context.budget.regexes.insert(Bytes::from(args.bytes(0)), Rc::clone(&regex));
    Ok(regex)
}

/// A pattern in Go's syntax, compiled.
///
/// # Errors
/// Why it is none, as Go says it for common mistakes.
pub fn go_regex(pattern: &str) -> Result<Regex, String> {
    let rewritten = rewrite(pattern)?;
    RegexBuilder::new(&rewritten).size_limit(MAX_PROGRAM).build().map_err(|error| {
        let reason = error.to_string();
        format!("{}: `{pattern}`", reason.lines().last().unwrap_or("invalid").trim_start_matches("error: "))
    })
}

/// Whether a match may stand here: an empty one not inside a character.
fn on_boundary(text: &[u8], found: &Match<'_>) -> bool {
    !found.is_empty() || text.get(found.start()).is_none_or(|byte| byte & 0xc0 != 0x80)
}

const FIND: Native = |context, args| {
    Ok(Value::from(compile(context, args)?.find(args.bytes(1)).map_or(&b""[..], |found| found.as_bytes())))
};

/// At most so many, all when negative; none gives a nil list.
const FIND_ALL: Native = |context, args| {
    let limit = usize::try_from(args.int(2)).unwrap_or(usize::MAX);
    let regex = compile(context, args)?;
    let text = args.bytes(1);
    let found = regex.find_iter(text).filter(|found| on_boundary(text, found)).take(limit);
    let found: Vec<&[u8]> = found.map(|found| found.as_bytes()).collect();
    Ok(if found.is_empty() { Value::List(List::nil(&STRING_LIST)) } else { Value::strings(found) })
};

const SPLIT: Native = |context, args| {
    let (text, limit) = (args.bytes(1), args.int(2));
    let regex = compile(context, args)?;
    if limit == 0 {
        return Ok(Value::List(List::nil(&STRING_LIST)));
    }
    if !args.bytes(0).is_empty() && text.is_empty() {
        return Ok(Value::strings([""]));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts: Vec<&[u8]> = Vec::new();
    let (mut start, mut end) = (0, 0);
    for found in regex.find_iter(text).filter(|found| on_boundary(text, found)) {
        if parts.len() + 1 == limit {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(text.get(start..end).unwrap_or(&[]));
        }
        start = found.end();
    }
    if end != text.len() {
        parts.push(text.get(start..).unwrap_or(&[]));
    }
    Ok(Value::strings(parts))
};

const REPLACE: Native = |context, args| {
    let template = args.text(2).into_owned();
    replaced(context, args, |captures, out| expand(&template, captures, out))
};

const REPLACE_LITERAL: Native = |context, args| {
    let with = args.bytes(2);
    replaced(context, args, |_, out| out.extend_from_slice(with))
};

fn replaced(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    mut with: impl FnMut(&Captures<'_>, &mut Vec<u8>),
) -> Outcome {
    let regex = compile(context, args)?;
    let text = args.bytes(1);
    let mut out = Vec::with_capacity(text.len());
    let mut last = 0;
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0).filter(|whole| on_boundary(text, whole)) else { continue };
        out.extend_from_slice(text.get(last..whole.start()).unwrap_or(&[]));
        with(&captures, &mut out);
        last = whole.end();
        if out.len() > MAX_BYTES {
            return Err(too_large());
        }
    }
    out.extend_from_slice(text.get(last..).unwrap_or(&[]));
    Ok(Value::from(out))
}

/// Go's template: `$1`, `${1}`, `$name`, `${name}`, `$$`; a name is as long as can be.
fn expand(template: &str, captures: &Captures<'_>, out: &mut Vec<u8>) {
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('$') {
        out.extend_from_slice(text.as_bytes());
        if let Some(after) = after.strip_prefix('$') {
            out.push(b'$');
            rest = after;
            continue;
        }
        let braced = after.strip_prefix('{');
        let body = braced.unwrap_or(after);
        let length = body.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(body.len());
        let (name, tail) = body.split_at(length);
        let tail = if braced.is_some() { tail.strip_prefix('}') } else { Some(tail) };
        let Some(tail) = tail.filter(|_| !name.is_empty()) else {
            // No name: the dollar sign stands for itself.
            out.push(b'$');
            rest = after;
            continue;
        };
        let group = match name.parse::<usize>() {
            Ok(number) if number < 100_000_000 && !(name.len() > 1 && name.starts_with('0')) => captures.get(number),
            _ => captures.name(name),
        };
        out.extend_from_slice(group.map_or(&[], |group| group.as_bytes()));
        rest = tail;
    }
    out.extend_from_slice(rest.as_bytes());
}

fn quote_meta(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let mut out = Vec::new();
    for byte in args.bytes(0) {
        if br"\.+*?()|[]{}^$".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    Ok(Value::from(out))
}

/// A cursor over the pattern, which rewrites it.
struct Rewriter<'p> {
    pattern: &'p str,
    rest: &'p str,
    out: String,
    names: Vec<&'p str>,
    /// Open groups.
    groups: usize,
    /// What a repetition operator would apply to.
    before: Before,
    /// Where the last repetition began.
    repetition: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Item,
    Repetition,
}

/// The pattern in the regex crate's syntax, or Go's complaint.
fn rewrite(pattern: &str) -> Result<String, String> {
    let mut rewriter = Rewriter {
        pattern,
        rest: pattern,
        out: String::with_capacity(pattern.len() + 8),
        names: Vec::new(),
        groups: 0,
        before: Before::Nothing,
        repetition: 0,
    };
    while !rewriter.rest.is_empty() {
        rewriter.step()?;
    }
    if rewriter.groups > 0 {
        return Err(format!("missing closing ): `{pattern}`"));
    }
    Ok(rewriter.out)
}

impl<'p> Rewriter<'p> {
    fn at(&self) -> usize {
        self.pattern.len() - self.rest.len()
    }

    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.out.push_str(taken);
        self.rest = rest;
    }

    fn step(&mut self) -> Result<(), String> {
        let Some(c) = self.rest.chars().next() else { return Ok(()) };
        let tail = self.rest.get(c.len_utf8()..).unwrap_or("");
        match c {
            '\\' => return self.escape(tail),
            '[' => return self.class(tail),
            '(' => {
                self.groups += 1;
                self.before = Before::Nothing;
                if let Some(flags) = tail.strip_prefix('?') {
                    return self.group(flags);
                }
            }
            ')' => {
                if self.groups == 0 {
                    return Err(format!("unexpected ): `{}`", self.pattern));
                }
                self.groups -= 1;
                self.before = Before::Item;
            }
            '|' => self.before = Before::Nothing,
            '*' | '+' | '?' => return self.repeat(1),
            '{' => {
                let Some(length) = counted(self.rest) else {
                    self.out.push_str("\\{");
                    self.rest = tail;
                    self.before = Before::Item;
                    return Ok(());
                };
                let body = self.rest.get(1..length - 1).unwrap_or("");
                let (low, high) = body.split_once(',').unwrap_or((body, body));
                let bound = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
                let wrong = bound(low) > 1000 || (!high.is_empty() && (bound(high) > 1000 || bound(high) < bound(low)));
                if wrong {
                    return Err(format!("invalid repeat count: `{{{body}}}`"));
                }
                return self.repeat(length);
            }
            _ => self.before = Before::Item,
        }
        self.take(c.len_utf8());
        Ok(())
    }

    /// A repetition operator of so many bytes, and the question mark behind it.
    fn repeat(&mut self, length: usize) -> Result<(), String> {
        let lazy = self.rest.get(length..).is_some_and(|rest| rest.starts_with('?'));
        let whole = length + usize::from(lazy);
        let operator = self.rest.get(..length).unwrap_or("");
        match self.before {
            Before::Nothing => return Err(format!("missing argument to repetition operator: `{operator}`")),
            Before::Repetition => {
                let end = self.at() + whole;
                let both = self.pattern.get(self.repetition..end).unwrap_or("");
                return Err(format!("invalid nested repetition operator: `{both}`"));
            }
            Before::Item => {}
        }
        self.repetition = self.at();
        self.before = Before::Repetition;
        self.take(whole);
        Ok(())
    }

    /// Flags or a name; both libraries write them alike, but Go knows fewer flags.
    fn group(&mut self, flags: &'p str) -> Result<(), String> {
        let whole = self.rest;
        if flags.starts_with("P<") || (flags.starts_with('<') && !flags.starts_with("<=") && !flags.starts_with("<!")) {
            let Some(end) = whole.find('>') else {
                return Err(format!("invalid named capture: `{whole}`"));
            };
            let name = whole.get(whole.find('<').unwrap_or(0) + 1..end).unwrap_or("");
            if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
                return Err(format!("invalid named capture: `{}`", whole.get(..=end).unwrap_or("")));
            }
            if self.names.contains(&name) {
                // Go lets a name stand twice and finds the first.
                self.out.push('(');
                self.rest = whole.get(end + 1..).unwrap_or("");
            } else {
                self.names.push(name);
                self.take(end + 1);
            }
            return Ok(());
        }
        let length = flags.find(|c: char| !matches!(c, 'i' | 'm' | 's' | 'U' | '-')).unwrap_or(flags.len());
        match flags.get(length..).and_then(|rest| rest.chars().next()) {
            Some(':') => self.take(2 + length + 1),
            Some(')') if length > 0 => {
                self.groups -= 1;
                self.take(2 + length + 1);
            }
            Some(c) => {
                let end = 2 + length + c.len_utf8();
                return Err(format!("invalid or unsupported Perl syntax: `{}`", whole.get(..end).unwrap_or(whole)));
            }
            None => return Err(format!("invalid or unsupported Perl syntax: `{whole}`")),
        }
        Ok(())
    }

    fn escape(&mut self, tail: &str) -> Result<(), String> {
        self.before = Before::Item;
        let Some(c) = tail.chars().next() else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        if c == 'Q' {
            let body = tail.get(1..).unwrap_or("");
            let (literal, rest) = body.split_once("\\E").unwrap_or((body, ""));
            self.out.push_str(&regex::escape(literal));
            self.rest = self.rest.get(self.rest.len() - rest.len()..).unwrap_or("");
            if literal.is_empty() {
                self.before = Before::Nothing;
            }
            return Ok(());
        }
        if let Some(class) = ascii_class(c) {
            self.out.push_str(&format!("[{class}]"));
        } else if matches!(c, 'b' | 'B') {
            self.out.push_str(&format!("(?-u:\\{c})"));
        } else if let Some(length) = plain_escape(tail) {
            return self.plain(tail, length);
        } else {
            return Err(format!("invalid escape sequence: `\\{c}`"));
        }
        self.rest = self.rest.get(1 + c.len_utf8()..).unwrap_or("");
        Ok(())
    }

    /// An escape of so many bytes behind the backslash that the other library knows as well, but for a few.
    fn plain(&mut self, tail: &str, length: usize) -> Result<(), String> {
        let body = tail.get(..length).unwrap_or("");
        match body.chars().next() {
            Some('<' | '>' | '"' | '\'' | '`' | '!' | '%' | ',' | ':' | ';' | '=' | '@' | '/' | '_') => {
                self.out.push_str(body);
            }
            Some(c @ '0'..='7') => {
                let code = u32::from_str_radix(body, 8).unwrap_or(0);
                debug_assert!(c.is_ascii());
                self.out.push_str(&format!("\\x{{{code:x}}}"));
            }
            _ => self.out.push_str(&format!("\\{body}")),
        }
        self.rest = self.rest.get(1 + length..).unwrap_or("");
        Ok(())
    }

    fn class(&mut self, tail: &'p str) -> Result<(), String> {
        let whole = self.rest;
        let missing = || format!("missing closing ]: `{whole}`");
        self.before = Before::Item;
        self.out.push('[');
        let mut rest = tail;
        if let Some(after) = rest.strip_prefix('^') {
            self.out.push('^');
            rest = after;
        }
        let mut first = true;
        loop {
            let c = rest.chars().next().ok_or_else(missing)?;
            let after = rest.get(c.len_utf8()..).unwrap_or("");
            match c {
                ']' if !first => {
                    self.out.push(']');
                    self.rest = after;
                    return Ok(());
                }
                '[' if after.starts_with(':') && after.contains(":]") => {
                    let end = after.find(":]").unwrap_or(0) + 2;
                    let name = after.get(..end).unwrap_or("");
                    if !POSIX.contains(&name.trim_matches(':').trim_start_matches('^').trim_end_matches(":]")) {
                        return Err(format!("invalid character class range: `[{name}`"));
                    }
                    self.out.push_str(&format!("[{name}"));
                    rest = after.get(end..).unwrap_or("");
                    first = false;
                    continue;
                }
                '\\' => {
                    let escaped = after.chars().next().ok_or_else(missing)?;
                    if let Some(class) = ascii_class(escaped) {
                        // Brackets of its own keep a dash behind it from making a range of its last letter.
                        self.out.push_str(&format!("[{class}]"));
                        rest = after.get(1..).unwrap_or("");
                    } else if let Some(length) = plain_escape(after).filter(|_| !matches!(escaped, 'A' | 'z' | 'C')) {
                        let body = after.get(..length).unwrap_or("");
                        if escaped.is_ascii_punctuation() {
                            self.out.push_str(&regex::escape(body));
                        } else if escaped.is_digit(8) {
                            let code = u32::from_str_radix(body, 8).unwrap_or(0);
                            self.out.push_str(&format!("\\x{{{code:x}}}"));
                        } else {
                            self.out.push_str(&format!("\\{body}"));
                        }
                        rest = after.get(length..).unwrap_or("");
                    } else {
                        return Err(format!("invalid escape sequence: `\\{escaped}`"));
                    }
                    first = false;
                    continue;
                }
                '[' | '&' | '~' | ']' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                '-' if !first && !after.starts_with(']') && after.starts_with('-') => self.out.push_str("\\-"),
                c => {
                    // A range is checked here for Go's words; the other library checks it again.
                    if let Some(high) = after.strip_prefix('-').and_then(|high| high.chars().next())
                        && high != ']'
                        && high != '\\'
                        && high < c
                    {
                        return Err(format!("invalid character class range: `{c}-{high}`"));
                    }
                    self.out.push(c);
                }
            }
            rest = after;
            first = false;
        }
    }
}

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// Go's Perl classes, which are ASCII; a caret marks the negated ones.
fn ascii_class(c: char) -> Option<&'static str> {
    Some(match c {
        'd' => "0-9",
        'D' => "^0-9",
        's' => "\\t\\n\\x0c\\r ",
        'S' => "^\\t\\n\\x0c\\r ",
        'w' => "0-9A-Za-z_",
        'W' => "^0-9A-Za-z_",
        _ => return None,
    })
}

/// The length of an escape (without backslash) that Go accepts; `None` where it does not.
fn plain_escape(tail: &str) -> Option<usize> {
    let c = tail.chars().next()?;
    match c {
        'A' | 'z' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' => Some(1),
        'p' | 'P' => match tail.get(1..)?.strip_prefix('{') {
            Some(name) => Some(name.find('}')? + 3),
            None => Some(1 + tail.get(1..)?.chars().next()?.len_utf8()),
        },
        'x' => match tail.get(1..)?.strip_prefix('{') {
            Some(digits) => Some(digits.find('}')? + 3),
            None => tail.get(1..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit())).map(|_| 3),
        },
        '1'..='7' if !tail.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_digit(8))) => None,
        '0'..='7' => Some(tail.bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count()),
        c if c.is_ascii_punctuation() => Some(1),
        _ => None,
    }
}

/// The length of `{2}`, `{2,}` or `{2,3}` at the beginning.
fn counted(text: &str) -> Option<usize> {
    let end = text.find('}')?;
    let body = text.get(1..end)?;
    let (low, high) = body.split_once(',').unwrap_or((body, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!low.is_empty() && digits(low) && digits(high)).then_some(end + 1)
}
