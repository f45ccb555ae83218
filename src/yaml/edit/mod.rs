//! Edits of a YAML text in place: a value is set, a key or an item added, a key taken out, and every other byte stays: comments, blank lines,
//! indentation, quotes, line endings.
//!
//! Bytes are put in at the places of nodes. Then the new text is read again, and it must be the old value with exactly that change;
//! where it is not (an anchor that others use, a text whose indentation cannot be told), the edit is refused and nothing is guessed. So a wrong
//! place never becomes a wrong file. UTF-16 is refused.

mod write;

use std::ops::Range;

use super::{Dialect, Document, Limits, Map, Node, Style, View, parse};
use crate::span::{FileId, Span};
use write::{block, flow, scalar};

/// One step down in a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The value of a key.
    Key(String),
    /// An item, counted from zero; the number of items stands for one behind the last.
    Item(usize),
}

/// A value in a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Address {
    /// Which document, counted from zero.
    pub document: usize,
    /// The way to it from the document's root.
    pub steps: Vec<Step>,
}

impl Address {
    /// A value of the first document, by keys.
    pub fn of_keys(keys: &[&str]) -> Address {
        Address { document: 0, steps: keys.iter().map(|key| Step::Key((*key).to_owned())).collect() }
    }

    /// The value of a key of this one.
    #[must_use]
    pub fn key(mut self, key: &str) -> Address {
        self.steps.push(Step::Key(key.to_owned()));
        self
    }

    /// An item of this one.
    #[must_use]
    pub fn item(mut self, at: usize) -> Address {
        self.steps.push(Step::Item(at));
        self
    }

    /// Where the value with this place is; `None` where no value of the text has it.
    pub fn of_span(documents: &[Document], span: Span) -> Option<Address> {
        documents.iter().enumerate().find_map(|(document, found)| {
            let mut steps = Vec::new();
            find(&found.root, span, &mut steps).then_some(Address { document, steps })
        })
    }

    /// The value, where it is there.
    pub fn get<'d>(&self, documents: &'d [Document]) -> Option<&'d Node> {
        self.steps.iter().try_fold(&documents.get(self.document)?.root, |node, step| child(node, step))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for step in &self.steps {
            match step {
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item(at) => write!(f, "[{at}]")?,
            }
        }
        Ok(())
    }
}

fn find(node: &Node, span: Span, steps: &mut Vec<Step>) -> bool {
    let own = node.span();
    if (own.start, own.end) == (span.start, span.end) {
        return true;
    }
    let holds = |child: &Node| child.span().start <= span.start && span.end <= child.span().end;
    let mut down = |step: Step, child: &Node| {
        steps.push(step);
        let found = holds(child) && find(child, span, steps);
        if !found {
            steps.pop();
        }
        found
    };
    match node.view() {
        View::Scalar(..) => false,
        View::Seq(items) => items.iter().enumerate().any(|(at, item)| down(Step::Item(at), item)),
        View::Map(map) => {
            map.iter().any(|(key, value)| key.text().is_some_and(|key| down(Step::Key(key.to_owned()), value)))
        }
    }
}

fn child<'n>(node: &'n Node, step: &Step) -> Option<&'n Node> {
    match step {
        Step::Key(key) => node.get(key),
        Step::Item(at) => node.as_seq()?.get(*at),
    }
}

/// All documents of a text.
///
/// # Errors
/// It cannot be read to its end.
pub fn documents(text: &str) -> Result<Vec<Document>, String> {
    let parsed = parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    match parsed.error {
        Some(error) => Err(format!("it cannot be read: {}", error.message)),
        None => Ok(parsed.documents),
    }
}

/// A text in which the value at an address is this one. What is missing on the way is added; an item behind the last one is, too.
///
/// # Errors
/// It cannot be done in place: why.
pub fn set(text: &str, at: &Address, value: &Node) -> Result<String, String> {
    let documents = documents(text)?;
    let expected = changed(&documents, at, &mut |slot| match slot {
        Slot::There(node) => {
            *node = value.clone();
            Ok(())
        }
        Slot::Gone(parent, step) => add(parent, step, value.clone()),
    })?;
    let editor = Editor { text, newline: if text.contains("\r\n") { "\r\n" } else { "\n" } };
    let root = &documents.get(at.document).ok_or("it has no such document")?.root;
    let edit = editor.set(root, &at.steps, value)?;
    checked(&splice(text, edit)?, &expected)
}

