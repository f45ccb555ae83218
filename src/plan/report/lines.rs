//! The lines of one action: what happens to which object, and which fields differ. Shared by all forms of a report.

use crate::plan::action::{Action, ChangedField, Verb};
use crate::yaml::{Node, json};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
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
pub(super) struct Line {
    pub(super) tone: Tone,
    pub(super) depth: usize,
    pub(super) text: String,
}

impl Line {
    pub(super) fn new(tone: Tone, depth: usize, text: impl AsRef<str>) -> Line {
        Line { tone, depth, text: clean(text.as_ref()) }
    }
}

/// The verb with what belongs to it.
pub(super) fn verb(verb: &Verb) -> String {
    match verb {
        Verb::TakeOver { from } => format!("take over from `{from}`"),
        Verb::HandOver { to } => format!("hand over to `{to}`"),
        Verb::Recreate => "delete and create".to_owned(),
        verb => verb.name().to_owned(),
    }
}

/// The sign and tone of a verb.
pub(super) fn tone(verb: &Verb) -> (Tone, char) {
    match verb {
        Verb::Create | Verb::Ensure => (Tone::Plus, '+'),
        Verb::Delete(_) => (Tone::Minus, '-'),
        Verb::Recreate => (Tone::Minus, '±'),
        Verb::Change | Verb::Overwrite | Verb::Adopt | Verb::TakeOver { .. } => (Tone::Change, '~'),
        Verb::Refuse => (Tone::Alarm, '!'),
        Verb::Hook => (Tone::Plain, '>'),
        Verb::Unknown => (Tone::Plus, '?'),
        Verb::HandOver { .. } | Verb::Keep | Verb::Release | Verb::Forget | Verb::Note => (Tone::Plain, '='),
    }
}

/// An action.
pub(super) fn action(action: &Action, verbose: bool) -> Vec<Line> {
    let (tone, sign) = tone(&action.verb);
    let mut head = format!("{sign} {} {}", verb(&action.verb), action.object);
    if !action.why.is_empty() {
        head.push_str(&format!(" ({})", action.why));
    }
    if action.force {
        head.push_str(", taking fields of others");
    }
    let mut lines = vec![Line::new(tone, 1, head)];
    lines.extend(action.withheld.iter().map(|why| Line::new(Tone::Alarm, 2, format!("! withheld: {why}"))));
    lines.extend(action.dangers.iter().map(|why| Line::new(Tone::Alarm, 2, format!("! danger: {why}"))));
    for change in &action.changes {
        field(change, verbose, &mut lines);
    }
    lines.extend(action.yields.iter().map(|field| Line::new(Tone::Plain, 2, format!("= {field}"))));
    lines
}

/// Longest value that is shown in full.
const LONG: usize = 160;
/// Lines of a text that are shown of what goes and of what comes.
const SHOWN: usize = 12;

fn field(change: &ChangedField, verbose: bool, lines: &mut Vec<Line>) {
    let path = &change.path;
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => match (text(before), text(after)) {
            (Some(a), Some(b)) if a.contains('\n') || b.contains('\n') => {
                lines.push(Line::new(Tone::Change, 2, format!("~ {path}:")));
                differing(a, b, verbose, lines);
            }
            _ => {
                let (a, b) = (value(before, verbose), value(after, verbose));
                lines.push(Line::new(Tone::Change, 2, format!("~ {path}: {a} → {b}")));
            }
        },
        (None, Some(after)) => lines.push(Line::new(Tone::Plus, 2, format!("+ {path}: {}", value(after, verbose)))),
        (Some(before), None) => lines.push(Line::new(Tone::Minus, 2, format!("- {path}: {}", value(before, verbose)))),
        (None, None) => {}
    }
}

fn text(node: &Node) -> Option<&str> {
    node.as_str()
}

/// The lines of two texts between what they begin and end with alike.
fn differing(before: &str, after: &str, verbose: bool, lines: &mut Vec<Line>) {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let start = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.get(start..).unwrap_or_default(), b.get(start..).unwrap_or_default());
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let parts = [(Tone::Minus, '-', a.get(..a.len() - end)), (Tone::Plus, '+', b.get(..b.len() - end))];
    for (tone, sign, part) in parts {
        let part = part.unwrap_or_default();
        let most = if verbose { part.len() } else { SHOWN };
        lines.extend(part.iter().take(most).map(|text| Line::new(tone, 3, format!("{sign} {}", short(text, verbose)))));
        if part.len() > most {
            lines.push(Line::new(tone, 3, format!("{sign} … {} more lines", part.len() - most)));
        }
    }
    if a.len() == end && b.len() == end {
        lines.push(Line::new(Tone::Change, 3, "the line breaks at the end differ"));
    }
}

/// A value in one line: texts without quotes where nobody could take them for something else.
fn value(node: &Node, verbose: bool) -> String {
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
pub(super) fn clean(text: &str) -> String {
    let is_quiet = |c: char| {
        !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    if text.chars().all(is_quiet) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if is_quiet(c) { vec![c] } else { c.escape_unicode().collect() }).collect()
}
