//! What Go's encoding/json says about a text that is no JSON: the first character that cannot stand where it stands, and what was looked for.

/// The words for a text; `None` where it is JSON.
pub(super) fn refusal(text: &[u8]) -> Option<String> {
    let mut walk = Walk { text, at: 0 };
    let outcome = walk.value(" looking for beginning of value").and_then(|()| match walk.next_sign() {
        None => Ok(()),
        Some(_) => walk.wrong(" after top-level value"),
    });
    outcome.err()
}

struct Walk<'t> {
    text: &'t [u8],
    at: usize,
}

type Step = Result<(), String>;

enum Open {
    List,
    Object,
}

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next_sign(&mut self) -> Option<u8> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.peek()
    }

    fn wrong<T>(&self, where_to: &str) -> Result<T, String> {
        // At the end Go tries a space, which stands well between values and in strings only.
        let inside = [" in literal", " in numeric", " after decimal", " in exponent", " in string escape", " in \\u"];
        let byte = match self.peek() {
            Some(byte) => byte,
            None if inside.iter().any(|start| where_to.starts_with(start)) => b' ',
            None => return Err("unexpected end of JSON input".to_owned()),
        };
        let sign = match byte {
            b'\'' => r"'\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            byte => {
                let quoted = super::fmt::quote(char::from(byte).to_string().as_bytes());
                format!("'{}'", quoted.get(1..quoted.len() - 1).unwrap_or_default())
            }
        };
        Err(format!("invalid character {sign}{where_to}"))
    }

    /// A value with all that is in it; brackets are on a list of their own, so that depth costs no stack.
    fn value(&mut self, place: &str) -> Step {
        let mut open: Vec<Open> = Vec::new();
        let mut place = place;
        loop {
            match self.next_sign() {
                Some(b'{') => {
                    self.at += 1;
                    if self.next_sign() == Some(b'}') {
                        self.at += 1;
                    } else {
                        self.key()?;
                        open.push(Open::Object);
                        place = " looking for beginning of value";
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    if self.next_sign() == Some(b']') {
                        self.at += 1;
                    } else {
                        open.push(Open::List);
                        place = " looking for beginning of value";
                        continue;
                    }
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                _ => return self.wrong(place),
            }
            // Behind a value: the end, or what its list or object has next.
            loop {
                let Some(innermost) = open.last() else { return Ok(()) };
                match (innermost, self.next_sign()) {
                    (Open::List, Some(b',')) => {
                        self.at += 1;
                        break;
                    }
                    (Open::Object, Some(b',')) => {
                        self.at += 1;
                        self.key()?;
                        break;
                    }
                    (Open::List, Some(b']')) | (Open::Object, Some(b'}')) => {
                        self.at += 1;
                        open.pop();
                    }
                    (Open::List, _) => return self.wrong(" after array element"),
                    (Open::Object, _) => return self.wrong(" after object key:value pair"),
                }
            }
        }
    }

    fn key(&mut self) -> Step {
        if self.next_sign() != Some(b'"') {
            return self.wrong(" looking for beginning of object key string");
        }
        self.string()?;
        if self.next_sign() != Some(b':') {
            return self.wrong(" after object key");
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Step {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => self.at += 1,
                        Some(b'u') => {
                            self.at += 1;
                            for _ in 0..4 {
                                if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                                    return self.wrong(" in \\u hexadecimal character escape");
                                }
                                self.at += 1;
                            }
                        }
                        _ => return self.wrong(" in string escape code"),
                    }
                }
                Some(0x20..) => self.at += 1,
                _ => return self.wrong(" in string literal"),
            }
        }
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Step {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.wrong(" in numeric literal"),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return self.wrong(" after decimal point in numeric literal");
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return self.wrong(" in exponent of numeric literal");
            }
            self.digits();
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Step {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                return self.wrong(&format!(" in literal {word} (expecting '{}')", char::from(expected)));
            }
            self.at += 1;
        }
        Ok(())
    }
}
