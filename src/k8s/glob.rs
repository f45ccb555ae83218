//! Globs as Argo CD matches them (gobwas/glob): resource filters, project rules, include and exclude of directory sources.
//!
//! `*` any run of non-separators, `**` any run, `?` one non-separator, `[abc]` `[!abc]` `[a-z]` one character, `{a,b*}` alternatives
//! (nested too, and closed by the end of the pattern), `\` takes the next character as it is. Without separators `*` matches everything.
//! A pattern that the original cannot compile matches nothing there; here it is `None`, and the caller says so. Not file system globs:
//! a leading dot is nothing special. Matching takes time linear in the text.

use std::hash::{Hash, Hasher};

use regex::Regex;

/// A compiled glob. Compares and hashes by pattern and separators.
#[derive(Clone, Debug)]
pub struct Glob {
    pattern: String,
    separators: String,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    /// No special character at all: most patterns.
    Exact,
    Everything,
    Regex(Regex),
}

impl Glob {
    /// Compiles a pattern; `None` where it is malformed (`[` without `]`, an empty or backward range).
    pub fn new(pattern: &str, separators: &str) -> Option<Self> {
        let matcher = if !pattern.contains(['*', '?', '[', '{', '\\']) {
            Matcher::Exact
        } else if pattern == "**" || (pattern == "*" && separators.is_empty()) {
            Matcher::Everything
        } else {
            Matcher::Regex(Regex::new(&regex_text(pattern, separators)?).ok()?)
        };
        Some(Glob { pattern: pattern.to_owned(), separators: separators.to_owned(), matcher })
    }

    /// The pattern as written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => self.pattern == text,
            Matcher::Everything => true,
            Matcher::Regex(regex) => regex.is_match(text),
        }
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern && self.separators == other.separators
    }
}
impl Eq for Glob {}
impl Hash for Glob {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.pattern, &self.separators).hash(state);
    }
}

/// Whether a text matches a pattern without separators; a malformed pattern matches nothing.
pub fn matches(pattern: &str, text: &str) -> bool {
    Glob::new(pattern, "").is_some_and(|glob| glob.matches(text))
}

/// The regular expression of a glob.
fn regex_text(pattern: &str, separators: &str) -> Option<String> {
    let single = if separators.is_empty() { ".".to_owned() } else { format!("[^{}]", class_text(separators)) };
    let mut out = String::from(r"(?s)\A");
    let mut open = 0usize;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => out.push_str(".*"),
            '*' => out.extend([single.as_str(), "*"]),
            '?' => out.push_str(&single),
            '[' => {
                let mut body = Vec::new();
                loop {
                    match chars.next()? {
                        ']' => break,
                        '\\' => body.push(chars.next()?),
                        c => body.push(c),
                    }
                }
                out.push_str(&class(&body)?);
            }
            '{' => {
                open += 1;
                out.push_str("(?:");
            }
            '}' if open > 0 => {
                open -= 1;
                out.push(')');
            }
            ',' if open > 0 => out.push('|'),
            '\\' => out.extend(chars.next().map(|c| regex::escape(&c.to_string()))),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.extend(std::iter::repeat_n(')', open));
    out.push_str(r"\z");
    Some(out)
}

/// The character class of what stood between `[` and `]`.
fn class(body: &[char]) -> Option<String> {
    let (not, body) = match body {
        ['!', rest @ ..] => ("^", rest),
        _ => ("", body),
    };
    match body {
        [] => None,
        [low, '-', high] if low <= high => {
            Some(format!("[{not}{}-{}]", class_text(&low.to_string()), class_text(&high.to_string())))
        }
        [_, '-', ..] => None,
        list => Some(format!("[{not}{}]", class_text(&list.iter().collect::<String>()))),
    }
}

/// Characters, each escaped for the inside of a character class.
fn class_text(chars: &str) -> String {
    chars.chars().map(|c| format!(r"\x{{{:x}}}", u32::from(c))).collect()
}

#[cfg(test)]
mod tests;