/// A text without the key at an address, and without its lines.
///
/// # Errors
/// It is not there, it is the last one of its mapping, or it cannot be told where it ends.
pub fn remove(text: &str, at: &Address) -> Result<String, String> {
    let documents = documents(text)?;
    let Some((Step::Key(key), above)) = at.steps.split_last() else { return Err("only keys are taken out".to_owned()) };
    let parent = Address { document: at.document, steps: above.to_vec() };
    let expected = changed(&documents, &parent, &mut |slot| match slot {
        Slot::There(node) => node.map_mut().and_then(|map| map.remove(key)).map(drop).ok_or_else(missing),
        Slot::Gone(..) => Err(missing()),
    })?;
    let editor = Editor { text, newline: "\n" };
    let edit = editor.remove(parent.get(&documents).ok_or_else(missing)?, key)?;
    checked(&splice(text, edit)?, &expected)
}

/// A text in which the key at an address has another name, and the same value.
///
/// # Errors
/// It is not there, or it cannot be told how it is written.
pub fn rename(text: &str, at: &Address, name: &str) -> Result<String, String> {
    let documents = documents(text)?;
    let Some((Step::Key(key), above)) = at.steps.split_last() else { return Err("only keys have names".to_owned()) };
    let parent = Address { document: at.document, steps: above.to_vec() };
    let new = Node::str(name);
    let expected = changed(&documents, &parent, &mut |slot| {
        let Slot::There(node) = slot else { return Err(missing()) };
        let entries = node.map_mut().ok_or_else(missing)?.entries_mut();
        let entry = entries.iter_mut().find(|(own, _)| own.text() == Some(key)).ok_or_else(missing)?;
        entry.0 = new.clone();
        Ok(())
    })?;
    let map = parent.get(&documents).and_then(Node::as_map).ok_or_else(missing)?;
    let (own, _) = map.get_entry(key).ok_or_else(missing)?;
    let written = scalar(&new, own.style(), true).ok_or_else(lost)?;
    let range = own.span().start as usize..own.span().end as usize;
    checked(&splice(text, (range, written))?, &expected)
}

fn missing() -> String {
    "there is no such value".to_owned()
}

/// A place in a value that is to change.
enum Slot<'n> {
    There(&'n mut Node),
    /// Its parent, and the step that leads nowhere.
    Gone(&'n mut Node, &'n Step),
}

