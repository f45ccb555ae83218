//! Anchors, aliases, tags and directives.

use std::borrow::Cow;

use super::{Problem, Scanned, Scanner, Token, class, is_class};

impl<'t> Scanner<'t> {
    pub(super) fn fetch_anchor(&mut self, alias: bool) -> Scanned<()> {
        let start = self.pos;
        self.pos += 1;
        let name = self.name();
        let ends =
            self.is_space_at(self.pos) || matches!(self.byte(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ends {
            let (what, sign) = if alias { ("an alias", '*') } else { ("an anchor", '&') };
            return Err(Problem::new(
                (start, self.pos + 1),
                format!("`{sign}` starts {what}, whose name has only letters, digits, `-` and `_`"),
            )
            .hint("quote the value if it is meant as text"));
        }
        self.push(if alias { Token::Alias(name) } else { Token::Anchor(name) }, start);
        Ok(())
    }

    /// Takes letters, digits, `-` and `_`.
    fn name(&mut self) -> &'t str {
        let from = self.pos;
        while is_class(self.byte(0), class::NAME) {
            self.pos += 1;
        }
        self.slice(from, self.pos)
    }

    pub(super) fn fetch_tag(&mut self) -> Scanned<()> {
        let start = self.pos;
        let (handle, suffix) = if self.byte(1) == b'<' {
            self.pos += 2;
            let uri = self.uri(start)?;
            if uri.is_empty() || self.byte(0) != b'>' {
                return Err(Problem::new((start, self.pos), "a tag that starts with `!<` ends with `>`"));
            }
            self.pos += 1;
            ("", uri)
        } else {
            self.pos += 1;
            self.name();
            if self.byte(0) == b'!' && self.pos > start {
                self.pos += 1;
                let handle = self.slice(start, self.pos);
                let suffix = self.uri(start)?;
                if suffix.is_empty() {
                    return Err(Problem::new((start, self.pos), format!("the tag `{handle}` lacks a name")));
                }
                (handle, suffix)
            } else {
                self.pos = start + 1;
                let suffix = self.uri(start)?;
                if suffix.is_empty() { ("", Cow::Borrowed("!")) } else { ("!", suffix) }
            }
        };
        if !self.is_space_at(self.pos) {
            return Err(Problem::new((start, self.pos + 1), "a tag ends with a space")
                .hint("quote the value if it is meant as text that starts with `!`"));
        }
        self.push(Token::Tag { handle, suffix }, start);
        Ok(())
    }

    /// Takes the characters of a tag, `%xx` decoded.
    fn uri(&mut self, start: usize) -> Scanned<Cow<'t, str>> {
        let from = self.pos;
        let mut escaped = false;
        while is_class(self.byte(0), class::URI) && !self.at_end() {
            escaped |= self.byte(0) == b'%';
            self.pos += 1;
        }
        let raw = self.slice(from, self.pos);
        if !escaped {
            return Ok(Cow::Borrowed(raw));
        }
        let broken =
            || Problem::new((start, from + raw.len()), "a `%` in a tag is followed by two hexadecimal digits of UTF-8");
        let mut bytes = Vec::with_capacity(raw.len());
        let mut rest = raw.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            if *first != b'%' {
                bytes.push(*first);
                continue;
            }
            let hex = rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
            let octet = hex
                .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|hex| u8::from_str_radix(hex, 16).ok());
            bytes.push(octet.ok_or_else(broken)?);
            rest = rest.get(2..).unwrap_or_default();
        }
        String::from_utf8(bytes).map(Cow::Owned).map_err(|_| broken())
    }

    fn skip_blanks(&mut self) -> usize {
        let from = self.pos;
        while self.is_blank_at(self.pos) {
            self.pos += 1;
        }
        self.pos - from
    }

    pub(super) fn fetch_directive(&mut self) -> Scanned<()> {
        self.unroll(-1);
        self.drop_candidate()?;
        self.key_allowed = false;
        let start = self.pos;
        self.pos += 1;
        let token = match self.name() {
            "YAML" => {
                self.skip_blanks();
                let from = self.pos;
                while self.byte(0).is_ascii_digit() || self.byte(0) == b'.' {
                    self.pos += 1;
                }
                let version = self.slice(from, self.pos);
                let number = |part: &str| (1..=9).contains(&part.len()).then(|| part.parse::<u32>().ok()).flatten();
                let parts = version.split_once('.').map(|(major, minor)| (number(major), number(minor)));
                match parts {
                    Some((Some(1), Some(1))) => Token::VersionDirective,
                    _ => {
                        return Err(Problem::new(
                            (start, self.pos),
                            format!("`%YAML {version}` is not a version that can be read"),
                        )
                        .hint("remove the line; Kubernetes tools accept only `%YAML 1.1`"));
                    }
                }
            }
            "TAG" => {
                self.skip_blanks();
                let from = self.pos;
                if self.byte(0) == b'!' {
                    self.pos += 1;
                    self.name();
                    if self.byte(0) == b'!' {
                        self.pos += 1;
                    }
                }
                let handle = self.slice(from, self.pos);
                let closed = handle == "!" || handle.len() > 1 && handle.ends_with('!');
                let spaced = self.skip_blanks() > 0;
                let prefix = self.uri(start)?;
                if !closed || !spaced || prefix.is_empty() || !self.is_space_at(self.pos) {
                    return Err(Problem::new(
                        (start, self.pos),
                        "a tag directive has a handle and a prefix: `%TAG !e! tag:example.com,2000:`",
                    ));
                }
                Token::TagDirective { handle, prefix }
            }
            name => {
                return Err(Problem::new((start, self.pos), format!("`%{name}` is not a directive of YAML"))
                    .hint("quote the value if it is meant as text that starts with `%`"));
            }
        };
        let end = self.pos;
        self.skip_blanks();
        if self.byte(0) == b'#' {
            while !self.at_end() && self.break_at(self.pos) == 0 {
                self.pos += 1;
            }
        }
        if !self.at_end() && self.break_at(self.pos) == 0 {
            return Err(Problem::new((self.pos, self.pos + 1), "text behind a directive"));
        }
        self.queue.push_back(super::Placed { token, start, end });
        Ok(())
    }
}
