//! Numbers from a seed, and the odd texts and values that the random kustomizations are filled with.

use std::fmt::Write as _;

/// xorshift64*: the same numbers everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    /// True in `of` out of a hundred.
    pub(crate) fn chance(&mut self, of: usize) -> bool {
        self.below(100) < of
    }

    pub(crate) fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

/// Values as they stand in YAML, inside brackets or not.
const SCALARS: [&str; 62] = [
    "plain",
    "yes",
    "off",
    "y",
    "\"true\"",
    "true",
    "null",
    "~",
    "''",
    "1",
    "'1'",
    "017",
    "0o17",
    "0x1F",
    "0b11",
    "1_000",
    "1.0",
    "1e3",
    "'1e3'",
    "-0.5",
    ".5",
    "+1",
    "-0",
    "1e-7",
    "1000000.5",
    "123456789.125",
    "9007199254740993",
    "18446744073709551615",
    "2020-01-02",
    "'2020-01-02'",
    "2020-01-02T03:04:05Z",
    "2001-12-14t21:59:43.10-05:00",
    "1:30",
    "'22:22'",
    "'#x'",
    "'- a'",
    "'a: b'",
    "'a #b'",
    "\"tab\\there\"",
    "\"two\\nlines\"",
    "\"two\\nlines\\n\"",
    "\"\\n\"",
    "\"x\\n\\n\"",
    "\" lead\"",
    "\"trail \"",
    "\"trail \\nx\"",
    "größe",
    "日本",
    "'🚀 up'",
    "\"\\u2028\"",
    "\"\\x01\"",
    "\"\\u0085\"",
    "'{{ x }}'",
    "'*'",
    "'='",
    "'<<'",
    "\"it's\"",
    "'say \"x\"'",
    "[]",
    "{}",
    "[a, 1, null, [b]]",
    "{k: v, n: 1, y: 2, 'on': 3}",
];

const WORDS: [&str; 12] = [
    "lorem",
    "ipsum-dolor",
    "sit",
    "a",
    "éàü",
    "x: y",
    "'q'",
    "https://example.com/some/long/path",
    "  ",
    "#",
    "日本語日本語",
    "$(VAR_A)",
];

/// A value as it stands in YAML.
pub(super) fn value(random: &mut Random) -> String {
    if random.chance(12) { long_line(random) } else { random.pick(&SCALARS).to_owned() }
}

fn long_line(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..8 + random.below(24) {
        let word = random.pick(&WORDS);
        let _ = write!(text, "{word} ");
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// A text as it stands in YAML.
pub(super) fn text(random: &mut Random) -> String {
    loop {
        let value = value(random);
        if value.starts_with(['\'', '"']) || matches!(&*value, "plain" | "größe" | "日本") {
            return value;
        }
    }
}

/// A simple text, such as a label has.
pub(super) fn word(random: &mut Random) -> &'static str {
    random.pick(&["x", "web", "'1'", "'true'", "'yes'", "v1.2", "größe", "\"null\"", "'0x1'", "a-b"])
}
