//! The lines of one action: what happens to which object, and which fields differ. Shared by all forms of a report.

use crate::plan::action::{Action, Verb};
use crate::report::{Line, Tone, field};

/// The verb with what belongs to it.
pub(crate) fn verb(verb: &Verb) -> String {
    match verb {
        Verb::TakeOver { from } => format!("take over from `{from}`"),
        Verb::HandOver { to } => format!("hand over to `{to}`"),
        Verb::Recreate => "delete and create".to_owned(),
        verb => verb.name().to_owned(),
    }
}

/// The sign and tone of a verb.
pub(crate) fn tone(verb: &Verb) -> (Tone, char) {
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
    if verbose {
        let suppressed = action.dangers.suppressed.iter();
        lines.extend(suppressed.map(|why| Line::new(Tone::Plain, 2, format!("= suppressed: {why}"))));
    }
    for change in &action.changes {
        field(change, verbose, &mut lines);
    }
    lines.extend(action.yields.iter().map(|field| Line::new(Tone::Plain, 2, format!("= {field}"))));
    lines
}
