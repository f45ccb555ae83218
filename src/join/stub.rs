//! The stub that a fleet keeps of a cluster, as an edit of a text: a Secret without login in a file of manifests, or an entry of `clusters:`
//! in fleet.yaml; and taking either out again.
//!
//! Everything else in the text stays as it is, comments included: bytes are put in or cut out at the places of nodes. A text in which the
//! place cannot be told for certain is refused, never rewritten.

use serde_json::{Map, Value};

use super::Registration;
use crate::span::{FileId, Span};
use crate::yaml::{self, Dialect, Limits, Node, Style, emit};

/// The stub as a document of its own.
///
/// # Errors
/// The URL of the server has no host.
pub fn document(cluster: &Registration, namespace: &str) -> Result<String, String> {
    let secret = super::secret::node(&cluster.secret(namespace, None)?)?;
    Ok(format!("# What selectors see of this cluster. Its login is elsewhere.\n{}", emit::to_yaml(&secret)))
}

/// A text of manifests with one more document.
pub fn append(text: &str, document: &str) -> String {
    if text.trim().is_empty() {
        return document.to_owned();
    }
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}---\n{document}")
}

/// `fleet.yaml` with one more entry in `clusters`.
///
/// # Errors
/// It cannot be told where it goes.
pub fn enter(text: &str, cluster: &Registration) -> Result<String, String> {
    let texts = |map: &std::collections::BTreeMap<String, String>| -> Value {
        Value::Object(map.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect())
    };
    let mut entry = Map::new();
    entry.insert("name".to_owned(), cluster.name.as_str().into());
    entry.insert("server".to_owned(), cluster.server.as_str().into());
    for (key, map) in [("labels", &cluster.labels), ("annotations", &cluster.annotations)] {
        if !map.is_empty() {
            entry.insert(key.to_owned(), texts(map));
        }
    }
    if !cluster.project.is_empty() {
        entry.insert("project".to_owned(), cluster.project.as_str().into());
    }
    let root = root(text)?;
    let Some((key, list)) = root.as_map().and_then(|map| map.get_entry("clusters")) else {
        let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        return Ok(format!("{text}{end}clusters:\n{}", block(&entry, "")?));
    };
    let items = list.as_seq().unwrap_or_default();
    let range = list.span();
    match (list.style(), items.first(), items.last()) {
        (_, None, _) if list.is_null() || list.as_seq().is_some() => {
            // `clusters:` or `clusters: []`
            let at = after_colon(text, key.span())?;
            let (_, rest) = split(text, at)?;
            let line = rest.find('\n').map_or(text.len(), |length| at + length);
            let said = text.get(at..line).unwrap_or_default();
            let said = said.split('#').next().unwrap_or_default().trim();
            if !(said.is_empty() || said == "[]") {
                return Err("its `clusters` is empty in a way that is not understood".to_owned());
            }
            let (head, tail) = (text.get(..at).unwrap_or_default(), text.get(line..).unwrap_or_default());
            Ok(format!("{head}\n{}{}", block(&entry, "")?, tail.strip_prefix('\n').unwrap_or(tail)))
        }
        (Style::Flow, Some(_), Some(last)) => {
            let (head, tail) = split(text, last.span().end as usize)?;
            Ok(format!("{head}, {}{tail}", Value::Object(entry)))
        }
        (_, Some(first), Some(_)) => {
            let start = line_start(text, first.span().start as usize);
            let indent: String = split(text, start)?.1.chars().take_while(|c| *c == ' ').collect();
            let end = line_end(text, content_end(text, range));
            let (head, tail) = split(text, end)?;
            let newline = if head.ends_with('\n') { "" } else { "\n" };
            Ok(format!("{head}{newline}{}{tail}", block(&entry, &indent)?))
        }
        _ => Err("its `clusters` is no list".to_owned()),
    }
}

/// An entry of a block list, with this indentation.
fn block(entry: &Map<String, Value>, indent: &str) -> Result<String, String> {
    let mut out = String::new();
    for (at, (key, value)) in entry.iter().enumerate() {
        let one = super::secret::node(&Value::Object([(key.clone(), value.clone())].into_iter().collect()))?;
        for (line_at, line) in emit::to_yaml(&one).lines().enumerate() {
            let mark = if at == 0 && line_at == 0 { "- " } else { "  " };
            out.push_str(&format!("{indent}{mark}{line}\n"));
        }
    }
    Ok(out)
}

