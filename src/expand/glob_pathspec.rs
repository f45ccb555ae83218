//! Patterns of git file generators: pathspecs, as `git ls-files -- <pattern>` takes them.
//!
//! `*` and `?` cross `/`; a pattern that names a directory matches all below it; `:(glob)` lets `*` stop at `/` and gives `**` its
//! meaning; `:(icase)`, `:(literal)`, `:(top)`, `:(exclude)` and the short forms `:/ :! :^` are honoured. Characters are bytes, as in git.
//! Rules: git's `pathspec.c`, `dir.c` (`match_pathspec_item`) and `wildmatch.c`.
//!
//! Refused: `:(attr:…)`, because attributes are not part of a tree, and whatever git refuses.

use regex::bytes::{Regex, RegexBuilder};

/// A compiled pathspec.
#[derive(Clone, Debug)]
pub(super) struct Pathspec {
    /// The path before any wildcard is looked at; matches itself and what is below it.
    path: String,
    /// Length of the part without wildcards.
    literal: usize,
    /// What has to match after the literal part, where there are wildcards that can match at all.
    wild: Option<Regex>,
    exclude: bool,
    fold: bool,
}

#[derive(Default)]
struct Magic {
    top: bool,
    literal: bool,
    glob: bool,
    fold: bool,
    exclude: bool,
}

impl Pathspec {
    /// Reads a pathspec. The empty one stands for `.`, as the repo-server asks git.
    ///
    /// # Errors
    /// What is wrong with it, a sentence.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let (magic, path) = magic(text)?;
        // From the top on, a path is taken as it is written.
        let path = if magic.top { Some(path.to_owned()) } else { normalize(path) };
        let path = path.ok_or_else(|| format!("`{text}` leaves the repository"))?;
        let literal = match path.find(['*', '?', '[', '\\']) {
            Some(at) if !magic.literal => at,
            _ => path.len(),
        };
        let wild = match path.get(literal..) {
            Some(pattern) if !pattern.is_empty() => expression(pattern.as_bytes(), magic.glob, magic.fold),
            _ => None,
        };
        Ok(Pathspec { path, literal, wild, exclude: magic.exclude, fold: magic.fold })
    }

    /// The literal directory that every match lies in, with final `/`; empty where there is none, or case does not count.
    pub(super) fn directory(&self) -> &str {
        if self.exclude || self.fold {
            return "";
        }
        // A file of the very name also matches, so that the last part is never a directory for sure.
        let literal = self.path.get(..self.literal).unwrap_or_default();
        literal.rfind('/').map_or("", |at| &literal[..=at])
    }

    /// Whether a file is listed.
    pub(super) fn matches(&self, file: &str) -> bool {
        self.matches_path(file.as_bytes()) != self.exclude
    }

    fn matches_path(&self, file: &[u8]) -> bool {
        let path = self.path.as_bytes();
        if path.is_empty() {
            return true;
        }
        if self.starts(file, path)
            && (file.len() == path.len() || path.last() == Some(&b'/') || file.get(path.len()) == Some(&b'/'))
        {
            return true;
        }
        let (Some(wild), Some(before)) = (&self.wild, path.get(..self.literal)) else { return false };
        self.starts(file, before) && file.get(before.len()..).is_some_and(|rest| wild.is_match(rest))
    }

    fn starts(&self, file: &[u8], with: &[u8]) -> bool {
        file.get(..with.len()).is_some_and(|head| head == with || (self.fold && head.eq_ignore_ascii_case(with)))
    }
}

/// The magic words in front, and the path.
fn magic(text: &str) -> Result<(Magic, &str), String> {
    let mut magic = Magic::default();
    let Some(rest) = text.strip_prefix(':') else { return Ok((magic, text)) };
    if let Some(long) = rest.strip_prefix('(') {
        let (words, path) = long.split_once(')').ok_or_else(|| format!("`{text}` has no `)` after its magic words"))?;
        for word in words.split(',').filter(|word| !word.is_empty()) {
            match word {
                "top" => magic.top = true,
                "literal" => magic.literal = true,
                "glob" => magic.glob = true,
                "icase" => magic.fold = true,
                "exclude" => magic.exclude = true,
                _ => return Err(format!("`{word}` is no magic word of a pathspec that can be used here")),
            }
        }
        if magic.literal && magic.glob {
            return Err("`literal` and `glob` exclude each other".to_owned());
        }
        return Ok((magic, path));
    }
    let mut path = rest;
    while let Some(c) = path.chars().next() {
        match c {
            '/' => magic.top = true,
            '!' | '^' => magic.exclude = true,
            ':' => return Ok((magic, &path[1..])),
            '"' | '#' | '%' | '&' | '\'' | ',' | '-' | ';' | '<' | '=' | '>' | '@' | '_' | '`' | '~' => {
                return Err(format!("`{c}` is no magic character of a pathspec"));
            }
            _ => break,
        }
        path = &path[c.len_utf8()..];
    }
    Ok((magic, path))
}

