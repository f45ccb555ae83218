//! The texts of files after what moves has moved, all else in them as it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compare::{Difference, State};
use super::survey::Survey;
use super::{Form, Place, Value, Version, images};
use crate::path::{FilePath, TreePath};
use crate::yaml::Node;
use crate::yaml::edit::{self, Address, documents, remove, rename, set};

/// A file that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its path in the fleet's own tree.
    pub path: TreePath,
    /// What it held; `None` for a new file.
    pub before: Option<Arc<[u8]>>,
    /// What it holds.
    pub after: Arc<[u8]>,
}

/// What a file held, and what it holds.
type Contents = (Option<Arc<[u8]>>, Arc<[u8]>);

/// Does the edits of all differences that move. One that cannot be done stays, with the reason; the others are done.
pub fn edits(survey: &Survey<'_>, differences: &mut [Difference]) -> Vec<Changed> {
    let mut files: BTreeMap<TreePath, Contents> = BTreeMap::new();
    let mut done: Vec<(Place, Value)> = Vec::new();
    for difference in differences.iter_mut().filter(|difference| difference.state == State::Moves) {
        let (Some(from), Some((place, _))) = (&difference.from, &difference.target) else { continue };
        if let Some((_, other)) = done.iter().find(|(known, _)| known == place) {
            // Two applications may be decided by one place.
            if *other != from.value {
                difference.state = State::Stays(format!("{} would get {} there, too", place.file, other.shown()));
            }
            continue;
        }
        let (before, now) = files.get(&place.file).cloned().unwrap_or_else(|| {
            let read = survey.texts.world.read(&FilePath::new(survey.tree, place.file.clone()));
            let before = read.ok().map(|file| Arc::clone(&file.bytes));
            (before.clone(), before.unwrap_or_else(|| Arc::from([])))
        });
        match edited(&now, place, &from.value, &difference.name) {
            Ok(after) => {
                files.insert(place.file.clone(), (before, after));
                done.push((place.clone(), from.value.clone()));
            }
            Err(why) => difference.state = State::Stays(format!("{}: {why}", place.file)),
        }
    }
    let files = files.into_iter().filter(|(_, (before, after))| before.as_ref() != Some(after));
    files.map(|(path, (before, after))| Changed { path, before, after }).collect()
}

/// A file with a value at a place.
fn edited(bytes: &Arc<[u8]>, place: &Place, value: &Value, name: &str) -> Result<Arc<[u8]>, String> {
    if let Value::File(new) = value {
        return Ok(Arc::clone(new));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
    let at = &place.address;
    let after = match (place.form, value) {
        (Form::Plain, Value::Node(node)) => set(text, at, node)?,
        (Form::Entry, Value::Image(version)) => entry(text, at, version, name)?,
        (Form::Reference, Value::Image(version)) => {
            let documents = documents(text)?;
            let old = at.get(&documents).and_then(Node::text).ok_or("nothing stands there")?;
            let (head, image) = old.rsplit_once('=').map_or(("", old), |(name, image)| (name, image));
            let mark = if head.is_empty() && !old.contains('=') { "" } else { "=" };
            let (image, _) = images::split(image);
            set(text, at, &Node::str(format!("{head}{mark}{}", images::join(image, version))))?
        }
        _ => return Err("one environment has a text where the other one has none".to_owned()),
    };
    Ok(after.into_bytes().into())
}

/// Tag and digest of an entry of `images`; a new entry where there is none of that name.
fn entry(text: &str, at: &Address, version: &Version, name: &str) -> Result<String, String> {
    let documents = documents(text)?;
    let (index, list) = match at.steps.split_last() {
        Some((edit::Step::Item(index), above)) => (*index, Address { document: at.document, steps: above.to_vec() }),
        _ => return Err("nothing stands there".to_owned()),
    };
    let name = name.split(" of ").next().unwrap_or(name);
    let items = list.get(&documents).and_then(Node::as_seq).unwrap_or_default();
    let is_it = |item: &Node| item.get("name").and_then(Node::text) == Some(name);
    let own = items.get(index).filter(|item| is_it(item)).map(|_| index).or_else(|| items.iter().position(is_it));
    let mut parts = vec![("newTag", &version.tag), ("digest", &version.digest)];
    parts.retain(|(_, part)| !part.is_empty());
    let Some(own) = own else {
        let mut map = crate::yaml::Map::new();
        map.insert("name", Node::str(name));
        for (key, part) in parts {
            map.insert(key, Node::str(part.as_str()));
        }
        return set(text, &list.clone().item(items.len()), &Node::map(map));
    };
    let item = items.get(own).ok_or("nothing stands there")?;
    let place = list.item(own);
    let mut text = text.to_owned();
    // Where one takes the place of the other, it takes its line and its comment.
    if let [(key, _)] = parts.as_slice()
        && item.get(key).is_none()
        && let Some(other) = ["newTag", "digest"].into_iter().find(|other| other != key && item.get(other).is_some())
    {
        text = rename(&text, &place.clone().key(other), key)?;
    }
    for (key, part) in &parts {
        text = set(&text, &place.clone().key(key), &Node::str(part.as_str()))?;
    }
    let documents = edit::documents(&text)?;
    let item = place.get(&documents).ok_or("nothing stands there")?;
    for key in ["newTag", "digest"] {
        if item.get(key).is_some() && parts.iter().all(|(other, _)| *other != key) {
            text = remove(&text, &place.clone().key(key))?;
        }
    }
    Ok(text)
}