/// The roots of the documents, one value of which is changed.
fn changed(
    documents: &[Document],
    at: &Address,
    change: &mut dyn FnMut(Slot<'_>) -> Result<(), String>,
) -> Result<Vec<Node>, String> {
    let mut roots: Vec<Node> = documents.iter().map(|document| document.root.clone()).collect();
    let mut node = roots.get_mut(at.document).ok_or("it has no such document")?;
    for (depth, step) in at.steps.iter().enumerate() {
        if child(node, step).is_none() {
            if let Some(rest) = at.steps.get(depth + 1..).filter(|rest| !rest.is_empty()) {
                // What lies further down is made with it.
                let mut made = Node::null();
                let mut inner = Node::null();
                change(Slot::There(&mut inner))?;
                for step in rest.iter().rev() {
                    made = wrapped(step, inner)?;
                    inner = made.clone();
                }
                add(node, step, made)?;
            } else {
                change(Slot::Gone(node, step))?;
            }
            return Ok(roots);
        }
        node = match step {
            Step::Key(key) => node.get_mut(key),
            Step::Item(at) => node.seq_mut().and_then(|items| items.get_mut(*at)),
        }
        .ok_or_else(missing)?;
    }
    change(Slot::There(node))?;
    Ok(roots)
}

/// A value with one more level around it.
fn wrapped(step: &Step, inner: Node) -> Result<Node, String> {
    match step {
        Step::Key(key) => Ok(Node::map([(Node::str(key.as_str()), inner)].into_iter().collect::<Map>())),
        Step::Item(0) => Ok(Node::seq(vec![inner])),
        Step::Item(_) => Err(missing()),
    }
}

fn add(parent: &mut Node, step: &Step, value: Node) -> Result<(), String> {
    if parent.is_null() {
        *parent = wrapped(step, value)?;
        return Ok(());
    }
    match step {
        Step::Key(key) => {
            let map = parent.map_mut().ok_or("what is above it is no mapping")?;
            map.push(Node::str(key.as_str()), value);
        }
        Step::Item(at) => {
            let items = parent.seq_mut().ok_or("what is above it is no list")?;
            if *at != items.len() {
                return Err(missing());
            }
            items.push(value);
        }
    }
    Ok(())
}

/// The text, if it reads as it should.
fn checked(text: &str, expected: &[Node]) -> Result<String, String> {
    let same = |read: &[Document]| {
        read.len() == expected.len()
            && read.iter().zip(expected).all(|(read, expected)| same_value(&read.root, expected))
    };
    match documents(text) {
        Ok(read) if same(&read) => Ok(text.to_owned()),
        _ => Err("it cannot be told how it is written there; edit it by hand".to_owned()),
    }
}

/// Whether two values are the same; a null is one however it is written, and the order of keys that are added is nobody's business.
fn same_value(a: &Node, b: &Node) -> bool {
    match (a.view(), b.view()) {
        _ if a.is_null() || b.is_null() => a.is_null() && b.is_null(),
        (View::Seq(a), View::Seq(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b)),
        (View::Map(a), View::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.0 == b.0 && same_value(a.1, b.1))
        }
        _ => a == b,
    }
}

/// Bytes to replace, and what by.
type Edit = (Range<usize>, String);

fn splice(text: &str, (range, new): Edit) -> Result<String, String> {
    let (head, tail) = (text.get(..range.start), text.get(range.end..));
    let (head, tail) = head.zip(tail).ok_or_else(lost)?;
    Ok([head, &new, tail].concat())
}

fn lost() -> String {
    "a place in it cannot be told".to_owned()
}

struct Editor<'t> {
    text: &'t str,
    newline: &'t str,
}

