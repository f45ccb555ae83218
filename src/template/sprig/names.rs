//! Shapes of names and texts: camel, snake and kebab case (huandu/xstrings), wrapping and abbreviating (Masterminds/goutils).

use unicode_general_category::{GeneralCategory, get_general_category};

use crate::template::function::{Arguments, Context, Entry, Outcome};
use crate::template::letters::{is_space, map, to_lower, to_title, to_upper};
use crate::template::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("abbrev", "is", |_, args| Ok(Value::from(abbreviate(args.bytes(1), 0, args.int(0), args.int(0) < 4)))),
    ("abbrevboth", "iis", |_, args| {
        let (left, right) = (args.int(0), args.int(1));
        Ok(Value::from(abbreviate(args.bytes(2), left, right, right < 4 || (left > 0 && right < 7))))
    }),
    ("camelcase", "s", |_, args| Ok(Value::from(pascal(&args.text(0))))),
    ("initials", "s", initials),
    ("kebabcase", "s", |_, args| Ok(Value::from(connected(&args.text(0), '-')))),
    ("nospace", "s", nospace),
    ("snakecase", "s", |_, args| Ok(Value::from(connected(&args.text(0), '_')))),
    ("swapcase", "s", swap_case),
    ("untitle", "s", untitle),
    ("wrap", "is", |_, args| Ok(Value::from(wrap(args.bytes(1), args.int(0), b"\n", false)))),
    ("wrapWith", "iss", |_, args| Ok(Value::from(wrap(args.bytes(2), args.int(0), args.bytes(1), true)))),
];

/// Cuts to a width with dots, from an offset on; bytes, not characters.
fn abbreviate(text: &[u8], offset: i64, width: i64, as_is: bool) -> Vec<u8> {
    let Some(width) = usize::try_from(width).ok().filter(|width| !as_is && *width >= 4 && text.len() > *width) else {
        return text.to_vec();
    };
    let kept = width - 3;
    let mut offset = usize::try_from(offset).unwrap_or(0).min(text.len());
    if text.len() - offset < kept {
        offset = text.len() - kept;
    }
    if offset <= 4 {
        return [text.get(..kept).unwrap_or(text), b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    let tail = if offset + kept < text.len() {
        let rest = text.get(offset..).unwrap_or(&[]);
        abbreviate(rest, 0, i64::try_from(kept).unwrap_or(0), false)
    } else {
        text.get(text.len() - kept..).unwrap_or(&[]).to_vec()
    };
    [b"...", tail.as_slice()].concat()
}

/// goutils looks at bytes as if they were characters; so beyond ASCII each byte becomes a character.
fn as_latin1(byte: u8) -> char {
    char::from(byte)
}

fn initials(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let mut out = String::new();
    let mut gap = true;
    for c in args.bytes(0).iter().map(|byte| as_latin1(*byte)) {
        if is_space(c) {
            gap = true;
        } else if std::mem::take(&mut gap) {
            out.push(c);
        }
    }
    Ok(Value::from(out))
}

fn nospace(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let text = args.bytes(0);
    if !text.iter().any(|byte| is_space(as_latin1(*byte))) {
        return Ok(Value::from(text));
    }
    Ok(Value::from(text.iter().map(|byte| as_latin1(*byte)).filter(|c| !is_space(*c)).collect::<String>()))
}

fn is_title(c: char) -> bool {
    !c.is_ascii() && get_general_category(c) == GeneralCategory::TitlecaseLetter
}

fn is_upper(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_uppercase() } else { get_general_category(c) == GeneralCategory::UppercaseLetter }
}

fn is_lower(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_lowercase() } else { get_general_category(c) == GeneralCategory::LowercaseLetter }
}

fn is_number(c: char) -> bool {
    use GeneralCategory::{DecimalNumber, LetterNumber, OtherNumber};
    c.is_ascii_digit()
        || (!c.is_ascii() && matches!(get_general_category(c), DecimalNumber | LetterNumber | OtherNumber))
}

fn is_punctuation(c: char) -> bool {
    use GeneralCategory as G;
    matches!(
        get_general_category(c),
        G::ConnectorPunctuation
            | G::DashPunctuation
            | G::OpenPunctuation
            | G::ClosePunctuation
            | G::InitialPunctuation
            | G::FinalPunctuation
            | G::OtherPunctuation
    )
}

fn swap_case(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let mut gap = true;
    let mut out = String::new();
    for (c, _) in crate::template::fmt::runes(args.bytes(0)) {
        out.push(if is_upper(c) || is_title(c) {
            gap = false;
            to_lower(c)
        } else if is_lower(c) {
            if std::mem::take(&mut gap) { to_title(c) } else { to_upper(c) }
        } else {
            gap = is_space(c);
            c
        });
    }
    Ok(Value::from(out))
}

/// The first letter of each word in lower case.
fn untitle(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let gap = std::cell::Cell::new(true);
    Ok(Value::from(map(args.bytes(0), |c| {
        if is_space(c) {
            gap.set(true);
            c
        } else if gap.replace(false) {
            to_lower(c)
        } else {
            c
        }
    })))
}

