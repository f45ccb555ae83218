//! Once at the end: every field that refers to an object by name gets the name that the object has by then
//! (api/filters/nameref, api/internal/accumulator).
//!
//! Who is meant is found among all objects that ever had the name, by a sieve: kind, role reference, namespace, and when several are
//! left the prefixes and suffixes that both went through. The original runs through all candidates for every field; here candidates are
//! looked up by name.

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use super::config::Config;
use super::fieldspec::{FieldSpec, Leaf};
use super::object::{Object, retexted, selects};
use crate::k8s::object::Gvk;
use crate::span::Span;
use crate::yaml::{Node, View};

/// Fixes all references.
///
/// # Errors
/// A reference has several possible targets, or a field has the wrong shape: the referrer's place and why.
pub(super) fn fix(objects: &mut [Object], config: &Config) -> Result<(), (Span, String)> {
    let mut by_name: FxHashMap<SmolStr, Vec<usize>> = FxHashMap::default();
    for (at, object) in objects.iter().enumerate() {
        for previous in &object.previous {
            let places = by_name.entry(previous.name.clone()).or_default();
            if places.last() != Some(&at) {
                places.push(at);
            }
        }
    }
    let mut fields: FxHashMap<Gvk, Vec<(&Gvk, &FieldSpec)>> = FxHashMap::default();
    for at in 0..objects.len() {
        let Some(referrer) = objects.get(at) else { continue };
        let original = referrer.original_id().gvk;
        let fields = fields.entry(original.clone()).or_insert_with(|| fields_of(config, &original));
        if fields.is_empty() {
            continue;
        }
        visible_namespaces(referrer).map_err(|why| (referrer.span, why))?;
        // Also where nothing was renamed: a field of the wrong shape is an error.
        let mut body = referrer.body.clone();
        for (target, field) in fields.iter() {
            let sieve = Sieve::new(objects, &by_name, at, target, field);
            let changed = field.rewrite(&body, Leaf::Never, &mut |node| sieve.node(node));
            match changed {
                Ok(Some(new)) => {
                    body = new;
                    // Later fields see what earlier ones wrote, and a name may be among it.
                    if let Some(object) = objects.get_mut(at) {
                        object.body.clone_from(&body);
                        object.refresh();
                    }
                }
                Ok(None) => {}
                Err(why) => {
                    let id = objects.get(at).map(|object| object.id().to_string()).unwrap_or_default();
                    let span = objects.get(at).map_or(Span::NONE, |object| object.span);
                    return Err((span, format!("updating name references of {id}: {why}")));
                }
            }
        }
    }
    Ok(())
}

fn fields_of<'c>(config: &'c Config, gvk: &Gvk) -> Vec<(&'c Gvk, &'c FieldSpec)> {
    let all = config
        .name_reference
        .iter()
        .flat_map(|referral| referral.fields.iter().map(move |field| (&referral.target, field)));
    all.filter(|(_, field)| selects(&field.gvk, gvk)).collect()
}

/// Finds the object that one field of one object means.
struct Sieve<'a> {
    objects: &'a [Object],
    by_name: &'a FxHashMap<SmolStr, Vec<usize>>,
    referrer: &'a Object,
    target: &'a Gvk,
    /// Kind and group in `roleRef`, for the field `roleRef/name`.
    role: Option<Gvk>,
}

impl<'a> Sieve<'a> {
    fn new(
        objects: &'a [Object],
        by_name: &'a FxHashMap<SmolStr, Vec<usize>>,
        at: usize,
        target: &'a Gvk,
        field: &FieldSpec,
    ) -> Self {
        #[expect(clippy::indexing_slicing, reason = "the caller counts up to the length")]
        let referrer = &objects[at];
        let role = if field.path.ends_with("roleRef/name") { role_of(&referrer.body) } else { None };
        Sieve { objects, by_name, referrer, target, role }
    }

    fn node(&self, node: &Node) -> Result<Option<Node>, String> {
        match node.view() {
            _ if node.is_null() => Ok(None),
            View::Scalar(..) => self.scalar(node),
            View::Map(_) => self.mapping(node),
            View::Seq(items) => {
                let mut changed: Option<Node> = None;
                for (at, item) in items.iter().enumerate() {
                    let new = match item.view() {
                        View::Map(_) => self.mapping(item)?,
                        View::Scalar(..) => self.scalar(item)?,
                        View::Seq(_) => return Err("expected a name or a mapping, found a list".to_owned()),
                    };
                    if let Some(new) = new
                        && let Some(slot) =
                            changed.get_or_insert_with(|| node.clone()).seq_mut().and_then(|items| items.get_mut(at))
                    {
                        *slot = new;
                    }
                }
                Ok(changed)
            }
        }
    }

    fn scalar(&self, node: &Node) -> Result<Option<Node>, String> {
        let old = node.text().unwrap_or_default();
        let Some(referral) = self.select(old, None, false)? else { return Ok(None) };
        let new = &referral.id().name;
        Ok((new != old).then(|| retexted(node, new)))
    }