/// The path without `.`, `..` and double slashes; a final slash stays. `None` where it leaves the repository.
fn normalize(path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    let mut out = parts.join("/");
    if !out.is_empty() && (path.ends_with('/') || path.ends_with("/.")) {
        out.push('/');
    }
    Some(out)
}

/// The expression of a wildcard pattern; `None` for one that matches nothing (an open class).
fn expression(pattern: &[u8], stops: bool, fold: bool) -> Option<Regex> {
    let (any, one) = if stops { ("[^/]*", "[^/]") } else { (".*", ".") };
    let mut out = String::from(r"\A");
    let mut at = 0;
    while let Some(byte) = pattern.get(at) {
        at += 1;
        match byte {
            b'*' => {
                let start = at - 1;
                while pattern.get(at) == Some(&b'*') {
                    at += 1;
                }
                let opens = start == 0 || pattern.get(start - 1) == Some(&b'/');
                let next = pattern.get(at);
                let closes = next.is_none() || next == Some(&b'/') || pattern.get(at..at + 2) == Some(b"\\/");
                match stops && at - start > 1 && opens && closes {
                    true if next == Some(&b'/') => {
                        at += 1;
                        out.push_str("(?:.*/)?");
                    }
                    true => out.push_str(".*"),
                    false => out.push_str(any),
                }
            }
            b'?' => out.push_str(one),
            b'[' => at = class(pattern, at, stops, &mut out)?,
            b'\\' => {
                literal(*pattern.get(at)?, &mut out);
                at += 1;
            }
            byte => literal(*byte, &mut out),
        }
    }
    out.push_str(r"\z");
    RegexBuilder::new(&out).unicode(false).dot_matches_new_line(true).case_insensitive(fold).build().ok()
}

fn literal(byte: u8, out: &mut String) {
    use std::fmt::Write as _;
    if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_') {
        out.push(char::from(byte));
    } else {
        let _ = write!(out, "\\x{byte:02x}");
    }
}

/// A class from after its `[`; returns where it ends.
fn class(pattern: &[u8], mut at: usize, stops: bool, out: &mut String) -> Option<usize> {
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(negated);
    let mut set = String::new();
    let mut first = true;
    loop {
        let byte = *pattern.get(at)?;
        at += 1;
        match byte {
            b']' if !first => break,
            b'[' if pattern.get(at) == Some(&b':') => {
                let name = pattern.get(at + 1..)?;
                let length = name.windows(2).position(|pair| pair == b":]")?;
                let name = std::str::from_utf8(name.get(..length)?).ok()?;
                let known = [
                    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
                    "xdigit",
                ];
                set.push_str(&format!("[:{}:]", known.into_iter().find(|known| *known == name)?));
                at += length + 3;
            }
            byte => {
                let low = if byte == b'\\' { take(pattern, &mut at)? } else { byte };
                let range = pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|next| *next != b']');
                literal(low, &mut set);
                if range {
                    at += 1;
                    let mut high = take(pattern, &mut at)?;
                    if high == b'\\' {
                        high = take(pattern, &mut at)?;
                    }
                    if high >= low {
                        set.push('-');
                        literal(high, &mut set);
                    }
                }
            }
        }
        first = false;
    }
    let not = if negated { "^" } else { "" };
    out.push_str(&if stops { format!("[[{not}{set}]&&[^/]]") } else { format!("[{not}{set}]") });
    Some(at)
}

fn take(pattern: &[u8], at: &mut usize) -> Option<u8> {
    let byte = *pattern.get(*at)?;
    *at += 1;
    Some(byte)
}
