//! Patterns over paths where `**` crosses directories: doublestar v4, as Argo CD uses it for git files (opt-in) and values files.
//!
//! `*` and `?` stop at `/`, `**` as a whole part of the path crosses any number of directories, `{a,b}` are alternatives, `[a-z]`,
//! `[!a-z]` and `[^a-z]` classes, `\` takes the next character as it is. Rules: bmatcuk/doublestar 4.10 `FilepathGlob`, which also finds directories.

use regex::Regex;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Doublestar {
    files: Regex,
    directories: Regex,
}

impl Doublestar {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it, a sentence.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let mut clean: Vec<&str> = Vec::new();
        for part in pattern.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    clean.pop().ok_or_else(|| format!("`{pattern}` leaves the repository"))?;
                }
                part => clean.push(part),
            }
        }
        let malformed = || format!("`{pattern}` is malformed");
        let compile = |below| {
            let text = expression(&clean.join("/"), below).ok_or_else(malformed)?;
            Regex::new(&text).map_err(|_| malformed())
        };
        Ok(Doublestar { files: compile("/.+")?, directories: compile("(?:/.*)?")? })
    }

    /// Whether a file is found.
    pub fn matches(&self, file: &str) -> bool {
        self.files.is_match(file)
    }

    /// Whether a directory is found.
    pub fn matches_directory(&self, directory: &str) -> bool {
        self.directories.is_match(directory)
    }
}

/// The expression of a pattern; `below` is that of a final `/**`, which directories need not have.
fn expression(pattern: &str, below: &str) -> Option<String> {
    let mut out = String::from(r"(?s)\A");
    let mut open = 0usize;
    let mut rest = pattern;
    let mut part_starts = true;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let starts = std::mem::replace(&mut part_starts, c == '/');
        if let Some(more) = rest.strip_prefix("**").filter(|_| starts) {
            if let Some(more) = more.strip_prefix('/') {
                out.push_str("(?:[^/]+/)*");
                (rest, part_starts) = (more, true);
                continue;
            }
            if more.is_empty() || (open > 0 && more.starts_with([',', '}'])) {
                // The slash before belongs to what may be missing: `a/**` is `a` too.
                if out.ends_with('/') {
                    out.pop();
                    out.push_str(below);
                } else {
                    out.push_str(".*");
                }
                rest = more;
                continue;
            }
        }
        rest = after;
        match c {
            '*' => {
                rest = rest.trim_start_matches('*');
                out.push_str("[^/]*");
            }
            '?' => out.push_str("[^/]"),
            '{' => {
                open += 1;
                part_starts = starts;
                out.push_str("(?:");
            }
            '}' => {
                open = open.checked_sub(1)?;
                out.push(')');
            }
            ',' if open > 0 => out.push('|'),
            '[' => rest = class(rest, &mut out)?,
            '\\' => {
                let c = rest.chars().next()?;
                rest = &rest[c.len_utf8()..];
                out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
            }
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str(r"\z");
    (open == 0).then_some(out)
}

/// A class from after its `[`; returns what follows it.
fn class<'p>(rest: &'p str, out: &mut String) -> Option<&'p str> {
    let negated = rest.starts_with(['!', '^']);
    let mut chars = rest[usize::from(negated)..].chars();
    let mut set = String::new();
    let escaped = |chars: &mut std::str::Chars<'_>| match chars.next()? {
        '\\' => chars.next(),
        c => Some(c),
    };
    while set.is_empty() || !chars.as_str().starts_with(']') {
        let low = escaped(&mut chars)?;
        set.push_str(&regex::escape(low.encode_utf8(&mut [0; 4])));
        if chars.as_str().starts_with('-') && !chars.as_str().starts_with("-]") {
            chars.next();
            let high = escaped(&mut chars)?;
            if high < low {
                return None;
            }
            set.push('-');
            set.push_str(&regex::escape(high.encode_utf8(&mut [0; 4])));
        }
    }
    chars.next();
    out.push_str(&if negated { format!("[^/{set}]") } else { format!("[[{set}]&&[^/]]") });
    Some(chars.as_str())
}