    fn mapping(&self, node: &Node) -> Result<Option<Node>, String> {
        let Some(name) = node.get("name") else { return Err("path config error; no `name` field in node".to_owned()) };
        let old = name.text().unwrap_or_default();
        let namespace = node.get("namespace").map(|node| node.text().unwrap_or_default());
        let Some(referral) = self.select(old, namespace, true)? else { return Ok(None) };
        let id = referral.id();
        if id.name == old && id.namespace.is_empty() {
            return Ok(None);
        }
        let mut changed = node.clone();
        let Some(map) = changed.map_mut() else { return Ok(None) };
        let renamed = retexted(name, &id.name);
        map.insert("name", renamed);
        if !id.namespace.is_empty() {
            let moved = match map.get("namespace") {
                Some(there) if there.is_scalar() => retexted(there, &id.namespace),
                _ => Node::str(id.namespace.clone()),
            };
            map.insert("namespace", moved);
        }
        Ok(Some(changed))
    }

    /// The object meant by a name. `namespace` is the one that stands beside the name, if any.
    fn select(&self, name: &str, namespace: Option<&str>, whole: bool) -> Result<Option<&'a Object>, String> {
        let Some(places) = self.by_name.get(name) else { return Ok(None) };
        let mut candidates: Vec<&'a Object> = places.iter().filter_map(|at| self.objects.get(*at)).collect();
        let visible = visible_namespaces(self.referrer)?;
        candidates.retain(|object| self.sees(object, &visible));
        if let Some(namespace) = namespace {
            self.retain_namespace(&mut candidates, namespace, &visible);
        }
        let had_kind = |object: &Object, gvk: &Gvk| {
            object.previous.iter().any(|previous| selects(gvk, &object.previous_id(previous).gvk))
        };
        candidates.retain(|object| had_kind(object, self.target));
        if let Some(role) = &self.role {
            candidates.retain(|object| had_kind(object, role));
        }
        if !self.referrer.id().cluster {
            let here = self.referrer.id().effective_namespace();
            candidates.retain(|object| {
                let id = object.id();
                id.cluster || id.gvk.kind == "ServiceAccount" || id.effective_namespace() == here
            });
        }
        if candidates.len() != 1 {
            candidates.retain(|object| same_affixes(object, self.referrer, true));
            if candidates.len() > 1 {
                candidates.retain(|object| same_affixes(object, self.referrer, false));
            }
        }
        let Some(first) = candidates.first() else { return Ok(None) };
        let same = |object: &&&Object| {
            object.id().name == first.id().name && (!whole || object.id().namespace == first.id().namespace)
        };
        if candidates.iter().all(|object| same(&object)) {
            return Ok(Some(first));
        }
        let ids: Vec<String> = candidates.iter().map(|object| object.id().to_string()).collect();
        Err(format!("found multiple possible referrals of `{name}`: {}", ids.join(", ")))
    }

    fn sees(&self, object: &Object, visible: &[SmolStr]) -> bool {
        let (mine, theirs) = (self.referrer.id(), object.id());
        mine.cluster
            || theirs.cluster
            || mine.effective_namespace() == theirs.effective_namespace()
            || visible.contains(&theirs.namespace)
    }

    /// Keeps what was in a namespace at first, or else what is in it now. Which of the two is decided over all objects that the referrer sees.
    fn retain_namespace(&self, candidates: &mut Vec<&Object>, namespace: &str, visible: &[SmolStr]) {
        let originally = |object: &Object| {
            let id = object.original_id().effective_namespace();
            id == namespace && id != "_non_namespaceable_"
        };
        let any = candidates.iter().any(|object| originally(object))
            || self.objects.iter().any(|object| originally(object) && self.sees(object, visible));
        if any {
            candidates.retain(|object| originally(object));
        } else {
            candidates.retain(|object| !object.id().cluster && object.id().effective_namespace() == namespace);
        }
    }
}

/// Namespaces of the service accounts that a RoleBinding binds: it sees what is in them.
fn visible_namespaces(referrer: &Object) -> Result<Vec<SmolStr>, String> {
    if referrer.id().cluster || referrer.id().gvk.kind != "RoleBinding" {
        return Ok(Vec::new());
    }
    let subjects = referrer.body.get("subjects").and_then(Node::as_seq).unwrap_or_default();
    let mut namespaces = Vec::new();
    for subject in subjects {
        let Some(namespace) = subject.get("namespace") else { continue };
        if subject.get("kind").and_then(Node::text) != Some("ServiceAccount") {
            continue;
        }
        match namespace.as_str() {
            Some(namespace) => namespaces.push(namespace.into()),
            None => return Err(format!("a namespace of the subjects of {} is no text", referrer.id())),
        }
    }
    Ok(namespaces)
}

fn role_of(body: &Node) -> Option<Gvk> {
    let role = body.get("roleRef").filter(|role| !role.is_null())?;
    let text = |key| role.get(key).filter(|node| !node.is_null()).and_then(Node::smol);
    Some(Gvk { group: text("apiGroup")?, version: SmolStr::default(), kind: text("kind")? })
}

/// Whether prefixes and suffixes of both end alike; with `lenient` nothing on one side fits anything.
fn same_affixes(a: &Object, b: &Object, lenient: bool) -> bool {
    let same = |a: &[SmolStr], b: &[SmolStr]| (lenient && (a.is_empty() || b.is_empty())) || same_ending(a, b);
    same(&a.prefixes, &b.prefixes) && same(&a.suffixes, &b.suffixes)
}

fn same_ending(a: &[SmolStr], b: &[SmolStr]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.is_empty() { long.is_empty() } else { long.ends_with(short) }
}
