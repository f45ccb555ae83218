//! Short ways to build and change values.

use smol_str::SmolStr;

pub(super) use crate::k8s::defaults::{default, int_at, set, str_at};
use crate::yaml::{Map, Node};

pub(super) fn text(value: impl Into<SmolStr>) -> Node {
    Node::str(value)
}

pub(super) fn list(items: Vec<Node>) -> Node {
    Node::seq(items)
}

pub(super) fn object(entries: impl IntoIterator<Item = (&'static str, Node)>) -> Node {
    entries.into_iter().map(|(key, value)| (Node::str(key), value)).collect::<Map>().into_node()
}

trait IntoNode {
    fn into_node(self) -> Node;
}

impl IntoNode for Map {
    fn into_node(self) -> Node {
        Node::map(self)
    }
}

/// Takes out what is at a path.
pub(super) fn take(node: &mut Node, path: &[&str]) -> Option<Node> {
    let (last, above) = path.split_last()?;
    let mut at = node;
    for key in above {
        at.get(key)?;
        at = at.get_mut(key)?;
    }
    at.map_mut()?.remove(last)
}

/// Takes out nulls: a typed object has none.
pub(super) fn drop_nulls(node: &mut Node) {
    if let Some(map) = node.map_mut() {
        map.retain(|_, value| !value.is_null());
        map.iter_mut().for_each(|(_, value)| drop_nulls(value));
    } else if let Some(items) = node.seq_mut() {
        items.iter_mut().for_each(drop_nulls);
    }
}

/// RFC 7386.
pub(super) fn merge_patch(target: &Node, patch: &Node) -> Node {
    let Some(changes) = patch.as_map() else { return patch.clone() };
    let mut out = target.as_map().cloned().unwrap_or_default();
    for (key, value) in changes.iter() {
        let name = key.text().unwrap_or_default();
        if value.is_null() {
            out.remove(name);
        } else {
            let merged = merge_patch(out.get(name).unwrap_or(&Node::null()), value);
            out.insert(name, merged);
        }
    }
    Node::map(out)
}

/// RFC 6902.
///
/// # Errors
/// What cannot be done.
pub(super) fn json_patch(target: &Node, patch: &Node) -> Result<Node, String> {
    let mut out = target.clone();
    for operation in patch.as_seq().ok_or("the patch is no list")? {
        let path = pointer(str_at(operation, &["path"]));
        let from = pointer(str_at(operation, &["from"]));
        let value = || operation.get("value").cloned().ok_or("a value is missing");
        match str_at(operation, &["op"]) {
            "add" => add(&mut out, &path, value()?)?,
            "remove" => drop(cut(&mut out, &path)?),
            "replace" => *find(&mut out, &path)? = value()?,
            "move" => {
                let moved = cut(&mut out, &from)?;
                add(&mut out, &path, moved)?;
            }
            "copy" => {
                let copied = find(&mut out, &from)?.clone();
                add(&mut out, &path, copied)?;
            }
            "test" => {
                if !super::fields::same(find(&mut out, &path)?, &value()?) {
                    return Err(format!("testing value {} failed", str_at(operation, &["path"])));
                }
            }
            other => return Err(format!("Unexpected kind: {other}")),
        }
    }
    Ok(out)
}

fn pointer(text: &str) -> Vec<String> {
    text.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

fn find<'a>(node: &'a mut Node, path: &[String]) -> Result<&'a mut Node, String> {
    let missing = || format!("doc is missing path: /{}", path.join("/"));
    let mut at = node;
    for part in path {
        at = if at.as_map().is_some() {
            at.get_mut(part).ok_or_else(missing)?
        } else {
            let place: usize = part.parse().map_err(|_| missing())?;
            at.seq_mut().and_then(|items| items.get_mut(place)).ok_or_else(missing)?
        };
    }
    Ok(at)
}

fn add(node: &mut Node, path: &[String], value: Node) -> Result<(), String> {
    let Some((last, above)) = path.split_last() else {
        *node = value;
        return Ok(());
    };
    let parent = find(node, above)?;
    if let Some(map) = parent.map_mut() {
        map.insert(last.as_str(), value);
        return Ok(());
    }
    let items = parent.seq_mut().ok_or("the parent is no collection")?;
    let place = if last == "-" { items.len() } else { last.parse().map_err(|_| "no index".to_owned())? };
    if place > items.len() {
        return Err("index out of range".to_owned());
    }
    items.insert(place, value);
    Ok(())
}

fn cut(node: &mut Node, path: &[String]) -> Result<Node, String> {
    let missing = || format!("Unable to remove nonexistent key: /{}", path.join("/"));
    let (last, above) = path.split_last().ok_or_else(missing)?;
    let parent = find(node, above)?;
    if let Some(map) = parent.map_mut() {
        return map.remove(last).ok_or_else(missing);
    }
    let items = parent.seq_mut().ok_or_else(missing)?;
    let place: usize = last.parse().map_err(|_| missing())?;
    if place < items.len() { Ok(items.remove(place)) } else { Err(missing()) }
}
