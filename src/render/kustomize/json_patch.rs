//! RFC 6902 patches as evanphx/json-patch v4.13 applies them, which is what kustomize uses: `replace` makes a missing key of a mapping,
//! negative indexes count from the end, what stands before the first `/` of a path is ignored, and afterwards every number of the object is a
//! float64.

use super::bounds::Copies;
use crate::diag::Diagnostic;
use crate::span::{FileId, Span};
use crate::yaml::{self, Dialect, Limits, Node, View, emit, json, sigs};

/// One operation.
#[derive(Clone, Debug)]
struct Operation {
    kind: String,
    path: Option<String>,
    from: Option<String>,
    value: Node,
    span: Span,
}

/// A patch.
#[derive(Clone, Debug)]
pub(super) struct JsonPatch {
    operations: Vec<Operation>,
}

impl JsonPatch {
    /// Reads a patch: JSON when it starts with `[`, else YAML.
    ///
    /// # Errors
    /// It is no list of operations.
    pub(super) fn read(file: FileId, bytes: &[u8]) -> Result<Self, Box<Diagnostic>> {
        let fail = |span: Span, text: String| Box::new(Diagnostic::error("kustomize/json-patch", span, text));
        let whole = Span::new(file, 0, bytes.len());
        if bytes.is_empty() {
            return Err(fail(whole, "the patch is empty".to_owned()));
        }
        let first = |found: crate::diag::Diagnostics| {
            let error = found.0.into_iter().next();
            Box::new(error.unwrap_or_else(|| *fail(whole, "the patch cannot be read".to_owned())))
        };
        let root = if bytes.first() == Some(&b'[') {
            json::parse(file, bytes).map_err(first)?
        } else {
            let parsed = yaml::parse(file, bytes, Dialect::V2, &Limits::default());
            let root = match (parsed.documents.into_iter().next(), parsed.error) {
                (Some(document), _) => document.root,
                (None, Some(error)) => return Err(Box::new(error)),
                (None, None) => Node::null(),
            };
            sigs::to_json_value(&root, sigs::Numbers::Int64).map_err(first)?
        };
        let items = match root.view() {
            View::Seq(items) => items,
            _ if root.is_null() => &[],
            _ => {
                return Err(fail(
                    root.span().or(whole),
                    format!("expected a list of operations, found {}", root.what()),
                ));
            }
        };
        let mut operations = Vec::new();
        for item in items {
            if item.as_map().is_none() {
                return Err(fail(item.span().or(whole), format!("expected an operation, found {}", item.what())));
            }
            let text = |key: &str| item.get(key).and_then(Node::as_str).map(str::to_owned);
            operations.push(Operation {
                kind: text("op").unwrap_or_else(|| "unknown".to_owned()),
                path: text("path"),
                from: text("from"),
                value: item.get("value").cloned().unwrap_or_else(Node::null),
                span: item.span().or(whole),
            });
        }
        Ok(JsonPatch { operations })
    }

    /// Whether it has no operations.
    pub(super) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The object after the patch.
    ///
    /// # Errors
    /// An operation does not apply: its place and why.
    pub(super) fn apply(&self, object: &Node) -> Result<Node, (Span, String)> {
        let mut document = emit::through_kyaml(object);
        let mut copies = Copies::new();
        for operation in &self.operations {
            operation.apply(&mut document, &mut copies).map_err(|why| (operation.span, why))?;
        }
        if document.as_map().is_none() {
            return Err((Span::NONE, format!("the patch leaves {} instead of an object", document.what())));
        }
        Ok(super::resources::float_numbers(&document))
    }
}