/// Breaks lines at the last space within the width; words that are longer anywhere, or only behind them.
fn wrap(text: &[u8], width: i64, newline: &[u8], breaks_words: bool) -> Vec<u8> {
    let newline = if newline.is_empty() { b"\n" } else { newline };
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while rest.len() > width {
        if let [b' ', tail @ ..] = rest {
            rest = tail;
            continue;
        }
        let window = rest.get(..=width).unwrap_or(rest);
        let (line, tail) = match window.iter().rposition(|byte| *byte == b' ') {
            Some(space) => (rest.get(..space), rest.get(space + 1..)),
            None if breaks_words => (rest.get(..width), rest.get(width..)),
            None => match rest.iter().skip(width).position(|byte| *byte == b' ') {
                Some(space) => (rest.get(..width + space), rest.get(width + space + 1..)),
                None => break,
            },
        };
        out.extend_from_slice(line.unwrap_or(&[]));
        out.extend_from_slice(newline);
        rest = tail.unwrap_or(&[]);
    }
    out.extend_from_slice(rest);
    out
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || is_space(c)
}

/// `camelcase`: the first letter upper case too. Leading connectors stay; of others the last in a row goes and raises the letter behind it.
fn pascal(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    let mut last = None;
    let mut first_is_upper = false;
    for c in chars.by_ref() {
        if !is_connector(c) {
            first_is_upper = is_upper(c);
            last = Some(to_upper(c));
            break;
        }
        out.push(c);
    }
    let Some(mut current) = last else {
        // Only connectors: the last one was written twice by the original, once as the pending character.
        out.extend(out.chars().last());
        return out;
    };
    for c in chars {
        let before = current;
        current = c;
        if is_connector(current) && is_connector(before) {
            out.push(before);
            continue;
        }
        if is_connector(before) {
            first_is_upper = is_upper(current);
            current = to_upper(current);
        } else {
            if first_is_upper {
                if is_upper(current) {
                    current = to_lower(current);
                } else {
                    first_is_upper = false;
                }
            }
            out.push(before);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    None,
    Number,
    Upper,
    Letters,
    Connector,
    Punctuation,
    Other,
}

fn is_letter(c: char) -> bool {
    // xstrings' alphabets: letters with a case; ideographs and the like are "other".
    is_upper(c) || is_lower(c)
}

/// The next word of a text: a run of one class, where a capital may begin a word of small letters.
fn next_word(text: &str) -> (Word, &str, &str) {
    let mut chars = text.char_indices();
    let Some((_, first)) = chars.next() else { return (Word::None, "", "") };
    let run = |belongs: &dyn Fn(char) -> bool| {
        text.char_indices().skip(1).find(|(_, c)| !belongs(*c)).map_or(text.len(), |(at, _)| at)
    };
    let (word, length) = if is_connector(first) {
        (Word::Connector, run(&is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, run(&is_punctuation))
    } else if is_upper(first) {
        let capitals = run(&is_upper);
        let follows = text.get(capitals..).and_then(|rest| rest.chars().next());
        let one = capitals == first.len_utf8();
        let length = match follows {
            Some(c) if one && is_letter(c) => run(&|c| is_letter(c) && !is_upper(c)),
            Some(c) if !one && is_letter(c) => {
                // The last capital begins the next word.
                text.get(..capitals).and_then(|head| head.char_indices().last()).map_or(capitals, |(at, _)| at)
            }
            _ => capitals,
        };
        (Word::Upper, length)
    } else if is_letter(first) {
        (Word::Letters, run(&|c| is_letter(c) && !is_upper(c)))
    } else if is_number(first) {
        (Word::Number, run(&is_number))
    } else {
        (Word::Other, run(&|c| !is_connector(c) && !is_letter(c) && !is_number(c) && !is_punctuation(c)))
    };
    (word, text.get(..length).unwrap_or(""), text.get(length..).unwrap_or(""))
}

fn write_word(out: &mut String, kind: Word, word: &str, connector: char) {
    if kind != Word::Upper && kind != Word::Connector {
        out.push_str(word);
        return;
    }
    for c in word.chars() {
        out.push(if is_connector(c) {
            connector
        } else if is_upper(c) {
            to_lower(c)
        } else {
            c
        });
    }
}

/// Snake and kebab case: words joined by the connector. Numbers stay with small letters around them.
fn connected(text: &str, connector: char) -> String {
    let mut out = String::new();
    let separates = |kind: Word| !matches!(kind, Word::None | Word::Connector | Word::Punctuation);
    let (mut kind, mut word, mut rest) = next_word(text);
    while !rest.is_empty() {
        if kind != Word::Connector {
            write_word(&mut out, kind, word, connector);
        }
        let (before, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match before {
            Word::Number => {
                while matches!(kind, Word::Letters | Word::Number) {
                    write_word(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if separates(kind) {
                    out.push(connector);
                }
            }
            Word::Connector => write_word(&mut out, before, last, connector),
            Word::Punctuation => {}
            _ if kind != Word::Number => {
                if kind != Word::Connector && kind != Word::Punctuation {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word, rest) = next_word(rest);
                if kind == Word::Letters {
                    out.push(connector);
                    write_word(&mut out, Word::Number, number, connector);
                    while matches!(kind, Word::Letters | Word::Number) {
                        write_word(&mut out, kind, word, connector);
                        (kind, word, rest) = next_word(rest);
                    }
                    if separates(kind) {
                        out.push(connector);
                    }
                } else {
                    write_word(&mut out, Word::Number, number, connector);
                    if kind != Word::Connector && kind != Word::Punctuation {
                        out.push(connector);
                    }
                }
            }
        }
    }
    write_word(&mut out, kind, word, connector);
    out
}
