//! Events of libyaml-safer, until the own scanner stands.

use std::borrow::Cow;

use libyaml_safer::{EventData, MappingStyle, Parser, ScalarStyle, SequenceStyle};

use super::Style;
use super::events::{At, Event, Properties};

/// All events of a text, and the error that ended them: message and offset.
pub(super) fn events(text: &str) -> (Vec<At<'static>>, Option<(String, usize)>) {
    // Without a final line feed the parser panics on block scalars; go-yaml then keeps no line feed at their end.
    let closed = if text.ends_with('\n') { Cow::Borrowed(text) } else { Cow::Owned(format!("{text}\n")) };
    let mut bytes = closed.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut bytes);
    let mut found = Vec::new();
    loop {
        let event = match parser.parse() {
            Ok(event) => event,
            Err(error) => {
                let at = error.problem_mark().map_or(0, |mark| usize::try_from(mark.index).unwrap_or(0));
                return (found, Some((error.to_string(), at.min(text.len()))));
            }
        };
        let start = usize::try_from(event.start_mark.index).unwrap_or(0);
        let end = usize::try_from(event.end_mark.index).unwrap_or(0);
        let properties = |anchor: Option<String>, tag: Option<String>| Properties {
            anchor: anchor.map(|a| &*Box::leak(a.into_boxed_str())),
            tag: tag.map(Cow::Owned),
        };
        let own = match event.data {
            EventData::StreamStart { .. } => continue,
            EventData::StreamEnd => Event::StreamEnd,
            EventData::DocumentStart { .. } => Event::DocumentStart,
            EventData::DocumentEnd { .. } => Event::DocumentEnd,
            EventData::Alias { anchor } => Event::Alias(Box::leak(anchor.into_boxed_str())),
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
                Event::Scalar { properties: properties(anchor, tag), value: Cow::Owned(value), style }
            }
            EventData::SequenceStart { anchor, tag, style, .. } => {
                Event::SeqStart { properties: properties(anchor, tag), flow: style == SequenceStyle::Flow }
            }
            EventData::SequenceEnd => Event::SeqEnd,
            EventData::MappingStart { anchor, tag, style, .. } => {
                Event::MapStart { properties: properties(anchor, tag), flow: style == MappingStyle::Flow }
            }
            EventData::MappingEnd => Event::MapEnd,
        };
        let last = own == Event::StreamEnd;
        found.push(At { event: own, start: start.min(text.len()), end: end.min(text.len()) });
        if last {
            return (found, None);
        }
    }
}
