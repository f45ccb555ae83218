//! Go's `path.Match`: directories of git generators, kinds and groups in the lists of AppProjects, paths in .helmignore.
//!
//! `*` any run without `/`, `?` one character but `/`, `[a-z]` and `[^a-z]` one character (also `/`, as in Go), `\` takes the next
//! character as it is. There is no `**`: it is `*` twice. A malformed pattern matches nothing there; here it is `None`, and the caller says so.

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct PathPattern {
    /// Runs of tokens, each but the first with a `*` before it; the first may have one too.
    chunks: Vec<Chunk>,
    /// The directories that every match lies in, with final `/`; empty where the pattern starts with something special.
    directory: String,
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    star: bool,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug)]
enum Token {
    Literal(char),
    One,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl PathPattern {
    /// Compiles a pattern; `None` where it is malformed.
    pub fn new(pattern: &str) -> Option<Self> {
        let mut chunks = vec![Chunk::default()];
        let mut rest = pattern.chars();
        while let Some(c) = rest.next() {
            let token = match c {
                '*' => {
                    match chunks.last_mut() {
                        Some(chunk) if chunk.tokens.is_empty() => chunk.star = true,
                        _ => chunks.push(Chunk { star: true, tokens: Vec::new() }),
                    }
                    continue;
                }
                '?' => Token::One,
                '[' => class(&mut rest)?,
                '\\' => Token::Literal(rest.next()?),
                c => Token::Literal(c),
            };
            if let Some(chunk) = chunks.last_mut() {
                chunk.tokens.push(token);
            }
        }
        let literal = pattern.find(['*', '?', '[', '\\']).map_or(pattern, |at| &pattern[..at]);
        let directory = literal.rfind('/').map_or("", |at| &literal[..=at]).to_owned();
        Some(PathPattern { chunks, directory })
    }

    /// The directories that every match lies in, with final `/`.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// Whether the whole name matches.
    pub fn matches(&self, name: &str) -> bool {
        let mut name = name;
        let last = self.chunks.len().saturating_sub(1);
        for (at, chunk) in self.chunks.iter().enumerate() {
            if chunk.star && chunk.tokens.is_empty() {
                return !name.contains('/');
            }
            // The last run has to reach the end; the others take the first place that fits, which never misses a match.
            let fits = |text| strip(&chunk.tokens, text).filter(|left: &&str| at < last || left.is_empty());
            match fits(name) {
                Some(left) => name = left,
                None if !chunk.star => return false,
                None => {
                    let mut places = name.char_indices().take_while(|(_, c)| *c != '/');
                    match places.find_map(|(at, c)| fits(&name[at + c.len_utf8()..])) {
                        Some(left) => name = left,
                        None => return false,
                    }
                }
            }
        }
        name.is_empty()
    }
}

/// What is left of the text after the tokens.
fn strip<'t>(tokens: &[Token], text: &'t str) -> Option<&'t str> {
    let mut rest = text.chars();
    for token in tokens {
        let c = rest.next()?;
        let fits = match token {
            Token::Literal(want) => c == *want,
            Token::One => c != '/',
            Token::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        };
        if !fits {
            return None;
        }
    }
    Some(rest.as_str())
}

/// The rest of a class after `[`.
fn class(rest: &mut std::str::Chars<'_>) -> Option<Token> {
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && rest.as_str().starts_with(']') {
            rest.next();
            return Some(Token::Class { negated, ranges });
        }
        let low = class_char(rest)?;
        let mut high = low;
        if rest.as_str().starts_with('-') {
            rest.next();
            high = class_char(rest)?;
        }
        ranges.push((low, high));
    }
}

fn class_char(rest: &mut std::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        c => Some(c),
    }
}
