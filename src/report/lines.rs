//! Lines of a report: a tone, a depth, a text, and which parts of it differ from what was before. Texts come from manifests and live
//! objects: control characters never get further than here.

use std::ops::Range;

use similar::{ChangeTag, DiffOp, TextDiff};

use crate::k8s::difference::ChangedField;
use crate::yaml::{Node, json};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something comes.
    Plus,
    /// Something goes.
    Minus,
    /// Something changes.
    Change,
    /// Something cannot be done, or is dangerous.
    Alarm,
    /// Anything else.
    Plain,
}

/// A line: its tone, how deep it stands, its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub tone: Tone,
    /// How many steps it is moved in.
    pub depth: usize,
    /// What it says.
    pub text: String,
    /// Ranges of bytes of the text that are other than before or after: the words that changed.
    pub marks: Vec<Range<usize>>,
}

impl Line {
    /// A line without marks.
    pub fn new(tone: Tone, depth: usize, text: impl AsRef<str>) -> Line {
        Line { tone, depth, text: clean(text.as_ref()), marks: Vec::new() }
    }

    /// A line of pieces, of which some changed.
    fn of_pieces(tone: Tone, depth: usize, pieces: &[(bool, &str)]) -> Line {
        let mut line = Line::new(tone, depth, "");
        for (changed, piece) in pieces {
            let start = line.text.len();
            line.text.push_str(&clean(piece));
            if !*changed || line.text.len() == start {
                continue;
            }
            match line.marks.last_mut().filter(|last| last.end == start) {
                Some(last) => last.end = line.text.len(),
                None => line.marks.push(start..line.text.len()),
            }
        }
        line
    }
}

/// Longest value that is shown in full.
const LONG: usize = 160;
/// Lines of a text that are shown of what differs.
const SHOWN: usize = 24;
/// Two values have words in common worth showing from this much likeness on.
const ALIKE: f32 = 0.3;

/// The lines of a field that differs.
pub fn field(change: &ChangedField, verbose: bool, lines: &mut Vec<Line>) {
    let path = &change.path;
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => match (before.as_str(), after.as_str()) {
            (Some(a), Some(b)) if a.contains('\n') || b.contains('\n') => {
                lines.push(Line::new(Tone::Change, 2, format!("~ {path}:")));
                differing(a, b, verbose, lines);
            }
            _ => lines.push(replaced(path, &value(before, verbose), &value(after, verbose))),
        },
        (None, Some(after)) => lines.push(Line::new(Tone::Plus, 2, format!("+ {path}: {}", value(after, verbose)))),
        (Some(before), None) => lines.push(Line::new(Tone::Minus, 2, format!("- {path}: {}", value(before, verbose)))),
        (None, None) => {}
    }
}

/// `~ path: before → after`, with the words that differ marked.
fn replaced(path: &str, before: &str, after: &str) -> Line {
    let head = format!("~ {path}: ");
    let words = TextDiff::from_words(before, after);
    if words.ratio() < ALIKE {
        return Line::of_pieces(Tone::Change, 2, &[(false, &head), (true, before), (false, " → "), (true, after)]);
    }
    let side = |gone: ChangeTag| -> Vec<(bool, &str)> {
        let own =
            words.iter_all_changes().filter(move |change| change.tag() == gone || change.tag() == ChangeTag::Equal);
        own.map(|change| (change.tag() == gone, change.value())).collect()
    };
    let mut pieces = vec![(false, head.as_str())];
    pieces.extend(side(ChangeTag::Delete));
    pieces.push((false, " → "));
    pieces.extend(side(ChangeTag::Insert));
    Line::of_pieces(Tone::Change, 2, &pieces)
}

/// The lines of two texts that differ, with one line before and after each place.
fn differing(before: &str, after: &str, verbose: bool, lines: &mut Vec<Line>) {
    let diff = TextDiff::from_lines(before, after);
    let mut found = Vec::new();
    for (at, group) in diff.grouped_ops(1).iter().enumerate() {
        if at > 0 {
            found.push(Line::new(Tone::Plain, 3, "…"));
        }
        for op in group {
            match op {
                // Words are compared where lines were replaced by others.
                DiffOp::Replace { .. } => {
                    for change in diff.iter_inline_changes(op) {
                        let (tone, sign) = signed(change.tag());
                        let parts: Vec<(bool, &str)> = change.values().to_vec();
                        let mut pieces = vec![(false, sign)];
                        pieces.extend(parts.iter().map(|(mark, text)| (*mark, text.trim_end_matches('\n'))));
                        found.push(Line::of_pieces(tone, 3, &pieces));
                    }
                }
                op => {
                    for change in diff.iter_changes(op) {
                        let (tone, sign) = signed(change.tag());
                        let text = change.value().trim_end_matches('\n');
                        found.push(Line::of_pieces(tone, 3, &[(false, sign), (false, text)]));
                    }
                }
            }
        }
    }
    if before.trim_end_matches('\n') == after.trim_end_matches('\n') {
        found = vec![Line::new(Tone::Change, 3, "the line breaks at the end differ")];
    }
    let most = if verbose { found.len() } else { SHOWN };
    let more = found.len().saturating_sub(most);
    found.truncate(most);
    for line in &mut found {
        if !verbose && line.text.chars().count() > LONG {
            *line = Line::new(line.tone, line.depth, short(&line.text, verbose));
        }
    }
    lines.extend(found);
    if more > 0 {
        lines.push(Line::new(Tone::Plain, 3, format!("… {more} more lines")));
    }
}

fn signed(tag: ChangeTag) -> (Tone, &'static str) {
    match tag {
        ChangeTag::Delete => (Tone::Minus, "- "),
        ChangeTag::Insert => (Tone::Plus, "+ "),
        ChangeTag::Equal => (Tone::Plain, "  "),
    }
}

/// A value in one line: texts without quotes where nobody could take them for something else.
pub fn value(node: &Node, verbose: bool) -> String {
    let plain = |text: &&str| {
        !text.is_empty()
            && text.trim() == *text
            && !text.chars().any(char::is_control)
            && !text.starts_with(['"', '{', '['])
    };
    let shown = match node.as_str().filter(plain) {
        Some(text) => text.to_owned(),
        None => json::to_json(node).unwrap_or_default(),
    };
    short(&shown, verbose)
}

fn short(text: &str, verbose: bool) -> String {
    if verbose || text.chars().count() <= LONG {
        return text.to_owned();
    }
    let begin: String = text.chars().take(LONG).collect();
    format!("{begin}… ({} characters)", text.chars().count())
}

/// A text that does nothing to a terminal.
pub fn clean(text: &str) -> String {
    let is_quiet = |c: char| {
        !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    if text.chars().all(is_quiet) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if is_quiet(c) { vec![c] } else { c.escape_unicode().collect() }).collect()
}