impl Operation {
    fn apply(&self, document: &mut Node, copies: &mut Copies) -> Result<(), String> {
        let path = self.path.as_deref().ok_or("the operation has no `path`")?;
        let depth = path.split('/').count();
        match self.kind.as_str() {
            "add" => {
                copies.take(&self.value, depth)?;
                add(parent(document, path)?, self.value.clone(), path)
            }
            "remove" => remove(parent(document, path)?, path),
            "replace" if path.is_empty() => {
                if self.value.is_scalar() {
                    return Err("the whole object can only be replaced by a mapping".to_owned());
                }
                *document = self.value.clone();
                Ok(())
            }
            "replace" => {
                copies.take(&self.value, depth)?;
                let (container, key) = parent(document, path)?;
                if container.as_map().is_some() {
                    return add((container, key), self.value.clone(), path);
                }
                let at = index(container, &key, 0).ok_or_else(|| missing(path))?;
                if let Some(slot) = container.seq_mut().and_then(|items| items.get_mut(at)) {
                    *slot = self.value.clone();
                }
                Ok(())
            }
            "move" => {
                let from = self.from.as_deref().ok_or("the operation has no `from`")?;
                let value = read(document, from)?;
                copies.take(&value, depth)?;
                remove(parent(document, from)?, from)?;
                add(parent(document, path)?, value, path)
            }
            "copy" => {
                let from = self.from.as_deref().ok_or("the operation has no `from`")?;
                let value = read(document, from)?;
                copies.take(&value, depth)?;
                add(parent(document, path)?, value, path)
            }
            "test" => {
                let there = if path.is_empty() { document.clone() } else { read(document, path)? };
                let text = |node: &Node| json::to_json(node).unwrap_or_default();
                if text(&there) == text(&self.value) {
                    Ok(())
                } else {
                    Err(format!("testing the value at `{path}` failed"))
                }
            }
            other => Err(format!("unexpected operation `{other}`")),
        }
    }
}

fn missing(path: &str) -> String {
    format!("there is nothing at `{path}`")
}

/// The container that a path's last part names something in, and that part.
fn parent<'n>(document: &'n mut Node, path: &str) -> Result<(&'n mut Node, String), String> {
    let parts: Vec<String> = path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let Some((last, above)) = parts.split_last() else { return Err(missing(path)) };
    let mut node = document;
    for part in above {
        let next = if node.as_map().is_some() {
            node.get_mut(part)
        } else {
            let at = index(node, part, 0).ok_or_else(|| missing(path))?;
            node.seq_mut().and_then(|items| items.get_mut(at))
        };
        node = next.ok_or_else(|| missing(path))?;
    }
    if node.is_scalar() { Err(missing(path)) } else { Ok((node, last.clone())) }
}

/// The place that an index names in a list that has room for `more` further items.
fn index(list: &Node, key: &str, more: usize) -> Option<usize> {
    let len = list.as_seq()?.len() + more;
    let at: i64 = key.strip_prefix('+').unwrap_or(key).parse().ok()?;
    let at = if at < 0 { at.checked_add(i64::try_from(len).ok()?)? } else { at };
    usize::try_from(at).ok().filter(|at| *at < len)
}

fn read(document: &mut Node, path: &str) -> Result<Node, String> {
    let (container, key) = parent(document, path)?;
    if container.as_map().is_some() {
        return Ok(container.get(&key).cloned().unwrap_or_else(Node::null));
    }
    let at = index(container, &key, 0).ok_or_else(|| missing(path))?;
    container.as_seq().and_then(|items| items.get(at)).cloned().ok_or_else(|| missing(path))
}

fn add((container, key): (&mut Node, String), value: Node, path: &str) -> Result<(), String> {
    if let Some(map) = container.map_mut() {
        map.insert(key, value);
        return Ok(());
    }
    let at = if key == "-" { container.as_seq().map(<[Node]>::len) } else { index(container, &key, 1) };
    let (Some(at), Some(items)) = (at, container.seq_mut()) else { return Err(missing(path)) };
    items.insert(at, value);
    Ok(())
}

fn remove((container, key): (&mut Node, String), path: &str) -> Result<(), String> {
    if let Some(map) = container.map_mut() {
        return map.remove(&key).map(drop).ok_or_else(|| missing(path));
    }
    let at = index(container, &key, 0).ok_or_else(|| missing(path))?;
    if let Some(items) = container.seq_mut() {
        items.remove(at);
    }
    Ok(())
}
