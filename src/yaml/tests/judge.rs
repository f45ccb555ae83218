//! Our events against those of libyaml-safer, a port of the library that go-yaml is a port of: recorded texts and their mutants.
//!
//! `FLEETC_YAML_CORPUS=/some/folder cargo test --lib yaml::tests::judge` also judges every YAML file of a folder and four mutants of each.

use std::borrow::Cow;

use libyaml_safer::{EventData, MappingStyle, Parser, ScalarStyle, SequenceStyle};

use super::{report, rows};
use crate::span::FileId;
use crate::yaml::Style;
use crate::yaml::decode;
use crate::yaml::events::Event;
use crate::yaml::parse;

/// An event as one line of text with its offset; `None` at the end for a refused text.
type Line = Option<(String, usize)>;

fn ours(text: &str) -> Vec<Line> {
    let mut parser = parse::Parser::new(text);
    let mut lines = Vec::new();
    loop {
        let Ok(at) = parser.next_event() else {
            lines.push(None);
            return lines;
        };
        let line = match &at.event {
            Event::StreamEnd => return lines,
            Event::DocumentStart => "document".to_owned(),
            Event::DocumentEnd => "end of document".to_owned(),
            Event::Alias(name) => format!("*{name}"),
            Event::Scalar { properties, value, style } => {
                scalar(properties.anchor, properties.tag.as_deref(), *style, value)
            }
            Event::SeqStart { properties, flow } => {
                collection("[", properties.anchor, properties.tag.as_deref(), *flow)
            }
            Event::MapStart { properties, flow } => {
                collection("{", properties.anchor, properties.tag.as_deref(), *flow)
            }
            Event::SeqEnd => "]".to_owned(),
            Event::MapEnd => "}".to_owned(),
        };
        lines.push(Some((line, at.start)));
    }
}

fn scalar(anchor: Option<&str>, tag: Option<&str>, style: Style, value: &str) -> String {
    format!("&{} !{} {style:?} {value:?}", anchor.unwrap_or_default(), tag.unwrap_or_default())
}

fn collection(sign: &str, anchor: Option<&str>, tag: Option<&str>, flow: bool) -> String {
    format!("{sign} &{} !{} flow={flow}", anchor.unwrap_or_default(), tag.unwrap_or_default())
}

fn theirs(text: &str) -> Vec<Line> {
    // Without a final line feed the judge panics on block scalars; go-yaml then keeps no line feed at their end.
    let closed = if text.ends_with(['\n', '\r']) { Cow::Borrowed(text) } else { Cow::Owned(format!("{text}\n")) };
    let mut bytes = closed.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut bytes);
    let mut lines = Vec::new();
    loop {
        let Ok(event) = parser.parse() else {
            lines.push(None);
            return lines;
        };
        let start = usize::try_from(event.start_mark.index).expect("an offset");
        let end = usize::try_from(event.end_mark.index).expect("an offset");
        let line = match event.data {
            EventData::StreamStart { .. } => continue,
            EventData::StreamEnd => return lines,
            EventData::DocumentStart { .. } => "document".to_owned(),
            EventData::DocumentEnd { .. } => "end of document".to_owned(),
            EventData::Alias { anchor } => format!("*{anchor}"),
            EventData::Scalar { anchor, tag, mut value, style, .. } => {
                let style = match style {
                    ScalarStyle::SingleQuoted => Style::SingleQuoted,
                    ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                    _ => Style::Plain,
                };
                if end > text.len() && matches!(style, Style::Literal | Style::Folded) && value.ends_with('\n') {
                    value.pop();
                }
                scalar(anchor.as_deref(), tag.as_deref(), style, &value)
            }
            EventData::SequenceStart { anchor, tag, style, .. } => {
                collection("[", anchor.as_deref(), tag.as_deref(), style == SequenceStyle::Flow)
            }
            EventData::SequenceEnd => "]".to_owned(),
            EventData::MappingStart { anchor, tag, style, .. } => {
                collection("{", anchor.as_deref(), tag.as_deref(), style == MappingStyle::Flow)
            }
            EventData::MappingEnd => "}".to_owned(),
        };
        lines.push(Some((line, start.min(text.len()))));
    }
}

