//! The list of objects of an accumulation, in the order of loading, with the ids by which they find each other.
//!
//! The original looks through the whole list for every id; here two indexes are made when first asked for and thrown away when an
//! identity changes.

use rustc_hash::FxHashMap;

use super::bounds;
use super::object::{Behavior, Id, Key, Object, key_node, meta_map, set_meta_map, str_node};
use crate::span::Span;
use crate::yaml::{Map, Node};

/// Objects in the order of loading.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects {
    list: Vec<Object>,
    current: Option<FxHashMap<Key, u32>>,
    any: Option<FxHashMap<Key, Vec<usize>>>,
    /// Nothing can have become empty since the empty ones were dropped.
    swept: bool,
    /// No two have one id. With [`Objects::swept`] this keeps thousands of patches from looking at thousands of objects each.
    distinct: bool,
}

impl Objects {
    /// A list whose ids nobody has compared.
    pub(super) fn of(list: Vec<Object>) -> Self {
        Objects { list, ..Objects::default() }
    }

    /// The objects.
    pub(super) fn list(&self) -> &[Object] {
        &self.list
    }

    /// The objects, to change in any way.
    pub(super) fn list_mut(&mut self) -> &mut Vec<Object> {
        self.current = None;
        self.any = None;
        (self.swept, self.distinct) = (false, false);
        &mut self.list
    }

    /// The objects, to change whatever is not identity.
    pub(super) fn bodies_mut(&mut self) -> &mut [Object] {
        self.swept = false;
        &mut self.list
    }

    /// One object, to change whatever is not identity. Who empties it asks for [`Objects::list_mut`] afterwards.
    pub(super) fn body_mut(&mut self, at: usize) -> Option<&mut Object> {
        self.list.get_mut(at)
    }

    /// The objects without their indexes.
    pub(super) fn into_list(self) -> Vec<Object> {
        self.list
    }

    fn current(&mut self) -> &mut FxHashMap<Key, u32> {
        let list = &self.list;
        self.current.get_or_insert_with(|| {
            let mut index = FxHashMap::with_capacity_and_hasher(list.len(), rustc_hash::FxBuildHasher);
            for object in list {
                *index.entry(object.id().key()).or_insert(0) += 1;
            }
            index
        })
    }

    /// Adds an object.
    ///
    /// # Errors
    /// One with its id is there.
    pub(super) fn append(&mut self, object: Object) -> Result<(), (String, Span)> {
        if self.list.len() >= bounds::OBJECTS {
            let text = format!("a kustomization has more than {} objects, which is the limit", bounds::OBJECTS);
            return Err((text, object.span));
        }
        let key = object.id().key();
        let count = self.current().entry(key).or_insert(0);
        if *count > 0 {
            let text = format!("may not add resource with an already registered id: {}", object.id());
            return Err((text, object.span));
        }
        *count += 1;
        self.note_any(self.list.len(), &object);
        self.swept &= !object.is_empty();
        self.list.push(object);
        Ok(())
    }

    /// Adds objects.
    ///
    /// # Errors
    /// One with an id of theirs is there.
    pub(super) fn append_all(&mut self, objects: impl IntoIterator<Item = Object>) -> Result<(), (String, Span)> {
        objects.into_iter().try_for_each(|object| self.append(object))
    }

    fn note_any(&mut self, at: usize, object: &Object) {
        let Some(any) = &mut self.any else { return };
        for id in object.all_ids() {
            let places = any.entry(id.key()).or_default();
            if places.last() != Some(&at) {
                places.push(at);
            }
        }
    }

    /// The objects that have or ever had an id, in order.
    pub(super) fn with_any_id(&mut self, id: &Id) -> Vec<usize> {
        if self.any.is_none() {
            self.any = Some(FxHashMap::default());
            for at in 0..self.list.len() {
                let object = self.list[at].clone();
                self.note_any(at, &object);
            }
        }
        let places = self.any.as_ref().and_then(|any| any.get(&id.key()));
        let alive = |at: &&usize| self.list.get(**at).is_some_and(|object| !object.is_empty());
        places.into_iter().flatten().filter(alive).copied().collect()
    }

    /// The first id that two objects share.
    pub(super) fn collision(&mut self) -> Option<(String, Span)> {
        if self.distinct || self.current().values().all(|count| *count == 1) {
            self.distinct = true;
            return None;
        }
        let mut seen = rustc_hash::FxHashSet::default();
        let twice = self.list.iter().find(|object| !seen.insert(object.id().key()))?;
        Some((format!("may not add resource with an already registered id: {}", twice.id()), twice.span))
    }

    /// Drops what patches have deleted.
    pub(super) fn drop_empty(&mut self) {
        if !self.swept && self.list.iter().any(Object::is_empty) {
            self.list_mut().retain(|object| !object.is_empty());
        }
        self.swept = true;
    }