impl Editor<'_> {
    fn set(&self, root: &Node, steps: &[Step], value: &Node) -> Result<Edit, String> {
        let mut flowing = false;
        let mut node = root;
        let mut key: Option<&Node> = None;
        for (depth, step) in steps.iter().enumerate() {
            let Some(next) = child(node, step) else {
                let rest = steps.get(depth + 1..).unwrap_or_default();
                let inner = rest.iter().rev().try_fold(value.clone(), |inner, step| wrapped(step, inner))?;
                if node.is_null() {
                    return self.replace(node, key, flowing, &wrapped(step, inner)?);
                }
                return self.insert(node, key, step, &inner, flowing);
            };
            key = match step {
                Step::Key(name) => node.as_map().and_then(|map| map.get_entry(name)).map(|(key, _)| key),
                Step::Item(_) => None,
            };
            flowing |= node.style() == Style::Flow;
            node = next;
        }
        self.replace(node, key, flowing, value)
    }

    /// Replaces a value that is there; `key` is that of its entry, none for an item.
    fn replace(&self, old: &Node, key: Option<&Node>, flowing: bool, new: &Node) -> Result<Edit, String> {
        let (start, end) = (old.span().start as usize, self.end(old));
        let one_line = !self.get(start..end)?.contains('\n');
        let empty = start == end;
        if new.is_scalar() && old.is_scalar() && one_line && !empty && scalar(new, old.style(), flowing).is_some() {
            return Ok((start..end, scalar(new, old.style(), flowing).unwrap_or_default()));
        }
        if flowing {
            let new = flow(new);
            let space = if empty { " " } else { "" };
            return Ok((start..end, format!("{space}{new}")));
        }
        match key {
            Some(key) => self.replace_entry(key, old, new),
            None if empty => Ok((start..end, format!(" {}", self.lines(new, self.column(start) + 1)))),
            None => Ok((start..end, self.lines(new, self.column(start)))),
        }
    }

    /// Replaces the value of an entry of a block mapping.
    fn replace_entry(&self, key: &Node, old: &Node, new: &Node) -> Result<Edit, String> {
        let colon = self.after_colon(key)?;
        let (start, end) = (old.span().start as usize, self.end(old).max(colon));
        let indent = self.column(key.span().start as usize);
        let empty = start >= end || old.span().start == old.span().end;
        let start = if empty { colon } else { start };
        let below = !empty && self.get(colon..start)?.contains('\n');
        // A mapping or a list goes below its key, all else beside it.
        let beside = match new.view() {
            View::Scalar(..) => true,
            View::Seq(items) => items.is_empty(),
            View::Map(map) => map.is_empty(),
        };
        if beside {
            let text = format!(" {}", self.lines(new, indent));
            if !below {
                return Ok((colon..end, text));
            }
            // What stands between the colon and the value is a comment.
            let between = self.get(colon..start)?.trim_end();
            return Ok((colon..end, format!("{text}{between}")));
        }
        let alike = old.as_map().is_some() == new.as_map().is_some();
        let depth = match new.view() {
            _ if below && alike => self.column(start),
            View::Seq(_) => indent + self.list_indent(),
            _ => indent + 2,
        };
        let lines = format!("{}{}", " ".repeat(depth), self.lines(new, depth));
        if below {
            return Ok((self.line_start(start)..end, lines));
        }
        let rest_of_line = self.line_end(end);
        let comment = self.get(end..rest_of_line)?.trim_end();
        Ok((colon..rest_of_line, format!("{comment}{}{lines}", self.newline)))
    }

    /// Adds a key to a mapping, or an item to a list.
    fn insert(
        &self,
        parent: &Node,
        above: Option<&Node>,
        step: &Step,
        value: &Node,
        flowing: bool,
    ) -> Result<Edit, String> {
        let entry = |key: &str| Node::map([(Node::str(key), value.clone())].into_iter().collect::<Map>());
        let is_flow = flowing || parent.style() == Style::Flow;
        let (first, last) = match parent.view() {
            View::Map(map) => {
                (map.iter().next().map(|(key, _)| key), map.iter().last().map(|(key, value)| later(key, value)))
            }
            View::Seq(items) => (items.first(), items.last()),
            View::Scalar(..) => return Err("what is above it holds nothing else".to_owned()),
        };
        let (Some(first), Some(last)) = (first, last) else {
            // `{}` and `[]` become what they are filled with.
            let filled = match step {
                Step::Key(key) => entry(key),
                Step::Item(_) => Node::seq(vec![value.clone()]),
            };
            return self.replace(parent, above, flowing, &filled);
        };
        let end = self.end(last);
        if is_flow {
            let text = match step {
                Step::Key(key) => format!("{}: {}", flow(&Node::str(key.as_str())), flow(value)),
                Step::Item(_) => flow(value),
            };
            return Ok((end..end, format!(", {text}")));
        }
        let column = self.column(first.span().start as usize);
        let lines = match step {
            Step::Key(key) => format!("{}{}", " ".repeat(column), self.lines(&entry(key), column)),
            Step::Item(_) => {
                // A list in block style begins at its first dash; the first item may stand on a later line.
                let dash = parent.span().start as usize;
                if self.get(dash..dash + 1)? != "-" {
                    return Err(lost());
                }
                let between = self.get(dash + 1..first.span().start as usize)?;
                let space = if between.trim_matches(' ').is_empty() { between } else { " " };
                let depth = self.column(dash);
                format!("{}-{space}{}", " ".repeat(depth), self.lines(value, depth + 1 + space.len()))
            }
        };
        let at = self.line_end(end);
        // Behind the line break of the last line, which the last line of a text may lack.
        match self.text.get(at..).and_then(|rest| rest.find('\n').map(|newline| at + newline + 1)) {
            Some(next) => Ok((next..next, format!("{lines}{}", self.newline))),
            None => Ok((self.text.len()..self.text.len(), format!("{}{lines}", self.newline))),
        }
    }

    fn remove(&self, parent: &Node, key: &str) -> Result<Edit, String> {
        let map = parent.as_map().ok_or_else(missing)?;
        let entries: Vec<(&Node, &Node)> = map.iter().collect();
        let at = entries.iter().position(|(found, _)| found.text() == Some(key)).ok_or_else(missing)?;
        let (own, value) = entries.get(at).copied().ok_or_else(missing)?;
        let (start, end) = (own.span().start as usize, self.end(later(own, value)));
        let before = at.checked_sub(1).and_then(|before| entries.get(before));
        let next = entries.get(at + 1).map(|(key, _)| key.span().start as usize);
        if before.is_none() && next.is_none() {
            return Err("nothing would be left around it".to_owned());
        }
        if parent.style() == Style::Flow {
            return Ok(match (before, next) {
                (Some((key, value)), _) => (self.end(later(key, value))..end, String::new()),
                (None, next) => (start..next.unwrap_or(end), String::new()),
            });
        }
        let line = self.line_start(start);
        if self.get(line..start)?.trim().is_empty() {
            let to = self.line_end(end);
            let to = self
                .text
                .get(to..)
                .and_then(|rest| rest.find('\n'))
                .map_or(self.text.len(), |newline| to + newline + 1);
            return Ok((line..to, String::new()));
        }
        // Behind the dash of an item the next key takes its place.
        Ok((start..next.ok_or_else(lost)?, String::new()))
    }

    /// A value as block lines at a column, the first line without indentation.
    fn lines(&self, value: &Node, column: usize) -> String {
        let text = block(value, column, self.list_indent());
        if self.newline == "\n" { text } else { text.replace('\n', self.newline) }
    }

    /// How far this text moves lists in under their keys: as it does with the first one.
    fn list_indent(&self) -> usize {
        let mut above: Option<&str> = None;
        for line in self.text.lines() {
            let trimmed = line.trim_start();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let indent = |line: &str| line.len() - line.trim_start().len();
            if let Some(above) =
                above.filter(|above| above.trim_end().ends_with(':') && !above.trim_start().starts_with('-'))
                && trimmed.starts_with("- ")
                && indent(line) >= indent(above)
            {
                return indent(line) - indent(above);
            }
            above = Some(line);
        }
        2
    }

    fn get(&self, range: Range<usize>) -> Result<&str, String> {
        self.text.get(range).ok_or_else(lost)
    }

    /// Where a node ends, without the white space behind it.
    fn end(&self, node: &Node) -> usize {
        let (start, end) = (node.span().start as usize, node.span().end as usize);
        match self.text.get(start..end) {
            Some(own) => start + own.trim_end().len(),
            None => end,
        }
    }

    fn after_colon(&self, key: &Node) -> Result<usize, String> {
        let end = key.span().end as usize;
        let rest = self.text.get(end..).ok_or_else(lost)?;
        let blank = rest.len() - rest.trim_start_matches(' ').len();
        if rest.get(blank..).is_some_and(|rest| rest.starts_with(':')) { Ok(end + blank + 1) } else { Err(lost()) }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|head| head.rfind('\n')).map_or(0, |newline| newline + 1)
    }

    /// The end of a line, before its line break.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let line = rest.find('\n').map_or(rest, |newline| rest.get(..newline).unwrap_or_default());
        at + line.strip_suffix('\r').unwrap_or(line).len()
    }

    fn column(&self, at: usize) -> usize {
        self.text.get(self.line_start(at)..at).map_or(0, |before| before.chars().count())
    }
}

/// The one of the two that ends later: a value that is not written ends before its key.
fn later<'n>(key: &'n Node, value: &'n Node) -> &'n Node {
    if value.span().end > key.span().end { value } else { key }
}

#[cfg(test)]
mod tests;