/// Where go-yaml and the judge part, the recorded tables decide: versions, `\/`, byte order marks, brackets and commas in tags, `?` and
/// `:` before brackets.
fn parted(text: &str) -> bool {
    // A block scalar that ends with such a line: the line feed added for the judge counts or does not count, depending on its indentation.
    let blank_end = text.ends_with([' ', '\t']) && text.lines().last().is_some_and(|line| line.trim().is_empty());
    let any = |pieces: &[&str]| pieces.iter().any(|piece| text.contains(piece));
    blank_end
        || any(&["%YAML", "\\/", "\u{feff}"])
        || text.contains('!') && text.contains([',', '[', ']'])
        || text.contains(['[', '{']) && any(&["?", ":]", ":}", ":,", ":[", ":{"])
}

/// What differs, or nothing.
fn judge(text: &str) -> Option<String> {
    // The judge panics on a few broken texts.
    let theirs = std::panic::catch_unwind(|| theirs(text)).ok()?;
    // A value that is left out has no place worth comparing.
    let placed = |lines: Vec<Line>| -> Vec<Line> {
        let empty = |line: &Line| matches!(line, Some((event, _)) if event.ends_with(" Plain \"\""));
        lines.into_iter().map(|line| if empty(&line) { line.map(|(event, _)| (event, 0)) } else { line }).collect()
    };
    let (ours, theirs) = (placed(ours(text)), placed(theirs));
    let refused = |lines: &[Line]| lines.last().is_some_and(Option::is_none);
    if refused(&ours) && refused(&theirs) || ours == theirs || parted(text) {
        return None;
    }
    let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    Some(format!("event {at}: have {:?} want {:?}", ours.get(at), theirs.get(at)))
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % n.max(1)
    }
}

const PIECES: &[&str] = &[
    " ", "  ", "\n", "\t", ":", ": ", "- ", "-", "#", " #", "'", "\"", "[", "]", "{", "}", ",", "&a ", "*a", "!x ",
    "!!str ", "|", ">", "|-\n", "%", "@", "?", "? ", "---", "\n---\n", "...", "\u{85}", "\u{2028}", "\r", "é", "<<: ",
    "\\", "\\x41", "\n ", "\n  ", ": |\n", "> ", "!<a> ", "&", "*", "\n\t", "“", "日",
];

fn mutant(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..1 + dice.below(3) {
        let at = dice.below(chars.len() + 1);
        match dice.below(4) {
            0 if at < chars.len() => {
                chars.remove(at);
            }
            1 if at < chars.len() => {
                let to = (at + 1 + dice.below(12)).min(chars.len());
                chars.drain(at..to);
            }
            _ => {
                let piece = PIECES[dice.below(PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn events_are_those_of_libyaml() {
    let mut dice = Dice(5);
    let (mut total, mut wrong) = (0, Vec::new());
    for row in rows(include_str!("../../../fixtures/yaml/documents.jsonl")) {
        let text = row[0].as_str().expect("text");
        let mutants = (0..4).map(|_| mutant(text, &mut dice)).collect::<Vec<_>>();
        for text in std::iter::once(text).chain(mutants.iter().map(String::as_str)) {
            let Ok(decoded) = decode::decode(FileId::NONE, text.as_bytes()) else { continue };
            total += 1;
            wrong.extend(judge(&decoded.text).map(|why| format!("{text:?}\n  {why}")));
        }
    }
    report("mutants", total, &wrong);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the corpus lies outside of the project and is asked for by a variable")]
fn events_of_a_corpus_are_those_of_libyaml() {
    let Ok(corpus) = std::env::var("FLEETC_YAML_CORPUS") else { return };
    let mut dice = Dice(6);
    let (mut total, mut refused, mut bytes, mut wrong) = (0, 0, 0, Vec::new());
    let mut folders = vec![std::path::PathBuf::from(corpus)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json")
                && let Ok(content) = std::fs::read(&path)
                && content.len() < 2_000_000
                && let Ok(decoded) = decode::decode(FileId::NONE, &content)
            {
                let text = decoded.text.as_ref();
                total += 1;
                bytes += text.len();
                refused += usize::from(ours(text).last().is_some_and(Option::is_none));
                wrong.extend(judge(text).map(|why| format!("{}: {why}", path.display())));
                if text.len() < 20_000 {
                    for _ in 0..4 {
                        let text = mutant(text, &mut dice);
                        total += 1;
                        wrong.extend(judge(&text).map(|why| format!("mutant of {}: {why}\n{text}", path.display())));
                    }
                }
            }
        }
    }
    assert!(total > 0, "the corpus is empty");
    let _ = std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!(
            "{total} texts, {bytes} bytes of originals, {refused} originals refused by both, {} differ\n",
            wrong.len()
        ),
    );
    report("corpus", total, &wrong);
}