    /// Adds a generated object: created, or replacing or merging into the one that has or had its id
    /// (api/resmap `appendReplaceOrMerge`).
    ///
    /// # Errors
    /// The behavior does not fit what is there.
    pub(super) fn absorb(&mut self, mut new: Object) -> Result<(), (String, Span)> {
        let matches = self.with_any_id(new.id());
        let span = new.span;
        let (id, behavior) = (new.id().clone(), new.behavior);
        match matches.as_slice() {
            [] if matches!(behavior, Behavior::Merge | Behavior::Replace) => {
                Err((format!("id {id} does not exist; cannot merge or replace"), span))
            }
            [] => self.append(new),
            [at] => {
                let Some(old) = self.list.get(*at).cloned() else { return Ok(()) };
                match behavior {
                    Behavior::Replace => copy_metadata(&mut new, &old),
                    Behavior::Merge => {
                        copy_metadata(&mut new, &old);
                        let secret = new.id().gvk.version == "v1"
                            && new.id().gvk.group.is_empty()
                            && new.id().gvk.kind == "Secret";
                        merge_data(&mut new.body, &old.body, secret);
                        if let Some(origin) = super::build_metadata::origin_of(&old.body) {
                            super::build_metadata::set_origin(&mut new.body, Some(&origin));
                        }
                        new.edits = old.edits.clone();
                        new.edits.push(span);
                        new.span = old.span;
                    }
                    _ => {
                        return Err((
                            format!(
                                "id {id} exists; can not use behavior: '{}', behavior must be merge or replace",
                                behavior.word()
                            ),
                            span,
                        ));
                    }
                }
                if new.id() != old.id() {
                    return Err((format!("cannot find resource with id {} to replace", new.id()), span));
                }
                // The original replaces by the current id, which must be unique.
                let key = new.id().key();
                if self.current().get(&key).copied().unwrap_or(0) > 1 {
                    return Err((format!("id {} matches several resources", new.id()), span));
                }
                self.any = None;
                self.swept = false;
                if let Some(slot) = self.list.get_mut(*at) {
                    *slot = new;
                }
                Ok(())
            }
            several => Err((format!("found {} objects that could accept merge of {id}", several.len()), span)),
        }
    }
}

/// Labels, annotations, name, namespace and history of the old object, where the new one does not say otherwise.
/// A hash is added where both want one.
fn copy_metadata(new: &mut Object, old: &Object) {
    for field in ["labels", "annotations"] {
        let mut merged = meta_map(&old.body, field);
        for (key, value) in meta_map(&new.body, field) {
            match merged.iter_mut().find(|(there, _)| *there == key) {
                Some(slot) => slot.1 = value,
                None => merged.push((key, value)),
            }
        }
        merged.sort();
        set_meta_map(&mut new.body, field, merged);
    }
    set_namespace(&mut new.body, &old.id().namespace);
    new.previous.clone_from(&old.previous);
    new.prefixes.clone_from(&old.prefixes);
    new.suffixes.clone_from(&old.suffixes);
    new.vars.clone_from(&old.vars);
    new.shared.clear();
    new.steps.clone_from(&old.steps);
    new.behavior = old.behavior;
    new.generated = old.generated;
    new.needs_hash &= old.needs_hash;
    new.set_name(&old.id().name.clone());
}

/// Sets `metadata.namespace`; an empty one is removed.
pub(super) fn set_namespace(body: &mut Node, namespace: &str) {
    if namespace.is_empty() {
        if body.get("metadata").is_some_and(|meta| meta.get("namespace").is_some())
            && let Some(meta) = body.get_mut("metadata").and_then(Node::map_mut)
        {
            meta.remove("namespace");
        }
        return;
    }
    super::object::set_path_text(body, &["metadata", "namespace"], namespace);
}

/// The data of both, the new one's winning. What is text goes to `data` again, whatever the field it was in.
fn merge_data(new: &mut Node, old: &Node, secret: bool) {
    let mut data = texts(old.get("data"));
    if secret {
        for (key, value) in texts(old.get("stringData")) {
            put(&mut data, key, super::generator::wrapped_base64(value.as_bytes()));
        }
    }
    for (key, value) in texts(new.get("data")) {
        put(&mut data, key, value);
    }
    let mut binary = texts(old.get("binaryData"));
    for (key, value) in texts(new.get("binaryData")) {
        put(&mut binary, key, value);
    }
    let Some(map) = new.map_mut() else { return };
    for (field, mut entries) in [("data", data), ("binaryData", binary)] {
        map.remove(field);
        if !entries.is_empty() {
            entries.sort();
            let values: Map = entries.into_iter().map(|(key, value)| (key_node(&key), str_node(&value))).collect();
            map.insert(field, Node::map(values));
        }
    }
}

fn texts(node: Option<&Node>) -> Vec<(String, String)> {
    let Some(map) = node.and_then(Node::as_map) else { return Vec::new() };
    let text = |node: &Node| if node.is_null() { String::new() } else { node.text().unwrap_or_default().to_owned() };
    map.iter().map(|(key, value)| (text(key), text(value))).collect()
}

fn put(entries: &mut Vec<(String, String)>, key: String, value: String) {
    match entries.iter_mut().find(|(there, _)| *there == key) {
        Some(slot) => slot.1 = value,
        None => entries.push((key, value)),
    }
}