/// A text without the object or the entry at a place; `None` where nothing but comments is left of it.
///
/// # Errors
/// There is nothing at that place, or it cannot be told where it ends.
pub fn remove(text: &str, place: Span) -> Result<Option<String>, String> {
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    if parsed.error.is_some() {
        return Err("it cannot be read to its end".to_owned());
    }
    let is_it = |node: &Node| (node.span().start, node.span().end) == (place.start, place.end);
    for document in &parsed.documents {
        if is_it(&document.root) {
            let (start, end) = (document.span.start as usize, document.span.end as usize);
            let (head, tail) = (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
            // The first document of a text may go without `---`; what follows it then needs none either.
            let tail = if head.trim().is_empty() { tail.strip_prefix("---\n").unwrap_or(tail) } else { tail };
            let left = format!("{head}{tail}");
            return Ok(Some(left).filter(|left| holds_something(left)));
        }
        for key in ["items", "clusters"] {
            let Some((name, list)) = document.root.as_map().and_then(|map| map.get_entry(key)) else { continue };
            let items = list.as_seq().unwrap_or_default();
            if let Some(at) = items.iter().position(is_it) {
                let spans: Vec<Span> = items.iter().map(Node::span).collect();
                return cut(text, name.span(), list, &spans, at, "[]").map(Some);
            }
        }
    }
    Err("nothing of it is at that place".to_owned())
}

/// `fleet.yaml` without the entry of a cluster in `contexts`; as it is where there is none.
///
/// # Errors
/// It cannot be told where the entry ends.
pub fn forget_context(text: &str, cluster: &str) -> Result<String, String> {
    let root = root(text)?;
    let Some((name, map)) = root.as_map().and_then(|map| map.get_entry("contexts")) else {
        return Ok(text.to_owned());
    };
    let entries: Vec<(&Node, &Node)> = map.as_map().into_iter().flat_map(|map| map.iter()).collect();
    let Some(at) = entries.iter().position(|(key, _)| key.text() == Some(cluster)) else { return Ok(text.to_owned()) };
    let spans: Vec<Span> = entries
        .iter()
        .map(|(key, value)| {
            let end = value.span().end.max(key.span().end);
            Span { end, ..key.span() }
        })
        .collect();
    cut(text, name.span(), map, &spans, at, "{}")
}

/// A text without one item of a collection. `empty` is what stands for the collection when nothing is left in it.
fn cut(text: &str, key: Span, list: &Node, items: &[Span], at: usize, empty: &str) -> Result<String, String> {
    let lost = || "it cannot be told where it ends".to_owned();
    let item = items.get(at).ok_or_else(lost)?;
    if list.style() == Style::Flow {
        let before = at.checked_sub(1).and_then(|before| items.get(before));
        let (start, end) = match (before, items.get(at + 1)) {
            (Some(before), _) => (before.end, item.end),
            (None, Some(next)) => (item.start, next.start),
            (None, None) => (item.start, item.end),
        };
        let (head, tail) = (text.get(..start as usize), text.get(end as usize..));
        return Ok(format!("{}{}", head.ok_or_else(lost)?, tail.ok_or_else(lost)?));
    }
    let start = line_start(text, item.start as usize);
    let before = text.get(start..item.start as usize).ok_or_else(lost)?;
    if !before.chars().all(|c| c == ' ' || c == '-') {
        return Err(lost());
    }
    let end = match items.get(at + 1) {
        Some(next) => line_start(text, next.start as usize),
        None => line_end(text, content_end(text, *item)),
    };
    let (head, tail) = (text.get(..start).ok_or_else(lost)?, text.get(end..).ok_or_else(lost)?);
    if items.len() > 1 {
        return Ok(format!("{head}{tail}"));
    }
    let colon = after_colon(text, key)?;
    let (up_to, rest) = (text.get(..colon).ok_or_else(lost)?, text.get(colon..start).ok_or_else(lost)?);
    Ok(format!("{up_to} {empty}{rest}{tail}"))
}

fn root(text: &str) -> Result<Node, String> {
    let parsed = yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    let documents = parsed.map_err(|_| "it cannot be read".to_owned())?;
    let mut documents = documents.into_iter().filter(|document| !document.is_null());
    match (documents.next(), documents.next()) {
        (Some(root), None) if root.as_map().is_some() && root.style() != Style::Flow => Ok(root),
        _ => Err("it is not one document in block style".to_owned()),
    }
}

fn split(text: &str, at: usize) -> Result<(&str, &str), String> {
    text.split_at_checked(at).ok_or_else(|| "a place in it cannot be told".to_owned())
}

fn after_colon(text: &str, key: Span) -> Result<usize, String> {
    let end = key.end as usize;
    match text.get(end..).and_then(|rest| rest.find(':')) {
        Some(0) => Ok(end + 1),
        Some(1) => Ok(end + 2),
        _ => Err("the end of a key in it cannot be told".to_owned()),
    }
}

/// The end of what a node says, without the white space and comments after it.
fn content_end(text: &str, span: Span) -> usize {
    let inside = text.get(span.start as usize..span.end as usize).unwrap_or_default();
    span.start as usize + inside.trim_end().len()
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|head| head.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// The first byte of the next line.
fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|tail| tail.find('\n')).map_or(text.len(), |newline| at + newline + 1)
}

/// Whether a text has any document left.
fn holds_something(text: &str) -> bool {
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    parsed.error.is_some() || parsed.documents.iter().any(|document| !document.root.is_null())
}
