//! Field paths as `fleetc explain` takes and prints them: `.spec.template.spec.containers[name=web].image`, `.spec.ports[0]`,
//! `.metadata.annotations["example.com/owner"]`.

use crate::yaml::{Node, View};

/// A path into an object. Nothing stands for the object itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FieldPath {
    parts: Vec<Part>,
}

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The value of a key.
    Key(String),
    /// An item, counted from zero.
    Index(usize),
    /// The first item whose key has a value: `[name=web]`.
    Item(String, String),
}

impl Part {
    fn of<'n>(&self, node: &'n Node) -> Option<&'n Node> {
        match self {
            Part::Key(key) => node.get(key),
            Part::Index(at) => node.as_seq()?.get(*at),
            Part::Item(key, value) => {
                let fits = |item: &&Node| item.get(key).and_then(Node::text) == Some(value.as_str());
                node.as_seq()?.iter().find(fits)
            }
        }
    }
}

/// Keys that stand without quotes.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '$'))
}

impl std::fmt::Display for FieldPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in &self.parts {
            match part {
                Part::Key(key) if is_plain(key) => write!(f, ".{key}")?,
                Part::Key(key) => write!(f, "[\"{key}\"]")?,
                Part::Index(at) => write!(f, "[{at}]")?,
                Part::Item(key, value) => write!(f, "[{key}={value}]")?,
            }
        }
        Ok(())
    }
}

impl FieldPath {
    /// Reads a path. Keys with dots stand in quotes: `."a.b/c"` or `["a.b/c"]`, double or single.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<FieldPath, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (part, behind) = if let Some(inner) = rest.strip_prefix('[') {
                bracket(inner)?
            } else if let Some(inner) = rest.strip_prefix('.') {
                match quoted(inner)? {
                    Some((key, behind)) => (Part::Key(key), behind),
                    None => {
                        let end = inner.find(['.', '[']).unwrap_or(inner.len());
                        let (key, behind) = inner.split_at(end);
                        if key.is_empty() {
                            return Err(format!("a key is missing before `{behind}`"));
                        }
                        (Part::Key(key.to_owned()), behind)
                    }
                }
            } else {
                return Err(format!("expected `.` or `[` before `{rest}`"));
            };
            parts.push(part);
            rest = behind;
        }
        Ok(FieldPath { parts })
    }

    /// Whether it names the object itself.
    pub fn is_root(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether it leads to a place or below it.
    pub fn begins_with(&self, place: &FieldPath) -> bool {
        self.parts.starts_with(&place.parts)
    }

    /// The path one step further down.
    #[must_use]
    pub fn below(&self, part: Part) -> FieldPath {
        let mut parts = self.parts.clone();
        parts.push(part);
        FieldPath { parts }
    }

    /// The keys that it begins with, up to the first item of a list.
    pub fn keys(&self) -> Vec<&str> {
        self.parts.iter().map_while(|part| if let Part::Key(key) = part { Some(key.as_str()) } else { None }).collect()
    }

    /// The value there.
    pub fn get<'n>(&self, object: &'n Node) -> Option<&'n Node> {
        self.parts.iter().try_fold(object, |node, part| part.of(node))
    }

    /// The same place by names: an index becomes `[name=…]` where the item has a name that no other item of its list has, so that the
    /// path finds the item in other states of the object, too.
    #[must_use]
    pub fn by_name(&self, object: &Node) -> FieldPath {
        let mut parts = Vec::with_capacity(self.parts.len());
        let mut node = Some(object);
        for part in &self.parts {
            let list = node.and_then(Node::as_seq);
            let name = match (part, list) {
                (Part::Index(at), Some(items)) => {
                    names(items).and_then(|names| names.get(*at).map(ToString::to_string))
                }
                _ => None,
            };
            parts.push(name.map_or_else(|| part.clone(), |name| Part::Item("name".to_owned(), name)));
            node = node.and_then(|node| part.of(node));
        }
        FieldPath { parts }
    }

    /// How far the path leads: the last place that exists, the part that does not exist in it, and those that do, as they are written in a
    /// path.
    pub fn reach(&self, object: &Node) -> (FieldPath, String, Vec<String>) {
        let mut there = FieldPath::default();
        let mut node = object;
        for part in &self.parts {
            let Some(next) = part.of(node) else { break };
            there = there.below(part.clone());
            node = next;
        }
        let one = |part: Part| FieldPath { parts: vec![part] }.to_string();
        let below = match node.view() {
            View::Scalar(..) => Vec::new(),
            View::Map(map) => map.keys().map(|key| one(Part::Key(key.to_owned()))).collect(),
            View::Seq(items) => match names(items) {
                Some(names) => {
                    names.iter().map(|name| one(Part::Item("name".to_owned(), (*name).to_owned()))).collect()
                }
                None => (0..items.len()).map(|at| one(Part::Index(at))).collect(),
            },
        };
        let missing = self.parts.get(there.parts.len()).map_or_else(String::new, |part| one(part.clone()));
        (there, missing, below)
    }
}

/// The names of items that all have one of their own.
pub(super) fn names(items: &[Node]) -> Option<Vec<&str>> {
    let names: Vec<&str> = items.iter().map(|item| item.get("name").and_then(Node::text)).collect::<Option<_>>()?;
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    (sorted.len() == names.len()).then_some(names)
}

/// A text in quotes at the start.
fn quoted(text: &str) -> Result<Option<(String, &str)>, String> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return Ok(None) };
    let inner = text.get(1..).unwrap_or_default();
    match inner.split_once(quote) {
        Some((key, behind)) => Ok(Some((key.to_owned(), behind))),
        None => Err(format!("a quote is not closed in `{text}`")),
    }
}

/// What stands in brackets, and what follows.
fn bracket(inner: &str) -> Result<(Part, &str), String> {
    if let Some((key, behind)) = quoted(inner)? {
        let behind = behind.strip_prefix(']').ok_or_else(|| format!("expected `]` after the key `{key}`"))?;
        return Ok((Part::Key(key), behind));
    }
    let (text, behind) = inner.split_once(']').ok_or_else(|| format!("`]` is missing in `[{inner}`"))?;
    if let Some((key, value)) = text.split_once('=') {
        return Ok((Part::Item(key.to_owned(), value.to_owned()), behind));
    }
    let at = text.parse().map_err(|_| format!("`[{text}]` is neither an index nor `[key=value]` nor a quoted key"))?;
    Ok((Part::Index(at), behind))
}
