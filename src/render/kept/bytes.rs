//! Numbers and texts as bytes: numbers as in LEB128, texts with their length before them. Reading trusts nothing.

/// Writes.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// A number.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A text, or any bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A text that may be missing.
    pub fn option(&mut self, text: Option<&str>) {
        self.0.push(u8::from(text.is_some()));
        text.iter().for_each(|text| self.bytes(text.as_bytes()));
    }
}

/// Reads; what is left. Everything is `None` where the bytes are something else.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// So many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Yes or no.
    pub fn flag(&mut self) -> Option<bool> {
        Some(self.byte()? != 0)
    }

    /// A number.
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// How many things follow: no more than there are bytes.
    pub fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= self.0.len())
    }

    /// Bytes with their length before them.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        self.take(count)
    }

    /// A text.
    pub fn str(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A text of one's own.
    pub fn text(&mut self) -> Option<String> {
        self.str().map(str::to_owned)
    }

    /// A text that may be missing.
    pub fn option(&mut self) -> Option<Option<String>> {
        if self.flag()? { Some(Some(self.text()?)) } else { Some(None) }
    }
}
